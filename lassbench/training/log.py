"""What a run says while it goes: console, metrics.csv, TensorBoard, learning curve."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lassbench.csv_files import read_table, write_table
from lassbench.files import atomic_path, write_text
from lassbench.pictures.spectrogram import level_db, picture, top_db

METRICS, CURVE, EVENTS = "metrics.csv", "learning-curve.png", "tensorboard"

COLUMNS = (
    "step",
    "loss",
    "learning_rate",
    "examples_per_second",
    "validation_si_sdr",
    "validation_si_sdr_i",
)


#: A query, and its mixture (first), estimate and target by name, float32 (samples,) each.
Shown = tuple[str, dict[str, NDArray[np.float32]]]


class RunLog:
    """Keeps the numbers of a run; the rows of a resumed run go on from ``step``.

    Nothing is written or said where ``active`` is false (all ranks but one).
    """

    def __init__(self, folder: Path, *, step: int, tensorboard: bool, active: bool) -> None:
        self._folder, self._active = folder, active
        self._rows = _read_rows(folder / METRICS, step) if active else []
        self._events: Any = None
        if active and tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(folder / EVENTS), purge_step=step or None)

    def say(self, text: str) -> None:
        """A line on standard error."""
        if self._active:
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def record(self, step: int, **values: float) -> None:
        """Keep the numbers of a step; a step recorded twice is one row."""
        if not self._active:
            return
        row = {"step": str(step)} | {key: f"{value:.6g}" for key, value in values.items()}
        if self._rows and self._rows[-1]["step"] == row["step"]:
            self._rows[-1] |= row
        else:
            self._rows.append(row)
        rows = ([row.get(column, "") for column in COLUMNS] for row in self._rows)
        write_text(self._folder / METRICS, write_table(COLUMNS, rows))
        if self._events:
            for key, value in values.items():
                self._events.add_scalar(key, value, step)

    def show(self, step: int, examples: list[Shown], sample_rate_hz: int) -> None:
        """A few validation queries for TensorBoard: spectrograms on the mixture's scale, sound."""
        if not self._events:
            return
        for number, (query, parts) in enumerate(examples):
            levels = [level_db(samples, sample_rate_hz, rows=256) for samples in parts.values()]
            image = picture(np.concatenate(levels, axis=1), top_db(levels[0]), 400 * len(levels))
            pixels = np.asarray(image.convert("RGB"))
            self._events.add_image(f"query {number}", pixels, step, dataformats="HWC")
            self._events.add_text(f"query {number}", query, step)
            for part, samples in parts.items():
                self._events.add_audio(
                    f"query {number} {part}", np.clip(samples, -1, 1)[None], step, sample_rate_hz
                )
        self._events.flush()

    def close(self, title: str) -> None:
        """Draw the learning curve and end the event file."""
        if self._events:
            self._events.close()
            self._events = None
        if self._active and self._rows:
            draw_curve(self._rows, self._folder / CURVE, title)


def _read_rows(path: Path, step: int) -> list[dict[str, str]]:
    """The rows up to ``step``: what a resumed run keeps."""
    if step == 0 or not path.is_file():
        return []
    return [
        {column: row[column] for column in COLUMNS if row[column]}
        for row in read_table(path, ["step"])
        if row["step"].isdigit() and int(row["step"]) <= step
    ]


def draw_curve(rows: list[dict[str, str]], path: Path, title: str) -> None:
    """Loss and validation over steps, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, column, label in (
        (above, "loss", "training loss"),
        (below, "validation_si_sdr_i", "validation SI-SDR\nimprovement (dB)"),
    ):
        points = [(int(row["step"]), float(row[column])) for row in rows if row.get(column)]
        axes.plot([x for x, _ in points], [y for _, y in points], marker=".")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    below.axhline(0.0, color="black", linewidth=0.8)
    below.set_xlabel("step")
    above.set_title(title)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
