"""Long videos are read in pieces, and the pieces give the same clip."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lassbench import audio
from lassbench.fetch.ledger import Ledger
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.runner import fetch
from lassbench.fetch.youtube import RangeFile
from lassbench.records import Clip, FileSource
from tests.fetch import media
from tests.fetch.conftest import entry_of, video_id
from tests.fetch.site import Site

DATA = bytes(range(256)) * 40


def over(data: bytes, log: list[tuple[int, int]] | None = None) -> RangeFile:
    def request(first: int, last: int) -> tuple[bytes, int]:
        if log is not None:
            log.append((first, last))
        return data[first : last + 1], len(data)

    return RangeFile(request, block=1000)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.integers(0, 3000)),
            st.tuples(st.just("set"), st.integers(0, len(DATA) + 100)),
            st.tuples(st.just("end"), st.integers(-len(DATA), 0)),
        ),
        max_size=20,
    )
)
def test_it_reads_as_a_file_in_memory_does(steps: list[tuple[str, int]]) -> None:
    ours, reference = over(DATA), io.BytesIO(DATA)
    for what, value in steps:
        if what == "read":
            got = b""
            while len(got) < value and (part := ours.read(value - len(got))):
                got += part
            assert got == reference.read(value)
        else:
            whence = io.SEEK_SET if what == "set" else io.SEEK_END
            assert ours.seek(value, whence) == reference.seek(value, whence)


def test_blocks_are_asked_for_once_and_whole() -> None:
    log: list[tuple[int, int]] = []
    file = over(DATA, log)
    file.seek(1500)
    file.read(10)
    file.read(10)
    file.seek(1000)
    file.read(5)
    assert log == [(1000, 1999)]
    assert file.received == 1000


def test_a_short_answer_is_an_error() -> None:
    file = RangeFile(lambda first, last: (DATA[first:last], len(DATA)), block=1000)
    with pytest.raises(EOFError, match="999 bytes read, 1 more expected"):
        file.read(10)


@pytest.fixture(scope="module")
def hour() -> bytes:
    return media.long_webm(3, 60)


def test_ten_seconds_of_an_hour_cost_ten_seconds(
    hour: bytes,
    site: Site,
    make_clip: Callable[..., Clip],
    options: Callable[..., FetchOptions],
    tmp_path: Path,
) -> None:
    video = site.add(video_id(0), seconds=1.0, told_s=3601.0)
    video.data = hour
    clip = make_clip(0, start_s=2400.0, seconds=10.0)
    out = tmp_path / "out"
    assert fetch([clip], out, options(seconds=10.0)).states == {"done": 1}
    with Ledger.read(out) as ledger:
        received = ledger.db.execute("SELECT bytes FROM attempts").fetchone()[0]
    assert received < len(hour) / 10
    spans = [hit.range.removeprefix("bytes=").split("-") for hit in site.log if hit.range]
    assert all(int(last) - int(first) < 1 << 18 for first, last in spans)
    # The same seconds of the file as it lies here.
    whole = tmp_path / "hour.webm"
    whole.write_bytes(hour)
    source = FileSource(str(whole), 2400.0, 2410.0)
    expected = audio.to_int16(audio.read_file(source, sample_rate_hz=8000, seconds=10.0))
    got = audio.decode_int16((out / "clips" / f"{clip.clip_id}.flac").read_bytes())[0]
    np.testing.assert_array_equal(got, expected)


def test_pieces_and_whole_give_the_same_clip(
    site: Site,
    make_clip: Callable[..., Clip],
    options: Callable[..., FetchOptions],
    tmp_path: Path,
) -> None:
    for number, kind in enumerate(("webm", "mp3")):
        site.add(video_id(number), number=number, kind=kind, seconds=9.0)
    clips = [make_clip(number, start_s=5.25) for number in range(2)]
    fetch(clips, tmp_path / "whole", options())
    fetch(clips, tmp_path / "pieces", options(settings={"whole_up_to_s": 1.0}))
    for clip in clips:
        name = f"clips/{clip.clip_id}.flac"
        whole, pieces = (
            audio.decode_int16((tmp_path / kind / name).read_bytes())[0].astype(int)
            for kind in ("whole", "pieces")
        )
        # Whole MP3 files go through another decoder: one step of 16 bits.
        assert np.abs(whole - pieces).max() <= 1


def test_a_server_without_ranges_is_a_passing_failure(
    site: Site,
    make_clip: Callable[..., Clip],
    options: Callable[..., FetchOptions],
    tmp_path: Path,
) -> None:
    site.add(video_id(0), "no-ranges", seconds=9.0)
    fetch([make_clip(0)], tmp_path / "out", options(settings={"whole_up_to_s": 1.0}))
    with Ledger.read(tmp_path / "out") as ledger:
        entry = entry_of(ledger, make_clip(0).clip_id)
    assert (entry.state, entry.kind) == ("failed", "transient")
    assert "does not serve ranges" in entry.message
