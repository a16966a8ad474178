"""What every metric asks of its input, and energies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassbench.errors import LassbenchError
from lassbench.metrics.backend import product

#: float32 or float64, shape (n,).
Samples = NDArray[np.floating[Any]]

#: Peaks outside this range leave float64's own when squared: below it a signal
#: counts as silent, above it the signal is refused.
SMALLEST, LARGEST = 1e-120, 1e120
#: The energy of a signal that counts as silent is below this.
SMALLEST_ENERGY = SMALLEST**2


class SilentReference(LassbenchError):
    """A reference is silent (``where`` says which): no estimate can be scored against it."""


def checked(samples: ArrayLike, *, where: str) -> Samples:
    """``samples`` as a contiguous array of shape (n,), n >= 1, of finite numbers.

    float32 stays float32, which saves memory and loses nothing (every sum over
    samples here is one of float64); anything else becomes float64.  The
    array is the given one where that is possible.

    Raises
    ------
    LassbenchError
        For another shape or type, no samples, NaN, infinity, or numbers beyond
        :data:`LARGEST`.
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
    if not peak(signal) <= LARGEST:
        bad = np.flatnonzero(~(np.abs(signal) <= LARGEST))
        raise LassbenchError(
            "the signal has samples that no metric is defined for",
            where=where,
            expected="finite numbers whose squares can be summed",
            got=f"{signal[bad[0]]} at sample {bad[0]}, {bad.size} such samples in all",
            fix="look for a division by zero or an overflow in the system",
        )
    return signal


def checked_reference(samples: ArrayLike, *, where: str) -> Samples:
    """As :func:`checked`, of a signal that must not be silent.

    Raises
    ------
    LassbenchError
        As :func:`checked`.
    SilentReference
        For silence.
    """
    signal = checked(samples, where=where)
    if is_silent(signal):
        raise SilentReference(
            "the reference is silent, so nothing can be measured against it",
            where=where,
            expected="at least one sample that is not zero",
            got=f"{signal.size} samples of silence",
            fix="repair the reference, or leave its queries out",
        )
    return signal


def peak(signal: Samples) -> float:
    """The largest absolute sample; nan where there is one."""
    return max(float(signal.max()), -float(signal.min()))


def is_silent(signal: Samples) -> bool:
    """Whether no sample differs from zero (by more than float64 can square)."""
    return peak(signal) < SMALLEST


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
