"""``lassbench separate``: run a system over a suite, or over one audio file."""

from __future__ import annotations

from pathlib import Path

import click

from lassbench.cli.options import PATH, OutputPath, check_folder_name


@click.command(name="separate")
@click.argument("system")
@click.argument("file", required=False, type=PATH)
@click.option("--suite", type=PATH, help="A suite folder, or a dataset with one suite.")
@click.option("--query", help="With FILE: what to extract, as a sentence.")
@click.option("-o", "--out", type=OutputPath(file=True), help="Prediction folder, or output file.")
@click.option(
    "--codec", default="", help="For codec-roundtrip: opus, mp3 or aac@NNk.  Default: opus@64k."
)
@click.option(
    "--device", default="auto", show_default=True, help="auto, cpu or cuda, for checkpoints."
)
@click.option("--batch-size", default=8, show_default=True, help="Queries a step, for checkpoints.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many queries.")
@click.option(
    "--rate",
    type=click.IntRange(1000, 768000),
    help="With FILE: the rate the system works at, in Hz.  Default: the system's own.",
)
def command(
    system: str,
    file: Path | None,
    suite: Path | None,
    query: str | None,
    out: Path | None,
    codec: str,
    device: str,
    batch_size: int,
    limit: int | None,
    rate: int | None,
) -> None:
    """Run SYSTEM over a suite (--suite), or over one audio FILE (--query).

    SYSTEM is `mixture`, `oracle`, `codec-roundtrip` (the target through --codec and back:
    the ceiling of generative systems), a checkpoint folder, or package.module:object
    with separate(mixture, query, sample_rate).  FILE is any sound (WAV, FLAC, MP3, M4A, WebM
    ...) of any length; what comes out is .wav or .flac, at FILE's rate, with its channels.
    """
    if (file is None) == (suite is None):
        raise click.UsageError("give either --suite SUITE or FILE with --query TEXT")
    if file is not None:
        _separate_file(system, file, query, out, {"codec": codec, "device": device}, rate)
        return
    assert suite is not None
    from lassbench import files, separators
    from lassbench.suites.suite import load_suite

    if out is not None:
        check_folder_name(out)
    separator = separators.find_separator(system, device=device, codec=codec)
    opened = load_suite(suite)
    name = files.name_of(separators.card_of(separator).name).lower()
    folder = out or Path("predictions") / opened.name / name
    done = separators.run(separator, opened, folder, batch_size=batch_size, limit=limit)
    count = min(limit or len(opened.queries), len(opened.renderable_queries))
    speed = done.cost.real_time_factor
    took = f", {speed} s of computing per second of audio" if speed is not None else ""
    click.echo(f"{folder}: {count} of {len(opened.queries)} queries by {done.card.name}{took}")


def _separate_file(
    system: str,
    file: Path,
    query: str | None,
    out: Path | None,
    how: dict[str, str],
    rate: int | None,
) -> None:
    if not query:
        raise click.UsageError("FILE needs --query TEXT")
    from lassbench import separators, userfiles
    from lassbench.records import SAMPLE_RATE_HZ

    target = out or file.with_name(f"{file.stem}.separated.wav")
    userfiles.check_files(file, target)
    separator = separators.find_separator(system, **how)
    if not hasattr(separator, "separate"):
        raise click.UsageError(f"{system} needs the true sources, which a file does not come with")
    own_rate: int = getattr(separator, "sample_rate_hz", SAMPLE_RATE_HZ)
    rate_hz = rate or own_rate
    heard = userfiles.separate_file(separator, file, target, query=query, sample_rate_hz=rate_hz)
    if not heard.known:
        click.echo(
            f"lassbench: {file}: tells no length: read to its end, {heard.frames} frames = "
            f"{heard.frames / heard.rate:.3f} s; a missing end would not be noticed",
            err=True,
        )
    click.echo(str(target))
