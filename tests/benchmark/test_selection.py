"""Selection on labels that were made up so that every outcome is known beforehand."""

from __future__ import annotations

import hashlib

import pytest

from lassbench.benchmark.definitions import Concept, Definition, SplitRule
from lassbench.benchmark.metadata_readers import CaptionedClip, Segment
from lassbench.benchmark.selection import (
    Selection,
    first_by_hash,
    hash_order,
    resolve_roots,
    select,
    split_by_hash,
    split_released,
    start_faults,
)
from lassbench.benchmark.sources import Metadata, load_metadata
from lassbench.errors import FaultsError, LassbenchError
from tests.small_metadata import small_source, video

CONCEPTS = (
    Concept(name="dog", tags=("Dog", "Bark", "Animal")),
    Concept(name="rain", tags=("Rain", "Raindrop")),
    Concept(name="siren", tags=("Siren",)),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Metadata:
    source = small_source(tmp_path_factory.mktemp("metadata"))
    return load_metadata(source, Definition(name="small", concepts=CONCEPTS))


@pytest.fixture(scope="module")
def selection(data: Metadata) -> Selection:
    return select(data.captioned, data.segments, data.ontology, CONCEPTS)


def one(
    data: Metadata, labels: str, concepts: tuple[Concept, ...] = CONCEPTS, start: float = 0.0
) -> Selection:
    clip = CaptionedClip("aaaaaaaaaaa", 0.0, "train", ((1, "a"),), "train.csv:2")
    mids = tuple(data.ontology.mid(name) for name in labels.split(","))
    segments = {"aaaaaaaaaaa": Segment(start, start + 10, mids)}
    return select({"aaaaaaaaaaa": clip}, segments, data.ontology, concepts)


def test_a_clip_is_a_candidate_when_all_labels_lie_in_one_concept(selection: Selection) -> None:
    assert {row.concept for row in selection.candidates.values()} == {"dog", "rain", "siren"}
    assert [len(selection.of_concept(c)) for c in ("dog", "rain", "siren")] == [6, 6, 6]
    row = selection.candidates[video("dog", 1)]
    assert (row.start_s, row.end_s, row.tags) == (30.0, 40.0, ("Bark", "Dog"))
    assert list(selection.candidates) == sorted(selection.candidates)


@pytest.mark.parametrize(
    ("labels", "kind", "words"),
    [
        ("Dog,Rain", "other sound", "'Rain' outside the nearest concept, dog"),
        ("Bark,Dog,Rain", "other sound", "'Rain' outside the nearest concept, dog"),
        ("Rain,Raindrop,Dog", "other sound", "'Dog' outside the nearest concept, rain"),
        ("Music,Duck", "other sound", "no concept has any of its labels: 'Music', 'Duck'"),
    ],
)
def test_another_label_disqualifies(data: Metadata, labels: str, kind: str, words: str) -> None:
    rejected = one(data, labels).rejections["aaaaaaaaaaa"]
    assert (rejected.kind, rejected.reason) == (kind, words)


def test_a_clip_that_fits_two_concepts_is_in_neither(data: Metadata) -> None:
    both = (*CONCEPTS, Concept(name="duck", tags=("Duck", "Animal")))
    rejected = one(data, "Animal", both).rejections["aaaaaaaaaaa"]
    assert (rejected.kind, rejected.reason) == (
        "several concepts",
        "its labels fit each of dog, duck",
    )
    assert one(data, "Animal,Duck", both).candidates["aaaaaaaaaaa"].concept == "duck"


def test_labels_of_another_time_or_none_are_told(data: Metadata) -> None:
    late = one(data, "Dog", start=30.0)
    assert late.rejections["aaaaaaaaaaa"].kind == "other start"
    clip = CaptionedClip("aaaaaaaaaaa", 0.0, "train", ((1, "a"),), "train.csv:2")
    none = select({"aaaaaaaaaaa": clip}, {}, data.ontology, CONCEPTS)
    assert none.rejections["aaaaaaaaaaa"].kind == "no AudioSet row"
    (fault,) = start_faults({"aaaaaaaaaaa": clip}, late.rejections)
    assert fault.where == "train.csv:2" and "30 s" in fault.reason


def test_a_category_that_is_no_label_is_refused(data: Metadata) -> None:
    concepts = (Concept(name="nature", tags=("Natural sounds",)),)
    with pytest.raises(LassbenchError, match="no AudioSet clip can carry 'Natural sounds'"):
        select(data.captioned, data.segments, data.ontology, concepts)


def test_roots_are_found_or_asked_for(data: Metadata) -> None:
    def roots(*concepts: Concept) -> list[str]:
        definition = Definition(name="x", concepts=(CONCEPTS[1], *concepts))
        return [c.root for c in resolve_roots(definition, data.ontology).concepts[1:]]

    assert roots(CONCEPTS[0], CONCEPTS[2]) == ["Animal", "Sounds of things"]
    assert roots(Concept(name="bell", tags=("Bell",), root="Music")) == ["Music"]
    with pytest.raises(FaultsError, match="have Sounds of things, Music in common"):
        roots(Concept(name="bell", tags=("Bell",)))
    with pytest.raises(FaultsError, match="do not all stand under 'Animal'"):
        roots(Concept(name="bell", tags=("Bell",), root="Animal"))
    with pytest.raises(FaultsError, match="have none in common"):
        roots(Concept(name="mixed", tags=("Dog", "Siren")))
    with pytest.raises(FaultsError, match=r"no category 'Sirene' \(did you mean 'Siren'"):
        roots(Concept(name="mixed", tags=("Sirene",)))


def test_the_hash_order_is_sha256_of_the_id() -> None:
    assert hash_order("abc") == hashlib.sha256(b"abc").hexdigest()
    assert hash_order("abc", 7) == hashlib.sha256(b"7:abc").hexdigest()
    # FIPS 180-4's test vector for "abc".
    assert hash_order("abc").startswith("ba7816bf8f01cfea")


def test_the_split_follows_the_hash_order_and_loses_nothing(selection: Selection) -> None:
    rule = SplitRule(test_per_concept=2, validation_per_concept=1, seed=5)
    splits = split_by_hash(selection, CONCEPTS, rule)
    assert {name: len(rows) for name, rows in splits.items()} == {
        "train": 9,
        "validation": 3,
        "test": 6,
    }
    everyone = [row.youtube_id for rows in splits.values() for row in rows]
    assert sorted(everyone) == sorted(selection.candidates)
    dogs = sorted(
        (row.youtube_id for row in selection.of_concept("dog")),
        key=lambda y: hashlib.sha256(f"5:{y}".encode()).hexdigest(),
    )
    assert [r.youtube_id for r in splits["test"] if r.concept == "dog"] == dogs[:2]
    assert [r.youtube_id for r in splits["validation"] if r.concept == "dog"] == dogs[2:3]
    fewer = split_by_hash(selection, CONCEPTS, rule.model_copy(update={"train_per_concept": 1}))
    assert len(fewer["train"]) == 3 and fewer["test"] == splits["test"]


def test_too_few_candidates_are_told_for_every_concept(selection: Selection) -> None:
    with pytest.raises(FaultsError) as caught:
        split_by_hash(selection, CONCEPTS, SplitRule(test_per_concept=5, validation_per_concept=1))
    assert [fault.where for fault in caught.value.faults] == [
        "concept dog",
        "concept rain",
        "concept siren",
    ]


def test_released_lists_decide_the_split_and_the_rest_is_left(selection: Selection) -> None:
    ids = {c: [row.youtube_id for row in selection.of_concept(c)] for c in ("dog", "rain", "siren")}
    test = [group[0] for group in ids.values()]
    training = [youtube_id for group in ids.values() for youtube_id in group[1:5]]
    rule = SplitRule(rule="released", validation_per_concept=1)
    splits, left = split_released(selection, CONCEPTS, rule, training=training, test=test)
    assert [row.youtube_id for row in splits["test"]] == test
    assert {row.youtube_id for row in left} == {group[5] for group in ids.values()}
    kept = {row.youtube_id for row in splits["train"]}
    held = {row.youtube_id for row in splits["validation"]}
    assert kept | held == set(training) and not kept & held
    for group in ids.values():
        first = min(group[1:5], key=lambda y: hashlib.sha256(y.encode()).hexdigest())
        assert first in held


def test_a_released_clip_that_is_no_candidate_is_refused(selection: Selection) -> None:
    rule = SplitRule(rule="released")
    with pytest.raises(FaultsError) as caught:
        split_released(
            selection,
            CONCEPTS,
            rule,
            training=[video("other", 0), "zzzzzzzzzzz", video("dog", 0)],
            test=[video("dog", 0)],
        )
    assert {(f.kind, f.where) for f in caught.value.faults} == {
        ("in both lists", video("dog", 0)),
        ("no candidate", video("other", 0)),
        ("no candidate", "zzzzzzzzzzz"),
    }


def test_the_first_by_hash_do_not_depend_on_the_order_given(selection: Selection) -> None:
    rows = list(selection.candidates.values())
    assert first_by_hash(rows, 4) == first_by_hash(reversed(rows), 4)
