"""Intervals and tests with few targets: coverage, width and size of several methods, simulated.

``python -m tests.bench intervals [RUNS [RESAMPLES [TARGETS,...]]]``: by default 4000 runs of each
cell with 999 resamples.  The means of targets have the shape named (true mean zero, standard
deviation 1) and queries scatter about them by 0.5; a target has five queries, or one to nine.
Fifty runs share their resamples, as a table's columns do.
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
        "expanded": tuple(np.quantile(resampled, [tail, 1 - tail], axis=1)),
        "BCa": _accelerated(sums, sizes, means, resampled),
        "bootstrap-t": (means - errors * drawn[:, -beyond], means - errors * drawn[:, beyond - 1]),
        BOTH: statistics._studentised_ends(sums, sizes, resamples, seed),
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


def tests(
    generator: np.random.Generator, sums: Floats, sizes: Floats, resamples: int, seed: int
) -> dict[str, list[bool]]:
    """Whether each column's mean differs from zero (it does not), by each test."""
    signs = generator.choice([-1.0, 1.0], size=(resamples, len(sizes)))
    signs[0] = 1.0
    totals = np.abs(signs @ sums)
    p_values = [
        statistics._studentised_p_value(column[:, np.newaxis], sizes, resamples, seed)
        for column in sums.T
    ]
    return {
        "sign flips": list(np.mean(totals >= totals[0] - 1e-9, axis=0) < 1 - LEVEL),
        BOTH: [p_value < 1 - LEVEL for p_value in p_values],
    }


def simulate(
    shape: str, clusters: int, *, unequal: bool, runs: int, resamples: int
) -> dict[str, dict[str, float]]:
    """Coverage, width and size of each method in the runs of one shape and number of targets."""
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
    ends = {name: (np.array(low[name]), np.array(high[name])) for name in low}
    students = ends[STUDENT][1] - ends[STUDENT][0]
    return {
        "coverage": {name: float(np.mean((a <= 0) & (b >= 0))) for name, (a, b) in ends.items()},
        "width": {name: float(np.median((b - a) / students)) for name, (a, b) in ends.items()},
        "size": {name: float(np.mean(found)) for name, found in rejected.items()},
    }


def main(arguments: list[str]) -> None:
    """Print coverage, width and size."""
    runs, resamples = (int(one) for one in (*arguments[:2], *("4000", "999")[len(arguments) :]))
    numbers = [int(one) for one in arguments[2].split(",")] if len(arguments) > 2 else TARGETS
    cells = {
        (shape, "1 to 9" if unequal else "5", clusters): simulate(
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
    }
    for figure, title in titles.items():
        names = list(next(iter(cells.values()))[figure])
        rows = [
            [*where, *(f"{x:.3f}" for x in cell[figure].values())] for where, cell in cells.items()
        ]
        print_table(["means of targets", "queries", "targets", *names], rows, title)
    print(machine("numpy", "scipy"))
