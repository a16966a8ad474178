"""What benchmarks share: repeated timing, the machine, a table."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds of several runs of one thing."""

    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def spread(self) -> str:
        """Smallest and largest run, in seconds."""
        return f"{min(self.runs):.3g}..{max(self.runs):.3g}"


def compare(things: Mapping[str, Callable[[], Any]], *, repeats: int = 5) -> dict[str, Timing]:
    """Time each thing ``repeats`` times after one run that does not count.

    The things take turns, so that a machine that slows down for a while slows
    all of them down.
    """
    runs: dict[str, list[float]] = {name: [] for name in things}
    for repeat in range(repeats + 1):
        for name, thing in things.items():
            start = time.perf_counter()
            thing()
            if repeat:
                runs[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(values)) for name, values in runs.items()}


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """Print a Markdown table: the first column to the left, the others to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max(len(column), 3, *(len(row[i]) for row in cells)) if cells else max(len(column), 3)
        for i, column in enumerate(columns)
    ]
    if title:
        print(f"\n{title}\n")
    lines = [list(columns), *cells]
    for number, line in enumerate(lines):
        padded = [
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        print(f"| {' | '.join(padded)} |")
        if number == 0:
            rules = [
                "-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)
            ]
            print(f"| {' | '.join(rules)} |")
    sys.stdout.flush()


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def machine(*packages: str) -> str:
    """One line: processor, cores this process may use, Python, versions of ``packages``."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    parts = [model, f"{len(os.sched_getaffinity(0))} cores", f"Python {platform.python_version()}"]
    return ", ".join(parts + [f"{name} {version(name)}" for name in packages])


def peak_memory_mib() -> float:
    """The largest resident set so far of this process (not of what it was forked from)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this kernel does not tell VmHWM")
