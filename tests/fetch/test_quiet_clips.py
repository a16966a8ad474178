"""Quiet clips in a fetch: their own classes, taken in when that is asked for."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench.cli import run
from tests.fetch.conftest import video_id

RATE = 16000


def of_peak(number: int, decibels: float) -> np.ndarray:
    x = np.random.default_rng(number).standard_normal(2 * RATE)
    return x / np.abs(x).max() * 10 ** (decibels / 20)


LOUD = of_peak(0, -6)
#: Name -> the channels of its file, its class without ``--keep-quiet``, its class with it.
SOUNDS: dict[str, tuple[list[np.ndarray], str, str]] = {
    "loud": ([LOUD], "done", "done"),
    "almost opposite": ([LOUD, -LOUD + 10**-1.5 * of_peak(1, -6)], "cancels", "done"),
    "opposite": ([LOUD, -LOUD], "cancels", "silent"),
    "faint": ([of_peak(2, -61)], "near-silent", "done"),
    "less faint": ([of_peak(3, -59)], "done", "done"),
    "one side": ([LOUD[::-1], 0 * LOUD], "done", "done"),
    "silent": ([0 * LOUD], "silent", "silent"),
}
WITHOUT = {name: kind for name, (_, kind, _) in SOUNDS.items()}
WITH = {name: kind for name, (_, _, kind) in SOUNDS.items()}


@pytest.fixture
def fetching(tmp_path: Path) -> list[str]:
    """A fetch of ``SOUNDS`` from a folder into ``out``."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number, (channels, _, _) in enumerate(SOUNDS.values()):
        path = folder / f"Y{video_id(number)}.wav"
        sf.write(path, np.stack(channels, axis=1), RATE, subtype="FLOAT")
    rows = "".join(f"{video_id(number)},2,4\n" for number in range(len(SOUNDS)))
    (tmp_path / "list.csv").write_text(f"youtube_id,start_s,end_s\n{rows}")
    listed = ["--list", str(tmp_path / "list.csv"), "--audio", str(folder)]
    return ["fetch", str(tmp_path / "out"), *listed]


def classes(tmp_path: Path) -> dict[str, str]:
    """The class of each of ``SOUNDS``, by the census."""
    census = tmp_path / "census.csv"
    assert run(["fetch", str(tmp_path / "out"), "--export", str(census)]) == 0
    with census.open() as stream:
        rows = {row["youtube_id"]: row for row in csv.DictReader(stream)}
    assert {(row["state"], row["class"] == "done") for row in rows.values()} == {
        ("done", True),
        ("gone", False),
    }
    return {name: rows[video_id(number)]["class"] for number, name in enumerate(SOUNDS)}


def test_quiet_clips_stay_out_until_they_are_asked_for(
    fetching: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = tmp_path / "out" / "clips"
    assert run(fetching) == 0
    assert classes(tmp_path) == WITHOUT
    assert len(list(clips.iterdir())) == 3
    assert run(["fetch", str(tmp_path / "out"), "--status"]) == 0
    told = capsys.readouterr().out
    for kind, count in (("cancels", 2), ("near-silent", 1)):
        assert f"  {kind:<14}{count:>7}  --keep-quiet takes it in all the same\n" in told

    # Nothing is left to be asked for without the option; with it, no --retry is needed.
    assert run(fetching) == 0
    assert classes(tmp_path) == WITHOUT
    assert run([*fetching, "--keep-quiet"]) == 0
    assert classes(tmp_path) == WITH
    assert len(list(clips.iterdir())) == 5
    faint = sf.read(clips / f"Y{video_id(3)}.flac")[0]
    assert 0 < np.abs(faint).max() < 1e-3

    # What was taken in stays.
    assert run(fetching) == 0
    assert classes(tmp_path) == WITH


def test_a_first_fetch_may_take_them_in(fetching: list[str], tmp_path: Path) -> None:
    assert run([*fetching, "--keep-quiet"]) == 0
    assert classes(tmp_path) == WITH


def test_a_local_file_that_tells_no_length_is_flagged(
    fetching: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sounds" / f"Y{video_id(0)}.wav"
    sf.write(path, LOUD, RATE)
    with path.open("r+b") as stream:
        stream.seek(40)
        stream.write(b"\xff" * 4)
    assert run(fetching) == 0
    census = tmp_path / "census.csv"
    assert run(["fetch", str(tmp_path / "out"), "--status", "--export", str(census)]) == 0
    flag = "length: the file does not tell its own, so a missing end is not noticed"
    assert f"odd: 1\n  Y{video_id(0)}: {flag}\n" in capsys.readouterr().out
    with census.open() as stream:
        flags = {row["youtube_id"]: row["flags"] for row in csv.DictReader(stream)}
    assert {name for name, said in flags.items() if said} == {video_id(0)}
    assert flags[video_id(0)] == flag
