"""Every suite that can be built: its size, its recipe, where its sound comes from, what is here.

Three kinds stand in the table: the frozen lists of the benchmarks that came with this
installation, the suites that are planned from a dataset, and lists of others
(:mod:`lassbench.suites.lists_of_others`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lassbench import files
from lassbench.benchmark import manifests
from lassbench.csv_files import read_table
from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.plain_text import markdown, text_table
from lassbench.suites.lists_of_others import FORMATS
from lassbench.suites.suite import load_suite


class KnownSuite(NamedTuple):
    """A suite that can be built.  Its numbers are text, since some depend on the user's files.

    ``rate`` is in kHz, ``length`` in seconds.
    """

    name: str
    mixtures: str
    queries: str
    rate: str
    length: str
    recipe: str
    audio_from: str
    licence: str
    kind: str


def known_suites() -> Iterator[KnownSuite]:
    """The whole table; the counts of frozen lists are read from them."""
    for benchmark in map(manifests.open_benchmark, manifests.shipped()):
        said = benchmark.definition
        for name, kind in benchmark.suites.items():
            rows = read_table(benchmark.path / f"{name}.csv", ("mixture_id",))
            yield KnownSuite(
                name,
                str(len({row["mixture_id"] for row in rows})),
                str(len(rows)),
                f"{said.sample_rate_hz / 1000:g}",
                f"{said.clip_seconds:g}",
                "equal peaks",
                "AudioCaps" + (", and five people's descriptions" if kind == "sub_test" else ""),
                "lists: MIT; AudioCaps: academic use only",
                "absent" if kind == "absent" else "separation",
            )
    esc10 = "ESC-10 (ESC-50 with --only-esc10)"
    for name, count, rate, length, audio_from, licence in (
        ("esc10-test", "400", "32", "5", esc10, "CC BY and CC0, by clip"),
        ("esc50-test", "2000", "32", "5", "ESC-50", "CC BY-NC"),
        ("synthetic-test", "1000", "32", "10", "rendered, no download", "MIT"),
        ("FOLDER-test", "5 a test clip", "any", "any", "a folder of your own", "yours"),
    ):
        how = ("equal peaks", audio_from, licence, "separation")
        yield KnownSuite(name, count, count, rate, length, *how)
    for name, form in FORMATS.items():
        count = str(form.rows or "any")
        rate = f"{form.rate_hz / 1000:g}" if form.rate_hz else "its files'"
        length = f"{form.seconds:g}" if form.seconds else "its files'"
        recipe = ", or ".join(form.recipes) + " (presumed)" * form.presumed
        how = (recipe, form.audio_from, form.licence, form.kind)
        yield KnownSuite(name, count, count, rate, length, *how)


class FoundSuite(NamedTuple):
    """A suite folder: ``format`` is what it was imported as, ``words`` how much of it is here."""

    path: Path
    name: str
    format: str
    words: str


def found_suites(folders: Sequence[Path]) -> list[FoundSuite]:
    """The suites in ``folders`` and just below: in a dataset's ``suites/``, or side by side.

    Raises
    ------
    UsageError
        If a folder is not there.
    """
    paths: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError("no such folder", where=folder, fix="name folders with suites in them")
        for below in ("", "[!.]*/", "suites/[!.]*/", "[!.]*/suites/[!.]*/"):
            for path in files.listed(folder, f"{below}suite.json"):
                paths.setdefault(path.parent.resolve(), path.parent)
    found = []
    for path in paths.values():
        try:
            suite = load_suite(path)
        except LassbenchError as error:
            words = f"cannot be used: {one_line(error.brief, 120)}"
            found.append(FoundSuite(path, path.name, "", words))
        else:
            total = len(suite.mixtures)
            words = f"{total - len(suite.missing)} of {total} mixtures"
            found.append(FoundSuite(path, suite.name, suite.frozen_from.name, words))
    return found


def describe(folders: Sequence[Path]) -> list[str]:
    """The table for a terminal, with what of it is in ``folders``, and what else is there."""
    others = found_suites(folders)
    rows = [("suite", "mixtures", "queries", "kHz", "s", "recipe", "audio from", "kind", "here")]
    for one in known_suites():
        mine = [suite for suite in others if one.name in (suite.name, suite.format)]
        others = [suite for suite in others if suite not in mine]
        here = ", ".join(f"{suite.path} ({suite.words})" for suite in mine) or "-"
        rows.append((*one[:7], one.kind, here))
    lines = text_table(rows, left=len(rows[0]))
    lines += ["", "other suites here:"] * bool(others)
    return lines + [f"  {one.path}: {one.name}, {one.words}" for one in others]


def markdown_table() -> list[str]:
    """The table of ``docs/suites.md``: what can be built, whatever is here."""
    header = ("suite", "mixtures", "queries", "rate (kHz)", "length (s)", "recipe")
    rows = [(*header, "audio from", "licence"), *(one[:8] for one in known_suites())]
    lines = [f"| {' | '.join(map(markdown, row))} |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]
