"""Intervals, tests and ranks that respect how a suite is built.

The mixtures of one target are not independent: they share the target, so an
easy target is easy several times over.  Everything here therefore resamples or
flips whole targets (clusters), never single queries.

**Intervals.**  With K targets, a resample draws K targets with replacement and
takes the mean of *all their queries*: ``sum_c w_c S_c / sum_c w_c n_c`` with
multiplicities ``w``, sums ``S`` and sizes ``n``, which is right for targets with
unequal numbers of queries.  The interval's ends are percentiles of those means.
A plain percentile interval is too short for few clusters (its variance lacks
the factor K/(K-1) and it uses normal tails), so the percentiles are the
expanded ones of Hesterberg (2015, "What Teachers Should Know About the
Bootstrap", section 5.3)::

    alpha' = Phi(-sqrt(K / (K - 1)) * t_{1 - alpha/2, K - 1})

Even the whole range of the resamples, which is that of the targets' means,
misses the true mean of a symmetric distribution with probability 2^(1 - K)
(all targets on one side of it).  With fewer than six targets no 95 % interval
can be had this way, and none is given.

**Tests.**  Under the hypothesis that two systems are exchangeable on every
target, the sign of a target's summed difference is a coin toss: the p-value is
the share of sign patterns whose total is at least as far from zero as the
observed one, over all patterns where they can be listed (up to
:data:`EXACT_CLUSTERS` targets), otherwise over random ones, counting the
observed pattern itself (Phipson and Smyth 2010: never exactly zero).

Values are finite or NaN (undefined, left out); infinities are limited by the
score policy before they come here.  The same arguments give the same numbers.
"""

from __future__ import annotations

import functools
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.95
#: Sign patterns of up to this many targets are listed, not sampled (2^15 by symmetry).
EXACT_CLUSTERS = 16
#: Numbers closer than this (dB) are equal: rounding must not decide a tie.
TIE = 1e-9
# Multiplicities held at once (8 bytes each): memory stays flat.
_BLOCK = 1_000_000
# Multiplicities kept for the next call that asks for the same: of one call, of all.
_KEPT = 2_000_000
_KEPT_IN_ALL = 12_000_000


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
    of the resamples.
    """

    rank: int
    low: int
    high: int


def cluster_bootstrap(
    values: ArrayLike,
    clusters: Sequence[object] | NDArray[np.generic],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Interval:
    """Mean of ``values`` with its interval from resampled clusters.

    Parameters
    ----------
    values
        Shape ``(n,)``, finite or NaN; NaN values are left out.
    clusters
        Shape ``(n,)``: the target of each value.
    resamples, seed, level
        Number of resamples, seed of the generator, coverage wanted.

    Raises
    ------
    ValueError
        If shapes differ or a value is infinite.
    """
    matrix = np.asarray(values, dtype=np.float64).reshape(-1, 1)
    return bootstrap_columns(matrix, clusters, resamples=resamples, seed=seed, level=level)[0]


def bootstrap_columns(
    matrix: ArrayLike,
    clusters: Sequence[object] | NDArray[np.generic],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> list[Interval]:
    """:func:`cluster_bootstrap` of each column of a ``(n, metrics)`` matrix.

    Columns that are undefined in the same rows share their resamples, so that
    nine metrics cost little more than one.
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
        found = _intervals(table[rows][:, columns], labels[rows], resamples, seed, level)
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
    table: Floats, labels: NDArray[np.intp], resamples: int, seed: int, level: float = LEVEL
) -> list[Interval]:
    """Intervals of the columns of a table without NaN."""
    sums, sizes = _cluster_sums(table, labels)
    means = np.ascontiguousarray(table.T).mean(axis=1).tolist()
    if resamples < 1 or not enough_clusters(len(sizes), level):
        return [Interval(mean, math.nan, math.nan) for mean in means]
    blocks = list(_resampled_means(sums, sizes, resamples, seed))
    drawn = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
    tail = expanded_tail(len(sizes), level)
    return [
        Interval(mean, _quantile(values, tail), _quantile(values, 1 - tail))
        for mean, values in zip(means, drawn, strict=True)
    ]


def _quantile(values: Floats, share: float) -> float:
    """NumPy's (linear) quantile of ``values``, whose order is not kept.

    Selecting one place at a time is several times quicker than
    :func:`numpy.quantile` of many columns, and intervals are little else.
    """
    last = len(values) - 1
    place = share * last
    below = min(int(place), last)
    values.partition(below)
    low = float(values[below])
    high = float(values[below + 1 :].min()) if below < last else low
    part, gap = place - below, high - low
    # From the nearer end, as NumPy does: the same digits.
    return low + gap * part if part < 0.5 else high - gap * (1 - part)


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


@functools.cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _multiplicities(clusters: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each cluster is drawn, in blocks of shape ``(clusters, resamples)``."""
    if clusters * resamples > _KEPT:
        yield from _drawn_multiplicities(clusters, resamples, seed)
        return
    yield from _kept_multiplicities(clusters, resamples, seed)


def _kept_multiplicities(clusters: int, resamples: int, seed: int) -> tuple[Floats, ...]:
    # Every metric, breakdown and entry of one suite asks for the same draws,
    # and a breakdown by pairs has groups of a dozen sizes.
    asked = (clusters, resamples, seed)
    with _keeping:
        found = _kept.pop(asked, None) or tuple(_drawn_multiplicities(*asked))
        _kept[asked] = found
        while sum(size * times for size, times, _ in _kept) > _KEPT_IN_ALL:
            _kept.popitem(last=False)
    return found


# The draws kept, those asked for last at the end.
_kept: OrderedDict[tuple[int, int, int], tuple[Floats, ...]] = OrderedDict()
_keeping = threading.Lock()


def _drawn_multiplicities(clusters: int, resamples: int, seed: int) -> Iterator[Floats]:
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // clusters)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(0, clusters, size=(rows, clusters))
        drawn += np.arange(0, rows * clusters, clusters)[:, np.newaxis]
        counts = np.bincount(drawn.ravel(), minlength=rows * clusters)
        yield np.ascontiguousarray(counts.reshape(rows, clusters).T, dtype=np.float64)


def enough_clusters(clusters: int, level: float = LEVEL) -> bool:
    """Whether this many targets can carry an interval of this level."""
    return clusters > 1 and 1.0 - 2.0 ** (1 - clusters) >= level


def expanded_tail(clusters: int, level: float = LEVEL) -> float:
    """The percentile (as a share) at which an interval of this level begins.

    Hesterberg's expanded percentile, see the module's docstring; with many
    clusters it nears ``(1 - level) / 2``.
    """
    from scipy.special import ndtr, stdtrit

    quantile = float(stdtrit(clusters - 1, 0.5 + level / 2))
    return float(ndtr(-math.sqrt(clusters / (clusters - 1)) * quantile))


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
    sums = _cluster_sums(difference[:, np.newaxis], labels)[0][:, 0]
    return Paired(
        diff=interval.mean,
        low=interval.low,
        high=interval.high,
        p_value=sign_flip_p_value(sums, resamples=resamples, seed=seed),
        wins=int(np.sum(difference > TIE)),
        losses=int(np.sum(difference < -TIE)),
        n=len(difference),
    )


def sign_flip_p_value(sums: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """Two-sided p-value of the total of ``sums`` when each one's sign is a coin toss.

    Parameters
    ----------
    sums
        Shape ``(clusters,)``: summed differences of each target.
    """
    totals = np.asarray(sums, dtype=np.float64)
    observed = abs(float(np.sum(totals)))
    threshold = observed - TIE * max(1.0, float(np.sum(np.abs(totals))))
    if len(totals) <= EXACT_CLUSTERS:
        flipped = _all_sign_totals(totals)
        return float(np.mean(np.abs(flipped) >= threshold))
    hits = sum(
        int(np.sum(np.abs(block) >= threshold))
        for block in _random_sign_totals(totals, resamples, seed)
    )
    return (hits + 1) / (resamples + 1)


def _all_sign_totals(sums: Floats) -> Floats:
    """Totals under every sign pattern with the first sign fixed (the others mirror them)."""
    totals = sums[:1]
    for one in sums[1:]:
        totals = np.concatenate([totals + one, totals - one])
    return totals


def _random_sign_totals(sums: Floats, resamples: int, seed: int) -> Iterator[Floats]:
    generator = np.random.default_rng([seed, 1])
    block = max(1, _BLOCK // len(sums))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        signs = generator.integers(0, 2, size=(rows, len(sums)), dtype=np.int8)
        yield np.sum(np.where(signs, sums, -sums), axis=1)


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
    if not enough_clusters(len(sizes)):
        # So few targets say nothing about others: nobody can be told apart.
        return [RankInterval(1, 1, systems)] * systems
    tail = expanded_tail(len(sizes))
    means = np.concatenate(list(_resampled_means(sums, sizes, resamples, seed)), axis=1)
    better = _better_beyond(means, (1 - tail) * resamples)
    ranks = _ranks(np.ascontiguousarray(means.T))
    low = np.quantile(ranks, tail, axis=0, method="inverted_cdf")
    high = np.quantile(ranks, 1 - tail, axis=0, method="inverted_cdf")
    return [
        RankInterval(int(1 + better[:, one].sum()), int(low[one]), int(high[one]))
        for one in range(systems)
    ]


def _ranks(means: Floats) -> NDArray[np.int32]:
    """Rank of each system in each resample, shape of ``means``: ``(resamples, systems)``."""
    ranks = np.empty(means.shape, dtype=np.int32)
    for own, row, there in zip(means, np.sort(means, axis=1), ranks, strict=True):
        there[:] = len(own) + 1 - np.searchsorted(row, own + TIE, side="right")
    return ranks


def _better_beyond(means: Floats, wanted: float) -> NDArray[np.bool_]:
    """Whether i is ahead of j in at least ``wanted`` resamples, shape ``(systems, systems)``.

    ``means`` has shape ``(systems, resamples)``.  ``wanted`` is more than half of
    the resamples, so that of two systems one at most can be ahead.
    """
    # Each pair once, and its rows stay in the cache: 200 systems take a fifth of a second.
    better = np.zeros((len(means), len(means)), dtype=np.bool_)
    order = np.argsort(-means.mean(axis=1), kind="stable")
    for place, one in enumerate(order):
        clearly = means[one] - TIE
        for other in order[place + 1 :]:
            ahead = np.count_nonzero(clearly > means[other])
            if ahead >= wanted:
                better[one, other] = True
            elif len(clearly) - ahead >= wanted:
                behind = np.count_nonzero(means[other] - TIE > means[one])
                better[other, one] = behind >= wanted
    return better


@dataclass(frozen=True, slots=True)
class Spread:
    """How values of the same mixtures vary with who asked (see :func:`asker_spread`)."""

    means: tuple[float, ...]
    mean: float
    spread: float
    worst: int
    worst_of_mixture: float
    within_mixture_sd: float
    asker_share: float
    mixtures: int


def asker_spread(matrix: ArrayLike) -> Spread | None:
    """Spread between annotators of a ``(mixtures, annotators)`` matrix.

    Mixtures that some annotator's query lacks (NaN) are left out, so that every
    annotator is judged on the same ones.  ``spread`` is the standard deviation
    (n - 1) of the annotators' means, ``worst`` the index of the lowest,
    ``worst_of_mixture`` the mean over mixtures of the lowest value,
    ``within_mixture_sd`` the root of the mean variance (n - 1) within a mixture,
    ``asker_share`` the mean (population) variance within a mixture over the
    variance of all values: 0 when it does not matter who asks, 1 when nothing
    else does.  ``None`` with fewer than two annotators or no complete mixture.
    """
    table = np.asarray(matrix, dtype=np.float64)
    table = table[~np.isnan(table).any(axis=1)]
    if table.shape[1] < 2 or not len(table):
        return None
    means = table.mean(axis=0)
    total = float(table.var())
    return Spread(
        means=tuple(float(one) for one in means),
        mean=float(means.mean()),
        spread=float(means.std(ddof=1)),
        worst=int(np.argmin(means)),
        worst_of_mixture=float(table.min(axis=1).mean()),
        within_mixture_sd=math.sqrt(float(table.var(axis=1, ddof=1).mean())),
        asker_share=float(table.var(axis=1).mean()) / total if total > 0 else 0.0,
        mixtures=len(table),
    )
