"""Export of an entry to the Hub's ``.eval_results`` format.

A model repository on the Hugging Face Hub may hold ``.eval_results/*.yaml``,
a list of results, each for one task of a benchmark dataset
(https://huggingface.co/docs/hub/eval-results): ``dataset.id`` and
``dataset.task_id`` are required, ``value`` is the number, ``source.url`` says
where it comes from, ``notes`` how it was obtained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lassbench.errors import UsageError
from lassbench.leaderboard.entries import Loaded
from lassbench.leaderboard.ranking import TABLE_METRICS
from lassbench.plain_text import url_fault
from lassbench.scores.rows import METRICS, metric_named
from lassbench.scores.summary import Cell
from lassbench.yaml_files import write_yaml


def eval_results(
    loaded: Loaded, *, dataset_id: str, task_id: str = "", metric: str = "", source_url: str = ""
) -> list[dict[str, Any]]:
    """The content of an ``.eval_results`` file for one entry.

    Parameters
    ----------
    dataset_id
        The benchmark's dataset on the Hub, ``owner/name``.
    task_id
        The task in the benchmark's ``eval.yaml``; the suite's name by default.
    metric
        Which metric is the value, by its name or title; the suite's ranking metric by default.

    Raises
    ------
    UsageError
        If the metric is unknown, undefined for this entry, the entry is partial,
        or the source is not a web address.
    """
    entry, score = loaded.entry, loaded.entry.score
    name = metric_named(metric or TABLE_METRICS[score.kind][0], loaded.summary.metrics)
    cell = loaded.summary.metrics[name]
    if cell.mean is None or entry.standing == "partial":
        why = "it is undefined" if cell.mean is None else "the entry is partial"
        raise UsageError(f"{name} cannot be exported: {why}", where=loaded.path)
    if source_url and url_fault(source_url):
        raise UsageError(f"the source {url_fault(source_url)}", got=source_url[:100])
    result: dict[str, Any] = {
        "dataset": {"id": dataset_id, "task_id": task_id or score.suite.name},
        "value": round(cell.mean, 3),
        "date": entry.date,
        "notes": _notes(loaded, name, cell),
    }
    if source_url:
        result["source"] = {"url": source_url, "name": "lassbench leaderboard"}
    return [result]


def _notes(loaded: Loaded, name: str, cell: Cell) -> str:
    score, interval = loaded.entry.score, ""
    if cell.ci_low is not None and cell.ci_high is not None:
        interval = f", 95 % interval {cell.ci_low:.3f} to {cell.ci_high:.3f}"
    return (
        f"{METRICS[name].title} in {METRICS[name].unit or 'shares'} ({METRICS[name].id})"
        f"{interval}; {cell.n} of {score.suite.queries} queries; {loaded.entry.standing};"
        f" lassbench {score.lassbench_version}, suite {score.suite.fingerprint[:12]}"
    )


def write_eval_results(folder: Path, loaded: Loaded, results: list[dict[str, Any]]) -> Path:
    """Write ``<folder>/.eval_results/<suite>.yaml``, as a model repository holds it."""
    path = folder / ".eval_results" / f"{loaded.suite}.yaml"
    write_yaml(path, results)
    return path
