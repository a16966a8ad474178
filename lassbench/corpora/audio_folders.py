"""Audio of AudioCaps's clips that people already hold, in folders of any depth.

A clip of video ``<id>`` that begins at ``<start>`` seconds is found under any of
these names, with any audio suffix::

    Y<id>.wav   <id>.wav               a cut, or the whole video
    <id>_<start>.flac                  a cut; <start> in seconds or milliseconds,
    Y<id>_<start>_<end>.flac           followed by the end or not
    <audiocap_id>.wav                  a cut, by the id of any of its captions

Whether a file without a start in its name is a cut or the whole video is told
by its length: a file longer than the clip (by more than half a second) that
reaches the clip's end is the whole video, and the clip is cut out of it.
Anything else of the wrong length is refused: a file of 4 s is neither.

Two files for one clip are a fault: nothing here guesses which of them is right.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from lassbench import audio
from lassbench.benchmark.selection import ClipRow
from lassbench.containers import SUFFIXES
from lassbench.errors import Fault, UsageError
from lassbench.files import file_fault, is_left_by_system
from lassbench.records import AudioSource, Clip, FileSource, MissingSource, RenderedSource

#: A file longer than its clip by more than this is not a cut of it, in seconds.
LONGER_BY_S = 0.5
#: A file shorter than its clip by more than this is not the clip, in seconds:
#: videos end a little earlier than AudioSet's whole seconds say.
SHORTER_BY_S = 1.0

_NAME = re.compile(r"([A-Za-z0-9_-]{11})(?:_(\d+(?:\.\d+)?)(?:_\d+(?:\.\d+)?)?)?")
_AUDIOCAP_ID = re.compile(r"\d{1,7}")
_TWO = "two files for one clip"


@dataclass(frozen=True)
class AudioLocator(ABC):
    """A place where the audio of a benchmark's clips may be.

    Small and picklable; a corpus asks its locators in their order and takes the
    first that has a clip.
    """

    #: What of it decides which samples a clip has.  Places of files count as one: more of
    #: them may be added to a build that is gone on with.
    settings = "files"

    def __getstate__(self) -> dict[str, Any]:
        # What was read of it is read again where it is needed, not carried along.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def faults(self, rows: Iterable[ClipRow]) -> list[Fault]:
        """What is wrong with the place as a whole, before any clip is read."""
        return []

    @abstractmethod
    def locate(self, row: ClipRow) -> AudioSource:
        """Where the audio of ``row`` is, or why it is not here."""


@dataclass(frozen=True)
class SyntheticAudio(AudioLocator):
    """Every clip rendered from its concept, video id and tags: no recording at all."""

    settings = "synthetic"

    def faults(self, rows: Iterable[ClipRow]) -> list[Fault]:
        """The concepts that cannot be rendered."""
        from lassbench.corpora.synthesis import CONCEPTS

        strange = sorted({row.concept for row in rows} - set(CONCEPTS))
        return [
            Fault("no synthetic sound", f"concept {name}", f"only {', '.join(CONCEPTS)} have one")
            for name in strange
        ]

    def locate(self, row: ClipRow) -> RenderedSource:
        """The clip's recipe."""
        return RenderedSource(row.concept, row.youtube_id, row.tags)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file under a name that means a clip; ``start_s`` as the name gives it."""

    path: str
    start_s: float | None = None
    is_cut: bool = False


@dataclass(frozen=True)
class AudioFolders(AudioLocator):
    """Folders of audio files, searched once.

    Attributes
    ----------
    folders
        Searched to any depth, symbolic links included.
    """

    folders: tuple[str, ...]

    @cached_property
    def _index(self) -> dict[str, list[_Found]]:
        """Video id, or audiocap id, -> the files named so."""
        index: defaultdict[str, list[_Found]] = defaultdict(list)
        for path in sorted(set(audio_files(self.folders))):
            for key, found in _meanings(path):
                index[key].append(found)
        return dict(index)

    def faults(self, rows: Iterable[ClipRow]) -> list[Fault]:
        """Every clip for which there are two files."""
        found = ((row.clip_id, self._of(row)) for row in rows)
        return [Fault(_TWO, clip_id, _named(files)) for clip_id, files in found if len(files) > 1]

    def _of(self, row: ClipRow) -> list[_Found]:
        """The files of ``row``, by every name it may have, each file once."""
        # A start in a file's name is in seconds or milliseconds.
        starts = (None, row.start_s, row.start_s * 1000.0)
        found = [file for file in self._index.get(row.youtube_id, ()) if file.start_s in starts]
        for number in row.audiocap_ids:
            found += self._index.get(f"#{number}", ())
        return list({file.path: file for file in found}.values())

    def locate(self, row: ClipRow) -> AudioSource:
        """The file of ``row`` and the part of it that is the clip, or why there is none."""
        found = self._of(row)
        if len(found) > 1:
            return MissingSource(_TWO, _named(found))
        if not found:
            others = self._index.get(row.youtube_id, ())
            if others:
                reason = f"{others[0].path} begins elsewhere than at {row.start_s:g} s"
                return MissingSource("wrong start time", reason)
            return MissingSource("missing", "no file of this clip in the audio folders")
        return _part(found[0], row)


def _named(found: Iterable[_Found]) -> str:
    return " and ".join(sorted(file.path for file in found))


def audio_files(folders: Iterable[str]) -> Iterator[str]:
    """The paths of all audio files in ``folders``, by their names' endings.

    To any depth; links are followed, each folder once; what operating systems leave is
    passed over.

    Raises
    ------
    UsageError
        If a folder is not there.
    """
    for folder in folders:
        if not Path(folder).is_dir():
            got = "a file" if Path(folder).exists() else "nothing"
            raise UsageError("no such audio folder", where=folder, got=got, fix="check --audio-dir")
        visited: set[str] = set()
        for place, below, names in os.walk(folder, followlinks=True):
            real = os.path.realpath(place)
            if real in visited:
                below.clear()
                continue
            visited.add(real)
            below[:] = [name for name in below if not is_left_by_system(name)]
            for name in names:
                if os.path.splitext(name)[1].lower() in SUFFIXES:  # noqa: PTH122
                    yield os.path.join(place, name)  # noqa: PTH118


def video_ids(path: str) -> set[str]:
    """The YouTube ids that a file's name can stand for, by the names above."""
    return {key for key, _ in _meanings(path) if not key.startswith("#")}


def _meanings(path: str) -> Iterator[tuple[str, _Found]]:
    """What a file's name can mean: (key, file); a leading ``Y`` may belong to the id or not."""
    stem = Path(path).stem
    if _AUDIOCAP_ID.fullmatch(stem):
        yield f"#{int(stem)}", _Found(path, is_cut=True)
    for name in {stem, stem.removeprefix("Y")}:
        matched = _NAME.fullmatch(name)
        if matched:
            start = float(matched[2]) if matched[2] is not None else None
            yield matched[1], _Found(path, start, is_cut=start is not None)


def part_of(path: str, clip: Clip) -> AudioSource:
    """The part of the file at ``path`` that is ``clip``, by the rule above."""
    return _part(_Found(path), clip)


def _part(found: _Found, row: Clip | ClipRow) -> AudioSource:
    """The part of a file that is the clip, by the file's length."""
    length_s = row.end_s - row.start_s
    file_s = _length_s(found.path)
    if reason := file_fault(Path(found.path)):
        return MissingSource("missing", reason)
    if file_s is None:
        # It cannot be read, and reading it says why.
        return FileSource(found.path)
    if file_s < length_s - SHORTER_BY_S:
        reason = f"{found.path} is {file_s:.2f} s long, the clip {length_s:g} s"
        return MissingSource("wrong length", reason)
    if found.is_cut or file_s <= length_s + LONGER_BY_S:
        return FileSource(found.path, end_s=length_s)
    if file_s >= row.end_s - SHORTER_BY_S:
        return FileSource(found.path, row.start_s, row.end_s)
    reason = (
        f"{found.path} is {file_s:.2f} s long: neither a cut of {length_s:g} s "
        f"nor a video that reaches {row.end_s:g} s"
    )
    return MissingSource("wrong length", reason)


def _length_s(path: str) -> float | None:
    """A file's length in seconds, or ``None`` if it cannot be read."""
    try:
        with audio.open_sound(path) as sound:
            return sound.length() / sound.rate
    except audio.AudioFault:
        return None
