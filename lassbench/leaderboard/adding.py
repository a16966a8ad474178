"""Making entries: from score files, all of them or none; and marking them as verified."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from lassbench import __version__, files, output_folders
from lassbench.checked import validate
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, UsageFaultsError
from lassbench.leaderboard.changes import Rescored
from lassbench.leaderboard.checks import check_rows, read_leaderboard, suite_faults
from lassbench.leaderboard.entries import (
    Entry,
    Leaderboard,
    Loaded,
    Submission,
    SuiteCard,
    Verification,
    entry_schema,
    model_bytes,
    read_model,
    slug,
    today,
)
from lassbench.scores.rows import METRICS, in_order, rows_sha256
from lassbench.scores.score_file import (
    ScoreFile,
    Scores,
    find_score,
    read_scores,
    rows_table,
    write_rows,
)


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Hold the leaderboard at ``root`` for the block; what killed runs left in it goes.

    Raises
    ------
    LassbenchError
        If another process has it.
    """
    with output_folders.folder_lock(root, what="the leaderboard"):
        output_folders.remove_leavings(root)
        output_folders.put_right(root / "entries")
        for rows in files.listed(root / "entries", "*/*.parquet"):
            if not rows.with_suffix(".json").exists():
                rows.unlink()
        yield


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
    """Make an entry of each score file; the paths of those that were not there already.

    Whenever the process ends, all of them are there or none, and the same call goes on:
    an entry that says the same already stays as it is.

    Parameters
    ----------
    root
        The leaderboard folder; made if it is not there.
    scores
        Score files, or folders with one each.
    date
        ``YYYY-MM-DD``; today's (UTC) by default.
    replace
        Whether an entry of the same name on the same suite may be replaced.

    Raises
    ------
    FaultsError
        If any score file is refused, listing every reason.
    UsageError
        If there is no score file at a path, what is said of it cannot be, or an entry would
        be replaced, listing all.
    LassbenchError
        If another process is writing this leaderboard.
    """
    given = {"submitted_by": submitted_by, "links": dict(links or {}), "notes": notes}
    submission = validate(
        Submission,
        {**given, "date": date or today()},
        what="these options are refused",
        fix="correct them; a date is YYYY-MM-DD",
        error=UsageFaultsError,
    )
    with writing(root):
        board = read_leaderboard(root)
        cards = dict(board.suites)
        made = [_read_one(root, find_score(path), submission, cards) for path in scores]
        faults = [one for one in made if isinstance(one, Fault)]
        entries = [one for one in made if isinstance(one, Loaded)]
        # What says the same stays as it is, of its date and verified.
        same = {"date": submission.date, "verification": None}
        on_board = [one for found in board.entries.values() for one in found]
        there = {one.path: one.entry.model_copy(update=same) for one in on_board}
        new = [one for one in entries if there.get(one.path) != one.entry]
        taken = [
            Fault("taken", str(one.path), f"{there[one.path].system.name!r} already has an entry")
            for one in new
            if one.path in there and not (replace and there[one.path].system.name == one.name)
        ]
        if taken:
            fix = "give the system another name, or --replace its own entry"
            raise UsageFaultsError("nothing was added", taken, fix=fix)
        if faults := faults or list(_clashes(board, entries)):
            fix = "correct the score files named, or leave them out"
            raise FaultsError("nothing was added", faults, fix=fix)
        _write(board, cards, new)
        return [loaded.path for loaded in new]


def _read_one(
    root: Path, path: Path, submission: Submission, cards: dict[str, SuiteCard]
) -> Loaded | Fault:
    """The entry that the score file at ``path`` makes, or the first thing wrong with it.

    ``cards`` gets the card of its suite where it has none, or none with a list.
    """
    try:
        scores = read_scores(path)
        card = _card(cards.get(scores.file.suite.name), scores.file)
        loaded = _entry(root, card, scores, submission)
        check_rows(loaded)
    except LassbenchError as error:
        return Fault("score file", str(path), error.brief)
    cards[card.name] = card
    return loaded


def _card(card: SuiteCard | None, score: ScoreFile) -> SuiteCard:
    """The card of the suite of ``score``; one without a frozen list takes its list."""
    suite = score.suite
    if score.kind == "unreferenced":
        raise LassbenchError(
            "is of recordings without references, which no table ranks: compare two of the same"
            " CLAP model with `lassbench compare`"
        )
    same = suite.model_dump(include={"name", "list_fingerprint", "synthetic", "queries"})
    title = suite.title.removesuffix(": test") or suite.name
    more = {"title": title, "kind": score.kind, "dataset": suite.dataset_name}
    own = validate(SuiteCard, {**same, **more}, what="is of a suite that cannot have a table")
    if card is None:
        return own
    if not card.list_fingerprint:
        frozen = {"list_fingerprint": own.list_fingerprint, "queries": own.queries}
        card = card.model_copy(update=frozen)
    theirs, ours = ((one.kind, one.synthetic, one.queries) for one in (own, card))
    if theirs != ours and own.list_fingerprint == card.list_fingerprint:
        raise LassbenchError(
            f"says (kind, synthetic, queries) = {theirs}, the suite's card says {ours}"
        )
    return card


def _entry(root: Path, card: SuiteCard, scores: Scores, submission: Submission) -> Loaded:
    file = scores.file
    known = {name: METRICS[name].id for name in in_order(file.definitions)}
    if known != file.definitions:
        what = "its metrics are not defined as this version defines them: score again with it"
        raise LassbenchError(what)
    rows = scores.rows if card.synthetic else without_captions(scores.rows)
    same = file.model_dump(mode="json", include=Entry.model_fields.keys() - {"suite"})
    entry = validate(
        Entry,
        {
            **same,
            "suite": card.name,
            "suite_fingerprint": file.suite.fingerprint,
            "list_fingerprint": file.suite.list_fingerprint,
            "missing_predictions": file.coverage.missing_predictions,
            "unscorable": file.coverage.unscorable,
            "rows_sha256": rows_sha256(rows),
            **submission.model_dump(mode="json"),
        },
        what="is no entry",
    )
    path = root / "entries" / card.name / f"{slug(entry.system.name)}.json"
    return Loaded(path, card, entry, rows)


def without_captions(rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` with the texts of captions left empty.

    An entry is published.  Captions of recordings belong to their datasets, which say
    who may have them; whoever has one finds its text by query id.
    """
    return rows.assign(text=rows["text"].mask(rows["query_type"] == "caption", ""))


def _clashes(board: Leaderboard, made: Sequence[Loaded]) -> Iterator[Fault]:
    """Faults between the new entries, and between them and those already there."""
    new = {loaded.path for loaded in made}
    for suite in sorted({loaded.card.name for loaded in made}):
        others = [one for one in board.entries.get(suite, ()) if one.path not in new]
        yield from suite_faults([*others, *(one for one in made if one.card.name == suite)])


def _write(board: Leaderboard, cards: Mapping[str, SuiteCard], made: Sequence[Loaded]) -> None:
    """The suites' cards, which say nothing alone, then all entries in one step."""
    root = board.root
    if not made:
        return
    files.write_bytes(root / "entry.schema.json", entry_schema())
    for name, card in cards.items():
        if board.suites.get(name) != card:
            files.write_bytes(root / "suites" / f"{name}.json", model_bytes(card))

    def build(folder: Path) -> None:
        if (root / "entries").is_dir():
            shutil.copytree(root / "entries", folder, dirs_exist_ok=True)
        for loaded in made:
            card = folder / loaded.card.name / loaded.path.name
            # Made anew and not copied: whatever else somebody's file carries stays behind.
            rows = partial(write_rows, rows_table(loaded.rows, loaded.card.kind))
            files.write_together(
                {card.with_suffix(".parquet"): rows, card: model_bytes(loaded.entry)}
            )

    output_folders.replace_folder(root / "entries", build, what="the folder of entries")


def mark_verified(loaded: Loaded, result: Rescored, *, date: str = "") -> Entry:
    """Give an entry whose predictions were scored again, equally, its standing.

    Raises
    ------
    UsageError
        If the result was not equal, or the entry is partial.
    LassbenchError
        If another process is writing the leaderboard, or has changed the entry.
    """
    if not result.equal or loaded.entry.standing == "partial":
        what = "only a whole entry with an equal result can be verified"
        raise UsageError(what, where=loaded.path)
    found = {
        "date": date or today(),
        "lassbench_version": __version__,
        "largest_difference": result.largest,
        "not_checked": result.not_checked,
    }
    what = "the entry cannot be marked as verified"
    record = validate(Verification, found, what=what, error=UsageFaultsError)
    entry = loaded.entry.model_copy(update={"verification": record})
    with writing(loaded.path.absolute().parents[2]):
        if read_model(loaded.path, Entry) != loaded.entry:
            fix = "run the command again"
            raise LassbenchError("the entry was changed meanwhile", where=loaded.path, fix=fix)
        files.write_bytes(loaded.path, model_bytes(entry))
    return entry
