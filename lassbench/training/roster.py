"""Which clips are trained on and validated with, and their queries as tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lassbench.benchmark.manifests import TAGS, find_benchmark
from lassbench.csv_files import read_table
from lassbench.dataset import Dataset
from lassbench.errors import LassbenchError
from lassbench.models.config import Config
from lassbench.models.query import Codec, TagCodec
from lassbench.records import Clip

#: Share of a concept's training clips held out where a dataset has no
#: validation split.
HELD_OUT = 0.1


def split_clips(dataset: Dataset) -> tuple[list[Clip], list[Clip]]:
    """The clips to train on and to validate with.

    A dataset without a validation split gives up a tenth of each concept's
    training clips (at least one), those with the smallest SHA-256 of their ids.

    Raises
    ------
    LassbenchError
        If fewer than two concepts are left to mix.
    """
    training, validation = dataset.split("train"), dataset.split("validation")
    if not validation:
        held = _held_out(training)
        validation = [clip for clip in training if clip.clip_id in held]
        training = [clip for clip in training if clip.clip_id not in held]
    concepts = {clip.concept for clip in training}
    if len(concepts) < 2:
        raise LassbenchError(
            "training mixes clips of different concepts, and there are not two",
            where=dataset.path,
            expected="training clips of at least two concepts",
            got=f"{len(training)} training clips of {len(concepts)} concepts",
            fix="build a dataset with more concepts in its train split",
        )
    return training, validation


def _held_out(clips: Sequence[Clip]) -> set[str]:
    held: set[str] = set()
    for _, group in groupby(sorted(clips, key=lambda clip: clip.concept), lambda c: c.concept):
        ids = [clip.clip_id for clip in group]
        ids.sort(key=lambda clip_id: hashlib.sha256(clip_id.encode()).hexdigest())
        if len(ids) > 1:
            held.update(ids[: max(1, round(HELD_OUT * len(ids)))])
    return held


def tags_of(clip: Clip) -> tuple[str, ...]:
    """A clip's tags; a clip without any is known by its concept."""
    return clip.tags or (clip.concept,)


@dataclass(frozen=True)
class Roster:
    """The training clips, sorted by concept, so that "not this concept" is one range less.

    Attributes
    ----------
    clips
        Sorted by concept and id.
    first, count
        For each clip the first clip of its concept and how many there are, (clips,).
    first_caption, captions
        For each clip the number of its first caption in the list of all captions,
        and how many it has, (clips,).
    """

    clips: tuple[Clip, ...]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    first_caption: NDArray[np.int64]
    captions: NDArray[np.int64]

    @classmethod
    def of(cls, clips: Sequence[Clip]) -> Roster:
        """The roster of ``clips``."""
        ordered = sorted(clips, key=lambda clip: (clip.concept, clip.clip_id))
        names = np.array([clip.concept for clip in ordered])
        _, first, inverse, counts = np.unique(
            names, return_index=True, return_inverse=True, return_counts=True
        )
        captions = np.array([len(clip.captions) for clip in ordered], dtype=np.int64)
        return cls(
            tuple(ordered),
            first=first[inverse].astype(np.int64),
            count=counts[inverse].astype(np.int64),
            first_caption=np.cumsum(captions) - captions,
            captions=captions,
        )

    def all_captions(self) -> list[str]:
        """Every caption, clip by clip."""
        return [caption for clip in self.clips for caption in clip.captions]


class Queries:
    """The encoded queries of a roster, on the device.

    Text is encoded once, every caption a row; tags once, every clip a row.
    """

    def __init__(self, roster: Roster, codec: Codec, device: torch.device) -> None:
        self.by_clip = isinstance(codec, TagCodec)
        if isinstance(codec, TagCodec):
            encoded: tuple[Tensor, ...] = codec.encode([tags_of(clip) for clip in roster.clips])
        else:
            encoded = codec.encode(roster.all_captions())
        self._encoded = tuple(part.to(device) for part in encoded)

    def rows(self, clips: Tensor, captions: Tensor) -> tuple[Tensor, ...]:
        """The queries of ``clips`` (tags) or ``captions`` (text), each ``(batch, ...)``."""
        chosen = clips if self.by_clip else captions
        return tuple(part.index_select(0, chosen) for part in self._encoded)


def tag_vocabulary(config: Config, clips: Sequence[Clip]) -> tuple[str, ...]:
    """The tag UNet's vocabulary, sorted: the dataset's own, or a benchmark's list.

    Raises
    ------
    LassbenchError
        If a training clip carries none of the benchmark's tags.
    """
    if config.tags.vocabulary == "dataset":
        return tuple(sorted({tag for clip in clips for tag in tags_of(clip)}))
    path = find_benchmark(config.tags.vocabulary) / TAGS
    vocabulary = tuple(sorted(row["name"] for row in read_table(path, ("name",))))
    strangers = [clip.clip_id for clip in clips if not set(clip.tags) & set(vocabulary)]
    if strangers:
        raise LassbenchError(
            f"{len(strangers)} training clips carry none of the {len(vocabulary)} tags",
            where=path,
            got=", ".join(strangers[:5]),
            fix="set tags.vocabulary to dataset",
        )
    return vocabulary
