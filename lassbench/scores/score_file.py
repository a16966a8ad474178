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
   suite silence is the right answer: its attenuation is ``+inf``.  The CLAPScore
   of silence is -1, the least possible.
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
5. **What nobody can be scored on is left out for everybody.**  A query whose
   target or interference is silent has no row; coverage counts it as
   ``unscorable``, and a warning names it.  That makes no result partial.
"""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lassbench.checked import Count, Finite, Label, PathName, Sha256, Strict, Text, read_record
from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.files import listed, name_of, to_json, write_together

JSON_SUFFIX, PARQUET_SUFFIX = ".score.json", ".score.parquet"
#: Largest score file, or entry of a leaderboard, that is read, in bytes.
JSON_LIMIT = 20_000_000

#: Means, intervals and tests see values limited to plus or minus this (dB).
LIMIT_DB = 100.0
#: A SAR above this measures rounding, not artefacts, and is undefined (dB).
SAR_UNDEFINED_DB = 60.0
#: An output this far below the mixture counts as silent in an absent-sound suite (dB).
SILENT_BELOW_DB = 20.0

Kind = Literal["separation", "absent", "unreferenced"]


class MetricDefinition(Strict):
    """What a number means: ``id`` names the exact definition, for good."""

    id: Label
    unit: str
    title: Label
    better: Literal["higher", "lower"] = "higher"
    definition: Text = ""

    @property
    def heading(self) -> str:
        """``SI-SDRi (dB)``."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


_BSS = "BSS Eval v3 (sources), 512 taps, references [target, interference], never permuted"

# name, id, unit, title, definition
_BASE = (
    ("sdr", "bsseval-v3-sources-512-sdr", "dB", "SDR", f"signal to distortion; {_BSS}"),
    ("sir", "bsseval-v3-sources-512-sir", "dB", "SIR", f"signal to interference; {_BSS}"),
    ("sar", "bsseval-v3-sources-512-sar", "dB", "SAR", f"signal to artefacts; {_BSS}"),
    ("si_sdr", "si-sdr-scale-no-mean", "dB", "SI-SDR",
     "10 log10(|a s|^2 / |a s - e|^2), a = <e,s>/<s,s>, no mean removal"),
    ("snr", "snr", "dB", "SNR",
     "10 log10(|s|^2 / |s - e|^2), no filter, no scaling; called SDR in AudioSep and DCASE"),
    ("clap", "clap-score", "", "CLAPScore", "cosine of the CLAP embeddings of estimate and text"),
    ("attenuation", "absent-attenuation", "dB", "attenuation",
     "10 log10(|mixture|^2 / |e|^2): how far below the mixture the output stays"),
    ("silent_share", "absent-silent-share-20", "share", "silent",
     f"share of queries whose output stays {SILENT_BELOW_DB:g} dB below the mixture"),
)  # fmt: skip


def _definitions() -> dict[str, MetricDefinition]:
    base = {
        name: MetricDefinition(id=id_, unit=unit, title=title, definition=definition)
        for name, id_, unit, title, definition in _BASE
    }
    improvements = {
        f"{name}_i": MetricDefinition(
            id=f"{base[name].id}-improvement",
            unit=base[name].unit,
            title=f"{base[name].title}i",
            definition=f"{base[name].title} of the estimate minus that of the mixture",
        )
        for name in ("sdr", "sir", "si_sdr", "snr", "clap")
    }
    return {**base, **improvements}


#: Every metric that a score file may hold.
METRICS: Mapping[str, MetricDefinition] = _definitions()

SEPARATION_METRICS = (
    "sdr", "sir", "sar", "si_sdr", "snr", "sdr_i", "sir_i", "si_sdr_i", "snr_i",
)  # fmt: skip
ABSENT_METRICS = ("attenuation", "silent_share")
#: What a suite of each kind is summarised in, beside CLAPScore.
KIND_METRICS: Mapping[Kind, tuple[str, ...]] = {
    "separation": SEPARATION_METRICS,
    "absent": ABSENT_METRICS,
    "unreferenced": ABSENT_METRICS[:1],
}
CLAP_METRICS = ("clap", "clap_i")
CLAP_COLUMNS = ("clap", "clap_mixture", "clap_i")
_ORDER = (*SEPARATION_METRICS, *ABSENT_METRICS, *CLAP_METRICS)
#: Metrics of the unprocessed mixture that every separation row carries.
MIXTURE_COLUMNS = ("sdr_mixture", "sir_mixture", "si_sdr_mixture", "snr_mixture")


Value = TypeVar("Value")


def in_order(by_metric: Mapping[str, Value]) -> dict[str, Value]:
    """``by_metric`` in the order in which tables show metrics (JSON sorts by name)."""
    return {name: by_metric[name] for name in _ORDER if name in by_metric}


def limited(values: NDArray[np.float64], metric: str = "sdr") -> NDArray[np.float64]:
    """``values`` as means see them: limited to ±:data:`LIMIT_DB` if they are decibels."""
    definition = METRICS.get(metric)
    if definition is not None and definition.unit != "dB":
        return values
    return np.clip(values, -LIMIT_DB, LIMIT_DB)


def seen(rows: pa.Table, name: str) -> NDArray[np.float64]:
    """A metric's column as means see it (:func:`limited`), null as NaN."""
    return limited(column(rows, name), name)


# ---------------------------------------------------------------------------
# The JSON half
# ---------------------------------------------------------------------------


class SuiteInfo(Strict):
    """The suite that was scored against, by content."""

    name: Annotated[PathName, Field(min_length=1, max_length=200)]
    title: Text = ""
    fingerprint: Sha256
    list_fingerprint: Sha256
    dataset_name: str = ""
    dataset_fingerprint: str = ""
    synthetic: bool
    audio_may_be_published: bool
    sample_rate_hz: Annotated[int, Field(gt=0, le=10**15)]
    samples: Annotated[int, Field(gt=0, le=10**15)]
    queries: Count


class Cost(Strict):
    """What the system took: processing time over audio time, and on what."""

    real_time_factor: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    device: Annotated[str, Field(max_length=200)] = ""


class SystemInfo(Strict):
    """Who made the estimates and what they were allowed to see (from ``system.yaml``).

    ``query_type`` is what the system receives: the ``text``, the target's tags
    (``tag``), the references themselves (``oracle``: an upper bound, never
    ranked), or nothing (``none``).
    """

    name: Label
    authors: Text = ""
    url: Annotated[str, Field(max_length=2000)] = ""
    description: Text = ""
    parameters: Count | None = None
    query_type: Literal["text", "tag", "oracle", "none"] = "text"
    trained_on: tuple[Text, ...] = ()
    checkpoint_sha256: str = ""
    cost: Cost | None = None
    predictions_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""


class Contamination(Strict):
    """Test clips that the system says it was trained on.

    ``declared`` is the number of training clips that ``system.yaml`` lists by
    hash (0: it lists none, so that nothing is known), ``clips`` the ids of the
    suite's clips among them.
    """

    declared: Count = 0
    clips: tuple[str, ...] = ()


class Coverage(Strict):
    """Which of the frozen queries the numbers stand on.

    ``queries_total`` counts the frozen list, ``renderable`` those whose clips
    this machine has and that can be scored, ``unscorable`` those that it has and
    no system can be scored on (policy 5), ``queries_scored`` those with a row here.
    ``partial`` means that predictions were missing or faulty and were left out.
    """

    queries_total: Count
    renderable: Count
    # Not written where there are none, so that such files keep their bytes.
    unscorable: Annotated[Count, Field(exclude_if=lambda count: not count)] = 0
    queries_scored: Count
    missing_predictions: Count = 0
    partial: bool = False
    scored_sha256: Sha256

    @model_validator(mode="after")
    def _adds_up(self) -> Coverage:
        if not self.queries_scored <= self.renderable <= self.queries_total - self.unscorable:
            raise ValueError(
                "queries_scored <= renderable <= queries_total - unscorable does not hold"
            )
        if self.partial != (self.queries_scored < self.renderable):
            raise ValueError("partial must be true exactly when renderable queries were left out")
        return self


class Cell(Strict):
    """A mean with its 95 % interval over ``n`` values; null where nothing is defined."""

    mean: Finite | None
    ci_low: Finite | None
    ci_high: Finite | None
    n: Count


class MetricSummary(Cell):
    """A metric over all scored queries, with the counts that the policy asks for."""

    median: Finite | None
    n_infinite: Count = 0
    n_limited: Count = 0
    n_undefined: Count = 0


class AnnotatorSpread(Strict):
    """How much a metric depends on who asked (suites with several annotators).

    ``mean`` and ``spread`` are of the annotators' means, ``worst`` is the lowest
    of them and ``worst_annotator`` whose it is; ``worst_of_mixture`` is the mean
    over mixtures of the lowest value anyone got, ``within_mixture_sd`` how far
    one mixture's result moves with the person asking, ``asker_share`` the share
    of all variance that this explains (:func:`lassbench.scores.statistics.asker_spread`).
    """

    annotators: Count
    mixtures: Count
    mean: Finite
    spread: Finite
    worst: Finite
    worst_annotator: str
    worst_of_mixture: Finite
    within_mixture_sd: Finite
    asker_share: Finite


class Bootstrap(Strict):
    """How the intervals were made."""

    resamples: Count
    seed: Annotated[int, Field(ge=0)]
    unit: Literal["target"] = "target"
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95


Breakdowns = dict[str, dict[str, dict[str, Cell]]]


class Summary(Strict):
    """What a score file says that can be made from its rows again."""

    summary: dict[str, MetricSummary]
    breakdowns: Breakdowns
    annotators: dict[str, AnnotatorSpread]
    wrong_source_share: float | None
    targets: Count


class ScoreFile(Strict):
    """A system's score on a suite: everything but the per-query rows."""

    schema_version: Literal[1] = 1
    lassbench_version: str
    kind: Kind
    suite: SuiteInfo
    system: SystemInfo
    coverage: Coverage
    metrics: dict[str, MetricDefinition]
    summary: dict[str, MetricSummary]
    breakdowns: Breakdowns
    annotators: dict[str, AnnotatorSpread] = Field(default_factory=dict)
    wrong_source_share: Annotated[float, Field(ge=0, le=1)] | None
    targets: Count
    bootstrap: Bootstrap
    contamination: Contamination = Contamination()
    policy: Literal["lassbench-policy-1"] = "lassbench-policy-1"
    engine: dict[str, str] = Field(default_factory=dict)
    warnings: tuple[Text, ...] = ()
    rows_sha256: Sha256

    @model_validator(mode="after")
    def _summary_is_defined(self) -> ScoreFile:
        undefined = sorted(set(self.summary) ^ set(self.metrics))
        if undefined:
            raise ValueError(f"summary and metrics name different metrics: {', '.join(undefined)}")
        return self


# ---------------------------------------------------------------------------
# The rows, and the two files together
# ---------------------------------------------------------------------------


class Scores(NamedTuple):
    """A score file with its per-query rows: what scoring returns.

    ``scores.file.summary["si_sdr_i"].mean`` is a mean, ``scores.rows.to_pandas()``
    the table of queries, ``scores.save(folder)`` writes both.
    """

    file: ScoreFile
    rows: pa.Table

    def save(self, folder: str | Path) -> tuple[Path, Path]:
        """Write ``<system>.score.json`` and ``.score.parquet`` into ``folder``; their paths.

        The Parquet comes first, so that a JSON is never without its rows.

        Raises
        ------
        LassbenchError
            If ``folder`` cannot be written or the disk is full.
        """
        stem = Path(folder) / name_of(self.file.system.name)
        json_path, parquet_path = Path(f"{stem}{JSON_SUFFIX}"), Path(f"{stem}{PARQUET_SUFFIX}")
        write_together(
            {
                parquet_path: lambda path: pq.write_table(self.rows, path, compression="zstd"),
                json_path: to_json(self.file.model_dump(mode="json")).encode(),
            }
        )
        return json_path, parquet_path

    def __repr__(self) -> str:
        means = ", ".join(
            f"{name} {round(one.mean, 2) + 0.0:.2f}"
            for name, one in in_order(self.file.summary).items()
            if one.mean is not None
        )
        covered = f"{self.file.coverage.queries_scored} of {self.file.coverage.queries_total}"
        return f"<{self.file.system.name} on {self.file.suite.name}, {covered} queries: {means}>"


_TEXT_COLUMNS = (
    "query_id", "mixture_id", "target_id", "noise_id", "concept", "root", "noise_concept",
    "tags", "query_type", "annotator", "text",
)  # fmt: skip


def rows_schema(kind: Kind, *, clap: bool = False, audit: bool = False) -> pa.Schema:
    """Columns of the per-query rows of a suite of this kind, in order.

    Text columns first (``tags`` joined by :data:`lassbench.records.TAG_SEPARATOR`; likewise
    ``audit``, what is questionable about a query, where the suite has any that is), then
    metrics in dB as float64 (``clap`` without a unit), then ``wrong_source`` (separation
    only), ``estimate_level_db`` (energy of the estimate relative to the mixture's) and
    ``flags`` (words joined by ``;``).
    """
    texts = (*_TEXT_COLUMNS, *["audit"] * audit)
    fields = [pa.field(name, pa.string(), nullable=False) for name in texts]
    metrics = list(KIND_METRICS[kind])
    if kind == "separation":
        metrics[5:5] = MIXTURE_COLUMNS
    if clap:
        metrics += CLAP_COLUMNS
    fields += [pa.field(name, pa.float64()) for name in metrics]
    if kind == "separation":
        fields.append(pa.field("wrong_source", pa.bool_(), nullable=False))
    fields += [
        pa.field("estimate_level_db", pa.float64(), nullable=False),
        pa.field("flags", pa.string(), nullable=False),
    ]
    return pa.schema(fields)


def column(rows: pa.Table, name: str) -> NDArray[np.float64]:
    """A metric's column as float64, null as NaN, infinities as they are."""
    values = rows.column(name).to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float64)


def ids_sha256(query_ids: Iterable[str]) -> str:
    """SHA-256 over the sorted ids, one a line: which queries a result covers."""
    return sha256("".join(f"{one}\n" for one in sorted(query_ids)).encode()).hexdigest()


def rows_sha256(rows: pa.Table) -> str:
    """SHA-256 over the content of ``rows``, whatever library or codec stored them.

    Column by column: name, type, then the values; floats as little-endian
    float64 bit patterns (null as the bytes ``null``), text length-prefixed.
    """
    digest = sha256()
    for field, values in zip(rows.schema, rows.columns, strict=True):
        digest.update(f"{field.name}:{field.type}:{len(values)}\n".encode())
        digest.update(_column_bytes(values))
    return digest.hexdigest()


def _column_bytes(values: pa.ChunkedArray) -> bytes:
    # A leaderboard hashes a thousand of these: whole columns at once where
    # nothing is null, with the same bytes as value by value.
    if not pa.types.is_floating(values.type):
        # Texts are the suite's, the same for each of its systems.
        return b"".join(map(_known_bytes, values.to_pylist()))
    if values.null_count == 0:
        return np.asarray(values.to_numpy(), dtype="<f8").tobytes()
    return b"".join(map(_value_bytes, values.to_pylist()))


@functools.lru_cache(maxsize=1 << 16)
def _known_bytes(value: str | bool | None) -> bytes:
    return _value_bytes(value)


def _value_bytes(value: Any) -> bytes:
    if value is None:
        return b"null\n"
    if isinstance(value, bool):
        return b"true\n" if value else b"false\n"
    if isinstance(value, float):
        return struct.pack("<d", value)
    data = str(value).encode()
    return struct.pack("<q", len(data)) + data


def find_score(path: str | Path) -> Path:
    """The ``.score.json`` that ``path`` means: itself, its Parquet's, or a folder's only one.

    Raises
    ------
    UsageError
        If there is none, or a folder holds several.
    """
    path = Path(path)
    if path.name.endswith(PARQUET_SUFFIX):
        path = path.with_name(path.name.removesuffix(PARQUET_SUFFIX) + JSON_SUFFIX)
    if path.is_file():
        return path
    expected = f"a file that ends in {JSON_SUFFIX}, or a folder with exactly one"
    found = listed(path, f"*{JSON_SUFFIX}") if path.is_dir() else []
    if len(found) == 1:
        return found[0]
    got = ", ".join(one.name for one in found[:5]) or "none there"
    fix = "name the file; `lassbench score PREDICTIONS` makes one"
    raise UsageError("no score file to read", where=path, expected=expected, got=got, fix=fix)


def read_rows(path: Path, file: ScoreFile) -> pa.Table:
    """The per-query rows that belong to ``file``.

    Raises
    ------
    LassbenchError
        If the Parquet is missing or damaged, has other columns, lacks values, is
        unsorted, or is not what ``file`` was made from.
    """

    def bad(what: str, got: str) -> LassbenchError:
        fix = "make both files anew with `lassbench score`"
        what = f"the table of per-query rows {what}"
        return LassbenchError(what, where=path, got=one_line(got), fix=fix)

    if not path.is_file():
        raise bad("is not beside its JSON", "no such file")
    try:
        # Not read_table: it takes a folder called a=b on the way for a column.
        rows = pq.ParquetFile(path).read(use_threads=False)
        rows.validate(full=True)  # texts are UTF-8
    except (OSError, pa.ArrowException) as error:
        raise bad("cannot be read", str(error)) from error
    expected = rows_schema(file.kind, clap="clap" in file.metrics, audit="audit" in file.breakdowns)
    if rows.schema.names != expected.names or rows.schema.types != expected.types:
        differing = sorted(set(rows.schema.names) ^ set(expected.names)) or ["types differ"]
        raise bad("has other columns", ", ".join(differing))
    must = [field.name for field in expected if not field.nullable]
    if empty := [name for name in must if rows.column(name).null_count]:
        raise bad("lacks values", f"null in {', '.join(empty)}")
    ids = rows.column("query_id").to_pylist()
    if any(a >= b for a, b in itertools.pairwise(ids)):
        raise bad("is not sorted by query_id, or has an id twice", "")
    if len(ids) != file.coverage.queries_scored or rows_sha256(rows) != file.rows_sha256:
        raise bad("does not match its JSON", "other rows than were summarised")
    return rows


def read_scores(path: str | Path) -> Scores:
    """Read a score: the JSON and the rows beside it, checked against each other.

    Errors are those of :func:`find_score`, :func:`lassbench.checked.read_record` and
    :func:`read_rows`.
    """
    json_path = find_score(path)
    file = read_record(
        json_path,
        ScoreFile,
        what="not a score file of schema version 1",
        fix="make it anew with `lassbench score`",
        limit=JSON_LIMIT,
    )
    stem = json_path.name.removesuffix(JSON_SUFFIX).removesuffix(".json")
    return Scores(file, read_rows(json_path.with_name(stem + PARQUET_SUFFIX), file))
