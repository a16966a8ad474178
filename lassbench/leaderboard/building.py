"""Building: check everything, then tables and site, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lassbench import files
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.entries import Leaderboard, entry_schema
from lassbench.leaderboard.examples import read_examples
from lassbench.leaderboard.ranking import Standings
from lassbench.leaderboard.tables import all_standings, write_tables
from lassbench.leaderboard.website import build_site
from lassbench.parallel import map_ordered, open_executor

#: From this many entries on, a pool of processes is quicker than starting it costs.
POOL_FROM = 200


@dataclass(frozen=True)
class Built:
    """What a build made: the standings, the tables' paths, the site's first page if any."""

    board: Leaderboard
    standings: Sequence[Standings]
    tables: Sequence[Path]
    page: Path | None


def build(
    root: Path,
    *,
    site: Path | None = None,
    metric: str = "",
    unpublished_audio: bool = False,
    workers: int | None = None,
) -> Built:
    """Check the leaderboard at ``root``, write its tables and, if asked, its site.

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
    """
    board = read(root, workers=workers)
    listening = read_examples(board, unpublished=unpublished_audio) if site is not None else {}
    found = all_standings(board, metric=metric)
    files.write_json(root / "entry.schema.json", entry_schema())
    tables = write_tables(board, found, root / "tables")
    page = build_site(board, found, site, listening=listening) if site is not None else None
    return Built(board, found, tables, page)


def read(root: Path, *, workers: int | None = None) -> Leaderboard:
    """Read and check a leaderboard, in a pool of processes where that pays.

    Raises
    ------
    FaultsError
        If anything is wrong, listing all of it.
    """
    many = sum(1 for _ in root.glob("entries/*/*.json")) >= POOL_FROM
    pool: AbstractContextManager[object] = open_executor(workers) if many else nullcontext()
    with pool as executor:
        return read_leaderboard(root, mapper=partial(map_ordered, executor))  # type: ignore[arg-type]
