"""Several hosts' parts become one; lists and shards."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.fetch.ledger import Ledger
from lassbench.fetch.lists import read_list
from lassbench.fetch.merge import merge
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.runner import fetch
from lassbench.parallel import Shard
from lassbench.records import Clip
from tests.fetch.conftest import video_id
from tests.fetch.site import Site

Make = Callable[..., Clip]
Options = Callable[..., FetchOptions]


def clips_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "clips").glob("*.flac")}


def told(folder: Path) -> list[tuple[str, str, str]]:
    with Ledger.read(folder) as ledger:
        return [(entry.clip_id, entry.state, entry.kind) for entry in ledger.entries()]


def attempts(folder: Path) -> list[tuple[str, str]]:
    with Ledger.read(folder) as ledger:
        return sorted(ledger.db.execute("SELECT clip_id, class FROM attempts"))


def test_shards_are_disjoint_whole_and_keep_videos_together(make_clip: Make) -> None:
    clips = [make_clip(n) for n in range(200)]
    clips += [make_clip(n, start_s=9.0) for n in range(200)]
    shards = [Shard.parse(f"{n}/3") for n in (1, 2, 3)]
    parts = [[clip for clip in clips if shard.has(clip.youtube_id)] for shard in shards]
    assert sorted((c.youtube_id, c.start_s) for part in parts for c in part) == sorted(
        (c.youtube_id, c.start_s) for c in clips
    )
    assert not {c.youtube_id for c in parts[0]} & {c.youtube_id for c in parts[1]}
    assert all(80 < len(part) < 190 for part in parts)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard 1/3"):
        Shard.parse(text)


def test_two_shards_merged_equal_one_run(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    clips = [make_clip(n) for n in range(6)]
    for n in range(5):
        site.add(video_id(n), number=n)
    site.add(video_id(5), "private")
    one, a, b, out = (tmp_path / name for name in ("one", "a", "b", "out"))
    fetch(clips, one, options())
    fetch(clips, a, options(shard=Shard(1, 2)))
    fetch(clips, b, options(shard=Shard(2, 2)))
    assert len(told(a)) + len(told(b)) == 6
    merged = merge([a, b], out)
    assert (merged.total, merged.done, merged.copied, merged.differing) == (6, 5, 5, ())
    assert clips_of(out) == clips_of(one)
    assert told(out) == told(one)
    assert attempts(out) == attempts(one)
    # Again, and into a folder that goes on: nothing is doubled, nothing asked for.
    assert merge([a, b], out).copied == 0
    assert attempts(out) == attempts(one)
    site.log.clear()
    fetch(clips, out, options())
    assert not site.log


def test_the_better_state_wins_and_differences_are_told(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    a, b, out = (tmp_path / name for name in ("a", "b", "out"))
    clips = [make_clip(n) for n in range(3)]
    site.add(video_id(0), number=0)
    site.add(video_id(1), "unavailable")
    site.add(video_id(2), "private")
    fetch(clips, a, options())
    site.add(video_id(0), number=9)
    site.add(video_id(1), number=1)
    fetch(clips[:2], b, options())
    merged = merge([a, b], out)
    assert merged.differing == (clips[0].clip_id,)
    assert [state for _, state, _ in told(out)] == ["done", "done", "gone"]
    assert clips_of(out)[f"{clips[0].clip_id}.flac"] == clips_of(a)[f"{clips[0].clip_id}.flac"]


def test_what_cannot_be_merged_is_refused(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    site.add(video_id(0), number=0)
    a, b, out = (tmp_path / name for name in ("a", "b", "out"))
    fetch([make_clip(0)], a, options())
    fetch([make_clip(0, start_s=3.0)], b, options())
    with pytest.raises(FaultsError, match="different corpora") as refused:
        merge([a, b], out)
    assert f"from 3 to 5 s in {b}" in str(refused.value)
    c = tmp_path / "c"
    fetch([replace(make_clip(0), clip_id="another-name")], c, options())
    with pytest.raises(FaultsError, match="another-name: has the same window as"):
        merge([a, c], tmp_path / "joined")
    with pytest.raises(UsageError, match="not a fetched folder"):
        merge([tmp_path], out)
    with pytest.raises(UsageError, match="cannot be the output"):
        merge([a], a)
    shutil.rmtree(a / "clips")
    with pytest.raises(LassbenchError, match="its file is missing"):
        merge([a], tmp_path / "other")


LIST = """audiocap_id,youtube_id,start_time,caption
1,-0Gj8-vB1q4,30,Rain
2,-0Gj8-vB1q4,30,Rain again
3,AAAAAAAAAAA,10,A dog
4,AAAAAAAAAAA,40.5,The dog again
"""


def test_any_list_of_clips_can_be_fetched(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(LIST)
    clips = read_list(path)
    assert [(c.clip_id, c.start_s, c.end_s) for c in clips] == [
        ("Y-0Gj8-vB1q4", 30.0, 40.0),
        ("YAAAAAAAAAAA_10000", 10.0, 20.0),
        ("YAAAAAAAAAAA_40500", 40.5, 50.5),
    ]
    path.write_text("youtube_id,start\n")
    with pytest.raises(UsageError, match="no clip"):
        read_list(path)
    path.write_text(LIST + "5,short,10,x\n6,BBBBBBBBBBB,soon,x\n7,CCCCCCCCCCC,-1,x\n")
    with pytest.raises(FaultsError) as error:
        read_list(path)
    assert [fault.where.rpartition(":")[2] for fault in error.value.faults] == ["6", "7", "8"]


def test_audiocaps_own_lists_are_such_lists(shared: Path) -> None:
    clips = read_list(shared / "data/audiocaps/val.csv")
    assert len({clip.clip_id for clip in clips}) == len(clips)
    assert len(clips) < len((shared / "data/audiocaps/val.csv").read_text().splitlines()) / 4
