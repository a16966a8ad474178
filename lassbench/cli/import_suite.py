"""``lassbench import-suite``: another benchmark's evaluation list as a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lassbench.cli.options import PATH, OutputPath

_FORMATS = (
    *("audiosep-audiocaps", "audiosep-audioset", "audiosep-clotho", "audiosep-esc50"),
    *("audiosep-music", "audiosep-vggsound", "dcase2024-task9"),
)


@click.command(name="import-suite")
@click.argument("out", type=OutputPath())
@click.option(
    "--format", "kind", required=True, type=click.Choice(_FORMATS), help="Whose list it is."
)
@click.option(
    "--list",
    "list_path",
    required=True,
    type=PATH,
    help="The evaluation CSV as its authors publish it.",
)
@click.option("--audio-dir", required=True, type=PATH, help="The folder with its audio.")
@click.option("--name", default="", help="The suite's name.  Default: the format's.")
@click.option("--seconds", type=float, help="Cut or zero-pad every mixture to this length.")
@click.option("--workers", type=int, help="Processes.  Default: one per processor.")
def command(out: Path, list_path: Path, audio_dir: Path, **how: Any) -> None:
    """Make a suite folder OUT from AudioSep's or DCASE 2024 Task 9's evaluation list.

    The suite has its audio with it and can be separated and scored like any
    other.  Mixtures whose audio is missing stay in the list and are counted.
    """
    from lassbench.errors import describe_faults
    from lassbench.suites.importing import import_suite

    imported = import_suite(list_path, audio_dir, out, **how)
    suite = imported.suite
    made = len(suite.mixtures) - len(imported.faults)
    click.echo(f"{out}: {made} of {len(suite.mixtures)} mixtures, {len(suite.queries)} queries")
    click.echo(f"fingerprint {suite.fingerprint}")
    if imported.faults:
        click.echo("without audio:")
        click.echo("\n".join(describe_faults(imported.faults)))
