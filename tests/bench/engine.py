"""BSS Eval of one query in memory, one thread, against every other library that computes it.

python -m tests.bench engine [--seconds S] [--rate HZ] [--repeats N] [--only WORDS] [--start]

Scores one estimate of a 10 s query at 32 kHz against [target, interference].
Signals are real recordings where they lie beside the checkout, else coloured
noise.  All rows take turns on the same arrays in one process with one BLAS, one
OpenMP and one torch thread.  ``apart`` is the largest difference to mir_eval
over the scores that the row computes.

--start also measures what the compiled loops cost at a process's start, with an
empty and with a filled cache.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
from threadpoolctl import threadpool_limits

from lassbench.metrics.bss_eval import BssEval, References, bss_eval
from lassbench.metrics.kernels import NO_NUMBA
from tests.bench._table import compare, machine, print_table

SHARED = Path(__file__).resolve().parents[3] / "shared"
Scores = list[float]


@dataclass(frozen=True)
class Row:
    """One way to the scores: the whole call that a user makes."""

    name: str
    package: str
    scores: Callable[[], Scores]


def main(arguments: list[str]) -> None:
    """Measure and print."""
    options = parse(arguments)
    threadpool_limits(1)
    warnings.simplefilter("ignore")
    s, n, e = signals(options.rate, options.seconds)
    rows = [row for row in (*ours(s, n, e), *peers(s, n, e)) if options.only in row.name]
    print(machine("numpy", "scipy", "numba"))
    oracle = mir_eval_public(s, n, e)
    timings = compare({row.name: row.scores for row in rows}, repeats=options.repeats)
    base = timings.get("mir_eval, public call")
    table = [
        [
            row.name,
            row.package,
            f"{1e3 * timings[row.name].median:.2f}",
            "-" if base is None else f"{base.median / timings[row.name].median:.1f}",
            f"{apart(row.scores(), oracle):.0e}",
        ]
        for row in rows
    ]
    title = f"One query of {options.seconds:g} s at {options.rate / 1000:g} kHz, one thread"
    print_table(["", "version", "ms (median)", "mir_eval / this", "apart, dB"], table, title)
    if options.start:
        start_cost()


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench engine")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=32000)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--start", action="store_true")
    return parser.parse_args(arguments)


def signals(rate: int, seconds: float) -> tuple[Any, Any, Any]:
    """Target, interference and an estimate with a little of everything, float32."""
    rng = np.random.default_rng(0)
    size = round(rate * seconds)
    if (SHARED / "FACTS.md").is_file():
        from tests.metrics.oracles import recording

        s = recording(SHARED, "dog", rate_hz=rate, seconds=seconds)
        n = recording(SHARED, "rain", rate_hz=rate, seconds=seconds)
    else:
        s, n = (np.convolve(rng.standard_normal(size), [1.0, 0.6, 0.2])[:size] for _ in range(2))
    e = np.convolve(s, [0.9, 0.1, 0.05])[:size] + 0.2 * n
    e += 0.03 * np.std(s) * rng.standard_normal(size)
    return s.astype(np.float32), n.astype(np.float32), e.astype(np.float32)


def apart(found: Scores, oracle: Scores) -> float:
    return max(abs(a - b) for a, b in zip(found, oracle, strict=False))


def listed(scores: BssEval) -> Scores:
    return [scores.sdr, scores.sir, scores.sar]


def ours(s: Any, n: Any, e: Any) -> list[Row]:
    """This package: everything anew, and with the references known."""
    known = References(target=s, interference=n)
    ways: dict[str, Callable[[], BssEval]] = {
        "everything": lambda: bss_eval(target=s, interference=n, estimate=e),
        "references reused": lambda: known.score(e),
    }

    def with_loops(way: Callable[[], BssEval], numba: bool) -> Callable[[], Scores]:
        def call() -> Scores:
            os.environ[NO_NUMBA] = "" if numba else "1"
            try:
                return listed(way())
            finally:
                os.environ[NO_NUMBA] = ""

        return call

    here = version("lassbench")
    rows = [Row(f"lassbench, {name}", here, with_loops(way, True)) for name, way in ways.items()]
    plain = Row("lassbench, SciPy only, everything", here, with_loops(ways["everything"], False))
    return [*rows, plain]


def mir_eval_public(s: Any, n: Any, e: Any) -> Scores:
    from mir_eval.separation import bss_eval_sources

    other = n.astype(np.float64) + 0.1 * s
    sdr, sir, sar, _ = bss_eval_sources(
        np.stack([s, n]).astype(np.float64), np.stack([e, other]), compute_permutation=False
    )
    return [float(sdr[0]), float(sir[0]), float(sar[0])]


def peers(s: Any, n: Any, e: Any) -> list[Row]:
    """The other libraries, each as its documentation says, in float64."""
    references = np.stack([s, n]).astype(np.float64)
    estimates = np.stack([e, n.astype(np.float64) + 0.1 * s])
    found = [
        Row("mir_eval, public call", "mir_eval", lambda: mir_eval_public(s, n, e)),
        Row("mir_eval, inside, one estimate", "mir_eval", mir_eval_inside(references, estimates)),
        Row("museval", "museval", museval(references, estimates)),
        Row("fast_bss_eval, NumPy", "fast_bss_eval", fast_bss_eval(references, estimates, False)),
        Row("fast_bss_eval, torch", "fast_bss_eval", fast_bss_eval(references, estimates, True)),
        Row("torchmetrics, SDR only", "torchmetrics", torchmetrics_sdr(references, estimates)),
    ]
    return [Row(row.name, version(row.package), row.scores) for row in found if there(row.package)]


def there(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        print(f"{package} is not installed: left out (pip install 'lassbench[bench]')")
        return False
    return True


def mir_eval_inside(references: Any, estimates: Any) -> Callable[[], Scores]:
    def call() -> Scores:
        from mir_eval import separation

        parts = separation._bss_decomp_mtifilt(references, estimates[0], 0, 512)
        return [float(x) for x in separation._bss_source_crit(*parts)]

    return call


def museval(references: Any, estimates: Any) -> Callable[[], Scores]:
    def call() -> Scores:
        sdr, _, sir, sar, _ = museval_metrics().bss_eval(
            references[..., np.newaxis], estimates[..., np.newaxis],
            window=np.inf, hop=np.inf, bsseval_sources_version=True,
        )  # fmt: skip
        return [float(sdr[0, 0]), float(sir[0, 0]), float(sar[0, 0])]

    return call


def museval_metrics() -> ModuleType:
    """museval.metrics without museval's own imports, which ask for an ffmpeg program."""
    if "museval_metrics" not in sys.modules:
        package = importlib.util.find_spec("museval")
        assert package is not None and package.submodule_search_locations
        path = Path(package.submodule_search_locations[0]) / "metrics.py"
        spec = importlib.util.spec_from_file_location("museval_metrics", path)
        assert spec is not None and spec.loader is not None
        sys.modules["museval_metrics"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["museval_metrics"])
    return sys.modules["museval_metrics"]


def fast_bss_eval(references: Any, estimates: Any, torch_too: bool) -> Callable[[], Scores]:
    def call() -> Scores:
        import fast_bss_eval
        import torch

        torch.set_num_threads(1)
        both = (references, estimates)
        given = tuple(map(torch.from_numpy, both)) if torch_too else both
        with mock.patch("numpy.linalg.solve", solve_of_numpy_1):
            scores = fast_bss_eval.bss_eval_sources(*given, compute_permutation=False)
        return [float(one[0]) for one in scores[:3]]

    return call


def solve_of_numpy_1(a: Any, b: Any, solve: Any = np.linalg.solve) -> Any:
    """fast_bss_eval 0.1.4 relies on how NumPy 1 took a stack of vectors."""
    return solve(a, b[..., np.newaxis])[..., 0] if b.ndim == a.ndim - 1 else solve(a, b)


def torchmetrics_sdr(references: Any, estimates: Any) -> Callable[[], Scores]:
    def call() -> Scores:
        import torch
        from torchmetrics.functional.audio import signal_distortion_ratio

        torch.set_num_threads(1)
        one, target = torch.from_numpy(estimates[0]), torch.from_numpy(references[0])
        return [float(signal_distortion_ratio(one, target))]

    return call


def start_cost() -> None:
    """Seconds from a fresh interpreter to the first score, with and without the compiled loops."""
    code = (
        "import numpy as np\n"
        "from lassbench.metrics.bss_eval import bss_eval\n"
        "s, n, e = np.random.default_rng(0).standard_normal((3, 4000))\n"
        "bss_eval(target=s, interference=n, estimate=s + n + e)\n"
    )
    with tempfile.TemporaryDirectory() as cache:
        settings = {
            "numba, empty cache": {"NUMBA_CACHE_DIR": cache},
            "numba, filled cache": {"NUMBA_CACHE_DIR": cache},
            "SciPy only": {NO_NUMBA: "1"},
        }
        rows = []
        for name, extra in settings.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], env={**os.environ, **extra}, check=True)
            rows.append([name, f"{time.perf_counter() - start:.2f}"])
    print_table(["From a fresh interpreter to the first score", "s"], rows)
