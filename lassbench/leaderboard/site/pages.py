"""The site: static pages that open from disk, ask nobody for anything, and print.

Every page is HTML with all its numbers in it; scripts sort, filter, draw and
compare.  All text of entries goes through Jinja's autoescape, pages carry a
content security policy without inline scripts or styles, and nothing is loaded
from anywhere but the site's own folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from lassbench import __version__, output_folders
from lassbench.leaderboard.entries import TABLE_METRICS, Leaderboard
from lassbench.leaderboard.examples import SUFFIXES, ExampleSet
from lassbench.leaderboard.ranking import GENERATIVE, MIN_COVERAGE, Standings
from lassbench.leaderboard.site import values
from lassbench.leaderboard.tables import STANDINGS, count_text, explanation
from lassbench.scores.rows import LIMIT_DB, METRICS
from lassbench.scores.statistics import RESAMPLES

#: Written into every site, so that only a site is ever replaced.
MARKER = "lassbench-site.txt"

#: What is read to a system, in words.
QUERY_TYPES = {"text": "text query", "tag": "tag query", "oracle": "oracle", "none": "no query"}


def build_site(
    board: Leaderboard,
    tables: Sequence[Standings],
    out: Path,
    *,
    texts: Mapping[str, str],
    listening: Mapping[str, ExampleSet],
) -> None:
    """Write the whole site into ``out``, replacing an earlier one, or nothing.

    ``texts`` are the tables as files (:func:`lassbench.leaderboard.tables.table_files`),
    ``listening`` the examples to listen to of each suite that has some.
    """

    def write(folder: Path) -> None:
        site = _Site(board, folder)
        site.front(tables)
        for name, text in texts.items():
            site.put(f"tables/{name}", text)
        for table in tables:
            site.suite(table, listening.get(table.card.name))

    output_folders.replace_folder(out, write, what="the site", mark=MARKER, needs=[board.root])


class _Site:
    """One build: its templates, and the folder that it fills."""

    def __init__(self, board: Leaderboard, folder: Path) -> None:
        self.board, self.folder = board, folder
        self.templates = _environment(board)

    def put(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Plain writes: the folder as a whole is moved into place at the end.
        path.write_text(text, encoding="utf-8", newline="\n")

    def page(self, template: str, name: str, **shown: Any) -> None:
        root = "../" * name.count("/")
        found = self.templates.get_template(template)
        self.put(name, found.render(root=root, here=name, **shown))

    def front(self, tables: Sequence[Standings]) -> None:
        shutil.copytree(Path(__file__).parent / "static", self.folder / "assets")
        self.put(MARKER, f"A lassbench {__version__} leaderboard: open index.html.\n")
        # GitHub's pages must not drop files whose names begin with an underscore.
        self.put(".nojekyll", "")
        self.page("index.html", "index.html", tables=tables)
        self.page("reported.html", "reported.html", reported=self.board.reported)
        self.page("taking-part.html", "taking-part.html")
        defined = _defined(self.board, tables)
        limits = {"least": MIN_COVERAGE, "limit": f"{LIMIT_DB:g}"}
        self.page("about.html", "about.html", defined=defined, generative=GENERATIVE, **limits)

    def suite(self, table: Standings, heard: ExampleSet | None) -> None:
        home = f"suites/{table.card.name}"
        common = {"table": table, "listening": heard is not None}
        self.page("suite.html", f"{home}/index.html", **common)
        if not table.rows:
            return
        # What the comparison opens with: the first two, those with a rank before the others.
        order = sorted(table.rows, key=lambda row: row.figures[table.sorted_by].rank is None)
        chosen = ([row.loaded.slug for row in order] * 2)[:2]
        names = sorted((row.loaded.slug, row.name) for row in table.rows)
        self.page("compare.html", f"{home}/compare.html", names=names, chosen=chosen, **common)
        found = {"suite": values.suite_data(table), "queries": values.query_data(table)}
        ids = pd.Index(table.questions["query_id"])
        for row in table.rows:
            slug = row.loaded.slug
            found[f"system:{slug}"] = values.system_values(row.loaded, table.metrics, ids)
            self.page("system.html", f"{home}/systems/{slug}.html", table=table, row=row)
        for name, value in found.items():
            path = f"{home}/data/{name.replace(':', '.')}.js"
            self.put(path, values.script(name, value))
        if heard is not None:
            self.listen(table, heard, home)

    def listen(self, table: Standings, heard: ExampleSet, home: str) -> None:
        tracks = [track for example in heard.examples for track in example.tracks]
        for name in (f"{track}{suffix}" for track in tracks for suffix in SUFFIXES):
            target = self.folder / home / "examples" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.board.root / "examples" / heard.suite / name, target)
        rows = {row.loaded.slug: row for row in table.rows}
        scores = {
            slug: row.loaded.rows.set_index("query_id")[table.sorted_by].dropna()
            for slug, row in rows.items()
        }
        shown = {"table": table, "heard": heard, "rows": rows, "scores": scores}
        self.page("listen.html", f"{home}/listen.html", **shown)


def _environment(board: Leaderboard) -> Environment:
    """Templates with autoescape, and the words and numbers that all pages share."""
    environment = Environment(
        loader=PackageLoader("lassbench.leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        # What is not there is an empty attribute.
        finalize=lambda value: "" if value is None else value,
    )
    entries = [loaded for found in board.entries.values() for loaded in found]
    environment.globals.update(
        version=__version__,
        site=board.site,
        entries=len(entries),
        newest=max((loaded.entry.date for loaded in entries), default=""),
        metrics=METRICS,
        explanation=explanation,
        standings=STANDINGS,
        resamples=RESAMPLES,
        query_types=QUERY_TYPES,
        count=count_text,
        number=values.number,
        interval=values.interval,
        rounded=values.rounded,
        rank=values.rank,
        ranks=values.ranks,
    )
    return environment


def _defined(board: Leaderboard, tables: Sequence[Standings]) -> list[str]:
    """The metrics that pages name, an improvement after what it improves."""
    kinds = {table.card.kind for table in tables} or {"separation"}
    shown = [name for kind, names in TABLE_METRICS.items() if kind in kinds for name in names]
    shown += [one.metric for reported in board.reported for one in reported.metrics.values()]
    bases = [name.removesuffix("_i") for name in shown if name.endswith("_i")]
    return list(dict.fromkeys([*bases, *shown]))
