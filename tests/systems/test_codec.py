"""The target through a codec: in its place, at its level, as near as the bit rate lets it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from lassbench import audio
from lassbench.benchmark.mixtures import Rendered
from lassbench.cli import run
from lassbench.errors import UsageError
from lassbench.metrics.ratios import si_sdr
from lassbench.records import Query
from lassbench.resampling import resample
from lassbench.systems import predictions
from lassbench.systems.codec import CODECS, CodecRoundTrip
from tests.scores.by_hand import noise, write_by_hand

HIGH = {"opus": "opus@256k", "mp3": "mp3@320k", "aac": "aac@256k"}


def speech_like(samples: int, rate: int) -> np.ndarray:
    """Noise below a third of half the rate, in bursts: every place in it can be told."""
    rng = np.random.default_rng(1)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum[int(spectrum.size / 3) :] = 0.0
    spectrum[: int(100 * samples / rate)] = 0.0
    bursts = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(samples) / rate)
    x = np.fft.irfft(spectrum, samples) * bursts
    return (0.7 * x / np.abs(x).max()).astype(np.float32)


def near(estimate: np.ndarray, target: np.ndarray) -> float:
    return si_sdr(reference=target, estimate=estimate)


def lag(estimate: np.ndarray, target: np.ndarray) -> int:
    """By how many samples ``estimate`` is late: where the cross-correlation is highest."""
    size = 2 * target.size
    spectra = np.fft.rfft(estimate, size) * np.conj(np.fft.rfft(target, size))
    at = int(np.argmax(np.fft.irfft(spectra, size)))
    return at if at < target.size else at - size


@pytest.mark.parametrize("name", HIGH)
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 32000, 44100, 48000, 96000])
def test_the_answer_is_as_long_as_the_target_and_in_its_place(name: str, rate: int) -> None:
    system = CodecRoundTrip(HIGH[name])
    assert np.abs(system.round_trip(np.zeros(100, np.float32), rate)).max() < 1e-4
    for samples in (rate, rate + 1, rate // 3 + 7):  # of 48 kHz: no whole number of frames
        x = speech_like(samples, rate)
        y = system.round_trip(x, rate)
        assert (y.shape, y.dtype) == (x.shape, np.float32)
        assert lag(y, x) == 0
        # A sample earlier or later it would be far off, and half a sample as well.
        assert near(y, x) > 20 > near(y[1:], x[:-1])
        assert near(y[:-1], x[1:]) < 20


@pytest.mark.parametrize(
    "name", [f"{one}@{CODECS[one].kbits[end]}k" for one in CODECS for end in (0, -1)]
)
def test_the_bit_rates_that_are_offered_are_there(name: str) -> None:
    x = speech_like(32000, 32000)
    y, again = (CodecRoundTrip(name).round_trip(x, 32000) for _ in range(2))
    np.testing.assert_array_equal(y, again)
    assert np.isfinite(y).all()
    assert y.any()


@pytest.mark.parametrize("name", CODECS)
def test_more_bits_bring_it_nearer(name: str) -> None:
    x = speech_like(96000, 32000)
    systems = [CodecRoundTrip(f"{name}@{kbit}k") for kbit in (32, 64, 128)]
    found = [near(system.round_trip(x, 32000), x) for system in systems]
    assert found == sorted(found)
    assert found[-1] > found[0] + 6


@pytest.mark.parametrize("name", ["opus@128k", "mp3@128k", "mp3@192k", "mp3@320k", "aac@128k"])
@pytest.mark.parametrize("peak", [0.01, 0.9, 1.0, 3.0])
def test_the_level_stays_beyond_full_scale_too(name: str, peak: float) -> None:
    time = np.arange(32000) / 32000
    x = (peak * np.sin(2 * np.pi * 440 * time) * np.hanning(32000)).astype(np.float32)
    y = CodecRoundTrip(name).round_trip(x, 32000)
    assert np.abs(y).max() == pytest.approx(np.abs(x).max(), rel=0.02)
    assert float(y @ x / (x @ x)) == pytest.approx(1.0, abs=0.003)
    assert near(y, x) > 30  # nothing is clipped


def test_real_recordings_lie_on_themselves(shared: Path) -> None:
    files = sorted((shared / "data" / "esc10" / "audio").glob("*.ogg"))
    assert len(files) >= 400
    for path in files[:: len(files) // 6]:
        heard = audio.decode(path)
        x = resample(heard.samples, heard.rate, 32000)[:160_000]
        for name in ("mp3@320k", "aac@256k"):
            y = CodecRoundTrip(name).round_trip(x, 32000)
            assert near(y, x) > 30
        # Opus takes out what lies below 3 Hz, which wind and sea hold much of.
        y = CodecRoundTrip("opus@256k").round_trip(x, 32000)
        assert near(y, x) > max(near(y[1:], x[:-1]), near(y[:-1], x[1:]))


# As a system -------------------------------------------------------------------


def test_where_the_sound_is_absent_it_answers_with_silence() -> None:
    rendered = Rendered(noise(1), noise(2), noise(3))
    query = Query("q", "m", "x", expects="silence")
    answer = CodecRoundTrip().separate_oracle(rendered, query, 8000)
    np.testing.assert_array_equal(answer, np.zeros_like(noise(1)))


def test_separate_writes_a_folder_that_says_its_codec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    suite = write_by_hand(tmp_path / "s", [(noise(1), noise(2)), (noise(3), noise(4))])
    command = ["separate", "codec-roundtrip", "--suite", "s"]
    assert run([*command, "-o", "p"]) == 0
    card = yaml.safe_load(Path("p/system.yaml").read_text())
    assert card["name"] == "Codec round trip (opus 64 kbit/s)"
    assert (card["query_type"], card["generative"]) == ("oracle", True)
    assert "libopus at 64 kbit/s" in card["description"]
    found, faults = predictions.check(Path("p"), suite)
    assert faults == []
    made = CodecRoundTrip().round_trip(suite.render("m1").target, suite.sample_rate_hz)
    np.testing.assert_array_equal(found.load("q1"), made)
    assert run([*command, "--codec", "opus@96k", "-o", "p"]) == 2
    assert "holds predictions made by another system" in capsys.readouterr().err
    assert run([*command, "--codec", "mp3@96k"]) == 0
    assert Path("predictions/by-hand/codec-round-trip-mp3-96-kbit-s/q0.wav").is_file()


WRONG = (
    *("opus", "opus@64", "opus@64K", "64k", "opus@0k", "opus@257k", "opus@99999k", "mp3@50k"),
    *("aac@15k", "vorbis@64k", "flac", "g729@8k", "opus@64k ", "opus@-64k", "opus@٦٤k", "@64k"),
)


@pytest.mark.parametrize("wrong", WRONG)
def test_another_codec_is_refused_with_those_that_can_be_had(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_by_hand(tmp_path / "s", [(noise(1), noise(2))])
    arguments = ["separate", "codec-roundtrip", "--codec", wrong, "--suite", str(tmp_path / "s")]
    assert run([*arguments, "-o", str(tmp_path / "p")]) == 2
    told = capsys.readouterr().err
    assert "opus@6k to opus@256k; mp3@32k|40k|" in told
    assert f"got:      {wrong}" in told
    assert not (tmp_path / "p").exists()


def test_a_codec_that_this_machine_does_not_encode_is_not_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(CODECS, "aac", CODECS["aac"]._replace(encoder="libfdk_aac"))
    with pytest.raises(UsageError, match="no such codec here") as caught:
        CodecRoundTrip("aac@64k")
    assert "mp3@32k" in caught.value.expected
    assert "aac" not in caught.value.expected


def test_codec_is_for_this_system_alone_and_it_needs_references(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = write_by_hand(tmp_path / "real", [(noise(1), noise(2))], kind="unreferenced")
    out = ["-o", str(tmp_path / "p")]
    assert run(["separate", "oracle", "--codec", "opus@64k", "--suite", str(real.path), *out]) == 2
    assert "oracle: the system takes no argument 'codec'" in capsys.readouterr().err
    assert run(["separate", "codec-roundtrip", "--suite", str(real.path), *out]) == 2
    assert "(opus 64 kbit/s) needs the true sources" in capsys.readouterr().err
    audio.write_wav_float(tmp_path / "x.wav", noise(1), 8000)
    file = ["separate", "codec-roundtrip", str(tmp_path / "x.wav"), "--query", "a dog"]
    assert run([*file, "-o", str(tmp_path / "y.wav")]) == 2
    assert "needs the true sources" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["real", "x.wav"]
