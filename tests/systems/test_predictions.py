"""Prediction folders: every fault found in one pass, everything else read exactly."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from lassbench import audio
from lassbench.cards import Cost
from lassbench.cli import run
from lassbench.dataset import Dataset, open_dataset
from lassbench.errors import Fault, LassbenchError, UsageError
from lassbench.suites import freezing
from lassbench.suites.suite import Suite
from lassbench.systems import predictions
from lassbench.systems.builtin import MixtureSeparator
from lassbench.systems.predictions import MadeBy, SeparatedSuite, SystemFile
from lassbench.systems.run import separate_suite
from tests.scores.by_hand import noise
from tests.sound_files import encode


def frozen(dataset: Dataset, folder: Path, name: str) -> Suite:
    plan = freezing.plan_separation(dataset, name=name, noises=1)
    return freezing.freeze(plan, dataset, folder / name, export_audio=False)


@pytest.fixture(scope="module")
def suite(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return frozen(tiny_dataset, tmp_path_factory.mktemp("frozen"), "tiny-test")


@pytest.fixture
def folder(suite: Suite, tmp_path: Path) -> Path:
    """The mixture's answers, to spoil."""
    separate_suite(MixtureSeparator(), suite, tmp_path / "p")
    return tmp_path / "p"


def test_every_fault_is_found_in_one_pass(suite: Suite, folder: Path) -> None:
    ids = list(suite.queries)
    rate, samples = suite.sample_rate_hz, suite.samples
    good = np.full(samples, 0.1, np.float32)

    def wav(index: int) -> Path:
        return folder / f"{ids[index]}.wav"

    wav(0).unlink()
    soundfile.write(wav(1), good[:-1], rate)
    soundfile.write(wav(2), np.append(good, 0.0), rate)
    soundfile.write(wav(3), good, rate * 2)
    soundfile.write(wav(4), np.stack([good, good], axis=1), rate)
    wav(5).write_bytes(b"")
    wav(6).write_text("this is not audio")
    wav(7).write_bytes(wav(7).read_bytes()[:-1000])
    soundfile.write(folder / f"{ids[8]}.flac", good, rate)
    wav(9).rename(folder / f"{ids[9].upper()}.wav")
    outside = folder.parent / "outside.wav"
    soundfile.write(outside, good, rate)
    wav(10).unlink()
    wav(10).symlink_to(outside)
    wav(11).unlink()
    wav(11).mkdir()
    wav(12).unlink()
    wav(12).symlink_to(wav(12))
    wav(13).unlink()
    wav(13).symlink_to(folder / "nothing there")
    wav(14).rename(folder / f"{ids[14]}.txt")  # a note on a query is no answer to it
    soundfile.write(folder / f"{ids[15]}.mp3", good, rate)
    wav(16).rename(folder / f"{ids[16]}.mp3").write_text("this is not audio")
    (folder / "new\nline.wav").write_text("x")
    (folder / "notes.txt").write_text("x")

    found, faults = predictions.check(folder, suite)
    kinds = {fault.kind: sum(f.kind == fault.kind for f in faults) for fault in faults}
    assert kinds == {
        "missing": 2,
        "short": 1,
        "long": 1,
        "rate": 1,
        "channels": 1,
        "unreadable": 4,
        "two files": 2,
        "name case": 1,
        "link": 1,
        "not a file": 3,  # a folder, a link to itself, one to nothing
        "extra": 3,
    }
    # Of two files for one query neither is used: which is meant is not known.
    assert set(found.paths) == set(ids[17:])


# Predictions of another suite ---------------------------------------------------


@pytest.mark.parametrize("known_by", ["card", "neighbour", "dataset"])
def test_predictions_of_another_suite_are_told_by_its_name(
    tiny_dataset: Dataset, tmp_path: Path, known_by: str
) -> None:
    shutil.copytree(tiny_dataset.path, tmp_path / "dataset")
    dataset = open_dataset(tmp_path / "dataset")
    suites = tmp_path / "dataset" / "suites"
    asked = frozen(dataset, tmp_path if known_by != "neighbour" else suites, "mini-test")
    other = frozen(dataset, tmp_path / "far" if known_by == "card" else suites, "maxi-test")
    # Neither what is damaged nor one that has none of these ids stands in the way.
    frozen(dataset, suites, "a-test")
    (suites / "b-test").mkdir()
    (suites / "b-test" / "suite.json").write_text("{")
    folder = tmp_path / "p"
    separate_suite(MixtureSeparator(), other, folder)
    if known_by != "card":
        (folder / "system.yaml").unlink()
    words = r"these ids belong to maxi-test \(.*maxi-test\)\n  expected: answers to mini-test"
    with pytest.raises(UsageError, match=words) as caught:
        predictions.check(folder, asked)
    assert len(str(caught.value).splitlines()) <= 5
    # With answers of its own it can be scored in part: then it is a hint.
    (folder / "maxi-test-0001.wav").rename(folder / "mini-test-0001.wav")
    _, faults = predictions.check(folder, asked)
    assert {fault.kind for fault in faults} == {"extra", "missing"}
    assert "belong to maxi-test" in predictions.belongs_elsewhere(folder, asked)
    assert predictions.belongs_elsewhere(folder, other) == ""


@pytest.mark.parametrize("path", ["a" * 300, "loop", "nowhere"])
def test_a_card_that_names_no_suite_that_could_be_is_no_crash(
    suite: Suite, tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "system.yaml").write_text(f"name: x\nsuite: {{path: {path}}}\n")
    soundfile.write(tmp_path / "strange.wav", noise(1), 8000)
    assert predictions.belongs_elsewhere(tmp_path, suite) == ""
    assert run(["score", str(tmp_path)]) == 2
    assert "which suite do these predictions answer?" in capsys.readouterr().err


# What a file holds, and what its name says -----------------------------------

Write = Callable[[Path, np.ndarray], object]


def by_libsndfile(kind: str, subtype: str) -> Write:
    return lambda path, x: soundfile.write(path, x, 8000, format=kind, subtype=subtype)


def by_ffmpeg(suffix: str, codec: str) -> Write:
    def write(path: Path, x: np.ndarray) -> None:
        rate = 48000 if codec == "libopus" else 8000
        made = path.with_name(f"made{suffix}")
        encode(made, x, rate, codec)
        made.rename(path)

    return write


#: What is said of a file -> how to write it.
TAKEN: dict[str, Write] = {
    "WAV PCM_U8": by_libsndfile("WAV", "PCM_U8"),
    "WAV PCM_16": by_libsndfile("WAV", "PCM_16"),
    "WAV PCM_24": by_libsndfile("WAVEX", "PCM_24"),
    "WAV FLOAT": by_libsndfile("WAV", "FLOAT"),
    "WAV DOUBLE": by_libsndfile("RF64", "DOUBLE"),
    "WAV PCM_S64LE": by_ffmpeg(".wav", "pcm_s64le"),
    "FLAC PCM_16": by_libsndfile("FLAC", "PCM_16"),
    "FLAC PCM_24": by_libsndfile("FLAC", "PCM_24"),
}
NOT_TAKEN: dict[str, Write] = {
    "AIFF PCM_16": by_libsndfile("AIFF", "PCM_16"),
    "AU FLOAT": by_libsndfile("AU", "FLOAT"),
    "CAF ALAC_16": by_libsndfile("CAF", "ALAC_16"),
    "W64 PCM_16": by_libsndfile("W64", "PCM_16"),
    "MP4 ALAC": by_ffmpeg(".mp4", "alac"),
    "OGG FLAC": by_ffmpeg(".oga", "flac"),
    "TTA": by_ffmpeg(".tta", "tta"),
    "MATROSKA PCM_S16LE": by_ffmpeg(".mkv", "pcm_s16le"),
}
LOSSY: dict[str, Write] = {
    "MP3": by_libsndfile("MP3", "MPEG_LAYER_III"),
    "OGG VORBIS": by_libsndfile("OGG", "VORBIS"),
    "OGG OPUS": by_libsndfile("OGG", "OPUS"),
    "MP4 AAC": by_ffmpeg(".mp4", "aac"),
    "AAC": by_ffmpeg(".aac", "aac"),
    "MATROSKA OPUS": by_ffmpeg(".mka", "libopus"),
    "MP4 PCM_MULAW": by_ffmpeg(".mov", "pcm_mulaw"),
    "AIFF ULAW": by_libsndfile("AIFF", "ULAW"),
    "WAV MP3": by_ffmpeg(".wav", "libmp3lame"),
    **{
        f"WAV {one}": by_libsndfile("WAV", one)
        for one in ("ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32", "NMS_ADPCM_16")
    },
}


@pytest.fixture(params=[*TAKEN, *NOT_TAKEN, *LOSSY])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[bytes, str, str]:
    """A second of sound: a file's bytes, what is said of it, and its suffix if it is taken."""
    name = request.param
    write = {**TAKEN, **NOT_TAKEN, **LOSSY}[name]
    write(tmp_path / "sound", np.sin(np.arange(8000) / 5).astype("f4") / 3)
    kind = name.split()[0].lower() if name in TAKEN else ""
    said = f"holds {name}{', which is lossy' if name in LOSSY else ''}"
    return (tmp_path / "sound").read_bytes(), said, kind


def test_what_a_file_holds_counts_and_not_its_name(
    suite: Suite, tmp_path: Path, content: tuple[bytes, str, str]
) -> None:
    data, said, kind = content
    query_id = sorted(suite.queries)[3]
    suffixes = sorted(predictions.SOUND_SUFFIXES)
    assert set(predictions.SUFFIXES) < set(suffixes)
    for suffix in [*suffixes, ".WAV", ".Flac", ".MP3"]:
        folder = tmp_path / f"as{suffix}"
        folder.mkdir()
        path = folder / f"{query_id}{suffix}"
        path.write_bytes(data)
        found, faults = predictions.check(folder, suite)
        missing = {Path(fault.where).name for fault in faults if fault.kind == "missing"}
        assert missing == suite.queries.keys() - {query_id}
        told = [fault for fault in faults if fault.kind != "missing"]
        if kind and suffix in predictions.SUFFIXES:
            assert (told, dict(found.paths)) == ([], {query_id: path})
            continue
        fix = f"name it {query_id}.{kind}" if kind else "convert it to WAV or FLAC"
        assert told == [Fault("format", str(path), f"{said}: {fix}")]
        assert not found.paths


def test_hashes_that_are_no_text_are_explained(tmp_path: Path) -> None:
    (tmp_path / "system.yaml").write_text("name: x\n")
    (tmp_path / "training_clips.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LassbenchError, match=r"training_clips\.txt"):
        predictions.read_system(tmp_path)


def test_a_clean_folder_is_read_and_what_headers_do_not_tell_is_found_then(
    suite: Suite, folder: Path
) -> None:
    found, faults = predictions.check(folder, suite)
    assert (faults, list(found.paths)) == ([], sorted(suite.queries))
    query = next(iter(suite.queries.values()))
    made = found.load(query.query_id)
    np.testing.assert_array_equal(made, suite.mixture_samples(query.mixture_id))
    made[3] = np.nan
    audio.write_wav_float(found.paths[query.query_id], made, suite.sample_rate_hz)
    assert predictions.check(folder, suite)[1] == []
    with pytest.raises(audio.AudioFault, match="NaN"):
        found.load(query.query_id)
    found.paths[query.query_id].unlink()
    with pytest.raises(audio.AudioFault, match="no such file"):
        found.load(query.query_id)


def test_a_flac_that_claims_ten_hours_is_never_decoded(suite: Suite, folder: Path) -> None:
    query_id = next(iter(suite.queries))
    path = folder / f"{query_id}.flac"
    (folder / f"{query_id}.wav").unlink()
    path.write_bytes(audio.encode_flac(np.zeros(suite.samples, np.int16), suite.sample_rate_hz))
    data = bytearray(path.read_bytes())
    # STREAMINFO: the 36-bit count of samples stands in bytes 21 (low 4 bits) to 25.
    frames = 10 * 3600 * suite.sample_rate_hz
    data[21] = (data[21] & 0xF0) | (frames >> 32)
    data[22:26] = (frames & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(bytes(data))
    _, faults = predictions.check(folder, suite)
    assert [fault.kind for fault in faults] == ["long"]


def test_a_flac_that_tells_no_length_is_decoded_only_as_far_as_it_may_go(
    suite: Suite, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(-9999, 9999, 10 * suite.samples).astype(np.int16)
    data = bytearray(audio.encode_flac(noise, suite.sample_rate_hz))
    data[21:26] = bytes([data[21] & 0xF0]) + bytes(4)
    # Whoever read on would meet this, and call the file unreadable.
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path = tmp_path / f"{min(suite.queries)}.flac"
    path.write_bytes(data)
    fault = predictions.header_fault(path, suite)
    assert fault == Fault("long", str(path), "at least 8001 samples, expected 8000")
    data[500:] = bytes(len(data) - 500)
    path.write_bytes(data)
    assert predictions.header_fault(path, suite).kind == "unreadable"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: [", "not valid YAML"),
        ("- a list", "must be a section of keys"),
        ("nmae: x", r"yaml:1: there is no 'nmae' \(did you mean 'name'"),
        ("parameters: many\nname: x", "yaml:1: parameters must be a whole number, got 'many'"),
        ("name: x\nparameters: -1", "yaml:2: parameters must be at least 0, got -1"),
        ("name: x\ntrained_on: {a: b}", "yaml:2: trained_on must be a list"),
        (f"name: x\nauthors: {'a' * 5001}", "yaml:2: authors must be text of at most 5000"),
        ("name: x\nsuite: {pth: x}", r"there is no 'suite.pth' \(did you mean 'suite.path'"),
        ("name: x\ncost: {real_time_factor: -1}", "must be at least 0, got -1"),
        ("name: x\ngenerative: somewhat", "yaml:2: generative must be true or false"),
        ("name: x\nquery_type: telepathy", "yaml:2: query_type must be text .* got 'telepathy'"),
    ],
)
def test_a_wrong_system_file_is_explained(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "system.yaml").write_text(content)
    with pytest.raises(LassbenchError, match=words) as caught:
        predictions.read_system(tmp_path)
    assert "system.yaml" in str(caught.value)


def test_no_card_and_keys_without_a_value_say_nothing(tmp_path: Path) -> None:
    assert predictions.read_system(tmp_path) == SystemFile(name=tmp_path.name)
    keys = ("query_type", "authors", "url", "description", "parameters", "trained_on")
    keys += ("training_clips_sha256", "checkpoint_sha256", "generative", "suite", "cost")
    (tmp_path / "system.yaml").write_text("name: x\n" + "".join(f"{key}:\n" for key in keys))
    assert predictions.read_system(tmp_path) == SystemFile(name="x")
    (tmp_path / "system.yaml").write_text("name: x\nsuite: {path: ~}\ncost: {device: ~}\n")
    assert predictions.read_system(tmp_path) == SystemFile(name="x")


def test_system_files_round_trip(tmp_path: Path) -> None:
    system = SystemFile(
        name="Ünet",
        trained_on=("esc50",),
        training_clips_sha256=("aa", "bb"),
        parameters=12,
        suite=SeparatedSuite(name="s", fingerprint="f", path="../s"),
        cost=Cost(device="cpu"),
        made_by=MadeBy(system="net.py", arguments={"a": "b"}, environments=({"python": "3"},)),
    )
    predictions.write_system(tmp_path, system)
    assert predictions.read_system(tmp_path) == system
    written = yaml.safe_load((tmp_path / "system.yaml").read_text())
    assert written["name"] == "Ünet"
    # Cards of systems that keep the waveform are what they were before there was this key.
    assert "generative" not in written
    remade = system.model_copy(update={"generative": True})
    predictions.write_system(tmp_path, remade)
    assert predictions.read_system(tmp_path) == remade


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("parameters: 1.5e6", "parameters", 1_500_000),
        ("parameters: 1_500_000", "parameters", 1_500_000),
        ("trained_on: AudioCaps", "trained_on", ("AudioCaps",)),
        ("trained_on: [DCASE, 2024]", "trained_on", ("DCASE", "2024")),
    ],
)
def test_a_card_as_people_write_it(tmp_path: Path, line: str, key: str, value: object) -> None:
    (tmp_path / "system.yaml").write_text(f"name: x\n{line}\n")
    assert getattr(predictions.read_system(tmp_path).card, key) == value


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("gone.yaml")])
def test_a_card_that_is_no_file_does_not_count_as_none(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "system.yaml")
    with pytest.raises(LassbenchError, match=r"system\.yaml: cannot be read"):
        predictions.read_system(tmp_path)
