"""Reading lists of others, whole, as their authors publish them."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import pytest

from lassbench.benchmark.words import words_of
from lassbench.cli.import_suite import command
from lassbench.errors import FaultsError, LassbenchError
from lassbench.suites.audit import audit
from lassbench.suites.lists_of_others import FORMATS, read_list
from lassbench.suites.lists_of_others.forms import BadRow, audioset_labels, audioset_names

TRIPLES = (
    "mixture,target,query\n"
    "mix/1.wav,targets/1.flac,a dog barks\n"
    "mix/1.wav,targets/1.flac,barking\n"
    "mix/1.wav,targets/1b.flac,rain\n"
)

#: How many rows, targets and mixtures that ask for it the published lists have.
PUBLISHED = {
    "audiosep-audiocaps": (4820, 964),
    "audiosep-esc50": (2000, 2000),
    "audiosep-music": (5004, 556),
    "audiosep-clotho": (5225, 1045),
    "audiosep-audioset": (5270, 5270),
    "audiosep-vggsound": (1000, 100),
    "clapsep-audiocaps": (4785, 957),
    "clapsep-audioset": (18869, 18869),
    "clapsep-esc": (7500, 1500),
    "clapsep-fsd": (8000, 1600),
    "clapsep-music": (19805, 19805),
    "dcase2024-task9": (3000, 1000),
    "dcase2024-task9-real": (200, 100),
}

QUERY_TYPES = {f"audiosep-{name}": "tag" for name in ("esc50", "music", "audioset", "vggsound")}
QUERY_TYPES |= {f"clapsep-{name}": "templated" for name in ("audioset", "esc", "fsd", "music")}


def put(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


def published(shared: Path, kind: str) -> Path:
    names = {"dcase2024-task9": "dcase2024.lass_synthetic_validation"}
    names["dcase2024-task9-real"] = "dcase2024.lass_real_evaluation"
    name = names.get(kind) or f"{kind.replace('-', '.', 1)}_eval"
    return shared / "data/lists" / f"{name}.csv.gz"


def head(shared: Path, kind: str) -> str:
    """The first rows of a format: two of the published list, three of one's own."""
    if kind == "triples":
        return TRIPLES
    with gzip.open(published(shared, kind), "rt", encoding="utf-8") as stream:
        return "".join(stream.readline() for _ in range(3))


def plain_rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, skipinitialspace=True))


@pytest.mark.parametrize("kind", PUBLISHED)
def test_the_published_lists_are_read_whole(shared: Path, kind: str) -> None:
    rows = read_list(published(shared, kind), kind)
    form = FORMATS[kind]
    targets = {row.mixture.target_id for row in rows}
    assert (len(rows), len(targets)) == PUBLISHED[kind]
    assert form.rows == len(rows) == len({row.mixture.mixture_id for row in rows})
    assert len({row.query.query_id for row in rows}) == len(rows)
    assert {row.query.query_type for row in rows} == {QUERY_TYPES.get(kind, "caption")}
    column = {"audiosep-vggsound": "s0_text", "dcase2024-task9-real": "query"}.get(kind, "caption")
    column = "positive_caption" if kind.startswith("clapsep") else column
    assert [row.query.text for row in rows] == [
        one[column].strip() for one in plain_rows(published(shared, kind))
    ]


def test_every_format_but_ones_own_is_tested_on_its_published_list() -> None:
    assert set(FORMATS) == {*PUBLISHED, "triples"}
    option = next(p for p in command.params if p.name == "kind")
    assert list(option.type.choices) == list(FORMATS)  # type: ignore[attr-defined]


def test_labels_come_apart_one_by_one(shared: Path) -> None:
    """AudioCaps's strings give what AudioSet says of the clips; both are made of 527 names."""
    with (shared / "data/audioset/class_labels_indices.csv").open(newline="") as stream:
        named = {row["mid"]: row["display_name"] for row in csv.DictReader(stream)}
    assert audioset_labels() == set(named.values()) and len(named) == 527
    of_clip: dict[str, set[str]] = {}
    segments = shared / "data/audioset/unbalanced_train_segments.audiocaps.csv.gz"
    for line in gzip.decompress(segments.read_bytes()).decode().splitlines():
        if not line.startswith("#"):
            clip, _, _, mids = line.strip().split(", ", 3)
            of_clip[f"Y{clip}"] = {named[mid] for mid in mids.strip('"').split(",")}
    rows = read_list(published(shared, "audiosep-audiocaps"), "audiosep-audiocaps")
    for row in rows:
        assert len(set(row.query.tags)) == len(row.query.tags)
        assert set(row.query.tags) == of_clip[row.mixture.target_id]


def test_what_audiosep_and_clapsep_tell_no_one(shared: Path) -> None:
    rows = read_list(published(shared, "audiosep-audiocaps"), "audiosep-audiocaps")
    labels = {row.mixture.target_id: row.query.tags for row in rows}
    found = audit(
        [row.mixture for row in rows],
        [row.query for row in rows],
        labels=labels,
        words={clip: words_of("", names) for clip, names in labels.items()},
    )
    assert found["self-mixture"] == tuple(
        f"audiosep-audiocaps-{index:04d}" for index in (769, 911, 1859)
    )
    pairs = Counter((row.mixture.target_id, row.mixture.noise_id) for row in rows)
    assert len(found["repeated pair"]) == len(rows) - len(pairs) == 17
    shared_labels = [
        row.query.query_id
        for row in rows
        if set(labels[row.mixture.target_id]) & set(labels[row.mixture.noise_id])
    ]
    assert list(found["shared label"]) == shared_labels
    assert len(shared_labels) == 924  # 19.2 % of 4820
    assert found["names the other sound"]


def test_audiosets_names_hold_what_joins_them() -> None:
    blanks = audioset_names("Speech Sewing machine Inside, public space", " ")
    assert blanks == ("Speech", "Sewing machine", "Inside, public space")
    joined = ", | and "
    assert audioset_names("Shout, Bellow and Thump, thud", joined) == (
        *("Shout", "Bellow", "Thump, thud"),
    )
    assert audioset_names("Toot", joined) == ("Toot",)
    # "Child speech, kid speaking" begins with no name; "Train" is one and "Train horn" is too.
    assert audioset_names("Train Train horn Child speech, kid speaking", " ") == (
        *("Train", "Train horn", "Child speech, kid speaking"),
    )
    for text in ("Speech Yodel", "", " Speech", "Speech ", "Train " * 5000):
        with pytest.raises(BadRow, match="not made of AudioSet's names"):
            audioset_names(text, " ")


NUMBERED = ("mixture-0.wav", "segment-0.wav")


@pytest.mark.parametrize(
    ("kind", "sounds", "asked", "files"),
    [
        (
            "audiosep-audiocaps",
            ("Y7fmOlUlwoNg", "Y-aYumc8KoXg", 0.0),
            ("", ("Speech", "Sewing machine", "Inside, public space"), ""),
            (NUMBERED, ("Y7fmOlUlwoNg.wav", "Y-aYumc8KoXg.wav"), ()),
        ),
        (
            "audiosep-clotho",
            (
                "Santa Motor",
                "09-07-14_2338_Foz, fisherman next to the river + radiater-machine air and hum",
                0.0,
            ),
            ("", (), ""),
            (NUMBERED, (), ()),
        ),
        (
            "audiosep-vggsound",
            ("-JUBdOr8Hes_000030", "37Vxf0Wz-3o_000001", 0.0),
            ("", ("playing accordion",), "playing accordion"),
            (
                tuple(
                    f"data/{part}_wav/-JUBdOr8Hes_000030+++37Vxf0Wz-3o_000001.wav"
                    for part in ("mix", "s0")
                ),
                (),
                ("sea lion barking",),
            ),
        ),
        (
            "clapsep-audioset",
            ("YlCxQH8lmStU", "YjjobvHzPstY", 0.0),
            ("The sound of Typewriter", ("Sheep", "Bleat", "Speech"), ""),
            ((), ("YlCxQH8lmStU.wav", "YjjobvHzPstY.wav"), ("Typewriter",)),
        ),
        (
            "clapsep-music",
            ("Y-8AgRz5Jdrw_10", "YIGouH5bKhj8_11", 0.0),
            ("the sound of violin", ("acoustic guitar",), "acoustic guitar"),
            ((), ("-8AgRz5Jdrw_10.wav", "IGouH5bKhj8_11.wav"), ("violin",)),
        ),
    ],
)
def test_the_first_row_of_a_published_list(
    shared: Path, kind: str, sounds: object, asked: object, files: object
) -> None:
    """One recording keeps one id, without its ending: intervals resample targets."""
    row = read_list(published(shared, kind), kind)[0]
    assert (row.mixture.target_id, row.mixture.noise_id, row.mixture.snr_db) == sounds
    assert (row.query.negative, row.query.tags, row.query.concept) == asked
    assert (row.given, row.raw, row.noise_labels) == files


def test_rows_of_the_same_files_ask_of_one_mixture(shared: Path, tmp_path: Path) -> None:
    rows = read_list(put(tmp_path, TRIPLES), "triples", name="mine")
    assert [(row.mixture.mixture_id, row.query.query_id) for row in rows] == [
        *(("mine-0001", "mine-0001-p1"), ("mine-0001", "mine-0001-p2")),
        ("mine-0002", "mine-0002"),
    ]
    assert (rows[2].mixture.target_id, rows[2].mixture.noise_id) == ("targets/1b", "")
    named = "Mixture;Target;Query;query_id;tags;negative\nm.wav;t.wav;bark;q-1;dog; rain\n"
    (row,) = read_list(put(tmp_path, named), "triples")
    assert (row.query.query_id, row.query.tags, row.query.negative) == ("q-1", ("dog",), "rain")
    real = read_list(published(shared, "dcase2024-task9-real"), "dcase2024-task9-real")[1]
    assert real.query.query_id == real.mixture.mixture_id == "test-real-case-1"
    assert real.mixture.target_id == "test-real-case-0"  # one recording under two names


def test_a_list_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "list.csv.gz", "wb", compresslevel=1) as stream:
        for _ in range(101):
            stream.write(b"\n" * 1_000_000)
    with pytest.raises(LassbenchError, match="too large"):
        read_list(tmp_path / "list.csv.gz", "audiosep-clotho")


@pytest.mark.parametrize(
    ("kind", "old", "new", "line", "words"),
    [
        ("dcase2024-task9", ",1,", ",loud,", 3, "snr 'loud' is no number"),
        ("dcase2024-task9-real", "the fire is making crackling sounds at home.", "", 3, "is empty"),
        ("audiosep-esc50", "1,chirping", "0,chirping", 3, "list.csv:2"),
        ("audiosep-esc50", "1,chirping", "x,chirping", 3, "idx 'x' is no number"),
        ("audiosep-audiocaps", "Burst, pop", "Wolpertinger", 3, "not made of AudioSet's names"),
        ("audiosep-clotho", "Rolling Wind - looping.wav", "", 3, "noise_wav1.2 is empty"),
        ("clapsep-music", "the sound of bassoon", "a drum", 3, "'the sound of'"),
        ("dcase2024-task9-real", "test-real-case-1.wav", "../x.wav", 3, "mixture's name '../x'"),
        ("triples", "1b.flac,rain", "1.flac,barking", 4, "list.csv:3"),
        ("audiosep-esc50", "chirping birds", "rain\x07", 3, r"U+0007"),
        ("audiosep-vggsound", "people eating noodle", "<script>", 3, "the noise '<script>' holds"),
        ("clapsep-music", "sound of bassoon", "sound of \x1b[2J", 3, "the negative query"),
    ],
)
def test_bad_rows_are_named(
    shared: Path, tmp_path: Path, kind: str, old: str, new: str, line: int, words: str
) -> None:
    text = head(shared, kind)
    assert text.count(old) == 1
    with pytest.raises(FaultsError) as caught:
        read_list(put(tmp_path, text.replace(old, new)), kind)
    assert {fault.where for fault in caught.value.faults} == {f"{tmp_path / 'list.csv'}:{line}"}
    assert any(words in fault.reason for fault in caught.value.faults)
    assert "\x1b" not in str(caught.value) and "\x07" not in str(caught.value)


def test_ids_that_stand_twice(tmp_path: Path) -> None:
    header = "mixture,target,query,query_id\n"
    path = put(tmp_path, header + "a.wav,t.wav,one,q\nb.wav,u.wav,two,q\n")
    with pytest.raises(FaultsError, match=r"q or what it asks stands further up too: .*csv:2"):
        read_list(path, "triples")
    path = put(tmp_path, "file_name,query\na.wav,one\na.flac,two\na.flac,three\n")
    with pytest.raises(FaultsError, match=r"a\.flac and a\.wav differ in their endings only"):
        read_list(path, "dcase2024-task9-real")
    with pytest.raises(LassbenchError, match="the list has no rows"):
        read_list(put(tmp_path, "file_name,query\n"), "dcase2024-task9-real")


def test_the_wrong_format_is_refused_with_both_headers(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(LassbenchError) as caught:
        read_list(put(tmp_path, head(shared, "audiosep-esc50")), "audiosep-audiocaps")
    assert caught.value.expected == "idx,caption,labels,src_wav,noise_wav"
    assert caught.value.got == "idx,caption,src_wav,noise_wav"
    with pytest.raises(LassbenchError, match=r"no list of the format triples.*'interference'"):
        read_list(put(tmp_path, "mixture,target,query,interferance\n"), "triples")
    text = "mixture,target,query,licence\nm.wav,t.wav,a dog,CC0\n"
    assert len(read_list(put(tmp_path, text), "triples")) == 1
