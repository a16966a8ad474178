"""What all lists of others come to: how a list is described, and what one of its rows says."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from lassbench import files
from lassbench.containers import SUFFIXES
from lassbench.csv_files import Row
from lassbench.plain_text import CAPTION_LIMIT
from lassbench.records import Mixture, Query

Recipe = Literal["as given", "by power"]


class BadRow(ValueError):
    """A row that no suite can have, and why."""


@dataclass(frozen=True)
class ListRow:
    """One row of a list: its mixture, its query, and the files that hold its sound.

    Attributes
    ----------
    mixture, query
        As suites have them.  The ids of the two sounds are their names in the list without
        the audio ending; ``""`` where a list does not name the noise, and joined by ``" + "``
        where it has two.  A format's ``read`` leaves the ids of mixture and query empty where
        the list has none: :func:`lassbench.suites.lists_of_others.read_list` gives them.
    given
        Names of the files handed out: mixture, target, interference, as many as there are.
    raw
        Names of the recordings of target and noise that it can be mixed from here.
    noise_labels
        What the list calls the noise, one name each, if it does: as the query's tags.
    label
        What follows the suite's name in the mixture's id; ``""`` for its number.
    where
        ``file:line``.
    """

    mixture: Mixture
    query: Query
    given: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    noise_labels: tuple[str, ...] = ()
    label: str = ""
    where: str = field(default="", compare=False)


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
    kind, recipes
        As a suite has them (:mod:`lassbench.suites.suite`); of two recipes, the second is for
        the raw recordings, where nothing else is here.
    presumed
        That it is mixed here by another list's recipe, since its own is not published.
    rate_hz, seconds
        At which its authors evaluate; ``None`` for that of its files.
    youtube
        ``clip`` where files are named for AudioSet's clips, whose starts the list does not
        say; ``part`` where a number follows the video's id; either may have a ``Y`` or not.
    grouped
        Whether rows of the same files are queries on one mixture.
    any_gain
        Whether the target's file may be at another gain than the target in the mixture.
    average, their_sdr
        How its authors average over mixtures, if they do, and which score here they call SDR.
    """

    title: str
    columns: tuple[str, ...]
    read: Callable[[Row], ListRow]
    published: str
    audio_from: str
    licence: str
    rows: int = 0
    optional: tuple[str, ...] = ()
    kind: Literal["separation", "unreferenced"] = "separation"
    recipes: tuple[Recipe, ...] = ("as given",)
    presumed: bool = False
    rate_hz: int | None = 32000
    seconds: float | None = None
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


def audioset_names(text: str, separators: str) -> tuple[str, ...]:
    """AudioSet's names that ``text`` is made of.

    The names hold blanks, commas and ``and`` themselves, so one that fits is given up again if
    what follows it is no name.  No text can be read in two ways: what is left of any name after
    another at its beginning neither begins a name nor is begun by one.

    Parameters
    ----------
    separators
        A regular expression of what stands between two names.

    Raises
    ------
    BadRow
        If the text is not made of them.
    """

    @functools.cache
    def names(rest: str) -> tuple[str, ...]:
        if rest in audioset_labels():
            return (rest,)
        for between in re.finditer(separators, rest):
            first = rest[: between.start()]
            if first in audioset_labels() and (others := names(rest[between.end() :])):
                return (first, *others)
        return ()

    # Longer ones no suite takes, and Python's stack might not.
    found = names(text) if len(text) <= CAPTION_LIMIT else ()
    if not found:
        raise BadRow(f"{text[:100]!r} is not made of AudioSet's names")
    return found
