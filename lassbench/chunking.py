"""A long recording in stretches, for networks that take only so much at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def chunks(
    samples: int, longest: int, overlap: int
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Cut ``samples`` into stretches of equal length that overlap.

    Yields
    ------
    tuple
        First sample, one past the last, and the weights ``(stop - start,)``:
        linear cross-fades that add up to one everywhere.
    """
    count = max(1, math.ceil((samples - overlap) / (longest - overlap)))
    length = math.ceil((samples + (count - 1) * overlap) / count)
    fade = (np.arange(overlap, dtype=np.float32) + 0.5) / max(overlap, 1)
    for number in range(count):
        start = number * (length - overlap)
        stop = min(start + length, samples)
        weights = np.ones(stop - start, np.float32)
        if number > 0:
            weights[:overlap] = fade
        if number < count - 1:
            weights[stop - start - overlap :] = 1.0 - fade
        yield start, stop, weights
