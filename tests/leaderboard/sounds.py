"""Examples to listen to: sines, plain pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.entries import model_bytes
from lassbench.leaderboard.examples import Example, ExampleSet

RATE, SECONDS = 8000, 8.0


def write_sine(path: Path, frequency_hz: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(RATE * SECONDS)) / RATE
    soundfile.write(path, 0.25 * np.sin(2 * np.pi * frequency_hz * time), RATE)


def export(root: Path, suite: str = "made-test", **changes: object) -> Path:
    """Two queries of ``suite`` with the mixture, the target and two systems; the JSON's path."""
    board = read_leaderboard(root)
    folder = root / "examples" / suite
    examples = []
    for number in (0, 7):
        query = f"q{number:05d}"
        example = Example(
            query_id=query, text=f"a sound, number {number}", systems=("lass-net", "unet-tags")
        )
        for step, name in enumerate(example.tracks):
            write_sine(folder / f"{name}.flac", 300.0 + 100 * step)
            Image.new("RGB", (60, 15), (40, 20, 90)).save(folder / f"{name}.png")
        examples.append(example)
    values = {
        "suite": suite,
        "list_fingerprint": board.suites[suite].list_fingerprint,
        "audio_may_be_published": True,
        "seconds": SECONDS,
        "max_hz": RATE / 2,
        "examples": tuple(examples),
        **changes,
    }
    path = folder / "examples.json"
    path.write_bytes(model_bytes(ExampleSet(**values)))  # type: ignore[arg-type]
    return path
