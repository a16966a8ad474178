"""The doctor finds what is missing and says how to mend it."""

from __future__ import annotations

import sysconfig
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from lassbench.cli import run
from lassbench.fetch import doctor
from tests.fetch.site import Site


def test_a_whole_machine_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--offline", "--folder", str(tmp_path / "not/yet")]) == 0
    told = capsys.readouterr().out
    for name in ("JavaScript runtime", "yt-dlp", "FFmpeg libraries", "libsndfile", "disk", "GPU"):
        assert name in told
    assert "Hub" not in told


def test_without_a_runtime_it_fails_and_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # yt-dlp looks beside Python's scripts and along PATH: nothing is in either.
    original = sysconfig.get_path
    monkeypatch.setattr(
        sysconfig,
        "get_path",
        lambda name, *rest: str(tmp_path) if name == "scripts" else original(name, *rest),
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.javascript().grade == "fail"
    assert run(["doctor", "--offline"]) == 1
    told = capsys.readouterr().out
    assert "fail  JavaScript runtime" in told
    assert "deno]" in told


def test_age_is_counted_from_the_version() -> None:
    from yt_dlp.version import __version__

    released = date(*map(int, __version__.split(".")[:3]))
    young = doctor.yt_dlp_age(released + timedelta(days=10))
    assert (young.grade, young.found) == ("ok", f"{__version__}, 10 days old")
    old = doctor.yt_dlp_age(released + timedelta(days=100))
    assert old.grade == "warn" and "--upgrade" in old.fix


@pytest.mark.parametrize(("free_gb", "grade"), [(100, "ok"), (3, "warn"), (0.1, "fail")])
def test_room_is_graded(
    free_gb: float, grade: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": free_gb * 1e9})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert doctor.disk(tmp_path / "new").grade == grade


@pytest.mark.parametrize("package", ["yt-dlp-ejs", "curl-cffi"])
def test_missing_packages_are_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise doctor.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "version", absent)
    check = doctor.solver() if package == "yt-dlp-ejs" else doctor.impersonation()
    assert check.grade == ("fail" if package == "yt-dlp-ejs" else "warn")
    assert "pip install" in check.fix


def test_the_hub_is_asked_briefly_and_its_absence_is_no_failure(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", site.url)
    assert doctor.hub().grade == "ok"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", site.url + "/player/x")
    site.mood = lambda _: "http-503"
    assert (doctor.hub().grade, "HTTP 503" in doctor.hub().found) == ("warn", True)
    monkeypatch.setattr(doctor, "TIMEOUT_S", 0.2)
    site.delay_s = 5.0
    start = time.monotonic()
    assert doctor.hub().grade == "warn"
    assert time.monotonic() - start < 4.0


def test_every_check_that_is_not_well_says_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    down: Callable[[str], str] = lambda url: f"{url} does not answer"  # noqa: E731
    monkeypatch.setattr(doctor, "_answers", down)
    for check in doctor.examine(tmp_path):
        assert check.grade == "ok" or check.fix
