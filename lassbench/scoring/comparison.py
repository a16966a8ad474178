"""Two systems on the same queries: paired differences, and where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lassbench.errors import LassbenchError, UsageError, did_you_mean
from lassbench.scores import CLAP_METRICS, Scores, column, in_order, limited
from lassbench.statistics import RESAMPLES, Paired, paired_difference


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

    Attributes
    ----------
    queries, targets
        What both cover.
    metrics
        Metric -> paired difference (first minus second).
    by
        Breakdown -> value -> paired difference in ``metric``.
    moved
        Every common query where both are defined, largest rise first.
    warnings
        Why the two may not be comparable after all.
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


def common_rows(first: Scores, second: Scores) -> tuple[pa.Table, pa.Table]:
    """The rows of both, for the queries that both cover (it may be none), in the same order.

    Raises
    ------
    UsageError
        If the two are scores on different lists of queries.
    """
    a, b = first.file.suite, second.file.suite
    if a.list_fingerprint != b.list_fingerprint:
        raise UsageError(
            "these are scores on different suites and cannot be compared",
            where=f"{first.file.system.name}, {second.file.system.name}",
            expected=f"{a.name} with list fingerprint {a.list_fingerprint[:16]}",
            got=f"{b.name} with list fingerprint {b.list_fingerprint[:16]}",
            fix="score both systems on one suite",
        )
    ours, theirs = (one.rows.column("query_id").to_pylist() for one in (first, second))
    ids = set(ours) & set(theirs)
    return _only(first.rows, ids), _only(second.rows, ids)


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


def _only(rows: pa.Table, ids: set[str]) -> pa.Table:
    chosen = [one in ids for one in rows.column("query_id").to_pylist()]
    return rows.filter(pa.array(chosen, type=pa.bool_()))


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
        SI-SDR improvement, or attenuation where the sound is absent.

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
    metric = metric or default_metric(first)
    if metric not in shared:
        raise UsageError(
            f"no metric {metric!r} in both scores{did_you_mean(metric, shared)}",
            expected=", ".join(shared),
            fix="name one of these with --metric",
        )
    clusters = np.asarray(a.column("target_id").to_pylist(), dtype=object).astype(str)
    values = {name: (_seen(a, name), _seen(b, name)) for name in shared}

    def paired(name: str, chosen: NDArray[np.bool_] | slice = slice(None)) -> Paired:
        one, two = values[name]
        return paired_difference(
            one[chosen], two[chosen], clusters[chosen], resamples=resamples, seed=seed
        )

    by = {
        kind: {value: paired(metric, chosen) for value, chosen in _members(a, kind).items()}
        for kind in ("concept", "annotator")
    }
    return Comparison(
        first=first,
        second=second,
        metric=metric,
        queries=len(a),
        targets=len(np.unique(clusters)),
        metrics={name: paired(name) for name in shared},
        by={kind: groups for kind, groups in by.items() if groups},
        moved=_moved(a, *values[metric]),
        warnings=tuple(_warnings(first, second, len(a))),
    )


def default_metric(scores: Scores) -> str:
    """What systems are ranked by: SI-SDR improvement, or attenuation."""
    return "si_sdr_i" if scores.file.kind == "separation" else "attenuation"


def _seen(rows: pa.Table, name: str) -> NDArray[np.float64]:
    return limited(column(rows, name), name)


def _members(rows: pa.Table, kind: str) -> dict[str, NDArray[np.bool_]]:
    values = np.asarray(rows.column(kind).to_pylist(), dtype=object)
    return {value: values == value for value in sorted(set(values.tolist()) - {""})}


def _moved(
    rows: pa.Table, first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[Moved, ...]:
    found = [
        Moved(row["query_id"], row["concept"], row["noise_concept"], row["text"], one, two)
        for row, one, two in zip(
            rows.select(["query_id", "concept", "noise_concept", "text"]).to_pylist(),
            first.tolist(),
            second.tolist(),
            strict=True,
        )
        if not np.isnan(one - two)
    ]
    return tuple(sorted(found, key=lambda one: (-one.difference, one.query_id)))


def _warnings(first: Scores, second: Scores, common: int) -> Sequence[str]:
    found = []
    if first.file.suite.fingerprint != second.file.suite.fingerprint:
        found.append("the two were scored on different copies of the clips (fingerprints differ)")
    different = set(first.file.metrics) & set(second.file.metrics)
    different -= set(comparable(first, second))
    if different:
        found.append(
            f"not compared, for they are defined differently in the two: "
            f"{', '.join(sorted(different))}"
        )
    for one in (first, second):
        if one.file.coverage.queries_scored > common:
            found.append(
                f"{one.file.system.name} covers {one.file.coverage.queries_scored} queries, "
                f"{common} of them are compared"
            )
        if one.file.coverage.partial:
            found.append(f"{one.file.system.name} is a partial result")
    return found
