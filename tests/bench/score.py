"""Score prediction folders: the whole job, cold cache, against mir_eval and others in the same run.

python -m tests.bench score [--queries 100,300,1000,3000] [--seconds 10] [--lengths 2.5,5,10,20]
                            [--sample N] [--workers N] [--folder DIR]

Ours is the command a user types, `lassbench score`, in processes of its own: starting Python,
checking every header, decoding, rendering the references, scoring, intervals and breakdowns,
writing.  The files are dropped from the page cache before each run.

The peers do the same job with their public call: decode the estimate, render the references,
score; no checks, no intervals.  A sample of queries is timed, in one process with as many threads
as the library takes, and in as many processes as ours with one thread each, and extrapolated to
the first number of queries that is at least 1000 (or the last).  Agreement is the largest
difference from our rows over the sample.

Data: the synthetic corpus at full size (200 test clips, five noises each; fifteen for more than
1000 queries), estimates made of both sources and noise.  It is built once in --folder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from lassbench.benchmark.mixtures import Rendered
from lassbench.cards import SystemCard
from lassbench.corpora.synthetic import SyntheticCorpus
from lassbench.dataset import open_dataset
from lassbench.dataset.build import build
from lassbench.parallel import one_thread, open_executor
from lassbench.records import Query
from lassbench.scores.score_file import read_scores
from lassbench.suites import freezing
from lassbench.suites.suite import Suite, load_suite
from lassbench.systems.run import separate_suite
from tests.bench._table import machine, print_table

Scores = tuple[float, ...]


def main(arguments: list[str]) -> None:
    """Build what is missing, measure, print."""
    options = parse(arguments)
    print(machine("numpy", "scipy", "numba"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        counts = sorted(options.queries)
        measured = {
            count: ours(folder, count, options.seconds, options.workers) for count in counts
        }
        print_table(
            ("queries", "seconds", "ms a query", "peak MiB, all processes"),
            [(n, wall, 1e3 * wall / n, round(peak)) for n, (wall, peak) in measured.items()],
            f"lassbench score, {options.seconds:g} s files, {options.workers} workers, cold cache",
        )
        whole = next((count for count in counts if count >= 1000), counts[-1])
        peers(folder, whole, options, measured[whole][0])
        if options.lengths:
            lengths(folder, options)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench score")
    parser.add_argument("--queries", type=numbers(int), default=[100, 300, 1000, 3000])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--lengths", type=numbers(float), default=[])
    parser.add_argument("--sample", type=int, default=20)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="Keep the data here between runs.")
    return parser.parse_args(arguments)


def numbers(kind: type[Any]) -> Callable[[str], list[Any]]:
    return lambda text: [kind(part) for part in text.split(",") if part]


# --- the data ---------------------------------------------------------------


class Blend:
    """Estimates as a middling system makes them: both sources and noise, by the query's hash."""

    card = SystemCard(name="blend", query_type="oracle")

    def separate_oracle(self, rendered: Rendered, query: Query, sample_rate: int) -> np.ndarray:
        seed = int(hashlib.sha256(query.query_id.encode()).hexdigest()[:8], 16)
        generator = np.random.default_rng(seed)
        leak, level = generator.uniform(0.02, 0.8), np.abs(rendered.mixture).mean()
        noise = 0.1 * level * generator.normal(size=rendered.mixture.size)
        return (rendered.target + leak * rendered.interference + noise).astype(np.float32)


def prepare(folder: Path, count: int, seconds: float) -> tuple[Suite, Path]:
    """A suite of ``count`` queries and predictions for it, made if they are not there."""
    root = folder / f"synthetic-{seconds:g}s"
    if not (root / "dataset.json").is_file():
        corpus = SyntheticCorpus(clips_per_concept=(0, 0, 20), seconds=seconds)
        with open_executor() as executor:
            build(corpus, root, executor=executor)
    name = f"bench-{count}"
    place = root / "suites" / name
    if not (place / "suite.json").is_file():
        dataset = open_dataset(root)
        noises = 5 if count <= 1000 else -(-count // 200)
        plan = freezing.plan_separation(dataset, name=name, noises=noises)
        mixtures = plan.mixtures[:count]
        kept = {mixture.mixture_id for mixture in mixtures}
        queries = [query for query in plan.queries if query.mixture_id in kept]
        plan = replace(plan, mixtures=mixtures, queries=queries)
        freezing.freeze(plan, dataset, place, export_audio=False)
    suite = load_suite(place)
    predictions = root / "predictions" / name
    separate_suite(Blend(), suite, predictions)
    return suite, predictions


def drop_cache(*folders: Path) -> None:
    """Put the files out of the page cache, as far as the kernel allows."""
    os.sync()
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                descriptor = os.open(path, os.O_RDONLY)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)


# --- ours -------------------------------------------------------------------


def ours(folder: Path, count: int, seconds: float, workers: int) -> tuple[float, float]:
    """Wall seconds of `lassbench score` and the peak memory of all its processes, MiB."""
    suite, predictions = prepare(folder, count, seconds)
    assert suite.dataset is not None
    drop_cache(predictions, suite.dataset.path / "data")
    command = [
        *(sys.executable, "-c", "from lassbench.cli import main; main()", "score"),
        *(str(predictions), "--suite", str(suite.path), "-o", str(scores_folder(predictions))),
        *("--workers", str(workers), "--leaderboard", str(folder / "none"), "--replace"),
    ]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        peak = Peak(process.pid)
        _, complaints = process.communicate()
        wall = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(complaints.decode())
    return wall, peak.stop()


def scores_folder(predictions: Path) -> Path:
    return predictions.parent / f"{predictions.name}-scores"


class Peak:
    """The largest sum of the proportional set sizes of a process and its children, MiB."""

    def __init__(self, pid: int) -> None:
        self._pid, self._largest, self._ended = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            self._largest = max(self._largest, sum(pss_mib(pid) for pid in family(self._pid)))

    def stop(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._largest


def family(pid: int) -> Iterator[int]:
    """``pid`` and all processes below it."""
    yield pid
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return
    for child in children:
        yield from family(child)


def pss_mib(pid: int) -> float:
    """A process's memory with what it shares divided among the sharers; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


# --- peers ------------------------------------------------------------------


def mir_eval(references: np.ndarray, estimates: np.ndarray) -> Scores:
    from mir_eval.separation import bss_eval_sources

    return tuple(
        float(one[0])
        for one in bss_eval_sources(references, estimates, compute_permutation=False)[:3]
    )


def museval(references: np.ndarray, estimates: np.ndarray) -> Scores:
    # museval imports musdb, which refuses to be imported without an ffmpeg program;
    # the metric needs neither.
    sys.modules.setdefault("musdb", types.ModuleType("musdb"))
    from museval.metrics import bss_eval

    sdr, _, sir, sar, _ = bss_eval(
        references[:, :, None],
        estimates[:, :, None],
        window=np.inf,
        hop=np.inf,
        compute_permutation=False,
        bsseval_sources_version=True,
    )
    return float(sdr[0, 0]), float(sir[0, 0]), float(sar[0, 0])


def fast_bss_eval(references: np.ndarray, estimates: np.ndarray) -> Scores:
    from fast_bss_eval import bss_eval_sources

    # fast_bss_eval 0.1.4 was written for NumPy 1, where solve(a, b) took a stack
    # of vectors b; that is put back for the length of the call.
    solve = np.linalg.solve
    np.linalg.solve = lambda a, b: (
        solve(a, b[..., None])[..., 0] if b.ndim == a.ndim - 1 else solve(a, b)
    )
    try:
        found = bss_eval_sources(references, estimates, compute_permutation=False)
    finally:
        np.linalg.solve = solve
    return tuple(float(one[0]) for one in found[:3])


def fast_bss_eval_torch(references: np.ndarray, estimates: np.ndarray) -> Scores:
    import torch
    from fast_bss_eval import bss_eval_sources

    found = bss_eval_sources(
        torch.from_numpy(references), torch.from_numpy(estimates), compute_permutation=False
    )
    return tuple(float(one[0]) for one in found[:3])


def torchmetrics(references: np.ndarray, estimates: np.ndarray) -> Scores:
    import torch
    from torchmetrics.functional.audio import signal_distortion_ratio

    return (
        float(
            signal_distortion_ratio(torch.from_numpy(estimates[0]), torch.from_numpy(references[0]))
        ),
    )


PEERS: dict[str, tuple[Callable[..., Scores], str]] = {
    "mir_eval": (mir_eval, "mir_eval"),
    "museval": (museval, "museval"),
    "fast_bss_eval, NumPy": (fast_bss_eval, "fast_bss_eval"),
    "fast_bss_eval, torch": (fast_bss_eval_torch, "fast_bss_eval"),
    "torchmetrics, SDR alone": (torchmetrics, "torchmetrics"),
}


def peers(folder: Path, count: int, options: argparse.Namespace, wall: float) -> None:
    """Time the peers on a sample and print them beside ours."""
    suite, predictions = prepare(folder, count, options.seconds)
    rows = {
        row["query_id"]: row
        for row in read_scores(scores_folder(predictions)).rows.to_dict("records")
    }
    step = max(1, len(rows) // options.sample)
    sample = list(suite.queries)[::step][: options.sample]
    lines: list[Sequence[object]] = [
        ("lassbench score, everything", version("lassbench"), wall, wall, 1.0, 1.0, "")
    ]
    for name, (_, package) in PEERS.items():
        job = partial(peer_job, name, suite.path, predictions)
        alone, found = time_alone(job, sample)
        together = time_together(job, sample, options.workers)
        times = alone * count, together * count
        lines.append(
            (name, version(package), *times, *(one / wall for one in times), worst(rows, found))
        )
    print_table(
        (
            f"{count} queries of {options.seconds:g} s",
            "version",
            "1 process, s",
            f"{options.workers} processes, s",
            "times ours",
            "times ours, processes",
            "largest difference, dB",
        ),
        lines,
        f"the same job by others, extrapolated from {len(sample)} queries",
    )


def peer_job(name: str, suite_path: Path, predictions: Path, query_id: str) -> tuple[str, Scores]:
    """What a script with this library does for one query."""
    suite = _open(suite_path)
    estimate, _ = soundfile.read(predictions / f"{query_id}.wav", dtype="float64")
    rendered = suite.render(suite.queries[query_id].mixture_id)
    references = np.stack([rendered.target, rendered.interference]).astype(np.float64)
    estimates = np.stack([estimate, rendered.mixture - estimate])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return query_id, PEERS[name][0](references, estimates)


_suites: dict[Path, Suite] = {}


def _open(path: Path) -> Suite:
    if path not in _suites:
        _suites[path] = load_suite(path)
    return _suites[path]


def time_alone(
    job: Callable[[str], tuple[str, Scores]], sample: Sequence[str]
) -> tuple[float, dict[str, Scores]]:
    """Seconds a query in this process, imports and first calls not counted; and the scores."""
    job(sample[0])
    start = time.perf_counter()
    found = dict(map(job, sample))
    return (time.perf_counter() - start) / len(sample), found


def time_together(
    job: Callable[[str], tuple[str, Scores]], sample: Sequence[str], workers: int
) -> float:
    """Seconds a query in several processes of one thread each, starting them not counted."""
    import multiprocessing

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=one_thread) as pool:
            list(pool.map(job, sample[: 2 * workers]))
            start = time.perf_counter()
            list(pool.map(job, sample))
            return (time.perf_counter() - start) / len(sample)
    finally:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.pop(name, None)


def worst(rows: dict[str, dict[str, Any]], found: dict[str, Scores]) -> str:
    """The largest difference from ours over the metrics that the peer has."""
    largest = 0.0
    for query_id, values in found.items():
        for metric, value in zip(("sdr", "sir", "sar"), values, strict=False):
            largest = max(largest, abs(rows[query_id][metric] - value))
    return f"{largest:.1e}"


# --- length -----------------------------------------------------------------


def lengths(folder: Path, options: argparse.Namespace) -> None:
    """The same number of queries at several lengths."""
    count = min(options.queries)
    lines = []
    for seconds in options.lengths:
        wall, peak = ours(folder, count, seconds, options.workers)
        lines.append((f"{seconds:g}", wall, 1e3 * wall / count, round(peak)))
    print_table(
        ("seconds of audio", "seconds", "ms a query", "peak MiB, all processes"),
        lines,
        f"lassbench score, {count} queries",
    )
