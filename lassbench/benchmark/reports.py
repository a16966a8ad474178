"""What people read: counts by concept, and why a clip is where it is."""

from __future__ import annotations

from collections import Counter

from lassbench import csv_files
from lassbench.benchmark.building import Built
from lassbench.benchmark.selection import count_by_concept
from lassbench.benchmark.sources import Metadata
from lassbench.errors import UsageError
from lassbench.records import SPLITS


def counts_table(built: Built) -> str:
    """The counts of each concept, as text in columns."""
    released = built.definition.split.rule == "released"
    candidates = count_by_concept(built.selection.candidates.values())
    splits = {split: count_by_concept(built.splits[split]) for split in SPLITS}
    header = ["concept", "root category", "candidates"]
    header += ["released", "train", "of it validation", "test"] if released else list(SPLITS)
    rows = [header]
    for concept in built.definition.concepts:
        name = concept.name
        train, validation, test = (splits[split][name] for split in SPLITS)
        counts = [candidates[name], train, validation, test]
        if released:
            both = train + validation
            counts = [candidates[name], both + test, both, validation, test]
        rows.append([name, concept.root, *map(str, counts)])
    totals = [sum(int(row[column]) for row in rows[1:]) for column in range(2, len(header))]
    roots = len({concept.root for concept in built.definition.concepts})
    rows.append(["all", str(roots), *map(str, totals)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def explain(youtube_id: str, built: Built, data: Metadata) -> str:
    """Why a clip is where it is, in a few lines.

    Raises
    ------
    UsageError
        If AudioCaps has no such clip.
    """
    if youtube_id not in data.captioned and youtube_id.startswith("Y"):
        youtube_id = youtube_id[1:]
    clip = data.captioned.get(youtube_id)
    if clip is None:
        raise UsageError(
            f"AudioCaps {data.version} has no clip of video {youtube_id!r}",
            expected="a YouTube id of 11 characters, with or without a leading Y",
        )
    lines = [f"{youtube_id}: AudioCaps {clip.audiocaps_split}, from {clip.start_s:g} s"]
    segment = data.segments.get(youtube_id)
    if segment is not None:
        lines[0] += f" to {segment.end_s:g} s"
        labels = ", ".join(f"{data.ontology.name(mid)} ({mid})" for mid in segment.mids)
        lines.append(f"  labels    {labels}")
    lines.append(f"  captions  audiocap_id {', '.join(map(str, clip.audiocap_ids))}")
    rejection = built.selection.rejections.get(youtube_id)
    if rejection is not None:
        return "\n".join([*lines, f"  rejected  {rejection.kind}: {rejection.reason}"])
    concept = built.selection.candidates[youtube_id].concept
    lines.append(f"  concept   {concept}: all of its labels are tags of {concept}")
    for split, rows in built.splits.items():
        if any(row.youtube_id == youtube_id for row in rows):
            return "\n".join([*lines, f"  split     {split}"])
    return "\n".join([*lines, "  split     none: the authors did not release it"])


def rejections_text(built: Built) -> str:
    """Every rejected clip with its reason, as CSV."""
    rows = ((y, r.kind, r.reason) for y, r in built.selection.rejections.items())
    return csv_files.write_table(("youtube_id", "kind", "reason"), rows)


def inferred_lines(built: Built) -> list[str]:
    """The proof for each inferred tag, a line each."""
    return [
        f"inferred tag {proof.name} ({proof.concept}): {proof.clips} clips of AudioCaps carry it; "
        f"{proof.candidates} candidates with it, {proof.without} without"
        for proof in built.inferred
    ]


def warnings(built: Built) -> list[str]:
    """What a maker of a benchmark should know: clips that have no labels to judge by."""
    kinds = Counter(rejection.kind for rejection in built.selection.rejections.values())
    notes = []
    if kinds["no AudioSet row"]:
        notes.append(
            f"{kinds['no AudioSet row']} clips have no row in the segment list and were left out; "
            "is it the full list?"
        )
    if kinds["other start"]:
        notes.append(
            f"{kinds['other start']} clips start elsewhere than AudioSet's and were left out"
        )
    return notes
