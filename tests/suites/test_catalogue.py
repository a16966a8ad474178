"""The table of suites, and what of them is here."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench.benchmark import manifests
from lassbench.cli import run
from lassbench.dataset import Dataset
from lassbench.suites import catalogue, freezing
from lassbench.suites.importing import import_suite
from lassbench.suites.lists_of_others import FORMATS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "suites.md"


def test_the_page_has_the_commands_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["suites", "--markdown"]) == 0
    table = capsys.readouterr().out
    assert table in DOCS.read_text(encoding="utf-8")
    cells = {line.count(" | ") for line in table.splitlines() if not line.startswith("|---")}
    assert cells == {7}
    assert run(["suites", "nowhere"]) == 2
    assert "nowhere: no such folder" in capsys.readouterr().err


def test_every_format_and_every_frozen_list_is_in_the_table() -> None:
    known = {one.name: one for one in catalogue.known_suites()}
    assert set(FORMATS) < set(known)
    benchmark = manifests.open_benchmark()
    for name in benchmark.suites:
        with (benchmark.path / f"{name}.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        mixtures = {row["mixture_id"] for row in rows}
        assert (known[name].mixtures, known[name].queries) == (str(len(mixtures)), str(len(rows)))
    assert known["lass-test"].kind == "separation" and known["lass-absent"].kind == "absent"
    assert known["dcase2024-task9-real"].kind == "unreferenced"


def imported(folder: Path, name: str) -> Path:
    """A suite in AudioSep's form, with one of its two mixtures."""
    folder.mkdir()
    sf.write(folder / "segment-0.wav", np.full(800, 0.1), 32000)
    sf.write(folder / "mixture-0.wav", np.linspace(0, 0.5, 800), 32000)
    listed = folder / "list.csv"
    listed.write_text("idx,caption,src_wav,noise_wav\n0,dog,a.wav,b.wav\n1,cat,c.wav,d.wav\n")
    import_suite(listed, folder, folder / "suite", kind="audiosep-esc50", name=name)
    return folder / "suite"


def test_suites_are_found_by_name_and_by_format(
    tmp_path: Path, tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    esc = imported(tmp_path / "esc", "my-esc")
    shutil.copytree(tiny_dataset.path, tmp_path / "data")
    plan = freezing.plan_separation(tiny_dataset, noises=1)
    here = tmp_path / "data" / "suites"
    freezing.freeze(plan, tiny_dataset, here / "synthetic-test", export_audio=False)
    plan = freezing.plan_separation(tiny_dataset, name="odd", noises=1)
    freezing.freeze(plan, tiny_dataset, here / "odd", export_audio=False)
    shutil.copytree(here / "odd", here / ".odd.123-abcdef.part")
    (tmp_path / "lass-test").mkdir()
    (tmp_path / "lass-test" / "suite.json").write_text('{"name": 3, \x1b')
    monkeypatch.chdir(tmp_path)
    lines = catalogue.describe([Path(), esc, esc.parent])

    def line_of(name: str) -> str:
        (found,) = (line for line in lines if line.startswith(f"{name} "))
        return found

    assert f"{esc} (1 of 2 mixtures)" in line_of("audiosep-esc50")
    assert line_of("audiosep-esc50").count("1 of 2") == 1  # one folder, found in three ways
    assert "data/suites/synthetic-test (20 of 20 mixtures)" in line_of("synthetic-test")
    assert "lass-test (cannot be used: not valid JSON" in line_of("lass-test")
    assert line_of("clapsep-esc").endswith("-")
    assert lines[-2:] == ["other suites here:", "  data/suites/odd: odd, 20 of 20 mixtures"]
    assert not any("\x1b" in line or ".part" in line for line in lines)
