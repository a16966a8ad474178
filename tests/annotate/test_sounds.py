"""Levels, pictures, and that neither tells a name."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lassbench import audio
from lassbench.annotate.sounds import (
    LEVEL_DB,
    PEAK_DB,
    SPECTRUM_HEIGHT,
    WAVE_HEIGHT,
    WIDTH,
    Sounds,
    even_level,
    picture,
)
from lassbench.dataset import Dataset

RATE = 16000


def tone(gain: float, seconds: float = 2.0, hertz: float = 1000.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return (gain * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


@pytest.mark.parametrize("gain", [1.0, 0.1, 0.0005])
def test_loud_and_quiet_come_to_one_level(gain: float) -> None:
    heard = even_level(tone(gain), RATE)[1600:-1600]
    assert 10 * np.log10(np.mean(heard**2)) == pytest.approx(LEVEL_DB, abs=0.1)


def test_silence_around_a_sound_does_not_make_it_loud() -> None:
    short = np.concatenate([np.zeros(8 * RATE, np.float32), tone(0.3)])
    heard = even_level(short, RATE)[-RATE:-1600]
    assert 10 * np.log10(np.mean(heard**2)) == pytest.approx(LEVEL_DB, abs=0.3)


def test_no_peak_surprises() -> None:
    clicks = np.zeros(4 * RATE, np.float32)
    clicks[RATE::RATE] = 1.0
    assert np.abs(even_level(clicks, RATE)).max() == pytest.approx(10 ** (PEAK_DB / 20), rel=1e-5)
    assert not even_level(np.zeros(100, np.float32), RATE).any()


def test_clips_begin_and_end_softly() -> None:
    heard = even_level(tone(0.5, hertz=1003.0), RATE)
    assert heard[0] == heard[-1] == 0.0


def test_the_picture_shows_where_and_how_high() -> None:
    sound = np.concatenate([np.zeros(RATE, np.float32), tone(0.5, 1.0, 2000.0)])
    image = np.asarray(Image.open(io.BytesIO(picture(sound, RATE))).convert("RGBA"))
    assert image.shape == (WAVE_HEIGHT + SPECTRUM_HEIGHT, WIDTH, 4)
    wave, spectrum = image[:WAVE_HEIGHT, :, 3], image[WAVE_HEIGHT:].astype(int)
    filled = (wave > 0).sum(0)
    assert filled[: WIDTH // 2 - 2].max() <= 2
    assert filled[WIDTH // 2 + 2 :].min() > 0.9 * WAVE_HEIGHT
    assert (spectrum[:, :, 3] == 255).all()  # the page is seen around the waveform only
    octaves = np.log2(RATE / 2 / 2000) / np.log2(RATE / 2 / 50)
    bright = spectrum[:, :, :3].sum(-1)
    assert bright[:, WIDTH * 3 // 4].argmax() == pytest.approx(octaves * SPECTRUM_HEIGHT, abs=2)
    assert bright[:, WIDTH // 4].max() < 10


def test_a_very_short_clip_has_a_picture() -> None:
    for samples in (1, 40, 700):
        assert Image.open(io.BytesIO(picture(np.ones(samples, np.float32), RATE))).width == WIDTH


def test_silence_is_dark() -> None:
    image = Image.open(io.BytesIO(picture(np.zeros(RATE, np.float32), RATE)))
    assert np.asarray(image)[WAVE_HEIGHT:].max() == 1


def test_what_is_sent_holds_no_name(tiny_dataset: Dataset) -> None:
    sounds = Sounds(tiny_dataset)
    for clip in tiny_dataset.split("test")[:3]:
        data = sounds.flac(clip.clip_id)
        assert sounds.flac(clip.clip_id) is data
        x, rate = audio.decode_int16(data)
        assert (x.size, rate) == (tiny_dataset.clip_samples, tiny_dataset.sample_rate_hz)
        for secret in (clip.clip_id, clip.concept, *clip.tags):
            assert secret.encode() not in data
            assert secret.encode() not in sounds.png(clip.clip_id)
