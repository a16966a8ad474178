"""AudioSep's six lists (github.com/Audio-AGI/AudioSep, ``evaluation/metadata``).

========= ================================================ =================================
list      columns                                          its audio, as it is handed out
========= ================================================ =================================
audiocaps ``idx,caption,labels,src_wav,noise_wav``         ``segment-<idx>.wav`` is the
esc50     ``idx,caption,src_wav,noise_wav``                target, ``mixture-<idx>.wav`` the
music     ``idx,caption,src_wav,noise_wav``                mixture
clotho    ``idx,caption,src_wav,noise_wav1,noise_wav1``
audioset  ``idx,caption,src_wav,noise_wav``                the last two: target and mixture
vggsound  ``file_id,mix_wav,s0_wav,s0_text,s1_wav,s1_text`` ``mix_wav`` and ``s0_wav``
========= ================================================ =================================

Clotho's header has one name twice, and each of its mixtures two noises.  The mixer is not in
the repository.  Where the first three are mixed here from raw recordings, it is presumed to
be CLAPSep's: 0 dB by power, 32 kHz, 10 s.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from lassbench.csv_files import Row
from lassbench.records import Mixture, Query
from lassbench.suites.audit import NOISES_JOINED
from lassbench.suites.lists_of_others.forms import (
    BadRow,
    ListFormat,
    ListRow,
    audioset_names,
    needed,
    stem,
)


def _numbered(cells: Row) -> ListRow:
    index, text, source = needed(cells, "idx", "caption", "src_wav")
    noises = needed(cells, *(column for column in cells.cells if column.startswith("noise_wav")))
    if not (index.isascii() and index.isdigit()):
        raise BadRow(f"idx {index[:100]!r} is no number")
    labels = audioset_names(cells["labels"], " ") if "labels" in cells.cells else ()
    return ListRow(
        Mixture("", stem(source), NOISES_JOINED.join(map(stem, noises))),
        Query("", "", text, labels),
        given=(f"mixture-{index}.wav", f"segment-{index}.wav"),
        raw=(source, *noises) if len(noises) == 1 else (),
        label=f"{index:0>4}",
    )


def _of_class(text: str) -> Query:
    return Query("", "", text, (text,), "tag", concept=text)


def _numbered_class(cells: Row) -> ListRow:
    row = _numbered(cells)
    return replace(row, query=_of_class(row.query.text))


def _paired(cells: Row) -> ListRow:
    text, source, mixture = needed(cells, "caption", "src_wav", "noise_wav")
    return ListRow(Mixture("", stem(source), ""), _of_class(text), given=(mixture, source))


def _vggsound(cells: Row) -> ListRow:
    both, mixture, source, text, noise, noise_text = needed(
        cells, "file_id", "mix_wav", "s0_wav", "s0_text", "s1_wav", "s1_text"
    )
    # `<target>+++<noise>`: the files of all mixtures of one target have names of their own.
    target, _, noise_id = both.partition("+++")
    return ListRow(
        Mixture("", target, noise_id or stem(noise)),
        _of_class(text),
        given=(mixture, source),
        noise_labels=(noise_text,),
    )


_CLASSES = ("idx", "caption", "src_wav", "noise_wav")
_format = partial(
    ListFormat,
    published="github.com/Audio-AGI/AudioSep, evaluation/metadata",
    licence="list: MIT; sound: its uploaders'",
)
_or_mixed = partial(_format, recipes=("as given", "by power"), presumed=True)
_HANDED_OUT = "AudioSep's evaluation data"

FORMATS: dict[str, ListFormat] = {
    "audiosep-audiocaps": _or_mixed(
        "AudioSep: AudioCaps",
        ("idx", "caption", "labels", "src_wav", "noise_wav"),
        _numbered,
        audio_from=f"{_HANDED_OUT}, or AudioCaps test",
        rows=4820,
        youtube="clip",
    ),
    "audiosep-esc50": _or_mixed(
        "AudioSep: ESC-50",
        _CLASSES,
        _numbered_class,
        audio_from=f"{_HANDED_OUT}, or ESC-50",
        licence="list: MIT; sound: CC BY-NC",
        rows=2000,
    ),
    "audiosep-music": _or_mixed(
        "AudioSep: MUSIC",
        _CLASSES,
        _numbered_class,
        audio_from=f"{_HANDED_OUT}, or MUSIC",
        rows=5004,
        youtube="part",
        average="mean of class means",
    ),
    "audiosep-clotho": _format(
        "AudioSep: Clotho",
        ("idx", "caption", "src_wav", "noise_wav1", "noise_wav1"),
        _numbered,
        audio_from=_HANDED_OUT,
        licence="list: MIT; sound: Creative Commons, by clip",
        rows=5225,
    ),
    "audiosep-audioset": _format(
        "AudioSep: AudioSet",
        _CLASSES,
        _paired,
        audio_from=_HANDED_OUT,
        rows=5270,
        average="median per class, then mean",
    ),
    "audiosep-vggsound": _format(
        "AudioSep: VGGSound+",
        ("file_id", "mix_wav", "s0_wav", "s0_text", "s1_wav", "s1_text"),
        _vggsound,
        audio_from=_HANDED_OUT,
        rows=1000,
    ),
}
