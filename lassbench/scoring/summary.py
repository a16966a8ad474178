"""From rows to the summary: means, intervals, breakdowns, spread between annotators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lassbench.records import TAG_SEPARATOR
from lassbench.scores import (
    ABSENT_METRICS,
    CLAP_METRICS,
    SEPARATION_METRICS,
    AnnotatorSpread,
    Breakdowns,
    Cell,
    Kind,
    MetricSummary,
    column,
    concept_pair,
    limited,
)
from lassbench.statistics import LEVEL, RESAMPLES, Interval, asker_spread, bootstrap_columns

#: Decimals kept in summaries: a nanodecibel, far below what the metrics' last
#: digits carry from one processor to another.
DECIMALS = 9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Everything that a score file says about its rows."""

    metrics: dict[str, MetricSummary]
    breakdowns: Breakdowns
    annotators: dict[str, AnnotatorSpread]
    wrong_source_share: float | None
    targets: int


def metric_names(kind: Kind, *, clap: bool = False) -> tuple[str, ...]:
    """The metrics that a suite of this kind is summarised in, in order."""
    names = SEPARATION_METRICS if kind == "separation" else ABSENT_METRICS
    return (*names, *CLAP_METRICS) if clap else names


def summarise(
    rows: pa.Table,
    kind: Kind,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Summary:
    """Summarise a per-query table.

    Parameters
    ----------
    rows
        As :func:`lassbench.scoring.rows.table` makes it.
    """
    names = metric_names(kind, clap="clap" in rows.schema.names)
    raw = np.stack([column(rows, name) for name in names], axis=1)
    seen = np.stack([limited(raw[:, i], name) for i, name in enumerate(names)], axis=1)
    targets = np.asarray(rows.column("target_id").to_pylist(), dtype=object)
    labels = np.unique(targets.astype(str), return_inverse=True)[1]

    def intervals(chosen: NDArray[np.intp]) -> list[Interval]:
        return bootstrap_columns(
            seen[chosen], labels[chosen], resamples=resamples, seed=seed, level=level
        )

    everything = intervals(np.arange(len(rows)))
    metrics = {name: _metric(everything[i], raw[:, i], seen[:, i]) for i, name in enumerate(names)}
    breakdowns: Breakdowns = {
        kind_of_group: {
            value: {
                name: _cell(interval, seen[chosen, i])
                for i, (name, interval) in enumerate(zip(names, intervals(chosen), strict=True))
            }
            for value, chosen in groups.items()
        }
        for kind_of_group, groups in _groups(rows).items()
    }
    return Summary(
        metrics=metrics,
        breakdowns=breakdowns,
        annotators=_annotators(rows, names, seen),
        wrong_source_share=_wrong_source_share(rows, kind),
        targets=len(np.unique(labels)),
    )


def _metric(interval: Interval, raw: Floats, seen: Floats) -> MetricSummary:
    defined = seen[~np.isnan(seen)]
    cell = _cell(interval, seen)
    return MetricSummary(
        **cell.model_dump(),
        median=number(float(np.median(defined))) if len(defined) else None,
        n_infinite=int(np.isinf(raw).sum()),
        n_limited=int((~np.isnan(raw) & (raw != seen)).sum()),
        n_undefined=int(np.isnan(raw).sum()),
    )


def _cell(interval: Interval, seen: Floats) -> Cell:
    return Cell(
        mean=number(interval.mean),
        ci_low=number(interval.low),
        ci_high=number(interval.high),
        n=int((~np.isnan(seen)).sum()),
    )


def number(value: float) -> float | None:
    """``value`` as a summary holds it: rounded to :data:`DECIMALS`, null where undefined."""
    return None if math.isnan(value) else round(value, DECIMALS) + 0.0


def _groups(rows: pa.Table) -> dict[str, dict[str, NDArray[np.intp]]]:
    """kind of breakdown -> value -> rows, values sorted, empty ones left out."""
    columns = {
        name: rows.column(name).to_pylist()
        for name in ("concept", "root", "noise_concept", "annotator", "query_type", "tags")
    }
    pairs = [
        concept_pair(target, noise) if target and noise else ""
        for target, noise in zip(columns["concept"], columns["noise_concept"], strict=True)
    ]
    single = {
        "concept": columns["concept"],
        "root": columns["root"],
        "concept_pair": pairs,
        "annotator": columns["annotator"],
        "query_type": columns["query_type"],
    }
    found = {name: _members([[value] for value in values]) for name, values in single.items()}
    found["tag"] = _members([joined.split(TAG_SEPARATOR) for joined in columns["tags"]])
    return {name: groups for name, groups in found.items() if groups}


def _members(values: Sequence[Sequence[str]]) -> dict[str, NDArray[np.intp]]:
    members: dict[str, list[int]] = {}
    for index, of_row in enumerate(values):
        for value in of_row:
            if value:
                members.setdefault(value, []).append(index)
    return {value: np.array(members[value]) for value in sorted(members)}


def _annotators(rows: pa.Table, names: Sequence[str], seen: Floats) -> dict[str, AnnotatorSpread]:
    """Metric -> how much it depends on who asked; empty with fewer than two annotators."""
    annotators = rows.column("annotator").to_pylist()
    people = sorted(set(annotators) - {""})
    if len(people) < 2:
        return {}
    mixtures = rows.column("mixture_id").to_pylist()
    places = {mixture: index for index, mixture in enumerate(sorted(set(mixtures)))}
    spreads = {}
    for metric, name in enumerate(names):
        matrix = np.full((len(places), len(people)), np.nan)
        for index, (mixture, person) in enumerate(zip(mixtures, annotators, strict=True)):
            if person:
                matrix[places[mixture], people.index(person)] = seen[index, metric]
        spread = asker_spread(matrix)
        if spread is not None:
            spreads[name] = AnnotatorSpread(
                annotators=len(people),
                mixtures=spread.mixtures,
                mean=round(spread.mean, DECIMALS),
                spread=round(spread.spread, DECIMALS),
                worst=round(spread.means[spread.worst], DECIMALS),
                worst_annotator=people[spread.worst],
                worst_of_mixture=round(spread.worst_of_mixture, DECIMALS),
                within_mixture_sd=round(spread.within_mixture_sd, DECIMALS),
                asker_share=round(spread.asker_share, DECIMALS),
            )
    return spreads


def _wrong_source_share(rows: pa.Table, kind: Kind) -> float | None:
    if kind != "separation" or not len(rows):
        return None
    return round(float(np.mean(rows.column("wrong_source").to_numpy(zero_copy_only=False))), 9)
