"""Folders: whether one can be written, who has it, and replacing a whole one."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, NoReturn

from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.files import (
    TEMPORARY_SUFFIX,
    explain_os_error,
    is_abandoned,
    is_left_by_system,
    is_temporary,
    temporary_path,
)
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
        if path.is_symlink() or path.is_file():
            path.unlink()
        shutil.rmtree(path, ignore_errors=True)
        try:
            path.mkdir(parents=True)
            with interrupts.let_through():
                yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def check_replaceable(
    folder: Path, *, what: str, mark: str = "", needs: Iterable[Path] = ()
) -> None:
    """Refuse a folder that :func:`replace_folder` could not or must not replace.

    Parameters
    ----------
    mark
        A file that every ``what`` has: other folders are not replaced, empty ones are.
    needs
        What it is made from, which must not go with the old one.

    Raises
    ------
    UsageError
        If it is a file, a mount point, another kind of folder, a repository or the
        folder that this process is in, if ``needs`` lies in it, or if its parent cannot
        be written.
    """
    folder = _real(folder)
    check_output_folder(folder, what=what)
    check_output_folder(folder.parent, what=what)

    def refuse(
        reason: str, *, expected: str = "", fix: str = "name an empty or new folder"
    ) -> None:
        raise UsageError(reason, where=folder, expected=expected, fix=fix)

    if folder.is_mount():
        reason = f"{what} is written anew as a whole, which a mounted folder cannot be"
        refuse(reason, fix="name a folder in it")
    inside = folder.iterdir() if folder.is_dir() else ()
    # A folder that a system made counts: in .Trash-1000 may be what somebody wants back.
    if not any(path.is_dir() or not is_left_by_system(path.name) for path in inside):
        needs = ()
    elif mark and not (folder / mark).is_file():
        refuse(f"this folder holds something else than {what}", expected=f"{mark} in it")
    elif (folder / ".git").exists():
        refuse(f"{what} is written anew as a whole, and this folder is a repository")
    real = Path(os.path.realpath(folder))
    with contextlib.suppress(FileNotFoundError):  # the folder that we are in is gone itself
        if Path.cwd().is_relative_to(real):
            refuse(f"{what} takes the folder's place, and you are in it", fix="leave it, and again")
    if any(Path(os.path.realpath(path)).is_relative_to(real) for path in needs):
        refuse(f"{what} takes the folder's place, and what it is made from lies in it")


def _real(folder: Path) -> Path:
    """``folder`` under a name of its own: a link stays, and where it leads is replaced."""
    if folder.is_symlink() or folder.name in ("", ".."):
        return Path(os.path.realpath(folder))  # a loop of links stays one, and is told later
    return folder


@contextlib.contextmanager
def folder_lock(
    folder: Path, *, what: str, name: str = ".lock", wait: bool = False
) -> Iterator[None]:
    """Hold ``folder`` for this process; a second run is told who has it, or waits for its turn.

    The lock is the kernel's (flock) on the file ``name`` in it, so that a killed
    process never keeps it.  A folder that was made for it and stays empty goes.

    Raises
    ------
    LassbenchError
        If another process holds the folder, or it cannot be written.
    """
    with Interrupts() as interrupts:
        made = not folder.exists()
        try:
            with _locked(folder / name, folder, what, wait=wait), interrupts.let_through():
                yield
        finally:
            if made:
                with contextlib.suppress(OSError):
                    folder.rmdir()


@contextlib.contextmanager
def _locked(path: Path, folder: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    try:
        stream = _take_lock(path, wait=wait)
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
        raise explain_os_error(error, path) from error
    with stream:
        with contextlib.suppress(OSError):  # on a full disk it holds without its holder's name
            os.write(stream.fileno(), f"process {os.getpid()} on {os.uname().nodename}".encode())
        try:
            yield
        finally:
            # While it is held: whoever opened it before finds it gone and asks again.
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _take_lock(path: Path, *, wait: bool) -> IO[str]:
    """The open and locked file ``path``; BlockingIOError if another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        # Not where a link leads: a folder that was passed on must not name a file elsewhere.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        stream = open(os.open(path, flags, 0o666), "a+", encoding="utf-8")  # noqa: PTH123, SIM115
        try:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
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
    """Delete temporary files that killed runs left below ``folder``; how many.

    What lies in a temporary folder is left: it goes with it, or somebody is filling it.
    """
    found = [
        path
        for path in folder.rglob(f".*{TEMPORARY_SUFFIX}")
        if is_abandoned(path)
        and path.is_file()
        and not any(above.suffix == TEMPORARY_SUFFIX for above in path.relative_to(folder).parents)
    ]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def replace_folder(
    folder: Path,
    build: Callable[[Path], None],
    *,
    what: str,
    mark: str = "",
    needs: Iterable[Path] = (),
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
    what, mark, needs
        What the folder is, for messages ("the suite"), the file in it that says so,
        and what must not go with it (:func:`check_replaceable`).

    Raises
    ------
    UsageError
        As :func:`check_replaceable`.
    LassbenchError
        If another process is making ``folder``, or the disk does not let it be made.
    """
    folder = _real(folder)
    check_replaceable(folder, what=what, mark=mark, needs=needs)
    temporary = temporary_path(folder)
    aside = _aside(folder)
    lock = folder.with_name(f".{folder.name}.lock")
    with Interrupts() as interrupts, _locked(lock, folder, what):
        try:
            _clear_up(folder, aside)
            # Again: another process may have made something here meanwhile.
            check_replaceable(folder, what=what, mark=mark, needs=needs)
            temporary.mkdir()
            with interrupts.let_through():
                build(temporary)
            if folder.exists():
                shutil.copymode(folder, temporary)
            if not folder.exists():
                temporary.replace(folder)
            elif not _swap(temporary, folder):
                folder.replace(aside)
                temporary.replace(folder)
        except OSError as error:
            raise explain_os_error(error, folder) from error
        finally:
            _clear_up(folder, aside)


def put_right(folder: Path) -> None:
    """Clear up what a killed :func:`replace_folder` left of ``folder``, as its next call would."""
    folder = _real(folder)
    if folder.parent.is_dir():
        lock = folder.with_name(f".{folder.name}.lock")
        with Interrupts(), _locked(lock, folder, "the folder"):
            _clear_up(folder, _aside(folder))


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old{TEMPORARY_SUFFIX}")


def _clear_up(folder: Path, aside: Path) -> None:
    """Put back a folder that was moved aside and has no successor; delete what is left over.

    Only with the lock of ``folder``, under which no other process has one of these.
    """
    if aside.is_dir() and not folder.exists():
        aside.replace(folder)
    if not folder.parent.is_dir():
        return
    for path in folder.parent.iterdir():
        if (path == aside or is_temporary(path, folder.name)) and path.is_dir():
            _remove(path)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # folders in it may have kept their content by their own mode
        for place, _, _ in os.walk(folder):
            with contextlib.suppress(OSError):
                os.chmod(place, 0o700)  # noqa: PTH101  # as os.walk has it
        shutil.rmtree(folder, ignore_errors=True)


def _swap(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system cannot (Linux: renameat2)."""
    exchange, here = 2, -100  # RENAME_EXCHANGE, AT_FDCWD
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(call(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)
