"""Made-up results for the tests and the benchmark of the leaderboard.

The numbers are drawn from a seed and obey the laws that real scores obey; they
say nothing about any system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lassbench.scores.score_file import (
    ABSENT_METRICS,
    METRICS,
    SEPARATION_METRICS,
    AnnotatorSpread,
    Bootstrap,
    Cell,
    Coverage,
    MetricSummary,
    ScoreFile,
    Scores,
    SuiteInfo,
    SystemInfo,
    column,
    ids_sha256,
    rows_schema,
    rows_sha256,
    seen,
)
from lassbench.scores.statistics import asker_spread, bootstrap_columns

CONCEPTS = ("dog", "rain", "siren", "bell", "typing")
#: Concept -> what its targets are tagged with: the first always, one of the others by turns.
TAGS = {
    "dog": ("Animal", "Bow-wow", "Domestic animals, pets"),
    "rain": ("Rain", "Raindrop", "Thunder"),
    "siren": ("Siren", "Police car (siren)"),
    "bell": ("Bell",),
    "typing": ("Typing", "Computer keyboard"),
}
ROOTS = {"dog": "Animal", "rain": "Natural sounds"}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def suite_info(name: str = "made", *, queries: int = 60, **changes: Any) -> SuiteInfo:
    values: dict[str, Any] = {
        "name": name,
        "title": f"Made-up suite {name}",
        "fingerprint": digest(f"{name} audio"),
        "list_fingerprint": digest(f"{name} list"),
        "dataset_name": "made",
        "dataset_fingerprint": digest("made"),
        "synthetic": True,
        "audio_may_be_published": True,
        "sample_rate_hz": 16000,
        "samples": 16000,
        "queries": queries,
    }
    return SuiteInfo(**{**values, **changes})


def questions(suite: SuiteInfo, *, noises: int = 5, annotators: int = 1) -> dict[str, list[Any]]:
    """The text columns of a suite's rows, the same for every system."""
    table: dict[str, list[Any]] = {name: [] for name in rows_schema("separation").names[:11]}
    for number in range(suite.queries):
        mixture, annotator = divmod(number, annotators)
        target = mixture // noises
        concept = CONCEPTS[target % len(CONCEPTS)]
        noise = CONCEPTS[(target + 1 + mixture % noises % (len(CONCEPTS) - 1)) % len(CONCEPTS)]
        for name, value in {
            "query_id": f"q{number:05d}",
            "mixture_id": f"m{mixture:05d}",
            "target_id": f"t{target:04d}",
            "noise_id": f"n{mixture:05d}",
            "concept": concept,
            "root": ROOTS.get(concept, "Sounds of things"),
            "noise_concept": noise,
            "tags": "; ".join(tags_of(concept, target)),
            "query_type": "templated" if annotators == 1 else "annotator",
            "annotator": "" if annotators == 1 else f"a{annotator + 1}",
            "text": f"a sound of {concept}, number {target}",
        }.items():
            table[name].append(value)
    return table


def tags_of(concept: str, target: int) -> tuple[str, ...]:
    first, *others = TAGS[concept]
    return (first, others[target % len(others)]) if others else (first,)


def separation_columns(
    suite: SuiteInfo, targets: Sequence[str], quality_db: float, seed: int
) -> dict[str, Any]:
    """Metric columns that obey SI-SDR <= SDR <= SIR; 1/SDR = 1/SIR + (1 + 1/SIR)/SAR;
    snr <= 1 + si_sdr."""
    size = len(targets)
    shared = np.random.default_rng(int(suite.list_fingerprint[:8], 16))
    own = np.random.default_rng([seed, 7])
    ease = {target: shared.normal(0, 2) for target in sorted(set(targets))}
    mixture = shared.normal(0, 1.5, size)
    gain = quality_db + np.array([ease[t] for t in targets]) + own.normal(0, 1.5, size)
    si_sdr = mixture + gain
    sdr = si_sdr + own.exponential(0.5, size)
    sir = sdr + 0.1 + own.exponential(3, size)
    interference = 10 ** (-sir / 10)
    found = {
        "si_sdr": si_sdr,
        "sdr": sdr,
        "sir": sir,
        "sar": 10 * np.log10((1 + interference) / (10 ** (-sdr / 10) - interference)),
        "snr": si_sdr - own.exponential(0.3, size),
        "si_sdr_mixture": mixture,
        "sdr_mixture": mixture + 0.2,
        "sir_mixture": mixture + 0.3,
        "snr_mixture": mixture - 0.1,
    }
    for name in ("sdr", "sir", "si_sdr", "snr"):
        found[f"{name}_i"] = found[name] - found[f"{name}_mixture"]
    found["wrong_source"] = gain < 0
    found["estimate_level_db"] = own.normal(-3, 1, size)
    return found


def absent_columns(size: int, quality_db: float, seed: int) -> dict[str, Any]:
    attenuation = quality_db + np.random.default_rng([seed, 8]).normal(0, 6, size)
    return {
        "attenuation": attenuation,
        "silent_share": (attenuation >= 20).astype(np.float64),
        "estimate_level_db": -attenuation,
    }


def make_rows(
    suite: SuiteInfo,
    *,
    kind: str = "separation",
    quality_db: float = 5.0,
    seed: int = 0,
    annotators: int = 1,
    undefined_sar: bool = False,
) -> pa.Table:
    table = questions(suite, annotators=annotators)
    if kind == "separation":
        table.update(separation_columns(suite, table["target_id"], quality_db, seed))
    else:
        table.update(absent_columns(suite.queries, quality_db, seed))
    if undefined_sar:
        # No artefacts: all that is not target is interference.
        table["sar"], table["sir"] = [None] * suite.queries, table["sdr"]
        table["sir_i"] = table["sir"] - table["sir_mixture"]
    table["flags"] = [""] * suite.queries
    schema = rows_schema(kind)
    return pa.table({name: table[name] for name in schema.names}, schema=schema)


def _cells(rows: pa.Table, names: Sequence[str], resamples: int) -> dict[str, dict[str, Any]]:
    matrix = np.stack([seen(rows, name) for name in names], axis=1)
    targets = rows.column("target_id").to_numpy(zero_copy_only=False)
    cells = {}
    for name, interval, values in zip(
        names, bootstrap_columns(matrix, targets, resamples=resamples), matrix.T, strict=True
    ):
        ends = {"mean": interval.mean, "ci_low": interval.low, "ci_high": interval.high}
        defined = values[~np.isnan(values)]
        cells[name] = {
            **{end: None if np.isnan(value) else value for end, value in ends.items()},
            "n": len(defined),
            "median": float(np.median(defined)) if len(defined) else None,
        }
    return cells


def _labels(rows: pa.Table) -> dict[str, list[list[str]]]:
    """What each row counts for, breakdown by breakdown."""
    found = {
        by: [[one] if one else [] for one in rows.column(by).to_pylist()]
        for by in ("concept", "root", "annotator", "query_type")
    }
    pairs = rows.select(["concept", "noise_concept"]).to_pylist()
    found["concept_pair"] = [[f"{one['concept']} + {one['noise_concept']}"] for one in pairs]
    found["tag"] = [one.split("; ") for one in rows.column("tags").to_pylist()]
    return found


def breakdowns(rows: pa.Table, names: Sequence[str], resamples: int) -> dict[str, Any]:
    """Breakdown -> value -> metric -> cell."""
    found: dict[str, Any] = {}
    for by, labels in _labels(rows).items():
        for value in sorted({one for of_row in labels for one in of_row}):
            part = rows.filter(pa.array([value in of_row for of_row in labels]))
            found.setdefault(by, {})[value] = {
                name: Cell(**{k: v for k, v in cell.items() if k != "median"})
                for name, cell in _cells(part, names, resamples).items()
            }
    return found


def summarise(
    rows: pa.Table,
    suite: SuiteInfo,
    system: SystemInfo,
    *,
    kind: str = "separation",
    resamples: int = 10_000,
    renderable: int | None = None,
    **changes: Any,
) -> ScoreFile:
    """A score file of ``rows``: what `lassbench score` would say of them."""
    names = SEPARATION_METRICS if kind == "separation" else ABSENT_METRICS
    summary = {}
    for name, cell in _cells(rows, names, resamples).items():
        values = column(rows, name)
        summary[name] = MetricSummary(
            **cell,
            n_infinite=int(np.isinf(values).sum()),
            n_undefined=int(np.isnan(values).sum()),
            n_limited=int(np.sum(np.abs(values) > 100)),
        )
    annotators: dict[str, Any] = {}
    people = sorted(set(rows.column("annotator").to_pylist()) - {""})
    if len(people) > 1:
        for name in names:
            # Questions are made mixture by mixture, one row an annotator.
            matrix = seen(rows, name).reshape(-1, len(people))
            spread = asker_spread(matrix)
            assert spread is not None
            annotators[name] = AnnotatorSpread(
                annotators=len(people),
                mixtures=spread.mixtures,
                mean=spread.mean,
                spread=spread.spread,
                worst=spread.means[spread.worst],
                worst_annotator=people[spread.worst],
                worst_of_mixture=spread.worst_of_mixture,
                within_mixture_sd=spread.within_mixture_sd,
                asker_share=spread.asker_share,
            )
    scored = rows.num_rows
    can = scored if renderable is None else renderable
    values: dict[str, Any] = {
        "lassbench_version": "0.1.0",
        "kind": kind,
        "suite": suite,
        "system": system,
        "coverage": Coverage(
            queries_total=suite.queries,
            renderable=can,
            queries_scored=scored,
            missing_predictions=can - scored,
            partial=scored < can,
            scored_sha256=ids_sha256(rows.column("query_id").to_pylist()),
        ),
        "metrics": {name: METRICS[name] for name in names},
        "summary": summary,
        "breakdowns": breakdowns(rows, names, resamples),
        "annotators": annotators,
        "wrong_source_share": float(np.mean(rows.column("wrong_source").to_pylist()))
        if kind == "separation"
        else None,
        "targets": len(set(rows.column("target_id").to_pylist())),
        "bootstrap": Bootstrap(resamples=resamples, seed=0),
        "rows_sha256": rows_sha256(rows),
    }
    return ScoreFile(**{**values, **changes})


def system_info(name: str = "System A", **changes: Any) -> SystemInfo:
    values: dict[str, Any] = {
        "name": name,
        "authors": "Test data",
        "query_type": "text",
        "parameters": 1_000_000,
        "trained_on": ("made-up clips",),
        "predictions_sha256": digest(name),
    }
    return SystemInfo(**{**values, **changes})


def make_scores(
    name: str = "System A",
    *,
    suite: SuiteInfo | None = None,
    quality_db: float = 5.0,
    seed: int = 0,
    kind: str = "separation",
    annotators: int = 1,
    keep: Sequence[int] | None = None,
    renderable: int | None = None,
    resamples: int = 1_000,
    undefined_sar: bool = False,
    system: dict[str, Any] | None = None,
    **changes: Any,
) -> Scores:
    """A made-up score; ``keep`` are the indices of the queries that it covers."""
    suite = suite or suite_info()
    rows = make_rows(
        suite,
        kind=kind,
        quality_db=quality_db,
        seed=seed,
        annotators=annotators,
        undefined_sar=undefined_sar,
    )
    if keep is not None:
        rows = rows.take(pa.array(sorted(keep)))
    file = summarise(
        rows,
        suite,
        system_info(name, **(system or {})),
        kind=kind,
        resamples=resamples,
        renderable=renderable,
        **changes,
    )
    return Scores(file, rows)


def write(folder: Path, scores: Scores) -> Path:
    """Write a score file as `lassbench score` does; the path of its JSON."""
    return scores.save(folder)[0]
