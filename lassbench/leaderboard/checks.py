"""Whether a leaderboard folder can be believed: every fault of it, in one pass.

A faulty entry gives one fault, the first found, and is left out of what is
returned; the checks that compare entries see only entries that passed alone.
Nothing is built from a folder with faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lassbench.errors import Fault, FaultsError, LassbenchError, one_line
from lassbench.files import listed
from lassbench.leaderboard.agreement import suite_faults
from lassbench.leaderboard.entries import (
    Entry,
    Leaderboard,
    Loaded,
    Model,
    Reported,
    SuiteCard,
    read_model,
)
from lassbench.leaderboard.numbers import row_faults
from lassbench.leaderboard.text import LIST_LIMIT, name_fault, slug, strings
from lassbench.plain_text import caption_fault, text_fault, url_fault
from lassbench.scores.rows import CLAP_METRICS, METRICS
from lassbench.scores.score_file import ScoreFile, read_rows

#: Largest Parquet file that is opened, and the most it may unpack to, in bytes.
PARQUET_LIMIT = 200_000_000
UNPACKED_LIMIT = 1_000_000_000

#: Score file texts that may have line breaks, and texts compared with constants instead.
_MULTILINE = ("notes", "score.system.description")

Item = TypeVar("Item")
#: Maps a function over paths: ``map``, or a pool's.
Mapper = Callable[[Callable[[Path], "Loaded | Fault"], Iterable[Path]], Iterable["Loaded | Fault"]]


class Refused(Exception):
    """An entry that is not taken, with the kind of fault and the reason."""

    def __init__(self, kind: str, reason: str) -> None:
        self.kind, self.reason = kind, reason
        super().__init__(kind, reason)


def read_leaderboard(root: Path, *, mapper: Mapper = map) -> Leaderboard:
    """Read and check everything below ``root``.

    Raises
    ------
    FaultsError
        If anything is wrong, listing all of it.
    """
    board, faults = inspect_leaderboard(root, mapper=mapper)
    if faults:
        raise FaultsError(
            f"{len(faults)} fault(s) in this leaderboard",
            faults,
            where=root,
            fix="correct or remove the files named; nothing was built",
        )
    return board


def check_is_there(root: Path) -> None:
    """Refuse a leaderboard that is no folder.

    Raises
    ------
    LassbenchError
        Saying how to start one.
    """
    if not root.is_dir():
        raise LassbenchError(
            "no leaderboard here",
            where=root,
            got="no such folder",
            fix="start one with `lassbench leaderboard add SCORES --root FOLDER`",
        )


def inspect_leaderboard(root: Path, *, mapper: Mapper = map) -> tuple[Leaderboard, list[Fault]]:
    """Everything below ``root`` that passes its checks, and what is wrong with the rest."""
    check_is_there(root)
    suites, faults = _read_all(root, "suites", SuiteCard, _card_fault)
    reported, more = _read_all(root, "reported", Reported, _reported_fault)
    faults += more + list(_layout_faults(root))
    cards = {card.name: card for card in sorted(suites, key=lambda card: (card.order, card.name))}
    entries: dict[str, list[Loaded]] = {name: [] for name in cards}
    paths = [path for name in cards for path in _entry_files(root, name)]
    for found in mapper(load_entry, paths):
        if isinstance(found, Fault):
            faults.append(found)
        else:
            entries[found.suite].append(found)
    for name, card in cards.items():
        bad = list(suite_faults(card, entries[name]))
        faults += bad
        out = {fault.where for fault in bad}
        entries[name] = [entry for entry in entries[name] if str(entry.path) not in out]
    return Leaderboard(root, cards, entries, reported), sorted(faults)


def _entry_files(root: Path, suite: str) -> list[Path]:
    return [p for p in listed(root / "entries" / suite, "*.json") if not p.is_symlink()]


def _read_all(
    root: Path, folder: str, model: type[Model], fault_of: Callable[[Path, Model], str]
) -> tuple[list[Model], list[Fault]]:
    records: list[Model] = []
    faults: list[Fault] = []
    for path in listed(root / folder, "*.json"):
        try:
            record = read_model(path, model)
        except LassbenchError as error:
            faults.append(_as_fault(path, "unreadable", error))
            continue
        reason = fault_of(path, record)
        if reason:
            faults.append(Fault("text", str(path), reason))
        else:
            records.append(record)
    return records, faults


def _card_fault(path: Path, card: SuiteCard) -> str:
    if path.stem != card.name:
        return f"is the card of suite {card.name!r}, its file must be {card.name}.json"
    return _texts_fault(card.model_dump(), multiline=("description", "how_to_fill"))


def _reported_fault(path: Path, reported: Reported) -> str:
    bad_link = url_fault(reported.source_url)
    if bad_link:
        return f"source_url {bad_link}"
    return _texts_fault(reported.model_dump(), multiline=("notes",))


def _texts_fault(record: object, *, multiline: Sequence[str] = ()) -> str:
    for where, text in strings(record):
        reason = text_fault(text, lines=where in multiline)
        if reason:
            return f"{where} {reason}"
    return ""


def _layout_faults(root: Path) -> Iterator[Fault]:
    base = root / "entries"
    # Cards that were refused count: they have a fault of their own already.
    cards = {path.stem for path in listed(root / "suites", "*.json")}
    for path in listed(base, "**/*"):
        reason = _misplaced(base, path, cards)
        if reason:
            yield Fault("layout", str(path), reason)


def _misplaced(base: Path, path: Path, cards: set[str]) -> str:
    depth = len(path.relative_to(base).parts)
    if path.is_symlink():
        return "is a link, entries must be plain files"
    if path.name == ".gitkeep":
        return ""
    if depth == 1 and path.is_dir():
        return "" if path.name in cards else f"has no card suites/{path.name}.json"
    if depth != 2 or path.suffix not in (".json", ".parquet"):
        return "does not belong here: entries are entries/<suite>/<system>.json and .parquet"
    if path.suffix == ".parquet" and not path.with_suffix(".json").is_file():
        return "has no entry beside it"
    return ""


def _as_fault(path: Path, kind: str, error: LassbenchError) -> Fault:
    at = f"line {error.where.rsplit(':', 1)[1]}: " if error.where.startswith(f"{path}:") else ""
    return Fault(kind, str(path), f"{at}{error.brief}")


def load_entry(path: Path) -> Loaded | Fault:
    """The entry at ``path`` with its rows, or the first thing that is wrong with it."""
    try:
        entry = read_model(path, Entry)
    except LassbenchError as error:
        return _as_fault(path, "unreadable", error)
    try:
        check_entry(entry)
        _check_place(path, entry)
        rows = open_rows(path.with_suffix(".parquet"), entry.score)
        check_rows(entry.score, rows)
    except Refused as refused:
        return Fault(refused.kind, str(path), refused.reason)
    except LassbenchError as error:
        return Fault("rows", str(path), error.brief)
    return Loaded(path, path.parent.name, entry, rows)


def read_entry(path: Path) -> Loaded:
    """The entry at ``path`` with its rows.

    Raises
    ------
    FaultsError
        With the first thing that is wrong with it.
    """
    loaded = load_entry(path)
    if isinstance(loaded, Fault):
        raise FaultsError("the entry itself is faulty", [loaded], where=path)
    return loaded


def check_entry(entry: Entry) -> None:
    """Check what an entry says of the system, and its definitions, without its rows.

    Raises
    ------
    Refused
        With the first thing found.
    """
    score = entry.score
    if score.kind == "unreferenced":
        raise Refused(
            "kind",
            "is of recordings without references: only a CLAP model's opinion is comparable there,"
            " and only with that of the same model, so no table ranks them; compare two with"
            " `lassbench compare`",
        )
    bad_name = name_fault(score.system.name)
    if bad_name:
        raise Refused("text", f"the system's name {bad_name}")
    for where, url in (("url", score.system.url), *entry.links.items()):
        if url and url_fault(url):
            raise Refused("text", f"link {one_line(where, 40)} {url_fault(url)}")
    if len(score.system.trained_on) > LIST_LIMIT or len(score.warnings) > LIST_LIMIT:
        raise Refused("text", f"a list is longer than {LIST_LIMIT}")
    if reason := _texts_fault(entry.model_dump(), multiline=_MULTILINE):
        raise Refused("text", reason)
    if score.system.run:
        raise Refused(
            "run",
            f"is one run ({score.system.run}) of several: an entry is one system; choose the run"
            " that stands for it, and score its folder alone, without --runs",
        )
    if not score.system.predictions_sha256:
        raise Refused(
            "coverage",
            "has no hash of its predictions, which tells them from others': write them"
            " to files with `lassbench separate`, and score these",
        )
    _check_definitions(score)


def _check_definitions(score: ScoreFile) -> None:
    for name, definition in score.definitions.items():
        if name not in METRICS or METRICS[name].id != definition:
            raise Refused(
                "definition",
                f"metric {one_line(name, 40)!r} is not defined as this version defines it:"
                " score the predictions again with it",
            )
    if any(name in score.definitions for name in CLAP_METRICS) != bool(score.clap_model):
        raise Refused("definition", "clap_model must name the model of its CLAPScores, if any")


def _check_place(path: Path, entry: Entry) -> None:
    expected = slug(entry.score.system.name)
    if path.parent.name != entry.score.suite.name:
        raise Refused("layout", f"is an entry for suite {one_line(entry.score.suite.name, 100)!r}")
    if path.stem == expected:
        return
    if path.with_stem(expected).is_file():
        raise Refused("duplicate", f"claims the name of {expected}.json: one entry a system")
    raise Refused("layout", f"must be named {expected}.json, after its system's name")


def open_rows(path: Path, score: ScoreFile) -> pd.DataFrame:
    """The rows beside an entry, once their size has been looked at without unpacking them.

    Raises
    ------
    Refused, LassbenchError
        If they are missing, damaged, far too large, or not what ``score`` was made from.
    """
    if path.is_symlink() or not path.is_file():
        raise Refused("rows", f"{path.name} with the per-query rows is not beside it")
    if path.stat().st_size > PARQUET_LIMIT:
        raise Refused("rows", f"{path.name} is larger than {PARQUET_LIMIT // 1_000_000} MB")
    try:
        meta = pq.read_metadata(path)
        unpacked = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    except (pa.ArrowException, OSError) as error:
        raise Refused("rows", f"{path.name} is not a whole Parquet file ({error})") from error
    if meta.num_rows != score.coverage.queries_scored or unpacked > UNPACKED_LIMIT:
        raise Refused(
            "rows",
            f"{path.name} has {meta.num_rows} rows ({unpacked} bytes),"
            f" the entry says {score.coverage.queries_scored} queries",
        )
    return read_rows(path, score)


def check_rows(score: ScoreFile, rows: pd.DataFrame) -> None:
    """Check an entry's rows: which queries they are of, their texts and their numbers.

    Raises
    ------
    Refused
        With the first thing found.
    """
    if score.coverage.queries_total != score.suite.queries:
        raise Refused(
            "coverage",
            f"the suite has {score.suite.queries} queries, the coverage says"
            f" {score.coverage.queries_total}",
        )
    if rows.empty:
        raise Refused("coverage", "no query was scored")
    known = score.coverage.renderable + score.coverage.unscorable
    if score.suite.synthetic and known < score.coverage.queries_total:
        raise Refused(
            "coverage",
            f"{known} of {score.coverage.queries_total} queries could be rendered: recordings"
            " vanish, the sounds of a synthetic suite do not",
        )
    for name in map(str, rows.select_dtypes("str")):
        for text in rows[name].unique():
            if reason := caption_fault(text):
                raise Refused("text", f"{name} of a row {reason}")
    clips = {*rows["target_id"], *rows["noise_id"]}
    if len(rows) == score.suite.queries and not clips.issuperset(score.contamination.clips):
        raise Refused("coverage", "names training clips as test clips that no row has")
    if impossible := next(row_faults(score, rows), ""):
        raise Refused("numbers", impossible)
