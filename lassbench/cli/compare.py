"""``lassbench compare``: two score files, paired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lassbench.cli.options import PATH


@click.command(name="compare")
@click.argument("first", metavar="A.json", type=PATH)
@click.argument("second", metavar="B.json", type=PATH)
@click.option(
    "--metric",
    default="",
    help="For breakdowns and single queries.  Default: si_sdr_i, attenuation or clap_i.",
)
@click.option("--resamples", default=10_000, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
def command(first: Path, second: Path, **how: Any) -> None:
    """Compare two score files on the queries that both cover.

    Mean difference with its 95 % interval (bootstrap over targets), p-value of a
    test by target, wins and losses, by concept and annotator, and the queries
    that moved most.
    """
    from lassbench.pictures import terminal
    from lassbench.scores.comparison import compare
    from lassbench.scores.score_file import read_scores

    found = compare(read_scores(first), read_scores(second), **how)
    terminal.show_comparison(terminal.console(), found)
