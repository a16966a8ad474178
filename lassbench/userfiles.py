"""Separating any audio file: any length, rate and channel count, in flat memory.

The file is read in overlapping blocks; each channel of each block is resampled
to the system's rate, separated, and resampled back; neighbouring blocks are
cross-faded over their overlap, so that no seam is heard and an hour needs no
more memory than a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from lassbench import audio, files
from lassbench.errors import LassbenchError, UsageError
from lassbench.resampling import resample

#: Length of a block, where the system has no wish of its own, and of the cross-fade
#: between two, in seconds.
BLOCK_S, OVERLAP_S = 20.0, 1.0

Frames = NDArray[np.float32]


def separate_file(
    separator: Any,
    path: Path,
    out: Path,
    *,
    query: str,
    sample_rate_hz: int,
) -> None:
    """Extract ``query`` from the audio file ``path`` into ``out``.

    What is separated at a time is as long as the system's ``block_s`` says.

    Parameters
    ----------
    sample_rate_hz
        The rate that the system works at.
    out
        A ``.wav`` or ``.flac`` file; it has the input's rate and channels, and
        its sample format where the container can hold it.

    Raises
    ------
    LassbenchError
        If the input cannot be read or the output cannot be written.
    UsageError
        If ``out`` is neither WAV nor FLAC.
    """
    check_files(path, out)
    block_s = float(getattr(separator, "block_s", BLOCK_S))
    try:
        with _open(path) as source, files.atomic_path(out) as temporary:
            kind = out.suffix[1:].upper()
            subtype = source.subtype if soundfile.check_format(kind, source.subtype) else "PCM_16"
            with soundfile.SoundFile(
                temporary, "w", source.samplerate, source.channels, subtype=subtype, format=kind
            ) as sink:
                for frames in _separated(separator, source, query, sample_rate_hz, block_s):
                    sink.write(frames)
    except soundfile.LibsndfileError as error:
        raise LassbenchError(f"cannot be read or written: {error}", where=path) from error


def check_files(path: Path, out: Path) -> None:
    """Refuse names that cannot be read from or written to, before a system is loaded.

    Raises
    ------
    LassbenchError, UsageError
        As :func:`separate_file`.
    """
    if out.suffix.lower() not in (".wav", ".flac"):
        raise UsageError(
            "the output must be .wav or .flac", where=out, got=out.suffix or "no suffix"
        )
    _open(path).close()


def _open(path: Path) -> soundfile.SoundFile:
    if not path.is_file():
        raise UsageError("no such audio file", where=path, fix="check the path")
    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise LassbenchError(
            f"not audio that can be streamed: {error}",
            where=path,
            expected="WAV, FLAC, Ogg or MP3",
            fix="convert it to WAV first",
        ) from error


def _separated(
    separator: Any, source: soundfile.SoundFile, query: str, rate_hz: int, block_s: float
) -> Iterator[Frames]:
    """The separated frames, (n, channels) at the input's rate, cross-faded block by block."""
    overlap = round(OVERLAP_S * source.samplerate)
    block = max(round(block_s * source.samplerate), 2 * overlap)
    fade_in = ((np.arange(overlap, dtype=np.float32) + 0.5) / overlap)[:, None]
    tail = np.zeros((0, source.channels), np.float32)
    held = np.zeros((0, source.channels), np.float32)  # input that the next block reads again
    while True:
        fresh = source.read(block - held.shape[0], dtype="float32", always_2d=True)
        frames = np.concatenate([held, fresh])
        last = frames.shape[0] < block
        if frames.shape[0] == tail.shape[0]:  # nothing new: the tail is the end
            yield tail
            return
        done = _separate_block(separator, frames, query, source.samplerate, rate_hz)
        shared = tail.shape[0]
        done[:shared] = done[:shared] * fade_in[:shared] + tail * (1.0 - fade_in[:shared])
        if last:
            yield done
            return
        yield done[:-overlap]
        tail, held = done[-overlap:], frames[-overlap:]


def _separate_block(
    separator: Any, frames: Frames, query: str, from_hz: int, rate_hz: int
) -> Frames:
    channels = []
    for channel in frames.T:
        mono = np.ascontiguousarray(resample(channel, from_hz, rate_hz), dtype=np.float32)
        answer = np.asarray(separator.separate(mono, query, rate_hz), dtype=np.float32)
        if answer.shape != mono.shape or not np.isfinite(answer).all():
            raise LassbenchError(
                "the system returned something that is no estimate", got=f"shape {answer.shape}"
            )
        channels.append(audio.fit(resample(answer, rate_hz, from_hz), frames.shape[0]))
    return np.stack(channels, axis=1).astype(np.float32)
