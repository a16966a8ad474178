"""One mixture judged: inner products, ratios and levels against plain formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lassbench.benchmark.mixtures import Rendered, render
from lassbench.dataset import Dataset
from lassbench.metrics.kernels import NO_NUMBA
from lassbench.metrics.ratios import si_sdr, snr
from lassbench.scores import pieces
from lassbench.scores.judge import Judge
from lassbench.suites.suite import Suite

LENGTH = 9001  # no round number


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    generator = np.random.default_rng(0)
    shaped = np.convolve(generator.normal(size=LENGTH), np.hanning(31), mode="same")
    return render(shaped, generator.normal(size=LENGTH), snr_db=3.0)


@pytest.fixture(params=["numba", "numpy"], autouse=True)
def _engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NO_NUMBA, "1" if request.param == "numpy" else "")


@pytest.fixture
def judge(rendered: Rendered) -> Judge:
    return Judge(rendered.mixture, (rendered.target, rendered.interference))


@pytest.mark.parametrize("gain_db", [-60, 0, 60])
@pytest.mark.parametrize("error_db", [-20, 0, 30, 59, 61, 90, 120])
def test_ratios_are_those_of_the_signals(
    rendered: Rendered, judge: Judge, gain_db: float, error_db: float
) -> None:
    """Estimates at known distances from the target, at gains that SNR must notice."""
    noise = np.random.default_rng(3).normal(size=LENGTH)
    target = rendered.target.astype(np.float64)
    noise *= math.sqrt(np.sum(target**2) / np.sum(noise**2)) * 10 ** (-error_db / 20)
    estimate = (10 ** (gain_db / 20) * (target + noise)).astype(np.float32)
    verdict = judge.verdicts([estimate])[0]
    for name, ratio in (("si_sdr", si_sdr), ("snr", snr)):
        expected = ratio(reference=rendered.target, estimate=estimate)
        assert verdict.values[name] == pytest.approx(expected, abs=1e-7)
    assert verdict.values["si_sdr"] == pytest.approx(error_db, abs=0.6)


def test_levels_and_nearness(rendered: Rendered, judge: Judge) -> None:
    estimates = {
        "target": (rendered.target, False),
        "minus target": (-rendered.target, False),
        "interference": (rendered.interference, True),
        "silence": (np.zeros_like(rendered.target), True),
    }
    verdicts = judge.verdicts([estimate for estimate, _ in estimates.values()])
    for (name, (estimate, wrong)), verdict in zip(estimates.items(), verdicts, strict=True):
        assert verdict.wrong_source == wrong, name
        power = float(np.sum(estimate.astype(np.float64) ** 2))
        if power:
            of_mixture = float(np.sum(rendered.mixture.astype(np.float64) ** 2))
            assert verdict.level_db == pytest.approx(10 * math.log10(power / of_mixture))
        else:
            assert verdict.level_db == -math.inf


def test_many_estimates_are_judged_as_one_by_one(rendered: Rendered, judge: Judge) -> None:
    generator = np.random.default_rng(4)
    estimates = [
        (rendered.target + level * generator.normal(size=LENGTH)).astype(np.float32)
        for level in np.linspace(0.001, 1, 19)
    ]
    together = judge.verdicts(estimates)
    for estimate, verdict in zip(estimates, together, strict=True):
        alone = judge.verdicts([estimate])[0]
        assert alone.values == pytest.approx(verdict.values, abs=1e-9)


def test_the_mixture_returned_untouched_improves_by_exactly_nothing(
    rendered: Rendered, judge: Judge
) -> None:
    nearly = rendered.mixture.copy()
    nearly[-1] = np.nextafter(nearly[-1], np.float32(1))
    better = rendered.target + np.float32(0.2) * rendered.mixture
    untouched, other, nearly_untouched = judge.verdicts([rendered.mixture.copy(), better, nearly])
    for name in ("sdr", "sir", "si_sdr", "snr"):
        assert untouched.values[name] == untouched.values[f"{name}_mixture"]
        assert nearly_untouched.values[name] == pytest.approx(untouched.values[name], abs=1e-6)
        assert other.values[name] > untouched.values[name] + 1
    assert untouched.values["sar"] == math.inf
    assert nearly_untouched.values["sar"] > 100


def test_remembered_clips_are_the_clips_within_their_memory(
    tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = tiny_dataset.clip_samples * 2
    monkeypatch.setattr(pieces, "CLIP_MEMORY", 3 * one)
    pieces._open_once.cache_clear()
    remembering = pieces._open_once(tiny_dataset.path)
    assert pieces._open_once(tiny_dataset.path) is remembering
    read: list[str] = []
    flac = Dataset.flac

    def counted(self: Dataset, clip_id: str) -> bytes:
        if self is remembering:
            read.append(clip_id)
        return flac(self, clip_id)

    monkeypatch.setattr(Dataset, "flac", counted)
    a, b, c, d = list(tiny_dataset.clips)[:4]
    for clip_id in (a, b, a, c, a, d, a, b):  # b was asked for longest ago when d came
        np.testing.assert_array_equal(
            remembering.samples(clip_id), Dataset.samples(tiny_dataset, clip_id)
        )
    assert read == [a, b, c, d, b]
    pieces._open_once.cache_clear()


def test_pieces_keep_a_targets_queries_together(suite: Suite) -> None:
    cut = list(pieces.cut(suite, suite.renderable_queries))
    assert [query for piece in cut for query in piece] == suite.renderable_queries
    where: dict[str, set[int]] = {}
    for number, piece in enumerate(cut):
        for query in piece:
            where.setdefault(suite.mixtures[query.mixture_id].target_id, set()).add(number)
    assert all(len(numbers) == 1 for numbers in where.values())
    assert all(len(piece) >= pieces.QUERIES_PER_PIECE for piece in cut[:-1])
