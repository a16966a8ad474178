"""What a query costs beyond the model's own work: a function, a worker, a command.

python -m tests.bench separate [--queries N] [--seconds 10] [--repeats 5]

Each model copies its input, so that all of the time is ours: that of ``lassbench separate``
over a frozen suite at the model's own rate, the worker started before.  The peer is the loop
that people write, over the same files: soundfile reads the mixture, a function copies it,
soundfile writes it as float WAV.  A command is Python that copies the file, which starts anew
for each query, or ``cp``, which hardly has to.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from lassbench.suites.importing import import_suite
from lassbench.suites.suite import Suite, load_suite
from lassbench.systems.finding import as_system
from lassbench.systems.processes import CommandSystem, WorkerSystem
from lassbench.systems.published import PUBLISHED, Option
from lassbench.systems.run import separate_suite
from tests.bench._table import compare, machine, print_table

RATE = 32000
WORKER = "def load(options):\n    return lambda mixture, query, negative: mixture.copy()\n"
SCRIPT = "import shutil, sys\nshutil.copyfile(sys.argv[1], sys.argv[2])\n"


def main(arguments: list[str]) -> None:
    """Make a suite, separate it in every way, print."""
    parser = argparse.ArgumentParser(prog="tests.bench separate")
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    print(machine("soundfile", "numpy"))
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as open_ones:
        folder = Path(name)
        suite = made(folder, options.queries, options.seconds)
        ways: dict[str, Callable[[], Any]] = {"loop over soundfile (the peer)": loop(suite, folder)}
        for how, system in systems(folder).items():
            ways[how] = ours(open_ones.enter_context(as_system(system)), suite, folder)
        times = compare(ways, repeats=options.repeats)
    peer, *_ = times.values()
    rows = []
    for how, time in times.items():
        took = (time.median, min(time.runs), max(time.runs))
        rows.append(
            (how, *(1000 * one / options.queries for one in took), time.median / peer.median)
        )
    print_table(
        ("a copy, as", "ms a query", "least", "most", "times the peer"),
        rows,
        f"{options.queries} queries of {options.seconds:g} s at {RATE} Hz, {options.repeats} runs",
    )


def made(folder: Path, queries: int, seconds: float) -> Suite:
    """A suite of noise, frozen with its mixtures."""
    generator = np.random.default_rng(0)
    lines = ["mixture,target,query"]
    for number in range(queries):
        target, other = generator.uniform(-0.4, 0.4, (2, round(seconds * RATE)))
        for kind, samples in (("m", target + other), ("t", target)):
            soundfile.write(folder / f"{kind}{number}.wav", samples, RATE, subtype="FLOAT")
        lines.append(f"m{number}.wav,t{number}.wav,noise {number}")
    (folder / "list.csv").write_text("\n".join(lines))
    import_suite(folder / "list.csv", folder, folder / "suite", kind="triples", name="noise")
    return load_suite(folder / "suite")


def systems(folder: Path) -> dict[str, Any]:
    """Every way to run a model that copies."""
    (folder / "worker.py").write_text(WORKER)
    (folder / "script.py").write_text(SCRIPT)
    told = replace(
        PUBLISHED["audiosep"],
        worker=folder / "worker.py",
        options={"repo": Option("any folder", folder=True)},
        repository_files=(),
    )
    files = "{mixture} {estimate}"
    return {
        "function": lambda mixture, query, sample_rate: mixture.copy(),
        "worker": WorkerSystem(told, python=sys.executable, options={"repo": str(folder)}),
        "command: cp": CommandSystem(f"{shutil.which('cp')} {files}"),
        "command: python": CommandSystem(f"{sys.executable} {folder / 'script.py'} {files}"),
    }


def ours(system: Any, suite: Suite, folder: Path) -> Callable[[], Any]:
    """A whole run into a folder that is new each time."""
    numbers = itertools.count()

    def run() -> None:
        separate_suite(system, suite, folder / "predictions")
        shutil.move(folder / "predictions", folder / f"{id(system)}-{next(numbers)}")

    return run


def loop(suite: Suite, folder: Path) -> Callable[[], Any]:
    """What a script does that has the suite's files."""
    out = folder / "loop"

    def run() -> None:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        for query in suite.queries.values():
            file = suite.path / "mixtures" / f"{query.mixture_id}.wav"
            samples, rate = soundfile.read(file, dtype="float32")
            soundfile.write(out / f"{query.query_id}.wav", samples.copy(), rate, subtype="FLOAT")

    return run
