"""Tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lassbench.errors import one_line
from lassbench.scores.comparison import (
    Beside,
    Comparison,
    Moved,
    default_metric,
    shown_metrics,
    verdict,
)
from lassbench.scores.crosscheck import CrossCheck
from lassbench.scores.score_file import AnnotatorSpread, Cell, Kind, Scores, in_order
from lassbench.scores.statistics import Paired
from lassbench.scores.summary import CLEAN, NOT_CLEAN, average

#: Width where there is no terminal to ask.
WIDTH = 110
#: Concepts, and queries, that are listed before only the extremes are.
LISTED = 12
EXTREMES = 5


def console() -> Console:
    """Standard output, wide enough for the tables when it is a file or a pipe."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDTH)


def number(value: float | None, digits: int = 2) -> str:
    """``value`` as a table shows it; ``-`` where it is undefined."""
    return "-" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # never -0.00


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
    )
    for name in columns:
        if name.startswith(">"):
            table.add_column(name[1:], justify="right")
        else:
            table.add_column(name, overflow="fold")
    return table


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{low:.2f} .. {high:.2f}"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _safe(text: str, limit: int = 60) -> Text:
    # Names and captions are strangers' words: never markup, never control characters.
    return Text(one_line(text, limit))


def _title(*parts: str) -> Text:
    return Text(one_line("".join(parts), 200), style="bold")


def show_scores(out: Console, scores: Scores, others: Sequence[Beside]) -> None:
    """Print a system's summary, its row beside the others', and its breakdowns."""
    file = scores.file
    suite, covered = file.suite, file.coverage
    synthetic = " (synthetic)" if suite.synthetic else ""
    partial = "PARTIAL, " if covered.partial else ""
    out.print(_title(f"{file.system.name} on {suite.title or suite.name}{synthetic}"))
    out.print(
        Text(
            f"{partial}{covered.queries_scored} of {covered.queries_total} "
            f"{query_types(scores)} queries, {targets(scores)}; "
            f"suite {suite.name}, fingerprint {suite.fingerprint[:16]}"
        )
    )
    out.print(_summary_table(scores))
    if others:
        out.print(_beside_table(scores, others))
    _print_breakdowns(out, scores)
    for warning in file.warnings:
        out.print(Text("warning: ", style="bold yellow") + _safe(warning, 400))


def query_types(scores: Scores) -> str:
    """How the queries' words were made: ``caption``, ``annotator``, ``templated``, ``tag``."""
    return "/".join(scores.file.breakdowns.get("query_type", {}))


def targets(scores: Scores) -> str:
    """How many sounds the queries are of: ``80 targets``, or recordings without references."""
    return f"{scores.file.targets} " + (
        "recordings" if scores.file.kind == "unreferenced" else "targets"
    )


def show_average(out: Console, scores: Scores, name: str) -> None:
    """Print an average by its name (:func:`lassbench.scores.summary.average`) and the mean."""
    table = _table("metric", f">{name}", ">mean")
    for metric, found in in_order(scores.file.summary).items():
        by_name = average(scores.rows, metric, name)
        table.add_row(scores.file.metrics[metric].heading, number(by_name), number(found.mean))
    out.print(table)


def _summary_table(scores: Scores) -> Table:
    file = scores.file
    columns = ("metric", ">mean", ">95 % interval", ">median", ">infinite", ">undefined")
    unusual = any(one.n_infinite or one.n_undefined for one in file.summary.values())
    note = f"infinite and undefined values as {file.policy} says (lassbench.scores)"
    table = _table(*columns, caption=note if unusual else None)
    for name, found in in_order(file.summary).items():
        table.add_row(
            file.metrics[name].heading,
            number(found.mean),
            _interval(found.ci_low, found.ci_high),
            number(found.median),
            str(found.n_infinite or ""),
            str(found.n_undefined or ""),
        )
    if file.wrong_source_share is not None:
        table.add_section()
        table.add_row("wrong source (% of queries)", number(100 * file.wrong_source_share, 1))
    return table


def _beside_table(scores: Scores, others: Sequence[Beside]) -> Table:
    file, names, metric = scores.file, shown_metrics(scores), default_metric(scores)
    ranked = file.metrics[metric].title
    table = _table(
        *("system", "told", *(f">{file.metrics[name].title}" for name in names)),
        *(">difference", "so it is"),
        title=f"beside others (difference: {one_line(file.system.name, 40)} minus it, {ranked})",
    )
    means = {name: file.summary[name].mean for name in names}
    uses = file.system.query_type
    table.add_row(_safe(file.system.name), uses, *_numbers(means, names), style="bold")
    for one in others:
        note = "" if one.queries == file.coverage.queries_scored else f" (on {one.queries})"
        difference, interval, p_value, said = _paired_cells(one.ahead, metric, file.kind)
        table.add_row(
            _safe(one.name + note),
            one.uses,
            *_numbers(one.means, names),
            f"{difference}\n{interval}",
            f"{said}\np {p_value}",
        )
    return table


def _numbers(means: Mapping[str, float | None], names: Sequence[str]) -> list[str]:
    return [number(means.get(name)) for name in names]


def _paired_cells(paired: Paired, metric: str, kind: Kind) -> list[str]:
    if not paired.n:
        return ["-", "-", "-", "-"]
    interval = "-" if math.isnan(paired.low) else _interval(paired.low, paired.high)
    return [f"{paired.diff:+.2f}", interval, _p(paired.p_value), verdict(paired, metric, kind)]


def _print_breakdowns(out: Console, scores: Scores) -> None:
    file, metric = scores.file, default_metric(scores)
    title = file.metrics[metric].title
    for kind in ("concept", "annotator", "audit"):
        groups = {
            value: cells[metric]
            for value, cells in file.breakdowns.get(kind, {}).items()
            if kind != "audit" or value in (CLEAN, NOT_CLEAN)
        }
        if len(groups) > 1:
            out.print(_groups_table(f"{title} by {kind}", groups))
    spread = file.annotators.get(metric)
    if spread:
        out.print(_safe(who_asks(spread), 600))


def who_asks(spread: AnnotatorSpread) -> str:
    """One sentence on how much a result depends on who asked."""
    return (
        f"who asks: the means of the {spread.annotators} annotators have a standard deviation of "
        f"{spread.spread:.2f} dB, the worst is {spread.worst_annotator}'s with {spread.worst:.2f}; "
        f"taking the worst-answered wording of every mixture: {spread.worst_of_mixture:.2f}; one "
        f"mixture's result varies by {spread.within_mixture_sd:.2f} dB with who asked "
        f"({100 * spread.asker_share:.0f} % of all variance)"
    )


def _groups_table(title: str, groups: Mapping[str, Cell]) -> Table:
    ordered = sorted(groups.items(), key=lambda one: (-(one[1].mean or 0.0), one[0]))
    if len(ordered) > LISTED:
        left_out = len(ordered) - 2 * EXTREMES
        title = f"{title} (best and worst {EXTREMES}; {left_out} between them are in the file)"
        ordered = ordered[:EXTREMES] + ordered[-EXTREMES:]
    table = _table("", ">mean", ">95 % interval", ">queries", title=title)
    for value, cell in ordered:
        interval = _interval(cell.ci_low, cell.ci_high)
        table.add_row(_safe(value), number(cell.mean), interval, str(cell.n))
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


def show_comparison(out: Console, found: Comparison) -> None:
    """Print a paired comparison of two scores."""
    first, second = found.first.file.system.name, found.second.file.system.name
    suite, metrics = found.first.file.suite, found.first.file.metrics
    title = metrics[found.metric].title
    out.print(_title(f"{first} minus {second} on {suite.title or suite.name}"))
    out.print(Text(f"{found.queries} queries of {found.targets} targets, paired"))
    kind = found.first.file.kind
    headings = {metrics[name].heading: (one, name) for name, one in found.metrics.items()}
    out.print(_paired_table("", headings, kind))
    for by, groups in found.by.items():
        if len(groups) > 1:
            rows = {value: (one, found.metric) for value, one in groups.items()}
            out.print(_paired_table(f"{title} by {by}", rows, kind))
    for one in (found.first, found.second):
        spread = one.file.annotators.get(found.metric)
        if spread:
            out.print(_safe(f"{one.file.system.name}, {who_asks(spread)}", 600))
    if found.moved:
        ahead = [one for one in found.moved if one.difference > 0][:EXTREMES]
        behind = [one for one in reversed(found.moved) if one.difference < 0][:EXTREMES]
        out.print(_moved_table(f"{title}: the queries that moved most", [*ahead, *behind]))
    for warning in found.warnings:
        out.print(Text("warning: ", style="bold yellow") + _safe(warning, 300))


def _paired_table(title: str, rows: Mapping[str, tuple[Paired, str]], kind: Kind) -> Table:
    numbers = (">difference", ">95 % interval", ">p", ">wins", ">losses", ">queries")
    table = _table("", *numbers, "the first is", title=title or None)
    for name, (paired, metric) in rows.items():
        cells = _paired_cells(paired, metric, kind)
        counts = (str(paired.wins), str(paired.losses), str(paired.n))
        table.add_row(_safe(name), *cells[:3], *counts, cells[3])
    return table


def _moved_table(title: str, moved: Sequence[Moved]) -> Table:
    columns = ("query", "target", "noise", "text", ">first", ">second", ">difference")
    table = _table(*columns, title=title)
    for one in moved:
        table.add_row(
            _safe(one.query_id),
            _safe(one.concept),
            _safe(one.noise_concept),
            _safe(one.text),
            number(one.first),
            number(one.second),
            f"{one.difference:+.2f}",
        )
    return table
