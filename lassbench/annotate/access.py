"""Who may do what: personal links that can be revoked and expire, and sessions.

A link carries 256 random bits; only their SHA-256 is stored, so that a copy of
the store opens no door.  A session is another 256 bits in a cookie, good for
as long as the link that it came from.
"""

from __future__ import annotations

import secrets
import sqlite3
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

from lassbench.annotate.store import Store
from lassbench.errors import UsageError, did_you_mean
from lassbench.files import sha256_bytes

Role = Literal["annotator", "coordinator"]
DAY_S = 86400.0
#: The name under which the coordinator's link is listed.
COORDINATOR = "coordinator"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a link or session belongs to; ``annotator`` is ``""`` for the coordinator."""

    role: Role
    annotator: str
    token_id: int


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it is listed: never the link itself, which is not stored."""

    who: str
    made_at: float
    expires_at: float
    state: Literal["valid", "expired", "revoked"]


def new_secret() -> str:
    """256 random bits, safe in an address."""
    return secrets.token_urlsafe(32)


def _hash(secret: str) -> str:
    return sha256_bytes(secret.encode("utf-8", "replace"))


def issue(store: Store, who: str, *, days: float = 30.0) -> str:
    """Make a link for ``who`` (``a1`` ... or ``coordinator``); returns its secret, once.

    Raises
    ------
    UsageError
        If there is no such annotator, or it would never be valid.
    """
    role, annotator = role_of(store, who)
    if not 0 < days <= 3650:
        raise UsageError(
            "a link must be valid for some time", expected="0 to 3650 days", got=f"{days:g}"
        )
    secret, now = new_secret(), store.clock()
    row = (role, annotator, _hash(secret), now, now + days * DAY_S)
    sql = "INSERT INTO tokens (role, annotator, hash, made_at, expires_at) VALUES (?, ?, ?, ?, ?)"
    store.db.run((sql, row)).result()
    return secret


def revoke(store: Store, who: str) -> int:
    """Make every link of ``who`` and every session that came from one invalid; how many links."""
    role, annotator = role_of(store, who)
    revoked = (
        "UPDATE tokens SET revoked_at = ? WHERE role = ? AND annotator = ? AND revoked_at IS NULL"
    )
    ended = (
        "DELETE FROM sessions WHERE token_id IN"
        " (SELECT token_id FROM tokens WHERE revoked_at IS NOT NULL)"
    )
    return store.db.run((revoked, (store.clock(), role, annotator)), (ended, ())).result()[0]


def links(store: Store) -> list[Link]:
    """Every link that was ever made."""
    now = store.clock()
    return [
        Link(
            row["annotator"] or COORDINATOR,
            row["made_at"],
            row["expires_at"],
            "revoked" if row["revoked_at"] else "expired" if row["expires_at"] <= now else "valid",
        )
        for row in store.db.read("SELECT * FROM tokens ORDER BY token_id")
    ]


def of_link(store: Store, secret: str) -> Identity | None:
    """Whom a link belongs to, while it is valid."""
    rows = store.db.read(
        "SELECT * FROM tokens WHERE hash = ? AND revoked_at IS NULL AND expires_at > ?",
        (_hash(secret), store.clock()),
    )
    return _identity(rows)


def of_session(store: Store, secret: str) -> Identity | None:
    """Whom a session belongs to, while the link that it came from is valid."""
    rows = store.db.read(
        "SELECT tokens.* FROM sessions JOIN tokens USING (token_id)"
        " WHERE sessions.hash = ? AND revoked_at IS NULL AND expires_at > ?",
        (_hash(secret), store.clock()),
    )
    return _identity(rows)


def open_session(store: Store, identity: Identity) -> tuple[str, Future[list[int]]]:
    """A new session's secret; it is good once the future is done."""
    secret = new_secret()
    row = (_hash(secret), identity.token_id, store.clock())
    return secret, store.db.run(("INSERT INTO sessions VALUES (?, ?, ?)", row))


def close_session(store: Store, secret: str) -> Future[list[int]]:
    """Forget a session."""
    return store.db.run(("DELETE FROM sessions WHERE hash = ?", (_hash(secret),)))


def _identity(rows: list[sqlite3.Row]) -> Identity | None:
    if not rows:
        return None
    return Identity(rows[0]["role"], rows[0]["annotator"], rows[0]["token_id"])


def role_of(store: Store, who: str) -> tuple[Role, str]:
    """The role of ``who``, and the annotator's name, ``""`` for the coordinator.

    Raises
    ------
    UsageError
        If there is no such annotator in the campaign.
    """
    if who == COORDINATOR:
        return "coordinator", ""
    people = store.campaign.annotators
    if who not in people:
        raise UsageError(
            f"no annotator {who!r}{did_you_mean(who, [*people, COORDINATOR])}",
            expected=f"{', '.join(people)} or {COORDINATOR}",
        )
    return "annotator", who
