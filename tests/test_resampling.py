"""The resampler against torchaudio and against tones whose samples are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchaudio

from lassbench import resampling
from lassbench.audio import resample

RATES = [
    (44100, 32000),
    (48000, 32000),
    (32000, 16000),
    (16000, 32000),
    (8000, 32000),
    (22050, 32000),
    (11025, 32000),
    (192000, 32000),
    (44100, 44000),
    (44000, 44100),
    (32000, 8000),
    (3, 2),
    (2, 3),
]

#: Half a step of 16 bits is 1.5e-5; the two differ by the ripple of the sampled
#: kernel (-142 dB) and by rounding to float32.
PARITY = 2e-7


def reference(x: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    return torchaudio.functional.resample(
        torch.from_numpy(x),
        from_hz,
        to_hz,
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        resampling_method="sinc_interp_kaiser",
        beta=14.769656459379492,
    ).numpy()


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("frames", [1, 2, 337, 5001])
def test_equals_torchaudio(from_hz: int, to_hz: int, frames: int) -> None:
    x = np.random.default_rng(frames).uniform(-1, 1, frames)
    expected = reference(x, from_hz, to_hz)
    ours = resample(x, from_hz, to_hz)
    assert ours.shape == expected.shape
    assert ours.dtype == np.float32
    assert np.abs(ours - expected).max() < PARITY


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44100, 32000), (48000, 32000), (16000, 32000)])
def test_equals_torchaudio_over_many_blocks(from_hz: int, to_hz: int) -> None:
    x = np.random.default_rng(0).standard_normal(150_001) * 0.2
    assert np.abs(resample(x, from_hz, to_hz) - reference(x, from_hz, to_hz)).max() < PARITY


def test_parameters_are_kaiser_best() -> None:
    # torchaudio's documentation and librosa's "kaiser_best" name these.
    assert resampling.LOWPASS_FILTER_WIDTH == 64
    assert resampling.ROLLOFF == 0.9475937167399596
    assert resampling.KAISER_BETA == 14.769656459379492


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44100, 32000), (16000, 32000), (48000, 32000)])
def test_a_tone_stays_that_tone(from_hz: int, to_hz: int) -> None:
    seconds, hz = 1.0, 1234.5
    x = np.sin(2 * np.pi * hz * np.arange(round(seconds * from_hz)) / from_hz)
    expected = np.sin(2 * np.pi * hz * np.arange(round(seconds * to_hz)) / to_hz)
    middle = slice(to_hz // 10, -to_hz // 10)
    assert np.abs(resample(x, from_hz, to_hz) - expected)[middle].max() < 1e-6


def test_what_the_new_rate_cannot_hold_is_gone() -> None:
    x = np.sin(2 * np.pi * 18000 * np.arange(44100) / 44100)
    # 18 kHz would alias to 14 kHz at 32 kHz; the stop band is below -140 dB.
    assert np.abs(resample(x, 44100, 32000)[1000:-1000]).max() < 1e-6


def test_the_same_rate_changes_nothing() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, 100).astype(np.float32)
    assert np.array_equal(resample(x, 32000, 32000), x)


def test_nothing_stays_nothing() -> None:
    assert resample(np.zeros(0, dtype=np.float32), 44100, 32000).shape == (0,)


def test_rates_without_a_common_factor() -> None:
    # torchaudio's kernel for these would take gigabytes, so the tone has to do.
    from_hz, to_hz, hz = 44099, 32000, 1000.0
    x = np.sin(2 * np.pi * hz * np.arange(from_hz) / from_hz)
    expected = np.sin(2 * np.pi * hz * np.arange(to_hz) / to_hz)
    assert np.abs(resample(x, from_hz, to_hz) - expected)[1000:-1000].max() < 1e-6


@pytest.mark.parametrize("rates", [(0, 32000), (32000, 0), (-1, 2)])
def test_rates_must_be_positive(rates: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="rates must be positive"):
        resample(np.zeros(3), *rates)
