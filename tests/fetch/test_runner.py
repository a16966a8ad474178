"""Whole runs against a real yt-dlp and a site that misbehaves."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lassbench import audio
from lassbench.errors import FaultsError, LassbenchError
from lassbench.fetch.failures import CLASSES
from lassbench.fetch.ledger import Ledger
from lassbench.fetch.pacing import RunStopped
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.runner import fetch
from lassbench.records import Clip
from lassbench.resampling import resample
from tests.fetch import media
from tests.fetch.conftest import video_id
from tests.fetch.site import Site

Make = Callable[..., Clip]
Options = Callable[..., FetchOptions]


def states(out: Path) -> dict[str, tuple[str, str]]:
    """video id -> (state, class)."""
    with Ledger.read(out) as ledger:
        return {entry.youtube_id: (entry.state, entry.kind) for entry in ledger.entries()}


def attempts(out: Path) -> Counter[str]:
    with Ledger.read(out) as ledger:
        return Counter(kind for (kind,) in ledger.db.execute("SELECT class FROM attempts"))


def pcm(out: Path, clip: Clip) -> np.ndarray:
    return audio.decode_int16((out / "clips" / f"{clip.clip_id}.flac").read_bytes())[0]


def leavings(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if ".part" in path.name or ".work" in path.parts]


# An AAC encoder delays by 1024 samples, and fragmented m4a, YouTube's kind, does not say so.
@pytest.mark.parametrize(("kind", "delay_s"), [("webm", 0.0), ("m4a", 1024 / 44100), ("mp3", 0.0)])
def test_the_cut_is_the_right_seconds_of_the_video(
    kind: str, delay_s: float, site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    site.add(video_id(7), number=7, kind=kind, seconds=9.0)
    clip = make_clip(7, start_s=4.5)
    out = tmp_path / "out"
    assert fetch([clip], out, options(sample_rate_hz=16000)).states == {"done": 1}
    got = pcm(out, clip).astype(float)
    assert got.size == 2 * 16000
    original = resample(media.sound(7, 9.0), 48000, 16000).astype(float)
    # Slid along the original, the clip fits best exactly where it was cut.
    around = original[int(4.4 * 16000) : int(6.6 * 16000)]
    fit = np.correlate(around, got, mode="valid")
    energy = np.convolve(around**2, np.ones(got.size), mode="valid")
    at_s = 0.1 - int(np.argmax(fit / np.sqrt(energy))) / 16000
    assert abs(at_s - delay_s) <= 1e-4
    assert not leavings(out)


def test_every_class_that_concerns_a_clip_happens_and_is_known(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    expected = {
        "": ("done", "done"),
        "forbidden-once": ("done", "done"),
        "cut-off-once": ("done", "done"),
        "slow": ("done", "done"),
        "private": ("gone", "private"),
        "removed": ("gone", "removed"),
        "terminated": ("gone", "removed"),
        "unavailable": ("unconfirmed", "unavailable"),
        "age": ("waiting", "needs-login"),
        "country": ("waiting", "geo-blocked"),
        "forbidden": ("failed", "refused"),
        "gone": ("failed", "refused"),
        "empty": ("failed", "refused"),
        "html": ("failed", "refused"),
        "cut-off": ("failed", "transient"),
        "server-error": ("failed", "transient"),
        "stalls": ("failed", "transient"),
        "http-503": ("failed", "transient"),
    }
    clips = []
    for number, behaviour in enumerate(expected):
        site.add(video_id(number), behaviour, number=number)
        clips.append(make_clip(number))
    site.add(video_id(90), number=90, seconds=5.0)
    clips.append(make_clip(90, start_s=6.0))
    out = tmp_path / "out"
    fetch(clips, out, options(timeout_s=0.3, jobs=4))
    found = states(out)
    wanted = {video_id(n): expected[behaviour] for n, behaviour in enumerate(expected)}
    wanted[video_id(90)] = ("gone", "out-of-range")
    assert found == wanted
    # A passing failure has three tries, each of them written down; the media
    # of a video that ends before the clip was never asked for.
    tries = site.requests("player")
    assert {tries[video_id(n)] for n, b in enumerate(expected) if expected[b][0] == "failed"} == {3}
    assert site.requests("media")[video_id(90)] == 0
    assert {path.stem for path in (out / "clips").iterdir()} == {
        clip.clip_id for clip in clips if found[clip.youtube_id][0] == "done"
    }
    assert not leavings(out)


def test_the_ledger_keeps_the_original_message(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    site.add(video_id(1), "terminated")
    fetch([make_clip(1)], tmp_path / "out", options())
    with Ledger.read(tmp_path / "out") as ledger:
        row = ledger.db.execute(
            "SELECT youtube_id, start_s, class, message, yt_dlp, seconds FROM attempts"
        ).fetchone()
    assert row[:3] == (video_id(1), 2.0, "removed")
    assert "YouTube account associated with this video has been terminated" in row[3]
    assert row[4].startswith("20")
    assert row[5] > 0


def test_a_rate_limit_pauses_the_run_and_costs_no_clip(
    site: Site,
    make_clip: Make,
    options: Options,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clips = [make_clip(n) for n in range(4)]
    for n in range(4):
        site.add(video_id(n), number=n)
    asked: list[str] = []

    def mood(name: str) -> str | None:
        asked.append(name)
        return ("limited", "http-429", "limited")[len(asked) - 1] if len(asked) <= 3 else None

    site.mood = mood
    assert fetch(clips, tmp_path / "out", options(jobs=1)).states == {"done": 4}
    assert attempts(tmp_path / "out") == {"rate-limited": 3, "done": 4}
    assert "YouTube limits the rate; going on in" in capsys.readouterr().err


def test_ten_refusals_in_a_row_stop_the_run_and_write_nothing_off(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    clips = [make_clip(n) for n in range(12)]
    for n in range(12):
        site.add(video_id(n), number=n)
    out = tmp_path / "out"
    # The address is refused; a suspicious "unavailable" in between proves nothing.
    answers = iter(["bot", "unavailable", *["bot"] * 30])
    site.mood = lambda _: next(answers)
    with pytest.raises(RunStopped) as stopped:
        fetch(clips, out, options(jobs=1))
    assert stopped.value.exit_code == 3
    assert "10 blocked" in str(stopped.value)
    assert "--cookies" in str(stopped.value)
    assert "not a bot" in str(stopped.value)
    assert set(states(out).values()) <= {("pending", ""), ("pending", "blocked")}
    site.mood = lambda _: None
    assert fetch(clips, out, options()).states == {"done": 12}


def test_mixed_refusals_stop_the_run_too_and_other_failures_end_the_row(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    clips = [make_clip(n) for n in range(30)]
    for n in range(30):
        site.add(video_id(n))
    nine = ["bot", "limited", "images-only"] * 3
    answers = iter([*nine, "private", *nine, "bot", *["private"] * 99])
    site.mood = lambda _: next(answers)
    with pytest.raises(RunStopped, match="10 failures in a row"):
        fetch(clips, tmp_path / "out", options(jobs=1, pause_s=0.001))
    counts = attempts(tmp_path / "out")
    assert (counts["blocked"], counts["rate-limited"], counts["environment"]) == (7, 6, 6)
    assert {state for state, _ in states(tmp_path / "out").values()} == {"pending"}


def test_a_machine_that_lacks_something_is_told_how_to_mend_it(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    clips = [make_clip(n) for n in range(3)]
    for n in range(3):
        site.add(video_id(n), "images-only")
    with pytest.raises(RunStopped, match="lassbench doctor"):
        fetch(clips, tmp_path / "out", options())
    assert set(states(tmp_path / "out").values()) == {("pending", "")}


def test_a_bare_unavailable_is_settled_by_the_second_run(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    for n in range(2):
        site.add(video_id(n), "unavailable")
    clips = [make_clip(n) for n in range(2)]
    out = tmp_path / "out"
    fetch(clips, out, options())
    assert set(states(out).values()) == {("unconfirmed", "unavailable")}
    site.add(video_id(1), number=1)
    fetch(clips, out, options())
    assert states(out) == {
        video_id(0): ("gone", "unavailable"),
        video_id(1): ("done", "done"),
    }


def test_a_login_is_asked_for_once_and_tried_with_cookies(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    site.add(video_id(0), "age", number=0)
    out, clips = tmp_path / "out", [make_clip(0)]
    fetch(clips, out, options())
    fetch(clips, out, options())
    assert site.requests("player") == {video_id(0): 1}
    cookies = tmp_path / "cookies.txt"
    text = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tSID\tsecret\n"
    cookies.write_text(text)
    before = cookies.stat().st_mtime_ns
    site.add(video_id(0), number=0)
    fetch(clips, out, options(settings={"cookies": str(cookies)}, cookies=True))
    assert states(out) == {video_id(0): ("done", "done")}
    assert site.log[-1].cookie == "SID=secret"
    assert cookies.read_text() == text
    assert cookies.stat().st_mtime_ns == before
    assert not list(out.rglob("cookies*"))


def test_what_a_country_blocks_is_tried_once_through_each_address(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    site.add(video_id(0), "country")
    out, clips = tmp_path / "out", [make_clip(0)]
    elsewhere = options(settings={"proxy": site.url.replace("http://", "http://me:secret@")})
    for run, asked in ((options(), 1), (options(), 1), (elsewhere, 2), (elsewhere, 2)):
        fetch(clips, out, run)
        assert site.requests("player") == {video_id(0): asked}
    assert [hit.by_proxy for hit in site.log] == [False, True]
    assert states(out) == {video_id(0): ("waiting", "geo-blocked")}
    # The proxy's password is nobody's business.
    assert b"secret" not in (out / "ledger.sqlite").read_bytes()


def test_retry_takes_one_group_and_nothing_else(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    for n, behaviour in enumerate(("private", "forbidden", "country", "")):
        site.add(video_id(n), behaviour, number=n)
    clips, out = [make_clip(n) for n in range(4)], tmp_path / "out"
    fetch(clips[:3], out, options())

    def asked(retry: str) -> set[str]:
        site.log.clear()
        fetch(clips, out, options(retry=retry))
        return set(site.requests("player"))

    assert asked("transient") == {video_id(1)}
    assert asked("permanent") == {video_id(0), video_id(2)}
    assert asked("") == {video_id(1), video_id(3)}
    assert asked("all") == {video_id(0), video_id(1), video_id(2)}


def test_what_is_done_is_never_asked_for_again(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    clips, out = [make_clip(n) for n in range(3)], tmp_path / "out"
    for n in range(3):
        site.add(video_id(n), number=n)
    fetch(clips, out, options(limit=2))
    fetch(clips, out, options())
    fetch(clips, out, options())
    assert set(site.requests("media").values()) == {1}
    # A file that somebody deleted comes back; a lost ledger costs no transfer.
    first = out / "clips" / f"{clips[0].clip_id}.flac"
    content = first.read_bytes()
    first.unlink()
    fetch(clips, out, options())
    assert first.read_bytes() == content
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
        (out / name).unlink(missing_ok=True)
    site.log.clear()
    assert fetch(clips, out, options()).states == {"done": 3}
    assert not site.log


def test_a_second_run_says_who_holds_the_folder(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    site.add(video_id(0), "slow", number=0)
    out, clips = tmp_path / "out", [make_clip(0)]
    first = threading.Thread(target=fetch, args=(clips, out, options()))
    first.start()
    while not site.requests("media"):
        time.sleep(0.01)
    with pytest.raises(LassbenchError, match=f"in use by process {os.getpid()} on"):
        fetch(clips, out, options())
    first.join()
    assert states(out) == {video_id(0): ("done", "done")}


def test_no_network_is_waited_out(
    site: Site,
    make_clip: Make,
    options: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lassbench.fetch.loop.OFFLINE_PAUSE_S", 0.1)
    clips, out = [make_clip(n) for n in range(3)], tmp_path / "out"
    for n in range(3):
        site.add(video_id(n), number=n)
    site.down()
    threading.Timer(1.0, site.up).start()
    assert fetch(clips, out, options()).states == {"done": 3}
    # Not one of the failures counted against a clip.
    assert attempts(out)["transient"] >= 2


def test_no_network_at_all_ends_the_run(
    site: Site,
    make_clip: Make,
    options: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lassbench.fetch.loop.OFFLINE_PAUSE_S", 0.001)
    site.down()
    try:
        with pytest.raises(RunStopped, match="check the network"):
            fetch([make_clip(0)], tmp_path / "out", options())
    finally:
        site.up()
    assert states(tmp_path / "out") == {video_id(0): ("pending", "")}


def test_sources_are_kept_on_request_and_used_again(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    site.add(video_id(0), number=0)
    out, clip = tmp_path / "out", make_clip(0)
    fetch([clip], out, options(keep_source=True))
    assert (out / "sources" / f"Y{video_id(0)}.webm").read_bytes() == site.videos[video_id(0)].data
    whole = pcm(out, clip)
    (out / "clips" / f"{clip.clip_id}.flac").unlink()
    site.log.clear()
    fetch([clip], out, options())
    assert not site.log
    np.testing.assert_array_equal(pcm(out, clip), whole)


def test_odd_clips_are_flagged_and_silent_ones_refused(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    site.add(video_id(0), number=0, seconds=5.0)
    site.add(video_id(1), number=1, seconds=5.0, told_s=60.0)
    site.videos[video_id(2)] = site.add(video_id(3), number=3)
    silent = np.zeros(6 * 48000, np.float32)
    site.add(video_id(4)).data = media.encoded(silent, "webm")
    clips = [
        make_clip(0, start_s=4.0),
        make_clip(1, start_s=4.75),
        make_clip(2),
        make_clip(3),
        make_clip(4),
    ]
    out = tmp_path / "out"
    summary = fetch(clips, out, options())
    assert states(out)[video_id(4)] == ("gone", "silent")
    with Ledger.read(out) as ledger:
        flags = {entry.youtube_id: entry.flags for entry in ledger.entries()}
        same = {entry.pcm_sha256 for entry in ledger.entries() if entry.youtube_id[-1] in "23"}
    assert flags[video_id(0)] == ("short: 1.00 of 2 s, the rest is zeros",)
    assert any("the site tells 60 s, the audio ends at 5.0" in flag for flag in flags[video_id(1)])
    assert len(same) == 1
    assert summary.flagged == 4


def test_a_ledger_of_other_windows_is_refused(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    site.add(video_id(0), number=0)
    out = tmp_path / "out"
    fetch([make_clip(0)], out, options())
    with pytest.raises(FaultsError, match="from 2 to 4 s in the ledger"):
        fetch([make_clip(0, start_s=3.0)], out, options())
    with pytest.raises(FaultsError, match="same window"):
        clip = make_clip(5)
        twin = Clip(**{**{s: getattr(clip, s) for s in clip.__slots__}, "clip_id": "other"})
        fetch([clip, twin], tmp_path / "new", options())


def test_every_class_has_an_action_that_the_loop_knows() -> None:
    assert {row.action for row in CLASSES.values()} == {
        *("stop", "pause", "mend", "login", "elsewhere", "confirm", "gone", "again"),
        *("back-off", "next"),
    }
