"""``lassbench doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from lassbench.cli.options import PATH


@click.command(name="doctor")
@click.option(
    "--folder", type=PATH, default=Path(), help="Where datasets are to be written.  Default: here."
)
@click.option("--offline", is_flag=True, help="Leave out what needs the network.")
def command(folder: Path, offline: bool) -> None:
    """Check this machine, and say how to mend what is missing.

    Exits with 1 if something is missing that fetching cannot do without.
    """
    from lassbench.fetch import doctor

    checks = doctor.examine(folder, offline=offline)
    width = max(len(check.name) for check in checks)
    for check in checks:
        click.echo(f"{check.grade:<5} {check.name:<{width}}  {check.found}")
        if check.fix and check.grade != "ok":
            click.echo(f"{'':5} {'':<{width}}  to mend: {check.fix}")
    if any(check.grade == "fail" for check in checks):
        click.get_current_context().exit(1)
