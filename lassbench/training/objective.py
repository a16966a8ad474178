"""The loss: how far the masked mixture's spectrogram is from the target's."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from lassbench.models.stft import Stft

LossKind = Literal["magnitude", "phase_sensitive"]

#: Energy of a stretch's spectrogram that counts as silence: that of noise 80 dB
#: below full scale in one frame of 1024 samples.
_SILENCE = 2e-3


class Objective(nn.Module):
    """Spectrograms, the network and the loss: from two waveforms to one number.

    Parameters
    ----------
    loss
        ``magnitude`` is the paper's: the mean of ``| mask |X| - |S| |`` over batch,
        frames and bins.  ``phase_sensitive`` is the share of the mixture's energy
        that is left wrong, ``sum |mask X - S|^2 / sum |X|^2``, averaged over the
        batch (Erdogan et al., 2015, equation 8, before clipping).  Where a network
        is unsure, the first asks for the median, which for short sounds is silence,
        the second for the mean, which never leaves more wrong than the mixture does.
    precision
        What the network computes in; spectrograms and loss are float32.
    """

    def __init__(
        self, net: nn.Module, stft: Stft, *, loss: LossKind, precision: torch.dtype
    ) -> None:
        super().__init__()
        self.net, self.stft = net, stft
        self.loss, self.precision = loss, precision

    def forward(self, mixture: Tensor, target: Tensor, query: tuple[Tensor, ...]) -> Tensor:
        """``(batch, samples)`` twice and the encoded queries to the loss, a scalar."""
        with torch.no_grad():
            spectrum, wanted = self.stft(mixture), self.stft(target)
            magnitude = spectrum.abs()
        lowered = self.precision != torch.float32
        with torch.autocast(mixture.device.type, self.precision, enabled=lowered):
            mask = self.net(magnitude, *query)
        mask = mask.float()
        if self.loss == "magnitude":
            loss: Tensor = (mask * magnitude - wanted.abs()).abs().mean()
            return loss
        return phase_sensitive(mask, spectrum, wanted).mean()


def phase_sensitive(mask: Tensor, mixture: Tensor, target: Tensor) -> Tensor:
    """The share of the mixture's energy that is left wrong, of each row.

    ``(batch, 1, frames, bins)`` three times, the last two complex, to ``(batch,)``.
    """
    # |m X - S|^2 = |m X|^2 - 2 m Re(X* S) + |S|^2: only real arithmetic in the gradient.
    with torch.no_grad():
        power = mixture.real.square() + mixture.imag.square()
        shared = mixture.real * target.real + mixture.imag * target.imag
        wanted = (target.real.square() + target.imag.square()).sum((1, 2, 3))
        scale = power.sum((1, 2, 3)) + _SILENCE
    left = (mask * (mask * power - 2.0 * shared)).sum((1, 2, 3)) + wanted
    return left / scale
