"""Decoding what libsndfile cannot, with FFmpeg's libraries (PyAV): M4A, WebM, Opus.

Apart from :mod:`lassbench.audio` because it imports PyAV, which most runs never
need.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from numpy.typing import NDArray

from lassbench.audio import AudioFault, frame_range, to_mono

# Audio containers only, from local files only: FFmpeg also knows playlists and
# virtual containers, which would make it open other files and addresses that a
# stranger's file names.
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "aac,aiff,amr,ape,asf,avi,caf,eac3,ac3,flac,flv,matroska,mov,mp3,mpegts,"
    "ogg,tta,w64,wav,wv",
}

#: Decoding begins this long before a cut: AAC needs a frame or two of run-up and
#: Opus 80 ms (RFC 7845, section 4.6).
_RUN_UP_S = 0.5

#: A container's duration is rounded, and the last packet may be short.
_SHORT_BY_S = 0.25


def decode(
    path: Path, start_s: float | None, end_s: float | None, *, refused: str
) -> tuple[NDArray[np.float32], int]:
    """Like :func:`lassbench.audio.decode`; ``refused`` is what libsndfile said.

    Raises
    ------
    AudioFault
        As there, except for NaN.
    """
    # "file:" keeps a name such as "concat:a|b" from being read as a protocol.
    return _decode(f"file:{path}", path, start_s, end_s, f"libsndfile: {_short(refused)}; ")


def decode_stream(
    stream: IO[bytes] | RawIOBase, where: object, start_s: float | None, end_s: float | None
) -> tuple[NDArray[np.float32], int]:
    """Like :func:`decode`, from an open binary stream that seeks; ``where`` names it.

    Errors of the stream's own ``read`` and ``seek`` pass through.
    """
    return _decode(stream, where, start_s, end_s, "")


def length_s(path: Path) -> float | None:
    """The length in seconds that a container's header gives; ``None`` if it gives none."""
    try:
        with av.open(f"file:{path}", options=dict(_OPTIONS)) as container:
            return None if container.duration is None else container.duration / av.time_base
    except (av.error.FFmpegError, ValueError):
        return None


def _decode(
    source: str | IO[bytes] | RawIOBase,
    where: object,
    start_s: float | None,
    end_s: float | None,
    refused: str,
) -> tuple[NDArray[np.float32], int]:
    try:
        with av.open(source, options=dict(_OPTIONS)) as container:
            if not container.streams.audio:
                raise AudioFault("not-audio", "holds no audio stream", where=where)
            return _decode_container(container, where, start_s, end_s)
    except av.error.EOFError as error:
        raise AudioFault("truncated", "breaks off in its header", where=where) from error
    except (av.error.FFmpegError, ValueError) as error:
        reason = f"cannot be decoded ({refused}FFmpeg: {str(error).split(': ')[0]})"
        raise AudioFault("not-audio", reason, where=where) from error


def _short(refused: str) -> str:
    return refused.rsplit(": ", maxsplit=1)[-1].rstrip(".")


def _decode_container(
    container: Any, path: object, start_s: float | None, end_s: float | None
) -> tuple[NDArray[np.float32], int]:
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
    begin, end = frame_range(skipped + frames, rate, start_s, end_s, path)
    samples = np.concatenate(pieces)
    begin, end = max(0, begin - skipped), end - skipped
    return to_mono(samples[begin:end]), rate


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


def _check_whole(
    container: Any, stream: Any, path: object, decoded_s: float, end_s: float | None
) -> None:
    if stream.duration is not None:
        promised = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        promised = container.duration / av.time_base
    else:
        return
    wanted = promised if end_s is None else min(promised, end_s)
    if decoded_s < wanted - _SHORT_BY_S:
        raise AudioFault(
            "truncated", f"breaks off after {decoded_s:.2f} of {promised:.2f} s", where=path
        )
