"""What every corpus offers: its card, its clips, and where each clip's audio is."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from lassbench import files
from lassbench.checked import (
    RULES,
    Flag,
    PathName,
    SampleRate,
    Seconds,
    Title,
    WebAddress,
    on_one_line,
    readable,
)
from lassbench.errors import Fault, FaultsError, UsageError
from lassbench.files import name_fault
from lassbench.plain_text import caption_fault, refused_character
from lassbench.records import (
    CLIP_SECONDS,
    SAMPLE_RATE_HZ,
    SPLITS,
    AudioSource,
    Clip,
    FileSource,
    MissingSource,
    RenderedSource,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@checked_dataclass(frozen=True, config=RULES)
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

    name: PathName
    title: Title
    homepage: WebAddress
    licence: Annotated[str, Field(max_length=2000), on_one_line, readable]
    citation: Annotated[str, Field(max_length=20_000), readable]
    sample_rate_hz: SampleRate = SAMPLE_RATE_HZ
    clip_seconds: Seconds = CLIP_SECONDS
    synthetic: bool = False
    audio_may_be_published: Flag = False
    templated_captions: Flag = False
    notes: Annotated[str, Field(max_length=5000), readable] = ""
    benchmark: str = ""

    @property
    def clip_samples(self) -> int:
        """Samples in a clip."""
        return round(self.clip_seconds * self.sample_rate_hz)


@runtime_checkable
class Corpus(Protocol):
    """A list of clips and where their audio is.

    Implementations are small frozen dataclasses that pickle: paths and
    settings, no audio.  One whose clips depend on more than its card's rate and
    length (a seed, a filter) also has ``settings``, a mapping of plain values:
    a build goes on in a folder only if they are the same as before.  One that divides
    its clips itself, or part of them, has ``drawn_splits``, the splits that it draws:
    among these a build lets a clip with the samples of another one follow it.  One that
    reads files has ``folders``, those that they should lie in: a build tells of links
    that lead out of them.
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


def read_source(
    source: AudioSource, *, sample_rate_hz: int, seconds: float, keep_quiet: bool = False
) -> NDArray[np.float32]:
    """The samples of one clip, wherever its audio is.

    Mono, resampled, cut or zero-padded at the end to exactly ``seconds``.

    Returns
    -------
    ``(round(seconds * sample_rate_hz),)`` float32 within [-1, 1].

    Raises
    ------
    AudioFault
        If there is no such audio, it cannot be decoded, or it is silent; without
        ``keep_quiet`` also if it is near-silent or its channels cancel.
    """
    from lassbench import audio

    if isinstance(source, MissingSource):
        raise audio.AudioFault(source.kind, source.reason)
    if not isinstance(source, RenderedSource):
        return audio.read_file(
            source, sample_rate_hz=sample_rate_hz, seconds=seconds, keep_quiet=keep_quiet
        )
    from lassbench.corpora import synthesis

    x = synthesis.render(
        source.concept, source.key, sample_rate_hz=sample_rate_hz, seconds=seconds, tags=source.tags
    )
    return audio.conform(x, round(seconds * sample_rate_hz), seconds, keep_quiet=keep_quiet)


def locate(corpus: Corpus, clip: Clip, linked: dict[str, str]) -> AudioSource:
    """Where the audio of ``clip`` is; ``linked`` takes a file outside the corpus's folders.

    Its key is the path below a folder, its value where the links on that path lead.
    They are honest most often (the Hub's cache, git-annex, a cluster's scratch disk).
    But an archive from elsewhere may hold a link to a private recording.
    """
    source, folders = corpus.locate(clip), getattr(corpus, "folders", ())
    if folders and isinstance(source, FileSource):
        real = files.lies_outside(Path(source.path), folders)
        if real is not None:
            linked[source.path] = str(real)
    return source


def in_order(clips: Iterable[Clip]) -> list[Clip]:
    """``clips`` sorted by split (train, validation, test) and clip_id."""
    return sorted(clips, key=lambda clip: (SPLITS.index(clip.split), clip.clip_id))


def first_of_each(clips: Sequence[Clip], limit: int) -> list[Clip]:
    """The first ``limit`` of ``clips`` of each concept in each split; all of them if it is 0."""
    seen: Counter[tuple[str, str]] = Counter()
    chosen = []
    for clip in clips:
        seen[clip.split, clip.concept] += 1
        if not limit or seen[clip.split, clip.concept] <= limit:
            chosen.append(clip)
    return chosen


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
        if reason := name_fault(clip.clip_id):
            faults.append(Fault("id", where, f"the clip id {reason}"))
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


def require_folder(path: Path, *, what: str) -> None:
    """Refuse a source folder that is not there.

    Raises
    ------
    UsageError
        If ``path`` is not a folder.
    """
    if not path.is_dir():
        got = "a file" if path.exists() else files.file_fault(path)
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
