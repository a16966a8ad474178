"""``build-dataset --corpus audiocaps`` fetches, packs, and says what is gone and why."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lassbench.benchmark import manifests
from lassbench.benchmark.metadata import load_metadata
from lassbench.benchmark.selection import read_definition
from lassbench.cli import run
from lassbench.dataset import open_dataset
from lassbench.fetch.merge import merge
from tests.dataset.made import shard
from tests.fetch.site import Site
from tests.small_metadata import CONCEPTS, SmallMetadata, small_source


@pytest.fixture
def world(site: Site, tmp_path: Path) -> tuple[Site, list[str]]:
    """A small benchmark whose videos are on the site, and the options that name it."""
    (tmp_path / "concepts.yaml").write_text(CONCEPTS + "sample_rate_hz: 8000\nclip_seconds: 1.0\n")
    definition = read_definition(tmp_path / "concepts.yaml")
    source = small_source(tmp_path / "metadata")
    manifests.write(manifests.build(definition, load_metadata(source)), tmp_path / "small")
    for clip in SmallMetadata().clips[:18]:
        site.add(clip.youtube_id, seconds=42.0)
    options = ["--corpus", "audiocaps", "--manifest", str(tmp_path / "small")]
    options += ["--metadata-dir", source.place, "--unverified-metadata"]
    return site, options


def build_command(out: Path, options: list[str]) -> list[str]:
    """The build that fetches, as fast as the site answers."""
    return ["build-dataset", str(out), *options, "--workers", "1", "--clips-per-hour", "0"]


def asked_for(site: Site) -> set[str]:
    """The videos that the site was asked for."""
    return {name for name in site.videos if any(name in str(line) for line in site.log)}


def test_fetch_and_pack_in_one_command(
    world: tuple[Site, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, options = world
    names = sorted(site.videos)
    site.add(names[0], "private")
    site.add(names[1], "removed")
    out = tmp_path / "out"
    command = build_command(out, options)
    assert run(command) == 0
    told = capsys.readouterr().out
    assert "16 done, 2 gone" in told
    assert "16 clips" in told
    rows = {row["clip_id"]: row for row in csv.DictReader((out / "clips.csv").open())}
    assert rows[f"Y{names[0]}"]["state"] == "private"
    assert "Private video" in rows[f"Y{names[0]}"]["reason"]
    assert rows[f"Y{names[1]}"]["state"] == "removed"
    census = {row["clip_id"]: row for row in csv.DictReader((out / "census.csv").open())}
    assert census[f"Y{names[0]}"]["last_attempt"].endswith("Z")
    dataset = open_dataset(out)
    assert len(dataset.clips) == 16
    assert dataset.missing[f"Y{names[1]}"].kind == "removed"
    before = {path.name: path.read_bytes() for path in (out / "data").iterdir()}
    description = (out / "dataset.json").read_bytes()
    # Again: nothing is asked for, nothing changes.
    site.log.clear()
    assert run(command) == 0
    assert not site.log
    assert {path.name: path.read_bytes() for path in (out / "data").iterdir()} == before
    assert (out / "dataset.json").read_bytes() == description
    # The videos as files in a folder give the same samples.
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in names[2:]:
        (folder / f"{name}.webm").write_bytes(site.videos[name].data)
    other = tmp_path / "other"
    assert run(["build-dataset", str(other), *options, "--audio-dir", str(folder)]) == 0
    assert open_dataset(other).pcm_sha256 == dataset.pcm_sha256
    assert not site.log


def test_a_fetch_that_was_stopped_packs_nothing(
    world: tuple[Site, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, options = world
    site.mood = lambda _: "bot"
    out = tmp_path / "out"
    command = build_command(out, options)
    assert run(command) == 3
    assert "--cookies" in capsys.readouterr().err
    assert not (out / "dataset.json").exists()
    site.mood = lambda _: None
    assert run(command) == 0
    assert len(open_dataset(out).clips) == 18


def test_fetching_first_and_building_later_is_the_same(
    world: tuple[Site, list[str]], tmp_path: Path
) -> None:
    site, options = world
    out = tmp_path / "out"
    listed = [*options[2:4], "--rate", "0"]
    assert run(["fetch", str(out), *listed]) == 0
    fetched = {path.name: path.read_bytes() for path in (out / "clips").glob("*.flac")}
    assert len(fetched) == 18
    asked = len(site.log)
    command = build_command(out, options)
    assert run(command) == 0
    dataset = open_dataset(out)
    assert len(site.log) == asked
    # What was fetched is what is packed, byte for byte, and there only.
    assert {f"{clip_id}.flac": dataset.flac(clip_id) for clip_id in dataset.clips} == fetched
    assert not (out / "clips").exists()
    # The ledger goes on counting it as fetched.
    assert run(["fetch", str(out), *listed]) == 0
    assert len(site.log) == asked
    assert not list(out.rglob("*.flac"))
    # A part that was built can be merged still.
    merged = merge([out], tmp_path / "merged")
    assert (merged.done, merged.copied) == (18, 18)
    got = {path.name: path.read_bytes() for path in (tmp_path / "merged" / "clips").glob("*.flac")}
    assert got == fetched


def test_a_limit_fetches_no_more_than_it_packs(
    world: tuple[Site, list[str]], tmp_path: Path
) -> None:
    site, options = world
    out = tmp_path / "out"
    command = build_command(out, options)
    assert run([*command, "--limit", "1"]) == 0
    some = open_dataset(out)
    assert len(some.clips) == 9  # three concepts in three splits
    assert {fault.kind for fault in some.missing.values()} == {"limit"}
    asked = asked_for(site)
    assert asked == {clip.youtube_id for clip in some.clips.values()}
    # Without it the build goes on to the whole, and asks for no clip again.
    site.log.clear()
    assert run(command) == 0
    whole = open_dataset(out)
    assert len(whole.clips) == 18
    assert {clip_id: whole.flac(clip_id) for clip_id in some.clips} == {
        clip_id: some.flac(clip_id) for clip_id in some.clips
    }
    assert not asked & asked_for(site)


def test_a_packed_clip_whose_shard_is_lost_is_fetched_again(
    world: tuple[Site, list[str]], tmp_path: Path
) -> None:
    site, options = world
    out = tmp_path / "out"
    command = build_command(out, options)
    assert run(command) == 0
    before = {path.name: path.read_bytes() for path in (out / "data").iterdir()}
    lost = {clip.youtube_id for clip in open_dataset(out).split("test")}
    shard(out, "test").unlink()
    site.log.clear()
    assert run(command) == 0
    assert {path.name: path.read_bytes() for path in (out / "data").iterdir()} == before
    asked = asked_for(site)
    assert asked == lost


def test_clips_of_another_form_are_refused_before_anything_is_fetched(
    world: tuple[Site, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, options = world
    out = tmp_path / "out"
    command = build_command(out, options)
    assert run(command) == 0
    before = {path.name: path.read_bytes() for path in (out / "data").iterdir()}
    listed = Path(options[3]) / "concepts.yaml"
    site.log.clear()
    # Another benchmark, whose clips have another length.
    text = listed.read_text().replace("clip_seconds: 1.0", "clip_seconds: 2.0")
    (tmp_path / "longer.yaml").write_text(text)
    definition = read_definition(tmp_path / "longer.yaml")
    source = small_source(tmp_path / "metadata2")
    manifests.write(manifests.build(definition, load_metadata(source)), tmp_path / "longer")
    capsys.readouterr()
    other = [str(tmp_path / "longer") if word == options[3] else word for word in command]
    assert run(other) == 2
    assert "built with other settings" in capsys.readouterr().err
    assert run(["fetch", str(out), "--manifest", str(tmp_path / "longer"), "--rate", "0"]) == 2
    assert "another form" in capsys.readouterr().err
    assert not site.log
    assert run(command) == 0
    assert {path.name: path.read_bytes() for path in (out / "data").iterdir()} == before


def test_options_that_fetch_nothing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["build-dataset", str(tmp_path / "out"), "--proxy", "http://x"]) == 2
    assert "nothing is fetched" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
