"""Kill a fetch again and again, and see that it ends as if nobody had."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lassbench.fetch.ledger import Ledger
from tests.fetch.site import Site

COMMAND = """
import sys
from pathlib import Path
from lassbench.fetch.lists import read_list
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.runner import fetch
from lassbench.fetch.sources import YouTubeSource
from lassbench.fetch.youtube import Settings

out, listed, jobs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
options = FetchOptions(
    sources=(YouTubeSource(Settings(timeout_s=5.0)),), rate_per_hour=0, jobs=jobs,
    sample_rate_hz=8000, seconds=2.0, backoff_s=0.05,
)
fetch(read_list(listed, seconds=2.0), out, options)
"""


@dataclass(frozen=True)
class Report:
    """What killing showed."""

    kills: int
    #: Clips whose media was asked for although the ledger had them done.
    asked_again: list[str]
    #: Media requests over the number of clips.
    extra_requests: int


def start(out: Path, listed: Path, jobs: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(out), str(listed), str(jobs)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )


def run_through(out: Path, listed: Path, jobs: int) -> None:
    """One run that nobody kills."""
    assert start(out, listed, jobs).wait(timeout=600) == 0


def done(out: Path) -> set[str]:
    if not (out / "ledger.sqlite").is_file():
        return set()
    with Ledger.read(out) as ledger:
        return {entry.youtube_id for entry in ledger.entries() if entry.state == "done"}


def kill_and_go_on(
    site: Site, out: Path, listed: Path, *, kills: int, jobs: int, clips: int, seed: int
) -> Report:
    """Kill a run ``kills`` times at random moments of its work, then let it end."""
    rng = random.Random(seed)
    asked_again: list[str] = []
    killed = 0
    for _ in range(kills):
        seen = len(site.log)
        settled = done(out)
        process = start(out, listed, jobs)
        # A moment in its work, not in its start: after so many more requests.
        target = seen + rng.randrange(1, max(2, 2 * clips // kills + 2))
        while process.poll() is None and len(site.log) < target:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.05)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
        asked_again += [hit.video_id for hit in site.log[seen:] if hit.video_id in settled]
    seen, settled = len(site.log), done(out)
    run_through(out, listed, jobs)
    asked_again += [hit.video_id for hit in site.log[seen:] if hit.video_id in settled]
    media = sum(site.requests("media").values())
    return Report(killed, asked_again, media - clips)


def contents(out: Path) -> dict[str, bytes]:
    """What the dataset is made of, by name."""
    return {path.name: path.read_bytes() for path in sorted((out / "clips").iterdir())}


def leavings(out: Path) -> list[str]:
    """What a run should have put away."""
    known = {"clips", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", ".lock"}
    strange = [path.name for path in out.iterdir() if path.name not in known]
    return strange + [p.name for p in (out / "clips").iterdir() if p.suffix != ".flac"]
