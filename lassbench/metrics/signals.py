"""What every metric asks of its input, and energies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassbench.errors import LassbenchError

#: float32 or float64, shape (n,).
Samples = NDArray[np.floating[Any]]

#: Energies outside this range are lost to float64's own: below it a signal
#: counts as silent, above it the signal is refused.
SMALLEST_ENERGY, LARGEST_ENERGY = 1e-250, 1e250
#: Samples whose squares are summed before the sums are summed.
_ROW = 1024


def measured(samples: ArrayLike, *, where: str) -> tuple[Samples, float]:
    """``samples`` as a contiguous array of shape (n,), n >= 1, and its energy.

    float32 stays float32, which saves memory and loses nothing (every sum over
    samples here is one of float64); anything else becomes float64.  The
    array is the given one where that is possible.

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
    kept = np.float32 if given.dtype == np.float32 else np.float64
    signal: Samples = np.ascontiguousarray(given, dtype=kept)
    power = energy(signal)
    if not power <= LARGEST_ENERGY:
        bad = np.flatnonzero(~np.isfinite(signal))
        raise LassbenchError(
            "the signal has samples that no metric is defined for",
            where=where,
            expected="finite numbers whose squares can be summed",
            got=f"{signal[bad[0]]} at sample {bad[0]}, {bad.size} such samples in all"
            if bad.size
            else f"samples up to {np.abs(signal).max():.3g}",
            fix="look for a division by zero or an overflow in the system",
        )
    return signal, power


def measured_reference(samples: ArrayLike, *, where: str) -> tuple[Samples, float]:
    """As :func:`measured`, of a signal that must not be silent.

    Raises
    ------
    LassbenchError
        As :func:`measured`, and for silence.
    """
    signal, power = measured(samples, where=where)
    if power < SMALLEST_ENERGY:
        raise LassbenchError(
            "the reference is silent, so nothing can be measured against it",
            where=where,
            expected="at least one sample that is not zero",
            got=f"{signal.size} samples of silence",
            fix="repair the reference, or leave its queries out",
        )
    return signal, power


def check_length(signal: Samples, samples: int, *, where: str) -> None:
    """Raise ``LassbenchError`` unless ``signal`` is ``samples`` long."""
    if signal.size != samples:
        raise LassbenchError(
            "the signals to compare differ in length",
            where=where,
            expected=f"{samples} samples, as the target reference has",
            got=f"{signal.size} samples",
            fix="cut or pad the output to the length of its mixture",
        )


def energy(signal: Samples) -> float:
    """Sum of squares, in float64."""
    return product(signal, signal)


def product(x: Samples, y: Samples) -> float:
    """Sum of ``x * y`` in float64, shapes (n,).

    Summed by rows, which keeps rounding near 1e-16, and without BLAS, whose
    digits depend on its number of threads.
    """
    whole = x.size // _ROW * _ROW
    rows, rest = (x[:whole].reshape(-1, _ROW), y[:whole].reshape(-1, _ROW)), (x[whole:], y[whole:])
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        sums = np.einsum("ij,ij->i", *rows, dtype=np.float64)
        return float(sums.sum() + np.einsum("i,i->", *rest, dtype=np.float64))
