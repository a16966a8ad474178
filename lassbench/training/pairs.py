"""Which clips are mixed at which step: a pure function of seed, rank and step.

Nothing is carried from step to step, so a resumed run draws exactly what an
uninterrupted one would have drawn, and each rank has a stream of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lassbench.models.config import MixingConfig
from lassbench.training.roster import Roster

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Draw:
    """One rank's share of a batch: numbers into the roster, all of shape (batch,).

    ``offset`` is the first sample of a random stretch of the mixture, 0 for all of it.
    """

    target: Indices
    noise: Indices
    caption: Indices
    offset: Indices
    snr_db: NDArray[np.float32]


class PairStream:
    """Draws pairs of clips of different concepts, and a caption of each target.

    Parameters
    ----------
    batch
        Pairs a step for this rank.
    spare
        Samples that a clip is longer than what is trained on; offsets are drawn
        from 0 to that, inclusive.
    """

    def __init__(
        self,
        roster: Roster,
        mixing: MixingConfig,
        *,
        seed: int,
        rank: int,
        batch: int,
        spare: int = 0,
    ) -> None:
        self._roster, self._mixing = roster, mixing
        self._seed, self._rank, self._batch, self._spare = seed, rank, batch, spare
        self._starts = np.unique(roster.first)

    def draw(self, step: int) -> Draw:
        """The pairs of one step."""
        # Philox is a function of its key: no state to keep or to advance.
        key = np.array([self._seed, (self._rank << 40) + step], dtype=np.uint64)
        u = np.random.Generator(np.random.Philox(key=key)).random((6, self._batch))
        roster = self._roster
        target = self._targets(u[0], u[4])
        first, count = roster.first[target], roster.count[target]
        # Any clip but those of the target's concept, which are one range.
        noise = _index(u[1], len(roster.clips) - count)
        noise += np.where(noise >= first, count, 0)
        low, high = self._mixing.snr_range_db
        return Draw(
            target=target,
            noise=noise,
            caption=roster.first_caption[target] + _index(u[2], roster.captions[target]),
            offset=_index(u[3], self._spare + 1),
            snr_db=(low + (high - low) * u[5]).astype(np.float32),
        )

    def _targets(self, u: NDArray[np.float64], v: NDArray[np.float64]) -> Indices:
        if self._mixing.balance == "clips":
            return _index(u, len(self._roster.clips))
        first = self._starts[_index(v, len(self._starts))]
        return first + _index(u, self._roster.count[first])


def _index(u: NDArray[np.float64], below: Indices | int) -> Indices:
    """Uniform numbers in [0, 1) to whole numbers from 0 to ``below - 1``."""
    # Rounding may bring u * below up to below itself.
    below = np.asarray(below, dtype=np.int64)
    drawn: Indices = np.minimum(np.floor(u * below).astype(np.int64), below - 1)
    return drawn
