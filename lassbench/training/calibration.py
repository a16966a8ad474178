"""The statistics of batch normalisation, taken anew before a checkpoint is saved."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def calibrate(
    net: nn.Module,
    objective: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor, tuple[Tensor, ...]]],
) -> None:
    """Average the statistics of ``net`` over ``batches``, of which there must be one at least.

    Running averages lag behind weights that move fast: after a few hundred
    steps a network that separates in training mode may not in eval mode.
    Nothing but the statistics changes, so a run still resumes exactly.
    """
    norms = [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]
    net.eval()  # no dropout, which would move the random state
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # the plain average of all batches
    # Averaging asks for a number on the host, which breaks compiled code for good.
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        for batch in batches:
            objective(*batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    net.train()
