"""CLAPScore of predictions: off by default, in this process, a mixture at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lassbench.metrics.clap import ClapModel
from lassbench.progress import track
from lassbench.records import Query
from lassbench.scoring.pieces import Estimates, Measured
from lassbench.suites import Suite

Columns = Mapping[str, Mapping[str, float]]


def clap_columns(
    model: ClapModel, suite: Suite, estimates: Estimates, measured: Sequence[Measured]
) -> Columns:
    """query_id -> ``clap``, ``clap_mixture`` and ``clap_i`` of every measured query.

    Raises
    ------
    AudioFault
        If a prediction has gone since it was measured.
    """
    by_mixture: dict[str, list[Query]] = {}
    for one in measured:
        query = suite.queries[one.query_id]
        by_mixture.setdefault(query.mixture_id, []).append(query)
    columns: dict[str, Mapping[str, float]] = {}
    for mixture_id, queries in track(by_mixture.items(), "CLAPScore", total=len(by_mixture)):
        found = model.score(
            texts=[query.text for query in queries],
            estimates=[estimates.load_checked(query.query_id)[0] for query in queries],
            mixtures=[suite.mixture_samples(mixture_id)] * len(queries),
            sample_rate_hz=suite.sample_rate_hz,
        )
        for query, score in zip(queries, found, strict=True):
            columns[query.query_id] = {
                "clap": score.estimate,
                "clap_mixture": score.mixture,
                "clap_i": score.improvement,
            }
    return columns
