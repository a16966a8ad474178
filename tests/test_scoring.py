"""Scoring: against mir_eval and written-out formulas, by the policy, on bad input."""

from __future__ import annotations

import itertools
import math
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import mir_eval
import numpy as np
import pyarrow as pa
import pytest
import soundfile
from click.testing import CliRunner

import lassbench
from lassbench import audio, scores, separators
from lassbench.cli import root, run
from lassbench.dataset import Dataset
from lassbench.errors import FaultsError, LassbenchError, LassbenchWarning, UsageError
from lassbench.pictures import terminal
from lassbench.predictions import SeparatedSuite, System, write_system
from lassbench.records import Query, SystemCard
from lassbench.scores import folders as scoring_folders
from lassbench.scores.comparison import beside, compare, verdict
from lassbench.scores.crosscheck import cross_check
from lassbench.scores.folders import score_folders
from lassbench.scores.pieces import levels
from lassbench.scores.result import improvement
from lassbench.scores.score_file import Bootstrap
from lassbench.scores.statistics import asker_spread, cluster_bootstrap, paired_difference
from lassbench.scores.streaming import evaluate
from lassbench.scores.summary import summarise
from lassbench.suites import freezing
from lassbench.suites.suite import Suite, load_suite
from tests.scoring.by_hand import FakeClap, as_bytes

FAST = Bootstrap(resamples=200, seed=0)
RATE = 8000


def muffled(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
    """A poor separator: its answer depends on the words, so that askers differ."""
    keep = 2 + len(query) % 5
    return np.convolve(mixture, np.ones(keep) / keep, mode="same").astype(np.float32)


@pytest.fixture(scope="module")
def frozen(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    plan = freezing.plan_separation(tiny_dataset, name="sep", noises=2)
    freezing.freeze(plan, tiny_dataset, folder / "sep", export_audio=False)
    absent = freezing.plan_silence(plan, name="absent")
    freezing.freeze(absent, tiny_dataset, folder / "absent", export_audio=False)
    asked = freezing.plan_separation(tiny_dataset, name="asked", noises=1, phrasings=3)
    freezing.freeze(asked, tiny_dataset, folder / "asked", export_audio=False)
    return folder


@pytest.fixture(scope="module")
def suite(frozen: Path) -> Suite:
    return load_suite(frozen / "sep")


@pytest.fixture(scope="module")
def made(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prediction folders: oracle, mixture, muffled."""
    folder = tmp_path_factory.mktemp("predictions")
    for name, system in (
        ("oracle", separators.OracleMask()),
        ("mixture", separators.MixtureSeparator()),
        ("muffled", separators.as_separator(muffled)),
    ):
        separators.run(system, suite, folder / name)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the muffled predictions to spoil."""
    return Path(shutil.copytree(made / "muffled", tmp_path / "muffled"))


@pytest.fixture(scope="module")
def scored(made: Path, suite: Suite) -> dict[str, scores.Scores]:
    names = ("oracle", "mixture", "muffled")
    found = score_folders([made / name for name in names], suite, workers=1, bootstrap=FAST)
    return dict(zip(names, found, strict=True))


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> None:
    soundfile.write(path, samples, rate, subtype="FLOAT")


# --- right numbers ----------------------------------------------------------


def test_rows_are_mir_evals_and_the_formulas(
    scored: dict[str, scores.Scores], made: Path, suite: Suite
) -> None:
    for row in scored["oracle"].rows.to_pylist()[::4]:
        rendered = suite.render(row["mixture_id"])
        estimate, _ = soundfile.read(made / "oracle" / f"{row['query_id']}.wav")
        s, n, x, e = (
            np.asarray(one, dtype=np.float64)
            for one in (rendered.target, rendered.interference, rendered.mixture, estimate)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = mir_eval.separation.bss_eval_sources(
                np.stack([s, n]), np.stack([e, n]), compute_permutation=False
            )
            of_mixture = mir_eval.separation.bss_eval_sources(
                np.stack([s, n]), np.stack([x, n]), compute_permutation=False
            )
        for index, name in enumerate(("sdr", "sir", "sar")):
            assert row[name] == pytest.approx(ours[index][0], abs=1e-6), name
        for index, name in enumerate(("sdr", "sir")):
            assert row[f"{name}_mixture"] == pytest.approx(of_mixture[index][0], abs=1e-6)
        for signal, end in ((e, ""), (x, "_mixture")):
            scaled = (signal @ s) / (s @ s) * s
            si_sdr = 10 * math.log10((scaled @ scaled) / ((signal - scaled) @ (signal - scaled)))
            snr = 10 * math.log10((s @ s) / ((s - signal) @ (s - signal)))
            assert row[f"si_sdr{end}"] == pytest.approx(si_sdr, abs=1e-9)
            assert row[f"snr{end}"] == pytest.approx(snr, abs=1e-9)
        for name in ("sdr", "sir", "si_sdr", "snr"):
            assert row[f"{name}_i"] == row[name] - row[f"{name}_mixture"]
        assert row["estimate_level_db"] == pytest.approx(10 * math.log10((e @ e) / (x @ x)))


def test_every_query_has_one_row_in_order(scored: dict[str, scores.Scores], suite: Suite) -> None:
    for file, rows in scored.values():
        assert rows.column("query_id").to_pylist() == sorted(suite.queries)
        assert rows.schema.equals(scores.rows_schema("separation"))
        assert file.coverage.queries_scored == len(suite.queries)
        assert not file.coverage.partial
        assert file.annotators == {}
        for row in rows.to_pylist():
            query = suite.queries[row["query_id"]]
            mixture = suite.mixtures[query.mixture_id]
            assert (row["target_id"], row["concept"]) == (mixture.target_id, query.concept)


def test_the_summary_is_of_the_rows(scored: dict[str, scores.Scores]) -> None:
    file, rows = scored["oracle"]
    targets = rows.column("target_id").to_pylist()
    for name, found in file.summary.items():
        values = scores.column(rows, name)
        interval = cluster_bootstrap(values, targets, resamples=200)
        assert found.mean == pytest.approx(values.mean(), abs=1e-8)
        assert found.median == pytest.approx(np.median(values), abs=1e-8)
        assert found.ci_low == pytest.approx(interval.low, abs=1e-8)
        assert found.ci_high == pytest.approx(interval.high, abs=1e-8)
        assert found.n == len(rows)
    assert file.targets == len(set(targets))


def test_breakdowns_are_of_their_rows(scored: dict[str, scores.Scores], suite: Suite) -> None:
    file, rows = scored["oracle"]
    values = dict(zip(rows.column("query_id").to_pylist(), rows["sdr"].to_pylist(), strict=True))
    keys: dict[str, Callable[[Query], tuple[str, ...]]] = {
        "concept": lambda one: (one.concept,),
        "root": lambda one: (one.root,),
        "concept_pair": lambda one: (f"{one.concept} + {one.noise_concept}",),
        "tag": lambda one: one.tags,
        "query_type": lambda one: (one.query_type,),
    }
    assert set(file.breakdowns) == set(keys)
    for kind, key in keys.items():
        expected: dict[str, list[float]] = {}
        for query_id, value in values.items():
            for name in key(suite.queries[query_id]):
                expected.setdefault(name, []).append(value)
        found = file.breakdowns[kind]
        assert set(found) == set(expected)
        for name, of_group in expected.items():
            assert found[name]["sdr"].mean == pytest.approx(np.mean(of_group), abs=1e-8)
            assert found[name]["sdr"].n == len(of_group)


def test_systems_rank_as_they_must(scored: dict[str, scores.Scores]) -> None:
    mean = {name: one.file.summary["si_sdr_i"].mean for name, one in scored.items()}
    assert mean["mixture"] == pytest.approx(0, abs=1e-9)
    assert mean["oracle"] > 3
    assert scored["oracle"].file.wrong_source_share == 0
    assert 0.2 < scored["mixture"].file.wrong_source_share < 0.8


# --- the same whoever computes it -------------------------------------------


def test_processes_and_together_or_alone_give_the_same_bytes(
    scored: dict[str, scores.Scores], made: Path, suite: Suite, tmp_path: Path
) -> None:
    alone = score_folders([made / "oracle"], suite, workers=2, bootstrap=FAST)[0]
    assert as_bytes(alone, tmp_path / "a") == as_bytes(scored["oracle"], tmp_path / "b")


def test_a_dask_cluster_gives_the_same_bytes(
    scored: dict[str, scores.Scores], made: Path, suite: Suite, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        found = score_folders(
            [made / "oracle"], suite, scheduler=cluster.scheduler_address, bootstrap=FAST
        )[0]
    assert as_bytes(found, tmp_path / "a") == as_bytes(scored["oracle"], tmp_path / "b")


def test_streaming_gives_the_rows_of_the_files(
    scored: dict[str, scores.Scores], suite: Suite
) -> None:
    for workers in (1, 2):
        found = evaluate(muffled, suite, workers=workers, progress=False, bootstrap=FAST)
        assert found.rows.equals(scored["muffled"].rows)
        assert found.file.summary == scored["muffled"].file.summary
        info, of_files = found.file.system, scored["muffled"].file.system
        assert info.predictions_sha256 == of_files.predictions_sha256
    assert lassbench.evaluate is evaluate


def test_flac_gives_the_bytes_of_a_plain_wav(folder: Path, suite: Suite, tmp_path: Path) -> None:
    plain = Path(shutil.copytree(folder, tmp_path / "plain"))
    for path in sorted(folder.glob("*.wav")):
        samples, rate = soundfile.read(path, dtype="float32")
        samples = audio.to_int16(samples)  # which WAV and FLAC's writers would round otherwise
        soundfile.write(plain / path.name, samples, rate, subtype="PCM_16")
        soundfile.write(path.with_suffix(".flac"), samples, rate, subtype="PCM_16")
        path.unlink()
    flac, wav = (
        as_bytes(score_folders([one], suite, workers=1, bootstrap=FAST)[0], tmp_path / "scores")
        for one in (folder, plain)
    )
    assert flac == wav


@pytest.mark.parametrize("answer", ["nan", "short", "int"])
def test_streaming_refuses_what_is_no_estimate(suite: Suite, answer: str) -> None:
    def bad(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
        if answer == "nan":
            return np.full_like(mixture, np.nan)
        return mixture[:-1] if answer == "short" else mixture.astype(np.int16)

    with pytest.raises(LassbenchError, match="returned"):
        evaluate(bad, suite, progress=False, bootstrap=FAST)


# --- the policy -------------------------------------------------------------


def test_the_mixtures_sar_is_shown_as_undefined_and_never_averaged(
    scored: dict[str, scores.Scores],
) -> None:
    file, rows = scored["mixture"]
    assert rows["sar"].null_count == len(rows)
    assert file.summary["sar"].mean is None
    assert file.summary["sar"].n_undefined == len(rows)
    assert set(rows["flags"].to_pylist()) == {"sar-undefined"}


def test_silence_is_the_worst_answer_in_every_metric_and_is_counted(
    folder: Path, suite: Suite, scored: dict[str, scores.Scores]
) -> None:
    """For each query in turn, silence must not score better than what was there."""
    before = scored["muffled"]
    ids = before.rows.column("query_id").to_pylist()
    for query_id in ids[:3]:
        write(folder / f"{query_id}.wav", np.zeros(RATE))
    file, rows = score_folders([folder], suite, workers=1, bootstrap=FAST)[0]
    for name in scores.SEPARATION_METRICS:
        assert scores.column(rows, name)[:3].tolist() == [-math.inf] * 3
        assert file.summary[name].n_infinite == 3
        assert file.summary[name].mean < before.file.summary[name].mean
        expected = np.concatenate([[-100.0] * 3, scores.column(before.rows, name)[3:]])
        assert file.summary[name].mean == pytest.approx(np.nanmean(expected), abs=1e-8)
    assert rows["wrong_source"].to_pylist()[:3] == [True] * 3
    assert rows["flags"].to_pylist()[:3] == ["silent"] * 3
    assert any("3 estimates are silent" in one for one in file.warnings)


def test_a_perfect_estimate_is_infinite_in_its_row_and_limited_in_the_mean(
    suite: Suite,
) -> None:
    class Cheat:
        card = SystemCard(name="cheat", query_type="oracle")

        def separate_oracle(self, rendered, query, sample_rate):
            return rendered.target

    file, rows = evaluate(Cheat(), suite, progress=False, bootstrap=FAST)
    assert set(scores.column(rows, "snr")) == {math.inf}
    assert file.summary["snr"].mean == 100.0
    assert file.summary["snr"].n_infinite == len(rows)
    assert file.summary["sar"].mean is None
    assert file.wrong_source_share == 0.0
    assert any("oracle" in one for one in file.warnings)


def test_improvements_of_infinite_values() -> None:
    inf = math.inf
    assert improvement(3.0, 1.0) == 2.0
    assert improvement(-inf, 5.0) == -inf
    assert improvement(-inf, -inf) == -inf
    assert improvement(inf, inf) == 0.0
    assert improvement(inf, 2.0) == inf
    assert improvement(2.0, inf) == -inf


def test_absent_sounds_are_scored_by_how_quiet_the_answer_is(frozen: Path) -> None:
    absent = load_suite(frozen / "absent")
    gains = {"tiny": 0.05, "half": 0.5, "none": 0.0}
    expected = {"tiny": 26.0206, "half": 6.0206, "none": math.inf}
    for name, gain in gains.items():
        file, rows = evaluate(
            lambda mixture, query, rate, gain=gain: np.float32(gain) * mixture,
            absent, progress=False, bootstrap=FAST,
        )  # fmt: skip
        assert file.kind == "absent"
        assert set(file.summary) == {"attenuation", "silent_share"}
        assert scores.column(rows, "attenuation") == pytest.approx(expected[name], abs=1e-4)
        assert file.summary["attenuation"].mean == pytest.approx(
            min(expected[name], 100.0), abs=1e-4
        )
        assert file.summary["silent_share"].mean == (0.0 if name == "half" else 1.0)
        assert file.wrong_source_share is None
        assert not file.warnings


# --- who asked --------------------------------------------------------------


def test_scores_by_annotator(frozen: Path) -> None:
    asked = load_suite(frozen / "asked")
    file, rows = evaluate(muffled, asked, progress=False, bootstrap=FAST)
    of_each = rows.to_pandas().pivot(index="mixture_id", columns="annotator", values="si_sdr")
    people, matrix = list(of_each.columns), of_each.to_numpy()
    expected = asker_spread(matrix)
    found = file.annotators["si_sdr"]
    assert expected is not None
    assert expected.spread > 0
    assert found.annotators == 3
    assert found.mixtures == len(asked.mixtures)
    for name in ("mean", "spread", "worst_of_mixture", "within_mixture_sd", "asker_share"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-8)
    assert found.worst_annotator == people[expected.worst]
    for person in people:
        cell = file.breakdowns["annotator"][person]["si_sdr"]
        assert cell.mean == pytest.approx(of_each[person].mean(), abs=1e-8)


def test_comparison_by_annotator(frozen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = load_suite(frozen / "asked")
    first = evaluate(muffled, asked, progress=False, bootstrap=FAST)
    second = evaluate(lambda m, q, r: m, asked, progress=False, bootstrap=FAST)
    found = compare(first, second, metric="si_sdr", resamples=50)
    assert set(found.by["annotator"]) == {query.annotator for query in asked.queries.values()}
    terminal.show_comparison(terminal.console(), found)
    shown = capsys.readouterr().out
    assert "SI-SDR by annotator" in shown
    assert shown.count("who asks") == 2


# --- CLAPScore --------------------------------------------------------------


def test_clap_scores_are_rows_and_a_summary_with_their_model(
    made: Path, suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("lassbench.metrics.clap.ClapModel", FakeClap)
    folders = [made / "muffled", made / "oracle"]
    found = score_folders(folders, suite, workers=1, clap="tiny-clap", bootstrap=FAST)
    for one, folder in zip(found, folders, strict=True):
        assert one.rows.schema.equals(scores.rows_schema("separation", clap=True))
        for row in one.rows.to_pylist():
            estimate, _ = soundfile.read(folder / f"{row['query_id']}.wav")
            mixture = suite.mixture_samples(row["mixture_id"]).astype(np.float64)
            words = len(suite.queries[row["query_id"]].text)
            assert row["clap"] == pytest.approx(np.mean(estimate**2) / words)
            assert row["clap_i"] == pytest.approx(row["clap"] - np.mean(mixture**2) / words)
        assert one.file.summary["clap"].mean == pytest.approx(
            scores.column(one.rows, "clap").mean(), abs=1e-9
        )
        assert "model tiny-clap" in one.file.metrics["clap"].definition
        one.save(tmp_path)
    assert scores.read_scores(tmp_path / "muffled.score.json").file == found[0].file


# --- what a reader has to know ----------------------------------------------


def test_training_clips_in_the_test_set_are_named(
    folder: Path, suite: Suite, tiny_dataset: Dataset
) -> None:
    test_clip = tiny_dataset.split("test")[0].clip_id
    train_clip = tiny_dataset.split("train")[0].clip_id
    hashes = tuple(tiny_dataset.pcm_sha256[one] for one in (test_clip, train_clip))
    write_system(folder, System(SystemCard(name="peeked", training_clips_sha256=hashes)))
    file = score_folders([folder], suite, workers=1, bootstrap=FAST)[0].file
    assert file.contamination.declared == 2
    assert file.contamination.clips == (test_clip,)
    assert any("trained on" in one and test_clip in one for one in file.warnings)


def test_a_tag_system_and_another_suites_predictions_are_marked(folder: Path, suite: Suite) -> None:
    write_system(
        folder,
        System(
            SystemCard(name="tags", query_type="tag"), SeparatedSuite(name="x", fingerprint="00")
        ),
    )
    file = score_folders([folder], suite, workers=1, bootstrap=FAST)[0].file
    assert file.system.query_type == "tag"
    assert any("tags" in one for one in file.warnings)
    assert any("fingerprint 00" in one for one in file.warnings)


def test_audio_that_is_not_what_was_frozen_is_refused(made: Path, suite: Suite) -> None:
    mixture_id = next(iter(suite.mixtures))
    pcm = {**suite.pcm_sha256, mixture_id: {"mixture": "00" * 32}}
    altered = suite.model_copy(update={"pcm_sha256": pcm})
    with pytest.raises(LassbenchError, match="not what was frozen") as caught:
        score_folders([made / "oracle"], altered, workers=1, bootstrap=FAST)
    assert mixture_id in str(caught.value)


def test_clips_that_are_gone_shrink_coverage_and_nothing_else(made: Path, suite: Suite) -> None:
    gone = list(suite.mixtures)[:3]
    fewer = suite.model_copy(update={"missing": dict.fromkeys(gone, "the clip is gone")})
    file, rows = score_folders([made / "oracle"], fewer, workers=1, bootstrap=FAST)[0]
    assert file.coverage.queries_total == len(suite.queries)
    assert file.coverage.renderable == file.coverage.queries_scored == len(rows)
    assert len(rows) == len(suite.queries) - 3
    assert not file.coverage.partial
    none = suite.model_copy(update={"missing": dict.fromkeys(suite.mixtures, "the clip is gone")})
    with pytest.raises(LassbenchError, match="no mixture of this suite"):
        score_folders([made / "oracle"], none, workers=1, bootstrap=FAST)


# --- bad input --------------------------------------------------------------


def spoil(folder: Path) -> dict[str, str]:
    """Spoil one file in each way; query id (or file name) -> kind of fault."""
    wavs = iter(sorted(folder.glob("*.wav")))
    sound = np.random.default_rng(0).normal(0, 0.1, RATE)
    faults: dict[str, str] = {}

    def next_wav(kind: str) -> Path:
        path = next(wavs)
        faults[path.name] = kind
        return path

    next_wav("missing").unlink()
    write(next_wav("short"), sound[:-1])
    bad = sound.copy()
    bad[7] = np.nan
    write(next_wav("nan"), bad)
    path = next_wav("unreadable")
    path.write_bytes(path.read_bytes()[:500])
    (folder / "holi\nday.wav").write_text("x")
    faults["holi\\nday.wav"] = "extra"
    return faults


def test_all_faults_are_told_in_one_pass(folder: Path, suite: Suite) -> None:
    expected = spoil(folder)
    with pytest.raises(FaultsError) as caught:
        score_folders([folder], suite, workers=1, bootstrap=FAST)
    message = str(caught.value)
    for name, kind in expected.items():
        assert Path(name).stem.lower() in message.lower(), name
        assert f"{kind}: " in message, message
    assert "--allow-partial" in message
    assert "\nday" not in message  # a newline in a name must not break the report's lines


def test_partial_results_are_scored_and_marked(
    folder: Path, suite: Suite, scored: dict[str, scores.Scores]
) -> None:
    expected = spoil(folder)
    spoilt = {Path(name).stem for name, kind in expected.items() if kind != "extra"}
    file, rows = score_folders([folder], suite, allow_partial=True, workers=1, bootstrap=FAST)[0]
    kept = [one for one in sorted(suite.queries) if one not in spoilt]
    assert rows.column("query_id").to_pylist() == kept
    assert file.coverage.partial
    assert file.coverage.missing_predictions == len(spoilt)
    assert any(one.startswith("partial: ") for one in file.warnings)
    whole = scored["muffled"].rows
    same = whole.filter(np.isin(whole.column("query_id").to_pylist(), kept))
    assert rows.equals(same)


def test_a_file_that_vanishes_while_scoring_is_a_fault_not_a_crash(
    folder: Path, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = sorted(folder.glob("*.wav"))[0]
    measure_all = scoring_folders._measure_all

    def vanish(*arguments: object) -> None:
        gone.unlink(missing_ok=True)
        measure_all(*arguments)

    monkeypatch.setattr(scoring_folders, "_measure_all", vanish)
    with pytest.raises(FaultsError, match="missing: 1") as caught:
        score_folders([folder], suite, workers=1, bootstrap=FAST)
    assert gone.name in str(caught.value)


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
    folder: Path,
    suite: Suite,
    scored: dict[str, scores.Scores],
    bits: int,
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
        (found,) = score_folders([folder], suite, workers=2, bootstrap=FAST)
    assert [one.filename for one in told] == [__file__]
    up_to, worst = re.search(words, str(told[0].message)).groups()
    assert peaks[worst] == max(peaks.values()) == pytest.approx(float(up_to), rel=1e-2)
    # Scored as they are: only what does not depend on the scale is as before.
    ours, before = found.rows.to_pylist(), scored["muffled"].rows.to_pylist()
    for row, was in zip(ours, before, strict=True):
        assert row["si_sdr"] == pytest.approx(was["si_sdr"], abs=1e-4)
        assert (row["snr"] < was["snr"] - 50) == (row["query_id"] in peaks)
    assert found.file.warnings == scored["muffled"].file.warnings


def test_clipped_estimates_are_told_once_a_system_on_standard_error(
    made: Path, folder: Path, suite: Suite, in_folder: Path, capsys: pytest.CaptureFixture[str]
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
        evaluate(integers, suite, progress=False, bootstrap=FAST)
    assert [one.filename for one in told] == [__file__]


def test_nothing_is_told_of_usual_levels(made: Path, suite: Suite, frozen: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", LassbenchWarning)
        score_folders([made / "oracle", made / "mixture"], suite, workers=1, bootstrap=FAST)
        absent = load_suite(frozen / "absent")
        evaluate(lambda mixture, *_: 0 * mixture, absent, progress=False, bootstrap=FAST)


def test_an_empty_folder_and_no_folder_and_twins(
    folder: Path, suite: Suite, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FaultsError, match=f"missing: {len(suite.queries)}"):
        score_folders([tmp_path / "empty"], suite, workers=1)
    with pytest.raises(LassbenchError, match="nothing to score"):
        score_folders([tmp_path / "empty"], suite, allow_partial=True, workers=1)
    with pytest.raises(UsageError, match="no such prediction folder"):
        score_folders([tmp_path / "nowhere"], suite, workers=1)
    with pytest.raises(UsageError, match="one name"):
        score_folders([folder, folder], suite, workers=1)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("parameters: -5", "parameters"),
        ("cost: {real_time_factor: fast}", "real_time_factor"),
        (f"authors: {'x' * 50_000}", "authors"),
        (f"name: {'x' * 300}", "name"),
    ],
)
def test_what_a_score_file_cannot_hold_is_refused_before_scoring(
    folder: Path, suite: Suite, line: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "" if line.startswith("name") else "name: x\n"
    (folder / "system.yaml").write_text(f"{name}{line}\n")
    monkeypatch.setattr("lassbench.scores.folders._measure_all", None)
    with pytest.raises(LassbenchError, match=words):
        score_folders([folder], suite, workers=1)


# --- checks and comparisons -------------------------------------------------


def test_the_cross_check_agrees_and_finds_a_planted_error(
    scored: dict[str, scores.Scores], made: Path, suite: Suite
) -> None:
    rows = scored["oracle"].rows
    found = cross_check(made / "oracle", suite, rows, sample=5, workers=1)
    assert found.queries == 5
    assert all(value < 1e-6 for value, _ in found.largest.values())
    index = rows.schema.get_field_index("sdr")
    off = 0.25 * np.arange(len(rows))[::-1]
    planted = rows.set_column(index, rows.schema.field(index), [scores.column(rows, "sdr") + off])
    wrong = cross_check(made / "oracle", suite, planted, sample=len(rows), workers=1)
    assert wrong.largest["sdr"][0] == pytest.approx(off[0], abs=1e-6)


def test_comparison_is_the_paired_difference(scored: dict[str, scores.Scores]) -> None:
    found = compare(scored["oracle"], scored["muffled"], resamples=500)
    a, b = (scores.column(scored[name].rows, "sdr") for name in ("oracle", "muffled"))
    targets = scored["oracle"].rows.column("target_id").to_pylist()
    assert found.metrics["sdr"] == paired_difference(a, b, targets, resamples=500)
    assert found.metric == "si_sdr_i"
    moved = [one.difference for one in found.moved]
    assert moved == sorted(moved, reverse=True)
    assert len(moved) == found.queries == len(a)
    assert sum(one.n for one in found.by["concept"].values()) == len(a)
    assert verdict(found.metrics["si_sdr_i"]) == "better"
    with pytest.raises(UsageError, match="did you mean 'si_sdr'"):
        compare(scored["oracle"], scored["muffled"], metric="sisdr")


def test_comparison_is_on_what_both_cover(scored: dict[str, scores.Scores], frozen: Path) -> None:
    oracle, muffled_scores = scored["oracle"], scored["muffled"]
    fewer = scores.Scores(muffled_scores.file, muffled_scores.rows.slice(4))
    found = compare(oracle, fewer, resamples=50)
    assert found.queries == len(oracle.rows) - 4
    assert any("of them are compared" in one for one in found.warnings)
    with pytest.raises(LassbenchError, match="no query in common"):
        compare(oracle, scores.Scores(muffled_scores.file, muffled_scores.rows.slice(0, 0)))
    other = evaluate(muffled, load_suite(frozen / "absent"), progress=False, bootstrap=FAST)
    for refused in (lambda: compare(oracle, other), lambda: beside(oracle, [other])):
        with pytest.raises(UsageError, match="different suites"):
            refused()


def test_the_mixture_stands_beside_every_system_without_a_file(
    scored: dict[str, scores.Scores],
) -> None:
    mixture, other = beside(scored["oracle"], [scored["muffled"], scored["oracle"]])
    assert (mixture.name, other.name) == ("Mixture", "muffled")
    for name in ("sdr", "si_sdr", "snr"):
        assert mixture.means[name] == pytest.approx(
            scored["mixture"].file.summary[name].mean, abs=1e-6
        )
    assert mixture.means["sar"] is None
    assert mixture.ahead.diff == pytest.approx(
        scored["oracle"].file.summary["si_sdr_i"].mean, abs=1e-8
    )
    assert verdict(mixture.ahead) == "better"


# --- the command line -------------------------------------------------------


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_score_and_compare_on_the_command_line(made: Path, suite: Suite, in_folder: Path) -> None:
    done = CliRunner().invoke(
        root,
        ["score", str(made / "oracle"), str(made / "muffled"), "--workers", "1", "--oracle=3"],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    for words in ("SI-SDRi", "Oracle ratio mask", "Mixture", "better", "mir_eval", "oracle"):
        assert words in done.output
    assert "synthetic" in done.output
    assert "templated queries" in done.output
    files = sorted(path.name for path in (in_folder / "scores" / "sep").iterdir())
    assert files == [
        "Oracle-ratio-mask.score.json",
        "Oracle-ratio-mask.score.parquet",
        "muffled.score.json",
        "muffled.score.parquet",
    ]
    compared = CliRunner().invoke(
        root,
        [
            "compare",
            *(f"scores/sep/{name}.score.json" for name in ("Oracle-ratio-mask", "muffled")),
        ],
        catch_exceptions=False,
    )
    assert compared.exit_code == 0
    assert "wins" in compared.output
    assert "moved most" in compared.output


def test_a_score_on_another_suite_is_refused_before_scoring(
    made: Path, frozen: Path, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = evaluate(muffled, load_suite(frozen / "absent"), progress=False, bootstrap=FAST)
    path, _ = other.save(in_folder / "other")
    folders = [str(made / "oracle"), str(made / "muffled")]
    assert run(["score", *folders, "--workers", "1", "--against", str(path)]) == 2
    assert "different suites" in capsys.readouterr().err
    assert not (in_folder / "scores").exists()


def test_an_entry_with_no_query_in_common_is_left_out(scored: dict[str, scores.Scores]) -> None:
    elsewhere = scores.Scores(scored["muffled"].file, scored["muffled"].rows.slice(0, 0))
    assert [one.name for one in beside(scored["oracle"], [elsewhere])] == ["Mixture"]


def test_the_command_line_refuses_in_one_message(
    folder: Path, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = folder.rename(in_folder / "moved")
    folder = moved.rename(in_folder / "far") / "away"
    shutil.copytree(in_folder / "far", folder)
    assert run(["score", str(folder), "--workers", "1"]) == 2  # its suite is not where it was
    assert "--suite" in capsys.readouterr().err
    (folder / "system.yaml").write_text("name: x\ncolour: blue\n")
    assert run(["score", str(folder)]) == 1
    assert "colour" in capsys.readouterr().err
    assert run(["score", "nowhere"]) == 2
    assert run(["score", "--oracle", "nowhere"]) == 2
    assert "put --oracle behind the folders" in capsys.readouterr().err
    assert run(["compare", "nowhere", "nowhere"]) == 2
    assert not (in_folder / "scores").exists()


def test_nothing_is_written_when_predictions_are_faulty(
    folder: Path, suite: Suite, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(folder)
    arguments = ["score", str(folder), "--suite", str(suite.path), "--workers", "1"]
    assert run(arguments) == 1
    assert "faults in the predictions" in capsys.readouterr().err
    assert not (in_folder / "scores").exists()
    assert run([*arguments, "--allow-partial"]) == 0
    assert "PARTIAL" in capsys.readouterr().out
    assert len(list((in_folder / "scores").rglob("*.score.json"))) == 1


def test_the_schema_is_printed() -> None:
    done = CliRunner().invoke(root, ["score", "--schema"], catch_exceptions=False)
    assert done.exit_code == 0
    assert '"rows_sha256"' in done.output


def test_a_tag_written_twice_counts_a_query_once(scored: dict[str, scores.Scores]) -> None:
    file, rows = scored["oracle"]
    place = rows.schema.get_field_index("tags")
    tags = pa.array([f"{one}; {one}" for one in rows.column("tags").to_pylist()])
    twice = summarise(
        rows.set_column(place, rows.schema.field(place), tags), file.kind, file.bootstrap
    )
    assert twice.breakdowns == file.breakdowns
    assert file.breakdowns["tag"]
