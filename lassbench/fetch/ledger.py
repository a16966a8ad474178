"""The ledger: every clip's state and every attempt at it, in one SQLite file.

It is written by one process, the one that holds the folder; anyone may read it
at the same time (write-ahead log).  A clip is known by its video and the start
of its window, never by the video alone.

States of a clip
----------------
``pending``
    Not tried, or its failures said nothing about it (the address was refused,
    no network, this machine lacked something).
``landing``
    Received and checked; its file is being moved into place.
``done``
    Its file is in ``clips/``.
``failed``
    The tries of a run were used up by passing failures; the next run tries again.
``unconfirmed``
    Said to be unavailable, once; a later run settles it.
``waiting``
    Needs cookies, another country or another source.
``gone``
    Written off.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Literal, get_args

from lassbench.checked import PathName, validate
from lassbench.errors import Fault, FaultsError, LassbenchError
from lassbench.files import parse_json
from lassbench.records import Clip

State = Literal["done", "pending", "failed", "unconfirmed", "waiting", "gone", "landing"]
STATES: tuple[State, ...] = get_args(State)

FILE_NAME = "ledger.sqlite"
_RESTORE = (
    "restore the file from a copy, or delete it: clips that are in the folder are found again"
)

#: UTC to the second: text order is the order of time.
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE clips (
    clip_id     TEXT PRIMARY KEY,
    position    INTEGER NOT NULL,
    youtube_id  TEXT NOT NULL,
    start_s     REAL NOT NULL,
    end_s       REAL NOT NULL,
    split       TEXT NOT NULL,
    concept     TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT 'pending',
    class       TEXT NOT NULL DEFAULT '',
    message     TEXT NOT NULL DEFAULT '',
    source      TEXT NOT NULL DEFAULT '',
    pcm_sha256  TEXT NOT NULL DEFAULT '',
    flags       TEXT NOT NULL DEFAULT '[]',
    changed_at  TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE UNIQUE INDEX clips_window ON clips (youtube_id, start_s) WHERE youtube_id <> '';
CREATE TABLE runs (
    run         INTEGER PRIMARY KEY,
    mark        TEXT NOT NULL UNIQUE,
    host        TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    ended_at    TEXT NOT NULL DEFAULT '',
    ending      TEXT NOT NULL DEFAULT '',
    lassbench   TEXT NOT NULL,
    options     TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE attempts (
    attempt     INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL REFERENCES runs,
    clip_id     TEXT NOT NULL REFERENCES clips,
    youtube_id  TEXT NOT NULL,
    start_s     REAL NOT NULL,
    at          TEXT NOT NULL,
    source      TEXT NOT NULL,
    via         TEXT NOT NULL,
    class       TEXT NOT NULL,
    message     TEXT NOT NULL,
    yt_dlp      TEXT NOT NULL,
    bytes       INTEGER NOT NULL,
    seconds     REAL NOT NULL
);
CREATE INDEX attempts_of_clip ON attempts (clip_id);
CREATE INDEX attempts_at ON attempts (at);
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A clip's row."""

    clip_id: PathName
    position: int
    youtube_id: str
    start_s: float
    end_s: float
    split: str
    concept: str
    state: State
    kind: str
    message: str
    source: str
    pcm_sha256: str
    flags: tuple[str, ...]
    changed_at: str


#: The fields of an :class:`Entry`, and their columns.
FIELDS = [field.name for field in fields(Entry)]
COLUMNS = ", ".join("class" if name == "kind" else name for name in FIELDS)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one clip at one source.

    Attributes
    ----------
    kind
        A class of :mod:`lassbench.fetch.failures`, or ``done``.
    message
        The original message, or ``""``.
    via
        The host of the proxy that was used, or ``""``; never its password.
    received
        Bytes transferred.
    seconds
        How long it took.
    """

    clip_id: str
    source: str
    kind: str
    message: str = ""
    via: str = ""
    yt_dlp: str = ""
    received: int = 0
    seconds: float = 0.0


def now() -> str:
    """The time, in :data:`TIME_FORMAT`."""
    return datetime.now(UTC).strftime(TIME_FORMAT)


class Ledger:
    """One open ledger.  Use :meth:`open` to write and :meth:`read` to look."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self.db = path, connection
        self.run = 0

    # -- opening ------------------------------------------------------------

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Ledger]:
        """The ledger of ``folder``, made if there is none, for writing.

        Raises
        ------
        LassbenchError
            If the file is damaged, is of a newer version, or cannot be written.
        """
        path = folder / FILE_NAME
        folder.mkdir(parents=True, exist_ok=True)
        with (
            _explained(path),
            closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection,
        ):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                _check_version(connection, path)
            else:
                version = f"PRAGMA user_version = {SCHEMA_VERSION}"
                connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {version}; COMMIT;")
            yield cls(path, connection)

    @classmethod
    @contextmanager
    def read(cls, folder: Path) -> Iterator[Ledger]:
        """The ledger of ``folder``, for reading only, also while a run writes it.

        Raises
        ------
        LassbenchError
            If there is none, or it is damaged.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            raise LassbenchError(
                "no fetch has been started here",
                where=folder,
                expected=f"a file {FILE_NAME}",
                fix="name the folder that `lassbench fetch` or `build-dataset` wrote",
            )
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with _explained(path), closing(sqlite3.connect(uri, uri=True, timeout=30)) as connection:
            _check_version(connection, path)
            yield cls(path, connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written in the block, or none of it."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    # -- clips --------------------------------------------------------------

    def register(self, clips: Sequence[Clip], positions: Mapping[str, int]) -> None:
        """Enter ``clips``; those that are there keep their state.

        ``positions`` gives each one's place in the whole corpus, by clip id.

        Raises
        ------
        FaultsError
            If a clip stands in the ledger with another window, or two clips
            have one window.
        """
        self.check_windows(
            clips,
            "the corpus and the ledger disagree about what the clips are",
            whose="the corpus",
            fix="fetch this corpus into a folder of its own",
        )
        said = attrgetter("clip_id", "youtube_id", "start_s", "end_s", "split", "concept")
        with self.transaction():
            self.db.executemany(
                "INSERT INTO clips (clip_id, youtube_id, start_s, end_s, split, concept, position)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (clip_id) DO UPDATE SET"
                " position = excluded.position, split = excluded.split, concept = excluded.concept",
                ((*said(clip), positions[clip.clip_id]) for clip in clips),
            )

    def check_windows(
        self, clips: Iterable[Clip | Entry], what: str, *, whose: str, fix: str
    ) -> None:
        """Refuse clips that have another window here, and windows that another clip has.

        The message says ``what`` is wrong, ``whose`` clips they are, and what to do.

        Raises
        ------
        FaultsError
            Listing all of them.
        """
        known = {entry.clip_id: _window(entry) for entry in self.entries()}
        owners = {window[:2]: clip_id for clip_id, window in known.items()}
        faults: list[Fault] = []
        for clip in clips:
            window = _window(clip)
            there = known.get(clip.clip_id, window)
            if window != there:
                reason = f"is {_said(*there)} in the ledger, and {_said(*window)} in {whose}"
                faults.append(Fault("other-window", clip.clip_id, reason))
            owner = owners.setdefault(window[:2], clip.clip_id)
            if clip.youtube_id and owner != clip.clip_id:
                faults.append(Fault("same-window", clip.clip_id, f"has the same window as {owner}"))
        if faults:
            raise FaultsError(what, faults, where=self.path, fix=fix)

    def entries(self, where: str = "", values: Sequence[object] = ()) -> Iterator[Entry]:
        """The clips' rows in the corpus's order; ``where`` is SQL of the package's own."""
        query = f"SELECT {COLUMNS} FROM clips {where} ORDER BY position, clip_id"
        for row in self.db.execute(query, values):
            named = dict(zip(FIELDS, row, strict=True))
            named["flags"] = parse_json(str(named["flags"]), where=self.path, fix=_RESTORE)
            yield validate(
                Entry, named, what="the ledger is damaged", where=self.path, fix=_RESTORE
            )

    def set_state(
        self, clip_id: str, state: State, *, kind: str = "", message: str = "", source: str = ""
    ) -> None:
        """Move a clip to ``state``; what was said of its audio is dropped."""
        said = {"class": kind, "message": message, "source": source}
        self._change(clip_id, state=state, **said, pcm_sha256="", flags="[]")

    def _change(self, clip_id: str, **columns: str) -> None:
        changes = ", ".join(f"{name} = ?" for name in columns)
        self.db.execute(
            f"UPDATE clips SET {changes}, changed_at = ? WHERE clip_id = ?",
            (*columns.values(), now(), clip_id),
        )

    def land(
        self, attempt: Attempt, *, pcm_sha256: str, flags: Iterable[str], state: State = "landing"
    ) -> None:
        """Write down what was received, before its file is moved into place."""
        with self.transaction():
            self.add_attempt(attempt)
            self.set_state(attempt.clip_id, state, kind="done", source=attempt.source)
            self._change(attempt.clip_id, pcm_sha256=pcm_sha256, flags=json.dumps(list(flags)))

    def finish(self, clip_id: str) -> None:
        """The file of a clip that was landing is in place."""
        self._change(clip_id, state="done")

    # -- runs and attempts --------------------------------------------------

    def begin_run(self, host: str, version: str, options: dict[str, object]) -> None:
        """Enter a run; its attempts carry its number."""
        # Two ledgers that are merged must tell their runs apart.
        mark = f"{host}-{os.getpid()}-{time.time_ns()}"
        cursor = self.db.execute(
            "INSERT INTO runs (mark, host, started_at, lassbench, options) VALUES (?, ?, ?, ?, ?)",
            (mark, host, now(), version, json.dumps(options, sort_keys=True)),
        )
        self.run = int(cursor.lastrowid or 0)

    def end_run(self, ending: str) -> None:
        """Enter how the run ended; a killed run has no ending."""
        self.db.execute(
            "UPDATE runs SET ended_at = ?, ending = ? WHERE run = ?", (now(), ending, self.run)
        )

    def add_attempt(self, attempt: Attempt) -> None:
        """Enter one attempt of this run."""
        self.db.execute(
            "INSERT INTO attempts (run, clip_id, youtube_id, start_s, at, source, via, class,"
            " message, yt_dlp, bytes, seconds) SELECT :run, clip_id, youtube_id, start_s, :at,"
            " :source, :via, :kind, :message, :yt_dlp, :received, :seconds"
            " FROM clips WHERE clip_id = :clip_id",
            {**asdict(attempt), "run": self.run, "at": now(), "seconds": round(attempt.seconds, 3)},
        )

    def tried(self) -> set[tuple[str, str, str]]:
        """(clip, source, via) of every attempt at clips that are not done."""
        return set(
            self.db.execute(
                "SELECT DISTINCT a.clip_id, a.source, a.via FROM attempts a JOIN clips c"
                " USING (clip_id) WHERE c.state NOT IN ('done', 'landing')"
            )
        )

    def same_audio(self) -> dict[str, list[str]]:
        """Clips whose samples equal those of other clips, and which those are."""
        groups = self.db.execute(
            "SELECT json_group_array(clip_id) FROM clips WHERE state = 'done'"
            " GROUP BY pcm_sha256 HAVING count(*) > 1"
        )
        found: dict[str, list[str]] = {}
        for (group,) in groups:
            names = sorted(parse_json(group, where=self.path, fix=_RESTORE))
            found |= {name: [other for other in names if other != name] for name in names}
        return found

    def last_attempt_at(self, source: str) -> datetime | None:
        """When ``source`` was last asked for anything."""
        row = self.db.execute("SELECT max(at) FROM attempts WHERE source = ?", (source,)).fetchone()
        return datetime.fromisoformat(row[0]) if row and row[0] else None


def _window(clip: Clip | Entry) -> tuple[str, float, float]:
    return clip.youtube_id, clip.start_s, clip.end_s


def _said(youtube_id: str, start_s: float, end_s: float) -> str:
    return f"{youtube_id or 'no video'} from {start_s:g} to {end_s:g} s"


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise LassbenchError(
            "not a ledger that this version reads",
            where=path,
            expected=f"version {SCHEMA_VERSION}",
            got=f"version {version}",
            fix="use the version of lassbench that wrote it, or another folder",
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "full" in text:
            raise LassbenchError(
                "the disk is full",
                where=path,
                fix="free space there and run the same command again: nothing is lost",
            ) from error
        raise LassbenchError(
            f"the ledger cannot be used: {text}",
            where=path,
            fix="check the disk; if the file is damaged, move it away and run the same command "
            "again: finished clips are taken over from clips/, not fetched again",
        ) from error
