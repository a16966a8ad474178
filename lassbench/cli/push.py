"""``lassbench push``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lassbench.cli.options import PATH


@click.command(name="push")
@click.argument("folder", metavar="DATASET", type=PATH)
@click.argument("repo", metavar="USER/NAME")
@click.option(
    "--private/--public", default=True, show_default=True, help="Who may see the repository."
)
@click.option("--include-audio", is_flag=True, help="Publish the audio too, after a warning.")
@click.option("--yes", is_flag=True, help="Do not ask after the warning.")
def command(folder: Path, repo: str, private: bool, include_audio: bool, yes: bool) -> None:
    """Publish DATASET as the Hugging Face dataset USER/NAME, in Parquet.

    Without --include-audio only the table of clips goes up: ids, windows,
    captions, tags, and the hash of each clip's samples.
    """
    from lassbench.fetch import push

    if include_audio and push.needs_warning(folder):
        click.echo(push.WARNING, err=True)
        if not yes and sys.stdin.isatty():
            click.confirm("Publish the audio?", abort=True, err=True)
    pushed = push.push(folder, repo, private=private, include_audio=include_audio)
    what = "with audio" if pushed.with_audio else "without audio"
    click.echo(f"{pushed.url}: {pushed.files} files, {pushed.bytes / 1e6:.1f} MB, {what}")
