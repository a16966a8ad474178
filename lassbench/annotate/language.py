"""Which language a sentence is in: the lingua detector, loaded when first needed.

Loading takes seconds and some hundred megabytes, so a server loads it beside
its work (:meth:`Detector.load_beside`) and checks languages once it is there.
lingua 2 is an extension in Rust that keeps Python's interpreter lock while it
loads (``py_build`` in its python.rs does not release it), and all its detectors
share the models of a language, so there it is loaded one language at a time.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from lassbench.annotate.campaign import LANGUAGES

#: Found by looking at captions: short sentences about sounds leave the detector
#: unsure between near languages, so another language is only named when it is
#: clearly ahead of the one that was asked for.
SURE, UNLIKELY = 0.5, 0.15
#: Fewer words than this say too little about their language.
FEWEST_WORDS = 4
#: How long requests that waited for a language's models have before the next.
PAUSE_S = 0.1


class Detector:
    """Tells whether a text is in another language than ``language`` (ISO 639-1)."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._lock = threading.Lock()
        self._detector: Any = None

    def load(self, *, pause: float = 0.0) -> None:
        """Load the detector's models, once.

        Parameters
        ----------
        pause
            Seconds to let other threads work after every language; 0 loads all at once.
        """
        with self._lock:
            if self._detector is not None:
                return
            if pause:
                others = [code for code in LANGUAGES if code != self.language]
                for other in others:
                    # Of one language alone lingua would load something else.
                    _build(self.language, other)
                    time.sleep(pause)
            self._detector = _build(*LANGUAGES)

    def load_beside(self) -> threading.Thread:
        """Begin to load in a thread of its own, one language at a time."""
        thread = threading.Thread(
            target=self.load, kwargs={"pause": PAUSE_S}, name="language", daemon=True
        )
        thread.start()
        return thread

    @property
    def ready(self) -> bool:
        """Whether the models are loaded."""
        return self._detector is not None

    def other(self, text: str) -> str:
        """The name of the other language that ``text`` is in, or ``""``.

        A text in a script that none of the known languages is written in is
        called ``another script``.
        """
        self.load()
        values = self._detector.compute_language_confidence_values(text)
        by_code = {v.language.iso_code_639_1.name.lower(): v.value for v in values}
        best, asked = values[0], by_code[self.language]
        if best.value == 0.0:
            return "another script"
        if best.value >= SURE and asked < UNLIKELY:
            return str(best.language.name).capitalize()
        return ""


def _build(*languages: str) -> Any:
    """lingua's detector of some languages (ISO 639-1), with their models loaded."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in languages]
    builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
    return builder.with_preloaded_language_models().build()
