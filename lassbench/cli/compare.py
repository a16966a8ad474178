"""``lassbench compare``: score files side by side."""

from __future__ import annotations

from pathlib import Path

import click

from lassbench.cli.options import PATH


@click.command(name="compare")
@click.argument("scores", metavar="SCORES...", nargs=-1, required=True, type=PATH)
@click.option(
    "--metric",
    default="",
    help="For breakdowns and single queries.  Default: SI-SDRi, attenuation or CLAPScorei.",
)
@click.option("--resamples", default=10_000, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
def command(scores: tuple[Path, ...], metric: str, resamples: int, seed: int) -> None:
    """Compare score files: one table of all SCORES, and the first with each other one.

    Mean differences on the queries that both cover, with their 95 % intervals
    (bootstrap over targets) and p-values (by target), wins and losses, by concept
    and annotator, and the queries that moved most.
    """
    from lassbench.pictures import terminal
    from lassbench.scores.comparison import compare, each_once, table_of
    from lassbench.scores.score_file import read_scores

    first, *others = found = each_once(read_scores(path) for path in scores)
    console = terminal.console()
    for other in others:
        one = compare(first, other, metric=metric, resamples=resamples, seed=seed)
        terminal.show_comparison(console, one)
    terminal.show_table(console, table_of(found))
