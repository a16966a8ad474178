"""Checkpoints: one safetensors file that holds all that a trained system needs.

The weights, the config, the vocabulary, the shape of the text encoder, and what
it was trained on (the dataset's name and fingerprint, the hash of every clip)
travel in one file.  A run's folder holds two of them and the same facts for
people::

    RUN/best.safetensors    the best validation so far
    RUN/last.safetensors    the newest
    RUN/config.yaml         the resolved config
    RUN/card.json           name, parameters, training clips, how good it is
    RUN/metrics.csv, learning-curve.png, tensorboard/, resume.pt
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from lassbench import __version__
from lassbench.cards import SystemCard
from lassbench.checked import Strict, validate
from lassbench.errors import LassbenchError, UsageError, one_line
from lassbench.files import parse_json, sha256_file, write_bytes, write_json
from lassbench.models.config import Config, config_from
from lassbench.models.lassnet import LassNet, TagUNet
from lassbench.models.query import BertShape, Codec, TagCodec, TextCodec, build_bert
from lassbench.models.separator import CheckpointSeparator

#: Version of the metadata inside a checkpoint.
FORMAT = 1

BEST, LAST, CARD, CONFIG = "best.safetensors", "last.safetensors", "card.json", "config.yaml"

#: One key for all metadata: several would be written in no fixed order.
_KEY = "lassbench"

Net = LassNet | TagUNet


@dataclass(frozen=True)
class Blueprint:
    """All that is needed to make a system's network again, without its weights.

    ``bert`` is the shape of the text encoder, ``None`` for the tag UNet.
    """

    config: Config
    codec: Codec
    bert: Mapping[str, Any] | None = None

    def build(self, bert: nn.Module | None = None) -> Net:
        """The network; ``bert`` gives it a ready text encoder instead of a fresh one."""
        network = self.config.network
        if isinstance(self.codec, TagCodec):
            return TagUNet(network, len(self.codec.vocabulary))
        assert self.bert is not None
        shape = dict(self.bert)
        return LassNet(network, bert or build_bert(shape), int(shape["hidden_size"]))


@dataclass(frozen=True)
class Training:
    """What a checkpoint was trained on, and how far.

    Attributes
    ----------
    dataset, fingerprint
        The dataset's name and fingerprint.
    clips_sha256
        PCM hash of every clip it was trained on, sorted.
    step
        Updates made.
    validation_si_sdr_i
        Mean SI-SDR improvement on the validation mixtures, in dB.
    """

    dataset: str = ""
    fingerprint: str = ""
    clips_sha256: tuple[str, ...] = field(default=(), repr=False)
    step: int = 0
    validation_si_sdr_i: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A blueprint, what it was trained on, and its weights."""

    blueprint: Blueprint
    training: Training
    weights: Mapping[str, Tensor] = field(repr=False)

    def network(self) -> Net:
        """The network with its weights, in eval mode on the CPU.

        Raises
        ------
        LassbenchError
            If weights are missing, left over or of another shape.
        """
        with torch.device("meta"):
            net = self.blueprint.build()
        check_weights(net, self.weights, where="this checkpoint")
        net = self.blueprint.build()
        net.load_state_dict(dict(self.weights))
        return net.eval()


def check_weights(net: nn.Module, weights: Mapping[str, Tensor], *, where: object) -> None:
    """Refuse weights that do not fit ``net``, all misfits in one message.

    Raises
    ------
    LassbenchError
        Naming what is missing, left over or of another shape.
    """
    wanted = net.state_dict()
    missing = sorted(wanted.keys() - weights.keys())
    extra = sorted(weights.keys() - wanted.keys())
    shapes = [
        f"{key} {tuple(weights[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in sorted(wanted.keys() & weights.keys())
        if weights[key].shape != wanted[key].shape
    ]
    if missing or extra or shapes:
        named = (("missing", missing), ("unexpected", extra), ("of another shape", shapes))
        raise LassbenchError(
            "the weights do not fit the network",
            where=where,
            expected=f"{len(wanted)} tensors as the config describes",
            got="; ".join(f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in named if keys),
            fix="use the config that these weights were trained with",
        )


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (" ..." if len(keys) > 4 else "")


# ---------------------------------------------------------------------------
# Writing and reading
# ---------------------------------------------------------------------------


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write one checkpoint atomically; the same content gives the same bytes."""
    blueprint = checkpoint.blueprint
    content = {
        "format": FORMAT,
        "lassbench_version": __version__,
        "config": blueprint.config.as_dict(),
        "codec": asdict(blueprint.codec),
        "bert": dict(blueprint.bert) if blueprint.bert is not None else None,
        "training": asdict(checkpoint.training),
    }
    weights = {
        key: value.detach().to("cpu").contiguous() for key, value in checkpoint.weights.items()
    }
    metadata = {_KEY: json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)}
    write_bytes(path, save(weights, metadata=metadata))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint file.

    Raises
    ------
    LassbenchError
        If it is not a safetensors file of lassbench, or damaged.
    """
    try:
        with safe_open(path, "pt") as stream:
            metadata = stream.metadata() or {}
            weights = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise UsageError("no such checkpoint", where=path, fix="check the path") from error
    except (SafetensorError, OSError) as error:
        raise LassbenchError(
            "not a readable safetensors file", where=path, got=one_line(str(error))
        ) from error
    if _KEY not in metadata:
        raise LassbenchError(
            "a safetensors file, but no checkpoint of lassbench",
            where=path,
            fix="give a file or a folder that `lassbench train-baseline` wrote",
        )
    content = parse_json(metadata[_KEY], where=path, fix=_OTHER_COPY)
    what = "the checkpoint is damaged, or of another version of lassbench"
    said = validate(_Stored, content, what=what, where=path, fix=_OTHER_COPY)
    bert = said.bert.model_dump(exclude_unset=True) if said.bert is not None else None
    config = config_from(said.config, where=str(path))
    return Checkpoint(Blueprint(config, said.codec, bert), said.training, weights)


_OTHER_COPY = "get another copy of it, or use the version of lassbench that wrote it"


class _Stored(Strict):
    """A checkpoint's metadata."""

    format: Literal[1]
    lassbench_version: str
    config: dict[str, Any]
    codec: TextCodec | TagCodec
    bert: BertShape | None
    training: Training

    @model_validator(mode="after")
    def _codec_and_encoder_fit(self) -> _Stored:
        codec, bert = self.codec, self.bert
        by_tag = self.config.get("system") == "unet"
        if (by_tag, bert is None) != (isinstance(codec, TagCodec),) * 2:
            raise ValueError("config.system, codec and bert are of two systems")
        if bert is not None and isinstance(codec, TextCodec):
            if not all(0 <= number < bert.vocab_size for number in (codec.cls, codec.pad)):
                raise ValueError("codec.cls and codec.pad must be in the encoder's vocabulary")
            if not 2 <= codec.max_tokens <= bert.max_position_embeddings:
                raise ValueError("codec.max_tokens must be 2 to bert.max_position_embeddings")
        return self


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint that a file or a run's folder means: the best, else the last.

    Raises
    ------
    UsageError
        If there is none.
    """
    path = Path(path)
    candidates = [path / BEST, path / LAST] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise UsageError(
        "there is no checkpoint here",
        where=path,
        expected=f"a folder with {BEST}, or a .safetensors file",
        fix="train one with `lassbench train-baseline`",
    )


def card_of(checkpoint: Checkpoint, sha256: str = "") -> SystemCard:
    """What a prediction folder says about the system."""
    config, training = checkpoint.blueprint.config, checkpoint.training
    return SystemCard(
        name=config.name,
        query_type="tag" if config.system == "unet" else "text",
        description=config.description,
        parameters=parameter_count(checkpoint.blueprint),
        trained_on=(training.dataset,) if training.dataset else (),
        training_clips_sha256=training.clips_sha256,
        checkpoint_sha256=sha256,
    )


def parameter_count(blueprint: Blueprint) -> int:
    """Trained parameters of the network."""
    with torch.device("meta"):
        return sum(part.numel() for part in blueprint.build().parameters())


def write_card(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``card.json``: what the folder's checkpoint is, for people and programs."""
    config, training = checkpoint.blueprint.config, checkpoint.training
    content = {
        "name": config.name,
        "system": config.system,
        "description": config.description,
        "query_type": "tag" if config.system == "unet" else "text",
        "parameters": parameter_count(checkpoint.blueprint),
        "sample_rate_hz": config.sample_rate_hz,
        "training": asdict(training),
        "lassbench_version": __version__,
    }
    write_json(folder / CARD, content)


def load_separator(path: str | Path, *, device: str = "auto") -> CheckpointSeparator:
    """A trained system, ready to separate.

    Parameters
    ----------
    path
        A run's folder (its best checkpoint, else its last) or a checkpoint file.
    device
        ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:1``.

    Raises
    ------
    UsageError
        If there is no checkpoint or no such device.
    LassbenchError
        If the checkpoint is damaged.
    """
    file = find_checkpoint(path)
    checkpoint = load_checkpoint(file)
    return CheckpointSeparator(
        checkpoint.network(),
        checkpoint.blueprint.codec,
        checkpoint.blueprint.config,
        card_of(checkpoint, sha256_file(file)),
        device=device,
    )
