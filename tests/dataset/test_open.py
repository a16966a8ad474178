"""An open dataset: clips, samples, what is missing, what `datasets` makes of the folder."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from lassbench import audio
from lassbench.corpora.folder import FolderCorpus
from lassbench.dataset import Dataset, layout, open_dataset
from lassbench.dataset.build import build
from lassbench.dataset.open import ShardReader
from lassbench.errors import LassbenchError
from lassbench.files import sha256_file
from lassbench.records import SPLITS, Clip
from tests.dataset.made import RATE, SECONDS, add, recordings, shard


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    source = tmp_path_factory.mktemp("source")
    recordings(source, 12)
    (source / "empty.wav").touch()
    add(source, "empty.wav")
    folder = tmp_path_factory.mktemp("built") / "dataset"
    build(FolderCorpus(source, source / "metadata.csv", RATE, SECONDS), folder)
    return open_dataset(folder)


def test_clips_are_in_the_order_of_splits_and_ids(dataset: Dataset) -> None:
    clips = list(dataset.clips.values())
    assert len(clips) == 12
    assert clips == sorted(clips, key=lambda clip: (SPLITS.index(clip.split), clip.clip_id))
    assert dataset.split("test") == [clip for clip in clips if clip.split == "test"]
    assert dataset.clips["clip001"] == Clip(
        clip_id="clip001",
        concept="rain",
        split="train",
        captions=("a rain", "sound 1"),
        tags=("rain", "x"),
        root="R",
        attribution="Jo",
    )


def test_what_it_says_of_itself(dataset: Dataset) -> None:
    assert dataset.sample_rate_hz == RATE
    assert dataset.clip_samples == RATE * SECONDS
    assert not dataset.synthetic
    assert not dataset.audio_may_be_published
    assert dataset.fingerprint == layout.fingerprint(dataset.pcm_sha256)
    assert "12 clips" in repr(dataset)


def test_samples_have_the_hash_they_are_listed_with(dataset: Dataset) -> None:
    for clip_id, sha in dataset.pcm_sha256.items():
        x = dataset.samples_int16(clip_id)
        assert x.shape == (dataset.clip_samples,)
        assert x.dtype == np.int16
        assert audio.pcm_sha256(x) == sha
    floats = dataset.samples("clip000")
    assert floats.dtype == np.float32
    assert np.array_equal(floats, dataset.samples_int16("clip000") / np.float32(32768))


def test_it_pickles_as_its_path(dataset: Dataset) -> None:
    dataset.samples("clip000")
    copy = pickle.loads(pickle.dumps(dataset))
    assert len(pickle.dumps(dataset)) < 1000
    assert copy.fingerprint == dataset.fingerprint
    assert np.array_equal(copy.samples("clip003"), dataset.samples("clip003"))


def test_clips_that_are_not_here_are_known_with_their_reason(dataset: Dataset) -> None:
    assert set(dataset.missing) == {"empty"}
    assert dataset.missing["empty"].kind == "empty-file"
    assert dataset.corpus_clips["empty"].concept == "odd"
    assert "empty" not in dataset.clips
    with pytest.raises(LassbenchError, match=r"the clip empty is not in this dataset") as caught:
        dataset.samples("empty")
    assert "empty-file: the file has no bytes" in str(caught.value)


def test_an_unknown_clip_is_met_with_the_nearest(dataset: Dataset) -> None:
    with pytest.raises(LassbenchError, match="did you mean 'clip001'"):
        dataset.samples("clipp001")


def test_load_dataset_opens_the_folder(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    loaded = datasets.load_dataset(str(dataset.path), cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in loaded.items()} == {
        "train": 6,
        "validation": 3,
        "test": 3,
    }
    rows = loaded["test"]
    assert tuple(rows.column_names) == layout.COLUMNS
    # The type that the Hub's viewer plays, and bytes for whoever has no torchcodec.
    assert rows.features["audio"] == datasets.Audio(sampling_rate=RATE, decode=False)
    told = json.loads(pq.read_schema(shard(dataset.path)).metadata[b"huggingface"])
    assert told["info"]["features"]["audio"]["_type"] == "Audio"
    assert rows.features["captions"] == datasets.List(datasets.Value("string"))
    row = rows[0]
    assert row["clip_id"] == "clip003"
    assert row["captions"] == ["a dog", "sound 3"]
    assert row["audio"]["path"] == "clip003.flac"
    x, rate = audio.decode_int16(row["audio"]["bytes"])
    assert rate == RATE
    assert np.array_equal(x, dataset.samples_int16("clip003"))


def test_the_card_shows_how_to_read_it(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    # The first of the two ways needs no torchcodec: it runs as it stands in the card.
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "TORCHCODEC_AVAILABLE", False)
    card = (dataset.path / "README.md").read_text()
    code = card.split("```python\n")[1].split("# or")[0]
    names: dict[str, object] = {"FOLDER": str(dataset.path)}
    exec(code, names)
    samples = names["samples"]
    assert isinstance(samples, np.ndarray)
    assert np.array_equal(samples, dataset.samples("clip003"))
    assert names["rate"] == RATE


def test_load_dataset_sees_only_the_shards_that_the_card_names(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A build that was killed may have left the shards of another plan.
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    shutil.copytree(dataset.path, tmp_path / "copy")
    path = shard(tmp_path / "copy")
    shutil.copy(path, path.with_name("test-00000-of-00002-01234567.parquet"))
    loaded = datasets.load_dataset(str(tmp_path / "copy"), cache_dir=str(tmp_path / "cache"))
    assert len(loaded["test"]) == 3


# Shards -----------------------------------------------------------------------


def test_shards_hold_what_the_hub_asks_for(dataset: Dataset) -> None:
    path = shard(dataset.path, "train")
    meta = pq.ParquetFile(path).metadata
    group = meta.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert columns["audio.bytes"].compression == "UNCOMPRESSED"
    assert columns["captions.list.element"].compression == "ZSTD"
    assert all(column.has_offset_index for column in columns.values())
    assert b"huggingface" in pq.read_schema(path).metadata


def test_shards_are_cut_by_size_and_numbered(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [len(dataset.flac(clip.clip_id)) for clip in dataset.split("train")]
    monkeypatch.setattr("lassbench.dataset.build.ROW_GROUP", 1)
    monkeypatch.setattr("lassbench.dataset.build.SHARD_BYTES", sum(sizes[:2]))
    build(recordings(tmp_path / "source", 12), tmp_path / "out")
    names = [path.name for path in sorted((tmp_path / "out" / "data").iterdir())]
    cut = open_dataset(tmp_path / "out")
    train = [name for name in names if name.startswith("train")]
    assert [name[:20] for name in train] == [
        f"train-{n:05d}-of-{len(train):05d}" for n in range(len(train))
    ]
    assert 3 <= len(train) <= 6
    for entry in cut.description.shards:
        held = [
            len(cut.flac(row["clip_id"])) for row in ShardReader(cut.path / entry.path).labels()
        ]
        assert len(held) == entry.clips
        # A clip above the limit would get a shard of its own.
        assert sum(held) <= sum(sizes[:2]) or len(held) == 1
    assert {clip_id: cut.flac(clip_id) for clip_id in cut.clips} == {
        clip_id: dataset.flac(clip_id) for clip_id in dataset.clips
    }


def test_rows_are_read_from_any_group_in_any_order(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lassbench.dataset.build.ROW_GROUP", 2)
    build(recordings(tmp_path / "source", 12), tmp_path / "out")
    reader = ShardReader(shard(tmp_path / "out", "train"))
    clips = dataset.split("train")
    assert [list(rows) for rows in reader.groups] == [[0, 1], [2, 3], [4, 5]]
    assert [row["clip_id"] for row in reader.labels(1)] == [clip.clip_id for clip in clips[2:4]]
    for row in (5, 0, 3, 3, 1, 4, 2):
        assert reader.audio_bytes(row) == dataset.flac(clips[row].clip_id)


def test_threads_share_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In a process of its own: without a lock, Arrow's reader ends the process.
    monkeypatch.setattr("lassbench.dataset.build.ROW_GROUP", 1)
    build(recordings(tmp_path / "source", 24), tmp_path / "out")
    code = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from lassbench.dataset.open import ShardReader
(path,) = (Path(sys.argv[1]) / "data").glob("train-*")
reader, alone = ShardReader(path), ShardReader(path)
labels = alone.labels()
expected = [alone.audio_bytes(row) for row in range(len(labels))]
def one(number):
    if number % 3 == 0:
        return reader.labels() == labels
    row = 7 * number % len(labels)
    return reader.audio_bytes(row) == expected[row]
with ThreadPoolExecutor(8) as pool:
    sys.exit(not all(pool.map(one, range(3000))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_labels_that_are_no_text_are_a_damage(dataset: Dataset, tmp_path: Path) -> None:
    shutil.copytree(dataset.path, tmp_path / "copy")
    path = shard(tmp_path / "copy")
    table = pq.read_table(path)
    broken = pa.StringArray.from_buffers(
        3, pa.array([0, 1, 2, 3], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe\xfd")
    )
    at = table.schema.get_field_index("concept")
    pq.write_table(table.set_column(at, table.schema.field(at), broken), path)
    with pytest.raises(LassbenchError, match="the shard is damaged"):
        _ = open_dataset(tmp_path / "copy").clips


def test_shards_that_another_tool_compressed_are_read_too(dataset: Dataset, tmp_path: Path) -> None:
    shutil.copytree(dataset.path, tmp_path / "copy")
    for path in (tmp_path / "copy" / "data").glob("*.parquet"):
        pq.write_table(pq.read_table(path), path, compression="zstd", row_group_size=4)
    copy = open_dataset(tmp_path / "copy")
    for clip_id in dataset.clips:
        assert copy.flac(clip_id) == dataset.flac(clip_id)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        *[
            ("clip_id", [name] * 3)
            for name in ("../../x", "/x", "a/b", "..", "a\0b", "x" * 300, "")
        ],
        *[("clip_id", [1, 2, 3]), ("clip_id", [None, "a", "b"]), ("captions", ["a", "b", "c"])],
        *[("captions", [[None]] * 3), ("tags", [None] * 3), ("start_s", ["0"] * 3)],
    ],
)
def test_a_shard_with_values_that_cannot_be_is_refused(
    dataset: Dataset, tmp_path: Path, column: str, values: list[object]
) -> None:
    shutil.copytree(dataset.path, tmp_path / "copy")
    path = shard(tmp_path / "copy")
    table = pq.read_table(path)
    at, kind = table.column_names.index(column), None
    if {type(value) for value in values} & {type(None), list}:
        kind = table.schema.field(column).type
    pq.write_table(table.set_column(at, column, pa.array(values, kind)), path)
    with pytest.raises(LassbenchError, match=rf"the name of a clip|{column}") as got:
        _ = open_dataset(tmp_path / "copy").clips
    assert str(path) in str(got.value)


# What is no dataset -----------------------------------------------------------


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    for path, got in ((tmp_path, "without dataset.json"), (tmp_path / "gone", "no such folder")):
        with pytest.raises(LassbenchError, match=got):
            open_dataset(path)
    (tmp_path / "file").touch()
    with pytest.raises(LassbenchError, match="a file"):
        open_dataset(tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "not a dataset description of this version"),
        ({"corpus": {"name": "x", "mood": "y"}}, "there is no 'corpus.mood'"),
        ({"mood": "y"}, "there is no 'mood'"),
        ({"name": "../../x"}, "name: '../../x' may have letters"),
        ({"name": 3}, "name must be text, got 3"),
        ({"shards": None}, "shards must be a list, got nothing"),
        ({"clip_samples": "many"}, "clip_samples must be a whole number, got 'many'"),
        ({"clip_samples": 0}, "clip_samples must be above 0, got 0"),
        ({"sample_rate_hz": "8000"}, "sample_rate_hz must be a whole number, got '8000'"),
        ({"sample_rate_hz": 0}, "sample_rate_hz must be at least 1000, got 0"),
        ({"clip_samples": 10**30}, "clip_samples must be at most"),
        ({"fingerprint": "0"}, "fingerprint must be text like"),
        ({"shards": [{"path": "data/train-0.parquet"}]}, r"shards\.0\.sha256 is missing"),
        (
            {"shards": [{"path": "../test-0.parquet", "clips": 1, "sha256": "", "bytes": 1}]},
            r"shards\.0\.path must be text like .*, got '\.\./test-0\.parquet'",
        ),
        ({"missing": ["a"]}, r"missing\.0 must be a section of keys, got 'a'"),
        ({"missing": [{"clip_id": "../../x"}]}, r"missing\.0\.clip_id: '../../x' may have"),
    ],
)
def test_a_description_edited_by_hand_is_refused(
    dataset: Dataset, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    said = json.loads((dataset.path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps({**said, **change}))
    with pytest.raises(LassbenchError, match=message):
        open_dataset(tmp_path)


def test_a_damaged_shard_names_itself(dataset: Dataset, tmp_path: Path) -> None:
    shutil.copytree(dataset.path, tmp_path / "copy")
    path = shard(tmp_path / "copy")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(
        LassbenchError, match=r"test-00000-of-00001-[0-9a-f]{8}.parquet: the shard is damaged"
    ):
        _ = open_dataset(tmp_path / "copy").clips
    path.unlink()
    with pytest.raises(LassbenchError, match="no such file"):
        _ = open_dataset(tmp_path / "copy").clips


def test_a_damaged_clip_names_itself(dataset: Dataset, tmp_path: Path) -> None:
    shutil.copytree(dataset.path, tmp_path / "copy")
    path = shard(tmp_path / "copy")
    data = bytearray(path.read_bytes())
    at = data.find(b"fLaC")
    data[at + 2000 : at + 2100] = bytes(100)
    path.write_bytes(data)
    before = sha256_file(path)
    with pytest.raises(LassbenchError, match="the clip clip003 is damaged"):
        open_dataset(tmp_path / "copy").samples("clip003")
    assert sha256_file(path) == before


def test_a_parquet_file_of_something_else_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    shutil.copytree(dataset.path, tmp_path / "copy")
    path = shard(tmp_path / "copy")
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(LassbenchError, match="the shard lacks the column clip_id"):
        _ = open_dataset(tmp_path / "copy").clips


def test_flac_bytes_are_playable_files(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(dataset.flac("clip000"))
    info = sf.info(tmp_path / "a.flac")
    assert (info.format, info.subtype, info.channels) == ("FLAC", "PCM_16", 1)
