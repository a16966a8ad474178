"""A small leaderboard of made-up results, built once; tests that change it copy it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lassbench.leaderboard.adding import add_scores
from lassbench.scores.score_file import Scores, SuiteInfo
from tests.leaderboard import made
from tests.leaderboard.made import DATE
from tests.scores.by_hand import of_rows


def fill(root: Path, scratch: Path) -> Path:
    """Three suites: separation with all kinds of systems, absent sounds, annotators."""
    main = made.suite_info("made-test")
    absent = made.suite_info("made-absent", synthetic=False)
    asked = made.suite_info("made-asked", queries=100, synthetic=False)

    def score(name: str, suite: SuiteInfo, quality_db: float, seed: int, **more: Any) -> Scores:
        return made.make_scores(name, suite=suite, quality_db=quality_db, seed=seed, **more)

    mixture = score("Mixture", main, 0, 6, system={"query_type": "none", "parameters": 0})
    # All that is not target is interference.
    rows = mixture.rows.assign(sar=np.nan, sir=mixture.rows["sdr"])
    scores = [
        score("LASS-Net", main, 6.2, 1),
        score("LASS-Net small", main, 5.1, 2),
        score("UNet (tags)", main, 5.0, 3, system={"query_type": "tag"}),
        score("Oracle mask", main, 12, 5, system={"query_type": "oracle"}),
        of_rows(mixture, rows.assign(sir_i=rows["sir"] - rows["sir_mixture"])),
        score("Half done", main, 9, 7, keep=range(40), renderable=60),
        score("LASS-Net", absent, 14, 8, kind="absent"),
        score("LASS-Net", asked, 5.5, 9, annotators=5),
        score("LASS-Net small", asked, 4, 10, annotators=5),
    ]
    paths = [made.write(scratch / f"{number}", one) for number, one in enumerate(scores)]
    add_scores(root, paths, date=DATE)
    return root


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up leaderboard: read it, do not change it."""
    place = tmp_path_factory.mktemp("made")
    return fill(place / "leaderboard", place / "scores")


@pytest.fixture
def board(filled: Path, tmp_path: Path) -> Path:
    """A copy of the made-up leaderboard to change."""
    return Path(shutil.copytree(filled, tmp_path / "leaderboard"))
