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

import contextlib
import io
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any

#: What an audio file's name may end in.
SUFFIXES = frozenset(
    {
        *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".mp4"),
        *(".webm", ".mkv", ".mka", ".aif", ".aiff", ".aifc", ".caf", ".wma", ".w64"),
        *(".rf64", ".au", ".snd", ".mp2", ".ac3", ".amr", ".ape", ".tta", ".wv"),
    }
)

#: Steps from part to part, or from page to page of Ogg, after which a file is not
#: followed any further.
_MOST_PARTS, _MOST_PAGES = 200_000, 500_000


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
        The samples a channel that it promises, where it counts them: FLAC, and Opus in
        Ogg, which counts at 48 kHz and from wherever it begins.
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
    """A file by offsets; its first bytes, which are asked for again and again, are kept."""

    def __init__(self, stream: IO[bytes]) -> None:
        stream.seek(0)
        self._stream, self._head = stream, stream.read(4096)
        self.size = stream.seek(0, io.SEEK_END)

    def at(self, offset: int, count: int) -> bytes:
        if offset + count <= len(self._head):
            return self._head[offset : offset + count]
        self._stream.seek(offset)
        return self._stream.read(count)

    def numbers(self, form: str, offset: int) -> tuple[int, ...]:
        """Numbers at an offset; zeros where the file ends before them."""
        size = struct.calcsize(form)
        return struct.unpack(form, self.at(offset, size).ljust(size, b"\0"))


def examine(stream: IO[bytes]) -> Container:
    """What the container in ``stream``, a file that seeks, says of its length."""
    file = _File(stream)
    start = _after_tags(file, 0)
    head = file.at(start, 16)
    rule = _RULES.get(head[:4])
    if rule is None and head[4:8] in _BOXES:
        rule = _mp4
    if rule is None and _begins_mp3(head):
        rule = _mp3
    return Container("") if rule is None else rule(file, start)


def _after_tags(file: _File, at: int) -> int:
    """Where the tags that begin at ``at`` end: ID3v2, ID3v1 and APE.

    ID3v2 writes its size in four groups of seven bits.
    """
    for _ in range(_MOST_PARTS):
        head = file.at(at, 32)
        if head[:3] == b"ID3" and len(head) >= 10:
            at += 10 + sum((head[6 + k] & 0x7F) << 21 - 7 * k for k in range(4))
            at += 10 if head[5] & 0x10 else 0
        elif head[:3] == b"TAG":
            at += 128
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            at += 32 + int.from_bytes(head[12:16], "little")
        else:
            break
    return at


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
    file: _File,
    kind: str,
    at: int,
    size: int,
    *,
    open_ended: bool,
    patch: tuple[int, bytes] | None = None,
) -> Container:
    """The chunk with the samples; ``patch`` if its size has to be another for libsndfile."""
    patches = dict([patch]) if patch and open_ended else {}
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


def _is_unfilled(file: _File, at: int, size: int, form: str, *, pad: int = 2) -> bool:
    """Whether a size of 0 was never filled in: what follows is sound, not more chunks."""
    if size or at == file.size:
        return False
    end = at
    for _, begin, length in _chunks(file, at, form, pad=pad):
        end = begin + length
    return not end <= file.size < end + pad


def _riff(file: _File, start: int) -> Container:
    form = ">4sI" if file.at(start, 4) == b"RIFX" else "<4sI"
    if file.at(start + 8, 4) == b"AVI ":
        return _avi(file, start)
    if file.at(start + 8, 4) != b"WAVE":
        return Container("")
    for name, at, size in _chunks(file, start + 12, form, pad=2):
        if name == b"data":
            open_ended = _is_placeholder(size) or _is_unfilled(file, at, size, form)
            patch = at - 4, b"\xff" * 4
            return _sound(file, "wav", at, size, open_ended=open_ended, patch=patch)
    return _no_sound("wav")


def _rf64(file: _File, start: int) -> Container:
    told, place = 0, 0
    for name, at, size in _chunks(file, start + 12, "<4sI", pad=2):
        if name == b"ds64":
            (told,), place = file.numbers("<Q", at + 8), at + 8
        elif name == b"data":
            # Decoders take the size of ds64, whatever stands here.
            told = told if place else size
            patch = place, struct.pack("<Q", file.size - at)
            open_ended = bool(place) and not 0 < told < 1 << 62
            return _sound(file, "wav", at, told, open_ended=open_ended, patch=patch)
    return _no_sound("wav")


def _avi(file: _File, start: int) -> Container:
    # A file beyond 1 GiB is several RIFF chunks after each other (OpenDML 1.02).
    open_ended = False
    for name, at, size in _chunks(file, start, "<4sI", pad=2):
        if name != b"RIFF":
            break  # something was appended
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
            unfilled = _is_unfilled(file, at, max(0, size), "<16sQ", pad=8)
            open_ended = size > 1 << 62 or unfilled
            sound = _sound(file, "w64", at, size, open_ended=open_ended)
            # libsndfile takes chunks that follow for sound.
            return replace(sound, plain=open_ended or at + size + 8 > file.size)
    return _no_sound("w64")


def _caf(file: _File, start: int) -> Container:
    for name, at, size in _chunks(file, start + 8, ">4sq"):
        if name == b"data":
            # Four bytes of it count edits: less was never filled in.
            patch = at - 8, struct.pack(">q", file.size - at)
            return _sound(file, "caf", at, size, open_ended=size < 4, patch=patch)
    return _no_sound("caf")


def _au(file: _File, start: int) -> Container:
    at, size = file.numbers("<II" if file.at(start, 4) == b"dns." else ">II", start + 4)
    open_ended, patch = size in {0, 0xFFFFFFFF}, (start + 8, b"\xff" * 4)
    return _sound(file, "au", start + at, size, open_ended=open_ended, patch=patch)


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
    names: set[bytes] = set()
    promised, sound_end, at = 0, 0, start
    for _ in range(_MOST_PARTS):
        if at + 8 > file.size:
            break
        size, name = file.numbers(">I", at)[0], file.at(at + 4, 4)
        if size == 1:
            (size,) = file.numbers(">Q", at + 8)
        elif size == 0:  # to the end of the file
            size = file.size - at
        if at + max(size, 8) > file.size:
            if name not in _BOXES:
                break  # something was appended
            cut = _missing(f"box {name.decode()!r}", size, file.size - at)
            return Container("mp4", known=True, cut=cut)
        if name == b"sidx" and name not in names:
            promised = at + size + _indexed(file, at + 8)
        names.add(name)
        at += max(size, 8)
        sound_end = at if name == b"mdat" else sound_end
    else:
        return Container("mp4")
    if b"moov" not in names:
        return Container("mp4", known=True, cut="breaks off before its index (no box 'moov')")
    if promised > file.size:
        cut = f"its index promises {promised} bytes, {file.size} are there"
        return Container("mp4", known=True, cut=cut)
    # Of fragments, only an index that reaches the last one tells how many there should be.
    known = sound_end > 0 and (b"moof" not in names or promised >= sound_end)
    return Container("mp4", known=known)


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
    # A page's flags tell whether a stream begins (2) or ends (4) with it (RFC 3533,
    # section 6).  Files that were put together hold one stream after the other.
    streams, flags, last, at = 0, 0, start, start
    for _ in range(_MOST_PAGES):
        head = file.at(at, 27 + 255)
        if head[:4] != b"OggS":
            if b"OggS" in file.at(at, 1 << 17):
                return Container("ogg", known=True, cut="has a page that breaks off")
            break  # something was appended
        if len(head) < 27:
            return Container("ogg", known=True, cut="breaks off inside an Ogg page")
        length = 27 + head[26] + sum(head[27 : 27 + head[26]])
        if at + length > file.size:
            cut = _missing("last Ogg page", length, file.size - at)
            return Container("ogg", known=True, cut=cut)
        if head[5] & 2 and at > start and not flags & 6:
            return Container("ogg", known=True, cut="breaks off before its next stream begins")
        streams, flags, last = streams + (head[5] >> 1 & 1), head[5], at
        at += length
    else:
        return Container("ogg")
    cut = "" if flags & 4 else "breaks off before the page that ends the stream"
    # libsndfile reads the first of several streams only.
    frames = _opus_frames(file, start, last)
    return Container("ogg", known=True, cut=cut, frames=frames, plain=streams == 1)


def _opus_frames(file: _File, first: int, last: int) -> int | None:
    """Samples at 48 kHz up to the last page, from 0, of Ogg Opus (RFC 7845, section 4)."""
    (segments,) = file.numbers(">B", first + 26)
    head = file.at(first + 27 + segments, 12)
    if head[:8] != b"OpusHead":
        return None
    (position,) = file.numbers("<q", last + 6)
    return position - int.from_bytes(head[10:12], "little")


def _flac(file: _File, start: int) -> Container:
    # STREAMINFO (RFC 9639, section 8.2): 36 bits count the samples, 0 if unknown.  They
    # are hidden from libsndfile, so that it reads to the end and can be compared: up to
    # an ID3v1 tag, which it takes for a broken frame.
    word = file.at(start + 21, 5).ljust(5, b"\0")
    frames = int.from_bytes(word, "big") & ((1 << 36) - 1)
    return Container(
        "flac",
        known=frames > 0,
        frames=frames or None,
        patches={start + 21: bytes([word[0] & 0xF0]) + bytes(4)},
        plain=frames > 0 or file.at(max(0, file.size - 128), 3) != b"TAG",
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
    # What follows and is neither tag nor padding may be more sound: files put together.
    end = _after_tags(file, start + size)
    alone = file.size - end < 1 << 16 and not file.at(end, 1 << 16).strip(b"\0")
    return Container("mp3", known=alone, plain=alone)


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
# PyAV: what it may open, and what containers tell it of lengths and times
# ---------------------------------------------------------------------------

#: Audio containers only, from local files only: FFmpeg also knows playlists and
#: virtual containers, which would make it open other files and addresses that an
#: untrusted file names.
PYAV_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "aac,aiff,amr,ape,asf,avi,caf,eac3,ac3,flac,flv,matroska,mov,mp3,mpegts,"
    "ogg,tta,w64,wav,wv",
}


def prepare(container: Any, stream: Any) -> str:
    """Set a stream's decoder right; why PyAV cannot read the stream, in words, or ``""``."""
    from av.codec.context import Flags2

    if stream.codec_context is None:
        return "no decoder for its sound"
    form, codec = container.format.name, stream.codec_context.name
    if codec == "vorbis" and form in {"wav", "w64"}:
        # FFmpeg decodes some of it, and says nothing of the rest.
        return "Vorbis in WAV, where nothing tells its packets apart"
    if codec == "alac" and form == "caf":
        # The last packet tells how short it is, and FFmpeg would shorten it again.
        stream.codec_context.flags2 |= Flags2.skip_manual
    return ""


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """The frames that PyAV decodes."""
    import av

    if container.format.name != "mp3":
        yield from container.decode(stream)
        return
    begin = b""
    for packet in container.demux(stream):
        data = bytes(packet)
        if not data or data[0] == 0xFF:
            begin = data[:2]
            yield from packet.decode()
        elif begin in data:
            # Tags and padding after a frame come together with the frame that follows,
            # and FFmpeg would drop both.
            with contextlib.suppress(av.error.InvalidDataError):
                yield from stream.codec_context.decode(av.Packet(data[data.index(begin) :]))


#: Formats whose header tells FFmpeg the length, and by how many seconds it may be out:
#: a container's clock is coarse, and its last packet may be short.  Of the others FFmpeg
#: makes an estimate from the bit rate.
_TOLD_WITHIN_S = {"mov": 0.25, "matroska": 0.25, "flv": 0.25, "tta": 0.0, "wv": 0.0, "ape": 0.0}


def told_s(told: Container, container: Any, stream: Any) -> tuple[float | None, float]:
    """The length that a header tells, and by how much it may be out, in seconds."""
    import av

    if told.kind == "flac" and told.frames:
        return told.frames / int(stream.rate), 0.0
    name = container.format.name.partition(",")[0]
    within_s = _TOLD_WITHIN_S.get(name, 0.0)
    if name not in _TOLD_WITHIN_S:
        return None, within_s
    if stream.duration:
        # Matroska's header tells no stream's length: this is an estimate.
        length_s = float(stream.duration * stream.time_base)
        return None if name == "matroska" else length_s, within_s
    # The time at which all streams end: a film may go on after its sound.
    if not container.duration or len(container.streams) > 1:
        return None, within_s
    late_s = max(0.0, float((stream.start_time or 0) * stream.time_base))
    return container.duration / av.time_base - late_s, within_s


def tells_samples(container: Any, stream: Any) -> bool:
    """Whether a frame's time says which sample it begins with, also after a jump.

    Clocks may be too coarse for that: Matroska, WebM and FLV count milliseconds, which is
    enough where frames can begin at few places only (:func:`first_sample`).  Vorbis has
    no such places, and its first packet after a jump gives no sound.  Other sound is
    decoded from its beginning and counted.
    """
    name = container.format.name.partition(",")[0]
    if name == "mov":
        is_fine = stream.time_base * stream.rate <= 1
        return bool(is_fine and stream.codec_context.name != "vorbis")
    return name in {"matroska", "flv"} and _grid(stream) > 1


def _grid(stream: Any) -> int:
    """In samples: frames end at multiples of it, counted from the end of the first one.

    AAC and MP3 have frames of one length; Opus packets last whole multiples of 2.5 ms
    (RFC 6716, section 2.1.4), less what is dropped at their beginning.
    """
    is_opus = stream.codec_context.name in {"opus", "libopus"}
    return int(stream.rate) // 400 if is_opus else int(stream.codec_context.frame_size) or 1


def first_sample(stream: Any, after_s: float, first: int, frames: int) -> int:
    """Which sample of the stream a frame begins with that was decoded first after a jump.

    Parameters
    ----------
    after_s
        How much later it is due than the stream's first frame.
    first, frames
        The lengths of the stream's first frame and of this one, in samples.
    """
    grid = _grid(stream)
    end = round(after_s * int(stream.rate)) + frames
    return first + round((end - first) / grid) * grid - frames
