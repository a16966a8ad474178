"""The inner loops, compiled by numba where it can be imported, in NumPy elsewhere.

Both give the same numbers (to about 1e-12 dB); numba's are several times faster.
``LASSBENCH_NO_NUMBA=1`` in the environment asks for NumPy's, for instance where compiling
is not allowed.

``product`` sums over samples and ``accumulate`` over spectra, for
:mod:`lassbench.metrics.correlations`.  ``target_columns`` and ``interference_columns``,
which need numba, are the Schur recursion that :mod:`lassbench.metrics.projection` explains;
the names here are the names there.

The compiled functions are plain loops over slices: that is what compiles fast (array
expressions would take seconds more) and vectorises.  Importing numba takes about half a
second, the first call on a machine compiles (one to two seconds).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

try:
    import numba
except ImportError:  # not installed, or refused by this NumPy
    numba = None

Floats = NDArray[np.float64]
Spectra = NDArray[np.complex128]
#: float32 or float64, shape (n,).
Samples = NDArray[np.floating[Any]]
F = TypeVar("F", bound=Callable[..., Any])

#: The environment variable that turns numba off.
NO_NUMBA = "LASSBENCH_NO_NUMBA"
#: Partial sums of a sum over samples.
_PARTS = 1024


def name() -> str:
    """Whose loops do the work: ``numba`` or ``scipy``."""
    off = os.environ.get(NO_NUMBA, "") not in {"", "0"}
    return "scipy" if off or numba is None else "numba"


def _compiled(function: F) -> F:
    """``function`` compiled on its first call, cached where there is a place for it.

    The machine code is kept beside the package or, where that folder is
    read-only, in the user's cache folder.  Where neither can be written it is
    compiled once per process.  Arithmetic is done exactly as written (no
    ``fastmath``), so the digits do not depend on the processor.
    """
    if numba is None:
        return function
    try:
        return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        # "cannot cache function: no locator available for file ..."
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]


def product(x: Samples, y: Samples) -> float:
    """Sum of ``x * y`` in float64, shapes (n,).

    Summed in a thousand parts, which keeps rounding near 1e-16, and without
    BLAS, whose digits depend on its number of threads.
    """
    if name() == "numba" and x.dtype == y.dtype:
        sums = np.zeros(_PARTS)
        _add_products(x, y, sums)
        return float(sums.sum())
    whole = x.size // _PARTS * _PARTS
    rows = (x[:whole].reshape(-1, _PARTS), y[:whole].reshape(-1, _PARTS))
    sums = np.einsum("ij,ij->i", *rows, dtype=np.float64)
    return float(sums.sum() + np.einsum("i,i->", x[whole:], y[whole:], dtype=np.float64))


@_compiled
def _add_products(x: Samples, y: Samples, sums: Floats) -> None:
    """Add x[i] y[i] to ``sums[i mod lanes]``: lanes vectorise without reordering a sum."""
    lanes = sums.size
    for start in range(0, x.size, lanes):
        u, v = x[start : start + lanes], y[start : start + lanes]
        for i in range(u.size):
            sums[i] += np.float64(u[i]) * np.float64(v[i])


def accumulate(a: Spectra, b: Spectra, total: Spectra) -> None:
    """``total += sum over rows of conj(a) * b``: (rows, bins) twice, (bins,)."""
    if name() == "numba":
        _accumulate(a.view(np.float64), b.view(np.float64), total.view(np.float64))
    else:
        for x, y in zip(a, b, strict=True):  # row by row, which stays in the cache
            total += x.conj() * y


@_compiled
def _accumulate(a: Floats, b: Floats, total: Floats) -> None:
    """As :func:`accumulate`, of complex numbers as (real, imaginary) pairs."""
    for row in range(a.shape[0]):
        x = a[row]
        y = b[row]
        for k in range(x.size // 2):
            total[2 * k] += x[2 * k] * y[2 * k] + x[2 * k + 1] * y[2 * k + 1]
            total[2 * k + 1] += x[2 * k] * y[2 * k + 1] - x[2 * k + 1] * y[2 * k]


def one_blas_thread() -> AbstractContextManager[object]:
    """A ``with`` block whose LAPACK calls use one thread.

    Two thread pools that spin on the same cores double the time, and digits
    would depend on the number of threads.
    """
    manager: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return manager


@cache
def _controller() -> Any:
    # Not before the first call, and once: looking for the libraries takes milliseconds.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@_compiled
def _subtract(row: Floats, column: Floats, gain: float) -> None:
    """``row -= gain * column``."""
    for i in range(column.size):
        row[i] -= gain * column[i]


@_compiled
def _rotate(b: Floats, f: Floats, kappa: float) -> None:
    """b' = (b - kappa f) / c and f' = (f - kappa b) / c with c = sqrt(1 - kappa^2).

    The second is computed as c f - kappa b', which is the numerically stable form.
    """
    c = np.sqrt((1.0 - kappa) * (1.0 + kappa))
    gain = 1.0 / c
    for i in range(b.size):
        new = (b[i] - kappa * f[i]) * gain
        f[i] = c * f[i] - kappa * new
        b[i] = new


@_compiled
def target_columns(  # noqa: PLR0917 - numba compiles positional arguments
    b1: Floats, f1: Floats, b2: Floats, f2: Floats, schur: Floats, rhs: Floats
) -> float:
    """Columns 0 to taps-1 of L, each used for the elimination as soon as it is known.

    b1, f1 (taps,) and b2, f2 (2 * taps - 1,) are b and f on the target's and on
    the interference's rows, the latter at lags -(taps-1) to taps-1; ``schur`` is
    r22 at first and the complement's first column afterwards.  b2, f2 and
    ``schur`` are empty without an interference.  Each row d of ``rhs`` becomes z
    in its first ``taps`` entries and what is left to eliminate in the others.

    Returns the smallest pivot L[k,k]^2 / r11[0], 0 where one is not positive.
    """
    taps = b1.size
    pivot = 1.0
    smallest = 1.0
    for k in range(taps):
        rest = taps - 1 - k
        own = b1[: taps - k]
        # b is stored moving: lag t of stage k stands at t - k (+ taps - 1 in b2).
        cross = b2[rest : rest + schur.size]
        if schur.size > 0:
            _subtract(schur, cross, cross[0])
        for j in range(rhs.shape[0]):
            row = rhs[j]
            z = row[k] / own[0]
            _subtract(row[k:taps], own, z)
            _subtract(row[taps:], cross, z)
            row[k] = z
        if rest > 0:
            kappa = f1[k + 1] / b1[0]
            pivot *= (1.0 - kappa) * (1.0 + kappa)
            if not pivot > 0.0:
                return 0.0
            smallest = min(smallest, pivot)
            _rotate(b1[:rest], f1[k + 1 :], kappa)
            if schur.size > 0:
                _rotate(b2[: rest + taps - 1], f2[k + 1 :], kappa)
    return smallest


@_compiled
def _turn(p1: Floats, p2: Floats, q1: Floats, q2: Floats) -> bool:
    """Turn the generator until its first entries are (x, 0, 0, 0): then p1 is a column of L.

    One rotation of the positive pair, one of the negative pair and the
    hyperbolic one of ``_rotate``, in one pass.  False: the matrix is not
    positive definite.
    """
    x, y = np.hypot(p1[0], p2[0]), np.hypot(q1[0], q2[0])
    if not x > y:
        return False
    cos_p, sin_p = p1[0] / x, p2[0] / x
    cos_q, sin_q = 1.0, 0.0
    if y > 0.0:
        cos_q, sin_q = q1[0] / y, q2[0] / y
    kappa = y / x
    c = np.sqrt((1.0 - kappa) * (1.0 + kappa))
    gain = 1.0 / c
    for i in range(p1.size):
        p = cos_p * p1[i] + sin_p * p2[i]
        p2[i] = cos_p * p2[i] - sin_p * p1[i]
        q = cos_q * q1[i] + sin_q * q2[i]
        q2[i] = cos_q * q2[i] - sin_q * q1[i]
        new = (p - kappa * q) * gain
        q1[i] = c * q - kappa * new
        p1[i] = new
    return True


@_compiled
def interference_columns(  # noqa: PLR0917 - as above
    p1: Floats, p2: Floats, q1: Floats, q2: Floats, rhs: Floats, power: float
) -> float:
    """Columns taps to 2*taps-1 of L from the Schur complement's generator.

    Parameters
    ----------
    p1, p2, q1, q2 : (taps,)
        The generator: the complement minus its copy moved by one row and one
        column is p1 p1' + p2 p2' - q1 q1' - q2 q2'.  Overwritten.
    rhs : (rows, taps)
        What ``target_columns`` left to eliminate; becomes z.
    power
        r22[0], which pivots are measured against.

    Returns
    -------
    float
        The smallest pivot L[k,k]^2 / power; 0 where one is not positive.
    """
    taps = p1.size
    smallest = 1.0
    for k in range(taps):
        own = p1[: taps - k]  # p1 is stored moving, as b is in target_columns
        if not _turn(own, p2[k:], q1[k:], q2[k:]):
            return 0.0
        smallest = min(smallest, own[0] * own[0] / power)
        for j in range(rhs.shape[0]):
            row = rhs[j, k:]
            z = row[0] / own[0]
            _subtract(row, own, z)
            row[0] = z
    return smallest
