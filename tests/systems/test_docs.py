"""The page on systems: examples run as it says, commands parse, tables are the code's."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from lassbench.cards import SystemCard
from lassbench.cli import root, run
from lassbench.corpora.synthetic import SyntheticCorpus
from lassbench.dataset import open_dataset
from lassbench.dataset.build import build
from lassbench.errors import LassbenchError
from lassbench.resampling import resample
from lassbench.scores.score import evaluate
from lassbench.suites import freezing
from lassbench.suites.suite import Suite, load_suite
from lassbench.systems.predictions import read_system
from lassbench.systems.protocol import Declared
from lassbench.systems.published import PUBLISHED

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
RATE = 32000
#: Of the sounds of the list of mixtures that the page shows.
HZ = {"dog": 1000, "engine": 100, "bird": 5000}

Samples = NDArray[np.float32]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


SOURCES = {code.split("\n")[0].removeprefix("# "): code for code in blocks("python")}
COMMANDS = [line.strip() for line in PAGE.splitlines() if line.startswith("    lassbench ")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the page's commands take: suite, sources, weights, sounds."""
    folder = tmp_path_factory.mktemp("docs")
    corpus = SyntheticCorpus(clips_per_concept=(1, 1, 1), sample_rate_hz=RATE, seconds=3.0)
    build(corpus, folder / "esc10")
    plan = freezing.plan_separation(open_dataset(folder / "esc10"), noises=1)
    freezing.freeze(plan, open_dataset(folder / "esc10"), folder / "esc10/suites/esc10-test")
    for name, code in SOURCES.items():
        (folder / name).write_text(code)
    # Every word has the logit of 3/4, at every frequency.
    gains = torch.full((1000, 513), float(np.log(3)))
    torch.save({"gains.weight": gains}, folder / "net.pt")
    (folder / "yard.csv").write_text(*blocks("csv"))
    (folder / "sounds").mkdir()
    for name in ("dog", "bird"):
        sounds = [np.sin(2 * np.pi * hz * np.arange(RATE) / RATE) / 5 for hz in HZ.values()]
        soundfile.write(folder / f"sounds/{name}.wav", sounds[list(HZ).index(name)], RATE, "FLOAT")
    soundfile.write(folder / "sounds/yard.wav", sum(sounds), RATE, "FLOAT")
    soundfile.write(folder / "street.mp3", 0.1 * np.sin(np.arange(RATE)), RATE)
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a copy of :func:`made`, where ``python`` is this interpreter."""
    shutil.copytree(made, tmp_path / "here")
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


# ---------------------------------------------------------------------------
# Every example does what it says
# ---------------------------------------------------------------------------


def times(gain: float) -> Callable[[Samples, Samples], None]:
    def check(mixture: Samples, estimate: Samples) -> None:
        np.testing.assert_allclose(estimate, gain * mixture, atol=2e-6)

    return check


def high_pass(mixture: Samples, estimate: Samples) -> None:
    hz = np.fft.rfftfreq(mixture.size, 1 / RATE)
    kept, left = np.fft.rfft(estimate), np.fft.rfft(mixture - estimate)
    assert abs(kept[hz < 200]).max() < 1e-3 and abs(left[hz >= 200]).max() < 1e-3
    assert abs(left).max() > 0.01


def at_16_khz(gain: float) -> Callable[[Samples, Samples], None]:
    def check(mixture: Samples, estimate: Samples) -> None:
        there = resample(mixture, RATE, 16000)
        np.testing.assert_allclose(estimate, gain * resample(there, 16000, RATE), atol=2e-6)

    return check


def bands(*gains: dict[str, float]) -> Callable[[Samples, Samples], None]:
    """The answer to each of the list's queries: a gain for each sound."""
    expected = iter(gains)

    def check(mixture: Samples, estimate: Samples) -> None:
        heard = abs(np.fft.rfft(estimate)) / abs(np.fft.rfft(mixture))
        assert {name: round(float(heard[hz]), 3) for name, hz in HZ.items()} == next(expected)

    return check


#: What a command of the page writes -> what its estimates have to be.
EXPECTED: dict[str, Callable[[Samples, Samples], None]] = {
    "predictions/mine": times(0.5),
    "predictions/half": times(0.5),
    "predictions/net": times(0.75),
    "predictions/net-cpu": times(0.75),
    "predictions/high-pass": high_pass,
    "predictions/codec": at_16_khz(1),
    "predictions/infer": at_16_khz(0.5),
    "predictions/bands": bands(
        {"dog": 1, "engine": 0, "bird": 0.5}, {"dog": 0, "engine": 0.5, "bird": 1}
    ),
    "predictions/bands-without": bands(
        {"dog": 1, "engine": 0.5, "bird": 0.5}, {"dog": 0.5, "engine": 0.5, "bird": 1}
    ),
}

RUNNING = [
    line
    for line in COMMANDS
    if re.search(r"separate ('command:|my_).* --suite", line) and "HOST" not in line
]


@pytest.mark.parametrize("line", RUNNING)
def test_a_command_of_the_page_does_what_it_says(line: str, place: Path) -> None:
    words = shlex.split(line)[1:]
    if "yard" in words:
        (importing,) = (other for other in COMMANDS if "import-suite" in other)
        assert run(shlex.split(importing)[1:]) == 0
    assert run(words) == 0
    suite, out = load_suite(Path(words[words.index("--suite") + 1])), words[words.index("-o") + 1]
    answers = sorted((place / out).glob("*.wav"))
    assert len(answers) == len(suite.queries) or "--shard" in words
    for path in answers:
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == RATE
        EXPECTED[out](suite.mixture_samples(suite.queries[path.stem].mixture_id), samples)
    assert answers


def test_the_net_of_the_page_reads_the_query(place: Path) -> None:
    torch.manual_seed(0)
    torch.save({"gains.weight": torch.randn(1000, 513)}, "net.pt")
    system = runpy.run_path("my_net.py")["MyNet"](checkpoint="net.pt")
    mixture = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    one, same, other = (
        system.separate(mixture, query, RATE).numpy()
        for query in ("a dog barks", "barks a dog", "rain falls")
    )
    np.testing.assert_allclose(one, same, atol=1e-6)
    assert abs(one - other).max() > 0.1


def test_a_recording_is_separated(place: Path) -> None:
    for line in (line for line in COMMANDS if "street.mp3" in line):
        assert run(shlex.split(line)[1:]) == 0
    heard, rate = soundfile.read("street.mp3", dtype="float32")
    np.testing.assert_allclose(soundfile.read("dog.wav")[0], 0.75 * heard, atol=1e-4)
    # A dog is wanted and an engine is not: what lies elsewhere is halved.
    found, given = (np.fft.rfft(x) for x in (soundfile.read("street.separated.wav")[0], heard))
    frequencies = np.fft.rfftfreq(len(heard), 1 / rate)
    for low, high, gain in ((30, 250, 0.0), (350, 1900, 1.0), (2100, 3000, 0.5)):
        band = (low <= frequencies) & (frequencies < high)
        left = np.linalg.norm((found - gain * given)[band]) / np.linalg.norm(given[band])
        assert left < 0.1  # 16 bits, and a resampler's edges


def test_the_program_runs(place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    line = [sys.executable, "in_python.py"]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=True)
    # Half the mixture has the mixture's SI-SDR.
    assert float(done.stdout) == pytest.approx(0, abs=1e-5)
    suite = load_suite(place / "esc10")
    assert len(list((place / "predictions/from-python").glob("*.wav"))) == len(suite.queries)


# ---------------------------------------------------------------------------
# What is written, and run again
# ---------------------------------------------------------------------------


def keys(value: Any) -> Any:
    """What a file says, without what differs from run to run."""
    if isinstance(value, dict):
        return {name: keys(one) for name, one in value.items()}
    return [keys(one) for one in value] if isinstance(value, list | tuple) else type(value)


def test_the_system_yaml_of_the_page_is_one(place: Path) -> None:
    (text,) = blocks("yaml")
    (place / "shown").mkdir()
    (place / "shown" / "system.yaml").write_text(text)
    line = next(line for line in COMMANDS if "my_net.py:MyNet" in line)
    assert run(shlex.split(line)[1:]) == 0
    shown, made = read_system(place / "shown"), read_system(place / "predictions/net")
    assert shown.card == made.card
    assert shown.suite.path == made.suite.path
    assert shown.made_by is not None and made.made_by is not None
    assert shown.made_by.arguments == made.made_by.arguments
    assert shown.made_by.sha256 == made.made_by.sha256, "run my_net.py again and show what it wrote"
    shape = keys(shown.model_dump(exclude_defaults=True))
    assert shape == keys(made.model_dump(exclude_defaults=True))


def test_run_again_as_the_page_says(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = next(line for line in COMMANDS if "predictions/half" in line)
    words = shlex.split(line)[1:]

    def said(code: int, *more: str) -> str:
        assert run([*words, *more]) == code
        found = capsys.readouterr()
        return found.out + found.err

    assert "0 kept, 3 new" in said(0, "--limit", "3")
    assert "3 kept, 7 new" in said(0)
    assert "10 kept, 0 new" in said(0)
    (place / "my_system.py").write_text(SOURCES["my_system.py"] + "\n# edited\n")
    refused = re.search(r"refused: `(.*?)`", PAGE)
    assert refused and refused[1] in said(2)
    assert "0 kept, 10 new" in said(0, "--overwrite")


# ---------------------------------------------------------------------------
# What is refused
# ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def suite(made: Path) -> Suite:
    return load_suite(made / "esc10")


_SECTION = PAGE.split("## What is refused")[1].split("\n## ")[0]
ANSWERS = re.findall(r"^\| `(.*)` \| (.*) \|$", _SECTION, re.MULTILINE)


@pytest.mark.parametrize(("code", "said"), ANSWERS)
def test_an_answer_is_refused_as_the_page_says(code: str, said: str, suite: Suite) -> None:
    answer = eval(f"lambda mixture, query, sample_rate: {code}", {"np": np})
    with pytest.raises(LassbenchError) as caught:
        evaluate(answer, suite)
    shown = re.sub(r"\(2, \d+\)", f"(2, {suite.samples})", said)
    assert shown in str(caught.value) and next(iter(suite.queries)) in str(caught.value)


def test_an_exception_is_shown_as_the_page_says(
    place: Path, suite: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["separate", "my_wrong.py", "--suite", "esc10", "-o", "predictions/wrong"]) == 1
    (text,) = blocks("text")
    query = next(iter(suite.queries.values()))
    for shown, here in (
        ("esc10-test-0001", query.query_id),
        ("'a baby whimpers and then cries'", repr(query.text)),
        ("/home/you/my_wrong.py", str(place / "my_wrong.py")),
    ):
        assert shown in text
        text = text.replace(shown, here)
    assert text in capsys.readouterr().err


# ---------------------------------------------------------------------------
# Commands and tables
# ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page", ["README.md", "docs/suites.md", "docs/systems.md", "leaderboard/SUBMITTING.md"]
)
def test_every_command_of_a_page_parses(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^(?:    )?(lassbench .*)$|`(lassbench [^`]+)`", text, re.MULTILINE)
    faults = []
    for line in map("".join, lines):
        _, *words = shlex.split(line.replace("FORMAT", "triples"), comments=True)
        context, command = click.Context(root), root
        while isinstance(command, click.Group) and words:
            command, context = command.get_command(context, words.pop(0)), click.Context(command)
        try:
            # A verb alone is the mention of it.
            command.make_context("", words) if words else command.name
        except (AttributeError, click.ClickException) as error:
            faults.append(f"{line}: {error}")
    assert lines and not faults


def test_the_page_has_the_commands_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["systems", "--markdown"]) == 0
    assert capsys.readouterr().out in PAGE


def test_the_page_installs_what_the_catalogue_says() -> None:
    installed = dict(re.findall(r"^    envs/(\S+)/bin/python -m pip install (.*)$", PAGE, re.M))
    assert set(installed) == {one.name for one in PUBLISHED.values()} - {"audiosep-hive"}
    for name, words in installed.items():
        wanted = PUBLISHED[name].packages.items()
        assert sorted(words.split()) == sorted("==".join([one, *of[:1]]) for one, of in wanted)
    assert PUBLISHED["audiosep-hive"].packages == PUBLISHED["audiosep"].packages


def test_the_page_names_every_key_of_the_protocol() -> None:
    table = PAGE.split("## Your own")[1].split("### ")[0]
    named = set(re.findall(r"`(\w+)", table))
    assert {*Declared.model_fields, *SystemCard.model_fields, "close"} <= named
