"""A system beside others on one suite: what each scores, and whether they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from lassbench.scores import MIXTURE_COLUMNS, Scores, column, in_order, limited
from lassbench.scoring.comparison import common_rows, comparable, default_metric
from lassbench.statistics import Paired, bootstrap_columns, paired_difference

#: The name under which the unprocessed mixture stands in tables.
MIXTURE = "Mixture"


@dataclass(frozen=True)
class Beside:
    """Another system's row in the table.

    Attributes
    ----------
    name, uses
        Its name, and what it is told (``text``, ``tag``, ``oracle``, ``none``).
    means
        Metric -> mean over the common queries; ``None`` where undefined.
    ahead
        The scored system minus this one, in the metric that ranks.
    queries
        How many queries both cover.
    """

    name: str
    uses: str
    means: Mapping[str, float | None]
    ahead: Paired
    queries: int


def beside(scores: Scores, others: Iterable[Scores], *, metric: str = "") -> list[Beside]:
    """Rows for the unprocessed mixture and for ``others``, each on the common queries.

    The mixture needs no score file: every row carries its metrics.  Left out are
    others of the scored system's own name and predictions, and those with no query
    in common; metrics that mean something else in the other are not in its ``means``.

    Raises
    ------
    UsageError
        If one of ``others`` is a score on another suite.
    """
    metric = metric or default_metric(scores)
    found = []
    if scores.file.kind == "separation":
        found.append(_row(MIXTURE, "none", scores.rows, _as_mixture(scores.rows), metric))
    for other in others:
        if _same(scores, other) or other.file.system.name == MIXTURE:
            continue
        mine, theirs = common_rows(scores, other)
        if not len(mine):
            continue
        info = other.file.system
        row = _row(info.name, info.query_type, mine, theirs, metric)
        known = {name: row.means.get(name) for name in comparable(scores, other)}
        found.append(replace(row, means=known))
    return found


def _same(one: Scores, other: Scores) -> bool:
    a, b = one.file.system, other.file.system
    return a.name == b.name and a.predictions_sha256 == b.predictions_sha256


def _as_mixture(rows: pa.Table) -> pa.Table:
    """``rows`` with the mixture's metrics in the system's place."""
    for name in MIXTURE_COLUMNS:
        metric = name.removesuffix("_mixture")
        rows = _with(rows, metric, rows.column(name))
        rows = _with(rows, f"{metric}_i", pa.array(np.zeros(len(rows))))
    return _with(rows, "sar", pa.nulls(len(rows), pa.float64()))


def _with(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)


def _row(name: str, uses: str, mine: pa.Table, theirs: pa.Table, metric: str) -> Beside:
    clusters = np.asarray(mine.column("target_id").to_pylist(), dtype=object).astype(str)
    first, second = (limited(column(rows, metric), metric) for rows in (mine, theirs))
    return Beside(
        name=name,
        uses=uses,
        means=_means(theirs),
        ahead=paired_difference(first, second, clusters),
        queries=len(mine),
    )


def _means(rows: pa.Table) -> dict[str, float | None]:
    names = [field.name for field in rows.schema if pa.types.is_floating(field.type)]
    matrix = np.stack([limited(column(rows, name), name) for name in names], axis=1)
    intervals = bootstrap_columns(matrix, np.zeros(len(rows)), resamples=0)
    return {
        name: None if np.isnan(interval.mean) else interval.mean
        for name, interval in zip(names, intervals, strict=True)
    }


def verdict(paired: Paired) -> str:
    """``better``, ``worse``, or ``no clear difference``: what the paired test allows to say."""
    if not paired.n or not paired.significant:
        return "no clear difference"
    return "better" if paired.diff > 0 else "worse"


def shown_metrics(scores: Scores) -> Sequence[str]:
    """The metrics that a one-line row of a table shows."""
    if scores.file.kind == "absent":
        return tuple(in_order(scores.file.metrics))
    names = ("sdr", "sir", "sar", "si_sdr", "snr", "si_sdr_i", "clap", "clap_i")
    return tuple(name for name in names if name in scores.file.metrics)
