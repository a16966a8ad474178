"""Ratios of energies in decibels that need no filter, SNR and SI-SDR; what counts as a signal.

Both ratios take 1-D arrays of equal length in any unit, compute in float64 and return a
``float``.

Infinite values
---------------
A ratio beyond :data:`CEILING_DB` either way is returned as infinite.  A float64
computation over a million samples cannot tell such a ratio from rounding: the
same perfect estimate gets 290 dB from one library and 320 from another.  (A
16-bit file cannot exceed 98 dB, a float32 file about 150.)

A silent estimate scores minus infinity in every ratio.  For SI-SDR that is the
limit; for SNR the plain formula would say 0 dB, which is better than most
mixtures, and would reward a system for not answering.

A silent reference is an error: no ratio against it means anything.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from lassbench.errors import LassbenchError
from lassbench.metrics.kernels import Samples, product

#: Ratios beyond plus or minus this many decibels are returned as infinite.
CEILING_DB = 200.0
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


def decibels(numerator: float, denominator: float) -> float:
    """``10 log10(numerator / denominator)`` of two energies, with the ceiling applied.

    No energy above the fraction line is minus infinity, even over no energy
    below it; so the result is never nan.
    """
    if numerator <= 0.0:
        return -math.inf
    if denominator <= 0.0:
        return math.inf
    value = 10.0 * (math.log10(numerator) - math.log10(denominator))
    if abs(value) > CEILING_DB:
        return math.copysign(math.inf, value)
    return value


def snr(*, reference: ArrayLike, estimate: ArrayLike) -> float:
    """Signal-to-noise ratio in dB, which AudioSep and DCASE 2024 Task 9 call "SDR".

    ``10 log10(|s|^2 / |s - e|^2)``: no scaling and no filter, so it is not BSS
    Eval's SDR (:mod:`lassbench.metrics.bss_eval`).

    Raises
    ------
    LassbenchError
        For a silent reference, unequal lengths, NaN or infinity.
    """
    s, e = _pair(reference, estimate)
    if is_silent(e):
        return -math.inf
    return decibels(energy(s), energy(np.subtract(s, e, dtype=np.float64)))


def si_sdr(*, reference: ArrayLike, estimate: ArrayLike) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, as in AudioSep.

    ``10 log10(|a s|^2 / |e - a s|^2)`` with ``a = <e, s> / <s, s>``; means are
    not removed.  (Le Roux, Wisdom, Erdogan, Hershey: "SDR - half-baked or well
    done?", ICASSP 2019, equation 3.)

    Raises
    ------
    LassbenchError
        For a silent reference, unequal lengths, NaN or infinity.
    """
    s, e = _pair(reference, estimate)
    scaled = np.multiply(product(e, s) / energy(s), s, dtype=np.float64)
    return decibels(energy(scaled), energy(e - scaled))


def _pair(reference: ArrayLike, estimate: ArrayLike) -> tuple[Samples, Samples]:
    """Both as signals of one length; the reference is not silent."""
    s = checked_reference(reference, where="reference")
    e = checked(estimate, where="estimate")
    check_length(e, s.size, where="estimate")
    return s, e
