"""Files and folders that are whole or not there, strict text and JSON, and names for paths.

Everything lassbench writes goes to a temporary name in the same folder, is
flushed, and is moved into place: a killed process, a full disk or a lost
network leaves the old file or none, never half of a new one.  What it reads is
checked here once, and a name from a file becomes part of a path only after
:func:`checked_name` or :func:`inner_path_fault` has passed it.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, NoReturn

from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.interrupts import Interrupts

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
    with _moved_together([path]) as (temporary,):
        yield temporary


def write_together(contents: Mapping[Path, bytes | Callable[[Path], object]]) -> None:
    """Write several files that belong together: bytes, or what writes to a temporary path.

    All of them are moved into place at the end, one straight after the other in
    their order; if one fails, or the process is killed before, none is.  What
    killed runs left of these files is removed.

    Raises
    ------
    LassbenchError
        If a folder cannot be written or the disk is full.
    """
    with _moved_together(list(contents)) as temporaries:
        for path, temporary in zip(contents, temporaries, strict=True):
            content = contents[path]
            try:
                _remove_abandoned(path)
                content(temporary) if callable(content) else temporary.write_bytes(content)
            except OSError as error:
                raise explain_os_error(error, path) from error


@contextlib.contextmanager
def _moved_together(paths: Sequence[Path]) -> Iterator[list[Path]]:
    temporaries = [_temporary(path) for path in paths]
    with Interrupts() as interrupts:
        try:
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
            with interrupts.let_through():
                yield temporaries
                for temporary in temporaries:
                    _flush(temporary)
            for path, temporary in zip(paths, temporaries, strict=True):
                temporary.replace(path)
        except OSError as error:
            raise explain_os_error(error, paths[0]) from error
        finally:
            for temporary in temporaries:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")


def _remove_abandoned(path: Path) -> None:
    """Delete temporary files for ``path`` whose process is not there any more."""
    form = re.compile(rf"\.{re.escape(path.name)}\.(\d+){re.escape(TEMPORARY_SUFFIX)}")
    for one in path.parent.iterdir():
        if found := form.fullmatch(one.name):
            try:
                os.kill(int(found[1]), 0)
            except (ProcessLookupError, OverflowError):
                one.unlink(missing_ok=True)
            except OSError:
                continue  # somebody else's process


def move_into_place(temporary: Path, path: Path) -> None:
    """Flush a finished temporary file to the disk and give it its name."""
    _flush(temporary)
    temporary.replace(path)


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


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


def read_text(path: Path, *, limit: int | None = None) -> str:
    """The text of a UTF-8 file, without byte-order mark, its line ends as they are.

    UTF-16 is read where a byte-order mark says so.

    Parameters
    ----------
    limit
        The most bytes that are read.

    Raises
    ------
    LassbenchError
        If the file cannot be read, is larger than ``limit``, is not UTF-8 or
        holds a NUL, with the line.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(-1 if limit is None else limit + 1)
    except OSError as error:
        raise explain_os_error(error, path) from error
    if limit is not None and len(data) > limit:
        raise LassbenchError(
            "is too large to be what it should be",
            where=path,
            expected=f"at most {limit / 1e6:.3g} MB",
            fix="check that this is the right file",
        )
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeError as error:
            raise LassbenchError(
                "begins as UTF-16 and does not go on so", where=path, fix="save the file as UTF-8"
            ) from error
    nul = data.find(b"\0")
    if nul >= 0:
        raise LassbenchError(
            "holds a NUL byte: it is not a text file, or a broken copy, or UTF-16 without its mark",
            where=f"{path}:{line_at(data, nul)}",
            fix="restore the file, or save it as UTF-8",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LassbenchError(
            "is not UTF-8 text",
            where=f"{path}:{line_at(data, error.start)}",
            got=f"byte 0x{data[error.start]:02x}",
            fix="save the file as UTF-8",
        ) from error


def line_at(data: bytes, offset: int) -> int:
    """The line, counted from 1, that holds the byte at ``offset``."""
    return data.count(b"\n", 0, offset) + 1


#: The largest JSON file that is read unless a caller says otherwise, in bytes.
JSON_LIMIT = 500_000_000
_MAKE_ANEW = "restore the file or make it anew"


def read_json(path: Path, *, limit: int = JSON_LIMIT, fix: str = _MAKE_ANEW) -> Any:
    """The value in a JSON file, which must be one that every JSON reader takes for the same.

    Raises
    ------
    LassbenchError
        If the file is missing, larger than ``limit`` bytes or not JSON, or holds NaN,
        an infinity, a key twice, a surrogate, or numbers or nesting without end; with
        the line where it is known.
    """

    def refuse(what: str) -> NoReturn:
        raise LassbenchError(what, where=path, fix=fix)

    def finite(digits: str) -> float:
        value = float(digits)
        if value in (float("inf"), float("-inf")):
            refuse(f"holds the number {digits[:40]}, which is too large")
        return value

    def whole(digits: str) -> int:
        if len(digits) > _MOST_DIGITS:
            refuse(f"holds a whole number of {len(digits)} digits")
        return int(digits)

    def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            repeated = sorted({name for name in names if names.count(name) > 1})
            refuse(f"has the key {repeated[0][:80]!r} twice")
        return found

    text = read_text(path, limit=limit)
    try:
        value = json.loads(
            text,
            parse_constant=lambda word: refuse(f"holds {word}: no number of JSON"),
            parse_float=finite,
            parse_int=whole,
            object_pairs_hook=without_repeats,
        )
    except json.JSONDecodeError as error:
        raise LassbenchError(
            f"not valid JSON ({error.msg}): cut short or edited",
            where=f"{path}:{error.lineno}",
            fix=fix,
        ) from error
    except RecursionError as error:
        raise LassbenchError("is nested too deeply", where=path, fix=fix) from error
    if _SURROGATE.search(text) and not _is_text(value):
        refuse("holds half a character (a lone surrogate)")
    return value


_MOST_DIGITS = 40
_SURROGATE = re.compile(r"\\u[dD][89abAB]|\\u[dD][c-fC-F]")


def _is_text(value: Any) -> bool:
    """Whether every text below ``value`` can be written as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


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
    """Delete temporary files that a killed run left below ``folder``; how many."""
    found = [path for path in folder.rglob(f".*{TEMPORARY_SUFFIX}") if path.is_file()]
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
    temporary = _temporary(folder)
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


# Names ------------------------------------------------------------------------

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")


def name_fault(name: str) -> str:
    """Why ``name`` cannot be part of a path on every file system, or ``""`` if it can.

    Queries, mixtures, clips, suites and datasets have such names: they begin with
    a letter or digit and go on with letters, digits, ``.``, ``_`` and ``-``.
    """
    if _NAME.fullmatch(name):
        return ""
    if not name:
        return "is empty"
    if len(name) > 150:
        return f"has {len(name)} characters, at most 150 are allowed"
    return "may have letters, digits, '.', '_' and '-' only, a letter or digit first"


def checked_name(name: str, *, what: str, where: object, fix: str = "") -> str:
    """``name`` itself, if it can be part of a path.

    Raises
    ------
    LassbenchError
        If it cannot (:func:`name_fault`).
    """
    if reason := name_fault(name):
        got = one_line(name, 100)
        raise LassbenchError(f"the name of {what} {reason}", where=where, got=got, fix=fix)
    return name


def name_of(text: str) -> str:
    """A name for paths out of any ``text``: ``LASS-Net (large)`` is ``LASS-Net-large``."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
    return stem[:100] or "system"


def inner_path_fault(name: str) -> str:
    """Why ``name`` does not lead to a file below a folder, or ``""`` if it does."""
    if not name:
        return "is empty"
    if not name.isprintable():
        return "has unprintable characters"
    if name.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:|[a-z0-9+]+://", name):
        return "is an absolute path; paths go from the source folder"
    if ".." in PurePosixPath(name.replace("\\", "/")).parts:
        return "leads out of the source folder"
    return ""


def find_inside(folder: Path, name: str) -> Path:
    """The path of ``name`` below ``folder``, in whichever Unicode form the disk has it.

    A list may say ``é`` as one character (NFC) where macOS wrote two (NFD), and the
    other way round.  Where there is neither, the path as ``name`` has it.
    """
    path = folder / name
    if name.isascii() or path.exists():
        return path
    found = folder
    for part in PurePosixPath(name).parts:
        forms = (part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD")))
        found = next((found / form for form in forms if (found / form).exists()), found / part)
    return found


def data_folder(name: str) -> Path:
    """The folder ``manifests`` or ``baselines`` that came with this installation.

    In a checkout they stand at the top level; the wheel carries them inside the
    package.
    """
    package = Path(__file__).resolve().parent
    shipped = package / "_data" / name
    return shipped if shipped.is_dir() else package.parent / name
