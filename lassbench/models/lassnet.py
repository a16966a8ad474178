"""The reference systems: LASS-Net, asked in words (FACTS section 2), and the tag UNet.

Both are the same ResUNet with another embedder of queries in front; the tag UNet shows
what language adds, or costs.  The parts carry the names they have in the authors'
checkpoint.
"""

from __future__ import annotations

from torch import Tensor, nn

from lassbench.models.config import NetworkConfig
from lassbench.models.query import TagEmbedder, TextEmbedder
from lassbench.models.resunet import ResUNet


class LassNet(nn.Module):
    """Magnitudes and token numbers to a mask."""

    def __init__(self, network: NetworkConfig, bert: nn.Module, hidden: int) -> None:
        super().__init__()
        self.UNet = ResUNet.of(network)
        self.text_embedder = TextEmbedder(bert, hidden, network.query)

    def embed(self, ids: Tensor, mask: Tensor) -> Tensor:
        """``(batch, tokens)`` numbers and attention mask to ``(batch, query)``."""
        embedding: Tensor = self.text_embedder(ids, mask)
        return embedding

    def forward(self, magnitude: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """``(batch, 1, frames, bins)`` to a mask of the same shape, within (0, 1)."""
        z: Tensor = self.UNet(magnitude, self.embed(ids, mask))
        return z.float().sigmoid()


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
