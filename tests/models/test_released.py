"""The released network: every key, every parameter, and its outputs."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from lassbench.models.config import NetworkConfig
from lassbench.models.lassnet import LassNet
from lassbench.models.query import build_bert

#: How far the mask may be from the authors' network's (max absolute difference).
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def reference(shared: Path) -> Path:
    return shared / "reference" / "lassnet_released"


@pytest.fixture(scope="module")
def released(reference: Path) -> LassNet:
    shape = {
        "vocab_size": 30522,
        "hidden_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
    }
    net = LassNet(NetworkConfig(film="bias"), build_bert(shape), hidden=256)
    net.load_state_dict(
        {key: weights_by_formula(key, value) for key, value in net.state_dict().items()}
    )
    return net.eval()


def weights_by_formula(key: str, value: torch.Tensor) -> torch.Tensor:
    """The reference README's formula."""
    if not value.is_floating_point():
        return value
    shape = tuple(value.shape)
    z = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
    if key.endswith("running_var"):
        made = 1 + 0.1 * np.abs(z)
    elif key.endswith(("running_mean", "bias")):
        made = 0.1 * z
    elif len(shape) == 1:
        made = 1 + 0.1 * z
    else:
        made = z / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(made, dtype=np.float32))


def test_every_key_of_the_release(released: LassNet, reference: Path) -> None:
    expected = json.loads((reference / "keys.json").read_text())
    ours = {
        key: [list(value.shape), str(value.dtype)] for key, value in released.state_dict().items()
    }
    assert len(expected) == 695
    assert ours == expected


def test_parameters_of_the_release(released: LassNet) -> None:
    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    assert count(released) == 63_398_883
    assert count(released.UNet) == 52_228_323
    assert count(released.text_embedder) == 11_170_560


def test_the_mask_of_the_release(released: LassNet, reference: Path) -> None:
    with np.load(reference / "parity.npz") as stored:
        arrays = {name: torch.from_numpy(stored[name]) for name in stored.files}
    with torch.inference_mode():
        embedding = released.embed(arrays["input_ids"], arrays["attention_mask"])
        mask = released(arrays["magnitude"], arrays["input_ids"], arrays["attention_mask"])
    assert (embedding - arrays["query_embedding"]).abs().max() < TOLERANCE
    assert mask.shape == arrays["mask"].shape
    assert (mask - arrays["mask"]).abs().max() < TOLERANCE
    assert (mask[..., -2:] == 0.5).all()
