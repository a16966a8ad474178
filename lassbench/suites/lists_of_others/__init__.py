"""Lists of others: one file a list, each row read into one form.

:data:`FORMATS` has them all; :func:`read_list` reads a list in one of them.  No audio is
touched here: :mod:`lassbench.suites.importing` makes a suite of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from lassbench.csv_files import read_table
from lassbench.errors import Fault, FaultsError, LassbenchError, did_you_mean, one_line
from lassbench.suites.audit import query_faults
from lassbench.suites.lists_of_others import audiosep, clapsep, dcase, triples
from lassbench.suites.lists_of_others.forms import BadRow, ListFormat, ListRow, stem

#: Name -> format: what ``--format`` offers.
FORMATS: dict[str, ListFormat] = {
    **audiosep.FORMATS,
    **clapsep.FORMATS,
    **dcase.FORMATS,
    **triples.FORMATS,
}


def read_list(path: Path, kind: str, *, name: str = "") -> list[ListRow]:
    """Read a list, plain or gzipped, in the format called ``kind``.

    Parameters
    ----------
    kind
        One of :data:`FORMATS`.
    name
        What the mixtures' ids begin with; by default ``kind``.

    Raises
    ------
    UsageError
        If there is no such file.
    LassbenchError
        If the columns are others, or rows are bad: all of them, with file and line.
    """
    form = FORMATS[kind]
    faults: list[Fault] = []
    read: list[ListRow] = []
    check = partial(_check_header, kind=kind, form=form)
    for cells in read_table(path, form.columns, repeated=("noise_wav1",), check_header=check):
        try:
            read.append(replace(form.read(cells), where=cells.where))
        except BadRow as error:
            faults.append(Fault("bad row", cells.where, one_line(str(error))))
    rows = _with_ids(read, form, name or kind)
    for row in rows:
        faults += query_faults(row.query, row.where, noise=row.noise_labels)
    faults += _repeats(rows, form)
    fix = "restore the list" if form.rows else "correct these rows"
    if not rows and not faults:
        raise LassbenchError("the list has no rows", where=path, fix=fix)
    if faults:
        raise FaultsError("the list has bad rows", faults, fix=fix)
    return rows


def _check_header(header: Sequence[str], where: str, kind: str, form: ListFormat) -> None:
    others = [name for name in header if name not in (*form.columns, *form.optional)]
    near = "".join(did_you_mean(name, form.optional) for name in others)
    lacking = Counter(form.columns) - Counter(header)
    if lacking or near or (others and not form.optional):
        optional = f" and, if it has them, {', '.join(form.optional)}" * bool(form.optional)
        raise LassbenchError(
            f"this is no list of the format {kind}{near}",
            where=where,
            expected=",".join(form.columns) + optional,
            got=one_line(",".join(header)),
            fix=f"rename the columns, or name another --format: {', '.join(FORMATS)}",
        )


def _with_ids(rows: Sequence[ListRow], form: ListFormat, name: str) -> list[ListRow]:
    """The rows with the ids of their mixtures and queries."""
    width = max(4, len(str(len(rows))))
    groups = [row.given if form.grouped else (str(n),) for n, row in enumerate(rows)]
    sizes, numbers = Counter(groups), {group: n for n, group in enumerate(dict.fromkeys(groups), 1)}
    so_far: Counter[tuple[str, ...]] = Counter()
    named: list[ListRow] = []
    for group, row in zip(groups, rows, strict=True):
        so_far[group] += 1
        label = row.label or f"{numbers[group]:0{width}d}"
        mixture = replace(row.mixture, mixture_id=row.mixture.mixture_id or f"{name}-{label}")
        several = f"-p{so_far[group]}" if sizes[group] > 1 else ""
        query = replace(
            row.query,
            query_id=row.query.query_id or mixture.mixture_id + several,
            mixture_id=mixture.mixture_id,
        )
        named.append(replace(row, mixture=mixture, query=query))
    return named


def _repeats(rows: Sequence[ListRow], form: ListFormat) -> list[Fault]:
    """The rows whose query's id, or whose files and text, are another's; and those that name
    a sound with another ending, since the ids of sounds have none.
    """
    faults: list[Fault] = []
    first: dict[tuple[str, ...], str] = {}
    names: dict[str, str] = {}
    for row in rows:
        query = row.query
        for key in [(query.query_id,), *([(*row.given, query.text)] if form.grouped else [])]:
            if (before := first.setdefault(key, row.where)) != row.where:
                reason = f"{query.query_id} or what it asks stands further up too: {before}"
                faults.append(Fault("stands twice", row.where, reason))
        for name in (*row.raw, *(row.given[1:] or row.given)):
            if (other := names.setdefault(stem(name), name)) != name:
                reason = f"{one_line(name)} and {one_line(other)} differ in their endings only"
                faults.append(Fault("two names for one sound", row.where, reason))
    return faults
