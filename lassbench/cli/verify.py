"""``lassbench verify``: check a dataset folder clip by clip."""

from __future__ import annotations

from pathlib import Path

import click

from lassbench.cli.options import PATH


@click.command(name="verify")
@click.argument("dataset", type=PATH)
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Clips that the corpus lists and the build could not include do not count.",
)
@click.option("--workers", type=int, help="Processes.  Default: one per processor.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler whose workers do the work.")
def command(dataset: Path, allow_missing: bool, workers: int | None, scheduler: str | None) -> None:
    """Check every clip of DATASET: missing, altered, short or silent ones, with reasons.

    Decodes each clip and compares its samples with the hash that was noted when
    it was built.  Exits with 1 if anything is wrong or missing.
    """
    from lassbench.dataset import open_dataset
    from lassbench.dataset.verify import verify
    from lassbench.errors import describe_faults
    from lassbench.parallel import open_executor

    opened = open_dataset(dataset)
    with open_executor(workers, scheduler) as executor:
        verdict = verify(opened, executor=executor)
    click.echo(f"{dataset}: {verdict.checked} clips checked, {len(verdict.faults)} faults")
    if verdict.faults:
        click.echo("\n".join(describe_faults(verdict.faults)))
    if verdict.missing:
        click.echo(f"{len(verdict.missing)} clips of the corpus are not in the dataset:")
        click.echo("\n".join(describe_faults(verdict.missing)))
    if verdict.faults or (verdict.missing and not allow_missing):
        click.get_current_context().exit(1)
    click.echo(f"fingerprint {opened.fingerprint}: all clips are as they were built")
