"""Dogs: barks and yips, short hoarse calls whose pitch jumps up and falls, now and then a growl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lassbench.corpora.synthesis.calls import Calls, arch, render_calls
from lassbench.corpora.synthesis.captions import Grammar, either, place_phrases, times_word
from lassbench.corpora.synthesis.signals import (
    Array,
    Grid,
    between,
    chance,
    log_between,
    pick,
    place,
)
from lassbench.corpora.synthesis.space import Space, draw_space

BARK, YIP = "Bow-wow", "Yip"
_BARKS = 7
# Pitch range in Hz, scale of the mouth's resonances, and length range of a bark in seconds.
_SIZES: Mapping[str, tuple[tuple[float, float], float, tuple[float, float]]] = {
    "large": ((170, 330), 1.0, (0.16, 0.3)),
    "medium": ((330, 580), 1.35, (0.12, 0.22)),
    "small": ((580, 950), 1.8, (0.08, 0.16)),
    "yip": ((900, 1700), 2.3, (0.05, 0.1)),
}
_MOUTH = (560.0, 1150.0, 2100.0, 3300.0)


@dataclass(frozen=True)
class Dog:
    """One dog: its size (or yip, a small dog's shrill yelp), pitch, resonances, hoarseness and
    barking pattern.

    barks: how many, counted and spread over the clip; 0 where the pattern goes on with `rate_hz` a
    second. run: barks in one go before a pause.
    """

    size: str
    pitch_hz: float
    mouth: float
    length_s: float
    breath: float
    rough: float
    barks: int
    rate_hz: float
    run: int


@dataclass(frozen=True)
class Dogs:
    """One or several dogs that bark."""

    dogs: tuple[Dog, ...]
    growls: bool
    space: Space

    @classmethod
    def draw(cls, rng: np.random.Generator, tags: frozenset[str]) -> Dogs:
        """A random scene that fits the tags."""
        count = pick(rng, {1: 0.62, 2: 0.2, 3: 0.12, 5: 0.06})
        if YIP in tags:
            sizes = ["yip"] + [pick(rng, ("yip", "small")) for _ in range(count - 1)]
        else:
            sizes = [pick(rng, {"large": 0.35, "medium": 0.4, "small": 0.25}) for _ in range(count)]
        return cls(
            dogs=tuple(_draw_dog(rng, size, alone=count == 1) for size in sizes),
            growls=YIP not in tags and chance(rng, 0.15),
            space=draw_space(rng, rooms={"outdoors": 0.55, "room": 0.35, "hall": 0.1}, far=0.22),
        )

    def sound(self, rng: np.random.Generator, grid: Grid) -> Array:
        """The dry sound, [samples]."""
        out = np.zeros(grid.samples)
        for index, dog in enumerate(self.dogs):
            table = _bark_table(dog, rng, grid)
            times = _bark_times(dog, rng, grid)
            level = 1.0 if index == 0 else log_between(rng, 0.3, 1.0)
            gains = level * rng.uniform(0.6, 1.0, len(times))
            starts = np.rint(times * grid.sample_rate_hz).astype(np.int64)
            place(out, table, starts, rng.integers(0, len(table), len(times)), gains)
        if self.growls:
            growl = _growl(self.dogs[0], rng, grid)
            starts = np.rint(np.sort(rng.uniform(0, 0.7, 2)) * grid.samples).astype(np.int64)
            place(out, growl, starts, np.zeros(2, dtype=np.int64), rng.uniform(0.25, 0.5, 2))
        return out

    def grammar(self) -> Grammar:
        """Sentences that are true of the scene."""
        return Grammar(_PATTERNS_ONE if len(self.dogs) == 1 else _PATTERNS_MANY, _slots(self))


def _draw_dog(rng: np.random.Generator, size: str, *, alone: bool) -> Dog:
    pitch, mouth, length = _SIZES[size]
    pattern = pick(
        rng, {"counted": 0.3 if alone else 0.0, "spaced": 0.25, "runs": 0.25, "rapid": 0.2}
    )
    rate = {"counted": 1.0, "spaced": between(rng, 0.5, 1.1), "runs": between(rng, 2.2, 3.6)}.get(
        pattern
    )
    return Dog(
        size=size,
        pitch_hz=log_between(rng, *pitch),
        mouth=mouth * between(rng, 0.88, 1.14),
        length_s=log_between(rng, *length),
        breath=between(rng, 0.1, 0.3) if size == "yip" else between(rng, 0.3, 0.65),
        rough=0.0 if size == "yip" else between(rng, 0.2, 0.9),
        barks=int(rng.integers(1, 5)) if pattern == "counted" else 0,
        rate_hz=rate if rate is not None else between(rng, 2.4, 4.5),
        run={"spaced": 1, "runs": int(rng.integers(2, 5)), "rapid": 40}.get(pattern, 1),
    )


def _bark_table(dog: Dog, rng: np.random.Generator, grid: Grid) -> Array:
    """Barks of one dog, [_BARKS, samples]: alike, never the same."""
    length = grid.count(1.25 * dog.length_s)
    share = rng.uniform(0.65, 0.98, (_BARKS, 1))
    position = np.arange(length) / length / share
    inside = np.clip(position, 0.0, 1.0)
    top = rng.uniform(0.9, 1.12, (_BARKS, 1))
    peak = rng.uniform(0.2, 0.4, (_BARKS, 1))
    rise = np.where(inside < peak, 0.62 + 0.38 * np.sin(0.5 * np.pi * inside / peak), 1.0)
    fall = 1.0 - 0.42 * np.clip((inside - peak) / (1 - peak), 0, 1) ** 1.4
    calls = Calls(
        pitch_hz=dog.pitch_hz * top * rise * fall,
        envelope=arch(position, np.full((_BARKS, 1), 0.14), rng.uniform(0.45, 0.75, (_BARKS, 1))),
        breath=np.clip(dog.breath * rng.uniform(0.8, 1.2, (_BARKS, 1)) + 0.35 * (1 - rise), 0, 1),
        formants_hz=np.array(_MOUTH) * dog.mouth * rng.uniform(0.9, 1.1, (_BARKS, 4)),
        widths_hz=np.tile(np.array([260.0, 340.0, 520.0, 800.0]) * dog.mouth, (_BARKS, 1)),
        gains=np.tile([1.0, 0.8, 0.4, 0.25], (_BARKS, 1)),
        rough=dog.rough,
        slope=0.9,
    )
    return render_calls(calls, rng, grid)


def _growl(dog: Dog, rng: np.random.Generator, grid: Grid) -> Array:
    """A growl, [1, samples]: a low, very hoarse voice that swells."""
    length = grid.count(between(rng, 0.8, 1.6))
    position = (np.arange(length) / length)[None, :]
    calls = Calls(
        pitch_hz=between(rng, 55, 95)
        * (1 + 0.12 * np.sin(2 * np.pi * between(rng, 1, 3) * position)),
        envelope=arch(position, np.array([[0.35]]), np.array([[0.4]])),
        breath=np.array([[0.45]]),
        formants_hz=np.array([[420.0, 900.0, 1900.0]]) * dog.mouth,
        widths_hz=np.array([[200.0, 300.0, 500.0]]) * dog.mouth,
        gains=np.array([[1.0, 0.5, 0.2]]),
        rough=0.9,
        slope=0.8,
    )
    return render_calls(calls, rng, grid)


def _bark_times(dog: Dog, rng: np.random.Generator, grid: Grid) -> Array:
    """When the barks start, in seconds."""
    if dog.barks:
        slots = (np.arange(dog.barks) + rng.uniform(0.1, 0.6, dog.barks)) / dog.barks
        return np.asarray(slots * max(grid.seconds - dog.length_s, 0.0))
    times: list[float] = []
    at = min(between(rng, 0.0, 0.7), 0.1 * grid.seconds)
    gap = 1.0 / dog.rate_hz
    while at < grid.seconds - 0.5 * dog.length_s:
        for _ in range(max(1, dog.run + int(rng.integers(-1, 2)))):
            times.append(at)
            at += max(gap * between(rng, 0.8, 1.25), 0.8 * dog.length_s)
        at += between(rng, 0.5, 1.6) if 1 < dog.run < 40 else 0.0
    return np.array([at for at in times if at < grid.seconds])


_PATTERNS_ONE = (
    "{a_dog} {barks} {how} {where?}",
    "{a_dog} {barks} {where?}",
    "{a_dog} is {barking} {how?} {where?}",
    "{a_dog} {barking} {how?} {where?}",
    "{sound} of {a_dog} {where?}",
    "{a_dog} {barks} {growls}",
    "{barking} of {a_dog} {how?}",
    "{how_adj} {barking} of {a_dog} {where?}",
)
_PATTERNS_MANY = (
    "{dogs} {bark} {how?} {where?}",
    "{dogs} are {barking} {how?} {where?}",
    "{dogs} {barking} {together} {where?}",
    "{barking} from {dogs} {where?}",
    "{sound} of {dogs} {together?} {where?}",
    "{a_pack} {where?}",
)


_SIZE_WORDS: Mapping[str, str] = {
    "large": "a large dog|a big dog",
    "medium": "a medium-sized dog",
    "small": "a small dog|a little dog",
    "yip": "a small dog|a tiny dog|a puppy",
}


def _slots(scene: Dogs) -> dict[str, str]:
    dog, count = scene.dogs[0], len(scene.dogs)
    yip, alone = dog.size == "yip", count == 1
    small = "small dogs" if {member.size for member in scene.dogs} <= {"yip", "small"} else ""
    verb, participle = ("yip", "yipping") if yip else ("bark", "barking")
    crowd = {2: "two dogs|a pair of dogs", 3: "three dogs|multiple dogs|a group of dogs"}
    large = "gives voice" if dog.size == "large" else ""
    how, adjectives = _how(dog) if alone else (_how_many(scene), "noisy")
    return {
        "a_dog": either("a dog", _SIZE_WORDS[dog.size]),
        "barks": either(f"{verb}s", "yelps shrilly" if yip else large),
        "bark": either(verb, "yap" if small else ""),
        "barking": either(participle, "yapping" if small else ""),
        "sound": f"the {verb}s|the {participle}",
        "how": how,
        "how_adj": adjectives,
        "growls": "and growls|and growls now and then|with a growl in between"
        if scene.growls
        else "",
        "dogs": either(
            crowd.get(count, "several dogs|multiple dogs|a group of dogs"), "some dogs|dogs", small
        ),
        "together": "at the same time|together|over each other",
        "a_pack": "a pack of dogs making noise|a pack of dogs barking"
        if count > 3 and not yip
        else "",
        "where": place_phrases(scene.space),
    }


def _how(dog: Dog) -> tuple[str, str]:
    """Adverbs and adjectives of one dog's barking."""
    if dog.barks:
        only = "a single time|just once" if dog.barks == 1 else ""
        return either(times_word(dog.barks), only), "brief|sparse"
    if dog.run == 1:
        return "now and then|at intervals|every so often", "slow|unhurried"
    if dog.run < 10:
        return "in short bursts|several times in a row|in groups", "repeated"
    fast = "continuously|rapidly|without stopping|fast and furiously"
    return fast, "rapid|continuous|excited"


def _how_many(scene: Dogs) -> str:
    if sum(dog.rate_hz for dog in scene.dogs) > 5:
        return "excitedly|without stopping|all at once"
    return "now and then|in turn|at intervals"
