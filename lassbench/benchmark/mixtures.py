r"""Mixtures: planned from a seed, frozen as a list, rendered without randomness.

Rendering follows the authors' released mixing code (FACTS section 1).  With
target :math:`s`, noise :math:`n` and a signal-to-noise ratio of :math:`r` dB,

.. math::
    s' = s / \max|s|, \quad
    n' = 10^{-r/20} \, n / \max|n|, \quad
    x = s' + n', \quad
    g = \max(\max|x|, \max|s'|, \max|n'|)

and the mixture, the target and the interference are :math:`x/g`, :math:`s'/g`
and :math:`n'/g`.  So 0 dB means equal peaks, not equal energies.

Others mix by power (:func:`mix_by_power`): DCASE 2024 Task 9's evaluator and CLAPSep's,
which read the same (FACTS sections 3 and 6).  With the mean powers :math:`p_s, p_n`,

.. math::
    x = s + n \, \sqrt{p_s / (10^{r/10} \, p_n)}

and where :math:`\max|x| > 1`, all three are multiplied by :math:`0.9 / \max|x|`.  Where one
of the two is silent there is no ratio, and they are added as they are: nobody can be scored on
such a mixture, and scoring says so.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from lassbench.benchmark.words import names, words_of
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError
from lassbench.records import MOST_SNR_DB, Clip, Mixture

Samples = NDArray[np.float32]


class SilentSource(LassbenchError):
    """One of the two sounds is silent: there is no such mixture."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """Float32 of shape (samples,): ``mixture`` is ``target + interference`` up to rounding."""

    mixture: Samples
    target: Samples
    interference: Samples


def render(
    target: NDArray[np.floating], noise: NDArray[np.floating], *, snr_db: float = 0.0
) -> Rendered:
    """Mix two clips of equal length by the equations above, in float64.

    Parameters
    ----------
    target, noise
        Shape (samples,), any floating dtype, full scale 1.
    snr_db
        How much higher the target's peak stands above the noise's, in dB.

    Raises
    ------
    LassbenchError
        If the lengths differ.
    SilentSource
        If a clip has no peak to normalise by.
    """
    _refuse_other_length(target, noise)
    gain = 10.0 ** (-snr_db / 20.0)
    target_64 = _peak_normalised(target, "target")
    noise_64 = _peak_normalised(noise, "noise") * gain
    mixture_64 = target_64 + noise_64
    # A peak divided by itself is 1 to the last bit: two peaks are known already.
    scale = max(float(np.abs(mixture_64).max()), 1.0, gain)
    return _rendered(mixture_64 / scale, target_64 / scale, noise_64 / scale)


def _refuse_other_length(target: NDArray[np.floating], noise: NDArray[np.floating]) -> None:
    if target.shape != noise.shape or target.ndim != 1:
        raise LassbenchError(
            "the two sounds must have the same length",
            expected=f"{target.shape}",
            got=f"{noise.shape}",
        )


def _peak_normalised(samples: NDArray[np.floating], role: str) -> NDArray[np.float64]:
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0 or not np.isfinite(peak):
        state = "silent" if peak == 0.0 else "not finite"
        raise SilentSource(f"the {role} clip is {state}: it cannot be peak-normalised")
    return samples.astype(np.float64) / peak


def _rendered(*parts: NDArray[np.float64]) -> Rendered:
    return Rendered(*(part.astype(np.float32) for part in parts))


def mix_by_power(source: Samples, noise: Samples, *, snr_db: float) -> Rendered:
    """Mix two sounds of equal length by power (equations above), in float64.

    ``snr_db`` is the power of the source over that of the noise, in dB; shapes and errors
    are those of :func:`render`, but that a sound may be silent.
    """
    _refuse_other_length(source, noise)
    source_64, noise_64 = source.astype(np.float64), noise.astype(np.float64)
    powers = float(np.mean(source_64**2)), float(np.mean(noise_64**2))
    if all(powers):
        noise_64 *= np.sqrt(powers[0] / (10.0 ** (snr_db / 10.0) * powers[1]))
    mixture = source_64 + noise_64
    peak = float(np.abs(mixture).max())
    gain = 0.9 / peak if peak > 1.0 else 1.0
    return _rendered(mixture * gain, source_64 * gain, noise_64 * gain)


def _draw(*parts: object) -> int:
    """A 64-bit number from the SHA-256 of ``parts``."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def plan(
    clips: Sequence[Clip],
    *,
    name: str,
    noises: int = 5,
    seed: int = 0,
    snr_range_db: tuple[float, float] = (0.0, 0.0),
) -> list[Mixture]:
    """Plan a test list: each clip is the target of ``noises`` mixtures.

    The list is in the clips' order.  A target's noises come from as many other concepts as
    possible, share no tag with it, and are the least used so far; SHA-256 of the seed and
    the ids breaks ties.  So every clip serves about equally often, nothing depends on a
    random generator's version, and the list is the same everywhere.  Each mixture's SNR is
    drawn uniformly from the range, to 0.01 dB.

    Raises
    ------
    UsageError
        If the numbers make no sense.
    FaultsError
        If some target has too few possible noises.
    """
    low, high = snr_range_db
    if noises < 1 or not -MOST_SNR_DB <= low <= high <= MOST_SNR_DB:
        raise UsageError(
            "cannot plan mixtures",
            expected=f"noises >= 1 and an SNR range low <= high within {MOST_SNR_DB:g} dB",
            got=f"{noises}, {low}..{high}",
        )
    used: Counter[str] = Counter()
    pairs: list[tuple[str, str]] = []
    faults: list[Fault] = []
    for target in clips:
        chosen = _choose_noises(target, clips, noises, seed, used)
        if len(chosen) < noises:
            reason = f"{len(chosen)} clips of other concepts share no tag with it, not {noises}"
            faults.append(Fault("too few noises", target.clip_id, reason))
        pairs += [(target.clip_id, noise_id) for noise_id in chosen]
    if faults:
        raise FaultsError(
            "cannot plan the test mixtures",
            faults,
            where=name,
            fix="lower --noises or add test clips of other concepts",
        )
    width = max(4, len(str(len(pairs))))
    return [
        Mixture(
            f"{name}-{number:0{width}d}",
            target_id,
            noise_id,
            round(low + (high - low) * _draw(seed, "snr", target_id, noise_id) / 2.0**64, 2),
        )
        for number, (target_id, noise_id) in enumerate(pairs, start=1)
    ]


def _choose_noises(
    target: Clip, clips: Sequence[Clip], noises: int, seed: int, used: Counter[str]
) -> list[str]:
    draw = partial(_draw, seed, "noise", target.clip_id)
    by_concept: dict[str, list[str]] = defaultdict(list)
    for clip in clips:
        if clip.concept != target.concept and not set(clip.tags) & set(target.tags):
            by_concept[clip.concept].append(clip.clip_id)
    for candidates in by_concept.values():
        candidates.sort(key=lambda c: (used[c], draw(c)))
    concepts = sorted(by_concept, key=partial(_draw, seed, "concept", target.clip_id))
    # A round takes the next clip of each concept that has one left.
    rounds = zip_longest(*(by_concept[concept] for concept in concepts))
    chosen = [clip_id for one in rounds for clip_id in one if clip_id][:noises]
    used.update(chosen)
    return chosen


def plan_absent(
    mixtures: Sequence[Mixture],
    clips: Mapping[str, Clip],
    *,
    words: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> dict[str, str]:
    """For each mixture, a test clip whose query asks for a sound that is not in it.

    The clip is of a third concept and shares no tag with target or noise; no caption of
    theirs names its concept; and its query (``captions[0]``) names no concept that is
    theirs or that a caption of theirs names: "a man speaks and types" is no question for a
    mixture of a siren and rain where a caption has "a man talks" too
    (:mod:`lassbench.benchmark.words` says what that cannot see).

    The least asked-for clip is taken, ties broken by SHA-256 as in :func:`plan`: first as
    if there were no captions; then each mixture whose clip the captions forbid gets the
    next one that they allow.  So a row that stands does not depend on the rows that do
    not.

    Parameters
    ----------
    clips
        The test clips by id, with all of their captions.
    words
        Concept -> what names it; by default its name and its clips' tags.

    Returns
    -------
    dict
        mixture_id -> clip_id of the absent sound.

    Raises
    ------
    FaultsError
        Naming each mixture that no clip can be asked of.
    """
    told = _told(clips, words or {})
    used: Counter[str] = Counter()
    asked: dict[str, str] = {}
    among = {mixture.mixture_id: _candidates(mixture, clips, told) for mixture in mixtures}

    def ask(mixture_id: str, of: Sequence[str]) -> None:
        order = partial(_draw, seed, "absent", mixture_id)
        asked[mixture_id] = best = min(of, key=lambda c: (used[c], order(c)))
        used[best] += 1

    faults = [
        Fault("no absent sound", mixture_id, "no test clip can be asked for")
        for mixture_id, (_, allowed) in among.items()
        if not allowed
    ]
    if faults:
        raise FaultsError(
            "cannot plan queries for absent sounds: each needs a clip of a third concept that "
            "neither labels nor captions put in its mixture",
            faults,
            fix="add concepts or test clips (--test-per-concept of `lassbench select`), or "
            "correct the words of those there are",
        )
    for mixture_id, (by_labels, _) in among.items():
        ask(mixture_id, by_labels)
    refused = [one for one, (_, allowed) in among.items() if asked[one] not in allowed]
    used.subtract(asked[mixture_id] for mixture_id in refused)
    for mixture_id in refused:
        ask(mixture_id, among[mixture_id][1])
    return asked


def _candidates(
    mixture: Mixture, clips: Mapping[str, Clip], told: Mapping[str, Sequence[set[str]]]
) -> tuple[list[str], list[str]]:
    """The clips that ``mixture`` may ask for: by labels alone, and those that captions allow."""
    both = (clips[mixture.target_id], clips[mixture.noise_id])
    concepts = {clip.concept for clip in both}
    tags = {tag for clip in both for tag in clip.tags}
    present = concepts.union(*told[mixture.target_id], *told[mixture.noise_id])
    third = [
        clip_id
        for clip_id, clip in clips.items()
        if clip.concept not in concepts and tags.isdisjoint(clip.tags)
    ]
    named = {clip_id: {clips[clip_id].concept}.union(*told[clip_id][:1]) for clip_id in third}
    return third, [clip_id for clip_id in third if present.isdisjoint(named[clip_id])]


def _told(
    clips: Mapping[str, Clip], words: Mapping[str, Sequence[str]]
) -> dict[str, list[set[str]]]:
    """clip_id -> for each of its captions, the concepts that it names."""
    tags: dict[str, dict[str, None]] = defaultdict(dict)
    for clip in clips.values():
        tags[clip.concept].update(dict.fromkeys(clip.tags))
    lists = {c: words[c] if c in words else words_of(c, own) for c, own in tags.items()}
    return {
        clip_id: [{c for c, own in lists.items() if names(text, own)} for text in clip.captions]
        for clip_id, clip in clips.items()
    }
