"""The Schur recursion, Cholesky and least squares against explicit matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from lassbench.metrics.correlations import Source, cross_correlation
from lassbench.metrics.projection import Cholesky, Gram, LeastSquares, coordinates

Floats = NDArray[np.float64]


def delays(*signals: Floats, taps: int) -> Floats:
    """V: every delayed signal as a column."""
    return np.stack(
        [
            np.concatenate([np.zeros(k), s, np.zeros(taps - 1 - k)])
            for s in signals
            for k in range(taps)
        ],
        axis=1,
    )


def gram(s: Floats, n: Floats | None, taps: int) -> Gram:
    first = Source(s, taps=taps)
    if n is None:
        return Gram(first.autocorrelation, np.empty(0), np.empty(0))
    second = Source(n, taps=taps)
    return Gram(first.autocorrelation, cross_correlation(first, second), second.autocorrelation)


def signals(size: int = 400, seed: int = 0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    s, n = rng.standard_normal((2, size))
    return np.convolve(s, [1, 0.8, 0.3])[:size], 100.0 * np.convolve(n, [1, -0.5])[:size] + s


@pytest.mark.parametrize("taps", [1, 2, 3, 20, 64])
@pytest.mark.parametrize("two", [True, False])
def test_gram_and_coordinates_equal_the_matrix(taps: int, two: bool) -> None:
    s, n = signals()
    v = delays(s, n, taps=taps) if two else delays(s, taps=taps)
    found = gram(s, n if two else None, taps)
    np.testing.assert_allclose(found.matrix(), v.T @ v, atol=1e-9 * float((v**2).sum(0).max()))
    rhs = np.random.default_rng(1).standard_normal((3, v.shape[1]))
    expected = np.linalg.solve(np.linalg.cholesky(v.T @ v), rhs.T).T
    z, pivot = coordinates(found, rhs)
    np.testing.assert_allclose(z, expected, atol=1e-10)
    cholesky = Cholesky(found)
    np.testing.assert_allclose(cholesky.coordinates(rhs), expected, atol=1e-10)
    assert pivot == pytest.approx(cholesky.pivot, rel=1e-9)
    diagonal = np.diag(np.linalg.cholesky(v.T @ v)) ** 2 / (v**2).sum(0)
    assert pivot == pytest.approx(diagonal.min(), rel=1e-9)


@pytest.mark.parametrize("two", [True, False])
@pytest.mark.parametrize("kind", [Cholesky, LeastSquares])
def test_filters_have_the_coordinates_they_are_made_of(
    kind: type[Cholesky] | type[LeastSquares], two: bool
) -> None:
    s, n = signals()
    v = delays(s, n, taps=16) if two else delays(s, taps=16)
    basis = kind(gram(s, n if two else None, 16))
    z = np.random.default_rng(1).standard_normal(v.shape[1])
    h = basis.filters(z)
    np.testing.assert_allclose(basis.coordinates((v.T @ (v @ h))[np.newaxis])[0], z, atol=1e-9)
    target_only = np.where(np.arange(v.shape[1]) < 16, z, 0.0)
    np.testing.assert_allclose(basis.filters(target_only)[16:], 0.0, atol=1e-12)


def test_both_bases_measure_the_same_energies() -> None:
    s, n = signals()
    found = gram(s, n, 16)
    rhs = delays(s, n, taps=16).T @ np.random.default_rng(1).standard_normal(415)
    a, b = (
        kind(found).coordinates(rhs[np.newaxis])[0].reshape(2, 16)
        for kind in (Cholesky, LeastSquares)
    )
    np.testing.assert_allclose((a**2).sum(1), (b**2).sum(1), rtol=1e-9)


def test_dependent_references_have_no_pivot() -> None:
    s, _ = signals()
    s[-20:] = 0.0
    for n in (s, -0.1 * s, np.roll(s, 3), np.convolve(s, [1.0, 0.0, 2.0])[:400]):
        found = gram(s, n, 16)
        assert coordinates(found, np.ones((1, 32)))[1] < 1e-13
        assert Cholesky(found).pivot < 1e-13


def true_condition(found: Gram) -> float:
    """From the eigenvalues of the matrix, every reference brought to unit energy."""
    matrix = found.matrix()
    power = np.sqrt(np.diag(matrix))
    strength = np.linalg.eigvalsh(matrix / np.outer(power, power))
    return float(strength[-1] / strength[0])


@pytest.mark.parametrize("floor", [1.0, 1e-2, 1e-4, 1e-6])
def test_condition_is_near_the_true_one(floor: float) -> None:
    """Low-passed references over a floor of noise, faded so that the cut adds none."""
    white, other, noise = np.random.default_rng(0).standard_normal((3, 20000))
    low = scipy.signal.cheby2(12, 160, 0.5, output="sos")
    fade = scipy.signal.windows.tukey(20000, 0.5)
    s = fade * scipy.signal.sosfiltfilt(low, white) + floor * noise
    for target, interference in ((s, None), (s, other), (other, s)):
        found = gram(target, interference, 128)
        assert 0.1 < found.condition() / true_condition(found) < 10
    assert gram(s, other, 128).condition() > 0.1 * floor**-2


def test_condition_sees_references_that_agree_in_one_band() -> None:
    shared, a, b, other = np.random.default_rng(0).standard_normal((4, 20000))
    band = scipy.signal.cheby2(12, 140, [0.4, 0.6], btype="bandstop", output="sos")
    s, n = (shared + 10 * scipy.signal.sosfilt(band, x) for x in (a, b))
    apart, agreeing = gram(s, other, 128), gram(s, n, 128)
    assert apart.condition() < 1e3 < 1e4 < agreeing.condition()
    assert 0.1 < agreeing.condition() / true_condition(agreeing) < 10


def test_stirring_raises_the_diagonal_by_rounding() -> None:
    found = gram(*signals(), 16)
    difference = found.stirred().matrix() - found.matrix()
    raised = np.diag(difference) / np.diag(found.matrix())
    assert 1e-15 < raised.min() <= raised.max() < 1e-14
    assert not (difference - np.diag(np.diag(difference))).any()
