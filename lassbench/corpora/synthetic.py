"""The embedded corpus: ten kinds of sound, rendered from a seed, no download.

Every clip is a pure function of its id and the rate and length asked for; the
id carries the seed, the concept, the split and a running number::

    synthetic-0-dog-test-0003

It is for trying things out, for tests, and for machines without data.  It is
labelled synthetic wherever a result shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lassbench.corpora.base import CorpusCard, in_order
from lassbench.errors import UsageError
from lassbench.records import CLIP_SECONDS, SAMPLE_RATE_HZ, SPLITS, Clip, RenderedSource, Split

#: The ten concepts of the LASS-2022 lists and their AudioSet root categories.
ROOTS = {
    "speech": "Human sounds",
    "laughter": "Human sounds",
    "applause": "Human sounds",
    "dog": "Animal",
    "duck": "Animal",
    "siren": "Sounds of things",
    "typing": "Sounds of things",
    "bell": "Sounds of things",
    "rain": "Natural sounds",
    "vibration": "Channel, environment and background",
}

#: Clips a concept in train, validation and test.  The test split is the
#: benchmark's (20 a concept); the others are enough for a small model.
CLIPS_PER_CONCEPT = (40, 4, 20)

#: Numbers in clip ids have four digits, and sort as text because of it.
_MOST_CLIPS = 10_000


@dataclass(frozen=True)
class SyntheticCorpus:
    """Rendered clips of the ten concepts.

    Attributes
    ----------
    seed
        Another seed, other clips: not one sample in common.
    clips_per_concept
        How many clips of each concept in train, validation and test.
    sample_rate_hz, seconds
        Rate in Hz and length in seconds.
    """

    seed: int = 0
    clips_per_concept: tuple[int, int, int] = CLIPS_PER_CONCEPT
    sample_rate_hz: int = SAMPLE_RATE_HZ
    seconds: float = CLIP_SECONDS

    def __post_init__(self) -> None:
        counts = self.clips_per_concept
        if len(counts) != len(SPLITS) or not all(0 <= n < _MOST_CLIPS for n in counts):
            raise UsageError(
                "the clips per concept are three whole numbers",
                expected=f"train,validation,test, each below {_MOST_CLIPS}, such as 40,4,20",
                got=",".join(str(count) for count in counts),
            )
        if self.seed < 0:
            raise UsageError("the seed cannot be negative", got=str(self.seed))

    @property
    def card(self) -> CorpusCard:
        """The corpus's card: synthetic, free of rights."""
        return CorpusCard(
            name="synthetic",
            title=f"lassbench synthetic sounds (seed {self.seed})",
            homepage="",
            licence="CC0-1.0",
            citation="",
            sample_rate_hz=self.sample_rate_hz,
            clip_seconds=self.seconds,
            synthetic=True,
            audio_may_be_published=True,
            templated_captions=True,
            notes=(
                "No clip is a recording: all sounds are rendered from a seed, and all captions "
                "come from templates. Results say how a system does on these sounds, "
                "not on real ones."
            ),
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What decides which clips these are."""
        return {
            "seed": self.seed,
            "clips_per_concept": list(self.clips_per_concept),
            "concepts": list(ROOTS),
        }

    def clips(self) -> list[Clip]:
        """Every clip, sorted by split and id."""
        return in_order(
            self._clip(concept, split, number)
            for concept in ROOTS
            for split, count in zip(SPLITS, self.clips_per_concept, strict=True)
            for number in range(count)
        )

    def _clip(self, concept: str, split: Split, number: int) -> Clip:
        from lassbench.corpora import synthesis

        clip_id = f"synthetic-{self.seed}-{concept}-{split}-{number:04d}"
        tags = synthesis.draw_tags(concept, clip_id)
        return Clip(
            clip_id=clip_id,
            concept=concept,
            split=split,
            captions=synthesis.describe(concept, clip_id, tags),
            tags=tags,
            root=ROOTS[concept],
        )

    def locate(self, clip: Clip) -> RenderedSource:
        """The clip's recipe: its concept, its id as the key, its tags."""
        return RenderedSource(clip.concept, clip.clip_id, clip.tags)


def from_options(options: Mapping[str, Any]) -> SyntheticCorpus:
    """The corpus that the command line's options ask for.

    ``clips_per_concept`` is a text such as ``40,4,20`` (train, validation, test).

    Raises
    ------
    UsageError
        If a number is not one.
    """
    names = {"seed": "seed", "rate": "sample_rate_hz", "seconds": "seconds"}
    chosen = {names[option]: value for option, value in options.items() if option in names}
    if "clips_per_concept" in options:
        text = str(options["clips_per_concept"])
        try:
            chosen["clips_per_concept"] = tuple(int(part) for part in text.split(","))
        except ValueError as error:
            raise UsageError(
                "--clips-per-concept takes three whole numbers",
                expected="train,validation,test, such as 40,4,20",
                got=text,
            ) from error
    return SyntheticCorpus(**chosen)
