"""The batched path gives the numbers of the other one (on the CPU, and on CUDA where it is)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from lassbench.errors import LassbenchError
from lassbench.metrics.bss_eval import BssEval, References, bss_eval
from tests.metrics.oracles import ORACLE_DB, mir_eval_scores

torch = pytest.importorskip("torch")

from lassbench.metrics import batched  # noqa: E402 - needs torch

Floats = NDArray[np.float64]
INF = math.inf
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return str(request.param)


def query(size: int, seed: int) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    s, n, noise = rng.standard_normal((3, size))
    s, n = (scipy.signal.lfilter(rng.standard_normal(8), [1.0, -0.4], x) for x in (s, n))
    leak, level = 10 ** rng.uniform(-1.5, 0.5, 2)
    return s, n, (s + leak * n + level * noise) * 10 ** rng.uniform(-3, 3)


def test_equals_mir_eval_whatever_the_lengths_and_the_batch(device: str) -> None:
    queries = [query(size, size) for size in (2000, 9000, 16000, 4000, 3000)]
    signals = list(zip(*queries, strict=True))
    for batch in (2, 64):
        found = batched.bss_eval(
            targets=signals[0], interferences=signals[1], estimates=signals[2],
            batch=batch, device=device,
        )  # fmt: skip
        for one, scores in zip(queries, found, strict=True):
            assert scores.is_close(mir_eval_scores(*one), ORACLE_DB)
            alone = bss_eval(target=one[0], interference=one[1], estimate=one[2])
            assert scores.is_close(alone, 1e-8)


def test_special_cases_follow_the_policy(device: str) -> None:
    s, n, e = query(3000, 1)
    low = scipy.signal.firwin(301, 0.2)
    cases = {
        "silent": (s, n, 0 * e),
        "perfect": (s, n, 2 * s),
        "mixture": (s, n, s + n),
        "equal references": (s, -s, e),
        "nearly perfect": (s, n, s + 1e-5 * e / np.std(e)),
        "ordinary, float32": (s.astype(np.float32), n, e),
        "near-singular": (*(np.convolve(x, low)[300:3000] for x in (s, n)), e[:2700]),
        "short": (s[:20], n[:20], e[:20]),
    }  # fmt: skip
    for chosen in (list(cases), ["silent"]):
        signals = list(zip(*(cases[name] for name in chosen), strict=True))
        found = batched.bss_eval(
            targets=signals[0], interferences=signals[1], estimates=signals[2], device=device
        )
        for name, scores in zip(chosen, found, strict=True):
            s1, s2, estimate = cases[name]
            expected = bss_eval(target=s1, interference=s2, estimate=estimate)
            assert scores.is_close(expected, 1e-8), name
    assert found == [BssEval(-INF, -INF, -INF)]


@pytest.mark.parametrize("taps", [1, 33, 1500])
def test_any_number_of_taps(taps: int) -> None:
    s, n, e = query(5000, 2)
    found = batched.bss_eval(targets=[s], interferences=[n], estimates=[e], taps=taps, device="cpu")
    expected = bss_eval(target=s, interference=n, estimate=e, taps=taps)
    assert found[0].is_close(expected, 1e-7)


def test_errors_are_those_of_the_other_path() -> None:
    s, n, e = query(500, 3)
    good = {"targets": [s, s], "interferences": [n, n], "estimates": [e, e]}
    for kind, bad, message in (
        ("estimates", e[:-1], "differ in length"),
        ("estimates", np.full(500, np.nan), "estimate: .*(?s:.)*nan at sample 0"),
        ("targets", np.zeros(500), "target reference: the reference is silent"),
        ("interferences", np.zeros((2, 500)), "not a mono signal"),
    ):
        with pytest.raises(LassbenchError, match=message):
            batched.bss_eval(**{**good, kind: [good[kind][0], bad]}, device="cpu")
    with pytest.raises(LassbenchError, match="2 targets, 2 interferences, 1 estimates"):
        batched.bss_eval(**{**good, "estimates": [e]}, device="cpu")
    assert batched.bss_eval(targets=[], interferences=[], estimates=[]) == []


def test_mixtures_score_as_each_pairs_own(device: str) -> None:
    pairs = [query(size, size)[:2] for size in (2000, 9000, 700)]
    pairs += [(pairs[0][0], -2.0 * pairs[0][0]), (pairs[2][0][:20], pairs[2][1][:20])]
    found = batched.mixtures(
        targets=[s for s, _ in pairs], interferences=[n for _, n in pairs], batch=2, device=device
    )
    for (s, n), scores in zip(pairs, found, strict=True):
        assert scores.is_close(References(target=s, interference=n).mixture(), 1e-8)
        assert scores.sar == INF
    for (s, n), scores in zip(pairs[:3], found, strict=False):
        oracle = mir_eval_scores(s, n, s + n)
        assert [scores.sdr, scores.sir] == pytest.approx([oracle.sdr, oracle.sir], abs=ORACLE_DB)
    with pytest.raises(LassbenchError, match="1 targets, 2 interferences"):
        batched.mixtures(targets=[pairs[0][0]], interferences=[pairs[0][1]] * 2)
