"""Rain and thunder: a hiss of countless drops, single drops on the surface they hit, low rolling
noise for thunder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lassbench.corpora.synthesis.captions import Grammar, either, place_phrases, prefixed
from lassbench.corpora.synthesis.signals import (
    Array,
    Grid,
    band,
    between,
    chance,
    frame_times,
    log_between,
    noise,
    pick,
    place,
    spread,
    unit_peak,
    unit_rms,
    wander,
    white,
)
from lassbench.corpora.synthesis.space import Space, draw_space

RAIN, SURFACE, DROP = "Rain", "Rain on surface", "Raindrop"
THUNDER = frozenset({"Thunder", "Thunderstorm"})
_GRAINS, _GRAIN_S, _MOST_DROPS = 48, 0.035, 3000


@dataclass(frozen=True)
class _Surface:
    """What the drops hit: range of the drop's tone in Hz, its decay in s, share of tone in the
    drop, names in captions.
    """

    tone_hz: tuple[float, float]
    decay_s: tuple[float, float]
    tone: float
    names: tuple[str, ...]


_SURFACES: Mapping[str, _Surface] = {
    "tin roof": _Surface((1200, 5200), (0.003, 0.009), 0.6, ("a tin roof", "a metal roof")),
    "umbrella": _Surface((350, 1300), (0.002, 0.005), 0.5, ("an umbrella", "a tent")),
    "window": _Surface((900, 2800), (0.001, 0.004), 0.4, ("a window", "a pane of glass")),
    "leaves": _Surface((1800, 6500), (0.0008, 0.002), 0.15, ("leaves", "foliage")),
    "puddle": _Surface((900, 4200), (0.004, 0.014), 0.9, ("a puddle", "water")),
    "ground": _Surface((700, 4500), (0.0008, 0.003), 0.2, ("the ground", "the pavement")),
}


@dataclass(frozen=True)
class Rain:
    """Rain, thunder or both.

    weight: none, drizzle, steady or heavy; drops_per_s: drops heard one by one; drop_level: theirs
    over the hiss's. surface: what they hit. course: how the rain changes. claps: claps of thunder;
    close: they crack before they roll.
    """

    weight: str
    drops_per_s: float
    drop_level: float
    surface: str
    course: str
    claps: int
    close: bool
    dripping: bool
    space: Space

    @classmethod
    def draw(cls, rng: np.random.Generator, tags: frozenset[str]) -> Rain:
        """A random scene that fits the tags."""
        thunder = bool(tags & THUNDER)
        rain = bool(tags & {RAIN, SURFACE, DROP}) or not thunder
        dripping = DROP in tags
        weights = (
            {"drizzle": 0.6, "steady": 0.4}
            if dripping
            else {"drizzle": 0.2, "steady": 0.4, "heavy": 0.4}
        )
        weight = pick(rng, weights) if rain else "none"
        surfaces = {
            "tin roof": 0.25,
            "umbrella": 0.2,
            "window": 0.2,
            "leaves": 0.1,
            "puddle": 0.15,
            "ground": 0.1,
        }
        apparent = SURFACE in tags or dripping
        most = {"none": 1.0, "drizzle": 40.0, "steady": 160.0, "heavy": 300.0}[weight]
        return cls(
            weight=weight,
            drops_per_s=log_between(rng, 3, 16) if dripping else log_between(rng, 0.3 * most, most),
            drop_level=between(rng, 4, 9)
            if dripping
            else between(rng, 1.2, 3.5)
            if apparent
            else between(rng, 0.25, 1.0),
            surface=pick(rng, surfaces if apparent else {"ground": 0.7, "leaves": 0.3}),
            course=pick(rng, {"steady": 0.6, "grows": 0.2, "eases": 0.2}),
            claps=int(rng.integers(1, 4)) if thunder else 0,
            close=thunder and chance(rng, 0.4),
            dripping=dripping,
            space=draw_space(
                rng, rooms={"outdoors": 0.8, "room": 0.2}, far=0.0 if apparent else 0.1, low_hz=35.0
            ),
        )

    def sound(self, rng: np.random.Generator, grid: Grid) -> Array:
        """The dry sound, [samples]."""
        out = self._rain(rng, grid) if self.weight != "none" else np.zeros(grid.samples)
        if self.claps:
            level = 1.0 if self.weight == "none" else between(rng, 1.2, 3.0)
            out += level * self._thunder(rng, grid)
        return out

    def _rain(self, rng: np.random.Generator, grid: Grid) -> Array:
        # Recordings of rain fall by 2 to 5 dB an octave, drizzle least (measured on ESC-10's).
        steep = {"drizzle": (-3.5, 0.5), "steady": (-5.0, -0.5), "heavy": (-5.0, -1.5)}[self.weight]
        exponent = between(rng, *steep) / 6.02
        edges = band(log_between(rng, 30, 300), log_between(rng, 5000, 13000), order=1)

        def shape(frequency: Array) -> Array:
            return np.asarray(edges(frequency) * (frequency / 1000.0) ** exponent)

        hiss = noise(rng, grid, shape)
        hiss *= 1.0 + 0.1 * wander(rng, grid, 3.0)
        count = max(1, min(int(self.drops_per_s * grid.seconds), _MOST_DROPS))
        starts = np.sort(rng.integers(0, max(1, grid.samples - grid.count(0.01)), count))
        drops = np.zeros(grid.samples)
        sizes = rng.uniform(0.1, 1.0, count) ** 1.6
        place(drops, self._drops(rng, grid), starts, rng.integers(0, _GRAINS, count), sizes)
        # Drops are loud at their peaks: the level is that of a typical peak over the hiss's RMS.
        out = hiss + self.drop_level * 2.2 * drops
        first, last = {"steady": (1, 1), "grows": (0.25, 1), "eases": (1, 0.28)}[self.course]
        return unit_rms(out * np.linspace(first, last, grid.samples))

    def _drops(self, rng: np.random.Generator, grid: Grid) -> Array:
        """Single drops, [_GRAINS, samples]: a tick of noise and a short tone, which in water rises
        as the bubble shrinks.
        """
        surface = _SURFACES[self.surface]
        length = grid.count(_GRAIN_S)
        time = np.arange(length) / grid.sample_rate_hz
        tone_hz = np.minimum(rng.uniform(*surface.tone_hz, (_GRAINS, 1)), 0.7 * grid.nyquist_hz)
        decay = rng.uniform(*surface.decay_s, (_GRAINS, 1))
        rise = 1.0 + (8.0 * time if self.surface == "puddle" else 0.0 * time)
        tone = np.sin(2 * np.pi * tone_hz * time * rise) * np.exp(-time / decay)
        tick = 0.6 * white(rng, _GRAINS, length) * np.exp(-time / (0.4 * decay + 0.0004))
        grain = surface.tone * tone + (1 - surface.tone) * tick
        return unit_peak(grain * np.minimum(time / 0.0004, 1.0))

    def _thunder(self, rng: np.random.Generator, grid: Grid) -> Array:
        """Claps of thunder, [samples], RMS 1 where they are loud: noise below a few hundred hertz
        in rolling bursts.
        """
        corner = between(rng, 90, 220) if not self.close else between(rng, 160, 420)
        rumble = noise(rng, grid, band(22, corner, order=1), taps=16384)
        time = frame_times(grid, 400)
        envelope = np.zeros(len(time))
        firsts = (
            (np.arange(self.claps) + rng.uniform(0.0, 0.6, self.claps))
            / self.claps
            * 0.9
            * grid.seconds
        )
        for first in firsts.tolist():
            for step in range(int(rng.integers(3, 8))):
                start = first + step * between(rng, 0.15, 0.7)
                level = between(rng, 0.4, 1.0) * 0.82**step
                attack = (
                    between(rng, 0.02, 0.06) if self.close and step == 0 else between(rng, 0.1, 0.4)
                )
                past = np.clip(time - start, 0.0, None)
                envelope += (
                    level * (1 - np.exp(-past / attack)) * np.exp(-past / between(rng, 0.5, 1.6))
                )
        out = rumble * spread(0.03 + envelope / envelope.max(), grid)
        if self.close:
            self._crack(out, firsts, rng, grid)
        return np.asarray(out)

    def _crack(self, out: Array, firsts: Array, rng: np.random.Generator, grid: Grid) -> None:
        """Adds the tearing crack of close lightning at the start of each clap."""
        length = grid.count(between(rng, 0.15, 0.5))
        time = np.arange(length) / grid.sample_rate_hz
        crackle = np.repeat(rng.random(-(-length // 200)) ** 3, 200)[:length]
        bursts = (
            white(rng, len(firsts), length)
            * crackle
            * np.exp(-time / 0.12)
            * np.minimum(time / 0.003, 1.0)
        )
        # One-pole low-pass by differences would do; a three-point mean keeps the crack from
        # hissing.
        bursts = np.apply_along_axis(np.convolve, 1, bursts, np.full(9, 1 / 9), mode="same")
        starts = np.rint(firsts * grid.sample_rate_hz).astype(np.int64)
        place(out, bursts, starts, np.arange(len(firsts)), np.full(len(firsts), 3.0))

    def grammar(self) -> Grammar:
        """Sentences that are true of the scene."""
        if self.weight == "none":
            return Grammar(_PATTERNS_THUNDER, _slots(self))
        return Grammar(_PATTERNS_BOTH if self.claps else _PATTERNS_RAIN, _slots(self))


_PATTERNS_RAIN = (
    "{rain} {falls} {how?} {on?} {where?}",
    "{rain} is {falling} {how?} {on?} {where?}",
    "{weight_adj} rain {on?} {course?} {where?}",
    "it {rains} {how?} {where?}",
    "{drops} {hit} {surface} {where?}",
    "{sound} of {weight_adj?} rain {on?} {course?}",
    "{rain} {falls} {course_verb}",
    "{drops} {drip} {slowly} {on?}",
    "{rainfall} {on?} {where?}",
)
_PATTERNS_THUNDER = (
    "{thunder} {rumbles} {thunder_how?} {thunder_where?}",
    "{a_clap} of thunder {thunder_how?} {thunder_where?}",
    "{sound} of thunder {rolling} {thunder_where?}",
    "{thunder} {rolling} {thunder_how?} {thunder_where?}",
    "{a_storm} with {thunder}",
    "{lightning} {thunder_where?}",
    "{thunder} {rolling} during a thunderstorm {thunder_where?}",
)
_PATTERNS_BOTH = (
    "{rain} {falls} {how?} {on?} {and} {thunder} {rumbles}",
    "{thunder} {rumbles} {thunder_how?} while {rain} {falls} {on?}",
    "{a_storm} with {weight_adj} rain and {thunder}",
    "{weight_adj} rain {on?} and {thunder} {thunder_where?}",
    "{thunder} {rolling} over {rainfall} {thunder_where?}",
    "it {rains} {how?} and {thunder} {rumbles} {thunder_where?}",
    "{sound} of {weight_adj?} rain and {thunder} {thunder_where?}",
    "{rainfall} {with_thunder} {where?}",
)


# Phrases by weight of the rain, by its course, by what it falls on, and by how near the thunder is.
_WEIGHT: Mapping[str, Mapping[str, str]] = {
    "drizzle": {
        "falls": "falls|drizzles",
        "falling": "falling|drizzling",
        "rains": "rains|drizzles",
        "how": "lightly|gently|softly",
        "weight_adj": "light|gentle|soft",
        "rainfall": "a drizzle|light rainfall",
    },
    "steady": {
        "falls": "falls|comes down",
        "falling": "falling|coming down",
        "rains": "rains",
        "how": "steadily|evenly",
        "weight_adj": "steady|moderate",
        "rainfall": "rainfall|a steady rain",
    },
    "heavy": {
        "falls": "pours down|falls hard|falls",
        "falling": "pouring|falling",
        "rains": "rains|pours",
        "how": "heavily|hard",
        "weight_adj": "heavy|strong|intense",
        "rainfall": "heavy rainfall|a downpour|pouring rain",
    },
}
_COURSE: Mapping[str, Mapping[str, str]] = {
    "steady": {"course": "", "course_verb": ""},
    "grows": {
        "course": "that gets stronger|growing heavier|getting louder",
        "course_verb": "harder and harder|and gets stronger",
    },
    "eases": {
        "course": "that eases off|that gets weaker|getting quieter",
        "course_verb": "less and less|and eases off|and gets weaker",
    },
}
_CLOSE: Mapping[str, str] = {
    "thunder": "thunder|loud thunder",
    "rumbles": "cracks|crashes|claps",
    "rolling": "cracking|crashing",
    "with_thunder": "with cracks of thunder",
    "thunder_where": "nearby|overhead|close by",
    "a_clap": "a clap|a loud crack",
    "claps": "claps|loud cracks",
    "lightning": "a lightning strike cracks and rolls",
}
_FAR: Mapping[str, str] = {
    "thunder": "thunder|low thunder|deep thunder",
    "rumbles": "rumbles|rolls|growls",
    "rolling": "rumbling|rolling",
    "with_thunder": "with rumbles of thunder|with thunder in it",
    "thunder_where": "in the distance|far away|from afar",
    "a_clap": "a roll|a rumble",
    "claps": "rolls|rumbles",
    "lightning": "a thunderstorm rumbles",
}


def _slots(scene: Rain) -> dict[str, str]:
    names = either(*_SURFACES[scene.surface].names) if scene.drop_level > 1.0 else ""
    thunder = _CLOSE if scene.close else _FAR
    return {
        **_WEIGHT.get(scene.weight, {}),
        **_COURSE[scene.course],
        **thunder,
        "rain": "rain|the rain",
        "on": either(prefixed("on", names), prefixed("onto", names)),
        "surface": names,
        "drops": either(
            "raindrops|drops of rain", f"{'single' if scene.dripping else 'many'} raindrops"
        ),
        "hit": "hit|patter on|strike|" + ("splash onto" if scene.surface == "puddle" else "tap on"),
        "drip": "drip|drop|plop" if scene.dripping else "",
        "slowly": "one by one|one after another|now and again",
        "thunder_how": ("", "once", "twice|two times", "three times|again and again")[scene.claps],
        "a_clap": thunder["a_clap" if scene.claps == 1 else "claps"],
        "a_storm": "a thunderstorm|a storm",
        "and": "and|while|as",
        "sound": "the sound|the noise",
        "where": place_phrases(scene.space),
    }
