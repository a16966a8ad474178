"""Who is ahead of whom on a suite, on the same queries and beyond chance.

For each metric the *ranked* systems are those with enough coverage that read a
text, a tag or nothing.  They are compared on the queries that all of them cover
and that are defined for all of them.  Oracles (which read the references),
partial entries, and entries that cover less than :data:`MIN_COVERAGE` of the
suite stand in the table without a rank: one of them must not shrink what
everybody else is compared on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lassbench.errors import UsageError, did_you_mean
from lassbench.leaderboard.entries import Entry, Loaded, SuiteCard
from lassbench.scores.score_file import METRICS, column, limited
from lassbench.scores.statistics import RankInterval, cluster_bootstrap, rank_intervals

Floats = NDArray[np.float64]

#: Least share of a suite's queries that an entry must cover to be ranked.
MIN_COVERAGE = 0.5

#: Maps a function over contests: ``map``, or a pool's.
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]

#: Metrics of the tables, in their order; the first is what a table is sorted by.
TABLE_METRICS: Mapping[str, tuple[str, ...]] = {
    "separation": ("si_sdr_i", "sdr_i", "sir_i", "sar", "snr_i"),
    "absent": ("attenuation", "silent_share"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One system's value of one metric, as a table shows it.

    ``mean`` with its 95 % interval (``None`` where undefined) is over ``n``
    queries: those all ranked systems share if ``shared``, otherwise the
    system's own.  ``rank`` and its interval are ``None`` for unranked systems,
    ``tied`` says that another system has the same rank.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    shared: bool
    rank: int | None = None
    tied: bool = False
    rank_low: int | None = None
    rank_high: int | None = None


@dataclass(frozen=True)
class Row:
    """A system in a suite's table."""

    loaded: Loaded
    figures: Mapping[str, Figure]
    unranked_because: str
    notes: tuple[str, ...]

    @property
    def entry(self) -> Entry:
        """The entry shown."""
        return self.loaded.entry

    @property
    def name(self) -> str:
        """The system's name."""
        return self.loaded.name


@dataclass(frozen=True)
class Standings:
    """A suite's table: rows best first, and what they were compared on.

    ``shared`` is, for each metric, how many queries the ranks stand on.
    """

    card: SuiteCard
    metrics: tuple[str, ...]
    sorted_by: str
    rows: Sequence[Row]
    shared: Mapping[str, int]
    query_types: tuple[str, ...]

    @cached_property
    def ranked(self) -> int:
        """How many systems have a rank in the metric that the table is sorted by."""
        return sum(row.figures[self.sorted_by].rank is not None for row in self.rows)

    @property
    def templated(self) -> bool:
        """Whether texts of this suite come from templates instead of people."""
        return "templated" in self.query_types


def standings(card: SuiteCard, entries: Sequence[Loaded], *, metric: str = "") -> Standings:
    """The table of one suite, best first by ``metric`` (the kind's first by default).

    Raises
    ------
    UsageError
        If ``metric`` is not one that this suite's table has.
    """
    return next(many_standings([(card, entries, metric)]))


def many_standings(
    suites: Iterable[tuple[SuiteCard, Sequence[Loaded], str]], *, mapper: Mapper = map
) -> Iterator[Standings]:
    """:func:`standings` of each (card, entries, metric), all mapped at once.

    ``mapper`` maps the ranking of each metric, the only work that takes long.

    Raises
    ------
    UsageError
        As :func:`standings` does.
    """
    drafts = [_Draft(card, entries, metric) for card, entries, metric in suites]
    # Suite after suite, but as one queue: no process waits for the end of a suite.
    ranks = iter(mapper(_rank, (one for draft in drafts for one in draft.contests())))
    for draft in drafts:
        yield draft.finished([next(ranks) for _ in draft.metrics])


class _Draft:
    """A suite's table that waits for its ranks."""

    def __init__(self, card: SuiteCard, entries: Sequence[Loaded], metric: str) -> None:
        self.card, self.entries = card, entries
        self.metrics = TABLE_METRICS[card.kind]
        self.sorted_by = metric or self.metrics[0]
        if self.sorted_by not in self.metrics:
            near = did_you_mean(self.sorted_by, self.metrics)
            raise UsageError(
                f"no column {self.sorted_by!r} in the table of {card.name}{near}",
                expected=", ".join(self.metrics),
            )
        self.grid = _Grid(card, entries)

    def contests(self) -> Iterator[_Contest]:
        """What has to be ranked, metric by metric."""
        return map(self.grid.contest, self.metrics)

    def finished(self, ranks: Sequence[Any]) -> Standings:
        """The table, given what :func:`_rank` made of each contest."""
        by_metric = {
            name: self.grid.figures(name, found)
            for name, found in zip(self.metrics, ranks, strict=True)
        }
        rows = [
            Row(
                loaded,
                {name: by_metric[name][0][loaded.slug] for name in self.metrics},
                unranked_because(loaded.entry, self.card),
                seen_notes(loaded, self.card),
            )
            for loaded in self.entries
        ]
        rows.sort(key=lambda row: _order(row, self.sorted_by))
        shared = {name: by_metric[name][1] for name in self.metrics}
        types = {
            kind
            for loaded in self.entries
            for kind in loaded.rows.column("query_type").unique().to_pylist()
        }
        return Standings(
            self.card, self.metrics, self.sorted_by, rows, shared, tuple(sorted(types))
        )


def _order(row: Row, metric: str) -> tuple[float, str]:
    mean = row.figures[metric].mean
    sign = -1.0 if METRICS[metric].better == "higher" else 1.0
    return (np.inf if mean is None else sign * mean, row.loaded.slug)


def unranked_because(entry: Entry, card: SuiteCard) -> str:
    """Why ``entry`` has no rank, or ``""`` if it may have one."""
    if entry.standing == "partial":
        return "partial: predictions were missing"
    if entry.score.system.query_type == "oracle":
        return "reads the references: an upper bound"
    covered = entry.score.coverage.queries_scored
    if covered < MIN_COVERAGE * card.queries:
        return f"covers {covered} of {card.queries} queries, less than {MIN_COVERAGE:.0%}"
    return ""


def seen_notes(loaded: Loaded, card: SuiteCard) -> tuple[str, ...]:
    """What has to be said about training data that holds test audio."""
    score = loaded.entry.score
    seen = score.contamination
    if seen.clips:
        count = len(seen.clips)
        return (f"{count} of its training clips are test clips of this suite.",)
    if seen.declared:
        return ()
    trained = [text.casefold() for text in score.system.trained_on]
    return tuple(
        note.note
        for note in card.seen_notes
        if any(
            note.training_set.casefold() in text
            and not any(word.casefold() in text for word in note.unless)
            for text in trained
        )
    )


@dataclass(frozen=True)
class _Contest:
    """One metric's ranked systems on the queries that they share; picklable.

    ``values`` has shape (systems, queries), higher is better; ``common`` marks
    the shared queries among all of the grid's.
    """

    slugs: tuple[str, ...]
    values: Floats
    targets: NDArray[np.object_]
    common: NDArray[np.bool_]


def _rank(contest: _Contest) -> tuple[_Contest, Mapping[str, RankInterval]]:
    if not contest.common.any():
        return contest, {}
    ranks = rank_intervals(contest.values, contest.targets)
    return contest, dict(zip(contest.slugs, ranks, strict=True))


class _Grid:
    """All entries' values on one list of queries: the union of what they cover."""

    def __init__(self, card: SuiteCard, entries: Sequence[Loaded]) -> None:
        self.card, self.entries = card, entries
        self.rankable = [e for e in entries if not unranked_because(e.entry, card)]
        target_of: dict[str, str] = {}
        for loaded in entries:
            if not target_of.keys() >= set(loaded.query_ids):
                targets = loaded.rows.column("target_id").to_pylist()
                target_of.update(zip(loaded.query_ids, targets, strict=True))
        self.ids = sorted(target_of)
        self.targets = np.asarray([target_of[one] for one in self.ids], dtype=object)

    def values(self, loaded: Loaded, metric: str) -> Floats:
        """The metric of each query, limited as means see it; NaN where not covered."""
        own = limited(column(loaded.rows, metric), metric)
        if len(own) == len(self.ids):
            return own
        values = np.full(len(self.ids), np.nan)
        values[np.searchsorted(self.ids, loaded.query_ids)] = own
        return values

    def contest(self, metric: str) -> _Contest:
        """Who is ranked by ``metric``, on which queries."""
        least = MIN_COVERAGE * self.card.queries
        values = {loaded.slug: self.values(loaded, metric) for loaded in self.rankable}
        ranked = [one for one, found in values.items() if np.sum(~np.isnan(found)) >= least]
        common = np.full(len(self.ids), bool(ranked))
        for one in ranked:
            common &= ~np.isnan(values[one])
        sign = 1.0 if METRICS[metric].better == "higher" else -1.0
        matrix = np.array([sign * values[one][common] for one in ranked])
        return _Contest(tuple(ranked), matrix, self.targets[common], common)

    def figures(
        self, metric: str, ranked: tuple[_Contest, Mapping[str, RankInterval]]
    ) -> tuple[dict[str, Figure], int]:
        """Every entry's figure of ``metric``, and how many queries the ranks stand on."""
        contest, ranks = ranked
        found = {loaded.slug: self._figure(loaded, metric, contest) for loaded in self.entries}
        holders = Counter(rank.rank for rank in ranks.values())
        for one, rank in ranks.items():
            found[one] = replace(
                found[one],
                rank=rank.rank,
                tied=holders[rank.rank] > 1,
                rank_low=rank.low,
                rank_high=rank.high,
            )
        return found, int(contest.common.sum())

    def _figure(self, loaded: Loaded, metric: str, contest: _Contest) -> Figure:
        values, common = self.values(loaded, metric), contest.common
        defined = ~np.isnan(values)
        shared = bool(common.any() and defined[common].all())
        chosen = common if shared else defined
        cell = loaded.entry.score.summary[metric]
        if int(chosen.sum()) != cell.n:
            made = cluster_bootstrap(values[chosen], self.targets[chosen])
            low, high = (None if np.isnan(end) else end for end in (made.low, made.high))
            return Figure(made.mean, low, high, int(chosen.sum()), shared)
        return Figure(cell.mean, cell.ci_low, cell.ci_high, cell.n, shared)
