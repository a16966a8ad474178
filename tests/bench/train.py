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
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from lassbench.config import Config, load_config
from lassbench.corpora.synthetic import SyntheticCorpus
from lassbench.dataset import open_dataset
from lassbench.dataset.build import build
from lassbench.mixtures import render
from lassbench.models.checkpoints import Checkpoint, Training, card_of
from lassbench.models.devices import find_device, find_precision
from lassbench.models.separator import CheckpointSeparator
from lassbench.models.stft import Stft
from lassbench.parallel import cpu_count
from lassbench.records import Query
from lassbench.training.loop import Loop
from lassbench.training.ranks import Ranks
from lassbench.training.roster import split_clips
from lassbench.training.setup import compiles, deterministic, prepare
from lassbench.training.validation import Validation
from tests.bench._table import compare, machine, peak_memory_mib, print_table

WARM_UP = 3


def settings(name: str, steps: int) -> Config:
    """The config ``name``, its text encoder of the same shape but from nothing.

    Compiled if a run of full length is: the minutes that takes are not measured.
    """
    changes = ["text.encoder=scratch", "train.tensorboard=false", "validation.mixtures=4"]
    how = "on" if compiles(load_config(name, changes), find_device("auto")) else "off"
    return load_config(name, [*changes, f"train.steps={steps}", f"train.compile={how}"])


def make_loop(config: Config, data: Path, out: Path) -> Loop:
    """Our loop, ready for its first step."""
    dataset, device = open_dataset(data), find_device("auto")
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
        loop = make_loop(config, data, Path(folder))
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
    if find_device("auto").type == "cpu":
        from lassbench.models.inference import keep_memory

        keep_memory()
    with tempfile.TemporaryDirectory() as folder, deterministic(config.train.deterministic):
        loop = make_loop(config, data, Path(folder))
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


def separation(config: Config, data: Path, repeats: int) -> dict[str, float]:
    """Seconds a clip: the network run plainly, and the separator in batches of eight."""
    with tempfile.TemporaryDirectory() as folder:
        loop = make_loop(config, data, Path(folder))
    device, blueprint = loop.device, loop.blueprint
    rate, samples = loop.dataset.sample_rate_hz, loop.dataset.clip_samples
    mixtures = list(np.random.default_rng(0).uniform(-1, 1, (8, samples)).astype(np.float32))
    clips = loop.roster.clips[:8]
    queries = [Query(f"q{n}", "m", clip.captions[0], clip.tags) for n, clip in enumerate(clips)]
    plain = blueprint.build().eval().to(device)
    checkpoint = Checkpoint(blueprint, Training(), plain.state_dict())
    system = CheckpointSeparator(
        checkpoint.network(), blueprint.codec, config, card_of(checkpoint), device=device.type
    )
    system.sample_rate_hz = rate
    stft = Stft(frame=config.spectrogram.frame, hop=config.spectrogram.hop).to(device)

    def one_at_a_time() -> None:
        with torch.no_grad():
            for mixture, clip in zip(mixtures, clips, strict=True):
                asked = clip.captions[0] if config.system == "lassnet" else clip.tags
                query = [part.to(device) for part in blueprint.codec.encode([asked])]  # type: ignore[list-item]
                spectrum = stft(torch.from_numpy(mixture[None]).to(device))
                stft.inverse(spectrum * plain(spectrum.abs(), *query), samples).cpu()

    timings = compare(
        {"plain": one_at_a_time, "ours": lambda: system.separate_batch(mixtures, queries, rate)},
        repeats=repeats,
    )
    return {name: timing.median / len(mixtures) for name, timing in timings.items()}


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
        report_separating(config, alone(separation, config, data, chosen.repeats))


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


def report_separating(config: Config, answers: dict[str, float]) -> None:
    """Print what was measured of the answers."""
    print(f"\n{config.name}; {machine('torch')}")
    print_table(
        ("separating", "s a clip", "ratio"),
        [
            ("the network run plainly, one at a time", answers["plain"], 1.0),
            ("lassbench, eight at once", answers["ours"], answers["plain"] / answers["ours"]),
        ],
    )
