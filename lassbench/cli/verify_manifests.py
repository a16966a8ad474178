"""``lassbench verify-manifests``: rebuild the frozen lists and compare."""

from __future__ import annotations

import click

from lassbench.cli.options import metadata_options, metadata_source


@click.command(name="verify-manifests")
@click.option(
    "--manifest",
    "names",
    multiple=True,
    metavar="NAME|DIR",
    help="A shipped benchmark or a manifest folder; may be given again.  Default: all shipped.",
)
@click.option(
    "--sums-only", is_flag=True, help="Compare with SHA256SUMS only, which needs no metadata."
)
@metadata_options
def command(
    names: tuple[str, ...], sums_only: bool, metadata_dir: str, unverified_metadata: bool
) -> None:
    """Rebuild every frozen list from the published metadata and compare byte for byte.

    Each difference is named with file and line; exit code 1 if there is any.
    """
    from lassbench.benchmark import manifests
    from lassbench.errors import Fault, FaultsError

    source = metadata_source(metadata_dir, unverified_metadata)
    faults: list[Fault] = []
    for name in names or manifests.shipped():
        folder = manifests.find_benchmark(name)
        changed = manifests.check_sums(folder)
        state = f"{len(changed)} files are not as frozen" if changed else "all files are as frozen"
        click.echo(f"{folder.name}: {manifests.SUMS}: {state}")
        faults += changed
        if sums_only:
            continue
        built, differences = manifests.verify(folder, source)
        faults += differences
        click.echo(manifests.counts_table(built))
        for concept in built.definition.concepts:
            for tag in concept.inferred_tags:
                click.echo(f"inferred tag {tag} ({concept.name}): {built.inferred[tag]}")
        if not differences:
            click.echo(f"{len(built.contents)} files are what the metadata gives, byte for byte")
    if faults:
        raise FaultsError(
            "the frozen lists are not what they should be",
            faults,
            fix="restore the files, or make a benchmark of your own with `lassbench select`",
        )
