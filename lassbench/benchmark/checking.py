"""Compare a benchmark's files with those that the metadata gives."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from lassbench.benchmark import manifests
from lassbench.benchmark.building import Built, build
from lassbench.benchmark.definitions import read_definition
from lassbench.benchmark.metadata import MetadataSource
from lassbench.benchmark.sources import load_metadata
from lassbench.errors import Fault

#: A file's differences are listed up to this many.
LISTED_DIFFERENCES = 10


def verify(path: Path, source: MetadataSource) -> tuple[Built, list[Fault]]:
    """Rebuild a benchmark and compare every file with the one that is there.

    Returns
    -------
    built, differences
        The rebuilt benchmark, and each line that differs, with file and line.

    Raises
    ------
    LassbenchError
        If the metadata or the definition cannot be used.
    """
    definition = read_definition(path / manifests.DEFINITION)
    built = build(definition, load_metadata(source, definition))
    return built, compare(path, built.contents)


def compare(path: Path, contents: Mapping[str, str]) -> list[Fault]:
    """How the files in ``path`` differ from ``contents``, byte for byte."""
    faults: list[Fault] = []
    for name, text in contents.items():
        file = path / name
        if not file.is_file():
            faults.append(Fault("missing", str(file), "the rebuilt benchmark has this file"))
            continue
        found = file.read_bytes()
        if found != text.encode():
            faults += _compare_lines(file, found, text)
    return faults


def _compare_lines(file: Path, found: bytes, text: str) -> list[Fault]:
    plain = found.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    if plain == text.encode():
        line = (
            1 if found.startswith(b"\xef\xbb\xbf") else found[: found.index(b"\r\n")].count(10) + 1
        )
        reason = "only the byte-order mark or the line ends differ"
        return [Fault("differs", f"{file}:{line}", reason)]
    there = plain.decode("utf-8", "backslashreplace").split("\n")
    rebuilt = text.split("\n")
    faults: list[Fault] = []
    for line, old, new in _changes(there, rebuilt):
        reason = f"is {old!r}, rebuilt as {new!r}"
        if old is None:
            reason = f"lacks the line {new!r}"
        elif new is None:
            reason = f"has {old!r}, which the rebuilt list has not"
        faults.append(Fault("differs", f"{file}:{line}", reason))
        if len(faults) == LISTED_DIFFERENCES:
            break
    return faults


def _changes(
    there: Sequence[str], rebuilt: Sequence[str]
) -> list[tuple[int, str | None, str | None]]:
    """(line, what is there, what was rebuilt) for each line that differs."""
    # What both begin and end with costs the difference nothing.
    start = 0
    while start < min(len(there), len(rebuilt)) and there[start] == rebuilt[start]:
        start += 1
    stop = 0
    while stop < min(len(there), len(rebuilt)) - start and there[-1 - stop] == rebuilt[-1 - stop]:
        stop += 1
    old, new = there[start : len(there) - stop], rebuilt[start : len(rebuilt) - stop]
    changes: list[tuple[int, str | None, str | None]] = []
    matcher = difflib.SequenceMatcher(None, old, new)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            continue
        for offset in range(max(b - a, d - c)):
            before = old[a + offset] if a + offset < b else None
            after = new[c + offset] if c + offset < d else None
            changes.append((start + min(a + offset, b) + 1, before, after))
    return changes
