"""``lassbench select``: select clips by concept; make a benchmark of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lassbench.cli.options import PATH, OutputPath, metadata_options, metadata_source


@click.command(name="select")
@click.argument("out", type=OutputPath(), required=False)
@click.option("--concepts", type=PATH, help="A concept file.  Default: that of LASS-2022.")
@click.option("--name", default="", help="The new benchmark's name.")
@click.option("--seed", type=int, help="Splits and mixes differently.")
@click.option("--audiocaps-version", type=click.IntRange(1, 2), help="AudioCaps 1 or 2 (2.0).")
@click.option("--test-per-concept", type=int, help="Test clips of each concept.")
@click.option("--validation-per-concept", type=int, help="Validation clips of each concept.")
@click.option("--train-per-concept", type=int, help="At most so many.  Default: the rest.")
@click.option("--noises", "noises_per_target", type=int, help="Mixtures a target.")
@click.option(
    "--snr", "snr_db", type=(float, float), metavar="LOW HIGH", help="Range of the peak SNR in dB."
)
@click.option(
    "--seconds", "clip_seconds", type=click.FloatRange(0.01, 3600), help="Length of a clip."
)
@click.option(
    "--rate", "sample_rate_hz", type=click.IntRange(1000, 384_000), help="Sample rate in Hz."
)
@click.option("--explain", metavar="YOUTUBE_ID", help="Say why one clip is where it is.")
@click.option("--counts", is_flag=True, help="Print the counts only; write nothing.")
@click.option(
    "--rejected",
    type=OutputPath(file=True),
    metavar="CSV",
    help="Write every rejected clip with its reason.",
)
@click.option("--sources", is_flag=True, help="List the published files: address, hash, licence.")
@metadata_options
def command(
    out: Path | None,
    concepts: Path | None,
    name: str,
    explain: str | None,
    counts: bool,
    rejected: Path | None,
    sources: bool,
    metadata_dir: str,
    unverified_metadata: bool,
    **changes: Any,
) -> None:
    """Select clips whose AudioSet labels all belong to one concept.

    With OUT, write a benchmark there: its concepts, clips, splits, test
    mixtures and sources, in the format of manifests/lass-2022.  A concept file is
    YAML; `words` (by default name and tags) tell which sentences name a concept:

    \b
      name: my-benchmark
      concepts:
        - {name: rain, tags: [Rain, Raindrop]}
        - {name: dog, root: Animal, tags: [Animal, "Domestic animals, pets", Dog, Bow-wow]}
        - {name: keys, tags: [Typing, Computer keyboard], words: [typing, types, keyboard*]}
      split: {test_per_concept: 20, validation_per_concept: 2, seed: 1}
      mixtures: {noises_per_target: 5, snr_db: [-5, 5], seed: 1}
    """
    from lassbench import files, output_folders
    from lassbench.benchmark import manifests, metadata, selection

    if sources:
        click.echo(metadata.sources_table())
        return
    shipped = manifests.find_benchmark(manifests.LASS_2022) / manifests.DEFINITION
    given = {key: value for key, value in changes.items() if value is not None}
    definition = selection.read_definition(concepts or shipped)
    definition = selection.vary(definition, given, name=name)
    if out is not None and not counts:
        output_folders.check_replaceable(out, what="the benchmark", mark=manifests.SUMS)
    source = metadata_source(metadata_dir, unverified_metadata)
    data = metadata.load_metadata(source, definition.audiocaps_version)
    built = manifests.build(definition, data)
    if explain is not None:
        click.echo(selection.explain(explain, data, built.selection, built.splits))
        return
    click.echo(manifests.counts_table(built))
    if rejected is not None:
        files.write_text(rejected, selection.rejections_text(built.selection))
        click.echo(f"{rejected}: {len(built.selection.rejections)} rejected clips")
    for note in (*selection.label_warnings(built.selection), *built.notes):
        click.echo(f"note: {note}", err=True)
    if out is not None and not counts:
        manifests.write(built, out)
        click.echo(f"{out}: benchmark {built.definition.name}, {len(built.contents)} files")
