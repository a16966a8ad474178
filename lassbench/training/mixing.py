"""The benchmark's mixing rule (FACTS section 1), batched, wherever the samples lie."""

from __future__ import annotations

import torch
from torch import Tensor

#: A random stretch of a clip may be silent; dividing by this keeps it so.
_SILENCE = 1e-9


def mix(target: Tensor, noise: Tensor, snr_db: Tensor) -> tuple[Tensor, Tensor]:
    """Mix pairs of clips as :func:`lassbench.benchmark.mixtures.render` does, in float32.

    Parameters
    ----------
    target, noise
        ``(batch, samples)`` float32 at any scale.
    snr_db
        ``(batch,)``: the target's peak over the noise's, in dB.

    Returns
    -------
    tuple
        Mixture and target, each ``(batch, samples)``: divided by the largest
        absolute sample among mixture, target and noise.
    """
    gain = torch.pow(10.0, -snr_db[:, None] / 20.0)
    target = target / _peak(target)
    noise = noise * (gain / _peak(noise))
    mixture = target + noise
    # Two peaks are known: a peak divided by itself is 1.
    largest = torch.maximum(_peak(mixture), gain.clamp_min(1.0))
    return mixture / largest, target / largest


def _peak(samples: Tensor) -> Tensor:
    low, high = samples.aminmax(dim=1, keepdim=True)
    return torch.maximum(high, -low).clamp_min(_SILENCE)
