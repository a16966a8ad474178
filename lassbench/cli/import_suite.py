"""``lassbench import-suite``: another benchmark's evaluation list as a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lassbench.cli.options import PATH, OutputPath, tell_suite
from lassbench.suites.lists_of_others import FORMATS


@click.command(name="import-suite")
@click.argument("out", type=OutputPath())
@click.option(
    "--format", "kind", required=True, type=click.Choice(list(FORMATS)), help="Whose list it is."
)
@click.option(
    "--list",
    "list_path",
    required=True,
    type=PATH,
    help="The list as its authors publish it: .csv or .csv.gz.",
)
@click.option("--audio-dir", required=True, type=PATH, help="The folder with its audio.")
@click.option("--name", default="", help="The suite's name.  Default: the format's, or the file's.")
@click.option("--seconds", type=float, help="Cut or zero-pad every mixture to this length.")
@click.option("--rate", type=int, help="In Hz.  Default: the list's, or the first mixture's.")
@click.option(
    "--no-audio",
    is_flag=True,
    help="Keep the sources only, of a list that is mixed here; mixtures are made when needed.",
)
@click.option("--workers", type=int, help="Processes.  Default: one per processor.")
def command(out: Path, list_path: Path, audio_dir: Path, no_audio: bool, **how: Any) -> None:
    """Make a suite folder OUT from an evaluation list of others, or from one of your own.

    AudioSep's six lists, CLAPSep's five and DCASE 2024 Task 9's two are read as they are
    published.  `--format triples` reads any CSV of mixture, target and query (and, if it has
    them, interference, query_id, concept, tags, negative); what is in the mixture at another
    gain is scaled.  The suite has its audio with it and can be separated and scored like any
    other.  Mixtures whose audio is missing stay in the list and are counted.
    """
    from lassbench.errors import describe_faults
    from lassbench.suites.importing import import_suite

    imported = import_suite(list_path, audio_dir, out, export_mixtures=not no_audio, **how)
    tell_suite(imported.suite, imported.notes)
    if imported.faults:
        click.echo(f"{len(imported.faults)} mixtures could not be made:")
        click.echo("\n".join(describe_faults(imported.faults)))
