"""The tag UNet: the same ResUNet, told which tags to extract instead of a sentence.

Beside LASS-Net it shows what language adds, or costs.
"""

from __future__ import annotations

from torch import Tensor, nn

from lassbench.config import NetworkConfig
from lassbench.models.query import TagEmbedder
from lassbench.models.resunet import ResUNet


class TagUNet(nn.Module):
    """Magnitudes and multi-hot tags to a mask."""

    def __init__(self, network: NetworkConfig, tags: int) -> None:
        super().__init__()
        self.UNet = ResUNet.of(network)
        self.tag_embedder = TagEmbedder(tags, network.query)

    def embed(self, hot: Tensor) -> Tensor:
        """Multi-hot ``(batch, tags)`` to ``(batch, query)``."""
        embedding: Tensor = self.tag_embedder(hot)
        return embedding

    def forward(self, magnitude: Tensor, hot: Tensor) -> Tensor:
        """``(batch, 1, frames, bins)`` to a mask of the same shape, within (0, 1)."""
        z: Tensor = self.UNet(magnitude, self.embed(hot))
        return z.float().sigmoid()
