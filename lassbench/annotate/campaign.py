"""What is to be described: the clips, their mixtures, the annotators, the instructions.

For a dataset of a frozen benchmark the clips and mixtures are the benchmark's
own sub-test (LASS-2022: 50 clips, 250 mixtures, 1250 queries).  For any other
dataset the same rule is applied: of each concept the first test clips in hash
order, in the mixtures of the dataset's default test suite.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from lassbench import files
from lassbench.checked import PathName, validate
from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.records import Mixture, QueryType

if TYPE_CHECKING:
    from lassbench.dataset import Dataset

SCHEMA_VERSION = 1

#: Who or what wrote a description.  ``annotator``: a person, on this package's
#: page.  ``annotator-elsewhere``: a person, imported.  ``templated``: a template.
DescriptionSource = Literal["annotator", "annotator-elsewhere", "templated"]
SOURCES: tuple[DescriptionSource, ...] = get_args(DescriptionSource)
#: What a query made of such a description is called in a suite.
QUERY_TYPES: Mapping[str, QueryType] = {
    "annotator": "annotator",
    "annotator-elsewhere": "annotator",
    "templated": "templated",
}

#: Languages that the check of the language knows, by ISO 639-1 code.
LANGUAGES = {
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "nl": "Dutch",
    "pt": "Portuguese",
}

MOST_ANNOTATORS = 99


@dataclass(frozen=True)
class Campaign:
    """One collection of descriptions.

    Attributes
    ----------
    name
        Of the suite to be frozen, such as ``lass-sub-test``.
    clips
        Ids of the clips to describe that the dataset has, in the list's order.
    absent
        Ids of those that it lacks: nobody can listen to them here.
    mixtures
        Every mixture of the list, those of ``absent`` clips too: their place
        numbers the queries.
    annotators
        Pseudonyms, ``a1`` and on.  Names are never asked for.
    language
        ISO 639-1 code of the language to write in.
    seed
        Of the orders in which annotators hear the clips.
    guidelines, consent
        The texts that annotators read, as they were when the campaign began.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # pydantic reads it so
    name: PathName
    title: str
    dataset_name: str
    dataset_fingerprint: str
    clips: tuple[PathName, ...]
    absent: tuple[PathName, ...]
    mixtures: tuple[Mixture, ...]
    annotators: tuple[PathName, ...]
    language: str
    seed: int
    guidelines: str
    consent: str

    @property
    def guidelines_version(self) -> str:
        """First twelve digits of the SHA-256 of the guidelines."""
        return text_version(self.guidelines)

    @property
    def consent_version(self) -> str:
        """First twelve digits of the SHA-256 of the consent text."""
        return text_version(self.consent)

    def order(self, annotator: str) -> list[str]:
        """The clips in the order in which ``annotator`` hears them."""

        def place(clip_id: str) -> str:
            return hashlib.sha256(f"{self.seed}:{annotator}:{clip_id}".encode()).hexdigest()

        return sorted(self.clips, key=place)

    def query_ids(self) -> dict[tuple[str, str], str]:
        """(mixture_id, annotator) -> query_id, in the list's order."""
        return {
            (mixture.mixture_id, annotator): f"{self.name}-{number:04d}-{annotator}"
            for number, mixture in enumerate(self.mixtures, start=1)
            for annotator in self.annotators
        }

    def to_json(self) -> str:
        """The campaign as JSON text."""
        return files.to_json({"schema_version": SCHEMA_VERSION, **asdict(self)})

    @classmethod
    def from_json(cls, text: str, where: object) -> Campaign:
        """The campaign in a store.

        Raises
        ------
        LassbenchError
            If it is damaged, or another version of lassbench wrote it in another form.
        """
        fix = "restore the store from a copy"
        fields = files.parse_json(text, where=where, fix=fix)
        version = fields.pop("schema_version", None) if isinstance(fields, dict) else None
        if version != SCHEMA_VERSION:
            raise LassbenchError(
                "this store was written in another form",
                where=where,
                expected=f"schema version {SCHEMA_VERSION}",
                got=one_line(str(version), 80),
                fix="use the version of lassbench that made it",
            )
        return validate(cls, fields, what="the store is damaged", where=where, fix=fix)


def text_version(text: str) -> str:
    """What a version of a text is called: twelve digits of its SHA-256."""
    return files.sha256_bytes(text.encode())[:12]


def default_text(name: Literal["guidelines", "consent"]) -> str:
    """The text of that name that came with the package."""
    return (Path(__file__).parent / "texts" / f"{name}.txt").read_text(encoding="utf-8")


def plan_campaign(
    dataset: Dataset,
    *,
    clips_per_concept: int = 5,
    annotators: int = 5,
    noises: int = 5,
    language: str = "en",
    seed: int = 0,
    guidelines: str = "",
    consent: str = "",
) -> Campaign:
    """Choose the clips to describe.

    Parameters
    ----------
    clips_per_concept, annotators, noises
        For datasets without a frozen sub-test; a frozen one has its own numbers.
    guidelines, consent
        Texts to show; by default the package's own.

    Raises
    ------
    UsageError
        If a number or the language makes no sense, or no clip is there to hear.
    """
    if not 1 <= annotators <= MOST_ANNOTATORS or clips_per_concept < 1:
        raise UsageError(
            "cannot plan the descriptions",
            expected=f"1 to {MOST_ANNOTATORS} annotators and 1 clip a concept or more",
            got=f"{annotators} annotators, {clips_per_concept} clips a concept",
        )
    if language not in LANGUAGES:
        raise UsageError(
            "the language cannot be checked", expected=", ".join(LANGUAGES), got=language
        )
    frozen = _frozen(dataset)
    name, mixtures, people = frozen or (
        f"{dataset.name}-sub-test",
        _planned(dataset, clips_per_concept, noises, seed),
        [f"a{number}" for number in range(1, annotators + 1)],
    )
    targets = list(dict.fromkeys(mixture.target_id for mixture in mixtures))
    present = tuple(clip_id for clip_id in targets if clip_id in dataset.clips)
    if not present:
        raise UsageError(
            "none of the clips to describe is in the dataset",
            where=dataset.path,
            fix="build it with its test clips",
        )
    return Campaign(
        name=name,
        title=f"{name}: descriptions of {dataset.title}",
        dataset_name=dataset.name,
        dataset_fingerprint=dataset.fingerprint,
        clips=present,
        absent=tuple(clip_id for clip_id in targets if clip_id not in dataset.clips),
        mixtures=tuple(mixtures),
        annotators=tuple(people),
        language=language,
        seed=seed,
        guidelines=guidelines or default_text("guidelines"),
        consent=consent or default_text("consent"),
    )


def _frozen(dataset: Dataset) -> tuple[str, list[Mixture], list[str]] | None:
    """Name, mixtures and annotators of the benchmark's sub-test, if it has one."""
    from lassbench.benchmark import manifests

    if not dataset.card.benchmark:
        return None
    benchmark = manifests.open_benchmark(dataset.card.benchmark)
    name = benchmark.definition.suite_name("sub_test")
    if name not in benchmark.suites:
        return None
    rows = manifests.suite_rows(benchmark, name)
    mixtures = list(dict.fromkeys(mixture for _, mixture in rows))
    return name, mixtures, list(dict.fromkeys(row["annotator"] for row, _ in rows))


def _planned(dataset: Dataset, per_concept: int, noises: int, seed: int) -> Sequence[Mixture]:
    from lassbench.benchmark.selection import hash_order
    from lassbench.suites.freezing import plan_separation

    by_concept: dict[str, list[str]] = defaultdict(list)
    for clip in dataset.split("test"):
        by_concept[clip.concept].append(clip.clip_id)
    chosen = {
        clip_id
        for clips in by_concept.values()
        for clip_id in sorted(clips, key=lambda c: hash_order(c, seed or None))[:per_concept]
    }
    # The mixtures of the suite that `lassbench freeze DATASET` makes, under the same ids.
    planned = plan_separation(dataset, noises=noises).mixtures
    return [mixture for mixture in planned if mixture.target_id in chosen]
