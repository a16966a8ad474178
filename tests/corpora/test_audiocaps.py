"""The AudioCaps corpus: frozen clips joined with captions, from folders or from tags."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench.benchmark import manifests
from lassbench.benchmark.metadata import MetadataSource, load_metadata
from lassbench.benchmark.selection import read_definition
from lassbench.cli import run
from lassbench.corpora import open_corpus
from lassbench.corpora.audio_folders import AudioFolders, SyntheticAudio
from lassbench.corpora.audiocaps import AudioCapsCorpus
from lassbench.corpora.base import check_clips
from lassbench.dataset import open_dataset
from lassbench.errors import FaultsError, UsageError
from lassbench.records import FileSource, MissingSource, RenderedSource
from lassbench.suites.suite import load_suite
from tests.small_metadata import CONCEPTS, SmallMetadata, small_source, video

#: The small world at a rate and length that builds in no time.
SMALL = CONCEPTS + "sample_rate_hz: 8000\nclip_seconds: 1.0\n"


@pytest.fixture
def small(tmp_path: Path) -> AudioCapsCorpus:
    """A corpus of the small world, with the metadata in ``tmp_path``."""
    path = tmp_path / "concepts.yaml"
    path.write_text(SMALL)
    definition = read_definition(path)
    source = small_source(tmp_path / "metadata")
    manifests.write(manifests.build(definition, load_metadata(source)), tmp_path / "small")
    return AudioCapsCorpus(
        str(tmp_path / "small"), audio_sources=(SyntheticAudio(),), metadata=source
    )


def test_clips_are_the_frozen_ones_with_their_captions(small: AudioCapsCorpus) -> None:
    clips = small.clips()
    check_clips(clips)
    world = {f"Y{clip.youtube_id}": clip for clip in SmallMetadata().clips}
    assert len(clips) == 18
    assert [c.split for c in clips] == sorted(
        (c.split for c in clips), key=["train", "validation", "test"].index
    )
    for clip in clips:
        captions = sorted(world[clip.clip_id].captions)
        assert clip.captions == tuple(text for _, text in captions)
        assert clip.end_s - clip.start_s == 10.0
        assert clip.root in {"Animal", "Natural sounds", "Sounds of things"}
    assert pickle.loads(pickle.dumps(small)).clips() == clips


def test_a_new_caption_of_another_version_does_not_become_the_query(
    small: AudioCapsCorpus,
) -> None:
    before = {clip.clip_id: clip.captions for clip in small.clips()}
    world = SmallMetadata()
    world.clips[0].captions.append((1, "a new caption with a smaller id"))
    world.write(Path(small.metadata.place))
    after = {clip.clip_id: clip.captions for clip in small.clips()}
    youtube_id = f"Y{world.clips[0].youtube_id}"
    assert after[youtube_id] == (*before[youtube_id], "a new caption with a smaller id")


def test_audiocaps_2_is_read_from_its_own_files(small: AudioCapsCorpus) -> None:
    folder = Path(small.metadata.place)
    (folder / "audiocaps2").mkdir()
    for split in ("train", "val", "test"):
        text = (folder / "audiocaps" / f"{split}.csv").read_text()
        (folder / "audiocaps2" / f"{split}.csv").write_text(text.replace("phrased", "PHRASED"))
    second = AudioCapsCorpus(small.manifest, small.audio_sources, "audiocaps", small.metadata, 2)
    assert all("PHRASED" in clip.captions[0] for clip in second.clips())
    assert "AudioCaps 2.0" in second.card.notes
    assert second.settings != small.settings


def spoil(folder: Path, old: str, new: str, split: str = "train") -> Path:
    path = folder / "audiocaps" / f"{split}.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_captions_that_do_not_fit_the_lists_are_named(small: AudioCapsCorpus) -> None:
    folder = Path(small.metadata.place)
    spoil(folder, f"{video('dog', 0)},0,", f"{video('dog', 0)},7,")
    spoil(folder, f"{video('rain', 1)},30,", f"{video('elsewhere', 1)},30,")
    spoil(folder, "231,", "77231,")
    with pytest.raises(FaultsError, match="does not fit benchmark small") as caught:
        small.clips()
    found = {fault.kind: fault for fault in caught.value.faults}
    assert found["wrong start time"].where.endswith("train.csv:2")
    reasons = " ".join(fault.reason for fault in caught.value.faults)
    assert "have no such clip" in reasons and "lacks the caption with audiocap_id 231" in reasons


def test_the_card_tells_recordings_from_renderings(small: AudioCapsCorpus, tmp_path: Path) -> None:
    card = small.card
    assert card.synthetic and card.audio_may_be_published and card.name == "small-synthetic"
    assert (card.sample_rate_hz, card.clip_seconds) == (8000, 1.0)
    real = AudioCapsCorpus(
        small.manifest, (AudioFolders((str(tmp_path),)),), metadata=small.metadata
    ).card
    assert not real.synthetic and not real.audio_may_be_published and real.name == "small"
    assert "uploaders'" in real.licence and real.benchmark == small.manifest


def test_audio_comes_from_the_first_source_that_has_it(
    small: AudioCapsCorpus, tmp_path: Path
) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.mkdir()
    full.mkdir()
    clip = small.clips()[0]
    path = full / f"{clip.clip_id}.wav"
    sf.write(path, np.full(8000 * 10, 0.1), 8000)
    sources = (AudioFolders((str(empty),)), AudioFolders((str(full),)))
    corpus = AudioCapsCorpus(small.manifest, sources, metadata=small.metadata)
    assert corpus.locate(clip) == FileSource(str(path), end_s=10.0)
    other = small.clips()[1]
    assert isinstance(corpus.locate(other), MissingSource)
    nowhere = AudioCapsCorpus(small.manifest, (), metadata=small.metadata).locate(clip)
    assert nowhere == MissingSource("missing", "no place to look for audio was given")


def test_two_files_for_one_clip_stop_the_build(small: AudioCapsCorpus, tmp_path: Path) -> None:
    clip = small.clips()[0]
    folder = tmp_path / "audio"
    for name in (f"{clip.clip_id}.wav", f"x/{clip.youtube_id}.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sf.write(folder / name, np.full(80000, 0.1), 8000)
    corpus = AudioCapsCorpus(
        small.manifest, (AudioFolders((str(folder),)),), metadata=small.metadata
    )
    with pytest.raises(FaultsError, match="two files for one clip"):
        corpus.clips()


# --- options ----------------------------------------------------------------


def test_synthetic_audio_alone_needs_no_download() -> None:
    corpus = open_corpus("audiocaps", {"audio": "synthetic"})
    assert isinstance(corpus, AudioCapsCorpus) and corpus.captions == "templated"
    assert corpus.card.templated_captions and corpus.card.benchmark == manifests.LASS_2022
    clips = corpus.clips()
    assert len(clips) == 6264
    assert all(len(clip.captions) == 5 for clip in clips)
    assert corpus.locate(clips[0]) == RenderedSource(
        clips[0].concept, clips[0].youtube_id, clips[0].tags
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "say where the audio is"),
        ({"audio": "synthetic", "audio_dir": ("x",)}, "say where the audio is"),
        ({"audio_dir": ("x",), "captions": "templated"}, "describe synthetic clips only"),
        ({"audio": "synthetic", "manifest": "lass"}, "no such benchmark"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_corpus("audiocaps", options)


# --- the whole way ----------------------------------------------------------


def test_from_folders_to_suites_with_clips_missing(small: AudioCapsCorpus, tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    folder.mkdir()
    rng = np.random.default_rng(0)
    clips = small.clips()
    gone = next(clip for clip in clips if clip.split == "test")
    short = next(clip for clip in clips if clip.split == "train")
    for clip in clips:
        if clip is not gone:
            seconds = 3 if clip is short else 10
            noise = rng.uniform(-0.5, 0.5, 8000 * seconds)
            sf.write(folder / f"{clip.clip_id}.wav", noise, 8000)
    out = tmp_path / "dataset"
    command = ["build-dataset", str(out), "--corpus", "audiocaps", "--audio-dir", str(folder)]
    command += ["--manifest", small.manifest, "--metadata-dir", small.metadata.place]
    assert run([*command, "--unverified-metadata", "--workers", "1"]) == 0
    dataset = open_dataset(out)
    assert len(dataset.clips) == 16
    assert {fault.kind for fault in dataset.missing.values()} == {"missing", "wrong length"}
    for suite in ("small-test", "small-absent"):
        assert run(["freeze", str(out), "--suite", suite, "--no-audio", "--workers", "1"]) == 0
    test = load_suite(out / "suites" / "small-test")
    touched = [m for m in test.mixtures.values() if gone.clip_id in (m.target_id, m.noise_id)]
    # The list is whole; what this machine cannot render is known.
    assert len(test.mixtures) == len(test.queries) == 12
    assert set(test.missing) == {mixture.mixture_id for mixture in touched} != set()
    texts = {test.mixtures[q.mixture_id].target_id: q.text for q in test.queries.values()}
    assert texts[gone.clip_id] == gone.captions[0]
    absent = load_suite(out / "suites" / "small-absent")
    assert absent.kind == "absent" and {q.expects for q in absent.queries.values()} == {"silence"}


def test_metadata_that_were_changed_are_refused_by_the_build(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "val", "test"):
        (tmp_path / f"m/audiocaps/{split}.csv").parent.mkdir(parents=True, exist_ok=True)
        text = (shared / "data" / "audiocaps" / f"{split}.csv").read_bytes()
        (tmp_path / f"m/audiocaps/{split}.csv").write_bytes(text.replace(b"talks", b"walks"))
    command = ["build-dataset", str(tmp_path / "out"), "--corpus", "audiocaps"]
    command += ["--audio", "synthetic", "--metadata-dir", str(tmp_path / "m"), "--workers", "1"]
    assert run(command) == 1
    message = capsys.readouterr().err
    assert "is not the published train.csv" in message
    assert "expected: SHA-256 c0c5223d" in message
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_real_captions_join_every_clip(shared: Path) -> None:
    source = MetadataSource(str(shared / "data"))
    corpus = AudioCapsCorpus(audio_sources=(SyntheticAudio(),), metadata=source)
    clips = {clip.clip_id: clip for clip in corpus.clips()}
    assert len(clips) == 6264
    mixtures, queries = manifests.suite_lists(corpus.benchmark, "lass-test", clips)
    assert len(mixtures) == len(queries) == 1000
    assert len({query.text for query in queries}) > 150
