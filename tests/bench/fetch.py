"""Fetch from the loopback site: clips a minute against the obvious pipeline, cost a clip, kills.

python -m tests.bench fetch [--clips N] [--repeats N] [--minutes M]   the four tables below
python -m tests.bench fetch --kills 20 [--clips 300]                 kill -9 at random moments

The obvious pipeline is what people write: the yt-dlp command line for the
audio, the ffmpeg program for the cut, librosa for 32 kHz, FLAC; two clips at a
time, as many as ours has under way.  It needs ffmpeg (apt-get install ffmpeg)
and librosa.  Both sides see the same loopback site through the same plugin.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from lassbench.errors import LassbenchError
from lassbench.fetch import cutting
from lassbench.fetch.cutting import Sound
from lassbench.fetch.ledger import Attempt, Ledger
from lassbench.parallel import one_thread
from lassbench.records import Clip
from tests.bench._table import compare, machine, print_table
from tests.fetch import killing, media
from tests.fetch.site import Site

PLUGIN = Path(__file__).parents[1] / "fetch" / "plugin"
MAIN = "from lassbench.cli import main; main()"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench fetch", description=__doc__)
    parser.add_argument("--clips", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--kills", type=int, default=0)
    given = parser.parse_args(arguments)
    print(machine("yt-dlp", "av", "numpy", "scipy"))
    if given.kills:
        kills(given.kills, given.clips or 300)
        return
    cost(given.minutes, given.repeats)
    status(50_000)
    pipeline(given.clips or 20, given.minutes, given.repeats)


# ---------------------------------------------------------------------------
# What a clip costs beyond the network
# ---------------------------------------------------------------------------


def cost(minutes: float, repeats: int) -> None:
    """CPU milliseconds of one core for one clip cut from the middle of a video."""
    one_thread()
    rows = []
    for kind in ("webm", "m4a"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"video.{kind}"
            path.write_bytes(media.medium(1, 60 * minutes, kind))
            middle = 30.0 * minutes
            clip = Clip("Yx", "dog", "train", (), youtube_id="x", start_s=middle, end_s=middle + 10)
            ours = cpu_ms(lambda clip=clip, path=path: one_clip(path, clip), repeats)
            whole = cpu_ms(lambda clip=clip, path=path: from_zero(path, clip), repeats)
        rows.append([kind, ours, whole, whole / ours])
    columns = ["container", "seek, cut, 32 kHz, FLAC (ms)", "decoded from zero (ms)", "ratio"]
    print_table(columns, rows, f"One clip of 10 s from the middle of {minutes:g} minutes, CPU time")


def one_clip(path: Path, clip: Clip) -> None:
    heard = cutting.decode(path, clip, seconds=10.0, cut=True)
    cutting.finish(Sound(heard), clip, sample_rate_hz=32000, seconds=10.0)


def from_zero(path: Path, clip: Clip) -> None:
    from lassbench import audio

    whole = audio.decode(path)
    part = whole.samples[round(clip.start_s * whole.rate) : round(clip.end_s * whole.rate)]
    cutting.finish(Sound(replace(whole, samples=part)), clip, sample_rate_hz=32000, seconds=10.0)


def cpu_ms(thing: Callable[[], None], repeats: int) -> float:
    thing()
    times = []
    for _ in range(max(5, 3 * repeats)):
        start = time.process_time()
        thing()
        times.append(1000 * (time.process_time() - start))
    return sorted(times)[len(times) // 2]


# ---------------------------------------------------------------------------
# A large ledger
# ---------------------------------------------------------------------------


def status(count: int) -> None:
    """Seconds of `lassbench fetch --status` and --export on a ledger of ``count`` clips."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        clips = [
            Clip(f"Y{n:011d}", f"concept {n % 10}", "train", (), youtube_id=f"{n:011d}")
            for n in range(count)
        ]
        start = time.perf_counter()
        fill(out, clips)
        filled = time.perf_counter() - start
        command = [sys.executable, "-c", MAIN, "fetch", "--status", str(out)]
        census = [*command[:4], str(out), "--export", str(out / "census.csv")]
        found = compare(
            {
                "--status": lambda: subprocess.run(command, check=True, capture_output=True),
                "--export": lambda: subprocess.run(census, check=True, capture_output=True),
            },
            repeats=3,
        )
    rows = [[name, timing.median, timing.spread] for name, timing in found.items()]
    rows.append([f"entering {count} clips and attempts", filled, ""])
    print_table(["whole process", "median (s)", "spread"], rows, f"A ledger of {count} clips")


def fill(out: Path, clips: list[Clip]) -> None:
    with Ledger.open(out) as ledger:
        ledger.register(clips, {clip.clip_id: at for at, clip in enumerate(clips)})
        ledger.begin_run("host", "bench", {})
        with ledger.transaction():
            for number, clip in enumerate(clips):
                if number % 10:
                    ledger.add_attempt(Attempt(clip.clip_id, "youtube", "done"))
                    ledger.db.execute(
                        "UPDATE clips SET state = 'done', class = 'done', pcm_sha256 = ?"
                        " WHERE clip_id = ?",
                        (clip.clip_id, clip.clip_id),
                    )
                else:
                    ledger.add_attempt(Attempt(clip.clip_id, "youtube", "removed", "removed"))
                    ledger.set_state(clip.clip_id, "gone", kind="removed", message="removed")


# ---------------------------------------------------------------------------
# Against the obvious pipeline
# ---------------------------------------------------------------------------


def pipeline(count: int, minutes: float, repeats: int) -> None:
    """Clips a minute of whole commands, started anew each time."""
    if shutil.which("ffmpeg") is None:
        raise LassbenchError("the peer needs the ffmpeg program", fix="apt-get install ffmpeg")
    with Site() as site, tempfile.TemporaryDirectory() as folder:
        environment(site)
        names = [f"benchvid{n:03d}" for n in range(count)]
        for number, name in enumerate(names):
            site.add(name, number=number % 3, seconds=60 * minutes)
        listed = Path(folder) / "list.csv"
        start = 30.0 * minutes
        listed.write_text("youtube_id,start_s\n" + "".join(f"{name},{start:g}\n" for name in names))
        found = compare(
            {
                "lassbench fetch": lambda: ours(Path(folder) / "ours", listed),
                "yt-dlp, ffmpeg, librosa": lambda: theirs(Path(folder) / "theirs", names, start),
            },
            repeats=repeats,
        )
    first = found["lassbench fetch"].median
    rows = [
        [name, timing.median, timing.spread, 60 * count / timing.median, timing.median / first]
        for name, timing in found.items()
    ]
    columns = ["", "median (s)", "spread", "clips a minute", "times ours"]
    print_table(columns, rows, f"{count} clips of {minutes:g}-minute videos, two at a time")


def environment(site: Site) -> None:
    os.environ["LASSBENCH_TEST_SITE"] = site.url
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PLUGIN), str(Path.cwd())])


def ours(out: Path, listed: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-c", MAIN, "fetch", str(out), "--list", str(listed)]
    subprocess.run([*command, "--rate", "0", "--jobs", "2"], check=True, capture_output=True)


def theirs(out: Path, names: list[str], start: float) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    with ProcessPoolExecutor(2) as resamplers, ThreadPoolExecutor(2) as chains:
        for done in chains.map(lambda name: chain(out, name, start, resamplers), names):
            assert done.is_file()


def chain(out: Path, name: str, start: float, resamplers: ProcessPoolExecutor) -> Path:
    video, part = out / f"{name}.webm", out / f"{name}.wav"
    url = f"https://www.youtube.com/watch?v={name}"
    download = [sys.executable, "-m", "yt_dlp", "-q", "-f", "ba[abr<=160]/ba/b"]
    subprocess.run([*download, "-o", str(video), url], check=True, capture_output=True)
    cut = ["ffmpeg", "-v", "error", "-ss", f"{start:g}", "-t", "10", "-i", str(video), "-ac", "1"]
    subprocess.run([*cut, str(part)], check=True)
    video.unlink()
    return resamplers.submit(convert, part).result()


def convert(part: Path) -> Path:
    import librosa
    import soundfile

    x, rate = librosa.load(part, sr=32000, mono=True)
    target = part.with_suffix(".flac")
    soundfile.write(target, x, rate, subtype="PCM_16")
    part.unlink()
    return target


# ---------------------------------------------------------------------------
# kill -9
# ---------------------------------------------------------------------------


def kills(times: int, count: int) -> None:
    """Kill a fetch of ``count`` clips again and again; the outcome is that of a quiet run."""
    with Site() as site, tempfile.TemporaryDirectory() as folder:
        environment(site)
        listed = Path(folder) / "list.csv"
        names = [f"killvid_{n:03d}" for n in range(count)]
        for number, name in enumerate(names):
            site.add(name, number=number % 20)
        rows = "".join(f"{name},{1 + n % 3}\n" for n, name in enumerate(names))
        listed.write_text(f"youtube_id,start_s\n{rows}")
        quiet, killed = Path(folder) / "quiet", Path(folder) / "killed"
        killing.run_through(quiet, listed, jobs=2)
        site.log.clear()
        report = killing.kill_and_go_on(
            site, killed, listed, kills=times, jobs=2, clips=count, seed=0
        )
        same = killing.contents(quiet) == killing.contents(killed)
        left = killing.leavings(killed)
    print_table(
        ["what", "found"],
        [
            ["clips", count],
            ["kills", report.kills],
            ["same bytes as a run that nobody killed", same],
            ["finished clips that were asked for again", len(report.asked_again)],
            ["transfers that a kill broke off and that were made again", report.extra_requests],
            ["files left behind", len(left)],
        ],
        "kill -9 at random moments",
    )
    if not same or report.asked_again or left:
        raise LassbenchError("a killed fetch did not end as a quiet one does")
