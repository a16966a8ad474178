"""BSS Eval of many queries at once, in float64 on a GPU (torch).

The same equations as :mod:`lassbench.metrics.bss_eval`, term by term, on a
batch: blocked FFTs give the correlations, the 1024 x 1024 Gram matrices are
written out (a GPU has the memory, and batched Cholesky factorisation is what it
is good at), z = L^-1 d.  Scores agree with the other path to 1e-6 dB.

Queries that need more than that, those that
:mod:`lassbench.metrics.bss_eval` calls ill-conditioned, near-singular or too
precise for a difference, are handed to it one by one; silence is -inf here too.

Without CUDA everything runs on the CPU, where the compiled path is faster: this
module is then of use to its tests only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from lassbench.metrics.bss_eval import ILL_CONDITIONED, TAPS, BssEval, Energies, References
from lassbench.metrics.bss_eval import bss_eval as score_one
from lassbench.metrics.correlations import FFT_SIZE
from lassbench.metrics.projection import SMALLEST_PIVOT, Gram
from lassbench.metrics.ratios import decibels
from lassbench.metrics.signals import LARGEST, SMALLEST, check_counts

#: Queries at a time: about 3 GB of GPU memory for 10 s at 32 kHz.
BATCH = 64


def bss_eval(
    *,
    targets: Sequence[ArrayLike],
    interferences: Sequence[ArrayLike],
    estimates: Sequence[ArrayLike],
    taps: int = TAPS,
    device: str | None = None,
    batch: int = BATCH,
) -> list[BssEval]:
    """SDR, SIR and SAR of each estimate against its own target and interference.

    Parameters
    ----------
    targets, interferences, estimates : sequences of arrays of shape (n,)
        Query k is made of the k-th of each; n may differ between queries.
    taps
        Length of the distortion filters in samples.
    device
        A torch device that knows float64.  Default: ``cuda`` where there is one,
        else ``cpu``.
    batch
        Queries computed at a time.

    Raises
    ------
    LassbenchError
        For what :mod:`lassbench.metrics.bss_eval` refuses, and for sequences
        that differ in length.
    """
    check_counts(
        "every query needs a target, an interference and an estimate",
        where="batched.bss_eval",
        targets=targets,
        interferences=interferences,
        estimates=estimates,
    )
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    scores: list[BssEval] = []
    for first in range(0, len(targets), batch):
        some = slice(first, first + batch)
        signals = (targets[some], interferences[some], estimates[some])
        found = _batch(signals, taps, where)
        for query, plain in zip(zip(*signals, strict=True), found, strict=True):
            s1, s2, e = query
            scores.append(plain or score_one(target=s1, interference=s2, estimate=e, taps=taps))
    return scores


def mixtures(
    *,
    targets: Sequence[ArrayLike],
    interferences: Sequence[ArrayLike],
    taps: int = TAPS,
    device: str | None = None,
    batch: int = BATCH,
) -> list[BssEval]:
    """What :meth:`~lassbench.metrics.bss_eval.References.mixture` gives, for many pairs.

    Parameters, order and errors as :func:`bss_eval`'s.
    """
    check_counts(
        "every mixture needs a target and an interference",
        where="batched.mixtures",
        targets=targets,
        interferences=interferences,
    )
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    scores: list[BssEval] = []
    for first in range(0, len(targets), batch):
        pairs = (targets[first : first + batch], interferences[first : first + batch])
        for s1, s2, ratio in zip(*pairs, _mixture_ratios(pairs, taps, where), strict=True):
            if ratio is None:
                scores.append(References(target=s1, interference=s2, taps=taps).mixture())
            else:
                scores.append(BssEval(sdr=ratio, sir=ratio, sar=math.inf))
    return scores


@torch.no_grad()
def _mixture_ratios(
    pairs: tuple[Sequence[ArrayLike], ...], taps: int, device: torch.device
) -> Iterator[float | None]:
    """10 log10(E1 / E2) of each mixture; ``None`` for pairs that need a closer look."""
    usable, (s1, s2) = _stacked(pairs, device)
    r11, r12, r22, _ = _correlations(s1, s2, s1, taps)
    for signal in (s1, s2):
        peak = signal.abs().amax(1)
        usable &= ((peak >= SMALLEST) & (peak <= LARGEST)).cpu().numpy()
    rows = torch.from_numpy(np.flatnonzero(usable)).to(device)
    r11, r12, r22 = r11[rows], r12[rows], r22[rows]
    d = torch.cat([r11 + r12[:, taps - 1 :], r12[:, :taps].flip(1) + r22], 1)
    z, pivots = _coordinates(r11, r12, r22, d)
    squares = z * z
    energies = torch.stack([squares[:, :taps].sum(1), squares[:, taps:].sum(1), pivots], 1)
    settled = iter(energies.tolist())
    for good in usable:
        target, interference, pivot = next(settled) if good else (0.0, 0.0, 0.0)
        yield decibels(target, interference) if pivot >= SMALLEST_PIVOT else None


@torch.no_grad()
def _batch(
    signals: tuple[Sequence[ArrayLike], ...], taps: int, device: torch.device
) -> Iterator[BssEval | None]:
    """Scores of a batch; ``None`` for queries that need a closer look (or an error message)."""
    usable, (s1, s2, e) = _stacked(signals, device)
    total = (e * e).sum(1)
    r11, r12, r22, d = _correlations(s1, s2, e, taps)
    for signal in (s1, s2, e):
        peak = signal.abs().amax(1)
        usable &= ((peak >= SMALLEST) & (peak <= LARGEST)).cpu().numpy()
    rows = torch.from_numpy(np.flatnonzero(usable)).to(device)
    z, pivots = _coordinates(r11[rows], r12[rows], r22[rows], d[rows])
    squares = z * z
    energies = torch.stack([total[rows], squares[:, :taps].sum(1), squares[:, taps:].sum(1)], 1)
    lags = [r[rows].cpu().numpy() for r in (r11, r12, r22)]
    settled = iter(zip(energies.tolist(), pivots.tolist(), *lags, strict=True))
    for good in usable:
        if not good:
            yield None
            continue
        (power, target, interference), pivot, *sequences = next(settled)
        parts = Energies.of(power, target, interference)
        plain = pivot >= SMALLEST_PIVOT and parts.precise
        yield parts.scores() if plain and Gram(*sequences).condition() < ILL_CONDITIONED else None


def _stacked(
    signals: tuple[Sequence[ArrayLike], ...], device: torch.device
) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], tuple[Tensor, ...]]:
    """Which queries are well formed, and float64 (queries, samples) of each kind of signal.

    Shorter signals are padded with zeros, which no correlation notices; a query
    that is not well formed becomes silence.
    """
    arrays = [[np.asarray(one) for one in kind] for kind in signals]
    usable = np.array(
        [
            all(one.ndim == 1 and one.size == query[0].size > 0 for one in query)
            and all(one.dtype.kind in "fiub" for one in query)
            for query in zip(*arrays, strict=True)
        ]
    )
    length = max((one.size for one, good in zip(arrays[0], usable, strict=True) if good), default=1)
    stacked = []
    for kind in arrays:
        rows = torch.zeros(len(kind), length, dtype=torch.float64, device=device)
        for row, one, good in zip(rows, kind, usable, strict=True):
            if good:
                row[: one.size] = torch.tensor(one, device=device)
        stacked.append(rows)
    return usable, tuple(stacked)


def _correlations(s1: Tensor, s2: Tensor, e: Tensor, taps: int) -> tuple[Tensor, ...]:
    """r11 (queries, taps), r12 (queries, 2 * taps - 1), r22, and d (queries, 2 * taps).

    Zero-padded blocks against blocks with the taps - 1 samples that follow, see
    :mod:`lassbench.metrics.correlations`.
    """
    reach = taps - 1
    size = max(FFT_SIZE, 1 << math.ceil(math.log2(8 * taps)))
    block = size - reach
    count = -(-s1.shape[1] // block)

    def short(x: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(x, (0, count * block - x.shape[1]))
        spectra: Tensor = torch.fft.rfft(padded.reshape(-1, count, block), n=size)
        return spectra

    def long(x: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(x, (0, count * block + reach - x.shape[1]))
        spectra: Tensor = torch.fft.rfft(padded.unfold(1, size, block))
        return spectra

    def lags(a: Tensor, b: Tensor) -> Tensor:
        found: Tensor = torch.fft.irfft((a.conj() * b).sum(1), n=size)
        return found[:, :taps]

    short1, short2, long1, long2, long_e = short(s1), short(s2), long(s1), long(s2), long(e)
    r12 = torch.cat([lags(short2, long1)[:, 1:].flip(1), lags(short1, long2)], 1)
    d = torch.cat([lags(short1, long_e), lags(short2, long_e)], 1)
    return lags(short1, long1), r12, lags(short2, long2), d


def _coordinates(r11: Tensor, r12: Tensor, r22: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """z = L^-1 d, (queries, 2 * taps), and smallest pivots (0: not positive definite)."""
    taps = r11.shape[1]
    lag = torch.arange(taps, device=d.device)
    lag = lag[:, None] - lag
    across = r12[:, lag + taps - 1]
    upper = torch.cat([r11[:, lag.abs()], across], 2)
    gram = torch.cat([upper, torch.cat([across.mT, r22[:, lag.abs()]], 2)], 1)
    lower, info = torch.linalg.cholesky_ex(gram)
    power = gram.diagonal(dim1=1, dim2=2)
    pivots = (lower.diagonal(dim1=1, dim2=2) ** 2 / power).amin(1)
    z = torch.linalg.solve_triangular(lower, d[:, :, None], upper=False)[:, :, 0]
    return z, torch.where(info == 0, pivots, 0.0)
