"""Build synthetic datasets of growing size: clips a second, memory, reading back, FLAC's share.

python -m tests.bench build [--clips N] [--workers N] [--seconds S] [--corpus synthetic|audiocaps]

Each build runs in a process of its own, so that its peak memory is its own; the
sizes double up to ``--clips``.  ``audiocaps`` renders the clips of LASS-2022
(all 6264 with ``--clips 6264``), which needs no metadata.  Clips are read back in
order, as training does, and one by one in any order, as scoring does.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lassbench import audio
from lassbench.corpora import open_corpus
from lassbench.corpora.base import Corpus, CorpusCard, read_source
from lassbench.dataset import open_dataset
from lassbench.records import AudioSource, Clip
from tests.bench._table import compare, machine, peak_memory_mib, print_table


@dataclass(frozen=True)
class Part:
    """The first clips of another corpus, spread over its concepts and splits."""

    whole: Corpus
    count: int

    @property
    def card(self) -> CorpusCard:
        return self.whole.card

    def clips(self) -> list[Clip]:
        clips = self.whole.clips()
        step = max(1, len(clips) // self.count)
        return clips[::step][: self.count]

    def locate(self, clip: Clip) -> AudioSource:
        return self.whole.locate(clip)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    options = parse(arguments)
    if options.child:
        child(options)
        return
    print(machine("numpy", "scipy", "soundfile", "pyarrow"))
    sizes = [size for size in (options.clips // 4, options.clips // 2, options.clips) if size]
    rows = []
    for size in sizes:
        measured = in_a_process(options, size)
        rows.append(
            (
                size,
                measured["first_s"],
                size / measured["first_s"],
                measured["again_s"],
                f"{measured['parent_mib']:.0f}",
                f"{measured['worker_mib']:.0f}",
                f"{measured['dataset_mib']:.0f}",
                *(measured[how] for how in ("in_order_ms", "any_order_ms", "decode_ms")),
            )
        )
    columns = (
        *("clips", "build s", "clips/s", "resume s"),
        *("parent MiB", "worker MiB", "shards MiB"),
        *("read in order, ms a clip", "in any order", "and decode it"),
    )
    title = f"{options.corpus}, {options.workers} workers: a build, and the same command again"
    print_table(columns, rows, title)
    shares(open_part(options, 40), options.repeats)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench build")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="synthetic only; default 10")
    parser.add_argument("--corpus", choices=["synthetic", "audiocaps"], default="synthetic")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def open_part(options: argparse.Namespace, count: int) -> Part:
    if options.corpus == "audiocaps":
        return Part(open_corpus("audiocaps", {"audio": "synthetic"}), count)
    chosen: dict[str, Any] = {"clips_per_concept": f"{-(-count // 10)},0,0"}
    if options.seconds:
        chosen["seconds"] = options.seconds
    return Part(open_corpus("synthetic", chosen), count)


def in_a_process(options: argparse.Namespace, size: int) -> dict[str, float]:
    command = [
        *(sys.executable, "-m", "tests.bench", "build", "--child", "--clips", str(size)),
        *("--workers", str(options.workers), "--corpus", options.corpus),
        *(["--seconds", str(options.seconds)] if options.seconds else []),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def child(options: argparse.Namespace) -> None:
    """One build and its repetition; prints what they took as JSON."""
    from lassbench.dataset.build import build
    from lassbench.parallel import open_executor

    corpus = open_part(options, options.clips)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "dataset"
        times, worker = [], 0.0
        for _ in range(2):
            start = time.perf_counter()
            with open_executor(options.workers) as executor:
                build(corpus, out, executor=executor)
                times.append(time.perf_counter() - start)
                if executor is not None:
                    asked = [executor.submit(peak_memory_mib) for _ in range(8)]
                    worker = max([worker, *(answer.result() for answer in asked)])
        size = sum(path.stat().st_size for path in (out / "data").iterdir())
        reading = read_back(out)
    measured = {
        **reading,
        "first_s": times[0],
        "again_s": times[1],
        "parent_mib": peak_memory_mib(),
        "worker_mib": worker,
        "dataset_mib": size / 2**20,
    }
    print(json.dumps(measured))


def read_back(folder: Path) -> dict[str, float]:
    """Milliseconds a clip: its bytes, the file system's cache warm, and its samples from them."""
    dataset = open_dataset(folder)
    clips = [clip.clip_id for clip in dataset.split("train")]
    shuffled = random.Random(0).sample(clips, len(clips))
    flacs = [dataset.flac(clip_id) for clip_id in clips]

    def read(wanted: Sequence[str]) -> None:
        opened = open_dataset(folder)
        opened.flac(wanted[0])  # the labels are read with the first clip
        start = time.perf_counter()
        for clip_id in wanted:
            opened.flac(clip_id)
        times.append(1000 * (time.perf_counter() - start) / len(wanted))

    times: list[float] = []
    measured = {}
    for how, wanted in (("in_order_ms", clips), ("any_order_ms", shuffled)):
        times.clear()
        for _ in range(5):
            read(wanted)
        measured[how] = statistics.median(times)
    start = time.perf_counter()
    for flac in flacs:
        audio.decode_int16(flac)
    return {**measured, "decode_ms": 1000 * (time.perf_counter() - start) / len(flacs)}


def shares(corpus: Part, repeats: int) -> None:
    """Where the time of one clip goes, in one process."""
    card, clips = corpus.card, corpus.clips()
    how = {"sample_rate_hz": card.sample_rate_hz, "seconds": card.clip_seconds}
    sounds = [read_source(corpus.locate(clip), **how) for clip in clips]  # type: ignore[arg-type]
    samples = [audio.to_int16(x) for x in sounds]

    def render() -> Sequence[object]:
        return [read_source(corpus.locate(clip), **how) for clip in clips]  # type: ignore[arg-type]

    things = {
        "render": render,
        "round to 16 bits": lambda: [audio.to_int16(x) for x in sounds],
        "encode FLAC": lambda: [audio.encode_flac(x, card.sample_rate_hz) for x in samples],
        "hash the samples": lambda: [audio.pcm_sha256(x) for x in samples],
    }
    times = compare(things, repeats=repeats)
    total = sum(taken.median for taken in times.values())
    rows = [
        (name, 1000 * taken.median / len(clips), f"{100 * taken.median / total:.1f} %")
        for name, taken in times.items()
    ]
    title = f"One clip of {card.clip_seconds:g} s, one process ({len(clips)} clips)"
    print_table(("stage", "ms a clip", "share"), rows, title)
