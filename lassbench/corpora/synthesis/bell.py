"""Bells: inharmonic modes that decay, struck by clappers: church bells, hand bells, desk bells,
bicycle bells, chimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lassbench.corpora.synthesis.captions import (
    Grammar,
    either,
    number_word,
    place_phrases,
    times_word,
)
from lassbench.corpora.synthesis.signals import (
    Array,
    Grid,
    Modes,
    between,
    chance,
    log_between,
    pick,
    place,
    white,
)
from lassbench.corpora.synthesis.space import Space, draw_space

CHURCH, CHIME = "Church bell", "Chime"
# Partials relative to the strike note, and their levels: hum, prime, tierce, quint, nominal and
# above for a tuned church bell (Rossing and Fletcher, The Physics of Musical Instruments, chapter
# 21).
_CHURCH = (
    (0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.66, 3.0, 4.17, 5.43, 6.8),
    (0.7, 0.9, 0.8, 0.3, 1.0, 0.35, 0.4, 0.45, 0.35, 0.2, 0.1),
)
# A tube or bar free at both ends: (2n + 1)^2 / 9 (chapter 19).
_TUBE = ((1.0, 2.756, 5.404, 8.933, 13.34), (1.0, 0.5, 0.3, 0.12, 0.05))
_SMALL = ((1.0, 1.98, 2.44, 2.95, 4.2, 5.4, 6.9), (1.0, 0.5, 0.25, 0.5, 0.4, 0.25, 0.15))
_CUP = ((1.0, 2.67, 2.71, 4.9, 5.3, 7.6), (1.0, 0.6, 0.5, 0.4, 0.25, 0.2))
# A cow bell is a folded sheet: dense, uneven modes.
_SHEET = ((1.0, 1.48, 2.05, 2.42, 3.1, 3.9, 4.6, 5.3), (1.0, 0.9, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15))


@dataclass(frozen=True)
class _Make:
    """How a kind of bell is built: modes, range of its note in Hz, decay range of its note in s,
    bells, strikes a second.
    """

    modes: tuple[tuple[float, ...], tuple[float, ...]]
    note_hz: tuple[float, float]
    decay_s: tuple[float, float]
    bells: tuple[int, int]
    rate_hz: tuple[float, float]


_MAKES: Mapping[str, _Make] = {
    "church": _Make(_CHURCH, (170, 560), (1.2, 3.5), (1, 1), (0.35, 0.8)),
    "peal": _Make(_CHURCH, (300, 620), (0.8, 2.0), (3, 6), (1.6, 4.2)),
    "hand": _Make(_SMALL, (700, 1900), (0.25, 0.9), (1, 1), (3.0, 6.5)),
    "desk": _Make(_CUP, (1500, 3300), (0.5, 1.6), (1, 1), (0.0, 0.0)),
    "bicycle": _Make(_CUP, (1300, 2400), (0.2, 0.6), (1, 1), (0.0, 0.0)),
    "cow": _Make(_SHEET, (380, 900), (0.08, 0.25), (1, 3), (1.2, 3.5)),
    "alarm": _Make(_CUP, (700, 1700), (0.15, 0.4), (1, 1), (11.0, 24.0)),
    "chime": _Make(_TUBE, (260, 900), (0.9, 2.6), (4, 8), (0.7, 3.0)),
}


@dataclass(frozen=True)
class Bells:
    """One or several bells of a kind.

    notes_hz: each bell's strike note. strikes: how many, counted and spread over the clip; 0 for
    `rate_hz` a second. hardness: how much the clapper excites the high modes; click: level of the
    noise of its impact.
    """

    kind: str
    notes_hz: tuple[float, ...]
    decay_s: float
    strikes: int
    rate_hz: float
    hardness: float
    click: float
    space: Space

    @classmethod
    def draw(cls, rng: np.random.Generator, tags: frozenset[str]) -> Bells:
        """A random scene that fits the tags."""
        kinds = {
            "church": 0.28,
            "peal": 0.12,
            "hand": 0.18,
            "desk": 0.16,
            "bicycle": 0.07,
            "cow": 0.08,
            "alarm": 0.11,
        }
        if CHIME in tags:
            kinds = {"chime": 1.0}
        elif CHURCH in tags:
            kinds = {"church": 0.7, "peal": 0.3}
        kind = pick(rng, kinds)
        make = _MAKES[kind]
        counted = make.rate_hz[1] == 0 or (kind in {"church", "chime"} and chance(rng, 0.5))
        outside = (
            {"outdoors": 0.7, "hall": 0.3}
            if kind in {"church", "peal", "cow"}
            else {"room": 0.65, "hall": 0.2, "outdoors": 0.15}
        )
        return cls(
            kind=kind,
            notes_hz=_draw_notes(make, rng),
            decay_s=log_between(rng, *make.decay_s),
            strikes=int(rng.integers(1, 6)) if counted else 0,
            rate_hz=log_between(rng, *make.rate_hz) if make.rate_hz[1] else 0.0,
            hardness=between(rng, -0.25, 0.35),
            click=log_between(rng, 0.01, 0.2),
            space=draw_space(rng, rooms=outside, far=0.22),
        )

    def sound(self, rng: np.random.Generator, grid: Grid) -> Array:
        """The dry sound, [samples]."""
        times = self._times(rng, grid)
        starts = np.minimum(np.rint(times * grid.sample_rate_hz).astype(np.int64), grid.samples - 1)
        which = self._ringing_order(len(times), rng)
        gains = rng.uniform(0.6, 1.0, len(times))
        out = np.zeros(grid.samples)
        for bell, note in enumerate(self.notes_hz):
            mine = which == bell
            if mine.any():
                out += self._ring(note, starts[mine], gains[mine], rng, grid)
        return out

    def _times(self, rng: np.random.Generator, grid: Grid) -> Array:
        """When the strikes fall, in seconds."""
        if self.strikes:
            if self.kind == "bicycle":
                rings = between(rng, 0.02, 0.5) * grid.seconds + np.cumsum(
                    rng.uniform(0.25, 0.9, self.strikes)
                )
                # The thumb lever strikes twice or three times a ring.
                inner = np.arange(3) * between(rng, 0.04, 0.09)
                return np.asarray(np.minimum(rings[:, None] + inner, 0.95 * grid.seconds).ravel())
            slots = np.arange(self.strikes) + rng.uniform(0.05, 0.5, self.strikes)
            return np.asarray(slots / self.strikes * 0.9 * grid.seconds)
        uneven = {"hand": 0.12, "cow": 0.5, "chime": 0.6, "alarm": 0.01}.get(self.kind, 0.04)
        count = int(grid.seconds * self.rate_hz * 1.5) + 2
        gaps = np.maximum(1.0 + uneven * rng.standard_normal(count), 0.1) / self.rate_hz
        times = np.cumsum(gaps) - gaps[0] + min(between(rng, 0, 0.8), 0.05 * grid.seconds)
        return np.asarray(times[times < grid.seconds - 0.01])

    def _ringing_order(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Which bell each strike is on: a peal goes round from high to low, the others as they
        come.
        """
        bells = len(self.notes_hz)
        if self.kind != "peal":
            return rng.integers(0, bells, count)
        rounds = -(-count // bells)
        swap = [
            rng.permutation(bells) if chance(rng, 0.4) else np.arange(bells) for _ in range(rounds)
        ]
        return np.concatenate(swap)[:count].astype(np.int64)

    def _ring(
        self,
        note_hz: float,
        starts: NDArray[np.int64],
        gains: Array,
        rng: np.random.Generator,
        grid: Grid,
    ) -> Array:
        """One bell, [samples]: its modes ring on, each strike adding to what still sounds."""
        modes, level = self._cast(note_hz, rng, grid)
        # In sine phase a strike sets in without a step; each excites the modes differently.
        force = rng.uniform(0.7, 1.3, (len(starts), len(level))) * gains[:, None]
        order = np.argsort(starts, kind="stable")
        strikes = -1j * (level * force)[order]
        ends = np.append(starts[order][1:], grid.samples).tolist()
        out = np.zeros(grid.samples)
        states = np.zeros(len(level), dtype=np.complex128)
        for strike, start, end in zip(strikes, starts[order].tolist(), ends, strict=True):
            states = states + strike
            if end > start:
                out[start:end] += modes.ring(states, end - start)
                states = states * np.exp(modes.poles * (end - start))
        click = white(rng, 4, grid.count(0.006))
        click *= np.exp(-np.arange(click.shape[1]) / (0.0015 * grid.sample_rate_hz))
        loudness = gains * self.click * float(level.sum())
        place(out, click, starts, rng.integers(0, 4, len(starts)), loudness)
        return out

    def _cast(self, note_hz: float, rng: np.random.Generator, grid: Grid) -> tuple[Modes, Array]:
        """The modes of one bell and their levels.

        No two bells are cast alike, and none is quite round: every mode is a pair a fraction of a
        hertz apart, which beats.
        """
        ratio, level = (np.array(part) for part in _MAKES[self.kind].modes)
        ratio = ratio * (1.0 + 0.004 * rng.standard_normal(len(ratio)))
        frequency = np.concatenate([ratio, ratio]) * note_hz
        frequency[len(ratio) :] += rng.uniform(0.1, 1.6, len(ratio))
        decay = self.decay_s * (np.concatenate([ratio, ratio]) / ratio[1]) ** -0.8
        level = level * ratio**self.hardness
        level = np.concatenate([level, level * rng.uniform(0.2, 0.8, len(level))])
        keep = frequency < 0.95 * grid.nyquist_hz
        poles = (2j * np.pi * frequency - 1.0 / decay) / grid.sample_rate_hz
        return Modes(poles[keep]), level[keep]

    def grammar(self) -> Grammar:
        """Sentences that are true of the scene."""
        return Grammar(_PATTERNS_MANY if len(self.notes_hz) > 1 else _PATTERNS_ONE, _slots(self))


def _draw_notes(make: _Make, rng: np.random.Generator) -> tuple[float, ...]:
    """Strike notes of the bells; several bells form a falling scale."""
    count = int(rng.integers(make.bells[0], make.bells[1] + 1))
    top = log_between(rng, *make.note_hz) * (1.3 if count > 2 else 1.0)
    steps = np.cumsum(rng.choice((1, 2, 2, 3), count)) - 1
    return tuple(float(note) for note in top * 2.0 ** (-steps / 12))


_PATTERNS_ONE = (
    "{a_bell} {rings} {how?} {where?}",
    "{a_bell} {rings} {count} {where?}",
    "{a_bell} is {rung} {how?} {where?}",
    "{a_bell} {ringing} {how?} {where?}",
    "{sound} of {a_bell} {ringing?} {where?}",
    "{a_bell} {rings} {fades}",
    "{pitch} bell {rings} {how?} {where?}",
    "{ringing} of {a_bell} {where?}",
)
_PATTERNS_MANY = (
    "{bells} {ring} {how?} {where?}",
    "{bells} are {ringing} {how?} {where?}",
    "{bells} {ringing} {together?} {where?}",
    "{sound} of {bells} {where?}",
    "{ringing} of {bells} {how?} {where?}",
    "{number} bells {ring} {together?} {where?}",
)
# Names of one bell and of several, verb, participle.
_WORDS: Mapping[str, tuple[str, str, str, str]] = {
    "church": ("a church bell|a tower bell", "church bells", "toll", "tolling"),
    "peal": (
        "a church bell",
        "church bells|the bells of a church|tower bells|large bells",
        "peal",
        "pealing",
    ),
    "hand": ("a hand bell|a small bell|a hand-held bell", "hand bells", "ring", "ringing"),
    "desk": ("a desk bell|a service bell|a reception bell", "desk bells", "ding", "dinging"),
    "bicycle": ("a bicycle bell|a bike bell|a small bell", "bicycle bells", "ring", "ringing"),
    "cow": (
        "a cow bell|a cowbell|a dull metal bell",
        "cow bells|several cow bells|the bells of some cows",
        "clank",
        "clanking",
    ),
    "alarm": ("an alarm bell|an electric bell|a school bell", "alarm bells", "ring", "ringing"),
    "chime": ("a chime", "chimes|wind chimes|tubular bells|chime bells", "chime", "chiming"),
}


def _slots(scene: Bells) -> dict[str, str]:
    one, several, verb, participle = _WORDS[scene.kind]
    note, count = scene.notes_hz[0], len(scene.notes_hz)
    deep = "a large bell|a deep bell" if scene.kind == "church" and note < 320 else ""
    in_tune = scene.kind in {"peal", "chime"}
    return {
        "a_bell": either(one, deep, "a bell"),
        "bells": either(several, "bells" if count > 1 and not in_tune else ""),
        "rings": either("rings", f"{verb}s"),
        "ring": either("ring", verb),
        "ringing": either("ringing", participle),
        "rung": "rung|struck|sounded",
        "count": _count(scene),
        "how": _how(scene),
        "fades": _fades(scene),
        "pitch": "a low|a deep" if note < 350 else "a high|a bright" if note > 1500 else "a clear",
        "number": either(number_word(count), "several") if count > 2 else "two|a pair of",
        "together": "one after another|in turn|in a tune" if in_tune else "together",
        "sound": "the sound|the tone",
        "where": place_phrases(scene.space),
    }


def _count(scene: Bells) -> str:
    """How many strokes, where they are counted; a bicycle bell's double strokes are not."""
    if not scene.strikes or scene.kind == "bicycle":
        return ""
    return either(times_word(scene.strikes), "a single time" if scene.strikes == 1 else "")


def _fades(scene: Bells) -> str:
    """How a stroke dies away; bells that are rung fast are never heard to."""
    if not scene.strikes and scene.rate_hz > 1.0:
        return ""
    if scene.decay_s > 1.2:
        return "and fades slowly|with a long decay|and echoes away"
    return "with a short sound|and dies away quickly"


def _how(scene: Bells) -> str:
    if scene.kind == "bicycle":
        return "briskly|with quick double strokes"
    if scene.strikes:
        return _count(scene)
    if scene.rate_hz > 9:
        return "continuously|without a break|rapidly"
    if scene.rate_hz > 2.5:
        return "quickly|again and again|repeatedly"
    return "slowly|repeatedly|at intervals" if scene.rate_hz < 0.6 else "repeatedly|over and over"
