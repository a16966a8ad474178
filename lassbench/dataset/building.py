"""Build a dataset folder: clip by clip, then packed; interrupted anywhere, it goes on."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from lassbench import __version__, files
from lassbench.corpora.base import Corpus, CorpusCard, check_clips
from lassbench.dataset import clips as clip_files
from lassbench.dataset import layout, packing
from lassbench.dataset.clips import Built, Outcome
from lassbench.errors import Fault, FaultsError, UsageError
from lassbench.parallel import map_ordered
from lassbench.progress import track
from lassbench.records import Clip


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes
    ----------
    folder
        The dataset folder.
    kept
        split -> concept -> clips in the dataset.
    rejected
        Every clip of the corpus that is not in it, and why.
    reused
        Clips that an earlier run had made already.
    repeated
        Groups of clip ids with the same samples.
    fingerprint
        The dataset's.
    """

    folder: Path
    kept: Mapping[str, Mapping[str, int]]
    rejected: tuple[Fault, ...]
    reused: int
    repeated: tuple[tuple[str, ...], ...]
    fingerprint: str

    @property
    def clips(self) -> int:
        """How many clips the dataset holds."""
        return sum(sum(concepts.values()) for concepts in self.kept.values())


def build(corpus: Corpus, out: str | Path, *, executor: Executor | None = None) -> BuildReport:
    """Build the dataset of ``corpus`` in the folder ``out``, or go on with it.

    Clips whose audio is missing or faulty are left out, each with its reason.
    The same corpus gives the same bytes in every file, however many workers
    made them and however often the build was interrupted.

    Parameters
    ----------
    corpus
        What to build.
    out
        A new or empty folder, or one in which a build of the same corpus with
        the same settings was begun or finished.
    executor
        Where the clips are made; ``None`` for this process.

    Raises
    ------
    UsageError
        If ``out`` holds something else or cannot be written.
    FaultsError
        If the corpus's tables are faulty, or not one clip is usable.
    LassbenchError
        If another process builds in ``out``, or the disk is full.
    """
    out = Path(out)
    files.check_output_folder(out, what="the dataset folder")
    settings = _settings(corpus)
    _check_same_build(out, settings)
    clips = corpus.clips()
    if not clips:
        raise UsageError("the corpus lists no clips", fix="check its options")
    check_clips(clips)
    try:
        with files.folder_lock(out, what="the dataset folder"):
            files.remove_leavings(out)
            files.write_json(layout.settings_path(out), settings)
            outcomes = _make_clips(corpus, clips, out, executor)
            return _pack(corpus.card, clips, outcomes, out)
    except OSError as error:
        raise files.explain_os_error(error, out) from error


def _settings(corpus: Corpus) -> dict[str, Any]:
    card = corpus.card
    extra = dict(getattr(corpus, "settings", {}))
    return {
        "corpus": card.name,
        "sample_rate_hz": card.sample_rate_hz,
        "clip_seconds": card.clip_seconds,
        **extra,
    }


def _check_same_build(out: Path, settings: Mapping[str, Any]) -> None:
    path = layout.settings_path(out)
    if not path.is_file():
        strangers = _inhabitants(out)
        if layout.ledger_path(out).is_file():
            # A fetch began here, and its clips are what is to be built.
            strangers = [name for name in strangers if name not in layout.FETCHED]
        strangers = [name for name in strangers if name != ".lock"]
        if strangers:
            raise UsageError(
                "the folder is not empty and holds no build to go on with",
                where=out,
                got=", ".join(strangers[:3]) + (" ..." if len(strangers) > 3 else ""),
                fix="name a new folder",
            )
        return
    before = files.read_json(path)
    if before != settings:
        different = sorted(
            key for key in {*before, *settings} if before.get(key) != settings.get(key)
        )
        if "corpus" in different:
            different = ["corpus"]
        raise UsageError(
            "the folder holds a dataset that was built with other settings",
            where=out,
            expected=", ".join(f"{key} {before.get(key)}" for key in different),
            got=", ".join(f"{key} {settings.get(key)}" for key in different),
            fix="name a new folder, or build with the same settings",
        )


def _inhabitants(folder: Path) -> list[str]:
    """What is in ``folder``; empty folders, which a build that broke off leaves, do not count."""
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if not p.is_dir() or any(p.iterdir()))


def _make_clips(
    corpus: Corpus, clips: Sequence[Clip], out: Path, executor: Executor | None
) -> dict[str, Outcome]:
    card = corpus.card
    before = clip_files.read_built(layout.built_path(out))
    tasks = (
        clip_files.Task(
            clip.clip_id,
            corpus.locate(clip),
            out.resolve(),
            card.sample_rate_hz,
            card.clip_seconds,
            before.get(clip.clip_id),
        )
        for clip in clips
    )
    outcomes: dict[str, Outcome] = {}
    with _notes(layout.built_path(out)) as notes:
        made = map_ordered(executor, clip_files.make, tasks)
        for outcome in track(made, "clips", len(clips)):
            outcomes[outcome.clip_id] = outcome
            if outcome.built is not None and not outcome.reused:
                notes.write(outcome.built.to_line())
                notes.flush()
    return outcomes


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


def _pack(
    card: CorpusCard, clips: Sequence[Clip], outcomes: Mapping[str, Outcome], out: Path
) -> BuildReport:
    built = {o.clip_id: o.built for o in outcomes.values() if o.built is not None}
    kept = [clip for clip in clips if clip.clip_id in built]
    rejected = _rejected(clips, outcomes)
    if not kept:
        raise FaultsError(
            "not one clip of the corpus is usable", rejected, where=out, fix="check --source"
        )
    # Without its description a folder is no dataset: a reader never meets new
    # shards under an old description.
    layout.description_path(out).unlink(missing_ok=True)
    _tidy(out, built)
    shards = packing.plan_shards(kept, {name: b.flac_bytes for name, b in built.items()})
    written = packing.write_shards(out, shards, built, card.sample_rate_hz)
    for _ in track(written, "packing", len(kept)):
        pass
    description = {
        **_describe(card, clips, outcomes),
        "shards": [_describe_shard(out, shard) for shard in shards],
    }
    packing.write_clip_list(out, clips, outcomes)
    files.write_text(out / "README.md", packing.readme(card, description))
    files.write_json(layout.description_path(out), description)
    return BuildReport(
        folder=out,
        kept={split: value["concepts"] for split, value in description["splits"].items()},
        rejected=rejected,
        reused=sum(outcome.reused for outcome in outcomes.values()),
        repeated=tuple(tuple(group) for group in description["repeated"]),
        fingerprint=description["fingerprint"],
    )


def _rejected(clips: Sequence[Clip], outcomes: Mapping[str, Outcome]) -> tuple[Fault, ...]:
    found = ((clip.clip_id, outcomes[clip.clip_id]) for clip in clips)
    return tuple(
        Fault(outcome.kind, clip_id, outcome.reason)
        for clip_id, outcome in found
        if outcome.built is None
    )


def _tidy(out: Path, built: Mapping[str, Built]) -> None:
    """Leave in ``clips/`` what this dataset is made of, noted in the order of the ids."""
    wanted = {layout.clip_path(out, clip_id).name for clip_id in built}
    # What was fetched belongs to the ledger of the fetch: it was paid for.
    fetched = layout.ledger_path(out).is_file()
    for path in [] if fetched else (out / "clips").glob("*.flac"):
        if path.name not in wanted:
            path.unlink()
    lines = "".join(built[clip_id].to_line() for clip_id in sorted(built))
    files.write_text(layout.built_path(out), lines)


def _describe(
    card: CorpusCard, clips: Sequence[Clip], outcomes: Mapping[str, Outcome]
) -> dict[str, Any]:
    """``dataset.json`` without its shards."""
    pcm = {o.clip_id: o.built.pcm_sha256 for o in outcomes.values() if o.built is not None}
    missing = [
        {
            **layout.clip_to_json(clip),
            "kind": outcomes[clip.clip_id].kind,
            "reason": outcomes[clip.clip_id].reason,
        }
        for clip in clips
        if clip.clip_id not in pcm
    ]
    return {
        "schema_version": layout.SCHEMA_VERSION,
        "lassbench_version": __version__,
        "name": card.name,
        "title": card.title,
        "corpus": asdict(card),
        "sample_rate_hz": card.sample_rate_hz,
        "clip_samples": card.clip_samples,
        "splits": layout.count_by_split(clip for clip in clips if clip.clip_id in pcm),
        "missing": missing,
        "repeated": _repeated(pcm),
        "fingerprint": layout.fingerprint(pcm),
    }


def _describe_shard(out: Path, shard: packing.Shard) -> dict[str, Any]:
    path = out / shard.name
    return {
        "path": shard.name,
        "clips": len(shard.clips),
        "bytes": path.stat().st_size,
        "sha256": files.sha256_file(path),
    }


def _repeated(pcm: Mapping[str, str]) -> list[list[str]]:
    """Groups of clips with the same samples: under two ids one recording is counted twice."""
    by_sha: defaultdict[str, list[str]] = defaultdict(list)
    for clip_id in sorted(pcm):
        by_sha[pcm[clip_id]].append(clip_id)
    return sorted(group for group in by_sha.values() if len(group) > 1)
