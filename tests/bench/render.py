"""Synthetic rendering: milliseconds a clip by concept, beside FLAC encoding of the same clips.

``python -m tests.bench render [CLIPS]`` renders CLIPS (20) ten-second clips of every concept on one
core. The last row is the mean over the 6264 clips of LASS-2022, whose concepts differ in number.
"""

from __future__ import annotations

import io
import statistics
import time

import numpy as np
import soundfile

from lassbench.corpora import synthesis
from tests.bench._table import machine, print_table

#: Released clips of each concept (FACTS section 1).
RELEASED = {
    "speech": 2270,
    "laughter": 229,
    "applause": 251,
    "dog": 239,
    "duck": 435,
    "siren": 696,
    "typing": 507,
    "bell": 308,
    "rain": 944,
    "vibration": 385,
}


def measure(concept: str, clips: int) -> tuple[list[float], list[float]]:
    """Milliseconds of rendering and of encoding, one entry a clip."""
    rendering, encoding = [], []
    synthesis.render(concept, "warm-up")
    for index in range(clips):
        start = time.perf_counter()
        clip = synthesis.render(concept, f"bench-{index}")
        middle = time.perf_counter()
        samples = np.rint(clip * 32768).astype(np.int16)
        soundfile.write(io.BytesIO(), samples, 32000, format="FLAC", subtype="PCM_16")
        rendering.append(1e3 * (middle - start))
        encoding.append(1e3 * (time.perf_counter() - middle))
    return rendering, encoding


def main(arguments: list[str]) -> None:
    """Print the table."""
    clips = int(arguments[0]) if arguments else 20
    rows: list[list[object]] = []
    total = {"render": 0.0, "encode": 0.0}
    for concept in synthesis.CONCEPTS:
        rendering, encoding = measure(concept, clips)
        median = statistics.median(rendering)
        rows.append([concept, median, min(rendering), max(rendering), statistics.median(encoding)])
        share = RELEASED[concept] / sum(RELEASED.values())
        total["render"] += share * statistics.mean(rendering)
        total["encode"] += share * statistics.mean(encoding)
    rows.append(["LASS-2022, mean", total["render"], "", "", total["encode"]])
    columns = ["concept", "render, median ms", "least", "most", "FLAC, median ms"]
    print_table(columns, rows, f"{clips} clips of 10 s at 32 kHz a concept")
    print(machine("numpy", "scipy", "soundfile"))
