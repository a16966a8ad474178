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
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lassbench.errors import Fault, FaultsError, LassbenchError, did_you_mean
from lassbench.files import read_text
from lassbench.records import TAG_SEPARATOR

SCHEMA_VERSION = 1
SuiteKind = Literal["test", "absent", "sub_test"]
SUITE_KINDS: tuple[SuiteKind, ...] = ("test", "absent", "sub_test")
#: Names of benchmarks, concepts and suites become file names and id prefixes.
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Tag = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Concept(_Strict):
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
    root: str = ""
    tags: tuple[Tag, ...] = Field(min_length=1)
    inferred_tags: tuple[Tag, ...] = ()

    @property
    def all_tags(self) -> tuple[str, ...]:
        """The tags, then the inferred ones."""
        return self.tags + self.inferred_tags


class SplitRule(_Strict):
    """How candidates become train, validation and test.

    ``hash``: per concept, in the order of the SHA-256 hex digests of
    ``<seed>:<youtube_id>`` (of ``<youtube_id>`` if there is no seed), the first
    are test, the next validation, the rest (or ``train_per_concept`` of it)
    train.  ``released``: the authors'
    lists say which are train and test, and the first of train are validation.
    """

    rule: Literal["hash", "released"] = "hash"
    test_per_concept: int = Field(default=20, ge=1)
    validation_per_concept: int = Field(default=2, ge=0)
    train_per_concept: int | None = Field(default=None, ge=1)
    seed: int | None = None


class MixtureRule(_Strict):
    """How test mixtures are listed: ``planned`` (``lassbench.mixtures``) or the authors' list."""

    rule: Literal["planned", "released"] = "planned"
    noises_per_target: int = Field(default=5, ge=1)
    snr_db: tuple[float, float] = (0.0, 0.0)
    seed: int = 0

    @model_validator(mode="after")
    def _low_first(self) -> MixtureRule:
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError("snr_db must be [low, high]")
        return self


class SuiteNames(_Strict):
    """What the suites are called; ``""`` stands for ``<benchmark>-<kind>``."""

    test: Slug | Literal[""] = ""
    absent: Slug | Literal[""] = ""
    sub_test: Slug | Literal[""] = ""


class SubTestRule(_Strict):
    """Which test clips annotators describe: per concept, the first in hash order."""

    clips_per_concept: int = Field(default=5, ge=1)
    annotators: int = Field(default=5, ge=1)


class Definition(_Strict):
    """A benchmark's definition.

    Attributes
    ----------
    paper
        Figures that a publication gives, by name, for the card to set beside
        what is counted.
    """

    schema_version: Literal[1] = 1
    name: Slug
    title: str = ""
    description: str = ""
    audiocaps_version: Literal[1, 2] = 1
    sample_rate_hz: int = Field(default=32000, ge=1000)
    clip_seconds: float = Field(default=10.0, gt=0.0)
    concepts: tuple[Concept, ...] = Field(min_length=2)
    split: SplitRule = SplitRule()
    mixtures: MixtureRule = MixtureRule()
    suites: SuiteNames = SuiteNames()
    sub_test: SubTestRule | None = None
    paper: dict[str, int | float | str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Definition:
        twice = [name for name, n in Counter(c.name for c in self.concepts).items() if n > 1]
        if twice:
            raise ValueError(f"concept {twice[0]!r} stands twice")
        for concept in self.concepts:
            tags = Counter(concept.all_tags)
            doubled = [tag for tag, n in tags.items() if n > 1 or TAG_SEPARATOR in tag]
            if doubled:
                raise ValueError(f"concept {concept.name!r} has tag {doubled[0]!r} twice")
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
    LassbenchError
        If the file is not YAML.
    FaultsError
        If a key is unknown or missing or a value has the wrong type, with file,
        line and the nearest key.
    """
    text = read_text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise LassbenchError(f"is not YAML: {error.problem}", where=where) from error
    except yaml.YAMLError as error:
        raise LassbenchError(f"is not YAML: {error}", where=path) from error
    if not isinstance(data, dict):
        raise LassbenchError(
            "is not a concept file", where=path, expected="keys such as name and concepts"
        )
    faults = _doubled_keys(node, path)
    if not faults:
        try:
            return Definition.model_validate(data)
        except ValidationError as error:
            faults = [_fault(detail, node, path) for detail in error.errors()]
    raise FaultsError("the concept file is wrong", faults, fix="see `lassbench select --help`")


def _fault(detail: Any, node: Any, path: Path) -> Fault:
    location = tuple(part for part in detail["loc"] if isinstance(part, (str, int)))
    name = ".".join(str(part) for part in location) or "the file"
    where = f"{path}:{_line(node, location)}"
    if detail["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        near = did_you_mean(str(location[-1]), known)
        return Fault("unknown key", where, f"{name} is not a key{near}")
    if detail["type"] == "missing":
        return Fault("missing key", where, f"{name} is missing")
    message = str(detail["msg"]).removeprefix("Value error, ")
    return Fault("wrong value", where, f"{name}: {message}")


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    """The keys of the model that ``location`` leads to."""
    models: dict[str, type[BaseModel]] = {
        "concepts": Concept,
        "split": SplitRule,
        "mixtures": MixtureRule,
        "suites": SuiteNames,
        "sub_test": SubTestRule,
    }
    model = models.get(str(location[0]), Definition) if location else Definition
    return list(model.model_fields)


def _line(node: Any, location: tuple[str | int, ...]) -> int:
    """The line of the value that ``location`` leads to, as far as the file has it."""
    line = int(node.start_mark.line) + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = [(child, child) for child in node.value[part : part + 1]]
        else:
            found = []
        if not found:
            break
        line, node = int(found[0][0].start_mark.line) + 1, found[0][1]
    return line


def _doubled_keys(root: Any, path: Path) -> list[Fault]:
    """YAML lets a key stand twice and keeps the last; here that is a fault."""
    faults: list[Fault] = []
    waiting, visited = [root], set()
    while waiting:
        node = waiting.pop()
        # An alias can make a node its own child.
        if id(node) in visited or not isinstance(node, yaml.CollectionNode):
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
            continue
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = int(key.start_mark.line) + 1
            if key.value in seen:
                reason = f"{key.value} stands on line {seen[key.value]} too"
                faults.append(Fault("duplicated key", f"{path}:{line}", reason))
            seen[key.value] = line
            waiting.append(value)
    return sorted(faults)


def write_definition(definition: Definition) -> str:
    """The YAML text of ``definition``, every value written out."""
    data = definition.model_dump(mode="json")
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    return (
        f"# What this benchmark is made from.  `lassbench select --help` explains the keys.\n{text}"
    )
