"""Reading the lists of AudioSep and DCASE 2024 Task 9 as their authors publish them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lassbench.cli.import_suite import command
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.suites.importing import FORMATS, read_list

LISTS = {
    "audiosep-audiocaps": (
        "idx,caption,labels,src_wav,noise_wav\n"
        '0,"A bell, ringing",Bell Speech,Yaaaaaaaaaaa.wav,Ybbbbbbbbbbb.wav\n'
        "1,A dog barks,Dog,Yccccccccccc.wav,Ybbbbbbbbbbb.wav\n"
    ),
    "audiosep-esc50": (
        "idx,caption,src_wav,noise_wav\n"
        "0,crow,1-119125-A-45.wav,1-103995-A-30.wav\n"
        "1,rain,1-103995-A-30.wav,1-119125-A-45.wav\n"
    ),
    "audiosep-clotho": (
        "idx,caption,src_wav,noise_wav1,noise_wav1\n"
        '0,"Birds, far away.",birds_long.wav,"Cruise - outside, night.wav",rain.wav\n'
        "1,Popcorn.,Popcorn Popping.wav,one.wav,two.wav\n"
    ),
    "audiosep-audioset": (
        "idx,caption,src_wav,noise_wav\n"
        '0,Speech,"e/class_id=0/class_id=0,index=000,source.wav",'
        '"e/class_id=0/class_id=0,index=000,mixture.wav"\n'
        '0,Speech,"e/class_id=0/class_id=0,index=001,source.wav",'
        '"e/class_id=0/class_id=0,index=001,mixture.wav"\n'
    ),
    "audiosep-vggsound": (
        "file_id,mix_wav,s0_wav,s0_text,s1_wav,s1_text\n"
        "a+++b,data/mix_wav/a+++b.wav,data/s0_wav/a+++b.wav,yodelling,"
        'data/s1_wav/a+++b.wav,"cattle, bovinae cowbell"\n'
        "c+++d,data/mix_wav/c+++d.wav,data/s0_wav/c+++d.wav,skidding,"
        "data/s1_wav/c+++d.wav,rapping\n"
    ),
    "dcase2024-task9": (
        'source,noise,snr,caption\n12,345,-3,"A man speaks, and then stops"\n7,8,10,Rain falls\n'
    ),
}


def put(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", LISTS)
def test_each_list_is_read(tmp_path: Path, kind: str) -> None:
    rows = read_list(put(tmp_path, LISTS[kind]), kind)
    assert len(rows) == 2
    for row in rows:
        assert row.mixture.mixture_id == row.query.query_id == row.query.mixture_id
        assert row.mixture.mixture_id.startswith(f"{kind}-0")
        assert row.query.query_type == FORMATS[kind].query_type


def test_the_published_lists(shared: Path, tmp_path: Path) -> None:
    rows = {"audiocaps": 4820, "esc50": 2000, "music": 5004, "clotho": 5225}
    rows |= {"audioset": 5270, "vggsound": 1000}
    names = {f"audiosep-{name}": f"audiosep.{name}_eval" for name in rows}
    names["dcase2024-task9"] = "dcase2024.lass_synthetic_validation"
    counts = {}
    for kind, name in names.items():
        path = tmp_path / f"{name}.csv"
        path.write_bytes(gzip.decompress((shared / "data/lists" / f"{name}.csv.gz").read_bytes()))
        counts[kind] = len(read_list(path, kind))
    expected = {f"audiosep-{name}": count for name, count in rows.items()}
    assert counts == {**expected, "dcase2024-task9": 3000}


def test_texts_tags_and_files(tmp_path: Path) -> None:
    def first(kind: str) -> tuple[object, ...]:
        row = read_list(put(tmp_path, LISTS[kind]), kind)[0]
        return row.query.text, row.query.tags, row.query.concept, row.source, row.second

    assert first("audiosep-audiocaps") == (
        "A bell, ringing",
        ("Bell Speech",),
        "",
        "segment-0.wav",
        "mixture-0.wav",
    )
    assert first("audiosep-esc50") == (
        "crow",
        ("crow",),
        "crow",
        "segment-0.wav",
        "mixture-0.wav",
    )
    assert first("dcase2024-task9") == (
        "A man speaks, and then stops",
        (),
        "",
        "12.wav",
        "345.wav",
    )
    assert first("audiosep-vggsound")[3:] == (
        "data/s0_wav/a+++b.wav",
        "data/mix_wav/a+++b.wav",
    )
    assert str(first("audiosep-audioset")[4]).endswith("index=000,mixture.wav")


def test_both_noises_of_clotho_are_kept(tmp_path: Path) -> None:
    row = read_list(put(tmp_path, LISTS["audiosep-clotho"]), "audiosep-clotho")[0]
    assert row.mixture.target_id == "birds_long.wav"
    assert row.mixture.noise_id == "Cruise - outside, night.wav + rain.wav"


def test_the_same_source_is_the_same_target(tmp_path: Path) -> None:
    """Intervals resample targets, so one recording must keep one id."""
    text = LISTS["audiosep-esc50"] + "2,crow,1-119125-A-45.wav,1-1-A-1.wav\n"
    rows = read_list(put(tmp_path, text), "audiosep-esc50")
    assert rows[0].mixture.target_id == rows[2].mixture.target_id


def test_dcase_carries_its_snr(tmp_path: Path) -> None:
    rows = read_list(put(tmp_path, LISTS["dcase2024-task9"]), "dcase2024-task9")
    assert [row.snr_db for row in rows] == [-3.0, 10.0]
    assert [row.mixture.snr_db for row in rows] == [-3.0, 10.0]


def test_marks_and_windows_line_ends(tmp_path: Path) -> None:
    plain = read_list(put(tmp_path, LISTS["audiosep-clotho"]), "audiosep-clotho")
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xef\xbb\xbf" + LISTS["audiosep-clotho"].replace("\n", "\r\n").encode())
    assert read_list(path, "audiosep-clotho") == plain


@pytest.mark.parametrize(
    ("kind", "old", "new", "line", "words"),
    [
        ("dcase2024-task9", ",10,", ",loud,", 3, "snr 'loud' is no number"),
        ("dcase2024-task9", ",10,", ",nan,", 3, "snr 'nan' is no number"),
        ("dcase2024-task9", "Rain falls", "", 3, "is empty"),
        ("audiosep-esc50", "1,rain", "0,rain", 3, "0 stands twice"),
        ("audiosep-esc50", "1,rain", "x,rain", 3, "idx 'x' is no number"),
        ("audiosep-esc50", ",1-119125-A-45.wav\n", "\n", 3, "has 3 cells, the header 4"),
    ],
)
def test_bad_rows_are_named(
    tmp_path: Path, kind: str, old: str, new: str, line: int, words: str
) -> None:
    text = LISTS[kind]
    assert old in text
    with pytest.raises(FaultsError) as caught:
        read_list(put(tmp_path, text.replace(old, new)), kind)
    (fault,) = caught.value.faults
    assert fault.where.endswith(f"list.csv:{line}") and words in fault.reason


def test_the_wrong_format_is_refused_with_both_headers(tmp_path: Path) -> None:
    with pytest.raises(LassbenchError) as caught:
        read_list(put(tmp_path, LISTS["audiosep-esc50"]), "audiosep-audiocaps")
    assert caught.value.expected == "idx,caption,labels,src_wav,noise_wav"
    assert caught.value.got == "idx,caption,src_wav,noise_wav"
    with pytest.raises(UsageError, match=r"did you mean 'audiosep-esc50'"):
        read_list(tmp_path / "list.csv", "audiosep-esc5")


def test_the_command_offers_every_format() -> None:
    option = next(p for p in command.params if p.name == "kind")
    assert set(option.type.choices) == set(FORMATS)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("caption", "words"),
    [("a dog <img src=x>", "markup"), ("a dog\x07", r"U\+0007"), ("a" * 1001, "1001 characters")],
)
def test_a_query_that_no_leaderboard_would_take_is_named_by_its_line(
    tmp_path: Path, caption: str, words: str
) -> None:
    text = LISTS["audiosep-esc50"] + f"2,{caption},a.wav,b.wav\n3,- a dog,a.wav,b.wav\n"
    path = put(tmp_path, text)
    with pytest.raises(FaultsError, match=words) as caught:
        read_list(path, "audiosep-esc50")
    assert {fault.where for fault in caught.value.faults} == {f"{path}:4"}
