"""Which language a sentence is in: the lingua detector, loaded when first needed.

Loading takes seconds and some hundred megabytes, so a server loads it beside
its work (:meth:`Detector.load_beside`) and checks languages once it is there.
"""

from __future__ import annotations

import threading
from typing import Any

from lassbench.annotate.campaign import LANGUAGES

#: Found by looking at captions: short sentences about sounds leave the detector
#: unsure between near languages, so another language is only named when it is
#: clearly ahead of the one that was asked for.
SURE, UNLIKELY = 0.5, 0.15
#: Fewer words than this say too little about their language.
FEWEST_WORDS = 4


class Detector:
    """Tells whether a text is in another language than ``language`` (ISO 639-1)."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._lock = threading.Lock()
        self._detector: Any = None

    def load(self) -> None:
        """Load the detector's models, once."""
        with self._lock:
            if self._detector is None:
                from lingua import IsoCode639_1, LanguageDetectorBuilder

                codes = [getattr(IsoCode639_1, code.upper()) for code in LANGUAGES]
                builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
                self._detector = builder.with_preloaded_language_models().build()

    def load_beside(self) -> None:
        """Begin to load in a thread of its own."""
        threading.Thread(target=self.load, name="language", daemon=True).start()

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
