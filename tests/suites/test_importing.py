"""From a list and its audio to a suite that can be scored."""

from __future__ import annotations

import csv
import gzip
import json
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lassbench.audio import AudioFault, pcm_sha256
from lassbench.cli import run
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.resampling import resample
from lassbench.scores.score import evaluate
from lassbench.suites.importing import AudioIndex, Imported, gain_in, import_suite
from lassbench.suites.suite import load_suite

RATE = 32000
Array = np.ndarray


def noise(seed: int, samples: int, level: float = 0.4) -> Array:
    return np.random.default_rng(seed).uniform(-level, level, samples).astype(np.float32)


def put(path: Path, samples: Array, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # libsndfile cannot write floats to every container.
    sf.write(path, samples, rate, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


def numbered(folder: Path, count: int = 3, seconds: float = 0.5, rate: int = RATE) -> Path:
    """AudioSep's layout: segment-<idx>.wav and mixture-<idx>.wav, and a list in ESC-50's form."""
    lines = ["idx,caption,src_wav,noise_wav"]
    for index in range(count):
        source, other = (noise(2 * index + k, round(seconds * rate)) for k in (0, 1))
        put(folder / f"segment-{index}.wav", source, rate)
        put(folder / f"mixture-{index}.wav", source + other, rate)
        lines.append(f"{index},thing {index % 2},source{index % 2}.wav,noise{index}.wav")
    path = folder / "esc50_eval.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def raw_recordings(folder: Path) -> Path:
    """The recordings that ``numbered`` lists."""
    for name in ("source0", "source1", "noise0", "noise1", "noise2"):
        put(folder / f"{name}.flac", noise(len(name), 44100), 44100)
    return folder


def triples(folder: Path, *rows: str, header: str = "mixture,target,query") -> Path:
    path = folder / "mine.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def notes_of(suite: Path) -> str:
    return str(json.loads((suite / "suite.json").read_text())["notes"])


def all_bytes(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# --- handed out already mixed -----------------------------------------------


def test_a_suite_holds_the_files_samples(tmp_path: Path) -> None:
    listed = numbered(tmp_path)
    done = import_suite(listed, tmp_path, tmp_path / "suite", kind="audiosep-esc50")
    assert done.faults == ()
    suite = load_suite(tmp_path / "suite")
    assert (suite.sample_rate_hz, suite.samples) == (RATE, RATE // 2)
    assert (suite.recipe, suite.synthetic, suite.frozen_from.name) == (
        *("as given", False, "audiosep-esc50"),
    )
    for index, mixture_id in enumerate(suite.mixtures):
        made = suite.render(mixture_id)
        source, _ = sf.read(tmp_path / f"segment-{index}.wav", dtype="float32")
        mixture, _ = sf.read(tmp_path / f"mixture-{index}.wav", dtype="float32")
        np.testing.assert_array_equal(made.target, source)
        np.testing.assert_array_equal(made.mixture, mixture)
        np.testing.assert_allclose(made.interference, mixture - source, atol=1e-7)
    assert {mixture.target_id for mixture in suite.mixtures.values()} == {"source0", "source1"}
    assert "mean over mixtures" in notes_of(tmp_path / "suite")
    assert "3 rows, where the published list has 2000" in done.notes


def test_missing_audio_leaves_the_list_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = numbered(tmp_path, 4)
    (tmp_path / "mixture-1.wav").unlink()
    (tmp_path / "mixture-2.wav").write_bytes(b"RIFF")
    line = ["import-suite", str(tmp_path / "suite"), "--format", "audiosep-esc50", "--workers", "1"]
    assert run([*line, "--list", str(listed), "--audio-dir", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "2 of 4 mixtures, 4 queries" in told and "mixtures as handed out" in told
    assert "2 mixtures could not be made:\n  missing: 1" in told
    suite = load_suite(tmp_path / "suite")
    assert set(suite.missing) == {"audiosep-esc50-0001", "audiosep-esc50-0002"}
    counts = json.loads((suite.path / "suite.json").read_text())["counts"]
    assert counts == {"mixtures": 4, "queries": 4, "renderable_mixtures": 2}


def test_other_rates_are_resampled_and_lengths_must_agree(tmp_path: Path) -> None:
    listed = numbered(tmp_path, rate=16000)
    done = import_suite(listed, tmp_path, tmp_path / "suite", kind="audiosep-esc50")
    assert done.suite.samples == RATE // 2
    for name in ("segment-2.wav", "mixture-2.wav"):
        put(tmp_path / name, noise(9, 9000), 16000)
    with pytest.raises(FaultsError, match="different lengths") as caught:
        import_suite(listed, tmp_path, tmp_path / "other", kind="audiosep-esc50")
    assert [fault.where for fault in caught.value.faults] == ["audiosep-esc50-0002"]
    assert not (tmp_path / "other").exists()
    cut = import_suite(listed, tmp_path, tmp_path / "cut", kind="audiosep-esc50", seconds=0.25)
    assert cut.suite.samples == RATE // 4 and cut.faults == ()


def test_silence_is_kept_and_named(tmp_path: Path) -> None:
    """A silent target, and a mixture equal to its source: the queries are, and are told."""
    listed = numbered(tmp_path, 4)
    put(tmp_path / "segment-1.wav", np.zeros(RATE // 2, np.float32))
    put(tmp_path / "mixture-2.wav", sf.read(tmp_path / "segment-2.wav", dtype="float32")[0])
    source, _ = sf.read(tmp_path / "segment-3.wav", dtype="float32")
    put(tmp_path / "mixture-3.wav", source * 2)
    done = import_suite(listed, tmp_path, tmp_path / "suite", kind="audiosep-esc50")
    ids = [f"audiosep-esc50-000{index}" for index in range(4)]
    assert done.suite.missing == {}
    assert done.suite.audit["silent source"] == (ids[1], ids[2])
    assert done.suite.audit["identical sources"] == (ids[3],)
    assert done.suite.findings[ids[1]] == ("silent source",)
    assert not done.suite.render(ids[2]).interference.any()


# --- mixed here ---------------------------------------------------------------


def esc_sound(shared: Path, name: str) -> Array:
    """The first 10 s at 32 kHz of an ESC-10 recording that a list calls ``name``.wav."""
    samples, rate = sf.read(shared / "data/esc10/audio" / f"{name}.ogg", dtype="float32")
    assert samples.ndim == 1
    found = resample(samples, rate, RATE)[: 10 * RATE]
    return np.pad(found, (0, 10 * RATE - found.size))


@pytest.fixture(scope="module")
def clapsep_esc(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    out = tmp_path_factory.mktemp("clapsep") / "suite"
    listed = shared / "data/lists/clapsep.esc_eval.csv.gz"
    return import_suite(
        listed, shared / "data/esc10", out, kind="clapsep-esc", export_mixtures=False, workers=2
    )


def test_clapseps_recipe_is_its_arithmetic(shared: Path, clapsep_esc: Imported) -> None:
    """32 kHz, 10 s, zeros at the end, 0 dB by power, 0.9 over a peak above 1: 60 pairs."""
    suite = clapsep_esc.suite
    made = [m for m in suite.mixtures.values() if m.mixture_id not in suite.missing]
    assert (len(made), len({m.target_id for m in made})) == (269, 194)
    peaks = []
    for mixture in made[:60]:
        s, n = (
            esc_sound(shared, one).astype(np.float64)
            for one in (mixture.target_id, mixture.noise_id)
        )
        n *= np.linalg.norm(s) / np.linalg.norm(n)
        peak = np.abs(s + n).max()
        peaks.append(peak)
        gain = 0.9 / peak if peak > 1 else 1.0
        rendered = suite.render(mixture.mixture_id)
        np.testing.assert_allclose(rendered.mixture, gain * (s + n), atol=1e-6)
        np.testing.assert_allclose(rendered.target, gain * s, atol=1e-6)
        np.testing.assert_allclose(rendered.interference, gain * n, atol=1e-6)
        hashes = suite.pcm_sha256[mixture.mixture_id]
        assert hashes["mixture"] == pcm_sha256(rendered.mixture)
    assert min(peaks) < 1 < max(peaks)  # both branches were seen


def test_what_the_card_of_a_mixed_list_says(shared: Path, clapsep_esc: Imported) -> None:
    suite = clapsep_esc.suite
    assert (suite.recipe, suite.samples) == ("by power", 10 * RATE)
    assert "recipe presumed" in notes_of(suite.path)
    assert not (suite.path / "references").exists() and not (suite.path / "mixtures").exists()
    with (suite.path / "queries.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with gzip.open(shared / "data/lists/clapsep.esc_eval.csv.gz", "rt") as stream:
        listed = list(csv.DictReader(stream))
    assert list(rows[0])[-1] == "negative"
    for row, said in zip(rows, listed, strict=True):
        assert (row["text"], row["negative"]) == (
            *(said["positive_caption"], said["negative_caption"]),
        )
        assert row["noise_concept"] == said["negative_caption"].removeprefix("the sound of ")
    assert {fault.kind for fault in clapsep_esc.faults} == {"missing"}
    assert len(clapsep_esc.faults) == 7500 - 269


def test_audioseps_esc_list_from_raw_recordings(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = shared / "data/lists/audiosep.esc50_eval.csv.gz"
    line = ["import-suite", str(tmp_path / "suite"), "--format", "audiosep-esc50", "--no-audio"]
    line += ["--list", str(listed), "--audio-dir", str(shared / "data/esc10/audio")]
    assert run([*line, "--workers", "2"]) == 0
    told = capsys.readouterr().out
    assert "78 of 2000 mixtures" in told and "recipe presumed" in told
    suite = load_suite(tmp_path / "suite")
    assert (suite.recipe, suite.samples) == ("by power", 10 * RATE)
    for query in suite.queries.values():
        assert query.text == query.concept and query.query_type == "tag"


def test_dcase_is_mixed_at_its_rate(tmp_path: Path) -> None:
    sounds = {name: noise(int(name), 8000, 0.6) for name in ("12", "345")}
    for name, samples in sounds.items():
        put(tmp_path / f"{name}.wav", samples, 16000)
    listed = tmp_path / "list.csv"
    listed.write_text("source, noise, snr, caption\n12,345,-3,A man speaks\n345,12,0,Rain\n")
    suite = import_suite(listed, tmp_path, tmp_path / "suite", kind="dcase2024-task9").suite
    assert (suite.sample_rate_hz, suite.samples) == (16000, 8000)
    made = suite.render("dcase2024-task9-0001")
    s, n = (sounds[name].astype(np.float64) for name in ("12", "345"))
    n *= np.sqrt(np.mean(s**2) / (10**-0.3 * np.mean(n**2)))
    gain = 0.9 / np.abs(s + n).max()
    assert gain < 0.9
    np.testing.assert_allclose(made.mixture, gain * (s + n), atol=1e-6)
    np.testing.assert_allclose(made.interference, gain * n, atol=1e-6)
    put(tmp_path / "345.wav", noise(1, 7000), 16000)
    with pytest.raises(FaultsError, match=r"other length: 2\n.*--seconds .*: 12\.wav 8000, 345"):
        import_suite(listed, tmp_path, tmp_path / "other", kind="dcase2024-task9")


def test_a_source_that_cannot_be_mixed_costs_its_rows(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", noise(1, 8000), 16000)
    put(tmp_path / "b.wav", noise(2, 8000), 16000)
    put(tmp_path / "silent.wav", np.zeros(8000, np.float32), 16000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    rows = "a,b,0,one\na,silent,0,two\nb,broken,0,three\na,gone,0,four\n-a,b,0,five\na,a,0,six\n"
    listed = tmp_path / "list.csv"
    listed.write_text(f"source,noise,snr,caption\n{rows}")
    done = import_suite(listed, tmp_path, tmp_path / "suite", kind="dcase2024-task9")
    ids = [f"dcase2024-task9-000{index}" for index in range(1, 7)]
    assert set(done.suite.missing) == set(ids[2:5])
    kinds = {fault.where: fault.kind for fault in done.faults}
    assert kinds == {ids[2]: "not-audio", ids[3]: "missing", ids[4]: "name"}
    # There is no ratio to mix at: scoring says that nobody can be scored on it.
    assert done.suite.audit["silent source"] == (ids[1],)
    made = done.suite.render(ids[1])
    np.testing.assert_array_equal(made.mixture, noise(1, 8000))
    scores = evaluate(lambda x, query, rate: x / 2, done.suite, progress=False)
    assert scores.file.coverage.unscorable == 1
    told = f"{ids[1]}: the interference reference is silent"
    assert any(told in one for one in scores.file.warnings)
    assert done.suite.audit["self-mixture"] == done.suite.audit["identical sources"] == (ids[5],)
    stored = {path.name for path in (tmp_path / "suite" / "sources").iterdir()}
    assert stored == {"a.wav", "b.wav", "silent.wav"}


def test_a_file_is_not_taken_for_one_of_another_folder(tmp_path: Path) -> None:
    """Lists tell files apart by folders; what is not here must not be scored on what is."""
    rows = [f"ex{n}/mixture.wav,ex{n}/target.wav,query {n}" for n in (1, 2, 3)]
    listed = triples(tmp_path, *rows)
    sound = noise(1, 8000)
    put(tmp_path / "audio" / "ex1" / "target.wav", sound)
    put(tmp_path / "audio" / "ex1" / "mixture.wav", sound + noise(2, 8000))
    done = import_suite(listed, tmp_path / "audio", tmp_path / "suite", kind="triples")
    assert set(done.suite.missing) == {"mine-0002", "mine-0003"}
    assert {fault.kind for fault in done.faults} == {"missing"}
    assert "no ex2/target.wav in the audio folder" in done.faults[0].reason
    # Without the folders, none of the three is the one.
    for name in ("target.wav", "mixture.wav"):
        (tmp_path / "audio" / "ex1" / name).rename(tmp_path / "audio" / name)
    with pytest.raises(FaultsError, match="not one mixture"):
        import_suite(listed, tmp_path / "audio", tmp_path / "other", kind="triples")
    # One row alone is told apart from nothing.
    alone = triples(tmp_path, rows[0])
    done = import_suite(alone, tmp_path / "audio", tmp_path / "alone", kind="triples")
    assert not done.suite.missing


def test_files_that_are_gone_are_missing_mixtures(tmp_path: Path) -> None:
    listed = numbered(tmp_path)
    given = import_suite(listed, tmp_path, tmp_path / "given", kind="audiosep-esc50").suite
    (given.path / "references" / "audiosep-esc50-0001.target.wav").unlink()
    again = load_suite(given.path)
    assert list(again.missing) == ["audiosep-esc50-0001"]
    assert "0001.target.wav is gone" in again.missing["audiosep-esc50-0001"]
    assert again.fingerprint == given.fingerprint
    raw = raw_recordings(tmp_path / "raw")
    mixed = import_suite(listed, raw, tmp_path / "mixed", kind="audiosep-esc50").suite
    (mixed.path / "mixtures" / "audiosep-esc50-0000.wav").unlink()  # made again when needed
    assert not load_suite(mixed.path).missing
    (mixed.path / "sources" / "noise2.wav").unlink()
    assert list(load_suite(mixed.path).missing) == ["audiosep-esc50-0002"]


@pytest.mark.parametrize(("below", "recipe"), [("", "as given"), ("raw", "by power")])
def test_the_same_bytes_whatever_the_workers(tmp_path: Path, below: str, recipe: str) -> None:
    """Files that were handed out go before raw ones."""
    listed = numbered(tmp_path)
    raw_recordings(tmp_path / "raw")
    one, two = (
        import_suite(listed, tmp_path / below, tmp_path / f"s{n}", kind="audiosep-esc50", workers=n)
        for n in (1, 2)
    )
    assert (one.suite.recipe, len(one.suite.pcm_sha256)) == (recipe, 3)
    assert all_bytes(one.suite.path) == all_bytes(two.suite.path)
    ids = [f"audiosep-esc50-000{index}" for index in range(3)]
    assert sorted(path.stem for path in (one.suite.path / "mixtures").iterdir()) == ids


# --- AudioCaps's clips ------------------------------------------------------------


def clapsep_audiocaps(folder: Path) -> Path:
    path = folder / "list.csv"
    rows = "Yabcdefghij0.wav,a dog,Y-bcdefghij1.wav,rain\nY-bcdefghij1.wav,rain,Y_cdefghijk2.wav,x"
    path.write_text(f"source_file,positive_caption,noise_file,negative_caption\n{rows}\n")
    return path


@pytest.mark.parametrize(
    "names",
    [
        ("Yabcdefghij0.wav", "Y-bcdefghij1.wav"),
        ("abcdefghij0.flac", "-bcdefghij1.ogg"),
        ("abcdefghij0_30.wav", "Y-bcdefghij1_30000_40000.flac"),
    ],
)
def test_audiocaps_clips_are_found_under_every_name(tmp_path: Path, names: tuple[str, str]) -> None:
    for number, name in enumerate(names):
        put(tmp_path / "test" / name, noise(number, 4000), 16000)
    listed = clapsep_audiocaps(tmp_path)
    done = import_suite(listed, tmp_path, tmp_path / "suite", kind="clapsep-audiocaps")
    assert set(done.suite.missing) == {"clapsep-audiocaps-0002"}
    assert (done.suite.samples, done.suite.recipe) == (10 * RATE, "by power")
    assert "presumed" not in notes_of(tmp_path / "suite")
    stored = {path.stem for path in (tmp_path / "suite/sources").iterdir()}
    assert stored == {"Yabcdefghij0", "Y-bcdefghij1"}
    assert [query.negative for query in done.suite.queries.values()] == ["rain", "x"]


@pytest.mark.parametrize(
    ("names", "seconds", "kind", "words"),
    [
        (("",), 10.6, "whole video", r"cdefghijk2\.wav: is 10\.6 s long"),
        (("_30", "_90"), 10.4, "two files for one name", r"cdefghijk2_30\.wav or .*_90\.wav"),
    ],
)
def test_what_may_not_be_the_clip_is_named(
    tmp_path: Path, names: tuple[str, ...], seconds: float, kind: str, words: str
) -> None:
    for name in ("Yabcdefghij0", "Y-bcdefghij1"):
        put(tmp_path / f"{name}.wav", noise(1, 83000), 8000)
    for name in names:
        put(tmp_path / f"_cdefghijk2{name}.wav", noise(3, round(8000 * seconds)), 8000)
    listed = clapsep_audiocaps(tmp_path)
    done = import_suite(listed, tmp_path, tmp_path / "suite", kind="clapsep-audiocaps")
    (fault,) = done.faults
    assert (fault.kind, fault.where) == (kind, "clapsep-audiocaps-0002")
    assert re.search(words, fault.reason)


# --- recordings without references ------------------------------------------------


def test_real_recordings_have_no_references(tmp_path: Path) -> None:
    names = [f"test-real-case-{number}" for number in range(4)]
    for number, name in enumerate(names):
        put(
            tmp_path / "audio" / f"{name}.wav", noise(number // 2 if number < 3 else 9, 1600), 16000
        )
    listed = tmp_path / "list.csv"
    listed.write_text("file_name,query\n" + "".join(f"{name}.wav,a sound\n" for name in names))
    done = import_suite(listed, tmp_path / "audio", tmp_path / "suite", kind="dcase2024-task9-real")
    suite = done.suite
    assert (suite.kind, suite.sample_rate_hz) == ("unreferenced", 16000)
    assert list(suite.mixtures) == list(suite.queries) == names
    assert all(set(hashes) == {"mixture"} for hashes in suite.pcm_sha256.values())
    np.testing.assert_array_equal(suite.mixture_samples(names[2]), noise(1, 1600))
    assert not (suite.path / "references").exists() and done.suite.audit == {}
    # Two names, one recording: intervals resample recordings.
    assert [m.target_id for m in suite.mixtures.values()] == [names[0]] * 2 + [names[2]] * 2
    assert "nobody has the sources" in notes_of(suite.path)
    with pytest.raises(LassbenchError, match="nobody has their sources"):
        suite.render(names[0])


# --- anybody's triples ----------------------------------------------------------------


def test_the_gain_of_a_target_is_found(tmp_path: Path) -> None:
    t, n = noise(1, 40000), noise(2, 40000, 0.2)
    for gain in (0.3, 0.7, 2.0):
        assert gain_in(gain * t + n, t) == pytest.approx(gain, rel=0.02)
    # Where nothing but the target's own remains, least squares are exact.
    assert gain_in(np.float32(0.5) * t, t) == pytest.approx(0.5, rel=1e-6)
    assert gain_in(t + n, t) == gain_in(t, t) == gain_in(n, np.zeros_like(n)) == 1.0
    for mixture in (n, -t, np.zeros_like(t)):
        with pytest.raises(AudioFault, match="not in the mixture"):
            gain_in(mixture, t)


@pytest.mark.parametrize("delay", [1, 10, 5000, -3])
def test_a_target_that_is_delayed_in_its_mixture_is_refused(delay: int) -> None:
    t, n = noise(1, 40000), noise(2, 40000)
    ways = "later" if delay > 0 else "earlier"
    with pytest.raises(AudioFault, match=f"stands {abs(delay)} samples {ways} in the mixture"):
        gain_in(np.roll(t, delay) + n, t)


def test_the_rule_for_gains_on_real_recordings(shared: Path) -> None:
    """Targets at their own gain stay, others are scaled, and what is no part is refused."""
    with (shared / "data/esc10/meta/esc50.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["fold"] == "5"]
    sounds = [
        (
            row["category"],
            sf.read(shared / "data/esc10/audio" / row["filename"], dtype="float32")[0],
        )
        for row in rows
    ]
    own = scaled = refused = late = pairs = 0
    for number, (concept, target) in enumerate(sounds):
        others = [x for other, x in sounds[number + 1 :] + sounds[:number] if other != concept]
        for k in range(5):
            size = min(target.size, others[k].size, others[k + 5].size)
            t, n, third = target[:size], others[k][:size], others[k + 5][:size]
            n = n * np.float32(np.linalg.norm(t) / np.linalg.norm(n))
            pairs += 1
            own += gain_in(t + n, t) == 1.0
            scaled += abs(gain_in(t + n, t * 2) - 0.5) < 0.05
            for mixture, sound in ((t + n, third), (np.roll(t, 500) + n, t)):
                try:
                    gain_in(mixture, sound)
                except AudioFault as error:
                    late += error.kind == "delayed" and sound is t
                    refused += sound is third
    assert pairs == 400
    assert (own, scaled) == (400, 400)
    assert refused >= 395
    assert late == 400


def test_targets_and_interferences_of_ones_own(tmp_path: Path) -> None:
    t, n = noise(1, 16000), noise(2, 16000, 0.3)
    put(tmp_path / "m" / "1.wav", t + n, 16000)
    put(tmp_path / "t" / "1.flac", t / 2, 16000)
    put(tmp_path / "n" / "1.wav", n, 16000)
    put(tmp_path / "t" / "other.wav", noise(3, 16000), 16000)
    rows = ("m/1.wav,t/1.wav,a,", "m/1.wav,t/1.wav,b,n/1.wav", "m/1.wav,t/other.wav,c,")
    rows += ("n/1.wav,n/1.wav,d,",)  # nothing but the target
    listed = triples(tmp_path, *rows, header="mixture,target,query,interference")
    done = import_suite(listed, tmp_path, tmp_path / "suite", kind="triples")
    suite = done.suite
    assert (suite.name, suite.sample_rate_hz, suite.samples) == ("mine", 16000, 16000)
    for mixture_id in ("mine-0001", "mine-0002"):
        made = suite.render(mixture_id)
        # FLAC holds 16 bits, and least squares see what little the two have in common.
        np.testing.assert_allclose(made.target, t, atol=0.02)
        np.testing.assert_allclose(made.interference, n, atol=0.02)
    np.testing.assert_array_equal(suite.render("mine-0002").interference, n)
    (fault,) = done.faults
    assert (fault.where, fault.kind) == ("mine-0003", "not in the mixture")
    assert suite.audit["silent source"] == ("mine-0004",)
    assert "2 of 3 targets stood at another gain" in notes_of(suite.path)
    put(tmp_path / "n" / "1.wav", n + noise(4, 16000), 16000)
    done = import_suite(listed, tmp_path, tmp_path / "other", kind="triples")
    assert "in 1, target and interference do not add up" in "".join(done.notes)


def test_rate_and_length_of_triples(tmp_path: Path) -> None:
    for name, rate in (("1", 16000), ("2", 8000)):
        t, n = noise(1, rate), noise(2, rate)
        put(tmp_path / f"m{name}.wav", t + n, rate)
        put(tmp_path / f"t{name}.wav", t, rate)
    listed = triples(tmp_path, "m1.wav,t1.wav,a", "m2.wav,t2.wav,b")
    done = import_suite(listed, tmp_path, tmp_path / "suite", kind="triples")
    assert (done.suite.sample_rate_hz, done.suite.samples) == (16000, 16000)
    done = import_suite(listed, tmp_path, tmp_path / "o", kind="triples", rate=8000, seconds=0.5)
    assert (done.suite.sample_rate_hz, done.suite.samples) == (8000, 4000)


def test_the_ten_real_examples_come_in_as_triples(shared: Path, tmp_path: Path) -> None:
    """Mixtures and targets of LASS-2022's demonstration, asked for in two ways each."""
    demo = shared / "data/lass2022/demo"
    with (demo / "queries.csv").open(newline="") as stream:
        said = list(csv.DictReader(stream))
    rows = [
        f'examples/mix{row["example"]}.wav,demo/exp{row["example"]}.tgt.wav,"{row[column]}",'
        f"exp{row['example']}-{column[0]}"
        for row in said
        for column in ("audiocaps_query", "human_query")
    ]
    listed = triples(tmp_path, *rows, header="mixture,target,query,query_id")
    done = import_suite(listed, demo.parent, tmp_path / "suite", kind="triples", name="lass-demo")
    suite = done.suite
    assert done.faults == () and (len(suite.mixtures), len(suite.queries)) == (10, 20)
    assert (suite.sample_rate_hz, suite.samples) == (RATE, 10 * RATE)
    assert "10 of 10 targets stood at another gain" in notes_of(suite.path)
    for number, mixture_id in enumerate(suite.mixtures, start=1):
        mixture, _ = sf.read(demo.parent / f"examples/mix{number}.flac")
        target, _ = sf.read(demo / f"exp{number}.tgt.flac")
        made = suite.render(mixture_id)
        gain = mixture @ target / (target @ target)
        np.testing.assert_allclose(made.target, gain * target, atol=1e-6)
        np.testing.assert_allclose(made.interference, mixture - gain * target, atol=1e-6)
        # The authors' mixing: equal peaks (FACTS, section 1), which least squares did not know.
        peaks = [np.abs(x).max() for x in (made.target, made.interference)]
        assert peaks[0] / peaks[1] == pytest.approx(1.0, abs=0.05)


# --- finding files --------------------------------------------------------------------


def test_endings_folders_and_ties(tmp_path: Path) -> None:
    for name in ("a/x.flac", "b/x.wav", "b/y.ogg", "c/y.flac", "top.WAV", "d/z.wav", "d/z.flac"):
        put(tmp_path / name, noise(1, 800))
    (tmp_path / "c" / "x.txt").write_text("no audio")
    (tmp_path / "._top.wav").write_bytes(b"left by a system")
    (tmp_path / "linked.flac").symlink_to(tmp_path / "a" / "x.flac")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    index = AudioIndex(tmp_path)

    def found(name: str) -> str:
        return str(index.find(name).relative_to(tmp_path))

    assert found("x.wav") == "b/x.wav"  # the exact ending
    assert found("x.flac") == found("a/x.wav") == "a/x.flac"  # and before it the folders
    assert found("elsewhere/a/x.wav") == found(r"elsewhere\a\x.wav") == "a/x.flac"
    assert found("../c/y.wav") == "c/y.flac"
    assert found("top.wav") == found("top") == "top.WAV"
    assert found("linked.wav") == "linked.flac"
    assert found("d/z.wav") == "d/z.wav"
    for name, words in (
        ("y.wav", r"y\.wav may be .*b/y\.ogg or .*c/y\.flac"),
        ("z", r"may be"),
        *((name, "no .* in the audio folder") for name in ("q.wav", "x.txt", "", "..", "/", "a\n")),
    ):
        with pytest.raises(AudioFault, match=words):
            index.find(name)


def test_a_suite_below_the_folder_is_not_searched(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", noise(1, 800), 16000)
    put(tmp_path / "b.wav", noise(2, 800), 16000)
    listed = tmp_path / "list.csv"
    listed.write_text("source,noise,snr,caption\na,b,0,one\n")
    first, again = (
        import_suite(listed, tmp_path, tmp_path / "suite", kind="dcase2024-task9").suite
        for _ in range(2)
    )
    assert first.fingerprint == again.fingerprint
    assert AudioIndex(tmp_path / "suite").find("a")  # unless it is what was named


def test_names_of_parts_have_a_y_or_not(tmp_path: Path) -> None:
    put(tmp_path / "Y-8AgRz5Jdrw_10.wav", noise(1, 800))
    put(tmp_path / "X4UWEifacwI_6.wav", noise(1, 800))
    index = AudioIndex(tmp_path)
    assert index.find("-8AgRz5Jdrw_10.wav", youtube=True).name == "Y-8AgRz5Jdrw_10.wav"
    assert index.find("YX4UWEifacwI_6.wav", youtube=True).name == "X4UWEifacwI_6.wav"
    for name, youtube in (("YX4UWEifacwI_6.wav", False), ("X4UWEifacwI_7", True)):
        with pytest.raises(AudioFault, match=r"no .* in the audio folder"):
            index.find(name, youtube=youtube)


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_files_are_found_in_either_unicode_form(tmp_path: Path, listed: str, on_disk: str) -> None:
    path = tmp_path / unicodedata.normalize(on_disk, "Geräusche/Käuzchen.wav")
    put(path, noise(1, 800))
    put(tmp_path / unicodedata.normalize(on_disk, "Käuzchen.wav"), noise(2, 800))
    name = unicodedata.normalize(listed, "x/Geräusche/Käuzchen.wav")
    assert AudioIndex(tmp_path).find(name) == path


def test_one_file_is_not_taken_for_both(tmp_path: Path) -> None:
    """VGGSound's mixtures and sources differ by their folder only."""
    put(tmp_path / "s0_wav" / "a+++b.wav", noise(1, 800))
    names = ["data/mix_wav/a+++b.wav", "data/s0_wav/a+++b.wav"]
    found = AudioIndex(tmp_path).find_all(names)
    assert found[names[1]] == tmp_path / "s0_wav" / "a+++b.wav"
    assert "no data/mix_wav/a+++b.wav in the audio folder" in str(found[names[0]])
    put(tmp_path / "mix_wav" / "a+++b.wav", noise(2, 800))
    assert list(AudioIndex(tmp_path).find_all(names).values()) == [
        tmp_path / name.removeprefix("data/") for name in names
    ]


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to("annex/1.wav")
    with pytest.raises(AudioFault, match=r"a\.wav is a link that leads nowhere: to annex/1\.wav"):
        AudioIndex(tmp_path).find("a.wav")


# --- the folder, the name, the command -------------------------------------------------


def test_nothing_is_written_over(tmp_path: Path) -> None:
    listed = numbered(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("dear")
    with pytest.raises(UsageError, match="something else than the suite"):
        import_suite(listed, tmp_path, tmp_path / "mine", kind="audiosep-esc50")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", "lass-test"], "lass-test is a frozen list of lass-2022"),
        (["--name", "clapsep-esc"], "clapsep-esc is a list of others (CLAPSep: ESC-50)"),
        (["--name", "../x"], "the name of the suite"),
        (["--no-audio"], "without its audio there is no suite"),
        (["--seconds", "-1"], "--seconds cannot be -1.0"),
        (["--seconds", "nan"], "--seconds cannot be nan"),
        (["--rate", "7"], "--rate cannot be 7"),
        (["--audio-dir", "nowhere"], "no such audio folder"),
        (["--list", "nowhere.csv"], "no such file"),
    ],
)
def test_options_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    listed = numbered(tmp_path)
    before = all_bytes(tmp_path)
    line = ["import-suite", str(tmp_path / "suite"), "--format", "audiosep-esc50"]
    line += ["--list", str(listed), "--audio-dir", str(tmp_path), "--workers", "1", *options]
    assert run(line) == 2
    told = capsys.readouterr()
    assert words in told.err and "Traceback" not in told.err and told.out == ""
    assert all_bytes(tmp_path) == before
