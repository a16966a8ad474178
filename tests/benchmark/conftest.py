"""A benchmark built from the small world."""

from __future__ import annotations

from pathlib import Path

import pytest

from lassbench.benchmark import building
from lassbench.benchmark.building import Built
from lassbench.benchmark.definitions import Definition, read_definition
from lassbench.benchmark.sources import Metadata, load_metadata
from tests.small_metadata import CONCEPTS, small_source


@pytest.fixture(scope="session")
def definition(tmp_path_factory: pytest.TempPathFactory) -> Definition:
    path = tmp_path_factory.mktemp("definition") / "concepts.yaml"
    path.write_text(CONCEPTS)
    return read_definition(path)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, definition: Definition) -> Metadata:
    return load_metadata(small_source(tmp_path_factory.mktemp("metadata")), definition)


@pytest.fixture(scope="session")
def built(definition: Definition, data: Metadata) -> Built:
    return building.build(definition, data)


@pytest.fixture
def folder(built: Built, tmp_path: Path) -> Path:
    """The benchmark's folder, to be spoilt."""
    out = tmp_path / "small"
    building.write(built, out)
    return out
