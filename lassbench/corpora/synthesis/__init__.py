"""Sounds of the benchmark's ten concepts, rendered from nothing but a name.

    speech      speech.py      glottal pulses through moving formants, syllables, phrases, pauses
    laughter    laughter.py    bouts of breathy calls that fall in pitch
    applause    applause.py    clap grains near by, shaped noise for the far crowd
    dog         dog.py         hoarse calls with a jumping pitch: barks, yips, growls
    duck        duck.py        nasal calls: quacks, hoarse drakes, two-part honks
    siren       siren.py       wail, yelp, two-tone, with Doppler shift and air horn
    typing      keyboard.py    key clicks and releases, words, pauses, space bars
    bell        bell.py        inharmonic damped modes, struck once, counted, or in a peal
    rain        rain.py        dense noise, single drops, thunder
    vibration   vibration.py   low hums, engine pulses, buzzing phones, rattles

signals.py holds what they share, calls.py the short voices, space.py the recording situation,
captions.py the grammar.

A clip is made in two steps. A *scene* is drawn from the clip's name and tags: who speaks, how many
dogs, which bell, how far away. Then the scene is rendered to samples, and, independently, put into
words: captions and audio agree because both come from the same scene. One clip holds one kind of
sound, as in the benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lassbench.corpora.synthesis.applause import Applause
from lassbench.corpora.synthesis.bell import Bells
from lassbench.corpora.synthesis.captions import Grammar, sentences
from lassbench.corpora.synthesis.dog import Dogs
from lassbench.corpora.synthesis.duck import Ducks
from lassbench.corpora.synthesis.keyboard import Typing
from lassbench.corpora.synthesis.laughter import Laughter
from lassbench.corpora.synthesis.rain import Rain
from lassbench.corpora.synthesis.signals import Array, Grid, pick, stream
from lassbench.corpora.synthesis.siren import Sirens
from lassbench.corpora.synthesis.space import Space, record
from lassbench.corpora.synthesis.speech import Speech
from lassbench.corpora.synthesis.tags import TAG_SETS
from lassbench.corpora.synthesis.vibration import Vibration
from lassbench.errors import UsageError, did_you_mean

#: Part of every seed: raise it when a change alters what is rendered, so that no two versions pass
#: for the same data.
VERSION = "1"

#: Lowest sample rate that the sounds make sense at, and the shortest clip.
LEAST_RATE_HZ, LEAST_SECONDS = 8000, 0.5


class Scene(Protocol):
    """What is to be heard in one clip."""

    @property
    def space(self) -> Space:
        """The recording situation."""

    def sound(self, rng: np.random.Generator, grid: Grid) -> Array:
        """The dry sound, [samples]."""

    def grammar(self) -> Grammar:
        """Sentences that are true of the scene."""


class _Kind(Protocol):
    """A class of scenes."""

    def draw(self, rng: np.random.Generator, tags: frozenset[str]) -> Scene:
        """A random scene that fits the tags."""


_KINDS: Mapping[str, _Kind] = {
    "speech": Speech,
    "laughter": Laughter,
    "applause": Applause,
    "dog": Dogs,
    "duck": Ducks,
    "siren": Sirens,
    "typing": Typing,
    "bell": Bells,
    "rain": Rain,
    "vibration": Vibration,
}
#: The concepts that can be rendered.
CONCEPTS: tuple[str, ...] = tuple(_KINDS)


def render(
    concept: str,
    key: str,
    *,
    sample_rate_hz: int = 32000,
    seconds: float = 10.0,
    tags: Sequence[str] = (),
) -> NDArray[np.float32]:
    """One clip of a concept, [sample_rate_hz * seconds], mono, samples on the 16-bit grid within
    +-0.9.

    The clip is a function of concept, key and the set of tags: the same on every run, and (float64
    throughout, rounded to 16 bits at the end) in practice on every processor, for the same NumPy
    and SciPy. The sample rate and the length keep the scene but not the samples. key: any text,
    such as a clip id; two keys never give the same clip. tags: AudioSet display names that steer
    the scene; names that say nothing about this concept only change the seed. Without tags those of
    `draw_tags` are taken. Raises UsageError for an unknown concept, a rate below 8 kHz or a length
    below half a second.
    """
    scene, names = _scene(concept, key, tuple(tags))
    if sample_rate_hz < LEAST_RATE_HZ or seconds < LEAST_SECONDS:
        raise UsageError(
            "a synthetic clip cannot be this short or this dull",
            where=key,
            expected=f"at least {LEAST_RATE_HZ} Hz and {LEAST_SECONDS} s",
            got=f"{sample_rate_hz} Hz, {seconds} s",
            fix="ask for a higher rate or a longer clip",
        )
    grid = Grid(sample_rate_hz, round(sample_rate_hz * seconds))
    dry = scene.sound(stream(*names, "sound"), grid)
    return record(dry, scene.space, stream(*names, "space"), grid)


def draw_tags(concept: str, key: str) -> tuple[str, ...]:
    """A plausible set of AudioSet tags for a synthetic clip, drawn as often as AudioSet gives it to
    such clips.
    """
    _check(concept)
    return pick(stream("lassbench", VERSION, concept, key, "tags"), TAG_SETS[concept])


def describe(concept: str, key: str, tags: Sequence[str] = (), *, n: int = 5) -> tuple[str, ...]:
    """`n` distinct captions, in several ways of putting it, that are true of what `render` makes of
    the same arguments.

    Captions are composed from a grammar, not written by people. Raises UsageError for an unknown
    concept, or for more captions than the clip's grammar can make (some dozens).
    """
    scene, names = _scene(concept, key, tuple(tags))
    found = sentences(scene.grammar(), stream(*names, "captions"), n)
    if len(found) < n:
        raise UsageError(
            "the grammar does not hold that many captions for this clip",
            where=key,
            expected=f"at most {len(found)}",
            got=str(n),
            fix="ask for fewer captions",
        )
    return found


@lru_cache(maxsize=64)
def _scene(concept: str, key: str, tags: tuple[str, ...]) -> tuple[Scene, tuple[str, ...]]:
    """The scene of a clip, and the names that its random streams start with."""
    _check(concept)
    known = frozenset(tags or draw_tags(concept, key))
    names = ("lassbench", VERSION, concept, key, *sorted(known))
    return _KINDS[concept].draw(stream(*names, "scene"), known), names


def _check(concept: str) -> None:
    if concept not in _KINDS:
        raise UsageError(
            f"no synthetic sound for this concept{did_you_mean(concept, _KINDS)}",
            where=concept,
            expected=f"one of {', '.join(CONCEPTS)}",
            got=repr(concept),
            fix="use real recordings for other concepts",
        )
