"""The target through a lossy codec and back: the ceiling of generative systems.

Systems that make their answer anew, through an autoencoder, a vocoder or a codec, keep
what is heard and not the waveform.  No ratio mask bounds them: what the true source loses
on such a way does.  Everything happens in memory, at 48 kHz, the one rate at which Opus
decodes, and comes back at the suite's rate.

The answer lies on its target to the sample, and at its level: what encoders put before the
sound is said by their containers and dropped by the decoder (Ogg's pre-skip, LAME's header,
MP4's edit list); what comes after it is cut; the one gain that an encoder adds is measured.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lassbench import audio
from lassbench.benchmark.mixtures import Rendered
from lassbench.cards import SystemCard
from lassbench.errors import UsageError
from lassbench.records import Query
from lassbench.resampling import resample

Samples = NDArray[np.float32]

RATE_HZ = 48_000
DEFAULT = "opus@64k"


class Codec(NamedTuple):
    """FFmpeg's encoder, container and sample format; ``kbits``: kbit/s for one channel."""

    encoder: str
    container: str
    sample_format: str
    kbits: Sequence[int]


#: libopus takes 6 to 256 kbit/s a channel; MPEG-1 Layer III has these rates (ISO/IEC
#: 11172-3, section 2.4.2.3); a frame of 1024 samples of AAC has at most 6144 bits.
#: Floating-point formats: integers would clip.  Vorbis is not here: the only encoder of it
#: in PyAV's wheels is FFmpeg's own, which is an experiment and heeds no bit rate.
CODECS = {
    "opus": Codec("libopus", "ogg", "flt", range(6, 257)),
    "mp3": Codec(
        *("libmp3lame", "mp3", "fltp"),
        (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    ),
    "aac": Codec("aac", "mp4", "fltp", range(16, 289)),
}


class CodecRoundTrip:
    """Each query's target, encoded and decoded; silence where the queried sound is absent.

    Parameters
    ----------
    codec
        Such as ``opus@64k``: a key of :data:`CODECS` and kbit/s.

    Raises
    ------
    UsageError
        If there is no such codec, it does not have this bit rate, or this machine's PyAV
        does not encode it.
    """

    def __init__(self, codec: str = DEFAULT) -> None:
        asked = re.fullmatch(r"([a-z0-9]+)@([0-9]{1,4})k", codec)
        name, kbit = (asked[1], int(asked[2])) if asked else ("", 0)
        if name not in CODECS or kbit not in CODECS[name].kbits or not _is_here(name):
            raise UsageError(
                "no such codec here",
                where="--codec",
                expected="; ".join(_offer(one) for one in CODECS if _is_here(one)),
                got=codec,
                fix=f"name one with its bit rate, such as {DEFAULT}",
            )
        self._codec, self._bit_rate = CODECS[name], 1000 * kbit
        self._gain = self._measured_gain() if name == "mp3" else 1.0
        self.card = SystemCard(
            name=f"Codec round trip ({name} {kbit} kbit/s)",
            query_type="oracle",
            description=f"The target encoded by {self._codec.encoder} at {kbit} kbit/s and "
            "decoded: the ceiling of generative systems, not a system.",
            generative=True,
        )

    def separate_oracle(self, rendered: Rendered, query: Query, sample_rate: int) -> Samples:
        """The target as the codec gives it back, as long as the mixture and in its place."""
        if query.expects == "silence":
            return np.zeros_like(rendered.mixture)
        return self.round_trip(rendered.target, sample_rate)

    def round_trip(self, x: Samples, sample_rate: int) -> Samples:
        """``(samples,)`` at ``sample_rate`` Hz, encoded and decoded: the same shape.

        Peaks above full scale stay.
        """
        sound = resample(x, sample_rate, RATE_HZ)
        # FFmpeg's AAC turns down what comes near full scale.  Below half of it nothing is
        # touched, and a power of two is exact.
        peak = float(np.max(np.abs(sound), initial=0.0))
        scale = 2.0 ** max(0, int(np.frexp(peak)[1]) + 1)
        decoded = self._coded(sound / np.float32(scale)) * np.float32(scale / self._gain)
        return audio.fit(resample(decoded, RATE_HZ, sample_rate), x.size)

    def _coded(self, x: Samples) -> Samples:
        import av

        memory = io.BytesIO()
        with av.open(memory, "w", format=self._codec.container) as file:
            stream: Any = file.add_stream(self._codec.encoder, rate=RATE_HZ, layout="mono")
            stream.bit_rate, stream.format = self._bit_rate, self._codec.sample_format
            frame = av.AudioFrame.from_ndarray(x[np.newaxis], "fltp", "mono")
            # Without a time nothing would say where the sound begins.
            frame.sample_rate, frame.pts = RATE_HZ, 0
            file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        memory.seek(0)
        return audio.decode_ffmpeg(memory, self._codec.encoder, None, None).samples

    def _measured_gain(self) -> float:
        """What LAME multiplies by, 0.95 to 1 depending on the bit rate, found with a tone."""
        tone = np.sin(np.arange(RATE_HZ) * (2 * np.pi * 997 / RATE_HZ)).astype(np.float32) / 4
        return float(audio.fit(self._coded(tone), tone.size) @ tone / (tone @ tone))


def _is_here(name: str) -> bool:
    import av

    try:
        av.Codec(CODECS[name].encoder, "w")
    except ValueError:
        return False
    return True


def _offer(name: str) -> str:
    kbits = CODECS[name].kbits
    if isinstance(kbits, range):
        return f"{name}@{kbits[0]}k to {name}@{kbits[-1]}k"
    return f"{name}@" + "|".join(f"{kbit}k" for kbit in kbits)
