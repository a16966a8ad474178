"""Intervals and tests with few targets: coverage, width and size of several methods, simulated.

``python -m tests.bench intervals [RUNS [RESAMPLES [TARGETS,...]]]``: by default 4000 runs of each
cell with 999 resamples.  The means of targets have the shape named (true mean zero, standard
deviation 1) and queries scatter about them by 0.5; a target has five queries, or one to nine.
Exponential to the left is the mirror of exponential to the right, so that only the sides of what
is missed change: the last two tables.  Fifty runs share their resamples, as a table's columns do.
``both`` is what lassbench takes below ``FEW_CLUSTERS`` targets, ``expanded`` and ``sign flips``
what it takes from there on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from lassbench.scores import statistics
from lassbench.scores.statistics import LEVEL, Floats, expanded_tail
from tests.bench._table import machine, print_table

TARGETS = (6, 8, 10, 15, 20, 30, 50)
SHAPES: Mapping[str, Callable[[np.random.Generator, tuple[int, int]], Floats]] = {
    "normal": lambda generator, size: generator.normal(size=size),
    "exponential": lambda generator, size: generator.exponential(size=size) - 1,
    "log-normal": lambda generator, size: (
        (np.exp(generator.normal(size=size)) - math.exp(0.5)) / math.sqrt((math.e - 1) * math.e)
    ),
    "t, 3 degrees": lambda generator, size: generator.standard_t(3, size=size) / math.sqrt(3),
}
TAIL = (1 - LEVEL) / 2
#: Runs that share their resamples.
TOGETHER = 50

Ends = tuple[Floats, Floats]
STUDENT, BOTH = "Student's t", "both"


def simulated(
    generator: np.random.Generator, shape: str, clusters: int, *, unequal: bool
) -> tuple[Floats, Floats]:
    """Sums ``(clusters, TOGETHER)`` and sizes ``(clusters,)`` of targets."""
    sizes = generator.integers(1, 10, clusters) if unequal else np.full(clusters, 5)
    means = SHAPES[shape](generator, (TOGETHER, clusters))
    noise = 0.5 * np.sqrt(sizes) * generator.normal(size=means.shape)
    return (sizes * means + noise).T, sizes.astype(np.float64)


def intervals(sums: Floats, sizes: Floats, resamples: int, seed: int) -> dict[str, Ends]:
    """Both ends of each column's interval, by each method."""
    clusters = len(sizes)
    students = float(stdtrit(clusters - 1, 1 - TAIL))
    means, errors, drawn = statistics._studentised(sums, sizes, resamples, seed)
    beyond = int(TAIL * (resamples + 1))
    blocks = list(statistics._resampled_means(sums, sizes, resamples, seed))
    resampled = np.sort(np.concatenate(blocks, axis=1))
    tail = expanded_tail(clusters)
    return {
        STUDENT: (means - students * errors, means + students * errors),
        "expanded": (
            statistics._quantile(resampled, tail),
            statistics._quantile(resampled, 1 - tail),
        ),
        "BCa": _accelerated(sums, sizes, means, resampled),
        "Hall's t": _transformed(sums, sizes, means, errors),
        "bootstrap-t": (means - errors * drawn[:, -beyond], means - errors * drawn[:, beyond - 1]),
        BOTH: statistics._studentised_ends(sums, sizes, resamples, seed, LEVEL),
    }


def _accelerated(sums: Floats, sizes: Floats, means: Floats, resampled: Floats) -> Ends:
    """BCa (Efron and Tibshirani 1993, section 14.3), each target left out in turn."""
    count = resampled.shape[1]
    bias = ndtri(((resampled < means[:, np.newaxis]).sum(axis=1) + 0.5) / (count + 1))
    left = (sums.sum(axis=0) - sums) / (sizes.sum() - sizes)[:, np.newaxis]
    apart = left.mean(axis=0) - left
    acceleration = (apart**3).sum(axis=0) / (6 * (apart**2).sum(axis=0) ** 1.5)
    ends = []
    for normal in ndtri([TAIL, 1 - TAIL]):
        share = ndtr(bias + (bias + normal) / (1 - acceleration * (bias + normal)))
        ends.append(resampled[range(len(means)), (share * (count - 1)).astype(int)])
    return ends[0], ends[1]


def _transformed(sums: Floats, sizes: Floats, means: Floats, errors: Floats) -> Ends:
    """Student's t of a cubic transformation that removes the skewness (Hall 1992, JRSS B 54)."""
    clusters = len(sizes)
    off = sums - np.outer(sizes, means)
    skewness = (off**3).mean(axis=0) / (off**2).mean(axis=0) ** 1.5 / math.sqrt(clusters)
    ends = []
    for students in stdtrit(clusters - 1, [1 - TAIL, TAIL]):
        cubic = np.cbrt(1 + skewness * (students - skewness / 6)) - 1
        ends.append(means - errors * 3 * cubic / skewness)
    return ends[0], ends[1]


def tests(
    generator: np.random.Generator, sums: Floats, sizes: Floats, resamples: int, seed: int
) -> dict[str, list[bool]]:
    """Whether each column's mean differs from zero (it does not), by each test."""
    signs = generator.choice([-1.0, 1.0], size=(resamples, len(sizes)))
    signs[0] = 1.0
    totals = signs @ sums
    means = totals / sizes.sum()
    squares = (sums**2).sum(axis=0) - 2 * means * (signs @ (sums * sizes[:, np.newaxis]))
    studentised = totals / np.sqrt(squares + means**2 * (sizes**2).sum())
    found = {
        name: [
            bool(one) for one in np.mean(np.abs(flips) >= np.abs(flips[0]) - 1e-9, axis=0) < 0.05
        ]
        for name, flips in (("sign flips", totals), ("studentised flips", studentised))
    }
    p_values = [
        statistics._studentised_p_value(column[:, np.newaxis], sizes, resamples, seed)
        for column in sums.T
    ]
    found[BOTH] = [p_value < 0.05 for p_value in p_values]
    return found


class Cell:
    """What the methods gave in the runs of one shape and number of targets."""

    def __init__(self, shape: str, clusters: int, *, unequal: bool, runs: int, resamples: int):
        generator = np.random.default_rng([clusters, unequal])
        low: dict[str, list[float]] = {}
        high: dict[str, list[float]] = {}
        rejected: dict[str, list[bool]] = {}
        for seed in range(-(-runs // TOGETHER)):
            sums, sizes = simulated(generator, shape, clusters, unequal=unequal)
            for name, ends in intervals(sums, sizes, resamples, seed).items():
                low.setdefault(name, []).extend(ends[0])
                high.setdefault(name, []).extend(ends[1])
            for name, found in tests(generator, sums, sizes, resamples, seed).items():
                rejected.setdefault(name, []).extend(found)
        self.above = {name: float(np.mean(np.array(ends) > 0)) for name, ends in low.items()}
        self.below = {name: float(np.mean(np.array(ends) < 0)) for name, ends in high.items()}
        widths = {name: np.array(high[name]) - np.array(low[name]) for name in low}
        self.width = {
            name: float(np.median(width / widths[STUDENT])) for name, width in widths.items()
        }
        self.coverage = {name: 1 - self.above[name] - self.below[name] for name in low}
        self.size = {name: float(np.mean(found)) for name, found in rejected.items()}


def main(arguments: list[str]) -> None:
    """Print coverage, width, size and the sides of what is missed."""
    runs, resamples = (int(one) for one in (*arguments[:2], *("4000", "999")[len(arguments) :]))
    numbers = [int(one) for one in arguments[2].split(",")] if len(arguments) > 2 else TARGETS
    cells = {
        (shape, "1 to 9" if unequal else "5", clusters): Cell(
            shape, clusters, unequal=unequal, runs=runs, resamples=resamples
        )
        for unequal in (False, True)
        for shape in SHAPES
        for clusters in numbers
    }
    titles = {
        "coverage": f"Coverage of 95 % intervals ({runs} runs, {resamples} resamples)",
        "width": "Median width, in that of Student's t",
        "size": "Size of tests at level 0.05",
        "above": "Share of intervals that lie above the mean (exponential to the left: below)",
        "below": "Share of intervals that lie below the mean (exponential to the left: above)",
    }
    for figure, title in titles.items():
        names = list(getattr(next(iter(cells.values())), figure))
        rows = [
            [*where, *(f"{getattr(cell, figure)[name]:.3f}" for name in names)]
            for where, cell in cells.items()
        ]
        print_table(["means of targets", "queries", "targets", *names], rows, title)
    print(machine("numpy", "scipy"))
