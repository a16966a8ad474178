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
  (:mod:`lassbench.scores.rows`, policy 3);
* undefined is what the references make so, for the mixture too (policy 3), and
  else only a SAR so high that it measures rounding: nobody leaves out an answer
  because it is bad.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lassbench.scores.rows import (
    METRICS,
    SAR_UNDEFINED_DB,
    SILENT_BELOW_DB,
    SPECTRAL_METRICS,
    improvement,
)
from lassbench.scores.score_file import ScoreFile

#: Slack of the inequalities: solvers differ by far less below ``TRUSTED_DB``.
SLACK_DB = 0.05
#: Above this a ratio measures the solver's rounding, not the estimate.
TRUSTED_DB = 60.0
#: No float64 ratio of two energies of one estimate lies beyond this (dB), ...
LARGEST_DB = 400.0
#: ... and so no distance of magnitudes beyond its amplitude.
LARGEST_DISTANCE = 10.0 ** (LARGEST_DB / 20)
#: Shares, cosines and differences of two cosines lie within this, rounding included.
LARGEST_SHARE = 2.001
#: Largest difference between two figures of the same rows that is rounding (dB).
ROUNDING_DB = 1e-6


def row_faults(score: ScoreFile, rows: pd.DataFrame) -> Iterator[str]:
    """What is impossible in the rows of one entry, a sentence each."""
    for name in rows.select_dtypes("float"):
        metric = str(name).removesuffix("_mixture")
        if metric in METRICS:
            yield from _beyond(rows, str(name), metric)
    if score.kind == "separation":
        yield from _improvements_differ(rows)
        yield from _inequalities_broken(rows)
        yield from _left_out(rows)
        yield from _parts_differ(rows)
    else:
        yield from _silences_differ(rows)


def _beyond(rows: pd.DataFrame, name: str, metric: str) -> Iterator[str]:
    values, unit = rows[name], METRICS[metric].unit
    if metric in SPECTRAL_METRICS:
        least, most = 0.0, LARGEST_DISTANCE
    else:
        most = LARGEST_DB if unit == "dB" else LARGEST_SHARE
        least = -most
        if unit == "dB":
            values = values.replace([np.inf, -np.inf], 0.0)  # a ratio may be infinite
    off = values.notna() & ~values.between(least, most)
    if off.any():
        yield f"{name} of {_at(rows, off)} is not between {least:g} and {most:g} {unit}".rstrip()


def _improvements_differ(rows: pd.DataFrame) -> Iterator[str]:
    for given in (name for name in METRICS if name.endswith("_i") and name in rows):
        own = given.removesuffix("_i")
        expected = improvement(rows[own], rows[f"{own}_mixture"])
        same = np.isclose(rows[given], expected, rtol=0, atol=ROUNDING_DB, equal_nan=True)
        if not same.all():
            yield f"{given} of {_at(rows, ~same)} is not {own} minus {own}_mixture"


def _inequalities_broken(rows: pd.DataFrame) -> Iterator[str]:
    with np.errstate(over="ignore"):
        best_snr = 10 * np.log10(1 + 10 ** (rows["si_sdr"] / 10))
    laws = (
        ("sdr", "sir", rows["sir"]),
        ("sdr", "sar", rows["sar"]),
        ("si_sdr", "sdr", rows["sdr"]),
        ("snr", "10 log10(1 + 10^(si_sdr/10))", best_snr),
    )
    for low, high_name, high in laws:
        # Infinities count: only what is undefined, or beyond trust, cannot be compared.
        off = (rows[low] < TRUSTED_DB) & (rows[low] > high + SLACK_DB)
        if off.any():
            yield f"{low} of {_at(rows, off)} is above {high_name}, which cannot be"


def _left_out(rows: pd.DataFrame) -> Iterator[str]:
    for name in (name for name in METRICS if f"{name}_mixture" in rows):
        off = rows[name].isna() & rows[f"{name}_mixture"].notna()
        if off.any():
            yield f"{name} of {_at(rows, off)} is left out, though the mixture's is defined"
    high = rows["sar"] > SAR_UNDEFINED_DB
    if high.any():
        yield f"sar of {_at(rows, high)} is above {SAR_UNDEFINED_DB:g} dB, where it is undefined"


def _parts_differ(rows: pd.DataFrame) -> Iterator[str]:
    sdr, given = rows["sdr"], rows["sar"].notna()
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Where SAR is left out it is at least so high.
        artefacts = 10 ** (-rows["sar"].fillna(SAR_UNDEFINED_DB) / 10)
        interference = 10 ** (-rows["sir"] / 10)
        expected = -10 * np.log10(interference + (1 + interference) * artefacts)
        far = (sdr < TRUSTED_DB) & ((sdr - expected).abs() > SLACK_DB)
    off = far & (given | (sdr < expected))
    if off.any():
        yield f"sdr of {_at(rows, off)} is not what its sir and sar make it"


def _silences_differ(rows: pd.DataFrame) -> Iterator[str]:
    attenuation, level = rows["attenuation"], rows["estimate_level_db"]
    same = np.isclose(attenuation, -level, rtol=0, atol=ROUNDING_DB)
    if not same.all():
        yield f"attenuation of {_at(rows, ~same)} is not minus its estimate_level_db"
    off = rows["silent_share"] != (attenuation >= SILENT_BELOW_DB)
    if off.any():
        yield (
            f"silent_share of {_at(rows, off)} is not whether its attenuation is at least"
            f" {SILENT_BELOW_DB:g} dB"
        )


def _at(rows: pd.DataFrame, where: pd.Series[bool] | NDArray[np.bool_]) -> str:
    first, *more = rows["query_id"][where]
    return f"query {first}" + (f" and {len(more)} more" if more else "")
