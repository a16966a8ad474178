"""What a benchmark is made from: its concepts, how it is split, how it is mixed.

A definition is a YAML file (``concepts.yaml`` in a manifest folder)::

    schema_version: 1
    name: my-benchmark
    title: My benchmark
    audiocaps_version: 1
    concepts:
      - {name: rain, tags: [Rain, Raindrop]}
      - {name: dog, root: Animal, tags: [Dog, Bow-wow]}
    split: {test_per_concept: 20, validation_per_concept: 2, seed: 1}
    mixtures: {noises_per_target: 5, snr_db: [-5, 5], seed: 1}

A clip is a candidate for a concept when all of its AudioSet labels are tags of
that concept.  Unknown keys, wrong types and unknown tags are refused with file
and line.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lassbench.checked import Count, Finite, Impossible, SampleRate, Seconds, Strict, Text, Title
from lassbench.records import CLIP_SECONDS, SAMPLE_RATE_HZ, TAG_SEPARATOR
from lassbench.yaml_files import read_yaml, to_yaml

SCHEMA_VERSION = 1
SuiteKind = Literal["test", "absent", "sub_test"]
SUITE_KINDS: tuple[SuiteKind, ...] = ("test", "absent", "sub_test")
#: Names of benchmarks, concepts and suites become file names and id prefixes.
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Tag = Annotated[str, Field(min_length=1, max_length=200)]
Positive = Annotated[int, Field(ge=1, le=10**9)]


class Concept(Strict):
    """One kind of sound: a set of AudioSet tags.

    Attributes
    ----------
    root
        The root category's display name; needed only where the tags have
        several in common.
    tags
        AudioSet display names that clips of the concept may carry.
    inferred_tags
        Further ones, which no clip carries: they are listed and change nothing,
        and building the benchmark proves it.
    """

    name: Slug
    root: Annotated[str, Field(max_length=200)] = ""
    tags: tuple[Tag, ...] = Field(min_length=1)
    inferred_tags: tuple[Tag, ...] = ()

    @property
    def all_tags(self) -> tuple[str, ...]:
        """The tags, then the inferred ones."""
        return self.tags + self.inferred_tags


class SplitRule(Strict):
    """How candidates become train, validation and test.

    ``hash``: per concept, in the order of the SHA-256 hex digests of
    ``<seed>:<youtube_id>`` (of ``<youtube_id>`` if there is no seed), the first
    are test, the next validation, the rest (or ``train_per_concept`` of it)
    train.  ``released``: the authors'
    lists say which are train and test, and the first of train are validation.
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
    """A benchmark's definition.

    Attributes
    ----------
    paper
        Figures that a publication gives, by name, for the card to set beside
        what is counted.
    """

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
    paper: dict[str, int | Finite | Text] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Definition:
        first: dict[str, int] = {}
        for number, concept in enumerate(self.concepts):
            if first.setdefault(concept.name, number) != number:
                reason = f"concept {concept.name!r} stands twice"
                raise Impossible(reason, "concepts", number, "name")
            for tag, count in Counter(concept.all_tags).items():
                reason = f"concept {concept.name!r} has tag {tag!r} twice" if count > 1 else ""
                if TAG_SEPARATOR in tag:
                    reason = f"a tag cannot hold {TAG_SEPARATOR!r}, as {tag!r} does"
                if reason:
                    raise Impossible(reason, "concepts", number, "tags")
        if (self.split.rule == "released") != (self.mixtures.rule == "released"):
            raise ValueError("split and mixtures must both follow the released lists, or neither")
        return self

    def suite_name(self, kind: SuiteKind) -> str:
        """The name of one of the suites."""
        return getattr(self.suites, kind) or f"{self.name}-{kind.replace('_', '-')}"

    def concept(self, name: str) -> Concept:
        """The concept called ``name``."""
        return next(concept for concept in self.concepts if concept.name == name)


def read_definition(path: Path) -> Definition:
    """Read a definition.

    Raises
    ------
    FaultsError
        If the file is not YAML, or a key is unknown or missing or a value cannot be,
        with file, line and the nearest key.
    """
    return read_yaml(
        path,
        Definition,
        what="the concept file is wrong",
        fix="see `lassbench select --help`",
    )


def write_definition(definition: Definition) -> str:
    """The YAML text of ``definition``, every value written out."""
    data = definition.model_dump(mode="json")
    return (
        "# What this benchmark is made from.  `lassbench select --help` explains the keys.\n"
        f"{to_yaml(data)}"
    )
