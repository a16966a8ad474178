"""YouTube through yt-dlp's Python API: one session a worker.

No player client, no section download and no ffmpeg program: yt-dlp finds the
address of the low-bitrate audio and transfers it natively; the cut is made
here.  A video of more than ``whole_up_to_s`` is read in pieces
(:class:`RangeFile`) rather than transferred whole.
"""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yt_dlp
from yt_dlp.networking import Request as WebRequest
from yt_dlp.utils import DownloadCancelled, YoutubeDLError

from lassbench.fetch import cutting
from lassbench.fetch.cutting import Sound
from lassbench.fetch.failures import (
    OUT_OF_RANGE,
    REFUSED,
    SOCKET_TIMEOUT_S,
    TRANSIENT,
    Cancelled,
    SourceFailure,
    classify,
)
from lassbench.records import Clip

#: The low-bitrate audio, else the smallest harm.
FORMAT = "ba[abr<=160]/ba/b"

WATCH = "https://www.youtube.com/watch?v="

#: A file that stops growing is asked for again from where it stopped, this often.
_TRANSFER_RETRIES = 3


#: yt-dlp loads its plugins when its first object is made, which threads must not do together.
_MAKING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Settings:
    """What every session of a run is made with.

    Attributes
    ----------
    cookies
        A Netscape cookie file; sessions get copies, for yt-dlp writes it back.
    proxy
        ``scheme://host:port`` of a proxy, or ``""``.
    whole_up_to_s
        Longer videos are read in pieces.
    keep_source
        Transfer every video whole, so that it can be kept.
    timeout_s
        Seconds without a byte after which a connection counts as broken.
    """

    cookies: str = ""
    proxy: str = ""
    whole_up_to_s: float = 720.0
    keep_source: bool = False
    timeout_s: float = SOCKET_TIMEOUT_S

    @property
    def via(self) -> str:
        """The proxy's host, without name and password."""
        return urlsplit(self.proxy).hostname or "" if self.proxy else ""


class _Log:
    """Keeps yt-dlp's warnings, which explain its errors, and prints nothing."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, _message: str) -> None:
        pass

    # What it calls an error arrives as an exception too.
    info = error = debug

    def warning(self, message: str) -> None:
        self.warnings.append(message)


class Session:
    """One yt-dlp object with its own copy of the cookies, for one thread.

    ``home`` and ``media`` are its own folders: for its cookies, and for what it transfers.
    When ``cancel`` is set, transfers stop at their next block.
    """

    def __init__(
        self, settings: Settings, home: Path, media: Path, cancel: threading.Event
    ) -> None:
        self.settings, self.cancel = settings, cancel
        self.home, self.media = home, media
        self._log = _Log()
        self._received = 0
        home.mkdir(parents=True, exist_ok=True)
        with _MAKING, _as_failures(self):
            self._ydl = yt_dlp.YoutubeDL(self._parameters())

    def _parameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "format": FORMAT,
            "quiet": True,
            "noprogress": True,
            "color": {"stdout": "no_color", "stderr": "no_color"},
            "logger": self._log,
            "progress_hooks": [self._progress],
            "outtmpl": {"default": "%(id)s.%(ext)s"},
            "paths": {"home": str(self.media)},
            "socket_timeout": self.settings.timeout_s,
            "retries": _TRANSFER_RETRIES,
            "fragment_retries": _TRANSFER_RETRIES,
            "skip_unavailable_fragments": False,
            "extractor_retries": 0,
            "noplaylist": True,
            "overwrites": True,
            "updatetime": False,
            "fixup": "never",
        }
        if self.settings.proxy:
            parameters["proxy"] = self.settings.proxy
        if self.settings.cookies:
            copy = self.home / "cookies.txt"
            copy.touch(mode=0o600)
            shutil.copyfile(self.settings.cookies, copy)
            parameters["cookiefile"] = str(copy)
        return parameters

    def close(self) -> None:
        """End the session."""
        self._ydl.close()

    def _progress(self, status: dict[str, Any]) -> None:
        self._received = max(self._received, int(status.get("downloaded_bytes") or 0))
        if self.cancel.is_set():
            raise DownloadCancelled

    def get(self, clip: Clip, seconds: float) -> Sound:
        """The clip's window of its video.

        Raises
        ------
        SourceFailure
            With the class of what went wrong and the original message.
        Cancelled
            If the run is ending.
        """
        self._log.warnings.clear()
        self._received = 0
        with _as_failures(self):
            info = self._ydl.extract_info(f"{WATCH}{clip.youtube_id}", download=False)
            told_s = info.get("duration")
            if told_s is not None and clip.start_s >= told_s:
                raise SourceFailure(
                    OUT_OF_RANGE,
                    f"the clip starts at {clip.start_s:g} s, at or after the end of the video "
                    f"({told_s:g} s)",
                )
            if self._in_pieces(info, told_s):
                return self._read_pieces(info, clip, told_s, seconds)
            return self._transfer(info, clip, told_s, seconds)

    def _in_pieces(self, info: dict[str, Any], told_s: float | None) -> bool:
        if self.settings.keep_source or told_s is None or told_s <= self.settings.whole_up_to_s:
            return False
        return bool(info.get("url")) and info.get("protocol") in {"http", "https"}

    def _transfer(
        self, info: dict[str, Any], clip: Clip, told_s: float | None, seconds: float
    ) -> Sound:
        done = self._ydl.process_ie_result(info, download=True)
        downloads = done.get("requested_downloads") or [{}]
        path = Path(downloads[0].get("filepath") or "")
        if not path.name or not path.is_file():
            raise SourceFailure(REFUSED, "Did not get any data blocks (no file was written)")
        size = path.stat().st_size
        if size == 0:
            raise SourceFailure(REFUSED, "The downloaded file is empty")
        heard = cutting.decode(path, clip, seconds=seconds, cut=True)
        return Sound(heard, told_s, size, path)

    def _read_pieces(
        self, info: dict[str, Any], clip: Clip, told_s: float | None, seconds: float
    ) -> Sound:
        # YouTube serves a stream only after the time that its advertisements
        # would have taken; yt-dlp's own transfers wait for it too.
        wait_s = (info.get("available_at") or 0) - int(time.time())
        if wait_s > 0 and self.cancel.wait(wait_s):
            raise DownloadCancelled
        remote = RangeFile(partial(self._request, info))
        try:
            heard = cutting.decode(remote, clip, seconds=seconds, cut=True, name=clip.youtube_id)
        except EOFError as error:
            raise SourceFailure(TRANSIENT, str(error), received=remote.received) from error
        finally:
            self._received = remote.received
        return Sound(heard, told_s, remote.received)

    def _request(self, info: dict[str, Any], first: int, last: int) -> tuple[bytes, int]:
        if self.cancel.is_set():
            raise DownloadCancelled
        headers = {
            **(info.get("http_headers") or {}),
            "Accept-Encoding": "identity",
            "Range": f"bytes={first}-{last}",
        }
        with self._ydl.urlopen(WebRequest(info["url"], headers=headers)) as response:
            told = response.headers.get("Content-Range", "")
            if response.status != 206 or "/" not in told:
                message = f"the server of the medium does not serve ranges (HTTP {response.status})"
                raise SourceFailure(TRANSIENT, message)
            return response.read(), int(told.rsplit("/", maxsplit=1)[1])

    def failure(self, error: BaseException) -> SourceFailure:
        """``error`` with its class, and with what yt-dlp warned of before it."""
        message = str(error).removeprefix("ERROR: ")
        if password := urlsplit(self.settings.proxy).password:
            message = message.replace(password, "***")
        kind = classify(message, _type_names(error))
        if self._log.warnings:
            message += " [warned: " + "; ".join(self._log.warnings[-3:]) + "]"
        return SourceFailure(kind, message, received=self._received)


@contextmanager
def _as_failures(session: Session) -> Iterator[None]:
    try:
        yield
    except SourceFailure:
        raise
    except DownloadCancelled as error:
        raise Cancelled from error
    except (YoutubeDLError, OSError) as error:
        if session.cancel.is_set():
            raise Cancelled from error
        raise session.failure(error) from error


def _type_names(error: BaseException) -> set[str]:
    """Names of the exception's class, of its bases, and of all of its causes."""
    names: set[str] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or type(current).__name__ in names:
            continue
        names |= {kind.__name__ for kind in type(current).__mro__}
        wrapped = getattr(current, "exc_info", None)
        waiting += [
            wrapped[1] if wrapped else None,
            getattr(current, "cause", None),
            current.__cause__,
            current.__context__,
        ]
    return names


# ---------------------------------------------------------------------------
# Reading a long video in pieces
# ---------------------------------------------------------------------------

#: Bytes of one request: some eleven seconds of 160 kbit/s audio.
_BLOCK = 1 << 18

#: Blocks kept: the decoder goes back and forth between index and data.
_BLOCKS_KEPT = 16

#: ``request(first, last)`` asks for those bytes (last one included) and returns
#: them with the size of the whole file.
RangeRequest = Callable[[int, int], tuple[bytes, int]]


class RangeFile(io.RawIOBase):
    """A file on a web server, read in blocks: what a decoder needs of a long video.

    yt-dlp cuts sections with the ffmpeg program, which a machine need not have,
    and cuts streams at a key frame, up to ten seconds early.  Here the decoder
    itself reads the remote file: its index, a seek, and the ten seconds of the
    clip.  Each request asks for one bounded block (an unbounded one is throttled
    to about the speed of listening) through the yt-dlp session that found the
    address, with its headers, cookies and proxy.

    Attributes
    ----------
    received
        Bytes transferred so far.
    """

    def __init__(self, request: RangeRequest, *, block: int = _BLOCK) -> None:
        super().__init__()
        self._request, self._block = request, block
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._size: int | None = None
        self._at = 0
        self.received = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; from the end it takes one request, if none was made."""
        if whence == io.SEEK_END and self._size is None:
            self._load(0)
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size or 0}
        self._at = max(0, base[whence] + offset)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer``, less of it at the end of a block; 0 at the end of the file."""
        if self._size is not None and self._at >= self._size:
            return 0
        number, inside = divmod(self._at, self._block)
        data = self._load(number)[inside : inside + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _load(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        first = number * self._block
        data, self._size = self._request(first, first + self._block - 1)
        self.received += len(data)
        expected = max(0, min(self._block, self._size - first))
        if len(data) != expected:
            raise EOFError(f"{len(data)} bytes read, {expected - len(data)} more expected")
        self._blocks[number] = data
        if len(self._blocks) > _BLOCKS_KEPT:
            self._blocks.popitem(last=False)
        return data
