"""Plots as inline SVG: no script, no outside file, colours from the page's style sheet.

Every mark carries a ``<title>``, which browsers show on hovering and screen
readers read.  All text is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from lassbench.scores.rows import LIMIT_DB
from lassbench.scores.summary import Cell

Floats = NDArray[np.float64]

WIDTH = 560
#: Space for axis labels: left, right, top, bottom.
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 22, 48


@dataclass(frozen=True)
class Axis:
    """A linear axis: values ``low`` to ``high`` onto pixels ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float
    step: float

    def __call__(self, value: float) -> float:
        """The pixel of ``value``, within the axis."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round numbers along the axis."""
        first = math.ceil(round(self.low / self.step, 9))
        last = math.floor(round(self.high / self.step, 9))
        return [number * self.step for number in range(first, last + 1)]


def axis(values: Floats, start: float, end: float, *, zero: bool = False, ticks: int = 7) -> Axis:
    """An axis with round ends for ``values``.

    Parameters
    ----------
    values
        Finite numbers, at least one.
    zero
        Whether 0 must lie on it.
    """
    low, high = float(values.min()), float(values.max())
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    step = _round_step((high - low) / ticks)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    if low == high:
        low, high = low - step, high + step
    return Axis(low, high, start, end, step)


def ordinary(decibels: Floats) -> Floats:
    """``decibels`` without those at the policy's limits, if any are left.

    They stand for infinite values: they should not stretch an axis, and their
    marks stand at its ends.
    """
    found = decibels[np.abs(decibels) < LIMIT_DB]
    return found if len(found) else decibels


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not below ``rough``."""
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))


def histogram(values: Floats, *, label: str, mean: float | None) -> Markup:
    """How many queries fall into each interval of ``values`` (dB)."""
    shown = values[~np.isnan(values)]
    if not len(shown):
        return nothing()
    height = 300
    x = axis(ordinary(shown), LEFT, WIDTH - RIGHT, zero=True)
    bins = np.linspace(x.low, x.high, max(12, round((x.high - x.low) / x.step) * 4) + 1)
    counts = np.histogram(np.clip(shown, x.low, x.high), bins)[0]
    y = axis(counts.astype(np.float64), height - BOTTOM, TOP, zero=True, ticks=4)
    marks = [_grid_y(y, x), _axis_x(x, height, label)]
    for count, low, high in zip(counts, bins, bins[1:], strict=False):
        if count:
            marks.append(_bar(x, y, float(low), float(high), int(count)))
    marks.append(_vertical(x, 0.0, height, "zero", "no change"))
    if mean is not None:
        marks.append(_vertical(x, mean, height, "mean", f"mean {mean:.2f}"))
    marks.append(_beyond(x, shown))
    described = f"Histogram of {label}: {len(shown)} queries"
    return _svg(height, described, marks)


def _beyond(
    x: Axis, values: Floats, under: str = "left", over: str = "right", across: Axis | None = None
) -> Markup:
    """How many values lie beyond the axis and are drawn at its ends."""
    of = across or x
    low, high = int(np.sum(values < of.low - 1e-9)), int(np.sum(values > of.high + 1e-9))
    said = [f"{count} further {where}" for count, where in ((low, under), (high, over)) if count]
    return Markup('<text class="tick" x="{:.1f}" y="{}">{}</text>').format(
        x.start + 4, TOP - 8, ", ".join(said)
    )


def _bar(x: Axis, y: Axis, low: float, high: float, count: int) -> Markup:
    top, base = y(count), y(0)
    return Markup(
        '<rect class="bar{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
        "<title>{}</title></rect>"
    ).format(
        " worse" if high <= 0 else "",
        x(low) + 0.5,
        top,
        max(1.0, x(high) - x(low) - 1.0),
        base - top,
        f"{low:.1f} to {high:.1f}: {count} {'query' if count == 1 else 'queries'}",
    )


@dataclass(frozen=True)
class Point:
    """One query of a scatter plot."""

    x: float
    y: float
    title: str
    wrong: bool


def scatter(points: Sequence[Point], *, x_label: str, y_label: str) -> Markup:
    """Output against input; above the diagonal is better than not separating at all."""
    shown = [one for one in points if not math.isnan(one.x + one.y)]
    if not shown:
        return nothing()
    height = 420
    xs, ys = np.array([one.x for one in shown]), np.array([one.y for one in shown])
    x = axis(ordinary(xs), LEFT, WIDTH - RIGHT)
    y = axis(ordinary(ys), height - BOTTOM, TOP)
    low, high = max(x.low, y.low), min(x.high, y.high)
    marks = [_grid_y(y, x, y_label), _axis_x(x, height, x_label)]
    if low < high:
        marks.append(
            Markup('<line class="diagonal" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
            .format(x(low), y(low), x(high), y(high))
        )  # fmt: skip
    marks += [
        Markup('<circle class="point{}" cx="{:.1f}" cy="{:.1f}" r="3.2"><title>{}</title></circle>')
        .format(" wrong" if one.wrong else "", x(one.x), y(one.y), one.title)
        for one in shown
    ]  # fmt: skip
    marks.append(_beyond(x, ys, "below", "above", y))
    return _svg(height, f"{y_label} against {x_label}: {len(shown)} queries", marks)


def bars(groups: Mapping[str, Cell], *, label: str) -> Markup:
    """One bar a group, longest first, with its interval and number of queries."""
    ordered = sorted(
        ((name, cell) for name, cell in groups.items() if cell.mean is not None),
        key=lambda one: (-(one[1].mean or 0.0), one[0]),
    )
    if not ordered:
        return nothing()
    row, left = 26, 178
    height = TOP + row * len(ordered) + BOTTOM
    ends = [
        value
        for _, cell in ordered
        for value in (cell.mean, cell.ci_low, cell.ci_high)
        if value is not None
    ]
    x = axis(np.array(ends), left, WIDTH - 56, zero=True)
    marks = [_axis_x(x, height, label)]
    for index, (name, cell) in enumerate(ordered):
        marks += _row(x, TOP + row * index, row, name, cell)
    marks.append(_vertical(x, 0.0, height, "zero", "0"))
    return _svg(height, f"{label}: {len(ordered)} groups", marks)


def _row(x: Axis, top: float, height: float, name: str, cell: Cell) -> Iterator[Markup]:
    mean = cell.mean or 0.0
    middle = top + height / 2
    short = name if len(name) <= 23 else name[:22] + "…"
    if cell.ci_low is None or cell.ci_high is None:
        interval = "too few targets for an interval"
    else:
        interval = f"95 % interval {cell.ci_low:.2f} to {cell.ci_high:.2f}"
    yield Markup(
        '<g><title>{}</title><text class="name" x="{:.1f}" y="{:.1f}">{}</text>'
        '<rect class="bar{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
    ).format(
        f"{name}: {mean:.2f}, {interval}, {cell.n} queries",
        x.start - 10,
        middle + 4,
        short,
        " worse" if mean < 0 else "",
        min(x(0.0), x(mean)),
        top + 5,
        max(1.0, abs(x(mean) - x(0.0))),
        height - 10,
    )
    if cell.ci_low is not None and cell.ci_high is not None:
        yield Markup(
            '<path class="whisker" d="M{0:.1f} {2:.1f}H{1:.1f}'
            'M{0:.1f} {3:.1f}v8M{1:.1f} {3:.1f}v8"/>'
        ).format(x(cell.ci_low), x(cell.ci_high), middle, middle - 4)
    yield Markup('<text class="value" x="{:.1f}" y="{:.1f}">{}</text></g>').format(
        WIDTH - 8, middle + 4, f"{mean:.1f}"
    )


def nothing() -> Markup:
    """What stands where there is nothing to draw."""
    return Markup('<p class="quiet">nothing to draw: no defined value</p>')


def _svg(height: float, described: str, marks: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="xMidYMid meet">'
        "{}</svg>"
    ).format(WIDTH, round(height), described, Markup("").join(marks))


def _tick(value: float, step: float) -> str:
    return f"{value:.{max(0, -math.floor(math.log10(step)))}f}".replace("-", "\N{MINUS SIGN}")


def _axis_x(x: Axis, height: float, label: str) -> Markup:
    base = height - BOTTOM
    parts = [
        Markup('<line class="axis" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
            x.start, base, x.end, base
        )
    ]
    parts += [
        Markup('<text class="tick middle" x="{:.1f}" y="{:.1f}">{}</text>').format(
            x(value), base + 16, _tick(value, x.step)
        )
        for value in x.ticks
    ]
    parts.append(
        Markup('<text class="label middle" x="{:.1f}" y="{:.1f}">{}</text>').format(
            (x.start + x.end) / 2, height - 8, label
        )
    )
    return Markup("").join(parts)


def _grid_y(y: Axis, x: Axis, label: str = "queries") -> Markup:
    parts = []
    for value in y.ticks:
        parts.append(
            Markup(
                '<line class="grid" x1="{0:.1f}" y1="{2:.1f}" x2="{1:.1f}" y2="{2:.1f}"/>'
                '<text class="tick end" x="{3:.1f}" y="{4:.1f}">{5}</text>'
            ).format(x.start, x.end, y(value), x.start - 6, y(value) + 4, _tick(value, y.step))
        )
    middle = (y.start + y.end) / 2
    parts.append(
        Markup('<text class="label middle" transform="translate(14 {:.1f}) rotate(-90)">{}</text>')
        .format(middle, label)
    )  # fmt: skip
    return Markup("").join(parts)


def _vertical(x: Axis, value: float, height: float, kind: str, title: str) -> Markup:
    if not x.low <= value <= x.high:
        return Markup("")
    return Markup(
        '<line class="{}" x1="{:.1f}" y1="{}" x2="{:.1f}" y2="{:.1f}"><title>{}</title></line>'
    ).format(kind, x(value), TOP, x(value), height - BOTTOM, title)
