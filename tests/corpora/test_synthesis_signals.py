"""The building blocks of the synthetic sounds against closed forms and against SciPy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.signal

from lassbench.corpora.synthesis.applause import Applause
from lassbench.corpora.synthesis.calls import Calls, arch, render_calls, resampled
from lassbench.corpora.synthesis.captions import (
    Grammar,
    either,
    number_word,
    prefixed,
    sentences,
    times_word,
)
from lassbench.corpora.synthesis.signals import (
    Grid,
    Modes,
    band,
    convolve,
    damped_modes,
    fade_ends,
    frame_times,
    linear_phase,
    noise,
    phase_of,
    pick,
    place,
    read_table,
    resonance,
    rms,
    smooth,
    spread,
    stream,
    unit_peak,
    unit_rms,
    wander,
    wave_table,
    white,
)
from lassbench.corpora.synthesis.space import Space, draw_space, record, room_response

GRID = Grid(16000, 32000)
ROOMS = {"room": 1.0}


def plain_space(**changes: object) -> Space:
    """A dry, quiet, wide-band recording situation."""
    space = Space(
        distance="near",
        room="room",
        reverb_s=0.3,
        direct_db=60.0,
        low_hz=10.0,
        top_hz=7000.0,
        background="hiss",
        background_db=-120.0,
        hum_hz=0.0,
        peak=0.5,
    )
    return dataclasses.replace(space, **changes)


# --- seeds and draws ------------------------------------------------------------------------------


def test_streams_are_fixed_and_separate() -> None:
    assert stream("a").random() == stream("a").random()
    assert len({stream("a", str(i)).random() for i in range(100)}) == 100


def test_pick_follows_the_weights_and_never_takes_a_zero() -> None:
    rng = stream("pick")
    drawn = [pick(rng, {"a": 3.0, "b": 1.0, "c": 0.0}) for _ in range(4000)]
    assert drawn.count("c") == 0
    # 0.75 within five standard deviations of a binomial share.
    assert abs(drawn.count("a") / 4000 - 0.75) < 5 * np.sqrt(0.75 * 0.25 / 4000)


# --- noise, filters, oscillators ------------------------------------------------------------------


@pytest.mark.parametrize("taps", [1, 7, 512, 9000])
@pytest.mark.parametrize("samples", [100, 16384, 40001])
def test_convolve_is_convolution(taps: int, samples: int) -> None:
    rng = stream("convolve", str(taps))
    one, two = rng.standard_normal((2, samples))
    first, second = rng.standard_normal(taps), rng.standard_normal(max(1, taps // 3))
    expected = scipy.signal.fftconvolve(one, first)[:samples]
    expected += scipy.signal.fftconvolve(two, second)[:samples]
    got = convolve((one, first), (two, second))
    assert np.allclose(got, expected, atol=1e-9 * max(1.0, np.abs(expected).max()))


def test_white_noise_has_unit_variance_and_a_flat_spectrum() -> None:
    signal = white(stream("white"), 200_000)
    assert rms(signal) == pytest.approx(1.0, rel=0.01)
    _, power = scipy.signal.welch(signal, 2.0, nperseg=64)
    assert power[1:-1].max() / power[1:-1].min() < 1.3


def test_noise_follows_its_shape_from_the_first_sample_on() -> None:
    signal = noise(stream("noise"), Grid(16000, 160_000), band(300, 2000, order=2))
    assert rms(signal) == pytest.approx(1.0)
    frequency, power = scipy.signal.welch(signal, 16000, nperseg=2048)
    expected = band(300, 2000, order=2)(np.maximum(frequency, 1.0)) ** 2
    inside = (frequency > 100) & (frequency < 6000)
    ratio = power[inside] / expected[inside]
    assert 10 * np.log10(ratio.max() / ratio.min()) < 4
    # The filter has run in before the first sample: no fade-in.
    assert rms(signal[:2000]) == pytest.approx(1.0, rel=0.25)


def test_band_is_3_db_down_at_its_edges() -> None:
    assert band(100, 5000)(np.array([100.0, 5000.0])) == pytest.approx(np.sqrt(0.5), rel=1e-3)


def test_linear_phase_delays_by_half_its_length() -> None:
    response = linear_phase(GRID, np.ones_like, 256)
    assert np.abs(response).argmax() == 128


def test_resonance_is_one_at_its_centre_and_half_power_a_width_apart() -> None:
    # The two half-power points of a series resonance are a width apart and their product is c^2.
    centre, width = 1000.0, 200.0
    low = np.sqrt(centre**2 + (width / 2) ** 2) - width / 2
    gain = np.abs(resonance(np.array([centre, low, low + width]), centre, width))
    assert gain == pytest.approx([1.0, np.sqrt(0.5), np.sqrt(0.5)])


def test_tables_play_the_tone_they_were_made_of() -> None:
    phase = phase_of(np.full(4000, 440.0), 16000)
    got = read_table(wave_table([1.0]), phase)
    assert np.allclose(got, np.cos(2 * np.pi * phase), atol=1e-6)
    two = read_table(wave_table([1.0, 0.5]), phase)
    exact = np.cos(2 * np.pi * phase) + 0.5 * np.cos(4 * np.pi * phase)
    assert np.allclose(two * 1.5, exact, atol=1e-5)


def test_modes_are_damped_cosines() -> None:
    time = np.arange(1700) / 16000
    frequency, decay = np.array([440.0, 1234.5]), np.array([0.05, 0.2])
    states = np.array([1.0, 0.5j])
    got = damped_modes(GRID, 1700 / 16000, frequency, decay, states)
    exact = np.exp(-time / 0.05) * np.cos(2 * np.pi * 440 * time)
    exact -= 0.5 * np.exp(-time / 0.2) * np.sin(2 * np.pi * 1234.5 * time)
    assert np.allclose(got, exact, atol=1e-10)


def test_modes_above_the_nyquist_frequency_are_left_out() -> None:
    got = damped_modes(GRID, 0.01, np.array([9000.0]), np.array([1.0]), np.array([1.0 + 0j]))
    assert np.array_equal(got, np.zeros(160))


def test_a_bank_goes_on_where_it_stopped() -> None:
    modes = Modes(np.array([-0.001 + 0.3j, -0.01 + 1.1j]))
    states = np.array([1.0 + 0j, 0.3 - 0.2j])
    whole = modes.ring(states, 3000)
    rest = modes.ring(states * np.exp(modes.poles * 777), 3000 - 777)
    assert np.allclose(np.concatenate([modes.ring(states, 777), rest]), whole, atol=1e-12)


def test_place_adds_and_cuts_at_the_end() -> None:
    out = np.zeros(6)
    grains = np.array([[1.0, 2.0, 3.0], [10.0, 10.0, 10.0]])
    place(out, grains, np.array([0, 2, 5, 9]), np.array([0, 1, 0, 1]), np.array([1.0, 0.5, 2.0, 1]))
    assert out.tolist() == [1.0, 2.0, 8.0, 5.0, 5.0, 2.0]


def test_controls_reach_every_sample() -> None:
    for samples in (8000, 12345):
        grid = Grid(8000, samples)
        time = frame_times(grid, 100)
        assert time[0] == 0.0 and time[-1] >= (samples - 1) / 8000
        exact = 3.0 * np.arange(samples) / 8000 + 1.0
        assert np.allclose(spread(3.0 * time + 1.0, grid), exact, atol=0.05)
        assert len(wander(stream("w"), grid, 3.0)) == samples


def test_smooth_keeps_constants_and_length() -> None:
    assert np.allclose(smooth(np.full((9, 2), 4.0), 5), 4.0)
    assert smooth(np.arange(10.0), 4).shape == (10,)


def test_scaling_leaves_silence_alone() -> None:
    silent = np.zeros(8)
    assert np.array_equal(unit_peak(silent), silent) and np.array_equal(unit_rms(silent), silent)
    assert np.abs(unit_peak(np.array([0.0, -4.0]))).max() == 1.0


def test_faded_ends_start_and_stop_near_zero() -> None:
    faded = fade_ends(np.ones(1000), GRID, 0.01)
    assert faded[0] < 0.001 and faded[-1] < 0.001 and faded[500] == 1.0


# --- short voices ---------------------------------------------------------------------------------


def test_a_call_has_the_pitch_and_the_resonance_it_names() -> None:
    position = (np.arange(8000) / 8000)[None, :]
    calls = Calls(
        pitch_hz=np.full((1, 8000), 250.0),
        envelope=arch(position, np.array([[0.1]]), np.array([[0.1]])),
        breath=np.zeros((1, 1)),
        formants_hz=np.array([[1500.0]]),
        widths_hz=np.array([[150.0]]),
        gains=np.array([[1.0]]),
    )
    call = render_calls(calls, stream("call"), GRID)[0]
    assert np.abs(call).max() == 1.0
    spectrum = np.abs(np.fft.rfft(call * np.hanning(8000)))
    lines = spectrum[125 * np.arange(1, 12)]
    assert lines.argmax() == 5  # the sixth harmonic, 1500 Hz
    assert spectrum[125 // 2 + 125 * 5] < 0.01 * lines.max()
    faster = resampled(call[None, :], 2.0)[0]
    assert np.abs(np.fft.rfft(faster * np.hanning(4000))).argmax() == 125 * 6


def test_an_arch_is_zero_outside_its_call() -> None:
    shape = arch(np.array([-0.1, 0.0, 0.5, 1.0, 1.3]), np.array(0.2), np.array(0.2))
    assert shape == pytest.approx([0.0, 0.0, 1.0, 0.0, 0.0])


# --- the recording --------------------------------------------------------------------------------


@pytest.mark.parametrize("reverb_s", [0.3, 1.2])
def test_rooms_decay_at_their_reverberation_time(reverb_s: float) -> None:
    """Schroeder's backward integration falls by 10 dB in a sixth of the reverberation time."""
    space = plain_space(reverb_s=reverb_s, direct_db=0.0)
    response = room_response(space, stream("room"), GRID)
    smoothed = scipy.signal.sosfilt(
        scipy.signal.butter(4, 1500, fs=16000, output="sos"), response[1000:]
    )
    energy = np.cumsum(smoothed[::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0])
    fall = (np.argmax(level < -13) - np.argmax(level < -3)) / 16000
    assert fall == pytest.approx(reverb_s / 6, rel=0.35)


@pytest.mark.parametrize("direct_db", [-3.0, 12.0])
def test_direct_sound_stands_over_the_tail_by_the_stated_ratio(direct_db: float) -> None:
    response = room_response(plain_space(direct_db=direct_db), stream("room"), GRID)
    ratio = 10 * np.log10(response[0] ** 2 / np.sum(response[1:] ** 2))
    assert ratio == pytest.approx(direct_db, abs=1e-6)


def test_a_clean_recording_is_the_sound_at_its_peak() -> None:
    tone = np.sin(2 * np.pi * 1000 * GRID.times())
    clip = record(tone, plain_space(peak=0.5), stream("tone"), GRID).astype(float)
    assert np.abs(clip).max() == 0.5
    share = np.corrcoef(clip[1000:], np.roll(tone, 2)[1000:])[0, 1]
    frequency, power = scipy.signal.welch(clip, 16000, nperseg=4096)
    assert frequency[power.argmax()] == pytest.approx(1000, abs=4)
    assert abs(share) > 0.6


@pytest.mark.parametrize("background_db", [-20.0, -40.0])
def test_the_background_stands_at_its_level(background_db: float) -> None:
    tone = np.sin(2 * np.pi * 1000 * GRID.times())
    clip = record(tone, plain_space(background_db=background_db), stream("bg"), GRID).astype(float)
    spectrum = np.abs(np.fft.rfft(clip * np.hanning(len(clip)))) ** 2
    at = 1000 * len(clip) // 16000
    signal = spectrum[at - 4 : at + 5].sum()
    ratio = 10 * np.log10((spectrum.sum() - signal) / signal)
    assert ratio == pytest.approx(background_db, abs=1.5)


def test_the_microphone_ends_at_its_band() -> None:
    hiss = white(stream("hiss"), GRID.samples)
    space = plain_space(low_hz=400.0, top_hz=2000.0)
    clip = record(hiss, space, stream("mic"), GRID).astype(float)
    frequency, power = scipy.signal.welch(clip, 16000, nperseg=1024)
    middle = power[(frequency > 800) & (frequency < 1500)].mean()
    assert power[(frequency > 5000) & (frequency < 6500)].mean() < 1e-3 * middle
    assert power[(frequency > 30) & (frequency < 100)].mean() < 1e-2 * middle


def test_hum_is_at_the_mains_frequency() -> None:
    silent_tone = np.sin(2 * np.pi * 3000 * GRID.times())
    clip = record(
        silent_tone, plain_space(hum_hz=50.0, background_db=-20.0), stream("hum"), GRID
    ).astype(float)
    spectrum = np.abs(np.fft.rfft(clip * np.hanning(len(clip))))
    bins = np.arange(1, 6) * 50 * len(clip) // 16000
    beside = np.median(spectrum[20:600])
    assert (spectrum[bins] > 10 * beside).all()


def test_far_clips_are_duller_wetter_and_softer() -> None:
    spaces = [draw_space(stream("s", str(i)), rooms=ROOMS, far=0.5) for i in range(300)]
    near = [space for space in spaces if space.distance == "near"]
    far = [space for space in spaces if space.distance == "far"]
    assert min(len(near), len(far)) > 50
    for name in ("top_hz", "direct_db", "peak"):
        values = [np.median([getattr(space, name) for space in group]) for group in (near, far)]
        assert values[0] > values[1]


def test_a_larger_crowd_claps_more_densely() -> None:
    """Dense applause is near Gaussian (kurtosis 3); a few hands are spiky."""
    scene = Applause.draw(stream("crowd"), frozenset())
    kurtosis = []
    for size, clappers in (("few", 3), ("large", 600)):
        crowd = dataclasses.replace(scene, size=size, clappers=clappers, course="steady")
        clip = crowd.sound(stream("claps"), GRID)
        kurtosis.append(float(np.mean(clip**4) / np.mean(clip**2) ** 2))
    assert kurtosis[1] < 8 < 20 < kurtosis[0]


# --- the grammar ----------------------------------------------------------------------------------


def test_every_sentence_of_a_grammar_and_no_other_is_found() -> None:
    grammar = Grammar(
        ("{who} {does} {where?}", "{missing} {who}"),
        {
            "who": "a dog|a cat",
            "does": "barks",
            "where": "far away",
            "missing": "",
        },
    )
    found = sentences(grammar, stream("grammar"), 99)
    assert sorted(found) == [
        "A cat barks",
        "A cat barks far away",
        "A dog barks",
        "A dog barks far away",
    ]


def test_words_that_would_be_doubled_are_not_said() -> None:
    grammar = Grammar(("it falls {how} {how2}",), {"how": "hard|fast", "how2": "hard"})
    assert sentences(grammar, stream("doubled"), 9) == ("It falls fast hard",)


def test_phrase_lists() -> None:
    assert either("a|b", "", "c") == "a|b|c"
    assert prefixed("on", "a|b") == "on a|on b" and prefixed("on", "") == ""
    assert [times_word(n) for n in (1, 2, 3)] == ["once", "twice", "three times"]
    assert [number_word(n) for n in (0, 10, 11)] == ["no", "ten", "11"]
