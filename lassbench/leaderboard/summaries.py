"""What two score files of the same predictions say beside their rows: where they differ.

Who the system is and what it was allowed to see, which test clips it was
trained on, and every mean of a breakdown.  Where rows differ by at most d, so do
their means, medians and the ends of their intervals (from the same resamples),
and standard deviations by at most 2 d: that much is allowed, and no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from lassbench.errors import one_line
from lassbench.scores import AnnotatorSpread, Cell, ScoreFile

#: Two machines' scores of the same audio differ by less than this (dB) ...
SAME_DB = 1e-3
#: ... and the share of variance that askers explain, a ratio of two variances, by less than this.
SAME_SHARE = 1e-2

#: What a table says of a system by its card, ``system.yaml``.
_LABELS = ("name", "query_type", "parameters", "trained_on", "checkpoint_sha256")


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
    yield from _breakdown_differences(ours, theirs, apart, without)
    yield from _annotator_differences(ours, theirs, apart, without)
    if not _close(ours.wrong_source_share, theirs.wrong_source_share, SAME_DB):
        yield (
            f"wrong_source_share is {ours.wrong_source_share}, the predictions give"
            f" {theirs.wrong_source_share}"
        )


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


def _breakdown_differences(
    ours: ScoreFile, theirs: ScoreFile, apart: Mapping[str, float], without: Collection[str]
) -> Iterator[str]:
    for by in sorted({*ours.breakdowns, *theirs.breakdowns}):
        a, b = ours.breakdowns.get(by, {}), theirs.breakdowns.get(by, {})
        strange = sorted(a.keys() ^ b.keys())
        if strange:
            yield (
                f"by {by}: {len(strange)} groups are in one only, such as"
                f" {one_line(strange[0], 60)!r}"
            )
        for value in sorted(a.keys() & b.keys()):
            off = _differing(a[value], b[value], apart, without)
            if off:
                yield f"by {by}: {one_line(value, 60)!r} differs in {', '.join(off)}"


def _differing(
    ours: Mapping[str, Cell],
    theirs: Mapping[str, Cell],
    apart: Mapping[str, float],
    without: Collection[str],
) -> list[str]:
    return [
        name
        for name in sorted({*ours, *theirs} - {*without})
        if not _same_cell(ours.get(name), theirs.get(name), SAME_DB + apart.get(name, 0.0))
    ]


def _same_cell(a: Cell | None, b: Cell | None, allowed: float) -> bool:
    if a is None or b is None:
        return False
    ends = ((a.mean, b.mean), (a.ci_low, b.ci_low), (a.ci_high, b.ci_high))
    return a.n == b.n and all(_close(one, other, allowed) for one, other in ends)


def _close(a: float | None, b: float | None, allowed: float) -> bool:
    if a is None or b is None:
        return a is None and b is None
    return abs(a - b) <= allowed


def _annotator_differences(
    ours: ScoreFile, theirs: ScoreFile, apart: Mapping[str, float], without: Collection[str]
) -> Iterator[str]:
    strange = (ours.annotators.keys() ^ theirs.annotators.keys()) - {*without}
    if strange:
        yield f"annotators are compared by {', '.join(sorted(strange))} in one only"
    for name in sorted((ours.annotators.keys() & theirs.annotators.keys()) - {*without}):
        allowed = 2 * (SAME_DB + apart.get(name, 0.0))
        if not _same_spread(ours.annotators[name], theirs.annotators[name], allowed):
            yield f"{name}: the spread between annotators differs"


def _same_spread(a: AnnotatorSpread, b: AnnotatorSpread, allowed: float) -> bool:
    # Whose result is the worst may turn on the last digit, and is checked
    # against the rows when an entry is read.
    figures = ("mean", "spread", "worst", "worst_of_mixture", "within_mixture_sd")
    return (
        (a.annotators, a.mixtures) == (b.annotators, b.mixtures)
        and all(_close(getattr(a, one), getattr(b, one), allowed) for one in figures)
        and abs(a.asker_share - b.asker_share) <= SAME_SHARE
    )
