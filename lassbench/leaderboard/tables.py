"""A suite's standings as Markdown, CSV, LaTeX and JSON: same entries, same bytes.

Three views of a suite: ``overall`` (all metrics), ``concept`` and ``annotator``
(one metric, a column each).  Every view is first a :class:`Table` of plain
cells; the writers escape for their format and decide nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from lassbench import files, output_folders
from lassbench.csv_files import write_sheet
from lassbench.errors import UsageError
from lassbench.leaderboard.entries import BREAKDOWN_VIEWS, Leaderboard, Reported
from lassbench.leaderboard.ranking import Figure, Standings
from lassbench.plain_text import latex, markdown, markdown_lines
from lassbench.scores.rows import METRICS
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
    def of(cls, cell: Cell | None, *, best: bool) -> Value:
        """The mean and interval of ``cell``, if there is one."""
        return cls(cell.mean, cell.ci_low, cell.ci_high, best) if cell else cls(None)


@dataclass(frozen=True)
class Size:
    """A number of parameters: rounded for readers, exact for programs."""

    parameters: int | None


@dataclass(frozen=True)
class Named:
    """A system with what has to be known of it: marks for readers, words for programs."""

    name: str
    marks: str = ""
    notes: tuple[str, ...] = ()


Content = str | int | Named | Size | Value


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

    @property
    def flush_left(self) -> list[bool]:
        """Which columns are of words: numbers are flush right."""
        return [kind in (str, Named) for kind in self.kinds]

    @property
    def kinds(self) -> list[type]:
        """What each column holds; text where there is no row."""
        first: Sequence[Content] = self.rows[0] if self.rows else self.columns
        return [type(cell) for cell in first]

    def shown(self, cell: Content) -> tuple[str, str, bool]:
        """What people read in a cell: its text, its interval or ``""``, and if it is bold."""
        if isinstance(cell, Size):
            return count_text(cell.parameters), "", False
        if isinstance(cell, Named):
            return f"{cell.name} [{cell.marks}]" if cell.marks else cell.name, "", False
        if not isinstance(cell, Value):
            return str(cell), "", False
        mean, low, high = (
            DASH if one is None else f"{round(one, self.digits) + 0.0:.{self.digits}f}"
            for one in (cell.mean, cell.low, cell.high)
        )
        return mean, "" if DASH in (mean, low, high) else f"[{low}, {high}]", cell.best


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
    names, footnotes = _footnoted(table)
    rows: list[list[Content]] = [
        [
            rank_text(row.figures[table.sorted_by]),
            name,
            row.entry.system.query_type,
            *(Value.of(row.figures[name], best=row.leads(name)) for name in table.metrics),
            row.figures[table.sorted_by].n,
            Size(row.entry.system.parameters),
            row.entry.standing,
        ]
        for name, row in zip(names, table.rows, strict=True)
    ]
    notes = [*suite_notes(table), *footnotes]
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
    metric, definition = table.sorted_by, METRICS[table.sorted_by]
    found = [[one.get(value, {}).get(metric) for one in groups] for value in values]
    names, footnotes = _footnoted(table)
    rows = [*zip(names, *(_column(table, cells) for cells in found), strict=True)]
    targets = {cell.targets for cells in found for cell in cells if cell} - {0} or {0}
    ends = " to ".join(map(str, sorted({min(targets), max(targets)})))
    bold = _BOLD if metric != "sar" else ""
    notes = [
        *_of_sounds_and_texts(table),
        f"Intervals are 95 %, from resampled targets.{bold} Each stands on {ends} targets.",
        *footnotes,
        f"{definition.title}: {explanation(metric)}.",
    ]
    title = f"{table.card.title}: {definition.heading} by {by}"
    return Table(title, ["System", *values], rows, notes)


_BOLD = (
    " In each column the best mean of a ranked system is bold, and with it every ranked system"
    " whose interval overlaps that of the best: these are not told apart. Where there are too few"
    " targets for intervals, the best mean alone is bold."
)


def _column(table: Standings, cells: Sequence[Cell | None]) -> list[Value]:
    """A breakdown's figures of one value, a row each, bold where :func:`_leads` says so."""
    # SAR alone says nothing (Row.leads), and here it is alone.
    ranked = [
        cell if row.figures[table.sorted_by].rank and table.sorted_by != "sar" else None
        for row, cell in zip(table.rows, cells, strict=True)
    ]
    defined = [cell for cell in ranked if cell and cell.mean is not None]
    best = max(defined, key=attrgetter("mean"), default=None)
    return [
        Value.of(cell, best=bool(own and best and _leads(own, best)))
        for cell, own in zip(cells, ranked, strict=True)
    ]


def _leads(cell: Cell, best: Cell) -> bool:
    """Whether ``cell`` is the best mean, or its interval overlaps that of the best."""
    if cell.mean == best.mean:
        return True
    if cell.ci_low is None or cell.ci_high is None or best.ci_low is None or best.ci_high is None:
        return False
    return cell.ci_low <= best.ci_high and best.ci_low <= cell.ci_high


def _footnoted(table: Standings) -> tuple[list[Named], list[str]]:
    """Each row's name with the marks of its notes, and the notes in the order of the rows."""
    marks: dict[str, str] = {}
    names = []
    for row in table.rows:
        because = f"Not ranked: {row.unranked_because}."
        notes = (*[because] * bool(row.unranked_because), *row.notes)
        shown = ",".join(marks.setdefault(note, f"{len(marks) + 1}") for note in notes)
        names.append(Named(row.name, shown, notes))
    return names, [f"[{mark}] {note}" for note, mark in marks.items()]


def _of_sounds_and_texts(table: Standings) -> list[str]:
    notes = {
        "Synthetic suite: rendered sounds, no recordings.": table.card.synthetic,
        "Its queries are templated: written by a program, not by people.": table.templated,
    }
    return [note for note, holds in notes.items() if holds]


_SAR_ALONE = ", but not in SAR alone, which a system wins that hardly touches the mixture"


def suite_notes(table: Standings) -> list[str]:
    """What a reader has to know about a suite before comparing its numbers and ranks."""
    notes = _of_sounds_and_texts(table)
    if not table.rows:
        return [*notes, f"No entry yet. {table.card.how_to_fill}".strip()]
    shared, heading = table.shared[table.sorted_by], METRICS[table.sorted_by].heading
    figures = [row.figures[table.sorted_by] for row in table.rows]
    targets = max((one.targets for one in figures if one.rank is not None), default=0)
    ranks = (
        f"Ranked by {heading} on the {shared} of {table.card.queries} queries ({targets} targets)"
        " that all ranked systems cover. Intervals are 95 %, from resampled targets. Systems"
        " that cannot be told apart share a rank (=), with the ranks that they take in 95 % of"
        " resamples in brackets; every system that shares the first rank is bold"
        f"{_SAR_ALONE if 'sar' in table.metrics else ''}."
    )
    return [*notes, ranks]


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


def to_markdown(table: Table) -> str:
    """A GitHub table with its title and notes."""

    def cell_text(cell: Content) -> str:
        text, interval, best = table.shown(cell)
        text = markdown(f"{text} {interval}".rstrip())
        return f"**{text}**" if best else text

    def told(line: str) -> str:
        command = line.startswith("lassbench ") and "`" not in line
        return f"`{line}`  " if command else f"{markdown_lines(line)}  "

    lines = [f"### {markdown(table.title)}", ""]
    if table.rows:
        rules = ["---" if left else "---:" for left in table.flush_left]
        rows = ([cell_text(cell) for cell in row] for row in table.rows)
        lines += [f"| {' | '.join(one)} |" for one in (map(markdown, table.columns), rules, *rows)]
        lines.append("")
    lines += [told(line) for note in table.notes for line in note.split("\n")]
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    """A booktabs tabular; title and notes stand as comments around it."""

    def cell_text(cell: Content) -> str:
        text, interval, best = table.shown(cell)
        text = "--" if text == DASH else latex(text)
        text = f"\\textbf{{{text}}}" if best else text
        return f"{text} {{\\scriptsize {interval}}}" if interval else text

    def line(cells: Iterable[str]) -> str:
        return " & ".join(cells) + r" \\"

    sides = "".join("l" if left else "r" for left in table.flush_left)
    lines = [
        *("% needs \\usepackage{booktabs}", f"% {' '.join(table.title.split())}"),
        *(f"\\begin{{tabular}}{{{sides}}}", "\\toprule"),
        *(line(map(latex, table.columns)), "\\midrule"),
        *(line(map(cell_text, row)) for row in table.rows),
        *("\\bottomrule", "\\end{tabular}", ""),
        *(f"% {' '.join(note.split())}" for note in table.notes),
    ]
    return "\n".join(lines) + "\n"


def to_csv(table: Table) -> str:
    """One row a system, the name by itself and its notes last; a value takes three columns
    (mean, low, high), numbers unrounded.
    """

    def numbers(cell: Content) -> tuple[str | float | None, ...]:
        if isinstance(cell, Value):
            return cell.mean, cell.low, cell.high
        if isinstance(cell, Named):
            return (cell.name,)
        return (cell.parameters if isinstance(cell, Size) else cell,)

    header: list[str] = []
    for name, kind in zip(table.columns, table.kinds, strict=True):
        header += [name, f"{name} low", f"{name} high"] if kind is Value else [name]
    rows = [[one for cell in row for one in numbers(cell)] for row in table.rows]
    if Named in table.kinds:
        header.append("Notes")
        for line, row in zip(rows, table.rows, strict=True):
            line += [" ".join(cell.notes) for cell in row if isinstance(cell, Named)]
    return write_sheet(header, rows)


def standings_json(table: Standings) -> dict[str, Any]:
    """Everything that the tables of a suite say, unrounded, for programs."""
    of_system = ("name", "query_type", "parameters", "trained_on", "generative")
    systems = [
        {
            **{key: getattr(row.entry.system, key) for key in of_system},
            "slug": row.loaded.slug,
            "standing": row.entry.standing,
            "date": row.entry.date,
            "queries_scored": len(row.loaded.rows),
            "wrong_source_share": row.loaded.summary.wrong_source_share,
            "unranked_because": row.unranked_because,
            "notes": row.notes,
            "metrics": {name: asdict(figure) for name, figure in row.figures.items()},
            "by": {
                by: {v: {m: c.mean for m, c in cells.items()} for v, cells in groups.items()}
                for by, groups in row.loaded.breakdowns.items()
            },
        }
        for row in table.rows
    ]
    return {
        "suite": table.card.model_dump(mode="json"),
        "query_types": table.query_types,
        "sorted_by": table.sorted_by,
        "shared_queries": table.shared,
        "notes": suite_notes(table),
        "systems": systems,
    }


WRITERS = {"md": to_markdown, "csv": to_csv, "tex": to_latex}
_SUFFIXES = (".md", ".csv", ".tex", ".json")


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


def write_tables(texts: Mapping[str, str], out: Path) -> None:
    """Write :func:`table_files` into ``out``, in place of the tables there."""
    if out.is_symlink():
        raise UsageError(
            "the folder of tables is a link; tables there would be replaced",
            where=out,
            got=f"a link to {out.readlink()}",
            fix="remove the link",
        )

    def replaced(place: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(place) == out and name.endswith(_SUFFIXES)]

    def build(folder: Path) -> None:
        if out.is_dir():
            # A suite that is gone must not leave its table; other files stay.
            shutil.copytree(out, folder, symlinks=True, ignore=replaced, dirs_exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_bytes(text.encode())

    output_folders.replace_folder(out, build, what="the folder of tables")


def _views(table: Standings) -> list[tuple[str, Table]]:
    broken_down = ((by, breakdown_table(table, by)) for by in BREAKDOWN_VIEWS)
    return [("overall", overall_table(table)), *((by, one) for by, one in broken_down if one)]
