"""The loopback site, and the plugin through which the real yt-dlp sees it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lassbench.fetch.ledger import Entry, Ledger
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.sources import YouTubeSource
from lassbench.fetch.youtube import Settings
from lassbench.records import Clip
from tests.fetch.site import Site

PLUGIN = Path(__file__).parent / "plugin"

#: yt-dlp looks for plugins along sys.path when it first needs them; processes
#: that the tests start find it along PYTHONPATH.
if str(PLUGIN) not in sys.path:
    sys.path.append(str(PLUGIN))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    with Site() as running:
        monkeypatch.setenv("LASSBENCH_TEST_SITE", running.url)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PLUGIN), str(Path.cwd())]))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield running


def video_id(number: int) -> str:
    """An id that is one, and begins with the letters that have tripped tools."""
    return f"{'-_A9'[number % 4]}video{number:05d}"


def entry_of(ledger: Ledger, clip_id: str) -> Entry:
    return next(ledger.entries("WHERE clip_id = ?", (clip_id,)))


@pytest.fixture
def make_clip() -> Callable[..., Clip]:
    def make(number: int, *, start_s: float = 2.0, seconds: float = 2.0, name: str = "") -> Clip:
        name = name or video_id(number)
        return Clip(
            clip_id=f"Y{name}",
            concept=("dog", "bell", "rain")[number % 3],
            split=("train", "validation", "test")[number % 3],
            captions=("a sound",),
            youtube_id=name,
            start_s=start_s,
            end_s=start_s + seconds,
        )

    return make


@pytest.fixture
def options() -> Callable[..., FetchOptions]:
    """Options of a fast run: clips of 2 s at 8 kHz, no pace, short pauses."""

    def make(**changes: object) -> FetchOptions:
        timeout_s = changes.pop("timeout_s", 3.0)
        settings = Settings(timeout_s=timeout_s, **changes.pop("settings", {}))
        defaults = {
            "sources": (YouTubeSource(settings),),
            "rate_per_hour": 0,
            "pause_s": 0.05,
            "backoff_s": 0.02,
            "sample_rate_hz": 8000,
            "seconds": 2.0,
        }
        return FetchOptions(**{**defaults, **changes})

    return make
