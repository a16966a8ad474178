"""Any audio file: its length, rate and channels come back, and no seam is heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from lassbench import userfiles
from lassbench.cli import run
from lassbench.errors import LassbenchError, UsageError


class Scale:
    """Halves what it hears, and remembers how much it heard at a time."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int]] = []

    def separate(self, mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
        self.heard.append((mixture.size, sample_rate))
        return mixture * np.float32(0.5)


def noise(seconds: float, rate: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    rough = rng.standard_normal((round(seconds * rate), channels))
    # Smoothed, so that little of it lies above the lower rate's limit.
    smooth = np.apply_along_axis(lambda x: np.convolve(x, np.hanning(33) / 16, "same"), 0, rough)
    return (0.05 * smooth).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.3, 4.0, 5.0, 6.0, 7.5, 23.4])
@pytest.mark.parametrize(("rate", "channels"), [(32000, 1), (44100, 2)])
def test_any_length_rate_and_channel_count(
    tmp_path: Path, seconds: float, rate: int, channels: int
) -> None:
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    samples = noise(seconds, rate, channels)
    soundfile.write(source, samples, rate, subtype="FLOAT")
    system = Scale()
    system.block_s = 4.0  # type: ignore[attr-defined]
    userfiles.separate_file(system, source, out, query="x", sample_rate_hz=32000)
    result, result_rate = soundfile.read(out, dtype="float32", always_2d=True)
    assert (result_rate, result.shape) == (rate, samples.shape)
    assert all(rate_heard == 32000 for _, rate_heard in system.heard)
    # Memory stays flat: no block is longer than asked for.
    assert max(size for size, _ in system.heard) <= 4.0 * 32000 + 1
    inside = slice(rate // 100, -rate // 100)
    error = np.abs(result - 0.5 * samples)[inside].max() / np.abs(samples).max()
    assert error < (1e-6 if rate == 32000 else 5e-3)


def test_the_output_keeps_the_sample_format(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", noise(1, 8000, 1), 8000, subtype="PCM_24")
    userfiles.separate_file(
        Scale(), tmp_path / "in.wav", tmp_path / "out.flac", query="x", sample_rate_hz=8000
    )
    assert soundfile.info(tmp_path / "out.flac").subtype == "PCM_24"


def test_a_system_says_how_much_it_takes_at_a_time(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", noise(50, 8000, 1), 8000)
    for block_s in (None, 35.0):
        system = Scale()
        if block_s:
            system.block_s = block_s  # type: ignore[attr-defined]
        userfiles.separate_file(
            system, tmp_path / "in.wav", tmp_path / "out.wav", query="x", sample_rate_hz=8000
        )
        longest = max(size for size, _ in system.heard)
        assert longest == 8000 * (block_s or userfiles.BLOCK_S)


def test_bad_names_are_refused_before_a_system_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "in.wav", noise(1, 8000, 1), 8000)
    for source, out in (("in.wav", "out"), ("none.wav", "out.wav")):
        command = ["separate", "no_such_module:f", str(tmp_path / source), "--query", "x"]
        assert run([*command, "-o", str(tmp_path / out)]) == 2
        message = capsys.readouterr().err
        assert "no_such_module" not in message
        assert ("must be .wav" if out == "out" else "no such audio file") in message


def test_bad_files_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not audio")
    cases = [
        ("none.wav", "out.wav", UsageError),
        ("text.wav", "out.wav", LassbenchError),
        ("text.wav", "out.mp3", UsageError),
    ]
    for source, out, kind in cases:
        with pytest.raises(kind):
            userfiles.separate_file(
                Scale(), tmp_path / source, tmp_path / out, query="x", sample_rate_hz=8000
            )
    assert [p.name for p in tmp_path.iterdir()] == ["text.wav"]
