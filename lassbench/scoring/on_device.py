"""Scoring on a GPU: BSS Eval of many queries at once, everything else beside it.

Threads of this process read the answers, render the mixtures and check their
hashes (decoding and hashing release Python's lock), while the device works on
the batch before.  The numbers agree with the processors' to 1e-6 dB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from lassbench.mixtures import Rendered
from lassbench.parallel import cpu_count, map_ordered
from lassbench.scoring.judge import Judge, is_mixture
from lassbench.scoring.pieces import Answer, Outcome, Piece, gather

#: Answers that are handed to the device at once.
BATCH = 64

#: A piece that was read: what came of it so far, its mixtures and their answers.
Gathered = tuple[Piece, Outcome, list[tuple[Rendered, list[Answer]]]]


def measure_on_device(pieces: Iterable[Piece], device: str) -> Iterator[Outcome]:
    """:func:`lassbench.scoring.pieces.measure` of each piece, in order, batched on ``device``."""
    with ThreadPoolExecutor(cpu_count()) as executor:
        waiting: list[Gathered] = []
        for gathered in map_ordered(executor, _gathered, pieces, ahead=4 * cpu_count()):
            waiting.append(gathered)
            if sum(len(answers) for *_, found in waiting for _, answers in found) >= BATCH:
                yield from _judged(waiting, device)
                waiting = []
        yield from _judged(waiting, device)


def _gathered(piece: Piece) -> Gathered:
    outcome: Outcome = [([], []) for _ in piece.systems]
    return piece, outcome, list(gather(piece, outcome))


def _judged(waiting: list[Gathered], device: str) -> Iterator[Outcome]:
    from lassbench.metrics import batched

    mixtures = [one for _, _, found in waiting for one in found]
    pairs = [
        (rendered, answer)
        for rendered, answers in mixtures
        for answer in answers
        if not is_mixture(answer.samples, rendered)
    ]
    of_mixtures = iter(
        batched.mixtures(
            targets=[rendered.target for rendered, _ in mixtures],
            interferences=[rendered.interference for rendered, _ in mixtures],
            device=device,
        )
    )
    of_estimates = iter(
        batched.bss_eval(
            targets=[rendered.target for rendered, _ in pairs],
            interferences=[rendered.interference for rendered, _ in pairs],
            estimates=[answer.samples for _, answer in pairs],
            device=device,
        )
    )
    for piece, outcome, found in waiting:
        for rendered, answers in found:
            mixture = next(of_mixtures)
            judge = Judge(rendered, piece.suite.kind, mixture=mixture)
            for answer in answers:
                known = is_mixture(answer.samples, rendered)
                verdict = judge.verdict(answer.samples, mixture if known else next(of_estimates))
                outcome[answer.system][0].append(answer.measured(verdict))
        yield outcome
