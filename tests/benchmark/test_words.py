"""Whether a sentence names a kind of sound."""

from __future__ import annotations

import pytest

from lassbench.benchmark.words import names, words_of


@pytest.mark.parametrize(
    ("sentence", "words", "expected"),
    [
        ("A dog barks", ["bark*"], True),
        ("BARKING loudly", ["bark*"], True),
        ("An embarked crew", ["bark*"], False),
        ("a tree's bark", ["barks"], False),
        ("The rain, falling", ["rain"], True),
        ("A train passes", ["rain"], False),
        ("raining", ["rain"], False),
        ("A fire truck drives by", ["fire truck*"], True),
        ("A fire near a truck", ["fire truck*"], False),
        ("rock 'n' roll (live)", ["live"], True),
        ("anything", [], False),
        ("anything", ["", "*"], False),
        ("a.b", ["a?b"], False),
    ],
)
def test_whole_words_in_any_case(sentence: str, words: list[str], expected: bool) -> None:
    assert names(sentence, words) is expected


def test_a_concept_without_words_is_named_by_itself_and_its_tags() -> None:
    tags = ("Male speech, man speaking", "Police car (siren)", "Speech")
    assert words_of("loud-speech", tags) == (
        *("loud speech", "loud speechs", "male speech", "male speechs"),
        *("man speaking", "man speakings", "police car", "police cars", "siren", "sirens"),
        *("speech", "speechs"),
    )
