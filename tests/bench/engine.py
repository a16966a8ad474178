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
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from lassbench.metrics.bss_eval import BssEval, References, bss_eval
from lassbench.metrics.kernels import NO_NUMBA
from tests.bench._table import compare, machine, print_table
from tests.bench.score import PEERS, Scores, mir_eval

SHARED = Path(__file__).resolve().parents[3] / "shared"


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
    double = s.astype(np.float64), n.astype(np.float64), e.astype(np.float64)
    stacked = np.stack(double[:2]), np.stack([double[2], double[1] + 0.1 * double[0]])
    rows = [row for row in (*ours(s, n, e), *peers(*stacked)) if options.only in row.name]
    print(machine("numpy", "scipy", "numba"))
    oracle = mir_eval(*stacked)
    timings = compare({row.name: row.scores for row in rows}, repeats=options.repeats)
    base = timings.get("mir_eval")
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
                return astuple(way())
            finally:
                os.environ[NO_NUMBA] = ""

        return call

    here = version("lassbench")
    rows = [Row(f"lassbench, {name}", here, with_loops(way, True)) for name, way in ways.items()]
    plain = Row("lassbench, SciPy only, everything", here, with_loops(ways["everything"], False))
    return [*rows, plain]


def peers(references: Any, estimates: Any) -> list[Row]:
    """The other libraries, each as its documentation says, in float64."""
    import torch

    torch.set_num_threads(1)
    return [
        Row(name, version(package), partial(peer, references, estimates))
        for name, (peer, package) in PEERS.items()
        if there(package)
    ]


def there(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        print(f"{package} is not installed: left out (pip install 'lassbench[bench]')")
        return False
    return True


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
