"""What TensorBoard shows of a query: three spectrograms side by side, on one scale."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lassbench.training.log import EVENTS, RunLog


def test_mixture_estimate_and_target_are_on_the_mixtures_scale(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 1000 / 8000 * np.arange(8000)).astype(np.float32)
    silence = np.zeros_like(tone)
    log = RunLog(tmp_path, step=0, tensorboard=True, active=True)
    parts = {"mixture": tone / 4, "estimate": tone / 400, "target": silence}
    log.show(3, [("a tone", parts)], 8000)
    log.close("")
    events = EventAccumulator(str(tmp_path / EVENTS)).Reload()
    (shown,) = events.Images("query 0")
    pixels = np.asarray(Image.open(io.BytesIO(shown.encoded_image_string)))
    assert pixels.shape == (256, 3 * 400, 3)
    magma = colormaps["magma"](np.arange(256), bytes=True)[:, :3].astype(int)
    # 40 dB below the mixture is in the middle of the 80 dB shown.
    for number, expected in enumerate([255, 128, 0]):
        middle = pixels[:, 400 * number + 200].astype(int)
        brightest = middle[middle.sum(axis=1).argmax()]
        assert abs(brightest - magma[expected]).max() <= 8
        if expected:
            assert middle.sum(axis=1).argmax() == 255 - 64  # 1 of 4 kHz, from below
