"""ESC-50's layout: folds, validation, containers, captions, and its faults."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest
import soundfile as sf

from lassbench.corpora.base import check_clips
from lassbench.corpora.esc50 import CLASSES, Esc50Corpus
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.records import FileSource, MissingSource

HEADER = "filename,fold,target,category,esc10,src_file,take"


class Source:
    """A small folder in ESC-50's layout; the audio files are empty unless asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "audio").mkdir()
        (path / "meta").mkdir()
        self.rows: list[str] = []

    def add(
        self, name: str, fold: object, category: str, esc10: bool = True, suffix: str = ".wav"
    ) -> None:
        source, take = name.split("-")[1:3]
        self.rows.append(f"{name}.wav,{fold},0,{category},{esc10},{source},{take}")
        if suffix:
            (self.path / "audio" / f"{name}{suffix}").touch()

    def corpus(self, **how: object) -> Esc50Corpus:
        (self.path / "meta" / "esc50.csv").write_text("\n".join([HEADER, *self.rows]) + "\n")
        return Esc50Corpus(self.path, **how)  # type: ignore[arg-type]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def test_the_real_subset(shared: Path) -> None:
    corpus = Esc50Corpus(shared / "data" / "esc10", only_esc10=True)
    clips = corpus.clips()
    check_clips(clips)
    # 10 classes x 40, fold 5 (8 a class) tests, 4 a class validate.
    assert Counter(clip.split for clip in clips) == {"train": 280, "validation": 40, "test": 80}
    per_class = Counter((clip.split, clip.concept) for clip in clips)
    assert set(per_class.values()) == {28, 4, 8}
    assert all(clip.clip_id.startswith("5-") == (clip.split == "test") for clip in clips)
    dog = next(clip for clip in clips if clip.clip_id == "1-100032-A-0")
    assert dog.concept == "dog"
    assert dog.root == "Animal"
    assert dog.tags == ("dog",)
    assert dog.captions[0] == "someone's dog keeps barking"
    assert len(dog.captions) == 5
    assert dog.attribution == "rose_bark.wav by nfrae (CC0)"
    found = corpus.locate(dog)
    assert isinstance(found, FileSource)
    assert sf.info(found.path).samplerate == 44100
    assert not corpus.card.templated_captions


def test_no_recording_is_on_both_sides_of_training(shared: Path) -> None:
    clips = Esc50Corpus(shared / "data" / "esc10").clips()
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for clip in clips:
        sides[clip.clip_id.split("-")[1]].add(clip.split)
    assert all(len(splits) == 1 for splits in sides.values())


def test_recordings_go_to_validation_whole_and_across_classes(source: Source) -> None:
    # Recording 1 has three takes, one in another class; recordings 2 to 9 have one each.
    source.add("1-1-A-0", 1, "dog")
    source.add("1-1-B-0", 1, "dog")
    source.add("1-1-C-10", 1, "rain")
    for number in range(2, 10):
        source.add(f"2-{number}-A-0", 2, "dog")
        source.add(f"3-{number}0-A-10", 3, "rain")
    clips = source.corpus().clips()
    splits = {clip.split for clip in clips if clip.clip_id.startswith("1-1-")}
    assert len(splits) == 1
    counts = Counter(clip.concept for clip in clips if clip.split == "validation")
    assert counts["dog"] == 4
    assert counts["rain"] <= 4


def test_wav_ogg_and_flac_stand_in_for_each_other(source: Source) -> None:
    for name, suffix in (("1-1-A-0", ".wav"), ("1-2-A-0", ".ogg"), ("5-3-A-0", ".flac")):
        source.add(name, name[0], "dog", suffix=suffix)
    corpus = source.corpus()
    found = [corpus.locate(clip) for clip in corpus.clips()]
    assert {Path(place.path).suffix for place in found if isinstance(place, FileSource)} == {
        *(".wav", ".ogg", ".flac"),
    }


def test_audio_that_went_away_is_missing(source: Source) -> None:
    source.add("1-1-A-0", 1, "dog")
    corpus = source.corpus()
    clip = corpus.clips()[0]
    (source.path / "audio" / "1-1-A-0.wav").unlink()
    place = corpus.locate(clip)
    assert isinstance(place, MissingSource)
    assert place.kind == "missing"


def test_only_esc10_leaves_the_rest_out_and_unchecked(source: Source) -> None:
    source.add("1-1-A-0", 1, "dog")
    source.add("1-2-A-3", 1, "cow", esc10=False, suffix="")
    corpus = source.corpus(only_esc10=True)
    assert [clip.concept for clip in corpus.clips()] == ["dog"]
    assert (corpus.card.name, corpus.card.licence) == ("esc10", "CC-BY-3.0")
    assert source.corpus().card.licence == "CC-BY-NC-3.0"


def test_captions_are_templated_and_said_to_be_without_a_file(source: Source) -> None:
    source.add("1-1-A-20", 1, "crying_baby")
    corpus = source.corpus()
    assert corpus.clips()[0].captions[0] == "the sound of a crying baby"
    assert corpus.card.templated_captions
    assert "templates" in corpus.card.notes


def test_captions_come_in_the_order_of_their_index(source: Source) -> None:
    source.add("1-1-A-0", 1, "dog")
    (source.path / "meta" / "captions.csv").write_text(
        "filename,caption_index,caption\n1-1-A-0.ogg,1,second\n1-1-A-0.ogg,0,first\n"
    )
    assert source.corpus().clips()[0].captions == ("first", "second")


def test_every_fault_is_listed_in_one_pass(source: Source) -> None:
    source.add("1-1-A-0", 1, "dog")
    source.add("1-1-A-0", 1, "dog")
    source.add("1-2-A-0", 6, "dog")
    source.add("1-3-A-0", 2, "dgo")
    source.add("1-4-A-0", 2, "dog", suffix="")
    source.rows.append("../1-5-A-0.wav,1,0,dog,True,5,A")
    table = source.path / "meta" / "esc50.csv"
    with pytest.raises(FaultsError) as caught:
        source.corpus().clips()
    assert [
        (fault.kind, fault.where.removeprefix(f"{table}:")) for fault in caught.value.faults
    ] == [
        ("duplicate", "3"),
        ("fold", "4"),
        ("class", "5"),
        ("missing", "6"),
        ("file-name", "7"),
    ]
    assert "did you mean 'dog'" in str(caught.value)


def test_captions_of_nothing_and_clips_without_a_caption_are_listed(source: Source) -> None:
    source.add("1-1-A-0", 1, "dog")
    source.add("1-2-A-0", 1, "dog")
    (source.path / "meta" / "captions.csv").write_text(
        "filename,caption_index,caption\n1-1-A-0.wav,0,\n1-9-A-0.wav,0,x\n1-2-A-0.wav,one,y\n"
    )
    with pytest.raises(FaultsError) as caught:
        source.corpus().clips()
    reasons = [fault.reason for fault in caught.value.faults]
    assert "the caption is empty" in reasons
    assert any("'1-9-A-0.wav' is not in esc50.csv" in reason for reason in reasons)
    assert any("caption_index is 'one'" in reason for reason in reasons)
    assert "no caption of 1-1-A-0" in reasons


def test_unknown_columns_are_passed_over_and_missing_ones_are_not(source: Source) -> None:
    source.add("1-1-A-0", 1, "dog")
    corpus = source.corpus()
    table = source.path / "meta" / "esc50.csv"
    table.write_text("mood,filename,fold,category\ncalm,1-1-A-0.wav,1,dog\n")
    assert len(corpus.clips()) == 1
    table.write_text("filename,category\n1-1-A-0.wav,dog\n")
    with pytest.raises(LassbenchError, match="lacks the column fold"):
        corpus.clips()


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        Esc50Corpus(tmp_path / "gone").clips()


def test_fifty_classes_with_audioset_roots(shared: Path) -> None:
    import json

    assert len(CLASSES) == 50
    ontology = json.loads((shared / "data" / "audioset" / "ontology.json").read_text())
    children = {child for entry in ontology for child in entry["child_ids"]}
    roots = {entry["name"] for entry in ontology if entry["id"] not in children}
    assert {root for root, _ in CLASSES.values()} <= roots
