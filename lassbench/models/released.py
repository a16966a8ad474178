"""The authors' released checkpoint, made a checkpoint of lassbench.

Their file is a pickled dictionary whose ``model`` holds 695 tensors, each key
prefixed with ``module.`` (it was saved from DataParallel).  The network is the
shipped config ``lassnet-released``; the tokenizer is BERT-mini's, which is
every uncased BERT's of 30,522 word pieces.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lassbench.config import Config
from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.files import check_output_folder, explain_os_error
from lassbench.models.checkpoints import (
    BEST,
    Blueprint,
    Checkpoint,
    Training,
    check_weights,
    save_checkpoint,
    write_card,
)
from lassbench.models.query import open_tokenizer

#: DataParallel's prefix.
PREFIX = "module."

#: BERT-mini (FACTS section 2).
BERT_MINI: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
}


def import_released(path: Path, out: Path, *, config: Config, tokenizer: str) -> Checkpoint:
    """Write the folder ``out`` with the weights of the authors' file ``path``.

    Parameters
    ----------
    config
        The shipped config ``lassnet-released``, at the rate of the weights.
    tokenizer
        Name or folder of the BERT whose tokenizer reads the queries.

    Raises
    ------
    UsageError
        If there is no file, no such tokenizer, or its vocabulary is another one.
    LassbenchError
        If the file is no such checkpoint, or its tensors do not fit the network.
    """
    check_output_folder(out, what="the checkpoint's folder")
    weights = read_weights(path)
    codec = open_tokenizer(tokenizer, max_tokens=config.text.max_tokens)
    blueprint = Blueprint(config, codec, BERT_MINI)
    with torch.device("meta"):
        net = blueprint.build()
    check_weights(net, weights, where=path)
    size = codec.vocabulary_size
    if size != BERT_MINI["vocab_size"]:
        raise UsageError(
            "this tokenizer has another vocabulary than the weights",
            where=tokenizer,
            expected=f"{BERT_MINI['vocab_size']} word pieces",
            got=str(size),
            fix="give prajjwal1/bert-mini, or a folder with its vocab.txt",
        )
    # Which clips they trained on is not known by hash; the name says what is.
    checkpoint = Checkpoint(blueprint, Training(dataset="LASS-2022 (the authors')"), weights)
    save_checkpoint(out / BEST, checkpoint)
    write_card(out, checkpoint)
    return checkpoint


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """The tensors of the authors' file by key, without DataParallel's prefix.

    Raises
    ------
    UsageError
        If there is no such file.
    LassbenchError
        If it is not a PyTorch file with tensors under ``model``.
    """
    if not path.is_file():
        raise UsageError("no such checkpoint file", where=path, fix="check the path")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise explain_os_error(error, path) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise LassbenchError(
            "not a PyTorch checkpoint that holds tensors only",
            where=path,
            got=one_line(str(error)),
            fix="give the authors' LASSNet.pt",
        ) from error
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or not all(isinstance(v, Tensor) for v in model.values()):
        raise LassbenchError(
            "this file holds no state dict under `model`",
            where=path,
            got=", ".join(map(str, list(content)[:5])) if isinstance(content, dict) else "no dict",
            fix="give the authors' LASSNet.pt",
        )
    return {str(key).removeprefix(PREFIX): value for key, value in model.items()}
