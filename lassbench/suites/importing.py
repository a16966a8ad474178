"""Other people's evaluation lists as suites: AudioSep's and DCASE 2024 Task 9's.

Each list is a CSV file; its audio lies in a folder::

    audiosep-audiocaps   idx,caption,labels,src_wav,noise_wav
    audiosep-esc50       idx,caption,src_wav,noise_wav
    audiosep-music       idx,caption,src_wav,noise_wav
    audiosep-clotho      idx,caption,src_wav,noise_wav1,noise_wav1
                         audio: segment-<idx>.wav and mixture-<idx>.wav
    audiosep-audioset    idx,caption,src_wav,noise_wav
                         audio: .../<name>,source.wav and .../<name>,mixture.wav
    audiosep-vggsound    file_id,mix_wav,s0_wav,s0_text,s1_wav,s1_text
                         audio: mix_wav and s0_wav
    dcase2024-task9      source,noise,snr,caption
                         audio: <source>.wav and <noise>.wav

Where a mixture is given as a file, the interference is mixture minus source:
what a score calls interference is then exactly what was added.  DCASE's are
mixed here, by the equations of its evaluator (FACTS, section 3): with the mean
powers :math:`p_s, p_n` of source and noise and an SNR of :math:`r` dB,

.. math::
    x = s + n \\sqrt{p_s / (10^{r/10} p_n)}

and where :math:`\\max|x| > 1`, all are multiplied by :math:`0.9 / \\max|x|`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lassbench import audio, files, output_folders
from lassbench.benchmark.mixtures import Rendered, mix_by_power
from lassbench.csv_files import Row, read_table
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, did_you_mean, one_line
from lassbench.parallel import map_ordered, open_executor
from lassbench.plain_text import caption_fault
from lassbench.progress import track
from lassbench.records import Mixture, Query, QueryType, decibels
from lassbench.resampling import resample
from lassbench.suites.freezing import describe, export, list_texts, write_suite
from lassbench.suites.suite import PARTS, Suite, fingerprint, load_suite

# ---------------------------------------------------------------------------
# The lists, read row by row
# ---------------------------------------------------------------------------

_Layout = Literal["numbered", "paired", "columns", "mixed here"]


@dataclass(frozen=True)
class ListFormat:
    """How one of the lists is written, and what its authors make of it.

    The defaults are those of most of AudioSep's lists.  ``columns`` are the header, in
    which a name may stand twice.  By ``layout`` a row's files are ``numbered``
    (segment-<idx>.wav and mixture-<idx>.wav), ``paired`` (the last two columns: source
    and mixture), in ``columns`` (mix_wav and s0_wav) or ``mixed here`` (source and noise).
    ``rate`` (Hz) is the one at which its authors evaluate, ``average`` how they average.
    With the ``query_type`` ``tag`` the text is a class name.
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
    if kind not in FORMATS:
        raise UsageError(
            f"no such list format {kind!r}{did_you_mean(kind, FORMATS)}",
            expected=", ".join(FORMATS),
        )
    form, name = FORMATS[kind], name or kind

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
    if reason := files.name_fault(mixture.mixture_id):
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
    return ExternalRow(mixture, query, cells["s1_text"], source, second, snr_db)


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


# ---------------------------------------------------------------------------
# Their audio
# ---------------------------------------------------------------------------

Samples = NDArray[np.float32]


def find_audio(folder: Path, name: str) -> Path:
    """A file of a list in its folder: under its path, or the longest end of it that is there.

    Raises
    ------
    AudioFault
        ``missing``, if there is none.
    """
    told = f"no {name} in the audio folder"
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..", ".")]
    for start in range(len(parts)):
        path = files.find_inside(folder, "/".join(parts[start:]))
        reason = files.file_fault(path)
        if not reason:
            return path
        if reason != files.NO_SUCH_FILE:
            told = f"{name}: {reason}"
    raise audio.AudioFault("missing", told)


def _import_one(
    row: ExternalRow, *, audio_dir: Path, out: Path, rate: int, samples: int | None
) -> tuple[dict[str, str], int] | Fault:
    """Write the three files of a row; their hashes and length, or why it cannot be made."""

    def read(name: str) -> Samples:
        sound = audio.decode(find_audio(audio_dir, name))
        found = resample(sound.samples, sound.rate, rate)
        return found if samples is None else audio.fit(found, samples)

    try:
        rendered = _rendered(row, read(row.source), read(row.second))
    except LassbenchError as error:
        kind = error.kind if isinstance(error, audio.AudioFault) else "unusable"
        where = f"{error.where}: " if error.where else ""
        return Fault(kind, row.mixture.mixture_id, f"{where}{error.what}")
    return export(rendered, out, row.mixture.mixture_id, PARTS, rate), rendered.mixture.size


def _rendered(row: ExternalRow, source: Samples, second: Samples) -> Rendered:
    if row.snr_db is not None:
        return mix_by_power(source, second, snr_db=row.snr_db)
    if source.shape != second.shape:
        raise LassbenchError(
            f"{row.source} has {source.size} samples, {row.second} has {second.size}"
        )
    interference = second.astype(np.float64) - source
    return Rendered(second, source, interference.astype(np.float32))


# ---------------------------------------------------------------------------
# The suite folder
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Imported:
    """An imported suite, and the mixtures whose audio was missing or faulty."""

    suite: Suite
    faults: tuple[Fault, ...]


def import_suite(
    list_path: Path,
    audio_dir: Path,
    out: Path,
    *,
    kind: str,
    name: str = "",
    seconds: float | None = None,
    workers: int | None = 1,
) -> Imported:
    """Make a suite folder, which stands on its own, from a list and its audio.

    Parameters
    ----------
    kind
        The format, one of :data:`FORMATS`.
    seconds
        Cut or zero-pad everything to this length; by default all files must
        have the same one.
    workers
        Processes.

    Raises
    ------
    LassbenchError
        If the list, the folder or not one mixture can be used, or lengths differ.
    """
    name = files.checked_name(
        name or kind, what="the suite", fix="give another --name", error=UsageError
    )
    rows = read_list(list_path, kind, name=name)
    if not audio_dir.is_dir():
        raise UsageError("no such audio folder", where=audio_dir, fix="check --audio-dir")
    form = FORMATS[kind]
    samples = None if seconds is None else round(seconds * form.rate)
    faults: list[Fault] = []

    def build(folder: Path) -> None:

        piece = partial(
            _import_one, audio_dir=audio_dir, out=folder, rate=form.rate, samples=samples
        )
        pcm: dict[str, dict[str, str]] = {}
        sizes: dict[str, int] = {}
        with open_executor(workers) as executor:
            made = track(map_ordered(executor, piece, rows), f"importing {name}", len(rows))
            for row, result in zip(rows, made, strict=True):
                if isinstance(result, Fault):
                    faults.append(result)
                else:
                    pcm[row.mixture.mixture_id], sizes[row.mixture.mixture_id] = result
        lists = list_texts(
            (row.mixture for row in rows), ((row.query, "", row.noise_concept) for row in rows)
        )
        described = describe(
            lists,
            pcm,
            name=name,
            kind="separation",
            sample_rate_hz=form.rate,
            samples=_one_length(sizes, faults, audio_dir),
            title=form.title,
            notes=(
                f"list format {kind}; its authors take the {form.average} and call 'SDR' what is "
                "'snr' here; snr_db is 0 where the list gives none"
            ),
            synthetic=False,
            audio_may_be_published=False,
            references_exported=True,
            recipe="as given",
            audit={},
            dataset={"path": ".", "name": kind, "fingerprint": fingerprint(pcm)},
            counts={"mixtures": len(rows), "queries": len(rows), "renderable_mixtures": len(pcm)},
        )
        write_suite(folder, lists, described)

    output_folders.replace_folder(
        out, build, what="the suite", mark="suite.json", needs=[list_path, audio_dir]
    )
    return Imported(load_suite(out), tuple(faults))


def _one_length(sizes: Mapping[str, int], faults: Sequence[Fault], audio_dir: Path) -> int:
    if not sizes:
        raise FaultsError(
            "not one mixture of the list can be made", faults, where=audio_dir, fix="check it"
        )
    first, length = next(iter(sizes.items()))
    others = [
        Fault("other length", mixture_id, f"{size} samples; {first} has {length}")
        for mixture_id, size in sizes.items()
        if size != length
    ]
    if others:
        raise FaultsError(
            "the mixtures have different lengths",
            others,
            where=audio_dir,
            fix="give --seconds to cut or zero-pad all of them",
        )
    return length
