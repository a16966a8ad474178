"""The energy of an orthogonal projection, from correlations alone.

The Gram matrix
---------------
Let V = [s1^0 ... s1^(L-1)  s2^0 ... s2^(L-1)] hold the delayed references,
s^k[t] = s[t - k], as columns.  What can be made of the references by filters of
L taps is the column space of V, and

    G = V'V = [ T(r11)   T(r12)  ]      r11(k) = c_11(k), r22(k) = c_22(k)
              [ T(r12)'  T(r22)  ]      r12(k) = c_12(k)

has 2L x 2L entries but only 4L - 1 different numbers, since <s_i^a, s_j^b> =
c_ij(a - b) depends on a - b alone: each block is Toeplitz.  For a signal x with
d = V'x and G = LL' (L lower triangular), the projection P x of x onto the
column space has

    |P x|^2 = d' G^-1 d = |z|^2,       z = L^-1 d.

z holds x's coordinates in the orthonormal basis that Gram-Schmidt makes of V's
columns.  The target's columns come first, so z = (z1, z2) where |z1|^2 is the
energy that the target explains and |z2|^2 what the interference adds: both
are sums of squares, and nothing is ever the difference of two large numbers.

The Schur recursion (``kernels``)
---------------------------------
Column k of L is <v, q_k> for all columns v of V, q_k being the k-th basis
vector: the normalised part of s1^k that s1^0 ... s1^(k-1) do not explain, the
*backward prediction error* b_k.  Let f_k be the *forward* one, the part of s1^0
that s1^1 ... s1^k do not explain.  Delaying b_k by one sample and comparing it
with f_k gives the next pair (the lattice step, one number kappa_k a stage):

    b_(k+1) = (D b_k - kappa f_k) / c      kappa = <D b_k, f_k>
    f_(k+1) = (f_k - kappa D b_k) / c      c = sqrt(1 - kappa^2)

so it suffices to carry the correlations of b and f with the columns of V (and
with the interference at negative delays, which D moves in): O(L) a column.

What remains is the Schur complement S = T(r22) - L21 L21'.  Delaying both
interference signals by a sample changes the span that was removed from them by
one vector on either side, so

    S[a+1, b+1] - S[a, b] = B(a+1) B(b+1) - F(a+1) F(b+1),

with F(a) = <s2^a, f_(L-1)> and B(a) = <s2^a, D b_(L-1)>.  S is determined by
its first column and these two: a *generator* of four vectors, two that add
(p1, p2) and two that subtract (q1, q2).  Turning them by rotations until their
first entries are (x, 0, 0, 0) makes p1 a column of L; moving it down by one
gives the generator of the rest.  All in all about 4 million operations instead
of the 360 million of a Cholesky factorisation, and the elimination of d is done
on the way, so that L is never stored.

See T. Kailath and A. H. Sayed, "Displacement structure: theory and
applications", SIAM Review 37 (1995), sections 2 to 4.

Near-singular references
------------------------
A *pivot* is L[k,k]^2 relative to r(0) of its source: the share of a delayed
reference that the columns before it do not explain.  Correlations in float64
carry relative errors of about 1e-15, so a pivot below :data:`SMALLEST_PIVOT`
is rounding, not signal: :class:`LeastSquares` then drops the directions that
hold less than ``_RANK_TOLERANCE`` of the strongest one's energy and projects on
the others, first the target's, then what the interference adds to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.linalg
from numpy.lib.stride_tricks import sliding_window_view

from lassbench.metrics import kernels
from lassbench.metrics.kernels import Floats

#: Relative rounding error of a correlation over a few lags, generously.
_ROUNDING = 4e-15
#: The smallest pivot that is taken for signal.
SMALLEST_PIVOT = 1e-13
#: Directions weaker than this, relative to their source's strongest, are dropped.
_RANK_TOLERANCE = 1e-13


@dataclass(frozen=True)
class Gram:
    """The different numbers in the Gram matrix.

    Attributes
    ----------
    r11, r22 : (taps,)
        Autocorrelations of target and interference (``r22`` empty without one).
    r12 : (2 * taps - 1,)
        c_12 at lags -(taps - 1) to taps - 1 (empty without an interference).
    """

    r11: Floats
    r12: Floats
    r22: Floats

    @property
    def taps(self) -> int:
        """Delays of each reference."""
        return self.r11.size

    def mixture(self) -> Floats:
        """d = V'x for x = target + interference: (2 * taps,)."""
        zero = self.taps - 1
        return np.concatenate([self.r11 + self.r12[zero:], self.r12[zero::-1] + self.r22])

    def stirred(self) -> Gram:
        """G with its diagonal raised by about the rounding error of a correlation."""
        raised = [r * np.concatenate([[1.0 + _ROUNDING], np.ones(r.size - 1)]) for r in self._own]
        return Gram(raised[0], self.r12, raised[1] if self.r22.size else self.r22)

    def condition(self) -> float:
        """An estimate of G's condition number, each reference brought to its own peak.

        The eigenvalues of a Toeplitz matrix are those of the signals' spectra: over
        frequency, the smaller eigenvalue of the 2 x 2 matrix of power and cross
        spectra.  The lags are weighted by a Kaiser window whose sidelobes lie
        below float64's rounding, so that an empty band shows as empty.
        """
        lags = [np.concatenate([r[:0:-1], r]) for r in self._own]
        if self.r22.size:
            lags.append(self.r12)
        window = _lag_window(self.taps)
        spectra = scipy.fft.rfft(np.stack(lags) * window, n=scipy.fft.next_fast_len(window.size))
        power = np.abs(spectra)
        weakest = power[0] / power[0].max()
        if self.r22.size:
            first, second = weakest, power[1] / power[1].max()
            across = power[2] ** 2 / (power[0].max() * power[1].max())
            half = (first + second) / 2
            weakest = (first * second - across) / (
                half + np.sqrt((first - second) ** 2 / 4 + across)
            )
        return float(1.0 / max(weakest.min(), 1e-17))

    @property
    def _own(self) -> list[Floats]:
        return [self.r11, self.r22] if self.r22.size else [self.r11]

    def blocks(self) -> tuple[Floats, Floats, Floats]:
        """T(r11), T(r12), T(r22), each (taps, taps), or the last two without columns."""
        first = _toeplitz(np.concatenate([self.r11[:0:-1], self.r11]))
        if not self.r22.size:
            return first, np.zeros((self.taps, 0)), np.zeros((0, 0))
        second = _toeplitz(np.concatenate([self.r22[:0:-1], self.r22]))
        return first, _toeplitz(self.r12), second

    def matrix(self) -> Floats:
        """G, (taps, taps) or (2 * taps, 2 * taps), column after column as LAPACK has it."""
        first, across, second = self.blocks()
        taps, size = self.taps, self.taps + self.r22.size
        matrix = np.empty((size, size), order="F")
        matrix[:taps, :taps], matrix[:taps, taps:] = first, across
        matrix[taps:, :taps], matrix[taps:, taps:] = across.T, second
        return matrix


def _toeplitz(lags: Floats) -> Floats:
    """The matrix whose entry [a, b] is the value at lag a - b, as a view.

    ``lags`` holds lags -(taps - 1) to taps - 1.
    """
    taps = lags.size // 2 + 1
    view: Floats = sliding_window_view(lags, taps)[:, ::-1]
    return view


@lru_cache(maxsize=4)
def _lag_window(taps: int) -> Floats:
    """A Kaiser window over lags -(taps - 1) to taps - 1 with sidelobes below -300 dB."""
    return np.kaiser(2 * taps - 1, 36.0)


class Cholesky:
    """An orthonormal basis of V's column space by LAPACK's Cholesky factorisation of G.

    The target's vectors come first.  ``pivot`` is the smallest pivot, 0 where the
    matrix is not positive definite.
    """

    def __init__(self, gram: Gram) -> None:
        matrix = gram.matrix()
        power = matrix.diagonal().copy()
        # LAPACK itself: scipy.linalg.cholesky would clear the upper triangle.
        self._lower, failed = scipy.linalg.lapack.dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
        self.pivot = 0.0 if failed else float(np.min(self._lower.diagonal() ** 2 / power))

    def coordinates(self, rhs: Floats) -> Floats:
        """z = L^-1 d of each row d = V'x of ``rhs``: (rows, columns of V)."""
        z = scipy.linalg.solve_triangular(self._lower, rhs.T, lower=True, check_finite=False)
        return np.ascontiguousarray(z.T)

    def filters(self, z: Floats) -> Floats:
        """Taps h = L'^-1 z for which V h has the coordinates ``z``: (columns of V,)."""
        return np.asarray(
            scipy.linalg.solve_triangular(self._lower, z, lower=True, trans=1, check_finite=False)
        )


class LeastSquares:
    """As :class:`Cholesky`, of what is numerically there, for (nearly) dependent references.

    With eigenvectors E1 and eigenvalues lambda of T(r11), W1 = E1 / sqrt(lambda)
    over the eigenvalues above the tolerance; likewise W2 of the Schur complement
    T(r22) - T(r12)' W1 W1' T(r12), measured against T(r22)'s strongest direction.
    An interference that the target explains entirely thus adds nothing.
    """

    def __init__(self, gram: Gram) -> None:
        self._taps = gram.taps
        first, across, second = gram.blocks()
        self._first = _whitening(first, first)
        self._removed = self._first.T @ across
        complement = second - self._removed.T @ self._removed
        self._second = _whitening(complement, second)

    def coordinates(self, rhs: Floats) -> Floats:
        """z1 = W1' d1 and z2 = W2' (d2 - T(r12)' W1 z1); zeros for what was dropped."""
        z = np.zeros_like(rhs)
        first = rhs[:, : self._taps] @ self._first
        second = (rhs[:, self._taps :] - first @ self._removed) @ self._second
        z[:, : first.shape[1]] = first
        z[:, self._taps : self._taps + second.shape[1]] = second
        return z

    def filters(self, z: Floats) -> Floats:
        """h2 = W2 z2 and h1 = W1 (z1 - W1' T(r12) h2)."""
        h2 = self._second @ z[self._taps : self._taps + self._second.shape[1]]
        h1 = self._first @ (z[: self._first.shape[1]] - self._removed @ h2)
        return np.concatenate([h1, h2])


def _whitening(matrix: Floats, whole: Floats) -> Floats:
    """W with W'MW = I over the directions of M that are not weak in ``whole``: (n, rank)."""
    if not matrix.size:
        return matrix
    # Not LAPACK's default driver, which fails on some matrices of low rank.
    strength, directions = scipy.linalg.eigh(matrix, driver="evd")
    strongest = scipy.linalg.eigh(whole, eigvals_only=True, driver="evd")[-1]
    kept = strength > _RANK_TOLERANCE * strongest
    whitening: Floats = directions[:, kept] / np.sqrt(strength[kept])
    return whitening


def coordinates(gram: Gram, rhs: Floats) -> tuple[Floats, float]:
    """z of each row d of ``rhs``, and the smallest pivot.

    z is worthless where the pivot is 0.
    """
    if kernels.name() != "numba":
        basis = Cholesky(gram)
        return (basis.coordinates(rhs) if basis.pivot else rhs), basis.pivot
    taps = gram.taps
    scale = 1.0 / np.sqrt(gram.r11[0])
    b1, b2 = gram.r11 * scale, gram.r12[::-1] * scale
    f1, f2, schur = b1.copy(), b2.copy(), gram.r22.copy()
    z = rhs.copy()
    pivot = kernels.target_columns(b1, f1, b2, f2, schur, z)
    if not schur.size or pivot == 0.0 or not schur[0] > 0.0:
        return z, pivot if not schur.size else 0.0
    p1 = schur / np.sqrt(schur[0])
    q1 = np.concatenate([[0.0], p1[1:]])
    p2 = np.concatenate([[0.0], b2[: taps - 1]])
    q2 = np.concatenate([[0.0], f2[taps:]])
    rest = np.ascontiguousarray(z[:, taps:])
    pivot = min(pivot, kernels.interference_columns(p1, p2, q1, q2, rest, gram.r22[0]))
    z[:, taps:] = rest
    return z, pivot
