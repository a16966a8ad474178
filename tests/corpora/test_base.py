"""Tables, names and what every corpus has to offer."""

from __future__ import annotations

from pathlib import Path

import pytest

from lassbench.corpora import CORPORA, open_corpus
from lassbench.corpora.base import (
    CorpusCard,
    check_clips,
    inner_path,
    plain_name,
    read_source,
    read_table,
)
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.records import Clip, MissingSource


def clip(clip_id: str = "a", **changes: object) -> Clip:
    values: dict[str, object] = {"concept": "dog", "split": "train", "captions": ("a dog",)}
    return Clip(clip_id=clip_id, **{**values, **changes})  # type: ignore[arg-type]


def kinds(error: FaultsError) -> list[str]:
    return sorted(fault.kind for fault in error.faults)


# Tables -----------------------------------------------------------------------


def test_a_table_reads_over_byte_order_marks_windows_lines_and_spaces(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(
        '\ufefffile, concept ,extra\r\na.wav, dog ,1\r\n\r\n"b, c.wav",cat,\r\n'.encode()
    )
    rows = read_table(path, ["file", "concept"])
    assert [(row["file"], row["concept"], row.where) for row in rows] == [
        ("a.wav", "dog", f"{path}:2"),
        ("b, c.wav", "cat", f"{path}:4"),
    ]
    assert rows[0]["no such column"] == ""


def test_line_numbers_count_quoted_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('file\n"two\nlines"\nlast\n')
    assert [row.where for row in read_table(path, ["file"])] == [f"{path}:3", f"{path}:4"]


def test_a_missing_column_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,concpet\n")
    with pytest.raises(LassbenchError) as caught:
        read_table(path, ["file", "concept"])
    message = str(caught.value)
    assert f"{path}:1: the table lacks the column concept (did you mean 'concpet'?)" in message
    assert "got:      file, concpet" in message


def test_one_of_several_columns_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("b\n1\n")
    assert read_table(path, [], one_of=[("a", "b")])[0]["b"] == "1"
    with pytest.raises(LassbenchError, match="lacks the column c or d"):
        read_table(path, [], one_of=[("c", "d")])


def test_a_column_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,file\na,b\n")
    with pytest.raises(LassbenchError, match="the column file twice"):
        read_table(path, ["file"])


def test_all_ragged_rows_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,concept\na,b,c\nfine,dog\nshort\n")
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
        (b"file\n\xff\xfe", "not UTF-8|is not UTF-8"),
        (b"file\na\x00b\n", "NUL"),
        (b'file\n"open', "not valid CSV"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(LassbenchError, match=message):
        read_table(path, ["file"])


def test_a_missing_table_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_table(tmp_path / "gone.csv", ["file"])


# Names and clips --------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.wav", "a b.wav", "déjà vu.ogg", "..a", "-x.wav"])
def test_plain_names(name: str) -> None:
    assert plain_name(name) is None
    assert inner_path(name) is None


@pytest.mark.parametrize("name", ["", "a/b.wav", "../a.wav", "a\\b.wav", "..", "a\nb"])
def test_names_that_are_not_plain(name: str) -> None:
    assert plain_name(name)


@pytest.mark.parametrize("name", ["a/b.wav", "a/b/c d.wav"])
def test_inner_paths(name: str) -> None:
    assert inner_path(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../secret.wav",
        "a/../../b.wav",
        "..\\b.wav",
        "C:\\a.wav",
        "~/a.wav",
        "http://host/a.wav",
        "file:///a.wav",
        "a\x1b[2J.wav",
    ],
)
def test_paths_that_lead_elsewhere(name: str) -> None:
    assert inner_path(name)


def test_every_bad_clip_is_named() -> None:
    with pytest.raises(FaultsError) as caught:
        check_clips(
            [
                clip("fine"),
                clip("Fine"),
                clip("../up"),
                clip("no caption", captions=()),
                clip("empty", captions=("a", " ")),
                clip("nothing", concept=""),
                clip("where", split="training"),
            ]
        )
    assert kinds(caught.value) == [
        *("caption", "caption", "concept", "duplicate", "id", "id", "split"),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"captions": ("a dog <script>alert(1)</script>",)}, "caption .* markup"),
        ({"captions": ("fine", "a dog\x1b[2J")}, r"caption .* U\+001B"),
        ({"captions": ("a\u200bdog",)}, r"caption .* U\+200B"),
        ({"captions": ("dog " * 300,)}, "caption .* 1200 characters"),
        ({"concept": "<b>dog</b>"}, "concept .* markup"),
        ({"root": "a\nb"}, r"root .* U\+000A"),
        ({"tags": ("dog", "[x](javascript:x)")}, "tags .* script"),
        ({"attribution": "Jo\x00"}, r"attribution .* U\+0000"),
    ],
)
def test_text_that_a_leaderboard_would_refuse_is_refused_first(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(FaultsError, match=words) as caught:
        check_clips([clip("fine"), clip("bad", **changes)])
    assert [(fault.kind, fault.where) for fault in caught.value.faults] == [("text", "bad")]


def test_captions_that_begin_like_formulas_are_captions() -> None:
    check_clips([clip("a", captions=("- a dog", "=^.^=", "+1", "@ home", "5 < 6"))])


@pytest.mark.parametrize("other", ["Dog", "DOG", "dog"], ids=["case", "capitals", "one label"])
def test_labels_that_differ_in_case_alone_are_named_together(other: str) -> None:
    clips = [clip("a", tags=("dog",)), clip("b", concept=other, tags=("x", other)), clip("c")]
    clips.append(clip("d", concept=other))
    if other == "dog":
        check_clips(clips)
        return
    with pytest.raises(FaultsError) as caught:
        check_clips(clips)
    # Once for the concept, once for the tag, wherever else they occur.
    assert [(fault.kind, fault.where) for fault in caught.value.faults] == [("label", "b")] * 2
    assert all(f"{other!r} is 'dog' (of a)" in fault.reason for fault in caught.value.faults)


def test_labels_in_two_unicode_forms_are_named_together() -> None:
    with pytest.raises(FaultsError, match="in other letters"):
        check_clips([clip("a", concept="caf\u00e9"), clip("b", concept="cafe\u0301")])


def test_youtube_ids_differ_in_case_alone() -> None:
    check_clips([clip("Yab", youtube_id="ab"), clip("YaB", youtube_id="aB")])


def test_a_missing_source_is_a_fault_of_its_own_kind() -> None:
    with pytest.raises(LassbenchError, match="gone since 2019"):
        read_source(MissingSource("gone", "gone since 2019"), sample_rate_hz=8000, seconds=1.0)


@pytest.mark.parametrize("changes", [{"sample_rate_hz": 0}, {"clip_seconds": 0.0}])
def test_a_card_of_impossible_clips_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="out of range"):
        CorpusCard("a", "A", "", "", "", **changes)  # type: ignore[arg-type]


# The registry -----------------------------------------------------------------


def test_an_unknown_corpus_is_met_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no such corpus 'ecs50' \(did you mean 'esc50'\?\)"):
        open_corpus("ecs50", {})


def test_an_option_of_another_corpus_is_refused() -> None:
    with pytest.raises(UsageError, match="the corpus synthetic does not take --only-esc10"):
        open_corpus("synthetic", {"only_esc10": True})


def test_options_that_are_not_given_do_not_count() -> None:
    corpus = open_corpus("synthetic", {"source": None, "only_esc10": False, "seed": 3})
    assert corpus.clips()[0].clip_id.startswith("synthetic-3-")


@pytest.mark.parametrize("name", ["esc50", "folder"])
def test_corpora_on_disk_need_a_source(name: str) -> None:
    assert name in CORPORA
    with pytest.raises(UsageError, match="needs --source"):
        open_corpus(name, {})
