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
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lassbench.leaderboard.checks import Mapper
from lassbench.leaderboard.entries import TABLE_METRICS, Entry, Loaded, SuiteCard
from lassbench.scores.rows import metric_named, seen
from lassbench.scores.statistics import rank_intervals
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

    @property
    def query_types(self) -> list[str]:
        """The kinds of queries that there are."""
        return sorted({*self.questions["query_type"]})

    @property
    def templated(self) -> bool:
        """Whether texts of this suite come from templates instead of people."""
        return "templated" in self.query_types


def standings(
    card: SuiteCard, entries: Sequence[Loaded], *, metric: str = "", mapper: Mapper = map
) -> Standings:
    """The table of one suite, best first by ``metric`` (the kind's first by default).

    ``mapper`` maps the ranking by each metric, the only work that takes long.

    Raises
    ------
    UsageError
        If ``metric`` is neither name nor title of one that this suite's table has.
    """
    metrics = TABLE_METRICS[card.kind]
    sorted_by = metric_named(metric or metrics[0], metrics)
    asked = [loaded.rows[[*_QUESTION]] for loaded in entries]
    questions = pd.concat(asked) if asked else pd.DataFrame(columns=_QUESTION)
    questions = questions.drop_duplicates("query_id").sort_values("query_id")
    contests = (_contest(name, card, entries, questions) for name in metrics)
    found = dict(zip(metrics, mapper(_figures, contests), strict=True))
    rows = [
        Row(
            loaded,
            {name: found[name][1][loaded.slug] for name in metrics},
            unranked_because(loaded),
            tuple(f"{one[:1].upper()}{one[1:]}." for one in loaded.heard),
        )
        for loaded in entries
    ]

    def order(row: Row) -> tuple[float, str]:
        mean = row.figures[sorted_by].mean
        return np.inf if mean is None else -mean, row.loaded.slug

    shared = {name: found[name][0] for name in metrics}
    return Standings(card, metrics, sorted_by, sorted(rows, key=order), shared, questions)


#: What the figures of one metric stand on, as a process takes it.  Its values, as means see
#: them: a row for each query that anyone covers, sorted by id, a column for each entry, NaN
#: where it is undefined or not covered.  The queries' targets; each entry's own mean; who is
#: ranked.
_Contest: TypeAlias = tuple[pd.DataFrame, NDArray[np.str_], Mapping[str, Cell], list[str]]


def _contest(
    metric: str, card: SuiteCard, entries: Sequence[Loaded], questions: pd.DataFrame
) -> _Contest:
    columns = {
        loaded.slug: pd.Series(seen(loaded.rows, metric), loaded.rows["query_id"])
        for loaded in entries
    }
    values = pd.DataFrame(columns, questions["query_id"])
    cells = {loaded.slug: loaded.summary.metrics[metric] for loaded in entries}
    ranked = [
        loaded.slug
        for loaded in entries
        if not unranked_because(loaded)
        and values[loaded.slug].count() >= MIN_COVERAGE * card.queries
    ]
    return values, questions["target_id"].to_numpy(str), cells, ranked


def _figures(contest: _Contest) -> tuple[int, dict[str, Figure]]:
    """How many queries the ranks stand on, and every entry's figure."""
    values, targets, cells, ranked = contest
    common = values[ranked].notna().all(axis=1).to_numpy() & bool(ranked)
    compared = bool(common.any())
    shared = values.loc[common, ranked].to_numpy().T
    ranks = rank_intervals(shared, targets[common]) if compared else []
    holders = Counter(one.rank for one in ranks)
    places = {
        slug: (one.rank, holders[one.rank] > 1, one.low, one.high)
        for slug, one in zip(ranked, ranks, strict=compared)
    }
    figures = {}
    for slug, cell in cells.items():
        own = values[slug].to_numpy()
        chosen = ~np.isnan(own)
        on_shared = compared and bool(chosen[common].all())
        if on_shared:
            chosen = common
        if cell.n != chosen.sum():
            (cell,) = interval_cells(own[chosen, np.newaxis], targets[chosen])
        figure = cell.mean, cell.ci_low, cell.ci_high, cell.n, cell.targets, on_shared
        figures[slug] = Figure(*figure, *places.get(slug, ()))
    return int(common.sum()), figures


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
