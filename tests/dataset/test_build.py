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
from lassbench.dataset import layout, open_dataset
from lassbench.dataset.build import build
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.output_folders import folder_lock
from lassbench.parallel import open_executor
from tests.dataset.made import (
    RATE,
    SECONDS,
    add,
    recordings,
    recordings_as_they_are,
    shard,
    sound,
    tree,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> FolderCorpus:
    return recordings(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def built(corpus: FolderCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "dataset"
    build(corpus, folder)
    return folder


def test_what_a_build_leaves(built: Path) -> None:
    # After packing, the shards are the only copy of the audio.
    assert set(tree(built)) == {
        *("README.md", "clips.csv", "dataset.json"),
        *(f"data/{shard(built, split).name}" for split in ("train", "validation", "test")),
    }
    for split in ("train", "validation", "test"):
        path = shard(built, split)
        assert path.stem.endswith(f"-{files.sha256_file(path)[:8]}")


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
            move = files.move_into_place
            patch.setattr(
                files,
                "move_into_place",
                lambda a, b: stop() if b.suffix == ".parquet" else move(a, b),
            )
        else:
            patch.setattr(layout, "readme", stop)
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


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"corpus": NaN}', '"x"', "5"])
def test_a_damaged_note_of_what_a_build_was_asked_for_is_told(
    corpus: FolderCorpus, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "out" / layout.SETTINGS
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(LassbenchError, match=r"build\.json"):
        build(corpus, tmp_path / "out")


def test_leavings_of_a_killed_run_are_removed(
    corpus: FolderCorpus, built: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    (out / "clips").mkdir()
    (out / "clips" / f".clip000.flac.4194305-{files._this_host()}.part").write_bytes(b"half")
    (out / "clips" / "built.jsonl").write_text(
        "\n".join(["[" * 100_000, "null", '{"clip_id": 3}', '{"clip_id": "clip000"}', "NaN"])
        + '\n{"clip_id": "clip0'
    )
    (out / "clips" / "stranger.flac").write_bytes(b"of no clip")
    (out / layout.STAGE).mkdir()
    (out / layout.STAGE / "0.parquet").write_bytes(b"half a shard")
    (out / "data" / "train-00000-of-00009-01234567.parquet").write_bytes(b"an old plan")
    build(corpus, out)
    assert tree(out) == tree(built)


@pytest.mark.parametrize("moment", range(10))
def test_a_second_build_that_is_killed_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    # The shards are the only copy: whatever moment a build that adds to them ends at,
    # the old dataset or the new one stands whole, and the same command goes on.
    source, out, whole = (tmp_path / name for name in ("source", "out", "whole"))
    build(recordings(source, 4), out)
    before = open_dataset(out)
    old = {clip_id: before.flac(clip_id) for clip_id in before.clips}
    for number in (20, 21):
        sf.write(source / f"new{number}.wav", sound(number), RATE)
        add(source, f"new{number}.wav", "train")
    build(recordings_as_they_are(source), whole)
    moves = iter(range(moment))
    replaced = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if next(moves, None) is None:
            raise KeyboardInterrupt
        return replaced(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        if moment < 9:  # what was asked for, two clips, three shards, list, card, description
            with pytest.raises(KeyboardInterrupt):
                build(recordings_as_they_are(source), out)
        else:
            build(recordings_as_they_are(source), out)
    now = open_dataset(out)
    assert {clip_id: now.flac(clip_id) for clip_id in old} == old
    assert len(now.clips) == (6 if moment == 9 else 4)
    build(recordings_as_they_are(source), out)
    assert tree(out) == tree(whole)


# What is built again ----------------------------------------------------------


def test_a_clip_file_that_was_altered_before_packing_is_made_again(
    corpus: FolderCorpus, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(layout, "shard_name", raising)
        build(corpus, out)
    (out / "clips" / "clip003.flac").write_bytes(audio.encode_flac(sound(99), RATE))
    (out / "clips" / "clip004.flac").unlink()
    assert build(corpus, out).reused == 10
    assert tree(out) == tree(built)


def raising(*_: object) -> None:
    raise RuntimeError


def flip_a_bit(path: Path) -> None:
    """Alter the first clip of a shard."""
    data = bytearray(path.read_bytes())
    data[data.find(b"fLaC") + 3000] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["gone", "cut short", "altered"])
def test_the_clips_of_a_damaged_shard_are_made_again(
    corpus: FolderCorpus, built: Path, tmp_path: Path, how: str
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    path = shard(out)
    if how == "gone":
        path.unlink()
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        flip_a_bit(path)
    left = path.read_bytes() if path.exists() else None
    report = build(corpus, out)
    lost = 1 if how == "altered" else 3
    assert (report.reused, report.damaged) == (12 - lost, {f"data/{path.name}": lost})
    aside = out / layout.DAMAGED / path.name
    assert (aside.read_bytes() if aside.exists() else None) == left
    shutil.rmtree(aside.parent, ignore_errors=True)
    assert tree(out) == tree(built)


def test_one_altered_clip_takes_no_other_along(tmp_path: Path) -> None:
    # The sources are not at hand: what the shard still holds is all there is.
    corpus = recordings(tmp_path / "source", 12)
    build(corpus, tmp_path / "out")
    before = open_dataset(tmp_path / "out")
    old = {clip.clip_id: before.flac(clip.clip_id) for clip in before.clips.values()}
    flip_a_bit(shard(tmp_path / "out", "train"))
    again = recordings_as_they_are(corpus.source)
    assert again.clips()
    for path in corpus.source.glob("clip*"):
        path.unlink()
    report = build(again, tmp_path / "out")
    (fault,) = report.rejected
    assert fault.where == next(clip.clip_id for clip in before.split("train"))
    now = open_dataset(tmp_path / "out")
    del old[fault.where]
    assert {clip_id: now.flac(clip_id) for clip_id in now.clips} == old
    assert [path.name[:5] for path in (tmp_path / "out" / layout.DAMAGED).iterdir()] == ["train"]


def test_a_build_drops_no_clip_that_is_packed(tmp_path: Path) -> None:
    corpus = recordings(tmp_path / "source", 4)
    build(corpus, tmp_path / "out")
    before = tree(tmp_path / "out")
    table = corpus.source / "metadata.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:3]) + "\n")
    with pytest.raises(UsageError, match="would drop clips that are in the dataset") as caught:
        build(recordings_as_they_are(corpus.source), tmp_path / "out")
    assert "2 of them, such as clip002" in str(caught.value)
    # Nor if the list of them was lost.
    (tmp_path / "out" / "clips.csv").unlink()
    with pytest.raises(UsageError, match="would drop clips"):
        build(recordings_as_they_are(corpus.source), tmp_path / "out")
    assert {name for name in before if name.startswith("data")} <= set(tree(tmp_path / "out"))


def test_a_clip_outlives_its_source(tmp_path: Path) -> None:
    corpus = recordings(tmp_path / "source", 4)
    build(corpus, tmp_path / "out")
    before = tree(tmp_path / "out")
    (corpus.source / "clip000.wav").write_bytes(b"RIFF")
    report = build(recordings_as_they_are(corpus.source), tmp_path / "out")
    assert [fault.where for fault in report.outlived] == ["clip000"]
    assert report.rejected == ()
    unchanged = tree(tmp_path / "out")
    assert {name: unchanged[name] for name in unchanged if name.startswith("data")} == {
        name: before[name] for name in before if name.startswith("data")
    }


def test_a_clip_whose_source_is_not_at_hand_stays_in_the_dataset(tmp_path: Path) -> None:
    corpus = recordings(tmp_path / "source", 4)
    build(corpus, tmp_path / "out")
    before = tree(tmp_path / "out")
    again = recordings_as_they_are(corpus.source)
    assert again.clips()  # the table was read while the file was there
    (corpus.source / "clip000.wav").unlink()
    report = build(again, tmp_path / "out")
    assert (report.reused, report.rejected) == (4, ())
    assert tree(tmp_path / "out") == before


def test_a_list_that_was_edited_counts_for_nothing(
    corpus: FolderCorpus, built: Path, tmp_path: Path
) -> None:
    # What a clip was made from stands there: other words, and all are made again.
    out = tmp_path / "out"
    shutil.copytree(built, out)
    (out / "clips.csv").write_text((out / "clips.csv").read_text() + "\n")
    assert build(corpus, out).reused == 0
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
    monkeypatch.setattr("lassbench.dataset.build._code", lambda part: "changed")
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


@pytest.mark.parametrize("written", [0, 1, 7, 13, 16, 18])
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


def test_shards_of_a_build_that_failed_do_not_pile_up(
    corpus: FolderCorpus, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        with monkeypatch.context() as patch, pytest.raises(RuntimeError):
            patch.setattr(layout, "readme", raising)
            patch.setattr("lassbench.dataset.build.ROW_GROUP", number + 1)
            build(corpus, tmp_path / "out")
    assert len(list((tmp_path / "out" / "data").iterdir())) == 3
    build(corpus, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(built)


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
    assert "silent,test,odd,silent,every sample of its 0.5 s is zero at 16 bits," in listed
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


# One recording under several names ----------------------------------------------


def copies(folder: Path, header: str, rows: dict[str, int], *, split: str = "") -> FolderCorpus:
    """A corpus whose rows name sounds by number: ``{"a": 1, "b": 1}`` are one recording."""
    folder.mkdir()
    lines = [header]
    for name, number in rows.items():
        sf.write(folder / f"{name}.wav", sound(number), RATE)
        lines.append(f"{name}.wav,a sound,{'dog' if number % 2 else 'rain'}{split}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return recordings_as_they_are(folder)


def test_splits_drawn_here_never_hold_one_recording_twice(tmp_path: Path) -> None:
    # 20 recordings of two concepts, each under three names.
    rows = {f"{name}{number:02d}": number for number in range(20) for name in "abc"}
    corpus = copies(tmp_path / "source", "file,captions,concept", rows)
    drawn = {clip.clip_id: clip.split for clip in corpus.clips()}
    report = build(corpus, tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    for number in range(20):
        names = [f"{name}{number:02d}" for name in "abc"]
        # All are where the first one by id was drawn.
        assert {dataset.clips[name].split for name in names} == {drawn[names[0]]}
    changed = {name for name in rows if dataset.clips[name].split != drawn[name]}
    assert changed, "the hashes of the ids were to draw some of the copies apart"
    assert report.moved == {name: drawn[name] for name in changed}
    assert len(report.repeated) == 20
    listed = {
        row["clip_id"]: row["split"] for row in layout.read_list(dataset.path, dataset.description)
    }
    assert listed == {name: clip.split for name, clip in dataset.clips.items()}


def test_splits_that_the_corpus_states_are_kept_and_told(tmp_path: Path) -> None:
    corpus = recordings(tmp_path / "source", 4)
    shutil.copy(tmp_path / "source" / "clip000.wav", tmp_path / "source" / "again.wav")
    add(tmp_path / "source", "again.wav")
    report = build(recordings_as_they_are(corpus.source), tmp_path / "out")
    ((first, second),) = report.repeated
    assert (first.clip_id, first.split) == ("again", "test")
    assert (second.clip_id, second.split) == ("clip000", "train")
    assert report.moved == {}


class Divided(FolderCorpus):
    """A corpus that is given its test split and draws the others."""

    drawn_splits = ("train", "validation")


def test_copies_in_a_split_that_is_given_do_not_hold_the_drawn_ones_apart(tmp_path: Path) -> None:
    corpus = recordings(tmp_path / "source", 4)
    for name, split in (("a", "test"), ("b", "train"), ("c", "validation"), ("d", "test")):
        shutil.copy(corpus.source / "clip000.wav", corpus.source / f"{name}.wav")
        add(corpus.source, f"{name}.wav", split)
    divided = Divided(corpus.source, corpus.table, RATE, SECONDS)
    report = build(divided, tmp_path / "out")
    clips = open_dataset(tmp_path / "out").clips
    assert [clips[name].split for name in "abcd"] == ["test", "train", "train", "test"]
    assert report.moved == {"c": "validation"}


# A part of a corpus ---------------------------------------------------------------


def test_a_limit_takes_the_first_of_each_concept_in_each_split(
    corpus: FolderCorpus, built: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    report = build(corpus, out, limit=1)
    # Of 12 recordings, every concept has two in train, one in validation, one in test.
    assert (report.clips, report.limited, report.rejected) == (9, 3, ())
    dataset = open_dataset(out)
    assert Counter((c.concept, c.split) for c in dataset.clips.values()).most_common(1)[0][1] == 1
    assert {fault.kind for fault in dataset.missing.values()} == {"limit"}
    # Suites know of the others.
    assert set(dataset.corpus_clips) == set(open_dataset(built).clips)
    assert build(corpus, out).reused == 9
    assert tree(out) == tree(built)


def test_a_limit_drops_nothing_that_is_packed(
    corpus: FolderCorpus, built: Path, tmp_path: Path
) -> None:
    shutil.copytree(built, tmp_path / "out")
    with pytest.raises(UsageError, match="would drop clips") as caught:
        build(corpus, tmp_path / "out", limit=1)
    assert "3 of them" in str(caught.value)
    assert tree(tmp_path / "out") == tree(built)
