"""Frozen benchmarks: folders of lists that can be read, checked, rebuilt and cited.

``manifests/README.md`` says what is in which file of a manifest folder.

The lists hold ids and counts.  Captions are AudioCaps's: they are joined by
``audiocap_id`` when a dataset is built, and never stand here.  **The query of a
clip is its caption with the smallest audiocap_id**; a dataset keeps a clip's
captions in ascending order of their ids, so it is ``captions[0]`` there.
"""

from __future__ import annotations

import difflib
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lassbench import csv_files, files, output_folders
from lassbench.benchmark import lass2022, metadata, selection
from lassbench.benchmark.metadata import Metadata, MetadataSource
from lassbench.benchmark.mixtures import plan, plan_absent
from lassbench.benchmark.ontology import Ontology
from lassbench.benchmark.selection import CLIP_COLUMNS, ClipRow, Definition, SuiteKind
from lassbench.benchmark.words import names
from lassbench.csv_files import Row, read_table
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, did_you_mean, one_line
from lassbench.files import name_fault
from lassbench.plain_text import text_table
from lassbench.records import SPLITS, Clip, Mixture, Query, QueryType, Split, decibels, repeats

#: Of the lists of mixtures, by kind of suite.
_MIXTURE = ("mixture_id", "target_id", "noise_id", "snr_db")
SUITE_COLUMNS: dict[SuiteKind, tuple[str, ...]] = {
    "test": (
        *(*_MIXTURE, "target_concept", "noise_concept"),
        *("query_audiocap_id", "repeat_of", "audit"),
    ),
    "absent": ("query_id", *_MIXTURE, "query_clip_id", "query_audiocap_id", "query_concept"),
    "sub_test": (
        *("query_id", *_MIXTURE, "target_concept"),
        *("annotator", "description", "description_source", "audit"),
    ),
}
TAG_COLUMNS = ("mid", "name", "concept", "root", "evidence", "clips", "note")
#: What the column ``audit`` may say of a row.
NAMES_OTHER, REPEATED = "names the other sound", "repeated pair"

DEFINITION, SOURCES, SUMS, TAGS = "concepts.yaml", "sources.csv", "SHA256SUMS", "tags.csv"
NOT_RELEASED = "not-released.csv"
#: Files that people write, which no sums need list.
BY_HAND = ("card.yaml", "README.md")
#: The benchmark that this project is named for.
LASS_2022 = "lass-2022"


@dataclass(frozen=True)
class Benchmark:
    """An opened manifest folder.  Made by :func:`open_benchmark`.

    ``clips`` are clip_id -> (split, row), by split, and by YouTube id within each.
    """

    path: Path
    definition: Definition
    clips: Mapping[str, tuple[Split, ClipRow]]

    @property
    def name(self) -> str:
        """The benchmark's name."""
        return self.definition.name

    @property
    def suites(self) -> dict[str, SuiteKind]:
        """Suite name -> kind (``test``, ``absent``, ``sub_test``) of the suites it lists."""
        named = {self.definition.suite_name(kind): kind for kind in SUITE_COLUMNS}
        return {name: kind for name, kind in named.items() if (self.path / f"{name}.csv").is_file()}


# Find, open, check --------------------------------------------------------------


def find_benchmark(name: str | Path) -> Path:
    """The manifest folder that ``name`` means: a path, or the name of a shipped one."""
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


def definition_of(name: str | Path) -> Definition:
    """The concept file of a benchmark, whose lists are neither read nor checked."""
    return selection.read_definition(find_benchmark(name) / DEFINITION)


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
    definition = selection.read_definition(path / DEFINITION)
    tags_of = {concept.name: set(concept.all_tags) for concept in definition.concepts}
    clips: dict[str, tuple[Split, ClipRow]] = {}
    for split in SPLITS if not faults else ():
        for cells in read_table(path / f"{split}.csv", CLIP_COLUMNS):
            row = ClipRow.read(cells, tags_of)
            if row is None or row.clip_id in clips:
                reason = "is no clip as `lassbench select` writes it, or one that stands before"
                faults.append(Fault("bad row", cells.where, reason))
            else:
                clips[row.clip_id] = (split, row)
    if faults:
        raise FaultsError(
            f"the lists of benchmark {path.name} are not what was frozen",
            faults,
            fix="restore the files, or make them again with `lassbench select`; with the "
            "metadata, `lassbench verify-manifests` names each line that differs",
        )
    return Benchmark(path, definition, clips)


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
        file = path / name
        if not file.is_file():
            faults.append(Fault("missing", str(file), f"is in {SUMS} and not there"))
        elif (got := files.sha256_bytes(data := file.read_bytes())) != expected:
            what = "was changed"
            if files.only_line_ends_differ(data, expected):
                what = "only its line ends or byte-order mark were changed"
            reason = f"{what}: expected SHA-256 {expected}, got {got}"
            faults.append(Fault("changed", str(file), reason))
    for file in files.listed(path):
        if file.name not in {SUMS, *BY_HAND, *listed} and not file.name.startswith("."):
            faults.append(Fault("not listed", str(file), f"is not in {SUMS}"))
    return faults


# Suites -------------------------------------------------------------------------


def suite_lists(
    benchmark: Benchmark,
    suite: str,
    clips: Mapping[str, Clip],
    *,
    query_type: QueryType = "caption",
) -> tuple[list[Mixture], list[Query]]:
    """The frozen mixtures and queries of a suite, with the texts of a dataset's captions.

    ``clips`` are the corpus's by id, also those without audio on this machine, since the
    lists are the same for everyone; ``query_type`` tells how their captions were made.

    Raises
    ------
    LassbenchError
        As :func:`suite_rows`; and if a row names a clip that is not in ``clips``, or asks
        with a description that nobody has written.
    """
    rows = suite_rows(benchmark, suite)
    kind = benchmark.suites[suite]
    unknown = [
        Fault("unknown clip", row.where, f"{column} {row[column]} is not a clip of the dataset")
        for row, _ in rows
        for column in ("target_id", "noise_id", "query_clip_id")
        if column in row.cells and row[column] not in clips
    ]
    if unknown:
        raise FaultsError(
            f"the list of {suite} does not fit the dataset",
            unknown,
            fix="build the dataset from this benchmark: "
            "lassbench build-dataset OUT --corpus audiocaps",
        )
    empty = [row for row, _ in rows if kind == "sub_test" and not row["description"]]
    if empty:
        raise LassbenchError(
            f"{len(empty)} of {len(rows)} descriptions have not been written",
            where=empty[0].where,
            fix="collect them with `lassbench annotate` and freeze them with "
            "`lassbench freeze-sub-test`; no description is ever made up",
        )
    mixtures = dict.fromkeys(mixture for _, mixture in rows)
    return list(mixtures), [_query(row, kind, clips, query_type) for row, _ in rows]


def suite_rows(benchmark: Benchmark, suite: str) -> list[tuple[Row, Mixture]]:
    """The rows of a suite's list, each with its mixture.

    In the sub-test each row is what one annotator is to write, or has written: an answer
    for one target fills the rows of all of its mixtures.

    Raises
    ------
    UsageError
        If the benchmark has no such suite.
    FaultsError
        If a name or number in a row is bad, or an id stands twice, with file and line.
    """
    known = benchmark.suites
    if suite not in known:
        raise UsageError(
            f"benchmark {benchmark.name} has no suite {suite!r}{did_you_mean(suite, known)}",
            expected=", ".join(known),
        )
    asked: set[str] = set()
    mixtures: dict[str, Mixture] = {}
    found: list[tuple[Row, Mixture]] = []
    faults: list[Fault] = []
    for row in read_table(benchmark.path / f"{suite}.csv", SUITE_COLUMNS[known[suite]]):
        snr_db = decibels(row["snr_db"])
        mixture = Mixture(row["mixture_id"], row["target_id"], row["noise_id"], snr_db or 0.0)
        query_id = row["query_id"] or mixture.mixture_id
        reason = ""
        for column in ("mixture_id", "query_id", "annotator"):
            if column in row.cells and (fault := name_fault(row[column])):
                reason = f"{column} {one_line(row[column], 100)!r} {fault}"
        if snr_db is None:
            reason = f"snr_db {one_line(row['snr_db'], 100)!r} is no number of dB"
        elif query_id in asked or mixtures.setdefault(mixture.mixture_id, mixture) != mixture:
            reason = f"{query_id} stands twice, or {mixture.mixture_id} before with another pair"
        if reason:
            faults.append(Fault("bad row", row.where, reason))
        asked.add(query_id)
        found.append((row, mixture))
    if faults:
        raise FaultsError(f"the list of {suite} cannot be used", faults, fix="restore the list")
    return found


def _query(row: Row, kind: str, clips: Mapping[str, Clip], query_type: QueryType) -> Query:
    """The query in a row: a clip's caption, or an annotator's words."""
    asked = clips[row["query_clip_id"] or row["target_id"]]
    return Query(
        query_id=row["query_id"] or row["mixture_id"],
        mixture_id=row["mixture_id"],
        text=row["description"] or asked.captions[0],
        tags=asked.tags,
        query_type="annotator" if kind == "sub_test" else query_type,
        annotator=row["annotator"],
        expects="silence" if kind == "absent" else "target",
        concept=row["query_concept"],
    )


# Build, write, rebuild ----------------------------------------------------------


@dataclass(frozen=True)
class Built:
    """A benchmark built from metadata, every root in its definition written out.

    Attributes
    ----------
    inferred
        Tag that no clip carries -> the proof of it.
    contents
        File name -> text, of every file of the manifest folder.
    notes
        What could not be had, for people.
    """

    definition: Definition
    selection: selection.Selection
    splits: Mapping[Split, Sequence[ClipRow]]
    inferred: Mapping[str, str]
    contents: Mapping[str, str]
    notes: Sequence[str] = ()


def build(definition: Definition, data: Metadata) -> Built:
    """Build every file of a benchmark."""
    definition = selection.resolve_roots(definition, data.ontology)
    selected = selection.select(definition.concepts, data)
    inferred = lass2022.prove_inferred(definition, selected, data)
    contents = {DEFINITION: selection.write_definition(definition)}
    rule, released = definition.mixtures, definition.split.rule == "released"
    if released:
        lists = lass2022.read_released(data.source)
        splits, left = lass2022.split_released(selected, definition, lists)
        contents[NOT_RELEASED] = clips_text(left)
    else:
        splits = selection.split_by_hash(selected, definition.concepts, definition.split)
    rows = {row.clip_id: row for row in sorted(splits["test"], key=lambda row: row.youtube_id)}
    clips = {
        clip_id: row.clip("test", tuple(data.captioned[row.youtube_id].captions.values()))
        for clip_id, row in rows.items()
    }
    if released:
        mixtures = lass2022.released_mixtures(definition, selected, lists)
    else:
        mixtures = plan(
            list(clips.values()),
            name=definition.suite_name("test"),
            noises=rule.noises_per_target,
            seed=rule.seed,
            snr_range_db=rule.snr_db,
        )
    asked, notes = _absent_sounds(definition, clips, mixtures)
    contents |= {
        SOURCES: metadata.sources_text(data.source, data.version, released=released),
        TAGS: _tags_text(definition, splits, inferred, data.ontology),
        **{f"{split}.csv": clips_text(splits[split]) for split in SPLITS},
        **_suite_texts(definition, rows, clips, mixtures, asked),
    }
    contents[SUMS] = sums_text(contents)
    return Built(definition, selected, splits, inferred, contents, notes)


def write(built: Built, out: Path) -> None:
    """Write the manifest folder whole, or not at all; only a manifest folder is replaced.

    What people wrote there (:data:`BY_HAND`) stays.
    """

    def fill(folder: Path) -> None:
        for name, text in built.contents.items():
            (folder / name).write_bytes(text.encode())
        for name in BY_HAND:
            if (out / name).is_file():
                shutil.copyfile(out / name, folder / name)

    output_folders.replace_folder(out, fill, what="the benchmark", mark=SUMS)


def clips_text(rows: Iterable[ClipRow]) -> str:
    """A clip list as CSV text, sorted by YouTube id."""
    ordered = sorted(rows, key=lambda row: row.youtube_id)
    return csv_files.write_table(CLIP_COLUMNS, (row.cells() for row in ordered))


def sums_text(contents: Mapping[str, str]) -> str:
    """``SHA256SUMS`` of files by name, in ``sha256sum``'s format, sorted by name."""
    rows = sorted((name, files.sha256_bytes(text.encode())) for name, text in contents.items())
    return "".join(f"{digest}  {name}\n" for name, digest in rows)


def _absent_sounds(
    definition: Definition, clips: Mapping[str, Clip], mixtures: Sequence[Mixture]
) -> tuple[Mapping[str, str], list[str]]:
    """What each mixture is asked for (:func:`plan_absent`), or nothing and why.

    A list that the definition names has to be made; one that nobody named may be left out.
    """
    rule = definition.mixtures
    try:
        return plan_absent(mixtures, clips, words=definition.words, seed=rule.seed), []
    except FaultsError as error:
        if definition.suites.absent:
            raise
        return {}, [
            f"no list of absent sounds: {len(error.faults)} of {len(mixtures)} mixtures can be "
            f"asked for none, such as {error.faults[0].where}; to have one, {error.fix}"
        ]


def _suite_texts(
    definition: Definition,
    rows: Mapping[str, ClipRow],
    clips: Mapping[str, Clip],
    mixtures: Sequence[Mixture],
    asked: Mapping[str, str],
) -> dict[str, str]:
    """File name -> text of the list of each suite; ``clips`` are the rows' with captions."""
    repeat_of, words, suite_name = repeats(mixtures), definition.words, definition.suite_name
    tests: list[dict[str, object]] = []
    for mixture in mixtures:
        target, noise = rows[mixture.target_id], rows[mixture.noise_id]
        repeated = repeat_of.get(mixture.mixture_id, "")
        told = names(clips[mixture.target_id].captions[0], words[noise.concept])
        tests.append(
            {
                **asdict(mixture),
                "snr_db": f"{mixture.snr_db:g}",
                "target_concept": target.concept,
                "noise_concept": noise.concept,
                "query_audiocap_id": target.audiocap_ids[0],
                "repeat_of": repeated,
                "audit": csv_files.join([NAMES_OTHER] * told + [REPEATED] * bool(repeated)),
            }
        )
    lists = {"test": tests}
    if asked:
        lists["absent"] = [
            {
                **cells,
                "query_id": f"{suite_name('absent')}-{number:04d}",
                "query_clip_id": clip_id,
                "query_audiocap_id": rows[clip_id].audiocap_ids[0],
                "query_concept": rows[clip_id].concept,
            }
            for number, (cells, clip_id) in enumerate(zip(tests, asked.values(), strict=True), 1)
        ]
    if definition.sub_test is not None:
        seed, rule = definition.split.seed, definition.sub_test
        ordered = selection.in_hash_order(rows.values(), definition.concepts, seed).values()
        described = {row.clip_id for own in ordered for row in own[: rule.clips_per_concept]}
        listed = [cells for cells in tests if cells["target_id"] in described]
        lists["sub_test"] = [
            {
                **cells,
                "query_id": f"{suite_name('sub_test')}-{number:04d}-a{annotator}",
                "annotator": f"a{annotator}",
                "audit": REPEATED if cells["repeat_of"] else "",
            }
            for number, cells in enumerate(listed, start=1)
            for annotator in range(1, rule.annotators + 1)
        ]
    return {
        f"{suite_name(kind)}.csv": csv_files.write_table(
            columns, ([cells.get(column, "") for column in columns] for cells in lists[kind])
        )
        for kind, columns in SUITE_COLUMNS.items()
        if kind in lists
    }


def _tags_text(
    definition: Definition,
    splits: Mapping[Split, Sequence[ClipRow]],
    inferred: Mapping[str, str],
    ontology: Ontology,
) -> str:
    """Every tag of the definition with what is known of it, as CSV text."""
    clips = Counter(tag for rows in splits.values() for row in rows for tag in row.tags)
    rows = []
    for tag in dict.fromkeys(tag for concept in definition.concepts for tag in concept.all_tags):
        concepts = [concept for concept in definition.concepts if tag in concept.all_tags]
        evidence, note = ("observed", "") if clips[tag] else ("listed", "no clip carries it")
        if tag in inferred:
            evidence, note = "inferred", inferred[tag]
        named = csv_files.join(concept.name for concept in concepts)
        roots = csv_files.join(dict.fromkeys(concept.root for concept in concepts))
        rows.append((ontology.mid(tag), tag, named, roots, evidence, clips[tag], note))
    return csv_files.write_table(TAG_COLUMNS, rows)


def verify(path: Path, source: MetadataSource) -> tuple[Built, list[Fault]]:
    """Rebuild a benchmark and compare every file with the one that is there, byte for byte.

    Returns
    -------
    built, differences
        The rebuilt benchmark, and every run of lines that differ, with file and line.
    """
    definition = definition_of(path)
    built = build(definition, metadata.load_metadata(source, definition.audiocaps_version))
    faults: list[Fault] = []
    for name, text in built.contents.items():
        file = path / name
        if not file.is_file():
            faults.append(Fault("missing", str(file), "the rebuilt benchmark has this file"))
            continue
        found = file.read_bytes().decode("utf-8", "backslashreplace")
        lines = found.split("\n"), text.split("\n")
        for kind, a, b, c, d in difflib.SequenceMatcher(None, *lines, False).get_opcodes():
            if kind != "equal":
                reason = _difference(lines[0][a:b], lines[1][c:d])
                faults.append(Fault("differs", f"{file}:{a + 1}", reason))
    return built, faults


def _difference(there: Sequence[str], rebuilt: Sequence[str]) -> str:
    """How a run of lines differs, by its first."""
    if not rebuilt:
        reason = f"has {there[0]!r}, which the rebuilt list has not"
    elif not there:
        reason = f"lacks the line {rebuilt[0]!r}"
    else:
        reason = f"is {there[0]!r}, rebuilt as {rebuilt[0]!r}"
    more = max(len(there), len(rebuilt)) - 1
    return f"{reason}; {more} more lines differ likewise" if more else reason


# What `lassbench select` prints -------------------------------------------------


def counts_table(built: Built) -> str:
    """The counts of each concept, as text in columns."""
    lists: dict[str, Iterable[ClipRow]] = {"candidates": built.selection.candidates.values()}
    if built.definition.split.rule == "released":
        train, validation, test = (built.splits[split] for split in SPLITS)
        lists |= {"released": (*train, *validation, *test), "train": (*train, *validation)}
        lists |= {"of it validation": validation, "test": test}
    else:
        lists |= {split: built.splits[split] for split in SPLITS}
    counts = [Counter(row.concept for row in rows) for rows in lists.values()]
    concepts = built.definition.concepts
    rows = [
        ("concept", "root category", *lists),
        *((c.name, c.root, *(str(count[c.name]) for count in counts)) for c in concepts),
        ("all", str(len({c.root for c in concepts})), *(str(n.total()) for n in counts)),
    ]
    return "\n".join(text_table(rows, left=2))
