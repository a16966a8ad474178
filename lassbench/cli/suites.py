"""``lassbench suites``: every suite that can be built, and what of them is here."""

from __future__ import annotations

from pathlib import Path

import click

from lassbench.cli.options import PATH


@click.command(name="suites")
@click.argument("folders", type=PATH, nargs=-1)
@click.option("--markdown", is_flag=True, help="The table of docs/suites.md.")
def command(folders: tuple[Path, ...], markdown: bool) -> None:
    """List the suites that can be built, and those that lie in FOLDERS (default: here).

    Suites are looked for in each folder itself, in the folders in it, and in suites/ of
    both.
    """
    from lassbench.suites import catalogue

    lines = catalogue.markdown_table() if markdown else catalogue.describe(folders or (Path(),))
    click.echo("\n".join(lines))
