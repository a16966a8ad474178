"""Scoring while separating, without files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lassbench.parallel import map_ordered, open_executor
from lassbench.predictions import System
from lassbench.progress import track
from lassbench.records import Query
from lassbench.scores.pieces import InMemory, Measured, Piece, cut, make_piece, measure
from lassbench.scores.result import USUAL, make_scores, warn_of_levels
from lassbench.scores.score_file import Bootstrap, Scores
from lassbench.separators import as_separator, card_of, estimate
from lassbench.suites.suite import Suite


def evaluate(
    separate: Any,
    suite: Suite,
    *,
    workers: int = 1,
    progress: bool = True,
    batch_size: int = 8,
    bootstrap: Bootstrap = USUAL,
) -> Scores:
    """Separate every query of ``suite`` and score the answers as they come.

    The rows are those that ``lassbench separate`` and ``lassbench score`` would
    give: estimates are scored as float32.  Memory does not grow with the suite.

    Parameters
    ----------
    separate
        ``separate(mixture, query, sample_rate)``, or an object with that method
        (see :class:`lassbench.separators.Separator`).  It runs in this process.
    workers
        Processes that score meanwhile; 1 scores in this process too.
    batch_size
        Queries a call for systems that offer ``separate_batch``.

    Warns
    -----
    LassbenchWarning
        As :func:`lassbench.scores.folders.score_folders`.

    Raises
    ------
    LassbenchError
        If an answer is not float (samples,), holds NaN or infinite samples, or
        nothing can be rendered.
    UsageError
        If the system needs references and the suite has none.
    """
    separator = as_separator(separate)
    pieces = list(cut(suite, suite.renderable_queries))
    with open_executor(workers) as executor:
        outcomes = map_ordered(
            executor,
            measure,
            _separated(separator, suite, pieces, batch_size),
            ahead=2 * max(1, workers),
        )
        measured: list[Measured] = []
        unscorable: dict[str, str] = {}
        shown = track(outcomes, "evaluating", total=len(pieces)) if progress else outcomes
        for outcome in shown:
            measured += outcome.systems[0][0]
            unscorable |= outcome.unscorable
    system = System(card_of(separator))
    scores = make_scores(measured, suite, system, bootstrap=bootstrap, unscorable=unscorable)
    warn_of_levels(measured, system.card.name)
    return scores


def _separated(
    separator: Any, suite: Suite, pieces: Sequence[Sequence[Query]], batch_size: int
) -> Iterator[Piece]:
    for queries in pieces:
        answers = {
            query.query_id: samples
            for query, samples in estimate(separator, suite, queries, batch_size=batch_size)
        }
        yield make_piece(suite, queries, [InMemory(answers)])
