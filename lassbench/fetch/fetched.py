"""What a fetch brought, as the audio of a corpus that is being built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lassbench.corpora.audiocaps import AudioCapsCorpus
from lassbench.dataset.build import first_of_each
from lassbench.errors import Fault
from lassbench.fetch.ledger import Entry, Ledger
from lassbench.fetch.loop import CLIPS
from lassbench.fetch.options import FetchOptions
from lassbench.fetch.report import export
from lassbench.fetch.runner import FetchSummary, fetch
from lassbench.manifests import ClipRow
from lassbench.records import AudioSource, FileSource, MissingSource

#: The dead-link census beside a dataset: what it could not have, and since when.
CENSUS = "census.csv"


def fetch_corpus(
    corpus: AudioCapsCorpus, out: Path, options: FetchOptions, *, limit: int = 0
) -> tuple[AudioCapsCorpus, FetchSummary]:
    """Fetch the clips of ``corpus`` into ``out``; the corpus with what came as its audio.

    With ``limit``, only the first so many clips of each concept in each split.
    Writes the census, with each clip's state and date, beside the ledger.

    Raises
    ------
    RunStopped, LassbenchError, FaultsError
        As :func:`lassbench.fetch.runner.fetch`.
    """
    summary = fetch(first_of_each(corpus.clips(), limit), out, options)
    export(out, out / CENSUS)
    return replace(corpus, audio_sources=(FetchedAudio(str(out.resolve())),)), summary


@dataclass(frozen=True)
class FetchedAudio:
    """The clips of a fetched folder; clips that did not come bring the ledger's reason.

    An :class:`lassbench.corpora.audio_folders.AudioLocator`.
    """

    folder: str

    @property
    def settings(self) -> str:
        """``files``: the same as folders, so that a build can go on with either."""
        return "files"

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        with Ledger.read(Path(self.folder)) as ledger:
            return {entry.clip_id: entry for entry in ledger.entries()}

    def faults(self, rows: Iterable[ClipRow]) -> list[Fault]:
        """None: the ledger saw to that."""
        return []

    def locate(self, row: ClipRow) -> AudioSource:
        """The finished clip, or why there is none."""
        entry = self._entries.get(row.clip_id)
        if entry is None:
            return MissingSource("not-fetched", "no fetch was asked for it")
        if entry.state == "done":
            return FileSource(str(Path(self.folder) / CLIPS / f"{row.clip_id}.flac"))
        reason = " ".join(entry.message.split()) or "not fetched yet"
        return MissingSource(entry.kind or entry.state, reason)
