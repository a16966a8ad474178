"""Ducks and geese: nasal quacks with a comb of harmonics, hoarse drakes, two-part honks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lassbench.corpora.synthesis.calls import Calls, arch, render_calls, resampled
from lassbench.corpora.synthesis.captions import Grammar, either, number_word, place_phrases
from lassbench.corpora.synthesis.signals import (
    Array,
    Grid,
    band,
    between,
    chance,
    log_between,
    noise,
    pick,
    place,
    rms,
    wander,
)
from lassbench.corpora.synthesis.space import Space, draw_space

DUCK, QUACK, GOOSE = "Duck", "Quack", "Goose"
_CALLS = 8


@dataclass(frozen=True)
class Fowl:
    """One bird: hen (loud quacks), drake (soft and hoarse) or goose (honks), and how it calls.

    series: calls in one go, getting quieter when `dwindles`; rate_hz: calls a second within a
    series.
    """

    kind: str
    pitch_hz: float
    bill: float
    length_s: float
    rate_hz: float
    series: int
    dwindles: bool


@dataclass(frozen=True)
class Ducks:
    """Ducks or geese or both; `flock` more birds are variations of the first ones. water: they are
    on a pond.
    """

    birds: tuple[Fowl, ...]
    flock: int
    pause_s: float
    water: bool
    space: Space

    @classmethod
    def draw(cls, rng: np.random.Generator, tags: frozenset[str]) -> Ducks:
        """A random scene that fits the tags."""
        hen = {"hen": 0.85, "drake": 0.15} if QUACK in tags else {"hen": 0.45, "drake": 0.55}
        kinds = []
        if GOOSE in tags:
            kinds.append("goose")
        if GOOSE not in tags or (tags & {DUCK, QUACK} and chance(rng, 0.6)):
            kinds.append(pick(rng, hen))
        if len(kinds) == 1 and chance(rng, 0.35):
            kinds.append(kinds[0] if kinds[0] == "goose" else pick(rng, hen))
        return cls(
            birds=tuple(_draw_bird(rng, kind) for kind in kinds),
            flock=pick(rng, {0: 0.6, 2: 0.15, 5: 0.15, 10: 0.1}),
            pause_s=log_between(rng, 0.3, 2.2),
            water=chance(rng, 0.25),
            space=draw_space(rng, rooms={"outdoors": 0.85, "room": 0.15}, far=0.22),
        )

    def sound(self, rng: np.random.Generator, grid: Grid) -> Array:
        """The dry sound, [samples]."""
        out = np.zeros(grid.samples)
        tables = [_call_table(bird, rng, grid) for bird in self.birds]
        for bird, table in zip(self.birds, tables, strict=True):
            place(out, table, *self._series(bird, rng, grid))
        for index in range(self.flock):
            which = index % len(tables)
            other = resampled(tables[which], log_between(rng, 0.82, 1.22))
            starts, rows, gains = self._series(self.birds[which], rng, grid)
            place(out, other, starts, rows, gains * log_between(rng, 0.2, 0.9))
        if self.water:
            lapping = noise(rng, grid, band(250, 1800)) * np.exp(0.8 * wander(rng, grid, 3.0))
            out += 0.12 * rms(out) * lapping
        return out

    def _series(
        self, bird: Fowl, rng: np.random.Generator, grid: Grid
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """One bird's calls: first samples, rows of its table, gains."""
        times, gains = [], []
        at = min(between(rng, 0.0, 1.0 + self.pause_s), 0.1 * grid.seconds)
        while at < grid.seconds:
            count = max(1, bird.series + int(rng.integers(-1, 2)))
            steps = rng.uniform(0.85, 1.18, count) / bird.rate_hz
            times.append(at + np.concatenate([[0.0], np.cumsum(steps)[:-1]]))
            levels = rng.uniform(0.7, 1.0, count)
            gains.append(levels * (np.linspace(1.0, 0.3, count) if bird.dwindles else 1.0))
            at = float(times[-1][-1]) + 1.0 / bird.rate_hz + self.pause_s * between(rng, 0.5, 1.6)
        starts = np.rint(np.concatenate(times) * grid.sample_rate_hz).astype(np.int64)
        return starts, rng.integers(0, _CALLS, len(starts)), np.concatenate(gains)

    def grammar(self) -> Grammar:
        """Sentences that are true of the scene."""
        many = len(self.birds) + self.flock > 1
        return Grammar(_PATTERNS_MANY if many else _PATTERNS_ONE, _slots(self))


def _draw_bird(rng: np.random.Generator, kind: str) -> Fowl:
    if kind == "goose":
        pitch, length, rate = (
            log_between(rng, 230, 420),
            between(rng, 0.25, 0.5),
            between(rng, 0.9, 1.9),
        )
    elif kind == "hen":
        pitch, length, rate = (
            log_between(rng, 190, 330),
            between(rng, 0.12, 0.26),
            between(rng, 1.9, 3.6),
        )
    else:
        pitch, length, rate = (
            log_between(rng, 130, 230),
            between(rng, 0.08, 0.18),
            between(rng, 2.5, 6.0),
        )
    return Fowl(
        kind=kind,
        pitch_hz=pitch,
        bill=between(rng, 0.85, 1.2),
        length_s=min(length, 0.95 / rate),
        rate_hz=rate,
        series=int(rng.integers(1, 4)) if kind == "goose" else int(rng.integers(1, 10)),
        dwindles=kind == "hen" and chance(rng, 0.5),
    )


def _call_table(bird: Fowl, rng: np.random.Generator, grid: Grid) -> Array:
    """Calls of one bird, [_CALLS, samples]."""
    length = grid.count(1.2 * bird.length_s)
    position = np.arange(length) / length / rng.uniform(0.7, 0.98, (_CALLS, 1))
    inside = np.clip(position, 0.0, 1.0)
    top = rng.uniform(0.92, 1.08, (_CALLS, 1))
    if bird.kind == "goose":
        # The voice breaks: a low first part, then a jump up by a fifth or more, then a fall.
        step = 1.0 / (1.0 + np.exp(-(inside - rng.uniform(0.2, 0.4, (_CALLS, 1))) * 60))
        contour = 1.0 + rng.uniform(0.45, 0.75, (_CALLS, 1)) * step - 0.2 * inside
        mouth, widths, gains = (
            (900.0, 1500.0, 2700.0, 4200.0),
            (260.0, 380.0, 600.0, 900.0),
            (1.0, 0.8, 0.4, 0.2),
        )
    else:
        contour = 1.08 - 0.25 * inside**1.3 + 0.1 * np.sin(np.pi * inside)
        mouth, widths, gains = (
            (1250.0, 2350.0, 3500.0, 5200.0),
            (330.0, 420.0, 700.0, 1200.0),
            (0.9, 1.0, 0.55, 0.3),
        )
    drake = bird.kind == "drake"
    calls = Calls(
        pitch_hz=bird.pitch_hz * top * contour,
        envelope=arch(position, np.full((_CALLS, 1), 0.12), rng.uniform(0.3, 0.6, (_CALLS, 1))),
        breath=np.full((_CALLS, 1), 0.6 if drake else 0.16),
        formants_hz=np.array(mouth) * bird.bill * rng.uniform(0.94, 1.06, (_CALLS, 4)),
        widths_hz=np.tile(np.array(widths) * bird.bill, (_CALLS, 1)),
        gains=np.tile(gains, (_CALLS, 1)),
        rough=0.5 if drake else 0.12,
        slope=0.45,
    )
    return render_calls(calls, rng, grid)


_PATTERNS_ONE = (
    "{bird} {calls} {how?} {where?}",
    "{bird} is {calling} {how?} {where?}",
    "{bird} {calling} {how?} {where?}",
    "{sounds} of {bird} {how?} {where?}",
    "{bird} {calls} {course} {where?}",
    "{bird} {swims} and {calls} {how?}",
)
_PATTERNS_MANY = (
    "{birds} {call} {how_many?} {where?}",
    "{birds} are {calling} {how_many?} {where?}",
    "{birds} {calling} {how_many?} {where?}",
    "{sounds} of {birds} {where?}",
    "{sounds} from {birds} {how_many?} {where?}",
    "{birds} {swim} and {call} {how_many?}",
)


def _slots(scene: Ducks) -> dict[str, str]:
    kinds = {bird.kind for bird in scene.birds}
    bird = scene.birds[0]
    softer = bird.dwindles and bird.series > 3
    return {
        **_calls(kinds),
        "birds": _birds(kinds, len(scene.birds) + scene.flock),
        "how": _how(bird, scene.pause_s),
        "how_many": "all at once|over each other"
        if scene.flock > 4
        else "in turn|back and forth|now and then",
        "course": "in a series that gets quieter|strongly at first, then more softly"
        if softer
        else "",
        "swims": "swims on the water|floats on a pond" if scene.water else "",
        "swim": "swim on the water|float on a pond" if scene.water else "",
        "where": either(
            place_phrases(scene.space), "by the water|on a pond" if scene.water else ""
        ),
    }


def _calls(kinds: set[str]) -> dict[str, str]:
    """Names of one bird and words for its calls, by the kinds of birds there are."""
    if kinds == {"goose"}:
        return {
            "bird": "a goose|one goose",
            "calls": "honks",
            "call": "honk",
            "calling": "honking",
            "sounds": "the honks|the honking|honking",
        }
    if "goose" in kinds:
        return {
            "bird": "",
            "calls": "",
            "call": "honk and quack",
            "calling": "honking and quacking",
            "sounds": "the honks and quacks|honking and quacking",
        }
    hoarse = kinds == {"drake"}
    return {
        "bird": either("a duck|one duck", "a drake" if hoarse else ""),
        "calls": either("quacks", "quacks softly|quacks hoarsely" if hoarse else "quacks loudly"),
        "call": either("quack", "chatter in low quacks" if hoarse else ""),
        "calling": either("quacking", "quacking hoarsely" if hoarse else ""),
        "sounds": "the quacks|the quacking|quacking",
    }


def _birds(kinds: set[str], count: int) -> str:
    """Names of several birds."""
    if "goose" in kinds and len(kinds) > 1:
        few = "a goose and a duck|a duck and a goose"
        return "geese and ducks|ducks and geese" if count > 2 else few
    plural = "geese" if "goose" in kinds else "ducks"
    if count > 5:
        return f"a flock of {plural}|many {plural}|lots of {plural}|a crowd of {plural}"
    if count > 2:
        return f"several {plural}|a few {plural}|a group of {plural}|{plural}"
    return f"{number_word(count)} {plural}|a pair of {plural}|{plural}"


def _how(bird: Fowl, pause_s: float) -> str:
    pace = "slowly" if bird.rate_hz < 1.3 else ""
    if bird.rate_hz > 3.2:
        pace = "quickly|in quick succession"
    if bird.series > 5 and pause_s < 0.8:
        return either("again and again|without much pause", pace)
    if pause_s > 1.3 and bird.series < 4:
        return either("now and then|every so often", pace)
    return either("repeatedly|several times", pace)
