"""The text of a benchmark's lists: suites and tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lassbench import csv_files
from lassbench.benchmark import manifests
from lassbench.benchmark.definitions import Concept, Definition
from lassbench.benchmark.manifests import ClipRow
from lassbench.benchmark.mixtures import plan_absent
from lassbench.benchmark.ontology import Ontology
from lassbench.benchmark.selection import first_of_each
from lassbench.records import Mixture, Split


@dataclass(frozen=True)
class InferredTag:
    """The proof that an inferred tag changes nothing.

    ``clips`` of AudioCaps carry it, and there are ``without`` candidates
    without it in its concept and ``candidates`` with it.
    """

    name: str
    concept: str
    clips: int
    candidates: int
    without: int


def has_absent(definition: Definition) -> bool:
    """Whether absent sounds can be asked for: one in neither of two concepts needs a third."""
    return len(definition.concepts) >= 3


def suite_texts(
    definition: Definition, test_rows: Mapping[str, ClipRow], mixtures: Sequence[Mixture]
) -> dict[str, str]:
    """File name -> text of the list of each suite.

    Raises
    ------
    FaultsError
        If some mixture has no third concept to ask for.
    """
    texts = {definition.suite_name("test"): _test_text(test_rows, mixtures)}
    if has_absent(definition):
        name = definition.suite_name("absent")
        texts[name] = _absent_text(name, test_rows, mixtures, definition.mixtures.seed)
    if definition.sub_test is not None:
        texts[definition.suite_name("sub_test")] = _sub_test_text(definition, test_rows, mixtures)
    return {f"{name}.csv": text for name, text in texts.items()}


def _mixture_cells(mixture: Mixture) -> tuple[str, str, str, str]:
    return mixture.mixture_id, mixture.target_id, mixture.noise_id, f"{mixture.snr_db:g}"


def _test_text(test_rows: Mapping[str, ClipRow], mixtures: Sequence[Mixture]) -> str:
    first: dict[tuple[str, str, float], str] = {}
    rows: list[tuple[object, ...]] = []
    for mixture in mixtures:
        target, noise = test_rows[mixture.target_id], test_rows[mixture.noise_id]
        pair = (mixture.target_id, mixture.noise_id, mixture.snr_db)
        repeat_of = first.setdefault(pair, mixture.mixture_id)
        rows.append(
            (
                *_mixture_cells(mixture),
                target.concept,
                noise.concept,
                target.audiocap_ids[0],
                repeat_of if repeat_of != mixture.mixture_id else "",
            )
        )
    return csv_files.write_table(manifests.TEST_COLUMNS, rows)


def _absent_text(
    name: str, test_rows: Mapping[str, ClipRow], mixtures: Sequence[Mixture], seed: int
) -> str:
    clips = {clip_id: row.clip("test") for clip_id, row in test_rows.items()}
    asked = plan_absent(mixtures, clips, seed=seed)
    rows = []
    for number, mixture in enumerate(mixtures, start=1):
        absent = test_rows[asked[mixture.mixture_id]]
        rows.append(
            (
                f"{name}-{number:04d}",
                *_mixture_cells(mixture),
                absent.clip_id,
                absent.audiocap_ids[0],
                absent.concept,
            )
        )
    return csv_files.write_table(manifests.ABSENT_COLUMNS, rows)


def _sub_test_text(
    definition: Definition, test_rows: Mapping[str, ClipRow], mixtures: Sequence[Mixture]
) -> str:
    assert definition.sub_test is not None
    name = definition.suite_name("sub_test")
    count, seed = definition.sub_test.clips_per_concept, definition.split.seed
    chosen_rows = first_of_each(test_rows.values(), definition.concepts, count, seed)
    described = {row.clip_id for row in chosen_rows}
    chosen = [mixture for mixture in mixtures if mixture.target_id in described]
    rows = [
        (
            f"{name}-{number:04d}-a{annotator}",
            *_mixture_cells(mixture),
            test_rows[mixture.target_id].concept,
            f"a{annotator}",
            "",
            "",
        )
        for number, mixture in enumerate(chosen, start=1)
        for annotator in range(1, definition.sub_test.annotators + 1)
    ]
    return csv_files.write_table(manifests.SUB_TEST_COLUMNS, rows)


def tags_text(
    definition: Definition,
    splits: Mapping[Split, Sequence[ClipRow]],
    inferred: Sequence[InferredTag],
    ontology: Ontology,
) -> str:
    """Every tag of the definition with what is known of it, as CSV text."""
    clips = Counter(tag for rows in splits.values() for row in rows for tag in row.tags)
    proofs = {proof.name: proof for proof in inferred}
    concepts_of: dict[str, list[Concept]] = {}
    for concept in definition.concepts:
        for tag in concept.all_tags:
            concepts_of.setdefault(tag, []).append(concept)
    rows = []
    for tag, concepts in concepts_of.items():
        evidence, note = ("observed", "") if clips[tag] else ("listed", "no clip carries it")
        if tag in proofs:
            evidence, proof = "inferred", proofs[tag]
            note = (
                f"carried by {proof.clips} clips of AudioCaps; "
                f"{proof.candidates} candidates with it, {proof.without} without it"
            )
        names = csv_files.join(concept.name for concept in concepts)
        roots = csv_files.join(dict.fromkeys(concept.root for concept in concepts))
        rows.append((ontology.mid(tag), tag, names, roots, evidence, clips[tag], note))
    return csv_files.write_table(manifests.TAG_COLUMNS, rows)
