"""What is wrong with the words: on the page while they are written, and at freezing.

Two kinds.  An *error* keeps a description from being finished and frozen.  A
*warning* is shown, counted and reported, and a person decides: two honest
people may well write the same short sentence.

An annotator is only told about their own words.  That another annotator or
AudioCaps has the same sentence is for the coordinator: to say so on the
annotator's page would tell what the others wrote.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from lassbench.annotate.language import FEWEST_WORDS, Languages

MIN_WORDS, MAX_WORDS, MAX_CHARACTERS = 3, 50, 400
#: The longest draft that is taken; more cannot be one sentence.
DRAFT_CHARACTERS = 4000
#: The same text for more clips than this is worth a look.
SAME_TEXT_CLIPS = 2

# Scripts without spaces between words: there a character counts as a word.
_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\W_぀-ヿ㐀-鿿가-힯]+(?:['’\-][^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?。！？]+(?=\s+\S)")
_MARKUP = re.compile(r"<[/!a-zA-Z][^<>]*>|&(?:#\d+|[a-z]{2,8});|\]\(|```")
_PERSONAL: Mapping[str, re.Pattern[str]] = {
    "an e-mail address": re.compile(r"[\w.+-]+\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:\.[\w-]+)+", re.I),
    "an address on the web": re.compile(
        r"\b(?:https?://|www\.)\S+|\b[\w-]+\.(?:com|org|net|edu|gov|io|de|uk|fr|eu)\b(?:/\S*)?",
        re.I,
    ),
    "a telephone number": re.compile(r"(?<!\w)\+?\(?\d(?:[\s().\-/]*\d){6,}(?!\w)"),
    "a user name": re.compile(r"(?<!\S)@\w{2,}"),
    "a person's name": re.compile(
        r"\b(?:[Mm]y name is|[Mm]ein Name ist|[Jj]e m'appelle|[Mm]e llamo|[Mm]i chiamo"
        r"|(?:Mr|Mrs|Ms|Dr|Herr|Frau|Señora?|Monsieur|Madame)\.?)\s+[^\W\d_a-z]\w+"
    ),
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that a check found: ``kind`` for counting, ``message`` for people."""

    level: Literal["error", "warning"]
    kind: str
    message: str


def clean(text: str) -> str:
    """``text`` as it is kept: NFC, without control characters and other invisible ones.

    Line ends and tabs become spaces.  Surrogates, which no UTF-8 can hold, and
    characters that reverse the direction of text go.  Nothing else is changed.
    """
    spaced = re.sub(r"[\r\n\t\v\f\x85\u2028\u2029]+", " ", text)
    shown = "".join(
        char
        for char in spaced
        if unicodedata.category(char) not in {"Cc", "Cs", "Cn", "Co"}
        and char not in "\u200b\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    return unicodedata.normalize("NFC", shown)


def finished(text: str) -> str:
    """A cleaned text with single spaces and none at its ends: as it is frozen."""
    return " ".join(clean(text).split())


def words(text: str) -> list[str]:
    """The words of ``text`` in lower case, without punctuation."""
    return [word.casefold() for word in _WORD.findall(text)]


# A save compares with everything that its annotator has written, which seldom changes.
@lru_cache(maxsize=8192)
def same_words(text: str) -> str:
    """What two texts have in common when they say the same word for word."""
    return " ".join(words(text))


def check(text: str, detector: Languages | None = None) -> list[Finding]:
    """What is wrong with one description by itself, errors first.

    Parameters
    ----------
    detector
        Checks the language; ``None``, or one that is not loaded, checks none.
    """
    text = finished(text)
    said = words(text)
    if not said:
        return [Finding("error", "empty", "Nothing is written yet.")]
    found = [*_length(text, said), *_sentence(text, said)]
    for what, pattern in _PERSONAL.items():
        if pattern.search(text):
            message = f"This looks like {what}. Leave out everything that tells who someone is."
            found.append(Finding("error", "personal", message))
    if _MARKUP.search(text):
        found.append(Finding("error", "markup", "This holds markup. Write plain words only."))
    if detector is not None and detector.ready and len(said) >= FEWEST_WORDS:
        other = detector.other(text)
        if other:
            message = f"This looks like {other}, not the language that was asked for."
            found.append(Finding("warning", "language", message))
    return sorted(set(found))


def check_own(text: str, others: Iterable[str], detector: Languages | None = None) -> list[Finding]:
    """What is wrong with one description, by itself and beside ``others`` of its annotator.

    Parameters
    ----------
    others
        What the same annotator wrote for other clips; never anybody else's.
    """
    found = check(text, detector)
    same = same_words(text)
    times = 1 + sum(same_words(other) == same for other in others)
    if same and times > SAME_TEXT_CLIPS:
        message = f"You wrote this for {times} sounds. Say what is heard in each."
        found.append(Finding("warning", "repeated", message))
    return sorted(found)


def _length(text: str, said: Sequence[str]) -> list[Finding]:
    if len(said) < MIN_WORDS:
        message = f"Write at least {MIN_WORDS} words: what makes the sound, and how it sounds."
        return [Finding("error", "too short", message)]
    if len(said) > MAX_WORDS or len(text) > MAX_CHARACTERS:
        message = f"Write at most {MAX_WORDS} words ({MAX_CHARACTERS} characters)."
        return [Finding("error", "too long", message)]
    return []


def _sentence(text: str, said: Sequence[str]) -> list[Finding]:
    letters = sum(char.isalpha() for char in text)
    visible = sum(not char.isspace() for char in text)
    if letters < 0.6 * visible or len(said) >= MIN_WORDS > len(set(said)) + 1:
        return [Finding("error", "not a sentence", "Write a sentence in words.")]
    pieces = [words(piece) for piece in re.split(r"[,;/|]", text)]
    if len(pieces) >= 3 and all(len(piece) <= 2 for piece in pieces):
        message = "This reads like a list of labels. Write one sentence."
        return [Finding("warning", "not a sentence", message)]
    if len(_SENTENCE_END.findall(text)) >= 1:
        return [Finding("warning", "several sentences", "Write one sentence, not several.")]
    if letters > 8 and text == text.upper() != text.lower():
        return [Finding("warning", "capitals", "This is written in capitals only.")]
    return []


def check_collection(
    texts: Mapping[tuple[str, str], str],
    captions: Mapping[str, Sequence[str]],
    detector: Languages | None = None,
) -> dict[tuple[str, str], list[Finding]]:
    """What is wrong with each description, by itself and beside the others.

    Parameters
    ----------
    texts
        (annotator, clip_id) -> description.
    captions
        clip_id -> the clip's captions.

    Returns
    -------
    dict
        (annotator, clip_id) -> findings, for those that have any.
    """
    by_text: dict[tuple[str, str], set[str]] = defaultdict(set)
    on_clip: dict[str, Counter[str]] = defaultdict(Counter)
    for (annotator, clip_id), text in texts.items():
        by_text[annotator, same_words(text)].add(clip_id)
        on_clip[clip_id][same_words(text)] += 1
    found: dict[tuple[str, str], list[Finding]] = {}
    for (annotator, clip_id), text in texts.items():
        same, own = same_words(text), check(text, detector)
        if same and len(by_text[annotator, same]) > SAME_TEXT_CLIPS:
            times = len(by_text[annotator, same])
            own.append(Finding("warning", "repeated", f"{annotator} wrote this for {times} clips"))
        if same and on_clip[clip_id][same] > 1:
            own.append(
                Finding("warning", "same as another", "another annotator's words for this clip")
            )
        if same and same in {same_words(caption) for caption in captions.get(clip_id, ())}:
            own.append(Finding("warning", "same as caption", "the clip's caption word for word"))
        if own:
            found[annotator, clip_id] = sorted(set(own))
    return found
