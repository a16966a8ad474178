"""Sounds of the benchmark's ten concepts, rendered from nothing but a name.

A scene is drawn from a clip's name and tags: who speaks, how many dogs, which bell, how far away.
It is rendered to samples and put into words, so that captions and audio agree. All is computed in
float64 and rounded to 16 bits once: the last bits, in which processors differ, are not heard of.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import ArrayLike, NDArray

from lassbench.errors import UsageError, did_you_mean

#: Part of every seed: raise it when a change alters what is rendered.
VERSION = "2"

# How often AudioSet gives each set of labels to a clip of a concept: counted over the 6064 released
# training clips, sets rarer than one in a hundred left out. The labels before the colon are on all
# the clips of their line.
_COUNTED = """
speech Speech + Narration, monologue: 1139 Male speech, man speaking; \
1075 Female speech, woman speaking; 24 Male speech, man speaking + Female speech, woman speaking
laughter Laughter: 186; 23 Baby laughter
applause Applause: 231
dog Bow-wow + Domestic animals, pets: 149 Animal + Dog; 48 Animal + Dog + Yip; 6 Dog; 3 Dog + Yip
dog Bow-wow + Animal + Dog: 11
duck Duck: 129 Animal + Quack; 102 Bird; 75 Quack; 38; 32 Animal; 21 Bird + Goose; 7 Bird + Quack
siren Siren + Emergency vehicle + Police car (siren): 235; 108 Ambulance (siren)
siren Siren + Emergency vehicle + Ambulance (siren): 146; 27 Fire engine, fire truck (siren)
siren Siren + Emergency vehicle + Fire engine, fire truck (siren): 131; 15 Police car (siren); \
13 Police car (siren) + Ambulance (siren)
typing Typing: 346 Computer keyboard; 141
bell Bell: 288
rain Rain: 173; 184 Rain on surface; 32 Raindrop; 70 Rain on surface + Raindrop; 20 Thunder
rain Rain + Thunder + Thunderstorm: 142; 93 Rain on surface; 22 Raindrop
rain Rain + Thunder + Thunderstorm + Raindrop: 30 Rain on surface
rain Thunder: 89; 37 Thunderstorm
vibration Vibration: 365
"""

Array = NDArray[np.float64]
Rng = np.random.Generator


class _Grid(NamedTuple):
    """What a clip is rendered on: rate in Hz, length in samples."""

    rate: int
    samples: int

    @property
    def seconds(self) -> float:
        return self.samples / self.rate

    def time(self, seconds: float | None = None) -> Array:
        """Moments of all samples, or of those of a stretch, in seconds."""
        count = self.samples if seconds is None else max(2, round(seconds * self.rate))
        return np.arange(count) / self.rate


# What renders a sound, [samples]; what is drawn for a scene: its sound, rooms it may be in, facts.
_Sound = Callable[[Rng, _Grid], Array]
_Drawn = tuple[_Sound, str, str]

#: Clips of each set of tags, by concept.
TAG_SETS: dict[str, dict[tuple[str, ...], int]] = {}
for _concept, _shared, _sets in re.findall(r"(\w+) (.*): (.*)\n", _COUNTED):
    for _count, _, _tags in (entry.partition(" ") for entry in _sets.split("; ")):
        _key = tuple(sorted(f"{_shared} + {_tags}".strip(" +").split(" + ")))
        TAG_SETS.setdefault(_concept, {})[_key] = int(_count)
CONCEPTS = tuple(TAG_SETS)


def render(
    concept: str,
    key: str,
    *,
    sample_rate_hz: int = 32000,
    seconds: float = 10.0,
    tags: Sequence[str] = (),
) -> NDArray[np.float32]:
    """One clip, [sample_rate_hz * seconds], mono, samples on the 16-bit grid within +-0.9.

    It is a function of concept, key and the set of tags: the same on every run, in every process,
    for the same NumPy and SciPy; another rate or length keeps the scene. key: any text, such as a
    clip id. tags: AudioSet display names that steer the scene; names that say nothing about this
    concept only change the seed; without tags those of `draw_tags` are taken. Raises UsageError for
    an unknown concept, a rate below 8 kHz or a length below half a second.
    """
    sound, _, names = _scene(concept, key, tags)
    if sample_rate_hz < 8000 or seconds < 0.5:
        raise UsageError(
            "a synthetic clip cannot be this short or this dull",
            where=key,
            expected="at least 8000 Hz and 0.5 s",
            got=f"{sample_rate_hz} Hz, {seconds} s",
            fix="ask for a higher rate or a longer clip",
        )
    grid = _Grid(sample_rate_hz, round(sample_rate_hz * seconds))
    clip = sound(_stream(*names, "sound"), grid)
    return (np.rint(clip * 32768) / 32768).astype(np.float32)


def draw_tags(concept: str, key: str) -> tuple[str, ...]:
    """A plausible set of AudioSet tags for a synthetic clip, drawn as often as AudioSet gives it;
    raises UsageError for an unknown concept.
    """
    if concept not in TAG_SETS:
        raise UsageError(
            f"no synthetic sound for this concept{did_you_mean(concept, TAG_SETS)}",
            where=concept,
            expected=f"one of {', '.join(CONCEPTS)}",
            got=repr(concept),
            fix="use real recordings for other concepts",
        )
    counts = np.array(list(TAG_SETS[concept].values()))
    rng = _stream("lassbench", VERSION, concept, key, "tags")
    return list(TAG_SETS[concept])[int(rng.choice(len(counts), p=counts / counts.sum()))]


def describe(concept: str, key: str, tags: Sequence[str] = (), *, n: int = 5) -> tuple[str, ...]:
    """`n` distinct captions, different in build, true of what `render` makes of the same arguments.

    They are put together from templates, not written by people. Raises UsageError for an unknown
    concept, or for more captions than the templates can make of the clip (some dozens).
    """
    _, facts, names = _scene(concept, key, tags)
    found = _sentences(facts, _stream(*names, "captions"), n)
    if len(found) < n:
        raise UsageError(
            "the templates do not hold that many captions for this clip",
            where=key,
            expected=f"at most {len(found)}",
            got=str(n),
            fix="ask for fewer captions",
        )
    return found


def _scene(concept: str, key: str, tags: Sequence[str]) -> tuple[_Sound, list[str], list[str]]:
    """A clip's recorded sound, what is true of it, and the names that its streams start with."""
    drawn = draw_tags(concept, key)  # refuses unknown concepts
    known = frozenset(tags or drawn)
    names = ["lassbench", VERSION, concept, key, *sorted(known)]
    rng = _stream(*names, "scene")
    sound, rooms, facts = _DRAW[CONCEPTS.index(concept)](rng, known)
    where = _pick(rng, "near near mid far"), _pick(rng, rooms)
    return _recorded(rng, sound, *where), [concept, *facts.split(), *where], names


def _stream(*names: str) -> Rng:
    """An independent random stream for a sequence of names.

    Its seed is the SHA-256 digest of the names, each with its length in front so that ("ab", "c")
    and ("a", "bc") differ. NumPy's compatibility policy fixes PCG64's output for a seed.
    """
    parts = [len(name.encode()).to_bytes(8, "big") + name.encode() for name in names]
    seed = int.from_bytes(hashlib.sha256(b"".join(parts)).digest(), "big")
    return np.random.Generator(np.random.PCG64(seed))


def _pick(rng: Rng, words: str) -> str:
    """One of some words; one that stands there twice is drawn twice as often."""
    return str(rng.choice(words.split()))


def _fit(value: float, low: float, high: float, words: str) -> str:
    """The one of three words, for below, between and above, that fits; "-" says nothing."""
    return words.split()[int(value > low) + int(value > high)]


# Slots of a template take one of the phrases that the scene's facts give; "?" marks what may be
# left out; a template whose other slots have no phrase is not used.
_TEMPLATES = (
    "{who} {does} {how?} {where?} {also?}",
    "{who} {be} {doing} {how?} {where?} {also?}",
    "{adj} {noun} {where?} {also?}",
    "the sound of {who} {doing} {how?} {where?}",
    "there is {adj?} {noun} {where?} {also?}",
    "{where}, {who} {does} {how?}",
    "you can hear {who} {doing} {how?} {where?}",
)
_SLOT = re.compile(r"\{(\w+)(\??)\}")


def _sentences(facts: Sequence[str], rng: Rng, n: int) -> tuple[str, ...]:
    """`n` distinct sentences, or as many as are found; goes round the templates in random order."""
    words: dict[str, list[str]] = {}
    entries = "; ".join(_BOOK[fact].strip() for fact in facts if fact in _BOOK)
    for slot, phrases in re.findall(r"(\w+) ([^;]+)", entries):
        comma = ", " if slot == "also" else ""
        words.setdefault(slot, []).extend(comma + phrase for phrase in phrases.split(", "))
    # The book's verbs are regular: they take "s", and "ing" in place of a last "e".
    ending = "s" if words.setdefault("be", ["is"]) == ["is"] else ""
    words["does"] = [re.sub(r"^\w+", rf"\g<0>{ending}", verb) for verb in words["verb"]]
    words["doing"] = [re.sub(r"^(\w+?)e?\b", r"\1ing", verb) for verb in words["verb"]]

    def fill(slot: re.Match[str]) -> str:
        phrases = words.get(slot[1], [""])
        return "" if slot[2] and rng.random() < 0.5 else phrases[int(rng.integers(len(phrases)))]

    usable = [t for t in _TEMPLATES if all(m[2] or m[1] in words for m in _SLOT.finditer(t))]
    found: dict[str, None] = {}
    for _ in range(20 + min(n, 2000)):
        for index in rng.permutation(len(usable))[: n - len(found)]:
            text = " ".join(_SLOT.sub(fill, usable[index]).split()).replace(" ,", ",")
            found[text[:1].upper() + text[1:]] = None
    return tuple(found)


def _recorded(rng: Rng, sound: _Sound, distance: str, room: str) -> _Sound:
    """A sound as it is recorded: room (reverb_s: its fall by 60 dB), microphone, noise, level."""
    away = ("near", "mid", "far").index(distance)
    reverb_s = rng.uniform(*{"outdoors": (0.05, 0.2), "room": (0.2, 0.6), "hall": (0.9, 1.7)}[room])
    direct_db, background_db = rng.uniform(10, 20) - 7 * away, rng.uniform(-60, -32)
    low_hz, high_hz = rng.uniform(20, 60), rng.uniform(7e3, 15e3) / (1, 1.2, 2.5)[away]
    peak = rng.uniform(0.25, 0.9) / (1, 1, 1.8)[away]

    def recorded(rng: Rng, grid: _Grid) -> Array:
        dry, time, high = sound(rng, grid), grid.time(reverb_s / 2), min(high_hz, 0.45 * grid.rate)
        response = rng.uniform(-1, 1, len(time)) * np.exp(-6.9 * time / reverb_s)
        response *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(response * response))
        response[0] = 1.0
        band = scipy.signal.butter(2, (low_hz, high), "bandpass", fs=grid.rate, output="sos")
        clip = scipy.signal.oaconvolve(dry, scipy.signal.sosfilt(band, response))[: grid.samples]
        clip += np.std(dry) * 10 ** (background_db / 20) * _band(30, high, -0.7)(rng, grid)
        return np.asarray(clip * (np.floor(peak * 32768) / 32768 / np.abs(clip).max()))

    return recorded


class _Pace(NamedTuple):
    """How events come: `every_s`, in runs of so many, with pauses; or a `number` over the clip."""

    every_s: float
    run: tuple[int, int] = (1, 1)
    pause_s: float = 0
    uneven: float = 0.12
    number: int = 0


def _events(rng: Rng, grid: _Grid, pace: _Pace) -> tuple[Array, Array]:
    """Moments in s, the first in the first half second, and their places (0 to 1) in a run."""
    first = min(rng.uniform(0, 0.5), 0.05 * grid.seconds)
    if pace.number:
        slots = np.arange(pace.number) + rng.uniform(-0.2, 0.2, pace.number)
        return first + (slots - slots[0]) * 0.85 * grid.seconds / pace.number, np.zeros(pace.number)
    lengths = rng.integers(*pace.run, int(1.5 * grid.seconds / pace.every_s) + 2, endpoint=True)
    ends, steps = np.cumsum(lengths) - 1, np.repeat(np.maximum(lengths - 1, 1), lengths)
    places = (np.arange(len(steps)) - np.repeat(ends - lengths + 1, lengths)) / steps
    gaps = pace.every_s * np.exp(pace.uneven * rng.standard_normal(len(places)))
    gaps[ends] += pace.pause_s * rng.uniform(0.5, 1.5, len(lengths))
    times = first + np.cumsum(gaps) - gaps
    inside = times < max(grid.seconds - 0.05, first + 1e-6)
    return times[inside], places[inside]


def _scattered(rng: Rng, grid: _Grid, grains: Array, pace: _Pace, melody: float = 0) -> Array:
    """Grains, [rows, length], at the events of a pace; a melody goes down the rows in each run."""
    out, (times, places) = np.zeros(grid.samples), _events(rng, grid, pace)
    rows = rng.uniform(0, 1, len(times)) if not melody else places + rng.normal(0, 0.2, len(times))
    rows = np.clip(rows * len(grains), 0, len(grains) - 1).astype(int)
    gains = np.exp(0.4 * rng.standard_normal(len(times))) * (1 - 0.6 * melody * places)
    # A plain loop over slices: for short grains it beats NumPy's scattering.
    for time, row, gain in zip(times.tolist(), rows.tolist(), gains.tolist(), strict=True):
        stretch = out[round(time * grid.rate) :][: grains.shape[1]]
        stretch += gain * grains[row, : len(stretch)]
    return out


def _mix(layers: Sequence[tuple[float, _Sound]], course: str = "") -> _Sound:
    """The sum of sounds at their levels, which grows or fades over the clip."""
    ends = {"grows": (0.1, 1), "fades": (1, 0.1)}.get(course, (1, 1))

    def mixed(rng: Rng, grid: _Grid) -> Array:
        total = sum(level * sound(rng, grid) for level, sound in layers)
        return np.asarray(total * np.linspace(*ends, grid.samples))

    return mixed


def _gated(sound: _Sound, pace: _Pace, rise_s: float, hold_s: float, decay_s: float) -> _Sound:
    """A sound that swells, holds and dies away at every event."""

    def gated(rng: Rng, grid: _Grid) -> Array:
        moments = np.linspace(0, grid.seconds, int(200 * grid.seconds))
        past = moments - _events(rng, grid, pace)[0][:, None]
        swells = np.clip(past / rise_s, 0, 1) * np.exp(-np.maximum(past - hold_s, 0) / decay_s)
        level = np.sum(swells * rng.uniform(0.5, 1, (len(past), 1)), axis=0)
        return np.asarray(sound(rng, grid) * np.interp(grid.time(), moments, level))

    return gated


def _band(low_hz: float, high_hz: float, slope: float = 0) -> _Sound:
    """Noise of unit RMS: a band with slopes of 12 dB an octave, tilted by f ** slope."""

    def noise(rng: Rng, grid: _Grid) -> Array:
        size = scipy.fft.next_fast_len(grid.samples, real=True)
        f = np.geomspace(1, grid.rate / 2, 500)
        curve = f**slope / np.sqrt((1 + (low_hz / f) ** 4) * (1 + (f / high_hz) ** 4))
        level = np.interp(scipy.fft.rfftfreq(size, 1 / grid.rate), f, curve)
        spectrum = level * rng.uniform(-1, 1, (len(level), 2)).view(np.complex128)[:, 0]
        out = scipy.fft.irfft(spectrum, size)[: grid.samples]
        return np.asarray(out / np.std(out))

    return noise


def _harmonics(grid: _Grid, hz: Array, levels: Callable[[Array], Array]) -> Array:
    """A tone of peak 1 that follows a frequency, [..., samples], with at most 60 harmonics.

    levels: those of harmonics 1, 2 ... One period is a table that is read at the tone's phase.
    """
    order = np.arange(1.0, max(1, min(60, int(0.45 * grid.rate / hz.max()))) + 1)
    spectrum = np.zeros(2049, dtype=np.complex128)
    # Phases that grow with the square of the order keep the pulse from being a lone spike.
    spectrum[1 : len(order) + 1] = levels(order) * np.exp(1j * (0.35 * order + 0.02 * order**2))
    table = scipy.fft.irfft(spectrum, 4096)
    table = np.append(table, table[0]) / np.abs(table).max()
    position = np.cumsum(hz, axis=-1) * (4096 / grid.rate) % 4096
    index = np.minimum(position.astype(np.intp), 4095)
    return np.asarray(table[index] + (position - index) * np.diff(table)[index])


def _knocks(hz: ArrayLike, decay: ArrayLike, level: ArrayLike, pace: _Pace, tick: float) -> _Sound:
    """Things that are struck: damped modes and a tick of noise, in 24 variants, a bell in one.

    hz: ranges of the modes' frequencies, [modes, 2]; decay in s, level: [modes]. A knock is the sum
    over its modes of level exp(-t / decay) sin(2 pi f t). With sample 128 i + j the exponential
    factors into a part for i and a part for j: a small matrix product.
    """

    def knocks(rng: Rng, grid: _Grid) -> Array:
        low, high = np.transpose(hz)
        modes = rng.uniform(low, high, (24 if np.max(decay) < 0.05 else 1, len(low)))
        loud = np.multiply(level, modes < 0.47 * grid.rate) * rng.uniform(0.5, 1, modes.shape)
        decay_s = np.multiply(decay, rng.uniform(0.7, 1.4, modes.shape))
        time = grid.time(min(max(5 * np.max(decay), 0.01), grid.seconds))
        poles = (2j * np.pi * modes - 1 / decay_s)[..., None] / grid.rate
        coarse = loud[..., None] * np.exp(poles * np.arange(0, len(time), 128))
        slow, fast = coarse.swapaxes(1, 2), np.exp(poles * np.arange(128))
        grains = slow.real @ fast.imag + slow.imag @ fast.real
        grains = grains.reshape(len(modes), -1)[:, : len(time)]
        grains += tick * rng.uniform(-1, 1, grains.shape) * np.exp(-time / 0.0015)
        grains *= np.minimum(time / 0.0003, 1) * np.minimum((time[-1] - time) / 0.003, 1)
        return _scattered(rng, grid, grains / np.abs(grains).max(axis=1, keepdims=True), pace)

    return knocks


# Pitch in Hz, scale of the mouth's resonances, length of a call in s, share of breath, hoarseness
# (depth of the period doubling), exponent of the source's harmonics, and the mouth.
_CALLS = {
    "man": ((82, 150), 1.0, (0.2, 0.3), 0.06, 0.0, 1.1, "vowels"),
    "woman": ((172, 255), 1.18, (0.2, 0.3), 0.1, 0.0, 1.2, "vowels"),
    "laughing-man": ((140, 240), 1.0, (0.14, 0.19), 0.25, 0.0, 1.3, "laugh"),
    "laughing-woman": ((260, 420), 1.16, (0.14, 0.19), 0.25, 0.0, 1.3, "laugh"),
    "laughing-baby": ((420, 640), 1.7, (0.13, 0.18), 0.15, 0.0, 1.3, "laugh"),
    "large": ((170, 330), 1.0, (0.16, 0.3), 0.35, 0.6, 1.2, "bark"),
    "medium": ((330, 560), 1.35, (0.12, 0.22), 0.3, 0.5, 1.2, "bark"),
    "small": ((560, 900), 1.8, (0.09, 0.16), 0.25, 0.3, 1.2, "bark"),
    "yip": ((900, 1600), 2.3, (0.06, 0.11), 0.1, 0.0, 1.2, "bark"),
    "goose": ((280, 420), 1.0, (0.25, 0.45), 0.12, 0.1, 0.45, "honk"),
    "hen": ((190, 330), 1.0, (0.13, 0.26), 0.12, 0.1, 0.45, "quack"),
    "drake": ((130, 230), 1.0, (0.09, 0.18), 0.5, 0.5, 0.45, "quack"),
}
# Relative pitch at a call's start, at 0.3 of it and at its end (a goose's voice breaks upwards);
# widths of the resonances as a share of their frequencies; these in Hz, for one shape of the mouth
# or several (vowels of an adult man: Peterson and Barney 1952).
_MOUTHS = {
    "vowels": ((1, 1.05, 0.95), 0.05, "270 2290 3010, 530 1840 2480, 730 1090 2440, 300 870 2240"),
    "laugh": ((0.9, 1.1, 0.8), 0.08, "730 1090 2440"),
    "bark": ((0.65, 1, 0.6), 0.2, "560 1150 2100"),
    "honk": ((1, 1.6, 1.4), 0.25, "800 1400 2500"),
    "quack": ((1, 1.1, 0.8), 0.2, "1250 2350 3500"),
}


def _voice(rng: Rng, kind: str, pace: _Pace, melody: float = 0) -> _Sound:
    """One voice's calls, sixteen that are alike but never the same: a buzzing source through
    resonances that move. melody: spread of their pitches, which fall with the level in each run.
    """
    pitch, mouth_scale, length, breath, rough, slope, mouth = _CALLS[kind]
    pitch_hz, length_s = rng.uniform(*pitch), min(rng.uniform(*length), pace.every_s)
    pitches, width, text = _MOUTHS[mouth]
    shapes = np.array([row.split() for row in text.split(",")], dtype=np.float64)
    shapes *= mouth_scale * rng.uniform(0.9, 1.1)

    def voice(rng: Rng, grid: _Grid) -> Array:
        u = grid.time(length_s) / length_s / rng.uniform(0.75, 0.98, (16, 1))
        hz = pitch_hz * np.interp(u, (0, 0.3, 1), pitches) * rng.uniform(0.93, 1.07, (16, 1))
        hz *= np.linspace(1 + melody / 2, 1 - melody / 2, 16)[:, None]
        source = _harmonics(grid, hz, lambda order: order**-slope)
        if rough:
            source *= 1 + rough * np.cos(np.pi * np.cumsum(hz, axis=1) / grid.rate)
        source += breath * (rng.uniform(-1, 1, u.shape) - source)
        source *= np.interp(u, (0, 0.12, 0.5, 0.85, 1), (0, 1, 0.8, 0.25, 0))
        size = scipy.fft.next_fast_len(u.shape[1] + grid.rate // 100, real=True)
        f = np.maximum(scipy.fft.rfftfreq(size, 1 / grid.rate), 20)
        spectra, calls = scipy.fft.rfft(source, size), np.zeros(u.shape)
        for share in (np.clip(1 - u, 0, 1), np.clip(u, 0, 1)):
            # The powers of three resonances and of a weak direct path. With centre c and -3 dB
            # width w a resonance is a series RLC circuit's: 1 / (1 + ((f^2 - c^2) / (f w))^2).
            shape = shapes[rng.integers(len(shapes), size=16)] * rng.uniform(0.93, 1.07, (16, 3))
            power = np.tile(0.001 / (1 + (f / 1500) ** 4), (16, 1))
            for number, c in enumerate(shape.T[..., None]):
                power += 0.4**number / (1 + ((f - c * c / f) / (60 + width * c)) ** 2)
            calls += share * scipy.fft.irfft(spectra * np.sqrt(power), size)[:, : u.shape[1]]
        calls /= np.abs(calls).max(axis=1, keepdims=True)
        if mouth == "vowels":  # many syllables start with a consonant's friction
            loud = np.maximum(rng.uniform(-0.1, 0.2, (16, 1)), 0)
            hiss = np.diff(rng.uniform(-1, 1, u.shape), prepend=0)
            calls += loud * hiss * np.interp(u, (0, 0.06, 0.15, 0.3), (0, 1, 1, 0))
        return _scattered(rng, grid, calls, pace, melody)

    return voice


def _speech(rng: Rng, tags: frozenset[str]) -> _Drawn:
    """One or two speakers: nothing is said, but voice, melody, pace and pauses are speech's."""
    by_tag = {"man": "Male speech, man speaking", "woman": "Female speech, woman speaking"}
    who = [person for person, tag in by_tag.items() if tag in tags] or [_pick(rng, "man woman")]
    rate_hz, pause_s, melody = rng.uniform(2.8, 6), rng.uniform(0.1, 0.9), rng.uniform(0.03, 0.4)
    pace = _Pace(1 / rate_hz, (4, 11), pause_s, 0.15)
    voices = [_voice(rng, person, pace, melody) for person in who]
    facts = [_fit(rate_hz, 3.8, 5, "slow even fast"), _fit(melody, 0.12, 0.26, "flat calm lively")]
    facts += ["-and-".join(who), _fit(pause_s, 0.3, 0.6, "- - halting")]
    facts += ["narration"] * ("Narration, monologue" in tags and len(who) == 1)
    return _mix([(1, voice) for voice in voices]), "room room room hall outdoors", " ".join(facts)


def _laughter(rng: Rng, tags: frozenset[str]) -> _Drawn:
    """Bouts of breathy calls, 4 to 6 a second, that fall in pitch, of one or several people."""
    size, every_s, pause_s = _pick(rng, "1 1 1 2 5 5"), rng.uniform(0.16, 0.25), rng.uniform(0.2, 1)
    people = [_pick(rng, "man woman") for _ in range(int(size))]
    people = ["baby"] if "Baby laughter" in tags else people
    pace = _Pace(every_s, (4, 12), pause_s)
    voices = [(rng.uniform(0.5, 1), _voice(rng, f"laughing-{p}", pace, 0.5)) for p in people]
    flow = _fit(pause_s, 0.4, 0.8, "- again bursts")
    facts = f"{people[0]} {flow}" if len(people) == 1 else f"people-{size}"
    facts += " " + _fit(every_s, 0.185, 0.215, "giggle chuckle hearty")
    return _mix(voices), "room room room hall outdoors", facts


def _applause(rng: Rng, tags: frozenset[str]) -> _Drawn:
    """Claps of some hands, and a wash of noise for the rest of a crowd."""
    size = _pick(rng, "one few few group group group group crowd crowd crowd crowd crowd crowd")
    span = {"one": (1, 1), "few": (3, 6), "group": (10, 30), "crowd": (40, 50)}[size]
    hands, rate_hz, cupped = rng.uniform(*span), rng.uniform(2.4, 5), rng.uniform(0.75, 1.35)
    course = _pick(rng, "constant constant grows fades") if hands > 6 else "constant"
    wash = (size == "crowd") * rng.uniform(0.1, 0.5), _band(500 * cupped, 2500 * cupped)
    pace = _Pace(1 / (hands * rate_hz), uneven=0.06 if hands == 1 else 1)
    claps = _knocks(
        [(600 * cupped, 2600 * cupped)] * 3, [0.002, 0.003, 0.004], [1, 1, 1], pace, 0.5
    )
    facts = f"{size} {_fit(rate_hz, 3, 4.2, 'slow - fast')} {course}"
    return _mix([wash, (1, claps)], course), "hall hall hall room outdoors", facts


def _dog(rng: Rng, tags: frozenset[str]) -> _Drawn:
    """Barks and yips: short hoarse calls whose pitch jumps up and falls."""
    size = "yip" if "Yip" in tags else _pick(rng, "large medium small")
    dogs = int(_pick(rng, "1 1 1 1 2 3"))
    how = _pick(rng, "spaced bursts bursts rapid rapid" + " counted" * (dogs == 1))
    pace = {
        "spaced": _Pace(rng.uniform(0.7, 1.2)),
        "bursts": _Pace(rng.uniform(0.28, 0.45), (2, 5), rng.uniform(0.5, 1)),
        "rapid": _Pace(rng.uniform(0.2, 0.36)),
        "counted": _Pace(1, number=int(rng.integers(1, 5))),
    }[how]
    voices = [(rng.uniform(0.5, 1), _voice(rng, size, pace)) for _ in range(dogs)]
    facts = f"{'yips' if size == 'yip' else 'barks'} dogs-{dogs} {size if dogs == 1 else ''}"
    facts += f" {how}-{pace.number}" if pace.number else f" {how}" if dogs == 1 else ""
    return _mix(voices), "outdoors outdoors outdoors room room hall", facts


def _duck(rng: Rng, tags: frozenset[str]) -> _Drawn:
    """Nasal calls with many harmonics: series of quacks, hoarse drakes, honks of geese."""
    kind = "goose" if "Goose" in tags else "hen" if "Quack" in tags else _pick(rng, "hen drake")
    flock, pause_s = int(_pick(rng, "1 1 2 5")), rng.uniform(0.2, 1.2)
    every_s = rng.uniform(*{"goose": (0.5, 0.9), "hen": (0.27, 0.5), "drake": (0.18, 0.4)}[kind])
    pace = _Pace(every_s, (1, int(rng.integers(3, 10))), pause_s)
    voices = [(rng.uniform(0.5, 1), _voice(rng, kind, pace, 0.1)) for _ in range(flock)]
    facts = f"{kind} {'geese' if kind == 'goose' else 'ducks'}-{flock}"
    facts += " " + _fit(pause_s, 0.5, 0.8, "again - spaced") if flock == 1 else ""
    return _mix(voices), "outdoors outdoors outdoors outdoors room", facts


# Whose it is; lower frequency in Hz, ratio of the upper one to it, cycles a second.
_SIRENS = {
    "yelp": ("Police car (siren)", (550, 800), (1.8, 2.4), (2.4, 4.6)),
    "trill": ("Police car (siren)", (600, 900), (1.8, 2.3), (9, 14)),
    "two-tone": ("Ambulance (siren)", (400, 700), (1.18, 1.42), (0.5, 1.2)),
    "wail": ("Fire engine, fire truck (siren)", (450, 700), (2, 2.6), (0.12, 0.3)),
}


def _siren(rng: Rng, tags: frozenset[str]) -> _Drawn:
    """Sweeping chirps with harmonics, from a loudspeaker that ends at some kilohertz."""
    tagged = [name for name, row in _SIRENS.items() if row[0] in tags]
    pattern = _pick(rng, " ".join(tagged or _SIRENS))
    low_hz, ratio, rate_hz = (rng.uniform(*span) for span in _SIRENS[pattern][1:])
    course, harsh = _pick(rng, "level level grows fades"), rng.uniform(1, 2)

    def siren(rng: Rng, grid: _Grid) -> Array:
        cycle = (grid.time() * rate_hz + rng.random()) % 1
        height = np.interp(cycle, (0, 0.35 if rate_hz < 1 else 0.5, 1), (0, 1, 0))
        height = np.rint(height) if pattern == "two-tone" else height * height * (3 - 2 * height)
        return _harmonics(grid, low_hz * ratio**height, lambda k: k**-harsh / (1 + (k / 6) ** 3))

    vehicle = _SIRENS[pattern][0].split()[0].lower() if tagged else "any"
    return _mix([(1, siren)], course), "outdoors", f"{vehicle} {pattern} {course}"


# Resonances of keys and board in Hz; decay of the keys in s; levels of the board and of the tick.
_KEYBOARDS = {
    "clicky": ((2200, 5200), (280, 700), 0.005, 0.5, 0.6),
    "dull": ((1100, 3200), (160, 420), 0.004, 1.2, 0.4),
    "typewriter": ((1500, 4500), (110, 300), 0.014, 1.8, 1.0),
}


def _typing(rng: Rng, tags: frozenset[str]) -> _Drawn:
    """Clicks in bursts, ringing in the keys, the board and the desk."""
    computer = "Computer keyboard" in tags
    kind = _pick(rng, "clicky dull" + " typewriter" * (not computer))
    keys, board, ring_s, boom, tick = _KEYBOARDS[kind]
    every_s, run, pause_s = rng.uniform(0.09, 0.42), int(rng.integers(4, 40)), rng.uniform(0.2, 1.1)
    modes = (keys, keys, keys, board), (ring_s, ring_s, ring_s, 0.012), (0.6, 0.5, 0.4, boom)
    pace = _Pace(every_s, (run // 2, run), pause_s, 0.3)
    flow = "bursts" if run < 12 else _fit(pause_s, 0.4, 0.8, "- - halting")
    facts = f"{kind} {_fit(every_s, 0.16, 0.26, 'fast even slow')} {'computer' * computer} {flow}"
    return _knocks(*modes, pace, tick), "room room room hall", facts


# Ratios of the modes to the strike note. Church: hum, prime, tierce, quint, nominal and above of a
# tuned bell; tube: a bar free at both ends, (2n + 1)^2 / 9 (Rossing and Fletcher, The Physics of
# Musical Instruments, chapters 21 and 19).
_CHURCH, _TUBE = (1, 0.5, 1.2, 1.5, 2, 2.5, 3, 4.17), (1, 2.756, 5.404, 8.933)
_CUP = (1, 2.67, 2.71, 4.9, 5.3, 7.6)
# Modes; note in Hz; decay in s; strikes a second; their unevenness; number of bells.
_BELLS = {
    "church": (_CHURCH, (170, 560), (1.2, 3), (0.4, 0.9), 0.04, 1),
    "peal": (_CHURCH, (300, 620), (0.8, 2), (0.5, 1), 0.04, 4),
    "hand": (_CUP, (500, 1500), (0.25, 0.9), (3, 6.5), 0.1, 1),
    "desk": (_CUP, (1500, 3300), (0.5, 1.6), (0.3, 1), 0, 1),
    "alarm": (_CUP, (700, 1700), (0.15, 0.4), (11, 22), 0.01, 1),
    "chime": (_TUBE, (260, 900), (0.9, 2.4), (0.2, 0.7), 0.5, 5),
}


def _bell(rng: Rng, tags: frozenset[str]) -> _Drawn:
    """Inharmonic damped modes, struck a counted number of times or again and again."""
    kind = _pick(rng, "church church church peal hand hand desk desk alarm")
    kind = "chime" if "Chime" in tags else "church" if "Church bell" in tags else kind
    ratios, note, decay, rate, uneven, bells = _BELLS[kind]
    note_hz, decay_s, rate_hz = rng.uniform(*note), rng.uniform(*decay), rng.uniform(*rate)
    count = int(rng.integers(1, 6)) if kind == "desk" else 0
    pace, ratio, cast = _Pace(1 / rate_hz, uneven=uneven, number=count), np.array(ratios), []
    for step in rng.permutation(12)[:bells]:
        hz = note_hz * 2 ** (-step / 12) * ratio * rng.normal(1, 0.004, len(ratio))
        # No bell is quite round: every mode is a pair that beats.
        pairs = np.append(hz, hz + rng.uniform(0.2, 1.6, len(hz)))
        modes = np.stack([pairs, pairs], axis=1), decay_s * np.tile(ratio, 2) ** -0.8
        cast.append((1, _knocks(*modes, np.tile(ratio**-0.6, 2), pace, 0.1)))
    again = "constant" if rate_hz > 9 else _fit(rate_hz, 1, 2.5, "slow again fast")
    pitch = _fit(note_hz, 350, 1500, "deep clear high")
    facts = f"{kind} {pitch} {f'counted-{count}' if count else again} {'single' * (bells == 1)}"
    return _mix(cast), "outdoors outdoors room room hall", facts


# Tone of a drop in Hz, its decay in s, and the level of its tick, by what it hits.
_SURFACES = {
    "roof": ((1200, 5200), 0.006, 0.6),
    "leaves": ((1800, 6500), 0.0015, 3.0),
    "puddle": ((900, 4200), 0.008, 0.1),
}


def _rain(rng: Rng, tags: frozenset[str]) -> _Drawn:
    """A hiss of countless drops, single drops on what they hit, and thunder: low rolling noise."""
    thunder, on = bool(tags & {"Thunder", "Thunderstorm"}), "Rain on surface" in tags
    weight = "drops" if "Raindrop" in tags else _pick(rng, "light steady heavy")
    surface, course = _pick(rng, " ".join(_SURFACES)), _pick(rng, "level level level grows fades")
    hz, decay_s, tick = _SURFACES[surface]
    rates = {"drops": (1.5, 5), "light": (20, 50), "steady": (50, 150), "heavy": (100, 250)}
    pace = _Pace(1 / rng.uniform(*rates[weight]), uneven=1)
    level = rng.uniform(8, 16) if weight == "drops" else rng.uniform(2, 5) if on else 1
    hiss = _band(rng.uniform(60, 400), rng.uniform(5e3, 13e3), rng.uniform(-0.8, -0.1))
    rain = _mix([(1, hiss), (level, _knocks([hz], [decay_s], [1], pace, tick))], course)
    facts = f"{weight} on-{surface}" if on else weight
    close = _pick(rng, "close rolling rolling")
    corner_hz, rise_s = (300, 0.03) if close == "close" else (150, 0.2)
    rumble, rolls = _band(22, rng.uniform(0.5, 1.5) * corner_hz), _Pace(0.35, (3, 7), 2, 0.4)
    roll = _gated(rumble, rolls, rise_s, 0.1, rng.uniform(0.3, 0.9))
    if thunder and not tags & {"Rain", "Rain on surface", "Raindrop"}:
        return roll, "outdoors", f"{close}-thunder"
    storm = _mix([(1, rain), (rng.uniform(2, 5), roll)])
    return storm if thunder else rain, "outdoors", f"{facts} {close if thunder else course}"


# Rotation or buzz in Hz; end of the overtones in Hz.
_MACHINES = {
    "hum": ((28, 120), (150, 900)),
    "engine": ((9, 34), (250, 1500)),
    "phone": ((130, 220), (500, 2500)),
    "motor": ((45, 110), (400, 2500)),
}


def _vibration(rng: Rng, tags: frozenset[str]) -> _Drawn:
    """Low hums with a beat, engine pulses, a phone's buzz in bursts."""
    kind = _pick(rng, "hum hum engine engine phone phone motor")
    rate_hz, top_hz = (rng.uniform(*span) for span in _MACHINES[kind])
    beat_hz, beat, on_s = rng.uniform(0.8, 12), rng.uniform(0.1, 0.7), rng.uniform(0.25, 1.2)
    slope, blow = rng.uniform(0.2, 1), rng.uniform(0.03, 0.25)
    course = _pick(rng, "constant constant faster slower")
    bend, top = {"faster": (1, 1.8), "slower": (1.8, 1)}.get(course, (1, 1)), top_hz / rate_hz

    def tone(rng: Rng, grid: _Grid) -> Array:
        hz = rate_hz * np.linspace(*bend, grid.samples)
        hum = _harmonics(grid, hz, lambda k: k**-slope / (1 + (k / top) ** 2))
        air = blow * np.std(hum) * _band(100, top_hz)(rng, grid)
        wave = np.sin(2 * np.pi * (beat_hz * grid.time() + rng.random()))
        return np.asarray((hum + air * (1 + hum)) * (1 + beat * wave))

    buzz = _gated(tone, _Pace(1.6 * on_s + 0.15, uneven=0.02), 0.03, on_s, 0.02)
    sound, how = (buzz, "bursts") if kind == "phone" else (tone, course)
    return sound, "room outdoors", f"{kind} {how}"


_DRAW = (_speech, _laughter, _applause, _dog, _duck, _siren, _typing, _bell, _rain, _vibration)

# What each fact puts into the slots of the templates: fact: slot phrase, phrase; slot phrase.
_PHRASES = """
near: where nearby, close by | far: where in the distance, far away, some way off
outdoors: where outdoors, outside | room: where indoors, in a room | hall: where in a hall
slow: adj slow, unhurried; how slowly, at a slow pace | even: how steadily, at an even pace
fast: adj fast, rapid; how fast, quickly, rapidly | bursts: how in short bursts, on and off
again: adj repeated; how repeatedly, over and over | spaced: how now and then, at intervals
constant: adj continuous; how continuously, without a break | halting: also with long pauses
counted-1: how once, a single time | counted-2: how twice, two times | counted-3: how three times
counted-4: how four times | counted-5: how five times | deep: adj deep, low | high: adj high, bright
grows: also getting louder, growing louder | fades: also getting quieter, fading away
man: who a man, an adult male, someone | woman: who a woman, an adult female, someone
baby: who a baby, an infant; noun baby laughter | speech: verb speak, talk; noun speech, talking
man-and-woman: who a man and a woman, a woman and a man; be are; adj mixed | giggle: verb giggle
narration: verb narrate; noun narration | flat: adj monotonous; how in a flat tone
calm: adj calm; how calmly | lively: adj lively; how in a lively tone | hearty: adj hearty, slow
laughter: verb laugh; noun laughter, laughing | chuckle: verb chuckle | dogs-1: who a dog
people-2: who two people; be are; verb laugh together; adj shared | one: who one person; adj sparse
people-5: who several people, a few people; be are; verb laugh together; how at once; adj loud
applause: verb applaud; noun clapping, clapping of hands | medium: who a medium-sized dog
few: who a few people, several people; be are; adj sparse, thin | dogs-3: who three dogs; be are
group: who a small audience, a group of people; adj light; noun applause
crowd: who a large crowd, a big audience; adj loud, dense; noun applause
barks: verb bark; noun dog barking, barking | large: who a large dog, a big dog; adj deep
yips: verb yelp; noun dog yelping, yipping; adj shrill | yip: who a small dog, a tiny dog; adj high
rapid: adj rapid; how rapidly, without stopping | small: who a small dog, a little dog; adj high
dogs-2: who two dogs, a pair of dogs; be are | ducks-1: who a duck, one duck | geese-1: who a goose
hen: verb quack; noun duck quacking, quacking; adj nasal | geese-2: who two geese; be are
drake: verb quack; noun duck quacking, quacking; adj hoarse | geese-5: who a flock of geese; be are
goose: verb honk; noun goose honking, honking; adj loud | any: who a siren
ducks-2: who two ducks, a pair of ducks; be are | police: who a siren, a police siren
ducks-5: who a flock of ducks, several ducks; be are | ambulance: who a siren, an ambulance siren
siren: verb sound, blare; noun siren noise, blaring of a siren | wail: verb wail; adj slow, wailing
fire: who a siren, a fire truck siren | trill: verb trill, warble; adj trilling
yelp: verb yelp, whoop; adj yelping, rapid; how in quick sweeps | clicky: adj clicking
two-tone: adj two-tone, high-low; how in two tones | dull: adj dull, muffled
typing: who someone, a person, somebody; verb type, strike the keys; noun typing, typing on keys
computer: verb type on a computer keyboard; noun typing on a computer keyboard
typewriter: verb type on a typewriter; noun typing on a typewriter; adj heavy, clattering
alarm: who an alarm bell | bell: verb ring | single: noun ringing of a bell
church: who a church bell, a tower bell; verb toll | hand: who a hand bell, a small bell
peal: who church bells, several bells; be are; verb peal; noun pealing of bells
desk: who a desk bell, a service bell | on-roof: where on a tin roof
chime: who chimes, chime bells; be are; verb chime; noun chiming of bells
light: who rain; verb fall lightly, drizzle; adj light, gentle; noun rain, drizzle
steady: who rain; verb fall, come down; adj steady; noun rain, rainfall
heavy: who rain; verb pour down, fall hard; adj heavy, strong; noun rain
drops: who raindrops; be are; verb fall, patter; adj slow; noun dripping of rain; how one by one
on-puddle: where on a puddle | on-leaves: where on leaves | close: also with cracks of thunder
rolling: also with rumbling thunder, as thunder rolls | vibration: verb vibrate; noun vibration
rolling-thunder: who thunder; verb rumble, roll; adj low, deep; noun thunder, rolling thunder
close-thunder: who thunder; verb crack, boom; adj loud, sharp; noun thunder, cracking thunder
hum: who something, a machine; verb drone | motor: who a motor; verb whirr
engine: who an engine, a motor; verb rumble, shake; adj throbbing
phone: who a phone, a mobile phone; adj pulsing; noun buzzing of a phone
faster: also speeding up, rising in pitch | slower: also slowing down, falling in pitch
"""
_BOOK = dict(re.findall(r"([\w-]+): ([^|\n]+)", _PHRASES))
