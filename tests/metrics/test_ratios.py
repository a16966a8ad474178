"""SNR and SI-SDR: closed forms, torchmetrics, the policy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lassbench.errors import LassbenchError
from lassbench.metrics.kernels import product
from lassbench.metrics.ratios import CEILING_DB, decibels, energy, si_sdr, snr

Floats = NDArray[np.float64]
INF = math.inf


def tone(cycles: int, *, amplitude: float = 1.0, size: int = 8000) -> Floats:
    """Whole periods of a sine: energy size/2, orthogonal to those of other frequencies."""
    return np.asarray(amplitude * np.sin(2 * np.pi * cycles * np.arange(size) / size))


@pytest.mark.parametrize("noise_db", [-60.0, -6.0, 0.0, 6.0, 60.0, 180.0])
def test_snr_of_orthogonal_noise(noise_db: float) -> None:
    s = tone(5)
    e = s + tone(9, amplitude=10 ** (-noise_db / 20))
    tolerance = 1e-9 if noise_db < 100 else 1e-4  # e itself is rounded
    assert snr(reference=s, estimate=e) == pytest.approx(noise_db, abs=tolerance)
    assert si_sdr(reference=s, estimate=-3.0 * e) == pytest.approx(noise_db, abs=tolerance)


def test_snr_sees_gain_and_si_sdr_does_not() -> None:
    s = tone(5)
    assert snr(reference=s, estimate=0.9 * s) == pytest.approx(20.0, abs=1e-9)
    assert snr(reference=s, estimate=-s) == pytest.approx(-20 * math.log10(2), abs=1e-9)
    assert si_sdr(reference=s, estimate=0.9 * s) == INF


def test_snr_is_not_bss_evals_sdr() -> None:
    """FACTS: a gain of 0.1 and a delay of 100 samples."""
    from lassbench.metrics.bss_eval import bss_eval

    s = np.random.default_rng(0).standard_normal(100000)
    s[-100:] = 0.0
    e = 0.1 * np.roll(s, 100)
    e += 0.1 * 10 ** (-18.6 / 20) * np.random.default_rng(1).standard_normal(s.size)
    assert snr(reference=s, estimate=e) == pytest.approx(-0.05, abs=0.02)
    assert bss_eval(target=s, interference=None, estimate=e).sdr == pytest.approx(18.6, abs=0.1)


def test_si_sdr_keeps_means() -> None:
    s = tone(5)
    assert si_sdr(reference=s, estimate=s + 1.0) == pytest.approx(-10 * math.log10(2), abs=1e-9)


def test_equal_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    audio = pytest.importorskip("torchmetrics.functional.audio")
    rng = np.random.default_rng(0)
    for gain in (0.01, 1.0, 30.0):
        s, e = rng.standard_normal((2, 5000))
        e = gain * (s + 0.3 * e)
        args = (torch.from_numpy(e), torch.from_numpy(s))
        assert snr(reference=s, estimate=e) == pytest.approx(
            float(audio.signal_noise_ratio(*args)), abs=1e-6
        )
        assert si_sdr(reference=s, estimate=e) == pytest.approx(
            float(audio.scale_invariant_signal_distortion_ratio(*args)), abs=1e-6
        )


def test_silence_is_minus_infinity_although_the_formula_says_zero() -> None:
    for ratio in (snr, si_sdr):
        assert ratio(reference=tone(5), estimate=np.zeros(8000)) == -INF


@pytest.mark.parametrize("ratio", [snr, si_sdr])
def test_perfect_is_infinite_and_orthogonal_is_minus_infinity(ratio: object) -> None:
    assert callable(ratio)
    s = tone(5)
    assert ratio(reference=s, estimate=s) == INF
    apart = np.concatenate([np.zeros(4000), np.ones(4000)])
    assert si_sdr(reference=apart[::-1], estimate=apart) == -INF


@pytest.mark.parametrize("ratio", [snr, si_sdr])
def test_errors(ratio: object) -> None:
    assert callable(ratio)
    s = tone(5)
    with pytest.raises(LassbenchError, match="reference: the reference is silent"):
        ratio(reference=np.zeros(8000), estimate=s)
    with pytest.raises(LassbenchError, match=r"8000 samples(?s:.)*7999 samples"):
        ratio(reference=s, estimate=s[:-1])
    with pytest.raises(LassbenchError, match=r"estimate: .*(?s:.)*nan at sample 7"):
        ratio(reference=s, estimate=np.where(np.arange(8000) == 7, np.nan, s))
    with pytest.raises(LassbenchError, match="at least one"):
        ratio(reference=s, estimate=[])


@given(
    numerator=st.floats(0, 1e200),
    denominator=st.floats(0, 1e200),
)
@settings(max_examples=200)
def test_decibels_are_never_nan_and_never_beyond_the_ceiling(
    numerator: float, denominator: float
) -> None:
    value = decibels(numerator, denominator)
    assert math.isinf(value) or abs(value) <= CEILING_DB
    if numerator == 0.0:
        assert value == -INF
    elif denominator == 0.0:
        assert value == INF


@given(size=st.integers(1, 5000), seed=st.integers(0, 100))
@settings(max_examples=40)
def test_sums_are_exact_to_the_last_digits(size: int, seed: int) -> None:
    x, y = np.random.default_rng(seed).standard_normal((2, size))
    assert product(x, y) == pytest.approx(math.fsum(x * y), abs=1e-14 * np.abs(x * y).sum())
    single = x.astype(np.float32)
    expected = math.fsum(float(value) ** 2 for value in single)
    assert energy(single) == pytest.approx(expected, rel=1e-14)
