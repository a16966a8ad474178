"""From a query to a vector: BERT for words, an embedding for tags.

A *codec* turns queries into tensors and is plain data that travels inside a
checkpoint; an *embedder* is the trained part.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from lassbench.checked import Strict
from lassbench.errors import LassbenchError, UsageError, did_you_mean, one_line
from lassbench.models.config import ScratchConfig, TextConfig

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class TextCodec:
    """Sentences to token numbers.

    Attributes
    ----------
    tokenizer_json
        The WordPiece tokenizer, as the ``tokenizers`` library writes it.
    cls, pad
        Numbers of the first token and of the filler.
    max_tokens
        Longer sentences are cut, [CLS] included.
    """

    tokenizer_json: str = field(repr=False)
    cls: int
    pad: int
    max_tokens: int

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_str(self.tokenizer_json)
        except Exception as error:  # the library raises no other
            raise LassbenchError("the tokenizer is damaged", got=one_line(str(error))) from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_tokenizer"}

    @property
    def vocabulary_size(self) -> int:
        """How many word pieces it knows."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, queries: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token numbers and attention mask, both ``(batch, tokens)`` int64.

        Text is lower-cased and starts with [CLS]; nothing follows it (FACTS
        section 2 and the reference inputs: no [SEP]).

        Raises
        ------
        UsageError
            If a query holds no text.
        """
        if not all(query.strip() for query in queries):
            raise UsageError("a query holds no text", expected="a sentence", got="''")
        rows = [
            [self.cls, *encoding.ids][: self.max_tokens]
            for encoding in self._tokenizer.encode_batch(
                [query.lower() for query in queries], add_special_tokens=False
            )
        ]
        ids = torch.full((len(rows), max(map(len, rows))), self.pad, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row)
            mask[number, : len(row)] = 1
        return ids, mask


@dataclass(frozen=True)
class TagCodec:
    """Sets of tags to multi-hot vectors over ``vocabulary``."""

    vocabulary: tuple[str, ...]

    def encode(self, queries: Sequence[Sequence[str]]) -> tuple[Tensor]:
        """Multi-hot ``(batch, len(vocabulary))`` float32; tags outside it are left out.

        Raises
        ------
        UsageError
            If a query has no tag of the vocabulary at all.
        """
        index = {tag: number for number, tag in enumerate(self.vocabulary)}
        hot = torch.zeros(len(queries), len(self.vocabulary))
        for row, tags in enumerate(queries):
            known = [index[tag] for tag in tags if tag in index]
            if not known:
                raise self._unknown(tags)
            hot[row, known] = 1.0
        return (hot,)

    def _unknown(self, tags: Sequence[str]) -> UsageError:
        hint = did_you_mean(tags[0], self.vocabulary) if tags else ""
        return UsageError(
            f"this system is asked by tag, and knows none of these{hint}",
            expected=f"one or more of: {'; '.join(self.vocabulary)}",
            got="; ".join(one_line(tag) for tag in tags) or "no tag",
        )


Codec = TextCodec | TagCodec


class TextEmbedder(nn.Module):
    """BERT, then Linear and ReLU on the first token's last hidden state."""

    def __init__(self, bert: nn.Module, hidden: int, query: int) -> None:
        super().__init__()
        self.bert_layer = bert
        self.linear_layer = nn.Sequential(nn.Linear(hidden, query), nn.ReLU())
        self.frozen = False

    def freeze(self) -> None:
        """Leave the BERT as it is in training: no gradients, no dropout."""
        self.frozen = True
        self.bert_layer.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> TextEmbedder:
        """As every module's, but that a frozen BERT stays in eval mode."""
        super().train(mode)
        if self.frozen:
            self.bert_layer.eval()
        return self

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """``(batch, tokens)`` numbers and mask to ``(batch, query)``."""
        if mask.is_cuda:
            mask = pairwise(mask)
        states = self.bert_layer(input_ids=ids, attention_mask=mask).last_hidden_state
        embedding: Tensor = self.linear_layer(states[:, 0])
        return embedding


def pairwise(mask: Tensor) -> Tensor:
    """``(batch, tokens)`` to ``(batch, 1, tokens, tokens)``: who may look at whom.

    The same to BERT, but that transformers looks into a mask of two dimensions to see
    whether it is needed at all, and so waits for the device.
    """
    tokens = mask.shape[1]
    return mask.bool()[:, None, None, :].expand(-1, 1, tokens, -1)


class TagEmbedder(nn.Module):
    """The sum of the tags' embeddings, then Linear and ReLU as for text."""

    def __init__(self, tags: int, query: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(tags, query)
        self.linear_layer = nn.Sequential(nn.ReLU(), nn.Linear(query, query), nn.ReLU())

    def forward(self, hot: Tensor) -> Tensor:
        """Multi-hot ``(batch, tags)`` to ``(batch, query)``."""
        embedding: Tensor = self.linear_layer(self.embedding(hot))
        return embedding


# ---------------------------------------------------------------------------
# Making the text side: a Hugging Face BERT, or one from scratch
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class TextEncoder:
    """A BERT with its tokenizer: what :func:`open_text_encoder` finds or makes.

    ``shape`` is its configuration, from which :func:`build_bert` makes the same
    architecture again without its weights.
    """

    codec: TextCodec
    shape: dict[str, Any]
    bert: nn.Module


def open_text_encoder(config: TextConfig, captions: Iterable[str]) -> TextEncoder:
    """The text encoder that ``config`` names.

    Parameters
    ----------
    captions
        The training captions: what ``scratch`` learns its vocabulary from.

    Raises
    ------
    UsageError
        If there is no such model, it is no BERT, or it cannot be downloaded.
    """
    if config.encoder == "scratch":
        return _scratch(config, captions)
    return _pretrained(config)


def _scratch(config: TextConfig, captions: Iterable[str]) -> TextEncoder:
    tokenizer = learn_wordpiece(captions, config.scratch.vocabulary)
    shape = _scratch_shape(config.scratch, tokenizer.get_vocab_size(), config.max_tokens)
    codec = TextCodec(
        tokenizer.to_str(),
        cls=tokenizer.token_to_id("[CLS]"),
        pad=tokenizer.token_to_id("[PAD]"),
        max_tokens=config.max_tokens,
    )
    return TextEncoder(codec, shape, build_bert(shape))


def _scratch_shape(config: ScratchConfig, vocabulary: int, max_tokens: int) -> dict[str, Any]:
    # BERT's own 0.02 is meant for 768 hidden units.  In a narrow one it makes the
    # embeddings of all sentences equal to within a hundredth, and the separator learns
    # to do without them.
    return {
        "initializer_range": config.hidden**-0.5,
        "vocab_size": vocabulary,
        "hidden_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate,
        "max_position_embeddings": max(max_tokens, 16),
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.dropout,
        "pad_token_id": 0,
    }


def learn_wordpiece(captions: Iterable[str], vocabulary: int) -> Any:
    """A lower-casing WordPiece tokenizer of about ``vocabulary`` pieces.

    The same captions give the same tokenizer in every process.  Left to itself
    the trainer numbers the single characters in the order of a hash table and
    breaks ties between equally frequent pairs by those numbers; so it is given
    the characters, sorted, as if they were special, and the result is rebuilt
    with only the special tokens special.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer, models, trainers

    lines = sorted(captions)
    learner = _uncased(Tokenizer(models.WordPiece(unk_token="[UNK]")))
    words = (
        word
        for line in lines
        for word, _ in learner.pre_tokenizer.pre_tokenize_str(
            learner.normalizer.normalize_str(line)
        )
    )
    letters = sorted({letter for word in words for letter in word})
    alphabet = [*letters, *(f"##{letter}" for letter in letters)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=max(vocabulary, len(_SPECIAL) + len(alphabet)),
        special_tokens=[*_SPECIAL, *alphabet],
        show_progress=False,
    )
    learner.train_from_iterator(lines, trainer)
    pieces = learner.get_vocab(with_added_tokens=True)
    return _uncased(Tokenizer(models.WordPiece(vocab=pieces, unk_token="[UNK]")))


def _uncased(tokenizer: Any) -> Any:
    from tokenizers import normalizers, pre_tokenizers

    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _pretrained(config: TextConfig) -> TextEncoder:
    import transformers

    _quieten(transformers)
    name = config.encoder
    try:
        shape = transformers.AutoConfig.from_pretrained(name)
        if shape.model_type != "bert":
            raise UsageError(
                "the text encoder must be a BERT", where=name, got=f"a {shape.model_type} model"
            )
        bert = transformers.BertModel.from_pretrained(name, add_pooling_layer=False)
    except (OSError, ValueError) as error:
        raise _cannot_load(name, error) from error
    most = min(config.max_tokens, shape.max_position_embeddings)
    return TextEncoder(open_tokenizer(replace(config, max_tokens=most)), _essentials(shape), bert)


def open_tokenizer(config: TextConfig) -> TextCodec:
    """The tokenizer of a BERT by name or folder, or from its vocab.txt or tokenizer.json.

    Raises
    ------
    UsageError
        If there is none.
    """
    import tokenizers
    import transformers

    _quieten(transformers)
    name = config.encoder
    try:
        if name.endswith("vocab.txt"):
            pieces = tokenizers.models.WordPiece.read_file(name)
            made = _uncased(
                tokenizers.Tokenizer(tokenizers.models.WordPiece(pieces, unk_token="[UNK]"))
            )
        elif name.endswith(".json"):
            made = tokenizers.Tokenizer.from_file(name)
        else:
            made = transformers.AutoTokenizer.from_pretrained(name, use_fast=True)
            made = made.backend_tokenizer
    except Exception as error:  # the tokenizers library raises no other
        raise _cannot_load(name, error) from error
    cls, pad = made.token_to_id("[CLS]"), made.token_to_id("[PAD]")
    if cls is None or pad is None:
        raise UsageError("not the tokenizer of a BERT: no [CLS] or [PAD]", where=name)
    return TextCodec(made.to_str(), cls=cls, pad=pad, max_tokens=config.max_tokens)


def _quieten(transformers: Any) -> None:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def _cannot_load(name: str, error: Exception) -> UsageError:
    return UsageError(
        "cannot load this text encoder",
        where=name,
        expected="the name or the folder of a Hugging Face BERT, or `scratch`",
        got=one_line(str(error)),
        fix="check the name and the connection, give a folder, or --set text.encoder=scratch",
    )


_Size = Annotated[int, Field(ge=1, le=10**6)]
_Share = Annotated[float, Field(ge=0, le=1)]


class BertShape(Strict):
    """What decides a BERT's parameters and arithmetic (:class:`transformers.BertConfig`).

    The rest of its configuration is housekeeping that changes from release to release.
    """

    vocab_size: _Size
    hidden_size: _Size
    num_hidden_layers: Annotated[int, Field(ge=1, le=1000)]
    num_attention_heads: _Size
    intermediate_size: _Size
    max_position_embeddings: _Size
    # What may be left out has transformers' own default then.
    type_vocab_size: _Size = 2
    hidden_act: str = ""
    hidden_dropout_prob: _Share = 0.0
    attention_probs_dropout_prob: _Share = 0.0
    layer_norm_eps: _Share = 0.0
    initializer_range: _Share = 0.0
    pad_token_id: Annotated[int, Field(ge=0, le=10**6)] | None = None


def _essentials(shape: Any) -> dict[str, Any]:
    # Of trained weights nobody asks how they began.
    keys = BertShape.model_fields.keys() - {"initializer_range"}
    return {key: getattr(shape, key) for key in keys if hasattr(shape, key)}


def build_bert(shape: dict[str, Any]) -> nn.Module:
    """A BERT without pooler of the given shape, freshly initialised.

    Raises
    ------
    LassbenchError
        If the shape makes no BERT (heads that do not divide the width, say).
    """
    import transformers

    try:
        bert: nn.Module = transformers.BertModel(
            transformers.BertConfig(**shape), add_pooling_layer=False
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LassbenchError("this shape makes no BERT", got=one_line(str(error))) from error
    return bert
