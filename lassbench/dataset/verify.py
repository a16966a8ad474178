"""Check a dataset folder clip by clip against what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lassbench import audio, files
from lassbench.dataset import layout
from lassbench.dataset.open import Dataset, ShardReader
from lassbench.errors import Fault, LassbenchError
from lassbench.parallel import map_ordered
from lassbench.progress import track


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes
    ----------
    checked
        Clips whose samples were compared with their hash.
    faults
        What is wrong with the folder: altered, short, silent or lost clips,
        damaged or altered shards.
    missing
        Clips of the corpus that the build could not include, and why.
    """

    checked: int
    faults: tuple[Fault, ...]
    missing: tuple[Fault, ...]


def verify(dataset: Dataset, *, executor: Executor | None = None) -> Verdict:
    """Decode every clip of ``dataset`` and compare it with what was built.

    Reports shards that are missing, damaged or altered (with the clips that
    changed in them), clips that are lost, twice there, of another length or
    rate, silent or with other samples than their hash says, and a fingerprint
    that does not fit the clips.
    """
    faults: list[Fault] = []
    pieces: list[tuple[Path, int]] = []
    for shard in dataset.description.shards:
        found, of_shard = _check_shard(dataset, shard)
        faults += found
        pieces += of_shard
    pcm: dict[str, str] = {}
    check = partial(_check_piece, rate=dataset.sample_rate_hz, size=dataset.clip_samples)
    checked = track(map_ordered(executor, check, pieces), "parts of shards", len(pieces))
    for noted, found in checked:
        faults += found
        for clip_id, sha in noted:
            if clip_id in pcm:
                faults.append(Fault("duplicate", clip_id, "is in the dataset twice"))
            pcm[clip_id] = sha
    faults += _check_list(dataset, pcm)
    if layout.fingerprint(pcm) != dataset.fingerprint and not faults:
        reason = "the fingerprint is not that of the clips"
        faults.append(Fault("fingerprint", "dataset.json", reason))
    return Verdict(len(pcm), tuple(faults), tuple(dataset.missing.values()))


def _check_shard(
    dataset: Dataset, shard: layout.Shard
) -> tuple[list[Fault], list[tuple[Path, int]]]:
    """The shard as a file, and its row groups, whose rows are to be checked."""
    path, name = dataset.path / shard.path, shard.path
    if not path.is_file():
        reason = f"the shard is gone, and {shard.clips} clips with it"
        return [Fault("missing-shard", name, reason)], []
    faults: list[Fault] = []
    if files.sha256_file(path) != shard.sha256:
        reason = f"SHA-256 is not the one noted in dataset.json ({shard.sha256[:12]}...)"
        faults.append(Fault("altered-shard", name, reason))
    try:
        reader = ShardReader(path)
    except LassbenchError as error:
        return [*faults, Fault("damaged-shard", name, error.got or error.what)], []
    rows = reader.groups[-1].stop if reader.groups else 0
    if rows != shard.clips:
        reason = f"has {rows} clips, dataset.json says {shard.clips}"
        faults.append(Fault("rows", name, reason))
    return faults, [(path, group) for group in range(len(reader.groups))]


def _check_piece(
    piece: tuple[Path, int], *, rate: int, size: int
) -> tuple[list[tuple[str, str]], list[Fault]]:
    """(clip id, hash of its samples as it is noted) of each clip, and what is wrong."""
    shard, group = piece
    try:
        reader = ShardReader(shard)
        labels = reader.labels(group)
    except LassbenchError as error:
        return [], [Fault("damaged-shard", shard.name, error.got or error.what)]
    faults: list[Fault] = []
    pcm: list[tuple[str, str]] = []
    for row, label in zip(reader.groups[group], labels, strict=True):
        pcm.append((label["clip_id"], label["pcm_sha256"]))
        try:
            data = reader.audio_bytes(row)
        except LassbenchError as error:
            faults.append(Fault("damaged-shard", label["clip_id"], error.got or error.what))
            continue
        faults += _check_clip(label["clip_id"], data, label["pcm_sha256"], rate, size)
    return pcm, faults


def _check_clip(clip_id: str, data: bytes, sha: str, rate: int, size: int) -> Iterator[Fault]:
    try:
        samples, own_rate = audio.decode_int16(data)
    except audio.AudioFault as fault:
        yield fault.fault(clip_id)
        return
    if own_rate != rate:
        yield Fault("rate", clip_id, f"is at {own_rate} Hz, the dataset at {rate} Hz")
    if samples.size != size:
        kind = "short" if samples.size < size else "long"
        yield Fault(kind, clip_id, f"has {samples.size} samples, a clip has {size}")
    if not samples.any():
        yield Fault("silent", clip_id, "every sample is zero")
    if audio.pcm_sha256(samples) != sha:
        yield Fault("altered", clip_id, "its samples are not those that were built")


def _check_list(dataset: Dataset, pcm: Mapping[str, str]) -> Iterator[Fault]:
    """``clips.csv`` against the clips that are there."""
    rows = layout.read_list(dataset.path, dataset.description)
    if not rows:
        if (dataset.path / layout.CLIPS).is_file():
            reason = "SHA-256 is not the one noted in dataset.json"
            yield Fault("altered-list", layout.CLIPS, reason)
        else:
            yield Fault("missing-list", layout.CLIPS, "the list of clips is gone")
        return
    kept = {row["clip_id"] for row in rows if row["state"] == layout.KEPT}
    for name in sorted(kept - pcm.keys()):
        yield Fault("lost", name, "should be in the dataset, and is not")
    for name in pcm:
        if name not in kept:
            yield Fault("unlisted", name, "is in the dataset, but not in clips.csv")
