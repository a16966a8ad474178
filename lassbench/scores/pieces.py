"""Scoring cut into pieces: all queries of one target, or of a few.

A piece is idempotent and stands on its own: it carries its part of the suite
and of the predictions, opens the dataset by its path (once a process), renders
each mixture once and judges every system's answers to it.  So the same pieces
give the same numbers in this process, in a pool, or on a cluster that shares
the files; and what depends on a mixture's references alone is computed once
however many systems are scored and annotators asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lassbench.audio import AudioFault, pcm_sha256
from lassbench.dataset import Dataset, open_dataset
from lassbench.errors import Fault, LassbenchError
from lassbench.metrics.ratios import SilentReference, peak
from lassbench.records import Query
from lassbench.scores.judge import Judge, Verdict
from lassbench.suites.suite import PARTS, Suite
from lassbench.systems.predictions import read_estimate

#: Queries a piece has at least, so that handing it over costs next to nothing.
QUERIES_PER_PIECE = 5

#: Bytes of decoded clips that a process keeps: all 200 test clips of the benchmark.
CLIP_MEMORY = 128 * 2**20

#: The largest positive sample of 16 bits: where writers cut off what is too loud.
FULL_SCALE = 32767 / 32768

#: Equal samples in a row at full scale that count as clipped.  A wave that only just
#: reaches full scale may have two of them at its crest.
CLIPPED_RUN = 3

Samples = NDArray[np.float32]
#: A system's answers, query_id -> file or float32 (samples,); no key where there is none.
Answers = Mapping[str, Path | Samples]


@dataclass(frozen=True)
class Piece:
    """A few targets' queries and every system's answers to them.

    ``suite`` holds this piece's mixtures and queries only, and no dataset;
    ``dataset`` is where the dataset lies (``None``: the suite's audio was exported).
    """

    suite: Suite
    dataset: Path | None
    systems: tuple[Answers, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """The verdict on the answer to a query, the hash of its samples, and their :func:`levels`."""

    query_id: str
    verdict: Verdict
    samples_sha256: str
    peak: float
    clipped: float


@dataclass(frozen=True)
class Outcome:
    """What came of a piece.

    ``systems``: for each, what was measured, and which answers could not be read.
    ``unscorable``: query_id -> why no system can be scored on it, answered or not.
    """

    systems: list[tuple[list[Measured], list[Fault]]]
    unscorable: dict[str, str]


def cut(suite: Suite, queries: Sequence[Query]) -> Iterator[list[Query]]:
    """``queries`` in pieces that keep each target's together, in order of first occurrence."""
    by_target: dict[str, list[Query]] = {}
    for query in queries:
        by_target.setdefault(suite.mixtures[query.mixture_id].target_id, []).append(query)
    piece: list[Query] = []
    for of_target in by_target.values():
        piece += of_target
        if len(piece) >= QUERIES_PER_PIECE:
            yield piece
            piece = []
    if piece:
        yield piece


def make_piece(suite: Suite, queries: Sequence[Query], systems: Iterable[Answers]) -> Piece:
    """The piece of ``queries``, with no other answers than theirs."""
    mixture_ids = dict.fromkeys(query.mixture_id for query in queries)
    known = suite.pcm_sha256
    ids = [query.query_id for query in queries]
    answers = tuple({one: of[one] for one in ids if one in of} for of in systems)
    part = suite.model_copy(
        update={
            "mixtures": {one: suite.mixtures[one] for one in mixture_ids},
            "queries": {query.query_id: query for query in queries},
            "missing": {},
            "audit": {},
            "pcm_sha256": {one: known[one] for one in mixture_ids if one in known},
            "dataset": None,
        }
    )
    return Piece(part, suite.dataset.path if suite.dataset else None, answers)


def measure(piece: Piece, *, spectral: bool = False, judging: bool = True) -> Outcome:
    """Judge every answer of a piece, or, not ``judging``, only find out which can be.

    ``spectral`` is :class:`~lassbench.scores.judge.Judge`'s.

    The audio of every mixture must be what was frozen (:func:`open_judge`).
    """
    outcome = Outcome([([], []) for _ in piece.systems], {})
    suite = open_suite(piece)
    for mixture_id, queries in by_mixture(suite.queries.values()).items():
        try:
            judge = open_judge(suite, mixture_id, spectral=spectral and judging)
        except SilentReference as silent:
            reason = f"the {silent.where} is silent"
            outcome.unscorable.update((query.query_id, reason) for query in queries)
            continue
        answers = []
        for query_id in (query.query_id for query in queries):
            for system, (measured, lost) in zip(piece.systems, outcome.systems, strict=True):
                if query_id in system:
                    try:
                        samples = read_estimate(system[query_id], suite)
                    except AudioFault as error:
                        lost.append(error.fault(str(system[query_id])))
                    else:
                        answers.append((query_id, samples, measured))
        if not judging:
            continue
        verdicts = judge.verdicts([samples for _, samples, _ in answers])
        for (query_id, samples, measured), verdict in zip(answers, verdicts, strict=True):
            hashed = pcm_sha256(samples)
            measured.append(Measured(query_id, verdict, hashed, *levels(samples)))
    return outcome


def by_mixture(queries: Iterable[Query]) -> dict[str, list[Query]]:
    """mixture_id -> the queries on it."""
    found: dict[str, list[Query]] = {}
    for query in queries:
        found.setdefault(query.mixture_id, []).append(query)
    return found


def levels(samples: Samples) -> tuple[float, float]:
    """The largest absolute sample of ``samples``, shape (n,), and the share that is clipped:
    in runs of at least :data:`CLIPPED_RUN` equal samples at full scale.
    """
    largest = peak(samples)
    if largest < FULL_SCALE:
        return largest, 0.0
    starts = np.concatenate([[0], np.flatnonzero(np.diff(samples)) + 1])
    lengths = np.diff(starts, append=samples.size)
    clipped = (lengths >= CLIPPED_RUN) & (np.abs(samples[starts]) >= FULL_SCALE)
    return largest, float(lengths[clipped].sum() / samples.size)


def open_suite(piece: Piece) -> Suite:
    """The piece's part of the suite, with its dataset opened (once a process)."""
    if piece.dataset is None:
        return piece.suite
    return piece.suite.model_copy(update={"dataset": _open_once(piece.dataset)})


def open_judge(suite: Suite, mixture_id: str, *, spectral: bool) -> Judge:
    """The judge of a mixture, whose audio is checked to be, sample for sample, what was frozen.

    Raises
    ------
    LassbenchError
        If it is not.
    SilentReference
        If target or interference is silent, in a suite where they matter.
    """
    sources = None
    if suite.kind == "separation":
        rendered = suite.render(mixture_id)
        mixture, sources = rendered.mixture, (rendered.target, rendered.interference)
    else:
        mixture = suite.mixture_samples(mixture_id)
    # A dataset's mixture tells of the clips it is made from; files change one by one.
    heard = (mixture, *(sources or ())) if suite.dataset is None else (mixture,)
    frozen = suite.pcm_sha256.get(mixture_id, {})
    for part, samples in zip(PARTS, heard, strict=False):
        if part in frozen and (got := pcm_sha256(samples)) != frozen[part]:
            raise LassbenchError(
                f"this {part} is not what was frozen",
                where=f"{suite.name}: {mixture_id}",
                expected=f"PCM hash {frozen[part][:16]}",
                got=f"PCM hash {got[:16]}",
                fix="find altered clips with `lassbench verify`; restore them, or freeze or "
                "import the suite again",
            )
    return Judge(mixture, sources, spectral=spectral)


@lru_cache(maxsize=4)
def _open_once(path: Path) -> Dataset:
    """A dataset that keeps the clips it decoded last, up to :data:`CLIP_MEMORY` bytes.

    A clip is the target of five mixtures and the noise of about five others;
    decoding its FLAC takes as long as scoring an estimate.
    """
    opened = open_dataset(path)
    remembered = lru_cache(CLIP_MEMORY // (2 * opened.clip_samples))(opened.samples_int16)
    opened.samples_int16 = remembered  # type: ignore[method-assign]
    return opened
