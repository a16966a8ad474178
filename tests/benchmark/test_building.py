"""Building a benchmark: which files, what is in them, and the same bytes every time."""

from __future__ import annotations

import csv
import io
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lassbench.benchmark import building
from lassbench.benchmark.building import Built
from lassbench.benchmark.definitions import Definition
from lassbench.benchmark.sources import Metadata
from lassbench.errors import FaultsError, LassbenchError, UsageError
from tests.small_metadata import video


def rows(built: Built, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(built.contents[name])))


def test_the_files_of_a_benchmark(built: Built) -> None:
    assert set(built.contents) == {
        *("concepts.yaml", "card.yaml", "tags.csv", "train.csv", "validation.csv", "test.csv"),
        *("small-test.csv", "small-absent.csv", "small-sub-test.csv", "SHA256SUMS"),
    }


def test_the_sums_are_those_of_sha256sum(folder: Path) -> None:
    result = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(": OK") == 9


def test_the_same_metadata_give_the_same_bytes(
    definition: Definition, data: Metadata, built: Built
) -> None:
    backwards = replace(
        data,
        captioned=dict(reversed(data.captioned.items())),
        segments=dict(reversed(data.segments.items())),
    )
    assert building.build(definition, backwards).contents == built.contents


def test_clips_carry_times_ids_split_and_tags(built: Built) -> None:
    everything = {
        row["youtube_id"]: row
        for split in ("train", "validation", "test")
        for row in rows(built, f"{split}.csv")
    }
    assert len(everything) == 18
    row = everything[video("dog", 5)]
    assert row == {
        "youtube_id": "-og00000005",
        "start_s": "30.000",
        "end_s": "40.000",
        "audiocap_ids": "151; 152; 153; 154; 155",
        "audiocaps_split": "test",
        "concept": "dog",
        "tags": "Bark; Dog",
    }


def test_no_caption_is_in_any_file(built: Built, data: Metadata) -> None:
    captions = {text for clip in data.captioned.values() for _, text in clip.captions}
    assert captions
    for name, text in built.contents.items():
        assert not [caption for caption in captions if caption in text], name


def test_test_mixtures_ask_by_the_smallest_audiocap_id(built: Built, data: Metadata) -> None:
    listed = rows(built, "small-test.csv")
    assert [row["mixture_id"] for row in listed] == [f"small-test-{n:04d}" for n in range(1, 13)]
    for row in listed:
        target = data.captioned[row["target_id"][1:]]
        assert int(row["query_audiocap_id"]) == min(number for number, _ in target.captions)
        assert row["target_concept"] != row["noise_concept"]
        assert row["repeat_of"] == ""
    assert set(Counter(row["target_id"] for row in listed).values()) == {2}


def test_absent_queries_are_of_a_third_concept(built: Built) -> None:
    concept = {row["youtube_id"]: row["concept"] for row in rows(built, "test.csv")}
    test = {row["mixture_id"]: row for row in rows(built, "small-test.csv")}
    asked = rows(built, "small-absent.csv")
    assert [row["mixture_id"] for row in asked] == list(test)
    for row in asked:
        mixed = test[row["mixture_id"]]
        assert (row["target_id"], row["noise_id"]) == (mixed["target_id"], mixed["noise_id"])
        present = {mixed["target_concept"], mixed["noise_concept"]}
        assert row["query_concept"] == concept[row["query_clip_id"][1:]]
        assert row["query_concept"] not in present


def test_two_concepts_have_no_absent_suite(definition: Definition, data: Metadata) -> None:
    two = definition.model_copy(update={"concepts": definition.concepts[:2]})
    built = building.build(two, data)
    assert "small-absent.csv" not in built.contents
    assert "small-absent" not in yaml.safe_load(built.contents["card.yaml"])["rules"]


def test_the_sub_test_has_a_slot_for_each_annotator(built: Built) -> None:
    slots = rows(built, "small-sub-test.csv")
    # Three clips, two mixtures each, two annotators.
    assert [slot["query_id"] for slot in slots][:3] == [
        "small-sub-test-0001-a1",
        "small-sub-test-0001-a2",
        "small-sub-test-0002-a1",
    ]
    assert len(slots) == 12 and len({slot["target_id"] for slot in slots}) == 3
    assert {slot["target_concept"] for slot in slots} == {"dog", "rain", "siren"}
    assert not any(slot["description"] or slot["description_source"] for slot in slots)


def test_the_card_tells_counts_from_choices(built: Built) -> None:
    card = yaml.safe_load(built.contents["card.yaml"])
    figures = {figure["what"]: figure for figure in card["figures"]}
    assert figures["candidates"]["value"] == 18
    assert figures["candidates"]["origin"] == "counted"
    assert figures["clips rejected: other sound"]["value"] == 3
    assert figures["clips in test.csv"] == {
        "what": "clips in test.csv",
        "value": 6,
        "origin": "project",
    }
    assert figures["queries of annotators"]["value"] == 12
    assert card["seen_in_audiocaps_train"]["clips_by_audiocaps_split"]["test"]
    # Made-up files are not the published ones, and the card says so.
    assert {source["verified"] for source in card["sources"]} == {False}
    assert {figure["origin"] for figure in card["figures"]} <= {"paper", "counted", "project"}


def test_tags_say_where_they_stand_and_how_often(built: Built) -> None:
    tags = {row["name"]: row for row in rows(built, "tags.csv")}
    assert tags["Rain"] == {
        "mid": "/m/rain",
        "name": "Rain",
        "concept": "rain",
        "root": "Natural sounds",
        "evidence": "observed",
        "clips": "6",
        "note": "",
    }
    assert tags["Animal"]["clips"] == "3"


# --- inferred tags ----------------------------------------------------------


def with_inferred(definition: Definition, concept: str, tag: str, drop: str = "") -> Definition:
    concepts = [
        c.model_copy(
            update={
                "inferred_tags": (tag,),
                "tags": tuple(name for name in c.tags if name != drop),
            }
        )
        if c.name == concept
        else c
        for c in definition.concepts
    ]
    return definition.model_copy(update={"concepts": tuple(concepts)})


def test_an_inferred_tag_is_proved_to_change_nothing(
    definition: Definition, data: Metadata, built: Built
) -> None:
    inferred = building.build(with_inferred(definition, "siren", "Chime"), data)
    (proof,) = inferred.inferred
    assert (proof.name, proof.clips, proof.candidates, proof.without) == ("Chime", 0, 18, 18)
    assert inferred.contents["train.csv"] == built.contents["train.csv"]
    row = next(row for row in rows(inferred, "tags.csv") if row["name"] == "Chime")
    assert (row["evidence"], row["clips"]) == ("inferred", "0")


def test_an_observed_tag_cannot_pass_for_an_inferred_one(
    definition: Definition, data: Metadata
) -> None:
    wrong = with_inferred(definition, "rain", "Raindrop", drop="Raindrop")
    with pytest.raises(LassbenchError, match="'Raindrop' changes the selection") as caught:
        building.build(wrong, data)
    assert "15 candidates" in caught.value.expected and "3 clips carry it" in caught.value.got


# --- variations -------------------------------------------------------------


def test_a_variation_needs_a_name_of_its_own(definition: Definition) -> None:
    with pytest.raises(UsageError, match="no longer small"):
        building.vary(definition, split={"seed": 3})
    varied = building.vary(
        definition,
        name="other",
        split={"seed": 3, "test_per_concept": 1},
        mixtures={"snr_db": (-5.0, 5.0), "noises_per_target": 2},
        other={"clip_seconds": 5.0, "audiocaps_version": 2},
    )
    assert (varied.name, varied.split.seed, varied.mixtures.snr_db) == ("other", 3, (-5.0, 5.0))
    assert (varied.clip_seconds, varied.audiocaps_version) == (5.0, 2)
    assert building.vary(definition) is definition


def test_another_seed_gives_another_split(definition: Definition, data: Metadata) -> None:
    def test_clips(seed: int) -> set[str]:
        varied = building.vary(definition, name="other", split={"seed": seed})
        return {row.youtube_id for row in building.build(varied, data).splits["test"]}

    assert test_clips(1) != test_clips(2)
    assert test_clips(1) == test_clips(1)


@pytest.mark.parametrize(
    ("part", "values"),
    [("split", {"test_per_concept": 0}), ("mixtures", {"snr_db": (5.0, -5.0)})],
)
def test_impossible_values_are_refused(
    definition: Definition, part: str, values: dict[str, object]
) -> None:
    with pytest.raises(UsageError, match=next(iter(values))):
        building.vary(definition, name="other", **{part: values})  # type: ignore[arg-type]


def test_audiocaps_and_audioset_must_agree_in_version_1(
    definition: Definition, data: Metadata
) -> None:
    victim = video("dog", 1)
    moved = dict(data.segments) | {victim: replace(data.segments[victim], start_s=31.0)}
    with pytest.raises(FaultsError, match="do not agree") as caught:
        building.build(definition, replace(data, segments=moved))
    (fault,) = caught.value.faults
    assert fault.where.endswith("train.csv:3") and "31 s" in fault.reason
    # AudioCaps 2.0 has clips that the list need not have: they are left out.
    second = building.build(definition, replace(data, segments=moved, version=2))
    assert second.selection.rejections[victim].kind == "other start"


def test_only_a_benchmarks_folder_is_written_over(built: Built, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(LassbenchError, match="something else than the benchmark"):
        building.write(built, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "dear"
    out = tmp_path / "new"
    building.write(built, out)
    building.write(built, out)
    assert (out / "test.csv").read_text() == built.contents["test.csv"]
