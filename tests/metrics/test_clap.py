"""CLAPScore and CLAPScore-A with a tiny CLAP model of random weights."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lassbench.errors import LassbenchError
from lassbench.metrics.clap import SILENT, ClapModel, ClapScore
from lassbench.metrics.ratios import SilentReference

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

RATE = 8000
WORDS = ["[PAD]", "[UNK]", "a", "dog", "barks", "rain", "falls"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model that hears 1 s at 8 kHz."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    path = tmp_path_factory.mktemp("clap")
    config = transformers.ClapConfig(
        text_config={
            "vocab_size": len(WORDS), "hidden_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 20,
            "pad_token_id": 0, "projection_dim": 32,
        },
        audio_config={
            "spec_size": 64, "num_mel_bins": 16, "window_size": 4, "patch_size": 4,
            "patch_stride": [4, 4], "patch_embeds_hidden_size": 16, "hidden_size": 32,
            "depths": [1, 1], "num_attention_heads": [2, 2], "num_hidden_layers": 2,
            "projection_dim": 32, "num_classes": 4,
        },
        projection_dim=32,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.ClapModel(config).save_pretrained(path)
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(path)
    transformers.ClapFeatureExtractor(
        feature_size=16, sampling_rate=RATE, hop_length=125, max_length_s=1,
        fft_window_size=256, frequency_max=4000, truncation="rand_trunc", padding="repeatpad",
    ).save_pretrained(path)  # fmt: skip
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> ClapModel:
    return ClapModel(folder, device="cpu")


def sound(seed: int, seconds: float = 1.0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    return np.asarray(
        np.sin(2 * np.pi * rng.uniform(200, 3000) * t) + 0.1 * rng.standard_normal(t.size)
    )


def test_scores_are_the_cosines_that_transformers_computes(folder: Path, model: ClapModel) -> None:
    texts, sounds = ["a dog barks", "rain falls"], [sound(seed) for seed in range(4)]
    plain = transformers.ClapModel.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, return_tensors="pt"
    )
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    mel = extractor(sounds, sampling_rate=RATE, return_tensors="pt")["input_features"]
    longer = torch.zeros(4, 1, dtype=torch.bool)
    with torch.no_grad():
        output = plain(**tokens, input_features=mel, is_longer=longer)
        hidden = plain.audio_model(mel, is_longer=longer)
        unit = torch.nn.functional.normalize(plain.audio_projection(hidden.pooler_output), dim=-1)
    # transformers scales the cosines by a learned temperature.
    words = (output.logits_per_text / plain.logit_scale_t.exp()).detach().double().numpy()
    cosines = (unit @ unit.T).double().numpy()
    assert abs(cosines[1, 3] - cosines[0, 3]) > 1e-3, "the model tells these sounds apart"
    mixture, first, second, reference = sounds
    asked: dict[str, Any] = {
        "texts": texts,
        "estimates": [first, second],
        "mixtures": [mixture, mixture],
        "sample_rate_hz": RATE,
    }
    without, found = model.score(**asked), model.score(**asked, references=[reference, second])
    expected = [
        ClapScore(words[0, 1], words[0, 0], cosines[1, 3], cosines[0, 3]),
        ClapScore(words[1, 2], words[1, 0], 1.0, cosines[0, 2]),
    ]
    for one, plain_score, right in zip(found, without, expected, strict=True):
        assert astuple(one) == pytest.approx(astuple(right), abs=1e-5)
        assert one.improvement == one.estimate - one.mixture
        assert plain_score == replace(one, audio=None, audio_mixture=None)


def test_one_array_is_embedded_once(model: ClapModel, monkeypatch: pytest.MonkeyPatch) -> None:
    mixture, target = sound(1), sound(2)
    heard: list[object] = []

    def embed(sound: object, *, sample_rate_hz: int) -> NDArray[np.float64]:
        heard.append(sound)
        return np.ones(32)

    monkeypatch.setattr(model, "embed_sound", embed)
    model.score(
        texts=["rain"] * 3,
        estimates=[mixture, sound(3), target.copy()],
        mixtures=[mixture] * 3,
        references=[target] * 3,
        sample_rate_hz=RATE,
    )
    assert len(heard) == 4 == len({id(one) for one in heard})


def test_scores_do_not_depend_on_company_and_repeat(model: ClapModel) -> None:
    texts = ["a dog barks", "rain", "a dog barks and the unknown words go on " * 5]
    sounds, mixture = [sound(1), sound(2, 0.4), sound(3, 2.7)], sound(4)
    together = model.score(
        texts=texts, estimates=sounds, mixtures=[mixture] * 3, sample_rate_hz=RATE
    )
    for text, estimate, expected in zip(texts, sounds, together, strict=True):
        alone = model.score(
            texts=[text], estimates=[estimate], mixtures=[mixture], sample_rate_hz=RATE
        )
        assert alone[0].estimate == pytest.approx(expected.estimate, abs=1e-6)
        assert alone[0].mixture == pytest.approx(expected.mixture, abs=1e-6)


def test_long_sounds_are_the_mean_of_their_windows(model: ClapModel) -> None:
    first, second = sound(1), sound(2)
    one, other, both = (
        model.embed_sound(x, sample_rate_hz=RATE)
        for x in (first, second, np.concatenate([first, second]))
    )
    mean = one + other
    np.testing.assert_allclose(both, mean / np.linalg.norm(mean), atol=1e-6)
    assert np.linalg.norm(one) == pytest.approx(1.0)


def test_other_rates_are_resampled(model: ClapModel) -> None:
    t = np.arange(32000) / 32000
    at_32_khz = np.sin(2 * np.pi * 500 * t)
    vectors = [
        model.embed_sound(x, sample_rate_hz=rate)
        for x, rate in ((at_32_khz, 32000), (at_32_khz[::4], 8000))
    ]
    assert vectors[0] @ vectors[1] > 0.9999


def test_silence_is_the_least_possible_score(model: ClapModel) -> None:
    found = model.score(
        texts=["rain"],
        estimates=[np.zeros(RATE)],
        mixtures=[sound(1)],
        references=[sound(2)],
        sample_rate_hz=RATE,
    )[0]
    assert found.estimate == found.audio == SILENT == -1.0
    assert found.improvement < 0


def test_nothing_to_score_and_errors(tmp_path: Path, model: ClapModel) -> None:
    assert model.score(texts=[], estimates=[], mixtures=[], sample_rate_hz=RATE) == []
    with pytest.raises(LassbenchError, match="CLAP model cannot be loaded"):
        ClapModel(tmp_path)
    good: dict[str, Any] = {
        **{what: [sound(1)] for what in ("estimates", "mixtures", "references")},
        "texts": ["rain"],
        "sample_rate_hz": RATE,
    }
    with pytest.raises(LassbenchError, match=r"estimate: .*no metric is defined"):
        model.score(**{**good, "estimates": [np.full(9, np.nan)]})
    with pytest.raises(SilentReference, match="reference: the reference is silent"):
        model.score(**{**good, "references": [np.zeros(RATE)]})
    for what in ("estimates", "references"):
        with pytest.raises(ValueError, match="zip"):
            model.score(**{**good, what: []})
