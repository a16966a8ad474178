"""SeparationNet: the ResUNet that maps a magnitude spectrogram and a query to a mask.

The layout is that of the authors' released network (FACTS section 2), and so
are the parameters' names: a state dict of theirs loads here key by key.  Widths
and depth are free; the shape handling that the release does for six levels and
513 bins is written for any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lassbench.models.config import NetworkConfig

FilmKind = Literal["bias", "affine"]
InputKind = Literal["magnitude", "log"]

#: Added to magnitudes before the logarithm: what lies far below is silence.  A full-scale
#: sine in a Hann frame of 1024 samples has a magnitude of 256.
LOG_FLOOR = 1e-2

#: Bins dropped from the top before the first block (513 - 2 = 511): with them
#: gone, halving with floor and doubling with 2n + 1 are each other's inverse.
DROPPED_BINS = 2

#: Slope of LeakyReLU below zero.
LEAK = 0.01


class Film(nn.Module):
    """Feature-wise modulation of ``(batch, channels, T, F)`` by a query ``(batch, query)``.

    ``bias`` is the release: ``x + ReLU(Linear(2C -> C)(ReLU(Linear(query -> 2C)(q))))``.
    ``affine`` is the paper's ``gamma * x + beta``, both from one two-layer
    network; its gamma is an offset from one, so that training starts at the
    identity.
    """

    def __init__(self, channels: int, query: int, kind: FilmKind) -> None:
        super().__init__()
        self.kind = kind
        layers: list[nn.Module] = [nn.Linear(query, 2 * channels), nn.ReLU()]
        if kind == "bias":
            layers += [nn.Linear(2 * channels, channels), nn.ReLU()]
        else:
            layers += [nn.Linear(2 * channels, 2 * channels)]
        self.linear = nn.Sequential(*layers)

    def forward(self, x: Tensor, q: Tensor) -> Tensor:
        """``x`` modulated by ``q``; shapes as in the class."""
        parameters: Tensor = self.linear(q)[:, :, None, None]
        if self.kind == "bias":
            return x + parameters
        gamma, beta = parameters.chunk(2, dim=1)
        return torch.addcmul(beta, x, 1.0 + gamma)


class ResidualBlock(nn.Module):
    """Two pre-activated 3x3 convolutions with FiLM after each, plus the input.

    Where the channel counts differ, the input passes a 1x1 convolution with a
    FiLM of its own.
    """

    def __init__(self, inner: int, outer: int, query: int, film: FilmKind) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inner)
        self.bn2 = nn.BatchNorm2d(outer)
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1, bias=False)
        self.film1 = Film(outer, query, film)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.film2 = Film(outer, query, film)
        self.widens = inner != outer
        if self.widens:
            self.shortcut = nn.Conv2d(inner, outer, 1)
            self.film_res = Film(outer, query, film)

    def forward(self, x: Tensor, q: Tensor) -> Tensor:
        """``(batch, inner, T, F)`` and ``(batch, query)`` to ``(batch, outer, T, F)``."""
        h = self.conv1(F.leaky_relu(self.bn1(x), LEAK))
        h = self.film1(h, q)
        h = self.conv2(F.leaky_relu(self.bn2(h), LEAK))
        h = self.film2(h, q)
        out: Tensor = h + (self.film_res(self.shortcut(x), q) if self.widens else x)
        return out


class EncoderBlock(nn.Module):
    """Two residual blocks, then 2x2 average pooling; the skip is taken before it."""

    def __init__(self, inner: int, outer: int, query: int, film: FilmKind) -> None:
        super().__init__()
        self.conv_block1 = ResidualBlock(inner, outer, query, film)
        self.conv_block2 = ResidualBlock(outer, outer, query, film)

    def forward(self, x: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """The pooled features and the skip."""
        skip = self.conv_block2(self.conv_block1(x, q), q)
        return F.avg_pool2d(skip, 2), skip


class DecoderBlock(nn.Module):
    """Doubling by transposed convolution, joined with the skip; two residual blocks.

    The transposed convolution (3x3, stride 2, no padding) makes ``2n + 1`` of
    ``n``: that restores the odd number of bins, and the one frame too many is
    cut off.
    """

    def __init__(self, inner: int, outer: int, query: int, film: FilmKind) -> None:
        super().__init__()
        self.conv1 = nn.ConvTranspose2d(inner, outer, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv_block2 = ResidualBlock(2 * outer, outer, query, film)
        self.conv_block3 = ResidualBlock(outer, outer, query, film)

    def forward(self, x: Tensor, skip: Tensor, q: Tensor) -> Tensor:
        """``(batch, inner, T, F)`` to ``(batch, outer, 2T, 2F + 1)``."""
        x = self.conv1(F.relu(self.bn1(x)))[:, :, :-1, :]
        x = torch.cat((x, skip), dim=1)
        out: Tensor = self.conv_block3(self.conv_block2(x, q), q)
        return out


class ResUNet(nn.Module):
    """Magnitudes and a query to Z, whose sigmoid is the mask.

    Parameters
    ----------
    widths
        Channels of the encoder blocks, outermost first; their number is the
        depth.  The middle block keeps the innermost width and the decoder
        mirrors the encoder.
    query
        Width of the query embedding.
    film
        How the query modulates the features.
    input
        Whether the first block sees magnitudes or their logarithm.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int],
        query: int,
        film: FilmKind,
        input: InputKind = "magnitude",
    ) -> None:
        super().__init__()
        self.depth, self.input = len(widths), input
        inner = (1, *widths[:-1])
        for level, (a, b) in enumerate(zip(inner, widths, strict=True), start=1):
            self.add_module(f"encoder_block{level}", EncoderBlock(a, b, query, film))
        middle = ResidualBlock(widths[-1], widths[-1], query, film)
        self.add_module(f"conv_block{self.depth + 1}", middle)
        below = (widths[-1], *reversed(widths))
        for level, b in enumerate(reversed(widths), start=1):
            self.add_module(f"decoder_block{level}", DecoderBlock(below[level - 1], b, query, film))
        self.after_conv_block1 = ResidualBlock(widths[0], widths[0], query, film)
        self.after_conv2 = nn.Conv2d(widths[0], 1, 1)
        self.apply(_xavier)

    @classmethod
    def of(cls, network: NetworkConfig) -> ResUNet:
        """The network that a config describes."""
        return cls(
            widths=network.widths, query=network.query, film=network.film, input=network.input
        )

    def forward(self, magnitude: Tensor, q: Tensor) -> Tensor:
        """Z of the same shape as ``magnitude``, ``(batch, 1, frames, bins)``.

        Frames are zero-padded at the end to a multiple of ``2 ** depth`` and
        the padding is cut off again; the last two bins are left out, and Z is 0
        (mask 0.5) there.
        """
        frames = magnitude.shape[2]
        x = F.pad(magnitude, (0, -DROPPED_BINS, 0, -frames % 2**self.depth))
        if self.input == "log":
            x = torch.log(x + LOG_FLOOR)
        skips: list[Tensor] = []
        for level in range(1, self.depth + 1):
            x, skip = self.get_submodule(f"encoder_block{level}")(x, q)
            skips.append(skip)
        x = self.get_submodule(f"conv_block{self.depth + 1}")(x, q)
        for level in range(1, self.depth + 1):
            x = self.get_submodule(f"decoder_block{level}")(x, skips.pop(), q)
        z: Tensor = self.after_conv2(self.after_conv_block1(x, q))
        return F.pad(z[:, :, :frames], (0, DROPPED_BINS))


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
