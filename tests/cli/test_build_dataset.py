"""``lassbench build-dataset`` and ``lassbench verify`` as a user runs them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lassbench.cli import run
from lassbench.dataset import open_dataset
from tests.dataset.made import add, recordings, shard

HOW = ["--rate", "8000", "--seconds", "0.5", "--workers", "1"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    recordings(tmp_path / "source", 8)
    return tmp_path / "source"


def build(source: Path, out: Path, *more: str) -> int:
    return run(
        ["build-dataset", str(out), "--corpus", "folder", "--source", str(source), *HOW, *more]
    )


def test_the_summary_counts_what_was_kept(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(source, tmp_path / "out") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{tmp_path / 'out'}: 8 clips, 0 left out"
    assert lines[1].split() == ["concept", "train", "validation", "test"]
    assert lines[5].split() == ["all", "4", "2", "2"]
    assert lines[6] == f"fingerprint {open_dataset(tmp_path / 'out').fingerprint}"


def test_a_second_run_says_what_was_there(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(source, tmp_path / "out")
    assert build(source, tmp_path / "out") == 0
    assert "8 clips (8 were there already), 0 left out" in capsys.readouterr().out


def test_clips_left_out_are_listed_and_strict_makes_them_fatal(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "text.wav").write_text("no sound")
    add(source, "text.wav")
    assert build(source, tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert "8 clips, 1 left out" in shown
    assert "  not-audio: 1\n    text: cannot be decoded" in shown
    assert build(source, tmp_path / "out", "--strict") == 1


def test_a_limit_is_told_and_can_be_lifted(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (90, 91):
        (source / f"{number}.wav").write_bytes((source / "clip000.wav").read_bytes())
        add(source, f"{number}.wav")
    assert build(source, tmp_path / "out", "--limit", "1", "--strict") == 0
    shown = capsys.readouterr().out
    assert "beyond --limit; the same command without it adds them" in shown
    assert build(source, tmp_path / "out") == 0
    assert "beyond --limit" not in capsys.readouterr().out
    assert build(source, tmp_path / "out", "--limit", "1") == 2
    assert "would drop clips" in capsys.readouterr().err


def test_a_damaged_shard_is_told(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(source, tmp_path / "out") == 0
    path = shard(tmp_path / "out")
    path.write_bytes(path.read_bytes()[:1000])
    capsys.readouterr()
    assert build(source, tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert f"data/{path.name} was gone or altered, and with it 2 of its clips" in shown
    assert f"what was left of it is in {tmp_path / 'out' / 'damaged'}" in shown


def test_a_clip_that_outlived_its_source_is_told(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(source, tmp_path / "out") == 0
    (source / "clip000.wav").write_text("no sound")
    capsys.readouterr()
    assert build(source, tmp_path / "out", "--strict") == 0
    shown = capsys.readouterr().out
    assert "8 clips (8 were there already), 0 left out" in shown
    assert "kept as they were packed, though their source cannot be used any more" in shown
    assert "clip000: cannot be decoded" in shown


def test_copies_are_told_with_their_splits(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "again.wav").write_bytes((source / "clip000.wav").read_bytes())
    add(source, "again.wav")
    assert build(source, tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert "the same samples in two splits of the corpus: again (test), clip000 (train)" in shown
    # Without a column of splits they are drawn here, and the copy follows.
    table = source / "metadata.csv"
    table.write_text(re.sub(r",(split|train|validation|test),", ",", table.read_text()))
    assert build(source, tmp_path / "drawn") == 0
    shown = capsys.readouterr().out
    split = open_dataset(tmp_path / "drawn").clips["again"].split
    assert f"the same samples: again ({split}), clip000 ({split}" in shown


def test_a_faulty_table_stops_before_anything_is_written(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(source, "gone.wav")
    add(source, "../up.wav")
    assert build(source, tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert "metadata.csv:10: no such file: gone.wav" in message
    assert "metadata.csv:11: the file '../up.wav' leads out of the source folder" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--corpus", "esc5"], "no such corpus 'esc5' (did you mean 'esc50'?)"),
        (["--corpus", "esc50"], "this corpus needs --source"),
        (["--corpus", "synthetic", "--only-esc10"], "does not take --only-esc10"),
        (["--corpus", "synthetic", "--rate", "5"], "5 is not in the range 1000<=x<=384000"),
        (["--corpus", "synthetic", "--workers", "-1"], "workers cannot be negative"),
        (["--corpus", "synthetic", "--clips-per-concept", "1,2"], "three whole numbers"),
        (["--corpus", "synthetic", "--sead", "1"], "--seed"),
    ],
)
def test_a_wrong_command_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run(["build-dataset", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_verify_says_that_all_is_well_or_what_is_not(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    build(source, out)
    verify = ["verify", str(out), "--workers", "1"]
    assert run(verify) == 0
    assert "8 clips checked, 0 faults" in capsys.readouterr().out
    path = shard(out)
    data = bytearray(path.read_bytes())
    data[data.find(b"fLaC") + 3000] ^= 0x10
    path.write_bytes(data)
    assert run(verify) == 1
    shown = capsys.readouterr().out
    assert f"data/{path.name}: SHA-256 is not the one noted" in shown
    assert "clip003" in shown


def test_verify_counts_missing_clips_unless_told_not_to(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "empty.wav").touch()
    add(source, "empty.wav")
    out = tmp_path / "out"
    build(source, out)
    assert run(["verify", str(out), "--workers", "1"]) == 1
    assert "empty: the file has no bytes" in capsys.readouterr().out
    assert run(["verify", str(out), "--workers", "1", "--allow-missing"]) == 0


def test_verify_of_something_else_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", str(tmp_path)]) == 1
    assert "not a dataset folder" in capsys.readouterr().err


def test_a_terminal_is_not_rewritten_by_a_file_name(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(source, "\x1b[2Jgone.wav")
    assert build(source, tmp_path / "out") == 1
    assert "\x1b" not in capsys.readouterr().err


def test_links_out_of_the_corpus_are_told(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(source, tmp_path / "plain") == 0
    assert "are links" not in capsys.readouterr().out
    for number in (0, 1):
        path = next(source.glob(f"clip{number:03d}.*"))
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
    assert build(source, tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert "2 of the corpus's files are links, or lie behind links, that lead out" in shown
    assert f"{source / 'clip000.wav'}, which is {tmp_path / 'clip000.wav'}" in shown
