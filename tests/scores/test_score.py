"""Scoring: against mir_eval and written-out formulas, by the policy, on bad input."""

from __future__ import annotations

import itertools
import math
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import lassbench
from lassbench import audio
from lassbench.cards import SystemCard
from lassbench.cli import run
from lassbench.dataset import Dataset
from lassbench.errors import FaultsError, LassbenchError, LassbenchWarning, UsageError
from lassbench.metrics.spectral import SpectralReference
from lassbench.scores.pieces import levels
from lassbench.scores.rows import SEPARATION_METRICS, rows_schema
from lassbench.scores.score import cross_check, evaluate, score_folders
from lassbench.scores.score_file import Scores, read_scores
from lassbench.suites.suite import Suite, load_suite
from lassbench.systems.predictions import SeparatedSuite, SystemFile, write_system
from tests.scores.by_hand import FakeClap, as_bytes, muffled, write

RATE = 8000


# --- right numbers ----------------------------------------------------------


def test_rows_are_the_formulas(scored: dict[str, Scores], made: Path, suite: Suite) -> None:
    for row in scored["oracle"].rows.to_dict("records")[::4]:
        rendered = suite.render(row["mixture_id"])
        estimate, _ = soundfile.read(made / "oracle" / f"{row['query_id']}.wav")
        s, x, e = (one.astype(float) for one in (rendered.target, rendered.mixture, estimate))
        for signal, end in ((e, ""), (x, "_mixture")):
            scaled = (signal @ s) / (s @ s) * s
            si_sdr = 10 * math.log10((scaled @ scaled) / ((signal - scaled) @ (signal - scaled)))
            snr = 10 * math.log10((s @ s) / ((s - signal) @ (s - signal)))
            assert row[f"si_sdr{end}"] == pytest.approx(si_sdr, abs=1e-9)
            assert row[f"snr{end}"] == pytest.approx(snr, abs=1e-9)
        for name in ("sdr", "sir", "si_sdr", "snr"):
            assert row[f"{name}_i"] == row[name] - row[f"{name}_mixture"]
        assert row["estimate_level_db"] == pytest.approx(10 * math.log10((e @ e) / (x @ x)))


def test_every_query_has_one_row_in_order(scored: dict[str, Scores], suite: Suite) -> None:
    one = scored["oracle"]
    assert one.rows["query_id"].tolist() == sorted(suite.queries)
    assert list(one.rows.columns) == rows_schema("separation").names
    assert one.file.coverage.queries_scored == len(suite.queries)
    assert not one.file.coverage.partial
    for row in one.rows.to_dict("records"):
        query = suite.queries[row["query_id"]]
        mixture = suite.mixtures[query.mixture_id]
        assert (row["target_id"], row["concept"]) == (mixture.target_id, query.concept)


# --- the same whoever computes it -------------------------------------------


def test_processes_and_together_or_alone_give_the_same_bytes(
    scored: dict[str, Scores], made: Path, suite: Suite, tmp_path: Path
) -> None:
    alone = score_folders([made / "oracle"], suite, workers=2)[0]
    assert as_bytes(alone, tmp_path / "a") == as_bytes(scored["oracle"], tmp_path / "b")


def test_a_dask_cluster_gives_the_same_bytes(
    scored: dict[str, Scores], made: Path, suite: Suite, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        found = score_folders([made / "oracle"], suite, scheduler=cluster.scheduler_address)[0]
    assert as_bytes(found, tmp_path / "a") == as_bytes(scored["oracle"], tmp_path / "b")


def test_streaming_gives_the_rows_of_the_files(scored: dict[str, Scores], suite: Suite) -> None:
    for workers in (1, 2):
        found = evaluate(muffled, suite, workers=workers, progress=False)
        assert found.rows.equals(scored["muffled"].rows)
        info, of_files = found.file.system, scored["muffled"].file.system
        assert info.predictions_sha256 == of_files.predictions_sha256
    assert lassbench.evaluate is evaluate


# --- the policy -------------------------------------------------------------


def test_the_mixtures_sar_is_shown_as_undefined_and_never_averaged(
    scored: dict[str, Scores],
) -> None:
    found, rows = scored["mixture"], scored["mixture"].rows
    assert rows["sar"].isna().all()
    assert found.summary.metrics["sar"].mean is None
    assert found.summary.metrics["sar"].n_undefined == len(rows)
    assert set(rows["flags"].tolist()) == {"sar-undefined"}


def test_silence_is_the_worst_answer_in_every_metric_and_is_counted(
    folder: Path, suite: Suite, scored: dict[str, Scores]
) -> None:
    """For each query in turn, silence must not score better than what was there."""
    before = scored["muffled"]
    ids = before.rows["query_id"].tolist()
    for query_id in ids[:3]:
        write(folder / f"{query_id}.wav", np.zeros(RATE))
    found = score_folders([folder], suite, workers=1)[0]
    rows = found.rows
    for name in SEPARATION_METRICS:
        assert rows[name][:3].tolist() == [-math.inf] * 3
        assert found.summary.metrics[name].n_infinite == 3
        assert found.summary.metrics[name].mean < before.summary.metrics[name].mean
        expected = np.concatenate([[-100.0] * 3, before.rows[name][3:]])
        assert found.summary.metrics[name].mean == pytest.approx(np.nanmean(expected), abs=1e-8)
    assert rows["wrong_source"].tolist()[:3] == [True] * 3
    assert rows["flags"].tolist()[:3] == ["silent"] * 3
    assert any("3 silent estimates, which score the worst" in one for one in found.file.warnings)


def test_a_perfect_estimate_is_infinite_in_its_row_and_limited_in_the_mean(
    suite: Suite,
) -> None:
    class Cheat:
        card = SystemCard(name="cheat", query_type="oracle")

        def separate_oracle(self, rendered, query, sample_rate):
            return rendered.target

    found = evaluate(Cheat(), suite, progress=False)
    rows = found.rows
    assert set(rows["snr"]) == {math.inf}
    assert found.summary.metrics["snr"].mean == 100.0
    assert found.summary.metrics["snr"].n_infinite == len(rows)
    assert found.summary.metrics["sar"].mean is None
    assert found.summary.wrong_source_share == 0.0
    assert any("oracle" in one for one in found.file.warnings)


def test_absent_sounds_are_scored_by_how_quiet_the_answer_is(frozen: Path) -> None:
    absent = load_suite(frozen / "absent")
    for gain, expected in ((0.05, 26.0206), (0.5, 6.0206), (0.0, math.inf)):
        found = evaluate(
            lambda mixture, query, rate, gain=gain: np.float32(gain) * mixture,
            absent, progress=False,
        )  # fmt: skip
        metrics = found.summary.metrics
        assert found.file.kind == "absent"
        assert set(metrics) == {"attenuation", "silent_share"}
        assert found.rows["attenuation"].tolist() == pytest.approx([expected] * 40, abs=1e-4)
        assert metrics["attenuation"].mean == pytest.approx(min(expected, 100.0), abs=1e-4)
        assert metrics["silent_share"].mean == (expected > 20)
        assert found.summary.wrong_source_share is None
        assert not found.file.warnings


# --- for ears: CLAPScores and the distances of magnitudes --------------------


def test_what_is_asked_for_is_in_the_rows_and_comes_back(
    made: Path, suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("lassbench.metrics.clap.ClapModel", FakeClap)
    folders = [made / "muffled", made / "oracle"]
    found = score_folders(folders, suite, workers=1, clap="tiny-clap", spectral=True)
    for one, folder in zip(found, folders, strict=True):
        asked = ["clap", "clap_a", "mrstft"]
        assert list(one.rows.columns) == rows_schema("separation", asked).names
        for row in one.rows.to_dict("records"):
            estimate = audio.decode(folder / f"{row['query_id']}.wav").samples
            rendered = suite.render(row["mixture_id"])
            e, x, s = (
                float(np.mean(np.square(samples, dtype=np.float64)))
                for samples in (estimate, rendered.mixture, rendered.target)
            )
            words = len(suite.queries[row["query_id"]].text)
            assert row["clap"] == pytest.approx(e / words)
            assert row["clap_i"] == pytest.approx(e / words - x / words)
            assert row["clap_a"] == pytest.approx(e / s)
            assert row["clap_a_mixture"] == pytest.approx(x / s)
            reference = SpectralReference(rendered.target)
            for samples, end in ((estimate, ""), (rendered.mixture, "_mixture")):
                distances = reference.distances(samples)
                assert row[f"mrstft{end}"] == pytest.approx(distances.mrstft, abs=1e-9)
                assert row[f"lsd{end}"] == pytest.approx(distances.lsd_db, abs=1e-9)
        for name in ("clap", "clap_a", "mrstft", "lsd"):
            mean = one.rows[name].mean()
            assert one.summary.metrics[name].mean == pytest.approx(mean, abs=1e-9)
        assert one.file.clap_model == "tiny-clap"
        again = read_scores(one.save(tmp_path)[0])
        assert again.file == one.file
        pd.testing.assert_frame_equal(again.rows, one.rows)
    streamed = evaluate(muffled, suite, progress=False, spectral=True)
    plain = [name for name in found[0].rows if not name.startswith("clap")]
    pd.testing.assert_frame_equal(streamed.rows, found[0].rows[plain])


# --- what a reader has to know ----------------------------------------------


def test_what_a_reader_has_to_know_of_a_system_is_told(
    folder: Path, suite: Suite, tiny_dataset: Dataset
) -> None:
    clips = [tiny_dataset.split(split)[0].clip_id for split in ("test", "train")]
    hashes = tuple(tiny_dataset.pcm_sha256[one] for one in clips)
    said = SystemFile(
        name="x",
        query_type="tag",
        generative=True,
        training_clips_sha256=hashes,
        suite=SeparatedSuite(name="x", fingerprint="00"),
    )
    write_system(folder, said)
    file = score_folders([folder], suite, workers=1)[0].file
    assert (file.system.query_type, file.system.generative) == ("tag", True)
    assert (file.contamination.declared, file.contamination.clips) == (2, (clips[0],))
    (told,) = file.heard
    assert "1 of the suite's clips" in told
    assert clips[0] in told
    for words, said in zip(("tags", "--spectral", "fingerprint 00"), file.warnings, strict=True):
        assert words in said
    (file,) = (one.file for one in score_folders([folder], suite, workers=1, spectral=True))
    assert not any("--spectral" in one for one in file.warnings)


def test_a_datasets_audio_that_is_not_what_was_frozen_is_refused(suite: Suite) -> None:
    mixture_id = next(iter(suite.mixtures))
    pcm = {**suite.pcm_sha256, mixture_id: {"mixture": "00" * 32}}
    altered = suite.model_copy(update={"pcm_sha256": pcm})
    with pytest.raises(LassbenchError, match=f"{mixture_id}: this mixture is not what was frozen"):
        evaluate(muffled, altered, progress=False)


def test_clips_that_are_gone_shrink_coverage_and_nothing_else(made: Path, suite: Suite) -> None:
    gone = list(suite.mixtures)[:3]
    fewer = suite.model_copy(update={"missing": dict.fromkeys(gone, "the clip is gone")})
    (found,) = score_folders([made / "oracle"], fewer, workers=1)
    coverage = found.file.coverage
    assert coverage.queries_total == len(suite.queries)
    assert coverage.renderable == coverage.queries_scored == len(found.rows)
    assert len(found.rows) == len(suite.queries) - 3
    assert not coverage.partial
    none = suite.model_copy(update={"missing": dict.fromkeys(suite.mixtures, "the clip is gone")})
    with pytest.raises(LassbenchError, match=r"nothing to score\n.*the clip is gone"):
        score_folders([made / "oracle"], none, workers=1)


# --- bad input --------------------------------------------------------------


def spoil(folder: Path) -> dict[str, str]:
    """Spoil one file in each way; query id (or file name) -> kind of fault."""
    gone, short, nan, cut = sorted(folder.glob("*.wav"))[:4]
    sound = np.random.default_rng(0).normal(0, 0.1, RATE)
    gone.unlink()
    write(short, sound[:-1])
    write(nan, np.where(np.arange(RATE) == 7, np.nan, sound))
    cut.write_bytes(cut.read_bytes()[:500])
    (folder / "holi\nday.wav").write_text("x")
    kinds = {gone: "missing", short: "short", nan: "nan", cut: "unreadable"}
    return {path.name: kind for path, kind in kinds.items()} | {"holi\\nday.wav": "extra"}


def test_faults_are_told_in_one_pass_and_the_rest_is_scored_and_marked(
    folder: Path, suite: Suite, scored: dict[str, Scores]
) -> None:
    expected = spoil(folder)
    with pytest.raises(FaultsError) as caught:
        score_folders([folder], suite, workers=1)
    message = str(caught.value)
    for name, kind in expected.items():
        assert Path(name).stem.lower() in message.lower(), name
        assert f"{kind}: " in message, message
    assert "--allow-partial" in message
    assert "\nday" not in message  # a newline in a name must not break the report's lines
    spoilt = {Path(name).stem for name, kind in expected.items() if kind != "extra"}
    (found,) = score_folders([folder], suite, allow_partial=True, workers=1)
    kept = [one for one in sorted(suite.queries) if one not in spoilt]
    assert found.rows["query_id"].tolist() == kept
    assert found.file.coverage.partial
    assert found.file.coverage.missing_predictions == len(spoilt)
    assert any(one.startswith("partial: ") for one in found.file.warnings)
    whole = scored["muffled"].rows
    same = whole[whole["query_id"].isin(kept)].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.rows, same)


# --- levels -----------------------------------------------------------------


def test_levels_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    full = np.array([32767 / 32768, 1.0, -1.0, -1.5, 0.5, 32766 / 32768], "f4")
    for size in (*range(1, 8), 500):
        for _ in range(20):
            samples = np.repeat(rng.choice(full, size), rng.integers(1, 5, size))[:size]
            runs = [list(run) for _, run in itertools.groupby(samples.tolist())]
            clipped = sum(len(run) for run in runs if len(run) > 2 and abs(run[0]) >= full[0])
            assert levels(samples) == (abs(samples).max(), clipped / size)


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_integers_are_told_and_scored(
    folder: Path, suite: Suite, scored: dict[str, Scores], bits: int
) -> None:
    scale = 2.0 ** (bits - 1)
    words = rf"up to (\d+) \((\S+)\): are these {bits}-bit integers\? divide by {scale:.0f}$"
    paths = sorted(folder.glob("*.wav"))[:3]
    peaks = {}
    for path in paths:
        samples, _ = soundfile.read(path, dtype="float32")
        write(path, samples * np.float32(scale))
        peaks[path.stem] = float(abs(samples).max() * scale)
    with pytest.warns(LassbenchWarning, match=f"^muffled: 3 of 40 .* above 100, {words}") as told:
        (found,) = score_folders([folder], suite, workers=2)
    assert [one.filename for one in told] == [__file__]
    up_to, worst = re.search(words, str(told[0].message)).groups()
    assert peaks[worst] == max(peaks.values()) == pytest.approx(float(up_to), rel=1e-2)
    # Scored as they are: only what does not depend on the scale is as before.
    ours, before = found.rows.to_dict("records"), scored["muffled"].rows.to_dict("records")
    for row, was in zip(ours, before, strict=True):
        assert row["si_sdr"] == pytest.approx(was["si_sdr"], abs=1e-4)
        assert (row["snr"] < was["snr"] - 50) == (row["query_id"] in peaks)
    assert found.file.warnings == scored["muffled"].file.warnings


def test_clipped_estimates_are_told_once_a_system_on_standard_error(
    made: Path, folder: Path, suite: Suite, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = sorted(folder.glob("*.wav"))
    for path, gain in ((paths[0], 4.0), (paths[1], 40.0), (paths[2], 0.9)):
        samples, rate = soundfile.read(path)
        soundfile.write(path, gain * samples / abs(samples).max(), rate, subtype="PCM_16")
    folders = [str(folder), str(made / "oracle")]
    for _ in range(2):  # also when it was told before
        assert run(["score", *folders, "--suite", str(suite.path), "--workers", "1"]) == 0
        told = capsys.readouterr().err
        (line,) = (one for one in told.splitlines() if "warning" in one)
        assert line.startswith("lassbench: warning: muffled: 2 of 40 estimates are clipped, up to ")
        assert f"% of the samples ({paths[1].stem}): make them quieter" in line
        assert ".py" not in line


def test_what_a_function_answers_is_told_too(suite: Suite) -> None:
    def integers(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
        return np.rint(32767 * mixture)

    with pytest.warns(LassbenchWarning, match="40 of 40 .* 16-bit integers") as told:
        evaluate(integers, suite, progress=False)
    assert [one.filename for one in told] == [__file__]


def test_nothing_is_told_of_usual_levels(made: Path, suite: Suite, frozen: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", LassbenchWarning)
        score_folders([made / "oracle", made / "mixture"], suite, workers=1)
        absent = load_suite(frozen / "absent")
        evaluate(lambda mixture, *_: 0 * mixture, absent, progress=False)


def test_an_empty_folder_and_no_folder(suite: Suite, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FaultsError, match=f"missing: {len(suite.queries)}"):
        score_folders([tmp_path / "empty"], suite, workers=1)
    with pytest.raises(LassbenchError, match="nothing to score"):
        score_folders([tmp_path / "empty"], suite, allow_partial=True, workers=1)
    with pytest.raises(UsageError, match="no such prediction folder"):
        score_folders([tmp_path / "nowhere"], suite, workers=1)


# --- checks and comparisons -------------------------------------------------


def test_the_cross_check_agrees_and_finds_a_planted_error(
    scored: dict[str, Scores], made: Path, suite: Suite
) -> None:
    rows = scored["oracle"].rows
    found = cross_check(made / "oracle", suite, rows, sample=5, workers=1)
    assert found.queries == 5
    assert set(found.largest) == {"sdr", "sir", "sar"}
    assert all(value < 1e-6 for value, _ in found.largest.values())
    off = 0.25 * np.arange(len(rows))[::-1]
    planted = rows.assign(sdr=rows["sdr"] + off)
    wrong = cross_check(made / "oracle", suite, planted, sample=len(rows), workers=1)
    assert wrong.largest["sdr"][0] == pytest.approx(off[0], abs=1e-6)
