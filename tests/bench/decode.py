"""Decode, resample and pack real recordings on one core, against librosa.load and soundfile.write.

python -m tests.bench decode [--clips N] [--repeats N] [--source FOLDER]

The obvious loop is ``librosa.load(path, sr=32000)`` and ``soundfile.write`` as
16-bit FLAC; M4A and WebM, which librosa does not read, are read by PyAV.  All
sides read the same files at the same rate, in one thread.
The stages of this package's path are timed one by one below: decoding Vorbis and
encoding FLAC are the same C libraries (libvorbis, libFLAC) on both sides and
three quarters of the work, and soxr, librosa's resampler, is as quick as an FFT
in double precision.  So one core cannot do much better than the obvious loop;
what build-dataset gains over it, it gains by using every core.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import av
import numpy as np
import soundfile as sf
from threadpoolctl import threadpool_limits

from lassbench import audio, resampling
from lassbench.records import FileSource
from tests.bench._table import compare, machine, print_table
from tests.sound_files import encode

SHARED = Path(__file__).resolve().parents[3] / "shared"
RATE, SECONDS = 32000, 5.0

#: What people hold, in 128 kbit/s: name, suffix, encoder, rate in Hz.
HELD = [
    ("M4A (AAC), 44.1 kHz", "m4a", "aac", 44100),
    ("WebM (Opus), 48 kHz", "webm", "libopus", 48000),
    ("MP3 (LAME), 44.1 kHz", "mp3", "libmp3lame", 44100),
]


def main(arguments: list[str]) -> None:
    """Measure and print."""
    options = parse(arguments)
    import torch

    torch.set_num_threads(1)
    threadpool_limits(1)
    print(machine("librosa", "soundfile", "soxr", "torchaudio", "numpy", "scipy"))
    ogg = sorted(options.source.glob("*.ogg"))[:: max(1, 400 // options.clips)][: options.clips]
    with tempfile.TemporaryDirectory() as folder:
        for kind, paths in containers(ogg, Path(folder)).items():
            both(kind, paths, options.repeats)
        stages(ogg, options.repeats)
        levels(ogg, options.repeats)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench decode")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--source", type=Path, default=SHARED / "data" / "esc10" / "audio")
    return parser.parse_args(arguments)


def containers(ogg: Sequence[Path], folder: Path) -> dict[str, list[Path]]:
    """The same recordings as they are, and in the containers that people hold."""
    made: dict[str, list[Path]] = {"Ogg Vorbis, 44.1 kHz": list(ogg)}
    for suffix in ("wav", "flac"):
        made[f"16-bit {suffix.upper()}, 44.1 kHz"] = paths = []
        for path in ogg:
            x, rate = sf.read(path, dtype="int16")
            paths.append(folder / f"{path.stem}.{suffix}")
            sf.write(paths[-1], x, rate, subtype="PCM_16")
    for name, suffix, codec, rate in HELD:
        made[name] = paths = []
        for path in ogg:
            x = audio.read_file(FileSource(str(path)), sample_rate_hz=rate, seconds=SECONDS)
            paths.append(folder / f"{path.stem}.{suffix}")
            encode(paths[-1], x, rate, codec)
    made["16-bit WAV, 32 kHz"] = paths = []
    for path in ogg:
        x = audio.read_file(FileSource(str(path)), sample_rate_hz=RATE, seconds=SECONDS)
        paths.append(folder / f"{path.stem}.32k.wav")
        sf.write(paths[-1], x, RATE, subtype="PCM_16")
    return made


def obvious(paths: Sequence[Path], res_type: str = "soxr_hq") -> None:
    """The loop that people write."""
    import librosa

    for path in paths:
        if path.suffix in {".m4a", ".webm"}:
            x, rate = read(path)
            x = librosa.resample(x, orig_sr=rate, target_sr=RATE, res_type=res_type)
        else:
            x, _ = librosa.load(path, sr=RATE, res_type=res_type)
        sf.write(io.BytesIO(), x, RATE, format="FLAC", subtype="PCM_16")


def read(path: Path) -> tuple[np.ndarray, int]:
    """By soundfile, or the loop over PyAV's frames where it cannot (librosa cannot either)."""
    if path.suffix not in {".m4a", ".webm"}:
        return sf.read(path, dtype="float32")
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return np.concatenate(frames, axis=1)[0], container.streams.audio[0].rate


def same_filter(paths: Sequence[Path]) -> None:
    """The obvious loop with torchaudio's resampler and this package's filter."""
    import torch
    from torchaudio.functional import resample

    for path in paths:
        x, rate = read(path)
        y = resample(
            torch.from_numpy(x.astype(np.float64)),
            rate,
            RATE,
            lowpass_filter_width=resampling.LOWPASS_FILTER_WIDTH,
            rolloff=resampling.ROLLOFF,
            resampling_method="sinc_interp_kaiser",
            beta=resampling.KAISER_BETA,
        )
        sf.write(io.BytesIO(), y.numpy(), RATE, format="FLAC", subtype="PCM_16")


def ours(paths: Sequence[Path]) -> None:
    """What build-dataset does with a clip, without the disk."""
    for path in paths:
        x = audio.read_file(FileSource(str(path)), sample_rate_hz=RATE, seconds=SECONDS)
        samples = audio.to_int16(x)
        audio.encode_flac(samples, RATE)
        audio.pcm_sha256(samples)


def both(kind: str, paths: Sequence[Path], repeats: int) -> None:
    things = {
        "librosa.load (soxr_hq) + soundfile.write": partial(obvious, paths),
        "librosa.load (soxr_vhq) + soundfile.write": partial(obvious, paths, res_type="soxr_vhq"),
        "soundfile + torchaudio, the same filter": partial(same_filter, paths),
        "lassbench": partial(ours, paths),
    }
    times = compare(things, repeats=repeats)
    best = times["lassbench"].median
    rows = [
        (
            name,
            1000 * time.median / len(paths),
            len(paths) / time.median,
            time.median / best,
        )
        for name, time in times.items()
    ]
    columns = ("one core", "ms a clip", "clips/s", "times lassbench")
    print_table(columns, rows, f"{kind}: {len(paths)} clips of 5 s to 32 kHz FLAC")


def stages(paths: Sequence[Path], repeats: int) -> None:
    decoded = [audio.decode(path) for path in paths]
    resampled = [audio.resample(one.samples, one.rate, RATE) for one in decoded]
    whole = [audio.to_int16(audio.fit(x, round(RATE * SECONDS))) for x in resampled]
    things = {
        "decode Ogg Vorbis": lambda: [audio.decode(path) for path in paths],
        "resample 44.1 to 32 kHz": lambda: [
            audio.resample(one.samples, one.rate, RATE) for one in decoded
        ],
        "round to 16 bits": lambda: [audio.to_int16(x) for x in resampled],
        "encode FLAC": lambda: [audio.encode_flac(x, RATE) for x in whole],
        "hash the samples": lambda: [audio.pcm_sha256(x) for x in whole],
    }
    times = compare(things, repeats=repeats)
    total = sum(time.median for time in times.values())
    rows = [
        (name, 1000 * time.median / len(paths), f"{100 * time.median / total:.0f} %")
        for name, time in times.items()
    ]
    print_table(("stage", "ms a clip", "share"), rows, "Where lassbench's time goes")


def levels(paths: Sequence[Path], repeats: int) -> None:
    """FLAC's compression levels: time against size."""
    clips = [
        audio.to_int16(audio.read_file(FileSource(str(p)), sample_rate_hz=RATE, seconds=SECONDS))
        for p in paths
    ]
    rows = []
    raw = sum(x.nbytes for x in clips)
    for level in range(9):
        sizes: list[int] = []
        times = compare({"": partial(encode_all, clips, level / 8, sizes)}, repeats=repeats)
        size = sum(sizes[: len(clips)])
        rows.append((level, 1000 * times[""].median / len(clips), f"{100 * size / raw:.2f} %"))
    print_table(("FLAC level", "ms a clip", "of the raw size"), rows, "Compression")


def encode_all(clips: Sequence[np.ndarray], level: float, sizes: list[int]) -> None:
    for x in clips:
        memory = io.BytesIO()
        sf.write(memory, x, RATE, format="FLAC", subtype="PCM_16", compression_level=level)
        sizes.append(len(memory.getbuffer()))
