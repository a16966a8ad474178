"""The synthetic sounds: the same bytes every time, never two alike; tags and captions are heard.

What a sound is like is measured from its samples by plain signal processing (autocorrelation,
dominant frequency, spectral centroid, onsets), not read from the renderer's own parameters.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import hashlib
import itertools
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import scipy.signal

from lassbench.corpora import synthesis
from lassbench.corpora.synthesis import CONCEPTS, describe, draw_tags, render
from lassbench.corpora.synthesis.bell import Bells
from lassbench.corpora.synthesis.dog import Dogs
from lassbench.corpora.synthesis.signals import Grid, stream
from lassbench.corpora.synthesis.siren import Sirens
from lassbench.corpora.synthesis.tags import TAG_SETS
from lassbench.errors import UsageError

RATE = 16000
MAN, WOMAN = "Male speech, man speaking", "Female speech, woman speaking"
POLICE, AMBULANCE = "Police car (siren)", "Ambulance (siren)"
FIRE = "Fire engine, fire truck (siren)"

# FACTS section 1: the tags that a clip of each concept may carry.
CONCEPT_TAGS = {
    "speech": {"Speech", "Narration, monologue", MAN, WOMAN},
    "laughter": {"Laughter", "Baby laughter"},
    "applause": {"Applause"},
    "dog": {"Animal", "Domestic animals, pets", "Dog", "Bow-wow", "Yip"},
    "duck": {"Animal", "Bird", "Duck", "Quack", "Goose"},
    "siren": {"Siren", "Emergency vehicle", POLICE, AMBULANCE, FIRE},
    "typing": {"Typing", "Computer keyboard"},
    "bell": {"Bell"},
    "rain": {"Rain", "Rain on surface", "Raindrop", "Thunder", "Thunderstorm"},
    "vibration": {"Vibration"},
}

# A caption must name the sound: words for each concept.
WORDS = {
    "speech": r"speak|speech|talk|voice|narrat|monologue|conversation|dialogue|words|says|remark",
    "laughter": r"laugh|giggl|chuckl|cackl",
    "applause": r"appla|clap",
    "dog": r"\bdogs?\b|puppy",
    "duck": r"\bducks?\b|\bgoose\b|\bgeese\b|\bdrake\b",
    "siren": r"siren",
    "typing": r"typ|key",
    "bell": r"bell|chime",
    "rain": r"rain|drizzl|pours|downpour|thunder|lightning",
    "vibration": r"vibrat|hum|dron|idl|throb|buzz|whir|rumbl|shak",
}


def digests() -> dict[str, str]:
    """A digest of one short clip of every concept."""
    return {
        concept: hashlib.sha256(render(concept, "d", sample_rate_hz=RATE, seconds=1.0)).hexdigest()
        for concept in CONCEPTS
    }


def many(concept: str, count: int, *tags: str, seconds: float = 6.0) -> list[np.ndarray]:
    """Clips of a concept with given tags, float64."""
    return [
        render(concept, f"many-{i}", sample_rate_hz=RATE, seconds=seconds, tags=tags).astype(float)
        for i in range(count)
    ]


def pitch_hz(clip: np.ndarray, low: float, high: float) -> float:
    """Median fundamental of the loud, periodic 50 ms frames, by normalised autocorrelation."""
    length = RATE // 20
    frames = clip[: len(clip) // length * length].reshape(-1, length)
    frames = frames - frames.mean(axis=1, keepdims=True)
    energy = (frames**2).sum(axis=1)
    frames = frames[energy > np.quantile(energy, 0.5)]
    spectrum = np.abs(scipy.fft.rfft(frames, 2 * length)) ** 2
    lagged = scipy.fft.irfft(spectrum)[:, :length] / (1 - np.arange(length) / length)
    lagged /= lagged[:, :1]
    first, last = int(RATE / high), int(RATE / low)
    best = lagged[:, first:last].argmax(axis=1) + first
    periodic = lagged[np.arange(len(lagged)), best] > 0.5
    return float(np.median(RATE / best[periodic]))


def centroid_hz(clip: np.ndarray) -> float:
    frequency, power = scipy.signal.welch(clip, RATE, nperseg=1024)
    return float((frequency * power).sum() / power.sum())


def band_share(clip: np.ndarray, low: float, high: float) -> float:
    """Share of the clip's energy between two frequencies."""
    frequency, power = scipy.signal.welch(clip, RATE, nperseg=4096)
    return float(power[(frequency >= low) & (frequency < high)].sum() / power.sum())


def dominant_hz(clip: np.ndarray) -> np.ndarray:
    """Strongest frequency between 300 and 2000 Hz, every 16 ms."""
    frequency, _, spectrum = scipy.signal.stft(clip, RATE, nperseg=1024, noverlap=768, nfft=8192)
    inside = (frequency > 300) & (frequency < 2000)
    return np.asarray(frequency[inside][np.abs(spectrum[inside]).argmax(axis=0)])


# --- the same, every time -------------------------------------------------------------------------


def test_same_bytes_twice_and_in_a_fresh_process_without_vector_units() -> None:
    here_folder = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here_folder!r}); "
    code += "import test_synthesis; print(test_synthesis.digests())"
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    plain = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(found)}
    here = digests()
    assert here == digests()
    for environment in (dict(os.environ), plain):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == str(here)


def test_tag_order_and_repeats_do_not_matter_but_tags_do() -> None:
    one = render("speech", "k", sample_rate_hz=RATE, seconds=1.0, tags=("Speech", MAN))
    two = render("speech", "k", sample_rate_hz=RATE, seconds=1.0, tags=(MAN, "Speech", MAN))
    other = render("speech", "k", sample_rate_hz=RATE, seconds=1.0, tags=("Speech", WOMAN))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert describe("speech", "k", ("Speech", MAN)) == describe("speech", "k", (MAN, "Speech"))


def test_without_tags_the_drawn_ones_are_taken() -> None:
    for concept in ("dog", "siren", "rain"):
        tags = draw_tags(concept, "k")
        bare = render(concept, "k", sample_rate_hz=RATE, seconds=1.0)
        assert np.array_equal(
            bare, render(concept, "k", sample_rate_hz=RATE, seconds=1.0, tags=tags)
        )
        assert describe(concept, "k") == describe(concept, "k", tags)


def test_keys_are_not_run_together() -> None:
    # A seed made by joining the names would give these two the same stream.
    assert stream("ab", "c").random() != stream("a", "bc").random()


# --- what every clip is ---------------------------------------------------------------------------


@pytest.mark.parametrize("concept", CONCEPTS)
@pytest.mark.parametrize(
    ("rate", "seconds"), [(8000, 0.5), (8000, 1.0), (16000, 2.0), (32000, 10.0), (44100, 1.3)]
)
def test_shape_level_and_grid(concept: str, rate: int, seconds: float) -> None:
    for index in range(1 if seconds > 5 else 5):
        clip = render(concept, f"level-{index}", sample_rate_hz=rate, seconds=seconds)
        assert clip.shape == (round(rate * seconds),)
        assert clip.dtype == np.float32
        assert np.isfinite(clip).all()
        assert 0.1 < np.abs(clip).max() <= 0.9
        assert np.sqrt(np.mean(clip.astype(float) ** 2)) > 0.002
        on_grid = clip.astype(float) * 32768
        assert np.array_equal(on_grid, np.rint(on_grid))


@pytest.mark.parametrize("concept", CONCEPTS)
def test_no_two_clips_alike(concept: str) -> None:
    """At no lag does one clip predict another: correlation below 0.5 at every offset."""
    clips = many(concept, 7, seconds=4.0)
    spectra = [scipy.fft.rfft(x / np.linalg.norm(x), 2 * len(x)) for x in clips]
    for one, two in itertools.combinations(spectra, 2):
        assert np.abs(scipy.fft.irfft(one * np.conj(two))).max() < 0.5
    peaks = [float(np.abs(x).max()) for x in clips]
    assert len(set(peaks)) == len(peaks)


def test_concepts_can_be_told_apart_but_not_by_their_spectrum_alone() -> None:
    """Nearest class mean over band levels finds most concepts (chance: 10 %) and far from all."""
    edges = np.geomspace(60, 7800, 13)

    def bands(clip: np.ndarray) -> np.ndarray:
        frequency, power = scipy.signal.welch(clip, RATE, nperseg=4096)
        sums, _ = np.histogram(frequency, edges, weights=power / power.sum())
        return 10 * np.log10(sums + 1e-7)

    table = np.array([[bands(x) for x in many(concept, 12, seconds=3.0)] for concept in CONCEPTS])
    means = table[:, :6].mean(axis=1)
    distance = ((table[:, 6:, None] - means) ** 2).sum(axis=-1)
    right = distance.argmin(axis=-1) == np.arange(len(CONCEPTS))[:, None]
    assert 0.35 < right.mean() < 0.9


# --- tags steer -----------------------------------------------------------------------------------


def test_men_speak_lower_than_women() -> None:
    men = [pitch_hz(x, 60, 400) for x in many("speech", 8, "Speech", MAN)]
    women = [pitch_hz(x, 60, 400) for x in many("speech", 8, "Speech", WOMAN)]
    assert max(men) < 162 < min(women)


def test_both_voices_when_both_are_tagged() -> None:
    text = " ".join(describe("speech", "two", ("Speech", MAN, WOMAN), n=8)).lower()
    assert ("a man" in text and "a woman" in text) or "two people" in text


def test_babies_laugh_higher() -> None:
    adults = [pitch_hz(x, 100, 800) for x in many("laughter", 10, "Laughter")]
    babies = [pitch_hz(x, 100, 800) for x in many("laughter", 10, "Laughter", "Baby laughter")]
    assert np.median(babies) > 1.3 * np.median(adults)


def test_yips_are_brighter_than_barks() -> None:
    barks = [centroid_hz(x) for x in many("dog", 8, "Dog", "Bow-wow")]
    yips = [centroid_hz(x) for x in many("dog", 8, "Dog", "Bow-wow", "Yip")]
    assert np.median(yips) > 1.2 * np.median(barks)


def test_geese_honk_below_the_quacks_band() -> None:
    ducks = [centroid_hz(x) for x in many("duck", 8, "Duck", "Quack")]
    geese = [centroid_hz(x) for x in many("duck", 8, "Goose")]
    assert np.median(geese) < 0.8 * np.median(ducks)


def test_ambulances_step_between_two_tones_and_others_sweep() -> None:
    def steady(clip: np.ndarray) -> float:
        """Share of the time in which the dominant frequency stays within 0.6 %."""
        return float((np.abs(np.diff(np.log(dominant_hz(clip)))) < 0.006).mean())

    hi_lo = [steady(x) for x in many("siren", 8, "Siren", AMBULANCE)]
    yelp = [steady(x) for x in many("siren", 8, "Siren", POLICE)]
    wail = [steady(x) for x in many("siren", 8, "Siren", FIRE)]
    assert np.median(hi_lo) > 0.85
    assert np.median(yelp) < 0.7 < np.median(hi_lo)
    assert np.median(yelp) < np.median(wail) < np.median(hi_lo)


def siren_at_rest(**changes: object) -> np.ndarray:
    """A siren that stands still and clear, rendered dry."""
    scene = Sirens.draw(stream("rest"), frozenset({AMBULANCE}))
    still = dataclasses.replace(scene.sirens[0], motion="still", speed_mps=0.0, harshness=1.2)
    one = dataclasses.replace(still, **changes)
    scene = dataclasses.replace(scene, sirens=(one,), blasts=0, traffic_db=-60.0)
    return scene.sound(stream("rest", "sound"), Grid(RATE, 8 * RATE))


def test_hi_lo_has_exactly_the_two_frequencies_it_names() -> None:
    track = dominant_hz(siren_at_rest(low_hz=450.0, high_hz=600.0, rate_hz=0.75))
    near = [np.abs(track / tone - 1) < 0.01 for tone in (450.0, 600.0)]
    assert (near[0] | near[1]).mean() > 0.95
    assert 0.35 < near[0].mean() < 0.6 and 0.35 < near[1].mean() < 0.6


@pytest.mark.parametrize(("pattern", "rate"), [("yelp", 3.0), ("wail", 0.25)])
def test_sweeps_have_the_rate_and_range_they_name(pattern: str, rate: float) -> None:
    clip = siren_at_rest(pattern=pattern, low_hz=600.0, high_hz=1400.0, rate_hz=rate)
    track = dominant_hz(clip)
    middle = np.sqrt(600.0 * 1400.0)
    rises = int(((track[:-1] < middle) & (track[1:] >= middle)).sum())
    assert abs(rises - 8 * rate) <= 1
    assert np.percentile(track, 2) == pytest.approx(600, rel=0.06)
    assert np.percentile(track, 98) == pytest.approx(1400, rel=0.06)


def test_a_passing_siren_falls_by_the_doppler_ratio() -> None:
    """Approaching at v it is heard at c / (c - v), leaving at c / (c + v) times its frequency."""
    clip = siren_at_rest(low_hz=700.0, high_hz=700.0, motion="passing", speed_mps=25.0)
    track = dominant_hz(clip)
    ratio = np.median(track[2:20]) / np.median(track[-20:-2])
    assert 1.08 < ratio < (343 + 25) / (343 - 25) + 0.005


def test_thunder_is_heard_below_150_hz_and_plain_rain_is_not_as_low() -> None:
    plain = [band_share(x, 0, 150) for x in many("rain", 8, "Rain")]
    storm = [band_share(x, 0, 150) for x in many("rain", 8, "Rain", "Thunder", "Thunderstorm")]
    thunder = [band_share(x, 0, 150) for x in many("rain", 8, "Thunder")]
    assert np.median(plain) < np.median(storm)
    assert np.median(thunder) > 2 * np.median(plain)


def test_single_raindrops_stand_out() -> None:
    def crest(clip: np.ndarray) -> float:
        sos = scipy.signal.butter(4, 700, "highpass", fs=RATE, output="sos")
        loud = np.abs(scipy.signal.sosfilt(sos, clip))
        return float(np.quantile(loud, 0.9995) / np.sqrt(np.mean(loud**2)))

    rain = [crest(x) for x in many("rain", 8, "Rain")]
    drops = [crest(x) for x in many("rain", 8, "Rain", "Raindrop")]
    assert np.median(drops) > 1.25 * np.median(rain)


def test_church_bells_ring_a_minor_third_and_chimes_ring_like_tubes() -> None:
    """The strongest modes stand at the ratios the acoustics books give (1.2 and 2.756)."""
    for tag, ratio, absent in (("Church bell", 1.2, 1.35), ("Chime", 2.756, 2.3)):
        scene = Bells.draw(stream("modes"), frozenset({"Bell", tag}))
        scene = dataclasses.replace(scene, notes_hz=(300.0,), strikes=1, hardness=0.0, click=0.001)
        clip = scene.sound(stream("strike"), Grid(RATE, 6 * RATE))
        there = band_share(clip, 300 * ratio * 0.98, 300 * ratio * 1.02)
        assert there > 30 * band_share(clip, 300 * absent * 0.98, 300 * absent * 1.02)


# --- captions agree with the audio ----------------------------------------------------------------


def onsets(clip: np.ndarray, frame_s: float, rise: float) -> int:
    """How often the level of a frame jumps by a factor over the frame before the last."""
    length = int(RATE * frame_s)
    level = np.sqrt((clip[: len(clip) // length * length].reshape(-1, length) ** 2).mean(axis=1))
    loud = level[2:] > rise * (level[:-2] + 0.02 * level.max())
    return int((np.diff(loud.astype(int), prepend=0) == 1).sum())


def test_counted_bell_strikes_are_heard_and_named() -> None:
    words = {1: "once", 2: "twice", 3: "three times", 4: "four times", 5: "five times"}
    seen = set()
    for index in itertools.count():
        scene = Bells.draw(stream("count", str(index)), frozenset({"Bell"}))
        if scene.kind != "desk" or scene.strikes in seen:
            continue
        scene = dataclasses.replace(scene, decay_s=0.15)
        clip = scene.sound(stream("count", str(index), "s"), Grid(RATE, 10 * RATE))
        assert onsets(clip, 0.01, 3.0) == scene.strikes
        assert words[scene.strikes] in scene.grammar().slots["how"]
        seen.add(scene.strikes)
        if len(seen) == 5:
            return


def test_counted_barks_are_heard_and_named() -> None:
    checked = 0
    for index in itertools.count():
        scene = Dogs.draw(stream("barks", str(index)), frozenset({"Dog", "Bow-wow"}))
        if not scene.dogs[0].barks or scene.growls:
            continue
        clip = scene.sound(stream("barks", str(index), "s"), Grid(RATE, 10 * RATE))
        loud = np.abs(scipy.signal.hilbert(clip))
        smooth = scipy.signal.fftconvolve(loud, np.hanning(800), mode="same")
        bursts = int((np.diff((smooth > 0.1 * smooth.max()).astype(int)) == 1).sum())
        assert bursts == scene.dogs[0].barks
        count = {1: "once", 2: "twice", 3: "three times", 4: "four times"}[bursts]
        assert count in scene.grammar().slots["how"]
        checked += 1
        if checked == 6:
            return


def test_captions_name_the_right_speaker() -> None:
    for index in range(30):
        man = " ".join(describe("speech", f"who-{index}", ("Speech", MAN), n=8)).lower()
        woman = " ".join(describe("speech", f"who-{index}", ("Speech", WOMAN), n=8)).lower()
        assert not re.search(r"woman|female", man)
        assert not re.search(r"\bman\b|\bmale\b", woman)


def test_captions_of_fast_typing_are_of_fast_typing() -> None:
    """Clips called fast hold more key clicks than clips called slow."""
    rates: dict[str, list[int]] = {"fast": [], "slow": []}
    for index in range(60):
        text = " ".join(describe("typing", f"pace-{index}", n=12))
        word = "fast" if re.search(r"fast|rapid|quick", text) else "slow" if "slow" in text else ""
        if word and len(rates[word]) < 6:
            clip = render("typing", f"pace-{index}", sample_rate_hz=RATE).astype(float)
            rates[word].append(onsets(clip, 0.008, 2.0))
    assert min(len(found) for found in rates.values()) >= 4
    assert np.median(rates["fast"]) > 1.4 * np.median(rates["slow"])


@pytest.mark.parametrize("concept", CONCEPTS)
def test_captions_are_distinct_well_formed_and_many(concept: str) -> None:
    everything: set[str] = set()
    for index in range(80):
        captions = describe(concept, f"caption-{index}")
        assert len(captions) == len(set(captions)) == 5
        everything.update(captions)
    assert len(everything) > 200
    for sentence in everything:
        assert re.fullmatch(r"[A-Z][A-Za-z,' -]*[a-z]", sentence), sentence
        assert "  " not in sentence and ",," not in sentence and " ," not in sentence
        assert re.search(WORDS[concept], sentence.lower()), sentence
        assert not re.search(r"\b(\w+( \w+)*) \1\b", sentence.lower()), sentence


def test_more_captions_than_the_grammar_holds_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="ask for fewer captions"):
        describe("dog", "k", n=100_000)


# --- tags that are drawn --------------------------------------------------------------------------


def test_drawn_tags_belong_to_the_concept_and_come_as_often_as_in_audioset() -> None:
    assert set(TAG_SETS) == set(CONCEPT_TAGS) == set(CONCEPTS)
    for concept in CONCEPTS:
        drawn = Counter(draw_tags(concept, f"tags-{i}") for i in range(2000))
        total = sum(TAG_SETS[concept].values())
        for tags, count in TAG_SETS[concept].items():
            assert set(tags) <= CONCEPT_TAGS[concept]
            share = count / total
            # Five standard deviations of a binomial share over 2000 draws.
            assert abs(drawn[tags] / 2000 - share) < 5 * np.sqrt(share * (1 - share) / 2000) + 1e-9


def test_tag_counts_are_those_of_the_released_training_clips(shared: Path) -> None:
    data = shared / "data"
    released = {row[0] for row in csv.reader((data / "lass2022/training_indexes.csv").open())}
    names = {
        row[1]: row[2] for row in csv.reader((data / "audioset/class_labels_indices.csv").open())
    }
    counted: dict[str, Counter[frozenset[str]]] = {concept: Counter() for concept in CONCEPTS}
    with gzip.open(data / "audioset/unbalanced_train_segments.audiocaps.csv.gz", "rt") as lines:
        for row in csv.reader(lines, skipinitialspace=True):
            if row[0] in released:
                labels = frozenset(names[mid] for mid in row[3].split(","))
                for concept, allowed in CONCEPT_TAGS.items():
                    counted[concept][labels] += labels <= allowed
    for concept, sets in TAG_SETS.items():
        assert {frozenset(tags): count for tags, count in sets.items()} == {
            tags: count
            for tags, count in counted[concept].items()
            if count and 200 * count >= counted[concept].total()
        }


# --- wrong calls ----------------------------------------------------------------------------------


def test_unknown_concepts_are_usage_errors_that_name_the_nearest() -> None:
    for call in (render, describe, draw_tags):
        with pytest.raises(UsageError, match="did you mean 'siren'") as caught:
            call("sirens", "k")
        assert "applause" in str(caught.value)


@pytest.mark.parametrize(("rate", "seconds"), [(4000, 1.0), (16000, 0.1), (16000, 0.0)])
def test_too_low_a_rate_or_too_short_a_clip_is_a_usage_error(rate: int, seconds: float) -> None:
    with pytest.raises(UsageError, match=r"at least 8000 Hz and 0\.5 s"):
        render("dog", "k", sample_rate_hz=rate, seconds=seconds)


def test_the_package_says_what_it_renders() -> None:
    assert tuple(CONCEPT_TAGS) == CONCEPTS
    assert all(f"    {concept} " in (synthesis.__doc__ or "") for concept in CONCEPTS)
