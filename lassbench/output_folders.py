"""Folders: whether one can be written, who has it, and replacing a whole one."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NoReturn

from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.files import TEMPORARY_SUFFIX, explain_os_error, temporary_path
from lassbench.interrupts import Interrupts


def check_output_folder(path: Path, *, what: str) -> None:
    """Refuse an output folder that cannot be one, before any work is done.

    Raises
    ------
    UsageError
        If ``path`` is a file, or it or its nearest existing parent is not writable.
    """

    def refuse(reason: str, got: str) -> NoReturn:
        raise UsageError(f"{what} {reason}", where=path, got=got, fix="name another path")

    if path.exists() and not path.is_dir():
        refuse("must be a folder", "a file")
    nearest = path
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        refuse("cannot be made here", f"{nearest} is a file")
    if not os.access(nearest, os.W_OK | os.X_OK):
        refuse("cannot be written", f"no permission to write in {nearest}")


@contextlib.contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """An empty folder at ``path`` for the length of the block; what a killed run left there goes.

    Only where no other process has it: under the lock of a folder around it.
    """
    with Interrupts() as interrupts:
        shutil.rmtree(path, ignore_errors=True)
        try:
            path.mkdir(parents=True)
            with interrupts.let_through():
                yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def check_replaceable(folder: Path, *, what: str, mark: str = "") -> None:
    """Refuse a folder that :func:`replace_folder` could not or must not replace.

    Parameters
    ----------
    mark
        A file that every ``what`` has: other folders are not replaced, empty ones are.

    Raises
    ------
    UsageError
        If it is a file, a mount point or another kind of folder, or its parent
        cannot be written.
    """
    folder = _real(folder)
    check_output_folder(folder, what=what)
    check_output_folder(folder.parent, what=what)
    if folder.is_mount():
        raise UsageError(
            f"{what} is written anew as a whole, which a mounted folder cannot be",
            where=folder,
            fix="name a folder in it",
        )
    if mark and folder.is_dir() and any(folder.iterdir()) and not (folder / mark).is_file():
        raise UsageError(
            f"this folder holds something else than {what}",
            where=folder,
            expected=f"{mark} in it",
            fix="name an empty or new folder",
        )


def _real(folder: Path) -> Path:
    """``folder`` under a name of its own: a link stays, and where it leads is replaced."""
    return folder.resolve() if folder.is_symlink() or folder.name in ("", "..") else folder


@contextlib.contextmanager
def folder_lock(folder: Path, *, what: str) -> Iterator[None]:
    """Hold ``folder`` for this process; a second run is told who has it.

    The lock is the kernel's (flock) on ``folder/.lock``, so that a killed
    process never keeps it.  A folder that was made for it and stays empty goes.

    Raises
    ------
    LassbenchError
        If another process holds the folder, or it cannot be written.
    """
    with Interrupts() as interrupts:
        made = not folder.exists()
        try:
            with _locked(folder / ".lock", folder, what), interrupts.let_through():
                yield
        finally:
            if made:
                with contextlib.suppress(OSError):
                    folder.rmdir()


@contextlib.contextmanager
def _locked(path: Path, folder: Path, what: str) -> Iterator[None]:
    try:
        stream = _take_lock(path)
    except BlockingIOError as error:
        holder = ""
        with contextlib.suppress(OSError):
            holder = path.read_text(encoding="utf-8", errors="replace").strip()
        raise LassbenchError(
            f"{what} is in use by {one_line(holder or 'another process', 100)}",
            where=folder,
            fix="wait until it has ended, or end it",
        ) from error
    except OSError as error:
        raise explain_os_error(error, folder) from error
    with stream:
        stream.write(f"process {os.getpid()} on {os.uname().nodename}")
        stream.flush()
        try:
            yield
        finally:
            # While it is held: whoever opened it before finds it gone and asks again.
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _take_lock(path: Path) -> IO[str]:
    """The open and locked file ``path``; BlockingIOError if another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        stream = path.open("a+", encoding="utf-8")
        try:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise
            except OSError as error:
                # Some network file systems have no locks: a run there goes without.
                if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
                    raise
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                    stream.truncate(0)
                    return stream
        except BaseException:
            stream.close()
            raise
        stream.close()


def remove_leavings(folder: Path) -> int:
    """Delete temporary files that a killed run left below ``folder``; how many.

    What lies in a temporary folder is left: it goes with it, or somebody is filling it.
    """
    found = [
        path
        for path in folder.rglob(f".*{TEMPORARY_SUFFIX}")
        if path.is_file()
        and not any(
            above.name.endswith(TEMPORARY_SUFFIX) for above in path.relative_to(folder).parents
        )
    ]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def replace_folder(
    folder: Path, build: Callable[[Path], None], *, what: str, mark: str = ""
) -> None:
    """Make ``folder`` anew: ``build`` fills a temporary folder, which then takes its place.

    Whenever the process ends, the old folder or the new one stands whole at
    ``folder``, and the next call clears up what is beside it.  (Where the file
    system cannot swap two names in one step, the old one may stand beside it under
    a temporary name; the next call puts it back.)

    Parameters
    ----------
    build
        Everything that it started and that writes there has ended when it returns.
    what, mark
        What the folder is, for messages ("the suite"), and the file in it that
        says so (:func:`check_replaceable`).

    Raises
    ------
    UsageError
        As :func:`check_replaceable`.
    LassbenchError
        If another process is making ``folder``, or the disk does not let it be made.
    """
    folder = _real(folder)
    check_replaceable(folder, what=what, mark=mark)
    temporary = temporary_path(folder)
    aside = folder.with_name(f".{folder.name}.old{TEMPORARY_SUFFIX}")
    lock = folder.with_name(f".{folder.name}.lock")
    with Interrupts() as interrupts, _locked(lock, folder, what):
        try:
            _clear_up(folder, aside)
            # Again: another process may have made something here meanwhile.
            check_replaceable(folder, what=what, mark=mark)
            temporary.mkdir()
            with interrupts.let_through():
                build(temporary)
            if not folder.exists():
                temporary.replace(folder)
            elif not _swap(temporary, folder):
                folder.replace(aside)
                temporary.replace(folder)
        except OSError as error:
            raise explain_os_error(error, folder) from error
        finally:
            _clear_up(folder, aside)


def _clear_up(folder: Path, aside: Path) -> None:
    """Put back a folder that was moved aside and has no successor; delete what is left over.

    Only with the lock of ``folder``, under which no other process has one of these.
    """
    if aside.is_dir() and not folder.exists():
        aside.replace(folder)
    if not folder.parent.is_dir():
        return
    left = re.compile(rf"\.{re.escape(folder.name)}\.(?:old|\d+){re.escape(TEMPORARY_SUFFIX)}")
    for path in folder.parent.iterdir():
        if left.fullmatch(path.name) and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def _swap(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system cannot (Linux: renameat2)."""
    exchange, here = 2, -100  # RENAME_EXCHANGE, AT_FDCWD
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(call(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)
