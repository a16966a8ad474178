"""Whether a leaderboard folder can be believed: every fault of it, in one pass.

A faulty entry gives one fault, the first found, and is left out of what is
returned; the checks that compare entries see only entries that passed alone.
Nothing is built from a folder with faults.

Two entries of a suite may cover different queries (clips vanish), but what both
cover must be the same questions on the same audio: equal texts and clips, and equal
metrics of the unprocessed mixture, which no system can change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lassbench.errors import Fault, FaultsError, LassbenchError
from lassbench.files import listed
from lassbench.leaderboard.entries import (
    Entry,
    Leaderboard,
    Loaded,
    Model,
    Reported,
    SiteCard,
    SuiteCard,
    read_model,
    slug,
)
from lassbench.leaderboard.numbers import row_faults
from lassbench.plain_text import caption_fault
from lassbench.scores.comparison import common_rows
from lassbench.scores.rows import CLAP_METRICS, MIXTURE_COLUMNS
from lassbench.scores.score_file import read_rows

#: Maps a function over pieces of work: ``map``, or a pool's.
Mapper: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]

#: Mixture metrics of one query may differ by this between two machines (dB).
MACHINES_DB = 1e-2


def check_is_there(root: Path) -> None:
    """Refuse a leaderboard that is no folder, with a LassbenchError."""
    if not root.is_dir():
        fix = "start one with `lassbench leaderboard add SCORES --root FOLDER`"
        raise LassbenchError("no leaderboard here", where=root, got="no such folder", fix=fix)


def read_leaderboard(root: Path, *, mapper: Mapper = map) -> Leaderboard:
    """Read and check everything below ``root``.

    Raises
    ------
    FaultsError
        If anything is wrong, listing all of it.
    LassbenchError
        If there is no such folder, or it cannot be read.
    """
    check_is_there(root)
    faults = list(_layout_faults(root))
    reported = _read_all(root, "reported/*.json", Reported, faults)
    sites = _read_all(root, "site.json", SiteCard, faults)
    suites = _read_all(root, "suites/*.json", SuiteCard, faults)
    for path, card in [*suites.items()]:
        if path.stem != card.name:
            reason = f"is the card of suite {card.name!r}, its file must be {card.name}.json"
            faults.append(Fault("suite", str(path), reason))
            del suites[path]
    cards = {c.name: c for c in sorted(suites.values(), key=lambda card: (card.order, card.name))}
    entries: dict[str, list[Loaded]] = {name: [] for name in cards}
    work = [(card, path) for card in cards.values() for path in entry_files(root, card.name)]
    for found in mapper(load_entry, work):
        if isinstance(found, Fault):
            faults.append(found)
        else:
            entries[found.card.name].append(found)
    for of_suite in entries.values():
        faults += suite_faults(of_suite)
    if faults:
        what = f"{len(faults)} fault(s) in this leaderboard"
        fix = "correct or remove the files named; nothing was written"
        raise FaultsError(what, sorted(faults), where=root, fix=fix)
    site = next(iter(sites.values()), SiteCard())
    return Leaderboard(root, cards, entries, [*reported.values()], site)


def entry_files(root: Path, suite: str = "*") -> list[Path]:
    """The cards of the entries of ``suite`` (or of all), sorted."""
    return [p for p in listed(root / "entries", f"{suite}/*.json") if not p.is_symlink()]


def _read_all(
    root: Path, pattern: str, model: type[Model], faults: list[Fault]
) -> dict[Path, Model]:
    records: dict[Path, Model] = {}
    for path in listed(root, pattern):
        try:
            records[path] = read_model(path, model)
        except LassbenchError as error:
            faults.append(_as_fault(path, error))
    return records


def _as_fault(path: Path, error: LassbenchError) -> Fault:
    return Fault("file", error.where or str(path), error.brief)


def _layout_faults(root: Path) -> Iterator[Fault]:
    base = root / "entries"
    # Cards that were refused count: they have a fault of their own already.
    cards = {path.stem for path in listed(root, "suites/*.json")}
    # A pattern passes over folders that cannot be read, `listed` of the folder does not.
    if base.exists():
        listed(base)
    for path in listed(base, "**/*"):
        suite, *inside = path.relative_to(base).parts
        reason = ""
        if path.is_symlink():
            reason = "is a link, entries must be plain files"
        elif path.is_dir():
            listed(path)
        elif path.name == ".gitkeep" and not path.stat().st_size:
            continue
        elif len(inside) != 1 or path.suffix not in (".json", ".parquet"):
            reason = "does not belong here: entries are entries/<suite>/<system>.json and .parquet"
        elif not path.with_suffix(".json").is_file():
            reason = "has no card beside it: the next `add` or `build` removes it"
        elif path.suffix == ".json" and suite not in cards:
            reason = f"has no card suites/{suite}.json"
        if reason:
            yield Fault("layout", str(path), reason)


def load_entry(of: tuple[SuiteCard, Path]) -> Loaded | Fault:
    """The entry at a path with its rows, or the first thing that is wrong with it."""
    card, path = of
    try:
        entry = read_model(path, Entry)
        if entry.suite != path.absolute().parent.name:
            raise LassbenchError(f"is an entry for suite {entry.suite!r}")
        if path.stem != (expected := slug(entry.system.name)):
            raise LassbenchError(f"must be named {expected}.json, after its system's name")
        rows_path = path.with_suffix(".parquet")
        rows = read_rows(rows_path, card.kind, entry.rows_sha256, most=card.queries)
        loaded = Loaded(path, card, entry, rows)
        check_rows(loaded)
    except LassbenchError as error:
        return _as_fault(path, error)
    return loaded


def read_entry(path: Path) -> Loaded:
    """The entry at ``path``, in its leaderboard, with its rows.

    Raises
    ------
    LassbenchError
        If it is no entry of a leaderboard, or with the first thing that is wrong with it.
    """
    card = path.absolute().parents[2] / "suites" / f"{path.absolute().parent.name}.json"
    if path.suffix != ".json" or not card.is_file():
        expected = "ROOT/entries/<suite>/<system>.json, and ROOT/suites/<suite>.json beside"
        raise LassbenchError("no entry of a leaderboard", where=path, expected=expected)
    loaded = load_entry((read_model(card, SuiteCard), path))
    if isinstance(loaded, Fault):
        raise FaultsError("the entry itself is faulty", [loaded], where=path)
    return loaded


def check_rows(loaded: Loaded) -> None:
    """Check an entry's rows: which queries they are of, their texts and their numbers.

    Raises
    ------
    LassbenchError
        With the first thing found.
    """
    card, entry, rows = loaded.card, loaded.entry, loaded.rows
    if entry.list_fingerprint != card.list_fingerprint:
        raise LassbenchError(
            f"was scored on another list of queries: fingerprint {entry.list_fingerprint:.12},"
            f" the suite's is {card.list_fingerprint[:12] or 'not frozen yet'}"
        )
    known = loaded.known
    if rows.empty or known > card.queries:
        raise LassbenchError(f"is of {known} queries ({len(rows)} rows), of {card.queries}")
    if card.synthetic and known < card.queries:
        raise LassbenchError(
            f"{known} of {card.queries} queries could be rendered: recordings"
            " vanish, the sounds of a synthetic suite do not"
        )
    if any(name in rows for name in CLAP_METRICS) != bool(entry.clap_model):
        raise LassbenchError("clap_model must name the model of its CLAPScores, if any")
    for name in map(str, rows.select_dtypes("str")):
        for text in rows[name].unique():
            if reason := caption_fault(text):
                raise LassbenchError(f"{name} of a row {reason}")
    clips = {*rows["target_id"], *rows["noise_id"]}
    if len(rows) == card.queries and not clips.issuperset(entry.contamination.clips):
        raise LassbenchError("names training clips as test clips that no row has")
    if impossible := next(row_faults(card.kind, rows), ""):
        raise LassbenchError(impossible)


def suite_faults(entries: Sequence[Loaded]) -> Iterator[Fault]:
    """What is wrong between the entries of one suite.

    Of two that claim the same, or differ, the one that was verified, or the older, stays.
    """
    ours = sorted(entries, key=lambda e: (e.entry.standing != "verified", e.entry.date, e.slug))
    names: dict[str, Loaded] = {}
    predictions: dict[str, Loaded] = {}
    audio: dict[str, Loaded] = {}
    for entry in ours:
        digest = entry.entry.system.predictions_sha256
        if (same := names.setdefault(entry.slug, entry)) is not entry:
            kind = "duplicate"
            reason = f"{entry.name!r} and {same.name!r} would both be {entry.path.name}"
        elif (same := predictions.setdefault(digest, entry)) is not entry:
            kind = "duplicate"
            reason = f"claims the same predictions ({digest[:12]}), as {same.path.name} does"
        else:
            kind = "disagreement"
            same = audio.setdefault(entry.entry.suite_fingerprint, entry)
            reason = _disagreement(ours[0], entry) or _left_out(same, entry)
        if reason:
            yield Fault(kind, str(entry.path), reason)


def _disagreement(reference: Loaded, entry: Loaded) -> str:
    """In what two entries differ that no system can change, or ``""``."""
    ours, theirs = common_rows(reference.rows, entry.rows)
    for name in sorted({*map(str, ours.select_dtypes("str"))} - {"flags", "audit"}):
        if (ours[name].to_numpy() != theirs[name].to_numpy()).any():
            return f"has another {name} for the same query than {reference.path.name}"
    other = f"was scored on other audio than {reference.path.name}: "
    for name in MIXTURE_COLUMNS if entry.card.kind == "separation" else ():
        pair = ours[name].to_numpy(), theirs[name].to_numpy()
        if differs := int((~np.isclose(*pair, rtol=0, atol=MACHINES_DB, equal_nan=True)).sum()):
            return f"{other}{name}, which no system can change, differs for {differs} queries"
    a, b = (one.entry.suite_fingerprint for one in (reference, entry))
    if a != b and reference.known == entry.known == entry.card.queries:
        return f"{other}suite fingerprints {b:.12} and {a:.12}"
    return ""


def _left_out(reference: Loaded, entry: Loaded) -> str:
    """Which queries an entry leaves out that one on the same audio has, or ``""``.

    What can be scored depends on the audio alone: who drops bad answers is not short of clips.
    """
    (ours, silent), (theirs, told) = (
        (one.known, one.entry.unscorable) for one in (reference, entry)
    )
    if (ours, silent) != (theirs, told):
        return (
            f"is of {theirs} queries and leaves out {told} as unscorable, on the same audio as"
            f" {reference.path.name}, which is of {ours} and leaves out {silent}"
        )
    whole = not (reference.entry.missing_predictions or entry.entry.missing_predictions)
    if whole and (lacking := {*reference.rows["query_id"]} - {*entry.rows["query_id"]}):
        return f"leaves out {min(lacking)}, which {reference.path.name} has on the same audio"
    return ""
