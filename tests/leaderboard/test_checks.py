"""Hostile and broken entries: each refused with one clear message, none gets through."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.leaderboard.adding import add_scores
from lassbench.leaderboard.building import build
from lassbench.leaderboard.checks import inspect_leaderboard, read_leaderboard
from lassbench.leaderboard.entries import SuiteCard, entry_schema, model_bytes, read_model
from lassbench.scores.rows import improvement, rows_sha256
from lassbench.scores.score_file import Scores, rows_table
from tests.leaderboard import made
from tests.leaderboard.conftest import DATE

NAME = "lass-net-small"


def entry(board: Path) -> Path:
    return board / "entries" / "made-test" / f"{NAME}.json"


def change(path: Path, act: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    act(content)
    path.write_text(json.dumps(content))


def faults(board: Path) -> list[str]:
    found, wrong = inspect_leaderboard(board)
    bad = {fault.where for fault in wrong}
    left = {str(loaded.path) for entries in found.entries.values() for loaded in entries}
    assert not bad & left, "a faulty entry was kept"
    return [str(fault) for fault in wrong]


def one_fault(board: Path, words: str, file: str = f"{NAME}.json") -> None:
    """Exactly one fault, about ``file``, with ``words`` in it."""
    found = faults(board)
    assert len(found) == 1, found
    assert words in found[0], found[0]
    assert file in found[0]
    assert found[0].isprintable()


def test_a_good_leaderboard_has_no_fault(filled: Path) -> None:
    board = read_leaderboard(filled)
    assert [len(board.entries[name]) for name in board.suites] == [1, 2, 6]


@pytest.mark.parametrize("what", ["name", "half", "rows", "card"])
def test_with_a_fault_anywhere_nothing_is_built(board: Path, what: str) -> None:
    if what == "name":
        change(entry(board), lambda e: e["score"]["system"].update(name="<b>x</b>"))
    elif what == "half":
        entry(board).write_bytes(entry(board).read_bytes()[:1000])
    elif what == "rows":
        entry(board).with_suffix(".parquet").write_bytes(b"")
    else:
        (board / "suites" / "made-asked.json").write_text("{}")
    with pytest.raises(FaultsError, match="nothing was built"):
        build(board, site=board.parent / "site")
    assert not (board.parent / "site").exists()
    assert not (board / "tables").exists()


def test_the_schema_is_published_beside_the_entries(filled: Path) -> None:
    published = json.loads((filled / "entry.schema.json").read_text())
    assert published == json.loads(json.dumps(entry_schema()))
    assert published["additionalProperties"] is False


NAMES = {
    "markup": ("<img src=x onerror=alert(1)>", "markup"),
    "formula": ('=HYPERLINK("http://x.example","y")', "formula"),
    "long": ("x" * 10_000, "string_too_long|at most 200|10000 characters"),
    "control": ("a\x07b", "U+0007"),
    "direction": ("abc\u202ed", "U+202E"),
}


@pytest.mark.parametrize("case", NAMES)
def test_hostile_names(board: Path, case: str) -> None:
    name, words = NAMES[case]
    change(entry(board), lambda e: e["score"]["system"].update(name=name))
    found = faults(board)
    assert len(found) == 1
    assert any(word in found[0] for word in words.split("|")), found[0]
    assert len(found[0]) < 800


def test_hostile_text_elsewhere(board: Path) -> None:
    change(entry(board), lambda e: e["score"]["system"].update(description="<script>x</script>"))
    one_fault(board, "markup")


def test_hostile_links(board: Path) -> None:
    change(entry(board), lambda e: e.update(links={"paper": "javascript:alert(1)"}))
    one_fault(board, "not an http or https address")


def test_hostile_labels_of_links(board: Path) -> None:
    change(entry(board), lambda e: e.update(links={"=1+1": "https://example.org"}))
    one_fault(board, "formula")


@pytest.mark.parametrize("name", ["concept", "text", "annotator", "flags"])
def test_hostile_rows(board: Path, name: str) -> None:
    rewrite(board, lambda rows: rows.assign(**{name: "<b>dog</b>"}))
    one_fault(board, f"{name} of a row holds markup")


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_not_a_number(board: Path) -> None:
    replace_text(entry(board), '"parameters": ', '"parameters": NaN, "x": ')
    one_fault(board, "holds NaN")


def test_a_number_beyond_all_numbers(board: Path) -> None:
    replace_text(entry(board), '"parameters": ', '"parameters": 1e999, "x": ')
    one_fault(board, "1e999")


def test_a_whole_number_without_end(board: Path) -> None:
    replace_text(entry(board), '"parameters": 1000000', f'"parameters": {"9" * 5000}')
    one_fault(board, "whole number of 5000 digits")


def test_more_parameters_than_a_float_can_count(board: Path) -> None:
    change(entry(board), lambda e: e["score"]["system"].update(parameters=10**400))
    one_fault(board, "parameters")
    with pytest.raises(FaultsError, match="nothing was built"):
        build(board)


def test_a_suite_with_more_queries_than_a_float_can_count(board: Path) -> None:
    card = board / "suites" / "made-absent.json"
    change(card, lambda c: c.update(queries=10**400))
    one_fault(board, "queries", file="made-absent.json")


@pytest.mark.parametrize("name", ["query_id", "text", "wrong_source", "estimate_level_db"])
def test_rows_without_a_value(board: Path, name: str) -> None:
    def act(table: pa.Table) -> pa.Table:
        at, kind = table.column_names.index(name), table.schema.field(name).type
        values = [None, *table.column(name).to_pylist()[1:]]
        return table.set_column(at, pa.field(name, kind), pa.array(values, type=kind))

    rewrite_table(board, act)
    one_fault(board, f"lacks values: null in {name}")


def test_rows_that_are_not_text(board: Path) -> None:
    def act(table: pa.Table) -> pa.Table:
        values = [text.encode() for text in table.column("text").to_pylist()]
        broken = pa.array([b"\xff\xfe", *values[1:]]).view(pa.string())
        at = table.column_names.index("text")
        return table.set_column(at, table.schema.field("text"), broken)

    rewrite_table(board, act)
    one_fault(board, "UTF8")


def test_an_entry_without_the_hash_of_its_predictions(board: Path) -> None:
    """Without it nobody could tell that two entries are of the same predictions."""
    change(entry(board), lambda e: e["score"]["system"].update(predictions_sha256=""))
    one_fault(board, "no hash of its predictions")


def test_a_key_twice(board: Path) -> None:
    replace_text(entry(board), '"standing":', '"standing": "verified", "standing":')
    one_fault(board, "'standing' twice")


def test_cut_in_half(board: Path) -> None:
    data = entry(board).read_bytes()
    entry(board).write_bytes(data[: len(data) // 2])
    one_fault(board, "not valid JSON")


def test_nested_without_end(board: Path) -> None:
    entry(board).write_text("[" * 100_000)
    one_fault(board, "nested too deeply")


def test_not_text(board: Path) -> None:
    entry(board).write_bytes(b"\xff\xfd")
    one_fault(board, "not UTF-8")


def test_an_unknown_field(board: Path) -> None:
    change(entry(board), lambda e: e.update(surprise=1))
    one_fault(board, "surprise")


@pytest.mark.parametrize("damage", ["half", "empty", "gone", "text"])
def test_damaged_rows(board: Path, damage: str) -> None:
    rows = entry(board).with_suffix(".parquet")
    data = rows.read_bytes()
    match damage:
        case "half":
            rows.write_bytes(data[: len(data) // 2])
        case "empty":
            rows.write_bytes(b"")
        case "gone":
            rows.unlink()
        case "text":
            rows.write_text("query_id,sdr\n")
    one_fault(board, "not beside it" if damage == "gone" else "not a whole Parquet file")


def rewrite_table(board: Path, act: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows as Parquet holds them; the JSON does not follow."""
    path = entry(board).with_suffix(".parquet")
    pq.write_table(act(pq.read_table(path)), path)


def rewrite(
    board: Path, act: Callable[[pd.DataFrame], pd.DataFrame], *, path: Path | None = None
) -> None:
    """Change the rows, and make the JSON's hash follow: as a forger would."""
    path = path or entry(board)
    rows = act(pq.read_table(path.with_suffix(".parquet")).to_pandas())
    kind = json.loads(path.read_text())["score"]["kind"]
    pq.write_table(rows_table(rows, kind), path.with_suffix(".parquet"))
    change(path, lambda e: e["score"].update(rows_sha256=rows_sha256(rows)))


def shifted(rows: pd.DataFrame, **by: float) -> pd.DataFrame:
    return rows.assign(**{name: rows[name] + amount for name, amount in by.items()})


def test_rows_of_another_entry(board: Path) -> None:
    other = entry(board).with_name("lass-net.parquet")
    shutil.copy(other, entry(board).with_suffix(".parquet"))
    one_fault(board, "does not match its JSON")


def test_rows_with_another_count(board: Path) -> None:
    rewrite_table(board, lambda table: table.slice(0, 50))
    one_fault(board, "has 50 rows")


def test_rows_with_other_columns(board: Path) -> None:
    rewrite_table(board, lambda table: table.append_column("bonus", pa.array([1.0] * 60)))
    one_fault(board, "other columns")


def test_tags_that_other_entries_do_not_have(board: Path) -> None:
    """Who edits the tags of rows, to move queries from one mean to another, differs."""
    rewrite(board, lambda rows: rows.assign(tags=["Bell", *rows["tags"][1:]]))
    one_fault(board, "another tags for the same query")


@pytest.mark.parametrize("name", ["summary", "breakdowns", "wrong_source_share", "annotators"])
def test_figures_that_are_not_the_rows(board: Path, name: str) -> None:
    """Every figure is computed: an entry that brings its own is none of this version's."""
    change(entry(board), lambda e: e["score"].update({name: {}}))
    one_fault(board, name)


def test_test_clips_that_do_not_exist(board: Path) -> None:
    change(
        entry(board),
        lambda e: e["score"].update(contamination={"declared": 9, "clips": ["no-such-clip"]}),
    )
    one_fault(board, "that no row has")


def test_sdr_above_sir(board: Path) -> None:
    rewrite(board, lambda rows: shifted(rows, sdr=30, sdr_i=30))
    one_fault(board, "is above sir, which cannot be")


def test_snr_above_what_si_sdr_allows(board: Path) -> None:
    rewrite(board, lambda rows: shifted(rows, snr=20, snr_i=20))
    one_fault(board, "which cannot be")


def test_an_improvement_that_is_no_difference(board: Path) -> None:
    rewrite(board, lambda rows: shifted(rows, si_sdr_i=3))
    one_fault(board, "is not si_sdr minus si_sdr_mixture")


def restate(board: Path, values: Mapping[str, float | None]) -> None:
    """Rows with constant columns."""
    rewrite(board, lambda rows: rows.assign(**values))


RATIOS = ("sdr", "sir", "si_sdr", "snr")


def test_silence_that_improves_on_the_mixture(board: Path) -> None:
    """Policy: where the value is the worst, so is the improvement."""
    restate(board, dict.fromkeys(RATIOS, -np.inf) | {f"{name}_i": 90.0 for name in RATIOS})
    one_fault(board, "is not sdr minus sdr_mixture")


def test_perfection_beyond_what_the_mixture_leaves(board: Path) -> None:
    values = dict.fromkeys(RATIOS, np.inf) | {f"{name}_i": np.inf for name in RATIOS}
    restate(board, values | {"sar": np.inf, "sdr_i": 80.0})
    one_fault(board, "is not sdr minus sdr_mixture")


@pytest.mark.parametrize("value", [-np.inf, np.inf])
def test_infinities_by_the_policy_pass(board: Path, value: float) -> None:
    """All silent, or all perfect: the written policy says what their improvements are."""
    names = (*RATIOS, *(f"{name}_i" for name in RATIOS))
    sar = {"sar": value if value < 0 else np.nan}
    restate(board, dict.fromkeys(names, value) | sar)
    assert faults(board) == []


def worst_left_out(rows: pd.DataFrame, names: Sequence[str], by: str = "si_sdr_i") -> pd.DataFrame:
    """``rows`` where the ten worst answers are undefined."""
    worst = rows[by].rank() <= 10
    return rows.assign(**{name: rows[name].mask(worst) for name in names})


def test_the_worst_answers_left_out_as_undefined(board: Path) -> None:
    """Policy 3: undefined never hides a bad answer."""
    names = (*RATIOS, "sar", *(f"{name}_i" for name in RATIOS))
    rewrite(board, lambda rows: worst_left_out(rows, names))
    one_fault(board, "and 9 more is left out, though the mixture's is defined")


def test_the_lowest_sar_left_out_as_undefined(board: Path) -> None:
    rewrite(board, lambda rows: worst_left_out(rows, ["sar"], by="sar"))
    one_fault(board, "is not what its sir and sar make it")


def test_a_sar_that_measures_rounding(board: Path) -> None:
    restate(board, {"sar": 61.0})
    one_fault(board, "sar of query q00000 and 59 more is above 60 dB, where it is undefined")


def test_parts_that_do_not_add_up(board: Path) -> None:
    """SDR raised by a tenth of a decibel, still below SIR and SAR."""
    rewrite(board, lambda rows: shifted(rows, sdr=0.1, sdr_i=0.1))
    one_fault(board, "is not what its sir and sar make it")


ABSENT = {
    "attenuation": (lambda rows: shifted(rows, attenuation=3), "is not minus its"),
    "silent_share": (
        lambda rows: rows.assign(silent_share=1.0),
        "is not whether its attenuation is at least 20 dB",
    ),
}


@pytest.mark.parametrize("name", ABSENT)
def test_silences_that_are_none(board: Path, name: str) -> None:
    act, words = ABSENT[name]
    path = board / "entries" / "made-absent" / "lass-net.json"
    rewrite(board, act, path=path)
    one_fault(board, words, file="lass-net.json")


def test_a_finite_sdr_above_the_worst_sir(board: Path) -> None:
    restate(board, {"sir": -np.inf, "sir_i": -np.inf})
    one_fault(board, "is above sir, which cannot be")


BEYOND = {
    "sir": (1000.0, "-400 and 400 dB"),
    "sir_mixture": (1000.0, "-400 and 400 dB"),
    "clap": (2.5, "-2.001 and 2.001"),
    "clap_a": (-np.inf, "-2.001 and 2.001"),
    "clap_a_mixture": (1e308, "-2.001 and 2.001"),
    "lsd": (-0.1, "0 and 1e+20 dB"),
    "mrstft": (np.inf, "0 and 1e+20"),
}


@pytest.mark.parametrize("name", BEYOND)
def test_numbers_that_no_estimate_has(tmp_path: Path, name: str) -> None:
    value, bounds = BEYOND[name]
    scores = made.with_more(made.make_scores("New"), "some/model")
    add_scores(tmp_path / "good", [made.write(tmp_path / "s", scores)], date=DATE)
    scores.rows.loc[3, name] = value
    bad = Scores(made.rehashed(scores.file, scores.rows), scores.rows)
    path = made.write(tmp_path / "bad", bad)
    words = re.escape(f"{name} of query q00003 is not between {bounds}")
    with pytest.raises(FaultsError, match=words):
        add_scores(tmp_path / "board", [path], date=DATE)


@pytest.mark.parametrize("name", ["clap", "clap_a", "lsd", "mrstft"])
def test_an_answer_left_out_in_any_metric(tmp_path: Path, name: str) -> None:
    scores = made.with_more(made.make_scores("New"), "some/model")
    names = [one for one in (name, f"{name}_i") if one in scores.rows]
    scores.rows.loc[3, names] = np.nan
    bad = Scores(made.rehashed(scores.file, scores.rows), scores.rows)
    with pytest.raises(FaultsError, match=f"{name} of query q00003 is left out"):
        add_scores(tmp_path / "board", [made.write(tmp_path / "bad", bad)], date=DATE)


def claimed(board: Path, name: str, **columns: Any) -> Path:
    """The score file of a system whose rows say something else."""
    suite = made.suite_info("made-test", queries=60)
    scores = made.make_scores(name, suite=suite, quality_db=5, seed=77)
    rows = scores.rows.assign(**columns)
    return made.write(board.parent / name, Scores(made.rehashed(scores.file, rows), rows))


def test_mixture_metrics_that_differ_between_systems(board: Path) -> None:
    """A system cannot change what the unprocessed mixture scores: other audio, or forged."""
    mixture = made.make_rows(made.suite_info("made-test", queries=60), seed=77)["si_sdr_mixture"]
    own = made.make_rows(made.suite_info("made-test", queries=60), seed=77)["si_sdr"]
    path = claimed(
        board, "Forger", si_sdr_mixture=mixture - 4, si_sdr_i=improvement(own, mixture - 4)
    )
    with pytest.raises(FaultsError, match=r"other audio.*si_sdr_mixture"):
        add_scores(board, [path], date=DATE)
    assert not (entry(board).with_name("forger.json")).exists()


@pytest.mark.parametrize("name", ["text", "target_id", "concept", "annotator"])
def test_another_question_for_the_same_query(board: Path, name: str) -> None:
    with pytest.raises(FaultsError, match=f"another {name} for the same query"):
        add_scores(board, [claimed(board, "Asker", **{name: "else"})], date=DATE)


def test_captions_and_concepts_may_begin_like_formulas_and_are_none_in_the_tables(
    tmp_path: Path,
) -> None:
    # As datasets and suites may have them: who has scored must not be refused here.
    scores = made.make_scores("Asker", quality_db=5, seed=79)
    rows = scores.rows.copy()
    for name in ("text", "concept", "noise_concept"):
        rows[name] = "=- " + rows[name]
    path = made.write(tmp_path / "asked", Scores(made.rehashed(scores.file, rows), rows))
    add_scores(tmp_path / "board", [path], date=DATE)
    built = build(tmp_path / "board", workers=1)
    (table,) = (path for path in built.tables if path.name.endswith(".by-concept.csv"))
    cells = next(csv.reader(table.read_text().splitlines()))
    assert any(cell.startswith("'=- ") for cell in cells)
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_another_list_of_queries(board: Path) -> None:
    suite = made.suite_info("made-test", queries=60, list_fingerprint=made.digest("other"))
    path = made.write(board.parent / "s", made.make_scores("New", suite=suite))
    with pytest.raises(FaultsError, match="another list of queries"):
        add_scores(board, [path], date=DATE)


def test_other_audio(board: Path) -> None:
    suite = made.suite_info("made-test", queries=60, fingerprint=made.digest("other audio"))
    path = made.write(board.parent / "s", made.make_scores("New", suite=suite))
    with pytest.raises(FaultsError, match="suite fingerprints"):
        add_scores(board, [path], date=DATE)


def test_a_suite_that_says_it_is_real(board: Path) -> None:
    suite = made.suite_info("made-test", queries=60, synthetic=False)
    path = made.write(board.parent / "s", made.make_scores("New", suite=suite))
    with pytest.raises(FaultsError, match="the suite's card says"):
        add_scores(board, [path], date=DATE)


def test_two_entries_that_claim_one_name(board: Path) -> None:
    for suffix in (".json", ".parquet"):
        shutil.copy(entry(board).with_suffix(suffix), entry(board).with_name(f"mine{suffix}"))
    one_fault(board, f"claims the name of {NAME}.json", file="mine.json")


def test_a_name_that_only_looks_different(board: Path) -> None:
    scores = made.make_scores("LASS Net", suite=made.suite_info("made-test", queries=60), seed=5)
    path = made.write(board.parent / "s", scores)
    with pytest.raises(UsageError, match="already has an entry"):
        add_scores(board, [path], date=DATE)


def test_the_same_predictions_under_two_names(board: Path) -> None:
    scores = made.make_scores(
        "Copy",
        suite=made.suite_info("made-test", queries=60),
        quality_db=6.2,
        seed=1,
        system={"predictions_sha256": made.digest("LASS-Net")},
    )
    path = made.write(board.parent / "s", scores)
    with pytest.raises(FaultsError, match="the same predictions"):
        add_scores(board, [path], date=DATE)


def test_a_standing_that_was_not_earned(board: Path) -> None:
    change(entry(board), lambda e: e.update(standing="verified"))
    one_fault(board, "verification record")


def test_a_partial_entry_that_calls_itself_whole(board: Path) -> None:
    half = entry(board).with_name("half-done.json")
    change(half, lambda e: e.update(standing="submitted"))
    one_fault(board, "partial", file="half-done.json")


@pytest.mark.parametrize("name", ["sdr", "loudness"])
def test_a_metric_by_another_definition(board: Path, name: str) -> None:
    change(entry(board), lambda e: e["score"]["definitions"].update({name: "snr"}))
    one_fault(board, f"metric '{name}' is not defined")


def test_a_metric_left_out(board: Path) -> None:
    change(entry(board), lambda e: e["score"]["definitions"].pop("sir"))
    one_fault(board, "has other metrics than its JSON defines")


def test_clap_scores_of_nobody(tmp_path: Path) -> None:
    path = made.write(tmp_path / "s", made.with_more(made.make_scores("New"), ""))
    with pytest.raises(FaultsError, match="clap_model must name the model"):
        add_scores(tmp_path / "board", [path], date=DATE)


def test_one_run_of_a_system_is_no_entry(board: Path) -> None:
    suite = made.suite_info("made-test", queries=60)
    scores = made.make_scores("New", suite=suite, system={"run": "seed-1"})
    path = made.write(board.parent / "s", scores)
    with pytest.raises(FaultsError, match=r"one run \(seed-1\) of several"):
        add_scores(board, [path], date=DATE)


def test_a_link_out_of_the_folder(board: Path) -> None:
    secret = board.parent / "secret.json"
    secret.write_text("{}")
    link = entry(board).with_name("link.json")
    link.symlink_to(secret)
    one_fault(board, "is a link", file="link.json")


@pytest.mark.parametrize(
    "name", ["entries/made-test/run.sh", "entries/made-test/deep/x.json", "entries/x.json"]
)
def test_files_that_do_not_belong(board: Path, name: str) -> None:
    path = board / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    assert any("does not belong here" in fault for fault in faults(board))


def test_rows_without_an_entry(board: Path) -> None:
    entry(board).unlink()
    one_fault(board, "no entry beside it", file=f"{NAME}.parquet")


def test_an_entry_in_another_suite(board: Path) -> None:
    for suffix in (".json", ".parquet"):
        source = entry(board).with_suffix(suffix)
        shutil.copy(source, board / "entries" / "made-asked" / f"stray{suffix}")
    one_fault(board, "is an entry for suite 'made-test'", file="stray.json")


def test_an_impossible_date(board: Path) -> None:
    change(entry(board), lambda e: e.update(date="2026-02-31"))
    one_fault(board, "day")


def test_all_faults_are_told_in_one_pass(board: Path) -> None:
    entry(board).write_text("{")
    change(entry(board).with_name("mixture.json"), lambda e: e.update(surprise=1))
    change(entry(board).with_name("lass-net.json"), lambda e: e.update(date="soon"))
    assert len(faults(board)) == 3


def test_a_leaderboard_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LassbenchError, match="no leaderboard here"):
        read_leaderboard(tmp_path / "none")


def test_a_hostile_suite_card(board: Path) -> None:
    path = board / "suites" / "made-test.json"
    card = read_model(path, SuiteCard)
    path.write_bytes(model_bytes(card.model_copy(update={"title": "<b>x</b>"})))
    left, wrong = inspect_leaderboard(board)
    assert [fault.where for fault in wrong] == [str(path)]
    assert "markup" in wrong[0].reason
    assert "made-test" not in left.suites


def test_sounds_of_a_synthetic_suite_that_vanished(board: Path, tmp_path: Path) -> None:
    """Who renders the suite has all of it: leaving out the hard part is not for want of clips."""
    suite = made.suite_info("made-test", queries=60)
    scores = made.make_scores("Picky", suite=suite, seed=12, keep=range(40), renderable=40)
    path = made.write(tmp_path / "scores", scores)
    with pytest.raises(FaultsError, match="40 of 60 queries could be rendered"):
        add_scores(board, [path], date=DATE)
