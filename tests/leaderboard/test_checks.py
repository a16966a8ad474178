"""Hostile and broken entries: each refused with one clear message, none gets through."""

from __future__ import annotations

import csv
import functools
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.leaderboard.building import build
from lassbench.leaderboard.changes import describe_changes
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.entries import entry_schema
from lassbench.scores.rows import improvement, rows_sha256
from lassbench.scores.score_file import Scores, rows_table
from tests.leaderboard import made
from tests.scores.by_hand import of_rows

NAME = "lass-net-small"
Act = Callable[[dict[str, Any]], object]
Change = Callable[[pd.DataFrame], pd.DataFrame]


def entry(board: Path) -> Path:
    return board / "entries" / "made-test" / f"{NAME}.json"


def change(path: Path, act: Act) -> None:
    content = json.loads(path.read_text())
    act(content)
    path.write_text(json.dumps(content))


def faults(board: Path) -> list[str]:
    try:
        read_leaderboard(board)
    except FaultsError as error:
        return [str(fault) for fault in error.faults]
    return []


def one_fault(board: Path, words: str, file: str = NAME) -> None:
    """Exactly one fault, about ``file``, with ``words`` in it."""
    found = faults(board)
    assert len(found) == 1, found
    assert words in found[0], found[0]
    assert file in found[0]
    assert found[0].isprintable()
    assert len(found[0]) < 1500


def test_a_good_leaderboard_has_no_fault(filled: Path) -> None:
    board = read_leaderboard(filled)
    assert [len(board.entries[name]) for name in board.suites] == [1, 2, 6]


@pytest.mark.parametrize("what", ["name", "half", "rows", "card"])
def test_with_a_fault_anywhere_nothing_is_built(board: Path, what: str) -> None:
    if what == "name":
        change(entry(board), lambda e: e["system"].update(name="<b>x</b>"))
    elif what == "half":
        entry(board).write_bytes(entry(board).read_bytes()[:500])
    elif what == "rows":
        entry(board).with_suffix(".parquet").write_bytes(b"")
    else:
        (board / "suites" / "made-asked.json").write_text("{}")
    with pytest.raises(FaultsError, match="nothing was written"):
        build(board, site=board.parent / "site")
    assert not (board.parent / "site").exists()
    assert not (board / "tables").exists()


def test_the_schema_is_published_beside_the_entries(filled: Path) -> None:
    published = json.loads((filled / "entry.schema.json").read_text())
    assert published == json.loads(entry_schema())
    assert published["additionalProperties"] is False


# --- the JSON of an entry ---------------------------------------------------


def of_system(**changes: object) -> Act:
    return lambda e: e["system"].update(changes)


def of_entry(**changes: object) -> Act:
    return lambda e: e.update(changes)


CHANGED: dict[str, tuple[Act, str]] = {
    "name": (of_system(name="a|b"), "system.name: holds |"),
    "long": (of_system(name="x" * 10_000), "at most 200"),
    "markup": (of_system(description="<script>x</script>"), "markup"),
    "its address": (of_system(url="ftp://example.org"), "not an http or https address"),
    "address": (of_entry(links={"paper": "javascript:alert(1)"}), "not an http or https address"),
    "label": (of_entry(links={"=1+1": "https://example.org"}), "formula"),
    # Without it nobody could tell that two entries are of the same predictions.
    "no hash": (of_system(predictions_sha256=""), "no hash of its predictions"),
    # Every figure is computed: an entry that brings its own is none of this version's.
    "standing": (
        of_entry(standing="verified"), "there is no 'standing'; there are schema_version, date, su",
    ),
    "clips that do not exist": (
        of_entry(contamination={"declared": 9, "clips": ["no-such-clip"]}), "that no row has",
    ),
    "no date": (lambda e: e.pop("date"), "date is missing"),
    "no policy": (lambda e: e.pop("policy"), "policy is missing"),
    "impossible date": (of_entry(date="2026-02-31"), "day"),
    "policy": (of_entry(policy="lassbench-policy-2"), "lassbench-policy-1"),
    "more than the suite": (of_entry(unscorable=1), "is of 61 queries (60 rows), of 60"),
    "list": (of_entry(list_fingerprint="ab" * 32), "another list of queries"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGED)
def test_an_entry_that_says_what_it_must_not(board: Path, case: str) -> None:
    act, words = CHANGED[case]
    change(entry(board), act)
    one_fault(board, words)


def test_a_partial_entry_that_calls_itself_whole(board: Path) -> None:
    path = entry(board).with_name("half-done.json")
    change(path, lambda e: e.pop("missing_predictions"))
    one_fault(board, "the sounds of a synthetic suite do not", file="half-done.json")
    record = {"date": made.DATE, "lassbench_version": "1", "largest_difference": 0}
    change(path, of_entry(missing_predictions=20, verification=record))
    one_fault(board, "never verified", file="half-done.json")


def test_queries_that_only_one_system_could_not_be_scored_on(board: Path) -> None:
    path = entry(board).with_name("half-done.json")
    change(path, of_entry(missing_predictions=19, unscorable=1, date="2026-12-31"))
    one_fault(board, "leaves out 1 as unscorable", file="half-done.json")


def test_worst_answers_that_were_dropped(board: Path) -> None:
    """Recordings vanish, but not for one system alone on the same audio."""
    file = "made-asked/lass-net-small.json"
    rewrite(board, lambda rows: rows[rows["si_sdr_i"] > rows["si_sdr_i"].median()], file)
    words = "is of 50 queries and leaves out 0 as unscorable, on the same audio as lass-net.json"
    one_fault(board, words, file="lass-net-small.json")
    # As many others instead.
    change(board / "entries" / file, of_entry(unscorable=50))
    change(board / "entries" / "made-asked" / "lass-net.json", of_entry(date="2025-01-01"))
    one_fault(board, "leaves out 50 as unscorable", file="lass-net-small.json")
    change(board / "entries" / file, lambda e: e.pop("unscorable"))
    rewrite(
        board, lambda rows: rows[rows["si_sdr_i"] < rows["si_sdr_i"].median()],
        "made-asked/lass-net.json",
    )  # fmt: skip
    one_fault(board, "which lass-net.json has on the same audio", file="lass-net-small.json")


def test_a_suite_with_more_queries_than_a_float_can_count(board: Path) -> None:
    change(board / "suites" / "made-absent.json", of_entry(queries=10**400))
    one_fault(board, "a whole number of 401 digits", file="made-absent.json")


def test_not_text(board: Path) -> None:
    entry(board).write_bytes(b"\xff\xfd")
    one_fault(board, "not UTF-8")


# --- its rows, as Parquet holds them ----------------------------------------


@pytest.mark.parametrize("damage", ["half", "gone", "another's"])
def test_damaged_rows(board: Path, damage: str) -> None:
    rows = entry(board).with_suffix(".parquet")
    data = rows.read_bytes()
    match damage:
        case "half":
            rows.write_bytes(data[: len(data) // 2])
        case "gone":
            rows.unlink()
        case "another's":
            shutil.copy(rows.with_name("lass-net.parquet"), rows)
    words = {"gone": "not beside its JSON", "another's": "does not match its JSON"}
    one_fault(board, words.get(damage, "cannot be read"))


def first(name: str, value: pa.Array | None) -> Callable[[pa.Table], pa.Table]:
    """The first value of a column is ``value``, or is not there."""

    def act(table: pa.Table) -> pa.Table:
        kind, others = table.schema.field(name).type, table.column(name).chunk(0)[1:]
        begin = pa.nulls(1, kind) if value is None else value
        column = pa.concat_arrays([begin, others])
        return table.set_column(table.column_names.index(name), pa.field(name, kind), column)

    return act


TABLES: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    **{
        f"no {name}": (first(name, None), f"'{name}' with null values")
        for name in ("query_id", "text", "wrong_source", "estimate_level_db")
    },
    "not text": (first("text", pa.array([b"\xff\xfe"]).view(pa.string())), "UTF8"),
    "count": (lambda table: table.slice(0, 50), "does not match its JSON"),
    "types": (
        lambda table: table.set_column(0, "query_id", table.column(0).cast(pa.large_string())),
        "query_id is large_string, not string",
    ),
    "order": (lambda table: table.select(table.column_names[::-1]), "in another order than query_"),
    "columns": (lambda table: table.append_column("bonus", pa.array([1.0] * 60)), "other columns"),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_is_not_the_entrys(board: Path, case: str) -> None:
    act, words = TABLES[case]
    path = entry(board).with_suffix(".parquet")
    pq.write_table(act(pq.read_table(path)), path, compression="none")
    one_fault(board, words)


# --- its rows, by somebody who forges the hash too --------------------------


def rewrite(board: Path, act: Change, file: str = f"made-test/{NAME}.json") -> None:
    path = board / "entries" / file
    rows = act(pq.read_table(path.with_suffix(".parquet")).to_pandas())
    kind = "absent" if "silent_share" in rows else "separation"
    table = rows_table(rows, kind)  # type: ignore[arg-type]
    pq.write_table(table, path.with_suffix(".parquet"), compression="none")
    change(path, of_entry(rows_sha256=rows_sha256(rows)))


def shifted(**by: float) -> Change:
    return lambda rows: rows.assign(**{name: rows[name] + amount for name, amount in by.items()})


def constant(**values: object) -> Change:
    return lambda rows: rows.assign(**values)


def worst_left_out(*names: str, by: str = "si_sdr_i") -> Change:
    """The ten worst answers are undefined."""
    return lambda rows: rows.assign(
        **{name: rows[name].mask(rows[by].rank() <= 10) for name in names}
    )


RATIOS = ("sdr", "sir", "si_sdr", "snr")
GAINS = tuple(f"{name}_i" for name in RATIOS)

REWRITTEN: dict[str, tuple[Change, str]] = {
    **{
        f"markup in {name}": (constant(**{name: "<b>dog</b>"}), f"{name} of a row holds markup")
        for name in ("concept", "text", "annotator", "flags")
    },
    # Who edits the tags of rows, to move queries from one mean to another, differs.
    "tags": (
        lambda rows: rows.assign(tags=["Bell", *rows["tags"][1:]]),
        "another tags for the same query",
    ),
    "sdr above sir": (shifted(sdr=30, sdr_i=30), "is above sir, which cannot be"),
    "sdr above the worst sir": (
        constant(sir=-np.inf, sir_i=-np.inf), "is above sir, which cannot be",
    ),
    "snr above what si_sdr allows": (shifted(snr=20, snr_i=20), "which cannot be"),
    "no difference": (shifted(si_sdr_i=3), "is not si_sdr minus si_sdr_mixture"),
    # Policy: where the value is the worst, so is the improvement.
    "silence that improves": (
        constant(**dict.fromkeys(RATIOS, -np.inf), **dict.fromkeys(GAINS, 90.0)),
        "is not sdr minus sdr_mixture",
    ),
    "perfection beyond what the mixture leaves": (
        constant(**dict.fromkeys((*RATIOS, *GAINS, "sar"), np.inf) | {"sdr_i": 80.0}),
        "is not sdr minus sdr_mixture",
    ),
    # Policy 3: undefined never hides a bad answer.
    "worst left out": (
        worst_left_out(*RATIOS, "sar", *GAINS),
        "and 9 more is left out, though the mixture's is defined",
    ),
    "lowest sar left out": (
        worst_left_out("sar", by="sar"), "is not what its sir and sar make it",
    ),
    "silence that is the right source": (
        constant(**dict.fromkeys((*RATIOS, *GAINS, "sar"), -np.inf), wrong_source=False),
        "wrong_source of query q00000 and 59 more is false, though there is nothing of the target",
    ),
    "no such level": (
        constant(estimate_level_db=-1e300), "estimate_level_db of query q00000 and 59 more is not",
    ),
    "sar that measures rounding": (
        constant(sar=61.0),
        "sar of query q00000 and 59 more is above 60 dB, where it is undefined",
    ),
    # SDR raised by a tenth of a decibel, still below SIR and SAR.
    "parts that do not add up": (
        shifted(sdr=0.1, sdr_i=0.1), "is not what its sir and sar make it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REWRITTEN)
def test_rows_that_cannot_be(board: Path, case: str) -> None:
    act, words = REWRITTEN[case]
    rewrite(board, act)
    one_fault(board, words)


@pytest.mark.parametrize("value", [-np.inf, np.inf])
def test_infinities_by_the_policy_pass(board: Path, value: float) -> None:
    """All silent, or all perfect: the written policy says what their improvements are."""
    sar = value if value < 0 else np.nan
    wrong = {"sar": sar, "wrong_source": value < 0}
    rewrite(board, constant(**dict.fromkeys((*RATIOS, *GAINS), value), **wrong))
    assert faults(board) == []


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (shifted(attenuation=3), "is not minus its"),
        (constant(silent_share=1.0), "is not whether its attenuation is at least 20 dB"),
    ],
)
def test_silences_that_are_none(board: Path, act: Change, words: str) -> None:
    rewrite(board, act, "made-absent/lass-net.json")
    one_fault(board, words, file="lass-net.json")


# --- score files that are added ---------------------------------------------


def refused(root: Path, scores: Scores, words: str, error: type = FaultsError) -> None:
    before = sorted(root.rglob("*"))
    with pytest.raises(error, match=words):
        made.add(root, scores)
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sir", 1000.0, "not between -400 and 400 dB"),
        ("sir_mixture", 1000.0, "not between -400 and 400 dB"),
        ("clap", 2.5, "not between -2.001 and 2.001"),
        ("clap_a", -np.inf, "not between -2.001 and 2.001"),
        ("clap_a_mixture", 1e308, "not between -2.001 and 2.001"),
        ("lsd", -0.1, "not between 0 and 1e+20 dB"),
        ("mrstft", np.inf, "not between 0 and 1e+20"),
        *((name, np.nan, "left out") for name in ("clap", "clap_a", "lsd", "mrstft")),
    ],
)
def test_numbers_that_no_estimate_has(tmp_path: Path, name: str, value: float, words: str) -> None:
    scores = made.with_more(made.make_scores("New"), "some/model")
    scores.rows.loc[3, name] = value
    if name == "clap" and np.isnan(value):
        scores.rows.loc[3, "clap_i"] = value
    bad = of_rows(scores, scores.rows)
    refused(tmp_path / "board", bad, re.escape(f"{name} of query q00003 is {words}"))
    assert not (tmp_path / "board").exists()


def of_suite(**changes: Any) -> Scores:
    return made.make_scores("New", suite=made.suite_info("made-test", **changes), seed=77)


def claimed(**columns: Any) -> Scores:
    scores = of_suite()
    return of_rows(scores, scores.rows.assign(**columns))


def forged() -> Scores:
    """A system cannot change what the unprocessed mixture scores: other audio, or forged."""
    rows = of_suite().rows
    mixture = rows["si_sdr_mixture"] - 4
    return claimed(si_sdr_mixture=mixture, si_sdr_i=improvement(rows["si_sdr"], mixture))


REFUSED: dict[str, tuple[Callable[[], Scores], str]] = {
    "mixture": (forged, "other audio.*si_sdr_mixture"),
    **{
        name: (functools.partial(claimed, **{name: "else"}), f"another {name} for the same query")
        for name in ("text", "target_id", "concept", "annotator")
    },
    "list": (lambda: of_suite(list_fingerprint=made.digest("other")), "another list of queries"),
    "audio": (lambda: of_suite(fingerprint=made.digest("other")), "suite fingerprints"),
    "real": (lambda: of_suite(synthetic=False), "the suite's card says"),
    "same predictions": (
        lambda: made.make_scores(
            "Copy", suite=made.suite_info("made-test"), quality_db=6.2, seed=1,
            system={"predictions_sha256": made.digest("LASS-Net")},
        ),
        "the same predictions",
    ),
    "one run": (
        lambda: made.make_scores(
            "New", suite=made.suite_info("made-test"), system={"run": "seed-1"}
        ),
        r"one run \(seed-1\) of several",
    ),
    # Who renders the suite has all of it: leaving out the hard part is not for want of clips.
    "vanished": (
        lambda: made.make_scores(
            "Picky", suite=made.suite_info("made-test"), keep=range(40), renderable=40
        ),
        "40 of 60 queries could be rendered",
    ),
    "clap scores of nobody": (
        lambda: made.with_more(of_suite(), ""), "clap_model must name the model",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_scores_that_are_no_entry(board: Path, case: str) -> None:
    scores, words = REFUSED[case]
    refused(board, scores(), words)


def test_a_name_that_only_looks_different(board: Path) -> None:
    scores = made.make_scores("LASS Net", suite=made.suite_info("made-test"), seed=5)
    refused(board, scores, "already has an entry", UsageError)


def test_captions_and_concepts_may_begin_like_formulas_and_are_none_in_the_tables(
    tmp_path: Path,
) -> None:
    # As datasets and suites may have them: who has scored must not be refused here.
    scores = made.make_scores("Asker", quality_db=5, seed=79)
    rows = scores.rows.copy()
    for name in ("text", "concept", "noise_concept"):
        rows[name] = "=- " + rows[name]
    made.add(tmp_path / "board", of_rows(scores, rows))
    build(tmp_path / "board", workers=1)
    (table,) = (tmp_path / "board" / "tables").glob("*.by-concept.csv")
    cells = next(csv.reader(table.read_text().splitlines()))
    assert any(cell.startswith("'=- ") for cell in cells)
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


# --- files ------------------------------------------------------------------


def test_two_entries_that_claim_one_name(board: Path) -> None:
    for suffix in (".json", ".parquet"):
        shutil.copy(entry(board).with_suffix(suffix), entry(board).with_name(f"mine{suffix}"))
    one_fault(board, f"must be named {NAME}.json", file="mine.json")


def test_a_link_out_of_the_folder(board: Path) -> None:
    secret = board.parent / "secret.json"
    secret.write_text("{}")
    link = entry(board).with_name("link.json")
    link.symlink_to(secret)
    one_fault(board, "is a link", file="link.json")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("made-test/run.sh", "does not belong here"),
        ("made-test/deep/x.json", "does not belong here"),
        ("x.json", "does not belong here"),
        ("other/x.json", "has no card suites/other.json"),
    ],
)
def test_files_that_do_not_belong(board: Path, name: str, words: str) -> None:
    path = board / "entries" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    one_fault(board, words, file=name)


def test_rows_without_an_entry(board: Path) -> None:
    entry(board).unlink()
    one_fault(board, "has no card beside it", file=f"{NAME}.parquet")


@pytest.mark.parametrize("name", ["entries", "entries/made-test"])
def test_a_folder_that_cannot_be_read_is_not_empty(board: Path, name: str) -> None:
    folder = board / name
    folder.chmod(0)
    try:
        if os.access(folder, os.R_OK):
            pytest.skip("root may read anywhere")
        with pytest.raises(LassbenchError, match="permission denied"):
            read_leaderboard(board)
    finally:
        folder.chmod(0o755)


def test_a_leaderboard_that_may_only_be_read(board: Path) -> None:
    for folder in (board, *(path for path in board.rglob("*") if path.is_dir())):
        folder.chmod(0o555)
    if os.access(board, os.W_OK):
        pytest.skip("root may write anywhere")
    found = read_leaderboard(board)
    assert describe_changes(found, found) == []
    with pytest.raises(LassbenchError, match=r"\.lock: permission denied"):
        build(board)


def test_an_entry_in_another_suite(board: Path) -> None:
    for suffix in (".json", ".parquet"):
        source = entry(board).with_suffix(suffix)
        shutil.copy(source, board / "entries" / "made-asked" / f"stray{suffix}")
    one_fault(board, "is an entry for suite 'made-test'", file="stray.json")


def test_all_faults_are_told_in_one_pass(board: Path) -> None:
    entry(board).write_text("{")
    change(entry(board).with_name("mixture.json"), lambda e: e.update(surprise=1))
    change(entry(board).with_name("lass-net.json"), lambda e: e.update(date="soon"))
    assert len(faults(board)) == 3


def test_a_hostile_suite_card(board: Path) -> None:
    change(board / "suites" / "made-test.json", of_entry(title="<b>x</b>"))
    one_fault(board, "markup", file="suites/made-test.json")
