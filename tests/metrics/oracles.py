"""Other computations of the same quantities, and signals to compare them on."""

from __future__ import annotations

import csv
import math
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from lassbench.metrics.bss_eval import TAPS, BssEval, References, bss_eval

Floats = NDArray[np.float64]

#: How far two right answers may lie apart at ordinary levels.
ORACLE_DB = 1e-6


def mir_eval_scores(target: Floats, interference: Floats | None, estimate: Floats) -> BssEval:
    """mir_eval's public call; what the second estimate is does not change the first's scores."""
    import mir_eval.separation

    references, estimates = [target], [estimate]
    if interference is not None:
        references.append(interference)
        estimates.append(interference + 0.5 * target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sdr, sir, sar, _ = mir_eval.separation.bss_eval_sources(
            np.stack(references), np.stack(estimates), compute_permutation=False
        )
    return BssEval(float(sdr[0]), float(sir[0]), float(sar[0]))


def explicit(
    target: Floats, interference: Floats | None, estimate: Floats, taps: int
) -> tuple[float, float, float]:
    """E1, E2 and E - E1 - E2 over E, by orthogonalising every delayed reference as a signal.

    Directions that hold less than 1e-11 of the longest column (in amplitude) are
    dependent on the others.
    """
    pad = np.zeros(taps - 1)
    columns = [
        np.concatenate([np.zeros(k), s, np.zeros(taps - 1 - k)])
        for s in (target, interference)
        if s is not None
        for k in range(taps)
    ]
    e = np.concatenate([estimate, pad])
    e /= np.linalg.norm(e)
    own = orthonormal(np.stack(columns[:taps], axis=1))
    first = own @ (own.T @ e)
    rest = e - first
    second = np.zeros_like(e)
    if interference is not None:
        others = np.stack(columns[taps:], axis=1)
        left = others - own @ (own.T @ others)
        added = orthonormal(left, largest=float(np.linalg.norm(others, 2)))
        second = added @ (added.T @ rest)
    energies = [float(part @ part) for part in (first, second, rest - second)]
    return energies[0], energies[1], energies[2]


def by_qr(target: Floats, interference: Floats, estimate: Floats) -> BssEval:
    """BSS Eval by a QR decomposition of the 1024 delayed references themselves.

    No Gram matrix is formed, so it loses half the digits that correlations lose.
    """
    taps = 512
    padded = (np.pad(s, (0, taps - 1)) for s in (target, interference))
    columns = np.stack([np.roll(s, k) for s in padded for k in range(taps)], axis=1)
    q = np.linalg.qr(columns)[0]
    e = np.pad(estimate, (0, taps - 1))
    z = q.T @ e
    distortion, artifacts = e - q[:, :taps] @ z[:taps], e - q @ z
    e1, e2 = float(z[:taps] @ z[:taps]), float(z[taps:] @ z[taps:])
    return BssEval(
        db(e1, float(distortion @ distortion)),
        db(e1, e2),
        db(e1 + e2, float(artifacts @ artifacts)),
    )


def orthonormal(columns: Floats, *, largest: float | None = None) -> Floats:
    """An orthonormal basis of the columns' span, by singular values."""
    u, strength, _ = np.linalg.svd(columns, full_matrices=False)
    return u[:, strength > 1e-11 * (largest if largest is not None else strength[0])]


def db(numerator: float, denominator: float) -> float:
    """Ten times the logarithm, without a ceiling."""
    return 10.0 * math.log10(numerator / denominator)


@dataclass(frozen=True)
class Case:
    """Two references, or one, and an estimate."""

    target: Floats
    interference: Floats | None
    estimate: Floats

    def references(self) -> References:
        """Ready to score."""
        return References(target=self.target, interference=self.interference)

    def found(self, taps: int = TAPS) -> BssEval:
        """What is tested."""
        return bss_eval(
            target=self.target, interference=self.interference, estimate=self.estimate, taps=taps
        )

    def of_mir_eval(self) -> BssEval:
        """As mir_eval has it."""
        return mir_eval_scores(self.target, self.interference, self.estimate)

    def expected(self, taps: int = TAPS) -> list[float]:
        """SDR, SIR and SAR by :func:`explicit`."""
        e1, e2, rest = explicit(self.target, self.interference, self.estimate, taps)
        return [db(e1, e2 + rest), db(e1, e2), db(e1 + e2, rest)]


@cache
def recordings(shared: Path) -> dict[str, tuple[Path, ...]]:
    """ESC-10's files by class."""
    folder = shared / "data" / "esc10"
    found: dict[str, list[Path]] = {}
    with (folder / "meta" / "esc50.csv").open() as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["category"], []).append(folder / "audio" / row["filename"])
    return {name: tuple(sorted(paths)) for name, paths in sorted(found.items())}


def recording(
    shared: Path, category: str, *, rate_hz: int, seconds: float, take: int = 0
) -> Floats:
    """One class's recordings end to end, resampled, as 16-bit samples like those of a dataset."""
    import soundfile

    paths = recordings(shared)[category]
    wanted = math.ceil(seconds * 44100)
    parts: list[Floats] = []
    while sum(part.size for part in parts) < wanted:
        x, rate = soundfile.read(paths[(take + len(parts)) % len(paths)])
        assert rate == 44100
        # Half the files are padded with digital silence.
        loud = np.flatnonzero(np.abs(x) > 0.01 * np.abs(x).max())
        parts.append(x[loud[0] : loud[-1] + 1])
    x = np.concatenate(parts)[:wanted]
    common = math.gcd(rate_hz, 44100)
    x = scipy.signal.resample_poly(x, rate_hz // common, 44100 // common)
    x = x[: round(seconds * rate_hz)]
    return np.round(x / np.abs(x).max() * 32767.0) / 32768.0
