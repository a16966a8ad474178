"""Means, intervals, breakdowns, runs and averages: of hand-made rows, and of the committed ones."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from lassbench.cli import run
from lassbench.errors import UsageError
from lassbench.scores.rows import rows_sha256
from lassbench.scores.score import evaluate
from lassbench.scores.summary import (
    AVERAGES,
    BREAKDOWNS,
    Summary,
    asker_spread,
    average,
    failing_sentences,
    mean_over_runs,
    spread_of_runs,
)
from lassbench.suites.suite import load_suite
from lassbench.systems.builtin import MixtureSeparator, OracleMask
from tests.scores.by_hand import rows_by_hand

ENTRIES = Path(__file__).resolve().parents[2] / "leaderboard" / "entries"
COMMITTED = sorted(ENTRIES.glob("*/*.parquet"))

# --- the committed rows, by pandas and NumPy --------------------------------


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_summaries_of_the_committed_rows_are_an_independent_computations(path: Path) -> None:
    rows = pd.read_parquet(path)
    assert rows_sha256(rows) == json.loads(path.with_suffix(".json").read_text())["rows_sha256"]
    summary = Summary(rows)
    decibels = rows[list(summary.metrics)].clip(-100, 100)
    counts = rows.groupby("target_id").size()
    assert summary.targets == len(counts)
    for name, found in summary.metrics.items():
        expected = decibels[name].agg(["mean", "median", "count"]).to_numpy()
        got = [math.nan if one is None else one for one in (found.mean, found.median)]
        np.testing.assert_allclose(got, expected[:2], atol=1e-9)
        assert found.n == expected[2]
        assert found.n_undefined == rows[name].isna().sum()
        assert found.n_infinite == np.isinf(rows[name]).sum()
    by = summary.by("concept")
    for concept, expected in decibels.groupby(rows["concept"]).mean().iterrows():
        for name, mean in expected.items():
            got = by[concept][name].mean
            assert math.isnan(mean) if got is None else got == pytest.approx(mean, abs=1e-9)
    assert summary.wrong_source_share == pytest.approx(rows["wrong_source"].mean(), abs=1e-9)
    json.dumps(summary.to_dict(), allow_nan=False)


def test_an_interval_of_the_committed_rows_is_that_of_a_loop() -> None:
    rows = pd.read_parquet(ENTRIES / "esc10-test" / "oracle-ratio-mask.parquet")
    of_target = rows["si_sdr_i"].clip(-100, 100).groupby(rows["target_id"]).agg(["sum", "size"])
    count, generator = len(of_target), np.random.default_rng(0)
    means = []
    for _ in range(10_000):
        total, queries = of_target.to_numpy()[generator.integers(0, count, count)].sum(axis=0)
        means.append(total / queries)
    # Hesterberg's expanded percentile, of so many targets.
    t = scipy.stats.t.ppf(0.975, count - 1)
    tail = scipy.stats.norm.cdf(-math.sqrt(count / (count - 1)) * t)
    found = Summary(rows).metrics["si_sdr_i"]
    expected = np.quantile(means, [tail, 1 - tail])
    assert [found.ci_low, found.ci_high] == pytest.approx(expected, abs=1e-8)
    assert found.targets == count == 80


def test_mixture_and_oracle_of_esc10_scored_from_scratch_equal_their_committed_rows(
    shared: Path, tmp_path: Path
) -> None:
    source = shared / "data" / "esc10"
    if not source.is_dir():
        pytest.skip("no ESC-10 among the shared data")
    data = str(tmp_path / "esc10")
    line = ["build-dataset", data, "--corpus", "esc50", "--source", str(source), "--only-esc10"]
    assert run(line) == 0
    assert run(["freeze", data]) == 0
    suite = load_suite(data)
    for system, name in ((OracleMask(), "oracle-ratio-mask"), (MixtureSeparator(), "mixture")):
        rows = evaluate(system, suite, progress=False).rows
        committed = pd.read_parquet(ENTRIES / "esc10-test" / f"{name}.parquet")
        rows["text"] = ""  # a table does not publish the sentences
        pd.testing.assert_frame_equal(rows, committed, check_exact=False, atol=1e-9, rtol=0)


# --- groups -----------------------------------------------------------------


def test_breakdowns_are_of_their_rows() -> None:
    rows = rows_by_hand(
        4,
        concept=["dog", "cat", "dog", ""],
        root=["animal", "animal", "animal", "thing"],
        noise_concept=["rain", "rain", "rain", "dog"],
        tags=["a; b", "a; a", "", "b"],  # a tag written twice counts a query once
        annotator="",
        query_type=["tag", "tag", "caption", "caption"],
        audit=["", "shared label; same sound", "shared label", ""],
        sdr=[1.0, 2.0, 4.0, 8.0],
    )
    groups = {
        "concept": {"cat": [1], "dog": [0, 2]},
        "root": {"animal": [0, 1, 2], "thing": [3]},
        "concept_pair": {"cat + rain": [1], "dog + rain": [0, 2]},
        "tag": {"a": [0, 1], "b": [0, 3]},
        "annotator": {},
        "query_type": {"caption": [2, 3], "tag": [0, 1]},
        "audit": {
            "clean": [0, 3], "not clean": [1, 2], "same sound": [1], "shared label": [1, 2],
        },
    }  # fmt: skip
    assert set(BREAKDOWNS) == set(groups)
    for kind, expected in groups.items():
        found = Summary(rows).by(kind)
        assert list(found) == list(expected)
        for name, chosen in expected.items():
            assert found[name]["sdr"].mean == pytest.approx(rows["sdr"][chosen].mean())
            assert found[name]["sdr"].n == len(chosen)
    assert Summary(rows.drop(columns="audit")).by("audit") == {}


def test_nothing_defined_and_few_targets_leave_gaps_and_no_nan() -> None:
    rows = rows_by_hand(4, sar=math.nan, sdr=[1.0, math.nan, 2.0, 6.0], target_id="only")
    for part in (rows, rows[:1]):
        summary = Summary(part)
        sar, sdr = summary.metrics["sar"], summary.metrics["sdr"]
        assert (sar.mean, sar.median, sar.n, sar.targets) == (None, None, 0, 0)
        assert sar.n_undefined == len(part)
        assert (sdr.ci_low, sdr.ci_high, sdr.targets) == (None, None, 1)
        json.dumps(summary.to_dict(), allow_nan=False)
    assert Summary(rows).metrics["sdr"].mean == 3.0


# --- who asked --------------------------------------------------------------


def test_spread_between_annotators_in_closed_form() -> None:
    """value = mixture effect + annotator effect, so every mixture varies alike."""
    mixtures, askers = np.array([0.0, 10.0, 20.0]), np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    spread = asker_spread(pd.DataFrame(mixtures[:, None] + askers[None, :], columns=list("abcde")))
    assert spread is not None
    assert spread.mean == pytest.approx(10.0)
    assert spread.spread == pytest.approx(math.sqrt(2.5))
    assert (spread.worst_annotator, spread.worst) == ("a", pytest.approx(8.0))
    assert spread.worst_of_mixture == pytest.approx(8.0)
    assert spread.within_mixture_sd == pytest.approx(math.sqrt(2.5))
    assert spread.asker_share == pytest.approx(2.0 / (2.0 + 200.0 / 3.0))


def test_worst_of_mixture_is_lower_than_the_worst_annotator_when_they_take_turns() -> None:
    spread = asker_spread(pd.DataFrame([[0.0, 4.0], [4.0, 0.0], [np.nan, 9.0]]))
    assert spread is not None
    assert (spread.mixtures, spread.worst_of_mixture, spread.spread) == (2, 0.0, 0.0)
    assert spread.asker_share == pytest.approx(1.0)
    # One annotator has no spread.
    assert asker_spread(pd.DataFrame([[1.0], [2.0]])) is None
    assert asker_spread(pd.DataFrame([[np.nan, 2.0]])) is None


def test_scores_by_annotator() -> None:
    matrix = np.random.default_rng(0).normal(size=(5, 3))
    asked = list(itertools.product(range(5), "abc"))
    rows = rows_by_hand(
        15,
        mixture_id=[f"m{mixture}" for mixture, _ in asked],
        annotator=[person for _, person in asked],
        si_sdr=matrix.ravel(),
    )
    summary = Summary(rows)
    expected = asker_spread(pd.DataFrame(matrix, columns=list("abc")))
    found = summary.annotators["si_sdr"]
    assert expected is not None
    assert (found.annotators, found.mixtures) == (3, 5)
    assert found == expected
    twice = pd.concat([rows, rows.assign(query_id="again-" + rows["query_id"])])
    assert Summary(twice.reset_index(drop=True)).annotators["si_sdr"] == expected
    means = [cells["si_sdr"].mean for cells in summary.by("annotator").values()]
    assert means == pytest.approx(matrix.mean(axis=0), abs=1e-8)


def test_sentences_fail_where_another_wording_of_the_same_mixture_works() -> None:
    """Five people, four mixtures: some fail, all fail, none fails, one takes the wrong source."""
    values = {
        "some": [3.0, -2.0, 4.0, 0.0, -7.0],
        "all": [-1.0, -2.0, -3.0, -4.0, -5.0],
        "none": [1.0, 2.0, 3.0, 4.0, 5.0],
        "wrong": [1.0, 2.0, 3.0, 6.0, math.nan],
    }
    asked = list(itertools.product(values, range(5)))
    rows = rows_by_hand(
        20,
        mixture_id=[mixture for mixture, _ in asked],
        annotator=[f"a{who + 1}" for _, who in asked],
        si_sdr_i=[values[mixture][who] for mixture, who in asked],
        wrong_source=[(mixture, who) == ("wrong", 1) for mixture, who in asked],
    )
    found = failing_sentences(rows, "si_sdr_i")
    assert found.to_dict("records") == [
        {"query_id": "q0004", "annotator": "a5", "value": -7.0, "best": 4.0, "text": "text-4"},
        {"query_id": "q0001", "annotator": "a2", "value": -2.0, "best": 4.0, "text": "text-1"},
        {"query_id": "q0016", "annotator": "a2", "value": 2.0, "best": 6.0, "text": "text-16"},
    ]


# --- runs -------------------------------------------------------------------


def test_runs_are_averaged_query_by_query_on_what_all_cover() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0], [2.0, math.nan, 5.0, 6.0], [6.0, 3.0, math.inf, 5.0]])
    runs = [rows_by_hand(4, si_sdr_i=of, wrong_source=of > 4) for of in values]
    runs[1] = runs[1][1:]
    mean = mean_over_runs(runs)
    assert mean["query_id"].tolist() == ["q0001", "q0002", "q0003"]
    # Infinity counts 100 dB as in means; an undefined value counts in no mean.
    assert mean["si_sdr_i"].tolist() == pytest.approx([2.5, 108 / 3, 5.0])
    assert mean["wrong_source"].tolist() == pytest.approx([0, 2 / 3, 2 / 3])
    assert Summary(mean).wrong_source_share == pytest.approx(4 / 9)


def test_the_spread_of_runs_is_between_their_means_on_the_same_queries() -> None:
    runs = [rows_by_hand(4, si_sdr_i=np.array([0.0, 2.0, 3.0, 7.0]) + of) for of in (0, 1, 5)]
    expected = math.sqrt(((0 - 2) ** 2 + (1 - 2) ** 2 + (5 - 2) ** 2) / 2)
    assert spread_of_runs(runs, "si_sdr_i") == pytest.approx(expected)
    # What one run lacks must not look like a difference between runs.
    assert spread_of_runs([*runs[:2], runs[2][2:]], "si_sdr_i") == pytest.approx(expected)
    assert spread_of_runs(runs[:1], "si_sdr_i") is None
    assert spread_of_runs([one.assign(sar=math.nan) for one in runs], "sar") is None


# --- averages by name -------------------------------------------------------


def test_averages_by_name_in_closed_form() -> None:
    concepts = ["dog", "dog", "dog", "rain", "rain", "bell", "bell", "siren"]
    values = [1.0, 2.0, 9.0, -4.0, math.inf, 3.0, math.nan, math.nan]
    rows = rows_by_hand(8, concept=concepts, snr_i=values)
    # An infinite value counts 100 dB, as in means; sirens have nothing defined.
    assert average(rows, "snr_i", "mean") == pytest.approx((1 + 2 + 9 - 4 + 100 + 3) / 6)
    assert average(rows, "SNRi", "mean-by-class") == pytest.approx((4 + 48 + 3) / 3)
    assert average(rows, "snr_i", "median-by-class") == pytest.approx((2 + 48 + 3) / 3)
    nothing = rows.assign(snr_i=math.nan)
    assert [average(nothing, "snr_i", name) for name in AVERAGES] == [None] * 3
    with pytest.raises(UsageError, match="did you mean 'median-by-class'"):
        average(rows, "snr_i", "median by class")
    with pytest.raises(UsageError, match="no metric 'attenuation' here"):
        average(rows, "attenuation", "mean")
    with pytest.raises(UsageError, match="none for 2 of 8 queries"):
        average(rows.assign(concept=[*concepts[:6], "", ""]), "snr_i", "mean-by-class")
