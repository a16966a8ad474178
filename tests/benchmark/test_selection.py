"""The concept file, and selection on labels made up so that every outcome is known beforehand."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lassbench.benchmark.manifests import Built, build, open_benchmark
from lassbench.benchmark.metadata import Metadata
from lassbench.benchmark.selection import (
    Concept,
    Definition,
    Selection,
    SplitRule,
    explain,
    hash_order,
    read_definition,
    resolve_roots,
    select,
    split_by_hash,
    vary,
    write_definition,
)
from lassbench.errors import FaultsError, LassbenchError, UsageError
from tests.small_metadata import CONCEPTS, video

SOUNDS = (
    Concept(name="dog", tags=("Dog", "Bark", "Animal")),
    Concept(name="rain", tags=("Rain", "Raindrop")),
    Concept(name="siren", tags=("Siren",)),
)


# --- the concept file -------------------------------------------------------


def read(folder: Path, text: str) -> Definition:
    path = folder / "concepts.yaml"
    path.write_text(text, encoding="utf-8")
    return read_definition(path)


def test_a_definition_is_read_and_its_defaults_are_filled_in(tmp_path: Path) -> None:
    small = read(tmp_path, CONCEPTS)
    assert [concept.name for concept in small.concepts] == ["dog", "rain", "siren"]
    assert small.concept("dog").tags == ("Dog", "Bark", "Animal")
    assert (small.sample_rate_hz, small.clip_seconds, small.audiocaps_version) == (32000, 10.0, 1)
    assert (small.split.rule, small.split.test_per_concept, small.split.seed) == ("hash", 2, None)
    assert small.suite_name("test") == "small-test"
    assert small.suite_name("sub_test") == "small-sub-test"


def test_words_are_of_the_concept_or_made_from_name_and_tags(tmp_path: Path) -> None:
    given = CONCEPTS.replace("tags: [Siren]", "tags: [Siren], words: [siren*, fire truck]")
    small = read(tmp_path, given)
    assert small.words["siren"] == ("siren*", "fire truck")
    assert small.words["rain"] == ("rain", "rains", "raindrop", "raindrops")
    assert read(tmp_path, write_definition(small)) == small


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("test_per_concept", "tests_per_concept", 7, "did you mean 'split.test_per_concept'"),
        ("noises_per_target: 2", "snr_db: [5, -5]", 8, "mixtures.snr_db: must be [low, high]"),
        ("name: siren", "name: rain", 6, "concept 'rain' stands twice"),
        ("name: siren", "name: Big Siren!", 6, "concepts.2.name"),
        ("tags: [Siren]", "tags: []", 6, "concepts.2.tags"),
        ("tags: [Siren]", "tags: [Siren], words: ['*']", 6, "words.0: '*' is not a word"),
        ("tags: [Siren]", "tags: [Siren], words: ['a|b']", 6, "words.0: 'a|b' is not a word"),
    ],
)
def test_mistakes_are_named_with_their_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert CONCEPTS.count(old) == 1
    with pytest.raises(FaultsError) as caught:
        read(tmp_path, CONCEPTS.replace(old, new))
    faults = {str(fault) for fault in caught.value.faults}
    assert any(words in fault for fault in faults), faults
    assert any(f"concepts.yaml:{line}:" in fault for fault in faults), faults


def test_split_and_mixtures_follow_the_released_lists_together_or_not(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="must both follow the released lists"):
        read(tmp_path, CONCEPTS.replace("split: {", "split: {rule: released, "))


# --- variations -------------------------------------------------------------


def test_a_variation_needs_a_name_of_its_own(definition: Definition) -> None:
    with pytest.raises(UsageError, match="no longer small"):
        vary(definition, {"seed": 3})
    changes = {"seed": 3, "snr_db": (-5.0, 5.0), "clip_seconds": 5.0, "audiocaps_version": 2}
    varied = vary(definition, changes, name="other")
    assert (varied.name, varied.split.seed, varied.mixtures.seed) == ("other", 3, 3)
    assert varied.mixtures.snr_db == (-5.0, 5.0)
    assert (varied.clip_seconds, varied.audiocaps_version) == (5.0, 2)
    assert vary(definition, {}) == definition


def test_another_seed_gives_another_split(definition: Definition, data: Metadata) -> None:
    first, second = (
        build(vary(definition, {"seed": seed}, name="other"), data).splits["test"]
        for seed in (1, 2)
    )
    assert first != second


def test_what_varies_the_released_lists_follows_rules_of_its_own() -> None:
    shipped = open_benchmark().definition
    varied = vary(shipped, {"seed": 7, "test_per_concept": 3}, name="mine")
    assert varied.concepts == shipped.concepts and varied.suite_name("test") == "mine-test"
    assert (varied.split.rule, varied.mixtures.rule, varied.title) == ("hash", "planned", "")


@pytest.mark.parametrize(
    ("key", "value"), [("test_per_concept", 0), ("snr_db", (5.0, -5.0)), ("clip_seconds", -1.0)]
)
def test_impossible_values_are_refused(definition: Definition, key: str, value: object) -> None:
    with pytest.raises(UsageError, match=key):
        vary(definition, {key: value}, name="other")


def test_audiocaps_and_audioset_must_agree_in_version_1(data: Metadata) -> None:
    victim = video("dog", 1)
    moved = dict(data.segments) | {victim: replace(data.segments[victim], start_s=31.0)}
    with pytest.raises(FaultsError, match="do not agree") as caught:
        select(SOUNDS, replace(data, segments=moved))
    (fault,) = caught.value.faults
    assert fault.where.endswith("train.csv:3") and "31 s" in fault.reason
    # AudioCaps 2.0 has clips that the list need not have: they are left out.
    second = select(SOUNDS, replace(data, segments=moved, version=2))
    assert second.rejections[victim].kind == "other start"
    del moved[victim]
    second = select(SOUNDS, replace(data, segments=moved, version=2))
    assert second.rejections[victim].kind == "no AudioSet row"


# --- the rule ---------------------------------------------------------------


@pytest.fixture(scope="module")
def selection(data: Metadata) -> Selection:
    return select(SOUNDS, data)


NONE = "no concept has all of its labels:"
DUCK = (*SOUNDS, Concept(name="duck", tags=("Duck", "Animal")))


def test_a_clip_is_a_candidate_when_all_labels_lie_in_one_concept(selection: Selection) -> None:
    counts = Counter(row.concept for row in selection.candidates.values())
    assert counts == {"dog": 6, "rain": 6, "siren": 6}
    row = selection.candidates[video("dog", 1)]
    assert (row.start_s, row.end_s, row.tags) == (30.0, 40.0, ("Bark", "Dog"))
    assert list(selection.candidates) == sorted(selection.candidates)


@pytest.mark.parametrize(
    ("labels", "concepts", "expected"),
    [
        ("Bark,Dog,Rain", SOUNDS, ("other sound", f"{NONE} dog lacks 'Rain'")),
        ("Rain,Raindrop,Dog", SOUNDS, ("other sound", f"{NONE} rain lacks 'Dog'")),
        ("Animal", DUCK, ("several concepts", "its labels fit each of dog, duck")),
        ("Animal,Duck", DUCK, ("duck",)),
    ],
)
def test_labels_decide(
    data: Metadata, labels: str, concepts: tuple[Concept, ...], expected: tuple[str, ...]
) -> None:
    victim = video("dog", 0)
    mids = tuple(data.ontology.mid(name) for name in labels.split(","))
    segments = {**data.segments, victim: replace(data.segments[victim], mids=mids)}
    chosen = select(concepts, replace(data, segments=segments))
    row, rejection = chosen.candidates.get(victim), chosen.rejections.get(victim)
    assert expected == ((row.concept,) if row else (rejection.kind, rejection.reason))


def test_roots_are_found_or_asked_for(data: Metadata) -> None:
    def roots(*concepts: Concept) -> list[str]:
        definition = Definition(name="x", concepts=(SOUNDS[1], *concepts))
        return [c.root for c in resolve_roots(definition, data.ontology).concepts[1:]]

    assert roots(SOUNDS[0], SOUNDS[2]) == ["Animal", "Sounds of things"]
    assert roots(Concept(name="bell", tags=("Bell",), root="Music")) == ["Music"]
    for wrong, words in (
        (Concept(name="bell", tags=("Bell",)), "have Sounds of things, Music in common"),
        (Concept(name="bell", tags=("Bell",), root="Animal"), "Sounds of things, Music"),
        (Concept(name="mixed", tags=("Dog", "Siren")), "have none in common"),
        (Concept(name="nature", tags=("Natural sounds",)), "can carry 'Natural sounds'"),
        (Concept(name="mixed", tags=("Sirene",)), "no category 'Sirene' .did you mean 'Siren'"),
    ):
        with pytest.raises(LassbenchError, match=words):
            roots(wrong)


def test_the_hash_order_is_sha256_of_the_id() -> None:
    # FIPS 180-4's test vector for "abc".
    assert hash_order("abc").startswith("ba7816bf8f01cfea")
    assert hash_order("abc", 7) == hashlib.sha256(b"7:abc").hexdigest()


def test_the_split_follows_the_hash_order_and_loses_nothing(selection: Selection) -> None:
    rule = SplitRule(test_per_concept=2, validation_per_concept=1, seed=5)
    splits = split_by_hash(selection, SOUNDS, rule)
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [9, 3, 6]
    everyone = [row.youtube_id for rows in splits.values() for row in rows]
    assert sorted(everyone) == sorted(selection.candidates)
    dogs = sorted(
        (row.youtube_id for row in selection.candidates.values() if row.concept == "dog"),
        key=lambda y: hashlib.sha256(f"5:{y}".encode()).hexdigest(),
    )
    assert [r.youtube_id for r in splits["test"] if r.concept == "dog"] == dogs[:2]
    assert [r.youtube_id for r in splits["validation"] if r.concept == "dog"] == dogs[2:3]
    fewer = split_by_hash(selection, SOUNDS, rule.model_copy(update={"train_per_concept": 1}))
    assert len(fewer["train"]) == 3 and fewer["test"] == splits["test"]


def test_too_few_candidates_are_told_for_every_concept(selection: Selection) -> None:
    with pytest.raises(FaultsError) as caught:
        split_by_hash(selection, SOUNDS, SplitRule(test_per_concept=5, validation_per_concept=1))
    assert [f.where for f in caught.value.faults] == [f"concept {c.name}" for c in SOUNDS]


def test_explaining_a_clip(built: Built, data: Metadata) -> None:
    def told(youtube_id: str) -> str:
        return explain(youtube_id, data, built.selection, built.splits)

    rejected = told(video("other", 0))
    assert "Dog (/m/dog), Rain (/m/rain)" in rejected
    assert f"other sound: {NONE} dog lacks 'Rain'" in rejected
    youtube_id = built.splits["test"][0].youtube_id
    chosen = told(f"Y{youtube_id}")
    assert f"{youtube_id}: AudioCaps" in chosen and chosen.endswith("split     test")
    with pytest.raises(UsageError, match="no clip of video 'nonsense'"):
        told("nonsense")
