"""A build: same bytes, resumed after anything, and nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench import audio, files
from lassbench.corpora.folder import FolderCorpus
from lassbench.corpora.synthetic import SyntheticCorpus
from lassbench.dataset import build, building, open_dataset, packing
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.files import folder_lock
from lassbench.parallel import open_executor
from tests.dataset.made import RATE, SECONDS, add, recordings, sound, tree


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> FolderCorpus:
    return recordings(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def built(corpus: FolderCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "dataset"
    build(corpus, folder)
    return folder


def test_what_a_build_leaves(built: Path) -> None:
    names = set(tree(built))
    assert {name for name in names if not name.startswith("clips/clip")} == {
        *("README.md", "clips.csv", "clips/build.json", "clips/built.jsonl", "dataset.json"),
        *(f"data/{split}-00000-of-00001.parquet" for split in ("train", "validation", "test")),
    }
    assert sum(name.endswith(".flac") for name in names) == 12


def test_two_processes_give_the_bytes_of_one(
    corpus: FolderCorpus, built: Path, tmp_path: Path
) -> None:
    with open_executor(2) as executor:
        build(corpus, tmp_path / "out", executor=executor)
    assert tree(tmp_path / "out") == tree(built)


def test_a_dask_cluster_gives_the_same_bytes(
    corpus: FolderCorpus, built: Path, tmp_path: Path
) -> None:
    from dask.distributed import LocalCluster

    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        open_executor(scheduler=cluster.scheduler_address) as executor,
    ):
        build(corpus, tmp_path / "out", executor=executor)
    assert tree(tmp_path / "out") == tree(built)


def test_a_copy_of_the_source_gives_the_same_bytes(
    corpus: FolderCorpus, built: Path, tmp_path: Path
) -> None:
    # Other dates, another place; the name of the folder is the corpus's name.
    source = tmp_path / "elsewhere" / corpus.source.name
    shutil.copytree(corpus.source, source)
    for path in source.iterdir():
        os.utime(path, (1, 1))
    copy = FolderCorpus(source, source / "metadata.csv", RATE, SECONDS)
    build(copy, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(built)


def test_a_second_build_makes_nothing_anew(
    corpus: FolderCorpus, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(built)
    monkeypatch.setattr(audio, "encode_flac", None)
    report = build(corpus, built)
    assert report.reused == report.clips == 12
    assert tree(built) == before


def test_samples_are_those_of_the_source(corpus: FolderCorpus, built: Path) -> None:
    dataset = open_dataset(built)
    # clip000 is 16-bit WAV at the dataset's own rate and length.
    assert np.array_equal(
        dataset.samples_int16("clip000"), sf.read(corpus.source / "clip000.wav", dtype="int16")[0]
    )
    x, rate = sf.read(corpus.source / "clip001.flac", dtype="float32")
    expected = audio.fit(audio.resample(x, rate, RATE), 4000)
    assert np.abs(dataset.samples("clip001") - expected).max() <= 0.5 / 32768 + 1e-7


# Interruptions ----------------------------------------------------------------


@pytest.mark.parametrize("at", ["clip 5", "first shard", "description"])
def test_a_build_that_was_interrupted_goes_on(
    corpus: FolderCorpus, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    out = tmp_path / "out"

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if at == "clip 5":
            made = iter(range(5))
            encode = audio.encode_flac
            patch.setattr(
                audio, "encode_flac", lambda *a: stop() if next(made, None) is None else encode(*a)
            )
        elif at == "first shard":
            patch.setattr(packing, "write_clip_list", stop)
        else:
            patch.setattr(packing, "readme", stop)
        with pytest.raises(KeyboardInterrupt):
            build(corpus, out)
    with pytest.raises(LassbenchError, match="has not finished"):
        open_dataset(out)
    report = build(corpus, out)
    assert report.reused == (5 if at == "clip 5" else 12)
    assert tree(out) == tree(built)


def test_kill_9_in_the_middle_then_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    # Long clips at a high rate, so that there is a middle to be killed in.
    source = tmp_path / "source"
    recordings(source, 3)
    for number in range(57):
        sf.write(source / f"long{number}.wav", np.tile(sound(number), 100), 192000)
        add(source, f"long{number}.wav", "train")
    command = [
        *(sys.executable, "-c", "from lassbench.cli import main; main()", "build-dataset"),
        *("--corpus", "folder", "--source", str(source), "--rate", str(RATE), "--seconds", "2"),
        *("--workers", "2"),
    ]
    killed = tmp_path / "killed"
    process = subprocess.Popen([*command, str(killed)], stdout=subprocess.DEVNULL)
    clips = killed / "clips"
    while process.poll() is None and len(list(clips.glob("*.flac"))) < 5:
        time.sleep(0.001)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 5 <= len(list(clips.glob("*.flac"))) < 60, "the build was to be killed in its middle"
    assert not (killed / "dataset.json").exists()
    whole = tmp_path / "whole"
    subprocess.run([*command, str(killed)], check=True, stdout=subprocess.DEVNULL)
    build(FolderCorpus(source, source / "metadata.csv", RATE, 2.0), whole)
    assert tree(killed) == tree(whole)
    assert not [pid for pid in children if running(pid)], "workers outlived the build"


def running(pid: str) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] not in "ZX"


def test_leavings_of_a_killed_run_are_removed(
    corpus: FolderCorpus, built: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    (out / "clips" / f".clip000.flac.77{files.TEMPORARY_SUFFIX}").write_bytes(b"half")
    with (out / "clips" / "built.jsonl").open("a") as notes:
        notes.write('{"clip_id": "clip0')
    (out / "data" / "train-00000-of-00009.parquet").write_bytes(b"an old plan")
    (out / "clips" / "stranger.flac").write_bytes(b"of no clip")
    build(corpus, out)
    assert tree(out) == tree(built)


# What is built again ----------------------------------------------------------


def test_a_clip_file_that_was_altered_is_made_again(
    corpus: FolderCorpus, built: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    (out / "clips" / "clip003.flac").write_bytes(audio.encode_flac(sound(99), RATE))
    (out / "clips" / "clip004.flac").unlink()
    assert build(corpus, out).reused == 10
    assert tree(out) == tree(built)


def test_a_source_that_changed_is_decoded_again(tmp_path: Path) -> None:
    corpus = recordings(tmp_path / "source", 4)
    first = build(corpus, tmp_path / "out")
    sf.write(tmp_path / "source" / "clip000.wav", sound(50), RATE)
    second = build(recordings_as_they_are(tmp_path / "source"), tmp_path / "out")
    assert second.reused == 3
    assert second.fingerprint != first.fingerprint
    dataset = open_dataset(tmp_path / "out")
    expected = sf.read(tmp_path / "source" / "clip000.wav", dtype="int16")[0]
    assert np.array_equal(dataset.samples_int16("clip000"), expected)


def recordings_as_they_are(folder: Path) -> FolderCorpus:
    return FolderCorpus(folder, folder / "metadata.csv", sample_rate_hz=RATE, seconds=SECONDS)


def test_new_captions_need_no_new_audio(tmp_path: Path) -> None:
    recordings(tmp_path / "source", 4)
    build(recordings_as_they_are(tmp_path / "source"), tmp_path / "out")
    table = tmp_path / "source" / "metadata.csv"
    table.write_text(table.read_text().replace("a dog", "one dog"))
    report = build(recordings_as_they_are(tmp_path / "source"), tmp_path / "out")
    assert report.reused == 4
    assert open_dataset(tmp_path / "out").clips["clip000"].captions == ("one dog", "sound 0")


def test_other_code_makes_other_clips(
    corpus: FolderCorpus, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    monkeypatch.setattr(building.clip_files, "_code", lambda part: "changed")
    assert build(corpus, out).reused == 0


# Where it may not build -------------------------------------------------------


def test_other_settings_are_refused_and_change_nothing(corpus: FolderCorpus, built: Path) -> None:
    before = tree(built)
    longer = FolderCorpus(corpus.source, corpus.table, sample_rate_hz=RATE, seconds=1.0)
    with pytest.raises(UsageError) as caught:
        build(longer, built)
    assert "expected: clip_seconds 0.5" in str(caught.value)
    assert "got:      clip_seconds 1.0" in str(caught.value)
    assert tree(built) == before


def test_another_corpus_is_refused_in_one_word(built: Path) -> None:
    other = SyntheticCorpus(clips_per_concept=(1, 0, 0), sample_rate_hz=RATE, seconds=SECONDS)
    with pytest.raises(
        UsageError, match=r"expected: corpus source0\n  got:      corpus synthetic\n"
    ):
        build(other, built)


def test_a_folder_with_other_things_in_it_is_refused(corpus: FolderCorpus, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="not empty"):
        build(corpus, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(corpus: FolderCorpus, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="must be a folder"):
        build(corpus, tmp_path / "file")
    with pytest.raises(UsageError, match="cannot be made here"):
        build(corpus, tmp_path / "file" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_refused(corpus: FolderCorpus, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="cannot be written"):
        build(corpus, tmp_path / "out")


def test_two_builds_in_one_folder_are_one_too_many(corpus: FolderCorpus, tmp_path: Path) -> None:
    with (
        folder_lock(tmp_path / "out", what="the dataset folder"),
        pytest.raises(LassbenchError, match="in use by process"),
    ):
        build(corpus, tmp_path / "out")


# Full disks -------------------------------------------------------------------


@pytest.mark.parametrize("written", [0, 1, 7, 14, 17, 19])
def test_a_full_disk_is_named_and_leaves_nothing_half_written(
    corpus: FolderCorpus,
    built: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    written: int,
) -> None:
    out = tmp_path / "out"
    left = iter(range(written))
    sync = os.fsync

    def full(descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LassbenchError, match="the disk is full"):
            build(corpus, out)
    assert not (out / "dataset.json").exists()
    assert not list(out.rglob(f".*{files.TEMPORARY_SUFFIX}"))
    build(corpus, out)
    assert tree(out) == tree(built)


def test_a_real_full_disk(corpus: FolderCorpus, built: Path, tmp_path: Path) -> None:
    # A file system of 64 KiB in a mount namespace of its own.
    disk = tmp_path / "disk"
    disk.mkdir()
    inside = (
        f'mount -t tmpfs -o size=64k none "{disk}" && "{sys.executable}" -c '
        f"'from lassbench.cli import main; main()' build-dataset \"{disk}/out\" --corpus folder "
        f'--source "{corpus.source}" --rate {RATE} --seconds {SECONDS} --workers 1; '
        f'code=$?; ls -A "{disk}/out/clips"; exit $code'
    )
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], check=False).returncode:
        pytest.skip("needs unshare and user namespaces for a small file system")
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", inside], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert files.TEMPORARY_SUFFIX not in done.stdout
    assert "clip000.flac" in done.stdout


# Bad input --------------------------------------------------------------------


def test_clips_that_cannot_be_used_are_left_out_and_listed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    recordings(source, 4)
    whole = (source / "clip000.wav").read_bytes()
    sf.write(source / "silent.wav", np.zeros(4000), RATE)
    sf.write(source / "nan.wav", np.full(4000, np.nan), RATE, subtype="FLOAT")
    sf.write(source / "eight.wav", sound(1), RATE, subtype="PCM_U8")
    sf.write(source / "six.wav", np.stack([sound(2)] * 6, axis=1), 192000)
    (source / "text.wav").write_text("no sound at all")
    (source / "empty.wav").touch()
    (source / "half.wav").write_bytes(whole[:1000])
    sf.write(source / "none.wav", np.zeros(0), RATE)
    for name in ("silent", "nan", "eight", "six", "text", "empty", "half", "none"):
        add(source, f"{name}.wav")
    report = build(recordings_as_they_are(source), tmp_path / "out")
    kinds = ("silent", "nan", "not-audio", "empty-file", "truncated", "zero-length")
    assert Counter(fault.kind for fault in report.rejected) == dict.fromkeys(kinds, 1)
    dataset = open_dataset(tmp_path / "out")
    assert {"eight", "six"} <= set(dataset.clips)
    assert dataset.missing["half"].kind == "truncated"
    assert set(dataset.corpus_clips) == {*dataset.clips, *dataset.missing}
    listed = (tmp_path / "out" / "clips.csv").read_text().splitlines()
    assert len(listed) == 1 + 12
    assert "silent,test,odd,silent,every sample of its 0.5 s is zero at 16 bits" in listed
    said = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert {entry["clip_id"] for entry in said["missing"]} == set(dataset.missing)


def test_not_one_usable_clip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "metadata.csv").write_text("file,captions,concept,tags,split,root,a\n")
    (tmp_path / "source" / "empty.wav").touch()
    add(tmp_path / "source", "empty.wav")
    with pytest.raises(FaultsError, match="not one clip of the corpus is usable") as caught:
        build(recordings_as_they_are(tmp_path / "source"), tmp_path / "out")
    assert [fault.kind for fault in caught.value.faults] == ["empty-file"]
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_an_empty_table_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("file,captions,concept\n")
    with pytest.raises(UsageError, match="lists no clips"):
        build(recordings_as_they_are(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_recording_under_two_names_is_told(tmp_path: Path) -> None:
    corpus = recordings(tmp_path / "source", 4)
    shutil.copy(tmp_path / "source" / "clip000.wav", tmp_path / "source" / "again.wav")
    add(tmp_path / "source", "again.wav")
    report = build(recordings_as_they_are(corpus.source), tmp_path / "out")
    assert report.repeated == (("again", "clip000"),)
