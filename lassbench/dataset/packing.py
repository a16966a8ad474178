"""From clip files to what is published: Parquet shards, ``dataset.json``, the card."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lassbench import files
from lassbench.corpora.base import CorpusCard
from lassbench.dataset import layout
from lassbench.dataset.clips import Built, Outcome
from lassbench.records import SPLITS, Clip, Split
from lassbench.tables import write_table

#: The Hub's viewer and its users' tools like shards below 500 MB.
SHARD_BYTES = 450_000_000

#: 100 clips of 10 s are about 30 MB: what a reader has to hold at once.
ROW_GROUP = 100


@dataclass(frozen=True)
class Shard:
    """One shard to be written: its path inside the folder and its clips."""

    name: str
    split: Split
    clips: tuple[Clip, ...]


def plan_shards(
    clips: Sequence[Clip], sizes: Mapping[str, int], limit: int = SHARD_BYTES
) -> list[Shard]:
    """Cut the clips of each split into shards of at most ``limit`` bytes of audio."""
    shards: list[Shard] = []
    for split in SPLITS:
        groups: list[list[Clip]] = []
        filled = 0
        for clip in (clip for clip in clips if clip.split == split):
            if not groups or filled + sizes[clip.clip_id] > limit:
                groups.append([])
                filled = 0
            groups[-1].append(clip)
            filled += sizes[clip.clip_id]
        for number, group in enumerate(groups):
            name = layout.shard_name(split, number, len(groups))
            shards.append(Shard(name, split, tuple(group)))
    return shards


def write_shards(
    folder: Path, shards: Sequence[Shard], built: Mapping[str, Built], rate: int
) -> Iterator[int]:
    """Write every shard, a row group at a time; yields the clips written so far.

    Raises
    ------
    LassbenchError
        If a file cannot be written, or a clip file cannot be read.
    """
    import pyarrow as pa

    schema = arrow_schema(rate)
    done = 0
    for shard in shards:
        with files.atomic_path(folder / shard.name) as temporary, _writer(temporary, schema) as out:
            for start in range(0, len(shard.clips), ROW_GROUP):
                group = shard.clips[start : start + ROW_GROUP]
                rows = [_row(folder, clip, built[clip.clip_id]) for clip in group]
                out.write_table(pa.Table.from_pylist(rows, schema=schema))
                done += len(group)
                yield done
    wanted = {shard.name for shard in shards}
    for path in sorted((folder / "data").glob("*.parquet")):
        if f"data/{path.name}" not in wanted:
            path.unlink()


def _writer(path: Path, schema: Any) -> Any:
    import pyarrow.parquet as pq

    # FLAC does not compress further, and uncompressed pages can be read in
    # place.  The page index lets the Hub's viewer fetch single rows.
    leaves = ["captions.list.element", "tags.list.element", "audio.bytes", "audio.path"]
    plain = [name for name in layout.COLUMNS if name not in {"captions", "tags", "audio"}]
    codecs = dict.fromkeys(plain + leaves, "ZSTD")
    codecs["audio.bytes"] = "NONE"
    return pq.ParquetWriter(
        path,
        schema,
        compression=codecs,
        use_dictionary=["concept", "root"],
        write_page_index=True,
        write_statistics=["clip_id", "concept"],
    )


def arrow_schema(rate: int) -> Any:
    """The shards' schema, as ``datasets`` itself would write it."""
    from datasets import Audio, Features, List, Value

    text = Value("string")
    kinds: dict[str, Any] = dict.fromkeys(layout.COLUMNS, text)
    kinds |= {"start_s": Value("float64"), "captions": List(text), "tags": List(text)}
    kinds["audio"] = Audio(sampling_rate=rate)
    return Features(kinds).arrow_schema


def _row(folder: Path, clip: Clip, built: Built) -> dict[str, Any]:
    path = layout.clip_path(folder, clip.clip_id)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise files.explain_os_error(error, path) from error
    return {
        "clip_id": clip.clip_id,
        "youtube_id": clip.youtube_id,
        "start_s": clip.start_s,
        "captions": list(clip.captions),
        "tags": list(clip.tags),
        "concept": clip.concept,
        "root": clip.root,
        "attribution": clip.attribution,
        "pcm_sha256": built.pcm_sha256,
        "audio": {"bytes": data, "path": path.name},
    }


def write_clip_list(folder: Path, clips: Iterable[Clip], outcomes: Mapping[str, Outcome]) -> None:
    """Write ``clips.csv``: every clip of the corpus, kept or not, and why not."""
    found = ((clip, outcomes[clip.clip_id]) for clip in clips)
    rows = (
        (clip.clip_id, clip.split, clip.concept, outcome.kind or layout.KEPT, outcome.reason)
        for clip, outcome in found
    )
    files.write_text(folder / "clips.csv", write_table(layout.CLIPS_HEADER, rows))


def readme(card: CorpusCard, description: Mapping[str, Any]) -> str:
    """The dataset card: front matter that ``datasets`` and the Hub read, then words."""
    lines = [*_front_matter(card, description), f"# {card.title}", ""]
    if card.synthetic:
        lines += ["**Synthetic: no clip in here is a recording.**", ""]
    if not card.audio_may_be_published:
        lines += ["**The audio may not be passed on: keep this folder to yourself.**", ""]
    lines += [card.notes, ""] if card.notes else []
    seconds = description["clip_samples"] / description["sample_rate_hz"]
    lines += [
        f"Mono, {description['sample_rate_hz']} Hz, 16 bits (FLAC), {seconds:g} s a clip.",
        "",
        *_count_table(description["splits"]),
        "",
        f"- Source: {card.homepage}" if card.homepage else "- Source: rendered by lassbench",
        f"- Licence: {card.licence}",
        f"- Not here: {len(description['missing'])} clips of the corpus, each with its reason "
        "in `clips.csv`",
        f"- Fingerprint of the samples: `{description['fingerprint']}`",
        "",
        "Open it with `datasets.load_dataset(<this folder>)` or "
        "`lassbench.open_dataset(<this folder>)`; check it with `lassbench verify <this folder>`.",
        "",
    ]
    if card.citation:
        lines += ["## Citation", "", "```", card.citation, "```", ""]
    return "\n".join(lines)


def _front_matter(card: CorpusCard, description: Mapping[str, Any]) -> list[str]:
    import yaml

    # A Hub licence identifier, or "other" with the terms below.
    plain = card.licence.lower()
    known = re.fullmatch(r"(cc0|cc-by(-nc)?(-sa|-nd)?|mit|apache)-[0-9.]+|mit", plain)
    present = [split for split in SPLITS if description["splits"][split]["clips"]]
    head = {
        "pretty_name": card.title,
        "license": plain if known else "other",
        "task_categories": ["audio-to-audio"],
        "tags": ["language-queried audio source separation", "lassbench"]
        + (["synthetic"] if card.synthetic else []),
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": f"data/{split}-*.parquet"} for split in present
                ],
            }
        ],
    }
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True).rstrip()
    return ["---", *text.splitlines(), "---", ""]


def _count_table(splits: Mapping[str, Any]) -> list[str]:
    concepts = sorted({concept for split in SPLITS for concept in splits[split]["concepts"]})
    lines = ["| concept | train | validation | test |", "|---|---:|---:|---:|"]
    for concept in concepts:
        counts = " | ".join(str(splits[split]["concepts"].get(concept, 0)) for split in SPLITS)
        lines.append(f"| {concept} | {counts} |")
    totals = " | ".join(str(splits[split]["clips"]) for split in SPLITS)
    return [*lines, f"| **all** | {totals} |"]
