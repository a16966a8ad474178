"""The two files of a score: written, found, read back and checked against each other."""

from __future__ import annotations

import functools
import hashlib
import itertools
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lassbench.checked import read_record
from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.files import listed, name_of, to_json, write_together
from lassbench.scores.definitions import (
    ABSENT_METRICS,
    MIXTURE_COLUMNS,
    SCHEMA_VERSION,
    SEPARATION_METRICS,
    Kind,
    in_order,
)
from lassbench.scores.schema import ScoreFile

JSON_SUFFIX = ".score.json"
PARQUET_SUFFIX = ".score.parquet"
#: Largest score file, or entry of a leaderboard, that is read, in bytes.
JSON_LIMIT = 20_000_000


class Scores(NamedTuple):
    """A score file with its per-query rows: what scoring returns.

    ``scores.file.summary["si_sdr_i"].mean`` is a mean, ``scores.rows.to_pandas()``
    the table of queries, ``scores.save(folder)`` writes both.
    """

    file: ScoreFile
    rows: pa.Table

    def save(self, folder: str | Path) -> tuple[Path, Path]:
        """Write the two files into ``folder``; their paths (see :func:`write_scores`)."""
        return write_scores(Path(folder), self)

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


def rows_schema(kind: Kind, *, clap: bool = False) -> pa.Schema:
    """Columns of the per-query rows of a suite of this kind, in order.

    Text columns first (``tags`` joined by :data:`lassbench.records.TAG_SEPARATOR`), then
    metrics in dB as float64 (``clap`` without a unit),
    then ``wrong_source`` (separation only), ``estimate_level_db`` (energy of the
    estimate relative to the mixture's) and ``flags`` (words joined by ``;``).
    """
    fields = [pa.field(name, pa.string(), nullable=False) for name in _TEXT_COLUMNS]
    separation = (*SEPARATION_METRICS[:5], *MIXTURE_COLUMNS, *SEPARATION_METRICS[5:])
    metrics = list(separation if kind == "separation" else ABSENT_METRICS)
    if clap:
        metrics += ["clap", "clap_mixture", "clap_i"]
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
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(query_ids)).encode()).hexdigest()


def rows_sha256(rows: pa.Table) -> str:
    """SHA-256 over the content of ``rows``, whatever library or codec stored them.

    Column by column: name, type, then the values; floats as little-endian
    float64 bit patterns (null as the bytes ``null``), text length-prefixed.
    """
    digest = hashlib.sha256()
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


def write_scores(folder: Path, scores: Scores) -> tuple[Path, Path]:
    """Write ``<system>.score.json`` and ``.score.parquet`` into ``folder``; their paths.

    The Parquet comes first, so that a JSON is never without its rows.

    Raises
    ------
    LassbenchError
        If ``folder`` cannot be written or the disk is full.
    """
    stem = name_of(scores.file.system.name)
    json_path, parquet_path = folder / f"{stem}{JSON_SUFFIX}", folder / f"{stem}{PARQUET_SUFFIX}"
    write_together(
        {
            parquet_path: lambda path: pq.write_table(scores.rows, path, compression="zstd"),
            json_path: to_json(scores.file.model_dump(mode="json")).encode(),
        }
    )
    return json_path, parquet_path


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
    if not path.is_file():
        raise _bad_rows(path, "is not beside its JSON", "no such file")
    try:
        # Not read_table: it takes a folder called a=b on the way for a column.
        rows = pq.ParquetFile(path).read(use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise _bad_rows(path, "cannot be read", str(error)) from error
    expected = rows_schema(file.kind, clap="clap" in file.metrics)
    if rows.schema.names != expected.names or rows.schema.types != expected.types:
        differing = sorted(set(rows.schema.names) ^ set(expected.names)) or ["types differ"]
        raise _bad_rows(path, "has other columns", ", ".join(differing))
    _check_values(path, rows, expected)
    ids = rows.column("query_id").to_pylist()
    if any(a >= b for a, b in itertools.pairwise(ids)):
        raise _bad_rows(path, "is not sorted by query_id, or has an id twice", "")
    if len(ids) != file.coverage.queries_scored or rows_sha256(rows) != file.rows_sha256:
        raise _bad_rows(path, "does not match its JSON", "other rows than were summarised")
    return rows


def _check_values(path: Path, rows: pa.Table, expected: pa.Schema) -> None:
    """Refuse nulls where there must be a value, and texts that are not UTF-8."""
    empty = [
        field.name
        for field in expected
        if not field.nullable and rows.column(field.name).null_count
    ]
    if empty:
        raise _bad_rows(path, "lacks values", f"null in {', '.join(empty)}")
    try:
        rows.validate(full=True)
    except pa.ArrowException as error:
        raise _bad_rows(path, "cannot be read", str(error)) from error


def _bad_rows(path: Path, what: str, got: str) -> LassbenchError:
    fix = "make both files anew with `lassbench score`"
    what = f"the table of per-query rows {what}"
    return LassbenchError(what, where=path, got=one_line(got), fix=fix)


def read_scores(path: str | Path) -> Scores:
    """Read a score: the JSON and the rows beside it, checked against each other.

    Raises
    ------
    LassbenchError
        As :func:`find_score`, :func:`lassbench.checked.read_record` and :func:`read_rows` do.
    """
    json_path = find_score(path)
    file = read_record(
        json_path,
        ScoreFile,
        what=f"not a score file of schema version {SCHEMA_VERSION}",
        fix="make it anew with `lassbench score`",
        limit=JSON_LIMIT,
    )
    stem = json_path.name.removesuffix(JSON_SUFFIX).removesuffix(".json")
    return Scores(file, read_rows(json_path.with_name(stem + PARQUET_SUFFIX), file))
