"""The loss, against numpy and against the package's own SNR."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lassbench.metrics.ratios import snr as reference_snr
from lassbench.models.stft import Stft
from lassbench.training.objective import Objective, limited_snr


class HalfMask(nn.Module):
    def forward(self, magnitude: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        return torch.full_like(magnitude, 0.5) * gain


def waves() -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(0)
    target = random.standard_normal((2, 4000)).astype(np.float32)
    mixture = target + 0.5 * random.standard_normal((2, 4000)).astype(np.float32)
    return torch.from_numpy(mixture), torch.from_numpy(target)


def test_l1_on_magnitudes() -> None:
    mixture, target = waves()
    stft = Stft(frame=256, hop=128)
    objective = Objective(HalfMask(), stft, waveform=0.0, precision=torch.float32)
    x, s = (np.abs(stft(part).numpy()) for part in (mixture, target))
    wanted = np.abs(0.5 * x - s).mean()
    loss = objective(mixture, target, (torch.ones(()),))
    np.testing.assert_allclose(float(loss), wanted, rtol=1e-6)


def test_the_waveform_term_is_the_snr_limited_to_30_db() -> None:
    estimate, target = waves()
    wanted = [
        reference_snr(reference=t.numpy(), estimate=e.numpy())
        for t, e in zip(target, estimate, strict=True)
    ]
    # The limit adds 1e-3 of the target's energy to what is left.
    limited = [-10 * np.log10(10 ** (-snr / 10) + 1e-3) for snr in wanted]
    np.testing.assert_allclose(limited_snr(estimate, target).numpy(), limited, atol=1e-3)
    np.testing.assert_allclose(limited_snr(target, target).numpy(), 30.0, atol=0.02)


def test_the_loss_has_the_waveform_term() -> None:
    mixture, target = waves()
    stft = Stft(frame=256, hop=128)
    gain = torch.ones((), requires_grad=True)
    plain, both = (
        Objective(HalfMask(), stft, waveform=weight, precision=torch.float32)(
            mixture, target, (gain,)
        )
        for weight in (0.0, 0.1)
    )
    wanted = plain - 0.1 * limited_snr(0.5 * mixture, target).mean()
    torch.testing.assert_close(both, wanted, atol=1e-4, rtol=0)
    both.backward()
    assert torch.isfinite(gain.grad).all()  # type: ignore[arg-type]


def test_silence_is_no_place_to_rest() -> None:
    """A silent estimate of a sound has a gradient that leads away from it."""
    _, target = waves()
    gain = torch.zeros((), requires_grad=True)
    limited_snr(gain * target, target).sum().backward()
    assert float(gain.grad) > 1.0  # type: ignore[arg-type]


def test_silence_gives_finite_numbers() -> None:
    silent = torch.zeros(1, 1000, requires_grad=True)
    value = limited_snr(silent, torch.zeros(1, 1000)).sum()
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(silent.grad).all()  # type: ignore[arg-type]
