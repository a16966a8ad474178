"""A small leaderboard of made-up results, built once; tests that change it copy it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lassbench.leaderboard.adding import add_scores
from tests.leaderboard import made

DATE = "2026-01-02"


def fill(root: Path, scratch: Path) -> Path:
    """Three suites: separation with all kinds of systems, absent sounds, annotators."""
    main = made.suite_info("made-test")
    absent = made.suite_info("made-absent", synthetic=False)
    asked = made.suite_info("made-asked", queries=100, synthetic=False)
    card = {"query_type": "none", "parameters": 0}
    mixture = made.make_scores("Mixture", suite=main, quality_db=0, seed=6, system=card)
    # All that is not target is interference.
    rows = mixture.rows.assign(sar=np.nan, sir=mixture.rows["sdr"])
    no_artefacts = rows.assign(sir_i=rows["sir"] - rows["sir_mixture"])
    scores = [
        made.make_scores("LASS-Net", suite=main, quality_db=6.2, seed=1),
        made.make_scores("LASS-Net small", suite=main, quality_db=5.1, seed=2),
        made.make_scores(
            "UNet (tags)", suite=main, quality_db=5.0, seed=3, system={"query_type": "tag"}
        ),
        made.make_scores(
            "Oracle mask", suite=main, quality_db=12, seed=5, system={"query_type": "oracle"}
        ),
        made.of_rows(mixture, no_artefacts),
        made.make_scores(
            "Half done", suite=main, quality_db=9, seed=7, keep=range(40), renderable=60
        ),
        made.make_scores("LASS-Net", suite=absent, kind="absent", quality_db=14, seed=8),
        made.make_scores("LASS-Net", suite=asked, annotators=5, quality_db=5.5, seed=9),
        made.make_scores("LASS-Net small", suite=asked, annotators=5, quality_db=4, seed=10),
    ]
    paths = [
        made.write(scratch / f"{number}", score) for number, score in enumerate(scores, start=1)
    ]
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
