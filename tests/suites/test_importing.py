"""From a list and its audio to a suite that can be scored."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench.cli import run
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.suites.importing import import_suite, mix_by_power
from lassbench.suites.suite import load_suite

RATE = 32000


def db(ratio: float) -> float:
    return 10.0 * float(np.log10(ratio))


def power(x: np.ndarray) -> float:
    return float(np.mean(x.astype(np.float64) ** 2))


# --- DCASE's mixing ---------------------------------------------------------


@pytest.mark.parametrize("snr_db", [-15.0, 0.0, 7.0])
def test_the_powers_stand_in_the_ratio_asked_for(snr_db: float) -> None:
    rng = np.random.default_rng(1)
    source = rng.standard_normal(4000).astype(np.float32) * 0.05
    noise = rng.standard_normal(4000).astype(np.float32) * 0.3
    made = mix_by_power(source, noise, snr_db=snr_db)
    assert db(power(made.target) / power(made.interference)) == pytest.approx(snr_db, abs=1e-4)
    np.testing.assert_allclose(made.mixture, made.target + made.interference, atol=1e-6)
    if np.abs(made.mixture).max() < 0.9:
        np.testing.assert_array_equal(made.target, source)


def test_a_mixture_over_full_scale_is_brought_to_0_9() -> None:
    # A source of constant 0.8 and an equal noise add up to 1.6 everywhere.
    made = mix_by_power(np.full(100, 0.8, np.float32), np.full(100, 0.1, np.float32), snr_db=0.0)
    np.testing.assert_allclose(made.mixture, 0.9, rtol=1e-6)
    np.testing.assert_allclose(made.target, 0.45, rtol=1e-6)
    np.testing.assert_allclose(made.interference, 0.45, rtol=1e-6)


def test_a_mixture_at_full_scale_is_left_alone() -> None:
    made = mix_by_power(np.full(100, 0.5, np.float32), np.full(100, 0.5, np.float32), snr_db=0.0)
    np.testing.assert_allclose(made.mixture, 1.0, rtol=1e-6)


def test_silence_and_unequal_lengths_are_refused() -> None:
    tone, silence = np.full(100, 0.5, np.float32), np.zeros(100, np.float32)
    with pytest.raises(LassbenchError, match="the noise is silent"):
        mix_by_power(tone, silence, snr_db=0.0)
    with pytest.raises(LassbenchError, match="the source is silent"):
        mix_by_power(silence, tone, snr_db=0.0)
    with pytest.raises(LassbenchError, match="same length"):
        mix_by_power(tone, tone[:50], snr_db=0.0)


# --- suites -----------------------------------------------------------------


def numbered(folder: Path, count: int = 3, seconds: float = 0.5, rate: int = RATE) -> Path:
    """AudioSep's layout: segment-<idx>.wav and mixture-<idx>.wav, and a list in ESC-50's form."""
    rng = np.random.default_rng(2)
    lines = ["idx,caption,src_wav,noise_wav"]
    for index in range(count):
        source, noise = rng.uniform(-0.4, 0.4, (2, round(seconds * rate)))
        sf.write(folder / f"segment-{index}.wav", source, rate, subtype="FLOAT")
        sf.write(folder / f"mixture-{index}.wav", source + noise, rate, subtype="FLOAT")
        lines.append(f"{index},thing {index % 2},source{index % 2}.wav,noise{index}.wav")
    path = folder / "esc50_eval.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_suite_holds_the_files_samples(tmp_path: Path) -> None:
    listed = numbered(tmp_path)
    done = import_suite(listed, tmp_path, tmp_path / "suite", kind="audiosep-esc50")
    assert done.faults == ()
    suite = load_suite(tmp_path / "suite")
    assert (suite.sample_rate_hz, suite.samples) == (RATE, RATE // 2)
    assert {query.query_type for query in suite.queries.values()} == {"tag"}
    assert not suite.synthetic
    for index, mixture_id in enumerate(suite.mixtures):
        made = suite.render(mixture_id)
        source, _ = sf.read(tmp_path / f"segment-{index}.wav", dtype="float32")
        mixture, _ = sf.read(tmp_path / f"mixture-{index}.wav", dtype="float32")
        np.testing.assert_array_equal(made.target, source)
        np.testing.assert_array_equal(made.mixture, mixture)
        np.testing.assert_allclose(made.interference, mixture - source, atol=1e-7)
    targets = {suite.meta[query_id].target_id for query_id in suite.queries}
    assert targets == {"source0.wav", "source1.wav"}
    again = import_suite(listed, tmp_path, tmp_path / "again", kind="audiosep-esc50").suite
    assert again.fingerprint == suite.fingerprint


def test_the_mixture_of_an_imported_suite_is_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = numbered(tmp_path)
    suite, predictions, scores = (str(tmp_path / name) for name in ("suite", "out", "scores"))
    options = ["--list", str(listed), "--audio-dir", str(tmp_path), "--workers", "1"]
    assert run(["import-suite", suite, "--format", "audiosep-esc50", *options]) == 0
    assert "3 of 3 mixtures, 3 queries" in capsys.readouterr().out
    assert run(["separate", "mixture", "--suite", suite, "-o", predictions]) == 0
    assert run(["score", predictions, "--suite", suite, "-o", scores, "--workers", "1"]) == 0
    assert "3 of 3 queries" in capsys.readouterr().out


def test_missing_audio_leaves_the_list_whole(tmp_path: Path) -> None:
    listed = numbered(tmp_path)
    (tmp_path / "mixture-1.wav").unlink()
    done = import_suite(listed, tmp_path, tmp_path / "suite", kind="audiosep-esc50")
    (fault,) = done.faults
    assert (fault.kind, fault.where) == ("missing", "audiosep-esc50-0001")
    assert len(done.suite.mixtures) == 3
    assert set(done.suite.missing) == {"audiosep-esc50-0001"}


def test_other_rates_are_resampled_and_lengths_must_agree(tmp_path: Path) -> None:
    listed = numbered(tmp_path, rate=16000)
    suite = import_suite(listed, tmp_path, tmp_path / "suite", kind="audiosep-esc50").suite
    assert suite.samples == RATE // 2
    sf.write(tmp_path / "segment-2.wav", np.full(9000, 0.1), 16000)
    sf.write(tmp_path / "mixture-2.wav", np.full(9000, 0.2), 16000)
    with pytest.raises(FaultsError, match="different lengths") as caught:
        import_suite(listed, tmp_path, tmp_path / "other", kind="audiosep-esc50")
    assert [fault.where for fault in caught.value.faults] == ["audiosep-esc50-0002"]
    assert not (tmp_path / "other").exists()
    cut = import_suite(listed, tmp_path, tmp_path / "cut", kind="audiosep-esc50", seconds=0.25)
    assert cut.suite.samples == RATE // 4 and cut.faults == ()


def test_dcase_is_mixed_at_its_rate(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for name in ("12", "345"):
        sf.write(tmp_path / f"{name}.wav", rng.uniform(-0.1, 0.1, 8000), 16000, subtype="FLOAT")
    listed = tmp_path / "list.csv"
    listed.write_text("source,noise,snr,caption\n12,345,-3,A man speaks\n345,12,0,Rain\n")
    suite = import_suite(listed, tmp_path, tmp_path / "suite", kind="dcase2024-task9").suite
    assert (suite.sample_rate_hz, suite.samples) == (16000, 8000)
    made = suite.render("dcase2024-task9-0001")
    assert db(power(made.target) / power(made.interference)) == pytest.approx(-3.0, abs=1e-4)


@pytest.mark.parametrize("place", ["", "evaluation/", "audio/evaluation/"])
def test_files_are_found_by_the_end_of_their_path(tmp_path: Path, place: str) -> None:
    below = tmp_path / place / "class_id=0"
    below.mkdir(parents=True)
    for part, level in (("source", 0.1), ("mixture", 0.3)):
        sf.write(below / f"class_id=0,index=000,{part}.wav", np.full(3200, level), RATE)
    stem = "evaluation/class_id=0/class_id=0,index=000"
    listed = tmp_path / "list.csv"
    listed.write_text(
        f'idx,caption,src_wav,noise_wav\n0,Speech,"{stem},source.wav","{stem},mixture.wav"\n'
    )
    folder = tmp_path / "audio" if place.startswith("audio") else tmp_path
    suite = import_suite(listed, folder, tmp_path / "suite", kind="audiosep-audioset").suite
    assert suite.render("audiosep-audioset-0001").interference[0] == pytest.approx(0.2, abs=1e-3)


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_files_are_found_in_either_unicode_form(tmp_path: Path, listed: str, on_disk: str) -> None:
    below = tmp_path / unicodedata.normalize(on_disk, "Geräusche")
    below.mkdir()
    for part, level in (("mix", 0.3), ("s0", 0.1)):
        name = unicodedata.normalize(on_disk, f"Käuzchen {part}.wav")
        sf.write(below / name, np.full(3200, level), RATE)
    row = "a,Geräusche/Käuzchen mix.wav,x/Geräusche/Käuzchen s0.wav,owl,other.wav,rain\n"
    path = tmp_path / "list.csv"
    path.write_text(
        "file_id,mix_wav,s0_wav,s0_text,s1_wav,s1_text\n" + unicodedata.normalize(listed, row)
    )
    done = import_suite(path, tmp_path, tmp_path / "suite", kind="audiosep-vggsound")
    assert done.faults == ()
    made = done.suite.render("audiosep-vggsound-0001")
    assert made.interference[0] == pytest.approx(0.2, abs=1e-3)


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    listed = numbered(tmp_path)
    (tmp_path / "mixture-1.wav").unlink()
    (tmp_path / "mixture-1.wav").symlink_to("annex/1.wav")
    done = import_suite(listed, tmp_path, tmp_path / "suite", kind="audiosep-esc50")
    (fault,) = done.faults
    assert fault.kind == "missing"
    assert "mixture-1.wav is a link that leads nowhere: to annex/1.wav" in fault.reason


def test_a_list_cannot_reach_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    sf.write(tmp_path / "secret.wav", np.full(3200, 0.1), RATE)
    listed = tmp_path / "list.csv"
    row = "a,../secret.wav,../secret.wav,x,../secret.wav,y\n"
    listed.write_text("file_id,mix_wav,s0_wav,s0_text,s1_wav,s1_text\n" + row)
    with pytest.raises(FaultsError, match="not one mixture"):
        import_suite(listed, tmp_path / "audio", tmp_path / "suite", kind="audiosep-vggsound")


def test_nothing_is_written_over_and_nothing_half_written(tmp_path: Path) -> None:
    listed = numbered(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("dear")
    with pytest.raises(UsageError, match="something else than the suite"):
        import_suite(listed, tmp_path, tmp_path / "mine", kind="audiosep-esc50")
    with pytest.raises(UsageError, match="no such audio folder"):
        import_suite(listed, tmp_path / "no", tmp_path / "suite", kind="audiosep-esc50")
    for path in tmp_path.glob("mixture-*.wav"):
        path.unlink()
    with pytest.raises(FaultsError, match="not one mixture"):
        import_suite(listed, tmp_path, tmp_path / "suite", kind="audiosep-esc50")
    assert not (tmp_path / "suite").exists()
