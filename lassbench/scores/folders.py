"""Scoring prediction folders: check everything, judge piece by piece, sum up."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lassbench.errors import Fault, FaultsError, UsageError
from lassbench.files import name_of
from lassbench.parallel import map_ordered, open_executor
from lassbench.predictions import PredictionSet, System, check
from lassbench.progress import track
from lassbench.records import Query, SystemCard
from lassbench.scores.pieces import Measured, by_mixture, cut, make_piece, measure
from lassbench.scores.result import USUAL, make_scores, system_info, warn_of_levels
from lassbench.scores.score_file import CLAP_COLUMNS, Bootstrap, Scores
from lassbench.suites.suite import Suite

if TYPE_CHECKING:
    from lassbench.metrics.clap import ClapModel

#: Fewer answers than this are scored sooner than other processes are started.
SMALL_JOB = 100


@dataclass
class _Folder:
    """A prediction folder on its way to a score."""

    predictions: PredictionSet
    faults: list[Fault]
    measured: list[Measured] = field(default_factory=list)


def score_folders(
    folders: Sequence[str | Path],
    suite: Suite,
    *,
    allow_partial: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    clap: str | None = None,
    bootstrap: Bootstrap = USUAL,
) -> list[Scores]:
    """Score prediction folders against a suite, all in one pass over its mixtures.

    Parameters
    ----------
    folders
        Folders with a file for each query; see :mod:`lassbench.predictions`.
    allow_partial
        Leave out queries whose prediction is missing or faulty, and mark the result.
    workers
        Processes (``None``: one a processor, or this one alone for a small job);
        the result does not depend on it.
    scheduler
        Address of a Dask scheduler to use instead.
    clap
        Name or folder of a CLAP model: add CLAPScore (on CUDA where there is a device).

    Returns
    -------
    list of Scores
        One a folder, in their order.

    Warns
    -----
    LassbenchWarning
        Once a system if estimates are integers rather than at full scale 1, and once
        if they are clipped.  They are scored as they are.

    Raises
    ------
    UsageError
        If a folder is not there, or two hold systems of one name.
    FaultsError
        If predictions are missing or faulty: all of them, in one pass.
    LassbenchError
        If there is nothing to score, or the suite's audio is not what was frozen.
    """
    model = None
    if clap:
        from lassbench.metrics.clap import ClapModel

        model = ClapModel(clap)
    opened = [_Folder(*check(Path(folder), suite)) for folder in folders]
    for one in opened:
        # What a score file could not say is refused before anything is scored.
        system_info(one.predictions.system, [], one.predictions.folder)
    _check_names(opened)
    if workers is None and len(opened) * len(suite.renderable_queries) < SMALL_JOB:
        workers = 1
    with open_executor(workers, scheduler) as executor:
        if not allow_partial and any(one.faults for one in opened):
            # Before anything is scored every file is read, to tell everything at once.
            _measure_all(opened, suite, executor, judging=False)
            _refuse_faults(opened)
        unscorable = _measure_all(opened, suite, executor)
    if not allow_partial:
        _refuse_faults(opened)
    found = [
        make_scores(
            one.measured,
            suite,
            one.predictions.system,
            bootstrap=bootstrap,
            clap=_clap_columns(model, suite, one) if model else None,
            clap_model=clap or "",
            faults=one.faults,
            unscorable=unscorable,
        )
        for one in opened
    ]
    for one in opened:
        warn_of_levels(one.measured, one.predictions.system.card.name)
    return found


def _clap_columns(model: ClapModel, suite: Suite, one: _Folder) -> dict[str, dict[str, float]]:
    """query_id -> ``clap``, ``clap_mixture`` and ``clap_i`` of every measured query."""
    asked = by_mixture(suite.queries[measured.query_id] for measured in one.measured)
    columns: dict[str, dict[str, float]] = {}
    for mixture_id, queries in track(asked.items(), "CLAPScore", total=len(asked)):
        found = model.score(
            texts=[query.text for query in queries],
            estimates=[one.predictions.load(query.query_id) for query in queries],
            mixtures=[suite.mixture_samples(mixture_id)] * len(queries),
            sample_rate_hz=suite.sample_rate_hz,
        )
        for query, score in zip(queries, found, strict=True):
            figures = (score.estimate, score.mixture, score.improvement)
            columns[query.query_id] = dict(zip(CLAP_COLUMNS, figures, strict=True))
    return columns


def _check_names(opened: Sequence[_Folder]) -> None:
    seen: dict[str, Path] = {}
    for one in opened:
        stem, folder = name_of(one.predictions.system.card.name), one.predictions.folder
        if stem in seen:
            raise UsageError(
                "two folders hold systems of one name",
                where=f"{seen[stem]}, {folder}",
                got=one.predictions.system.card.name,
                fix="give each its own `name:` in system.yaml",
            )
        seen[stem] = folder


def _measure_all(
    opened: Sequence[_Folder], suite: Suite, executor: Executor | None, *, judging: bool = True
) -> dict[str, str]:
    """Fill in what was measured and lost; query_id -> why it is unscorable for everyone."""
    pieces = list(cut(suite, suite.renderable_queries))
    made = (
        make_piece(suite, queries, [_part(one.predictions, queries) for one in opened])
        for queries in pieces
    )
    outcomes = map_ordered(executor, partial(measure, judging=judging), made, ahead=32)
    unscorable: dict[str, str] = {}
    for outcome in track(outcomes, "scoring" if judging else "checking", total=len(pieces)):
        unscorable |= outcome.unscorable
        for one, (measured, lost) in zip(opened, outcome.systems, strict=True):
            one.measured += measured
            one.faults += lost
    for one in opened:  # an answer that could not be scored is not missed
        one.faults = [f for f in one.faults if f.kind != "missing" or f.where not in unscorable]
    return unscorable


def _part(predictions: PredictionSet, queries: Sequence[Query]) -> PredictionSet:
    """The predictions for these queries alone; the card stays behind."""
    ids = [query.query_id for query in queries]
    paths = {one: predictions.paths[one] for one in ids if one in predictions.paths}
    system = System(SystemCard(name=predictions.system.card.name))
    return dataclasses.replace(predictions, paths=paths, system=system)


def _refuse_faults(opened: Sequence[_Folder]) -> None:
    # With several folders, ``where`` says which one a query lacks in.
    faults = [
        dataclasses.replace(fault, where=f"{one.predictions.folder}/{fault.where}")
        if fault.kind == "missing" and len(opened) > 1
        else fault
        for one in opened
        for fault in one.faults
    ]
    if not faults:
        return
    names = ", ".join(str(one.predictions.folder) for one in opened if one.faults)
    raise FaultsError(
        f"{len(faults)} faults in the predictions: nothing was scored",
        faults,
        where=names,
        fix="repair or make these files with the system; "
        "--allow-partial scores the others and marks the result as partial",
    )
