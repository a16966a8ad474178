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

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from lassbench.errors import LassbenchError
from lassbench.metrics import backend
from lassbench.metrics.signals import as_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]
Spectra = NDArray[np.complex128]

#: FFT points: the fastest of 1024 to 32768 for 10 s at 32 kHz and 512 taps.
FFT_SIZE = 8192
#: Pairs of blocks of an estimate that are transformed at a time: half a MiB,
#: which is still in the cache when it is multiplied.
_PAIRS_AT_A_TIME = 4


class Source:
    """A reference signal with what correlating it needs, computed once.

    A target that stands in five mixtures is one ``Source`` passed to five
    :class:`~lassbench.metrics.bss_eval.References`.  About 6 MB for 10 s at
    32 kHz; pickled as its samples alone.

    Parameters
    ----------
    samples : array of shape (n,)
        The signal, in any unit; not silent.
    taps
        Filter length of the projections it is to be used for.
    where
        What to call it in an error message.

    Raises
    ------
    LassbenchError
        If the signal is silent or no signal (:func:`~lassbench.metrics.signals.as_reference`).
    """

    def __init__(self, samples: ArrayLike, *, taps: int = 512, where: str = "reference") -> None:
        if taps < 1:
            raise LassbenchError("there must be at least one tap", where="taps", got=f"{taps}")
        # A copy, since spectra are computed later than this.
        self.samples = as_reference(samples, where=where).copy()
        self.taps = taps
        self._clear()

    def _clear(self) -> None:
        self._blocks: Spectra | None = None
        self._borders: tuple[Spectra, Spectra] | None = None
        self._autocorrelation: Floats | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"samples": self.samples, "taps": self.taps}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._clear()

    @property
    def size(self) -> int:
        """FFT points: ``FFT_SIZE``, less for a short signal, more for very many taps."""
        reach = self.taps - 1
        return min(_power_of_two(self.samples.size + reach), _power_of_two(8 * reach, FFT_SIZE))

    @property
    def block(self) -> int:
        """Samples of the signal in one block."""
        return self.size - (self.taps - 1)

    @property
    def blocks(self) -> Spectra:
        """Spectra of the zero-padded blocks, two a row: (pairs, size)."""
        if self._blocks is None:
            self._blocks = _spectra(_windows(self.samples, self.block, self.block), self.size)
        return self._blocks

    @property
    def borders(self) -> tuple[Spectra, Spectra]:
        """Spectra of the (tails, heads) at the borders between blocks, two a row."""
        if self._borders is None:
            reach, block = self.taps - 1, self.block
            size = _power_of_two(2 * reach)
            count = -(-self.samples.size // block) - 1
            tails = _windows(self.samples[block - reach :], reach, block)[:count]
            heads = _windows(self.samples[block:], reach, block)[:count]
            self._borders = _spectra(tails, size), _spectra(heads, size)
        return self._borders

    @property
    def autocorrelation(self) -> Floats:
        """c_xx at lags 0 to taps - 1, shape (taps,)."""
        if self._autocorrelation is None:
            self._autocorrelation = cross_correlation(self, self)[self.taps - 1 :]
        return self._autocorrelation


def cross_correlation(x: Source, y: Source) -> Floats:
    """c_xy at lags -(taps - 1) to taps - 1, shape (2 * taps - 1,)."""
    reach = x.taps - 1
    within = _lags(x.blocks, y.blocks)
    lags = np.concatenate([within[within.size - reach :], within[: reach + 1]])
    if x.samples.size > x.block and reach:
        (x_tails, x_heads), (y_tails, y_heads) = x.borders, y.borders
        # Sample i of a tail and j of the head after it are j - i + reach apart;
        # the product of their spectra knows j - i.
        lags[reach + 1 :] += _lags(x_tails, y_heads)[np.arange(1 - reach, 1)]
        lags[:reach] += _lags(x_heads, y_tails)[:reach]
    return lags


def correlate(sources: Sequence[Source], signal: Floats) -> Floats:
    """c_sx of each source s with ``signal`` x, lags 0 to taps - 1: (sources, taps).

    ``signal`` may be up to ``taps - 1`` samples longer than the sources, as a
    filtered source is.
    """
    first = sources[0]
    windows = _windows(signal, first.size, first.block, count=2 * first.blocks.shape[0])
    totals = np.zeros((len(sources), first.size), dtype=np.complex128)
    for row in range(0, first.blocks.shape[0], _PAIRS_AT_A_TIME):
        spectra = _spectra(windows[2 * row : 2 * (row + _PAIRS_AT_A_TIME)], first.size)
        for source, total in zip(sources, totals, strict=True):
            backend.accumulate(source.blocks[row : row + _PAIRS_AT_A_TIME], spectra, total)
    lags: Floats = scipy.fft.ifft(totals).real[:, : first.taps]
    return lags


def _lags(a: Spectra, b: Spectra) -> Floats:
    """Circular correlation at lags 0, 1, ..., summed over all pairs of blocks: (size,)."""
    total = np.zeros(a.shape[1], dtype=np.complex128)
    backend.accumulate(a, b, total)
    lags: Floats = scipy.fft.ifft(total).real
    return lags


def _windows(signal: Floats, width: int, step: int, *, count: int | None = None) -> Floats:
    """``count`` windows of the zero-padded signal (default: all that start in it): (count, width)."""
    if count is None:
        count = max(0, -(-signal.size // step))
    needed = (count - 1) * step + width
    padded = np.zeros(max(needed, width))
    padded[: min(signal.size, padded.size)] = signal[: padded.size]
    return sliding_window_view(padded, width)[::step][:count]


def _spectra(windows: Floats, size: int) -> Spectra:
    """Spectra of ``windows`` zero-padded to ``size``, windows 2k and 2k+1 in row k as u + i v."""
    count, width = windows.shape
    packed = np.zeros((-(-count // 2), size), dtype=np.complex128)
    packed.real[:, :width] = windows[0::2]
    packed.imag[: count // 2, :width] = windows[1::2]
    spectra: Spectra = scipy.fft.fft(packed, overwrite_x=True)
    return spectra


def _power_of_two(at_least: int, minimum: int = 1) -> int:
    """The smallest power of two that is neither less than ``at_least`` nor than ``minimum``."""
    return max(minimum, 1 << max(0, at_least - 1).bit_length())
