"""Answering in fewer passes: the same numbers as the network itself."""

from __future__ import annotations

import threading

import pytest
import torch
from torch.nn import functional as F

from lassbench.compiling import NO_NUMBA
from lassbench.models import inference, winograd
from lassbench.models.inference import Answering, keep_memory, side_by_side
from lassbench.models.resunet import ResUNet
from lassbench.models.winograd import Pointwise, TiledConvolution


@pytest.mark.parametrize("tiled", [1, 64])
@pytest.mark.parametrize(("film", "input_"), [("bias", "magnitude"), ("affine", "log")])
@pytest.mark.parametrize("widths", [(4,), (4, 6, 6), (8, 8, 12)])
def test_the_same_as_the_network(
    film: str,
    input_: str,
    widths: tuple[int, ...],
    tiled: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inference, "_TILED", tiled)
    torch.manual_seed(0)
    net = ResUNet(widths=widths, query=5, film=film, input=input_).eval()  # type: ignore[arg-type]
    for name, part in net.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            part.add_(torch.rand_like(part))
    for name, part in net.named_parameters():
        if ".bn" in name or name.endswith("bias"):
            part.detach().add_(0.3 * torch.randn_like(part))
    x, q = torch.rand(3, 1, 21, 129), torch.rand(3, 5)
    before = x.clone()
    with torch.inference_mode():
        wanted = net(x, q)
        for layout in (torch.contiguous_format, torch.channels_last):
            answering = Answering(net.to(memory_format=layout))  # type: ignore[call-overload]
            found = torch.cat([answering(x[n : n + 1], q[n : n + 1]) for n in range(3)])
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    assert torch.equal(x, before), "nothing that came in is written over"


@pytest.mark.parametrize("shape", [(1, 1), (3, 9), (4, 4), (8, 17), (33, 6)])
@pytest.mark.parametrize(("inputs", "outputs"), [(3, 5), (64, 40)])
def test_tiles_make_the_same_convolution(
    inputs: int, outputs: int, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if shape == (33, 6):  # one row of tiles at a time, as for spectrograms that are large
        monkeypatch.setattr(winograd, "_AT_ONCE", 1)
    generator = torch.Generator().manual_seed(1)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator)

    x, weight = normal(1, inputs, *shape), normal(outputs, inputs, 3, 3) / (9 * inputs) ** 0.5
    before = Pointwise(normal(inputs), normal(inputs), 0.01)
    after = Pointwise(normal(outputs), normal(outputs), 0.2)
    added = normal(1, outputs, *shape)

    def plain(of: Pointwise, x: torch.Tensor) -> torch.Tensor:
        y = x * of.scale[:, None, None] + of.shift[:, None, None]
        return F.leaky_relu(y, of.slope)

    tiled = TiledConvolution(weight)
    wanted = plain(after, F.conv2d(plain(before, x), weight, padding=1)) + added
    torch.testing.assert_close(
        tiled(x, before=before, after=after, added=added), wanted, atol=2e-4, rtol=1e-4
    )
    untouched = Pointwise(torch.ones(outputs), torch.zeros(outputs))
    bare = tiled(x, before=None, after=untouched, added=None)
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    assert float((bare - exact).abs().max()) < 1e-4 * float(exact.std() if exact.numel() > 1 else 1)


def test_without_numba_no_tiles_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = torch.nn.Conv2d(64, 64, 3, padding=1, bias=False)
    assert isinstance(inference._convolution(wide), TiledConvolution)
    assert not isinstance(
        inference._convolution(torch.nn.Conv2d(64, 32, 3, padding=1, bias=False)), TiledConvolution
    )
    monkeypatch.setenv(NO_NUMBA, "1")
    assert not isinstance(inference._convolution(wide), TiledConvolution)


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_items_side_by_side_come_in_order_and_share_the_threads(threads: int) -> None:
    before = torch.get_num_threads()
    seen: set[int] = set()

    def function(item: int) -> tuple[int, int, bool]:
        seen.add(threading.get_ident())
        return item, torch.get_num_threads(), torch.is_inference_mode_enabled()

    try:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            found = list(side_by_side(function, range(20), count=20))
        assert [item for item, _, _ in found] == list(range(20))
        assert {share for _, share, _ in found} == {2 if threads == 8 else 1}
        assert all(inference for _, _, inference in found)
        assert len(seen) <= min(threads, 4)
        assert torch.get_num_threads() == threads
        fresh: list[int] = []
        late = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
        late.start()
        late.join()
        assert fresh == [threads], "threads that come later have all of them"
    finally:
        torch.set_num_threads(before)


def test_keeping_memory_is_an_answer_not_an_error() -> None:
    assert keep_memory() in (True, False)
