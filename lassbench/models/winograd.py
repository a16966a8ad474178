"""3x3 convolutions by Winograd's F(4x4, 3x3): a quarter of the products.

A tile of 4 x 4 outputs depends on 6 x 6 inputs d.  Instead of 144 products per pair
of channels it takes 36 (Lavin and Gray, "Fast Algorithms for Convolutional Neural
Networks", CVPR 2016, equation 8)::

    Y = A^T [ (G g G^T) * (B^T d B) ] A

summed over the input channels.  That sum makes 36 matrix products, tiles by
channels; B and A hold small integers, so the rest is additions.  What stands
before and after the convolution (normalisation, leaky ReLU, FiLM, the residual
connection) is done while the tiles are made and taken apart, so that no pass over
memory is spent on it.

Rounding grows with the tile: about five times that of the direct convolution,
1e-5 of the output's spread.

Layout is that of ``channels_last``: ``(frames, bins, channels)`` in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lassbench.compiling import loops

Floats = NDArray[np.float32]

_LOOPS = "lassbench.models.winograd_loops"

#: Outputs a tile's side, and inputs.
_OUT, _IN = 4, 6

#: Bytes of the transformed tiles that are made at a time: they pass through the
#: cache to the matrix products and back.
_AT_ONCE = 4 << 20

# G of F(4, 3), for the points 0, 1, -1, 2, -2 and infinity.
_G = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)


@dataclass(frozen=True)
class Pointwise:
    """``x * scale + shift`` per channel, negative values of it times ``slope``."""

    scale: Tensor
    shift: Tensor
    slope: float = 1.0


def available() -> bool:
    """Whether the loops can be compiled here."""
    return loops(_LOOPS) is not None


class TiledConvolution:
    """A 3x3 convolution with padding 1 and no bias, its weights transformed once.

    Parameters
    ----------
    weight
        ``(outputs, inputs, 3, 3)``.
    """

    def __init__(self, weight: Tensor) -> None:
        outputs, inputs = weight.shape[:2]
        # G g G^T of every pair of channels as one product: (36, 9) by (9, inputs outputs).
        rows = weight.detach().permute(2, 3, 1, 0).reshape(9, -1)
        self.weight = (torch.kron(_G, _G).float() @ rows).view(_IN * _IN, inputs, outputs)

    def __call__(
        self, x: Tensor, *, before: Pointwise | None, after: Pointwise, added: Tensor | None
    ) -> Tensor:
        """``after(convolution(before(x))) + added``.

        Shapes ``(1, inputs, frames, bins)`` to ``(1, outputs, frames, bins)``,
        ``channels_last``.
        """
        compiled: Any = loops(_LOOPS)
        inputs, outputs = self.weight.shape[1:]
        _, _, frames, bins = x.shape
        y = torch.empty(1, outputs, frames, bins, memory_format=torch.channels_last)
        source, out = _plane(x), _plane(y)
        first = before or Pointwise(torch.ones(inputs), torch.zeros(inputs))
        scales = [part.numpy() for part in (first.scale, first.shift, after.scale, after.shift)]
        rest = _plane(added) if added is not None else np.empty((0, 0, 0), np.float32)
        down, across = -(-frames // _OUT), -(-bins // _OUT)
        rows = max(1, min(down, _AT_ONCE // (_IN * _IN * across * inputs * 4)))
        # One tile more than needed: rows whose distance is a power of two would all
        # fall on the same few lines of the cache.
        d, m = (torch.empty(_IN * _IN, rows * across + 1, c) for c in (inputs, outputs))
        for top in range(0, down, rows):
            bottom = min(top + rows, down)
            n = (bottom - top) * across
            compiled.tiles(source, *scales[:2], np.float32(first.slope), top, bottom, d.numpy())
            for part in range(_IN * _IN):
                torch.mm(d[part, :n], self.weight[part], out=m[part, :n])
            compiled.untile(m.numpy(), *scales[2:], np.float32(after.slope), rest, top, bottom, out)
        return y


def _plane(x: Tensor) -> Floats:
    """``(1, channels, frames, bins)`` as ``(frames, bins, channels)``: a view where it can be."""
    plane: Floats = x[0].permute(1, 2, 0).contiguous().numpy()
    return plane
