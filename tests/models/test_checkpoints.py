"""Checkpoints: all that a system needs in one file, the same bytes, nothing unpickled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lassbench.errors import LassbenchError, UsageError
from lassbench.models.checkpoints import (
    Blueprint,
    Checkpoint,
    Training,
    check_weights,
    find_checkpoint,
    load_checkpoint,
    load_separator,
    save_checkpoint,
    write_card,
)
from lassbench.models.config import Config, NetworkConfig, SpectrogramConfig
from lassbench.models.query import TagCodec, TextCodec, open_text_encoder
from tests.models.test_query import CAPTIONS, SMALL

CONFIG = Config(
    name="Tiny",
    sample_rate_hz=8000,
    spectrogram=SpectrogramConfig(frame=256, hop=128),
    network=NetworkConfig(widths=(4, 6), query=5),
    text=SMALL,
)
TRAINING = Training("synthetic", "f" * 64, ("a" * 64, "b" * 64), step=7, validation_si_sdr_i=1.5)


def text_checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    encoder = open_text_encoder(CONFIG.text, CAPTIONS)
    blueprint = Blueprint(CONFIG, encoder.codec, encoder.shape)
    return Checkpoint(blueprint, TRAINING, blueprint.build(encoder.bert).state_dict())


def tag_checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    blueprint = Blueprint(replace(CONFIG, system="unet"), TagCodec(("dog", "rain")))
    return Checkpoint(blueprint, TRAINING, blueprint.build().state_dict())


@pytest.mark.parametrize("make", [text_checkpoint, tag_checkpoint])
def test_there_and_back(tmp_path: Path, make: object) -> None:
    before = make()  # type: ignore[operator]
    save_checkpoint(tmp_path / "best.safetensors", before)
    after = load_checkpoint(tmp_path / "best.safetensors")
    assert after.blueprint == before.blueprint
    assert after.training == TRAINING
    weights = after.network().state_dict()
    assert weights.keys() == before.weights.keys()
    assert all(torch.equal(weights[key], value) for key, value in before.weights.items())


def test_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    checkpoint = text_checkpoint()
    for name in ("a", "b"):
        save_checkpoint(tmp_path / name, checkpoint)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_card(tmp_path: Path) -> None:
    checkpoint = tag_checkpoint()
    write_card(tmp_path, checkpoint)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["query_type"] == "tag"
    assert card["parameters"] == sum(p.numel() for p in checkpoint.network().parameters())
    assert card["training"]["clips_sha256"] == ["a" * 64, "b" * 64]
    assert card["training"]["dataset"] == "synthetic"


def test_a_separator_knows_what_it_was_trained_on(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "best.safetensors", text_checkpoint())
    separator = load_separator(tmp_path, device="cpu")
    assert separator.card.name == "Tiny"
    assert separator.card.query_type == "text"
    assert separator.card.trained_on == ("synthetic",)
    assert separator.card.training_clips_sha256 == TRAINING.clips_sha256
    assert len(separator.card.checkpoint_sha256) == 64
    assert separator.sample_rate == 8000


def test_the_best_is_taken_before_the_last(tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").touch()
    assert find_checkpoint(tmp_path).name == "last.safetensors"
    (tmp_path / "best.safetensors").touch()
    assert find_checkpoint(tmp_path).name == "best.safetensors"
    assert find_checkpoint(tmp_path / "last.safetensors").name == "last.safetensors"


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint here"):
        find_checkpoint(tmp_path)
    with pytest.raises(UsageError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "x.safetensors")


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, tag_checkpoint())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LassbenchError, match="not a readable safetensors file"):
        load_checkpoint(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(LassbenchError, match="not a readable safetensors file"):
        load_checkpoint(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(LassbenchError, match="no checkpoint of lassbench"):
        load_checkpoint(path)
    save_file({"x": torch.zeros(1)}, path, metadata={"lassbench": '{"format": 99}'})
    with pytest.raises(LassbenchError, match="another version"):
        load_checkpoint(path)


def set_in(content: dict[str, Any], path: str, value: object) -> None:
    *above, last = path.split(".")
    for key in above:
        content = content[key]
    content[last] = value


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("training", None, "training must be a section of keys, got nothing"),
        ("training.step", "7", "training.step must be a whole number, got '7'"),
        ("training.clips_sha256", "ab", "training.clips_sha256 must be a list, got 'ab'"),
        ("training.mood", 1, "there is no 'training.mood'"),
        ("codec", [], "codec must be"),
        ("codec.cls", 10**6, "codec.cls and codec.pad must be in the encoder's vocabulary"),
        ("codec.max_tokens", 10**6, "codec.max_tokens must be 2 to"),
        ("bert", None, "are of two systems"),
        ("bert.num_hidden_layers", 10**9, "bert.num_hidden_layers must be at most"),
        ("bert.hidden_size", 0, "bert.hidden_size must be at least 1, got 0"),
        ("bert.quantization_config", {}, "there is no 'bert.quantization_config'"),
        ("bert.hidden_act", "x", "this shape makes no BERT"),
        ("config", 3, "config must be a section of keys, got 3"),
        ("config.sample_rate_hz", "8000", "sample_rate_hz"),
        ("config.system", "unet", "are of two systems"),
        ("format", "1", "format must be 1, got '1'"),
        ("surprise", 1, "there is no 'surprise'"),
    ],
)
def test_metadata_that_cannot_be_is_named(
    tmp_path: Path, path: str, value: object, words: str
) -> None:
    file, checkpoint = tmp_path / "best.safetensors", text_checkpoint()
    save_checkpoint(file, checkpoint)
    with safe_open(file, "pt") as stream:
        content = json.loads(stream.metadata()["lassbench"])
    set_in(content, path, value)
    save_file(dict(checkpoint.weights), file, metadata={"lassbench": json.dumps(content)})
    with pytest.raises(LassbenchError) as caught:
        load_separator(tmp_path, device="cpu")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "text", ["", "[" * 100_000, "3", "NaN", '{"format": 1}', '{"a": 1, "a": 1}']
)
def test_metadata_that_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "best.safetensors"
    save_file({"x": torch.zeros(1)}, file, metadata={"lassbench": text})
    with pytest.raises(LassbenchError, match=r"best\.safetensors"):
        load_checkpoint(file)


def test_a_tokenizer_that_is_none_is_refused() -> None:
    with pytest.raises(LassbenchError, match="the tokenizer is damaged"):
        TextCodec("{}", cls=1, pad=0, max_tokens=5).encode(["a dog"])


def test_weights_that_do_not_fit_are_one_message(tmp_path: Path) -> None:
    checkpoint = tag_checkpoint()
    weights = dict(checkpoint.weights)
    weights["stranger"] = weights.pop("UNet.after_conv2.bias")
    weights["tag_embedder.embedding.bias"] = torch.zeros(99)
    with pytest.raises(LassbenchError) as caught:
        check_weights(checkpoint.blueprint.build(), weights, where="x")
    message = str(caught.value)
    assert "1 missing: UNet.after_conv2.bias" in message
    assert "1 unexpected: stranger" in message
    assert "tag_embedder.embedding.bias (99,) instead of (5,)" in message
    save_checkpoint(tmp_path / "best.safetensors", replace(checkpoint, weights=weights))
    with pytest.raises(LassbenchError, match="do not fit"):
        load_separator(tmp_path)
