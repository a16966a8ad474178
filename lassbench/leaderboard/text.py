"""Text from strangers: what may stand in an entry, and what is refused.

Names, descriptions and links of entries end in HTML, Markdown, LaTeX,
spreadsheets and terminals.  Every writer escapes what it writes; this module is
the line before that one: text that could only be meant to break out of a cell,
or that cannot be read by a person, never becomes an entry.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from lassbench.errors import one_line
from lassbench.files import name_of

#: Longest system name on the leaderboard, in characters.
NAME_LIMIT = 80
#: Longest text of any other kind, in characters.
TEXT_LIMIT = 2000
#: Longest list of anything (training sets, links, warnings).
LIST_LIMIT = 200

# A spreadsheet takes a cell that starts like this for a formula (OWASP, "CSV
# injection"); the full-width forms are turned into the plain ones on import.
_FORMULA_STARTS = "=+-@\t\r＝＋－＠"
_MARKUP = re.compile(r"<\s*[a-zA-Z/!?]|\b(?:java|vb)script\s*:", re.IGNORECASE)
# Latin and Cyrillic letters in one word look alike and are not: somebody
# else's name, spelt with other letters.
_MIXED_SCRIPTS = re.compile(r"[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")
_NAME_REFUSED = set('<>"`|\\{}$^~')
_COMBINING_RUN = 3
# Device names that Windows does not allow as a file name, and names of the
# site's own pages.
_RESERVED = {"con", "prn", "aux", "nul", "index"} | {
    f"{port}{digit}" for port in ("com", "lpt") for digit in range(1, 10)
}


def slug(name: str) -> str:
    """The file stem that a system of this name has: ASCII, lower case."""
    folded = unicodedata.normalize("NFKD", name)
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    return name_of(plain).lower()


def identity(name: str) -> str:
    """``name`` as two readers would compare it: compatibility forms, case and spaces folded."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


@functools.lru_cache(maxsize=200_000)
def text_fault(text: str, *, limit: int = TEXT_LIMIT, lines: bool = False) -> str:
    """Why ``text`` may not stand in an entry, or ``""`` if it may.

    Parameters
    ----------
    limit
        Most characters allowed.
    lines
        Whether line breaks are allowed (descriptions and notes).
    """
    if len(text) > limit:
        return f"{len(text)} characters long, at most {limit} are allowed"
    refused = refused_character(text.replace("\n", " ") if lines else text)
    if refused:
        return refused
    if text.strip()[:1] and text.strip()[0] in _FORMULA_STARTS:
        return f"starts with {text.strip()[0]!r}, which a spreadsheet takes for a formula"
    found = _MARKUP.search(text)
    if found:
        return f"holds markup or a script link ({one_line(found.group(), 20)!r})"
    return ""


def refused_character(text: str) -> str:
    """Which character of ``text`` nobody could see or should send, or ``""``."""
    run = 0
    for char in text:
        category = unicodedata.category(char)
        if category[0] == "C" or category in ("Zl", "Zp"):
            return f"holds the control or invisible character U+{ord(char):04X}"
        run = run + 1 if category[0] == "M" else 0
        if run > _COMBINING_RUN:
            return "piles up combining marks"
    return ""


def name_fault(name: str) -> str:
    """Why ``name`` cannot be a system's name, or ``""`` if it can."""
    general = text_fault(name, limit=NAME_LIMIT)
    if general:
        return general
    refused = sorted(_NAME_REFUSED & set(name))
    if refused:
        return f"holds {' '.join(refused)}, which a name may not"
    if _MIXED_SCRIPTS.search(name):
        return "mixes Latin and Cyrillic letters in one word"
    if name != " ".join(name.split()):
        return "starts or ends with a space, or has two in a row"
    if not re.search(r"[a-z0-9]", slug(name)) or (slug(name) == "system" and name != "system"):
        return "has no Latin letter or digit to make a file name from"
    if slug(name) in _RESERVED:
        return "is reserved, choose another"
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


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every string below ``value`` with its dotted path, keys of mappings included."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.(key)".lstrip("."), str(key)
            yield from strings(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            yield from strings(inner, f"{path}.{number}".lstrip("."))
