"""What operating systems leave in folders changes nothing that is read from them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile as sf
from pyarrow import parquet

from lassbench import output_folders
from lassbench.audio import encode_flac
from lassbench.benchmark import manifests
from lassbench.cli import demo
from lassbench.corpora.audio_folders import AudioFolders
from lassbench.dataset import Dataset, open_dataset
from lassbench.dataset.build import build as build_dataset
from lassbench.dataset.verify import verify
from lassbench.errors import LassbenchError, UsageError
from lassbench.fetch import push, sources
from lassbench.fetch.lists import read_list
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.report import status
from lassbench.fetch.runner import fetch
from lassbench.fetch.youtube import Settings
from lassbench.files import is_left_by_system, listed
from lassbench.leaderboard import publish
from lassbench.leaderboard.building import build as build_leaderboard
from lassbench.leaderboard.changes import submission_faults
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.scores.score_file import read_scores
from lassbench.suites import freezing
from lassbench.suites.suite import Suite, find_suite, load_suite
from lassbench.systems import predictions
from lassbench.systems.builtin import MixtureSeparator
from lassbench.systems.run import separate_suite
from tests.dataset.made import add, recordings, sound, tree
from tests.leaderboard import made, sounds
from tests.leaderboard.conftest import fill

#: How every AppleDouble file begins (RFC 1740).
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
IDS = ("-bcdefghijk", "_bcdefghijk", "abcdefghijk")


def sprinkle(root: Path) -> set[Path]:
    """Leave in ``root`` and every folder below it what systems leave; the paths of all of it."""
    before = set(root.rglob("*"))
    for place, below, names in list(os.walk(root)):
        folder = Path(place)
        for name in (".DS_Store", "Thumbs.db", "ehthumbs.db", "Desktop.ini", ".nfs00000000a1b2"):
            (folder / name).write_bytes(b"\x00\x00\x00\x01Bud1")
        for name in (*names, *below):
            (folder / f"._{name}").write_bytes(APPLE_DOUBLE)
            # An archive's forks, thumbnails by name of file, and what was thrown away.
            for inside in (f"__MACOSX/._{name}", f"@eaDir/{name}/SYNO@.fileindexdb"):
                (folder / inside).parent.mkdir(parents=True, exist_ok=True)
                (folder / inside).write_bytes(APPLE_DOUBLE)
        for name in names:
            for copies in (".Trash-1000/files", ".ipynb_checkpoints"):
                (folder / copies).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, folder / copies / name)
    left = set(root.rglob("*")) - before
    assert len(left) >= 5
    return left


@pytest.mark.parametrize(
    ("name", "is_left"),
    [
        *((name, True) for name in ("._x.wav", "._", ".DS_Store", "Thumbs.db", "desktop.ini")),
        *((name, True) for name in ("@eaDir", "__MACOSX", ".Trash-0", ".nfs0a", "lost+found")),
        *((name, False) for name in (".git", ".env", ".lock", "_x.wav", "-x.wav", ".x.1-a.part")),
        *((name, False) for name in ("Thumbs.db.wav", ".Trash-x", ".nfs", "x._y", "._\n"[1:])),
    ],
)
def test_names_that_systems_give(name: str, is_left: bool) -> None:
    assert is_left_by_system(name) is is_left


def test_a_folder_that_cannot_be_listed_is_explained(tmp_path: Path) -> None:
    with pytest.raises(LassbenchError, match="no such file or folder"):
        listed(tmp_path / "none")
    assert listed(tmp_path / "none", "*.json") == []


# ---------------------------------------------------------------------------
# Every kind of folder that is read
# ---------------------------------------------------------------------------


@dataclass
class World:
    """What the folders are made of."""

    scratch: Path
    suite: Suite
    leaderboard: Path

    def copy(self, folder: Path) -> Path:
        return Path(shutil.copytree(folder, self.scratch / "read"))


@pytest.fixture(scope="module")
def suite(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A suite in the only dataset that has it, so that the dataset means it."""
    place = tmp_path_factory.mktemp("data") / "dataset"
    shutil.copytree(tiny_dataset.path, place)
    dataset = open_dataset(place)
    plan = freezing.plan_separation(dataset, name="tiny-test", noises=1)
    return freezing.freeze(plan, dataset, place / "suites" / "tiny-test", export_references=True)


@pytest.fixture(scope="module")
def leaderboard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made")
    root = fill(place / "leaderboard", place / "scores")
    sounds.export(root)
    build_leaderboard(root)
    return root


@pytest.fixture
def world(suite: Suite, leaderboard: Path, tmp_path: Path) -> World:
    return World(tmp_path, suite, leaderboard)


def a_prediction_folder(world: World) -> tuple[Path, Callable[[Path], Any]]:
    folder = world.scratch / "predictions"
    separate_suite(MixtureSeparator(), world.suite, folder)
    (folder / "notes.txt").write_text("an extra file, the one fault")

    def read(folder: Path) -> Any:
        found, faults = predictions.check(folder, world.suite)
        assert len(faults) == 1
        return list(found.paths), faults

    return folder, read


def a_folder_of_audio(world: World) -> tuple[Path, Callable[[Path], Any]]:
    folder = world.scratch / "audio"
    for name in IDS:
        (folder / name[:1]).mkdir(parents=True)
        sf.write(folder / name[:1] / f"Y{name}.wav", sound(1), 8000)
    rows = [manifests.ClipRow(name, 0.0, 0.5, (), "test", "dog", ("Dog",)) for name in IDS]

    def read(folder: Path) -> Any:
        found = AudioFolders((str(folder),))
        return found._index, found.faults(rows), [found.locate(row) for row in rows]

    return folder, read


def a_folder_of_scores(world: World) -> tuple[Path, Callable[[Path], Any]]:
    folder = world.scratch / "scores"
    made.write(folder, made.make_scores("LASS-Net"))
    return folder, lambda folder: read_scores(folder).file


def a_suite(world: World) -> tuple[Path, Callable[[Path], Any]]:
    def read(folder: Path) -> Any:
        opened = load_suite(folder)
        return opened.fingerprint, opened.missing, [*opened.queries]

    return world.copy(world.suite.path), read


def a_dataset(world: World) -> tuple[Path, Callable[[Path], Any]]:
    def read(folder: Path) -> Any:
        dataset = open_dataset(folder)
        stage = world.scratch / "stage"
        shutil.rmtree(stage, ignore_errors=True)
        push._stage(folder, stage, dataset.description, include_audio=True)
        return dataset.clips, verify(dataset).faults, find_suite(folder), tree(stage)

    return world.copy(world.suite.path.parent.parent), read


def a_leaderboard(world: World) -> tuple[Path, Callable[[Path], Any]]:
    def read(root: Path) -> Any:
        site, out = world.scratch / "site", world.scratch / "published"
        shutil.rmtree(out, ignore_errors=True)
        board = build_leaderboard(root, site=site)
        out.mkdir()
        publish.prepare("hf-dataset", board, site, out)
        faults = [*submission_faults(world.leaderboard, root)]
        faults += submission_faults(root, world.leaderboard)
        return tree(site), tree(out), faults

    return world.copy(world.leaderboard), read


def a_site(world: World) -> tuple[Path, Callable[[Path], Any]]:
    folder = world.scratch / "site"
    build_leaderboard(world.leaderboard, site=folder)
    board = read_leaderboard(world.leaderboard)

    def read(folder: Path) -> Any:
        out = world.scratch / "published"
        shutil.rmtree(out, ignore_errors=True)
        publish.prepare("git", board, folder, out)
        return tree(out)

    return folder, read


def a_folder_of_lists(world: World) -> tuple[Path, Callable[[Path], Any]]:
    folder = world.copy(manifests.find_benchmark("lass-2022"))
    return folder, lambda folder: manifests.open_benchmark(folder).clips


def tables_to_fetch_from(world: World) -> tuple[Path, Callable[[Path], Any]]:
    folder, clips = world.scratch / "tables", world.scratch / "clips.csv"
    folder.mkdir()
    clips.write_text("youtube_id,start_s,end_s\n" + "".join(f"{name},0,0.5\n" for name in IDS))
    for number, name in enumerate(IDS):
        flac = encode_flac(sound(number).astype(np.float32), 8000)
        parquet.write_table(
            pa.table({"youtube_id": [name], "audio": [flac]}), folder / f"{number}.parquet"
        )

    def read(folder: Path) -> Any:
        out = world.scratch / "out"
        shutil.rmtree(out, ignore_errors=True)
        chain = sources.parse([str(folder)], settings=Settings())
        fetch(read_list(clips), out, FetchOptions(sources=chain, sample_rate_hz=8000, seconds=0.5))
        assert status(out).states == {"done": 3}
        return tree(out / "clips")

    return folder, read


@pytest.mark.parametrize(
    "make",
    [
        a_prediction_folder,
        a_folder_of_audio,
        a_folder_of_scores,
        a_suite,
        a_dataset,
        a_leaderboard,
        a_site,
        a_folder_of_lists,
        tables_to_fetch_from,
    ],
)
def test_what_systems_leave_changes_nothing(
    make: Callable[[World], tuple[Path, Callable[[Path], Any]]], world: World
) -> None:
    folder, read = make(world)
    before = read(folder)
    left = sprinkle(folder)
    assert read(folder) == before
    assert all(path.exists() for path in left if "tables" not in path.parts), "it is not ours"


def test_a_folder_of_audio_with_a_tables_fork_is_a_folder_of_audio(tmp_path: Path) -> None:
    (tmp_path / "._x.parquet").write_bytes(APPLE_DOUBLE)
    (source,) = sources.parse([str(tmp_path)], settings=Settings())
    assert isinstance(source, sources.FolderSource)


# ---------------------------------------------------------------------------
# Folders that are written
# ---------------------------------------------------------------------------


def test_a_dataset_is_built_and_built_again_among_it(tmp_path: Path) -> None:
    corpus = recordings(tmp_path / "source")
    build_dataset(corpus, tmp_path / "plain")
    (tmp_path / "out" / "data").mkdir(parents=True)
    left = sprinkle(tmp_path / "out")
    build_dataset(corpus, tmp_path / "out")
    names = {str(path.relative_to(tmp_path / "out")) for path in left}
    built = {path: sha for path, sha in tree(tmp_path / "out").items() if path not in names}
    assert built == tree(tmp_path / "plain")
    # The older shards go, what lies beside them stays.
    left |= sprinkle(tmp_path / "out" / "data")
    sf.write(tmp_path / "source" / "more.wav", sound(99), 8000)
    add(tmp_path / "source", "more.wav")
    shards = set((tmp_path / "out" / "data").glob("[!.]*.parquet"))
    build_dataset(replace(corpus), tmp_path / "out")
    assert len(set((tmp_path / "out" / "data").glob("[!.]*.parquet")) - shards) == 1
    assert len(open_dataset(tmp_path / "out").clips) == 13
    assert all(path.exists() for path in left)


def write_separated(out: Path, suite: Suite) -> None:
    separate_suite(MixtureSeparator(), suite, out, limit=1)


def write_built(out: Path, suite: Suite) -> None:
    build_dataset(recordings(out.parent / "source"), out)


def write_demo(out: Path, suite: Suite) -> None:
    demo._clear(out)


def write_replaced(out: Path, suite: Suite) -> None:
    output_folders.replace_folder(
        out, lambda folder: (folder / "suite.json").touch(), what="the suite", mark="suite.json"
    )


WRITERS = [write_separated, write_built, write_demo, write_replaced]


@pytest.mark.parametrize("write", WRITERS)
def test_what_systems_leave_does_not_fill_a_folder(
    write: Callable[[Path, Suite], None], suite: Suite, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "._lock").write_bytes(APPLE_DOUBLE)
    (out / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    write(out, suite)
    # Nor does it keep a folder from being written again.
    sprinkle(out)
    write(out, suite)


@pytest.mark.parametrize("name", [".git", ".env", ".Trash", "x.wav"])
@pytest.mark.parametrize("write", WRITERS)
def test_a_users_own_hidden_files_do(
    write: Callable[[Path, Suite], None], name: str, suite: Suite, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("dear")
    with pytest.raises(UsageError, match=r"holds (other files|something else|no build)"):
        write(out, suite)
    assert (out / name).read_text() == "dear"


def test_what_was_thrown_away_can_still_be_got_back(tmp_path: Path) -> None:
    kept = tmp_path / "out" / ".Trash-1000" / "files" / "thesis.tex"
    kept.parent.mkdir(parents=True)
    kept.write_text("dear")
    with pytest.raises(UsageError, match="something else"):
        output_folders.replace_folder(
            tmp_path / "out", lambda _: None, what="the suite", mark="suite.json"
        )
    assert kept.read_text() == "dear"
