"""A process whose number no list of users has, with no home: every command works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lassbench.dataset import Dataset

PACKAGE = Path(__file__).resolve().parents[1]
UID = 54321

#: The same, for tests that may not become another user: asking for the user fails.
PRELUDE = """
import pwd, sys

def nobody(*_):
    raise KeyError("getpwuid(): uid not found")

pwd.getpwuid = nobody
from lassbench.cli import main
main(sys.argv[1:])
"""

#: Commands that load what asks for a name, a home or a cache: torch, numba, pooch.
COMMANDS = [
    "train-baseline unet --data DATA --config unet-tiny --steps 1 -o unet",
    "train-baseline lassnet --data DATA --config lassnet-tiny --steps 1 -o lassnet",
    "freeze DATA -o suite --noises 1 --workers 1",
    "separate unet --suite suite -o predictions",
    "score predictions -o scores --workers 1",
    "leaderboard add scores --root board",
    "leaderboard build --root board --site site",
    "inspect synthetic-test-0001 --suite suite --predictions predictions -o inspected",
    "verify DATA",
]


def _environment(tmp_path: Path, home: str | None) -> dict[str, str]:
    (tmp_path / "tmp").mkdir(mode=0o777)
    (tmp_path / "tmp").chmod(0o777)  # whatever the umask says
    kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    found = {**kept, "PYTHONPATH": str(PACKAGE), "TMPDIR": str(tmp_path / "tmp")}
    found |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return found if home is None else {**found, "HOME": home}


def _run_all(start: list[str], place: Path, environment: dict[str, str], data: Path) -> None:
    for command in COMMANDS:
        words = [str(data) if word == "DATA" else word for word in command.split()]
        done = subprocess.run(
            [*start, *words], cwd=place, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr.decode()[-2000:])
    # What cannot find a home must not make one of that name.
    assert not [path for path in place.rglob("*") if path.name == "~"]


def test_no_name_and_no_home(tiny_dataset: Dataset, tmp_path: Path) -> None:
    place = tmp_path / "work"
    place.mkdir()
    environment = _environment(tmp_path, None)
    _run_all([sys.executable, "-c", PRELUDE], place, environment, tiny_dataset.path)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_number_that_is_no_user(tiny_dataset: Dataset, open_folder: Path) -> None:
    setpriv = shutil.which("setpriv")
    if os.getuid() != 0 or setpriv is None:
        pytest.skip("only root may become another user")
    # It may read what root may, since the tests' own Python can be in root's home.
    rights = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    who = [setpriv, "--reuid", str(UID), "--regid", str(UID), "--clear-groups", *rights]
    if subprocess.run(
        [*who, sys.executable, "-c", ""], check=False, capture_output=True
    ).returncode:
        pytest.skip("not allowed here")
    environment = _environment(open_folder, "/")
    shutil.copytree(tiny_dataset.path, open_folder / "data")
    place = open_folder / "work"
    place.mkdir()
    os.chown(place, UID, UID)
    start = [*who, sys.executable, "-m", "lassbench"]
    _run_all(start, place, environment, open_folder / "data")
    (made,) = (open_folder / "tmp").glob("lassbench-*")
    assert made.name == f"lassbench-{UID}"
    assert (made.stat().st_uid, made.stat().st_mode & 0o777) == (UID, 0o700)


SHOWN = "import os, lassbench; print(os.environ['USER'], os.environ.get('HOME'))"


def _shown(environment: dict[str, str]) -> list[str]:
    told = subprocess.run(
        [sys.executable, "-c", SHOWN], env=environment, capture_output=True, text=True, check=True
    )
    return told.stdout.split()


def test_who_has_a_name_and_a_home_keeps_them(tmp_path: Path) -> None:
    environment = {**_environment(tmp_path, str(tmp_path)), "USER": "jo"}
    assert _shown(environment) == ["jo", str(tmp_path)]
    assert not list((tmp_path / "tmp").iterdir())


def test_a_folder_that_somebody_else_put_there_is_not_used(tmp_path: Path) -> None:
    environment = {**_environment(tmp_path, "/nonexistent"), "USER": "jo"}
    trap = tmp_path / "trap"
    trap.mkdir()
    (tmp_path / "tmp" / f"lassbench-{os.getuid()}").symlink_to(trap)
    _, home = _shown(environment)
    assert Path(home).resolve().parent == tmp_path / "tmp"
    assert not list(trap.iterdir())
