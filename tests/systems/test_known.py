"""The table of systems: what each needs, and what else can be named."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lassbench.cli import run
from lassbench.systems.finding import BUILT_IN
from lassbench.systems.known import OTHERS, UNTESTED, known_rows
from lassbench.systems.published import PUBLISHED


def test_every_system_is_listed_with_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["systems"]) == 0
    told = capsys.readouterr().out
    table, *parts = told.split("\n\n")
    assert table.count("\n") == len(PUBLISHED)
    for one, row, part in zip(PUBLISHED.values(), table.splitlines()[1:], parts, strict=False):
        assert row.startswith(one.name) and one.licence in row
        assert row.endswith(one.ran_with_weights or UNTESTED)
        assert part.startswith(f"{one.name}: ") and one.weights in part and one.repository in part
        for name, option in one.options.items():
            assert one.as_typed(name) in part and option.help in part
        for name, kept in one.packages.items():
            assert " ".join([name, *kept[:1]]) in part
    assert [line.split("  ")[1] for line in parts[-1].splitlines()[1:]] == list(OTHERS)
    assert set(BUILT_IN) < set(OTHERS)


def test_the_markdown_has_a_row_a_system(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["systems", "--markdown"]) == 0
    header, rule, *rows = capsys.readouterr().out.splitlines()
    columns = len(known_rows()[0]) + 1
    assert {line.count("|") for line in (header, rule, *rows)} == {columns + 1}
    assert [row.split(" ")[1] for row in rows] == list(PUBLISHED)
    for row, one in zip(rows, PUBLISHED.values(), strict=True):
        assert one.weights.replace("_", "") in row.replace("\\_", "").replace("_", "")


def test_listing_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from lassbench.cli import run\n"
        "assert run(['systems']) == 0\n"
        "heavy = {'torch', 'pandas', 'numpy', 'scipy', 'av', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(f'loads {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
