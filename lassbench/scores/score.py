"""Scoring: folders of predictions, a system while it separates, and a check against mir_eval."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lassbench.audio import AudioFault, pcm_sha256
from lassbench.errors import Fault, FaultsError, UsageError, one_line
from lassbench.files import name_of
from lassbench.parallel import map_ordered, open_executor
from lassbench.predictions import PredictionSet, System, belongs_elsewhere, check
from lassbench.progress import track
from lassbench.records import Query, SystemCard
from lassbench.scores.pieces import (
    InMemory,
    Measured,
    Piece,
    by_mixture,
    cut,
    make_piece,
    measure,
    open_suite,
)
from lassbench.scores.result import make_scores, predictions_sha256, system_info, warn_of_levels
from lassbench.scores.rows import LIMIT_DB
from lassbench.scores.score_file import Scores, check_not_others, score_paths
from lassbench.separators import as_separator, card_of, estimate
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
    run: str = ""
    measured: list[Measured] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The system's name and its run's, as its score file is called."""
        name = self.predictions.system.card.name
        return f"{name}.{self.run}" if self.run else name


def score_folders(
    folders: Sequence[str | Path],
    suite: Suite,
    *,
    names: Sequence[str] = (),
    runs: bool = False,
    allow_partial: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    clap: str | None = None,
    spectral: bool = False,
) -> list[Scores]:
    """Score prediction folders against a suite, all in one pass over its mixtures.

    Parameters
    ----------
    folders
        Folders with a file for each query; see :mod:`lassbench.predictions`.
    names
        What to call the systems instead of what ``system.yaml`` says: one a folder, or
        one for all ``runs``.
    runs
        The folders are runs of one system (seeds): each is scored, and called by its
        folder's name too.
    allow_partial
        Leave out queries whose prediction is missing or faulty, and mark the result.
    workers
        Processes (``None``: one a processor, or this one alone for a small job);
        the result does not depend on it.
    scheduler
        Address of a Dask scheduler to use instead.
    clap
        Name or folder of a CLAP model: add CLAPScores (on CUDA where there is a device).
    spectral
        Add the distances of magnitudes (:mod:`lassbench.metrics.spectral`).

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
    opened = open_folders(folders, suite, names=names, runs=runs)
    if workers is None and len(opened) * len(suite.renderable_queries) < SMALL_JOB:
        workers = 1
    with open_executor(workers, scheduler) as executor:
        if not allow_partial and any(one.faults for one in opened):
            # Before anything is scored every file is read, to tell everything at once.
            _measure_all(opened, suite, executor, judging=False)
            _refuse_faults(opened, suite)
        unscorable = _measure_all(opened, suite, executor, spectral=spectral)
    if not allow_partial:
        _refuse_faults(opened, suite)
    found = [
        make_scores(
            one.measured,
            suite,
            one.predictions.system,
            run=one.run,
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


def open_folders(
    folders: Sequence[str | Path], suite: Suite, *, names: Sequence[str] = (), runs: bool = False
) -> list[_Folder]:
    """The folders by the names that their scores will have; as :func:`score_folders` takes them.

    Raises
    ------
    UsageError
        If there are too few or too many names, or two scores would have one name.
    FaultsError
        If ``system.yaml`` says what no score file can hold.
    """
    if names and len(names) != (1 if runs else len(folders)):
        raise UsageError(
            "the names do not fit the folders",
            expected="one name for all runs"
            if runs
            else f"{len(folders)}, one a folder, in their order",
            got=f"{len(names)}: {', '.join(one_line(name, 60) for name in names)}",
            fix="give --name as often",
        )
    opened = [_Folder(*check(Path(folder), suite)) for folder in folders]
    for place, one in enumerate(opened):
        system = one.predictions.system
        if names:
            name = names[0 if runs else place]
            system = dataclasses.replace(system, card=dataclasses.replace(system.card, name=name))
            one.predictions = dataclasses.replace(one.predictions, system=system)
        one.run = one.predictions.folder.resolve().name if runs else ""
        # What a score file could not say is refused before anything is scored.
        system_info(system, [], one.predictions.folder, run=one.run)
    if runs and len({one.predictions.system.card.name for one in opened}) > 1:
        raise UsageError(
            "these folders are not runs of one system",
            got=", ".join(one_line(one.predictions.system.card.name, 60) for one in opened),
            fix="give all runs one name with --name",
        )
    _refuse_one_name(opened)
    return opened


def _refuse_one_name(opened: Sequence[_Folder]) -> None:
    """Refuse folders whose scores would be one file, also where case makes no difference."""
    seen: dict[str, _Folder] = {}
    for one in opened:
        before = seen.setdefault(name_of(one.name).casefold(), one)
        if before is not one:
            raise UsageError(
                "two of these folders would have one score file",
                where=f"{before.predictions.folder}, {one.predictions.folder}",
                got=" and ".join(dict.fromkeys((one_line(before.name), one_line(one.name)))),
                fix="give the runs' folders different names"
                if one.run
                else "--name each, in the order of the folders; or score them with --runs, if "
                "they are runs of one system",
            )


def check_places(out: Path, opened: Sequence[_Folder], suite: Suite) -> None:
    """Refuse, before anything is scored, what :meth:`Scores.save` would refuse at the end.

    Raises
    ------
    UsageError
        If ``out`` holds the score of other predictions by one of these names.
    """
    for one in opened:
        path, _ = score_paths(out, one.predictions.system.card.name, one.run)
        if path.exists():
            check_not_others(path, suite.fingerprint, partial(_hash, one))


def _hash(folder: _Folder, query_ids: Sequence[str]) -> str:
    """The hash that a score of these answers would carry; empty if any is missing or faulty."""
    try:
        hashes = {one: pcm_sha256(folder.predictions.load(one)) for one in query_ids}
    except (KeyError, AudioFault):
        return ""
    return predictions_sha256(hashes)


def _clap_columns(model: ClapModel, suite: Suite, one: _Folder) -> dict[str, dict[str, float]]:
    """query_id -> the CLAP columns of every measured query."""
    asked = by_mixture(suite.queries[measured.query_id] for measured in one.measured)
    columns: dict[str, dict[str, float]] = {}
    for mixture_id, queries in track(asked.items(), "CLAPScore", total=len(asked)):
        target = suite.render(mixture_id).target if suite.kind == "separation" else None
        found = model.score(
            texts=[query.text for query in queries],
            estimates=[one.predictions.load(query.query_id) for query in queries],
            mixtures=[suite.mixture_samples(mixture_id)] * len(queries),
            references=None if target is None else [target] * len(queries),
            sample_rate_hz=suite.sample_rate_hz,
        )
        for query, score in zip(queries, found, strict=True):
            columns[query.query_id] = {
                "clap": score.estimate,
                "clap_mixture": score.mixture,
                "clap_i": score.improvement,
            }
            if score.audio is not None and score.audio_mixture is not None:
                audio = {"clap_a": score.audio, "clap_a_mixture": score.audio_mixture}
                columns[query.query_id] |= audio
    return columns


def _measure_all(
    opened: Sequence[_Folder],
    suite: Suite,
    executor: Executor | None,
    *,
    judging: bool = True,
    spectral: bool = False,
) -> dict[str, str]:
    """Fill in what was measured and lost; query_id -> why it is unscorable for everyone."""
    pieces = list(cut(suite, suite.renderable_queries))
    made = (
        make_piece(suite, queries, [_part(one.predictions, queries) for one in opened])
        for queries in pieces
    )
    measuring = partial(measure, judging=judging, spectral=spectral)
    outcomes = map_ordered(executor, measuring, made, ahead=32)
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


def _refuse_faults(opened: Sequence[_Folder], suite: Suite) -> None:
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
    # Most of a folder's files may answer another suite.
    elsewhere = {belongs_elsewhere(one.predictions.folder, suite) for one in opened if one.faults}
    hint = "".join(f"; {one}" for one in sorted(elsewhere) if one)
    raise FaultsError(
        f"{len(faults)} faults in the predictions: nothing was scored{hint}",
        faults,
        where=names,
        fix="repair or make these files with the system; "
        "--allow-partial scores the others and marks the result as partial",
    )


# ---------------------------------------------------------------------------
# While separating, without files
# ---------------------------------------------------------------------------


def evaluate(
    separate: Any,
    suite: Suite,
    *,
    workers: int = 1,
    progress: bool = True,
    batch_size: int = 8,
    spectral: bool = False,
) -> Scores:
    """Separate every query of ``suite`` and score the answers as they come.

    The rows are those that ``lassbench separate`` and ``lassbench score`` would
    give: estimates are scored as float32.  Memory does not grow with the suite.

    Parameters
    ----------
    separate
        ``separate(mixture, query, sample_rate)``, or an object with that method
        (see :class:`lassbench.separators.Separator`).  It runs in this process.
    workers
        Processes that score meanwhile; 1 scores in this process too.
    batch_size
        Queries a call for systems that offer ``separate_batch``.
    spectral
        As :func:`score_folders`, whose warnings this gives too.

    Raises
    ------
    LassbenchError
        If an answer is not float (samples,), holds NaN or infinite samples, or
        nothing can be rendered.
    UsageError
        If the system needs references and the suite has none.
    """
    separator = as_separator(separate)
    pieces = list(cut(suite, suite.renderable_queries))
    with open_executor(workers) as executor:
        outcomes = map_ordered(
            executor,
            partial(measure, spectral=spectral),
            _separated(separator, suite, pieces, batch_size),
            ahead=2 * max(1, workers),
        )
        measured: list[Measured] = []
        unscorable: dict[str, str] = {}
        shown = track(outcomes, "evaluating", total=len(pieces)) if progress else outcomes
        for outcome in shown:
            measured += outcome.systems[0][0]
            unscorable |= outcome.unscorable
    system = System(card_of(separator))
    scores = make_scores(measured, suite, system, unscorable=unscorable)
    warn_of_levels(measured, system.card.name)
    return scores


def _separated(
    separator: Any, suite: Suite, pieces: Sequence[Sequence[Query]], batch_size: int
) -> Iterator[Piece]:
    for queries in pieces:
        answers = {
            query.query_id: samples
            for query, samples in estimate(separator, suite, queries, batch_size=batch_size)
        }
        yield make_piece(suite, queries, [InMemory(answers)])


# ---------------------------------------------------------------------------
# A sample scored again with mir_eval, the implementation that people cite
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class CrossCheck:
    """How far mir_eval's numbers lie from ours, on the ``queries`` that both could score.

    ``largest``: metric -> (largest absolute difference in dB, query id); ``refused``: query
    id -> what mir_eval said when it could not score it.
    """

    version: str
    queries: int
    largest: Mapping[str, tuple[float, str]]
    refused: Mapping[str, str]


def cross_check(
    folder: Path,
    suite: Suite,
    rows: pd.DataFrame,
    *,
    sample: int,
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
) -> CrossCheck:
    """Score a random sample of a separation suite's ``rows`` again with mir_eval's BSS Eval.

    Only finite values within the policy's limit are compared: beyond it both tools print
    their rounding error.  mir_eval 0.8 announces the removal of ``mir_eval.separation``:
    it is the oracle here, not the engine.
    """
    ours = {str(row["query_id"]): row for row in rows.to_dict("records")}
    chosen = sorted(random.Random(seed).sample(sorted(ours), min(sample, len(ours))))
    predictions, _ = check(folder, suite)
    pieces = (
        make_piece(suite, [suite.queries[one]], [_part(predictions, [suite.queries[one]])])
        for one in chosen
    )
    largest: dict[str, tuple[float, str]] = {}
    refused: dict[str, str] = {}
    with open_executor(workers, scheduler) as executor:
        answers = map_ordered(executor, _mir_eval, pieces)
        for query_id, theirs in track(answers, "mir_eval", total=len(chosen)):
            if isinstance(theirs, str):
                refused[query_id] = theirs
                continue
            for metric, value in theirs.items():
                mine = ours[query_id][metric]
                if abs(mine) <= LIMIT_DB:
                    apart = (abs(mine - value), query_id)
                    largest[metric] = max(largest.get(metric, apart), apart)
    version = importlib.metadata.version("mir_eval")
    return CrossCheck(version, len(chosen) - len(refused), largest, refused)


def _mir_eval(piece: Piece) -> tuple[str, dict[str, float] | str]:
    """mir_eval's numbers for the one query of ``piece``, or why it has none."""
    import mir_eval

    ((query_id, query),) = piece.suite.queries.items()
    rendered = open_suite(piece).render(query.mixture_id)
    samples = piece.systems[0].load(query_id)
    references = np.stack([rendered.target, rendered.interference]).astype(np.float64)
    # The second estimate does not change the first one's scores.
    estimates = np.stack([samples, rendered.interference]).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            sdr, sir, sar, _ = mir_eval.separation.bss_eval_sources(
                references, estimates, compute_permutation=False
            )
        except (ValueError, TypeError, np.linalg.LinAlgError) as error:
            return query_id, f"{type(error).__name__}: {error}"
    return query_id, {"sdr": float(sdr[0]), "sir": float(sir[0]), "sar": float(sar[0])}
