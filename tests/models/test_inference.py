"""Answering in fewer passes: the same numbers as the network itself."""

from __future__ import annotations

import pytest
import torch

from lassbench.models.inference import answer, keep_memory
from lassbench.models.resunet import ResUNet


@pytest.mark.parametrize(("film", "input_"), [("bias", "magnitude"), ("affine", "log")])
@pytest.mark.parametrize("widths", [(4,), (4, 6, 6), (8, 8, 12)])
def test_the_same_as_the_network(film: str, input_: str, widths: tuple[int, ...]) -> None:
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
        torch.testing.assert_close(answer(net, x, q), wanted, atol=1e-4, rtol=1e-4)
        channels_last = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        torch.testing.assert_close(answer(channels_last, x, q), wanted, atol=1e-4, rtol=1e-4)
    assert torch.equal(x, before), "nothing that came in is written over"


def test_keeping_memory_is_an_answer_not_an_error() -> None:
    assert keep_memory() in (True, False)
