"""Other people's lists: no references, silent sources, what the audit found, averages by name."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lassbench import audio
from lassbench.cli import run
from lassbench.cli.score import command
from lassbench.errors import FaultsError, LassbenchError
from lassbench.metrics.ratios import si_sdr
from lassbench.pictures import terminal
from lassbench.pictures.inspection import _panels
from lassbench.pictures.page import write_report
from lassbench.scores.comparison import compare, table_of
from lassbench.scores.rows import METRICS, rows_schema
from lassbench.scores.score import evaluate, score_folders
from lassbench.scores.score_file import read_scores
from lassbench.scores.summary import AVERAGES, average
from lassbench.suites.suite import Suite
from lassbench.systems.builtin import MixtureSeparator, OracleMask
from lassbench.systems.finding import as_system
from lassbench.systems.predictions import open_predictions
from lassbench.systems.protocol import System
from lassbench.systems.run import separate_suite
from tests.scores.by_hand import RATE, SAMPLES, FakeClap, as_bytes, noise, of_rows, write_by_hand

SILENCE = np.zeros(SAMPLES, np.float32)
PAIRS = [(noise(2 * n), noise(2 * n + 1)) for n in range(8)]


def times(gain: float) -> System:
    return as_system(
        lambda mixture, query, rate: np.float32(gain) * mixture, name=f"times {gain:g}"
    )


def system(mixture: np.ndarray, query: str, rate: int) -> np.ndarray:
    return (0.5 * mixture + 0.3 * np.roll(mixture, 1)).astype(np.float32)


def separated(suite: Suite, *systems: object) -> list[Path]:
    folders = [Path(f"predictions/{number}") for number in range(len(systems))]
    for one, folder in zip(systems, folders, strict=True):
        separate_suite(one, suite, folder)
    return folders


# --- real recordings without references -------------------------------------


@pytest.fixture
def real(here: Path) -> Suite:
    suite = write_by_hand(here / "real", PAIRS[:4], kind="unreferenced")
    assert not (suite.path / "references").exists()
    return suite


def test_without_references_the_level_is_measured_and_nothing_else(real: Suite) -> None:
    folders = separated(real, MixtureSeparator(), times(0.5), times(0.0))
    found = score_folders(folders, real, workers=2)
    for one, expected in zip(found, (0.0, 20 * math.log10(2), math.inf), strict=True):
        assert list(one.rows.columns) == rows_schema("unreferenced").names
        assert one.rows["attenuation"].tolist() == pytest.approx([expected] * 4, abs=1e-5)
        assert (one.file.kind, one.summary.wrong_source_share) == ("unreferenced", None)
        assert set(one.summary.metrics) == {"attenuation"}
        told = one.file.warnings
        assert "--clap" in told[0]
        assert any("4 silent estimates (" in warning for warning in told) == (expected > 100)
        read_scores(one.save("saved")[0])
    again = evaluate(times(0.5), real, progress=False)
    assert again.rows.equals(found[1].rows)


def test_clap_is_what_such_systems_are_compared_in(
    real: Suite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lassbench.metrics.clap.ClapModel", FakeClap)
    folders = separated(real, times(2.0), times(0.5))
    loud, quiet = score_folders(folders, real, workers=1, clap="one")
    (bare,) = score_folders(folders[:1], real, workers=1)
    other = score_folders(folders[1:], real, workers=1, clap="other")[0]
    of_mixture = {
        query.query_id: np.mean(real.mixture_samples(query.mixture_id).astype("f8") ** 2)
        / len(query.text)
        for query in real.queries.values()
    }
    for row in loud.rows.to_dict("records"):
        assert row["clap_mixture"] == pytest.approx(of_mixture[row["query_id"]])
        assert row["clap_i"] == pytest.approx(3 * of_mixture[row["query_id"]], rel=1e-5)
    assert not any("--clap" in one for one in loud.file.warnings)
    lines = table_of([loud, quiet, bare, other])
    mixture, first, second, without, another = lines
    mean = float(np.mean(list(of_mixture.values())))
    means = {name: cell.mean for name, cell in mixture.cells.items()}
    assert means == pytest.approx({"attenuation": 0.0, "clap": mean, "clap_i": 0.0}, abs=1e-8)
    assert first.cells["clap_i"].mean == pytest.approx(3 * mean, rel=1e-5)
    assert second.cells["clap_i"].mean == pytest.approx(-0.75 * mean, rel=1e-5)
    # By no model or another there is nothing to compare, and the level is no substitute.
    assert [set(one.cells) for one in (without, another)] == [{"attenuation"}] * 2
    assert not any(one.place for one in lines)
    assert compare(loud, quiet, resamples=50).metric == "clap_i"
    assert compare(loud, bare, resamples=50).metric == "attenuation"
    found = compare(loud, other, resamples=50)
    assert set(found.metrics) == {"attenuation"}
    assert any("defined differently" in warning for warning in found.warnings)
    terminal.show_table(terminal.console(), lines)
    shown = capsys.readouterr().out
    assert "4 recordings" in shown
    (heading,) = (one for one in shown.splitlines() if "CLAPScorei, 95 %" in one)
    assert heading.split() == ["system", "CLAPScorei,", "95", "%", "attenuation", "queries"]
    assert "says nothing of quality" in " ".join(shown.split())


def test_being_quieter_is_not_called_better(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = write_by_hand(here / "real", PAIRS, kind="unreferenced")
    quiet, loud = (evaluate(times(gain), suite, progress=False) for gain in (0.1, 2.0))
    paths = [str(one.save(here / "scores")[0]) for one in (quiet, loud)]
    for line, word in ((paths, "quieter"), (paths[::-1], "louder")):
        assert run(["compare", *line]) == 0
        shown = capsys.readouterr().out
        assert word in shown
        assert "better" not in shown
        assert "worse" not in shown


def test_what_needs_references_is_refused(real: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["separate", "oracle", "--suite", "real", "-o", "out"]) == 2
    assert "needs the true sources" in capsys.readouterr().err
    assert not Path("out").exists()
    with pytest.raises(LassbenchError, match="needs the true sources"):
        evaluate(OracleMask(), real, progress=False)
    (folder,) = separated(real, system)
    for wanted in ("--oracle=2", "--spectral"):
        assert run(["score", str(folder), "--suite", "real", wanted]) == 2
        assert "is unreferenced" in capsys.readouterr().err
    assert not Path("scores").exists()


def test_its_recordings_are_looked_at_and_heard_alone(real: Suite) -> None:
    (folder,) = separated(real, times(0.5))
    assert run(["inspect", "q1", "--suite", "real", "--predictions", str(folder)]) == 0
    names = sorted(path.name for path in Path("inspect").iterdir())
    assert names == ["q1.estimate1.wav", "q1.mixture.wav", "q1.png"]
    line = ["score", str(folder), "--suite", "real", "--workers", "1", "--report", "page"]
    assert run(line) == 0
    text = next(Path("page").glob("*.html")).read_text()
    assert "The quietest 2" in text
    assert text.count("<audio") == 2 * 2 * 2  # mixture and estimate
    assert "of the target of" not in text
    assert "4 recordings" in text


def test_such_a_score_is_no_entry(real: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = evaluate(times(0.5), real, progress=False).save("scores")
    assert run(["leaderboard", "add", str(path), "--root", "board"]) == 1
    assert "recordings without references" in capsys.readouterr().err
    assert not list(Path("board").rglob("*.json"))


@pytest.mark.parametrize("kind", ["separation", "absent", "unreferenced"])
def test_audio_changed_since_it_was_frozen_is_refused(here: Path, kind: str) -> None:
    suite = write_by_hand(here / "suite", PAIRS[:2], kind=kind)
    matter = ["mixture", "target", "interference"] if kind == "separation" else ["mixture"]
    for path in [suite.path / "mixtures/m1.wav", *suite.path.glob("references/m1.*.wav")]:
        part = path.stem.partition(".")[2] or "mixture"
        before = path.read_bytes()
        audio.write_wav_float(path, noise(99), RATE)
        fault = pytest.raises(LassbenchError, match=f"m1: this {part} is not what was frozen")
        with fault if part in matter else contextlib.nullcontext():
            evaluate(system, suite, progress=False)
        path.write_bytes(before)


# --- queries that nobody can be scored on -----------------------------------

WITH_SILENCE = [
    *PAIRS[:3],
    (SILENCE, PAIRS[3][1]),
    (PAIRS[4][0], SILENCE),
    (np.float32(1e-12) * PAIRS[5][0], PAIRS[5][1]),
]
SCORED = ["q0", "q1", "q2", "q5"]


@pytest.fixture
def gaps(here: Path) -> Suite:
    return write_by_hand(here / "gaps", WITH_SILENCE)


def test_a_silent_source_costs_its_own_query_and_names_it(
    gaps: Suite, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = separated(gaps, system, OracleMask())
    for folder in folders:
        line = ["score", str(folder), "--suite", "gaps", "-o", "alone"]
        assert run([*line, "--report", "page", "--workers", "1"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert "4/6" in shown
        assert "2 of 6 queries cannot be scored, whatever the system" in shown
        assert "q3: the target reference is silent, q4: the interference reference is" in shown
        assert "PARTIAL" not in shown
    found = score_folders(folders, gaps, workers=2)
    alone = [read_scores(path) for path in sorted(Path("alone").glob("*.json"))]
    for one, other in zip(sorted(found, key=lambda one: one.file.system.name), alone, strict=True):
        coverage = one.file.coverage
        assert one.rows["query_id"].tolist() == SCORED
        assert (coverage.renderable, coverage.unscorable, coverage.partial) == (4, 2, False)
        assert (coverage.queries_total, coverage.missing_predictions) == (6, 0)
        assert as_bytes(one, here / "together") == as_bytes(other, here / "again")
    streamed = evaluate(system, gaps, workers=2, progress=False)
    assert streamed.rows.equals(found[0].rows)
    assert streamed.file.coverage == found[0].file.coverage
    assert "2 of 6 queries cannot be scored" in next(Path("page").glob("*.html")).read_text()
    # A faint source is no silent one.
    estimate = audio.decode(folders[0] / "q5.wav").samples
    expected = si_sdr(reference=WITH_SILENCE[5][0], estimate=estimate)
    assert found[0].rows["si_sdr"].tolist()[3] == pytest.approx(expected, abs=1e-6)


def test_an_answer_that_could_not_be_scored_is_not_missed(gaps: Suite, here: Path) -> None:
    (folder,) = separated(gaps, system)
    whole = score_folders([folder], gaps, workers=1)[0]
    (folder / "q3.wav").unlink()
    assert as_bytes(score_folders([folder], gaps, workers=1)[0], here / "a") == as_bytes(
        whole, here / "b"
    )
    (folder / "q0.wav").unlink()
    with pytest.raises(FaultsError) as caught:
        score_folders([folder], gaps, workers=1)
    assert [(one.kind, one.where) for one in caught.value.faults] == [
        ("missing", str(folder / "q0"))
    ]
    partial = score_folders([folder], gaps, workers=1, allow_partial=True)[0]
    coverage = partial.file.coverage
    assert (coverage.renderable, coverage.unscorable, coverage.queries_scored) == (4, 2, 3)
    assert (coverage.partial, coverage.missing_predictions) == (True, 1)
    for query_id in SCORED:
        (folder / f"{query_id}.wav").unlink(missing_ok=True)
    with pytest.raises(LassbenchError, match="got:      no usable prediction"):
        score_folders([folder], gaps, workers=1, allow_partial=True)
    silent = write_by_hand(here / "silent", WITH_SILENCE[3:5])
    with pytest.raises(LassbenchError, match="got:      q0: the target reference is silent, q1: "):
        evaluate(system, silent, progress=False)


def test_an_absent_sound_needs_no_target(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = write_by_hand(
        here / "absent", WITH_SILENCE, kind="absent", expects=["silence"] * len(WITH_SILENCE)
    )
    found = evaluate(times(0.5), absent, progress=False)
    assert (found.file.coverage.renderable, found.file.coverage.unscorable) == (6, 0)
    expected = [20 * math.log10(2)] * 6
    assert found.rows["attenuation"].tolist() == pytest.approx(expected, abs=1e-5)
    assert run(["score", "nowhere", "--suite", "absent", "--oracle"]) == 2
    assert "is absent" in capsys.readouterr().err


@pytest.mark.parametrize("query_id", ["q3", "q4"])
def test_a_query_that_cannot_be_scored_can_be_looked_at(gaps: Suite, query_id: str) -> None:
    (folder,) = separated(gaps, system)
    assert run(["inspect", query_id, "--suite", "gaps", "--predictions", str(folder)]) == 0
    assert len(list(Path("inspect").glob("*.wav"))) == 4
    panels = list(_panels(gaps, gaps.queries[query_id], [open_predictions(folder, gaps)]))
    which = "target" if query_id == "q3" else "interference"
    said = f"cannot be scored: the {which} reference is silent"
    assert [panel.scores for panel in panels] == [said, "", "", said]


# --- what the audit found ---------------------------------------------------

AUDIT = {"self-mixture": ["q1"], "shared label": ["q0", "q1"], "repeated pair": []}
FOUND = {"clean": ["q2", "q3"], "not clean": ["q0", "q1"], "self-mixture": ["q1"]}
FOUND["shared label"] = FOUND["not clean"]


@pytest.mark.parametrize("kind", ["separation", "absent", "unreferenced"])
def test_findings_are_a_column_and_a_breakdown(
    here: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write_by_hand(here / "audited", PAIRS[:4], kind=kind, audit=AUDIT)
    found = evaluate(system, suite, progress=False)
    metric = "snr" if kind == "separation" else "attenuation"
    names = list(found.rows.columns)
    assert names[names.index("text") + 1] == "audit"
    expected = ["shared label", "self-mixture; shared label", "", ""]
    assert sorted(found.rows["audit"].tolist()) == sorted(expected)
    values = dict(zip(found.rows["query_id"].tolist(), found.rows[metric].tolist(), strict=True))
    cells = found.summary.by("audit")
    assert {value: cell[metric].n for value, cell in cells.items()} == {
        value: len(ids) for value, ids in FOUND.items()
    }
    for value, ids in FOUND.items():
        mean = np.mean([values[one] for one in ids])
        assert cells[value][metric].mean == pytest.approx(mean, abs=1e-8)
    path, parquet = found.save(here / "scores")
    pd.testing.assert_frame_equal(read_scores(path).rows, found.rows)
    terminal.show_details(terminal.console(), found, [])
    shown = capsys.readouterr().out
    assert "by audit" in shown
    assert "not clean" in shown
    assert "shared label" not in shown
    again = evaluate(times(0.4), suite, progress=False)
    by = compare(found, again, resamples=50).by["audit"]
    assert {value: one.n for value, one in by.items()} == {v: len(ids) for v, ids in FOUND.items()}
    (folder,) = separated(suite, system)
    text = write_report(here / "page", found, suite, folder).read_text()
    assert "by what the list&#39;s audit found" in text
    found.rows.drop(columns="audit").to_parquet(parquet, index=False, compression=None)
    with pytest.raises(LassbenchError, match="has other columns"):
        read_scores(path)


def test_a_suite_without_findings_has_no_such_column(here: Path) -> None:
    plain = write_by_hand(here / "plain", PAIRS[:4])
    looked = write_by_hand(here / "looked", PAIRS[:4], audit={"self-mixture": []})
    one, other = (evaluate(system, suite, progress=False) for suite in (plain, looked))
    assert list(one.rows.columns) == rows_schema("separation").names
    assert one.summary.by("audit") == {}
    assert as_bytes(one, here / "a") == as_bytes(other, here / "b")


def test_the_leaderboard_takes_an_audited_score_and_makes_its_breakdown_again(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write_by_hand(here / "audited", [*PAIRS, *WITH_SILENCE[3:5]], audit=AUDIT)
    folders = separated(suite, system, times(0.5))
    found = score_folders(folders, suite, workers=1)
    assert [one.file.coverage.unscorable for one in found] == [2, 2]
    path, _ = found[0].save("scores")
    assert run(["leaderboard", "add", str(path), "--root", "board"]) == 0
    assert run(["leaderboard", "check", "--root", "board"]) == 0
    assert run(["leaderboard", "build", "--root", "board", "--site", "site"]) == 0
    pages = "".join(page.read_text() for page in Path("site").rglob("*.html"))
    assert "2 cannot be scored" in pages
    capsys.readouterr()
    # Who leaves out more as unscorable than others do is found out.
    counts = {"unscorable": 3, "renderable": 7, "queries_scored": 7}
    coverage = found[1].file.coverage.model_copy(update=counts)
    made, _ = of_rows(found[1], found[1].rows[:7], coverage=coverage).save("bold")
    assert run(["leaderboard", "add", str(made), "--root", "board"]) == 1
    assert "leaves out 3 as unscorable" in capsys.readouterr().err
    assert len(list(Path("board/entries").rglob("*.json"))) == 1


# --- averages by name -------------------------------------------------------


def test_an_average_by_class_is_printed_or_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option = next(one for one in command.params if one.name == "average")
    assert tuple(option.type.choices) == AVERAGES
    suite = write_by_hand(here / "classes", PAIRS[:4], concepts=["dog", "dog", "rain", "bell"])
    (folder,) = separated(suite, system)
    line = ["score", str(folder), "--workers", "1"]
    assert run([*line, "--average", "median-by-class", "-o", "named"]) == 0
    shown = capsys.readouterr().out
    (found,) = (read_scores(path) for path in Path("named").glob("*.json"))
    printed = shown[shown.rindex("median-by-class") :].split()
    names = [name for name in found.summary.metrics if name.endswith("_i")]
    assert printed[1 : 2 + len(names)] == ["system", *(METRICS[name].title for name in names)]
    expected = [f"{average(found.rows, name, 'median-by-class'):.2f}" for name in names]
    assert printed[printed.index("system", 2) + 1 :][: len(names)] == expected
    assert run([*line, "-o", "plain"]) == 0
    for one in Path("named").iterdir():  # nothing derived is stored
        assert one.read_bytes() == (Path("plain") / one.name).read_bytes()
    write_by_hand(here / "some", PAIRS[:4], concepts=["dog", "", "rain", ""])
    assert run([*line, "--suite", "some", "--average", "mean-by-class"]) == 2
    told = capsys.readouterr().err
    assert "none for 2 of 4 queries" in told
    assert not Path("scores").exists()
