"""Made-up results for the tests and the benchmark of the leaderboard.

The numbers are drawn from a seed and obey the laws that real scores obey; they
say nothing about any system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lassbench.leaderboard.adding import add_scores
from lassbench.leaderboard.checks import read_entry
from lassbench.leaderboard.entries import Loaded
from lassbench.scores.rows import METRICS, Kind, in_order, rows_schema
from lassbench.scores.score_file import Scores, SuiteInfo, SystemInfo
from tests.scores.by_hand import of_rows, scores_of

DATE = "2026-01-02"
CONCEPTS = ("dog", "rain", "siren", "bell", "typing")
#: Concept -> what its targets are tagged with: the first always, one of the others by turns.
TAGS = {
    "dog": ("Animal", "Bow-wow", "Domestic animals, pets"),
    "rain": ("Rain", "Raindrop", "Thunder"),
    "siren": ("Siren", "Police car (siren)"),
    "bell": ("Bell",),
    "typing": ("Typing", "Computer keyboard"),
}
ROOTS = {"dog": "Animal", "rain": "Natural sounds"}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def suite_info(name: str = "made", *, queries: int = 60, **changes: Any) -> SuiteInfo:
    values: dict[str, Any] = {
        "title": f"Made-up suite {name}",
        "fingerprint": digest(f"{name} audio"),
        "list_fingerprint": digest(f"{name} list"),
        "dataset_name": "made",
        "dataset_fingerprint": digest("made"),
        "synthetic": True,
        "audio_may_be_published": True,
        "sample_rate_hz": 16000,
        "samples": 16000,
    }
    return SuiteInfo(name=name, queries=queries, **{**values, **changes})


def questions(suite: SuiteInfo, *, annotators: int = 1) -> pd.DataFrame:
    """The text columns of a suite's rows, the same for every system."""
    rows = []
    for number in range(suite.queries):
        mixture, annotator = divmod(number, annotators)
        target, place = divmod(mixture, 5)
        concept = CONCEPTS[target % len(CONCEPTS)]
        noise = CONCEPTS[(target + 1 + place % (len(CONCEPTS) - 1)) % len(CONCEPTS)]
        row = {
            "query_id": f"q{number:05d}",
            "mixture_id": f"m{mixture:05d}",
            "target_id": f"t{target:04d}",
            "noise_id": f"n{mixture:05d}",
            "concept": concept,
            "root": ROOTS.get(concept, "Sounds of things"),
            "noise_concept": noise,
            "tags": "; ".join(tags_of(concept, target)),
            "query_type": "templated" if annotators == 1 else "annotator",
            "annotator": "" if annotators == 1 else f"a{annotator + 1}",
            "text": f"a sound of {concept}, number {target}",
        }
        rows.append(row)
    return pd.DataFrame(rows)


def tags_of(concept: str, target: int) -> tuple[str, ...]:
    first, *others = TAGS[concept]
    return (first, others[target % len(others)]) if others else (first,)


def separation_columns(
    suite: SuiteInfo, targets: pd.Series, quality_db: float, seed: int
) -> dict[str, Any]:
    """Metric columns that obey SI-SDR <= SDR <= SIR; 1/SDR = 1/SIR + (1 + 1/SIR)/SAR;
    snr <= 1 + si_sdr."""
    size = len(targets)
    shared = np.random.default_rng(int(suite.list_fingerprint[:8], 16))
    own = np.random.default_rng([seed, 7])
    ease = {target: shared.normal(0, 2) for target in sorted(set(targets))}
    mixture = shared.normal(0, 1.5, size)
    gain = quality_db + np.array([ease[t] for t in targets]) + own.normal(0, 1.5, size)
    si_sdr = mixture + gain
    sdr = si_sdr + own.exponential(0.5, size)
    sir = sdr + 0.1 + own.exponential(3, size)
    interference = 10 ** (-sir / 10)
    found = {
        "si_sdr": si_sdr,
        "sdr": sdr,
        "sir": sir,
        "sar": 10 * np.log10((1 + interference) / (10 ** (-sdr / 10) - interference)),
        "snr": si_sdr - own.exponential(0.3, size),
        "si_sdr_mixture": mixture,
        "sdr_mixture": mixture + 0.2,
        "sir_mixture": mixture + 0.3,
        "snr_mixture": mixture - 0.1,
    }
    for name in ("sdr", "sir", "si_sdr", "snr"):
        found[f"{name}_i"] = found[name] - found[f"{name}_mixture"]
    found["wrong_source"] = gain < 0
    found["estimate_level_db"] = own.normal(-3, 1, size)
    return found


def absent_columns(size: int, quality_db: float, seed: int) -> dict[str, Any]:
    attenuation = quality_db + np.random.default_rng([seed, 8]).normal(0, 6, size)
    return {
        "attenuation": attenuation,
        "silent_share": (attenuation >= 20).astype(np.float64),
        "estimate_level_db": -attenuation,
    }


EVERYTHING = ("clap", "clap_a", "mrstft")


def with_more(
    scores: Scores, model: str = "", more: Collection[str] = EVERYTHING, *, seed: int = 0
) -> Scores:
    """``scores`` with what may be asked for: CLAPScores by ``model``, distances."""
    draw = np.random.default_rng(seed)
    every = rows_schema("separation", EVERYTHING).names
    drawn = {name: draw.random(len(scores.rows)) for name in every}
    drawn["clap_i"] = drawn["clap"] - drawn["clap_mixture"]
    names = rows_schema("separation", more).names
    rows = scores.rows.assign(**{n: drawn[n] for n in names if n not in scores.rows})[names]
    definitions = {name: METRICS[name].id for name in in_order(names)}
    return of_rows(scores, rows, definitions=definitions, clap_model=model)


def make_scores(
    name: str = "System A",
    *,
    suite: SuiteInfo | None = None,
    quality_db: float = 5.0,
    seed: int = 0,
    kind: Kind = "separation",
    annotators: int = 1,
    keep: Collection[int] | None = None,
    renderable: int | None = None,
    system: dict[str, Any] | None = None,
) -> Scores:
    """A made-up score; ``keep`` are the indices of the queries that it covers."""
    suite = suite or suite_info()
    rows = questions(suite, annotators=annotators).assign(flags="")
    if kind == "separation":
        columns = separation_columns(suite, rows["target_id"], quality_db, seed)
    else:
        columns = absent_columns(suite.queries, quality_db, seed)
    rows = rows.assign(**columns)[rows_schema(kind).names]
    if keep is not None:
        rows = rows.iloc[sorted(keep)]
        if renderable in (
            None,
            len(keep),
        ):  # the other clips are gone, so that the audio is another
            audio = digest(f"{suite.fingerprint} {sorted(keep)}")
            suite = suite.model_copy(update={"fingerprint": audio})
    card: dict[str, Any] = {
        "authors": "Test data",
        "query_type": "text",
        "parameters": 1_000_000,
        "trained_on": ("made-up clips",),
        "predictions_sha256": digest(name),
    }
    of = SystemInfo(name=name, **{**card, **(system or {})})
    return scores_of(rows, suite, of, kind=kind, renderable=renderable)


def write(folder: Path, scores: Scores) -> Path:
    """Write a score file as `lassbench score` does; the path of its JSON."""
    return scores.save(folder)[0]


def add(root: Path, *scores: Scores, **how: Any) -> list[Path]:
    """Add ``scores`` as `lassbench leaderboard add` does; the paths of their entries."""
    paths = [
        one.save(root.parent / f"score{number}", replace=True)[0]
        for number, one in enumerate(scores)
    ]
    return add_scores(root, paths, date=DATE, **how)


def loaded(root: Path, name: str = "lass-net-small") -> Loaded:
    """An entry of ``made-test``."""
    return read_entry(root / "entries" / "made-test" / f"{name}.json")
