"""Separating any audio file: any container, length, rate and channel count, in flat memory.

The file is read in overlapping blocks; each channel of each block is separated by
itself; neighbouring blocks are cross-faded over their overlap, so that no seam is
heard and an hour needs no more memory than a minute.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from lassbench import audio, files
from lassbench.audio import AudioFault, Reader
from lassbench.errors import LassbenchError, UsageError
from lassbench.interrupts import Interrupts
from lassbench.records import SAMPLE_RATE_HZ, Query
from lassbench.systems.finding import as_system

#: Length of a block, where the system has no wish of its own, and of the cross-fade
#: between two, in seconds.
BLOCK_S, OVERLAP_S = 20.0, 1.0

#: Bytes that a WAV file holds, counted in 32 bits; its header needs some of them.
WAV_BYTES, HEADER_BYTES = 0xFFFFFFFF, 1024

#: libsndfile's names of sample formats that lose nothing, and their bytes a sample.
_PLAIN = {
    **{"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4},
    **{"FLOAT": 4, "DOUBLE": 8},
}

Frames = NDArray[np.float32]
#: From ``(frames,)`` at the file's rate to what was separated, of the same shape.
Ask = Callable[[Frames], Frames]


@dataclass(frozen=True, slots=True)
class Separated:
    """What was read of a file: frames, its rate in Hz, and whether it told its length.

    Of one that did not nobody can say whether its end is missing.
    """

    frames: int
    rate: int
    known: bool


def separate_file(
    system: Any, path: Path, out: Path, *, query: str, negative: str = ""
) -> Separated:
    """Extract ``query``, and not ``negative``, from the audio file ``path`` into ``out``.

    A system that names no rate of its own is given :data:`~lassbench.records.SAMPLE_RATE_HZ`.

    Parameters
    ----------
    system
        As :func:`~lassbench.systems.finding.as_system` takes it.
    out
        A ``.wav`` or ``.flac`` file.  It has the input's rate and channels, and its
        sample format if that is PCM or float and the container holds it; else 16-bit
        PCM: to encode lossily again would spoil what was separated.  Beyond 4 GiB
        a WAV file is written as RF64.

    Raises
    ------
    AudioFault
        If the input cannot be read, holds no sound, NaN or infinite samples, or is cut,
        which for some containers shows only at the end.
    LassbenchError
        If the system fails or the output cannot be written.
    UsageError
        As :func:`check_files`.
    """
    check_files(path, out)
    asking = as_system(system)
    said = asking.declared
    if said.sample_rate is None:
        asking = asking.at(SAMPLE_RATE_HZ)
    asked = Query(query_id=str(path), mixture_id="", text=query, negative=negative)

    def ask(mono: Frames) -> Frames:
        return asking.separate([mono], [asked], reader.rate)[0]

    done = 0
    with (
        audio.open_sound(path) as reader,
        files.atomic_path(out) as temporary,
        _Output(temporary, "w") as file,
        Interrupts() as interrupts,
        _sink(file, reader, out) as sink,
    ):
        estimate = _separated(ask, reader, path, said.block_s or said.max_seconds or BLOCK_S)
        while True:
            # Libsndfile calls back to write, where an interrupt would be lost.
            with interrupts.let_through():
                frames = next(estimate, None)
            if frames is None:
                break
            sink.write(frames)
            done += len(frames)
            file.check()
            if sink.format == "WAV" and file.tell() > WAV_BYTES:
                raise LassbenchError(
                    "the input tells no length, and is too long for a WAV file (4 GiB)",
                    where=out,
                    fix="name a .flac file",
                )
        sink.close()
        file.check()
    return Separated(done, reader.rate, reader.known)


def check_files(path: Path, out: Path) -> None:
    """Refuse files that cannot be read from or written to, before a system is loaded.

    Raises
    ------
    AudioFault
        If the input cannot be read, as far as its header tells.
    UsageError
        If there is none, or ``out`` is neither WAV nor FLAC, or the input itself, or
        cannot hold the input's rate or channels.
    """
    if out.suffix.lower() not in (".wav", ".flac"):
        raise UsageError(
            "the output must be .wav or .flac", where=out, got=out.suffix or "no suffix"
        )
    try:
        if not path.exists():
            raise UsageError("no such audio file", where=path, fix="check the path")
        if out.is_dir() or (out.exists() and out.samefile(path)):
            what = "is a folder" if out.is_dir() else "would be written over the input"
            raise UsageError(f"the output {what}", where=out, fix="name another file")
    except OSError as error:
        raise files.explain_os_error(error, Path(error.filename)) from error
    with audio.open_sound(path) as reader:
        try:
            _sink(io.BytesIO(), reader, out).close()
        except soundfile.LibsndfileError as error:
            raise UsageError(
                f"a {out.suffix} file cannot hold the input's sound",
                where=out,
                got=f"channels: {reader.channels}, rate: {reader.rate} Hz",
                fix="name a .wav file",
            ) from error


# ---------------------------------------------------------------------------
# Writing
# ---------------------------------------------------------------------------


class _Output(io.FileIO):
    """The file below libsndfile, which tells of no error's reason, nor of FLAC's last ones.

    The first one is kept, and nothing more is written.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        try:
            while rest and self.error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return len(data)

    def check(self) -> None:
        if self.error is not None:
            raise self.error


def _sink(file: io.RawIOBase | io.BytesIO, reader: Reader, out: Path) -> soundfile.SoundFile:
    """``file``, open to be written as what ``out`` is called, with the reader's sound."""
    kind, subtype = out.suffix[1:].upper(), reader.subtype
    if subtype not in _PLAIN or not soundfile.check_format(kind, subtype):
        subtype = "PCM_16"
    size = _PLAIN[subtype] * reader.channels * (reader.frames or 0)
    if kind == "WAV" and size + HEADER_BYTES > WAV_BYTES:
        kind = "RF64"
    return soundfile.SoundFile(
        file, "w", reader.rate, reader.channels, subtype=subtype, format=kind
    )


# ---------------------------------------------------------------------------
# Separating
# ---------------------------------------------------------------------------


def _separated(ask: Ask, reader: Reader, path: Path, block_s: float) -> Iterator[Frames]:
    """The separated frames, (n, channels) at the input's rate, cross-faded block by block."""
    overlap = round(OVERLAP_S * reader.rate)
    block = max(round(block_s * reader.rate), 2 * overlap)
    fade_in = ((np.arange(overlap, dtype=np.float32) + 0.5) / overlap)[:, None]
    tail = np.zeros((0, reader.channels), np.float32)
    for frames in _blocks(reader, block, overlap):
        if frames.shape[0] == tail.shape[0]:  # nothing new: the tail is the end
            yield tail
            return
        if not np.isfinite(frames).all():
            raise AudioFault("nan", "holds NaN or infinite samples", where=path)
        done = np.stack([ask(channel) for channel in frames.T], axis=1)
        shared = tail.shape[0]
        done[:shared] = done[:shared] * fade_in[:shared] + tail * (1.0 - fade_in[:shared])
        if frames.shape[0] < block:
            yield done
            return
        yield done[:-overlap]
        tail = done[-overlap:]


def _blocks(reader: Reader, block: int, overlap: int) -> Iterator[Frames]:
    """``block`` frames a time, each beginning with the ``overlap`` last of the one before.

    The last one is shorter; if nothing is left, it is the overlap alone.
    """
    pieces: list[Frames] = []
    count = 0
    for piece in reader.blocks(None, None):
        pieces.append(piece)
        count += len(piece)
        if count >= block:
            held = np.concatenate(pieces)
            while len(held) >= block:
                yield held[:block]
                held = held[block - overlap :]
            pieces, count = [held], len(held)
    yield np.concatenate(pieces)
