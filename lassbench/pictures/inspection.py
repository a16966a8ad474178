"""Looking at one query: spectrograms side by side, scores beneath, audio beside.

Nothing is trusted that cannot be looked at.  :func:`inspect_query` draws a
mixture, its target and interference, where anybody has them, and any number of estimates
on one scale and writes the same signals as WAV.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lassbench import audio, files, output_folders
from lassbench.errors import UsageError, did_you_mean
from lassbench.metrics.ratios import SilentReference
from lassbench.pictures.spectrogram import BINS, HOP, RANGE_DB, Axis, level_db, span_hz, top_db
from lassbench.records import Query
from lassbench.scores.judge import Judge, Samples
from lassbench.scores.rows import METRICS, SAR_UNDEFINED_DB, SEPARATION_METRICS
from lassbench.suites.suite import Suite
from lassbench.systems.predictions import PredictionSet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Rows of a logarithmic axis: a panel has more pixels, so that none is skipped.
LOG_ROWS = 200
#: Its ticks, in kHz.
TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True)
class Panel:
    """One picture: a signal, its name, and a line of scores beneath it."""

    name: str
    title: str
    samples: Samples
    scores: str = ""


def inspect_query(
    query_id: str, suite: Suite, predictions: Sequence[PredictionSet], out: Path, axis: Axis
) -> list[Path]:
    """Draw ``<query_id>.png`` into ``out``, write each signal as WAV beside it; their paths.

    Raises
    ------
    UsageError
        If the suite has no such query, or a prediction folder no answer to it.
    LassbenchError
        If the mixture cannot be rendered or ``out`` cannot be written.
    """
    if query_id not in suite.queries:
        near = did_you_mean(query_id, suite.queries)
        raise UsageError(f"no query {query_id!r} in suite {suite.name}{near}", where=suite.path)
    query = suite.queries[query_id]
    panels = list(_panels(suite, query, predictions))
    output_folders.check_output_folder(out, what="the output folder")
    picture = out / f"{query_id}.png"
    synthetic = ", synthetic" if suite.synthetic else ""
    absent = " (not in the mixture: silence is right)" if query.expects == "silence" else ""
    heading = f"{query_id}: \u201c{query.text}\u201d{absent}\n{suite.title}{synthetic}"
    figure = draw(panels, suite.sample_rate_hz, axis, heading=heading)
    with files.atomic_path(picture) as temporary:
        # Without this metadata the file would carry matplotlib's version.
        figure.savefig(temporary, format="png", metadata={"Software": ""})
    sounds = {out / f"{query_id}.{panel.name}.wav": panel.samples for panel in panels}
    for path, samples in sounds.items():
        audio.write_wav_float(path, samples, suite.sample_rate_hz)
    return [picture, *sounds]


def _panels(suite: Suite, query: Query, predictions: Sequence[PredictionSet]) -> Iterator[Panel]:
    mixture = suite.mixture_samples(query.mixture_id)
    sources = None
    if suite.kind != "unreferenced":
        rendered = suite.render(query.mixture_id)
        sources = rendered.target, rendered.interference
    judge: Judge | str
    try:
        judge = Judge(mixture, sources if suite.kind == "separation" else None)
    except SilentReference as silent:
        judge = f"cannot be scored: the {silent.where} is silent"
    yield Panel("mixture", "mixture", mixture, _scores(judge, mixture))
    if sources is not None:
        target_id = suite.mixtures[query.mixture_id].target_id
        target = suite.dataset.clips[target_id].concept if suite.dataset else query.concept
        yield Panel("target", f"target: {target}", sources[0])
        yield Panel("interference", f"interference: {query.noise_concept}", sources[1])
    for number, prediction in enumerate(predictions, start=1):
        if query.query_id not in prediction.paths:
            raise UsageError(
                f"no usable prediction for {query.query_id}",
                where=prediction.folder,
                fix="run `lassbench score` on it",
            )
        samples = prediction.load(query.query_id)
        name = prediction.system.name
        yield Panel(f"estimate{number}", name, samples, _scores(judge, samples))


def _scores(judge: Judge | str, estimate: Samples) -> str:
    """A line of scores, or why there are none."""
    if isinstance(judge, str):
        return judge
    (verdict,) = judge.verdicts([estimate])
    if verdict.silent:
        return "silent"
    if not verdict.values:
        return f"{METRICS['attenuation'].title} {0.0 - verdict.level_db:.2f}  dB"
    shown = {METRICS[name].title: f"{verdict.values[name]:.2f}" for name in SEPARATION_METRICS[:5]}
    # The mixture's SAR measures rounding only (FACTS section 3).
    if verdict.values["sar"] > SAR_UNDEFINED_DB:
        shown[METRICS["sar"].title] = "-"
    return "   ".join(f"{name} {value}" for name, value in shown.items()) + "  dB"


def draw(panels: Sequence[Panel], rate: int, frequency: Axis, *, heading: str) -> Figure:
    """The panels' spectrograms under one another, on the colour scale of the first."""
    from matplotlib.figure import Figure

    height = 2.3 * len(panels) + 1.0
    figure = Figure(figsize=(9.0, height), dpi=120, layout="constrained")
    figure.suptitle(heading, fontsize=11, parse_math=False)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    rows = LOG_ROWS if frequency == "log" else BINS
    levels = [level_db(panel.samples, rate, frequency, rows) for panel in panels]
    top = top_db(levels[0])
    # Rows are equally high: a logarithmic axis counts decades.
    spread = np.log10 if frequency == "log" else np.asarray
    low, high = spread(np.array(span_hz(rate, frequency)) / 1000.0)
    ticks = [tick for tick in TICKS if low <= np.log10(tick) <= high]
    for axis, panel, level in zip(axes, panels, levels, strict=True):
        axis.imshow(
            level,
            origin="lower",
            aspect="auto",
            extent=(0.0, level.shape[1] * HOP / rate, low, high),
            vmin=top - RANGE_DB,
            vmax=top,
            cmap="magma",
            interpolation="nearest",
        )
        axis.set_xlim(0.0, len(panel.samples) / rate)
        if frequency == "log":
            axis.set_yticks(np.log10(ticks), [f"{tick:g}" for tick in ticks])
        axis.set_ylabel("kHz")
        axis.set_title(panel.title, loc="left", fontsize=10, parse_math=False)
        if panel.scores:
            axis.set_title(panel.scores, loc="right", fontsize=8, parse_math=False)
    axes[-1].set_xlabel("time (s)")
    figure.colorbar(axes[0].images[0], ax=list(axes), label="level (dBFS)", shrink=0.6)
    return figure
