"""Build every file of a benchmark from a definition and the metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lassbench import output_folders
from lassbench.benchmark import manifests
from lassbench.benchmark.card import CardFacts, card_text
from lassbench.benchmark.definitions import Concept, Definition, write_definition
from lassbench.benchmark.lists import InferredTag, suite_texts, tags_text
from lassbench.benchmark.manifests import ClipRow
from lassbench.benchmark.mixtures import plan
from lassbench.benchmark.selection import (
    Selection,
    resolve_roots,
    select,
    split_by_hash,
    split_released,
    start_faults,
)
from lassbench.benchmark.sources import Metadata
from lassbench.checked import validate
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, UsageFaultsError
from lassbench.records import SPLITS, Mixture, Split


@dataclass(frozen=True)
class Built:
    """A benchmark built from metadata.

    Attributes
    ----------
    definition
        With every root written out.
    splits
        The clips of each split.
    left
        Candidates that are in no split (LASS-2022: not released).
    mixtures
        The test list, in its order.
    contents
        File name -> text, of every file of the manifest folder.
    """

    definition: Definition
    selection: Selection
    splits: Mapping[Split, Sequence[ClipRow]]
    left: Sequence[ClipRow]
    mixtures: Sequence[Mixture]
    inferred: Sequence[InferredTag]
    contents: Mapping[str, str]


def choose(definition: Definition, data: Metadata) -> tuple[Definition, Selection]:
    """Resolve the roots and select the candidates.

    Raises
    ------
    FaultsError
        If a concept does not fit the ontology, or (AudioCaps 1, of which every
        clip has a row) a clip has no row of AudioSet at its start time.
    """
    resolved = resolve_roots(definition, data.ontology)
    selection = select(data.captioned, data.segments, data.ontology, resolved.concepts)
    faults = start_faults(data.captioned, selection.rejections)
    if data.version == 1 and faults:
        raise FaultsError(
            "AudioCaps and AudioSet do not agree", faults, fix="restore the metadata files"
        )
    return resolved, selection


def build(definition: Definition, data: Metadata) -> Built:
    """Build every file of a benchmark.

    Raises
    ------
    LassbenchError
        If the definition cannot be met; see :mod:`lassbench.benchmark.selection`.
    """
    resolved, selection = choose(definition, data)
    inferred = prove_inferred(resolved, selection, data)
    concepts = resolved.concepts
    left: list[ClipRow] = []
    if resolved.split.rule == "released":
        test = list(dict.fromkeys(target for target, _ in data.evaluation))
        splits, left = split_released(
            selection, concepts, resolved.split, training=data.training, test=test
        )
    else:
        splits = split_by_hash(selection, concepts, resolved.split)
    test_rows = {row.clip_id: row for row in sorted(splits["test"], key=lambda r: r.youtube_id)}
    mixtures = _list_mixtures(resolved, data, test_rows)
    contents = {
        manifests.DEFINITION: write_definition(resolved),
        manifests.TAGS: tags_text(resolved, splits, inferred, data.ontology),
        **{f"{split}.csv": manifests.clips_text(splits[split]) for split in SPLITS},
        **suite_texts(resolved, test_rows, mixtures),
    }
    if resolved.split.rule == "released":
        contents[manifests.NOT_RELEASED] = manifests.clips_text(left)
    facts = CardFacts(resolved, data, selection, splits, left, mixtures)
    contents[manifests.CARD] = card_text(facts)
    contents[manifests.SUMS] = manifests.sums_text(contents)
    return Built(resolved, selection, splits, left, mixtures, inferred, contents)


def prove_inferred(
    definition: Definition, selection: Selection, data: Metadata
) -> list[InferredTag]:
    """Show for each inferred tag that the candidates are the same with and without it.

    Raises
    ------
    LassbenchError
        If they are not: then the tag is observed, not inferred.
    """
    proofs: list[InferredTag] = []
    for concept in definition.concepts:
        for tag in concept.inferred_tags:
            others = [_without(c, tag) if c is concept else c for c in definition.concepts]
            without = select(data.captioned, data.segments, data.ontology, others)
            mid = data.ontology.mid(tag)
            carriers = sum(mid in segment.mids for segment in data.segments.values())
            proof = InferredTag(
                name=tag,
                concept=concept.name,
                clips=carriers,
                candidates=len(selection.candidates),
                without=len(without.candidates),
            )
            if without.candidates != selection.candidates:
                raise LassbenchError(
                    f"the inferred tag {tag!r} changes the selection",
                    where=f"concept {concept.name}",
                    expected=f"{proof.without} candidates, as without it",
                    got=f"{proof.candidates} candidates; {carriers} clips carry it",
                    fix="list it under tags",
                )
            proofs.append(proof)
    return proofs


def _without(concept: Concept, tag: str) -> Concept:
    kept = tuple(name for name in concept.inferred_tags if name != tag)
    return concept.model_copy(update={"inferred_tags": kept})


def _list_mixtures(
    definition: Definition, data: Metadata, test_rows: Mapping[str, ClipRow]
) -> list[Mixture]:
    name, rule = definition.suite_name("test"), definition.mixtures
    if rule.rule == "planned":
        clips = [row.clip("test") for row in test_rows.values()]
        return plan(
            clips,
            name=name,
            noises=rule.noises_per_target,
            seed=rule.seed,
            snr_range_db=rule.snr_db,
        )
    pairs = [
        (manifests.clip_id_of(target), manifests.clip_id_of(noise))
        for target, noise in data.evaluation
    ]
    faults = [
        Fault("noise is no test clip", f"{name}-{number:04d}", f"{noise} is no target")
        for number, (_, noise) in enumerate(pairs, start=1)
        if noise not in test_rows
    ]
    if faults:
        raise FaultsError("the released test list is not closed", faults)
    return [
        Mixture(f"{name}-{number:04d}", target, noise, rule.snr_db[0])
        for number, (target, noise) in enumerate(pairs, start=1)
    ]


def write(built: Built, out: Path) -> None:
    """Write the manifest folder whole, or not at all; only a manifest folder is replaced.

    Raises
    ------
    LassbenchError
        If ``out`` holds something else, or cannot be written.
    """

    def fill(folder: Path) -> None:
        for name, text in built.contents.items():
            (folder / name).write_bytes(text.encode())

    output_folders.replace_folder(out, fill, what="the benchmark", mark=manifests.SUMS)


def vary(
    definition: Definition,
    *,
    name: str = "",
    split: Mapping[str, object] | None = None,
    mixtures: Mapping[str, object] | None = None,
    other: Mapping[str, object] | None = None,
) -> Definition:
    """``definition`` with some values changed, under a name of its own.

    A definition that follows the authors' released lists cannot be varied and
    still follow them: its variation is split by hash and its mixtures are
    planned, and it quotes no figures of the paper.

    Parameters
    ----------
    split, mixtures, other
        Values by their key in the definition's ``split``, ``mixtures``, and top
        level.

    Raises
    ------
    UsageFaultsError
        If a value is out of range.
    UsageError
        If something changes and ``name`` is not given.
    """
    if not (split or mixtures or other):
        return definition if not name else _revalidated(definition, {"name": name})
    if not name or name == definition.name:
        raise UsageError(
            f"with these options it is no longer {definition.name}",
            fix="give the new benchmark a name of its own with --name",
        )
    changed = definition.model_dump()
    if definition.split.rule == "released":
        changed |= {"title": "", "description": f"Made from the concepts of {definition.name}."}
        changed |= {"suites": {}, "paper": {}}
        changed["split"] |= {"rule": "hash"}
        changed["mixtures"] |= {"rule": "planned"}
    changed["split"] |= dict(split or {})
    changed["mixtures"] |= dict(mixtures or {})
    return _revalidated(definition, {**changed, **(other or {}), "name": name})


def _revalidated(definition: Definition, changes: Mapping[str, object]) -> Definition:
    return validate(
        Definition,
        {**definition.model_dump(mode="json"), **changes},
        what=f"{definition.name} cannot be varied so",
        error=UsageFaultsError,
    )
