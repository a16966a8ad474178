"""Whether a leaderboard folder can be believed: every fault of it, in one pass.

A faulty entry gives one fault, the first found, and is left out of what is
returned; the checks that compare entries see only entries that passed alone.
Nothing is built from a folder with faults.

Two entries of a suite may cover different queries (clips vanish), but what both
cover must be the same questions on the same audio: equal texts and clips, and equal
metrics of the unprocessed mixture, which no system can change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

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
    identity,
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
    """Everything below ``root`` that passes its checks, and what is wrong with the rest.

    Raises
    ------
    LassbenchError
        If there is no such folder.
    """
    check_is_there(root)
    faults = list(_layout_faults(root))
    suites = _read_all(root, "suites/*.json", SuiteCard, faults)
    reported = _read_all(root, "reported/*.json", Reported, faults)
    sites = _read_all(root, "site.json", SiteCard, faults)
    for path, card in suites.items():
        if path.stem != card.name:
            reason = f"is the card of suite {card.name!r}, its file must be {card.name}.json"
            faults.append(Fault("suite", str(path), reason))
    of_name = {c.name: c for p, c in suites.items() if p.stem == c.name}
    cards = dict(sorted(of_name.items(), key=lambda one: (one[1].order, one[0])))
    entries: dict[str, list[Loaded]] = {name: [] for name in cards}
    work = [(card, path) for card in cards.values() for path in entry_files(root, card.name)]
    for found in mapper(load_entry, work):
        if isinstance(found, Fault):
            faults.append(found)
        else:
            entries[found.card.name].append(found)
    for name in cards:
        bad = list(suite_faults(entries[name]))
        faults += bad
        out = {fault.where for fault in bad}
        entries[name] = [entry for entry in entries[name] if str(entry.path) not in out]
    site = next(iter(sites.values()), SiteCard())
    return Leaderboard(root, cards, entries, [*reported.values()], site), sorted(faults)


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
    at = f"line {error.where.rsplit(':', 1)[1]}: " if error.where.startswith(f"{path}:") else ""
    return Fault("file", str(path), f"{at}{error.brief}")


def _layout_faults(root: Path) -> Iterator[Fault]:
    base = root / "entries"
    # Cards that were refused count: they have a fault of their own already.
    cards = {path.stem for path in listed(root, "suites/*.json")}
    if base.exists():
        listed(base)  # a pattern passes over folders that cannot be read, this does not
    for path in listed(base, "**/*"):
        if reason := _misplaced(base, path, cards):
            yield Fault("layout", str(path), reason)


def _misplaced(base: Path, path: Path, cards: set[str]) -> str:
    depth = len(path.relative_to(base).parts)
    if path.is_symlink():
        return "is a link, entries must be plain files"
    if path.name == ".gitkeep":
        return ""
    if depth == 1 and path.is_dir():
        inside = listed(path)
        known = path.name in cards or not inside
        return "" if known else f"has no card suites/{path.name}.json"
    if depth != 2 or path.suffix not in (".json", ".parquet"):
        return "does not belong here: entries are entries/<suite>/<system>.json and .parquet"
    if path.suffix == ".parquet" and not path.with_suffix(".json").is_file():
        return "has no card beside it: the next `add` or `build` removes it"
    return ""


# ---------------------------------------------------------------------------
# One entry
# ---------------------------------------------------------------------------


def load_entry(of: tuple[SuiteCard, Path]) -> Loaded | Fault:
    """The entry at a path with its rows, or the first thing that is wrong with it."""
    card, path = of
    try:
        loaded = Loaded(path, card, entry := read_model(path, Entry), pd.DataFrame())
        _check_place(loaded)
        rows_path = path.with_suffix(".parquet")
        if rows_path.is_symlink():
            raise LassbenchError(f"{rows_path.name} is a link")
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
        raise LassbenchError(
            "no entry of a leaderboard",
            where=path,
            expected="ROOT/entries/<suite>/<system>.json, and ROOT/suites/<suite>.json beside",
        )
    loaded = load_entry((read_model(card, SuiteCard), path))
    if isinstance(loaded, Fault):
        raise FaultsError("the entry itself is faulty", [loaded], where=path)
    return loaded


def _check_place(loaded: Loaded) -> None:
    path, entry = loaded.path, loaded.entry
    if entry.suite != path.parent.name:
        raise LassbenchError(f"is an entry for suite {entry.suite!r}")
    expected = slug(entry.system.name)
    if path.stem != expected:
        if path.with_stem(expected).is_file():
            raise LassbenchError(f"claims the name of {expected}.json: one entry a system")
        raise LassbenchError(f"must be named {expected}.json, after its system's name")


def check_rows(loaded: Loaded) -> None:
    """Check an entry's rows: which queries they are of, their texts and their numbers.

    Raises
    ------
    LassbenchError
        With the first thing found.
    """
    card, entry, rows = loaded.card, loaded.entry, loaded.rows
    if not card.list_fingerprint:
        raise LassbenchError("this suite has no frozen list yet (its card has no list_fingerprint)")
    if entry.list_fingerprint != card.list_fingerprint:
        raise LassbenchError(
            f"was scored on another list of queries: fingerprint {entry.list_fingerprint[:12]},"
            f" the suite's is {card.list_fingerprint[:12]}"
        )
    known = len(rows) + entry.missing_predictions + entry.unscorable
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


# ---------------------------------------------------------------------------
# The entries of one suite
# ---------------------------------------------------------------------------

_QUESTION = (
    *("mixture_id", "target_id", "noise_id", "concept", "root", "noise_concept"),
    *("tags", "query_type", "annotator", "text"),
)


def suite_faults(entries: Sequence[Loaded]) -> Iterator[Fault]:
    """What is wrong between the entries of one suite."""
    yield from _claimed_twice(entries, "the name {what!r}", lambda e: identity(e.name))
    yield from _claimed_twice(
        entries, "the same predictions ({what:.12})", lambda e: e.entry.system.predictions_sha256
    )
    reference = min(entries, key=_trust, default=None)
    for entry in entries:
        if reason := _disagreement(reference, entry) if entry is not reference else "":
            yield Fault("disagreement", str(entry.path), reason)


def _claimed_twice(
    entries: Sequence[Loaded], claim: str, key: Callable[[Loaded], str]
) -> Iterator[Fault]:
    holders: dict[str, list[Loaded]] = defaultdict(list)
    for entry in sorted(entries, key=_trust):
        holders[key(entry)].append(entry)
    for what, (first, *others) in sorted(holders.items()):
        for other in others:  # one fault for the pair: the one verified, or older, stays
            said = f"claims {claim.format(what=what)}, as {first.path.name} does"
            yield Fault("duplicate", str(other.path), said)


def _trust(entry: Loaded) -> tuple[bool, str, str]:
    """Sorts verified entries first, then older ones."""
    return entry.entry.standing != "verified", entry.entry.date, entry.slug


def _disagreement(reference: Loaded | None, entry: Loaded) -> str:
    assert reference is not None
    ours, theirs = common_rows(reference.rows, entry.rows)
    for name in _QUESTION:
        if (ours[name].to_numpy() != theirs[name].to_numpy()).any():
            return f"has another {name} for the same query than {reference.path.name}"
    other = f"was scored on other audio than {reference.path.name}: "
    for name in MIXTURE_COLUMNS if entry.card.kind == "separation" else ():
        pair = ours[name].to_numpy(), theirs[name].to_numpy()
        if differs := int((~np.isclose(*pair, rtol=0, atol=MACHINES_DB, equal_nan=True)).sum()):
            return f"{other}{name}, which no system can change, differs for {differs} queries"
    a, b = reference.entry, entry.entry
    if a.suite_fingerprint == b.suite_fingerprint:
        if a.unscorable != b.unscorable:
            return (
                f"leaves out {b.unscorable} queries as unscorable, {reference.path.name} "
                f"{a.unscorable}: which these are depends on the suite alone"
            )
    elif all(
        one.coverage.renderable + one.entry.unscorable == one.card.queries
        for one in (reference, entry)
    ):
        return (
            f"{other}suite fingerprints {b.suite_fingerprint[:12]} and {a.suite_fingerprint[:12]}"
        )
    return ""
