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
from dataclasses import replace
from functools import partial

from lassbench.csv_files import Row
from lassbench.records import Mixture, Query
from lassbench.suites.lists_of_others.forms import (
    BadRow,
    ListFormat,
    ListRow,
    audioset_names,
    needed,
    stem,
)

_TEMPLATE = re.compile(r"the sounds? of (.+)", re.IGNORECASE)

_COLUMNS = ("source_file", "positive_caption", "noise_file", "negative_caption")


def _captions(cells: Row) -> ListRow:
    source, text, noise, negative = needed(cells, *_COLUMNS)
    return ListRow(
        Mixture("", stem(source), stem(noise)),
        Query("", "", text, negative=negative),
        raw=(source, noise),
    )


def _templated(row: ListRow) -> list[str]:
    """What the texts of target and noise name."""
    texts = (row.query.text, row.query.negative)
    if not all(named := [_TEMPLATE.fullmatch(text) for text in texts]):
        raise BadRow(f"{' or '.join(map(repr, texts))} does not begin with 'the sound of'")
    return [matched[1] for matched in named if matched]


def _audioset(cells: Row) -> ListRow:
    row = _captions(cells)
    tags, labels = (audioset_names(text, ", | and ") for text in _templated(row))
    query = replace(row.query, tags=tags, query_type="templated")
    return replace(row, query=query, noise_labels=labels)


def _classes(cells: Row) -> ListRow:
    row = _captions(cells)
    concept, noise = _templated(row)
    query = replace(row.query, tags=(concept,), concept=concept, query_type="templated")
    return replace(row, query=query, noise_labels=(noise,))


def _videos(cells: Row) -> ListRow:
    # Ids of videos may begin with `-`: AudioSet's habit, and AudioSep's for the same recordings.
    row = _classes(cells)
    target, noise = (f"Y{stem(name)}" for name in row.raw)
    return replace(row, mixture=Mixture("", target, noise))


_format = partial(
    ListFormat,
    columns=_COLUMNS,
    published="github.com/Aisaka0v0/CLAPSep, metadata/evaluation",
    # "This product is licensed under the MIT License", its THIRD_PARTY_NOTICES.md (2026).
    licence="list: MIT; sound: its uploaders'",
    recipes=("by power",),
    presumed=True,
    seconds=10.0,
    their_sdr="sdr",
)

FORMATS: dict[str, ListFormat] = {
    "clapsep-audiocaps": _format(
        "CLAPSep: AudioCaps",
        read=_captions,
        audio_from="AudioCaps test",
        presumed=False,
        rows=4785,
        youtube="clip",
    ),
    "clapsep-audioset": _format(
        "CLAPSep: AudioSet",
        read=_audioset,
        audio_from="AudioSet evaluation",
        rows=18869,
        youtube="clip",
    ),
    "clapsep-esc": _format(
        "CLAPSep: ESC-50",
        read=_classes,
        audio_from="ESC-50",
        licence="list: MIT; sound: CC BY-NC",
        rows=7500,
    ),
    "clapsep-fsd": _format(
        "CLAPSep: FSDKaggle2018",
        read=_classes,
        audio_from="FSDKaggle2018 test",
        licence="list: MIT; sound: Creative Commons, by clip",
        rows=8000,
    ),
    "clapsep-music": _format(
        "CLAPSep: MUSIC-21",
        read=_videos,
        audio_from="MUSIC-21, as CLAPSep's repository links it",
        rows=19805,
        youtube="part",
    ),
}
