"""Bring your own recordings: columns, ids, splits, cards, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench.corpora import open_corpus
from lassbench.corpora.base import check_clips
from lassbench.corpora.folder import FolderCorpus
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.records import FileSource


def make(folder: Path, table: str, *files: str) -> FolderCorpus:
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "metadata.csv").write_text(table)
    return FolderCorpus(folder, folder / "metadata.csv")


def test_the_columns_of_the_documentation(tmp_path: Path) -> None:
    corpus = make(
        tmp_path,
        "file,captions,concept,tags,split,root,attribution,start_s,end_s\n"
        'dogs/rex.wav,a dog barks | Rex is loud,dog,"dog; loud",val,Animal,Jo (CC0),1.5,4\n'
        "rain.ogg,rain,rain,,test,,,,\n",
        "dogs/rex.wav",
        "rain.ogg",
    )
    clips = corpus.clips()
    check_clips(clips)
    rex, rain = clips
    assert rex.split == "validation"
    assert rex.captions == ("a dog barks", "Rex is loud")
    assert rex.tags == ("dog", "loud")
    assert (rex.concept, rex.root, rex.attribution) == ("dog", "Animal", "Jo (CC0)")
    assert corpus.locate(rex) == FileSource(str(tmp_path / "dogs/rex.wav"), 1.5, 4.0)
    assert (rain.clip_id, rain.tags, rain.split) == ("rain", ("rain",), "test")
    assert corpus.locate(rain) == FileSource(str(tmp_path / "rain.ogg"))


def test_numbered_captions_and_the_first_tag_as_concept(tmp_path: Path) -> None:
    corpus = make(
        tmp_path,
        "file_name,caption_2,caption_10,caption_1,tags\na.wav,two,ten,one,bell; church\n",
        "a.wav",
    )
    (clip,) = corpus.clips()
    assert clip.captions == ("one", "two", "ten")
    assert clip.concept == "bell"


def test_ids_are_safe_and_tell_paths_apart(tmp_path: Path) -> None:
    names = ["a b.wav", "a_b.wav", "x/é.wav", "x-é.wav", "ü.wav", "-dash.wav"]
    table = "file,caption,concept,split\n" + "".join(f"{name},c,k,train\n" for name in names)
    clips = make(tmp_path, table, *names).clips()
    check_clips(clips)
    ids = {clip.clip_id for clip in clips}
    assert len(ids) == len(names)
    assert "a_b" in ids


def test_parts_of_one_file_are_clips_of_their_own(tmp_path: Path) -> None:
    table = "file,caption,concept,start_s,end_s\nl.wav,c,k,0,10\nl.wav,c,k,10,20\n"
    clips = make(tmp_path, table, "l.wav").clips()
    assert sorted(clip.clip_id for clip in clips) == ["l", "l-10000ms"]


def test_without_a_split_each_concept_is_divided_by_hash(tmp_path: Path) -> None:
    names = [f"{concept}{n}.wav" for concept in ("dog", "cat") for n in range(20)]
    rows = "".join(f"{name},c,{name[:3]}\n" for name in names)
    corpus = make(tmp_path, "file,caption,concept\n" + rows, *names)
    counts = Counter((clip.concept, clip.split) for clip in corpus.clips())
    for concept in ("dog", "cat"):
        assert counts[concept, "test"] == 4
        assert counts[concept, "validation"] == 2
        assert counts[concept, "train"] == 14
    # The order of the rows does not matter.
    again = "".join(f"{name},c,{name[:3]}\n" for name in reversed(names))
    assert make(tmp_path, "file,caption,concept\n" + again).clips() == corpus.clips()


def test_every_fault_is_listed_in_one_pass(tmp_path: Path) -> None:
    table = (
        "id,file,captions,concept,tags,split,start_s,end_s\n"
        ",/etc/passwd,c,k,,train,,\n"
        ",../up.wav,c,k,,train,,\n"
        ",gone.wav,c,k,,train,,\n"
        ",a.wav,|,k,,train,,\n"
        ",a.wav,c,,,train,,\n"
        ",a.wav,c,k,,trian,,\n"
        "../x,a.wav,c,k,,train,,\n"
        ",a.wav,c,k,,train,x,\n"
        ",a.wav,c,k,,train,2,1\n"
        ",a.wav,c,k,,train,nan,\n"
    )
    corpus = make(tmp_path, table, "a.wav")
    with pytest.raises(FaultsError) as caught:
        corpus.clips()
    assert [(fault.kind, fault.where.rsplit(":", 1)[1]) for fault in caught.value.faults] == [
        ("path", "2"),
        ("path", "3"),
        ("missing", "4"),
        ("caption", "5"),
        ("concept", "6"),
        ("split", "7"),
        ("id", "8"),
        ("time", "9"),
        ("time", "10"),
        ("time", "11"),
    ]
    assert "did you mean 'train'" in str(caught.value)


def test_two_rows_for_one_clip_are_refused(tmp_path: Path) -> None:
    corpus = make(tmp_path, "file,caption,concept\na.wav,c,k\nA.flac,c,k\n", "a.wav", "A.flac")
    with pytest.raises(FaultsError, match=r"metadata.csv:3: gives the id A, as .*csv:2 does"):
        corpus.clips()


def test_a_folder_without_a_table_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no table of the clips"):
        open_corpus("folder", {"source": tmp_path})


def test_a_table_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    sf.write(tmp_path / "audio" / "a.wav", np.zeros(10), 8000)
    (tmp_path / "list.csv").write_text("file,caption,concept\na.wav,c,k\n")
    options = {"source": tmp_path / "audio", "csv": tmp_path / "list.csv", "seconds": 2.0}
    corpus = open_corpus("folder", options)
    assert [clip.clip_id for clip in corpus.clips()] == ["a"]
    assert corpus.card.clip_seconds == 2.0
    assert corpus.card.sample_rate_hz == 32000


def test_the_card_says_what_it_is_told(tmp_path: Path) -> None:
    corpus = make(tmp_path, "file,caption,concept\na.wav,c,k\n", "a.wav")
    assert not corpus.card.audio_may_be_published
    assert corpus.card.licence == "not stated"
    (tmp_path / "card.yaml").write_text(
        "name: birds\ntitle: Birds of here\nlicence: CC0-1.0\nsample_rate_hz: 16000\n"
        "clip_seconds: 3\naudio_may_be_published: true\n"
    )
    card = corpus.card
    assert (card.name, card.licence, card.sample_rate_hz) == ("birds", "CC0-1.0", 16000)
    assert card.audio_may_be_published
    assert card.clip_samples == 48000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nmae: x\n", "did you mean 'name'"),
        ("sample_rate_hz: fast\n", "yaml:1: sample_rate_hz must be a whole number, got 'fast'"),
        ("sample_rate_hz: true\n", "yaml:1: sample_rate_hz must be a whole number, got true"),
        ("- a\n", "must be a section of keys"),
        ("a: [\n", "not valid YAML"),
        ("sample_rate_hz: 5\n", "must be at least 1000, got 5"),
        ("clip_seconds: .inf\n", "clip_seconds must be"),
        ("title: x\nname: ../../../x\n", "yaml:2: name: '../../../x' may have letters"),
        ("name: a/b\n", "name: 'a/b' may have letters"),
        ("name: ..\n", r"name: '\.\.' may have letters"),
        ("name: ''\n", "name: '' is empty"),
        ("homepage: javascript:alert(1)\n", "is not an http or https address"),
        ("homepage: example.org\n", "is not an http or https address"),
        ("audio_may_be_published: 1\n", "must be true or false, got 1"),
        ("licence:\n", "licence must be text, got nothing"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    corpus = make(tmp_path, "file,caption,concept\na.wav,c,k\n", "a.wav")
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(LassbenchError, match=message):
        _ = corpus.card


def test_forms_that_spreadsheets_give(tmp_path: Path) -> None:
    text = 'file,caption_2,Caption_1,concept\na.wav,"two\nlines",one\tmore,k\n'
    assert make(tmp_path, text, "a.wav").clips()[0].captions == ("one more", "two lines")


@pytest.mark.parametrize(
    ("columns", "cells", "words"),
    [
        ("start_s", "1e308", "start_s is '1e308', expected seconds"),
        ("end_s", "inf", "end_s is 'inf', expected seconds"),
        (f"caption_{'9' * 5000}", "x", ""),
    ],
)
def test_numbers_beyond_all_measure(tmp_path: Path, columns: str, cells: str, words: str) -> None:
    corpus = make(tmp_path, f"file,caption,concept,{columns}\na.wav,c,k,{cells}\n", "a.wav")
    if not words:  # a column that nobody asked for
        assert corpus.clips()[0].captions == ("c",)
        return
    with pytest.raises(FaultsError, match=words):
        corpus.clips()


def test_a_tag_written_twice_is_one(tmp_path: Path) -> None:
    corpus = make(tmp_path, "file,caption,tags\na.wav,c,dog; bark;dog\n", "a.wav")
    assert corpus.clips()[0].tags == ("dog", "bark")
