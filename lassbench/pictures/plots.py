"""Plots as inline SVG: matplotlib draws them, the page's style sheet colours them.

Every mark carries a ``<title>``, which browsers show on hovering and screen readers
read.  No script, no id, no outside file, and no ``style``, which the page's policy forbids.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lassbench.errors import one_line
from lassbench.scores.rows import LIMIT_DB
from lassbench.scores.summary import Cell

Floats = NDArray[np.float64]

#: In the drawing's units; the page's style sheet has the same size of text.
WIDTH, TEXT, RADIUS = 480, 14, 3
#: What matplotlib is given for the page's colours, which are light or dark.
COLOURS = {
    f"#00000{number}": f"var(--{name})"
    for number, name in enumerate(("ink", "soft", "line", "bar", "worse"), start=1)
}
INK, SOFT, LINE, BAR, WORSE = COLOURS
#: What an artist's group id begins with, if its rest is the title of the artist's mark.
TITLE = "title: "
STEPS = (1, 2, 5, 10)
NOTHING = Markup('<p class="quiet">nothing to draw: no defined value</p>')
STYLE: dict[Any, Any] = {
    **{f"axes.spines.{side}": False for side in ("left", "right", "top")},
    **{f"{text}color": SOFT for text in ("text.", "axes.label", "axes.edge", "xtick.", "ytick.")},
    **{"xtick.bottom": False, "ytick.left": False, "xtick.major.pad": 8, "ytick.major.pad": 8},
    **{"axes.grid": True, "axes.grid.axis": "y", "axes.axisbelow": True, "grid.color": LINE},
    **{"axes.autolimit_mode": "round_numbers", "axes.xmargin": 0, "axes.ymargin": 0},
    **{"font.size": TEXT, "axes.titlesize": TEXT, "text.parse_math": False},
    **{"lines.linewidth": 1.2, "svg.fonttype": "none", "svg.hashsalt": "lassbench"},
}


@contextmanager
def _style() -> Iterator[None]:
    """One style whatever a ``matplotlibrc`` says, and no warning of letters that a browser has."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def _panel(height: float) -> tuple[Figure, Axes]:
    figure = Figure((WIDTH / 72, height / 72), 72, frameon=False, layout="constrained")
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    return figure, axes


def _svg(figure: Figure, described: str, points: Sequence[str] = ()) -> Markup:
    """The figure as one group an artist, of paths, texts, or a circle for each of ``points``."""
    memory = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(memory, format="svg", metadata=metadata)
    root, titles = ElementTree.fromstring(memory.getvalue()), iter(points)
    attributes = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": described}
    drawn = group = ElementTree.Element("svg", attributes)
    title = ""
    for one in root.iter():
        kind, found = one.tag.rpartition("}")[2], one.attrib
        if kind == "g" and "id" in found:
            group, title = drawn, found["id"].partition(TITLE)[2]
        # A path with an id is a marker's shape.
        if kind not in {"path", "text", "use"} or "id" in found:
            continue
        if group is drawn:
            pairs = (pair.split(": ") for pair in found["style"].split("; "))
            look = {name: COLOURS.get(value, value) for name, value in pairs if name[:4] != "font"}
            group = ElementTree.SubElement(drawn, "g", look)
        if kind == "use":
            kind, title = "circle", next(titles)
            found = {"cx": found["x"], "cy": found["y"], "r": str(RADIUS)}
        kept = {name: found[name] for name in found if name not in {"style", "clip-path"}}
        mark = ElementTree.SubElement(group, kind, kept)
        mark.text = one.text
        if title:
            ElementTree.SubElement(mark, "title").text = title
    return Markup(ElementTree.tostring(drawn, encoding="unicode"))


def _ticks(decibels: Floats, *, zero: bool = False) -> Floats:
    """Round numbers around ``decibels``, and around 0 if asked.

    Values at the policy's limits stand for infinite ones: unless there is no other,
    they do not stretch an axis, and their marks stand at its ends.
    """
    ordinary = decibels[np.abs(decibels) < LIMIT_DB]
    held = np.append(ordinary if len(ordinary) else decibels, [0.0] * zero)
    apart = float(held.min() == held.max())
    ticks = MaxNLocator(7, steps=STEPS).tick_values(held.min() - apart, held.max() + apart)
    return np.asarray(ticks)


def _beyond(**outside: NDArray[np.bool_]) -> str:
    """How many values are drawn at which of the axes' ends."""
    return ", ".join(f"{sum(here)} further {where}" for where, here in outside.items() if any(here))


@_style()
def histogram(values: Floats, *, label: str, mean: float | None) -> Markup:
    """How many queries fall into each interval of ``values`` (dB)."""
    shown = values[~np.isnan(values)]
    if not len(shown):
        return NOTHING
    figure, axes = _panel(260)
    ticks = _ticks(shown, zero=True)
    low, high = ticks[[0, -1]]
    # Rounded, so that 0 is not left of the edge at 0.
    bins = np.linspace(low, high, max(12, 4 * (len(ticks) - 1)) + 1).round(9)
    counts, _ = np.histogram(np.clip(shown, low, high), bins)
    for count, left, right in zip(counts, bins, bins[1:], strict=False):
        if count:
            title = f"{left:.1f} to {right:.1f}: {count} {'query' if count == 1 else 'queries'}"
            middle, width = (left + right) / 2, 0.92 * (right - left)
            axes.bar(middle, count, width, color=BAR if right > 0 else WORSE, gid=TITLE + title)
    axes.axvline(0.0, color=INK, gid=f"{TITLE}no change")
    if mean is not None and low <= mean <= high:
        axes.axvline(mean, color=INK, linestyle="--", gid=f"{TITLE}mean {mean:.2f}")
    axes.set(xlabel=label, ylabel="queries", xticks=ticks, xlim=(low, high))
    axes.locator_params("y", nbins=4, steps=STEPS, integer=True)
    axes.set_title(_beyond(left=shown < low, right=shown > high), loc="left")
    return _svg(figure, f"Histogram of {label}: {len(shown)} queries")


@_style()
def scatter(
    x: Floats,
    y: Floats,
    wrong: NDArray[np.bool_],
    titles: Sequence[str],
    *,
    x_label: str,
    y_label: str,
) -> Markup:
    """A titled point a query, output against input: above the diagonal is better than nothing."""
    # Those of the wrong source are drawn last, above the others.
    order = np.argsort(wrong, kind="stable")
    order = order[~np.isnan(x + y)[order]]
    if not len(order):
        return NOTHING
    x, y, split = x[order], y[order], int(np.sum(~wrong[order]))
    figure, axes = _panel(400)
    x_ticks, y_ticks = _ticks(x), _ticks(y)
    (left, right), (below, above) = x_ticks[[0, -1]], y_ticks[[0, -1]]
    ends = max(left, below), min(right, above)
    if ends[0] < ends[1]:
        axes.plot(ends, ends, "--", color=SOFT)
    at = np.array([x.clip(left, right), y.clip(below, above)])
    axes.plot(*at[:, :split], "o", color=BAR, alpha=0.55, markeredgewidth=0)
    axes.plot(*at[:, split:], "o", color=WORSE, alpha=0.9, markeredgewidth=0)
    axes.set(xlabel=x_label, ylabel=y_label, xticks=x_ticks, yticks=y_ticks)
    axes.set(xlim=(left, right), ylim=(below, above))
    said = _beyond(left=x < left, right=x > right, below=y < below, above=y > above)
    axes.set_title(said, loc="left")
    described = f"{y_label} against {x_label}: {len(order)} queries"
    return _svg(figure, described, [titles[one] for one in order])


@_style()
def bars(groups: Mapping[str, Cell], *, label: str) -> Markup:
    """One bar a group, longest first, with its interval and number of queries."""
    defined = [(cell.mean, name, cell) for name, cell in groups.items() if cell.mean is not None]
    if not defined:
        return NOTHING
    (figure, axes), names = _panel(24 * len(defined) + 60), []
    for row, (mean, name, cell) in enumerate(sorted(defined, key=lambda one: (-one[0], one[1]))):
        interval = "too few targets for an interval"
        if cell.ci_low is not None and cell.ci_high is not None:
            interval = f"95 % interval {cell.ci_low:.2f} to {cell.ci_high:.2f}"
        title = TITLE + one_line(f"{name}: {mean:.2f}, {interval}, {cell.n} queries")
        axes.barh(row, mean, 0.66, color=WORSE if mean < 0 else BAR, gid=title)
        if cell.ci_low is not None and cell.ci_high is not None:
            ends, high = np.repeat([cell.ci_low, cell.ci_high], 3), 0.15
            axes.plot(ends, row + np.array([-high, high, 0, 0, high, -high]), color=INK, gid=title)
        value = f"{mean:.1f}".replace("-", "\N{MINUS SIGN}")
        names.append(f"{one_line(name, 23)}\N{EN SPACE}{value}")
    axes.axvline(0.0, color=INK, gid=f"{TITLE}0")
    axes.locator_params("x", nbins=6, steps=STEPS)
    axes.set(xlabel=label, ylim=(len(names) - 0.4, -0.6))
    axes.set_yticks(range(len(names)), names, color=INK)
    axes.grid(visible=False)
    return _svg(figure, f"{label}: {len(names)} groups")
