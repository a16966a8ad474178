"""The systems that need no training: the mixture (the floor) and the oracle mask (a ceiling)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lassbench.benchmark.mixtures import Rendered
from lassbench.cards import SystemCard
from lassbench.records import Query

Samples = NDArray[np.float32]

#: The STFT of the oracle mask: the paper's (FACTS section 2).
FRAME, HOP = 1024, 512


class MixtureSeparator:
    """Returns the mixture untouched: improvements are measured from here."""

    card = SystemCard(
        name="Mixture",
        query_type="none",
        description="The mixture, untouched: the floor that improvements start from.",
    )

    def separate(self, mixture: Samples, query: str, sample_rate: int) -> Samples:
        """The mixture itself."""
        return mixture


class OracleMask:
    r"""Ideal ratio mask: an upper bound for masks that keep the mixture's phase.

    With the STFTs :math:`S, N, X` of target, interference and mixture, the
    estimate is the inverse STFT of :math:`X \, |S| / (|S| + |N|)`.
    """

    card = SystemCard(
        name="Oracle ratio mask",
        query_type="oracle",
        description="Ideal ratio mask from the true sources: an upper bound, not a system.",
    )

    def separate_oracle(self, rendered: Rendered, query: Query, sample_rate: int) -> Samples:
        """The masked mixture; silence where the queried sound is not in it."""
        if query.expects == "silence":
            return np.zeros_like(rendered.mixture)
        from scipy.signal import ShortTimeFFT
        from scipy.signal.windows import hann

        transform = ShortTimeFFT(hann(FRAME, sym=False), hop=HOP, fs=1.0)
        target, noise, mixture = (
            transform.stft(part.astype(np.float64))
            for part in (rendered.target, rendered.interference, rendered.mixture)
        )
        magnitude = np.abs(target)
        total = magnitude + np.abs(noise)
        mask = np.divide(magnitude, total, out=np.zeros_like(magnitude), where=total > 0.0)
        estimate = transform.istft(mask * mixture, k1=rendered.mixture.shape[0])
        return np.asarray(estimate, dtype=np.float32)
