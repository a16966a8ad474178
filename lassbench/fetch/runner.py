"""The run: asks for clips at their pace, retries, pauses, stops, and goes on.

One thread decides and writes (ledger and files); workers transfer, cut and
check.  A clip's file is moved into place whole, after the ledger has what was
received and before it calls the clip done, so that a run that is killed at any
moment is taken up by the same command.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lassbench import __version__, parallel
from lassbench.corpora.audiocaps import AudioCapsCorpus
from lassbench.corpora.base import first_of_each
from lassbench.dataset import layout
from lassbench.dataset.build import check_can_build
from lassbench.errors import Fault
from lassbench.fetch.ledger import Entry, Ledger
from lassbench.fetch.loop import SOURCES, Loop, most_at_once
from lassbench.fetch.pacing import RunStopped
from lassbench.fetch.planning import FetchOptions, Job, plan, recover, select
from lassbench.fetch.report import export
from lassbench.fetch.sources import KeptSource, Workspace
from lassbench.manifests import ClipRow
from lassbench.output_folders import check_output_folder, folder_lock, remove_leavings
from lassbench.records import AudioSource, Clip, FileSource, MissingSource

SCRATCH = ".work"

#: The dead-link census in a dataset folder: what it could not have, and since when.
CENSUS = "census.csv"


@dataclass(frozen=True)
class FetchSummary:
    """How a run ended.

    Attributes
    ----------
    total
        Clips of the corpus (or shard).
    states
        Clips in each state now.
    flagged
        Clips that are done, with something odd about them.
    """

    total: int
    states: Mapping[str, int]
    flagged: int

    @property
    def left(self) -> int:
        """Clips that the same command would try again."""
        return sum(self.states.get(state, 0) for state in ("pending", "failed", "unconfirmed"))


def fetch(clips: Sequence[Clip], out: Path, options: FetchOptions) -> FetchSummary:
    """Bring every clip that can be had to ``out/clips/<clip_id>.flac``.

    Parameters
    ----------
    clips
        The corpus's clips, in its order.
    out
        A dataset folder; made if there is none.
    options
        How.

    Raises
    ------
    RunStopped
        When ten failures in a row say that this address or machine is refused;
        nothing is written off (exit code 3).
    LassbenchError
        If another run holds the folder, the disk is full, or the ledger is damaged.
    FaultsError
        If the ledger is of another corpus.
    """
    check_output_folder(out, what="the output folder")
    mine = select(clips, options.shard)
    with folder_lock(out, what="the dataset folder"), Ledger.open(out) as ledger:
        _clear(out)
        ledger.register(mine, {clip.clip_id: at for at, clip in enumerate(clips)})
        recover(
            ledger,
            out,
            sample_rate_hz=options.sample_rate_hz,
            samples=round(options.seconds * options.sample_rate_hz),
            version=__version__,
        )
        try:
            _run(ledger, mine, out, options)
        finally:
            _clear(out)
        return _summary(ledger, mine)


def _clear(out: Path) -> None:
    # The folder is ours alone: whatever is in there, a killed run left it.
    shutil.rmtree(out / SCRATCH, ignore_errors=True)
    if (out / "clips").is_dir():
        remove_leavings(out / "clips")


def _summary(ledger: Ledger, clips: Sequence[Clip]) -> FetchSummary:
    wanted = {clip.clip_id for clip in clips}
    entries = [entry for entry in ledger.entries() if entry.clip_id in wanted]
    states = Counter[str](entry.state for entry in entries)
    same = ledger.same_audio()
    flagged = sum(bool(entry.flags) or entry.clip_id in same for entry in entries)
    return FetchSummary(len(wanted), states, flagged)


def _run(ledger: Ledger, clips: Sequence[Clip], out: Path, options: FetchOptions) -> None:
    workspace = Workspace(out / SCRATCH)
    sources = options.sources
    if (out / SOURCES).is_dir():
        sources = (KeptSource(str((out / SOURCES).resolve())), *sources)
    jobs = plan(
        ledger,
        clips,
        sources,
        retry=options.retry,
        cookies=options.cookies,
        keep_quiet=options.keep_quiet,
    )
    jobs = _in_reading_order(jobs, workspace)[: options.limit or None]
    if not jobs:
        return
    ledger.begin_run(os.uname().nodename, __version__, _described(options))
    ending = "interrupted"
    try:
        with _executor(options) as executor:
            loop = Loop(
                jobs,
                executor=executor,
                ledger=ledger,
                out=out,
                options=options,
                workspace=workspace,
            )
            try:
                loop.run()
            finally:
                loop.stop()
        ending = "finished"
    except RunStopped:
        ending = "stopped"
        raise
    finally:
        workspace.close()
        ledger.end_run(ending)


def _in_reading_order(jobs: list[Job], workspace: Workspace) -> list[Job]:
    first = jobs[0].source if jobs else None
    order = getattr(first, "order", None)
    if order is None:
        return jobs
    at = {clip.clip_id: n for n, clip in enumerate(order([job.clip for job in jobs], workspace))}
    return sorted(jobs, key=lambda job: at[job.clip.clip_id])


def _described(options: FetchOptions) -> dict[str, object]:
    # Names only: an address of a proxy or of a store may hold a password.
    return {
        "sources": [source.name.split(":")[0] for source in options.sources],
        "rate_per_hour": options.rate_per_hour,
        "jobs": options.jobs,
        "retry": options.retry,
        "shard": f"{options.shard.index}/{options.shard.count}" if options.shard else "",
    }


@contextmanager
def _executor(options: FetchOptions) -> Iterator[Executor]:
    if options.scheduler:
        with parallel.open_executor(scheduler=options.scheduler) as executor:
            assert executor is not None
            yield executor
        return
    # Threads: a transfer waits for the network, and decoding, resampling and
    # encoding run outside Python's lock.
    with DaemonThreads(most_at_once(options)) as threads:
        yield threads


class DaemonThreads(Executor):
    """An executor of daemon threads, which a run can leave behind when it is told to end.

    The standard pool's threads are waited for when the interpreter exits, and one
    that waits for a server that went silent would hold up Ctrl-C by the whole of
    its timeout.

    Parameters
    ----------
    workers
        How many.
    """

    def __init__(self, workers: int) -> None:
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._waiting = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"fetch-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have ``fn`` called by the next thread that is free."""
        future: Future[Any] = Future()
        self._waiting.put((future, lambda: fn(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end when they are done; ``wait`` is of no use here."""
        for _ in self._threads:
            self._waiting.put(None)

    def _work(self) -> None:
        while (taken := self._waiting.get()) is not None:
            future, call = taken
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
                future.set_exception(error)


# ---------------------------------------------------------------------------
# A fetch as the audio of a corpus that is being built
# ---------------------------------------------------------------------------


def fetch_corpus(
    corpus: AudioCapsCorpus, out: Path, options: FetchOptions, *, limit: int = 0
) -> tuple[AudioCapsCorpus, FetchSummary]:
    """Fetch the clips of ``corpus`` into ``out``; the corpus with what came as its audio.

    With ``limit``, only the first so many clips of each concept in each split.
    Writes the census, with each clip's state and date, beside the ledger.

    Raises
    ------
    RunStopped, LassbenchError, FaultsError
        As :func:`fetch`, and as a build of them in ``out``: whoever fetches for a day
        does not want to be told then.
    """
    fetched = replace(corpus, audio_sources=(FetchedAudio(str(out.resolve())),))
    clips = check_can_build(fetched, out.resolve(), limit, keep_quiet=options.keep_quiet)
    summary = fetch(first_of_each(clips, limit), out, options)
    export(out, out / CENSUS)
    return fetched, summary


@dataclass(frozen=True)
class FetchedAudio:
    """The clips of a fetched folder; clips that did not come bring the ledger's reason.

    An :class:`lassbench.corpora.audio_folders.AudioLocator`.
    """

    folder: str

    @property
    def settings(self) -> str:
        """``files``: the same as folders, so that a build can go on with either."""
        return "files"

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        with Ledger.read(Path(self.folder)) as ledger:
            return {entry.clip_id: entry for entry in ledger.entries()}

    def faults(self, rows: Iterable[ClipRow]) -> list[Fault]:
        """None: the ledger saw to that."""
        return []

    def locate(self, row: ClipRow) -> AudioSource:
        """The finished clip, or why there is none."""
        entry = self._entries.get(row.clip_id)
        if entry is None:
            return MissingSource("not-fetched", "no fetch was asked for it")
        if entry.state == "done":
            return FileSource(str(layout.clip_path(Path(self.folder), row.clip_id)))
        reason = " ".join(entry.message.split()) or "not fetched yet"
        return MissingSource(entry.kind or entry.state, reason)
