"""Which language a sentence is in: the lingua detector.

Loading takes seconds and some hundred megabytes.  lingua 2 is an extension in
Rust that keeps Python's interpreter lock while it loads and while it answers
(``py_build`` in its python.rs does not release it), so a server has its detector
in a process beside it (:class:`Beside`) and checks languages once it is there.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any, Protocol

from lassbench.annotate.campaign import LANGUAGES

#: Found by looking at captions: short sentences about sounds leave the detector
#: unsure between near languages, so another language is only named when it is
#: clearly ahead of the one that was asked for.
SURE, UNLIKELY = 0.5, 0.15
#: Fewer words than this say too little about their language.
FEWEST_WORDS = 4
#: Seconds for an answer, which takes half a millisecond: a process that needs more hangs.
TIMEOUT_S = 2.0

_log = logging.getLogger("lassbench")


class Languages(Protocol):
    """What tells languages apart, once it is :attr:`ready`."""

    @property
    def ready(self) -> bool:
        """Whether it can be asked now."""

    def other(self, text: str) -> str:
        """The name of the other language that ``text`` is in, or ``""``."""


class Detector:
    """Tells whether a text is in another language than ``language`` (ISO 639-1)."""

    ready = True

    def __init__(self, language: str) -> None:
        self.language = language
        self._detector = _build(*LANGUAGES)

    def other(self, text: str) -> str:
        """The name of the other language that ``text`` is in, or ``""``.

        A text in a script that none of the known languages is written in is
        called ``another script``.
        """
        values = self._detector.compute_language_confidence_values(text)
        by_code = {v.language.iso_code_639_1.name.lower(): v.value for v in values}
        best, asked = values[0], by_code[self.language]
        if best.value == 0.0:
            return "another script"
        if best.value >= SURE and asked < UNLIKELY:
            return str(best.language.name).capitalize()
        return ""


class Beside:
    """A :class:`Detector` in a process of its own, which ends with this one.

    The process reads from a socket whose other end is here alone: however this
    process ends, the socket ends too, and the process sees that while it waits
    for a text and after each language that it loads.  It has a session of its
    own, so that Ctrl-C in the terminal reaches only the server.

    When it dies or hangs that is logged, once, and no language is checked from
    then on: freezing checks all of them again.  It is not started once more,
    for what most likely ends it is too little memory.

    Parameters
    ----------
    timeout
        Seconds that an answer may take.
    """

    def __init__(self, language: str, *, timeout: float = TIMEOUT_S) -> None:
        self.language, self.timeout = language, timeout
        self._asking = threading.Lock()
        self._ending = threading.Lock()
        self._ready = self._ended = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ready(self) -> bool:
        """Whether the process has loaded its models and answers."""
        return self._ready

    def start(self) -> None:
        """Start the process; returns at once, while it loads."""
        # The same modules as here, from wherever they came.
        begin = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from lassbench.annotate.language import answer; answer(0, {self.language!r})"
        )
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", begin],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
        except OSError as error:
            ours.close()
            _say_gone(f"it cannot be started: {error}")
            return
        self._connection = Connection(ours.detach())
        self._waiting = threading.Thread(target=self._wait, name="language", daemon=True)
        self._waiting.start()

    def _wait(self) -> None:
        try:
            self._connection.recv_bytes()
        except (EOFError, OSError):
            self._end("it ended while it loaded")
            return
        with self._ending:
            self._ready = not self._ended

    def other(self, text: str) -> str:
        """As :meth:`Detector.other`; ``""`` also while nobody can tell."""
        with self._asking:
            if not self._ready:
                return ""
            try:
                self._connection.send_bytes(text.encode("utf-8", "replace"))
                if self._connection.poll(self.timeout):
                    return self._connection.recv_bytes().decode()
                why = f"it did not answer in {self.timeout:g} s"
            except (EOFError, OSError):
                why = "it ended"
        self._end(why)
        return ""

    def _end(self, why: str) -> None:
        """End the process; say why unless it was told to end."""
        with self._ending:
            self._ready = False
            if self._process is None or self._ended:
                return
            self._ended = True
            self._process.kill()
            code = self._process.wait()
        if why:
            _say_gone(f"{why}, with exit code {code}")

    def close(self) -> None:
        """End the process, if it was started; nothing is kept in it."""
        self._end("")
        if self._process is not None:
            self._waiting.join()
            with self._asking:
                self._connection.close()


def _say_gone(why: str) -> None:
    _log.warning(
        "lassbench: no language is checked until the server is started again, but freezing "
        "checks them all: the process that tells languages apart is gone (%s)",
        why,
    )


def answer(descriptor: int, language: str) -> None:
    """What the process beside does: load, say so, then answer one text after another.

    Parameters
    ----------
    descriptor
        Of the socket.  Nothing comes before it has said that it is loaded, so
        what can be read until then is the end.
    """
    with Connection(descriptor) as connection:
        for other in LANGUAGES:
            # lingua's detectors share the models of a language.
            if other != language:
                _build(language, other)
            if connection.poll(0):
                return
        detector = Detector(language)
        try:
            connection.send_bytes(b"")
            while True:
                text = connection.recv_bytes().decode()
                connection.send_bytes(detector.other(text).encode())
        except (EOFError, OSError):
            return  # nobody is there any more


def _build(*languages: str) -> Any:
    """lingua's detector of some languages (ISO 639-1), with their models loaded."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in languages]
    builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
    return builder.with_preloaded_language_models().build()
