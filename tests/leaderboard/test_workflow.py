"""The workflow on pull requests: its own scripts, on real repositories, as GitHub runs them."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.leaderboard import made

CHECKOUT = Path(__file__).resolve().parents[2]
WORKFLOW = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "leaderboard.yml").read_text())
STEPS = WORKFLOW["jobs"]["check"]["steps"]
OURS = "lassbench/lassbench"

#: `lassbench` where packages with these names are not installed.
LASSBENCH = """\
import sys
from importlib.abc import MetaPathFinder

class Nothing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {absent}:
            raise ModuleNotFoundError(f"the workflow does not install {{name}}", name=name)

sys.meta_path.insert(0, Nothing())
from lassbench.cli import main
main()
"""


def git(folder: Path, *arguments: str) -> str:
    line = ["git", "-C", str(folder), *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()


def absent() -> set[str]:
    """What Python can import here and not after the workflow has installed its packages."""
    [line] = re.findall(r"--only-binary :all: (.*)", STEPS[2]["run"])
    waiting, there = line.split(), {"lassbench"}
    while waiting:
        name = canonical(waiting.pop())
        if name not in there:
            there.add(name)
            needed = importlib.metadata.requires(name) or ()
            waiting += [re.split(r"[^\w.-]", one)[0] for one in needed if "extra ==" not in one]
    owners = importlib.metadata.packages_distributions().items()
    return {module for module, of in owners if not there & {*map(canonical, of)}}


def canonical(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def value(expression: str, event: Mapping[str, Any]) -> str:
    """What GitHub puts for ``${{ github.event.x.y }}``; nothing for what is not there."""
    found: Any = {"github": {"event": event}}
    for name in expression.strip("${} ").split("."):
        found = (found or {}).get(name)
    return "" if found is None else str(found)


class PullRequest:
    """A repository with a leaderboard, and a pull request that may change it."""

    def __init__(self, place: Path, leaderboard: Path) -> None:
        self.place, self.ours, self.theirs = place, place / "ours", place / "theirs"
        self.work = place / "workspace"
        shutil.copytree(leaderboard, self.ours / "leaderboard")
        (self.ours / "README.md").write_text("A leaderboard.\n")
        git(place, "init", "-q", "-b", "main", str(self.ours))
        self.commit(self.ours)
        git(place, "clone", "-q", str(self.ours), str(self.theirs))

    @property
    def board(self) -> Path:
        """The leaderboard that the pull request proposes."""
        return self.theirs / "leaderboard"

    def commit(self, repository: Path) -> str:
        git(repository, "add", "--all", "--force")
        git(repository, "commit", "-q", "--allow-empty", "-m", "m")
        return git(repository, "rev-parse", "HEAD")

    def merge(self) -> str:
        """Merge their commit, as GitHub does beside the branches."""
        git(self.ours, "fetch", "-q", str(self.theirs), "HEAD")
        tree = git(self.ours, "merge-tree", "--write-tree", "main", "FETCH_HEAD")
        parents = ["-p", "main", "-p", "FETCH_HEAD"]
        merge = git(self.ours, "commit-tree", tree, *parents, "-m", "merge")
        git(self.ours, "update-ref", "refs/pull/7/merge", merge)
        return git(self.ours, "rev-parse", "FETCH_HEAD")

    def run(
        self,
        head_repo: str | None = "somebody/lassbench",
        *,
        head: str = "",
        ours: str = OURS,
        broken: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Every step with a script but the installing one, the first that fails being the last."""
        if not head:
            self.commit(self.theirs)
            head = self.merge()
        repository = {"full_name": head_repo} if head_repo is not None else None
        event = {"pull_request": {"number": 7, "head": {"sha": head, "repo": repository}}}
        git(self.place, "clone", "-q", f"file://{self.ours}", str(self.work / "checker"))
        tools = self.place / "tools"
        tools.mkdir()
        (tools / "lassbench.py").write_text(LASSBENCH.format(absent=absent()))
        command = (
            f'[ "$2" != "{broken}" ] || exit 3\nexec {sys.executable} -P {tools}/lassbench.py "$@"'
        )
        for name, does in (("lassbench", command), ("sleep", f"echo $1 >> {tools}/slept")):
            (tools / name).write_text(f"#!/bin/sh\n{does}\n")
            (tools / name).chmod(0o755)
        environment = {
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(CHECKOUT),
            "GITHUB_REPOSITORY": ours,
            "GITHUB_STEP_SUMMARY": str(self.place / "summary.md"),
        }
        for step in STEPS:
            if "run" not in step or "pip install" in step["run"]:
                continue
            given = {name: value(text, event) for name, text in step.get("env", {}).items()}
            # https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax:
            # what `shell: bash` stands for.
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
                cwd=self.work, env={**environment, **given}, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            if done.returncode:
                break
        return done

    @property
    def summary(self) -> str:
        return (self.place / "summary.md").read_text()


@pytest.fixture
def pull_request(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PullRequest:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "t")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "t@example.org")
    return PullRequest(tmp_path, filled)


def newcomer(board: Path, name: str = "Newcomer") -> None:
    made.add(board, made.make_scores(name, suite=made.suite_info("made-test"), seed=70))


def rename_suite(board: Path) -> None:
    card = board / "suites" / "made-test.json"
    card.write_text(card.read_text().replace("Made-up", "Official"))


def test_a_good_entry_is_taken_with_what_the_workflow_installs(pull_request: PullRequest) -> None:
    newcomer(pull_request.board, "##[add-mask]a")
    done = pull_request.run()
    assert done.returncode == 0, done.stderr
    assert "    made-test:\n      + ##[add-mask]a: submitted, rank 2, SI" in pull_request.summary
    assert "~ Mixture: rank 4 -> rank 5" in pull_request.summary
    page = pull_request.work / "site" / "suites" / "made-test" / "systems" / "add-mask-a.html"
    assert page.is_file()
    assert done.stdout.startswith("::stop-commands::")


@pytest.mark.parametrize(
    ("head_repo", "ours", "code"),
    [
        (OURS, OURS, 0),
        ("somebody/lassbench", OURS, 1),
        ("lassbench/lassbench2", OURS, 1),
        ("*", OURS, 1),
        ("", OURS, 1),
        (None, OURS, 1),
        ("", "", 1),
        (None, "", 1),
    ],
)
def test_only_a_branch_of_the_same_repository_may_do_more(
    pull_request: PullRequest, head_repo: str | None, ours: str, code: int
) -> None:
    rename_suite(pull_request.board)
    done = pull_request.run(head_repo, ours=ours)
    assert done.returncode == code
    assert ("a submission adds entries" in done.stderr) == bool(code)


def test_a_maintainers_branch_is_checked_too(pull_request: PullRequest) -> None:
    made.loaded(pull_request.board).path.write_text("{}")
    assert pull_request.run(OURS).returncode == 1


def test_a_command_that_fails_before_a_pipe_fails_the_step(pull_request: PullRequest) -> None:
    newcomer(pull_request.board)
    assert pull_request.run(broken="diff").returncode == 3
    assert not (pull_request.work / "site").exists()


def test_a_fault_of_the_leaderboard_as_it_is_can_be_mended(
    pull_request: PullRequest, filled: Path
) -> None:
    (pull_request.ours / "leaderboard" / "suites" / "made-test.json").write_text("{}")
    pull_request.commit(pull_request.ours)
    git(pull_request.theirs, "pull", "-q")
    shutil.copytree(filled, pull_request.board, dirs_exist_ok=True)
    done = pull_request.run(OURS)
    assert done.returncode == 0, done.stderr
    assert "has faults as it is" in done.stdout
    assert (pull_request.work / "site").exists()


def test_a_pull_request_that_leaves_the_leaderboard_alone_passes(
    pull_request: PullRequest,
) -> None:
    """A required check that is not run is waited for for ever."""
    (pull_request.theirs / "README.md").write_text("More.\n")
    done = pull_request.run(broken="check")
    assert done.returncode == 0, done.stderr
    assert "stays as it is" in done.stdout
    assert not (pull_request.work / "proposed").exists()


def test_entries_merged_meanwhile_are_not_the_pull_requests(pull_request: PullRequest) -> None:
    newcomer(pull_request.board)
    rename_suite(pull_request.ours / "leaderboard")
    pull_request.commit(pull_request.ours)
    done = pull_request.run()
    assert done.returncode == 0, done.stderr


def test_what_it_changes_elsewhere_is_said_and_not_there(pull_request: PullRequest) -> None:
    newcomer(pull_request.board)
    (pull_request.theirs / "lassbench").mkdir()
    (pull_request.theirs / "lassbench" / "__init__.py").write_text("raise SystemExit('ran')\n")
    (pull_request.theirs / "```").write_text("")
    done = pull_request.run()
    assert done.returncode == 0, done.stderr
    assert "More than a submission" in pull_request.summary
    assert "\n    ```\n    lassbench/__init__.py\n" in pull_request.summary
    assert not re.search("^```", pull_request.summary, re.MULTILINE)
    assert [*(pull_request.work / "proposed").iterdir()] == [
        pull_request.work / "proposed" / "leaderboard"
    ]


def link(theirs: Path) -> None:
    card = theirs / "leaderboard" / "suites" / "made-test.json"
    card.unlink()
    card.symlink_to("/proc/self/environ")


def whole_link(theirs: Path) -> None:
    shutil.move(theirs / "leaderboard", theirs / "elsewhere")
    (theirs / "leaderboard").symlink_to("elsewhere")


def submodule(theirs: Path) -> None:
    inner = theirs / "leaderboard" / "entries" / "inner"
    git(theirs, "init", "-q", str(inner))
    git(inner, "commit", "-q", "--allow-empty", "-m", "m")


@pytest.mark.parametrize("act", [link, whole_link, submodule])
def test_links_and_submodules_are_refused_unread(
    pull_request: PullRequest, act: Callable[[Path], None]
) -> None:
    act(pull_request.theirs)
    done = pull_request.run(OURS)
    assert done.returncode == 1
    assert "Links and submodules are refused:\n1" in done.stdout
    assert not (pull_request.work / "proposed").exists()


def test_files_are_written_as_they_are_whatever_attributes_say(
    pull_request: PullRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runners have git-lfs, whose filter would fetch a file from where the repository says."""
    ran = pull_request.place / "ran"
    config = pull_request.place / "gitconfig"
    config.write_text(
        f'[filter "lfs"]\n\tclean = cat\n\tsmudge = touch {ran}; cat\n\trequired = true\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    newcomer(pull_request.board)
    pull_request.commit(pull_request.theirs)
    (pull_request.board / ".gitattributes").write_text(
        "*.json text eol=crlf ident\n*.parquet filter=lfs\n"
        "suites/*.json working-tree-encoding=UTF-16\n"
    )
    # Past all that would convert files again.
    theirs, name = pull_request.theirs, "leaderboard/.gitattributes"
    blob = git(theirs, "hash-object", "-w", name)
    git(theirs, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    tree = git(theirs, "write-tree")
    git(theirs, "update-ref", "HEAD", git(theirs, "commit-tree", tree, "-p", "HEAD", "-m", "m"))
    done = pull_request.run(OURS, head=pull_request.merge())
    assert done.returncode == 0, done.stderr
    proposed = pull_request.work / "proposed" / "leaderboard"
    for path in ("suites/made-test.json", "entries/made-test/newcomer.parquet", ".gitattributes"):
        assert (proposed / path).read_bytes() == (pull_request.board / path).read_bytes()
    assert not ran.exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_merge_of_another_commit_is_not_taken(pull_request: PullRequest, there: bool) -> None:
    """Who pushes a good commit meanwhile does not have the bad one passed."""
    newcomer(pull_request.board)
    if there:
        pull_request.merge()
    done = pull_request.run(head="1" * 40)
    assert done.returncode == 1
    assert f"no merge of {'1' * 40}: solve the conflicts" in done.stdout
    assert (pull_request.place / "tools" / "slept").read_text().split() == ["0", "10", "30"]


def test_nothing_of_a_pull_request_is_trusted() -> None:
    assert WORKFLOW[True] == {"pull_request_target": None}  # `on`
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert WORKFLOW["defaults"] == {"run": {"shell": "bash"}}
    assert WORKFLOW["concurrency"]["cancel-in-progress"] is True
    assert WORKFLOW["jobs"].keys() == {"check"}
    assert WORKFLOW["jobs"]["check"].keys() == {"runs-on", "timeout-minutes", "steps"}
    for step in STEPS:
        assert "${{" not in step.get("run", ""), "nothing of the event is pasted into a script"
        for text in step.get("env", {}).values():
            assert "secrets" not in text and "token" not in text
        settings = step.get("with", {})
        assert not {"cache", "ref", "repository", "token"} & {*settings}
        if "checkout" in step.get("uses", ""):
            assert settings["persist-credentials"] is False
        assert "shell" not in step
        assert "continue-on-error" not in step
    order = ["pip install" in step.get("run", "") for step in STEPS]
    fetching = ["refs/pull/" in step.get("run", "") for step in STEPS]
    assert order.index(True) < fetching.index(True), "installing comes first"
