"""Intervals, tests and ranks that respect how a suite is built.

The mixtures of one target are not independent: they share the target, so an
easy target is easy several times over.  Everything here therefore resamples or
flips whole targets (clusters), never single queries.

With K targets, a resample draws K targets with replacement and takes the mean
of *all their queries*, ``m = sum_c w_c S_c / sum_c w_c n_c`` with multiplicities
``w``, sums ``S`` and sizes ``n``, which is right for targets with unequal
numbers of queries.

**From** :data:`FEW_CLUSTERS` **targets on**, an interval's ends are percentiles
of those means.  A plain percentile interval is too short (its variance lacks
the factor K/(K-1) and it uses normal tails), so the percentiles are the
expanded ones of Hesterberg (2015, "What Teachers Should Know About the
Bootstrap", section 5.3)::

    alpha' = Phi(-sqrt(K / (K - 1)) * t_{1 - alpha/2, K - 1})

The paired test flips signs: if two systems are exchangeable on every target,
the sign of a target's summed difference is a coin toss, and the p-value is the
share of random sign patterns whose total is at least as far from zero as the
observed one, itself counted (Phipson and Smyth 2010: never exactly zero).

**With fewer**, skewed means are missed too often, and the interval is that of
the studentised bootstrap (bootstrap-t; Hall 1992, section 3.2; Efron and
Tibshirani 1993, section 12.5), with the standard error of the mean's linear part::

    s(m)^2 = K / (K - 1) * sum_c w_c (S_c - m n_c)^2 / (sum_c w_c n_c)^2
    t* = (m* - m) / max(s(m*), s(m) / 4)
    low = m - s(m) max(t*_{1 - alpha/2}, t_{1 - alpha/2, K - 1})
    high = m - s(m) min(t*_{alpha/2}, -t_{1 - alpha/2, K - 1})

Resamples of almost equal targets have a standard error near zero; the quarter
keeps their t* finite and leaves coverage as it is.  Student's quantile is taken
where it is the wider, for that of t* is too short under heavy tails.  The paired
test is the interval turned round: the p-value is twice the larger of the
resampled and Student's probability beyond m / s(m), below 1 - level where the
interval leaves out zero.  It is at least 2^(1 - K), the probability that all
targets of a symmetric distribution lie on one side of its mean, for which
reason also fewer than six targets carry no 95 % interval.

Ten targets of five queries, 4000 runs of ``python -m tests.bench intervals``::

    means of targets:                normal  exponential  log-normal  t, 3 degrees
    coverage, expanded percentiles    0.946        0.912       0.873         0.942
    coverage, BCa                     0.900        0.872       0.833         0.867
    coverage, bootstrap-t             0.951        0.934       0.905         0.934
    coverage, with Student's (here)   0.966        0.942       0.913         0.970
    its width, in Student's t's        1.09         1.23        1.30          1.12
    size of sign flips                0.045        0.087       0.126         0.045
    size of the test here             0.032        0.058       0.086         0.029

Values are finite or NaN (undefined, left out); infinities are limited by the
score policy before they come here.  The same arguments give the same numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.95
#: With fewer targets intervals and tests are studentised.  Simulated (tests/bench/intervals.py),
#: expanded percentiles cover 90 % of exponential means with 8 targets, 93 % with 30.
FEW_CLUSTERS = 30
#: Numbers closer than this (dB) are equal: rounding must not decide a tie.
TIE = 1e-9
# Least standard error of a resample, in the sample's.
_LEAST_ERROR = 0.25
# Multiplicities held at once (8 bytes each): memory stays flat.
_BLOCK = 1_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the ends of its interval; NaN where too little is defined."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """How two systems differ on the same queries (first minus second).

    ``wins`` and ``losses`` count queries where the first is higher or lower;
    ``n`` counts the queries where both are defined.
    """

    diff: float
    low: float
    high: float
    p_value: float
    wins: int
    losses: int
    n: int

    @property
    def significant(self) -> bool:
        """Whether the difference is more than chance."""
        return self.p_value < 1 - LEVEL


@dataclass(frozen=True, slots=True)
class RankInterval:
    """Where a system stands among others, 1 for the best.

    ``rank`` is one more than the number of systems that are better beyond
    chance, so that systems that cannot be told apart from the best of their
    group share a rank; ``low`` to ``high`` are the ranks it takes in 95 %
    of the resamples, with few targets those that the pairs leave open.
    """

    rank: int
    low: int
    high: int


def bootstrap_columns(
    matrix: ArrayLike,
    clusters: Sequence[object] | NDArray[np.generic],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Interval]:
    """Mean of each column with its interval from resampled clusters.

    Columns that are undefined in the same rows share their resamples, so that
    nine metrics cost little more than one.

    Parameters
    ----------
    matrix
        Shape ``(n, metrics)``, finite or NaN; NaN values are left out.
    clusters
        Shape ``(n,)``: the target of each row.

    Raises
    ------
    ValueError
        If shapes differ or a value is infinite.
    """
    table = _checked(matrix, clusters)
    labels = _labels(clusters)
    undefined = np.isnan(table)
    intervals = [Interval(math.nan, math.nan, math.nan)] * table.shape[1]
    patterns: dict[bytes, list[int]] = {}
    for index in range(table.shape[1]):
        patterns.setdefault(undefined[:, index].tobytes(), []).append(index)
    for columns in patterns.values():
        rows = ~undefined[:, columns[0]]
        if not rows.any():
            continue
        found = _intervals(table[rows][:, columns], labels[rows], resamples, seed)
        for index, interval in zip(columns, found, strict=True):
            intervals[index] = interval
    return intervals


def _checked(matrix: ArrayLike, clusters: Sequence[object] | NDArray[np.generic]) -> Floats:
    table = np.asarray(matrix, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(clusters):
        raise ValueError(f"{table.shape} values do not fit {len(clusters)} clusters")
    if np.isinf(table).any():
        raise ValueError("infinite values must be limited before they are averaged")
    return table


def _labels(clusters: Sequence[object] | NDArray[np.generic]) -> NDArray[np.intp]:
    labels: NDArray[np.intp] = np.unique(np.asarray(clusters), return_inverse=True)[1]
    return labels.reshape(-1)


def _intervals(
    table: Floats, labels: NDArray[np.intp], resamples: int, seed: int
) -> list[Interval]:
    """Intervals of the columns of a table without NaN."""
    sums, sizes = _cluster_sums(table, labels)
    means = np.ascontiguousarray(table.T).mean(axis=1).tolist()
    if not enough_clusters(len(sizes)):
        return [Interval(mean, math.nan, math.nan) for mean in means]
    if len(sizes) < FEW_CLUSTERS:
        low, high = _studentised_ends(sums, sizes, resamples, seed)
    else:
        drawn = _joined(_resampled_means(sums, sizes, resamples, seed))
        tail = expanded_tail(len(sizes))
        low, high = np.quantile(drawn, [tail, 1 - tail], axis=1)
    return [Interval(*ends) for ends in zip(means, low.tolist(), high.tolist(), strict=True)]


def _cluster_sums(table: Floats, labels: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Sums ``(clusters, columns)`` and sizes ``(clusters,)`` of the clusters that occur."""
    sizes: Floats = np.bincount(labels).astype(np.float64)
    sums: Floats = np.stack([np.bincount(labels, weights=values) for values in table.T], axis=1)
    return sums[sizes > 0], sizes[sizes > 0]


def _resampled_means(sums: Floats, sizes: Floats, resamples: int, seed: int) -> Iterator[Floats]:
    """Means of resampled clusters, in blocks of shape ``(columns, resamples)``."""
    # One thread: the order of additions, and so the last digit, must not
    # depend on how many processors there are.
    with _blas().limit(limits=1):
        for weights in _multiplicities(len(sizes), resamples, seed):
            if np.all(sizes == sizes[0]):
                # Every resample holds as many queries.
                yield np.ascontiguousarray((sums / sizes.sum()).T) @ weights
            else:
                drawn: Floats = np.ascontiguousarray(sums.T) @ weights
                drawn /= sizes @ weights
                yield drawn


def _joined(blocks: Iterable[Floats]) -> Floats:
    """Blocks of columns as one; there is only one of few clusters, which is not copied."""
    first, *others = blocks
    return np.concatenate([first, *others], axis=1) if others else first


@functools.cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _multiplicities(clusters: int, resamples: int, seed: int) -> Iterable[Floats]:
    """How often each cluster is drawn, in blocks of shape ``(clusters, resamples)``."""
    asked = (clusters, resamples, seed)
    return _kept(*asked) if clusters * resamples <= _BLOCK else _drawn(*asked)


@functools.lru_cache(maxsize=4)
def _kept(*asked: int) -> tuple[Floats, ...]:
    # All entries of a leaderboard ask for the same few draws.
    return tuple(_drawn(*asked))


def _drawn(clusters: int, resamples: int, seed: int) -> Iterator[Floats]:
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // clusters)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(0, clusters, size=(rows, clusters))
        drawn += np.arange(0, rows * clusters, clusters)[:, np.newaxis]
        counts = np.bincount(drawn.ravel(), minlength=rows * clusters)
        yield np.ascontiguousarray(counts.reshape(rows, clusters).T, dtype=np.float64)


def enough_clusters(clusters: int) -> bool:
    """Whether this many targets can carry an interval of :data:`LEVEL`."""
    return clusters > 1 and 1.0 - 2.0 ** (1 - clusters) >= LEVEL


def expanded_tail(clusters: int) -> float:
    """The percentile (as a share) at which an interval begins: see the module's docstring."""
    from scipy.special import ndtr

    return float(ndtr(-math.sqrt(clusters / (clusters - 1)) * student_quantile(clusters)))


def student_quantile(clusters: int) -> float:
    """Student's t of K - 1 degrees beyond which half of what ``LEVEL`` leaves lies."""
    from scipy.special import stdtrit

    return float(stdtrit(clusters - 1, 0.5 + LEVEL / 2))


def _studentised(
    sums: Floats, sizes: Floats, resamples: int, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Means and standard errors ``(columns,)``, ascending t* ``(columns, resamples)``."""
    columns, total = sums.shape[1], sizes.sum()
    means = sums.sum(axis=0) / total
    scale = len(sizes) / (len(sizes) - 1)
    off = sums.T - np.outer(means, sizes)
    errors = np.sqrt(scale * (off**2).sum(axis=1)) / total
    # Without spread every resample is the sample, and any divisor makes t* zero.
    least = np.where(errors > 0, errors * _LEAST_ERROR, 1.0)[:, np.newaxis]
    parts = np.concatenate([off, off**2, off * sizes, [sizes, sizes**2]])
    with _blas().limit(limits=1):
        drawn = _joined(parts @ one for one in _multiplicities(len(sizes), resamples, seed))
    apart, squares, products = drawn[:-2].reshape(3, columns, -1)
    queries, queries_squared = drawn[-2:]
    apart /= queries
    # The sum of w (off - apart n)^2; rounding may leave it below zero.
    squares += apart * (apart * queries_squared - 2 * products)
    drawn_errors = np.sqrt(scale * np.maximum(squares, 0.0)) / queries
    apart /= np.maximum(drawn_errors, least)
    apart.sort(axis=1)
    return means, errors, apart


def _studentised_ends(
    sums: Floats, sizes: Floats, resamples: int, seed: int
) -> tuple[Floats, Floats]:
    """Both ends of each column's interval."""
    means, errors, drawn = _studentised(sums, sizes, resamples, seed)
    students = student_quantile(len(sizes))
    # What is left beyond has a share of (1 - LEVEL) / 2, the sample being counted too.
    beyond = max(int((1 - LEVEL) / 2 * (resamples + 1)), 1)
    low = means - errors * np.maximum(drawn[:, -beyond], students)
    high = means - errors * np.minimum(drawn[:, beyond - 1], -students)
    return low, high


def _studentised_p_value(sums: Floats, sizes: Floats, resamples: int, seed: int) -> float:
    """Two-sided p-value of the one column of ``sums``: see the module's docstring."""
    from scipy.special import stdtr

    if len(sizes) < 2 or abs(sums.sum()) <= TIE * sizes.sum():
        return 1.0
    means, errors, drawn = _studentised(sums, sizes, resamples, seed)
    observed = abs(means[0]) / errors[0] if errors[0] > 0 else math.inf
    beyond = np.count_nonzero(drawn * np.sign(means) >= observed)
    share = max((beyond + 1) / (resamples + 1), stdtr(len(sizes) - 1, -observed))
    return float(min(max(2 * share, 2.0 ** (1 - len(sizes))), 1.0))


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[object] | NDArray[np.generic],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Paired:
    """Mean of ``a - b`` over the queries where both are defined, tested by target.

    Parameters
    ----------
    a, b
        Shape ``(n,)``: two systems' values on the same queries, finite or NaN.
    clusters
        Shape ``(n,)``: the target of each query.

    Raises
    ------
    ValueError
        If shapes differ or a value is infinite.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape} values cannot be paired")
    both = _checked(np.stack([first.ravel(), second.ravel()], axis=1), clusters)
    difference = both[:, 0] - both[:, 1]
    defined = ~np.isnan(difference)
    difference, labels = difference[defined], _labels(clusters)[defined]
    if not len(difference):
        return Paired(math.nan, math.nan, math.nan, math.nan, 0, 0, 0)
    interval = _intervals(difference[:, np.newaxis], labels, resamples, seed)[0]
    sums, sizes = _cluster_sums(difference[:, np.newaxis], labels)
    if len(sizes) < FEW_CLUSTERS:
        p_value = _studentised_p_value(sums, sizes, resamples, seed)
    else:
        p_value = _sign_flip_p_value(sums[:, 0], resamples, seed)
    return Paired(
        diff=interval.mean,
        low=interval.low,
        high=interval.high,
        p_value=p_value,
        wins=int(np.sum(difference > TIE)),
        losses=int(np.sum(difference < -TIE)),
        n=len(difference),
    )


def _sign_flip_p_value(sums: Floats, resamples: int, seed: int) -> float:
    """Two-sided p-value of the total of ``sums`` when each one's sign is a coin toss."""
    threshold = abs(float(sums.sum())) - TIE * max(1.0, float(np.abs(sums).sum()))
    generator = np.random.default_rng([seed, 1])
    block = max(1, _BLOCK // len(sums))
    hits = 1  # the observed pattern
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        signs = generator.integers(0, 2, size=(rows, len(sums)), dtype=np.int8)
        totals = np.sum(np.where(signs, sums, -sums), axis=1)
        hits += int(np.sum(np.abs(totals) >= threshold))
    return hits / (resamples + 1)


def rank_intervals(
    matrix: ArrayLike,
    clusters: Sequence[object] | NDArray[np.generic],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[RankInterval]:
    """Ranks of systems by their mean (higher is better), from the paired bootstrap.

    Every system sees the same resampled targets.  One is better than another
    beyond chance when the interval of their difference leaves out zero.

    Parameters
    ----------
    matrix
        Shape ``(systems, queries)``, finite or NaN; a query that is undefined
        for any system is left out for all.
    clusters
        Shape ``(queries,)``: the target of each query.

    Raises
    ------
    ValueError
        If shapes differ, a value is infinite, or no query is defined for all.
    """
    table = _checked(np.asarray(matrix, dtype=np.float64).T, clusters)
    defined = ~np.isnan(table).any(axis=1)
    if not defined.any():
        raise ValueError("no query is defined for every system")
    sums, sizes = _cluster_sums(table[defined], _labels(clusters)[defined])
    systems = table.shape[1]
    if len(sizes) < FEW_CLUSTERS:
        better = _better_studentised(sums, sizes, resamples, seed)
        low, high = 1 + better.sum(axis=0), systems - better.sum(axis=1)
    else:
        means = _joined(_resampled_means(sums, sizes, resamples, seed))
        tail = expanded_tail(len(sizes))
        better = np.zeros((systems, systems), dtype=np.bool_)
        ranks = np.ones(means.shape, dtype=np.min_scalar_type(systems))
        for one, own in enumerate(means):
            ahead = own - TIE > means
            ranks += ahead
            counts = [np.count_nonzero(row) for row in ahead]  # much quicker than their sum
            better[one] = np.array(counts) >= (1 - tail) * resamples
        low = np.quantile(ranks, tail, axis=1, method="inverted_cdf")
        high = np.quantile(ranks, 1 - tail, axis=1, method="inverted_cdf")
    places = 1 + better.sum(axis=0)
    return [RankInterval(*map(int, ends)) for ends in zip(places, low, high, strict=True)]


def _better_studentised(
    sums: Floats, sizes: Floats, resamples: int, seed: int
) -> NDArray[np.bool_]:
    """Whether the interval of i minus j is above zero, shape ``(systems, systems)``."""
    systems = sums.shape[1]
    better = np.zeros((systems, systems), dtype=np.bool_)
    if not enough_clusters(len(sizes)):
        return better
    for one in range(systems - 1):
        differences = sums[:, [one]] - sums[:, one + 1 :]
        low, high = _studentised_ends(differences, sizes, resamples, seed)
        better[one, one + 1 :] = low > TIE
        better[one + 1 :, one] = high < -TIE
    return better
