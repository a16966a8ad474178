"""Read one Parquet shard: its labels in one go, its audio a row at a time.

Arrow reads whole row groups (30 MB of FLAC).  Training and rendering ask for
single clips in any order, so the first touch of a row group notes where in the
file each row's bytes lie, and later ones take them from there: the audio column
is stored uncompressed, so the bytes stand in the file as they are.  A shard
written in another way (compressed by other tools) is read through Arrow, the
last row group kept.
"""

from __future__ import annotations

import bisect
import itertools
import mmap
from pathlib import Path
from typing import Any

from lassbench import files
from lassbench.dataset import layout
from lassbench.errors import LassbenchError

#: What a row is looked up by: its length as Parquet stores it, and its beginning,
#: which holds FLAC's MD5 of the samples.
_HEAD_BYTES = 64


class ShardReader:
    """One open shard.

    Raises
    ------
    LassbenchError
        If the file is missing or no Parquet file of this form.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        try:
            self._file: Any = pq.ParquetFile(path, memory_map=True)
            with path.open("rb") as stream:
                self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        names = self._file.schema_arrow.names
        lacking = [name for name in layout.COLUMNS if name not in names]
        if lacking:
            raise LassbenchError(
                f"the shard lacks the column {', '.join(lacking)}",
                where=path,
                got=", ".join(names),
                fix="build the dataset again",
            )
        meta = self._file.metadata
        self._starts: list[int] = [0]
        for group in range(meta.num_row_groups):
            self._starts.append(self._starts[-1] + meta.row_group(group).num_rows)
        self._spans: dict[int, list[tuple[int, int]] | None] = {}
        self._last: tuple[int, list[bytes]] | None = None

    @property
    def rows(self) -> int:
        """How many rows the shard has."""
        return self._starts[-1]

    @property
    def groups(self) -> list[range]:
        """The rows of each row group."""
        return [range(*ends) for ends in itertools.pairwise(self._starts)]

    def labels(self, group: int | None = None) -> list[dict[str, Any]]:
        """Every row, or every row of one row group, without its audio.

        Raises
        ------
        LassbenchError
            If the shard is damaged.
        """
        columns = [name for name in layout.COLUMNS if name != "audio"]
        try:
            groups = range(len(self._starts) - 1) if group is None else [group]
            table = self._file.read_row_groups(list(groups), columns=columns)
        except (OSError, ValueError) as error:
            raise _unreadable(self.path, error) from error
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def audio_bytes(self, row: int) -> bytes:
        """The FLAC file in one row.

        Raises
        ------
        LassbenchError
            If the shard is damaged.
        """
        group = bisect.bisect_right(self._starts, row) - 1
        if group not in self._spans:
            self._spans[group] = self._find_spans(group)
        spans = self._spans[group]
        within = row - self._starts[group]
        if spans is None:
            return self._values(group)[within]
        start, stop = spans[within]
        return self._bytes[start:stop]

    def _values(self, group: int) -> list[bytes]:
        if self._last is None or self._last[0] != group:
            try:
                table = self._file.read_row_group(group, columns=["audio.bytes"])
            except (OSError, ValueError) as error:
                raise _unreadable(self.path, error) from error
            structs = table.column("audio").combine_chunks()
            self._last = (group, [value.as_py() or b"" for value in structs.field("bytes")])
        return self._last[1]

    def _find_spans(self, group: int) -> list[tuple[int, int]] | None:
        spans: list[tuple[int, int]] = []
        at, end = self._column_chunk(group)
        for value in self._values(group):
            head = len(value).to_bytes(4, "little") + value[:_HEAD_BYTES]
            found = self._bytes.find(head, at, end)
            if found < 0:
                return None
            start, at = found + 4, found + 4 + len(value)
            if self._bytes[start:at] != value:
                return None
            spans.append((start, at))
        self._last = None
        return spans

    def _column_chunk(self, group: int) -> tuple[int, int]:
        meta = self._file.metadata.row_group(group)
        for index in range(meta.num_columns):
            column = meta.column(index)
            if column.path_in_schema == "audio.bytes":
                start = int(column.data_page_offset)
                return start, start + int(column.total_compressed_size)
        raise LassbenchError(
            "the shard holds no audio bytes", where=self.path, fix="build the dataset again"
        )


def _unreadable(path: Path, error: Exception) -> LassbenchError:
    if isinstance(error, OSError) and error.errno:
        return files.explain_os_error(error, path)
    return LassbenchError(
        "the shard is damaged or not a Parquet file",
        where=path,
        got=str(error).splitlines()[0][:200],
        fix="run `lassbench verify` on the dataset, and build it again",
    )
