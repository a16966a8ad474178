"""Loops that numba compiles: where it can be had, and where their machine code is kept.

Rooms with such loops keep them in a file of their own (``kernels.py``,
``winograd_loops.py``) and have another way of doing the same work, for places where
numba is absent.  ``LASSBENCH_NO_NUMBA=1`` in the environment asks for that other
way, for instance where compiling is not allowed.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

#: The environment variable that turns numba off.
NO_NUMBA = "LASSBENCH_NO_NUMBA"

_loaded: dict[str, ModuleType | None] = {}


def loops(module: str) -> ModuleType | None:
    """The module of that name, or ``None`` where numba is absent, broken or turned off."""
    if os.environ.get(NO_NUMBA, "") not in {"", "0"}:
        return None
    if module not in _loaded:
        try:
            _loaded[module] = importlib.import_module(module)
        except ImportError:  # not installed, or refused by this NumPy
            _loaded[module] = None
    return _loaded[module]


def compiled(function: F) -> F:
    """``function`` compiled on its first call, cached where there is a place for it.

    The machine code is kept beside the package or, where that folder is
    read-only, in the user's cache folder.  Where neither can be written it is
    compiled once per process.  Arithmetic is done exactly as written (no
    ``fastmath``), so the digits do not depend on the processor.
    """
    import numba

    try:
        return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        # "cannot cache function: no locator available for file ..."
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]
