"""``lassbench score`` and ``lassbench compare`` as they are typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lassbench import audio
from lassbench.cli import root, run
from lassbench.cli.score import command
from lassbench.metrics.clap import DEFAULT_MODEL
from lassbench.scores.rows import METRICS, metric_named
from lassbench.scores.score import evaluate
from lassbench.scores.score_file import read_scores
from lassbench.scores.summary import Summary, mean_over_runs, spread_of_runs
from lassbench.suites.suite import Suite, load_suite
from lassbench.systems.predictions import SystemFile, write_system
from lassbench.systems.run import separate_suite
from tests.scores.by_hand import RATE, SAMPLES, FakeClap, muffled, noise, write_by_hand

CARDS = {
    "a": SystemFile(name="Net"),
    "b": SystemFile(name="Net"),
    "c": SystemFile(name="nET"),
    "d": SystemFile(name="Other"),
}


@pytest.fixture
def four(here: Path) -> Suite:
    """A suite of four queries, and folders ``a`` ... ``d`` that answer it, each in its way."""
    suite = write_by_hand(here / "suite", [(noise(2 * n), noise(2 * n + 1)) for n in range(4)])
    for number, (folder, card) in enumerate(CARDS.items()):
        gain = np.float32(0.1 * number)
        separate_suite(
            lambda x, q, r, g=gain: x + g * np.roll(x, 1),
            suite,
            Path(folder),
        )
        write_system(Path(folder), card)
    return suite


def score(*words: str, code: int = 0) -> None:
    assert run(["score", *words, "--suite", "suite", "--workers", "1"]) == code


def listing(folder: str = "scores") -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in sorted(Path(folder).rglob("*.score.*"))}


# --- names ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("a", "b"), "two of these folders would have one score file"),
        (("a", "c"), "Net and nET"),
        (("a", "b", "--name", "x"), "expected: 2: one for all runs"),
        (("a", "b", "--runs", "--name", "x", "--name", "y"), "expected: 1: one for all runs"),
        (("a", "b", "--name", "x", "--name", "X"), "--name each"),
        (("a", "d", "--runs"), "not runs of one system"),
        (("a", "sub/a", "--runs"), "different names"),
        (("a", "--name", ""), "another --name"),
        (("a", "--name", "x" * 300), "another --name"),
        (("a", "--oracle=2", "--average", "mean-by-class"), "none for 4 of 4 queries"),
        (("a", "-o", "a/q0.wav"), "must be a folder"),
        (("a", "-o", "a/scores"), "among what is scored"),
        (("a", "d", "--report", "d"), "among what is scored"),
        (("a", "-o", "suite"), "among what is scored"),
        (("a", "-o", " "), "has no name"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_before_scoring(
    four: Suite, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shutil.copytree("a", "sub/a")
    monkeypatch.setattr("lassbench.scores.score._measure_all", None)
    assert run(["score", *words, "--suite", "suite"]) in (1, 2)
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not list(Path().rglob("*.score.*"))


def test_no_other_score_is_written_over(
    four: Suite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    score("a")
    before = listing()
    score("a")  # the same predictions again
    assert listing() == before
    with monkeypatch.context() as patch:
        patch.setattr("lassbench.scores.score._measure_all", None)
        for spoil in (lambda path: None, lambda path: path.write_text("{")):
            spoil(Path("scores/by-hand/Net.score.json"))
            spoilt = listing()
            score("d", "b", code=2)
            assert "another score is here already" in capsys.readouterr().err
            assert listing() == spoilt
    score("b", "--replace")
    assert listing() != before
    # Of another suite, by the same predictions.
    write_by_hand(Path("other"), [(noise(2 * n), noise(2 * n + 9)) for n in range(4)])
    assert run(["score", "b", "--suite", "other", "-o", "scores/by-hand"]) == 2


@pytest.mark.parametrize("fault", ["missing", "unreadable", "nan"])
def test_faults_are_told_though_a_score_of_the_whole_is_there(
    four: Suite, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    score("a")
    before = listing()
    if fault == "missing":
        Path("a/q3.wav").unlink()
    elif fault == "unreadable":
        Path("a/q3.wav").write_bytes(b"RIFF")
    else:
        audio.write_wav_float(Path("a/q3.wav"), np.full(SAMPLES, np.nan, np.float32), RATE)
    capsys.readouterr()
    score("a", code=1)
    told = capsys.readouterr().err
    assert "faults in the predictions" in told
    assert f"{fault}: 1" in told
    score("a", "--allow-partial", code=2)  # a whole score is not lost to a partial one
    assert listing() == before


def test_columns_are_not_lost_by_scoring_again(
    four: Suite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    score("a", "--spectral")
    before = listing()
    with monkeypatch.context() as patch:
        patch.setattr("lassbench.scores.score._measure_all", None)
        score("a", code=2)
    assert "MR-STFT, LSD, which this score would not have" in capsys.readouterr().err
    assert listing() == before
    score("a", "--replace")
    assert "mrstft" not in read_scores("scores/by-hand").rows


def test_two_systems_of_one_name_are_told_apart(
    four: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    score("a", "-o", "one")
    score("b", "-o", "two")
    capsys.readouterr()
    assert run(["compare", "one", "two", "--metric", "SDRi (dB)"]) == 0
    shown = capsys.readouterr().out
    for folder in ("one", "two"):
        digits = read_scores(folder).file.system.predictions_sha256[:8]
        assert shown.count(f"Net [{digits}]") == 2  # in the heading and in the table


def test_a_partial_score_is_completed_and_a_whole_one_is_kept(
    four: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move("a/q3.wav", "q3.wav")
    score("a", code=1)
    assert "1 faults in the predictions" in capsys.readouterr().err
    assert not Path("scores").exists()
    score("a", "--allow-partial")
    assert "(PARTIAL)" in capsys.readouterr().out
    shutil.move("q3.wav", "a/q3.wav")
    score("a")
    whole = listing()
    assert not read_scores("scores/by-hand").file.coverage.partial
    Path("a/q3.wav").unlink()
    score("a", "--allow-partial", code=2)
    assert listing() == whole


# --- runs -------------------------------------------------------------------


def test_runs_are_scored_each_and_shown_as_one(
    four: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    score("a", "b", "c", "--runs", "--name", "Net", "--report", "page", "--json")
    told = json.loads(capsys.readouterr().out)
    runs = [read_scores(f"scores/by-hand/Net.{run}.score.json") for run in "abc"]
    assert [one.file.system.run for one in runs] == ["a", "b", "c"]
    assert len({path.name for path in Path("page").iterdir()}) == 3
    (mixture, line) = told["table"]
    rows = [one.rows for one in runs]
    assert (mixture["name"], line["name"], line["runs"]) == ("Mixture", "Net", 3)
    assert line["spread"] == spread_of_runs(rows, "si_sdr_i")
    mean = Summary(mean_over_runs(rows)).metrics["si_sdr_i"].mean
    assert line["cells"]["si_sdr_i"]["mean"] == mean
    score("a", "b", "c", "--runs", "--name", "Net", "-v")  # into the same folder again
    assert "of 3 runs" in capsys.readouterr().out
    score("d", "--runs")
    assert "Other (d)" in capsys.readouterr().out
    shutil.copytree("a", "again")
    score("a", "again", "--runs", code=2)
    assert "hold the same predictions" in capsys.readouterr().err
    assert not Path("scores/by-hand/Net.again.score.json").exists()


# --- what is printed --------------------------------------------------------


def test_score_and_compare_on_the_command_line(made: Path, suite: Suite, here: Path) -> None:
    folders = [str(made / "oracle"), str(made / "muffled")]
    line = ["score", *folders, "--workers", "1", "--oracle=3"]
    done = CliRunner().invoke(root, line, catch_exceptions=False)
    assert done.exit_code == 0
    for words in ("SI-SDRi", "Oracle ratio mask", "Mixture", "mir_eval", "oracle", "synthetic"):
        assert words in done.output
    assert "templated queries" in done.output
    assert "so it is" not in done.output
    files = sorted(path.name for path in (here / "scores" / "sep").iterdir())
    assert files == [
        "Oracle-ratio-mask.score.json",
        "Oracle-ratio-mask.score.parquet",
        "muffled.score.json",
        "muffled.score.parquet",
    ]
    verbose = CliRunner().invoke(root, [*line, "--verbose"], catch_exceptions=False).output
    assert verbose.count("so it is") == 2
    assert "SI-SDRi by concept" in verbose
    third, _ = evaluate(lambda x, q, r: x[::-1].copy(), suite, progress=False).save("scores/sep")
    paths = [f"scores/sep/{name}.score.json" for name in ("Oracle-ratio-mask", "muffled")]
    for several in (paths[:1], paths, [*paths, str(third), paths[0]]):
        compared = CliRunner().invoke(root, ["compare", *several], catch_exceptions=False)
        assert compared.exit_code == 0
        assert compared.output.count("wins") == 2 * min(len(several) - 1, 2)
        assert compared.output.count("moved most") == min(len(several) - 1, 2)
        assert compared.output.count("SI-SDRi, 95 %") == 1
    titled = CliRunner().invoke(root, ["compare", *paths, "--metric", "SIRi"])
    assert "SIRi: the queries that moved most" in titled.output
    assert run(["compare", *paths, "--metric", "SISDRi"]) == 2


def test_json_is_json_whatever_the_values(four: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    """A silent answer is -inf in its row, the mixture's SAR undefined."""
    audio.write_wav_float(Path("b/q0.wav"), np.zeros(four.samples, "f4"), four.sample_rate_hz)
    score("a", "b", "--name", "x", "--name", "y", "--json", "--oracle=2", "--report", "page")
    shown = capsys.readouterr()
    told = json.loads(shown.out, parse_constant=pytest.fail)
    assert [one["system"]["name"] for one in told["scores"]] == ["x", "y"]
    assert told["scores"][0]["metrics"]["sar"]["mean"] is None
    assert told["scores"][1]["metrics"]["sdr"]["n_infinite"] == 1
    assert [one["name"] for one in told["table"]] == ["Mixture", "x", "y"]
    assert "mir_eval" in shown.err
    assert len(list(Path("page").iterdir())) == 2
    # Two systems of one name are told apart, by their names and by their answers.
    x, y = (read_scores(f"scores/by-hand/{name}.score.json").file.system for name in "xy")
    assert (x.name, x.predictions_sha256 != y.predictions_sha256) == ("x", True)
    score("a", "--json", "--average", "mean")
    (one,) = json.loads(capsys.readouterr().out)["scores"]
    assert one["average"]["metrics"]["snr_i"] == one["metrics"]["snr_i"]["mean"]


def test_a_system_is_not_compared_with_itself_under_another_name(
    four: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    score("a", "--name", "published", "-o", "theirs")
    score("d", "-o", "theirs")
    against = [f"--against={one}" for one in Path("theirs").glob("*.json")]
    capsys.readouterr()
    score("a", *against, *against, "-v")
    shown = capsys.readouterr().out
    table = shown[shown.index("SI-SDRi, 95 %") :]
    assert "published" not in shown
    assert [table.count(f" {name} ") for name in ("Net", "Other", "Mixture")] == [1, 1, 1]


def test_clap_without_a_model_is_the_fields(
    four: Suite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lassbench.metrics.clap.ClapModel", FakeClap)
    option = next(one for one in command.params if one.name == "clap")
    assert option.flag_value == DEFAULT_MODEL
    score("a", "--clap", "--spectral")
    assert read_scores("scores/by-hand").file.clap_model == DEFAULT_MODEL
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    (headings,) = (one for one in shown.splitlines() if "MR-STFT" in one and "system" in one)
    for_ears = ["CLAPScore", "CLAPScorei", "CLAPScore-A", "MR-STFT", "LSD"]
    assert headings.split() == ["system", *for_ears]
    legend = " ".join(shown[shown.index(headings) :].split())
    assert all(f"{METRICS[metric_named(one)].heading}: " in legend for one in for_ears)
    assert f"CLAPScores by {DEFAULT_MODEL}" in legend


def test_failing_sentences_are_shown(
    frozen: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = load_suite(frozen / "asked")
    answers = iter(range(10**6))

    def moody(mixture: np.ndarray, query: str, rate: int) -> np.ndarray:
        return np.roll(mixture, 7 * (next(answers) % 3)) + 0

    separate_suite(moody, asked, here / "moody")
    line = ["score", "moody", "--suite", str(frozen / "asked"), "--report", "page", "-v"]
    assert run(line) == 0
    shown = capsys.readouterr().out
    assert "sentences that fail where another wording works" in shown
    assert "fail where another wording works" in next(Path("page").iterdir()).read_text()


# --- refused ----------------------------------------------------------------


def test_a_score_on_another_suite_is_refused_before_scoring(
    made: Path, frozen: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = evaluate(muffled, load_suite(frozen / "absent"), progress=False)
    path, _ = other.save(here / "other")
    folders = [str(made / "oracle"), str(made / "muffled")]
    assert run(["score", *folders, "--workers", "1", "--against", str(path)]) == 2
    assert "different suites" in capsys.readouterr().err
    assert not (here / "scores").exists()


def test_the_command_line_refuses_in_one_message(
    folder: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = folder.rename(here / "moved")
    folder = moved.rename(here / "far") / "away"
    shutil.copytree(here / "far", folder)
    assert run(["score", str(folder), "--workers", "1"]) == 2  # its suite is not where it was
    assert "--suite" in capsys.readouterr().err
    (folder / "system.yaml").write_text("name: x\ncolour: blue\n")
    assert run(["score", str(folder)]) == 1
    assert "colour" in capsys.readouterr().err
    assert run(["score", "nowhere"]) == 2
    assert run(["score", "--oracle", "nowhere"]) == 2
    assert "'nowhere' is not a valid integer" in capsys.readouterr().err
    assert run(["compare", "nowhere", "nowhere"]) == 2
    assert not (here / "scores").exists()
