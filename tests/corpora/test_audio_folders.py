"""Finding clips' audio by name and length; two files, wrong lengths, wrong starts."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench import audio
from lassbench.benchmark.manifests import ClipRow
from lassbench.corpora.audio_folders import AudioFolders, SyntheticAudio
from lassbench.errors import UsageError
from lassbench.records import FileSource, MissingSource, RenderedSource
from tests.sound_files import clicks, encode

RATE = 8000
ID = "-bcdefghij_"


def row(start: float = 30.0, length: float = 10.0, youtube_id: str = ID) -> ClipRow:
    return ClipRow(youtube_id, start, start + length, (123, 45678), "train", "dog", ("Dog",))


def put(folder: Path, name: str, seconds: float = 10.0) -> Path:
    """A file whose samples rise with time, so that a cut can be told by its first sample."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.arange(round(seconds * RATE)) / (100 * RATE)
    sf.write(path, ramp, RATE, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


def locate(folder: Path, clip: ClipRow | None = None) -> FileSource | MissingSource:
    found = AudioFolders((str(folder),)).locate(clip or row())
    assert not isinstance(found, RenderedSource)
    return found


@pytest.mark.parametrize(
    "name",
    [
        f"Y{ID}.wav",
        f"{ID}.wav",
        f"{ID}_30.flac",
        f"Y{ID}_30.wav",
        f"{ID}_30.0.wav",
        f"{ID}_30000.wav",
        f"{ID}_30000_40000.flac",
        f"Y{ID}_30_40.wav",
        "123.wav",
        "045678.flac",
        f"some/where/deep/{ID}.WAV",
    ],
)
def test_a_cut_is_found_under_every_name(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name)
    put(tmp_path, "unrelated.wav")
    put(tmp_path, "zzzzzzzzzzz.wav")
    assert locate(tmp_path) == FileSource(str(path), end_s=10.0)


@pytest.mark.parametrize("name", [f"Y{ID}.wav", f"{ID}.flac"])
def test_a_whole_video_is_cut_where_the_clip_stands(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name, seconds=45.0)
    found = locate(tmp_path)
    assert found == FileSource(str(path), 30.0, 40.0)
    sound = audio.decode(path, start_s=30.0, end_s=40.0)
    assert sound.samples.size == 10 * sound.rate
    assert sound.samples[0] == pytest.approx(0.3, abs=1e-4)


def test_a_whole_video_that_ends_with_the_clip(tmp_path: Path) -> None:
    put(tmp_path, f"{ID}.wav", seconds=39.5)
    found = locate(tmp_path)
    assert isinstance(found, FileSource) and (found.start_s, found.end_s) == (30.0, 40.0)


@pytest.mark.parametrize("seconds", [9.2, 10.0, 10.4])
def test_a_cut_may_be_a_little_off(tmp_path: Path, seconds: float) -> None:
    put(tmp_path, f"{ID}.wav", seconds)
    found = locate(tmp_path)
    assert isinstance(found, FileSource) and found.start_s is None


@pytest.mark.parametrize(
    ("name", "seconds", "words"),
    [
        (f"{ID}.wav", 4.0, "is 4.00 s long, the clip 10 s"),
        (f"{ID}_30.wav", 4.0, "is 4.00 s long, the clip 10 s"),
        (f"{ID}.wav", 25.0, "neither a cut of 10 s nor a video that reaches 40 s"),
    ],
)
def test_a_file_of_the_wrong_length_is_refused(
    tmp_path: Path, name: str, seconds: float, words: str
) -> None:
    put(tmp_path, name, seconds)
    found = locate(tmp_path)
    assert isinstance(found, MissingSource) and found.kind == "wrong length"
    assert words in found.reason


def test_short_clips_of_audioset_are_cut_at_their_end(tmp_path: Path) -> None:
    put(tmp_path, f"{ID}.wav", seconds=10.0)
    found = locate(tmp_path, row(start=0.0, length=7.0))
    assert isinstance(found, FileSource) and found.end_s == 7.0


def test_another_start_is_another_clip(tmp_path: Path) -> None:
    put(tmp_path, f"{ID}_90.wav")
    found = locate(tmp_path)
    assert isinstance(found, MissingSource) and found.kind == "wrong start time"
    assert f"{ID}_90.wav" in found.reason
    # With the right one beside it, the other does not matter.
    right = put(tmp_path, f"{ID}_30.wav")
    assert locate(tmp_path) == FileSource(str(right), end_s=10.0)


def test_two_files_for_one_clip_are_a_fault(tmp_path: Path) -> None:
    first, second = put(tmp_path, f"a/{ID}.wav"), put(tmp_path, "b/123.flac")
    folders = AudioFolders((str(tmp_path),))
    (fault,) = folders.faults([row()])
    assert (fault.kind, fault.where) == ("two files for one clip", f"Y{ID}")
    assert str(first) in fault.reason and str(second) in fault.reason
    found = folders.locate(row())
    assert isinstance(found, MissingSource) and found.kind == "two files for one clip"


def test_a_folder_given_twice_is_one_folder(tmp_path: Path) -> None:
    put(tmp_path, f"{ID}.wav")
    (tmp_path / "again").symlink_to(tmp_path)
    folders = AudioFolders((str(tmp_path), str(tmp_path)))
    assert folders.faults([row()]) == [] and len(folders._index[ID]) == 1


def test_an_id_that_begins_with_a_y(tmp_path: Path) -> None:
    clip = row(youtube_id="Yabcdefghij")
    plain = put(tmp_path, "Yabcdefghij.wav")
    assert locate(tmp_path, clip) == FileSource(str(plain), end_s=10.0)
    plain.rename(tmp_path / "YYabcdefghij.wav")
    assert isinstance(locate(tmp_path, clip), FileSource)


def test_what_is_no_audio_is_left_to_the_reader_to_explain(tmp_path: Path) -> None:
    path = tmp_path / f"{ID}.wav"
    path.write_bytes(b"")
    assert locate(tmp_path) == FileSource(str(path))
    path.write_bytes(b"this is no audio at all")
    assert locate(tmp_path) == FileSource(str(path))


def test_nothing_found_and_no_folder(tmp_path: Path) -> None:
    found = locate(tmp_path)
    assert isinstance(found, MissingSource) and found.kind == "missing"
    with pytest.raises(UsageError, match="no such audio folder"):
        locate(tmp_path / "nowhere")


def test_the_index_is_not_carried_to_workers(tmp_path: Path) -> None:
    put(tmp_path, f"{ID}.wav")
    folders = AudioFolders((str(tmp_path),))
    before = len(pickle.dumps(folders))
    found = folders.locate(row())
    assert len(pickle.dumps(folders)) == before
    assert pickle.loads(pickle.dumps(folders)).locate(row()) == found


def test_a_video_that_libsndfile_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / f"{ID}.m4a"
    encode(path, clicks(42.0, 32000), 32000, "aac")
    assert locate(tmp_path) == FileSource(str(path), 30.0, 40.0)


def test_synthetic_audio_is_a_recipe() -> None:
    synthetic = SyntheticAudio()
    assert synthetic.locate(row()) == RenderedSource("dog", ID, ("Dog",))
    assert synthetic.faults([row()]) == []
    strange = ClipRow(ID, 0.0, 10.0, (1,), "train", "volcano", ("Eruption",))
    (fault,) = synthetic.faults([strange])
    assert fault.where == "concept volcano"
