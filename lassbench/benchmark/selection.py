"""Selection: which clips belong to a concept, and which split each goes to.

The rule behind the authors' released lists (FACTS, section 1): **a clip is a
candidate for a concept when all of its AudioSet labels are tags of that
concept.**  Any other label disqualifies it, so that a clip holds one kind of
sound only.  Every clip that is not a candidate has a reason.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lassbench.benchmark.definitions import Concept, Definition, SplitRule
from lassbench.benchmark.manifests import ClipRow
from lassbench.benchmark.metadata_readers import CaptionedClip, Segment
from lassbench.benchmark.ontology import Ontology
from lassbench.errors import Fault, FaultsError, LassbenchError
from lassbench.records import Split


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a clip is no candidate: ``kind`` counts, ``reason`` explains.

    Kinds: ``no AudioSet row``, ``other start``, ``other sound``, ``several concepts``.
    """

    kind: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """The outcome for every clip of AudioCaps.

    Attributes
    ----------
    candidates
        youtube_id -> row, in the order of the ids.
    rejections
        youtube_id -> why not.
    """

    candidates: Mapping[str, ClipRow]
    rejections: Mapping[str, Rejection]

    def of_concept(self, concept: str) -> list[ClipRow]:
        """The candidates of ``concept``, by YouTube id."""
        return [row for row in self.candidates.values() if row.concept == concept]


def select(
    captioned: Mapping[str, CaptionedClip],
    segments: Mapping[str, Segment],
    ontology: Ontology,
    concepts: Sequence[Concept],
) -> Selection:
    """Decide for every clip whether it is a candidate, by its labels alone.

    Parameters
    ----------
    captioned
        AudioCaps's clips by YouTube id.
    segments
        AudioSet's rows by YouTube id.
    concepts
        Their ``tags`` and ``inferred_tags`` decide.

    Raises
    ------
    LassbenchError
        If a tag is not an AudioSet label.
    """
    sets = {c.name: frozenset(ontology.mid(tag) for tag in c.all_tags) for c in concepts}
    for concept in concepts:
        _refuse_unlabelled(concept, sets[concept.name], ontology)
    # Few sets of labels are distinct: each is judged once.
    judged: dict[tuple[str, ...], str | Rejection] = {}
    candidates: dict[str, ClipRow] = {}
    rejections: dict[str, Rejection] = {}
    for youtube_id in sorted(captioned):
        clip, segment = captioned[youtube_id], segments.get(youtube_id)
        if segment is None or segment.start_s != clip.start_s:
            rejections[youtube_id] = _time_rejection(clip, segment)
            continue
        verdict = judged.get(segment.mids)
        if verdict is None:
            verdict = judged[segment.mids] = _judge(segment.mids, sets, ontology)
        if isinstance(verdict, Rejection):
            rejections[youtube_id] = verdict
        else:
            candidates[youtube_id] = _row(clip, segment, verdict, ontology)
    return Selection(candidates, rejections)


def _refuse_unlabelled(concept: Concept, mids: frozenset[str], ontology: Ontology) -> None:
    strange = sorted(ontology.name(mid) for mid in mids - ontology.labels)
    if strange:
        raise LassbenchError(
            f"no AudioSet clip can carry {strange[0]!r}: it is a category, not a label",
            where=f"concept {concept.name}",
            fix="name one of its children that is in class_labels_indices.csv",
        )


def _row(clip: CaptionedClip, segment: Segment, concept: str, ontology: Ontology) -> ClipRow:
    return ClipRow(
        youtube_id=clip.youtube_id,
        start_s=segment.start_s,
        end_s=segment.end_s,
        audiocap_ids=clip.audiocap_ids,
        audiocaps_split=clip.audiocaps_split,
        concept=concept,
        tags=tuple(ontology.name(mid) for mid in segment.mids),
    )


def _time_rejection(clip: CaptionedClip, segment: Segment | None) -> Rejection:
    if segment is None:
        reason = "AudioSet's segment list has no row for this video"
        return Rejection("no AudioSet row", reason)
    reason = (
        f"AudioCaps's clip starts at {clip.start_s:g} s, "
        f"AudioSet's labels are of {segment.start_s:g} s"
    )
    return Rejection("other start", reason)


def _judge(
    mids: Sequence[str], sets: Mapping[str, frozenset[str]], ontology: Ontology
) -> str | Rejection:
    """The one concept whose tags include all of ``mids``, or why there is none."""
    fits = [name for name, tags in sets.items() if tags.issuperset(mids)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        return Rejection("several concepts", f"its labels fit each of {', '.join(fits)}")
    # The nearest concept is the one with most of its labels; the first, on a tie.
    nearest = max(sets, key=lambda name: len(sets[name].intersection(mids)))
    outside = [ontology.name(mid) for mid in mids if mid not in sets[nearest]]
    named = ", ".join(repr(name) for name in outside)
    if len(outside) == len(mids):
        return Rejection("other sound", f"no concept has any of its labels: {named}")
    return Rejection("other sound", f"{named} outside the nearest concept, {nearest}")


def start_faults(
    captioned: Mapping[str, CaptionedClip], rejections: Mapping[str, Rejection]
) -> list[Fault]:
    """The clips that AudioSet does not have, or has at another time, as faults by file and line.

    All 51,308 clips of AudioCaps 1 have a row with the same start time, so for
    that version each of these means a damaged file.
    """
    return [
        Fault(rejection.kind, captioned[youtube_id].where, f"{youtube_id}: {rejection.reason}")
        for youtube_id, rejection in rejections.items()
        if rejection.kind in {"no AudioSet row", "other start"}
    ]


def resolve_roots(definition: Definition, ontology: Ontology) -> Definition:
    """``definition`` with the root category of every concept written out.

    Raises
    ------
    FaultsError
        If a tag is unknown, a named root is not above all of a concept's tags,
        or none is named and there are several or none.
    """
    faults: list[Fault] = []
    concepts: list[Concept] = []
    for concept in definition.concepts:
        where = f"concept {concept.name}"
        try:
            mids = [ontology.mid(tag) for tag in concept.all_tags]
        except LassbenchError as error:
            faults.append(Fault("unknown tag", where, error.what))
            continue
        common = [ontology.name(root) for root in ontology.common_roots(mids)]
        shared = ", ".join(common) or "none"
        if concept.root and concept.root not in common:
            reason = f"its tags do not all stand under {concept.root!r} (in common: {shared})"
            faults.append(Fault("wrong root", where, reason))
        elif not concept.root and len(common) != 1:
            reason = f"name its root: its tags have {shared} in common"
            faults.append(Fault("missing root", where, reason))
        else:
            concepts.append(concept.model_copy(update={"root": concept.root or common[0]}))
    if faults:
        raise FaultsError(f"the concepts of {definition.name} do not fit the ontology", faults)
    return definition.model_copy(update={"concepts": tuple(concepts)})


def hash_order(youtube_id: str, seed: int | None = None) -> str:
    """What clips are sorted by: SHA-256 of the id, or of ``<seed>:<id>``, in hexadecimal."""
    text = youtube_id if seed is None else f"{seed}:{youtube_id}"
    return hashlib.sha256(text.encode()).hexdigest()


def first_by_hash(rows: Iterable[ClipRow], count: int, seed: int | None = None) -> list[ClipRow]:
    """The ``count`` rows with the smallest :func:`hash_order`."""
    return sorted(rows, key=lambda row: hash_order(row.youtube_id, seed))[:count]


def first_of_each(
    rows: Iterable[ClipRow], concepts: Iterable[Concept], count: int, seed: int | None
) -> list[ClipRow]:
    """The first ``count`` rows of each concept in hash order."""
    by_concept: dict[str, list[ClipRow]] = {concept.name: [] for concept in concepts}
    for row in rows:
        by_concept[row.concept].append(row)
    return [row for own in by_concept.values() for row in first_by_hash(own, count, seed)]


def split_by_hash(
    selection: Selection, concepts: Sequence[Concept], rule: SplitRule
) -> dict[Split, list[ClipRow]]:
    """Train, validation and test by hash order, as :class:`SplitRule` says.

    Raises
    ------
    FaultsError
        If a concept has too few candidates to leave one for training.
    """
    splits: dict[Split, list[ClipRow]] = {"train": [], "validation": [], "test": []}
    faults: list[Fault] = []
    test, validation = rule.test_per_concept, rule.validation_per_concept
    for concept in concepts:
        rows = selection.of_concept(concept.name)
        if len(rows) <= test + validation:
            reason = (
                f"{len(rows)} candidates; {test} for test, {validation} for validation "
                "and 1 for training are needed"
            )
            faults.append(Fault("too few candidates", f"concept {concept.name}", reason))
        ordered = first_by_hash(rows, len(rows), rule.seed)
        splits["test"] += ordered[:test]
        splits["validation"] += ordered[test : test + validation]
        rest = ordered[test + validation :]
        splits["train"] += rest[: rule.train_per_concept]
    if faults:
        raise FaultsError(
            "some concepts have too few clips",
            faults,
            fix="give them more tags, or lower --test-per-concept or --validation-per-concept",
        )
    return splits


def split_released(
    selection: Selection,
    concepts: Sequence[Concept],
    rule: SplitRule,
    *,
    training: Sequence[str],
    test: Sequence[str],
) -> tuple[dict[Split, list[ClipRow]], list[ClipRow]]:
    """Train, validation and test by the authors' lists; and the candidates in neither.

    Parameters
    ----------
    training, test
        The YouTube ids of the released lists.
    rule
        Per concept, the ``validation_per_concept`` released training clips that
        come first in hash order are the validation split.

    Raises
    ------
    FaultsError
        If a released clip is no candidate, or is in both lists.
    """
    both = set(training) & set(test)
    faults = [Fault("in both lists", youtube_id, "is in training and test") for youtube_id in both]
    for youtube_id in (*training, *test):
        if youtube_id not in selection.candidates:
            rejection = selection.rejections.get(youtube_id)
            reason = rejection.reason if rejection else "AudioCaps has no such clip"
            faults.append(Fault("no candidate", youtube_id, reason))
    if faults:
        raise FaultsError("the released lists do not follow from the concepts", sorted(faults))
    released = [selection.candidates[youtube_id] for youtube_id in training]
    validation = first_of_each(released, concepts, rule.validation_per_concept, rule.seed)
    held_out = {row.youtube_id for row in validation}
    in_lists = {*training, *test}
    splits: dict[Split, list[ClipRow]] = {
        "train": [row for row in released if row.youtube_id not in held_out],
        "validation": validation,
        "test": [selection.candidates[youtube_id] for youtube_id in test],
    }
    left = [row for row in selection.candidates.values() if row.youtube_id not in in_lists]
    return splits, left


def count_by_concept(rows: Iterable[ClipRow]) -> Counter[str]:
    """How many rows each concept has."""
    return Counter(row.concept for row in rows)
