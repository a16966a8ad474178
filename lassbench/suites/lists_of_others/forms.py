"""What all lists of others come to: how a list is described, and what one of its rows says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from lassbench import files
from lassbench.containers import SUFFIXES
from lassbench.csv_files import Row
from lassbench.plain_text import CAPTION_LIMIT
from lassbench.records import QueryType


class BadRow(ValueError):
    """A row that no suite can have: the kind of its fault, and the reason in words."""

    def __init__(self, reason: str, kind: str = "bad row") -> None:
        self.kind, self.reason = kind, reason
        super().__init__(reason)


@dataclass(frozen=True)
class Entry:
    """What one row of a list says.

    Attributes
    ----------
    target, noise
        Ids of the two sounds: their names in the list without the audio ending.  Where a
        list does not name the noise, the mixture's name stands for it.
    text, negative
        What is asked for, and what the other sound is called, if the list says it.
    given
        Names of the files handed out: mixture, target, interference, as many as there are.
    raw
        Names of the recordings of target and noise that it can be mixed from here.
    snr_db
        Power of the target over that of the noise in dB, where it is mixed here.
    labels, noise_labels
        What the list calls the two sounds, one name each, if it does.
    concept, noise_concept
        The classes of the two sounds, in lists of classes.
    label
        What follows the suite's name in the mixture's id; ``""`` for its number.
    mixture_id, query_id
        The ids themselves, where the list has them.
    """

    target: str
    noise: str
    text: str
    negative: str = ""
    given: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    snr_db: float = 0.0
    labels: tuple[str, ...] = ()
    noise_labels: tuple[str, ...] = ()
    concept: str = ""
    noise_concept: str = ""
    label: str = ""
    mixture_id: str = ""
    query_id: str = ""


@dataclass(frozen=True)
class ListFormat:
    """How a list is written, what its authors make of it, and where it and its sound are.

    Attributes
    ----------
    columns, optional
        The header, in which a name may stand twice, and columns that it may have too; with
        ``optional``, others are passed over.
    read
        What a row says; raises :class:`BadRow`.
    rows
        How many the published list has, each a query on a mixture of its own; 0 for a format
        that anybody's list may have.
    kind, recipe
        As a suite has them (:mod:`lassbench.suites.suite`).
    presumed
        That it is mixed here by another list's recipe, since its own is not published: the
        lists handed out mixed only where they are mixed here.
    rate_hz, seconds
        At which its authors evaluate; ``None`` for that of its files.
    youtube
        ``clip`` where files are named for AudioSet's clips, whose starts the list does not
        say; ``part`` where a number follows the video's id, which may have a ``Y`` or not.
    grouped
        Whether rows of the same files are queries on one mixture.
    any_gain
        Whether the target's file may be at another gain than the target in the mixture.
    average, their_sdr
        How its authors average over mixtures, if they do, and which score here they call SDR.
    """

    title: str
    columns: tuple[str, ...]
    read: Callable[[Row], Entry]
    published: str
    audio_from: str
    licence: str
    rows: int = 0
    optional: tuple[str, ...] = ()
    kind: Literal["separation", "unreferenced"] = "separation"
    recipe: Literal["by power", "as given"] = "as given"
    presumed: bool = False
    rate_hz: int | None = 32000
    seconds: float | None = None
    query_type: QueryType = "caption"
    youtube: Literal["", "clip", "part"] = ""
    grouped: bool = False
    any_gain: bool = False
    average: str = "mean over mixtures"
    their_sdr: Literal["snr", "sdr"] = "snr"


def stem(name: str) -> str:
    """``name``, with its folders, without the ending of an audio file."""
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in SUFFIXES else name


def needed(cells: Row, *columns: str) -> list[str]:
    """The cells of ``columns``, none of which may be empty."""
    found = [cells[column] for column in columns]
    if empty := [column for column, cell in zip(columns, found, strict=True) if not cell]:
        raise BadRow(f"{' and '.join(empty)} is empty")
    return found


@functools.cache
def audioset_labels() -> frozenset[str]:
    """The display names of AudioSet's 527 labels."""
    text = files.read_text(files.data_folder("manifests") / "audioset-labels.txt")
    return frozenset(text.splitlines())


def audioset_names(text: str, separators: Sequence[str]) -> tuple[str, ...]:
    """AudioSet's names that ``text`` is made of, joined by one of ``separators`` each.

    The names hold blanks, commas and ``and`` themselves: the longest that fits is tried
    first, and given up again if what follows it is no name.

    Raises
    ------
    BadRow
        If the text is not made of them.
    """
    tried: set[int] = set()

    def rest(begin: int) -> tuple[str, ...] | None:
        if begin in tried:
            return None
        tried.add(begin)
        for end in range(len(text), begin, -1):
            if text[begin:end] not in audioset_labels():
                continue
            if end == len(text):
                return (text[begin:],)
            for separator in separators:
                following = text.startswith(separator, end) and rest(end + len(separator))
                if following:
                    return (text[begin:end], *following)
        return None

    found = rest(0) if len(text) <= CAPTION_LIMIT else None
    if found is None:
        raise BadRow(f"{text[:100]!r} is not made of AudioSet's names", "label")
    return found
