"""The options by which a verb finds the published metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lassbench.metadata import MetadataSource

Function = TypeVar("Function", bound=Callable[..., Any])


def metadata_options(function: Function) -> Function:
    """Add ``--metadata-dir`` and ``--unverified-metadata``."""
    function = click.option(
        "--unverified-metadata",
        is_flag=True,
        help="Use files whose SHA-256 is unknown or another one; the card then says so.",
    )(function)
    return click.option(
        "--metadata-dir",
        default="",
        metavar="DIR|URL",
        help="A folder with copies of the published files, or a mirror of it.  "
        "Default: fetch them from their publishers, once.",
    )(function)


def source(metadata_dir: str, unverified_metadata: bool) -> MetadataSource:
    """What the two options mean."""
    from lassbench.metadata import MetadataSource

    return MetadataSource(metadata_dir, verified=not unverified_metadata)
