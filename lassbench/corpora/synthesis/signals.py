"""Building blocks that every rendered sound shares: seeds, noise, oscillators, resonances, grains.

Everything is computed in float64 and rounded to the 16-bit grid only at the very end (space.py), so
that the last-bit differences between processors' vector units do not reach the samples. Oscillators
read their table with linear interpolation for the same reason: a table index that jumps would not
be continuous in the phase.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
T = TypeVar("T")

TABLE_SIZE = 4096


@dataclass(frozen=True)
class Grid:
    """The time grid that a clip is rendered on."""

    sample_rate_hz: int
    samples: int

    @property
    def seconds(self) -> float:
        """Length of the clip in seconds."""
        return self.samples / self.sample_rate_hz

    @property
    def nyquist_hz(self) -> float:
        """Half the sample rate."""
        return self.sample_rate_hz / 2

    def count(self, seconds: float) -> int:
        """Samples in `seconds`, at least one."""
        return max(1, round(seconds * self.sample_rate_hz))

    def times(self) -> Array:
        """Time of every sample in seconds, shape [samples]."""
        return np.arange(self.samples) / self.sample_rate_hz


def stream(*names: str) -> np.random.Generator:
    """An independent random stream for a sequence of names.

    The seed is the SHA-256 digest of the names, each with its length in front so that ("ab", "c")
    and ("a", "bc") differ. PCG64's output for a seed is fixed by NumPy's compatibility policy.
    """
    digest = hashlib.sha256()
    for name in names:
        data = name.encode()
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest.digest(), "big")))


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """One uniform draw from [low, high)."""
    return low + (high - low) * float(rng.random())


def log_between(rng: np.random.Generator, low: float, high: float) -> float:
    """One draw from [low, high) that is uniform in its logarithm: for frequencies, rates and
    levels.
    """
    return float(low * (high / low) ** rng.random())


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < probability)


def pick(rng: np.random.Generator, weights: Mapping[T, float] | Sequence[T]) -> T:
    """One item of a sequence, or one key of a mapping from item to weight."""
    if isinstance(weights, Mapping):
        items = list(weights)
        edges = np.cumsum([weights[item] for item in items])
        return items[
            min(int(np.searchsorted(edges, rng.random() * edges[-1], side="right")), len(items) - 1)
        ]
    return weights[int(rng.integers(len(weights)))]


def white(rng: np.random.Generator, *shape: int) -> Array:
    """White noise of unit variance; uniform draws, which any filter turns nearly Gaussian and which
    are quick to make.
    """
    return (rng.random(shape) - 0.5) * 12**0.5


def noise(
    rng: np.random.Generator, grid: Grid, shape: Callable[[Array], Array], *, taps: int = 4096
) -> Array:
    """Noise of unit RMS, [samples], whose amplitude spectrum follows `shape(frequency in Hz)`.

    The resolution is the sample rate over `taps`: low rumbles need more taps than hisses.
    """
    raw = white(rng, grid.samples + taps)
    return unit_rms(convolve((raw, linear_phase(grid, shape, taps)))[taps:])


def linear_phase(grid: Grid, shape: Callable[[Array], Array], taps: int) -> Array:
    """Impulse response, [taps], with the amplitude `shape(frequency in Hz)` and a delay of half its
    length.
    """
    frequency = scipy.fft.rfftfreq(taps, 1 / grid.sample_rate_hz)
    amplitude = shape(np.maximum(frequency, grid.sample_rate_hz / taps / 2))
    amplitude[0] = 0.0
    return np.asarray(np.roll(scipy.fft.irfft(amplitude, taps), taps // 2) * np.hanning(taps))


def convolve(*pairs: tuple[Array, Array]) -> Array:
    """The sum of signals, each through its own finite impulse response, cut to the signals' common
    length.

    Overlap-add, block by block: blocks that stay in the processor's cache take half the time of all
    blocks at once.
    """
    samples = len(pairs[0][0])
    taps = max(len(response) for _, response in pairs)
    size = max(16384, 1 << (2 * taps - 1).bit_length())
    responses = [scipy.fft.rfft(response, size) for _, response in pairs]
    out = np.zeros(samples + size)
    step = size - taps + 1
    for start in range(0, samples, step):
        total = np.zeros(size // 2 + 1, dtype=np.complex128)
        for (signal, _), response in zip(pairs, responses, strict=True):
            total += scipy.fft.rfft(signal[start : start + step], size) * response
        out[start : start + size] += scipy.fft.irfft(total, size)
    return out[:samples]


def band(low_hz: float, high_hz: float, *, order: int = 2) -> Callable[[Array], Array]:
    """Amplitude of a band-pass with Butterworth slopes of 6 * order dB an octave, as a function of
    frequency.
    """

    def shape(frequency: Array) -> Array:
        below = (low_hz / frequency) ** (2 * order)
        above = (frequency / high_hz) ** (2 * order)
        return np.asarray(1.0 / np.sqrt((1.0 + below) * (1.0 + above)))

    return shape


def resonance(frequency: Array, centre_hz: ArrayLike, width_hz: ArrayLike) -> Complex:
    """Transfer function of a causal two-pole band-pass with gain 1 at its centre.

    H(f) = 1 / (1 + i (f^2 - c^2) / (f w)), the series RLC circuit's, with centre c and -3 dB width
    w in Hz.
    """
    f = np.maximum(frequency, 1.0)
    centre = np.asarray(centre_hz, dtype=np.float64)
    width = np.asarray(width_hz, dtype=np.float64)
    return np.asarray(1.0 / (1.0 + 1j * (f * f - centre * centre) / (f * width)))


def rms(signal: Array) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(signal * signal)))


def unit_rms(signal: Array) -> Array:
    """The signal scaled to a root mean square of 1; silence stays silence."""
    level = rms(signal)
    return signal / level if level > 0 else signal


def unit_peak(signal: Array) -> Array:
    """The signal scaled to a largest absolute sample of 1 (over the last axis); silence stays
    silence.
    """
    peak = np.max(np.abs(signal), axis=-1, keepdims=True)
    return np.asarray(signal / np.where(peak > 0, peak, 1.0))


def phase_of(frequency_hz: Array, sample_rate_hz: int) -> Array:
    """Phase in cycles of an oscillator, given its frequency in Hz at every sample (last axis)."""
    return np.asarray(np.cumsum(frequency_hz, axis=-1) / sample_rate_hz)


def wave_table(amplitudes: ArrayLike, phases_rad: ArrayLike = 0.0) -> Array:
    """One period, [TABLE_SIZE + 1], of cosine harmonics 1, 2, ... with the given amplitudes, at a
    peak of 1.
    """
    amplitude = np.asarray(amplitudes, dtype=np.float64)
    spectrum = np.zeros(TABLE_SIZE // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(amplitude) + 1] = amplitude * np.exp(1j * np.asarray(phases_rad))
    period = unit_peak(scipy.fft.irfft(spectrum, TABLE_SIZE))
    return np.append(period, period[0])


def read_table(table: Array, phase: Array) -> Array:
    """Value of a periodic table at a phase in cycles, linearly interpolated."""
    position: Array = phase - np.floor(phase)
    position *= TABLE_SIZE
    index = np.minimum(position.astype(np.intp), TABLE_SIZE - 1)
    position -= index
    position *= np.diff(table).take(index)
    position += table.take(index)
    return position


def harmonics_below(limit_hz: float, fundamental_hz: float, most: int) -> int:
    """How many harmonics of a fundamental lie below a limit: at least 1, at most `most`."""
    return max(1, min(most, int(limit_hz / fundamental_hz)))


def frame_times(grid: Grid, rate_hz: int) -> Array:
    """Times in seconds of slow control frames, about `rate_hz` a second, from the first sample past
    the last one.
    """
    length = max(1, grid.sample_rate_hz // rate_hz)
    return (
        np.arange(-(-grid.samples // length) + 1, dtype=np.float64) * length / grid.sample_rate_hz
    )


def spread(frames: Array, grid: Grid) -> Array:
    """A slow control, given at evenly spaced moments from the first sample to the last, as a value
    for every sample.
    """
    pieces = len(frames) - 1
    length = -(-grid.samples // pieces)
    ramp = np.arange(length) / length
    return np.asarray((frames[:-1, None] + np.diff(frames)[:, None] * ramp).ravel()[: grid.samples])


def wander(rng: np.random.Generator, grid: Grid, rate_hz: float) -> Array:
    """A smooth random control for every sample, about unit variance, that changes about `rate_hz`
    times a second.
    """
    points = max(2, round(grid.seconds * rate_hz)) + 1
    return spread(rng.standard_normal(points), grid)


def smooth(values: Array, width: int) -> Array:
    """Moving Hann average along the first axis; `width` in frames, the ends held."""
    if width < 2:
        return values
    window = np.hanning(width + 2)[1:-1]
    window /= window.sum()
    before = width // 2
    edges = [(before, width - 1 - before)] + [(0, 0)] * (values.ndim - 1)
    padded = np.pad(values, edges, mode="edge")
    columns = padded.reshape(len(padded), -1)
    out = np.stack([np.convolve(column, window, mode="valid") for column in columns.T], axis=1)
    return out.reshape(values.shape)


def place(
    out: Array, grains: Array, starts: NDArray[np.int64], which: NDArray[np.int64], gains: Array
) -> None:
    """Adds grain `which[i]` times `gains[i]` to `out` from sample `starts[i]` on, cutting what
    passes the end.

    grains: [kinds, length]; starts, which, gains: [events], starts non-negative. A plain loop over
    slices: for grains of a few hundred samples it beats every scatter operation in NumPy.
    """
    length = grains.shape[1]
    scratch = np.empty(length)
    for start, kind, gain in zip(starts.tolist(), which.tolist(), gains.tolist(), strict=True):
        room = min(length, len(out) - start)
        if room > 0:
            np.multiply(grains[kind, :room], gain, out=scratch[:room])
            out[start : start + room] += scratch[:room]


def random_phases(rng: np.random.Generator, amplitudes: Array) -> Complex:
    """Complex amplitudes of the given sizes, their phases random."""
    return np.asarray(amplitudes * np.exp(2j * np.pi * rng.random(amplitudes.shape)))


def damped_modes(
    grid: Grid, seconds: float, frequencies_hz: Array, decays_s: Array, states: Complex
) -> Array:
    """Damped sinusoids, [samples in `seconds`]: the real part of sum s exp((2 pi i f - 1 / d) t).

    states: [modes], complex amplitudes s at t = 0. Modes above the Nyquist frequency are left out.
    """
    keep = frequencies_hz < 0.95 * grid.nyquist_hz
    poles = np.asarray(2j * np.pi * frequencies_hz - 1.0 / decays_s, dtype=np.complex128)
    poles /= grid.sample_rate_hz
    return Modes(poles[keep]).ring(states[keep], grid.count(seconds))


class Modes:
    """A bank of damped modes: sums of state exp(pole n) over the modes, for samples n = 0, 1, ...

    With n = i B + j the exponential factors into a part for i and a part for j, so that one small
    matrix product replaces an exponential for every sample and mode.
    """

    BLOCK = 512

    def __init__(self, poles: Complex) -> None:
        self.poles = poles
        self._fine = np.exp(poles[:, None] * np.arange(self.BLOCK))

    def ring(self, states: Complex, samples: int) -> Array:
        """The real part of the sum, [samples]; states: [modes], the modes' values at the first
        sample.
        """
        starts = np.arange(-(-samples // self.BLOCK)) * self.BLOCK
        coarse = np.exp(self.poles * starts[:, None]) * states
        width = min(samples, self.BLOCK)
        fine = self._fine[:, :width]
        return np.asarray((coarse.real @ fine.real - coarse.imag @ fine.imag).ravel()[:samples])


def fade_ends(signal: Array, grid: Grid, seconds: float) -> Array:
    """The last axis faded in and out over `seconds` with half a Hann window, so that a grain does
    not click.
    """
    length = min(grid.count(seconds), signal.shape[-1] // 2)
    if length < 1:
        return signal
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)
    out = signal.copy()
    out[..., :length] *= ramp
    out[..., -length:] *= ramp[::-1]
    return out
