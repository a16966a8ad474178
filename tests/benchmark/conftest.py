"""A benchmark built from the small world."""

from __future__ import annotations

from pathlib import Path

import pytest

from lassbench.benchmark.manifests import Built, build, write
from lassbench.benchmark.metadata import Metadata, load_metadata
from lassbench.benchmark.selection import Definition, read_definition
from tests.small_metadata import CONCEPTS, small_source


@pytest.fixture(scope="session")
def definition(tmp_path_factory: pytest.TempPathFactory) -> Definition:
    path = tmp_path_factory.mktemp("definition") / "concepts.yaml"
    path.write_text(CONCEPTS)
    return read_definition(path)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Metadata:
    return load_metadata(small_source(tmp_path_factory.mktemp("metadata")))


@pytest.fixture(scope="session")
def built(definition: Definition, data: Metadata) -> Built:
    return build(definition, data)


@pytest.fixture
def folder(built: Built, tmp_path: Path) -> Path:
    """The benchmark's folder, to be spoilt."""
    out = tmp_path / "small"
    write(built, out)
    return out
