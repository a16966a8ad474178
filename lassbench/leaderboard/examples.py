"""Audio for the listening page: files that somebody exported, checked before they are shown.

The leaderboard decodes no audio.  ``lassbench leaderboard examples`` (see
``lassbench.export_examples``) renders a few frozen queries into this folder::

    examples/<suite>/examples.json              ExampleSet
    examples/<suite>/<query>/<track>.flac       or .wav, .ogg
    examples/<suite>/<query>/<track>.png        its spectrogram

Audio is shown where the suite's audio may be published (synthetic sounds, or
recordings whose licence allows it and whose makers are named), and otherwise
only when a flag says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lassbench.checked import PathName, Sha256, Strict, Text
from lassbench.errors import Fault, FaultsError, LassbenchError
from lassbench.files import listed
from lassbench.leaderboard.entries import Leaderboard, Published, read_model

TrackRole = Literal["mixture", "target", "estimate"]
#: Largest audio file or picture of a listening page, in bytes.
FILE_LIMIT = 5_000_000

# First bytes of the formats that browsers play and show.
_MAGIC = {".wav": b"RIFF", ".flac": b"fLaC", ".ogg": b"OggS", ".png": b"\x89PNG\r\n\x1a\n"}
_RELATIVE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


class Track(Strict):
    """One sound of a query: the mixture, the target, or a system's estimate.

    ``system`` is the estimate's entry (its file stem), ``""`` for the others.
    """

    role: TrackRole
    system: Annotated[str, Field(max_length=100)] = ""
    audio: Annotated[str, Field(max_length=300)]
    spectrogram: Annotated[str, Field(max_length=300)]


class Example(Strict):
    """One query to listen to; ``target_by`` and ``noise_by`` say whose recordings are in it."""

    query_id: PathName
    text: Text
    concept: str = ""
    noise_concept: str = ""
    target_by: Text = ""
    noise_by: Text = ""
    tracks: tuple[Track, ...]


class ExampleSet(Published):
    """The queries of a suite that can be listened to.

    ``seconds`` is the length of every track, ``max_hz`` the top of every
    spectrogram.
    """

    free = ("target_by", "noise_by")

    suite: PathName
    list_fingerprint: Sha256
    synthetic: bool
    audio_may_be_published: bool
    seconds: Annotated[float, Field(gt=0, le=60)]
    max_hz: Annotated[float, Field(gt=0)]
    examples: Annotated[tuple[Example, ...], Field(max_length=50)]

    @property
    def publishable(self) -> bool:
        """Whether the audio may be published, and of recordings every maker is named."""
        named = all(one.target_by and one.noise_by for one in self.examples)
        return self.audio_may_be_published and (self.synthetic or named)


@dataclass(frozen=True)
class Listening:
    """A checked set of examples and the folder that its paths start from."""

    folder: Path
    content: ExampleSet


def read_examples(board: Leaderboard, *, unpublished: bool = False) -> Mapping[str, Listening]:
    """The examples of each suite whose audio may be shown.

    Parameters
    ----------
    unpublished
        Whether to include audio that must not be published.

    Raises
    ------
    FaultsError
        If a set does not follow its schema, names a file that is missing, too
        large or not what its name says, or a system without an entry.
    """
    found: dict[str, Listening] = {}
    faults: list[Fault] = []
    for path in listed(board.root / "examples", "[!.]*/examples.json"):
        try:
            content = read_model(path, ExampleSet)
        except LassbenchError as error:
            faults.append(Fault("examples", str(path), error.brief))
            continue
        wrong = list(_faults(board, path, content))
        faults += wrong
        if not wrong and (content.publishable or unpublished):
            found[content.suite] = Listening(path.parent, content)
    if faults:
        raise FaultsError(
            "the examples of the listening page have faults",
            faults,
            where=board.root,
            fix="export them anew with `lassbench leaderboard examples`, or remove them",
        )
    return found


def _faults(board: Leaderboard, path: Path, content: ExampleSet) -> Iterator[Fault]:
    def fault(reason: str) -> Fault:
        return Fault("examples", str(path), reason)

    card = board.suites.get(content.suite)
    if card is None or path.parent.name != content.suite:
        yield fault(f"is for suite {content.suite!r}, which has no table here")
        return
    if content.list_fingerprint != card.list_fingerprint:
        yield fault("was exported from another list of queries than the suite's")
    systems = {loaded.slug for loaded in board.entries[content.suite]}
    for example in content.examples:
        for track in example.tracks:
            if (track.role == "estimate") != (track.system in systems):
                yield fault(f"{example.query_id}: {track.system!r} has no entry")
            for name in (track.audio, track.spectrogram):
                if reason := _file_fault(path.parent, name):
                    yield fault(f"{name[:100]} {reason}")


def _file_fault(folder: Path, name: str) -> str:
    if not _RELATIVE.fullmatch(name):
        return "is not <query>/<file>"
    path = folder / name
    if path.suffix not in _MAGIC:
        return f"is none of {', '.join(_MAGIC)}"
    if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        return "is not there"
    if path.stat().st_size > FILE_LIMIT:
        return f"is larger than {FILE_LIMIT // 1_000_000} MB"
    with path.open("rb") as stream:
        if not stream.read(8).startswith(_MAGIC[path.suffix]):
            return f"is not a {path.suffix[1:]} file"
    return ""
