"""What holds for the command as a whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lassbench import __version__, files
from lassbench.cli import demo, root
from lassbench.cli.options import OutputPath
from lassbench.errors import UsageError


def test_run_as_a_module() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lassbench", *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    assert run("--version").stdout == f"lassbench, version {__version__}\n"
    wrong = run("scores")
    assert wrong.returncode == 2
    assert "score" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_demo_that_was_killed_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "demo"
    out.mkdir()
    # Killed before it had written anything, and then while it deleted the one before.
    for name in (".lock", f".{demo.MARK}.4194305-{files._this_host()}.part"):
        (out / name).write_text("")
    demo._clear(out)
    for name in ("data", "site"):
        (out / name).mkdir()

    def killed(path: Path) -> None:
        path.rmdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(demo.shutil, "rmtree", killed)
        demo._clear(out)
    demo._clear(out)
    assert {path.name for path in out.iterdir()} == {".lock", demo.MARK}
    (out / demo.MARK).rename(out / "thesis.tex")
    with pytest.raises(UsageError, match="holds other files"):
        demo._clear(out)
    assert (out / "thesis.tex").is_file()


def commands(group: click.Group) -> Iterator[click.Command]:
    """Every verb, those of groups too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from commands(command) if isinstance(command, click.Group) else (command,)


def test_every_verb_refuses_an_address_as_its_output() -> None:
    # `Path` would make a local folder `s3:` of it.
    outputs = [
        (command.name, param)
        for command in commands(root)
        for param in command.params
        if param.name in {"out", "site"}
    ]
    assert len(outputs) >= 12
    assert [name for name, param in outputs if not isinstance(param.type, OutputPath)] == []
