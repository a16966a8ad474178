"""The store of a campaign: answers, every draft of them, flags, locks, consents.

Times are seconds since 1970 (UTC), as the store's clock says; exports write
them as ISO 8601.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lassbench.annotate import database
from lassbench.annotate.campaign import Campaign, DescriptionSource
from lassbench.errors import LassbenchError

#: ``draft``: being written.  ``done``: finished.  ``cannot``: the annotator
#: cannot tell what is heard, and said why.
State = Literal["draft", "done", "cannot"]


class LockedError(LassbenchError):
    """The coordinator has closed this annotator's list."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one annotator has written for one clip.

    Attributes
    ----------
    revision
        Counts the accepted saves; 0 before the first.
    writer
        A random name of the browser that saved last.
    seconds, plays
        Time worked on the clip, and how often it was played.
    """

    annotator: str
    clip_id: str
    text: str = ""
    state: State = "draft"
    reason: str = ""
    source: DescriptionSource = "annotator"
    revision: int = 0
    writer: str = ""
    seconds: float = 0.0
    plays: int = 0
    first_at: float = 0.0
    last_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Change(Answer):
    """One save.

    Attributes
    ----------
    base
        The revision that the writer had seen, or ``None`` to write regardless.
    seconds, plays
        What is added to the time worked on the clip and to how often it was
        played; not negative.
    first_at, last_at, revision
        Of an import, what another store knew: when the answer was saved first
        and last, and how many saves it had; 0 for now, and for one save more.
    """

    base: int | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """The answer as it stands after a save, and whether the save was accepted.

    A save is not accepted when another browser has saved a later revision than
    the writer had seen; its words are kept in the history all the same.
    """

    answer: Answer
    accepted: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """One entry of the history."""

    annotator: str
    clip_id: str
    text: str
    state: State
    reason: str
    source: str
    revision: int
    accepted: bool
    saved_at: float


class Store:
    """An open store.  Threads share it."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path, self.clock = path, clock
        self.db = database.Database(path)
        found = self.db.read("SELECT value FROM meta WHERE key = 'campaign'")
        self.campaign = Campaign.from_json(str(found[0]["value"]) if found else "{}", path)
        self._people = frozenset(self.campaign.annotators)
        self._clips = frozenset(self.campaign.clips)

    @classmethod
    def create(
        cls, path: Path, campaign: Campaign, *, clock: Callable[[], float] = time.time
    ) -> Store:
        """Make the store of a new campaign.

        Raises
        ------
        LassbenchError
            If there is one already, or the place cannot be written.
        """
        database.create(path, {"campaign": campaign.to_json()})
        return cls(path, clock=clock)

    def close(self) -> None:
        """Write what is waiting, then close."""
        self.db.close()

    # Answers ---------------------------------------------------------------

    def save(self, change: Change) -> Future[Saved]:
        """Save a draft or a finished answer; done when it is on the disk.

        The future raises :class:`LockedError` when the list is closed.

        Raises
        ------
        LassbenchError
            If there is no such annotator or clip in the campaign.
        """
        if change.annotator not in self._people or change.clip_id not in self._clips:
            raise LassbenchError(
                "not in this campaign", where=self.path, got=f"{change.annotator}, {change.clip_id}"
            )
        now = self.clock()
        return self.db.write(lambda connection: _save(connection, change, now))

    def answer(self, annotator: str, clip_id: str) -> Answer:
        """The answer as it stands; an empty draft before the first save."""
        rows = self.db.read(
            "SELECT * FROM answers WHERE annotator = ? AND clip_id = ?", (annotator, clip_id)
        )
        return _answer(rows[0]) if rows else Answer(annotator, clip_id)

    def answers(self, annotator: str | None = None) -> dict[tuple[str, str], Answer]:
        """(annotator, clip_id) -> answer, of one annotator or all who have saved any."""
        where, values = ("WHERE annotator = ?", (annotator,)) if annotator else ("", ())
        rows = self.db.read(f"SELECT * FROM answers {where} ORDER BY annotator, clip_id", values)
        return {(row["annotator"], row["clip_id"]): _answer(row) for row in rows}

    def texts(self, annotator: str) -> dict[str, str]:
        """clip_id -> what an annotator has written for it; cheap enough for every save."""
        rows = self.db.read(
            "SELECT clip_id, text FROM answers WHERE annotator = ? AND text <> ''", (annotator,)
        )
        return {row["clip_id"]: row["text"] for row in rows}

    def history(self, annotator: str | None = None, clip_id: str | None = None) -> list[Draft]:
        """Every saved draft in the order of saving, those that were not accepted too."""
        rows = self.db.read(
            "SELECT * FROM history WHERE (?1 IS NULL OR annotator = ?1)"
            " AND (?2 IS NULL OR clip_id = ?2) ORDER BY history_id",
            (annotator, clip_id),
        )
        return [_draft(row) for row in rows]

    # The coordinator's -------------------------------------------------------

    def flag(self, annotator: str, clip_id: str, note: str) -> Future[list[int]]:
        """Ask an annotator to look at a clip again; an empty note takes the flag away."""
        key = (annotator, clip_id)
        cleared = ("DELETE FROM flags WHERE annotator = ? AND clip_id = ?", key)
        raised = ("INSERT INTO flags VALUES (?, ?, ?, ?)", (*key, note, self.clock()))
        return self.db.run(cleared, *([raised] if note else []))

    def flags(self) -> dict[tuple[str, str], str]:
        """(annotator, clip_id) -> the coordinator's note."""
        rows = self.db.read("SELECT * FROM flags ORDER BY annotator, clip_id")
        return {(row["annotator"], row["clip_id"]): row["note"] for row in rows}

    def lock(self, annotator: str, locked: bool = True) -> Future[list[int]]:
        """Close an annotator's list, so that nothing in it changes, or open it again."""
        opened = ("DELETE FROM locks WHERE annotator = ?", (annotator,))
        closed = ("INSERT INTO locks VALUES (?, ?)", (annotator, self.clock()))
        return self.db.run(opened, *([closed] if locked else []))

    def locked(self) -> set[str]:
        """The annotators whose lists are closed."""
        return {row["annotator"] for row in self.db.read("SELECT annotator FROM locks")}

    def forget(self, annotator: str) -> int:
        """Delete everything that an annotator wrote, history and consent too; how many drafts.

        Done on the annotator's request: the pages of the file are overwritten.
        """
        tables = ("history", "answers", "flags", "consents")
        deleted = ((f"DELETE FROM {table} WHERE annotator = ?", (annotator,)) for table in tables)
        return self.db.run(*deleted).result()[0]

    def consent(self, annotator: str) -> Future[list[int]]:
        """Note that an annotator agreed to the campaign's consent text."""
        values = (annotator, self.campaign.consent_version, self.campaign.guidelines_version)
        sql = "INSERT OR IGNORE INTO consents VALUES (?, ?, ?, ?)"
        return self.db.run((sql, (*values, self.clock())))

    def consents(self) -> dict[str, float]:
        """annotator -> when the present consent text was agreed to."""
        rows = self.db.read(
            "SELECT annotator, given_at FROM consents WHERE version = ?",
            (self.campaign.consent_version,),
        )
        return {row["annotator"]: row["given_at"] for row in rows}


def _answer(row: sqlite3.Row) -> Answer:
    return Answer(**dict(row))


def _draft(row: sqlite3.Row) -> Draft:
    values = {name: row[name] for name in Draft.__slots__}
    return Draft(**{**values, "accepted": bool(values["accepted"])})


def _save(connection: sqlite3.Connection, change: Change, now: float) -> Saved:
    key = (change.annotator, change.clip_id)
    if connection.execute("SELECT 1 FROM locks WHERE annotator = ?", key[:1]).fetchone():
        raise LockedError("your list is closed: the coordinator has locked it", where=key[0])
    row = connection.execute(
        "SELECT * FROM answers WHERE annotator = ? AND clip_id = ?", key
    ).fetchone()
    first_at = change.first_at or now
    old = _answer(row) if row else Answer(*key, first_at=first_at)
    text, state, reason = change.text, change.state, change.reason
    if state == "draft" and old.state != "draft" and text.split() == old.text.split():
        # A page's last word that says what is finished already, sent once more.
        text, state, reason = old.text, old.state, old.reason
    same = (old.text, old.state, old.reason) == (text, state, reason)
    # A browser that lost the reply to its own last save is not another writer.
    overtaken = (
        change.base is not None and old.revision > change.base and old.writer != change.writer
    )
    new = Answer(
        *key,
        text=text,
        state=state,
        reason=reason,
        source=change.source,
        revision=max(change.revision, old.revision if same and row else old.revision + 1),
        writer=change.writer,
        seconds=old.seconds + change.seconds,
        plays=old.plays + change.plays,
        first_at=min(old.first_at, first_at),
        last_at=change.last_at or now,
    )
    if overtaken and not same:
        _note(connection, new, accepted=False)
        return Saved(old, accepted=False)
    names = Answer.__slots__
    marks = ", ".join("?" * len(names))
    connection.execute(
        f"INSERT OR REPLACE INTO answers ({', '.join(names)}) VALUES ({marks})",
        [getattr(new, name) for name in names],
    )
    if not same or not row:
        _note(connection, new, accepted=True)
    return Saved(new, accepted=True)


def _note(connection: sqlite3.Connection, answer: Answer, *, accepted: bool) -> None:
    connection.execute(
        "INSERT INTO history (annotator, clip_id, text, state, reason, source, revision,"
        " accepted, saved_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(answer.annotator, answer.clip_id, answer.text, answer.state, answer.reason),
            *(answer.source, answer.revision, int(accepted), answer.last_at),
        ),
    )
