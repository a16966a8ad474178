"""What a stranger's pull request may change: its own entries, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lassbench.errors import Fault, LassbenchError
from lassbench.files import listed
from lassbench.leaderboard.entries import Entry, read_model


def submission_faults(base: Path, proposed: Path) -> Iterator[Fault]:
    """Where ``proposed`` does more than add entries or replace unverified ones.

    Both folders are leaderboards; ``proposed`` has passed its own checks.  Only
    whoever scored the predictions again may call an entry verified, or take that
    back, so a submission that brings a new ``verified`` or changes one is refused.
    """
    for path in sorted(_files(base) | _files(proposed)):
        if path.parts[0] != "entries" and _bytes(base / path) != _bytes(proposed / path):
            yield _fault(proposed / path, _beside_entries(path))
    before, after = _entry_files(base), _entry_files(proposed)
    for path in sorted(before - after):
        yield _fault(proposed / path, "is removed: a submission adds entries")
    for path in sorted(path for path in after if path.suffix == ".json"):
        if _bytes(base / path) == _bytes(proposed / path):
            continue
        if path in before and _verified(base / path):
            yield _fault(
                proposed / path,
                "changes an entry that was verified: give the new system another name",
            )
        elif _verified(proposed / path):
            yield _fault(
                proposed / path,
                "calls itself verified, which only `rescore` by the maintainers does:"
                " submit it as `lassbench leaderboard add` wrote it",
            )


def _fault(path: Path, reason: str) -> Fault:
    return Fault("submission", str(path), reason)


def _beside_entries(path: Path) -> str:
    if path.parts[0] == "tables":
        return "is changed: the tables are made anew when a submission is merged, leave them"
    return "is changed: a submission adds entries"


def _verified(path: Path) -> bool:
    try:
        return read_model(path, Entry).standing == "verified"
    except LassbenchError:
        return False  # of an older schema, as `base` may be


def _entry_files(root: Path) -> set[Path]:
    return {path for path in _files(root) if path.parts[0] == "entries"}


def _files(root: Path) -> set[Path]:
    return {path.relative_to(root) for path in listed(root, "**/*") if path.is_file()}


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
