"""Systems in other processes, made and closed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lassbench.systems import processes
from lassbench.systems.processes import CommandSystem, WorkerSystem
from tests.systems.halver import HALF, OWN_SERVE, SCRIPT, Make, System, published


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, and a repository with its weights, in which ``body.py`` halves."""
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "body.py").write_text(HALF)
    (folder / "net.pt").write_bytes(b"weights")
    monkeypatch.chdir(folder)
    # A file that a test writes twice in a second would be run as it was first.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return folder


@pytest.fixture
def worker(repo: Path) -> Iterator[Callable[..., WorkerSystem]]:
    """Makes a system from a worker file's text, which the real ``serve.py`` runs."""
    made: list[WorkerSystem] = []

    def make(text: str, **how: Any) -> WorkerSystem:
        file = repo.parent / "halver_worker.py"
        file.write_text(text)
        options = how.pop("options", {"repo": str(repo), "checkpoint": "net.pt"})
        how = {"python": sys.executable, "device": "cpu", **how}
        made.append(WorkerSystem(published(file), options=options, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(params=["worker", "command"])
def own(
    request: pytest.FixtureRequest,
    repo: Path,
    worker: Callable[..., WorkerSystem],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Make]:
    """Makes a system of either kind that runs ``answer`` of a ``body.py``."""
    serve = repo.parent / "own_serve.py"
    serve.write_text(OWN_SERVE)
    monkeypatch.setattr(processes, "SERVE", serve)
    (repo / "script.py").write_text(SCRIPT)
    made: list[CommandSystem] = []

    def make(body: str, **how: Any) -> System:
        (repo / "body.py").write_text(body)
        if request.param == "worker":
            return worker("", **how)
        words = f"command:{sys.executable} script.py {{mixture}} {{query}} {{estimate}}"
        made.append(CommandSystem(words, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def fifo(repo: Path) -> Iterator[int]:
    """The reading end of the named pipe ``alive``, which ends when no process holds it."""
    os.mkfifo(repo / "alive")
    reader = os.open(repo / "alive", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    yield reader
    os.close(reader)
