"""What is said of a separation system, wherever it is said: its card, and what it cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lassbench.checked import Count, Finite, Label, Strict, Text

#: What a system was told about the sound to extract; ``none`` for systems that
#: ignore the query, ``oracle`` for those that look at the answer.
SystemQuery = Literal["text", "tag", "oracle", "none"]


class PublicCard(Strict):
    """What a separation system is, as system.yaml, score files and leaderboards say it.

    Attributes
    ----------
    name
        As it stands in tables.
    query_type
        What the system is given: the ``text``, the target's tags (``tag``), the references
        themselves (``oracle``: an upper bound, never ranked), or nothing (``none``).
    parameters
        Number of trainable parameters, or ``None`` where that has no meaning.
    trained_on
        Names of the datasets it was trained on.
    checkpoint_sha256
        Hash of the weights file, or ``""``.
    generative
        Whether it makes its answer anew (autoencoder, vocoder, codec), so that the
        waveform's phase is not kept and SI-SDR says little of it.
    """

    name: Label
    authors: Text = ""
    url: Annotated[str, Field(max_length=2000)] = ""
    description: Text = ""
    parameters: Count | None = None
    # Not written where it says nothing, so that such files keep their bytes.
    generative: Annotated[bool, Field(exclude_if=lambda generative: not generative)] = False
    query_type: SystemQuery = "text"
    trained_on: tuple[Text, ...] = ()
    checkpoint_sha256: Annotated[str, Field(max_length=200)] = ""


class SystemCard(PublicCard):
    """A system's card where predictions are made.

    ``training_clips_sha256`` are the PCM hashes of the clips that it was trained on, where
    they are known, so that a test clip among them can be found.
    """

    training_clips_sha256: tuple[Label, ...] = ()


class Cost(Strict):
    """What separating took: seconds of computing a second of audio, on ``device``."""

    real_time_factor: Annotated[Finite, Field(ge=0)] | None = None
    device: Annotated[str, Field(max_length=200)] = ""
