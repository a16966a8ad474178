"""Numbers that cannot be: an entry's figures against its own rows.

Two kinds of check.  The summary must be what its rows say: the same means,
counts and intervals, made again with the same resamples.  And the rows must
obey what holds for every estimate whatsoever, whoever computed it:

* BSS Eval splits the estimate into orthogonal parts, target + interference +
  artefacts, so SDR <= SIR and SDR <= SAR;
* its target part is the best 512-tap filtering of the target, SI-SDR's the best
  scaling, which is one of those filters, so SI-SDR <= SDR;
* with cosine c between estimate and target, SI-SDR is c^2 / (1 - c^2), and the
  SNR of the best possible scaling of the estimate is 1 / (1 - c^2), so
  snr <= 1 + si_sdr (as ratios, not decibels);
* an improvement is a difference of two columns of the same row: ``-inf`` where
  the value is, 0 where value and mixture are the same infinity
  (:mod:`lassbench.scores`, policy 3).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lassbench.scores import (
    LIMIT_DB,
    METRICS,
    Cell,
    ScoreFile,
    column,
    concept_pair,
    limited,
)
from lassbench.statistics import asker_spread, bootstrap_columns

Floats = NDArray[np.float64]

#: Largest difference between a summary and its rows that is rounding (dB).
ROUNDING_DB = 1e-6
#: Slack of the inequalities: solvers differ by far less below ``TRUSTED_DB``.
SLACK_DB = 0.05
#: Above this a ratio measures the solver's rounding, not the estimate.
TRUSTED_DB = 60.0
#: No float64 ratio of two energies of one estimate lies beyond this (dB).
LARGEST_DB = 400.0

_IMPROVED = ("sdr", "sir", "si_sdr", "snr", "clap")


def row_faults(score: ScoreFile, rows: pa.Table) -> Iterator[str]:
    """What is impossible in the rows of one entry, a sentence each."""
    values = {name: column(rows, name) for name in rows.column_names if name in METRICS}
    for name, found in values.items():
        finite = found[np.isfinite(found)]
        if METRICS[name].unit == "dB" and np.any(np.abs(finite) > LARGEST_DB):
            yield f"{name} of {_at(rows, np.abs(found) > LARGEST_DB)} is beyond {LARGEST_DB:g} dB"
    if score.kind == "separation":
        yield from _improvements_differ(rows, values)
        yield from _inequalities_broken(rows, values)
    elif not np.isin(values["silent_share"], (0.0, 1.0)).all():
        yield "silent_share of a query is neither 0 nor 1"


def _improvements_differ(rows: pa.Table, values: dict[str, Floats]) -> Iterator[str]:
    for name in _IMPROVED:
        if f"{name}_i" not in values:
            continue
        own, mixture = values[name], column(rows, f"{name}_mixture")
        given = values[f"{name}_i"]
        with np.errstate(invalid="ignore"):
            expected = np.where(own == mixture, 0.0, own - mixture)
            expected[own == -np.inf] = -np.inf
            same = (given == expected) | (np.abs(given - expected) <= ROUNDING_DB)
        off = ~(same | (np.isnan(given) & np.isnan(expected)))
        if off.any():
            yield f"{name}_i of {_at(rows, off)} is not {name} minus {name}_mixture"


def _inequalities_broken(rows: pa.Table, values: dict[str, Floats]) -> Iterator[str]:
    sdr, si_sdr = values["sdr"], values["si_sdr"]
    with np.errstate(over="ignore", invalid="ignore"):
        best_snr = 10 * np.log10(1 + 10 ** (si_sdr / 10))
    laws = (
        ("sdr", sdr, "sir", values["sir"]),
        ("sdr", sdr, "sar", values["sar"]),
        ("si_sdr", si_sdr, "sdr", sdr),
        ("snr", values["snr"], "10 log10(1 + 10^(si_sdr/10))", best_snr),
    )
    for low_name, low, high_name, high in laws:
        # Infinities count: only what is undefined, or beyond trust, cannot be compared.
        with np.errstate(invalid="ignore"):
            off = (low < TRUSTED_DB) & (low > high + SLACK_DB)
        if off.any():
            yield f"{low_name} of {_at(rows, off)} is above {high_name}, which cannot be"


def _at(rows: pa.Table, where: NDArray[np.bool_]) -> str:
    first = int(np.flatnonzero(where)[0])
    more = int(where.sum()) - 1
    query = str(rows.column("query_id")[first].as_py())
    return f"query {query}" + (f" and {more} more" if more else "")


def summary_faults(score: ScoreFile, rows: pa.Table, *, intervals: bool = True) -> Iterator[str]:
    """Where the summary of ``score`` is not what ``rows`` say, a sentence each.

    Parameters
    ----------
    intervals
        Whether to draw the resamples again and compare the intervals as well
        (some milliseconds an entry).
    """
    targets = rows.column("target_id").to_numpy(zero_copy_only=False)
    if score.targets != len(set(targets)):
        yield f"targets is {score.targets}, the rows have {len(set(targets))}"
    for name, summary in score.summary.items():
        values = column(rows, name)
        capped = limited(values, name)
        defined = ~np.isnan(values)
        expected = {
            "n": int(defined.sum()),
            "n_undefined": int((~defined).sum()),
            "n_infinite": int(np.isinf(values).sum()),
            "n_limited": int((defined & (values != capped)).sum()),
        }
        for key, count in expected.items():
            if getattr(summary, key) != count:
                yield f"{name}: {key} is {getattr(summary, key)}, the rows have {count}"
        yield from _mean_differs(name, summary, capped)
        median = float(np.median(capped[defined])) if defined.any() else None
        if not _same(summary.median, median):
            yield f"{name}: median is {summary.median}, the rows give {median}"
    yield from _breakdown_faults(score, rows)
    yield from _wrong_source_differs(score, rows)
    yield from _annotators_differ(score, rows)
    if intervals:
        yield from _interval_faults(score, rows, targets)


def _mean_differs(name: str, cell: Cell, capped: Floats) -> Iterator[str]:
    defined = capped[~np.isnan(capped)]
    mean = float(defined.mean()) if len(defined) else None
    if not _same(cell.mean, mean):
        yield f"{name}: mean is {cell.mean}, the rows give {mean}"
    if cell.n != len(defined):
        yield f"{name}: n is {cell.n}, the rows have {len(defined)}"
    low, high = cell.ci_low, cell.ci_high
    if low is not None and high is not None and mean is not None and not low <= high:
        yield f"{name}: the interval {low} to {high} is upside down"
    if any(end is not None and abs(end) > LIMIT_DB for end in (low, high)):
        yield f"{name}: an end of the interval is beyond {LIMIT_DB:g} dB"


def _same(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is None and expected is None
    return abs(found - expected) <= ROUNDING_DB


def _breakdown_faults(score: ScoreFile, rows: pa.Table) -> Iterator[str]:
    # Tags are not in the rows: `rescore` compares their means with those of the
    # predictions, as it does the intervals of every breakdown.
    for by in ("concept", "root", "concept_pair", "annotator", "query_type"):
        groups = score.breakdowns.get(by, {})
        if not groups:
            continue
        labels = np.asarray(_labels(rows, by), dtype=object)
        for value, cells in groups.items():
            chosen = labels == value
            for name, cell in cells.items():
                capped = limited(column(rows, name)[chosen], name)
                yield from _mean_differs(f"{by} {value}, {name}", cell, capped)


def _labels(rows: pa.Table, by: str) -> list[str]:
    if by != "concept_pair":
        return list(rows.column(by).to_pylist())
    concepts, noises = (rows.column(one).to_pylist() for one in ("concept", "noise_concept"))
    return list(map(concept_pair, concepts, noises))


def _wrong_source_differs(score: ScoreFile, rows: pa.Table) -> Iterator[str]:
    if "wrong_source" not in rows.column_names:
        if score.wrong_source_share is not None:
            yield "wrong_source_share is given, the rows have no such column"
        return
    wrong = rows.column("wrong_source").to_numpy(zero_copy_only=False)
    share = float(wrong.mean()) if len(wrong) else None
    if not _same(score.wrong_source_share, share):
        yield f"wrong_source_share is {score.wrong_source_share}, the rows give {share}"


def _annotators_differ(score: ScoreFile, rows: pa.Table) -> Iterator[str]:
    if not score.annotators:
        return
    rows = rows.filter(pa.array([bool(one) for one in rows.column("annotator").to_pylist()]))
    mixtures, place = np.unique(rows.column("mixture_id").to_pylist(), return_inverse=True)
    people, person = np.unique(rows.column("annotator").to_pylist(), return_inverse=True)
    for name, told in score.annotators.items():
        matrix = np.full((len(mixtures), len(people)), np.nan)
        matrix[place, person] = limited(column(rows, name), name)
        made = asker_spread(matrix)
        if made is None:
            yield f"{name}: annotators are compared, the rows do not allow it"
            continue
        for field in ("mean", "spread", "worst_of_mixture", "within_mixture_sd", "asker_share"):
            if not _same(getattr(told, field), getattr(made, field)):
                yield f"{name}: {field} between annotators is not what the rows give"
        if not _same(told.worst, made.means[made.worst]):
            yield f"{name}: the worst annotator's mean is not what the rows give"
        if (told.annotators, told.mixtures) != (len(people), made.mixtures):
            yield f"{name}: the rows have {len(people)} annotators of {made.mixtures} mixtures"
        if told.worst_annotator != people[made.worst]:
            yield f"{name}: the worst annotator is {people[made.worst]}"


def _interval_faults(
    score: ScoreFile, rows: pa.Table, targets: NDArray[np.object_]
) -> Iterator[str]:
    names = list(score.summary)
    matrix = np.stack([limited(column(rows, name), name) for name in names], axis=1)
    drawn = bootstrap_columns(
        matrix,
        targets,
        resamples=score.bootstrap.resamples,
        seed=score.bootstrap.seed,
        level=score.bootstrap.level,
    )
    for name, interval in zip(names, drawn, strict=True):
        cell = score.summary[name]
        ends = (("low", cell.ci_low, interval.low), ("high", cell.ci_high, interval.high))
        for end, found, made in ends:
            expected = None if np.isnan(made) else made
            if not _same(found, expected):
                yield f"{name}: the interval's {end} end is {found}, the rows give {expected}"
