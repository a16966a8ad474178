"""Commands that are killed or ended, or find the disk full, at any change that they make.

``STEP=1 pytest tests/leaderboard/test_killed.py`` takes every one of these moments.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from lassbench import files
from lassbench.cli import run
from lassbench.leaderboard.adding import add_scores
from lassbench.leaderboard.building import build
from lassbench.leaderboard.checks import read_leaderboard
from tests.leaderboard import made
from tests.leaderboard.ended import How, end
from tests.leaderboard.made import DATE

STEP = int(os.environ.get("STEP", "0"))
#: No process has this number.
DEAD = f"4194305-{files._this_host()}"

# Sends the signal at the point of the command that is named, in a way that swallows what it raises.
SWALLOW = """
import os, signal, sys
from lassbench.cli import main
from lassbench.leaderboard import building

def end():
    os.kill(os.getpid(), signal.SIGTERM)
    sum(range(1000))  # Python asks for signals between its steps

class Destroyed:
    def __del__(self):
        end()

def first(*given, **more):
    if sys.argv[2] == "import":
        import swallows
    elif sys.argv[2] == "destructor":
        Destroyed()
    else:
        try:
            end()
        except BaseException:
            pass
    return then(*given, **more)

then = getattr(building, sys.argv[1])
setattr(building, sys.argv[1], first)
main(["leaderboard", "build", "--root", "board"])
"""


Tree = dict[str, bytes | None]


def tree(folder: Path) -> Tree:
    """Everything below ``folder``, hidden too: files with their bytes, folders without."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def entries(place: Path) -> Tree:
    return {name: data for name, data in tree(place / "board" / "entries").items() if data}


@dataclass(frozen=True)
class Case:
    """A command, run where ``before`` lies as ``place``; every ``step``-th moment is tried."""

    command: tuple[str, ...]
    step: int
    before: Path
    place: Path

    def begin(self) -> list[str]:
        """The place as it was before the command, and the command's arguments."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.before, self.place)
        root = ["--root", str(self.place / "board")]
        named = [str(self.place / one) if "/" in one else one for one in self.command]
        return ["leaderboard", *named, *root]

    def undisturbed(self) -> tuple[Tree, Tree]:
        """What the command leaves, and the entries among it."""
        assert run(self.begin()) == 0
        return tree(self.place), entries(self.place)


SCORES = ("scores/new", "scores/newer", "scores/elsewhere")
COMMANDS: dict[str, tuple[tuple[str, ...], int]] = {
    "one": (("add", SCORES[0], "--date", DATE), 1),
    "several, of a new suite too": (("add", *SCORES, "--date", DATE), 2),
    "in place of another": (("add", "scores/better", "--replace", "--date", DATE), 1),
    "new": (("add", SCORES[0], "--date", DATE), 1),
    "build": (("build", "--site", "./site", "--workers", "1"), 6),
}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board with a site that is out of date, and scores beside."""
    place = tmp_path_factory.mktemp("before")
    suite = made.suite_info(queries=5)
    for name, of, seed in [
        *(("new", suite, 1), ("newer", suite, 2), ("first", suite, 3), ("better", suite, 4)),
        ("elsewhere", made.suite_info("elsewhere", queries=5), 5),
    ]:
        system = "first" if name == "better" else name
        made.write(place / "scores" / name, made.make_scores(system, suite=of, seed=seed))
    add_scores(place / "board", [place / "scores" / "first"], date=DATE)
    build(place / "board", site=place / "site")
    add_scores(place / "board", [place / "scores" / "better"], date=DATE, replace=True)
    add_scores(place / "board", [place / "scores" / "first"], date=DATE, replace=True)
    return place


@pytest.fixture(params=COMMANDS)
def case(request: pytest.FixtureRequest, before: Path, tmp_path: Path) -> Case:
    command, step = COMMANDS[request.param]
    if request.param == "new":
        before = Path(shutil.copytree(before, tmp_path / "before"))
        shutil.rmtree(before / "board")
    return Case(command, STEP or step, before, tmp_path / "place")


def test_killed_at_any_moment(case: Case) -> None:
    killed(case, "killed")


@pytest.mark.parametrize("case", ["in place of another"], indirect=True)
def test_killed_where_two_names_cannot_be_exchanged(case: Case) -> None:
    killed(case, "killed without swap")


def killed(case: Case, how: How) -> None:
    after, new = case.undisturbed()
    old = entries(case.before)
    for number in range(1, 10_000, case.step):
        arguments = case.begin()
        code, told = end(arguments, how, number)
        if code == 0:
            break
        assert code == -signal.SIGKILL, told
        left = entries(case.place)
        # Without a swap there is a moment at which the old folder stands aside.
        assert left in (old, new) or (how != "killed" and not left), number
        if (case.place / "board").exists():
            assert read_leaderboard(case.place / "board"), number
        assert run(arguments) == 0, number
        assert tree(case.place) == after, number
    assert number > 20 * case.step or STEP


def test_a_full_disk_at_any_moment(case: Case) -> None:
    after, _ = case.undisturbed()
    old = entries(case.before)
    for number in range(1, 10_000, STEP or 4 * case.step):
        arguments = case.begin()
        code, told = end(arguments, "disk full", number)
        if code == 0:
            break
        full(case, code, told, "the disk is full")
        assert entries(case.place) == old
        assert run(arguments) == 0, number
        assert tree(case.place) == after, number


@pytest.mark.parametrize("size", [0, 1000, 5000])
def test_files_that_may_not_grow(case: Case, size: int) -> None:
    """As a disk that is full at a write: of the lock, of a card, of rows or tables."""
    after, _ = case.undisturbed()
    arguments = case.begin()
    full(case, *end(arguments, "files limited", size), "File too large")
    assert entries(case.place) == entries(case.before)
    assert run(arguments) == 0
    assert tree(case.place) == after


@pytest.mark.parametrize("way", ["import", "destructor", "swallowed"])
@pytest.mark.parametrize("point", ["check_is_there", "read_leaderboard"])  # without a lock, with it
def test_an_interrupt_that_something_swallows(
    before: Path, tmp_path: Path, point: str, way: str
) -> None:
    board = shutil.copytree(before / "board", tmp_path / "board")
    swallows = "from __main__ import end\ntry:\n    end()\nexcept BaseException:\n    pass\n"
    (tmp_path / "swallows.py").write_text(swallows)
    command = [sys.executable, "-c", SWALLOW, point, way]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.strip()) == (130, "interrupted")
    if way != "swallowed":
        assert tree(board) == tree(before / "board")


def full(case: Case, code: int | None, told: str, words: str) -> None:
    assert code == 1, told
    assert words in told
    assert told.count("lassbench: ") == 1, told
    assert len(told) < 1000, told
    hidden = [path for path in case.place.rglob(".*") if path.name != ".nojekyll"]
    assert not hidden, told


def rows_alone(board: Path) -> None:
    (board / "entries" / "made" / "gone.parquet").write_bytes(b"rows")


def empty_folder(board: Path) -> None:
    (board / "entries" / "no-such-suite").mkdir()


def temporary_folder(board: Path) -> None:
    shutil.copytree(board / "entries", board / f".entries.{DEAD}.part")


def folder_aside(board: Path) -> None:
    (board / "entries").rename(board / ".entries.old.part")


def temporary_files(board: Path) -> None:
    (board / "suites" / f".made.json.{DEAD}.part").write_bytes(b"half")
    (board / "entries" / "made" / f".new.parquet.{DEAD}.part").write_bytes(b"half")


def locks(board: Path) -> None:
    for name in (".lock", ".entries.lock"):
        (board / name).write_text("process 4194305 on this machine")


@pytest.mark.parametrize(
    "left", [rows_alone, empty_folder, temporary_folder, folder_aside, temporary_files, locks]
)
@pytest.mark.parametrize("name", ["one", "build"])
def test_what_a_killed_run_left_stops_nothing(
    before: Path, tmp_path: Path, name: str, left: object
) -> None:
    case = Case(*COMMANDS[name], before, tmp_path / "place")
    after, _ = case.undisturbed()
    arguments = case.begin()
    assert callable(left)
    left(case.place / "board")
    assert run(arguments) == 0
    found = tree(case.place)
    found.pop("board/entries/no-such-suite", None)
    assert found == after
    assert read_leaderboard(case.place / "board")
