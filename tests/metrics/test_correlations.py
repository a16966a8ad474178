"""Blocked correlations against direct sums."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lassbench.metrics.correlations import FFT_SIZE, Source, convolve, correlate, cross_correlation
from lassbench.metrics.kernels import NO_NUMBA

Floats = NDArray[np.float64]


def direct(x: Floats, y: Floats, taps: int) -> Floats:
    """sum over t of x[t] y[t + lag] for |lag| < taps, term by term."""
    size = max(x.size, y.size) + taps
    x, y = (np.concatenate([one, np.zeros(size - one.size)]) for one in (x, y))
    return np.array([x @ np.roll(y, -lag) for lag in range(1 - taps, taps)])


@pytest.mark.parametrize("taps", [1, 2, 100, 512])
@pytest.mark.parametrize("size", [1, 3, 400, 7681, 7682, 8191, 15363, 40000])
@pytest.mark.parametrize("loops", ["numba", "scipy"])
def test_equal_direct_sums(
    size: int, taps: int, loops: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NO_NUMBA, "1" if loops == "scipy" else "")
    x, y = np.random.default_rng(size).standard_normal((2, size))
    longer = np.concatenate([y, np.random.default_rng(1).standard_normal(taps - 1)])
    a, b = Source(x, taps=taps), Source(y, taps=taps)
    scale = 1e-13 * size
    expected = direct(x, y, taps)
    np.testing.assert_allclose(cross_correlation(a, b), expected, atol=scale)
    np.testing.assert_allclose(a.autocorrelation, direct(x, x, taps)[taps - 1 :], atol=scale)
    found = correlate([a, b], longer)
    np.testing.assert_allclose(found[0], direct(x, longer, taps)[taps - 1 :], atol=scale)
    np.testing.assert_allclose(found[1], direct(y, longer, taps)[taps - 1 :], atol=scale)


def test_very_many_taps_take_a_larger_fft() -> None:
    x = np.random.default_rng(0).standard_normal(30000)
    source = Source(x, taps=3000)
    assert source.size > FFT_SIZE
    np.testing.assert_allclose(source.autocorrelation, direct(x, x, 3000)[2999:], atol=1e-8)


def test_float32_is_kept_and_means_the_same() -> None:
    x = np.random.default_rng(0).standard_normal(9000).astype(np.float32)
    source = Source(x)
    assert source.samples is x
    assert source.autocorrelation[0] == pytest.approx(float(x.astype(np.float64) @ x), rel=1e-13)
    np.testing.assert_array_equal(
        source.autocorrelation, Source(x.astype(np.float64)).autocorrelation
    )


@pytest.mark.parametrize(("size", "taps"), [(1, 1), (5, 3), (3, 5), (10007, 512)])
def test_convolve(size: int, taps: int) -> None:
    x, h = np.random.default_rng(0).standard_normal(size), np.arange(1.0, taps + 1)
    np.testing.assert_allclose(convolve(x, h), np.convolve(x, h), atol=1e-9 * h.sum())
