"""Publishing, against a loopback stand-in for the Hub."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyarrow import parquet

from lassbench import audio
from lassbench.cli import run
from lassbench.errors import LassbenchError, UsageError
from lassbench.fetch import sources
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.push import push
from lassbench.fetch.runner import fetch
from lassbench.fetch.youtube import Settings
from tests.fetch.fake_hub import FakeHub

if TYPE_CHECKING:
    from lassbench.dataset import Dataset


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    fake = FakeHub()
    # The client reads its environment when it is imported, so its constants are set.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", fake.url)
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", fake.url)
    template = fake.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_TOKEN", fake.token)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    yield fake
    fake.close()


def files(hub: FakeHub) -> dict[str, bytes]:
    found: dict[str, bytes] = hub.repositories["me/lass"]["files"]
    return found


def test_the_table_goes_up_without_its_audio(hub: FakeHub, tiny_dataset: Dataset) -> None:
    pushed = push(tiny_dataset.path, "me/lass")
    assert not pushed.with_audio
    assert hub.repositories["me/lass"]["private"] is True
    shards = [path for path in files(hub) if path.endswith(".parquet")]
    assert len(shards) == 3
    rows = 0
    for path in shards:
        table = parquet.read_table(io.BytesIO(files(hub)[path]))
        rows += table.num_rows
        assert "audio" not in table.schema.names
        assert {"clip_id", "captions", "pcm_sha256"} <= set(table.schema.names)
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert set(features) == set(table.schema.names)
    assert rows == len(tiny_dataset.clips)
    assert b"fLaC" not in b"".join(files(hub).values())
    card = files(hub)["README.md"].decode()
    assert card.startswith("---\n") and "The audio is not in this repository" in card
    assert "soundfile" not in card, "there is no sound to read"
    assert json.loads(files(hub)["dataset.json"])["audio_included"] is False
    assert not [path for path in tiny_dataset.path.iterdir() if path.name.startswith(".push")]


def test_with_include_audio_the_shards_go_up_as_they_are(
    hub: FakeHub, tiny_dataset: Dataset
) -> None:
    push(tiny_dataset.path, "me/lass", include_audio=True)
    for shard in sorted((tiny_dataset.path / "data").iterdir()):
        assert files(hub)[f"data/{shard.name}"] == shard.read_bytes()
    assert files(hub)["README.md"] == (tiny_dataset.path / "README.md").read_bytes()
    # Then again without: what is left is what this push has.
    push(tiny_dataset.path, "me/lass")
    assert b"fLaC" not in b"".join(files(hub).values())


def test_a_dataset_on_the_hub_is_a_source(
    hub: FakeHub, tiny_dataset: Dataset, tmp_path: Path, options: Callable[..., FetchOptions]
) -> None:
    push(tiny_dataset.path, "me/lass", include_audio=True)
    columns = {"id_column": "clip_id"}
    chain = sources.parse(["hf://datasets/me/lass"], settings=Settings(), columns=columns)
    clips = [
        dataclasses.replace(clip, youtube_id=f"{number:011d}", start_s=0.0, end_s=1.0)
        for number, clip in enumerate(tiny_dataset.clips.values())
    ][:7]
    summary = fetch(clips, tmp_path / "out", options(sources=chain, seconds=1.0))
    assert summary.states == {"done": 7}
    for clip in clips:
        data = (tmp_path / "out/clips" / f"{clip.clip_id}.flac").read_bytes()
        assert (
            audio.pcm_sha256(audio.decode_int16(data)[0]) == tiny_dataset.pcm_sha256[clip.clip_id]
        )


def test_a_public_repository_is_not_taken_for_a_private_one(
    hub: FakeHub, tiny_dataset: Dataset
) -> None:
    hub.repositories["me/lass"] = {"private": False, "files": {}}
    with pytest.raises(LassbenchError, match="it is public"):
        push(tiny_dataset.path, "me/lass")
    assert files(hub) == {}
    push(tiny_dataset.path, "me/lass", private=False)
    assert files(hub)


def test_the_command_warns_before_it_publishes_audio(
    hub: FakeHub,
    tiny_dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["push", str(tiny_dataset.path), "me/lass", "--include-audio"]) == 0
    assert "AUDIO" not in capsys.readouterr().err, "this corpus may be passed on"
    monkeypatch.setattr("lassbench.fetch.push.needs_warning", lambda _: True)
    assert run(["push", str(tiny_dataset.path), "me/lass", "--include-audio"]) == 0
    told = capsys.readouterr()
    assert "You are about to publish AUDIO" in told.err
    assert "YouTube's" in told.err
    assert "with audio" in told.out


@pytest.mark.parametrize(
    ("status", "told"), [(401, "hf auth login"), (403, "may write"), (500, "try again later")]
)
def test_the_hubs_refusals_are_told(
    status: int, told: str, hub: FakeHub, tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    if status == 401:
        monkeypatch.setenv("HF_TOKEN", "wrong")
    else:
        hub.status = status
    with pytest.raises(LassbenchError, match=told):
        push(tiny_dataset.path, "me/lass")


def test_what_cannot_be_pushed_is_refused(
    tiny_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="user/name"):
        push(tiny_dataset.path, "just-a-name")
    with pytest.raises(LassbenchError, match="not a dataset folder"):
        push(tmp_path, "me/lass")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    with pytest.raises(LassbenchError, match="cannot be reached"):
        push(tiny_dataset.path, "me/lass")


@pytest.mark.parametrize("link", ["suites", "suites/s/queries.csv"])
def test_what_a_link_in_the_dataset_leads_to_is_not_published(
    hub: FakeHub, tiny_dataset: Dataset, tmp_path: Path, link: str
) -> None:
    folder = tmp_path / "received"
    shutil.copytree(tiny_dataset.path, folder, ignore=shutil.ignore_patterns("suites"))
    # On another disk, but the dataset's own: its hash says so.
    (folder / "data").rename(tmp_path / "data")
    (folder / "data").symlink_to(tmp_path / "data")
    push(folder, "me/lass")
    hub.repositories.clear()
    (tmp_path / "secret" / "s").mkdir(parents=True)
    (tmp_path / "secret" / "s" / "queries.csv").write_text("dear diary")
    (folder / link).parent.mkdir(parents=True, exist_ok=True)
    (folder / link).symlink_to(tmp_path / "secret" / link.removeprefix("suites").strip("/"))
    with pytest.raises(LassbenchError, match="leads out of the dataset, and what is") as caught:
        push(folder, "me/lass")
    assert caught.value.where == str(folder / link)
    assert not hub.repositories
    assert not (folder / ".push").exists()


def test_a_shard_that_was_exchanged_is_not_published(
    hub: FakeHub, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "received"
    shutil.copytree(tiny_dataset.path, folder)
    shard = next((folder / "data").iterdir())
    table = parquet.read_table(shard)
    parquet.write_table(table.replace_schema_metadata({"huggingface": "[]"}), shard)
    with pytest.raises(LassbenchError, match="is not the one that dataset"):
        push(folder, "me/lass")
    assert not hub.repositories
