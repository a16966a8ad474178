"""Files of sound whose sizes are placeholders or lies, that carry tags, were put together,
or were made to do harm: they come in whole, or are refused with one kind of error.
"""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench import audio, containers
from tests.sound_files import answer, by_ffmpeg, clicks, encode, sndfile, written

RATE = 32000
X = np.random.default_rng(0).integers(-3000, 3000, 4801).astype("<i2")


def wav(
    size: int | None = None,
    riff: int | None = None,
    *,
    rate: int = RATE,
    channels: int = 1,
    form: int = 1,
    data: bytes = X.tobytes(),
    tail: bytes = b"",
) -> bytes:
    """A WAV file of which every number may be wrong."""
    head = struct.pack("<IHH", 16, form, channels)
    head += struct.pack("<IIHH", rate, rate * channels * 2 % 2**32, 2 * channels % 2**16, 16)
    body = b"WAVEfmt " + head + b"data" + struct.pack("<I", len(data) if size is None else size)
    size = len(body + data + tail) if riff is None else riff
    return b"RIFF" + struct.pack("<I", size) + body + data + tail


def container(form: str) -> bytes:
    memory = io.BytesIO()
    endian = "BIG" if form == "AU" else None
    sf.write(memory, X, RATE, format=form, subtype="PCM_16", endian=endian)
    return memory.getvalue()


# Sizes ------------------------------------------------------------------------

SIZES_32 = (0, 0x7FFFF000, 0x7FFFEFFE, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF)

#: Format -> what stands before the size, its form, and what writers of pipes put there.
UNFILLED = {
    "WAV": (b"data", "<I", SIZES_32),
    "WAVEX": (b"data", "<I", SIZES_32),
    "AIFF": (b"SSND", ">I", SIZES_32),
    "AU": (b".snd\0\0\0\x18", ">I", (0, 0xFFFFFFFF)),
    "CAF": (b"data", ">q", (-1, 0)),
    "W64": (
        b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a",
        "<Q",
        (0, 24, 2**63 - 1, 2**64 - 1),
    ),
    "RF64": (b"ds64\x1c\0\0\0", "<8xQ", (0, 2**64 - 1)),
}


def resized(data: bytes, form: str, size: int, *, add: bool = False) -> bytes:
    name, packing, _ = UNFILLED[form]
    at, edited = data.rindex(name) + len(name), bytearray(data)
    if packing.startswith("<8x"):
        at, packing = at + 8, "<Q"
    size += struct.unpack_from(packing, data, at)[0] if add else 0
    struct.pack_into(packing, edited, at, size)
    return bytes(edited)


@pytest.mark.parametrize("form", UNFILLED)
def test_a_size_that_was_never_filled_in_leaves_the_length_unknown(form: str) -> None:
    whole = container(form)
    expected = answer(whole)[1]
    assert np.array_equal(expected, X / np.float32(32768))
    for size in UNFILLED[form][2]:
        streamed = resized(whole, form, size)
        kind, x = answer(streamed)
        assert (kind, x.tolist()) == ("unknown", expected.tolist()), hex(size)
        tail = max(streamed.rfind(X[-2000:].astype(order).tobytes()) for order in ("<i2", ">i2"))
        kind, x = answer(streamed[:tail])
        assert (kind, x.tolist()) == ("unknown", expected[:-2000].tolist()), hex(size)


@pytest.mark.parametrize("form", UNFILLED)
def test_any_other_size_is_a_promise(form: str) -> None:
    kind, x = answer(resized(container(form), form, 2000, add=True))
    assert kind == "truncated" and not x.size
    kind, x = answer(resized(container(form), form, -2000, add=True))
    assert (kind, x.size) == ("known", X.size - 1000)


@pytest.mark.parametrize("riff", [None, 0, 8, 0xFFFFFFFF])
def test_the_size_of_riff_does_not_matter(riff: int | None) -> None:
    for size in (None, *SIZES_32):
        kind, x = answer(wav(size, riff))
        assert kind == ("known" if size is None else "unknown")
        assert np.array_equal(x, X / np.float32(32768))


#: A chunk that no decoder knows, as each format has it.
MORE = {
    "WAV": b"LIST" + struct.pack("<I", 800),
    "RF64": b"LIST" + struct.pack("<I", 800),
    "AIFF": b"ANNO" + struct.pack(">I", 800),
    "CAF": b"free" + struct.pack(">q", 800),
    "W64": b"list" + bytes(12) + struct.pack("<Q", 824),
}


@pytest.mark.parametrize("form", MORE)
def test_chunks_after_the_samples_are_not_heard(form: str) -> None:
    data = container(form)
    data += bytes(-len(data) % 8) if form == "W64" else b""
    kind, x = answer(data + MORE[form] + b"\x11" * 800)
    assert kind == "known" and np.array_equal(x, X / np.float32(32768))


@pytest.mark.parametrize("form", MORE)
def test_honestly_no_samples(form: str) -> None:
    data = container(form)
    data = data[: data.rindex(b"SSND" if form == "AIFF" else b"data")]
    data += {
        "WAV": struct.pack("<4sI", b"data", 0),
        "RF64": struct.pack("<4sI", b"data", 0),
        "AIFF": struct.pack(">4sIQ", b"SSND", 8, 0),
        "CAF": struct.pack(">4sqI", b"data", 4, 0),
        "W64": UNFILLED["W64"][0] + struct.pack("<Q", 24),
    }[form]
    if form == "RF64":
        data = resized(data, form, 0)
    assert answer(data)[0] == "zero-length"
    if form != "RF64":  # which says 0 where a size was not filled in
        kind, _ = answer(data + MORE[form] + b"\x11" * 800)
        assert kind == ("not-audio" if form == "W64" else "zero-length")


# MP3 --------------------------------------------------------------------------

ID3V2 = b"ID3\4\0\0\0\0\0\x0a" + bytes(10)
ID3V1 = b"TAG" + b"title".ljust(125, b" ")
APE = b"APETAGEX" + struct.pack("<IIII8x", 2000, 32, 0, 0)
TAGS = {"ID3v1": ID3V1, "APE": 2 * APE, "both": 2 * APE + ID3V1, "zeros": bytes(4000)}


def mp3(**options: str) -> bytes:
    """Without a tag, and without a Xing header if told so."""
    return written("mp3", "libmp3lame", id3v2_version="0", **options)


def test_mp3_with_a_xing_header_tells_its_length() -> None:
    data = mp3()
    size = 13229  # as many as were encoded: the header tells delay and padding
    for before in (b"", ID3V2, ID3V2 + ID3V2):
        kind, x = answer(before + data)
        assert (kind, x.size) == ("known", size)
        for name, tag in TAGS.items():
            assert answer(before + data + tag)[0] == "known", name
        for end in (data[:-1], data[:-500], data[:-500] + ID3V1):
            assert answer(before + end)[0] == "truncated"
    # What else follows may be sound.
    kind, x = answer(data + b"neither tag nor sound" * 20)
    assert kind == "unknown" and x.size >= size
    assert answer(data[:-500] + data)[0] == "unknown"


def test_mp3_without_a_length_comes_in_as_it_is() -> None:
    data = mp3(write_xing="0")
    frames = by_ffmpeg(data).size
    assert frames == 13 * 1152
    for before in (b"", ID3V2):
        for after in (b"", *TAGS.values(), b"neither tag nor sound" * 20):
            kind, x = answer(before + data + after)
            assert (kind, x.size) == ("unknown", frames)
    kind, x = answer(data[: len(data) // 2])
    assert kind in {"unknown", "truncated"} and x.size < frames


@pytest.mark.parametrize("between", [b"", ID3V2, ID3V1, ID3V1 + ID3V2, 2 * APE, bytes(100)])
def test_mp3s_that_were_put_together_come_in_whole(between: bytes) -> None:
    data = mp3(write_xing="0")
    kind, x = answer(data + between + data)
    assert (kind, x.size) == ("unknown", 2 * 13 * 1152)
    assert np.array_equal(x[: 13 * 1152], answer(data)[1])
    # The first frame still hears the file before.
    assert np.abs(x[13 * 1152 + 2304 :] - answer(data)[1][2304:]).max() < 1e-6
    # FFmpeg drops the delay (1105) of the first file, and plays the header of the second.
    kind, x = answer(mp3() + between + mp3())
    assert (kind, x.size) == ("unknown", 2 * 13 * 1152 - 1105 + 1152)


def test_mp3_frames_of_two_rates_are_refused() -> None:
    other = written("mp3", "libmp3lame", rate=22050, write_xing="0", id3v2_version="0")
    assert answer(mp3(write_xing="0") + other)[0] == "not-audio"


def test_real_recordings_as_mp3_of_variable_rate(shared: Path) -> None:
    paths = sorted((shared / "data" / "esc10" / "audio").glob("*.ogg"))[::34]
    assert len(paths) == 12
    for path in paths:
        x, rate = sf.read(path, dtype="float32")
        memory = io.BytesIO()
        # As `lame -V2 -t` writes it.
        vbr = {"flags": "+qscale", "global_quality": str(2 * 118)}
        encode(memory, x, rate, "libmp3lame", "mp3", codec_options=vbr, options={"write_xing": "0"})
        data = memory.getvalue()
        kind, y = answer(data)
        assert kind == "unknown"
        assert np.array_equal(y, by_ffmpeg(data))
        assert y.size >= x.size
        assert np.corrcoef(x, y[1105 : 1105 + x.size])[0, 1] > 0.95 or not x.any()


# FLAC -------------------------------------------------------------------------


def counted(total: int, before: bytes = b"") -> bytes:
    """A FLAC file of one second whose header says how many samples it has."""
    data = bytearray(before + sndfile("FLAC", "PCM_16"))
    at = len(before) + 21
    data[at] = data[at] & 0xF0 | total >> 32
    struct.pack_into(">I", data, at + 1, total & 0xFFFFFFFF)
    return bytes(data)


FRAMES = 44099
FLAC = {
    "right": (counted(FRAMES), "known"),
    "right, ID3v1 after": (counted(FRAMES) + ID3V1, "known"),
    "right, ID3v2 before": (counted(FRAMES, ID3V2), "known"),
    "right, two ID3v2 before": (counted(FRAMES, ID3V2 + ID3V2), "known"),
    "unknown": (counted(0), "unknown"),
    "unknown, ID3v1 after": (counted(0) + ID3V1, "unknown"),
    "unknown, ID3v2 before": (counted(0, ID3V2), "unknown"),
    "too few": (counted(FRAMES - 1), "lying header"),
    "far too few": (counted(4608), "lying header"),
    "too few, ID3v1 after": (counted(30_000) + ID3V1, "lying header"),
    "too many": (counted(FRAMES + 1), "truncated"),
    "far too many": (counted(2**36 - 1), "truncated"),
    "too many, two ID3v2 before": (counted(FRAMES + 1, ID3V2 + ID3V2), "truncated"),
    "another file after": (2 * counted(FRAMES), "lying header"),
    "cut": (counted(FRAMES)[:-1], "truncated"),
    "unknown and cut": (counted(0)[:-1], "truncated"),
}


@pytest.mark.parametrize("name", FLAC)
def test_flac(name: str) -> None:
    data, expected = FLAC[name]
    kind, x = answer(data)
    assert kind == expected
    if kind in {"known", "unknown"}:
        whole = answer(FLAC["right"][0])[1]
        assert np.array_equal(x, whole) and x.size == FRAMES
        assert np.array_equal(answer(data, 0.6, 0.8)[1], whole[26460:35280])
        assert answer(data, 2.0)[0] == "out-of-range"


# Ogg --------------------------------------------------------------------------


def ogg(seconds: float, subtype: str = "VORBIS") -> bytes:
    return sndfile("OGG", subtype, seconds)


def last_page(data: bytes) -> bytes:
    return data[data.rindex(b"OggS") :]


OGG = {
    "cut between two pages": (ogg(1.5).removesuffix(last_page(ogg(1.5))), "truncated"),
    "two streams": (ogg(1.0) + ogg(1.5), "known"),
    "three, the last of them like the first": (ogg(1.0) + ogg(1.5) + ogg(1.0), "known"),
    "the same twice": (2 * ogg(1.0), "known"),
    "Opus twice": (2 * ogg(1.0, "OPUS"), "known"),
    "junk after": (ogg(1.0) + b"junk" * 30_000, "known"),
    "the first of two cut": (ogg(1.0)[:-100] + ogg(1.5), "truncated"),
    "the first of two without its end": (
        ogg(1.0).removesuffix(last_page(ogg(1.0))) + ogg(1.5),
        "truncated",
    ),
    "the second of two cut": (ogg(1.0) + ogg(1.5)[:-100], "truncated"),
    "two codecs": (ogg(1.0) + ogg(1.5, "OPUS"), "truncated"),
    "one page": (ogg(1.0)[:100], "truncated"),
}


@pytest.mark.parametrize("name", OGG)
def test_ogg_streams_one_after_the_other(name: str) -> None:
    data, expected = OGG[name]
    kind, x = answer(data)
    assert kind == expected
    if kind == "known" and "junk" not in name:
        assert np.array_equal(x, by_ffmpeg(data))
        assert np.array_equal(
            x[50_000:60_000], answer(data, 50_000 / rate(data), 60_000 / rate(data))[1]
        )


def rate(data: bytes) -> int:
    return sf.info(io.BytesIO(data)).samplerate


def test_ogg_opus_is_heard_at_the_rate_that_its_header_names() -> None:
    data = written("ogg", "libopus", 1.0, rate=16000)
    kind, x = answer(data)
    assert (kind, x.size) == ("known", 15_999)
    assert 0 <= by_ffmpeg(data).size - 3 * x.size < 3  # FFmpeg hears all Opus at 48 kHz


# MP4, AVI, CAF ------------------------------------------------------------------


def test_an_mp4_with_boxes_that_nobody_knows(tmp_path: Path) -> None:
    path, options = tmp_path / "plain.mp4", {"movflags": "faststart"}
    encode(path, clicks(1.0, 44100), 44100, "aac", options=options)
    plain = path.read_bytes()
    at = plain.index(b"mdat") - 4
    data = plain[:at] + struct.pack(">I4s8x", 16, b"Xtra") + plain[at:]
    # The places of the samples do not fit any more, so look at what is said of the file.
    assert containers.examine(io.BytesIO(data)).known
    assert containers.examine(io.BytesIO(data[:-100])).cut.startswith("its box 'mdat'")
    assert not containers.examine(io.BytesIO(plain[:at])).known
    kind, x = answer(plain + b"some text that somebody put there")
    assert kind == "known" and np.array_equal(x, answer(plain)[1])
    assert answer(written("avi", "libmp3lame") + b"some text")[0] == "known"


def test_an_mp4_in_fragments_with_an_index_tells_its_length(tmp_path: Path) -> None:
    options = {"movflags": "+dash+global_sidx", "frag_duration": "200000"}
    encode(tmp_path / "dash.mp4", clicks(1.0, 44100), 44100, "aac", "mp4", options=options)
    data = (tmp_path / "dash.mp4").read_bytes()
    kind, x = answer(data)
    assert kind == "known" and np.array_equal(x, by_ffmpeg(data))
    assert answer(data[: data.rindex(b"moof") - 4])[0] == "truncated"
    assert answer(data[:-1])[0] == "truncated"
    plain = written("mp4", "aac", 1.0, movflags="frag_keyframe+empty_moov", frag_duration="200000")
    assert answer(plain)[0] == "unknown"


@pytest.mark.parametrize("samples", [4000, 4096, 13_229, 44_099, 97_020])
def test_alac_in_caf_keeps_its_end(samples: int) -> None:
    memory = io.BytesIO()
    x = clicks(3.0, 44100)[:samples]
    encode(memory, x, 44100, "alac", "caf")
    kind, y = answer(memory.getvalue())
    assert (kind, y.size) == ("known", samples)
    assert np.abs(x - y).max() < 2**-15


# Harm -------------------------------------------------------------------------


@pytest.mark.parametrize("hz", [0, 1, 999, 768_001, 2_147_483_629, 0xFFFFFFFF])
def test_impossible_rates_are_refused(hz: int) -> None:
    for data in (wav(rate=hz), struct.pack(">4s5I", b".snd", 24, 9602, 3, hz, 1) + X.tobytes()):
        assert answer(data)[0] in {"impossible-header", "not-audio"}


@pytest.mark.parametrize("channels", [0, 65, 1024, 65_535])
def test_impossible_numbers_of_channels_are_refused(channels: int) -> None:
    head = struct.pack(">4s5I", b".snd", 24, 9602, 3, RATE, channels)
    for data in (wav(channels=channels), head + X.tobytes()):
        assert answer(data)[0] in {"impossible-header", "not-audio"}


def test_possible_rates_and_channels_are_read() -> None:
    for hz in (1000, 768_000):
        assert answer(wav(rate=hz))[1].size == X.size
    assert answer(wav(channels=64))[1].size == X.size // 64


@pytest.mark.parametrize("channels", [2, 6, 8, 9, 16, 64])
def test_many_channels_are_read_by_ffmpeg_too(channels: int) -> None:
    # PyAV reads past the end of eight planes and more, and the interpreter crashes.
    data = wav(channels=channels)
    sound = audio.decode_ffmpeg(io.BytesIO(data), "x", None, None)
    assert np.array_equal(sound.samples, answer(data)[1])


def test_sound_that_nothing_decodes_is_refused() -> None:
    assert answer(wav(form=0x1234))[0] == "not-audio"


def test_headers_that_ask_for_all_memory_get_none(tmp_path: Path) -> None:
    # Resampled from 1 Hz, or by a filter for a prime rate, a clip would take 192 GiB.
    big = [wav(rate=hz, channels=c) for hz in (1, 2_147_483_629) for c in (1, 64, 65_535)]
    big += [
        wav(rate=191_999),
        wav(0xFFFFFFFE),
        counted(2**36 - 1),
        resized(container("W64"), "W64", 2**62),
    ]
    big += [resized(container("RF64"), "RF64", 2**61), resized(container("CAF"), "CAF", 2**62)]
    for number, data in enumerate(big):
        (tmp_path / f"{number}.wav").write_bytes(data)
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from lassbench import audio\n"
        "from lassbench.records import FileSource\n"
        "import av, scipy.signal\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "for path in sorted(Path(sys.argv[1]).glob('*.wav')):\n"
        "    try:\n"
        "        audio.read_file(FileSource(str(path)), sample_rate_hz=32000, seconds=1.0)\n"
        "    except audio.AudioFault as fault:\n"
        "        print(fault.kind)\n"
        "    else:\n"
        "        print('read')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split("\n")) == len(big) + 1


class _Counting(io.BytesIO):
    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(size)


def box(name: bytes) -> bytes:
    return struct.pack(">I4s", 8, name)


#: Headers that lead round in circles, or on and on.
LOOPS = {
    "boxes": box(b"ftyp") + 250_000 * box(b"free"),
    "boxes and indices": 100_000 * box(b"free") + 99_000 * box(b"sidx") + written("mp4", "aac"),
    "a box that ends where it begins": struct.pack(">I4sQ", 1, b"ftyp", 0) + bytes(100),
    "a box without end": struct.pack(">I4sQ", 1, b"ftyp", 2**64 - 1) + bytes(100),
    "WAV chunks": b"RIFF\0\0\0\0WAVE" + 300_000 * b"abcd\0\0\0\0",
    "chunks after no samples": wav(0, data=b"", tail=300_000 * b"abcd\0\0\0\0"),
    "AIFF chunks": b"FORM\0\0\0\0AIFF" + 300_000 * b"abcd\0\0\0\0",
    "AVI chunks": b"RIFF\0\0\0\0AVI " + 300_000 * b"RIFF\0\0\0\0",
    "CAF chunks": b"caff\0\1\0\0" + 300_000 * (b"abcd" + bytes(8)),
    "CAF chunks that lead back": b"caff\0\1\0\0" + b"abcd" + struct.pack(">q", -12),
    "Wave64 chunks": container("W64")[:40] + 300_000 * (bytes(16) + struct.pack("<Q", 24)),
    "Wave64 chunks that lead back": container("W64")[:40] + bytes(1000),
    "ASF objects": b"\x30\x26\xb2\x75"
    + 300_000 * (bytes(12) + struct.pack("<Q", 20) + b"\1\2\3\4"),
    "an element of nine bytes": b"\x1a\x45\xdf\xa3\0" + bytes(5000),
    "an element of ones": b"\x1a\x45\xdf\xa3" + b"\xff" * 5000,
    "Ogg pages": 510_000 * (b"OggS\0\2" + bytes(21)),
    "tags": 250_000 * ID3V2,
    "zeros": bytes(1 << 20),
    "ones": b"\xff" * (1 << 20),
}


@pytest.mark.parametrize("name", LOOPS)
def test_headers_without_end_are_given_up(name: str) -> None:
    file = _Counting(LOOPS[name])
    containers.examine(file)
    assert file.reads <= 500_100
    assert answer(LOOPS[name])[0] not in {"known"}


#: A small file of each container: what is damaged below.
SMALL = {
    "WAV": written("wav", "pcm_s16le", 0.2),
    "MP3 in WAV": written("wav", "libmp3lame", 0.2),
    "RF64": written("wav", "pcm_s16le", 0.2, rf64="always"),
    "W64": written("w64", "pcm_s16le", 0.2),
    "AIFF": written("aiff", "pcm_s16be", 0.2),
    "AU": written("au", "pcm_s16be", 0.2),
    "CAF": written("caf", "pcm_s16le", 0.2),
    "ALAC in CAF": written("caf", "alac", 0.2),
    "FLAC": written("flac", "flac", 0.2),
    "Ogg Vorbis": written("ogg", "vorbis", 0.2),
    "Ogg Opus": written("ogg", "libopus", 0.2),
    "Ogg FLAC": written("ogg", "flac", 0.2),
    "MP3": written("mp3", "libmp3lame", 0.2),
    "MP3 without Xing": written("mp3", "libmp3lame", 0.2, write_xing="0", id3v2_version="0"),
    "AAC": written("adts", "aac", 0.2),
    "AC-3": written("ac3", "ac3", 0.2),
    "AMR": written("amr", "libopencore_amrnb", 0.2),
    "M4A": written("ipod", "aac", 0.2),
    "MP4 in fragments": written("mp4", "aac", 0.2, movflags="frag_keyframe+empty_moov"),
    "MOV": written("mov", "pcm_s16le", 0.2),
    "Matroska": written("matroska", "flac", 0.2),
    "WebM": written("webm", "libopus", 0.2),
    "AVI": written("avi", "libmp3lame", 0.2),
    "ASF": written("asf", "wmav2", 0.2),
    "FLV": written("flv", "aac", 0.2),
    "MPEG-TS": written("mpegts", "aac", 0.2),
    "TTA": written("tta", "tta", 0.2),
    "WavPack": written("wv", "wavpack", 0.2),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_file_that_ends_in_its_header_is_a_fault(name: str) -> None:
    data = SMALL[name]
    size = answer(data)[1].size
    for end in range(min(200, len(data))):
        kind, x = answer(data[:end])
        assert kind != "known", end
        assert x.size < size, end


@pytest.mark.parametrize("name", SMALL)
def test_damaged_bytes_are_a_fault_or_are_read(name: str) -> None:
    data, dice = SMALL[name], random.Random(name)
    for _ in range(300):
        damaged = bytearray(data)
        at = dice.randrange(min(300, len(data)))
        damaged[at] ^= dice.choice([1 << dice.randrange(8), dice.randrange(1, 256)])
        # Only AudioFault, which answer() takes, may be raised.
        kind, x = answer(bytes(damaged))
        assert bool(x.size) == (kind in {"known", "unknown"}), (at, damaged[at])


@pytest.mark.parametrize(("name", "codec"), [("a.ogg", "vorbis"), ("a.ts", "mp2")])
def test_a_damaged_file_is_a_fault_or_read_wherever_a_part_begins(
    tmp_path: Path, name: str, codec: str
) -> None:
    """In a damaged Ogg libsndfile jumps elsewhere; in damaged TS PyAV meets streams that it
    did not open.
    """
    path = tmp_path / name
    if codec == "vorbis":
        sf.write(path, clicks(4.0, 32000), 32000)
    else:
        encode(path, clicks(2.0, 44100), 44100, codec)
    data, dice = path.read_bytes(), random.Random(0)
    read = 0
    for _ in range(120):
        damaged = bytearray(data)
        for _ in range(1 + dice.randrange(20)):
            damaged[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(damaged)
        for start_s, end_s in ((None, None), (0.3, 0.5), (1.0, 1.5), (1.9, None)):
            try:
                read += audio.decode(path, start_s=start_s, end_s=end_s).samples.size > 0
            except audio.AudioFault:
                continue
    assert read > 30
