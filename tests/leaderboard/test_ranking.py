"""Ranks: on shared queries only, shared where nothing tells systems apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.entries import TABLE_METRICS
from lassbench.leaderboard.ranking import GENERATIVE, Standings, standings
from lassbench.scores.rows import METRICS
from lassbench.scores.score_file import Scores
from lassbench.scores.statistics import bootstrap_columns
from tests.leaderboard import made
from tests.scores.by_hand import of_rows


def table(root: Path, suite: str, metric: str = "") -> Standings:
    board = read_leaderboard(root)
    return standings(board.suites[suite], board.entries[suite], metric=metric)


def place(root: Path, *scores: Scores) -> Path:
    made.add(root, *scores)
    return root


def test_best_first_with_references_and_partial_entries_unranked(filled: Path) -> None:
    found = table(filled, "made-test")
    order = [row.name for row in found.rows]
    means = [row.figures["si_sdr_i"].mean for row in found.rows]
    assert means == sorted(means, reverse=True)
    ranked = {row.name for row in found.rows if row.figures["si_sdr_i"].rank is not None}
    assert ranked == {"LASS-Net", "LASS-Net small", "UNet (tags)", "Mixture"}
    because = {row.name: row.unranked_because for row in found.rows}
    assert "upper bound" in because["Oracle mask"]
    assert "partial" in because["Half done"]
    assert order[0] == "Oracle mask"


def test_partial_entries_do_not_shrink_what_others_are_compared_on(filled: Path) -> None:
    found = table(filled, "made-test")
    assert found.shared["si_sdr_i"] == 60
    half = next(row for row in found.rows if row.name == "Half done")
    assert (half.figures["si_sdr_i"].n, half.figures["si_sdr_i"].shared) == (40, False)


def test_systems_that_cannot_be_told_apart_share_a_rank(tmp_path: Path) -> None:
    suite = made.suite_info("s")
    root = place(
        tmp_path / "b",
        made.make_scores("A", suite=suite, quality_db=8, seed=1),
        made.make_scores("B", suite=suite, quality_db=5, seed=2),
        made.make_scores("C", suite=suite, quality_db=5, seed=3),
        made.make_scores("D", suite=suite, quality_db=1, seed=4),
    )
    figures = {row.name: row.figures["si_sdr_i"] for row in table(root, "s").rows}
    assert figures["A"].rank == 1
    assert not figures["A"].tied
    assert figures["B"].rank == figures["C"].rank == 2
    assert figures["B"].tied
    assert figures["D"].rank == 4
    assert (figures["B"].rank_low, figures["B"].rank_high) == (2, 3)


def test_ranks_stand_on_the_intersection_of_coverage(tmp_path: Path) -> None:
    """Clips vanish: A lacks some queries, B others; both are compared on the rest."""
    suite = made.suite_info("s", synthetic=False)
    root = place(
        tmp_path / "b",
        made.make_scores("A", suite=suite, seed=1, keep=range(5, 60), renderable=55),
        made.make_scores("B", suite=suite, seed=2, keep=range(50), renderable=50),
    )
    found = table(root, "s")
    assert found.shared["si_sdr_i"] == 45
    for row in found.rows:
        numbers = row.loaded.rows["query_id"].str[1:].astype(int)
        chosen = row.loaded.rows[numbers.between(5, 49)]
        figure = row.figures["si_sdr_i"]
        assert figure.mean == pytest.approx(chosen["si_sdr_i"].mean(), abs=1e-9)
        expected = bootstrap_columns(chosen[["si_sdr_i"]], list(chosen["target_id"]))[0]
        assert (figure.ci_low, figure.ci_high) == pytest.approx((expected.low, expected.high))
        assert (figure.n, figure.targets) == (45, 9)
        assert figure.rank is not None


def test_an_entry_that_covers_too_little_is_not_ranked(tmp_path: Path) -> None:
    suite = made.suite_info("s", synthetic=False)
    root = place(
        tmp_path / "b",
        made.make_scores("A", suite=suite, seed=1),
        made.make_scores("B", suite=suite, seed=2, keep=range(29), renderable=29),
    )
    found = table(root, "s")
    assert found.shared["si_sdr_i"] == 60
    assert "less than 50%" in next(r for r in found.rows if r.name == "B").unranked_because


def test_higher_is_better_in_every_metric_of_the_tables() -> None:
    """Ranks, the order of rows and what is bold rest on it."""
    names = {name for names in TABLE_METRICS.values() for name in names}
    assert {METRICS[name].better for name in names} == {"higher"}


def test_an_undefined_metric_is_not_ranked(filled: Path) -> None:
    found = table(filled, "made-test", metric="sar")
    mixture = next(row for row in found.rows if row.name == "Mixture")
    assert mixture.figures["sar"].mean is None
    assert mixture.figures["sar"].rank is None
    assert mixture is found.rows[-1]
    assert found.shared["sar"] == 60


def test_sar_is_never_bold_on_its_own(tmp_path: Path) -> None:
    """A system that hardly touches the mixture wins SAR; the best one may win it too."""
    suite = made.suite_info("s")
    idle = made.make_scores("Idle", suite=suite, quality_db=0.1, seed=1)
    rows = idle.rows.assign(sar=50.0)
    rows["sdr"] = -10 * np.log10(10 ** (-rows["sir"] / 10) + (1 + 10 ** (-rows["sir"] / 10)) / 1e5)
    rows["sdr_i"] = rows["sdr"] - rows["sdr_mixture"]
    idle = of_rows(idle, rows)
    best = made.make_scores("Best", suite=suite, quality_db=9, seed=2)
    root = place(tmp_path / "b", idle, best)
    found = {row.name: row for row in table(root, "s").rows}
    assert found["Idle"].figures["sar"].rank == 1
    assert not found["Idle"].leads("sar")
    assert found["Best"].leads("si_sdr_i")
    alone = {row.name: row for row in table(place(tmp_path / "c", best), "s").rows}
    assert alone["Best"].leads("sar")


def test_training_data_that_holds_test_clips_is_told(tmp_path: Path) -> None:
    suite = made.suite_info("lass-made")
    scores = made.make_scores(
        "Heard", suite=suite, system={"trained_on": ("AudioCaps train",), "generative": True}
    )
    [row] = table(place(tmp_path / "b", scores), "lass-made").rows
    [heard] = row.heard
    assert heard.startswith("Trained on AudioCaps train: 195 of its 200 test clips")
    assert heard.endswith(".")
    assert row.notes == (heard, GENERATIVE)


def test_a_suite_without_entries_has_an_empty_table(board: Path) -> None:
    shutil.rmtree(board / "entries" / "made-absent")
    found = table(board, "made-absent")
    assert list(found.rows) == []
    assert set(found.shared.values()) == {0}
