"""Parquet tables with an audio column as a source: a Hugging Face dataset, or files.

Any location that fsspec opens: ``hf://datasets/user/name``, ``s3://...``, a
folder.  The id columns are read once; audio is read a row group at a time, and
clips are asked for in the tables' order, so that each group is transferred once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lassbench.errors import LassbenchError, UsageError, did_you_mean
from lassbench.fetch.failures import ABSENT, SourceFailure
from lassbench.fetch.sources import Shop, read_medium, shown, web_failure
from lassbench.records import Clip

#: Row groups kept in memory.
_GROUPS_KEPT = 2


@dataclass(frozen=True, order=True)
class Place:
    """Where a row stands: file, row group, row within the group."""

    file: str
    group: int
    row: int


@dataclass(frozen=True)
class TableSource:
    """A set of Parquet files.

    Attributes
    ----------
    spec
        A Parquet file, or what has Parquet files below it.
    id_column
        Holds the YouTube id, with or without AudioSet's leading ``Y``, or the
        clip's id.
    start_column
        Holds the window's start in seconds; needed when one video has several
        windows there.
    audio_column
        Holds ``struct<bytes, path>``, as ``datasets`` writes it, or bytes.
    """

    spec: str
    id_column: str = "youtube_id"
    start_column: str = ""
    audio_column: str = "audio"
    paced = False
    via = ""

    @property
    def name(self) -> str:
        """``table:SPEC``, without what in it may be a password."""
        return f"table:{shown(self.spec)}"

    def order(self, clips: Iterable[Clip], shop: Shop) -> list[Clip]:
        """``clips`` in the order of the tables, those that are not there last."""
        index = self._index(shop)
        last = Place("\U0010ffff", 0, 0)
        return sorted(clips, key=lambda clip: self._place(index, clip) or last)

    def get(self, clip: Clip, shop: Shop, seconds: float) -> Any:
        """The clip's row, decoded."""
        place = self._place(self._index(shop), clip)
        if place is None:
            raise SourceFailure(ABSENT, f"no row of this clip in {self.name}")
        groups = shop.share((self, "groups"), lambda: _Groups(self))
        data, named = groups.audio(place)
        if not data:
            raise SourceFailure(ABSENT, f"the row of this clip in {self.name} holds no audio")
        shop.media.mkdir(parents=True, exist_ok=True)
        path = shop.media / f"{clip.clip_id}{Path(named).suffix[:8]}"
        path.write_bytes(data)
        return read_medium(path, clip, seconds)

    def _index(self, shop: Shop) -> dict[tuple[str, float | None], Place]:
        return shop.share((self, "index"), self._read_index)

    def _place(self, index: dict[tuple[str, float | None], Place], clip: Clip) -> Place | None:
        start = round(clip.start_s, 3) if self.start_column else None
        names = (clip.youtube_id, f"Y{clip.youtube_id}", clip.clip_id)
        return next((index[name, start] for name in names if (name, start) in index), None)

    def _read_index(self) -> dict[tuple[str, float | None], Place]:
        index: dict[tuple[str, float | None], Place] = {}
        with self._explained():
            for file in self._files():
                with _open_table(file) as table:
                    self._check_columns(table.schema_arrow.names, file)
                    for group in range(table.num_row_groups):
                        self._add_group(index, table, file, group)
        return index

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except LassbenchError:
            raise
        except Exception as error:
            raise LassbenchError(
                "the tables cannot be read",
                where=shown(self.spec),
                got=web_failure(error, self.spec).message,
                fix="check the address, the network and your access (`hf auth login`)",
            ) from error

    def _add_group(
        self, index: dict[tuple[str, float | None], Place], table: Any, file: str, group: int
    ) -> None:
        wanted = [self.id_column, *([self.start_column] if self.start_column else [])]
        columns = table.read_row_group(group, columns=wanted).to_pydict()
        for row, name in enumerate(columns[self.id_column]):
            start = None
            if self.start_column:
                start = round(float(columns[self.start_column][row]), 3)
            index.setdefault((str(name), start), Place(file, group, row))

    def _check_columns(self, names: list[str], file: str) -> None:
        for column, option in (
            (self.id_column, "--id-column"),
            (self.audio_column, "--audio-column"),
            (self.start_column, "--start-column"),
        ):
            if column and column not in names:
                raise UsageError(
                    f"the table has no column {column!r}{did_you_mean(column, names)}",
                    where=file,
                    expected=", ".join(names),
                    fix=f"name the column with {option}",
                )

    def _files(self) -> list[str]:
        import fsspec

        system, path = fsspec.core.url_to_fs(self.spec)
        found = [path]
        if not path.endswith(".parquet"):
            found = sorted(system.glob(f"{path.rstrip('/')}/**/*.parquet"))
        if not found:
            raise UsageError(
                "no Parquet file there", where=shown(self.spec), fix="check the address"
            )
        return [system.unstrip_protocol(path) for path in found]


def _open_table(file: str) -> Any:
    import fsspec
    from pyarrow import parquet

    return parquet.ParquetFile(fsspec.open(file, "rb").open())


class _Groups:
    """The last few row groups' audio, read once however many threads ask."""

    def __init__(self, source: TableSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], Any] = OrderedDict()

    def audio(self, place: Place) -> tuple[bytes, str]:
        """Bytes and file name of a row's audio.

        Raises
        ------
        SourceFailure
            If the table cannot be read.
        """
        with self._lock:
            key = (place.file, place.group)
            if key not in self._kept:
                self._kept[key] = self._read(place)
                if len(self._kept) > _GROUPS_KEPT:
                    self._kept.popitem(last=False)
            value = self._kept[key][place.row].as_py()
        if isinstance(value, dict):
            return value.get("bytes") or b"", value.get("path") or ""
        return value or b"", ""

    def _read(self, place: Place) -> Any:
        column = self._source.audio_column
        try:
            with _open_table(place.file) as table:
                return table.read_row_group(place.group, columns=[column]).column(column)
        except Exception as error:
            raise web_failure(error, place.file) from error
