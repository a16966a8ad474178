"""LASS-2022: the authors' released lists, and every figure counted from files and frozen lists.

The counting here is its own: it shares no code with the package.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lassbench.benchmark import manifests
from lassbench.benchmark.lass2022 import split_released
from lassbench.benchmark.manifests import Built
from lassbench.benchmark.metadata import Metadata
from lassbench.benchmark.selection import Definition
from lassbench.cli import run
from lassbench.errors import FaultsError, LassbenchError
from tests.small_metadata import video

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
WORDS = {
    concept["name"]: concept["words"]
    for concept in yaml.safe_load((LISTS / "concepts.yaml").read_text())["concepts"]
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


def test_target_and_noise_share_nothing_and_were_not_trained_on(world: World) -> None:
    assert not set(world.training) & {target for target, _ in world.pairs}
    assert {noise for _, noise in world.pairs} < {target for target, _ in world.pairs}
    for target, noise in world.pairs:
        assert world.concept[target] != world.concept[noise]
        assert not world.labels[target][2] & world.labels[noise][2]


def test_tags_are_observed_or_inferred(world: World) -> None:
    released = {*world.training, *(target for target, _ in world.pairs)}
    tags = Counter(tag for y in released for tag in world.labels[y][2])
    listed = {row["name"]: row for row in rows("tags.csv")}
    assert listed.keys() == tags.keys() | INFERRED.keys()
    for name, row in listed.items():
        assert row["evidence"] == ("inferred" if name in INFERRED else "observed")
        assert int(row["clips"]) == tags[name]
    assert {n: listed[n]["concept"] for n in INFERRED} == INFERRED
    assert {row["root"] for row in listed.values()} == {root for root, _, _ in FACTS.values()}


# --- the frozen lists -------------------------------------------------------


def test_the_split_is_6044_20_200_and_nothing_is_lost(world: World) -> None:
    lists = {name: rows(f"{name}.csv") for name in ("train", "validation", "test", "not-released")}
    assert [len(found) for found in lists.values()] == [6044, 20, 200, 74]
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
        for part in ("target", "noise"):
            assert row[f"{part}_concept"] == world.concept[row[f"{part}_id"][1:]]
        assert ("repeated pair" in row["audit"]) == bool(row["repeat_of"])


def named(sentence: str, words: Iterable[str]) -> bool:
    """Whether a sentence names a concept, told by its words between blanks."""
    text = f" {' '.join(re.findall(r'[a-z0-9_]+', sentence.lower()))} "
    return any(
        f" {word[:-1]}" in text if word[-1] == "*" else f" {word} " in text for word in words
    )


@dataclass
class Absent:
    """What LASS-Absent would be by labels alone, and which rows captions speak against."""

    plan: list[str]
    by_query: set[int]
    by_caption: set[int]
    by_both: set[int]

    @property
    def wrong(self) -> set[int]:
        return self.by_query | self.by_caption | self.by_both


def against(world: World, listed: list[dict[str, str]], asked: list[str]) -> list[set[int]]:
    """The rows whose query names a mixed sound; those where a caption of a mixed clip names the
    asked-for one; and those where query and caption name a concept that neither is labelled.
    """
    by_query, by_caption, by_both = set(), set(), set()
    for number, (row, clip) in enumerate(zip(listed, asked, strict=True)):
        mixed = [row["target_id"][1:], row["noise_id"][1:]]
        captions = world.captions[clip]
        query = min(captions, key=lambda c: int(c["audiocap_id"]))["caption"]
        if any(named(query, WORDS[world.concept[y]]) for y in mixed):
            by_query.add(number)
        texts = [c["caption"] for y in mixed for c in world.captions[y]]
        if any(named(text, WORDS[world.concept[clip]]) for text in texts):
            by_caption.add(number)
        told = [concept for concept in WORDS if named(query, WORDS[concept])]
        if any(named(text, WORDS[concept]) for concept in told for text in texts):
            by_both.add(number)
    return [by_query, by_caption, by_both]


@pytest.fixture(scope="module")
def by_labels(world: World) -> Absent:
    listed = rows("lass-test.csv")
    clips = sorted({target for target, _ in world.pairs})
    used: Counter[str] = Counter()
    plan = []
    for row in listed:
        mixed = [row["target_id"][1:], row["noise_id"][1:]]

        def order(clip: str, mixture_id: str = row["mixture_id"]) -> tuple[int, bytes]:
            text = "\x1f".join(["0", "absent", mixture_id, f"Y{clip}"])
            return used[clip], hashlib.sha256(text.encode()).digest()[:8]

        third = [
            clip
            for clip in clips
            if all(world.concept[clip] != world.concept[y] for y in mixed)
            and not any(world.labels[clip][2] & world.labels[y][2] for y in mixed)
        ]
        plan.append(min(third, key=order))
        used[plan[-1]] += 1
    return Absent(plan, *against(world, listed, plan))


def test_lass_absent_asks_for_what_labels_and_captions_exclude(
    world: World, by_labels: Absent
) -> None:
    listed, mixtures = rows("lass-absent.csv"), rows("lass-test.csv")
    assert [row["mixture_id"] for row in listed] == [row["mixture_id"] for row in mixtures]
    for row in listed:
        ids = [row[column][1:] for column in ("target_id", "noise_id", "query_clip_id")]
        asked = world.labels[ids[2]][2]
        assert world.concept[ids[2]] not in {world.concept[ids[0]], world.concept[ids[1]]}
        assert not asked & (world.labels[ids[0]][2] | world.labels[ids[1]][2])
        assert row["query_concept"] == world.concept[ids[2]]
        numbers = [int(c["audiocap_id"]) for c in world.captions[ids[2]]]
        assert int(row["query_audiocap_id"]) == min(numbers)
    chosen = [row["query_clip_id"][1:] for row in listed]
    assert against(world, listed, chosen) == [set(), set(), set()]
    # Rows with which nothing was wrong stay; the others are new.
    pairs = zip(chosen, by_labels.plan, strict=True)
    assert {number for number, (new, old) in enumerate(pairs) if new != old} == by_labels.wrong
    assert max(Counter(chosen).values()) == 7


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
    repeated = {slot["mixture_id"] for slot in slots if slot["audit"] == "repeated pair"}
    assert repeated == {m for m in used if mixtures[m]["repeat_of"]} and len(repeated) == 2


def test_no_caption_is_in_the_lists(world: World) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in LISTS.iterdir())
    released = {*world.training, *(target for target, _ in world.pairs)}
    captions = {c["caption"] for y in released for c in world.captions[y]}
    # Shorter ones are single words, such as a tag's name.
    assert not [caption for caption in captions if len(caption) > 20 and caption in text]


def counted(world: World, by_labels: Absent) -> dict[str, int]:
    """Every figure of the card that can be counted."""
    targets = {target for target, _ in world.pairs}
    released = {*world.training, *targets}
    test, slots = rows("lass-test.csv"), rows("lass-sub-test.csv")
    tags = [row for row in rows("tags.csv") if row["evidence"] == "inferred"]
    asked = [row["query_clip_id"][1:] for row in rows("lass-absent.csv")]
    return {
        "clips of AudioCaps 1": len(world.captions),
        "candidates": len(world.concept),
        "clips with a label outside every concept or in several": len(world.labels)
        - len(world.concept),
        "candidates that were not released": len(rows("not-released.csv")),
        "ids in the released training list": len(world.training),
        "tags that occur on released clips": len({t for y in released for t in world.labels[y][2]}),
        "inferred tags": len(tags),
        "clips that carry an inferred tag": sum(
            row["name"] in names for row in tags for _, _, names in world.labels.values()
        ),
        "root categories of the concepts": len({root for root, _, _ in FACTS.values()}),
        **{f"clips in {n}.csv": len(rows(f"{n}.csv")) for n in ("train", "validation", "test")},
        "rows of lass-test.csv": len(test),
        "targets in lass-test.csv": len(targets),
        "noises in lass-test.csv": len({row["noise_id"] for row in test}),
        "distinct pairs in lass-test.csv": len(set(world.pairs)),
        "rows of lass-test.csv that repeat a pair": sum(bool(row["repeat_of"]) for row in test),
        "ordered concept pairs in lass-test.csv": len(
            {(row["target_concept"], row["noise_concept"]) for row in test}
        ),
        "rows of lass-test.csv whose query names the other sound": len(others_named(world)),
        "rows of lass-absent.csv": len(asked),
        "rows of lass-absent.csv that labels alone would have got wrong": len(by_labels.wrong),
        "... because the query names a mixed sound": len(by_labels.by_query),
        "... because a caption of a mixed clip names the asked-for sound": len(
            by_labels.by_caption
        ),
        "... because query and caption name a concept that neither clip is labelled": len(
            by_labels.wrong - by_labels.by_query - by_labels.by_caption
        ),
        "rows of lass-absent.csv where captions and list disagree": len(
            set[int]().union(*against(world, test, asked))
        ),
        "clips that annotators describe": len({slot["target_id"] for slot in slots}),
        "mixtures in lass-sub-test.csv": len({slot["mixture_id"] for slot in slots}),
        "queries in lass-sub-test.csv": len(slots),
    }


def others_named(world: World) -> list[str]:
    """The mixtures whose query names the noise's concept; the list marks just these."""
    listed = rows("lass-test.csv")
    query = {c["audiocap_id"]: c["caption"] for found in world.captions.values() for c in found}
    found = [
        row["mixture_id"]
        for row in listed
        if named(query[row["query_audiocap_id"]], WORDS[row["noise_concept"]])
    ]
    assert found == [r["mixture_id"] for r in listed if "names the other sound" in r["audit"]]
    return found


def test_every_figure_of_the_card_is_counted_again(world: World, by_labels: Absent) -> None:
    card = yaml.safe_load((LISTS / "card.yaml").read_text())
    paper = {"training clips": 6044, "test clips": 200, "tags": 33}
    paper |= {"root categories": 5, "annotators": 5}
    shown = {(f["what"], f["origin"] == "paper"): f["value"] for f in card["figures"]}
    assert len(shown) == len(card["figures"])
    assert {what: value for (what, is_paper), value in shown.items() if is_paper} == paper
    figures = {what: value for (what, is_paper), value in shown.items() if not is_paper}
    assert figures == counted(world, by_labels)
    assert {figure["origin"] for figure in card["figures"]} == {"paper", "counted", "project"}
    lists = {name: rows(f"{name}.csv") for name in ("train", "validation", "test")}
    splits = {n: Counter(row["concept"] for row in found) for n, found in lists.items()}
    assert card["concepts"] == [
        {"name": concept, "candidates": candidates, "released": released}
        | {name: count[concept] for name, count in splits.items()}
        for concept, (_, _, (candidates, released, _, _)) in FACTS.items()
    ]
    for name, found in lists.items():
        seen = Counter(row["audiocaps_split"] for row in found)
        assert card["seen in AudioCaps"][name] == {n: seen[n] for n in ("train", "val", "test")}


def test_the_readme_has_the_cards_figures(world: World, by_labels: Absent) -> None:
    wrong, others = by_labels.wrong, others_named(world)
    vibration = [row["youtube_id"] for row in rows("test.csv") if row["concept"] == "vibration"]
    like = [word for word in WORDS["vibration"] if word != "vibrat*"]
    told = sum(any(named(c["caption"], like) for c in world.captions[y]) for y in vibration)
    text = " ".join((LISTS.parent / "README.md").read_text().split())
    for words in (
        f"name the noise's concept ({len(others)} rows), and `repeated pair` (10)",
        f"{len(wrong)} of the 1000 rows would have been wrong: in {len(by_labels.by_query)} the",
        f"in {len(by_labels.by_caption)} a caption of a mixed clip",
        f"the other {1000 - len(wrong)} rows did not change",
        f"since {told} of its {len(vibration)} test clips are told so",
    ):
        assert words in text


def test_the_card_names_the_sources_that_were_used() -> None:
    card, used = yaml.safe_load((LISTS / "card.yaml").read_text()), rows("sources.csv")
    assert {row.pop("verified") for row in used} == {"yes"}
    assert card["sources"] == used


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


# --- released lists and inferred tags, on the small world --------------------


def test_released_lists_that_do_not_follow_are_refused(
    built: Built, definition: Definition
) -> None:
    dog, rain, siren, unknown = video("dog", 0), video("rain", 0), video("siren", 0), "zzzzzzzzzzz"
    training = [video("other", 0), unknown, dog, rain, rain]
    pairs = [(dog, video("rain", 1)), (siren, siren)]
    with pytest.raises(FaultsError) as caught:
        split_released(built.selection, definition, (training, pairs))
    assert {fault.where: fault.reason for fault in caught.value.faults} == {
        dog: "is in training and test, or twice in training",
        rain: "is in training and test, or twice in training",
        video("rain", 1): "is no other target of the test list",
        siren: "is no other target of the test list",
        video("other", 0): "no concept has all of its labels: dog lacks 'Rain'",
        unknown: "AudioCaps has no such clip",
    }


def test_an_observed_tag_cannot_pass_for_an_inferred_one(
    definition: Definition, data: Metadata
) -> None:
    rain = definition.concepts[1].model_copy(
        update={"tags": ("Rain",), "inferred_tags": ("Raindrop",)}
    )
    wrong = definition.model_copy(update={"concepts": (definition.concepts[0], rain)})
    with pytest.raises(LassbenchError, match="'Raindrop' is carried by 3 clips"):
        manifests.build(wrong, data)
