"""A file on a web server, read in pieces: what a decoder needs of a long video.

yt-dlp cuts sections with the ffmpeg program, which a machine need not have, and
cuts streams at a key frame, up to ten seconds early.  Here the decoder itself
reads the remote file: its index, a seek, and the ten seconds of the clip.  Each
request asks for one bounded block (an unbounded one is throttled to about the
speed of listening) through the same yt-dlp session that found the address, with
its headers, cookies and proxy.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable

#: Bytes of one request: some eleven seconds of 160 kbit/s audio.
BLOCK = 1 << 18

#: Blocks kept: the decoder goes back and forth between index and data.
_KEPT = 16

#: ``request(first, last)`` asks for those bytes (last one included) and returns
#: them with the size of the whole file.
Request = Callable[[int, int], tuple[bytes, int]]


class RangeFile(io.RawIOBase):
    """A readable, seekable file over ``request``.

    Attributes
    ----------
    received
        Bytes transferred so far.
    """

    def __init__(self, request: Request, *, block: int = BLOCK) -> None:
        super().__init__()
        self._request, self._block = request, block
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._size: int | None = None
        self._at = 0
        self.received = 0

    @property
    def size(self) -> int:
        """The whole file's size in bytes (one request, if none was made)."""
        if self._size is None:
            self._load(0)
        assert self._size is not None
        return self._size

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; nothing is transferred."""
        base = {
            io.SEEK_SET: 0,
            io.SEEK_CUR: self._at,
            io.SEEK_END: self.size if whence == io.SEEK_END else 0,
        }
        self._at = max(0, base[whence] + offset)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes, fewer at the end of a block; ``b""`` at the end."""
        if size < 0:
            return self.readall()
        if size == 0 or (self._size is not None and self._at >= self._size):
            return b""
        number, inside = divmod(self._at, self._block)
        data = self._load(number)[inside : inside + size]
        self._at += len(data)
        return data

    def readall(self) -> bytes:
        """Everything from the position to the end."""
        parts = []
        while part := self.read(self._block):
            parts.append(part)
        return b"".join(parts)

    def _load(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        first = number * self._block
        if self._size is not None and first >= self._size:
            return b""
        data, self._size = self._request(first, first + self._block - 1)
        self.received += len(data)
        expected = max(0, min(self._block, self._size - first))
        if len(data) != expected:
            raise EOFError(f"{len(data)} bytes read, {expected - len(data)} more expected")
        self._blocks[number] = data
        if len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        return data
