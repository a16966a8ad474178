"""What differs: two leaderboards, a submission, or an entry and its predictions scored again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lassbench.errors import Fault, LassbenchError, one_line
from lassbench.files import listed, sha256_file
from lassbench.leaderboard.entries import (
    TABLE_METRICS,
    Entry,
    Leaderboard,
    Loaded,
    read_model,
)
from lassbench.leaderboard.numbers import TRUSTED_DB
from lassbench.leaderboard.ranking import standings
from lassbench.scores.rows import CLAP_METRICS, METRICS
from lassbench.scores.score_file import ScoreFile, Scores

#: Two machines' scores of the same audio differ by less than this (dB), ...
SAME_DB = 1e-3
#: ... except where a ratio is so high that it measures rounding.
SAME_ABOVE_TRUSTED_DB = 1.0

#: What a table says of a system by its card, ``system.yaml``; but its name, which may be
#: given when it is scored (``--name``).
_LABELS = ("query_type", "generative", "parameters", "trained_on", "checkpoint_sha256")


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
    differences = list(_identity_differences(loaded.entry, again.file))
    if differences or list(rows["query_id"]) != list(theirs["query_id"]):
        return Rescored((*differences, *_coverage_differences(rows, theirs)), 0.0)
    not_checked = [one for one in CLAP_METRICS if one in rows and one not in theirs]
    largest = 0.0
    for name in map(str, rows.columns):
        metric = name.removesuffix("_mixture")
        if metric in not_checked:
            continue
        if name not in theirs:
            differences.append(f"{name} was not scored again")
        elif pd.api.types.is_float_dtype(rows[name]):
            apart, off = _difference(rows[name].to_numpy(), theirs[name].to_numpy())
            largest = max(largest, apart)
            if off:
                unit = METRICS[metric].unit if metric in METRICS else "dB"
                differences.append(
                    f"{name} differs for {off} queries, by up to {apart:.4g} {unit}".rstrip()
                )
        else:
            # An empty text was withheld from the entry, see without_captions.
            told = (rows[name] != "") | (name != "text")
            if off := int((told & (rows[name].to_numpy() != theirs[name].to_numpy())).sum()):
                differences.append(f"{name} differs for {off} queries")
    differences += _label_differences(loaded.entry, again.file)
    return Rescored(tuple(differences), largest, tuple(not_checked))


def _identity_differences(entry: Entry, theirs: ScoreFile) -> Iterator[str]:
    suite = theirs.suite
    if (entry.list_fingerprint, entry.suite) != (suite.list_fingerprint, suite.name):
        yield (
            f"the entry is on suite {entry.suite} ({entry.list_fingerprint[:12]}),"
            f" this is {suite.name} ({suite.list_fingerprint[:12]})"
        )
    elif entry.suite_fingerprint != suite.fingerprint:
        yield "the suite's audio is not the audio that the entry was scored on"
    if entry.clap_model and theirs.clap_model not in ("", entry.clap_model):
        yield f"CLAPScores are of another model: {theirs.clap_model}, not {entry.clap_model}"
    wanted = entry.system.predictions_sha256
    if wanted != theirs.system.predictions_sha256:
        yield (
            f"these are other predictions: {theirs.system.predictions_sha256[:12]},"
            f" the entry's are {wanted[:12]}"
        )


def _coverage_differences(rows: pd.DataFrame, again: pd.DataFrame) -> Iterator[str]:
    ours, theirs = set(rows["query_id"]), set(again["query_id"])
    if gone := len(ours - theirs):
        yield f"{gone} queries of the entry were not scored again"
    if new := len(theirs - ours):
        yield f"{new} queries were scored that the entry lacks"


def _difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, int]:
    """The largest finite difference of two columns where neither measures rounding
    (:data:`TRUSTED_DB`), and how many values are not the same.
    """
    high = np.minimum(np.abs(a), np.abs(b)) > TRUSTED_DB
    allowed = np.where(high, SAME_ABOVE_TRUSTED_DB, SAME_DB)
    same = np.isclose(a, b, rtol=0, atol=allowed, equal_nan=True)
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b)
    trusted = np.max(apart[np.isfinite(apart) & ~high], initial=0.0)
    return float(trusted), int((~same).sum())


def _label_differences(ours: Entry, theirs: ScoreFile) -> Iterator[str]:
    for name in _LABELS:
        said, meant = getattr(ours.system, name), getattr(theirs.system, name)
        if said != meant:
            yield (
                f"{name} is {one_line(str(said), 80)!r}, the predictions' system.yaml says"
                f" {one_line(str(meant), 80)!r}"
            )
    a, b = ours.contamination, theirs.contamination
    if a.declared != b.declared:
        yield f"the entry lists {a.declared} training clips, system.yaml lists {b.declared}"
    elif set(a.clips) != set(b.clips):
        yield (
            f"the entry says that {len(a.clips)} test clips were trained on,"
            f" its training clips hold {len(b.clips)}"
            f" ({len(set(a.clips) ^ set(b.clips))} clips differ)"
        )


# ---------------------------------------------------------------------------
# Two leaderboards
# ---------------------------------------------------------------------------


def describe_changes(old: Leaderboard, new: Leaderboard) -> list[str]:
    """Entries added, removed and changed, and ranks that moved, one line each."""
    lines: list[str] = []
    for suite in sorted({*old.suites, *new.suites}):
        before = {e.slug: e for e in old.entries.get(suite, ())}
        after = {e.slug: e for e in new.entries.get(suite, ())}
        changes = [f"+ {after[s].name}: {_brief(after[s])}" for s in sorted(after.keys() - before)]
        changes += [f"- {before[s].name}" for s in sorted(before.keys() - after)]
        for one in sorted(before.keys() & after):
            changed = _changed(before[one], after[one])
            changes += [f"~ {after[one].name}: {what}" for what in changed]
        changes += _moved(suite, old, new) if before and after else []
        if changes:
            lines += [f"{suite}:", *(f"  {line}" for line in changes)]
    return lines


def _brief(loaded: Loaded) -> str:
    metric = TABLE_METRICS[loaded.card.kind][0]
    mean = _shown(loaded.summary.metrics[metric].mean, 2)
    return f"{METRICS[metric].title} {mean} {METRICS[metric].unit}, {loaded.entry.standing}"


def _shown(mean: float | None, digits: int) -> str:
    return "undefined" if mean is None else f"{mean:.{digits}f}"


def _changed(before: Loaded, after: Loaded) -> Iterator[str]:
    a, b = before.entry, after.entry
    if a.standing != b.standing:
        yield f"{a.standing} -> {b.standing}"
    if a.rows_sha256 != b.rows_sha256:
        theirs = before.summary.metrics
        for name, cell in after.summary.metrics.items():
            if theirs[name].mean != cell.mean:
                was, now = _shown(theirs[name].mean, 4), _shown(cell.mean, 4)
                yield f"{METRICS[name].title} {was} -> {now}"
    elif a != b and a.standing == b.standing:
        yield "description, links or notes changed"


def _moved(suite: str, old: Leaderboard, new: Leaderboard) -> list[str]:
    before, after = (
        {
            row.loaded.slug: (row.name, row.figures[table.sorted_by].rank or "-")
            for row in table.rows
        }
        for table in (standings(one.suites[suite], one.entries[suite]) for one in (old, new))
    )
    return [
        f"rank of {after[one][0]}: {before[one][1]} -> {after[one][1]}"
        for one in sorted(before.keys() & after)
        if before[one][1] != after[one][1]
    ]


def submission_faults(base: Path, proposed: Path) -> Iterator[Fault]:
    """Where ``proposed`` does more than add entries or replace unverified ones.

    Both folders are leaderboards; ``proposed`` has passed its own checks.  Only
    whoever scored the predictions again may call an entry verified, or take that
    back, so a submission that brings a new ``verified`` or changes one is refused.
    """
    for path in sorted(_files(base) | _files(proposed)):
        if reason := _refused(base / path, proposed / path, path):
            yield Fault("submission", str(proposed / path), reason)


def _refused(old: Path, new: Path, path: Path) -> str:
    if not _differ(old, new):
        return ""
    if path.parts[0] == "tables":
        return "is changed: the tables are made anew when a submission is merged, leave them"
    if path.parts[0] != "entries":
        return "is changed: a submission adds entries"
    if not new.is_file():
        return "is removed: a submission adds entries"
    if path.suffix == ".json" and _verified(old):
        return "changes an entry that was verified: give the new system another name"
    if path.suffix == ".json" and _verified(new):
        return (
            "calls itself verified, which only `rescore` by the maintainers does:"
            " submit it as `lassbench leaderboard add` wrote it"
        )
    return ""


def _verified(path: Path) -> bool:
    try:
        return read_model(path, Entry).verification is not None
    except LassbenchError:
        return False  # not there, or of an older schema, as `base` may be


def _files(root: Path) -> set[Path]:
    found = listed(root, "**/*")
    return {path.relative_to(root) for path in found if path.is_file() or path.is_symlink()}


def _differ(one: Path, other: Path) -> bool:
    if one.is_symlink() or other.is_symlink():  # which are not followed: they may lead anywhere
        return not (one.is_symlink() and other.is_symlink() and one.readlink() == other.readlink())
    return not (one.is_file() and other.is_file()) or sha256_file(one) != sha256_file(other)
