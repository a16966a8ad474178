"""Open a dataset folder: its clips at once, its audio row by row."""

from __future__ import annotations

import bisect
import functools
import itertools
import threading
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lassbench import audio, files
from lassbench.dataset import layout
from lassbench.errors import Fault, LassbenchError, did_you_mean, one_line
from lassbench.records import Clip, Split


class ShardReader:
    """One Parquet shard: its labels in one go, its audio a row at a time.

    May be used by several threads.

    Raises
    ------
    LassbenchError
        If the file is missing or no Parquet file of this form; likewise from every
        method, if the shard is damaged.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        try:
            self._file: Any = pq.ParquetFile(path, memory_map=True)
        except (OSError, ValueError) as error:
            raise self._damaged(error) from error
        kinds = {field.name: str(field.type) for field in self._file.schema_arrow}
        wrong = [name for name in layout.COLUMNS if not layout.fits(name, kinds.get(name, ""))]
        if wrong:
            raise LassbenchError(
                f"the shard lacks the column {', '.join(wrong)}, or has it of another type",
                where=path,
                got=one_line(", ".join(f"{name} {kind}" for name, kind in kinds.items())),
                fix="build the dataset again",
            )
        meta = self._file.metadata
        sizes = (meta.row_group(group).num_rows for group in range(meta.num_row_groups))
        self._starts = [0, *itertools.accumulate(sizes)]
        # Arrow's reader is not made for threads: together they crash the process.
        self._lock = threading.RLock()
        self._last: tuple[int, Any] = (-1, None)

    @property
    def groups(self) -> list[range]:
        """The rows of each row group."""
        return [range(*ends) for ends in itertools.pairwise(self._starts)]

    def labels(self, group: int | None = None) -> list[dict[str, Any]]:
        """Every row, or every row of one row group, without its audio."""
        columns = [name for name in layout.COLUMNS if name != "audio"]
        groups = list(range(len(self.groups))) if group is None else [group]
        rows: list[dict[str, Any]] = self._read(groups, columns, lambda table: table.to_pylist())
        for row in rows:
            name = row["clip_id"] or ""
            files.checked_name(name, what="a clip", where=self.path, fix="build the dataset again")
            empty = [k for k, v in row.items() if v is None or (isinstance(v, list) and None in v)]
            if empty:
                raise LassbenchError(f"the clip {name} has no {empty[0]}", where=self.path)
        return rows

    def audio_bytes(self, row: int) -> bytes:
        """The FLAC file in one row.

        Reads the row's group and keeps it for the row beside it: groups hold a few
        MB (:data:`lassbench.dataset.build.ROW_GROUP`).
        """
        group = bisect.bisect_right(self._starts, row) - 1
        with self._lock:
            if self._last[0] != group:
                values = self._read(
                    [group],
                    ["audio.bytes"],
                    lambda table: table.column("audio").combine_chunks().field("bytes"),
                )
                self._last = (group, values)
            return self._last[1][row - self._starts[group]].as_py() or b""

    def _read(self, groups: list[int], columns: list[str], form: Callable[[Any], Any]) -> Any:
        try:
            with self._lock:
                return form(self._file.read_row_groups(groups, columns=columns))
        except (OSError, ValueError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> LassbenchError:
        if isinstance(error, OSError) and error.errno:
            return files.explain_os_error(error, self.path)
        return LassbenchError(
            "the shard is damaged or not a Parquet file",
            where=self.path,
            got=str(error).splitlines()[0][:200],
            fix="run `lassbench verify` on the dataset, and build it again",
        )


class _Rows(NamedTuple):
    """The kept clips, their hashes, and the row of each: (shard, row in it)."""

    clips: Mapping[str, Clip]
    pcm_sha256: Mapping[str, str]
    places: Mapping[str, tuple[str, int]]


class Dataset:
    """A dataset on disk.  Made by :func:`open_dataset`.

    It pickles as its path: shards are opened by the process that reads them.

    Attributes
    ----------
    name, title
        Of the corpus it was built from.
    sample_rate_hz, clip_samples
        Rate in Hz and length in samples of every clip.
    synthetic
        True when no clip is a recording.
    audio_may_be_published
        True when the corpus's terms allow passing the audio on.
    card, description
        The corpus's card, and what ``dataset.json`` says.
    fingerprint
        SHA-256 over the sorted (clip id, hash of its samples) pairs.
    """

    def __init__(
        self, path: Path, description: layout.Description, *, without: Set[str] = frozenset()
    ) -> None:
        self.path = path
        self._without = without
        self.description = description
        self.card = description.corpus
        self.name, self.title = description.name, description.title
        self.sample_rate_hz = description.sample_rate_hz
        self.clip_samples = description.clip_samples
        self.fingerprint = description.fingerprint
        self.synthetic = self.card.synthetic
        self.audio_may_be_published = self.card.audio_may_be_published

    def __reduce__(self) -> tuple[Any, ...]:
        return (open_dataset, (self.path,))

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r}, {self.name}, {len(self.clips)} clips)"

    @property
    def clips(self) -> Mapping[str, Clip]:
        """The clips that are here, by id, in the order of splits and ids."""
        return self._rows.clips

    @property
    def pcm_sha256(self) -> Mapping[str, str]:
        """clip_id -> SHA-256 of its int16 little-endian samples, as built."""
        return self._rows.pcm_sha256

    @functools.cached_property
    def missing(self) -> Mapping[str, Fault]:
        """Clips of the corpus that are not here, and why."""
        return MappingProxyType(
            {
                clip.clip_id: Fault(clip.kind, clip.clip_id, clip.reason)
                for clip in self.description.missing
            }
        )

    @functools.cached_property
    def corpus_clips(self) -> Mapping[str, Clip]:
        """Every clip of the corpus by id: those that are here, then those that are not."""
        absent = {clip.clip_id: clip for clip in self.description.missing}
        return MappingProxyType({**self.clips, **absent})

    def split(self, name: Split) -> list[Clip]:
        """The clips of one split, by id."""
        return [clip for clip in self.clips.values() if clip.split == name]

    def samples(self, clip_id: str) -> NDArray[np.float32]:
        """The samples of one clip: float32, shape (clip_samples,), int16 / 32768.

        Raises
        ------
        LassbenchError
            As :meth:`samples_int16`.
        """
        return audio.to_float32(self.samples_int16(clip_id))

    def samples_int16(self, clip_id: str) -> NDArray[np.int16]:
        """The samples of one clip as they are stored: int16, shape (clip_samples,).

        Raises
        ------
        LassbenchError
            If there is no such clip here, or it is damaged.
        """
        try:
            samples, rate = audio.decode_int16(self.flac(clip_id))
        except audio.AudioFault as fault:
            raise self._damaged(clip_id, fault.reason) from fault
        if rate != self.sample_rate_hz or samples.size != self.clip_samples:
            raise self._damaged(clip_id, f"holds {samples.size} samples at {rate} Hz")
        return samples

    def flac(self, clip_id: str) -> bytes:
        """The FLAC file of one clip, as bytes.

        Raises
        ------
        LassbenchError
            If there is no such clip here, or its shard is missing or damaged.
        """
        if clip_id not in self._rows.places:
            raise self._unknown(clip_id)
        shard, row = self._rows.places[clip_id]
        return self._reader(shard).audio_bytes(row)

    def _damaged(self, clip_id: str, reason: str) -> LassbenchError:
        return LassbenchError(
            f"the clip {clip_id} is damaged: {reason}",
            where=self.path / self._rows.places[clip_id][0],
            expected=f"{self.clip_samples} samples at {self.sample_rate_hz} Hz",
            fix="run `lassbench verify` on the dataset, and build it again",
        )

    def _unknown(self, clip_id: str) -> LassbenchError:
        if clip_id in self.missing:
            return LassbenchError(
                f"the clip {clip_id} is not in this dataset",
                where=self.path,
                got=f"{self.missing[clip_id].kind}: {self.missing[clip_id].reason}",
                fix="provide its audio and build the dataset again",
            )
        return LassbenchError(
            f"no clip {clip_id!r} in this dataset{did_you_mean(clip_id, self.clips)}",
            where=self.path,
            fix="check the id; clips.csv lists all of them",
        )

    @functools.cached_property
    def _rows(self) -> _Rows:
        clips: dict[str, Clip] = {}
        pcm: dict[str, str] = {}
        places: dict[str, tuple[str, int]] = {}
        seconds = self.clip_samples / self.sample_rate_hz
        for shard in self.description.shards:
            split = layout.split_of_shard(shard.path)
            for row, entry in enumerate(self._reader(shard.path).labels()):
                clip_id, sha256 = entry["clip_id"], entry.pop("pcm_sha256")
                if clip_id in self._without:
                    continue
                end_s = entry["start_s"] + seconds if entry["youtube_id"] else 0.0
                lists = {key: tuple(entry[key]) for key in ("captions", "tags")}
                clips[clip_id] = Clip(**{**entry, **lists}, split=split, end_s=end_s)
                pcm[clip_id] = sha256
                places[clip_id] = (shard.path, row)
        return _Rows(MappingProxyType(clips), MappingProxyType(pcm), MappingProxyType(places))

    def _reader(self, shard: str) -> ShardReader:
        readers: dict[str, ShardReader] = self.__dict__.setdefault("_readers", {})
        if shard not in readers:
            readers[shard] = ShardReader(self.path / shard)
        return readers[shard]


def open_dataset(path: str | Path) -> Dataset:
    """Open the dataset folder at ``path``.

    Raises
    ------
    LassbenchError
        If it is no dataset folder, its build has not finished, or another
        version of lassbench wrote it in another form.
    """
    folder = Path(path).resolve()
    return Dataset(folder, layout.read_description(folder))


class Intact(NamedTuple):
    """The clips that are whole of a dataset; it does not pickle as what it is.

    ``damaged``: shards that are gone or not as they were written -> clips lost with each.
    """

    dataset: Dataset
    damaged: Mapping[str, int]


def open_intact(folder: Path) -> Intact | None:
    """What a new build or fetch can go on from; ``None`` where no dataset is.

    Shards are the only copy of their clips, so one that was altered is read clip by
    clip: those whose samples have their hash are whole.

    Raises
    ------
    LassbenchError
        If ``dataset.json`` cannot be used.
    """
    if not (folder / layout.DESCRIPTION).is_file():
        return None
    description = layout.read_description(folder)
    readable, damaged = [], {}
    bad: set[str] = set()
    for shard in description.shards:
        path = folder / shard.path
        if path.is_file() and files.sha256_file(path) == shard.sha256:
            readable.append(shard)
            continue
        try:
            lost = _altered_clips(ShardReader(path))
        except LassbenchError:  # gone, or no Parquet file any more
            damaged[shard.path] = shard.clips
        else:
            readable.append(shard)
            damaged[shard.path] = len(lost)
            bad |= lost
    whole = description.model_copy(update={"shards": tuple(readable)})
    return Intact(Dataset(folder, whole, without=bad), damaged)


def _altered_clips(reader: ShardReader) -> set[str]:
    """The ids of a shard's clips whose samples have not their hash."""

    def is_whole(row: int, sha256: str) -> bool:
        try:
            return audio.pcm_sha256(audio.decode_int16(reader.audio_bytes(row))[0]) == sha256
        except (LassbenchError, audio.AudioFault):
            return False

    return {
        label["clip_id"]
        for row, label in enumerate(reader.labels())
        if not is_whole(row, label["pcm_sha256"])
    }
