"""Whether a file holds all that its container promises.

Decoders read a file whose end is missing as a shorter one, most of them without a
word.  So the container is asked first: how many bytes or samples it promises, and
whether they are there.  Three answers: the length is *known*, and all of it is
there; it is *unknown*, as in what was written to a pipe, so that nobody can tell
whether something is missing; or the file is *cut*.

Layouts: RIFF and WAVE (Microsoft, 1991), RF64 (EBU Tech 3306), Wave64 (Sony),
AIFF-C (Apple, 1991), AU (Sun), CAF (Apple), FLAC (RFC 9639), Ogg (RFC 3533), ISO
base media files (ISO/IEC 14496-12), Matroska (RFC 9559), ASF (Microsoft), and the
Xing header of MP3, which LAME and FFmpeg write.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

#: Steps from part to part after which a file is not followed any further.
_MOST_PARTS = 200_000


@dataclass(frozen=True, slots=True)
class Container:
    """What a file's container says of its length.

    Attributes
    ----------
    kind
        ``wav`` (RF64 too), ``aiff``, ``w64``, ``au``, ``caf``, ``flac``, ``ogg``, ``mp3``,
        ``avi``, ``mp4``, ``matroska``, ``asf``, or ``""`` for one that tells nothing here.
    known
        Whether it tells its length.
    cut
        What is missing, in words; ``""`` if nothing is.
    frames
        The samples a channel that it promises, where it counts them (FLAC).
    patches
        Offset -> the bytes that have to stand there for libsndfile to read to the end:
        it takes a placeholder for a size.
    plain
        Whether libsndfile reads it right.
    """

    kind: str
    known: bool = False
    cut: str = ""
    frames: int | None = None
    patches: Mapping[int, bytes] = field(default_factory=dict)
    plain: bool = False


class _File:
    """A file by offsets."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = stream.seek(0, io.SEEK_END)

    def at(self, offset: int, count: int) -> bytes:
        self._stream.seek(offset)
        return self._stream.read(count)

    def numbers(self, form: str, offset: int) -> tuple[int, ...]:
        """Numbers at an offset; zeros where the file ends before them."""
        size = struct.calcsize(form)
        return struct.unpack(form, self.at(offset, size).ljust(size, b"\0"))


def examine(stream: IO[bytes]) -> Container:
    """What the container in ``stream``, a file that seeks, says of its length."""
    file = _File(stream)
    start = _after_id3(file)
    head = file.at(start, 16)
    rule = _RULES.get(head[:4])
    if rule is None and head[4:8] in _BOXES:
        rule = _mp4
    if rule is None and _begins_mp3(head):
        rule = _mp3
    return Container("") if rule is None else rule(file, start)


def _after_id3(file: _File) -> int:
    """Where the sound begins: an ID3v2 tag's size is written in four groups of seven bits."""
    head = file.at(0, 10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    return 10 + size + (10 if head[5] & 0x10 else 0)


# ---------------------------------------------------------------------------
# Chunks: a name and a size, one after the other
# ---------------------------------------------------------------------------


def _chunks(
    file: _File, start: int, form: str, *, pad: int = 1
) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and size in bytes of what is in each chunk.

    Sizes count the chunk's head too where names are GUIDs.
    """
    head = struct.calcsize(form)
    at = start
    for _ in range(_MOST_PARTS):
        if at + head > file.size:
            return
        name, size = struct.unpack(form, file.at(at, head))
        inner = size - head if head == 24 else size
        yield name, at + head, inner
        if inner < 0:
            return
        at += head + inner
        at += -(at - start) % pad


def _sound(
    file: _File, kind: str, at: int, size: int, *, open_ended: bool, patch: bytes = b""
) -> Container:
    """The chunk with the samples: ``patch`` stands before it in place of its size."""
    patches = {at - len(patch): patch} if patch and open_ended else {}
    if not open_ended and at + size > file.size:
        reason = f"the header promises {size} bytes of samples, {file.size - at} are there"
        return Container(kind, known=True, cut=reason, plain=True)
    return Container(kind, known=not open_ended, patches=patches, plain=True)


def _no_sound(kind: str) -> Container:
    return Container(kind, cut="breaks off before its samples", plain=True)


def _is_placeholder(size: int) -> bool:
    """Whether a 32-bit size is one that writers of pipes put down for "to the end".

    Met: 0xFFFFFFFF (FFmpeg), 0x7FFFF000 less a part of a frame (SoX), 0x80000000
    (arecord), 0xFFFFFFDB (LAME: less the header), 0x7FFFFFFF.
    """
    return any(0 <= most - size < 256 for most in (0x7FFFF000, 0x80000000, 0xFFFFFFFF))


def _is_unfilled(file: _File, at: int, size: int, form: str) -> bool:
    """Whether a size of 0 was never filled in: what follows is sound, not more chunks."""
    if size or at == file.size:
        return False
    end = at
    for _, begin, length in _chunks(file, at, form, pad=2):
        end = begin + length
    return file.size not in {end, end + 1}


def _riff(file: _File, start: int) -> Container:
    form = ">4sI" if file.at(start, 4) == b"RIFX" else "<4sI"
    if file.at(start + 8, 4) == b"AVI ":
        return _avi(file, start)
    if file.at(start + 8, 4) != b"WAVE":
        return Container("")
    for name, at, size in _chunks(file, start + 12, form, pad=2):
        if name == b"data":
            open_ended = _is_placeholder(size) or _is_unfilled(file, at, size, form)
            return _sound(file, "wav", at, size, open_ended=open_ended, patch=b"\xff" * 4)
    return _no_sound("wav")


def _rf64(file: _File, start: int) -> Container:
    told, place = 0, 0
    for name, at, size in _chunks(file, start + 12, "<4sI", pad=2):
        if name == b"ds64":
            (told,), place = file.numbers("<Q", at + 8), at + 8
        elif name == b"data":
            if size != 0xFFFFFFFF:
                return _sound(file, "wav", at, size, open_ended=False)
            if told and told < 1 << 62:
                return _sound(file, "wav", at, told, open_ended=False)
            patches = {place: struct.pack("<Q", file.size - at)} if place else {}
            return Container("wav", patches=patches, plain=True)
    return _no_sound("wav")


def _avi(file: _File, start: int) -> Container:
    # A file beyond 1 GiB is several RIFF chunks after each other (OpenDML 1.02).
    open_ended = False
    for _, at, size in _chunks(file, start, "<4sI", pad=2):
        if _is_placeholder(size) or size == 0:
            open_ended = True
        elif at + size > file.size:
            return Container("avi", known=True, cut=_missing("RIFF chunk", size, file.size - at))
    return Container("avi", known=not open_ended)


def _aiff(file: _File, start: int) -> Container:
    if file.at(start + 8, 4) not in {b"AIFF", b"AIFC"}:
        return Container("")
    for name, at, size in _chunks(file, start + 12, ">4sI", pad=2):
        if name == b"SSND":
            open_ended = _is_placeholder(size) or _is_unfilled(file, at, size, ">4sI")
            return _sound(file, "aiff", at, size, open_ended=open_ended)
    return _no_sound("aiff")


def _w64(file: _File, start: int) -> Container:
    for name, at, size in _chunks(file, start + 40, "<16sQ", pad=8):
        if name[:4] == b"data":
            return _sound(file, "w64", at, size, open_ended=size > 1 << 62)
    return _no_sound("w64")


def _caf(file: _File, start: int) -> Container:
    for name, at, size in _chunks(file, start + 8, ">4sq"):
        if name == b"data":
            patch = struct.pack(">q", file.size - at)
            return _sound(file, "caf", at, size, open_ended=size < 0, patch=patch)
    return _no_sound("caf")


def _au(file: _File, start: int) -> Container:
    at, size = file.numbers("<II" if file.at(start, 4) == b"dns." else ">II", start + 4)
    return _sound(file, "au", start + at, size, open_ended=size == 0xFFFFFFFF)


def _asf(file: _File, start: int) -> Container:
    for name, at, size in _chunks(file, start, "<16sQ"):
        # Data objects begin with 26 bytes that are no packet; a live one has no more.
        if name[:4] == b"\x36\x26\xb2\x75" and size <= 26:
            return Container("asf")
        if at + size > file.size:
            return Container("asf", known=True, cut=_missing("object", size, file.size - at))
    return Container("asf", known=True)


def _missing(what: str, size: int, there: int) -> str:
    return f"its {what} should have {size} bytes, {there} are there"


# ---------------------------------------------------------------------------
# Boxes, elements, pages and frames
# ---------------------------------------------------------------------------

#: Boxes of ISO base media files (MP4, M4A, 3GP) and QuickTime films.
_BOXES = frozenset(
    {
        *(b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"ssix", b"prft"),
        *(b"emsg", b"free", b"skip", b"wide", b"pnot", b"meta", b"uuid", b"udta", b"pdin"),
    }
)


def _mp4(file: _File, start: int) -> Container:
    names: list[bytes] = []
    promised, sound_end, at = 0, 0, start
    while at + 8 <= file.size and len(names) < _MOST_PARTS:
        size, name = file.numbers(">I", at)[0], file.at(at + 4, 4)
        if name not in _BOXES:
            break  # something was appended
        if size == 1:
            (size,) = file.numbers(">Q", at + 8)
        elif size == 0:  # to the end of the file
            size = file.size - at
        if at + max(size, 8) > file.size:
            cut = _missing(f"box {name.decode()!r}", size, file.size - at)
            return Container("mp4", known=True, cut=cut)
        if name == b"sidx" and name not in names:
            promised = at + size + _indexed(file, at + 8)
        names.append(name)
        at += max(size, 8)
        sound_end = at if name == b"mdat" else sound_end
    if b"moov" not in names:
        return Container("mp4", known=True, cut="breaks off before its index (no box 'moov')")
    if promised > file.size:
        cut = f"its index promises {promised} bytes, {file.size} are there"
        return Container("mp4", known=True, cut=cut)
    # Of fragments, only an index that reaches the last one tells how many there should be.
    return Container("mp4", known=b"moof" not in names or promised >= sound_end)


def _indexed(file: _File, at: int) -> int:
    """How many bytes after a segment index (its content begins at ``at``) it describes."""
    (version,) = file.numbers(">B", at)
    form, entries = (">II", at + 20) if version == 0 else (">QQ", at + 28)
    _, first = file.numbers(form, at + 12)
    (count,) = file.numbers(">xxH", entries)
    sizes = file.numbers(f">{3 * count}I", entries + 4)[::3]
    return first + sum(size & 0x7FFFFFFF for size in sizes)


def _matroska(file: _File, start: int) -> Container:
    at = start + 4
    size, at = _vint(file, at)
    at += size + 4
    if file.at(at - 4, 4) != b"\x18\x53\x80\x67":
        return Container("matroska")
    size, at = _vint(file, at)
    if size < 0:
        return Container("matroska")
    cut = _missing("segment", size, file.size - at) if at + size > file.size else ""
    return Container("matroska", known=True, cut=cut)


def _vint(file: _File, at: int) -> tuple[int, int]:
    """An element's size and where its content begins; -1 if the size is not told (RFC 8794)."""
    (first,) = file.numbers(">B", at)
    width = 9 - first.bit_length()
    value = int.from_bytes(file.at(at, width), "big") & ((1 << 7 * width) - 1)
    return (-1 if value == (1 << 7 * width) - 1 else value), at + width


def _ogg(file: _File, start: int) -> Container:
    # A page has at most 27 + 255 + 255 * 255 bytes; the last one of a whole
    # stream carries the end-of-stream flag (RFC 3533, section 6).
    tail = file.at(max(start, file.size - 65307), 65307)
    page = tail[max(0, tail.rfind(b"OggS")) :]
    whole = len(page) > 27 and page[:4] == b"OggS" and len(page) >= 27 + page[26]
    length = 27 + page[26] + sum(page[27 : 27 + page[26]]) if whole else 0
    if not whole:
        cut = "breaks off inside an Ogg page"
    elif len(page) < length:
        cut = f"its last Ogg page should have {length} bytes, {len(page)} are there"
    else:
        cut = "" if page[5] & 4 else "breaks off before the page that ends the stream"
    # libsndfile reads the first of several streams only.
    return Container("ogg", known=True, cut=cut, plain=page[14:18] == file.at(start + 14, 4))


def _flac(file: _File, start: int) -> Container:
    # STREAMINFO (RFC 9639, section 8.2): 36 bits count the samples, 0 if unknown.  They
    # are hidden from libsndfile, so that it reads to the end and can be compared.
    word = file.at(start + 21, 5).ljust(5, b"\0")
    frames = int.from_bytes(word, "big") & ((1 << 36) - 1)
    return Container(
        "flac",
        known=frames > 0,
        frames=frames or None,
        patches={start + 21: bytes([word[0] & 0xF0]) + bytes(4)},
        plain=True,
    )


def _begins_mp3(head: bytes) -> bool:
    """Whether a frame of MPEG audio may begin here: eleven bits set, then a layer."""
    return len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0 and head[1] & 6 != 0


def _mp3(file: _File, start: int) -> Container:
    # The first frame may hold a Xing header: flags, then the frames and the bytes from
    # here on.  A file without is as long as it is; libsndfile would estimate its length.
    head = file.at(start, 64)
    place = max(head.find(b"Xing"), head.find(b"Info"))
    if place < 0 or len(head) < place + 16:
        return Container("mp3")
    flags, _, size = struct.unpack(">III", head[place + 4 : place + 16])
    if flags & 3 != 3:
        return Container("mp3")
    if start + size > file.size:
        return Container("mp3", known=True, cut=_missing("stream", size, file.size - start))
    after = file.at(start + size, 3)
    if after == b"ID3" or _begins_mp3(after):
        return Container("mp3")  # more sound follows: files that were put together
    return Container("mp3", known=True, plain=True)


_RULES: dict[bytes, Callable[[_File, int], Container]] = {
    b"RIFF": _riff,
    b"RIFX": _riff,
    b"RF64": _rf64,
    b"BW64": _rf64,
    b"FORM": _aiff,
    b"riff": _w64,
    b".snd": _au,
    b"dns.": _au,
    b"caff": _caf,
    b"fLaC": _flac,
    b"OggS": _ogg,
    b"\x1a\x45\xdf\xa3": _matroska,
    b"\x30\x26\xb2\x75": _asf,
}


# ---------------------------------------------------------------------------
# What containers tell PyAV: lengths and times
# ---------------------------------------------------------------------------

#: Formats whose header tells FFmpeg the length, and by how many seconds it may be out:
#: a container's clock is coarse, and its last packet may be short.  Of the others FFmpeg
#: makes an estimate from the bit rate.
_TOLD_WITHIN_S = {"mov": 0.25, "matroska": 0.25, "flv": 0.25, "tta": 0.0, "wv": 0.0, "ape": 0.0}


def told_s(container: Any, stream: Any) -> tuple[float | None, float]:
    """The length that a header tells PyAV, and by how much it may be out, in seconds."""
    import av

    name = container.format.name.partition(",")[0]
    within_s = _TOLD_WITHIN_S.get(name, 0.0)
    if name not in _TOLD_WITHIN_S:
        return None, within_s
    if stream.duration:
        # Matroska's header tells no stream's length: this is an estimate.
        told = None if name == "matroska" else float(stream.duration * stream.time_base)
        return told, within_s
    # The length of all streams: a film may go on after its sound.
    alone = len(container.streams) == 1
    return container.duration / av.time_base if container.duration and alone else None, within_s


def tells_samples(container: Any, stream: Any) -> bool:
    """Whether a frame's time says which sample it begins with, also after a jump.

    Matroska and WebM tell times in whole milliseconds, 48 samples of Opus; of Opus that
    is enough (:func:`first_sample`).  Other sound is decoded from its beginning and
    counted.
    """
    name = container.format.name.partition(",")[0]
    is_opus = stream.codec_context.name in {"opus", "libopus"}
    return name in {"mov", "mpegts"} or (name == "matroska" and is_opus)


def origin_s(stream: Any) -> float:
    """When the stream's first sample is due: some muxers begin later than 0."""
    return max(0.0, float((stream.start_time or 0) * (stream.time_base or 0)))


def first_sample(stream: Any, at_s: float, frames: int) -> int:
    """Which sample of the stream the first decoded frame begins with.

    Opus packets last whole multiples of 2.5 ms (RFC 6716, section 2.1.4) and the
    stream's samples begin ``delay`` samples into the first one (RFC 7845,
    section 4.2), so where the clock is coarse the nearest such multiple is the
    exact place.
    """
    rate = int(stream.rate)
    told = round((at_s - origin_s(stream)) * rate)
    if stream.time_base * rate <= 1:
        return told
    delay, grid = int(stream.codec_context.delay or 0), rate // 400
    return round((told + frames + delay) / grid) * grid - delay - frames
