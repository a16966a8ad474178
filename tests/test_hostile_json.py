"""Score files and entries that somebody else wrote: one message through every command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lassbench.cli import run
from lassbench.leaderboard.checks import read_entry
from tests.leaderboard.made import make_scores, suite_info, write

DATE = "2026-01-02"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """scores/ with a good score, board/ with its entry."""
    write(tmp_path / "scores", make_scores("good", suite=suite_info(queries=20)))
    scores, board = str(tmp_path / "scores"), str(tmp_path / "board")
    assert run(["leaderboard", "add", scores, "--root", board, "--date", DATE]) == 0
    return tmp_path


#: What is written in place of a value, and what is told.
VALUES: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "text for a number": (("coverage", "queries_scored"), "20", "queries_scored must be a whole"),
    "text for a float": (("system", "cost"), {"real_time_factor": "1"}, "factor must be a number"),
    "truth for a number": (("coverage", "renderable"), True, "a whole number, got true"),
    "number for truth": (("suite", "synthetic"), 1, "suite.synthetic must be true or false, got 1"),
    "half a query": (("suite", "queries"), 20.5, "suite.queries must be a whole number"),
    "rate 0": (("suite", "sample_rate_hz"), 0, "suite.sample_rate_hz must be above 0, got 0"),
    "no samples": (("suite", "samples"), 0, "suite.samples must be above 0"),
    "a huge number": (("suite", "queries"), 10**39, "suite.queries must be"),
    "digits without end": (("targets",), "@" + "9" * 5000, "a whole number of 5000 digits"),
    "NaN": (("system", "cost"), float("nan"), "holds NaN"),
    "infinity": (("system", "cost"), float("inf"), "holds Infinity"),
    "beyond all floats": (("system", "cost"), "@1e999", "holds the number 1e999"),
    "NUL in a name": (("system", "name"), "a\0b", "holds a NUL"),
    "NUL in a key": (("definitions", "a\0b"), "x", "holds a NUL"),
    "half a character": (("system", "name"), "\ud800", "half a character"),
    "no name": (("system", "name"), "", "system.name must be text of at least 1"),
    "a list for a name": (("suite", "name"), ["x"], "suite.name must be text"),
    "a list for a section": (("suite",), [], "suite must be a section of keys"),
    "a long name": (("system", "name"), "x" * 10**5, "system.name must be text of at most 200"),
    "an unknown key": (("mood",), "good", "mood'"),
    "nesting without end": (("breakdowns",), "@" + "[" * 10**5, "nested too deeply"),
    "a key twice": (("targets",), '@1, "targets": 1', "has the key 'targets' twice"),
    "not JSON": (("targets",), "@nope", "not valid JSON"),
}
#: The same in an entry, where it has no such value.
OF_ENTRIES: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "text for a number": (("unscorable",), "20", "unscorable must be a whole"),
    "truth for a number": (("unscorable",), True, "a whole number, got true"),
    "number for truth": (("system", "generative"), 1, "generative must be true or false, got 1"),
    "half a query": (("unscorable",), 20.5, "unscorable must be a whole number"),
    "rate 0": (("missing_predictions",), -1, "missing_predictions must be at least 0, got -1"),
    "no samples": (("system", "parameters"), -1, "system.parameters must be at least 0"),
    "a huge number": (("unscorable",), 10**39, "unscorable must be"),
    "NUL in a key": (("links", "a\0b"), "x", "holds a NUL"),
    "a list for a name": (("suite",), ["x"], "suite must be text"),
    "a list for a section": (("system",), [], "system must be a section of keys"),
}


def put(path: Path, keys: tuple[str, ...], value: Any) -> None:
    """Write ``value`` at ``keys``; a text that begins with ``@`` goes into the file as it is."""
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    place[keys[-1]] = value
    text = json.dumps(content)
    if isinstance(value, str) and value.startswith("@"):
        text = text.replace(json.dumps(value), value[1:])
    path.write_text(text)


@pytest.mark.parametrize("case", VALUES)
def test_a_value_that_cannot_be_is_one_message(
    place: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    in_score, in_entry = VALUES[case], OF_ENTRIES.get(case, VALUES[case])
    (scored,) = (place / "scores").glob("*.json")
    (entry,) = (place / "board" / "entries" / "made").glob("*.json")
    put(scored, *in_score[:2])
    put(entry, *in_entry[:2])
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    board, other = str(place / "board"), str(place / "other")
    for file, line in (
        (scored, ["compare", str(scored), str(scored)]),
        (scored, ["leaderboard", "add", str(scored), "--root", other, "--date", DATE]),
        (entry, ["leaderboard", "rescore", str(entry), str(place), "--suite", str(place)]),
        (entry, ["leaderboard", "check", "--root", board]),
        (entry, ["leaderboard", "build", "--root", board, "--workers", "1"]),
    ):
        capsys.readouterr()
        assert run(line) == 1, line
        told = capsys.readouterr().err
        words = in_score[2] if file == scored else in_entry[2]
        assert words in told, (line, told)
        assert str(file) in told
        assert told.count("lassbench: ") == 1
        assert len(told) < 1500
    assert before == {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("text", ["", "null", "[]", "7", '"x"', "[" * 10**5, "{", "\0", "{}"])
def test_a_file_that_is_no_record_is_one_message(
    place: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (scored,) = (place / "scores").glob("*.json")
    scored.write_text(text)
    for line in (
        ["compare", str(scored), str(scored)],
        ["leaderboard", "add", str(scored), "--root", str(place / "other"), "--date", DATE],
    ):
        assert run(line) == 1
        told = capsys.readouterr().err
        assert str(scored) in told
        assert len(told) < 3000


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--date", "2026-13-01", ""),
        ("--date", "soon", "date must be text like"),
        ("--submitted-by", "x" * 300, "submitted_by must be text of at most 200"),
        ("--notes", "x" * 6000, "notes must be text of at most 5000"),
    ],
)
def test_an_option_that_no_entry_can_hold_is_wrong_usage(
    place: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, words: str
) -> None:
    other = str(place / "other")
    line = ["leaderboard", "add", str(place / "scores"), "--root", other, "--date", DATE]
    assert run([*line, option, value]) == 2
    told = capsys.readouterr().err
    assert "these options are refused" in told
    assert words in told
    assert not (place / "other").exists()


def test_a_good_entry_is_read(place: Path) -> None:
    (entry,) = (place / "board" / "entries" / "made").glob("*.json")
    assert read_entry(entry).name == "good"  # type: ignore[union-attr]
