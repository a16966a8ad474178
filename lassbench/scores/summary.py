"""From rows to the summary: means, intervals, breakdowns, spread between annotators."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lassbench.errors import UsageError, did_you_mean
from lassbench.records import TAG_SEPARATOR
from lassbench.scores.score_file import (
    CLAP_METRICS,
    KIND_METRICS,
    METRICS,
    AnnotatorSpread,
    Bootstrap,
    Cell,
    Kind,
    MetricSummary,
    Summary,
    column,
    limited,
    seen,
)
from lassbench.scores.statistics import asker_spread, bootstrap_columns

#: Decimals kept in summaries: a nanodecibel, far below what the metrics' last
#: digits carry from one processor to another.
DECIMALS = 9

Floats = NDArray[np.float64]

#: What a score is broken down by, and what is told of the spread between annotators.
BREAKDOWNS = ("concept", "root", "concept_pair", "tag", "annotator", "query_type", "audit")
#: Of ``audit``, beside what was found: whether anything was.
CLEAN, NOT_CLEAN = "clean", "not clean"
_OF_SPREAD = ("mean", "spread", "worst_of_mixture", "within_mixture_sd", "asker_share")


def metric_names(kind: Kind, *, clap: bool = False) -> tuple[str, ...]:
    """The metrics that a suite of this kind is summarised in, in order."""
    return (*KIND_METRICS[kind], *CLAP_METRICS) if clap else KIND_METRICS[kind]


def summarise(rows: pa.Table, kind: Kind, bootstrap: Bootstrap) -> Summary:
    """Summarise a per-query table.

    Groups that hold the same queries, as a concept with one tag and that tag do, share
    their intervals.
    """
    names = metric_names(kind, clap="clap" in rows.schema.names)
    raw = np.stack([column(rows, name) for name in names], axis=1)
    seen = np.stack([limited(raw[:, i], name) for i, name in enumerate(names)], axis=1)
    # In order of their names: which target a resample draws goes by its place.
    labels = np.unique(rows.column("target_id").to_pylist(), return_inverse=True)[1]
    known: dict[bytes, dict[str, Cell]] = {}

    def cells(chosen: NDArray[np.intp]) -> dict[str, Cell]:
        key = chosen.tobytes()
        if key not in known:
            values = seen[chosen]
            intervals = bootstrap_columns(
                values,
                labels[chosen],
                resamples=bootstrap.resamples,
                seed=bootstrap.seed,
                level=bootstrap.level,
            )
            counts = (~np.isnan(values)).sum(axis=0).tolist()
            known[key] = {
                name: Cell(
                    mean=number(interval.mean),
                    ci_low=number(interval.low),
                    ci_high=number(interval.high),
                    n=count,
                )
                for name, interval, count in zip(names, intervals, counts, strict=True)
            }
        return known[key]

    everything = cells(np.arange(len(rows)))
    return Summary(
        summary={
            name: _metric(everything[name], raw[:, i], seen[:, i]) for i, name in enumerate(names)
        },
        breakdowns={
            by: {value: cells(chosen) for value, chosen in groups.items()}
            for by, groups in groups_of(rows).items()
        },
        annotators=_annotators(rows, names, seen),
        wrong_source_share=_wrong_source_share(rows, kind),
        targets=len(np.unique(labels)),
    )


def _metric(cell: Cell, raw: Floats, seen: Floats) -> MetricSummary:
    defined = seen[~np.isnan(seen)]
    return MetricSummary(
        **cell.model_dump(),
        median=number(float(np.median(defined))) if len(defined) else None,
        n_infinite=int(np.isinf(raw).sum()),
        n_limited=int((~np.isnan(raw) & (raw != seen)).sum()),
        n_undefined=int(np.isnan(raw).sum()),
    )


def number(value: float) -> float | None:
    """``value`` as a summary holds it: rounded to :data:`DECIMALS`, null where undefined."""
    return None if math.isnan(value) else round(value, DECIMALS) + 0.0


def groups_of(rows: pa.Table) -> dict[str, dict[str, NDArray[np.intp]]]:
    """Breakdown -> value -> rows, values sorted, empty ones left out."""
    labels = {
        by: [[value] for value in rows.column(by).to_pylist()]
        for by in ("concept", "root", "annotator", "query_type")
    }
    pairs = zip(labels["concept"], rows.column("noise_concept").to_pylist(), strict=True)
    labels["concept_pair"] = [
        [f"{target} + {noise}" if target and noise else ""] for (target,), noise in pairs
    ]
    labels["tag"] = [joined.split(TAG_SEPARATOR) for joined in rows.column("tags").to_pylist()]
    if "audit" in rows.column_names:
        labels["audit"] = [
            [NOT_CLEAN, *found.split(TAG_SEPARATOR)] if found else [CLEAN]
            for found in rows.column("audit").to_pylist()
        ]
    found = {by: _members(labels[by]) for by in BREAKDOWNS if by in labels}
    return {by: groups for by, groups in found.items() if groups}


def _members(values: Sequence[Sequence[str]]) -> dict[str, NDArray[np.intp]]:
    members: dict[str, list[int]] = {}
    for index, of_row in enumerate(values):
        for value in dict.fromkeys(of_row):  # a tag written twice is one
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
            figures = {one: round(getattr(spread, one), DECIMALS) for one in _OF_SPREAD}
            spreads[name] = AnnotatorSpread(
                annotators=len(people),
                mixtures=spread.mixtures,
                worst=round(spread.means[spread.worst], DECIMALS),
                worst_annotator=people[spread.worst],
                **figures,
            )
    return spreads


def _wrong_source_share(rows: pa.Table, kind: Kind) -> float | None:
    if kind != "separation" or not len(rows):
        return None
    wrong = rows.column("wrong_source").to_numpy(zero_copy_only=False)
    return round(float(np.mean(wrong)), DECIMALS)


#: How the averages by name are taken: what of each class, whose mean is the average.
_OF_CLASS: dict[str, Callable[..., Any]] = {"mean-by-class": np.mean, "median-by-class": np.median}
AVERAGES = ("mean", *_OF_CLASS)


def average(rows: pa.Table, metric: str, name: str) -> float | None:
    """An average of ``metric`` by its name; ``None`` where nothing is defined.

    ``mean``
        over queries: what summaries give.
    ``mean-by-class``
        the mean over classes of each class's mean: AudioSep's of MUSIC.
    ``median-by-class``
        the mean over classes of each class's median: AudioSep's of AudioSet.

    A query's class is its ``concept``.  Values are limited and nulls left out as in means
    (:mod:`lassbench.scores`); a class without a defined value is left out.

    Raises
    ------
    UsageError
        If there is no such metric or average, or a query has no class.
    """
    metrics = [one for one in rows.column_names if one in METRICS]
    for what, given, known in (("metric", metric, metrics), ("average", name, AVERAGES)):
        if given not in known:
            near = did_you_mean(given, known)
            raise UsageError(f"no {what} {given!r}{near}", expected=", ".join(known))
    check_classes(rows.column("concept").to_pylist(), name)
    values = seen(rows, metric)
    of_class = _OF_CLASS.get(name)
    if of_class is not None:
        parts = (values[chosen] for chosen in groups_of(rows).get("concept", {}).values())
        defined = (part[~np.isnan(part)] for part in parts)
        values = np.array([of_class(part) for part in defined if len(part)])
    values = values[~np.isnan(values)]
    return number(float(np.mean(values))) if len(values) else None


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
