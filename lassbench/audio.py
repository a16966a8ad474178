"""Sound from files and into files: decode, resample, cut, encode, check.

Everything the package hears passes through here, so that a clip is the same
samples whatever container it came in: mono, one rate, an exact number of
samples, 16 bits on disk.  A file that cannot be used raises :class:`AudioFault`,
which says in one word and one sentence what is wrong with it.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from lassbench.errors import Fault, LassbenchError
from lassbench.files import atomic_open, sha256_bytes
from lassbench.records import FileSource
from lassbench.resampling import resample

#: Fraction of libsndfile's compression range, that is FLAC level 5 of 8.  On the
#: recordings of ESC-10 level 8 takes 1.8 times as long and saves 0.7 % of the
#: bytes; level 0 saves a seventh of the time and costs 5 % (measured by
#: `python -m tests.bench decode`).
FLAC_COMPRESSION = 0.625

#: Decoded past the wanted end, so that the resampling filter (64 zero crossings
#: either side: 9 ms at 8 kHz) sees the sound that follows and not a cut.
MARGIN_S = 0.05


class AudioFault(LassbenchError):
    """One piece of audio that cannot be used.

    Attributes
    ----------
    kind
        ``missing``, ``unreadable``, ``empty-file``, ``not-audio``, ``truncated``,
        ``zero-length``, ``out-of-range``, ``nan`` or ``silent``; a
        ``MissingSource`` brings its own.
    reason
        What is wrong, in words, without the file's name.
    """

    def __init__(self, kind: str, reason: str, *, where: object = "") -> None:
        self.kind, self.reason = kind, reason
        super().__init__(reason, where=where, fix="replace the file, or leave the clip out")

    def fault(self, where: str) -> Fault:
        """The same as a :class:`Fault` found at ``where``."""
        return Fault(self.kind, where, self.reason)


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file's header says: rate in Hz, channels and frames."""

    rate: int
    channels: int
    frames: int


# ---------------------------------------------------------------------------
# Decoding
# ---------------------------------------------------------------------------


def decode(
    path: str | Path, *, start_s: float | None = None, end_s: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Decode a file, or the part of it between two times, to mono.

    libsndfile reads WAV, FLAC, Ogg, MP3, AIFF and their like; FFmpeg's libraries
    (PyAV) read what it cannot, such as M4A and WebM.  Channels are averaged.

    Parameters
    ----------
    path
        The file.
    start_s, end_s
        Seconds from its beginning; ``None`` for its beginning and its end.  An
        end beyond the file's is the file's end.

    Returns
    -------
    samples, rate
        ``(frames,)`` float32, full scale is 1, and the file's own rate in Hz.

    Raises
    ------
    AudioFault
        If the file is missing, unreadable, empty, not audio, truncated or
        without a frame, if ``start_s`` lies at or after its end, or if a sample
        is NaN or infinite.
    """
    path = Path(path)
    check_readable(path)
    try:
        samples, rate = _decode_sndfile(path, start_s, end_s)
    except sf.LibsndfileError as refused:
        said = str(refused).rsplit(": ", maxsplit=1)[-1].rstrip(".")
        # "file:" keeps a name such as "concat:a|b" from being read as a protocol.
        samples, rate = decode_ffmpeg(f"file:{path}", path, start_s, end_s, f"libsndfile: {said}; ")
    if not np.isfinite(samples).all():
        bad = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioFault("nan", f"{bad} of {samples.size} samples are NaN or infinite", where=path)
    return samples, rate


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
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise AudioFault("missing", "no such file", where=path) from error
    except OSError as error:
        raise AudioFault("unreadable", error.strerror or str(error), where=path) from error
    if size == 0:
        raise AudioFault("empty-file", "the file has no bytes", where=path)


def _decode_sndfile(
    path: Path, start_s: float | None, end_s: float | None
) -> tuple[NDArray[np.float32], int]:
    with sf.SoundFile(path) as stream:
        rate, frames = int(stream.samplerate), int(stream.frames)
        shortened = _missing_bytes(path, stream.format)
        if shortened:
            raise AudioFault("truncated", shortened, where=path)
        if frames == 0:
            raise AudioFault("zero-length", "holds no audio frames", where=path)
        start, stop = _frame_range(frames, rate, start_s, end_s, path)
        try:
            if start:
                stream.seek(start)
            samples = stream.read(stop - start, dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            raise AudioFault(
                "truncated", f"breaks off: {error.error_string}", where=path
            ) from error
    if len(samples) < stop - start:
        raise AudioFault(
            "truncated",
            f"breaks off after {start + len(samples)} of {frames} frames",
            where=path,
        )
    return _to_mono(samples), rate


def _frame_range(
    frames: int, rate: int, start_s: float | None, end_s: float | None, path: object
) -> tuple[int, int]:
    """First frame and one past the last between two times of a file of ``frames``."""
    start = round((start_s or 0.0) * rate)
    stop = frames if end_s is None else min(frames, round(end_s * rate))
    if start >= frames:
        raise AudioFault(
            "out-of-range",
            f"starts at {start_s:g} s, but the file is {frames / rate:.3f} s long",
            where=path,
        )
    return start, max(start + 1, stop)


def _to_mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average ``(frames, channels)`` over the channels: ``(frames,)`` float32."""
    if samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0])
    return np.asarray(samples.mean(axis=1, dtype=np.float64), dtype=np.float32)


def _missing_bytes(path: Path, container: str) -> str:
    """Why a WAV or Ogg file is shorter than it says, or ``""``.

    libsndfile reads a WAV file whose end was cut off as a shorter one, and an
    Ogg file up to its last whole page, without a word.  FLAC and the others
    give themselves away when they are read.
    """
    if container in {"WAV", "WAVEX"}:
        return _missing_wav_bytes(path)
    if container == "OGG":
        return _missing_ogg_pages(path)
    return ""


def _missing_wav_bytes(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as stream:
        order = {b"RIFF": "<", b"RIFX": ">"}.get(stream.read(12)[:4])
        if order is None:
            return ""
        while len(header := stream.read(8)) == 8:
            name, length = struct.unpack(f"{order}4sI", header)
            if name == b"data":
                # Streams of unknown length are written with a size of all ones.
                present = size - stream.tell()
                if length not in {0xFFFFFFFF, 0x7FFFFFFF} and present < length:
                    return f"the header promises {length} bytes of samples, {present} are there"
                return ""
            stream.seek(length + length % 2, io.SEEK_CUR)
    return ""


def _missing_ogg_pages(path: Path) -> str:
    # A page has at most 27 + 255 + 255 * 255 bytes; the last one of a whole
    # stream carries the end-of-stream flag (RFC 3533, section 6).
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 65307))
        tail = stream.read()
    at = tail.rfind(b"OggS")
    page = tail[at:]
    if at < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return "breaks off inside an Ogg page"
    length = 27 + page[26] + sum(page[27 : 27 + page[26]])
    if len(page) < length:
        return f"its last Ogg page should have {length} bytes, {len(page)} are there"
    return "" if page[5] & 4 else "breaks off before the page that ends the stream"


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


def probe(path: str | Path) -> Probe:
    """Read a file's header.

    Raises
    ------
    AudioFault
        If the file is missing, unreadable, empty, truncated or not audio that
        libsndfile reads.
    """
    path = Path(path)
    check_readable(path)
    try:
        info = sf.info(str(path))
    except sf.LibsndfileError as error:
        raise AudioFault(
            "not-audio", f"cannot be decoded: {error.error_string}", where=path
        ) from error
    shortened = _missing_bytes(path, info.format)
    if shortened:
        raise AudioFault("truncated", shortened, where=path)
    return Probe(int(info.samplerate), int(info.channels), int(info.frames))


# ---------------------------------------------------------------------------
# Decoding what libsndfile cannot, with FFmpeg's libraries (PyAV): M4A, WebM, Opus.
# PyAV is imported where it is used: most runs never need it.
# ---------------------------------------------------------------------------

# Audio containers only, from local files only: FFmpeg also knows playlists and
# virtual containers, which would make it open other files and addresses that an
# untrusted file names.
_FFMPEG_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "aac,aiff,amr,ape,asf,avi,caf,eac3,ac3,flac,flv,matroska,mov,mp3,mpegts,"
    "ogg,tta,w64,wav,wv",
}

#: Decoding begins this long before a cut: AAC needs a frame or two of run-up and
#: Opus 80 ms (RFC 7845, section 4.6).
_RUN_UP_S = 0.5

#: A container's duration is rounded, and the last packet may be short.
_SHORT_BY_S = 0.25


def length_s(path: Path) -> float | None:
    """The length in seconds that a container's header gives; ``None`` if it gives none."""
    import av

    try:
        with av.open(f"file:{path}", options=dict(_FFMPEG_OPTIONS)) as container:
            return _promised_s(container)
    except (av.error.FFmpegError, ValueError):
        return None


def decode_ffmpeg(
    source: str | IO[bytes] | io.RawIOBase,
    where: object,
    start_s: float | None,
    end_s: float | None,
    refused: str = "",
) -> tuple[NDArray[np.float32], int]:
    """Like :func:`decode`, from FFmpeg's address of a file or an open stream that seeks.

    ``where`` names it, ``refused`` says what libsndfile made of it.  Errors of the
    stream's own ``read`` and ``seek`` pass through.
    """
    import av

    try:
        with av.open(source, options=dict(_FFMPEG_OPTIONS)) as container:
            if not container.streams.audio:
                raise AudioFault("not-audio", "holds no audio stream", where=where)
            return _decode_container(container, where, start_s, end_s)
    except av.error.EOFError as error:
        raise AudioFault("truncated", "breaks off in its header", where=where) from error
    except (av.error.FFmpegError, ValueError) as error:
        reason = f"cannot be decoded ({refused}FFmpeg: {str(error).split(': ')[0]})"
        raise AudioFault("not-audio", reason, where=where) from error


def _decode_container(
    container: Any, path: object, start_s: float | None, end_s: float | None
) -> tuple[NDArray[np.float32], int]:
    import av

    stream = container.streams.audio[0]
    start = start_s or 0.0
    if start > _RUN_UP_S:
        told = _origin_s(stream) + start - _RUN_UP_S
        container.seek(int(told * av.time_base), backward=True, any_frame=False)
    pieces: list[NDArray[np.float32]] = []
    skipped, rate, frames = 0, 0, 0
    for at_s, piece, piece_rate in _pieces(container, stream):
        if not pieces:
            # The first frame decoded need not be the file's first: count from its time.
            skipped, rate = _first_sample(stream, at_s, len(piece), piece_rate), piece_rate
        pieces.append(piece)
        frames += len(piece)
        if end_s is not None and (skipped + frames) / rate >= end_s:
            break
    if not pieces:
        if start:
            raise AudioFault("out-of-range", f"no audio at or after {start:g} s", where=path)
        raise AudioFault("zero-length", "holds no audio frames", where=path)
    _check_whole(container, stream, path, (skipped + frames) / rate, end_s)
    begin, end = _frame_range(skipped + frames, rate, start_s, end_s, path)
    samples = np.concatenate(pieces)
    begin, end = max(0, begin - skipped), end - skipped
    return _to_mono(samples[begin:end]), rate


def _origin_s(stream: Any) -> float:
    """When the stream's first sample is due: some muxers begin later than 0."""
    return max(0.0, float((stream.start_time or 0) * (stream.time_base or 0)))


def _first_sample(stream: Any, at_s: float, frames: int, rate: int) -> int:
    """Which sample of the stream the first decoded frame begins with.

    Matroska and WebM tell times in whole milliseconds, 48 samples of Opus.  Opus
    packets last whole multiples of 2.5 ms (RFC 6716, section 2.1.4) and the
    stream's samples begin ``delay`` samples into the first one (RFC 7845,
    section 4.2), so the nearest such multiple is the exact place.
    """
    told = round((at_s - _origin_s(stream)) * rate)
    context = stream.codec_context
    if context.name not in {"opus", "libopus"} or stream.time_base * rate <= 1:
        return told
    delay, grid = int(context.delay or 0), rate // 400
    return round((told + frames + delay) / grid) * grid - delay - frames


def _pieces(container: Any, stream: Any) -> Iterator[tuple[float, NDArray[np.float32], int]]:
    """Time in seconds, ``(frames, channels)`` samples and rate of each decoded frame."""
    import av

    resampler = None
    for frame in container.decode(stream):
        if resampler is None:
            # Keeps rate and channels, and makes the samples planar floats.
            resampler = av.AudioResampler(
                format="fltp", layout=frame.layout, rate=frame.sample_rate
            )
        at_s = float(frame.time or 0.0)
        for out in resampler.resample(frame):
            yield at_s, np.asarray(out.to_ndarray().T, dtype=np.float32), int(out.sample_rate)


def _promised_s(container: Any) -> float | None:
    """The container's length in seconds by its header."""
    import av

    return None if container.duration is None else container.duration / av.time_base


def _check_whole(
    container: Any, stream: Any, path: object, decoded_s: float, end_s: float | None
) -> None:
    if stream.duration is not None:
        promised = float(stream.duration * stream.time_base)
    else:
        told_s = _promised_s(container)
        if told_s is None:
            return
        promised = told_s
    wanted = promised if end_s is None else min(promised, end_s)
    if decoded_s < wanted - _SHORT_BY_S:
        raise AudioFault(
            "truncated", f"breaks off after {decoded_s:.2f} of {promised:.2f} s", where=path
        )


# ---------------------------------------------------------------------------
# Lengths, levels and encodings
# ---------------------------------------------------------------------------


def fit(x: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Cut ``x`` at its end, or pad it there with zeros, to ``(samples,)``."""
    return x[:samples] if x.size >= samples else np.pad(x, (0, samples - x.size))


def to_int16(x: NDArray[np.floating]) -> NDArray[np.int16]:
    """16-bit samples of ``x``: times 32768, rounded half to even, clipped to the range."""
    # Scaling by a power of two and rounding are exact in x's own precision.
    scaled: NDArray[np.floating] = np.multiply(x, 32768.0, dtype=x.dtype)
    np.rint(scaled, out=scaled)
    np.clip(scaled, -32768, 32767, out=scaled)
    return np.asarray(scaled, dtype=np.int16)


def to_float32(x: NDArray[np.int16]) -> NDArray[np.float32]:
    """``x / 32768``, which float32 holds exactly: the inverse of :func:`to_int16`."""
    return x.astype(np.float32) * np.float32(1 / 32768)


def pcm_sha256(x: NDArray[np.int16] | NDArray[np.float32]) -> str:
    """SHA-256 of the samples as little-endian int16 or float32, whichever ``x`` is."""
    order = "<i2" if x.dtype.kind == "i" else "<f4"
    return sha256_bytes(np.ascontiguousarray(x, dtype=order).data.cast("B"))


def encode_flac(x: NDArray[np.int16] | NDArray[np.float32], rate: int) -> bytes:
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


def write_wav_float(path: str | Path, x: NDArray[np.float32], rate: int) -> None:
    """Write ``x`` as a mono 32-bit float WAV, atomically, the same bytes every time.

    The header is written here because libsndfile's carries a PEAK chunk with
    the time of writing.  WAVE format 3 with the ``fact`` chunk that it asks for.

    Raises
    ------
    ValueError
        If ``x`` is not one-dimensional.
    LassbenchError
        If the file cannot be written.
    """
    if x.ndim != 1:
        raise ValueError(f"expected mono samples of shape (frames,), got {x.shape}")
    data = np.ascontiguousarray(x, dtype="<f4").tobytes()
    with atomic_open(Path(path)) as stream:
        _write_wav_header(stream, frames=x.size, rate=rate)
        stream.write(data)


def _write_wav_header(stream: IO[bytes], *, frames: int, rate: int) -> None:
    size = 4 * frames
    form = struct.pack("<4sIHHIIHHH", b"fmt ", 18, 3, 1, rate, 4 * rate, 4, 32, 0)
    fact = struct.pack("<4sII", b"fact", 4, frames)
    data = struct.pack("<4sI", b"data", size)
    body = b"WAVE" + form + fact + data
    stream.write(struct.pack("<4sI", b"RIFF", len(body) + size) + body)


# ---------------------------------------------------------------------------
# A clip's samples
# ---------------------------------------------------------------------------


def read_file(source: FileSource, *, sample_rate_hz: int, seconds: float) -> NDArray[np.float32]:
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
    x, rate = decode(source.path, start_s=source.start_s, end_s=start + wanted + MARGIN_S)
    x = resample(x, rate, sample_rate_hz)[: math.ceil(wanted * sample_rate_hz)]
    return conform(x, round(seconds * sample_rate_hz), seconds)


def conform(x: NDArray[np.float32], samples: int, seconds: float) -> NDArray[np.float32]:
    """A clip of exactly ``samples`` within [-1, 1]: cut, padded, and not silent.

    A peak above full scale (float files, or the resampling filter's overshoot)
    is brought down to full scale by scaling the whole clip, not by clipping: the
    benchmark mixes peak-normalised clips, so only clipping would be heard.

    Raises
    ------
    AudioFault
        If every sample rounds to zero at 16 bits, so that no mixing can
        normalise the clip.
    """
    x = fit(x, samples)
    peak = float(np.max(np.abs(x), initial=0.0))
    if peak <= 0.5 / 32768:
        raise AudioFault("silent", f"every sample of its {seconds:g} s is zero at 16 bits")
    return x / np.float32(peak) if peak > 1.0 else x
