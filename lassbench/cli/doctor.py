"""``lassbench doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from lassbench.cli.options import PATH, named_values
from lassbench.errors import UsageError, did_you_mean


@click.command(name="doctor")
@click.option(
    "--folder", type=PATH, default=Path(), help="Where datasets are to be written.  Default: here."
)
@click.option("--offline", is_flag=True, help="Leave out what needs the network.")
@click.option("--system", help="Look at what this published system needs instead.")
@click.option("--python", help="With --system: the Python of its own environment.")
@click.option("--repo", help="With --system: its repository.")
@click.option("--checkpoint", help="With --system: its weights.")
@click.option(
    "--arg", "arguments", multiple=True, metavar="NAME=VALUE", help="With --system: as separate's."
)
def command(
    folder: Path,
    offline: bool,
    system: str | None,
    python: str | None,
    repo: str | None,
    checkpoint: str | None,
    arguments: tuple[str, ...],
) -> None:
    """Check this machine, or what a published system needs, and say how to mend what is missing.

    Exits with 1 if something is missing that fetching, or the system, cannot do without.
    """
    given = named_values(arguments, {"repo": repo, "checkpoint": checkpoint})
    if system is not None:
        from lassbench.systems.examine import examine
        from lassbench.systems.published import PUBLISHED

        if system not in PUBLISHED:
            raise UsageError(
                f"no published system is called that{did_you_mean(system, PUBLISHED)}",
                where=system,
                expected=", ".join(PUBLISHED),
            )
        if not python:
            raise UsageError(
                f"{system} runs in a Python environment of its own",
                where="--system",
                fix="name its interpreter: --python ENVIRONMENT/bin/python",
            )
        checks = examine(PUBLISHED[system], python=python, options=dict(given))
    elif given or python:
        raise UsageError("--python, --repo, --checkpoint and --arg go with --system")
    else:
        from lassbench.fetch import doctor

        checks = doctor.examine(folder, offline=offline)
    width = max(len(check.name) for check in checks)
    for check in checks:
        click.echo(f"{check.grade:<5} {check.name:<{width}}  {check.found}")
        if check.fix and check.grade != "ok":
            click.echo(f"{'':5} {'':<{width}}  to mend: {check.fix}")
    if any(check.grade == "fail" for check in checks):
        click.get_current_context().exit(1)
