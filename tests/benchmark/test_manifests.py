"""A manifest folder: what is built, that a change is found, and what its lists say of a dataset."""

from __future__ import annotations

import csv
import hashlib
import io
import pickle
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from lassbench.benchmark import manifests
from lassbench.benchmark.manifests import Benchmark, Built
from lassbench.benchmark.metadata import Metadata
from lassbench.benchmark.selection import Definition
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError
from lassbench.records import Clip, Mixture, repeats
from tests.small_metadata import SmallMetadata, small_source


def rows(built: Built, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(built.contents[name])))


def test_the_files_of_a_benchmark_and_their_sums(
    built: Built, folder: Path, tmp_path: Path
) -> None:
    assert set(built.contents) == {
        *("concepts.yaml", "sources.csv", "tags.csv", "train.csv", "validation.csv", "test.csv"),
        *("small-test.csv", "small-absent.csv", "small-sub-test.csv", "SHA256SUMS"),
    }
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert told.count(": OK") == 9
    assert manifests.check_sums(folder) == verify(folder, tmp_path) == []


def test_the_same_metadata_give_the_same_bytes(
    definition: Definition, data: Metadata, built: Built
) -> None:
    backwards = replace(
        data,
        captioned=dict(reversed(data.captioned.items())),
        segments=dict(reversed(data.segments.items())),
    )
    assert manifests.build(definition, backwards).contents == built.contents


def test_the_lists_say_what_the_metadata_say(built: Built) -> None:
    clip = "-og00000005,30.000,40.000,151; 152; 153; 154; 155,test,dog,Bark; Dog,Y-og00000005"
    assert clip in built.contents["test.csv"].splitlines()
    tags = built.contents["tags.csv"].splitlines()
    assert "/m/rain,Rain,rain,Natural sounds,observed,6," in tags
    assert "/m/animal,Animal,dog,Animal,observed,3," in tags


def test_the_sources_are_listed_with_what_was_used(built: Built, folder: Path) -> None:
    """Made-up files are not the published ones, and the list says so."""
    listed = {row["file"]: row for row in rows(built, "sources.csv")}
    assert len(listed) == 6
    assert {row["verified"] for row in listed.values()} == {"no"}
    world, text = SmallMetadata(), listed["audiocaps/val.csv"]
    assert text["sha256"] == hashlib.sha256(world.captions_csv("val").encode()).hexdigest()
    assert text["url"].startswith("https://") and "academic" in text["licence"]


def test_rows_whose_query_names_the_other_sound_are_marked(
    definition: Definition, data: Metadata, built: Built
) -> None:
    two = definition.model_copy(update={"concepts": definition.concepts[:2]})
    dog = next(row.youtube_id for row in built.splits["test"] if row.concept == "dog")
    told = replace(data.captioned[dog], captions={1: "A dog barks in the RAIN"})
    changed = manifests.build(two, replace(data, captioned={**data.captioned, dog: told}))
    # A sound in neither of two concepts needs a third.
    assert "small-absent.csv" not in changed.contents and "add concepts" in changed.notes[0]
    for row in rows(changed, "small-test.csv"):
        told = row["target_id"] == f"Y{dog}" and row["noise_concept"] == "rain"
        assert row["audit"] == ("names the other sound" if told else "")


def test_a_list_of_absent_sounds_that_captions_forbid(
    definition: Definition, data: Metadata
) -> None:
    """One that the definition names has to be; the usual one is left out, and that is told."""
    captioned = {
        one: replace(clip, captions=dict.fromkeys(clip.captions, "dogs and a siren in the rain"))
        for one, clip in data.captioned.items()
    }
    built = manifests.build(definition, replace(data, captioned=captioned))
    assert "small-test.csv" in built.contents and "small-absent.csv" not in built.contents
    (note,) = built.notes
    assert note.startswith("no list of absent sounds: 12 of 12 mixtures can be asked for none")
    suites = definition.suites.model_copy(update={"absent": "small-silence"})
    named = definition.model_copy(update={"suites": suites})
    with pytest.raises(FaultsError, match="cannot plan queries for absent sounds"):
        manifests.build(named, replace(data, captioned=captioned))


def test_a_mixture_that_repeats_names_the_first() -> None:
    pairs = [("a", "b", 0.0), ("b", "a", 0.0), ("a", "b", 6.0), ("a", "b", 0.0), ("a", "b", 0.0)]
    mixtures = [Mixture(f"m{number}", *pair) for number, pair in enumerate(pairs)]
    assert repeats(mixtures) == {"m3": "m0", "m4": "m0"}


def test_what_people_wrote_stays(built: Built, folder: Path, tmp_path: Path) -> None:
    for name in manifests.BY_HAND:
        (folder / name).write_text("mine")
    assert manifests.check_sums(folder) == []
    manifests.write(built, folder)
    assert {(folder / name).read_text() for name in manifests.BY_HAND} == {"mine"}
    with pytest.raises(LassbenchError, match="something else than the benchmark"):
        manifests.write(built, tmp_path)


# --- changes are found -----------------------------------------------------


def verify(folder: Path, tmp_path: Path) -> list[Fault]:
    return manifests.verify(folder, small_source(tmp_path / "metadata"))[1]


EDITED, RESAVED = "was changed", "only its line ends or byte-order mark"


@pytest.mark.parametrize(
    ("change", "line", "words", "how"),
    [
        (lambda data: data.replace(b"concept", b"Concept", 1), 1, EDITED, r"is '.*', rebuilt as '"),
        (
            *(lambda data: b"".join(data.splitlines(True)[:3] + data.splitlines(True)[4:]), 4),
            *(EDITED, "lacks the line '[^']*'$"),
        ),
        (lambda data: data + data.splitlines(True)[-1], 8, EDITED, "has '.*which the rebuilt"),
        (lambda data: data.replace(b"\n", b"\r\n"), 1, RESAVED, "; 6 more lines differ likewise$"),
        (lambda data: b"\xef\xbb\xbf" + data, 1, RESAVED, "is '.*', rebuilt as '[^;]*'$"),
        (lambda data: data[:-1] + b"\r\n", 7, RESAVED, "is '.*', rebuilt as '"),
    ],
)
def test_a_changed_list_is_named_with_its_line(
    folder: Path, tmp_path: Path, change: Callable[[bytes], bytes], line: int, words: str, how: str
) -> None:
    path = folder / "test.csv"
    path.write_bytes(change(path.read_bytes()))
    (changed,) = manifests.check_sums(folder)
    assert (changed.kind, changed.where) == ("changed", str(path)) and words in changed.reason
    with pytest.raises(FaultsError, match="are not what was frozen") as caught:
        manifests.open_benchmark(folder)
    assert caught.value.faults == (changed,)
    (difference,) = verify(folder, tmp_path)
    assert difference.where == f"{path}:{line}"
    assert re.search(how, difference.reason), difference.reason


def test_an_edit_that_also_mends_the_sums_is_still_found(folder: Path, tmp_path: Path) -> None:
    path = folder / "small-test.csv"
    path.write_text(path.read_text().replace(",0,", ",6,", 1))
    resum(folder)
    assert manifests.check_sums(folder) == []
    found = verify(folder, tmp_path)
    assert [fault.where for fault in found if "small-test" in fault.where] == [f"{path}:2"]
    assert any(fault.where.startswith(str(folder / manifests.SUMS)) for fault in found)


def test_missing_and_strange_files_are_told(folder: Path, tmp_path: Path) -> None:
    (folder / "validation.csv").unlink()
    (folder / "notes.txt").write_text("mine")
    missing = ("missing", str(folder / "validation.csv"))
    found = [(fault.kind, fault.where) for fault in manifests.check_sums(folder)]
    assert found == [missing, ("not listed", str(folder / "notes.txt"))]
    assert [(fault.kind, fault.where) for fault in verify(folder, tmp_path)] == [missing]


# --- lists and datasets ----------------------------------------------------


@pytest.fixture
def benchmark(folder: Path) -> Benchmark:
    return manifests.open_benchmark(folder)


@pytest.fixture
def clips(benchmark: Benchmark, data: Metadata) -> dict[str, Clip]:
    """Clips as the corpus makes them: captions by ascending audiocap id."""
    return {
        clip_id: row.clip(split, tuple(data.captioned[row.youtube_id].captions.values()))
        for clip_id, (split, row) in benchmark.clips.items()
    }


def test_a_benchmark_opens_in_the_order_of_splits_and_ids(benchmark: Benchmark) -> None:
    splits = [split for split, _ in benchmark.clips.values()]
    assert splits == sorted(splits, key=["train", "validation", "test"].index)
    assert len(benchmark.clips) == 18 and all(clip_id[0] == "Y" for clip_id in benchmark.clips)
    assert benchmark.suites == {
        "small-test": "test",
        "small-absent": "absent",
        "small-sub-test": "sub_test",
    }
    assert benchmark.definition.concept("siren").root == "Sounds of things"
    assert pickle.loads(pickle.dumps(benchmark)) == benchmark


def test_the_test_suite_asks_with_each_targets_first_caption(
    benchmark: Benchmark, clips: dict[str, Clip], data: Metadata
) -> None:
    mixtures, queries = manifests.suite_lists(benchmark, "small-test", clips)
    assert len(mixtures) == len(queries) == 12
    for mixture, query in zip(mixtures, queries, strict=True):
        youtube_id = mixture.target_id[1:]
        captions = data.captioned[youtube_id].captions
        assert query.text == captions[min(captions)]
        assert (query.query_id, query.mixture_id) == (mixture.mixture_id, mixture.mixture_id)
        assert (query.expects, query.query_type) == ("target", "caption")
        assert query.tags == clips[mixture.target_id].tags


def test_the_absent_suite_expects_silence(benchmark: Benchmark, clips: dict[str, Clip]) -> None:
    _, queries = manifests.suite_lists(benchmark, "small-absent", clips, query_type="templated")
    assert {(q.expects, q.query_type) for q in queries} == {("silence", "templated")}
    assert len(queries) == 12 and all(q.text.startswith(q.concept) for q in queries)


def test_descriptions_that_nobody_wrote_are_not_made_up(
    benchmark: Benchmark, clips: dict[str, Clip]
) -> None:
    with pytest.raises(LassbenchError, match="12 of 12 descriptions have not been written"):
        manifests.suite_lists(benchmark, "small-sub-test", clips)
    slots = manifests.suite_rows(benchmark, "small-sub-test")
    assert len(slots) == 12 and {row["annotator"] for row, _ in slots} == {"a1", "a2"}
    assert slots[0][0]["query_id"] == "small-sub-test-0001-a1"


def test_a_dataset_of_other_clips_is_told_by_line(
    benchmark: Benchmark, clips: dict[str, Clip]
) -> None:
    mixtures, _ = manifests.suite_lists(benchmark, "small-test", clips)
    gone = mixtures[0].target_id
    fewer = {clip_id: clip for clip_id, clip in clips.items() if clip_id != gone}
    with pytest.raises(FaultsError, match="does not fit the dataset") as caught:
        manifests.suite_lists(benchmark, "small-test", fewer)
    assert caught.value.faults[0].where.endswith("small-test.csv:2")
    assert gone in caught.value.faults[0].reason


def test_unknown_names_are_refused_with_the_nearest(benchmark: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such benchmark 'lass-2023'.*did you mean"):
        manifests.find_benchmark("lass-2023")
    with pytest.raises(UsageError, match="no such benchmark"):
        manifests.find_benchmark(tmp_path)
    with pytest.raises(UsageError, match="did you mean 'small-test'"):
        manifests.suite_rows(benchmark, "smal-test")


def resum(folder: Path) -> None:
    """Whoever hands on a list hands on its sums."""
    texts = {p.name: p.read_text() for p in folder.iterdir() if p.name != manifests.SUMS}
    (folder / manifests.SUMS).write_text(manifests.sums_text(texts))


def test_rows_that_we_would_not_write_are_told_by_line(folder: Path) -> None:
    path = folder / "validation.csv"
    header, *lines = path.read_text().splitlines()
    cells = lines[0].split(",")
    bad = [
        ["tooshort", *cells[1:7], "Ytooshort"],
        [cells[0], "30.000", "20.000", *cells[3:]],
        [cells[0], "soon", *cells[2:]],
        [cells[0], "nan", *cells[2:]],
        [*cells[:3], "12; 11", *cells[4:]],
        [*cells[:3], "", *cells[4:]],
        [*cells[:6], "Meow", cells[7]],
        [*cells[:6], "", cells[7]],
        [*cells[:7], "Yaaaaaaaaaaa"],
    ]
    path.write_text("\n".join([header, *map(",".join, bad)]) + "\n")
    resum(folder)
    with pytest.raises(FaultsError) as caught:
        manifests.open_benchmark(folder)
    expected = [f"{path}:{line}" for line in range(2, 2 + len(bad))]
    assert [fault.where for fault in caught.value.faults] == expected
    path.write_text("\n".join([header, *lines, lines[0]]) + "\n")
    resum(folder)
    with pytest.raises(FaultsError, match="or one that stands before"):
        manifests.open_benchmark(folder)


@pytest.mark.parametrize(
    ("suite", "column", "cell", "words"),
    [
        ("small-test", "mixture_id", "../../x", "mixture_id '../../x'"),
        ("small-absent", "query_id", "", "query_id ''"),
        ("small-sub-test", "annotator", "x" * 300, "annotator 'xxx"),
        ("small-test", "snr_db", "nan", "'nan' is no number of dB"),
        ("small-sub-test", "snr_db", "1e308", "'1e308' is no number of dB"),
        ("small-absent", "query_id", "small-absent-0001", "small-absent-0001 stands twice"),
        ("small-sub-test", "snr_db", "3", "small-test-0001 before with another pair"),
    ],
)
def test_names_and_numbers_in_the_list_of_a_suite_are_told_by_line(
    folder: Path, suite: str, column: str, cell: str, words: str
) -> None:
    path = folder / f"{suite}.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[1, column] = cell
    table.to_csv(path, index=False)
    resum(folder)
    with pytest.raises(FaultsError) as caught:
        manifests.suite_rows(manifests.open_benchmark(folder), suite)
    (fault,) = caught.value.faults
    assert fault.where == f"{path}:3" and words in fault.reason and len(fault.reason) < 300
