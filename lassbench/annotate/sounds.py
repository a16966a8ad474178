"""A clip as an annotator gets it: at an even level, with a picture, without a name."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lassbench import audio

if TYPE_CHECKING:
    from lassbench.dataset import Dataset

#: Level of a clip's sounding parts, and the highest peak, relative to full scale.
LEVEL_DB, PEAK_DB = -23.0, -3.0
#: Blocks this far below the loudest do not count as sounding (seconds, dB).
BLOCK_S, GATE_DB = 0.4, -20.0
FADE_S = 0.01
#: Pixels of a picture: the waveform stands above the spectrogram.
WIDTH, WAVE_HEIGHT, SPECTRUM_HEIGHT = 960, 96, 160
#: Decibels from the spectrogram's brightest to its darkest.
RANGE_DB = 70.0
#: Clips kept encoded in memory.
KEPT = 64

#: Dark to bright; lightness rises evenly, so that it reads without colour too.
_COLOURS = ((0x10, 0x16, 0x20), (0x1F, 0x3F, 0x63), (0x1D, 0x7A, 0x85), (0x7C, 0xBF, 0x72),
            (0xFB, 0xE9, 0x9A))  # fmt: skip
#: The waveform's: seen on a light and on a dark page.
_WAVE = (0x2B, 0x8A, 0x92)


def even_level(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """The clip with its sounding parts at :data:`LEVEL_DB` and no peak above :data:`PEAK_DB`.

    The level is the root mean square of those blocks of :data:`BLOCK_S` that are
    within :data:`GATE_DB` of the loudest, so that silence around a short sound
    does not make it loud.  Both ends are faded over :data:`FADE_S`.
    """
    x = samples.astype(np.float64)
    block = max(1, round(BLOCK_S * rate))
    padded = np.pad(x, (0, -len(x) % block)).reshape(-1, block)
    power = np.mean(padded**2, axis=1)
    peak = float(np.max(np.abs(x), initial=0.0))
    if peak == 0.0:
        return samples
    sounding = power[power >= power.max() * 10.0 ** (GATE_DB / 10.0)]
    gain = min(
        10.0 ** (LEVEL_DB / 20.0) / float(np.sqrt(sounding.mean())), 10.0 ** (PEAK_DB / 20.0) / peak
    )
    fade = min(round(FADE_S * rate), len(x) // 2)
    ramp = np.arange(fade) / max(fade, 1)
    x[:fade] *= ramp
    x[len(x) - fade :] *= ramp[::-1]
    return np.asarray(x * gain, dtype=np.float32)


def picture(samples: NDArray[np.float32], rate: int) -> bytes:
    """Waveform above spectrogram as a PNG: time to the right, 0 Hz at the bottom."""
    wave = _wave_picture(samples)
    spectrum = _spectrum_picture(samples, rate)
    return png(np.concatenate([wave, spectrum], axis=0))


def _wave_picture(samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(WAVE_HEIGHT, WIDTH, 4): each column spans the least and greatest sample of its time."""
    starts = np.arange(WIDTH) * len(samples) // WIDTH
    x = samples / max(float(np.max(np.abs(samples))), 1e-9)
    low, high = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
    middle = (WAVE_HEIGHT - 1) / 2.0
    y = (middle - np.arange(WAVE_HEIGHT))[:, None] / middle
    half = 0.5 / middle
    inside = (y >= low[None, :] - half) & (y <= high[None, :] + half)
    image = np.zeros((WAVE_HEIGHT, WIDTH, 4), dtype=np.uint8)
    image[inside] = (*_WAVE, 255)
    return image


def _spectrum_picture(samples: NDArray[np.float32], rate: int) -> NDArray[np.uint8]:
    """(SPECTRUM_HEIGHT, WIDTH, 4): power in dB, frequency on the mel scale."""
    window = min(1024, max(64, 1 << (len(samples) // WIDTH).bit_length()))
    window = max(window, 512) if len(samples) >= 512 else window
    starts = np.linspace(0, max(len(samples) - window, 0), WIDTH).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(
        np.pad(samples.astype(np.float64), (0, max(window - len(samples), 0))), window
    )[starts]
    power = np.abs(np.fft.rfft(frames * np.hanning(window), axis=1)) ** 2
    mel = np.linspace(0.0, 2595.0 * np.log10(1.0 + rate / 2.0 / 700.0), SPECTRUM_HEIGHT)
    hertz = 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    bins = np.clip(np.round(hertz * window / rate).astype(int), 0, power.shape[1] - 1)
    level = 10.0 * np.log10(power[:, bins[::-1]].T + 1e-12)
    shade = np.clip((level - level.max()) / RANGE_DB + 1.0, 0.0, 1.0) * (len(_COLOURS) - 1)
    stops = np.arange(len(_COLOURS))
    image = np.full((SPECTRUM_HEIGHT, WIDTH, 4), 255, dtype=np.uint8)
    for channel in range(3):
        values = [colour[channel] for colour in _COLOURS]
        image[:, :, channel] = np.round(np.interp(shade, stops, values)).astype(np.uint8)
    return image


def png(image: NDArray[np.uint8]) -> bytes:
    """An (height, width, 4) RGBA image as a PNG file without metadata (ISO/IEC 15948)."""
    height, width, _ = image.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    lines = np.concatenate(
        [np.zeros((height, 1), dtype=np.uint8), image.reshape(height, width * 4)], axis=1
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines.tobytes(), 6))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


class Sounds:
    """The clips of a dataset as FLAC and PNG, the latest kept in memory.

    A FLAC made here holds samples and nothing else: no name, no tag.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._made = lru_cache(KEPT)(self._make)
        # One clip at a time: a shard's reader is not made for several threads.
        self._lock = Lock()

    def flac(self, clip_id: str) -> bytes:
        """The clip as 16-bit FLAC at an even level."""
        with self._lock:
            return self._made(audio.encode_flac, clip_id)

    def png(self, clip_id: str) -> bytes:
        """The clip's picture."""
        with self._lock:
            return self._made(picture, clip_id)

    def _make(self, encode: Callable[[NDArray[np.float32], int], bytes], clip_id: str) -> bytes:
        rate = self._dataset.sample_rate_hz
        return encode(even_level(self._dataset.samples(clip_id), rate), rate)
