"""Freezing: lists become a suite folder with hashes, whole or not at all.

What is in the lists comes from a frozen benchmark (``manifests``) or is planned
here for any dataset: each test clip as the target of a few mixtures, queried by
its first caption, by several phrasings, or for a sound that is not there.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lassbench import audio, files, output_folders
from lassbench.benchmark import manifests
from lassbench.benchmark.mixtures import Rendered, SilentSource, plan, plan_absent
from lassbench.benchmark.words import words_of
from lassbench.csv_files import join, write_table
from lassbench.dataset import Dataset
from lassbench.errors import FaultsError, UsageError
from lassbench.parallel import map_ordered, open_executor
from lassbench.progress import track
from lassbench.records import Clip, Mixture, Query, QueryType, Split
from lassbench.suites.audit import Audit, audit, query_faults
from lassbench.suites.lists_of_others import FORMATS
from lassbench.suites.suite import (
    MIXTURE_COLUMNS,
    PARTS,
    QUERY_COLUMNS,
    Part,
    Suite,
    SuiteKind,
    exported_name,
    fingerprints,
    load_suite,
    missing_mixtures,
    render_from_dataset,
)

#: What is planned from the corpora that come with lassbench and have one name for everyone.
CORPUS_SUITES = ("esc10-test", "esc50-test", "synthetic-test")


@dataclass(frozen=True)
class SuitePlan:
    """The lists of a suite before it is frozen.

    Attributes
    ----------
    clips
        The sounds of the mixtures by id: their concepts, roots and tags.
    benchmark
        The one whose word lists name the concepts; ``""`` where clips and tags do.
    papers
        JSON files that lie in the suite's folder (file name -> content); each is given the
        suite's fingerprint, for it is of this suite and no other.
    """

    name: str
    title: str
    kind: SuiteKind
    mixtures: Sequence[Mixture]
    queries: Sequence[Query]
    clips: Mapping[str, Clip]
    notes: str = ""
    benchmark: str = ""
    papers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fix = "give the suite another name"
        files.checked_name(self.name, what="the suite", fix=fix, error=UsageError)


def frozen_plan(dataset: Dataset, suite: str = "", *, benchmark: str = "") -> SuitePlan | None:
    """The frozen list ``suite`` of the benchmark that the dataset was built from.

    Parameters
    ----------
    suite
        ``lass-test``, ``lass-absent`` ...; by default the benchmark's test list.
    benchmark
        A manifest folder or a shipped benchmark's name; by default the one that the dataset's
        card names.  Where it names none there is no list (``None``), and one has to be planned.

    Raises
    ------
    UsageError
        If the benchmark has no such list.
    FaultsError
        If its lists were changed, or do not fit the dataset.
    """
    named = benchmark or dataset.card.benchmark
    if not named:
        return None
    opened = manifests.open_benchmark(named)
    kinds = opened.suites
    name = suite or next(known for known, kind in kinds.items() if kind == "test")
    how: QueryType = "templated" if dataset.card.templated_captions else "caption"
    mixtures, queries = manifests.suite_lists(opened, name, dataset.corpus_clips, query_type=how)
    kind: SuiteKind = "absent" if kinds[name] == "absent" else "separation"
    rendered = ", rendered sounds in place of the recordings" if dataset.synthetic else ""
    notes = f"frozen list of benchmark {opened.name}"
    title = f"{name} of {opened.name}{rendered}"
    return SuitePlan(name, title, kind, mixtures, queries, dataset.corpus_clips, notes, named)


def plan_separation(
    dataset: Dataset,
    *,
    name: str = "",
    split: Split = "test",
    noises: int = 5,
    seed: int = 0,
    snr_range_db: tuple[float, float] = (0.0, 0.0),
    phrasings: int = 1,
    query_type: QueryType | None = None,
) -> SuitePlan:
    """Plan a suite for any dataset: every clip of ``split`` is a target.

    Parameters
    ----------
    name
        By default ``<dataset>-<split>``: of a folder corpus, the name of the dataset's own
        folder, which says more than that of the recordings.
    phrasings
        Queries a mixture: the first ``phrasings`` captions of its target.
    query_type
        How the captions were made; by default ``templated`` where the corpus
        says that they come from templates, and ``caption`` otherwise.

    Raises
    ------
    UsageError
        If the split is empty, a clip has too few captions, or ``name`` is that of a
        frozen list.
    """
    stem, own = dataset.name, f"{dataset.name}-{split}"
    if dataset.description.settings.get("kind") == "folder":
        folder, own = files.name_of(dataset.path.resolve().name), ""
        stem = stem if files.name_fault(folder) else folder
    more = f"-{phrasings}-phrasings" if phrasings > 1 else ""
    name = name or f"{stem}-{split}{more}"
    refuse_taken_name(name, but=own)
    clips = dataset.split(split)
    _check_captions(clips, phrasings, dataset, split)
    mixtures = plan(clips, name=name, noises=noises, seed=seed, snr_range_db=snr_range_db)
    how: QueryType = query_type or ("templated" if dataset.card.templated_captions else "caption")
    queries = [
        Query(
            query_id=mixture.mixture_id if phrasings == 1 else f"{mixture.mixture_id}-p{number}",
            mixture_id=mixture.mixture_id,
            text=dataset.clips[mixture.target_id].captions[number - 1],
            tags=dataset.clips[mixture.target_id].tags,
            query_type=how,
            annotator="" if phrasings == 1 else f"p{number}",
        )
        for mixture in mixtures
        for number in range(1, phrasings + 1)
    ]
    low, high = snr_range_db
    notes = f"{len(clips)} targets, {noises} noises each, SNR {low:g} to {high:g} dB, seed {seed}"
    title = f"{dataset.title}: {split}" + (f", {phrasings} phrasings" if phrasings > 1 else "")
    of = (mixtures, queries, dataset.corpus_clips, notes, dataset.card.benchmark)
    return SuitePlan(name, title, "separation", *of)


def plan_silence(base: SuitePlan, *, name: str = "", seed: int = 0) -> SuitePlan:
    """The mixtures of ``base``, queried for a sound that is not in them: silence is right."""
    name = name or f"{base.name}-absent"
    refuse_taken_name(name)
    test_clips = {m.target_id: base.clips[m.target_id] for m in base.mixtures}
    asked = plan_absent(base.mixtures, test_clips, words=_words(base.benchmark), seed=seed)
    queries = [
        Query(
            query_id=f"{name}-{number:04d}",
            mixture_id=mixture_id,
            text=test_clips[clip_id].captions[0],
            tags=test_clips[clip_id].tags,
            query_type=base.queries[0].query_type,
            expects="silence",
            concept=test_clips[clip_id].concept,
        )
        for number, (mixture_id, clip_id) in enumerate(asked.items(), start=1)
    ]
    title = f"{base.title}, absent sounds"
    return replace(base, name=name, title=title, kind="absent", queries=queries)


def _words(benchmark: str) -> Mapping[str, Sequence[str]]:
    """Concept -> the words that name it, as the benchmark has them."""
    return manifests.definition_of(benchmark).words if benchmark else {}


def refuse_taken_name(name: str, *, but: str = "", fix: str = "give --suite NAME") -> None:
    """Refuse the name of a list that is the same for everyone: a suite of it is that list.

    Parameters
    ----------
    but
        The name that is this suite's own: its format's, or its corpus's.

    Raises
    ------
    UsageError
        If ``name``, in small letters or capitals, is a shipped benchmark's list, one of
        others, or what is planned from a corpus that comes with lassbench.
    """
    if name == but:
        return
    taken = {one: f"a list of others ({form.title})" for one, form in FORMATS.items()}
    taken |= dict.fromkeys(CORPUS_SUITES, "the suite of another corpus")
    for benchmark in manifests.shipped():
        suite_name = manifests.definition_of(benchmark).suite_name
        frozen = map(suite_name, manifests.SUITE_COLUMNS)
        taken |= dict.fromkeys(frozen, f"a frozen list of {benchmark}")
    if what := taken.get(name.lower()):
        raise UsageError(
            f"{name} is {what}, and this is not made from it",
            expected="another name for this suite",
            fix=f"{fix}; `lassbench suites` lists the names that are taken",
        )


def _check_captions(clips: Sequence[Clip], phrasings: int, dataset: Dataset, split: Split) -> None:
    if not clips:
        raise UsageError(
            f"the dataset has no {split} clips", where=dataset.path, fix="name another --split"
        )
    fewest = min(clips, key=lambda clip: len(clip.captions))
    if not 1 <= phrasings <= len(fewest.captions):
        raise UsageError(
            "not enough captions for that many phrasings",
            where=dataset.path,
            expected=f"--phrasings from 1 to {len(fewest.captions)}, which {fewest.clip_id} has",
            got=str(phrasings),
        )


def freeze(
    plan: SuitePlan,
    dataset: Dataset,
    out: Path,
    *,
    export_audio: bool = True,
    export_references: bool = False,
    workers: int | None = 1,
) -> Suite:
    """Write the suite folder ``out`` whole, or not at all, and open it.

    Parameters
    ----------
    plan
        What to freeze; mixtures whose clips the dataset lacks stay in the lists
        and are counted as not renderable.
    export_audio, export_references
        Write every mixture (and its target and interference) as 32-bit float
        WAV, so that anyone can separate and score by other means.
    workers
        Processes; ``None`` for one per processor.

    Raises
    ------
    UsageError
        If ``out`` exists and is something else than a suite, or one of other lists.
    FaultsError
        If a query could not be on a leaderboard (:func:`lassbench.plain_text.caption_fault`).
    LassbenchError
        If it cannot be written, or another process makes it.
    """
    faults = [fault for query in plan.queries for fault in query_faults(query, query.query_id)]
    if faults:
        what = "queries that no leaderboard would take"
        raise FaultsError(what, faults, fix="correct the captions")
    missing = missing_mixtures(plan.mixtures, dataset)
    todo = [mixture for mixture in plan.mixtures if mixture.mixture_id not in missing]
    clip_hashes = dataset.pcm_sha256

    def build(folder: Path) -> None:
        _check_same_lists(out, list_texts(plan))
        parts = PARTS[:1] * export_audio + PARTS[1:] * export_references
        one = partial(_freeze_one, dataset=dataset, folder=folder, parts=parts)
        with open_executor(workers) as executor:
            made = track(map_ordered(executor, one, todo), f"freezing {plan.name}", len(todo))
            pcm = {m.mixture_id: hashes for m, hashes in zip(todo, made, strict=True)}
        rendered = {mixture_id: hashes for mixture_id, hashes in pcm.items() if hashes}
        write_suite(
            folder,
            plan,
            pcm=rendered,
            identical={
                m.mixture_id for m in todo if clip_hashes[m.target_id] == clip_hashes[m.noise_id]
            },
            silent=pcm.keys() - rendered.keys(),
            sample_rate_hz=dataset.sample_rate_hz,
            samples=dataset.clip_samples,
            synthetic=dataset.synthetic,
            audio_may_be_published=dataset.audio_may_be_published,
            references_exported=export_references,
            dataset={
                "name": dataset.name,
                "fingerprint": dataset.fingerprint,
                "path": os.path.relpath(dataset.path.resolve(), out.resolve()),
            },
        )

    output_folders.replace_folder(
        out, build, what="the suite", mark="suite.json", needs=[dataset.path]
    )
    return load_suite(out)


def _check_same_lists(out: Path, lists: Mapping[str, str]) -> None:
    """Freezing anew mends a suite's audio; it takes away no other lists."""
    for name, content in lists.items():
        there = out / name
        if there.is_file() and there.read_bytes() != content.encode():
            raise UsageError(
                "another suite stands here",
                where=out,
                got=f"its {name} is another list",
                fix="name this one with --suite, put it elsewhere with -o, or delete the folder",
            )


def _freeze_one(
    mixture: Mixture, *, dataset: Dataset, folder: Path, parts: Sequence[Part]
) -> dict[str, str]:
    try:
        rendered = render_from_dataset(dataset, mixture)
    except SilentSource:  # that mixture cannot be; the others can
        return {}
    return export(rendered, folder, mixture.mixture_id, parts, dataset.sample_rate_hz)


def export(
    rendered: Rendered, folder: Path, mixture_id: str, parts: Sequence[Part], rate_hz: int
) -> dict[str, str]:
    """Write these parts of a mixture as 32-bit float WAV; the hashes of all three."""
    for part in parts:
        path = folder / exported_name(mixture_id, part)
        audio.write_wav_float(path, getattr(rendered, part), rate_hz)
    return {part: audio.pcm_sha256(getattr(rendered, part)) for part in PARTS}


def write_suite(
    folder: Path,
    plan: SuitePlan,
    *,
    pcm: Mapping[str, Mapping[str, str]],
    identical: Collection[str] = (),
    silent: Collection[str] = (),
    **others: Any,
) -> dict[str, Any]:
    """Write a suite's lists, its papers and its ``suite.json``, which is returned.

    Parameters
    ----------
    pcm
        mixture_id -> hashes of its parts, for the mixtures that could be made.
    identical, silent
        As :func:`lassbench.suites.audit.audit` takes them.
    others
        What else ``suite.json`` says (:mod:`lassbench.suites.suite`).
    """
    described = {
        "schema_version": 1,
        **{key: getattr(plan, key) for key in ("name", "title", "kind", "notes")},
        "counts": {
            "mixtures": len(plan.mixtures),
            "queries": len(plan.queries),
            "renderable_mixtures": len(pcm),
        },
        "pcm": pcm,
        "audit": _audit(plan, identical, silent),
        **others,
    }
    for name, text in list_texts(plan).items():
        (folder / name).write_bytes(text.encode())
        described[name.replace(".csv", "_sha256")] = files.sha256_bytes(text.encode())
    described |= fingerprints(described)
    for name, paper in plan.papers.items():
        files.write_json(folder / name, {**paper, "suite_fingerprint": described["fingerprint"]})
    files.write_json(folder / "suite.json", described)
    return described


def _audit(plan: SuitePlan, identical: Collection[str], silent: Collection[str]) -> Audit:
    if plan.kind == "unreferenced":
        return {}
    used = {plan.clips[one] for m in plan.mixtures for one in (m.target_id, m.noise_id)}
    of_concept = _words(plan.benchmark)
    words = {
        clip.clip_id: of_concept.get(clip.concept) or words_of(clip.concept, clip.tags)
        for clip in used
    }
    return audit(
        plan.mixtures,
        plan.queries,
        labels={clip.clip_id: clip.tags for clip in used if clip.tags},
        words={clip_id: found for clip_id, found in words.items() if found},
        identical=identical,
        silent=silent,
    )


def list_texts(plan: SuitePlan) -> dict[str, str]:
    """The texts of a plan's two lists, with the concepts and roots that breakdowns need."""
    mixtures = {one.mixture_id: one for one in plan.mixtures}
    roots = {clip.concept: clip.root for clip in plan.clips.values()}
    columns = [*QUERY_COLUMNS, *["negative"] * any(query.negative for query in plan.queries)]
    rows: list[list[str]] = []
    for query in plan.queries:
        mixture = mixtures[query.mixture_id]
        concept = query.concept or plan.clips[mixture.target_id].concept
        cells = asdict(query) | {
            "tags": join(query.tags),
            "concept": concept,
            "root": roots.get(concept, ""),
            "noise_concept": plan.clips[mixture.noise_id].concept,
        }
        rows.append([cells[column] for column in columns])
    pairs = ((m.mixture_id, m.target_id, m.noise_id, f"{m.snr_db:g}") for m in plan.mixtures)
    return {
        "mixtures.csv": write_table(MIXTURE_COLUMNS, pairs),
        "queries.csv": write_table(columns, rows),
    }
