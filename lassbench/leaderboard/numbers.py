"""Numbers that cannot be: an entry's figures against its own rows.

Two kinds of check.  The summary must be what its rows say: the same means,
counts and intervals, over all queries and in every breakdown, made again with
the same resamples (:mod:`lassbench.leaderboard.breakdowns`).  And the rows must
obey what holds for every estimate whatsoever, whoever computed it:

* BSS Eval splits the estimate into orthogonal parts, target + interference +
  artefacts (energies T, I, A), so with SDR = T/(I+A), SIR = T/I and
  SAR = (T+I)/A it is 1/SDR = 1/SIR + (1 + 1/SIR)/SAR, and neither SIR nor SAR
  is below SDR;
* its target part is the best 512-tap filtering of the target, SI-SDR's the best
  scaling, which is one of those filters, so SI-SDR <= SDR;
* with cosine c between estimate and target, SI-SDR is c^2 / (1 - c^2), and the
  SNR of the best possible scaling of the estimate is 1 / (1 - c^2), so
  snr <= 1 + si_sdr (as ratios, not decibels);
* an improvement is a difference of two columns of the same row: ``-inf`` where
  the value is, 0 where value and mixture are the same infinity
  (:mod:`lassbench.scores`, policy 3);
* undefined is what the references make so, for the mixture too (policy 3), and
  else only a SAR so high that it measures rounding: nobody leaves out an answer
  because it is bad.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lassbench.leaderboard.breakdowns import ROUNDING_DB, cell_fault
from lassbench.scores import (
    METRICS,
    SAR_UNDEFINED_DB,
    SILENT_BELOW_DB,
    ScoreFile,
    column,
    limited,
)
from lassbench.statistics import asker_spread

Floats = NDArray[np.float64]

#: Slack of the inequalities: solvers differ by far less below ``TRUSTED_DB``.
SLACK_DB = 0.05
#: Above this a ratio measures the solver's rounding, not the estimate.
TRUSTED_DB = 60.0
#: No float64 ratio of two energies of one estimate lies beyond this (dB).
LARGEST_DB = 400.0

_SPREAD = ("mean", "spread", "worst_of_mixture", "within_mixture_sd", "asker_share")
_ROUNDED = (*_SPREAD, "worst")
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
        yield from _left_out(rows, values)
        yield from _parts_differ(rows, values)
    else:
        yield from _silences_differ(rows, values)


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


def _left_out(rows: pa.Table, values: dict[str, Floats]) -> Iterator[str]:
    for name in _IMPROVED:
        if name in values:
            off = np.isnan(values[name]) & ~np.isnan(column(rows, f"{name}_mixture"))
            if off.any():
                yield f"{name} of {_at(rows, off)} is left out, though the mixture's is defined"
    high = values["sar"] > SAR_UNDEFINED_DB
    if high.any():
        yield f"sar of {_at(rows, high)} is above {SAR_UNDEFINED_DB:g} dB, where it is undefined"


def _parts_differ(rows: pa.Table, values: dict[str, Floats]) -> Iterator[str]:
    sdr, sir, sar = (values[name] for name in ("sdr", "sir", "sar"))
    given = ~np.isnan(sar)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Where SAR is left out it is at least so high.
        least = np.where(given, sar, SAR_UNDEFINED_DB)
        interference, artefacts = 10 ** (-sir / 10), 10 ** (-least / 10)
        expected = -10 * np.log10(interference + (1 + interference) * artefacts)
        far = (sdr < TRUSTED_DB) & (np.abs(sdr - expected) > SLACK_DB)
        off = np.where(given, far, far & (sdr < expected))
    if off.any():
        yield f"sdr of {_at(rows, off)} is not what its sir and sar make it"


def _silences_differ(rows: pa.Table, values: dict[str, Floats]) -> Iterator[str]:
    attenuation, level = values["attenuation"], column(rows, "estimate_level_db")
    with np.errstate(invalid="ignore"):
        same = (attenuation == -level) | (np.abs(attenuation + level) <= ROUNDING_DB)
    if not same.all():
        yield f"attenuation of {_at(rows, ~same)} is not minus its estimate_level_db"
    off = values["silent_share"] != (attenuation >= SILENT_BELOW_DB)
    if off.any():
        yield (
            f"silent_share of {_at(rows, off)} is not whether its attenuation is at least"
            f" {SILENT_BELOW_DB:g} dB"
        )


def _at(rows: pa.Table, where: NDArray[np.bool_]) -> str:
    first = int(np.flatnonzero(where)[0])
    more = int(where.sum()) - 1
    query = str(rows.column("query_id")[first].as_py())
    return f"query {query}" + (f" and {more} more" if more else "")


def summary_faults(score: ScoreFile, rows: pa.Table) -> Iterator[str]:
    """Where the summary of ``score`` is not what ``rows`` say, a sentence each."""
    targets = len(rows.column("target_id").unique())
    if score.targets != targets:
        yield f"targets is {score.targets}, the rows have {targets}"
    for name, summary in score.summary.items():
        values = column(rows, name)
        capped = limited(values, name)
        defined = ~np.isnan(values)
        expected = {
            "n_undefined": int((~defined).sum()),
            "n_infinite": int(np.isinf(values).sum()),
            "n_limited": int((defined & (values != capped)).sum()),
        }
        for key, count in expected.items():
            if getattr(summary, key) != count:
                yield f"{name}: {key} is {getattr(summary, key)}, the rows have {count}"
        median = float(np.median(capped[defined])) if defined.any() else None
        if not _same(summary.median, median):
            yield f"{name}: median is {summary.median}, the rows give {median}"
    wrong = cell_fault(score, rows)
    if wrong:
        yield wrong
    yield from _wrong_source_differs(score, rows)
    yield from _annotators_differ(score, rows)


def _same(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is None and expected is None
    return abs(found - expected) <= ROUNDING_DB


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
    rows = rows.filter(pa.array([bool(one) for one in rows.column("annotator").to_pylist()]))
    mixtures, place = np.unique(rows.column("mixture_id").to_pylist(), return_inverse=True)
    people, person = np.unique(rows.column("annotator").to_pylist(), return_inverse=True)
    if len(people) < 2 and not score.annotators:
        return
    for name in score.metrics:
        matrix = np.full((len(mixtures), len(people)), np.nan)
        matrix[place, person] = limited(column(rows, name), name)
        told, made = score.annotators.get(name), asker_spread(matrix)
        if told is None or made is None:
            if told is not None:
                yield f"{name}: annotators are compared, the rows do not allow it"
            elif made is not None:
                yield f"{name}: annotators are not compared, the rows have {len(people)}"
            continue
        expected = {
            "annotators": len(people),
            "mixtures": made.mixtures,
            "worst": made.means[made.worst],
            "worst_annotator": str(people[made.worst]),
            **{field: getattr(made, field) for field in _SPREAD},
        }
        for field, value in expected.items():
            got = getattr(told, field)
            if not (got == value or (field in _ROUNDED and _same(got, value))):
                yield f"{name}: {field} of annotators is {got}, the rows give {value}"
