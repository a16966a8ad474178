"""A command in a process of its own that is killed, or finds the disk full, at a chosen moment.

Moments are numbered: each is just before the command changes something on the disk.  The
process is forked from a server that has loaded everything, which takes milliseconds.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any, Literal

import pyarrow.parquet as pq

from lassbench import output_folders
from lassbench.cli import leaderboard, run
from lassbench.leaderboard import adding, building

LOADED = (leaderboard, adding, building)
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])

How = Literal["killed", "killed without swap", "disk full", "files limited"]
_TAKES_SPACE = {"open", "os.mkdir"}
_CHANGES = {*_TAKES_SPACE, "os.rename", "os.remove", "os.rmdir", "os.chmod", "ctypes.dlopen"}


def end(arguments: list[str], how: How, number: int) -> tuple[int | None, str]:
    """Run ``lassbench`` and end it at moment ``number``; its exit code and what it told.

    A disk that is full stays full; where files are limited ``number`` is their size in bytes.
    """
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_child, args=(arguments, how, number, theirs))
    process.start()
    theirs.close()
    process.join()
    told = os.read(ours.fileno(), 100_000).decode()
    ours.close()
    return process.exitcode, told


def _child(arguments: list[str], how: How, number: int, told: Connection) -> None:
    os.dup2(told.fileno(), 2)
    told.close()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    seen = 0

    def watch(event: str, values: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in _CHANGES or (event == "open" and not _writes(*values)):
            return
        seen += 1
        if seen == number and how.startswith("killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        if seen >= number and how == "disk full" and event in _TAKES_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if how == "killed without swap":  # as on file systems that cannot exchange two names
        output_folders._swap = lambda *_: False
    if how == "files limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
    write_table = pq.write_table

    def write(table: Any, path: Any, **more: Any) -> None:
        sys.audit("open", str(path), "w", os.O_WRONLY)  # pyarrow opens it out of sight
        write_table(table, path, **more)

    pq.write_table = write
    sys.addaudithook(watch)
    code = run(arguments)
    sys.stderr.flush()
    os._exit(code)


def _writes(path: Any, _: Any, flags: int) -> bool:
    return isinstance(path, str) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
