"""Which clips are mixed: never two of one concept, evenly, and the same after a resume."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lassbench.benchmark.mixtures import render
from lassbench.models.config import MixingConfig
from lassbench.records import Clip
from lassbench.training.mixing import mix
from lassbench.training.pairs import PairStream
from lassbench.training.roster import Roster

SIZES = {"dog": 2, "rain": 5, "bell": 1, "siren": 12}


def clips() -> list[Clip]:
    return [
        Clip(
            f"{concept}-{n}",
            concept,
            "train",
            tuple(f"{concept} {n} {k}" for k in range(1 + n % 3)),
        )
        for concept, size in SIZES.items()
        for n in range(size)
    ]


def stream(rank: int = 0, batch: int = 64, **mixing: object) -> PairStream:
    roster = Roster.of(clips())
    return PairStream(roster, MixingConfig(**mixing), seed=3, rank=rank, batch=batch, spare=10)  # type: ignore[arg-type]


def test_a_pair_is_of_two_concepts_and_its_caption_is_the_targets() -> None:
    roster, pairs = Roster.of(clips()), stream()
    captions = roster.all_captions()
    seen: set[tuple[str, str]] = set()
    for step in range(200):
        draw = pairs.draw(step)
        for t, n, c in zip(draw.target, draw.noise, draw.caption, strict=True):
            target, noise = roster.clips[t], roster.clips[n]
            assert target.concept != noise.concept
            assert captions[c] in target.captions
            seen.add((target.clip_id, noise.clip_id))
        assert ((draw.offset >= 0) & (draw.offset <= 10)).all()
    possible = {(a.clip_id, b.clip_id) for a in clips() for b in clips() if a.concept != b.concept}
    assert seen == possible


@pytest.mark.parametrize("balance", ["clips", "concepts"])
def test_targets_and_noises_are_drawn_evenly(balance: str) -> None:
    roster, pairs = Roster.of(clips()), stream(balance=balance)
    draws = [pairs.draw(step) for step in range(400)]
    targets = np.concatenate([draw.target for draw in draws])
    count = np.bincount(targets, minlength=len(roster.clips)) / len(targets)
    for share, clip in zip(count, roster.clips, strict=True):
        expected = 1 / 20 if balance == "clips" else 1 / 4 / SIZES[clip.concept]
        # Five standard deviations of a share among 25,600 draws.
        assert abs(share - expected) < 5 * (expected / len(targets)) ** 0.5
    noises = np.concatenate([draw.noise for draw in draws])
    of_bell = noises[[roster.clips[t].concept == "bell" for t in targets]]
    share = np.bincount(of_bell, minlength=20) / len(of_bell)
    expected_noise = np.array([0.0 if clip.concept == "bell" else 1 / 19 for clip in roster.clips])
    assert np.abs(share - expected_noise).max() < 5 * (1 / 19 / len(of_bell)) ** 0.5


def test_a_draw_depends_on_the_step_alone() -> None:
    once, again = stream(), stream()
    for step in range(5):
        once.draw(step)
    for name in ("target", "noise", "caption", "offset", "snr_db"):
        assert (getattr(once.draw(7), name) == getattr(again.draw(7), name)).all()
    assert (once.draw(7).target != once.draw(8).target).any()


def test_ranks_draw_different_pairs() -> None:
    assert (stream(rank=0).draw(0).target != stream(rank=1).draw(0).target).any()


def test_snr_is_drawn_from_its_range() -> None:
    assert not stream().draw(0).snr_db.any()
    drawn = np.concatenate([stream(snr_range_db=(-5.0, 10.0)).draw(s).snr_db for s in range(50)])
    assert drawn.min() < -4.5
    assert drawn.max() > 9.5
    assert (np.abs(drawn - 2.5) <= 7.5).all()


@pytest.mark.parametrize("snr_db", [0.0, -7.5, 12.0])
def test_mixing_is_the_benchmarks_rule(snr_db: float) -> None:
    random = np.random.default_rng(0)
    target, noise = random.integers(-9000, 9000, (2, 3, 800))
    noise[1] = -target[1]  # the mixture cancels out: the largest sample is a source's
    mixture, scaled = mix(
        torch.from_numpy(target).float(), torch.from_numpy(noise).float(), torch.full((3,), snr_db)
    )
    for row in range(3):
        wanted = render(target[row] / 32768, noise[row] / 32768, snr_db=snr_db)
        np.testing.assert_allclose(mixture[row], wanted.mixture, atol=1e-6)
        np.testing.assert_allclose(scaled[row], wanted.target, atol=1e-6)


def test_a_silent_stretch_mixes_to_numbers() -> None:
    mixture, target = mix(torch.zeros(1, 50), torch.ones(1, 50), torch.zeros(1))
    assert torch.isfinite(mixture).all()
    assert not target.any()
    assert torch.isfinite(mix(torch.zeros(1, 50), torch.zeros(1, 50), torch.zeros(1))[0]).all()
