"""Ctrl-C and SIGTERM, kept away from what must not be broken off in its middle."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Interrupts:
    """Ctrl-C and SIGTERM, put off to the end of the block but for where they are let through.

    For steps that must not be broken off in their middle: taking a lock, moving
    into place, clearing up.  A handler that ends the process in some other way
    than by an exception (the system's own for SIGTERM) is left as it is.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Any] = {}
        self._waiting: list[int] = []
        self._open = False

    def __enter__(self) -> Interrupts:
        # Only the main thread is ever interrupted, and only it may ask.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if callable(handler := signal.getsignal(number)):
                    self._handlers[number] = handler
                    signal.signal(number, self._came)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for number in self._waiting:
            signal.raise_signal(number)

    def _came(self, number: int, frame: FrameType | None) -> None:
        if not self._open:
            self._waiting.append(number)
            return
        self._open = False  # a second one must not break off what the first one set going
        self._handlers[number](number, frame)
        self._open = True

    @contextlib.contextmanager
    def let_through(self) -> Iterator[None]:
        """Where the block may be broken off."""
        self._open = True
        try:
            for number in self._waiting[:1]:
                self._waiting.clear()
                self._came(number, None)
            yield
        finally:
            self._open = False
