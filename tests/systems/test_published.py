"""Published systems' workers, in a separate interpreter, against stand-ins of their modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

from lassbench.errors import UsageError
from lassbench.systems.published import HERE, PUBLISHED, SERVE
from tests.systems.standins import GAIN, Worker, make

RATE = 32000
THERE = sorted(path for path in HERE.glob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", THERE, ids=lambda path: path.name)
def test_what_runs_elsewhere_is_old_python_without_lassbench(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    names = [
        alias.name if isinstance(node, ast.Import) else node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert names and not [name for name in names if name.split(".")[0] == "lassbench"]
    assert all(
        isinstance(n, ast.Import) or not n.level
        for n in ast.walk(tree)
        if isinstance(n, ast.Import | ast.ImportFrom)
    )


class Running:
    """A stand-in's worker that is ready, and where its sounds lie."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.worker = Worker.of(name, folder, make(name, folder))
        self.ready = self.worker.answer()

    def separate(self, samples: int, query: str, **more: object) -> tuple[Any, np.ndarray, Path]:
        mixture = np.random.default_rng(samples).uniform(-1, 1, samples).astype(np.float32)
        sf.write(self.folder / "mixture.wav", mixture, RATE, subtype="FLOAT")
        estimate = self.folder / "estimate.wav"
        estimate.unlink(missing_ok=True)
        paths = {"mixture": str(self.folder / "mixture.wav"), "estimate": str(estimate)}
        return self.worker.ask(**paths, query=query, **more), mixture, estimate


@pytest.fixture(params=PUBLISHED)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    made = Running(request.param, tmp_path)
    yield made
    made.worker.process.kill()
    made.worker.process.communicate()


def test_a_worker_separates(running: Running) -> None:
    assert running.ready["lassbench"] == "ready", running.ready
    environment = running.ready["environment"]
    assert environment["torch"] == torch.__version__
    assert environment["device"].startswith("cpu, ") and set(map(type, environment.values())) == {
        str
    }

    def right(samples: int, query: str, negative: str = "") -> None:
        answer, mixture, estimate = running.separate(samples, query, negative=negative)
        assert answer == {"lassbench": "done"}, answer
        info = sf.info(estimate)
        assert (info.samplerate, info.subtype, info.channels) == (RATE, "FLOAT", 1)
        unwanted = len(negative) if running.name == "clapsep" else 0
        expected = mixture * GAIN * (len(query) - unwanted) / 100
        np.testing.assert_allclose(sf.read(estimate)[0], expected, rtol=1e-5, atol=1e-9)

    right(RATE * 10, "a dog")
    right(RATE * 10, "a dog", negative="rain")
    # Shorter than any window of theirs, and a second of it.
    for samples in (1, 600, 1024, RATE):
        right(samples, "a dog barks")
    # A query that fails leaves nothing behind for the next.
    answer, _, estimate = running.separate(RATE, "x" * 101)
    assert answer["lassbench"] == "failed" and answer["error"] == "ValueError: too long a query"
    assert "in forward" in answer["traceback"] and not estimate.exists()
    right(RATE, "a dog")
    # What they print went elsewhere, and each text was embedded once.
    said = running.worker.said.splitlines()
    asked = ["a dog", "a dog barks", *(["rain"] if running.name == "clapsep" else [])]
    assert [said.count(f"embedding {text}") for text in asked] == [1] * len(asked)
    assert running.worker.end() == 0


def test_loading_reads_claps_weights_where_they_are_said_to_be(running: Running) -> None:
    # Both of AudioSep's encoders: the default argument's, and the one that is used.
    times = {"clapsep": 0}.get(running.name, 2)
    assert running.worker.said.count("CLAP is read") == times
    assert not list((running.folder / "repo" / "checkpoint").iterdir())


def failure(name: str, folder: Path, given: dict[str, str], **env: str) -> str:
    worker = Worker.of(name, folder, given, **env)
    answer = worker.answer()
    assert answer["lassbench"] == "failed" and worker.end() == 1
    assert "Traceback" in answer["traceback"]
    return str(answer["error"])


@pytest.mark.parametrize("name", ["audiosep", "clapsep"])
def test_what_cannot_be_loaded_is_told(name: str, tmp_path: Path) -> None:
    given = make(name, tmp_path)
    (tmp_path / "weights.ckpt").rename(tmp_path / "other.ckpt")
    said = failure(name, tmp_path, given)
    assert said == f"FileNotFoundError: {tmp_path}/weights.ckpt: no such file (checkpoint)"
    given["checkpoint"] = str(tmp_path / "other.ckpt")
    said = failure(name, tmp_path, given, STANDIN_TOKENS="5")
    assert "knows 5 tokens, not 50265" in said and "transformers 4.30.2" in said


@pytest.mark.parametrize("name", ["audiosep", "clapsep"])
def test_what_holds_no_weights_is_refused_by_name(name: str, tmp_path: Path) -> None:
    given = make(name, tmp_path)
    for content in (b"no pickle", b""):
        Path(given["checkpoint"]).write_bytes(content)
        assert failure(name, tmp_path, given).startswith(f"ValueError: {given['checkpoint']} is no")


@pytest.mark.parametrize(
    ("name", "weights", "told"),
    [
        ("audiosep", {}, "is no checkpoint of this model (KeyError: 'state_dict')"),
        ("audiosep", {"state_dict": {}}, "of 6, 6 are missing ['ss_model.gain'"),
        (
            "audiosep",
            {"state_dict": {"ss_model.odd": torch.zeros(1), "query_encoder.x": torch.zeros(1)}},
            "1 unknown ['ss_model.odd']",
        ),
        ("clapsep", {}, "2 are missing ['decoder_model.gain', 'audio_branch.lora_A']"),
        (
            "clapsep",
            {
                "state_dict": {
                    "decoder_model.gain": torch.tensor(1.0),
                    "audio_branch.lora_A": torch.tensor(1.0),
                    "decoder_model.odd": torch.zeros(1),
                    "clap_model.x": torch.zeros(1),
                }
            },
            "0 are missing [], and 1 unknown ['decoder_model.odd']",
        ),
    ],
)
def test_weights_of_another_model_are_refused(
    name: str, weights: dict[str, Any], told: str, tmp_path: Path
) -> None:
    given = make(name, tmp_path)
    torch.save(weights, given["checkpoint"])
    assert told in failure(name, tmp_path, given)


def serve(source: str, folder: Path, **options: str) -> Worker:
    file = folder / "system.py"
    file.write_text(source)
    return Worker(file, options, folder)


def test_a_system_has_neither_pipe_nor_path_of_the_loop(tmp_path: Path) -> None:
    worker = serve(
        "import os, subprocess, sys\n"
        "assert sys.argv == [__file__]\n"
        "def load(options):\n"
        "    print('loading')\n"
        "    def separate(mixture, query, negative):\n"
        "        os.write(1, b'below Python\\n')\n"
        "        subprocess.run(['echo', 'a child'], check=True)\n"
        "        try:\n"
        "            import clapsep_worker\n"
        "        except ImportError:\n"
        "            return [len(sys.stdin.read())] * len(mixture)\n"
        "    return separate, {'option': options['option']}\n",
        tmp_path,
        option="é",
    )
    assert worker.answer()["environment"]["option"] == "é"
    sf.write(tmp_path / "m.wav", np.ones(5), 16000)
    out = tmp_path / "é.wav"
    assert worker.ask(mixture=str(tmp_path / "m.wav"), query="q", estimate=str(out)) == {
        "lassbench": "done"
    }
    samples, rate = sf.read(out)
    assert samples.tolist() == [0] * 5 and rate == 16000
    assert worker.end() == 0
    assert worker.said.splitlines() == ["loading", "below Python", "a child"]


def test_a_seed_is_every_generators(tmp_path: Path) -> None:
    worker = serve(
        "import random, numpy, torch\n"
        "def load(options):\n"
        "    def separate(mixture, query, negative):\n"
        "        return [random.random(), numpy.random.rand(), torch.rand(1).item()]\n"
        "    return separate, {}\n",
        tmp_path,
    )
    worker.answer()
    sf.write(tmp_path / "m.wav", np.ones(5), 16000)
    drawn = []
    for seed in (3, 2**40 + 7, 3):
        out = tmp_path / "out.wav"
        worker.ask(mixture=str(tmp_path / "m.wav"), query="q", estimate=str(out), seed=seed)
        drawn.append(sf.read(out)[0].tolist())
    assert drawn[0] == drawn[2] and not set(drawn[0]) & set(drawn[1])
    assert worker.end() == 0


def test_whatever_goes_wrong_is_an_answer(tmp_path: Path) -> None:
    worker = serve(
        "import sys, threading\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "def load(options):\n"
        "    def separate(mixture, query, negative):\n"
        "        if query == 'leave':\n"
        "            sys.exit(0)\n"
        "        if query == 'stereo':\n"
        "            return [mixture, mixture]\n"
        "        if query == 'long':\n"
        "            raise KeyError('first ' + 'x' * 100_000)\n"
        "        return mixture\n"
        "    return separate, {}\n",
        tmp_path,
    )
    assert worker.answer()["lassbench"] == "ready"
    sf.write(tmp_path / "m.wav", np.ones(5), 16000)
    paths = {"mixture": str(tmp_path / "m.wav"), "estimate": str(tmp_path / "out.wav")}
    for query, told in (("leave", "SystemExit: 0"), ("stereo", "shape (2, 5), not (samples,)")):
        answer = worker.ask(**paths, query=query)
        assert answer["lassbench"] == "failed" and told in answer["error"]
    answer = worker.ask(**paths, query="long")
    assert answer["error"].startswith("KeyError: 'first") and len(str(answer)) < 30_000
    assert "no.wav" in worker.ask(**{**paths, "mixture": "no.wav"}, query="q")["error"]
    assert worker.ask(query="q")["error"] == "KeyError: 'mixture'"
    assert worker.ask(**paths, query="q") == {"lassbench": "done"}
    # A thread that never ends does not keep it.
    assert worker.end() == 0


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise SystemExit('no licence')", "SystemExit: no licence"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("", "AttributeError"),
    ],
)
def test_a_system_that_cannot_be_loaded_ends(source: str, told: str, tmp_path: Path) -> None:
    worker = serve(source, tmp_path)
    answer = worker.answer()
    assert answer["lassbench"] == "failed" and told in answer["error"]
    assert worker.end() == 1


def test_options_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = PUBLISHED["audiosep"]
    found = one.completed({"repo": "AudioSep", "checkpoint": "a.ckpt"})
    assert found["checkpoint"] == str(tmp_path / "a.ckpt")
    assert found["config"] == str(tmp_path / "AudioSep" / "config" / "audiosep_base.yaml")
    with pytest.raises(UsageError, match="needs more: checkpoint, clap"):
        PUBLISHED["clapsep"].completed({"repo": "CLAPSep"})
    with pytest.raises(UsageError, match="did you mean 'checkpoint'"):
        one.completed({"repo": "AudioSep", "chekpoint": "a.ckpt"})


def test_the_catalogue_is_whole() -> None:
    for name, one in PUBLISHED.items():
        assert one.name == name and one.worker.is_file() and SERVE.is_file()
        assert {"repo", "checkpoint"} <= set(one.options)
        assert one.card.url and one.card.trained_on and one.licence
        defaults = {o.default for n, o in one.options.items() if n == "config"}
        assert defaults <= set(one.repository_files)
