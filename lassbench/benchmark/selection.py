"""Selection: the concept file, and the rule by which it chooses clips and splits them.

The concept file is YAML (``concepts.yaml`` in a manifest folder); `lassbench select --help`
has an example.

The rule is the one behind the authors' released lists (FACTS, section 1): **a clip
is a candidate for a concept when all of its AudioSet labels are tags of that
concept.**  Any other label disqualifies it, so that a clip holds one kind of
sound only.  Every clip that is not a candidate has a reason.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lassbench import csv_files
from lassbench.benchmark.metadata import YOUTUBE_ID, CaptionedClip, Metadata, Segment
from lassbench.benchmark.ontology import Ontology
from lassbench.benchmark.words import word_fault, words_of
from lassbench.checked import (
    Count,
    Finite,
    Impossible,
    SampleRate,
    Seconds,
    Strict,
    Text,
    Title,
    ruled,
    validate,
)
from lassbench.errors import Fault, FaultsError, UsageError, UsageFaultsError
from lassbench.records import CLIP_SECONDS, SAMPLE_RATE_HZ, SPLITS, Clip, Split
from lassbench.yaml_files import read_yaml, to_yaml

SuiteKind = Literal["test", "absent", "sub_test"]
#: Names of benchmarks, concepts and suites become file names and id prefixes.
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Tag = Annotated[str, Field(min_length=1, max_length=200)]
#: What :func:`lassbench.benchmark.words.names` looks for: ``bark*``, ``fire truck``.
Word = Annotated[str, Field(max_length=100), ruled(word_fault)]
Positive = Annotated[int, Field(ge=1, le=10**9)]


class Concept(Strict):
    """One kind of sound: the AudioSet tags that its clips may carry.

    Attributes
    ----------
    root
        The root category's display name; needed only where the tags have
        several in common.
    inferred_tags
        Further tags, which no clip carries: they are listed and change nothing.
    words
        What in a sentence names the concept; by default its name and its tags'.
    """

    name: Slug
    root: Annotated[str, Field(max_length=200)] = ""
    tags: tuple[Tag, ...] = Field(min_length=1)
    inferred_tags: tuple[Tag, ...] = ()
    words: tuple[Word, ...] = ()

    @property
    def all_tags(self) -> tuple[str, ...]:
        """The tags, then the inferred ones."""
        return self.tags + self.inferred_tags


class SplitRule(Strict):
    """How candidates become train, validation and test.

    ``hash``: per concept, in the order of the SHA-256 hex digests of
    ``<seed>:<youtube_id>`` (of ``<youtube_id>`` if there is no seed), the first
    are test, the next validation, the rest (or ``train_per_concept`` of it) train.
    ``released``: the authors' lists say which are train and test, and the first of train
    are validation.
    """

    rule: Literal["hash", "released"] = "hash"
    test_per_concept: Positive = 20
    validation_per_concept: Count = 2
    train_per_concept: Positive | None = None
    seed: int | None = None


class MixtureRule(Strict):
    """How test mixtures are listed: ``planned`` (``mixtures.plan``) or the authors' list."""

    rule: Literal["planned", "released"] = "planned"
    noises_per_target: Positive = 5
    snr_db: tuple[Finite, Finite] = (0.0, 0.0)
    seed: int = 0

    @model_validator(mode="after")
    def _low_first(self) -> MixtureRule:
        if self.snr_db[0] > self.snr_db[1]:
            raise Impossible("must be [low, high]", "snr_db")
        return self


class SuiteNames(Strict):
    """What the suites are called; ``""`` stands for ``<benchmark>-<kind>``."""

    test: Slug | Literal[""] = ""
    absent: Slug | Literal[""] = ""
    sub_test: Slug | Literal[""] = ""


class SubTestRule(Strict):
    """Which test clips annotators describe: per concept, the first in hash order."""

    clips_per_concept: Positive = 5
    annotators: Positive = 5


class Definition(Strict):
    """A benchmark's definition: what a concept file says."""

    schema_version: Literal[1] = 1
    name: Slug
    title: Annotated[Title, Field(max_length=100)] = ""
    description: Text = ""
    audiocaps_version: Literal[1, 2] = 1
    sample_rate_hz: SampleRate = SAMPLE_RATE_HZ
    clip_seconds: Seconds = CLIP_SECONDS
    concepts: tuple[Concept, ...] = Field(min_length=2)
    split: SplitRule = SplitRule()
    mixtures: MixtureRule = MixtureRule()
    suites: SuiteNames = SuiteNames()
    sub_test: SubTestRule | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Definition:
        names = [concept.name for concept in self.concepts]
        for number, concept in enumerate(self.concepts):
            if names.index(concept.name) != number:
                reason = f"concept {concept.name!r} stands twice"
                raise Impossible(reason, "concepts", number, "name")
        if (self.split.rule == "released") != (self.mixtures.rule == "released"):
            raise ValueError("split and mixtures must both follow the released lists, or neither")
        return self

    def suite_name(self, kind: SuiteKind) -> str:
        """The name of one of the suites."""
        return getattr(self.suites, kind) or f"{self.name}-{kind.replace('_', '-')}"

    @property
    def words(self) -> dict[str, tuple[str, ...]]:
        """Concept -> the words that name it."""
        return {c.name: c.words or words_of(c.name, c.all_tags) for c in self.concepts}

    def concept(self, name: str) -> Concept:
        """The concept called ``name``."""
        return next(concept for concept in self.concepts if concept.name == name)


def read_definition(path: Path) -> Definition:
    """Read a concept file; errors are those of :func:`lassbench.yaml_files.read_yaml`."""
    what, fix = "the concept file is wrong", "see `lassbench select --help`"
    return read_yaml(path, Definition, what=what, fix=fix)


def write_definition(definition: Definition) -> str:
    """The YAML text of ``definition``, every value written out."""
    return (
        "# What this benchmark is made from.  `lassbench select --help` explains the keys.\n"
        f"{to_yaml(definition.model_dump(mode='json'))}"
    )


def vary(definition: Definition, changes: Mapping[str, object], *, name: str = "") -> Definition:
    """``definition`` with some values changed, under a name of its own.

    ``changes`` go by their key in ``split``, ``mixtures`` or the definition itself, in each
    that has the key: ``seed`` is of both splits and mixtures.  What is no longer as the
    authors released it is split by hash, and its mixtures are planned.

    Raises
    ------
    UsageError
        If a value is out of range, or something changes and ``name`` is not given.
    """
    if changes and name in ("", definition.name):
        raise UsageError(
            f"with these options it is no longer {definition.name}",
            fix="give the new benchmark a name of its own with --name",
        )
    values = definition.model_dump(mode="json") | {"name": name or definition.name}
    if changes and definition.split.rule == "released":
        values |= {"title": "", "suites": {}}
        values["description"] = f"Made from the concepts of {definition.name}."
        values["split"]["rule"], values["mixtures"]["rule"] = "hash", "planned"
    for part in (values["split"], values["mixtures"], values):
        part |= {key: value for key, value in changes.items() if key in part}
    return validate(
        Definition, values, what=f"{definition.name} cannot be varied so", error=UsageFaultsError
    )


# The rule -----------------------------------------------------------------------


def _ids(cell: str) -> tuple[int, ...]:
    return tuple(sorted(set(map(int, csv_files.split(cell)))))


#: How cells of a clip list are read and written; the clip's id follows from the others.
_CELLS: dict[str, tuple[Callable[[str], Any], Callable[[Any], str]]] = {
    "youtube_id": (str, str),
    "start_s": (float, "{:.3f}".format),
    "end_s": (float, "{:.3f}".format),
    "audiocap_ids": (_ids, csv_files.join),
    "audiocaps_split": (str, str),
    "concept": (str, str),
    "tags": (csv_files.split, csv_files.join),
}
#: Of ``train.csv``, ``validation.csv``, ``test.csv`` and ``not-released.csv``.
CLIP_COLUMNS = (*_CELLS, "clip_id")


@dataclass(frozen=True, slots=True)
class ClipRow:
    """One clip of a benchmark, as its lists have it; times in seconds.

    ``audiocap_ids`` are those of its captions, ascending: the first one's caption is its
    query.  ``audiocaps_split`` is AudioCaps's own: a system trained on AudioCaps ``train``
    has seen the clips for which this is ``train``.
    """

    youtube_id: str
    start_s: float
    end_s: float
    audiocap_ids: tuple[int, ...]
    audiocaps_split: str
    concept: str
    tags: tuple[str, ...]

    @property
    def clip_id(self) -> str:
        """``Y<youtube_id>``: AudioSet's habit, since ids may begin with ``-``."""
        return f"Y{self.youtube_id}"

    def clip(self, split: Split, captions: tuple[str, ...] = ()) -> Clip:
        """The clip, with what AudioCaps says of it."""
        return Clip(
            clip_id=self.clip_id,
            concept=self.concept,
            split=split,
            captions=captions,
            tags=self.tags,
            youtube_id=self.youtube_id,
            start_s=self.start_s,
            end_s=self.end_s,
        )

    def cells(self) -> tuple[str, ...]:
        """The row as CSV cells, in the order of :data:`CLIP_COLUMNS`."""
        written = (write(getattr(self, column)) for column, (_, write) in _CELLS.items())
        return (*written, self.clip_id)

    @classmethod
    def read(cls, cells: csv_files.Row, tags_of: Mapping[str, set[str]]) -> ClipRow | None:
        """The row of these cells, unless we would not write it; ``tags_of`` concepts."""
        try:
            row = cls(**{column: read(cells[column]) for column, (read, _) in _CELLS.items()})
        except ValueError:
            return None
        right = (
            YOUTUBE_ID.fullmatch(row.youtube_id)
            and 0.0 <= row.start_s < row.end_s < math.inf
            and row.audiocap_ids
            and row.tags
            and set(row.tags) <= tags_of.get(row.concept, set())
            and row.cells() == tuple(cells[column] for column in CLIP_COLUMNS)
        )
        return row if right else None


def resolve_roots(definition: Definition, ontology: Ontology) -> Definition:
    """``definition`` with the root category of every concept written out.

    Raises
    ------
    LassbenchError
        If a tag is unknown or no label of clips, or a concept's tags do not stand under the
        named root, or under one alone where none is named.
    """
    faults: list[Fault] = []
    concepts: list[Concept] = []
    for concept in definition.concepts:
        where = f"concept {concept.name}"
        mids = [ontology.mid(tag) for tag in concept.all_tags]
        for mid in set(mids) - ontology.labels:
            reason = f"no AudioSet clip can carry {ontology.name(mid)!r}: name one of its "
            reason += "children that is in class_labels_indices.csv"
            faults.append(Fault("no label", where, reason))
        common = [ontology.name(root) for root in ontology.common_roots(mids)]
        fitting = [root for root in common if concept.root in ("", root)]
        if len(fitting) != 1:
            shared = ", ".join(common) or "none"
            reason = f"name its root: its tags have {shared} in common"
            faults.append(Fault("no root", where, reason))
        concepts += [concept.model_copy(update={"root": root}) for root in fitting]
    if faults:
        raise FaultsError(f"the concepts of {definition.name} do not fit the ontology", faults)
    return definition.model_copy(update={"concepts": tuple(concepts)})


#: Kinds of rejection for want of labels to judge by, and what a benchmark's maker should know.
UNLABELLED = {
    "no AudioSet row": "have no row in the segment list and were left out; is it whole?",
    "other start": "start elsewhere than AudioSet's and were left out",
}


@dataclass(frozen=True)
class Selection:
    """youtube_id -> row, in the order of the ids; or why not, and where AudioCaps has it."""

    candidates: Mapping[str, ClipRow]
    rejections: Mapping[str, Fault]


def select(concepts: Sequence[Concept], data: Metadata) -> Selection:
    """Decide for every clip whether it is a candidate, by its labels alone.

    Raises
    ------
    FaultsError
        If a clip of AudioCaps 1 has no row of AudioSet at its start time: all 51,308
        have one, so that is a damaged file.
    """
    sets = {c.name: frozenset(map(data.ontology.mid, c.all_tags)) for c in concepts}
    candidates: dict[str, ClipRow] = {}
    rejections: dict[str, Fault] = {}
    for youtube_id, clip in sorted(data.captioned.items()):
        segment = data.segments.get(youtube_id)
        kind, told = _judge(clip, segment, sets, data.ontology)
        if segment is None or kind:
            rejections[youtube_id] = Fault(kind, clip.where, told)
            continue
        candidates[youtube_id] = ClipRow(
            youtube_id=youtube_id,
            start_s=segment.start_s,
            end_s=segment.end_s,
            audiocap_ids=tuple(clip.captions),
            audiocaps_split=clip.audiocaps_split,
            concept=told,
            tags=tuple(map(data.ontology.name, segment.mids)),
        )
    faults = [
        replace(fault, reason=f"{youtube_id}: {fault.reason}")
        for youtube_id, fault in rejections.items()
        if fault.kind in UNLABELLED
    ]
    if data.version == 1 and faults:
        raise FaultsError(
            "AudioCaps and AudioSet do not agree", faults, fix="restore the metadata files"
        )
    return Selection(candidates, rejections)


def _judge(
    clip: CaptionedClip,
    segment: Segment | None,
    sets: Mapping[str, frozenset[str]],
    ontology: Ontology,
) -> tuple[str, str]:
    """``""`` and the one concept whose tags include all labels; or kind and reason why not."""
    if segment is None:
        return "no AudioSet row", "AudioSet's segment list has no row for this video"
    if segment.start_s != clip.start_s:
        reason = f"AudioCaps's clip starts at {clip.start_s:g} s, AudioSet's labels are of "
        return "other start", f"{reason}{segment.start_s:g} s"
    mids = segment.mids
    fits = [name for name, tags in sets.items() if tags.issuperset(mids)]
    if fits:
        reason = f"its labels fit each of {', '.join(fits)}"
        return ("several concepts", reason) if len(fits) > 1 else ("", fits[0])
    nearest = max(sets, key=lambda name: len(sets[name].intersection(mids)))
    outside = ", ".join(repr(ontology.name(mid)) for mid in mids if mid not in sets[nearest])
    return "other sound", f"no concept has all of its labels: {nearest} lacks {outside}"


def hash_order(youtube_id: str, seed: int | None = None) -> str:
    """What clips are sorted by: SHA-256 of the id, or of ``<seed>:<id>``, in hexadecimal."""
    text = youtube_id if seed is None else f"{seed}:{youtube_id}"
    return hashlib.sha256(text.encode()).hexdigest()


def in_hash_order(
    rows: Iterable[ClipRow], concepts: Iterable[Concept], seed: int | None
) -> dict[str, list[ClipRow]]:
    """Concept -> its rows, those with the smallest :func:`hash_order` first."""
    ordered = sorted(rows, key=lambda row: hash_order(row.youtube_id, seed))
    return {c.name: [row for row in ordered if row.concept == c.name] for c in concepts}


def split_by_hash(
    selection: Selection, concepts: Sequence[Concept], rule: SplitRule
) -> dict[Split, list[ClipRow]]:
    """Train, validation and test by hash order, as :class:`SplitRule` says.

    Raises
    ------
    FaultsError
        If a concept has too few candidates to leave one for training.
    """
    splits: dict[Split, list[ClipRow]] = {split: [] for split in SPLITS}
    faults: list[Fault] = []
    test, validation = rule.test_per_concept, rule.validation_per_concept
    of_concepts = in_hash_order(selection.candidates.values(), concepts, rule.seed)
    for name, rows in of_concepts.items():
        if len(rows) <= test + validation:
            reason = f"{len(rows)} candidates, more than {test + validation} are needed"
            faults.append(Fault("too few candidates", f"concept {name}", reason))
        splits["test"] += rows[:test]
        splits["validation"] += rows[test : test + validation]
        splits["train"] += rows[test + validation :][: rule.train_per_concept]
    if faults:
        raise FaultsError(
            "some concepts have too few clips",
            faults,
            fix="give them more tags, or lower --test-per-concept or --validation-per-concept",
        )
    return splits


def explain(
    youtube_id: str,
    data: Metadata,
    selection: Selection,
    splits: Mapping[Split, Sequence[ClipRow]],
) -> str:
    """Why a clip is where it is; its id may have a leading ``Y``."""
    clip = data.captioned.get(youtube_id) or data.captioned.get(youtube_id.removeprefix("Y"))
    if clip is None:
        raise UsageError(
            f"AudioCaps {data.version} has no clip of video {youtube_id!r}",
            expected="a YouTube id of 11 characters, with or without a leading Y",
        )
    youtube_id, segment = clip.youtube_id, data.segments.get(clip.youtube_id)
    lines = [f"{youtube_id}: AudioCaps {clip.audiocaps_split}, from {clip.start_s:g} s"]
    if segment is not None:
        lines[0] += f" to {segment.end_s:g} s"
        labels = ", ".join(f"{data.ontology.name(mid)} ({mid})" for mid in segment.mids)
        lines.append(f"  labels    {labels}")
    lines.append(f"  captions  audiocap_id {', '.join(map(str, clip.captions))}")
    rejection = selection.rejections.get(youtube_id)
    if rejection is not None:
        return "\n".join([*lines, f"  rejected  {rejection.kind}: {rejection.reason}"])
    concept = selection.candidates[youtube_id].concept
    lines.append(f"  concept   {concept}: all of its labels are tags of {concept}")
    of = [s for s, rows in splits.items() if youtube_id in {row.youtube_id for row in rows}]
    lines.append(f"  split     {of[0] if of else 'none: the authors did not release it'}")
    return "\n".join(lines)


def rejections_text(selection: Selection) -> str:
    """Every rejected clip with its reason, as CSV."""
    rows = ((y, r.kind, r.reason) for y, r in selection.rejections.items())
    return csv_files.write_sheet(("youtube_id", "kind", "reason"), rows)


def label_warnings(selection: Selection) -> list[str]:
    """What a maker of a benchmark should know: clips that have no labels to judge by."""
    kinds = Counter(rejection.kind for rejection in selection.rejections.values())
    return [f"{kinds[kind]} clips {note}" for kind, note in UNLABELLED.items() if kinds[kind]]
