"""The files of a dataset folder: their names, what ``dataset.json`` says, the card."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from lassbench.checked import Count, PathName, SampleRate, Sha256, Strict, read_record
from lassbench.corpora.base import CorpusCard
from lassbench.csv_files import Row, read_table
from lassbench.errors import LassbenchError
from lassbench.files import checked_name, sha256_bytes, sha256_file
from lassbench.plain_text import markdown, markdown_fence, markdown_lines, markdown_link
from lassbench.records import SPLITS, Clip, Split
from lassbench.yaml_files import to_yaml

SCHEMA_VERSION = 2

#: Columns of a shard, in order.
COLUMNS = (
    *("clip_id", "youtube_id", "start_s", "captions", "tags", "concept", "root", "attribution"),
    *("pcm_sha256", "audio"),
)

#: Columns of ``clips.csv``; ``made_from`` is the identity of a kept clip's source
#: (:func:`lassbench.dataset.build.identity`).
CLIPS_HEADER = ("clip_id", "split", "concept", "state", "reason", "made_from")

#: The state of a clip that is in the dataset; any other state is a fault's kind.
KEPT = "kept"

#: The state of a clip that ``--limit`` left out.
LIMITED = "limit"


#: The file that makes a folder a dataset, written last; and every clip of the corpus with
#: its state, as CSV.
DESCRIPTION, CLIPS = "dataset.json", "clips.csv"

#: What an unfinished first build was asked for; a finished one has it in ``dataset.json``.
SETTINGS = "clips/build.json"

#: What each clip file that is not packed yet was made from, a line a clip.
BUILT = "clips/built.jsonl"

#: What a fetch into this folder tried (:mod:`lassbench.fetch.ledger`).
LEDGER = "ledger.sqlite"

#: Where a build writes shards before they have their names, and where it puts damaged ones.
STAGE, DAMAGED = ".packing", "damaged"

#: What a fetch leaves in the folder.
FETCHED = (LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", "clips", "sources", "census.csv", ".work")


def clip_path(folder: Path, clip_id: str) -> Path:
    """The FLAC file of one clip that is not packed yet."""
    return folder / "clips" / f"{clip_id}.flac"


def shard_name(split: Split, number: int, of: int, sha256: str) -> str:
    """A shard's path inside the folder: the Hub's form, and the beginning of the file's hash.

    With the hash no shard is ever written over by another: whatever moment a
    build is killed at, ``dataset.json`` names shards that are whole.
    """
    return f"data/{split}-{number:05d}-of-{of:05d}-{sha256[:8]}.parquet"


def split_of_shard(name: str) -> Split:
    """The split that a shard's name (:func:`shard_name`) gives."""
    return next(split for split in SPLITS if name.startswith(f"data/{split}-"))


def fingerprint(pcm: Mapping[str, str]) -> str:
    """SHA-256 over the sorted (clip_id, pcm_sha256) pairs: the identity of a set of clips."""
    lines = "".join(f"{clip_id} {sha}\n" for clip_id, sha in sorted(pcm.items()))
    return sha256_bytes(lines.encode())


class Shard(Strict):
    """A Parquet file of the dataset: its path in the folder, what it holds, its hash."""

    path: Annotated[str, Field(pattern=r"^data/(train|validation|test)-[A-Za-z0-9-]+\.parquet$")]
    clips: Count
    bytes: Count
    sha256: Sha256


@dataclass(frozen=True)
class Missing(Clip):
    """A clip of the corpus that is not here, and why."""

    clip_id: PathName
    kind: str = ""
    reason: str = ""


class SplitCounts(Strict):
    """How many clips a split has, and how many of each concept."""

    clips: Count
    concepts: dict[str, Count]


class Description(Strict):
    """What ``dataset.json`` holds.  ``audio_included`` is in published ones alone."""

    schema_version: Literal[2]
    lassbench_version: str
    name: PathName
    title: str
    corpus: CorpusCard
    settings: dict[str, Any]
    sample_rate_hz: SampleRate
    clip_samples: Annotated[Count, Field(gt=0)]
    splits: dict[Split, SplitCounts]
    missing: tuple[Missing, ...]
    fingerprint: Sha256
    repeated: tuple[tuple[str, ...], ...] = ()
    clips_sha256: Sha256
    shards: tuple[Shard, ...]
    audio_included: bool = True


def read_description(folder: Path) -> Description:
    """What ``dataset.json`` says.

    Raises
    ------
    LassbenchError
        If the folder is no dataset, its build never finished, another version of
        lassbench wrote it in another form, or a value is not what it should be.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise _not_a_dataset(folder)
    return read_record(
        path,
        Description,
        what="not a dataset description of this version of lassbench, or damaged",
        fix="restore the file, or build the dataset again in a new folder",
    )


def _not_a_dataset(folder: Path) -> LassbenchError:
    if (folder / SETTINGS).is_file():
        return LassbenchError(
            "the build of this dataset has not finished",
            where=folder,
            fix="run the same `lassbench build-dataset` command again: it goes on where it stopped",
        )
    got = "a file" if folder.exists() else "no such folder"
    return LassbenchError(
        "not a dataset folder",
        where=folder,
        got="a folder without dataset.json" if folder.is_dir() else got,
        fix="check the path, or make one with `lassbench build-dataset`",
    )


def read_list(folder: Path, description: Description) -> list[Row]:
    """The rows of ``clips.csv``, or none if it is not the file that ``description`` was
    written with."""
    path = folder / CLIPS
    if not path.is_file() or sha256_file(path) != description.clips_sha256:
        return []
    rows = read_table(path, CLIPS_HEADER)
    for row in rows:
        checked_name(row["clip_id"], what="a clip", where=row.where, fix="build the dataset again")
    return rows


def fits(column: str, kind: str) -> bool:
    """Whether a shard's column may be of the Arrow type ``kind``, as Arrow writes it."""
    text = "(large_)?string"
    several = rf"(large_)?list<\w+: {text}( not null)?>"
    others = {"start_s": "double", "captions": several, "tags": several, "audio": "struct<.*>"}
    return re.fullmatch(others.get(column, text), kind) is not None


def count_by_split(clips: Iterable[Clip]) -> dict[Split, SplitCounts]:
    """Clips of each split: how many, and how many of each concept."""
    counts: dict[Split, Counter[str]] = {split: Counter() for split in SPLITS}
    for clip in clips:
        counts[clip.split][clip.concept] += 1
    return {split: SplitCounts(clips=n.total(), concepts=dict(n)) for split, n in counts.items()}


_USAGE = """\
`lassbench.open_dataset(FOLDER)` reads it, `lassbench verify FOLDER` checks it.  With `datasets`
alone, audio comes as the bytes of a FLAC file:

```python
import io, datasets, soundfile
clips = datasets.load_dataset(FOLDER)
samples, rate = soundfile.read(io.BytesIO(clips["test"][0]["audio"]["bytes"]))
# or, with torchcodec installed, decoded by `datasets`:
clips = clips.cast_column("audio", datasets.Audio())
```
""".splitlines()


_NO_AUDIO = """\
> The audio is not in this repository. Every row names the clip's video and window and
> the SHA-256 of its samples: `lassbench build-dataset` fetches the clips that are still
> there, and `lassbench verify` says which of them are the same.
""".splitlines()


_QUIET_KEPT = [
    "- Kept all the same: clips whose peak is below -60 dB of full scale, and those whose channels "
    "cancel when they are mixed to one (`--keep-quiet`)"
]


def parquet_writer(path: Path, schema: Any) -> Any:
    """Writes a shard."""
    import pyarrow.parquet as pq

    # FLAC does not compress further, and uncompressed pages can be read in
    # place.  The page index lets the Hub's viewer fetch single rows.
    leaves = ["captions.list.element", "tags.list.element", "audio.bytes", "audio.path"]
    plain = [name for name in COLUMNS if name not in {"captions", "tags", "audio"}]
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
    kinds: dict[str, Any] = dict.fromkeys(COLUMNS, text)
    kinds |= {"start_s": Value("float64"), "captions": List(text), "tags": List(text)}
    # Not decoded by `datasets` itself, which would need torchcodec for it.
    kinds["audio"] = Audio(sampling_rate=rate, decode=False)
    return Features(kinds).arrow_schema


def readme(description: Description, *, with_audio: bool = True) -> str:
    """The dataset card: front matter that ``datasets`` and the Hub read, then words.

    ``with_audio`` is False for a table of the clips that is published without their sound.
    """
    card = description.corpus
    lines = [*_front_matter(description, with_audio), f"# {markdown(card.title)}", ""]
    lines += [] if with_audio else [*_NO_AUDIO, ""]
    if card.synthetic:
        lines += ["**Synthetic: no clip in here is a recording.**", ""]
    if not card.audio_may_be_published:
        lines += ["**The audio may not be passed on: keep this folder to yourself.**", ""]
    lines += [markdown_lines(card.notes), ""] if card.notes else []
    seconds = description.clip_samples / description.sample_rate_hz
    lines += [
        f"Mono, {description.sample_rate_hz} Hz, 16 bits (FLAC), {seconds:g} s a clip.",
        "",
        *_count_table(description.splits),
        "",
        f"- Source: {markdown_link(card.homepage) or 'rendered by lassbench'}",
        f"- Licence: {markdown(card.licence)}",
        f"- Not here: {len(description.missing)} clips of the corpus, each with its reason "
        "in `clips.csv`",
        *(_QUIET_KEPT if description.settings.get("keep_quiet") else []),
        f"- Fingerprint of the samples: `{description.fingerprint}`",
        "",
        *(_USAGE if with_audio else []),
    ]
    if card.citation:
        lines += ["## Citation", "", *markdown_fence(card.citation), ""]
    return "\n".join(lines)


def _front_matter(description: Description, with_audio: bool) -> list[str]:
    card = description.corpus
    # A Hub licence identifier, or "other" with the terms below.
    plain = card.licence.lower()
    known = re.fullmatch(r"(cc0|cc-by(-nc)?(-sa|-nd)?|mit|apache)-[0-9.]+|mit", plain)
    shards: dict[Split, list[str]] = {
        split: [] for split in SPLITS if description.splits[split].clips
    }
    for shard in description.shards:
        shards[split_of_shard(shard.path)].append(shard.path)
    head = {
        "pretty_name": card.title,
        "license": plain if known else "other",
        "task_categories": ["audio-to-audio" if with_audio else "other"],
        "tags": ["language-queried audio source separation", "lassbench"]
        + (["synthetic"] if card.synthetic else []),
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": paths} for split, paths in shards.items()],
            }
        ],
    }
    text = to_yaml(head).rstrip()
    return ["---", *text.splitlines(), "---", ""]


def _count_table(splits: Mapping[Split, SplitCounts]) -> list[str]:
    concepts = sorted({concept for split in SPLITS for concept in splits[split].concepts})
    lines = ["| concept | train | validation | test |", "|---|---:|---:|---:|"]
    for concept in concepts:
        counts = " | ".join(str(splits[split].concepts.get(concept, 0)) for split in SPLITS)
        lines.append(f"| {markdown(concept)} | {counts} |")
    totals = " | ".join(str(splits[split].clips) for split in SPLITS)
    return [*lines, f"| **all** | {totals} |"]
