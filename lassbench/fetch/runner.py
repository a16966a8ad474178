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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lassbench import __version__, parallel
from lassbench.benchmark.selection import ClipRow
from lassbench.corpora.audio_folders import AudioLocator
from lassbench.corpora.audiocaps import AudioCapsCorpus
from lassbench.corpora.base import first_of_each
from lassbench.dataset import layout
from lassbench.dataset.build import check_can_build
from lassbench.fetch.ledger import Entry, Ledger
from lassbench.fetch.loop import Loop, most_at_once
from lassbench.fetch.pacing import RunStopped
from lassbench.fetch.planning import FetchOptions, Job, plan, recover
from lassbench.fetch.report import export
from lassbench.fetch.sources import KeptSource, Workspace
from lassbench.output_folders import check_output_folder, folder_lock, remove_leavings
from lassbench.records import AudioSource, Clip, FileSource, MissingSource

SCRATCH = ".work"

#: The dead-link census in a dataset folder: what it could not have, and since when.
CENSUS = "census.csv"


@dataclass(frozen=True)
class FetchSummary:
    """How a run ended: clips of the corpus or shard, how many are in each state.

    ``flagged`` of those that are done have something odd about them.
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

    ``clips`` are the corpus's, in its order; ``out`` is made if there is none.

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
    part = options.shard
    # By video, so that all clips of one are on one machine.
    mine = [one for one in clips if part is None or part.has(one.youtube_id or one.clip_id)]
    with folder_lock(out, what="the dataset folder"), Ledger.open(out) as ledger:
        _clear(out)
        ledger.register(mine, {clip.clip_id: at for at, clip in enumerate(clips)})
        rate = options.sample_rate_hz
        recover(ledger, out, rate, round(options.seconds * rate))
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
    kept, sources = out / "sources", options.sources
    workspace = Workspace(out / SCRATCH, kept if options.keep_source else None)
    if kept.is_dir():
        sources = (KeptSource(str(kept.resolve())), *sources)
    jobs = plan(ledger, clips, sources, options)
    jobs = _in_reading_order(jobs, workspace)[: options.limit or None]
    if not jobs:
        return
    ledger.begin_run(os.uname().nodename, __version__, _described(options))
    ending = "interrupted"
    try:
        with _executor(options) as executor:
            assert executor is not None
            loop = Loop(jobs, ledger, out, options, executor=executor, workspace=workspace)
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
    if not jobs:
        return []
    order = jobs[0].source.order([job.clip for job in jobs], workspace)
    at = {clip.clip_id: n for n, clip in enumerate(order)}
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


def _executor(options: FetchOptions) -> AbstractContextManager[Executor | None]:
    if options.scheduler:
        return parallel.open_executor(scheduler=options.scheduler)
    # Threads: a transfer waits for the network, and decoding, resampling and
    # encoding run outside Python's lock.
    return DaemonThreads(most_at_once(options))


class DaemonThreads(Executor):
    """An executor of daemon threads, which a run can leave behind when it is told to end.

    The standard pool's threads are waited for when the interpreter exits, and one
    that waits for a server that went silent would hold up Ctrl-C by the whole of
    its timeout.
    """

    def __init__(self, workers: int) -> None:
        self._waiting = queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]()
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
        """Let the threads end when they are done, and do not ``wait`` for them."""
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
class FetchedAudio(AudioLocator):
    """The clips of a fetched folder; clips that did not come bring the ledger's reason.

    A build that began with folders can go on with it, and the other way round.
    """

    folder: str

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        with Ledger.read(Path(self.folder)) as ledger:
            return {entry.clip_id: entry for entry in ledger.entries()}

    def locate(self, row: ClipRow) -> AudioSource:
        """The finished clip, or why there is none."""
        entry = self._entries.get(row.clip_id)
        if entry is None:
            return MissingSource("not-fetched", "no fetch was asked for it")
        if entry.state == "done":
            return FileSource(str(layout.clip_path(Path(self.folder), row.clip_id)))
        reason = " ".join(entry.message.split()) or "not fetched yet"
        return MissingSource(entry.kind or entry.state, reason)
