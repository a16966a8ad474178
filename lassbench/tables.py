"""CSV cells and text files: the small agreements that every list of this package keeps."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from lassbench import files
from lassbench.errors import LassbenchError

#: What joins several values in one cell; AudioSet's display names hold commas,
#: never this.
SEPARATOR = "; "


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without byte-order mark, its line ends as they are.

    Raises
    ------
    LassbenchError
        If the file cannot be read, is not UTF-8 or holds a NUL, with the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise files.explain_os_error(error, path) from error
    nul = data.find(b"\0")
    if nul >= 0:
        raise LassbenchError(
            "holds a NUL byte: it is not a text file, or a broken copy",
            where=f"{path}:{line_at(data, nul)}",
            fix="restore the file",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LassbenchError(
            "is not UTF-8 text",
            where=f"{path}:{line_at(data, error.start)}",
            got=f"byte 0x{data[error.start]:02x}",
            fix="save the file as UTF-8",
        ) from error


def line_at(data: bytes, offset: int) -> int:
    """The line, counted from 1, that holds the byte at ``offset``."""
    return data.count(b"\n", 0, offset) + 1


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV text with a header: LF line ends, quotes only where they are needed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def join(values: Iterable[object]) -> str:
    """Several values as one cell."""
    return SEPARATOR.join(str(value) for value in values)


def split(cell: str) -> tuple[str, ...]:
    """The values that :func:`join` made ``cell`` from."""
    return tuple(cell.split(SEPARATOR)) if cell else ()
