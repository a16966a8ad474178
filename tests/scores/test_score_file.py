"""The score file: what is written is read back, and what does not fit is refused."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from lassbench.errors import LassbenchError, UsageError
from lassbench.scores.rows import (
    METRICS,
    SEPARATION_METRICS,
    Policy,
    improvement,
    metric_named,
    rows_sha256,
    seen,
)
from lassbench.scores.score_file import (
    Contamination,
    Coverage,
    read_scores,
)
from tests.scores.by_hand import rows_by_hand, score_by_hand


@pytest.fixture
def written(tmp_path: Path) -> Path:
    rows = rows_by_hand()
    score_by_hand(rows).save(tmp_path)
    return tmp_path / "My-system-v2.score.json"


def test_a_written_score_is_read_back_equal(written: Path) -> None:
    for path in (written, written.with_name("My-system-v2.score.parquet"), written.parent):
        found = read_scores(path)
        pd.testing.assert_frame_equal(found.rows, rows_by_hand())
        assert found.file == score_by_hand(rows_by_hand()).file
    # Infinities are limited, undefined values left out.
    assert repr(found).startswith(
        "<My system (v2) on tiny, 3 of 3 queries: sdr -34.08, sir -1.75, sar -1.12,"
    )


def test_the_hash_of_rows_is_of_their_content_not_of_the_parquet(written: Path) -> None:
    parquet = written.with_name("My-system-v2.score.parquet")
    pq.write_table(pq.read_table(parquet), parquet, compression="none", row_group_size=1)
    assert len(read_scores(written).rows) == 3


def test_the_hash_of_rows_is_that_of_its_description() -> None:
    """Written out for two rows with all there is: texts, an infinity, a null, truths."""
    rows = pd.DataFrame({"a": ["x", "\u00fc"], "b": [-math.inf, math.nan], "c": [True, False]})
    content = b"a:string:2\n" + struct.pack("<q", 1) + b"x" + struct.pack("<q", 2) + b"\xc3\xbc"
    content += b"b:double:2\n" + struct.pack("<d", -math.inf) + b"null\n"
    content += b"c:bool:2\ntrue\nfalse\n"
    assert rows_sha256(rows) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[1:],
        lambda rows: rows.assign(snr=[-3.0, -1.75, 9.0]),
        lambda rows: rows.drop(columns="snr"),
        lambda rows: rows.assign(extra=1),
        lambda rows: rows.iloc[[1, 2, 0]],
        lambda rows: rows.assign(snr=["1", "2", "3"]),
        lambda rows: rows.assign(text=[None, "", ""]),
    ],
    ids=["row gone", "number", "column gone", "column added", "order", "type", "null"],
)
def test_rows_that_do_not_match_their_json_are_refused(written: Path, change) -> None:
    parquet = written.with_name("My-system-v2.score.parquet")
    change(rows_by_hand()).to_parquet(parquet, index=False, compression=None)
    with pytest.raises(LassbenchError, match="per-query rows"):
        read_scores(written)


def test_a_file_cut_in_half_is_refused(written: Path) -> None:
    parquet = written.with_name("My-system-v2.score.parquet")
    parquet.write_bytes(parquet.read_bytes()[:500])
    with pytest.raises(LassbenchError, match="cannot be read"):
        read_scores(written)
    parquet.unlink()
    with pytest.raises(LassbenchError, match="no such file"):
        read_scores(written)
    written.write_text(written.read_text()[:500])
    with pytest.raises(LassbenchError, match=r"score\.json:\d+: not valid JSON"):
        read_scores(written)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("suite", "name"), "../../x", "suite.name"),
        (("system", "query_type"), "telepathy", "system.query_type"),
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
        read_scores(written)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 1500


def test_there_must_be_exactly_one_score_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none there"):
        read_scores(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.score.json").write_text("{}")
    with pytest.raises(UsageError, match=r"a\.score\.json, b\.score\.json"):
        read_scores(tmp_path)


def test_saving_does_not_write_over_another_score(written: Path) -> None:
    other = score_by_hand(rows_by_hand(), predictions_sha256="cd" * 32)
    before = written.read_bytes()
    with pytest.raises(UsageError, match=r"another score is here already[\s\S]*--replace"):
        other.save(written.parent)
    assert written.read_bytes() == before
    other.save(written.parent, replace=True)
    assert read_scores(written).file == other.file


def test_values_as_means_see_them() -> None:
    values = np.array([-math.inf, -250.0, 3.0, 140.0, math.inf, math.nan])
    expected = [-100.0, -100.0, 3.0, 100.0, 100.0, math.nan]
    rows = pd.DataFrame({"sdr": values, "silent_share": values})
    np.testing.assert_equal(seen(rows, "sdr"), expected)
    np.testing.assert_equal(seen(rows, "silent_share"), values)


def test_improvements_of_infinite_values() -> None:
    inf, nan = math.inf, math.nan
    cases = [
        (3.0, 1.0, 2.0), (-inf, 5.0, -inf), (-inf, -inf, -inf), (inf, inf, 0.0), (inf, 2.0, inf),
        (2.0, inf, -inf), (nan, 1.0, nan), (1.0, nan, nan),
    ]  # fmt: skip
    value, mixture, expected = (pd.Series(one) for one in zip(*cases, strict=True))
    np.testing.assert_equal(improvement(value, mixture).to_numpy(), expected.to_numpy())


def test_metrics_go_by_name_and_by_title() -> None:
    titles = {one.title for one in METRICS.values()}
    assert len({one.casefold() for one in titles}) == len(METRICS)
    for name, one in METRICS.items():
        for said in (name, name.upper(), one.title, one.title.lower()):
            assert metric_named(said) == name
    with pytest.raises(UsageError, match="did you mean 'SI-SDRi'"):
        metric_named("SISDRi")
    with pytest.raises(UsageError, match="no metric 'lsd' here"):
        metric_named("lsd", SEPARATION_METRICS)


def test_coverage_adds_up() -> None:
    counts = {"queries_total": 6, "renderable": 4, "queries_scored": 4}
    assert Coverage(**counts).unscorable == 0
    Coverage(**counts, unscorable=2)
    with pytest.raises(ValidationError, match="unscorable"):
        Coverage(**counts, unscorable=3)


HEARD = {
    "AudioSet": {"lass-test", "AudioSet-test", "audiocaps-test"},
    "AudioCaps": {"lass-test"},
    "WavCaps": {"lass-test"},
    "Hive": {"esc10-test", "esc50-x", "clotho-test", "dcase2024-task9-real"},
    "hive (subset)": {"esc10-test", "esc50-x", "clotho-test", "dcase2024-task9-real"},
    "audio set, audio caps": {"lass-test", "AudioSet-test", "audiocaps-test"},
    "ESC-50": {"esc10-test", "esc50-x"},
    "esc10": {"esc10-test", "esc50-x"},
    "everything but ESC-50": set(),
    "AudioCaps without the test clips": set(),
    "VGGSound": set(),
    "DCASE 2024 Task 9 development": set(),
    "LASS-2022 train": set(),
    "AudioCaps (LASS-2022 train)": set(),
    "archive of mine": set(),
}


@pytest.mark.parametrize("trained_on", HEARD)
def test_training_sets_that_hold_the_suites_clips_are_named(trained_on: str) -> None:
    found = score_by_hand(rows_by_hand(), trained_on=("Freesound", trained_on)).file

    def on(name: str, **changes: Any) -> tuple[str, ...]:
        suite = found.suite.model_copy(update={"name": name})
        return found.model_copy(update={"suite": suite, **changes}).heard

    assert {name for name in set().union(*HEARD.values()) if on(name)} == HEARD[trained_on]
    for name in HEARD[trained_on]:
        told = on(name)
        assert all(one.startswith(f"trained on {trained_on}: ") for one in told)
        assert len(told) == (2 if (name, trained_on[-4:]) == ("lass-test", "caps") else 1)
        # Where clips are known by their hashes they decide, one way or the other.
        assert on(name, contamination=Contamination(declared=9)) == ()
        (by_clip,) = on(name, contamination=Contamination(declared=9, clips=("Ya", "Yb")))
        assert by_clip.startswith("2 of the suite's clips")


def test_the_data_sets_name_tells_where_the_suites_does_not() -> None:
    found = score_by_hand(rows_by_hand(), trained_on=("Hive",)).file
    suite = found.suite.model_copy(update={"name": "mine", "dataset_name": "clotho"})
    assert found.model_copy(update={"suite": suite}).heard


def test_the_policys_version_stands_for_every_definition() -> None:
    """A leaderboard's entry carries the version alone: who redefines a metric changes it."""
    assert get_args(Policy) == ("lassbench-policy-1",)
    bss = "bsseval-v3-sources-512"
    base = {
        **{name: f"{bss}-{name}" for name in ("sdr", "sir", "sar")},
        "si_sdr": "si-sdr-scale-no-mean",
        "snr": "snr",
        "clap": "clap-score",
        "clap_a": "clap-score-audio",
        "mrstft": "multi-resolution-stft-distance",
        "lsd": "log-spectral-distance",
        "attenuation": "absent-attenuation",
        "silent_share": "absent-silent-share-20",
    }
    improved = {f"{n}_i": f"{base[n]}-improvement" for n in ("sdr", "sir", "si_sdr", "snr", "clap")}
    assert {name: one.id for name, one in METRICS.items()} == {**base, **improved}
