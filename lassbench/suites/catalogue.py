"""Every suite that can be built: its size, its recipe, where its sound comes from, what is here.

Three kinds stand in the table: the frozen lists of the benchmarks that came with this
installation, the suites that are planned from a dataset, and lists of others
(:mod:`lassbench.suites.lists_of_others`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from lassbench import files
from lassbench.benchmark import manifests
from lassbench.csv_files import read_table
from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.plain_text import markdown
from lassbench.suites.lists_of_others import FORMATS
from lassbench.suites.suite import load_suite


class KnownSuite(NamedTuple):
    """A suite that can be built.  Its numbers are text, since some depend on the user's files.

    ``rate`` is in kHz, ``length`` in seconds.
    """

    name: str
    mixtures: str
    queries: str
    kind: str
    rate: str
    length: str
    audio_from: str
    licence: str
    recipe: str = "equal peaks"


class FoundSuite(NamedTuple):
    """A suite folder: ``format`` is what it was imported as, ``words`` how much of it is here."""

    path: Path
    name: str
    format: str
    words: str


def known_suites() -> list[KnownSuite]:
    """The whole table; the counts of frozen lists are read from them."""
    return [*_frozen(), *_planned(), *_of_others()]


def _frozen() -> Iterable[KnownSuite]:
    for name in manifests.shipped():
        benchmark = manifests.open_benchmark(name)
        said = benchmark.definition
        for suite, kind in benchmark.suites.items():
            rows = read_table(benchmark.path / f"{suite}.csv", ("mixture_id",))
            yield KnownSuite(
                suite,
                str(len({row["mixture_id"] for row in rows})),
                str(len(rows)),
                "absent" if kind == "absent" else "separation",
                f"{said.sample_rate_hz / 1000:g}",
                f"{said.clip_seconds:g}",
                "AudioCaps" + (", and five people's descriptions" if kind == "sub_test" else ""),
                "lists: MIT; AudioCaps: academic use only",
            )


def _planned() -> Iterable[KnownSuite]:
    esc10 = "ESC-10 (ESC-50 with --only-esc10)"
    for name, count, rate, length, audio_from, licence in (
        ("esc10-test", "400", "32", "5", esc10, "CC BY and CC0, by clip"),
        ("esc50-test", "2000", "32", "5", "ESC-50", "CC BY-NC"),
        ("synthetic-test", "1000", "32", "10", "rendered, no download", "MIT"),
        ("FOLDER-test", "5 a test clip", "any", "any", "a folder of your own", "yours"),
    ):
        yield KnownSuite(name, count, count, "separation", rate, length, audio_from, licence)


def _of_others() -> Iterable[KnownSuite]:
    for name, form in FORMATS.items():
        recipe = form.recipe + (" (presumed)" if form.presumed else "")
        if form.presumed and form.recipe == "as given":
            recipe = "as given, or by power (presumed)"
        rows = str(form.rows or "any")
        rate = f"{form.rate_hz / 1000:g}" if form.rate_hz else "its files'"
        length = f"{form.seconds:g}" if form.seconds else "its files'"
        yield KnownSuite(
            *(name, rows, rows, form.kind, rate, length, form.audio_from, form.licence, recipe)
        )


def found_suites(folders: Sequence[Path]) -> list[FoundSuite]:
    """The suites in ``folders`` and just below: in a dataset's ``suites/``, or side by side.

    Raises
    ------
    UsageError
        If a folder is not there.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError("no such folder", where=folder, fix="name folders with suites in them")
        for below in ("", "[!.]*/", "suites/[!.]*/", "[!.]*/suites/[!.]*/"):
            for path in files.listed(folder, f"{below}suite.json"):
                found.setdefault(path.parent.resolve(), path.parent)
    return [_found(path) for path in found.values()]


def _found(path: Path) -> FoundSuite:
    try:
        suite = load_suite(path)
    except LassbenchError as error:
        return FoundSuite(path, path.name, "", f"cannot be used: {one_line(error.brief, 120)}")
    here = len(suite.mixtures) - len(suite.missing)
    words = f"{here} of {len(suite.mixtures)} mixtures"
    return FoundSuite(path, suite.name, suite.frozen_from.name, words)


def describe(folders: Sequence[Path]) -> list[str]:
    """The table for a terminal, with what of it is in ``folders``, and what else is there."""
    found = found_suites(folders)
    named: set[FoundSuite] = set()
    rows = [("suite", "mixtures", "queries", "kind", "kHz", "s", "recipe", "audio from", "here")]
    for one in known_suites():
        mine = [suite for suite in found if one.name in (suite.name, suite.format)]
        named.update(mine)
        here = ", ".join(f"{suite.path} ({suite.words})" for suite in mine) or "-"
        rows.append((*one[:6], one.recipe, one.audio_from, here))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    others = [f"  {one.path}: {one.name}, {one.words}" for one in found if one not in named]
    return [*lines, *(["", "other suites here:", *others] if others else [])]


def markdown_table() -> list[str]:
    """The table of ``docs/suites.md``: what can be built, whatever is here."""
    header = ("suite", "mixtures", "queries", "rate (kHz)", "length (s)")
    rows = [(*header, "recipe", "audio from", "licence")]
    for one in known_suites():
        numbers = (one.mixtures, one.queries, one.rate, one.length)
        rows.append((one.name, *numbers, one.recipe, one.audio_from, one.licence))
    lines = [f"| {' | '.join(map(markdown, row))} |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]
