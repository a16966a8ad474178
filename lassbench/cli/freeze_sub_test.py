"""``lassbench freeze-sub-test``: collected descriptions become a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lassbench.cli.annotate import dataset_argument, opened, store_option
from lassbench.cli.options import OutputPath, tell_suite


@click.command(name="freeze-sub-test")
@dataset_argument
@store_option
@click.option("-o", "--out", type=OutputPath(), help="Default: DATASET/suites/<name>.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Leave out queries that nobody has written or that somebody cannot tell.",
)
@click.option(
    "--allow-warnings",
    is_flag=True,
    help="Freeze although checks have warnings; the card has them.",
)
@click.option(
    "--references", "export_references", is_flag=True, help="Export target and interference too."
)
@click.option("--no-audio", is_flag=True, help="Freeze the lists only.")
@click.option("--workers", type=int, help="Processes.  Default: one per processor.")
def command(
    dataset: Path,
    store: Path | None,
    out: Path | None,
    allow_missing: bool,
    allow_warnings: bool,
    no_audio: bool,
    **how: Any,
) -> None:
    """Freeze the collected descriptions of DATASET: one query an annotator and mixture.

    Every check runs once more.  The suite's sub-test.json says who (pseudonyms),
    when, with which guidelines and consent text, and how each description was
    made.
    """
    from lassbench.annotate import sub_test
    from lassbench.suites import freezing

    with opened(dataset, store) as (found, data):
        plan = sub_test.plan_sub_test(
            found, data, allow_missing=allow_missing, allow_warnings=allow_warnings
        )
    folder = out or dataset / "suites" / plan.name
    suite = freezing.freeze(plan, data, folder, export_audio=not no_audio, **how)
    tell_suite(suite)
    left_out = plan.papers[sub_test.CARD]["queries"]["left_out"]
    if left_out:
        click.echo(f"{left_out} queries of the list were left out; sub-test.json says which")
