"""Progress on standard error: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

#: Seconds between two lines of progress where there is no terminal.
LOG_EVERY_S = 30.0


def track(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Yield ``items`` and show how many of ``total`` are done."""
    if sys.stderr.isatty():
        yield from _bar(items, label, total)
    else:
        yield from _lines(items, label, total)


def _bar(items: Iterable[Item], label: str, total: int | None) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield from bar.track(items, total=total, description=label)


def _lines(items: Iterable[Item], label: str, total: int | None) -> Iterator[Item]:
    of_total = f"/{total}" if total is not None else ""
    shown_at = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - shown_at >= LOG_EVERY_S:
            shown_at = time.monotonic()
            print(f"{label}: {count}{of_total}", file=sys.stderr, flush=True)  # noqa: T201
