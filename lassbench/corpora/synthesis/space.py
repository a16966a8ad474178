"""Where a sound is recorded: distance, room, band of the microphone, background, level.

Room and microphone are one short impulse response, so the recording chain costs one convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from lassbench.corpora.synthesis.signals import (
    Array,
    Grid,
    between,
    chance,
    convolve,
    damped_modes,
    linear_phase,
    log_between,
    pick,
    random_phases,
    rms,
    white,
)

# Largest absolute sample of any clip, with a little below it for the quietest.
PEAK_MOST = 0.9
PEAK_LEAST = 0.12
FULL_SCALE = 32768
_BACKGROUND_TAPS = 4096

_REVERB_S: Mapping[str, tuple[float, float]] = {
    "outdoors": (0.05, 0.2),
    "room": (0.2, 0.6),
    "hall": (0.9, 1.7),
}
_DIRECT_DB: Mapping[str, tuple[float, float]] = {
    "near": (10.0, 22.0),
    "mid": (4.0, 12.0),
    "far": (-5.0, 3.0),
}
_TOP_HZ: Mapping[str, tuple[float, float]] = {
    "near": (9000, 15500),
    "mid": (6500, 14000),
    "far": (2800, 7000),
}
# Slope of the background's spectrum in dB an octave.
_SLOPE: Mapping[str, tuple[float, float]] = {
    "hiss": (-2.0, 0.0),
    "air": (-5.0, -3.0),
    "rumble": (-9.0, -6.0),
}


@dataclass(frozen=True)
class Space:
    """One recording situation.

    distance: near, mid or far. room: outdoors, room or hall. reverb_s: time in which the
    reverberation falls by 60 dB. direct_db: direct sound over reverberation. low_hz, top_hz: the
    microphone's band. background: hiss, air or rumble; background_db: its RMS relative to the
    sound's. hum_hz: mains hum's fundamental, 0 for none. peak: largest absolute sample of the
    finished clip.
    """

    distance: str
    room: str
    reverb_s: float
    direct_db: float
    low_hz: float
    top_hz: float
    background: str
    background_db: float
    hum_hz: float
    peak: float


def draw_space(
    rng: np.random.Generator, *, rooms: Mapping[str, float], far: float = 0.2, low_hz: float = 90.0
) -> Space:
    """A random recording situation.

    rooms: weight of each room. far: share of far clips. low_hz: the highest lower band edge that
    the sound can bear (a rumble needs its bass, so it asks for a lower one).
    """
    distance = pick(rng, {"near": 0.75 * (1 - far), "mid": 0.25 * (1 - far) + 0.1, "far": far})
    room = pick(rng, rooms)
    peak = (
        log_between(rng, 0.25, PEAK_MOST)
        if distance != "far"
        else log_between(rng, PEAK_LEAST, 0.5)
    )
    return Space(
        distance=distance,
        room=room,
        reverb_s=log_between(rng, *_REVERB_S[room]),
        direct_db=between(rng, *_DIRECT_DB[distance]) + (6.0 if room == "outdoors" else 0.0),
        low_hz=log_between(rng, 0.25 * low_hz, low_hz),
        top_hz=log_between(rng, *_TOP_HZ[distance]),
        background=pick(rng, ("hiss", "air", "rumble")),
        background_db=between(rng, -52.0, -24.0) + (4.0 if distance == "far" else 0.0),
        hum_hz=pick(rng, (50.0, 60.0)) if chance(rng, 0.15) else 0.0,
        peak=peak,
    )


def record(dry: Array, space: Space, rng: np.random.Generator, grid: Grid) -> NDArray[np.float32]:
    """The finished clip, [samples], float32 on the 16-bit grid, largest absolute sample
    `space.peak`.

    dry: [samples], not silent; its scale does not matter.
    """
    lead = np.zeros(_BACKGROUND_TAPS)
    clip = convolve(
        (np.concatenate([lead, dry]), _microphone(space, room_response(space, rng, grid), grid)),
        (white(rng, grid.samples + len(lead)), _background(space, rng, grid, rms(dry))),
    )[len(lead) :]
    if space.hum_hz > 0:
        clip += _hum(space, rng, grid) * rms(dry)
    clip *= np.floor(space.peak * FULL_SCALE) / float(np.max(np.abs(clip)))
    return (np.rint(clip) / FULL_SCALE).astype(np.float32)


def room_response(space: Space, rng: np.random.Generator, grid: Grid) -> Array:
    """Impulse response of the room, [taps]: the direct sound, some early reflections, a decaying
    diffuse tail.

    The tail is the sum of a dull part with the full reverberation time and a bright part with half
    of it, as air and walls take the treble first. Its energy relative to the direct sound follows
    `space.direct_db`.
    """
    length = grid.count(0.5 * space.reverb_s + 0.06)
    time = np.arange(length) / grid.sample_rate_hz
    grains = white(rng, 2, length)
    dull = np.convolve(grains[0], np.full(5, 0.45), mode="same") * np.exp(
        -6.9 * time / space.reverb_s
    )
    tail = dull + grains[1] * np.exp(-13.8 * time / space.reverb_s)
    tail[: grid.count(between(rng, 0.004, 0.02))] = 0.0
    for delay in rng.uniform(0.003, 0.045, 6):
        tail[grid.count(delay)] += rng.choice((-1.0, 1.0)) * 4.0 * np.exp(-20 * delay)
    response = tail * (10 ** (-space.direct_db / 20) / np.sqrt(np.sum(tail * tail)))
    response[0] = 1.0
    return np.asarray(response)


def _microphone(space: Space, response: Array, grid: Grid) -> Array:
    """The response through the microphone's band: second-order Butterworth slope below, fourth-
    order above.
    """
    low = scipy.signal.butter(2, space.low_hz, "highpass", fs=grid.sample_rate_hz, output="sos")
    top = min(space.top_hz, 0.9 * grid.nyquist_hz)
    high = scipy.signal.butter(4, top, "lowpass", fs=grid.sample_rate_hz, output="sos")
    return np.asarray(scipy.signal.sosfilt(np.concatenate([low, high]), response))


def _background(space: Space, rng: np.random.Generator, grid: Grid, sound_rms: float) -> Array:
    """Filter that turns white noise into the background, `space.background_db` relative to the
    sound's RMS.
    """
    exponent = between(rng, *_SLOPE[space.background]) / 6.02

    def shape(frequency: Array) -> Array:
        slope = (np.maximum(frequency, 25.0) / 1000.0) ** exponent
        return np.asarray(slope / np.sqrt(1.0 + (frequency / space.top_hz) ** 8))

    response = linear_phase(grid, shape, _BACKGROUND_TAPS)
    level = sound_rms * 10 ** (space.background_db / 20)
    return np.asarray(response * (level / np.sqrt(np.sum(response * response))))


def _hum(space: Space, rng: np.random.Generator, grid: Grid) -> Array:
    """Mains hum, [samples], the fundamental and four harmonics, about as strong as the rest of the
    background.
    """
    order = np.arange(1.0, 6.0)
    level = np.array([1.0, 0.7, 0.5, 0.2, 0.3]) * 10 ** (space.background_db / 20)
    steady = np.full(5, 1e9)
    return damped_modes(grid, grid.seconds, order * space.hum_hz, steady, random_phases(rng, level))
