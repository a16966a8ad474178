"""What a score file says beside its rows: against these rows, and against another's of the same.

Every figure can be made from the rows again, with the same resamples, and is then
equal up to rounding.  Where the rows of two scores of the same predictions differ by
at most d, so do their means, medians and the ends of their intervals, and standard
deviations by at most 2 d: that much is allowed, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import pyarrow as pa

from lassbench.errors import one_line
from lassbench.leaderboard.numbers import ROUNDING_DB
from lassbench.scores.score_file import ScoreFile, Summary
from lassbench.scores.summary import summarise

#: The way to a figure: ``("breakdowns", "concept", "dog", "sdr", "mean")``.
Key = tuple[str, ...]

#: Two machines' scores of the same audio differ by less than this (dB) ...
SAME_DB = 1e-3
#: ... and the share of variance that askers explain, a ratio of two variances, by less than this.
SAME_SHARE = 1e-2

#: What a table says of a system by its card, ``system.yaml``.
_LABELS = ("name", "query_type", "parameters", "trained_on", "checkpoint_sha256")

#: What is compared of two scores; the rest is compared with the rows of each.
_COMPARED = {"breakdowns", "annotators", "wrong_source_share"}


def summary_fault(score: ScoreFile, rows: pa.Table) -> str:
    """The first figure of ``score`` that is not what ``rows`` give, and how many more there are.

    Empty where all are right.
    """
    told = score.model_dump(include=set(Summary.model_fields))
    made = summarise(rows, score.kind, score.bootstrap).model_dump()
    found = list(_differences(told, made, "the rows", lambda _: ROUNDING_DB))
    more = f" (and {len(found) - 1} more figures differ)" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


def _differences(
    told: Mapping[str, Any],
    made: Mapping[str, Any],
    by: str,
    allowed: Callable[[Key], float | None],
    above: Key = (),
) -> Iterator[str]:
    """Where figures differ by more than is ``allowed`` (``None``: whatever), a sentence each."""
    if told == made:  # as nearly all of them are
        return
    for name in sorted({*told, *made}):
        if (limit := allowed((*above, name))) is None:
            continue
        if name not in told or name not in made:
            lacks = f"lacks {one_line(name, 60)!r}, which {by} give"
            has = f"has {one_line(name, 60)!r}, which {by} do not give"
            yield f"{_spoken(above)} {has if name in told else lacks}"
        elif isinstance(told[name], Mapping):
            yield from _differences(told[name], made[name], by, allowed, (*above, name))
        elif not _close(told[name], made[name], limit):
            place = f"{_spoken(above)}: " if above else ""
            yield f"{place}{name} is {told[name]}, {by} give {made[name]}"


def _spoken(key: Key) -> str:
    return ", ".join(one_line(part, 60) for part in key)


def _close(one: object, other: object, limit: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= limit
    return one == other


def summary_differences(
    ours: ScoreFile, theirs: ScoreFile, apart: Mapping[str, float], *, without: Collection[str]
) -> Iterator[str]:
    """Where the entry's score file (``ours``) and the same predictions' differ, a sentence each.

    Parameters
    ----------
    apart
        metric -> largest difference of a row, in the metric's unit.
    without
        Metrics that are not compared.
    """
    yield from _label_differences(ours, theirs)

    def allowed(key: Key) -> float | None:
        metric, of_spread = (key[1:2], key[2:]) if key[0] == "annotators" else (key[3:4], ())
        # Whose result is the worst may turn on the last digit.
        if set(metric) & set(without) or of_spread == ("worst_annotator",):
            return None
        if of_spread == ("asker_share",):
            return SAME_SHARE
        of_rows = SAME_DB + sum(apart.get(one, 0.0) for one in metric)
        return 2 * of_rows if of_spread else of_rows

    told, made = (one.model_dump(include=_COMPARED) for one in (ours, theirs))
    yield from _differences(told, made, "the predictions", allowed)


def _label_differences(ours: ScoreFile, theirs: ScoreFile) -> Iterator[str]:
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
