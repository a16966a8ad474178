"""A file at hand that cannot be decoded: the next source is asked, and a new file is seen."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import soundfile as sf
from pyarrow import parquet

from lassbench.cli import run
from lassbench.fetch import sources
from lassbench.fetch.ledger import Ledger
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.runner import fetch
from lassbench.fetch.youtube import Settings
from lassbench.records import Clip
from tests.fetch import media
from tests.fetch.conftest import video_id
from tests.fetch.site import Site

Capture = pytest.CaptureFixture[str]


def encoded(number: int, kind: str, *, nan: bool = False) -> bytes:
    memory = io.BytesIO()
    x = media.sound(number, 2.0)[::3]
    if nan:
        x = np.where(np.arange(x.size) == 7, np.nan, x)
    sf.write(memory, x, 16000, format=kind, subtype="FLOAT" if kind == "WAV" else None)
    return memory.getvalue()


#: What can be wrong with a file: its suffix and its bytes.
DAMAGED = {
    "cut WAV": (".wav", encoded(0, "WAV")[:-1000]),
    "cut FLAC": (".flac", encoded(1, "FLAC")[:-1000]),
    "cut Ogg": (".ogg", encoded(2, "OGG")[:-1000]),
    "text": (".wav", b"this is not a sound"),
    "empty": (".wav", b""),
    "not numbers": (".wav", encoded(5, "WAV", nan=True)),
    "unreadable": (".wav", encoded(6, "WAV")),
}


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A folder with one file for each thing that can be wrong, and ``list.csv`` beside it."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    for number, (suffix, data) in enumerate(DAMAGED.values()):
        path = folder / f"Y{video_id(number)}{suffix}"
        path.write_bytes(data)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads every file, but not a switch of the kernel's
        path.unlink()
        path.symlink_to("/proc/sys/vm/drop_caches")
    rows = "".join(f"{video_id(number)},2,4\n" for number in range(len(DAMAGED)))
    (tmp_path / "list.csv").write_text(f"youtube_id,start_s,end_s\n{rows}")
    return folder


def command(place: Path, *options: object) -> list[str]:
    return ["fetch", str(place / "out"), "--list", str(place / "list.csv"), *map(str, options)]


def attempts(out: Path, number: int) -> list[tuple[str, str]]:
    """(kind of source, class) of each attempt at a clip."""
    with Ledger.read(out) as ledger:
        told = ledger.db.execute(
            "SELECT source, class FROM attempts WHERE youtube_id = ? ORDER BY attempt",
            (video_id(number),),
        ).fetchall()
    return [(source.partition(":")[0], kind) for source, kind in told]


def write_good(folder: Path, number: int) -> None:
    folder.mkdir(exist_ok=True)
    for path in folder.glob(f"Y{video_id(number)}.*"):
        path.unlink()
    (folder / f"Y{video_id(number)}.wav").write_bytes(encoded(number, "WAV"))


def test_the_next_source_is_asked_at_once(damaged: Path, tmp_path: Path) -> None:
    for number in range(len(DAMAGED)):
        write_good(tmp_path / "good", number)
    assert run(command(tmp_path, "--audio", damaged, "--audio", tmp_path / "good")) == 0
    tried = {name: attempts(tmp_path / "out", number) for number, name in enumerate(DAMAGED)}
    assert tried == {name: [("folder", "damaged-file"), ("folder", "done")] for name in DAMAGED}


@pytest.mark.parametrize("retry", [[], ["--retry", "permanent"], ["--retry", "all"]])
def test_a_file_that_is_replaced_is_fetched(
    retry: list[str], damaged: Path, tmp_path: Path, capsys: Capture
) -> None:
    fetching = command(tmp_path, "--audio", damaged)
    # Nothing failed in passing, so nothing is left that the same command could have.
    assert run(fetching) == 0
    assert f"{len(DAMAGED)} waiting" in capsys.readouterr().out
    assert run([*fetching, "--retry", "transient"]) == 0
    assert attempts(tmp_path / "out", 0) == [("folder", "damaged-file")]
    for number in range(len(DAMAGED)):
        write_good(damaged, number)
    assert run([*fetching, *retry]) == 0
    assert f"{len(DAMAGED)} done" in capsys.readouterr().out


def test_status_and_census_tell_of_it(damaged: Path, tmp_path: Path, capsys: Capture) -> None:
    census = tmp_path / "census.csv"
    assert run(command(tmp_path, "--audio", damaged)) == 0
    assert run(["fetch", str(tmp_path / "out"), "--status", "--export", str(census)]) == 0
    told = capsys.readouterr().out
    assert f"damaged-file{len(DAMAGED):>9}  replace the file" in told and "--audio" in told
    rows = list(csv.DictReader(census.open()))
    assert {(row["state"], row["class"], row["source"]) for row in rows} == {
        ("waiting", "damaged-file", "folder")
    }
    # The file is named, and where it lies on this machine is not.
    assert {row["message"].partition(": ")[0] for row in rows} == {
        f"Y{video_id(number)}{suffix}" for number, (suffix, _) in enumerate(DAMAGED.values())
    }
    assert str(tmp_path) not in census.read_text()


def test_a_row_of_a_table_is_such_a_file(damaged: Path, tmp_path: Path) -> None:
    for number in range(len(DAMAGED)):
        write_good(tmp_path / "good", number)
    rows = [data for name, (_, data) in DAMAGED.items() if name not in {"empty", "unreadable"}]
    numbers = [n for n, name in enumerate(DAMAGED) if name not in {"empty", "unreadable"}]
    (tmp_path / "table").mkdir()
    table = {"youtube_id": [video_id(n) for n in numbers], "audio": rows}
    parquet.write_table(pa.table(table), tmp_path / "table" / "a.parquet")
    assert run(command(tmp_path, "--audio", tmp_path / "table", "--audio", tmp_path / "good")) == 0
    for number in numbers:
        assert attempts(tmp_path / "out", number) == [("table", "damaged-file"), ("folder", "done")]


def test_a_table_whose_audio_cannot_be_read_is_such_a_file(damaged: Path, tmp_path: Path) -> None:
    write_good(tmp_path / "good", 0)
    path = tmp_path / "a.parquet"
    table = {"youtube_id": [video_id(0)], "audio": [encoded(0, "WAV")]}
    parquet.write_table(pa.table(table), path)
    column = parquet.read_metadata(path).row_group(0).column(1)
    with path.open("r+b") as stream:
        stream.seek(column.dictionary_page_offset or column.data_page_offset)
        stream.write(b"\xff" * 64)
    assert run(command(tmp_path, "--audio", path, "--audio", tmp_path / "good")) == 0
    assert attempts(tmp_path / "out", 0) == [("table", "damaged-file"), ("folder", "done")]


@pytest.mark.parametrize(
    ("address", "classes"),
    [
        ("{place}", ["damaged-file"]),
        ("file://{place}", ["damaged-file"]),
        # A second transfer may be whole.
        ("memory://damaged", ["transient"] * 3),
    ],
)
def test_an_address_on_a_disk_is_such_a_file(
    address: str,
    classes: list[str],
    make_clip: Callable[..., Clip],
    options: Callable[..., FetchOptions],
    tmp_path: Path,
) -> None:
    cut = encoded(0, "WAV")[:-1000]
    (tmp_path / f"{video_id(0)}.wav").write_bytes(cut)
    fsspec.filesystem("memory").pipe(f"/damaged/{video_id(0)}.wav", cut)
    template = address.format(place=tmp_path) + "/{youtube_id}.wav"
    chain = sources.parse([template], settings=Settings())
    fetch([make_clip(0)], tmp_path / "out", options(sources=chain))
    assert attempts(tmp_path / "out", 0) == [("url", kind) for kind in classes]


def test_a_kept_video_that_was_damaged_is_transferred_again(
    site: Site, make_clip: Callable[..., Clip], options: Callable[..., FetchOptions], tmp_path: Path
) -> None:
    site.add(video_id(0), number=0)
    kept = tmp_path / "out" / "sources" / f"Y{video_id(0)}.webm"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(site.videos[video_id(0)].data[:2000])
    assert fetch([make_clip(0)], tmp_path / "out", options(keep_source=True)).states == {"done": 1}
    assert attempts(tmp_path / "out", 0) == [("kept", "damaged-file"), ("youtube", "done")]
    assert kept.read_bytes() == site.videos[video_id(0)].data
