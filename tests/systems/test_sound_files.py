"""Any audio file: its length, rate and channels come back, and no seam is heard."""

from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from lassbench import files
from lassbench.audio import Reader
from lassbench.cli import run
from lassbench.errors import LassbenchError
from lassbench.systems import sound_files
from lassbench.systems.builtin import MixtureSeparator
from lassbench.systems.finding import as_system

RATE = 16000


class Scale:
    """Halves what it hears, and remembers how much it heard at a time."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int]] = []

    def separate(self, mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
        self.heard.append((mixture.size, sample_rate))
        return mixture * np.float32(0.5)


def noise(seconds: float, rate: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    rough = rng.standard_normal((round(seconds * rate), channels))
    # Smoothed, so that little of it lies above the lower rate's limit.
    smooth = np.apply_along_axis(lambda x: np.convolve(x, np.hanning(33) / 16, "same"), 0, rough)
    return (0.05 * smooth).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.3, 4.0, 5.0, 6.0, 7.5, 23.4])
@pytest.mark.parametrize(("rate", "channels"), [(32000, 1), (44100, 2)])
def test_any_length_rate_and_channel_count(
    tmp_path: Path, seconds: float, rate: int, channels: int
) -> None:
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    samples = noise(seconds, rate, channels)
    soundfile.write(source, samples, rate, subtype="FLOAT")
    system = Scale()
    system.block_s = 4.0  # type: ignore[attr-defined]
    system.sample_rate = 32000  # type: ignore[attr-defined]
    sound_files.separate_file(system, source, out, query="x")
    result, result_rate = soundfile.read(out, dtype="float32", always_2d=True)
    assert (result_rate, result.shape) == (rate, samples.shape)
    assert all(rate_heard == 32000 for _, rate_heard in system.heard)
    # Memory stays flat: no block is longer than asked for.
    assert max(size for size, _ in system.heard) <= 4.0 * 32000 + 1
    inside = slice(rate // 100, -rate // 100)
    error = np.abs(result - 0.5 * samples)[inside].max() / np.abs(samples).max()
    assert error < (1e-6 if rate == 32000 else 5e-3)


def test_a_system_says_how_much_it_takes_at_a_time(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", noise(50, 8000, 1), 8000)
    for block_s in (None, 35.0):
        system = Scale()
        if block_s:
            system.block_s = block_s  # type: ignore[attr-defined]
        system.sample_rate = 8000  # type: ignore[attr-defined]
        sound_files.separate_file(system, tmp_path / "in.wav", tmp_path / "out.wav", query="x")
        longest = max(size for size, _ in system.heard)
        assert longest == 8000 * (block_s or sound_files.BLOCK_S)


def separate(path: Path, out: Path, separator: Any = None) -> sound_files.Separated:
    system = as_system(separator or MixtureSeparator()).at(RATE)
    return sound_files.separate_file(system, path, out, query="x")


@pytest.mark.parametrize("piece", [1, 999, 8000, 100_000])
@pytest.mark.parametrize("frames", [1, 2000, 4000, 4001, 7000, 9999, 10_000, 10_001])
def test_however_the_reader_cuts_the_blocks_are_the_same(piece: int, frames: int) -> None:
    x = noise(10.001, 1000, 2)[:frames]
    pieces = [x[at : at + piece] for at in range(0, frames, piece)]
    reader = Reader("wav", "", 1000, 2, None, True, lambda *_: iter(pieces))
    blocks = list(sound_files._blocks(reader, 4000, 1000))
    # By the definition: every 3000 frames one of 4000, as far as there are any.
    starts = range(0, max(frames - 1000, 0) + 1, 3000)
    assert len(blocks) == len(starts)
    for start, block in zip(starts, blocks, strict=True):
        assert np.array_equal(block, x[start : start + 4000])


def test_a_system_may_work_in_what_it_is_given(tmp_path: Path) -> None:
    class InPlace(Scale):
        block_s = 2.0

        def separate(self, mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
            mixture *= np.float32(0.5)
            return mixture

    x = noise(5, RATE, 1)
    soundfile.write(tmp_path / "in.wav", x, RATE, subtype="FLOAT")
    separate(tmp_path / "in.wav", tmp_path / "out.wav", InPlace())
    result = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)[0]
    assert np.allclose(result, 0.5 * x, atol=1e-7)


# Containers -------------------------------------------------------------------


def encode(path: Path, x: np.ndarray, rate: int, codec: str, **container: str) -> None:
    """``x``, (frames, 2), as FFmpeg writes it."""
    with av.open(str(path), "w", options=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="stereo")
        stream.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(x.T), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(
            format=stream.format, layout="stereo", rate=rate, frame_size=stream.frame_size or 960
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))


def by_ffmpeg(path: Path) -> np.ndarray:
    with av.open(str(path)) as file:
        return np.concatenate([f.to_ndarray() for f in file.decode(audio=0)], axis=1).T


def by_libsndfile(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(data)


def written(form: str, subtype: str) -> Callable[[Path, np.ndarray, int], np.ndarray]:
    def make(path: Path, x: np.ndarray, rate: int) -> np.ndarray:
        soundfile.write(path, x, rate, format=form, subtype=subtype)
        return by_libsndfile(path)

    return make


def encoded(
    codec: str, read: Callable[[Path], np.ndarray] = by_ffmpeg, **container: str
) -> Callable[[Path, np.ndarray, int], np.ndarray]:
    def make(path: Path, x: np.ndarray, rate: int) -> np.ndarray:
        encode(path, x, rate, codec, **container)
        return read(path)

    return make


def piped_wav(path: Path, x: np.ndarray, rate: int) -> np.ndarray:
    expected = written("WAV", "PCM_16")(path, x, rate)
    overwrite(path, 4, b"\xff" * 4)
    overwrite(path, 40, b"\xff" * 4)
    return expected


def piped_flac(path: Path, x: np.ndarray, rate: int) -> np.ndarray:
    expected = written("FLAC", "PCM_24")(path, x, rate)
    overwrite(path, 21, bytes([path.read_bytes()[21] & 0xF0, 0, 0, 0, 0]))
    return expected


#: Name -> rate, how it is written and read by another, the output's sample format, and
#: whether it tells its length.
CONTAINERS: dict[str, tuple[int, Callable[[Path, np.ndarray, int], np.ndarray], str, bool]] = {
    "a.wav": (44100, written("WAV", "PCM_16"), "PCM_16", True),
    "float.wav": (44100, written("WAV", "FLOAT"), "FLOAT", True),
    "double.wav": (8000, written("WAV", "DOUBLE"), "DOUBLE", True),
    "bytes.wav": (8000, written("WAV", "PCM_U8"), "PCM_U8", True),
    "mulaw.wav": (8000, written("WAV", "ULAW"), "PCM_16", True),
    "rf64.wav": (96000, written("RF64", "PCM_24"), "PCM_24", True),
    "piped.wav": (32000, piped_wav, "PCM_16", False),
    "a.w64": (44100, written("W64", "PCM_32"), "PCM_32", True),
    "a.aiff": (44100, written("AIFF", "PCM_24"), "PCM_24", True),
    "signed.aiff": (8000, written("AIFF", "PCM_S8"), "PCM_16", True),
    "a.au": (44100, written("AU", "PCM_16"), "PCM_16", True),
    "a.caf": (44100, written("CAF", "FLOAT"), "FLOAT", True),
    "a.flac": (44100, written("FLAC", "PCM_24"), "PCM_24", True),
    "piped.flac": (44100, piped_flac, "PCM_24", False),
    "a.ogg": (44100, written("OGG", "VORBIS"), "PCM_16", True),
    "a.mp3": (44100, encoded("libmp3lame", by_libsndfile), "PCM_16", True),
    "bare.mp3": (44100, encoded("libmp3lame", write_xing="0"), "PCM_16", False),
    "a.m4a": (44100, encoded("aac"), "PCM_16", True),
    "a.webm": (48000, encoded("libopus"), "PCM_16", True),
}
#: The largest error of a sample format, by libsndfile's conversions.
STEPS = {"PCM_U8": 2**-7, "PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2e-7}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_comes_out_whole(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.setattr(sound_files, "BLOCK_S", 2.0)
    rate, make, subtype, known = CONTAINERS[name]
    source, out = tmp_path / name, tmp_path / "out.wav"
    expected = make(source, noise(4.6, rate, 2), rate)
    command = ["separate", "mixture", str(source), "--query", "x", "--rate", str(rate)]
    assert run([*command, "-o", str(out)]) == 0
    info = soundfile.info(out)
    assert (info.samplerate, info.format, info.subtype) == (rate, "WAV", subtype)
    result = by_libsndfile(out)
    assert result.shape == expected.shape
    assert np.abs(result - expected).max() <= STEPS.get(subtype, 1e-7)
    told = capsys.readouterr()
    assert told.out == f"{out}\n"
    frames = len(expected)
    note = (
        f"lassbench: {source}: tells no length: read to its end, {frames} frames = "
        f"{frames / rate:.3f} s; a missing end would not be noticed\n"
    )
    assert told.err == ("" if known else note)


def test_a_real_recording_as_mp3(shared: Path, tmp_path: Path) -> None:
    path = sorted((shared / "data" / "esc10" / "audio").glob("*.ogg"))[0]
    x, rate = soundfile.read(path, dtype="float32")
    encode(tmp_path / "real.mp3", np.stack([x, x], axis=1), rate, "libmp3lame")
    for source in (path, tmp_path / "real.mp3"):
        out = tmp_path / "out.flac"
        heard = separate(source, out)
        assert (heard.frames, heard.rate, heard.known) == (x.size, rate, True)
        # Half the band went through: 16 kHz of 44.1.
        result = by_libsndfile(out)
        assert np.corrcoef(result[:, 0], x)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("form", "subtype", "out", "expected"),
    [
        ("WAV", "PCM_24", "out.flac", "PCM_24"),
        ("AIFF", "PCM_S8", "out.flac", "PCM_S8"),
        ("WAV", "PCM_U8", "out.flac", "PCM_16"),
        ("WAV", "FLOAT", "out.flac", "PCM_16"),
        ("WAV", "IMA_ADPCM", "out.wav", "PCM_16"),
        ("CAF", "ALAC_24", "out.WAV", "PCM_16"),
        ("OGG", "OPUS", "out.flac", "PCM_16"),
    ],
)
def test_the_output_keeps_a_sample_format_that_it_can_hold(
    tmp_path: Path, form: str, subtype: str, out: str, expected: str
) -> None:
    soundfile.write(tmp_path / "in", noise(1, 48000, 1), 48000, format=form, subtype=subtype)
    separate(tmp_path / "in", tmp_path / out)
    assert soundfile.info(tmp_path / out).subtype == expected


def test_what_no_wav_file_holds_is_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 4 GiB are too many to be written here.
    monkeypatch.setattr(sound_files, "WAV_BYTES", 100_000 + sound_files.HEADER_BYTES)
    for frames, form in ((50_000, "WAV"), (50_001, "RF64")):
        soundfile.write(tmp_path / "in.wav", noise(4, RATE, 1)[:frames], RATE)
        separate(tmp_path / "in.wav", tmp_path / "out.wav")
        info = soundfile.info(tmp_path / "out.wav")
        assert (info.format, info.frames) == (form, frames)
    encode(tmp_path / "bare.mp3", noise(2, RATE, 2), RATE, "libmp3lame", write_xing="0")
    with pytest.raises(LassbenchError, match="too long for a WAV file") as caught:
        separate(tmp_path / "bare.mp3", tmp_path / "long.wav")
    assert caught.value.where == str(tmp_path / "long.wav")
    assert not (tmp_path / "long.wav").exists()


# Inputs that cannot be used ---------------------------------------------------


def halved(name: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        rate, write, _, _ = CONTAINERS[name]
        write(path, noise(4, rate, 2), rate)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return make


def no_frames(path: Path) -> None:
    soundfile.write(path, np.zeros((0, 1)), RATE, format="WAV")


def patched(at: int, form: str, value: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        soundfile.write(path, noise(1, RATE, 1), RATE)
        overwrite(path, at, struct.pack(form, value))

    return make


#: Name -> how it is made, what is said of it, and whether that is before a system is loaded.
BAD: dict[str, tuple[Callable[[Path], object], str, bool]] = {
    "cut.wav": (halved("a.wav"), "the header promises", True),
    "cut.aiff": (halved("a.aiff"), "the header promises", True),
    "cut.au": (halved("a.au"), "the header promises", True),
    "cut.caf": (halved("a.caf"), "the header promises", True),
    "cut.w64": (halved("a.w64"), "the header promises", True),
    "cut.ogg": (halved("a.ogg"), "Ogg page", True),
    "cut.mp3": (halved("a.mp3"), "its stream should have", True),
    "cut.m4a": (halved("a.m4a"), "its box 'mdat' should have", True),
    "cut.webm": (halved("a.webm"), "its segment should have", True),
    "cut.flac": (halved("a.flac"), "breaks off", False),
    "text.wav": (lambda path: path.write_text("not audio" * 99), "cannot be decoded", True),
    "empty.wav": (lambda path: path.touch(), "has no bytes", True),
    "pipe.wav": (os.mkfifo, "is not a file", True),
    "rate.wav": (patched(24, "<I", 2147483629), "says 2147483629 Hz, expected", True),
    "channels.wav": (patched(22, "<H", 65), "says 65 channels, expected 1 to 64", True),
    "none.wav": (no_frames, "holds no audio frames", False),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_inputs_are_named_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    make, reason, early = BAD[name]
    source, out = tmp_path / name, tmp_path / "out.wav"
    make(source)
    for system in ("no_such_module:f", "mixture")[0 if early else 1 :]:
        assert run(["separate", system, str(source), "--query", "x", "-o", str(out)]) == 1
        message = capsys.readouterr().err
        assert message.startswith(f"lassbench: {source}: ")
        assert reason in message.splitlines()[0]
        assert [path.name for path in tmp_path.iterdir()] == [name]
    # What stood there before stays.
    out.write_bytes(b"older")
    assert run(["separate", "mixture", str(source), "--query", "x", "-o", str(out)]) == 1
    assert out.read_bytes() == b"older"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_input_that_is_no_sound_is_not_the_systems_fault(tmp_path: Path, value: float) -> None:
    x = noise(1, RATE, 1)
    x[100] = value
    soundfile.write(tmp_path / "in.wav", x, RATE, subtype="FLOAT")
    with pytest.raises(LassbenchError, match=r"in\.wav: holds NaN or infinite samples"):
        separate(tmp_path / "in.wav", tmp_path / "out.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


# Outputs that cannot be written -----------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "sounds" / "in.wav"
    path.parent.mkdir()
    soundfile.write(path, noise(5, RATE, 1), RATE)
    return path


def test_bad_names_are_refused_before_a_system_is_loaded(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = source.read_bytes()
    (tmp_path / "link.wav").symlink_to(source)
    (tmp_path / "hard.wav").hardlink_to(source)
    (tmp_path / "folder.wav").mkdir()
    there = sorted(tmp_path.rglob("*"))
    cases = [
        (tmp_path / "none.wav", tmp_path / "out.wav", 2, "none.wav: no such audio file"),
        (source, tmp_path / "out", 2, "out: the output must be .wav or .flac"),
        (source, tmp_path / "out.mp3", 2, "out.mp3: the output must be .wav or .flac"),
        (source, tmp_path / "folder.wav", 2, "folder.wav: the output is a folder"),
        (source, tmp_path / f"{'x' * 300}.wav", 1, "x.wav: File name too long"),
        (source, source, 2, "in.wav: the output would be written over the input"),
        (source, tmp_path / "link.wav", 2, "link.wav: the output would be written over"),
        (source, tmp_path / "hard.wav", 2, "hard.wav: the output would be written over"),
        (tmp_path / "link.wav", source, 2, "in.wav: the output would be written over"),
    ]
    for path, out, code, message in cases:
        command = ["separate", "no_such_module:f", str(path), "--query", "x"]
        assert run([*command, "-o", str(out)]) == code
        assert message in capsys.readouterr().err.splitlines()[0]
    assert sorted(tmp_path.rglob("*")) == there
    assert source.read_bytes() == before


@pytest.mark.parametrize(("rate", "channels"), [(48000, 9), (768000, 1)])
def test_what_flac_cannot_hold_is_told_before_a_system_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: int, channels: int
) -> None:
    soundfile.write(tmp_path / "in.wav", noise(0.2, rate, channels), rate)
    command = ["separate", "no_such_module:f", str(tmp_path / "in.wav"), "--query", "x"]
    assert run([*command, "-o", str(tmp_path / "out.flac")]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"lassbench: {tmp_path}/out.flac: a .flac file cannot hold")
    assert f"channels: {channels}, rate: {rate} Hz" in message
    separate(tmp_path / "in.wav", tmp_path / "out.wav")
    assert soundfile.info(tmp_path / "out.wav").channels == channels


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
def test_a_full_disk_is_told_of_the_output(source: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out" / name
    out.parent.mkdir()
    files.temporary_path(out).symlink_to("/dev/full")
    with pytest.raises(LassbenchError, match="the disk is full") as caught:
        separate(source, out)
    assert caught.value.where == str(out)
    assert not list(out.parent.iterdir())


def test_a_part_of_the_path_that_is_a_file_is_told_of_the_output(source: Path) -> None:
    with pytest.raises(LassbenchError, match="a part of the path is a file") as caught:
        separate(source, source / "out.wav")
    assert caught.value.where == str(source / "out.wav")


@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
def test_a_file_that_may_not_grow_is_never_taken_for_whole(
    source: Path, tmp_path: Path, name: str
) -> None:
    # libFLAC keeps its last frames to the end, where libsndfile does not say that they
    # could not be written: the limit goes through every place, the last byte too.
    whole = tmp_path / name
    separate(source, whole)
    size = whole.stat().st_size
    whole.unlink()
    code = (
        "import resource, sys\n"
        "from lassbench.cli import run\n"
        "limit, *command = sys.argv[1:]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit),) * 2)\n"
        "sys.exit(run(command))\n"
    )
    for limit in (0, 30, size // 2, size - 2000, size - 1, size):
        command = ["separate", "mixture", str(source), "--query", "x", "--rate", str(RATE)]
        done = subprocess.run(
            [sys.executable, "-c", code, str(limit), *command, "-o", str(whole)],
            capture_output=True,
            text=True,
            check=False,
        )
        if limit < size:
            assert done.returncode == 1, limit
            assert done.stderr.startswith(f"lassbench: {whole}: File too large\n"), done.stderr
            assert [path.name for path in tmp_path.iterdir()] == ["sounds"]
    assert (done.returncode, done.stderr) == (0, "")
    assert soundfile.info(whole).frames == 5 * RATE


# Systems that fail, and interrupts --------------------------------------------


def out_of_space(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
    raise OSError(errno.ENOSPC, "no space for the system's own files")


def too_short(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
    return mixture[: mixture.size // 2]


def not_finite(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
    return mixture * np.float32(np.inf)


def whole_numbers(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
    return np.zeros(mixture.shape, dtype=int)


def interrupted(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
    signal.raise_signal(signal.SIGINT)
    return mixture


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            out_of_space,
            "failed\n  got:      OSError: [Errno 28] no space for the system's own files",
        ),
        (too_short, "returned something that is no estimate"),
        (not_finite, "returned something that is no estimate"),
        (whole_numbers, "returned something that is no estimate"),
    ],
)
def test_a_system_that_fails_is_named(
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    function: Callable[..., np.ndarray],
    said: str,
) -> None:
    system = f"{__name__}:{function.__name__}"
    out = tmp_path / "out.wav"
    assert run(["separate", system, str(source), "--query", "x", "-o", str(out)]) == 1
    message = capsys.readouterr().err
    assert f"{function.__name__} {said}" in message
    assert "lassbench/" not in message
    assert str(out) not in message
    assert [path.name for path in tmp_path.iterdir()] == ["sounds"]


def test_an_interrupt_leaves_nothing(source: Path, tmp_path: Path) -> None:
    command = ["separate", f"{__name__}:interrupted", str(source), "--query", "x"]
    assert run([*command, "-o", str(tmp_path / "out.wav")]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["sounds"]


def test_an_interrupt_while_writing_is_not_lost(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(sound_files._Output):
        def write(self, data: Any) -> int:
            signal.raise_signal(signal.SIGINT)
            return super().write(data)

    monkeypatch.setattr(sound_files, "_Output", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        separate(source, tmp_path / "out.flac")
    assert [path.name for path in tmp_path.iterdir()] == ["sounds"]
