"""Every benchmark can be found and says what it measures."""

from __future__ import annotations

import ast

import pytest

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
