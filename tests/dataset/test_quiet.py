"""What is too quiet to be mixed, of an unknown length or of an impossible form, in a build."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench.cli import run
from lassbench.csv_files import read_table
from lassbench.dataset import layout, open_dataset
from lassbench.dataset.build import build
from lassbench.errors import UsageError
from tests.dataset.made import RATE, SECONDS, add, recordings, recordings_as_they_are, sound, tree

Capture = pytest.CaptureFixture[str]


def mixed(share: float, number: int) -> np.ndarray:
    """Noise with the power of ``sound(0)`` and the correlation ``share`` with it."""
    return share * sound(0) + np.sqrt(1 - share**2) * sound(number)


def at_peak(decibels: float) -> np.ndarray:
    x = sound(3)
    return x / np.abs(x).max() * 10 ** (decibels / 20)


LEFT, NOISE = sound(0), sound(1)
#: Name -> channels, its state without ``--keep-quiet``, its state with it.
SOUNDS: dict[str, tuple[list[np.ndarray], str, str]] = {
    "opposite": ([LEFT, -LEFT], "cancels", "silent"),
    "almost-opposite": ([LEFT, -LEFT + 10**-1.5 * NOISE], "cancels", "kept"),
    "six-in-pairs": ([s * sound(n) for n in (5, 6, 7) for s in (1, -1)], "cancels", "silent"),
    "six": ([sound(n) for n in range(6)], "kept", "kept"),
    "minus-0.9": ([LEFT, mixed(-0.9, 2)], "kept", "kept"),
    "one-side": ([LEFT, 0 * LEFT], "kept", "kept"),
    "faint": ([at_peak(-61)], "near-silent", "kept"),
    "less-faint": ([at_peak(-59)], "kept", "kept"),
    "faint-in-stereo": ([at_peak(-61), at_peak(-61)], "near-silent", "kept"),
    "silent": ([0 * LEFT], "silent", "silent"),
    "silent-in-stereo": ([0 * LEFT, 0 * LEFT], "silent", "silent"),
    "below-16-bits": ([at_peak(-97)], "silent", "silent"),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    recordings(folder, 4)
    for name, (channels, _, _) in SOUNDS.items():
        sf.write(folder / f"{name}.wav", np.stack(channels, axis=1), RATE, subtype="FLOAT")
        add(folder, f"{name}.wav")
    return folder


def build_dataset(source: Path, out: Path, *more: str) -> int:
    how = ["--rate", str(RATE), "--seconds", str(SECONDS), "--workers", "1"]
    return run(
        ["build-dataset", str(out), "--corpus", "folder", "--source", str(source), *how, *more]
    )


def states(out: Path) -> dict[str, str]:
    """The states of ``SOUNDS`` in a dataset's list."""
    rows = read_table(out / layout.CLIPS, layout.CLIPS_HEADER)
    return {row["clip_id"]: row["state"] for row in rows if row["clip_id"] in SOUNDS}


WITHOUT = {name: state for name, (_, state, _) in SOUNDS.items()}
WITH = {name: state for name, (_, _, state) in SOUNDS.items()}


def test_what_is_too_quiet_stays_out_until_it_is_asked_for(
    source: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    assert build_dataset(source, out) == 0
    assert states(out) == WITHOUT
    told = capsys.readouterr().out
    assert "8 clips, 8 left out" in told
    assert "  cancels: 3\n    almost-opposite: its channels cancel each other: their mix keeps" in (
        told
    )
    assert "mix keeps -33 dB" in told and "mix keeps nothing" in told
    assert "  near-silent: 2\n    faint: the peak of its 0.5 s is -61 dB of full scale\n" in told
    assert "the same command with --keep-quiet takes in what is near-silent or cancels" in told
    assert "keep-quiet" not in (out / "README.md").read_text()
    first = {clip_id: open_dataset(out).flac(clip_id) for clip_id in open_dataset(out).clips}

    # The same command with the option takes them in, and leaves the others as they are.
    assert build_dataset(source, out, "--keep-quiet") == 0
    assert states(out) == WITH
    told = capsys.readouterr().out
    assert "11 clips (8 were there already), 5 left out" in told
    assert "keep-quiet" not in told
    now = open_dataset(out)
    assert {clip_id: now.flac(clip_id) for clip_id in first} == first
    assert 0 < np.abs(now.samples("faint")).max() < 1e-3
    assert "(`--keep-quiet`)" in (out / "README.md").read_text()
    assert tree(out) == tree(built_at_once(source, tmp_path))

    # Without it they would be lost again.
    before = tree(out)
    assert build_dataset(source, out) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"lassbench: {out}: was built with --keep-quiet: without it, clips that are in it would "
        "be left out",
        "  to do:    give --keep-quiet too, or name a new folder",
    ]
    assert tree(out) == before


def built_at_once(source: Path, tmp_path: Path) -> Path:
    build(recordings_as_they_are(source), tmp_path / "at-once", keep_quiet=True)
    return tmp_path / "at-once"


@pytest.mark.parametrize("begun", ["first", "second"])
def test_a_build_that_broke_off_after_taking_in_quiet_clips_takes_them_in(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: str
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    if begun == "second":
        build(recordings_as_they_are(source), out)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(layout, "readme", stop)
        build(recordings_as_they_are(source), out, keep_quiet=True)
    with pytest.raises(UsageError, match="give --keep-quiet too"):
        build(recordings_as_they_are(source), out)
    build(recordings_as_they_are(source), out, keep_quiet=True)
    assert tree(out) == tree(built_at_once(source, tmp_path))


def test_other_settings_are_told_apart_from_this_one(source: Path, tmp_path: Path) -> None:
    build(recordings_as_they_are(source), tmp_path / "out")
    longer = recordings_as_they_are(source, seconds=1.0)
    with pytest.raises(UsageError) as caught:
        build(longer, tmp_path / "out", keep_quiet=True)
    assert (caught.value.expected, caught.value.got) == ("clip_seconds 0.5", "clip_seconds 1.0")
    build(recordings_as_they_are(source), tmp_path / "out", keep_quiet=True)
    with pytest.raises(UsageError) as caught:
        build(longer, tmp_path / "out")
    assert caught.value.expected == "clip_seconds 0.5, keep_quiet True"
    assert caught.value.got == "clip_seconds 1.0, keep_quiet not given"


# Lengths and forms --------------------------------------------------------------


def test_files_that_tell_no_length_are_counted(tmp_path: Path, capsys: Capture) -> None:
    source = tmp_path / "source"
    recordings(source, 4)
    # Where each container has its length, and how it says that it does not know it.
    places = {"a.wav": (40, b"\xff" * 4), "b.flac": (22, bytes(4)), "c.au": (8, b"\xff" * 4)}
    for number, name in enumerate([*places, "whole.wav"]):
        sf.write(source / name, sound(20 + number), RATE)
        add(source, name)
        if name in places:
            overwrite(source / name, *places[name])
    report = build(recordings_as_they_are(source), tmp_path / "out")
    assert report.clips == 8
    assert report.unsized == ("a", "b", "c")
    # Only what is made now is told.
    assert build(recordings_as_they_are(source), tmp_path / "out").unsized == ()
    assert build_dataset(source, tmp_path / "again") == 0
    assert (
        "3 clips are of files that do not tell their length, so that a missing end cannot be "
        "noticed, such as a\n"
    ) in capsys.readouterr().out


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(data)


#: Where a header has the rate and the channels, and as what.
HEADERS = {".wav": ((24, "<I"), (22, "<H")), ".au": ((16, ">I"), (20, ">I"))}


def test_an_impossible_header_takes_no_other_clip_along(tmp_path: Path, capsys: Capture) -> None:
    source = tmp_path / "source"
    recordings(source, 4)
    for suffix, (rate, channels) in HEADERS.items():
        for (at, form), value in ((rate, 2147483629), (rate, 1), (channels, 65535)):
            name = f"bad-{value}{suffix.replace('.', '-')}{suffix}"
            sf.write(source / name, sound(value % 1000), RATE)
            overwrite(source / name, at, struct.pack(form, value))
            add(source, name)
    assert build_dataset(source, tmp_path / "out") == 0
    assert "4 clips, 6 left out" in capsys.readouterr().out
    missing = open_dataset(tmp_path / "out").missing
    said = {clip_id: (clip.kind, clip.reason) for clip_id, clip in missing.items()}
    # FFmpeg reads the one file's header, and refuses the other's like libsndfile.
    assert said.pop("bad-65535-au") == (
        "not-audio",
        "cannot be decoded (libsndfile: Too many channels specified; FFmpeg: Invalid argument)",
    )
    many = "its header says an impossible number of channels, expected 1 to 64"
    rates = {
        f"bad-{rate}-{suffix}": f"its header says {rate} Hz, expected 1000 to 768000 Hz"
        for rate in (1, 2147483629)
        for suffix in ("wav", "au")
    }
    assert said == {
        name: ("impossible-header", reason)
        for name, reason in (rates | {"bad-65535-wav": many}).items()
    }
