"""The loss: mean absolute error of magnitudes, and if wanted of waveforms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lassbench.models.stft import Stft

#: Energy of a stretch that counts as silence: one sample at -20 dB of full scale.
_SILENCE = 1e-2


class Objective(nn.Module):
    """Spectrograms, the network and the loss: from two waveforms to one number.

    The paper's loss is the mean of ``| mask |X| - |S| |`` over batch, frames and
    bins.  ``waveform`` adds that many times the mean negative SNR in dB of the
    masked mixture, back in the time domain: the expectation where L1 seeks the
    median, which for short sounds is silence.
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
            loss = loss - self.waveform * limited_snr(estimate, target).mean()
        return loss


def limited_snr(estimate: Tensor, target: Tensor) -> Tensor:
    """SNR in dB of each row, at most 30: ``(batch, samples)`` to ``(batch,)``.

    Not SI-SDR: that knows no level, so that with a floor under its energies a
    silent estimate stands at 0 dB, where no gradient leads away.  Here a silent
    target is a task like any other: the less is left, the better.
    """
    wanted = target.square().sum(1)
    left = (estimate - target).square().sum(1)
    limited = left + 1e-3 * wanted + _SILENCE
    return 10.0 * (torch.log10(wanted + _SILENCE) - torch.log10(limited))
