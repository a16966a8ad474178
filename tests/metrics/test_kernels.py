"""numba where it can be had, the same answers where it cannot."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from lassbench.metrics import kernels
from lassbench.metrics.kernels import NO_NUMBA

KERNELS = Path(kernels.__file__)

SCORE = """
import numpy as np
from lassbench.metrics import kernels
from lassbench.metrics.bss_eval import bss_eval
s, n, e = np.random.default_rng(0).standard_normal((3, 3000))
print(kernels.name(), bss_eval(target=s, interference=n, estimate=s + n + e).sdr)
"""


def in_another_process(code: str, **environment: str) -> tuple[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env={"PATH": "", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    name, value = done.stdout.split()
    return name, float(value)


def test_the_same_without_numba() -> None:
    """Turned off by the variable, or nowhere to be imported from."""
    name, expected = in_another_process(SCORE, **{NO_NUMBA: "0"})
    assert name == "numba"
    hide = "import sys; sys.modules['numba'] = None\n"
    for name, found in (
        in_another_process(SCORE, **{NO_NUMBA: "1"}),
        in_another_process(hide + SCORE),
    ):
        assert name == "scipy"
        assert found == pytest.approx(expected, abs=1e-9)


def test_where_no_folder_can_be_written_it_compiles_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """numba refuses to cache then, when the decorator runs, with a RuntimeError."""
    njit = numba.njit

    def nowhere_to_write(*args: object, cache: bool = False, **options: object) -> object:
        if cache:
            raise RuntimeError(f"cannot cache function: no locator available for file {KERNELS}")
        return njit(*args, **options)

    monkeypatch.setattr(numba, "njit", nowhere_to_write)
    spec = importlib.util.spec_from_file_location("kernels_again", KERNELS)
    assert spec is not None and spec.loader is not None
    loops = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loops)
    a, b = np.random.default_rng(0).standard_normal((2, 3, 8)).view(complex)
    total = np.zeros(4, dtype=complex)
    loops.accumulate(a, b, total)
    np.testing.assert_allclose(total, (a.conj() * b).sum(0))


def test_caches_where_numba_is_told_to(tmp_path: Path) -> None:
    name, _ = in_another_process(SCORE, NUMBA_CACHE_DIR=str(tmp_path), HOME=str(tmp_path))
    assert name == "numba"
    assert list(tmp_path.rglob("*.nbi")), "nothing was cached in the folder that was named"


def test_one_blas_thread_is_one_and_is_undone() -> None:
    from threadpoolctl import threadpool_info

    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads()
    with kernels.one_blas_thread():
        assert set(threads()) == {1}
    assert threads() == before
