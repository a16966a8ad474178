"""What holds for the command as a whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lassbench import __version__, files
from lassbench.cli import demo, root, run
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


OUTPUTS = {
    (command.name, param.name): (command, param)
    for command in commands(root)
    for param in command.params
    if param.name in {"out", "site", "report", "rejected", "export"}
}
#: Those that are files, or may be.
FILES = {("separate", "out"), ("export", "out"), ("select", "rejected"), ("fetch", "export")}


def test_the_outputs_of_all_verbs_are_known() -> None:
    assert len(OUTPUTS) >= 18
    assert set(OUTPUTS) > FILES
    typed = {
        (command.name, param.name)
        for command in commands(root)
        for param in command.params
        if isinstance(param.type, OutputPath)
    }
    assert typed == set(OUTPUTS)


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_verb_refuses_addresses_and_to_make_a_folder_that_is_named_like_a_file(
    output: tuple[str, str], tmp_path: Path
) -> None:
    command, param = OUTPUTS[output]

    def given(name: str) -> Path:
        path: Path = param.process_value(click.Context(command), str(tmp_path / name))
        return path

    for name in ("out.json", "x/out.CSV", "dog.wav", "b.flac", "a.html", "w.tar.gz", "m.yaml"):
        if output in FILES:
            assert given(name) == tmp_path / name
        else:
            with pytest.raises(UsageError, match="this is a file's name") as caught:
                given(name)
            assert str((tmp_path / name).with_suffix("")) in str(caught.value)
    # `Path` would make a local folder `s3:` of it.
    with pytest.raises(UsageError, match="on a disk of this machine"):
        param.process_value(click.Context(command), "s3://bucket/lass")
    # What is no file's ending, and what is there already.
    (tmp_path / "there.json").mkdir()
    for name in ("out", "v1.2", "run.final", ".json", "lass-2022.v3", "there.json"):
        assert given(name) == tmp_path / name
    assert [path.name for path in tmp_path.iterdir()] == ["there.json"]


def test_a_suites_predictions_are_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["separate", "mixture", "--suite", "x", "-o", "p.wav"]) == 2
    assert "expected: a folder, such as p" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
