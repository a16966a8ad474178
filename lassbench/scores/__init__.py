"""The score file: what it holds, how it is written, and how it is read back.

A score is two files side by side.  ``<system>.score.json`` is a
:class:`ScoreFile`: suite, system, coverage, definitions, summary.
``<system>.score.parquet`` has one row a query, sorted by ``query_id``
(:func:`rows_schema`).  The JSON carries a hash of the rows' content, so that
the two cannot be mixed up, and neither depends on which machine, how many
workers or which Parquet library wrote it.

The policy ``lassbench-policy-1`` on values that are not ordinary numbers
--------------------------------------------------------------------------
1. **Silence is the worst answer.**  An estimate whose samples are all zero has
   ``-inf`` in every metric of a separation suite and counts as the wrong
   source.  (The formula of SNR alone would give silence 0 dB, which is better
   than many honest attempts, and 0/0 for the others.)  In an absent-sound
   suite silence is the right answer: its attenuation is ``+inf``.
2. **Infinities are kept and limited.**  Rows hold them as they are.  Means,
   medians, intervals and tests see every value limited to
   ±:data:`LIMIT_DB` dB: so a silent output pulls a mean down by a known
   amount and can never raise it, and a mean of finite values stays what anyone
   would compute.  ``n_infinite`` and ``n_limited`` count the cases.
3. **Undefined is null, and never hides a bad answer.**  A value is null only
   where the references make it meaningless for every system, and for SAR above
   :data:`SAR_UNDEFINED_DB`: the estimate then lies in the span of the
   references up to rounding, as the unprocessed mixture does, and its SAR
   measures a library's precision (300 dB in one, 74 in another).  Nulls are
   counted in ``n_undefined`` and left out of means; a SAR that is left out is
   always a high one, so that leaving it out can only lower the mean.  An
   improvement is ``-inf`` where the value is, and 0 where value and mixture
   are equally perfect.
4. **Missing is an error.**  A query without a prediction stops the scoring.
   ``--allow-partial`` scores the rest and marks the file ``partial``; partial
   files are never ranked.
"""

from __future__ import annotations

from lassbench.scores.definitions import (
    ABSENT_METRICS,
    CLAP_METRICS,
    LIMIT_DB,
    METRICS,
    MIXTURE_COLUMNS,
    SAR_UNDEFINED_DB,
    SCHEMA_VERSION,
    SEPARATION_METRICS,
    SILENT_BELOW_DB,
    Kind,
    MetricDefinition,
    concept_pair,
    in_order,
    limited,
)
from lassbench.scores.schema import (
    AnnotatorSpread,
    Bootstrap,
    Cell,
    Contamination,
    Coverage,
    MetricSummary,
    ScoreFile,
    SuiteInfo,
    SystemInfo,
)
from lassbench.scores.storage import (
    JSON_LIMIT,
    JSON_SUFFIX,
    PARQUET_SUFFIX,
    Scores,
    column,
    find_score,
    ids_sha256,
    read_rows,
    read_scores,
    rows_schema,
    rows_sha256,
    write_scores,
)

__all__ = [
    "ABSENT_METRICS",
    "CLAP_METRICS",
    "JSON_LIMIT",
    "JSON_SUFFIX",
    "LIMIT_DB",
    "METRICS",
    "MIXTURE_COLUMNS",
    "PARQUET_SUFFIX",
    "SAR_UNDEFINED_DB",
    "SCHEMA_VERSION",
    "SEPARATION_METRICS",
    "SILENT_BELOW_DB",
    "AnnotatorSpread",
    "Bootstrap",
    "Cell",
    "Contamination",
    "Coverage",
    "Kind",
    "MetricDefinition",
    "MetricSummary",
    "ScoreFile",
    "Scores",
    "SuiteInfo",
    "SystemInfo",
    "column",
    "concept_pair",
    "find_score",
    "ids_sha256",
    "in_order",
    "limited",
    "read_rows",
    "read_scores",
    "rows_schema",
    "rows_sha256",
    "write_scores",
]
