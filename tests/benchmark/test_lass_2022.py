"""The figures of LASS-2022, counted from the published files and from the frozen lists.

The counting here is its own: it shares no code with the package.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lassbench.benchmark import building, checking, manifests
from lassbench.benchmark.metadata import MetadataSource
from lassbench.cli import run
from lassbench.records import Clip

LISTS = Path(__file__).resolve().parents[2] / "manifests" / "lass-2022"

#: concept -> (root, tags, candidates, released, train, test), from FACTS.
FACTS = {
    "speech": (
        "Human sounds",
        "Speech|Narration, monologue|Male speech, man speaking|Female speech, woman speaking",
        (2297, 2270, 2250, 20),
    ),
    "laughter": ("Human sounds", "Laughter|Baby laughter", (232, 229, 209, 20)),
    "applause": ("Human sounds", "Applause", (257, 251, 231, 20)),
    "dog": (
        "Animal",
        "Animal|Domestic animals, pets|Dog|Bow-wow|Yip",
        (245, 239, 219, 20),
    ),
    "duck": ("Animal", "Animal|Bird|Duck|Quack|Goose", (440, 435, 415, 20)),
    "siren": (
        "Sounds of things",
        "Siren|Emergency vehicle|Police car (siren)|Ambulance (siren)|"
        "Fire engine, fire truck (siren)",
        (701, 696, 676, 20),
    ),
    "typing": ("Sounds of things", "Typing|Computer keyboard", (515, 507, 487, 20)),
    "bell": ("Sounds of things", "Bell", (312, 308, 288, 20)),
    "rain": (
        "Natural sounds",
        "Rain|Rain on surface|Raindrop|Thunder|Thunderstorm",
        (951, 944, 924, 20),
    ),
    "vibration": ("Channel, environment and background", "Vibration", (388, 385, 365, 20)),
}
INFERRED = {"Church bell": "bell", "Chime": "bell", "Fowl": "duck"}


def rows(name: str) -> list[dict[str, str]]:
    with (LISTS / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@dataclass
class World:
    """The published files, read in the plainest way."""

    labels: dict[str, tuple[float, float, frozenset[str]]]
    captions: dict[str, list[dict[str, str]]]
    split: dict[str, str]
    training: list[str]
    pairs: list[tuple[str, str]]
    concept: dict[str, str]


@pytest.fixture(scope="module")
def world(shared: Path) -> World:
    data = shared / "data"
    ontology = json.loads((data / "audioset" / "ontology.json").read_text())
    name = {entry["id"]: entry["name"] for entry in ontology}
    labels = {}
    path = data / "audioset" / "unbalanced_train_segments.audiocaps.csv.gz"
    with gzip.open(path, "rt") as stream:
        for row in csv.reader(stream, skipinitialspace=True):
            if not row[0].startswith("#"):
                tags = frozenset(name[mid] for mid in row[3].split(","))
                labels[row[0]] = (float(row[1]), float(row[2]), tags)
    captions: dict[str, list[dict[str, str]]] = {}
    split = {}
    for part in ("train", "val", "test"):
        with (data / "audiocaps" / f"{part}.csv").open(newline="") as stream:
            for caption in csv.DictReader(stream):
                captions.setdefault(caption["youtube_id"], []).append(caption)
                split[caption["youtube_id"]] = part
    training = (data / "lass2022" / "training_indexes.csv").read_text().split()
    with (data / "lass2022" / "evaluation_indexes.csv").open(newline="") as stream:
        pairs = [(row[0], row[1]) for row in list(csv.reader(stream))[1:]]
    concept = {
        youtube_id: c
        for youtube_id, (_, _, tags) in labels.items()
        for c, (_, names, _) in FACTS.items()
        if tags <= set(names.split("|"))
    }
    return World(labels, captions, split, training, pairs, concept)


# --- what the facts say, counted --------------------------------------------


def test_every_clip_of_audiocaps_has_a_row_with_its_start(world: World) -> None:
    assert len(world.captions) == 51308
    assert all(
        {float(caption["start_time"]) for caption in found} == {world.labels[youtube_id][0]}
        for youtube_id, found in world.captions.items()
    )


def test_candidates_released_train_and_test_of_each_concept(world: World) -> None:
    targets = {target for target, _ in world.pairs}
    counted = {
        "candidates": Counter(world.concept.values()),
        "released": Counter(world.concept[y] for y in {*world.training, *targets}),
        "train": Counter(world.concept[y] for y in world.training),
        "test": Counter(world.concept[y] for y in targets),
    }
    for concept, (_, _, figures) in FACTS.items():
        assert tuple(counts[concept] for counts in counted.values()) == figures, concept
    assert [sum(counts.values()) for counts in counted.values()] == [6338, 6264, 6064, 200]


def test_the_released_lists(world: World) -> None:
    targets, noises = {t for t, _ in world.pairs}, {n for _, n in world.pairs}
    assert len(world.training) == len(set(world.training)) == 6064
    assert len(world.pairs) == 1000 and len(targets) == 200
    assert len(noises) == 197 and noises < targets
    twice = [pair for pair, count in Counter(world.pairs).items() if count == 2]
    assert len(set(world.pairs)) == 990 and len(twice) == 10
    assert not any(target == noise for target, noise in world.pairs)
    assert not set(world.training) & targets
    assert Counter(world.split[y] for y in world.training) == {"train": 5933, "test": 97, "val": 34}
    assert Counter(world.split[y] for y in targets) == {"train": 195, "test": 4, "val": 1}
    ordered = {(world.concept[t], world.concept[n]) for t, n in world.pairs}
    assert len(ordered) == 90 and all(one != other for one, other in ordered)
    assert not any(world.labels[t][2] & world.labels[n][2] for t, n in world.pairs)


def test_thirty_tags_are_observed_and_three_are_not(world: World) -> None:
    released = {*world.training, *(target for target, _ in world.pairs)}
    tags = Counter(tag for y in released for tag in world.labels[y][2])
    assert len(tags) == 30
    assert not any(tag in tags_ for tag in INFERRED for _, _, tags_ in world.labels.values())
    listed = {row["name"]: row for row in rows("tags.csv")}
    assert len(listed) == 33
    for name, row in listed.items():
        assert row["evidence"] == ("inferred" if name in INFERRED else "observed")
        assert int(row["clips"]) == tags[name]
    assert {n: listed[n]["concept"] for n in INFERRED} == INFERRED
    assert len({row["root"] for row in listed.values()}) == 5


# --- the frozen lists -------------------------------------------------------


def test_the_split_is_6044_20_200_and_nothing_is_lost(world: World) -> None:
    lists = {name: rows(f"{name}.csv") for name in ("train", "validation", "test", "not-released")}
    assert {name: len(found) for name, found in lists.items()} == {
        "train": 6044,
        "validation": 20,
        "test": 200,
        "not-released": 74,
    }
    everything = [row["youtube_id"] for found in lists.values() for row in found]
    assert sorted(everything) == sorted(world.concept)
    trained = [row["youtube_id"] for name in ("train", "validation") for row in lists[name]]
    assert sorted(trained) == sorted(world.training)
    assert {row["youtube_id"] for row in lists["test"]} == {target for target, _ in world.pairs}
    for concept in FACTS:
        ordered = sorted(
            (y for y in world.training if world.concept[y] == concept),
            key=lambda y: hashlib.sha256(y.encode()).hexdigest(),
        )
        held = {row["youtube_id"] for row in lists["validation"] if row["concept"] == concept}
        assert held == set(ordered[:2])


def test_every_row_says_what_the_published_files_say(world: World) -> None:
    for name in ("train", "validation", "test", "not-released"):
        for row in rows(f"{name}.csv"):
            start, end, tags = world.labels[row["youtube_id"]]
            captions = world.captions[row["youtube_id"]]
            assert (float(row["start_s"]), float(row["end_s"])) == (start, end)
            assert set(row["tags"].split("; ")) == tags
            assert row["concept"] == world.concept[row["youtube_id"]]
            assert row["audiocaps_split"] == world.split[row["youtube_id"]]
            numbers = sorted(int(caption["audiocap_id"]) for caption in captions)
            assert row["audiocap_ids"] == "; ".join(map(str, numbers))


def test_lass_test_is_the_released_list_in_its_order(world: World) -> None:
    listed = rows("lass-test.csv")
    assert [(row["target_id"][1:], row["noise_id"][1:]) for row in listed] == world.pairs
    assert [row["mixture_id"] for row in listed] == [f"lass-test-{n:04d}" for n in range(1, 1001)]
    repeats = {row["mixture_id"]: row["repeat_of"] for row in listed if row["repeat_of"]}
    assert len(repeats) == 10
    by_id = {row["mixture_id"]: row for row in listed}
    for repeat, first in repeats.items():
        assert first < repeat
        assert all(by_id[first][c] == by_id[repeat][c] for c in ("target_id", "noise_id"))
    for row in listed:
        numbers = [int(c["audiocap_id"]) for c in world.captions[row["target_id"][1:]]]
        assert int(row["query_audiocap_id"]) == min(numbers)
        assert float(row["snr_db"]) == 0.0


def test_lass_absent_asks_for_a_third_sound_evenly(world: World) -> None:
    listed, mixtures = rows("lass-absent.csv"), rows("lass-test.csv")
    assert [row["mixture_id"] for row in listed] == [row["mixture_id"] for row in mixtures]
    for row in listed:
        ids = [row[column][1:] for column in ("target_id", "noise_id", "query_clip_id")]
        asked = world.labels[ids[2]][2]
        assert world.concept[ids[2]] not in {world.concept[ids[0]], world.concept[ids[1]]}
        assert not asked & (world.labels[ids[0]][2] | world.labels[ids[1]][2])
        assert row["query_concept"] == world.concept[ids[2]]
    assert set(Counter(row["query_concept"] for row in listed).values()) == {100}
    assert set(Counter(row["query_clip_id"] for row in listed).values()) == {5}


def test_lass_sub_test_has_1250_empty_slots_of_50_clips(world: World) -> None:
    slots = rows("lass-sub-test.csv")
    assert len(slots) == 1250
    assert slots[0]["query_id"] == "lass-sub-test-0001-a1"
    assert slots[-1]["query_id"] == "lass-sub-test-0250-a5"
    chosen = {slot["target_id"][1:] for slot in slots}
    for concept in FACTS:
        ordered = sorted(
            (y for y in {t for t, _ in world.pairs} if world.concept[y] == concept),
            key=lambda y: hashlib.sha256(y.encode()).hexdigest(),
        )
        assert {y for y in chosen if world.concept[y] == concept} == set(ordered[:5])
    mixtures = {row["mixture_id"]: row for row in rows("lass-test.csv")}
    used = dict.fromkeys(slot["mixture_id"] for slot in slots)
    assert list(used) == [m for m, row in mixtures.items() if row["target_id"][1:] in chosen]
    assert not any(slot["description"] + slot["description_source"] for slot in slots)


def test_no_caption_is_in_the_lists(world: World) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in LISTS.iterdir())
    released = {*world.training, *(target for target, _ in world.pairs)}
    captions = {c["caption"] for y in released for c in world.captions[y]}
    # Shorter ones are single words, such as a tag's name.
    assert not [caption for caption in captions if len(caption) > 20 and caption in text]


def test_the_card_says_whose_figure_is_whose() -> None:
    card = yaml.safe_load((LISTS / "card.yaml").read_text())
    figures = {(f["what"], f["origin"]): f["value"] for f in card["figures"]}
    assert figures["training clips", "paper"] == 6044
    assert figures["ids in the released training list", "counted"] == 6064
    assert figures["clips in train.csv", "project"] == 6044
    assert figures["tags", "paper"] == 33
    assert figures["tags that occur on clips of the benchmark", "counted"] == 30
    assert figures["inferred tags", "project"] == 3
    assert all(source["verified"] and source["licence"] for source in card["sources"])


# --- rebuilt by the package -------------------------------------------------


def test_verify_manifests_rebuilds_every_list(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify-manifests", "--metadata-dir", str(shared / "data")]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    for concept, (root, _, (candidates, released, train, test)) in FACTS.items():
        expected = [concept, *root.split(), *map(str, (candidates, released, train, 2, test))]
        assert expected in lines, out
    assert ["all", "5", "6338", "6264", "6064", "20", "200"] in lines
    assert out.count("6338 candidates with it, 6338 without") == 3
    assert "byte for byte" in out


def test_the_full_list_and_its_excerpt_give_the_same(shared: Path, tmp_path: Path) -> None:
    """Rows of other clips, in other places, change nothing."""
    data = shared / "data"
    for folder in ("audiocaps", "lass2022"):
        (tmp_path / folder).symlink_to(data / folder)
    (tmp_path / "audioset").mkdir()
    for name in ("ontology.json", "class_labels_indices.csv"):
        (tmp_path / "audioset" / name).symlink_to(data / "audioset" / name)
    excerpt = data / "audioset" / "unbalanced_train_segments.audiocaps.csv.gz"
    lines = gzip.decompress(excerpt.read_bytes()).splitlines(keepends=True)
    other = b'zzzzzzzzzz%d, 30.000, 40.000, "/m/09x0r,/m/somewhere"\n'
    longer = [*lines[:3], other % 1, *lines[3:20000], other % 2, *lines[20000:], other % 3]
    path = tmp_path / "audioset" / "unbalanced_train_segments.csv"
    path.write_bytes(b"".join(longer))
    source = MetadataSource(str(tmp_path), verified=False)
    built, differences = checking.verify(LISTS, source)
    # Only the card differs: its source is not the published file.
    assert {Path(d.where.rsplit(":", 1)[0]).name for d in differences} == {
        "card.yaml",
        "SHA256SUMS",
    }
    assert sum(len(found) for found in built.splits.values()) == 6264


def test_another_benchmark_is_made_from_the_same_concepts(shared: Path, tmp_path: Path) -> None:
    arguments = ["--metadata-dir", str(shared / "data"), "--name", "mine", "--seed", "7"]
    out = tmp_path / "mine"
    assert run(["select", str(out), *arguments, "--test-per-concept", "3", "--snr", "-5", "5"]) == 0
    mine = manifests.open_benchmark(out)
    assert {split for split, _ in mine.clips.values()} == {"train", "validation", "test"}
    assert len(mine.clips) == 6338
    lists = manifests.suite_lists(mine, "mine-test", _without_captions(mine))
    assert len(lists[0]) == 150 and any(mixture.snr_db for mixture in lists[0])
    card = yaml.safe_load((out / "card.yaml").read_text())
    assert not [figure for figure in card["figures"] if figure["origin"] == "paper"]
    assert run(["verify-manifests", "--manifest", str(out), *arguments[:2]]) == 0
    assert mine.definition == building.vary(
        manifests.open_benchmark().definition,
        name="mine",
        split={"seed": 7, "test_per_concept": 3},
        mixtures={"seed": 7, "snr_db": (-5.0, 5.0)},
    )


def _without_captions(benchmark: manifests.Benchmark) -> dict[str, Clip]:
    return {
        clip_id: Clip(clip_id, row.concept, split, ("x",), row.tags)
        for clip_id, (split, row) in benchmark.clips.items()
    }


@pytest.mark.parametrize(
    ("youtube_id", "words"),
    [
        ("Z04_o7DHn_I", "split     test"),
        ("-S0VzMKyeLY", "split     none: the authors did not release it"),
        ("r1nicOVtvkQ", "rejected  other sound: 'Water tap, faucet' outside"),
    ],
)
def test_explain(
    shared: Path, capsys: pytest.CaptureFixture[str], youtube_id: str, words: str
) -> None:
    options = ["--metadata-dir", str(shared / "data")]
    assert run(["select", "--explain", youtube_id, *options]) == 0
    assert words in capsys.readouterr().out
