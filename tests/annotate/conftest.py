"""A campaign on the small synthetic dataset: 20 test clips, five annotators."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lassbench.annotate.campaign import Campaign, plan_campaign
from lassbench.annotate.store import Store
from lassbench.dataset import Dataset


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def campaign(tiny_dataset: Dataset) -> Campaign:
    return plan_campaign(tiny_dataset)


@pytest.fixture
def store(campaign: Campaign, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    made = Store.create(tmp_path / "store.sqlite", campaign, clock=clock)
    yield made
    made.close()
