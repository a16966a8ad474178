"""One way to map a function over many pieces of work.

Everything mapped over clips, shards or queries takes a
:class:`concurrent.futures.Executor`: a pool of processes by default, a Dask
cluster's ``client.get_executor()`` with ``--scheduler tcp://...``.  Each worker
keeps its BLAS and OpenMP to one thread: two spinning thread pools on the same
cores make medians twice and tails ten times worse.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

from lassbench.errors import LassbenchError, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def cpu_count() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_thread() -> None:
    """Keep the numeric libraries of this process to one thread each."""
    from threadpoolctl import threadpool_limits

    for name in _THREAD_VARIABLES:
        os.environ[name] = "1"
    threadpool_limits(1)


#: Signals that a terminal or a batch system sends to every process of a command, and
#: that are for the one that has the workers: it lets them finish what they write.
_FOR_THE_PARENT = {signal.SIGINT} | ({signal.SIGTERM} if hasattr(signal, "sigwaitinfo") else set())


class _Pool(ProcessPoolExecutor):
    """Starts its workers, which it does as tasks come, with these signals blocked."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_PARENT)
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker() -> None:
    if signal.SIGTERM in _FOR_THE_PARENT:
        threading.Thread(target=_end_when_told, daemon=True).start()
    one_thread()
    # A worker waits for its next task on a pipe whose other end its siblings hold
    # too, so it would outlive a parent that was killed (kill -9, out of memory).
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_when_told() -> None:
    # The pool ends its workers by SIGTERM where one of them has died.
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(1)


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def open_executor(
    workers: int | None = None, scheduler: str | None = None
) -> Iterator[Executor | None]:
    """An executor for the length of the block, or ``None`` for "in this process".

    Parameters
    ----------
    workers
        Processes; ``None`` for one per processor.  1 (or 0) runs in this process.
    scheduler
        A Dask scheduler's address; its workers do the work, wherever they are.

    Raises
    ------
    UsageError
        If ``workers`` is negative, Dask is not installed, or no scheduler answers.
    """
    if scheduler:
        with _dask_executor(scheduler) as executor:
            yield executor
        return
    count = cpu_count() if workers is None else workers
    if count < 0:
        raise UsageError(
            "the number of workers cannot be negative",
            got=str(count),
            fix="give --workers 1 or more",
        )
    if count <= 1:
        yield None
        return
    with _one_thread_environment():
        # Spawned, not forked: a forked child inherits held locks of threads.
        context = multiprocessing.get_context("spawn")
        pool = _Pool(count, mp_context=context, initializer=_begin_worker)
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        pool.shutdown(wait=True)


@contextlib.contextmanager
def _one_thread_environment() -> Iterator[None]:
    # Numeric libraries read these when they are loaded, so the children must
    # find them in their environment before their first import.
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _dask_executor(address: str) -> Iterator[Executor]:
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise UsageError(
            "--scheduler needs Dask", fix="pip install 'lassbench[cluster]'"
        ) from error
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            "no Dask scheduler answers",
            where=address,
            expected="an address like tcp://host:8786",
            got=str(error).splitlines()[0],
            fix="start one with `dask scheduler`",
        ) from error
    with client:
        yield client.get_executor(retries=2)


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 1) of ``count``, for work that several machines share."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``2/5`` as a shard.

        Raises
        ------
        UsageError
            If it is not ``i/n`` with 1 <= i <= n.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise UsageError(
                "--shard must be i/n with i from 1 to n",
                got=text,
                fix="for three hosts: --shard 1/3 on the first, 2/3 and 3/3 on the others",
            )
        return cls(int(found[1]), int(found[2]))

    def has(self, key: str) -> bool:
        """Whether what is called ``key`` is this part's: by its hash, whatever else there is."""
        digest = hashlib.sha256(key.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


def map_ordered(
    executor: Executor | None,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    ahead: int = 64,
) -> Iterator[Result]:
    """``function`` of each item, in the items' order, at most ``ahead`` results waiting.

    Memory stays flat however many items there are, and the order of the
    results does not depend on which worker was quick.

    Raises
    ------
    LassbenchError
        If a worker process died (killed, or out of memory).
    """
    if executor is None:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise LassbenchError(
            "a worker process died (it was killed, or memory ran out)",
            fix="run the same command again, with fewer --workers if memory is short",
        ) from error
    finally:
        for future in waiting:
            future.cancel()
