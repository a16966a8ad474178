"""``lassbench score``: score folders of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lassbench.cli.options import PATH, OutputPath

if TYPE_CHECKING:
    from lassbench.scores.comparison import Line
    from lassbench.scores.score_file import Scores
    from lassbench.suites.suite import Suite


@click.command(name="score")
@click.argument("predictions", nargs=-1, required=True, type=PATH)
@click.option("--suite", type=PATH, help="Suite or dataset folder.  Default: as system.yaml says.")
@click.option("-o", "--out", type=OutputPath(), help="Score files.  Default: scores/<suite>/.")
@click.option(
    "--against", multiple=True, type=PATH, help="A score file to compare with; repeatable."
)
@click.option(
    "--leaderboard",
    type=PATH,
    default=Path("leaderboard"),
    show_default=True,
    help="Compare with its entries on the same suite, if it has any.",
)
@click.option(
    "--oracle",
    type=click.IntRange(min=1),
    is_flag=False,
    flag_value=20,
    metavar="[N]",
    help="Score N random queries again with mir_eval: --oracle=N, or --oracle at the end for 20.",
)
@click.option("--allow-partial", is_flag=True, help="Leave out missing and faulty predictions.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  Default: one a processor.")
@click.option("--scheduler", help="Address of a Dask scheduler to work on instead.")
@click.option(
    "--clap",
    is_flag=False,
    flag_value="laion/larger_clap_general",
    metavar="[MODEL]",
    help="Also CLAPScore and CLAPScore-A: --clap=MODEL, a CLAP model's name or folder, or --clap "
    "at the end for laion/larger_clap_general; on CUDA where there is a device.",
)
@click.option(
    "--spectral",
    is_flag=True,
    help="Also multi-resolution STFT and log-spectral distance, which do not ask for the phase.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    help="What to call the system instead of what system.yaml says; one a folder, in order.",
)
@click.option("--runs", is_flag=True, help="The folders are runs (seeds) of one system.")
@click.option(
    "--replace", is_flag=True, help="Replace scores of other predictions, or in more metrics."
)
@click.option(
    "--average",
    type=click.Choice(["mean", "mean-by-class", "median-by-class"]),
    help="Also print this average: AudioSep's of MUSIC and of AudioSet are by class.",
)
@click.option("-v", "--verbose", is_flag=True, help="Also comparisons and breakdowns.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--report", type=OutputPath(), help="Write a page with plots and players here.")
@click.option(
    "--include-audio", is_flag=True, help="Put audio into the page that must not be published."
)
def command(
    predictions: tuple[Path, ...],
    suite: Path | None,
    out: Path | None,
    against: tuple[Path, ...],
    leaderboard: Path,
    oracle: int | None,
    average: str | None,
    report: Path | None,
    include_audio: bool,
    verbose: bool,
    as_json: bool,
    replace: bool,
    **how: Any,
) -> None:
    """Score folders of PREDICTIONS: SDR, SIR, SAR, SI-SDR, SNR and improvements.

    Prints one table of all, with 95 % intervals (bootstrap over targets), beside
    the mixture and other systems, and writes <system>.score.json and
    <system>.score.parquet.  Missing or faulty predictions are all listed, and stop
    the scoring.  Estimates that are clipped, or integers at a wrong scale, are
    scored with a warning.  Queries with a silent source are named and left out.
    Of recordings without references only --clap tells quality.
    """
    from lassbench.pictures import terminal
    from lassbench.scores import score
    from lassbench.scores.comparison import others_than, table_of
    from lassbench.scores.summary import check_classes
    from lassbench.suites.suite import load_suite
    from lassbench.systems.predictions import suite_answered

    opened = load_suite(suite) if suite else suite_answered(predictions[0])
    if oracle and opened.kind != "separation":
        raise click.UsageError(
            "--oracle: mir_eval needs the true sources of the sound that is asked for, and "
            f"{opened.name} is {opened.kind}: it has none"
        )
    concepts = [query.concept for query in opened.queries.values()]
    check_classes(concepts, average or "", where=opened.path)
    folder = out or Path("scores") / opened.name
    _check_places([folder, report], [*predictions, opened.path])
    others = _others(against, leaderboard, opened)
    found = score.score_folders(predictions, opened, out=None if replace else folder, **how)
    # Everything is on disk before anything is shown, which may fail.  What may be written
    # over was found out above, before anything was scored.
    written = [scores.save(folder, replace=True) for scores in found]
    lines = table_of([*found, *others_than(found, others)])
    # With --json standard output holds nothing else.
    console = terminal.console(stderr=as_json)
    if as_json:
        _print_json(found, lines, average or "")
    else:
        for scores in found if verbose else ():
            terminal.show_details(console, scores, lines)
        terminal.show_table(console, lines)
        for scores in found:
            terminal.show_warnings(console, scores)
        if average:
            terminal.show_average(console, found, average)
    for scores, path, (json_path, parquet_path) in zip(found, predictions, written, strict=True):
        if oracle:
            processes = {name: how[name] for name in ("workers", "scheduler")}
            checked = score.cross_check(path, opened, scores.rows, sample=oracle, **processes)
            terminal.show_cross_check(console, checked)
        if report is not None:
            from lassbench.pictures.page import write_report

            page = write_report(
                report, scores, opened, path, lines=lines, include_audio=include_audio
            )
            click.echo(f"report: {page}", err=as_json)
        click.echo(f"wrote {json_path} and {parquet_path.name}", err=as_json)


def _check_places(places: Sequence[Path | None], scored: Sequence[Path]) -> None:
    """Refuse to write where the predictions or the suite lie, which would then be others."""
    from lassbench import output_folders
    from lassbench.errors import UsageError

    for place in filter(None, places):
        output_folders.check_output_folder(place, what="the output folder")
        if any(place.resolve().is_relative_to(one.resolve()) for one in scored):
            raise UsageError(
                "this would lie among what is scored",
                where=place,
                expected="a folder outside the predictions and the suite",
                fix="name another folder",
            )


def _print_json(found: Sequence[Scores], lines: Sequence[Line], average: str) -> None:
    """Print the scores, with all that is computed from their rows, and the table of all."""
    from lassbench.files import to_json
    from lassbench.scores import summary

    told = []
    for scores in found:
        one = {**scores.file.model_dump(mode="json"), **scores.summary.to_dict()}
        if average:
            values = {name: summary.average(scores.rows, name, average) for name in one["metrics"]}
            one["average"] = {"name": average, "metrics": values}
        told.append(one)
    click.echo(to_json({"scores": told, "table": [one.to_dict() for one in lines]}), nl=False)


def _others(against: Sequence[Path], leaderboard: Path, suite: Suite) -> list[Scores]:
    """Scores to compare with: those named, and the leaderboard's on this suite's list."""
    from lassbench.errors import LassbenchError
    from lassbench.files import listed
    from lassbench.leaderboard.checks import read_entry
    from lassbench.scores.comparison import check_same_list
    from lassbench.scores.result import suite_info
    from lassbench.scores.score_file import read_scores

    others = [read_scores(path) for path in against]
    for other, path in zip(others, against, strict=True):
        check_same_list(suite.name, suite.list_fingerprint, other.file.suite, where=path)
    for path in listed(leaderboard / "entries" / suite.name, "*.json"):
        try:
            found = read_entry(path)
        except LassbenchError as error:
            click.echo(f"lassbench: left out of the comparison: {path}: {error.brief}", err=True)
        else:
            if found.entry.list_fingerprint == suite.list_fingerprint:
                others.append(found.scores(suite_info(suite)))
    return others
