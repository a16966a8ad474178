"""``lassbench inspect``: draw and export one query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lassbench.cli.options import PATH, OutputPath

if TYPE_CHECKING:
    from lassbench.pictures.spectrogram import Axis


@click.command(name="inspect")
@click.argument("query_id")
@click.option(
    "--suite",
    type=PATH,
    required=True,
    help="A suite folder, or a dataset with one suite.",
)
@click.option(
    "--predictions",
    multiple=True,
    type=PATH,
    help="A prediction folder; may be given several times.",
)
@click.option(
    "--frequency-axis",
    "axis",
    type=click.Choice(["linear", "log"]),
    default="linear",
    show_default=True,
    help="log spreads low sounds, from 50 Hz on.",
)
@click.option("-o", "--out", type=OutputPath(), default=Path("inspect"), show_default=True)
def command(
    query_id: str, suite: Path, predictions: tuple[Path, ...], axis: Axis, out: Path
) -> None:
    """Draw QUERY_ID's mixture, sources (where anybody has them) and estimates as spectrograms.

    Writes a PNG with the query and the scores, and the signals as WAV beside it.
    """
    from lassbench.pictures import inspection
    from lassbench.suites.suite import load_suite
    from lassbench.systems.predictions import open_predictions

    opened = load_suite(suite)
    sets = [open_predictions(folder, opened) for folder in predictions]
    for path in inspection.inspect_query(query_id, opened, sets, out, axis):
        click.echo(str(path))
