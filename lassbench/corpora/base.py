"""What every corpus offers: its card, its clips, and where each clip's audio is."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lassbench.errors import (
    Fault,
    FaultsError,
    LassbenchError,
    UsageError,
    did_you_mean,
    one_line,
)
from lassbench.plain_text import caption_fault, refused_character, text_fault, url_fault
from lassbench.records import (
    CLIP_SECONDS,
    SAMPLE_RATE_HZ,
    SPLITS,
    AudioSource,
    Clip,
    MissingSource,
    RenderedSource,
)
from lassbench.tables import read_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class CorpusCard:
    """Where a corpus comes from and on what terms.

    Attributes
    ----------
    name
        Its short name: ``synthetic``, ``esc50`` ...
    title, homepage, licence, citation
        For people: full name, address, terms of use, how to cite it.
    sample_rate_hz, clip_seconds
        The rate in Hz and the length in seconds at which its clips are written.
    synthetic
        True when no clip is a recording.  Every result then says so.
    audio_may_be_published
        True when the terms allow passing the audio on.
    templated_captions
        True when the captions come from a template and not from a person;
        queries made of them are marked so.
    notes
        What a reader of its results has to know: how it was split, where its
        captions come from.
    benchmark
        The frozen benchmark that its clips are of: the name or folder of a
        manifest, whose suites a dataset of this corpus can be frozen as.
    """

    name: str
    title: str
    homepage: str
    licence: str
    citation: str
    sample_rate_hz: int = SAMPLE_RATE_HZ
    clip_seconds: float = CLIP_SECONDS
    synthetic: bool = False
    audio_may_be_published: bool = False
    templated_captions: bool = False
    notes: str = ""
    benchmark: str = ""

    def __post_init__(self) -> None:
        for name, limit in _CARD_TEXTS.items():
            self._check_text(name, limit)
        if self.homepage and (reason := url_fault(self.homepage)):
            raise UsageError(f"the corpus's homepage {reason}", got=one_line(self.homepage, 100))
        if not 1000 <= self.sample_rate_hz <= 384_000:
            raise UsageError(
                "the sample rate is out of range",
                expected="1000 to 384000 Hz",
                got=str(self.sample_rate_hz),
            )
        if not 0.01 <= self.clip_seconds <= 3600:
            raise UsageError(
                "the clip length is out of range",
                expected="0.01 to 3600 s",
                got=str(self.clip_seconds),
            )

    def _check_text(self, name: str, limit: int) -> None:
        text = getattr(self, name)
        if not isinstance(text, str):
            raise UsageError(f"the corpus's {name} is not text", got=one_line(repr(text), 100))
        if name == "title":  # as suites and leaderboards have it
            reason = text_fault(text, limit=limit, lines=True)
        elif len(text) > limit:
            reason = f"has {len(text)} characters, at most {limit} are allowed"
        else:
            reason = refused_character(text.replace("\n", " ").replace("\t", " "))
        if reason:
            raise UsageError(f"the corpus's {name} {reason}", got=one_line(text, 100))
        if name in ("title", "licence"):
            object.__setattr__(self, name, " ".join(text.split()))

    @property
    def clip_samples(self) -> int:
        """Samples in a clip."""
        return round(self.clip_seconds * self.sample_rate_hz)


#: Texts of a card and how many characters each may have.  A suite's title, of at most
#: 200, is a dataset's and some words more.
_CARD_TEXTS = {"title": 150, "homepage": 2000, "licence": 2000, "citation": 20_000, "notes": 5000}


#: What a clip id may look like: a plain file name on every file system.
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")


@runtime_checkable
class Corpus(Protocol):
    """A list of clips and where their audio is.

    Implementations are small frozen dataclasses that pickle: paths and
    settings, no audio.  One whose clips depend on more than its card's rate and
    length (a seed, a filter) also has ``settings``, a mapping of plain values:
    a build goes on in a folder only if they are the same as before.  One that divides
    its clips itself, or part of them, has ``drawn_splits``, the splits that it draws:
    among these a build lets a clip with the samples of another one follow it.
    """

    @property
    def card(self) -> CorpusCard:
        """The corpus's card."""
        ...

    def clips(self) -> list[Clip]:
        """Every clip, sorted by (split, clip_id), in the order of ``SPLITS``.

        Raises
        ------
        FaultsError
            Listing every bad row of the corpus's tables (file:line).
        """
        ...

    def locate(self, clip: Clip) -> AudioSource:
        """Where the audio of ``clip`` is, or why there is none."""
        ...


@dataclass(frozen=True)
class Row:
    """One line of a CSV table: ``where`` is ``file:line``, ``cells`` go by column name."""

    where: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def read_source(source: AudioSource, *, sample_rate_hz: int, seconds: float) -> NDArray[np.float32]:
    """The samples of one clip, wherever its audio is.

    Mono, resampled, cut or zero-padded at the end to exactly ``seconds``.

    Returns
    -------
    ``(round(seconds * sample_rate_hz),)`` float32 within [-1, 1].

    Raises
    ------
    AudioFault
        If there is no such audio, it cannot be decoded, or it is silent.
    """
    from lassbench import audio

    if isinstance(source, MissingSource):
        raise audio.AudioFault(source.kind, source.reason)
    if not isinstance(source, RenderedSource):
        return audio.read_file(source, sample_rate_hz=sample_rate_hz, seconds=seconds)
    from lassbench.corpora import synthesis

    x = synthesis.render(
        source.concept,
        source.key,
        sample_rate_hz=sample_rate_hz,
        seconds=seconds,
        tags=source.tags,
    )
    return audio.conform(x, round(seconds * sample_rate_hz), seconds)


def in_order(clips: Iterable[Clip]) -> list[Clip]:
    """``clips`` sorted by split (train, validation, test) and clip_id."""
    return sorted(clips, key=lambda clip: (SPLITS.index(clip.split), clip.clip_id))


def check_clips(clips: Sequence[Clip]) -> None:
    """Refuse a list of clips that no dataset can be made of.

    Raises
    ------
    FaultsError
        Listing every id that is not a safe file name or comes twice (also when
        only upper and lower case differ: some file systems cannot tell them
        apart, except for YouTube's, where case is all that differs), every
        clip without a caption, a concept or a known split, every text that a
        leaderboard would refuse (:func:`lassbench.plain_text.caption_fault`), and
        every concept or tag that differs from another in case only: two labels of
        one sound.
    """
    faults: list[Fault] = []
    seen: set[str] = set()
    for clip in clips:
        where = clip.clip_id or "(no id)"
        if not SAFE_ID.fullmatch(clip.clip_id):
            faults.append(Fault("id", where, "the clip id is not a plain file name"))
        key = clip.clip_id if clip.youtube_id else clip.clip_id.lower()
        if key in seen:
            faults.append(Fault("duplicate", where, "two clips have this id"))
        seen.add(key)
        if not clip.captions or not all(caption.strip() for caption in clip.captions):
            faults.append(Fault("caption", where, "has no caption, or an empty one"))
        if not clip.concept:
            faults.append(Fault("concept", where, "has no concept"))
        if clip.split not in SPLITS:
            faults.append(Fault("split", where, f"its split is {clip.split!r}"))
        faults += _text_faults(clip)
    faults += _twin_labels("concept", ((clip.concept, clip.clip_id) for clip in clips))
    faults += _twin_labels("tag", ((tag, clip.clip_id) for clip in clips for tag in clip.tags))
    if faults:
        raise FaultsError("clips that cannot be used", faults, fix="correct the corpus")


def _text_faults(clip: Clip) -> Iterator[Fault]:
    texts = [("caption", caption) for caption in clip.captions]
    texts += [("concept", clip.concept), ("root", clip.root), ("tags", "; ".join(clip.tags))]
    found = [(kind, text, caption_fault(text)) for kind, text in texts]
    found.append(("attribution", clip.attribution, refused_character(clip.attribution)))
    for kind, text, reason in found:
        if reason:
            yield Fault("text", clip.clip_id, f"its {kind} {text[:100]!r} {reason}")


def _twin_labels(what: str, labels: Iterable[tuple[str, str]]) -> Iterable[Fault]:
    """Labels that are one but for case or Unicode form, each named once."""
    first: dict[str, tuple[str, str]] = {}
    told: set[str] = set()
    for label, clip_id in labels:
        known, at = first.setdefault(
            unicodedata.normalize("NFKC", label).casefold(), (label, clip_id)
        )
        if label != known and label not in told:
            told.add(label)
            reason = f"its {what} {label!r} is {known!r} (of {at}) in other letters; write one way"
            yield Fault("label", clip_id, reason)


def read_table(
    path: Path, required: Sequence[str], *, one_of: Sequence[Sequence[str]] = ()
) -> list[Row]:
    """The rows of a CSV file with a header line.

    Byte-order marks and Windows line ends are read over; columns that nobody
    asked for are kept; empty lines are skipped.

    Parameters
    ----------
    path
        The file.
    required
        Columns that must be there.
    one_of
        Groups of columns, of each of which at least one must be there.

    Raises
    ------
    UsageError
        If the file is missing.
    LassbenchError
        If it is unreadable or not UTF-8, has no header, or lacks a column.
    FaultsError
        If rows have more or fewer cells than the header, all of them listed.
    """
    if not path.is_file():
        raise UsageError("no such file", where=path, fix="check the path")
    text = read_text(path)
    # The csv module counts physical lines, so a quoted line break does not
    # shift the numbers that messages give.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    rows: list[Row] = []
    faults: list[Fault] = []
    try:
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                _check_header(header, where, required, one_of)
            elif len(cells) != len(header):
                faults.append(
                    Fault("cells", where, f"has {len(cells)} cells, the header {len(header)}")
                )
            else:
                stripped = (cell.strip() for cell in cells)
                rows.append(Row(where, dict(zip(header, stripped, strict=True))))
    except csv.Error as error:
        faults.append(Fault("quoting", f"{path}:{reader.line_num}", f"not valid CSV: {error}"))
    if header is None:
        raise LassbenchError("has no header line", where=path, expected=", ".join(required))
    if faults:
        raise FaultsError("rows that cannot be read", faults, fix="correct these lines")
    return rows


def _check_header(
    header: list[str], where: str, required: Sequence[str], one_of: Sequence[Sequence[str]]
) -> None:
    missing = [column for column in required if column not in header]
    missing += [" or ".join(group) for group in one_of if not set(group) & set(header)]
    if missing:
        near = "".join(did_you_mean(column, header) for column in missing)
        raise LassbenchError(
            f"the table lacks the column {', '.join(missing)}{near}",
            where=where,
            expected=", ".join([*required, *(" or ".join(group) for group in one_of)]),
            got=", ".join(header),
            fix="add the column, or name the right file",
        )
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise LassbenchError(
            f"the table has the column {', '.join(twice)} twice",
            where=where,
            fix="rename or remove one of them",
        )


def require_folder(path: Path, *, what: str) -> None:
    """Refuse a source folder that is not there.

    Raises
    ------
    UsageError
        If ``path`` is not a folder.
    """
    if not path.is_dir():
        got = "a file" if path.exists() else "nothing"
        raise UsageError(
            f"{what} is not a folder", where=path, got=got, fix="check the path given as --source"
        )


def source_option(options: Mapping[str, Any], what: str) -> Path:
    """The ``--source`` folder, ``what`` says what it holds.

    Raises
    ------
    UsageError
        If it is not given.
    """
    if not options.get("source"):
        raise UsageError(
            "this corpus needs --source", expected=what, fix="add --source FOLDER to the command"
        )
    return Path(options["source"])


def plain_name(name: str) -> str | None:
    """Why ``name`` is not a file in a folder itself, or ``None`` if it is one."""
    if not name:
        return "is empty"
    if "/" in name or "\\" in name or name in {".", ".."} or not name.isprintable():
        return "is not a plain file name"
    return None


def inner_path(name: str) -> str | None:
    """Why ``name`` does not lead to a file below a folder, or ``None`` if it does."""
    if not name:
        return "is empty"
    if not name.isprintable():
        return "has unprintable characters"
    if name.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:|[a-z0-9+]+://", name):
        return "is an absolute path; paths go from the source folder"
    if ".." in PurePosixPath(name.replace("\\", "/")).parts:
        return "leads out of the source folder"
    return None
