"""What every metric asks of its input, and energies."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassbench.errors import LassbenchError

Floats = NDArray[np.float64]

#: Energies outside this range are lost to float64's own: below it a signal
#: counts as silent, above it the signal is refused.
SMALLEST_ENERGY, LARGEST_ENERGY = 1e-250, 1e250
#: Samples whose squares are summed before the sums are summed.
_ROW = 1024


def as_signal(samples: ArrayLike, *, where: str) -> Floats:
    """``samples`` as a contiguous float64 array of shape (n,), n >= 1, of finite numbers.

    Raises
    ------
    LassbenchError
        For another shape or type, no samples, NaN, infinity, or values whose
        energy leaves float64's range.
    """
    given = np.asarray(samples)
    if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "fiub":
        raise LassbenchError(
            "this is not a mono signal",
            where=where,
            expected="real numbers in an array of shape (samples,), at least one",
            got=f"{given.dtype} of shape {given.shape}",
            fix="pass one channel at a time",
        )
    signal = np.ascontiguousarray(given, dtype=np.float64)
    if not energy(signal) <= LARGEST_ENERGY:
        bad = np.flatnonzero(~np.isfinite(signal))
        raise LassbenchError(
            "the signal has samples that no metric is defined for",
            where=where,
            expected="finite numbers",
            got=f"{signal[bad[0]]} at sample {bad[0]}, {bad.size} such samples in all"
            if bad.size
            else f"samples up to {np.abs(signal).max():.3g}",
            fix="look for a division by zero or an overflow in the system",
        )
    return signal


def as_reference(samples: ArrayLike, *, where: str) -> Floats:
    """A signal (see :func:`as_signal`) that is not silent.

    Raises
    ------
    LassbenchError
        As :func:`as_signal`, and for silence.
    """
    signal = as_signal(samples, where=where)
    if energy(signal) < SMALLEST_ENERGY:
        raise LassbenchError(
            "the reference is silent, so nothing can be measured against it",
            where=where,
            expected="at least one sample that is not zero",
            got=f"{signal.size} samples of silence",
            fix="repair the reference, or leave its queries out",
        )
    return signal


def check_length(signal: Floats, samples: int, *, where: str) -> None:
    """Raise ``LassbenchError`` unless ``signal`` is ``samples`` long."""
    if signal.size != samples:
        raise LassbenchError(
            "the signals to compare differ in length",
            where=where,
            expected=f"{samples} samples, as the target reference has",
            got=f"{signal.size} samples",
            fix="cut or pad the output to the length of its mixture",
        )


def energy(signal: Floats) -> float:
    """Sum of squares.

    Summed by rows, which keeps rounding near 1e-16, and without BLAS, whose
    digits depend on its number of threads.
    """
    whole = signal.size // _ROW * _ROW
    rows, rest = signal[:whole].reshape(-1, _ROW), signal[whole:]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return float(np.einsum("ij,ij->i", rows, rows).sum() + np.einsum("i,i->", rest, rest))


def product(x: Floats, y: Floats) -> float:
    """Sum of ``x * y``, summed as :func:`energy` does."""
    whole = x.size // _ROW * _ROW
    rows = np.einsum("ij,ij->i", x[:whole].reshape(-1, _ROW), y[:whole].reshape(-1, _ROW))
    return float(rows.sum() + np.einsum("i,i->", x[whole:], y[whole:]))
