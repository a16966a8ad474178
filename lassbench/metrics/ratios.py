"""Ratios of energies in decibels that need no filter: SNR and SI-SDR.

All functions take 1-D arrays of equal length in any unit, compute in float64
and return a ``float``.

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

from lassbench.metrics.backend import product
from lassbench.metrics.signals import (
    Samples,
    check_length,
    checked,
    checked_reference,
    energy,
    is_silent,
)

#: Ratios beyond plus or minus this many decibels are returned as infinite.
CEILING_DB = 200.0


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
