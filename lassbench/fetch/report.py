"""What a ledger says: ``lassbench fetch --status`` and the dead-link census."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lassbench.csv_files import join, write_sheet
from lassbench.errors import one_line
from lassbench.fetch.failures import CLASSES
from lassbench.fetch.ledger import STATES, TIME_FORMAT, Entry, Ledger
from lassbench.fetch.pacing import clock
from lassbench.files import write_text

#: The time over which the present rate is counted.
RATE_OVER_H = 1.0

CENSUS_COLUMNS = (
    "clip_id",
    "youtube_id",
    "start_s",
    "end_s",
    "split",
    "concept",
    "state",
    "class",
    "source",
    "flags",
    "message",
    "changed_at",
    "attempts",
    "first_attempt",
    "last_attempt",
)


@dataclass(frozen=True)
class Status:
    """How a fetch stands: clips in each state, and what all its runs did."""

    total: int
    states: dict[str, int]
    #: Of clips that are not done.
    classes: dict[str, int]
    by_concept: dict[str, dict[str, int]]
    by_split: dict[str, dict[str, int]]
    #: (clip_id, what is odd) of clips that are done.
    flagged: list[tuple[str, str]]
    attempts: int
    #: Clips settled in the last hour in which anything was tried.
    per_hour: float
    #: When that was, UTC; ``""`` if never.
    last_attempt: str
    #: Host and start of the run that is under way or was killed, or ``""``.
    running: str

    @property
    def left(self) -> int:
        """Clips that a run would still try."""
        return sum(self.states.get(state, 0) for state in ("pending", "landing", "failed"))

    @property
    def left_s(self) -> float | None:
        """Seconds until those are settled at the present rate; ``None`` if it is 0."""
        return 3600.0 * self.left / self.per_hour if self.per_hour else None


def status(folder: Path) -> Status:
    """Read how the fetch in ``folder`` stands, also while it runs.

    Raises
    ------
    LassbenchError
        If no fetch was started there.
    """
    with Ledger.read(folder) as ledger:
        attempts, last = ledger.db.execute("SELECT count(*), max(at) FROM attempts").fetchone()
        states = _counts(ledger, "state")
        return Status(
            total=sum(states.values()),
            states=states,
            classes=_counts(
                ledger, "CASE class WHEN '' THEN state ELSE class END", "WHERE state <> 'done'"
            ),
            by_concept=_table(ledger, "concept"),
            by_split=_table(ledger, "split"),
            flagged=list(_flagged(ledger)),
            attempts=attempts,
            per_hour=_rate(ledger, last) if last else 0.0,
            last_attempt=last or "",
            running=_running(ledger),
        )


def _counts(ledger: Ledger, of: str, where: str = "") -> dict[str, int]:
    # Counting is SQLite's to do: fifty thousand rows are not to become objects.
    return dict(ledger.db.execute(f"SELECT {of}, count(*) FROM clips {where} GROUP BY 1"))


def _table(ledger: Ledger, by: str) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    rows = ledger.db.execute(f"SELECT {by}, state, count(*) FROM clips GROUP BY 1, 2")
    for name, state, count in rows:
        table.setdefault(name, {})[state] = count
    return table


def _rate(ledger: Ledger, last: str) -> float:
    """Clips that came to rest an hour, over the last hour before the last attempt."""
    end = datetime.fromisoformat(last)
    start = (end - timedelta(hours=RATE_OVER_H)).astimezone(UTC).strftime(TIME_FORMAT)
    first = ledger.db.execute("SELECT min(at) FROM attempts WHERE at >= ?", (start,)).fetchone()[0]
    settled = ledger.db.execute(
        "SELECT count(*) FROM clips WHERE changed_at >= ? AND state NOT IN ('pending', 'landing')",
        (first,),
    ).fetchone()[0]
    took_s = (end - datetime.fromisoformat(first)).total_seconds()
    return float(3600.0 * settled / max(took_s, 1.0))


def _running(ledger: Ledger) -> str:
    row = ledger.db.execute(
        "SELECT host, started_at, ended_at FROM runs ORDER BY run DESC LIMIT 1"
    ).fetchone()
    return f"{row[0]} since {row[1]}" if row and not row[2] else ""


def _flagged(ledger: Ledger) -> Iterator[tuple[str, str]]:
    same = ledger.same_audio()
    odd = "WHERE state = 'done' AND (flags <> '[]' OR clip_id IN (SELECT value FROM json_each(?)))"
    for entry in ledger.entries(odd, (json.dumps(sorted(same)),)):
        for flag in _flags_of(entry, same):
            yield entry.clip_id, flag


def _flags_of(entry: Entry, same: dict[str, list[str]]) -> list[str]:
    """Everything odd about a clip that is done."""
    flags = list(entry.flags)
    if entry.clip_id in same:
        flags.append(f"same audio as {', '.join(same[entry.clip_id][:3])}")
    return flags


# ---------------------------------------------------------------------------
# For people
# ---------------------------------------------------------------------------


def describe(found: Status) -> str:
    """The status as a page of text."""
    done = found.states.get("done", 0)
    share = f" ({100 * done / found.total:.1f} %)" if found.total else ""
    lines = [f"{done} of {found.total} clips{share}"]
    if found.running:
        lines.append(f"a run is under way, or was killed: {found.running}")
    if found.last_attempt:
        lines.append(
            f"{found.attempts} attempts, the last at {found.last_attempt}; "
            f"{found.per_hour:.0f} clips an hour lately"
        )
    if found.left and found.left_s is not None:
        lines.append(f"{found.left} to go: about {clock(found.left_s)} at that rate")
    lines += _why_not(found)
    lines += _grid("concept", found.by_concept)
    lines += _grid("split", found.by_split)
    if found.flagged:
        lines += ["", f"odd: {len(found.flagged)}"]
        lines += [f"  {clip_id}: {one_line(flag)}" for clip_id, flag in found.flagged[:10]]
        if len(found.flagged) > 10:
            lines.append(f"  ... and {len(found.flagged) - 10} more (--export lists all)")
    return "\n".join(lines)


def _why_not(found: Status) -> list[str]:
    if not found.classes:
        return []
    lines = ["", "not done:"]
    for name, count in sorted(found.classes.items(), key=lambda item: (-item[1], item[0])):
        advice = CLASSES[name].advice if name in CLASSES else ""
        lines.append(f"  {name:<14}{count:>7}  {advice}".rstrip())
    return lines


def _grid(title: str, table: dict[str, dict[str, int]]) -> list[str]:
    columns = [state for state in STATES if any(state in counts for counts in table.values())]
    width = max([len(title), *(len(name) for name in table)]) + 2
    head = "".join(f"{state:>13}" for state in columns)
    lines = ["", f"{title:<{width}}{head}"]
    for name in sorted(table):
        cells = "".join(f"{table[name].get(state, 0):>13}" for state in columns)
        lines.append(f"{one_line(name):<{width}}{cells}")
    return lines


# ---------------------------------------------------------------------------
# For others to count with
# ---------------------------------------------------------------------------


def export(folder: Path, path: Path) -> int:
    """Write one CSV row a clip: the dead-link census.  Returns the number of clips.

    Raises
    ------
    LassbenchError
        If no fetch was started there, or ``path`` cannot be written.
    """
    with Ledger.read(folder) as ledger:
        rows = list(_census(ledger))
    write_text(path, write_sheet(CENSUS_COLUMNS, rows))
    return len(rows)


def _census(ledger: Ledger) -> Iterator[list[object]]:
    told = {
        clip_id: (count, first, last)
        for clip_id, count, first, last in ledger.db.execute(
            "SELECT clip_id, count(*), min(at), max(at) FROM attempts GROUP BY clip_id"
        )
    }
    same = ledger.same_audio()
    for entry in ledger.entries():
        count, first, last = told.get(entry.clip_id, (0, "", ""))
        yield [
            entry.clip_id,
            entry.youtube_id,
            f"{entry.start_s:g}",
            f"{entry.end_s:g}",
            entry.split,
            entry.concept,
            entry.state,
            entry.kind,
            # The kind of source: the census is for publishing, this machine's paths are not.
            entry.source.partition(":")[0],
            join(_flags_of(entry, same)),
            " ".join(entry.message.split()),
            entry.changed_at,
            count,
            first,
            last,
        ]
