"""One line on standard error that says how the run stands."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter

from lassbench.errors import one_line
from lassbench.fetch.pacing import clock

#: Seconds between two lines where there is no terminal.
LOG_EVERY_S = 30.0


class Display:
    """A line that rewrites itself on a terminal, a line now and then in a log.

    Parameters
    ----------
    total
        Jobs of this run.
    label
        What the line begins with.
    """

    def __init__(self, total: int, label: str = "fetch") -> None:
        self.total, self.label = total, label
        self.counts: Counter[str] = Counter()
        self._start = time.monotonic()
        self._shown_at = self._start
        self._tty = sys.stderr.isatty()
        self._why = ""

    def settle(self, state: str) -> None:
        """A clip of this run has come to ``state``."""
        self.counts[state] += 1

    def per_hour(self) -> float:
        """Clips settled an hour, so far."""
        elapsed = max(time.monotonic() - self._start, 1e-6)
        return 3600.0 * sum(self.counts.values()) / elapsed

    def tick(self, waiting_for: str = "", wait_s: float = 0.0) -> None:
        """Show the line if it is time; a new reason to wait is shown at once."""
        now = time.monotonic()
        every = 1.0 if self._tty else LOG_EVERY_S
        if waiting_for == self._why and now - self._shown_at < every:
            return
        self._why, self._shown_at = waiting_for, now
        text = self._line()
        if waiting_for:
            text += f"; {waiting_for}; going on in {clock(wait_s)}"
        self._write(text)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        end = "\r\x1b[K" if self._tty else ""
        print(f"{end}{one_line(text)}", file=sys.stderr, flush=True)  # noqa: T201

    def close(self) -> None:
        """Leave the last line as it is."""
        if self._tty:
            self._write(self._line())
            print(file=sys.stderr, flush=True)  # noqa: T201

    def _line(self) -> str:
        settled = sum(self.counts.values())
        parts = [f"{self.label}: {settled}/{self.total}"]
        parts += [f"{count} {state}" for state, count in sorted(self.counts.items())]
        rate = self.per_hour()
        if settled:
            left_s = 3600.0 * (self.total - settled) / rate
            parts += [f"{rate:.0f} an hour", f"{clock(left_s)} left"]
        return ", ".join(parts)

    def _write(self, text: str) -> None:
        if self._tty:
            # A line that wraps could not be written over.
            text = text[: shutil.get_terminal_size().columns - 1]
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)  # noqa: T201
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201
