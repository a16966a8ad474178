"""What a stranger's pull request may change: its own entries, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lassbench.errors import Fault
from lassbench.leaderboard.entries import Entry, read_model

#: Below a leaderboard folder, everything that a submission leaves as it is.
_GUARDED = ("suites", "reported", "examples", "SUBMITTING.md")


def submission_faults(base: Path, proposed: Path) -> Iterator[Fault]:
    """Where ``proposed`` does more than add or replace entries of its own standing.

    Both folders are leaderboards; ``proposed`` has passed its own checks.  Only
    whoever scored the predictions again may call an entry verified, so a
    submission that brings a new ``verified`` is refused.
    """
    for name in _GUARDED:
        for path in sorted(_files(base, name) | _files(proposed, name)):
            if _bytes(base / path) != _bytes(proposed / path):
                yield Fault(
                    "submission", str(proposed / path), "is changed: a submission adds entries"
                )
    before, after = _files(base, "entries"), _files(proposed, "entries")
    for path in sorted(before - after):
        yield Fault("submission", str(proposed / path), "is removed: a submission adds entries")
    for path in sorted(path for path in after if path.suffix == ".json"):
        if _bytes(base / path) == _bytes(proposed / path):
            continue
        if read_model(proposed / path, Entry).standing == "verified":
            yield Fault(
                "submission",
                str(proposed / path),
                "calls itself verified, which only `rescore` by the maintainers does:"
                " submit it as `lassbench leaderboard add` wrote it",
            )


def _files(root: Path, name: str) -> set[Path]:
    place = root / name
    found = [place] if place.is_file() else place.rglob("*")
    return {path.relative_to(root) for path in found if path.is_file()}


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
