"""BSS Eval against mir_eval, explicit projections, closed forms, and the policy."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lassbench.errors import LassbenchError
from lassbench.metrics import kernels
from lassbench.metrics.bss_eval import BssEval, References, bss_eval
from lassbench.metrics.kernels import NO_NUMBA
from tests.metrics.oracles import (
    ORACLE_DB,
    Case,
    by_qr,
    db,
    explicit,
    mir_eval_scores,
    recording,
    recordings,
)

Floats = NDArray[np.float64]
INF = math.inf
#: ESC-10's classes, in pairs.
CLASSES = (
    *("chainsaw", "clock_tick", "crackling_fire", "crying_baby", "dog"),
    *("helicopter", "rain", "rooster", "sea_waves", "sneezing"),
)


@pytest.fixture(params=["numba", "scipy"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with the compiled loops and without."""
    monkeypatch.setenv(NO_NUMBA, "1" if request.param == "scipy" else "")
    assert kernels.name() == request.param
    return str(request.param)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def coloured(size: int, seed: int) -> Floats:
    """Noise through a random filter."""
    noise = rng(seed)
    return np.asarray(
        scipy.signal.lfilter(noise.standard_normal(20), [1.0, -0.5], noise.standard_normal(size))
    )


def case(size: int = 3000, *, leak: float = 0.3, noise: float = 0.1) -> Case:
    s, n = coloured(size, 1), coloured(size, 2)
    return Case(s, n, s + leak * n + noise * np.std(s) * rng(3).standard_normal(size))


def as_list(scores: BssEval) -> list[float]:
    return [scores.sdr, scores.sir, scores.sar]


# --- mir_eval ---------------------------------------------------------------


def estimates(s: Floats, n: Floats) -> dict[str, Floats]:
    """From perfect to noise."""
    noise = np.std(s) * rng(5).standard_normal(s.size)
    mask = scipy.signal.sosfiltfilt(scipy.signal.butter(2, 0.01, output="sos"), np.abs(s))
    return {
        "nearly perfect": s + 1e-5 * noise,
        "good": s + 0.1 * n + 0.01 * noise,
        "gated": (s + n) * (mask > np.median(mask)),
        "filtered": scipy.signal.lfilter([1.0, 0.4, -0.2], [1.0, 0.0, -0.3], s + 0.2 * n),
        "delayed": np.roll(s, 100) * 0.1 + 0.01 * noise,
        "the wrong source": n + 0.05 * s + 0.01 * noise,
        "noise": noise,
    }


@pytest.mark.parametrize("name", CLASSES)
def test_equals_mir_eval_on_every_class_of_recordings(shared: Path, name: str) -> None:
    assert set(recordings(shared)) == set(CLASSES)
    position = CLASSES.index(name)
    other = CLASSES[(position + 3) % 10]
    s = recording(shared, name, rate_hz=32000, seconds=2.0)
    n = recording(shared, other, rate_hz=32000, seconds=2.0)
    made = list(estimates(s, n).items())
    gain_db = (-60.0, -20.0, 0.0, 20.0, 60.0)[position % 5]
    references = References(target=s, interference=n * 10 ** (-gain_db / 40))
    for kind, e in (made[position % 7], made[(position + 3) % 7]):
        e = e * 10 ** (gain_db / 20)
        found = references.score(e)
        expected = mir_eval_scores(s, n, e)
        assert found.is_close(expected, ORACLE_DB), (kind, found, expected)


@pytest.mark.parametrize(
    ("rate_hz", "seconds"), [(8000, 0.5), (16000, 5.0), (44100, 0.5), (48000, 3.0), (8000, 60.0)]
)
def test_equals_mir_eval_at_any_rate_and_length(shared: Path, rate_hz: int, seconds: float) -> None:
    s = recording(shared, "rooster", rate_hz=rate_hz, seconds=seconds)
    n = recording(shared, "rain", rate_hz=rate_hz, seconds=seconds)
    made = Case(s, n, estimates(s, n)["good"])
    assert made.found().is_close(made.of_mir_eval(), ORACLE_DB)


@pytest.mark.parametrize("noise_db", [-160, -120, -80, -40, 0, 40])
def test_equals_mir_eval_from_perfect_to_noise(loops: str, noise_db: int) -> None:
    made = case(4000, leak=10 ** ((noise_db - 10) / 20), noise=10 ** (noise_db / 20))
    assert made.found().is_close(made.of_mir_eval(), ORACLE_DB), loops


def test_equals_mir_eval_with_one_reference(loops: str) -> None:
    made = replace(case(), interference=None)
    assert made.found().sir == INF
    assert made.found().is_close(made.of_mir_eval(), ORACLE_DB), loops
    assert as_list(made.references().mixture()) == [INF, INF, INF]


def test_the_wrong_source_is_not_awarded() -> None:
    """A permutation solver, asked with the mixture as the other estimate, swaps the two."""
    s, n = rng(1).standard_normal(20000), rng(2).standard_normal(20000)
    wrong, noise = n + 0.1 * s, 0.01 * rng(3).standard_normal(20000)
    import mir_eval.separation

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        permuted, _, _, order = mir_eval.separation.bss_eval_sources(
            np.stack([s, n]), np.stack([wrong + noise, s + n])
        )
    assert list(order) == [1, 0]
    assert permuted[1] > 15
    assert bss_eval(target=s, interference=n, estimate=wrong + noise).sdr < -10


def low_passed(floor: float) -> Case:
    """White noise below half the band over a floor of noise; the estimate is white noise."""
    white = rng(0).standard_normal((5, 4000))
    low = scipy.signal.cheby2(12, 160, 0.5, output="sos")
    fade = scipy.signal.windows.tukey(4000, 0.5)
    s, n = (
        fade * scipy.signal.sosfiltfilt(low, x) + floor * y
        for x, y in zip(white[:2], white[2:4], strict=True)
    )
    return Case(s, n, white[4])


@pytest.mark.parametrize("floor", [1.0, 1e-2, 1e-4])
def test_well_conditioned_mir_eval_qr_and_this_agree(loops: str, floor: float) -> None:
    made = low_passed(floor)
    references = made.references()
    assert references.condition < 1e9
    found = references.score(made.estimate)
    oracle = by_qr(made.target, made.interference, made.estimate)
    assert found.is_close(oracle, ORACLE_DB), loops
    assert made.of_mir_eval().is_close(oracle, ORACLE_DB)


@pytest.mark.parametrize("floor", [1e-6, 3e-7])
def test_ill_conditioned_this_is_right_and_mir_eval_is_off(loops: str, floor: float) -> None:
    """White noise asks for filters that live in the empty band, which mir_eval's Gram matrix
    has rounded away; here the filters' rest is projected again."""
    made = low_passed(floor)
    references = made.references()
    assert references.condition > 1e11
    found = references.score(made.estimate)
    oracle = by_qr(made.target, made.interference, made.estimate)
    assert found.is_close(oracle, 1e-8), loops
    assert not made.of_mir_eval().is_close(oracle, 1e-5)


def test_recordings_with_an_empty_band_equal_qr(shared: Path) -> None:
    """Vorbis files of ESC-10 at their own rate.  (Of 20000 samples mir_eval is off by 1e-6.)"""
    import soundfile

    folder = shared / "data" / "esc10" / "audio"
    s, n = (
        soundfile.read(folder / name)[0][:12000]
        for name in ("1-39901-A-11.ogg", "4-199261-A-0.ogg")
    )
    e = np.std(s) * rng().standard_normal(s.size)
    references = References(target=s, interference=n)
    assert references.condition > 1e10
    assert references.score(e).is_close(by_qr(s, n, e), 1e-8)


# --- closed forms -----------------------------------------------------------


def impulse(size: int, at: int, height: float = 1.0) -> Floats:
    x = np.zeros(size)
    x[at] = height
    return x


@pytest.mark.parametrize("gap", [1, 300, 512, 700])
def test_impulses_span_the_samples_that_follow_them(loops: str, gap: int) -> None:
    """The delays of an impulse are impulses, so projections are sample ranges.

    What both references explain counts as target.
    """
    e = rng().standard_normal(2000)
    found = bss_eval(target=impulse(2000, 0, 3.0), interference=impulse(2000, gap), estimate=e)
    added = e[max(gap, 512) : gap + 512]
    e1, e2, all_of_it = e[:512] @ e[:512], added @ added, e @ e
    expected = [db(e1, all_of_it - e1), db(e1, e2), db(e1 + e2, all_of_it - e1 - e2)]
    assert as_list(found) == pytest.approx(expected, abs=1e-9), loops


def test_high_ratios_keep_their_digits(loops: str) -> None:
    # The artifact lies where no reference reaches: 140 dB, exactly.
    s, n = np.zeros(4000), np.zeros(4000)
    s[:1000], n[1600:2600] = coloured(1000, 1), coloured(1000, 2)
    for level_db in (40, 80, 140):
        artifact = impulse(4000, 3500, np.linalg.norm(s + n) * 10 ** (-level_db / 20))
        found = bss_eval(target=s, interference=n, estimate=s + n + artifact)
        assert found.sar == pytest.approx(level_db, abs=1e-7), loops
        assert found.sir == pytest.approx(db(s @ s, n @ n), abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_small_signals_equal_explicit_projections(data: st.DataObject) -> None:
    """Small whole numbers: many are dependent, some silent, all must be right."""
    size, taps = data.draw(st.integers(1, 24)), data.draw(st.integers(1, 5))
    whole = st.lists(st.integers(-3, 3), min_size=size, max_size=size).map(np.array)
    s, n, e = (data.draw(whole).astype(np.float64) for _ in range(3))
    if not s.any() or not n.any():
        with pytest.raises(LassbenchError, match="silent"):
            bss_eval(target=s, interference=n, estimate=e, taps=taps)
        return
    found = bss_eval(target=s, interference=n, estimate=e, taps=taps)
    if not e.any():
        assert as_list(found) == [-INF, -INF, -INF]
        return
    e1, e2, rest = (part if part > 1e-19 else 0.0 for part in explicit(s, n, e, taps))
    for value, numerator, denominator in (
        (found.sdr, e1, e2 + rest),
        (found.sir, e1, e2),
        (found.sar, e1 + e2, rest),
    ):
        if numerator == 0.0:
            assert value == -INF
        elif denominator == 0.0:
            assert value == INF
        else:
            assert value == pytest.approx(db(numerator, denominator), abs=1e-6)


@pytest.mark.parametrize("taps", [1, 2, 33, 700])
def test_any_number_of_taps(loops: str, taps: int) -> None:
    made = case(1800)
    assert as_list(made.found(taps)) == pytest.approx(made.expected(taps), abs=1e-8), loops


@given(gains_db=st.tuples(*[st.floats(-60, 60)] * 3))
@settings(max_examples=15, deadline=None)
def test_gains_change_nothing(gains_db: tuple[float, float, float]) -> None:
    made = case(2000)
    first, second, third = (10 ** (gain / 20) for gain in gains_db)
    scaled = Case(first * made.target, second * made.interference, third * made.estimate)
    assert scaled.found().is_close(made.found(), 1e-9)


def test_filtering_the_target_costs_nothing() -> None:
    made = case(3000)
    s, n = (np.pad(x, (0, 600)) for x in (made.target, made.interference))
    filtered = np.convolve(s, rng().standard_normal(512))[: s.size]
    assert as_list(bss_eval(target=s, interference=n, estimate=filtered)) == [INF, INF, INF]


# --- the policy -------------------------------------------------------------


def test_a_silent_estimate_is_minus_infinity(loops: str) -> None:
    made = case()
    for interference in (made.interference, None):
        silent = Case(made.target, interference, np.zeros(3000))
        assert as_list(silent.found()) == [-INF, -INF, -INF], loops


@pytest.mark.parametrize("role", ["target", "interference"])
def test_a_silent_reference_is_an_error_that_says_which(role: str) -> None:
    made = case()
    signals = {"target": made.target, "interference": made.interference, role: np.zeros(3000)}
    with pytest.raises(LassbenchError, match=f"{role} reference: the reference is silent"):
        bss_eval(**signals, estimate=made.estimate)


@pytest.mark.parametrize("gain", [1.0, -0.37, 1e-4])
def test_a_perfect_estimate_is_infinite(loops: str, gain: float) -> None:
    made = case()
    perfect = replace(made, estimate=gain * made.target)
    assert as_list(perfect.found()) == [INF, INF, INF], loops


def test_the_mixture_has_no_artifacts(loops: str) -> None:
    made = case()
    made = replace(made, estimate=made.target + made.interference)
    found, expected, oracle = made.found(), made.references().mixture(), made.of_mir_eval()
    assert found.sar == expected.sar == INF, loops
    for scores in (found, expected):
        assert [scores.sdr, scores.sir] == pytest.approx([oracle.sdr, oracle.sir], abs=1e-9)


def test_float32_rounding_of_the_mixture_shows_as_artifacts() -> None:
    made = case()
    mixture = (made.target + made.interference).astype(np.float32)
    found = replace(made, estimate=mixture).found()
    rounding = mixture - (made.target + made.interference)
    # 1024 of the 3511 dimensions of the rounding fall into the references' span.
    expected = db(float(mixture.astype(float) @ mixture), float(rounding @ rounding))
    assert found.sar == pytest.approx(expected + db(3511, 3511 - 1024), abs=0.3)


def test_an_estimate_without_the_target_is_minus_infinity(loops: str) -> None:
    s, n = np.zeros(4000), np.zeros(4000)
    s[:500], n[1100:1900] = coloured(500, 1), coloured(800, 2)
    found = bss_eval(target=s, interference=n, estimate=n)
    assert as_list(found) == [-INF, -INF, INF], loops
    elsewhere = bss_eval(target=s, interference=n, estimate=impulse(4000, 3900))
    assert as_list(elsewhere) == [-INF, -INF, -INF]


@pytest.mark.parametrize("gain", [1.0, -3.0])
def test_equal_references_leave_no_interference(loops: str, gain: float) -> None:
    made = case()
    found = replace(made, interference=gain * made.target).found()
    alone = replace(made, interference=None).found()
    assert found.sir == INF, loops
    assert [found.sdr, found.sar] == pytest.approx([alone.sdr, alone.sar], abs=1e-6)


def test_an_interference_that_is_the_target_filtered(loops: str) -> None:
    # Delayed by 100: 412 of its delays are the target's, 100 reach further.
    s, e = (np.pad(x, (0, 200)) for x in (case().target, case().estimate))
    made = Case(s, np.roll(s, 100), e)
    assert as_list(made.found()) == pytest.approx(made.expected(), abs=1e-6), loops


def test_near_singular_references_lose_at_most_the_named_digits(loops: str) -> None:
    """Low-passed float signals: only noise lives in the empty bands."""
    low = scipy.signal.firwin(401, 0.25, window=("kaiser", 16.0))
    made = case(6000)
    s, n = (np.convolve(x, low)[400:6000] for x in (made.target, made.interference))
    e = s + 0.3 * n + 0.05 * np.std(s) * rng(9).standard_normal(s.size)
    found, expected = Case(s, n, e).found(128), Case(s, n, e).expected(128)
    assert as_list(found) == pytest.approx(expected, abs=2e-2), loops
    assert found.sdr == pytest.approx(expected[0], abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 100, 511, 512])
def test_shorter_than_the_filters(loops: str, size: int) -> None:
    """Two references' 1024 delays fill the space of size + 511 samples."""
    s, n, e = (rng(k).standard_normal(size) for k in range(3))
    found = bss_eval(target=s, interference=n, estimate=e)
    assert found.sar == INF, loops
    assert found.sdr == found.sir or found.sdr == pytest.approx(found.sir, abs=1e-6)
    one = bss_eval(target=s, interference=None, estimate=e)
    oracle = mir_eval_scores(s, None, e) if size > 1 else BssEval(INF, INF, INF)
    assert one.sdr == pytest.approx(oracle.sdr, abs=1e-6) or (one.sdr == INF and oracle.sdr > 150)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (np.full(3000, np.nan), r"estimate: .*(?s:.)*nan at sample 0, 3000 such"),
        (np.concatenate([np.zeros(2999), [np.inf]]), "inf at sample 2999, 1 such"),
        (np.zeros(2999), r"differ in length(?s:.)*3000 samples(?s:.)*2999 samples"),
        (np.zeros((2, 3000)), r"not a mono signal(?s:.)*shape \(2, 3000\)"),
        (np.zeros(0), "not a mono signal"),
        (np.zeros(3000, dtype=complex), "complex128"),
        (np.full(3000, 1e200), r"1e\+200 at sample 0"),
        (["a"], "not a mono signal"),
    ],
)
def test_what_cannot_be_scored_is_an_error(broken: object, message: str) -> None:
    with pytest.raises(LassbenchError, match=message):
        case().references().score(broken)  # type: ignore[arg-type]


def test_reference_errors_say_which() -> None:
    made = case()
    with pytest.raises(LassbenchError, match=r"interference reference: .*differ in length"):
        References(target=made.target, interference=made.interference[:-1])
    with pytest.raises(LassbenchError, match="target reference"):
        References(target=np.array([np.nan]), interference=None)
    with pytest.raises(LassbenchError, match="at least one tap"):
        References(target=made.target, interference=None, taps=0)


# --- reuse ------------------------------------------------------------------


def test_scores_do_not_depend_on_company_or_reuse(loops: str) -> None:
    made = case(20000)
    others = [
        made.estimate[::-1].copy(),
        np.zeros(20000),
        made.target,
        made.target + made.interference,
    ]
    together = made.references().score_many([*others, made.estimate])
    assert together[-1] == made.found(), loops
    assert together[1] == BssEval(-INF, -INF, -INF)


def test_float32_and_whole_numbers_are_taken_as_they_are() -> None:
    made = case(9000)
    s, n, e = (
        np.round(x / np.abs(x).max() * 20000).astype(np.int16)
        for x in (made.target, made.interference, made.estimate)
    )
    whole = bss_eval(target=s, interference=n, estimate=e)
    single = bss_eval(
        target=s.astype(np.float32), interference=n.astype(np.float32), estimate=list(e)
    )
    assert whole == single
    assert whole.is_close(mir_eval_scores(*(x.astype(np.float64) for x in (s, n, e))), ORACLE_DB)


def test_both_kinds_of_loops_give_the_same_numbers(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = recording(shared, "dog", rate_hz=32000, seconds=2.0)
    n = recording(shared, "sea_waves", rate_hz=32000, seconds=2.0)
    for kind, e in estimates(s, n).items():
        monkeypatch.setenv(NO_NUMBA, "")
        compiled = bss_eval(target=s, interference=n, estimate=e)
        monkeypatch.setenv(NO_NUMBA, "1")
        plain = bss_eval(target=s, interference=n, estimate=e)
        # Where little of the target is left, both have rounding errors of their own.
        assert compiled.is_close(plain, 1e-9 if kind != "noise" else 1e-7), kind
