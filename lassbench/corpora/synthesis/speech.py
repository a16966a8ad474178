"""Speech by the source-filter model: glottal pulses and breath noise through formants that move
from sound to sound.

Nothing is said: the syllables are random, the voices, the melody, the pauses and the pace are
speech's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from lassbench.corpora.synthesis.captions import Grammar, either, place_phrases
from lassbench.corpora.synthesis.signals import (
    Array,
    Grid,
    between,
    chance,
    log_between,
    phase_of,
    pick,
    read_table,
    smooth,
    spread,
    wave_table,
    white,
)
from lassbench.corpora.synthesis.space import Space, draw_space

MALE, FEMALE = "Male speech, man speaking", "Female speech, woman speaking"
NARRATION = "Narration, monologue"

# First four formants in Hz of an adult man's vowels (Peterson and Barney 1952; the fourth is a
# typical value).
_VOWELS = (
    (270, 2290, 3010, 3500),
    (390, 1990, 2550, 3500),
    (530, 1840, 2480, 3500),
    (660, 1720, 2410, 3500),
    (730, 1090, 2440, 3400),
    (570, 840, 2410, 3300),
    (440, 1020, 2240, 3300),
    (300, 870, 2240, 3300),
    (640, 1190, 2390, 3400),
    (490, 1350, 1690, 3300),
)
_NASALS = ((260, 1150, 2300, 3300), (260, 1700, 2500, 3300))
_GLIDES = (
    (300, 700, 2200, 3300),
    (280, 2200, 2900, 3500),
    (350, 1200, 1600, 3200),
    (380, 1000, 2700, 3400),
)
_WIDTHS = (75.0, 95.0, 140.0, 220.0)
# Control frames a second: one every 5 ms.
_FRAMES_HZ = 200
# How much of the pitch accent each manner of speaking has.
_ACCENT: Mapping[str, float] = {"flat": 0.04, "calm": 0.12, "lively": 0.3}


@dataclass(frozen=True)
class Speaker:
    """A voice: man or woman, mean pitch, vocal tract length (1 for an average man's, less for
    shorter), breathiness.
    """

    gender: str
    pitch_hz: float
    tract: float
    breath: float
    slope: float


@dataclass(frozen=True)
class Speech:
    """A stretch of speech by one speaker, or by two who take turns."""

    speakers: tuple[Speaker, ...]
    manner: str
    syllables_per_s: float
    pauses: str
    narration: bool
    space: Space

    @classmethod
    def draw(cls, rng: np.random.Generator, tags: frozenset[str]) -> Speech:
        """A random scene that fits the tags."""
        genders = [name for name, tag in (("man", MALE), ("woman", FEMALE)) if tag in tags]
        if not genders:
            genders = [pick(rng, ("man", "woman"))]
        narration = NARRATION in tags
        manners = (
            {"flat": 0.3, "calm": 0.5, "lively": 0.2} if narration else {"calm": 0.4, "lively": 0.6}
        )
        return cls(
            speakers=tuple(_draw_speaker(rng, gender) for gender in genders),
            manner=pick(rng, manners),
            syllables_per_s=log_between(rng, 2.6, 6.4),
            pauses=pick(rng, {"few": 0.35, "some": 0.45, "long": 0.2}),
            narration=narration,
            space=draw_space(rng, rooms={"room": 0.6, "hall": 0.25, "outdoors": 0.15}, far=0.12),
        )

    def sound(self, rng: np.random.Generator, grid: Grid) -> Array:
        """The dry sound, [samples]."""
        score = _Score(self, rng, grid)
        pitch = spread(score.pitch_hz, grid)
        voiced = read_table(
            _glottal_table(self.speakers[0].slope), phase_of(pitch, grid.sample_rate_hz)
        )
        source = voiced * spread(score.voice, grid)
        source += 0.3 * white(rng, grid.samples) * spread(score.noise, grid)
        return _articulate(source, score, grid)

    def grammar(self) -> Grammar:
        """Sentences that are true of the scene."""
        return Grammar(_PATTERNS_TWO if len(self.speakers) > 1 else _PATTERNS_ONE, _slots(self))


def _draw_speaker(rng: np.random.Generator, gender: str) -> Speaker:
    man = gender == "man"
    return Speaker(
        gender=gender,
        pitch_hz=log_between(rng, 82, 150) if man else log_between(rng, 172, 255),
        tract=between(rng, 0.93, 1.07) if man else between(rng, 0.8, 0.9),
        breath=between(rng, 0.02, 0.1) if man else between(rng, 0.04, 0.16),
        slope=between(rng, 0.9, 1.5),
    )


def _glottal_table(slope: float) -> Array:
    """One period of the glottal flow's derivative.

    Rosenberg's pulse (opening over 40 % of the period, closing over 16 %) has harmonics that fall
    12 dB an octave; its derivative falls by 6. `slope` 1 keeps that, more makes a softer voice.
    """
    time = np.arange(2048) / 2048
    opening = 0.5 * (1 - np.cos(np.pi * time / 0.4))
    closing = np.cos(0.5 * np.pi * (time - 0.4) / 0.16)
    flow = np.where(time < 0.4, opening, np.where(time < 0.56, closing, 0.0))
    order = np.arange(1, 41)
    series = scipy.fft.rfft(flow)[1:41] * order ** (2.0 - slope)
    return wave_table(np.abs(series), np.angle(series))


class _Score:
    """Control tracks of a stretch of speech at 5 ms frames.

    formants_hz [frames, 4], pitch_hz, voice, noise (source amplitudes), hiss_hz (centre of the
    friction noise) [frames].
    """

    def __init__(self, scene: Speech, rng: np.random.Generator, grid: Grid) -> None:
        self.frames = max(8, round(grid.seconds * _FRAMES_HZ)) + 1
        self.formants_hz = np.tile(np.array(_VOWELS[8], dtype=np.float64), (self.frames, 1))
        self.pitch_hz = np.full(self.frames, scene.speakers[0].pitch_hz)
        self.voice, self.noise = np.zeros(self.frames), np.zeros(self.frames)
        self.hiss_hz = np.full(self.frames, 3000.0)
        self._scene, self._rng = scene, rng
        self._write_phrases()
        self._smooth()

    def _write_phrases(self) -> None:
        rng, scene = self._rng, self._scene
        shortest, longest = {"few": (0.15, 0.35), "some": (0.25, 0.7), "long": (0.6, 1.4)}[
            scene.pauses
        ]
        at = int(min(between(rng, 0.02, 0.5), 0.05 * self.frames / _FRAMES_HZ) * _FRAMES_HZ)
        turn = int(rng.integers(len(scene.speakers)))
        while at < self.frames:
            speaker = scene.speakers[turn % len(scene.speakers)]
            end = at + int(log_between(rng, 0.9, 3.6) * _FRAMES_HZ)
            at = self._write_phrase(speaker, at, min(end, self.frames))
            at += int(between(rng, shortest, longest) * _FRAMES_HZ)
            turn += 1

    def _write_phrase(self, speaker: Speaker, start: int, end: int) -> int:
        """One breath group from frame `start` to about `end`; returns the frame after its last
        syllable.
        """
        rng, at = self._rng, start
        accent = _ACCENT[self._scene.manner]
        rise = chance(rng, 0.15)
        level = between(rng, 0.75, 1.0)
        while at < end:
            begin = at
            stress = 1.0 if chance(rng, 0.35) else between(rng, 0.2, 0.6)
            for length, sound in self._syllable(speaker, stress):
                stop = min(at + length, self.frames)
                self._write(at, stop, sound, speaker, level)
                at = stop
            gone = (begin - start) / max(end - start, 1)
            fall = 1.08 - 0.22 * gone + (0.45 * max(gone - 0.7, 0.0) if rise else 0.0)
            bump = 1.0 + accent * (stress - 0.4) + 0.3 * accent * float(rng.standard_normal())
            self.pitch_hz[begin:at] = speaker.pitch_hz * fall * bump
            if at >= self.frames:
                break
        return at

    def _syllable(self, speaker: Speaker, stress: float) -> Iterator[tuple[int, tuple[str, int]]]:
        """Lengths in frames and kinds of a syllable's sounds: onset, vowel or two, coda."""
        rng = self._rng
        total = (
            _FRAMES_HZ
            / self._scene.syllables_per_s
            * (0.7 + 0.5 * stress)
            * log_between(rng, 0.8, 1.25)
        )
        onset = pick(rng, {"none": 0.2, "stop": 0.28, "hiss": 0.2, "nasal": 0.14, "glide": 0.18})
        yield from self._consonant(onset)
        vowel = int(rng.integers(len(_VOWELS)))
        yield max(4, int(0.45 * total)), ("vowel", vowel)
        if chance(rng, 0.3):
            yield max(3, int(0.2 * total)), ("vowel", int(rng.integers(len(_VOWELS))))
        yield from self._consonant(
            pick(rng, {"none": 0.62, "stop": 0.12, "hiss": 0.14, "nasal": 0.12})
        )

    def _consonant(self, kind: str) -> Iterator[tuple[int, tuple[str, int]]]:
        rng = self._rng
        if kind == "stop":
            yield int(rng.integers(6, 14)), ("gap", int(chance(rng, 0.4)))
            yield int(rng.integers(2, 4)), ("burst", int(rng.integers(3)))
        elif kind == "hiss":
            yield int(rng.integers(10, 22)), ("hiss", int(rng.integers(5)))
        elif kind == "nasal":
            yield int(rng.integers(9, 18)), ("nasal", int(rng.integers(len(_NASALS))))
        elif kind == "glide":
            yield int(rng.integers(6, 14)), ("glide", int(rng.integers(len(_GLIDES))))

    def _write(
        self, start: int, stop: int, sound: tuple[str, int], speaker: Speaker, level: float
    ) -> None:
        kind, which = sound
        # Voice amplitude, noise amplitude and friction centre in Hz of each kind of sound.
        voice, noise, hiss = {
            "vowel": (1.0, 2.0 * speaker.breath, 3000.0),
            "nasal": (0.5, speaker.breath, 3000.0),
            "glide": (0.7, speaker.breath, 3000.0),
            "gap": (0.12 * which, 0.0, 2500.0),
            "burst": (0.1, 1.1, (900.0, 2400.0, 4200.0)[which % 3]),
            "hiss": (0.25 * (which == 4), 0.8, (5800.0, 3300.0, 4600.0, 7000.0, 4000.0)[which % 5]),
        }[kind]
        self.voice[start:stop], self.noise[start:stop] = level * voice, level * noise
        self.hiss_hz[start:stop] = hiss / speaker.tract**0.5
        shapes = {"vowel": _VOWELS, "nasal": _NASALS, "glide": _GLIDES}.get(kind)
        if shapes:
            self.formants_hz[start:stop] = np.array(shapes[which]) / speaker.tract
        else:  # a consonant without a shape of its own leans on what came before
            self.formants_hz[start:stop] = self.formants_hz[max(start - 1, 0)]

    def _smooth(self) -> None:
        """Articulators move slowly: formants over 60 ms, pitch over 90 ms, the larynx over 25 ms,
        noise over 15 ms.
        """
        self.formants_hz = smooth(self.formants_hz, 12)
        jitter = 1.0 + 0.008 * smooth(self._rng.standard_normal(self.frames), 3)
        self.pitch_hz = smooth(self.pitch_hz, 18) * jitter
        self.voice, self.noise = smooth(self.voice, 5), smooth(self.noise, 3)
        self.hiss_hz = smooth(self.hiss_hz, 4)


def _articulate(source: Array, score: _Score, grid: Grid) -> Array:
    """The source through the moving vocal tract: short-time spectra times the formants' amplitude,
    overlap-added.
    """
    hop = grid.count(0.016)
    window = np.hanning(2 * hop + 1)[:-1]
    count = -(-grid.samples // hop) + 1
    padded = np.zeros((count + 1) * hop)
    padded[hop : hop + grid.samples] = source
    frames = np.stack([padded[:-hop].reshape(count, hop), padded[hop:].reshape(count, hop)], axis=1)
    spectra = scipy.fft.rfft(frames.reshape(count, 2 * hop) * window)
    moments = np.linspace(0, score.frames - 1, count).round().astype(np.int64)
    spectra *= _tract(score, moments, scipy.fft.rfftfreq(2 * hop, 1 / grid.sample_rate_hz))
    pieces = scipy.fft.irfft(spectra, 2 * hop).reshape(count, 2, hop)
    out = np.zeros((count + 1, hop))
    out[:count] += pieces[:, 0]
    out[1:] += pieces[:, 1]
    return out.ravel()[hop : hop + grid.samples]


def _tract(score: _Score, moments: NDArray[np.int64], frequency: Array) -> Array:
    """Amplitude of the tract at the given control frames, [frames, frequencies].

    Voiced sounds: the product of resonances c^2 / |c^2 - f^2 + i f w|. Friction: one broad
    resonance. Above the formants the curve is smooth, so it is computed at every eighth frequency
    only.
    """
    fine = int(np.searchsorted(frequency, 5200.0))
    some = np.concatenate([frequency[:fine], frequency[fine::8], frequency[-1:] + 1.0])
    square = some * some
    # The product of four resonances falls too fast above them; the missing higher poles give that
    # back.
    voiced = np.tile(
        (1.0 + (some / 3500.0) ** 2 * np.minimum(some / 3500.0, 3.0)) ** -2, (len(moments), 1)
    )
    for index, width in enumerate(_WIDTHS):
        scale = score.formants_hz[moments, index, None] ** -2
        gap = square * scale
        gap -= 1.0
        gap *= gap
        gap += square * width**2 * scale**2
        voiced *= gap
    voiced **= -0.5
    centre = score.hiss_hz[moments][:, None]
    friction = 1.0 / (1.0 + ((square - centre**2) / (1.1 * centre * np.maximum(some, 50.0))) ** 2)
    share = (score.noise / (score.noise + 0.6 * score.voice + 1e-9))[moments][:, None]
    voiced += share**2 * (friction - voiced)
    start, ramp = voiced[:, fine:-1, None], np.arange(8) / 8
    coarse = (start + (voiced[:, fine + 1 :, None] - start) * ramp).reshape(len(moments), -1)
    return np.concatenate([voiced[:, :fine], coarse[:, : len(frequency) - fine]], axis=1)


_PATTERNS_ONE = (
    "{who} {speaks} {how?} {where?}",
    "{who} {speaks} {how?} {pause?}",
    "{who} is {speaking} {how?} {where?}",
    "{who} is {speaking} {pause?}",
    "{where}, {who} {speaks} {how?}",
    "{voice} {speaking} {how?} {where?}",
    "{noun} {where?}",
    "{kind} {where?}",
)
_PATTERNS_TWO = (
    "{pair} {talk} {where?}",
    "{pair} are {talking} {how?} {where?}",
    "{turns} {where?}",
    "{talk2} between {pair} {where?}",
    "{turns}, {pace} {where?}",
)


_FIXED: Mapping[str, str] = {
    "pair": "a man and a woman|a woman and a man|a male and a female speaker",
    "talk": "talk in turn|take turns speaking|speak one after the other",
    "talking": "talking|speaking in turn|having a conversation",
    "turns": "a man speaks and a woman answers|a woman and a man take turns talking"
    "|two people talk in turn",
    "talk2": "a conversation|a dialogue|an exchange of words",
}
_PAUSES: Mapping[str, str] = {
    "few": "with hardly a pause|without stopping much",
    "some": "with short pauses",
    "long": "with long pauses|pausing between phrases|stopping now and then",
}
_MANNERS: Mapping[str, str] = {
    "flat": "in a flat tone|in a monotone",
    "calm": "calmly|in an even tone",
    "lively": "in a lively tone|with a lot of expression",
}


def _slots(scene: Speech) -> dict[str, str]:
    who = scene.speakers[0].gender
    sex = "male" if who == "man" else "female"
    kind = f"a {who} making a remark|talk by a {who}"
    more, doing = "says something", ""
    if scene.narration:
        kind = f"narration by a {who}|a monologue by a {who}|a {who} narrating"
        more, doing = "narrates|gives a monologue", "narrating|giving a talk"
    return {
        **_FIXED,
        "who": f"a {who}|a {sex} voice|an adult {sex}|a {sex} speaker",
        "voice": f"a {sex} voice|the voice of a {who}",
        "noun": f"{sex} speech|{who} talking|a {who}'s voice",
        "kind": kind,
        "speaks": either("speaks|talks", more),
        "speaking": either("speaking|talking", doing),
        "how": either(_manner(scene), _pace(scene.syllables_per_s)),
        "pace": _pace(scene.syllables_per_s),
        "pause": _PAUSES[scene.pauses],
        "where": place_phrases(scene.space),
    }


def _pace(syllables_per_s: float) -> str:
    if syllables_per_s > 5.0:
        return "quickly|fast|at a fast pace|rapidly"
    if syllables_per_s < 3.4:
        return "slowly|at a slow pace|without hurry"
    return "at a steady pace|at an ordinary pace"


def _manner(scene: Speech) -> str:
    echo = "with an echo" if scene.space.room == "hall" else ""
    pitch, man = scene.speakers[0].pitch_hz, scene.speakers[0].gender == "man"
    voice = ""
    if len(scene.speakers) == 1 and pitch < (98 if man else 190):
        voice = "in a deep voice" if man else "in a low voice"
    elif len(scene.speakers) == 1 and pitch > (128 if man else 230):
        voice = "in a high voice"
    return either(_MANNERS[scene.manner], voice, echo)
