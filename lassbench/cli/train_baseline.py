"""``lassbench train-baseline``: train a reference system."""

from __future__ import annotations

from pathlib import Path

import click

from lassbench.cli.options import PATH, OutputPath


@click.command(name="train-baseline")
@click.argument("system", type=click.Choice(["lassnet", "unet"]))
@click.option(
    "--data", required=True, type=PATH, help="A dataset folder made by `lassbench build-dataset`."
)
@click.option(
    "--config",
    help="A shipped config's name or a YAML file.  Default: SYSTEM; with --resume the run's own.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override one value, such as train.batch_size=8.  May be given several times.",
)
@click.option(
    "-o",
    "--out",
    type=OutputPath(),
    help="The run's folder.  Default: runs/<config>-<dataset>.",
)
@click.option("--resume", is_flag=True, help="Go on from the folder's last checkpoint, exactly.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--steps", type=click.IntRange(min=1), help="Short for --set train.steps=N.")
def command(
    system: str,
    data: Path,
    config: str | None,
    overrides: tuple[str, ...],
    out: Path | None,
    resume: bool,
    device: str,
    steps: int | None,
) -> None:
    """Train SYSTEM (lassnet: asked in words; unet: asked by tag) on a dataset.

    Several devices: torchrun --nproc-per-node=8 --no-python lassbench train-baseline ...
    """
    from lassbench.dataset import open_dataset
    from lassbench.models.config import choose_config

    dataset = open_dataset(data)
    folder = out or Path("runs") / f"{Path(config or system).stem}-{dataset.name}"
    chosen = choose_config(
        system,
        config,
        [*overrides, *([f"train.steps={steps}"] if steps else [])],
        run=folder if resume else None,
    )
    from lassbench.training import train

    result = train(chosen, dataset, folder, resume=resume, device=device)
    best = "" if result.si_sdr_i is None else f", validation {result.si_sdr_i:+.2f} dB"
    click.echo(f"{folder}: {chosen.name}, {result.steps} steps{best}, {result.seconds:.0f} s")
    if result.interrupted:
        click.echo("interrupted: go on with the same command and --resume", err=True)
        click.get_current_context().exit(130)
