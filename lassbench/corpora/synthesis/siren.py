"""Sirens of emergency vehicles: yelp and wail, two-tone, slow mechanical wail with air horn;
standing or driving by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lassbench.corpora.synthesis.captions import Grammar, either, place_phrases, times_word
from lassbench.corpora.synthesis.signals import (
    Array,
    Grid,
    band,
    between,
    chance,
    fade_ends,
    frame_times,
    harmonics_below,
    log_between,
    noise,
    phase_of,
    pick,
    read_table,
    spread,
    unit_rms,
    wander,
    wave_table,
)
from lassbench.corpora.synthesis.space import Space, draw_space

POLICE, AMBULANCE, FIRE = (
    "Police car (siren)",
    "Ambulance (siren)",
    "Fire engine, fire truck (siren)",
)
# Speed of sound in m/s at 20 degrees Celsius, for the Doppler shift.
_SOUND_MPS = 343.0
# Which patterns a vehicle uses. Ambulances have the two-tone horn, fire engines the slow wail,
# police the fast ones.
_PATTERNS: Mapping[str, Mapping[str, float]] = {
    "police car": {"yelp": 0.5, "switch": 0.35, "phaser": 0.15},
    "ambulance": {"hi-lo": 1.0},
    "fire engine": {"wail": 0.65, "mechanical": 0.35},
}


@dataclass(frozen=True)
class Siren:
    """One vehicle's siren: sweeps or steps between two frequencies, `rate_hz` cycles a second.

    harshness: exponent of its harmonics, less is harsher. motion: still, passing, coming or
    leaving, at speed_mps.
    """

    vehicle: str
    pattern: str
    low_hz: float
    high_hz: float
    rate_hz: float
    harshness: float
    motion: str
    speed_mps: float


@dataclass(frozen=True)
class Sirens:
    """One or two emergency vehicles. blasts: how often a fire engine sounds its air horn. named:
    the tags name it.
    """

    sirens: tuple[Siren, ...]
    blasts: int
    traffic_db: float
    named: bool
    space: Space

    @classmethod
    def draw(cls, rng: np.random.Generator, tags: frozenset[str]) -> Sirens:
        """A random scene that fits the tags."""
        by_tag = {POLICE: "police car", AMBULANCE: "ambulance", FIRE: "fire engine"}
        vehicles = [vehicle for tag, vehicle in by_tag.items() if tag in tags]
        named = bool(vehicles)
        vehicles = vehicles or [pick(rng, list(_PATTERNS))]
        sirens = tuple(_draw_siren(rng, vehicle) for vehicle in vehicles)
        return cls(
            sirens=sirens,
            blasts=int(rng.integers(1, 4))
            if "fire engine" in vehicles and chance(rng, 0.45)
            else 0,
            traffic_db=between(rng, -34.0, -16.0),
            named=named,
            space=draw_space(rng, rooms={"outdoors": 1.0}, far=0.3),
        )

    def sound(self, rng: np.random.Generator, grid: Grid) -> Array:
        """The dry sound, [samples]."""
        out = np.zeros(grid.samples)
        for siren in self.sirens:
            out += _render(siren, rng, grid)
        out = unit_rms(out)
        for _ in range(self.blasts):
            _add_horn(out, rng, grid)
        traffic = noise(rng, grid, band(45, 500, order=1)) * (1.0 + 0.3 * wander(rng, grid, 1.5))
        return np.asarray(out + 10 ** (self.traffic_db / 20) * traffic)

    def grammar(self) -> Grammar:
        """Sentences that are true of the scene."""
        return Grammar(_PATTERNS_ONE if len(self.sirens) == 1 else _PATTERNS_MANY, _slots(self))


def _draw_siren(rng: np.random.Generator, vehicle: str) -> Siren:
    pattern = pick(rng, _PATTERNS[vehicle])
    low, high, rate = {
        "wail": (between(rng, 450, 700), between(rng, 1100, 1700), log_between(rng, 0.12, 0.3)),
        "mechanical": (between(rng, 200, 320), between(rng, 700, 1000), log_between(rng, 0.1, 0.2)),
        "yelp": (between(rng, 550, 800), between(rng, 1200, 1750), log_between(rng, 2.4, 4.6)),
        "switch": (between(rng, 550, 750), between(rng, 1200, 1700), log_between(rng, 2.4, 4.2)),
        "phaser": (between(rng, 600, 900), between(rng, 1300, 1900), log_between(rng, 9, 16)),
        "hi-lo": (between(rng, 380, 720), 0.0, log_between(rng, 0.5, 1.2)),
    }[pattern]
    if pattern == "hi-lo":
        high = low * between(rng, 1.18, 1.42)
    motion = pick(rng, {"still": 0.4, "passing": 0.25, "coming": 0.15, "leaving": 0.2})
    return Siren(
        vehicle=vehicle,
        pattern=pattern,
        low_hz=low,
        high_hz=high,
        rate_hz=rate,
        harshness=between(rng, 0.7, 1.6),
        motion=motion,
        speed_mps=0.0 if motion == "still" else between(rng, 9, 25),
    )


def _render(siren: Siren, rng: np.random.Generator, grid: Grid) -> Array:
    """One siren as heard, [samples]: its sweep, its drive past, its loudspeaker's harmonics."""
    time = frame_times(grid, 1000)
    distance = _distance_m(siren, time, rng, grid)
    speed = np.gradient(distance, time)
    heard = _sweep(siren, time, rng) * (_SOUND_MPS / (_SOUND_MPS + speed))
    count = harmonics_below(0.9 * grid.nyquist_hz, float(heard.max()), 14)
    order = np.arange(1, count + 1)
    # Even harmonics are weaker (a clipped wave is nearly symmetric), and a horn loudspeaker ends at
    # some kilohertz.
    amplitude = order**-siren.harshness * np.where(order % 2 == 0, between(rng, 0.2, 0.9), 1.0)
    amplitude /= 1.0 + (order * float(heard.mean()) / between(rng, 2500, 6000)) ** 3
    table = wave_table(amplitude, rng.uniform(0, 2 * np.pi, count))
    tone = read_table(table, phase_of(spread(heard, grid), grid.sample_rate_hz))
    return np.asarray(
        tone * spread(distance.min() / distance, grid) * (0.9 + 0.1 * wander(rng, grid, 6.0))
    )


def _sweep(siren: Siren, time: Array, rng: np.random.Generator) -> Array:
    """The siren's own frequency in Hz at the given times."""
    cycle = time * siren.rate_hz
    if siren.pattern == "hi-lo":
        # Two steady tones; the switch takes a few milliseconds.
        edge = np.clip(np.sin(2 * np.pi * (cycle + between(rng, 0, 1))) * 40, -1, 1)
        return np.asarray(
            0.5 * (siren.low_hz + siren.high_hz + (siren.high_hz - siren.low_hz) * edge)
        )
    if siren.pattern == "switch":
        # Wail at first, yelp from some moment on: the cycle runs on, only its speed changes.
        turn = between(rng, 0.3, 0.7) * float(time[-1])
        slow = siren.rate_hz / 14.0
        cycle = np.where(time < turn, slow * time, slow * turn + siren.rate_hz * (time - turn))
    cycle = cycle + between(rng, 0, 1)
    part = cycle - np.floor(cycle)
    rise = 0.35 if siren.pattern in {"wail", "mechanical"} else 0.5
    height = np.where(part < rise, part / rise, (1 - part) / (1 - rise))
    # Ease in and out, so that the sweep has no corners.
    height = height * height * (3 - 2 * height)
    return np.asarray(siren.low_hz * (siren.high_hz / siren.low_hz) ** height)


def _distance_m(siren: Siren, time: Array, rng: np.random.Generator, grid: Grid) -> Array:
    """Distance from the listener in metres at the given times, on a straight road."""
    aside = log_between(rng, 6, 40)
    if siren.motion == "still":
        return np.full(len(time), aside)
    nearest = {"passing": between(rng, 0.3, 0.7), "coming": 1.05, "leaving": -0.05}[
        siren.motion
    ] * grid.seconds
    return np.asarray(np.hypot(aside, siren.speed_mps * (time - nearest)))


def _add_horn(out: Array, rng: np.random.Generator, grid: Grid) -> None:
    """Adds one blast of an air horn, two reeds a third or fourth apart, to `out` (unit RMS)."""
    length = min(grid.count(between(rng, 0.5, 1.4)), grid.samples)
    start = int(between(rng, 0.0, 0.85) * (grid.samples - length))
    low = between(rng, 170, 300)
    order = np.arange(1, harmonics_below(0.8 * grid.nyquist_hz, 1.5 * low, 24) + 1)
    table = wave_table(order**-0.8, rng.uniform(0, 6.28, len(order)))
    time = np.arange(length) / grid.sample_rate_hz
    ratio = pick(rng, (1.26, 1.335))
    blast = read_table(table, low * time) + read_table(table, ratio * low * time)
    out[start : start + length] += 1.4 * fade_ends(unit_rms(blast), grid, 0.05)


_PATTERNS_ONE = (
    "{a_siren} {wails} {where?}",
    "{a_siren} {wails} {motion}",
    "{vehicle} {drives} {with_siren}",
    "{a_siren} {sounding} {motion?}",
    "{a_siren} {sounding} {where?}",
    "{sound} of {a_siren} {motion?}",
    "{sound} of {a_siren} {where?}",
    "{a_siren} {sounds} {pitch} {where?}",
    "{a_siren} {wails} {horn}",
    "{vehicle} sounds its siren {horn?} {where?}",
    "{pattern_noun} {where?}",
)
_PATTERNS_MANY = (
    "{sirens} {wail} {where?}",
    "{sirens} {sounding} {where?}",
    "{sound} of {sirens} {where?}",
    "{vehicles} {with_sirens}",
    "{sirens} {wail} {horn}",
    "{mixture} {where?}",
)
# What each pattern does: verbs, adverbs, names of the siren.
_WORDS: Mapping[str, tuple[str, str, str]] = {
    "yelp": (
        "yelps fast|wails rapidly|whoops quickly",
        "rising and falling quickly",
        "a fast yelping siren|a rapidly whooping siren",
    ),
    "phaser": (
        "warbles very fast|trills",
        "in a very fast warble",
        "a fast trilling siren|a warbling siren",
    ),
    "switch": (
        "wails and then yelps|changes from a wail to a yelp",
        "slowly at first, then fast",
        "a slow siren that turns fast",
    ),
    "hi-lo": (
        "alternates between two tones|goes high and low",
        "in two tones|with a high and a low tone",
        "a two-tone siren|a high-low siren",
    ),
    "wail": (
        "wails slowly|wails up and down|rises and falls slowly",
        "in long slow sweeps",
        "a slowly wailing siren|a long wailing siren",
    ),
    "mechanical": (
        "winds up and down slowly|howls low and slowly",
        "in long low sweeps",
        "a low mechanical siren|an old mechanical siren winding up and down",
    ),
}
_MOTION: Mapping[str, Mapping[str, str]] = {
    "still": {"motion": "", "drives": "stands"},
    "passing": {
        "motion": "while driving by|as it passes",
        "drives": "drives by|passes|rushes past",
    },
    "coming": {
        "motion": "as it comes closer|while drawing near|getting louder",
        "drives": "approaches|comes closer",
    },
    "leaving": {
        "motion": "as it drives away|fading into the distance|while moving off",
        "drives": "drives away|drives off",
    },
}
# Names of the siren and of the vehicle.
_NAMES: Mapping[str, tuple[str, str]] = {
    "police car": ("a police siren|a police car siren|the siren of a police car", "a police car"),
    "ambulance": ("an ambulance siren|the siren of an ambulance", "an ambulance"),
    "fire engine": (
        "a fire truck siren|a fire engine siren|the siren of a fire truck",
        "a fire truck|a fire engine",
    ),
}
_UNNAMED = (
    "an emergency siren|an emergency vehicle siren|the siren of an emergency vehicle",
    "an emergency vehicle",
)
_FIXED: Mapping[str, str] = {
    "sounds": "sounds|blares|is sounding",
    "wail": "wail|sound|blare|go off",
    "sound": "the sound|the noise",
    "with_siren": "with its siren on|with the siren going|with a blaring siren",
    "sirens": "several sirens|emergency sirens|sirens of emergency vehicles"
    "|the sirens of emergency vehicles",
    "with_sirens": "with their sirens on|sounding their sirens|with blaring sirens",
    "mixture": "different sirens at once|a mixture of sirens|sirens over one another",
}


def _slots(scene: Sirens) -> dict[str, str]:
    siren = scene.sirens[0]
    name, vehicle = _NAMES[siren.vehicle] if scene.named else _UNNAMED
    verbs, pitch, noun = _WORDS[siren.pattern]
    be = "is" if len(scene.sirens) == 1 else "are"
    together = " and ".join(_NAMES[member.vehicle][1].split("|")[0] for member in scene.sirens)
    horn = f"and an air horn sounds {times_word(scene.blasts)}"
    busy = "over a rumble of traffic|in traffic" if scene.traffic_db > -22 else ""
    return {
        **_FIXED,
        **_MOTION[siren.motion],
        "a_siren": either(name, "a siren"),
        "vehicle": vehicle,
        "wails": either(verbs, "sounds|blares"),
        "pitch": pitch,
        "pattern_noun": noun,
        "sounding": f"{be} sounding|{be} going off|{be} blaring",
        "horn": either(horn, "and a deep horn blasts|and a truck horn honks")
        if scene.blasts
        else "",
        "where": either(place_phrases(scene.space), busy),
        "vehicles": either(together if scene.named else "", "emergency vehicles"),
    }
