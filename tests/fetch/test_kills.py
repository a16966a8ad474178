"""What a run survives: kill -9, Ctrl-C, a full disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lassbench.errors import LassbenchError
from lassbench.fetch import loop, planning
from lassbench.fetch.ledger import Ledger
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.runner import fetch
from lassbench.records import Clip
from tests.fetch import killing
from tests.fetch.conftest import entry_of, video_id
from tests.fetch.site import Site

Make = Callable[..., Clip]
Options = Callable[..., FetchOptions]


def listed(tmp_path: Path, count: int) -> Path:
    path = tmp_path / "list.csv"
    rows = "".join(f"{video_id(n)},{1 + n % 3}\n" for n in range(count))
    path.write_text(f"youtube_id,start_s\n{rows}")
    return path


def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(
    site: Site, tmp_path: Path
) -> None:
    count = 18
    for n in range(count):
        site.add(video_id(n), number=n % 3)
    site.delay_s = 0.02
    path = listed(tmp_path, count)
    killing.run_through(tmp_path / "quiet", path, jobs=2)
    site.log.clear()
    report = killing.kill_and_go_on(
        site, tmp_path / "killed", path, kills=3, jobs=2, clips=count, seed=1
    )
    assert report.kills >= 2
    assert report.asked_again == []
    # Only what was on its way when the run was killed is transferred again.
    assert report.extra_requests <= 2 * report.kills
    assert killing.contents(tmp_path / "killed") == killing.contents(tmp_path / "quiet")
    assert killing.leavings(tmp_path / "killed") == []
    with sqlite3.connect(tmp_path / "killed" / "ledger.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM runs WHERE ended_at = ''").fetchone()[0] >= 1


class Killed(BaseException):
    """Stands for kill -9 at a certain line."""


@pytest.mark.parametrize("moment", ["before the file", "before it is called done"])
def test_a_kill_between_ledger_and_file_loses_nothing(
    moment: str,
    site: Site,
    make_clip: Make,
    options: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site.add(video_id(0), number=0, seconds=3.0)
    out, clip = tmp_path / "out", make_clip(0)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if moment == "before the file":
            patch.setattr(loop, "write_bytes", killed)
        else:
            patch.setattr(Ledger, "finish", killed)
        with pytest.raises(Killed):
            fetch([clip], out, options())
    with Ledger.read(out) as ledger:
        assert entry_of(ledger, clip.clip_id).state == "landing"
    fetch([clip], out, options())
    with Ledger.read(out) as ledger:
        entry = entry_of(ledger, clip.clip_id)
    assert entry.state == "done"
    # What was seen while it was fetched is not lost either.
    assert entry.flags == ("short: 1.00 of 2 s, the rest is zeros",)
    times = 2 if moment == "before the file" else 1
    assert site.requests("media") == {video_id(0): times}


def test_a_file_of_another_content_is_not_taken_for_the_clip(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    site.add(video_id(0), number=0)
    out, clip = tmp_path / "out", make_clip(0)
    (out / "clips").mkdir(parents=True)
    (out / "clips" / f"{clip.clip_id}.flac").write_bytes(b"half of something")
    assert fetch([clip], out, options()).states == {"done": 1}
    assert planning._pcm(out / "clips" / f"{clip.clip_id}.flac", 8000, 16000)


def test_a_full_disk_stops_the_run_and_the_same_command_goes_on(
    site: Site,
    make_clip: Make,
    options: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clips, out = [make_clip(n) for n in range(3)], tmp_path / "out"
    for n in range(3):
        site.add(video_id(n), number=n)
    written: list[Path] = []
    original = loop.write_bytes

    def full(path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) > 1:
            raise LassbenchError("the disk is full", where=path)
        original(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_bytes", full)
        with pytest.raises(LassbenchError, match="the disk is full"):
            fetch(clips, out, options())
    with Ledger.read(out) as ledger:
        assert all(entry.state in {"done", "pending", "landing"} for entry in ledger.entries())
    assert fetch(clips, out, options()).states == {"done": 3}
    assert killing.leavings(out) == []


def test_ctrl_c_ends_the_run_at_once_and_keeps_what_came(site: Site, tmp_path: Path) -> None:
    site.add(video_id(0), number=0)
    site.add(video_id(1), "stalls", number=1)
    path = tmp_path / "list.csv"
    path.write_text(f"youtube_id,start_s,end_s\n{video_id(0)},2,4\n{video_id(1)},2,4\n")
    out = tmp_path / "out"
    # A shell starts background jobs deaf to Ctrl-C, and the tests may be one.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from lassbench.cli import main; main()"
    )
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", code),
            *("fetch", str(out), "--list", str(path), "--rate", "0"),
        ],
        stderr=subprocess.PIPE,
        env=os.environ,
    )
    while len(site.requests("media")) < 2 or video_id(0) not in killing.done(out):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted" in told and b"Traceback" not in told
    assert killing.leavings(out) == []
    with Ledger.read(out) as ledger:
        assert {e.youtube_id: e.state for e in ledger.entries()} == {
            video_id(0): "done",
            video_id(1): "pending",
        }
        assert ledger.db.execute("SELECT ending FROM runs").fetchall() == [("interrupted",)]
