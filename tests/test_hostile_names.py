"""Names that would lead out of a folder: through the commands, with everything around watched.

The files are those that somebody hands on: a suite, a dataset, a corpus, a list, a
checkpoint, a score.  Hashes in them prove nothing, for they come with the names.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from lassbench.cli import run
from lassbench.files import sha256_file
from lassbench.suites.suite import fingerprints

#: ``{away}`` is a folder beside the one that commands may write to.
HOSTILE = {
    "up": "../../x",
    "absolute": "{away}/x",
    "nul": "a\0b",
    "below": "a/b",
    "parent": "..",
    "long": "x" * 300,
    "backslash": "..\\..\\x",
    "home": "~",
}

WITHOUT_NUL = sorted(HOSTILE.keys() - {"nul"})


@pytest.fixture(scope="module")
def handed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/ with a suite that stands alone, predictions/ and scores/: all of them good."""
    place = tmp_path_factory.mktemp("handed")
    small = "--clips-per-concept 1,1,2 --seconds 0.5 --rate 8000 --workers 1"
    for line in (
        f"build-dataset {place}/data --corpus synthetic {small}",
        f"freeze {place}/data --noises 1 --workers 1 --references",
        f"separate mixture --suite {place}/data -o {place}/predictions",
        f"score {place}/predictions --suite {place}/data -o {place}/scores --workers 1"
        f" --leaderboard {place}/none",
    ):
        assert run(line.split()) == 0, line
    return place


@pytest.fixture
def here(handed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of ``handed``, deep enough that ``../../x`` would still be in the watched folder."""
    place = tmp_path / "around" / "deep" / "here"
    shutil.copytree(handed, place)
    (tmp_path / "around" / "away").mkdir()
    (place / "out").mkdir()
    monkeypatch.chdir(place / "out")
    return place


def name_in(here: Path, kind: str) -> str:
    return HOSTILE[kind].format(away=here.parent.parent / "away")


def around(here: Path) -> dict[str, str]:
    """Every file and folder near ``here``, but for what is in its out/."""
    top = here.parent.parent
    return {
        str(path.relative_to(top)): sha256_file(path) if path.is_file() else "folder"
        for path in sorted(top.rglob("*"))
        if here / "out" not in path.parents and path.name != ".lock"
    }


def refused(
    here: Path, capsys: pytest.CaptureFixture[str], *lines: list[str], code: int = 1
) -> None:
    """Each command ends with ``code`` and one short message, and writes nothing anywhere."""
    before = around(here)
    for line in lines:
        capsys.readouterr()
        assert run(line) == code, line
        told = capsys.readouterr().err
        assert told.count("lassbench: ") == 1, told
        assert "Traceback" not in told
        assert len(told) < 3000
        assert not list((here / "out").rglob("*x*")), line
    assert around(here) == before


def rewrite_list(suite: Path, name: str, column: str, value: str) -> None:
    """Change a column of the second row of a suite's list, and what its card says of it."""
    path = suite / f"{name}.csv"
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[1][column] = value
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    edit_json(suite / "suite.json", lambda said: said.update({f"{name}_sha256": sha256_file(path)}))
    edit_json(suite / "suite.json", lambda said: said.update(fingerprints(said)))


def edit_json(path: Path, act: Callable[[dict[str, Any]], object]) -> None:
    said = json.loads(path.read_text())
    act(said)
    path.write_text(json.dumps(said))


def on_suite(here: Path) -> list[list[str]]:
    """The commands that read a suite and write."""
    suite, predictions = str(here / "data" / "suites" / "synthetic-test"), str(here / "predictions")
    return [
        ["separate", "mixture", "--suite", suite],
        ["separate", "mixture", "--suite", suite, "-o", "sounds"],
        ["score", predictions, "--suite", suite, "-o", "scores", "--report", "page"],
        ["inspect", "synthetic-test-0001", "--suite", suite, "-o", "drawn"],
        ["leaderboard", "examples", predictions, "--suite", suite, "--root", "board"],
    ]


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize(("name", "column"), [("queries", "query_id"), ("mixtures", "mixture_id")])
def test_ids_in_the_lists_of_a_suite(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, column: str, kind: str
) -> None:
    rewrite_list(here / "data" / "suites" / "synthetic-test", name, column, name_in(here, kind))
    refused(here, capsys, *on_suite(here))


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_mixture_of_that_name_in_both_lists(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    suite = here / "data" / "suites" / "synthetic-test"
    for name in ("mixtures", "queries"):
        rewrite_list(suite, name, "mixture_id", name_in(here, kind))
    refused(here, capsys, *on_suite(here))


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_name_of_a_suite(here: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    path = here / "data" / "suites" / "synthetic-test" / "suite.json"
    edit_json(path, lambda said: said.update(name=name_in(here, kind)))
    refused(here, capsys, *on_suite(here))


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_ids_of_targets_and_noises_are_no_paths(here: Path, kind: str) -> None:
    # Lists of others have the paths of their files there.
    suite = here / "data" / "suites" / "synthetic-test"
    shutil.rmtree(here / "data" / "data")
    (here / "data" / "dataset.json").unlink()
    for column in ("target_id", "noise_id"):
        rewrite_list(suite, "mixtures", column, name_in(here, kind).replace("\0", ""))
    before = around(here)
    for line in on_suite(here):
        if "examples" in line:
            assert run(["leaderboard", "add", "scores", "--root", "board"]) == 0
        assert run(line) == 0, line
    assert around(here) == before


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("column", ["target_id", "noise_id"])
def test_the_ids_of_sounds_that_are_mixed_by_power(
    here: Path, capsys: pytest.CaptureFixture[str], column: str, kind: str
) -> None:
    suite = here / "data" / "suites" / "synthetic-test"
    shutil.rmtree(suite / "mixtures")
    edit_json(suite / "suite.json", lambda said: said.update(recipe="by power"))
    rewrite_list(suite, "mixtures", column, name_in(here, kind))
    refused(here, capsys, *on_suite(here))


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("key", ["name", "corpus"])
def test_the_name_of_a_dataset(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str, key: str
) -> None:
    name = name_in(here, kind)

    def act(said: dict[str, Any]) -> None:
        said.update({"name": name} if key == "name" else {"corpus": {**said["corpus"], **{key: 1}}})
        if key == "corpus":
            del said["corpus"]["corpus"]
            said["corpus"]["name"] = name

    edit_json(here / "data" / "dataset.json", act)
    data = str(here / "data")
    refused(
        here,
        capsys,
        ["freeze", data, "--noises", "1", "--workers", "1"],
        ["freeze", data, "-o", "suite", "--noises", "1", "--workers", "1"],
        ["separate", "mixture", "--suite", data],
        ["train-baseline", "unet", "--data", data, "--set", "train.steps=1"],
        ["verify", data],
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_clip_in_a_shard(here: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    data = here / "data"
    (path,) = (data / "data").glob("test-*.parquet")
    table = pq.read_table(path)
    ids = [name_in(here, kind), *table.column("clip_id").to_pylist()[1:]]
    at = table.column_names.index("clip_id")
    pq.write_table(table.set_column(at, "clip_id", pa.array(ids)), path)

    def act(said: dict[str, Any]) -> None:
        (shard,) = (one for one in said["shards"] if one["path"].endswith(path.name))
        shard.update(sha256=sha256_file(path), bytes=path.stat().st_size)

    edit_json(data / "dataset.json", act)
    refused(
        here,
        capsys,
        ["freeze", str(data), "--noises", "1", "--workers", "1"],
        ["freeze", str(data), "-o", "suite", "--noises", "1", "--workers", "1"],
        ["separate", "mixture", "--suite", str(data)],
        ["build-dataset", str(data), *_SYNTHETIC],
    )


_SYNTHETIC = [
    "--corpus",
    "synthetic",
    "--clips-per-concept",
    "1,1,2",
    "--seconds",
    "0.5",
    "--rate",
    "8000",
]


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_clip_in_the_list_of_clips(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    data = here / "data"
    text = (data / "clips.csv").read_text().splitlines()
    text[1] = ",".join([name_in(here, kind), *text[1].split(",")[1:]])
    (data / "clips.csv").write_text("\n".join(text) + "\n")
    digest = sha256_file(data / "clips.csv")
    edit_json(data / "dataset.json", lambda said: said.update(clips_sha256=digest))
    refused(
        here,
        capsys,
        ["build-dataset", str(data), *_SYNTHETIC, "--workers", "1"],
        ["verify", str(data)],
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_clip_that_is_missing(here: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    data, name = here / "data", name_in(here, kind)
    clip = {"clip_id": name, "concept": "dog", "split": "test", "captions": ["a dog"], "tags": []}
    rest = {"root": "", "youtube_id": "", "start_s": 0, "end_s": 0, "attribution": ""}
    missing = [{**clip, **rest, "kind": "gone", "reason": "gone"}]
    edit_json(data / "dataset.json", lambda said: said.update(missing=missing))
    refused(here, capsys, ["freeze", str(data), "--noises", "1", "--workers", "1"])


@pytest.mark.parametrize("kind", WITHOUT_NUL)
def test_the_card_and_the_ids_of_a_corpus(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    source = here / "source"
    source.mkdir()
    sf.write(source / "a.wav", np.full(4000, 0.1), 8000)
    table = "file,id,captions,concept,split\na.wav,{},a dog,dog,test\n"
    build = ["build-dataset", "--corpus", "folder", "--source", str(source), "--workers", "1"]
    (source / "metadata.csv").write_text(table.format(name_in(here, kind)))
    refused(here, capsys, [*build, "built"])
    (source / "metadata.csv").write_text(table.format("a"))
    (source / "card.yaml").write_text(f"name: {json.dumps(name_in(here, kind))}\n")
    refused(here, capsys, [*build, "built"])


@pytest.mark.parametrize("kind", WITHOUT_NUL)
def test_names_given_on_the_command_line(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    name, data = name_in(here, kind), str(here / "data")
    listed = here / "list.csv"
    listed.write_text("idx,caption,src_wav,noise_wav\n1,rain,a.wav,b.wav\n")
    refused(
        here,
        capsys,
        ["freeze", data, "--noises", "1", "--suite", name],
        ["freeze", data, "--noises", "1", "--suite", name, "--absent", "-o", "suite"],
        [
            *("import-suite", "suite", "--format", "audiosep-esc50", "--list", str(listed)),
            *("--audio-dir", data, "--name", name),
        ],
        code=2,
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_list_of_others(here: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    sounds, name = here / "sounds", name_in(here, kind)
    sounds.mkdir()
    for number in (1, 2):
        for part, level in (("segment", 0.1), ("mixture", 0.3)):
            sf.write(sounds / f"{part}-{number}.wav", np.full(3200, level), 32000)
    listed = here / "list.csv"
    line = ["import-suite", "suite", "--list", str(listed), "--audio-dir", str(sounds)]
    line += ["--workers", "1", "--format"]
    for index in (name, "1" * 300):
        listed.write_text(f"idx,caption,src_wav,noise_wav\n{index},rain,a.wav,b.wav\n")
        refused(here, capsys, [*line, "audiosep-esc50"])
    # Paths of others in the other columns: nothing is found at them, and nothing written.
    name = name.replace("\0", "")
    listed.write_text(f"idx,caption,src_wav,noise_wav\n0,rain,{name},{name}\n")
    refused(here, capsys, [*line, "audiosep-audioset"])
    listed.write_text(f"idx,caption,src_wav,noise_wav\n1,rain,{name},{name}\n")
    before = around(here)
    assert run([*line, "audiosep-esc50"]) == 0
    assert around(here) == before


@pytest.mark.parametrize("kind", WITHOUT_NUL)
def test_the_name_of_a_system_makes_a_plain_file_name(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    system = here / "predictions" / "system.yaml"
    lines = system.read_text().splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("name:"))
    name = name_in(here, kind)[:200]
    lines[at] = f"name: {json.dumps(name)}"
    system.write_text("\n".join(lines) + "\n")
    before = around(here)
    scored = ["score", str(here / "predictions"), "--suite", str(here / "data"), "--workers", "1"]
    assert run([*scored, "-o", "scores", "--report", "page", "--leaderboard", "none"]) == 0
    for folder, suffixes in (("scores", {".json", ".parquet"}), ("page", {".html"})):
        found = list((here / "out" / folder).rglob("*"))
        assert {path.suffix for path in found} == suffixes
        assert {path.parent for path in found} == {here / "out" / folder}
    capsys.readouterr()
    code = run(["leaderboard", "add", "scores", "--root", "board", "--date", "2026-01-02"])
    assert code in {0, 1}, capsys.readouterr().err
    examples = ["leaderboard", "examples", str(here / "predictions"), "--suite", str(here / "data")]
    assert run([*examples, "--root", "board"]) == 2 * code, "only of systems with an entry"
    assert around(here) == before


@pytest.mark.parametrize("kind", WITHOUT_NUL)
def test_the_name_of_a_checkpoint_makes_a_plain_folder_name(here: Path, kind: str) -> None:
    torch = pytest.importorskip("torch")
    from lassbench.models.checkpoints import Blueprint, Checkpoint, Training, save_checkpoint
    from lassbench.models.config import Config, NetworkConfig, SpectrogramConfig
    from lassbench.models.query import TagCodec
    from lassbench.suites.suite import load_suite

    torch.manual_seed(0)
    config = Config(
        system="unet",
        name=name_in(here, kind)[:200],
        sample_rate_hz=8000,
        spectrogram=SpectrogramConfig(frame=256, hop=128),
        network=NetworkConfig(widths=(4, 6), query=5),
    )
    suite = load_suite(here / "data")
    tags = sorted({tag for query in suite.queries.values() for tag in query.tags})
    blueprint = Blueprint(config, TagCodec(tuple(tags)))
    weights = blueprint.build().state_dict()
    save_checkpoint(here / "run" / "best.safetensors", Checkpoint(blueprint, Training(), weights))
    before = around(here)
    assert run(["separate", str(here / "run"), "--suite", str(here / "data"), "--limit", "1"]) == 0
    (folder,) = (here / "out" / "predictions" / "synthetic-test").iterdir()
    assert (folder / "system.yaml").is_file()
    assert around(here) == before


@pytest.mark.parametrize("kind", HOSTILE)
def test_names_in_a_score(here: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    (path,) = (here / "scores").glob("*.json")
    name = name_in(here, kind)
    edit_json(path, lambda said: said["suite"].update(name=name))
    refused(
        here,
        capsys,
        ["leaderboard", "add", str(path), "--root", "board"],
        ["compare", str(path), str(path)],
    )


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("key", ["suite", "query_id", "systems"])
def test_names_in_the_examples_of_a_leaderboard(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str, key: str
) -> None:
    board, (score,) = here / "board", (here / "scores").glob("*.json")
    predictions, data = str(here / "predictions"), str(here / "data")
    assert run(["leaderboard", "add", str(score), "--root", str(board)]) == 0
    line = ["leaderboard", "examples", predictions, "--suite", data, "--root", str(board)]
    assert run([*line, "--count", "1"]) == 0
    name = name_in(here, kind)

    def act(said: dict[str, Any]) -> None:
        (example,) = said["examples"]
        (said if key == "suite" else example)[key] = [name] if key == "systems" else name

    edit_json(board / "examples" / "synthetic-test" / "examples.json", act)
    refused(
        here,
        capsys,
        ["leaderboard", "build", "--root", str(board), "--site", "site", "--workers", "1"],
        ["leaderboard", "check", "--root", str(board)],
    )
