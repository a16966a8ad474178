"""lassbench: data, reference systems, scores and tables for language-queried source separation.

The public names are loaded on first use, so that importing the package stays
cheap::

    import lassbench
    suite = lassbench.load_suite("data/esc10")
    result = lassbench.evaluate(separate, suite)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lassbench import account

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lassbench.dataset import Dataset, open_dataset
    from lassbench.errors import LassbenchError
    from lassbench.scores.score import evaluate
    from lassbench.scores.score_file import read_scores
    from lassbench.suites.suite import Suite, load_suite

__all__ = [
    "Dataset",
    "LassbenchError",
    "Suite",
    "__version__",
    "evaluate",
    "load_suite",
    "open_dataset",
    "read_scores",
]

_HOMES = {
    "Dataset": "lassbench.dataset",
    "LassbenchError": "lassbench.errors",
    "Suite": "lassbench.suites.suite",
    "evaluate": "lassbench.scores.score",
    "load_suite": "lassbench.suites.suite",
    "open_dataset": "lassbench.dataset",
    "read_scores": "lassbench.scores.score_file",
}


# Before anything is loaded that asks who and where it is.
account.settle()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lassbench' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
