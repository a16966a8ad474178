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
import errno
import functools
import gzip
import hashlib
import io
import json
import os
import re
import stat
import time
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, NoReturn

from lassbench.errors import LassbenchError, one_line
from lassbench.interrupts import Interrupts

#: Temporary names end like this, so that an interrupted run's leavings can be
#: recognised and removed by the next one.
TEMPORARY_SUFFIX = ".part"


def sha256_bytes(data: bytes | memoryview) -> str:
    """SHA-256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def only_line_ends_differ(data: bytes, sha256: str) -> bool:
    """Whether ``data`` without byte-order mark and with LF line ends has this SHA-256."""
    plain = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    return sha256_bytes(plain) == sha256


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with _open_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _open_file(path: Path) -> io.BufferedReader:
    """``path``, open for reading; a pipe, at which a reader would wait, is no file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return open(descriptor, "rb")  # noqa: PTH123  # a descriptor, not a path
    os.close(descriptor)
    kind = errno.EISDIR if path.is_dir() else errno.EINVAL
    raise OSError(kind, "is not a file", str(path))


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
                for one in path.parent.iterdir():
                    if is_temporary(one, path.name) and is_abandoned(one) and one.is_file():
                        one.unlink(missing_ok=True)
                content(temporary) if callable(content) else temporary.write_bytes(content)
            except OSError as error:
                raise explain_os_error(error, path) from error


@contextlib.contextmanager
def _moved_together(paths: Sequence[Path]) -> Iterator[list[Path]]:
    temporaries = [temporary_path(path) for path in paths]
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


def temporary_path(path: Path) -> Path:
    """Where this process writes what becomes ``path`` when it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}-{_this_host()}{TEMPORARY_SUFFIX}")


@functools.cache
def _this_host() -> str:
    return hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:6]


_TEMPORARY = re.compile(rf"\.(.+)\.(\d+)-([0-9a-f]{{6}}){re.escape(TEMPORARY_SUFFIX)}")
_DAY_S = 86400.0


def is_temporary(path: Path, of: str) -> bool:
    """Whether ``path`` has the name that some process would give to its ``of`` for a while."""
    found = _TEMPORARY.fullmatch(path.name)
    return found is not None and found[1] == of


def is_abandoned(path: Path) -> bool:
    """Whether ``path`` is a temporary one whose process has ended.

    Of another machine's processes nothing is known: theirs are, after a day without
    a change.
    """
    found = _TEMPORARY.fullmatch(path.name)
    if found is None:
        return False
    if found[3] != _this_host():
        with contextlib.suppress(OSError):
            return time.time() - path.lstat().st_mtime > _DAY_S
        return False
    try:
        os.kill(int(found[2]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:  # somebody else's process
        pass
    return False


def move_into_place(temporary: Path, path: Path) -> None:
    """Flush a finished temporary file to the disk and give it its name."""
    _flush(temporary)
    temporary.replace(path)


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


@contextlib.contextmanager
def atomic_open(path: Path) -> Iterator[IO[bytes]]:
    """Like :func:`atomic_path`, with the temporary file already open for bytes."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        yield stream


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


#: What a compressed text may unpack to unless a caller says otherwise, in bytes.
UNPACKED_LIMIT = 100_000_000


def read_text(path: Path, *, limit: int | None = None) -> str:
    """The text of a UTF-8 file, without byte-order mark, its line ends as they are.

    UTF-16 is read where a byte-order mark says so, and a name that ends in ``.gz`` unpacked.

    Parameters
    ----------
    limit
        The most bytes that are read, or unpacked; without one, a ``.gz`` may unpack to
        :data:`UNPACKED_LIMIT`.

    Raises
    ------
    LassbenchError
        If the file cannot be read, is larger than ``limit``, is not UTF-8 or
        holds a NUL, with the line.
    """
    try:
        with _open_file(path) as stream:
            if path.name.endswith(".gz"):
                limit = UNPACKED_LIMIT if limit is None else limit
                data = gzip.GzipFile(fileobj=stream).read(limit + 1)
            else:
                data = stream.read(-1 if limit is None else limit + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LassbenchError(
            f"is not a whole gzip file: {error}", where=path, fix="copy or download it again"
        ) from error
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
    """The value in a JSON file of at most ``limit`` bytes (see :func:`parse_json`).

    Raises
    ------
    LassbenchError
        If the file is missing or larger, and as :func:`parse_json`.
    """
    return parse_json(read_text(path, limit=limit), where=path, fix=fix)


def parse_json(text: str, *, where: object, fix: str = _MAKE_ANEW) -> Any:
    """The value of JSON ``text``, which must be one that every JSON reader takes for the same.

    Parameters
    ----------
    where
        What the text came from, for messages.

    Raises
    ------
    LassbenchError
        If it is not JSON, or holds NaN, an infinity, a key twice, a NUL, a surrogate, or
        numbers or nesting without end; with the line where it is known.
    """

    def refuse(what: str) -> NoReturn:
        raise LassbenchError(what, where=where, fix=fix)

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
            repeated = min(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
            refuse(f"has the key {repeated[:80]!r} twice")
        return found

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
            where=f"{where}:{error.lineno}",
            fix=fix,
        ) from error
    except RecursionError as error:
        raise LassbenchError("is nested too deeply", where=where, fix=fix) from error
    # The plain search first: it is a hundred times faster, and finds nothing in good files.
    if "\\u0000" in text and (nul := _NUL.search(text)):
        line = text.count("\n", 0, nul.end()) + 1
        raise LassbenchError("holds a NUL character", where=f"{where}:{line}", fix=fix)
    if _SURROGATE.search(text) and not _is_text(value):
        refuse("holds half a character (a lone surrogate)")
    return value


_MOST_DIGITS = 40
#: ``\\u0000``, its backslash not being escaped itself.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
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
        errno.EEXIST: ("a part of the path is a file, not a folder", "check the path"),
        errno.EISDIR: ("is a folder, not a file", "check the path"),
        errno.ELOOP: ("is a link, which is not followed here", "put the file itself there"),
    }
    number = error.errno or 0
    if not number and (found := re.search(r"\[Errno (\d+)\]", str(error))):
        number = int(found[1])  # the first of shutil.copytree's, which has none itself
    what = error.strerror or (os.strerror(number) if number else str(error))
    what, fix = reasons.get(number, (what, "check the path and the disk"))
    return LassbenchError(what, where=path, fix=fix)


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


def checked_name(
    name: str,
    *,
    what: str,
    where: object = "",
    fix: str = "",
    error: type[LassbenchError] = LassbenchError,
) -> str:
    """``name`` itself, if it can be part of a path.

    Parameters
    ----------
    error
        What is raised: :class:`LassbenchError`, or its subclass for wrong usage.

    Raises
    ------
    LassbenchError
        If it cannot (:func:`name_fault`).
    """
    if reason := name_fault(name):
        got = one_line(name, 100) or "nothing"
        raise error(f"the name of {what} {reason}", where=where, got=got, fix=fix)
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


#: What :func:`file_fault` says of a path at which there is nothing.
NO_SUCH_FILE = "no such file"


def file_fault(path: Path) -> str:
    """Why there is no file at ``path``, or ``""`` if there is one."""
    try:
        if path.is_file():
            return ""
        for part in (*reversed(path.parents), path):
            if part.is_symlink() and not part.exists():
                return f"{part.name} is a link that leads nowhere: to {part.readlink()}"
    except OSError as error:  # such as a name that is too long for the disk
        return error.strerror or str(error)
    return "is a folder, not a file" if path.is_dir() else NO_SUCH_FILE


def lies_outside(path: Path, folders: Iterable[Path]) -> Path | None:
    """Where ``path`` really is, if links lead it out of all of ``folders``, else None.

    A folder may be a link itself.
    """
    real = Path(os.path.realpath(path))
    inside = any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)
    return None if inside else real


def find_inside(folder: Path, name: str) -> Path:
    """The path of ``name`` below ``folder``, in whichever Unicode form the disk has it.

    A list may say ``é`` as one character (NFC) where macOS wrote two (NFD), and the
    other way round.  Where there is neither, the path as ``name`` has it.
    """
    path = folder / name
    if name.isascii() or os.path.lexists(path):
        return path
    found = folder
    for part in PurePosixPath(name).parts:
        forms = (part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD")))
        paths = [found / form for form in forms]
        found = next((path for path in paths if os.path.lexists(path)), found / part)
    return found


_LEFT_BY_SYSTEM = re.compile(
    # macOS, on disks and in archives that keep no resource forks; and its indexes
    r"\._.*|\.DS_Store|\.AppleDouble|__MACOSX|\.Spotlight-V100|\.fseventsd|\.TemporaryItems"
    # Windows
    r"|Thumbs\.db|ehthumbs(_vista)?\.db|desktop\.ini|System Volume Information"
    # what was thrown away, in macOS, Linux and Windows; what a file system's check found
    r"|\.Trashes|\.Trash-\d+|\$RECYCLE\.BIN|lost\+found"
    # deleted files that are still open (NFS), Synology's indexes, Jupyter's copies
    r"|\.nfs[0-9a-f]+|@eaDir|\.ipynb_checkpoints",
    re.IGNORECASE,
)


def is_left_by_system(name: str) -> bool:
    """Whether operating systems leave files or folders of this ``name`` behind anywhere.

    Other hidden files, such as ``.git``, are their owner's.
    """
    return _LEFT_BY_SYSTEM.fullmatch(name) is not None


def listed(folder: Path, pattern: str = "") -> list[Path]:
    """What is in ``folder``, or what the glob ``pattern`` finds below it, sorted.

    What operating systems leave (:func:`is_left_by_system`) is passed over, and with it
    what lies in such folders.

    Raises
    ------
    LassbenchError
        If ``folder`` cannot be read, or is not there and there is no ``pattern``.
    """
    try:
        found = list(folder.glob(pattern) if pattern else folder.iterdir())
    except OSError as error:
        raise explain_os_error(error, folder) from error
    return sorted(
        path for path in found if not any(map(is_left_by_system, path.relative_to(folder).parts))
    )


def data_folder(name: str) -> Path:
    """The folder ``manifests`` or ``baselines`` that came with this installation.

    In a checkout they stand at the top level; the wheel carries them inside the
    package.
    """
    package = Path(__file__).resolve().parent
    shipped = package / "_data" / name
    return shipped if shipped.is_dir() else package.parent / name
