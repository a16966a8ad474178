"""Frozen benchmarks: folders of lists that can be read, checked and cited.

A manifest folder (``manifests/lass-2022``; others come from ``lassbench select``)::

    concepts.yaml        the definition: concepts, how it is split and mixed
    card.yaml            which figures are a paper's, counted, or the project's choice
    tags.csv             every tag: mid, name, concept, root, evidence
    {train,validation,test}.csv   the clips (ClipRow)
    not-released.csv     candidates that are in none of them (LASS-2022 only)
    <test suite>.csv     the test mixtures, in their order, and whose caption asks
    <absent suite>.csv   the same mixtures, asked for a sound that is not there
    <sub-test suite>.csv the queries that annotators write
    SHA256SUMS           of all of them, for ``sha256sum -c``

The lists hold ids and counts.  Captions are AudioCaps's: they are joined by
``audiocap_id`` when a dataset is built, and never stand here.  **The query of a
clip is its caption with the smallest audiocap_id**; a dataset keeps a clip's
captions in ascending order of their ids, so it is ``captions[0]`` there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lassbench import csv_files, files
from lassbench.benchmark.definitions import SUITE_KINDS, Definition, read_definition
from lassbench.benchmark.metadata_readers import YOUTUBE_ID
from lassbench.csv_files import Row, read_table
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, did_you_mean, one_line
from lassbench.files import name_fault
from lassbench.records import SPLITS, Clip, Mixture, Query, QueryType, Split, decibels

CLIP_COLUMNS = (
    "youtube_id",
    "start_s",
    "end_s",
    "audiocap_ids",
    "audiocaps_split",
    "concept",
    "tags",
)
_MIXTURE = ("mixture_id", "target_id", "noise_id", "snr_db")
TEST_COLUMNS = (*_MIXTURE, "target_concept", "noise_concept", "query_audiocap_id", "repeat_of")
ABSENT_COLUMNS = ("query_id", *_MIXTURE, "query_clip_id", "query_audiocap_id", "query_concept")
SUB_TEST_COLUMNS = (
    *("query_id", *_MIXTURE, "target_concept"),
    *("annotator", "description", "description_source"),
)
TAG_COLUMNS = ("mid", "name", "concept", "root", "evidence", "clips", "note")

DEFINITION, CARD, SUMS, TAGS = "concepts.yaml", "card.yaml", "SHA256SUMS", "tags.csv"
NOT_RELEASED = "not-released.csv"
#: The benchmark that this project is named for.
LASS_2022 = "lass-2022"


def clip_id_of(youtube_id: str) -> str:
    """A clip's id: AudioSet's habit of a leading ``Y``, since ids may begin with ``-``."""
    return f"Y{youtube_id}"


@dataclass(frozen=True, slots=True)
class ClipRow:
    """One clip of a benchmark, as its lists have it.

    Attributes
    ----------
    youtube_id, start_s, end_s
        The video, and where in it the clip stands, in seconds.
    audiocap_ids
        The ids of its captions, ascending; the first one's caption is its query.
    audiocaps_split
        AudioCaps's own split: a system trained on AudioCaps ``train`` has seen
        the clips for which this is ``train``.
    concept, tags
        The sound concept and the AudioSet display names.
    """

    youtube_id: str
    start_s: float
    end_s: float
    audiocap_ids: tuple[int, ...]
    audiocaps_split: str
    concept: str
    tags: tuple[str, ...]

    @property
    def clip_id(self) -> str:
        """``Y<youtube_id>``."""
        return clip_id_of(self.youtube_id)

    def clip(self, split: Split) -> Clip:
        """The clip, without captions: those are AudioCaps's."""
        return Clip(
            clip_id=self.clip_id,
            concept=self.concept,
            split=split,
            captions=(),
            tags=self.tags,
            youtube_id=self.youtube_id,
            start_s=self.start_s,
            end_s=self.end_s,
        )

    def cells(self) -> tuple[str, ...]:
        """The row as CSV cells, in the order of :data:`CLIP_COLUMNS`."""
        return (
            self.youtube_id,
            f"{self.start_s:.3f}",
            f"{self.end_s:.3f}",
            csv_files.join(self.audiocap_ids),
            self.audiocaps_split,
            self.concept,
            csv_files.join(self.tags),
        )


@dataclass(frozen=True)
class Benchmark:
    """An opened manifest folder.  Made by :func:`open_benchmark`; picklable.

    Attributes
    ----------
    clips
        clip_id -> (split, row), in the order train, validation, test, and by
        YouTube id within each.
    """

    path: Path
    definition: Definition
    clips: Mapping[str, tuple[Split, ClipRow]]

    @property
    def name(self) -> str:
        """The benchmark's name."""
        return self.definition.name

    def root(self, concept: str) -> str:
        """The display name of the root category of ``concept``."""
        return self.definition.concept(concept).root

    @property
    def suites(self) -> dict[str, str]:
        """Suite name -> kind (``test``, ``absent``, ``sub_test``) of the suites it lists."""
        named = {self.definition.suite_name(kind): kind for kind in SUITE_KINDS}
        return {name: kind for name, kind in named.items() if self.list_path(name).is_file()}

    def list_path(self, suite: str) -> Path:
        """The file of a suite's list."""
        return self.path / f"{suite}.csv"


# ---------------------------------------------------------------------------
# Find, open, check
# ---------------------------------------------------------------------------


def find_benchmark(name: str | Path) -> Path:
    """The manifest folder that ``name`` means: a path, or the name of a shipped one.

    Raises
    ------
    UsageError
        If there is none; the nearest shipped name is suggested.
    """
    for folder in (Path(name), files.data_folder("manifests") / name):
        if (folder / DEFINITION).is_file():
            return folder
    known = shipped()
    raise UsageError(
        f"no such benchmark {str(name)!r}{did_you_mean(str(name), known)}",
        expected=f"one of {', '.join(known)}, or a folder with {DEFINITION}",
        fix="make one with `lassbench select`",
    )


def shipped() -> list[str]:
    """The names of the benchmarks that came with this installation."""
    return [p.parent.name for p in files.listed(files.data_folder("manifests"), f"*/{DEFINITION}")]


def open_benchmark(name: str | Path = LASS_2022) -> Benchmark:
    """Open a manifest folder and check that nothing in it was changed.

    Raises
    ------
    UsageError
        If there is no such benchmark.
    FaultsError
        If a file was changed since it was frozen, or a row is bad.
    """
    path = find_benchmark(name)
    faults = check_sums(path)
    definition = read_definition(path / DEFINITION)
    rows: dict[str, tuple[Split, ClipRow]] = {}
    for split in SPLITS:
        for where, row in _read_clips(path / f"{split}.csv", definition, faults):
            if row.clip_id in rows:
                reason = f"{row.youtube_id} is in {rows[row.clip_id][0]}.csv too"
                faults.append(Fault("duplicated id", where, reason))
            rows[row.clip_id] = (split, row)
    if faults:
        raise FaultsError(
            f"the lists of benchmark {definition.name} are not what was frozen",
            faults,
            fix=(
                "restore the files; `lassbench verify-manifests` with the metadata names "
                "each line that differs"
            ),
        )
    return Benchmark(path, definition, rows)


def check_sums(path: Path) -> list[Fault]:
    """What in a manifest folder is not as SHA256SUMS says."""
    sums = path / SUMS
    if not sums.is_file():
        return [Fault("missing", str(sums), "there are no sums to check the lists by")]
    faults: list[Fault] = []
    listed: set[str] = set()
    for number, line in enumerate(files.read_text(sums).splitlines(), start=1):
        matched = re.fullmatch(r"([0-9a-f]{64}) [ *]([^/\\]+)", line)
        if matched is None:
            faults.append(Fault("bad row", f"{sums}:{number}", "is no line of sha256sum"))
            continue
        expected, name = matched.groups()
        listed.add(name)
        faults += _check_sum(path / name, expected, f"{sums}:{number}")
    for file in files.listed(path):
        if file.name != SUMS and file.name not in listed and not file.name.startswith("."):
            faults.append(Fault("not listed", str(file), f"is not in {SUMS}"))
    return faults


def _check_sum(file: Path, expected: str, where: str) -> list[Fault]:
    if not file.is_file():
        return [Fault("missing", str(file), f"is listed at {where} and not there")]
    data = file.read_bytes()
    got = files.sha256_bytes(data)
    if got == expected:
        return []
    plain = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    only_bytes = files.sha256_bytes(plain) == expected
    what = "only its line ends or byte-order mark were changed" if only_bytes else "was changed"
    return [Fault("changed", str(file), f"{what}: expected SHA-256 {expected}, got {got}")]


def sums_text(contents: Mapping[str, str]) -> str:
    """``SHA256SUMS`` of files by name, in ``sha256sum``'s format, sorted by name."""
    rows = sorted((name, files.sha256_bytes(text.encode())) for name, text in contents.items())
    return "".join(f"{digest}  {name}\n" for name, digest in rows)


def clips_text(rows: Iterable[ClipRow]) -> str:
    """A clip list as CSV text, sorted by YouTube id."""
    ordered = sorted(rows, key=lambda row: row.youtube_id)
    return csv_files.write_table(CLIP_COLUMNS, (row.cells() for row in ordered))


def _read_clips(
    path: Path, definition: Definition, faults: list[Fault]
) -> Iterable[tuple[str, ClipRow]]:
    tags_of = {concept.name: set(concept.all_tags) for concept in definition.concepts}
    for cells in read_table(path, CLIP_COLUMNS):
        row = _clip_row(cells, tags_of)
        if isinstance(row, str):
            faults.append(Fault("bad row", cells.where, row))
        else:
            yield cells.where, row


def _clip_row(cells: Row, tags_of: Mapping[str, set[str]]) -> ClipRow | str:
    """The clip in a row of a clip list, or what is wrong with it."""
    if not YOUTUBE_ID.fullmatch(cells["youtube_id"]):
        return f"{cells['youtube_id']!r} is no YouTube id"
    try:
        start, end = float(cells["start_s"]), float(cells["end_s"])
    except ValueError:
        return f"start {cells['start_s']!r} and end {cells['end_s']!r} are not both numbers"
    if not 0.0 <= start < end:
        return f"starts at {start:g} s and ends at {end:g} s"
    numbers = csv_files.split(cells["audiocap_ids"])
    if not numbers or not all(n.isascii() and n.isdigit() for n in numbers):
        return f"audiocap_ids {cells['audiocap_ids']!r} are not numbers"
    ids = tuple(map(int, numbers))
    if list(ids) != sorted(set(ids)):
        return "audiocap_ids are not in ascending order"
    concept, tags = cells["concept"], csv_files.split(cells["tags"])
    if concept not in tags_of:
        return f"{concept!r} is not a concept of the benchmark{did_you_mean(concept, tags_of)}"
    strange = [tag for tag in tags if tag not in tags_of[concept]]
    if strange:
        return f"{strange[0]!r} is not a tag of {concept}"
    return ClipRow(cells["youtube_id"], start, end, ids, cells["audiocaps_split"], concept, tags)


# ---------------------------------------------------------------------------
# Suites
# ---------------------------------------------------------------------------


def suite_lists(
    benchmark: Benchmark,
    suite: str,
    clips: Mapping[str, Clip],
    *,
    query_type: QueryType = "caption",
) -> tuple[list[Mixture], list[Query]]:
    """The frozen mixtures and queries of a suite, with the texts of a dataset's captions.

    Parameters
    ----------
    suite
        The name of one of the benchmark's suites, such as ``lass-test``.
    clips
        The corpus's clips by id, also those without audio on this machine: the
        lists are the same for everyone.  ``captions[0]`` is a clip's query.
    query_type
        How the dataset's captions were made.

    Raises
    ------
    UsageError
        If the benchmark has no such suite.
    FaultsError
        If a row is bad or names a clip that is not in ``clips``, with file and line.
    """
    known = benchmark.suites
    if suite not in known:
        raise UsageError(
            f"benchmark {benchmark.name} has no suite {suite!r}{did_you_mean(suite, known)}",
            expected=", ".join(known),
        )
    columns = {"test": TEST_COLUMNS, "absent": ABSENT_COLUMNS, "sub_test": SUB_TEST_COLUMNS}
    kind = known[suite]
    rows = read_table(benchmark.list_path(suite), columns[kind])
    faults: list[Fault] = []
    mixtures = _mixtures(rows, clips, faults)
    if faults:
        raise FaultsError(f"the list of {suite} does not fit the dataset", faults, fix=_REBUILD)
    if kind == "sub_test":
        _refuse_empty(rows)
    return mixtures, [_query(row, kind, clips, query_type) for row in rows]


_REBUILD = "build the dataset from this benchmark: lassbench build-dataset OUT --corpus audiocaps"


def _mixtures(rows: Sequence[Row], clips: Mapping[str, Clip], faults: list[Fault]) -> list[Mixture]:
    mixtures: dict[str, Mixture] = {}
    asked: set[str] = set()
    for row in rows:
        query_id = row["query_id"] or row["mixture_id"]
        if query_id in asked:
            faults.append(Fault("duplicated id", row.where, f"{query_id} stands twice"))
        asked.add(query_id)
        for column in ("target_id", "noise_id", "query_clip_id"):
            if column in row.cells and row[column] not in clips:
                reason = f"{column} {row[column]} is not a clip of the dataset"
                faults.append(Fault("unknown clip", row.where, reason))
        if (mixture := _mixture(row, faults)) is None:
            continue
        if mixtures.setdefault(mixture.mixture_id, mixture) != mixture:
            reason = f"{mixture.mixture_id} stands before with another pair"
            faults.append(Fault("duplicated id", row.where, reason))
    return list(mixtures.values())


def _mixture(row: Row, faults: list[Fault]) -> Mixture | None:
    """The mixture in a row of any suite's list, its names and number checked."""
    wrong = [
        f"{column} {one_line(row[column], 100)!r} {reason}"
        for column in ("mixture_id", "query_id", "annotator")
        if column in row.cells and (reason := name_fault(row[column]))
    ]
    snr_db = decibels(row["snr_db"])
    if snr_db is None:
        wrong.append(f"snr_db {one_line(row['snr_db'], 100)!r} is no number of dB")
    faults += [Fault("bad row", row.where, reason) for reason in wrong]
    if wrong or snr_db is None:
        return None
    return Mixture(row["mixture_id"], row["target_id"], row["noise_id"], snr_db)


def _query(row: Row, kind: str, clips: Mapping[str, Clip], query_type: QueryType) -> Query:
    """The query in a row: a clip's caption, or an annotator's words."""
    by_annotator = kind == "sub_test"
    asked = clips[row["query_clip_id" if kind == "absent" else "target_id"]]
    return Query(
        query_id=row["query_id"] or row["mixture_id"],
        mixture_id=row["mixture_id"],
        text=row["description"] if by_annotator else asked.captions[0],
        tags=asked.tags,
        query_type="annotator" if by_annotator else query_type,
        annotator=row["annotator"],
        expects="silence" if kind == "absent" else "target",
        concept=row["query_concept"],
    )


def _refuse_empty(rows: Sequence[Row]) -> None:
    """Raise if annotators have not written all descriptions."""
    empty = [row for row in rows if not row["description"]]
    if empty:
        raise LassbenchError(
            f"{len(empty)} of {len(rows)} descriptions have not been written",
            where=empty[0].where,
            fix=(
                "collect them with `lassbench annotate` and freeze them with "
                "`lassbench freeze-sub-test`; no description is ever made up"
            ),
        )


@dataclass(frozen=True, slots=True)
class SubTestSlot:
    """One query that one annotator is to write (or has written)."""

    query_id: str
    mixture: Mixture
    annotator: str


def sub_test_slots(benchmark: Benchmark) -> list[SubTestSlot]:
    """The sub-test's queries in their order: mixtures, and annotators within a mixture.

    A description is of a clip: an annotator's answer for one target fills the
    slots of all mixtures of that target.

    Raises
    ------
    UsageError
        If the benchmark has no sub-test.
    FaultsError
        If a row is bad, with file and line.
    """
    name = benchmark.definition.suite_name("sub_test")
    if name not in benchmark.suites:
        raise UsageError(f"benchmark {benchmark.name} has no sub-test", where=benchmark.path)
    faults: list[Fault] = []
    rows = read_table(benchmark.list_path(name), SUB_TEST_COLUMNS)
    found = [(row, _mixture(row, faults)) for row in rows]
    if faults:
        raise FaultsError(f"the list of {name} cannot be used", faults, fix="correct these lines")
    return [
        SubTestSlot(row["query_id"], mixture, row["annotator"])
        for row, mixture in found
        if mixture is not None
    ]
