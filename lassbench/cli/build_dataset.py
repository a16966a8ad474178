"""``lassbench build-dataset``: from a corpus to a dataset folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lassbench.cli.options import (
    PATH,
    OutputPath,
    fetch_options,
    metadata_options,
    options_from,
    print_summary,
    quiet_option,
    refuse_given,
    take_fetch_options,
)
from lassbench.corpora import CORPORA

if TYPE_CHECKING:
    from lassbench.corpora.base import Corpus
    from lassbench.dataset.build import BuildReport

_CORPUS_HELP = "; ".join(f"{name}: {text}" for name, (_, _, text) in CORPORA.items())


@click.command(name="build-dataset")
@click.argument("out", metavar="OUT", type=OutputPath())
@click.option("--corpus", default="synthetic", show_default=True, help=f"{_CORPUS_HELP}.")
@click.option("--source", type=PATH, help="The corpus's folder.")
@click.option(
    "--csv",
    type=PATH,
    help="folder: the table of the clips.  Default: SOURCE/metadata.csv.",
)
@click.option("--only-esc10", is_flag=True, help="esc50: only the ten classes of ESC-10.")
@click.option("--seed", type=int, help="synthetic: another seed, other clips.  Default: 0.")
@click.option(
    "--clips-per-concept",
    metavar="N,N,N",
    help="synthetic: clips in train, validation, test.  Default: 40,4,20.",
)
@click.option(
    "--manifest", metavar="NAME|DIR", help="audiocaps: the benchmark.  Default: lass-2022."
)
@click.option(
    "--audio-dir",
    type=PATH,
    multiple=True,
    help="audiocaps: a folder with audio, any depth (Y<id>.wav, <id>.wav, <id>_<start>.flac, "
    "<audiocap_id>.wav; cuts or whole videos); may be given again.",
)
@click.option(
    "--audio",
    metavar="SOURCE",
    multiple=True,
    help="audiocaps: `synthetic` renders every clip from its tags, with no recording and no "
    "download.  Else where to fetch what no --audio-dir has, in this order; may be given again: "
    "an address with {youtube_id}, hf://datasets/user/name, `youtube`.  "
    "Default: youtube, if there is no --audio-dir.",
)
@click.option(
    "--captions",
    type=click.Choice(["audiocaps", "templated"]),
    help="audiocaps: whose captions.  Default: AudioCaps's, but templated for synthetic audio "
    "without --metadata-dir.",
)
@click.option(
    "--audiocaps-version",
    type=click.IntRange(1, 2),
    help="audiocaps: captions of version 1 or 2 (2.0).  Default: the benchmark's.",
)
@fetch_options("--clips-per-hour")
@metadata_options
@click.option(
    "--rate",
    type=click.IntRange(1000, 384_000),
    help="Sample rate in Hz.  Default: the corpus's (32000).",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 3600),
    help="Length of a clip.  Default: the corpus's (10; ESC 5).",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only the first N clips of each concept in each split, to try things out; run again "
    "without it, the build goes on to the whole.",
)
@quiet_option
@click.option("--strict", is_flag=True, help="Exit with 1 if any clip had to be left out.")
@click.option("--workers", type=int, help="Processes.  Default: one per processor.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler whose workers do the work.")
def command(
    out: Path,
    corpus: str,
    limit: int | None,
    keep_quiet: bool,
    strict: bool,
    workers: int | None,
    scheduler: str | None,
    **options: Any,
) -> None:
    """Build a dataset folder OUT from a corpus.

    Every clip is decoded to mono, resampled, cut or zero-padded to one length,
    and packed as 16-bit FLAC into Parquet shards that datasets.load_dataset(OUT)
    opens.  A build that was interrupted goes on when the same command is run
    again; the same input gives the same bytes.

    The clips of AudioCaps are fetched first, where no folder has them: see
    `lassbench fetch --help`, whose ledger OUT then holds.

    Clips that cannot be used (missing, truncated, not audio, NaN, silent ...)
    are left out, and so are those too quiet to be mixed (--keep-quiet); the summary
    counts them, OUT/clips.csv lists them with the reason.  The exit code is still 0,
    unless not one clip remains or --strict is given.  A faulty table (CSV)
    stops the build before anything is written.
    """
    from lassbench.dataset.build import build
    from lassbench.parallel import open_executor

    how = take_fetch_options(options)
    # An option that was not given is no option of the corpus.
    given = {name: value for name, value in options.items() if value not in ((), "")}
    how["keep_quiet"] = keep_quiet
    opened = _open(corpus, given, out, how, scheduler, limit or 0)
    with open_executor(workers, scheduler) as executor:
        report = build(opened, out, executor=executor, limit=limit or 0, keep_quiet=keep_quiet)
    _print(report)
    if strict and report.rejected:
        click.get_current_context().exit(1)


def _open(
    name: str,
    given: dict[str, Any],
    out: Path,
    how: dict[str, Any],
    scheduler: str | None,
    limit: int,
) -> Corpus:
    """The corpus; one whose audio is elsewhere is fetched into ``out`` first."""
    from lassbench.corpora import open_corpus

    audio = given.pop("audio", ())
    if audio == ("synthetic",):
        given["audio"] = "synthetic"
    elif name == "audiocaps" and (audio or "audio_dir" not in given):
        from lassbench.corpora.audiocaps import AudioCapsCorpus
        from lassbench.fetch.runner import fetch_corpus

        folders = [str(folder) for folder in given.pop("audio_dir", ())]
        fetched = open_corpus(name, {**given, "fetched": True})
        assert isinstance(fetched, AudioCapsCorpus)
        options = options_from(
            (*folders, *audio),
            how,
            scheduler=scheduler,
            sample_rate_hz=fetched.card.sample_rate_hz,
            seconds=fetched.card.clip_seconds,
        )
        fetched, summary = fetch_corpus(fetched, out, options, limit=limit)
        print_summary(summary, out)
        return fetched
    elif audio:
        given["audio"] = audio
    refuse_given("nothing is fetched for this corpus")
    return open_corpus(name, given)


def _print(report: BuildReport) -> None:
    from lassbench.dataset import layout
    from lassbench.errors import describe_faults, one_line

    again = f" ({report.reused} were there already)" if report.reused else ""
    click.echo(f"{report.folder}: {report.clips} clips{again}, {len(report.rejected)} left out")
    concepts = sorted({concept for of_split in report.kept.values() for concept in of_split})
    width = max(len(concept) for concept in concepts)
    click.echo(f"  {'concept':{width}}  " + "".join(f"{split:>12}" for split in report.kept))
    for concept in concepts:
        counts = "".join(f"{of_split.get(concept, 0):>12}" for of_split in report.kept.values())
        click.echo(f"  {concept:{width}}  {counts}")
    totals = "".join(f"{sum(of_split.values()):>12}" for of_split in report.kept.values())
    click.echo(f"  {'all':{width}}  {totals}")
    click.echo(f"fingerprint {report.fingerprint}")
    if report.rejected:
        click.echo(f"left out (all of them are in {report.folder / 'clips.csv'}):")
        click.echo("\n".join(describe_faults(report.rejected)))
    if {"near-silent", "cancels"} & {fault.kind for fault in report.rejected}:
        click.echo("the same command with --keep-quiet takes in what is near-silent or cancels")
    if report.outlived:
        click.echo("kept as they were packed, though their source cannot be used any more:")
        click.echo("\n".join(describe_faults(report.outlived)))
    if report.unsized:
        click.echo(
            f"{len(report.unsized)} clips are of files that do not tell their length, so that "
            f"a missing end cannot be noticed, such as {one_line(report.unsized[0])}"
        )
    if report.linked:
        path, real = min(report.linked.items())
        click.echo(
            f"{len(report.linked)} of the corpus's files are links, or lie behind links, that lead "
            f"out of its folder, such as {one_line(path)}, which is {one_line(real)}: "
            "if you did not put them there, see that nothing private came into the dataset"
        )
    for shard, lost in report.damaged.items():
        click.echo(
            f"{shard} was gone or altered, and with it {lost} of its clips, which were made again "
            "where their source is at hand; what was left of it is in "
            f"{report.folder}/{layout.DAMAGED}"
        )
    if report.limited:
        click.echo(
            f"{report.limited} clips are beyond --limit; the same command without it adds them"
        )
    _print_repeated(report)


def _print_repeated(report: BuildReport) -> None:
    """Groups of clips with the same samples: those across splits, which spoil a test, first."""
    across = [group for group in report.repeated if len({clip.split for clip in group}) > 1]
    within = [group for group in report.repeated if group not in across]
    if report.moved:
        moves = Counter(report.moved.values())
        told = ", ".join(f"{count} out of {split}" for split, count in sorted(moves.items()))
        click.echo(f"moved to the split of a clip with the same samples: {told}")
    for what, groups in (
        ("the same samples in two splits of the corpus", across),
        ("the same samples", within),
    ):
        for group in groups[:10]:
            places = {clip.clip_id: clip.split for clip in group}
            names = (
                f"{name} ({split}, drawn for {report.moved[name]})"
                if name in report.moved
                else f"{name} ({split})"
                for name, split in places.items()
            )
            click.echo(f"{what}: {', '.join(names)}")
        if len(groups) > 10:
            click.echo(f"... and {len(groups) - 10} more groups, in dataset.json")
