"""The ResUNet for answering on a CPU: the same numbers with less arithmetic, in fewer passes.

Once trained, a batch normalisation is a scale and a shift per channel, and so is
FiLM for a given query: both go into the convolutions beside them.  Wide 3x3
convolutions are done in tiles (:mod:`lassbench.models.winograd`), with a quarter of
the products.  Several items are answered side by side, each by threads of its own:
threads that share an item wait for each other after every layer.
``python -m tests.bench train`` measures what it comes to.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

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
from lassbench.models.winograd import Pointwise, TiledConvolution, available
from lassbench.parallel import map_ordered

Item = TypeVar("Item")
Answer = TypeVar("Answer")

#: Channels, in and out, from which on tiles win: making them costs by the channel,
#: the products that they save go by its square.
_TILED = 64

#: Items at a time, at most: each holds the activations of a whole network.
_SIDE_BY_SIDE = 4

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


def side_by_side(
    function: Callable[[Item], Answer], items: Iterable[Item], *, count: int
) -> Iterator[Answer]:
    """``function`` of each of ``count`` items, in order, in threads that share the processors.

    In the threads torch is in inference mode and has its share of the threads that
    it has here.
    """
    threads = torch.get_num_threads()
    workers = min(count, threads, _SIDE_BY_SIDE)
    if workers <= 1:
        yield from map(function, items)
        return

    def one(item: Item) -> Answer:
        with torch.inference_mode():
            return function(item)

    try:
        with ThreadPoolExecutor(
            workers, initializer=torch.set_num_threads, initargs=(threads // workers,)
        ) as pool:
            yield from map_ordered(pool, one, items, ahead=workers)
    finally:
        # torch counts per thread, but new threads begin with what was set last.
        torch.set_num_threads(threads)


class Answering:
    """A ResUNet in eval mode, made ready once to answer many queries.

    Parameters
    ----------
    net
        On the CPU; its weights as they are now.  The tiled convolutions keep a
        copy of theirs, four times as large.
    """

    def __init__(self, net: ResUNet) -> None:
        self._net = net
        self._blocks: dict[ResidualBlock, _Residual] = {
            block: _Residual(block) for block in net.modules() if isinstance(block, ResidualBlock)
        }

    def __call__(self, magnitude: Tensor, q: Tensor) -> Tensor:
        """Z of one item, as ``net(magnitude, q)`` in eval mode up to rounding.

        Parameters
        ----------
        magnitude, q
            ``(1, 1, frames, bins)`` and ``(1, query)``.
        """
        net, residual = self._net, self._blocks
        frames = magnitude.shape[2]
        x = net.prepared(magnitude)
        skips: list[Tensor] = []
        for level in range(1, net.depth + 1):
            block = net.get_submodule(f"encoder_block{level}")
            assert isinstance(block, EncoderBlock)
            x = residual[block.conv_block2](residual[block.conv_block1](x, q), q)
            skips.append(x)
            x = F.avg_pool2d(x, 2)
        middle = net.get_submodule(f"conv_block{net.depth + 1}")
        assert isinstance(middle, ResidualBlock)
        x = residual[middle](x, q)
        for level in range(1, net.depth + 1):
            up = net.get_submodule(f"decoder_block{level}")
            assert isinstance(up, DecoderBlock)
            x = up.conv1(_pointwise(_norm(up.bn1, slope=0.0), x))[:, :, :-1, :]
            x = torch.cat((x, skips.pop()), dim=1)
            x = residual[up.conv_block3](residual[up.conv_block2](x, q), q)
        z: Tensor = net.after_conv2(residual[net.after_conv_block1](x, q))
        return F.pad(z[:, :, :frames], (0, DROPPED_BINS))


class _Residual:
    """One residual block."""

    def __init__(self, block: ResidualBlock) -> None:
        self._block = block
        self._bn1, self._bn2 = _norm(block.bn1, slope=LEAK), _norm(block.bn2, slope=LEAK)
        self._conv1, self._conv2 = _convolution(block.conv1), _convolution(block.conv2)

    def __call__(self, x: Tensor, q: Tensor) -> Tensor:
        block, norm = self._block, self._bn2
        first, second = _film(block.film1, q), _film(block.film2, q)
        between = Pointwise(
            first.scale * norm.scale, first.shift * norm.scale + norm.shift, norm.slope
        )
        h = self._conv1(x, before=self._bn1, after=between, added=None)
        if not block.widens:
            return self._conv2(h, before=None, after=second, added=x)
        through = _film(block.film_res, q)
        assert block.shortcut.bias is not None
        # A 1x1 convolution, as the matrix product that it is where channels come last.
        shortcut = F.linear(
            x.permute(0, 2, 3, 1),
            block.shortcut.weight[:, :, 0, 0] * through.scale[:, None],
            through.shift + through.scale * block.shortcut.bias,
        ).permute(0, 3, 1, 2)
        return self._conv2(h, before=None, after=second, added=shortcut)


def _film(film: Film, q: Tensor) -> Pointwise:
    """What FiLM does for the one query ``q``."""
    parameters: Tensor = film.linear(q)[0]
    if film.kind == "bias":
        return Pointwise(torch.ones_like(parameters), parameters)
    gamma, beta = parameters.chunk(2)
    return Pointwise(1.0 + gamma, beta)


def _norm(norm: nn.BatchNorm2d, *, slope: float) -> Pointwise:
    """A batch normalisation in eval mode, and the ReLU behind it."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
    return Pointwise(scale, norm.bias.detach() - norm.running_mean * scale, slope)


class _Convolution(Protocol):
    def __call__(
        self, x: Tensor, *, before: Pointwise | None, after: Pointwise, added: Tensor | None
    ) -> Tensor: ...


def _convolution(conv: nn.Conv2d) -> _Convolution:
    """``after(conv(before(x))) + added`` in the way that is quickest for its width."""
    if min(conv.in_channels, conv.out_channels) >= _TILED and available():
        return TiledConvolution(conv.weight)
    return _Direct(conv.weight.detach())


class _Direct:
    """torch's convolution, what follows it folded into its weights and bias."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight

    def __call__(
        self, x: Tensor, *, before: Pointwise | None, after: Pointwise, added: Tensor | None
    ) -> Tensor:
        h = x if before is None else _pointwise(before, x)
        h = F.conv2d(h, self._weight * after.scale[:, None, None, None], after.shift, padding=1)
        if after.slope != 1.0:
            h = F.leaky_relu_(h, after.slope)
        return h if added is None else h.add_(added)


def _pointwise(wanted: Pointwise, x: Tensor) -> Tensor:
    zeros, ones = torch.zeros_like(wanted.scale), torch.ones_like(wanted.scale)
    # torch's own way to scale and shift channels in one pass: 1e-30 is nothing beside 1.
    h = torch.batch_norm(x, wanted.scale, wanted.shift, zeros, ones, False, 0.0, 1e-30, False)
    return F.leaky_relu_(h, wanted.slope)
