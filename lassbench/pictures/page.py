"""The page that ``lassbench score --report`` writes: one file, no outside requests.

Plots are inline SVG, pictures and sounds are ``data:`` addresses, and the
page's own security policy forbids everything else, so that it can be mailed,
archived, and opened from disk in ten years.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from lassbench import files
from lassbench.audio import encode_flac
from lassbench.errors import one_line
from lassbench.pictures import plots
from lassbench.pictures.spectrogram import level_db, picture, png, top_db
from lassbench.pictures.terminal import EXTREMES as FAILING
from lassbench.pictures.terminal import number, sounds, who_asks
from lassbench.scores.comparison import Line, default_metric, paired, table_metrics, verdict
from lassbench.scores.rows import METRICS, seen
from lassbench.scores.score_file import JSON_SUFFIX, Scores, score_paths
from lassbench.scores.summary import failing_sentences
from lassbench.suites.suite import Suite
from lassbench.systems.predictions import PredictionSet, open_predictions

#: Queries shown as the best, and as the worst.
EXTREMES = 10
#: Size of a spectrogram in pixels.
WIDTH, HEIGHT = 360, 110
#: Rates that MP3 knows; others travel as FLAC.
MP3_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})


def write_report(
    out: Path,
    scores: Scores,
    suite: Suite,
    folder: Path,
    *,
    lines: Sequence[Line] = (),
    include_audio: bool = False,
) -> Path:
    """Write ``<system>.html`` into ``out`` and return its path.

    Parameters
    ----------
    folder
        The prediction folder that was scored: the best and worst queries are
        drawn, and heard where the suite's audio may be published.
    lines
        The table of all systems (:func:`lassbench.scores.comparison.table_of`).
    include_audio
        Put audio into the page even if it may not be published.

    Raises
    ------
    LassbenchError
        If ``out`` cannot be written or the suite's audio is gone.
    """
    heard = suite.audio_may_be_published or include_audio
    predictions = open_predictions(folder, suite)
    best, worst = (
        [_example(row, scores, suite, predictions, heard=heard) for row in part]
        for part in _extremes(scores)
    )
    page = _environment().get_template("report.html")
    text = page.render(
        scores=scores.file,
        name=scores.name,
        policy_note=_content_policy(),
        style=Markup(_asset("report.css")),
        script=Markup(_asset("report.js")),
        **_told(scores, lines),
        best=best,
        worst=worst,
        heard=heard,
        private=include_audio and not suite.audio_may_be_published,
    )
    # Called like the score's files: runs of one system each have their page.
    beside, _ = score_paths(out, scores.file.system.name, scores.file.system.run)
    path = beside.with_name(beside.name.removesuffix(JSON_SUFFIX) + ".html")
    files.write_text(path, text.lstrip())
    return path


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lassbench.pictures"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["line"] = lambda text: one_line(str(text), 300)
    return environment


@cache
def _asset(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _content_policy() -> str:
    """Nothing from outside, and no script or style but the page's own (by hash)."""
    style, script = (
        base64.b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode()
        for name in ("report.css", "report.js")
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )


def _told(scores: Scores, lines: Sequence[Line]) -> dict[str, Any]:
    """Numbers and plots, by the names that the page has for them."""
    file, summary = scores.file, scores.summary
    name = default_metric(file.kind, file.definitions)
    ranked, level = METRICS[name], (file.kind, name) == ("unreferenced", "attenuation")
    separation = file.kind == "separation"
    return {
        "summary": summary,
        "metrics": METRICS,
        "headline": [name, "sdr_i", "snr_i"] if separation else [*summary.metrics],
        "shown": table_metrics(file.kind, file.definitions),
        "ranked": ranked,
        "ends": ("quietest", "loudest") if level else ("best", "worst"),
        "beside": [(one, one.holds(scores), *_ahead(scores, one, name)) for one in lines],
        "heard_in_training": file.heard,
        "spread": who_asks(summary, name),
        "failing": failing_sentences(scores.rows, name).head(2 * FAILING).to_dict("records"),
        "query_types": "/".join(summary.groups("query_type")),
        "targets": sounds(summary.targets, file.kind),
        "isnan": math.isnan,
        "histogram": plots.histogram(
            seen(scores.rows, name), label=ranked.heading, mean=summary.metrics[name].mean
        ),
        "scatter": _scatter(scores) if separation else None,
        "groups": {
            kind: plots.bars(
                {value: cells[name] for value, cells in found.items()}, label=ranked.heading
            )
            for kind in ("concept", "root", "annotator", "audit")
            if len(found := summary.by(kind)) > 1
        },
    }


def _ahead(scores: Scores, line: Line, metric: str) -> tuple[Any, str]:
    """How far the scored system is ahead of ``line``, and the verdict; nothing of itself."""
    if line.holds(scores) or metric not in line.cells:
        return None, ""
    ahead = paired(scores.rows, line.rows, metric)
    return ahead, verdict(ahead, metric, scores.file.kind)


def _scatter(scores: Scores) -> Markup:
    rows = scores.rows
    before, after = (seen(rows, name) for name in ("si_sdr_mixture", "si_sdr"))
    titles = [
        f"{row.query_id}: {one_line(str(row.text), 80)} "
        f"({row.concept} with {row.noise_concept}), {x:.1f} to {y:.1f} dB"
        for row, x, y in zip(rows.itertuples(), before, after, strict=True)
    ]
    return plots.scatter(
        before,
        after,
        rows["wrong_source"].to_numpy(bool),
        titles,
        x_label="SI-SDR of the mixture (dB)",
        y_label="SI-SDR of the estimate (dB)",
    )


def _extremes(scores: Scores) -> list[list[dict[Any, Any]]]:
    """The rows of the best and of the worst queries, with their ``value``; none is in both."""
    ranked = default_metric(scores.file.kind, scores.file.definitions)
    rows = scores.rows.assign(value=seen(scores.rows, ranked)).dropna(subset="value")
    rows = rows.sort_values(["value", "query_id"], ascending=[False, True])
    count = min(EXTREMES, len(rows) // 2)
    return [part.head(count).to_dict("records") for part in (rows, rows[::-1])]


def _example(
    row: dict[Any, Any], scores: Scores, suite: Suite, predictions: PredictionSet, *, heard: bool
) -> dict[str, Any]:
    """What the page shows of a query: its row, other numbers, and a track a signal."""
    signals = {"mixture": suite.mixture_samples(row["mixture_id"])}
    if suite.kind == "separation":
        signals["target"] = suite.render(row["mixture_id"]).target
    signals["estimate"] = predictions.load(row["query_id"])
    rate = suite.sample_rate_hz
    levels = {name: level_db(samples, rate, rows=HEIGHT) for name, samples in signals.items()}
    top, peak = top_db(levels["mixture"]), max(np.abs(one).max() for one in signals.values())
    # One gain for all, to just below full scale: heard as loud as they are to each other.
    gain = 0.97 / float(peak) if peak > 0 else 1.0
    clips = suite.dataset.clips if suite.dataset is not None else {}
    people = [clips[one].attribution for one in (row["target_id"], row["noise_id"]) if one in clips]
    return {
        "row": row,
        "numbers": [
            (METRICS[name].title, number(row[name], 1 if METRICS[name].unit else 2))
            for name in table_metrics(scores.file.kind, scores.file.definitions)
        ],
        "attributions": [one for one in people if one],
        "tracks": [
            {
                "name": name,
                "picture": _address("image/png", png(picture(levels[name], top, WIDTH))),
                "sound": sound(samples, rate, gain) if heard else "",
            }
            for name, samples in signals.items()
        ],
    }


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def sound(samples: NDArray[np.float32], rate: int, gain: float) -> str:
    """``samples`` times ``gain`` as a player's address: MP3 of variable bit rate, or FLAC."""
    import soundfile

    loud = np.clip(samples * np.float32(gain), -1.0, 1.0)
    if rate not in MP3_RATES:
        return _address("audio/flac", encode_flac(loud, rate))
    memory = io.BytesIO()
    soundfile.write(
        memory, loud, rate, format="MP3", compression_level=0.3, bitrate_mode="VARIABLE"
    )
    return _address("audio/mpeg", memory.getvalue())
