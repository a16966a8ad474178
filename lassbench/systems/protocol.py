"""What a system is, and asking one: whatever it takes and returns.

A system is any object with one of these methods (``docs/systems.md`` has examples)::

    separate(mixture, query, sample_rate)            float32 (samples,) in, the same out
    separate_batch(mixtures, queries, sample_rate)   lists in, a list of arrays out

or that first function itself.  A ``separate`` with a parameter called ``negative`` is also
given what the sound to leave out is called (``separate_batch``: ``negatives``), one with
``seed`` a number for its random generator.  What else it may say of itself, all optional:
``card``, and the attributes of :class:`Declared`.

Oracles have ``separate_oracle(rendered, query, sample_rate)`` instead.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import platform
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from lassbench import __version__, audio
from lassbench.benchmark.mixtures import Rendered
from lassbench.cards import SystemCard, SystemQuery
from lassbench.checked import SampleRate, Strict, validate
from lassbench.chunking import chunks
from lassbench.errors import (
    LassbenchError,
    LassbenchWarning,
    UsageError,
    UsageFaultsError,
    one_line,
)
from lassbench.records import TAG_SEPARATOR, Query
from lassbench.resampling import resample
from lassbench.systems.predictions import MadeBy, as_people_write_it

Samples = NDArray[np.float32]

#: Neighbouring chunks are cross-faded over this many seconds, and a quarter of a chunk at most.
OVERLAP_S = 1.0

#: The share of the mixture's length by which an answer may be longer or shorter: codecs and
#: vocoders give whole frames back.  More is another sample rate, or another sound.  A short
#: mixture's may differ by so many seconds, a frame or two.
LENGTH_TOLERANCE, LENGTH_TOLERANCE_S = 0.1, 0.1

#: Lines of a traceback that are shown.
_FRAMES = 20


class Declared(Strict):
    """What a system says of itself beside its card.

    Attributes
    ----------
    sample_rate
        In Hz, that it works at: mixtures are resampled to it, and answers back.
    query_type
        ``tag`` for systems that take the target's tags, joined with "; ".
    accepts_negative, accepts_seed
        Where its signature does not show them.
    max_seconds
        The longest mixture that it takes: a longer one is cut, and the answers cross-faded.
    block_s
        Seconds of a long recording that it is best given at a time.
    """

    sample_rate: SampleRate | None = None
    query_type: SystemQuery | None = None
    accepts_negative: bool | None = None
    accepts_seed: bool | None = None
    max_seconds: Annotated[float, Field(ge=0.05, le=86400)] | None = None
    block_s: Annotated[float, Field(ge=0.05, le=86400)] | None = None


@dataclass
class System:
    """A system that can be asked: made by :func:`lassbench.systems.finding.as_system`.

    Attributes
    ----------
    separator
        The user's object.
    batched
        Whether it takes several mixtures at once.
    negative, seeded
        Whether it is given a negative query, and a seed.
    made_by
        What ``system.yaml`` will say made the estimates.
    resized
        Answers so far whose length had to be mended.
    """

    separator: Any
    card: SystemCard
    declared: Declared
    made_by: MadeBy
    batched: bool
    negative: bool
    seeded: bool
    resized: int = 0

    @classmethod
    def of(cls, separator: Any, *, name: str, made_by: MadeBy) -> System:
        """The system that ``separator`` is.

        Raises
        ------
        UsageError
            If it does not separate, or cannot be called as it should.
        FaultsError
            If its card or an attribute holds what cannot be.
        """
        with users_code(name, "what it says of itself", what="cannot be read"):
            oracle = hasattr(separator, "separate_oracle")
            batched = hasattr(separator, "separate_batch")
            method = getattr(separator, "separate_batch" if batched else "separate", None)
            said = {key: _plain(getattr(separator, key, None)) for key in Declared.model_fields}
            card = getattr(separator, "card", None)
        declared = validate(
            Declared,
            {key: value for key, value in said.items() if value is not None},
            what="an attribute of the system cannot be used",
            where=name,
            error=UsageFaultsError,
        )
        card = _card(card, declared.query_type, name)
        if oracle:
            return cls(separator, card, declared, made_by, False, False, False)
        if not callable(method):
            raise UsageError(
                "this object does not separate",
                where=name,
                expected="separate(mixture, query, sample_rate), as a method or as the "
                "function itself; docs/systems.md has examples",
                got=type(separator).__name__,
            )
        negative = declared.accepts_negative
        if negative is None:
            negative = _takes(method, "negatives" if batched else "negative")
        seeded = declared.accepts_seed
        if seeded is None:
            seeded = _takes(method, "seed")
        system = cls(separator, card, declared, made_by, batched, negative, seeded)
        system._check_signature(method)
        return system

    def _check_signature(self, method: Callable[..., Any]) -> None:
        what = "mixtures, queries" if self.batched else "mixture, query"
        called = getattr(method, "__name__", "separate")
        try:
            inspect.signature(method).bind(None, None, None, **self._keywords([""], [0]))
        except ValueError:  # nobody knows the parameters of some compiled functions
            return
        except TypeError as error:
            raise UsageError(
                "the system cannot be called as it would be",
                where=self.card.name,
                expected=f"{called}({what}, sample_rate)",
                got=one_line(f"{called}{inspect.signature(method)}: {error}"),
                fix="docs/systems.md has examples",
            ) from error

    @property
    def oracle(self) -> bool:
        """Whether it is given the true sources."""
        return hasattr(self.separator, "separate_oracle")

    @property
    def device(self) -> str:
        """What it computes on, as people know it."""
        with contextlib.suppress(Exception):  # whatever the user's object calls so
            told = getattr(self.separator, "device", None)
            if told is not None and not callable(told):
                return one_line(str(told), 200)
        cuda = getattr(sys.modules.get("torch"), "cuda", None)
        return str(cuda.get_device_name()) if cuda and cuda.is_initialized() else "cpu"

    @property
    def environment(self) -> dict[str, str]:
        """Where it runs, once it does."""
        with contextlib.suppress(Exception):  # as with the device
            told = getattr(self.separator, "ran_in", None)
            if isinstance(told, Mapping):
                return {str(key): str(value) for key, value in told.items()}
        torch = sys.modules.get("torch")
        return {
            "python": platform.python_version(),
            **({"torch": str(torch.__version__)} if torch else {}),
            "lassbench": __version__,
            "device": self.device,
        }

    def without_negative(self) -> System:
        """The same system, never told what to leave out.

        Raises
        ------
        UsageError
            If it never is.
        """
        if not self.negative:
            raise UsageError("the system takes no negative query", where=self.card.name)
        name = f"{self.card.name}, without the negative query"
        made_by = self.made_by.model_copy(update={"without_negative": True})
        return replace(self.named(name), made_by=made_by)

    def named(self, name: str) -> System:
        """The same system by another name."""
        return replace(self, card=_card(self.card, None, name, named=True))

    def at(self, rate_hz: int) -> System:
        """The same system, given sound at ``rate_hz`` Hz."""
        declared = self.declared.model_copy(update={"sample_rate": rate_hz})
        made_by = self.made_by.model_copy(update={"sample_rate": rate_hz})
        return replace(self, declared=declared, made_by=made_by)

    def start(self) -> None:
        """Load what is loaded only when it is needed, so that it counts as no query's time."""
        if start := getattr(self.separator, "start_worker", None):
            start()

    def close(self) -> None:
        """End what it started."""
        if callable(close := getattr(self.separator, "close", None)):
            with users_code(self.card.name, "close", what="cannot be closed"):
                close()

    def __enter__(self) -> System:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---------------------------------------------------------------------------

    def separate(
        self, mixtures: Sequence[Samples], queries: Sequence[Query], rate_hz: int
    ) -> list[Samples]:
        """Answer each query from its mixture: float32 ``(samples,)``, all of one length.

        The system is given copies, at its own rate, of at most its own length.

        Raises
        ------
        LassbenchError
            If the system fails, or returns what is no estimate.
        """
        samples, own_hz = mixtures[0].size, self.declared.sample_rate or rate_hz
        heard = [resample(mixture, rate_hz, own_hz) for mixture in mixtures]
        longest = round(self.declared.max_seconds * own_hz) if self.declared.max_seconds else 0
        if not longest or heard[0].size <= longest:
            found = self._call([np.array(one) for one in heard], queries, own_hz)
        else:
            found = [np.zeros_like(one) for one in heard]
            overlap = round(min(OVERLAP_S * own_hz, longest / 4))
            for start, stop, weights in chunks(heard[0].size, longest, overlap):
                pieces = [np.array(one[start:stop]) for one in heard]
                for whole, piece in zip(found, self._call(pieces, queries, own_hz), strict=True):
                    whole[start:stop] += piece * weights
        return [audio.fit(resample(one, own_hz, rate_hz), samples) for one in found]

    def oracle_answer(self, rendered: Rendered, query: Query, rate_hz: int) -> Samples:
        """An oracle's answer: float32 ``(samples,)``."""
        with users_code(self.card.name, query.query_id):
            answer = self.separator.separate_oracle(rendered, query, rate_hz)
        return self._samples(answer, rendered.mixture.size, rate_hz, query.query_id)

    def _call(
        self, mixtures: list[Samples], queries: Sequence[Query], rate_hz: int
    ) -> list[Samples]:
        """What the system answers, as long as it was asked for."""
        asked = [
            TAG_SEPARATOR.join(query.tags) if self.card.query_type == "tag" else query.text
            for query in queries
        ]
        seeds = [query_seed(self.made_by.seed, query.query_id) for query in queries]
        negatives = [query.negative for query in queries]
        if self.made_by.without_negative:
            negatives = [""] * len(queries)
        given = self._keywords(negatives, seeds)
        where = ", ".join(query.query_id for query in queries[:3])
        if self.made_by.seed is not None:
            _seed(seeds[0])
        sizes = [mixture.size for mixture in mixtures]
        with users_code(self.card.name, where):
            if self.batched:
                found = self.separator.separate_batch(mixtures, asked, rate_hz, **given)
                several = isinstance(found, Iterable) and not isinstance(found, Mapping)
                answers = list(found) if several else None
            else:
                answers = [self.separator.separate(mixtures[0], asked[0], rate_hz, **given)]
        if answers is None or len(answers) != len(queries):
            raise LassbenchError(
                f"{self.card.name} returned something else than a list of estimates",
                where=where,
                expected=f"one for each query, {len(queries)}",
                got=type(found).__name__ if answers is None else str(len(answers)),
            )
        return [
            self._samples(answer, size, rate_hz, query.query_id)
            for answer, size, query in zip(answers, sizes, queries, strict=True)
        ]

    def _keywords(self, negatives: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if self.negative:
            more |= {"negatives": list(negatives)} if self.batched else {"negative": negatives[0]}
        return more | ({"seed": seeds[0]} if self.seeded else {})

    def _samples(self, answer: Any, samples: int, rate_hz: int, query_id: str) -> Samples:
        try:
            found = as_samples(answer)
            allowed = max(LENGTH_TOLERANCE * samples, LENGTH_TOLERANCE_S * rate_hz)
            if abs(found.size - samples) > allowed:
                raise ValueError(
                    f"{found.size} samples; if it works at another rate, let it say so "
                    "(sample_rate)"
                )
        except ValueError as error:
            raise LassbenchError(
                f"{self.card.name} returned something that is no estimate",
                where=query_id,
                expected=f"floating-point samples of shape ({samples},), as long as the mixture",
                got=one_line(str(error)),
            ) from error
        if found.size != samples:
            if not self.resized:
                with warnings.catch_warnings():  # what the user's code has set is for its own
                    warnings.simplefilter("always", LassbenchWarning)
                    warnings.warn(
                        f"{one_line(self.card.name)}: {query_id}: answered {found.size} samples "
                        f"to {samples}: cut, or padded with silence, at the end, as all others "
                        "like it",
                        LassbenchWarning,
                        stacklevel=2,
                    )
            self.resized += 1
        return audio.fit(found, samples)


def _takes(method: Callable[..., Any], parameter: str) -> bool:
    """Whether a method has a parameter of this name that can be given by name."""
    try:
        found = inspect.signature(method).parameters.get(parameter)
    except (TypeError, ValueError):
        return False
    return found is not None and found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)


def _card(
    card: Any, query_type: SystemQuery | None, name: str, *, named: bool = False
) -> SystemCard:
    """A system's card, however it is written, checked; ``name`` is the name where it has none."""
    if isinstance(card, BaseModel):
        values = card.model_dump(exclude_unset=True)
    elif isinstance(card, Mapping):
        values = dict(card)
    elif hasattr(card, "_asdict"):  # a named tuple
        values = card._asdict()
    elif card is None:
        values = {}
    elif isinstance(card, type) or (hasattr(card, "__dict__") and not inspect.isroutine(card)):
        names = [one for one in dir(card) if not one.startswith("_")]
        values = {one: value for one in names if not callable(value := getattr(card, one))}
    else:
        raise UsageError(
            "the system's card cannot be used",
            where=name,
            expected='a dict such as {"name": "MyNet"}, or an object with these attributes',
            got=one_line(f"{type(card).__name__} {card!r}", 100),
        )
    known = {"query_type": query_type} if query_type else {}
    values = {str(key): _plain(value) for key, value in values.items()}
    return validate(
        SystemCard,
        {"name": name, **known, **as_people_write_it(values), **({"name": name} if named else {})},
        what="the system's card cannot be used",
        where=name,
        error=UsageFaultsError,
    )


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's; a whole number in a float as one."""
    value = value.item() if isinstance(value, np.generic) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


# ---------------------------------------------------------------------------
# The user's code and what comes back from it
# ---------------------------------------------------------------------------


@contextlib.contextmanager
def users_code(name: str, where: object, *, what: str = "failed") -> Iterator[None]:
    """The user's own code runs here: what it prints goes to standard error.

    Raises
    ------
    LassbenchError
        If it raises anything, SystemExit included: with their traceback, without our frames.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr), _their_folder():
            yield
    except KeyboardInterrupt:
        raise
    except LassbenchError as error:
        error.at(where)
        raise
    except BaseException as error:
        summary = one_line(f"{type(error).__name__}: {_text(error)}")
        lines = [_shown(line) for line in "".join(_their_traceback(error)).splitlines()]
        if lines and lines[-1] == summary:
            lines.pop()
        raise LassbenchError(
            f"{name} {what}", where=where, got="\n    ".join([summary, *lines])
        ) from error


#: The folder that the user's code has moved to.
_MOVED: list[Path] = []


@contextlib.contextmanager
def _their_folder() -> Iterator[None]:
    """The user's code finds the working folder as it left it, and lassbench its own."""
    ours = Path.cwd()
    if _MOVED:
        os.chdir(_MOVED[0])
    try:
        yield
    finally:
        theirs = Path.cwd()
        _MOVED[:] = [theirs] if theirs != ours else []
        if _MOVED:
            os.chdir(ours)


def forget_their_folder() -> None:
    """Another system begins where lassbench stands."""
    _MOVED.clear()


def _their_traceback(error: BaseException) -> list[str]:
    """The traceback, and those of what led to it, without frames of ours."""
    ours = (str(Path(__file__).parents[1]), "<frozen importlib", importlib.__file__)
    told = traceback.TracebackException.from_exception(error, limit=-_FRAMES)
    rest = [told]
    for one in rest:
        kept = [frame for frame in one.stack if not frame.filename.startswith(ours)]
        one.stack = traceback.StackSummary.from_list(kept)
        rest += [more for more in (one.__cause__, one.__context__, *(one.exceptions or ())) if more]
    if any(one.stack for one in rest):
        return list(told.format())
    # Where their file is no Python, the line stands in the error itself.
    return list(told.format_exception_only()) if isinstance(error, SyntaxError) else []


def _text(error: BaseException) -> str:
    with contextlib.suppress(Exception):
        return str(error)
    return "(it cannot say what)"


def _shown(line: str) -> str:
    return " " * (len(line) - len(line.lstrip())) + one_line(line.lstrip())


def as_samples(answer: Any) -> Samples:
    """What a system returned as float32 ``(samples,)``: arrays, lists, tensors of any device.

    Raises
    ------
    ValueError
        Saying what it is instead: integers, several channels, NaN, no sound at all.
    """
    if answer is None:
        raise ValueError("None: is a return missing?")
    kind = type(answer).__name__
    try:
        if callable(getattr(answer, "detach", None)):
            tensor = answer.detach().cpu()
            # NumPy has no bfloat16.
            answer = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        array = np.asarray(answer)
    except Exception as error:
        raise ValueError(f"{kind}: {_text(error)}") from error
    if np.ma.is_masked(answer):
        raise ValueError("a masked array: fill it, with zeros for silence")
    if array.dtype.kind in "iu":
        scale = "divide by 32768" if array.dtype == np.int16 else "divide by their full scale"
        raise ValueError(f"{array.dtype} samples: {scale}, so that full scale is 1")
    if array.dtype.kind != "f":
        raise ValueError(f"{kind}, of {array.dtype}")
    if array.ndim == 0 or array.size != max(array.shape):
        raise ValueError(f"{array.dtype} of shape {array.shape}: one channel is wanted")
    with np.errstate(over="ignore"):
        samples = array.reshape(-1).astype(np.float32)  # a copy: the system may use its own again
    if not np.isfinite(samples).all():
        raise ValueError("NaN or infinite samples")
    return samples


def query_seed(seed: int | None, query_id: str) -> int:
    """The seed for one query: the same however a run is cut or interrupted."""
    digest = sha256(f"{seed or 0} {query_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _seed(number: int) -> None:
    random.seed(number)
    np.random.seed(number)  # what a user's code may draw from
    if torch := sys.modules.get("torch"):
        torch.manual_seed(number)
