"""Two leaderboards, or an entry and its predictions scored again: what differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lassbench.leaderboard.entries import Entry, Leaderboard, Loaded
from lassbench.leaderboard.numbers import TRUSTED_DB
from lassbench.leaderboard.ranking import TABLE_METRICS, standings
from lassbench.leaderboard.summaries import SAME_DB, summary_differences
from lassbench.scores.score_file import CLAP_METRICS, METRICS, Scores, column

Floats = NDArray[np.float64]

#: Scores differ by less than ``SAME_DB``, except where a ratio is so high that it
#: measures rounding.
SAME_ABOVE_TRUSTED_DB = 1.0

#: Columns that only a CLAP model can make again.
_CLAP_COLUMNS = ("clap", "clap_mixture", "clap_i")


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


def compare_rescored(entry: Entry, rows: pa.Table, again: Scores) -> Rescored:
    """Compare ``entry`` and its ``rows`` with its predictions scored again.

    CLAPScore is left out, and told as not checked, where ``again`` has none.
    """
    differences = list(_identity_differences(entry, again))
    ids = rows.column("query_id")
    if differences or not ids.equals(again.rows.column("query_id")):
        return Rescored((*differences, *_coverage_differences(rows, again.rows)), 0.0)
    checked_clap = "clap" in again.rows.column_names
    not_checked = () if checked_clap or "clap" not in rows.column_names else CLAP_METRICS
    without = _CLAP_COLUMNS if not_checked else ()
    apart: dict[str, float] = {}
    largest = 0.0
    for name in rows.column_names:
        if name in without:
            continue
        if name not in again.rows.column_names:
            differences.append(f"{name} was not scored again")
        elif pa.types.is_floating(rows.schema.field(name).type):
            apart[name], trusted, off = _difference(column(rows, name), column(again.rows, name))
            largest = max(largest, trusted)
            if off:
                unit = METRICS[name].unit if name in METRICS else "dB"
                differences.append(
                    f"{name} differs for {off} queries, by up to {trusted:.4g} {unit}".rstrip()
                )
        else:
            pairs = zip(rows[name].to_pylist(), again.rows[name].to_pylist(), strict=True)
            # An empty text was withheld from the entry, see adding.without_captions.
            off = sum(one != other for one, other in pairs if one or name != "text")
            if off:
                differences.append(f"{name} differs for {off} queries")
    differences += summary_differences(entry.score, again.file, apart, without=without)
    return Rescored(tuple(differences), largest, tuple(not_checked))


def _identity_differences(entry: Entry, again: Scores) -> Iterator[str]:
    ours, theirs = entry.score, again.file
    lists = ours.suite.list_fingerprint, theirs.suite.list_fingerprint
    if lists[0] != lists[1] or ours.suite.name != theirs.suite.name:
        yield (
            f"the entry is on suite {ours.suite.name} ({lists[0][:12]}),"
            f" this is {theirs.suite.name} ({lists[1][:12]})"
        )
    elif ours.suite.fingerprint != theirs.suite.fingerprint:
        yield "the suite's audio is not the audio that the entry was scored on"
    for name in CLAP_METRICS:
        a, b = ours.metrics.get(name), theirs.metrics.get(name)
        if a is not None and b is not None and a.definition != b.definition:
            yield f"{name} is of another model: {b.definition!r}, the entry's is {a.definition!r}"
    wanted = ours.system.predictions_sha256
    if wanted != theirs.system.predictions_sha256:
        yield (
            f"these are other predictions: {theirs.system.predictions_sha256[:12]},"
            f" the entry's are {wanted[:12]}"
        )


def _coverage_differences(rows: pa.Table, again: pa.Table) -> Iterator[str]:
    ours, theirs = set(rows["query_id"].to_pylist()), set(again["query_id"].to_pylist())
    if ours - theirs:
        yield f"{len(ours - theirs)} queries of the entry were not scored again"
    if theirs - ours:
        yield f"{len(theirs - ours)} queries were scored that the entry lacks"


def _difference(a: Floats, b: Floats) -> tuple[float, float, int]:
    """How far two columns are apart: the largest finite difference, that below
    :data:`TRUSTED_DB`, and how many values are not the same.
    """
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b)
    high = np.minimum(np.abs(a), np.abs(b)) > TRUSTED_DB
    allowed = np.where(high, SAME_ABOVE_TRUSTED_DB, SAME_DB)
    finite = np.isfinite(apart)
    same = (a == b) | (np.isnan(a) & np.isnan(b)) | (finite & (apart <= allowed))
    trusted = np.max(apart[finite & ~high], initial=0.0)
    return float(np.max(apart[finite], initial=0.0)), float(trusted), int((~same).sum())


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
    score = loaded.entry.score
    metric = TABLE_METRICS[score.kind][0]
    cell = score.summary[metric]
    mean = "undefined" if cell.mean is None else f"{cell.mean:.2f} {METRICS[metric].unit}"
    return f"{METRICS[metric].title} {mean}, {loaded.entry.standing}"


def _changed(before: Loaded, after: Loaded) -> Iterator[str]:
    a, b = before.entry, after.entry
    if a.standing != b.standing:
        yield f"{a.standing} -> {b.standing}"
    for name in sorted(a.score.summary.keys() & b.score.summary.keys()):
        x, y = a.score.summary[name].mean, b.score.summary[name].mean
        if x != y:
            shown = ["undefined" if v is None else f"{v:.4f}" for v in (x, y)]
            yield f"{METRICS[name].title} {shown[0]} -> {shown[1]}"
    if a.score.rows_sha256 == b.score.rows_sha256 and a != b and a.standing == b.standing:
        yield "description, links or notes changed"


def _moved(suite: str, old: Leaderboard, new: Leaderboard) -> list[str]:
    ranks = []
    for board in (old, new):
        table = standings(board.suites[suite], board.entries[suite])
        metric = table.sorted_by
        ranks.append({row.loaded.slug: (row.name, row.figures[metric].rank) for row in table.rows})
    return [
        f"rank of {ranks[1][one][0]}: {ranks[0][one][1] or '-'} -> {ranks[1][one][1] or '-'}"
        for one in sorted(ranks[0].keys() & ranks[1])
        if ranks[0][one][1] != ranks[1][one][1]
    ]
