"""Decoding, encoding and every way in which a file can be unusable."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench import audio
from lassbench.audio import AudioFault
from lassbench.errors import LassbenchError
from lassbench.records import FileSource
from tests.sound_files import clicks, encode

RATE = 32000


def tone(seconds: float = 1.0, rate: int = RATE, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("f4")


# Decoding ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "subtype", "step"),
    [
        ("a.wav", "PCM_16", 2**-15),
        ("a.wav", "PCM_24", 2**-23),
        ("a.wav", "PCM_U8", 2**-7),
        ("a.wav", "FLOAT", 0.0),
        ("a.flac", "PCM_16", 2**-15),
        ("a.aiff", "PCM_16", 2**-15),
    ],
)
def test_lossless_files_decode_to_their_samples(
    tmp_path: Path, name: str, subtype: str, step: float
) -> None:
    x = tone()
    sf.write(tmp_path / name, x, RATE, subtype=subtype)
    sound = audio.decode(tmp_path / name)
    decoded = sound.samples
    assert sound.rate == RATE
    assert decoded.dtype == np.float32
    assert decoded.shape == x.shape
    assert np.abs(decoded - x).max() <= step


@pytest.mark.parametrize(
    ("name", "codec", "kind", "subtype"),
    [
        ("a.m4a", "aac", "mp4", "aac"),
        ("a.mp4", "alac", "mp4", "alac"),
        ("a.aac", "aac", "", "aac"),
        ("a.webm", "libopus", "matroska", "opus"),
        ("a.wav", "libmp3lame", "wav", "mp3"),
    ],
)
def test_what_ffmpeg_reads_says_what_it_is(
    tmp_path: Path, name: str, codec: str, kind: str, subtype: str
) -> None:
    encode(tmp_path / name, tone(rate=48000), 48000, codec)
    with audio.open_sound(tmp_path / name) as reader:
        assert (reader.kind, reader.subtype) == (kind, subtype)


def test_channels_are_averaged(tmp_path: Path) -> None:
    channels = np.stack([np.full(100, value) for value in (0.6, -0.2, 0.1, 0.0, 0.3, 0.4)], axis=1)
    sf.write(tmp_path / "six.wav", channels, RATE, subtype="FLOAT")
    decoded = audio.decode(tmp_path / "six.wav").samples
    assert np.allclose(decoded, 0.2, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "codec", "rate"), [("a.m4a", "aac", 44100), ("a.webm", "libopus", 48000)]
)
def test_ffmpeg_decodes_what_libsndfile_cannot(
    tmp_path: Path, name: str, codec: str, rate: int
) -> None:
    x = clicks(4.0, rate)
    path = tmp_path / name
    encode(path, x, rate, codec)
    sound = audio.decode(path)
    decoded = sound.samples
    assert sound.rate == rate
    shared = min(decoded.size, x.size)
    assert abs(decoded.size - x.size) < 0.05 * rate
    # Lossy, but in step: a shift of 50 samples would bring this below 0.1.
    assert np.corrcoef(decoded[:shared], x[:shared])[0, 1] > 0.8


def test_real_recordings_decode_as_soundfile_reads_them(shared: Path) -> None:
    paths = sorted((shared / "data" / "esc10" / "audio").glob("*.ogg"))[::40]
    assert len(paths) == 10
    for path in paths:
        expected, rate = sf.read(path, dtype="float32")
        sound = audio.decode(path)
        assert sound.rate == rate == 44100
        assert np.array_equal(sound.samples, expected)


# Files that cannot be used ----------------------------------------------------


def text(path: Path) -> None:
    path.write_text("This is not audio, whatever its name says.\n" * 50)


def empty(path: Path) -> None:
    path.touch()


def no_frames(path: Path) -> None:
    sf.write(path, np.zeros(0, dtype="f4"), RATE)


def zeros(path: Path) -> None:
    sf.write(path, np.zeros(RATE, dtype="f4"), RATE)


def not_a_number(path: Path) -> None:
    x = tone()
    x[100] = np.nan
    x[200] = np.inf
    sf.write(path, x, RATE, subtype="FLOAT")


def half_of(suffix: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        whole = path.with_suffix(suffix)
        sf.write(whole, clicks(2.0, RATE), RATE)
        data = whole.read_bytes()
        path.write_bytes(data[: len(data) // 2])

    return make


def folder(path: Path) -> None:
    path.mkdir()


def half_an_m4a(path: Path) -> None:
    encode(path, clicks(3.0, 44100), 44100, "aac")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def half_a_webm(path: Path) -> None:
    encode(path, clicks(5.0, 48000), 48000, "libopus")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def nothing(path: Path) -> None:
    pass


BAD: list[tuple[str, Callable[[Path], None], str, str]] = [
    ("text.wav", text, "not-audio", "cannot be decoded"),
    ("empty.wav", empty, "empty-file", "no bytes"),
    ("none.wav", no_frames, "zero-length", "no audio frames"),
    ("zeros.wav", zeros, "silent", "zero at 16 bits"),
    ("nan.wav", not_a_number, "nan", "2 of 32000 samples"),
    ("half.wav", half_of(".wav"), "truncated", "header promises 128000 bytes"),
    ("half.flac", half_of(".flac"), "truncated", "breaks off"),
    ("half.ogg", half_of(".ogg"), "truncated", "Ogg page"),
    ("half.m4a", half_an_m4a, "truncated", "box 'mdat' should have"),
    ("half.webm", half_a_webm, "truncated", "segment should have"),
    ("folder.wav", folder, "not-audio", "is not a file"),
    ("gone.wav", nothing, "missing", "no such file"),
]


@pytest.mark.parametrize(("name", "make", "kind", "reason"), BAD, ids=[case[0] for case in BAD])
def test_unusable_files_say_what_is_wrong(
    tmp_path: Path, name: str, make: Callable[[Path], None], kind: str, reason: str
) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(AudioFault) as caught:
        audio.read_file(FileSource(str(path)), sample_rate_hz=RATE, seconds=10.0)
    assert caught.value.kind == kind
    assert reason in caught.value.reason
    assert str(tmp_path) not in caught.value.reason, "reasons go into files that others read"
    assert caught.value.fault("x") == caught.value.fault("x")


def test_real_recordings_cut_in_half_are_truncated(shared: Path, tmp_path: Path) -> None:
    for path in sorted((shared / "data" / "esc10" / "audio").glob("*.ogg"))[::80]:
        data = path.read_bytes()
        cut = tmp_path / path.name
        cut.write_bytes(data[: len(data) // 2])
        with pytest.raises(AudioFault) as caught:
            audio.decode(cut)
        assert caught.value.kind == "truncated"


@pytest.fixture(params=["whole.flac", "endless.flac", "endless.wav"])
def read_in_callbacks(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file that libsndfile reads through Python, where it loses what is raised."""
    path = tmp_path / request.param
    sf.write(path, clicks(20.0, RATE), RATE)
    data = bytearray(path.read_bytes())
    if request.param == "endless.flac":
        data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])
    elif request.param == "endless.wav":
        data[40:44] = b"\xff" * 4
    path.write_bytes(data)
    return path


def test_a_disk_that_fails_is_not_the_end_of_the_file(
    read_in_callbacks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[audio._Patched] = []

    class Noted(audio._Patched):
        def readinto(self, buffer: object) -> int:
            opened.append(self)
            return super().readinto(buffer)

    monkeypatch.setattr(audio, "_Patched", Noted)
    monkeypatch.setattr(audio, "_BLOCK", 1 << 17)
    with audio.open_sound(read_in_callbacks) as sound:
        blocks = sound.blocks(None, None)
        assert len(next(blocks)) == 1 << 17
        folder = os.open(tmp_path, os.O_RDONLY)
        os.dup2(folder, opened[0].fileno())  # to read a folder is an error of the system's
        os.close(folder)
        with pytest.raises(AudioFault, match="Is a directory") as caught:
            list(blocks)
    assert caught.value.kind == "unreadable"
    assert caught.value.where == str(read_in_callbacks)


def test_an_interrupt_is_not_the_end_of_the_file(
    read_in_callbacks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(audio._Patched):
        def readinto(self, buffer: object) -> int:
            if self.tell() > 1 << 16:
                signal.raise_signal(signal.SIGINT)
            return super().readinto(buffer)

    monkeypatch.setattr(audio, "_Patched", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        audio.decode(read_in_callbacks)


def test_a_start_beyond_the_end_is_out_of_range(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", tone(1.0), RATE)
    with pytest.raises(AudioFault, match=r"starts at 2 s, but the file is 1\.000 s long") as caught:
        audio.decode(tmp_path / "a.wav", start_s=2.0)
    assert caught.value.kind == "out-of-range"


def test_faults_travel_between_processes() -> None:
    fault = pickle.loads(pickle.dumps(AudioFault("silent", "says nothing", where="a.wav")))
    assert (fault.kind, fault.reason, fault.where) == ("silent", "says nothing", "a.wav")
    assert isinstance(fault, LassbenchError)


def test_a_playlist_opens_nothing_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret.m4a"
    encode(secret, clicks(1.0, 44100), 44100, "aac")
    (tmp_path / "list.m4a").write_text(f"#EXTM3U\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n")
    (tmp_path / "concat.m4a").write_text(f"ffconcat version 1.0\nfile {secret.name}\n")
    for name in ("list.m4a", "concat.m4a"):
        with pytest.raises(AudioFault, match="cannot be decoded"):
            audio.decode(tmp_path / name)


# A clip -----------------------------------------------------------------------


def test_a_short_file_is_padded_and_a_long_one_cut(tmp_path: Path) -> None:
    x = tone(1.0)
    sf.write(tmp_path / "a.wav", x, RATE, subtype="FLOAT")
    source = FileSource(str(tmp_path / "a.wav"))
    padded = audio.read_file(source, sample_rate_hz=RATE, seconds=1.5)
    assert np.array_equal(padded, np.concatenate([x, np.zeros(RATE // 2, dtype="f4")]))
    cut = audio.read_file(source, sample_rate_hz=RATE, seconds=0.25)
    assert np.array_equal(cut, x[: RATE // 4])


def test_a_cut_is_resampled_with_the_sound_around_it(tmp_path: Path) -> None:
    x = clicks(3.0, 44100)
    sf.write(tmp_path / "a.wav", x, 44100, subtype="FLOAT")
    source = FileSource(str(tmp_path / "a.wav"))
    whole = audio.resample(x, 44100, RATE)
    clip = audio.read_file(source, sample_rate_hz=RATE, seconds=1.0)
    assert np.abs(clip - whole[:RATE]).max() < 1e-6


def test_an_end_before_the_clips_length_leaves_silence(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", clicks(3.0, 44100), 44100, subtype="FLOAT")
    source = FileSource(str(tmp_path / "a.wav"), start_s=1.0, end_s=1.5)
    clip = audio.read_file(source, sample_rate_hz=RATE, seconds=1.0)
    assert clip.shape == (RATE,)
    assert np.abs(clip[: RATE // 2]).max() > 0.01
    assert not clip[RATE // 2 :].any()


def test_192_khz_and_six_channels_become_mono_at_the_clips_rate(tmp_path: Path) -> None:
    x = tone(0.5, 192000, 1000.0)
    sf.write(tmp_path / "a.wav", np.stack([x] * 6, axis=1), 192000, subtype="PCM_24")
    clip = audio.read_file(FileSource(str(tmp_path / "a.wav")), sample_rate_hz=RATE, seconds=0.5)
    assert clip.shape == (RATE // 2,)
    assert np.abs(clip - tone(0.5, RATE, 1000.0))[500:-500].max() < 1e-5


def test_a_peak_above_full_scale_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    x = 3.0 * tone(0.2)
    sf.write(tmp_path / "loud.wav", x, RATE, subtype="FLOAT")
    clip = audio.read_file(FileSource(str(tmp_path / "loud.wav")), sample_rate_hz=RATE, seconds=0.2)
    assert np.abs(clip).max() == 1.0
    assert np.allclose(clip, x / np.abs(x).max(), atol=1e-7)


def test_a_whisper_that_rounds_to_nothing_is_silent_whatever_is_kept() -> None:
    with pytest.raises(AudioFault, match="zero at 16 bits"):
        audio.conform(np.full(10, 0.4 / 32768, dtype="f4"), 10, 1.0, keep_quiet=True)
    assert audio.conform(np.full(10, 0.6 / 32768, dtype="f4"), 10, 1.0, keep_quiet=True).size == 10


# Quiet clips -------------------------------------------------------------------


def kept(path: Path, *channels: np.ndarray, **cut: float) -> float:
    sf.write(path / "a.wav", np.stack(channels, axis=1), RATE, subtype="DOUBLE")
    return audio.decode(path / "a.wav", **cut).kept


@pytest.mark.parametrize("block", [999, 1 << 20])
def test_what_a_mix_keeps_has_a_closed_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(audio, "_BLOCK", block)
    # A second of whole periods: orthogonal where the frequencies differ.
    x, y, z = tone(1.0), tone(1.0, hz=441.0), tone(1.0, hz=442.0)
    assert kept(tmp_path, x) == 1.0
    for count in range(2, 7):
        assert kept(tmp_path, *[x] * count) == pytest.approx(count, rel=1e-6)
    assert kept(tmp_path, x, y) == pytest.approx(1.0, rel=1e-5)
    assert kept(tmp_path, x, y, z, 0 * x) == pytest.approx(1.0, rel=1e-5)
    assert kept(tmp_path, x, 0 * x) == pytest.approx(1.0, rel=1e-6)
    assert kept(tmp_path, x, -x) == 0.0
    assert kept(tmp_path, x, -x, y, -y) == 0.0
    assert kept(tmp_path, 0 * x, 0 * x) == 1.0
    # Levels a and b of one sound: (a + b)^2 / (a^2 + b^2).
    for a, b in ((1.0, 0.5), (1.0, -0.5), (0.1, -1.0)):
        expected = (a + b) ** 2 / (a**2 + b**2)
        assert kept(tmp_path, a * x, b * x) == pytest.approx(expected, rel=1e-6)


def test_a_correlation_of_two_channels_below_minus_099_cancels(tmp_path: Path) -> None:
    x, y = tone(1.0).astype("f8"), tone(1.0, hz=441.0).astype("f8")
    for correlation, keeps in ((-0.9, True), (-0.9899, True), (-0.9901, False)):
        other = correlation * x + np.sqrt(1 - correlation**2) * y
        assert kept(tmp_path, x, other) == pytest.approx(1 + correlation, rel=1e-3)
        source = FileSource(str(tmp_path / "a.wav"))
        if keeps:
            audio.read_file(source, sample_rate_hz=RATE, seconds=1.0)
        else:
            with pytest.raises(AudioFault, match="their mix keeps -20 dB") as caught:
                audio.read_file(source, sample_rate_hz=RATE, seconds=1.0)
            assert caught.value.kind == "cancels"
        audio.read_file(source, sample_rate_hz=RATE, seconds=1.0, keep_quiet=True)


def test_what_is_kept_is_that_of_the_part_that_is_read(tmp_path: Path) -> None:
    x = tone(1.0)
    both = np.concatenate([x, x]), np.concatenate([x, -x])
    assert kept(tmp_path, *both, end_s=1.0) == pytest.approx(2.0, rel=1e-6)
    assert kept(tmp_path, *both, start_s=1.0) == 0.0
    assert kept(tmp_path, *both) == pytest.approx(1.0, rel=1e-6)


def test_the_limits_themselves_are_loud_enough() -> None:
    x = np.array([0.0, -1e-3], dtype="f4")  # the nearest float32 lies above
    assert audio.conform(x, 2, 1.0, kept=0.01).tolist() == x.tolist()
    below = np.nextafter(x, np.float32(0))
    for samples, share, kind in (
        (below, 1.0, "near-silent"),
        (x, np.nextafter(0.01, 0), "cancels"),
    ):
        with pytest.raises(AudioFault) as caught:
            audio.conform(samples, 2, 1.0, kept=share)
        assert caught.value.kind == kind
        audio.conform(samples, 2, 1.0, kept=share, keep_quiet=True)


# Numbers and bytes ------------------------------------------------------------


def test_int16_rounds_half_to_even_and_clips() -> None:
    steps = np.array([0.5, 1.5, -0.5, -1.5, 2.4, 40000, -40000, 32767.4], dtype=np.float32)
    expected = [0, 2, 0, -2, 2, 32767, -32768, 32767]
    assert audio.to_int16(steps / np.float32(32768)).tolist() == expected
    assert audio.to_int16(steps.astype(np.float64) / 32768).tolist() == expected


def test_int16_goes_to_float_and_back_unchanged() -> None:
    x = np.arange(-32768, 32768).astype(np.int16)
    assert np.array_equal(audio.to_int16(audio.to_float32(x)), x)


def test_flac_keeps_every_sample_and_its_bytes() -> None:
    x = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    data = audio.encode_flac(x, RATE)
    decoded, rate = audio.decode_int16(data)
    assert rate == RATE
    assert np.array_equal(decoded, x)
    assert audio.encode_flac(x, RATE) == data
    assert audio.encode_flac(audio.to_float32(x), RATE) == data


def test_damaged_bytes_are_a_fault() -> None:
    data = bytearray(audio.encode_flac(audio.to_int16(clicks(1.0, RATE)), RATE))
    for bad, kind in ((b"", "empty-file"), (b"fLaC....", "not-audio")):
        with pytest.raises(AudioFault) as caught:
            audio.decode_int16(bad)
        assert caught.value.kind == kind
    with pytest.raises(AudioFault):
        audio.decode_int16(bytes(data[: len(data) // 2]))


def test_stereo_bytes_are_not_a_clip(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.flac", np.zeros((10, 2), dtype="i2"), RATE)
    with pytest.raises(AudioFault, match="has 2 channels"):
        audio.decode_int16((tmp_path / "a.flac").read_bytes())


def test_pcm_hashes_are_over_little_endian_samples() -> None:
    assert (
        audio.pcm_sha256(np.array([1, -2], dtype=np.int16))
        == hashlib.sha256(b"\x01\x00\xfe\xff").hexdigest()
    )
    assert (
        audio.pcm_sha256(np.array([1.0], dtype=">f4"))
        == hashlib.sha256(b"\x00\x00\x80\x3f").hexdigest()
    )


def test_float_wav_is_exact_standard_and_the_same_every_time(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal(1001).astype(np.float32)
    audio.write_wav_float(tmp_path / "a.wav", x, RATE)
    audio.write_wav_float(tmp_path / "b.wav", x, RATE)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    read, rate = sf.read(tmp_path / "a.wav", dtype="float32")
    assert rate == RATE
    assert np.array_equal(read, x)
    with audio.open_sound(tmp_path / "a.wav") as sound:
        assert (sound.rate, sound.channels, sound.frames) == (RATE, 1, 1001)


def test_float_wav_is_mono(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mono"):
        audio.write_wav_float(tmp_path / "a.wav", np.zeros((2, 2), dtype="f4"), RATE)
    assert not list(tmp_path.iterdir())


def test_a_name_that_ffmpeg_takes_for_a_protocol_is_a_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode(tmp_path / "a.m4a", tone(), RATE, "aac")
    (tmp_path / "a.m4a").rename(tmp_path / "concat:a.m4a")
    monkeypatch.chdir(tmp_path)
    assert audio.decode("concat:a.m4a").rate == RATE
