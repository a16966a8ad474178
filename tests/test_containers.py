"""Sound comes in whole or is refused, whatever the container: a table of all that can be written.

Each file of the table is read whole, as written to a pipe, and cut at a third, at two
thirds and before its last byte.  What the tables do not hold is found by walking through
all formats and encoders that PyAV and libsndfile have.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from functools import partial

import av
import numpy as np
import pytest
import soundfile as sf

from tests.sound_files import (
    NEEDS,
    USUAL,
    answer,
    by_ffmpeg,
    by_libsndfile,
    clicks,
    encoders,
    example,
    film,
    muxers,
    remuxed,
    sndfile,
    written,
)

RIFF = (
    "aac ac3 ac3_fixed adpcm_ima_wav adpcm_ms adpcm_swf adpcm_yamaha dfpwm eac3 flac g722 g723_1 "
    "g726 libmp3lame libopencore_amrnb mp2 mp2fixed pcm_alaw pcm_f32le pcm_f64le pcm_mulaw "
    "pcm_s16le pcm_s24le pcm_s32le pcm_s64le pcm_u8 vorbis wmav1 wmav2"
)
WIDE = (
    "pcm_f32be pcm_f32le pcm_f64be pcm_f64le pcm_s16be pcm_s16le pcm_s24be pcm_s24le pcm_s32be "
    "pcm_s32le"
)

#: What PyAV writes: muxers, encoders, and what is said of the file: whole, written to a
#: pipe ("-": this needs a file), and without its last byte.  "known" without it: that byte
#: was padding, a checksum or part of a tag, and every sample is there.  A "*" stands for all
#: other encoders.
PYAV = [
    ("3g2 3gp", "aac libopencore_amrnb", "known", "-", "truncated"),
    ("ac3", "ac3 ac3_fixed", "unknown", "unknown", "unknown"),
    ("adts", "aac", "unknown", "unknown", "truncated"),
    (
        "aiff",
        "adpcm_ima_qt pcm_f32be pcm_f64be pcm_s16be pcm_s16le pcm_s32be",
        *("known", "unknown", "truncated"),
    ),
    ("aiff", "pcm_alaw pcm_mulaw pcm_s24be pcm_s8 pcm_u8", "known", "unknown", "known"),
    # Neither libsndfile knows the encoder nor FFmpeg the length.
    ("aiff", "adpcm_ima_ws", "known", "not-audio", "known"),
    ("amr", "libopencore_amrnb", "unknown", "unknown", "truncated"),
    ("asf avi", RIFF, "known", "unknown", "truncated"),
    (
        "au",
        "g726le pcm_alaw pcm_f32be pcm_f64be pcm_mulaw pcm_s16be pcm_s24be pcm_s32be pcm_s8",
        *("known", "unknown", "truncated"),
    ),
    # Of AU only what libsndfile reads.
    ("au", "g722", "not-audio", "not-audio", "truncated"),
    (
        "caf",
        "ac3 ac3_fixed alac libmp3lame libopencore_amrnb mp2 mp2fixed",
        *("known", "-", "truncated"),
    ),
    ("caf", "flac", "known", "-", "known"),
    (
        "caf",
        f"{WIDE} adpcm_ima_qt adpcm_ima_wav adpcm_ms pcm_alaw pcm_mulaw pcm_s8",
        *("known", "unknown", "truncated"),
    ),
    ("eac3", "eac3", "unknown", "unknown", "unknown"),
    ("f4v", "aac libmp3lame", "known", "-", "truncated"),
    ("flac", "flac", "known", "unknown", "truncated"),
    (
        "flv",
        "aac adpcm_swf libmp3lame nellymoser pcm_alaw pcm_mulaw pcm_s16be pcm_s16le pcm_u8",
        *("unknown", "unknown", "unknown"),
    ),
    # FFmpeg does not read its own FLV of these.
    ("flv", "ac3 ac3_fixed eac3 flac libopus", "not-audio", "not-audio", "not-audio"),
    ("ipod", "aac ac3 ac3_fixed alac", "known", "-", "truncated"),
    # Fragments, and no index in front of them.
    ("ismv", f"{WIDE} aac alac libmp3lame mp2 mp2fixed vorbis", "unknown", "unknown", "truncated"),
    (
        "matroska",
        "aac ac3 ac3_fixed alac eac3 flac libmp3lame libopus mp2 mp2fixed pcm_f32le pcm_f64le "
        "pcm_s16be pcm_s16le pcm_s24be pcm_s24le pcm_s32be pcm_s32le pcm_u8 real_144 vorbis "
        "wavpack",
        *("known", "unknown", "truncated"),
    ),
    # FFmpeg takes the length of the last frame from a clock that counts milliseconds.
    ("matroska", "tta", "truncated", "not-audio", "truncated"),
    (
        "mov",
        f"{WIDE} aac ac3 ac3_fixed adpcm_ima_qt alac eac3 libmp3lame libopencore_amrnb mp2 "
        "mp2fixed nellymoser pcm_alaw pcm_mulaw pcm_s8 pcm_u8",
        *("known", "-", "truncated"),
    ),
    ("mp2", "mp2 mp2fixed", "unknown", "unknown", "unknown"),
    ("mp3", "libmp3lame", "known", "unknown", "truncated"),
    (
        "mp4",
        f"{WIDE} aac ac3 ac3_fixed alac eac3 flac libmp3lame libopus mp2 mp2fixed vorbis",
        *("known", "-", "truncated"),
    ),
    ("mpegts", "aac", "unknown", "unknown", "truncated"),
    ("mpegts", "ac3 ac3_fixed eac3 libmp3lame libopus mp2 mp2fixed", *("unknown",) * 3),
    # Data that nothing names.
    ("mpegts", "*", "not-audio", "not-audio", "not-audio"),
    ("oga ogg ogv opus spx", "flac libopus vorbis", "known", "known", "truncated"),
    ("tta", "tta", "known", "known", "known"),
    (
        "w64",
        "adpcm_ima_wav adpcm_ms pcm_alaw pcm_f32le pcm_f64le pcm_mulaw pcm_s16le pcm_s24le "
        "pcm_s32le pcm_u8",
        *("known", "unknown", "truncated"),
    ),
    # Streamed it is libsndfile's alone: FFmpeg reads no Wave64 of unknown length.
    (
        "w64",
        "ac3 ac3_fixed adpcm_swf adpcm_yamaha dfpwm eac3 flac g722 g723_1 g726 libopencore_amrnb "
        "pcm_s64le wmav1 wmav2",
        *("known", "not-audio", "truncated"),
    ),
    # FFmpeg counts the padding as sound, and then cannot decode it.
    ("w64", "aac libmp3lame mp2 mp2fixed", "truncated", "not-audio", "truncated"),
    ("w64", "vorbis", "not-audio", "not-audio", "truncated"),
    (
        "wav",
        "ac3 ac3_fixed adpcm_ima_wav adpcm_ms adpcm_swf adpcm_yamaha dfpwm eac3 flac g723_1 g726 "
        "libopencore_amrnb pcm_f32le pcm_f64le pcm_s16le pcm_s32le pcm_s64le",
        *("known", "unknown", "truncated"),
    ),
    (
        "wav",
        "g722 libmp3lame mp2 mp2fixed pcm_alaw pcm_mulaw pcm_s24le pcm_u8 wmav1 wmav2",
        *("known", "unknown", "known"),
    ),
    # WAV does not tell their packets apart.
    ("wav", "aac", "truncated", "truncated", "truncated"),
    ("wav", "vorbis", "not-audio", "not-audio", "truncated"),
    ("webm", "libopus vorbis", "known", "unknown", "truncated"),
    # An APE tag stands at the end of a file, but not of a pipe.
    ("wv", "wavpack", "known", "unknown", "known"),
]
MUXERS = sorted({muxer for muxers_of_row, *_ in PYAV for muxer in muxers_of_row.split()})

#: What PyAV writes and the reader takes for no audio, whatever is in it.
REFUSED_PYAV = {
    "no header tells rate and channels": (
        "alaw aptx aptx_hd dfpwm f32be f32le f64be f64le g722 g723_1 g726 g726le mulaw s16be s16le "
        "s24be s24le s32be s32le s8 sbc u16be u16le u24be u24le u32be u32le u8 vidc"
    ),
    "packets as they come, or sums of them: no file of sound": (
        "crc data ffmetadata framecrc framehash framemd5 hash md5 mkvtimestamp_v2 rawvideo rtp "
        "rtp_mpegts streamhash"
    ),
    "games, discs, broadcasts and players: nobody keeps clips in them": (
        "adx apm argo_asf asf_stream ast avm2 dvd gxf ircam kvag latm mmf mpeg mxf_opatom nut rm "
        "roq rso smjpeg sox spdif svcd swf vcd vob voc wsaud wtv"
    ),
}

#: What libsndfile writes: formats, encodings, what is said of the whole, without the last byte.
SNDFILE = [
    ("AIFF", "PCM_S8 PCM_16 PCM_24 PCM_32 PCM_U8 FLOAT DOUBLE ULAW ALAW", "known", "truncated"),
    ("AIFF", "IMA_ADPCM GSM610 DWVW_16 DWVW_24", "known", "truncated"),
    ("AU", "PCM_S8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ULAW ALAW", "known", "truncated"),
    ("AU", "G721_32 G723_24 G723_40", "known", "truncated"),
    # After an odd number of bytes there is padding.
    ("CAF", "PCM_S8 PCM_24 ULAW ALAW", "known", "known"),
    ("CAF", "PCM_16 PCM_32 FLOAT DOUBLE", "known", "truncated"),
    ("CAF", "ALAC_16 ALAC_20 ALAC_32", "known", "truncated"),
    ("CAF", "ALAC_24", "known", "known"),
    ("FLAC", "PCM_S8 PCM_16 PCM_24", "known", "truncated"),
    ("MP3", "MPEG_LAYER_III", "known", "truncated"),
    ("OGG", "VORBIS OPUS", "known", "truncated"),
    ("RF64 WAV WAVEX", "PCM_16 PCM_32 FLOAT DOUBLE", "known", "truncated"),
    ("RF64 WAV WAVEX", "PCM_24 PCM_U8 ULAW ALAW", "known", "known"),
    ("WAV", "IMA_ADPCM MS_ADPCM GSM610 G721_32", "known", "truncated"),
    ("WAV", "NMS_ADPCM_16 NMS_ADPCM_24 NMS_ADPCM_32", "known", "truncated"),
    ("W64", "PCM_16 PCM_24 PCM_32 PCM_U8 FLOAT DOUBLE ULAW ALAW", "known", "truncated"),
    ("W64", "IMA_ADPCM MS_ADPCM GSM610", "known", "truncated"),
]
REFUSED_SNDFILE = "AVR HTK IRCAM MAT4 MAT5 MPC2K NIST PAF PVF RAW SD2 SDS SVX VOC WVE XI"


def both(data: bytes) -> list[np.ndarray]:
    return [x for x in (by_ffmpeg(data), by_libsndfile(data)) if x is not None]


def complaints(
    data: bytes, whole: str, last: str, others: list[np.ndarray] | None = None
) -> Iterator[str]:
    """What is wrong with how a file is read: whole, in two parts, and without its last byte.

    ``others`` is the same sound as others read it, if not as FFmpeg and libsndfile do.
    """
    got, x = answer(data)
    if got != whole:
        yield f"is {got}, expected {whole}"
    if got in {"known", "unknown"}:
        others = both(data) if others is None else others
        sizes = [y.size for y in others]
        if any(size != x.size for size in sizes):
            yield f"has {x.size} samples, others read {sizes}"
        if not any(np.array_equal(x, y) for y in others):
            yield f"has other samples than others read: {sizes}"
    for part in (1 / 3, 2 / 3):
        cut, y = answer(data[: round(part * len(data))])
        if cut == "known" or y.size > x.size or (whole == "known" and cut != "truncated"):
            yield f"is {cut} with {y.size} samples when {part:.0%} are left"
    end, y = answer(data[:-1])
    if end != last or (end == "known" and not np.array_equal(x, y)):
        yield f"is {end} with {y.size} of {x.size} samples without its last byte, expected {last}"


# The tables -------------------------------------------------------------------


@pytest.mark.parametrize("muxer", MUXERS)
def test_what_pyav_writes_comes_in_whole_or_is_refused(muxer: str) -> None:
    wrong = []
    for codec, whole, streamed, last in rows(muxer):
        if codec not in encoders():
            continue
        wrong += [f"{codec} {c}" for c in complaints(written(muxer, codec), whole, last)]
        try:
            data = written(muxer, codec, streamed=True)
        except av.error.FFmpegError:
            wrong += [f"{codec} cannot be streamed"] if streamed != "-" else []
            continue
        if whole == streamed:  # as to a file
            continue
        end, _ = answer(data[:-1])
        # As WAV has it where FFmpeg reads no Wave64.
        others = both(written("wav", codec, streamed=True)) if muxer == "w64" else None
        wrong += [f"{codec} streamed {c}" for c in complaints(data, streamed, end, others)]
        wrong += [f"{codec} streamed and cut is known"] if end == "known" else []
    assert not wrong, "\n".join(wrong)


def rows(muxer: str) -> Iterator[tuple[str, str, str, str]]:
    """Encoder and answers."""
    rest = set(encoders())
    for muxers_of_row, codecs, whole, streamed, last in PYAV:
        if muxer in muxers_of_row.split():
            chosen = (
                sorted(c for c in rest if example(muxer, c)) if codecs == "*" else codecs.split()
            )
            rest -= set(chosen)
            yield from ((codec, whole, streamed, last) for codec in chosen)


@pytest.mark.parametrize("row", SNDFILE, ids=lambda row: f"{row[0]} {row[1]}")
def test_what_libsndfile_writes_comes_in_whole_or_is_refused(
    row: tuple[str, str, str, str],
) -> None:
    formats, subtypes, whole, last = row
    wrong = []
    for form in formats.split():
        for subtype in subtypes.split():
            data, others = sndfile(form, subtype), None
            if subtype.startswith("ALAC") or subtype == "GSM610":
                # FFmpeg shortens the last packet of ALAC twice, and that of GSM never.
                others = [by_libsndfile(data)]
            elif subtype.startswith("DWVW"):  # soundfile seeks after reading, which fails
                others = [by_libsndfile(sndfile(form, subtype.replace("DWVW", "PCM")))]
            found = complaints(data, whole, last, others)
            wrong += [f"{form} {subtype} {complaint}" for complaint in found]
    assert not wrong, "\n".join(wrong)


def test_the_table_holds_all_that_pyav_writes() -> None:
    refused = {muxer for names in REFUSED_PYAV.values() for muxer in names.split()}
    assert not refused & set(MUXERS)
    missing = []
    for muxer in muxers():
        listed = {codec for codec, *_ in rows(muxer)}
        for codec in encoders():
            if muxer not in refused and codec not in listed and example(muxer, codec):
                missing.append(f"{muxer} {codec}")
    assert not missing, f"say what is expected of {missing}"


def test_the_table_holds_all_that_libsndfile_writes() -> None:
    listed = {
        (form, subtype)
        for formats, subtypes, *_ in SNDFILE
        for form in formats.split()
        for subtype in subtypes.split()
    }
    found = {
        (form, subtype)
        for form in sf.available_formats()
        for subtype in sf.available_subtypes(form)
        if form not in REFUSED_SNDFILE.split() and sndfile(form, subtype)
    }
    assert found == listed


@pytest.mark.parametrize("reason", REFUSED_PYAV)
def test_what_is_no_file_of_sound_is_refused(reason: str) -> None:
    for muxer in REFUSED_PYAV[reason].split():
        data = next((data for codec in encoders() if (data := example(muxer, codec))), b"")
        assert not data or answer(data)[0] == "not-audio", muxer


def test_what_only_libsndfile_knows_is_refused() -> None:
    for form in REFUSED_SNDFILE.split():
        for subtype in sf.available_subtypes(form):
            if data := sndfile(form, subtype):
                assert answer(data)[0] == "not-audio", (form, subtype)


# Parts between two times ------------------------------------------------------

PARTS = [(0.1, 0.3), (0.6, 0.9), (1.31, 1.7), (1.5, None)]

#: Decoders that add noise of their own, or go on from what they heard long before: a part
#: is at the right place, but not the same to the bit where decoding begins in the middle.
NOISY = {
    *("ac3", "ac3_fixed", "eac3", "nellymoser", "mp2", "mp2fixed", "adpcm_ima_qt"),
    "libopencore_amrnb",
}


def misplaced(data: bytes, rate: int, *, noisy: bool = False) -> list[str]:
    """The parts of a file that are not what they are in the whole."""
    kind, whole = answer(data)
    wrong = [] if kind in {"known", "unknown"} else [kind]
    for start_s, end_s in PARTS if not wrong else []:
        stop = whole.size if end_s is None else round(end_s * rate)
        expected = whole[round(start_s * rate) : stop]
        got, x = answer(data, start_s, end_s)
        if x.shape != expected.shape:
            wrong.append(f"from {start_s} s: {got}, {x.size} samples, expected {expected.size}")
        elif noisy and np.corrcoef(x, expected)[0, 1] < 0.8:
            wrong.append(f"from {start_s} s: other sound")
        elif not noisy and np.abs(x - expected).max() > 1e-6:
            wrong.append(f"from {start_s} s: {np.abs(x - expected).max():.1g} off")
    return wrong


@pytest.mark.parametrize("muxer", MUXERS)
def test_a_part_is_the_same_as_in_the_whole(muxer: str) -> None:
    wrong = {}
    for codec, whole, _, _ in rows(muxer):
        other_pcm = codec.startswith("pcm_") and codec not in {"pcm_s16le", "pcm_s16be"}
        if (muxer, codec) in {("avi", "flac"), ("w64", "wmav1"), ("w64", "wmav2")}:
            continue  # FFmpeg does not write them, or pads them, at this length
        if whole in {"known", "unknown"} and codec in encoders() and not other_pcm:
            rate = NEEDS.get(codec, USUAL)[0]
            found = misplaced(written(muxer, codec, 2.3), rate, noisy=codec in NOISY)
            wrong |= {codec: found} if found else {}
    assert not wrong


@pytest.mark.parametrize("row", SNDFILE, ids=lambda row: f"{row[0]} {row[1]}")
def test_a_part_of_what_libsndfile_writes(row: tuple[str, str, str, str]) -> None:
    for form in row[0].split():
        for subtype in row[1].split():
            data = sndfile(form, subtype, 2.3)
            rate = sf.info(io.BytesIO(data)).samplerate
            if not subtype.startswith("DWVW"):  # which libsndfile reads from the beginning only
                assert not misplaced(data, rate), f"{form} {subtype}"


def coarse(data: bytes, rate: int, ticks: int = 1000) -> bytes:
    """An MP4 whose clock counts ``ticks`` a second."""
    edited, scale = bytearray(data), ticks / rate
    for box, first, count, step in (("mdhd", 12, 1, 4), ("mdhd", 16, 1, 4), ("elst", 12, 1, 12)):
        at = data.index(box.encode()) + 4 + first
        for place in range(at, at + count * step, step):
            (number,) = struct.unpack_from(">I", data, place)
            struct.pack_into(">I", edited, place, round(number * scale))
    at = data.index(b"stts") + 12
    for place in range(at + 4, at + 8 * struct.unpack_from(">I", data, at - 4)[0], 8):
        (number,) = struct.unpack_from(">I", data, place)
        struct.pack_into(">I", edited, place, round(number * scale))
    return bytes(edited)


def vorbis(form: str) -> bytes:
    """Vorbis by libvorbis, whose blocks differ in length: soft and loud, with steps."""
    x = clicks(2.3, 44100)
    x[11025:22050] *= 0.01
    x[::3000] = 0.9
    memory = io.BytesIO()
    sf.write(memory, x, 44100, format="OGG", subtype="VORBIS")
    return remuxed(memory.getvalue(), form)


#: In fragments of 0.3 s.
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "300000"}

ODD: dict[str, Callable[[], bytes]] = {
    "MP4 in fragments": partial(written, "mp4", "aac", 2.3, **FRAGMENTS),
    "MP4 with a clock of milliseconds": lambda: coarse(written("mp4", "aac", 2.3), 44100),
    "WebM of many clusters": partial(written, "webm", "libopus", 2.3, cluster_time_limit="300"),
    "streamed WebM": partial(written, "webm", "libopus", 2.3, streamed=True),
    # The muxer writes a stream that begins some milliseconds late.
    "WebM whose first frame has no time": partial(written, "webm", "libopus", 2.3, first_pts=None),
    "MPEG-TS at 96 kHz": partial(written, "mpegts", "aac", 2.3, rate=96000),
    "MPEG-TS twice": lambda: 2 * written("mpegts", "aac", 2.3),
    **{f"libvorbis in {form}": partial(vorbis, form) for form in ("ogg", "webm", "mp4", "ismv")},
    **{
        f"film in {form}": partial(film, form, codec, pictures)
        for form, codec, pictures in (
            ("mp4", "aac", "mpeg4"),
            ("matroska", "aac", "mpeg4"),
            ("webm", "libopus", "libvpx"),
            ("avi", "libmp3lame", "mpeg4"),
            ("mpegts", "aac", "mpeg2video"),
        )
    },
    **{
        f"{codec} in {form} that begins late": partial(written, form, codec, 2.3, first_pts=44_100)
        for form, codec in (
            *(("ogg", "libopus"), ("ogg", "vorbis"), ("webm", "libopus"), ("webm", "vorbis")),
            *(("matroska", "aac"), ("mp4", "aac"), ("mp4", "libopus"), ("mov", "pcm_s16le")),
            *(("mpegts", "aac"), ("flv", "aac"), ("asf", "wmav2")),
        )
    },
}


@pytest.mark.parametrize("name", ODD)
def test_a_part_of_odd_files(name: str) -> None:
    data = ODD[name]()
    with av.open(io.BytesIO(data)) as container:
        rate = container.streams.audio[0].rate
    assert not misplaced(data, rate)
    assert answer(data)[1].size == by_ffmpeg(data).size
