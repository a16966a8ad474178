"""One clip at one source: what a worker does, here or on another machine."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from lassbench.fetch import cutting
from lassbench.fetch.failures import Cancelled, SourceFailure, classify
from lassbench.fetch.sources import Source, Workspace
from lassbench.records import Clip


@dataclass(frozen=True, slots=True)
class Task:
    """A clip to be had from a source, in what form."""

    clip: Clip
    source: Source
    sample_rate_hz: int
    seconds: float
    keep_source: str = ""
    keep_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task: a finished clip's FLAC bytes, or a failure's class.

    ``cancelled`` says that the run ended first: nothing is known of the clip.
    """

    clip_id: str
    flac: bytes = b""
    pcm_sha256: str = ""
    flags: tuple[str, ...] = ()
    kind: str = "done"
    message: str = ""
    received: int = 0
    seconds: float = 0.0
    yt_dlp: str = ""
    cancelled: bool = False


def do(task: Task, workspace: Workspace) -> Outcome:
    """Fetch, cut, check and encode one clip.  Never raises what a clip can cause."""
    start = time.monotonic()
    told: dict[str, Any] = {}
    try:
        if workspace.cancel.is_set():
            return Outcome(task.clip.clip_id, cancelled=True)
        told = _finished(task, workspace)
    except Cancelled:
        return Outcome(task.clip.clip_id, cancelled=True)
    except SourceFailure as failure:
        told = {
            "kind": failure.kind.name,
            "message": failure.message,
            "received": failure.received,
        }
    except Exception as error:  # noqa: BLE001 - one odd file must not end a run of weeks
        told = {
            "kind": classify(str(error)).name,
            "message": f"{type(error).__name__}: {error}",
        }
    finally:
        shutil.rmtree(workspace.media, ignore_errors=True)
    return Outcome(
        task.clip.clip_id,
        seconds=time.monotonic() - start,
        yt_dlp=_version(task.source),
        **told,
    )


def _finished(task: Task, workspace: Workspace) -> dict[str, Any]:
    sound = task.source.get(task.clip, workspace, task.seconds)
    if task.keep_source and sound.whole is not None:
        _keep(sound.whole, Path(task.keep_source), task.clip)
    landed = cutting.finish(
        sound,
        task.clip,
        sample_rate_hz=task.sample_rate_hz,
        seconds=task.seconds,
        keep_quiet=task.keep_quiet,
    )
    return {**asdict(landed), "received": sound.received}


def _keep(whole: Path, folder: Path, clip: Clip) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    whole.replace(folder / f"Y{clip.youtube_id}{whole.suffix}")


def _version(source: Source) -> str:
    if source.name != "youtube":
        return ""
    from yt_dlp.version import __version__

    return str(__version__)


# ---------------------------------------------------------------------------
# On a worker of a cluster, which shares no memory and perhaps no disk with us
# ---------------------------------------------------------------------------

_WORKSPACE: list[Workspace] = []
_OPENING = Lock()


def do_anywhere(task: Task) -> Outcome:
    """:func:`do`, with what this process keeps from task to task."""
    with _OPENING:
        if not _WORKSPACE:
            _WORKSPACE.append(
                Workspace(Path(tempfile.mkdtemp(prefix="lassbench-", dir=_local_folder())))
            )
            atexit.register(_close)
    return do(task, _WORKSPACE[0])


def _local_folder() -> str | None:
    """The Dask worker's own folder, which Dask removes; ``None`` where there is none."""
    try:
        from distributed import get_worker

        return str(get_worker().local_directory)
    except (ImportError, ValueError):
        return None


def _close() -> None:
    for workspace in _WORKSPACE:
        workspace.close()
        shutil.rmtree(workspace.scratch, ignore_errors=True)
