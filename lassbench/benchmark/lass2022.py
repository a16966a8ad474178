"""What only LASS-2022 has: the authors' released lists, and tags that no clip carries.

The authors released bare lists of YouTube ids: 6064 for training, and 1000 pairs
of a target and a noise from 200 test clips.  A definition with ``rule: released``
follows them.  The paper counts 33 tags of which 30 occur; the other three are
``inferred``, and each is proved to change nothing.
"""

from __future__ import annotations

from collections import Counter

from lassbench.benchmark import metadata, selection
from lassbench.benchmark.metadata import Metadata, MetadataSource
from lassbench.benchmark.selection import ClipRow, Definition, Selection
from lassbench.csv_files import read_table
from lassbench.errors import Fault, FaultsError, LassbenchError
from lassbench.files import read_text
from lassbench.records import Mixture, Split

#: Training ids; (target, noise) ids of the test mixtures, in their order.
Released = tuple[list[str], list[tuple[str, str]]]


def read_released(source: MetadataSource) -> Released:
    """The authors' lists: one id a line, no header; and a table of two columns.

    The header of the table is ``target_wav, noise_wav``, with a space.
    """
    training = read_text(source.path(metadata.RELEASED_TRAINING)).splitlines()
    rows = read_table(source.path(metadata.RELEASED_EVALUATION), ("target_wav", "noise_wav"))
    pairs = [(row["target_wav"], row["noise_wav"]) for row in rows]
    return training, pairs


def split_released(
    selected: Selection, definition: Definition, released: Released
) -> tuple[dict[Split, list[ClipRow]], list[ClipRow]]:
    """Train, validation and test by the authors' lists; and the candidates in neither.

    Per concept, the ``validation_per_concept`` released training clips that come
    first in hash order are the validation split.

    Raises
    ------
    FaultsError
        If a released clip is no candidate, is in both lists or twice in the first, or a
        noise is no other target.
    """
    training, pairs = released
    targets = dict.fromkeys(target for target, _ in pairs)
    times = Counter([*training, *targets])
    twice = "is in training and test, or twice in training"
    wrong = {youtube_id: twice for youtube_id, count in times.items() if count > 1}
    wrong |= {
        noise: "is no other target of the test list"
        for target, noise in pairs
        if noise == target or noise not in targets
    }
    for youtube_id in times.keys() - selected.candidates.keys():
        rejection = selected.rejections.get(youtube_id)
        wrong[youtube_id] = rejection.reason if rejection else "AudioCaps has no such clip"
    if wrong:
        raise FaultsError(
            "the released lists do not follow from the concepts",
            [Fault("released", youtube_id, wrong[youtube_id]) for youtube_id in sorted(wrong)],
            fix="restore the lists, or split and mix by rules of your own",
        )
    rows, rule = [selected.candidates[youtube_id] for youtube_id in training], definition.split
    ordered = selection.in_hash_order(rows, definition.concepts, rule.seed)
    validation = [row for own in ordered.values() for row in own[: rule.validation_per_concept]]
    splits: dict[Split, list[ClipRow]] = {
        "train": [row for row in rows if row not in validation],
        "validation": validation,
        "test": [selected.candidates[youtube_id] for youtube_id in targets],
    }
    return splits, [row for row in selected.candidates.values() if row.youtube_id not in times]


def released_mixtures(
    definition: Definition, selected: Selection, released: Released
) -> list[Mixture]:
    """The test mixtures in the authors' order."""
    name, snr_db = definition.suite_name("test"), definition.mixtures.snr_db[0]
    pairs = [[selected.candidates[one].clip_id for one in pair] for pair in released[1]]
    return [
        Mixture(f"{name}-{number:04d}", target_id, noise_id, snr_db)
        for number, (target_id, noise_id) in enumerate(pairs, start=1)
    ]


def prove_inferred(definition: Definition, selected: Selection, data: Metadata) -> dict[str, str]:
    """Inferred tag -> the proof that it changes nothing: no clip of AudioCaps carries it.

    Raises
    ------
    LassbenchError
        If one does: then the tag is observed, not inferred.
    """
    carriers = Counter(mid for segment in data.segments.values() for mid in segment.mids)
    candidates = len(selected.candidates)
    proofs: dict[str, str] = {}
    for concept in definition.concepts:
        for tag in concept.inferred_tags:
            carried = carriers[data.ontology.mid(tag)]
            if carried:
                raise LassbenchError(
                    f"the inferred tag {tag!r} is carried by {carried} clips",
                    where=f"concept {concept.name}",
                    fix="list it under tags",
                )
            proofs[tag] = (
                f"carried by {carried} clips of AudioCaps; {candidates} candidates with it, "
                f"{candidates} without it"
            )
    return proofs
