"""Systems on the same queries: one table of all, paired differences, and where they come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from pydantic_core import to_jsonable_python

from lassbench.errors import LassbenchError, UsageError
from lassbench.scores.rows import (
    CLAP_METRICS,
    METRICS,
    SPECTRAL_METRICS,
    Kind,
    in_order,
    metric_named,
    seen,
)
from lassbench.scores.score_file import ScoreFile, Scores, SuiteInfo
from lassbench.scores.statistics import Paired, paired_difference
from lassbench.scores.summary import Cell, Summary, average, mean_over_runs, spread_of_runs

#: The name under which the unprocessed mixture stands in tables.
MIXTURE = "Mixture"
#: Kind of suite -> what tables show, before CLAPScores and spectral distances; systems are
#: compared in the first that both have.
_SHOWN: Mapping[Kind, tuple[str, ...]] = {
    "separation": ("si_sdr_i", "sdr_i", "sir_i", "sar", "snr_i"),
    "absent": ("attenuation", "silent_share"),
    "unreferenced": ("clap_i", "attenuation"),
}


def check_same_list(name: str, fingerprint: str, theirs: SuiteInfo, *, where: object) -> None:
    """Refuse with a ``UsageError`` to compare with scores on another list than ``fingerprint``."""
    if fingerprint != theirs.list_fingerprint:
        raise UsageError(
            "these are scores on different suites and cannot be compared",
            where=where,
            expected=f"{name} with list fingerprint {fingerprint[:16]}",
            got=f"{theirs.name} with list fingerprint {theirs.list_fingerprint[:16]}",
            fix="score both systems on one suite",
        )


def default_metric(kind: Kind, among: Collection[str]) -> str:
    """What systems are compared in, by the kind of suite, of the metrics that they have.

    Raises
    ------
    UsageError
        If they have none of what such systems are compared in.
    """
    if found := [one for one in _SHOWN[kind] if one in among]:
        return found[0]
    raise UsageError(
        "these scores define nothing alike that they could be compared in",
        expected=" or ".join(METRICS[one].title for one in _SHOWN[kind]),
        got=", ".join(in_order(among)) or "no metric",
        fix="score both systems with one version of lassbench",
    )


def table_metrics(kind: Kind, among: Collection[str]) -> list[str]:
    """The metrics that a table of systems shows, of those they have; it is ranked by the first."""
    shown = dict.fromkeys((*_SHOWN[kind], *CLAP_METRICS, *SPECTRAL_METRICS))
    return [name for name in shown if name in among]


def comparable(first: ScoreFile, second: ScoreFile) -> list[str]:
    """The metrics of both scores, in their order, that mean the same in both.

    A CLAPScore is one model's opinion, so two models' are not compared.
    """
    same_model = first.clap_model == second.clap_model
    return [
        name
        for name in in_order(first.definitions)
        if first.definitions[name] == second.definitions.get(name)
        and (same_model or name not in CLAP_METRICS)
    ]


def paired(first: pd.DataFrame, second: pd.DataFrame, metric: str, **how: int) -> Paired:
    """The mean difference of ``metric``, first minus second, over the queries of both.

    ``how``: ``resamples`` and ``seed`` of :func:`~lassbench.scores.statistics.paired_difference`.
    """
    a, b = common_rows(first, second)
    return paired_difference(seen(a, metric), seen(b, metric), a["target_id"].to_numpy(str), **how)


def verdict(paired: Paired, metric: str = "", kind: Kind = "separation") -> str:
    """``better``, ``worse``, or ``no clear difference``: what the paired test allows to say.

    Where nobody knows how loud the answer should be: ``quieter`` or ``louder``.
    """
    if not paired.significant:
        return "no clear difference"
    level = kind == "unreferenced" and metric == "attenuation"
    higher, lower = ("quieter", "louder") if level else ("better", "worse")
    if metric in METRICS and METRICS[metric].better == "lower":
        higher, lower = lower, higher
    return higher if paired.diff > 0 else lower


# ---------------------------------------------------------------------------
# The table of all systems
# ---------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Line:
    """A system in the table of all.

    Attributes
    ----------
    cells
        Metric -> its mean and interval, of those that mean the same as the first line's.
    of
        How many queries the suite has.
    members
        The score, or the runs' scores, that it stands for; empty for the mixture.
    spread
        With several runs: standard deviation of their means in the ranking metric.
    place
        ``best`` in the ranking metric, or ``tied`` with it: not told apart by the paired
        test.  Empty for the others, oracles, partial results, and where nothing is ranked.
    """

    name: str
    rows: pd.DataFrame = field(repr=False)
    cells: Mapping[str, Cell]
    wrong_source_share: float | None
    of: int
    members: tuple[Scores, ...] = field(default=(), repr=False)
    spread: float | None = None
    place: str = ""

    @property
    def uses(self) -> str:
        """What it is told: ``text``, ``tag``, ``oracle``, ``none``."""
        return self.members[0].file.system.query_type if self.members else "none"

    @property
    def generative(self) -> bool:
        """Whether it loses the phase, which most metrics punish."""
        return any(one.file.system.generative for one in self.members)

    @property
    def partial(self) -> bool:
        """Whether predictions, of any run, were left out."""
        return any(one.file.coverage.partial for one in self.members)

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be known before comparing it."""
        told = (note for one in self.members for note in one.file.heard)
        return tuple(dict.fromkeys(told))

    @property
    def queries(self) -> int:
        """How many queries its numbers stand on."""
        return len(self.rows)

    def holds(self, scores: Scores) -> bool:
        """Whether this line is of ``scores``, alone or among other runs."""
        return any(one is scores for one in self.members)

    def to_dict(self) -> dict[str, Any]:
        """The line as JSON can hold it."""
        found: dict[str, Any] = to_jsonable_python(self, exclude={"rows", "members"})
        more = ("uses", "generative", "partial", "notes", "queries")
        found |= {name: getattr(self, name) for name in more}
        return found | {"runs": len(self.members)}


def table_of(scores: Sequence[Scores]) -> list[Line]:
    """All systems in their order, runs of one system as one, below the unprocessed mixture.

    The mixture needs no score file: every row carries its metrics.

    Raises
    ------
    UsageError
        If they are scores on different lists of queries.
    """
    like = scores[0].file
    for one in scores[1:]:
        suite = one.file.suite
        check_same_list(like.suite.name, like.suite.list_fingerprint, suite, where=one.name)
    groups: dict[object, list[Scores]] = {}
    for place, one in enumerate(scores):
        system = one.file.system
        groups.setdefault(system.name if system.run else place, []).append(one)
    metric = default_metric(like.kind, like.definitions)
    names = labels([group[0] for group in groups.values()])
    lines = [
        _line(group, name if len(group) == 1 else group[0].file.system.name, like, metric)
        for group, name in zip(groups.values(), names, strict=True)
    ]
    if not any(line.name == MIXTURE for line in lines):
        lines[:0] = _mixture(max(scores, key=lambda one: len(one.rows)), like, metric)
    return _placed(lines, metric) if like.kind != "unreferenced" else lines


def each_once(scores: Iterable[Scores]) -> list[Scores]:
    """``scores`` without what is among them twice."""
    return list({(one.name, one.file.rows_sha256): one for one in scores}.values())


def others_than(own: Sequence[Scores], others: Iterable[Scores]) -> list[Scores]:
    """``others`` without the mixture, the predictions of ``own`` by whatever name, and what
    has none of their queries.
    """
    known = {_answers(one) for one in own}
    queries = set().union(*(one.rows["query_id"] for one in own))
    return [
        one
        for one in each_once(others)
        if one.name != MIXTURE
        and _answers(one) not in known
        and one.rows["query_id"].isin(queries).any()
    ]


def labels(scores: Sequence[Scores]) -> list[str]:
    """Their names; of two by one name, with the beginning of their predictions' hash."""
    names = [one.name for one in scores]
    return [
        name if names.count(name) == 1 else f"{name} [{_answers(one)[:8]}]"
        for name, one in zip(names, scores, strict=True)
    ]


def _answers(scores: Scores) -> str:
    return scores.file.system.predictions_sha256 or scores.file.rows_sha256


def _line(runs: Sequence[Scores], name: str, like: ScoreFile, metric: str) -> Line:
    """The line of a system, or of its runs, in what means the same as in ``like``."""
    rows, summary, spread = runs[0].rows, runs[0].summary, None
    if len(runs) > 1:
        rows = mean_over_runs([one.rows for one in runs])
        if not len(rows):
            raise LassbenchError("the runs of one system have no query in common", where=name)
        summary = Summary(rows)
        spread = spread_of_runs([one.rows for one in runs], metric)
    same = set.intersection(*(set(comparable(like, one.file)) for one in runs))
    return Line(
        name=name,
        rows=rows,
        cells={one: cell for one, cell in summary.metrics.items() if one in same},
        wrong_source_share=summary.wrong_source_share,
        of=runs[0].file.coverage.queries_total,
        members=tuple(runs),
        spread=spread,
    )


def _mixture(scores: Scores, like: ScoreFile, metric: str) -> list[Line]:
    """The unprocessed mixture's line, from the columns of it that every row carries.

    None where nothing but its level, which is 0 dB, is known.
    """
    rows = scores.rows.drop(columns="wrong_source", errors="ignore")
    if f"{metric.removesuffix('_i')}_mixture" not in rows:
        return []
    for name in in_order(rows.columns):
        none = name.endswith("_i") or name == "attenuation"
        rows[name] = 0.0 if none else rows.get(f"{name}_mixture", np.nan)  # of SAR there is none
    line = _line([Scores(scores.file, rows)], MIXTURE, like, metric)
    return [dataclasses.replace(line, members=())]


def ranked_on(lines: Sequence[Line]) -> set[str]:
    """The queries on which the best is found: those of all but oracles and partial results."""
    ranked = [set(one.rows["query_id"]) for one in lines if _ranked(one)]
    return set.intersection(*ranked) if ranked else set()


def _ranked(line: Line) -> bool:
    return line.uses != "oracle" and not line.partial


def _placed(lines: Sequence[Line], metric: str) -> list[Line]:
    """``lines`` with the best marked, and those that cannot be told apart from it."""
    common, placed = ranked_on(lines), list(lines)
    parts = {
        place: one.rows[one.rows["query_id"].isin(common)]
        for place, one in enumerate(lines)
        if _ranked(one) and metric in one.cells
    }
    averages = {place: average(part, metric, "mean") for place, part in parts.items()}
    means = {place: mean for place, mean in averages.items() if mean is not None}
    if len(means) < 2:
        return placed
    best = max(means, key=means.__getitem__)
    for place in means:
        if place == best or not paired(parts[best], parts[place], metric).significant:
            mark = "best" if place == best else "tied"
            placed[place] = dataclasses.replace(lines[place], place=mark)
    return placed


# ---------------------------------------------------------------------------
# Two systems
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Two scores, paired on the queries that both cover.

    ``metrics`` are paired differences (first minus second), ``by`` those in ``metric``
    by breakdown and value; ``moved`` has the queries where both are defined, largest
    rise first: query_id, concept, noise_concept, text, first, second, difference;
    ``warnings`` say why the two may not be comparable after all.
    """

    first: Scores
    second: Scores
    metric: str
    queries: int
    targets: int
    metrics: dict[str, Paired]
    by: dict[str, dict[str, Paired]]
    moved: pd.DataFrame
    warnings: tuple[str, ...]


def compare(
    first: Scores,
    second: Scores,
    *,
    metric: str = "",
    **how: int,
) -> Comparison:
    """Compare two scores on one suite.

    Parameters
    ----------
    metric
        The one that breakdowns and single queries are compared in, by its name or title;
        by default what tables are ranked by.
    how
        As :func:`paired` takes it.

    Raises
    ------
    UsageError
        If the suites differ or the metric is not in both.
    LassbenchError
        If no query is covered by both.
    """
    names, suite = f"{first.name}, {second.name}", first.file.suite
    check_same_list(suite.name, suite.list_fingerprint, second.file.suite, where=names)
    a, b = common_rows(first.rows, second.rows)
    if not len(a):
        raise LassbenchError("the two scores have no query in common", where=names)
    shared = comparable(first.file, second.file)
    metric = metric_named(metric, shared) if metric else default_metric(first.file.kind, shared)
    summary = Summary(a)
    moved = a[["query_id", "concept", "noise_concept", "text"]].assign(
        first=seen(a, metric), second=seen(b, metric)
    )
    moved["difference"] = moved["first"] - moved["second"]
    moved = moved.dropna().sort_values(["difference", "query_id"], ascending=[False, True])
    return Comparison(
        first=first,
        second=second,
        metric=metric,
        queries=len(a),
        targets=a["target_id"].nunique(),
        metrics={name: paired(a, b, name, **how) for name in shared},
        by={
            by: {
                value: paired(a.iloc[chosen], b.iloc[chosen], metric, **how)
                for value, chosen in summary.groups(by).items()
            }
            for by in ("concept", "annotator", "audit")
        },
        moved=moved,
        warnings=tuple(_warnings(first, second, len(a))),
    )


def common_rows(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of both for the queries that both cover (it may be none), in the same order."""
    if a["query_id"].equals(b["query_id"]):
        return a, b
    return a[a["query_id"].isin(b["query_id"])], b[b["query_id"].isin(a["query_id"])]


def _warnings(first: Scores, second: Scores, common: int) -> Iterable[str]:
    if first.file.suite.fingerprint != second.file.suite.fingerprint:
        yield "the two were scored on different copies of the clips (fingerprints differ)"
    both = first.file.definitions.keys() & second.file.definitions.keys()
    if different := sorted(both - {*comparable(first.file, second.file)}):
        yield f"not compared, for they are defined differently in the two: {', '.join(different)}"
    for one in (first, second):
        if len(one.rows) > common:
            yield f"{one.name} covers {len(one.rows)} queries, {common} of them are compared"
        if one.file.coverage.partial:
            yield f"{one.name} is a partial result"
