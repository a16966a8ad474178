"""How fast the run goes, when it pauses, and when it gives up."""

from __future__ import annotations

import time

from lassbench.errors import LassbenchError
from lassbench.fetch.failures import BREAKING, CLASSES

#: Failures of the breaking classes in a row that stop the run.
BREAK_AFTER = 10

#: Clips an hour (FACTS: a guest stands about 300, an account about 2000).
GUEST_RATE = 250.0
ACCOUNT_RATE = 1800.0

#: Seconds of the first pause after a rate limit, and of the longest one.
PAUSE_S = 900.0
LONGEST_PAUSE_S = 3600.0

#: Failures that say that nothing at all could be reached.
OFFLINE = "offline"
OFFLINE_PAUSE_S = 5.0
LONGEST_OFFLINE_PAUSE_S = 120.0

_ADVICE = {
    OFFLINE: "check the network and the --proxy",
    **{kind: CLASSES[kind].advice for kind in BREAKING},
}


class RunStopped(LassbenchError):
    """The breaker ended the run; every clip that is not done stays as it was."""

    exit_code = 3


class Limiter:
    """Spaces requests evenly: a burst is what gets an address noticed.

    At most ``per_hour`` of them (0: no limit), and at least ``at_least_s`` seconds apart.
    """

    def __init__(self, per_hour: float, at_least_s: float = 0.0) -> None:
        self.spacing_s = max(3600.0 / per_hour if per_hour > 0 else 0.0, at_least_s)
        self._ready_at = time.monotonic()

    def wait_s(self) -> float:
        """Seconds until the next request may go."""
        return max(0.0, self._ready_at - time.monotonic())

    def hold(self, seconds: float) -> None:
        """No request for this long."""
        self._ready_at = max(self._ready_at, time.monotonic() + seconds)

    def take(self) -> None:
        """One request goes now."""
        self._ready_at = time.monotonic() + self.spacing_s


class Breaker:
    """Counts failures in a row that are about the address and not about clips.

    While the row is not empty nothing may be written off: an address under
    suspicion is told "Video unavailable" of videos that play elsewhere.
    """

    def __init__(self) -> None:
        self.row: list[str] = []
        #: A refusal that no success has followed yet.
        self.suspicious = False

    def success(self) -> None:
        """A clip came through."""
        self.row.clear()
        self.suspicious = False

    def failure(self, kind: str, message: str) -> None:
        """A clip failed; any class that is not a breaking one ends the row.

        Raises
        ------
        RunStopped
            When the row is full.
        """
        if kind not in BREAKING and kind != OFFLINE:
            self.row.clear()
            return
        self.row.append(kind)
        self.suspicious = self.suspicious or kind in BREAKING
        if len(self.row) >= BREAK_AFTER:
            raise self._stopped(message)

    def _stopped(self, message: str) -> RunStopped:
        worst = max(sorted(set(self.row)), key=self.row.count)
        counts = ", ".join(f"{self.row.count(kind)} {kind}" for kind in sorted(set(self.row)))
        return RunStopped(
            f"stopped after {len(self.row)} failures in a row that are not the clips' fault "
            f"({counts}); nothing was written off",
            got=message,
            fix=f"{_ADVICE[worst]}; then run the same command again: it goes on from here",
        )


class Pause:
    """Grows from one pause to the next, and starts over after a success."""

    def __init__(self, first_s: float, longest_s: float = LONGEST_PAUSE_S) -> None:
        self.first_s, self.longest_s = first_s, longest_s
        self._next_s = first_s

    def next_s(self) -> float:
        """The length of the pause that begins now."""
        length = self._next_s
        self._next_s = min(2 * length, max(self.longest_s, self.first_s))
        return length

    def reset(self) -> None:
        """A success: the next pause is a short one again."""
        self._next_s = self.first_s


def clock(seconds: float) -> str:
    """``4 d 3 h``, ``2 h 05 min``, ``3:07``."""
    whole = round(seconds)
    if whole >= 86400:
        return f"{whole // 86400} d {whole % 86400 // 3600} h"
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60}:{whole % 60:02d}"
