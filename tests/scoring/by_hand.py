"""Suites made by hand: any sounds, any kind, no dataset; and a CLAP model that is a formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from lassbench import audio
from lassbench.metrics.clap import ClapScore
from lassbench.records import Clip, Mixture, Query
from lassbench.scores.score_file import Scores
from lassbench.suites.freezing import SuitePlan, write_suite
from lassbench.suites.suite import PARTS, Suite, exported_name, load_suite

RATE, SAMPLES = 8000, 4000


def noise(seed: int, gain: float = 0.2) -> np.ndarray:
    return (gain * np.random.default_rng(seed).normal(size=SAMPLES)).astype(np.float32)


def write_by_hand(
    folder: Path,
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    kind: str = "separation",
    concepts: Sequence[str] = (),
    audit: Mapping[str, Sequence[str]] | None = None,
    **changes: Any,
) -> Suite:
    """A suite of a mixture and a query (``q0``, ``q1`` ...) for each target and interference.

    ``concepts`` are the targets', ``changes`` sequences of values of the queries' fields.
    """
    pcm: dict[str, dict[str, str]] = {}
    mixtures, queries = [], []
    for number, (target, interference) in enumerate(pairs):
        signals = dict(zip(PARTS, (target + interference, target, interference), strict=True))
        if kind == "unreferenced":
            signals = {"mixture": signals["mixture"]}
        for part, samples in signals.items():
            path = folder / exported_name(f"m{number}", part)
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.write_wav_float(path, samples, RATE)
        pcm[f"m{number}"] = {part: audio.pcm_sha256(one) for part, one in signals.items()}
        mixtures.append(Mixture(f"m{number}", f"t{number}", f"n{number}"))
        query = Query(f"q{number}", f"m{number}", f"sound number {number}")
        query = replace(query, concept=concepts[number] if concepts else "")
        assert set(changes) <= {one.name for one in fields(Query)}
        queries.append(replace(query, **{name: of[number] for name, of in changes.items()}))
    sounds = [one for m in mixtures for one in (m.target_id, m.noise_id)]
    clips = {one: Clip(one, "", "test", ()) for one in sounds}
    plan = SuitePlan("by-hand", "Made by hand", kind, mixtures, queries, clips)  # type: ignore[arg-type]
    write_suite(
        folder, plan, pcm=pcm, recipe="as given",
        sample_rate_hz=RATE, samples=SAMPLES, synthetic=True, audio_may_be_published=True,
        references_exported=True, audit={name: list(ids) for name, ids in (audit or {}).items()},
        dataset={"name": "none", "fingerprint": "0" * 64, "path": "nowhere"},
    )  # fmt: skip
    return load_suite(folder)


def as_bytes(found: Scores, folder: Path) -> tuple[bytes, bytes]:
    """The two files of a score."""
    json_path, parquet_path = found.save(folder)
    return json_path.read_bytes(), parquet_path.read_bytes()


class FakeClap:
    """Scores a sound by its mean square, a text by its length: easy to write out."""

    def __init__(self, name: str, *, device: str | None = None) -> None:
        self.name = name

    def score(self, *, texts, estimates, mixtures, sample_rate_hz):
        def one(sound, text):
            return float(np.mean(np.square(sound, dtype=np.float64))) / len(text)

        return [
            ClapScore(one(estimate, text), one(mixture, text))
            for text, estimate, mixture in zip(texts, estimates, mixtures, strict=True)
        ]
