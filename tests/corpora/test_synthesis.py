"""The synthetic sounds: the same bytes every time, never two alike; tags and captions are heard.

What a sound is like is measured from its samples by plain signal processing (autocorrelation,
dominant frequency, spectral centroid, onsets), not read from the renderer's own parameters.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import scipy.signal

from lassbench.corpora import synthesis
from lassbench.corpora.synthesis import CONCEPTS, TAG_SETS, describe, draw_tags, render
from lassbench.errors import UsageError

RATE = 16000
HIGHPASS = scipy.signal.butter(4, 700, "highpass", fs=RATE, output="sos")
MANIFEST = Path(__file__).parents[2] / "manifests" / "lass-2022"
MAN, WOMAN = "Male speech, man speaking", "Female speech, woman speaking"
POLICE, AMBULANCE = "Police car (siren)", "Ambulance (siren)"
FIRE = "Fire engine, fire truck (siren)"
TIMES = {"once": 1, "a single time": 1, "twice": 2, "two times": 2, "three times": 3}
TIMES |= {"four times": 4, "five times": 5}

# A caption must name the sound: words for each concept.
WORDS = {
    "speech": r"speak|speech|talk|voice|narrat",
    "laughter": r"laugh|giggl|chuckl",
    "applause": r"appla|clap",
    "dog": r"\bdogs?\b|bark|yelp|yip",
    "duck": r"\bducks?\b|goose|geese|quack|honk",
    "siren": r"siren",
    "typing": r"typ|keys",
    "bell": r"bell|chime",
    "rain": r"rain|drizzl|thunder",
    "vibration": r"vibrat|dron|idl|shak|buzz|whirr|rumbl",
}


def digests() -> dict[str, str]:
    """A digest of one short clip of every concept, and of its captions."""
    found = {}
    for concept in CONCEPTS:
        x = render(concept, "d", sample_rate_hz=RATE, seconds=1.0)
        found[concept] = hashlib.sha256(
            x.tobytes() + str(describe(concept, "d")).encode()
        ).hexdigest()
    return found


@cache
def clip(concept: str, key: str, *tags: str, seconds: float = 6.0) -> np.ndarray:
    """A clip, float64."""
    return render(concept, key, sample_rate_hz=RATE, seconds=seconds, tags=tags).astype(float)


def many(concept: str, count: int, *tags: str, seconds: float = 6.0) -> list[np.ndarray]:
    return [clip(concept, f"many-{i}", *tags, seconds=seconds) for i in range(count)]


def pitch_hz(x: np.ndarray, low: float = 70, high: float = 800) -> float:
    """Median fundamental of the loud, periodic 50 ms frames, by normalised autocorrelation."""
    length = RATE // 20
    frames = x[: len(x) // length * length].reshape(-1, length)
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


def centroid_hz(x: np.ndarray) -> float:
    frequency, power = scipy.signal.welch(x, RATE, nperseg=1024)
    return float((frequency * power).sum() / power.sum())


def bass(x: np.ndarray) -> float:
    """Share of the clip's energy below 250 Hz."""
    frequency, power = scipy.signal.welch(x, RATE, nperseg=4096)
    return float(power[frequency < 250].sum() / power.sum())


def crest(x: np.ndarray) -> float:
    """How far the loudest samples above 700 Hz stand out."""
    loud = np.abs(scipy.signal.sosfilt(HIGHPASS, x))
    return float(np.quantile(loud, 0.9995) / np.sqrt(np.mean(loud**2)))


def dominant_hz(x: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Strongest frequency between 300 and 2000 Hz, every 16 ms."""
    hop = rate // 64
    frequency, _, spectrum = scipy.signal.stft(
        x, rate, nperseg=4 * hop, noverlap=3 * hop, nfft=32 * hop
    )
    inside = (frequency > 300) & (frequency < 2000)
    return np.asarray(frequency[inside][np.abs(spectrum[inside]).argmax(axis=0)])


def steadiness(x: np.ndarray) -> float:
    """Share of the time in which the dominant frequency stays within 0.6 %."""
    return float((np.abs(np.diff(np.log(dominant_hz(x)))) < 0.006).mean())


def onsets(x: np.ndarray, frame_s: float, rise: float) -> int:
    """How often the level of a frame jumps by a factor over the frame before the last."""
    length = int(RATE * frame_s)
    frames = np.sqrt((x[: len(x) // length * length].reshape(-1, length) ** 2).mean(axis=1))
    loud = frames[2:] > rise * (frames[:-2] + 0.02 * frames.max())
    return int((np.diff(loud.astype(int), prepend=0) == 1).sum())


def saying(concept: str, phrase: str, *tags: str) -> Iterator[str]:
    """Keys of clips of which a caption says the phrase."""
    for index in itertools.count():
        text = " ".join(describe(concept, f"say-{index}", tags, n=12)).lower()
        if re.search(rf"\b({phrase})\b", text):
            yield f"say-{index}"


# --- the same, every time -------------------------------------------------------------------------


def test_same_bytes_twice_and_in_a_fresh_process_without_vector_units() -> None:
    here_folder = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here_folder!r}); "
    code += "import test_synthesis; print(test_synthesis.digests())"
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    plain = {"NPY_DISABLE_CPU_FEATURES": " ".join(found), "PYTHONHASHSEED": "1"}
    here = digests()
    assert here == digests()
    for environment in ({"PYTHONHASHSEED": "2"}, plain):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == str(here)


def test_a_clip_is_of_its_key_and_the_set_of_its_tags() -> None:
    assert np.array_equal(
        clip("speech", "k", "Speech", MAN), clip("speech", "k", MAN, "Speech", MAN)
    )
    assert not np.array_equal(
        clip("speech", "k", "Speech", MAN), clip("speech", "k", "Speech", WOMAN)
    )
    assert describe("speech", "k", ("Speech", MAN)) == describe("speech", "k", (MAN, "Speech"))
    for concept in CONCEPTS:
        tags = draw_tags(concept, "k")
        assert np.array_equal(clip(concept, "k"), clip(concept, "k", *tags))
        assert describe(concept, "k") == describe(concept, "k", tags)
    # A seed made by joining the names would give these two the same stream.
    assert synthesis._stream("ab", "c").random() != synthesis._stream("a", "bc").random()


# --- what every clip is ---------------------------------------------------------------------------


@pytest.mark.parametrize("concept", CONCEPTS)
@pytest.mark.parametrize(
    ("rate", "seconds"), [(8000, 0.5), (8000, 1.0), (16000, 2.0), (32000, 10.0), (44100, 1.3)]
)
def test_shape_level_and_grid(concept: str, rate: int, seconds: float) -> None:
    for index in range(1 if seconds > 5 else 5):
        x = render(concept, f"level-{index}", sample_rate_hz=rate, seconds=seconds)
        assert x.shape == (round(rate * seconds),)
        assert x.dtype == np.float32
        assert np.isfinite(x).all()
        assert 0.1 < np.abs(x).max() <= 0.9
        assert np.sqrt(np.mean(x.astype(float) ** 2)) > 0.002
        on_grid = x.astype(float) * 32768
        assert np.array_equal(on_grid, np.rint(on_grid))


@pytest.mark.parametrize(("rate", "seconds"), [(16000, 2.0), (44100, 3.0)])
def test_rate_and_length_keep_the_scene(rate: int, seconds: float) -> None:
    """A two-tone siren has the same two notes however it is rendered."""
    for index in range(4):
        notes = []
        for r, s in ((32000, 6.0), (rate, seconds)):
            x = render("siren", f"scene-{index}", sample_rate_hz=r, seconds=s, tags=(AMBULANCE,))
            notes.append(np.quantile(dominant_hz(x, r), (0.1, 0.9)))
        assert notes[0] == pytest.approx(notes[1], rel=0.02)


@pytest.mark.parametrize("concept", CONCEPTS)
def test_clips_are_heard_at_once_and_no_two_are_alike(concept: str) -> None:
    """Sound within a second; at no lag does one clip predict another by half."""
    clips = many(concept, 8, seconds=4.0)
    for x in clips:
        assert np.abs(x[:RATE]).max() > 0.05 * np.abs(x).max()
    spectra = [scipy.fft.rfft(x / np.linalg.norm(x), 2 * len(x)) for x in clips]
    for one, two in itertools.combinations(spectra, 2):
        assert np.abs(scipy.fft.irfft(one * np.conj(two))).max() < 0.5


def test_concepts_can_be_told_apart_but_not_by_their_band_alone() -> None:
    """By the nearest of 160 other clips, or by the nearest mean spectrum (chance: 10 %)."""
    edges = np.geomspace(60, 7800, 13)

    def features(x: np.ndarray) -> np.ndarray:
        frequency, _, spectrum = scipy.signal.stft(x, RATE, nperseg=512, noverlap=256)
        bands = np.array(
            [np.histogram(frequency, edges, weights=p)[0] for p in abs(spectrum.T) ** 2]
        )
        levels = 10 * np.log10(bands + 1e-5 * bands.sum(axis=1).max() + 1e-20)
        mean = 10 * np.log10(bands.mean(axis=0) / bands.mean(axis=0).sum() + 1e-6)
        return np.concatenate(
            [mean, np.abs(np.diff(levels, axis=0)).mean(axis=0), levels.std(axis=0)]
        )

    table = np.array([[features(x) for x in many(c, 24, seconds=2.0)] for c in CONCEPTS])
    table /= (table - table.mean(axis=1, keepdims=True)).std(axis=(0, 1))

    def nearest(known: np.ndarray) -> float:
        """Share of the last eight clips of each concept whose nearest known one is of theirs."""
        gaps = table[:, 16:, None, : known.shape[-1]] - known.reshape(-1, known.shape[-1])
        found = (gaps**2).sum(axis=-1).argmin(axis=-1) // known.shape[1]
        return float((found == np.arange(10)[:, None]).mean())

    assert nearest(table[:, :16]) > 0.8
    assert 0.35 < nearest(table[:, :16, : len(edges) - 1].mean(axis=1, keepdims=True)) < 0.9


# --- tags steer -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concept", "measure", "low", "high", "factor"),
    [
        ("speech", pitch_hz, MAN, WOMAN, 1.4),
        ("laughter", pitch_hz, "Laughter", "Baby laughter", 1.3),
        ("dog", centroid_hz, "Bow-wow", "Bow-wow+Yip", 1.2),
        ("duck", centroid_hz, "Goose", "Duck+Quack", 1.2),
        ("bell", centroid_hz, "Church bell", "Bell", 1.2),
        ("rain", bass, "Rain", "Rain+Thunder", 2),
        ("rain", bass, "Rain", "Thunder", 2),
        ("rain", centroid_hz, "Thunder", "Rain", 4),
        ("rain", crest, "Rain", "Rain+Raindrop", 1.25),
        ("siren", steadiness, POLICE, FIRE, 1.2),
        ("siren", steadiness, FIRE, AMBULANCE, 1.05),
    ],
)
def test_tags_are_heard(
    concept: str, measure: Callable[[np.ndarray], float], low: str, high: str, factor: float
) -> None:
    """Higher voices, yips over barks, bass of thunder, drops that stand out, steady tones."""
    lower, higher = (
        np.median([measure(x) for x in many(concept, 10, *tags.split("+"))]) for tags in (low, high)
    )
    assert higher > factor * lower


# --- the tools, against closed forms --------------------------------------------------------------

GRID = synthesis._Grid(RATE, 4 * RATE)


def test_a_tone_has_the_harmonics_it_is_given() -> None:
    x = synthesis._harmonics(GRID, np.full(GRID.samples, 440.0), lambda k: 1 / k**2)
    spectrum = np.abs(scipy.fft.rfft(x))[:: 4 * 440][1:5]
    assert spectrum / spectrum[0] == pytest.approx([1, 1 / 4, 1 / 9, 1 / 16], rel=1e-3)


def test_noise_is_3_db_down_at_its_edges_and_flat_between() -> None:
    x = synthesis._band(500, 4000)(synthesis._stream("noise"), GRID)
    frequency, power = scipy.signal.welch(x, RATE, nperseg=256)
    inside = power[(frequency > 1000) & (frequency < 2000)].mean()
    assert np.std(x) == pytest.approx(1.0)
    assert np.interp((500, 4000), frequency, power) / inside == pytest.approx([0.5, 0.5], rel=0.25)


# --- captions agree with the audio ----------------------------------------------------------------


@pytest.mark.parametrize("concept", ["dog", "bell"])
def test_counted_barks_and_strokes_are_heard(concept: str) -> None:
    for key in itertools.islice(saying(concept, "|".join(TIMES)), 8):
        text = " ".join(describe(concept, key, n=12)).lower()
        x = clip(concept, key, seconds=10.0)
        loud = scipy.signal.fftconvolve(np.abs(x), np.hanning(1600), mode="same")
        loud = loud > 0.1 * loud.max()
        barks = int((np.diff(loud.astype(int), prepend=0) == 1).sum())
        heard = barks if concept == "dog" else onsets(x, 0.02, 1.5)
        assert {TIMES[words] for words in re.findall("|".join(TIMES), text)} == {heard}, (key, text)


def test_captions_name_the_right_speaker() -> None:
    for index in range(30):
        man = " ".join(describe("speech", f"who-{index}", ("Speech", MAN), n=8)).lower()
        woman = " ".join(describe("speech", f"who-{index}", ("Speech", WOMAN), n=8)).lower()
        both = " ".join(describe("speech", f"who-{index}", ("Speech", MAN, WOMAN), n=8)).lower()
        assert not re.search(r"woman|female", man)
        assert not re.search(r"\bman\b|\bmale\b", woman)
        assert re.search(r"a man and a woman|a woman and a man", both)


def test_fast_typing_is_faster_than_slow_typing() -> None:
    rates = [
        np.median([onsets(clip("typing", key), 0.008, 2.0) for key in itertools.islice(keys, 5)])
        for keys in (saying("typing", "slowly|slow"), saying("typing", "fast|quickly|rapidly"))
    ]
    assert rates[1] > 1.4 * rates[0]


@pytest.mark.parametrize("concept", ["applause", "siren", "rain"])
def test_what_grows_or_fades_in_a_caption_does_so(concept: str) -> None:
    for phrase, sign in (("louder", 1), ("quieter|fading", -1)):
        for key in itertools.islice(saying(concept, phrase), 4):
            half = len(clip(concept, key)) // 3
            ends = np.std(clip(concept, key)[:half]), np.std(clip(concept, key)[-half:])
            assert sign * (ends[1] - ends[0]) > 0, key


@pytest.mark.parametrize("concept", CONCEPTS)
def test_captions_are_distinct_well_formed_and_many(concept: str) -> None:
    everything: set[str] = set()
    for index in range(80):
        captions = describe(concept, f"caption-{index}")
        assert len(captions) == len(set(captions)) == 5
        assert len({caption.split()[0] for caption in captions}) >= 3
        everything.update(captions)
    assert len(everything) > 150
    for sentence in everything:
        assert re.fullmatch(r"[A-Z][A-Za-z,' -]*[a-z]", sentence), sentence
        assert "  " not in sentence and " ," not in sentence
        assert re.search(WORDS[concept], sentence.lower()), sentence
        assert not re.search(r"\b(\w+( \w+)*) \1\b", sentence.lower()), sentence


# --- tags that are drawn, and those of LASS-2022 --------------------------------------------------


def released(*splits: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Concept, id and tags of the released clips."""
    for split in splits:
        with (MANIFEST / f"{split}.csv").open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                yield row["concept"], row["youtube_id"], tuple(row["tags"].split("; "))


def test_tag_counts_are_those_of_the_released_training_clips() -> None:
    counted: dict[str, Counter[frozenset[str]]] = {concept: Counter() for concept in CONCEPTS}
    for concept, _, tags in released("train", "validation"):
        counted[concept][frozenset(tags)] += 1
    assert {
        c: {frozenset(tags): n for tags, n in sets.items()} for c, sets in TAG_SETS.items()
    } == {
        c: {tags: n for tags, n in sets.items() if 100 * n >= sets.total()}
        for c, sets in counted.items()
    }


def test_tags_are_drawn_as_often_as_they_were_counted() -> None:
    for concept, sets in TAG_SETS.items():
        drawn = Counter(draw_tags(concept, f"tags-{i}") for i in range(1000))
        for tags, count in sets.items():
            share = count / sum(sets.values())
            # Five standard deviations of a binomial share over 1000 draws.
            assert abs(drawn[tags] / 1000 - share) < 5 * np.sqrt(share * (1 - share) / 1000) + 1e-9


def test_every_set_of_tags_in_lass_2022_renders_and_is_described() -> None:
    sets = {(c, frozenset(tags)): key for c, key, tags in released("train", "validation", "test")}
    assert len(sets) > 50
    for (concept, tags), key in sets.items():
        x = render(concept, key, sample_rate_hz=8000, seconds=0.5, tags=tuple(tags))
        assert np.abs(x).max() > 0.1
        assert len(describe(concept, key, tuple(tags))) == 5


# --- wrong calls ----------------------------------------------------------------------------------


def test_unknown_concepts_are_usage_errors_that_name_the_nearest() -> None:
    for call in (render, describe, draw_tags):
        with pytest.raises(UsageError, match="did you mean 'siren'") as caught:
            call("sirens", "k")
        assert "applause" in str(caught.value)
    with pytest.raises(UsageError, match="did you mean 'siren'"):
        render("sirens", "k", tags=("Siren",))


@pytest.mark.parametrize(("rate", "seconds"), [(4000, 1.0), (16000, 0.1), (16000, 0.0)])
def test_too_low_a_rate_or_too_short_a_clip_is_a_usage_error(rate: int, seconds: float) -> None:
    with pytest.raises(UsageError, match=r"at least 8000 Hz and 0\.5 s"):
        render("dog", "k", sample_rate_hz=rate, seconds=seconds)


def test_more_captions_than_the_templates_hold_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="ask for fewer captions"):
        describe("dog", "k", n=100_000)
