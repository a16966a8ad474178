"""One clip at one source: what a worker does, here or on another machine."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from lassbench.fetch import cutting
from lassbench.fetch.failures import Cancelled, SourceFailure, classify
from lassbench.fetch.ledger import Attempt
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.sources import Source, Workspace
from lassbench.records import Clip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: the finished clip, unless it failed."""

    attempt: Attempt
    landed: cutting.Landed | None = None


def do(clip: Clip, source: Source, options: FetchOptions, workspace: Workspace) -> Outcome | None:
    """Fetch, cut, check and encode one clip; ``None`` if the run ended first.

    Never raises what a clip can cause.
    """
    start = time.monotonic()
    landed = None
    try:
        if workspace.cancel.is_set():
            return None
        sound = source.get(clip, workspace, options.seconds)
        if workspace.kept is not None and sound.whole is not None:
            workspace.kept.mkdir(parents=True, exist_ok=True)
            sound.whole.replace(workspace.kept / f"Y{clip.youtube_id}{sound.whole.suffix}")
        landed = cutting.finish(
            sound,
            clip,
            sample_rate_hz=options.sample_rate_hz,
            seconds=options.seconds,
            keep_quiet=options.keep_quiet,
        )
        told: dict[str, Any] = {"kind": "done", "received": sound.received}
    except Cancelled:
        return None
    except SourceFailure as failure:
        told = {"kind": failure.kind.name, "message": failure.message, "received": failure.received}
    except Exception as error:  # noqa: BLE001 - one odd file must not end a run of weeks
        message = f"{type(error).__name__}: {error}"
        told = {"kind": classify(str(error)).name, "message": message}
    finally:
        shutil.rmtree(workspace.media, ignore_errors=True)
    told |= {"seconds": time.monotonic() - start, "yt_dlp": _version(source), "via": source.via}
    return Outcome(Attempt(clip.clip_id, source.name, **told), landed)


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


def do_anywhere(clip: Clip, source: Source, options: FetchOptions) -> Outcome | None:
    """:func:`do`, with what this process keeps from clip to clip."""
    with _OPENING:
        if not _WORKSPACE:
            _WORKSPACE.append(
                Workspace(Path(tempfile.mkdtemp(prefix="lassbench-", dir=_local_folder())))
            )
            atexit.register(_close)
    return do(clip, source, options, _WORKSPACE[0])


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
