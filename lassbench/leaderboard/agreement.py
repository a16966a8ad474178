"""Checks between the entries of one suite: do they speak of the same thing?

Two entries may cover different queries (clips vanish), but what both cover must
be the same questions on the same audio: equal texts and clips, and equal
metrics of the unprocessed mixture, which no system can change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lassbench.errors import Fault
from lassbench.leaderboard.entries import Loaded, SuiteCard
from lassbench.leaderboard.text import identity
from lassbench.scores.comparison import common_rows
from lassbench.scores.rows import MIXTURE_COLUMNS

#: Mixture metrics of one query may differ by this between two machines (dB).
MACHINES_DB = 1e-2
_QUESTION = (
    *("mixture_id", "target_id", "noise_id", "concept", "root", "noise_concept"),
    *("tags", "query_type", "annotator", "text"),
)


def suite_faults(card: SuiteCard, entries: Sequence[Loaded]) -> Iterator[Fault]:
    """What is wrong between ``entries`` and their suite's card, and among themselves."""
    for entry in entries:
        reason = _against_card(card, entry)
        if reason:
            yield Fault("fingerprint", str(entry.path), reason)
    right = [entry for entry in entries if not _against_card(card, entry)]
    yield from _claimed_twice(right, "duplicate", "the name {what!r}", lambda e: identity(e.name))
    yield from _claimed_twice(
        right,
        "duplicate",
        "the same predictions ({what:.12})",
        lambda e: e.entry.score.system.predictions_sha256,
    )
    if right:
        reference = min(right, key=_trust)
        for entry in right:
            reason = "" if entry is reference else _disagreement(reference, entry)
            if reason:
                yield Fault("disagreement", str(entry.path), reason)


def _against_card(card: SuiteCard, entry: Loaded) -> str:
    suite = entry.entry.score.suite
    if not card.list_fingerprint:
        return "this suite has no frozen list yet (its card has no list_fingerprint)"
    if suite.list_fingerprint != card.list_fingerprint:
        return (
            f"was scored on another list of queries: fingerprint {suite.list_fingerprint[:12]},"
            f" the suite's is {card.list_fingerprint[:12]}"
        )
    expected = (card.kind, card.synthetic, card.queries)
    got = (entry.entry.score.kind, suite.synthetic, suite.queries)
    if expected != got:
        return f"says (kind, synthetic, queries) = {got}, the suite's card says {expected}"
    return ""


def _claimed_twice(
    entries: Sequence[Loaded], kind: str, claim: str, key: Callable[[Loaded], str]
) -> Iterator[Fault]:
    holders: dict[str, list[Loaded]] = defaultdict(list)
    for entry in entries:
        holders[key(entry)].append(entry)
    for what, same in sorted(holders.items()):
        if len(same) > 1:
            # One fault for the pair: the entry that was verified, or is older, stays.
            first, *others = sorted(same, key=_trust)
            for other in others:
                said = claim.format(what=what)
                yield Fault(kind, str(other.path), f"claims {said}, as {first.path.name} does")


def _trust(entry: Loaded) -> tuple[bool, str, str]:
    """Sorts verified entries first, then older ones."""
    return entry.entry.standing != "verified", entry.entry.date, entry.slug


def _disagreement(reference: Loaded, entry: Loaded) -> str:
    ours, theirs = common_rows(reference.rows, entry.rows)
    for name in _QUESTION:
        if (ours[name].to_numpy() != theirs[name].to_numpy()).any():
            return f"has another {name} for the same query than {reference.path.name}"
    if entry.entry.score.kind == "separation":
        for name in MIXTURE_COLUMNS:
            a, b = ours[name].to_numpy(), theirs[name].to_numpy()
            differs = ~np.isclose(a, b, rtol=0, atol=MACHINES_DB, equal_nan=True)
            if differs.any():
                return (
                    f"was scored on other audio than {reference.path.name}: {name}, which no"
                    f" system can change, differs for {int(differs.sum())} queries"
                )
    return _other_audio(reference, entry)


def _other_audio(reference: Loaded, entry: Loaded) -> str:
    a, b = reference.entry.score, entry.entry.score
    coverage = [s.coverage for s in (a, b)]
    whole = all(one.renderable + one.unscorable == one.queries_total for one in coverage)
    if (
        a.suite.fingerprint == b.suite.fingerprint
        and coverage[0].unscorable != coverage[1].unscorable
    ):
        return (
            f"leaves out {coverage[1].unscorable} queries as unscorable, {reference.path.name} "
            f"{coverage[0].unscorable}: which these are depends on the suite alone"
        )
    if whole and a.suite.fingerprint != b.suite.fingerprint:
        return (
            f"was scored on other audio than {reference.path.name}: suite fingerprints"
            f" {b.suite.fingerprint[:12]} and {a.suite.fingerprint[:12]}"
        )
    return ""
