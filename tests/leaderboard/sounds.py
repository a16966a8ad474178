"""Examples to listen to, made without any audio library: sines as WAV, plain pictures."""

from __future__ import annotations

import math
import struct
import wave
import zlib
from pathlib import Path

from lassbench import files
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.entries import model_bytes
from lassbench.leaderboard.examples import Example, ExampleSet, Track

RATE, SECONDS = 8000, 8.0


def write_sine(path: Path, frequency_hz: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = [
        int(8000 * math.sin(2 * math.pi * frequency_hz * n / RATE))
        for n in range(int(RATE * SECONDS))
    ]
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(RATE)
        stream.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def write_picture(path: Path, width: int = 60, height: int = 15) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\x00" + bytes([40, 20, 90]) * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


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
            write_picture(folder / query / f"{name}.png")
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
    files.write_bytes(path, model_bytes(ExampleSet(**values)))  # type: ignore[arg-type]
    return path
