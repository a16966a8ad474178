"""A benchmark's card: which figure is a paper's, which is counted, which is a choice.

Every figure in a card carries its ``origin``:

``paper``
    A publication says so (the definition's ``paper``).
``counted``
    It was counted from the published files.
``project``
    This project chose it, or it follows from a choice of this project.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lassbench.benchmark.definitions import Definition
from lassbench.benchmark.lists import has_absent
from lassbench.benchmark.manifests import ClipRow
from lassbench.benchmark.metadata import FILES
from lassbench.benchmark.selection import Selection
from lassbench.benchmark.sources import Metadata
from lassbench.records import SPLITS, Mixture, Split
from lassbench.yaml_files import to_yaml

_HEAD = (
    "# Which figures are a paper's, which are counted, which are this project's choice.\n"
    "# Written by `lassbench select`; `lassbench verify-manifests` rebuilds and compares it.\n"
)

#: The origin of what the paper's authors released with it.
_RELEASED_CODE = "authors' released mixing code"

_SELECTION = (
    "A clip of AudioCaps is a candidate for a concept when all of its AudioSet labels are tags "
    "of that concept; any other label disqualifies it, and so does fitting two concepts."
)
_RELEASED_SPLIT = (
    "Training and test clips are those of the authors' released lists. The {n} validation clips "
    "are taken from the released training clips: per concept the {k} with the smallest SHA-256 "
    "hex digest of the YouTube id. This is the project's reconstruction of the paper's figure."
)
_HASH_SPLIT = (
    "Per concept, in the order of the SHA-256 hex digests of {what}: the first {test} candidates "
    "are test, the next {validation} validation, {train} train."
)
_RELEASED_MIXTURES = (
    "The authors' released test list, in its order; a pair that occurs twice stands twice and is "
    "marked with the mixture that it repeats."
)
_PLANNED_MIXTURES = (
    "Planned by lassbench.mixtures.plan: each test clip is the target of {n} mixtures; its noises "
    "come from as many other concepts as possible, share no tag with it and are the least used so "
    "far, ties broken by SHA-256 with seed {seed}."
)
_RENDERING = (
    "Target and noise are peak-normalised, the noise is scaled by 10^(-snr_db/20), and mixture, "
    "target and noise are divided by the largest absolute sample among the three. 0 dB means "
    "equal peaks, not equal energies."
)
_QUERY = (
    "A mixture's query is the caption of its target with the smallest audiocap_id. Captions are "
    "not in these lists: they are joined from AudioCaps by that id."
)
_ABSENT = (
    "The same mixtures, queried by the caption (smallest audiocap_id) of a test clip of a third "
    "concept that shares no tag with target or noise: the least asked-for clip so far, ties "
    "broken by SHA-256 (lassbench.mixtures.plan_absent). The right answer is silence."
)
_SUB_TEST = (
    "Per concept the {n} test clips with the smallest SHA-256 hex digest of {what} are described "
    "by {annotators} annotators in their own words. The descriptions of the paper's experts were "
    "not released; the slots are empty until annotators of this project fill them."
)


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from; the counts come from the benchmark as it was built."""

    definition: Definition
    data: Metadata
    selection: Selection
    splits: Mapping[Split, Sequence[ClipRow]]
    left: Sequence[ClipRow]
    mixtures: Sequence[Mixture]


def card_text(facts: CardFacts) -> str:
    """The YAML text of a benchmark's card: the same facts, the same bytes."""
    definition = facts.definition
    card: dict[str, Any] = {
        "schema_version": 1,
        "name": definition.name,
        "title": definition.title or definition.name,
        "description": definition.description,
        "audio": {
            "sample_rate_hz": definition.sample_rate_hz,
            "clip_seconds": definition.clip_seconds,
            "origin": _RELEASED_CODE if definition.mixtures.rule == "released" else "project",
        },
        "figures": _figures(facts),
        "rules": _rules(facts),
        "concepts": [_concept(facts, concept.name) for concept in definition.concepts],
        "seen_in_audiocaps_train": _contamination(facts),
        "sources": _sources(facts),
    }
    return _HEAD + to_yaml(card)


def _figure(what: str, value: object, origin: str, note: str = "") -> dict[str, Any]:
    return {"what": what, "value": value, "origin": origin} | ({"note": note} if note else {})


def _figures(facts: CardFacts) -> list[dict[str, Any]]:
    """The benchmark's figures, the paper's first."""
    definition = facts.definition
    figures = [
        _figure(what.replace("_", " "), value, "paper") for what, value in definition.paper.items()
    ]
    figures += _counted(facts)
    if definition.split.rule == "released":
        agrees = definition.paper.get("training_clips") == len(facts.splits["train"])
        note = "the released training clips less validation"
        figures.append(
            _figure(
                "clips in train.csv",
                len(facts.splits["train"]),
                "project",
                f"{note}; as many as in the paper" if agrees else note,
            )
        )
    else:
        figures.append(_figure("clips in train.csv", len(facts.splits["train"]), "project"))
    figures.append(_figure("clips in validation.csv", len(facts.splits["validation"]), "project"))
    origin = "counted" if definition.split.rule == "released" else "project"
    figures.append(_figure("clips in test.csv", len(facts.splits["test"]), origin))
    if definition.sub_test is not None:
        figures += _sub_test_figures(facts)
    return figures


def _counted(facts: CardFacts) -> list[dict[str, Any]]:
    definition = facts.definition
    used = [row for rows in facts.splits.values() for row in rows]
    tags = {tag for row in used for tag in row.tags}
    inferred = sorted(tag for c in definition.concepts for tag in c.inferred_tags)
    rejected = Counter(rejection.kind for rejection in facts.selection.rejections.values())
    figures = [
        _figure(
            f"clips of AudioCaps {definition.audiocaps_version}",
            len(facts.data.captioned),
            "counted",
        ),
        _figure("candidates", len(facts.selection.candidates), "counted"),
        *(
            _figure(f"clips rejected: {kind}", count, "counted")
            for kind, count in sorted(rejected.items())
        ),
        _figure("tags that occur on clips of the benchmark", len(tags), "counted"),
    ]
    if inferred:
        note = f"{', '.join(inferred)}: no clip carries them, and the selection is the same without"
        figures.append(_figure("inferred tags", len(inferred), "project", note))
    roots = {concept.root for concept in definition.concepts}
    figures.append(_figure("root categories of the concepts", len(roots), "counted"))
    if definition.split.rule == "released":
        figures += [
            _figure("ids in the released training list", len(facts.data.training), "counted"),
            _figure("candidates that were not released", len(facts.left), "counted"),
        ]
    return figures + _mixture_figures(facts)


def _mixture_figures(facts: CardFacts) -> list[dict[str, Any]]:
    origin = "counted" if facts.definition.mixtures.rule == "released" else "project"
    pairs = Counter((mixture.target_id, mixture.noise_id) for mixture in facts.mixtures)
    concept = {row.clip_id: row.concept for row in facts.splits["test"]}
    concept_pairs = {(concept[target], concept[noise]) for target, noise in pairs}
    targets = {target for target, _ in pairs}
    return [
        _figure("test mixtures", len(facts.mixtures), origin),
        _figure("targets of test mixtures", len(targets), origin),
        _figure("clips that serve as noise", len({noise for _, noise in pairs}), origin),
        _figure("distinct pairs", len(pairs), origin),
        _figure("pairs that occur twice", sum(n > 1 for n in pairs.values()), origin),
        _figure("ordered concept pairs", len(concept_pairs), origin),
    ]


def _sub_test_figures(facts: CardFacts) -> list[dict[str, Any]]:
    rule = facts.definition.sub_test
    assert rule is not None
    tests = Counter(row.concept for row in facts.splits["test"])
    clips = sum(min(count, rule.clips_per_concept) for count in tests.values())
    mixtures = clips * len(facts.mixtures) // len(facts.splits["test"])
    return [
        _figure("clips that annotators describe", clips, "project"),
        _figure("mixtures of those clips", mixtures, "project"),
        _figure("queries of annotators", mixtures * rule.annotators, "project"),
    ]


def _rules(facts: CardFacts) -> dict[str, dict[str, str]]:
    definition = facts.definition
    split, mixing = definition.split, definition.mixtures
    seed = "the YouTube id" if split.seed is None else f"'{split.seed}:' and the YouTube id"
    released = split.rule == "released"
    rules = {
        "selection": _rule(_SELECTION, "counted" if released else "project"),
        "split": _rule(_split_rule(facts, seed), "project"),
        "mixtures": _rule(
            _RELEASED_MIXTURES
            if mixing.rule == "released"
            else _PLANNED_MIXTURES.format(n=mixing.noises_per_target, seed=mixing.seed),
            "counted" if mixing.rule == "released" else "project",
        ),
        "rendering": _rule(_RENDERING, _RELEASED_CODE),
        "query": _rule(_QUERY, "project"),
    }
    if has_absent(definition):
        rules[definition.suite_name("absent")] = _rule(_ABSENT, "project")
    if definition.sub_test is not None:
        text = _SUB_TEST.format(
            n=definition.sub_test.clips_per_concept,
            what=seed,
            annotators=definition.sub_test.annotators,
        )
        rules[definition.suite_name("sub_test")] = _rule(text, "project")
    return rules


def _split_rule(facts: CardFacts, hashed: str) -> str:
    rule = facts.definition.split
    if rule.rule == "released":
        held_out = len(facts.splits["validation"])
        return _RELEASED_SPLIT.format(n=held_out, k=rule.validation_per_concept)
    return _HASH_SPLIT.format(
        what=hashed,
        test=rule.test_per_concept,
        validation=rule.validation_per_concept,
        train="the rest"
        if rule.train_per_concept is None
        else f"the next {rule.train_per_concept}",
    )


def _rule(text: str, origin: str) -> dict[str, str]:
    return {"text": text, "origin": origin}


def _concept(facts: CardFacts, name: str) -> dict[str, Any]:
    concept = facts.definition.concept(name)
    counts = {split: sum(row.concept == name for row in facts.splits[split]) for split in SPLITS}
    described: dict[str, Any] = {
        "name": name,
        "root": concept.root,
        "candidates": len(facts.selection.of_concept(name)),
    }
    if facts.definition.split.rule == "released":
        described["released"] = sum(counts.values())
    return described | counts


def _contamination(facts: CardFacts) -> dict[str, Any]:
    """How many clips of each split lie in each of AudioCaps's own splits."""
    by_split = {
        split: dict(sorted(Counter(row.audiocaps_split for row in facts.splits[split]).items()))
        for split in SPLITS
    }
    seen = by_split["test"].get("train", 0)
    note = (
        f"A model trained on all of AudioCaps train has heard {seen} of the "
        f"{len(facts.splits['test'])} test clips."
    )
    return {"clips_by_audiocaps_split": by_split, "origin": "counted", "note": note}


def _sources(facts: CardFacts) -> list[dict[str, Any]]:
    published = {file.name: file for file in FILES}
    return [
        {
            "file": name,
            "url": published[name].url,
            "sha256": used.sha256,
            "verified": used.verified,
            "licence": published[name].licence,
        }
        for name, used in facts.data.files.items()
    ]
