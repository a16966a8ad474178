"""Tables as people save them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lassbench.csv_files import join, read_table, split, write_table
from lassbench.errors import FaultsError, LassbenchError, UsageError

TEXT = 'file, Concept ,extra\r\na.wav, dog ,1\r\n\r\n"b, c.wav",cat,\r\n'


def save(folder: Path, data: str | bytes) -> Path:
    path = folder / "t.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_marks_line_ends_encodings_separators_spaces_and_case(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    text = TEXT.replace(",", separator)
    path = save(tmp_path, text.encode(encoding))
    rows = read_table(path, ["file", "concept"])
    assert [(row["file"], row["concept"], row.where) for row in rows] == [
        ("a.wav", "dog", f"{path}:2"),
        (f"b{separator} c.wav", "cat", f"{path}:4"),
    ]
    assert rows[0]["no such column"] == ""
    assert rows[0].cells["concept"] == " dog "


def test_utf_16_of_either_order(tmp_path: Path) -> None:
    for mark, encoding in (("\ufeff", "utf-16-le"), ("\ufeff", "utf-16-be")):
        path = save(tmp_path, (mark + "file\né.wav\n").encode(encoding))
        assert read_table(path, ["file"])[0]["file"] == "é.wav"
    with pytest.raises(LassbenchError, match=r"t\.csv:1: .*UTF-16 without its mark"):
        read_table(save(tmp_path, "file\na.wav\n".encode("utf-16-le")), ["file"])


def test_the_separator_is_told_by_the_header_alone(tmp_path: Path) -> None:
    path = save(tmp_path, "file,tags\na.wav,dog;bark;outside;far\n")
    assert read_table(path, ["file", "tags"])[0]["tags"] == "dog;bark;outside;far"
    path = save(tmp_path, "file;captions\na.wav;one, two, three\n")
    assert read_table(path, ["file"])[0]["captions"] == "one, two, three"


def test_the_line_that_excel_writes_first(tmp_path: Path) -> None:
    path = save(tmp_path, "sep=;\r\nfile;n\r\na;1\r\nb\r\n")
    with pytest.raises(FaultsError, match=f"{path}:4: has 1 cells"):
        read_table(path, ["file"])


def test_a_quote_without_end_is_told_where_it_begins(tmp_path: Path) -> None:
    path = save(tmp_path, 'sep=,\nfile,n\n"two\nlines",1\n"open,2\nx,3\n')
    with pytest.raises(FaultsError, match=f"{path}:5: not valid CSV"):
        read_table(path, ["file"])


def test_a_caller_may_refuse_the_header_in_its_own_words(tmp_path: Path) -> None:
    def check(header: Sequence[str], where: str) -> None:
        raise LassbenchError(f"no table of ours: {header}", where=where)

    path = save(tmp_path, "\nFile; n; n\n")
    with pytest.raises(LassbenchError, match=rf"{path}:2: .*\['file', 'n', 'n'\]"):
        read_table(path, ["file", "n", "more"], check_header=check)


def test_line_numbers_count_quoted_line_breaks(tmp_path: Path) -> None:
    path = save(tmp_path, 'file\n"two\nlines"\nlast\n')
    assert [row.where for row in read_table(path, ["file"])] == [f"{path}:3", f"{path}:4"]


def test_a_missing_column_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    path = save(tmp_path, "file,concpet\n")
    with pytest.raises(LassbenchError) as caught:
        read_table(path, ["file", "concept"])
    message = str(caught.value)
    assert f"{path}:1: the table lacks the column concept (did you mean 'concpet'?)" in message
    assert "got:      file, concpet" in message


def test_one_of_several_columns_is_enough(tmp_path: Path) -> None:
    path = save(tmp_path, "b\n1\n")
    assert read_table(path, [], one_of=[("a", "b")])[0]["b"] == "1"
    with pytest.raises(LassbenchError, match="lacks the column c or d"):
        read_table(path, [], one_of=[("c", "d")])


def test_a_column_that_comes_twice_is_refused_unless_it_may(tmp_path: Path) -> None:
    path = save(tmp_path, "file,noise,Noise\na,b,c\n")
    with pytest.raises(LassbenchError, match="the column noise twice"):
        read_table(path, ["file"])
    row = read_table(path, ["file"], repeated=["noise"])[0]
    assert (row["noise"], row["noise.2"]) == ("b", "c")


def test_all_ragged_rows_are_listed(tmp_path: Path) -> None:
    path = save(tmp_path, "file,concept\na,b,c\nfine,dog\nshort\n")
    with pytest.raises(FaultsError) as caught:
        read_table(path, ["file"])
    assert [str(fault) for fault in caught.value.faults] == [
        f"{path}:2: has 3 cells, the header 2",
        f"{path}:4: has 1 cells, the header 2",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no header line"),
        (b"\n\n", "has no header line"),
        (b"file\n\xff\xfe", "not UTF-8"),
        (b"file\na\x00b\n", "NUL"),
        (b'file\n"open', "not valid CSV"),
        (b'"file\nopen', "not valid CSV"),
        (b"\xff\xfea", "begins as UTF-16"),
        (b"file\n" + b"x" * 200_000, "field larger"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(LassbenchError, match=message):
        read_table(save(tmp_path, data), ["file"])


def test_a_missing_table_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_table(tmp_path / "gone.csv", ["file"])


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    cells = [("a", 'say "x", y'), ("b", "two\nlines")]
    path = save(tmp_path, write_table(("id", "text"), cells))
    assert [(row["id"], row["text"]) for row in read_table(path, ("id", "text"))] == cells
    assert split(join(["Animal, pet", "Dog"])) == ("Animal, pet", "Dog")
    assert split("") == ()


@pytest.mark.parametrize("line", ['"sep=;"', "SEP=;", "sep=;"])
def test_excels_line_in_its_forms(tmp_path: Path, line: str) -> None:
    path = save(tmp_path, f"{line}\r\nfile;n\r\na;1\r\n")
    assert [(row["n"], row.where) for row in read_table(path, ["file"])] == [("1", f"{path}:3")]
