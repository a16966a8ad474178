"""Tables on the terminal, readable at 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

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
    paired,
    table_metrics,
    verdict,
)
from lassbench.scores.rows import CLAP_METRICS, METRICS, SPECTRAL_METRICS, Kind
from lassbench.scores.score import CrossCheck
from lassbench.scores.score_file import Scores, SuiteInfo
from lassbench.scores.statistics import Paired
from lassbench.scores.summary import (
    CLEAN,
    NOT_CLEAN,
    AnnotatorSpread,
    Cell,
    Summary,
    average,
    failing_sentences,
)

#: Width where there is no terminal to ask.
WIDTH = 100
#: Groups, and queries, that are listed before only the extremes are.
LISTED = 12
EXTREMES = 5

_WRONG = "% of queries whose estimate is not nearer to the target than to the interference"


def console() -> Console:
    """Standard output, wide enough for the tables when it is a file or a pipe."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDTH)


def number(value: float | None, digits: int = 2) -> str:
    """``value`` as a table shows it; ``-`` where it is undefined."""
    if value is None or math.isnan(value):
        return "-"
    return f"{round(value, digits) + 0.0:.{digits}f}"  # never -0.00


def _table(*columns: str, title: str | None = None, caption: str | None = None) -> Table:
    """A table of these columns: text, and where a name begins with ``>``, numbers."""
    table = Table(
        title=title,
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
    return "-" if low is None or high is None else f"{low:.{digits}f}..{high:.{digits}f}"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _safe(text: str, limit: int = 60) -> Text:
    # Names and captions are other people's words: never markup, never control characters.
    return Text(one_line(text, limit))


def _warning(text: str) -> Text:
    return Text.assemble(("warning: ", "bold yellow"), one_line(text, 400))


# ---------------------------------------------------------------------------
# All systems
# ---------------------------------------------------------------------------


def show_table(out: Console, lines: Sequence[Line], suite: SuiteInfo, kind: Kind) -> None:
    """Print all systems in one table, and what its columns are."""
    synthetic = " (synthetic)" if suite.synthetic else ""
    rows = lines[-1].rows
    types = "/".join(sorted(rows["query_type"].unique()))
    asked = f"{suite.queries} {types} queries, {sounds(rows['target_id'].nunique(), kind)}"
    out.print(Text(one_line(f"{suite.title or suite.name}{synthetic}", 200), style="bold"))
    out.print(Text(f"{suite.name}, fingerprint {suite.fingerprint[:16]}; {asked}"))
    ranked, *shown = table_metrics(kind, {name for one in lines for name in one.cells})
    wrong = any(one.wrong_source_share is not None for one in lines)
    # All of them do not fit into 80 columns.
    for_ears = [one for one in shown if one in (*CLAP_METRICS, *SPECTRAL_METRICS)]
    _print_table(out, lines, ranked, [one for one in shown if one not in for_ears], wrong=wrong)
    if for_ears:
        _print_table(out, lines, "", for_ears)
    if any(one.place for one in lines):
        out.print(
            f"* best by {METRICS[ranked].title}; = not told apart from it (paired test over "
            "targets)",
            style="dim",
        )
    for name in (ranked, *shown):
        definition = METRICS[name]
        better = ", lower is better" if definition.better == "lower" else ""
        out.print(Text(f"{definition.heading}: {definition.explained}{better}", style="dim"))
    if wrong:
        out.print(f"wrong: {_WRONG}", style="dim")
    if any(one.runs > 1 for one in lines):
        out.print("sd: standard deviation between runs of their means", style="dim")
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
    columns = [">" + METRICS[name].title for name in shown]
    if ranked:
        # The interval stands beside the metric that systems are compared in.
        columns.insert(0, f">{METRICS[ranked].title}, 95 %")
    table = _table("system", *columns, *[">wrong"] * wrong, ">queries")
    for one in lines:
        mark = {"best": " *", "tied": " ="}.get(one.place, "")
        uses = f" ({one.uses})" if one.uses in ("oracle", "tag") else ""
        style = "bold" if one.place == "best" and ranked else ""
        cells = [number(one.cells[name].mean) if name in one.cells else "-" for name in shown]
        if ranked:
            cells.insert(0, Text(_with_interval(one, ranked), style=style))  # type: ignore[arg-type]
        if wrong:
            share = one.wrong_source_share
            cells.append("-" if share is None else number(100 * share, 1))
        of = "" if one.queries == one.of else f"/{one.of}"
        name = _safe(one.name + uses + " (PARTIAL)" * one.partial + mark)
        name.stylize(style)
        table.add_row(name, *cells, f"{one.queries}{of}")
    out.print(table)


def _with_interval(line: Line, metric: str) -> str:
    cell = line.cells.get(metric)
    if cell is None:
        return "-"
    between = "" if line.spread is None else f" sd {line.spread:.2f} of {line.runs}"
    return f"{number(cell.mean)} {_interval(cell.ci_low, cell.ci_high, 1)}{between}"


def show_average(out: Console, scores: Sequence[Scores], name: str) -> None:
    """Print an average by its name (:func:`lassbench.scores.summary.average`) of each system."""
    metrics = [*scores[0].summary.metrics]
    table = _table("metric", *(f">{one_line(one.name, 30)}" for one in scores), title=name)
    for metric in metrics:
        values = (number(average(one.rows, metric, name)) for one in scores)
        table.add_row(METRICS[metric].heading, *values)
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
    others = {
        one.name: (paired(scores.rows, one.rows, metric), metric)
        for one in lines
        if one.rows is not scores.rows and metric in one.cells
    }
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
    _print_askers(out, summary, metric)


def _summary_table(summary: Summary) -> Table:
    numbers = (">mean", ">95 % interval", ">targets", ">median", ">infinite", ">undefined")
    found = summary.metrics
    unusual = any(one.n_infinite or one.n_undefined for one in found.values())
    note = "infinite and undefined values as lassbench.scores.rows says" if unusual else None
    table = _table("metric", *numbers, caption=note)
    for name, one in found.items():
        table.add_row(
            METRICS[name].heading,
            number(one.mean),
            _interval(one.ci_low, one.ci_high),
            str(one.targets),
            number(one.median),
            str(one.n_infinite or ""),
            str(one.n_undefined or ""),
        )
    if summary.wrong_source_share is not None:
        table.add_section()
        table.add_row("wrong source (% of queries)", number(100 * summary.wrong_source_share, 1))
    return table


def _print_askers(out: Console, summary: Summary, metric: str) -> None:
    spread = summary.annotators.get(metric)
    if not spread:
        return
    out.print(_safe(who_asks(spread), 600))
    failing = failing_sentences(summary.rows, metric)
    if len(failing):
        title = f"sentences that fail where another wording works ({len(failing)})"
        columns = ("query", "who", ">dB", ">best wording", "words")
        out.print(_query_table(columns, failing.head(2 * EXTREMES), title=title))


def who_asks(spread: AnnotatorSpread) -> str:
    """One sentence on how much a result depends on who asked."""
    return (
        f"who asks: the means of the {spread.annotators} annotators have a standard deviation of "
        f"{spread.spread:.2f} dB, the worst is {spread.worst_annotator}'s with {spread.worst:.2f}; "
        f"taking the worst-answered wording of every mixture: {spread.worst_of_mixture:.2f}; one "
        f"mixture's result varies by {spread.within_mixture_sd:.2f} dB with who asked "
        f"({100 * spread.asker_share:.0f} % of all variance)"
    )


def _query_table(columns: Sequence[str], rows: pd.DataFrame, *, title: str) -> Table:
    """A table of queries: texts safely, numbers with two digits."""
    table = _table(*columns, title=title)
    for row in rows.itertuples(index=False):
        table.add_row(*(number(one) if isinstance(one, float) else _safe(one) for one in row))
    return table


def _groups_table(title: str, groups: Mapping[str, Cell]) -> Table:
    ordered = sorted(groups.items(), key=lambda one: (-(one[1].mean or 0.0), one[0]))
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
    out.print(
        _safe(
            f"mir_eval {check.version} on {check.queries} random queries: largest difference "
            f"{largest or 'none: nothing to compare'}",
            400,
        )
    )
    for query_id, reason in check.refused.items():
        out.print(_safe(f"  mir_eval could not score {query_id}: {reason}", 300))


# ---------------------------------------------------------------------------
# Two systems
# ---------------------------------------------------------------------------


def show_comparison(out: Console, found: Comparison) -> None:
    """Print a paired comparison of two scores."""
    first, second, kind = found.first, found.second, found.first.file.kind
    suite, title = first.file.suite, METRICS[found.metric].title
    heading = f"{first.name} minus {second.name} on {suite.title or suite.name}"
    out.print(Text(one_line(heading, 200), style="bold"))
    out.print(Text(f"{found.queries} queries of {found.targets} targets, paired"))
    rows = {METRICS[name].heading: (one, name) for name, one in found.metrics.items()}
    out.print(_paired_table("", rows, kind))
    for by, groups in found.by.items():
        if len(groups) > 1:
            rows = {value: (one, found.metric) for value, one in groups.items()}
            out.print(_paired_table(f"{title} by {by}", rows, kind))
    for one in (first, second):
        spread = one.summary.annotators.get(found.metric)
        if spread:
            out.print(_safe(f"{one.name}, {who_asks(spread)}", 600))
    moved = found.moved[found.moved["difference"] != 0.0]
    if len(moved):
        ahead = moved[moved["difference"] > 0].head(EXTREMES)
        behind = moved[moved["difference"] < 0].tail(EXTREMES)[::-1]
        columns = ("query", "target", "noise", "text", ">first", ">second", ">difference")
        moved_most = pd.concat([ahead, behind])
        out.print(_query_table(columns, moved_most, title=f"{title}: the queries that moved most"))
    for warning in found.warnings:
        out.print(_warning(warning))


def _paired_table(title: str, rows: Mapping[str, tuple[Paired, str]], kind: Kind) -> Table:
    numbers = (">difference", ">95 % interval", ">p", ">wins", ">losses", ">queries")
    table = _table("", *numbers, "so it is", title=one_line(title, 200) or None)
    for name, (one, metric) in rows.items():
        table.add_row(_safe(name), *_paired_cells(one, metric, kind))
    return table


def _paired_cells(one: Paired, metric: str, kind: Kind) -> Iterator[str]:
    if not one.n:
        yield from ("-",) * 7
        return
    yield f"{one.diff:+.2f}"
    yield "-" if math.isnan(one.low) else _interval(one.low, one.high)
    yield _p(one.p_value)
    yield from map(str, (one.wins, one.losses, one.n))
    yield verdict(one, metric, kind)
