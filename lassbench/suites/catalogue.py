"""Every suite that can be built: its size, its recipe, where its sound comes from, what is here.

Three kinds stand in the table: the frozen lists of the benchmarks that came with this
installation, the suites that are planned from a dataset, and lists of others
(:mod:`lassbench.suites.lists_of_others`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lassbench import files
from lassbench.benchmark import manifests
from lassbench.csv_files import read_table
from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.plain_text import markdown
from lassbench.suites.lists_of_others import FORMATS
from lassbench.suites.suite import load_suite


@dataclass(frozen=True)
class KnownSuite:
    """A suite that can be built.  Its numbers are text, since some depend on the user's files.

    ``rate`` is in kHz, ``length`` in seconds.
    """

    name: str
    mixtures: str
    queries: str
    kind: str
    rate: str
    length: str
    recipe: str
    audio_from: str
    licence: str


@dataclass(frozen=True)
class FoundSuite:
    """A suite folder: ``format`` is what it was imported as, ``words`` how much of it is here."""

    path: Path
    name: str
    format: str
    words: str


_AUDIOCAPS = "lists: MIT; AudioCaps: academic use only"
_PLANNED = (
    KnownSuite(
        *("esc10-test", "400", "400", "separation", "32", "5", "equal peaks"),
        *("ESC-10 (ESC-50 with --only-esc10)", "CC BY and CC0, by clip"),
    ),
    KnownSuite(
        *("esc50-test", "2000", "2000", "separation", "32", "5", "equal peaks"),
        *("ESC-50", "CC BY-NC"),
    ),
    KnownSuite(
        *("synthetic-test", "1000", "1000", "separation", "32", "10", "equal peaks"),
        *("rendered, no download", "MIT"),
    ),
    KnownSuite(
        *("FOLDER-test", "5 a test clip", "5 a test clip", "separation", "any", "any"),
        *("equal peaks", "a folder of your own", "yours"),
    ),
)


def known_suites() -> list[KnownSuite]:
    """The whole table; the counts of frozen lists are read from them."""
    return [*_frozen(), *_PLANNED, *_of_others()]


def _frozen() -> Iterable[KnownSuite]:
    for name in manifests.shipped():
        benchmark = manifests.open_benchmark(name)
        said = benchmark.definition
        for suite, kind in benchmark.suites.items():
            rows = read_table(benchmark.path / f"{suite}.csv", ("mixture_id",))
            mixtures = len({row["mixture_id"] for row in rows})
            yield KnownSuite(
                suite,
                str(mixtures),
                str(len(rows)),
                "absent" if kind == "absent" else "separation",
                f"{said.sample_rate_hz / 1000:g}",
                f"{said.clip_seconds:g}",
                "equal peaks",
                "AudioCaps" + (", and five people's descriptions" if kind == "sub_test" else ""),
                _AUDIOCAPS,
            )


def _of_others() -> Iterable[KnownSuite]:
    for name, form in FORMATS.items():
        recipe = form.recipe + (" (presumed)" if form.presumed else "")
        if form.presumed and form.recipe == "as given":
            recipe = "as given, or by power (presumed)"
        rows = [str(form.rows or "any")] * 2
        rate = f"{form.rate_hz / 1000:g}" if form.rate_hz else "its files'"
        length = f"{form.seconds:g}" if form.seconds else "its files'"
        yield KnownSuite(
            *(name, *rows, form.kind, rate, length, recipe, form.audio_from, form.licence)
        )


def found_suites(folders: Sequence[Path]) -> list[FoundSuite]:
    """The suites in ``folders`` and just below: in a dataset's ``suites/``, or side by side.

    Raises
    ------
    UsageError
        If a folder is not there.
    """
    found: dict[Path, FoundSuite] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError("no such folder", where=folder, fix="name folders with suites in them")
        for below in ("", "[!.]*/", "suites/[!.]*/", "[!.]*/suites/[!.]*/"):
            for path in files.listed(folder, f"{below}suite.json"):
                if (real := path.parent.resolve()) not in found:
                    found[real] = _found(path.parent)
    return list(found.values())


def _found(path: Path) -> FoundSuite:
    try:
        suite = load_suite(path)
    except LassbenchError as error:
        return FoundSuite(path, path.name, "", f"cannot be used: {one_line(error.brief, 120)}")
    here = len(suite.mixtures) - len(suite.missing)
    words = f"{here} of {len(suite.mixtures)} mixtures"
    return FoundSuite(path, suite.name, suite.dataset_name, words)


def describe(folders: Sequence[Path]) -> list[str]:
    """The table for a terminal, with what of it is in ``folders``, and what else is there."""
    found = found_suites(folders)
    rows = [("suite", "mixtures", "queries", "kind", "kHz", "s", "recipe", "audio from", "here")]
    named: set[Path] = set()
    for known in known_suites():
        mine = [one for one in found if known.name in (one.name, one.format)]
        named |= {one.path for one in mine}
        here = ", ".join(f"{one.path} ({one.words})" for one in mine) or "-"
        rows.append(
            (
                *(known.name, known.mixtures, known.queries, known.kind, known.rate),
                *(known.length, known.recipe, known.audio_from, here),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    others = [f"  {one.path}: {one.name}, {one.words}" for one in found if one.path not in named]
    return [*lines, *(["", "other suites here:", *others] if others else [])]


def markdown_table() -> list[str]:
    """The table of ``docs/suites.md``: what can be built, whatever is here."""
    header = ("suite", "mixtures", "queries", "rate (kHz)", "length (s)")
    rows = [(*header, "recipe", "audio from", "licence")]
    rows += [
        (
            *(one.name, one.mixtures, one.queries, one.rate, one.length),
            *(one.recipe, one.audio_from, one.licence),
        )
        for one in known_suites()
    ]
    lines = [f"| {' | '.join(map(markdown, row))} |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]
