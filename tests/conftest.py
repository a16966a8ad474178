"""Fixtures for the whole suite."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings and reference outputs beside the checkout."""
    if not (SHARED / "FACTS.md").is_file():
        pytest.skip(f"no shared data beside the checkout ({SHARED.name}/ with FACTS.md)")
    return SHARED
