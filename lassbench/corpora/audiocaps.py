"""AudioCaps: the clips of a frozen benchmark, their captions, and their audio where it is held.

Which clips, which split, which concept and tags: the benchmark's lists
(``manifests/lass-2022``).  The captions are AudioCaps's, joined by
``audiocap_id``; they are not in this repository.  The audio is AudioSet's, that
is, its uploaders' on YouTube: it comes from folders that people already hold
(:mod:`lassbench.corpora.audio_folders`), from what ``lassbench fetch`` brought,
or, with ``--audio synthetic``, from no recording at all: every clip of the
benchmark is rendered from its tags, so that the whole of it runs anywhere.

A clip's captions stand in ascending order of their audiocap ids, the
benchmark's own first: ``captions[0]`` is the caption with the smallest id, which
is the clip's query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from lassbench import files
from lassbench.benchmark import manifests, metadata
from lassbench.benchmark.manifests import Benchmark
from lassbench.benchmark.metadata import CaptionedClip, MetadataSource, read_captions
from lassbench.benchmark.selection import ClipRow
from lassbench.corpora.audio_folders import AudioFolders, AudioLocator, SyntheticAudio
from lassbench.corpora.base import CorpusCard, in_order
from lassbench.errors import Fault, FaultsError, UsageError
from lassbench.records import AudioSource, Clip, MissingSource, Split

CaptionSource = Literal["audiocaps", "templated"]

_HOMEPAGE = "https://audiocaps.github.io/"
_LABEL_TERMS = "Labels: AudioSet, CC BY 4.0."
_CAPTION_TERMS = {
    "audiocaps": "Captions: AudioCaps, for academic purposes only.",
    "templated": "Captions: from templates, CC0-1.0.",
}
_CITATION = (
    "C. D. Kim, B. Kim, H. Lee, G. Kim: AudioCaps: Generating Captions for Audios in The Wild. "
    "NAACL-HLT 2019. "
    "J. F. Gemmeke et al.: Audio Set: An ontology and human-labeled dataset for audio events. "
    "ICASSP 2017."
)


@lru_cache(maxsize=4)
def _open(manifest: str) -> Benchmark:
    return manifests.open_benchmark(manifest)


@dataclass(frozen=True)
class AudioCapsCorpus:
    """The clips of a benchmark made from AudioCaps.

    Attributes
    ----------
    manifest
        The name or folder of the benchmark.
    audio_sources
        Where the audio may be; the first that has a clip gives it.
    captions
        ``audiocaps``, or ``templated``: made from the tags, not by people.
    metadata
        Where AudioCaps's CSV files come from.
    audiocaps_version
        1 or 2 (2.0, whose captions are the same in lower case); 0 for the
        benchmark's own.
    """

    manifest: str = manifests.LASS_2022
    audio_sources: tuple[AudioLocator, ...] = ()
    captions: CaptionSource = "audiocaps"
    metadata: MetadataSource = field(default_factory=MetadataSource)
    audiocaps_version: int = 0

    @property
    def benchmark(self) -> Benchmark:
        """The benchmark, read and checked once a process."""
        return _open(self.manifest)

    @property
    def is_synthetic(self) -> bool:
        """Whether no clip is a recording."""
        return any(isinstance(source, SyntheticAudio) for source in self.audio_sources)

    @property
    def card(self) -> CorpusCard:
        """The corpus's card."""
        definition = self.benchmark.definition
        title = definition.title or definition.name
        audio_terms = "Audio: CC0-1.0." if self.is_synthetic else "Audio: its uploaders'."
        return CorpusCard(
            name=f"{definition.name}-synthetic" if self.is_synthetic else definition.name,
            title=f"{title} (synthetic audio)" if self.is_synthetic else title,
            homepage=_HOMEPAGE,
            licence=f"{audio_terms} {_CAPTION_TERMS[self.captions]} {_LABEL_TERMS}",
            citation=_CITATION,
            sample_rate_hz=definition.sample_rate_hz,
            clip_seconds=definition.clip_seconds,
            synthetic=self.is_synthetic,
            audio_may_be_published=self.is_synthetic,
            templated_captions=self.captions == "templated",
            notes=self._notes,
            benchmark=self.manifest,
        )

    @property
    def _notes(self) -> str:
        notes = [f"The clips, splits and suites of benchmark {self.benchmark.name}."]
        if self.is_synthetic:
            notes.append(
                "No clip is a recording: each is rendered from the tags of the real clip of its id."
            )
        if self.captions == "templated":
            notes.append("The captions come from templates, not from AudioCaps.")
            return " ".join(notes)
        if self._version == 2:
            notes.append("The captions are those of AudioCaps 2.0.")
        if not self.metadata.verified:
            notes.append("The hashes of AudioCaps's files were not checked.")
        return " ".join(notes)

    @property
    def _version(self) -> int:
        return self.audiocaps_version or self.benchmark.definition.audiocaps_version

    @property
    def settings(self) -> dict[str, Any]:
        """What decides which clips these are: folders may be added to a build gone on with."""
        return {
            "benchmark": self.benchmark.name,
            "lists_sha256": files.sha256_file(self.benchmark.path / manifests.SUMS),
            "captions": self.captions,
            "audiocaps_version": self._version,
            "audio": [source.settings for source in self.audio_sources],
        }

    @property
    def folders(self) -> tuple[Path, ...]:
        """The audio folders."""
        return tuple(
            Path(folder)
            for source in self.audio_sources
            for folder in getattr(source, "folders", ())
        )

    def clips(self) -> list[Clip]:
        """Every clip of the benchmark, whether or not its audio is here.

        Raises
        ------
        FaultsError
            If the lists were changed, AudioCaps's files have bad rows or lack a
            clip, or there are two files for one clip; with file and line.
        """
        rows = [row for _, row in self.benchmark.clips.values()]
        faults = [fault for source in self.audio_sources for fault in source.faults(rows)]
        if faults:
            raise FaultsError(
                "the audio folders cannot be used", faults, fix="keep one file for each clip"
            )
        captions = self._captions(rows)
        return in_order(
            self._clip(split, row, captions[row.youtube_id])
            for split, row in self.benchmark.clips.values()
        )

    def _clip(self, split: Split, row: ClipRow, captions: Sequence[str]) -> Clip:
        page = f"https://www.youtube.com/watch?v={row.youtube_id}"
        return replace(
            row.clip(split, tuple(captions)),
            root=self.benchmark.definition.concept(row.concept).root,
            attribution="" if self.is_synthetic else page,
        )

    def _captions(self, rows: Sequence[ClipRow]) -> dict[str, tuple[str, ...]]:
        """youtube_id -> captions, in the order that the module's text gives."""
        if self.captions == "templated":
            from lassbench.corpora.synthesis import describe

            return {row.youtube_id: describe(row.concept, row.youtube_id, row.tags) for row in rows}
        paths = {
            split: self.metadata.path(metadata.CAPTIONS[self._version, split])
            for split in metadata.AUDIOCAPS_SPLITS
        }
        captioned = read_captions(paths)
        faults: list[Fault] = []
        found = {row.youtube_id: _join(row, captioned, faults) for row in rows}
        if faults:
            raise FaultsError(
                f"AudioCaps {self._version} does not fit benchmark {self.benchmark.name}",
                faults,
                where=Path(self.metadata.place) if self.metadata.is_folder else "",
                fix="restore AudioCaps's files, or choose another --audiocaps-version",
            )
        return found

    def locate(self, clip: Clip) -> AudioSource:
        """The audio of ``clip`` in the first source that has it, or why none has."""
        _, row = self.benchmark.clips[clip.clip_id]
        missing: list[MissingSource] = []
        for source in self.audio_sources:
            found = source.locate(row)
            if not isinstance(found, MissingSource):
                return found
            missing.append(found)
        # A file that is there and wrong says more than a place without one.
        telling = [reason for reason in missing if reason.kind != "missing"]
        nowhere = MissingSource("missing", "no place to look for audio was given")
        return (telling or missing or [nowhere])[0]


def _join(
    row: ClipRow, captioned: Mapping[str, CaptionedClip], faults: list[Fault]
) -> tuple[str, ...]:
    """The captions of ``row``, the benchmark's own first; what does not fit goes to ``faults``."""
    clip = captioned.get(row.youtube_id)
    if clip is None:
        faults.append(Fault("no captions", row.clip_id, "AudioCaps's files have no such clip"))
        return ()
    if clip.start_s != row.start_s:
        reason = f"starts at {clip.start_s:g} s here and at {row.start_s:g} s in the benchmark"
        faults.append(Fault("wrong start time", clip.where, f"{row.youtube_id} {reason}"))
    lacking = [number for number in row.audiocap_ids if number not in clip.captions]
    if lacking:
        reason = f"{row.youtube_id} lacks the caption with audiocap_id {lacking[0]}"
        faults.append(Fault("no captions", clip.where, reason))
    own = [number for number in row.audiocap_ids if number in clip.captions]
    others = [number for number in clip.captions if number not in row.audiocap_ids]
    return tuple(clip.captions[number] for number in (*own, *others))


def from_options(options: Mapping[str, Any]) -> AudioCapsCorpus:
    """The corpus that the command line's options ask for.

    Raises
    ------
    UsageError
        If there is no audio to build from, or options contradict each other.
    """
    folders = tuple(str(folder) for folder in options.get("audio_dir", ()))
    synthetic = options.get("audio") == "synthetic"
    # Whoever fetches the clips puts what came in as `audio_sources`.
    fetched = bool(options.get("fetched"))
    if synthetic + bool(folders) + fetched != 1:
        raise UsageError(
            "say where the audio is, in one way",
            expected="--audio-dir DIR (may be given again), --audio synthetic, or --audio youtube",
            got="several" if synthetic or folders else "none",
            fix="leave all but one out",
        )
    source = MetadataSource(
        str(options.get("metadata_dir", "")), verified=not options.get("unverified_metadata")
    )
    # Synthetic audio needs nothing that has to be downloaded, unless asked to.
    default = "templated" if synthetic and not source.place else "audiocaps"
    captions = options.get("captions", default)
    if captions == "templated" and not synthetic:
        raise UsageError(
            "captions from templates describe synthetic clips only",
            got="--captions templated with recordings",
            fix="leave it out",
        )
    sources: tuple[AudioLocator, ...] = (AudioFolders(folders),) if folders else ()
    if synthetic:
        sources = (SyntheticAudio(),)
    return AudioCapsCorpus(
        manifest=_manifest(options.get("manifest", manifests.LASS_2022)),
        audio_sources=sources,
        captions=captions,
        metadata=source,
        audiocaps_version=int(options.get("audiocaps_version", 0)),
    )


def _manifest(name: object) -> str:
    """A shipped benchmark goes by its name, any other by its folder's full path."""
    folder = manifests.find_benchmark(str(name))
    shipped = files.data_folder("manifests") / folder.name
    return folder.name if folder.resolve() == shipped.resolve() else str(folder.resolve())
