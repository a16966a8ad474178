"""LASS-Net: separation by sentence (FACTS section 2)."""

from __future__ import annotations

from torch import Tensor, nn

from lassbench.config import NetworkConfig
from lassbench.models.query import TextEmbedder
from lassbench.models.resunet import ResUNet


class LassNet(nn.Module):
    """Magnitudes and token numbers to a mask.

    The two parts carry the names they have in the authors' checkpoint.
    """

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
