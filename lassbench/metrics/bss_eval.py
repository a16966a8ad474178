"""BSS Eval v3 ("sources", 512 taps): SDR, SIR and SAR of one estimate.

The measures are those of E. Vincent, R. Gribonval, C. Fevotte: "Performance
measurement in blind audio source separation", IEEE Trans. Audio, Speech and
Language Processing 14(4), 2006, with the time-invariant filters of BSS Eval 3,
as ``mir_eval.separation.bss_eval_sources(..., compute_permutation=False)``
computes them.

The equations, term by term
---------------------------
::

    s1, s2      target and interference, n samples; e the estimate
    s^k         s delayed by k samples: s^k[t] = s[t - k]; all signals are
                zero outside their n samples, so nothing is lost at the ends
    V1          the target's delays s1^0 ... s1^(L-1), L = 512 taps
    V           V1 and the interference's delays s2^0 ... s2^(L-1)
    P1 e, P e   the orthogonal projections of e on what V1 and V span: the
                nearest signals to e that FIR filters of L taps make of the
                target alone, and of both references

    e = P1 e  +  (P e - P1 e)  +  (e - P e)
        target   interference     artifacts         three orthogonal parts

    E  = |e|^2           the estimate's energy
    E1 = |P1 e|^2        explained by the target
    E2 = |P e - P1 e|^2  what the interference explains beyond that

    SDR = 10 log10( E1        / (E - E1) )        target : all the rest
    SIR = 10 log10( E1        /  E2 )             target : interference
    SAR = 10 log10( (E1 + E2) / (E - E1 - E2) )   both   : artifacts

The parts being orthogonal, only energies are needed, and they follow from

    d = V'e      correlations of the references with the estimate
    G = V'V      correlations of the references with each other
    G = LL',  z = L^-1 d,  E1 = |z[:512]|^2,  E2 = |z[512:]|^2

so no projected signal is ever built: :mod:`~lassbench.metrics.correlations`
computes d and G, :mod:`~lassbench.metrics.projection` z.  The references are
never permuted: the estimate answers a query for the target, and a permutation
solver would award a system for extracting the wrong source.

Where E - E1 or E - E1 - E2 is less than a millionth of E (60 dB), float64
loses digits in the difference.  The part of e that is already explained is then
subtracted first, as a signal, and the rest r = e - V h is projected instead:
the artifacts are those of r, since V h has none.  First h is one gain for each
reference, which suffices for a nearly perfect estimate and for the mixture;
else h are the full filters.  The latter is also done where references are
near-singular, and makes the result second-order in the filters' errors.

How exact
---------
References of a condition (:attr:`References.condition`) up to 1e9, as resampled 16-bit
recordings have: mir_eval, a QR decomposition of V and this agree to 1e-6 dB.  Beyond it,
where references have empty bands, an estimate with white noise in it asks for filters that
live there.  A Gram matrix has lost them to rounding: mir_eval, which solves with it, is
off by 1e-6 dB and more from 1e10 on, by 1e-4 at 1e12, by 1e-2 at 1e14.  Here the rest
is projected again, and the scores stay within 1e-8 dB of QR's up to 1e13, within 1e-5 at
1e14.

Policy for degenerate cases
---------------------------
estimate silent
    SDR = SIR = SAR = minus infinity: it holds none of the target.
reference silent
    An error that says which.
estimate equal to the target, or any 512-tap filtering of it
    SDR = SIR = SAR = plus infinity (within rounding, see the ceiling).
estimate in the span of the references, as the mixture is
    SAR = plus infinity.  It says nothing about quality: show it as "-".
estimate orthogonal to the target's delays
    SDR = SIR = minus infinity; with no interference in it either, SAR too.
no interference reference
    SIR is plus infinity, SDR = SAR.
the ceiling
    A part that lies 200 dB below the estimate counts as nothing, so values
    beyond 200 dB either way are infinite
    (:data:`~lassbench.metrics.ratios.CEILING_DB`).  For numerically perfect
    estimates other libraries print their rounding error, 60 to 330 dB.  Nothing
    over nothing is minus infinity, so nothing is ever nan.
equal or dependent references
    What the target explains counts as target; the interference keeps what it
    adds, which is nothing where the references are equal: SIR = plus infinity.
near-singular references
    Directions with less than 1e-13 of a reference's strongest are dropped
    (:mod:`~lassbench.metrics.projection`).  Near that, where references have bands as
    empty as only float signals do, the taps may shape the empty bands at no cost, and
    the last digits are open in any tool.
fewer than 513 samples
    Two references' 1024 delays span the whole space of n + 511 samples, so SAR is
    plus infinity and SDR = SIR.  Scored, not refused.
NaN, infinity, another shape, lengths that differ, no samples
    Errors that say where.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from lassbench.metrics import kernels
from lassbench.metrics.correlations import Source, convolve, correlate, cross_correlation
from lassbench.metrics.kernels import Floats, Samples
from lassbench.metrics.projection import (
    SMALLEST_PIVOT,
    Cholesky,
    Gram,
    LeastSquares,
    coordinates,
)
from lassbench.metrics.ratios import (
    CEILING_DB,
    check_length,
    checked,
    decibels,
    energy,
    is_silent,
)

#: Taps of the distortion filters.
TAPS = 512
#: Parts below this share of the estimate's energy count as nothing.
_NOTHING = 10.0 ** (-CEILING_DB / 10)
#: A difference of energies smaller than this share of them is computed anew.
_TOO_CLOSE = 1e-6
#: Condition numbers from which rounding of the correlations is looked for.
_ILL_CONDITIONED = 1e9
#: Scores that move less than this when the Gram matrix is stirred are settled.
_SETTLED_DB = 1e-7


@dataclass(frozen=True, slots=True)
class BssEval:
    """Scores of one estimate in dB; each may be plus or minus infinity, never nan."""

    sdr: float
    sir: float
    sar: float

    def is_close(self, other: BssEval, tolerance_db: float) -> bool:
        """Whether no score differs by more (equal infinities do not differ)."""
        pairs = ((self.sdr, other.sdr), (self.sir, other.sir), (self.sar, other.sar))
        return all(a == b or abs(a - b) <= tolerance_db for a, b in pairs)


_SILENT = BssEval(-math.inf, -math.inf, -math.inf)


@dataclass(frozen=True, slots=True)
class Energies:
    """E, E1, E2, E - E1 and E - E1 - E2 of the module's docstring, in that order."""

    total: float
    target: float
    interference: float
    distortion: float
    artifacts: float

    @classmethod
    def of(cls, total: float, target: float, interference: float) -> Energies:
        """From E, E1 and E2."""
        distortion = total - target
        return cls(total, target, interference, distortion, distortion - interference)

    @property
    def precise(self) -> bool:
        """Whether both differences kept enough digits."""
        return min(self.distortion, self.artifacts) > _TOO_CLOSE * self.total

    def scores(self) -> BssEval:
        """The three ratios, of what exceeds the rounding of E."""
        parts = (self.target, self.interference, self.distortion, self.artifacts)
        e1, e2, distortion, artifacts = (
            part if part > _NOTHING * self.total else 0.0 for part in parts
        )
        return BssEval(
            sdr=decibels(e1, distortion), sir=decibels(e1, e2), sar=decibels(e1 + e2, artifacts)
        )

    def after_subtracting(
        self, left: Sequence[float], alone: tuple[float, float], both: tuple[float, float]
    ) -> tuple[Energies, bool]:
        """The parts from r1 = e - V1 h1 and r = e - V h, and whether no digits were lost.

        ``left`` holds |r1|^2 and |r|^2, ``alone`` and ``both`` the energies that
        target and interference explain of r1 and of r.  Since V1 h1 and V h hold
        no part of what they were subtracted to find,

            E - E1 = |r1|^2 - |P1 r1|^2        E - E1 - E2 = |r|^2 - |P r|^2

        and E1, E2 follow as differences, unless they are too small for that.
        """
        distortion = max(0.0, left[0] - alone[0])
        artifacts = max(0.0, left[1] - sum(both))
        target, interference = self.total - distortion, distortion - artifacts
        parts = Energies(
            self.total,
            target if target > _TOO_CLOSE * self.total else self.target,
            interference if interference > _TOO_CLOSE * distortion else alone[1],
            distortion,
            artifacts,
        )
        nothing = _NOTHING * self.total
        found = zip((distortion, artifacts), left, strict=True)
        return parts, all(rest > _TOO_CLOSE * before or before < nothing for rest, before in found)


def bss_eval(
    *, target: ArrayLike, interference: ArrayLike | None, estimate: ArrayLike, taps: int = TAPS
) -> BssEval:
    """SDR, SIR and SAR of ``estimate`` against ``[target, interference]``.

    Parameters
    ----------
    target, interference, estimate : arrays of shape (n,)
        In any unit: scores do not change with the gain of any of the three.
        Arrays of float32 and float64 are used as they are, without a copy.
        ``interference`` may be ``None``.
    taps
        Length of the distortion filters in samples.

    Raises
    ------
    LassbenchError
        For the inputs that the module's policy refuses.
    """
    return References(target=target, interference=interference, taps=taps).score(estimate)


class References:
    """A target and an interference, ready to score any number of estimates.

    Everything that depends on the references alone is computed once, here; what
    they may be and what is refused stands at :func:`bss_eval`.
    """

    def __init__(
        self, *, target: ArrayLike, interference: ArrayLike | None, taps: int = TAPS
    ) -> None:
        first = Source(target, taps=taps, where="target reference")
        self._sources, r12, r22 = [first], np.empty(0), np.empty(0)
        if interference is not None:
            second = Source(interference, taps=taps, where="interference reference")
            check_length(second.samples, first.samples.size, where="interference reference")
            self._sources.append(second)
            r12, r22 = cross_correlation(first, second), second.autocorrelation
        self._gram = Gram(first.autocorrelation, r12, r22)

    @cached_property
    def condition(self) -> float:
        """About how ill-conditioned the Gram matrix is: 1 for white noise, up to 1e17.

        Up to 1e9, scores carry no rounding error worth mentioning.
        """
        return self._gram.condition()

    def score(self, estimate: ArrayLike) -> BssEval:
        """Scores of one estimate, shape (n,).  See :func:`bss_eval`."""
        return self.score_many([estimate])[0]

    def score_many(self, estimates: Iterable[ArrayLike]) -> list[BssEval]:
        """Scores of several estimates (of several systems, say), cheaper than one by one."""
        signals = [checked(estimate, where="estimate") for estimate in estimates]
        for signal in signals:
            check_length(signal, self._sources[0].samples.size, where="estimate")
        scores = [_SILENT] * len(signals)
        audible = [index for index, signal in enumerate(signals) if not is_silent(signal)]
        if audible:
            rhs = np.stack([self._correlate(signals[index]) for index in audible])
            for index, d, z in zip(audible, rhs, self._coordinates(rhs), strict=True):
                scores[index] = self._energies(signals[index], d, z).scores()
        return scores

    def mixture(self) -> BssEval:
        """Scores of target + interference as the estimate, from the Gram matrix alone.

        The mixture lies in the span of the references, so SAR is plus infinity
        by definition and E - E1 = E2: SDR = SIR, without a difference.
        """
        if len(self._sources) == 1:
            return BssEval(math.inf, math.inf, math.inf)
        d = self._gram.mixture()
        target, interference = self._split(self._coordinates(d[np.newaxis])[0])
        ratio = decibels(target, interference)
        return BssEval(sdr=ratio, sir=ratio, sar=math.inf)

    def _correlate(self, signal: Samples) -> Floats:
        """d = V'x of a signal of up to n + taps - 1 samples: (columns of V,)."""
        return correlate(self._sources, signal).ravel()

    def _coordinates(self, rhs: Floats) -> Floats:
        """z of every row d of ``rhs``, (rows, columns of V)."""
        if kernels.name() == "numba":
            z, pivot = coordinates(self._gram, rhs)
            if pivot >= SMALLEST_PIVOT:
                return z
        basis = self._basis
        with kernels.one_blas_thread():
            # One at a time: an estimate's digits must not depend on its company.
            return np.concatenate([basis.coordinates(row[np.newaxis]) for row in rhs])

    @cached_property
    def _basis(self) -> Cholesky | LeastSquares:
        """The whole factorisation, for filters and where the compiled loops do not serve."""
        with kernels.one_blas_thread():
            cholesky = Cholesky(self._gram)
            return cholesky if cholesky.pivot >= SMALLEST_PIVOT else LeastSquares(self._gram)

    def _split(self, z: Floats) -> tuple[float, float]:
        """|z1|^2 and |z2|^2."""
        taps = self._gram.taps
        return energy(z[:taps]), energy(z[taps:])

    def _energies(self, e: Samples, d: Floats, z: Floats) -> Energies:
        """The parts of e, whose correlations are d and whose coordinates are z."""
        parts = Energies.of(energy(e), *self._split(z))
        if self._is_unsettled(parts, d):
            return self._by_filters(e, parts, d)
        if parts.precise:
            return parts
        refined, sufficed = self._by_gains(e, parts, d)
        return refined if sufficed else self._by_filters(e, parts, d)

    def _is_unsettled(self, parts: Energies, d: Floats) -> bool:
        """Whether the rounding of correlations shows in the scores.

        Asked of ill-conditioned references only: the estimate is projected again
        with the Gram matrix's diagonal raised by about that rounding.
        """
        if self.condition < _ILL_CONDITIONED:
            return False
        with kernels.one_blas_thread():
            z, pivot = coordinates(self._gram.stirred(), d[np.newaxis])
        if pivot < SMALLEST_PIVOT:
            return True
        again = Energies.of(parts.total, *self._split(z[0]))
        return not parts.scores().is_close(again.scores(), _SETTLED_DB)

    def _by_gains(self, e: Samples, parts: Energies, d: Floats) -> tuple[Energies, bool]:
        """The parts after subtracting the nearest multiples of the references; did it suffice?"""
        gram, zero = self._gram, self._gram.taps - 1
        alone = [d[:1] / gram.r11[0]]
        both = alone
        if gram.r22.size:
            products = np.array([[gram.r11[0], gram.r12[zero]], [gram.r12[zero], gram.r22[0]]])
            both = list(np.linalg.lstsq(products, d[[0, gram.taps]])[0][:, np.newaxis])
        rests = [self._rest(e, alone), self._rest(e, both)]
        z = self._coordinates(np.stack([self._correlate(rest) for rest in rests]))
        return parts.after_subtracting([energy(rest) for rest in rests], *map(self._split, z))

    def _by_filters(self, e: Samples, parts: Energies, d: Floats) -> Energies:
        """The parts after subtracting the references' projections, as signals.

        The filters come from an inexact Gram matrix, so what they leave is
        projected in turn; its correlations are those of the rest itself.
        """
        taps, basis = self._gram.taps, self._basis
        with kernels.one_blas_thread():
            z = basis.coordinates(d[np.newaxis])[0]
            target_only = np.concatenate([z[:taps], np.zeros(z.size - taps)])
            filters = [basis.filters(target_only), basis.filters(z)]
            rests = [self._rest(e, [h[:taps], h[taps:]]) for h in filters]
            z = basis.coordinates(np.stack([self._correlate(rest) for rest in rests]))
        left = [energy(rest) for rest in rests]
        return parts.after_subtracting(left, *map(self._split, z))[0]

    def _rest(self, e: Samples, filters: Sequence[Floats]) -> Floats:
        """e minus the references filtered by ``filters``: (n + taps of the filters - 1,)."""
        rest = np.concatenate([e, np.zeros(filters[0].size - 1)], dtype=np.float64)
        for source, taps in zip(self._sources, filters, strict=False):
            if taps.size == 1:
                rest -= taps[0] * source.samples.astype(np.float64)
            elif taps.any():
                rest -= convolve(source.samples, taps)
        return rest
