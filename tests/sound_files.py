"""Files of sound for tests, by every container and encoder that PyAV and libsndfile have."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
import soundfile as sf
from av.format import ContainerFormat, Flags

from lassbench import audio
from lassbench.audio import AudioFault

#: Encoder -> rate in Hz, channels and bits/s that it takes; the others take ``USUAL``.
NEEDS = {
    "adpcm_ima_amv": (22050, 1, 96_000),
    "aptx": (44100, 2, 96_000),
    "aptx_hd": (44100, 2, 96_000),
    "g723_1": (8000, 1, 6300),
    "g726": (8000, 1, 32_000),
    "g726le": (8000, 1, 32_000),
    "libopencore_amrnb": (8000, 1, 12_200),
    "libopus": (48000, 1, 96_000),
    "pcm_bluray": (48000, 1, 96_000),
    "pcm_dvd": (48000, 1, 96_000),
    "real_144": (8000, 1, 8000),
    "roq_dpcm": (22050, 1, 96_000),
    "vorbis": (44100, 2, 96_000),
}
USUAL = (44100, 1, 96_000)


class Pipe:
    """What can be written to, but not sought in."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def clicks(seconds: float, rate: int) -> np.ndarray:
    """Noise whose level steps every 0.1 s, so that every place in it can be told."""
    rng = np.random.default_rng(0)
    steps = np.repeat(rng.uniform(0.05, 0.5, round(seconds * 10)), rate // 10)
    return (steps * rng.standard_normal(steps.size) * 0.3).clip(-1, 1).astype("f4")


def encode(
    target: Path | IO[bytes] | Pipe,
    x: np.ndarray,
    rate: int,
    codec: str,
    form: str | None = None,
    *,
    channels: int = 1,
    bit_rate: int = 128_000,
    first_pts: int | None = 0,
    options: Mapping[str, str] | None = None,
    codec_options: Mapping[str, str] | None = None,
) -> None:
    """Write ``x``, the same in every channel, by PyAV; ``form`` if no suffix tells it."""
    layout = "mono" if channels == 1 else "stereo"
    place: Any = str(target) if isinstance(target, Path) else target
    with av.open(place, "w", format=form, options=dict(options or {})) as container:
        # Without perceptual noise substitution, which decodes to other noise each time.
        how = {"aac_pns": "0"} if codec == "aac" else {}
        how |= {"strict": "experimental", **(codec_options or {})}
        stream = container.add_stream(codec, rate=rate, layout=layout, options=how)
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(np.stack([x] * channels), "fltp", layout)
        frame.sample_rate, frame.pts = rate, first_pts
        resampler = av.AudioResampler(
            format=stream.format, layout=layout, rate=rate, frame_size=stream.frame_size or 960
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


@cache
def written(
    form: str,
    codec: str,
    seconds: float | None = None,
    *,
    streamed: bool = False,
    rate: int | None = None,
    first_pts: int | None = 0,
    **options: str,
) -> bytes:
    """A file of :func:`clicks`, an odd number of samples, by PyAV: 0.3 s, 1 s of Vorbis.

    FFmpeg takes no padding from the end of Vorbis whose sound fits in one page of Ogg.
    """
    usual, channels, bit_rate = NEEDS.get(codec, USUAL)
    rate = rate or usual
    x = clicks(seconds or (1.0 if codec == "vorbis" else 0.3), rate)[:-1]
    target = Pipe() if streamed else io.BytesIO()
    how = {"channels": channels, "bit_rate": bit_rate, "first_pts": first_pts, "options": options}
    encode(target, x, rate, codec, form, **how)
    return bytes(target.data) if isinstance(target, Pipe) else target.getvalue()


@cache
def sndfile(form: str, subtype: str, seconds: float = 1.0) -> bytes:
    """A file of :func:`clicks`, an odd number of samples, by libsndfile; nothing if it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        for rate in (44100, 48000, 8000):
            path = Path(folder) / "sound"
            with contextlib.suppress(sf.LibsndfileError, AssertionError):
                x = clicks(seconds, rate)[:-1]
                sf.write(path, x, rate, format=form, subtype=subtype)
                return path.read_bytes()
    return b""


def remuxed(data: bytes, form: str) -> bytes:
    """The packets of a file in another container, by PyAV."""
    memory = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(memory, "w", format=form) as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return memory.getvalue()


def film(form: str, codec: str, pictures: str, seconds: float = 2.3) -> bytes:
    """A file with pictures, one in fifty of which can be decoded alone, and sound."""
    memory = io.BytesIO()
    with av.open(memory, "w", format=form) as container:
        video = container.add_stream(pictures, rate=25)
        video.width, video.height, video.pix_fmt, video.gop_size = 64, 64, "yuv420p", 50
        sound = io.BytesIO(written("matroska", codec, seconds))
        source = av.open(sound)
        stream = container.add_stream_from_template(source.streams.audio[0])
        packets = [packet for packet in source.demux(audio=0) if packet.dts is not None]
        for packet in packets:
            packet.stream = stream
        for number in range(round(25 * seconds) + 10):
            frame = av.VideoFrame.from_ndarray(np.full((96, 64), number, dtype="u1"), "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
        source.close()
    return memory.getvalue()


def muxers() -> list[str]:
    """PyAV's formats that write one file."""
    found = []
    for name in sorted(av.formats_available):
        try:
            form = ContainerFormat(name, "w")
        except ValueError:
            continue
        if form.is_output and not form.flags & Flags.no_file.value:
            found.append(name)
    return found


@cache
def encoders() -> list[str]:
    """PyAV's encoders of sound."""
    found = set()
    for name in av.codecs_available:
        try:
            codec = av.Codec(name, "w")
        except ValueError:
            continue
        if codec.type == "audio":
            found.add(codec.name)
    return sorted(found)


@cache
def example(form: str, codec: str) -> bytes:
    """A short file of this container and encoder; nothing if PyAV does not write it."""
    for more in ({}, {"rate": 48000}):
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            return written(form, codec, 0.1, **more)
    return b""


def answer(
    data: bytes, start_s: float | None = None, end_s: float | None = None
) -> tuple[str, np.ndarray]:
    """ "known", "unknown" or the kind of the fault, and the samples of a file with these bytes."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            sound = audio.decode(file.name, start_s=start_s, end_s=end_s)
        except AudioFault as fault:
            return fault.kind, np.zeros(0, dtype="f4")
    return ("known" if sound.known else "unknown"), sound.samples


def by_ffmpeg(data: bytes) -> np.ndarray | None:
    """All samples of FFmpeg's own loop, as mono; none where it fails or finds nothing."""
    pieces = []
    try:
        with av.open(io.BytesIO(data)) as container:
            for frame in container.decode(audio=0):
                # In one plane: with eight channels or more PyAV reads planes that are not there.
                resampler = av.AudioResampler("flt", frame.layout, frame.sample_rate)
                channels = frame.layout.nb_channels
                pieces += [
                    out.to_ndarray().reshape(-1, channels) for out in resampler.resample(frame)
                ]
    except (av.error.FFmpegError, IndexError, AttributeError):
        return None
    return mono(np.concatenate(pieces)) if pieces else None


def by_libsndfile(data: bytes) -> np.ndarray | None:
    try:
        return mono(sf.read(io.BytesIO(data), dtype="float32", always_2d=True)[0])
    except (sf.LibsndfileError, ValueError):  # a placeholder is more than memory holds
        return None


def mono(x: np.ndarray) -> np.ndarray:
    return x.mean(axis=1, dtype="f8").astype("f4")
