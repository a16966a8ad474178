"""Systems in another process: what arrives there, what comes back, and what was run."""

from __future__ import annotations

import json
import platform
import runpy
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lassbench import files
from lassbench.cards import SystemCard
from lassbench.errors import LassbenchError, UsageError
from lassbench.systems import finding, own_code
from lassbench.systems.processes import CommandSystem, WorkerSystem, commit_of
from lassbench.systems.published import PUBLISHED
from tests.systems.halver import HALF, MIXTURE, RATE, Make, asked, published

# ---------------------------------------------------------------------------
# What arrives, and what comes back
# ---------------------------------------------------------------------------

QUERIES = [
    *("a dog barks", "two 'quotes' and \"more\"", "$HOME `id` $(id)", "a; b & c | d > e"),
    *("a\nb\tc", "{estimate}", "{query}{mixture}", "-rf", "--text=x", "back\\slash"),
    *("鸟叫 é 🐦", "", "*", "%s"),
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reaches_a_command_as_one_argument_unchanged(query: str, repo: Path) -> None:
    (repo / "echo.py").write_text(
        "import json, shutil, sys\n"
        "json.dump(sys.argv[1:], open('argv.json', 'w'))\n"
        "shutil.copy(sys.argv[1], sys.argv[2])\n"
    )
    line = (
        f"command:{sys.executable} echo.py {{mixture}} {{estimate}} --seed={{seed}} "
        "{query} '--text={query}' {negative} {sample_rate} '{\"a\": {}}' {X} 'two words'"
    )
    system = CommandSystem(line)
    found = system.separate(MIXTURE, query, RATE, negative="{seed}", seed=7)
    system.close()
    np.testing.assert_array_equal(found, MIXTURE)
    after = json.loads((repo / "argv.json").read_text())[2:]
    braces = ['{"a": {}}', "{X}", "two words"]
    assert after == ["--seed=7", query, f"--text={query}", "{seed}", str(RATE), *braces]


def test_queries_reach_a_worker_unchanged_and_it_is_started_once(
    repo: Path, worker: Callable[..., WorkerSystem]
) -> None:
    system = worker(
        "def load(options):\n"
        "    log = open('log.txt', 'a')\n"
        "    print('loaded', options['checkpoint'], options['device'], file=log, flush=True)\n"
        "    def separate(mixture, query, negative):\n"
        "        print(ascii((query, negative)), file=log, flush=True)\n"
        "        return mixture / 2\n"
        "    return separate\n"
    )
    assert (system.ran_in, system.device) == ({}, "cpu")
    for query in QUERIES:
        found = system.separate(MIXTURE, query, RATE, negative=query[::-1])
        np.testing.assert_array_equal(found, MIXTURE / 2)
        assert found.dtype == np.float32
    log = (repo / "log.txt").read_text().splitlines()
    assert log == [
        f"loaded {repo / 'net.pt'} cpu",
        *(ascii((query, query[::-1])) for query in QUERIES),
    ]
    assert system.ran_in == {"python": platform.python_version(), "device": "cpu"}


@pytest.mark.parametrize("descriptor", [1, 2])
def test_whatever_is_printed_is_read_in_bounded_memory(
    own: Make, descriptor: int, repo: Path
) -> None:
    """Ten megabytes in lines, then one line of ten that holds what looks like answers."""
    system = own(
        HALF.replace(
            "    samples,",
            "    import os\n"
            "    for _ in range(100):\n"
            f"        os.write({descriptor}, b'chatter\\n' * 12500)\n"
            "    for _ in range(100):\n"
            f'        os.write({descriptor}, b\'no line end {{"lassbench": "done"}}\' * 2800)\n'
            f"    os.write({descriptor}, b'\\n')\n"
            "    samples,",
        )
    )
    tracemalloc.start()
    try:
        np.testing.assert_array_equal(asked(system), MIXTURE / 2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8e6


@pytest.mark.parametrize("samples", [1, RATE - 5, RATE + 700])
def test_another_length_is_handed_on(own: Make, samples: int) -> None:
    resized = HALF.replace("samples / 2", f"__import__('numpy').resize(samples / 2, {samples})")
    np.testing.assert_array_equal(asked(own(resized)), np.resize(MIXTURE / 2, samples))


def test_a_mixture_is_sent_as_it_is(own: Make) -> None:
    """Over full scale, and of every size of number that float32 has."""
    loud = np.array([3.0, -1e30, 1e-40, -0.0, 2.0**-149], dtype=np.float32)
    found = own(HALF.replace("samples / 2", "samples")).separate(loud, "q", RATE)
    np.testing.assert_array_equal(found, loud)


# ---------------------------------------------------------------------------
# A real command
# ---------------------------------------------------------------------------

#: Boll's spectral subtraction in its simplest form, as a gate.
GATE = '''
"""Keep what is louder than the query says, such as "louder than 20 dB below the peak"."""

import re
import sys

import numpy as np
import soundfile
from scipy.signal import istft, stft


def gate(mixture, query, rate):
    below_db = float(re.search(r"(\\d+) dB", query)[1])
    _, _, spectrum = stft(mixture, fs=rate, nperseg=512)
    magnitude = np.abs(spectrum)
    kept = magnitude >= magnitude.max() * 10 ** (-below_db / 20)
    _, estimate = istft(spectrum * kept, fs=rate, nperseg=512)
    return estimate[: len(mixture)].astype(np.float32)


if __name__ == "__main__":
    read, text, write = sys.argv[1:]
    samples, rate = soundfile.read(read, dtype="float32")
    soundfile.write(write, gate(samples, text, rate), rate, subtype="FLOAT")
'''


def test_a_spectral_gate_gives_the_same_here_and_there(repo: Path) -> None:
    (repo / "gate.py").write_text(GATE)
    gate = runpy.run_path(str(repo / "gate.py"))["gate"]
    tone = np.sin(2 * np.pi * 1000 / RATE * np.arange(RATE)).astype(np.float32) / 2
    noise = MIXTURE / 50
    line = f"command:{sys.executable} gate.py {{mixture}} {{query}} {{estimate}}"
    system = CommandSystem(line)
    for query in ("louder than 20 dB below the peak", "louder than 30 dB below the peak"):
        found = system.separate(tone + noise, query, RATE)
        np.testing.assert_array_equal(found, gate(tone + noise, query, RATE))
        # The tone's beginning and end are no tone to a frame that holds them.
        assert np.sum((found - tone)[512:-512] ** 2) < np.sum(noise[512:-512] ** 2) / 4
    system.close()
    assert system.card == SystemCard(name="gate", query_type="text")
    assert not system.accepts_negative
    assert not system.accepts_seed


# ---------------------------------------------------------------------------
# Before anything is started
# ---------------------------------------------------------------------------

GOOD = f"{sys.executable} x.py {{mixture}} {{estimate}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command:", "no {mixture}"),
        ("command:no-such-program {mixture} {estimate}", "program is not there"),
        ("command:X=1 python {mixture} {estimate}", "`env NAME=value program ...`"),
        ("command:./body.py {mixture} {estimate}", "cannot be run"),
        ("command:python 'x {mixture} {estimate}", "No closing quotation"),
        ("command:python {estimate}", "no {mixture}"),
        ("command:python {mixture} {query}", "no {estimate}"),
        (f"command:{GOOD} {{qurey}}", "did you mean '{query}'?"),
        (f"command:{GOOD} --rate={{samplerate}}", "did you mean '{sample_rate}'?"),
        (f"command:{GOOD} {{text}}", "unknown placeholder"),
    ],
)
def test_a_command_that_cannot_be_is_refused(text: str, said: str, repo: Path) -> None:
    with pytest.raises(UsageError) as caught:
        CommandSystem(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_a_time_limit_is_positive(timeout_s: float) -> None:
    with pytest.raises(UsageError, match="time limit"):
        CommandSystem(f"command:{GOOD}", timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"python": "/no/such/python"}, ["/no/such/python: no such interpreter"]),
        ({"python": "net.pt"}, ["net.pt: is not executable"]),
        ({"python": ""}, ["--python: the interpreter of its environment has to be named"]),
        ({"python": "."}, ["is bin/python"]),
        ({"options": {"repo": ".", "checkpoint": "net.p"}}, ["net.p: no such file: its weights"]),
        ({"options": {"repo": "x", "checkpoint": "net.pt"}}, ["x: no such folder: its checkout"]),
        ({"options": {"repo": "..", "checkpoint": "net.pt"}}, ["lacks body.py: its checkout"]),
        ({"options": {"repo": "."}}, ["--checkpoint PATH: is not named: its weights"]),
        ({"options": {"repo": ".", "chekpoint": "net.pt"}}, ["did you mean 'checkpoint'?"]),
        (
            {"python": "x", "options": {"repo": "y", "checkpoint": "z"}},
            ["x: no such interpreter", "y: no such folder", "z: no such file"],
        ),
    ],
)
def test_a_worker_that_cannot_be_is_refused(
    how: dict[str, Any], said: list[str], worker: Callable[..., WorkerSystem]
) -> None:
    with pytest.raises(UsageError) as caught:
        worker("", **how)
    assert all(one in str(caught.value) for one in said), caught.value


def test_a_nul_reaches_no_command(repo: Path) -> None:
    system = CommandSystem(f"command:{GOOD} {{query}}")
    with pytest.raises(LassbenchError, match="NUL"):
        asked(system, "a\0b")
    with pytest.raises(LassbenchError, match="could not be started"):
        asked(system, "x" * 10_000_000)
    system.close()


# ---------------------------------------------------------------------------
# What was run
# ---------------------------------------------------------------------------


def test_what_a_command_is_made_of_is_known(repo: Path) -> None:
    (repo / "x.py").write_text("pass")
    text = f"command:{GOOD} --net=net.pt --of={{query}}"
    before = CommandSystem(text).made_by
    assert before["system"] == text
    assert set(before["files"]) == {sys.executable, "x.py", "net.pt"}
    assert CommandSystem(text).made_by == before
    assert CommandSystem(text + " -v").made_by["sha256"] != before["sha256"]
    for name in ("x.py", "net.pt"):
        (repo / name).write_text("print()  # of " + name)
        after = CommandSystem(text).made_by
        assert after["sha256"] != before["sha256"]
        assert after["files"][name] != before["files"][name]
        before = after


@pytest.mark.parametrize(
    ("text", "name", "query_type"),
    [
        (f"{sys.executable} x.py {{mixture}} {{estimate}} net.pt", "x", "none"),
        ("env A=b python x.py {mixture} {query} {estimate}", "x", "text"),
        ("./run {mixture} {estimate} net.pt", "run", "none"),
    ],
)
def test_a_command_is_called_after_its_script(
    text: str, name: str, query_type: str, repo: Path
) -> None:
    (repo / "x.py").write_text("pass")
    (repo / "run").write_text("#!/bin/sh\n")
    (repo / "run").chmod(0o755)
    card = CommandSystem(text).card
    assert (card.name, card.query_type) == (name, query_type)


def test_what_a_worker_is_made_of_is_known(worker: Callable[..., WorkerSystem], repo: Path) -> None:
    system = worker("def load(options): ...")
    before = system.made_by
    assert before["system"] == "halver"
    assert before["arguments"] == {"repo": str(repo), "checkpoint": "net.pt", "device": "cpu"}
    assert list(before["files"]) == ["checkpoint", "repo"]
    assert "commit" not in before
    assert system.card == SystemCard(
        name="Halver", authors="A. Test", checkpoint_sha256=before["files"]["checkpoint"]
    )
    assert worker("def load(options): ...").made_by == before
    assert worker("def load(options): pass").made_by["sha256"] != before["sha256"]
    (repo / "net.pt").write_bytes(b"other weights")
    assert worker("def load(options): ...").made_by["files"] != before["files"]


def test_the_commit_of_a_repository_says_what_was_edited(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=A", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *who, *words], cwd=repo, check=True, capture_output=True, text=True
        ).stdout.strip()

    assert commit_of(repo) == ""
    git("init", "-q")
    assert commit_of(repo) == ""
    git("add", "body.py")
    git("commit", "-qm", "first")
    head = git("rev-parse", "HEAD")
    assert commit_of(repo) == head  # net.pt, which git does not know, is no edit
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    (repo / "body.py").write_text(HALF + "# one")
    one = commit_of(repo)
    (repo / "body.py").write_text(HALF + "# two")
    assert {one[: len(head) + 8], commit_of(repo)[: len(head) + 8]} == {f"{head}+edited."}
    assert one != commit_of(repo)
    (repo / "inner").mkdir()
    assert commit_of(repo / "inner") == ""  # the repository around it says nothing of it
    monkeypatch.setenv("PATH", "/nowhere")
    assert commit_of(repo) == ""


def test_a_repository_without_git_is_known_by_its_code_and_not_read_whole(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> str:
        assert path.suffix == ".py", f"{path} was read"
        return files.sha256_file(path)

    monkeypatch.setitem(PUBLISHED, "halver", published(repo / "body.py"))
    monkeypatch.setattr(own_code, "sha256_file", read)
    given = (("repo", str(repo)), ("checkpoint", str(repo / "net.pt")))
    with finding.find_system(finding.Asked("halver", given, python=sys.executable)) as system:
        before = system.made_by.files
    assert set(before) == {"checkpoint", "repo"}
    (repo / "body.py").write_text("def load(options): ...\n# edited\n")
    with finding.find_system(finding.Asked("halver", given, python=sys.executable)) as system:
        assert system.made_by.files["repo"] != before["repo"]
