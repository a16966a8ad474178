"""Spectrograms: levels in dB with a linear or a logarithmic frequency axis, and their picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

#: Samples of a frame, samples from one frame to the next, and a frame's frequencies.
FRAME, HOP, BINS = 1024, 256, 513
#: Where a logarithmic axis begins, in Hz, unless the first bin is higher.
LOWEST_HZ = 50.0
#: Decibels from a picture's brightest to its darkest.
RANGE_DB = 80.0

Axis = Literal["linear", "log"]


def span_hz(rate: int, axis: Axis) -> tuple[float, float]:
    """The lower edge of the lowest row and the upper edge of the highest, in Hz.

    A linear axis reaches half a bin below 0 Hz and above ``rate / 2``, so that each
    of :data:`BINS` rows is one bin; a logarithmic one ends at ``rate / 2``.
    """
    width = rate / FRAME
    if axis == "linear":
        return -width / 2, (rate + width) / 2
    return max(LOWEST_HZ, width), rate / 2


def level_db(
    samples: NDArray[np.float32], rate: int, axis: Axis = "linear", rows: int = BINS
) -> NDArray[np.float64]:
    """Level over frequency and time, in dB relative to a full-scale sine (dBFS).

    For the frame ``t`` around the middle of samples ``HOP t`` to ``HOP (t + 1)``,
    and the bins ``k`` that fall into row ``r``, with a Hann window ``w``::

        X[k, t] = sum_n w[n] x[n + HOP t - (FRAME - HOP) / 2] exp(-2 pi i k n / FRAME)
        level[r, t] = 10 log10(mean_k |X[k, t]|^2 / (sum_n w[n] / 2)^2)

    0 dB is a sine of amplitude 1 in the middle of a bin that is a row.  A bin that is
    partly in a row counts with that part; a row narrower than a bin interpolates the
    power of the two nearest.  Nothing is below -200 dB, which is silence.

    Parameters
    ----------
    samples
        Shape (n,), of any length; zeros stand before and after.
    rows
        Rows of equal width in Hz (linear: by default the bins), or in octaves.

    Returns
    -------
    array of float64, shape (rows, max(1, ceil(n / HOP)))
        The lowest frequency first.
    """
    padded = np.pad(samples.astype(np.float64), ((FRAME - HOP) // 2, FRAME))
    window = np.hanning(FRAME + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[: max(samples.size, 1) : HOP]
    power = (np.abs(np.fft.rfft(frames * window)) / (window.sum() / 2)) ** 2
    spaced = np.linspace if axis == "linear" else np.geomspace
    edges = spaced(*span_hz(rate, axis), rows + 1)[:, None] * FRAME / rate
    # A row at least as wide as a bin: its overlap with the bins around its middle is
    # then what linear interpolation weighs them with.
    middle, half = (edges[1:] + edges[:-1]) / 2, np.maximum(np.diff(edges, axis=0), 1.0) / 2
    share = np.clip(half + 0.5 - np.abs(middle - np.arange(BINS)), 0.0, 1.0)
    mean = (share / share.sum(axis=1, keepdims=True)) @ power.T
    return np.asarray(10.0 * np.log10(np.maximum(mean, 1e-20)))


def top_db(level: NDArray[np.float64]) -> float:
    """The highest level, but at least -120 dB: below that all is silence, and dark."""
    return max(float(level.max()), -120.0)


def picture(
    level: NDArray[np.float64], top: float, width: int, range_db: float = RANGE_DB
) -> Image:
    """``level`` from ``top`` dB (brightest) down to ``range_db`` below it, as 256 colours.

    Returns
    -------
    PIL.Image.Image
        ``width`` pixels wide, a pixel a row of ``level`` high, the lowest frequency at
        the bottom; mode "P" (matplotlib's magma).
    """
    from matplotlib import colormaps
    from PIL import Image

    shade = np.clip((level[::-1] - top) / range_db + 1.0, 0.0, 1.0)
    image = Image.fromarray(np.round(255 * shade).astype(np.uint8))
    image = image.resize((width, image.height), Image.Resampling.BILINEAR)
    image.putpalette(colormaps["magma"](np.arange(256), bytes=True)[:, :3].tobytes())
    return image


def png(image: Image) -> bytes:
    """The image as a PNG file without metadata."""
    memory = io.BytesIO()
    image.save(memory, format="PNG", optimize=True)
    return memory.getvalue()
