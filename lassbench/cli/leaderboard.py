"""``lassbench leaderboard``: add, check, build, diff, rescore, publish."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from lassbench.cli.options import PATH, OutputPath

ROOT = click.option(
    "--root",
    type=PATH,
    default=Path("leaderboard"),
    show_default=True,
    help="The leaderboard folder.",
)
SUITE = click.option("--suite", type=PATH, required=True, help="Suite or dataset folder.")
WORKERS = click.option(
    "--workers", type=click.IntRange(min=1), help="Processes.  Default: one a processor."
)


@click.group(name="leaderboard")
def command() -> None:
    """Add entries, check them, build tables and site, publish."""


@command.command(name="add")
@click.argument("scores", nargs=-1, required=True, type=PATH)
@ROOT
@click.option("--date", default="", metavar="YYYY-MM-DD", help="Of the entries.  Default: today.")
@click.option("--submitted-by", default="", metavar="NAME", help="Who answers questions about it.")
@click.option(
    "--link", "links", multiple=True, metavar="LABEL=URL", help="Paper, code ...; repeatable."
)
@click.option("--notes", default="", help="A sentence or two for the system's page.")
@click.option("--replace", is_flag=True, help="Replace entries of the same name.")
def add(scores: tuple[Path, ...], root: Path, links: tuple[str, ...], **entry: Any) -> None:
    """Make an entry of each score file (or folder with one) in SCORES.

    All of them are added, or none: every reason for refusing one is told.
    """
    from lassbench.files import listed
    from lassbench.leaderboard.adding import add_scores

    known = {card.stem for card in listed(root / "suites", "*.json")}
    written = add_scores(root, scores, links=_labelled(links), **entry)
    for path in written:
        click.echo(f"wrote {path} and {path.with_suffix('.parquet').name}")
    for name in sorted({path.parent.name for path in written} - known):
        click.echo(
            f"note: {root} had no suite {name}, this starts its table."
            "  To take part in a table that is there, run this in a copy of its leaderboard."
        )
    if not written:
        click.echo("nothing to add: the entries that are there say the same")
    click.echo(f"next: lassbench leaderboard build --root {root} --site site")


def _labelled(links: tuple[str, ...]) -> dict[str, str]:
    from lassbench.errors import UsageError

    found = dict(link.partition("=")[::2] for link in links)
    if not all(label and url for label, url in found.items()):
        got = ", ".join(links)[:100]
        raise UsageError("a link needs a label", expected="--link paper=https://...", got=got)
    return found


@command.command(name="check")
@ROOT
@click.option(
    "--base", type=PATH, help="The leaderboard as it was: check this one as a submission to it."
)
def check(root: Path, base: Path | None) -> None:
    """Check every entry: schema, hash, coverage, numbers, names, duplicates.

    With --base also that a submission only adds entries, and calls none verified.
    """
    from lassbench.errors import FaultsError
    from lassbench.leaderboard.building import read
    from lassbench.leaderboard.changes import submission_faults
    from lassbench.leaderboard.checks import check_is_there
    from lassbench.leaderboard.examples import read_examples

    board = read(root)
    read_examples(board, unpublished=True)
    if base is not None:
        check_is_there(base)
    faults = list(submission_faults(base, root)) if base is not None else []
    if faults:
        raise FaultsError("this is more than a submission", faults, where=root)
    for name, found in board.entries.items():
        click.echo(f"{name}: {len(found)} {'entry' if len(found) == 1 else 'entries'}")
    click.echo(f"{sum(map(len, board.entries.values()))} in all, no fault")


@command.command(name="build")
@ROOT
@click.option("--site", type=OutputPath(), help="Also write the site into this folder.")
@click.option("--metric", default="", help="What to sort and rank by.  Default: SI-SDRi.")
@click.option(
    "--include-audio",
    "unpublished_audio",
    is_flag=True,
    help="Put audio into the listening page that must not be published.",
)
@WORKERS
def build(root: Path, site: Path | None, **how: Any) -> None:
    """Write the tables (Markdown, CSV, LaTeX, JSON) and, with --site, the site.

    Everything is checked first; with a fault anywhere nothing is written.
    """
    from lassbench.leaderboard.building import build as build_all

    build_all(root, site=site, **how)
    click.echo(f"tables: {root / 'tables' / 'README.md'}")
    if site is not None:
        click.echo(f"site:   {site / 'index.html'}")


@command.command(name="diff")
@click.argument("old", type=PATH)
@click.argument("new", type=PATH, required=False)
@ROOT
def diff(old: Path, new: Path | None, root: Path) -> None:
    """Say what changed from leaderboard OLD to NEW (default: --root).

    Entries added (+), removed (-) and changed (~), and ranks that moved.
    """
    from lassbench.leaderboard.building import read
    from lassbench.leaderboard.changes import describe_changes

    lines = describe_changes(read(old), read(new or root))
    click.echo("\n".join(lines) if lines else "no entry changed")


@command.command(name="rescore")
@click.argument("entry", type=PATH)
@click.argument("predictions", type=PATH)
@SUITE
@click.option("--write", is_flag=True, help="If equal, mark the entry as verified.")
@click.option(
    "--date", default="", metavar="YYYY-MM-DD", help="Of the verification.  Default: today."
)
@WORKERS
@click.option("--clap", metavar="MODEL", help="Also CLAPScore, by the model that the entry names.")
def rescore(
    entry: Path, predictions: Path, suite: Path, write: bool, date: str, **how: Any
) -> None:
    """Score PREDICTIONS again and say whether ENTRY says the same.

    Equal means: the same suite, the same queries, the same system by its
    system.yaml, and every value within 0.001 dB.  Exits with 1 if not.
    """
    from lassbench.errors import LassbenchError
    from lassbench.leaderboard.adding import mark_verified
    from lassbench.leaderboard.changes import compare_rescored
    from lassbench.leaderboard.checks import read_entry
    from lassbench.scores.rows import SPECTRAL_METRICS
    from lassbench.scores.score import score_folders
    from lassbench.suites.suite import load_suite

    loaded = read_entry(entry)
    again = score_folders(
        [predictions],
        load_suite(suite),
        allow_partial=loaded.entry.standing == "partial",
        spectral=SPECTRAL_METRICS[0] in loaded.rows,
        **how,
    )[0]
    result = compare_rescored(loaded, again)
    if not result.equal:
        raise LassbenchError(
            f"{loaded.name}: not equal", where=entry, got="; ".join(result.differences[:8])
        )
    click.echo(
        f"{loaded.name}: equal, {len(loaded.rows)} queries,"
        f" largest difference {result.largest:.2g} dB"
    )
    if result.not_checked:
        click.echo("CLAPScore was not checked: name its model with --clap")
    if write:
        mark_verified(loaded, result, date=date)
        click.echo(f"{entry} is verified now")


@command.command(name="examples")
@click.argument("predictions", nargs=-1, required=True, type=PATH)
@ROOT
@SUITE
@click.option("--count", default=4, show_default=True, type=click.IntRange(1, 50))
@click.option("--include-audio", is_flag=True, help="Export audio that must not be published.")
def examples(predictions: tuple[Path, ...], root: Path, suite: Path, **how: Any) -> None:
    """Export a few queries for the listening page: mixture, target, each system's estimate.

    Queries are chosen by hash, one a concept in turn, before anybody has listened.
    """
    from lassbench.export_examples import export_examples
    from lassbench.suites.suite import load_suite
    from lassbench.systems.predictions import open_predictions

    opened = load_suite(suite)
    sets = [open_predictions(folder, opened) for folder in predictions]
    click.echo(f"wrote {export_examples(root, opened, sets, **how)}")


@command.command(name="publish")
@click.argument("target")
@ROOT
@click.option(
    "--repo", "repository", type=PATH, default=Path(), help="Git repository for git:branch."
)
@click.option("--remote", default="", help="Push the branch there.  Default: it stays local.")
@click.option("--message", default="Leaderboard", show_default=True, help="Of the commit.")
@click.option("--dry-run", is_flag=True, help="Build, and say what would be sent where.")
def publish(target: str, root: Path, **how: Any) -> None:
    """Build and publish to TARGET: hf-space:owner/name, hf-dataset:owner/name, git:branch.

    A Space and a branch get the site, a dataset gets entries, rows and tables.
    Audio that must not be published is never sent.
    """
    from lassbench.leaderboard import publish as publishing
    from lassbench.leaderboard.building import build as build_all

    kind, name = publishing.parse_target(target)
    with TemporaryDirectory() as temporary:
        site, ready = Path(temporary) / "site", Path(temporary) / "ready"
        board = build_all(root, site=site)
        publishing.prepare(kind, board, site, ready)
        lines = publishing.publish(kind, name, ready, **how)
    click.echo("\n".join(lines))


@command.command(name="eval-results")
@click.argument("entry", type=PATH)
@click.option("--dataset-id", required=True, metavar="OWNER/NAME", help="Benchmark on the Hub.")
@click.option("--task-id", default="", help="Task of its eval.yaml.  Default: the suite's name.")
@click.option("--metric", default="", help="Default: SI-SDRi, or attenuation.")
@click.option(
    "--source", "source_url", default="", metavar="URL", help="Where the leaderboard stands."
)
@click.option(
    "-o", "--out", type=OutputPath(), default=Path(), help="Model repository.  Default: here."
)
def eval_results_(entry: Path, out: Path, **how: Any) -> None:
    """Export ENTRY as .eval_results/<suite>.yaml for a model repository on the Hub."""
    from lassbench.leaderboard.checks import read_entry
    from lassbench.leaderboard.publish import write_eval_results

    click.echo(f"wrote {write_eval_results(out, read_entry(entry), **how)}")


@command.command(name="schema")
def schema() -> None:
    """Print the JSON Schema of an entry."""
    from lassbench.leaderboard.entries import entry_schema

    click.echo(entry_schema().decode(), nl=False)
