"""Correlations over a few hundred lags, by blocked FFTs in float64.

The correlation of x and y at a lag is

    c_xy(lag) = sum over t of x[t] y[t + lag],          |lag| <= taps - 1.

One FFT over the whole signal would compute hundreds of thousands of lags to
use a thousand.  So x is cut into blocks of B samples and the sum over t is
split at the block borders; a block and its ``taps - 1`` neighbours fit an FFT
of ``size = B + taps - 1`` points (8192), which stays in the processor's cache:

* of two references, both cut into zero-padded blocks: products within a block
  come from the blocks' spectra, those across a border from the spectra of the
  border's two sides, ``tail`` (taps - 1 samples before) and ``head`` (after);
* of a reference and an estimate: the reference's zero-padded blocks against
  the estimate's blocks with the ``taps - 1`` samples that follow, so the
  estimate is transformed once and the references' spectra are reused.

Spectra are multiplied and summed over blocks, then brought back by one FFT.

Two real blocks u and v ride in one complex FFT, as u + i v: in
conj(U + iV)(X + iY) the wanted conj(U)X + conj(V)Y belongs to the real part
of the result and the unwanted cross terms to the imaginary part, which is
dropped.  That takes half the time of real FFTs here.

float32 transforms would be faster and are not usable: at high SAR they are
wrong by up to 1 dB.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from lassbench.errors import LassbenchError
from lassbench.metrics import kernels
from lassbench.metrics.kernels import Floats, Samples, Spectra
from lassbench.metrics.ratios import checked_reference

#: FFT points: the fastest of 1024 to 32768 for 10 s at 32 kHz and 512 taps.
FFT_SIZE = 8192
#: Pairs of blocks of an estimate that are transformed at a time: half a MiB,
#: which is still in the cache when it is multiplied.
_PAIRS_AT_A_TIME = 4


class Source:
    """A reference signal with what correlating it needs, computed once: 6 MB for 10 s at 32 kHz.

    Parameters
    ----------
    samples : array of shape (n,)
        The signal, in any unit; not silent.  Not copied: leave it as it is.
    taps
        Filter length of the projections it is to be used for.
    where
        What to call it in an error message.

    Raises
    ------
    LassbenchError
        If the signal is silent or no signal
        (:func:`~lassbench.metrics.ratios.checked_reference`).
    """

    def __init__(self, samples: ArrayLike, *, taps: int = 512, where: str = "reference") -> None:
        if taps < 1:
            raise LassbenchError("there must be at least one tap", where="taps", got=f"{taps}")
        self.samples = checked_reference(samples, where=where)
        self.taps = taps
        reach = self.taps - 1
        whole = _power_of_two(self.samples.size + reach)
        #: FFT points: ``FFT_SIZE``, less for a short signal, more for very many taps.
        self.size = min(whole, max(FFT_SIZE, _power_of_two(8 * reach)))
        #: Samples of the signal in one block.
        self.block = self.size - reach
        #: Blocks of the signal, the last one zero-padded.
        self.count = -(-self.samples.size // self.block)

    @cached_property
    def blocks(self) -> Spectra:
        """Spectra of the zero-padded blocks, two a row: (pairs, size)."""
        return self._spectra(0, self.block, self.count, self.size)

    @cached_property
    def borders(self) -> tuple[Spectra, Spectra]:
        """Spectra of the tails and heads at the borders between blocks, as :attr:`blocks`."""
        reach = self.taps - 1
        size = _power_of_two(2 * reach)
        tails = self._spectra(self.block - reach, reach, self.count - 1, size)
        return tails, self._spectra(self.block, reach, self.count - 1, size)

    def _spectra(self, first: int, width: int, count: int, size: int) -> Spectra:
        """Spectra of ``count`` windows, one a block."""
        starts = range(first, first + count * self.block, self.block)
        return _transform(self.samples, starts, width, size)

    @cached_property
    def autocorrelation(self) -> Floats:
        """c_xx at lags 0 to taps - 1, shape (taps,)."""
        return cross_correlation(self, self)[self.taps - 1 :]


def cross_correlation(x: Source, y: Source) -> Floats:
    """c_xy at lags -(taps - 1) to taps - 1, shape (2 * taps - 1,)."""
    reach = x.taps - 1
    within = _lags(x.blocks, y.blocks)
    lags = np.concatenate([within[within.size - reach :], within[: reach + 1]])
    if x.count > 1 and reach:
        (x_tails, x_heads), (y_tails, y_heads) = x.borders, y.borders
        # Sample i of a tail and j of the head after it are j - i + reach apart;
        # the product of their spectra knows j - i.
        lags[reach + 1 :] += _lags(x_tails, y_heads)[np.arange(1 - reach, 1)]
        lags[:reach] += _lags(x_heads, y_tails)[:reach]
    return lags


def correlate(sources: Sequence[Source], signal: Samples) -> Floats:
    """c_sx of each source s with ``signal`` x, lags 0 to taps - 1: (sources, taps).

    ``signal`` may be up to ``taps - 1`` samples longer than the sources, as a
    filtered source is.
    """
    first = sources[0]
    totals = np.zeros((len(sources), first.size), dtype=np.complex128)
    for block in range(0, first.count, 2 * _PAIRS_AT_A_TIME):
        many = min(2 * _PAIRS_AT_A_TIME, first.count - block)
        rows = slice(block // 2, block // 2 + -(-many // 2))
        starts = range(block * first.block, (block + many) * first.block, first.block)
        some = _transform(signal, starts, first.size, first.size)
        for source, total in zip(sources, totals, strict=True):
            kernels.accumulate(source.blocks[rows], some, total)
    lags: Floats = scipy.fft.ifft(totals).real[:, : first.taps]
    return lags


def convolve(signal: Samples, taps: Floats) -> Floats:
    """``signal`` filtered by ``taps``, in float64: (n + taps - 1,)."""
    size = signal.size + taps.size - 1
    points = scipy.fft.next_fast_len(size, real=True)
    spectrum = scipy.fft.rfft(signal.astype(np.float64), points) * scipy.fft.rfft(taps, points)
    filtered: Floats = scipy.fft.irfft(spectrum, points)[:size]
    return filtered


def _lags(a: Spectra, b: Spectra) -> Floats:
    """Circular correlation at lags 0, 1, ..., summed over all pairs of blocks: (size,)."""
    total = np.zeros(a.shape[1], dtype=np.complex128)
    kernels.accumulate(a, b, total)
    lags: Floats = scipy.fft.ifft(total).real
    return lags


def _transform(signal: Samples, starts: range, width: int, size: int) -> Spectra:
    """Spectra of windows of ``width`` samples, zero-padded, two a row: (pairs, size).

    ``starts`` says where they begin.  What lies behind the signal's end is zero.
    """
    rows = np.zeros((-(-len(starts) // 2), size), dtype=np.complex128)
    for number, start in enumerate(starts):
        window = signal[start : start + width]
        half = rows.imag if number % 2 else rows.real
        half[number // 2, : window.size] = window
    spectra: Spectra = scipy.fft.fft(rows, overwrite_x=True)
    return spectra


def _power_of_two(at_least: int) -> int:
    """The smallest power of two that is not less than ``at_least``."""
    return 1 << max(0, at_least - 1).bit_length()
