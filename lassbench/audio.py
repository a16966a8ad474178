"""Sound from files and into files: decode, resample, cut, encode, check.

Everything the package hears passes through here, so that a clip is the same
samples whatever container it came in: mono, one rate, an exact number of
samples, 16 bits on disk.  A file comes in whole or is refused: what cannot be
used raises :class:`AudioFault`, which says in one word and one sentence what is
wrong with it, and of the rest it is said whether their length was known.
"""

from __future__ import annotations

import contextlib
import io
import math
import mmap
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from lassbench import containers
from lassbench.containers import Container
from lassbench.errors import Fault, LassbenchError
from lassbench.files import sha256_bytes, write_bytes
from lassbench.interrupts import Interrupts
from lassbench.records import FileSource
from lassbench.resampling import resample

Samples = NDArray[np.float32]

#: Fraction of libsndfile's compression range, that is FLAC level 5 of 8.  On the
#: recordings of ESC-10 level 8 takes 1.8 times as long and saves 0.7 % of the
#: bytes; level 0 saves a seventh of the time and costs 5 % (measured by
#: `python -m tests.bench decode`).
FLAC_COMPRESSION = 0.625

#: Decoded past the wanted end, so that the resampling filter (64 zero crossings
#: either side: 9 ms at 8 kHz) sees the sound that follows and not a cut.
MARGIN_S = 0.05

#: Rates in Hz, and channels (64: Ambisonics of order seven), that a header may name.
#: Damaged and hostile ones name what no machine has the memory for.
RATES_HZ, MOST_CHANNELS = (1_000, 768_000), 64

#: A mix of channels that keeps less than this share of the power that unrelated
#: channels would keep has cancelled: -20 dB, a correlation of two below -0.99.
CANCELS_BELOW = 0.01

#: Peak below which a clip is near-silent: -60 dB of full scale.  Mixing brings every
#: clip to full scale, and of one so faint that is mostly noise.
NEAR_SILENT_PEAK = 1e-3

#: Samples of all channels, and frames of FFmpeg's, that are held while a file is read.
_BLOCK, _FRAMES = 1 << 20, 64


class AudioFault(LassbenchError):
    """One piece of audio that cannot be used.

    Attributes
    ----------
    kind
        ``missing``, ``unreadable``, ``empty-file``, ``not-audio``, ``impossible-header``,
        ``truncated``, ``lying header``, ``zero-length``, ``out-of-range``, ``nan``,
        ``silent``, ``near-silent`` or ``cancels``; a ``MissingSource`` brings its own.
    reason
        What is wrong, in words, without the file's name.
    """

    def __init__(self, kind: str, reason: str, *, where: object = "") -> None:
        self.kind, self.reason = kind, reason
        super().__init__(reason, where=where, fix="replace the file, or do without it")

    def fault(self, where: str) -> Fault:
        """The same as a :class:`Fault` found at ``where``."""
        return Fault(self.kind, where, self.reason)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's sound, or a part of it, in one channel.

    Attributes
    ----------
    samples
        ``(frames,)`` float32, full scale is 1.
    rate
        In Hz, the file's own.
    known
        Whether the file tells its length, so that all of it is known to be here.
    kept
        Power of the mix of its channels, relative to what unrelated channels of the
        same powers would have: 1 for one channel, N for N equal ones, 0 where they cancel.
    """

    samples: Samples
    rate: int
    known: bool = True
    kept: float = 1.0


@dataclass(frozen=True, slots=True)
class Reader:
    """A file that is open to be read.

    Attributes
    ----------
    kind
        Its container, as :class:`lassbench.containers.Container` calls it.
    subtype
        libsndfile's name of its sample format (``PCM_16``), or FFmpeg's of its codec (``aac``).
    rate, channels
        In Hz, and how many.
    frames
        Its length in samples a channel, if it tells one; from FFmpeg as exact as the
        container's clock, which for WebM counts milliseconds.
    known
        Whether it tells its length.
    blocks
        Called with a start and an end in seconds (``None``: the file's) it gives the
        sound between them in order, ``(frames, channels)`` float32 a time, and raises
        :class:`AudioFault` if there is less than the file promises.  Once.
    """

    kind: str
    subtype: str
    rate: int
    channels: int
    frames: int | None
    known: bool
    blocks: Callable[[float | None, float | None], Iterator[Samples]]

    def length(self) -> int:
        """``frames``, or how many there are: a file that does not tell is read to its end."""
        return sum(map(len, self.blocks(None, None))) if self.frames is None else self.frames


# ---------------------------------------------------------------------------
# Reading
# ---------------------------------------------------------------------------


def decode(
    path: str | Path, *, start_s: float | None = None, end_s: float | None = None
) -> Decoded:
    """Decode a file, or the part of it between two times, to mono.

    Channels are averaged.

    Parameters
    ----------
    path
        The file.
    start_s, end_s
        Seconds from its beginning; ``None`` for its beginning and its end.  An
        end beyond the file's is the file's end.

    Raises
    ------
    AudioFault
        If the file is missing, unreadable, empty, not audio, truncated or
        without a frame, if ``start_s`` lies at or after its end, or if a sample
        is NaN or infinite.
    """
    with open_sound(path) as reader:
        return _mono(reader, path, start_s, end_s)


@contextlib.contextmanager
def open_sound(path: str | Path) -> Iterator[Reader]:
    """Open a file of sound, if it is whole as far as its container tells.

    libsndfile reads WAV, RF64, Wave64, FLAC, Ogg, AIFF, AU, CAF and the MP3s that tell
    their length; FFmpeg's libraries (PyAV) read the rest, such as M4A and WebM.

    Raises
    ------
    AudioFault
        If it is missing, unreadable, empty, not audio or cut, or names a rate or a
        number of channels that cannot be.
    """
    path = Path(path)
    check_readable(path)
    with contextlib.ExitStack() as stack:
        try:
            with io.FileIO(path) as file:
                container = containers.examine(file)
        except OSError as error:
            raise AudioFault("unreadable", error.strerror or str(error), where=path) from error
        if container.cut:
            raise AudioFault("truncated", container.cut, where=path)
        reader, refused = None, ""
        if container.plain:
            try:
                reader = _open_sndfile(stack, path, container)
            except sf.LibsndfileError as error:
                refused = f"libsndfile: {_said(error)}; "
        if reader is None:
            # "file:" keeps a name such as "concat:a|b" from being read as a protocol.
            reader = _open_ffmpeg(stack, f"file:{path}", path, container, refused)
        yield reader


def check_readable(path: Path) -> None:
    """Refuse what is no file, cannot be opened or is empty.

    Raises
    ------
    AudioFault
        ``missing``, ``unreadable``, ``not-audio`` or ``empty-file``.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise AudioFault("not-audio", "is not a file", where=path)
        io.FileIO(path).close()
    except FileNotFoundError as error:
        raise AudioFault("missing", "no such file", where=path) from error
    except OSError as error:
        raise AudioFault("unreadable", error.strerror or str(error), where=path) from error
    if size == 0:
        raise AudioFault("empty-file", "the file has no bytes", where=path)


def _check_header(rate: int, channels: int, where: object) -> None:
    low, high = RATES_HZ
    if not low <= rate <= high:
        reason = f"its header says {rate} Hz, expected {low} to {high} Hz"
    elif not 1 <= channels <= MOST_CHANNELS:
        many = channels or "an impossible number of"  # FFmpeg's answer to 65535
        reason = f"its header says {many} channels, expected 1 to {MOST_CHANNELS}"
    else:
        return
    raise AudioFault("impossible-header", reason, where=where)


def _mono(reader: Reader, where: object, start_s: float | None, end_s: float | None) -> Decoded:
    pieces, mixed, apart = [], 0.0, 0.0
    for block in reader.blocks(start_s, end_s):
        pieces.append(_to_mono(block))
        if reader.channels > 1:
            mixed += _energy(pieces[-1])
            apart += _energy(block) / reader.channels**2
    if not pieces:
        raise AudioFault("truncated", f"gives no sound from {start_s or 0:g} s on", where=where)
    samples = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    if not np.isfinite(samples).all():
        bad = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioFault("nan", f"{bad} of {samples.size} samples are NaN or infinite", where=where)
    return Decoded(samples, reader.rate, reader.known, mixed / apart if apart else 1.0)


def _to_mono(samples: Samples) -> Samples:
    """Average ``(frames, channels)`` over the channels: ``(frames,)`` float32."""
    if samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0])
    # Ten times as fast as numpy's mean over so short an axis.
    mixed = samples[:, 0].astype(np.float64)
    for channel in range(1, samples.shape[1]):
        mixed += samples[:, channel]
    return np.asarray(mixed / samples.shape[1], dtype=np.float32)


def _energy(samples: Samples) -> float:
    flat = samples.ravel("K").astype(np.float64)
    return float(flat @ flat)


def decode_int16(data: bytes) -> tuple[NDArray[np.int16], int]:
    """Decode a mono 16-bit file held in memory to its exact samples and rate in Hz.

    Raises
    ------
    AudioFault
        If ``data`` is not mono audio that libsndfile reads.
    """
    if not data:
        raise AudioFault("empty-file", "no bytes")
    try:
        with sf.SoundFile(io.BytesIO(data)) as stream:
            samples = stream.read(dtype="int16", always_2d=True)
            frames, rate = int(stream.frames), int(stream.samplerate)
    except sf.LibsndfileError as error:
        raise AudioFault("not-audio", f"cannot be decoded: {error.error_string}") from error
    if len(samples) < frames:
        raise AudioFault("truncated", f"breaks off after {len(samples)} of {frames} frames")
    if samples.shape[1] != 1:
        raise AudioFault("not-mono", f"has {samples.shape[1]} channels, expected 1")
    return np.ascontiguousarray(samples[:, 0], dtype=np.int16), rate


# ---------------------------------------------------------------------------
# libsndfile
# ---------------------------------------------------------------------------


class _Forward(sf.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Read in one direction: after each read soundfile seeks to where it is already,
    which fails at the end of a file that does not tell its length.
    """

    def seekable(self) -> bool:
        return False


class _Patched(io.FileIO):
    """A file as if other bytes stood at some offsets; ``error``: why it could not be read."""

    error: OSError | None = None

    def __init__(self, path: Path, patches: Mapping[int, bytes]) -> None:
        super().__init__(path)
        self._patches = patches

    def readinto(self, buffer: Any) -> int:
        at, count = self.tell(), 0
        try:
            count = super().readinto(buffer)
        except OSError as error:
            self.error = error
        for offset, patch in self._patches.items():
            first, last = max(offset, at), min(offset + len(patch), at + count)
            if first < last:
                buffer[first - at : last - at] = patch[first - offset : last - offset]
        return count


@contextlib.contextmanager
def _called_back(source: Any, path: Path) -> Iterator[None]:
    """While libsndfile may read a :class:`_Patched`: what is raised in there would be lost."""
    try:
        with Interrupts():
            yield
    finally:
        if error := getattr(source, "error", None):
            raise AudioFault("unreadable", error.strerror or str(error), where=path) from error


def _open_sndfile(stack: contextlib.ExitStack, path: Path, container: Container) -> Reader | None:
    """``None`` for MP3 in WAV, whose length libsndfile estimates, and for Ogg Opus that does
    not begin at 0, where it finds no place.
    """
    patches = container.patches
    source = stack.enter_context(_Patched(path, patches)) if patches else path
    with _called_back(source, path):
        stream = stack.enter_context(_Forward(source))
    rate, told, counted = int(stream.samplerate), int(stream.frames), container.frames
    is_late = stream.subtype == "OPUS" and (counted or 0) * rate // 48_000 > told + 1
    if is_late or (container.kind == "wav" and stream.subtype.startswith("MPEG")):
        return None
    _check_header(rate, stream.channels, path)
    frames = counted if container.kind == "flac" else told
    return Reader(
        kind=container.kind,
        subtype=stream.subtype,
        rate=rate,
        channels=int(stream.channels),
        frames=frames,
        known=container.known,
        blocks=partial(_sndfile_blocks, stream, path, frames),
    )


def _sndfile_blocks(
    stream: sf.SoundFile, path: Path, frames: int | None, start_s: float | None, end_s: float | None
) -> Iterator[Samples]:
    rate = int(stream.samplerate)
    start, stop = _first_and_last(rate, start_s, end_s)
    at, most = 0, max(1, _BLOCK // stream.channels)
    try:
        if frames is not None:
            _check_begins_within(start, frames, rate, path)
            with _called_back(stream.name, path):
                at = stream.seek(start) if start and sf.SoundFile.seekable(stream) else 0
            if at not in {0, start}:  # damaged Ogg
                raise AudioFault("truncated", f"breaks off before {start / rate:g} s", where=path)
        while at < stop:
            wanted = min(most, stop - at, (frames or stop) - at)
            with _called_back(stream.name, path):
                block = stream.read(wanted, dtype="float32", always_2d=True)
            if at + len(block) > start:
                yield block[max(0, start - at) :]
            at += len(block)
            if len(block) < wanted or at == frames:
                break
        else:
            return
    except sf.LibsndfileError as error:
        raise AudioFault("truncated", f"breaks off: {_said(error)}", where=path) from error
    if frames is None:
        _check_begins_within(start, at, rate, path)
    elif at < frames:
        raise AudioFault("truncated", f"breaks off after {at} of {frames} frames", where=path)
    elif stream.format in {"FLAC", "MP3"} and _goes_on(stream, path):
        reason = f"has more samples than the {frames} that its header says"
        raise AudioFault("lying header", reason, where=path)


def _goes_on(stream: sf.SoundFile, path: Path) -> bool:
    try:
        with Interrupts():
            return len(stream.read(1, always_2d=True)) > 0
    except sf.LibsndfileError:
        # A tag that follows is an error to libFLAC, as is another FLAC file.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(b"fLaC\0\0\0\x22", 1) > 0


def _first_and_last(rate: int, start_s: float | None, end_s: float | None) -> tuple[int, int]:
    """First frame between two times, and one past the last: beyond any file's if there is none."""
    start = round((start_s or 0.0) * rate)
    return start, 1 << 62 if end_s is None else max(start + 1, round(end_s * rate))


def _check_begins_within(start: int, frames: int, rate: int, where: object) -> None:
    if frames == 0:
        raise AudioFault("zero-length", "holds no audio frames", where=where)
    if start >= frames:
        reason = f"starts at {start / rate:g} s, but the file is {frames / rate:.3f} s long"
        raise AudioFault("out-of-range", reason, where=where)


# ---------------------------------------------------------------------------
# FFmpeg's libraries (PyAV): M4A, WebM, MP3 without a length.  Imported where they
# are used: most runs never need them.
# ---------------------------------------------------------------------------

#: Decoding begins this long before a cut: AAC needs a frame or two of run-up and
#: Opus 80 ms (RFC 7845, section 4.6).
_RUN_UP_S = 0.5


def decode_ffmpeg(
    source: IO[bytes] | io.RawIOBase, where: object, start_s: float | None, end_s: float | None
) -> Decoded:
    """Like :func:`decode`, from an open stream that seeks, which ``where`` names.

    Errors of the stream's own ``read`` and ``seek`` pass through.
    """
    with contextlib.ExitStack() as stack:
        reader = _open_ffmpeg(stack, source, where, Container(""))
        return _mono(reader, where, start_s, end_s)


def _open_ffmpeg(
    stack: contextlib.ExitStack, source: Any, where: object, told: Container, refused: str = ""
) -> Reader:
    """``source`` is FFmpeg's address of a file, or a stream; ``refused`` what libsndfile said."""
    import av

    try:
        container = stack.enter_context(av.open(source, options=dict(containers.PYAV_OPTIONS)))
    except av.error.EOFError as error:
        raise AudioFault("truncated", "breaks off in its header", where=where) from error
    except (av.error.FFmpegError, ValueError, LookupError) as error:
        raise _undecodable(error, where, refused) from error
    if not container.streams.audio:
        raise AudioFault("not-audio", "holds no audio stream", where=where)
    stream = container.streams.audio[0]
    if reason := containers.prepare(container, stream):
        raise AudioFault("not-audio", reason, where=where)
    rate, channels = int(stream.rate or 0), int(stream.channels or 0)
    _check_header(rate, channels, where)
    length_s, within_s = promised = containers.told_s(told, container, stream)
    return Reader(
        kind=told.kind,
        # Decoders are named for how they compute, too: mp3float.
        subtype=str(stream.codec_context.name).removesuffix("float"),
        rate=rate,
        channels=channels,
        frames=None if length_s is None else round(length_s * rate),
        known=told.known or (length_s is not None and not within_s),
        blocks=partial(_ffmpeg_blocks, container, stream, where, promised=promised),
    )


def _undecodable(error: Exception, where: object, refused: str = "") -> AudioFault:
    reason = f"cannot be decoded ({refused}FFmpeg: {_said(error)})"
    return AudioFault("not-audio", reason, where=where)


def _said(error: Exception) -> str:
    """What a library says is wrong, without numbers, names and its full stop."""
    said = getattr(error, "strerror", None) or str(error)
    return str(said).rsplit(": ", maxsplit=1)[-1].removeprefix("Error : ").rstrip(".")


def _ffmpeg_blocks(
    container: Any,
    stream: Any,
    where: object,
    start_s: float | None,
    end_s: float | None,
    *,
    promised: tuple[float | None, float],
) -> Iterator[Samples]:
    import av

    rate = int(stream.rate)
    start, stop = _first_and_last(rate, start_s, end_s)
    sought = start > _RUN_UP_S * rate and containers.tells_samples(container, stream)
    (promised_s, within_s), first, at = promised, None, -1
    ready: list[Samples] = []
    try:
        if sought and (first := next(_pieces(container, stream, where), None)):
            told = (first[0].time or 0.0) + start / rate - _RUN_UP_S
            container.seek(int(told * av.time_base), backward=True, any_frame=False)
        for frame, piece in _pieces(container, stream, where):
            if at < 0 and first:
                after_s = (frame.time or 0.0) - (first[0].time or 0.0)
                at = containers.first_sample(stream, after_s, len(first[1]), len(piece))
            at = max(at, 0)
            if at + len(piece) > start:
                ready.append(piece[max(0, start - at) : stop - at])
            at += len(piece)
            if len(ready) == _FRAMES:
                yield np.concatenate(ready)
                ready.clear()
            # What follows the promised sound may be a tag, which is an error to FFmpeg.
            if at >= (stop if promised_s is None or within_s else min(stop, promised_s * rate)):
                break
    except (av.error.FFmpegError, ValueError, LookupError) as error:
        if at < 0 and (promised_s is None or isinstance(error, av.error.ArgumentError)):
            raise _undecodable(error, where) from error
        reason = f"breaks off after {max(at, 0)} frames (FFmpeg: {_said(error)})"
        raise AudioFault("truncated", reason, where=where) from error
    if at < 0 and start:
        raise AudioFault("out-of-range", f"no audio at or after {start_s:g} s", where=where)
    if promised_s is not None and max(at, 0) / rate < min(promised_s, stop / rate) - within_s:
        reason = f"breaks off after {max(at, 0) / rate:.2f} of {promised_s:.2f} s"
        raise AudioFault("truncated", reason, where=where)
    _check_begins_within(start, max(at, 0), rate, where)
    if ready:
        yield np.concatenate(ready)


def _pieces(container: Any, stream: Any, where: object) -> Iterator[tuple[Any, Samples]]:
    """Each decoded frame, and its samples: ``(frames, channels)``."""
    import av

    told = rate, channels = stream.rate, stream.channels
    resampler = None
    for frame in containers.decoded(container, stream):
        if (frame.sample_rate, frame.layout.nb_channels) != told:
            raise AudioFault("not-audio", "its sound is not what its header says", where=where)
        # PyAV reads on behind the last of eight planes or more, so then all go into one.
        if frame.format.name == "fltp" and channels < 8:
            planes = [np.frombuffer(plane, np.float32, frame.samples) for plane in frame.planes]
            yield frame, np.array(planes).T
            continue
        resampler = resampler or av.AudioResampler("flt", frame.layout, rate)
        for out in resampler.resample(frame):
            packed = np.frombuffer(out.planes[0], np.float32, out.samples * channels)
            yield frame, packed.reshape(-1, channels)


# ---------------------------------------------------------------------------
# Lengths, levels and encodings
# ---------------------------------------------------------------------------


def fit(x: Samples, samples: int) -> Samples:
    """Cut ``x`` at its end, or pad it there with zeros, to ``(samples,)``."""
    return x[:samples] if x.size >= samples else np.pad(x, (0, samples - x.size))


def to_int16(x: NDArray[np.floating]) -> NDArray[np.int16]:
    """16-bit samples of ``x``: times 32768, rounded half to even, clipped to the range."""
    # Scaling by a power of two and rounding are exact in x's own precision.
    scaled: NDArray[np.floating] = np.multiply(x, 32768.0, dtype=x.dtype)
    np.rint(scaled, out=scaled)
    np.clip(scaled, -32768, 32767, out=scaled)
    return np.asarray(scaled, dtype=np.int16)


def to_float32(x: NDArray[np.int16]) -> Samples:
    """``x / 32768``, which float32 holds exactly: the inverse of :func:`to_int16`."""
    return x.astype(np.float32) * np.float32(1 / 32768)


def pcm_sha256(x: NDArray[np.int16] | Samples) -> str:
    """SHA-256 of the samples as little-endian int16 or float32, whichever ``x`` is."""
    order = "<i2" if x.dtype.kind == "i" else "<f4"
    return sha256_bytes(np.ascontiguousarray(x, dtype=order).data.cast("B"))


def encode_flac(x: NDArray[np.int16] | Samples, rate: int) -> bytes:
    """``x`` as a mono 16-bit FLAC file; floats go through :func:`to_int16`."""
    samples = x if x.dtype == np.int16 else to_int16(x.astype(np.float32, copy=False))
    memory = io.BytesIO()
    sf.write(
        memory,
        samples,
        rate,
        format="FLAC",
        subtype="PCM_16",
        compression_level=FLAC_COMPRESSION,
    )
    return memory.getvalue()


def encode_wav_float(x: Samples, rate: int) -> bytes:
    """``x`` as a mono 32-bit float WAV file, the same bytes every time.

    The header is written here because libsndfile's carries a PEAK chunk with
    the time of writing.  WAVE format 3 with the ``fact`` chunk that it asks for.

    Raises
    ------
    ValueError
        If ``x`` is not one-dimensional.
    """
    if x.ndim != 1:
        raise ValueError(f"expected mono samples of shape (frames,), got {x.shape}")
    size = 4 * x.size
    form = struct.pack("<4sIHHIIHHH", b"fmt ", 18, 3, 1, rate, 4 * rate, 4, 32, 0)
    fact = struct.pack("<4sII", b"fact", 4, x.size)
    body = b"WAVE" + form + fact + struct.pack("<4sI", b"data", size)
    head = struct.pack("<4sI", b"RIFF", len(body) + size) + body
    return b"".join((head, np.ascontiguousarray(x, dtype="<f4").data))


def write_wav_float(path: str | Path, x: Samples, rate: int) -> None:
    """Write :func:`encode_wav_float` of ``x`` as :func:`lassbench.files.write_bytes` writes."""
    write_bytes(Path(path), encode_wav_float(x, rate))


# ---------------------------------------------------------------------------
# A clip's samples
# ---------------------------------------------------------------------------


def read_file(
    source: FileSource, *, sample_rate_hz: int, seconds: float, keep_quiet: bool = False
) -> Samples:
    """The samples of one clip in a file: mono, resampled, exactly ``seconds`` long.

    Returns
    -------
    ``(round(seconds * sample_rate_hz),)`` float32 within [-1, 1].

    Raises
    ------
    AudioFault
        As :func:`decode` and :func:`conform` raise it.
    """
    start = source.start_s or 0.0
    wanted = seconds if source.end_s is None else min(seconds, source.end_s - start)
    # What follows the cut is real sound, so let the filter see it.  Decoding no
    # more than that keeps a clip of an hour's recording cheap.
    heard = decode(source.path, start_s=source.start_s, end_s=start + wanted + MARGIN_S)
    x = resample(heard.samples, heard.rate, sample_rate_hz)[: math.ceil(wanted * sample_rate_hz)]
    length = round(seconds * sample_rate_hz)
    return conform(x, length, seconds, kept=heard.kept, keep_quiet=keep_quiet)


def conform(
    x: Samples, samples: int, seconds: float, *, kept: float = 1.0, keep_quiet: bool = False
) -> Samples:
    """A clip of exactly ``samples`` within [-1, 1]: cut, padded, and loud enough.

    A peak above full scale (float files, or the resampling filter's overshoot)
    is brought down to full scale by scaling the whole clip, not by clipping: the
    benchmark mixes peak-normalised clips, so only clipping would be heard.

    Parameters
    ----------
    kept
        What mixing the channels left, as :class:`Decoded` has it.
    keep_quiet
        Take what is ``near-silent`` or ``cancels`` all the same.

    Raises
    ------
    AudioFault
        ``cancels``: the mix of the channels keeps less than ``CANCELS_BELOW``.
        ``silent``: every sample rounds to zero at 16 bits, so that no mixing can
        normalise the clip.  ``near-silent``: no peak above ``NEAR_SILENT_PEAK``.
    """
    if kept < CANCELS_BELOW and not keep_quiet:
        level = f"{10 * math.log10(kept):.0f} dB" if kept > 0 else "nothing"
        raise AudioFault("cancels", f"its channels cancel each other: their mix keeps {level}")
    x = fit(x, samples)
    peak = float(np.max(np.abs(x), initial=0.0))
    if peak <= 0.5 / 32768:
        raise AudioFault("silent", f"every sample of its {seconds:g} s is zero at 16 bits")
    if peak < NEAR_SILENT_PEAK and not keep_quiet:
        level = f"{20 * math.log10(peak):.0f} dB of full scale"
        raise AudioFault("near-silent", f"the peak of its {seconds:g} s is {level}")
    return x / np.float32(peak) if peak > 1.0 else x
