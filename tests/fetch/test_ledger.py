"""The ledger by itself: what it keeps, what it refuses, how it is read while written."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lassbench.errors import LassbenchError
from lassbench.fetch import report
from lassbench.fetch.ledger import FILE_NAME, Attempt, Ledger
from lassbench.records import Clip
from tests.fetch.conftest import entry_of

Make = Callable[..., Clip]


def fill(folder: Path, clips: list[Clip]) -> None:
    with Ledger.open(folder) as ledger:
        ledger.register(clips, {clip.clip_id: at for at, clip in enumerate(clips)})
        ledger.begin_run("host", "1.0", {})


def test_write_ahead_log_lets_others_read_while_a_run_writes(
    make_clip: Make, tmp_path: Path
) -> None:
    fill(tmp_path, [make_clip(0)])
    with Ledger.open(tmp_path) as writer, Ledger.read(tmp_path) as reader:
        assert writer.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        with writer.transaction():
            writer.set_state("Y-video00000", "gone", kind="private")
            assert next(reader.entries()).state == "pending"
        assert next(reader.entries()).state == "gone"
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.db.execute("DELETE FROM clips")


def test_a_transaction_that_fails_leaves_nothing(make_clip: Make, tmp_path: Path) -> None:
    fill(tmp_path, [make_clip(0)])
    with Ledger.open(tmp_path) as ledger:
        with pytest.raises(RuntimeError), ledger.transaction():
            ledger.set_state("Y-video00000", "gone")
            raise RuntimeError
        assert entry_of(ledger, "Y-video00000").state == "pending"


def test_windows_tell_clips_of_one_video_apart(tmp_path: Path) -> None:
    clips = [
        Clip(
            f"Ysame_video_{start}", "dog", "train", ("x",), youtube_id="same_video_", start_s=start
        )
        for start in (1.0, 2.0)
    ]
    fill(tmp_path, clips)
    with Ledger.read(tmp_path) as ledger:
        assert [(e.youtube_id, e.start_s) for e in ledger.entries()] == [
            ("same_video_", 1.0),
            ("same_video_", 2.0),
        ]


def test_a_damaged_or_foreign_file_is_refused(make_clip: Make, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / FILE_NAME).write_bytes(b"not a database, but long enough to be one" * 50)
    with pytest.raises(LassbenchError, match="taken over from clips/"), Ledger.open(tmp_path / "a"):
        pass
    fill(tmp_path / "b", [make_clip(0)])
    with sqlite3.connect(tmp_path / "b" / FILE_NAME) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    for way in (Ledger.open, Ledger.read):
        with pytest.raises(LassbenchError, match="version 9"), way(tmp_path / "b"):
            pass
    with pytest.raises(LassbenchError, match="no fetch has been started"):
        report.status(tmp_path / "none")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[("clip_id", name) for name in ("../../x", "/tmp/x", "a/b", "a\0b", "x" * 300, "")],
        *[("flags", text) for text in ("[" * 100_000, "5", '["a"', "[1]", '{"a": NaN}')],
        *[("state", "asleep"), ("start_s", "soon"), ("message", b"\xff")],
    ],
)
def test_cells_that_no_run_wrote_are_a_damage(
    make_clip: Make, tmp_path: Path, column: str, value: object
) -> None:
    # The ledger of a part comes from another machine, and its ids name files here.
    fill(tmp_path, [make_clip(0)])
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        try:
            db.execute(f"UPDATE clips SET {column} = ?", (value,))
        except sqlite3.IntegrityError:  # SQLite's own check of types is before ours
            assert column in {"state", "start_s", "message"}
            return
    db.close()
    with (
        pytest.raises(LassbenchError, match=r"ledger\.sqlite") as caught,
        Ledger.read(tmp_path) as ledger,
    ):
        list(ledger.entries())
    assert len(str(caught.value)) < 1000


def test_a_full_disk_is_told_as_one(make_clip: Make, tmp_path: Path) -> None:
    fill(tmp_path, [make_clip(0)])
    with pytest.raises(LassbenchError, match="the disk is full"), Ledger.open(tmp_path) as ledger:
        # SQLite's own limit on the file's pages makes the same error as a full disk.
        ledger.db.execute("PRAGMA max_page_count = 1")
        for _ in range(1000):
            ledger.add_attempt(Attempt("Y-video00000", "youtube", "unknown", "x" * 1000))


def test_status_and_census_count_what_is_there(make_clip: Make, tmp_path: Path) -> None:
    clips = [make_clip(number) for number in range(7)]
    fill(tmp_path, clips)
    with Ledger.open(tmp_path) as ledger:
        ledger.begin_run("host", "1.0", {})
        for at in (0, 1, 2):
            ledger.land(
                Attempt(clips[at].clip_id, "youtube", "done", received=10, seconds=0.5),
                pcm_sha256="same" if at else "other",
                flags=["short: 1 s"] if at == 0 else [],
            )
            ledger.finish(clips[at].clip_id)
        ledger.add_attempt(Attempt(clips[3].clip_id, "youtube", "private", "Private\nvideo"))
        ledger.set_state(clips[3].clip_id, "gone", kind="private", message="Private\nvideo")
        ledger.set_state(clips[4].clip_id, "failed", kind="transient", message="timed out")
    found = report.status(tmp_path)
    assert found.states == {"done": 3, "gone": 1, "failed": 1, "pending": 2}
    assert found.classes == {"private": 1, "transient": 1, "pending": 2}
    assert found.by_split["train"] == {"done": 1, "gone": 1, "pending": 1}
    assert found.by_concept["bell"] == {"done": 1, "failed": 1}
    assert dict(found.flagged) == {
        clips[0].clip_id: "short: 1 s",
        clips[1].clip_id: f"same audio as {clips[2].clip_id}",
        clips[2].clip_id: f"same audio as {clips[1].clip_id}",
    }
    assert (found.attempts, found.left) == (4, 3)
    text = report.describe(found)
    assert "3 of 7 clips (42.9 %)" in text
    assert "private" in text and "a run is under way, or was killed: host since" in text
    assert report.export(tmp_path, tmp_path / "census.csv") == 7
    rows = list(csv.DictReader((tmp_path / "census.csv").open()))
    assert [row["clip_id"] for row in rows] == [clip.clip_id for clip in clips]
    assert rows[3]["state"] == "gone" and rows[3]["message"] == "Private video"
    assert rows[3]["attempts"] == "1" and rows[3]["last_attempt"].endswith("Z")
    assert rows[6]["attempts"] == "0" and rows[6]["changed_at"] == ""


def test_the_time_left_follows_from_the_rate(make_clip: Make, tmp_path: Path) -> None:
    clips = [make_clip(number) for number in range(4)]
    fill(tmp_path, clips)
    with Ledger.open(tmp_path) as ledger:
        ledger.begin_run("host", "1.0", {})
        for clip, at in zip(clips[:2], ("10:00:00", "10:30:00"), strict=True):
            ledger.land(Attempt(clip.clip_id, "youtube", "done"), pcm_sha256=at, flags=[])
            ledger.finish(clip.clip_id)
            ledger.db.execute(
                "UPDATE attempts SET at = ? WHERE clip_id = ?", (f"2026-01-01T{at}Z", clip.clip_id)
            )
            ledger.db.execute(
                "UPDATE clips SET changed_at = ? WHERE clip_id = ?",
                (f"2026-01-01T{at}Z", clip.clip_id),
            )
    found = report.status(tmp_path)
    # Two clips in half an hour: four an hour, so the two that are left take half an hour.
    assert found.per_hour == pytest.approx(4.0)
    assert found.left_s == pytest.approx(1800.0)
    assert "about 30:00 at that rate" in report.describe(found)


def test_names_in_messages_cannot_rewrite_the_terminal(make_clip: Make, tmp_path: Path) -> None:
    clip = make_clip(0)
    fill(tmp_path, [Clip(clip.clip_id, "do\x1b[2Jg", "train", ("x",), youtube_id=clip.youtube_id)])
    assert "\x1b" not in report.describe(report.status(tmp_path))
