"""Levels against closed forms and scipy; a tone on its row; the same picture every time."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from lassbench.pictures.spectrogram import (
    BINS,
    FRAME,
    HOP,
    Axis,
    level_db,
    picture,
    png,
    top_db,
)

AXES: tuple[Axis, ...] = ("linear", "log")


def tone(hertz: float, rate: int, samples: int = 8 * FRAME) -> np.ndarray:
    return np.sin(2 * np.pi * hertz / rate * np.arange(samples)).astype(np.float32)


def row_of(hertz: float, rate: int, axis: Axis, rows: int) -> int:
    """The row that holds a frequency: by equal Hz, or by equal octaves from 50 Hz on."""
    width = rate / 1024
    if axis == "linear":
        return int(rows * (hertz + width / 2) / (rate / 2 + width))
    lowest = max(50.0, width)
    return int(rows * np.log2(hertz / lowest) / np.log2(rate / 2 / lowest))


def test_the_bins_are_scipys() -> None:
    noise = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    transform = ShortTimeFFT(hann(1024, sym=False), hop=256, fs=1.0)
    # scipy's frames are around a hop's beginning, ours around its middle.
    moved = np.concatenate([np.zeros(128), noise])
    expected = np.abs(transform.stft(moved, p0=1, p1=1 + 40)) / 256
    np.testing.assert_allclose(level_db(noise, 8000), 20 * np.log10(expected), atol=1e-6)


@pytest.mark.parametrize("amplitude", [1.0, 0.01])
def test_a_full_scale_sine_is_0_db(amplitude: float) -> None:
    level = level_db(np.float32(amplitude) * tone(100 * 16000 / FRAME, 16000), 16000)
    assert level.shape == (BINS, 32)
    inner = level[:, 2:-2]
    assert (inner.argmax(axis=0) == 100).all()
    np.testing.assert_allclose(inner[100], 20 * np.log10(amplitude), atol=1e-4)
    # A Hann window's neighbours are at half the amplitude.
    np.testing.assert_allclose(inner[99], 20 * np.log10(amplitude / 2), atol=1e-4)


@pytest.mark.parametrize("rows", [1, 110, 256, 400])
def test_wide_rows_hold_all_of_the_power_once(rows: int) -> None:
    noise = np.random.default_rng(1).standard_normal(5000).astype(np.float32)
    in_rows, in_bins = (10 ** (level_db(noise, 8000, rows=n) / 10) for n in (rows, BINS))
    np.testing.assert_allclose(in_rows.mean(axis=0), in_bins.mean(axis=0))


def test_narrow_rows_interpolate_the_power_of_the_bins() -> None:
    noise = np.random.default_rng(2).standard_normal(5000).astype(np.float32)
    found, in_bins = (10 ** (level_db(noise, 8000, *how) / 10) for how in (("log", 300), ()))
    edges = np.geomspace(50, 4000, 301) * FRAME / 8000
    narrow = np.flatnonzero(np.diff(edges) < 1)
    assert narrow.size > 100
    middle = (edges[1:] + edges[:-1])[narrow] / 2
    for frame in range(found.shape[1]):
        expected = np.interp(middle, np.arange(BINS), in_bins[:, frame])
        np.testing.assert_allclose(found[narrow, frame], expected)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("rate", [8000, 16000, 32000, 44100, 96000])
@pytest.mark.parametrize("rows", [110, 160, 513])
def test_a_tone_lands_on_its_row(axis: Axis, rate: int, rows: int) -> None:
    level = level_db(tone(440, rate), rate, axis, rows)
    brightest = int(level[:, 16].argmax())
    # The spectrum has a value every rate / 1024: the tone is seen at the nearest.
    low, high = (row_of(440 + side * rate / FRAME / 2, rate, axis, rows) for side in (-1, 1))
    assert low <= brightest <= high


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("samples", [0, 1, 100, 256, 257, 1023, 1024])
def test_silence_and_short_signals(axis: Axis, samples: int) -> None:
    frames = max(1, -(-samples // HOP))
    silent = level_db(np.zeros(samples, np.float32), 8000, axis, 90)
    assert silent.shape == (90, frames)
    assert (silent == -200).all()
    assert np.asarray(picture(silent, top_db(silent), 50)).max() == 0
    if samples:
        heard = level_db(tone(1000, 8000, samples) + 1, 8000, axis, 90)
        assert np.isfinite(heard).all()
        assert heard.max() > -60


@pytest.mark.parametrize("axis", AXES)
def test_a_picture_has_high_tones_above_and_the_same_bytes(axis: Axis) -> None:
    rate, height = 8000, 120
    level, again = (level_db(tone(440, rate), rate, axis, height) for _ in range(2))
    data = png(picture(level, top_db(level), 300))
    assert data == png(picture(again, top_db(again), 300))
    image = Image.open(io.BytesIO(data))
    assert image.size == (300, height)
    assert image.info == {}
    bright = np.asarray(image.convert("RGB")).astype(int).sum(axis=2)[:, 150]
    expected = height - 1 - row_of(440, rate, axis, height)
    assert bright.argmax() == pytest.approx(expected, abs=1)


def test_colours_are_magmas_from_the_top_down() -> None:
    level = np.array([[10.0], [-30.0], [-70.0], [-90.0]])
    image = np.asarray(picture(level, 10.0, 1).convert("RGB"))[::-1, 0]
    magma = colormaps["magma"]([255, 128, 0, 0], bytes=True)[:, :3]
    np.testing.assert_array_equal(image, magma)
    image = np.asarray(picture(level, -30.0, 1, range_db=40.0).convert("RGB"))[::-1, 0]
    np.testing.assert_array_equal(image, colormaps["magma"]([255, 255, 0, 0], bytes=True)[:, :3])
