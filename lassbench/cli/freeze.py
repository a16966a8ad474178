"""``lassbench freeze``: freeze a suite of a dataset and export its audio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lassbench.cli.options import PATH, OutputPath, tell_suite


@click.command(name="freeze")
@click.argument("dataset", type=PATH)
@click.option(
    "--suite",
    "name",
    default="",
    help="A frozen benchmark's list (lass-test, lass-absent, lass-sub-test) for a dataset built "
    "from it; or the name of the suite to plan.  Default: <dataset>-<split>.",
)
@click.option(
    "--benchmark",
    default="",
    help="A manifest folder with frozen lists, or a shipped one's name.  Default: the dataset's.",
)
@click.option("-o", "--out", type=OutputPath(), help="Default: DATASET/suites/<name>.")
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True
)
@click.option(
    "--noises", default=5, show_default=True, help="Mixtures a target, each with another noise."
)
@click.option("--seed", default=0, show_default=True, help="Plans other pairs.")
@click.option(
    "--snr",
    "snr_range_db",
    type=(float, float),
    default=(0.0, 0.0),
    show_default=True,
    metavar="LOW HIGH",
    help="Range of the peak signal-to-noise ratio in dB.",
)
@click.option(
    "--phrasings", default=1, show_default=True, help="Queries a mixture, from as many captions."
)
@click.option(
    "--query-type",
    type=click.Choice(["caption", "templated"]),
    help="How the captions were made.  Default: as the corpus says.",
)
@click.option("--absent", is_flag=True, help="Query each mixture for a sound that is not in it.")
@click.option(
    "--references", "export_references", is_flag=True, help="Export target and interference too."
)
@click.option(
    "--no-audio", is_flag=True, help="Freeze the lists only; mixtures are rendered when needed."
)
@click.option("--workers", type=int, help="Processes.  Default: one per processor.")
def command(
    dataset: Path,
    name: str,
    benchmark: str,
    out: Path | None,
    absent: bool,
    export_references: bool,
    no_audio: bool,
    workers: int | None,
    **pairs: Any,
) -> None:
    """Freeze a test suite of DATASET and export its mixtures.

    Every clip of the split is a target, mixed with noises of other concepts at
    equal peaks.  The suite folder holds suite.json (hashes), mixtures.csv,
    queries.csv and, as 32-bit float WAV, the mixtures.
    """
    from lassbench.dataset import open_dataset
    from lassbench.suites import freezing

    opened = open_dataset(dataset)
    plan = freezing.frozen_plan(opened, name, benchmark=benchmark)
    if plan is None:
        plan = freezing.plan_separation(opened, name="" if absent else name, **pairs)
        if absent:
            plan = freezing.plan_silence(plan, name=name, seed=pairs["seed"])
    suite = freezing.freeze(
        plan,
        opened,
        out or dataset / "suites" / plan.name,
        workers=workers,
        export_audio=not no_audio,
        export_references=export_references,
    )
    tell_suite(suite)
    if suite.missing:
        example = next(iter(suite.missing.items()))
        click.echo(
            f"{len(suite.missing)} mixtures lack a clip, such as {example[0]} ({example[1]})"
        )
