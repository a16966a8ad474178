"""``lassbench merge``."""

from __future__ import annotations

from pathlib import Path

import click

from lassbench.cli.options import PATH, OutputPath


@click.command(name="merge")
@click.argument("parts", metavar="PART...", nargs=-1, required=True, type=PATH)
@click.option(
    "-o",
    "--out",
    required=True,
    type=OutputPath(),
    help="The folder to join them in.",
)
def command(parts: tuple[Path, ...], out: Path) -> None:
    """Join what several hosts fetched: their clips and their ledgers.

    For hosts that ran `lassbench fetch PART --shard i/n`.  The parts stay as
    they are; merging them again, or later with more in them, is safe.
    """
    from lassbench.fetch.merge import merge

    merged = merge(parts, out)
    click.echo(
        f"{out}: {merged.done} of {merged.total} clips ({merged.copied} new from "
        f"{len(parts)} parts)"
    )
    if merged.differing:
        shown = ", ".join(merged.differing[:5])
        more = f" and {len(merged.differing) - 5} more" if len(merged.differing) > 5 else ""
        click.echo(
            f"{len(merged.differing)} clips came with other samples in two parts; the first "
            f"part's were kept: {shown}{more}"
        )
