"""Which clips are described, and under which ids."""

from __future__ import annotations

import hashlib
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from lassbench.annotate.campaign import Campaign, plan_campaign
from lassbench.benchmark import manifests
from lassbench.csv_files import Row
from lassbench.dataset import Dataset
from lassbench.errors import UsageError
from lassbench.records import Mixture


def fake(clip_ids: set[str]) -> Any:
    """A dataset of LASS-2022 as far as planning looks at one."""
    return SimpleNamespace(
        card=SimpleNamespace(benchmark="lass-2022"),
        clips=dict.fromkeys(clip_ids),
        name="lass-2022",
        title="LASS-2022",
        fingerprint="0" * 64,
        path="nowhere",
    )


@pytest.fixture(scope="module")
def slots() -> list[tuple[Row, Mixture]]:
    return manifests.suite_rows(manifests.open_benchmark("lass-2022"), "lass-sub-test")


def test_lass_2022_keeps_its_frozen_list(slots: list[tuple[Row, Mixture]]) -> None:
    targets = {mixture.target_id for _, mixture in slots}
    planned = plan_campaign(fake(targets), clips_per_concept=1, annotators=2)
    assert (len(planned.clips), len(planned.mixtures)) == (50, 250)
    frozen = {(row["mixture_id"], row["annotator"]): row["query_id"] for row, _ in slots}
    assert planned.query_ids() == frozen
    assert len(frozen) == 1250
    assert next(iter(planned.query_ids().values())) == "lass-sub-test-0001-a1"


def test_clips_that_are_not_here_keep_their_numbers(slots: list[tuple[Row, Mixture]]) -> None:
    targets = list(dict.fromkeys(mixture.target_id for _, mixture in slots))
    planned = plan_campaign(fake(set(targets[1:])))
    assert planned.absent == (targets[0],)
    assert list(planned.clips) == targets[1:]
    assert len(planned.query_ids()) == 1250
    with pytest.raises(UsageError, match="none of the clips"):
        plan_campaign(fake(set()))


def test_any_dataset_gives_the_first_clips_in_hash_order(tiny_dataset: Dataset) -> None:
    planned = plan_campaign(tiny_dataset, clips_per_concept=1, annotators=3, noises=2)
    concepts = Counter(tiny_dataset.clips[clip_id].concept for clip_id in planned.clips)
    assert set(concepts.values()) == {1}
    assert len(concepts) == 10
    for clip_id in planned.clips:
        rivals = [
            clip.clip_id
            for clip in tiny_dataset.split("test")
            if clip.concept == tiny_dataset.clips[clip_id].concept
        ]
        assert clip_id == min(rivals, key=lambda c: hashlib.sha256(c.encode()).hexdigest())
    assert planned.annotators == ("a1", "a2", "a3")
    assert len(planned.mixtures) == 20
    assert {mixture.target_id for mixture in planned.mixtures} == set(planned.clips)


def test_everybody_hears_every_clip_in_an_order_of_their_own(campaign: Campaign) -> None:
    orders = [tuple(campaign.order(who)) for who in campaign.annotators]
    assert len(set(orders)) == 5
    assert all(sorted(order) == sorted(campaign.clips) for order in orders)


def test_a_campaign_survives_its_json(campaign: Campaign) -> None:
    assert Campaign.from_json(campaign.to_json(), "here") == campaign


@pytest.mark.parametrize(
    "wrong", [{"annotators": 0}, {"annotators": 100}, {"clips_per_concept": 0}, {"language": "xx"}]
)
def test_senseless_numbers_are_refused(tiny_dataset: Dataset, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        plan_campaign(tiny_dataset, **wrong)
