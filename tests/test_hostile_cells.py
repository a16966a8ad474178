"""Cells that a spreadsheet would take for a formula: none is left in what people open in one."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lassbench.annotate import exchange, report
from lassbench.annotate.campaign import plan_campaign
from lassbench.annotate.checks import clean
from lassbench.annotate.store import Change, Store
from lassbench.benchmark import selection
from lassbench.csv_files import read_table, write_sheet
from lassbench.dataset import Dataset
from lassbench.dataset.build import Outcome, _clip_list
from lassbench.errors import Fault
from lassbench.fetch import report as census
from lassbench.fetch.ledger import Ledger
from lassbench.fetch.lists import read_list
from lassbench.leaderboard.tables import Table, to_csv
from lassbench.plain_text import from_spreadsheet, refused_character, spreadsheet
from lassbench.records import Clip

BEGINNINGS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
HOSTILE = [
    *(f"{one}SUM(A1)" for one in BEGINNINGS),
    *(f"{space}{one}1" for one in "=＝" for space in (" ", "\u3000", "\u00a0", "\t", "\r", "\n")),
    *(f"dog{between}{one}A1*2" for one in "=－" for between in (";", "; ", "\t", "\n", "\r\n")),
    *("'=1", "''@x", "' ＝1", '"=1"', "-2+3+cmd|' /C calc'!A0", "-1-1", "-a dog", "-video00000x"),
    *("dog\x1b[2J", "dog\u202egod", "dog\u2028=1", "\ufeff=1", "\u200b=1", "dog\x85=1"),
]
HARMLESS = ["-", "-0.5", "-3", "-1e-05", "-video00000", "a-b", "1=1", "a; b", ""]


def formulas(text: str) -> list[str]:
    """The cells of a CSV text that begin as formulas do, at whatever sign it is taken apart.

    Written from OWASP's "CSV injection", without the package's own pattern.  Taken apart at
    the wrong sign a cell may hold a whole line, which begins with a number, say.
    """
    found = []
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            for cell in row:
                shown = "".join(one for one in cell if unicodedata.category(one)[0] != "C")
                plain = unicodedata.normalize("NFKC", shown).strip()
                number = re.fullmatch(r"-([0-9.]+(e-?[0-9]+)?|[a-z0-9_-]{10})?(,.*)?", plain)
                if plain[:1] in set("=+-@") and not number:
                    found.append(cell)
    return found


def test_all_of_them_are_formulas() -> None:
    for cell in HOSTILE:
        text = io.StringIO()
        csv.writer(text).writerow(["x", cell])
        quoted = cell.startswith(("'", '"'))
        invisible = any(refused_character(one) for one in cell)
        assert formulas(text.getvalue()) or quoted or invisible, repr(cell)
    assert formulas(write_sheet(["x"], [[cell] for cell in HARMLESS])) == []


def leaderboard_table(_: Path) -> str:
    return to_csv(Table("", ["Rank", *HOSTILE], [["-", *HOSTILE], ["1", *HOSTILE]], HOSTILE))


def fetch_census(folder: Path) -> str:
    clips = [
        Clip(
            f"c{number}",
            cell,
            "train",
            (cell,),
            youtube_id=f"-video{number:05d}",
            start_s=1,
            end_s=11,
        )
        for number, cell in enumerate(HOSTILE)
    ]
    with Ledger.open(folder) as ledger:
        ledger.register(clips, {clip.clip_id: at for at, clip in enumerate(clips)})
        for clip in clips:
            ledger.set_state(clip.clip_id, "gone", kind="private", message=clip.concept)
    census.export(folder, folder / "census.csv")
    # It is a list of clips, too.
    assert {clip.youtube_id for clip in read_list(folder / "census.csv")} == {
        clip.youtube_id for clip in clips
    }
    return (folder / "census.csv").read_text()


def rejected_clips(_: Path) -> str:
    rejections = {cell: Fault("no label", cell, cell) for cell in HOSTILE}
    return selection.rejections_text(selection.Selection({}, rejections))


def annotators_report(folder: Path) -> str:
    numbers = (1, 0, -0.5, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 3.0, 0)
    lines = tuple(report.Line(cell, *numbers) for cell in HOSTILE)
    return report.write(report.Report("", lines, (), {}, {}, "", 1), folder)[0].read_text()


def reasons_in_a_dataset(_: Path) -> str:
    clips = {f"c{number}": cell for number, cell in enumerate(HOSTILE)}
    outcomes = {name: Outcome(name, None, "private", cell) for name, cell in clips.items()}
    return _clip_list([Clip(name, "dog", "train", ("a dog",)) for name in clips], outcomes)


EXPORTS = (
    leaderboard_table,
    fetch_census,
    rejected_clips,
    annotators_report,
    reasons_in_a_dataset,
)


@pytest.mark.parametrize("export", EXPORTS)
def test_no_export_holds_a_formula_or_a_control_character(
    export: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_picture", lambda _: b"")
    text = export(tmp_path)
    rows = list(csv.reader(io.StringIO(text, newline="")))
    cells = {cell for row in rows for cell in row}
    assert formulas(text) == []
    assert {cell: why for cell in cells if (why := refused_character(cell))} == {}
    # What is dangerous is held, not dropped.
    assert {"'=SUM(A1)", "'＝SUM(A1)", "' ＝1", "'-a dog", "''=1", "dog;'=A1*2"} <= cells
    assert len({len(row) for row in rows}) == 1


def test_descriptions_go_out_without_formulas_and_come_back_as_they_were(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    campaign = plan_campaign(tiny_dataset)
    store = Store.create(tmp_path / "store.sqlite", campaign)
    places = [(who, clip_id) for who in campaign.annotators for clip_id in campaign.clips]
    written = {}
    for (who, clip_id), cell in zip(places, [*HOSTILE, *HARMLESS], strict=False):
        written[who, clip_id] = clean(cell)
        store.save(Change(who, clip_id, clean(cell))).result()
    path = tmp_path / "all.csv"
    path.write_text(exchange.to_csv(store, tiny_dataset))
    store.close()
    assert formulas(path.read_text()) == []
    changes = exchange.read_csv(path, campaign)
    assert len(changes) == len(HOSTILE) + len(HARMLESS)
    assert {(one.annotator, one.clip_id): one.text for one in changes} == written


def test_numbers_dashes_and_ids_of_videos_stay(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(write_sheet(["a", "b"], [[cell, "x"] for cell in HARMLESS]))
    assert [row.cells["a"] for row in read_table(path, ["a"])] == HARMLESS
    assert write_sheet(["a"], [[-0.5], [None], [3], [-1e-5]]) == 'a\n-0.5\n""\n3\n-1e-05\n'


@given(st.text(st.sampled_from("'=-＝; \t\n\u30001e.ab_") | st.characters(), max_size=20))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert from_spreadsheet(spreadsheet(text)) == text
