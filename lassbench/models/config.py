"""The configuration of a trained system: YAML in, typed and checked values out.

A file names only what differs from the defaults, which are the paper's recipe
(FACTS section 2).  Each limit stands at its field; unknown keys, wrong types and
impossible values are refused with the file, the line and the nearest key, and
also where a config is made in code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from lassbench.checked import RULES, Count, Flag, Impossible, Label, Text, validate
from lassbench.errors import UsageError, UsageFaultsError, did_you_mean
from lassbench.files import data_folder, listed
from lassbench.yaml_files import read_yaml, write_yaml

Positive = Annotated[int, Field(ge=1, le=10**9)]
NotNegative = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=RULES)
class SpectrogramConfig:
    """The STFT: ``frame`` and ``hop`` in samples (Hann window, frames centred)."""

    frame: Annotated[int, Field(ge=8, le=10**6, multiple_of=2)] = 1024
    hop: Positive = 512

    @model_validator(mode="after")
    def _frames_overlap(self) -> Self:
        if self.hop > self.frame // 2:
            reason = f"must be at most half of frame ({self.frame // 2}), got {self.hop}"
            raise Impossible(reason, "hop")
        return self


@dataclass(frozen=True, config=RULES)
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

    widths: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=16)] = (
        *(32, 64, 128, 256, 384, 384),
    )
    query: Positive = 256
    film: Literal["affine", "bias"] = "affine"
    input: Literal["magnitude", "log"] = "magnitude"


@dataclass(frozen=True, config=RULES)
class ScratchConfig:
    """A BERT that starts from nothing; the defaults are BERT-mini's shape.

    ``vocabulary`` is the largest number of word pieces learned from the
    training captions.
    """

    layers: Positive = 4
    heads: Positive = 4
    hidden: Positive = 256
    intermediate: Positive = 1024
    vocabulary: Annotated[int, Field(ge=32, le=10**6)] = 4000
    dropout: Annotated[float, Field(ge=0, le=1)] = 0.1


@dataclass(frozen=True, config=RULES)
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

    encoder: Annotated[str, Field(min_length=1, max_length=4096)] = "prajjwal1/bert-mini"
    max_tokens: Annotated[int, Field(ge=2, le=10**6)] = 64
    learning_rate_scale: NotNegative = 1.0
    scratch: ScratchConfig = field(default_factory=ScratchConfig)

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        scratch = self.scratch
        if self.encoder == "scratch" and scratch.hidden % scratch.heads:
            raise Impossible(f"must be a multiple of heads ({scratch.heads})", "scratch", "hidden")
        return self


@dataclass(frozen=True, config=RULES)
class TagsConfig:
    """The tag UNet's vocabulary.

    ``dataset``: the tags of the training clips (their concepts where they have
    none).  The name of a benchmark (``lass-2022``): its list of tags, whether or
    not a training clip carries them.
    """

    vocabulary: Annotated[str, Field(min_length=1, max_length=4096)] = "dataset"


@dataclass(frozen=True, config=RULES)
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
    crop_s: NotNegative = 0.0
    balance: Literal["clips", "concepts"] = "clips"

    @model_validator(mode="after")
    def _low_first(self) -> Self:
        low, high = self.snr_range_db
        if low > high:
            reason = f"the range must be low, high; got {low:g}, {high:g}"
            raise Impossible(reason, "snr_range_db")
        return self


@dataclass(frozen=True, config=RULES)
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

    seed: Count = 0
    steps: Positive = 20000
    batch_size: Positive = 16
    accumulate: Positive = 1
    learning_rate: NotNegative = 3e-4
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: Count = 0
    weight_decay: NotNegative = 0.0
    loss: Literal["magnitude", "phase_sensitive"] = "magnitude"
    clip_gradient: NotNegative = 0.0
    calibrate_batches: Count = 0
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    deterministic: Flag = True
    store: Literal["auto", "device", "host"] = "auto"
    log_every: Positive = 50
    save_every: Positive = 1000
    tensorboard: Flag = True

    @model_validator(mode="after")
    def _even_pieces(self) -> Self:
        if self.batch_size % self.accumulate:
            raise Impossible("must divide train.batch_size", "accumulate")
        return self


@dataclass(frozen=True, config=RULES)
class ValidationConfig:
    """Validation on fixed mixtures: how many at most, noises a target, and the seed."""

    mixtures: Positive = 200
    noises: Positive = 5
    seed: Count = 0
    batch_size: Positive = 8


@dataclass(frozen=True, config=RULES)
class SeparationConfig:
    """Separating with the trained system.

    Attributes
    ----------
    chunk_s, overlap_s
        Longer audio is cut into overlapping chunks and cross-faded.
    normalise
        Bring the input's peak to 1, as in training, and undo it afterwards.
    """

    chunk_s: Annotated[float, Field(ge=0.5)] = 15.0
    overlap_s: NotNegative = 1.0
    normalise: Flag = True

    @model_validator(mode="after")
    def _chunks_advance(self) -> Self:
        if self.overlap_s > self.chunk_s / 2:
            raise Impossible("chunks may overlap by at most half their length", "overlap_s")
        return self


@dataclass(frozen=True, config=RULES)
class Config:
    """Everything that defines a reference system and its training.

    ``sample_rate_hz`` 0 means the dataset's; the resolved config has the number.
    """

    system: Literal["lassnet", "unet"] = "lassnet"
    name: Label = "LASS-Net"
    description: Text = ""
    sample_rate_hz: Annotated[int, Field(ge=0, le=384_000)] = 0
    spectrogram: SpectrogramConfig = field(default_factory=SpectrogramConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    text: TextConfig = field(default_factory=TextConfig)
    tags: TagsConfig = field(default_factory=TagsConfig)
    mixing: MixingConfig = field(default_factory=MixingConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    separation: SeparationConfig = field(default_factory=SeparationConfig)

    def as_dict(self) -> dict[str, Any]:
        """Plain values: dicts, tuples, text, numbers."""
        return dataclasses.asdict(self)

    @model_validator(mode="after")
    def _bins_come_back(self) -> Self:
        # frame / 2 - 1 bins enter (two of frame / 2 + 1 are left out); halved with
        # floor and doubled with 2n + 1 they come back only if this holds.
        frame, parts = self.spectrogram.frame, 2 ** len(self.network.widths)
        if (frame // 2) % parts or frame // 2 // parts < 2:
            raise Impossible(
                f"half of it must be a multiple of {parts} (2 to the network's depth) "
                f"and at least {2 * parts}, got {frame}",
                "spectrogram",
                "frame",
            )
        return self


_WHAT = "the config cannot be used"
_FIX = "correct these values"


def load_config(name_or_file: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config by name or file and apply ``key=value`` overrides.

    Parameters
    ----------
    name_or_file
        The name of a shipped config (``lassnet``, ``unet`` ...) or a YAML file.
    overrides
        ``section.key=value``, values written as in YAML.

    Raises
    ------
    UsageError
        If there is no such config.
    UsageFaultsError
        If it is not YAML, or listing every unknown key, wrong type and impossible value.
    """
    return read_yaml(
        find_config(name_or_file),
        Config,
        what=_WHAT,
        fix=_FIX,
        overrides=overrides,
        error=UsageFaultsError,
    )


def config_from(values: Mapping[str, Any], *, where: str) -> Config:
    """The config of plain values that came from ``where``.

    Raises
    ------
    UsageFaultsError
        As :func:`load_config`.
    """
    return validate(Config, values, what=_WHAT, where=where, fix=_FIX, error=UsageFaultsError)


def choose_config(
    system: str, name_or_file: str | None, overrides: Sequence[str], *, run: Path | None = None
) -> Config:
    """The config of a training command.

    Parameters
    ----------
    system
        What is to be trained: the config must be for it.
    name_or_file
        What the user named, else the run's own config, else the shipped ``system``.
    run
        The folder of a run that is to be resumed.

    Raises
    ------
    UsageError
        If the config is for the other system.
    UsageFaultsError
        As :func:`load_config`.
    """
    own = run / "config.yaml" if run else None
    chosen = name_or_file or (own if own and own.is_file() else system)
    config = load_config(chosen, overrides)
    if config.system != system:
        raise UsageError(
            f"this config is for {config.system}, not {system}",
            where=find_config(chosen),
            fix=f"lassbench train-baseline {config.system} --config {chosen}",
        )
    return config


def find_config(name_or_file: str | Path) -> Path:
    """The YAML file that a name or path means.

    Raises
    ------
    UsageError
        If there is neither a shipped config of that name nor such a file.
    """
    shipped = shipped_configs()
    name = str(name_or_file)
    if name in shipped:
        return shipped[name]
    path = Path(name_or_file)
    if path.is_dir() and (path / "config.yaml").is_file():
        return path / "config.yaml"
    if path.is_file():
        return path
    raise UsageError(
        f"no such config{did_you_mean(name, shipped)}",
        where=name,
        expected=f"a YAML file, or one of {', '.join(sorted(shipped))}",
    )


def shipped_configs() -> dict[str, Path]:
    """Name -> file of the configs that come with lassbench."""
    folder = data_folder("baselines")
    return {path.parent.name: path for path in listed(folder, "*/config.yaml")}


def write_config(path: Path, config: Config) -> None:
    """Write the resolved config as YAML."""
    write_yaml(path, config.as_dict())
