"""Which loops do the work: numba's where it can be imported, SciPy's elsewhere.

Both give the same numbers (to about 1e-12 dB); numba's are several times
faster.  ``LASSBENCH_NO_NUMBA=1`` in the environment asks for SciPy's, for
instance where compiling is not allowed.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The environment variable that turns numba off.
NO_NUMBA = "LASSBENCH_NO_NUMBA"
#: Partial sums of a sum over samples.
_PARTS = 1024


def kernels() -> ModuleType | None:
    """The compiled loops, or ``None`` where numba is absent, broken or turned off."""
    return None if os.environ.get(NO_NUMBA, "") not in {"", "0"} else _compiled()


@cache
def _compiled() -> ModuleType | None:
    try:
        from lassbench.metrics import kernels
    except ImportError:  # not installed, or refused by this NumPy
        return None
    return kernels


def name() -> str:
    """``numba`` or ``scipy``."""
    return "scipy" if kernels() is None else "numba"


def product(x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> float:
    """Sum of ``x * y`` in float64, shapes (n,).

    Summed in a thousand parts, which keeps rounding near 1e-16, and without
    BLAS, whose digits depend on its number of threads.
    """
    compiled: Any = kernels()
    if compiled is not None and x.dtype == y.dtype:
        sums = np.zeros(_PARTS)
        compiled.add_products(x, y, sums)
        return float(sums.sum())
    whole = x.size // _PARTS * _PARTS
    rows = (x[:whole].reshape(-1, _PARTS), y[:whole].reshape(-1, _PARTS))
    sums = np.einsum("ij,ij->i", *rows, dtype=np.float64)
    return float(sums.sum() + np.einsum("i,i->", x[whole:], y[whole:], dtype=np.float64))


def pack(
    signal: NDArray[np.floating[Any]], starts: range, width: int, out: NDArray[np.complex128]
) -> None:
    """Windows 2k and 2k+1 of the signal as real and imaginary parts of row k of ``out``.

    ``starts`` says where the windows of ``width`` samples begin; what lies
    behind the signal's end, and the rest of each row, is zero.
    """
    compiled: Any = kernels()
    if compiled is not None:
        size = (starts.start, starts.step, width, len(starts))
        compiled.pack(signal, *size, out.view(np.float64))
        return
    out[...] = 0.0
    for number, start in enumerate(starts):
        window = signal[start : start + width]
        half = out.imag if number % 2 else out.real
        half[number // 2, : window.size] = window


def accumulate(
    a: NDArray[np.complex128], b: NDArray[np.complex128], total: NDArray[np.complex128]
) -> None:
    """``total += sum over rows of conj(a) * b``: (rows, bins) twice, (bins,)."""
    compiled: Any = kernels()
    if compiled is None:
        for x, y in zip(a, b, strict=True):  # row by row, which stays in the cache
            total += x.conj() * y
    else:
        compiled.accumulate(a.view(np.float64), b.view(np.float64), total.view(np.float64))


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
