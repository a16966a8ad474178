"""Systems on the same queries: paired differences, where they come from, rows of a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lassbench.errors import LassbenchError, UsageError, did_you_mean
from lassbench.scores.score_file import (
    CLAP_METRICS,
    METRICS,
    Kind,
    Scores,
    SuiteInfo,
    in_order,
    seen,
)
from lassbench.scores.statistics import RESAMPLES, Paired, paired_difference
from lassbench.scores.summary import average, groups_of
from lassbench.suites.suite import Suite

#: The name under which the unprocessed mixture stands in tables.
MIXTURE = "Mixture"
#: Kind of suite -> what its systems are compared in: the first that both scores have.
_COMPARED_IN: Mapping[Kind, tuple[str, ...]] = {
    "separation": ("si_sdr_i",),
    "absent": ("attenuation",),
    "unreferenced": ("clap_i", "attenuation"),
}


@dataclass(frozen=True)
class Moved:
    """A query and how its value differs (first system minus second, dB)."""

    query_id: str
    concept: str
    noise_concept: str
    text: str
    first: float
    second: float

    @property
    def difference(self) -> float:
        """First minus second."""
        return self.first - self.second


@dataclass(frozen=True)
class Comparison:
    """Two scores, paired on the queries that both cover.

    ``metrics`` are paired differences (first minus second), ``by`` those in ``metric``
    by breakdown and value; ``moved`` has every query where both are defined, largest
    rise first; ``warnings`` say why the two may not be comparable after all.
    """

    first: Scores
    second: Scores
    metric: str
    queries: int
    targets: int
    metrics: dict[str, Paired]
    by: dict[str, dict[str, Paired]]
    moved: tuple[Moved, ...]
    warnings: tuple[str, ...]


def check_same_list(ours: SuiteInfo | Suite, theirs: SuiteInfo, *, where: object) -> None:
    """Refuse to compare scores on different lists of queries, with a ``UsageError``."""
    if ours.list_fingerprint != theirs.list_fingerprint:
        raise UsageError(
            "these are scores on different suites and cannot be compared",
            where=where,
            expected=f"{ours.name} with list fingerprint {ours.list_fingerprint[:16]}",
            got=f"{theirs.name} with list fingerprint {theirs.list_fingerprint[:16]}",
            fix="score both systems on one suite",
        )


def common_rows(first: Scores, second: Scores) -> tuple[pa.Table, pa.Table]:
    """The rows of both, for the queries that both cover (it may be none), in the same order.

    They must be scores on one list (:func:`check_same_list`).
    """
    names = f"{first.file.system.name}, {second.file.system.name}"
    check_same_list(first.file.suite, second.file.suite, where=names)
    ours, theirs = (one.rows.column("query_id") for one in (first, second))
    return first.rows.filter(pc.is_in(ours, theirs)), second.rows.filter(pc.is_in(theirs, ours))


def comparable(first: Scores, second: Scores) -> list[str]:
    """The metrics of both scores, in their order, that mean the same in both.

    A CLAPScore is one model's opinion, so two models' are not compared.
    """
    ours, theirs = first.file.metrics, second.file.metrics
    return [
        name
        for name in in_order(ours)
        if name in theirs
        and ours[name].id == theirs[name].id
        and (name not in CLAP_METRICS or ours[name].definition == theirs[name].definition)
    ]


def compare(
    first: Scores,
    second: Scores,
    *,
    metric: str = "",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two scores on one suite.

    Parameters
    ----------
    metric
        The one that breakdowns and single queries are compared in; by default
        SI-SDR improvement, attenuation where the sound is absent, or CLAPScore
        improvement, if both have it, where nobody has the sources.

    Raises
    ------
    UsageError
        If the suites differ or the metric is not in both.
    LassbenchError
        If no query is covered by both.
    """
    a, b = common_rows(first, second)
    if not len(a):
        suite = first.file.suite.name
        raise LassbenchError("the two scores have no query in common", where=suite)
    shared = comparable(first, second)
    metric = metric or default_metric(first, shared)
    if metric not in shared:
        raise UsageError(
            f"no metric {metric!r} in both scores{did_you_mean(metric, shared)}",
            expected=", ".join(shared),
            fix="name one of these with --metric",
        )
    clusters = np.array(a.column("target_id").to_pylist())
    values = {name: (seen(a, name), seen(b, name)) for name in shared}

    def paired(name: str, chosen: NDArray[np.intp] | slice = slice(None)) -> Paired:
        one, two = values[name]
        return paired_difference(
            one[chosen], two[chosen], clusters[chosen], resamples=resamples, seed=seed
        )

    by = {
        kind: {value: paired(metric, chosen) for value, chosen in groups.items()}
        for kind, groups in groups_of(a).items()
        if kind in ("concept", "annotator", "audit")
    }
    return Comparison(
        first=first,
        second=second,
        metric=metric,
        queries=len(a),
        targets=len(np.unique(clusters)),
        metrics={name: paired(name) for name in shared},
        by=by,
        moved=_moved(a, *values[metric]),
        warnings=_warnings(first, second, len(a)),
    )


def default_metric(scores: Scores, among: Collection[str] = ()) -> str:
    """What systems are compared in, by the kind of suite (``among`` these, if they are named)."""
    names = among or scores.file.metrics
    return next(one for one in _COMPARED_IN[scores.file.kind] if one in names)


def _moved(
    rows: pa.Table, first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[Moved, ...]:
    described = rows.select(["query_id", "concept", "noise_concept", "text"]).to_pylist()
    found = [
        Moved(**row, first=one, second=two)
        for row, one, two in zip(described, first.tolist(), second.tolist(), strict=True)
        if not np.isnan(one - two)
    ]
    return tuple(sorted(found, key=lambda one: (-one.difference, one.query_id)))


def _warnings(first: Scores, second: Scores, common: int) -> tuple[str, ...]:
    found = []
    if first.file.suite.fingerprint != second.file.suite.fingerprint:
        found.append("the two were scored on different copies of the clips (fingerprints differ)")
    different = first.file.metrics.keys() & second.file.metrics.keys() - comparable(first, second)
    if different:
        named = ", ".join(sorted(different))
        found.append(f"not compared, for they are defined differently in the two: {named}")
    for one in (first, second):
        name, scored = one.file.system.name, one.file.coverage.queries_scored
        if scored > common:
            found.append(f"{name} covers {scored} queries, {common} of them are compared")
        if one.file.coverage.partial:
            found.append(f"{name} is a partial result")
    return tuple(found)


# ---------------------------------------------------------------------------
# A system beside others on one suite: what each scores, and whether they differ
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Beside:
    """Another system's row in the table, over the ``queries`` that both cover.

    ``uses`` is what it is told (``text``, ``tag``, ``oracle``, ``none``); ``means`` are
    ``None`` where undefined; ``ahead`` is the scored system minus this one, in the
    metric that they are compared in (of no queries, where this one does not have it).
    """

    name: str
    uses: str
    means: Mapping[str, float | None]
    ahead: Paired
    queries: int


def beside(scores: Scores, others: Iterable[Scores]) -> list[Beside]:
    """Rows for the unprocessed mixture and for ``others``, each on the common queries.

    The mixture needs no score file: every row carries its metrics.  Left out are
    others of the scored system's own name and predictions, and those with no query
    in common; metrics that mean something else in the other are not in its ``means``.
    All must be scores on one list (:func:`check_same_list`).
    """
    metric, own = default_metric(scores), scores.file.system
    found = []
    if f"{metric.removesuffix('_i')}_mixture" in scores.rows.column_names:
        untouched = _as_mixture(scores.rows)
        names = list(scores.file.metrics)
        found.append(_row(MIXTURE, "none", scores.rows, untouched, metric=metric, names=names))
    for other in others:
        info = other.file.system
        itself = info.name == own.name and info.predictions_sha256 == own.predictions_sha256
        if itself or info.name == MIXTURE:
            continue
        mine, theirs = common_rows(scores, other)
        if len(mine):
            names = comparable(scores, other)
            found.append(_row(info.name, info.query_type, mine, theirs, metric=metric, names=names))
    return found


def _as_mixture(rows: pa.Table) -> pa.Table:
    """``rows`` with the mixture's metrics in the system's place."""
    nothing = pa.array(np.zeros(len(rows)))
    for index, field in enumerate(rows.schema):
        if field.name in METRICS:
            own = f"{field.name}_mixture"
            values = rows.column(own) if own in rows.column_names else nothing
            if field.name == "sar":
                values = pa.nulls(len(rows), pa.float64())
            rows = rows.set_column(index, field, values)
    return rows


def _row(
    name: str, uses: str, mine: pa.Table, theirs: pa.Table, *, metric: str, names: Sequence[str]
) -> Beside:
    mine = mine if metric in names else mine.slice(0, 0)
    theirs_of = seen(theirs, metric) if len(mine) else np.empty(0)
    targets = mine.column("target_id").to_pylist()
    ahead = paired_difference(seen(mine, metric), theirs_of, targets)
    means = {one: average(theirs, one, "mean") for one in names}
    return Beside(name, uses, means, ahead, len(theirs))


def verdict(paired: Paired, metric: str = "", kind: Kind = "separation") -> str:
    """``better``, ``worse``, or ``no clear difference``: what the paired test allows to say.

    Where nobody knows how loud the answer should be: ``quieter`` or ``louder``.
    """
    if not paired.significant:
        return "no clear difference"
    level = kind == "unreferenced" and metric == "attenuation"
    higher, lower = ("quieter", "louder") if level else ("better", "worse")
    return higher if paired.diff > 0 else lower


def shown_metrics(scores: Scores) -> Sequence[str]:
    """The metrics that a one-line row of a table shows."""
    left_out = ("sdr_i", "sir_i", "snr_i")
    return tuple(name for name in in_order(scores.file.metrics) if name not in left_out)
