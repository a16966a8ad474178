"""Everything published that a benchmark is built from, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lassbench.benchmark import metadata
from lassbench.benchmark.definitions import Definition
from lassbench.benchmark.metadata import MetadataSource
from lassbench.benchmark.metadata_readers import (
    CaptionedClip,
    Segment,
    read_captions,
    read_released_evaluation,
    read_released_training,
    read_segments,
)
from lassbench.benchmark.ontology import Ontology, read_ontology


@dataclass(frozen=True)
class Metadata:
    """Everything that was published and that a selection needs.

    Attributes
    ----------
    training, evaluation
        The authors' released lists; empty unless a definition follows them.
    files
        Which files were read, by name, as the card gives them.
    """

    version: int
    captioned: Mapping[str, CaptionedClip]
    segments: Mapping[str, Segment]
    ontology: Ontology
    training: Sequence[str]
    evaluation: Sequence[tuple[str, str]]
    files: Mapping[str, metadata.UsedFile]


def load_metadata(source: MetadataSource, definition: Definition) -> Metadata:
    """Read what ``definition`` is built from.

    Raises
    ------
    LassbenchError
        If a file is missing, is another one than published, or has bad rows.
    """
    version = definition.audiocaps_version
    captions = {s: metadata.CAPTIONS[version, s] for s in metadata.AUDIOCAPS_SPLITS}
    wanted = [*captions.values(), metadata.SEGMENTS, metadata.ONTOLOGY, metadata.LABELS]
    released = definition.split.rule == "released"
    if released:
        wanted += [metadata.RELEASED_TRAINING, metadata.RELEASED_EVALUATION]
    paths = {file: source.path(file) for file in wanted}
    ontology = read_ontology(paths[metadata.ONTOLOGY], paths[metadata.LABELS])
    captioned = read_captions({split: paths[file] for split, file in captions.items()})
    return Metadata(
        version=version,
        captioned=captioned,
        segments=read_segments(paths[metadata.SEGMENTS], captioned.keys(), ontology),
        ontology=ontology,
        training=read_released_training(paths[metadata.RELEASED_TRAINING]) if released else (),
        evaluation=read_released_evaluation(paths[metadata.RELEASED_EVALUATION])
        if released
        else (),
        files={file.name: metadata.used(path, file) for file, path in paths.items()},
    )
