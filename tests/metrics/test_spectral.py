"""MR-STFT and LSD: closed forms, torch.stft, the floor, the policy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lassbench.errors import LassbenchError
from lassbench.metrics import spectral
from lassbench.metrics.ratios import SilentReference
from lassbench.metrics.spectral import FLOOR_DB, SpectralDistances, SpectralReference
from tests.metrics.oracles import recording

Floats = NDArray[np.float64]

#: Single precision against double, relative to the value.
ROUNDING = 2e-6


def distances(target: object, estimate: object) -> SpectralDistances:
    return SpectralReference(np.asarray(target)).distances(np.asarray(estimate))


def assert_close(
    found: SpectralDistances, expected: SpectralDistances, rel: float = ROUNDING
) -> None:
    assert found.mrstft == pytest.approx(expected.mrstft, rel=rel, abs=1e-6)
    assert found.lsd_db == pytest.approx(expected.lsd_db, rel=rel, abs=1e-5)


def white(size: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal(size)


def faded(size: int = 20000, silent: int = 2048) -> Floats:
    """Noise with digital silence at both ends, longer than any frame."""
    return np.pad(white(size - 2 * silent), silent)


# --- closed forms -----------------------------------------------------------


def test_the_target_itself_is_at_no_distance() -> None:
    for target in (white(9000), faded(), np.float32(white(9000))):
        assert distances(target, target) == SpectralDistances(0.0, 0.0)


@pytest.mark.parametrize("gain", [0.9, 0.99, 1.01, 3.0, 1e4])
def test_a_gain_is_that_many_decibels(gain: float) -> None:
    target = white(40000)
    expected = SpectralDistances(
        abs(gain - 1.0) + abs(math.log(gain)), abs(20.0 * math.log10(gain))
    )
    assert_close(distances(target, gain * target), expected)


def test_independent_white_noise() -> None:
    """Powers are exponential, so the difference of two logarithms is logistic.

    Its standard deviation is pi / sqrt(3), its mean absolute value 2 ln 2, of powers; and
    |X - Y|^2 / |X|^2 = 2 - 2 (mean X)^2 / mean X^2 = 2 - pi / 2 for Rayleigh magnitudes.
    """
    expected = SpectralDistances(
        math.sqrt(2.0 - math.pi / 2.0) + math.log(2.0),
        10.0 / math.log(10.0) * math.pi / math.sqrt(3.0),
    )
    assert_close(distances(white(320000), white(320000, 1)), expected, rel=0.01)


def test_a_filter_is_its_response() -> None:
    """A slow enough filter multiplies each bin by its gain there."""
    target = white(200000)
    taps = np.array([1.0, 0.5])
    estimate = np.convolve(target, taps)[: target.size]
    gains_db = 20 * np.log10(
        np.abs(scipy.signal.freqz(taps, worN=np.pi * np.arange(1025) / 1024)[1])
    )
    expected = math.sqrt(float(np.mean(gains_db**2)))
    assert distances(target, estimate).lsd_db == pytest.approx(expected, rel=0.02)


# --- phase, and what else changes nothing -------------------------------------


@pytest.mark.parametrize("phase", [1.0, math.pi / 2, 3.0])
def test_a_tones_phase_changes_nothing_where_sdr_breaks_down(phase: float) -> None:
    # In the middle of a bin of every transform; a fade so that the ends do not count.
    t = np.arange(60000)
    fade = scipy.signal.windows.tukey(t.size, 0.5)
    target = fade * np.cos(2 * np.pi * 0.125 * t)
    estimate = fade * np.cos(2 * np.pi * 0.125 * t + phase)
    found, other = distances(target, estimate), distances(target, fade * white(t.size))
    assert found.lsd_db < 0.2 < 20 < other.lsd_db
    assert found.mrstft < 0.02 < 3 < other.mrstft


@given(gain_db=st.floats(-600, 600))
@settings(max_examples=15, deadline=None)
def test_one_gain_for_both_changes_nothing(gain_db: float) -> None:
    target, estimate, gain = faded(6000), white(6000, 1), 10 ** (gain_db / 20)
    assert_close(distances(gain * target, gain * estimate), distances(target, estimate))


# --- another implementation -------------------------------------------------


def by_torch(target: Floats, estimate: Floats) -> SpectralDistances:
    """In float64 with torch.stft, whose padding and windows are its own."""
    torch = pytest.importorskip("torch")

    def pair(size: int, hop: int, width: int) -> list[object]:
        window = torch.hann_window(width, dtype=torch.float64)
        both = [
            torch.stft(torch.from_numpy(x), size, hop, width, window, return_complex=True).abs()
            for x in (target, estimate)
        ]
        floor = both[0].max() * 10 ** (-FLOOR_DB / 20)
        return [magnitudes.clamp(min=floor) for magnitudes in both]

    total = 0.0
    for resolution in ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240)):
        x, y = pair(*resolution)
        total += float(torch.linalg.norm(x - y) / torch.linalg.norm(x))
        total += float((x.log() - y.log()).abs().mean())
    x, y = pair(2048, 512, 2048)
    per_frame = (20 * (x.log10() - y.log10())).square().mean(dim=0).sqrt()
    return SpectralDistances(total / 3, float(per_frame.mean()))


@pytest.mark.parametrize("size", [1025, 1200, 16384, 50001])
def test_equals_torch_on_noise(size: int) -> None:
    target, estimate = white(size), white(size, 1)
    assert_close(distances(target, estimate), by_torch(target, estimate))


@pytest.mark.parametrize("level", [1e-5, 1e-3, 0.1, 1.0])
def test_equals_torch_on_recordings(shared: Path, level: float) -> None:
    """From nearly perfect to the mixture, with digital silence in the target."""
    target, other = with_pauses(shared)
    estimate = target + level * other
    assert_close(distances(target, estimate), by_torch(target, estimate))
    single = distances(target.astype(np.float32), estimate.astype(np.float32))
    assert_close(single, by_torch(target, estimate), rel=1e-4)


# --- the floor and the policy -------------------------------------------------


def test_what_lies_below_the_floor_is_not_heard() -> None:
    target = faded()
    below, above = (level * white(target.size, 1) for level in (1e-6, 1e-2))
    assert distances(target, target + below).lsd_db < 1e-3
    assert distances(target, target + above).lsd_db > 1.0


def with_pauses(shared: Path) -> tuple[Floats, Floats]:
    """Barks between digital silence, and rain."""
    target = recording(shared, "dog", rate_hz=32000, seconds=3.0)
    target[:20000] = target[70000:] = 0.0
    return target, recording(shared, "rain", rate_hz=32000, seconds=3.0)


def test_rounding_to_16_bits_hardly_matters(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, _ = with_pauses(shared)
    rounding = np.random.default_rng(0).uniform(-0.5, 0.5, target.size) / 32768
    assert distances(target, target + rounding).lsd_db < 0.5
    monkeypatch.setattr(spectral, "FLOOR_DB", 200.0)
    assert distances(target, target + rounding).lsd_db > 50


def test_a_silent_estimate_is_finite_and_worse_than_the_wrong_sound(shared: Path) -> None:
    target, other = with_pauses(shared)
    found = distances(target, np.zeros(target.size))
    assert found.lsd_db == FLOOR_DB
    assert found.mrstft == pytest.approx(1 + math.log(1e4))
    wrong = distances(target, other * np.std(target) / np.std(other))
    assert found.lsd_db > wrong.lsd_db
    assert found.mrstft > wrong.mrstft
    # What the formulas say of next to nothing would be nearer than the mixture.
    faint, mixture = distances(target, 1e-9 * other), distances(target, target + other)
    assert faint.lsd_db < mixture.lsd_db < found.lsd_db


@pytest.mark.parametrize("gain", [1e9, 1e50, 1e110])
def test_far_too_loud_is_finite(gain: float) -> None:
    target = white(9000)
    found = distances(target, gain * target)
    assert found.lsd_db == pytest.approx(min(20 * math.log10(gain), 200.0), abs=0.01)
    assert found.mrstft == pytest.approx(min(gain, 1e10), rel=1e-3)
    assert math.isfinite(found.mrstft)


@pytest.mark.parametrize("size", [1, 2, 100, 511, 1024])
def test_shorter_than_a_frame(size: int) -> None:
    target = white(size)
    assert distances(target, target) == SpectralDistances(0.0, 0.0)
    # A constant's window shows few bins above the floor.
    assert 0.1 < distances(target, 2 * target).lsd_db < 20 * math.log10(2) + 1e-5


def test_scores_do_not_depend_on_what_was_scored_before() -> None:
    reference = SpectralReference(white(9000))
    estimates = [white(9000, seed) for seed in (1, 2)]
    first = [reference.distances(estimate) for estimate in estimates]
    again = [reference.distances(estimate) for estimate in reversed(estimates)]
    assert first == again[::-1]
    assert first[0] == distances(white(9000), estimates[0])


def test_errors() -> None:
    reference = SpectralReference(white(3000))
    with pytest.raises(SilentReference, match="target reference: the reference is silent"):
        SpectralReference(np.zeros(3000))
    with pytest.raises(LassbenchError, match=r"estimate: .*differ in length(?s:.)*2999 samples"):
        reference.distances(white(2999))
    with pytest.raises(LassbenchError, match=r"estimate: .*(?s:.)*nan at sample 0"):
        reference.distances(np.full(3000, np.nan))
    with pytest.raises(LassbenchError, match="not a mono signal"):
        reference.distances(np.zeros((2, 3000)))
