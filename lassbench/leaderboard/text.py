"""Names of systems: which are refused, which are the same, and the file that each has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from lassbench.files import name_of
from lassbench.plain_text import text_fault

#: Longest system name on the leaderboard, in characters.
NAME_LIMIT = 80
#: Longest list of anything (training sets, links, warnings).
LIST_LIMIT = 200

# Latin and Cyrillic letters in one word look alike and are not: somebody
# else's name, spelt with other letters.
_MIXED_SCRIPTS = re.compile(r"[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")
_NAME_REFUSED = set('<>"`|\\{}$^~')
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


def name_fault(name: str) -> str:
    """Why ``name`` cannot be a system's name, or ``""`` if it can."""
    general = text_fault(name, limit=NAME_LIMIT)
    if general:
        return general
    if any(unicodedata.category(char) == "Cf" for char in name):
        return "holds an invisible character"
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
