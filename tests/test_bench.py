"""Every benchmark can be found and says what it measures."""

from __future__ import annotations

import ast

import numpy as np
import pytest
import scipy.stats

from tests.bench import intervals
from tests.bench.__main__ import FOLDER, main, names


@pytest.mark.parametrize("name", sorted(names()))
def test_a_benchmark_has_a_docstring_and_a_main(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    assert names()[name]
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert "main" in functions


def test_without_a_name_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "  decode" in capsys.readouterr().out


def test_a_wrong_name_is_met_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decoed"]) == 2
    assert "did you mean 'decode'" in capsys.readouterr().err


def test_the_bca_interval_that_is_compared_is_scipys() -> None:
    values = np.random.default_rng(1).exponential(size=25)
    low, high = intervals.intervals(values[:, np.newaxis], np.ones(25), 20_000, 0)["BCa"]
    oracle = scipy.stats.bootstrap((values,), np.mean, n_resamples=20_000, rng=2)
    found = oracle.confidence_interval
    assert (low[0], high[0]) == pytest.approx((found.low, found.high), rel=0.02)


def test_few_simulated_intervals_make_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    intervals.main(["50", "99", "6,30"])
    printed = capsys.readouterr().out
    assert printed.count("| log-normal ") == 3 * 2 * 2
    assert "nan" not in printed
