"""The ontology: names, ancestors, roots, and what is refused."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"child_ids": ["/m/animal"]}, ("has a cycle", "Dog > Bark", "Bark > Animal")),
        ({"name": 3}, ("2.name must be text",)),
    ],
)
def test_a_broken_ontology_is_refused(
    tmp_path: Path, change: dict[str, Any], words: tuple[str, ...]
) -> None:
    entries = SmallMetadata.ontology()
    assert entries[2]["name"] == "Bark"
    entries[2] |= change
    with pytest.raises(LassbenchError) as caught:
        write(tmp_path, entries)
    for word in (*words, str(tmp_path / "ontology.json")):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ('3,/m/dack,"Duck"', "/m/dack is None in the ontology"),
        ('3,/m/duck,"Drake"', "/m/duck is 'Duck' in the ontology"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, new: str, words: str) -> None:
    labels = SmallMetadata.labels_csv().replace('3,/m/duck,"Duck"', new)
    with pytest.raises(FaultsError) as caught:
        write(tmp_path, labels=labels)
    (fault,) = caught.value.faults
    assert words in fault.reason and fault.where.endswith("labels.csv:5")
