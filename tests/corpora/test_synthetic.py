"""The embedded corpus: ids, splits, captions, options."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest

from lassbench.corpora import open_corpus
from lassbench.corpora.base import Corpus, check_clips, read_source
from lassbench.corpora.synthetic import ROOTS, SyntheticCorpus
from lassbench.errors import UsageError
from lassbench.records import SPLITS

SMALL = SyntheticCorpus(clips_per_concept=(3, 1, 2), sample_rate_hz=8000, seconds=1.0)


def test_it_is_a_corpus_that_pickles() -> None:
    assert isinstance(SMALL, Corpus)
    assert pickle.loads(pickle.dumps(SMALL)) == SMALL


def test_ten_concepts_in_every_split() -> None:
    clips = SMALL.clips()
    check_clips(clips)
    counts = Counter((clip.split, clip.concept) for clip in clips)
    assert counts == {
        (split, concept): n for split, n in zip(SPLITS, (3, 1, 2), strict=True) for concept in ROOTS
    }
    assert [clip.clip_id for clip in clips if clip.split == "test"][:2] == [
        "synthetic-0-applause-test-0000",
        "synthetic-0-applause-test-0001",
    ]


def test_concepts_and_roots_are_those_of_the_benchmark() -> None:
    # FACTS section 1: ten concepts under five root categories.
    assert len(ROOTS) == 10
    assert Counter(ROOTS.values()) == {
        "Human sounds": 3,
        "Animal": 2,
        "Sounds of things": 3,
        "Natural sounds": 1,
        "Channel, environment and background": 1,
    }


def test_each_clip_is_a_sound_of_its_own() -> None:
    clips = SMALL.clips()[:12]
    sounds = [read_source(SMALL.locate(clip), sample_rate_hz=8000, seconds=1.0) for clip in clips]
    assert all(x.shape == (8000,) for x in sounds)
    for i, x in enumerate(sounds):
        for y in sounds[:i]:
            assert abs(np.corrcoef(x, y)[0, 1]) < 0.9
    again = read_source(SMALL.locate(clips[0]), sample_rate_hz=8000, seconds=1.0)
    assert np.array_equal(again, sounds[0])


def test_another_seed_is_other_sounds_under_other_names() -> None:
    other = SyntheticCorpus(seed=1, clips_per_concept=(3, 1, 2), sample_rate_hz=8000, seconds=1.0)
    ours, theirs = SMALL.clips()[0], other.clips()[0]
    assert ours.clip_id != theirs.clip_id
    x, y = (
        read_source(corpus.locate(clip), sample_rate_hz=8000, seconds=1.0)
        for corpus, clip in ((SMALL, ours), (other, theirs))
    )
    assert not np.array_equal(x, y)


def test_its_card_says_what_it_is() -> None:
    assert SMALL.card.synthetic
    assert SMALL.card.templated_captions
    assert SMALL.card.audio_may_be_published
    assert (SMALL.card.sample_rate_hz, SMALL.card.clip_seconds) == (8000, 1.0)


def test_options_set_it_up() -> None:
    options = {"seed": 2, "clips_per_concept": "5,0,1", "rate": 16000, "seconds": 2.0}
    assert open_corpus("synthetic", options) == SyntheticCorpus(
        seed=2, clips_per_concept=(5, 0, 1), sample_rate_hz=16000, seconds=2.0
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clips_per_concept": "5,1"}, "three whole numbers"),
        ({"clips_per_concept": "5,1,x"}, "three whole numbers"),
        ({"clips_per_concept": "5,1,-1"}, "three whole numbers"),
        ({"clips_per_concept": "5,1,10001"}, "three whole numbers"),
        ({"seed": -1}, "cannot be negative"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_corpus("synthetic", options)
