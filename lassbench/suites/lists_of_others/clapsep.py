"""CLAPSep's five lists (github.com/Aisaka0v0/CLAPSep, ``metadata/evaluation``).

``source_file,positive_caption,noise_file,negative_caption``: two recordings, what is asked
for, and what the other is called, which CLAPSep takes as a second query.  Its script for
AudioCaps (``evaluation/eval_audiocaps.py``) reads 32 kHz, takes the first 10 s, pads shorter
ones with zeros, adds the noise at 0 dB by power, and where the mixture's peak is above 1
multiplies source and mixture by 0.9 over it.  The four others have no script there and are
presumed to follow it.

The texts of those four come from a template ("the sound of X", "The sounds of X, Y and Z"
with AudioSet's names), so what is in it is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from lassbench.csv_files import Row
from lassbench.suites.lists_of_others.forms import (
    BadRow,
    Entry,
    ListFormat,
    audioset_names,
    needed,
    stem,
)

_TEMPLATE = re.compile(r"the sounds? of (.+)", re.IGNORECASE)

_COLUMNS = ("source_file", "positive_caption", "noise_file", "negative_caption")


def _unnamed(_text: str) -> tuple[str, ...]:
    return ()


def _templated(text: str) -> str:
    if matched := _TEMPLATE.fullmatch(text):
        return matched[1]
    raise BadRow(f"{text[:100]!r} does not begin with 'the sound of'", "label")


def _class(text: str) -> tuple[str, ...]:
    return (_templated(text),)


def _audioset(text: str) -> tuple[str, ...]:
    return audioset_names(_templated(text), (", ", " and "))


def _row(
    cells: Row,
    *,
    labels_of: Callable[[str], tuple[str, ...]],
    id_of: Callable[[str], str] = stem,
) -> Entry:
    source, text, noise, negative = needed(cells, *_COLUMNS)
    labels, noise_labels = labels_of(text), labels_of(negative)
    of_class = labels_of is _class
    return Entry(
        target=id_of(source),
        noise=id_of(noise),
        text=text,
        negative=negative,
        raw=(source, noise),
        labels=labels,
        noise_labels=noise_labels,
        concept=labels[0] if of_class else "",
        noise_concept=noise_labels[0] if of_class else "",
    )


def _with_y(name: str) -> str:
    # Ids of videos may begin with `-`: AudioSet's habit, and AudioSep's for the same recordings.
    return f"Y{stem(name)}"


def _format(
    name: str, audio_from: str, rows: int, sound: str = "its uploaders'", **others: Any
) -> ListFormat:
    said: dict[str, Any] = {
        "presumed": True,
        "query_type": "templated",
        "audio_from": audio_from,
        **others,
    }
    return ListFormat(
        f"CLAPSep: {name}",
        _COLUMNS,
        published="github.com/Aisaka0v0/CLAPSep, metadata/evaluation",
        licence=f"list: none stated; sound: {sound}",
        rows=rows,
        recipe="by power",
        seconds=10.0,
        their_sdr="sdr",
        **said,
    )


FORMATS: dict[str, ListFormat] = {
    "clapsep-audiocaps": _format(
        "AudioCaps",
        "AudioCaps test",
        4785,
        read=partial(_row, labels_of=_unnamed),
        presumed=False,
        query_type="caption",
        youtube="clip",
    ),
    "clapsep-audioset": _format(
        "AudioSet",
        "AudioSet evaluation",
        18869,
        read=partial(_row, labels_of=_audioset),
        youtube="clip",
    ),
    "clapsep-esc": _format(
        "ESC-50", "ESC-50", 7500, "CC BY-NC", read=partial(_row, labels_of=_class)
    ),
    "clapsep-fsd": _format(
        "FSDKaggle2018",
        "FSDKaggle2018 test",
        8000,
        "Creative Commons, by clip",
        read=partial(_row, labels_of=_class),
    ),
    "clapsep-music": _format(
        "MUSIC-21",
        "MUSIC-21, as CLAPSep's repository links it",
        19805,
        read=partial(_row, labels_of=_class, id_of=_with_y),
        youtube="part",
    ),
}
