"""DCASE 2024 Task 9's validation list, and its real recordings.

The synthetic list (``source, noise, snr, caption``, blanks in the header) names two recordings
each and the SNR at which its evaluator adds them by power, at 16 kHz.

The real one (``file_name,query``) names mixtures that were recorded as they are: nobody has
their sources.  It has 100 recordings with two queries each, under 200 names: those of
``test-real-case-<2k>`` and ``<2k+1>`` are of one recording, by their queries and their
number, and its two queries are no independent questions.
"""

from __future__ import annotations

import re

from lassbench.csv_files import Row
from lassbench.records import Mixture, Query, decibels
from lassbench.suites.lists_of_others.forms import BadRow, ListFormat, ListRow, needed, stem

_REAL = re.compile(r"(.*?)(\d{1,9})")


def _synthetic(cells: Row) -> ListRow:
    source, noise, level, text = needed(cells, "source", "noise", "snr", "caption")
    if (snr_db := decibels(level)) is None:
        raise BadRow(f"snr {level[:100]!r} is no number of dB")
    mixture = Mixture("", stem(source), stem(noise), snr_db)
    return ListRow(mixture, Query("", "", text), raw=(source, noise))


def _real(cells: Row) -> ListRow:
    name, text = needed(cells, "file_name", "query")
    mixture_id = stem(name)
    numbered = _REAL.fullmatch(mixture_id)
    recording = f"{numbered[1]}{int(numbered[2]) // 2 * 2}" if numbered else mixture_id
    return ListRow(Mixture(mixture_id, recording, ""), Query("", "", text), given=(name,))


FORMATS: dict[str, ListFormat] = {
    "dcase2024-task9": ListFormat(
        "DCASE 2024 Task 9: synthetic validation",
        ("source", "noise", "snr", "caption"),
        _synthetic,
        published="zenodo.org/records/10886481",
        audio_from="zenodo.org/records/10886481",
        licence="as its page says",
        rows=3000,
        recipes=("by power",),
        rate_hz=16000,
    ),
    "dcase2024-task9-real": ListFormat(
        "DCASE 2024 Task 9: real recordings",
        ("file_name", "query"),
        _real,
        published="zenodo.org/records/11425256",
        audio_from="zenodo.org/records/11425256",
        licence="as its page says",
        rows=200,
        kind="unreferenced",
        rate_hz=16000,
        grouped=True,
        average="",
    ),
}
