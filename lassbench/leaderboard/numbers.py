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
* an answer in which there is nothing of the target (``si_sdr`` is ``-inf``) is the wrong source;
* undefined is what the references make so, for the mixture too (policy 3), and
  else only a SAR so high that it measures rounding: nobody leaves out an answer
  because it is bad.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lassbench.scores.rows import METRICS, SAR_UNDEFINED_DB, SILENT_BELOW_DB, Kind, improvement

#: Columns by name.
Values: TypeAlias = Mapping[str, NDArray[np.float64]]
#: A column, where it is at fault, and what it is there.
Fault: TypeAlias = tuple[str, NDArray[np.bool_], str]

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


def row_faults(kind: Kind, rows: pd.DataFrame) -> Iterator[str]:
    """What is impossible in the rows of one entry, a sentence each."""
    values = {
        str(name): rows[name].to_numpy(float) for name in rows.select_dtypes(["float", "bool"])
    }
    with np.errstate(all="ignore"):
        for law in (_beyond, *_LAWS[kind]):
            for name, off, what in law(values):
                if off.any():
                    first, *more = rows["query_id"][off]
                    query = f"query {first}" + (f" and {len(more)} more" if more else "")
                    yield f"{name} of {query} is {what}"


def _beyond(values: Values) -> Iterator[Fault]:
    for name, found in values.items():
        # How loud the estimate is, is a ratio too.
        given = "snr" if name == "estimate_level_db" else name.removesuffix("_mixture")
        metric = METRICS.get(given)
        if metric is None:
            continue
        is_ratio = metric.unit == "dB" and metric.better == "higher"
        most = LARGEST_DB if is_ratio else LARGEST_SHARE
        least, most = (0.0, LARGEST_DISTANCE) if metric.better == "lower" else (-most, most)
        off = ((found < least) | (found > most)) & ~(is_ratio & np.isinf(found))
        yield name, off, f"not between {least:g} and {most:g} {metric.unit}".rstrip()


def _improvements_differ(values: Values) -> Iterator[Fault]:
    for given in (name for name in values if name.endswith("_i")):
        own = given.removesuffix("_i")
        mixture = f"{own}_mixture"
        expected = improvement(pd.Series(values[own]), pd.Series(values[mixture]))
        same = np.isclose(values[given], expected, rtol=0, atol=ROUNDING_DB, equal_nan=True)
        yield given, ~same, f"not {own} minus {mixture}"


def _inequalities_broken(values: Values) -> Iterator[Fault]:
    sdr, si_sdr = values["sdr"], values["si_sdr"]
    best_snr = 10 * np.log10(1 + 10 ** (si_sdr / 10))
    for low, high_name, high in (
        ("sdr", "sir", values["sir"]),
        ("sdr", "sar", values["sar"]),
        ("si_sdr", "sdr", sdr),
        ("snr", "10 log10(1 + 10^(si_sdr/10))", best_snr),
    ):
        # Infinities count: only what is undefined, or beyond trust, cannot be compared.
        off = (values[low] < TRUSTED_DB) & (values[low] > high + SLACK_DB)
        yield low, off, f"above {high_name}, which cannot be"


def _left_out(values: Values) -> Iterator[Fault]:
    for name in (name for name in values if f"{name}_mixture" in values):
        off = np.isnan(values[name]) & ~np.isnan(values[f"{name}_mixture"])
        yield name, off, "left out, though the mixture's is defined"
    high = f"above {SAR_UNDEFINED_DB:g} dB, where it is undefined"
    yield "sar", values["sar"] > SAR_UNDEFINED_DB, high


def _parts_differ(values: Values) -> Iterator[Fault]:
    sdr, sir, sar = (values[name] for name in ("sdr", "sir", "sar"))
    given = ~np.isnan(sar)
    # Where SAR is left out it is at least so high.
    least = np.where(given, sar, SAR_UNDEFINED_DB)
    interference, artefacts = 10 ** (-sir / 10), 10 ** (-least / 10)
    expected = -10 * np.log10(interference + (1 + interference) * artefacts)
    far = (sdr < TRUSTED_DB) & (np.abs(sdr - expected) > SLACK_DB)
    yield "sdr", far & (given | (sdr < expected)), "not what its sir and sar make it"


def _right_without_target(values: Values) -> Iterator[Fault]:
    off = np.isneginf(values["si_sdr"]) & (values["wrong_source"] == 0)
    yield "wrong_source", off, "false, though there is nothing of the target"


def _silences_differ(values: Values) -> Iterator[Fault]:
    attenuation = values["attenuation"]
    same = np.isclose(attenuation, -values["estimate_level_db"], rtol=0, atol=ROUNDING_DB)
    yield "attenuation", ~same, "not minus its estimate_level_db"
    silent = f"not whether its attenuation is at least {SILENT_BELOW_DB:g} dB"
    yield "silent_share", values["silent_share"] != (attenuation >= SILENT_BELOW_DB), silent


_LAWS: Mapping[Kind, Sequence[Callable[[Values], Iterator[Fault]]]] = {
    "separation": (
        *(_improvements_differ, _inequalities_broken, _left_out, _parts_differ),
        _right_without_target,
    ),
    "absent": (_silences_differ,),
}
