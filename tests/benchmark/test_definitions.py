"""Concept files: what they say, and what is refused with file, line and the nearest key."""

from __future__ import annotations

from pathlib import Path

import pytest

from lassbench.benchmark.definitions import Definition, read_definition, write_definition
from lassbench.errors import FaultsError, LassbenchError
from tests.small_metadata import CONCEPTS


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


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    small = read(tmp_path, CONCEPTS)
    assert read(tmp_path, write_definition(small)) == small


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("test_per_concept", "tests_per_concept", 7, "did you mean 'split.test_per_concept'"),
        ("title:", "titel:", 2, "did you mean 'title'"),
        ("tags: [Siren]", "tag: [Siren]", 6, "tags is missing"),
        ("noises_per_target: 2", "noises_per_target: many", 8, "mixtures.noises_per_target"),
        ("noises_per_target: 2", "snr_db: [5, -5]", 8, "mixtures.snr_db: must be [low, high]"),
        ("name: siren", "name: rain", 6, "concept 'rain' stands twice"),
        ("name: siren", "name: Big Siren!", 6, "concepts.2.name"),
        ("[Rain, Raindrop]", "[Rain, Rain]", 5, "has tag 'Rain' twice"),
        ("tags: [Siren]", "tags: [Siren; Bell]", 6, "a tag cannot hold '; '"),
        ("noises_per_target: 2", "snr_db: [0, .nan]", 8, "mixtures.snr_db.1 must be a number"),
        ("tags: [Siren]", "tags: []", 6, "concepts.2.tags"),
        (
            "title: A small benchmark",
            "name: other",
            2,
            "the key 'name' is given twice, first in line 1",
        ),
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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1,\n", r"concepts\.yaml:2: "),
        ("- 1\n- 2\n", "must be a section of keys"),
        ("", "name is missing"),
        ("a: \tb: c\n", "not valid YAML"),
        ("concepts: &a [*a]\n", r"concepts\.yaml:1: holds the alias"),
        ("? [a, b]\n: c\n", "not valid YAML"),
    ],
)
def test_what_is_no_concept_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(LassbenchError, match=words):
        read(tmp_path, text)


def test_split_and_mixtures_follow_the_released_lists_together_or_not(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="must both follow the released lists"):
        read(tmp_path, CONCEPTS.replace("split: {", "split: {rule: released, "))
