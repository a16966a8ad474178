"""Mixtures: the authors' rule in closed form, and plans that treat clips alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lassbench.benchmark.mixtures import Rendered, mix_by_power, plan, plan_absent, render
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.records import Clip, Mixture


def clip(name: str, concept: str, tags: tuple[str, ...] = ()) -> Clip:
    return Clip(name, concept, "test", (f"the sound of {name}",), tags or (concept,))


def clips(concepts: int, each: int) -> list[Clip]:
    return [clip(f"c{i}-{j}", f"concept{i}") for i in range(concepts) for j in range(each)]


@pytest.mark.parametrize(
    ("target", "noise", "snr_db", "expected"),
    [
        # s' = s/0.5, n' = n/0.1, x = s' + n' = [1, 1, 0, 0]; the largest sample is 1.
        (
            [0.0, 0.5, 0.0, -0.25],
            [0.1, 0.0, 0.0, 0.05],
            0.0,
            ([1, 1, 0, 0], [0, 1, 0, -0.5], [1, 0, 0, 0.5]),
        ),
        # x = [1.5, 0.5]: everything is divided by 1.5.
        ([1, -0.5], [0.5, 1], 0.0, ([1, 1 / 3], [2 / 3, -1 / 3], [1 / 3, 2 / 3])),
        # x = [0, 0.4] is smaller than the sources: they decide.
        ([1, 0.2], [-1, 0.2], 0.0, ([0, 0.4], [1, 0.2], [-1, 0.2])),
        ([1, 0, 0], [0, 0, 1], 20.0, ([1, 0, 0.1], [1, 0, 0], [0, 0, 0.1])),
        ([1, 0, 0], [0, 0, 1], -20.0, ([0.1, 0, 1], [0.1, 0, 0], [0, 0, 1])),
    ],
)
def test_the_rule_in_closed_form(
    target: list[float], noise: list[float], snr_db: float, expected: tuple[list[float], ...]
) -> None:
    rendered = render(np.array(target, np.float32), np.array(noise, np.float32), snr_db=snr_db)
    found = (rendered.mixture, rendered.target, rendered.interference)
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-7)


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


@pytest.mark.parametrize("mix", [render, mix_by_power])
def test_lengths_must_agree(mix: Callable[..., Rendered]) -> None:
    with pytest.raises(LassbenchError, match="same length"):
        mix(np.ones(4), np.ones(5), snr_db=0.0)


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
    test_clips = {c.clip_id: replace(c, tags=(c.clip_id,)) for c in clips(5, 4)}
    mixtures = plan(list(test_clips.values()), name="s", noises=4)
    # By labels alone: no word names anything.
    asked = plan_absent(mixtures, test_clips, words={c.concept: () for c in test_clips.values()})
    assert list(asked) == [m.mixture_id for m in mixtures]
    for mixture in mixtures:
        present = {test_clips[mixture.target_id].concept, test_clips[mixture.noise_id].concept}
        assert test_clips[asked[mixture.mixture_id]].concept not in present
    counts = Counter(asked.values())
    assert max(counts.values()) - min(counts.values()) <= 2


def told(**captions: str | tuple[str, ...]) -> dict[str, Clip]:
    """Clips called ``<concept><number>`` with these captions."""
    return {
        name: replace(clip(name, name.rstrip("0123456789")), captions=texts)
        for name, text in captions.items()
        for texts in [(text,) if isinstance(text, str) else text]
    }


ONE = [Mixture("m", "dog1", "rain1", 0.0)]


@pytest.mark.parametrize(
    "changes",
    [
        {"bell1": "a bell and a dog"},  # the query names the target
        {"bell1": "bells in the Rain"},  # the query names the noise
        {"dog1": ("a dog", "a dog near a bell")},  # the target's second caption names the asked-for
        {"rain1": ("rain", "rain", "Bells!")},  # the noise's third does
        # Query and caption name what neither clip is labelled.
        {"bell1": "a bell and a cat", "dog1": "a dog, then cats", "cat1": "a cat"},
    ],
)
def test_a_clip_that_captions_forbid_is_not_asked_for(changes: dict[str, str]) -> None:
    plain = told(dog1="a dog", rain1="rain", bell1="a bell", duck1="a duck")
    # With two clips to choose from the order decides; the one it prefers is made wrong.
    mixture = next(
        [Mixture(name, "dog1", "rain1", 0.0)]
        for name in map(str, range(100))
        if plan_absent([Mixture(name, "dog1", "rain1", 0.0)], plain)[name] == "bell1"
    )
    (asked,) = plan_absent(mixture, {**plain, **told(**changes)}).values()
    assert asked == "duck1"


def test_the_other_captions_of_the_asked_for_clip_do_not_count() -> None:
    """Only its first caption is the query."""
    only = told(dog1="a dog", rain1="rain", bell1=("a bell", "a bell and a dog"))
    assert plan_absent(ONE, only) == {"m": "bell1"}


def test_words_are_those_given_and_otherwise_name_and_tags() -> None:
    world = told(dog1="a hound", rain1="rain", bell1="chimes", duck1="hounds and chimes")
    assert plan_absent(ONE, world, words={"dog": ["hound*"]}) == {"m": "bell1"}


@pytest.mark.parametrize(
    "changes",
    [
        {"bell1": None, "duck1": None},
        {"dog1": ("a dog", "a duck, a bell")},
        {"bell1": "dogs", "duck1": "a dog"},
        {"bell1": "dogs", "rain1": "ducks"},
    ],
)
def test_where_nothing_can_be_asked_for_the_mixture_is_named(
    changes: dict[str, str | None],
) -> None:
    captions = {"dog1": "a dog", "rain1": "rain", "bell1": "a bell", "duck1": "a duck", **changes}
    world = told(**{name: text for name, text in captions.items() if text})
    with pytest.raises(FaultsError, match="add concepts or test clips") as caught:
        plan_absent(ONE, world)
    assert [fault.where for fault in caught.value.faults] == ["m"]
