"""Reading captions, segment lists and released lists: what is kept, what is refused, and where."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lassbench.benchmark.metadata_readers import (
    read_captions,
    read_released_evaluation,
    read_released_training,
    read_segments,
)
from lassbench.benchmark.ontology import Ontology, read_ontology
from lassbench.errors import FaultsError, LassbenchError
from tests.small_metadata import SmallMetadata, video

HEADER = "audiocap_id,youtube_id,start_time,caption\n"


def captions(folder: Path, text: str | bytes) -> Path:
    path = folder / "train.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def ontology(folder: Path) -> Ontology:
    SmallMetadata().write(folder)
    audioset = folder / "audioset"
    return read_ontology(audioset / "ontology.json", audioset / "class_labels_indices.csv")


# --- captions ---------------------------------------------------------------


def test_captions_stand_in_ascending_order_of_their_ids(tmp_path: Path) -> None:
    text = HEADER + '10,aaaaaaaaaaa,30,"ten, ""quoted"""\n9,aaaaaaaaaaa,30,nine\n'
    clips = read_captions({"train": captions(tmp_path, text)})
    clip = clips["aaaaaaaaaaa"]
    # 9 before 10: numbers, not texts.
    assert clip.captions == ((9, "nine"), (10, 'ten, "quoted"'))
    assert (clip.start_s, clip.audiocaps_split) == (30.0, "train")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
    ],
)
def test_marks_and_line_ends_make_no_difference(tmp_path: Path, change: object) -> None:
    text = SmallMetadata().captions_csv("val").encode()
    plain = read_captions({"val": captions(tmp_path, text)})
    changed = read_captions({"val": captions(tmp_path, change(text))})  # type: ignore[operator]
    assert plain == changed and len(plain) == 3


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        ("x1,aaaaaaaaaaa,0,a\n", 2, "audiocap_id 'x1' is not a number"),
        ("1,short,0,a\n", 2, "'short' is no YouTube id"),
        ("1,aaaaaaaaaaa,-3,a\n", 2, "start_time '-3'"),
        ("1,aaaaaaaaaaa,soon,a\n", 2, "start_time 'soon'"),
        ("1,aaaaaaaaaaa,0,\n", 2, "the caption is empty"),
        ("1,aaaaaaaaaaa,0,a\n1,bbbbbbbbbbb,0,b\n", 3, "audiocap_id 1 stands at"),
        ("1,aaaaaaaaaaa,0,a\n2,aaaaaaaaaaa,9,b\n", 3, "starts at 9 s here and at 0 s at"),
    ],
)
def test_bad_captions_are_refused_with_file_and_line(
    tmp_path: Path, rows: str, line: int, words: str
) -> None:
    with pytest.raises(FaultsError) as caught:
        read_captions({"train": captions(tmp_path, HEADER + rows)})
    (fault,) = caught.value.faults
    assert fault.where.endswith(f"train.csv:{line}") and words in fault.reason


def test_a_clip_in_two_splits_is_refused(tmp_path: Path) -> None:
    train = captions(tmp_path, HEADER + "1,aaaaaaaaaaa,0,a\n")
    test = tmp_path / "test.csv"
    test.write_text(HEADER + "2,aaaaaaaaaaa,0,b\n")
    with pytest.raises(FaultsError, match="aaaaaaaaaaa is in train too"):
        read_captions({"train": train, "test": test})


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    path = captions(tmp_path, "audiocap_id,youtube_id,start_tim,caption\n1,aaaaaaaaaaa,0,a\n")
    with pytest.raises(LassbenchError, match=r"train\.csv:1: .*start_time.*did you mean"):
        read_captions({"train": path})


def test_all_bad_rows_are_told_at_once(tmp_path: Path) -> None:
    rows = "x,aaaaaaaaaaa,0,a\n2,bbbbbbbbbbb,y,b\n3,ccccccccccc,0,c\n4,d,0,d\n"
    with pytest.raises(FaultsError) as caught:
        read_captions({"train": captions(tmp_path, HEADER + rows)})
    assert [fault.where.rsplit(":", 1)[1] for fault in caught.value.faults] == ["2", "3", "5"]


# --- segments ---------------------------------------------------------------


def segments_path(folder: Path) -> Path:
    return folder / "audioset" / "unbalanced_train_segments.csv"


def test_only_wanted_rows_are_read_and_checked(tmp_path: Path) -> None:
    known = ontology(tmp_path)
    wanted = {video("dog", 1), video("rain", 0)}
    # The foreign row has labels that nobody knows: it is not wanted.
    segments = read_segments(segments_path(tmp_path), wanted, known)
    assert set(segments) == wanted
    dog = segments[video("dog", 1)]
    assert (dog.start_s, dog.end_s, dog.mids) == (30.0, 40.0, ("/m/bark", "/m/dog"))


@pytest.mark.parametrize("ending", ["plain", "gz", "windows", "mark", "no comments"])
def test_every_form_of_the_list_reads_the_same(tmp_path: Path, ending: str) -> None:
    known, metadata = ontology(tmp_path), SmallMetadata()
    wanted = {clip.youtube_id for clip in metadata.clips}
    expected = read_segments(segments_path(tmp_path), wanted, known)
    text = metadata.segments_csv().encode()
    path = tmp_path / ("list.csv.gz" if ending == "gz" else "list.csv")
    path.write_bytes(
        {
            "plain": text,
            "gz": gzip.compress(text),
            "windows": text.replace(b"\n", b"\r\n"),
            "mark": b"\xef\xbb\xbf" + text,
            "no comments": b"\xef\xbb\xbf" + b"\n".join(text.split(b"\n")[3:]),
        }[ending]
    )
    assert read_segments(path, wanted, known) == expected
    assert len(expected) == len(wanted)


@pytest.mark.parametrize(
    ("old", "new", "kind", "line"),
    [
        ('-og00000002, 0.000, 10.000, "/m/dog', '-og00000002, 0.000, 10.000, "/m/cat', "mid", 7),
        ("-og00000002, 0.000, 10.000", "-og00000002, 10.000, 10.000", "start time", 7),
        ("rain0000000, ", "dog00000001, ", "duplicated id", 11),
    ],
)
def test_bad_rows_are_refused_with_file_and_line(
    tmp_path: Path, old: str, new: str, kind: str, line: int
) -> None:
    known, path = ontology(tmp_path), segments_path(tmp_path)
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(FaultsError) as caught:
        read_segments(path, {clip.youtube_id for clip in SmallMetadata().clips}, known)
    (fault,) = caught.value.faults
    assert kind in fault.kind and fault.where == f"{path}:{line}"


@pytest.mark.parametrize(
    "row",
    ["rubbish", 'rain0000000, 0.000, 10.000, "/m/rain', "rain0000000,0,10", '"', "a,b,c,d"],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, row: str) -> None:
    known, path = ontology(tmp_path), segments_path(tmp_path)
    path.write_text(path.read_text() + row + "\n")
    lines = len(path.read_text().splitlines())
    with pytest.raises(LassbenchError) as caught:
        read_segments(path, {"rain0000000"}, known)
    assert caught.value.where == f"{path}:{lines}"


def test_a_truncated_gzip_file_is_told(tmp_path: Path) -> None:
    known = ontology(tmp_path)
    path = tmp_path / "list.csv.gz"
    path.write_bytes(gzip.compress(SmallMetadata().segments_csv().encode())[:-20])
    with pytest.raises(LassbenchError, match=r"list\.csv\.gz: is not a whole gzip file"):
        read_segments(path, {"rain0000000"}, known)


# --- released lists ---------------------------------------------------------


def test_released_lists_are_read_as_they_are(tmp_path: Path) -> None:
    training, test = tmp_path / "training.csv", tmp_path / "evaluation.csv"
    training.write_bytes(b"aaaaaaaaaaa\r\n-bbbbbbbbbb\r\n")
    test.write_bytes(
        b"target_wav, noise_wav\r\naaaaaaaaaaa,-bbbbbbbbbb\r\naaaaaaaaaaa,ccccccccccc\r\n"
    )
    assert read_released_training(training) == ["aaaaaaaaaaa", "-bbbbbbbbbb"]
    assert read_released_evaluation(test) == [
        ("aaaaaaaaaaa", "-bbbbbbbbbb"),
        ("aaaaaaaaaaa", "ccccccccccc"),
    ]


def test_bad_released_lists_are_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("aaaaaaaaaaa\nbad\naaaaaaaaaaa\n")
    with pytest.raises(FaultsError) as caught:
        read_released_training(path)
    assert [fault.where for fault in caught.value.faults] == [f"{path}:2", f"{path}:3"]
    path.write_text("target_wav, noise_wav\naaaaaaaaaaa,aaaaaaaaaaa\n")
    with pytest.raises(FaultsError, match="mixed with itself"):
        read_released_evaluation(path)
