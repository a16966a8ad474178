"""The ResUNet for answering on a CPU: the same numbers in fewer passes over memory.

Once trained, the second batch normalisation of a block is a scale and a shift per
channel, and so is FiLM for a given query.  Both go into the convolution before
them, as factors of its weights and as its bias, which cost nothing; what is left
is done in place.  On two cores that, the channels-last layout and memory that is
not handed back to the system between two layers make up the difference to the
network run plainly (``python -m tests.bench train`` measures it).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lassbench.models.resunet import (
    DROPPED_BINS,
    LEAK,
    DecoderBlock,
    EncoderBlock,
    Film,
    ResidualBlock,
    ResUNet,
)

# Numbers of mallopt's settings in glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_memory() -> bool:
    """Let this process keep the memory that it frees; whether that was possible.

    glibc takes blocks above 32 MB from the system and hands them back at once.
    At full width every layer's output is one, and having its pages cleared takes
    longer than computing it: 22 ms of 27 for an activation of 42 MB.  Other C
    libraries are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 64 << 20))
    results = [mallopt(number, value) for number, value in settings]
    return results == [1, 1, 1]


@dataclass
class _Affine:
    """A batch normalisation in eval mode: ``x * scale + shift`` per channel."""

    scale: Tensor
    shift: Tensor

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> _Affine:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        return cls(scale, norm.bias - norm.running_mean * scale)


def answer(net: ResUNet, magnitude: Tensor, q: Tensor) -> Tensor:
    """Z of each item, as ``net(magnitude, q)`` in eval mode up to rounding.

    Items are taken one at a time: a CPU gains nothing from batches of spectrograms
    this large, and each item's query makes weights of its own.

    Parameters
    ----------
    magnitude, q
        ``(batch, 1, frames, bins)`` and ``(batch, query)``, on the CPU.
    """
    return torch.cat([_one(net, magnitude[n : n + 1], q[n : n + 1]) for n in range(len(q))])


def _one(net: ResUNet, magnitude: Tensor, q: Tensor) -> Tensor:
    frames = magnitude.shape[2]
    x = net.prepared(magnitude)
    skips: list[Tensor] = []
    for level in range(1, net.depth + 1):
        block = net.get_submodule(f"encoder_block{level}")
        assert isinstance(block, EncoderBlock)
        x = _residual(block.conv_block2, _residual(block.conv_block1, x, q), q)
        skips.append(x)
        x = F.avg_pool2d(x, 2)
    middle = net.get_submodule(f"conv_block{net.depth + 1}")
    assert isinstance(middle, ResidualBlock)
    x = _residual(middle, x, q)
    for level in range(1, net.depth + 1):
        up = net.get_submodule(f"decoder_block{level}")
        assert isinstance(up, DecoderBlock)
        x = _normalised(up.bn1, x).relu_()
        x = up.conv1(x)[:, :, :-1, :]
        x = torch.cat((x, skips.pop()), dim=1)
        x = _residual(up.conv_block3, _residual(up.conv_block2, x, q), q)
    x = _residual(net.after_conv_block1, x, q)
    z: Tensor = net.after_conv2(x)
    return F.pad(z[:, :, :frames], (0, DROPPED_BINS))


def _residual(block: ResidualBlock, x: Tensor, q: Tensor) -> Tensor:
    """One residual block for one item: two passes and three convolutions that do the rest."""
    first, second = _film(block.film1, q), _film(block.film2, q)
    norm = _Affine.of(block.bn2)
    first = _Affine(first.scale * norm.scale, first.shift * norm.scale + norm.shift)
    h = F.leaky_relu_(_normalised(block.bn1, x), LEAK)
    h = F.leaky_relu_(_convolved(block.conv1, first, h), LEAK)
    if not block.widens:
        return _convolved(block.conv2, second, h).add_(x)
    through = _film(block.film_res, q)
    assert block.shortcut.bias is not None
    # Both branches end in a bias: the convolution adds them together.
    second.shift = second.shift + through.shift + through.scale * block.shortcut.bias
    shortcut = F.conv2d(x, block.shortcut.weight * through.scale[:, None, None, None])
    return _convolved(block.conv2, second, h).add_(shortcut)


def _film(film: Film, q: Tensor) -> _Affine:
    """What FiLM does for the one query ``q``, per channel."""
    parameters: Tensor = film.linear(q)[0]
    if film.kind == "bias":
        return _Affine(torch.ones_like(parameters), parameters)
    gamma, beta = parameters.chunk(2)
    return _Affine(1.0 + gamma, beta)


def _convolved(conv: nn.Conv2d, after: _Affine, x: Tensor) -> Tensor:
    weight = conv.weight * after.scale[:, None, None, None]
    return F.conv2d(x, weight, after.shift, padding=1)


def _normalised(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    return F.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
    )
