"""Published systems' workers, in a separate interpreter, against stand-ins of their modules."""

from __future__ import annotations

import ast
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lassbench.errors import LassbenchError, UsageError
from lassbench.systems.processes import WorkerSystem
from lassbench.systems.published import HERE, PUBLISHED, SERVE
from tests.systems.halver import MIXTURE, asked
from tests.systems.standins import GAIN, make, write

RATE = 32000
THERE = sorted(path for path in HERE.glob("*.py") if path.name != "__init__.py")

Load = Callable[[str, dict[str, str]], WorkerSystem]


@pytest.mark.parametrize("path", THERE, ids=lambda path: path.name)
def test_what_runs_elsewhere_is_old_python_without_lassbench(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    names = [
        alias.name if isinstance(node, ast.Import) else "." * node.level + (node.module or "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert names and not [name for name in names if name.split(".")[0] in ("", "lassbench")]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Starts the worker of a stand-in that was made in the temporary folder."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
    with contextlib.ExitStack() as made:

        def start(name: str, given: dict[str, str]) -> WorkerSystem:
            system = WorkerSystem(
                PUBLISHED[name], python=sys.executable, options=given, device="cpu"
            )
            made.callback(system.close)
            system.start_worker()
            return system

        yield start


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_worker_separates(name: str, tmp_path: Path, load: Load) -> None:
    system = load(name, make(name, tmp_path))
    assert system.ran_in["torch"] == torch.__version__
    assert system.device.startswith("cpu, ")

    def right(samples: int, query: str, negative: str = "") -> None:
        mixture = np.random.default_rng(samples).uniform(-1, 1, samples).astype(np.float32)
        unwanted = len(negative) if name == "clapsep" else 0
        expected = mixture * GAIN * (len(query) - unwanted) / 100
        found = system.separate(mixture, query, RATE, negative=negative)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)

    right(RATE * 10, "a dog")
    right(RATE * 10, "a dog", negative="rain")
    # Shorter than any window of theirs, and a second of it.
    for samples in (1, 600, 1024, RATE):
        right(samples, "a dog barks")
    # A query that fails leaves nothing behind for the next.
    with pytest.raises(LassbenchError, match="ValueError: too long a query") as caught:
        right(RATE, "x" * 101)
    assert "in forward" in caught.value.got
    right(RATE, "a dog")
    # Each text was embedded once, and CLAP's weights were read where they are said to be: by
    # both of AudioSep's encoders, the default argument's and the one that is used.
    assert system._guard and system._guard.group
    said = system._guard.group.last_lines
    asked = ["a dog", "a dog barks", *(["rain"] if name == "clapsep" else [])]
    assert [said.count(f"embedding {text}") for text in asked] == [1] * len(asked)
    assert said.count("CLAP is read") == (0 if name == "clapsep" else 2)


@pytest.mark.parametrize("name", ["audiosep", "clapsep"])
def test_a_tokenizer_without_its_files_is_refused(name: str, tmp_path: Path, load: Load) -> None:
    given = make(name, tmp_path)
    write({"roberta-base/tokens": "5"}, Path(given["repo"]))
    with pytest.raises(LassbenchError, match=r"knows 5 tokens, not 50265.* 4\.30\.2"):
        load(name, given)


OF_CLAPSEP = {"decoder_model.gain": torch.tensor(1.0), "audio_branch.lora_A": torch.tensor(1.0)}


@pytest.mark.parametrize(
    ("name", "weights", "told"),
    [
        ("audiosep", b"no pickle", "is no checkpoint of this model (UnpicklingError"),
        ("audiosep", b"", "is no checkpoint of this model (EOFError"),
        ("audiosep", {}, "is no checkpoint of this model (KeyError: 'state_dict')"),
        ("audiosep", {"state_dict": {}}, "of 6, 6 are missing ['ss_model.gain'"),
        (
            "audiosep",
            {"state_dict": {"ss_model.odd": torch.zeros(1), "query_encoder.x": torch.zeros(1)}},
            "1 unknown ['ss_model.odd']",
        ),
        ("clapsep", b"no pickle", "is no file of weights (UnpicklingError"),
        ("clapsep", b"", "is no file of weights (EOFError"),
        ("clapsep", {}, "2 are missing ['decoder_model.gain', 'audio_branch.lora_A']"),
        (
            "clapsep",
            {"state_dict": {**OF_CLAPSEP, **dict.fromkeys(("decoder_model.odd", "x"), GAIN)}},
            "0 are missing [], and 1 unknown ['decoder_model.odd']",
        ),
    ],
)
def test_weights_of_another_model_are_refused(
    name: str, weights: Any, told: str, tmp_path: Path, load: Load
) -> None:
    given = make(name, tmp_path)
    if isinstance(weights, bytes):
        Path(given["checkpoint"]).write_bytes(weights)
    else:
        torch.save(weights, given["checkpoint"])
    with pytest.raises(LassbenchError) as caught:
        load(name, given)
    assert f"ValueError: {given['checkpoint']} " in caught.value.got
    assert told in caught.value.got


# ---------------------------------------------------------------------------
# The loop
# ---------------------------------------------------------------------------


def test_a_system_has_neither_pipe_nor_path_of_the_loop(
    worker: Callable[..., WorkerSystem], repo: Path
) -> None:
    system = worker(
        "import importlib.util, os, subprocess, sys\n"
        "import body\n"  # of the repository
        "assert sys.argv == [__file__] and not importlib.util.find_spec('clapsep_worker')\n"
        "def load(options):\n"
        "    print('loading')\n"
        "    def separate(mixture, query, negative):\n"
        '        print(\'{"lassbench": "done"}\', flush=True)\n'
        '        os.write(1, b\'{"lassbench": "failed"}\\n\')\n'
        "        subprocess.run([sys.executable, '-c', 'print(1); input()'], check=False)\n"
        "        if query == 'stop':\n"
        "            os._exit(3)\n"
        "        return mixture / 2 + len(sys.stdin.read())\n"
        "    return separate\n"
    )
    for _ in range(3):
        np.testing.assert_array_equal(asked(system), MIXTURE / 2)
    with pytest.raises(LassbenchError, match="exit code 3") as caught:
        asked(system, "stop")
    assert "EOFError" in caught.value.got  # of the child process that asked for input


def test_a_seed_is_every_generators_and_auto_is_a_device(
    worker: Callable[..., WorkerSystem],
) -> None:
    system = worker(
        "import random, numpy, torch\n"
        "def load(options):\n"
        "    return lambda mixture, query, negative: [\n"
        "        random.random(), numpy.random.rand(), torch.rand(1).item()]\n",
        device="auto",
    )
    one, other, again = (
        system.separate(MIXTURE, "q", 8000, seed=seed) for seed in (3, 2**40 + 7, 3)
    )
    np.testing.assert_array_equal(one, again)
    assert not set(one) & set(other)
    on_gpu = torch.cuda.is_available()
    assert system.device.startswith(torch.cuda.get_device_name() if on_gpu else "cpu, ")


@pytest.mark.parametrize(
    "raised",
    ["ValueError('no')", "SystemExit(0)", "KeyError('x' * 100_000)", "ValueError('\\udcff\\0')"],
)
def test_an_exception_is_told_and_the_model_stays(
    raised: str, worker: Callable[..., WorkerSystem]
) -> None:
    system = worker(
        "loaded = []\n"
        "def load(options):\n"
        "    def separate(mixture, query, negative):\n"
        "        loaded.append(1)\n"
        "        if query == 'fail':\n"
        f"            raise {raised}\n"
        "        return mixture * len(loaded) if query else [mixture, mixture]\n"
        "    return separate\n"
    )
    asked(system)
    with pytest.raises(LassbenchError) as caught:
        asked(system, "fail")
    kind = raised.partition("(")[0]
    assert caught.value.what == "halver failed"
    assert caught.value.got.startswith(f"{kind}: ")
    assert len(caught.value.got) < 2000
    assert "in separate" in caught.value.got
    # Told once, if it is not cut, and in its own line of code.
    assert caught.value.got.count(kind) <= 2 + ("100_000" in raised)
    with pytest.raises(LassbenchError, match=r"an array of shape \(2, 8000\), not \(samples,\)"):
        asked(system, "")
    np.testing.assert_array_equal(asked(system), MIXTURE * 4)


@pytest.mark.parametrize(
    ("source", "code", "told"),
    [
        ("raise SystemExit('no licence')", 1, "SystemExit: no licence"),
        ("", 1, "AttributeError"),
        # A thread that never ends does not keep it.
        (
            "import threading\n"
            "threading.Thread(target=threading.Event().wait).start()\n"
            "def load(options): return print",
            0,
            "",
        ),
    ],
)
def test_the_loop_ends_with_its_input(source: str, code: int, told: str, tmp_path: Path) -> None:
    (tmp_path / "system.py").write_text(source)
    line = [sys.executable, str(SERVE), str(tmp_path / "system.py"), '{"device": "cpu"}']
    done = subprocess.run(line, input=b"", capture_output=True, check=False)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["lassbench"]) == (code, "failed" if code else "ready")
    assert told in answer.get("error", "")
    assert done.stderr == b""


def test_options_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = PUBLISHED["audiosep"]
    found = one.completed({"repo": "AudioSep", "checkpoint": "a.ckpt"})
    assert found["checkpoint"] == str(tmp_path / "a.ckpt")
    assert found["config"] == str(tmp_path / "AudioSep" / "config" / "audiosep_base.yaml")
    with pytest.raises(UsageError, match="did you mean 'checkpoint'"):
        one.completed({"repo": "AudioSep", "chekpoint": "a.ckpt"})


def test_the_catalogue_is_whole() -> None:
    for name, one in PUBLISHED.items():
        assert one.name == name and one.worker.is_file() and SERVE.is_file()
        assert {"repo", "checkpoint"} <= set(one.options)
        assert one.card.url and one.card.trained_on and one.licence
        defaults = {o.default for n, o in one.options.items() if n == "config"}
        assert defaults <= set(one.repository_files)
