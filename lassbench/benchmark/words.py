"""Whether a sentence names a kind of sound.

Labels alone do not tell: "people are speaking while someone types" is the caption of a
clip labelled Typing only.  So each concept has a word list, and a sentence names the
concept when one of the words stands in it, as a whole word, in small letters or capitals.
An entry of several words has to stand there as they are; an entry that ends in ``*``
stands for every word that begins so (``bark*``: bark, barks, barking).

What this cannot see: sounds told in words that are not listed ("the crowd goes wild" for
applause), words of two meanings ("rings" of a bell and of a telephone), and denials
("nobody speaks").
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable


def names(sentence: str, words: Iterable[str]) -> bool:
    """Whether ``sentence`` has one of ``words`` (``bark*``, ``typing``, ``police car``) in it."""
    pattern = _pattern(tuple(words))
    return pattern is not None and pattern.search(sentence.lower()) is not None


@functools.lru_cache(maxsize=1024)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str] | None:
    parts = [
        re.escape(word.removesuffix("*").lower()) + (r"\w*" if word.endswith("*") else "")
        for word in words
        if word.strip(" *")
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)") if parts else None


def word_fault(word: str) -> str:
    """Why ``word`` cannot stand in a word list; ``""`` if it can."""
    if re.fullmatch(r"\w([\w' -]*\w)?\*?", word):
        return ""
    return "is not a word, or several with blanks between, with a * at the end at most"


def words_of(concept: str, tags: Iterable[str]) -> tuple[str, ...]:
    """The word list of a concept that has none of its own: its name and its tags'.

    A tag's commas and brackets part it: ``Male speech, man speaking`` is ``male speech`` and
    ``man speaking``.  Each may stand in the plural.
    """
    parts = [concept.replace("-", " ").replace("_", " ")]
    parts += [part for tag in tags for part in re.split(r"[,()/]", tag)]
    singular = dict.fromkeys(part.strip().lower() for part in parts if part.strip())
    return tuple(word for one in singular for word in dict.fromkeys((one, f"{one.rstrip('s')}s")))
