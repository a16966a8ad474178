"""Scoring: folders of predictions, a system while it separates, and a check against mir_eval."""

from __future__ import annotations

import importlib.metadata
import random
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lassbench.audio import AudioFault, pcm_sha256
from lassbench.errors import Fault, FaultsError, UsageError, one_line
from lassbench.metrics import clap as clap_models
from lassbench.parallel import map_ordered, open_executor
from lassbench.progress import track
from lassbench.records import Query
from lassbench.scores.pieces import (
    Answers,
    Measured,
    Piece,
    by_mixture,
    cut,
    make_piece,
    measure,
    open_suite,
)
from lassbench.scores.result import make_scores, predictions_sha256, system_info, warn_of_levels
from lassbench.scores.rows import CLAP_METRICS, LIMIT_DB, SPECTRAL_METRICS
from lassbench.scores.score_file import Scores, check_not_others, score_paths
from lassbench.suites.suite import Suite
from lassbench.systems.finding import as_system
from lassbench.systems.predictions import (
    PredictionSet,
    SystemFile,
    belongs_elsewhere,
    check,
    read_estimate,
)
from lassbench.systems.run import estimate

#: Fewer answers than this are scored sooner than other processes are started.
SMALL_JOB = 100


@dataclass
class _Folder:
    """A prediction folder on its way to a score."""

    predictions: PredictionSet
    faults: list[Fault]
    system: SystemFile
    run: str = ""
    measured: list[Measured] = field(default_factory=list)


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
    out: Path | None = None,
) -> list[Scores]:
    """Score prediction folders, in their order, against a suite: one pass over its mixtures.

    Parameters
    ----------
    folders
        Folders with a file for each query; see :mod:`lassbench.systems.predictions`.
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
    out
        Where the scores will be saved: what :meth:`Scores.save` would refuse is refused
        before anything is scored.

    Warns
    -----
    LassbenchWarning
        Once a system if estimates are integers rather than at full scale 1, and once
        if they are clipped.  They are scored as they are.

    Raises
    ------
    UsageError
        If a folder is not there, there are too few or too many names, two scores would
        have one name, or ``out`` holds the score of other predictions by one of them.
    FaultsError
        If predictions are missing or faulty: all of them, in one pass.  If
        ``system.yaml`` says what no score file can hold.
    LassbenchError
        If there is nothing to score, or the suite's audio is not what was frozen.
    """
    model = clap_models.ClapModel(clap) if clap else None
    if spectral and suite.kind != "separation":
        raise UsageError(
            "spectral distances need the true sound that is asked for",
            where=suite.path,
            got=f"{suite.name} is {suite.kind}: it has none",
            fix="leave out --spectral",
        )
    more = (*(CLAP_METRICS if clap else ()), *(SPECTRAL_METRICS if spectral else ()))
    opened = _open_folders(
        folders, suite, names, runs=runs, allow_partial=allow_partial, out=out, more=more
    )
    if workers is None and len(opened) * len(suite.renderable_queries) < SMALL_JOB:
        workers = 1
    # With faults that the files' headers show, the files are first read through only, to
    # tell everything at once and soon.
    faulty = not allow_partial and any(one.faults for one in opened)
    with open_executor(workers, scheduler) as executor:
        for judging in (False, True) if faulty else (True,):
            unscorable = _measure_all(
                suite,
                executor,
                lambda _: [one.predictions.paths for one in opened],
                [(one.measured, one.faults) for one in opened],
                label="scoring" if judging else "checking",
                spectral=spectral,
                judging=judging,
            )
            if not allow_partial:
                _refuse_faults(opened, suite)
    found = [
        make_scores(
            one.measured,
            suite,
            one.system,
            run=one.run,
            clap=_clap_columns(model, suite, one) if model else None,
            clap_model=clap or "",
            faults=one.faults,
            unscorable=unscorable,
        )
        for one in opened
    ]
    if runs and len({one.file.system.predictions_sha256 for one in found}) < len(found):
        raise UsageError(
            "two of these runs hold the same predictions",
            where=", ".join(map(str, folders)),
            fix="name each run's own folder",
        )
    for one in opened:
        warn_of_levels(one.measured, one.system.name)
    return found


def _open_folders(
    folders: Sequence[str | Path],
    suite: Suite,
    names: Sequence[str],
    *,
    runs: bool,
    allow_partial: bool,
    out: Path | None,
    more: Collection[str],
) -> list[_Folder]:
    """The folders by the names that their scores will have; as :func:`score_folders` takes them."""
    wanted = 1 if runs else len(folders)
    if names and len(names) != wanted:
        raise UsageError(
            "the names do not fit the folders",
            expected=f"{wanted}: one for all runs, otherwise one a folder, in their order",
            got=f"{len(names)}: {', '.join(one_line(name, 60) for name in names)}",
            fix="give --name as often as expected",
        )
    opened: list[_Folder] = []
    for number, folder in enumerate(folders):
        predictions, faults = check(Path(folder), suite)
        system = predictions.system
        if names:
            name = names[0 if runs else number]
            system = system.model_copy(update={"name": name})
        run = Path(folder).resolve().name if runs else ""
        # What a score file could not say is refused before anything is scored.
        system_info(system, [], folder, run=run)
        opened.append(_Folder(predictions, faults, system, run))
    if runs and len({one.system.name for one in opened}) > 1:
        raise UsageError(
            "these folders are not runs of one system",
            got=", ".join(one_line(one.system.name, 60) for one in opened),
            fix="give all runs one name with --name",
        )
    seen: dict[str, _Folder] = {}
    for one in opened:
        path, _ = score_paths(out or "", one.system.name, one.run)
        # Nor are two files told apart everywhere by case alone.
        if (before := seen.setdefault(path.name.casefold(), one)) is not one:
            raise UsageError(
                "two of these folders would have one score file",
                where=f"{before.predictions.folder}, {one.predictions.folder}",
                got=" and ".join(one_line(each.system.name) for each in (before, one)),
                fix="--name each, in the order of the folders; or score them with --runs, if "
                "they are runs of one system, in folders of different names",
            )
        if out is not None:
            hashed = partial(_hash, one.predictions, allow_partial)
            check_not_others(path, suite.fingerprint, hashed, more)
    return opened


def _hash(predictions: PredictionSet, allow_partial: bool, query_ids: Sequence[str]) -> str | None:
    """The hash that a score of these answers would carry; empty if any is missing or faulty.

    ``None`` where that is a fault which scoring will refuse, and tell better.
    """
    try:
        return predictions_sha256({one: pcm_sha256(predictions.load(one)) for one in query_ids})
    except (KeyError, AudioFault):
        asked = {query.query_id for query in predictions.suite.renderable_queries}
        return "" if allow_partial or not asked.issuperset(query_ids) else None


def _clap_columns(
    model: clap_models.ClapModel, suite: Suite, one: _Folder
) -> dict[str, dict[str, float]]:
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
            values = {
                "clap": score.estimate,
                "clap_mixture": score.mixture,
                "clap_i": score.improvement,
                "clap_a": score.audio,
                "clap_a_mixture": score.audio_mixture,
            }
            columns[query.query_id] = {k: v for k, v in values.items() if v is not None}
    return columns


def _measure_all(
    suite: Suite,
    executor: Executor | None,
    answers: Callable[[Sequence[Query]], Sequence[Answers]],
    into: Sequence[tuple[list[Measured], list[Fault]]],
    *,
    label: str,
    spectral: bool,
    ahead: int = 32,
    judging: bool = True,
) -> dict[str, str]:
    """Add what is measured and lost to each system's; query_id -> why nobody can be scored.

    ``answers`` are every system's to some queries at least, ``label`` what progress is
    shown as, if it is.  An answer that could not be scored is not missed.
    """
    pieces = list(cut(suite, suite.renderable_queries))
    made = (make_piece(suite, queries, answers(queries)) for queries in pieces)
    measuring = partial(measure, spectral=spectral, judging=judging)
    outcomes = map_ordered(executor, measuring, made, ahead=ahead)
    unscorable: dict[str, str] = {}
    for outcome in track(outcomes, label, total=len(pieces)) if label else outcomes:
        unscorable |= outcome.unscorable
        for (measured, faults), (more, lost) in zip(into, outcome.systems, strict=True):
            measured.extend(more)
            faults.extend(lost)
    for _, faults in into:
        faults[:] = [
            f for f in faults if f.kind != "missing" or Path(f.where).name not in unscorable
        ]
    return unscorable


def _refuse_faults(opened: Sequence[_Folder], suite: Suite) -> None:
    faults = [fault for one in opened for fault in one.faults]
    if faults:
        folders = [one.predictions.folder for one in opened if one.faults]
        # Most of a folder's files may answer another suite.
        elsewhere = {belongs_elsewhere(folder, suite) for folder in folders} - {""}
        what = f"{len(faults)} faults in the predictions: nothing was scored"
        raise FaultsError(
            "; ".join([what, *sorted(elsewhere)]),
            faults,
            where=", ".join(map(str, folders)),
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
        (see :mod:`lassbench.systems.protocol`).  It runs in this process.
    workers
        Processes that score meanwhile; 1 scores in this process too.
    batch_size
        Queries a call for systems that offer ``separate_batch``.
    spectral
        As :func:`score_folders`, whose warnings this gives too.

    Raises
    ------
    LassbenchError
        If the system fails, an answer is no estimate, or nothing can be rendered.
    UsageError
        If the system needs references and the suite has none.
    """
    system = as_system(separate)
    measured: list[Measured] = []

    def answered(queries: Sequence[Query]) -> list[Answers]:
        made = estimate(system, suite, queries, batch_size=batch_size)
        return [{query.query_id: samples for query, samples in made}]

    with open_executor(workers) as executor:
        unscorable = _measure_all(
            suite,
            executor,
            answered,
            [(measured, [])],
            label="evaluating" if progress else "",
            ahead=2 * max(1, workers),
            spectral=spectral,
        )
    said = SystemFile(**dict(system.card))
    scores = make_scores(measured, suite, said, unscorable=unscorable)
    warn_of_levels(measured, system.card.name)
    return scores


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
    workers: int | None = None,
    scheduler: str | None = None,
) -> CrossCheck:
    """Score a random sample of a separation suite's ``rows`` again with mir_eval's BSS Eval.

    Only finite values within the policy's limit are compared: beyond it both tools print
    their rounding error.  mir_eval 0.8 announces the removal of ``mir_eval.separation``:
    it is the oracle here, not the engine.
    """
    ids = sorted(rows["query_id"])
    chosen = sorted(random.Random(0).sample(ids, min(sample, len(ids))))
    predictions, _ = check(folder, suite)
    pieces = (make_piece(suite, [suite.queries[one]], [predictions.paths]) for one in chosen)
    with open_executor(workers, scheduler) as executor:
        answers = map_ordered(executor, _mir_eval, pieces)
        found = dict(track(answers, "mir_eval", total=len(chosen)))
    refused = {one: said for one, said in found.items() if isinstance(said, str)}
    theirs = pd.DataFrame(
        {one: values for one, values in found.items() if one not in refused},
        index=["sdr", "sir", "sar"],
    ).T
    ours = rows.set_index("query_id").loc[theirs.index, theirs.columns]
    apart = (ours - theirs).abs().where(ours.abs() <= LIMIT_DB).dropna(axis=1, how="all")
    largest = {str(name): (float(of.max()), str(of.idxmax())) for name, of in apart.items()}
    version = importlib.metadata.version("mir_eval")
    return CrossCheck(version, len(chosen) - len(refused), largest, refused)


def _mir_eval(piece: Piece) -> tuple[str, dict[str, float] | str]:
    """mir_eval's numbers for the one query of ``piece``, or why it has none."""
    import mir_eval

    ((query_id, query),) = piece.suite.queries.items()
    suite = open_suite(piece)
    rendered = suite.render(query.mixture_id)
    samples = read_estimate(piece.systems[0][query_id], suite)
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
