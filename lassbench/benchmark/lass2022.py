"""What only LASS-2022 has: the authors' released lists, and tags that no clip carries.

The authors released bare lists of YouTube ids: 6064 for training, and 1000 pairs
of a target and a noise from 200 test clips.  A definition with ``rule: released``
follows them.  The paper counts 33 tags of which 30 occur; the other three are
``inferred``, and each is proved to change nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lassbench.benchmark import metadata
from lassbench.benchmark.metadata import YOUTUBE_ID, Metadata, MetadataSource, UsedFile
from lassbench.benchmark.selection import (
    ClipRow,
    Concept,
    Definition,
    Selection,
    clip_id_of,
    first_of_each,
    select,
)
from lassbench.csv_files import read_table
from lassbench.errors import Fault, FaultsError, LassbenchError
from lassbench.files import read_text
from lassbench.records import Mixture, Split


@dataclass(frozen=True)
class Released:
    """The authors' lists: training ids; (target, noise) ids of the test mixtures, in order."""

    training: Sequence[str]
    pairs: Sequence[tuple[str, str]]
    files: Mapping[str, UsedFile]


def read_released(source: MetadataSource) -> Released:
    """Read both lists.

    Raises
    ------
    LassbenchError
        If one is missing, is another one than published, or has bad rows.
    """
    files = (metadata.RELEASED_TRAINING, metadata.RELEASED_EVALUATION)
    paths = [source.path(file) for file in files]
    used = {file.name: metadata.used(path, file) for file, path in zip(files, paths, strict=True)}
    return Released(read_training(paths[0]), read_evaluation(paths[1]), used)


def read_training(path: Path) -> list[str]:
    """The training list: one YouTube id a line, no header.

    Raises
    ------
    FaultsError
        If a line is no id, or an id stands twice.
    """
    ids = [line.strip() for line in read_text(path).splitlines()]
    times = Counter(ids)
    faults = [
        Fault("bad row", f"{path}:{number}", f"{youtube_id!r} is no YouTube id, or stands twice")
        for number, youtube_id in enumerate(ids, start=1)
        if not YOUTUBE_ID.fullmatch(youtube_id) or times[youtube_id] > 1
    ]
    if faults:
        raise FaultsError("this is not the released training list", faults)
    return ids


def read_evaluation(path: Path) -> list[tuple[str, str]]:
    """The test list: (target, noise) YouTube ids, in its order.

    Its header is ``target_wav, noise_wav``, with a space.

    Raises
    ------
    FaultsError
        If a cell is no id, or a clip is mixed with itself.
    """
    rows = read_table(path, ("target_wav", "noise_wav"))
    pairs = [(row["target_wav"], row["noise_wav"]) for row in rows]
    faults = [
        Fault("bad row", row.where, f"{pair[0]} and {pair[1]} are not two YouTube ids")
        for row, pair in zip(rows, pairs, strict=True)
        if pair[0] == pair[1] or not all(map(YOUTUBE_ID.fullmatch, pair))
    ]
    if faults:
        raise FaultsError("this is not the released evaluation list", faults)
    return pairs


def split_released(
    selection: Selection, definition: Definition, released: Released
) -> tuple[dict[Split, list[ClipRow]], list[ClipRow]]:
    """Train, validation and test by the authors' lists; and the candidates in neither.

    Per concept, the ``validation_per_concept`` released training clips that come
    first in hash order are the validation split.

    Raises
    ------
    FaultsError
        If a released clip is no candidate, or is in both lists, or a noise is no target.
    """
    targets = dict.fromkeys(target for target, _ in released.pairs)
    in_lists = dict.fromkeys([*released.training, *targets])
    faults = [
        Fault("in both lists", youtube_id, "is in training and test")
        for youtube_id in targets.keys() & set(released.training)
    ]
    faults += [
        Fault("noise is no test clip", noise, "is no target of the test list")
        for noise in {noise for _, noise in released.pairs} - targets.keys()
    ]
    for youtube_id in in_lists:
        if youtube_id not in selection.candidates:
            rejection = selection.rejections.get(youtube_id)
            reason = rejection.reason if rejection else "AudioCaps has no such clip"
            faults.append(Fault("no candidate", youtube_id, reason))
    if faults:
        raise FaultsError("the released lists do not follow from the concepts", sorted(faults))
    rows = [selection.candidates[youtube_id] for youtube_id in released.training]
    rule = definition.split
    validation = first_of_each(rows, definition.concepts, rule.validation_per_concept, rule.seed)
    held_out = {row.youtube_id for row in validation}
    splits: dict[Split, list[ClipRow]] = {
        "train": [row for row in rows if row.youtube_id not in held_out],
        "validation": validation,
        "test": [selection.candidates[youtube_id] for youtube_id in targets],
    }
    left = [row for row in selection.candidates.values() if row.youtube_id not in in_lists]
    return splits, left


def released_mixtures(definition: Definition, released: Released) -> list[Mixture]:
    """The test mixtures in the authors' order."""
    name, snr_db = definition.suite_name("test"), definition.mixtures.snr_db[0]
    return [
        Mixture(f"{name}-{number:04d}", clip_id_of(target), clip_id_of(noise), snr_db)
        for number, (target, noise) in enumerate(released.pairs, start=1)
    ]


@dataclass(frozen=True)
class InferredTag:
    """The proof that an inferred tag changes nothing.

    ``clips`` of AudioCaps carry it, and with and without it in its concept there are
    the same ``candidates``.
    """

    name: str
    concept: str
    clips: int
    candidates: int

    def __str__(self) -> str:
        return (
            f"carried by {self.clips} clips of AudioCaps; "
            f"{self.candidates} candidates with it, {self.candidates} without it"
        )


def prove_inferred(
    definition: Definition, selection: Selection, data: Metadata
) -> list[InferredTag]:
    """Show for each inferred tag that the candidates are the same with and without it.

    Raises
    ------
    LassbenchError
        If they are not: then the tag is observed, not inferred.
    """
    proofs: list[InferredTag] = []
    for concept in definition.concepts:
        for tag in concept.inferred_tags:
            others = [_without(c, tag) if c is concept else c for c in definition.concepts]
            without = select(data.captioned, data.segments, data.ontology, others).candidates
            mid = data.ontology.mid(tag)
            carriers = sum(mid in segment.mids for segment in data.segments.values())
            if without != selection.candidates:
                raise LassbenchError(
                    f"the inferred tag {tag!r} changes the selection",
                    where=f"concept {concept.name}",
                    expected=f"{len(without)} candidates, as without it",
                    got=f"{len(selection.candidates)} candidates; {carriers} clips carry it",
                    fix="list it under tags",
                )
            proofs.append(InferredTag(tag, concept.name, carriers, len(without)))
    return proofs


def _without(concept: Concept, tag: str) -> Concept:
    kept = tuple(name for name in concept.inferred_tags if name != tag)
    return concept.model_copy(update={"inferred_tags": kept})
