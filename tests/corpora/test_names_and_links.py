"""Corpora on disks as they are: names in either Unicode form, links into and out of a folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench import audio
from lassbench.benchmark import manifests
from lassbench.benchmark.metadata import load_metadata
from lassbench.benchmark.selection import read_definition
from lassbench.corpora.audio_folders import AudioFolders
from lassbench.corpora.audiocaps import AudioCapsCorpus
from lassbench.corpora.base import Corpus
from lassbench.corpora.esc50 import Esc50Corpus
from lassbench.corpora.folder import FolderCorpus
from lassbench.dataset import open_dataset
from lassbench.dataset.build import build
from lassbench.errors import FaultsError, UsageError
from lassbench.records import FileSource
from tests.small_metadata import CONCEPTS, small_source

RATE = 8000


def sound(path: Path, number: int, seconds: float = 0.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(number).uniform(-0.3, 0.3, round(seconds * RATE))
    sf.write(path, samples, RATE)


@dataclass(frozen=True)
class Place:
    """A corpus of three clips in ``root``: their audio, and the corpus of the same at any place."""

    root: Path
    files: tuple[Path, ...]
    corpus: Callable[[Path], Corpus]


def folder_place(tmp_path: Path) -> Place:
    root = tmp_path / "source"
    files = tuple(root / "deep" / f"{number}.wav" for number in range(3))
    for number, path in enumerate(files):
        sound(path, number)
    rows = "".join(f"deep/{path.name},a dog,dog,train\n" for path in files)
    (root / "metadata.csv").write_text("file,captions,concept,split\n" + rows)
    return Place(root, files, lambda at: FolderCorpus(at, at / "metadata.csv", RATE, 0.5))


def esc50_place(tmp_path: Path) -> Place:
    root = tmp_path / "source"
    files = tuple(root / "audio" / f"{fold}-7{fold}-A-0.ogg" for fold in (1, 2, 5))
    for number, path in enumerate(files):
        sound(path, number)
    (root / "meta").mkdir()
    rows = "".join(f"{path.stem}.wav,{path.name[0]},dog\n" for path in files)
    (root / "meta" / "esc50.csv").write_text("filename,fold,category\n" + rows)
    return Place(root, files, lambda at: Esc50Corpus(at, False, RATE, 0.5))


def audiocaps_place(tmp_path: Path) -> Place:
    (tmp_path / "concepts.yaml").write_text(CONCEPTS + "sample_rate_hz: 8000\nclip_seconds: 1.0\n")
    definition = read_definition(tmp_path / "concepts.yaml")
    metadata = small_source(tmp_path / "metadata")
    benchmark = manifests.build(definition, load_metadata(metadata))
    manifests.write(benchmark, tmp_path / "small")
    manifest, root = str(tmp_path / "small"), tmp_path / "source"
    corpus = AudioCapsCorpus(manifest, metadata=metadata)
    files = tuple(root / "deep" / f"{clip.clip_id}.wav" for clip in corpus.clips()[:3])
    for number, path in enumerate(files):
        sound(path, number, 10.0)
    return Place(
        root,
        files,
        lambda at: AudioCapsCorpus(manifest, (AudioFolders((str(at),)),), metadata=metadata),
    )


@pytest.fixture(params=[folder_place, esc50_place, audiocaps_place])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    made: Place = request.param(tmp_path)
    return made


# Links --------------------------------------------------------------------------


def test_a_file_that_is_a_link_out_of_the_folder_is_counted(place: Place, tmp_path: Path) -> None:
    real = tmp_path / "private" / "voice.wav"
    real.parent.mkdir()
    place.files[1].rename(real)
    place.files[1].symlink_to(real)
    report = build(place.corpus(place.root), tmp_path / "out")
    assert report.clips == 3
    assert report.linked == {str(place.files[1]): str(real)}
    # It is told again by the build that goes on, which takes the packed clip.
    assert build(place.corpus(place.root), tmp_path / "out").linked == report.linked


def test_files_in_a_folder_that_is_a_link_are_counted(place: Place, tmp_path: Path) -> None:
    below = place.files[0].parent
    below.rename(tmp_path / "elsewhere")
    below.symlink_to("../elsewhere", target_is_directory=True)
    report = build(place.corpus(place.root), tmp_path / "out")
    assert report.clips == 3
    assert report.linked == {
        str(path): str(tmp_path / "elsewhere" / path.name) for path in place.files
    }


def test_links_that_stay_and_a_source_that_is_one_are_not(place: Place, tmp_path: Path) -> None:
    (place.root / "store").mkdir()
    kept = place.root / "store" / "one"
    place.files[0].rename(kept)
    place.files[0].symlink_to("../store/one")
    (tmp_path / "named").symlink_to(place.root, target_is_directory=True)
    report = build(place.corpus(tmp_path / "named"), tmp_path / "out")
    assert (report.clips, report.linked) == (3, {})


def test_a_link_that_leads_nowhere_is_missing_audio(place: Place, tmp_path: Path) -> None:
    place.files[2].unlink()
    place.files[2].symlink_to(".git/annex/objects/x.wav")
    try:
        faults = build(place.corpus(place.root), tmp_path / "out").rejected
    except FaultsError as error:
        faults = error.faults
    told = [fault.reason for fault in faults if fault.kind == "missing"]
    words = f"{place.files[2].name} is a link that leads nowhere: to .git/annex/objects/x.wav"
    assert [words in reason for reason in told].count(True) == 1


def test_a_folder_that_is_a_link_to_nowhere_is_told_for_its_files(tmp_path: Path) -> None:
    place = folder_place(tmp_path)
    below = place.files[0].parent
    below.rename(tmp_path / "elsewhere")
    below.symlink_to("gone", target_is_directory=True)
    with pytest.raises(FaultsError) as caught:
        place.corpus(place.root).clips()
    assert [(fault.kind, fault.where.rsplit(":", 1)[1]) for fault in caught.value.faults] == [
        *(("missing", "2"), ("missing", "3"), ("missing", "4")),
    ]
    assert "deep is a link that leads nowhere: to gone" in str(caught.value)
    (tmp_path / "away").symlink_to("gone")
    with pytest.raises(UsageError, match="away is a link that leads nowhere: to gone"):
        place.corpus(tmp_path / "away").clips()


# Unicode ------------------------------------------------------------------------

FORMS = ["NFC", "NFD"]


@pytest.mark.parametrize("listed", FORMS)
@pytest.mark.parametrize("on_disk", FORMS)
def test_a_folders_files_and_ids_do_not_depend_on_the_form(
    tmp_path: Path, listed: str, on_disk: str
) -> None:
    root = tmp_path / "source"
    name = "Geräusche/Käuzchen, ganz früh.wav"
    sound(root / unicodedata.normalize(on_disk, name), 1)
    table = f'file,captions,concept\n"{name}",an owl,owl\n'
    (root / "metadata.csv").write_text(unicodedata.normalize(listed, table))
    report = build(FolderCorpus(root, root / "metadata.csv", RATE, 0.5), tmp_path / "out")
    assert (report.clips, report.rejected) == (1, ())
    (clip_id,) = open_dataset(tmp_path / "out").clips
    # As it was for names in NFC before either form was read.
    assert clip_id == "Ger_usche-K_uzchen__ganz_fr_h-7cfde60c"


def test_ids_of_plain_paths_stay_what_they_are(tmp_path: Path) -> None:
    for name in ("x/a b.wav", "plain.wav"):
        sound(tmp_path / name, 1)
    (tmp_path / "metadata.csv").write_text("file,captions,concept\nx/a b.wav,c,k\nplain.wav,c,k\n")
    clips = FolderCorpus(tmp_path, tmp_path / "metadata.csv").clips()
    assert {clip.clip_id for clip in clips} == {"plain", "x-a_b-92f5ff98"}


def test_two_rows_that_differ_in_form_alone_are_one_file(tmp_path: Path) -> None:
    sound(tmp_path / "é.wav", 1)
    rows = "".join(f"{unicodedata.normalize(form, 'é')}.wav,c,k\n" for form in FORMS)
    (tmp_path / "metadata.csv").write_text("file,captions,concept\n" + rows)
    with pytest.raises(FaultsError, match=r"metadata\.csv:3: gives the id .*metadata\.csv:2 does"):
        FolderCorpus(tmp_path, tmp_path / "metadata.csv").clips()


@pytest.mark.parametrize("listed", FORMS)
@pytest.mark.parametrize("on_disk", FORMS)
def test_esc50s_tables_and_disk_may_differ_in_form(
    tmp_path: Path, listed: str, on_disk: str
) -> None:
    stem = "1-7é-A-0"
    sound(tmp_path / "audio" / f"{unicodedata.normalize(on_disk, stem)}.flac", 1)
    (tmp_path / "meta").mkdir()
    texts = {
        "esc50": (listed, f"filename,fold,category\n{stem}.wav,1,dog\n"),
        "captions": (on_disk, f"filename,caption_index,caption\n{stem}.wav,0,a dog barks\n"),
        "attribution": (on_disk, f"filename,author,license\n{stem}.wav,Jo,CC0\n"),
    }
    for name, (form, text) in texts.items():
        (tmp_path / "meta" / f"{name}.csv").write_text(unicodedata.normalize(form, text))
    corpus = Esc50Corpus(tmp_path)
    (clip,) = corpus.clips()
    assert clip.clip_id == stem
    assert (clip.captions, clip.attribution) == (("a dog barks",), "by Jo (CC0)")
    found = corpus.locate(clip)
    assert isinstance(found, FileSource)
    heard = audio.decode(found.path)
    assert (heard.samples.size, heard.rate) == (RATE // 2, RATE)
