"""Audio for the listening page: what ``lassbench leaderboard examples`` exported.

The leaderboard decodes no audio.  ``lassbench.export_examples`` renders a few frozen
queries into this folder::

    examples/<suite>/examples.json              ExampleSet
    examples/<suite>/<query>/<track>.flac       mixture, target, estimate-<system>
    examples/<suite>/<query>/<track>.png        its spectrogram

Audio is shown where the suite's audio may be published (synthetic sounds, or
recordings whose licence allows it and whose makers are named), and otherwise
only when a flag says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lassbench.checked import PathName, Sha256, Strict, Text
from lassbench.errors import Fault, FaultsError, LassbenchError
from lassbench.files import listed
from lassbench.leaderboard.entries import Leaderboard, Published, read_model

#: What each sound of a query is: its samples, and its picture.
SUFFIXES = (".flac", ".png")


class Example(Strict):
    """One query to listen to, with the estimates of ``systems`` (the file stems of entries).

    ``target_by`` and ``noise_by`` say whose recordings are in it.
    """

    query_id: PathName
    text: Text
    concept: str = ""
    noise_concept: str = ""
    target_by: Text = ""
    noise_by: Text = ""
    systems: tuple[str, ...]

    @property
    def tracks(self) -> dict[str, str]:
        """Path without suffix -> system, ``""`` for the mixture and the target, which are first."""
        # A system may be called "target": its files must not take the target's place.
        names = {"mixture": "", "target": ""} | {f"estimate-{one}": one for one in self.systems}
        return {f"{self.query_id}/{name}": system for name, system in names.items()}


class ExampleSet(Published):
    """The queries of a suite that can be listened to.

    ``audio_may_be_published`` is false also where the maker of a recording is not named;
    ``seconds`` is the length of every track, ``max_hz`` the top of every spectrogram.
    """

    free = ("target_by", "noise_by")

    suite: PathName
    list_fingerprint: Sha256
    audio_may_be_published: bool
    seconds: Annotated[float, Field(gt=0, le=60)]
    max_hz: Annotated[float, Field(gt=0)]
    examples: Annotated[tuple[Example, ...], Field(max_length=50)]


def read_examples(board: Leaderboard, *, unpublished: bool = False) -> Mapping[str, ExampleSet]:
    """The examples of each suite whose audio may be shown: all of it if also ``unpublished``.

    Raises
    ------
    FaultsError
        If a set does not follow its schema, or lacks a file, or a system has no entry.
    """
    found: dict[str, ExampleSet] = {}
    faults: list[Fault] = []
    for path in listed(board.root / "examples", "[!.]*/examples.json"):
        try:
            content = read_model(path, ExampleSet)
        except LassbenchError as error:
            faults.append(Fault("examples", str(path), error.brief))
            continue
        faults += (Fault("examples", str(path), one) for one in _faults(board, path, content))
        if content.audio_may_be_published or unpublished:
            found[content.suite] = content
    if faults:
        raise FaultsError(
            "the examples of the listening page have faults",
            faults,
            where=board.root,
            fix="export them anew with `lassbench leaderboard examples`, or remove them",
        )
    return found


def _faults(board: Leaderboard, path: Path, content: ExampleSet) -> Iterator[str]:
    card = board.suites.get(content.suite)
    if card is None or path.parent.name != content.suite:
        yield f"is for suite {content.suite!r}, which has no table here"
        return
    if content.list_fingerprint != card.list_fingerprint:
        yield "was exported from another list of queries than the suite's"
    systems = {"", *(loaded.slug for loaded in board.entries[content.suite])}
    for example in content.examples:
        for track, system in example.tracks.items():
            if system not in systems:
                yield f"{example.query_id}: {system[:100]!r} has no entry"
                continue
            for name in (f"{track}{suffix}" for suffix in SUFFIXES):
                file = path.parent / name
                if file.is_symlink() or file.parent.is_symlink() or not file.is_file():
                    yield f"{name} is not there"
