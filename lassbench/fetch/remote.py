"""Output anywhere that fsspec writes: work in a local folder, kept in step with it.

SQLite needs a real disk, and object stores have no half-written files to move
into place, so a run works in a local folder and its finished files are carried
over: clips while it runs, the ledger after them, so that the remote ledger never
knows of a clip that is not there.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lassbench.errors import LassbenchError
from lassbench.fetch.ledger import FILE_NAME
from lassbench.files import read_json, write_json

#: What this machine has carried over: path -> [size, modification time in ns].
_CARRIED = ".carried.json"

#: File systems that show a file while it is being written.
_NOT_ATOMIC = {"file", "local", "sftp", "ssh", "smb"}


def is_remote(out: str) -> bool:
    """Whether ``out`` is an address rather than a path."""
    return "://" in out


def default_work_folder(out: str) -> Path:
    """Where the run for ``out`` works when nobody says where: in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "lassbench" / "work" / hashlib.sha256(out.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Store:
    """The remote counterpart of a local folder."""

    url: str
    system: Any
    root: str

    @classmethod
    def open(cls, url: str) -> Store:
        """The place at ``url``.

        Raises
        ------
        LassbenchError
            If there is no such kind of place, or it cannot be reached.
        """
        import fsspec

        try:
            system, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise LassbenchError(
                "this address cannot be written",
                where=url,
                got=str(error),
                fix="install the file system that it names, or name a folder",
            ) from error
        return cls(url, system, str(root).rstrip("/"))

    def sizes(self) -> dict[str, int]:
        """Path below the root -> size in bytes, of every file there."""
        with self._explained():
            if not self.system.exists(self.root):
                return {}
            self.system.invalidate_cache()
            found = self.system.find(self.root, detail=True)
            return {
                path[len(self.root) :].lstrip("/"): int(info["size"])
                for path, info in found.items()
            }

    def put(self, local: Path, name: str) -> None:
        """Write ``local`` to ``name``, whole or not at all."""
        target = f"{self.root}/{name}"
        protocols = self.system.protocol
        names = {protocols} if isinstance(protocols, str) else set(protocols)
        with self._explained():
            self.system.makedirs(target.rpartition("/")[0], exist_ok=True)
            if names & _NOT_ATOMIC:
                self.system.put_file(str(local), f"{target}.part")
                self.system.mv(f"{target}.part", target)
            else:
                self.system.put_file(str(local), target)

    def get(self, name: str, local: Path) -> None:
        """Read ``name`` into ``local``, whole or not at all."""
        local.parent.mkdir(parents=True, exist_ok=True)
        temporary = local.with_name(f".{local.name}.part")
        with self._explained():
            self.system.get_file(f"{self.root}/{name}", str(temporary))
        temporary.replace(local)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except LassbenchError:
            raise
        except Exception as error:
            raise LassbenchError(
                "the output cannot be reached",
                where=self.url,
                got=f"{type(error).__name__}: {error}",
                fix="check the address, the network and your access; the local copy is whole: "
                "run the same command again",
            ) from error


def pull(store: Store, work: Path) -> int:
    """Bring to ``work`` what the store has and ``work`` lacks; how many files.

    A local ledger stays: this machine knows best what it did last.
    """
    brought = 0
    for name, size in sorted(store.sizes().items()):
        local = work / name
        if ".part" in name or local.is_file():
            continue
        store.get(name, local)
        if local.stat().st_size != size:
            raise LassbenchError(
                "a file came over incomplete",
                where=f"{store.url}/{name}",
                expected=f"{size} bytes",
                got=f"{local.stat().st_size} bytes",
                fix="run the same command again",
            )
        brought += 1
    return brought


def push(work: Path, store: Store) -> int:
    """Carry to the store what changed in ``work`` since it was last carried; how many files."""
    there = store.sizes()
    path = work / _CARRIED
    carried = read_json(path) if path.is_file() else {}
    count = 0
    for local in _finished(work):
        name = local.relative_to(work).as_posix()
        told = local.stat()
        mark = [told.st_size, told.st_mtime_ns]
        if there.get(name) == told.st_size and carried.get(name) == mark:
            continue
        store.put(local, name)
        carried[name] = mark
        count += 1
    write_json(path, carried)
    _push_ledger(work, store)
    return count


def _finished(work: Path) -> list[Path]:
    """Files that are whole, clips first."""
    found = [
        path
        for path in work.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(work).parts)
        and not path.name.startswith(FILE_NAME)
    ]
    return sorted(found, key=lambda path: (path.suffix != ".flac", str(path)))


def _push_ledger(work: Path, store: Store) -> None:
    ledger = work / FILE_NAME
    if not ledger.is_file():
        return
    copy = work / f".{FILE_NAME}.copy"
    copy.unlink(missing_ok=True)
    # The file itself may lag behind its log: SQLite's own copy does not.
    with closing(sqlite3.connect(ledger)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    store.put(copy, FILE_NAME)
    copy.unlink()


@contextmanager
def ledger_of(out: str) -> Iterator[Path]:
    """A folder with the ledger of ``out``, for looking at it.

    Raises
    ------
    LassbenchError
        If ``out`` cannot be reached, or has no ledger.
    """
    if not is_remote(out):
        yield Path(out)
        return
    store = Store.open(out)
    with tempfile.TemporaryDirectory() as folder:
        if FILE_NAME in store.sizes():
            store.get(FILE_NAME, Path(folder) / FILE_NAME)
        yield Path(folder)


@contextmanager
def staged(out: str, work: Path | None) -> Iterator[tuple[Path, Callable[[], None] | None]]:
    """The folder to work in for ``out``, and what carries it over.

    For a path that is the path itself and ``None``.  For an address, what is
    there is brought over first, and what was done is carried back at the end,
    also when the run failed.
    """
    if not is_remote(out):
        yield Path(out), None
        return
    store = Store.open(out)
    folder = work or default_work_folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    pull(store, folder)

    def carry() -> None:
        push(folder, store)

    try:
        yield folder, carry
    finally:
        carry()
