"""What a system is told, what it may answer, and what is said when it goes wrong."""

from __future__ import annotations

import functools
import random
import types
import warnings
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from lassbench.audio import fit
from lassbench.cards import SystemCard
from lassbench.errors import LassbenchError, LassbenchWarning, UsageError
from lassbench.records import Query
from lassbench.resampling import resample
from lassbench.systems.finding import as_system
from lassbench.systems.predictions import MadeBy
from lassbench.systems.protocol import System, query_seed
from tests.scores.by_hand import SAMPLES, noise

RATE = 8000
#: A sum of two float32 weights that is one but for rounding.
ROUNDING = 1e-6

Function = Callable[..., Any]


def asked(number: int = 0, **said: Any) -> Query:
    return Query(f"q{number}", f"m{number}", f"sound {number}", **said)


def answer(separator: Any, mixture: np.ndarray | None = None) -> np.ndarray:
    system = as_system(separator)
    return system.separate([noise(0) if mixture is None else mixture], [asked()], RATE)[0]


def saying(function: Function, **said: Any) -> Any:
    """The function ``(mixture) -> answer`` as a system that says this of itself."""
    methods = {"separate": lambda self, mixture, query, sample_rate: function(mixture)}
    return type("Mine", (), {**methods, **said})()


# ---- at its own rate, and of at most its own length ---------------------------


@pytest.mark.parametrize("own_hz", [16000, np.int64(4000), 11025.0, RATE])
def test_a_system_hears_its_own_rate_by_our_own_resampler(own_hz: Any) -> None:
    heard = []

    def separate(self: object, mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
        heard.append((mixture.copy(), sample_rate, type(sample_rate)))
        return np.abs(mixture) - 0.1

    found = answer(type("Mine", (), {"separate": separate, "sample_rate": own_hz}))
    expected = resample(noise(0), RATE, int(own_hz))
    assert heard[0][1:] == (own_hz, int)
    np.testing.assert_array_equal(heard[0][0], expected)
    back = resample(np.abs(expected) - np.float32(0.1), int(own_hz), RATE)
    np.testing.assert_array_equal(found, fit(back, SAMPLES))


@pytest.mark.parametrize("own_hz", [None, 16000])
@pytest.mark.parametrize("max_seconds", [0.05, 0.123, 0.3, 0.499, 0.5, 7])
def test_chunks_are_no_longer_than_it_takes_and_their_seams_are_not_heard(
    own_hz: int | None, max_seconds: float
) -> None:
    sizes: list[int] = []

    def halved(mixture: np.ndarray) -> np.ndarray:
        sizes.append(mixture.size)
        return -0.5 * mixture

    whole = answer(saying(lambda mixture: -0.5 * mixture, sample_rate=own_hz))
    cut = answer(saying(halved, sample_rate=own_hz, max_seconds=max_seconds))
    np.testing.assert_allclose(cut, whole, atol=ROUNDING)
    longest = max_seconds * (own_hz or RATE)
    assert max(sizes) <= round(longest)
    assert (len(sizes) == 1) == (max_seconds >= SAMPLES / RATE)
    # The weights add up to one: silence and a constant stay what they are.
    ones = answer(saying(np.ones_like, max_seconds=max_seconds))
    np.testing.assert_allclose(ones, 1.0, atol=ROUNDING)
    # From one chunk to the next the answer goes over steadily.
    counted = iter(range(1000))
    stairs = answer(saying(lambda x: np.full_like(x, next(counted)), max_seconds=max_seconds))
    assert (np.diff(stairs) >= -ROUNDING).all()
    assert stairs[-1] == pytest.approx(next(counted) - 1)
    assert np.diff(stairs).max(initial=0) < 1.0 or len(sizes) == 1


# ---- what it is given ---------------------------------------------------------


def forms(given: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Systems of every form, which note the words that they are given."""

    def function(mixture, query, sample_rate, negative):
        given.append((query, negative))
        return mixture

    def by_name(mixture, query, sample_rate, *, negative="not given", seed):
        assert seed == query_seed(7, f"q{query[-1]}")
        return function(mixture, query, sample_rate, negative)

    def without(mixture, query, sample_rate):
        given.append((query,))
        return mixture

    def anything(mixture, query, sample_rate, *others, **more):
        given.append((query, *others, *more))
        return mixture

    def by_place(mixture, query, sample_rate, negative="not given", /):
        return function(mixture, query, sample_rate, negative)

    @functools.wraps(function)
    def decorated(*args, **kwargs):
        return function(*args, **kwargs)

    class Method:
        def separate(self, mixture, query, sample_rate, negative=""):
            return function(mixture, query, sample_rate, negative)

    class Deaf(Method):
        accepts_negative = False

    class Told:
        accepts_negative = True

        def separate(self, *args, **kwargs):
            return function(*args, **kwargs)

    class Tagged(Method):
        card: ClassVar = {"query_type": "tag"}

    class ByAttribute(Method):
        query_type = "tag"

    class Called:
        def __call__(self, mixture, query, sample_rate, negative):
            return function(mixture, query, sample_rate, negative)

    class Batch(Method):
        def separate_batch(self, mixtures, queries, sample_rate, negatives):
            given.extend(zip(queries, negatives, strict=True))
            return mixtures

    class Static:
        separate = staticmethod(function)

    return {
        "function": function, "by name": by_name, "without": without, "anything": anything,
        "by place": by_place, "decorated": decorated, "class": Method, "object": Method(),
        "bound": Method().separate, "told": Told, "deaf": Deaf, "tagged": Tagged,
        "by attribute": ByAttribute(), "called": Called(), "static": Static,
        "partial": functools.partial(function), "filled": functools.partial(by_name, negative="x"),
        "batch": Batch,
    }  # fmt: skip


@pytest.mark.parametrize("form", forms([]))
def test_every_form_of_system_is_told_what_it_takes(form: str) -> None:
    given: list[tuple[Any, ...]] = []
    system = as_system(forms(given)[form])
    system.made_by = system.made_by.model_copy(update={"seed": 7})
    tags = [("Bell", "Chime"), (), ("Rain",)]
    queries = [asked(n, tags=of, negative=f"not {n}") for n, of in enumerate(tags)]
    mixtures = [noise(n) for n in range(3)]
    if system.batched:
        found = system.separate(mixtures, queries, RATE)
    else:
        both = zip(mixtures, queries, strict=True)
        found = [system.separate([mixture], [query], RATE)[0] for mixture, query in both]
    np.testing.assert_array_equal(found, mixtures)
    texts = ["Bell; Chime", "", "Rain"] if "tagged" in form or form == "by attribute" else None
    negatives = {"without": (), "anything": (), "by place": ("not given",), "deaf": ("",)}
    assert given == [
        (texts[n] if texts else f"sound {n}", *negatives.get(form, (f"not {n}",))) for n in range(3)
    ]


def test_a_torch_module_is_a_system() -> None:
    torch = pytest.importorskip("torch")

    class Halver(torch.nn.Module):
        card: ClassVar = {"name": "Halver"}
        sample_rate = 16000

        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.tensor(0.5))

        def forward(self, mixture: np.ndarray, query: str, sample_rate: int) -> Any:
            assert (query, sample_rate) == ("sound 0", 16000)
            return self.gain * torch.from_numpy(mixture)[None]

    system = as_system(Halver())
    assert (system.card.name, system.declared.sample_rate) == ("Halver", 16000)
    expected = resample(0.5 * resample(noise(0), RATE, 16000), 16000, RATE)
    np.testing.assert_array_equal(answer(system), fit(expected, SAMPLES))
    scripted = torch.jit.script(torch.nn.Identity())  # its parameters nobody knows
    assert not as_system(scripted).negative


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: None, "cannot be called as it would be"),
        (lambda mixture, query: mixture, "cannot be called as it would be"),
        (lambda mixture, query, sample_rate, model: mixture, "argument: 'model'"),
        (functools.partial(lambda mixture, query: mixture), "cannot be called as it would be"),
        (saying(abs, accepts_negative=True), "keyword argument 'negative'"),
        (saying(abs, accepts_seed=True), "keyword argument 'seed'"),
        (types.SimpleNamespace(separate=5), "does not separate"),
        (object(), "does not separate"),
        ("my_system.py", "does not separate"),
        (None, "does not separate"),
        (saying(abs, sample_rate="16k"), "sample_rate must be a whole number, got '16k'"),
        (saying(abs, sample_rate=0), "sample_rate must be at least 1000, got 0"),
        (saying(abs, sample_rate=True), "sample_rate must be a whole number, got true"),
        (saying(abs, sample_rate=[16000]), "sample_rate must be a whole number"),
        (saying(abs, sample_rate=lambda: 16000), "cannot carry"),
        (saying(abs, max_seconds=-1), "max_seconds must be at least 0.05, got -1"),
        (saying(abs, max_seconds=float("nan")), "max_seconds"),
        (saying(abs, query_type="tags"), r"query_type must be .* \(did you mean 'tag'"),
        (saying(abs, accepts_seed="maybe"), "accepts_seed must be true or false"),
        (saying(abs, card={"nmae": "x"}), r"no 'nmae' \(did you mean 'name'"),
        (saying(abs, card={"name": "x" * 300}), "name must be text of at most 200"),
        (saying(abs, card={"name": ""}), "name must be text of at least 1"),
        (saying(abs, card={"parameters": 1.5}), "parameters must be a whole number"),
        (saying(abs, card={1: "x"}), "there is no '1'"),
        (saying(abs, card="MyNet"), "card cannot be used\n  expected: a dict"),
        (saying(abs, card=["MyNet"]), "card cannot be used\n  expected: a dict"),
        (saying(abs, card=lambda self: {"name": "x"}), "card cannot be used\n  expected: a dict"),
        (saying(abs, card=types.SimpleNamespace(name="x", author="y")), "did you mean 'authors'"),
    ],
)
def test_what_is_no_system_is_refused_in_one_message(wrong: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        as_system(wrong)
    assert (caught.value.exit_code, "Traceback" in str(caught.value)) == (2, False)
    assert len(str(caught.value).splitlines()) <= 5


def test_what_a_system_says_of_itself_may_be_numpys_and_its_code_may_fail() -> None:
    many = {"sample_rate": np.int64(16000), "max_seconds": np.float32(2.5), "accepts_seed": False}
    declared = as_system(saying(abs, **many, accepts_negative=np.bool_(False))).declared
    assert declared.model_dump(exclude_none=True) == {**many, "accepts_negative": False}

    def broken(self: object) -> Any:
        raise RuntimeError("no licence")

    for key in ("sample_rate", "card"):
        with pytest.raises(LassbenchError, match="RuntimeError: no licence") as caught:
            as_system(saying(abs, **{key: property(broken)}))
        assert "lassbench/systems" not in str(caught.value)
    system = as_system(saying(abs, close=broken, device="x" * 999, environment="production"))
    assert len(system.device) == 200
    assert set(system.environment) >= {"python", "device"}
    with pytest.raises(LassbenchError, match="cannot be closed"):
        system.close()
    system = as_system(saying(abs, close=False, environment={"torch": 2}, device=print))
    system.close()
    assert (system.environment["device"], type(system.environment["python"])) == ("cpu", str)
    for key in ("device", "separate", "ran_in"):
        try:
            told = as_system(saying(abs, **{key: property(broken)})).environment
        except LassbenchError as error:
            assert "RuntimeError: no licence" in str(error)
        else:
            assert told["device"] == "cpu"


# ---- its card -----------------------------------------------------------------

CARD = {"name": "MyNet", "parameters": 1_500_000, "trained_on": ["AudioCaps"], "query_type": "tag"}


@dataclass
class AsDataclass:
    name: str = "MyNet"
    parameters: float = 1.5e6
    trained_on: tuple[str, ...] = ("AudioCaps",)
    query_type: str = "tag"
    url: None = None


class AsClass:
    name = "MyNet"
    parameters = np.int64(1_500_000)
    trained_on = "AudioCaps"
    query_type = "tag"


@pytest.mark.parametrize(
    "card",
    [
        CARD,
        SystemCard(**CARD),
        types.MappingProxyType(CARD),
        types.SimpleNamespace(**CARD),
        namedtuple("Card", CARD)(**CARD),
        AsDataclass(),
        AsClass,
        AsClass(),
    ],
)
def test_a_card_is_taken_however_it_is_written(card: Any) -> None:
    assert as_system(saying(abs, card=card)).card == SystemCard(**CARD)


def test_a_card_without_a_name_is_called_as_the_system() -> None:
    def separate_well(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
        return mixture

    for separator, name in [
        (saying(abs), "Mine"),
        (type(saying(abs)), "Mine"),
        (saying(abs, card={"url": "https://x.org"}), "Mine"),
        (separate_well, "separate_well"),
        (functools.partial(separate_well), "separate_well"),
    ]:
        assert as_system(separator).card.name == name
    assert as_system(separate_well, name="other").card.name == "other"


# ---- what it answers ----------------------------------------------------------


def tensors(x: np.ndarray) -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    one = torch.from_numpy(x)
    return {
        "tensor": one,
        "tensor that needs grad": torch.nn.Parameter(one),
        "bfloat16": one.to(torch.bfloat16),
        "half": one.half(),
        "double (1, N)": one.double()[None],
        "strided": torch.stack([one, one], dim=1)[:, 0],
        "negated": torch.conj(torch.complex(one, one)).real,
    }


class OnADevice:
    """A tensor elsewhere: nothing but ``detach`` and ``cpu`` leads to its samples."""

    def __init__(self, tensor: Any, detached: bool = False) -> None:
        self.tensor, self.detached = tensor, detached

    def detach(self) -> OnADevice:
        return OnADevice(self.tensor, True)

    def cpu(self) -> Any:
        assert self.detached
        return self.tensor


def taken(x: np.ndarray) -> dict[str, Any]:
    locked = x.copy()
    locked.flags.writeable = False
    return {
        "float32": x,
        "float64": x.astype("f8"),
        "long double": x.astype(np.longdouble),
        "float16": x.astype("f2"),
        "big-endian": x.astype(">f4"),
        "(1, N)": x[None],
        "(N, 1)": x[:, None],
        "(1, 1, N)": x[None, None],
        "list": x.tolist(),
        "nested list": [x.tolist()],
        "list of arrays": [x],
        "tuple of numbers": tuple(x.tolist()),
        "read-only": locked,
        "not contiguous": np.repeat(x, 2)[::2],
        "backwards": x[::-1].copy()[::-1],
        "series": pd.Series(x, index=np.arange(x.size)[::-1]),
        "mask without a hole": np.ma.masked_array(x),
        "silence": np.zeros_like(x),
        **tensors(x),
        "on a device": OnADevice(tensors(x)["tensor"]),
    }


@pytest.mark.parametrize("form", taken(noise(0)))
def test_samples_are_taken_in_any_form(form: str) -> None:
    x = noise(1)
    rounded = {"float16": "f2", "half": "f2"}.get(form)
    expected = x.astype(rounded).astype("f4") if rounded else x
    if form == "bfloat16":  # the upper half of float32, rounded to even
        bits = x.view(np.uint32).astype(np.uint64)
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16
        expected = bits.astype(np.uint32).view("f4")
    if form == "silence":
        expected = np.zeros_like(x)
    found = answer(saying(lambda mixture: taken(x)[form]))
    assert (found.dtype, found.shape) == (np.dtype("f4"), (SAMPLES,))
    np.testing.assert_array_equal(found, expected)


class Unreadable:
    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise Mute


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("mute")


REFUSED: dict[str, tuple[Function, str]] = {
    "None": (lambda x: None, "None: is a return missing?"),
    "text": (lambda x: "dog", "str, of <U3"),
    "bytes": (lambda x: b"RIFF", "bytes, of"),
    "dict": (lambda x: {"audio": x}, "dict, of object"),
    "audio and rate": (lambda x: (x, 16000), "tuple: "),
    "rate and audio": (lambda x: (16000, x), "tuple: "),
    "ragged": (lambda x: [[0.1, 0.2], [0.3]], "list: "),
    "objects": (lambda x: x.astype(object), "of object"),
    "generator": (lambda x: (one for one in x), "generator, of object"),
    "int16": (lambda x: x.astype(np.int16), "int16 samples: divide by 32768"),
    "int64": (lambda x: x.astype(np.int64), "int64 samples: divide by their full scale"),
    "whole numbers": (lambda x: [0] * x.size, "int64 samples"),
    "bool": (lambda x: x > 0, "of bool"),
    "complex": (lambda x: x.astype(complex), "of complex128"),
    "dates": (lambda x: x.astype(int).astype("M8[s]"), "of datetime64"),
    "empty": (lambda x: x[:0], "0 samples"),
    "empty rows": (lambda x: np.zeros((0, x.size)), "one channel is wanted"),
    "one number": (lambda x: 0.5, "one channel is wanted"),
    "a 0-d array": (lambda x: np.float32(0.5), "one channel is wanted"),
    "two channels": (lambda x: np.stack([x, x]), r"shape \(2, 4000\): one channel"),
    "two channels (N, 2)": (lambda x: np.stack([x, x], axis=1), "one channel is wanted"),
    "NaN": (lambda x: np.where(np.arange(x.size) == 7, np.nan, x), "NaN or infinite"),
    "infinity": (lambda x: np.where(np.arange(x.size) == 7, -np.inf, x), "NaN or infinite"),
    "too large": (lambda x: x.astype("f8") * 1e300, "NaN or infinite"),
    "holes": (lambda x: np.ma.masked_less(x, 0), "masked array"),
    "half as long": (lambda x: x[::2], "2000 samples; if it works at another rate.*sample_rate"),
    "twice as long": (lambda x: np.repeat(x, 2), r"8000 samples; .*\(sample_rate\)"),
    "a tensor's class": (lambda x: type(OnADevice(x)), "type, of object|type: "),
    "a broken tensor": (lambda x: types.SimpleNamespace(detach=lambda: None), "SimpleNamespace: "),
    "unreadable": (lambda x: Unreadable(), "Unreadable: "),
    "int tensor": (lambda x: pytest.importorskip("torch").ones(x.size).int(), "int32 samples"),
    "complex tensor": (
        lambda x: pytest.importorskip("torch").ones(x.size) * 1j, "of complex64",
    ),
    "list of tensors that need grad": (
        lambda x: [pytest.importorskip("torch").ones(x.size, requires_grad=True)], "list: |object",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_no_estimate_is_refused_in_one_message(form: str) -> None:
    function, words = REFUSED[form]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LassbenchError, match=words) as caught:
            answer(saying(function))
    said = str(caught.value)
    assert (type(caught.value), caught.value.exit_code) == (LassbenchError, 1)
    assert said.startswith("q0: Mine returned something that is no estimate\n")
    assert (len(said.splitlines()), "Traceback" in said) == (3, False)


BATCHES: dict[str, tuple[Function, str]] = {
    "list": (lambda found: found, ""),
    "tuple": (tuple, ""),
    "generator": (lambda found: (one for one in found), ""),
    "array (B, N)": (np.stack, ""),
    "array (B, 1, N)": (lambda found: np.stack(found)[:, None], ""),
    "tensor (B, N)": (lambda found: pytest.importorskip("torch").tensor(np.stack(found)), ""),
    "one too few": (lambda found: found[1:], "one for each query, 3\n  got:      2"),
    "one too many": (lambda found: [*found, found[0]], "one for each query, 3\n  got:      4"),
    "one sound": (lambda found: found[0], "one for each query, 3\n  got:      4000"),
    "dict": (lambda found: dict(enumerate(found)), "3\n  got:      dict"),
    "None": (lambda found: None, "3\n  got:      NoneType"),
    "number": (lambda found: 3, "3\n  got:      int"),
    "text": (lambda found: "abc", "q0: .*no estimate"),
    "one of them wrong": (lambda found: [found[0], None, found[2]], "q1: .*no estimate"),
}


@pytest.mark.parametrize("form", BATCHES)
def test_a_batch_is_taken_whole_or_refused(form: str) -> None:
    function, words = BATCHES[form]
    x = [noise(n) for n in range(3)]
    batch = saying(abs, separate_batch=lambda self, mixtures, queries, rate: function(mixtures))
    system, queries = as_system(batch), [asked(n) for n in range(3)]
    if not words:
        np.testing.assert_array_equal(system.separate(x, queries, RATE), x)
        return
    with pytest.raises(LassbenchError, match=words) as caught:
        system.separate(x, queries, RATE)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("size", [SAMPLES - 400, SAMPLES - 1, SAMPLES + 1, SAMPLES + 400])
def test_frames_too_many_or_too_few_are_cut_or_padded_with_one_word(size: int) -> None:
    system = as_system(saying(lambda mixture: fit(mixture + 1, size)))
    with pytest.warns(LassbenchWarning) as told:
        found = [system.separate([noise(n)], [asked(n)], RATE)[0] for n in range(3)]
    assert len(told) == 1
    assert f"q0: answered {size} samples to {SAMPLES}" in str(told[0].message)
    for number, one in enumerate(found):
        np.testing.assert_array_equal(one, fit(fit(noise(number) + 1, size), SAMPLES))
    assert system.resized == 3


def test_a_system_may_work_in_what_it_is_given_and_in_what_it_answered_before() -> None:
    class Reuses:
        buffer = np.zeros(SAMPLES, np.float32)

        def separate(self, mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
            self.buffer[:] = mixture
            mixture[:] = 0
            return self.buffer

    system, mixtures = as_system(Reuses), [noise(n) for n in range(3)]
    found = [system.separate([one], [asked()], RATE)[0] for one in mixtures]
    np.testing.assert_array_equal(found, [noise(n) for n in range(3)])
    np.testing.assert_array_equal(mixtures, [noise(n) for n in range(3)])


# ---- its errors ---------------------------------------------------------------


class Loud(Exception):
    """Its message has lines, and something that would rewrite a terminal."""


def chained() -> None:
    try:
        {}["weights"]
    except KeyError as error:
        raise RuntimeError("no weights in it") from error


def endless(depth: int = 0) -> None:
    endless(depth + 1)


def raising(error: BaseException) -> Function:
    def raise_it(*_: object) -> None:
        raise error

    return raise_it


ERRORS: dict[str, tuple[Function, str]] = {
    "plain": (raising(ValueError("shape (1, 2)")), "ValueError: shape (1, 2)"),
    "SystemExit(0)": (raising(SystemExit(0)), "SystemExit: 0"),
    "SystemExit(None)": (raising(SystemExit()), "SystemExit: "),
    "SystemExit(text)": (raising(SystemExit("bye")), "SystemExit: bye"),
    "os-level": (lambda: open("/no/such/file"), "FileNotFoundError: [Errno 2]"),  # noqa
    "memory": (raising(MemoryError()), "MemoryError: "),
    "mute": (raising(Mute()), "Mute: (it cannot say what)"),
    "loud": (raising(Loud("a\nb\x1b[2J")), r"Loud: a\nb\x1b[2J"),
    "chained": (chained, "RuntimeError: no weights in it"),
    "recursion": (endless, "RecursionError: maximum recursion depth"),
    "group": (raising(ExceptionGroup("several", [ValueError("one of")])), "one of"),
    "warning": (raising(UserWarning("w")), "UserWarning: w"),
    "stop": (raising(StopIteration()), "StopIteration"),
    "cancelled": (raising(GeneratorExit()), "GeneratorExit: "),
}  # fmt: skip


@pytest.mark.parametrize("kind", ERRORS)
def test_their_errors_are_shown_with_their_lines_and_none_of_ours(kind: str) -> None:
    function, words = ERRORS[kind]

    def separate(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
        function()
        return mixture

    class Lazy:
        def separate_batch(self, mixtures, queries, sample_rate):
            def one_after_the_other():
                function()
                yield from mixtures

            return one_after_the_other()

    for system, frame in ((separate, "in separate"), (Lazy(), "in one_after_the_other")):
        with pytest.raises(LassbenchError) as caught:
            answer(system)
        said = str(caught.value)
        assert (type(caught.value), caught.value.exit_code) == (LassbenchError, 1)
        assert "q0: " in said.splitlines()[0] and " failed" in said.splitlines()[0]
        assert words in said
        assert "lassbench/systems" not in said
        assert frame in said or kind == "recursion"
        assert all(line.isprintable() for line in said.splitlines())
        assert len(said.splitlines()) < 80
    if kind == "chained":
        assert "KeyError: 'weights'" in said


def test_an_interrupt_and_our_own_errors_pass() -> None:
    with pytest.raises(KeyboardInterrupt):
        answer(saying(raising(KeyboardInterrupt())))
    ours = UsageError("what it needs is not there")
    with pytest.raises(UsageError) as caught:
        answer(saying(raising(ours)))
    assert caught.value is ours


def test_what_their_code_prints_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    def chatty(mixture: np.ndarray) -> np.ndarray:
        print("loading weights")
        return mixture

    answer(saying(chatty))
    assert capsys.readouterr() == ("", "loading weights\n")


# ---- seeds --------------------------------------------------------------------


def test_a_query_has_one_seed_whatever_comes_before_it() -> None:
    torch = pytest.importorskip("torch")

    def drawn(mixture: np.ndarray) -> np.ndarray:
        drawn = (random.random(), np.random.random(), torch.rand(1).item())
        return fit(np.array(drawn, "f4"), mixture.size)

    def run(order: list[int], seed: int | None) -> dict[int, list[float]]:
        system = System.of(saying(drawn), name="x", made_by=MadeBy(system="x", seed=seed))
        return {n: system.separate([noise(0)], [asked(n)], RATE)[0][:3].tolist() for n in order}

    forwards = run([0, 1, 2], 5)
    assert run([2, 0, 1], 5) == forwards == {**forwards, **run([1], 5)}
    assert len({tuple(one) for one in forwards.values()}) == 3
    assert all(run([0, 1, 2], 6)[n] != one for n, one in forwards.items())
    state = random.getstate()
    random.random()
    next_state = random.getstate()
    random.setstate(state)
    run([0], None)  # nobody asked for a seed: what they draw from is left alone
    assert random.getstate() == next_state


def test_a_short_sound_may_be_a_frame_longer() -> None:
    frames = lambda m, q, r: np.zeros(512, "f4")  # noqa: E731
    with pytest.warns(LassbenchWarning, match="answered 512 samples to 10"):
        (found,) = as_system(frames).separate([np.ones(10, "f4")], [Query("q", "m", "x")], 16000)
    assert found.shape == (10,)
    with pytest.raises(LassbenchError, match="no estimate"):
        as_system(frames).separate([np.ones(10, "f4")], [Query("q", "m", "x")], 4000)


def test_warnings_that_are_errors_to_the_users_code_are_none_to_us() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("error")
        system = as_system(lambda m, q, r: m[:-1])
        system.separate([np.ones(100, "f4")], [Query("q", "m", "x")], 8000)
    assert [one.category for one in heard] == [LassbenchWarning]
