"""A clip as an annotator gets it: at an even level, with a picture, without a name."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lassbench import audio
from lassbench.pictures import spectrogram

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

#: The waveform's colour, one of the spectrogram's: seen on a light and on a dark page.
_WAVE = 150


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
    """Waveform above spectrogram as a PNG: time to the right, a logarithmic axis of frequency."""
    from PIL import Image

    level = spectrogram.level_db(samples, rate, "log", rows=SPECTRUM_HEIGHT)
    spectrum = spectrogram.picture(level, spectrogram.top_db(level), WIDTH, RANGE_DB)
    image = Image.new("P", (WIDTH, WAVE_HEIGHT + SPECTRUM_HEIGHT))
    image.putpalette(spectrum.getpalette() or ())
    # The two darkest colours look alike: the first is transparent, around the waveform.
    image.info["transparency"] = 0
    image.paste(spectrum.point([max(shade, 1) for shade in range(256)]), (0, WAVE_HEIGHT))
    image.paste(_WAVE, (0, 0), Image.fromarray(_waveform(samples)))
    return spectrogram.png(image)


def _waveform(samples: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(WAVE_HEIGHT, WIDTH): each column spans the least and greatest sample of its time."""
    starts = np.arange(WIDTH) * len(samples) // WIDTH
    x = samples / max(float(np.max(np.abs(samples))), 1e-9)
    low, high = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
    middle = (WAVE_HEIGHT - 1) / 2.0
    y = (middle - np.arange(WAVE_HEIGHT))[:, None] / middle
    half = 0.5 / middle
    return (y >= low[None, :] - half) & (y <= high[None, :] + half)


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
