"""A tiny system on the tiny dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from lassbench.models.config import Config, config_from


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., Config]:
    """Makes a config of a network that trains in seconds; sections can be changed."""

    def make(system: str = "unet", **sections: Any) -> Config:
        values: dict[str, Any] = {
            "system": system,
            "name": "Tiny",
            "spectrogram": {"frame": 256, "hop": 128},
            "network": {"widths": [2, 4], "query": 4},
            "text": {
                "encoder": "scratch",
                "scratch": {"layers": 1, "heads": 2, "hidden": 8, "intermediate": 16},
            },
            "train": {
                "steps": 6,
                "batch_size": 4,
                "log_every": 2,
                "save_every": 3,
                "learning_rate": 1e-3,
                "tensorboard": False,
            },
            "validation": {"mixtures": 4, "noises": 1},
        }
        for section, changes in sections.items():
            if isinstance(changes, dict):
                values[section] = {**values.get(section, {}), **changes}
            else:
                values[section] = changes
        return config_from(values, where="test")

    return make


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on two threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
