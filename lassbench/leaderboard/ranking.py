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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lassbench.leaderboard.checks import Mapper
from lassbench.leaderboard.entries import TABLE_METRICS, Entry, Leaderboard, Loaded, SuiteCard
from lassbench.scores.rows import metric_named, seen
from lassbench.scores.statistics import RankInterval, rank_intervals
from lassbench.scores.summary import Cell, interval_cells

#: Least share of a suite's queries that an entry must cover to be ranked.
MIN_COVERAGE = 0.5

#: What has to be known of a system that makes its answer anew.
GENERATIVE = (
    "Generative: it makes its answer anew and loses the phase, which SI-SDR, SDR and SNR punish"
    " and nobody hears."
)

# What is asked, the same for every entry of a suite.
_QUESTION = (
    "query_id", "target_id", "concept", "noise_concept", "query_type", "annotator", "text",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure(Cell):
    """One system's value of one metric, as a table shows it.

    The mean is over the queries that all ranked systems share if ``shared``, otherwise
    over the system's own.  ``rank`` and its interval are ``None`` for unranked systems,
    ``tied`` says that another system has the same rank.
    """

    shared: bool
    rank: int | None = None
    tied: bool = False
    rank_low: int | None = None
    rank_high: int | None = None


@dataclass(frozen=True)
class Row:
    """A system in a suite's table; ``heard`` says which test clips it was trained on."""

    loaded: Loaded
    figures: Mapping[str, Figure]
    unranked_because: str
    heard: tuple[str, ...]

    @property
    def entry(self) -> Entry:
        """The entry shown."""
        return self.loaded.entry

    @property
    def name(self) -> str:
        """The system's name."""
        return self.loaded.name

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be known before comparing it."""
        return (*self.heard, *[GENERATIVE] * self.entry.system.generative)

    def leads(self, metric: str) -> bool:
        """Whether its figure stands out: it shares the first rank.

        SAR alone says nothing, for a system that hardly touches the mixture wins it.
        """
        first = {name for name, figure in self.figures.items() if figure.rank == 1}
        return metric in first and first != {"sar"}


@dataclass(frozen=True)
class Standings:
    """A suite's table: rows best first, and what they were compared on.

    ``shared`` is, for each metric, how many queries the ranks stand on; ``questions`` are
    the queries that any system covers, sorted by id.
    """

    card: SuiteCard
    metrics: tuple[str, ...]
    sorted_by: str
    rows: Sequence[Row]
    shared: Mapping[str, int]
    questions: pd.DataFrame

    @cached_property
    def query_types(self) -> tuple[str, ...]:
        """The kinds of queries that there are."""
        return tuple(sorted(self.questions["query_type"].unique()))

    @property
    def templated(self) -> bool:
        """Whether texts of this suite come from templates instead of people."""
        return "templated" in self.query_types


def standings(card: SuiteCard, entries: Sequence[Loaded], *, metric: str = "") -> Standings:
    """The table of one suite, best first by ``metric`` (the kind's first by default).

    Raises
    ------
    UsageError
        If ``metric`` is neither name nor title of one that this suite's table has.
    """
    draft = _Draft(card, entries, metric)
    return draft.finished({name: _rank(one) for name, one in draft.contests.items()})


def all_standings(board: Leaderboard, *, metric: str = "", mapper: Mapper = map) -> list[Standings]:
    """The standings of every suite, in the order of their cards.

    ``mapper`` maps the ranking of each metric, the only work that takes long.

    Raises
    ------
    UsageError
        If ``metric`` is neither name nor title of a column of any kind of suite.
    """
    known = [name for names in TABLE_METRICS.values() for name in names]
    metric = metric_named(metric, known) if metric else ""
    drafts = [
        # A metric of the separation suites does not exist in the others.
        _Draft(card, board.entries[name], metric if metric in TABLE_METRICS[card.kind] else "")
        for name, card in board.suites.items()
    ]
    # Suite after suite, but as one queue: no process waits for the end of a suite.
    ranks = iter(mapper(_rank, (one for draft in drafts for one in draft.contests.values())))
    return [draft.finished({name: next(ranks) for name in draft.metrics}) for draft in drafts]


class _Draft:
    """A suite's table that waits for its ranks.

    ``values`` are each metric's, as means see them: a row for each query that anyone covers,
    sorted by id, a column for each entry, NaN where it is undefined or not covered.
    """

    def __init__(self, card: SuiteCard, entries: Sequence[Loaded], metric: str) -> None:
        self.card, self.entries = card, entries
        self.metrics = TABLE_METRICS[card.kind]
        self.sorted_by = metric_named(metric or self.metrics[0], self.metrics)
        asked = [loaded.rows[[*_QUESTION]] for loaded in entries]
        self.questions = (
            pd.concat(asked).drop_duplicates("query_id").sort_values("query_id")
            if asked
            else pd.DataFrame(columns=_QUESTION)
        )
        self.targets = self.questions["target_id"].to_numpy(str)
        self.values = {name: self._values(name) for name in self.metrics}
        self.contests = {name: self._contest(name) for name in self.metrics}

    def _values(self, metric: str) -> pd.DataFrame:
        found = {
            loaded.slug: pd.Series(seen(loaded.rows, metric), loaded.rows["query_id"])
            for loaded in self.entries
        }
        return pd.DataFrame(found, self.questions["query_id"])

    def _contest(self, metric: str) -> _Contest:
        """Who is ranked by ``metric``, on which queries."""
        values = self.values[metric]
        ranked = [
            loaded.slug
            for loaded in self.entries
            if not unranked_because(loaded)
            and values[loaded.slug].count() >= MIN_COVERAGE * self.card.queries
        ]
        common = values[ranked].notna().all(axis=1).to_numpy() & bool(ranked)
        shared = values.loc[common, ranked].to_numpy().T
        return _Contest(tuple(ranked), shared, self.targets[common], common)

    def finished(self, ranks: Mapping[str, Sequence[RankInterval]]) -> Standings:
        """The table, given what :func:`_rank` made of each contest."""
        figures = {name: self._figures(name, ranks[name]) for name in self.metrics}
        rows = [
            Row(
                loaded,
                {name: figures[name][loaded.slug] for name in self.metrics},
                unranked_because(loaded),
                tuple(f"{one[:1].upper()}{one[1:]}." for one in loaded.heard),
            )
            for loaded in self.entries
        ]
        rows.sort(key=self._order)
        shared = {name: int(one.common.sum()) for name, one in self.contests.items()}
        return Standings(self.card, self.metrics, self.sorted_by, rows, shared, self.questions)

    def _order(self, row: Row) -> tuple[float, str]:
        mean = row.figures[self.sorted_by].mean
        return np.inf if mean is None else -mean, row.loaded.slug

    def _figures(self, metric: str, ranks: Sequence[RankInterval]) -> dict[str, Figure]:
        """Every entry's figure of ``metric``."""
        contest, holders = self.contests[metric], Counter(rank.rank for rank in ranks)
        # There are no ranks if nothing is shared.
        places = {
            slug: (rank.rank, holders[rank.rank] > 1, rank.low, rank.high)
            for slug, rank in zip(contest.slugs, ranks, strict=False)
        }
        found = {}
        for loaded in self.entries:
            values = self.values[metric][loaded.slug].to_numpy()
            chosen = ~np.isnan(values)
            shared = bool(contest.common.any() and chosen[contest.common].all())
            if shared:
                chosen = contest.common
            cell: Cell = loaded.summary.metrics[metric]
            if cell.n != chosen.sum():
                (cell,) = interval_cells(values[chosen, np.newaxis], self.targets[chosen])
            figure = cell.mean, cell.ci_low, cell.ci_high, cell.n, cell.targets, shared
            found[loaded.slug] = Figure(*figure, *places.get(loaded.slug, ()))
        return found


def unranked_because(loaded: Loaded) -> str:
    """Why an entry has no rank, or ``""`` if it may have one."""
    if loaded.entry.standing == "partial":
        return "partial: predictions were missing"
    if loaded.entry.system.query_type == "oracle":
        return "reads the references: an upper bound"
    covered, queries = len(loaded.rows), loaded.card.queries
    if covered < MIN_COVERAGE * queries:
        return f"covers {covered} of {queries} queries, less than {MIN_COVERAGE:.0%}"
    return ""


@dataclass(frozen=True)
class _Contest:
    """One metric's ranked systems on the queries that they share; picklable.

    ``values`` has shape (systems, queries); ``common`` marks the shared queries among all
    of the suite's.
    """

    slugs: tuple[str, ...]
    values: NDArray[np.float64]
    targets: NDArray[np.str_]
    common: NDArray[np.bool_]


def _rank(contest: _Contest) -> Sequence[RankInterval]:
    return rank_intervals(contest.values, contest.targets) if contest.values.size else ()
