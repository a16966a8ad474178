"""SQLite for many writers: a write-ahead log, and one commit for all who wait.

Every change is on the disk (``synchronous=FULL``) before anybody is told that it
is saved.  Waiting for the disk once per change would make fifty people who
type at once wait for each other, so one thread takes all changes that are
waiting, applies each in a savepoint of its own, and commits them together.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from lassbench.errors import LassbenchError
from lassbench.files import atomic_path

T = TypeVar("T")
_Job = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]

#: Changes that one commit takes at most.
BATCH = 256
#: Seconds to wait for another process (an import beside a running server).
BUSY_S = 10.0

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE tokens (
  token_id INTEGER PRIMARY KEY, role TEXT NOT NULL, annotator TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE, made_at REAL NOT NULL, expires_at REAL NOT NULL, revoked_at REAL
) STRICT;
CREATE TABLE sessions (
  hash TEXT PRIMARY KEY, token_id INTEGER NOT NULL REFERENCES tokens, made_at REAL NOT NULL
) STRICT;
CREATE TABLE consents (
  annotator TEXT NOT NULL, version TEXT NOT NULL, guidelines TEXT NOT NULL,
  given_at REAL NOT NULL, PRIMARY KEY (annotator, version)
) STRICT;
CREATE TABLE answers (
  annotator TEXT NOT NULL, clip_id TEXT NOT NULL, text TEXT NOT NULL, state TEXT NOT NULL,
  reason TEXT NOT NULL, source TEXT NOT NULL, revision INTEGER NOT NULL, writer TEXT NOT NULL,
  seconds REAL NOT NULL, plays INTEGER NOT NULL, first_at REAL NOT NULL, last_at REAL NOT NULL,
  PRIMARY KEY (annotator, clip_id)
) STRICT;
CREATE TABLE history (
  history_id INTEGER PRIMARY KEY, annotator TEXT NOT NULL, clip_id TEXT NOT NULL,
  text TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, source TEXT NOT NULL,
  revision INTEGER NOT NULL, accepted INTEGER NOT NULL, saved_at REAL NOT NULL
) STRICT;
CREATE INDEX history_of ON history (annotator, clip_id);
CREATE TABLE flags (
  annotator TEXT NOT NULL, clip_id TEXT NOT NULL, note TEXT NOT NULL, made_at REAL NOT NULL,
  PRIMARY KEY (annotator, clip_id)
) STRICT;
CREATE TABLE locks (annotator TEXT PRIMARY KEY, made_at REAL NOT NULL) STRICT;
"""


def create(path: Path, meta: dict[str, str]) -> None:
    """Make an empty database, readable by its owner alone; whole, or not at all.

    Raises
    ------
    LassbenchError
        If there is a file already, or the place cannot be written.
    """
    if path.exists():
        raise LassbenchError("there is a store already", where=path)
    try:
        with atomic_path(path) as temporary:
            temporary.unlink(missing_ok=True)
            temporary.touch(mode=0o600, exist_ok=False)
            with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
                connection.executescript(SCHEMA)
                connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(meta.items()))
    except sqlite3.Error as error:
        raise LassbenchError(f"cannot be written: {error}", where=path) from error


class Database:
    """An open database.  Threads share it; :meth:`close` it when done."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise LassbenchError(
                "there is no store of descriptions here",
                where=path,
                fix="begin with `lassbench annotate serve DATASET`",
            )
        try:
            self._reader = self._connect()
            self._writer = self._connect()
            self._reader.execute("SELECT count(*) FROM meta").fetchone()
        except sqlite3.Error as error:
            raise LassbenchError(
                f"this is no store of descriptions, or it is damaged: {error}",
                where=path,
                fix="restore it from a copy",
            ) from error
        self._reading = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=BUSY_S
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    def read(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """The rows that ``sql`` selects, as of the last commit."""
        with self._reading:
            return self._reader.execute(sql, values).fetchall()

    def write(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Queue a change; the future is done when it is on the disk.

        An exception of ``work`` undoes its own change only and is the future's.
        """
        future: Future[T] = Future()
        self._jobs.put((work, future))
        return future

    def run(self, *statements: tuple[str, Sequence[object]]) -> Future[list[int]]:
        """Queue statements that belong together; the future has how many rows each changed."""
        return self.write(lambda one: [one.execute(*each).rowcount for each in statements])

    def close(self) -> None:
        """Write what is queued, then close."""
        self._jobs.put(None)
        self._thread.join()
        self._reader.close()
        self._writer.close()

    def _work(self) -> None:
        going = True
        while going:
            batch: list[_Job] = []
            job = self._jobs.get()
            while job is not None:
                batch.append(job)
                if len(batch) == BATCH or self._jobs.empty():
                    break
                job = self._jobs.get()
            going = job is not None
            if batch:
                self._commit(batch)

    def _commit(self, batch: Sequence[_Job]) -> None:
        outcomes: list[tuple[Any, Exception | None]] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = [self._one(work) for work, _ in batch]
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            failure = LassbenchError(f"cannot be written: {error}", where=self.path)
            outcomes = [(None, failure)] * len(batch)
        for (_, future), (result, problem) in zip(batch, outcomes, strict=True):
            if problem is None:
                future.set_result(result)
            else:
                future.set_exception(problem)

    def _one(self, work: Callable[[sqlite3.Connection], Any]) -> tuple[Any, Exception | None]:
        self._writer.execute("SAVEPOINT one")
        try:
            result, problem = work(self._writer), None
        except Exception as error:  # noqa: BLE001  # handed to whoever waits for the future
            result, problem = None, error
            self._writer.execute("ROLLBACK TO one")
        self._writer.execute("RELEASE one")
        return result, problem
