"""Adding, rescoring and comparing: all or nothing, and only what was earned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.leaderboard.adding import add_scores, mark_verified
from lassbench.leaderboard.checks import load_entry, read_leaderboard
from lassbench.leaderboard.comparing import compare_rescored, describe_changes
from lassbench.leaderboard.entries import Loaded
from lassbench.leaderboard.submissions import submission_faults
from lassbench.scores import Scores, rows_sha256
from tests.leaderboard import made
from tests.leaderboard.conftest import DATE

SUITE = made.suite_info("made-test", queries=60)


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
    assert content["score"] == json.loads(path.read_text())
    assert (content["standing"], content["date"]) == ("submitted", DATE)
    source = path.with_name(path.name.replace(".json", ".parquet"))
    assert pq.read_table(written.with_suffix(".parquet")).equals(pq.read_table(source))


def test_nothing_else_of_a_strangers_parquet_is_kept(board: Path, tmp_path: Path) -> None:
    path = new(tmp_path)
    source = path.with_name(path.name.replace(".json", ".parquet"))
    table = pq.read_table(source).replace_schema_metadata({"payload": "x" * 1000})
    pq.write_table(table, source)
    [written] = add_scores(board, [path], date=DATE)
    assert b"payload" not in written.with_suffix(".parquet").read_bytes()


def test_all_or_none(board: Path, tmp_path: Path) -> None:
    good, bad = new(tmp_path, "Good"), new(tmp_path, "Bad")
    bad.write_bytes(bad.read_bytes()[:5000])
    before = files_of(board)
    with pytest.raises(FaultsError, match="not valid JSON"):
        add_scores(board, [good, bad], date=DATE)
    assert files_of(board) == before


def test_two_score_files_of_one_name(board: Path, tmp_path: Path) -> None:
    one, two = new(tmp_path / "a"), new(tmp_path / "b")
    with pytest.raises(FaultsError, match="claim the name 'New'"):
        add_scores(board, [one, two], date=DATE)


def test_replacing_has_to_be_asked_for(board: Path, tmp_path: Path) -> None:
    add_scores(board, [new(tmp_path)], date=DATE)
    better = made.make_scores("New", suite=SUITE, seed=43, quality_db=7)
    path = made.write(tmp_path / "better", better)
    with pytest.raises(UsageError, match="already has an entry"):
        add_scores(board, [path], date=DATE)
    [written] = add_scores(board, [path], date=DATE, replace=True)
    content = json.loads(written.read_text())
    assert content["score"]["rows_sha256"] == better.file.rows_sha256
    assert read_leaderboard(board)


def test_a_new_leaderboard_starts_with_its_first_entry(tmp_path: Path) -> None:
    root = tmp_path / "fresh"
    add_scores(root, [new(tmp_path)], date=DATE)
    card = json.loads((root / "suites" / "made-test.json").read_text())
    assert card["list_fingerprint"] == SUITE.list_fingerprint
    assert card["synthetic"] is True


def test_a_refused_first_entry_leaves_no_leaderboard(tmp_path: Path) -> None:
    path = new(tmp_path)
    path.write_text(path.read_text().replace('"New"', '"=1+1"'))
    with pytest.raises(FaultsError, match="formula"):
        add_scores(tmp_path / "fresh", [path], date=DATE)
    assert not (tmp_path / "fresh").exists()


def test_a_date_that_is_none(board: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="YYYY-MM-DD"):
        add_scores(board, [new(tmp_path)], date="yesterday")


def test_a_suite_name_that_cannot_be_a_folder(tmp_path: Path) -> None:
    suite = made.suite_info("../../etc", queries=60)
    path = made.write(tmp_path / "s", made.make_scores("New", suite=suite))
    with pytest.raises(LassbenchError, match="cannot have a table"):
        add_scores(tmp_path / "fresh", [path], date=DATE)
    assert not (tmp_path / "fresh").exists()


def loaded(board: Path, name: str = "lass-net-small") -> Loaded:
    found = load_entry(board / "entries" / "made-test" / f"{name}.json")
    assert isinstance(found, Loaded)
    return found


def nudged(scores: Scores, name: str, by: float, *, rows: int = 60) -> Scores:
    values = np.asarray(scores.rows.column(name).to_pylist(), dtype=np.float64)
    values[:rows] += by
    index = scores.rows.column_names.index(name)
    table = scores.rows.set_column(index, scores.rows.schema.field(name), pa.array(values))
    file = scores.file.model_copy(update={"rows_sha256": rows_sha256(table)})
    return Scores(file, table)


def again(board: Path, name: str = "lass-net-small") -> Scores:
    entry = loaded(board, name)
    return Scores(entry.entry.score, entry.rows)


def test_equal_predictions_make_an_entry_verified(board: Path) -> None:
    entry, scores = loaded(board), nudged(again(board), "sdr", 2e-4)
    result = compare_rescored(entry.entry, entry.rows, scores)
    assert result.equal
    assert result.largest == pytest.approx(2e-4)
    mark_verified(entry, scores, result, date="2026-02-03")
    after = loaded(board)
    assert after.entry.standing == "verified"
    assert after.entry.verification is not None
    assert after.entry.verification.largest_difference == pytest.approx(2e-4)
    assert after.entry.score == entry.entry.score
    assert read_leaderboard(board)


def test_other_values_are_told_with_their_number(board: Path) -> None:
    entry, scores = loaded(board), nudged(again(board), "sdr", 0.05, rows=7)
    result = compare_rescored(entry.entry, entry.rows, scores)
    assert result.differences == ("sdr differs for 7 queries, by up to 0.05 dB",)
    with pytest.raises(UsageError, match="equal result"):
        mark_verified(entry, scores, result)


def test_infinities_are_equal_to_themselves_only(board: Path) -> None:
    entry, scores = loaded(board), nudged(again(board), "sdr", -np.inf, rows=1)
    result = compare_rescored(entry.entry, entry.rows, scores)
    assert not result.equal
    same = Loaded(entry.path, entry.suite, entry.entry, scores.rows)
    assert compare_rescored(same.entry, same.rows, scores).equal


def test_other_predictions_are_not_this_entrys(board: Path) -> None:
    entry, scores = loaded(board), again(board)
    system = scores.file.system.model_copy(update={"predictions_sha256": "cd" * 32})
    other = Scores(scores.file.model_copy(update={"system": system}), scores.rows)
    result = compare_rescored(entry.entry, entry.rows, other)
    assert "other predictions" in result.differences[0]


def test_missing_queries_are_told(board: Path) -> None:
    entry, scores = loaded(board), again(board)
    fewer = Scores(scores.file, scores.rows.slice(0, 58))
    result = compare_rescored(entry.entry, entry.rows, fewer)
    assert result.differences == ("2 queries of the entry were not scored again",)


def test_a_partial_entry_is_never_verified(board: Path) -> None:
    entry, scores = loaded(board, "half-done"), again(board, "half-done")
    result = compare_rescored(entry.entry, entry.rows, scores)
    assert result.equal
    with pytest.raises(UsageError, match="whole entry"):
        mark_verified(entry, scores, result)


def test_changes_between_two_leaderboards(filled: Path, board: Path, tmp_path: Path) -> None:
    best = made.make_scores("Best yet", suite=SUITE, quality_db=9, seed=50)
    add_scores(board, [made.write(tmp_path / "s", best)], date=DATE)
    for suffix in (".json", ".parquet"):
        (board / "entries" / "made-test" / f"mixture{suffix}").unlink()
    lines = describe_changes(read_leaderboard(filled), read_leaderboard(board))
    mean = best.file.summary["si_sdr_i"].mean
    assert lines[0] == "made-test:"
    assert f"  + Best yet: SI-SDRi {mean:.2f} dB, submitted" in lines
    assert "  - Mixture" in lines
    assert "  rank of LASS-Net: 1 -> 2" in lines
    assert not any("made-asked" in line for line in lines)


def test_no_change(filled: Path, board: Path) -> None:
    assert describe_changes(read_leaderboard(filled), read_leaderboard(board)) == []


def test_a_submission_adds_entries_and_nothing_else(
    filled: Path, board: Path, tmp_path: Path
) -> None:
    add_scores(board, [new(tmp_path)], date=DATE)
    assert list(submission_faults(filled, board)) == []


@pytest.mark.parametrize("what", ["verified", "card", "removed"])
def test_a_submission_that_does_more(filled: Path, board: Path, what: str) -> None:
    entry = loaded(board)
    if what == "verified":
        scores = again(board)
        mark_verified(entry, scores, compare_rescored(entry.entry, entry.rows, scores))
    elif what == "card":
        card = board / "suites" / "made-test.json"
        card.write_text(card.read_text().replace("Made-up", "Official"))
    else:
        entry.path.unlink()
    words = {"verified": "calls itself verified", "card": "is changed", "removed": "is removed"}
    assert words[what] in str(next(iter(submission_faults(filled, board))))
