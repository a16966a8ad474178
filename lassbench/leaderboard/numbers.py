"""Numbers that cannot be: what rows must obey for every estimate, whoever computed it.

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

from lassbench.scores.score_file import (
    METRICS,
    SAR_UNDEFINED_DB,
    SILENT_BELOW_DB,
    ScoreFile,
    column,
)

Floats = NDArray[np.float64]

#: Slack of the inequalities: solvers differ by far less below ``TRUSTED_DB``.
SLACK_DB = 0.05
#: Above this a ratio measures the solver's rounding, not the estimate.
TRUSTED_DB = 60.0
#: No float64 ratio of two energies of one estimate lies beyond this (dB).
LARGEST_DB = 400.0
#: Shares, cosines and differences of two cosines lie within this, rounding included.
LARGEST_SHARE = 2.001
#: Largest difference between two figures of the same rows that is rounding (dB).
ROUNDING_DB = 1e-6

_IMPROVED = ("sdr", "sir", "si_sdr", "snr", "clap")


def row_faults(score: ScoreFile, rows: pa.Table) -> Iterator[str]:
    """What is impossible in the rows of one entry, a sentence each."""
    values = {name: column(rows, name) for name in rows.column_names if name in METRICS}
    for name, found in values.items():
        is_db = METRICS[name].unit == "dB"
        largest = LARGEST_DB if is_db else LARGEST_SHARE
        off = (np.abs(found) > largest) & ~(is_db & np.isinf(found))
        if off.any():
            yield f"{name} of {_at(rows, off)} is beyond {largest:g}{' dB' if is_db else ''}"
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
