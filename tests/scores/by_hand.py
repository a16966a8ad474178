"""Suites made by hand: any sounds, any kind, no dataset; and a CLAP model that is a formula."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from lassbench import audio
from lassbench.metrics.clap import ClapScore
from lassbench.records import Clip, Mixture, Query
from lassbench.scores.rows import METRICS, Kind, in_order, rows_schema, rows_sha256
from lassbench.scores.score_file import Coverage, ScoreFile, Scores, SuiteInfo, SystemInfo
from lassbench.suites.freezing import SuitePlan, write_suite
from lassbench.suites.suite import PARTS, Suite, exported_name, load_suite

RATE, SAMPLES = 8000, 4000
HASH = "ab" * 32


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


def rows_by_hand(count: int = 3, **columns: Any) -> pd.DataFrame:
    """Separation rows without sounds: a target a query, the first one silent and undefined."""
    names = rows_schema("separation").names
    rows = pd.DataFrame(
        {
            **{name: [f"{name}-{n}" for n in range(count)] for name in names[:11]},
            **{name: 1.25 * np.arange(count) - 3.0 for name in names[11:]},
            "query_id": [f"q{n:04d}" for n in range(count)],
            "wrong_source": np.arange(count) == 0,
            "flags": ["silent"] + [""] * (count - 1),
        }
    )
    rows.loc[0, ["sdr", "sar"]] = -math.inf, math.nan
    return rows.assign(**columns)


def scores_of(
    rows: pd.DataFrame,
    suite: SuiteInfo,
    system: SystemInfo,
    *,
    kind: Kind = "separation",
    renderable: int | None = None,
    clap_model: str = "",
) -> Scores:
    """What ``lassbench score`` would say of ``rows``: of all that can be rendered, unless told."""
    scored = len(rows)
    file = ScoreFile(
        lassbench_version="0.1.0",
        kind=kind,
        suite=suite,
        system=system,
        coverage=Coverage(
            queries_total=suite.queries,
            renderable=renderable or scored,
            queries_scored=scored,
        ),
        definitions={one: METRICS[one].id for one in in_order(rows.columns)},
        clap_model=clap_model,
        rows_sha256=rows_sha256(rows),
    )
    return Scores(file, rows)


def of_rows(scores: Scores, rows: pd.DataFrame, **changes: Any) -> Scores:
    """``scores`` as they are of other ``rows``; ``changes`` are of the file's fields."""
    changes["rows_sha256"] = rows_sha256(rows)
    return Scores(scores.file.model_copy(update=changes), rows)


def score_by_hand(
    rows: pd.DataFrame,
    name: str = "My system (v2)",
    *,
    of: int | None = None,
    clap_model: str = "",
    **system: Any,
) -> Scores:
    """A score of such ``rows``, of a suite with ``of`` queries; ``system`` is its card."""
    suite = SuiteInfo(
        name="tiny", fingerprint=HASH, list_fingerprint=HASH, synthetic=True,
        audio_may_be_published=True, sample_rate_hz=32000, samples=320000,
        queries=of or len(rows),
    )  # fmt: skip
    card = SystemInfo(name=name, **system)
    return scores_of(rows, suite, card, renderable=of, clap_model=clap_model)


def muffled(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
    """A poor separator: its answer depends on the words, so that askers differ."""
    keep = 2 + len(query) % 5
    return np.convolve(mixture, np.ones(keep) / keep, mode="same").astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> None:
    soundfile.write(path, samples, rate, subtype="FLOAT")


def as_bytes(found: Scores, folder: Path) -> tuple[bytes, bytes]:
    """The two files of a score."""
    json_path, parquet_path = found.save(folder)
    return json_path.read_bytes(), parquet_path.read_bytes()


class FakeClap:
    """Scores a sound by its mean square, over a text's length or, against a reference, over
    the reference's: easy to write out.
    """

    def __init__(self, name: str, *, device: str | None = None) -> None:
        self.name = name

    def score(self, *, texts, estimates, mixtures, references=None, sample_rate_hz):
        def powers(sounds):
            return [float(np.mean(np.square(one, dtype=np.float64))) for one in sounds]

        e, x = powers(estimates), powers(mixtures)
        scores = [
            ClapScore(a / len(text), b / len(text)) for a, b, text in zip(e, x, texts, strict=True)
        ]
        if references is None:
            return scores
        heard = zip(scores, e, x, powers(references), strict=True)
        return [replace(one, audio=a / r, audio_mixture=b / r) for one, a, b, r in heard]
