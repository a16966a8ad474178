"""Build a dataset folder: clip by clip, then packed; interrupted anywhere, it goes on.

A clip is decoded into ``clips/<clip_id>.flac``, with a line in ``clips/built.jsonl`` that
says what it was made from.  When all are there they are packed into Parquet, which then
is the only copy; the next build takes a packed clip over as long as its source, its
settings and the code that makes clips are the same.  New shards stand beside the old
ones until ``dataset.json`` names them, so that a build which is killed loses nothing.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from lassbench import __version__, audio, files, output_folders
from lassbench.checked import read_record, validate
from lassbench.corpora import base
from lassbench.corpora.base import Corpus, check_clips, first_of_each, in_order
from lassbench.csv_files import write_table
from lassbench.dataset import layout
from lassbench.dataset.open import Dataset, open_intact
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError
from lassbench.parallel import map_ordered
from lassbench.plain_text import spreadsheet, visible
from lassbench.progress import track
from lassbench.records import AudioSource, Clip, FileSource, MissingSource, RenderedSource, Split

#: Bytes of audio a shard: the Hub's viewer and its users' tools like shards below 500 MB.
SHARD_BYTES = 450_000_000

#: Clips a row group.  Arrow reads whole groups: 16 clips of 10 s are 5 MB, read in a
#: millisecond; smaller groups cost more when the labels are read than they save here.
ROW_GROUP = 16


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes
    ----------
    kept
        split -> concept -> clips in the dataset.
    rejected, outlived
        Every clip whose source cannot be used, and why: left out, or as it was packed.
    damaged
        Shards that were gone or altered -> clips lost with each; they lie in ``damaged/``.
    limited, reused
        Clips that ``limit`` left out, and that an earlier run had made already.
    repeated
        Groups of clips with the same samples, as they are in the dataset.
    moved
        Clips that follow their first copy: clip id -> the split that it was drawn for.
    linked
        Files that links lead out of the corpus's folders -> where they are.
    unsized
        Clips made now of files that do not tell their length: a missing end is not noticed.
    """

    folder: Path
    kept: Mapping[str, Mapping[str, int]]
    rejected: tuple[Fault, ...]
    outlived: tuple[Fault, ...]
    damaged: Mapping[str, int]
    limited: int
    reused: int
    repeated: tuple[tuple[Clip, ...], ...]
    moved: Mapping[str, Split]
    fingerprint: str
    linked: Mapping[str, str] = field(default_factory=dict)
    unsized: tuple[str, ...] = ()

    @property
    def clips(self) -> int:
        """How many clips the dataset holds."""
        return sum(sum(concepts.values()) for concepts in self.kept.values())


def build(
    corpus: Corpus,
    out: str | Path,
    *,
    executor: Executor | None = None,
    limit: int = 0,
    keep_quiet: bool = False,
) -> BuildReport:
    """Build the dataset of ``corpus`` in the folder ``out``, or go on with it.

    Clips whose audio is missing or faulty are left out, each with its reason.
    The same corpus gives the same bytes in every file, however many workers
    made them and however often the build was interrupted.

    Clips with the same samples count as one recording: where the corpus drew its splits
    itself, all go where the first of them by id is.

    Parameters
    ----------
    corpus
        What to build.
    out
        A new or empty folder, or one in which a build of the same corpus with
        the same settings was begun or finished.
    executor
        Where the clips are made; ``None`` for this process.
    limit
        Take only the first so many clips of each concept in each split; 0 for all.  The
        others stand in the dataset's lists as left out, so that suites know of them.
    keep_quiet
        Take in clips that are near-silent or whose channels cancel; later builds in the
        same folder have to do so too.

    Raises
    ------
    UsageError
        If ``out`` holds something else or cannot be written, or clips that are in it
        are no longer in the corpus or beyond ``limit``.
    FaultsError
        If the corpus's tables are faulty, or not one clip is usable.
    LassbenchError
        If another process builds in ``out``, or the disk is full.
    """
    out = Path(out).resolve()
    clips = check_can_build(corpus, out, limit, keep_quiet=keep_quiet)
    settings = _settings(corpus, keep_quiet)
    try:
        with output_folders.folder_lock(out, what="the dataset folder"):
            output_folders.remove_leavings(out)
            before = _Before.of(out)
            chosen = first_of_each(clips, limit)
            if before.dataset is not None:
                _check_nothing_dropped(out, set(before.dataset.clips), chosen)
            files.write_json(out / layout.SETTINGS, settings)
            outcomes, linked = _make_clips(
                corpus, chosen, out, before, executor, keep_quiet=keep_quiet
            )
            outcomes |= {
                clip.clip_id: Outcome(
                    clip.clip_id, kind=layout.LIMITED, reason=f"beyond --limit {limit}"
                )
                for clip in clips
                if clip.clip_id not in outcomes
            }
            report = _pack(corpus, clips, outcomes, before, out, settings=settings)
            return replace(report, linked=linked)
    except OSError as error:
        raise files.explain_os_error(error, out) from error


def check_can_build(
    corpus: Corpus, out: Path, limit: int = 0, *, keep_quiet: bool = False
) -> list[Clip]:
    """The corpus's clips, if they can be built in ``out``: all that can be known beforehand.

    Raises
    ------
    UsageError, FaultsError
        As :func:`build`.
    """
    output_folders.check_output_folder(out, what="the dataset folder")
    _check_same_build(out, _settings(corpus, keep_quiet))
    clips = corpus.clips()
    if not clips:
        raise UsageError("the corpus lists no clips", fix="check its options")
    check_clips(clips)
    if (out / layout.DESCRIPTION).is_file():
        rows = layout.read_list(out, layout.read_description(out))
        kept = {row["clip_id"] for row in rows if row["state"] == layout.KEPT}
        _check_nothing_dropped(out, kept, first_of_each(clips, limit))
    return clips


def _check_nothing_dropped(out: Path, packed: Set[str], chosen: Sequence[Clip]) -> None:
    dropped = packed - {clip.clip_id for clip in chosen}
    if dropped:
        raise UsageError(
            "the build would drop clips that are in the dataset, the only copy of their audio",
            where=out,
            got=f"a corpus, or a --limit, without {len(dropped)} of them, such as {min(dropped)}",
            fix="list them too, leave out or raise --limit, or name a new folder",
        )


def _settings(corpus: Corpus, keep_quiet: bool) -> dict[str, Any]:
    card = corpus.card
    extra = dict(getattr(corpus, "settings", {})) | ({"keep_quiet": True} if keep_quiet else {})
    return {
        "corpus": card.name,
        "sample_rate_hz": card.sample_rate_hz,
        "clip_seconds": card.clip_seconds,
        **extra,
    }


def _check_same_build(out: Path, settings: Mapping[str, Any]) -> None:
    # A build that was begun and broke off counts: it may have made quiet clips.
    if (place := out / layout.SETTINGS).is_file():
        before = read_record(place, dict[str, Any], what="is damaged", fix="name a new folder")
    elif (out / layout.DESCRIPTION).is_file():
        before = layout.read_description(out).settings
    else:
        # Where a fetch began, its clips are what is to be built.
        own = {".lock", *(layout.FETCHED if (out / layout.LEDGER).is_file() else ())}
        others = [name for name in _inhabitants(out) if name not in own]
        if others:
            raise UsageError(
                "the folder is not empty and holds no build to go on with",
                where=out,
                got=", ".join(others[:3]) + (" ..." if len(others) > 3 else ""),
                fix="name a new folder",
            )
        return
    different = {key for key in {*before, *settings} if before.get(key) != settings.get(key)}
    if "keep_quiet" in settings:
        # What was built without the quiet clips may take them in, but not lose them again.
        different.discard("keep_quiet")
    elif different == {"keep_quiet"}:
        raise UsageError(
            "was built with --keep-quiet: without it, clips that are in it would be left out",
            where=out,
            fix="give --keep-quiet too, or name a new folder",
        )
    if different:
        shown = ["corpus"] if "corpus" in different else sorted(different)
        raise UsageError(
            "the folder holds a dataset that was built with other settings",
            where=out,
            expected=", ".join(f"{key} {before.get(key, 'not given')}" for key in shown),
            got=", ".join(f"{key} {settings.get(key, 'not given')}" for key in shown),
            fix="name a new folder, or build with the same settings",
        )


def _inhabitants(folder: Path) -> list[str]:
    """What is in ``folder``; empty folders, which a build that broke off leaves, do not count."""
    if not folder.is_dir():
        return []
    return [p.name for p in files.listed(folder) if not p.is_dir() or files.listed(p)]


# ---------------------------------------------------------------------------
# One clip
# ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Built:
    """A finished clip: what it was made from and what it holds.

    ``flac_sha256`` is that of its file in ``clips/``; empty for a clip that is packed.
    """

    clip_id: str
    identity: str
    pcm_sha256: str
    flac_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker needs to make one clip; ``before``: what there is of it already."""

    clip_id: str
    source: AudioSource
    folder: Path
    sample_rate_hz: int
    seconds: float
    before: tuple[Built, ...]
    keep_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one clip: ``built``, or ``kind`` and ``reason`` of its fault.

    Both, if its source is faulty now and what was packed of it earlier stays.
    """

    clip_id: str
    built: Built | None = None
    kind: str = ""
    reason: str = ""
    reused: bool = False
    unsized: bool = False


def make(task: Task) -> Outcome:
    """Make one clip's FLAC file, unless there is one of the same source that holds.

    Raises
    ------
    LassbenchError
        If the file cannot be written (a full disk, no permission).
    """
    path = layout.clip_path(task.folder, task.clip_id)
    packed = next((built for built in task.before if not built.flac_sha256), None)
    if packed and _is_gone(task.source):
        # What was fetched, or read from a folder that is not at hand today, is in the
        # shards and nowhere else.
        return Outcome(task.clip_id, built=packed, reused=True)
    try:
        name = identity(task.source, task.sample_rate_hz, task.seconds)
        for built in task.before:
            if built.identity != name:
                continue
            if built is packed or (path.is_file() and files.sha256_file(path) == built.flac_sha256):
                return Outcome(task.clip_id, built=built, reused=True)
        samples = audio.to_int16(
            base.read_source(
                task.source,
                sample_rate_hz=task.sample_rate_hz,
                seconds=task.seconds,
                keep_quiet=task.keep_quiet,
            )
        )
    except audio.AudioFault as fault:
        return Outcome(task.clip_id, packed, fault.kind, fault.reason, reused=packed is not None)
    data = audio.encode_flac(samples, task.sample_rate_hz)
    files.write_bytes(path, data)
    built = Built(task.clip_id, name, audio.pcm_sha256(samples), files.sha256_bytes(data))
    unsized = False
    if isinstance(task.source, FileSource):
        with audio.open_sound(task.source.path) as sound:
            unsized = not sound.known
    return Outcome(task.clip_id, built=built, unsized=unsized)


def _is_gone(source: AudioSource) -> bool:
    return isinstance(source, MissingSource) or (
        isinstance(source, FileSource) and not Path(source.path).exists()
    )


def identity(source: AudioSource, sample_rate_hz: int, seconds: float) -> str:
    """SHA-256 over everything that decides a clip's samples; file names and dates do not.

    Raises
    ------
    AudioFault
        If the source is missing or its file cannot be read.
    """
    if isinstance(source, MissingSource):
        raise audio.AudioFault(source.kind, source.reason)
    parts: list[object] = [sample_rate_hz, seconds]
    if isinstance(source, RenderedSource):
        parts += ["rendered", source.concept, source.key, list(source.tags), _code("synthesis")]
    else:
        path = Path(source.path)
        audio.check_readable(path)
        parts += ["file", files.sha256_file(path), source.start_s, source.end_s]
    parts.append(_code("audio"))
    return files.sha256_bytes(json.dumps(parts).encode())


@functools.cache
def _code(part: str) -> str:
    # A clip made by other code is not the same clip.  Hashing the code itself
    # needs nobody to remember to raise a version.
    package = Path(audio.__file__).parent
    modules = {
        "audio": [package / name for name in ("audio.py", "containers.py", "resampling.py")],
        "synthesis": [package / "corpora" / "synthesis.py"],
    }
    return files.sha256_bytes(b"".join(path.read_bytes() for path in modules[part]))


# ---------------------------------------------------------------------------
# All clips
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Before:
    """What earlier runs left: the dataset that is here, and clips, packed or not yet."""

    dataset: Dataset | None
    damaged: Mapping[str, int]
    clips: Mapping[str, tuple[Built, ...]]

    @classmethod
    def of(cls, out: Path) -> _Before:
        found: defaultdict[str, tuple[Built, ...]] = defaultdict(tuple)
        for built in _read_built(out / layout.BUILT):
            found[built.clip_id] = (built,)
        intact = open_intact(out)
        if intact is None:
            return cls(None, {}, found)
        rows = layout.read_list(out, intact.dataset.description)
        made_from = {row["clip_id"]: row["made_from"] for row in rows}
        for clip_id, pcm in intact.dataset.pcm_sha256.items():
            found[clip_id] += (Built(clip_id, made_from.get(clip_id, ""), pcm),)
        return cls(intact.dataset, intact.damaged, found)


def _read_built(path: Path) -> Iterator[Built]:
    """The finished clips that ``built.jsonl`` names; a line broken off by a kill is passed over."""
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(LassbenchError):
                yield validate(Built, files.parse_json(line, where=path), what="", where=path)


def _make_clips(
    corpus: Corpus,
    clips: Sequence[Clip],
    out: Path,
    before: _Before,
    executor: Executor | None,
    *,
    keep_quiet: bool,
) -> tuple[dict[str, Outcome], dict[str, str]]:
    card, linked = corpus.card, dict[str, str]()
    tasks = (
        Task(
            clip.clip_id,
            base.locate(corpus, clip, linked),
            out,
            card.sample_rate_hz,
            card.clip_seconds,
            before.clips.get(clip.clip_id, ()),
            keep_quiet=keep_quiet,
        )
        for clip in clips
    )
    outcomes: dict[str, Outcome] = {}
    with _notes(out / layout.BUILT) as notes:
        for outcome in track(map_ordered(executor, make, tasks), "clips", len(clips)):
            outcomes[outcome.clip_id] = outcome
            if outcome.built is not None and not outcome.reused:
                notes.write(json.dumps(asdict(outcome.built), sort_keys=True) + "\n")
                notes.flush()
    return outcomes, linked


@contextlib.contextmanager
def _notes(path: Path) -> Iterator[IO[str]]:
    # Opened for appending: what earlier runs noted stays.  A line that a kill
    # broke off is closed first, so that it cannot swallow the next one.
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8") as stream:
            if stream.tell():
                stream.write("\n")
            yield stream
    except OSError as error:
        raise files.explain_os_error(error, path) from error


# ---------------------------------------------------------------------------
# Packing
# ---------------------------------------------------------------------------


def _pack(
    corpus: Corpus,
    clips: Sequence[Clip],
    outcomes: Mapping[str, Outcome],
    before: _Before,
    out: Path,
    *,
    settings: dict[str, Any],
) -> BuildReport:
    built = {o.clip_id: o.built for o in outcomes.values() if o.built is not None}
    faults = [
        Fault(outcome.kind, clip.clip_id, outcome.reason)
        for clip in clips
        if (outcome := outcomes[clip.clip_id]).kind not in {"", layout.LIMITED}
    ]
    if not built:
        raise FaultsError(
            "not one clip of the corpus is usable",
            faults,
            where=out,
            fix="check where the corpus's audio is",
        )
    _put_aside(out, before.damaged)
    clips, moved = _with_first_copy(corpus, clips, built)
    kept = [clip for clip in clips if clip.clip_id in built]

    def row(clip: Clip) -> dict[str, Any]:
        return _row(clip, built[clip.clip_id], out, before.dataset)

    listed = _clip_list(clips, outcomes)
    repeated = tuple(tuple(c.clip_id for c in group) for group in _copies(kept, built))
    description = layout.Description(
        **_describe(corpus, clips, outcomes, built),
        settings=settings,
        repeated=repeated,
        clips_sha256=files.sha256_bytes(listed.encode()),
        shards=tuple(
            _write_shards(out, kept, row, layout.arrow_schema(corpus.card.sample_rate_hz))
        ),
    )
    files.write_text(out / layout.CLIPS, listed)
    files.write_text(out / "README.md", layout.readme(description))
    # From here on the new dataset counts; until here the old one did.
    said = description.model_dump(mode="json", exclude={"audio_included"})
    files.write_json(out / layout.DESCRIPTION, said)
    _tidy(out, built)
    by_id = {clip.clip_id: clip for clip in kept}
    return BuildReport(
        folder=out,
        kept={split: counts.concepts for split, counts in description.splits.items()},
        rejected=tuple(fault for fault in faults if fault.where not in built),
        outlived=tuple(fault for fault in faults if fault.where in built),
        damaged=before.damaged,
        limited=sum(outcome.kind == layout.LIMITED for outcome in outcomes.values()),
        reused=sum(outcome.reused for outcome in outcomes.values()),
        repeated=tuple(tuple(by_id[clip_id] for clip_id in group) for group in repeated),
        moved=moved,
        unsized=tuple(clip.clip_id for clip in clips if outcomes[clip.clip_id].unsized),
        fingerprint=description.fingerprint,
    )


def _copies(clips: Iterable[Clip], built: Mapping[str, Built]) -> list[list[Clip]]:
    """Groups of clips with the same samples, each sorted by id."""
    groups: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        if clip.clip_id in built:
            groups[built[clip.clip_id].pcm_sha256].append(clip)
    return [group for group in groups.values() if len(group) > 1]


def _with_first_copy(
    corpus: Corpus, clips: Sequence[Clip], built: Mapping[str, Built]
) -> tuple[list[Clip], dict[str, Split]]:
    """``clips`` with each copy in the split of the first one, as far as the corpus drew both.

    A system that is tested on a recording must not have been trained on it, whatever
    the recording's other name is.
    """
    drawn = getattr(corpus, "drawn_splits", ())
    follows = {
        clip.clip_id: first.split
        for first, *others in _copies((clip for clip in clips if clip.split in drawn), built)
        for clip in others
        if clip.split != first.split
    }
    moved = {clip.clip_id: clip.split for clip in clips if clip.clip_id in follows}
    return in_order(
        replace(clip, split=follows.get(clip.clip_id, clip.split)) for clip in clips
    ), moved


def _row(clip: Clip, built: Built, out: Path, packed: Dataset | None) -> dict[str, Any]:
    if built.flac_sha256:
        data = layout.clip_path(out, clip.clip_id).read_bytes()
    else:
        assert packed is not None
        data = packed.flac(clip.clip_id)
    sound = {"bytes": data, "path": f"{clip.clip_id}.flac"}
    # Of these a shard takes its columns.
    return {**asdict(clip), "pcm_sha256": built.pcm_sha256, "audio": sound}


def _write_shards(
    out: Path, clips: Sequence[Clip], row: Callable[[Clip], dict[str, Any]], schema: Any
) -> list[layout.Shard]:
    """Write ``clips``, sorted by split; what ``dataset.json`` says of each shard."""
    (out / "data").mkdir(exist_ok=True)
    _remove_unnamed_shards(out)
    shards = []
    with output_folders.scratch_folder(out / layout.STAGE) as stage:
        tracked = track(clips, "packing", len(clips))
        for split, of_split in itertools.groupby(tracked, key=lambda clip: clip.split):
            written = list(_write_files(stage, map(row, of_split), schema))
            for number, (path, count) in enumerate(written):
                sha256, size = files.sha256_file(path), path.stat().st_size
                name = layout.shard_name(split, number, len(written), sha256)
                files.move_into_place(path, out / name)
                shards.append(layout.Shard(path=name, clips=count, bytes=size, sha256=sha256))
    return shards


def _write_files(
    folder: Path, rows: Iterator[dict[str, Any]], schema: Any
) -> Iterator[tuple[Path, int]]:
    """Parquet files of at most ``SHARD_BYTES`` of audio each, and how many rows each has."""
    import pyarrow as pa

    groups = iter(lambda: list(itertools.islice(rows, ROW_GROUP)), [])
    group = next(groups, None)
    for number in itertools.count():
        if group is None:
            return
        count = filled = 0
        with layout.parquet_writer(folder / f"{number}.parquet", schema) as writer:
            while group is not None:
                size = sum(len(one["audio"]["bytes"]) for one in group)
                if count and filled + size > SHARD_BYTES:
                    break
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                count, filled = count + len(group), filled + size
                group = next(groups, None)
        yield folder / f"{number}.parquet", count


def _clip_list(clips: Iterable[Clip], outcomes: Mapping[str, Outcome]) -> str:
    """The text of ``clips.csv``: every clip of the corpus, kept or not, and why not."""
    rows = []
    for clip in clips:
        outcome = outcomes[clip.clip_id]
        # Nothing reads the reason back, and it may be a server's words.
        why_not = outcome.kind, spreadsheet(visible(outcome.reason))
        state = (layout.KEPT, "") if outcome.built else why_not
        made_from = outcome.built.identity if outcome.built else ""
        rows.append((clip.clip_id, clip.split, clip.concept, *state, made_from))
    return write_table(layout.CLIPS_HEADER, rows)


def _describe(
    corpus: Corpus,
    clips: Sequence[Clip],
    outcomes: Mapping[str, Outcome],
    built: Mapping[str, Built],
) -> dict[str, Any]:
    """What ``dataset.json`` says of the clips."""
    card = corpus.card
    missing = [
        layout.Missing(**asdict(clip), kind=outcome.kind, reason=outcome.reason)
        for clip in clips
        if (outcome := outcomes[clip.clip_id]).built is None
    ]
    return {
        "schema_version": layout.SCHEMA_VERSION,
        "lassbench_version": __version__,
        "name": card.name,
        "title": card.title,
        "corpus": card,
        "sample_rate_hz": card.sample_rate_hz,
        "clip_samples": card.clip_samples,
        "splits": layout.count_by_split(clip for clip in clips if clip.clip_id in built),
        "missing": missing,
        "fingerprint": layout.fingerprint({one.clip_id: one.pcm_sha256 for one in built.values()}),
    }


def _remove_unnamed_shards(out: Path) -> None:
    """Delete the shards that ``dataset.json`` does not name: older ones, or a killed build's."""
    named = set()
    if (out / layout.DESCRIPTION).is_file():
        named = {shard.path for shard in layout.read_description(out).shards}
    for path in files.listed(out / "data", "*.parquet"):
        if f"data/{path.name}" not in named:
            path.unlink()


def _put_aside(out: Path, damaged: Iterable[str]) -> None:
    """Keep what is left of damaged shards: somebody may mend what could not be read here."""
    for name in damaged:
        kept = out / layout.DAMAGED / Path(name).name
        if (out / name).is_file() and not kept.exists():
            with files.atomic_path(kept) as temporary:
                shutil.copyfile(out / name, temporary)


def _tidy(out: Path, built: Mapping[str, Built]) -> None:
    """Remove what the new shards took the place of: older shards, and the packed clips' files."""
    _remove_unnamed_shards(out)
    if (out / layout.LEDGER).is_file():
        # Clips that were fetched for something else were paid for: they stay.
        for clip_id in built:
            layout.clip_path(out, clip_id).unlink(missing_ok=True)
        for path in (out / layout.BUILT, out / layout.SETTINGS):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (out / "clips").rmdir()
    else:
        shutil.rmtree(out / "clips")
