"""``lassbench fetch``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lassbench.cli.options import (
    PATH,
    OutputPath,
    fetch_options,
    options_from,
    print_summary,
    quiet_option,
    take_fetch_options,
)

if TYPE_CHECKING:
    from lassbench.records import Clip


@click.command(name="fetch")
@click.argument("out", metavar="OUT", type=OutputPath())
@click.option("--status", is_flag=True, help="Fetch nothing: show how it stands.")
@click.option(
    "--export",
    type=OutputPath(file=True),
    metavar="FILE",
    help="Fetch nothing: write one CSV row a clip (the dead-link census).",
)
@click.option(
    "--manifest", default="lass-2022", show_default=True, help="The benchmark whose clips to fetch."
)
@click.option(
    "--list",
    "list_path",
    type=PATH,
    metavar="FILE",
    help="Fetch these clips instead: a CSV with youtube_id, start_s (or start_time) and, if they "
    "are not of 10 s, end_s.  Clips are as long as the longest window; shorter ones end in zeros.",
)
@click.option(
    "--audio",
    multiple=True,
    metavar="SOURCE",
    help="Where to look, in this order; may be given again: a folder, an address with "
    "{youtube_id}, hf://datasets/user/name (Parquet with an audio column), or `youtube`.  "
    "Default: youtube.",
)
@fetch_options("--rate", "--clips-per-hour")
@quiet_option
@click.option(
    "--retry",
    type=click.Choice(["transient", "permanent", "all"]),
    default=None,
    help="Only clips that failed: in passing, for good, or any.",
)
@click.option("--limit", type=int, default=0, help="At most so many clips in this run.")
@click.option("--shard", metavar="I/N", help="Only this host's part: 1/3 on the first of three.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler whose workers do the work.")
def command(
    out: Path,
    status: bool,
    export: Path | None,
    manifest: str,
    list_path: Path | None,
    **given: Any,
) -> None:
    """Fetch the audio of a benchmark's clips into OUT.

    Every clip ends as OUT/clips/<clip_id>.flac: mono, 16 bits, at the rate and of
    the length of the benchmark; `lassbench build-dataset` packs it into Parquet.
    OUT/ledger.sqlite has every attempt.  A run that was ended, by whatever, goes
    on when the same command is run again; it never asks again for what it has.

    Exits with 0 when nothing is left to try, with 1 when clips failed in
    passing, and with 3 when ten refusals in a row stopped it: then nothing was
    written off, and the message says how to go on.
    """
    if status or export:
        _report(out, status, export)
        return
    from lassbench.fetch.runner import fetch

    clips, form = _clips(manifest, list_path)
    options = _options(given, form)
    summary = fetch(clips, out, options)
    print_summary(summary, out)
    if summary.left and not options.limit:
        click.get_current_context().exit(1)


def _report(out: Path, status: bool, export: Path | None) -> None:
    from lassbench.fetch import report

    if status:
        click.echo(report.describe(report.status(out)))
    if export:
        click.echo(f"{export}: {report.export(out, export)} clips")


def _options(given: dict[str, Any], form: dict[str, Any]) -> Any:
    from lassbench.parallel import Shard

    return options_from(
        given["audio"],
        take_fetch_options(given),
        retry=given["retry"] or "",
        limit=given["limit"],
        keep_quiet=given["keep_quiet"],
        scheduler=given["scheduler"],
        shard=Shard.parse(given["shard"]) if given["shard"] else None,
        **form,
    )


def _clips(manifest: str, list_path: Path | None) -> tuple[list[Clip], dict[str, Any]]:
    """What to fetch, and the rate and length that it is to have."""
    from lassbench.fetch.lists import benchmark_clips, read_list

    if list_path is not None:
        clips = read_list(list_path)
        return clips, {"seconds": max(clip.end_s - clip.start_s for clip in clips)}
    clips, rate, seconds = benchmark_clips(manifest)
    return clips, {"sample_rate_hz": rate, "seconds": seconds}
