r"""From one mixture's references and any number of estimates to numbers.

With target :math:`s`, interference :math:`n`, mixture :math:`x` and estimate
:math:`e`, BSS Eval comes from :mod:`lassbench.metrics.bss_eval`.  The other
ratios need three inner products only:

.. math::
    \text{SNR} = 10 \log_{10} \frac{|s|^2}{|s|^2 - 2 \langle e,s \rangle + |e|^2}
    \qquad
    \text{SI-SDR} = 10 \log_{10} \frac{\langle e,s \rangle^2 / |s|^2}
                                      {|e|^2 - \langle e,s \rangle^2 / |s|^2}

Where a denominator is less than a millionth of what it is subtracted from
(above 60 dB) it has lost digits, and :mod:`lassbench.metrics.ratios` computes
the ratio from the signals.

The *wrong source* was extracted when the estimate's direction is not nearer to
the target's than to the interference's:
:math:`|\langle e,s \rangle| / |s| \le |\langle e,n \rangle| / |n|`, that is, when
its SI-SDR against the target is not above that against the interference.

The references are the float32 samples whose hashes the suite froze, the same
that `lassbench freeze --references` exports, so that mir_eval on those files
gives these numbers to 1e-6 dB where the references are well conditioned
(:mod:`lassbench.metrics.bss_eval`, "How exact").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lassbench.metrics.bss_eval import BssEval, References
from lassbench.metrics.kernels import product
from lassbench.metrics.ratios import SMALLEST_ENERGY, decibels, energy, si_sdr, snr
from lassbench.metrics.spectral import SpectralReference

Samples = NDArray[np.float32]

#: A difference smaller than this share of its terms is computed anew.
_TOO_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured on one estimate, before the score policy is applied.

    ``values`` are by metric name: ``sdr sir sar si_sdr snr`` in dB, the spectral ones if
    they were asked for, and the ``_mixture`` ones (none without references);
    ``level_db`` is the estimate's energy over the mixture's, ``-inf`` for silence.
    """

    values: dict[str, float]
    level_db: float
    wrong_source: bool

    @property
    def silent(self) -> bool:
        """Whether every sample of the estimate is zero."""
        return self.level_db == -math.inf


class Judge:
    """One mixture, ready to judge estimates.

    Parameters
    ----------
    mixture
        float32 of shape (samples,).
    sources
        Target and interference, likewise.  Without them, where the sound is absent or
        nobody has them, an estimate's level is all that is measured.
    spectral
        Measure the distances of magnitudes too (:mod:`lassbench.metrics.spectral`).

    Raises
    ------
    SilentReference
        If target or interference is silent.
    """

    def __init__(
        self,
        mixture: Samples,
        sources: tuple[Samples, Samples] | None = None,
        *,
        spectral: bool = False,
    ) -> None:
        self._mixture = mixture
        self._mixture_energy = energy(mixture)
        self._references: References | None = None
        self._of_mixture: dict[str, float] = {}
        if sources is not None:
            self._sources = s, n = sources
            self._energies = energy(s), energy(n)
            self._references = References(target=s, interference=n)
            self._magnitudes = SpectralReference(s) if spectral else None
            self._untouched = self._references.mixture()
            of_mixture = self._verdict(mixture, self._untouched).values
            # SAR is left out: the mixture has none (FACTS section 3).
            del of_mixture["sar"]
            self._of_mixture = {f"{name}_mixture": value for name, value in of_mixture.items()}

    def verdicts(self, estimates: Sequence[Samples]) -> list[Verdict]:
        """Judge float32 estimates of shape (samples,)."""
        if self._references is None:
            return [Verdict({}, self._level_db(energy(one)), False) for one in estimates]
        # Of the mixture returned untouched the BSS Eval is known.
        same = [np.array_equal(one, self._mixture) for one in estimates]
        others = (one for one, known in zip(estimates, same, strict=True) if not known)
        scored = iter(self._references.score_many(others))
        return [
            self._verdict(one, self._untouched if known else next(scored))
            for one, known in zip(estimates, same, strict=True)
        ]

    def _level_db(self, power: float) -> float:
        if power < SMALLEST_ENERGY:
            return -math.inf
        if self._mixture_energy < SMALLEST_ENERGY:
            return math.inf
        return 10.0 * math.log10(power / self._mixture_energy)

    def _verdict(self, e: Samples, bss: BssEval) -> Verdict:
        """The verdict on an estimate whose BSS Eval is ``bss``."""
        s, n = self._sources
        target, interference = self._energies
        power, with_target, with_interference = energy(e), product(e, s), product(e, n)
        # |<e,s>| / |s| against |<e,n>| / |n|, without dividing.
        nearness = abs(with_target) * math.sqrt(interference)
        nearer_target = nearness > abs(with_interference) * math.sqrt(target)
        values = {
            "sdr": bss.sdr,
            "sir": bss.sir,
            "sar": bss.sar,
            "si_sdr": _si_sdr(s, target, e, power, with_target),
            "snr": _snr(s, target, e, power, with_target),
            **self._of_mixture,
        }
        if self._magnitudes is not None:
            distances = self._magnitudes.distances(e)
            values |= {"mrstft": distances.mrstft, "lsd": distances.lsd_db}
        return Verdict(values, self._level_db(power), not nearer_target)


def _snr(s: Samples, target: float, e: Samples, power: float, inner: float) -> float:
    rest = target - 2.0 * inner + power
    if power < SMALLEST_ENERGY or rest < _TOO_CLOSE * max(target, power):
        return snr(reference=s, estimate=e)
    return decibels(target, rest)


def _si_sdr(s: Samples, target: float, e: Samples, power: float, inner: float) -> float:
    explained = inner * inner / target
    rest = power - explained
    if power < SMALLEST_ENERGY or rest < _TOO_CLOSE * power:
        return si_sdr(reference=s, estimate=e)
    return decibels(explained, rest)
