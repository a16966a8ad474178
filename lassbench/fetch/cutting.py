"""From a medium to a finished clip: the exact window, checked and encoded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path

from lassbench import audio
from lassbench.audio import AudioFault, Decoded
from lassbench.fetch.failures import (
    CANCELS,
    DAMAGED,
    NEAR_SILENT,
    OUT_OF_RANGE,
    REFUSED,
    SILENT,
    TRANSIENT,
    UNKNOWN,
    FailureClass,
    SourceFailure,
)
from lassbench.records import Clip
from lassbench.resampling import resample

#: YouTube tells durations in whole seconds, and streams of one video differ by
#: as much; less than this is not worth a flag.
TOLERANCE_S = 1.5

#: What each fault of the audio says about the clip.
_FAULTS: dict[str, FailureClass] = {
    "out-of-range": OUT_OF_RANGE,
    "truncated": TRANSIENT,
    "silent": SILENT,
    "near-silent": NEAR_SILENT,
    "cancels": CANCELS,
    "empty-file": REFUSED,
    "zero-length": REFUSED,
    "not-audio": REFUSED,
    "missing": REFUSED,
}


@dataclass(frozen=True, slots=True)
class Sound:
    """A window of a medium, decoded.

    Attributes
    ----------
    heard
        The window, or as much of it as the medium has.
    told_s
        The duration that the site told, in seconds, if it told one.
    received
        Bytes transferred.
    whole
        The whole medium as a file, if it was downloaded.
    """

    heard: Decoded
    told_s: float | None = None
    received: int = 0
    whole: Path | None = None


@dataclass(frozen=True, slots=True)
class Landed:
    """A finished clip: its FLAC file, the hash of its samples, what is odd about it."""

    flac: bytes
    pcm_sha256: str
    flags: tuple[str, ...] = field(default=())


def decode(
    medium: Path | RawIOBase,
    clip: Clip,
    *,
    seconds: float,
    cut: bool,
    name: str = "",
    at_rest: bool = False,
) -> Decoded:
    """Decode the clip's window of a file, or of an open stream that seeks.

    Parameters
    ----------
    seconds
        The length of a clip.
    cut
        False when the medium is the clip already.
    name
        What messages call a stream.
    at_rest
        Whether the medium stays as it is until somebody changes it.  What was transferred
        just now may be whole when it is transferred again.

    Raises
    ------
    SourceFailure
        If it cannot be decoded, with the class that follows from the fault.
    """
    start = clip.start_s if cut else 0.0
    # What follows the cut is real sound, so the resampling filter is shown some of it.
    end = start + _wanted_s(clip, seconds) + audio.MARGIN_S
    try:
        if isinstance(medium, Path):
            return audio.decode(medium, start_s=start, end_s=end)
        return audio.decode_ffmpeg(medium, name, start, end)
    except AudioFault as fault:
        failure = _failure_of(fault, clip)
        if at_rest and failure.kind is not OUT_OF_RANGE:
            assert isinstance(medium, Path)
            failure = SourceFailure(DAMAGED, f"{medium.name}: {fault.reason}")
        raise failure from fault


def _wanted_s(clip: Clip, seconds: float) -> float:
    """How much of a clip of ``seconds`` its window fills."""
    return min(seconds, clip.end_s - clip.start_s) if clip.end_s > clip.start_s else seconds


def _failure_of(fault: AudioFault, clip: Clip) -> SourceFailure:
    """What a fault of the audio means for the run."""
    kind = _FAULTS.get(fault.kind, UNKNOWN)
    message = fault.reason
    if kind is OUT_OF_RANGE:
        message = (
            f"the clip starts at {clip.start_s:g} s, at or after the end of the video "
            f"({fault.reason})"
        )
    return SourceFailure(kind, message)


def finish(
    sound: Sound, clip: Clip, *, sample_rate_hz: int, seconds: float, keep_quiet: bool = False
) -> Landed:
    """Resample, fit, check and encode a clip.

    Raises
    ------
    SourceFailure
        If it is silent; without ``keep_quiet`` also if it is near-silent or its
        channels cancel.
    """
    wanted = math.ceil(_wanted_s(clip, seconds) * sample_rate_hz)
    x = resample(sound.heard.samples, sound.heard.rate, sample_rate_hz)[:wanted]
    length = round(seconds * sample_rate_hz)
    try:
        x = audio.conform(x, length, seconds, kept=sound.heard.kept, keep_quiet=keep_quiet)
    except AudioFault as fault:
        raise _failure_of(fault, clip) from fault
    pcm = audio.to_int16(x)
    return Landed(
        audio.encode_flac(pcm, sample_rate_hz),
        audio.pcm_sha256(pcm),
        _odd(sound, clip, seconds),
    )


def _odd(sound: Sound, clip: Clip, seconds: float) -> tuple[str, ...]:
    """What a listener ought to know: a window that the video does not fill."""
    wanted = _wanted_s(clip, seconds)
    has_s = min(wanted, sound.heard.samples.size / sound.heard.rate)
    flags = []
    allowed = wanted
    if sound.told_s is not None:
        allowed = min(wanted, sound.told_s - clip.start_s)
        if allowed - has_s > TOLERANCE_S:
            flags.append(
                f"duration: the site tells {sound.told_s:g} s, the audio ends at "
                f"{clip.start_s + has_s:.2f} s"
            )
    if not (sound.heard.known or sound.received):
        flags.append("length: the file does not tell its own, so a missing end is not noticed")
    if wanted - has_s > 0.05:
        flags.append(f"short: {has_s:.2f} of {wanted:g} s, the rest is zeros")
    return tuple(flags)
