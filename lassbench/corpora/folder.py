"""Any folder of audio with a CSV beside it: bring your own recordings.

::

    SOURCE/metadata.csv      or the file given as --csv
    SOURCE/card.yaml         optional: name, title, homepage, licence, citation, notes,
                             sample_rate_hz, clip_seconds, audio_may_be_published
    SOURCE/...               audio, as deep as you like

Columns of the CSV, in small letters or capitals (others are passed over):

``file`` (or ``file_name``)
    Path of the audio file from SOURCE, with forward slashes.
``captions``, or ``caption``, or ``caption_1``, ``caption_2`` ...
    What can be heard.  In ``captions`` several are separated by ``|``; the
    others hold one each.  The first is the query of a frozen suite.
``concept`` and/or ``tags``
    The kind of sound, and labels separated by ``;``.  A target is never mixed
    with a noise of its own concept.  Without ``concept`` it is the first tag,
    without ``tags`` they are the concept.
``split``
    Optional: ``train``, ``validation`` (or ``val``, ``valid``, ``dev``) or
    ``test``.  Without the column each concept is divided by the SHA-256 of its
    clips' ids: the smallest fifth tests, the next tenth validates, the rest
    trains.
``id``, ``root``, ``attribution``, ``start_s``, ``end_s``
    Optional: the clip's id (else made from the file's path), AudioSet root
    category, author and licence, and the part of the file to take.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from lassbench.checked import validate
from lassbench.corpora.base import CorpusCard, in_order, require_folder, source_option
from lassbench.csv_files import Row, read_table
from lassbench.errors import Fault, FaultsError, UsageError, UsageFaultsError, did_you_mean
from lassbench.files import file_fault, find_inside, inner_path_fault, name_fault
from lassbench.plain_text import text_fault
from lassbench.records import SPLITS, Clip, FileSource, MissingSource, Split
from lassbench.yaml_files import read_yaml

DEFAULT_TABLE = "metadata.csv"
CAPTION_SEPARATOR = "|"
TAG_SEPARATOR = ";"
FILE_COLUMNS = ("file", "file_name")

#: Shares of a concept's clips that test and validate when the CSV has no split.
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1

#: No recording is longer, in seconds: a year.
_LONGEST_S = 366 * 86400.0

_SPLIT_NAMES: dict[str, Split] = {
    **{split: split for split in SPLITS},
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
}


@dataclass(frozen=True)
class FolderCorpus:
    """A folder of audio and its CSV.

    Attributes
    ----------
    source
        The folder that the CSV's paths start from.
    table
        The CSV.
    sample_rate_hz, seconds
        Rate in Hz and length in seconds of the clips; ``None`` for the card's.
    """

    source: Path
    table: Path
    sample_rate_hz: int | None = None
    seconds: float | None = None

    #: Its suites are named for the dataset: the recordings' folder may be called anything.
    settings: ClassVar[Mapping[str, Any]] = {"kind": "folder"}

    @property
    def card(self) -> CorpusCard:
        """What ``card.yaml`` says, or what can be said without one.

        Raises
        ------
        FaultsError
            If ``card.yaml`` cannot be read, or a value in it cannot be.
        """
        folder = self.source.resolve().name
        name = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")[:100] or "folder"
        title = name if text_fault(folder, limit=100) else folder
        values: dict[str, Any] = {
            **{"name": name, "title": title, "homepage": ""},
            **{"licence": "not stated", "citation": ""},
        }
        path, what = self.source / "card.yaml", "the corpus's card cannot be used"
        if path.is_file():
            values = asdict(read_yaml(path, CorpusCard, what=what, defaults=values))
            if values["synthetic"] or values["benchmark"]:
                reason = "synthetic and benchmark are not for a folder of recordings to say"
                raise FaultsError(what, [Fault("unknown key", str(path), reason)], where=path)
        for key, given in (("sample_rate_hz", self.sample_rate_hz), ("clip_seconds", self.seconds)):
            if given is not None:
                values[key] = given
        return validate(CorpusCard, values, what=what, where=self.source, error=UsageFaultsError)

    def clips(self) -> list[Clip]:
        """Every clip, sorted by split and id.

        Raises
        ------
        UsageError
            If the folder or the CSV is not there.
        FaultsError
            Listing every bad row: path, missing file, caption, concept, split,
            times, duplicate.
        """
        clips = [clip for clip, _ in self._entries.values()]
        if not any(clip.split for clip in clips):
            clips = _divide(clips)
        return in_order(clips)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The source folder."""
        return (self.source,)

    @property
    def drawn_splits(self) -> tuple[Split, ...]:
        """All of them, unless the table has a column of splits."""
        return () if any(clip.split for clip, _ in self._entries.values()) else SPLITS

    def locate(self, clip: Clip) -> FileSource | MissingSource:
        """The file of ``clip``, and the part of it to take."""
        if clip.clip_id not in self._entries:
            return MissingSource("missing", "is not in the table")
        return self._entries[clip.clip_id][1]

    @functools.cached_property
    def _entries(self) -> dict[str, tuple[Clip, FileSource]]:
        """What each row says, by id; the split is ``""`` where the table has no such column."""
        require_folder(self.source, what="the source folder")
        groups = [FILE_COLUMNS, ("captions", "caption", "caption_1"), ("concept", "tags")]
        rows = read_table(self.table, [], one_of=groups)
        faults = [fault for row in rows for fault in _check_row(row, self.source)]
        entries = [] if faults else [(_clip(row), _source(row, self.source)) for row in rows]
        faults += _duplicates(rows, [clip for clip, _ in entries])
        if faults:
            raise FaultsError(
                "the table and the audio do not fit together",
                faults,
                where=self.table,
                fix="correct these lines",
            )
        return {clip.clip_id: (clip, source) for clip, source in entries}


def from_options(options: Mapping[str, Any]) -> FolderCorpus:
    """The corpus that the command line's options ask for.

    Raises
    ------
    UsageError
        If ``source`` is not given or no CSV is named or found.
    """
    source = source_option(options, f"a folder of audio with {DEFAULT_TABLE}, or --csv FILE")
    table = Path(options.get("csv") or source / DEFAULT_TABLE)
    if source.is_dir() and not table.is_file():
        raise UsageError(
            "there is no table of the clips",
            where=table,
            expected="a CSV with the columns file, captions, and concept or tags",
            fix=f"write {DEFAULT_TABLE} into the folder, or name another file as --csv",
        )
    return FolderCorpus(source, table, options.get("rate"), options.get("seconds"))


def _check_row(row: Row, source: Path) -> Iterable[Fault]:
    name = _file(row)
    if reason := inner_path_fault(name):
        yield Fault("path", row.where, f"the file {name!r} {reason}")
    elif reason := file_fault(find_inside(source, name)):
        yield Fault("missing", row.where, f"{reason}: {name}")
    if not _captions(row):
        yield Fault("caption", row.where, "has no caption")
    if not _tags(row) and not row["concept"]:
        yield Fault("concept", row.where, "has neither a concept nor a tag")
    if "split" in row.cells and row["split"].lower() not in _SPLIT_NAMES:
        near = did_you_mean(row["split"].lower(), _SPLIT_NAMES)
        reason = f"the split is {row['split']!r}{near}, expected {', '.join(SPLITS)}"
        yield Fault("split", row.where, reason)
    if row["id"] and (reason := name_fault(row["id"])):
        yield Fault("id", row.where, f"the id {row['id']!r} {reason}")
    yield from _check_times(row)


def _check_times(row: Row) -> Iterable[Fault]:
    for column in ("start_s", "end_s"):
        try:
            seconds = _time(row, column) or 0.0
        except ValueError:
            seconds = -1.0
        if not 0.0 <= seconds <= _LONGEST_S:
            reason = f"{column} is {row[column]!r}, expected seconds"
            yield Fault("time", row.where, reason)
            return
    end_s = _time(row, "end_s")
    if end_s is not None and end_s <= (_time(row, "start_s") or 0.0):
        yield Fault("time", row.where, "end_s is not after start_s")


def _duplicates(rows: Sequence[Row], clips: Sequence[Clip]) -> list[Fault]:
    """Rows that give the same id (also when only case differs: file systems differ in that)."""
    first: dict[str, str] = {}
    faults = []
    for row, clip in zip(rows, clips, strict=False):
        at = first.setdefault(clip.clip_id.lower(), row.where)
        if at != row.where:
            reason = f"gives the id {clip.clip_id}, as {at} does; give them ids in a column id"
            faults.append(Fault("duplicate", row.where, reason))
    return faults


def _clip(row: Row) -> Clip:
    tags = _tags(row)
    concept = row["concept"] or tags[0]
    split: Any = _SPLIT_NAMES[row["split"].lower()] if "split" in row.cells else ""
    return Clip(
        clip_id=row["id"] or _made_id(row),
        concept=concept,
        split=split,
        captions=_captions(row),
        tags=tags or (concept,),
        root=row["root"],
        attribution=row["attribution"],
    )


def _source(row: Row, folder: Path) -> FileSource:
    return FileSource(
        str(find_inside(folder, _file(row))), _time(row, "start_s"), _time(row, "end_s")
    )


def _file(row: Row) -> str:
    return next((row[column] for column in FILE_COLUMNS if row[column]), "")


def _time(row: Row, column: str) -> float | None:
    return float(row[column]) if row[column] else None


def _captions(row: Row) -> tuple[str, ...]:
    several = row["captions"].split(CAPTION_SEPARATOR)
    numbers = (re.fullmatch(r"caption_(\d{1,9})", column) for column in row.cells)
    numbered = sorted((number for number in numbers if number), key=lambda number: int(number[1]))
    texts = [*several, row["caption"], *(row[number[0]] for number in numbered)]
    return tuple(" ".join(text.split()) for text in texts if text.strip())


def _tags(row: Row) -> tuple[str, ...]:
    tags = (tag.strip() for tag in row["tags"].split(TAG_SEPARATOR))
    return tuple(dict.fromkeys(tag for tag in tags if tag))


def _made_id(row: Row) -> str:
    """An id out of the file's path: ``dogs/rex 1.wav`` is ``dogs-rex_1-<hash>``.

    A path that is no plain name loses something on the way; the beginning of its
    hash keeps two of them apart.  The Unicode form of a path is the file system's or the
    editor's doing, and changes nothing.
    """
    path = PurePosixPath(unicodedata.normalize("NFC", _file(row)))
    stem = "-".join(path.with_suffix("").parts)
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", stem).lstrip("._-")[:100]
    if safe != path.stem:
        digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
        safe = f"{safe}-{digest}" if safe else digest
    start_s = _time(row, "start_s")
    return f"{safe}-{round(start_s * 1000)}ms" if start_s else safe


def _divide(clips: Sequence[Clip]) -> list[Clip]:
    """Give each clip a split by the order of hashes within its concept."""
    by_concept: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_concept[clip.concept].append(clip)
    divided: list[Clip] = []
    for group in by_concept.values():
        group.sort(key=lambda clip: hashlib.sha256(clip.clip_id.encode()).hexdigest())
        tests = math.ceil(TEST_SHARE * len(group))
        validates = tests + math.ceil(VALIDATION_SHARE * len(group))
        for number, clip in enumerate(group):
            split: Split = "train"
            if number < validates:
                split = "test" if number < tests else "validation"
            divided.append(replace(clip, split=split))
    return divided
