"""What a dataset folder's files are called and what is in ``dataset.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from lassbench.corpora.base import CorpusCard, inner_path
from lassbench.errors import LassbenchError
from lassbench.files import read_json, sha256_bytes
from lassbench.records import SPLITS, Clip, Split

SCHEMA_VERSION = 1

#: Columns of a shard, in order.
COLUMNS = (
    "clip_id",
    "youtube_id",
    "start_s",
    "captions",
    "tags",
    "concept",
    "root",
    "attribution",
    "pcm_sha256",
    "audio",
)

CLIPS_HEADER = ("clip_id", "split", "concept", "state", "reason")

#: The state of a clip that is in the dataset; any other state is a fault's kind.
KEPT = "kept"


def description_path(folder: Path) -> Path:
    """The file that makes a folder a dataset, written last."""
    return folder / "dataset.json"


def settings_path(folder: Path) -> Path:
    """What the build in this folder was asked for, written first."""
    return folder / "clips" / "build.json"


def built_path(folder: Path) -> Path:
    """What each clip file was made from, a line a clip."""
    return folder / "clips" / "built.jsonl"


def ledger_path(folder: Path) -> Path:
    """What a fetch into this folder tried (:mod:`lassbench.fetch.ledger`)."""
    return folder / "ledger.sqlite"


#: What a fetch leaves in the folder.
FETCHED = frozenset(
    {
        *("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "clips", "sources"),
        *("census.csv", ".work", ".carried.json"),
    }
)


def clip_path(folder: Path, clip_id: str) -> Path:
    """The FLAC file of one clip."""
    return folder / "clips" / f"{clip_id}.flac"


def shard_name(split: Split, number: int, of: int) -> str:
    """A shard's path inside the folder, in the Hub's form."""
    return f"data/{split}-{number:05d}-of-{of:05d}.parquet"


def split_of_shard(name: str) -> Split:
    """The split that a shard's name gives."""
    for split in SPLITS:
        if Path(name).name.startswith(f"{split}-"):
            return split
    raise LassbenchError("a shard of no known split", where=name, expected=", ".join(SPLITS))


def fingerprint(pcm: Mapping[str, str]) -> str:
    """SHA-256 over the sorted (clip_id, pcm_sha256) pairs: the identity of a set of clips."""
    lines = "".join(f"{clip_id} {sha}\n" for clip_id, sha in sorted(pcm.items()))
    return sha256_bytes(lines.encode())


def read_description(folder: Path) -> dict[str, Any]:
    """What ``dataset.json`` says.

    Raises
    ------
    LassbenchError
        If the folder is no dataset, its build never finished, or another
        version of lassbench wrote it in another form.
    """
    path = description_path(folder)
    if not path.is_file():
        raise _not_a_dataset(folder)
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema_version") != SCHEMA_VERSION:
        got = value.get("schema_version") if isinstance(value, dict) else type(value).__name__
        raise LassbenchError(
            "not a dataset description of this version",
            where=path,
            expected=f"schema_version {SCHEMA_VERSION}",
            got=f"{got}",
            fix="build the dataset again with this version of lassbench",
        )
    wrong = [*_wrong_values(value, _KINDS)]
    for key, kinds in (("shards", _SHARD_KINDS), ("missing", _MISSING_KINDS)):
        for number, entry in enumerate(value[key] if not wrong else []):
            wrong += [f"{key}[{number}].{name}" for name in _wrong_values(entry, kinds)]
    wrong += [
        f"{shard['path']} (is not a file of this folder)"
        for shard in (value["shards"] if not wrong else [])
        if inner_path(shard["path"]) is not None
    ]
    if wrong:
        raise LassbenchError(
            f"the dataset description lacks, or has otherwise than expected: {', '.join(wrong)}",
            where=path,
            fix="restore the file, or build the dataset again",
        )
    return value


_KINDS: dict[str, type] = {
    "name": str,
    "title": str,
    "corpus": dict,
    "sample_rate_hz": int,
    "clip_samples": int,
    "fingerprint": str,
    "missing": list,
    "shards": list,
}
_SHARD_KINDS: dict[str, type] = {"path": str, "clips": int, "sha256": str}
_MISSING_KINDS: dict[str, type] = {
    **{"clip_id": str, "concept": str, "split": str, "kind": str, "reason": str},
    **{"captions": list, "tags": list},
}


def _wrong_values(value: Any, kinds: Mapping[str, type]) -> list[str]:
    if not isinstance(value, dict):
        return ["(not a mapping)"]
    return [key for key, kind in kinds.items() if not isinstance(value.get(key), kind)]


def _not_a_dataset(folder: Path) -> LassbenchError:
    if settings_path(folder).is_file():
        return LassbenchError(
            "the build of this dataset has not finished",
            where=folder,
            fix="run the same `lassbench build-dataset` command again: it goes on where it stopped",
        )
    if not folder.is_dir():
        got = "a file" if folder.exists() else "no such folder"
    else:
        got = "a folder without dataset.json"
    return LassbenchError(
        "not a dataset folder",
        where=folder,
        got=got,
        fix="check the path, or make one with `lassbench build-dataset`",
    )


def card_from_json(value: Mapping[str, Any], where: Path) -> CorpusCard:
    """A corpus card read back; a field that this version does not know is an error."""
    known = {field.name for field in fields(CorpusCard)}
    try:
        return CorpusCard(**value)
    except TypeError as error:
        strange = sorted(set(value) - known)
        raise LassbenchError(
            "the corpus card cannot be read",
            where=where,
            expected=", ".join(sorted(known)),
            got=", ".join(strange) or "too few fields",
            fix="build the dataset again with this version of lassbench",
        ) from error


def clip_to_json(clip: Clip) -> dict[str, Any]:
    """A clip as plain values."""
    return asdict(clip)


def clip_from_json(value: Mapping[str, Any]) -> Clip:
    """The inverse of :func:`clip_to_json`; unknown keys are passed over."""
    known = {field.name for field in fields(Clip)}
    chosen = {key: entry for key, entry in value.items() if key in known}
    for key in ("captions", "tags"):
        chosen[key] = tuple(chosen.get(key, ()))
    return Clip(**chosen)


def count_by_split(clips: Iterable[Clip]) -> dict[str, dict[str, Any]]:
    """Clips of each split: how many, and how many of each concept."""
    counts: dict[str, dict[str, Any]] = {split: {"clips": 0, "concepts": {}} for split in SPLITS}
    for clip in clips:
        of_split = counts[clip.split]
        of_split["clips"] += 1
        of_split["concepts"][clip.concept] = of_split["concepts"].get(clip.concept, 0) + 1
    return counts
