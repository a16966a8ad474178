"""Suites: frozen whole, opened checked, rendered exactly."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lassbench import freezing
from lassbench.audio import pcm_sha256
from lassbench.dataset import Dataset
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.mixtures import render
from lassbench.suites import Suite, find_suite, load_suite


@pytest.fixture(scope="module")
def suite(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    plan = freezing.plan_separation(tiny_dataset, name="tiny-test", noises=2)
    out = tmp_path_factory.mktemp("frozen") / "tiny-test"
    return freezing.freeze(plan, tiny_dataset, out, export_audio=True, export_references=True)


def test_the_lists_and_their_counts(suite: Suite, tiny_dataset: Dataset) -> None:
    targets = [clip.clip_id for clip in tiny_dataset.split("test")]
    assert [m.target_id for m in list(suite.mixtures.values())[::2]] == targets
    assert len(suite.queries) == len(suite.mixtures) == 2 * len(targets)
    for query in suite.queries.values():
        meta = suite.query_meta(query.query_id)
        clip = tiny_dataset.clips[meta.target_id]
        assert (query.text, query.tags) == (clip.captions[0], clip.tags)
        assert (meta.concept, meta.root) == (clip.concept, clip.root)
        assert meta.noise_concept != meta.concept
    assert suite.query_types == ("templated",)  # synthetic captions never pass as people's
    assert suite.synthetic
    assert suite.missing == {}


def test_rendering_is_the_rule_applied_to_the_clips(suite: Suite, tiny_dataset: Dataset) -> None:
    mixture = next(iter(suite.mixtures.values()))
    expected = render(
        tiny_dataset.samples(mixture.target_id), tiny_dataset.samples(mixture.noise_id)
    )
    rendered = suite.render(mixture.mixture_id)
    np.testing.assert_array_equal(rendered.mixture, expected.mixture)
    assert suite.pcm_sha256[mixture.mixture_id]["target"] == pcm_sha256(expected.target)


def test_exported_files_are_the_rendered_samples(suite: Suite) -> None:
    for mixture_id in list(suite.mixtures)[:3]:
        rendered = suite.render(mixture_id)
        for name, samples in (
            (f"mixtures/{mixture_id}.wav", rendered.mixture),
            (f"references/{mixture_id}.target.wav", rendered.target),
            (f"references/{mixture_id}.interference.wav", rendered.interference),
        ):
            exported, rate = soundfile.read(suite.path / name, dtype="float32")
            assert rate == suite.sample_rate_hz
            np.testing.assert_array_equal(exported, samples)
    with (suite.path / "queries.csv").open(newline="") as stream:
        assert [row["query_id"] for row in csv.DictReader(stream)] == list(suite.queries)


def test_the_same_dataset_freezes_to_the_same_bytes(
    suite: Suite, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    plan = freezing.plan_separation(tiny_dataset, name="tiny-test", noises=2)
    again = freezing.freeze(
        plan, tiny_dataset, tmp_path / "again", workers=2, export_references=True
    )
    assert again.fingerprint == suite.fingerprint
    first = {
        p.relative_to(suite.path): p.read_bytes()
        for p in suite.path.rglob("*.*")
        if p.suffix != ".json"
    }
    second = {
        p.relative_to(again.path): p.read_bytes()
        for p in again.path.rglob("*.*")
        if p.suffix != ".json"
    }
    assert first == second
    other = freezing.plan_separation(tiny_dataset, name="tiny-test", noises=2, seed=7)
    assert (
        freezing.freeze(other, tiny_dataset, tmp_path / "other", export_audio=False).fingerprint
        != suite.fingerprint
    )


def test_an_export_with_references_stands_on_its_own(suite: Suite, tmp_path: Path) -> None:
    moved = tmp_path / "somewhere" / "else" / "moved"
    shutil.copytree(suite.path, moved)
    alone = load_suite(moved)
    assert alone.dataset is None
    mixture_id = next(iter(alone.mixtures))
    for part in ("mixture", "target", "interference"):
        np.testing.assert_array_equal(
            getattr(alone.render(mixture_id), part), getattr(suite.render(mixture_id), part)
        )
    assert alone.fingerprint == suite.fingerprint


def test_a_suite_travels_to_a_worker(suite: Suite) -> None:
    again = pickle.loads(pickle.dumps(suite))
    mixture_id = next(iter(suite.mixtures))
    np.testing.assert_array_equal(
        again.render(mixture_id).mixture, suite.render(mixture_id).mixture
    )


def test_an_edited_list_is_refused(suite: Suite, tmp_path: Path) -> None:
    edited = tmp_path / "edited"
    shutil.copytree(suite.path, edited)
    path = edited / "queries.csv"
    path.write_text(path.read_text().replace("tiny-test-0001,", "tiny-test-9999,", 1))
    with pytest.raises(LassbenchError, match=r"queries\.csv: this list was changed"):
        load_suite(edited)


@pytest.mark.parametrize("damage", ["cut", "key", "version"])
def test_a_damaged_suite_file_is_refused(suite: Suite, tmp_path: Path, damage: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(suite.path, broken)
    path = broken / "suite.json"
    content = json.loads(path.read_text())
    if damage == "key":
        del content["pcm"]
    content["schema_version"] = 99 if damage == "version" else content["schema_version"]
    text = json.dumps(content)
    path.write_text(text[: len(text) // 2] if damage == "cut" else text)
    with pytest.raises(LassbenchError, match=r"suite\.json"):
        load_suite(broken)


def test_nothing_there_is_said(tmp_path: Path, tiny_dataset: Dataset, suite: Suite) -> None:
    with pytest.raises(UsageError, match="no suite here"):
        load_suite(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="something else than the suite"):
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "file").write_text("mine")
        plan = freezing.plan_separation(tiny_dataset, name="x", noises=1)
        freezing.freeze(plan, tiny_dataset, tmp_path / "other")
    assert (tmp_path / "other" / "file").read_text() == "mine"
    with pytest.raises(UsageError, match=r"no mixture 'tiny-test-001'.*did you mean"):
        suite.render("tiny-test-001")


def test_other_lists_are_not_written_over(tiny_dataset: Dataset, tmp_path: Path) -> None:
    plan = freezing.plan_separation(tiny_dataset, name="x", noises=1)
    first = freezing.freeze(plan, tiny_dataset, tmp_path / "x", export_audio=False)
    again = freezing.freeze(plan, tiny_dataset, tmp_path / "x", export_audio=True)
    assert again.fingerprint == first.fingerprint
    other = freezing.plan_separation(tiny_dataset, name="x", noises=1, phrasings=2)
    with pytest.raises(UsageError, match=r"queries\.csv is another list"):
        freezing.freeze(other, tiny_dataset, tmp_path / "x")
    assert load_suite(tmp_path / "x").fingerprint == first.fingerprint


def test_queries_that_no_leaderboard_would_take_are_not_frozen(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    plan = freezing.plan_separation(tiny_dataset, name="x", noises=1)
    first, second, *others = plan.queries
    asked = [replace(first, text="<script>x</script>"), replace(second, text="- a dog"), *others]
    with pytest.raises(FaultsError, match="holds markup") as caught:
        freezing.freeze(replace(plan, queries=asked), tiny_dataset, tmp_path / "x")
    assert [fault.where for fault in caught.value.faults] == [first.query_id]
    assert not list(tmp_path.iterdir())


def test_what_a_killed_freeze_left_is_no_suite(suite: Suite, tmp_path: Path) -> None:
    suites = tmp_path / "data" / "suites"
    shutil.copytree(suite.path, suites / ".tiny-test.123.part")
    with pytest.raises(UsageError, match="no suite here"):
        find_suite(tmp_path / "data")
    shutil.copytree(suite.path, suites / "tiny-test")
    assert find_suite(tmp_path / "data") == suites / "tiny-test"


def test_several_phrasings_and_too_many(tiny_dataset: Dataset) -> None:
    plan = freezing.plan_separation(tiny_dataset, name="p", noises=1, phrasings=3)
    assert len(plan.queries) == 3 * len(plan.mixtures)
    unnamed = freezing.plan_separation(tiny_dataset, noises=1, phrasings=3)
    assert (unnamed.name, unnamed.title) == (
        "synthetic-test-3-phrasings",
        "lassbench synthetic sounds (seed 0): test, 3 phrasings",
    )
    first = plan.queries[:3]
    assert [q.annotator for q in first] == ["p1", "p2", "p3"]
    assert [q.text for q in first] == list(
        tiny_dataset.clips[plan.mixtures[0].target_id].captions[:3]
    )
    with pytest.raises(UsageError, match="not enough captions"):
        freezing.plan_separation(tiny_dataset, name="p", noises=1, phrasings=99)


def test_absent_sounds(tiny_dataset: Dataset, tmp_path: Path) -> None:
    base = freezing.plan_separation(tiny_dataset, noises=2)
    plan = freezing.plan_silence(base, tiny_dataset)
    absent = freezing.freeze(plan, tiny_dataset, tmp_path / "absent", export_audio=False)
    assert absent.kind == "absent"
    for query in absent.queries.values():
        meta = absent.query_meta(query.query_id)
        present = {tiny_dataset.clips[meta.target_id].concept, meta.noise_concept}
        assert query.expects == "silence"
        assert meta.concept not in present
