"""Every list that people bring is read in whatever form it was saved, or clearly refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lassbench.annotate import exchange
from lassbench.annotate.campaign import plan_campaign
from lassbench.benchmark import manifests
from lassbench.benchmark.manifests import SUMS, open_benchmark, suite_lists
from lassbench.benchmark.metadata import load_metadata
from lassbench.benchmark.selection import read_definition
from lassbench.corpora.audio_folders import SyntheticAudio
from lassbench.corpora.audiocaps import AudioCapsCorpus
from lassbench.corpora.esc50 import Esc50Corpus
from lassbench.corpora.folder import FolderCorpus
from lassbench.dataset import Dataset
from lassbench.errors import LassbenchError
from lassbench.fetch.lists import read_list as read_fetch_list
from lassbench.files import sha256_file
from lassbench.suites.lists_of_others import read_list
from tests.small_metadata import CONCEPTS, small_source


@dataclass(frozen=True)
class Brought:
    """A list in its plain form, where it lies, and the public function that reads it."""

    path: Path
    read: Callable[[], object]

    def save(self, data: bytes) -> object:
        self.path.write_bytes(data)
        return self.read()


def folder_corpus(root: Path) -> Brought:
    for name in ("a b.wav", "c.wav"):
        (root / name).touch()
    path = root / "metadata.csv"
    path.write_text(
        "file,captions,concept,tags,split,start_s\n"
        'a b.wav,"a dog, barking | loud",dog,"dog; loud",train,\n'
        "c.wav,rain,rain,rain,test,1.5\n"
    )
    corpus = FolderCorpus(root, path)
    return Brought(
        path,
        # A new one each time: a corpus reads its table once.
        lambda: [(clip, corpus.locate(clip)) for clip in replace(corpus).clips()],
    )


def esc50(root: Path) -> Brought:
    for folder in ("audio", "meta"):
        (root / folder).mkdir()
    path = root / "meta" / "esc50.csv"
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in (1, 5):
        (root / "audio" / f"{fold}-7{fold}-A-0.wav").touch()
        rows.append(f"{fold}-7{fold}-A-0.wav,{fold},0,dog,True,7{fold},A")
    path.write_text("\n".join(rows) + "\n")
    return Brought(path, lambda: Esc50Corpus(root, only_esc10=True).clips())


def foreign_list(root: Path) -> Brought:
    path = root / "clotho_eval.csv"
    path.write_text(
        "idx,caption,src_wav,noise_wav1,noise_wav1\n"
        '0,"Birds, far away.",birds.wav,"Cruise - outside, night.wav",rain.wav\n'
        "1,Popcorn.,Popcorn Popping.wav,one.wav,two.wav\n"
    )
    return Brought(path, lambda: read_list(path, "audiosep-clotho"))


def fetch_list(root: Path) -> Brought:
    path = root / "wanted.csv"
    path.write_text(
        "youtube_id,start,end,split,caption\n"
        'abcdefghij0,30,40,test,"a dog, barking"\nabcdefghij1,0,10,train,rain\n'
    )
    return Brought(path, lambda: read_fetch_list(path))


def annotators(root: Path, dataset: Dataset) -> Brought:
    campaign = plan_campaign(dataset)
    one, two = campaign.clips[:2]
    path = root / "words.csv"
    path.write_text(
        "annotator,clip_id,description,state,description_source\n"
        f'a1,{one},"  half a sentence, with its spaces ",draft,annotator\n'
        f"a2,{two},Somebody hears a low hum in the hall,done,annotator\n"
    )
    return Brought(path, lambda: exchange.read_csv(path, campaign))


def small_benchmark(root: Path) -> AudioCapsCorpus:
    (root / "concepts.yaml").write_text(CONCEPTS)
    definition = read_definition(root / "concepts.yaml")
    source = small_source(root / "metadata")
    manifests.write(manifests.build(definition, load_metadata(source)), root / "small")
    return AudioCapsCorpus(str(root / "small"), (SyntheticAudio(),), metadata=source)


def captions(root: Path) -> Brought:
    corpus = small_benchmark(root)
    return Brought(root / "metadata" / "audiocaps" / "val.csv", corpus.clips)


def frozen(root: Path, name: str, read: Callable[[], object]) -> Brought:
    """A list of a benchmark, whose sums are made anew: what is hashed is another matter."""

    def summed() -> object:
        names = sorted(path.name for path in (root / "small").iterdir() if path.name != SUMS)
        lines = [f"{sha256_file(root / 'small' / name)}  {name}\n" for name in names]
        (root / "small" / SUMS).write_text("".join(lines))
        return read()

    return Brought(root / "small" / name, summed)


def manifest_list(root: Path) -> Brought:
    small_benchmark(root)
    return frozen(root, "test.csv", lambda: open_benchmark(root / "small").clips)


def manifest_suite(root: Path) -> Brought:
    clips = {clip.clip_id: clip for clip in small_benchmark(root).clips()}
    name = "small-test"
    return frozen(
        root, f"{name}.csv", lambda: suite_lists(open_benchmark(root / "small"), name, clips)
    )


KINDS = {
    "folder": folder_corpus,
    "esc50": esc50,
    "foreign list": foreign_list,
    "list to fetch": fetch_list,
    "captions": captions,
    "manifest": manifest_list,
    "manifest's suite": manifest_suite,
}


@pytest.fixture(params=[*KINDS, "annotators"])
def brought(request: pytest.FixtureRequest, tmp_path: Path, tiny_dataset: Dataset) -> Brought:
    if request.param == "annotators":
        return annotators(tmp_path, tiny_dataset)
    return KINDS[request.param](tmp_path)


def separated(text: str, by: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=by).writerows(csv.reader(io.StringIO(text)))
    return out.getvalue().encode()


def with_capitals(text: str) -> bytes:
    header, rest = text.split("\n", 1)
    return f"{header.title()}\n{rest}".encode()


FORMS: dict[str, Callable[[str], bytes]] = {
    "byte-order mark": lambda text: text.encode("utf-8-sig"),
    "Windows lines": lambda text: text.replace("\n", "\r\n").encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "semicolons": lambda text: separated(text, ";"),
    "tabs": lambda text: separated(text, "\t"),
    "Excel's": lambda text: b"\xef\xbb\xbfsep=;\r\n" + separated(text, ";"),
    "capitals": with_capitals,
    "empty lines": lambda text: f"\n{text}\n,,,,\n".encode(),
}


def without_lines(value: object) -> str:
    """What was read, without the lines at which it stood."""
    if isinstance(value, list) and value and hasattr(value[0], "where"):
        value = [replace(row, where="") for row in value]
    return repr(value)


@pytest.mark.parametrize("form", FORMS)
def test_a_list_says_the_same_in_every_form(brought: Brought, form: str) -> None:
    text = brought.path.read_text()
    plain = without_lines(brought.save(text.encode()))
    assert len(plain) > 100
    data = FORMS[form](text)
    assert data != text.encode()
    assert without_lines(brought.save(data)) == plain


def cut_short(text: str, by: str) -> str:
    """``text`` with ``by`` in the place of its last row."""
    return "\n".join([*text.splitlines()[:-1], by])


FAULTS: dict[str, tuple[Callable[[str], str], str]] = {
    "NUL": (lambda text: cut_short(text, "a\0b,c"), "holds a NUL byte"),
    "open quote": (
        lambda text: cut_short(text, '"open,\nand on,\nand on'),
        "a quote without end in the row that begins here",
    ),
    "short row": (lambda text: cut_short(text, "short"), "has 1 cells, the header"),
    "empty": (lambda text: "", "has no header line"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_read_is_told_with_its_line(brought: Brought, fault: str) -> None:
    text = brought.path.read_text()
    spoil, words = FAULTS[fault]
    with pytest.raises(LassbenchError) as caught:
        brought.save(spoil(text).encode())
    message = str(caught.value)
    line = f":{text.count(chr(10))}" if fault != "empty" else ""
    assert f"{brought.path}{line}: " in message
    assert words in message
    assert message.count(str(brought.path)) == 1
