"""A small grammar that turns what is rendered into English sentences.

A pattern is a sentence with slots: `{who}` takes one of the slot's phrases, `{how?}` takes one or
nothing. A scene offers only phrases that are true of it, so every sentence that the grammar can
make is true of the sound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lassbench.corpora.synthesis.signals import chance, pick
from lassbench.corpora.synthesis.space import Space

_SLOT = re.compile(r"\{(\w+)(\??)\}")
# Two phrases may meet in one word ("falls hard hard"); such a sentence is drawn again.
_DOUBLED = re.compile(r"\b(\w+(?: \w+)*) \1\b", re.IGNORECASE)
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DISTANCE = {
    "near": "nearby|close by|up close",
    "mid": "",
    "far": "in the distance|far away|some way off",
}
_ROOM = {
    "outdoors": "outdoors|outside",
    "room": "indoors|in a room",
    "hall": "in a large, echoing space",
}
# Tries for one more sentence that is not there yet; grammars have hundreds, so running out means
# too many were asked for.
_TRIES = 400


@dataclass(frozen=True)
class Grammar:
    """Sentence patterns, and for each slot the phrases that may fill it, parted by `|`.

    A slot without phrases stays empty; patterns that cannot do without it are not used.
    """

    patterns: Sequence[str]
    slots: Mapping[str, str]


def number_word(count: int) -> str:
    """The count in words up to ten, in figures beyond."""
    return _NUMBERS[count] if 0 <= count < len(_NUMBERS) else str(count)


def times_word(count: int) -> str:
    """once, twice, three times ..."""
    return {1: "once", 2: "twice"}.get(count, f"{number_word(count)} times")


def either(*phrases: str) -> str:
    """Phrases, or lists of phrases, joined to one list; empty ones fall out."""
    return "|".join(phrase for phrase in phrases if phrase)


def prefixed(word: str, phrases: str) -> str:
    """Every phrase of a list with a word in front; an empty list stays empty."""
    return either(*(f"{word} {phrase}" for phrase in phrases.split("|") if phrase))


def place_phrases(space: Space) -> str:
    """Phrases that say where the sound comes from, true of the recording situation."""
    return either(_DISTANCE[space.distance], _ROOM[space.room])


def expand(grammar: Grammar, rng: np.random.Generator, pattern: str) -> str:
    """One sentence from a pattern: slots filled at random, spaces tidied, first letter capital, no
    full stop.
    """

    def fill(match: re.Match[str]) -> str:
        phrases = grammar.slots[match[1]]
        if match[2] and (not phrases or chance(rng, 0.5)):
            return ""
        return pick(rng, phrases.split("|"))

    sentence = pattern
    while _SLOT.search(sentence):
        sentence = _SLOT.sub(fill, sentence)
    sentence = re.sub(r"\s+([,;])", r"\1", re.sub(r"\s+", " ", sentence)).strip(" ,;")
    return sentence[:1].upper() + sentence[1:]


def sentences(grammar: Grammar, rng: np.random.Generator, n: int) -> tuple[str, ...]:
    """`n` distinct sentences, or as many as are found when the grammar does not hold that many.

    Goes round the patterns in random order, so that the sentences differ in build and not in a word
    only.
    """
    usable = [
        p for p in grammar.patterns if all(m[2] or grammar.slots[m[1]] for m in _SLOT.finditer(p))
    ]
    found: dict[str, None] = {}
    order: list[str] = []
    for _ in range(n):
        for _ in range(_TRIES):
            if not order:
                order = [usable[i] for i in rng.permutation(len(usable))]
            sentence = expand(grammar, rng, order.pop())
            if sentence not in found and not _DOUBLED.search(sentence):
                found[sentence] = None
                break
        else:
            break
    return tuple(found)
