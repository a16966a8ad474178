"""From measured numbers to rows, by the written policy (:mod:`lassbench.scores`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from lassbench.records import TAG_SEPARATOR, Query
from lassbench.scores import (
    SAR_UNDEFINED_DB,
    SILENT_BELOW_DB,
    Kind,
    rows_schema,
)
from lassbench.scoring.judge import Verdict
from lassbench.scoring.pieces import Measured
from lassbench.suites import QueryMeta, Suite

SILENT = "silent"
SAR_LEFT_OUT = "sar-undefined"


def improvement(value: float, mixture: float) -> float:
    """``value - mixture`` where either may be infinite.

    The worst value stays the worst whatever the mixture's is, and two perfect
    ones differ by nothing.
    """
    if value == -math.inf:
        return -math.inf
    return 0.0 if value == mixture else value - mixture


def separation_values(verdict: Verdict) -> tuple[dict[str, float | None], list[str]]:
    """Metric columns of a separation row, and its flags."""
    values = dict(verdict.values)
    flags = []
    if verdict.silent:
        # Policy 1: silence is the worst answer, whatever the formulas make of 0/0.
        values.update(dict.fromkeys(("sdr", "sir", "sar", "si_sdr", "snr"), -math.inf))
        flags.append(SILENT)
    for name in ("sdr", "sir", "si_sdr", "snr"):
        values[f"{name}_i"] = improvement(values[name], values[f"{name}_mixture"])
    if values["sar"] > SAR_UNDEFINED_DB:
        # Policy 3: up to rounding there are no artefacts to measure.
        values["sar"] = math.nan
        flags.append(SAR_LEFT_OUT)
    return {name: _null_if_nan(value) for name, value in values.items()}, flags


def absent_values(verdict: Verdict) -> tuple[dict[str, float | None], list[str]]:
    """Metric columns of a row of an absent-sound suite, and its flags."""
    attenuation = 0.0 - verdict.level_db  # not -0.0 for the mixture itself
    quiet = 1.0 if attenuation >= SILENT_BELOW_DB else 0.0
    flags = [SILENT] if verdict.silent else []
    return {"attenuation": _null_if_nan(attenuation), "silent_share": quiet}, flags


def _null_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def row(
    measured: Measured, query: Query, meta: QueryMeta, kind: Kind, clap: Mapping[str, float] | None
) -> dict[str, Any]:
    """One row of the per-query table."""
    verdict = measured.verdict
    values, flags = (separation_values if kind == "separation" else absent_values)(verdict)
    if clap is not None:
        values.update(clap)
    described: dict[str, Any] = {
        "query_id": query.query_id,
        "mixture_id": query.mixture_id,
        "target_id": meta.target_id,
        "noise_id": meta.noise_id,
        "concept": meta.concept,
        "root": meta.root,
        "noise_concept": meta.noise_concept,
        "tags": TAG_SEPARATOR.join(meta.tags),
        "query_type": query.query_type,
        "annotator": query.annotator,
        "text": query.text,
        "estimate_level_db": verdict.level_db,
        "flags": ";".join(flags),
    }
    if kind == "separation":
        described["wrong_source"] = verdict.silent or verdict.wrong_source
    return {**described, **values}


def table(
    measured: Iterable[Measured],
    suite: Suite,
    *,
    clap: Mapping[str, Mapping[str, float]] | None = None,
) -> pa.Table:
    """The per-query table, sorted by query id.

    Parameters
    ----------
    clap
        query_id -> ``clap``, ``clap_mixture`` and ``clap_i``, where they were asked for.
    """
    made = [
        row(
            one,
            suite.queries[one.query_id],
            suite.meta[one.query_id],
            suite.kind,
            clap[one.query_id] if clap is not None else None,
        )
        for one in sorted(measured, key=lambda one: one.query_id)
    ]
    return pa.Table.from_pylist(made, schema=rows_schema(suite.kind, clap=clap is not None))
