"""Sounds and spectrograms as ``data:`` addresses, so that a page needs no other file."""

from __future__ import annotations

import base64
import io
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lassbench.audio import encode_flac

Samples = NDArray[np.float32]

#: Size of a spectrogram in pixels, and its range below the mixture's loudest point.
WIDTH, HEIGHT, RANGE_DB = 360, 110, 80.0
#: Rates that MP3 knows; others travel as FLAC.
MP3_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def sound(samples: Samples, rate: int, gain: float) -> str:
    """``samples`` times ``gain`` as a player's address: MP3 of variable bit rate, or FLAC."""
    import soundfile

    loud = np.clip(samples * np.float32(gain), -1.0, 1.0)
    if rate not in MP3_RATES:
        return _address("audio/flac", encode_flac(loud, rate))
    memory = io.BytesIO()
    soundfile.write(
        memory,
        loud,
        rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=0.3,
        bitrate_mode="VARIABLE",
    )
    return _address("audio/mpeg", memory.getvalue())


def common_gain(*signals: Samples) -> float:
    """The gain that brings the loudest peak of ``signals`` to just below full scale.

    One gain for all, so that they are heard as loud as they are to each other.
    """
    peak = max(float(np.abs(one).max(initial=0.0)) for one in signals)
    return 0.97 / peak if peak > 0 else 1.0


def spectrogram(level: NDArray[np.float64], top: float) -> str:
    """A picture of ``level`` (dB, shape (bins, frames)) from ``top`` down to 80 dB below.

    Low frequencies at the bottom, 256 colours.
    """
    from PIL import Image

    shade = np.clip((level[::-1] - top) / RANGE_DB + 1.0, 0.0, 1.0)
    grey = Image.fromarray(np.round(255 * shade).astype(np.uint8), mode="L")
    grey = grey.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    picture = grey.convert("P")
    picture.putdata(list(grey.tobytes()))
    picture.putpalette(_magma())
    memory = io.BytesIO()
    picture.save(memory, format="PNG", optimize=True)
    return _address("image/png", memory.getvalue())


@cache
def _magma() -> bytes:
    from matplotlib import colormaps

    colours = np.asarray(colormaps["magma"](np.arange(256)))[:, :3]
    return np.round(255 * colours).astype(np.uint8).tobytes()
