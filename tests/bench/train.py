"""Training and separating: the straightforward loop against ours, on the device there is.

``python -m tests.bench train [--config lassnet-small] [--steps 10] [--seconds 5] [--clips 8]
[--only-separating]``

The straightforward loop is float32, eager, and waits for a DataLoader whose workers
decode FLAC and mix on the CPU; ours is `lassbench train-baseline`'s.  Both train the same
network on the same synthetic clips, each in a process of its own.  The peak is that of
a matrix product in the precision that the loop computes in.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from lassbench.benchmark.mixtures import render
from lassbench.corpora.synthetic import SyntheticCorpus
from lassbench.dataset import open_dataset
from lassbench.dataset.build import build
from lassbench.models.checkpoints import Blueprint, Checkpoint, Training, card_of
from lassbench.models.config import Config, load_config
from lassbench.models.devices import find_device, find_precision
from lassbench.models.separator import CheckpointSeparator
from lassbench.models.stft import Stft
from lassbench.parallel import cpu_count
from lassbench.records import TAG_SEPARATOR
from lassbench.training.loop import Loop
from lassbench.training.ranks import Ranks
from lassbench.training.roster import split_clips
from lassbench.training.setup import compiles, deterministic, prepare
from lassbench.training.validation import Validation
from tests.bench._table import Timing, compare, machine, peak_memory_mib, print_table

WARM_UP = 3
#: Clips that are separated.
SEPARATED = 4


def settings(name: str, steps: int) -> Config:
    """The config ``name``, its text encoder of the same shape but from nothing.

    Compiled if a run of full length is: the minutes that takes are not measured.
    """
    changes = ["text.encoder=scratch", "train.tensorboard=false", "validation.mixtures=4"]
    how = "on" if compiles(load_config(name, changes), find_device("auto")) else "off"
    return load_config(name, [*changes, f"train.steps={steps}", f"train.compile={how}"])


def make_loop(config: Config, data: Path, out: Path, device: torch.device) -> Loop:
    """Our loop, ready for its first step."""
    dataset = open_dataset(data)
    training, validation = split_clips(dataset)
    return Loop(
        prepare(config, dataset, training, out, resume=False),
        dataset,
        training=training,
        validation=Validation(dataset, validation, config),
        ranks=Ranks(0, 1, device),
        out=out,
    )


class Pairs(Dataset[tuple[Any, ...]]):
    """What a worker of the straightforward loop makes: two clips decoded and mixed."""

    def __init__(self, loop: Loop, steps: int) -> None:
        self.dataset, self.clips, self.samples = loop.dataset, loop.roster.clips, loop.samples
        draws = [loop.stream.draw(step) for step in range(steps)]
        self.target = np.concatenate([draw.target for draw in draws])
        self.noise = np.concatenate([draw.noise for draw in draws])
        self.caption = np.concatenate([draw.caption for draw in draws])

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        target, noise = (
            self.dataset.samples(self.clips[chosen[number]].clip_id)
            for chosen in (self.target, self.noise)
        )
        made = render(target, noise)
        cut = slice(0, self.samples)
        return made.mixture[cut], made.target[cut], self.target[number], self.caption[number]


def straightforward(config: Config, data: Path, steps: int) -> dict[str, float]:
    """Seconds a step and peak memory of the straightforward loop."""
    config = replace(config, train=replace(config.train, compile="off"))
    with tempfile.TemporaryDirectory() as folder:
        loop = make_loop(config, data, Path(folder), plain_device())
    net = loop.net.to(memory_format=torch.contiguous_format).train()  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(net.parameters(), lr=config.train.learning_rate)
    stft = loop.plain.stft
    batches = DataLoader(
        Pairs(loop, steps + WARM_UP), batch_size=config.train.batch_size, num_workers=cpu_count()
    )
    start = 0.0
    for number, (mixture, target, clip, caption) in enumerate(batches):
        if number == WARM_UP:
            start = time.perf_counter()
        mixture, target, clip, caption = (
            part.to(loop.device) for part in (mixture, target, clip, caption)
        )
        magnitude, wanted = stft(mixture).abs(), stft(target).abs()
        loss = (net(magnitude, *loop.queries.rows(clip, caption)) * magnitude - wanted).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
    return {"step": (time.perf_counter() - start) / steps, "memory": memory(loop.device)}


def ours(config: Config, data: Path, steps: int) -> dict[str, float]:
    """The same of our loop, its data path alone, and its arithmetic."""
    with tempfile.TemporaryDirectory() as folder, deterministic(config.train.deterministic):
        loop = make_loop(config, data, Path(folder), find_device("auto"))
        loop.net.train()

        def update() -> None:
            loop.update()
            loop.step += 1

        def data_path() -> None:
            mixture, target, _ = loop.batch(loop.stream.draw(loop.step))
            loop.plain.stft(mixture).abs(), loop.plain.stft(target).abs()

        step, path = (per_call(part, steps, loop.device) for part in (update, data_path))
        mixture, _, query = loop.batch(loop.stream.draw(0))
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            loop.net.UNet.forward(loop.plain.stft(mixture).abs(), loop.net.embed(*query))
        work = 3 * counter.get_total_flops()  # backward: two products for each of forward's
        peak = matmul_peak(loop.device, loop.precision)
    share = work / step / peak
    return {"step": step, "data": path, "share": share, "memory": memory(loop.device)}


def per_call(thing: Callable[[], Any], calls: int, device: torch.device) -> float:
    """Mean seconds a call, the device's queue emptied before and after."""
    for _ in range(WARM_UP):
        thing()
    wait(device)
    start = time.perf_counter()
    for _ in range(calls):
        thing()
    wait(device)
    return (time.perf_counter() - start) / calls


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def memory(device: torch.device) -> float:
    """Peak MiB: of the device where there is one, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return peak_memory_mib()


def matmul_peak(device: torch.device, precision: torch.dtype) -> float:
    """Operations a second of a large matrix product: the best of ten."""
    size = 8192 if device.type == "cuda" else 2048
    a = torch.randn(size, size, device=device, dtype=precision)
    best = min(per_call(lambda: a @ a, 1, device) for _ in range(10))
    return 2 * size**3 / best


def plain_separation(config: Config, data: Path) -> Callable[[], Any]:
    """The clips one at a time through the network as it is built."""
    blueprint, mixtures, queries = separation_task(config, data)
    device = plain_device()
    net = blueprint.build().eval().to(device)
    stft = Stft(frame=config.spectrogram.frame, hop=config.spectrogram.hop).to(device)

    @torch.no_grad()
    def separate() -> None:
        for mixture, query in zip(mixtures, queries, strict=True):
            asked = query if config.system == "lassnet" else query.split(TAG_SEPARATOR)
            encoded = [part.to(device) for part in blueprint.codec.encode([asked])]  # type: ignore[list-item]
            spectrum = stft(torch.from_numpy(mixture[None]).to(device))
            stft.inverse(spectrum * net(spectrum.abs(), *encoded), len(mixture)).cpu()

    return separate


def our_separation(config: Config, data: Path) -> Callable[[], Any]:
    """The same clips through a separator, in one batch."""
    blueprint, mixtures, queries = separation_task(config, data)
    checkpoint = Checkpoint(blueprint, Training(), blueprint.build().state_dict())
    system = CheckpointSeparator(
        checkpoint.network(), blueprint.codec, blueprint.config, card_of(checkpoint)
    )
    return lambda: system.separate_batch(mixtures, queries, system.sample_rate)


def separation_task(config: Config, data: Path) -> tuple[Blueprint, list[Any], list[str]]:
    """A network, mixtures (noise) and queries for it."""
    dataset = open_dataset(data)
    clips, _ = split_clips(dataset)
    with tempfile.TemporaryDirectory() as folder:
        blueprint = prepare(config, dataset, clips, Path(folder), resume=False).blueprint
    noise = np.random.default_rng(0).uniform(-1, 1, (SEPARATED, dataset.clip_samples))
    queries = [
        clip.captions[0] if config.system == "lassnet" else TAG_SEPARATOR.join(clip.tags)
        for clip in clips[:SEPARATED]
    ]
    return blueprint, list(noise.astype(np.float32)), queries


def plain_device() -> torch.device:
    """The device of :func:`find_device`, its settings and the process's left as they are."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def separation(config: Config, data: Path, repeats: int) -> dict[str, Timing]:
    """Timings of both, each in a process of its own, taking turns."""
    context = multiprocessing.get_context("spawn")
    makers = {"plain": plain_separation, "ours": our_separation}
    with contextlib.ExitStack() as stack:
        pools = {
            name: stack.enter_context(
                ProcessPoolExecutor(
                    1, mp_context=context, initializer=make_ready, initargs=(maker, config, data)
                )
            )
            for name, maker in makers.items()
        }
        return compare(
            {name: partial(in_turn, pool) for name, pool in pools.items()}, repeats=repeats
        )


_ready: list[Callable[[], Any]] = []


def make_ready(maker: Callable[..., Callable[[], Any]], config: Config, data: Path) -> None:
    """In a process of its own: what :func:`go` will do there."""
    _ready.append(maker(config, data))


def go() -> None:
    _ready[0]()


def in_turn(pool: ProcessPoolExecutor) -> None:
    pool.submit(go).result()


def alone(thing: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """``thing`` in a process of its own, so that neither inherits the other's memory."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(thing, *arguments).result()


def main(arguments: list[str]) -> None:
    """Print two tables: training and separating."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench train")
    parser.add_argument("--config", default="lassnet-small")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clips", type=int, default=8, help="training clips a concept")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only-separating", action="store_true")
    chosen = parser.parse_args(arguments)
    config = settings(chosen.config, chosen.steps)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        build(SyntheticCorpus(clips_per_concept=(chosen.clips, 1, 1), seconds=chosen.seconds), data)
        if not chosen.only_separating:
            plain = alone(straightforward, config, data, chosen.steps)
            report_training(config, plain, alone(ours, config, data, chosen.steps))
        report_separating(config, separation(config, data, chosen.repeats))


def report_training(config: Config, plain: dict[str, float], own: dict[str, float]) -> None:
    """Print what was measured of the loops."""
    device = find_device("auto")
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else machine("torch")
    precision = str(find_precision(config.train.precision, device)).removeprefix("torch.")
    batch = config.train.batch_size
    print(f"{config.name}, batch {batch}, {precision}; {where}")
    print_table(
        ("training", "examples/s", "ratio", "peak MiB"),
        [
            ("straightforward loop", batch / plain["step"], 1.0, plain["memory"]),
            ("lassbench", batch / own["step"], plain["step"] / own["step"], own["memory"]),
        ],
    )
    print(f"\ndata path: {100 * own['data'] / own['step']:.1f} % of a step")
    print(f"share of the measured matrix-product peak: {100 * own['share']:.0f} %")
    print(f"20,000 steps at this rate: {20_000 * own['step'] / 3600:.1f} h")


def report_separating(config: Config, timings: dict[str, Timing]) -> None:
    """Print what was measured of the answers: medians, and their ratio."""
    print(f"\n{config.name}, {torch.get_num_threads()} threads; {machine('torch')}")
    plain, own = (timings[name].median / SEPARATED for name in ("plain", "ours"))
    print_table(
        ("separating", "s a clip", "ratio"),
        [
            ("the network run plainly, one at a time", plain, 1.0),
            ("lassbench, four at once", own, plain / own),
        ],
    )
