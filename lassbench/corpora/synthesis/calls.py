"""Short voiced calls (laughs, barks, quacks): a buzzing source through fixed resonances, many calls
at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from lassbench.corpora.synthesis.signals import (
    Array,
    Grid,
    phase_of,
    read_table,
    resonance,
    unit_peak,
    wave_table,
    white,
)


@dataclass(frozen=True)
class Calls:
    """A batch of calls on a common length, `u` being the time from 0 to 1 within a call's length.

    pitch_hz: [calls, samples]. envelope: [calls, samples], zero where a call is over.
    breath: [calls, samples] or broadcastable, share of noise in the source, 0 to 1.
    formants_hz, widths_hz, gains: [calls, resonances].
    rough: depth of the subharmonic beat (period doubling), 0 to 1, that makes a call hoarse.
    slope: exponent of the source's harmonics, amplitude 1 / k ** slope.
    """

    pitch_hz: Array
    envelope: Array
    breath: Array
    formants_hz: Array
    widths_hz: Array
    gains: Array
    rough: float = 0.0
    slope: float = 1.0


def buzz(slope: float, harmonics: int) -> Array:
    """Wave table of a buzzing source: `harmonics` partials that fall as 1 / k ** slope, phases
    spread as in a voice.
    """
    order = np.arange(1, harmonics + 1)
    # Phases that grow with the square of the order keep the crest low enough for the pulse not to
    # be a lone spike.
    return wave_table(order**-slope, 0.35 * order + 0.02 * order**2)


def render_calls(calls: Calls, rng: np.random.Generator, grid: Grid) -> Array:
    """The calls, [calls, samples], each scaled to a peak of 1."""
    highest = float(np.max(calls.pitch_hz))
    harmonics = max(1, min(60, int(0.9 * grid.nyquist_hz / highest)))
    phase = phase_of(calls.pitch_hz, grid.sample_rate_hz)
    source = read_table(buzz(calls.slope, harmonics), phase)
    if calls.rough > 0:
        source *= 1.0 + calls.rough * np.cos(np.pi * phase)
    hiss = 0.5 * white(rng, *calls.pitch_hz.shape)
    source = (source + calls.breath * (hiss - source)) * calls.envelope
    length = calls.pitch_hz.shape[1]
    size = scipy.fft.next_fast_len(length, real=True)
    frequency = scipy.fft.rfftfreq(size, 1 / grid.sample_rate_hz)
    spectrum = scipy.fft.rfft(source, size)
    spectrum *= _tract(calls, frequency)
    return unit_peak(scipy.fft.irfft(spectrum, size)[:, :length])


def _tract(calls: Calls, frequency: Array) -> NDArray[np.complex128]:
    """Transfer function of every call's resonances in parallel, [calls, frequencies], and a weak
    direct path.
    """
    total = np.tile(0.06 / (1.0 + 1j * frequency / 1200.0), (len(calls.formants_hz), 1))
    for index in range(calls.formants_hz.shape[1]):
        centre, width = calls.formants_hz[:, index, None], calls.widths_hz[:, index, None]
        sign = 1.0 if index % 2 == 0 else -1.0
        total += sign * calls.gains[:, index, None] * resonance(frequency, centre, width)
    return total


def arch(position: Array, attack: Array, release: Array) -> Array:
    """Envelope over a call's position (0 to 1; 0 outside): rises over `attack`, holds, falls over
    `release`.

    attack and release are shares of the call, broadcast against `position`.
    """
    up = np.clip(position / attack, 0.0, 1.0)
    down = np.clip((1.0 - position) / release, 0.0, 1.0)
    shape = np.sin(0.5 * np.pi * np.minimum(up, down)) ** 2
    return np.where((position > 0) & (position < 1), shape, 0.0)


def resampled(table: Array, factor: float) -> Array:
    """A call table played `factor` times as fast, [calls, samples / factor]: another, smaller or
    larger, throat.
    """
    length = max(2, int(table.shape[1] / factor))
    position = np.minimum(np.arange(length) * factor, table.shape[1] - 1.001)
    index = position.astype(np.intp)
    part = position - index
    return np.asarray(table[:, index] * (1.0 - part) + table[:, index + 1] * part)
