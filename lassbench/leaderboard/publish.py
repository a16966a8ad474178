"""Publishing: the site to a Hugging Face Space or a git branch, the entries to a dataset.

Every target is prepared as a plain folder first; ``dry_run`` stops there and
says what would go where.  A branch is written with git's plumbing, so that
neither the working tree nor the index of the repository is touched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.files import is_left_by_system, listed
from lassbench.leaderboard.entries import TABLE_METRICS, Leaderboard, Loaded
from lassbench.plain_text import url_fault
from lassbench.scores.rows import METRICS, in_order, metric_named
from lassbench.scores.summary import Cell, Summary
from lassbench.yaml_files import to_yaml, write_yaml

TargetKind = Literal["hf-space", "hf-dataset", "git"]
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_HUB_TYPES: dict[TargetKind, str] = {"hf-space": "space", "hf-dataset": "dataset"}


@dataclass(frozen=True)
class Target:
    """Where to publish: a Space or dataset (``owner/name``), or a branch."""

    kind: TargetKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def parse_target(text: str) -> Target:
    """``hf-space:owner/name``, ``hf-dataset:owner/name`` or ``git:branch``.

    Raises
    ------
    UsageError
        If it is none of them.
    """
    kind, _, name = text.partition(":")
    if kind in _HUB_TYPES and _HUB_ID.fullmatch(name):
        return Target(kind, name)
    if kind == "git" and _is_branch(name):
        return Target("git", name)
    raise UsageError(
        f"no place to publish to: {one_line(text, 80)}",
        expected="hf-space:owner/name, hf-dataset:owner/name or git:branch",
        fix="name one of them",
    )


def _is_branch(name: str) -> bool:
    done = subprocess.run(
        ["git", "check-ref-format", "--branch", name], capture_output=True, check=False
    )
    return bool(name) and not name.startswith("-") and done.returncode == 0


def prepare(target: Target, board: Leaderboard, site: Path, out: Path) -> None:
    """Fill ``out`` with what ``target`` gets.

    A Space and a branch get the site; a dataset gets the entries with their
    rows (which ``datasets.load_dataset`` opens, one configuration a suite), the
    tables and the schema.
    """
    if target.kind == "hf-dataset":
        for name in ("entries", "suites", "reported", "tables", "entry.schema.json"):
            source = board.root / name
            if source.is_dir():
                shutil.copytree(source, out / name, ignore=_left_by_systems)
            elif source.is_file():
                shutil.copyfile(source, out / name)
        (out / "README.md").write_text(_dataset_card(board), encoding="utf-8")
        return
    shutil.copytree(site, out, dirs_exist_ok=True, ignore=_left_by_systems)
    if target.kind == "hf-space":
        (out / "README.md").write_text(_space_card(), encoding="utf-8")


def _left_by_systems(_: str, names: list[str]) -> list[str]:
    return [name for name in names if is_left_by_system(name)]


def _front_matter(values: Mapping[str, object]) -> str:
    return f"---\n{to_yaml(dict(values))}---\n"


def _space_card() -> str:
    head = {
        "title": "Language-queried audio source separation",
        "emoji": "🎧",
        "colorFrom": "green",
        "colorTo": "gray",
        "sdk": "static",
        "app_file": "index.html",
        "pinned": False,
    }
    return _front_matter(head) + (
        "\n# Language-queried audio source separation: leaderboard\n\n"
        "Static pages, made by `lassbench leaderboard build`.\n"
    )


def _dataset_card(board: Leaderboard) -> str:
    filled = [name for name, entries in board.entries.items() if entries]
    head = {
        "pretty_name": "Results in language-queried audio source separation",
        "tags": ["audio", "source-separation", "leaderboard"],
        "configs": [
            {"config_name": name, "data_files": f"entries/{name}/*.parquet"} for name in filled
        ],
    }
    return _front_matter(head) + (
        "\n# Results in language-queried audio source separation\n\n"
        "`entries/<suite>/<system>.json` is a system's score with its standing, the Parquet file\n"
        "beside it has one row a query. `tables/` holds the tables made from them. No audio.\n"
    )


def publish(
    target: Target,
    folder: Path,
    *,
    message: str,
    dry_run: bool,
    repository: Path = Path(),
    remote: str = "",
) -> list[str]:
    """Send ``folder`` to ``target``; what was (or would be) done, a line each.

    Parameters
    ----------
    repository, remote
        For a branch: the git repository, and where to push the branch
        (``""``: nowhere, it stays local).

    Raises
    ------
    LassbenchError
        If git or the Hub refuse, or cannot be reached; nothing was changed there.
    """
    paths = [path for path in listed(folder, "**/*") if path.is_file()]
    size = sum(path.stat().st_size for path in paths)
    what = f"{len(paths)} files, {size / 1e6:.1f} MB"
    if target.kind == "git":
        git = _Git(repository)
        lines = _to_branch(git, target.name, folder, what if dry_run else "", message)
        return lines + _pushed(git, target.name, remote, dry_run=dry_run)
    if dry_run:
        return [f"would send {what} to {target}, replacing what is there"]
    return [f"sent {what}: {_to_hub(target, folder, message)}"]


def _to_hub(target: Target, folder: Path, message: str) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    api = HfApi()
    repo_type = _HUB_TYPES[target.kind]
    try:
        api.create_repo(
            target.name,
            repo_type=repo_type,
            exist_ok=True,
            space_sdk="static" if repo_type == "space" else None,
        )
        done = api.upload_folder(
            repo_id=target.name,
            repo_type=repo_type,
            folder_path=folder,
            commit_message=message,
            # Pages of systems that were taken out must go as well.
            delete_patterns="*",
        )
    except LocalTokenNotFoundError as error:
        raise LassbenchError(
            "the Hub wants to know who you are", where=target, fix="log in with `hf auth login`"
        ) from error
    except (HfHubHTTPError, OSError, ValueError, *_transport_errors()) as error:
        raise LassbenchError(
            "the Hub did not take it",
            where=target,
            got=one_line(str(error) or type(error).__name__),
            fix="check the name, your login (`hf auth whoami`) and the network",
        ) from error
    return str(done.commit_url)


def _transport_errors() -> tuple[type[Exception], ...]:
    """What the Hub's client lets through where the network fails: it is no OSError.

    Which library it speaks HTTP with has changed between its versions, so the
    ones that it has loaded are asked.
    """
    bases = (("httpx", "HTTPError"), ("httpx2", "HTTPError"), ("requests", "RequestException"))
    return tuple(getattr(sys.modules[name], base) for name, base in bases if name in sys.modules)


def _to_branch(git: _Git, branch: str, folder: Path, would: str, message: str) -> list[str]:
    """Commit ``folder`` as the whole of ``branch``, or say so if ``would`` says what it is."""
    ref = f"refs/heads/{branch}"
    if git.out(["symbolic-ref", "--quiet", "HEAD"], check=False) == ref:
        raise UsageError(
            f"branch {branch} is checked out here: it would be replaced by the site",
            where=git.repository,
            fix="publish to another branch, such as git:gh-pages",
        )
    before = git.out(["rev-parse", "--verify", "--quiet", ref], check=False)
    tree = git.tree_of(folder)
    if before and git.out(["rev-parse", f"{before}^{{tree}}"]) == tree:
        return [f"branch {branch} holds this already"]
    if would:
        return [f"would commit {would} to branch {branch}"]
    parents = ["-p", before] if before else []
    commit = git.out(["commit-tree", tree, *parents, "-m", message])
    # The old value: a branch that somebody moved meanwhile is not overwritten.
    git.out(["update-ref", ref, commit, before or "0" * 40])
    return [f"committed to branch {branch} ({commit[:12]})"]


def _pushed(git: _Git, branch: str, remote: str, *, dry_run: bool) -> list[str]:
    if not remote:
        return []
    if dry_run:
        return [f"would push branch {branch} to {remote}"]
    ref = f"refs/heads/{branch}"
    git.out(["push", "--", remote, f"{ref}:{ref}"])
    return [f"pushed branch {branch} to {remote}"]


class _Git:
    """git in one repository, with its messages turned into ours."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        if not self.out(["rev-parse", "--git-dir"], check=False):
            raise UsageError(
                "no git repository here",
                where=repository.resolve(),
                fix="run it inside the repository whose branch you mean, or name it with --repo",
            )

    def out(
        self,
        arguments: Sequence[str],
        *,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.repository), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(environment or {})},
        )
        if check and done.returncode:
            raise LassbenchError(
                f"git {arguments[0]} failed",
                where=self.repository.resolve(),
                got=one_line(done.stderr.strip()),
                fix="see what git says",
            )
        return done.stdout.strip() if done.returncode == 0 else ""

    def tree_of(self, folder: Path) -> str:
        """The tree object of ``folder``, through an index of its own."""
        with tempfile.TemporaryDirectory() as temporary:
            index = {"GIT_INDEX_FILE": str(Path(temporary) / "index")}
            place = ["-c", "core.autocrlf=false", f"--work-tree={folder.resolve()}"]
            everything = ["add", "--all", "--force", "--", str(folder.resolve())]
            self.out([*place, *everything], environment=index)
            return self.out(["write-tree"], environment=index)


# ---------------------------------------------------------------------------
# A result for a model's repository
# ---------------------------------------------------------------------------


def eval_results(
    loaded: Loaded, *, dataset_id: str, task_id: str = "", metric: str = "", source_url: str = ""
) -> list[dict[str, Any]]:
    """The content of an ``.eval_results`` file for one entry.

    A model repository on the Hugging Face Hub may hold ``.eval_results/*.yaml``,
    a list of results, each for one task of a benchmark dataset
    (https://huggingface.co/docs/hub/eval-results): ``dataset.id`` and
    ``dataset.task_id`` are required, ``value`` is the number, ``source.url`` says
    where it comes from, ``notes`` how it was obtained.

    Parameters
    ----------
    dataset_id
        The benchmark's dataset on the Hub, ``owner/name``.
    task_id
        The task in the benchmark's ``eval.yaml``; the suite's name by default.
    metric
        Which metric is the value, by its name or title; the suite's ranking metric by default.

    Raises
    ------
    UsageError
        If the metric is unknown, undefined for this entry, the entry is partial,
        or the source is not a web address.
    """
    entry, summary = loaded.entry, Summary(loaded.rows)
    name = metric_named(metric or TABLE_METRICS[loaded.card.kind][0], in_order(loaded.rows.columns))
    cell = summary.metrics[name]
    if cell.mean is None or entry.standing == "partial":
        why = "it is undefined" if cell.mean is None else "the entry is partial"
        raise UsageError(f"{name} cannot be exported: {why}", where=loaded.path)
    if source_url and url_fault(source_url):
        raise UsageError(f"the source {url_fault(source_url)}", got=source_url[:100])
    result: dict[str, Any] = {
        "dataset": {"id": dataset_id, "task_id": task_id or entry.suite},
        "value": round(cell.mean, 3),
        "date": entry.date,
        "notes": _notes(loaded, name, cell),
    }
    if source_url:
        result["source"] = {"url": source_url, "name": "lassbench leaderboard"}
    return [result]


def _notes(loaded: Loaded, name: str, cell: Cell) -> str:
    entry, interval = loaded.entry, ""
    if cell.ci_low is not None and cell.ci_high is not None:
        interval = f", 95 % interval {cell.ci_low:.3f} to {cell.ci_high:.3f}"
    return (
        f"{METRICS[name].title} in {METRICS[name].unit or 'shares'} ({METRICS[name].id})"
        f"{interval}; {cell.n} of {loaded.card.queries} queries; {entry.standing};"
        f" lassbench {entry.lassbench_version}, suite {entry.suite_fingerprint[:12]}"
    )


def write_eval_results(folder: Path, loaded: Loaded, results: list[dict[str, Any]]) -> Path:
    """Write ``<folder>/.eval_results/<suite>.yaml``, as a model repository holds it."""
    path = folder / ".eval_results" / f"{loaded.card.name}.yaml"
    write_yaml(path, results)
    return path
