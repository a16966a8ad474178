"""Mixtures: the authors' rule in closed form, and plans that treat clips alike."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lassbench.benchmark.mixtures import plan, plan_absent, render
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.records import Clip


def clip(name: str, concept: str, tags: tuple[str, ...] = ()) -> Clip:
    return Clip(name, concept, "test", (f"the sound of {name}",), tags or (concept,))


def clips(concepts: int, each: int) -> list[Clip]:
    return [clip(f"c{i}-{j}", f"concept{i}") for i in range(concepts) for j in range(each)]


def test_zero_db_means_equal_peaks_and_the_loudest_sample_is_one() -> None:
    target = np.array([0.0, 0.5, 0.0, -0.25], np.float32)
    noise = np.array([0.1, 0.0, 0.0, 0.05], np.float32)
    rendered = render(target, noise)
    # s' = s/0.5, n' = n/0.1, x = s' + n' = [1, 1, 0, 0]; the largest sample is 1.
    np.testing.assert_allclose(rendered.mixture, [1, 1, 0, 0], atol=1e-7)
    np.testing.assert_allclose(rendered.target, [0, 1, 0, -0.5], atol=1e-7)
    np.testing.assert_allclose(rendered.interference, [1, 0, 0, 0.5], atol=1e-7)


def test_everything_is_divided_by_the_largest_of_the_three() -> None:
    target = np.array([1.0, -0.5], np.float32)
    noise = np.array([0.5, 1.0], np.float32)
    rendered = render(target, noise)
    # x = [1.5, 0.5]: everything is divided by 1.5.
    np.testing.assert_allclose(rendered.mixture, [1.0, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(rendered.target, [2 / 3, -1 / 3], rtol=1e-6)
    cancelling = render(np.array([1.0, 0.2], np.float32), np.array([-1.0, 0.2], np.float32))
    # x = [0, 0.4] is smaller than the sources: they decide.
    assert np.abs(cancelling.target).max() == 1.0


def test_snr_scales_the_noise() -> None:
    signal = np.array([1.0, 0.0, 0.0], np.float32)
    noise = np.array([0.0, 0.0, 1.0], np.float32)
    rendered = render(signal, noise, snr_db=20.0)
    np.testing.assert_allclose(rendered.interference, [0, 0, 0.1], rtol=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(1e-4, 1e4), st.floats(1e-4, 1e4), st.floats(-30, 30))
def test_the_rule_ignores_input_gains_and_adds_up(
    seed: int, gain_target: float, gain_noise: float, snr_db: float
) -> None:
    rng = np.random.default_rng(seed)
    target, noise = rng.standard_normal((2, 64))
    plain = render(target, noise, snr_db=snr_db)
    scaled = render(target * gain_target, noise * gain_noise, snr_db=snr_db)
    np.testing.assert_allclose(plain.mixture, scaled.mixture, atol=1e-6)
    np.testing.assert_allclose(plain.mixture, plain.target + plain.interference, atol=3e-7)
    peaks = [np.abs(part).max() for part in (plain.mixture, plain.target, plain.interference)]
    assert max(peaks) == 1.0


@pytest.mark.parametrize("role", ["target", "noise"])
@pytest.mark.parametrize(("fill", "word"), [(0.0, "silent"), (np.nan, "not finite")])
def test_a_clip_without_a_peak_is_named(role: str, fill: float, word: str) -> None:
    good, bad = np.ones(4), np.full(4, fill)
    pair = (bad, good) if role == "target" else (good, bad)
    with pytest.raises(LassbenchError, match=f"the {role} clip is {word}"):
        render(*pair)


def test_lengths_must_agree() -> None:
    with pytest.raises(LassbenchError, match="same length"):
        render(np.ones(4), np.ones(5))


def test_a_plan_is_fair_and_the_same_every_time() -> None:
    test_clips = clips(concepts=10, each=8)
    mixtures = plan(test_clips, name="suite", noises=5)
    assert mixtures == plan(test_clips, name="suite", noises=5)
    assert mixtures != plan(test_clips, name="suite", noises=5, seed=1)
    assert len(mixtures) == 400
    assert mixtures[0].mixture_id == "suite-0001"
    assert [m.target_id for m in mixtures[::5]] == [c.clip_id for c in test_clips]
    concept = {c.clip_id: c.concept for c in test_clips}
    for start in range(0, 400, 5):
        group = mixtures[start : start + 5]
        # Five noises of five different concepts, none of them the target's.
        assert len({concept[m.noise_id] for m in group} - {concept[group[0].target_id]}) == 5
    times_used = Counter(m.noise_id for m in mixtures)
    assert set(times_used) == set(concept)
    assert max(times_used.values()) - min(times_used.values()) <= 3


def test_noises_share_no_tag_with_the_target() -> None:
    test_clips = [
        clip("a", "dog", ("Animal", "Dog")),
        clip("b", "duck", ("Animal", "Duck")),
        clip("c", "rain", ("Rain",)),
    ]
    noises = {m.target_id: m.noise_id for m in plan(test_clips, name="s", noises=1)}
    assert noises["a"] == "c"
    assert noises["b"] == "c"


def test_too_few_noises_are_listed_together() -> None:
    with pytest.raises(FaultsError) as caught:
        plan([clip("a", "x"), clip("b", "y")], name="s", noises=2)
    assert [fault.where for fault in caught.value.faults] == ["a", "b"]


def test_snr_range() -> None:
    mixtures = plan(clips(4, 10), name="s", noises=3, snr_range_db=(-5.0, 5.0))
    values = [m.snr_db for m in mixtures]
    assert -5.0 <= min(values) < -3.0 < 3.0 < max(values) <= 5.0
    assert len(set(values)) > 100
    with pytest.raises(UsageError):
        plan(clips(4, 10), name="s", snr_range_db=(5.0, -5.0))


def test_absent_sounds_are_of_a_third_concept_and_asked_for_evenly() -> None:
    test_clips = {c.clip_id: c for c in clips(5, 4)}
    mixtures = plan(list(test_clips.values()), name="s", noises=4)
    asked = plan_absent(mixtures, test_clips)
    assert list(asked) == [m.mixture_id for m in mixtures]
    for mixture in mixtures:
        present = {test_clips[mixture.target_id].concept, test_clips[mixture.noise_id].concept}
        assert test_clips[asked[mixture.mixture_id]].concept not in present
    counts = Counter(asked.values())
    assert max(counts.values()) - min(counts.values()) <= 2


def test_no_third_concept_is_a_fault() -> None:
    test_clips = {c.clip_id: c for c in clips(2, 2)}
    mixtures = plan(list(test_clips.values()), name="s", noises=1)
    with pytest.raises(FaultsError, match="absent"):
        plan_absent(mixtures, test_clips)
