"""Commands that are killed, ended or interrupted at any moment, and several at once.

``MOMENTS=20 pytest tests/test_interrupted.py`` takes that many moments of each.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from lassbench.corpora.synthetic import SyntheticCorpus
from lassbench.dataset import Dataset, open_dataset
from lassbench.dataset.build import build
from lassbench.dataset.verify import verify
from lassbench.files import sha256_file
from lassbench.leaderboard.adding import add_scores
from lassbench.leaderboard.building import build as build_board
from lassbench.suites import freezing
from tests.leaderboard import made

MOMENTS = int(os.environ.get("MOMENTS", "2"))

# A shell starts background jobs deaf to Ctrl-C, and the tests may be one.
START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from lassbench.cli import main\n"
    "if __name__ == '__main__': main()"
)

Tree = dict[str, str]


def tree(folder: Path) -> Tree:
    """Every folder and file below ``folder``, hidden ones too, with the files' hashes."""
    return {
        str(path.relative_to(folder)): sha256_file(path) if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


@dataclass(frozen=True)
class Case:
    """A command that replaces ``folders``, and the place where it is run, as it was before it.

    ``goes_on``: what an interrupted run leaves is not nothing, but the work that is done.
    """

    command: list[str]
    before: Path
    folders: tuple[str, ...]
    goes_on: bool = False

    def place(self, folder: Path) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.before, folder)
        return folder

    def start(self, place: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", START, *self.command],
            cwd=place,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


@pytest.fixture(scope="module", params=["freeze", "leaderboard build", "build-dataset"])
def case(
    request: pytest.FixtureRequest, tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Case:
    before = tmp_path_factory.mktemp("before") / "place"
    before.mkdir()
    if request.param == "freeze":
        data = shutil.copytree(tiny_dataset.path, before / "data")
        plan = freezing.plan_separation(open_dataset(data), noises=1)
        suite = data / "suites" / plan.name
        freezing.freeze(plan, open_dataset(data), suite, export_references=True)
        command = ["freeze", "data", "--noises", "1", "--workers", "2"]
        return Case(command, before, (f"data/suites/{plan.name}",))
    if request.param == "leaderboard build":
        for number in (1, 2):
            score = made.make_scores(f"System {number}", quality_db=number, seed=number)
            path = made.write(tmp_path_factory.mktemp("scores"), score)
            add_scores(before / "board", [path], date="2026-01-02")
            if number == 1:
                build_board(before / "board", site=before / "site")
        command = ["leaderboard", "build", "--root", "board", "--site", "site"]
        return Case(command, before, ("board/tables", "site"))
    corpus = SyntheticCorpus(clips_per_concept=(3, 1, 2), sample_rate_hz=8000, seconds=1.0)
    build(corpus, before / "data", limit=1)
    sizes = ["--clips-per-concept", "3,1,2", "--rate", "8000", "--seconds", "1", "--workers", "2"]
    command = ["build-dataset", "data", "--corpus", "synthetic", *sizes]
    return Case(command, before, ("data",), goes_on=True)


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody ends leaves, and how long it writes, in seconds."""

    after: Tree
    folders: dict[str, Tree]
    seconds: float


def until_it_writes(case: Case, process: subprocess.Popen[bytes], place: Path) -> None:
    """Wait for its lock: what comes before is Python being loaded."""
    locks = [(place / name).parent for name in case.folders] + [place / "data", place / "board"]
    while process.poll() is None and not any(
        path.name.endswith(".lock")
        for folder in locks
        if folder.is_dir()
        for path in folder.iterdir()
    ):
        time.sleep(0.002)


@pytest.fixture(scope="module")
def undisturbed(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    place = case.place(tmp_path_factory.mktemp("undisturbed") / "place")
    process = case.start(place)
    until_it_writes(case, process, place)
    begun = time.monotonic()
    _, told = process.communicate()
    assert process.returncode == 0, told.decode()
    folders = {name: tree(place / name) for name in case.folders}
    return Undisturbed(tree(place), folders, time.monotonic() - begun)


def end(
    case: Case, place: Path, undisturbed: Undisturbed, number: int, moment: float
) -> tuple[int, str]:
    """Run the command and send it a signal at ``moment`` of its work; how it ended."""
    process = case.start(place)
    until_it_writes(case, process, place)
    time.sleep(moment * undisturbed.seconds)
    if process.poll() is None:
        # To all of them, as a terminal and a batch system do; one alone is in the tests of fetch.
        os.killpg(process.pid, number)
    _, told = process.communicate()
    return process.returncode, told.decode()


def moments(case: Case, number: int) -> list[float]:
    rng = random.Random(f"{case.command[0]} {number}")
    return [
        rng.random() for _ in range(MOMENTS if number == signal.SIGKILL else (MOMENTS + 1) // 2)
    ]


def is_whole(case: Case, place: Path, undisturbed: Undisturbed) -> None:
    """The old folder or the new one."""
    for name in case.folders:
        if case.goes_on:
            assert verify(open_dataset(place / name)).faults == ()
            description = (place / name / "dataset.json").read_bytes()
            new = undisturbed.folders[name]["dataset.json"]
            old = (case.before / name / "dataset.json").read_bytes()
            assert description == old or sha256_file(place / name / "dataset.json") == new
        else:
            assert tree(place / name) in (tree(case.before / name), undisturbed.folders[name])


def test_killed_at_any_moment(case: Case, undisturbed: Undisturbed, tmp_path: Path) -> None:
    for moment in moments(case, signal.SIGKILL):
        place = case.place(tmp_path / "place")
        code, told = end(case, place, undisturbed, signal.SIGKILL, moment)
        assert code in (0, -signal.SIGKILL), told
        is_whole(case, place, undisturbed)
        process = case.start(place)
        _, told = process.communicate()
        assert process.returncode == 0, told.decode()
        assert tree(place) == undisturbed.after, moment


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_or_interrupted_at_any_moment(
    case: Case, undisturbed: Undisturbed, number: int, tmp_path: Path
) -> None:
    for moment in moments(case, number):
        place = case.place(tmp_path / "place")
        code, told = end(case, place, undisturbed, number, moment)
        if code == -number:  # it was about to exit, and Python had taken its handlers away
            assert tree(place) == undisturbed.after
        else:
            assert code in (0, 130), told
        assert "Traceback" not in told
        is_whole(case, place, undisturbed)
        hidden = [str(path) for path in place.rglob(".*") if path.name != ".nojekyll"]
        assert not hidden, moment
        if not case.goes_on:
            assert set(tree(place)) <= set(tree(case.before)) | set(undisturbed.after)
        assert case.start(place).wait() == 0
        assert tree(place) == undisturbed.after, moment


@pytest.mark.parametrize("count", [2, 3])
def test_several_at_once(case: Case, undisturbed: Undisturbed, count: int, tmp_path: Path) -> None:
    place = case.place(tmp_path / "place")
    for name in case.folders:
        # As new: of several that would make it, one does.
        shutil.rmtree(place / name)
    processes = [case.start(place) for _ in range(count)]
    ended = [(process.communicate()[1].decode(), process.returncode) for process in processes]
    assert 0 in [code for _, code in ended], ended
    for told, code in ended:
        assert code == 0 or (code == 1 and "in use by" in told), told
        assert "Traceback" not in told
    assert tree(place) == undisturbed.after
