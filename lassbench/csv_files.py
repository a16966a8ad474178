"""Tables in CSV: the only reader, the only writer, and how a cell holds several values.

What people save comes in many forms: with a byte-order mark, Windows line ends,
in UTF-16, separated by ``;`` or tabs (spreadsheets do so where the comma is the
decimal sign), with column names in capitals.  All of them are read.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, did_you_mean, one_line
from lassbench.files import read_text
from lassbench.plain_text import spreadsheet, visible
from lassbench.records import TAG_SEPARATOR

#: What may stand between cells; the first is what this package writes.
_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Row:
    """One line of a table: ``where`` is ``file:line``, ``cells`` go by lower-case column name.

    ``row["column"]`` is a cell without spaces at its ends, ``""`` where there is
    no such column; ``cells`` are as they are written.
    """

    where: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "").strip()


def read_table(
    path: Path,
    required: Sequence[str],
    *,
    one_of: Sequence[Sequence[str]] = (),
    repeated: Sequence[str] = (),
    check_header: Callable[[Sequence[str], str], None] | None = None,
) -> list[Row]:
    """The rows of a CSV file with a header line.

    Empty lines are skipped; columns that nobody asked for are kept.

    Parameters
    ----------
    required
        Columns that must be there, in lower case.
    one_of
        Groups of columns, of each of which at least one must be there.
    repeated
        Columns that may stand more than once; the second is ``<name>.2`` and so on.
    check_header
        Given the names in the header, in lower case, and its ``file:line``, before
        anything else is: it may refuse the table in its caller's words.

    Raises
    ------
    UsageError
        If the file is missing.
    LassbenchError
        If it is unreadable or no text, has no header, or lacks a column.
    FaultsError
        If rows have more or fewer cells than the header, all of them listed.
    """
    if not path.is_file():
        raise UsageError("no such file", where=path, fix="check the path")
    lines = read_text(path)
    skipped, separator = 0, ""
    if excels := re.match(r"\"?sep=(.)\"?\r?\n", lines, re.IGNORECASE):  # Excel's own first line
        skipped, separator, lines = 1, excels[1], lines[excels.end() :]
    groups = [*((column,) for column in required), *one_of]
    separator = separator or _separator(lines, groups)
    # The csv module counts physical lines, so a quoted line break does not
    # shift the numbers that messages give.
    reader = csv.reader(io.StringIO(lines, newline=""), strict=True, delimiter=separator)
    header: list[str] = []
    rows: list[Row] = []
    faults: list[Fault] = []
    begins = skipped + 1
    try:
        for cells in reader:
            where = f"{path}:{reader.line_num + skipped}"
            begins = reader.line_num + skipped + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                names = [_plain(cell) for cell in cells]
                if check_header:
                    check_header(names, where)
                header = _header(names, where, groups, repeated)
            elif len(cells) != len(header):
                reason = f"has {len(cells)} cells, the header {len(header)}"
                faults.append(Fault("cells", where, reason))
            else:
                rows.append(Row(where, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        # A quote without end is at fault where it begins, not where the file ends.
        reason = f"not valid CSV ({error}): is a quote without end in the row that begins here?"
        faults.append(Fault("quoting", f"{path}:{begins}", reason))
    if not header and not faults:
        raise LassbenchError("has no header line", where=path, expected=_named(groups))
    if faults:
        raise FaultsError("rows that cannot be read", faults, fix="correct these lines")
    return rows


def _separator(lines: str, groups: Sequence[Sequence[str]]) -> str:
    """The separator with which the header has the most of the columns asked for."""
    header = next((line for line in lines.splitlines() if line.strip()), "")

    def lacking(separator: str) -> int:
        try:
            cells = next(csv.reader([header], delimiter=separator), [])
        except csv.Error:
            return len(groups)
        found = {_plain(cell) for cell in cells}
        return sum(not found & set(group) for group in groups)

    return min(_SEPARATORS, key=lacking)


def _plain(cell: str) -> str:
    return cell.strip().lower()


def _header(
    names: Sequence[str], where: str, groups: Sequence[Sequence[str]], repeated: Sequence[str]
) -> list[str]:
    missing = [" or ".join(group) for group in groups if not set(group) & set(names)]
    if missing:
        raise LassbenchError(
            f"the table lacks the column {', '.join(missing)}"
            + "".join(did_you_mean(column, names[:500]) for column in missing),
            where=where,
            expected=_named(groups),
            got=one_line(", ".join(names)),
            fix="add the column, or name the right file",
        )
    seen: Counter[str] = Counter()
    header: list[str] = []
    for name in names:
        seen[name] += 1
        if name and seen[name] > 1 and name not in repeated:
            raise LassbenchError(
                f"the table has the column {one_line(name, 80)} twice",
                where=where,
                fix="rename or remove one of them",
            )
        header.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return header


def _named(groups: Sequence[Sequence[str]]) -> str:
    return ", ".join(" or ".join(group) for group in groups)


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV text with a header: LF line ends, quotes only where they are needed.

    Texts are written as they are, to be read back: :func:`write_sheet` is for people.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def write_sheet(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """:func:`write_table` for people's spreadsheets: no text is a formula or leaves its line."""
    return write_table(
        [spreadsheet(visible(name)) for name in columns],
        (
            [spreadsheet(visible(cell)) if isinstance(cell, str) else cell for cell in row]
            for row in rows
        ),
    )


def join(values: Iterable[object]) -> str:
    """Several values as one cell."""
    return TAG_SEPARATOR.join(str(value) for value in values)


def split(cell: str) -> tuple[str, ...]:
    """The values that :func:`join` made ``cell`` from."""
    return tuple(cell.split(TAG_SEPARATOR)) if cell else ()
