"""CLAPScore and CLAPScore-A with a tiny CLAP model of random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lassbench.errors import LassbenchError
from lassbench.metrics.clap import SILENT, ClapModel
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


def test_score_is_the_cosine_that_transformers_computes(folder: Path, model: ClapModel) -> None:
    texts, sounds = ["a dog barks", "rain falls"], [sound(1), sound(2)]
    plain = transformers.ClapModel.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, return_tensors="pt"
    )
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    with torch.no_grad():
        output = plain(
            input_ids=tokens["input_ids"],
            attention_mask=tokens["attention_mask"],
            input_features=extractor(sounds, sampling_rate=RATE, return_tensors="pt")[
                "input_features"
            ],
            is_longer=torch.zeros(2, 1, dtype=torch.bool),
        )
    # transformers scales the cosines by a learned temperature.
    cosines = (output.logits_per_text / plain.logit_scale_t.exp()).detach().numpy()
    mixture = sound(3)
    found = model.score(
        texts=texts, estimates=sounds, mixtures=[mixture, mixture], sample_rate_hz=RATE
    )
    assert [one.estimate for one in found] == pytest.approx(np.diag(cosines).tolist(), abs=1e-5)
    for one in found:
        assert one.improvement == one.estimate - one.mixture
        assert -1.0 <= one.mixture <= 1.0
    assert found[0].mixture != found[1].mixture


def test_with_references_it_is_also_the_cosine_of_two_sounds(
    folder: Path, model: ClapModel
) -> None:
    sounds = [sound(seed) for seed in range(4)]
    plain = transformers.ClapModel.from_pretrained(folder).eval()
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    with torch.no_grad():
        mel = extractor(sounds, sampling_rate=RATE, return_tensors="pt")["input_features"]
        hidden = plain.audio_model(mel, is_longer=torch.zeros(4, 1, dtype=torch.bool))
        unit = torch.nn.functional.normalize(plain.audio_projection(hidden.pooler_output), dim=-1)
    cosines = (unit @ unit.T).double().numpy()
    mixture, first, second, reference = sounds
    texts = ["a dog barks", "rain falls"]
    without = model.score(
        texts=texts, estimates=[first, second], mixtures=[mixture] * 2, sample_rate_hz=RATE
    )
    found = model.score(
        texts=texts,
        estimates=[first, second],
        mixtures=[mixture] * 2,
        references=[reference, second],
        sample_rate_hz=RATE,
    )
    assert [one.audio for one in found] == pytest.approx([cosines[1, 3], 1.0], abs=1e-5)
    expected = [cosines[0, 3], cosines[0, 2]]
    assert [one.audio_mixture for one in found] == pytest.approx(expected, abs=1e-5)
    assert abs(cosines[1, 3] - cosines[0, 3]) > 1e-3, "the model tells these sounds apart"
    for one, plain_score in zip(found, without, strict=True):
        assert (one.estimate, one.mixture) == (plain_score.estimate, plain_score.mixture)
        assert plain_score.audio is plain_score.audio_mixture is None


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


def test_nothing_to_score(model: ClapModel) -> None:
    assert model.score(texts=[], estimates=[], mixtures=[], sample_rate_hz=RATE) == []


def test_errors(tmp_path: Path, model: ClapModel) -> None:
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
