"""Vibration: low hums with a slow or fast beat, engine pulses, buzzing phones, and the things that
rattle along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lassbench.corpora.synthesis.captions import Grammar, either, place_phrases
from lassbench.corpora.synthesis.signals import (
    Array,
    Grid,
    band,
    between,
    chance,
    convolve,
    damped_modes,
    frame_times,
    harmonics_below,
    log_between,
    noise,
    phase_of,
    pick,
    place,
    random_phases,
    read_table,
    smooth,
    spread,
    unit_peak,
    unit_rms,
    wander,
    wave_table,
)
from lassbench.corpora.synthesis.space import Space, draw_space

# Rotation or buzz range in Hz of each kind.
_KINDS: Mapping[str, tuple[float, float]] = {
    "hum": (28, 120),
    "engine": (9, 34),
    "phone": (130, 240),
    "appliance": (45, 110),
    "rumble": (18, 50),
}


@dataclass(frozen=True)
class Vibration:
    """Something that vibrates.

    kind: hum (a steady low tone that beats), engine (uneven pulses), phone (buzzes on a table),
    appliance (a motor with overtones), rumble (low noise with a pulse). rate_hz: its rotation or
    buzz. beat_hz, beat: its slow amplitude modulation and the depth of it. rattle: level of loose
    parts that clatter along, 0 for none. course: steady, rises, falls, or pulses (phones). top_hz:
    where its overtones end.
    """

    kind: str
    rate_hz: float
    beat_hz: float
    beat: float
    rattle: float
    rattle_hz: float
    course: str
    top_hz: float
    on_s: float
    space: Space

    @classmethod
    def draw(cls, rng: np.random.Generator, tags: frozenset[str]) -> Vibration:
        """A random scene; vibration has no tags that would steer it."""
        del tags
        kind = pick(
            rng, {"hum": 0.22, "engine": 0.3, "phone": 0.16, "appliance": 0.2, "rumble": 0.12}
        )
        return cls(
            kind=kind,
            rate_hz=log_between(rng, *_KINDS[kind]),
            beat_hz=log_between(rng, 0.8, 14.0),
            beat=between(rng, 0.1, 0.8),
            rattle=between(rng, 0.15, 0.8) if chance(rng, 0.5) else 0.0,
            rattle_hz=log_between(rng, 900, 4200),
            course="pulses"
            if kind == "phone"
            else pick(rng, {"steady": 0.6, "rises": 0.2, "falls": 0.2}),
            top_hz=log_between(rng, 400, 3500),
            on_s=between(rng, 0.25, 1.4),
            space=draw_space(
                rng, rooms={"room": 0.6, "outdoors": 0.35, "hall": 0.05}, far=0.1, low_hz=35.0
            ),
        )

    def sound(self, rng: np.random.Generator, grid: Grid) -> Array:
        """The dry sound, [samples]."""
        rate = self._rate(rng, grid)
        phase = phase_of(rate, grid.sample_rate_hz)
        time = frame_times(grid, 400)
        beat = 1.0 + self.beat * spread(
            np.sin(2 * np.pi * (self.beat_hz * time + between(rng, 0, 1))), grid
        )
        if self.kind == "rumble":
            tone = noise(rng, grid, band(25, min(self.top_hz, 500), order=1), taps=8192)
            tone *= 1.0 + 0.8 * self.beat * np.cos(2 * np.pi * phase)
        elif self.kind == "engine":
            tone = self._engine(phase, rng, grid)
        else:
            tone = self._motor(phase, rng, grid)
        gate = self._gate(rng, grid)
        out = unit_rms(np.asarray(tone * beat * gate))
        if self.rattle > 0:
            out += self.rattle * self._rattle(phase, gate, rng, grid)
        return out

    def _rate(self, rng: np.random.Generator, grid: Grid) -> Array:
        """Rotation or buzz in Hz for every sample: drifts a little, and rises or falls where the
        course says so.
        """
        drift = 1.0 + 0.012 * wander(rng, grid, 1.2)
        x = frame_times(grid, 400) / grid.seconds
        bend = 1.0 / (1.0 + np.exp(-(x - between(rng, 0.3, 0.7)) * between(rng, 5, 16)))
        change = between(rng, 0.5, 1.2)
        factor = {"rises": 1.0 + change * bend, "falls": 1.0 + change * (1.0 - bend)}.get(
            self.course
        )
        return self.rate_hz * drift * (1.0 if factor is None else spread(factor, grid))

    def _motor(self, phase: Array, rng: np.random.Generator, grid: Grid) -> Array:
        """A tone whose overtones end at `top_hz`, the even ones different from the odd, plus a
        little brush noise.
        """
        highest = self.rate_hz * (2.2 if self.course in {"rises", "falls"} else 1.1)
        count = harmonics_below(min(2.0 * self.top_hz, 0.9 * grid.nyquist_hz), highest, 60)
        order = np.arange(1, count + 1)
        roll = 1.0 / (1.0 + (order * self.rate_hz / self.top_hz) ** 2)
        level = order ** -between(rng, 0.3, 1.1) * roll * np.exp(0.6 * rng.standard_normal(count))
        tone = read_table(wave_table(level, rng.uniform(0, 6.28, count)), phase)
        brush = noise(rng, grid, band(200, 2.0 * self.top_hz, order=2), taps=2048)
        return unit_rms(tone) + between(rng, 0.03, 0.2) * brush

    def _engine(self, phase: Array, rng: np.random.Generator, grid: Grid) -> Array:
        """Combustion pulses, cylinder by cylinder of uneven strength, through the resonances of
        exhaust and body.
        """
        cylinders = int(rng.integers(2, 7))
        time = np.arange(4096) / 4096
        cycle = np.zeros(4096)
        for index in range(cylinders):
            after = (time - (index + 0.15 * rng.standard_normal()) / cylinders) % 1.0
            cycle += rng.uniform(0.6, 1.0) * np.exp(-after * cylinders * between(rng, 3, 7))
        cycle = np.append(cycle - cycle.mean(), cycle[0] - cycle.mean())
        pulses = read_table(cycle, 0.5 * phase) * (
            1.0 + 0.25 * wander(rng, grid, 2.0 * self.rate_hz)
        )
        count = grid.count(0.05)
        frequency = np.geomspace(45.0, max(self.top_hz, 600.0), 7) * rng.uniform(0.8, 1.25, 7)
        body = damped_modes(
            grid,
            count / grid.sample_rate_hz,
            frequency,
            rng.uniform(0.003, 0.012, 7),
            random_phases(rng, rng.uniform(0.3, 1, 7)),
        )
        blow = noise(rng, grid, band(80, self.top_hz, order=2), taps=2048)
        level = between(rng, 0.05, 0.3) * np.abs(pulses) / np.abs(pulses).max()
        return np.asarray(unit_rms(convolve((unit_rms(pulses), body))) + 2.5 * level * blow)

    def _gate(self, rng: np.random.Generator, grid: Grid) -> Array:
        """On and off of a phone's alarm, smooth over 30 ms; 1 for everything else."""
        if self.course != "pulses":
            return np.ones(grid.samples)
        frames = max(8, round(grid.seconds * 200))
        off = between(rng, 0.3, 1.0) * self.on_s + 0.1
        at = (np.arange(frames + 1) / 200 + between(rng, 0, 0.3) * self.on_s) % (self.on_s + off)
        return spread(smooth((at < self.on_s).astype(np.float64), 6), grid)

    def _rattle(self, phase: Array, gate: Array, rng: np.random.Generator, grid: Grid) -> Array:
        """Loose parts hit once or so a turn (at most 60 times a second), [samples], RMS about 1."""
        stride = max(1, int(np.ceil(self.rate_hz / 45.0)))
        turns = np.searchsorted(phase, np.arange(0, int(phase[-1]) + 1, stride))
        late = np.abs(rng.normal(0, 0.004, len(turns))) * grid.sample_rate_hz
        starts = np.minimum(turns + late.astype(np.int64), grid.samples - 1)
        levels = rng.uniform(0, 1, len(starts)) ** 2 * gate[starts]
        kinds = 8
        rows = []
        for _ in range(kinds):
            frequency = self.rattle_hz * rng.uniform(0.6, 2.2, 5)
            decay = rng.uniform(0.002, 0.012, 5)
            states = random_phases(rng, rng.uniform(0.2, 1, 5))
            rows.append(damped_modes(grid, 0.04, frequency, decay, states))
        out = np.zeros(grid.samples)
        place(out, unit_peak(np.stack(rows)), starts, rng.integers(0, kinds, len(starts)), levels)
        return unit_rms(out)

    def grammar(self) -> Grammar:
        """Sentences that are true of the scene."""
        return Grammar(_PATTERNS, _slots(self))


_PATTERNS = (
    "{thing} {vibrates} {how?} {where?}",
    "{thing} is {vibrating} {how?} {where?}",
    "{adjective} {vibration} {where?}",
    "{adjective} {vibration} of {thing} {course?}",
    "{thing} {vibrates} {course} {where?}",
    "{thing} {vibrates} {rattle} {where?}",
    "{sound} of {thing} {vibrating} {where?}",
    "{adjective} {vibration} {rattling} {where?}",
    "the {vibration} of {thing} {how?} {where?}",
)
# What vibrates, verbs, participles.
_THINGS: Mapping[str, tuple[str, str, str]] = {
    "hum": (
        "something|a machine|an object",
        "vibrates|hums|drones",
        "vibrating|humming|droning",
    ),
    "engine": (
        "an engine|a motor|a running engine",
        "vibrates|idles|throbs",
        "vibrating|idling|throbbing",
    ),
    "phone": ("a phone|a mobile phone|a cell phone", "vibrates|buzzes", "vibrating|buzzing"),
    "appliance": (
        "an electric motor|a household appliance|a machine",
        "vibrates|whirs|buzzes",
        "vibrating|whirring|buzzing",
    ),
    "rumble": (
        "the ground|something heavy|something large",
        "vibrates|rumbles|shakes",
        "vibrating|rumbling|shaking",
    ),
}
_COURSE: Mapping[str, str] = {
    "steady": "",
    "rises": "and speeds up|faster and faster|rising in pitch",
    "falls": "and slows down|slower and slower|falling in pitch",
    "pulses": "on and off|in pulses|again and again",
}


def _slots(scene: Vibration) -> dict[str, str]:
    things, verbs, participles = _THINGS[scene.kind]
    rattle = "and rattles|with a rattle|while something loose rattles"
    return {
        "thing": things,
        "vibrates": verbs,
        "vibrating": participles,
        "vibration": either(participles, "vibration"),
        "adjective": _adjectives(scene),
        "how": _how(scene),
        "course": _COURSE[scene.course],
        "rattle": rattle if scene.rattle > 0.3 else "",
        "rattling": "with a rattle|and rattling" if scene.rattle > 0.3 else "",
        "sound": "the sound|the noise",
        "where": either(place_phrases(scene.space), "on a table" if scene.kind == "phone" else ""),
    }


def _adjectives(scene: Vibration) -> str:
    if scene.kind == "phone":
        return "repeated|pulsing|low-pitched"
    return either("low|deep" if scene.rate_hz < 45 else "low-pitched|dull", "continuous|steady")


def _how(scene: Vibration) -> str:
    if scene.course == "pulses":
        bursts = "in short bursts" if scene.on_s < 0.5 else "in bursts"
        return "in long bursts" if scene.on_s > 1.0 else bursts
    if scene.beat > 0.5 and scene.beat_hz < 5:
        return "with a slow beat|in waves"
    if scene.beat > 0.5 and scene.beat_hz > 8:
        return "with a fast flutter|in a fast throb"
    return "continuously|steadily|without a break" if scene.course == "steady" else "continuously"
