"""Where a clip's audio may come from; sources are asked one after the other.

``--audio FOLDER``
    Files named for their clips: ``Y<youtube_id>.wav`` and the like.
``--audio 'https://host/{youtube_id}.opus'``
    Any address that fsspec opens, with the clip's fields in braces.
``--audio hf://datasets/user/name``
    Parquet tables with an audio column: a Hugging Face dataset, or files anywhere
    that fsspec opens.
``--audio youtube``
    YouTube, at its pace.

A source is a small frozen dataclass that pickles; what is costly to make (a
yt-dlp session, an index of a table) is made once by a :class:`Workspace`.
"""

from __future__ import annotations

import string
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lassbench.benchmark.selection import ClipRow
from lassbench.corpora.audio_folders import AudioFolders, part_of
from lassbench.errors import LassbenchError, UsageError, did_you_mean
from lassbench.fetch import cutting
from lassbench.fetch.cutting import Sound
from lassbench.fetch.failures import (
    ABSENT,
    DAMAGED,
    REFUSED,
    SOCKET_TIMEOUT_S,
    TRANSIENT,
    UNFIT,
    SourceFailure,
    classify,
)
from lassbench.files import is_left_by_system, listed
from lassbench.records import AudioSource, Clip, FileSource, MissingSource

if TYPE_CHECKING:
    from lassbench.fetch.youtube import Settings

Made = TypeVar("Made")

#: Fields that an address template may have.
FIELDS = ("youtube_id", "clip_id", "start_s", "end_s", "start_ms", "end_ms", "split", "concept")


class Workspace:
    """What workers keep from clip to clip.

    ``scratch`` is a folder for what is being transferred; whole media end in ``kept``, if
    that is given.
    """

    def __init__(self, scratch: Path, kept: Path | None = None) -> None:
        self.scratch, self.kept = scratch, kept
        self.cancel = threading.Event()
        self._made: dict[Hashable, Any] = {}
        self._making = threading.Lock()

    @property
    def home(self) -> Path:
        """This thread's own folder."""
        return self.scratch / f"thread-{threading.get_native_id()}"

    @property
    def media(self) -> Path:
        """Where this thread puts what it transfers; emptied after each clip."""
        return self.home / "media"

    def keep(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What ``make`` made for ``key``, once for all threads."""
        with self._making:
            if key not in self._made:
                self._made[key] = make()
            made: Made = self._made[key]
            return made

    def close(self) -> None:
        """Close everything that was made."""
        for made in self._made.values():
            if hasattr(made, "close"):
                made.close()
        self._made.clear()


class Source(ABC):
    """One place to ask for clips."""

    #: Whether requests are spaced (``--rate``, ``--sleep``).
    paced = False

    @property
    @abstractmethod
    def name(self) -> str:
        """What the ledger calls it."""

    @property
    def via(self) -> str:
        """The proxy's host, or ``""``."""
        return ""

    @abstractmethod
    def get(self, clip: Clip, workspace: Workspace, seconds: float) -> Sound:
        """The clip's window, decoded.

        Raises
        ------
        SourceFailure
            If it does not come.
        """

    def order(self, clips: Sequence[Clip], workspace: Workspace) -> Sequence[Clip]:
        """``clips`` in the order in which they are best asked for."""
        return clips


@dataclass(frozen=True)
class FolderSource(Source):
    """Files in a folder of any depth, cuts or whole videos, under the names that
    :mod:`lassbench.corpora.audio_folders` knows.
    """

    path: str

    @property
    def name(self) -> str:
        """``folder:PATH``."""
        return f"folder:{self.path}"

    def get(self, clip: Clip, workspace: Workspace, seconds: float) -> Sound:
        """The clip's file, decoded."""
        index = workspace.keep(self, lambda: AudioFolders((self.path,)))
        row = ClipRow(clip.youtube_id, clip.start_s, clip.end_s, (), "", clip.concept, clip.tags)
        return _read(index.locate(row), clip, seconds)


@dataclass(frozen=True)
class KeptSource(Source):
    """Whole videos that earlier runs kept (``--keep-source``)."""

    path: str
    name = "kept"

    def get(self, clip: Clip, workspace: Workspace, seconds: float) -> Sound:
        """The clip's video, decoded."""
        found = sorted(Path(self.path).glob(f"Y{clip.youtube_id}.*"))
        if not clip.youtube_id or not found:
            raise SourceFailure(ABSENT, "this video was not kept")
        return Sound(cutting.decode(found[0], clip, seconds=seconds, cut=True, at_rest=True))


def _read(
    found: AudioSource, clip: Clip, seconds: float, *, received: int = 0, at_rest: bool = True
) -> Sound:
    """The file's part that is the clip, decoded; ``at_rest`` as :func:`cutting.decode` has it.

    Raises
    ------
    SourceFailure
        If there is none, or it cannot be decoded.
    """
    if isinstance(found, MissingSource):
        kind = ABSENT if found.kind == "missing" else UNFIT
        raise SourceFailure(kind, found.reason, received=received)
    assert isinstance(found, FileSource)
    cut = found.start_s is not None
    path = Path(found.path)
    heard = cutting.decode(path, clip, seconds=seconds, cut=cut, at_rest=at_rest)
    return Sound(heard, received=received)


@dataclass(frozen=True)
class TemplateSource(Source):
    """An address made from the clip's fields, opened with fsspec.

    What is there may be the clip or its whole video, told apart by its length.
    """

    template: str

    @property
    def name(self) -> str:
        """``url:TEMPLATE``, without what in it may be a password."""
        return f"url:{shown(self.template)}"

    def get(self, clip: Clip, workspace: Workspace, seconds: float) -> Sound:
        """What is at the clip's address, decoded; read where it is if that is a disk."""
        url = self.url(clip)
        if url.startswith("file://") or "://" not in url:
            path = Path(url.removeprefix("file://")).expanduser()
            return _read(part_of(str(path), clip), clip, seconds)
        path = _download(url, workspace.media, clip)
        found, size = part_of(str(path), clip), path.stat().st_size
        return _read(found, clip, seconds, received=size, at_rest=False)

    def url(self, clip: Clip) -> str:
        """The clip's address."""
        times = {
            "start_s": f"{clip.start_s:g}",
            "end_s": f"{clip.end_s:g}",
            "start_ms": round(1000 * clip.start_s),
            "end_ms": round(1000 * clip.end_s),
        }
        return self.template.format(**{**asdict(clip), **times})


def shown(url: str) -> str:
    """``url`` for ledgers and messages: without user, password and query, which may be secrets."""
    head, mark, rest = url.partition("://")
    place, _, query = rest.partition("?")
    host, slash, path = place.partition("/")
    return f"{head}{mark}{host.rpartition('@')[2]}{slash}{path}{'?...' if query else ''}"


def _download(url: str, folder: Path, clip: Clip) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{clip.clip_id}{Path(url.partition('?')[0]).suffix[:8]}"
    try:
        with _open_url(url) as remote, path.open("wb") as local:
            while block := remote.read(1 << 20):
                local.write(block)
            expected = getattr(remote, "length_told", None)
    except FileNotFoundError as error:
        raise SourceFailure(ABSENT, f"nothing at {shown(url)}") from error
    except Exception as error:
        status = getattr(error, "code", None)
        if status in {404, 410}:
            raise SourceFailure(ABSENT, f"nothing at {shown(url)} (HTTP {status})") from error
        raise _web_failure(error, url) from error
    size = path.stat().st_size
    if expected is not None and size != expected:
        raise SourceFailure(
            TRANSIENT, f"{size} bytes, expected {expected} ({shown(url)})", received=size
        )
    if size == 0:
        raise SourceFailure(REFUSED, f"the file is empty ({shown(url)})")
    return path


def _open_url(url: str) -> Any:
    if not url.startswith(("http://", "https://")):
        import fsspec

        return fsspec.open(url, "rb").open()
    # fsspec's own way to the web needs another package; this one is always there.
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "lassbench"})
    response: Any = urllib.request.urlopen(request, timeout=SOCKET_TIMEOUT_S)
    # A connection that breaks off ends the stream without an error.
    told = response.headers.get("Content-Length")
    response.length_told = int(told) if told else None
    return response


def _web_failure(error: Exception, url: str) -> SourceFailure:
    """The class of what a web client raised."""
    status = getattr(error, "status", None) or getattr(error, "code", None)
    told = f"HTTP Error {status}: " if isinstance(status, int) else ""
    text = str(error).replace(url, shown(url))
    message = f"{told}{type(error).__name__}: {text} ({shown(url)})"
    kind = classify(message, {base.__name__ for base in type(error).__mro__})
    if kind.name == "unknown" and isinstance(error, OSError):
        kind = TRANSIENT
    return SourceFailure(kind, message)


@dataclass(frozen=True)
class YouTubeSource(Source):
    """YouTube, through yt-dlp."""

    settings: Settings
    paced = True
    name = "youtube"

    @property
    def via(self) -> str:
        """The proxy's host, or ``""``."""
        return self.settings.via

    def get(self, clip: Clip, workspace: Workspace, seconds: float) -> Sound:
        """The clip's window of its video."""
        from lassbench.fetch.youtube import Session

        if not clip.youtube_id:
            raise SourceFailure(ABSENT, "the clip has no YouTube id")
        session = workspace.keep(
            (self, threading.get_native_id()),
            lambda: Session(self.settings, workspace.home, workspace.media, workspace.cancel),
        )
        return session.get(clip, seconds)


# ---------------------------------------------------------------------------
# Parquet tables with an audio column
# ---------------------------------------------------------------------------

#: Row groups of audio kept in memory.
_GROUPS_KEPT = 2


@dataclass(frozen=True, order=True)
class Place:
    """Where a row stands: file, row group, row within the group."""

    file: str
    group: int
    row: int


@dataclass(frozen=True)
class TableSource(Source):
    """Parquet files: ``hf://datasets/user/name``, ``s3://...``, or a folder.

    The id columns are read once; audio is read a row group at a time, and clips
    are asked for in the tables' order, so that each group is transferred once.

    Attributes
    ----------
    spec
        A Parquet file, or what has Parquet files below it.
    id_column
        Holds the YouTube id, with or without AudioSet's leading ``Y``, or the
        clip's id.
    start_column
        Holds the window's start in seconds; needed when one video has several
        windows there.
    audio_column
        Holds ``struct<bytes, path>``, as ``datasets`` writes it, or bytes.
    """

    spec: str
    id_column: str = "youtube_id"
    start_column: str = ""
    audio_column: str = "audio"

    @property
    def name(self) -> str:
        """``table:SPEC``, without what in it may be a password."""
        return f"table:{shown(self.spec)}"

    def order(self, clips: Sequence[Clip], workspace: Workspace) -> list[Clip]:
        """``clips`` in the order of the tables, those that are not there last."""
        last = Place("\U0010ffff", 0, 0)
        return sorted(clips, key=lambda clip: self._place(clip, workspace) or last)

    def get(self, clip: Clip, workspace: Workspace, seconds: float) -> Sound:
        """The clip's row, decoded."""
        place = self._place(clip, workspace)
        if place is None:
            raise SourceFailure(ABSENT, f"no row of this clip in {self.name}")
        lock, read = workspace.keep(
            (self, "groups"), lambda: (threading.Lock(), lru_cache(_GROUPS_KEPT)(self._read_group))
        )
        with lock:  # each group is read once, however many threads ask
            value = read(place.file, place.group)[place.row].as_py()
        if not isinstance(value, dict):
            value = {"bytes": value}
        data, named = value.get("bytes"), value.get("path") or ""
        if not data:
            raise SourceFailure(ABSENT, f"the row of this clip in {self.name} holds no audio")
        workspace.media.mkdir(parents=True, exist_ok=True)
        path = workspace.media / f"{clip.clip_id}{Path(named).suffix[:8]}"
        path.write_bytes(data)
        return _read(part_of(str(path), clip), clip, seconds, received=len(data))

    def _place(self, clip: Clip, workspace: Workspace) -> Place | None:
        index = workspace.keep((self, "index"), self._read_index)
        start = round(clip.start_s, 3) if self.start_column else None
        names = (clip.youtube_id, f"Y{clip.youtube_id}", clip.clip_id)
        return next((index[name, start] for name in names if (name, start) in index), None)

    def _read_index(self) -> dict[tuple[str, float | None], Place]:
        index: dict[tuple[str, float | None], Place] = {}
        try:
            for file in self._files():
                with _open_table(file) as table:
                    self._check_columns(table.schema_arrow.names, file)
                    for group in range(table.num_row_groups):
                        for row, key in enumerate(self._keys(table, group)):
                            index.setdefault(key, Place(file, group, row))
        except LassbenchError:
            raise
        except Exception as error:
            raise LassbenchError(
                "the tables cannot be read",
                where=shown(self.spec),
                got=_web_failure(error, self.spec).message,
                fix="check the address, the network and your access (`hf auth login`)",
            ) from error
        return index

    def _keys(self, table: Any, group: int) -> Iterator[tuple[str, float | None]]:
        """The id, and the start if there is such a column, of each row of a group."""
        wanted = [column for column in (self.id_column, self.start_column) if column]
        for row in table.read_row_group(group, columns=wanted).to_pylist():
            start = round(float(row[self.start_column]), 3) if self.start_column else None
            yield str(row[self.id_column]), start

    def _check_columns(self, names: list[str], file: str) -> None:
        for column, option in (
            (self.id_column, "--id-column"),
            (self.audio_column, "--audio-column"),
            (self.start_column, "--start-column"),
        ):
            if column and column not in names:
                raise UsageError(
                    f"the table has no column {column!r}{did_you_mean(column, names)}",
                    where=file,
                    expected=", ".join(names),
                    fix=f"name the column with {option}",
                )

    def _files(self) -> list[str]:
        import fsspec

        system, path = fsspec.core.url_to_fs(self.spec)
        found = [path]
        if not path.endswith(".parquet"):
            inside = path.rstrip("/")
            found = sorted(
                one
                for one in system.glob(f"{inside}/**/*.parquet")
                if not any(map(is_left_by_system, one.removeprefix(inside).split("/")))
            )
        if not found:
            raise UsageError(
                "no Parquet file there", where=shown(self.spec), fix="check the address"
            )
        return [system.unstrip_protocol(path) for path in found]

    def _read_group(self, file: str, group: int) -> Any:
        column = self.audio_column
        try:
            with _open_table(file) as table:
                return table.read_row_group(group, columns=[column]).column(column)
        except Exception as error:
            failure = _web_failure(error, file)
            if file.startswith("file://"):
                failure.kind = DAMAGED
            raise failure from error


def _open_table(file: str) -> Any:
    import fsspec
    from pyarrow import parquet

    return parquet.ParquetFile(fsspec.open(file, "rb").open())


# ---------------------------------------------------------------------------
# What --audio names
# ---------------------------------------------------------------------------


def parse(
    specs: Sequence[str], *, settings: Settings, columns: dict[str, str] | None = None
) -> tuple[Source, ...]:
    """The sources that ``--audio`` names, in their order; YouTube when it names none.

    Raises
    ------
    UsageError
        If a folder is missing or a template names an unknown field.
    """
    return tuple(_parse_one(spec, settings, columns or {}) for spec in specs or ("youtube",))


def _parse_one(spec: str, settings: Settings, columns: dict[str, str]) -> Source:
    if spec == "youtube":
        return YouTubeSource(settings)
    if "{" in spec:
        return TemplateSource(_checked_template(spec))
    if Path(spec).is_dir() and not listed(Path(spec), "**/*.parquet"):
        return FolderSource(str(Path(spec).resolve()))
    if "://" in spec or spec.endswith(".parquet") or Path(spec).is_dir():
        return TableSource(spec, **columns)
    raise UsageError(
        "--audio names no source of audio",
        got=spec,
        expected="a folder, an address with {youtube_id}, hf://datasets/user/name, or `youtube`",
        fix="check the path",
    )


def _checked_template(template: str) -> str:
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise UsageError(
            f"not an address template: {error}", got=template, fix="write {youtube_id}"
        ) from error
    unknown = [name for name in fields if name not in FIELDS]
    if unknown or not {"youtube_id", "clip_id"} & set(fields):
        raise UsageError(
            "the address template does not name a clip",
            got=template,
            expected="{youtube_id} or {clip_id}, and of " + ", ".join(FIELDS),
            fix="correct the fields in braces",
        )
    return template
