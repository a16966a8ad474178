"""What differs: two leaderboards, a submission, or an entry and its predictions scored again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lassbench.errors import Fault, LassbenchError, one_line
from lassbench.files import listed, sha256_file
from lassbench.leaderboard.entries import Entry, Leaderboard, Loaded, read_model
from lassbench.leaderboard.numbers import TRUSTED_DB
from lassbench.leaderboard.ranking import standings
from lassbench.scores.rows import CLAP_METRICS, METRICS
from lassbench.scores.score_file import ScoreFile, Scores

#: Two machines' scores of the same audio differ by less than this (dB), ...
SAME_DB = 1e-3
#: ... except where a ratio is so high that it measures rounding.
SAME_ABOVE_TRUSTED_DB = 1.0

#: What is said of a system; but its name, which may be given when it is scored (``--name``).
_OF_SYSTEM = (
    *("predictions_sha256", "query_type", "generative", "parameters", "trained_on"),
    "checkpoint_sha256",
)


@dataclass(frozen=True)
class Rescored:
    """What came of scoring an entry's predictions again.

    ``largest`` is the largest difference of a metric of a query (dB), 0 when
    there is nothing to compare; ``not_checked`` are metrics of the entry that
    were not scored again.
    """

    differences: tuple[str, ...]
    largest: float
    not_checked: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether the entry says what its predictions say."""
        return not self.differences


def compare_rescored(loaded: Loaded, again: Scores) -> Rescored:
    """Compare an entry with its predictions scored again.

    CLAPScores are left out, and told as not checked, where ``again`` has none.
    """
    rows, theirs = loaded.rows, again.rows
    differences = list(_card_differences(loaded.entry, again.file))
    if other := {*rows["query_id"]} ^ {*theirs["query_id"]}:
        differences.append(
            f"{len(other)} queries ({min(other)} ...) are only in one of the two: the entry is of"
            f" {len(rows)}, this of {len(theirs)}"
        )
    if differences:
        return Rescored(tuple(differences), 0.0)
    not_checked = [one for one in CLAP_METRICS if one in rows and one not in theirs]
    largest = 0.0
    for name in map(str, rows.columns):
        metric = name.removesuffix("_mixture")
        if metric in not_checked:
            continue
        if name not in theirs:
            differences.append(f"{name} was not scored again")
            continue
        apart, off = _difference(rows[name], theirs[name])
        largest = max(largest, apart)
        if off:
            unit = METRICS[metric].unit if metric in METRICS else "dB"
            by = f", by up to {apart:.4g} {unit}".rstrip() if apart else ""
            differences.append(f"{name} differs for {off} queries{by}")
    return Rescored(tuple(differences), largest, tuple(not_checked))


def _card_differences(entry: Entry, theirs: ScoreFile) -> Iterator[str]:
    said, meant, suite = entry.system, theirs.system, theirs.suite
    pairs: dict[str, tuple[Any, Any]] = {
        "suite": (entry.suite, suite.name),
        "list_fingerprint": (entry.list_fingerprint, suite.list_fingerprint),
        "suite_fingerprint": (entry.suite_fingerprint, suite.fingerprint),
        "unscorable": (entry.unscorable, theirs.coverage.unscorable),
        "contamination": (entry.contamination, theirs.contamination),
        **{name: (getattr(said, name), getattr(meant, name)) for name in _OF_SYSTEM},
    }
    if theirs.clap_model and entry.clap_model:
        pairs["clap_model"] = entry.clap_model, theirs.clap_model
    for name, (ours, other) in pairs.items():
        if ours != other:
            ours, other = one_line(str(ours), 80), one_line(str(other), 80)
            yield f"{name} is {ours!r}, by system.yaml and suite it is {other!r}"


def _difference(ours: pd.Series[Any], theirs: pd.Series[Any]) -> tuple[float, int]:
    """The largest finite difference of two columns where neither measures rounding
    (:data:`TRUSTED_DB`), and how many values are not the same.
    """
    a, b = ours.to_numpy(), theirs.to_numpy()
    if not pd.api.types.is_float_dtype(ours):
        # An empty text was withheld from the entry, see without_captions.
        return 0.0, int(((a != b) & ((a != "") | (ours.name != "text"))).sum())
    high = np.minimum(np.abs(a), np.abs(b)) > TRUSTED_DB
    allowed = np.where(high, SAME_ABOVE_TRUSTED_DB, SAME_DB)
    same = np.isclose(a, b, rtol=0, atol=allowed, equal_nan=True)
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b)
    trusted = np.max(apart[np.isfinite(apart) & ~high], initial=0.0)
    return float(trusted), int((~same).sum())


def describe_changes(old: Leaderboard, new: Leaderboard) -> list[str]:
    """Entries added, removed and changed, and ranks that moved, one line each."""
    lines: list[str] = []
    for suite in sorted({*old.suites, *new.suites}):
        before, after = ({e.slug: e for e in one.entries.get(suite, ())} for one in (old, new))
        was, now = _told(old, suite), _told(new, suite)
        changes = [f"+ {after[one].name}: {', '.join(now[one])}" for one in now if one not in was]
        changes += [f"- {before[one].name}" for one in was if one not in now]
        for one in sorted(was.keys() & now.keys()):
            moved = [f"{a} -> {b}" for a, b in zip(was[one], now[one], strict=True) if a != b]
            moved += _said_anew(before[one].entry, after[one].entry)
            if moved:
                changes.append(f"~ {after[one].name}: {', '.join(moved)}")
        if changes:
            lines += [f"{suite}:", *(f"  {line}" for line in changes)]
    return lines


def _said_anew(old: Entry, new: Entry) -> Iterator[str]:
    """What two cards of one file say differently, ``system.name 'A' -> 'B'``."""
    before, after = (
        {**one.model_dump(exclude={"system"}), **{f"system.{k}": v for k, v in one.system}}
        for one in (old, new)
    )
    for name in sorted(before.keys() | after.keys()):
        a, b = before.get(name), after.get(name)
        if a != b:
            yield f"{name} {one_line(repr(a), 40)} -> {one_line(repr(b), 40)}"


def _told(board: Leaderboard, suite: str) -> dict[str, list[str]]:
    """Entry -> its standing, rank, and figures, in the order of the table."""
    if suite not in board.suites:
        return {}
    table, told = standings(board.suites[suite], board.entries[suite]), {}
    for row in table.rows:
        said = [row.entry.standing, f"rank {row.figures[table.sorted_by].rank or '-'}"]
        for name in table.metrics:
            mean = row.figures[name].mean
            said.append(f"{METRICS[name].title} {'-' if mean is None else f'{mean:.4f}'}")
        told[row.loaded.slug] = said
    return told


def submission_faults(base: Path, proposed: Path) -> Iterator[Fault]:
    """Where ``proposed`` does more than add entries or replace unverified ones.

    Both folders are leaderboards; ``proposed`` has passed its own checks.  Only
    whoever scored the predictions again may call an entry verified, or take that
    back, so a submission that brings a new ``verified`` or changes one is refused.
    """
    old, new = _contents(base), _contents(proposed)
    for path in sorted({path for path, _ in old.items() ^ new.items()}):
        reason = ""
        if path.parts[0] != "entries" or path not in new:
            reason = (
                "is changed or removed: a submission adds entries, the tables are made after it"
            )
        elif _verified(base / path):
            reason = "changes an entry that was verified: give the new system another name"
        elif _verified(proposed / path):
            reason = (
                "calls itself verified, which only `rescore` by the maintainers does:"
                " submit it as `lassbench leaderboard add` wrote it"
            )
        if reason:
            yield Fault("submission", str(proposed / path), reason)


def _contents(root: Path) -> dict[Path, str]:
    """File -> its hash; links are not followed, for they may lead anywhere."""
    return {
        path.relative_to(root): f"to {path.readlink()}" if path.is_symlink() else sha256_file(path)
        for path in listed(root, "**/*")
        if path.is_symlink() or path.is_file()
    }


def _verified(path: Path) -> bool:
    try:
        return path.suffix == ".json" and read_model(path, Entry).verification is not None
    except LassbenchError:
        return False  # not there, or of an older schema, as `base` may be
