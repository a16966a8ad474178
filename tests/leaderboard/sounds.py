"""Examples to listen to: sines as WAV, plain pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.entries import model_bytes
from lassbench.leaderboard.examples import Example, ExampleSet, Track

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
        tracks = []
        for step, name in enumerate(("mixture", "target", "lass-net", "unet-tags")):
            write_sine(folder / query / f"{name}.wav", 300.0 + 100 * step)
            Image.new("RGB", (60, 15), (40, 20, 90)).save(folder / query / f"{name}.png")
            role = name if name in ("mixture", "target") else "estimate"
            tracks.append(
                Track(
                    role=role,  # type: ignore[arg-type]
                    system=name if role == "estimate" else "",
                    audio=f"{query}/{name}.wav",
                    spectrogram=f"{query}/{name}.png",
                )
            )
        examples.append(
            Example(query_id=query, text=f"a sound, number {number}", tracks=tuple(tracks))
        )
    values = {
        "suite": suite,
        "list_fingerprint": board.suites[suite].list_fingerprint,
        "synthetic": True,
        "audio_may_be_published": True,
        "seconds": SECONDS,
        "max_hz": RATE / 2,
        "examples": tuple(examples),
        **changes,
    }
    path = folder / "examples.json"
    path.write_bytes(model_bytes(ExampleSet(**values)))  # type: ignore[arg-type]
    return path
