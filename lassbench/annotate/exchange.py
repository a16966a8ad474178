"""Descriptions out of a store and into one: CSV for tables, JSON with every draft."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lassbench import files
from lassbench.annotate import checks
from lassbench.annotate.campaign import SOURCES, Campaign
from lassbench.annotate.checks import Finding
from lassbench.annotate.language import Languages
from lassbench.annotate.store import Change, Store
from lassbench.csv_files import Row, join, read_table, write_table
from lassbench.errors import Fault, FaultsError, UsageError
from lassbench.plain_text import from_spreadsheet, spreadsheet

if TYPE_CHECKING:
    from lassbench.dataset import Dataset

COLUMNS = (
    *("annotator", "clip_id", "concept", "state", "reason", "description"),
    *("description_source", "seconds", "plays", "revision", "first_saved", "last_saved", "checks"),
)
_DAY_S = 86400.0


def findings(
    store: Store, dataset: Dataset, detector: Languages | None = None
) -> dict[tuple[str, str], list[Finding]]:
    """What the checks find in everything that is written, drafts too."""
    texts = {key: answer.text for key, answer in store.answers().items() if answer.text.strip()}
    captions = {clip_id: dataset.clips[clip_id].captions for clip_id in store.campaign.clips}
    return checks.check_collection(texts, captions, detector)


def iso(at: float) -> str:
    """A time as ISO 8601 in UTC, to the second; ``""`` for never."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def to_csv(store: Store, dataset: Dataset) -> str:
    """One row an answer, by annotator and then in the list's order; :func:`read_csv` reads it.

    What a spreadsheet would take for a formula gets a leading ``'``.
    """
    rows = []
    for told in _told(store, dataset):
        told["checks"] = join(told["checks"])
        cells = (told[column] for column in COLUMNS)
        rows.append([spreadsheet(cell) if isinstance(cell, str) else cell for cell in cells])
    return write_table(COLUMNS, rows)


def _told(store: Store, dataset: Dataset) -> list[dict[str, Any]]:
    """Each answer by :data:`COLUMNS`, by annotator and then in the list's order."""
    answers, found = store.answers(), findings(store, dataset)
    return [
        {
            "annotator": who,
            "clip_id": clip_id,
            "concept": dataset.clips[clip_id].concept,
            "state": answer.state,
            "reason": answer.reason,
            "description": answer.text,
            "description_source": answer.source,
            "seconds": round(answer.seconds),
            "plays": answer.plays,
            "revision": answer.revision,
            "first_saved": iso(answer.first_at),
            "last_saved": iso(answer.last_at),
            "checks": [one.kind for one in found.get((who, clip_id), ())],
        }
        for who in store.campaign.annotators
        for clip_id in store.campaign.clips
        if (answer := answers.get((who, clip_id)))
    ]


def to_json(store: Store, dataset: Dataset) -> str:
    """Campaign, answers, findings and the history of every draft, as JSON text."""
    history = [
        {
            "annotator": draft.annotator,
            "clip_id": draft.clip_id,
            "description": draft.text,
            "state": draft.state,
            "reason": draft.reason,
            "description_source": draft.source,
            "revision": draft.revision,
            "accepted": draft.accepted,
            "saved": iso(draft.saved_at),
        }
        for draft in store.history()
    ]
    content = {"campaign": describe(store.campaign), "answers": _told(store, dataset)}
    return files.to_json({**content, "history": history})


def describe(campaign: Campaign) -> dict[str, Any]:
    """A campaign for people: names, numbers, versions of its texts."""
    return {
        "name": campaign.name,
        "dataset": {"name": campaign.dataset_name, "fingerprint": campaign.dataset_fingerprint},
        "clips": len(campaign.clips),
        "clips_absent_here": len(campaign.absent),
        "annotators": list(campaign.annotators),
        "language": campaign.language,
        "order_seed": campaign.seed,
        "guidelines_version": campaign.guidelines_version,
        "consent_version": campaign.consent_version,
    }


# Import -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    written, unchanged
        Answers written, and those that said the same already.
    left
        Drafts of the table for which the store has words of its own.
    """

    written: int
    unchanged: int
    left: int = 0


def read_csv(
    path: Path, campaign: Campaign, *, source: str = "", now: float | None = None
) -> list[Change]:
    """The answers in a table.

    Columns: ``annotator`` and ``description``; ``clip_id``, or ``query_id`` of the
    campaign's list (a clip's rows must then agree); ``description_source`` unless
    ``source`` says it for all rows.  ``state``, ``reason``, ``seconds``, ``plays``,
    ``revision``, ``first_saved`` and ``last_saved`` are read where they are there, so
    that an export can be imported and then exported as it was.  A time without a zone
    is taken as UTC; one of the two stands for both.

    Parameters
    ----------
    now
        The present, in seconds since 1970; nothing was saved more than a day later.
        By default the clock's.

    Raises
    ------
    UsageError
        If the file is missing, or nobody says how the descriptions were made.
    LassbenchError
        If it is no such table (:func:`lassbench.csv_files.read_table`).
    FaultsError
        With every faulty row, as ``file:line``.
    """
    table = [
        Row(row.where, {name: from_spreadsheet(cell) for name, cell in row.cells.items()})
        for row in read_table(path, ("annotator", "description"), one_of=[("clip_id", "query_id")])
    ]
    if not source and table and "description_source" not in table[0].cells:
        raise UsageError(
            "nobody says who or what wrote these descriptions",
            where=path,
            expected=f"a column description_source ({', '.join(SOURCES)})",
            fix="add it, or say it for all rows with --source",
        )
    faults: list[Fault] = []
    present = time.time() if now is None else now
    clip_of = _clips_by_query(campaign)
    changes: dict[tuple[str, str], Change] = {}
    for row in table:
        change = _read_row(row, clip_of, source)
        if change is None:
            continue
        wrong = _wrong(change, campaign) or _wrong_counts(change, present)
        if change.annotator != row["annotator"]:
            wrong = "contradiction", f"the query is {change.annotator}'s, not {row['annotator']}'s"
        if wrong:
            faults.append(Fault(wrong[0], row.where, wrong[1]))
            continue
        before = changes.setdefault((change.annotator, change.clip_id), change)
        if before != change:
            what = "description" if before.text != change.text else "state, count or time"
            reason = f"{change.annotator} has another {what} of {change.clip_id} above"
            faults.append(Fault("contradiction", row.where, reason))
    if faults:
        raise FaultsError("cannot import the descriptions", faults, fix="nothing was imported")
    return list(changes.values())


def _clips_by_query(campaign: Campaign) -> dict[str, tuple[str, str]]:
    """query_id -> (annotator, clip_id)."""
    target = {mixture.mixture_id: mixture.target_id for mixture in campaign.mixtures}
    return {
        query_id: (annotator, target[mixture_id])
        for (mixture_id, annotator), query_id in campaign.query_ids().items()
    }


def _read_row(row: Row, clip_of: Mapping[str, tuple[str, str]], source: str) -> Change | None:
    """The answer in one row, not checked yet; ``None`` for an empty one."""
    who, state = row["annotator"], row["state"] or "done"
    if state == "draft":  # as it was left, with its spaces
        text = checks.clean(row.cells["description"])
    else:
        text = checks.finished(row["description"])
    times = [_time(row[name]) for name in ("first_saved", "last_saved")]
    # A draft that was emptied again was saved once; a row to be filled in was not.
    if not text and (state == "done" or (state == "draft" and not any(times))):
        return None
    clip_id = row["clip_id"]
    if not clip_id:
        who, clip_id = clip_of.get(row["query_id"], (who, ""))
    return Change(
        who,
        clip_id,
        text,
        state=state,  # type: ignore[arg-type]  # checked by _wrong
        reason=row["reason"],
        source=row["description_source"] or source,  # type: ignore[arg-type]
        seconds=float(_number(row["seconds"], r"\d{1,9}(\.\d+)?")),
        plays=int(_number(row["plays"], r"\d{1,9}")),
        revision=int(_number(row["revision"], r"\d{1,9}")),
        first_at=times[0] or times[1],
        last_at=times[1] or times[0],
    )


def _wrong(change: Change, campaign: Campaign) -> tuple[str, str] | None:
    """Kind and reason of what is wrong with an answer, if anything is."""
    clip_id = change.clip_id
    if change.annotator not in campaign.annotators:
        known = ", ".join(campaign.annotators)
        return "unknown annotator", f"{change.annotator!r} is none of {known}"
    if clip_id in campaign.absent:
        return "absent clip", f"{clip_id} is in the list, but its audio is not in this dataset"
    if clip_id not in campaign.clips:
        return "unknown clip", f"{clip_id!r} is not among the clips to describe"
    if change.source not in SOURCES:
        known = ", ".join(SOURCES)
        return "unknown source", f"description_source {change.source!r} is none of {known}"
    if change.state not in {"done", "cannot", "draft"}:
        return "unknown state", f"{change.state!r} is none of done, cannot, draft"
    if len(change.text) > checks.DRAFT_CHARACTERS:
        return "too long", f"more than {checks.DRAFT_CHARACTERS} characters"
    errors = [one for one in checks.check(change.text) if one.level == "error"]
    if change.state == "done" and errors:
        return errors[0].kind, errors[0].message
    return None


def _number(cell: str, form: str) -> str:
    """The number in a cell, ``0`` for an empty one, ``-1`` where there is something else."""
    return cell if re.fullmatch(form, cell, re.ASCII) else "-1" if cell else "0"


def _time(cell: str) -> float:
    """The time in a cell, 0 for an empty one, -1 where there is something else."""
    if not cell:
        return 0.0
    try:
        read = datetime.fromisoformat(cell)
        at = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return -1.0
    return at if at > 0 else -1.0


def _wrong_counts(change: Change, now: float) -> tuple[str, str] | None:
    """Kind and reason of what is wrong with an answer's counts and times, if anything is."""
    if change.seconds < 0 or change.plays < 0 or change.revision < 0:
        return "bad number", "seconds, plays or revision is no number of 0 or more"
    if change.first_at < 0 or change.last_at < 0:
        example = "a time since 1970 such as 2026-09-21T14:13:20Z"
        return "bad time", f"first_saved or last_saved is not {example} (ISO 8601)"
    if change.last_at < change.first_at:
        return "bad time", "last_saved is before first_saved"
    if change.last_at > now + _DAY_S:
        return "bad time", f"last_saved is in the future, {iso(change.last_at)}"
    return None


def import_changes(store: Store, changes: Sequence[Change], *, replace: bool = False) -> Imported:
    """Write the answers of a table into the store, all or none.

    Seconds and plays are totals: what the store has already is not added to them.
    A draft takes the place of nothing.

    Raises
    ------
    FaultsError
        If a list is closed, or, unless ``replace``, an answer says something else.
    """
    present, locked = store.answers(), store.locked()
    faults, new, left = [], [], 0
    for change in changes:
        old = present.get((change.annotator, change.clip_id))
        if old is not None and (old.text, old.state) == (change.text, change.state):
            continue
        answered = old is not None and (old.text != "" or old.state != "draft")
        if answered and change.state == "draft":
            left += 1
            continue
        if answered and not replace:
            where = f"{change.annotator}, {change.clip_id}"
            faults.append(Fault("already written", where, "says something else in the store"))
        if change.annotator in locked:
            reason = "the coordinator has closed this list"
            faults.append(Fault("locked", change.annotator, reason))
        if old is not None:
            seconds = max(change.seconds - old.seconds, 0.0)
            plays = max(change.plays - old.plays, 0)
            change = dataclasses.replace(change, seconds=seconds, plays=plays)
        new.append(change)
    if faults:
        raise FaultsError(
            "cannot write these descriptions into the store",
            faults,
            fix="to write over what is there add --replace; it stays in the history",
        )
    for future in [store.save(change) for change in new]:
        future.result()
    return Imported(len(new), len(changes) - len(new) - left, left)
