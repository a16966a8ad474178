"""One clip's file: made from its source, or recognised as made already.

Runs in worker processes.  A clip file is reused only if the line about it in
``clips/built.jsonl`` has the same identity (the source's content, the cut, rate
and length, and the code that makes clips) and the file still has the hash
noted there; anything else is made anew.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lassbench import audio, files
from lassbench.corpora.base import read_source
from lassbench.dataset import layout
from lassbench.records import AudioSource, MissingSource, RenderedSource


@dataclass(frozen=True, slots=True)
class Built:
    """A finished clip file: what it was made from and what it holds."""

    clip_id: str
    identity: str
    flac_sha256: str
    flac_bytes: int
    pcm_sha256: str

    def to_line(self) -> str:
        """One line of ``built.jsonl``."""
        return json.dumps(asdict(self), sort_keys=True) + "\n"


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker needs to make one clip."""

    clip_id: str
    source: AudioSource
    folder: Path
    sample_rate_hz: int
    seconds: float
    before: Built | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one clip: ``built``, or ``kind`` and ``reason`` of its fault."""

    clip_id: str
    built: Built | None = None
    kind: str = ""
    reason: str = ""
    reused: bool = False


def make(task: Task) -> Outcome:
    """Make one clip's FLAC file, unless the one that is there is it already.

    Raises
    ------
    LassbenchError
        If the file cannot be written (a full disk, no permission).
    """
    path = layout.clip_path(task.folder, task.clip_id)
    try:
        name = identity(task.source, task.sample_rate_hz, task.seconds)
        if task.before is not None and _is_still(task.before, name, path):
            return Outcome(task.clip_id, built=task.before, reused=True)
        samples = audio.to_int16(
            read_source(task.source, sample_rate_hz=task.sample_rate_hz, seconds=task.seconds)
        )
    except audio.AudioFault as fault:
        return Outcome(task.clip_id, kind=fault.kind, reason=fault.reason)
    data = audio.encode_flac(samples, task.sample_rate_hz)
    files.write_bytes(path, data)
    built = Built(
        task.clip_id, name, files.sha256_bytes(data), len(data), audio.pcm_sha256(samples)
    )
    return Outcome(task.clip_id, built=built)


def _is_still(before: Built, name: str, path: Path) -> bool:
    if before.identity != name or not path.is_file():
        return False
    return files.sha256_file(path) == before.flac_sha256


def identity(source: AudioSource, sample_rate_hz: int, seconds: float) -> str:
    """SHA-256 over everything that decides a clip's samples; file names and dates do not.

    Raises
    ------
    AudioFault
        If the source is missing or its file cannot be read.
    """
    if isinstance(source, MissingSource):
        raise audio.AudioFault(source.kind, source.reason)
    parts: list[object] = [sample_rate_hz, seconds]
    if isinstance(source, RenderedSource):
        parts += ["rendered", source.concept, source.key, list(source.tags), _code("synthesis")]
    else:
        path = Path(source.path)
        audio.check_readable(path)
        parts += ["file", files.sha256_file(path), source.start_s, source.end_s]
    parts.append(_code("audio"))
    return files.sha256_bytes(json.dumps(parts).encode())


@functools.cache
def _code(part: str) -> str:
    # A clip made by other code is not the same clip.  Hashing the code itself
    # needs nobody to remember to raise a version.
    package = Path(audio.__file__).parent
    modules = {
        "audio": [package / name for name in ("audio.py", "audio_ffmpeg.py", "resampling.py")],
        "synthesis": [package / "corpora" / "synthesis.py"],
    }
    return files.sha256_bytes(b"".join(path.read_bytes() for path in modules[part]))


def read_built(path: Path) -> dict[str, Built]:
    """The finished clips that ``built.jsonl`` names; a line broken off by a kill is passed over."""
    found: dict[str, Built] = {}
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            built = Built(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[built.clip_id] = built
    return found
