"""Statistics taken anew: the plain average over the batches, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from lassbench.dataset import Dataset
from lassbench.models.checkpoints import load_checkpoint
from lassbench.models.config import Config
from lassbench.training import train
from lassbench.training.calibration import calibrate


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm2d(2, momentum=0.3), nn.Dropout(0.5)

    def forward(self, mixture: Tensor, _target: Tensor, _query: tuple[Tensor, ...]) -> Tensor:
        out: Tensor = self.drop(self.norm(mixture)).mean()
        return out


def test_the_statistics_are_the_average_over_the_batches() -> None:
    generator = torch.Generator().manual_seed(0)
    given = [3 + torch.randn(4, 2, 5, 6, generator=generator) for _ in range(3)]
    net = Normed()
    net(given[0] * 100, given[0], ())  # what it knew before is forgotten
    weight, state = net.norm.weight.clone(), torch.get_rng_state()

    def batches() -> Iterator[tuple[Tensor, Tensor, tuple[Tensor, ...]]]:
        for one in given:
            yield one, one, ()

    calibrate(net, net, batches())
    mean = torch.stack([one.mean((0, 2, 3)) for one in given]).mean(0)
    variance = torch.stack([one.var((0, 2, 3)) for one in given]).mean(0)
    torch.testing.assert_close(net.norm.running_mean, mean)
    torch.testing.assert_close(net.norm.running_var, variance)
    assert net.norm.momentum == 0.3
    assert net.training
    assert net.drop.training
    assert torch.equal(net.norm.weight, weight)
    assert torch.equal(torch.get_rng_state(), state), "no dropout was drawn"


def test_a_run_calibrates_where_its_config_says(
    tiny_dataset: Dataset, tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    found = {}
    for batches in (0, 3):
        config = tiny_config(train={"calibrate_batches": batches})
        train(config, tiny_dataset, tmp_path / str(batches), device="cpu")
        found[batches] = dict(load_checkpoint(tmp_path / str(batches) / "last.safetensors").weights)
    counted = [key for key in found[3] if key.endswith("num_batches_tracked")]
    assert {int(found[3][key]) for key in counted} == {3}
    assert {int(found[0][key]) for key in counted} == {6}
    # The updates are the same: statistics do not enter them.
    same = [key for key in found[0] if not key.endswith(("running_mean", "running_var", "tracked"))]
    assert all(torch.equal(found[0][key], found[3][key]) for key in same)
