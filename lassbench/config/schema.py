"""What a config may hold; the defaults are the paper's recipe (FACTS section 2)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

System = Literal["lassnet", "unet"]


@dataclass(frozen=True)
class SpectrogramConfig:
    """The STFT: ``frame`` and ``hop`` in samples (Hann window, frames centred)."""

    frame: int = 1024
    hop: int = 512


@dataclass(frozen=True)
class NetworkConfig:
    """SeparationNet.

    Attributes
    ----------
    widths
        Channels of the encoder blocks, outermost first; as many as it is deep.
    query
        Width of the query embedding.
    film
        ``affine`` (gamma * x + beta, the paper) or ``bias`` (the release).
    input
        What the first layer sees: ``magnitude`` (the paper), or its ``log``, in which
        quiet bins count too and which short trainings need.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256, 384, 384)
    query: int = 256
    film: Literal["affine", "bias"] = "affine"
    input: Literal["magnitude", "log"] = "magnitude"


@dataclass(frozen=True)
class ScratchConfig:
    """A BERT that starts from nothing; the defaults are BERT-mini's shape.

    ``vocabulary`` is the largest number of word pieces learned from the
    training captions.
    """

    layers: int = 4
    heads: int = 4
    hidden: int = 256
    intermediate: int = 1024
    vocabulary: int = 4000
    dropout: float = 0.1


@dataclass(frozen=True)
class TextConfig:
    """The text encoder of LASS-Net.

    Attributes
    ----------
    encoder
        Name or folder of a Hugging Face BERT, or ``scratch``.
    max_tokens
        Longer queries are cut, the first token included.
    learning_rate_scale
        Factor on the learning rate of the BERT; 0 freezes it.
    """

    encoder: str = "prajjwal1/bert-mini"
    max_tokens: int = 64
    learning_rate_scale: float = 1.0
    scratch: ScratchConfig = field(default_factory=ScratchConfig)


@dataclass(frozen=True)
class TagsConfig:
    """The tag UNet's vocabulary.

    ``dataset``: the tags of the training clips (their concepts where they have
    none).  The name of a benchmark (``lass-2022``): its list of tags, whether or
    not a training clip carries them.
    """

    vocabulary: str = "dataset"


@dataclass(frozen=True)
class MixingConfig:
    """How training mixtures are made of two clips of different concepts.

    Attributes
    ----------
    snr_range_db
        The target's peak over the noise's, drawn uniformly; the paper's 0 dB is
        ``[0, 0]``.
    crop_s
        Train on a random stretch of each clip of so many seconds; 0 for whole
        clips, as in the paper.
    balance
        Draw targets evenly over ``clips`` or over ``concepts``.
    """

    snr_range_db: tuple[float, float] = (0.0, 0.0)
    crop_s: float = 0.0
    balance: Literal["clips", "concepts"] = "clips"


@dataclass(frozen=True)
class TrainConfig:
    """The training loop.

    Attributes
    ----------
    seed
        Weights, pairs, captions and dropout all follow from it.
    steps, batch_size
        Updates, and mixtures an update over all devices together.
    accumulate
        Cut each device's share of a batch in so many pieces when memory is short.
    learning_rate, schedule, warmup_steps
        ``constant`` (the paper) or ``cosine`` down to zero, after a linear start.
    weight_decay
        Decoupled (AdamW); 0 is plain Adam.
    loss
        ``magnitude`` (the paper's L1 on magnitudes) or ``phase_sensitive`` (the energy
        left wrong), see :class:`lassbench.training.objective.Objective`.
    clip_gradient
        Largest norm of the gradient; 0 leaves it alone.
    calibrate_batches
        Before a checkpoint is validated and saved, take batch normalisation's
        statistics anew over so many batches; 0 keeps the running averages (the paper).
    precision
        ``auto`` (bfloat16 on CUDA where it is native, else float32), ``float32``,
        ``bfloat16`` or ``float16``.
    compile
        ``auto`` (in runs long enough to win back the minutes it takes, where a C++
        compiler and Python's headers are), ``on`` or ``off``.
    deterministic
        The same seed gives the same weights, at some cost in speed on CUDA.
    store
        Where the clips are held: ``auto``, ``device`` or ``host``.
    log_every, save_every
        Steps between log lines; steps between validations, which also save.
    tensorboard
        Write TensorBoard events.
    """

    seed: int = 0
    steps: int = 20000
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float = 3e-4
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    loss: Literal["magnitude", "phase_sensitive"] = "magnitude"
    clip_gradient: float = 0.0
    calibrate_batches: int = 0
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    deterministic: bool = True
    store: Literal["auto", "device", "host"] = "auto"
    log_every: int = 50
    save_every: int = 1000
    tensorboard: bool = True


@dataclass(frozen=True)
class ValidationConfig:
    """Validation on fixed mixtures: how many at most, noises a target, and the seed."""

    mixtures: int = 200
    noises: int = 5
    seed: int = 0
    batch_size: int = 8


@dataclass(frozen=True)
class SeparationConfig:
    """Separating with the trained system.

    Attributes
    ----------
    chunk_s, overlap_s
        Longer audio is cut into overlapping chunks and cross-faded.
    normalise
        Bring the input's peak to 1, as in training, and undo it afterwards.
    """

    chunk_s: float = 15.0
    overlap_s: float = 1.0
    normalise: bool = True


@dataclass(frozen=True)
class Config:
    """Everything that defines a reference system and its training.

    ``sample_rate_hz`` 0 means the dataset's; the resolved config has the number.
    """

    system: System = "lassnet"
    name: str = "LASS-Net"
    description: str = ""
    sample_rate_hz: int = 0
    spectrogram: SpectrogramConfig = field(default_factory=SpectrogramConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    text: TextConfig = field(default_factory=TextConfig)
    tags: TagsConfig = field(default_factory=TagsConfig)
    mixing: MixingConfig = field(default_factory=MixingConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    separation: SeparationConfig = field(default_factory=SeparationConfig)

    def as_dict(self) -> dict[str, Any]:
        """Plain values: dicts, lists, strings, numbers."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
