"""The one resampler: a Kaiser-windowed sinc, computed through the FFT.

Equal to ``torchaudio.functional.resample`` with ``kaiser_best``'s parameters (a
test holds the two together), without torch, and with one multiplication a bin
in place of 187 a sample.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

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

#: Samples a block has at least, and blocks that are transformed together: their
#: spectra stay in the processor's cache, and a recording of an hour needs no
#: more memory than one of ten seconds.
_LEAST_BLOCK = 5120
_BLOCKS_AT_ONCE = 8


@dataclass(frozen=True)
class _Plan:
    """How a signal is cut for one ratio: in units of ``orig`` samples in, ``new`` out.

    Blocks of ``size_in`` samples give ``size_out`` each, of which ``hop_out``
    beginning at ``valid`` are not touched by the cut (overlap-save).  ``gains``
    has the filter's gain of bins 0 ... B, twice each, for real and imaginary part;
    ``gains_below`` that of bins -B ... -1.
    """

    orig: int
    new: int
    size_in: int
    size_out: int
    hop_in: int
    hop_out: int
    valid: int
    gains: NDArray[np.float64]
    gains_below: NDArray[np.float64]


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
    plan = _plan(from_hz // common, to_hz // common)
    # Zeros before the signal, a whole number of `orig`, keep the two grids in step.
    lead = -(-_reach(plan.orig, plan.new) // plan.orig)
    first = lead * plan.new - plan.valid
    length = -(-x.size * plan.new // plan.orig)
    blocks = -(-(first + length) // plan.hop_out)
    y = np.empty((blocks, plan.hop_out), dtype=np.float32)
    for start in range(0, blocks, _BLOCKS_AT_ONCE):
        rows = y[start : start + _BLOCKS_AT_ONCE]
        pairs = np.empty((-(-len(rows) // 2), plan.size_in), dtype=np.complex128)
        for number in range(2 * len(pairs)):
            part = pairs.imag if number % 2 else pairs.real
            begin = (start + number) * plan.hop_in - lead * plan.orig
            _take(x, begin, part[number // 2])
        filtered = _filter(pairs, plan)[:, plan.valid : plan.valid + plan.hop_out]
        rows[0::2] = filtered.real
        rows[1::2] = filtered.imag[: len(rows) // 2]
    return y.reshape(-1)[first : first + length]


def _take(x: NDArray[np.floating], begin: int, block: NDArray[np.float64]) -> None:
    """Fill ``block`` with ``x`` from ``begin`` on; before and after ``x`` there is silence."""
    start, stop = max(begin, 0), min(begin + block.size, x.size)
    if stop <= start:
        block[:] = 0.0
        return
    block[: start - begin] = 0.0
    block[start - begin : stop - begin] = x[start:stop]
    block[stop - begin :] = 0.0


@functools.lru_cache(maxsize=16)
def _plan(orig: int, new: int) -> _Plan:
    reach = _reach(orig, new)
    overlap = -(-(2 * reach + 1) // orig)
    least = max(_LEAST_BLOCK, 6 * overlap * orig)
    units = int(fft.next_fast_len(-(-least // orig), real=True))
    gains = np.repeat(_response(orig, new, units * orig), 2)
    return _Plan(
        orig=orig,
        new=new,
        size_in=units * orig,
        size_out=units * new,
        hop_in=(units - overlap) * orig,
        hop_out=(units - overlap) * new,
        valid=-(-reach * new // orig),
        gains=gains,
        gains_below=np.ascontiguousarray(gains[:1:-1]),
    )


def _filter(pairs: NDArray[np.complex128], plan: _Plan) -> NDArray[np.complex128]:
    """Each row of ``(n, size_in)`` filtered and at the new rate: ``(n, size_out)``.

    A row is two blocks of the signal, the second as the imaginary part: the
    filter is real and even, so it keeps them apart, and the sizes that 44.1 kHz
    asks for hold a factor 49, which complex transforms are quicker at.
    Overwrites ``pairs``.
    """
    spectra = fft.fft(pairs, axis=-1, overwrite_x=True)
    # Bins -B ... B at both rates: beyond half the old rate the spectrum repeats
    # itself, beyond half the new one it is aliased back, as sampling does.  The
    # gains are real, so they multiply real and imaginary parts as they lie.
    gains = plan.gains
    beyond = gains.size - 2
    parts = spectra.view(np.float64)
    resampled = np.zeros((len(parts), 2 * plan.size_out))
    np.multiply(parts[:, : gains.size], gains, out=resampled[:, : gains.size])
    below = parts[:, -beyond:]
    below *= plan.gains_below
    resampled[:, -beyond:] += below
    both = resampled.view(np.complex128)
    return np.asarray(fft.ifft(both, axis=-1, overwrite_x=True))


def _reach(orig: int, new: int) -> int:
    """Half the filter's length in input samples."""
    return math.ceil(LOWPASS_FILTER_WIDTH * orig / (min(orig, new) * ROLLOFF))


def _response(orig: int, new: int, size: int) -> NDArray[np.float64]:
    """The filter's gain at the bins of a ``size``-point FFT, up to its stop band.

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
