"""The records that pass from stage to stage, with units in their names.

All are frozen, all are plain data: they pickle, compare and hash by value, and
none of them knows where on a disk it came from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

#: The rate and length of the benchmark (FACTS: mono, 32 kHz, 10 s), used where
#: a corpus's card does not say otherwise.
SAMPLE_RATE_HZ = 32000
CLIP_SECONDS = 10.0

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

#: What a query is made of.  ``templated`` texts come from a template, never
#: from a person, and are marked wherever a result shows.
QueryType = Literal["caption", "annotator", "templated", "tag"]

#: What joins the tags of a query in one cell; AudioSet's names hold commas, never this.
TAG_SEPARATOR = "; "

#: What the right answer to a query is: the target, or (LASS-Absent) silence.
Expects = Literal["target", "silence"]


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording of one kind of sound.

    Attributes
    ----------
    clip_id
        Unique within a dataset and safe as a file name.  AudioCaps clips are
        ``Y<youtube_id>`` (AudioSet's habit, since ids may begin with ``-``).
    concept, root
        The sound concept and its AudioSet root category (``""`` if unknown).
        Targets and noises of a mixture differ in ``concept``.
    tags
        AudioSet display names, or a folder corpus's own labels.
    captions
        Sentences that describe the clip, in a fixed order: the first one is
        the query of the frozen suites.
    split
        ``train``, ``validation`` or ``test``.
    youtube_id, start_s, end_s
        Where the clip stands in its source video, in seconds; ``""`` and 0.0
        for clips that do not come from YouTube.
    attribution
        Author and licence of the recording, where they are known.
    """

    clip_id: str
    concept: str
    split: Split
    captions: tuple[str, ...]
    tags: tuple[str, ...] = ()
    root: str = ""
    youtube_id: str = ""
    start_s: float = 0.0
    end_s: float = 0.0
    attribution: str = ""


@dataclass(frozen=True, slots=True)
class FileSource:
    """Audio in a file; ``start_s`` and ``end_s`` cut it (``None``: the whole file)."""

    path: str
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class RenderedSource:
    """Audio that the synthetic corpus renders from ``concept``, ``key`` and ``tags``."""

    concept: str
    key: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingSource:
    """No audio for this clip on this machine, and why (``kind`` counts, ``reason`` explains)."""

    kind: str
    reason: str


AudioSource = FileSource | RenderedSource | MissingSource


#: The largest signal-to-noise ratio of a mixture, either way: float32 holds no more.
MOST_SNR_DB = 150.0


@dataclass(frozen=True, slots=True)
class Mixture:
    """A target and a noise, and how loud the noise is.

    ``snr_db`` scales the noise by ``10 ** (-snr_db / 20)`` after both are
    peak-normalised: 0 dB means equal peaks, not equal energies (FACTS section 1).
    """

    mixture_id: str
    target_id: str
    noise_id: str
    snr_db: float = 0.0


def repeats(mixtures: Iterable[Mixture]) -> dict[str, str]:
    """mixture_id -> the first mixture of the same pair at the same SNR, for those that repeat."""
    first: dict[tuple[str, str, float], str] = {}
    found = {
        m.mixture_id: first.setdefault((m.target_id, m.noise_id, m.snr_db), m.mixture_id)
        for m in mixtures
    }
    return {mixture_id: earlier for mixture_id, earlier in found.items() if earlier != mixture_id}


def decibels(text: str) -> float | None:
    """The signal-to-noise ratio in a list's cell, in dB; ``None`` if no audio has it."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= MOST_SNR_DB else None


@dataclass(frozen=True, slots=True)
class Query:
    """One question put to a system: extract ``text`` from mixture ``mixture_id``.

    Attributes
    ----------
    query_id
        Names the prediction file, ``<query_id>.wav`` or ``.flac``.
    text
        The sentence, exactly as a system receives it.
    tags
        The target's tags: what a tag-conditioned system receives instead.
    query_type
        How the text was made.
    annotator
        Pseudonym of the person who wrote it (``a1`` ... ``a5``), or ``""``.
    expects
        ``target``, or ``silence`` when the sound is not in the mixture.
    concept
        The queried sound's concept, for breakdowns; ``""`` means the target's.
    root, noise_concept
        The concept's root, and the concept of the mixture's other sound: a frozen suite's
        queries have them, also for breakdowns.
    negative
        What the other sound is called, for systems that take a second query for what
        they should leave out (CLAPSep); ``""`` where the list has none.
    """

    query_id: str
    mixture_id: str
    text: str
    tags: tuple[str, ...] = ()
    query_type: QueryType = "caption"
    annotator: str = ""
    expects: Expects = "target"
    concept: str = ""
    root: str = ""
    noise_concept: str = ""
    negative: str = ""


#: ``fail`` is something that cannot be done without; ``warn`` something that makes it slower,
#: likelier to fail, or that only some need.
Grade = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of a doctor: what was looked at, how it is, and how to mend it."""

    name: str
    grade: Grade
    found: str
    fix: str = ""
