"""What the pages' scripts read: small JavaScript files, loaded only where they are used.

Files and not requests: a page opened from disk may load a script beside it, but
may not fetch.  Each file makes one call, ``lassbench.take(name, value)``, with a
JSON value; ``<`` is escaped so that nothing in it can end a script element.
Numbers are rounded to a thousandth (dB): pages show a hundredth.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from lassbench.leaderboard.entries import Loaded
from lassbench.leaderboard.ranking import Standings
from lassbench.leaderboard.tables import explanation
from lassbench.scores.rows import METRICS, seen
from lassbench.scores.statistics import (
    FEW_CLUSTERS,
    RESAMPLES,
    enough_clusters,
    expanded_tail,
    student_quantile,
)
from lassbench.scores.summary import Cell


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
    """What scripts label axes and rows with."""
    return [
        {
            "name": name,
            "title": METRICS[name].title,
            "unit": METRICS[name].unit,
            "better": METRICS[name].better,
            "explained": explanation(name),
        }
        for name in metrics
    ]


def suite_data(table: Standings) -> dict[str, Any]:
    """Names, metrics and breakdowns of every system of a suite."""
    systems = {
        row.loaded.slug: {
            "name": row.name,
            "by": {
                by: {
                    value: [_ends(cells[metric]) for metric in table.metrics]
                    for value, cells in groups.items()
                }
                for by, groups in row.loaded.breakdowns.items()
            },
        }
        for row in table.rows
    }
    return {"metrics": metric_facts(table.metrics), "systems": systems}


def _ends(cell: Cell) -> list[float | None] | None:
    if cell.mean is None:
        return None
    return [rounded(cell.mean), rounded(cell.ci_low), rounded(cell.ci_high)]


def query_data(table: Standings) -> dict[str, Any]:
    """The suite's questions, and what the paired statistics need to know.

    ``targets`` and ``concepts`` are numbers: the same number, the same target.
    For k targets, ``students[k]`` is Student's quantile of a studentised 95 % interval where
    they are few (``null`` where so few carry none), ``tails[k]`` the percentile at which the
    interval begins where they are not, ``null`` before (:mod:`lassbench.scores.statistics`).
    """
    questions = {str(name): column.tolist() for name, column in table.questions.items()}
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


def _numbered(labels: Sequence[str]) -> tuple[list[str], list[int]]:
    distinct = sorted(set(labels))
    number = {label: index for index, label in enumerate(distinct)}
    return distinct, [number[label] for label in labels]


def system_values(loaded: Loaded, metrics: Sequence[str], ids: pd.Index[str]) -> dict[str, Any]:
    """One system's value of each metric for each of ``ids``, ``null`` where it has none."""
    values = {name: seen(loaded.rows, name) for name in metrics}
    found = pd.DataFrame(values, index=loaded.rows["query_id"]).round(3) + 0.0
    given = found.reindex(ids).astype(object)
    return {"name": loaded.name, "values": given.where(given.notna(), None).to_dict("list")}
