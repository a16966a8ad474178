"""Frozen lists as a dataset's suites."""

from __future__ import annotations

import csv
import pickle
import shutil
from pathlib import Path

import pytest

from lassbench.benchmark import building, manifests
from lassbench.benchmark.definitions import read_definition
from lassbench.benchmark.manifests import Benchmark
from lassbench.benchmark.sources import Metadata, load_metadata
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.records import Clip
from tests.small_metadata import CONCEPTS, small_source


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Benchmark, Metadata]:
    folder = tmp_path_factory.mktemp("benchmark")
    (folder / "concepts.yaml").write_text(CONCEPTS)
    definition = read_definition(folder / "concepts.yaml")
    data = load_metadata(small_source(folder / "metadata"), definition)
    building.write(building.build(definition, data), folder / "small")
    return manifests.open_benchmark(folder / "small"), data


@pytest.fixture
def benchmark(made: tuple[Benchmark, Metadata]) -> Benchmark:
    return made[0]


@pytest.fixture
def clips(made: tuple[Benchmark, Metadata]) -> dict[str, Clip]:
    """Clips as the corpus makes them: captions by ascending audiocap id."""
    benchmark, data = made
    return {
        clip_id: Clip(
            clip_id,
            row.concept,
            split,
            tuple(text for _, text in data.captioned[row.youtube_id].captions),
            row.tags,
        )
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
    assert benchmark.root("siren") == "Sounds of things"
    assert pickle.loads(pickle.dumps(benchmark)) == benchmark


def test_the_test_suite_asks_with_each_targets_first_caption(
    benchmark: Benchmark, clips: dict[str, Clip], made: tuple[Benchmark, Metadata]
) -> None:
    mixtures, queries = manifests.suite_lists(benchmark, "small-test", clips)
    assert len(mixtures) == len(queries) == 12
    for mixture, query in zip(mixtures, queries, strict=True):
        youtube_id = mixture.target_id[1:]
        smallest = min(made[1].captioned[youtube_id].captions)
        assert query.text == smallest[1]
        assert (query.query_id, query.mixture_id) == (mixture.mixture_id, mixture.mixture_id)
        assert (query.expects, query.query_type) == ("target", "caption")
        assert query.tags == clips[mixture.target_id].tags


def test_the_absent_suite_expects_silence(benchmark: Benchmark, clips: dict[str, Clip]) -> None:
    mixtures, queries = manifests.suite_lists(
        benchmark, "small-absent", clips, query_type="templated"
    )
    by_id = {mixture.mixture_id: mixture for mixture in mixtures}
    for query in queries:
        mixture = by_id[query.mixture_id]
        present = {clips[mixture.target_id].concept, clips[mixture.noise_id].concept}
        assert query.concept not in present
        assert (query.expects, query.query_type) == ("silence", "templated")
        assert query.text.startswith(query.concept)


def test_descriptions_that_nobody_wrote_are_not_made_up(
    benchmark: Benchmark, clips: dict[str, Clip]
) -> None:
    with pytest.raises(LassbenchError, match="12 of 12 descriptions have not been written"):
        manifests.suite_lists(benchmark, "small-sub-test", clips)
    slots = manifests.sub_test_slots(benchmark)
    assert len(slots) == 12 and {slot.annotator for slot in slots} == {"a1", "a2"}
    assert slots[0].query_id == "small-sub-test-0001-a1"


def test_an_unknown_suite_names_the_nearest(benchmark: Benchmark, clips: dict[str, Clip]) -> None:
    with pytest.raises(UsageError, match=r"did you mean 'small-test'"):
        manifests.suite_lists(benchmark, "smal-test", clips)


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


def test_an_unknown_benchmark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such benchmark 'lass-2023'.*did you mean"):
        manifests.find_benchmark("lass-2023")
    with pytest.raises(UsageError, match="no such benchmark"):
        manifests.find_benchmark(tmp_path)


def test_rows_are_checked_one_by_one(benchmark: Benchmark, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in benchmark.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    path = folder / "validation.csv"
    header, row, *_ = path.read_text().splitlines()
    cells = row.split(",")
    bad = {
        "is no YouTube id": ["tooshort", *cells[1:]],
        "starts at 30 s and ends at 20 s": [cells[0], "30.000", "20.000", *cells[3:]],
        "are not both numbers": [cells[0], "soon", *cells[2:]],
        "ascending": [*cells[:3], "12; 11", *cells[4:]],
        "are not numbers": [*cells[:3], "", *cells[4:]],
        "is not a concept": [*cells[:5], "cat", cells[6]],
        "is not a tag of": [*cells[:6], "Meow"],
    }
    path.write_text("\n".join([header, *(",".join(values) for values in bad.values())]) + "\n")
    with pytest.raises(FaultsError) as caught:
        manifests.open_benchmark(folder)
    reasons = {
        fault.where.rsplit(":", 1)[1]: fault.reason
        for fault in caught.value.faults
        if fault.kind == "bad row"
    }
    for line, words in enumerate(bad, start=2):
        assert words in reasons[str(line)], reasons


@pytest.mark.parametrize(
    ("suite", "column", "cell", "words"),
    [
        *[
            (suite, column, cell, column)
            for suite, column in (
                *(("small-test", "mixture_id"), ("small-absent", "query_id")),
                *(("small-sub-test", "query_id"), ("small-sub-test", "annotator")),
            )
            for cell in ("../../x", "/tmp/x", "a/b", "..", "", "x" * 300)
        ],
        *[("small-test", "snr_db", cell, "is no number of dB") for cell in ("", "nan", "1e308")],
        *[("small-sub-test", "snr_db", cell, "is no number of dB") for cell in ("x", "-inf")],
    ],
)
def test_names_and_numbers_in_the_list_of_a_suite_are_told_by_line(
    benchmark: Benchmark,
    clips: dict[str, Clip],
    tmp_path: Path,
    suite: str,
    column: str,
    cell: str,
    words: str,
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(benchmark.path, folder)
    path = folder / f"{suite}.csv"
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[1][column] = cell
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    # Whoever hands on a list hands on its sums.
    texts = {p.name: p.read_text() for p in folder.iterdir() if p.name != manifests.SUMS}
    (folder / manifests.SUMS).write_text(manifests.sums_text(texts))
    opened = manifests.open_benchmark(folder)
    with pytest.raises(FaultsError) as caught:
        if suite == "small-sub-test":
            manifests.sub_test_slots(opened)
        else:
            manifests.suite_lists(opened, suite, clips)
    (fault,) = caught.value.faults
    assert fault.where == f"{path}:3"
    assert words in fault.reason
    assert len(fault.reason) < 300
