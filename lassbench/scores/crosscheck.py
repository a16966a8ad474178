"""A random sample scored again with mir_eval, the implementation that people cite.

mir_eval 0.8 announces the removal of ``mir_eval.separation``: it is the oracle
here, not the engine.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import random
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from lassbench.parallel import map_ordered, open_executor
from lassbench.predictions import check
from lassbench.progress import track
from lassbench.scores.pieces import Piece, make_piece, open_suite
from lassbench.scores.score_file import LIMIT_DB
from lassbench.suites.suite import Suite


@dataclass(frozen=True)
class CrossCheck:
    """How far mir_eval's numbers lie from ours, on the ``queries`` that both could score.

    ``largest``: metric -> (largest absolute difference in dB, query id); ``refused``: query
    id -> what mir_eval said when it could not score it.
    """

    version: str
    queries: int
    largest: Mapping[str, tuple[float, str]]
    refused: Mapping[str, str]


def cross_check(
    folder: Path,
    suite: Suite,
    rows: pa.Table,
    *,
    sample: int,
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
) -> CrossCheck:
    """Score a random sample of a separation suite's ``rows`` again with mir_eval's BSS Eval.

    Only finite values within the policy's limit are compared: beyond it both
    tools print their rounding error.
    """
    ours = {row["query_id"]: row for row in rows.to_pylist()}
    chosen = sorted(random.Random(seed).sample(sorted(ours), min(sample, len(ours))))
    predictions, _ = check(folder, suite)
    pieces = (
        make_piece(
            suite,
            [suite.queries[one]],
            [dataclasses.replace(predictions, paths={one: predictions.paths[one]})],
        )
        for one in chosen
    )
    largest: dict[str, tuple[float, str]] = {}
    refused: dict[str, str] = {}
    with open_executor(workers, scheduler) as executor:
        answers = map_ordered(executor, _mir_eval, pieces)
        for query_id, theirs in track(answers, "mir_eval", total=len(chosen)):
            if isinstance(theirs, str):
                refused[query_id] = theirs
                continue
            for metric, value in theirs.items():
                mine = ours[query_id][metric]
                if mine is not None and abs(mine) <= LIMIT_DB:
                    apart = (abs(mine - value), query_id)
                    largest[metric] = max(largest.get(metric, apart), apart)
    version = importlib.metadata.version("mir_eval")
    return CrossCheck(version, len(chosen) - len(refused), largest, refused)


def _mir_eval(piece: Piece) -> tuple[str, dict[str, float] | str]:
    """mir_eval's numbers for the one query of ``piece``, or why it has none."""
    import mir_eval

    ((query_id, query),) = piece.suite.queries.items()
    rendered = open_suite(piece).render(query.mixture_id)
    samples = piece.systems[0].load(query_id)
    references = np.stack([rendered.target, rendered.interference]).astype(np.float64)
    # The second estimate does not change the first one's scores.
    estimates = np.stack([samples, rendered.interference]).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            sdr, sir, sar, _ = mir_eval.separation.bss_eval_sources(
                references, estimates, compute_permutation=False
            )
        except (ValueError, TypeError, np.linalg.LinAlgError) as error:
            return query_id, f"{type(error).__name__}: {error}"
    return query_id, {"sdr": float(sdr[0]), "sir": float(sir[0]), "sar": float(sar[0])}
