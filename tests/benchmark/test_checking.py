"""A changed list is found with and without the metadata, and the line is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lassbench.benchmark import checking, manifests, reports
from lassbench.benchmark.building import Built
from lassbench.benchmark.metadata import MetadataSource
from lassbench.benchmark.sources import Metadata
from lassbench.errors import Fault, FaultsError, UsageError
from tests.small_metadata import SmallMetadata, small_source, video


def verify(folder: Path, tmp_path: Path) -> list[Fault]:
    return checking.verify(folder, small_source(tmp_path / "metadata"))[1]


def test_an_untouched_benchmark_passes(folder: Path, tmp_path: Path) -> None:
    assert manifests.check_sums(folder) == []
    assert verify(folder, tmp_path) == []


def edit(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_text()
    path.write_text(change(text))
    assert path.read_text() != text


def drop_line(number: int) -> Callable[[str], str]:
    return lambda text: "".join(
        line for n, line in enumerate(text.splitlines(True), start=1) if n != number
    )


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (lambda text: text.replace("dog", "cat", 1), None, "is "),
        (drop_line(4), 4, "lacks the line"),
        (lambda text: text + text.splitlines()[-1] + "\n", 8, "which the rebuilt list has not"),
    ],
)
def test_an_edited_list_is_named_with_its_line(
    folder: Path,
    tmp_path: Path,
    change: Callable[[str], str],
    line: int | None,
    words: str,
) -> None:
    path = folder / "test.csv"
    if line is None:
        lines = path.read_text().splitlines()
        line = next(n for n, text in enumerate(lines, start=1) if "dog" in text)
    edit(path, change)
    (changed,) = manifests.check_sums(folder)
    assert (changed.kind, changed.where) == ("changed", str(path))
    (difference,) = verify(folder, tmp_path)
    assert difference.where == f"{path}:{line}" and words in difference.reason


def test_an_edit_that_also_mends_the_sums_is_still_found(folder: Path, tmp_path: Path) -> None:
    path = folder / "small-test.csv"
    edit(path, lambda text: text.replace(",0,", ",6,", 1))
    contents = {p.name: p.read_text() for p in folder.iterdir() if p.name != manifests.SUMS}
    (folder / manifests.SUMS).write_text(manifests.sums_text(contents))
    assert manifests.check_sums(folder) == []
    found = verify(folder, tmp_path)
    assert [fault.where for fault in found if "small-test" in fault.where] == [f"{path}:2"]
    assert any(fault.where.startswith(str(folder / manifests.SUMS)) for fault in found)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda data: data.replace(b"\n", b"\r\n"), 1),
        (lambda data: b"\xef\xbb\xbf" + data, 1),
    ],
)
def test_changed_line_ends_are_called_that(
    folder: Path, tmp_path: Path, change: Callable[[bytes], bytes], line: int
) -> None:
    path = folder / "tags.csv"
    path.write_bytes(change(path.read_bytes()))
    (changed,) = manifests.check_sums(folder)
    assert "only its line ends or byte-order mark" in changed.reason
    (difference,) = verify(folder, tmp_path)
    assert difference.where == f"{path}:{line}" and "line ends" in difference.reason


def test_missing_and_strange_files_are_told(folder: Path, tmp_path: Path) -> None:
    (folder / "validation.csv").unlink()
    (folder / "notes.txt").write_text("mine")
    assert {(fault.kind, Path(fault.where).name) for fault in manifests.check_sums(folder)} == {
        ("missing", "validation.csv"),
        ("not listed", "notes.txt"),
    }
    assert ("missing", str(folder / "validation.csv")) in [
        (fault.kind, fault.where) for fault in verify(folder, tmp_path)
    ]


def test_opening_an_edited_benchmark_names_the_row_that_is_wrong(folder: Path) -> None:
    path = folder / "train.csv"
    lines = path.read_text().splitlines(True)
    lines[3] = lines[3].replace("dog", "cat").replace("Dog", "Cat")
    path.write_text("".join(lines))
    with pytest.raises(FaultsError) as caught:
        manifests.open_benchmark(folder)
    kinds = {(fault.kind, fault.where) for fault in caught.value.faults}
    assert kinds == {("changed", str(path)), ("bad row", f"{path}:4")}


def test_differences_are_listed_up_to_ten_a_file(folder: Path, tmp_path: Path) -> None:
    edit(folder / "small-test.csv", lambda text: text.replace("small-test-", "big-test-"))
    assert len(verify(folder, tmp_path)) == checking.LISTED_DIFFERENCES


def test_other_metadata_give_other_lists(folder: Path, tmp_path: Path) -> None:
    world = SmallMetadata()
    world.clips[0].tags = ["Duck"]
    source = MetadataSource(str(world.write(tmp_path / "other")), verified=False)
    _, differences = checking.verify(folder, source)
    assert any("card.yaml" in fault.where for fault in differences)
    assert any(".csv:" in fault.where for fault in differences)


# --- reports ----------------------------------------------------------------


def test_the_counts_table(built: Built) -> None:
    lines = [line.split() for line in reports.counts_table(built).splitlines()]
    assert lines[0] == ["concept", "root", "category", "candidates", "train", "validation", "test"]
    assert lines[1] == ["dog", "Animal", "6", "3", "1", "2"]
    assert lines[-1] == ["all", "3", "18", "9", "3", "6"]


def test_explaining_a_clip(built: Built, data: Metadata) -> None:
    rejected = reports.explain(video("other", 0), built, data)
    assert "Dog (/m/dog), Rain (/m/rain)" in rejected
    assert "other sound: 'Rain' outside the nearest concept, dog" in rejected
    youtube_id = built.splits["test"][0].youtube_id
    chosen = reports.explain(f"Y{youtube_id}", built, data)
    assert f"{youtube_id}: AudioCaps" in chosen and chosen.endswith("split     test")
    with pytest.raises(UsageError, match="no clip of video 'nonsense'"):
        reports.explain("nonsense", built, data)


def test_every_clip_has_an_outcome(built: Built, data: Metadata) -> None:
    rejected = reports.rejections_text(built).splitlines()[1:]
    assert len(rejected) == 3
    assert len(rejected) + len(built.selection.candidates) == len(data.captioned)
