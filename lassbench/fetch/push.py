"""Publish a dataset folder on the Hugging Face Hub: the table, and the audio only when told to."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from lassbench.dataset import layout
from lassbench.errors import LassbenchError, UsageError
from lassbench.files import (
    atomic_path,
    lies_outside,
    listed,
    parse_json,
    sha256_file,
    write_json,
    write_text,
)
from lassbench.hub import hub_errors
from lassbench.output_folders import folder_lock, scratch_folder

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

#: Beside the Parquet files; audio of exported suites never goes along.
_TEXTS = ("clips.csv", "census.csv", "suites/[!.]*/suite.json", "suites/[!.]*/*.csv")

WARNING = """\
You are about to publish AUDIO.
  AudioCaps may be used for academic purposes only. AudioSet's audio belongs to the
  people who uploaded it to YouTube; YouTube's terms do not let you pass it on. You
  need their permission, or an exception in your law, and you answer for it.
  Without --include-audio only the table of clips is published, from which anyone can
  fetch the audio for themselves."""


@dataclass(frozen=True)
class Pushed:
    """What was published: its address, how many files and bytes, whether with audio."""

    url: str
    files: int
    bytes: int
    with_audio: bool


def needs_warning(folder: Path) -> bool:
    """Whether the corpus's terms forbid passing its audio on.

    Raises
    ------
    LassbenchError
        If ``folder`` is no finished dataset.
    """
    return not layout.read_description(folder).corpus.audio_may_be_published


def push(folder: Path, repo: str, *, private: bool = True, include_audio: bool = False) -> Pushed:
    """Publish the dataset in ``folder`` as the Hub dataset ``repo``.

    Without ``include_audio`` the shards go up without their audio column, with
    the clips' ids, windows, captions, tags and hashes: enough to fetch the same
    clips and to know that they are the same.

    Raises
    ------
    UsageError
        If ``repo`` is not ``user/name``.
    LassbenchError
        If the folder is no finished dataset, the Hub refuses, or the repository
        is public although a private one was asked for.
    """
    if not _REPO.fullmatch(repo):
        raise UsageError(
            "not the name of a Hub repository", got=repo, expected="user/name", fix="correct it"
        )
    description = layout.read_description(folder)
    with folder_lock(folder, what="the dataset folder"), scratch_folder(folder / ".push") as stage:
        _stage(folder, stage, description, include_audio=include_audio)
        files = [path for path in listed(stage, "**/*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        with hub_errors(repo):
            url = _upload(stage, repo, private=private)
    return Pushed(url, len(files), size, include_audio)


def _stage(
    folder: Path, stage: Path, description: layout.Description, *, include_audio: bool
) -> None:
    shards = []
    for shard in description.shards:
        source, target = folder / shard.path, stage / shard.path
        if not source.is_file():
            raise LassbenchError("a shard is missing", where=source, fix="build the dataset again")
        if sha256_file(source) != shard.sha256:
            what = "a shard is not the one that dataset.json names"
            raise LassbenchError(what, where=source, fix="run `lassbench verify` on the dataset")
        target.parent.mkdir(parents=True, exist_ok=True)
        if include_audio:
            target.symlink_to(source.resolve())
        else:
            _without_audio(source, target)
        told = {"bytes": target.stat().st_size, "sha256": sha256_file(target)}
        shards.append(shard.model_copy(update=told))
    said = description.model_copy(update={"shards": tuple(shards), "audio_included": include_audio})
    write_json(stage / layout.DESCRIPTION, said.model_dump(mode="json"))
    for pattern in _TEXTS:
        for source in listed(folder, pattern):
            target = stage / source.relative_to(folder)
            _check_inside(source, folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    write_text(stage / "README.md", layout.readme(description, with_audio=include_audio))


def _check_inside(path: Path, folder: Path) -> None:
    """What is published must be the dataset's own: a link may lead to anything.

    (A shard may lie on another disk: its hash says that it is the dataset's.)
    """
    if real := lies_outside(path, [folder]):
        link = next(part for part in (path, *path.parents) if part.is_symlink())
        raise LassbenchError(
            "is a link that leads out of the dataset, and what is there would be published",
            where=link,
            got=f"{path.relative_to(folder)} is {real}",
            fix="put the file or folder itself there, or remove the link",
        )


def _without_audio(source: Path, target: Path) -> None:
    from pyarrow import parquet

    with parquet.ParquetFile(source) as table:
        columns = [name for name in table.schema_arrow.names if name != "audio"]
        kept = table.read(columns=columns)
    told = dict(kept.schema.metadata or {})
    if b"huggingface" in told:
        # `datasets` takes the columns' types from here; an audio column that is
        # announced and not there would be an error.
        features = parse_json(told[b"huggingface"].decode(errors="replace"), where=source)
        # In metadata of another form there is nothing to remove.
        with contextlib.suppress(AttributeError, KeyError, TypeError):
            features["info"]["features"].pop("audio", None)
        told[b"huggingface"] = json.dumps(features).encode()
    with atomic_path(target) as temporary:
        parquet.write_table(kept.replace_schema_metadata(told), temporary, write_page_index=True)


def _upload(stage: Path, repo: str, *, private: bool) -> str:
    from huggingface_hub import HfApi

    api = HfApi()
    url = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
    if private and not api.repo_info(repo, repo_type="dataset").private:
        raise LassbenchError(
            "the repository is there already, and it is public",
            where=repo,
            fix="make it private on the Hub, name another one, or push with --public",
        )
    api.upload_folder(
        repo_id=repo,
        repo_type="dataset",
        folder_path=stage,
        commit_message="Dataset from lassbench",
        # Shards of an earlier push that this one has no counterpart of.
        delete_patterns=["data/*.parquet"],
    )
    return str(url)
