"""The one inner loop of :mod:`lassbench.scoring.judge`, compiled by numba.

Imported only where numba is (see :mod:`lassbench.metrics.backend`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Samples = NDArray[np.float32]


def _compiled(function: F) -> F:
    """``function`` compiled on its first call, cached where there is a place for it."""
    try:
        return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        # "cannot cache function: no locator available for file ..."
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]


@_compiled
def _add_products(x: Samples, y: Samples, sums: NDArray[np.float64]) -> None:
    """``sums[i] += x[i] * y[i]`` in float64."""
    for i in range(x.size):
        sums[i] += np.float64(x[i]) * np.float64(y[i])


@_compiled
def products(e: Samples, s: Samples, n: Samples, sums: NDArray[np.float64]) -> None:
    """Add ``e e``, ``e s`` and ``e n`` to ``sums``, (3, lanes): sample i to lane i mod lanes.

    The lanes do not depend on each other, so the loops vectorise with their
    arithmetic exactly as written.
    """
    lanes = sums.shape[1]
    for start in range(0, e.size, lanes):
        part = e[start : start + lanes]
        _add_products(part, part, sums[0])
        _add_products(part, s[start : start + lanes], sums[1])
        _add_products(part, n[start : start + lanes], sums[2])
