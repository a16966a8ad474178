"""Typing: a click for every key pressed and a softer one for its release, each ringing in the
keyboard and the desk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lassbench.corpora.synthesis.captions import Grammar, either, place_phrases, prefixed
from lassbench.corpora.synthesis.signals import (
    Array,
    Grid,
    between,
    log_between,
    pick,
    place,
    unit_peak,
    white,
)
from lassbench.corpora.synthesis.space import Space, draw_space

KEYBOARD = "Computer keyboard"
_KEYS, _SPACES, _GRAIN_S = 24, 3, 0.06


@dataclass(frozen=True)
class _Build:
    """How a kind of keyboard sounds.

    click_hz: range of the key's own resonances; thump_hz: of the board and the desk; click_s: decay
    of the resonances. thump: level of the thump; release: of the release click; both relative to
    the press.
    """

    click_hz: tuple[float, float]
    thump_hz: tuple[float, float]
    click_s: float
    thump: float
    release: float


_BUILDS: Mapping[str, _Build] = {
    "mechanical": _Build((2200, 5200), (280, 700), 0.005, 0.4, 0.5),
    "membrane": _Build((1100, 3200), (160, 420), 0.004, 0.8, 0.25),
    "laptop": _Build((1800, 4200), (200, 500), 0.0025, 0.5, 0.2),
    "heavy": _Build((1400, 3800), (110, 300), 0.008, 1.2, 0.6),
}


@dataclass(frozen=True)
class Typing:
    """Somebody typing.

    build: kind of keyboard. keys_per_s: within a word. pause_s: mean pause for thought, word_keys:
    keys to a word. runs: words between two pauses. force_spread: how much the strokes' force
    varies. named: known to be a computer's.
    """

    build: str
    keys_per_s: float
    pause_s: float
    runs: int
    force_spread: float
    brightness: float
    named: bool
    space: Space

    @classmethod
    def draw(cls, rng: np.random.Generator, tags: frozenset[str]) -> Typing:
        """A random scene that fits the tags."""
        named = KEYBOARD in tags
        builds = {"mechanical": 0.35, "membrane": 0.35, "laptop": 0.3}
        return cls(
            build=pick(rng, builds if named else {**builds, "heavy": 0.5}),
            keys_per_s=log_between(rng, 2.2, 13.0),
            pause_s=log_between(rng, 0.25, 1.4),
            runs=int(rng.integers(1, 9)),
            force_spread=between(rng, 0.1, 0.5),
            brightness=between(rng, 0.8, 1.25),
            named=named,
            space=draw_space(rng, rooms={"room": 0.92, "hall": 0.08}, far=0.1),
        )

    def sound(self, rng: np.random.Generator, grid: Grid) -> Array:
        """The dry sound, [samples]."""
        times, spaces = self._strokes(rng, grid)
        count = len(times)
        table = self._grains(rng, grid)
        favourite = rng.integers(0, _KEYS, 12)  # letters come in uneven shares
        letters = np.where(
            rng.random(count) < 0.5, rng.choice(favourite, count), rng.integers(0, _KEYS, count)
        )
        which = np.where(spaces, _KEYS + rng.integers(0, _SPACES, count), letters)
        force = np.exp(self.force_spread * rng.standard_normal(count)) * np.where(spaces, 1.35, 1.0)
        out = np.zeros(grid.samples)
        place(out, table, np.rint(times * grid.sample_rate_hz).astype(np.int64), which, force)
        lift = times + rng.uniform(0.05, 0.13, count)
        level = _BUILDS[self.build].release * force * rng.uniform(0.6, 1.2, count)
        releases = np.roll(table, 1, axis=0)  # another grain than the press's
        place(out, releases, np.rint(lift * grid.sample_rate_hz).astype(np.int64), which, level)
        return out

    def _strokes(self, rng: np.random.Generator, grid: Grid) -> tuple[Array, NDArray[np.bool_]]:
        """Times of the key presses in seconds, and which of them are the space bar."""
        times: list[float] = []
        spaces: list[bool] = []
        at = min(between(rng, 0.02, 0.6), 0.05 * grid.seconds)
        while at < grid.seconds - 0.02:
            for _ in range(max(1, self.runs + int(rng.integers(-1, 2)))):
                length = int(rng.geometric(0.22)) + 1
                for index in range(length + 1):
                    times.append(at)
                    spaces.append(index == length)
                    at += log_between(rng, 0.6, 1.6) / self.keys_per_s
            at += self.pause_s * log_between(rng, 0.5, 2.0)
        inside = np.array(times) < grid.seconds - 0.02
        return np.array(times)[inside], np.array(spaces)[inside]

    def _grains(self, rng: np.random.Generator, grid: Grid) -> Array:
        """Key strokes, [_KEYS + _SPACES, samples]: noise tick, two or three key resonances, the
        board's thump.
        """
        build, rows = _BUILDS[self.build], _KEYS + _SPACES
        length = grid.count(_GRAIN_S)
        time = np.arange(length) / grid.sample_rate_hz
        bar = (np.arange(rows) >= _KEYS)[:, None]
        scale = np.where(bar, 0.6, 1.0) * self.brightness
        tick = white(rng, rows, length) * np.exp(-time / 0.0012)
        grain = 0.5 * tick
        for _ in range(3):
            tone = np.minimum(
                scale * rng.uniform(*build.click_hz, (rows, 1)), 0.9 * grid.nyquist_hz
            )
            decay = build.click_s * rng.uniform(0.6, 1.5, (rows, 1))
            grain += (
                rng.uniform(0.25, 0.8, (rows, 1))
                * np.sin(2 * np.pi * tone * time)
                * np.exp(-time / decay)
            )
        thump = rng.uniform(*build.thump_hz, (rows, 1)) * scale
        level = build.thump * np.where(bar, 1.8, 1.0) * rng.uniform(0.6, 1.3, (rows, 1))
        grain += (
            level
            * np.sin(2 * np.pi * thump * time)
            * np.exp(-time / rng.uniform(0.008, 0.018, (rows, 1)))
        )
        return unit_peak(grain * np.minimum(time / 0.0003, 1.0))

    def grammar(self) -> Grammar:
        """Sentences that are true of the scene."""
        return Grammar(_PATTERNS, _slots(self))


_PATTERNS = (
    "{who} {types} {on?} {pace?} {where?}",
    "{who} is typing {on?} {pace?} {where?}",
    "{pace_adj} typing {on?} {where?}",
    "typing {on} {flow?} {where?}",
    "{keys} {click} {pace?} {where?}",
    "{sound} of {pace_adj?} typing {on?} {where?}",
    "{sound} of keys being pressed {pace?} {flow?}",
    "{who} {types} {flow} {on?}",
    "{clicks} of {board} {pace?} {where?}",
)


# What the keyboard is called and what its keys do, by kind.
_BOARD: Mapping[str, tuple[str, str]] = {
    "mechanical": ("a clicky keyboard", "click|clack|clatter"),
    "membrane": ("a dull-sounding keyboard", "tap|click softly|patter"),
    "laptop": ("a soft-sounding keyboard", "tap|click softly|patter"),
    "heavy": ("a heavy keyboard", "click|clack|clatter"),
}


def _slots(scene: Typing) -> dict[str, str]:
    own, click = _BOARD[scene.build]
    other = "a laptop keyboard" if scene.build == "laptop" else "a computer's keyboard"
    board = either(own, "a keyboard", f"a computer keyboard|{other}" if scene.named else "")
    pace, adjectives = _pace(scene.keys_per_s)
    return {
        "who": "someone|a person|somebody",
        "types": "types|taps the keys|hits the keys",
        "on": prefixed("on", board),
        "board": board,
        "pace": pace,
        "pace_adj": adjectives,
        "flow": _flow(scene),
        "keys": "keys|the keys of a keyboard|keyboard keys",
        "click": click,
        "clicks": "the clicking|the tapping|the clatter",
        "sound": "the sound|the noise",
        "where": place_phrases(scene.space),
    }


def _pace(keys_per_s: float) -> tuple[str, str]:
    """Adverbs and adjectives for the pace."""
    if keys_per_s > 7.0:
        return "fast|quickly|rapidly|at high speed", "fast|rapid|quick"
    if keys_per_s < 3.6:
        return "slowly|key by key|without hurry", "slow|hesitant|unhurried"
    return "at a steady pace|steadily", "steady|even"


def _flow(scene: Typing) -> str:
    if scene.runs > 5 and scene.pause_s < 0.6:
        return "without stopping|continuously|with hardly a pause"
    if scene.runs < 3:
        return "in short bursts|with many pauses|on and off"
    return "with a few pauses|with pauses for thought"
