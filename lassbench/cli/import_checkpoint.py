"""``lassbench import-checkpoint``: the authors' released weights."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="import-checkpoint")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/lassnet-released"),
    show_default=True,
    help="The checkpoint's folder.",
)
@click.option(
    "--tokenizer",
    default="prajjwal1/bert-mini",
    show_default=True,
    help="Name or folder of the BERT whose tokenizer reads the queries.",
)
def command(file: Path, out: Path, tokenizer: str) -> None:
    """Make a checkpoint folder of the authors' FILE (LASSNet.pt).

    The folder separates like any trained one: lassbench separate OUT ...
    """
    from lassbench.config import choose_config
    from lassbench.models.released import import_released
    from lassbench.records import SAMPLE_RATE_HZ

    rate = f"sample_rate_hz={SAMPLE_RATE_HZ}"
    config = choose_config("lassnet", "lassnet-released", [rate], run=None)
    checkpoint = import_released(file, out, config=config, tokenizer=tokenizer)
    click.echo(f"{out}: {len(checkpoint.weights)} tensors of {config.name}")
