"""Media for the loopback site: real recordings where they are, in real containers."""

from __future__ import annotations

import io
import tempfile
from functools import cache
from pathlib import Path

import av
import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from tests.sound_files import encode

ESC10 = Path(__file__).resolve().parents[3] / "shared" / "data" / "esc10" / "audio"

#: suffix -> (container, encoder, rate in Hz, MIME type, YouTube's format number)
KINDS = {
    "webm": ("webm", "libopus", 48000, 'audio/webm; codecs="opus"', 251),
    "m4a": ("mp4", "aac", 44100, 'audio/mp4; codecs="mp4a.40.2"', 140),
    "mp3": ("mp3", "libmp3lame", 44100, 'audio/mpeg; codecs="mp3"', 999),
}


@cache
def recordings() -> tuple[NDArray[np.float32], ...]:
    """Mono sounds at 48 kHz: ESC-10's where they are, else the renderer's."""
    from lassbench.resampling import resample

    files = sorted(ESC10.glob("*.ogg"))[:12] if ESC10.is_dir() else []
    sounds = []
    for path in files:
        x, rate = sf.read(path, dtype="float32")
        sounds.append(resample(x, rate, 48000))
    if not sounds:
        from lassbench.corpora import synthesis

        for key in range(12):
            concept = ("dog", "bell", "rain", "siren")[key % 4]
            sounds.append(
                synthesis.render(concept, f"fetch-{key}", sample_rate_hz=48000, seconds=5.0)
            )
    return tuple(sounds)


def sound(number: int, seconds: float) -> NDArray[np.float32]:
    """``seconds`` of recordings, a different order for each ``number``, never silent."""
    parts, length = [], 0
    pool = recordings()
    rng = np.random.default_rng(number)
    while length < seconds * 48000:
        part = pool[int(rng.integers(len(pool)))]
        part = part / max(np.abs(part).max(), 1e-6) * rng.uniform(0.2, 0.7)
        hum = 0.02 * np.sin(2 * np.pi * (200 + 13 * (number % 50)) / 48000 * np.arange(part.size))
        parts.append((part + hum).astype(np.float32))
        length += part.size
    return np.concatenate(parts)[: round(seconds * 48000)]


def encoded(samples: NDArray[np.float32], kind: str, *, bitrate: int = 48000) -> bytes:
    """``samples`` (mono, 48 kHz) as a whole file of ``kind``."""
    from lassbench.resampling import resample

    form, codec, rate, _, _ = KINDS[kind]
    x = resample(samples, 48000, rate)
    # YouTube's m4a is fragmented, with one index in front; writing that needs a real file.
    options = {"movflags": "+dash+global_sidx", "frag_duration": "5000000"}
    options = options if kind == "m4a" else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"medium.{kind}"
        encode(path, x, rate, codec, form, bit_rate=bitrate, options=options)
        return path.read_bytes()


@cache
def medium(number: int, seconds: float, kind: str) -> bytes:
    """A file of ``kind`` with :func:`sound`'s sound."""
    return encoded(sound(number, seconds), kind)


def long_webm(number: int, minutes: int) -> bytes:
    """Hours of Opus in seconds: one minute is encoded, its packets are written again and again."""
    minute = io.BytesIO(medium(number, 60.0, "webm"))
    memory = io.BytesIO()
    with av.open(minute) as source, av.open(memory, "w", format="webm") as target:
        stream = source.streams.audio[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.pts is not None]
        step = packets[1].pts - packets[0].pts
        span = packets[-1].pts - packets[0].pts + step
        data = [(bytes(packet), packet.pts - packets[0].pts) for packet in packets]
        for turn in range(minutes):
            for content, pts in data:
                packet = av.Packet(content)
                packet.stream, packet.time_base = copy, stream.time_base
                packet.pts = packet.dts = pts + turn * span
                packet.is_keyframe = True
                target.mux(packet)
    return memory.getvalue()
