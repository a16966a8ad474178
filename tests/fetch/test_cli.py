"""The verbs as they are typed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lassbench.cli import run
from tests.fetch.conftest import video_id
from tests.fetch.site import Site

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def listed(site: Site, tmp_path: Path) -> Path:
    """Three clips of 2 s, all of which are on the site."""
    path = tmp_path / "list.csv"
    rows = "".join(f"{video_id(n)},2,4\n" for n in range(3))
    path.write_text(f"youtube_id,start_s,end_s\n{rows}")
    for n in range(3):
        site.add(video_id(n), number=n)
    return path


def test_fetch_status_export(site: Site, listed: Path, tmp_path: Path, capsys: Capture) -> None:
    site.add(video_id(2), "country")
    out = tmp_path / "out"
    assert run(["fetch", str(out), "--list", str(listed), "--rate", "0"]) == 0
    assert "3 clips: 2 done, 1 waiting" in capsys.readouterr().out
    assert run(["fetch", "--status", str(out), "--export", str(tmp_path / "census.csv")]) == 0
    told = capsys.readouterr().out
    assert "2 of 3 clips (66.7 %)" in told
    assert "geo-blocked" in told and "--proxy" in told
    rows = list(csv.DictReader((tmp_path / "census.csv").open()))
    assert {row["youtube_id"]: row["class"] for row in rows} == {
        video_id(0): "done",
        video_id(1): "done",
        video_id(2): "geo-blocked",
    }


def test_exit_codes_tell_what_is_left(
    site: Site, listed: Path, tmp_path: Path, capsys: Capture
) -> None:
    fetch = ["fetch", str(tmp_path / "out"), "--list", str(listed), "--rate", "0"]
    site.add(video_id(0), "forbidden")
    assert run(fetch) == 1
    assert "1 are still to be had: run the same command again" in capsys.readouterr().out
    assert run([*fetch, "--limit", "1"]) == 0, "what a limit leaves is no failure"
    site.mood = lambda _: "bot"
    assert run(fetch) == 3
    err = capsys.readouterr().err
    assert "nothing was written off" in err and "Traceback" not in err


def test_shards_and_merge(listed: Path, tmp_path: Path, capsys: Capture) -> None:
    for part in ("1/2", "2/2"):
        out = str(tmp_path / part[0])
        assert run(["fetch", out, "--list", str(listed), "--rate", "0", "--shard", part]) in {0, 1}
    assert run(["merge", str(tmp_path / "1"), str(tmp_path / "2"), "-o", str(tmp_path / "o")]) == 0
    assert "3 of 3 clips" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [["build-dataset"], ["fetch"], ["fetch", "--status"], ["merge", "part", "-o"]]
)
def test_an_address_as_output_is_refused(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*command, "s3://bucket/lass"]) == 2
    err = capsys.readouterr().err
    assert "must be on a disk of this machine" in err and "s3://bucket/lass" in err
    assert "mount" in err and "rclone copy" in err
    assert not any(tmp_path.iterdir()), "Path would have made a local folder `s3:`"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--jobs", "0"], "--jobs is too small"),
        (["--rate", "-1"], "--rate is too small"),
        (["--shard", "4/3"], "--shard must be i/n"),
        (["--audio", "nowhere"], "names no source"),
        (["--cookies", "no-such-file"], "--cookies cannot be read"),
        (["--proxy", "host:80"], "--proxy is no address"),
        (["--list", "no-such-file"], "no such file"),
        (["--manifest", "lass-2023"], "lass-2022"),
        (["--retry", "some"], "transient"),
        (["--scheduler", "tcp://127.0.0.1:9", "--keep-source"], "--keep-source"),
    ],
)
def test_wrong_options_are_usage_errors_and_start_nothing(
    options: list[str], told: str, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    assert run(["fetch", str(out), *options]) == 2
    err = capsys.readouterr().err
    assert told in err and "Traceback" not in err
    assert not out.exists()


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("x")
    assert run(["fetch", str(tmp_path / "file")]) == 2
    assert run(["fetch", "--status", str(tmp_path / "none")]) == 1
    assert run(["merge", str(tmp_path / "none"), "-o", str(tmp_path / "o")]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_cookies_that_are_none_are_refused_at_once(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "cookies.txt").write_text("SID=1; HSID=2\n")
    options = ["--cookies", str(tmp_path / "cookies.txt")]
    assert run(["fetch", str(tmp_path / "out"), *options]) == 2
    assert "Netscape" in capsys.readouterr().err
