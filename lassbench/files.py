"""Files that are either whole or not there.

Everything lassbench writes goes to a temporary name in the same folder, is
flushed, and is moved into place: a killed process, a full disk or a lost
network leaves the old file or none, never half of a new one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from lassbench.errors import LassbenchError, UsageError

#: Temporary names end like this, so that an interrupted run's leavings can be
#: recognised and removed by the next one.
TEMPORARY_SUFFIX = ".part"


def sha256_bytes(data: bytes | memoryview) -> str:
    """SHA-256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there when the block succeeds.

    Raises
    ------
    LassbenchError
        If the folder cannot be written or the disk is full; ``path`` is then
        as it was before.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        move_into_place(temporary, path)
    except OSError as error:
        raise explain_os_error(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def move_into_place(temporary: Path, path: Path) -> None:
    """Flush a finished temporary file to the disk and give it its name."""
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)


@contextlib.contextmanager
def atomic_open(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Like :func:`atomic_path`, with the temporary file already open."""
    encoding = None if "b" in mode else "utf-8"
    newline = None if "b" in mode else "\n"
    with (
        atomic_path(path) as temporary,
        temporary.open(mode, encoding=encoding, newline=newline) as stream,
    ):
        yield stream
        stream.flush()


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_open(path) as stream:
        stream.write(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 ``text`` to ``path`` atomically, line ends as they are."""
    write_bytes(path, text.encode("utf-8"))


def to_json(value: Any) -> str:
    """JSON with sorted keys and a final newline: the same value, the same bytes.

    Raises
    ------
    ValueError
        If the value holds a NaN or an infinity, which JSON cannot carry.
    """
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON (see :func:`to_json`) atomically."""
    write_text(path, to_json(value))


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises
    ------
    LassbenchError
        If the file is missing, unreadable or not JSON, with the line.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise LassbenchError(
            f"not valid JSON: {error.msg}",
            where=f"{path}:{error.lineno}",
            fix="restore the file or make it anew",
        ) from error
    except UnicodeDecodeError as error:
        raise LassbenchError(
            "not UTF-8 text", where=path, fix="restore the file or make it anew"
        ) from error
    except OSError as error:
        raise explain_os_error(error, path) from error


def explain_os_error(error: OSError, path: Path) -> LassbenchError:
    """``error`` as a message about ``path``."""
    reasons = {
        errno.ENOSPC: (
            "the disk is full",
            "free space there, or choose another place, and run the same command again",
        ),
        errno.EDQUOT: (
            "your disk quota is used up",
            "free space, or choose another place, and run the same command",
        ),
        errno.EACCES: ("permission denied", "choose a place that you may write to and read from"),
        errno.EPERM: ("permission denied", "choose a place that you may write to and read from"),
        errno.EROFS: ("the file system is read-only", "choose a place that you may write to"),
        errno.ENOENT: ("no such file or folder", "check the path"),
        errno.ENOTDIR: ("a part of the path is a file, not a folder", "check the path"),
        errno.EISDIR: ("is a folder, not a file", "check the path"),
    }
    what, fix = reasons.get(
        error.errno or 0, (error.strerror or str(error), "check the path and the disk")
    )
    return LassbenchError(what, where=path, fix=fix)


def check_output_folder(path: Path, *, what: str) -> None:
    """Refuse an output folder that cannot be one, before any work is done.

    Raises
    ------
    UsageError
        If ``path`` is a file, or it or its nearest existing parent is not writable.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(
            f"{what} must be a folder", where=path, got="a file", fix="name another path"
        )
    nearest = path
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UsageError(
            f"{what} cannot be made here",
            where=path,
            got=f"{nearest} is a file",
            fix="name another path",
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(
            f"{what} cannot be written",
            where=path,
            got=f"no permission to write in {nearest}",
            fix="name another path",
        )


@contextlib.contextmanager
def folder_lock(folder: Path, *, what: str) -> Iterator[None]:
    """Hold ``folder`` for this process; a second run is told who has it.

    The lock is the kernel's (flock), so that a killed process never leaves it
    behind.

    Raises
    ------
    LassbenchError
        If another process holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with path.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            raise LassbenchError(
                f"{what} is in use by {holder}",
                where=folder,
                fix="wait until it has ended, or end it",
            ) from error
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {os.uname().nodename}")
        stream.flush()
        yield
        stream.truncate(0)


def remove_leavings(folder: Path) -> int:
    """Delete temporary files that a killed run left below ``folder``; how many."""
    found = [path for path in folder.rglob(f".*{TEMPORARY_SUFFIX}") if path.is_file()]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def replace_folder(folder: Path, build: Callable[[Path], None]) -> None:
    """Make ``folder`` anew: ``build`` fills a temporary folder, which then takes its place."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        build(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def data_folder(name: str) -> Path:
    """The folder ``manifests`` or ``baselines`` that came with this installation.

    In a checkout they stand at the top level; the wheel carries them inside the
    package.
    """
    package = Path(__file__).resolve().parent
    shipped = package / "_data" / name
    return shipped if shipped.is_dir() else package.parent / name
