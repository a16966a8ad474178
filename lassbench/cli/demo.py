"""``lassbench demo``: the whole main job on synthetic sounds, as the commands themselves."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import click

from lassbench.cli.options import OutputPath

#: What says that a folder is a demo's, and may be made anew.
MARK = ".lassbench-demo"

#: Four seconds at 16 kHz, so that two processors train two systems in two minutes.
CORPUS = "--corpus synthetic --clips-per-concept 40,3,6 --seconds 4 --rate 16000"
SYSTEMS = ("lassnet", "unet")


@click.command(name="demo")
@click.argument("out", type=OutputPath(), default=Path("demo"))
@click.option(
    "--steps", type=click.IntRange(min=1), help="Training steps.  Default: the tiny configs'."
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  Default: one a processor.")
def command(out: Path, steps: int | None, workers: int | None) -> None:
    """Build, freeze, train, separate, score and publish in OUT, on synthetic sounds.

    Prints each command before it runs it, so that you can run it yourself.  The
    sounds are rendered, not recorded: the table shows that the pipeline works,
    not how good a system is.
    """
    from lassbench import output_folders
    from lassbench.cli import run

    output_folders.check_output_folder(out, what="the demo's folder")
    start = time.monotonic()
    with output_folders.folder_lock(out, what="the demo's folder"):
        _clear(out)
        for line in _commands(out, steps, workers):
            click.secho(f"\n$ lassbench {line}", bold=True)
            code = run(shlex.split(line))
            if code:
                click.get_current_context().exit(code)
    table = out / "leaderboard" / "tables" / "synthetic-test.md"
    click.echo(f"\n{table.read_text(encoding='utf-8')}")
    click.echo(f"Done in {time.monotonic() - start:.0f} s.  Look at:")
    for path, what in (
        (out / "site" / "index.html", "the site: tables, intervals, comparison, listening"),
        (out / "inspect", "one query as spectrograms and sounds"),
        (out / "runs" / "lassnet", "the trained LASS-Net: checkpoints, log, learning curve"),
        (out / "data" / "README.md", "the dataset's card"),
    ):
        click.echo(f"  {path}  {what}")


def _clear(out: Path) -> None:
    from lassbench import files, output_folders
    from lassbench.errors import UsageError

    own = (".lock", f".{MARK}.")
    others = [path for path in files.listed(out) if not path.name.startswith(own)]
    if others and out / MARK not in others:
        raise UsageError(
            "this folder holds other files", where=out, fix="name an empty or new folder"
        )
    # The mark stays, so that a demo which is killed here can be run again.
    files.write_text(out / MARK, "lassbench demo makes this folder anew each time.\n")
    for path in others:
        if path.name != MARK:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    output_folders.remove_leavings(out)


def _commands(out: Path, steps: int | None, workers: int | None) -> Iterator[str]:
    from lassbench.files import listed

    folder = shlex.quote(str(out))
    several = f" --workers {workers}" if workers else ""
    suite, predictions = f"{folder}/data", f"{folder}/predictions"
    yield f"build-dataset {folder}/data {CORPUS}{several}"
    yield f"freeze {folder}/data --noises 3{several}"
    for system in SYSTEMS:
        only = f" --steps {steps}" if steps else ""
        yield (
            f"train-baseline {system} --data {folder}/data --config {system}-tiny"
            f" -o {folder}/runs/{system}{only}"
        )
    asked = {"mixture": "mixture", "oracle": "oracle"}
    asked |= {system: f"{folder}/runs/{system}" for system in SYSTEMS}
    for name, system in asked.items():
        yield f"separate {system} --suite {suite} -o {predictions}/{name}"
    folders = " ".join(f"{predictions}/{name}" for name in asked)
    yield f"score {folders} -o {folder}/scores --leaderboard {folder}/leaderboard{several}"
    # Asked for only when the scores have been written: the generator runs lazily.
    written = listed(out / "scores", "*.score.json")
    scores = " ".join(shlex.quote(str(path)) for path in written)
    root = f"--root {folder}/leaderboard"
    yield f"leaderboard add {scores} {root}"
    yield f"leaderboard examples {folders} --suite {suite} {root} --count 3"
    yield f"leaderboard build {root} --site {folder}/site"
    yield (
        f"inspect synthetic-test-0001 --suite {suite} --predictions {predictions}/lassnet"
        f" -o {folder}/inspect"
    )
