"""From standings to the files of the site."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from lassbench import __version__, output_folders
from lassbench.leaderboard.entries import BREAKDOWN_VIEWS, TABLE_METRICS, Leaderboard
from lassbench.leaderboard.examples import Listening, Track
from lassbench.leaderboard.ranking import GENERATIVE, MIN_COVERAGE, Row, Standings
from lassbench.leaderboard.site import data, format
from lassbench.leaderboard.tables import COLUMNS, STANDINGS, explanation, table_files
from lassbench.scores.rows import LIMIT_DB, METRICS
from lassbench.scores.statistics import RESAMPLES

#: Written into every site, so that only a site is ever replaced.
MARKER = "lassbench-site.txt"

_STATIC = Path(__file__).parent / "static"


def build_site(
    board: Leaderboard,
    tables: Sequence[Standings],
    out: Path,
    *,
    texts: Mapping[str, str] | None = None,
    listening: Mapping[str, Listening] | None = None,
) -> Path:
    """Write the whole site into ``out``, replacing an earlier one; the path of its first page.

    ``texts`` are the tables as files (:func:`lassbench.leaderboard.tables.table_files`,
    made here if they are not given), ``listening`` the examples to listen to.

    Raises
    ------
    UsageError
        If ``out`` holds something that is not a site.
    LassbenchError
        If it cannot be written; an earlier site is then as it was.
    """
    found = table_files(board, tables) if texts is None else texts
    output_folders.replace_folder(
        out,
        lambda folder: _Site(board, tables, folder, found, listening or {}).write(),
        what="the site",
        mark=MARKER,
        needs=[board.root],
    )
    return out / "index.html"


def check_site(out: Path, root: Path) -> None:
    """Refuse a place that cannot become a site, before any work is done.

    Raises
    ------
    UsageError
        If ``out`` is a file or holds something else, the leaderboard ``root`` for one.
    """
    output_folders.check_replaceable(out, what="the site", mark=MARKER, needs=[root])


class _Site:
    """One build: its templates, and the folder that it fills."""

    def __init__(
        self,
        board: Leaderboard,
        tables: Sequence[Standings],
        folder: Path,
        texts: Mapping[str, str],
        listening: Mapping[str, Listening],
    ) -> None:
        self.board, self.tables, self.folder = board, tables, folder
        self.texts, self.listening = texts, listening
        self.templates = _environment(board)

    def write(self) -> None:
        shutil.copytree(_STATIC, self.folder / "assets")
        self._put(MARKER, f"A lassbench {__version__} leaderboard: open index.html.\n")
        # GitHub's pages must not drop files whose names begin with an underscore.
        self._put(".nojekyll", "")
        self._page("index.html", "index.html", here="index", tables=self.tables)
        self._page("reported.html", "reported.html", here="reported", reported=self.board.reported)
        self._page("about.html", "about.html", here="about", **_about(self.tables))
        for name, text in self.texts.items():
            self._put(f"tables/{name}", text)
        for table in self.tables:
            self._suite(table)

    def _put(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Plain writes: the folder as a whole is moved into place at the end.
        path.write_text(text, encoding="utf-8", newline="\n")

    def _page(self, template: str, name: str, **values: Any) -> None:
        root = "../" * name.count("/")
        found: Template = self.templates.get_template(template)
        self._put(name, found.render(root=root, **{"here": "", **values}))

    def _suite(self, table: Standings) -> None:
        home = f"suites/{table.card.name}"
        heard = self.listening.get(table.card.name)
        common = {"table": table, "listening": heard is not None}
        self._page("suite.html", f"{home}/index.html", **common, **_suite_values(table))
        if not table.rows:
            return
        names = sorted((row.loaded.slug, row.name) for row in table.rows)
        values = {"names": names, "defaults": _first_two(table)}
        self._page("compare.html", f"{home}/compare.html", **common, **values)
        queries = data.query_data(table)
        ids = pd.Index(table.questions["query_id"])
        self._put(f"{home}/data/suite.js", data.script("suite", data.suite_data(table)))
        self._put(f"{home}/data/queries.js", data.script("queries", queries))
        for row in table.rows:
            slug = row.loaded.slug
            own = data.system_values(row.loaded, table.metrics, ids)
            self._put(f"{home}/data/system.{slug}.js", data.script(f"system:{slug}", own))
            system = {
                "row": row,
                "links": _links(row),
                "breakdowns": row.loaded.breakdowns,
                "asked": row.loaded.summary.annotators.get(table.sorted_by),
            }
            self._page("system.html", f"{home}/systems/{slug}.html", table=table, **system)
        if heard is not None:
            self._listen(table, heard, home)

    def _listen(self, table: Standings, heard: Listening, home: str) -> None:
        names = {row.loaded.slug: row for row in table.rows}
        examples = []
        for example in heard.content.examples:
            tracks = [_track(track, names, table, example.query_id) for track in example.tracks]
            examples.append({**example.model_dump(), "tracks": tracks})
            for one in example.tracks:
                for name in (one.audio, one.spectrogram):
                    target = self.folder / home / "examples" / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(heard.folder / name, target)
        self._page(
            "listen.html",
            f"{home}/listen.html",
            table=table,
            examples=examples,
            seconds=f"{heard.content.seconds:g}",
            khz=f"{heard.content.max_hz / 1000:g}",
        )


def _environment(board: Leaderboard) -> Environment:
    """Templates with autoescape, and the words and numbers that all pages share."""
    environment = Environment(
        loader=PackageLoader("lassbench.leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    entries = [loaded for found in board.entries.values() for loaded in found]
    environment.globals.update(
        version=__version__,
        entries=len(entries),
        newest=max((loaded.entry.date for loaded in entries), default=""),
        metrics=METRICS,
        explanation=explanation,
        columns=COLUMNS,
        standings=STANDINGS,
        resamples=RESAMPLES,
        query_types=format.QUERY_TYPES,
        number=format.number,
        interval=format.interval,
        rank=format.rank,
        ranks=format.ranks,
        parameters=format.parameters,
        plain=_plain,
        searchable=_searchable,
    )
    return environment


def _plain(value: float | None) -> str:
    """A number as scripts read it from an attribute; empty where there is none."""
    found = data.rounded(value)
    return "" if found is None else str(found)


def _searchable(row: Row) -> str:
    """What the search box looks through, in lower case, the name first."""
    system = row.entry.system
    parts = (row.name, system.authors, system.description, *system.trained_on)
    return " ".join(" ".join(parts).lower().split())


def _suite_values(table: Standings) -> dict[str, Any]:
    entries = [row.entry for row in table.rows]
    kinds = {entry.system.query_type for entry in entries}
    shown = {by for row in table.rows for by in row.loaded.breakdowns}
    breakdowns = [by for by in BREAKDOWN_VIEWS if by in shown]
    return {
        "kinds": [kind for kind in format.QUERY_TYPES if kind in kinds],
        "present": [one for one in STANDINGS if one in {e.standing for e in entries}],
        "any_heard": any(row.heard for row in table.rows),
        "notes": sorted({note for row in table.rows for note in row.notes}),
        "breakdowns": breakdowns,
        "has_breakdown": bool(breakdowns),
    }


def _first_two(table: Standings) -> tuple[str, str]:
    """What the comparison page opens with: the two first of the table that have a rank."""
    ranked = [row for row in table.rows if row.figures[table.sorted_by].rank is not None]
    others = [row for row in table.rows if row not in ranked]
    slugs = [row.loaded.slug for row in (*ranked, *others)]
    return slugs[0], slugs[min(1, len(slugs) - 1)]


def _links(row: Row) -> list[tuple[str, str]]:
    links = [("home page", row.entry.system.url)] if row.entry.system.url else []
    return [*links, *sorted(row.entry.links.items())]


def _track(
    track: Track, names: Mapping[str, Row], table: Standings, query_id: str
) -> dict[str, Any]:
    label = {"mixture": "Mixture", "target": "Target"}.get(track.role) or names[track.system].name
    score = ""
    if track.role == "estimate":
        rows, metric = names[track.system].loaded.rows, METRICS[table.sorted_by]
        for value in rows.loc[rows["query_id"] == query_id, table.sorted_by]:
            shown = format.number(None if np.isnan(value) else value)
            score = f"{metric.title} {shown} {metric.unit}".strip()
    return {**track.model_dump(), "label": label, "score": score}


def _about(tables: Sequence[Standings]) -> dict[str, Any]:
    kinds = {table.card.kind for table in tables} or {"separation"}
    columns = [name for kind, names in TABLE_METRICS.items() if kind in kinds for name in names]
    # An improvement is explained by what it improves.
    bases = [name.removesuffix("_i") for name in columns if name.endswith("_i")]
    shown = list(dict.fromkeys([*bases, *columns]))
    limits = {"least": MIN_COVERAGE, "limit": f"{LIMIT_DB:g}"}
    return {"shown": shown, "generative": GENERATIVE, **limits}
