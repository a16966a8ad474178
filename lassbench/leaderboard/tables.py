"""A suite's standings as Markdown, CSV, LaTeX and JSON: same entries, same bytes.

Three views of a suite: ``overall`` (all metrics), ``concept`` and ``annotator``
(one metric, a column each).  Every view is first a :class:`Table` of plain
cells; the writers escape for their format and decide nothing.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lassbench import files, output_folders
from lassbench.csv_files import write_table
from lassbench.errors import UsageError
from lassbench.leaderboard.checks import Mapper
from lassbench.leaderboard.entries import BREAKDOWN_VIEWS, TABLE_METRICS, Leaderboard, Reported
from lassbench.leaderboard.ranking import Figure, Row, Standings, many_standings
from lassbench.plain_text import markdown, markdown_lines
from lassbench.scores.rows import METRICS, metric_named
from lassbench.scores.summary import Cell

#: What a dash in a table means: not defined, or not measured.
DASH = "-"

STANDINGS = {
    "verified": "scored again here from the predictions, with the same result",
    "submitted": "as sent in, checked for consistency, not scored again",
    "partial": "some predictions were missing: shown, never ranked",
}
#: What the columns that are no metrics mean.
COLUMNS = {
    "Query": "what the system reads: the text, the target's tag, nothing (none), or as an oracle"
    " the references",
    "Queries": "how many the value that ranks stands on",
    "Parameters": "of the model",
    "Standing": ", ".join(f"{name} ({meaning})" for name, meaning in STANDINGS.items()),
}


@dataclass(frozen=True)
class Value:
    """A figure in a table: a mean with its interval, bold where it is (among) the best."""

    mean: float | None
    low: float | None = None
    high: float | None = None
    best: bool = False

    @classmethod
    def of(cls, cell: Cell, *, best: bool) -> Value:
        """The mean and interval of ``cell``."""
        return cls(cell.mean, cell.ci_low, cell.ci_high, best)


@dataclass(frozen=True)
class Size:
    """A number of parameters: rounded for readers, exact for programs."""

    parameters: int | None


Content = str | int | Size | Value


@dataclass(frozen=True)
class Table:
    """Cells of a table: text, whole numbers, sizes or values; notes stand beneath it.

    ``digits`` are the decimals of values where people read them.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Content]]
    notes: Sequence[str]
    digits: int = 2


def rank_text(figure: Figure) -> str:
    """``2``, ``2=`` if shared, with the ranks it takes in 95 % of resamples: ``2= (1-3)``."""
    if figure.rank is None:
        return DASH
    rank = f"{figure.rank}=" if figure.tied else str(figure.rank)
    if figure.rank_low == figure.rank_high == figure.rank:
        return rank
    return f"{rank} ({figure.rank_low}-{figure.rank_high})"


def count_text(number: int | None) -> str:
    """A parameter count as people say it: ``63.4 M``, ``850 k``, ``-`` if unknown."""
    if number is None:
        return DASH
    if number >= 1_000_000:
        return f"{number / 1e6:.1f} M"
    return f"{number / 1e3:.0f} k" if number >= 10_000 else str(number)


def overall_table(table: Standings) -> Table:
    """All metrics of a suite, one row a system, best first."""
    columns = ["Rank", "System", "Query", *(METRICS[name].heading for name in table.metrics)]
    columns += ["Queries", "Parameters", "Standing"]
    marks = _footnoted(table)
    rows: list[list[Content]] = [
        [
            rank_text(row.figures[table.sorted_by]),
            _marked(row, marks),
            row.entry.system.query_type,
            *(Value.of(row.figures[name], best=row.leads(name)) for name in table.metrics),
            row.figures[table.sorted_by].n,
            Size(row.entry.system.parameters),
            row.entry.standing,
        ]
        for row in table.rows
    ]
    notes = [*suite_notes(table), *_footnotes(marks)]
    if rows:
        notes += [f"{METRICS[name].title}: {explanation(name)}." for name in table.metrics]
        notes.append(" ".join(f"{name}: {meaning}." for name, meaning in COLUMNS.items()))
    return Table(table.card.title, columns, rows, notes)


def explanation(metric: str) -> str:
    """What a metric is, and what others call it; an improvement with what it improves."""
    base = METRICS[metric.removesuffix("_i")]
    explained = METRICS[metric].explained
    return explained if base is METRICS[metric] else f"{explained}. {base.title}: {base.explained}"


def breakdown_table(table: Standings, by: str) -> Table | None:
    """One metric by ``concept`` or ``annotator``, a column each; ``None`` if there is none."""
    groups = [row.loaded.breakdowns.get(by, {}) for row in table.rows]
    values = sorted({value for one in groups for value in one})
    if not values:
        return None
    marks = _footnoted(table)
    columns = [_broken_down(table, by, value) for value in values]
    rows: list[list[Content]] = [
        [_marked(row, marks), *cells] for row, *cells in zip(table.rows, *columns, strict=True)
    ]
    title = f"{table.card.title}: {METRICS[table.sorted_by].heading} by {by}"
    notes = suite_notes(table, ranked=False)
    targets = {c[table.sorted_by].targets for one in groups for c in one.values()} - {0} or {0}
    ends = sorted({min(targets), max(targets)})
    notes[-1] += f" Each stands on {' to '.join(map(str, ends))} targets."
    notes += _footnotes(marks)
    notes.append(f"{METRICS[table.sorted_by].title}: {explanation(table.sorted_by)}.")
    return Table(title, ["System", *values], rows, notes)


def _broken_down(table: Standings, by: str, value: str) -> list[Value]:
    """A column of a breakdown: one value a row, bold where :func:`_leads` says so."""
    metric = table.sorted_by
    found = [row.loaded.breakdowns.get(by, {}).get(value, {}).get(metric) for row in table.rows]
    sign = 1.0 if METRICS[metric].better == "higher" else -1.0
    ranked = [
        (sign * cell.mean, cell)
        for row, cell in zip(table.rows, found, strict=True)
        if cell is not None and cell.mean is not None and row.figures[metric].rank is not None
    ]
    best = max(ranked, key=lambda one: one[0])[1] if ranked else None
    # SAR alone says nothing (Row.leads), and here it is alone.
    leading = {id(cell) for _, cell in ranked if best and metric != "sar" and _leads(cell, best)}
    return [Value.of(cell, best=id(cell) in leading) if cell else Value(None) for cell in found]


def _leads(cell: Cell, best: Cell) -> bool:
    """Whether ``cell`` is the best mean, or its interval overlaps that of the best."""
    if cell.mean == best.mean:
        return True
    if cell.ci_low is None or cell.ci_high is None or best.ci_low is None or best.ci_high is None:
        return False
    return cell.ci_low <= best.ci_high and best.ci_low <= cell.ci_high


def _footnoted(table: Standings) -> Mapping[str, str]:
    """note -> its mark, in the order of the rows."""
    marks: dict[str, str] = {}
    for row in table.rows:
        for note in _row_notes(row):
            marks.setdefault(note, f"{len(marks) + 1}")
    return marks


def _row_notes(row: Row) -> list[str]:
    because = f"Not ranked: {row.unranked_because}." if row.unranked_because else ""
    return [note for note in (because, *row.notes) if note]


def _marked(row: Row, marks: Mapping[str, str]) -> str:
    shown = ",".join(marks[note] for note in _row_notes(row))
    return f"{row.name} [{shown}]" if shown else row.name


def _footnotes(marks: Mapping[str, str]) -> list[str]:
    return [f"[{mark}] {note}" for note, mark in marks.items()]


_SAR_ALONE = ", but not in SAR alone, which a system wins that hardly touches the mixture"


def suite_notes(table: Standings, *, ranked: bool = True) -> list[str]:
    """What a reader has to know about a suite before comparing its numbers (or ranks)."""
    card, notes = table.card, []
    if card.synthetic:
        notes.append("Synthetic suite: rendered sounds, no recordings.")
    if table.templated:
        notes.append("Its queries are templated: written by a program, not by people.")
    if table.rows and not ranked:
        notes.append("Intervals are 95 %, from resampled targets.")
        if table.sorted_by != "sar":  # Row.leads
            notes[-1] += (
                " In each column the best mean of a ranked system is bold, and with it every"
                " ranked system whose interval overlaps that of the best: these are not told"
                " apart. Where there are too few targets for intervals, the best mean alone is"
                " bold."
            )
    elif table.rows:
        shared, heading = table.shared[table.sorted_by], METRICS[table.sorted_by].heading
        figures = [row.figures[table.sorted_by] for row in table.rows]
        targets = max((one.targets for one in figures if one.rank is not None), default=0)
        notes.append(
            f"Ranked by {heading} on the {shared} of {card.queries} queries ({targets} targets)"
            " that all ranked systems cover. Intervals are 95 %, from resampled targets. Systems"
            " that cannot be told apart share a rank (=), with the ranks that they take in 95 % of"
            " resamples in brackets; every system that shares the first rank is bold"
            f"{_SAR_ALONE if 'sar' in table.metrics else ''}."
        )
    else:
        notes.append(f"No entry yet. {card.how_to_fill}".strip())
    return notes


def reported_table(reported: Reported) -> Table:
    """Figures of a publication, with its own names for them."""
    columns = ["System", "Test set", "Average", *reported.metrics]
    rows: list[list[Content]] = [
        [
            *(row.system, row.test_set, row.average),
            *(Value(row.figures.get(name)) for name in reported.metrics),
        ]
        for row in reported.rows
    ]
    notes = [
        f"{name} is our {METRICS[one.metric].title}: {METRICS[one.metric].definition}. In the"
        f" source: {one.definition}."
        for name, one in reported.metrics.items()
    ]
    notes += [f"Source: {reported.source_title}, {reported.source_url}", reported.notes]
    return Table(reported.title, columns, rows, [note for note in notes if note], digits=3)


_LATEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def _plain(value: Value, digits: int) -> str:
    if value.mean is None:
        return DASH
    mean = f"{value.mean:.{digits}f}"
    if value.low is None or value.high is None:
        return mean
    return f"{mean} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def to_markdown(table: Table) -> str:
    """A GitHub table with its title and notes."""

    def shown(cell: Content) -> str:
        if isinstance(cell, Size):
            return count_text(cell.parameters)
        if isinstance(cell, Value):
            text = markdown(_plain(cell, table.digits))
            return f"**{text}**" if cell.best and cell.mean is not None else text
        return markdown(str(cell))

    numeric = [_numeric(table, index) for index in range(len(table.columns))]
    lines = [f"### {markdown(table.title)}", ""]
    if table.rows:
        lines.append("| " + " | ".join(map(markdown, table.columns)) + " |")
        lines.append("| " + " | ".join("---:" if right else "---" for right in numeric) + " |")
        lines += ["| " + " | ".join(shown(cell) for cell in row) + " |" for row in table.rows]
        lines.append("")

    def told(line: str) -> str:
        command = line.startswith("lassbench ") and "`" not in line
        return f"`{line}`  " if command else f"{markdown_lines(line)}  "

    notes = (told(line) for note in table.notes for line in note.split("\n"))
    return "\n".join([*lines, *notes]) + "\n"


def _numeric(table: Table, index: int) -> bool:
    return any(isinstance(row[index], Value | Size | int) for row in table.rows)


def to_latex(table: Table) -> str:
    """A booktabs tabular; the notes stand as comments and beneath it."""

    def escape(text: str) -> str:
        return "".join(_LATEX.get(char, char) for char in text)

    def shown(cell: Content) -> str:
        if not isinstance(cell, Value):
            text = count_text(cell.parameters) if isinstance(cell, Size) else str(cell)
            return escape(text) if text != DASH else "--"
        if cell.mean is None:
            return "--"
        mean = f"{cell.mean:.{table.digits}f}"
        mean = f"\\textbf{{{mean}}}" if cell.best else mean
        if cell.low is None or cell.high is None:
            return mean
        low, high = f"{cell.low:.{table.digits}f}", f"{cell.high:.{table.digits}f}"
        return f"{mean} {{\\scriptsize [{low}, {high}]}}"

    numeric = [_numeric(table, index) for index in range(len(table.columns))]
    lines = ["% needs \\usepackage{booktabs}", f"% {' '.join(table.title.split())}"]
    lines.append(f"\\begin{{tabular}}{{{''.join('r' if right else 'l' for right in numeric)}}}")
    lines += ["\\toprule", " & ".join(escape(name) for name in table.columns) + r" \\", "\\midrule"]
    lines += [" & ".join(shown(cell) for cell in row) + r" \\" for row in table.rows]
    lines += ["\\bottomrule", "\\end{tabular}", ""]
    lines += [f"% {' '.join(note.split())}" for note in table.notes]
    return "\n".join(lines) + "\n"


def to_csv(table: Table) -> str:
    """One row a system; a value takes three columns (mean, low, high), numbers unrounded."""
    is_value = [
        any(isinstance(row[index], Value) for row in table.rows)
        for index in range(len(table.columns))
    ]
    header: list[str] = []
    for name, wide in zip(table.columns, is_value, strict=True):
        header += [name, f"{name} low", f"{name} high"] if wide else [name]
    rows: list[list[str]] = []
    for row in table.rows:
        cells: list[str] = []
        for cell in row:
            if isinstance(cell, Value):
                ends = (cell.mean, cell.low, cell.high)
                cells += ["" if end is None else repr(end) for end in ends]
            elif isinstance(cell, Size):
                cells.append("" if cell.parameters is None else str(cell.parameters))
            else:
                cells.append(_safe_cell(cell) if isinstance(cell, str) else str(cell))
        rows.append(cells)
    return write_table([_safe_cell(name) for name in header], rows)


def _safe_cell(text: str) -> str:
    # Entries with such names are refused; this is the second lock on the door.
    return f"'{text}" if text[:1] in tuple("=+@\t\r") or re.match(r"-.", text) else text


def standings_json(table: Standings) -> dict[str, Any]:
    """Everything that the tables of a suite say, unrounded, for programs."""
    return {
        "suite": table.card.model_dump(mode="json"),
        "query_types": list(table.query_types),
        "sorted_by": table.sorted_by,
        "shared_queries": dict(table.shared),
        "notes": suite_notes(table),
        "systems": [_row_json(row) for row in table.rows],
    }


def _row_json(row: Row) -> dict[str, Any]:
    system = row.entry.system
    return {
        "name": row.name,
        "slug": row.loaded.slug,
        "standing": row.entry.standing,
        "date": row.entry.date,
        "query_type": system.query_type,
        "parameters": system.parameters,
        "trained_on": list(system.trained_on),
        "queries_scored": len(row.loaded.rows),
        "generative": system.generative,
        "wrong_source_share": row.loaded.summary.wrong_source_share,
        "unranked_because": row.unranked_because,
        "notes": list(row.notes),
        "metrics": {name: dataclasses.asdict(figure) for name, figure in row.figures.items()},
        "by": {
            by: {v: {m: c.mean for m, c in cells.items()} for v, cells in groups.items()}
            for by, groups in row.loaded.breakdowns.items()
        },
    }


WRITERS: Mapping[str, Callable[[Table], str]] = {
    "md": to_markdown,
    "csv": to_csv,
    "tex": to_latex,
}


def table_files(board: Leaderboard, tables: Sequence[Standings]) -> dict[str, str]:
    """File name -> text of every view of every suite, the overview first."""
    parts = [to_markdown(overall_table(table)) for table in tables]
    parts += [to_markdown(reported_table(one)) for one in board.reported]
    head = "<!-- Made by `lassbench leaderboard build` from the entries: edit those. -->\n\n"
    texts = {"README.md": head + "\n".join(parts)}
    for table in tables:
        for view, content in _views(table):
            stem = table.card.name if view == "overall" else f"{table.card.name}.by-{view}"
            texts |= {f"{stem}.{kind}": write(content) for kind, write in WRITERS.items()}
        texts[f"{table.card.name}.json"] = files.to_json(standings_json(table))
    return texts


def write_tables(texts: Mapping[str, str], out: Path) -> list[Path]:
    """Write :func:`table_files` into ``out``, in place of the tables there; their paths."""
    if out.is_symlink():
        raise UsageError(
            "the folder of tables is a link; tables there would be replaced",
            where=out,
            got=f"a link to {out.readlink()}",
            fix="remove the link",
        )

    def made_before(place: str, names: list[str]) -> list[str]:
        # A suite that is gone must not leave its table; other files stay.
        return [name for name in names if Path(place) == out and name.endswith(_TABLE_SUFFIXES)]

    def build(folder: Path) -> None:
        if out.is_dir():
            shutil.copytree(out, folder, symlinks=True, ignore=made_before, dirs_exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_bytes(text.encode())

    output_folders.replace_folder(out, build, what="the folder of tables")
    return [out / name for name in texts]


_TABLE_SUFFIXES = (".md", ".csv", ".tex", ".json")


def _views(table: Standings) -> list[tuple[str, Table]]:
    views = [("overall", overall_table(table))]
    for by in BREAKDOWN_VIEWS:
        broken_down = breakdown_table(table, by)
        if broken_down is not None:
            views.append((by, broken_down))
    return views


def all_standings(board: Leaderboard, *, metric: str = "", mapper: Mapper = map) -> list[Standings]:
    """The standings of every suite, in the order of their cards.

    Raises
    ------
    UsageError
        If ``metric`` is neither name nor title of a column of any kind of suite.
    """
    known = [name for names in TABLE_METRICS.values() for name in names]
    metric = metric_named(metric, known) if metric else ""
    suites = (
        # A metric of the separation suites does not exist in the others.
        (card, board.entries[name], metric if metric in TABLE_METRICS[card.kind] else "")
        for name, card in board.suites.items()
    )
    return list(many_standings(suites, mapper=mapper))
