"""Tables on the terminal, readable at 80 columns."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lassbench.errors import one_line
from lassbench.scores.comparison import (
    Comparison,
    Line,
    default_metric,
    labels,
    paired,
    ranked_on,
    table_metrics,
    verdict,
)
from lassbench.scores.rows import CLAP_METRICS, METRICS, SPECTRAL_METRICS, Kind
from lassbench.scores.score_file import Scores
from lassbench.scores.statistics import Paired
from lassbench.scores.summary import CLEAN, NOT_CLEAN, Cell, Summary, average, failing_sentences

if TYPE_CHECKING:
    from lassbench.scores.score import CrossCheck

#: Width where there is no terminal to ask.
WIDTH = 100
#: Groups, and queries, that are listed before only the extremes are.
LISTED = 12
EXTREMES = 5


def console(*, stderr: bool = False) -> Console:
    """Standard output or error, wide enough for the tables when it is a file or a pipe."""
    found = Console(highlight=False, stderr=stderr)
    if not found.is_terminal and "COLUMNS" not in os.environ:
        found.width = WIDTH
    return found


def number(value: float | None, digits: int = 2) -> str:
    """``value`` as a table shows it; ``-`` where it is undefined."""
    if value is None or math.isnan(value):
        return "-"
    return f"{round(value, digits) + 0.0:.{digits}f}"  # never -0.00


def _table(*columns: str, title: str = "", caption: str = "") -> Table:
    """A table of these columns: text, and where a name begins with ``>``, numbers."""
    table = Table(
        title=_safe(title, 200),
        title_justify="left",
        title_style="bold",
        caption=caption,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in columns:
        if name.startswith(">"):
            table.add_column(name[1:], justify="right", no_wrap=True)
        else:
            table.add_column(name, overflow="fold")
    return table


def _interval(low: float | None, high: float | None, digits: int = 2) -> str:
    ends = number(low, digits), number(high, digits)
    return "-" if "-" in ends else "..".join(ends)


def _safe(text: str, limit: int = 60) -> Text:
    # Names and captions are other people's words: never markup, never control characters.
    return Text(one_line(text, limit))


def _warning(text: str) -> Text:
    return Text.assemble(("warning: ", "bold yellow"), one_line(text, 400))


# ---------------------------------------------------------------------------
# All systems
# ---------------------------------------------------------------------------


def show_table(out: Console, lines: Sequence[Line]) -> None:
    """Print all systems in one table, and what its columns are."""
    file = next(run.file for one in lines for run in one.members)
    suite = file.suite
    synthetic = " (synthetic)" if suite.synthetic else ""
    rows = max((one.rows for one in lines), key=len)
    types = "/".join(sorted(rows["query_type"].unique()))
    asked = f"{suite.queries} {types} queries, {sounds(rows['target_id'].nunique(), file.kind)}"
    out.print(Text(one_line(f"{suite.title or suite.name}{synthetic}", 200), style="bold"))
    out.print(Text(f"{suite.name}, fingerprint {suite.fingerprint[:16]}; {asked}"))
    ranked, *shown = table_metrics(file.kind, {name for one in lines for name in one.cells})
    wrong = any(one.wrong_source_share is not None for one in lines)
    # All of them do not fit into 80 columns.
    for_ears = [one for one in shown if one in (*CLAP_METRICS, *SPECTRAL_METRICS)]
    others = [one for one in shown if one not in for_ears]
    _print_table(out, lines, ranked, others, wrong=wrong)
    if for_ears:
        _print_table(out, lines, "", for_ears)
    _print_legend(out, lines, [ranked, *shown], wrong=wrong)


def _print_legend(
    out: Console, lines: Sequence[Line], shown: Sequence[str], *, wrong: bool
) -> None:
    """Print what the marks and columns of the table of all are, and what to know of systems."""
    if any(one.place for one in lines):
        best = f"* best by {METRICS[shown[0]].title} on the {len(ranked_on(lines))} queries of all"
        out.print(Text(f"{best}; = not told apart from it (paired test)", style="dim"))
    for name in shown:
        definition = METRICS[name]
        better = ", lower is better" if definition.better == "lower" else ""
        out.print(Text(f"{definition.heading}: {definition.explained}{better}", style="dim"))
    if set(shown) & set(CLAP_METRICS):
        models = (run.file.clap_model for one in lines for run in one.members)
        first = next(filter(None, models))  # others' are not in the table
        out.print(Text(one_line(f"CLAPScores by {first}"), style="dim"))
    if wrong:
        wrong_source = (
            "% of queries whose estimate is not nearer to the target than to the interference"
        )
        out.print(Text(f"wrong: {wrong_source}", style="dim"))
    if any(one.spread is not None for one in lines):
        out.print(Text("sd: standard deviation between the means of the runs", style="dim"))
    for one in lines:
        for note in one.notes:
            out.print(_warning(f"{one.name}: {note}"))


def show_warnings(out: Console, scores: Scores) -> None:
    """Print what has to be known of a score."""
    for warning in scores.file.warnings:
        out.print(_warning(f"{scores.name}: {warning}"))


def sounds(targets: int, kind: Kind) -> str:
    """How many sounds the queries are of: ``80 targets``, or recordings without references."""
    return f"{targets} {'recordings' if kind == 'unreferenced' else 'targets'}"


def _print_table(
    out: Console, lines: Sequence[Line], ranked: str, shown: Sequence[str], *, wrong: bool = False
) -> None:
    columns = [METRICS[name].title for name in shown] + ["wrong"] * wrong
    if ranked:
        # The interval stands beside the metric that systems are compared in.
        columns = [f"{METRICS[ranked].title}, 95 %", *columns, "queries"]
    table = _table("system", *(f">{name}" for name in columns))
    for one in lines:
        style = "bold" if one.place == "best" and ranked else ""
        means = {name: number(cell.mean) for name, cell in one.cells.items()}
        cells: list[str | Text] = [means.get(name, "-") for name in shown]
        share = one.wrong_source_share
        cells += [number(None if share is None else 100 * share, 1)] * wrong
        if ranked:
            of = "" if one.queries == one.of else f"/{one.of}"
            interval = Text(_with_interval(one, ranked), style=style)
            cells = [interval, *cells, f"{one.queries}{of}"]
        uses = f" ({one.uses})" if one.uses in ("oracle", "tag") else ""
        mark = {"best": " *", "tied": " ="}.get(one.place, "")
        # Behind the name, whose length must not hide them.
        uses += " (generative)" * one.generative + " (PARTIAL)" * one.partial
        name = _safe(one.name).append(uses + mark * bool(ranked))
        name.stylize(style)
        table.add_row(name, *cells)
    out.print(table)


def _with_interval(line: Line, metric: str) -> str:
    cell = line.cells.get(metric)
    if cell is None:
        return "-"
    between = "" if line.spread is None else f"\nsd {line.spread:.2f} of {len(line.members)} runs"
    digits = 1 if METRICS[metric].unit == "dB" else 2
    return f"{number(cell.mean)} {_interval(cell.ci_low, cell.ci_high, digits)}{between}"


def show_average(out: Console, scores: Sequence[Scores], name: str) -> None:
    """Print an average by its name (:func:`lassbench.scores.summary.average`) of each system.

    In two tables, so that each is readable at 80 columns: the metrics, and their improvements.
    """
    metrics = scores[0].summary.metrics  # all were scored alike
    for improved in (False, True):
        if shown := [one for one in metrics if one.endswith("_i") == improved]:
            table = _table("system", *(f">{METRICS[one].title}" for one in shown), title=name)
            for one in scores:
                values = (number(average(one.rows, metric, name)) for metric in shown)
                table.add_row(_safe(one.name), *values)
            out.print(table)


# ---------------------------------------------------------------------------
# One system, in detail
# ---------------------------------------------------------------------------


def show_details(out: Console, scores: Scores, lines: Sequence[Line]) -> None:
    """Print a system's summary, how it differs from the others, and its breakdowns."""
    file, summary = scores.file, scores.summary
    metric = default_metric(file.kind, file.definitions)
    title = METRICS[metric].title
    out.print(Text(one_line(scores.name, 200), style="bold"))
    out.print(_summary_table(summary))
    others = [
        (one.name, paired(scores.rows, one.rows, metric), metric)
        for one in lines
        if not one.holds(scores) and metric in one.cells
    ]
    if others:
        out.print(_paired_table(f"{title}: {scores.name} minus", others, file.kind))
    for by in ("concept", "annotator", "audit"):
        groups = {
            value: cells[metric]
            for value, cells in summary.by(by).items()
            if by != "audit" or value in (CLEAN, NOT_CLEAN)
        }
        if len(groups) > 1:
            out.print(_groups_table(f"{title} by {by}", groups))
    if asked := who_asks(summary, metric):
        out.print(_safe(asked, 600))
    if len(failing := failing_sentences(scores.rows, metric)):
        title = f"sentences that fail where another wording works ({len(failing)})"
        columns = ("query", "who", ">dB", ">best wording", "words")
        _print_queries(out, columns, failing.head(2 * EXTREMES), title=title)


def _summary_table(summary: Summary) -> Table:
    numbers = (">mean", ">95 % interval", ">targets", ">median", ">infinite", ">undefined")
    note = "infinite and undefined values as lassbench.scores.rows says"
    table = _table("metric", *numbers, caption=note)
    for name, one in summary.metrics.items():
        table.add_row(
            METRICS[name].heading,
            number(one.mean),
            _interval(one.ci_low, one.ci_high),
            str(one.targets),
            number(one.median),
            str(one.n_infinite or ""),
            str(one.n_undefined or ""),
        )
    if (share := summary.wrong_source_share) is not None:
        table.add_section()
        table.add_row("wrong source (% of queries)", number(100 * share, 1))
    return table


def who_asks(summary: Summary, metric: str) -> str:
    """One sentence on how much a result depends on who asked; none with one annotator."""
    spread = summary.annotators.get(metric)
    if spread is None:
        return ""
    return (
        f"who asks: the means of the {spread.annotators} annotators have a standard deviation of "
        f"{spread.spread:.2f} dB, the worst is {spread.worst_annotator}'s with {spread.worst:.2f}; "
        f"taking the worst-answered wording of every mixture: {spread.worst_of_mixture:.2f}; one "
        f"mixture's result varies by {spread.within_mixture_sd:.2f} dB with who asked "
        f"({100 * spread.asker_share:.0f} % of all variance)"
    )


def _print_queries(out: Console, columns: Sequence[str], rows: pd.DataFrame, *, title: str) -> None:
    """Print a table of queries: texts safely, numbers with two digits."""
    table = _table(*columns, title=title)
    for row in rows.itertuples(index=False):
        table.add_row(*(number(one) if isinstance(one, float) else _safe(one) for one in row))
    out.print(table)


def _groups_table(title: str, groups: Mapping[str, Cell]) -> Table:
    # What has no mean comes last.
    ordered = sorted(
        groups.items(), key=lambda one: (one[1].mean is None, -(one[1].mean or 0.0), one[0])
    )
    if len(ordered) > LISTED:
        left_out = len(ordered) - 2 * EXTREMES
        title = f"{title} (best and worst {EXTREMES}; {left_out} between them)"
        ordered = ordered[:EXTREMES] + ordered[-EXTREMES:]
    table = _table("", ">mean", ">95 % interval", ">targets", ">queries", title=title)
    for value, cell in ordered:
        interval = _interval(cell.ci_low, cell.ci_high)
        table.add_row(_safe(value), number(cell.mean), interval, str(cell.targets), str(cell.n))
    return table


def show_cross_check(out: Console, check: CrossCheck) -> None:
    """Print the largest difference between our numbers and mir_eval's."""
    largest = ", ".join(
        f"{metric.upper()} {value:.1e} dB ({query_id})"
        for metric, (value, query_id) in check.largest.items()
    )
    heading = f"mir_eval {check.version} on {check.queries} random queries: largest difference "
    out.print(_safe(heading + (largest or "none: nothing to compare"), 400))
    for query_id, reason in check.refused.items():
        out.print(_safe(f"  mir_eval could not score {query_id}: {reason}", 300))


# ---------------------------------------------------------------------------
# Two systems
# ---------------------------------------------------------------------------


def show_comparison(out: Console, found: Comparison) -> None:
    """Print a paired comparison of two scores."""
    first, second, kind = found.first, found.second, found.first.file.kind
    names = labels([first, second])
    suite, title = first.file.suite, METRICS[found.metric].title
    heading = f"{' minus '.join(names)} on {suite.title or suite.name}"
    out.print(Text(one_line(heading, 200), style="bold"))
    out.print(Text(f"{found.queries} queries of {found.targets} targets, paired"))
    rows = [(METRICS[name].heading, one, name) for name, one in found.metrics.items()]
    out.print(_paired_table("", rows, kind))
    for by, groups in found.by.items():
        if len(groups) > 1:
            rows = [(value, one, found.metric) for value, one in groups.items()]
            out.print(_paired_table(f"{title} by {by}", rows, kind))
    for name, one in zip(names, (first, second), strict=True):
        if asked := who_asks(one.summary, found.metric):
            out.print(_safe(f"{name}, {asked}", 600))
    moved = found.moved[found.moved["difference"] != 0.0]
    if len(moved):
        ahead = moved[moved["difference"] > 0].head(EXTREMES)
        behind = moved[moved["difference"] < 0].tail(EXTREMES)[::-1]
        columns = ("query", "target", "noise", "text", ">first", ">second", ">difference")
        title = f"{title}: the queries that moved most"
        _print_queries(out, columns, pd.concat([ahead, behind]), title=title)
    for warning in found.warnings:
        out.print(_warning(warning))


def _paired_table(title: str, rows: Iterable[tuple[str, Paired, str]], kind: Kind) -> Table:
    numbers = (">difference", ">95 % interval", ">p", ">wins", ">losses")
    table = _table("", *numbers, "so it is", title=title)
    for name, one, metric in rows:
        table.add_row(
            _safe(name),
            "-" if math.isnan(one.diff) else f"{one.diff:+.2f}",
            _interval(one.low, one.high),
            "<0.001" if one.p_value < 0.001 else number(one.p_value, 3),
            str(one.wins),
            str(one.losses),
            verdict(one, metric, kind) if one.n else "-",
        )
    return table
