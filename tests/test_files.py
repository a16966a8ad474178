"""Files are whole or not there."""

from __future__ import annotations

import errno
import math
import multiprocessing
from pathlib import Path

import pytest

from lassbench import files
from lassbench.errors import LassbenchError, UsageError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"b": 1, "a": [1.5]})
    assert path.read_text() == '{\n  "a": [\n    1.5\n  ],\n  "b": 1\n}\n'
    with pytest.raises(RuntimeError), files.atomic_open(path) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert files.read_json(path) == {"a": [1.5], "b": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with pytest.raises(LassbenchError, match="the disk is full") as caught, files.atomic_open(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_json_refuses_what_it_cannot_carry(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        files.write_json(tmp_path / "a.json", math.nan)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"), [(b'{"a":\n nope}', ":2: not valid JSON"), (b"\xff\xfe\x00", "UTF-8")]
)
def test_broken_json_is_named_with_its_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(LassbenchError, match=words):
        files.read_json(path)
    with pytest.raises(LassbenchError, match="no such file"):
        files.read_json(tmp_path / "none.json")


def _hold(folder: Path, held: object, let_go: object) -> None:
    with files.folder_lock(folder, what="the dataset"):
        held.set()  # type: ignore[attr-defined]
        let_go.wait(20)  # type: ignore[attr-defined]


def test_a_second_run_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, let_go = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, held, let_go))
    holder.start()
    assert held.wait(20)
    with (
        pytest.raises(LassbenchError, match=f"in use by process {holder.pid}"),
        files.folder_lock(tmp_path, what="the dataset"),
    ):
        pass
    holder.kill()  # a killed process leaves no lock behind
    holder.join()
    with files.folder_lock(tmp_path, what="the dataset"):
        pass


def test_output_folders_are_checked_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    files.check_output_folder(tmp_path / "new" / "deep", what="OUT")
    assert not (tmp_path / "new").exists()
    with pytest.raises(UsageError, match="must be a folder"):
        files.check_output_folder(tmp_path / "file", what="OUT")
    with pytest.raises(UsageError, match="cannot be made"):
        files.check_output_folder(tmp_path / "file" / "out", what="OUT")


def test_leavings_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / f".a.wav.123{files.TEMPORARY_SUFFIX}").write_text("half")
    (tmp_path / "sub" / "a.part").write_text("mine")
    assert files.remove_leavings(tmp_path) == 1
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["a.part"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    files.replace_folder(folder, lambda path: path.joinpath("a").write_text("1") and None)

    def fail(path: Path) -> None:
        path.joinpath("b").write_text("2")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        files.replace_folder(folder, fail)
    assert [p.name for p in folder.iterdir()] == ["a"]
    assert [p.name for p in tmp_path.iterdir()] == ["suite"]
