"""Numbers as pages show them, and what the pages' scripts read.

Data for scripts are small JavaScript files, loaded only where they are used: a page opened
from disk may load a script beside it, but may not fetch.  Each file makes one call,
``lassbench.take(name, value)``, with a JSON value; ``<`` is escaped so that nothing in it can
end a script element.  Its numbers are rounded to a thousandth: pages show a hundredth.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lassbench.leaderboard.entries import Loaded
from lassbench.leaderboard.ranking import Figure, Standings
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

EN_DASH = "\N{EN DASH}"


def number(value: float | None, digits: int = 2) -> str:
    """``-0.5`` as ``−0.50``; an en dash where there is none."""
    if value is None:
        return EN_DASH
    text = f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0 turns -0.0 into 0.0
    return text.replace("-", "\N{MINUS SIGN}")


def interval(low: float | None, high: float | None) -> str:
    """``6.64 to 9.07``, or nothing where there is no interval."""
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def rank(figure: Figure) -> str:
    """``2``, ``2=`` if shared, or a dash."""
    return EN_DASH if figure.rank is None else f"{figure.rank}{'=' * figure.tied}"


def ranks(figure: Figure) -> str:
    """The ranks taken in 95 % of resamples, ``1–3``, or nothing without a rank."""
    ends = [figure.rank_low, figure.rank_high] if figure.rank is not None else []
    return EN_DASH.join(map(str, dict.fromkeys(ends)))


def rounded(value: float | None) -> float | None:
    """A number as scripts read it."""
    return None if value is None else round(value, 3) + 0.0


def script(name: str, value: Any) -> str:
    """The text of a data file that hands ``value`` to the page under ``name``."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False)
    for char, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(char, escaped)
    return f"lassbench.take({json.dumps(name)},{text});\n"


def suite_data(table: Standings) -> dict[str, Any]:
    """Slug -> a system's name and, by breakdown and value, its cells in the order of metrics."""
    return {
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


def _ends(cell: Cell) -> list[float | None] | None:
    ends = [rounded(end) for end in (cell.mean, cell.ci_low, cell.ci_high)]
    return None if cell.mean is None else ends


def query_data(table: Standings) -> dict[str, Any]:
    """The suite's questions, and what the paired statistics need to know.

    ``target`` and ``concept`` are numbers: the same number, the same target.
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
        "metrics": [
            {
                "name": name,
                "title": METRICS[name].title,
                "unit": METRICS[name].unit,
                "explained": explanation(name),
            }
            for name in table.metrics
        ],
    }


def _numbered(labels: Sequence[str]) -> tuple[list[str], list[int]]:
    names, places = np.unique(labels, return_inverse=True)
    return names.tolist(), places.tolist()


def system_values(loaded: Loaded, metrics: Sequence[str], ids: pd.Index[str]) -> dict[str, Any]:
    """One system's value of each metric for each of ``ids``, ``null`` where it has none."""
    places = ids.get_indexer(pd.Index(loaded.rows["query_id"]))
    values = np.full((len(metrics), len(ids)), np.nan)
    values[:, places] = [seen(loaded.rows, name) for name in metrics]
    found = {
        name: [None if math.isnan(one) else one for one in own]
        for name, own in zip(metrics, (values.round(3) + 0.0).tolist(), strict=True)
    }
    return {"name": loaded.name, "values": found}
