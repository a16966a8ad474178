"""``lassbench import-checkpoint``: the authors' released LASS-Net as one of ours."""

from __future__ import annotations

from pathlib import Path

import click

from lassbench.cli.options import PATH, OutputPath


@click.command(name="import-checkpoint")
@click.argument("file", type=PATH)
@click.option(
    "-o",
    "--out",
    type=OutputPath(),
    default=Path("runs/lassnet-released"),
    show_default=True,
    help="The checkpoint folder to make.",
)
@click.option(
    "--tokenizer",
    default="prajjwal1/bert-mini",
    show_default=True,
    help="A Hugging Face BERT (uncased) by name or folder, or its vocab.txt.",
)
def command(file: Path, out: Path, tokenizer: str) -> None:
    """Import the authors' released checkpoint FILE (LASSNet.pt).

    Nothing in FILE is run.  The folder made can be given to `lassbench separate`.
    """
    from lassbench.models.checkpoints import parameter_count
    from lassbench.models.released import import_checkpoint

    checkpoint = import_checkpoint(file, out, tokenizer=tokenizer)
    count = parameter_count(checkpoint.blueprint)
    click.echo(f"{out}: {checkpoint.blueprint.config.name}, {count:,} parameters")
