"""How numbers and records read on a page."""

from __future__ import annotations

from lassbench.leaderboard.ranking import Figure
from lassbench.leaderboard.tables import count_text

MINUS = "\N{MINUS SIGN}"
EN_DASH = "\N{EN DASH}"


def number(value: float | None, digits: int = 2) -> str:
    """``-0.5`` as ``−0.50``; an en dash where there is none."""
    if value is None:
        return EN_DASH
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """``6.64 to 9.07``, or nothing where there is no interval."""
    if low is None or high is None:
        return ""
    return f"{number(low, digits)} to {number(high, digits)}"


def rank(figure: Figure) -> str:
    """``2``, ``2=`` if shared, or a dash."""
    if figure.rank is None:
        return EN_DASH
    return f"{figure.rank}=" if figure.tied else str(figure.rank)


def ranks(figure: Figure) -> str:
    """The ranks taken in 95 % of resamples: ``1–3``."""
    if figure.rank_low is None or figure.rank_high is None:
        return ""
    if figure.rank_low == figure.rank_high:
        return str(figure.rank_low)
    return f"{figure.rank_low}{EN_DASH}{figure.rank_high}"


def parameters(count: int | None) -> str:
    """A parameter count as people say it."""
    return EN_DASH if count is None else count_text(count)


#: What is read to a system, in words.
QUERY_TYPES = {
    "text": "text query",
    "tag": "tag query",
    "oracle": "oracle",
    "none": "no query",
}
