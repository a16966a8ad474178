"""Join what several hosts fetched: their clips and their ledgers, into one folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lassbench.dataset import Dataset, layout
from lassbench.dataset.open import open_intact
from lassbench.errors import LassbenchError, UsageError
from lassbench.fetch.ledger import COLUMNS, FIELDS, FILE_NAME, Entry, Ledger
from lassbench.files import atomic_path, write_bytes
from lassbench.output_folders import check_output_folder, folder_lock

#: Of two states of one clip the later one here is kept: more is known of it.
_KNOWN = ("landing", "pending", "failed", "unconfirmed", "waiting", "gone", "done")


@dataclass(frozen=True)
class Merged:
    """What came of a merge: clips in all, clips done, files copied, clips that differ."""

    total: int
    done: int
    copied: int
    differing: tuple[str, ...]


def merge(parts: Sequence[Path], out: Path) -> Merged:
    """Join ``parts`` into ``out``.

    A clip that several parts have is taken from the first; where their samples
    differ (hosts were served different encodings) that is reported.  Merging
    the same parts again changes nothing.  ``out`` may hold a fetch already,
    which then counts as the first part.

    Raises
    ------
    UsageError
        If a part is missing or is ``out`` itself.
    LassbenchError
        If a part has no ledger, a done clip's file is missing, or a folder is in use.
    FaultsError
        If the parts disagree about a clip's window.
    """
    for part in parts:
        if not (part / FILE_NAME).is_file():
            raise UsageError(
                "not a fetched folder", where=part, expected=f"a {FILE_NAME}", fix="check the path"
            )
        if out.exists() and part.resolve() == out.resolve():
            raise UsageError("a part cannot be the output", where=part, fix="name another -o")
        check_output_folder(part, what="the part (its lock)")
    check_output_folder(out, what="the output folder")
    copied, differing = 0, []
    with folder_lock(out, what="the dataset folder"), Ledger.open(out) as ledger:
        for part in parts:
            with folder_lock(part, what="the part"), Ledger.read(part) as other:
                more, odd = _join(ledger, other, part, out)
            copied += more
            differing += odd
        entries = list(ledger.entries())
    done = sum(entry.state == "done" for entry in entries)
    return Merged(len(entries), done, copied, tuple(differing))


def _join(ledger: Ledger, other: Ledger, part: Path, out: Path) -> tuple[int, list[str]]:
    mine = {entry.clip_id: entry for entry in ledger.entries()}
    theirs = list(other.entries())
    ledger.check_windows(
        theirs,
        "the parts are of different corpora",
        whose=str(part),
        fix="merge parts of one corpus",
    )
    taken: list[Entry] = []
    differing: list[str] = []
    for entry in theirs:
        ours = mine.get(entry.clip_id)
        if ours is None or _KNOWN.index(entry.state) > _KNOWN.index(ours.state):
            taken.append(entry)
        elif entry.state == ours.state == "done" and entry.pcm_sha256 != ours.pcm_sha256:
            differing.append(entry.clip_id)
    intact = open_intact(part)
    packed = intact.dataset if intact else None
    copied = sum(_copy(entry, part, out, packed) for entry in taken if entry.state == "done")
    # Files first: a merge that is killed leaves files that the next one finds.
    with ledger.transaction():
        _take_entries(ledger, taken)
        _take_attempts(ledger, other)
    return copied, differing


def _copy(entry: Entry, part: Path, out: Path, packed: Dataset | None) -> bool:
    source, target = (layout.clip_path(folder, entry.clip_id) for folder in (part, out))
    if not source.is_file():
        if packed is not None and entry.clip_id in packed.clips:
            write_bytes(target, packed.flac(entry.clip_id))
            return True
        raise LassbenchError(
            "the ledger says that this clip is done, but its file is missing",
            where=source,
            fix="run the fetch of that part again",
        )
    if target.is_file() and target.stat().st_size == source.stat().st_size:
        return False
    with atomic_path(target) as temporary:
        try:
            # Clips are never written over, so one file can serve both folders.
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
    return True


def _take_entries(ledger: Ledger, entries: Sequence[Entry]) -> None:
    rows = [{**asdict(entry), "flags": json.dumps(entry.flags)} for entry in entries]
    for row in rows:
        if row["state"] == "landing":
            row["state"] = "pending"
    ledger.db.executemany(
        f"INSERT INTO clips ({COLUMNS}) VALUES ({', '.join(f':{name}' for name in FIELDS)})"
        " ON CONFLICT (clip_id) DO UPDATE SET state = excluded.state, class = excluded.class,"
        " message = excluded.message, source = excluded.source, pcm_sha256 = excluded.pcm_sha256,"
        " flags = excluded.flags, changed_at = excluded.changed_at",
        rows,
    )


def _take_attempts(ledger: Ledger, other: Ledger) -> None:
    """Copy the other ledger's runs and attempts, those that are not here already."""
    columns = "mark, host, started_at, ended_at, ending, lassbench, options"
    of_attempts = (
        "clip_id, youtube_id, start_s, at, source, via, class, message, yt_dlp, bytes, seconds"
    )
    there = {mark for (mark,) in ledger.db.execute("SELECT mark FROM runs")}
    for number, *told in other.db.execute(f"SELECT run, {columns} FROM runs").fetchall():
        if told[0] in there:
            continue
        cursor = ledger.db.execute(f"INSERT INTO runs ({columns}) VALUES (?,?,?,?,?,?,?)", told)
        ledger.db.executemany(
            f"INSERT INTO attempts (run, {of_attempts})"
            f" VALUES ({cursor.lastrowid}, ?,?,?,?,?,?,?,?,?,?,?)",
            other.db.execute(f"SELECT {of_attempts} FROM attempts WHERE run = ?", (number,)),
        )
