"""The published files: one table, checked bytes, fetching over a loopback server, and reading."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lassbench.benchmark import metadata
from lassbench.benchmark.metadata import (
    FILES,
    Metadata,
    MetadataFile,
    MetadataSource,
    read_captions,
    read_segments,
    used_sha256,
)
from lassbench.errors import FaultsError, LassbenchError, UsageError
from tests.small_metadata import SmallMetadata, video

DATA = b"audiocap_id,youtube_id\n1,aaaaaaaaaaa\n" * 1000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def published(url: str = "https://example.org/list.csv", data: bytes = DATA) -> MetadataFile:
    return MetadataFile("lists/list.csv", url, sha256(data), "CC0-1.0", "made up")


class Server(ThreadingHTTPServer):
    """Serves ``answers`` by path: (bytes, how many of them are really sent)."""

    answers: dict[str, tuple[bytes, int]]
    asked: list[str]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path not in self.server.answers:
            self.send_error(404)
            return
        data, sent = self.server.answers[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:sent])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("LASSBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(metadata, "RETRIES", 0)
    served = Server(("127.0.0.1", 0), Handler)
    served.answers, served.asked = {}, []
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def address(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


# --- fetching ---------------------------------------------------------------


def test_a_file_is_fetched_once_and_kept(server: Server, tmp_path: Path) -> None:
    server.answers["/list.csv"] = (DATA, len(DATA))
    file = published(address(server, "/list.csv"))
    path = MetadataSource().path(file)
    assert path.read_bytes() == DATA
    assert path == tmp_path / "cache" / "metadata" / "lists" / "list.csv"
    assert MetadataSource().path(file) == path
    assert server.asked == ["/list.csv"]
    path.write_bytes(b"damaged")
    assert MetadataSource().path(file).read_bytes() == DATA


OTHER = DATA.replace(b"1,", b"2,")


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"/list.csv": (OTHER, len(OTHER))}, (sha256(DATA), sha256(OTHER), "try again later")),
        ({"/list.csv": (DATA, len(DATA) // 2)}, ("cannot be downloaded", "check the network")),
        ({}, ("cannot be downloaded", "404", "--metadata-dir DIR with DIR/lists/list.csv")),
    ],
)
def test_what_cannot_be_fetched_whole_is_told_and_not_kept(
    server: Server,
    tmp_path: Path,
    answers: dict[str, tuple[bytes, int]],
    words: tuple[str, ...],
) -> None:
    server.answers |= answers
    with pytest.raises(LassbenchError) as caught:
        MetadataSource().path(published(address(server, "/list.csv")))
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_transfer_that_breaks_off_is_tried_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/list.csv"] = (DATA, 10)

    def mended(_seconds: float) -> None:
        server.answers["/list.csv"] = (DATA, len(DATA))

    monkeypatch.setattr("time.sleep", mended)
    monkeypatch.setattr(metadata, "RETRIES", 1)
    path = MetadataSource().path(published(address(server, "/list.csv")))
    assert path.read_bytes() == DATA
    assert len(server.asked) == 2


def test_a_mirror_is_asked_by_the_files_place(server: Server) -> None:
    server.answers["/copy/lists/list.csv"] = (DATA, len(DATA))
    source = MetadataSource(address(server, "/copy/"))
    assert source.path(published()).read_bytes() == DATA


def test_a_file_of_unknown_hash_is_not_fetched_unless_asked_to(server: Server) -> None:
    server.answers["/list.csv"] = (DATA, len(DATA))
    file = MetadataFile("lists/list.csv", address(server, "/list.csv"), "", "CC0-1.0", "made up")
    with pytest.raises(UsageError, match="is not known"):
        MetadataSource().path(file)
    assert server.asked == []
    path = MetadataSource(verified=False).path(file)
    assert path.read_bytes() == DATA
    assert used_sha256(path, file) == sha256(DATA) != file.sha256


# --- folders ----------------------------------------------------------------


def put(folder: Path, data: bytes, name: str = "lists/list.csv") -> MetadataSource:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return MetadataSource(str(folder))


def test_a_local_copy_is_used_where_it_lies(tmp_path: Path) -> None:
    assert put(tmp_path, DATA).path(published()) == tmp_path / "lists" / "list.csv"
    flat = tmp_path / "flat"
    assert put(flat, DATA, "list.csv").path(published()) == flat / "list.csv"


WINDOWS, MARK = DATA.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf"


@pytest.mark.parametrize("original", [DATA, WINDOWS])
@pytest.mark.parametrize("changed", [DATA, WINDOWS, MARK + DATA, MARK + WINDOWS])
def test_line_ends_and_byte_order_marks_are_no_other_file(
    tmp_path: Path, original: bytes, changed: bytes
) -> None:
    file = published(data=original)
    path = put(tmp_path, changed).path(file)
    assert used_sha256(path, file) == file.sha256


def test_another_text_is_refused_with_both_hashes(tmp_path: Path) -> None:
    source = put(tmp_path, OTHER)
    with pytest.raises(LassbenchError) as caught:
        source.path(published())
    assert sha256(DATA) in caught.value.expected and sha256(OTHER) in caught.value.got
    unverified = MetadataSource(source.place, verified=False).path(published())
    assert used_sha256(unverified, published()) == sha256(OTHER)


def test_a_gzipped_copy_counts_by_its_contents(tmp_path: Path) -> None:
    file = MetadataFile("lists/list.csv", "", sha256(DATA), "", "", aliases=("lists/list.csv.gz",))
    path = put(tmp_path, gzip.compress(DATA), "lists/list.csv.gz").path(file)
    path.write_bytes(gzip.compress(DATA)[:-9])
    with pytest.raises(LassbenchError, match=r"list\.csv\.gz: is not a whole gzip file"):
        used_sha256(path, file)


def test_a_folder_without_the_file_says_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no lists/list\.csv") as caught:
        MetadataSource(str(tmp_path)).path(published())
    assert "https://example.org/list.csv" in caught.value.fix
    with pytest.raises(UsageError, match="no such metadata folder"):
        MetadataSource(str(tmp_path / "nowhere")).path(published())


# --- the table --------------------------------------------------------------


def test_every_entry_says_where_from_which_bytes_and_on_what_terms() -> None:
    assert len({file.name for file in FILES}) == len(FILES) == 11
    for file in FILES:
        assert file.url.startswith(("http://", "https://"))
        assert file.licence and file.evidence
        known = not file.name.startswith("audiocaps2/")
        assert len(file.sha256) == (64 if known else 0)


def test_the_tables_hashes_are_those_of_the_shared_copies(shared: Path) -> None:
    source = MetadataSource(str(shared / "data"))
    checked = [source.path(file) for file in FILES if file.sha256]
    assert len(checked) == 8
    # The list of segments is the excerpt of AudioCaps's rows there.
    assert [path.name for path in checked if path.suffix == ".gz"] == [
        "unbalanced_train_segments.audiocaps.csv.gz"
    ]


# --- captions and segments --------------------------------------------------


def captions(folder: Path, rows: Iterable[str], name: str = "train.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(["audiocap_id,youtube_id,start_time,caption", *rows]))
    return path


def test_captions_stand_in_ascending_order_of_their_ids(tmp_path: Path) -> None:
    rows = ('10,aaaaaaaaaaa,30,"ten, ""quoted"""', "9,aaaaaaaaaaa,30,nine")
    clip = read_captions({"train": captions(tmp_path, rows)})["aaaaaaaaaaa"]
    # 9 before 10: numbers, not texts.
    assert list(clip.captions.items()) == [(9, "nine"), (10, 'ten, "quoted"')]
    assert (clip.start_s, clip.audiocaps_split) == (30.0, "train")


def test_bad_captions_are_told_at_once_with_file_and_line(tmp_path: Path) -> None:
    rows = {
        "x1,aaaaaaaaaaa,0,a": "audiocap_id 'x1' is not a number",
        "1,short,0,a": "'short' is no YouTube id",
        "1,aaaaaaaaaaa,-3,a": "start_time '-3' is not a number of seconds",
        "1,aaaaaaaaaaa,soon,a": "start_time 'soon' is not a number of seconds",
        "1,aaaaaaaaaaa,0,": "the caption is empty",
        "1,aaaaaaaaaaa,0,a": "",
        "1,bbbbbbbbbbb,0,b": "audiocap_id 1 stands at",
        "2,aaaaaaaaaaa,9,b": "aaaaaaaaaaa is in train from 0 s at",
        f"{'9' * 5000},bbbbbbbbbbb,0,b": "is not a number",
    }
    paths = {"train": captions(tmp_path, rows)}
    paths["test"] = captions(tmp_path, ["3,aaaaaaaaaaa,0,a"], "test.csv")
    with pytest.raises(FaultsError) as caught:
        read_captions(paths)
    lines = enumerate(rows.values(), 2)
    expected = [(f"{paths['train']}:{line}", words) for line, words in lines if words]
    expected.append((f"{paths['test']}:2", "aaaaaaaaaaa is in train from 0 s at"))
    for fault, (where, words) in zip(caught.value.faults, expected, strict=True):
        assert fault.where == where and words in fault.reason


# --- segments ---------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The small world's list of segments."""
    path = tmp_path / "list.csv"
    path.write_text(SmallMetadata().segments_csv())
    return path


def test_only_wanted_rows_are_read_and_checked(path: Path, data: Metadata) -> None:
    wanted = {video("dog", 1), video("rain", 0)}
    # The foreign row has labels that nobody knows: it is not wanted.
    segments = read_segments(path, wanted, data.ontology)
    assert set(segments) == wanted
    dog = segments[video("dog", 1)]
    assert (dog.start_s, dog.end_s, dog.mids) == (30.0, 40.0, ("/m/bark", "/m/dog"))


@pytest.mark.parametrize("name", ["list.csv", "list.csv.gz"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: MARK + text,
        lambda text: MARK + b"\n".join(text.split(b"\n")[3:]),  # no comments
    ],
)
def test_every_form_of_the_list_reads_the_same(
    path: Path, data: Metadata, name: str, change: Callable[[bytes], bytes]
) -> None:
    text = change(path.read_bytes())
    path = path.with_name(name)
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    assert read_segments(path, data.captioned, data.ontology) == data.segments


@pytest.mark.parametrize(
    ("old", "new", "words", "line"),
    [
        ('-og00000002, 0.000, 10.000, "/m/dog', '-og00000002, 0.000, 10.000, "/m/cat', "/m/cat", 7),
        ("-og00000002, 0.000, 10.000", "-og00000002, 10.000, 10.000", "ends at 10 s", 7),
        ("rain0000000, ", "dog00000001, ", "stands twice", 11),
    ],
)
def test_bad_rows_are_refused_with_file_and_line(
    path: Path, data: Metadata, old: str, new: str, words: str, line: int
) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(FaultsError) as caught:
        read_segments(path, data.captioned, data.ontology)
    (fault,) = caught.value.faults
    assert words in fault.reason and fault.where == f"{path}:{line}"


@pytest.mark.parametrize(
    "row",
    ["rubbish", 'rain0000000, 0.000, 10.000, "/m/rain', "rain0000000,0,10"],
)
def test_a_line_that_is_no_row_is_named(path: Path, data: Metadata, row: str) -> None:
    path.write_text(path.read_text() + row + "\n")
    lines = len(path.read_text().splitlines())
    with pytest.raises(LassbenchError) as caught:
        read_segments(path, {"rain0000000"}, data.ontology)
    assert caught.value.where == f"{path}:{lines}"
