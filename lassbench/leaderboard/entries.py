"""What is on disk: entries, suites, and figures reported by others.

A leaderboard folder::

    suites/<suite>.json             SuiteCard: what the suite is, its list fingerprint
    entries/<suite>/<system>.json   Entry: a score file with its standing, date and links
    entries/<suite>/<system>.parquet    its per-query rows, as `lassbench score` wrote them
    reported/<source>.json          Reported: figures of a publication, on other test sets
    examples/<suite>/               audio for the listening page (see ``examples``)
    tables/                         made by `lassbench leaderboard build`
    entry.schema.json               the published schema of an entry

An entry holds the score file itself: the system's card, the suite, the coverage.  Every
mean, interval, breakdown and rank is computed from the rows.  Unknown fields, NaN,
infinities and repeated keys are refused while reading.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pandas as pd
from pydantic import Field, model_validator

from lassbench import files
from lassbench.checked import (
    Count,
    Finite,
    Label,
    PathName,
    Sha256,
    Strict,
    Text,
    read_record,
    ruled,
)
from lassbench.leaderboard.text import slug
from lassbench.scores.score_file import JSON_LIMIT, ScoreFile
from lassbench.scores.summary import Cell, Summary

#: What tables and pages break a metric down by.
BREAKDOWN_VIEWS = ("concept", "annotator")

#: Kinds of suites that have a table.  Of recordings without references a CLAP model's opinion
#: is all there is, and two models' opinions are not comparable.
TableKind = Literal["separation", "absent"]

#: ``verified``: scored again here from the predictions.  ``submitted``: as sent
#: in.  ``partial``: predictions were missing, never ranked.  (``reported``
#: figures are records of their own, :class:`Reported`.)
Standing = Literal["verified", "submitted", "partial"]


def _date_fault(text: str) -> str:
    with contextlib.suppress(ValueError):  # of 2026-02-31, say
        date.fromisoformat(text)
        return ""
    return "is no day of the calendar"


Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), ruled(_date_fault)]


class Verification(Strict):
    """What was found when the predictions were scored again.

    ``largest_difference`` is the largest absolute difference between a row of
    the entry and the same row scored again (dB, over all metrics; 0 where both
    are the same infinity).  ``not_checked`` are metrics that were not scored
    again: CLAPScore, without the model that made it.
    """

    date: Date
    lassbench_version: Label
    predictions_sha256: Sha256
    largest_difference: Annotated[Finite, Field(ge=0)]
    not_checked: tuple[Label, ...] = ()


class Entry(Strict):
    """One system's result on one suite."""

    schema_version: Literal[1] = 1
    standing: Standing
    date: Date
    submitted_by: Annotated[str, Field(max_length=200)] = ""
    links: dict[str, str] = Field(default_factory=dict, max_length=10)
    notes: Text = ""
    score: ScoreFile
    verification: Verification | None = None

    @model_validator(mode="after")
    def _standing_is_earned(self) -> Entry:
        if self.score.coverage.partial != (self.standing == "partial"):
            raise ValueError("standing must be 'partial' exactly when the score file is partial")
        if (self.verification is not None) != (self.standing == "verified"):
            raise ValueError("standing 'verified' and a verification record go together")
        record, info = self.verification, self.score.system
        if record is not None and record.predictions_sha256 != info.predictions_sha256:
            raise ValueError("the verification is of other predictions than the score")
        return self


class SuiteCard(Strict):
    """A suite that this leaderboard has a table for.

    ``list_fingerprint`` is what a score file must carry to be an entry here;
    empty where no list has been frozen yet.
    """

    schema_version: Literal[1] = 1
    name: PathName
    title: Label
    kind: TableKind
    description: Text = ""
    list_fingerprint: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    synthetic: bool
    queries: Count
    how_to_fill: Text = ""
    order: int = 100


class ReportedRow(Strict):
    """Figures that a publication gives for one system on one of its test sets."""

    system: Label
    test_set: Label
    figures: dict[str, Finite]


class Reported(Strict):
    """Figures from a publication: shown with their source, never ranked with entries.

    ``metrics`` says for each figure what the source calls it (the key), what it
    is by this project's definitions, and in which unit.
    """

    schema_version: Literal[1] = 1
    standing: Literal["reported"] = "reported"
    title: Label
    source_title: Label
    source_url: str
    source_revision: str = ""
    metrics: dict[str, Text]
    rows: tuple[ReportedRow, ...]
    notes: Text = ""

    @model_validator(mode="after")
    def _figures_are_defined(self) -> Reported:
        unknown = {name for row in self.rows for name in row.figures} - set(self.metrics)
        if unknown:
            raise ValueError(f"figures without a definition: {', '.join(sorted(unknown))}")
        return self


@dataclass(frozen=True)
class Loaded:
    """An entry with its rows and where it lies.

    ``slug`` is the entry's file stem; ``rows`` are sorted by query id.
    """

    path: Path
    suite: str
    entry: Entry
    rows: pd.DataFrame = field(repr=False)

    @property
    def slug(self) -> str:
        """The file stem: unique within the suite."""
        return self.path.stem

    @property
    def name(self) -> str:
        """The system's name as it is shown."""
        return self.entry.score.system.name

    @cached_property
    def summary(self) -> Summary:
        """What the rows come to."""
        return Summary(self.rows)

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


def entry_path(root: Path, suite: str, system_name: str) -> Path:
    """Where the entry of ``system_name`` on ``suite`` lies."""
    return root / "entries" / suite / f"{slug(system_name)}.json"


Model = TypeVar("Model", bound=Strict)


def read_model(path: Path, model: type[Model]) -> Model:
    """The record of type ``model`` in a JSON file of at most :data:`JSON_LIMIT` bytes.

    Raises
    ------
    LassbenchError
        As :func:`lassbench.checked.read_record`.
    """
    return read_record(
        path,
        model,
        what=f"does not follow the schema of {model.__name__}",
        fix="make it anew with `lassbench leaderboard add`, or correct the fields named",
        limit=JSON_LIMIT,
    )


def model_bytes(record: Strict) -> bytes:
    """``record`` as JSON: the same record, the same bytes."""
    return files.to_json(record.model_dump(mode="json")).encode()


def card_from_score(score: ScoreFile) -> SuiteCard:
    """The card of a suite that this leaderboard meets for the first time."""
    suite = score.suite
    assert score.kind != "unreferenced"  # such entries are refused before
    return SuiteCard(
        name=suite.name,
        title=suite.title or suite.name,
        kind=score.kind,
        list_fingerprint=suite.list_fingerprint,
        synthetic=suite.synthetic,
        queries=suite.queries,
    )


def entry_schema() -> dict[str, Any]:
    """The JSON Schema of an entry, as published beside the entries."""
    schema: dict[str, Any] = Entry.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
