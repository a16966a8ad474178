"""What to fetch: the clips of a benchmark, or any CSV of video ids and starts."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from lassbench.benchmark import manifests
from lassbench.corpora.base import in_order
from lassbench.csv_files import Row, read_table
from lassbench.errors import Fault, FaultsError, UsageError
from lassbench.records import CLIP_SECONDS, SPLITS, Clip, Split

_ID = re.compile(r"[A-Za-z0-9_-]{11}")

#: Names that lists in use give to these columns.
_STARTS = ("start_s", "start_time", "start_seconds", "start")
_ENDS = ("end_s", "end_time", "end_seconds", "end")


def benchmark_clips(manifest: str) -> tuple[list[Clip], int, float]:
    """The clips of a frozen benchmark, and their rate in Hz and length in seconds.

    Without captions, which play no part in fetching and would have to be
    downloaded.

    Raises
    ------
    UsageError
        If there is no such benchmark.
    FaultsError
        If its lists were changed.
    """
    benchmark = manifests.open_benchmark(manifest)
    clips = in_order(row.clip(split) for split, row in benchmark.clips.values())
    return clips, benchmark.definition.sample_rate_hz, benchmark.definition.clip_seconds


def read_list(path: Path, *, seconds: float = CLIP_SECONDS) -> list[Clip]:
    """The clips that a CSV file lists, each window once.

    Columns: ``youtube_id``; ``start_s``, ``start_time``, ``start_seconds`` or
    ``start``; and if they are there an end, ``split``, ``concept`` and
    ``caption``.  AudioCaps's own files are such lists.  A clip's id is
    ``Y<youtube_id>``, with the start in milliseconds appended where one video
    has several windows.

    Raises
    ------
    UsageError
        If the file is missing or lists nothing.
    FaultsError
        Listing every bad row.
    """
    rows = read_table(path, ["youtube_id"], one_of=[_STARTS])
    faults: list[Fault] = []
    windows: dict[tuple[str, float], tuple[float, Row]] = {}
    for row in rows:
        window = _window(row, seconds, faults)
        if window is not None:
            windows.setdefault(window[:2], (window[2], row))
    if faults:
        raise FaultsError("rows that name no clip", faults, where=path, fix="correct these lines")
    if not windows:
        raise UsageError("the list names no clip", where=path, fix="name another --list")
    windows_of = Counter(name for name, _ in windows)
    return in_order(
        _clip(name, start, end, row, alone=windows_of[name] == 1)
        for (name, start), (end, row) in windows.items()
    )


def _window(row: Row, seconds: float, faults: list[Fault]) -> tuple[str, float, float] | None:
    name = row["youtube_id"]
    told = next((row[column] for column in _STARTS if row[column]), "")
    ends = next((row[column] for column in _ENDS if row[column]), "")
    if not _ID.fullmatch(name):
        faults.append(Fault("id", row.where, f"{name!r} is not a YouTube id"))
        return None
    try:
        start = float(told)
        end = float(ends) if ends else start + seconds
    except ValueError:
        faults.append(Fault("time", row.where, f"{told!r} or {ends!r} is not a time in seconds"))
        return None
    if not 0 <= start < end < float("inf"):
        faults.append(Fault("time", row.where, f"from {start:g} to {end:g} s is no window"))
        return None
    return name, start, end


def _clip(name: str, start: float, end: float, row: Row, *, alone: bool) -> Clip:
    told: str = row["split"]
    split: Split = next((known for known in SPLITS if known == told), "train")
    return Clip(
        clip_id=f"Y{name}" if alone else f"Y{name}_{round(1000 * start)}",
        concept=row["concept"] or "unknown",
        split=split,
        captions=(row["caption"],) if row["caption"] else (),
        youtube_id=name,
        start_s=start,
        end_s=end,
        attribution=f"https://www.youtube.com/watch?v={name}",
    )
