"""Values that are of the right type and still cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lassbench.config.schema import Config

_AT_LEAST: dict[tuple[str, ...], float] = {
    ("sample_rate_hz",): 0,
    ("spectrogram", "frame"): 8,
    ("spectrogram", "hop"): 1,
    ("network", "query"): 1,
    ("text", "max_tokens"): 2,
    ("text", "learning_rate_scale"): 0,
    ("text", "scratch", "layers"): 1,
    ("text", "scratch", "heads"): 1,
    ("text", "scratch", "hidden"): 1,
    ("text", "scratch", "intermediate"): 1,
    ("text", "scratch", "vocabulary"): 32,
    ("text", "scratch", "dropout"): 0,
    ("mixing", "crop_s"): 0,
    ("train", "seed"): 0,
    ("train", "steps"): 1,
    ("train", "batch_size"): 1,
    ("train", "accumulate"): 1,
    ("train", "learning_rate"): 0,
    ("train", "warmup_steps"): 0,
    ("train", "weight_decay"): 0,
    ("train", "clip_gradient"): 0,
    ("train", "calibrate_batches"): 0,
    ("train", "log_every"): 1,
    ("train", "save_every"): 1,
    ("validation", "mixtures"): 1,
    ("validation", "noises"): 1,
    ("validation", "seed"): 0,
    ("validation", "batch_size"): 1,
    ("separation", "chunk_s"): 0.5,
    ("separation", "overlap_s"): 0,
}


def impossible(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """``(key, reason)`` of each value that cannot be."""
    for key, least in _AT_LEAST.items():
        value: Any = config
        for part in key:
            value = getattr(value, part)
        if value < least:
            yield key, f"{'.'.join(key)} must be at least {least:g}, got {value!r}"
    yield from _impossible_network(config)
    low, high = config.mixing.snr_range_db
    if low > high:
        yield ("mixing", "snr_range_db"), f"the range must be low, high; got {low:g}, {high:g}"
    if config.separation.overlap_s > config.separation.chunk_s / 2:
        yield ("separation", "overlap_s"), "chunks may overlap by at most half their length"
    if config.train.batch_size % config.train.accumulate:
        yield ("train", "accumulate"), "must divide train.batch_size"


def _impossible_network(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    frame, hop, widths = config.spectrogram.frame, config.spectrogram.hop, config.network.widths
    if not widths or min(widths) < 1:
        yield ("network", "widths"), "needs at least one width, each at least 1"
        return
    depth = len(widths)
    if hop > frame // 2:
        yield ("spectrogram", "hop"), f"must be at most half of frame ({frame // 2}), got {hop}"
    # frame / 2 - 1 bins enter (two of frame / 2 + 1 are left out); halved with
    # floor and doubled with 2n + 1 they come back only if this holds.
    if frame % 2 or (frame // 2) % 2**depth or frame // 2 // 2**depth < 2:
        yield (
            ("spectrogram", "frame"),
            f"half of it must be a multiple of {2**depth} (2 to the network's depth) "
            f"and at least {2 ** (depth + 1)}, got {frame}",
        )
    scratch = config.text.scratch
    if config.text.encoder == "scratch" and scratch.heads and scratch.hidden % scratch.heads:
        yield ("text", "scratch", "hidden"), f"must be a multiple of heads ({scratch.heads})"
