"""Whole runs against a real yt-dlp and a site that misbehaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lassbench import audio
from lassbench.fetch.failures import TABLE
from lassbench.fetch.ledger import Ledger
from lassbench.fetch.options import FetchOptions
from lassbench.fetch.runner import fetch
from lassbench.records import Clip
from tests.fetch.conftest import video_id
from tests.fetch.site import Site

Make = Callable[..., Clip]
Options = Callable[..., FetchOptions]


def state(out: Path, clip: Clip) -> tuple[str, str]:
    with Ledger.read(out) as ledger:
        entry = ledger.entry(clip.clip_id)
        return entry.state, entry.kind


def test_clips_of_every_container_arrive_exact(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    clips = []
    for number, kind in enumerate(("webm", "m4a", "mp3")):
        site.add(video_id(number), number=number, kind=kind)
        clips.append(make_clip(number))
    summary = fetch(clips, tmp_path / "out", options())
    assert summary.states == {"done": 3}
    for clip in clips:
        pcm, rate = audio.decode_int16(
            (tmp_path / "out/clips" / f"{clip.clip_id}.flac").read_bytes()
        )
        assert (rate, pcm.size) == (8000, 16000)
        assert np.abs(pcm).max() > 1000
