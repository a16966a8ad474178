"""Scoring: predictions and references to one row a query, and rows to a summary.

``judge``       one mixture's references, any number of estimates -> numbers
``pieces``      the suite cut into idempotent pieces; one piece -> measurements
``rows``        measurements -> the per-query table, by the written policy
``summary``     rows -> means, intervals, breakdowns, spread between annotators
``result``      all of it -> a score file
``folders``     prediction folders -> scores
``streaming``   a separator -> scores, without files
``crosscheck``  a sample scored again with mir_eval
``comparison``  two scores -> paired differences
"""

from __future__ import annotations

from lassbench.scoring.folders import score_folders
from lassbench.scoring.result import Settings
from lassbench.scoring.streaming import evaluate

__all__ = ["Settings", "evaluate", "score_folders"]
