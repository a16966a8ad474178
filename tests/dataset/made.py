"""Small corpora on disk, good and bad, and how to compare what was built."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf

from lassbench.corpora.folder import FolderCorpus
from lassbench.files import sha256_file

RATE = 8000
SECONDS = 0.5


def sound(number: int) -> np.ndarray:
    """Half a second of noise, another for each number."""
    return (0.3 * np.random.default_rng(number).standard_normal(4000)).clip(-1, 1)


def recordings(folder: Path, count: int = 12) -> FolderCorpus:
    """``count`` recordings of three concepts: half train, a quarter each validate and test."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file,captions,concept,tags,split,root,attribution"]
    for number in range(count):
        name = f"clip{number:03d}.{('wav', 'flac', 'ogg')[number % 3]}"
        sf.write(folder / name, sound(number), (8000, 11025)[number % 2])
        split = ("train", "train", "validation", "test")[number % 4]
        concept = ("dog", "rain", "bell")[number % 3]
        rows.append(f"{name},a {concept}|sound {number},{concept},{concept};x,{split},R,Jo")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return recordings_as_they_are(folder)


def recordings_as_they_are(folder: Path, seconds: float = SECONDS) -> FolderCorpus:
    """The corpus of what is in ``folder`` now."""
    return FolderCorpus(folder, folder / "metadata.csv", sample_rate_hz=RATE, seconds=seconds)


def add(folder: Path, name: str, split: str = "test") -> None:
    """Another row for a file that the caller writes."""
    with (folder / "metadata.csv").open("a") as table:
        table.write(f"{name},a sound,odd,odd,{split},R,Jo\n")


def tree(folder: Path) -> dict[str, str]:
    """The hash of every file below ``folder``, by its path; the lock is no file of the dataset."""
    return {
        str(path.relative_to(folder)): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def shard(folder: Path, split: str = "test") -> Path:
    """The one shard of a split."""
    (path,) = (folder / "data").glob(f"{split}-00000-of-00001-*.parquet")
    return path
