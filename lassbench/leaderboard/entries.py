"""What is on disk: entries, suites, and figures reported by others.

A leaderboard folder::

    suites/<suite>.json             SuiteCard: what the suite is, its list fingerprint
    entries/<suite>/<system>.json   Entry: the system's card, what was scored, standing, links
    entries/<suite>/<system>.parquet    its per-query rows (``lassbench.scores.rows``)
    reported/<source>.json          Reported: figures of a publication, on other test sets
    site.json                       SiteCard: where to send entries, how to cite
    examples/<suite>/               audio for the listening page (see ``examples``)
    tables/                         made by `lassbench leaderboard build`
    entry.schema.json               the published schema of an entry

Whatever can be computed is not stored: every mean, interval and rank comes from the rows,
the metrics from their columns, the standing from what an entry holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from lassbench import files
from lassbench.checked import (
    Count,
    Finite,
    Impossible,
    Label,
    PathName,
    Sha256,
    Strict,
    Text,
    WebAddress,
    read_record,
    ruled,
)
from lassbench.files import name_of
from lassbench.plain_text import refused_character, text_fault, url_fault
from lassbench.scores.rows import METRICS, Kind, Policy, in_order
from lassbench.scores.score_file import (
    JSON_LIMIT,
    Contamination,
    Coverage,
    ScoreFile,
    Scores,
    SuiteInfo,
    SystemInfo,
    heard_in_training,
)
from lassbench.scores.summary import Cell, Summary

#: What tables and pages break a metric down by.
BREAKDOWN_VIEWS = ("concept", "annotator")

#: Kinds of suites that have a table.  Of recordings without references a CLAP model's opinion
#: is all there is, and two models' opinions are not comparable.
TableKind = Literal["separation", "absent"]
#: Metrics of the tables, in their order: the first is what a table is sorted by, and
#: higher is better in all of them.
TABLE_METRICS: Mapping[Kind, tuple[str, ...]] = {
    "separation": ("si_sdr_i", "sdr_i", "sir_i", "sar", "snr_i"),
    "absent": ("attenuation", "silent_share"),
}

#: ``verified``: scored again here from the predictions.  ``submitted``: as sent
#: in.  ``partial``: predictions were missing, never ranked.  (``reported``
#: figures are records of their own, :class:`Reported`.)
Standing = Literal["verified", "submitted", "partial"]


# Latin and Cyrillic letters in one word look alike and are not: somebody
# else's name, spelt with other letters.
_MIXED_SCRIPTS = re.compile(r"[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")
_NAME_REFUSED = set('<>"`|\\{}$^~')
# Device names that Windows does not allow as a file name, and names of the
# site's own pages.
_RESERVED = {"con", "prn", "aux", "nul", "index"} | {
    f"{port}{digit}" for port in ("com", "lpt") for digit in range(1, 10)
}


def slug(name: str) -> str:
    """The file stem that a system of this name has: ASCII, lower case."""
    folded = unicodedata.normalize("NFKD", name)
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    return name_of(plain).lower()


def name_fault(name: str) -> str:
    """Why ``name`` cannot be a system's name, or ``""`` if it can."""
    if general := text_fault(name, limit=80):
        return general
    if any(unicodedata.category(char) == "Cf" for char in name):
        return "holds an invisible character"
    if refused := sorted(_NAME_REFUSED & set(name)):
        return f"holds {' '.join(refused)}, which a name may not"
    if _MIXED_SCRIPTS.search(name):
        return "mixes Latin and Cyrillic letters in one word"
    if name != " ".join(name.split()):
        return "starts or ends with a space, or has two in a row"
    if not re.search(r"[a-z0-9]", slug(name)) or (slug(name) == "system" and name != "system"):
        return "has no Latin letter or digit to make a file name from"
    if slug(name) in _RESERVED:
        return "is reserved, choose another"
    return ""


class Published(Strict):
    """A record whose texts stand on pages and in tables.

    ``multiline`` are the dotted keys of those that may have line breaks, ``free`` are keys
    of texts that only must be legible: makers of sounds call themselves what they like.
    """

    multiline: ClassVar[tuple[str, ...]] = ()
    free: ClassVar[tuple[str, ...]] = ()
    schema_version: Literal[1] = 1

    @model_validator(mode="after")
    def _texts_can_be_shown(self) -> Published:
        for key, text in _strings(self.model_dump(), ()):
            lines = ".".join(map(str, key)) in self.multiline
            reason = text_fault(text, lines=lines)
            if reason and not ({*self.free} & {*key} and not refused_character(text)):
                raise Impossible(reason, *key)
        return self


def _strings(value: Any, key: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every string below ``value`` with its keys; keys of mappings count."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield key, str(name)
            yield from _strings(inner, (*key, name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _strings(inner, (*key, number))


Date = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d{2}-\d{2}$"),
    AfterValidator(lambda text: str(date.fromisoformat(text))),  # there is no 2026-02-31
]


def today() -> str:
    """The day in UTC, ``YYYY-MM-DD``."""
    return datetime.now(UTC).date().isoformat()


class Verification(Strict):
    """What was found when the predictions were scored again.

    ``largest_difference`` is the largest absolute difference between a row of
    the entry and the same row scored again (dB, over all metrics; 0 where both
    are the same infinity).  ``not_checked`` are metrics that were not scored
    again: CLAPScore, without the model that made it.
    """

    date: Date
    lassbench_version: Label
    largest_difference: Annotated[Finite, Field(ge=0)]
    not_checked: tuple[Label, ...] = ()


class Submission(Published):
    """What is said of an entry when it is added."""

    multiline = ("notes", "system.description")

    date: Date
    submitted_by: Annotated[str, Field(max_length=200)] = ""
    links: Annotated[dict[str, WebAddress], Field(max_length=10)] = Field(default_factory=dict)
    notes: Text = ""


class Entry(Submission):
    """One system's result on one suite, but for its rows.

    ``suite_fingerprint`` is of the audio that it was scored on, ``list_fingerprint`` of the
    list of queries.  Rows, ``missing_predictions`` and ``unscorable`` are all of the suite's
    queries whose clips were at hand (:class:`lassbench.scores.score_file.Coverage`); a
    CLAPScore is the opinion of ``clap_model``.
    """

    suite: PathName
    suite_fingerprint: Sha256
    list_fingerprint: Sha256
    system: SystemInfo
    missing_predictions: Annotated[Count, Field(exclude_if=lambda count: not count)] = 0
    unscorable: Annotated[Count, Field(exclude_if=lambda count: not count)] = 0
    contamination: Annotated[Contamination, Field(exclude_if=lambda one: not one.declared)] = (
        Contamination()
    )
    clap_model: Text = ""
    policy: Policy
    lassbench_version: Label
    rows_sha256: Sha256
    verification: Verification | None = None

    @property
    def standing(self) -> Standing:
        """What can be said for its numbers."""
        if self.missing_predictions:
            return "partial"
        return "verified" if self.verification else "submitted"

    @model_validator(mode="after")
    def _is_of_one_system(self) -> Entry:
        info = self.system
        faults = {
            "name": name_fault(info.name),
            "url": info.url and url_fault(info.url),
            "run": info.run
            and f"is one run ({info.run}) of several: score the one that stands for it, alone",
            "predictions_sha256": not info.predictions_sha256
            and "there is no hash of its predictions: write them to files, and score these",
        }
        for key, reason in faults.items():
            if reason:
                raise Impossible(reason, "system", key)
        if self.verification and self.missing_predictions:
            raise Impossible("a partial entry is never verified", "verification")
        return self


class SuiteCard(Published):
    """A suite that this leaderboard has a table for.

    ``list_fingerprint`` is what a score file must carry to be an entry here;
    empty where no list has been frozen yet.  ``dataset`` is the name of that which it is of.
    """

    multiline = ("description", "how_to_fill")

    name: PathName
    title: Label
    kind: TableKind
    description: Text = ""
    dataset: str = ""
    list_fingerprint: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    synthetic: bool
    queries: Count
    how_to_fill: Text = ""
    order: int = 100


class ReportedMetric(Strict):
    """What a publication calls a figure: ``metric`` is its name here (METRICS)."""

    metric: Annotated[str, ruled(lambda name: "" if name in METRICS else "is no metric here")]
    definition: Text


class ReportedRow(Strict):
    """Figures that a publication gives for one system on one of its test sets.

    ``average`` says what they are a mean (or median) of.
    """

    system: Label
    test_set: Label
    average: Label
    figures: dict[str, Finite]


class Reported(Published):
    """Figures from a publication: shown with their source, never ranked with entries.

    ``metrics`` says for each figure what the source calls it (the key), and what it
    is by this project's definitions.
    """

    multiline = ("notes",)

    standing: Literal["reported"] = "reported"
    title: Label
    source_title: Label
    source_url: WebAddress
    source_revision: str = ""
    metrics: dict[str, ReportedMetric]
    rows: tuple[ReportedRow, ...]
    notes: Text = ""

    @model_validator(mode="after")
    def _figures_are_defined(self) -> Reported:
        unknown = {name for row in self.rows for name in row.figures} - set(self.metrics)
        if unknown:
            raise ValueError(f"figures without a definition: {', '.join(sorted(unknown))}")
        return self


class SiteCard(Published):
    """What the site says of itself.

    ``repository`` is where entries are sent (empty while it is not public), ``cite`` the
    lines of what is to be cited (BibTeX), ``links`` stand at the foot of every page.
    """

    free = ("cite",)

    repository: WebAddress = ""
    cite: tuple[Text, ...] = ()
    links: dict[Label, WebAddress] = Field(default_factory=dict)

    @property
    def pull_requests(self) -> str:
        """Where GitHub, Forgejo and Gitea list a repository's pull requests."""
        return f"{self.repository.rstrip('/').removesuffix('.git')}/pulls"


@dataclass(frozen=True)
class Loaded:
    """An entry with its suite's card, its rows (sorted by query id) and where it lies."""

    path: Path
    card: SuiteCard
    entry: Entry
    rows: pd.DataFrame = field(repr=False)

    @property
    def slug(self) -> str:
        """The file stem: unique within the suite."""
        return self.path.stem

    @property
    def name(self) -> str:
        """The system's name as it is shown."""
        return self.entry.system.name

    @property
    def known(self) -> int:
        """How many of the suite's queries had their clips at hand."""
        return len(self.rows) + self.entry.missing_predictions + self.entry.unscorable

    @property
    def coverage(self) -> Coverage:
        """Which of the suite's queries the rows are of."""
        return Coverage(
            queries_total=self.card.queries,
            renderable=self.known - self.entry.unscorable,
            unscorable=self.entry.unscorable,
            queries_scored=len(self.rows),
        )

    @property
    def heard(self) -> tuple[str, ...]:
        """What has to be said about what it was trained on, a sentence each."""
        suite = f"{self.card.name} {self.card.dataset}"
        entry = self.entry
        return heard_in_training(suite, entry.contamination, entry.system.trained_on)

    def scores(self, suite: SuiteInfo) -> Scores:
        """The entry as scores on ``suite``, to compare with others."""
        kept = ScoreFile.model_fields.keys() - {"suite"}
        file = ScoreFile(
            **self.entry.model_dump(include=kept),
            kind=self.card.kind,
            suite=suite.model_copy(update={"fingerprint": self.entry.suite_fingerprint}),
            coverage=self.coverage,
            definitions={name: METRICS[name].id for name in in_order(self.rows.columns)},
        )
        return Scores(file, self.rows)

    @cached_property
    def summary(self) -> Summary:
        """What the rows come to, in the metrics of its suite's table."""
        others = METRICS.keys() - {*TABLE_METRICS[self.card.kind]}
        return Summary(self.rows.drop(columns=[*others], errors="ignore"))

    @cached_property
    def breakdowns(self) -> Mapping[str, Mapping[str, Mapping[str, Cell]]]:
        """Breakdown -> value -> metric -> mean and interval, of those that are shown."""
        return {by: found for by in BREAKDOWN_VIEWS if (found := self.summary.by(by))}


@dataclass(frozen=True)
class Leaderboard:
    """Everything read from a leaderboard folder."""

    root: Path
    suites: Mapping[str, SuiteCard]
    entries: Mapping[str, Sequence[Loaded]]
    reported: Sequence[Reported]
    site: SiteCard


Model = TypeVar("Model", bound=Strict)


def read_model(path: Path, model: type[Model]) -> Model:
    """The record of type ``model`` in a JSON file (:func:`lassbench.checked.read_record`)."""
    what = f"does not follow the schema of {model.__name__}"
    fix = "make it anew with `lassbench leaderboard add`, or correct the fields named"
    return read_record(path, model, what=what, fix=fix, limit=JSON_LIMIT)


def entry_schema() -> bytes:
    """The JSON Schema of an entry, as published beside the entries."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return files.to_json({**dialect, **Entry.model_json_schema()}).encode()


def model_bytes(record: Strict) -> bytes:
    """``record`` as JSON, without what says nothing: the same record, the same bytes."""
    return files.to_json(_said(record.model_dump(mode="json"))).encode()


def _said(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    said = ((key, _said(inner)) for key, inner in value.items())
    return {key: inner for key, inner in said if inner not in ("", None, [], {})}
