"""Every mean and interval of a score file, made again from its rows.

The score of all queries and that of every group of every breakdown are cells of
one table with a line a group and a column a metric.  What the file tells and
what its rows give are two such tables, compared whole.  The intervals are those
of :func:`lassbench.statistics.bootstrap_columns`, with the file's own resamples
and seed, so that they must be equal up to rounding; groups that hold the same
queries, as a concept with one tag and that tag do, share theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lassbench.errors import one_line
from lassbench.records import TAG_SEPARATOR
from lassbench.scores import Cell, ScoreFile, column, concept_pair, limited
from lassbench.statistics import bootstrap_columns, enough_clusters

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]
#: (breakdown, value); the score of all queries is ("", "").
Group = tuple[str, str]

#: What a score file is broken down by.
BREAKDOWNS = ("concept", "root", "concept_pair", "tag", "annotator", "query_type")

#: Largest difference between a summary and its rows that is rounding (dB).
ROUNDING_DB = 1e-6

_ALL: Group = ("", "")
_KEYS = ("n", "mean", "ci_low", "ci_high")


def cell_fault(score: ScoreFile, rows: pa.Table) -> str:
    """The first mean, count or end of an interval that is not what ``rows`` give, in a sentence.

    It says how many more there are; empty where all are right.
    """
    groups = groups_of(rows)
    wrong = _other_groups(score, groups)
    if wrong:
        return wrong
    names = list(score.metrics)
    told = np.array(
        [[_numbers(_cells(score, group)[name]) for name in names] for group in groups],
        dtype=np.float64,
    )
    made = _made_again(score, rows, list(groups.values()))
    with np.errstate(invalid="ignore"):
        same = (np.abs(told - made) <= ROUNDING_DB) | (np.isnan(told) & np.isnan(made))
    if same.all():
        return ""
    group, metric, key = np.argwhere(~same)[0]
    got, expected = (_shown(table[group, metric, key], key) for table in (told, made))
    more = int((~same).sum()) - 1
    return (
        f"{_spoken(list(groups)[group])}, {names[metric]}: {_KEYS[key]} is {got},"
        f" the rows give {expected}" + (f" (and {more} more figures differ)" if more else "")
    )


def groups_of(rows: pa.Table) -> dict[Group, Chosen]:
    """The groups that ``rows`` fall into, with which rows are in each; the first is all."""
    found: dict[Group, Chosen] = {_ALL: np.ones(rows.num_rows, dtype=np.bool_)}
    for by in BREAKDOWNS:
        members: dict[str, list[int]] = {}
        for index, values in enumerate(_values(rows, by)):
            for value in values:
                members.setdefault(value, []).append(index)
        for value in sorted(members):
            found[by, value] = np.zeros(rows.num_rows, dtype=np.bool_)
            found[by, value][members[value]] = True
    return found


def _values(rows: pa.Table, by: str) -> list[list[str]]:
    """What each row counts for in this breakdown; nothing where that is empty."""
    if by == "concept_pair":
        concepts, noises = (rows.column(one).to_pylist() for one in ("concept", "noise_concept"))
        pairs = zip(concepts, noises, strict=True)
        return [[concept_pair(one, other)] if one and other else [] for one, other in pairs]
    if by == "tag":
        joined = rows.column("tags").to_pylist()
        return [one.split(TAG_SEPARATOR) if one else [] for one in joined]
    return [[one] if one else [] for one in rows.column(by).to_pylist()]


def _other_groups(score: ScoreFile, groups: Mapping[Group, Chosen]) -> str:
    """The first group or metric that the file has and its rows do not, or the other way round."""
    told = {_ALL, *((by, value) for by, values in score.breakdowns.items() for value in values)}
    for by, value in sorted(told - groups.keys()):
        return f"breakdown {by} has {one_line(value, 60)!r}, which no row has"
    for by, value in sorted(groups.keys() - told):
        return f"breakdown {by} lacks {one_line(value, 60)!r}, which rows have"
    for group in groups:
        differing = sorted(_cells(score, group).keys() ^ score.metrics.keys())
        if differing:
            what = one_line(differing[0], 40)
            return f"{_spoken(group)} lacks {what}, or has what is no metric of this score"
    return ""


def _cells(score: ScoreFile, group: Group) -> Mapping[str, Cell]:
    by, value = group
    return score.breakdowns[by][value] if by else score.summary


def _numbers(cell: Cell) -> tuple[float | None, ...]:
    return cell.n, cell.mean, cell.ci_low, cell.ci_high


def _made_again(score: ScoreFile, rows: pa.Table, groups: Sequence[Chosen]) -> Floats:
    """n, mean, low and high end of each group and metric: shape ``(groups, metrics, 4)``."""
    seen = np.stack([limited(column(rows, name), name) for name in score.metrics], axis=1)
    # In order of their names: which target a resample draws goes by its place.
    targets = np.unique(rows.column("target_id").to_pylist(), return_inverse=True)[1]
    defined = ~np.isnan(seen)
    members = np.stack(groups).astype(np.float64)
    counts = members @ defined
    with np.errstate(invalid="ignore"):
        means = (members @ np.where(defined, seen, 0.0)) / counts
    ends = _ends(score, seen, targets, groups)
    return np.concatenate([counts[..., np.newaxis], means[..., np.newaxis], ends], axis=2)


def _ends(
    score: ScoreFile, seen: Floats, targets: NDArray[np.intp], groups: Sequence[Chosen]
) -> Floats:
    """Both ends of each group's and metric's interval: shape ``(groups, metrics, 2)``."""
    settings = score.bootstrap
    known: dict[bytes, Floats] = {}
    for chosen in groups:
        own = targets[chosen]
        if chosen.tobytes() in known or not enough_clusters(len(set(own.tolist())), settings.level):
            continue
        found = bootstrap_columns(
            seen[chosen],
            own,
            resamples=settings.resamples,
            seed=settings.seed,
            level=settings.level,
        )
        known[chosen.tobytes()] = np.array([(one.low, one.high) for one in found])
    none = np.full((seen.shape[1], 2), np.nan)
    return np.stack([known.get(chosen.tobytes(), none) for chosen in groups])


def _spoken(group: Group) -> str:
    by, value = group
    return f"{by} {one_line(value, 60)}" if by else "summary"


def _shown(value: float, key: int) -> object:
    if np.isnan(value):
        return None
    return int(value) if _KEYS[key] == "n" else float(value)
