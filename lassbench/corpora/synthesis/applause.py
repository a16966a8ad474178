"""Applause: clap grains of many hands near by, and a wash of shaped noise for the crowd that is too
many to tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.fft

from lassbench.corpora.synthesis.captions import (
    Grammar,
    either,
    number_word,
    place_phrases,
    prefixed,
)
from lassbench.corpora.synthesis.signals import (
    Array,
    Grid,
    between,
    log_between,
    noise,
    pick,
    place,
    resonance,
    rms,
    spread,
    unit_peak,
    wander,
    white,
)
from lassbench.corpora.synthesis.space import Space, draw_space

# Clap grains rendered a clip, their length, and how many claps are placed one by one; the wash
# stands for the rest.
_GRAINS, _GRAIN_S, _MOST_CLAPS = 40, 0.03, 2600
_CLAPPERS: Mapping[str, tuple[int, int]] = {
    "one": (1, 1),
    "few": (2, 6),
    "small": (8, 40),
    "large": (80, 800),
}


@dataclass(frozen=True)
class Applause:
    """People clapping.

    size: one, few, small or large; clappers: how many. rate_hz: claps of one person a second.
    course: how the number of hands changes over the clip. cupped: the claps' resonances are low
    (cupped hands) or high.
    """

    size: str
    clappers: int
    rate_hz: float
    course: str
    cupped: float
    space: Space

    @classmethod
    def draw(cls, rng: np.random.Generator, tags: frozenset[str]) -> Applause:
        """A random scene; applause has no tags that would steer it."""
        del tags
        size = pick(rng, {"one": 0.05, "few": 0.12, "small": 0.28, "large": 0.55})
        low, high = _CLAPPERS[size]
        courses = {"steady": 0.4, "grows": 0.15, "fades": 0.25, "swells": 0.2}
        return cls(
            size=size,
            clappers=round(log_between(rng, low, high + 0.4)),
            rate_hz=between(rng, 2.3, 5.2),
            course=pick(rng, courses if size in {"small", "large"} else {"steady": 1.0}),
            cupped=between(rng, 0.75, 1.35),
            space=draw_space(rng, rooms={"hall": 0.6, "room": 0.25, "outdoors": 0.15}, far=0.2),
        )

    def sound(self, rng: np.random.Generator, grid: Grid) -> Array:
        """The dry sound, [samples]."""
        course = _course(self.course, rng)
        near = min(
            self.clappers, max(1, int(_MOST_CLAPS / (self.rate_hz * max(grid.seconds, 1.0))))
        )
        out = np.zeros(grid.samples)
        grains = _clap_grains(self.cupped, rng, grid)
        times, gains = self._claps(near, course, rng, grid)
        starts = np.rint(times * grid.sample_rate_hz).astype(np.int64)
        place(out, grains, starts, rng.integers(0, _GRAINS, len(starts)), gains)
        if self.clappers > near:
            out += self._wash(near, rms(out), course, rng, grid)
        return out

    def _claps(
        self, near: int, course: Array, rng: np.random.Generator, grid: Grid
    ) -> tuple[Array, Array]:
        """Times in seconds and gains of the near claps; everyone claps at a pace of their own, not
        quite evenly.
        """
        rates = self.rate_hz * rng.uniform(0.85, 1.18, near)
        count = int(np.ceil(grid.seconds * rates.max())) + 1
        order = np.arange(count)[None, :] + rng.uniform(0, 1, (near, 1))
        times = (order + np.cumsum(rng.normal(0, 0.05, (near, count)), axis=1)) / rates[:, None]
        levels = rng.uniform(0.25, 1.0, (near, 1)) ** 1.5 * rng.uniform(0.75, 1.0, (near, count))
        times, levels = times.ravel(), levels.ravel()
        inside = (times >= 0) & (times < grid.seconds)
        times, levels = times[inside], levels[inside]
        # A person joins or stops: a clap is heard with the probability that the course gives.
        heard = rng.random(len(times)) < np.interp(
            times / grid.seconds, np.linspace(0, 1, len(course)), course
        )
        heard[:1] = True
        return times[heard], levels[heard]

    def _wash(
        self, near: int, near_rms: float, course: Array, rng: np.random.Generator, grid: Grid
    ) -> Array:
        """The far crowd: noise with the claps' mean spectrum, its power that of the hands."""
        centre = 1300.0 * self.cupped

        def shape(frequency: Array) -> Array:
            return np.asarray(np.abs(resonance(frequency, centre, 2.2 * centre)) + 0.04)

        signal = noise(rng, grid, shape, taps=2048) * (1.0 + 0.12 * wander(rng, grid, 12.0))
        level = 0.45 * near_rms * np.sqrt((self.clappers - near) / near)
        return np.asarray(signal * level * np.sqrt(spread(course, grid)))

    def grammar(self) -> Grammar:
        """Sentences that are true of the scene."""
        if self.size in {"small", "large"}:
            return Grammar(_PATTERNS_CROWD, _crowd_slots(self))
        return Grammar(_PATTERNS_FEW, _few_slots(self))


def _course(kind: str, rng: np.random.Generator) -> Array:
    """Share of the people who clap, at 41 evenly spaced moments of the clip."""
    time = np.linspace(0.0, 1.0, 41)
    turn = between(rng, 0.3, 0.7)
    if kind == "grows":
        course = 0.08 + 0.92 / (1.0 + np.exp(-(time - 0.8 * turn) * 12))
    elif kind == "fades":
        course = 0.05 + 0.95 / (1.0 + np.exp((time - turn) * 11))
    elif kind == "swells":
        course = 0.15 + 0.85 * np.exp(-(((time - turn) / 0.22) ** 2))
    else:
        course = np.ones(41)
    return np.asarray(course * np.clip(1.0 + 0.08 * rng.standard_normal(41), 0.5, 1.3))


def _clap_grains(cupped: float, rng: np.random.Generator, grid: Grid) -> Array:
    """Clap sounds, [_GRAINS, samples]: a burst of noise that dies in a few milliseconds, coloured
    by the hands' cavity.
    """
    length = grid.count(_GRAIN_S)
    time = np.arange(length) / grid.sample_rate_hz
    decay = rng.uniform(0.0025, 0.007, (_GRAINS, 1))
    burst = white(rng, _GRAINS, length) * np.exp(-time / decay) * np.minimum(time / 0.0006, 1.0)
    frequency = scipy.fft.rfftfreq(length, 1 / grid.sample_rate_hz)
    centre = cupped * rng.uniform(650, 2400, (_GRAINS, 1))
    colour = resonance(frequency, centre, 0.8 * centre) + 0.12
    colour += 0.35 * resonance(frequency, 2.6 * centre, 1.2 * centre)
    return unit_peak(scipy.fft.irfft(scipy.fft.rfft(burst) * colour, length))


_PATTERNS_CROWD = (
    "{group} {applauds} {how?} {where?}",
    "{group} {applauds} {course}",
    "{group} {clapping} {how?} {where?}",
    "{group} is {clapping} {where?} {course?}",
    "{applause} {that?} {where?}",
    "{applause} from {group} {where?}",
    "{hands} {clap} {where?} {course?}",
    "{applause} {that}",
    "{group} {gives} {where?}",
)
_PATTERNS_FEW = (
    "{who} {claps} {hands_of?} {pace?} {where?}",
    "{who} {be} {clapping} {pace?} {where?}",
    "{sparse} {from_who} {where?}",
    "{clapping} {from_who} {pace?} {where?}",
    "{who} {applaud} {pace?} {where?}",
)
# How the applause goes on, after a verb and after a noun.
_COURSE: Mapping[str, tuple[str, str]] = {
    "steady": ("without letting up|on and on", "that goes on evenly|that does not let up"),
    "grows": ("louder and louder|more and more", "that grows louder|that builds up"),
    "fades": (
        "less and less|ever more quietly",
        "that dies down|that fades away|getting quieter",
    ),
    "swells": (
        ", first louder, then more quietly",
        "that swells and dies down|that rises and falls",
    ),
}


def _pace(rate_hz: float) -> tuple[str, str]:
    """Adverbs for the pace of a crowd and of a few people."""
    if rate_hz > 4.2:
        return "at a fast pace|briskly", "quickly|fast"
    if rate_hz < 2.9:
        return "at a slow pace|unhurriedly", "slowly|at a slow pace"
    return "together", "steadily|at an even pace"


def _crowd_slots(scene: Applause) -> dict[str, str]:
    large = scene.size == "large"
    hands = "hundreds of hands" if scene.clappers > 150 else "many hands"
    course, that = _COURSE[scene.course]
    return {
        "group": "a large crowd|a big audience|a huge crowd|a full audience|a crowd"
        if large
        else "a small audience|a small crowd|a group of people|an audience",
        "applauds": "applauds|claps|claps and applauds",
        "gives": "gives a round of applause|gives applause|shows its approval by clapping"
        "|breaks into applause",
        "clapping": "clapping|applauding",
        "applause": "loud applause|applause|a thick wash of applause|roaring applause"
        if large
        else "applause|light applause|scattered applause|a round of applause",
        "hands": f"{hands}|lots of people" if large else "several people|a number of people",
        "clap": "clap|applaud|are clapping",
        "how": _pace(scene.rate_hz)[0],
        "course": course,
        "that": that,
        "where": place_phrases(scene.space),
    }


def _few_slots(scene: Applause) -> dict[str, str]:
    alone = scene.clappers == 1
    people = "one person|someone|a single person"
    if not alone:
        people = f"a few people|{number_word(scene.clappers)} people"
    return {
        "who": people,
        "claps": "claps" if alone else "clap",
        "applaud": "applauds" if alone else "applaud",
        "be": "is" if alone else "are",
        "hands_of": "" if alone else "their hands",
        "sparse": "sparse clapping|thin applause|single claps",
        "clapping": "clapping|applauding",
        "from_who": either(prefixed("from", people), prefixed("by", people)),
        "pace": _pace(scene.rate_hz)[1],
        "where": place_phrases(scene.space),
    }
