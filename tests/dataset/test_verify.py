"""Verification: every way in which a dataset can have changed since it was built."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lassbench import audio
from lassbench.corpora.folder import FolderCorpus
from lassbench.dataset import open_dataset
from lassbench.dataset.build import build
from lassbench.dataset.verify import verify
from lassbench.files import sha256_file
from lassbench.parallel import open_executor
from tests.dataset.made import RATE, SECONDS, add, recordings, shard, sound


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "dataset"
    build(recordings(tmp_path_factory.mktemp("source"), 12), folder)
    return folder


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "dataset")
    return tmp_path / "dataset"


def rewrite(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the rows of the test shard as somebody with a notebook might."""
    table = pq.read_table(shard(folder))
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), shard(folder))


TEST = "the test shard"


def found(folder: Path) -> set[tuple[str, str]]:
    """Kind and place of each fault; the shard's name ends in the hash that it was built with."""
    said = json.loads((folder / "dataset.json").read_text())
    names = {entry["path"]: TEST for entry in said["shards"] if "/test-" in entry["path"]}
    faults = verify(open_dataset(folder)).faults
    places = {Path(name).name: TEST for name in names} | names
    return {(fault.kind, places.get(fault.where, fault.where)) for fault in faults}


def test_a_whole_dataset_has_no_faults(built: Path) -> None:
    verdict = verify(open_dataset(built))
    assert (verdict.checked, verdict.faults, verdict.missing) == (12, (), ())


def test_processes_find_what_one_finds(copy: Path) -> None:
    def swap(rows: list[dict[str, Any]]) -> None:
        rows[0]["audio"]["bytes"] = rows[1]["audio"]["bytes"]

    rewrite(copy, swap)
    dataset = open_dataset(copy)
    with open_executor(2) as executor:
        assert verify(dataset, executor=executor) == verify(dataset)


@pytest.mark.parametrize(
    ("samples", "rate", "kinds"),
    [
        (sound(77), RATE, {"altered"}),
        (sound(77)[:3000], RATE, {"altered", "short"}),
        (np.tile(sound(77), 2), RATE, {"altered", "long"}),
        (np.zeros(4000), RATE, {"altered", "silent"}),
        (sound(77), 2 * RATE, {"altered", "rate"}),
    ],
    ids=["other samples", "short", "long", "silent", "rate"],
)
def test_a_clip_that_changed_is_named(
    copy: Path, samples: np.ndarray, rate: int, kinds: set[str]
) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[1]["audio"]["bytes"] = audio.encode_flac(samples.astype("f4"), rate)

    rewrite(copy, change)
    assert found(copy) == {("altered-shard", TEST), *((kind, "clip007") for kind in kinds)}


def test_bytes_that_are_no_audio_are_named(copy: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[0]["audio"]["bytes"] = b"not FLAC"
        rows[1]["audio"]["bytes"] = b""

    rewrite(copy, change)
    assert found(copy) == {
        ("altered-shard", TEST),
        ("not-audio", "clip003"),
        ("empty-file", "clip007"),
    }


def test_a_clip_that_went_and_one_that_came_are_named(copy: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[0]["clip_id"] = "stranger"

    rewrite(copy, change)
    assert found(copy) == {
        ("altered-shard", TEST),
        ("lost", "clip003"),
        ("unlisted", "stranger"),
    }


def test_a_clip_that_is_there_twice_is_named(copy: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows.append(rows[0])

    rewrite(copy, change)
    assert found(copy) == {("altered-shard", TEST), ("rows", TEST), ("duplicate", "clip003")}


def test_samples_and_hash_changed_together_break_the_fingerprint(copy: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        x = audio.to_int16(sound(77).astype("f4"))
        rows[0]["audio"]["bytes"] = audio.encode_flac(x, RATE)
        rows[0]["pcm_sha256"] = audio.pcm_sha256(x)

    rewrite(copy, change)
    said = json.loads((copy / "dataset.json").read_text())
    for entry in said["shards"]:
        if "/test-" in entry["path"]:
            entry["sha256"] = sha256_file(copy / entry["path"])
    (copy / "dataset.json").write_text(json.dumps(said))
    assert found(copy) == {("fingerprint", "dataset.json")}


def test_a_shard_that_is_gone_takes_its_clips_along(copy: Path) -> None:
    (shard(copy)).unlink()
    lost = {("lost", clip) for clip in ("clip003", "clip007", "clip011")}
    assert found(copy) == {("missing-shard", TEST), *lost}


def test_a_shard_cut_short_is_named(copy: Path) -> None:
    data = (shard(copy)).read_bytes()
    (shard(copy)).write_bytes(data[: len(data) // 2])
    kinds = {kind for kind, where in found(copy) if where == TEST}
    assert kinds == {"altered-shard", "damaged-shard"}


def test_a_flipped_byte_in_a_clip_is_found(copy: Path) -> None:
    data = bytearray((shard(copy)).read_bytes())
    data[data.find(b"fLaC") + 3000] ^= 0x10
    (shard(copy)).write_bytes(data)
    where = {where for _, where in found(copy)}
    assert where == {TEST, "clip003"}


def test_a_lost_list_is_named(copy: Path) -> None:
    (copy / "clips.csv").unlink()
    assert ("missing-list", "clips.csv") in found(copy)


def test_an_edited_list_is_named(copy: Path) -> None:
    (copy / "clips.csv").write_text((copy / "clips.csv").read_text().replace("dog", "cat"))
    assert found(copy) == {("altered-list", "clips.csv")}


def test_what_the_build_could_not_have_is_told_apart(tmp_path: Path) -> None:
    source = tmp_path / "source"
    recordings(source, 4)
    (source / "empty.wav").touch()
    add(source, "empty.wav")
    build(FolderCorpus(source, source / "metadata.csv", RATE, SECONDS), tmp_path / "out")
    verdict = verify(open_dataset(tmp_path / "out"))
    assert verdict.faults == ()
    assert [(fault.kind, fault.where) for fault in verdict.missing] == [("empty-file", "empty")]
