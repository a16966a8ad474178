"""Adding score files to a leaderboard: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from lassbench import __version__, files, output_folders
from lassbench.checked import validate
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, UsageFaultsError
from lassbench.leaderboard.agreement import suite_faults
from lassbench.leaderboard.checks import (
    Refused,
    check_entry,
    check_rows,
    inspect_leaderboard,
    open_rows,
)
from lassbench.leaderboard.comparing import Rescored
from lassbench.leaderboard.entries import (
    Entry,
    Loaded,
    SuiteCard,
    Verification,
    card_from_score,
    entry_path,
    entry_schema,
    model_bytes,
    read_model,
)
from lassbench.scores.rows import rows_sha256
from lassbench.scores.score_file import (
    JSON_SUFFIX,
    PARQUET_SUFFIX,
    ScoreFile,
    find_score,
    rows_table,
)


def add_scores(
    root: Path,
    scores: Sequence[Path],
    *,
    date: str = "",
    submitted_by: str = "",
    links: Mapping[str, str] | None = None,
    notes: str = "",
    replace: bool = False,
) -> list[Path]:
    """Make an entry of each score file; the paths of the entries written.

    Parameters
    ----------
    root
        The leaderboard folder; made if it is not there.
    scores
        Score files, or folders with one each.
    date
        Of the entries, ``YYYY-MM-DD``; today's (UTC) by default.
    replace
        Whether an entry of the same name on the same suite may be replaced.

    Raises
    ------
    FaultsError
        If any score file is refused, listing every reason; nothing was written.
    UsageError
        If there is no score file at a path, or an entry would be replaced.
    LassbenchError
        If another process is writing this leaderboard.
    """
    given = {
        "date": date or _today(),
        "submitted_by": submitted_by,
        "links": dict(links or {}),
        "notes": notes,
    }
    with output_folders.folder_lock(root, what="the leaderboard"):
        output_folders.remove_leavings(root)
        made = [_read_one(root, find_score(path), given) for path in scores]
        faults = [one for one in made if isinstance(one, Fault)]
        entries = [one for one in made if isinstance(one, Loaded)]
        faults = faults or _clashes(root, entries, replace=replace)
        if faults:
            raise FaultsError(
                "nothing was added", faults, fix="correct the score files named, or leave them out"
            )
        return _write(root, entries)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _read_one(root: Path, path: Path, given: Mapping[str, Any]) -> Loaded | Fault:
    """The entry that the score file at ``path`` makes, or the first thing wrong with it."""
    try:
        score = read_model(path, ScoreFile)
        entry = _entry(score, given)
        check_entry(entry)
        stem = path.name.removesuffix(JSON_SUFFIX)
        rows = open_rows(path.with_name(stem + PARQUET_SUFFIX), score)
        check_rows(score, rows)
        rows = without_captions(rows, synthetic=score.suite.synthetic)
        score = score.model_copy(update={"rows_sha256": rows_sha256(rows)})
        entry = entry.model_copy(update={"score": score})
    except Refused as refused:
        return Fault(refused.kind, str(path), refused.reason)
    except UsageError:
        raise
    except LassbenchError as error:
        return Fault("unreadable", str(path), error.brief)
    place = entry_path(root, score.suite.name, score.system.name)
    return Loaded(place, score.suite.name, entry, rows)


def without_captions(rows: pd.DataFrame, *, synthetic: bool) -> pd.DataFrame:
    """``rows`` with the texts of captions left empty, unless they were made with the sounds.

    An entry is published.  Captions of recordings belong to their datasets, which say
    who may have them; whoever has one finds its text by query id.
    """
    if synthetic:
        return rows
    return rows.assign(text=rows["text"].mask(rows["query_type"] == "caption", ""))


def _entry(score: ScoreFile, given: Mapping[str, Any]) -> Entry:
    standing = "partial" if score.coverage.partial else "submitted"
    return validate(
        Entry,
        {**given, "standing": standing, "score": score.model_dump(mode="json")},
        what="not a valid entry",
        fix="correct the options; a date is YYYY-MM-DD",
        error=UsageFaultsError,
    )


def _clashes(root: Path, made: Sequence[Loaded], *, replace: bool) -> list[Fault]:
    """Faults between the new entries, and between them and those already there."""
    for loaded in made:
        if loaded.path.exists() and not replace:
            raise UsageError(
                f"{loaded.name!r} already has an entry on {loaded.suite}",
                where=loaded.path,
                fix="give the system another name, or --replace the entry",
            )
    new = {loaded.path for loaded in made}
    faults = [
        Fault("duplicate", str(a.path), f"two of these score files claim the name {a.name!r}")
        for number, a in enumerate(made)
        if any(a.path == b.path for b in made[:number])
    ]
    if faults:
        return faults
    cards, standing = _present(root)
    for suite in sorted({loaded.suite for loaded in made}):
        here = [loaded for loaded in made if loaded.suite == suite]
        card = _card(cards.get(suite), here[0].entry.score)
        others = [loaded for loaded in standing.get(suite, ()) if loaded.path not in new]
        faults += suite_faults(card, [*others, *here])
    return faults


def _present(root: Path) -> tuple[Mapping[str, SuiteCard], Mapping[str, Sequence[Loaded]]]:
    if not root.is_dir():
        return {}, {}
    board, faults = inspect_leaderboard(root)
    if faults:
        raise FaultsError(
            "the leaderboard has faults already, nothing was added",
            faults,
            where=root,
            fix="correct them first: `lassbench leaderboard check`",
        )
    return board.suites, board.entries


def _card(card: SuiteCard | None, score: ScoreFile) -> SuiteCard:
    """The suite's card; one without a frozen list takes the first entry's."""
    if card is None:
        return card_from_score(score)
    if card.list_fingerprint:
        return card
    return card.model_copy(
        update={
            "list_fingerprint": score.suite.list_fingerprint,
            "queries": score.suite.queries,
        }
    )


def _write(root: Path, made: Sequence[Loaded]) -> list[Path]:
    cards: dict[Path, SuiteCard] = {}
    known: dict[Path, SuiteCard | None] = {}
    for loaded in made:
        path = root / "suites" / f"{loaded.suite}.json"
        if path not in known:
            known[path] = read_model(path, SuiteCard) if path.is_file() else None
        cards[path] = _card(cards.get(path, known[path]), loaded.entry.score)
    contents: dict[Path, Content] = {
        path: model_bytes(card) for path, card in cards.items() if card != known[path]
    }
    for loaded in made:
        contents |= entry_contents(loaded.path, loaded.entry, loaded.rows)
    contents[root / "entry.schema.json"] = files.to_json(entry_schema()).encode()
    files.write_together(contents)
    return [loaded.path for loaded in made]


Content = bytes | Callable[[Path], None]


def entry_contents(path: Path, entry: Entry, rows: pd.DataFrame) -> dict[Path, Content]:
    """An entry's two files; the rows first, so that no entry is without them."""

    def write_rows(temporary: Path) -> None:
        # Written anew rather than copied: whatever else somebody's Parquet file
        # carries stays behind.
        pq.write_table(rows_table(rows, entry.score.kind), temporary, compression="zstd")

    return {path.with_suffix(".parquet"): write_rows, path: model_bytes(entry)}


def mark_verified(loaded: Loaded, result: Rescored, *, date: str = "") -> Entry:
    """Give an entry whose predictions were scored again, equally, its standing.

    Raises
    ------
    UsageError
        If the result was not equal, or the entry is partial.
    """
    if not result.equal or loaded.entry.standing == "partial":
        raise UsageError(
            "only a whole entry with an equal result can be verified", where=loaded.path
        )
    record = validate(
        Verification,
        {
            "date": date or _today(),
            "lassbench_version": __version__,
            "predictions_sha256": loaded.entry.score.system.predictions_sha256,
            "largest_difference": result.largest,
            "not_checked": result.not_checked,
        },
        what="the entry cannot be marked as verified",
        error=UsageFaultsError,
    )
    earned: dict[str, Any] = {"standing": "verified", "verification": record}
    entry = Entry(**{**dict(loaded.entry), **earned})
    files.write_bytes(loaded.path, model_bytes(entry))
    return entry
