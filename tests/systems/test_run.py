"""Running a system over a suite: in parts, in several processes, again, and after an edit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from lassbench import audio, output_folders
from lassbench.benchmark.mixtures import Rendered
from lassbench.cli import run
from lassbench.errors import LassbenchError
from lassbench.parallel import open_executor
from lassbench.records import Query
from lassbench.suites.suite import Suite
from lassbench.systems import predictions, sound_files
from lassbench.systems.builtin import OracleMask
from lassbench.systems.finding import Asked, as_system, find_system
from lassbench.systems.run import _piece_elsewhere, separate_suite
from tests.scores.by_hand import RATE, noise, write_by_hand
from tests.test_interrupted import START, tree

COUNT = 7
#: Its answer depends on the query, on what is to be left out, on its seed and on two files.
SYSTEM = """
import os
import numpy as np
import helper

where = {"host": os.environ.get("HOST", "here")}

class Mine:
    ran_in = where

    def __init__(self, weights="", gain: float = 1):
        self.gain = gain

    def separate(self, mixture, query, sample_rate, negative, seed):
        told = len(query) + 10 * len(negative) + seed % 7 + np.random.random()
        return helper.scale * self.gain * told * mixture
"""
AGAIN = "--overwrite to delete them and make all anew, or another -o"


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    pairs = [(noise(2 * n), noise(2 * n + 1)) for n in range(COUNT)]
    negatives = ["", "a dog", "rain", "", "x", "y", "a choir"]
    return write_by_hand(tmp_path_factory.mktemp("run") / "by-hand", pairs, negative=negatives)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a system in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("mine.py").write_text(SYSTEM)
    Path("helper.py").write_text("scale = 1\n")
    Path("unused.py").write_text("x = 1\n")
    Path("net.pt").write_text("weights\n")
    Path("weights").mkdir()
    Path("weights/a.pt").write_text("weights\n")
    return tmp_path


Told = tuple[int, str, str]


@pytest.fixture
def separate(suite: Suite, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """``lassbench separate mine.py --suite ... -o p`` and more: code, output, messages."""

    def call(*more: str, system: str = "mine.py", over: Path = suite.path, out: str = "p") -> Told:
        capsys.readouterr()
        code = run(["separate", system, "--suite", str(over), "-o", out, *more])
        told = capsys.readouterr()
        assert "Traceback (most recent call last)" not in told.err or told.err.count("  got:") == 1
        assert "lassbench/systems" not in told.err
        return code, told.out, told.err

    return call


def sounds(folder: str | Path) -> dict[str, str]:
    return {name: hashed for name, hashed in tree(Path(folder)).items() if name.endswith(".wav")}


def system_file(folder: str | Path) -> dict[str, object]:
    found = yaml.safe_load((Path(folder) / "system.yaml").read_text())
    assert isinstance(found, dict)
    return found


def edit(name: str) -> Callable[[], None]:
    return lambda: Path(name).write_text(Path(name).read_text() + "# edited\n") and None


# ---- again --------------------------------------------------------------------

GIVEN = ("--arg", "gain=2", "--arg", "weights=weights", "--checkpoint", "net.pt", "--seed", "1")

EDITS: dict[str, tuple[Callable[[], None], dict[str, str], str]] = {
    # what is done, which words of the command change, what is said of it
    "file": (edit("mine.py"), {}, "made by other code"),
    "beside": (edit("helper.py"), {}, "made by other code"),
    "weights": (edit("net.pt"), {}, "made with other files"),
    "in a folder": (edit("weights/a.pt"), {}, "made with other files"),
    "argument": (lambda: None, {"gain=2": "gain=3"}, "made with other arguments"),
    "seed": (lambda: None, {"1": "2"}, "made with another seed"),
    "name": (lambda: None, {"1": "1 --name Other"}, "made by another system"),
    "rate": (lambda: None, {"1": "1 --rate 16000"}, "made at another rate"),
    "negative": (lambda: None, {"1": "1 --no-negative"}, "made by another system"),
    "touched": (lambda: os.utime("helper.py", (1, 1)), {}, ""),
    "unused": (edit("unused.py"), {}, ""),
    "nothing": (lambda: None, {}, ""),
}


@pytest.mark.parametrize("case", EDITS)
def test_a_folder_holds_what_one_system_made(case: str, separate: Callable[..., Told]) -> None:
    change, words, said = EDITS[case]
    mine = Path("mine.py")
    mine.write_text(mine.read_text().replace('weights=""', 'weights="", checkpoint=""'))
    code, out, _ = separate(*GIVEN)
    assert (code, f"p: {COUNT} of {COUNT} queries by Mine: 0 kept, {COUNT} new" in out) == (0, True)
    before = tree(Path("p"))
    change()
    line = " ".join(words.get(word, word) for word in GIVEN).split()
    code, out, err = separate(*line)
    if not said:
        assert (code, f"{COUNT} kept, 0 new" in out) == (0, True), err
        assert tree(Path("p")) == before
        return
    assert (code, out) == (2, "")
    assert f"p: this folder holds predictions {said}\n" in err
    assert err.endswith(f"  to do:    {AGAIN}\n")
    assert len(err.splitlines()) == 4
    assert tree(Path("p")) == before
    code, out, _ = separate(*line, "--overwrite")
    assert (code, f"0 kept, {COUNT} new" in out) == (0, True)
    assert tree(Path("p"))["system.yaml"] != before["system.yaml"]
    assert separate(*line)[0] == 0


def test_folders_that_are_anothers_are_refused(
    separate: Callable[..., Told], suite: Suite, tmp_path: Path
) -> None:
    other = write_by_hand(tmp_path / "other-suite", [(noise(1), noise(2))])
    assert separate(over=other.path)[0] == 0
    cases = [("for another suite", "p")]
    for name, content in (("foreign", "name: Mine\n"), ("stranger", "name: Net\n")):
        Path(name).mkdir()
        Path(name, "system.yaml").write_text(content)
        Path(name, "q0.wav").touch()
        cases.append(("for another suite", name))
    fingerprint = f"suite: {{fingerprint: '{suite.fingerprint}'}}\n"
    Path("foreign/system.yaml").write_text(f"name: Mine\n{fingerprint}")
    cases[1] = ("that do not say what made them", "foreign")
    for words, folder in cases:
        code, out, err = separate(out=folder)
        assert (code, out, f"predictions {words}" in err, AGAIN in err) == (2, "", True, True), err
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("x")
    for more in ((), ("--overwrite",)):
        code, _, err = separate(*more, out="mine")
        assert (code, "holds other files" in err, {*tree(Path("mine"))}) == (
            2,
            True,
            {"thesis.txt"},
        )
    # What a killed run left of its first file is nobody's.
    Path("left").mkdir()
    Path("left/.system.yaml.999999999-abcdef.part").write_text("name")
    assert separate(out="left")[0] == 0


def test_overwriting_deletes_the_old_estimates_and_until_then_they_are_what_they_say(
    separate: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    separate()
    old = tree(Path("p"))
    Path("p/notes.txt").write_text("x")
    Path("p/more.wav").mkdir()
    Path("p/q1.wav").rename("p/q1.flac")
    edit("helper.py")()
    unlink, deleted = Path.unlink, []

    def two(path: Path, missing_ok: bool = False) -> None:
        if path.suffix in (".wav", ".flac", ".yaml") and path.parent.name == "p":
            if len(deleted) == 2:
                raise KeyboardInterrupt
            deleted.append(path.name)
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", two)
        assert separate("--overwrite")[0] == 130
    left = tree(Path("p"))
    assert left["system.yaml"] == old["system.yaml"]
    assert len(sounds("p")) + len(list(Path("p").glob("*.flac"))) == COUNT - 2 + 1
    code, _, err = separate()
    assert (code, "made by other code" in err) == (2, True)
    assert separate("--overwrite")[0] == 0
    assert {*tree(Path("p"))} == {*old, "notes.txt", "more.wav"}
    assert separate("--overwrite", "--shard", "1/2")[0] == 2


def test_a_resumed_run_makes_anew_what_scoring_would_refuse(suite: Suite) -> None:
    asked: list[str] = []

    def separate(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
        asked.append(query)
        return -mixture

    folder = Path("p")
    separate_suite(separate, suite, folder, limit=3)
    ran = separate_suite(separate, suite, folder)
    assert (ran.kept, ran.new) == (3, COUNT - 3)
    assert asked == [query.text for query in suite.queries.values()]
    paths = sorted(folder.glob("*.wav"))
    x = np.full(suite.samples, 0.1, "f4")
    soundfile.write(paths[0], x, RATE, format="MP3")
    soundfile.write(paths[1], x, RATE, subtype="ULAW")
    soundfile.write(paths[2], x, 2 * RATE)
    soundfile.write(paths[3], np.stack([x, x], axis=1), RATE)
    paths[4].write_bytes(paths[4].read_bytes()[:-100])
    paths[5].unlink()
    ran = separate_suite(separate, suite, folder)
    assert (ran.kept, ran.new, len(asked)) == (1, 6, COUNT + 6)
    assert predictions.check(folder, suite)[1] == []
    assert ran.system.cost.real_time_factor is not None


def test_where_it_ran_is_said_of_every_place_and_the_cost_is_kept(
    separate: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    early = 'assert (where["host"], query[-1]) != ("early", "3")'
    Path("mine.py").write_text(SYSTEM.replace("        told", f"        {early}\n        told"))
    for host in ("one", "two", "one", "three"):
        monkeypatch.setenv("HOST", host)
        limit = {"one": "2", "two": "5"}.get(host, str(COUNT))
        assert separate("--limit", limit)[0] == 0
        said = system_file("p")
        assert "real_time_factor" in said["cost"]  # type: ignore[operator]
        if host == "one":  # what ends early elsewhere takes no cost away
            monkeypatch.setenv("HOST", "early")
            assert separate("--limit", "5")[0] in (0, 1)
            assert system_file("p")["cost"] == said["cost"]
    hosts = [one["host"] for one in said["made_by"]["environments"]]  # type: ignore[index]
    assert hosts == ["one", "early", "two", "three"]
    before = tree(Path("p"))
    assert separate()[0] == 0
    assert tree(Path("p")) == before


# ---- in parts -----------------------------------------------------------------


def test_shards_are_disjoint_and_together_the_whole(separate: Callable[..., Told]) -> None:
    separate("--seed", "3", out="whole")
    seen: set[str] = set()
    for n in (3, 1, 2):
        code, out, _ = separate("--seed", "3", "--shard", f"{n}/3", out="parts")
        made = {*sounds("parts")} - seen
        assert (code, f"0 kept, {len(made)} new" in out, bool(made)) == (0, True, True)
        seen |= made
    assert sounds("parts") == sounds("whole")
    assert len(seen) == COUNT
    assert separate("--seed", "3", "--shard", "2/2", out="parts")[1].count(" 0 new") == 1
    for limit in (2, 4):
        code, out, _ = separate("--limit", str(limit), out="first")
        assert [*sorted(sounds("first"))] == [f"q{n}.wav" for n in range(limit)]
    assert (code, "2 kept, 2 new" in out) == (0, True)
    # Other seeds, other answers: what is compared above is not nothing.
    separate("--seed", "4", out="other")
    assert not sounds("other").items() & sounds("whole").items()


def start(suite: Suite, *more: str, **variables: str) -> subprocess.Popen[str]:
    line = ["separate", "mine.py", "--suite", str(suite.path), "-o", "p", *more]
    return subprocess.Popen(
        [sys.executable, "-c", START, *line],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_shards_at_once_in_one_folder(suite: Suite, separate: Callable[..., Told]) -> None:
    both = 'all(os.path.exists("started-" + host) for host in "ab")'
    steps = ['pathlib.Path("started-" + where["host"]).touch()', f"while not {both}: pass"]
    text = SYSTEM.replace("import os", "import os, pathlib")
    lines = "".join(f"        {step}\n" for step in steps)
    Path("mine.py").write_text(text.replace("        told", f"{lines}        told"))
    running = [start(suite, "--shard", f"{n}/2", HOST=host) for n, host in ((1, "a"), (2, "b"))]
    told = [one.communicate() for one in running]
    assert [one.returncode for one in running] == [0, 0], told
    assert {*sounds("p")} == {f"q{n}.wav" for n in range(COUNT)}
    environments = system_file("p")["made_by"]["environments"]  # type: ignore[index]
    assert sorted(one["host"] for one in environments) == ["a", "b"]
    # One shard twice at once is a mistake; and so is the whole twice.
    for name, more in ((".1-of-2.lock", ("--shard", "1/2")), (".lock", ())):
        with output_folders.folder_lock(Path("p"), what="the prediction folder", name=name):
            code, out, err = separate(*more)
        assert (code, out, f"is in use by process {os.getpid()}" in err) == (1, "", True)


# ---- in several processes -----------------------------------------------------


def test_processes_give_the_same_bytes(separate: Callable[..., Told]) -> None:
    assert separate("--seed", "3", out="one")[0] == 0
    code, out, _ = separate("--seed", "3", "--workers", "2", out="two")
    assert (code, f"0 kept, {COUNT} new" in out) == (0, True)
    assert sounds("two") == sounds("one")
    assert system_file("two")["made_by"] == system_file("one")["made_by"]


def test_a_cluster_gives_the_same_bytes_and_after_an_edit_the_new_ones(
    separate: Callable[..., Told], tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    separate("--seed", "3", out="one")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        local_directory=str(tmp_path / "dask"),
    ) as cluster:
        there = ("--seed", "3", "--scheduler", cluster.scheduler_address)
        assert separate(*there)[0] == 0
        assert sounds("p") == sounds("one")
        Path("helper.py").write_text("scale = 20\n")
        assert separate(*there)[0] == 2
        code, _, err = separate(*there, "--overwrite")
        assert code == 0, err
    assert separate("--seed", "3", "--overwrite", out="one")[0] == 0
    assert sounds("p") == sounds("one")


def test_a_worker_with_other_code_is_refused(separate: Callable[..., Told]) -> None:
    there = "import multiprocessing\nif multiprocessing.parent_process():\n    import unused\n"
    Path("mine.py").write_text(there + SYSTEM)
    code, out, err = separate("--workers", "2")
    assert (code, out, sounds("p")) == (1, "", {})
    assert "a worker has other code than this process" in err
    assert "give every machine the same files" in err


def test_a_worker_with_another_suite_is_refused(tmp_path: Path) -> None:
    suite = write_by_hand(tmp_path / "s", [(noise(0), noise(1))])
    write_by_hand(tmp_path / "s", [(noise(2), noise(3))])
    system = find_system(asked := Asked("mine.py"))
    with (
        open_executor(2) as executor,
        pytest.raises(LassbenchError, match="a worker has another suite") as caught,
    ):
        separate_suite(system, suite, Path("p"), executor=executor, asked=asked)
    assert suite.fingerprint in str(caught.value)
    assert not sounds("p")


def test_what_fails_in_a_worker_is_told_as_here(separate: Callable[..., Told]) -> None:
    Path("mine.py").write_text(SYSTEM.replace("told = len", 'assert query[-1] != "5"; told = len'))
    said = []
    for workers in ("1", "2"):
        code, out, err = separate("--workers", workers, out=f"p{workers}")
        assert (code, out) == (1, "")
        assert "q5: Mine failed\n  got:      AssertionError" in err
        assert 'assert query[-1] != "5"' in err
        made = len(sounds(f"p{workers}"))
        line = f"p{workers}: {made} of {COUNT} queries are done and kept: the same command goes on"
        assert line in err
        said.append(made)
    assert (said[0], said[1] <= 5) == (5, True)


# ---- interrupted --------------------------------------------------------------


def test_an_interrupted_run_says_how_to_go_on_and_goes_on(suite: Suite) -> None:
    wait = 'while query[-1] == "3" and not os.path.exists("go"): time.sleep(0.01)'
    text = SYSTEM.replace("import os", "import os, time")
    Path("mine.py").write_text(text.replace("        told", f"        {wait}\n        told"))
    process = start(suite, "--seed", "3")
    while process.poll() is None and len(list(Path("p").glob("q?.wav"))) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert f"p: 3 of {COUNT} queries are done and kept: the same command goes on from there" in err
    assert "Traceback" not in err
    assert {*tree(Path("p"))} == {"q0.wav", "q1.wav", "q2.wav", "system.yaml"}
    first = sounds("p")
    Path("go").touch()
    process = start(suite, "--seed", "3")
    out, err = process.communicate()
    assert (process.returncode, f"3 kept, {COUNT - 3} new" in out) == (0, True), err
    assert first.items() < sounds("p").items()
    assert out.count("\n") == 1


# ---- one file, and the oracle -------------------------------------------------


@pytest.mark.parametrize("system", ["mixture", "mine.py"])
def test_a_file_is_separated_into_the_working_folder(
    place: Path, system: str, capsys: pytest.CaptureFixture[str]
) -> None:
    away = place / "recordings"
    away.mkdir()
    audio.write_wav_float(away / "two dogs.m.wav", noise(0), RATE)
    assert run(["separate", system, str(away / "two dogs.m.wav"), "--query", "a dog"]) == 0
    assert capsys.readouterr().out == "two dogs.m.separated.wav\n"
    assert soundfile.info(place / "two dogs.m.separated.wav").frames == noise(0).size
    assert {*tree(away)} == {"two dogs.m.wav"}


def test_a_recordings_negative_query() -> None:
    audio.write_wav_float(Path("in.wav"), noise(0), RATE)
    asked: list[tuple[str, ...]] = []

    def told(mixture: np.ndarray, query: str, sample_rate: int, negative: str) -> np.ndarray:
        asked.append((query, negative))
        return mixture

    system = as_system(told).at(RATE)
    where = Path("in.wav"), Path("out.wav")
    sound_files.separate_file(system, *where, query="a dog")
    sound_files.separate_file(system, *where, query="a dog", negative="rain")
    assert asked == [("a dog", ""), ("a dog", "rain")]
    line = ["separate", "mixture", "in.wav", "--query", "a dog", "--negative", "rain"]
    assert run(line) == 2


def test_the_oracle_mask_recovers_disjoint_spectra() -> None:
    seconds = np.arange(16000) / 8000
    target = (0.5 * np.sin(2 * np.pi * 500 * seconds)).astype(np.float32)
    interference = (0.5 * np.sin(2 * np.pi * 3000 * seconds)).astype(np.float32)
    rendered = Rendered(target + interference, target, interference)
    estimate = as_system(OracleMask).oracle_answer(rendered, Query("q", "m", "low tone"), 8000)
    error = np.sum((estimate - target)[512:-512] ** 2) / np.sum(target**2)
    assert 10 * np.log10(error) < -40
    absent = OracleMask().separate_oracle(rendered, Query("q", "m", "x", expects="silence"), 8000)
    assert not absent.any()


def test_a_users_oracle_is_heard_too_and_needs_references(
    separate: Callable[..., Told], suite: Suite, tmp_path: Path
) -> None:
    Path("best.py").write_text(
        "class Best:\n  def separate_oracle(self, rendered, query, sample_rate):\n"
        "    return rendered.target / int(query.query_id != 'q4') ** -1\n"
    )
    code, _, err = separate(system="best.py")
    assert (code, "q4: Best failed" in err, "ZeroDivisionError" in err) == (1, True, True)
    assert f"4 of {COUNT} queries are done and kept" in err
    target = noise(0)
    np.testing.assert_array_equal(soundfile.read("p/q0.wav", dtype="float32")[0], target)
    real = write_by_hand(tmp_path / "real", [(noise(0), noise(1))], kind="unreferenced")
    code, out, err = separate(system="best.py", over=real.path, out="none")
    assert (code, out, "needs the true sources" in err) == (2, "", True)
    assert not Path("none").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["x.wav", "--query", "a dog", "--limit", "3"], "--limit is for --suite"),
        (["x.wav", "--query", "a dog", "--shard", "1/2"], "--shard is for --suite"),
        (["x.wav", "--query", "a dog", "--overwrite"], "--overwrite is for --suite"),
        (["--suite", "s", "--query", "a dog"], "--query is for FILE"),
        (["--suite", "s", "--negative", "rain"], "--negative is for FILE"),
    ],
)
def test_an_option_that_nothing_would_heed_is_refused(
    given: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["separate", "mixture", *given]) == 2
    assert words in capsys.readouterr().err


# ---- what users do to themselves ---------------------------------------------------


def test_a_card_without_estimates_holds_nobody_up(
    separate: Callable[..., Told], suite: Suite
) -> None:
    Path("mine.py").write_text(
        SYSTEM.replace("        told", "        told = nothing\n        told")
    )
    code, _, err = separate()
    assert (code, "NameError" in err, "kept" in err) == (1, True, False)
    assert [path.name for path in Path("p").iterdir()] == ["system.yaml"]
    Path("mine.py").write_text(SYSTEM)
    code, out, _ = separate()
    assert (code, f"0 kept, {COUNT} new" in out) == (0, True)


def test_what_was_there_stands_until_the_new_system_has_answered(
    separate: Callable[..., Told],
) -> None:
    assert separate()[0] == 0
    before = tree(Path("p"))
    Path("mine.py").write_text(
        SYSTEM.replace("        told", "        told = nothing\n        told")
    )
    assert separate("--overwrite")[0] == 1
    assert tree(Path("p")) == before
    Path("mine.py").write_text(SYSTEM.replace("self.gain *", "2 * self.gain *"))
    assert separate("--overwrite", "--limit", "2")[0] == 0
    assert {*sounds("p")} == {"q0.wav", "q1.wav"}


@pytest.mark.parametrize("first", [(), ("--shard", "1/2")])
def test_a_whole_run_and_a_shard_do_not_write_at_once(
    suite: Suite, separate: Callable[..., Told], first: tuple[str, ...]
) -> None:
    second = ("--overwrite",) if first else ("--shard", "2/2")
    step = 'os.path.exists("go") or (open("started", "w"), time.sleep(0.01), self.separate(*words))'
    text = SYSTEM.replace("import os", "import os, time")
    text = text.replace(
        "        told",
        f"        words = mixture, query, sample_rate, negative, seed\n        {step}\n"
        "        told",
    )
    Path("mine.py").write_text(text)
    running = start(suite, *first)
    try:
        while not Path("started").exists():
            assert running.poll() is None
        code, out, err = separate(*second)
        assert (code, out, "the prediction folder is in use by process" in err) == (1, "", True)
        assert "goes on" not in err
    finally:
        Path("go").touch()
        told = running.communicate()
    assert running.returncode == 0, told


@pytest.mark.parametrize("when", ["import", "init", "separate"])
def test_a_system_that_moves_takes_nobody_with_it(separate: Callable[..., Told], when: str) -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/gain.txt").write_text("0.5")
    move = 'os.chdir("elsewhere")'
    read = 'float(open("gain.txt").read()) *'
    text = SYSTEM.replace("helper.scale *", read)
    if when == "import":
        text = text.replace("class Mine", f"{move}\nclass Mine")
    elif when == "init":
        text = text.replace("        self.gain = gain", f"        self.gain = gain\n        {move}")
    else:
        text = text.replace(
            "        told", f'        os.path.exists("elsewhere") and {move}\n        told'
        )
    Path("mine.py").write_text(text)
    assert separate("--seed", "3")[0] == 0
    assert len(sounds("p")) == COUNT
    before = sounds("p")
    assert separate("--seed", "3", out="again")[0] == 0
    assert sounds("again") == before


def test_one_warning_of_length_from_several_processes(
    separate: Callable[..., Told],
) -> None:
    Path("mine.py").write_text(SYSTEM.replace("* mixture", "* mixture[:-1]"))
    code, _, err = separate("--workers", "2")
    assert (code, err.count("cut, or padded with silence")) == (0, 1)
    assert "LassbenchWarning" not in err


@pytest.mark.parametrize(
    "given",
    [
        ("--batch-size", "0"),
        ("--batch-size", "-3"),
        ("--workers", "0"),
        ("--seed", "-1"),
        ("--seed", "9" * 30),
    ],
)
def test_numbers_that_cannot_be(separate: Callable[..., Told], given: tuple[str, ...]) -> None:
    code, out, err = separate(*given)
    assert (code, out) == (2, "")
    assert given[0] in err
    assert not Path("p").exists()


def test_a_worker_that_stands_elsewhere_finds_what_is_meant(
    suite: Suite, separate: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert separate("--seed", "3", "--limit", "2")[0] == 0
    here, asked = Path.cwd(), Asked("mine.py", seed=3)
    ids = list(suite.queries)[:2]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    told = {"made_by": "x", "suite": (suite.path.resolve(), suite.fingerprint), "batch_size": 1}
    piece = _piece_elsewhere(ids, asked=asked, folder=here, **told)
    for query_id, samples in piece.answers:
        made = audio.decode(here / "p" / f"{query_id}.wav").samples
        np.testing.assert_array_equal(samples, made)
    assert Path.cwd() == tmp_path / "elsewhere"
    with pytest.raises(LassbenchError, match="does not have the folder"):
        _piece_elsewhere(ids, asked=asked, folder=here / "gone", **told)


def test_what_the_users_code_warns_of_is_shown_where_it_runs(suite: Suite) -> None:
    text = SYSTEM.replace("import os", "import os, warnings")
    text = text.replace("        told", '        warnings.warn("their own")\n        told')
    Path("mine.py").write_text(text.replace("* mixture", "* mixture[:-1]"))
    with warnings.catch_warnings(record=True) as heard:
        piece = _piece_elsewhere(
            list(suite.queries)[:1],
            asked=Asked("mine.py"),
            made_by="y",
            suite=(suite.path.resolve(), suite.fingerprint),
            folder=Path.cwd(),
            batch_size=1,
        )
    assert [str(one.message) for one in heard] == ["their own"]
    assert [one.count("padded with silence") for one in piece.warnings] == [1]
