"""Tables in four formats: the same bytes, escaped for each, numbers as they are."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lassbench.leaderboard.building import build
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.ranking import TABLE_METRICS, Figure, Standings, standings
from lassbench.leaderboard.tables import (
    Named,
    Size,
    Table,
    Value,
    breakdown_table,
    count_text,
    rank_text,
    to_csv,
    to_latex,
    to_markdown,
)
from lassbench.scores.rows import METRICS
from lassbench.scores.summary import Cell
from tests.leaderboard import made

NASTY = Table(
    title="A & B_c | <d>",
    columns=["Rank", "System", "SDR (dB)", "Parameters"],
    rows=[
        [
            "1",
            "x|y_z*[a](b) & 50% #1 {c} ~ ^ \\d $e$",
            Value(1.005, -0.5, 2.25, best=True),
            Size(12),
        ],
        ["-", '=HYPERLINK("x")', Value(None), Size(None)],
    ],
    notes=["one\ntwo & three_four"],
)


def test_markdown_cells_cannot_break_out() -> None:
    lines = to_markdown(NASTY).splitlines()
    row = next(line for line in lines if "x\\|y" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert "\\[a\\](b)" in row
    assert "**1.00 \\[-0.50, 2.25\\]**" in row
    assert "<d>" not in to_markdown(NASTY).replace("\\<d\\>", "")


def test_csv_reads_back_and_holds_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(NASTY))))
    assert rows[0]["System"] == NASTY.rows[0][1]
    assert float(rows[0]["SDR (dB)"]) == 1.005
    assert float(rows[0]["SDR (dB) low"]) == -0.5
    assert rows[0]["Parameters"] == "12"
    assert rows[1]["SDR (dB)"] == ""
    assert rows[1]["System"].startswith("'=")


def test_latex_escapes_and_marks_the_best() -> None:
    text = to_latex(NASTY)
    assert "\\textbf{1.00}" in text
    assert (
        "50\\% \\#1 \\{c\\} \\textasciitilde{} \\textasciicircum{} \\textbackslash{}d \\$e\\$"
        in text
    )
    assert "x\\textbar{}y\\_z" in text
    assert text.count("\\begin{tabular}{llrr}") == 1
    outside = [line for line in text.splitlines() if not line.startswith("%")]
    assert not any(re.search(r"(?<!\\)[%#_]", line.replace("\\_", "")) for line in outside)


#: What ``\\``, ``\toprule`` and ``\midrule`` would take for their own in front of a row.
ARGUMENTS = ("[x] A", "[2cm]", " [b", "[", "]", "*", "* B", "**[1]", "*[3pt]", "", "- [", "A [1]")


def arguments(names: Sequence[str]) -> Table:
    """A table whose heading and rows begin with each of ``names``, after one another."""
    return Table("[*]", [*names], [[name] * len(names) for name in names], ["[1] note"])


def test_nothing_that_begins_a_row_is_an_argument_of_the_line_above() -> None:
    taken = re.compile(r"(?:\\\\|\\[a-z]+rule)\s*[\[*]")
    for name in ARGUMENTS:
        lines = [one for one in to_latex(arguments([name])).splitlines() if one[:1] != "%"]
        assert not taken.search("\n".join(lines)), name
        shown = re.sub(r"\{([\[*])\}", r"\1", lines[2])
        assert shown == f"{name.strip()} \\\\", name
    # The pattern finds what it is to find.
    assert taken.search("A \\\\\n[2cm] B \\\\") and taken.search("\\toprule\n [x")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("table", [NASTY, arguments(ARGUMENTS)])
def test_latex_compiles(tmp_path: Path, table: Table) -> None:
    head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
    document = f"{head}{to_latex(table)}\\end{{document}}"
    (tmp_path / "t.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0


def test_words_stand_to_the_left_and_numbers_to_the_right() -> None:
    row = [Named("A", "1", ("Old.",)), "text", Value(1.0), 3, Size(7)]
    one = Table("T", ["System", "Query", "SDR", "Queries", "Parameters"], [row], [])
    assert "| --- | --- | ---: | ---: | ---: |" in to_markdown(one)
    assert "\\begin{tabular}{llrrr}" in to_latex(one)
    assert to_csv(one).splitlines() == [
        "System,Query,SDR,SDR low,SDR high,Queries,Parameters,Notes",
        "A,text,1.0,,,3,7,Old.",
    ]


def test_ranks_and_sizes_in_words() -> None:
    def figure(rank: int | None, low: int, high: int, tied: bool = False) -> Figure:
        return Figure(0.0, None, None, 1, 1, True, rank, tied, low, high)

    assert rank_text(figure(1, 1, 1)) == "1"
    assert rank_text(figure(2, 1, 3, tied=True)) == "2= (1-3)"
    assert rank_text(Figure(0.0, None, None, 1, 1, True)) == "-"
    assert [count_text(n) for n in (None, 0, 9_999, 850_400, 63_398_883)] == [
        "-", "0", "9999", "850 k", "63.4 M",
    ]  # fmt: skip


def test_the_same_entries_give_the_same_bytes(filled: Path, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        root = Path(shutil.copytree(filled, tmp_path / name))
        build(root, site=tmp_path / f"site-{name}")
        found = {}
        for base in (root / "tables", tmp_path / f"site-{name}"):
            for path in sorted(p for p in base.rglob("*") if p.is_file()):
                found[f"{base.name[:4]}/{path.relative_to(base)}"] = path.read_bytes()
        contents.append(found)
    assert contents[0] == contents[1]
    assert len(contents[0]) > 50


def test_every_suite_has_every_view(board: Path) -> None:
    build(board)
    names = {path.name for path in (board / "tables").iterdir()}
    expected = {
        f"made-test{view}.{kind}" for view in ("", ".by-concept") for kind in ("md", "csv", "tex")
    }
    assert expected | {"made-test.json", "made-asked.by-annotator.csv", "README.md"} <= names
    assert "made-test.by-annotator.md" not in names
    overview = (board / "tables" / "README.md").read_text()
    assert "Synthetic suite" in overview
    assert "templated" in overview


MEANS = {
    # slug: mean and interval for dogs and for rain; "half-done" and "oracle-mask" have no rank.
    "lass-net": ((7.0, 6.0, 8.0), (3.0, None, None)),
    "lass-net-small": ((5.5, 4.5, 6.2), (4.0, None, None)),
    "unet-tags": ((5.0, 4.0, 5.9), (4.0, None, None)),
    "mixture": ((0.0, -0.5, 0.5), (-1.0, -2.0, 9.0)),
    "half-done": ((9.0, 8.0, 10.0), (9.0, None, None)),
    "oracle-mask": ((12.0, 11.0, 13.0), (None, None, None)),
}


def with_breakdowns(table: Standings) -> Standings:
    """The standings with :data:`MEANS` as what each system gets by concept."""
    rows = []
    for row in table.rows:
        cells = [
            {table.sorted_by: Cell(mean=mean, ci_low=low, ci_high=high, n=12, targets=12)}
            for mean, low, high in MEANS[row.loaded.slug]
        ]
        groups = {"concept": dict(zip(("dog", "rain"), cells, strict=True))}
        loaded = replace(row.loaded)
        vars(loaded)["breakdowns"] = groups
        rows.append(replace(row, loaded=loaded))
    return replace(table, rows=rows)


def test_the_best_of_each_concept_and_what_it_is_not_told_apart_from_is_bold(
    filled: Path,
) -> None:
    board = read_leaderboard(filled)
    table = with_breakdowns(standings(board.suites["made-test"], board.entries["made-test"]))
    shown = breakdown_table(table, "concept")
    assert shown is not None
    bold = {
        name: {
            row.name
            for row, cells in zip(table.rows, shown.rows, strict=True)
            if getattr(cells[column], "best", False)
        }
        for column, name in enumerate(shown.columns)
    }
    # 4.5 to 6.2 reaches into 6.0 to 8.0; 4.0 to 5.9 does not.
    assert bold["dog"] == {"LASS-Net", "LASS-Net small"}
    # No intervals: the best mean alone, twice here.
    assert bold["rain"] == {"LASS-Net small", "UNet (tags)"}
    assert "\\textbf{7.00} {\\scriptsize [6.00, 8.00]}" in to_latex(shown)
    assert "**7.00 \\[6.00, 8.00\\]**" in to_markdown(shown)
    assert "the best mean of a ranked system is bold" in to_markdown(shown)


def test_a_system_without_a_single_query_of_a_concept_builds(tmp_path: Path) -> None:
    """Clips vanish: all of a concept's, it may be."""
    suite = made.suite_info("recorded", synthetic=False)
    keep = np.flatnonzero(made.questions(suite)["concept"] != "dog").tolist()
    whole = made.make_scores("All", suite=suite, seed=10)
    made.add(
        tmp_path / "board", whole, made.make_scores("No dogs", suite=suite, seed=11, keep=keep)
    )
    build(tmp_path / "board", site=tmp_path / "site")
    rows = list(csv.DictReader((tmp_path / "board/tables/recorded.by-concept.csv").open()))
    found = {row["System"]: row for row in rows}["No dogs"]
    assert found["dog"] == ""
    assert found["rain"] != ""


def test_json_says_what_the_rows_say(board: Path) -> None:
    build(board)
    found = json.loads((board / "tables" / "made-test.json").read_text())
    for system in found["systems"]:
        path = board / "entries" / "made-test" / f"{system['slug']}.json"
        rows = pd.read_parquet(path.with_suffix(".parquet"))
        for name in ("sdr_i", "snr_i"):
            figure = system["metrics"][name]
            assert figure["mean"] == pytest.approx(rows[name].mean(), abs=1e-9)
            assert (figure["n"], figure["targets"]) == (len(rows), rows["target_id"].nunique())
        assert system["wrong_source_share"] == pytest.approx(rows["wrong_source"].mean())
        dogs = rows.loc[rows["concept"] == "dog", "sir_i"]
        assert system["by"]["concept"]["dog"]["sir_i"] == pytest.approx(dogs.mean(), abs=1e-9)
        assert system["standing"] == ("partial" if system["slug"] == "half-done" else "submitted")


def test_every_column_is_explained_where_it_stands(board: Path) -> None:
    build(board, site=board.parent / "site")
    markdown = (board / "tables" / "made-test.md").read_text()
    page = (board.parent / "site" / "suites" / "made-test" / "index.html").read_text()
    for text in (markdown, page):
        for name in TABLE_METRICS["separation"]:
            if METRICS[name].called:
                assert METRICS[name].called in text
        assert "hardly touches the mixture" in text
    head = next(line for line in markdown.splitlines() if line.startswith("| Rank"))
    for column in head.strip("| ").split(" | ")[2:]:
        title = column.removesuffix(" (dB)")
        assert f"\n{title}: " in markdown or f". {title}: " in markdown, title
    assert "<th" in page
    for button in re.findall(r"<th [^>]*m-[^>]*><button[^>]*>", page):
        assert "title=" in button
    place = board.parent / "site" / "suites" / "made-test" / "systems" / "lass-net.html"
    system = place.read_text()
    assert "Wrong source: in" in system
    assert "nearer to the target" in system


def test_the_tables_of_a_suite_that_is_gone_go_and_other_files_stay(board: Path) -> None:
    build(board)
    shutil.rmtree(board / "entries" / "made-asked")
    (board / "suites" / "made-asked.json").unlink()
    kept = board / "tables" / "made-asked.txt"
    kept.write_text("mine")
    build(board)
    assert [*(board / "tables").glob("made-asked*")] == [kept]
