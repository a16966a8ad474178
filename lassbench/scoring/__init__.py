"""Scoring: predictions and references to one row a query, and rows to a summary.

``judge``       one mixture's references, any number of estimates -> numbers
``pieces``      the suite cut into idempotent pieces; one piece -> measurements
``rows``        measurements -> the per-query table, by the written policy
``result``      all of it -> a score file (means, intervals: :mod:`lassbench.scores.summary`)
``folders``     prediction folders -> scores
``streaming``   a separator -> scores, without files
``crosscheck``  a sample scored again with mir_eval
``comparison``  two scores -> paired differences
``beside``      a score beside others' -> rows of a table

The names below are loaded on first use: a worker process needs ``pieces`` only,
and should not wait for the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lassbench.scoring.folders import score_folders
    from lassbench.scoring.streaming import evaluate

__all__ = ["evaluate", "score_folders"]

_HOMES = {"evaluate": "streaming", "score_folders": "folders"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lassbench.scoring' has no attribute {name!r}")
    return getattr(import_module(f"lassbench.scoring.{_HOMES[name]}"), name)
