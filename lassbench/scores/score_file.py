"""The score file: what it holds, how it is written, and how it is read back.

A score is two files side by side.  ``<system>.score.json`` is a
:class:`ScoreFile`: suite, system, coverage, which definitions.
``<system>.score.parquet`` has one row a query (:mod:`lassbench.scores.rows`).  The JSON
carries a hash of the rows' content, so that the two cannot be mixed up, and neither
depends on which machine, how many workers or which Parquet library wrote it.  No mean or
interval is stored: all are computed from the rows (:attr:`Scores.summary`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from lassbench.cards import Cost, PublicCard
from lassbench.checked import Count, Label, PathName, Sha256, Strict, Text, read_record
from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.files import file_fault, listed, name_of, to_json, write_together
from lassbench.scores.parquet_bounds import stated_rows
from lassbench.scores.rows import (
    KIND_METRICS,
    METRICS,
    Kind,
    Policy,
    in_order,
    rows_schema,
    rows_sha256,
)
from lassbench.scores.summary import Summary

JSON_SUFFIX, PARQUET_SUFFIX = ".score.json", ".score.parquet"
#: Largest score file, or entry of a leaderboard, that is read, in bytes.
JSON_LIMIT = 1_000_000


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


class SystemInfo(PublicCard):
    """Who made the estimates and what they were allowed to see (from ``system.yaml``).

    ``run`` tells several runs of one system apart (seeds).
    """

    # Not written where it says nothing, so that such files keep their bytes.
    run: Annotated[Text, Field(exclude_if=lambda run: not run)] = ""
    cost: Cost | None = None
    predictions_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""


class Contamination(Strict):
    """Test clips among those that the system says it was trained on.

    ``declared`` is the number of training clips that ``system.yaml`` lists by
    hash, ``clips`` the ids of the suite's clips among them.  0: it lists none, or
    the suite's clips were not at hand, so that nothing is known.
    """

    declared: Count = 0
    clips: tuple[str, ...] = ()


class Coverage(Strict):
    """Which of the frozen queries the numbers stand on.

    ``queries_total`` counts the frozen list, ``renderable`` those whose clips
    this machine has and that can be scored, ``unscorable`` those that it has and
    no system can be scored on (policy 5), ``queries_scored`` those with a row here.
    """

    queries_total: Count
    renderable: Count
    # Not written where there are none, so that such files keep their bytes.
    unscorable: Annotated[Count, Field(exclude_if=lambda count: not count)] = 0
    queries_scored: Count

    @model_validator(mode="after")
    def _adds_up(self) -> Coverage:
        if not self.queries_scored <= self.renderable <= self.queries_total - self.unscorable:
            raise ValueError(
                "queries_scored <= renderable <= queries_total - unscorable does not hold"
            )
        return self

    @property
    def missing_predictions(self) -> int:
        """How many predictions were missing or faulty and were left out."""
        return self.renderable - self.queries_scored

    @property
    def partial(self) -> bool:
        """Whether any was: such a result is never ranked."""
        return self.missing_predictions > 0


class ScoreFile(Strict):
    """A system's score on a suite: everything but the per-query rows.

    ``definitions`` are metric -> the id of its definition (:data:`lassbench.scores.rows.METRICS`);
    a CLAPScore is the opinion of ``clap_model``.
    """

    schema_version: Literal[1] = 1
    lassbench_version: str
    kind: Kind
    suite: SuiteInfo
    system: SystemInfo
    coverage: Coverage
    definitions: dict[Label, Label]
    clap_model: Annotated[Text, Field(exclude_if=lambda name: not name)] = ""
    contamination: Contamination = Contamination()
    policy: Policy = "lassbench-policy-1"
    engine: dict[str, str] = Field(default_factory=dict)
    warnings: tuple[Text, ...] = ()
    rows_sha256: Sha256

    @property
    def heard(self) -> tuple[str, ...]:
        """What has to be said about what the system was trained on, a sentence each."""
        suite = f"{self.suite.name} {self.suite.dataset_name}"
        return heard_in_training(suite, self.contamination, self.system.trained_on)


#: Suites by name, training set as it may be written, and what is known (FACTS sections 1, 7).
_HELD = tuple(
    (re.compile(suites, re.IGNORECASE), re.compile(rf"\b{training}\b", re.IGNORECASE), known)
    for suites, training, known in (
        ("^lass-", "audio ?caps", "195 of its 200 test clips are in AudioCaps train, 4 in its "
         "test and 1 in its validation split"),
        ("^lass-", "audio ?set", "its clips are among AudioSet's unbalanced training segments"),
        ("^lass-", "wavcaps", "WavCaps holds its clips"),
        ("audiocaps", "audio ?set", "AudioSet holds all of AudioCaps"),
        ("audioset", "audio ?set", "its clips are AudioSet's"),
        (r"\besc", "esc[- ]?(10|50)", "its clips are ESC-50's"),
        (r"\besc", "hive", "Hive holds ESC-50"),
        ("clotho", "hive", "Hive holds Clotho"),
        ("dcase.*real", "hive", "Hive holds the evaluation clips of DCASE 2024 Task 9"),
    )
)  # fmt: skip
#: Texts that name a set to leave it out, or this benchmark's own list, which is not all of
#: AudioCaps.
_NOT_HELD = re.compile(r"\b(no|not|without|except|excluding|but|minus)\b|lass-2022", re.IGNORECASE)


def heard_in_training(
    suite: str, heard: Contamination, trained_on: Sequence[str]
) -> tuple[str, ...]:
    """What has to be said about training data that holds clips of a suite, a sentence each.

    By clip where the system lists the hashes of its training clips, otherwise by the
    names of what it was ``trained_on``; ``suite`` are the names of the suite and its dataset.
    """
    if heard.clips:
        few = ", ".join(heard.clips[:3]) + (" ..." if len(heard.clips) > 3 else "")
        return (
            f"{len(heard.clips)} of the suite's clips are among the clips that it was trained on "
            f"({few})",
        )
    found: dict[re.Pattern[str], str] = {}
    for trained in () if heard.declared else trained_on:
        if not _NOT_HELD.search(trained):
            for suites, training, known in _HELD:
                if suites.search(suite) and training.search(trained):
                    found.setdefault(training, f"trained on {one_line(trained, 60)}: {known}")
    return tuple(found.values())


# ---------------------------------------------------------------------------
# The file and its rows together
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores:
    """A score file with its per-query rows: what scoring returns.

    ``scores.rows`` is a pandas DataFrame, ``scores.summary.metrics["si_sdr_i"].mean`` a
    mean, ``scores.save(folder)`` writes both files.
    """

    file: ScoreFile
    rows: pd.DataFrame

    @functools.cached_property
    def summary(self) -> Summary:
        """Means, intervals and breakdowns of the rows."""
        return Summary(self.rows)

    @property
    def name(self) -> str:
        """The system's name, and which of its runs this is."""
        run = self.file.system.run
        return f"{self.file.system.name} ({run})" if run else self.file.system.name

    def save(self, folder: str | Path, *, replace: bool = False) -> tuple[Path, Path]:
        """Write ``<system>.score.json`` and ``.score.parquet`` into ``folder``; their paths.

        Raises
        ------
        UsageError
            If the score of other predictions, on another suite, or in more metrics is there
            already and may not be replaced.
        LassbenchError
            If ``folder`` cannot be written or the disk is full.
        """
        file = self.file
        json_path, parquet_path = score_paths(folder, file.system.name, file.system.run)
        if not replace:
            own = file.system.predictions_sha256
            check_not_others(json_path, file.suite.fingerprint, lambda _: own, file.definitions)
        table = rows_table(self.rows, file.kind)
        # The Parquet comes first, so that a JSON is never without its rows.
        write_together(
            {
                parquet_path: functools.partial(write_rows, table),
                json_path: to_json(file.model_dump(mode="json")).encode(),
            }
        )
        return json_path, parquet_path

    def __repr__(self) -> str:
        means = ", ".join(
            f"{name} {round(one.mean, 2) + 0.0:.2f}"
            for name, one in self.summary.metrics.items()
            if one.mean is not None
        )
        covered = f"{self.file.coverage.queries_scored} of {self.file.coverage.queries_total}"
        return f"<{self.name} on {self.file.suite.name}, {covered} queries: {means}>"


def score_paths(folder: str | Path, system: str, run: str = "") -> tuple[Path, Path]:
    """JSON and Parquet of a system's score, and of a run of it, in ``folder``."""
    stem = Path(folder) / name_of(f"{system}.{run}" if run else system)
    return Path(f"{stem}{JSON_SUFFIX}"), Path(f"{stem}{PARQUET_SUFFIX}")


def rows_table(rows: pd.DataFrame, kind: Kind) -> pa.Table:
    """``rows`` as they are written: undefined is null, and nothing of pandas' is beside them."""
    schema = rows_schema(kind, rows.columns)
    return pa.Table.from_pandas(rows, schema, preserve_index=False).replace_schema_metadata(None)


def write_rows(table: pa.Table, path: Path) -> None:
    """Write a :func:`rows_table` to ``path``."""
    # Not compressed, so that nobody's can unpack to more than it is (read_rows).
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    how = {"compression": "none", "use_dictionary": texts, "data_page_version": "1.0"}
    pq.write_table(table, path, **how)


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


def read_rows(path: Path, kind: Kind, sha256: str, *, most: int) -> pd.DataFrame:
    """Per-query rows in a Parquet file, at most so many, of a suite of this ``kind``.

    What they may hold is bounded before it is read, for a file of some kilobytes may claim to
    unpack to gigabytes: its pages must be as :func:`write_rows` writes them, and then nothing
    in them is longer than the file.  (Texts are read as a dictionary and numbers of the one,
    not once a row.)

    Raises
    ------
    LassbenchError
        If the file is missing, damaged, too large, has other columns, or its rows do not have
        this hash (:func:`lassbench.scores.rows.rows_sha256`).
    """

    def bad(what: str, got: str = "") -> LassbenchError:
        fix = "make both files anew with `lassbench score`"
        what = f"the table of per-query rows {what}"
        return LassbenchError(what, where=path, got=one_line(got), fix=fix)

    if reason := file_fault(path):
        raise bad("is not beside its JSON", reason)
    try:
        if (size := path.stat().st_size) > _MOST_BYTES:
            raise bad("is refused", f"{size} bytes, at most {_MOST_BYTES} are read")
        data = path.read_bytes()
        if (count := stated_rows(data)) > (most := min(most, _MOST_ROWS)):
            raise bad("is refused", f"{count} rows, at most {most} are read")
        if size > (room := min(200_000 + _ROW_LIMIT * count, _MOST_BYTES)):
            raise bad("is refused", f"{size} bytes for {count} rows, at most {room} are read")
        schema = pq.read_schema(pa.BufferReader(data))
        expected = rows_schema(kind, schema.names)
        if (schema.names, schema.types) != (expected.names, expected.types):
            raise bad("has other columns", _differing(schema, expected))
        texts = [field.name for field in expected if pa.types.is_string(field.type)]
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
        table = file.read(use_threads=False)
        if (length := sum(map(_text_bytes, table.columns))) > room:
            raise bad("is refused", f"{length} bytes of text in {count} rows, at most {room}")
        table = table.cast(expected)  # refuses null where there must be a value
        table.validate(full=True)  # texts are UTF-8
    except (OSError, MemoryError, ValueError, pa.ArrowException) as error:
        raise bad("cannot be read", str(error)) from error
    rows: pd.DataFrame = table.to_pandas()
    ids = rows["query_id"]
    if not (ids.is_monotonic_increasing and ids.is_unique):
        raise bad("is not sorted by query_id, or has an id twice")
    if rows_sha256(rows) != sha256:
        raise bad("does not match its JSON", "other rows than were scored")
    return rows


def _differing(schema: pa.Schema, expected: pa.Schema) -> str:
    if odd := sorted({*schema.names} ^ {*expected.names}):
        return ", ".join(f"{'no ' * (one in expected.names)}{one}" for one in odd)
    if schema.names != expected.names:
        return f"in another order than {', '.join(expected.names)}"
    pairs = zip(schema, expected, strict=True)
    return ", ".join(f"{a.name} is {a.type}, not {b.type}" for a, b in pairs if a.type != b.type)


_MOST_ROWS, _MOST_BYTES = 100_000, 40_000_000
#: Bytes that a row may take, in the file and unpacked, on average; ours take about 200.
_ROW_LIMIT = 5_000


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Bytes of a column's texts once each of its rows has its own."""
    chunks = [one for one in column.chunks if pa.types.is_dictionary(one.type)]
    lengths = [pc.binary_length(one.dictionary).take(one.indices) for one in chunks]
    return sum(pc.sum(one).as_py() or 0 for one in lengths)


def read_scores(path: str | Path) -> Scores:
    """Read a score: the JSON and the rows beside it, checked against each other.

    Errors are those of :func:`find_score`, :func:`lassbench.checked.read_record` and
    :func:`read_rows`.
    """
    json_path = find_score(path)
    what, fix = "not a score file of schema version 1", "make it anew with `lassbench score`"
    file = read_record(json_path, ScoreFile, what=what, fix=fix, limit=JSON_LIMIT)
    stem = json_path.name.removesuffix(JSON_SUFFIX).removesuffix(".json")
    rows_path = json_path.with_name(stem + PARQUET_SUFFIX)
    rows = read_rows(rows_path, file.kind, file.rows_sha256, most=file.coverage.queries_total)
    if (
        in_order(rows.columns) != in_order(file.definitions)
        or len(rows) != file.coverage.queries_scored
    ):
        raise LassbenchError(
            "the table of per-query rows does not match its JSON",
            where=rows_path,
            expected=f"{file.coverage.queries_scored} rows of {', '.join(file.definitions)}",
            got=f"{len(rows)} rows of {', '.join(in_order(rows.columns))}",
            fix=fix,
        )
    return Scores(file, rows)


def check_not_others(
    path: Path,
    fingerprint: str,
    predictions: Callable[[Sequence[str]], str | None],
    metrics: Collection[str],
) -> None:
    """Refuse to write over the score of other predictions, on another suite, or in more metrics.

    ``path`` is the JSON that would be written, ``fingerprint`` the suite's; ``predictions``
    turns the ids of the queries that were scored there into the hash of these answers
    (``None``: let them pass, for nothing will be written);
    ``metrics`` are those that would be written, or those beside what every score has.

    Raises
    ------
    UsageError
        If ``path`` holds such a score, or one that cannot be read.
    """
    if not path.exists():
        return
    fix = "call this one by another name (--name), or --replace the score"
    try:
        before = read_scores(path)
        file, ids = before.file, list(before.rows["query_id"])
        got = f"{before.name} on {file.suite.name}, of other predictions"
        of_suite = file.suite.fingerprint == fingerprint
        if of_suite and predictions(ids) in (file.system.predictions_sha256, None):
            lost = in_order({*file.definitions} - {*metrics, *KIND_METRICS[file.kind]})
            if not lost:
                return
            titles = ", ".join(METRICS[one].title for one in lost)
            got = f"the same predictions' {titles}, which this score would not have"
            fix = "score in these too (--clap, --spectral), or --replace the score"
    except LassbenchError as error:
        got = error.brief
    raise UsageError("another score is here already", where=path, got=one_line(got), fix=fix)
