"""The corpora, by name: one module each, imported when it is asked for.

A corpus module offers ``from_options(options) -> Corpus``, which takes the
command line's options by name and refuses what it cannot use.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lassbench.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from lassbench.corpora.base import Corpus

#: name -> (module, the options it takes, one line for ``--help``).
CORPORA: dict[str, tuple[str, tuple[str, ...], str]] = {
    "synthetic": (
        "lassbench.corpora.synthetic",
        ("seed", "clips_per_concept", "rate", "seconds"),
        "rendered from a seed, needs nothing",
    ),
    "esc50": (
        "lassbench.corpora.esc50",
        ("source", "only_esc10", "seconds", "rate"),
        "ESC-50's own folder layout",
    ),
    "folder": (
        "lassbench.corpora.folder",
        ("source", "csv", "seconds", "rate"),
        "any folder of audio with a CSV",
    ),
    "audiocaps": (
        "lassbench.corpora.audiocaps",
        (
            *("manifest", "audio_dir", "audio", "fetched", "captions"),
            *("metadata_dir", "unverified_metadata", "audiocaps_version"),
        ),
        "the clips of LASS-2022 or of another benchmark made from AudioCaps",
    ),
}


def open_corpus(name: str, options: Mapping[str, Any]) -> Corpus:
    """The corpus called ``name``, set up by ``options``.

    Options whose value is ``None`` or ``False`` count as not given.

    Raises
    ------
    UsageError
        If there is no such corpus, an option is not one of its options, or the
        corpus itself refuses one.
    """
    if name not in CORPORA:
        raise UsageError(
            f"no such corpus {name!r}{did_you_mean(name, CORPORA)}",
            expected=", ".join(CORPORA),
            fix="name one of these as --corpus",
        )
    module, known, _ = CORPORA[name]
    given = {
        key: value for key, value in options.items() if value is not None and value is not False
    }
    strange = [key for key in given if key not in known]
    if strange:
        raise UsageError(
            f"the corpus {name} does not take --{strange[0].replace('_', '-')}",
            expected=", ".join(f"--{key.replace('_', '-')}" for key in known),
            fix="leave it out, or choose another corpus",
        )
    corpus: Corpus = import_module(module).from_options(given)
    return corpus
