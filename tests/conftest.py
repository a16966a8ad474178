"""Fixtures for the whole suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lassbench.dataset import Dataset

CHROMIUM = Path("/usr/bin/chromium")
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings and reference outputs beside the checkout."""
    if not (SHARED / "FACTS.md").is_file():
        pytest.skip(f"no shared data beside the checkout ({SHARED.name}/ with FACTS.md)")
    return SHARED


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    if not CHROMIUM.exists():
        pytest.skip("Debian's chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A synthetic dataset: ten concepts x (3 train, 1 validation, 2 test), 1 s at 8 kHz.

    Shared by the whole session: freeze suites into a folder of your own.
    """
    from lassbench.corpora.synthetic import SyntheticCorpus
    from lassbench.dataset import open_dataset
    from lassbench.dataset.build import build

    corpus = SyntheticCorpus(clips_per_concept=(3, 1, 2), sample_rate_hz=8000, seconds=1.0)
    folder = tmp_path_factory.mktemp("tiny") / "dataset"
    build(corpus, folder)
    return open_dataset(folder)
