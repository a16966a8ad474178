"""What is wrong with the words."""

from __future__ import annotations

import pytest

from lassbench.annotate.checks import check, check_collection, clean, finished, words
from lassbench.annotate.language import Beside, Detector

GOOD = "A dog barks twice while water drips into a bucket."


def kinds(text: str) -> set[str]:
    return {finding.kind for finding in check(text)}


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "Someone's keyboard clatters, then a bell - a small one - rings.",
        "Es regnet leise auf ein Blechdach.",
        "A car passes at 30 km/h, about 3 times",
        "Dr. visits aside, a woman laughs for 10 seconds at 44.1 kHz",
        "Un chien aboie très fort, puis s'arrête",
    ],
)
def test_honest_sentences_pass(text: str) -> None:
    assert [f for f in check(text) if f.level == "error"] == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        ("  \n ", "empty"),
        ("...", "empty"),
        ("Dog barks", "too short"),
        ("word " * 51, "too long"),
        ("x" * 200 + " " + "y" * 199 + " dog barks", "too long"),
        ("dog dog dog dog", "not a sentence"),
        ("1234 99 12 a 33 44", "not a sentence"),
        ("dog, bark, rain", "not a sentence"),
        ("A dog barks. Then it rains.", "several sentences"),
        ("A DOG BARKS LOUDLY", "capitals"),
        ("A dog <b>barks</b> loudly", "markup"),
        ("A dog barks &amp; howls loudly", "markup"),
        ("A man says write to joe.b@example.com now", "personal"),
        ("A man says write to joe (at) example.com now", "personal"),
        ("A dog from https://youtu.be/abc barks", "personal"),
        ("A dog from www.dogs.net barks", "personal"),
        ("A voice says call +49 170 1234567 now", "personal"),
        ("A voice says call (030) 123-4567 now", "personal"),
        ("A voice greets @dogfan and laughs", "personal"),
        ("A voice says my name is Peter and laughs", "personal"),
        ("A voice calls Mrs. Miller and laughs", "personal"),
    ],
)
def test_each_kind_of_fault_is_found(text: str, kind: str) -> None:
    assert kind in kinds(text)


def test_what_nobody_sees_is_taken_out() -> None:
    assert clean("a\u202eb\u200bc\x00\ud800\ufeff") == "abc"
    assert finished("  a\r\n dog\tbarks ") == "a dog barks"
    assert clean("e\u0301") == "\u00e9"
    assert clean("<b>ÄßçÑ…</b> 犬") == "<b>ÄßçÑ…</b> 犬"
    assert clean(clean(GOOD)) == GOOD


def test_words_of_scripts_without_spaces_are_counted_by_character() -> None:
    assert words("The dog's bark - well-known!") == ["the", "dog's", "bark", "well-known"]
    assert len(words("犬が吠える")) == 5


def test_texts_are_compared_with_each_other_and_the_captions() -> None:
    texts = {
        ("a1", "c1"): "A dog barks twice.",
        ("a2", "c1"): "a dog barks twice",
        ("a1", "c2"): "Rain falls on a roof",
        ("a3", "c1"): "Some hum is heard here",
        ("a3", "c2"): "Some hum is heard here",
        ("a3", "c3"): "some hum is heard here!",
        ("a2", "c3"): "A bell rings",
    }
    found = check_collection(texts, {"c2": ["Rain falls on a roof."], "c3": ["A bell"]})
    by_key = {key: [one.kind for one in findings] for key, findings in found.items()}
    assert by_key == {
        ("a1", "c1"): ["same as another"],
        ("a2", "c1"): ["same as another"],
        ("a1", "c2"): ["same as caption"],
        **{("a3", f"c{n}"): ["repeated"] for n in (1, 2, 3)},
    }


@pytest.fixture(scope="module")
def detector() -> Detector:
    assert check("Ein Hund bellt zweimal laut", Beside("en")) == []  # not there: no verdict
    return Detector("en")


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Ein Hund bellt zweimal laut im Garten hinter dem Haus", "German"),
        ("Un perro ladra a lo lejos mientras llueve", "Spanish"),
        ("Собака громко лает во дворе дома", "another script"),
        (GOOD, ""),
        ("Clapping and cheering crowd in a hall", ""),
    ],
)
def test_another_language_is_noticed(detector: Detector, text: str, other: str) -> None:
    assert detector.other(text) == other
    warned = [one for one in check(text, detector) if one.kind == "language"]
    assert bool(warned) == bool(other)
    assert all(one.level == "warning" for one in warned)


def test_the_fewest_words_have_no_language(detector: Detector) -> None:
    assert check("Hund bellt laut", detector) == []
