"""Publishing: to a real branch of a real repository, and to a stand-in for the Hub.

The Hub itself is not reached by any test: its part is played by a server on
the loopback interface that answers as ``huggingface_hub`` expects and records
what it was sent.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from lassbench.cli.leaderboard import command
from lassbench.errors import LassbenchError, UsageError
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.publish import parse_target, prepare, write_eval_results
from tests.leaderboard import made


def git(folder: Path, *arguments: str) -> str:
    line = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "t")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "t@example.org")
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "file").write_text("kept\n")
    (folder / ".gitignore").write_text("*.js\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    git(folder, "remote", "add", "origin", str(tmp_path / "remote.git"))
    return folder


def publish(*arguments: str) -> str:
    result = CliRunner().invoke(command, ["publish", *arguments], catch_exceptions=False)
    return result.output


def test_a_branch_gets_the_site_and_nothing_else_is_touched(
    board: Path, repository: Path, tmp_path: Path
) -> None:
    where = ["git:pages", "--root", str(board), "--repo", str(repository), "--remote", "origin"]
    said = publish(*where, "--dry-run")
    assert "would commit" in said
    assert "would push" in said
    assert git(repository, "branch", "--list", "pages") == ""
    said = publish(*where)
    assert "committed to branch pages" in said
    names = git(repository, "ls-tree", "-r", "--name-only", "pages").splitlines()
    assert {"index.html", "assets/charts.js", ".nojekyll"} <= set(names)
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "branch", "--show-current") == "main"
    assert git(tmp_path / "remote.git", "rev-parse", "pages") == git(
        repository, "rev-parse", "pages"
    )


def test_the_same_again_makes_no_commit_and_another_site_replaces_it(
    board: Path, repository: Path
) -> None:
    where = ["git:pages", "--root", str(board), "--repo", str(repository)]
    page = "suites/made-test/systems/mixture.html"
    publish(*where)
    assert page in git(repository, "ls-tree", "-r", "--name-only", "pages")
    first = git(repository, "rev-parse", "pages")
    assert "holds this already" in publish(*where)
    assert git(repository, "rev-parse", "pages") == first
    for suffix in (".json", ".parquet"):
        (board / "entries" / "made-test" / f"mixture{suffix}").unlink()
    publish(*where)
    names = git(repository, "ls-tree", "-r", "--name-only", "pages")
    assert page not in names
    assert git(repository, "rev-list", "--count", "pages") == "2"


def test_the_branch_that_is_checked_out_is_left_alone(board: Path, repository: Path) -> None:
    before = git(repository, "rev-parse", "main")
    with pytest.raises(UsageError, match="checked out"):
        publish("git:main", "--root", str(board), "--repo", str(repository))
    assert git(repository, "rev-parse", "main") == before


@pytest.mark.parametrize(
    "text",
    ["git:", "git:-f", "git:a..b", "hf-space:name", "hf-space:../x", "s3:x", "", "hf-dataset:a"],
)  # fmt: skip
def test_targets_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="no place to publish"):
        parse_target(text)


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub as creating a repository and committing files needs."""

    asked: list[tuple[str, str, Any]]
    present: list[str]
    refuse = False

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.asked.append(("GET", self.path, None))
        if "/tree/" in self.path:
            blank = {"type": "file", "size": 1, "oid": "0" * 40}
            self.answer([{**blank, "path": path} for path in self.present])
        else:
            self.answer({"id": "me/board", "sha": "1" * 40, "private": False, "tags": []})

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        lines = [json.loads(line) for line in body.decode().splitlines() if line.strip()]
        self.asked.append(("POST", self.path, lines))
        if self.refuse:
            self.answer({"error": "you may not"}, 403)
        elif self.path.endswith("/repos/create"):
            url = f"http://{self.headers['Host']}/spaces/me/board"
            self.answer({"url": url, "name": "me/board"})
        elif "/preupload/" in self.path:
            mode = {"uploadMode": "regular", "shouldIgnore": False}
            self.answer({"files": [{**mode, "path": f["path"]} for f in lines[0]["files"]]})
        elif "/commit/" in self.path:
            place = self.path.removeprefix("/api").removesuffix("/commit/main")
            url = f"http://{self.headers['Host']}{place}/commit/{'2' * 40}"
            self.answer({"commitOid": "2" * 40, "commitUrl": url, "success": True})
        else:
            self.answer({})


@pytest.fixture
def hub() -> Iterator[type[Hub]]:
    class Fresh(Hub):
        asked: list[tuple[str, str, Any]] = []  # noqa: RUF012
        present: list[str] = []  # noqa: RUF012

    server = ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Fresh.address = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    yield Fresh
    server.shutdown()
    server.server_close()


def publish_to(hub: type[Hub], *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    # A process of its own: huggingface_hub reads HF_ENDPOINT when it is imported.
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_TOKEN": "hf_test"}  # type: ignore[attr-defined]
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-m", "lassbench", "leaderboard", "publish", *arguments],
        capture_output=True, text=True, check=False, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def committed(hub: type[Hub]) -> tuple[dict[str, bytes], list[str]]:
    [lines] = [body for verb, path, body in hub.asked if verb == "POST" and "/commit/" in path]
    added = {
        line["value"]["path"]: base64.b64decode(line["value"]["content"])
        for line in lines
        if line["key"] == "file"
    }
    gone = [line["value"]["path"] for line in lines if line["key"] == "deletedFile"]
    return added, gone


def test_a_space_gets_a_static_site(hub: type[Hub], board: Path) -> None:
    hub.present = ["old.html", "index.html"]
    publish_to(hub, "hf-space:me/board", "--root", str(board))
    created = next(body[0] for _, path, body in hub.asked if path.endswith("/repos/create"))
    assert (created["type"], created["sdk"]) == ("space", "static")
    added, gone = committed(hub)
    head = yaml.safe_load(added["README.md"].decode().split("---")[1])
    assert (head["sdk"], head["app_file"]) == ("static", "index.html")
    assert b"<!doctype html>" in added["index.html"]
    assert "suites/made-test/compare.html" in added
    assert "old.html" in gone
    assert "index.html" not in gone


def test_a_dataset_gets_entries_and_rows(hub: type[Hub], board: Path) -> None:
    publish_to(hub, "hf-dataset:me/results", "--root", str(board))
    added, _ = committed(hub)
    head = yaml.safe_load(added["README.md"].decode().split("---")[1])
    configs = {one["config_name"]: one["data_files"] for one in head["configs"]}
    assert configs["made-test"] == [{"split": "test", "path": "data/made-test.parquet"}]
    assert "data/made-test.parquet" in added
    assert "entries/made-test/lass-net.parquet" in added
    assert "tables/made-test.csv" in added
    assert not any(name.endswith((".wav", ".flac", ".html")) for name in added)


def test_what_a_dataset_gets_opens_as_it_says(board: Path, tmp_path: Path) -> None:
    """Also where entries were scored by different metrics, each row with its system."""
    import datasets

    suite = made.suite_info("made-test")
    more = made.with_more(made.make_scores("More", suite=suite, seed=9), "a/model")
    made.add(board, more)
    read = read_leaderboard(board)
    prepare("hf-dataset", read, tmp_path, out := tmp_path / "out")
    for name, entries in read.entries.items():
        found = datasets.load_dataset(
            str(out), name, split="test", cache_dir=str(tmp_path / "cache")
        ).to_pandas()
        for loaded in entries:
            rows = found[found["system"] == loaded.name].reset_index(drop=True)
            pd.testing.assert_frame_equal(rows[loaded.rows.columns], loaded.rows, check_dtype=False)
            assert rows.drop(columns=[*loaded.rows.columns, "system"]).isna().all(axis=None)
    assert len(found["system"].unique()) == len(entries)


def test_a_dry_run_asks_the_hub_nothing(hub: type[Hub], board: Path) -> None:
    done = publish_to(hub, "hf-space:me/board", "--root", str(board), "--dry-run")
    assert "would send" in done.stdout
    assert hub.asked == []


@pytest.mark.parametrize("network", [True, False])
def test_a_refusal_is_told_without_a_traceback(hub: type[Hub], board: Path, network: bool) -> None:
    hub.refuse = True
    with socket.socket() as taken:
        # Bound and not listening: whoever connects is refused.
        taken.bind(("127.0.0.1", 0))
        if not network:
            hub.address = f"http://127.0.0.1:{taken.getsockname()[1]}"  # type: ignore[attr-defined]
        done = publish_to(hub, "hf-space:me/board", "--root", str(board), code=1)
    assert ("the Hub refused" if network else "the Hub cannot be reached") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["me/a--b", "me/a..b", f"me/{'a' * 97}"])
def test_a_name_that_the_hub_does_not_take(board: Path, name: str) -> None:
    with pytest.raises(LassbenchError, match="no name that the Hub takes"):
        publish(f"hf-dataset:{name}", "--root", str(board))


def test_eval_results_are_what_the_hub_reads(filled: Path, tmp_path: Path) -> None:
    from huggingface_hub import parse_eval_result_entries

    loaded = made.loaded(filled)
    url = "https://example.org/board"
    path = write_eval_results(tmp_path, loaded, dataset_id="me/bench", source_url=url)
    assert path == tmp_path / ".eval_results" / "made-test.yaml"
    [parsed] = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    assert (parsed.dataset_id, parsed.task_id) == ("me/bench", "made-test")
    assert parsed.value == round(loaded.rows["si_sdr_i"].mean(), 3)
    assert parsed.source_url == "https://example.org/board"
    assert "95 % interval" in (parsed.notes or "")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("half-done", {}, "partial"),
        ("mixture", {"metric": "sar"}, "undefined"),
        ("lass-net", {"metric": "SDRii"}, "did you mean 'SDRi'"),
        ("lass-net", {"source_url": "javascript:x"}, "not an http"),
    ],
)
def test_what_cannot_be_a_result_is_not_exported(
    filled: Path, tmp_path: Path, name: str, options: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        write_eval_results(tmp_path, made.loaded(filled, name), dataset_id="me/x", **options)
    assert not [*tmp_path.iterdir()]
