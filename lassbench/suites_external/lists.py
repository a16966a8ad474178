"""The lists: their formats, read row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lassbench.csv_files import Row, read_table
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, did_you_mean, one_line
from lassbench.files import name_fault
from lassbench.plain_text import caption_fault
from lassbench.records import Mixture, Query, QueryType, decibels

_Layout = Literal["numbered", "paired", "columns", "mixed here"]


@dataclass(frozen=True)
class ListFormat:
    """How one of the lists is written, and what its authors make of it.

    The defaults are those of most of AudioSep's lists.

    Attributes
    ----------
    columns
        The header; a name may stand twice.
    layout
        ``numbered``: segment-<idx>.wav and mixture-<idx>.wav; ``paired``: the
        last two columns are source and mixture; ``columns``: mix_wav and
        s0_wav; ``mixed here``: source and noise.
    rate
        The rate in Hz at which its authors evaluate.
    query_type
        ``caption``, or ``tag`` where the text is a class name.
    average
        How its authors average.
    """

    title: str
    columns: tuple[str, ...] = ("idx", "caption", "src_wav", "noise_wav")
    layout: _Layout = "numbered"
    rate: int = 32000
    query_type: QueryType = "tag"
    average: str = "mean over mixtures"


FORMATS: dict[str, ListFormat] = {
    "audiosep-audiocaps": ListFormat(
        "AudioSep: AudioCaps",
        ("idx", "caption", "labels", "src_wav", "noise_wav"),
        query_type="caption",
    ),
    "audiosep-esc50": ListFormat("AudioSep: ESC-50"),
    "audiosep-music": ListFormat("AudioSep: MUSIC", average="mean of class means"),
    "audiosep-clotho": ListFormat(
        "AudioSep: Clotho",
        # Its authors' header has this name twice.
        ("idx", "caption", "src_wav", "noise_wav1", "noise_wav1"),
        query_type="caption",
    ),
    "audiosep-audioset": ListFormat(
        "AudioSep: AudioSet", layout="paired", average="median per class, then mean"
    ),
    "audiosep-vggsound": ListFormat(
        "AudioSep: VGGSound+",
        ("file_id", "mix_wav", "s0_wav", "s0_text", "s1_wav", "s1_text"),
        layout="columns",
    ),
    "dcase2024-task9": ListFormat(
        "DCASE 2024 Task 9: synthetic validation",
        ("source", "noise", "snr", "caption"),
        layout="mixed here",
        rate=16000,
        query_type="caption",
    ),
}


@dataclass(frozen=True)
class ExternalRow:
    """One row of a list: a mixture, its query, and the files it is made of.

    ``snr_db`` is ``None`` where ``second`` is the mixture itself, and the power
    SNR to mix at where it is the noise.
    """

    where: str
    mixture: Mixture
    query: Query
    noise_concept: str
    source: str
    second: str
    snr_db: float | None


def read_list(path: Path, kind: str, *, name: str = "") -> list[ExternalRow]:
    """Read a list in the format called ``kind``.

    Raises
    ------
    UsageError
        If there is no such format.
    LassbenchError
        If the columns are others.
    FaultsError
        If a row is bad: every bad row, with file and line.
    """
    form = list_format(kind)
    name = name or kind

    def check_header(header: Sequence[str], where: str) -> None:
        if sorted(header) != sorted(form.columns):
            raise LassbenchError(
                f"this is no list of the format {kind}",
                where=where,
                expected=",".join(form.columns),
                got=one_line(",".join(header)),
                fix=f"name another --format: {', '.join(FORMATS)}",
            )

    table = read_table(path, form.columns, repeated=("noise_wav1",), check_header=check_header)
    faults: list[Fault] = []
    rows: dict[str, ExternalRow] = {}
    for number, cells in enumerate(table, start=1):
        row = _row(cells, number, form, name, faults)
        if row.mixture.mixture_id in rows:
            reason = f"{cells[form.columns[0]]} stands twice"
            faults.append(Fault("duplicated id", cells.where, reason))
        rows[row.mixture.mixture_id] = row
    if faults:
        raise FaultsError("the list has bad rows", faults, fix="restore the list")
    return list(rows.values())


def list_format(kind: str) -> ListFormat:
    """The format called ``kind``.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if kind not in FORMATS:
        raise UsageError(
            f"no such list format {kind!r}{did_you_mean(kind, FORMATS)}",
            expected=", ".join(FORMATS),
        )
    return FORMATS[kind]


def _row(cells: Row, number: int, form: ListFormat, name: str, faults: list[Fault]) -> ExternalRow:
    label, target, noise, source, second = _names(cells, number, form, faults)
    text = cells["s0_text"] if form.layout == "columns" else cells["caption"]
    if not text or not target or not noise:
        reason = "the query, the source or the noise is empty"
        faults.append(Fault("bad row", cells.where, reason))
    for what, entry in (("query", text), ("label", cells["labels"]), ("noise", cells["s1_text"])):
        if reason := caption_fault(entry):
            faults.append(Fault("text", cells.where, f"the {what} {entry[:100]!r} {reason}"))
    snr_db = decibels(cells["snr"]) if form.layout == "mixed here" else None
    if form.layout == "mixed here" and snr_db is None:
        reason = f"snr {one_line(cells['snr'], 100)!r} is no number of dB"
        faults.append(Fault("bad row", cells.where, reason))
    mixture = Mixture(f"{name}-{label}", target, noise, snr_db or 0.0)
    if reason := name_fault(mixture.mixture_id):
        faults.append(Fault("name", cells.where, f"the mixture's name {reason}"))
    is_tag = form.query_type == "tag"
    tags = text if is_tag else cells["labels"]
    query = Query(
        query_id=mixture.mixture_id,
        mixture_id=mixture.mixture_id,
        text=text,
        tags=(tags,) if tags else (),
        query_type=form.query_type,
        concept=text if is_tag else "",
    )
    return ExternalRow(cells.where, mixture, query, cells["s1_text"], source, second, snr_db)


def _names(
    cells: Row, number: int, form: ListFormat, faults: list[Fault]
) -> tuple[str, str, str, str, str]:
    """Of a row: the mixture's label, target, noise, and the two files it is made of."""
    label = f"{number:04d}"
    if form.layout == "columns":
        return label, cells["s0_wav"], cells["s1_wav"], cells["s0_wav"], cells["mix_wav"]
    if form.layout == "mixed here":
        target, noise = cells["source"], cells["noise"]
        return label, target, noise, f"{target}.wav", f"{noise}.wav"
    if form.layout == "paired":
        return label, cells["src_wav"], cells["noise_wav"], cells["src_wav"], cells["noise_wav"]
    index = cells["idx"]
    if not (index.isascii() and index.isdigit()):
        faults.append(Fault("bad row", cells.where, f"idx {index!r} is no number"))
    files_of = f"segment-{index}.wav", f"mixture-{index}.wav"
    noises = (cells[column] for column in cells.cells if column.startswith("noise_wav"))
    return f"{index:0>4}", cells["src_wav"], " + ".join(noises), *files_of
