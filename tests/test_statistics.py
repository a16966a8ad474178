"""Intervals, tests and ranks against SciPy, closed forms and simulations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import threadpoolctl

from lassbench.scores import statistics
from lassbench.scores.statistics import (
    FEW_CLUSTERS,
    Interval,
    bootstrap_columns,
    expanded_tail,
    paired_difference,
    rank_intervals,
)


def cluster_bootstrap(values: object, clusters: object, **how: int) -> Interval:
    """Of one column."""
    return bootstrap_columns(np.asarray(values).reshape(-1, 1), clusters, **how)[0]


def _clustered(generator: np.random.Generator, clusters: int, within: float, between: float):
    """Values whose clusters differ in size, and whose size depends on their level."""
    values, labels = [], []
    for cluster in range(clusters):
        effect = generator.normal(0, between)
        size = generator.integers(3, 6) if effect > 0 else generator.integers(1, 4)
        values += list(effect + generator.normal(0, within, size))
        labels += [f"c{cluster:03d}"] * size
    return np.array(values), np.array(labels)


# --- intervals --------------------------------------------------------------


def test_interval_is_scipys_when_every_cluster_has_one_value() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=60)
    found = cluster_bootstrap(values, np.arange(60), resamples=40_000)
    level = 1 - 2 * expanded_tail(60)
    oracle = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=40_000, confidence_level=level, method="percentile", rng=2
    ).confidence_interval
    noise = 4 * np.std(values) / math.sqrt(60) / math.sqrt(40_000 * 0.025)
    assert found.mean == pytest.approx(values.mean(), abs=1e-12)
    assert found.low == pytest.approx(oracle.low, abs=noise)
    assert found.high == pytest.approx(oracle.high, abs=noise)


def test_expanded_tail_gives_students_interval_for_normal_means() -> None:
    """For normal means the bootstrap's spread is s sqrt((K-1)/K)/sqrt(K), so the
    expanded percentile must land on Student's interval: mean ± t s / sqrt(K)."""
    for clusters in (3, 10, 200):
        z = -scipy.stats.norm.ppf(expanded_tail(clusters))
        t = scipy.stats.t.ppf(0.975, clusters - 1)
        assert z * math.sqrt((clusters - 1) / clusters) == pytest.approx(t, rel=1e-9)


def test_resampled_means_weigh_queries_not_clusters() -> None:
    """Three clusters of sizes 1, 2, 3: the exact distribution over all 27 draws."""
    values, labels = np.array([0.0, 3.0, 5.0, 7.0, 8.0, 12.0]), np.array([0, 1, 1, 2, 2, 2])
    groups = [values[labels == one] for one in range(3)]
    exact = [
        np.concatenate([groups[one] for one in draw]).mean()
        for draw in itertools.product(range(3), repeat=3)
    ]
    sums, sizes = statistics._cluster_sums(values[:, np.newaxis], labels)
    drawn = np.concatenate(list(statistics._resampled_means(sums, sizes, 50_000, 0)), axis=1)[0]
    for mean in np.unique(np.round(exact, 9)):
        share = np.mean(np.abs(np.array(exact) - mean) < 1e-6)
        noise = 4 * math.sqrt(share * (1 - share) / 50_000)
        assert np.mean(np.abs(drawn - mean) < 1e-6) == pytest.approx(share, abs=noise)


def _plain_studentised(groups: list[np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Mean, standard error and t* of every possible resample, one by one."""

    def judged(drawn: list[np.ndarray]) -> tuple[float, float]:
        queries = np.concatenate(drawn)
        linear = [np.sum(one - queries.mean()) / len(queries) for one in drawn]
        return queries.mean(), math.sqrt(len(drawn) / (len(drawn) - 1) * np.square(linear).sum())

    mean, error = judged(groups)
    found = [judged(list(draw)) for draw in itertools.product(groups, repeat=len(groups))]
    return mean, error, np.array([(one - mean) / max(own, error / 4) for one, own in found])


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_few_clusters_get_the_studentised_interval_of_a_plain_loop(
    level: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five clusters of different sizes, skewed: all 3125 resamples stand for the random ones."""
    monkeypatch.setattr(statistics, "LEVEL", level)
    groups = [np.array(one) for one in ([0.0], [1.0, 0.5], [2.0, 1.0, 1.5], [4.0], [9.0, 8.0])]
    labels = np.repeat(np.arange(5), [len(one) for one in groups])
    mean, error, drawn = _plain_studentised(groups)
    students = scipy.stats.t.ppf(0.5 + level / 2, 4)
    upper = max(np.quantile(drawn, 0.5 + level / 2), students)
    lower = min(np.quantile(drawn, 0.5 - level / 2), -students)
    # On one side each of the two is the wider.
    assert upper == students
    assert lower < -students
    found = cluster_bootstrap(np.concatenate(groups), labels, resamples=40_000)
    assert found.mean == pytest.approx(mean)
    assert found.low == pytest.approx(mean - error * upper)
    assert found.high == pytest.approx(mean - error * lower, rel=0.02)


@pytest.mark.parametrize("shift", [-1.5, 0.5])
def test_few_clusters_get_the_studentised_p_value_of_a_plain_loop(shift: float) -> None:
    groups = [np.array(one) for one in ([0.0], [1.0, 0.5], [-2.0, 1.0, 1.5], [4.0], [-3.0, 3.0])]
    groups = [one + shift for one in groups]
    labels = np.repeat(np.arange(5), [len(one) for one in groups])
    mean, error, drawn = _plain_studentised(groups)
    beyond = np.mean(drawn * np.sign(mean) >= abs(mean) / error)
    exact = 2 * max(beyond, scipy.stats.t.sf(abs(mean) / error, 4))
    assert 2.0**-4 < exact < 1
    values = np.concatenate(groups)
    found = paired_difference(values, np.zeros_like(values), labels, resamples=40_000)
    assert found.p_value == pytest.approx(exact, abs=8 * math.sqrt(exact / 40_000))


@pytest.mark.parametrize("clusters", [6, 10, FEW_CLUSTERS - 1])
def test_few_equal_clusters_have_an_interval_of_no_width(clusters: int) -> None:
    sizes = 1 + np.arange(clusters) % 3
    values, labels = np.full(sizes.sum(), 0.1), np.repeat(np.arange(clusters), sizes)
    with np.errstate(all="raise"):
        interval = cluster_bootstrap(values, labels)
        same = paired_difference(values, values, labels)
        ahead = paired_difference(values + 3.0, values, labels)
    assert (interval.low, interval.high) == pytest.approx((0.1, 0.1), abs=1e-12)
    assert (same.low, same.high, same.p_value) == (0.0, 0.0, 1.0)
    assert same.wins == same.losses == 0
    assert (ahead.low, ahead.high) == pytest.approx((3.0, 3.0), abs=1e-12)
    assert ahead.p_value == max(2.0 ** (1 - clusters), 2 / 10_001)


@pytest.mark.parametrize("clusters", [6, 10, FEW_CLUSTERS - 1])
@pytest.mark.parametrize("rounding", [0.0, 1e-13])
def test_one_cluster_that_differs_neither_hides_the_others_nor_makes_them_differ(
    clusters: int, rounding: float
) -> None:
    """A third of the resamples lack it: their standard errors are zero, or nothing but rounding."""
    others = rounding * np.random.default_rng(1).normal(size=clusters)
    alone, far = others.copy(), others + 10.0
    alone[0], far[0] = 5.0, 9.5
    with np.errstate(all="raise"):
        found = paired_difference(alone, np.zeros(clusters), range(clusters))
        clear = paired_difference(far, np.zeros(clusters), range(clusters))
    assert not found.significant
    assert found.low < 0 < found.high < 10.0
    assert clear.significant
    assert 8.5 < clear.low < clear.diff < clear.high < 10.5


def test_the_paired_test_and_the_interval_agree_where_targets_are_few() -> None:
    generator = np.random.default_rng(21)
    verdicts = []
    for run in range(300):
        values, labels = _clustered(generator, int(generator.integers(6, FEW_CLUSTERS)), 1.0, 3.0)
        found = paired_difference(values, np.zeros_like(values), labels, resamples=999, seed=run)
        mirrored = paired_difference(np.zeros_like(values), values, labels, resamples=999, seed=run)
        assert found.significant == (found.low > 0 or found.high < 0)
        assert mirrored.p_value == found.p_value
        assert (-mirrored.high, -mirrored.low) == pytest.approx((found.low, found.high))
        verdicts.append(found.significant)
    assert 30 < sum(verdicts) < 270


def _skewed(generator: np.random.Generator, clusters: int, runs: int) -> np.ndarray:
    """Exponential values less their mean, shape ``(clusters, runs)``."""
    return generator.exponential(size=(clusters, runs)) - 1


def test_few_skewed_clusters_are_covered_as_often_as_it_says() -> None:
    """Expanded percentiles cover 90.7 % here, which is too few (tests/bench/intervals.py)."""
    generator = np.random.default_rng(22)
    hits = []
    for run in range(40):
        found = bootstrap_columns(_skewed(generator, 8, 100), range(8), resamples=999, seed=run)
        hits += [one.low <= 0 <= one.high for one in found]
    assert 0.93 < np.mean(hits) < 0.96


def test_a_true_hypothesis_about_few_skewed_clusters_is_rejected_as_rarely_as_it_says() -> None:
    """Sign flips reject 8 % here."""
    values = _skewed(np.random.default_rng(23), 10, 2000)
    rejected = [
        paired_difference(one, np.zeros(10), range(10), resamples=999, seed=run).significant
        for run, one in enumerate(values.T)
    ]
    assert 0.04 < np.mean(rejected) < 0.065


@pytest.mark.parametrize("clusters", [10, 40])
def test_coverage_is_what_it_says_and_ignoring_clusters_is_not(clusters: int) -> None:
    """1 dB within and 3 dB between targets.  The true mean over queries is that of
    the size-weighted effect: E[size * effect] / E[size]."""
    generator = np.random.default_rng(5)
    # size 3..5 (mean 4) above zero, 1..3 (mean 2) below; half-normal mean 3 sqrt(2/pi).
    truth = 3 * math.sqrt(2 / math.pi) * (4 - 2) / 2 / 3
    hits = naive = 0
    runs = 400
    for run in range(runs):
        values, labels = _clustered(generator, clusters, within=1.0, between=3.0)
        interval = cluster_bootstrap(values, labels, resamples=1000, seed=run)
        hits += interval.low <= truth <= interval.high
        interval = cluster_bootstrap(values, np.arange(len(values)), resamples=1000, seed=run)
        naive += interval.low <= truth <= interval.high
    assert 0.915 <= hits / runs <= 0.985
    assert naive / runs < 0.85


def test_columns_equal_their_single_intervals_and_nan_is_left_out() -> None:
    generator = np.random.default_rng(3)
    table = generator.normal(size=(50, 3))
    table[::7, 1] = np.nan
    labels = np.repeat(np.arange(10), 5)
    columns = bootstrap_columns(table, labels)
    for index, interval in enumerate(columns):
        defined = ~np.isnan(table[:, index])
        alone = cluster_bootstrap(table[defined, index], labels[defined])
        assert interval.mean == pytest.approx(np.nanmean(table[:, index]), abs=1e-12)
        assert interval.low == pytest.approx(alone.low, abs=1e-12)
        assert interval.high == pytest.approx(alone.high, abs=1e-12)


def test_too_little_to_judge_gives_nan_not_a_number() -> None:
    one = cluster_bootstrap([1.0, 3.0], ["a", "a"])
    assert one.mean == 2.0
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert math.isnan(cluster_bootstrap([np.nan, np.nan], ["a", "b"]).mean)
    assert math.isnan(cluster_bootstrap([], []).mean)
    nothing = paired_difference([], [], [])
    assert (nothing.n, nothing.significant) == (0, False)


def test_an_interval_is_given_only_where_its_coverage_can_be_had() -> None:
    """Targets all on one side of the truth: 2^(1-K), below 5 % from six on."""
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert math.isnan(cluster_bootstrap(values[:5], range(5)).low)
    assert cluster_bootstrap(values, range(6)).low < 2.0


def test_infinite_values_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="limited"):
        cluster_bootstrap([1.0, np.inf], ["a", "b"])
    with pytest.raises(ValueError, match="limited"):
        paired_difference([1.0, np.inf], [0.0, np.inf], ["a", "b"])
    with pytest.raises(ValueError, match="clusters"):
        cluster_bootstrap([1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="paired"):
        paired_difference([1.0], [1.0, 2.0], ["a", "b"])


@pytest.mark.parametrize("clusters", [12, 60])
def test_the_digits_do_not_depend_on_the_number_of_threads(clusters: int) -> None:
    values = np.random.default_rng(24).normal(size=(clusters, 40))
    found = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads):
            found.append(bootstrap_columns(values, range(clusters)))
    assert found[0] == found[1]


def test_many_clusters_take_several_blocks_and_stay_right() -> None:
    values = np.random.default_rng(8).normal(size=3000)
    found = cluster_bootstrap(values, np.arange(3000), resamples=2000)
    half = 1.96 * values.std(ddof=1) / math.sqrt(3000)
    assert found.high - found.mean == pytest.approx(half, rel=0.12)
    assert found == cluster_bootstrap(values, np.arange(3000), resamples=2000)


# --- paired tests -----------------------------------------------------------


def test_sampled_sign_flips_near_scipys_exact_p_value() -> None:
    sums = np.random.default_rng(4).normal(0.4, 1.0, size=11)
    exact = scipy.stats.permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    found = statistics._sign_flip_p_value(sums, 40_000, 0)
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 40_000))


@pytest.mark.parametrize("clusters", [1, 2, 5])
def test_too_few_targets_differ_by_chance_however_clear_they_are(clusters: int) -> None:
    found = paired_difference(np.arange(clusters) + 100.0, np.zeros(clusters), range(clusters))
    assert found.p_value == 2.0 ** (1 - clusters)
    assert math.isnan(found.low)
    assert not found.significant


def test_the_test_rejects_a_true_hypothesis_as_rarely_as_it_says() -> None:
    generator = np.random.default_rng(9)
    runs = 400
    rejected = 0
    for run in range(runs):
        values, labels = _clustered(generator, 24, within=1.0, between=3.0)
        flips = np.where(generator.random(24) < 0.5, 1.0, -1.0)
        difference = values * flips[np.unique(labels, return_inverse=True)[1]]
        paired = paired_difference(difference, np.zeros_like(difference), labels,
                                   resamples=500, seed=run)  # fmt: skip
        rejected += paired.significant
    assert 0.02 <= rejected / runs <= 0.085


def test_wins_and_losses_count_queries_and_ties_count_for_neither() -> None:
    paired = paired_difference([1.0, 2.0, 3.0, np.nan], [0.0, 2.0, 4.5, 1.0], list("abcd"))
    assert (paired.wins, paired.losses, paired.n) == (1, 1, 3)
    assert paired.diff == pytest.approx(-0.5 / 3)


# --- ranks ------------------------------------------------------------------


def test_clear_differences_are_ranked_and_equals_share_a_rank() -> None:
    generator = np.random.default_rng(11)
    targets = np.repeat(np.arange(40), 5)
    easy = generator.normal(0, 5, 40)[targets]
    best = easy + 3 + generator.normal(0, 0.5, 200)
    middle = easy + generator.normal(0, 0.5, 200)
    worst = easy - 2 + generator.normal(0, 0.5, 200)
    ranks = rank_intervals([middle, best, middle.copy(), worst], targets, resamples=2000)
    assert [(one.rank, one.low, one.high) for one in ranks] == [
        (2, 2, 2),
        (1, 1, 1),
        (2, 2, 2),
        (4, 4, 4),
    ]


def test_systems_that_chance_could_swap_share_a_rank_and_span_both_places() -> None:
    generator = np.random.default_rng(12)
    targets = np.arange(100)
    a = generator.normal(0, 1, 100)
    b = a + generator.normal(0.01, 1, 100)
    ranks = rank_intervals([a, b], targets, resamples=2000)
    assert [one.rank for one in ranks] == [1, 1]
    assert [(one.low, one.high) for one in ranks] == [(1, 2), (1, 2)]


@pytest.mark.parametrize("clusters", [10, 30])
def test_better_beyond_chance_means_the_paired_interval_leaves_out_zero(clusters: int) -> None:
    generator = np.random.default_rng(13)
    targets = np.repeat(np.arange(clusters), 4)
    for shift in np.linspace(0.0, 1.0, 15):
        a = generator.normal(0, 1, len(targets))
        b = a + shift * 0.5 + generator.normal(0, 1, len(targets))
        paired = paired_difference(b, a, targets, resamples=4000)
        ranks = rank_intervals([a, b], targets, resamples=4000)
        if min(abs(paired.low), abs(paired.high)) > 0.01:
            assert (ranks[0].rank == 2) == (paired.low > 0)
            assert (ranks[1].rank == 2) == (paired.high < 0)


def test_with_few_targets_the_ranks_are_those_that_the_pairs_leave_open() -> None:
    generator = np.random.default_rng(14)
    systems = generator.normal(0, 1, (6, 12)) + np.array([0.0, 0.0, 1.0, 1.5, 3.0, 9.0])[:, None]
    pairs = np.array([[paired_difference(a, b, range(12)) for b in systems] for a in systems])
    ranks = rank_intervals(systems, range(12))
    for own, row in zip(ranks, pairs, strict=True):
        assert own.low == own.rank == 1 + sum(one.high < 0 for one in row)
        assert own.high == 6 - sum(one.low > 0 for one in row)
    assert len({(one.low, one.high) for one in ranks}) > 3


def test_a_query_that_one_system_lacks_is_left_out_for_all() -> None:
    a, b = np.array([1.0] * 6 + [np.nan]), np.array([0.0] * 6 + [1000.0])
    ranks = rank_intervals([a, b], range(7), resamples=500)
    assert [one.rank for one in ranks] == [1, 2]
    with pytest.raises(ValueError, match="no query"):
        rank_intervals([[np.nan, 1.0], [1.0, np.nan]], [0, 1])


def test_too_few_targets_rank_nobody() -> None:
    ranks = rank_intervals([[1.0, 2.0], [5.0, 6.0]], ["a", "b"])
    assert {(one.rank, one.low, one.high) for one in ranks} == {(1, 1, 2)}
