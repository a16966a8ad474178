"""The ontology: names, ancestors, roots, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lassbench.benchmark.ontology import Ontology, read_ontology
from lassbench.errors import FaultsError, LassbenchError
from tests.small_metadata import CATEGORIES, SmallMetadata


def write(folder: Path, entries: list[dict[str, Any]] | None = None, labels: str = "") -> Ontology:
    ontology, table = folder / "ontology.json", folder / "labels.csv"
    ontology.write_text(json.dumps(entries or SmallMetadata.ontology(), indent=1))
    table.write_text(labels or SmallMetadata.labels_csv())
    return read_ontology(ontology, table)


def test_names_and_roots(tmp_path: Path) -> None:
    ontology = write(tmp_path)
    assert {c.name for c in ontology.categories.values()} == set(CATEGORIES)
    assert ontology.mid("Bark") == "/m/bark"
    assert ontology.name("/m/bark") == "Bark"
    # Bell stands in two places.
    assert ontology.roots["/m/chime"] == {"/m/things", "/m/music"}
    assert ontology.roots["/m/animal"] == {"/m/animal"} == ontology.roots["/m/bark"]
    assert ontology.common_roots(["/m/chime", "/m/siren"]) == ("/m/things",)
    assert ontology.common_roots(["/m/bell"]) == ("/m/things", "/m/music")
    assert ontology.common_roots(["/m/dog", "/m/siren"]) == ()


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path: Path) -> None:
    ontology = write(tmp_path)
    with pytest.raises(LassbenchError, match=r"no category 'Barck' \(did you mean 'Bark'\?\)"):
        ontology.mid("Barck")


def _cycle(entries: list[dict[str, Any]]) -> None:
    next(e for e in entries if e["name"] == "Bark")["child_ids"] = ["/m/animal"]


def _unknown_child(entries: list[dict[str, Any]]) -> None:
    next(e for e in entries if e["name"] == "Bark")["child_ids"] = ["/m/ghost"]


def _twice(entries: list[dict[str, Any]]) -> None:
    entries.append(dict(entries[2]))


def _no_name(entries: list[dict[str, Any]]) -> None:
    del entries[3]["name"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            _cycle,
            ("has a cycle", "Dog (/m/dog) > Bark (/m/bark)", "Bark (/m/bark) > Animal (/m/animal)"),
        ),
        (_unknown_child, ("Bark has a child /m/ghost that is no category",)),
        (_twice, ("/m/bark stands twice, Bark stands twice",)),
        (_no_name, ("3.name is missing", "ontology.json")),
    ],
)
def test_a_broken_ontology_is_refused(
    tmp_path: Path, spoil: Callable[[list[dict[str, Any]]], None], words: tuple[str, ...]
) -> None:
    entries = SmallMetadata.ontology()
    spoil(entries)
    with pytest.raises(LassbenchError) as caught:
        write(tmp_path, entries)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert str(tmp_path / "ontology.json") in str(caught.value)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ('3,/m/dack,"Duck"', "/m/dack is no category"),
        ('3,/m/duck,"Drake"', "is called 'Drake' here and 'Duck'"),
        ('3,/m/bark,"Bark"', "/m/bark stands twice"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, new: str, words: str) -> None:
    labels = SmallMetadata.labels_csv()
    old = '3,/m/duck,"Duck"'
    assert old in labels
    with pytest.raises(FaultsError) as caught:
        write(tmp_path, labels=labels.replace(old, new))
    (fault,) = caught.value.faults
    assert words in fault.reason and fault.where.endswith("labels.csv:5")
