"""``lassbench separate``: run a system over a suite, or over one audio file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lassbench.cli.options import PATH, OutputPath, check_folder_name, first_given, named_values
from lassbench.errors import UsageError

if TYPE_CHECKING:
    from lassbench.systems.finding import Asked


@click.command(name="separate")
@click.argument("system")
@click.argument("file", required=False, type=PATH)
@click.option("--suite", type=PATH, help="A suite folder, or a dataset with one suite.")
@click.option("--query", help="With FILE: what to extract, as a sentence.")
@click.option("--negative", default="", help="With FILE: what to leave out, if SYSTEM takes that.")
@click.option("-o", "--out", type=OutputPath(file=True), help="Prediction folder, or output file.")
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="NAME=VALUE",
    help="What SYSTEM is made with, such as checkpoint=net.pt.  May be given often.",
)
@click.option("--checkpoint", help="The same as --arg checkpoint=FILE.")
@click.option("--repo", help="A published system's repository: --arg repo=DIR.")
@click.option("--python", default="", help="The Python of a published system's own environment.")
@click.option("--codec", help="For codec-roundtrip: opus, mp3 or aac@NNk.  Default: opus@64k.")
@click.option("--name", default="", help="What to call the system.  Default: its own name.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="auto, cpu, cuda or cuda:N, for checkpoints and published systems.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    help="For random systems: each query has a seed made from it.",
)
@click.option(
    "--no-negative",
    "without_negative",
    is_flag=True,
    help="Give no negative query (what the other sound is called) to a system that takes one.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    default=600.0,
    show_default=True,
    help="Seconds a query, for systems in a process of their own.",
)
@click.option(
    "--rate",
    type=click.IntRange(1000, 384000),
    help="The rate in Hz SYSTEM works at, if it names none.  Default: the suite's, for FILE 32000.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Queries a call, where SYSTEM takes several.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many queries.")
@click.option("--shard", metavar="I/N", help="Only this machine's part: 1/3 on the first of three.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes, each with SYSTEM loaded.",
)
@click.option("--scheduler", help="Address of a Dask scheduler, whose workers separate.")
@click.option(
    "--overwrite", is_flag=True, help="Delete the estimates that are there, and begin anew."
)
def command(
    system: str,
    file: Path | None,
    suite: Path | None,
    query: str | None,
    negative: str,
    out: Path | None,
    arguments: tuple[str, ...],
    checkpoint: str | None,
    repo: str | None,
    codec: str | None,
    python: str,
    name: str,
    device: str,
    seed: int | None,
    without_negative: bool,
    timeout_s: float,
    rate: int | None,
    **how: Any,
) -> None:
    """Run SYSTEM over a suite (--suite), or over one audio FILE (--query).

    SYSTEM is `mixture`, `oracle`, `codec-roundtrip` (the target through --codec and back:
    the ceiling of generative systems), the folder of a trained checkpoint, your own
    my_system.py, my_system.py:MySystem or package.module:object (docs/systems.md), a published
    system (`lassbench systems`), or 'command:PROGRAM ... {mixture} {query} {estimate}'.
    FILE is any sound (WAV, FLAC, MP3, M4A, WebM ...) of any length; what comes out is .wav or
    .flac, at FILE's rate, with its channels.
    """
    if (file is None) == (suite is None):
        raise click.UsageError("give either --suite SUITE or FILE with --query TEXT")
    if file is not None and not query:
        raise click.UsageError("FILE needs --query TEXT")
    if option := first_given(_FOR_SUITES if file is not None else {"query", "negative"}):
        raise click.UsageError(f"{option} is for {'--suite' if file is not None else 'FILE'}")
    from lassbench.systems.finding import Asked

    given = {"checkpoint": checkpoint, "repo": repo, "codec": codec}
    asked = Asked(
        system=system,
        arguments=named_values(arguments, given),
        device=device,
        python=python,
        timeout_s=timeout_s,
        sample_rate=rate,
        seed=seed,
        without_negative=without_negative,
        name=name,
    )
    if file is not None:
        _separate_file(asked, file, query or "", negative, out)
    else:
        assert suite is not None
        _separate_suite(asked, suite, out, **how)


_FOR_SUITES = {"batch_size", "limit", "shard", "workers", "scheduler", "overwrite"}


def _separate_suite(
    asked: Asked,
    suite: Path,
    out: Path | None,
    *,
    batch_size: int,
    limit: int | None,
    shard: str | None,
    workers: int,
    scheduler: str | None,
    overwrite: bool,
) -> None:
    from lassbench import files
    from lassbench.parallel import Shard, open_executor
    from lassbench.suites.suite import load_suite
    from lassbench.systems.finding import find_system
    from lassbench.systems.run import separate_suite

    if out is not None:
        check_folder_name(out)
    part = Shard.parse(shard) if shard else None
    if part and overwrite:
        raise UsageError(
            "--overwrite would delete what other machines are making",
            got=f"--shard {shard}",
            fix="delete the folder before the first of them begins",
        )
    opened = load_suite(suite)
    with find_system(asked) as system:
        own = Path("predictions") / opened.name / files.name_of(system.card.name).lower()
        folder = out or own
        try:
            with open_executor(workers, scheduler) as executor:
                done = separate_suite(
                    system,
                    opened,
                    folder,
                    batch_size=batch_size,
                    limit=limit,
                    shard=part,
                    overwrite=overwrite,
                    executor=executor,
                    asked=asked,
                )
        except BaseException as error:
            for note in getattr(error, "__notes__", ()):
                click.echo(note, err=True)
            raise
        speed = done.system.cost.real_time_factor
        took = f"; {speed} s of computing per second of audio" if speed is not None else ""
        click.echo(
            f"{folder}: {done.kept + done.new} of {len(opened.queries)} queries by "
            f"{done.system.name}: {done.kept} kept, {done.new} new{took}"
        )


def _separate_file(asked: Asked, file: Path, query: str, negative: str, out: Path | None) -> None:
    from lassbench.systems import sound_files
    from lassbench.systems.finding import find_system

    target = out or Path(f"{file.stem}.separated.wav")
    sound_files.check_files(file, target)
    with find_system(asked) as system:
        if system.oracle:
            raise click.UsageError(
                f"{asked.system} needs the true sources, which a file does not come with"
            )
        if negative and not system.negative:
            raise UsageError("the system takes no negative query", where=system.card.name)
        heard = sound_files.separate_file(system, file, target, query=query, negative=negative)
    if not heard.known:
        click.echo(
            f"lassbench: {file}: tells no length: read to its end, {heard.frames} frames = "
            f"{heard.frames / heard.rate:.3f} s; a missing end would not be noticed",
            err=True,
        )
    click.echo(str(target))
