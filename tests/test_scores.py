"""The score file: what is written is read back, and what does not fit is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from lassbench import scores
from lassbench.errors import LassbenchError, UsageError

HASH = "ab" * 32


def make_rows(count: int = 3) -> pa.Table:
    rows = []
    for number in range(count):
        row = dict.fromkeys(scores.rows_schema("separation").names, 1.25 * number - 3.0)
        row.update(
            {name: f"{name}-{number}" for name in scores.rows_schema("separation").names[:11]}
        )
        row.update(query_id=f"q{number:04d}", wrong_source=number == 0, flags="")
        rows.append(row)
    rows[0].update(sdr=-math.inf, sar=None, flags="silent")
    return pa.Table.from_pylist(rows, schema=scores.rows_schema("separation"))


def make_file(rows: pa.Table, **changes: object) -> scores.ScoreFile:
    count = len(rows)
    names = scores.SEPARATION_METRICS
    cell = {"mean": 1.0, "ci_low": 0.5, "ci_high": 1.5, "median": 1.0, "n": count}
    content = {
        "lassbench_version": "0.1.0",
        "kind": "separation",
        "suite": {
            "name": "tiny", "fingerprint": HASH, "list_fingerprint": HASH, "synthetic": True,
            "audio_may_be_published": True, "sample_rate_hz": 32000, "samples": 320000,
            "queries": count,
        },
        "system": {"name": "My system (v2)"},
        "coverage": {
            "queries_total": count, "renderable": count, "queries_scored": count,
            "scored_sha256": scores.ids_sha256(rows.column("query_id").to_pylist()),
        },
        "metrics": {name: scores.METRICS[name] for name in names},
        "summary": dict.fromkeys(names, cell),
        "breakdowns": {},
        "wrong_source_share": 0.0,
        "targets": count,
        "bootstrap": {"resamples": 10, "seed": 0},
        "rows_sha256": scores.rows_sha256(rows),
        **changes,
    }  # fmt: skip
    return scores.ScoreFile.model_validate(content)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    rows = make_rows()
    scores.Scores(make_file(rows), rows).save(tmp_path)
    return tmp_path / "My-system-v2.score.json"


def test_a_written_score_is_read_back_equal(written: Path) -> None:
    for path in (written, written.with_name("My-system-v2.score.parquet"), written.parent):
        file, rows = scores.read_scores(path)
        assert rows.equals(make_rows())
        assert file == make_file(make_rows())
    shown = repr(scores.Scores(file, rows))
    assert shown.startswith("<My system (v2) on tiny, 3 of 3 queries: sdr 1.00, sir 1.00,")
    assert scores.column(rows, "sdr")[0] == -math.inf
    assert math.isnan(scores.column(rows, "sar")[0])


def test_the_hash_of_rows_is_of_their_content_not_of_the_parquet(written: Path) -> None:
    parquet = written.with_name("My-system-v2.score.parquet")
    pq.write_table(pq.read_table(parquet), parquet, compression="snappy", row_group_size=1)
    assert scores.read_scores(written).rows.num_rows == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.slice(1),
        lambda rows: rows.set_column(
            rows.schema.get_field_index("snr"), rows.schema.field("snr"),
            pa.array([-3.0, -1.75, 9.0], pa.float64()),
        ),
        lambda rows: rows.drop_columns(["snr"]),
        lambda rows: rows.append_column("extra", pa.array([1, 2, 3])),
        lambda rows: pa.concat_tables([rows.slice(1), rows.slice(0, 1)]),
    ],
    ids=["row gone", "number changed", "column gone", "column added", "order changed"],
)  # fmt: skip
def test_rows_that_do_not_match_their_json_are_refused(written: Path, change) -> None:
    pq.write_table(change(make_rows()), written.with_name("My-system-v2.score.parquet"))
    with pytest.raises(LassbenchError, match="per-query rows"):
        scores.read_scores(written)


def test_a_file_cut_in_half_is_refused_with_its_line(written: Path) -> None:
    text = written.read_text()
    written.write_text(text[: len(text) // 2])
    with pytest.raises(LassbenchError, match=r"score\.json:\d+: not valid JSON"):
        scores.read_scores(written)
    parquet = written.with_name("My-system-v2.score.parquet")
    written.write_text(text)
    parquet.write_bytes(parquet.read_bytes()[:500])
    with pytest.raises(LassbenchError, match="cannot be read"):
        scores.read_scores(written)
    parquet.unlink()
    with pytest.raises(LassbenchError, match="no such file"):
        scores.read_scores(written)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("suite", "name"), "../../x", "suite.name"),
        (("summary", "sdr", "n"), -1, "summary.sdr.n"),
        (("system", "query_type"), "telepathy", "system.query_type"),
        (("rows_sha256",), "abc", "rows_sha256"),
        (("schema_version",), 2, "schema_version"),
        (("policy",), "whatever", "policy"),
        (("coverage", "partial"), True, "partial"),
        (("coverage", "queries_scored"), 4, "queries_scored"),
    ],
)
def test_fields_outside_the_schema_are_named(written: Path, path, value, complaint) -> None:
    content = json.loads(written.read_text())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    written.write_text(json.dumps(content))
    with pytest.raises(LassbenchError, match="not a score file") as caught:
        scores.read_scores(written)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 1500


def test_summary_and_definitions_name_the_same_metrics() -> None:
    rows = make_rows()
    with pytest.raises(ValidationError, match="different metrics"):
        make_file(rows, metrics={"sdr": scores.METRICS["sdr"]})


def test_there_must_be_exactly_one_score_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none there"):
        scores.read_scores(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.score.json").write_text("{}")
    with pytest.raises(UsageError, match=r"a\.score\.json, b\.score\.json"):
        scores.read_scores(tmp_path)


def test_means_see_decibels_limited_and_shares_untouched() -> None:
    import numpy as np

    values = np.array([-math.inf, -250.0, 3.0, 140.0, math.inf, math.nan])
    assert scores.limited(values)[:5].tolist() == [-100.0, -100.0, 3.0, 100.0, 100.0]
    assert math.isnan(scores.limited(values)[5])
    assert scores.limited(np.array([0.5, 1.0]), "silent_share").tolist() == [0.5, 1.0]


def test_the_schema_is_published_and_closed() -> None:
    schema = scores.ScoreFile.model_json_schema()
    closed = [schema, *(one for one in schema["$defs"].values() if one["type"] == "object")]
    assert all(one["additionalProperties"] is False for one in closed)
