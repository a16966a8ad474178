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

from lassbench.audio import pcm_sha256
from lassbench.benchmark.mixtures import render
from lassbench.dataset import Dataset, open_dataset
from lassbench.dataset.build import build
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.files import sha256_file
from lassbench.suites import freezing
from lassbench.suites import suite as suite_module
from lassbench.suites.suite import PARTS, Suite, find_suite, load_suite
from tests.dataset.made import recordings


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
        clip = tiny_dataset.clips[suite.mixtures[query.mixture_id].target_id]
        assert (query.text, query.tags) == (clip.captions[0], clip.tags)
        assert (query.concept, query.root) == (clip.concept, clip.root)
        assert query.noise_concept != query.concept
        assert query.query_type == "templated"  # synthetic captions never pass as people's
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


def test_the_same_dataset_freezes_to_the_same_bytes(
    suite: Suite, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    plan = freezing.plan_separation(tiny_dataset, name="tiny-test", noises=2)
    again = freezing.freeze(
        plan, tiny_dataset, tmp_path / "again", workers=2, export_references=True
    )
    assert again.fingerprint == suite.fingerprint
    first, second = (
        {p.relative_to(one.path): p.read_bytes() for p in one.path.rglob("*.[wc]*")}
        for one in (suite, again)
    )
    assert len(first) == 3 * len(suite.mixtures) + 2
    assert first == second
    plan = freezing.plan_separation(tiny_dataset, name="tiny-test", noises=2, seed=7)
    other = freezing.freeze(plan, tiny_dataset, tmp_path / "other", export_audio=False)
    assert other.fingerprint != suite.fingerprint


def test_an_export_with_references_stands_on_its_own_and_travels(
    suite: Suite, tmp_path: Path
) -> None:
    alone = load_suite(copied(suite, tmp_path / "somewhere" / "else" / "moved"))
    assert alone.dataset is None and alone.fingerprint == suite.fingerprint
    mixture_id = next(iter(alone.mixtures))
    for one in (alone, pickle.loads(pickle.dumps(suite))):
        for part in PARTS:
            np.testing.assert_array_equal(
                getattr(one.render(mixture_id), part), getattr(suite.render(mixture_id), part)
            )


@pytest.mark.parametrize("both", [False, True])
def test_a_list_edited_together_with_its_hash_is_refused(
    suite: Suite, tmp_path: Path, both: bool
) -> None:
    """Once every snr_db set to 25, with the file's hash written anew, kept the fingerprint."""
    edited = copied(suite, tmp_path / "edited")
    path = edited / "mixtures.csv"
    path.write_text(path.read_text().replace(",0\n", ",25\n"))
    said = json.loads((edited / "suite.json").read_text())
    said["mixtures_sha256"] = sha256_file(path)
    if both:  # the lists' fingerprint too: the other one covers them as well
        said["list_fingerprint"] = suite_module.fingerprints(said)["list_fingerprint"]
    (edited / "suite.json").write_text(json.dumps(said))
    named = "fingerprint" if both else "list_fingerprint"
    with pytest.raises(LassbenchError, match=f"not the one that its {named} names") as caught:
        load_suite(edited)
    assert caught.value.where == str(edited / "suite.json")


@pytest.mark.parametrize("key", ["samples", "sample_rate_hz", "kind", "name", "pcm", "audit"])
def test_what_a_suite_says_of_itself_is_part_of_its_fingerprint(
    suite: Suite, tmp_path: Path, key: str
) -> None:
    mixture = next(iter(suite.mixtures))
    pcm = {one: dict(hashes) for one, hashes in suite.pcm_sha256.items()}
    pcm[mixture]["interference"] = "0" * 64
    other = {"samples": suite.samples + 1, "sample_rate_hz": 16000, "kind": "absent", "name": "y"}
    other |= {"pcm": pcm, "audit": {"self-mixture": [mixture]}}
    with pytest.raises(LassbenchError, match="fingerprint names"):
        load_suite(copied(suite, tmp_path / "edited", **{key: other[key]}))


@pytest.mark.parametrize("name", ["mixtures.csv", "queries.csv"])
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"\n", b"\r\n", "only this list's line ends or byte-order mark"),
        (b"", b"\xef\xbb\xbf", "only this list's line ends or byte-order mark"),
        (b"tiny-test-0001,", b"tiny-test-9999,", r"\.csv: this list was changed"),
    ],
)
def test_an_edited_list_is_refused_and_line_ends_are_named_as_that(
    suite: Suite, tmp_path: Path, name: str, old: bytes, new: bytes, words: str
) -> None:
    path = copied(suite, tmp_path / "edited") / name
    path.write_bytes(path.read_bytes().replace(old, new, -1 if old else 1))
    with pytest.raises(LassbenchError, match=words):
        load_suite(path.parent)


def copied(suite: Suite, folder: Path, **changes: object) -> Path:
    """A copy of ``suite`` with values of its suite.json changed; ``None`` takes a key away."""
    shutil.copytree(suite.path, folder)
    said = {**json.loads((suite.path / "suite.json").read_text()), **changes}
    said = {key: value for key, value in said.items() if value is not None}
    (folder / "suite.json").write_text(json.dumps(said))
    return folder


PCM = {"mixture": "0" * 64, "target": "1" * 64, "interference": "2" * 64}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pcm": None}, "pcm is missing"),
        ({"schema_version": 99}, "schema_version must be 1, got 99"),
        ({"name": "../../x"}, "name: '../../x' may have"),
        ({"kind": "other"}, "kind must be separation | absent | unreferenced, got 'other'"),
        ({"sample_rate_hz": 10**30}, "sample_rate_hz must be"),
        ({"samples": 0}, "samples must be above 0"),
        ({"dataset": {"name": "x", "fingerprint": "0" * 64}}, "dataset.path is missing"),
        ({"pcm": {"a": {"mixture": "0" * 64}}}, "pcm.a"),
        ({"pcm": {"a": {**PCM, "target": "x"}}}, "pcm.a.target must be text like"),
        ({"pcm": {"a": {**PCM, "other": "0" * 64}}}, "pcm.a.other"),
        ({"pcm": {"../../x": PCM}}, "'../../x' may have letters"),
    ],
)
def test_values_that_a_suite_cannot_have_are_named(
    suite: Suite, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    folder = copied(suite, tmp_path / "broken", **changes)
    with pytest.raises(LassbenchError) as caught:
        load_suite(folder)
    message = str(caught.value)
    assert words in message
    assert str(folder / "suite.json") in message
    assert len(message) < 1000


@pytest.mark.parametrize(
    ("name", "column", "cell", "words"),
    [
        ("queries.csv", "mixture_id", "gone", "unknown mixture"),
        ("queries.csv", "query_id", "tiny-test-0001", "query tiny-test-0001 stands twice"),
        ("queries.csv", "query_type", "guess", "unknown query type"),
        *(
            ("mixtures.csv", "snr_db", cell, "no number of dB")
            for cell in ("", "nan", "-inf", "1e308", "-5000", "x")
        ),
    ],
)
def test_cells_that_lists_cannot_have_are_named(
    suite: Suite, tmp_path: Path, name: str, column: str, cell: str, words: str
) -> None:
    # The hashes come with the lists: whoever writes the one writes the other.
    folder = copied(suite, tmp_path / "broken")
    with (folder / name).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[1][column] = cell
    with (folder / name).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    said = json.loads((folder / "suite.json").read_text())
    said[f"{name.removesuffix('.csv')}_sha256"] = sha256_file(folder / name)
    (folder / "suite.json").write_text(json.dumps(said))
    with pytest.raises(LassbenchError, match=words) as caught:
        load_suite(folder)
    assert f"{name}:3" in str(caught.value)


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
    shutil.copytree(suite.path, suites / ".tiny-test.123-abcdef.part")
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
    plan = freezing.plan_silence(base)
    absent = freezing.freeze(plan, tiny_dataset, tmp_path / "absent", export_audio=False)
    assert absent.kind == "absent"
    for query in absent.queries.values():
        target = tiny_dataset.clips[absent.mixtures[query.mixture_id].target_id]
        assert query.expects == "silence"
        assert query.concept not in (target.concept, query.noise_concept)


def test_a_dataset_is_not_replaced_by_its_suite(tiny_dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "big"
    shutil.copytree(tiny_dataset.path, folder / "ds")
    (folder / "suite.json").write_text("{}")
    plan = freezing.plan_separation(tiny_dataset, name="tiny-test", noises=1)
    with pytest.raises(UsageError, match="what it is made from lies in it"):
        freezing.freeze(plan, open_dataset(folder / "ds"), folder)
    assert (folder / "ds" / "dataset.json").is_file()


def test_a_mixture_that_cannot_be_leaves_the_others(
    tiny_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = freezing.plan_separation(tiny_dataset, name="x", noises=1)
    silent = plan.mixtures[3].target_id
    hashes = tiny_dataset.pcm_sha256
    sound = tiny_dataset.samples
    monkeypatch.setattr(
        tiny_dataset, "samples", lambda one: sound(one) * (0.0 if one == silent else 1.0)
    )
    made = freezing.freeze(plan, tiny_dataset, tmp_path / "x")
    lost = [m.mixture_id for m in plan.mixtures if silent in (m.target_id, m.noise_id)]
    assert sorted(made.missing) == sorted(lost)
    assert {one for one, found in made.findings.items() if "silent source" in found} == set(lost)
    assert hashes == tiny_dataset.pcm_sha256
    assert len(made.renderable_queries) == len(plan.queries) - len(lost)


def test_a_suite_of_a_folder_corpus_is_named_for_its_dataset(tmp_path: Path) -> None:
    corpus = recordings(tmp_path / "recordings")
    table = tmp_path / "recordings" / "metadata.csv"
    table.write_text(table.read_text().replace(";x", ""))  # no tag that all share
    build(corpus, tmp_path / "mine")
    mine = open_dataset(tmp_path / "mine")
    assert mine.name == "recordings"
    assert freezing.plan_separation(mine, noises=1).name == "mine-test"
    # ... and one that would get a frozen list's name by this is refused as if it were given.
    (tmp_path / "mine").rename(tmp_path / "lass")
    with pytest.raises(UsageError, match="lass-test is a frozen list of lass-2022"):
        freezing.plan_separation(open_dataset(tmp_path / "lass"), noises=1)


def test_the_suite_of_a_corpus_keeps_its_name(tmp_path: Path, tiny_dataset: Dataset) -> None:
    assert freezing.plan_separation(tiny_dataset, name="synthetic-test", noises=1)
    corpus = recordings(tmp_path / "recordings")
    build(corpus, tmp_path / "esc10")
    esc10 = open_dataset(tmp_path / "esc10")
    lists = ("lass-test", "lass-sub-test", "LASS-Test", "clapsep-music", "triples")
    base = freezing.plan_separation(tiny_dataset, noises=2)
    for name in ("", "esc10-test", "ESC10-Test", "synthetic-test", *lists):
        with pytest.raises(UsageError, match="and this is not made from it"):
            freezing.plan_separation(esc10, name=name, noises=1)
        if name in lists:
            with pytest.raises(UsageError, match="and this is not made from it"):
                freezing.plan_silence(base, name=name)


def test_a_negative_query_is_a_column_of_the_lists_that_have_it(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    plan = freezing.plan_separation(tiny_dataset, name="x", noises=1)
    without = freezing.freeze(plan, tiny_dataset, tmp_path / "without", export_audio=False)
    assert "negative" not in (without.path / "queries.csv").read_text().splitlines()[0]
    asked = [replace(query, negative=f"not, {query.query_id}") for query in plan.queries]
    made = freezing.freeze(
        replace(plan, queries=asked), tiny_dataset, tmp_path / "with", export_audio=False
    )
    assert [query.negative for query in made.queries.values()] == [q.negative for q in asked]
    assert made.fingerprint != without.fingerprint
    assert (without.path / "queries.csv").read_text().splitlines()[0].endswith("noise_concept")
