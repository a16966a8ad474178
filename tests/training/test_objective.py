"""The losses, against numpy and against what they are in the time domain."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lassbench.models.stft import Stft
from lassbench.training.objective import LossKind, Objective, phase_sensitive


class HalfMask(nn.Module):
    def forward(self, magnitude: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        return torch.full_like(magnitude, 0.5) * gain


def waves() -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(0)
    target = random.standard_normal((2, 4000)).astype(np.float32)
    mixture = target + 0.5 * random.standard_normal((2, 4000)).astype(np.float32)
    return torch.from_numpy(mixture), torch.from_numpy(target)


def loss_of(
    kind: LossKind, mixture: torch.Tensor, target: torch.Tensor, gain: torch.Tensor
) -> torch.Tensor:
    objective = Objective(HalfMask(), Stft(frame=256, hop=128), loss=kind, precision=torch.float32)
    loss: torch.Tensor = objective(mixture, target, (gain,))
    return loss


def test_l1_on_magnitudes() -> None:
    mixture, target = waves()
    stft = Stft(frame=256, hop=128)
    x, s = (np.abs(stft(part).numpy()) for part in (mixture, target))
    loss = loss_of("magnitude", mixture, target, torch.ones(()))
    np.testing.assert_allclose(float(loss), np.abs(0.5 * x - s).mean(), rtol=1e-6)


def test_phase_sensitive_is_the_share_of_energy_left_wrong() -> None:
    mixture, target = waves()
    stft = Stft(frame=256, hop=128)
    x, s = (stft(part).numpy() for part in (mixture, target))
    wanted = np.mean(
        [np.sum(np.abs(0.5 * a - b) ** 2) / np.sum(np.abs(a) ** 2) for a, b in zip(x, s)]
    )
    loss = loss_of("phase_sensitive", mixture, target, torch.ones(()))
    np.testing.assert_allclose(float(loss), wanted, rtol=1e-4)


def test_phase_sensitive_does_not_depend_on_the_level() -> None:
    mixture, target = waves()
    loud = loss_of("phase_sensitive", mixture, target, torch.ones(()))
    quiet = loss_of("phase_sensitive", 0.1 * mixture, 0.1 * target, torch.ones(()))
    torch.testing.assert_close(quiet, loud, rtol=1e-3, atol=0)


def test_phase_sensitive_asks_for_the_wiener_gain_where_the_network_cannot_tell() -> None:
    """One gain for everything: the best is what least squares gives, not 0 or 1."""
    mixture, target = waves()
    stft = Stft(frame=256, hop=128)
    x, s = stft(mixture), stft(target)
    best = float((x.conj() * s).real.sum() / x.abs().square().sum())
    around = [
        float(phase_sensitive(torch.full(x.shape, gain), x, s).sum())
        for gain in (best - 0.05, best, best + 0.05)
    ]
    assert around[1] == min(around)


@pytest.mark.parametrize("kind", ["magnitude", "phase_sensitive"])
def test_silence_gives_finite_numbers(kind: LossKind) -> None:
    gain = torch.ones((), requires_grad=True)
    loss = loss_of(kind, torch.zeros(1, 1000), torch.zeros(1, 1000), gain)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(gain.grad).all()  # type: ignore[arg-type]
