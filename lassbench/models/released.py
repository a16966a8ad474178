"""The authors' released checkpoint, made into one of ours.

Their file is a pickle of ``{"model": state dict, ...}`` saved from DataParallel:
every key begins with ``module.``.  It is read with ``weights_only``, so nothing
in it is run.  The tokenizer is not in it: it is BERT's (30,522 word pieces).
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.models.checkpoints import (
    BEST,
    CONFIG,
    Blueprint,
    Checkpoint,
    Training,
    check_weights,
    save_checkpoint,
    write_card,
)
from lassbench.models.config import Config, TextConfig, load_config, write_config
from lassbench.models.query import TextCodec, open_tokenizer
from lassbench.output_folders import check_output_folder
from lassbench.records import SAMPLE_RATE_HZ

#: BERT-mini, as FACTS section 2 has it.
BERT_MINI: Mapping[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "max_position_embeddings": 512,
}

#: What the authors trained on, as far as it is known: the clips' audio is not.
TRAINED_ON = "AudioCaps, the authors' LASS training list"

_PREFIX = "module."


def import_checkpoint(file: Path, out: Path, *, tokenizer: str) -> Checkpoint:
    """Write the released checkpoint ``file`` as a checkpoint folder ``out``.

    Parameters
    ----------
    tokenizer
        Name or folder of a Hugging Face BERT with the uncased vocabulary, or its
        ``vocab.txt`` or ``tokenizer.json``.

    Raises
    ------
    UsageError
        If a file is missing, ``out`` holds a checkpoint, or the tokenizer has
        another vocabulary.
    LassbenchError
        If the file is no such checkpoint, or its tensors do not fit: all
        missing, unexpected and misshapen ones in one message.
    """
    check_output_folder(out, what="the checkpoint folder")
    if (out / BEST).exists():
        raise UsageError(
            "this folder holds a checkpoint already", where=out, fix="name another folder with -o"
        )
    config = replace(load_config("lassnet-released"), sample_rate_hz=SAMPLE_RATE_HZ)
    weights = read_released(file)
    blueprint = _blueprint(config, tokenizer)
    with torch.device("meta"):
        check_weights(blueprint.build(), weights, where=file)
    checkpoint = Checkpoint(blueprint, Training(dataset=TRAINED_ON), weights)
    write_config(out / CONFIG, config)
    write_card(out, checkpoint)
    # Last: a folder that has one is not imported into again.
    save_checkpoint(out / BEST, checkpoint)
    return checkpoint


def read_released(file: Path) -> dict[str, Tensor]:
    """The tensors of the authors' file under their names without ``module.``.

    Raises
    ------
    UsageError
        If there is no such file.
    LassbenchError
        If it holds no state dict under ``model``.
    """
    if not file.is_file():
        raise UsageError("no such checkpoint", where=file, fix="check the path")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise LassbenchError(
            "not a checkpoint that can be read safely",
            where=file,
            expected="a file of torch.save with tensors and plain values only",
            got=one_line(str(error).splitlines()[0] if str(error) else type(error).__name__),
            fix="download it again from the authors' repository",
        ) from error
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or not all(isinstance(t, Tensor) for t in model.values()):
        keys = ", ".join(map(str, list(content)[:6])) if isinstance(content, dict) else ""
        raise LassbenchError(
            "holds no network",
            where=file,
            expected="a state dict under the key `model`",
            got=one_line(f"the keys {keys}") if keys else type(content).__name__,
        )
    return {str(key).removeprefix(_PREFIX): tensor for key, tensor in model.items()}


def _blueprint(config: Config, tokenizer: str) -> Blueprint:
    codec: TextCodec = open_tokenizer(
        TextConfig(encoder=tokenizer, max_tokens=config.text.max_tokens)
    )
    size = codec.vocabulary_size
    if size != BERT_MINI["vocab_size"]:
        raise UsageError(
            "the tokenizer has another vocabulary than the checkpoint",
            where=tokenizer,
            expected=f"{BERT_MINI['vocab_size']} word pieces (BERT, uncased)",
            got=f"{size}",
        )
    return Blueprint(config, codec, BERT_MINI)
