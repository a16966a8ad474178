"""What ``lassbench inspect`` draws: tones where the ticks say, one scale over the panels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lassbench.cli import run
from lassbench.dataset import Dataset
from lassbench.pictures.inspection import Panel, draw
from lassbench.pictures.spectrogram import Axis
from lassbench.suites.freezing import freeze, plan_separation


def panel(hertz: float, rate: int, gain: float = 0.5) -> Panel:
    x = gain * np.sin(2 * np.pi * hertz / rate * np.arange(2 * rate))
    return Panel("mixture", "a tone", x.astype(np.float32))


@pytest.mark.parametrize("axis", ["linear", "log"])
@pytest.mark.parametrize(
    ("hertz", "rate"),
    [(440, 16000), (1777, 8000), (12_300, 32000), (15_100, 44100), (20_000, 44100), (220, 1000)],
)
def test_a_tone_stands_where_the_ticks_say(axis: Axis, hertz: float, rate: int) -> None:
    figure = draw([panel(hertz, rate)] * 3, rate, axis, heading="tone")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba()).astype(int)[::-1, :, :3].sum(axis=2)
    for drawn in figure.axes[:3]:
        box = drawn.get_window_extent()
        column = round(box.x0 + box.width / 2)
        bottom = int(box.y0) + 2
        bright = bottom + int(pixels[bottom : int(box.y1) - 2, column].argmax())
        low, high = drawn.get_ylim()
        # A pixel is at most a bin away from the tone, and no row of a logarithmic axis is skipped.
        assert pixels[bright, column] > (0.9 if axis == "log" else 0.7) * 255 * sum(
            colormaps["magma"](255)[:3]
        )
        ticks = [one for one in drawn.get_yticklabels() if low <= one.get_position()[1] <= high]
        khz = [float(one.get_text()) for one in ticks]
        at = [drawn.transData.transform((0, one.get_position()[1]))[1] for one in ticks]
        assert len(ticks) >= 3
        # Two ticks tell where every frequency is.
        scale = np.log if axis == "log" else np.asarray
        slope = (at[-1] - at[0]) / (scale(khz[-1]) - scale(khz[0]))
        expected = at[0] + slope * (scale(hertz / 1000) - scale(khz[0]))
        half_a_bin = abs(slope * (scale((hertz + rate / 2048) / 1000) - scale(hertz / 1000)))
        assert bright == pytest.approx(expected, abs=2 + half_a_bin)


def test_the_panels_are_on_the_first_ones_scale() -> None:
    figure = draw([panel(1000, 8000, 1.0), panel(1000, 8000, 0.01)], 8000, "linear", heading="two")
    scales = [axis.images[0].get_clim() for axis in figure.axes[:2]]
    # A sine in the middle of a bin, at full scale: 0 dB.
    assert scales == [pytest.approx((-80, 0), abs=0.01)] * 2
    assert figure.axes[1].images[0].get_array().max() == pytest.approx(-40, abs=0.01)


def test_the_axis_is_an_option(
    tiny_dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "suite"
    freeze(plan_separation(tiny_dataset, name="seen", noises=1), tiny_dataset, suite)
    line = ["inspect", "seen-0001", "--suite", str(suite), "--frequency-axis"]
    for axis in ("linear", "log", "mel"):
        code = run([*line, axis, "-o", str(tmp_path / axis)])
        assert code == (2 if axis == "mel" else 0)
    assert "'linear', 'log'" in capsys.readouterr().err
    assert not (tmp_path / "mel").exists()
    linear, log = ((tmp_path / axis / "seen-0001.png").read_bytes() for axis in ("linear", "log"))
    assert linear != log
    assert run([*line[:-1], "-o", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "seen-0001.png").read_bytes() == linear
