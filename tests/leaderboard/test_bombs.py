"""Files of others that would fill the memory or end the process: refused, with one message."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lassbench.scores.score_file import Scores, rows_table, write_rows
from tests.leaderboard import made

ROWS = 20
SUITE = made.suite_info(queries=ROWS)
PLAIN = {"compression": "none", "store_schema": False, "write_statistics": False}

# Runs commands, one after the other, and tells how each ended and the most memory of all.
CHILD = """
import contextlib, io, json, sys
from lassbench.cli import run
ended = []
for arguments in json.load(sys.stdin):
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        ended.append((run(arguments), told.getvalue()))
[most] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps((ended, int(most))))
"""

MIB_IN_KIB = 1024


def run(commands: list[list[str]]) -> list[tuple[int, str]]:
    given = json.dumps(commands)
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ended, kib = json.loads(done.stdout)
    assert kib < 500 * MIB_IN_KIB
    return [tuple(one) for one in ended]


def of_text(text: pa.Array) -> pa.Table:
    """The rows of a score, with other texts; they are many where the texts are."""
    table = rows_table(made.make_scores(suite=SUITE).rows, "separation")
    place = table.column_names.index("text")
    return table.set_column(place, pa.field("text", text.type, nullable=False), text)


def one_text(size: int) -> pa.Table:
    once = pa.array(["x" * size])
    return of_text(pa.DictionaryArray.from_arrays(pa.array([0] * ROWS, pa.int32()), once))


def delta(table: pa.Table, path: Path) -> None:
    encoded = {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}}
    pq.write_table(table, path, **encoded, **PLAIN)


def delta_count(path: Path) -> None:
    """A page of twenty texts whose encoding says that there are two thousand million."""
    delta(of_text(pa.array(["x" * 100] * ROWS)), path)
    data = path.read_bytes()
    # Values in a block, parts of it, and values in all: numbers in sevens of bits.
    begin = data.index(bytes([0x80, 0x01, 4, ROWS]))
    forged = b"\x80\xff\xff\xff\x07" + b"\x01" + b"\xff\xff\xff\xff\x07" + b"\0\0\0"
    path.write_bytes(data[:begin] + forged + data[begin + len(forged) :])


def nested(path: Path) -> None:
    column = pa.array([1])
    for _ in range(3000):
        column = pa.StructArray.from_arrays([column], ["a"])
    pq.write_table(pa.table({"text": column}), path, **PLAIN)


def many_rows(path: Path) -> None:
    ids = pa.array(np.zeros(50_000_000, np.int32))
    column = pa.DictionaryArray.from_arrays(ids, pa.array(["x"]))
    pq.write_table(pa.table({"query_id": column}), path, **PLAIN)


def footer_of_other_rows(path: Path) -> None:
    """Two groups of which the footer's sum is another: more is read than it says."""
    table = rows_table(made.make_scores(suite=SUITE).rows, "separation")
    pq.write_table(table, path, row_group_size=ROWS // 2, use_dictionary=False, **PLAIN)
    data = path.read_bytes()
    count = bytes([0x16, 2 * ROWS])  # field 3 of a footer, of a 64-bit number: zigzag of 20
    begin = data.rindex(count + b"\x19", 0, len(data))
    path.write_bytes(data[:begin] + bytes([0x16, ROWS]) + data[begin + 2 :])


BOMBS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a long text in a dictionary, packed": (
        lambda path: pq.write_table(one_text(60_000_000), path, **{**PLAIN, "compression": "zstd"}),
        "its pages are compressed",
    ),
    "a long text in a dictionary": (
        lambda path: pq.write_table(one_text(60_000_000), path, **PLAIN),
        "at most 40000000 are read",
    ),
    "a shorter one": (
        lambda path: pq.write_table(one_text(200_000), path, **PLAIN),
        "bytes of text in 20 rows",
    ),
    "texts that begin alike": (
        lambda path: delta(of_text(pa.array(["x" * 2_000_000] * ROWS)), path),
        "is not as lassbench writes it",
    ),
    "a count in an encoding": (delta_count, "is not as lassbench writes it"),
    "many columns": (
        lambda path: pq.write_table(
            pa.table({f"c{number}": pa.array([1]) for number in range(15_000)}), path, **PLAIN
        ),
        "a footer of",
    ),
    "many rows": (many_rows, "50000000 rows, at most 20 are read"),
    "more rows than it says": (footer_of_other_rows, "counts other rows"),
    "columns in columns": (nested, "cannot be read"),
    "much text": (
        lambda path: pq.write_table(
            pa.table({"text": [f"{number:06d}" + "x" * 994 for number in range(100_000)]}),
            path,
            use_dictionary=False,
            **PLAIN,
        ),
        "at most 40000000 are read",
    ),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scores]:
    """A leaderboard of one entry, and its score."""
    scores = made.make_scores("Good", suite=SUITE, seed=1)
    place = tmp_path_factory.mktemp("good")
    made.add(place / "board", scores)
    return place, scores


def test_rows_that_fill_the_memory(good: tuple[Path, Scores], tmp_path: Path) -> None:
    place, _ = good
    commands, words = [], []
    for number, (make, word) in enumerate(BOMBS.values()):
        here = tmp_path / str(number)
        board = shutil.copytree(place / "board", here / "board")
        make(board / "entries" / "made" / "good.parquet")
        score = made.write(here, made.make_scores("New", suite=SUITE, seed=2))
        rows = score.with_name(score.name.replace(".json", ".parquet"))
        shutil.copy(board / "entries" / "made" / "good.parquet", rows)
        commands += [
            ["leaderboard", "check", "--root", str(board)],
            ["leaderboard", "add", str(here), "--root", str(place / "board")],
            ["compare", str(score), str(place / "score0")],
            # As `score` reads the entries of --leaderboard.
            ["leaderboard", "eval-results", str(board / "entries" / "made" / "good.json"),
             "--dataset-id", "a/b"],
        ]  # fmt: skip
        words += [word] * 4
    for command, word, (code, told) in zip(commands, words, run(commands), strict=True):
        assert code == 1, (command, told)
        assert word in told, (command, told)
        assert told.count("per-query rows") == 1, told
        assert len(told) < 1000, told


def unknown_keys(content: dict[str, Any]) -> str:
    return json.dumps({**content, **{f"key{number}": 1 for number in range(50_000)}})


def wrong_values(content: dict[str, Any]) -> str:
    content["system"]["trained_on"] = [[]] * 330_000
    return json.dumps(content, separators=(",", ":"))


JSON: dict[str, tuple[str, Callable[[dict[str, Any]], str], str]] = {
    "unknown keys": ("entries/made/good.json", unknown_keys, "there is no 'key0'"),
    "wrong values": ("entries/made/good.json", wrong_values, "330000 values are wrong"),
    "depth": ("entries/made/good.json", lambda _: "[" * 500_000, "nested too deeply"),
    "size": ("suites/made.json", lambda _: " " * 2_000_000, "too large"),
    "digits": ("site.json", lambda _: "9" * 900_000, "a whole number of 900000 digits"),
    "figures": (
        "reported/others.json",
        lambda _: json.dumps({"rows": [{"figures": {"x": 1}, "no": 1}] * 20_000}),
        "80004 values are wrong",
    ),
    "systems": (
        "examples/made/examples.json",
        lambda _: json.dumps({"examples": [{"systems": [{}] * 50_000}]}),
        "values are wrong",
    ),
}


def test_json_that_fills_the_memory(good: tuple[Path, Scores], tmp_path: Path) -> None:
    commands = []
    for number, (name, make, _) in enumerate(JSON.values()):
        board = shutil.copytree(good[0] / "board", tmp_path / str(number))
        path = board / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make(json.loads(path.read_text()) if path.exists() else {}))
        commands.append(["leaderboard", "check", "--root", str(board)])
    for (name, _, word), (code, told) in zip(JSON.values(), run(commands), strict=True):
        assert code == 1, told
        assert word in told
        assert name in told
        assert len(told) < 2000, told


@pytest.mark.parametrize("seed", range(2))
def test_rows_with_damage_anywhere(good: tuple[Path, Scores], tmp_path: Path, seed: int) -> None:
    """Bits, bytes and numbers changed, most of them in the footer: told, or the rows are right.

    Some end the process, and some ask for gigabytes, where pyarrow reads them.
    """
    place, scores = good
    table = rows_table(scores.rows, "separation")
    whole = tmp_path / "whole"
    if seed % 2:
        pq.write_table(table, whole, row_group_size=5, **PLAIN)
    else:
        write_rows(table, whole)
    rng = random.Random(seed)
    commands = []
    for number in range(150):
        score = made.write(tmp_path / str(number), scores)
        rows = score.with_name(score.name.replace(".json", ".parquet"))
        rows.write_bytes(damaged(whole.read_bytes(), rng))
        commands.append(["compare", str(score), str(place / "score0")])
    for command, (code, told) in zip(commands, run(commands), strict=True):
        if code:
            assert told.startswith("lassbench: "), (command, told)
            assert "per-query rows" in told
            assert told.count("\n") <= 4


def damaged(data: bytes, rng: random.Random) -> bytes:
    end = len(data) - 8
    begin = end - int.from_bytes(data[end : end + 4], "little")
    footer, pages = bytearray(data[begin:end]), bytearray(data[:begin])
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        part = pages if rng.random() < 0.25 else footer
        at = rng.randrange(4, len(part))
        huge = b"\xff" * rng.randrange(1, 9) + b"\x7f"
        some = [bytes([part[at] ^ 1 << rng.randrange(8)]), rng.randbytes(1)]
        part[at : at + 1] = rng.choice([*some, *some, huge if part is footer else some[0]])
    return bytes(pages + footer) + len(footer).to_bytes(4, "little") + b"PAR1"
