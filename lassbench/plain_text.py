"""Text from others: what is refused, and how the rest is written into Markdown.

Titles, captions, names and links come from files that people pass on, and end in
HTML, Markdown, LaTeX, spreadsheets and terminals.  Every writer escapes what it
writes; before that, text that could only be meant to break out of its place, or
that nobody could read, is refused where it comes in.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import urlsplit

from lassbench.errors import one_line

#: Longest text of any kind, and longest caption, tag or concept, in characters.
TEXT_LIMIT = 2000
CAPTION_LIMIT = 1000

# A spreadsheet takes a cell that starts like this for a formula (OWASP, "CSV
# injection"); the full-width forms are turned into the plain ones on import.
_FORMULA_STARTS = "=+-@\t\r＝＋－＠"
_STARTS = f"[{re.escape(_FORMULA_STARTS)}]"
# Where the comma is the decimal sign, cells are taken apart at semicolons and line ends;
# spaces in front are trimmed.
_BEGIN, _SPACES = r"(?<![^;\t\r\n])", r"[^\S\t\r\n]*"
_FORMULA = re.compile(rf"{_BEGIN}(?='*{_SPACES}{_STARTS})")
_HELD_FORMULA = re.compile(rf"{_BEGIN}'(?='*{_SPACES}{_STARTS})")
# A dash, numbers and YouTube ids.
_NO_FORMULA = re.compile(r"-([0-9][0-9.]*(e[-+]?[0-9]+)?|[A-Za-z0-9_-]{10})?")
_LATEX = str.maketrans(
    {
        **{char: f"\\{char}" for char in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
    }
)
_MARKUP = re.compile(r"<[a-zA-Z/!?]|\b(?:java|vb)script\s*:", re.IGNORECASE)
_COMBINING_RUN = 6
#: What joins, parts and directs letters in Persian, Hindi, Hebrew and many others, and emoji.
_JOINERS = set("\u00ad\u200c\u200d\u200e\u200f")
# An underscore inside of a word begins nothing.
_MARKDOWN = re.compile(r"([\\`*{}\[\]<>#|~&!]|(?<![^\W_])_|_(?![^\W_]))")


@functools.lru_cache(maxsize=200_000)
def text_fault(
    text: str, *, limit: int = TEXT_LIMIT, lines: bool = False, formulas: bool = False
) -> str:
    """Why ``text`` is refused, or ``""`` if it is not.

    Parameters
    ----------
    limit
        Most characters allowed.
    lines
        Whether line breaks are allowed (descriptions and notes).
    formulas
        Whether it may begin as a spreadsheet's formula does.
    """
    if len(text) > limit:
        return f"{len(text)} characters long, at most {limit} are allowed"
    refused = refused_character(text.replace("\n", " ") if lines else text)
    if refused:
        return refused
    if not formulas and text.strip()[:1] and text.strip()[0] in _FORMULA_STARTS:
        return f"starts with {text.strip()[0]!r}, which a spreadsheet takes for a formula"
    found = _MARKUP.search(text)
    if found:
        return f"holds markup or a script link ({one_line(found.group(), 20)!r})"
    return ""


def caption_fault(text: str) -> str:
    """Why ``text`` cannot be a caption, a query, a tag or a concept, or ``""`` if it can.

    The same for datasets, suites and the rows of a leaderboard's entries, so that
    nobody trains and scores with what is refused at the end.  People begin a caption
    with a dash; tables for spreadsheets escape that.
    """
    return text_fault(text, limit=CAPTION_LIMIT, formulas=True)


def refused_character(text: str) -> str:
    """Which character of ``text`` nobody could see or should send, or ``""``."""
    run = 0
    for char in text:
        category = unicodedata.category(char)
        if (category[0] == "C" and char not in _JOINERS) or category in ("Zl", "Zp"):
            return f"holds the control or invisible character U+{ord(char):04X}"
        run = run + 1 if category in ("Mn", "Me") else 0
        if run > _COMBINING_RUN:
            return "piles up combining marks"
    return ""


def url_fault(url: str) -> str:
    """Why ``url`` cannot be linked, or ``""`` if it can (http and https only)."""
    if len(url) > TEXT_LIMIT:
        return f"{len(url)} characters long, at most {TEXT_LIMIT} are allowed"
    if re.search(r"[\s\"'<>`\\{}|^]", url) or not url.isprintable():
        return "holds spaces, quotes or control characters"
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        return f"is not a web address ({error})"
    if parts.scheme not in ("http", "https") or not host:
        return "is not an http or https address"
    if parts.username or parts.password:
        return "carries a user name or password"
    return ""


def spreadsheet(text: str) -> str:
    """``text`` as a cell that no spreadsheet takes for a formula: ``'`` stands before one.

    A dash alone, numbers and YouTube ids stay.  :func:`from_spreadsheet` gives ``text``
    back, whatever it is.
    """
    return text if _NO_FORMULA.fullmatch(text) else _FORMULA.sub("'", text)


def from_spreadsheet(cell: str) -> str:
    """The text that :func:`spreadsheet` made ``cell`` from."""
    return _HELD_FORMULA.sub("", cell)


def visible(text: str) -> str:
    """``text`` in one line, with escapes for control and invisible characters."""
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode() if refused_character(char) else char for char in text
    )


def latex(text: str) -> str:
    """``text`` as a cell of a LaTeX table that shows it as it is.

    In front of a row ``[`` and ``*`` would be arguments of the row's end above.
    """
    return re.sub(r"^\s*([\[*])", r"{\1}", text.translate(_LATEX))


def text_table(rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """``rows`` as lines of columns: the first ``left`` flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[:left] = [cell.ljust(width) for cell, width in zip(row, widths[:left], strict=False)]
        lines.append("  ".join(cells).rstrip())
    return lines


def markdown(text: str) -> str:
    """``text`` as part of a line of Markdown that shows it as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def markdown_lines(text: str) -> str:
    """``text`` as lines of Markdown: paragraphs stay, and no list, heading or code begins."""
    return "\n".join(
        re.sub(r"^([-+=])|^(\d+)(?=[.)])", _held, markdown(line.strip()))
        for line in text.strip().split("\n")
    )


def _held(found: re.Match[str]) -> str:
    return f"\\{found[1]}" if found[1] else f"{found[2]}\\"


def markdown_link(url: str) -> str:
    """``url``, which :func:`url_fault` has passed, as Markdown that links to it alone."""
    return url if markdown(url) == url else f"<{url}>"


def markdown_fence(text: str) -> list[str]:
    """``text`` as the lines of a block of code that nothing in it can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, *text.strip("\n").split("\n"), fence]
