"""AudioSet's ontology and labels: mids, display names, and the roots above them.

AudioSet labels clips with *mids* (``/m/09x0r``), each of which has a display
name (``Speech``) and a place in an ontology: a graph, not a tree, since ``Bell``
stands both under ``Sounds of things`` and under ``Music > Musical instrument``.
A category without a parent is a *root*; there are seven.

Files: ``ontology.json`` (632 categories) and ``class_labels_indices.csv`` (the
527 of them that clips are labelled with).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from lassbench.checked import read_record
from lassbench.csv_files import read_table
from lassbench.errors import Fault, FaultsError, LassbenchError, did_you_mean


class Category(BaseModel):
    """One category: its mid, its display name and the mids directly below it."""

    model_config = ConfigDict(frozen=True)
    mid: str = Field(alias="id")
    name: str
    children: tuple[str, ...] = Field(alias="child_ids")


@dataclass(frozen=True)
class Ontology:
    """The graph of categories by mid, in the file's order.  Made by :func:`read_ontology`.

    ``roots`` are those that a mid stands under, by any path; a root stands under itself.
    ``labels`` are the mids that clips may be labelled with.
    """

    categories: Mapping[str, Category]
    roots: Mapping[str, frozenset[str]]
    labels: frozenset[str]

    def name(self, mid: str) -> str:
        """The display name of ``mid``."""
        return self.categories[mid].name

    def mid(self, name: str) -> str:
        """The mid of the category called ``name``; an error names the nearest if none is."""
        found = self._by_name.get(name)
        if found is None:
            raise LassbenchError(
                f"AudioSet has no category {name!r}{did_you_mean(name, self._by_name)}",
                fix="write its display name as in AudioSet's class_labels_indices.csv",
            )
        return found

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return {category.name: mid for mid, category in self.categories.items()}

    def common_roots(self, mids: Iterable[str]) -> tuple[str, ...]:
        """The roots that all of ``mids`` stand under, in the file's order."""
        common = frozenset.intersection(*(self.roots[mid] for mid in mids))
        return tuple(mid for mid in self.categories if mid in common)


def read_ontology(ontology: Path, labels: Path) -> Ontology:
    """Read ``ontology.json`` and ``class_labels_indices.csv``.

    Raises
    ------
    LassbenchError
        If a file is not what it should be, a category is its own ancestor, or a label is
        not a category of that name.
    """
    entries = read_record(
        ontology,
        list[Category],
        what="is not AudioSet's ontology: a list of categories",
        fix=_RESTORE,
        limit=20_000_000,
    )
    categories = {category.mid: category for category in entries}
    return Ontology(categories, _find_roots(categories, ontology), _read_labels(labels, categories))


_RESTORE = "restore the file (see `lassbench select --sources` for where it comes from)"


def _find_roots(categories: Mapping[str, Category], path: Path) -> dict[str, frozenset[str]]:
    parents = {
        mid: [above.mid for above in categories.values() if mid in above.children]
        for mid in categories
    }
    roots: dict[str, frozenset[str]] = {}
    try:
        for mid in TopologicalSorter(parents).static_order():
            above = (roots[parent] for parent in parents[mid])
            roots[mid] = frozenset().union(*above) if parents[mid] else frozenset({mid})
    except CycleError as error:
        # Each is a parent of the next, and the first stands at the end again.
        raise LassbenchError(
            "the ontology has a cycle: a category is its own ancestor",
            where=path,
            got=" > ".join(categories[mid].name for mid in error.args[1]),
            fix=_RESTORE,
        ) from error
    return roots


def _read_labels(path: Path, categories: Mapping[str, Category]) -> frozenset[str]:
    rows = read_table(path, ("index", "mid", "display_name"))
    names = {mid: category.name for mid, category in categories.items()}
    faults = [
        Fault("bad row", row.where, f"{row['mid']} is {names.get(row['mid'])!r} in the ontology")
        for row in rows
        if names.get(row["mid"]) != row["display_name"]
    ]
    if faults:
        raise FaultsError("these are not AudioSet's labels", faults, fix=_RESTORE)
    return frozenset(row["mid"] for row in rows)
