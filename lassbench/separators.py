"""Systems that separate, and running one over a suite.

A separator is anything with ``separate(mixture, query, sample_rate)``, or that
function itself.  The reference ones that need no training are here: the
untouched mixture (the floor) and the oracle ratio mask (an upper bound that
looks at the answer).  The target through a codec comes from ``codec``, trained
ones from ``models``.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lassbench import audio, files, output_folders
from lassbench.benchmark.mixtures import Rendered
from lassbench.codec import CodecRoundTrip
from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.predictions import (
    SUFFIXES,
    SYSTEM_FILE,
    SeparatedSuite,
    SeparationCost,
    System,
    header_fault,
    read_system,
    write_system,
)
from lassbench.progress import track
from lassbench.records import TAG_SEPARATOR, Query, SystemCard, SystemQuery
from lassbench.suites.suite import Suite

Samples = NDArray[np.float32]

#: The STFT of the oracle mask: the paper's (FACTS section 2).
FRAME, HOP = 1024, 512


@runtime_checkable
class Separator(Protocol):
    """What a system has to offer.

    Optional attributes: ``card`` (:class:`~lassbench.records.SystemCard`),
    ``name``, ``uses`` (a ``SystemQuery``), ``device``, and
    ``separate_batch(mixtures, queries, sample_rate)``, which receives lists of
    arrays and of :class:`~lassbench.records.Query` and returns a list of arrays.

    A ``separate`` with a parameter called ``negative`` is given, by that name, what the
    sound to leave out is called, ``""`` where the list does not say
    (:func:`takes_negative`); ``separate_batch`` finds it in each query.
    """

    def separate(self, mixture: Samples, query: str, sample_rate: int) -> Samples:
        """Extract ``query`` from ``mixture``: float32 (samples,) in, the same shape out."""
        ...


class MixtureSeparator:
    """Returns the mixture untouched: improvements are measured from here."""

    card = SystemCard(
        name="Mixture",
        query_type="none",
        description="The mixture, untouched: the floor that improvements start from.",
    )

    def separate(self, mixture: Samples, query: str, sample_rate: int) -> Samples:
        """The mixture itself."""
        return mixture


class OracleMask:
    r"""Ideal ratio mask: an upper bound for masks that keep the mixture's phase.

    With the STFTs :math:`S, N, X` of target, interference and mixture, the
    estimate is the inverse STFT of :math:`X \, |S| / (|S| + |N|)`.
    """

    card = SystemCard(
        name="Oracle ratio mask",
        query_type="oracle",
        description="Ideal ratio mask from the true sources: an upper bound, not a system.",
    )

    def separate_oracle(self, rendered: Rendered, query: Query, sample_rate: int) -> Samples:
        """The masked mixture; silence where the queried sound is not in it."""
        if query.expects == "silence":
            return np.zeros_like(rendered.mixture)
        from scipy.signal import ShortTimeFFT
        from scipy.signal.windows import hann

        transform = ShortTimeFFT(hann(FRAME, sym=False), hop=HOP, fs=1.0)
        target, noise, mixture = (
            transform.stft(part.astype(np.float64))
            for part in (rendered.target, rendered.interference, rendered.mixture)
        )
        magnitude = np.abs(target)
        total = magnitude + np.abs(noise)
        mask = np.divide(magnitude, total, out=np.zeros_like(magnitude), where=total > 0.0)
        estimate = transform.istft(mask * mixture, k1=rendered.mixture.shape[0])
        return np.asarray(estimate, dtype=np.float32)


@dataclass(frozen=True)
class FunctionSeparator:
    """A plain function as a separator."""

    separate: Callable[[Samples, str, int], Samples]
    card: SystemCard


#: Systems known by a word.
CODEC = "codec-roundtrip"
BUILT_IN: dict[str, Callable[..., Any]] = {
    "mixture": MixtureSeparator,
    "oracle": OracleMask,
    CODEC: CodecRoundTrip,
}


def find_separator(system: str, *, device: str = "auto", codec: str = "") -> Any:
    """The system that ``system`` names.

    Parameters
    ----------
    system
        ``mixture``, ``oracle``, ``codec-roundtrip``, the folder of a trained checkpoint,
        or ``package.module:object`` (looked up from the working folder too).
    device
        For checkpoints: ``auto``, ``cpu`` or ``cuda``.
    codec
        For ``codec-roundtrip``: as :class:`~lassbench.codec.CodecRoundTrip` takes it.

    Raises
    ------
    UsageError
        If it names nothing, or ``codec`` is given to another system or names none.
    """
    if codec and system != CODEC:
        raise UsageError(
            f"--codec is for {CODEC}, and this is another system", where=system, fix="leave it out"
        )
    if system in BUILT_IN:
        return CodecRoundTrip(codec) if codec else BUILT_IN[system]()
    if Path(system).exists():
        from lassbench.models.checkpoints import load_separator

        return load_separator(Path(system), device=device)
    if ":" in system:
        return as_separator(_import_object(system), name=system)
    raise UsageError(
        "no such system",
        where=system,
        expected=f"{', '.join(BUILT_IN)}, the folder of a checkpoint, or package.module:object",
        fix="check the path, or train one with `lassbench train-baseline`",
    )


def _import_object(spec: str) -> Any:
    module_name, _, name = spec.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(
            f"cannot import {module_name!r}: {error}",
            where=spec,
            fix="install it, or run from the folder that holds it",
        ) from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(
                f"{module_name} has no {name!r}", where=spec, fix="check the name after the colon"
            )
        found = getattr(found, part)
    return found


def as_separator(system: Any, *, name: str = "") -> Any:
    """``system`` if it separates; a function or a class is wrapped or made first.

    Raises
    ------
    UsageError
        If it can be neither called nor asked to ``separate``.
    """
    if isinstance(system, type):
        system = system()
    if isinstance(system, Separator) or hasattr(system, "separate_oracle"):
        return system
    if callable(system):
        known = name or getattr(system, "__qualname__", type(system).__name__)
        return FunctionSeparator(system, SystemCard(name=str(known)))
    raise UsageError(
        "this object does not separate",
        where=name or repr(system),
        expected="separate(mixture, query, sample_rate), as a method or as the function itself",
        got=type(system).__name__,
    )


def card_of(separator: Any) -> SystemCard:
    """The separator's card, or one made from its ``name`` and ``uses``."""
    card = getattr(separator, "card", None)
    if isinstance(card, SystemCard):
        return card
    uses: SystemQuery = getattr(separator, "uses", "text")
    return SystemCard(
        name=str(getattr(separator, "name", type(separator).__name__)), query_type=uses
    )


def takes_negative(separate: Any) -> bool:
    """Whether a system can be told what to leave out: a parameter is called ``negative``."""
    try:
        found = inspect.signature(separate).parameters.get("negative")
    except (TypeError, ValueError):  # nobody knows the parameters of some compiled functions
        return False
    return found is not None and found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)


def check_suite(separator: Any, suite: Suite) -> None:
    """Refuse a system that needs what the suite does not have.

    Raises
    ------
    UsageError
        If that is references.
    """
    if suite.kind == "unreferenced" and hasattr(separator, "separate_oracle"):
        raise UsageError(
            f"{card_of(separator).name} needs the true sources, and nobody has them",
            where=suite.path,
            expected="a suite with references",
            got="real recordings (unreferenced)",
            fix="name another system",
        )


def estimate(
    separator: Any, suite: Suite, queries: Iterable[Query], *, batch_size: int = 8
) -> Iterator[tuple[Query, Samples]]:
    """Ask ``separator`` each query in turn; yield the query and the checked answer.

    Parameters
    ----------
    batch_size
        Queries a call for systems that offer ``separate_batch``.

    Raises
    ------
    LassbenchError
        If an answer is not float (samples,), or holds NaN or infinite samples.
    UsageError
        As :func:`check_suite`.
    """
    check_suite(separator, suite)
    negative = takes_negative(getattr(separator, "separate", None))
    remaining = iter(queries)
    size = batch_size if hasattr(separator, "separate_batch") else 1
    while batch := list(islice(remaining, size)):
        for query, answer in zip(batch, _ask(separator, suite, batch, negative), strict=True):
            name = card_of(separator).name
            yield query, check_answer(answer, suite.samples, name=name, where=query.query_id)


def _ask(separator: Any, suite: Suite, batch: Sequence[Query], negative: bool) -> Sequence[Any]:
    if hasattr(separator, "separate_oracle"):
        rate = suite.sample_rate_hz
        rendered = ((suite.render(query.mixture_id), query) for query in batch)
        return [separator.separate_oracle(*asked, rate) for asked in rendered]
    mixtures = [suite.mixture_samples(query.mixture_id) for query in batch]
    if hasattr(separator, "separate_batch"):
        return list(separator.separate_batch(mixtures, list(batch), suite.sample_rate_hz))
    by_tag = card_of(separator).query_type == "tag"
    return [
        separator.separate(
            mixture,
            TAG_SEPARATOR.join(query.tags) if by_tag else query.text,
            suite.sample_rate_hz,
            **({"negative": query.negative} if negative else {}),
        )
        for mixture, query in zip(mixtures, batch, strict=True)
    ]


def check_answer(answer: Any, samples: int, *, name: str, where: object) -> Samples:
    """What the system ``name`` returned, as ``(samples,)`` float32.

    Raises
    ------
    LassbenchError
        If it has another shape, is no floating-point array, or is not finite.
    """
    array = np.asarray(answer)
    if array.shape != (samples,) or not np.issubdtype(array.dtype, np.floating):
        raise LassbenchError(
            f"{name} returned something that is no estimate",
            where=where,
            expected=f"floating-point samples of shape ({samples},), as long as the mixture",
            got=f"{array.dtype} of shape {array.shape}",
        )
    if not np.isfinite(array).all():
        raise LassbenchError(f"{name} returned NaN or infinite samples", where=where)
    return array.astype(np.float32, copy=False)


def run(
    separator: Any, suite: Suite, out: Path, *, batch_size: int = 8, limit: int | None = None
) -> System:
    """Separate every query of ``suite`` into ``out``; finished files are kept.

    Files are 32-bit float WAV.  ``system.yaml`` is written first, so that an
    interrupted run can be told from another system's, and again at the end with
    what separating cost.

    Parameters
    ----------
    limit
        Only the first so many queries.

    Raises
    ------
    UsageError
        If ``out`` holds another system's or another suite's predictions, or as
        :func:`check_suite`.
    """
    check_suite(separator, suite)
    output_folders.check_output_folder(out, what="the prediction folder")
    path = os.path.relpath(suite.path.resolve(), out.resolve())
    separated = SeparatedSuite(name=suite.name, fingerprint=suite.fingerprint, path=path)
    system = System(card_of(separator), suite=separated)
    with output_folders.folder_lock(out, what="the prediction folder"):
        _check_same(out, system)
        output_folders.remove_leavings(out)
        write_system(out, system)
        queries = suite.renderable_queries[:limit]
        todo = [query for query in queries if not _is_done(out, query, suite)]
        seconds = 0.0

        def timed() -> Iterator[tuple[Query, Samples]]:
            nonlocal seconds
            start = time.perf_counter()
            for answer in estimate(separator, suite, todo, batch_size=batch_size):
                seconds += time.perf_counter() - start
                yield answer
                start = time.perf_counter()

        for query, samples in track(timed(), f"separating {system.card.name}", total=len(todo)):
            audio.write_wav_float(out / f"{query.query_id}.wav", samples, suite.sample_rate_hz)
        if todo:
            factor = seconds / (len(todo) * suite.samples / suite.sample_rate_hz)
            cost = SeparationCost(
                real_time_factor=float(f"{factor:.3g}"),
                device=str(getattr(separator, "device", "cpu")),
            )
            system = replace(system, cost=cost)
            write_system(out, system)
        return read_system(out)


def _check_same(out: Path, system: System) -> None:
    if not (out / SYSTEM_FILE).is_file():
        foreign = [path.name for path in files.listed(out) if path.name != ".lock"]
        if foreign:
            raise UsageError(
                "this folder holds other files",
                where=out,
                got=f"{foreign[0]} and so on",
                fix="name an empty folder",
            )
        return
    before = read_system(out)
    if before.card != system.card or before.suite.fingerprint != system.suite.fingerprint:
        raise UsageError(
            "this folder holds the predictions of another system or suite",
            where=out,
            expected=_title(system),
            got=one_line(_title(before)),
            fix="name another folder, or delete this one",
        )


def _title(system: System) -> str:
    suite = system.suite
    return f"{system.card.name} on {suite.name} ({(suite.fingerprint or '')[:12]})"


def _is_done(out: Path, query: Query, suite: Suite) -> bool:
    paths = (out / f"{query.query_id}{suffix}" for suffix in SUFFIXES)
    return any(path.is_file() and header_fault(path, suite) is None for path in paths)
