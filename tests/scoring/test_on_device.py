"""The batched path gives the numbers of the other one; on a GPU where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from lassbench import freezing
from lassbench.dataset import Dataset
from lassbench.errors import UsageError
from lassbench.scores import LIMIT_DB, SAR_UNDEFINED_DB
from lassbench.scoring import Settings, score_folders
from lassbench.scoring.on_device import measure_on_device
from lassbench.scoring.pieces import InMemory, cut, make_piece, measure
from lassbench.suites import Suite


@pytest.fixture(scope="module")
def suite(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    plan = freezing.plan_separation(tiny_dataset, name="batched", noises=2)
    out = tmp_path_factory.mktemp("frozen") / "batched"
    return freezing.freeze(plan, tiny_dataset, out, export_audio=False)


def answers(suite: Suite, level: float) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    found = {}
    for number, query in enumerate(suite.queries.values()):
        rendered = suite.render(query.mixture_id)
        noise = generator.normal(size=suite.samples) * level * np.abs(rendered.mixture).mean()
        estimate = rendered.target + 0.3 * rendered.interference + noise
        # A silent one, the mixture itself and a perfect one are among them.
        estimate = {3: 0 * estimate, 4: rendered.mixture, 5: rendered.target}.get(number, estimate)
        found[query.query_id] = np.asarray(estimate, dtype=np.float32)
    return found


def limited(values: Mapping[str, float]) -> dict[str, float]:
    """What rows and means make of ``values``: beyond these limits a library's rounding shows."""
    return {
        name: min(max(value, -LIMIT_DB), SAR_UNDEFINED_DB if name == "sar" else LIMIT_DB)
        for name, value in values.items()
    }


def devices() -> list[str]:
    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", devices())
def test_the_same_numbers(suite: Suite, device: str) -> None:
    systems = [answers(suite, 0.01), answers(suite, 0.5)]
    pieces = [
        make_piece(
            suite,
            queries,
            [InMemory({q.query_id: one[q.query_id] for q in queries}) for one in systems],
        )
        for queries in cut(suite, suite.renderable_queries)
    ]
    batched = list(measure_on_device(pieces, device))
    assert len(batched) == len(pieces)
    for found, piece in zip(batched, pieces, strict=True):
        for (a, lost), (b, _) in zip(found, measure(piece), strict=True):
            assert not lost
            assert [one.query_id for one in a] == [one.query_id for one in b]
            for one, other in zip(a, b, strict=True):
                assert limited(one.values) == pytest.approx(limited(other.values), abs=1e-6)
                assert (one.level_db, one.wrong_source) == (other.level_db, other.wrong_source)
                assert one.samples_sha256 == other.samples_sha256


@pytest.mark.parametrize("device", ["abacus", "cpu:x", "mps", "cuda:99", ""])
def test_a_device_that_is_not_there_is_refused_before_anything_is_read(
    suite: Suite, device: str
) -> None:
    with pytest.raises(UsageError, match=f"device '{device}'"):
        score_folders([Path("nowhere")], suite, settings=Settings(device=device))
