"""The audit: each finding on a list made for it, and what a list does not say is not looked for."""

from __future__ import annotations

from lassbench.records import Mixture, Query
from lassbench.suites.audit import FINDINGS, audit, describe

MIXTURES = [
    Mixture("m1", "dog1", "rain1"),
    Mixture("m2", "dog1", "dog1"),
    Mixture("m3", "dog1", "rain1"),
    Mixture("m4", "dog1", "rain1", 5.0),  # another SNR: no repeat
    Mixture("m5", "rain1", "dog1"),  # the other way round: no repeat
    Mixture("m6", "dog1", "dog2"),
]
QUERIES = [
    Query("q1", "m1", "a dog barks in the rain"),
    Query("q2", "m1", "a dog barks"),
    Query("q3", "m2", "a dog barks"),
    Query("q4", "m3", "it rains"),
    Query("q5", "m4", "brains and trains"),  # whole words only
    Query("q6", "m5", "Rain, and DOGS"),
    Query("q7", "m6", "water"),
]
LABELS = {"dog1": ("Dog", "Outside"), "dog2": ("Dog",), "rain1": ("Rain", "Outside")}
WORDS = {"dog1": ("dog", "dogs"), "dog2": ("dog",), "rain1": ("rain*",)}


def test_each_finding() -> None:
    found = audit(
        MIXTURES, QUERIES, labels=LABELS, words=WORDS, identical={"m6"}, silent={"m4", "m5"}
    )
    assert found == {
        "self-mixture": ("q3",),
        "repeated pair": ("q4",),
        "identical sources": ("q7",),
        "silent source": ("q5", "q6"),
        "shared label": ("q1", "q2", "q3", "q4", "q5", "q6", "q7"),
        "names the other sound": ("q1", "q3", "q4", "q6"),
    }
    assert tuple(found) == FINDINGS
    assert describe(found, len(QUERIES))[1] == "repeated pair: 1 of 7 queries, such as q4"


def test_of_an_absent_sound_both_are_the_others() -> None:
    asked = [
        Query("a1", "m1", "a dog barks", expects="silence"),
        Query("a2", "m1", "rain", expects="silence"),
        Query("a3", "m1", "a bell", expects="silence"),
    ]
    found = audit(MIXTURES, asked, labels=LABELS, words=WORDS)
    assert found["names the other sound"] == ("a1", "a2")


def test_what_a_list_does_not_say_is_not_looked_for() -> None:
    found = audit(MIXTURES, QUERIES, labels={}, words={})
    assert set(FINDINGS) - set(found) == {"shared label", "names the other sound"}
    assert describe(found, len(QUERIES))[-1] == (
        "not looked for, the list does not say enough: shared label, names the other sound"
    )
    assert describe(audit(MIXTURES[:1], QUERIES[:1], labels=LABELS, words=WORDS), 1) == [
        "shared label: 1 of 1 queries, such as q1",
        "names the other sound: 1 of 1 queries, such as q1",
    ]
    labels = {"dog1": ("x",), "rain1": ("y",)}
    clean = audit(MIXTURES[:1], QUERIES[1:2], labels=labels, words=WORDS)
    assert describe(clean, 1) == ["nothing questionable found"]


def test_what_is_known_of_one_sound_tells_nothing_of_the_other() -> None:
    one_sided = audit(MIXTURES[:1], QUERIES[:2], labels={"dog1": ("x",)}, words={"dog1": ("dog",)})
    assert set(FINDINGS) - set(one_sided) == {"shared label", "names the other sound"}
    # A list that names mixtures, not noises, may have a target several times.
    unnamed = [Mixture("m1", "dog1", ""), Mixture("m2", "dog1", "")]
    asked = [Query("q1", "m1", "a dog"), Query("q2", "m2", "a dog")]
    found = audit(unnamed, asked, labels=LABELS, words=WORDS, silent={"m2"})
    assert found == {"identical sources": (), "silent source": ("q2",)}


def test_a_target_that_is_one_of_several_noises() -> None:
    both = [Mixture("m1", "dog1", "rain1 + dog1"), Mixture("m2", "dog1", "rain1 + dog11")]
    asked = [Query("q1", "m1", "a dog"), Query("q2", "m2", "a dog")]
    assert audit(both, asked, labels={}, words={})["self-mixture"] == ("q1",)
