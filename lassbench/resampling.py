"""The one resampler: a Kaiser-windowed sinc, computed through the FFT.

Equal to ``torchaudio.functional.resample`` with ``kaiser_best``'s parameters (a
test holds the two together), without torch, and with one multiplication a bin
in place of 187 a sample.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

# torchaudio's "kaiser_best": librosa's and resampy's filter of that name.
LOWPASS_FILTER_WIDTH = 64
ROLLOFF = 0.9475937167399596
KAISER_BETA = 14.769656459379492

#: The filter's response beyond this share of the smaller rate is below -140 dB.
#: (Its cut-off lies at ROLLOFF / 2 = 0.474, and a Kaiser window of this length
#: and beta has a transition of (142 - 8) / (14.36 * 128) = 0.073 ROLLOFF.)
_STOP_BAND = 0.52


def resample(x: NDArray[np.floating], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Resample ``x`` with a Kaiser-windowed sinc.

    float64 inside, so that the rounding of one machine's FFT does not reach a
    16-bit result.

    Parameters
    ----------
    x
        ``(frames,)`` samples at ``from_hz``.
    from_hz, to_hz
        Rates in Hz, positive.

    Returns
    -------
    ``(ceil(frames * to_hz / from_hz),)`` float32.
    """
    if from_hz < 1 or to_hz < 1:
        raise ValueError(f"rates must be positive, got {from_hz} and {to_hz}")
    if from_hz == to_hz or x.size == 0:
        return np.asarray(x, dtype=np.float32)
    common = math.gcd(from_hz, to_hz)
    orig, new = from_hz // common, to_hz // common
    length = -(-x.size * new // orig)
    # The input is padded so that the filter cannot reach round the end, to a
    # whole number of blocks: `orig` samples in are exactly `new` samples out.
    blocks = int(fft.next_fast_len(-(-(x.size + _reach(orig, new) + 1) // orig), real=True))
    size_in, size_out = blocks * orig, blocks * new
    response = _response(orig, new, size_in)
    spectrum = fft.rfft(np.asarray(x, dtype=np.float64), size_in)
    shaped = _images(spectrum, size_in, len(response)) * response
    y = fft.irfft(_fold(shaped, size_out), size_out)[:length]
    return np.asarray(y, dtype=np.float32)


def _reach(orig: int, new: int) -> int:
    """Half the filter's length in input samples."""
    return math.ceil(LOWPASS_FILTER_WIDTH * orig / (min(orig, new) * ROLLOFF))


@functools.lru_cache(maxsize=16)
def _response(orig: int, new: int, size: int) -> NDArray[np.float64]:
    """The filter at the bins of a ``size``-point FFT, up to its stop band.

    The kernel is sampled at twice the input's rate, so that its response there
    is its own and not that of its images.
    """
    base = min(orig, new) * ROLLOFF
    reach = 2 * _reach(orig, new)
    time = np.arange(-reach, reach + 1) / (2 * orig) * base
    time = np.clip(time, -LOWPASS_FILTER_WIDTH, LOWPASS_FILTER_WIDTH)
    window = special.i0(KAISER_BETA * np.sqrt(1 - (time / LOWPASS_FILTER_WIDTH) ** 2))
    kernel = np.sinc(time) * window / special.i0(KAISER_BETA) * base / (2 * orig)
    around_zero = np.zeros(2 * size)
    # Added, not assigned: round a very short transform the two halves overlap.
    around_zero[: reach + 1] += kernel[reach:]
    around_zero[-reach:] += kernel[:reach]
    bins = math.ceil(_STOP_BAND * min(orig, new) / orig * size) + 1
    # The gain new/orig makes up for the lengths of the two transforms.
    response = fft.rfft(around_zero)[:bins].real * (new / orig)
    response.setflags(write=False)
    return response


def _images(spectrum: NDArray[np.complex128], size: int, bins: int) -> NDArray[np.complex128]:
    """The first ``bins`` bins of a real signal's spectrum, also beyond half its rate."""
    if bins <= len(spectrum):
        return spectrum[:bins]
    beyond = np.arange(len(spectrum), bins)
    return np.concatenate([spectrum, spectrum[size - beyond].conj()])


def _fold(spectrum: NDArray[np.complex128], size: int) -> NDArray[np.complex128]:
    """The half spectrum of a ``size``-sample signal: what lies beyond it is aliased back."""
    bins = size // 2 + 1
    folded = np.zeros(bins, dtype=np.complex128)
    folded[: len(spectrum)] = spectrum[:bins]
    beyond = np.arange((size + 1) // 2, len(spectrum))
    folded[size - beyond] += spectrum[beyond].conj()
    return folded
