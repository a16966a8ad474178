"""The short-time Fourier transform of the paper, and its exact inverse.

Hann window, frames centred (the ends reflected): with 1024 samples a frame and
a hop of 512, ten seconds at 32 kHz are 513 bins by 626 frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Stft(nn.Module):
    """Waveforms to complex spectrograms and back.

    Parameters
    ----------
    frame, hop
        Samples a frame and between frames.  ``hop`` is at most half a frame, so
        that the overlapping windows can be divided out everywhere.
    """

    window: Tensor

    def __init__(self, *, frame: int, hop: int) -> None:
        super().__init__()
        self.frame, self.hop = frame, hop
        self.register_buffer("window", torch.hann_window(frame), persistent=False)

    @property
    def bins(self) -> int:
        """Frequencies of a frame: 513 for 1024 samples."""
        return self.frame // 2 + 1

    def forward(self, samples: Tensor) -> Tensor:
        """``(batch, samples)`` real to ``(batch, 1, frames, bins)`` complex.

        Signals shorter than a frame are zero-padded to one: reflection at the
        ends needs something to reflect.
        """
        samples = F.pad(samples, (0, max(0, self.frame - samples.shape[-1])))
        spectrum = torch.stft(
            samples, self.frame, self.hop, window=self.window, center=True, return_complex=True
        )
        return spectrum.transpose(1, 2).unsqueeze(1)

    def inverse(self, spectrum: Tensor, samples: int) -> Tensor:
        """``(batch, 1, frames, bins)`` complex to ``(batch, samples)`` real.

        With hop = frame / 2 the reflected margin of half a frame is enough for
        every sample to be covered by two windows, so the inverse is exact.
        """
        whole = max(samples, self.frame)
        back = torch.istft(
            spectrum.squeeze(1).transpose(1, 2),
            self.frame,
            self.hop,
            window=self.window,
            center=True,
            length=whole,
        )
        return back[:, :samples]
