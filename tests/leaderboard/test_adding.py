"""Adding, rescoring and comparing: all or nothing, and only what was earned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lassbench import output_folders
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.files import sha256_file
from lassbench.leaderboard.adding import add_scores, mark_verified, without_captions
from lassbench.leaderboard.building import build
from lassbench.leaderboard.changes import (
    compare_rescored,
    describe_changes,
    submission_faults,
)
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.entries import Loaded, model_bytes
from lassbench.leaderboard.examples import read_examples
from lassbench.scores.score_file import ScoreFile, Scores
from tests.leaderboard import made, sounds
from tests.leaderboard.made import DATE
from tests.scores.by_hand import of_rows

SUITE = made.suite_info("made-test")


def new(folder: Path, name: str = "New", **more: object) -> Path:
    return made.write(folder / name, made.make_scores(name, suite=SUITE, seed=42, **more))  # type: ignore[arg-type]


def files_of(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_an_entry_holds_the_score_file_and_its_rows(board: Path, tmp_path: Path) -> None:
    path = new(tmp_path)
    [written] = add_scores(
        board, [path], date=DATE, submitted_by="A Person", links={"paper": "https://example.org"}
    )
    content = json.loads(written.read_text())
    assert written == board / "entries" / "made-test" / "new.json"
    score = json.loads(path.read_text())
    for key in ("lassbench_version", "policy", "rows_sha256"):
        assert content[key] == score[key]
    assert content["system"] == {key: one for key, one in score["system"].items() if one}
    assert content["suite_fingerprint"] == score["suite"]["fingerprint"]
    assert content["date"] == DATE
    assert made.loaded(board, "new").entry.standing == "submitted"
    source = path.with_name(path.name.replace(".json", ".parquet"))
    assert pq.read_table(written.with_suffix(".parquet")).equals(pq.read_table(source))


def test_captions_of_recordings_are_not_published(tmp_path: Path) -> None:
    real = made.suite_info("made-real", queries=20, synthetic=False)
    scores = made.make_scores("New", suite=real, seed=1, quality_db=4)
    rows = scores.rows.assign(query_type=["caption"] * 15 + ["templated"] * 5)
    kept = without_captions(rows)
    assert list(kept["text"]) == [""] * 15 + list(rows["text"][15:])
    pd.testing.assert_frame_equal(kept.drop(columns="text"), rows.drop(columns="text"))


def test_nothing_else_of_somebodys_parquet_is_kept(board: Path, tmp_path: Path) -> None:
    path = new(tmp_path)
    source = path.with_name(path.name.replace(".json", ".parquet"))
    table = pq.read_table(source).replace_schema_metadata({"payload": "x" * 1000})
    pq.write_table(table, source, compression="none")
    [written] = add_scores(board, [path], date=DATE)
    assert b"payload" not in written.with_suffix(".parquet").read_bytes()


def test_all_or_none(board: Path, tmp_path: Path) -> None:
    good, bad = new(tmp_path, "Good"), new(tmp_path, "Bad")
    bad.write_bytes(bad.read_bytes()[:500])
    before = files_of(board)
    with pytest.raises(FaultsError, match="not valid JSON"):
        add_scores(board, [good, bad], date=DATE)
    assert files_of(board) == before


def test_two_score_files_of_one_name(board: Path, tmp_path: Path) -> None:
    one, two = new(tmp_path / "a"), new(tmp_path / "b")
    with pytest.raises(FaultsError, match=r"'New' and 'New' would both be new\.json"):
        add_scores(board, [one, two], date=DATE)


def test_replacing_has_to_be_asked_for(board: Path, tmp_path: Path) -> None:
    add_scores(board, [new(tmp_path)], date=DATE)
    better = made.make_scores("New", suite=SUITE, seed=43, quality_db=7)
    with pytest.raises(UsageError, match="already has an entry"):
        made.add(board, better)
    [written] = made.add(board, better, replace=True)
    content = json.loads(written.read_text())
    assert content["rows_sha256"] == better.file.rows_sha256
    assert read_leaderboard(board)


def test_a_name_of_the_same_file_takes_nobodys_place(board: Path) -> None:
    """ "LASS-Net" and "LASS-Net+" would both be lass-net.json."""
    other = made.make_scores("LASS-Net+", suite=SUITE, seed=44)
    more = made.make_scores("Mixture+", suite=SUITE, seed=45)
    for replace_it in (False, True):
        with pytest.raises(UsageError, match="'LASS-Net' already has an entry") as caught:
            made.add(board, other, more, replace=replace_it)
        assert "'Mixture' already has an entry" in str(caught.value)


def test_a_new_leaderboard_starts_with_its_first_entry(tmp_path: Path) -> None:
    root = tmp_path / "fresh"
    add_scores(root, [new(tmp_path)], date=DATE)
    card = json.loads((root / "suites" / "made-test.json").read_text())
    assert card["list_fingerprint"] == SUITE.list_fingerprint
    assert card["synthetic"] is True


def test_one_at_a_time(board: Path, tmp_path: Path) -> None:
    path = new(tmp_path, "New one")
    add, make = lambda: add_scores(board, [path], date=DATE), lambda: build(board)
    with output_folders.folder_lock(board, what="the leaderboard"):
        for write in (add, make, lambda: verify(board)):
            with pytest.raises(LassbenchError, match="the leaderboard is in use by process"):
                write()
    add()


@pytest.mark.parametrize("replace", [False, True])
def test_the_same_scores_again_change_nothing(board: Path, tmp_path: Path, replace: bool) -> None:
    path = made.write(tmp_path, again(board))
    verify(board)
    before = files_of(board)
    add_scores(board, [path], date="2026-05-06", replace=replace)
    assert files_of(board) == before


def test_entries_that_are_a_link(board: Path, tmp_path: Path) -> None:
    elsewhere = (board / "entries").rename(tmp_path / "elsewhere")
    (board / "entries").symlink_to(elsewhere)
    [written] = add_scores(board, [new(tmp_path)], date=DATE)
    assert (board / "entries").readlink() == elsewhere
    assert written.is_file()
    assert read_leaderboard(board)


def test_adding_from_inside_the_entries(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new(tmp_path)
    before = files_of(board)
    monkeypatch.chdir(board / "entries" / "made-test")
    with pytest.raises(UsageError, match="you are in it"):
        add_scores(Path("../.."), [path], date=DATE)
    assert files_of(board) == before


def test_examples_that_a_killed_run_left_are_none(board: Path) -> None:
    sounds.export(board)
    (board / "examples" / "made-test").rename(board / "examples" / ".made-test.123-abcdef.part")
    assert read_examples(read_leaderboard(board)) == {}


def test_a_date_that_is_none(board: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="YYYY-MM-DD"):
        add_scores(board, [new(tmp_path)], date="yesterday")


def nudged(scores: Scores, name: str, by: float, *, rows: int = 60) -> Scores:
    table = scores.rows.copy()
    table.loc[: rows - 1, name] += by
    return of_rows(scores, table)


def again(board: Path, name: str = "lass-net-small") -> Scores:
    return made.loaded(board, name).scores(SUITE)


def test_equal_predictions_make_an_entry_verified(board: Path) -> None:
    entry, scores = made.loaded(board), nudged(again(board), "sdr", 2e-4)
    result = compare_rescored(entry, scores)
    assert result.equal
    assert result.largest == pytest.approx(2e-4)
    mark_verified(entry, result, date="2026-02-03")
    after = made.loaded(board)
    assert after.entry.standing == "verified"
    assert after.entry.verification is not None
    assert after.entry.verification.largest_difference == pytest.approx(2e-4)
    assert after.entry.model_copy(update={"verification": None}) == entry.entry
    assert read_leaderboard(board)


def edited(scores: Scores, **sections: Any) -> Scores:
    """``scores`` with other keys in sections of their JSON."""
    content = scores.file.model_dump(mode="json")
    for name, keys in sections.items():
        content[name].update(keys)
    return Scores(ScoreFile.model_validate(content), scores.rows)


OTHER: dict[str, tuple[Callable[[Scores], Scores], str]] = {
    "values": (
        lambda s: nudged(s, "sdr", 0.05, rows=7), "sdr differs for 7 queries, by up to 0.05 dB",
    ),
    "infinity": (lambda s: nudged(s, "sdr", -np.inf, rows=1), "sdr differs for 1 queries"),
    "queries": (
        lambda s: Scores(s.file, s.rows[:58]), "the entry is of 60, this of 58",
    ),
    "predictions": (
        lambda s: edited(s, system={"predictions_sha256": "cd" * 32}), "predictions_sha256 is",
    ),
    # What the rows do not say is what an entry could be edited in.
    "query type": (
        lambda s: edited(s, system={"query_type": "oracle"}),
        "query_type is 'text', by system.yaml and suite it is 'oracle'",
    ),
    "training clips": (
        lambda s: edited(s, contamination={"declared": 9, "clips": ["t0001"]}),
        "it is \"declared=9 clips=('t0001',)\"",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER)
def test_what_is_not_equal_is_told_and_not_verified(board: Path, case: str) -> None:
    act, words = OTHER[case]
    entry = made.loaded(board)
    result = compare_rescored(entry, act(again(board)))
    [difference] = result.differences
    assert words in difference
    with pytest.raises(UsageError, match="equal result"):
        mark_verified(entry, result)


def test_infinities_are_equal_to_themselves(board: Path) -> None:
    entry, scores = made.loaded(board), nudged(again(board), "sdr", -np.inf, rows=1)
    assert compare_rescored(replace(entry, rows=scores.rows), scores).equal


@pytest.mark.parametrize(
    ("name", "said", "differs"), [("text", "", 0), ("text", "another", 60), ("concept", "", 60)]
)
def test_only_texts_may_be_withheld(board: Path, name: str, said: str, differs: int) -> None:
    entry, scores = made.loaded(board), again(board)
    told = replace(entry, rows=entry.rows.assign(**{name: said}))
    expected = (f"{name} differs for {differs} queries",) if differs else ()
    assert compare_rescored(told, scores).differences == expected


def clap_entry(board: Path) -> tuple[Loaded, Scores]:
    """An entry with everything that may be asked for, and the score it was made of."""
    scores = made.with_more(made.make_scores("Clapped", suite=SUITE, seed=60), "some/model")
    made.add(board, scores)
    return made.loaded(board, "clapped"), scores


def test_clapscores_without_their_model_are_told_as_not_checked(board: Path) -> None:
    entry, _ = clap_entry(board)
    plain = made.make_scores("Clapped", suite=SUITE, seed=60)
    result = compare_rescored(entry, made.with_more(plain, more=["mrstft"]))
    assert result.equal
    assert result.not_checked == ("clap", "clap_i", "clap_a")
    record = mark_verified(entry, result).verification
    assert record is not None
    assert record.not_checked == ("clap", "clap_i", "clap_a")
    assert read_leaderboard(board)
    differences = compare_rescored(entry, plain).differences
    assert differences[0] == "mrstft was not scored again"


def test_clapscores_with_their_model_are_compared(board: Path) -> None:
    entry, scores = clap_entry(board)
    result = compare_rescored(entry, scores)
    assert (result.equal, result.not_checked) == (True, ())
    higher = nudged(scores, "clap_a_mixture", 0.1, rows=59)
    differences = compare_rescored(entry, higher).differences
    assert differences == ("clap_a_mixture differs for 59 queries, by up to 0.1",)
    other = made.with_more(scores, "another/model")
    assert "clap_model is 'some/model'" in compare_rescored(entry, other).differences[0]


def test_a_partial_entry_is_never_verified(board: Path) -> None:
    entry, scores = made.loaded(board, "half-done"), again(board, "half-done")
    result = compare_rescored(entry, scores)
    assert result.equal
    with pytest.raises(UsageError, match="whole entry"):
        mark_verified(entry, result)


def test_changes_between_two_leaderboards(filled: Path, board: Path) -> None:
    best = made.make_scores("Best yet", suite=SUITE, quality_db=9, seed=50)
    made.add(board, best)
    for suffix in (".json", ".parquet"):
        (board / "entries" / "made-test" / f"mixture{suffix}").unlink()
    verify(board)
    oracle = made.loaded(board, "oracle-mask")
    told = oracle.entry.model_copy(update={"notes": "New."})
    oracle.path.write_bytes(model_bytes(told))
    lines = describe_changes(read_leaderboard(filled), read_leaderboard(board))
    mean = best.summary.metrics["si_sdr_i"].mean
    assert lines[0] == "made-test:"
    assert lines[1].startswith(f"  + Best yet: submitted, rank 1, SI-SDRi {mean:.4f}, SDRi ")
    assert "  - Mixture" in lines
    assert "  ~ LASS-Net: rank 1 -> rank 2" in lines
    [small] = [line for line in lines if "LASS-Net small" in line]
    assert small.startswith("  ~ LASS-Net small: submitted -> verified, rank 2 -> rank 3, verif")
    assert "  ~ Oracle mask: notes '' -> 'New.'" in lines
    assert not any("made-asked" in line for line in lines)


def test_a_submission_adds_entries_and_nothing_else(filled: Path, board: Path) -> None:
    assert describe_changes(read_leaderboard(filled), read_leaderboard(board)) == []
    made.add(board, made.make_scores("New", suite=SUITE))
    assert list(submission_faults(filled, board)) == []


def verify(board: Path) -> None:
    entry, scores = made.loaded(board), again(board)
    mark_verified(entry, compare_rescored(entry, scores))


def rename(board: Path) -> None:
    card = board / "suites" / "made-test.json"
    card.write_text(card.read_text().replace("Made-up", "Official"))


def link_by_hash(path: Path) -> None:
    digest = sha256_file(path)
    path.unlink()
    path.symlink_to(digest)


MORE: dict[str, tuple[Callable[[Path], object], str]] = {
    "verified": (verify, "calls itself verified"),
    "card": (rename, "made-test.json: is changed or removed: a submission adds entries"),
    "removed": (lambda board: made.loaded(board).path.unlink(), "is changed or removed"),
    "schema": (
        lambda board: (board / "entry.schema.json").write_text("{}"),
        "entry.schema.json: is changed or removed: a submission adds entries",
    ),
    "tables": (build, "tables/README.md: is changed"),
    "link to a file": (
        lambda board: (board / "site.json").symlink_to("/dev/zero"),
        "site.json: is changed or removed: a submission adds entries",
    ),
    "link named as the hash of a file": (
        lambda board: link_by_hash(board / "entry.schema.json"),
        "entry.schema.json: is changed or removed: a submission adds entries",
    ),
    "link to a folder": (
        lambda board: (board / "examples").symlink_to(board.parent),
        "examples: is changed or removed: a submission adds entries",
    ),
    "anything": (
        lambda board: (board / "page.html").write_text("<script>"),
        "page.html: is changed or removed: a submission adds entries",
    ),
    "an empty file": (
        lambda board: (board / "page.html").touch(),
        "page.html: is changed or removed: a submission adds entries",
    ),
}


@pytest.mark.parametrize("what", MORE)
def test_a_submission_that_does_more(filled: Path, board: Path, what: str) -> None:
    act, words = MORE[what]
    act(board)
    assert words in str(next(iter(submission_faults(filled, board))))


def test_a_submission_that_takes_the_place_of_a_verified_entry(
    filled: Path, board: Path, tmp_path: Path
) -> None:
    """A worse result under another's name, or a better one under the same seal."""
    verify(board)
    proposed = tmp_path / "proposed"
    shutil.copytree(board, proposed)
    scores = made.make_scores("LASS-Net small", suite=SUITE, seed=44, quality_db=1)
    made.add(proposed, scores, replace=True)
    [fault] = submission_faults(board, proposed)
    assert "lass-net-small.json: changes an entry that was verified" in str(fault)
    assert list(submission_faults(filled, proposed)) == [], "it was not verified there"


def test_neither_a_site_nor_tables_take_what_they_are_made_from(
    board: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    build(board, site=site)
    inside = site / "board"
    shutil.copytree(board, inside)
    with pytest.raises(UsageError, match="what it is made from lies in it"):
        build(inside, site=site)
    assert (inside / "entries").is_dir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.csv").write_text("dear")
    shutil.rmtree(board / "tables", ignore_errors=True)
    (board / "tables").symlink_to(tmp_path / "mine")
    with pytest.raises(UsageError, match="the folder of tables is a link"):
        build(board)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.csv"]
