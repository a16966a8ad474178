"""``lassbench systems``: the published systems that can be run, and the other ones."""

from __future__ import annotations

import click


@click.command(name="systems")
@click.option("--markdown", is_flag=True, help="The table of docs/systems.md.")
def command(markdown: bool) -> None:
    """List the published systems, what each needs, and what else `separate` takes."""
    from lassbench.systems import known

    click.echo("\n".join(known.markdown_table() if markdown else known.describe()))
