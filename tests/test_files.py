"""Files are whole or not there."""

from __future__ import annotations

import errno
import math
import multiprocessing
import os
import signal
import stat
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lassbench import files, output_folders
from lassbench.errors import LassbenchError, UsageError
from lassbench.interrupts import Interrupts


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
    ("content", "words"),
    [
        (b'{"a":\n nope}', ":2: not valid JSON"),
        (b"", ":1: not valid JSON"),
        (b"{}\n\xff\xfe", ":2: is not UTF-8"),
        (b'{"a": 1,\n "b\0": 2}', ":2: holds a NUL byte"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": -Infinity}', "holds -Infinity"),
        (b'{"a": 1e999}', "holds the number 1e999"),
        (b'{"a": ' + b"7" * 5000 + b"}", "a whole number of 5000 digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "has the key 'c' twice"),
        (b'{"a": "\\ud800"}', "half a character"),
        (b'{"a":\n "x\\u0000"}', ":2: holds a NUL character"),
        (b'{"\\\\\\u0000": 1}', ":1: holds a NUL character"),
        (b'{"a": "' + b"x" * 100 + b'"}', "too large"),
    ],
)
def test_json_that_not_every_reader_takes_for_the_same_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    limit = 100 if words == "too large" else files.JSON_LIMIT
    with pytest.raises(LassbenchError, match=words) as caught:
        files.read_json(path, limit=limit, fix="make it anew")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in caught.value.what


def test_json_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(
        '\ufeff{"a": "\\ud83d\\ude00é", "b": [1, 1.5, -0.0, null, "\\\\u0000"]}'.encode()
    )
    assert files.read_json(path) == {"a": "\U0001f600é", "b": [1, 1.5, -0.0, None, "\\u0000"]}
    with pytest.raises(LassbenchError, match="no such file"):
        files.read_json(tmp_path / "none.json")


def _hold(folder: Path, held: object, let_go: object) -> None:
    with output_folders.folder_lock(folder, what="the dataset"):
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
        output_folders.folder_lock(tmp_path, what="the dataset"),
    ):
        pass
    holder.kill()  # a killed process leaves no lock behind
    holder.join()
    with output_folders.folder_lock(tmp_path, what="the dataset"):
        pass


def test_output_folders_are_checked_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    output_folders.check_output_folder(tmp_path / "new" / "deep", what="OUT")
    assert not (tmp_path / "new").exists()
    with pytest.raises(UsageError, match="must be a folder"):
        output_folders.check_output_folder(tmp_path / "file", what="OUT")
    with pytest.raises(UsageError, match="cannot be made"):
        output_folders.check_output_folder(tmp_path / "file" / "out", what="OUT")


#: Ends of temporary names: of a process of this machine that is not there, and of another's.
GONE = f"{2**22 + 1}-{files._this_host()}.part"
ELSEWHERE = "12-000000.part"


def test_leavings_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    alive = files.temporary_path(Path("b.wav")).name
    kept = {"a.part", ".thesis.part", ".a.12.part", alive, f".a.wav.{ELSEWHERE}"}
    for name in (*kept, f".a.wav.{GONE}", f".b.{ELSEWHERE}"):
        (tmp_path / "sub" / name).write_text("half")
    two_days_ago = time.time() - 2 * 86400
    os.utime(tmp_path / "sub" / f".b.{ELSEWHERE}", (two_days_ago, two_days_ago))
    filling = tmp_path / f".suite.{GONE}"
    filling.mkdir()
    (filling / f".a.wav.{GONE}").write_text("half")
    assert output_folders.remove_leavings(tmp_path) == 2
    assert {p.name for p in (tmp_path / "sub").iterdir()} == kept
    assert list(filling.iterdir())


# Folders ----------------------------------------------------------------------


def fill(version: str) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        (folder / "deep").mkdir()
        for name in ("a", "deep/b"):
            (folder / name).write_text(version)

    return build


def content(folder: Path) -> set[tuple[str, str]]:
    return {(p.name, p.read_text()) for p in folder.rglob("*") if p.is_file()}


OLD, NEW = {("a", "old"), ("b", "old")}, {("a", "new"), ("b", "new")}


@pytest.fixture(params=[True, False], ids=["swapped", "moved aside"])
def swaps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both ways of putting a folder in the place of another."""
    if not request.param:
        monkeypatch.setattr(output_folders, "_swap", lambda one, other: False)
    return bool(request.param)


def test_a_folder_is_replaced_whole(tmp_path: Path, swaps: bool) -> None:
    folder = tmp_path / "deep" / "suite"
    output_folders.replace_folder(folder, fill("old"), what="the suite's folder")
    assert content(folder) == OLD

    def fail(path: Path) -> None:
        fill("half")(path)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        output_folders.replace_folder(folder, fail, what="the suite's folder")
    assert content(folder) == OLD
    output_folders.replace_folder(folder, fill("new"), what="the suite's folder")
    assert content(folder) == NEW
    assert [p.name for p in folder.parent.iterdir()] == ["suite"]


class CountedCalls:
    """Does ``act`` before that call of :mod:`os` at which ``left`` comes to nothing."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act, self.left = act, 0

    def call(self, name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*args: object, **options: object) -> object:
            self.left -= 1
            if self.left == 0:
                self.act()
            return real(*args, **options)

        return call


def _replace_until_killed(folder: Path, calls: int, swaps: bool) -> None:
    """Replace ``folder`` and end, with no goodbye, before the given system call."""
    count = CountedCalls(lambda: os.kill(os.getpid(), signal.SIGKILL))
    for name in ("mkdir", "rename", "replace", "unlink", "rmdir", "open"):
        setattr(os, name, count.call(name))
    count.left = calls
    swap = output_folders._swap if swaps else lambda one, other: False

    def counted_swap(one: Path, other: Path) -> bool:
        os.replace(one, one)  # noqa: PTH105  # counted: a moment before the swap
        done = swap(one, other)
        os.replace(one, one)  # noqa: PTH105  # and one after it
        return done

    output_folders._swap = counted_swap
    output_folders.replace_folder(folder, fill("new"), what="the suite's folder")
    os._exit(7)


def test_killed_at_any_moment_the_old_or_the_new_folder_stands_whole(
    tmp_path: Path, swaps: bool
) -> None:
    context = multiprocessing.get_context("fork")
    folder = tmp_path / "suite"
    for calls in range(1, 100):
        output_folders.replace_folder(folder, fill("old"), what="the suite's folder")
        child = context.Process(target=_replace_until_killed, args=(folder, calls, swaps))
        child.start()
        child.join()
        aside = tmp_path / ".suite.old.part"
        # Without the swap there is a moment at which the old one stands beside its place.
        assert content(folder if swaps or folder.exists() else aside) in (OLD, NEW), calls
        before = content(folder) if folder.exists() else content(aside)

        def fail(path: Path) -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            output_folders.replace_folder(folder, fail, what="the suite's folder")
        assert content(folder) == before
        assert [p.name for p in tmp_path.iterdir()] == ["suite"], calls
        if child.exitcode == 7:
            break
    assert calls > 8
    assert child.exitcode == 7


def _replace_slowly(folder: Path, begun: object, go_on: object) -> None:
    def build(path: Path) -> None:
        fill("new")(path)
        begun.set()  # type: ignore[attr-defined]
        go_on.wait(60)  # type: ignore[attr-defined]

    output_folders.replace_folder(folder, build, what="the suite's folder")


def test_of_two_at_once_the_second_is_told(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    begun, go_on = context.Event(), context.Event()
    first = context.Process(target=_replace_slowly, args=(tmp_path / "suite", begun, go_on))
    first.start()
    assert begun.wait(60)
    with pytest.raises(LassbenchError, match=f"suite's folder is in use by process {first.pid}"):
        output_folders.replace_folder(tmp_path / "suite", fill("old"), what="the suite's folder")
    output_folders.replace_folder(tmp_path / "suite.2", fill("old"), what="another folder")
    go_on.set()
    first.join()
    assert content(tmp_path / "suite") == NEW
    assert sorted(p.name for p in tmp_path.iterdir()) == ["suite", "suite.2"]


def test_what_is_cleared_up_is_this_folders_own(tmp_path: Path) -> None:
    stays = {f".suite.2.{GONE}", "suite.1.part", ".suite.12.part", ".keep.2024.part"}
    for name in (*stays, f".suite.{GONE}", f".suite.{ELSEWHERE}", ".suite.old.part"):
        (tmp_path / name).mkdir()
    (tmp_path / ".suite.13.part").write_text("a file of somebody's")
    output_folders.replace_folder(tmp_path / "suite", fill("new"), what="the folder")
    assert {p.name for p in tmp_path.iterdir()} == {*stays, ".suite.13.part", "suite"}
    assert content(tmp_path / "suite") == NEW


def test_a_link_stays_and_leads_to_the_new_folder(tmp_path: Path, swaps: bool) -> None:
    output_folders.replace_folder(tmp_path / "disk" / "suite", fill("old"), what="the folder")
    (tmp_path / "suite").symlink_to(tmp_path / "disk" / "suite")
    output_folders.replace_folder(tmp_path / "suite", fill("new"), what="the folder")
    assert (tmp_path / "suite").is_symlink()
    assert content(tmp_path / "suite") == NEW
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="must be a folder"):
        output_folders.replace_folder(tmp_path / "file", fill("new"), what="the folder")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_lock_leaves_nothing_and_needs_no_file_system_with_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b").mkdir()
    for name in "ab":
        with output_folders.folder_lock(tmp_path / name, what="the folder"):
            assert (tmp_path / name / ".lock").is_file()
    assert [path.name for path in tmp_path.rglob("*")] == ["b"]

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(output_folders.fcntl, "flock", no_locks)
    with output_folders.folder_lock(tmp_path / "a", what="the folder"):
        pass


# Names ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "Y-x_1.b", "lass-test-0001", "0", "x" * 150])
def test_names_that_can_be_part_of_a_path(name: str) -> None:
    assert files.checked_name(name, what="the query", where="f:1") == name


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "-x", ".hidden", "~", "C:x"),
        *("a b", "é", "a\n", "a\0b", "x" * 151, "a\u202eb", "con:", "a*"),
    ],
)
def test_names_that_cannot(name: str) -> None:
    with pytest.raises(LassbenchError, match="the name of the query"):
        files.checked_name(name, what="the query", where="f:1")


@pytest.mark.parametrize(
    "text", ["LASS-Net (large)", "../../x", "/", "..", "", "é" * 500, "a\0b", ".part", "x" * 500]
)
def test_a_name_is_made_of_any_text(text: str) -> None:
    assert files.name_fault(files.name_of(text)) == ""
    assert files.name_of("LASS-Net (large)") == "LASS-Net-large"


@pytest.mark.parametrize("name", ["a.wav", "a b.wav", "déjà vu.ogg", "..a", "-x.wav", "a/b/c.wav"])
def test_paths_below_a_folder(name: str) -> None:
    assert files.inner_path_fault(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        *("", "/etc/passwd", "../secret.wav", "a/../../b.wav", "..\\b.wav", "C:\\a.wav"),
        *("~/a.wav", "http://host/a.wav", "file:///a.wav", "a\x1b[2J.wav"),
    ],
)
def test_paths_that_lead_elsewhere(name: str) -> None:
    assert files.inner_path_fault(name)


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
def test_a_name_is_found_in_whichever_unicode_form_the_disk_has_it(
    tmp_path: Path, listed: str
) -> None:
    for folder in ("NFC", "NFD"):
        for file in ("NFC", "NFD"):
            place = tmp_path / f"{folder}-{file}" / unicodedata.normalize(folder, "Größe")
            place.mkdir(parents=True)
            (place / unicodedata.normalize(file, "déjà vu.wav")).write_text(folder + file)
            name = unicodedata.normalize(listed, "Größe/déjà vu.wav")
            assert files.find_inside(place.parent, name).read_text() == folder + file
    assert files.find_inside(tmp_path, "é/nothing") == tmp_path / "é/nothing"


def test_why_there_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "link").symlink_to("gone.wav")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "folder").symlink_to(tmp_path / "far", target_is_directory=True)
    assert files.file_fault(tmp_path / "a") == ""
    assert files.file_fault(tmp_path / "b") == files.NO_SUCH_FILE
    assert files.file_fault(tmp_path) == "is a folder, not a file"
    assert files.file_fault(tmp_path / "link") == "link is a link that leads nowhere: to gone.wav"
    assert "round is a link that leads nowhere" in files.file_fault(tmp_path / "round")
    told = files.file_fault(tmp_path / "folder" / "deep" / "b")
    assert told == f"folder is a link that leads nowhere: to {tmp_path / 'far'}"
    assert files.file_fault(tmp_path / ("é" * 300)) == "File name too long"
    assert files.find_inside(tmp_path, "é" * 300) == tmp_path / ("é" * 300)


def test_where_links_lead(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a").write_text("x")
    (inside / "near").symlink_to("a")
    (inside / "far").symlink_to(outside / "a")
    (inside / "deep").symlink_to("../outside")
    (tmp_path / "again").symlink_to(inside)
    for folder in (inside, tmp_path / "again"):
        for name in ("a", "near"):
            assert files.lies_outside(folder / name, [folder]) is None
        for name in ("far", "deep/a"):
            assert files.lies_outside(folder / name, [folder]) == outside / "a"
            assert files.lies_outside(folder / name, [folder, outside]) is None


# Several files, and what must not be broken off --------------------------------


def test_files_that_belong_together_are_moved_together(tmp_path: Path) -> None:
    paths = [tmp_path / "deep" / name for name in ("a.parquet", "a.json")]
    files.write_together(dict.fromkeys(paths, b"old"))

    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(LassbenchError, match="the disk is full") as caught:
        files.write_together({paths[0]: b"new", paths[1]: fail})
    assert str(paths[1]) in str(caught.value)
    assert [path.read_bytes() for path in paths] == [b"old", b"old"]
    files.write_together({paths[0]: lambda path: path.write_bytes(b"new"), paths[1]: b"n"})
    assert [path.read_bytes() for path in paths] == [b"new", b"n"]
    assert sorted(path.name for path in paths[0].parent.iterdir()) == ["a.json", "a.parquet"]


def test_what_a_killed_run_left_of_these_files_goes_and_nothing_else(tmp_path: Path) -> None:
    alive = files.temporary_path(Path("a.json")).name.replace(str(os.getpid()), "1")
    kept = {alive, f".b.json.{GONE}", ".a.json.part", f".a.json.{ELSEWHERE}"}
    for name in (*kept, f".a.json.{GONE}"):
        (tmp_path / name).write_bytes(b"half")
    files.write_together({tmp_path / "a.json": b"{}"})
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "a.json"}


@pytest.fixture
def deaf() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("deaf")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_comes_where_it_may_and_once(number: int) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        signal.raise_signal(number)
        done.append("not broken off")
        with interrupts.let_through():
            done.append("never reached")
    assert done == ["not broken off"]
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        try:
            with interrupts.let_through():
                signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            done.append("cleared up")
    assert done[1:] == ["cleared up"]
    assert signal.getsignal(number) is signal.default_int_handler


@pytest.mark.usefixtures("deaf")
def test_an_interrupt_at_any_step_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = CountedCalls(lambda: signal.raise_signal(signal.SIGINT))
    for name in ("mkdir", "rename", "replace", "unlink", "rmdir", "open", "fsync"):
        monkeypatch.setattr(os, name, count.call(name))

    def build(folder: Path) -> None:
        fill("new")(folder)
        files.write_text(folder / "c", "new")

    whole = {*NEW, ("c", "new")}
    for step in range(1, 200):
        output_folders.replace_folder(tmp_path / "suite", fill("old"), what="the suite")
        count.left, ended = step, False
        try:
            output_folders.replace_folder(tmp_path / "suite", build, what="the suite")
        except KeyboardInterrupt:
            ended = True
        reached, count.left = count.left <= 0, 0
        assert content(tmp_path / "suite") in (OLD, whole), step
        assert ended == reached, step
        assert [path.name for path in tmp_path.iterdir()] == ["suite"], step
        if not reached:
            break
    assert 10 < step < 199


def test_a_scratch_folder_is_empty_and_goes(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "of a killed run").write_text("half")
    with pytest.raises(RuntimeError), output_folders.scratch_folder(tmp_path / "scratch") as folder:
        assert list(folder.iterdir()) == []
        (folder / "a").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/below", "other", "locked/new"])
def test_a_place_that_cannot_be_replaced_is_told_before_any_work(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    for name in ("other", "empty", "suite", "locked"):
        (tmp_path / name).mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("dear")
    (tmp_path / "suite" / "suite.json").write_text("{}")
    may = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: may(path, mode) and not str(path).endswith("locked")
    )
    before = sorted(tmp_path.rglob("*"))

    def never(folder: Path) -> None:
        raise AssertionError

    words = {"file": "must be a folder", "file/below": "cannot be made", "other": "something else"}
    with pytest.raises(UsageError, match=words.get(place, "cannot be written")):
        output_folders.replace_folder(tmp_path / place, never, what="the suite", mark="suite.json")
    assert sorted(tmp_path.rglob("*")) == before
    for name in ("empty", "suite", "new/deep"):
        output_folders.replace_folder(
            tmp_path / name, fill("new"), what="the suite", mark="suite.json"
        )
        assert content(tmp_path / name) == NEW


def test_folders_that_must_not_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "site"
    output_folders.replace_folder(place, fill("old"), what="the site")

    def refused(words: str, folder: Path = place, **options: Any) -> None:
        with pytest.raises(UsageError, match=words):
            output_folders.replace_folder(folder, fill("new"), what="the site", **options)
        assert content(place) >= OLD

    (place / "board").mkdir()
    refused("what it is made from lies in it", needs=[tmp_path / "other", place / "board"])
    (place / "board").rmdir()
    (place / "deep" / "below").mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(place / "deep" / "below")
        refused("you are in it")
        refused("you are in it", Path(".."))
        patch.chdir(place)
        refused("you are in it", Path())
    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_mount", lambda path: path == place)
        refused("mounted folder cannot be")
    (place / ".git").mkdir()
    refused("is a repository")
    gone = tmp_path / "gone"
    gone.mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(gone)
        gone.rmdir()
        output_folders.replace_folder(tmp_path / "elsewhere", fill("new"), what="the site")
        patch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(LassbenchError, match="loop"):
        output_folders.replace_folder(tmp_path / "loop", fill("new"), what="the site")


def test_a_replaced_folder_keeps_its_mode(tmp_path: Path, swaps: bool) -> None:
    folder = tmp_path / "suite"
    output_folders.replace_folder(folder, fill("old"), what="the suite")
    folder.chmod(0o2775)
    (folder / "deep").chmod(0o555)
    output_folders.replace_folder(folder, fill("new"), what="the suite")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2775
    assert [path.name for path in tmp_path.iterdir()] == ["suite"]


def test_a_lock_is_not_taken_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("dear")
    (tmp_path / "received").mkdir()
    (tmp_path / "received" / ".lock").symlink_to("../mine")
    with (
        pytest.raises(LassbenchError, match=r"\.lock"),
        output_folders.folder_lock(tmp_path / "received", what="the folder"),
    ):
        pass
    assert (tmp_path / "mine").read_text() == "dear"


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.json"
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(LassbenchError, match=r"a\.json: is (not a file|a folder, not a file)"):
        files.read_json(path)
    with pytest.raises(OSError, match="not a file"):
        files.sha256_file(path)


def test_a_scratch_folder_takes_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "scratch").symlink_to("mine")
    with output_folders.scratch_folder(tmp_path / "scratch") as folder:
        (folder / "a").write_text("half")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert not list((tmp_path / "mine").iterdir())
