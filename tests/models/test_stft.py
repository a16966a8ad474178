"""The STFT: the paper's shape, an exact inverse, another library's numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from lassbench.models.stft import Stft


def noise(samples: int, batch: int = 1) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(0).uniform(-1, 1, (batch, samples)).astype(np.float32)
    )


def test_ten_seconds_are_513_bins_by_626_frames() -> None:
    spectrum = Stft(frame=1024, hop=512)(noise(320_000, batch=2))
    assert spectrum.shape == (2, 1, 626, 513)


@pytest.mark.parametrize(
    ("frame", "hop", "samples"),
    [(1024, 512, 320_000), (1024, 512, 1), (1024, 512, 700), (1024, 320, 50_001), (256, 128, 9999)],
)
def test_there_and_back(frame: int, hop: int, samples: int) -> None:
    stft = Stft(frame=frame, hop=hop)
    x = noise(samples)
    back = stft.inverse(stft(x), samples)
    assert back.shape == x.shape
    assert (back - x).abs().max() < 1e-6


def test_the_same_numbers_as_scipy() -> None:
    x = noise(8192)
    ours = Stft(frame=1024, hop=512)(x)[0, 0].numpy()
    theirs = ShortTimeFFT(hann(1024, sym=False), hop=512, fs=1.0).stft(x[0].double().numpy()).T
    # The outermost frames differ: we reflect the ends, SciPy pads with zeros.
    np.testing.assert_allclose(np.abs(ours[1:-1]), np.abs(theirs[1:-1]), atol=1e-4)
