"""From rows to what is said of them: every mean, interval and breakdown is computed here.

For the terminal, the report, the leaderboard's tables and its pages alike.  Values are seen
as the policy says (:mod:`lassbench.scores.rows`): infinities limited, undefined left out.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic_core import to_jsonable_python

from lassbench.errors import UsageError, did_you_mean
from lassbench.records import TAG_SEPARATOR
from lassbench.scores.rows import in_order, metric_named, seen
from lassbench.scores.statistics import bootstrap_columns

#: Decimals of every figure: a nanodecibel, far below what the metrics' last
#: digits carry from one processor to another.
DECIMALS = 9

#: What rows can be grouped by.
BREAKDOWNS = ("concept", "root", "concept_pair", "tag", "annotator", "query_type", "audit")
#: Of ``audit``, beside what was found: whether anything was.
CLEAN, NOT_CLEAN = "clean", "not clean"


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """A mean over ``n`` values of ``targets`` targets with its 95 % interval.

    ``None`` where nothing is defined, or where too few targets carry no interval.
    """

    mean: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    targets: int


@dataclasses.dataclass(frozen=True, slots=True)
class MetricSummary(Cell):
    """A metric over all queries, with the counts that the policy asks for."""

    median: float | None
    n_infinite: int
    n_limited: int
    n_undefined: int


@dataclasses.dataclass(frozen=True, slots=True)
class AnnotatorSpread:
    """How much a metric depends on who asked (suites with several annotators).

    ``mean`` and ``spread`` (standard deviation, n - 1) are of the annotators' means,
    ``worst`` is the lowest of them and ``worst_annotator`` whose it is; ``worst_of_mixture``
    is the mean over mixtures of the lowest value anyone got, ``within_mixture_sd`` the root
    of the mean variance (n - 1) within a mixture, ``asker_share`` the mean (population)
    variance within a mixture over the variance of all values: 0 when it does not matter who
    asks, 1 when nothing else does.
    """

    annotators: int
    mixtures: int
    mean: float
    spread: float
    worst: float
    worst_annotator: str
    worst_of_mixture: float
    within_mixture_sd: float
    asker_share: float


class Summary:
    """What per-query ``rows`` come to; nothing is computed before it is asked for."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        self._names = in_order(rows.columns)
        self._values = np.stack([seen(rows, name) for name in self._names], axis=1)
        # In order of their names: which target a resample draws goes by its place.
        self._labels = np.unique(rows["target_id"].to_numpy(str), return_inverse=True)[1]

    @property
    def targets(self) -> int:
        """How many targets the queries have."""
        return len(np.unique(self._labels))

    @functools.cached_property
    def metrics(self) -> dict[str, MetricSummary]:
        """Metric -> its summary over all queries, in the order of tables."""
        cells = self._cells(np.arange(len(self.rows)))
        found = {}
        for place, name in enumerate(self._names):
            raw, values = self.rows[name].to_numpy(np.float64), self._values[:, place]
            defined = values[~np.isnan(values)]
            found[name] = MetricSummary(
                **dataclasses.asdict(cells[name]),
                median=figure(float(np.median(defined))) if len(defined) else None,
                n_infinite=int(np.isinf(raw).sum()),
                n_limited=int((~np.isnan(raw) & (raw != values)).sum()),
                n_undefined=int(np.isnan(raw).sum()),
            )
        return found

    def by(self, breakdown: str) -> dict[str, dict[str, Cell]]:
        """Value of a breakdown (:data:`BREAKDOWNS`) -> metric -> mean and interval."""
        return {value: self._cells(chosen) for value, chosen in self.groups(breakdown).items()}

    def groups(self, breakdown: str) -> dict[str, NDArray[np.intp]]:
        """Value of a breakdown -> places of its rows; values sorted, empty ones left out."""
        rows = self.rows
        if breakdown == "concept_pair":
            both = (rows["concept"] != "") & (rows["noise_concept"] != "")
            labels = (rows["concept"] + " + " + rows["noise_concept"]).where(both, "")
        elif breakdown == "tag":
            # A tag written twice is one.
            labels = rows["tags"].str.split(TAG_SEPARATOR).map(lambda tags: [*dict.fromkeys(tags)])
        elif breakdown == "audit":
            if "audit" not in rows:
                return {}
            found = rows["audit"]
            found = found.where(found == "", NOT_CLEAN + TAG_SEPARATOR + found)
            labels = found.replace("", CLEAN).str.split(TAG_SEPARATOR)
        else:
            labels = rows[breakdown]
        each = labels.reset_index(drop=True).explode()
        each = each[each != ""]
        return {
            str(value): np.sort(each.index[places].to_numpy(np.intp))
            for value, places in sorted(each.groupby(each).indices.items())
        }

    @functools.cached_property
    def annotators(self) -> dict[str, AnnotatorSpread]:
        """Metric -> how much it depends on who asked; empty with fewer than two annotators."""
        asked, found = self.rows[self.rows["annotator"] != ""], {}
        for name in self._names if asked["annotator"].nunique() > 1 else ():
            # Two wordings of one person count as their mean.
            by_person = asked.assign(value=seen(asked, name)).pivot_table(
                index="mixture_id", columns="annotator", values="value", dropna=False
            )
            found[name] = asker_spread(by_person)
        return {name: spread for name, spread in found.items() if spread is not None}

    @property
    def wrong_source_share(self) -> float | None:
        """Share of queries whose estimate is not nearer to the target than to the interference."""
        if "wrong_source" not in self.rows:
            return None
        return round(float(self.rows["wrong_source"].mean()), DECIMALS)

    def __repr__(self) -> str:
        return repr(pd.DataFrame.from_dict(to_jsonable_python(self.metrics), orient="index"))

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        whole = ("metrics", "annotators", "wrong_source_share", "targets")
        told = {name: getattr(self, name) for name in whole}
        breakdowns = {by: self.by(by) for by in BREAKDOWNS}
        return dict(to_jsonable_python(told | {"breakdowns": breakdowns}))

    def _cells(self, chosen: NDArray[np.intp]) -> dict[str, Cell]:
        cells = interval_cells(self._values[chosen], self._labels[chosen])
        return dict(zip(self._names, cells, strict=True))


def asker_spread(by_person: pd.DataFrame) -> AnnotatorSpread | None:
    """Spread between annotators, a column each, over mixtures, a row each.

    Mixtures that some annotator's query lacks (NaN) are left out, so that every annotator is
    judged on the same ones; ``None`` with fewer than two annotators or no complete mixture.
    """
    table = by_person.dropna()
    if table.shape[1] < 2 or not len(table):
        return None
    values, means = table.to_numpy(), table.mean()
    total = float(values.var())
    figures = {
        "mean": means.mean(),
        "spread": means.std(),
        "worst": means.min(),
        "worst_of_mixture": values.min(axis=1).mean(),
        "within_mixture_sd": math.sqrt(values.var(axis=1, ddof=1).mean()),
        "asker_share": values.var(axis=1).mean() / total if total > 0 else 0.0,
    }
    return AnnotatorSpread(
        annotators=table.shape[1],
        mixtures=len(table),
        worst_annotator=str(means.idxmin()),
        **{name: round(float(value), DECIMALS) for name, value in figures.items()},
    )


def interval_cells(values: NDArray[np.float64], targets: NDArray[Any]) -> list[Cell]:
    """The mean and interval of each column of ``values``, shape (queries, metrics).

    ``values`` are as means see them (:func:`lassbench.scores.rows.seen`), ``targets`` each
    query's target.
    """
    intervals = bootstrap_columns(values, targets)
    return [
        Cell(
            figure(one.mean),
            figure(one.low),
            figure(one.high),
            int(given.sum()),
            len(np.unique(targets[given])),
        )
        for one, given in zip(intervals, ~np.isnan(values.T), strict=True)
    ]


def figure(value: float) -> float | None:
    """``value`` as it is told: rounded to :data:`DECIMALS`, ``None`` where undefined."""
    return None if math.isnan(value) else round(value, DECIMALS) + 0.0


def failing_sentences(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The wordings that fail where another wording of the same mixture does not.

    A wording fails when its estimate is of the wrong source, or below 0 in ``metric`` (an
    improvement: worse than the mixture).

    Returns
    -------
    pandas.DataFrame
        Columns ``query_id``, ``annotator``, ``value`` (dB), ``best`` (of the mixture's
        wordings, dB), ``text``; the lowest value first.
    """
    found = rows.assign(value=seen(rows, metric))
    found["fails"] = (found["value"] < 0) | found.get("wrong_source", False)
    by_mixture = found.groupby("mixture_id")
    found["best"] = by_mixture["value"].transform("max")
    works = ~by_mixture["fails"].transform("all")
    columns = ["query_id", "annotator", "value", "best", "text"]
    return found.loc[found["fails"] & works, columns].sort_values(["value", "query_id"])


# ---------------------------------------------------------------------------
# Several runs of one system
# ---------------------------------------------------------------------------


def mean_over_runs(runs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of the mean over runs (seeds) of one system, on the queries that all of them cover.

    Columns that all runs have; metrics are averaged as means see them, where a run has a
    defined value, and ``wrong_source`` is the share of runs.
    """
    first, *_ = parts = _on_common_queries(runs)
    shared = [str(name) for name in first if all(name in part for part in parts)]
    first = first[shared]
    means = {
        name: pd.DataFrame([seen(part, name) for part in parts]).mean().to_numpy()
        for name in first.select_dtypes("float").columns.astype(str)
    }
    if "wrong_source" in first:
        means["wrong_source"] = np.mean([part["wrong_source"] for part in parts], axis=0)
    return first.assign(**means)


def spread_of_runs(runs: Sequence[pd.DataFrame], metric: str) -> float | None:
    """Standard deviation (n - 1) of the runs' means of ``metric`` over the queries that all
    of them cover; ``None`` of fewer than two.
    """
    means = [average(run, metric, "mean") for run in _on_common_queries(runs)]
    defined = [one for one in means if one is not None]
    return figure(float(np.std(defined, ddof=1))) if len(defined) > 1 else None


def _on_common_queries(runs: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    common = functools.reduce(lambda a, b: a & b, (set(run["query_id"]) for run in runs))
    return [run[run["query_id"].isin(common)].reset_index(drop=True) for run in runs]


# ---------------------------------------------------------------------------
# Averages by name
# ---------------------------------------------------------------------------

#: The averages by name: of each class what, whose mean over classes is the average.
_OF_CLASS: Mapping[str, Any] = {"mean-by-class": np.mean, "median-by-class": np.median}
AVERAGES = ("mean", *_OF_CLASS)


def average(rows: pd.DataFrame, metric: str, name: str) -> float | None:
    """An average of ``metric`` by its name; ``None`` where nothing is defined.

    ``mean``
        over queries: what summaries give.
    ``mean-by-class``
        the mean over classes of each class's mean: AudioSep's of MUSIC.
    ``median-by-class``
        the mean over classes of each class's median: AudioSep's of AudioSet.

    A query's class is its ``concept``.  Values are limited and nulls left out as in means
    (:mod:`lassbench.scores.rows`); a class without a defined value is left out.

    Raises
    ------
    UsageError
        If there is no such metric or average, or a query has no class.
    """
    metric = metric_named(metric, rows.columns)
    if name not in AVERAGES:
        near = did_you_mean(name, AVERAGES)
        raise UsageError(f"no average {name!r}{near}", expected=", ".join(AVERAGES))
    check_classes(rows["concept"], name)
    values = pd.Series(seen(rows, metric), rows.index).dropna()
    if name in _OF_CLASS:
        values = values.groupby(rows["concept"]).agg(_OF_CLASS[name])
    return figure(float(np.mean(values.to_numpy()))) if len(values) else None


def check_classes(concepts: Iterable[str], name: str, *, where: object = "") -> None:
    """Refuse the average ``name`` of queries that have no class, saying how many have none."""
    every = list(concepts)
    if name in _OF_CLASS and (without := every.count("")):
        raise UsageError(
            f"an average by class needs every query's class ({name})",
            where=where,
            expected="a concept for each query",
            got=f"none for {without} of {len(every)} queries",
            fix="take the plain mean, which needs no classes",
        )
