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
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.files import is_left_by_system, listed
from lassbench.hub import hub_errors
from lassbench.leaderboard.entries import TABLE_METRICS, Leaderboard, Loaded
from lassbench.leaderboard.ranking import unranked_because
from lassbench.plain_text import url_fault
from lassbench.scores.rows import METRICS, in_order, metric_named
from lassbench.scores.score_file import rows_table
from lassbench.scores.summary import Summary
from lassbench.yaml_files import to_yaml, write_yaml

_HUB_ID = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
_ON_THE_HUB = re.compile(rf"hf-(space|dataset):{_HUB_ID}", re.ASCII)


def parse_target(text: str) -> tuple[str, str]:
    """``hf-space:owner/name``, ``hf-dataset:owner/name`` or ``git:branch``, in its two parts.

    Raises
    ------
    UsageError
        If it is none of them.
    """
    kind, _, name = text.partition(":")
    line = ["git", "check-ref-format", "--branch", name]
    if _ON_THE_HUB.fullmatch(text) or (
        kind == "git" and subprocess.run(line, capture_output=True, check=False).returncode == 0
    ):
        return kind, name
    raise UsageError(
        f"no place to publish to: {one_line(text, 80)}",
        expected="hf-space:owner/name, hf-dataset:owner/name or git:branch",
        fix="name one of them",
    )


def prepare(kind: str, board: Leaderboard, site: Path, out: Path) -> None:
    """Fill ``out`` with what a target of this ``kind`` gets.

    A Space and a branch get the site; a dataset gets the leaderboard's files, and one
    table a suite that ``datasets.load_dataset`` opens.
    """
    if kind != "hf-dataset":
        shutil.copytree(site, out, dirs_exist_ok=True, ignore=_left_by_systems)
        if kind == "hf-space":
            (out / "README.md").write_text(_SPACE_CARD, encoding="utf-8")
        return
    (out / "data").mkdir(parents=True)
    for name in ("entries", "suites", "reported", "tables"):
        if (board.root / name).is_dir():
            shutil.copytree(board.root / name, out / name, ignore=_left_by_systems)
    shutil.copyfile(board.root / "entry.schema.json", out / "entry.schema.json")
    filled = {name: entries for name, entries in board.entries.items() if entries}
    for name, entries in filled.items():
        # Not every entry has CLAPScores and distances.
        rows = pa.concat_tables(map(_with_system, entries), promote_options="default")
        pq.write_table(rows, out / "data" / f"{name}.parquet")
    (out / "README.md").write_text(_dataset_card([*filled]), encoding="utf-8")


def _left_by_systems(_: str, names: list[str]) -> list[str]:
    return [name for name in names if is_left_by_system(name)]


def _with_system(loaded: Loaded) -> pa.Table:
    rows = rows_table(loaded.rows, loaded.card.kind)
    return rows.add_column(0, "system", pa.array([loaded.name] * len(rows), pa.string()))


_SPACE_CARD = """\
---
title: Language-queried audio source separation
emoji: 🎧
colorFrom: green
colorTo: gray
sdk: static
app_file: index.html
pinned: false
---

# Language-queried audio source separation: leaderboard

Static pages, made by `lassbench leaderboard build`.
"""


def _dataset_card(suites: Sequence[str]) -> str:
    files = {name: [{"split": "test", "path": f"data/{name}.parquet"}] for name in suites}
    head = {
        "pretty_name": "Results in language-queried audio source separation",
        "tags": ["audio", "source-separation", "leaderboard"],
        "configs": [{"config_name": name, "data_files": files[name]} for name in suites],
    }
    return f"---\n{to_yaml(head)}---\n{_DATASET_TEXT}"


_DATASET_TEXT = """
# Results in language-queried audio source separation

`datasets.load_dataset(..., "<suite>")` gives one row a system and query: what was asked, and
each metric (in dB, or a share), null where it is undefined or was not scored.

An entry of the leaderboard is two files: `entries/<suite>/<system>.json`, the system's card
(who made it, what it was trained on, which list and audio it was scored on), and the Parquet
file beside it, its rows. Every mean, interval and rank in `tables/` is computed from the rows.
`suites/` says what each suite is; `reported/` has figures of publications on other test sets.
No audio.
"""


def publish(
    kind: str,
    name: str,
    folder: Path,
    *,
    message: str,
    dry_run: bool,
    repository: Path,
    remote: str,
) -> list[str]:
    """Send ``folder`` to the target ``kind:name``; what was (or would be) done, a line each.

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
    sizes = [path.stat().st_size for path in listed(folder, "**/*") if path.is_file()]
    what = f"{len(sizes)} files, {sum(sizes) / 1e6:.1f} MB"
    if kind == "git":
        how = {"remote": remote, "would": what if dry_run else ""}
        return _to_branch(name, folder, message, repository=repository, **how)
    if dry_run:
        return [f"would send {what} to {kind}:{name}, replacing what is there"]
    from huggingface_hub import HfApi

    api, repo_type = HfApi(), kind.removeprefix("hf-")
    sdk = "static" if repo_type == "space" else None
    with hub_errors(name):
        api.create_repo(name, repo_type=repo_type, exist_ok=True, space_sdk=sdk)
        done = api.upload_folder(
            repo_id=name,
            repo_type=repo_type,
            folder_path=folder,
            commit_message=message,
            # Pages of systems that were taken out must go as well.
            delete_patterns="*",
        )
    return [f"sent {what}: {done.commit_url}"]


def _to_branch(
    branch: str, folder: Path, message: str, *, repository: Path, remote: str, would: str
) -> list[str]:
    """Commit ``folder`` as the whole of ``branch`` and push it, or say so if it only ``would``."""

    def git(*arguments: str, **environment: str) -> str:
        line = ["git", "-C", str(repository), *arguments]
        env = {**os.environ, **environment}
        done = subprocess.run(line, capture_output=True, text=True, check=False, env=env)
        if done.returncode:
            raise LassbenchError(
                f"git {arguments[0]} failed",
                where=repository.resolve(),
                got=one_line(done.stderr.strip()),
                fix="see what git says; --repo names the repository whose branch you mean",
            )
        return done.stdout.strip()

    if git("branch", "--show-current") == branch:
        raise UsageError(
            f"branch {branch} is checked out here: it would be replaced by the site",
            where=repository,
            fix="publish to another branch, such as git:gh-pages",
        )
    with tempfile.TemporaryDirectory() as temporary:
        index = str(Path(temporary) / "index")
        place = ("-c", "core.autocrlf=false", f"--work-tree={folder.resolve()}")
        everything = ("add", "--all", "--force", "--", str(folder.resolve()))
        git(*place, *everything, GIT_INDEX_FILE=index)
        tree = git("write-tree", GIT_INDEX_FILE=index)
    ref = f"refs/heads/{branch}"
    before, _, old = git("for-each-ref", "--format=%(objectname) %(tree)", ref).partition(" ")
    if old == tree:
        lines = [f"branch {branch} holds this already"]
    elif would:
        lines = [f"would commit {would} to branch {branch}"]
    else:
        parents = ("-p", before) if before else ()
        commit = git("commit-tree", tree, *parents, "-m", message)
        # The old value: a branch that somebody moved meanwhile is not overwritten.
        git("update-ref", ref, commit, before or "0" * 40)
        lines = [f"committed to branch {branch} ({commit[:12]})"]
    if remote and not would:
        git("push", "--", remote, f"{ref}:{ref}")
    if remote:
        lines.append(f"{'would push' if would else 'pushed'} branch {branch} to {remote}")
    return lines


# ---------------------------------------------------------------------------
# A result for a model's repository
# ---------------------------------------------------------------------------


def write_eval_results(
    out: Path,
    loaded: Loaded,
    *,
    dataset_id: str,
    task_id: str = "",
    metric: str = "",
    source_url: str = "",
) -> Path:
    """Write one entry's result as ``<out>/.eval_results/<suite>.yaml``; its path.

    Such files hold a list of results, each for one task of a benchmark dataset:
    https://huggingface.co/docs/hub/eval-results.

    Parameters
    ----------
    out
        The model repository.
    dataset_id, task_id
        The benchmark's dataset on the Hub, ``owner/name``, and the task in its
        ``eval.yaml``; the suite's name by default.
    metric
        Which metric is the value, by its name or title; the suite's ranking metric by default.

    Raises
    ------
    UsageError
        If the metric is unknown or undefined for this entry, the entry has no rank (partial,
        an oracle), or the source is not a web address.
    """
    entry, card = loaded.entry, loaded.card
    name = metric_named(metric or TABLE_METRICS[card.kind][0], in_order(loaded.rows.columns))
    cell, about = Summary(loaded.rows).metrics[name], METRICS[name]
    why = unranked_because(loaded) or ("it is undefined" if cell.mean is None else "")
    if cell.mean is None or why:
        raise UsageError(f"{name} cannot be exported: {why}", where=loaded.path)
    if not re.fullmatch(_HUB_ID, dataset_id, re.ASCII):
        raise UsageError("no dataset of the Hub", expected="owner/name", got=dataset_id[:100])
    if source_url and (fault := url_fault(source_url)):
        raise UsageError(f"the source {fault}", got=source_url[:100])
    interval = ""
    if cell.ci_low is not None and cell.ci_high is not None:
        interval = f", 95 % interval {cell.ci_low:.3f} to {cell.ci_high:.3f}"
    result: dict[str, Any] = {
        "dataset": {"id": dataset_id, "task_id": task_id or entry.suite},
        "value": round(cell.mean, 3),
        "date": entry.date,
        "notes": f"{about.title} in {about.unit or 'shares'} ({about.id}){interval};"
        f" {cell.n} of {card.queries} queries; {entry.standing};"
        f" lassbench {entry.lassbench_version}, suite {entry.suite_fingerprint[:12]}",
    }
    if source_url:
        result["source"] = {"url": source_url, "name": "lassbench leaderboard"}
    path = out / ".eval_results" / f"{card.name}.yaml"
    write_yaml(path, [result])
    return path
