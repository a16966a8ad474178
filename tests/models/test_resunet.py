"""The ResUNet at any width and depth, and what FiLM does."""

from __future__ import annotations

import pytest
import torch

from lassbench.models.config import NetworkConfig
from lassbench.models.lassnet import LassNet, TagUNet
from lassbench.models.query import build_bert
from lassbench.models.resunet import DROPPED_BINS, LOG_FLOOR, Film, ResUNet


def small(film: str = "affine", widths: tuple[int, ...] = (4, 6, 8)) -> ResUNet:
    torch.manual_seed(0)
    return ResUNet(widths=widths, query=5, film=film).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("widths", "bins", "frames"),
    [
        ((3,), 17, 9),
        ((4, 6), 65, 31),
        ((4, 6, 8), 129, 64),
        ((2, 2, 2, 2, 2, 2), 513, 65),
        ((2, 3, 4, 5, 6, 7, 8), 1025, 1),
        ((4, 4), 241, 10),  # half of a frame of 480 samples: not a power of two
    ],
)
def test_any_shape_comes_back(widths: tuple[int, ...], bins: int, frames: int) -> None:
    net = ResUNet(widths=widths, query=5, film="bias").eval()
    with torch.inference_mode():
        z = net(torch.rand(2, 1, frames, bins), torch.rand(2, 5))
    assert z.shape == (2, 1, frames, bins)
    assert (z[..., -DROPPED_BINS:] == 0).all()
    assert (z[..., :-DROPPED_BINS] != 0).any()


def test_padding_at_the_end_is_zeros_and_nothing_else() -> None:
    net, q = small(), torch.rand(1, 5)
    x = torch.rand(1, 1, 13, 65)
    padded = torch.cat([x, torch.zeros(1, 1, 3, 65)], dim=2)
    with torch.inference_mode():
        assert torch.equal(net(x, q), net(padded, q)[:, :, :13])


def test_a_log_input_sees_the_logarithm_and_nothing_else_changes() -> None:
    plain, x, q = small(), torch.rand(1, 1, 16, 65), torch.rand(1, 5)
    log = ResUNet(widths=(4, 6, 8), query=5, film="affine", input="log").eval()
    log.load_state_dict(plain.state_dict())
    with torch.inference_mode():
        wanted = plain(torch.log(x + LOG_FLOOR), q)
        torch.testing.assert_close(log(x, q), wanted)


def test_the_two_highest_bins_are_not_looked_at() -> None:
    net, q = small(), torch.rand(1, 5)
    x = torch.rand(1, 1, 16, 65)
    loud = x.clone()
    loud[..., -DROPPED_BINS:] = 1e6
    with torch.inference_mode():
        assert torch.equal(net(x, q), net(loud, q))


def test_the_query_matters() -> None:
    for film in ("bias", "affine"):
        net, x = small(film), torch.rand(1, 1, 16, 65)
        with torch.inference_mode():
            a, b = net(x, torch.zeros(1, 5)), net(x, torch.ones(1, 5))
        assert (a - b).abs().max() > 1e-3


def test_film_by_hand() -> None:
    x, q = torch.rand(2, 3, 4, 5), torch.rand(2, 7)
    bias = Film(3, 7, "bias")
    first, _, second, _ = bias.linear
    hidden = (q @ first.weight.T + first.bias).clamp_min(0)
    shift = (hidden @ second.weight.T + second.bias).clamp_min(0)
    torch.testing.assert_close(bias(x, q), x + shift[:, :, None, None])

    affine = Film(3, 7, "affine")
    first, _, second = affine.linear
    hidden = (q @ first.weight.T + first.bias).clamp_min(0)
    gamma, beta = (hidden @ second.weight.T + second.bias)[:, :, None, None].split(3, dim=1)
    torch.testing.assert_close(affine(x, q), (1 + gamma) * x + beta)


def test_convolutions_start_xavier_uniform() -> None:
    net = small(widths=(64, 64))
    weight = net.get_submodule("conv_block3").conv1.weight.detach()  # type: ignore[union-attr]
    limit = (6 / (2 * 64 * 9)) ** 0.5
    assert weight.abs().max() <= limit
    assert weight.abs().max() > 0.99 * limit
    assert abs(float(weight.var()) - limit**2 / 3) < 0.02 * limit**2


@pytest.mark.parametrize("film", ["bias", "affine"])
def test_every_parameter_is_trained(film: str) -> None:
    network = NetworkConfig(widths=(4, 6), query=5, film=film)  # type: ignore[arg-type]
    shape = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    nets = (
        (
            LassNet(network, build_bert({**shape, "intermediate_size": 16}), hidden=8),
            (torch.tensor([[2, 5, 6], [2, 7, 0]]), torch.tensor([[1, 1, 1], [1, 1, 0]])),
        ),
        (TagUNet(network, tags=3), (torch.tensor([[1.0, 0, 1], [0, 1.0, 0]]),)),
    )
    for net, query in nets:
        torch.manual_seed(1)
        net.train()(torch.rand(2, 1, 8, 17), *query).square().sum().backward()
        idle = [name for name, part in net.named_parameters() if part.grad is None]
        assert not idle


def test_masks_lie_between_zero_and_one() -> None:
    net = TagUNet(NetworkConfig(widths=(4,), query=5), tags=2).eval()
    with torch.inference_mode():
        mask = net(100 * torch.rand(1, 1, 8, 17), torch.tensor([[1.0, 0.0]]))
    assert ((mask >= 0) & (mask <= 1)).all()
    assert (mask[..., -DROPPED_BINS:] == 0.5).all()
