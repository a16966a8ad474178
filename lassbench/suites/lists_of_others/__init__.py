"""Lists of others: one file a list, each row read into one form.

:data:`FORMATS` has them all; :func:`read_list` reads a list in one of them.  No audio is
touched here: :mod:`lassbench.suites.importing` makes a suite of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lassbench import files
from lassbench.csv_files import Row, join, read_table
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, did_you_mean, one_line
from lassbench.plain_text import caption_fault
from lassbench.records import Mixture, Query
from lassbench.suites.lists_of_others import audiosep, clapsep, dcase, triples
from lassbench.suites.lists_of_others.forms import BadRow, Entry, ListFormat

#: Name -> format: what ``--format`` offers.
FORMATS: dict[str, ListFormat] = {
    **audiosep.FORMATS,
    **clapsep.FORMATS,
    **dcase.FORMATS,
    **triples.FORMATS,
}


@dataclass(frozen=True)
class ListRow:
    """One row of a list: what it says, what comes of it, and its ``file:line``."""

    entry: Entry
    mixture: Mixture
    query: Query
    where: str = field(compare=False)


def format_of(kind: str) -> ListFormat:
    """The format called ``kind``.

    Raises
    ------
    UsageError
        If there is none.
    """
    if kind not in FORMATS:
        raise UsageError(
            f"no such list format {kind!r}{did_you_mean(kind, FORMATS)}",
            expected=", ".join(FORMATS),
        )
    return FORMATS[kind]


def read_list(path: Path, kind: str, *, name: str = "") -> list[ListRow]:
    """Read a list, plain or gzipped, in the format called ``kind``.

    Parameters
    ----------
    name
        What the mixtures' ids begin with; by default ``kind``.

    Raises
    ------
    UsageError
        If there is no such format or file.
    LassbenchError
        If the columns are others.
    FaultsError
        If a row is bad: every bad row, with file and line.
    """
    form = format_of(kind)

    def check_header(header: Sequence[str], where: str) -> None:
        _check_header(header, where, kind, form)

    table = read_table(path, form.columns, repeated=("noise_wav1",), check_header=check_header)
    faults: list[Fault] = []
    entries: list[tuple[Row, Entry]] = []
    for cells in table:
        try:
            entries.append((cells, form.read(cells)))
        except BadRow as error:
            faults.append(Fault(error.kind, cells.where, one_line(error.reason)))
    rows = _with_ids(entries, form, name or kind)
    first: dict[tuple[str, ...], str] = {}
    files_of: dict[str, tuple[str, ...]] = {}
    for row in rows:
        faults += _row_faults(row)
        query_id, given = row.query.query_id, row.entry.given
        keys = [(query_id,), *([(*given, row.query.text)] if form.grouped else [])]
        before = next((first[key] for key in keys if key in first), "")
        if before or files_of.setdefault(row.mixture.mixture_id, given) != given:
            reason = f"{query_id} or what it asks stands further up too: {before}".rstrip(": ")
            faults.append(Fault("stands twice", row.where, reason))
        first |= dict.fromkeys(keys, row.where)
    if not rows and not faults:
        raise LassbenchError("the list has no rows", where=path, fix="restore the list")
    if faults:
        raise FaultsError("the list has bad rows", faults, fix="restore the list")
    return rows


def _check_header(header: Sequence[str], where: str, kind: str, form: ListFormat) -> None:
    further = [name for name in header if name not in form.columns]
    misspelt = [name for name in further if name not in form.optional]
    misspelt = [name for name in misspelt if did_you_mean(name, form.optional)]
    lacking = Counter(form.columns) - Counter(header)
    if lacking or misspelt or (further and not form.optional):
        optional = f" and, if it has them, {', '.join(form.optional)}" * bool(form.optional)
        raise LassbenchError(
            f"this is no list of the format {kind}"
            + "".join(did_you_mean(name, form.optional) for name in misspelt[:1]),
            where=where,
            expected=",".join(form.columns) + optional,
            got=one_line(",".join(header)),
            fix=f"name another --format: {', '.join(FORMATS)}",
        )


def _with_ids(entries: Sequence[tuple[Row, Entry]], form: ListFormat, name: str) -> list[ListRow]:
    """The rows with the ids of their mixtures and queries."""
    width = max(4, len(str(len(entries))))
    groups = [entry.given if form.grouped else (str(n),) for n, (_, entry) in enumerate(entries)]
    sizes, numbers = Counter(groups), {group: n for n, group in enumerate(dict.fromkeys(groups), 1)}
    so_far: Counter[tuple[str, ...]] = Counter()
    rows: list[ListRow] = []
    for group, (cells, entry) in zip(groups, entries, strict=True):
        so_far[group] += 1
        label = entry.label or f"{numbers[group]:0{width}d}"
        mixture_id = entry.mixture_id or f"{name}-{label}"
        several = f"-p{so_far[group]}" if sizes[group] > 1 else ""
        mixture = Mixture(mixture_id, entry.target, entry.noise, entry.snr_db)
        query = Query(
            query_id=entry.query_id or mixture_id + several,
            mixture_id=mixture_id,
            text=entry.text,
            tags=entry.labels,
            query_type=form.query_type,
            concept=entry.concept,
            negative=entry.negative,
        )
        rows.append(ListRow(entry, mixture, query, cells.where))
    return rows


def _row_faults(row: ListRow) -> list[Fault]:
    """What of a row no leaderboard would take, or could not be a file's name."""
    entry, faults = row.entry, []
    texts = {"query": entry.text, "negative query": entry.negative, "label": join(entry.labels)}
    texts |= {"noise": join(entry.noise_labels), "concept": entry.concept}
    for what, text in texts.items():
        if reason := caption_fault(text):
            faults.append(Fault("text", row.where, f"the {what} {text[:100]!r} {reason}"))
    names = {"mixture": row.mixture.mixture_id, "query": row.query.query_id}
    for what, text in names.items():
        if reason := files.name_fault(text):
            said = one_line(text, 100)
            faults.append(Fault("name", row.where, f"the {what}'s name {said!r} {reason}"))
    return faults
