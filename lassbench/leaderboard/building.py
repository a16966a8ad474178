"""Building: check everything, then tables and site, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lassbench import files, output_folders
from lassbench.errors import Fault
from lassbench.leaderboard.adding import writing
from lassbench.leaderboard.checks import check_is_there, entry_files, load_entry, read_leaderboard
from lassbench.leaderboard.entries import (
    TABLE_METRICS,
    Leaderboard,
    Loaded,
    SuiteCard,
    entry_schema,
)
from lassbench.leaderboard.examples import read_examples
from lassbench.leaderboard.ranking import standings
from lassbench.leaderboard.site.pages import MARKER, build_site
from lassbench.leaderboard.tables import table_files, write_tables
from lassbench.parallel import map_ordered, open_executor
from lassbench.scores.rows import metric_named

#: From this many entries on, a pool of processes is quicker than starting it costs.
POOL_FROM = 80


def build(
    root: Path,
    *,
    site: Path | None = None,
    metric: str = "",
    unpublished_audio: bool = False,
    workers: int | None = None,
) -> Leaderboard:
    """Check the leaderboard at ``root``, write its tables and, if asked, its site; what was read.

    Parameters
    ----------
    site
        Folder for the site: empty, new, or an earlier site, which it replaces.
    metric
        What the tables are sorted and ranked by; each kind of suite's own by default.
    unpublished_audio
        Whether the listening page may hold audio that must not be published.
    workers
        Processes (``None``: one a processor, once there are many entries).

    Raises
    ------
    FaultsError
        If any entry, suite, reported figure or example is faulty; nothing is written.
    UsageError
        If no table has ``metric``, or ``site`` is a file or another kind of folder.
    LassbenchError
        If there is no leaderboard, or another process is writing it or the site.
    """
    known = {name for names in TABLE_METRICS.values() for name in names}
    metric = metric_named(metric, known) if metric else ""
    check_is_there(root)
    if site is not None:
        output_folders.check_replaceable(site, what="the site", mark=MARKER, needs=[root])
    with writing(root), _mapper(root, workers) as mapper:
        board = read_leaderboard(root, mapper=lambda load, of: mapper(_computed, of))
        listening = read_examples(board, unpublished=unpublished_audio) if site else {}
        # What a reader comes for stands first.
        cards = sorted(board.suites.values(), key=lambda card: not board.entries[card.name])
        tables = []
        for card in cards:
            # A metric of the separation suites does not exist in the others.
            by = metric if metric in TABLE_METRICS[card.kind] else ""
            tables.append(standings(card, board.entries[card.name], metric=by, mapper=mapper))
        texts = table_files(board, tables)
        files.write_bytes(root / "entry.schema.json", entry_schema())
        write_tables(texts, root / "tables")
        if site is not None:
            build_site(board, tables, site, texts=texts, listening=listening)
    return board


def _computed(of: tuple[SuiteCard, Path]) -> Loaded | Fault:
    # What tables and pages show is computed where the entry is read: in the pool.
    found = load_entry(of)
    if isinstance(found, Loaded):
        _ = found.summary.metrics, found.summary.annotators, found.breakdowns
    return found


def read(root: Path, *, workers: int | None = None) -> Leaderboard:
    """Read and check a leaderboard, in a pool of processes where that pays.

    Raises
    ------
    FaultsError
        If anything is wrong, listing all of it.
    """
    with _mapper(root, workers) as mapper:
        return read_leaderboard(root, mapper=mapper)


@contextmanager
def _mapper(root: Path, workers: int | None) -> Iterator[Callable[..., Iterable[Any]]]:
    """``map``, or that of a pool of processes for a leaderboard with many entries."""
    if len(entry_files(root)) < POOL_FROM:
        yield map
        return
    with open_executor(workers) as executor:
        yield partial(map_ordered, executor)
