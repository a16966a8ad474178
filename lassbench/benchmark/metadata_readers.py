"""Read AudioCaps's captions, AudioSet's segment lists and the authors' released lists.

AudioCaps (versions 1 and 2.0) is three CSV files with the columns
``audiocap_id,youtube_id,start_time,caption``: one caption a clip in train,
five a clip in val and test.  AudioSet's segment list has comment lines and then
``YTID, start, end, "mid,mid"``; the official one has 2,041,789 rows, of which
only those of AudioCaps's clips are kept, in one streaming pass.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from lassbench.benchmark.metadata import read_bytes
from lassbench.benchmark.ontology import Ontology
from lassbench.csv_files import Row, read_table
from lassbench.errors import Fault, FaultsError, LassbenchError, one_line
from lassbench.files import read_text

YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")

#: One row of a segment list, whatever the spaces.
_SEGMENT_ROW = re.compile(
    r'[A-Za-z0-9_-]{11}\s*,\s*\d+(\.\d+)?\s*,\s*\d+(\.\d+)?\s*,\s*"[^",]+(,[^",]+)*"\s*'
)

_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class CaptionedClip:
    """A clip of AudioCaps.

    Attributes
    ----------
    youtube_id, start_s
        The video, and where in it the clip begins, in seconds.
    audiocaps_split
        ``train``, ``val`` or ``test``: AudioCaps's own.
    captions
        (audiocap_id, caption), the smallest id first.
    where
        ``file:line`` of its first row.
    """

    youtube_id: str
    start_s: float
    audiocaps_split: str
    captions: tuple[tuple[int, str], ...]
    where: str

    @property
    def audiocap_ids(self) -> tuple[int, ...]:
        """The ids of its captions, ascending."""
        return tuple(number for number, _ in self.captions)


@dataclass(frozen=True, slots=True)
class Segment:
    """A row of AudioSet: when the clip begins and ends, in seconds, and its labels' mids."""

    start_s: float
    end_s: float
    mids: tuple[str, ...]


def read_captions(paths: Mapping[str, Path]) -> dict[str, CaptionedClip]:
    """Read AudioCaps's CSV files.

    Parameters
    ----------
    paths
        ``train``, ``val`` and ``test`` -> the file.

    Returns
    -------
    dict
        youtube_id -> clip, in the files' order.

    Raises
    ------
    FaultsError
        If a row is bad: every bad row of all files, with file and line.
    """
    rows: dict[str, list[CaptionedClip]] = {}
    by_number: dict[int, str] = {}
    faults: list[Fault] = []
    for split, path in paths.items():
        columns = ("audiocap_id", "youtube_id", "start_time", "caption")
        for cells in read_table(path, columns):
            where = cells.where
            row = _caption_row(cells, split, faults)
            if row is None:
                continue
            number = row.audiocap_ids[0]
            if number in by_number:
                reason = f"audiocap_id {number} stands at {by_number[number]} too"
                faults.append(Fault("duplicated id", where, reason))
                continue
            by_number[number] = where
            rows.setdefault(row.youtube_id, []).append(row)
    clips = {youtube_id: _clip(found, faults) for youtube_id, found in rows.items()}
    if faults:
        raise FaultsError("AudioCaps's files have bad rows", faults, fix="restore the files")
    return clips


def _caption_row(cells: Row, split: str, faults: list[Fault]) -> CaptionedClip | None:
    """A row as a clip of one caption."""
    number, start, caption = cells["audiocap_id"], cells["start_time"], cells["caption"]
    reason = ""
    if not (number.isascii() and number.isdigit()):
        reason = f"audiocap_id {number!r} is not a number"
    elif not YOUTUBE_ID.fullmatch(cells["youtube_id"]):
        reason = f"{cells['youtube_id']!r} is no YouTube id (11 letters, digits, - or _)"
    elif not re.fullmatch(r"\d+(\.\d+)?", start):
        reason = f"start_time {start!r} is not a number of seconds"
    elif not caption:
        reason = "the caption is empty"
    if reason:
        faults.append(Fault("bad row", cells.where, reason))
        return None
    captions = ((int(number), caption),)
    return CaptionedClip(cells["youtube_id"], float(start), split, captions, cells.where)


def _clip(rows: list[CaptionedClip], faults: list[Fault]) -> CaptionedClip:
    """The clip with all of its rows' captions."""
    first = rows[0]
    for row in rows[1:]:
        if row.audiocaps_split != first.audiocaps_split:
            reason = f"{first.youtube_id} is in {first.audiocaps_split} too ({first.where})"
            faults.append(Fault("duplicated id", row.where, reason))
        elif row.start_s != first.start_s:
            reason = (
                f"{first.youtube_id} starts at {row.start_s:g} s here "
                f"and at {first.start_s:g} s at {first.where}"
            )
            faults.append(Fault("wrong start time", row.where, reason))
    return replace(first, captions=tuple(sorted(row.captions[0] for row in rows)))


def read_segments(path: Path, wanted: Collection[str], ontology: Ontology) -> dict[str, Segment]:
    """Read the rows of ``wanted`` videos from a segment list, plain or gzipped.

    The list is streamed in blocks of 8 MiB through pyarrow's CSV reader with
    ``"`` as the *delimiter*: the mids hold commas and stand in quotes after a
    space, which no CSV dialect allows, and so they are the second of three
    columns.

    Parameters
    ----------
    path
        The list; lines that begin with ``#`` are comments.
    wanted
        YouTube ids.

    Returns
    -------
    dict
        youtube_id -> segment, for those of ``wanted`` that have a row.

    Raises
    ------
    LassbenchError
        If a line of the file, wanted or not, cannot be read.
    FaultsError
        If a wanted row stands twice, ends before it starts, or has an unknown
        label, with file and line.
    """
    segments: dict[str, Segment] = {}
    bad: dict[str, tuple[str, str]] = {}
    for youtube_id, start, end, mids in _stream_rows(path, wanted):
        segment = Segment(start, end, tuple(mids.split(",")))
        unknown = [mid for mid in segment.mids if mid not in ontology.labels]
        if youtube_id in segments:
            bad[youtube_id] = ("duplicated id", f"{youtube_id} stands twice")
        elif end <= start:
            bad[youtube_id] = ("wrong start time", f"starts at {start:g} s, ends at {end:g} s")
        elif unknown:
            bad[youtube_id] = ("unknown mid", f"{unknown[0]} is not a label of AudioSet")
        segments[youtube_id] = segment
    if bad:
        lines = _lines_of(path, bad)
        faults = [
            Fault(kind, f"{path}:{lines.get(youtube_id, 0)}", reason)
            for youtube_id, (kind, reason) in bad.items()
        ]
        raise FaultsError("the segment list has bad rows", faults, fix="restore the file")
    return segments


def _stream_rows(path: Path, wanted: Collection[str]) -> Iterable[tuple[str, float, float, str]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    value_set = pa.array(sorted(wanted), pa.string())
    try:
        for batch in _open_segments(path):
            ids = pc.utf8_slice_codeunits(batch["head"], 0, 11)
            kept = batch.filter(pc.is_in(ids, value_set=value_set))
            heads, mids = kept["head"].to_pylist(), kept["mids"].to_pylist()
            for head, labels in zip(heads, mids, strict=True):
                youtube_id, start, end, _ = head.split(",")
                yield youtube_id.strip(), float(start), float(end), labels
    except (pa.ArrowInvalid, ValueError, OSError) as error:
        raise _first_bad_line(path, error) from error


def _open_segments(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    # AudioSet's own form, which is no CSV, and two million rows: not for csv_files.
    columns = {"head": pa.string(), "mids": pa.string(), "tail": pa.string()}
    compression = "gzip" if path.suffix == ".gz" else None
    with pa.input_stream(str(path), compression=compression) as stream:
        top = bytes(stream.read(1 << 16)).removeprefix(b"\xef\xbb\xbf").splitlines()
    comments = len(list(takewhile(lambda line: line.startswith(b"#"), top)))
    return csv.open_csv(
        pa.input_stream(str(path), compression=compression),
        read_options=csv.ReadOptions(
            skip_rows=comments, column_names=list(columns), block_size=_BLOCK_BYTES
        ),
        parse_options=csv.ParseOptions(delimiter='"', quote_char=False),
        convert_options=csv.ConvertOptions(column_types=columns, include_columns=["head", "mids"]),
    )


def _first_bad_line(path: Path, error: Exception) -> LassbenchError:
    """The message for a file that pyarrow gave up on: the first line that is no row."""
    for number, raw in enumerate(read_bytes(path).splitlines(), start=1):
        text = raw.decode("utf-8", "backslashreplace").removeprefix("\ufeff")
        if text and not text.startswith("#") and not _SEGMENT_ROW.fullmatch(text):
            return LassbenchError(
                "is not a row of a segment list",
                where=f"{path}:{number}",
                expected='YTID, start_seconds, end_seconds, "mid,mid"',
                got=one_line(text, 120),
                fix="restore the file",
            )
    return LassbenchError(f"is not a segment list: {error}", where=path, fix="restore the file")


def _lines_of(path: Path, youtube_ids: Collection[str]) -> dict[str, int]:
    """The last line of each id; read again only to tell of a fault."""
    lines: dict[str, int] = {}
    for number, raw in enumerate(read_bytes(path).splitlines(), start=1):
        youtube_id = raw.removeprefix(b"\xef\xbb\xbf")[:11].decode("ascii", "replace")
        if youtube_id in youtube_ids:
            lines[youtube_id] = number
    return lines


def read_released_training(path: Path) -> list[str]:
    """The authors' training list: one YouTube id a line, no header.

    Raises
    ------
    FaultsError
        If a line is no id, or an id stands twice.
    """
    faults: list[Fault] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        _note_id(line.strip(), f"{path}:{number}", faults)
        if line.strip() in seen:
            reason = f"{line.strip()} stands on line {seen[line.strip()]} too"
            faults.append(Fault("duplicated id", f"{path}:{number}", reason))
        seen[line.strip()] = number
    if faults:
        raise FaultsError("this is not the released training list", faults)
    return list(seen)


def read_released_evaluation(path: Path) -> list[tuple[str, str]]:
    """The authors' test list: (target, noise) YouTube ids, in its order.

    Its header is ``target_wav, noise_wav``, with a space.

    Raises
    ------
    FaultsError
        If a cell is no id, or a clip is mixed with itself.
    """
    faults: list[Fault] = []
    pairs: list[tuple[str, str]] = []
    for row in read_table(path, ("target_wav", "noise_wav")):
        target, noise = row["target_wav"], row["noise_wav"]
        for youtube_id in (target, noise):
            _note_id(youtube_id, row.where, faults)
        if target == noise:
            faults.append(Fault("bad row", row.where, f"{target} is mixed with itself"))
        pairs.append((target, noise))
    if faults:
        raise FaultsError("this is not the released evaluation list", faults)
    return pairs


def _note_id(youtube_id: str, where: str, faults: list[Fault]) -> None:
    if not YOUTUBE_ID.fullmatch(youtube_id):
        faults.append(Fault("bad row", where, f"{youtube_id!r} is no YouTube id"))
