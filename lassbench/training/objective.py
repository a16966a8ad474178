"""The loss: mean absolute error of magnitudes, and if wanted of waveforms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lassbench.models.stft import Stft

#: Keeps the ratio of energies finite for a silent stretch.
_ENERGY_FLOOR = 1e-7


class Objective(nn.Module):
    """Spectrograms, the network and the loss: from two waveforms to one number.

    The paper's loss is the mean of ``| mask |X| - |S| |`` over batch, frames and
    bins.  ``waveform`` adds that many times the mean negative SI-SDR in dB of
    the masked mixture, back in the time domain.
    """

    def __init__(
        self, net: nn.Module, stft: Stft, *, waveform: float, precision: torch.dtype
    ) -> None:
        super().__init__()
        self.net, self.stft = net, stft
        self.waveform, self.precision = waveform, precision

    def forward(self, mixture: Tensor, target: Tensor, query: tuple[Tensor, ...]) -> Tensor:
        """``(batch, samples)`` twice and the encoded queries to the loss, a scalar."""
        with torch.no_grad():
            spectrum = self.stft(mixture)
            magnitude, wanted = spectrum.abs(), self.stft(target).abs()
        lowered = self.precision != torch.float32
        with torch.autocast(mixture.device.type, self.precision, enabled=lowered):
            mask = self.net(magnitude, *query)
        mask = mask.float()
        loss: Tensor = (mask * magnitude - wanted).abs().mean()
        if self.waveform:
            estimate = self.stft.inverse(mask * spectrum, mixture.shape[1])
            loss = loss - self.waveform * si_sdr(estimate, target).mean()
        return loss


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """SI-SDR in dB of each row, differentiable: ``(batch, samples)`` to ``(batch,)``.

    The definition of :func:`lassbench.metrics.ratios.si_sdr`, with a floor under
    both energies.
    """
    inner = (estimate * target).sum(1, keepdim=True)
    scaled = target * inner / (target.square().sum(1, keepdim=True) + _ENERGY_FLOOR)
    wanted = scaled.square().sum(1) + _ENERGY_FLOOR
    left = (estimate - scaled).square().sum(1) + _ENERGY_FLOOR
    return 10.0 * (torch.log10(wanted) - torch.log10(left))
