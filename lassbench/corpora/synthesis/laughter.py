"""Laughter: bouts of short open calls, each starting with breath, that fall in pitch and loudness,
between gasps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lassbench.corpora.synthesis.calls import Calls, arch, render_calls, resampled
from lassbench.corpora.synthesis.captions import Grammar, either, place_phrases
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

BABY = "Baby laughter"

# Resonances in Hz of the open vowels of ha, heh and hoh for an adult man, and their widths and
# gains.
_VOWELS = (
    (760.0, 1250.0, 2500.0, 3500.0),
    (600.0, 1750.0, 2550.0, 3600.0),
    (520.0, 900.0, 2450.0, 3400.0),
)
_WIDTHS = (110.0, 140.0, 220.0, 320.0)
_GAINS = (1.0, 0.7, 0.35, 0.22)
# Calls a laugher has: the first half are voiced ones by falling pitch, and so on to the lowest.
_CALLS = 14
# Seconds from call to call, and how breathy, in each style.
_STYLES: Mapping[str, tuple[float, float, float]] = {
    "giggle": (0.125, 0.165, 0.15),
    "chuckle": (0.17, 0.23, 0.35),
    "belly laugh": (0.21, 0.3, 0.1),
    "cackle": (0.15, 0.2, 0.05),
}
# Mean pitch range in Hz and vocal tract length (1 for an average man's).
_PEOPLE: Mapping[str, tuple[float, float, float]] = {
    "man": (140.0, 260.0, 1.0),
    "woman": (260.0, 430.0, 0.86),
    "baby": (380.0, 620.0, 0.58),
}


@dataclass(frozen=True)
class Laugher:
    """One laughing voice: man, woman or baby; its style, pitch, vocal tract length and vowel."""

    person: str
    style: str
    pitch_hz: float
    tract: float
    every_s: float
    vowel: int


@dataclass(frozen=True)
class Laughter:
    """Laughter of one, two or a group; `crowd` more voices are variations of the first ones."""

    laughers: tuple[Laugher, ...]
    crowd: int
    flow: str
    space: Space

    @classmethod
    def draw(cls, rng: np.random.Generator, tags: frozenset[str]) -> Laughter:
        """A random scene that fits the tags."""
        if BABY in tags:
            people = [
                "baby",
                *(["woman" if chance(rng, 0.5) else "man"] if chance(rng, 0.2) else []),
            ]
            crowd = 0
        else:
            size = pick(rng, {1: 0.5, 2: 0.2, 3: 0.3})
            people = [pick(rng, ("man", "woman")) for _ in range(size)]
            crowd = int(rng.integers(2, 12)) if size == 3 else 0
        return cls(
            laughers=tuple(_draw_laugher(rng, person) for person in people),
            crowd=crowd,
            flow=pick(
                rng,
                {"constant": 0.45, "on and off": 0.4, "brief": 0.15 if len(people) == 1 else 0.0},
            ),
            space=draw_space(rng, rooms={"room": 0.6, "hall": 0.2, "outdoors": 0.2}, far=0.12),
        )

    def sound(self, rng: np.random.Generator, grid: Grid) -> Array:
        """The dry sound, [samples]."""
        out = np.zeros(grid.samples)
        voices = [_voice(laugher, rng, grid) for laugher in self.laughers]
        for laugher, voice in zip(self.laughers, voices, strict=True):
            place(out, voice, *self._bouts(laugher, rng, grid))
        for index in range(self.crowd):
            which = index % len(voices)
            other = resampled(voices[which], log_between(rng, 0.8, 1.25))
            starts, rows, gains = self._bouts(self.laughers[which], rng, grid)
            place(out, other, starts, rows, gains * log_between(rng, 0.25, 0.9))
        return out

    def _bouts(
        self, laugher: Laugher, rng: np.random.Generator, grid: Grid
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """One person's calls and gasps: first samples, rows of the voice's table, gains."""
        first = between(rng, 0.0, 0.6) if self.flow != "on and off" else between(rng, 0.0, 1.5)
        at = min(first, 0.05 * grid.seconds)
        until = grid.seconds if self.flow != "brief" else at + between(rng, 1.0, 2.2)
        times, rows, gains = [], [], []
        while at < min(until, grid.seconds - 0.05):
            bout = _bout(laugher, rng)
            times.append(at + bout[0])
            rows.append(bout[1])
            gains.append(bout[2])
            at = float(times[-1][-1]) + laugher.every_s
            at += between(rng, 0.35, 0.8) if self.flow == "constant" else between(rng, 0.8, 2.4)
        starts = np.rint(np.concatenate(times) * grid.sample_rate_hz).astype(np.int64)
        return starts, np.concatenate(rows), np.concatenate(gains)

    def grammar(self) -> Grammar:
        """Sentences that are true of the scene."""
        if self.crowd:
            return Grammar(_PATTERNS_CROWD, _crowd_slots(self))
        return Grammar(_PATTERNS_FEW, _few_slots(self))


def _draw_laugher(rng: np.random.Generator, person: str) -> Laugher:
    low, high, tract = _PEOPLE[person]
    styles = (
        {"giggle": 0.5, "chuckle": 0.3, "cackle": 0.2}
        if person == "baby"
        else {
            "giggle": 0.2 if person == "man" else 0.4,
            "chuckle": 0.35,
            "belly laugh": 0.3,
            "cackle": 0.15,
        }
    )
    style = pick(rng, styles)
    return Laugher(
        person=person,
        style=style,
        pitch_hz=log_between(rng, low, high) * {"cackle": 1.25, "belly laugh": 0.9}.get(style, 1.0),
        tract=tract * between(rng, 0.94, 1.06),
        every_s=between(rng, *_STYLES[style][:2]),
        vowel=2 if style == "belly laugh" else int(rng.integers(2)),
    )


def _bout(laugher: Laugher, rng: np.random.Generator) -> tuple[Array, NDArray[np.int64], Array]:
    """One bout: times in seconds from its start, rows of the voice's table, gains; often a gasp at
    the end.
    """
    count = int(rng.integers(4, 15 if laugher.style != "belly laugh" else 10))
    steps = laugher.every_s * rng.uniform(0.88, 1.12, count) * np.linspace(0.92, 1.15, count)
    times = np.concatenate([[0.0], np.cumsum(steps)])
    # From high calls to low ones through the table, with the loudness falling after a quick rise.
    rank = np.linspace(0, _CALLS - 1.5, count) + rng.uniform(-1.5, 1.5, count) + between(rng, 0, 3)
    rows = np.append(np.clip(np.rint(rank), 0, _CALLS - 1), _CALLS).astype(np.int64)
    gains = rng.uniform(0.7, 1.0, count) * np.linspace(1.0, 0.35, count)
    gains[0] *= 0.7
    gasp = between(rng, 0.05, 0.2) if chance(rng, 0.6) else 0.0
    return times, rows, np.append(gains, gasp)


def _voice(laugher: Laugher, rng: np.random.Generator, grid: Grid) -> Array:
    """Table of a laugher's calls from high to low and one gasp, [_CALLS + 1, samples]."""
    rows = _CALLS + 1
    length = grid.count(max(0.3, 1.1 * laugher.every_s))
    share = np.append(rng.uniform(0.6, 0.95, _CALLS) * laugher.every_s / 0.3, 0.95)[:, None]
    position = np.arange(length) / length / share
    fall = np.append(np.geomspace(1.25, 0.7, _CALLS) * rng.uniform(0.95, 1.05, _CALLS), 1.0)[
        :, None
    ]
    bend = rng.uniform(-0.1, 0.25, (rows, 1))
    pitch = (
        laugher.pitch_hz
        * fall
        * (1.0 + bend * np.sin(np.pi * np.clip(position, 0, 1)) - 0.1 * position)
    )
    breathy = _STYLES[laugher.style][2] + 0.15 * rng.random((rows, 1))
    onset = np.exp(-np.clip(position, 0, None) / 0.12)
    breath = np.clip(breathy + 0.9 * onset, 0.0, 1.0)
    breath[-1] = 1.0
    vowel = np.array(_VOWELS[laugher.vowel]) / laugher.tract
    calls = Calls(
        pitch_hz=np.maximum(pitch, 60.0),
        envelope=arch(position, np.full((rows, 1), 0.22), np.full((rows, 1), 0.5)),
        breath=breath,
        formants_hz=vowel * rng.uniform(0.93, 1.07, (rows, 4)),
        widths_hz=np.tile(np.array(_WIDTHS) / laugher.tract, (rows, 1)),
        gains=np.tile(_GAINS, (rows, 1)),
        rough=0.3 if laugher.style == "cackle" else 0.0,
        slope=1.0 if laugher.style == "cackle" else 1.4,
    )
    return render_calls(calls, rng, grid)


_PATTERNS_FEW = (
    "{who} {laughs} {how?} {where?}",
    "{who} {laughs} {flow} {where?}",
    "{who} {be} {laughing} {how?} {where?}",
    "{who} {be} {laughing} {flow} {where?}",
    "{sound} of {who} {flow?} {where?}",
    "{adjective} {laughter} from {who} {where?}",
    "{who} {laughing} {how?} {where?}",
    "{laughter} of {who} {where?}",
)
_PATTERNS_CROWD = (
    "{group} {laughs} {how?} {where?}",
    "{group} {laughing} {flow?} {where?}",
    "{laughter} of {group} {where?}",
    "{group} {burst} {where?}",
    "{many} {laugh_all} {where?}",
    "{many} are laughing {how?} {flow?} {where?}",
    "{laughter} from {many} {flow?} {where?}",
)
_FLOW = {
    "constant": "without stopping|on and on|the whole time|continuously",
    "on and off": "on and off|in several bursts|again and again, with pauses",
    "brief": "briefly|for a moment|for a short time",
}
# How one person laughs, by style: verb, participle, adverbs, adjectives, other nouns.
_WORDS: Mapping[str, Mapping[str, str]] = {
    "giggle": {
        "laughs": "giggles",
        "laughing": "giggling",
        "how": "with quick little laughs|fast",
        "adjective": "quick|light",
        "laughter": "giggling",
    },
    "chuckle": {
        "laughs": "chuckles",
        "laughing": "chuckling",
        "how": "quietly under the breath|softly",
        "adjective": "quiet|soft",
        "laughter": "",
    },
    "belly laugh": {
        "laughs": "laughs out loud",
        "laughing": "",
        "how": "heartily|from the belly|deeply",
        "adjective": "hearty|deep",
        "laughter": "",
    },
    "cackle": {
        "laughs": "cackles|laughs out loud",
        "laughing": "cackling",
        "how": "shrilly|in a hoarse voice",
        "adjective": "shrill|hoarse",
        "laughter": "",
    },
}


def _few_slots(scene: Laughter) -> dict[str, str]:
    people = [laugher.person for laugher in scene.laughers]
    shared = {"who": _who(people), "flow": _FLOW[scene.flow], "where": place_phrases(scene.space)}
    if len(people) > 1:
        return {
            **shared,
            "be": "are",
            "laughs": "laugh|laugh out loud",
            "laughing": "laughing",
            "sound": "the laughter|the sound of the laughter",
            "how": "together|at the same time",
            "adjective": "joint|merry",
            "laughter": "laughter",
        }
    words = _WORDS[scene.laughers[0].style]
    return {
        **words,
        **shared,
        "be": "is",
        "laughs": either(words["laughs"], "laughs"),
        "laughing": either(words["laughing"], "laughing"),
        "sound": "the laughter|the laugh|the sound of the laughter",
        "laughter": either(words["laughter"], "laughter"),
    }


def _who(people: list[str]) -> str:
    first = people[0]
    if people == ["baby"]:
        return "a baby|an infant|a little baby|a small child"
    if len(people) == 1:
        return f"a {first}|a person|someone|an adult {'male' if first == 'man' else 'female'}"
    if "baby" in people:
        return f"a baby and a {people[1]}|an infant and a {people[1]}|a baby and an adult"
    if first == people[1]:
        plural = {"man": "men", "woman": "women"}[first]
        return f"two {plural}|two people|a pair of {plural}"
    return "a man and a woman|two people|a woman and a man"


def _crowd_slots(scene: Laughter) -> dict[str, str]:
    large = scene.crowd > 6
    few = "a group of people|a small group|a handful of people"
    return {
        "group": "a crowd|an audience|a crowd of people" if large else few,
        "many": "many people|lots of people" if large else "several people|a few people",
        "laughs": "laughs|laughs together|laughs out loud",
        "laughing": "laughing|laughing together",
        "laugh_all": "laugh|laugh at once|laugh together",
        "burst": "bursts out laughing|breaks into laughter",
        "laughter": "laughter|loud laughter|the laughter",
        "how": "heartily|merrily|out loud",
        "flow": _FLOW[scene.flow],
        "where": place_phrases(scene.space),
    }
