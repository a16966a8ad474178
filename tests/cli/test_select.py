"""``lassbench select`` and ``verify-manifests`` as a user meets them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from lassbench import output_folders
from lassbench.cli import run
from tests.small_metadata import CONCEPTS, SmallMetadata, small_source, video

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    concepts = tmp_path / "concepts.yaml"
    concepts.write_text(CONCEPTS)
    place = small_source(tmp_path / "metadata").place
    return ["--concepts", str(concepts), "--metadata-dir", place, "--unverified-metadata"]


def test_a_benchmark_is_made_checked_and_caught_when_edited(
    options: list[str], tmp_path: Path, capsys: Capsys
) -> None:
    out = tmp_path / "mine"
    assert run(["select", str(out), *options]) == 0
    assert "benchmark small, 10 files" in capsys.readouterr().out
    check = ["verify-manifests", "--manifest", str(out)]
    assert run([*check, *options[2:]]) == 0
    assert run([*check, "--sums-only"]) == 0
    capsys.readouterr()
    path = out / "test.csv"
    lines = path.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if ",dog," in text)
    path.write_text(path.read_text().replace(",dog,", ",rain,", 1))
    assert run([*check, *options[2:]]) == 1
    message = capsys.readouterr().err
    before = lines[line - 1]
    told = f"is {before.replace(',dog,', ',rain,', 1)!r}, rebuilt as {before!r}"
    assert f"{path}: was changed" in message and f"{path}:{line}: {told}" in message
    assert run([*check, "--sums-only"]) == 1


def test_the_shipped_lists_are_as_frozen(capsys: Capsys) -> None:
    assert run(["verify-manifests", "--sums-only"]) == 0
    assert "all files are as frozen" in capsys.readouterr().out


def test_counts_write_nothing(options: list[str], tmp_path: Path, capsys: Capsys) -> None:
    assert run(["select", str(tmp_path / "mine"), "--counts", *options]) == 0
    assert not (tmp_path / "mine").exists()
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["concept", "root", "category", "candidates", "train", "validation", "test"],
        ["dog", "Animal", "6", "3", "1", "2"],
        ["rain", "Natural", "sounds", "6", "3", "1", "2"],
        ["siren", "Sounds", "of", "things", "6", "3", "1", "2"],
        ["all", "3", "18", "9", "3", "6"],
    ]


def test_an_id_that_begins_with_a_dash_is_explained(options: list[str], capsys: Capsys) -> None:
    assert video("dog", 2).startswith("-")
    assert run(["select", "--explain", video("dog", 2), *options]) == 0
    assert "concept   dog" in capsys.readouterr().out


def test_every_rejected_clip_is_listed(options: list[str], tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    assert run(["select", "--rejected", str(path), *options]) == 0
    lines = path.read_text().splitlines()
    assert lines[0] == "youtube_id,kind,reason" and len(lines) == 4


def test_options_make_another_benchmark(options: list[str], tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "other"
    assert run(["select", str(out), "--seed", "4", *options]) == 2
    assert "--name" in capsys.readouterr().err and not out.exists()
    more = ["--name", "other", "--seed", "4", "--seconds", "5", "--train-per-concept", "1"]
    assert run(["select", str(out), *more, *options]) == 0
    assert len((out / "train.csv").read_text().splitlines()) == 4
    assert "clip_seconds: 5.0" in (out / "concepts.yaml").read_text()


def test_sources_are_listed_without_reading_any(capsys: Capsys) -> None:
    assert run(["select", "--sources"]) == 0
    out = capsys.readouterr().out
    assert out.count("SHA-256") >= 11 and "not known" in out and "CC BY-SA 4.0" in out


def test_clips_without_labels_are_noted_for_version_2(
    options: list[str], tmp_path: Path, capsys: Capsys
) -> None:
    place = Path(options[3])
    (place / "audiocaps").rename(place / "audiocaps2")
    path = place / "audioset" / "unbalanced_train_segments.csv"
    path.write_text(path.read_text().replace(SmallMetadata().clips[0].youtube_id, "x" * 11))
    more = ["--audiocaps-version", "2", "--name", "second", "--test-per-concept", "1"]
    assert run(["select", str(tmp_path / "second"), *more, *options]) == 0
    captured = capsys.readouterr()
    assert "1 clips have no row in the segment list" in captured.err
    assert "audiocaps_version: 2" in (tmp_path / "second" / "concepts.yaml").read_text()
    assert not output_folders.remove_leavings(tmp_path)


def test_the_example_in_the_help_can_be_made(shared: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert run(["select", "--help"]) == 0
    example = capsys.readouterr().out.partition("name: my-benchmark")
    text = textwrap.dedent("    " + "".join(example[1:])).split("\n\n")[0]
    (tmp_path / "mine.yaml").write_text(text)
    options = ["--concepts", str(tmp_path / "mine.yaml"), "--metadata-dir", str(shared / "data")]
    assert run(["select", str(tmp_path / "mine"), *options]) == 0
    assert (tmp_path / "mine" / "my-benchmark-absent.csv").is_file()
