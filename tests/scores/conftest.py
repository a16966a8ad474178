"""Predictions for small suites, made and scored once; a test that spoils some copies them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lassbench.dataset import Dataset
from lassbench.scores.score import score_folders
from lassbench.scores.score_file import Scores
from lassbench.suites import freezing
from lassbench.suites.suite import Suite, load_suite
from lassbench.systems.builtin import MixtureSeparator, OracleMask
from lassbench.systems.run import separate_suite
from tests.scores.by_hand import muffled


@pytest.fixture(scope="session")
def frozen(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Suites ``sep``, ``absent`` and, in three phrasings, ``asked``."""
    folder = tmp_path_factory.mktemp("frozen")
    plan = freezing.plan_separation(tiny_dataset, name="sep", noises=2)
    freezing.freeze(plan, tiny_dataset, folder / "sep", export_audio=False)
    absent = freezing.plan_silence(plan, name="absent")
    freezing.freeze(absent, tiny_dataset, folder / "absent", export_audio=False)
    asked = freezing.plan_separation(tiny_dataset, name="asked", noises=1, phrasings=3)
    freezing.freeze(asked, tiny_dataset, folder / "asked", export_audio=False)
    return folder


@pytest.fixture(scope="session")
def suite(frozen: Path) -> Suite:
    return load_suite(frozen / "sep")


@pytest.fixture(scope="session")
def made(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prediction folders: oracle, mixture, muffled."""
    folder = tmp_path_factory.mktemp("predictions")
    for name, system in (
        ("oracle", OracleMask()),
        ("mixture", MixtureSeparator()),
        ("muffled", muffled),
    ):
        separate_suite(system, suite, folder / name)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the muffled predictions to spoil."""
    return Path(shutil.copytree(made / "muffled", tmp_path / "muffled"))


@pytest.fixture(scope="session")
def scored(made: Path, suite: Suite) -> dict[str, Scores]:
    names = ("oracle", "mixture", "muffled")
    found = score_folders([made / name for name in names], suite, workers=1)
    return dict(zip(names, found, strict=True))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which the test runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
