"""What is questionable about a list: found when it is frozen or imported, and never corrected.

A list is used as its authors made it.  But a mixture of a sound with itself cannot be
separated, a pair that stands twice counts twice, and a query that names both sounds has no
one answer; so each is named, counted on the suite's card, and told apart in the scores.

===========================  ==============================================================
``self-mixture``             the target is the noise too
``repeated pair``            the same target, noise and SNR as an earlier mixture
``identical sources``        two names, the same samples
``silent source``            the target or the noise is silent: nothing can be scored
``shared label``             both sounds carry a label of one name
``names the other sound``    the query's words name the noise (:mod:`lassbench.benchmark.words`),
                             or, asked for an absent sound, either sound of the mixture
===========================  ==============================================================

What ids, labels and names can tell depends on what the list says of its sounds: a finding that
could be looked for in no mixture is not in the result, one that was not found is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal, get_args

from lassbench.benchmark.words import names
from lassbench.csv_files import join
from lassbench.errors import Fault, one_line
from lassbench.files import name_fault
from lassbench.plain_text import caption_fault
from lassbench.records import Mixture, Query, repeats

Finding = Literal[
    "self-mixture",
    "repeated pair",
    "identical sources",
    "silent source",
    "shared label",
    "names the other sound",
]
#: What joins the ids of several noises in one mixture (AudioSep's of Clotho).
NOISES_JOINED = " + "
FINDINGS: tuple[Finding, ...] = get_args(Finding)
#: Finding -> the queries it was made on, in their order.
Audit = dict[Finding, tuple[str, ...]]


def audit(
    mixtures: Iterable[Mixture],
    queries: Iterable[Query],
    *,
    labels: Mapping[str, Collection[str]],
    words: Mapping[str, Collection[str]],
    identical: Collection[str] = (),
    silent: Collection[str] = (),
) -> Audit:
    """What is questionable about each query of a list.

    Parameters
    ----------
    labels
        Clip id -> its labels, for the clips whose labels are known.
    words
        Clip id -> the words that name its sound, for the clips where these are known.
    identical, silent
        The mixtures whose two sources have the same samples, or one of which is silent.

    Returns
    -------
    dict
        Finding -> query ids, in the order of :data:`FINDINGS`.
    """
    by_id = {one.mixture_id: one for one in mixtures}
    asked = [(by_id[query.mixture_id], query) for query in queries]
    repeated = repeats(one for one in by_id.values() if one.noise_id)

    def share_a_label(one: Mixture, _: Query) -> bool:
        return not set(labels.get(one.target_id, ())).isdisjoint(labels.get(one.noise_id, ()))

    def others(one: Mixture, query: Query) -> list[str]:
        # Of a sound that is not there, both of the mixture's are the others.
        return [one.noise_id, *([one.target_id] if query.expects == "silence" else [])]

    def names_other(one: Mixture, query: Query) -> bool:
        return any(names(query.text, words.get(other, ())) for other in others(one, query))

    tests: dict[Finding, Callable[[Mixture, Query], bool]] = {
        "self-mixture": lambda one, _: (
            one.target_id in (one.noise_id, *one.noise_id.split(NOISES_JOINED))
        ),
        "repeated pair": lambda one, _: one.mixture_id in repeated,
        "identical sources": lambda one, _: one.mixture_id in identical,
        "silent source": lambda one, _: one.mixture_id in silent,
        "shared label": share_a_label,
        "names the other sound": names_other,
    }
    if not any(one.noise_id for one in by_id.values()):
        del tests["self-mixture"], tests["repeated pair"]
    if not any(one.target_id in labels and one.noise_id in labels for one in by_id.values()):
        del tests["shared label"]
    if not any(other in words for one, query in asked for other in others(one, query)):
        del tests["names the other sound"]
    return {
        finding: tuple(query.query_id for one, query in asked if is_so(one, query))
        for finding, is_so in tests.items()
    }


def query_faults(query: Query, where: str, *, noise: Collection[str] = ()) -> list[Fault]:
    """What of a query no leaderboard would take, or could not be a file's name.

    Parameters
    ----------
    where
        Its ``file:line`` or id.
    noise
        What the other sound is called.
    """
    texts = {"query": query.text, "negative query": query.negative, "label": join(query.tags)}
    texts |= {"noise": join(noise), "concept": query.concept}
    ids = {"mixture": query.mixture_id, "query": query.query_id}
    return [
        Fault("text", where, f"the {what} {text[:100]!r} {reason}")
        for what, text in texts.items()
        if (reason := caption_fault(text))
    ] + [
        Fault("name", where, f"the {what}'s name {one_line(text, 100)!r} {reason}")
        for what, text in ids.items()
        if (reason := name_fault(text))
    ]


def describe(audit: Audit, queries: int) -> list[str]:
    """The audit for people: a line a finding with its count, and what could not be looked for."""
    lines = [
        f"{finding}: {len(found)} of {queries} queries, such as {found[0]}"
        for finding, found in audit.items()
        if found
    ]
    unknown = [finding for finding in FINDINGS if finding not in audit]
    if unknown:
        lines.append(f"not looked for, the list does not say enough: {', '.join(unknown)}")
    return lines or ["nothing questionable found"]
