"""What the pages' scripts read: small JavaScript files, loaded only where they are used.

Files and not requests: a page opened from disk may load a script beside it, but
may not fetch.  Each file makes one call, ``lassbench.take(name, value)``, with a
JSON value; ``<`` is escaped so that nothing in it can end a script element.
Numbers are rounded to a thousandth (dB): pages show a hundredth.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lassbench.leaderboard.entries import Loaded
from lassbench.leaderboard.ranking import Standings
from lassbench.scores.score_file import METRICS, column, limited
from lassbench.scores.statistics import (
    FEW_CLUSTERS,
    RESAMPLES,
    enough_clusters,
    expanded_tail,
    student_quantile,
)

_QUESTION_COLUMNS = ("query_id", "target_id", "concept", "noise_concept", "annotator", "text")


def script(name: str, value: Any) -> str:
    """The text of a data file that hands ``value`` to the page under ``name``."""
    text = json.dumps(
        value, separators=(",", ":"), sort_keys=True, ensure_ascii=True, allow_nan=False
    )
    for char, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(char, escaped)
    return f"lassbench.take({json.dumps(name)},{text});\n"


def rounded(value: float | None) -> float | None:
    """To a thousandth; ``None`` for what is not a finite number."""
    if value is None or not math.isfinite(value):
        return None
    return round(value, 3) + 0.0  # + 0.0 turns -0.0 into 0.0


def metric_facts(metrics: Sequence[str]) -> list[dict[str, str]]:
    """Name, title and unit of each metric, as scripts label axes with them."""
    return [
        {"name": m, "title": METRICS[m].title, "unit": METRICS[m].unit, "better": METRICS[m].better}
        for m in metrics
    ]


def suite_data(table: Standings) -> dict[str, Any]:
    """Names, metrics and breakdowns of every system of a suite."""
    systems = {}
    for row in table.rows:
        breakdowns = row.entry.score.breakdowns
        systems[row.loaded.slug] = {
            "name": row.name,
            "by": {
                by: {
                    value: [_ends(cells, metric) for metric in table.metrics]
                    for value, cells in breakdowns.get(by, {}).items()
                }
                for by in ("concept", "annotator")
                if breakdowns.get(by)
            },
        }
    return {"metrics": metric_facts(table.metrics), "systems": systems}


def _ends(cells: Mapping[str, Any], metric: str) -> list[float | None] | None:
    cell = cells.get(metric)
    if cell is None or cell.mean is None:
        return None
    return [rounded(cell.mean), rounded(cell.ci_low), rounded(cell.ci_high)]


def query_data(table: Standings) -> dict[str, Any]:
    """The suite's questions, and what the paired statistics need to know.

    ``targets`` and ``concepts`` are numbers: the same number, the same target.
    For k targets, ``students[k]`` is Student's quantile of a studentised 95 % interval where
    they are few (``null`` where so few carry none), ``tails[k]`` the percentile at which the
    interval begins where they are not, ``null`` before (:mod:`lassbench.scores.statistics`).
    """
    questions = _questions([row.loaded for row in table.rows])
    targets, target_of = _numbered(questions["target_id"])
    concepts, concept_of = _numbered(questions["concept"])
    return {
        "ids": questions["query_id"],
        "texts": [
            text or f"({concept}; its caption is not published)"
            for text, concept in zip(questions["text"], questions["concept"], strict=True)
        ],
        "annotators": questions["annotator"] if any(questions["annotator"]) else [],
        "noises": questions["noise_concept"],
        "concepts": concepts,
        "concept": concept_of,
        "target": target_of,
        "students": [
            round(student_quantile(k), 6) if enough_clusters(k) else None
            for k in range(FEW_CLUSTERS)
        ],
        "tails": [
            None if k < FEW_CLUSTERS else round(expanded_tail(k), 6)
            for k in range(len(targets) + 1)
        ],
        "resamples": RESAMPLES,
        "metrics": metric_facts(table.metrics),
    }


def _questions(entries: Sequence[Loaded]) -> dict[str, list[str]]:
    """The text columns over all queries that anyone covers, sorted by query id."""
    largest = sorted(entries, key=lambda loaded: (-loaded.rows.num_rows, loaded.slug))
    seen: set[str] = set()
    parts = []
    for loaded in largest:
        new = [one not in seen for one in loaded.query_ids]
        if any(new):
            parts.append(loaded.rows.select(_QUESTION_COLUMNS).filter(pa.array(new)))
            seen.update(loaded.query_ids)
    joined = pa.concat_tables(parts).sort_by("query_id")
    return {name: joined.column(name).to_pylist() for name in _QUESTION_COLUMNS}


def _numbered(labels: Sequence[str]) -> tuple[list[str], list[int]]:
    distinct = sorted(set(labels))
    number = {label: index for index, label in enumerate(distinct)}
    return distinct, [number[label] for label in labels]


def system_values(loaded: Loaded, metrics: Sequence[str], ids: Sequence[str]) -> dict[str, Any]:
    """One system's value of each metric for each of ``ids``, ``null`` where it has none."""
    where = np.searchsorted(ids, loaded.query_ids) if len(loaded.query_ids) < len(ids) else None
    found: dict[str, Any] = {}
    for metric in metrics:
        values = np.round(limited(column(loaded.rows, metric), metric), 3) + 0.0
        if where is not None:
            spread = np.full(len(ids), np.nan)
            spread[where] = values
            values = spread
        given = values.astype(object)
        given[np.isnan(values)] = None
        found[metric] = given.tolist()
    return {"name": loaded.name, "values": found}
