"""Published systems: what each needs, where its weights are, how it is run.

Each runs in a Python environment of its own, since theirs exclude one another: `serve.py`
there loads the worker file.  Nothing of their code or weights is in this package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lassbench.cards import SystemCard
from lassbench.errors import Fault, UsageError, did_you_mean
from lassbench.files import file_fault

HERE = Path(__file__).parent
SERVE = HERE / "serve.py"


@dataclass(frozen=True)
class Option:
    """A path that a published system is given as ``--arg name=path``.

    ``default`` stands in the repository; ``""`` where the user has to say it.
    """

    help: str
    default: str = ""
    folder: bool = False


@dataclass(frozen=True)
class Published:
    """A published system.

    Attributes
    ----------
    name
        As it is typed: ``lassbench separate NAME``.
    repository
        Where its code is, which may be another system's.
    worker
        The file that ``serve.py`` loads in the system's own environment.
    sample_rate
        In Hz: what it is given, and what it answers with.
    max_seconds
        The longest mixture that it takes at once; ``None`` for any length.
    options
        What it is made with, by name.
    repository_files
        Files of its repository that the worker imports or reads.
    packages
        Package on PyPI -> versions known to work, the one to install first; none for any.
    pythons
        The first and the last Python that those versions are built for.
    from_hub
        Repositories of the Hugging Face Hub whose files its code fetches when it first starts.
    ran
        What the worker was run against; says so if the weights were not the real ones.
    refused
        Package on PyPI -> the first version that does not work, and why.
    ran_with_weights
        When somebody ran it with its real weights, or ``""``: nobody yet.
    """

    name: str
    card: SystemCard
    repository: str
    worker: Path
    licence: str
    weights: str
    sample_rate: int
    max_seconds: float | None
    options: Mapping[str, Option]
    repository_files: tuple[str, ...]
    packages: Mapping[str, tuple[str, ...]]
    from_hub: tuple[str, ...]
    ran: str
    pythons: tuple[str, str] = ("3.8", "3.99")
    negative: bool = False
    refused: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    ran_with_weights: str = ""

    def as_typed(self, option: str, value: str = "PATH") -> str:
        """``option`` as the command line takes it."""
        own = option in ("repo", "checkpoint")
        return f"--{option} {value}" if own else f"--arg {option}={value}"

    def completed(self, given: Mapping[str, str]) -> dict[str, str]:
        """What is ``given``, and the other options that stand in the repository: absolute paths.

        Raises
        ------
        UsageError
            If it has no option of a given name.
        """
        for name in given:
            if name not in self.options:
                raise UsageError(
                    f"{self.name} has no option {name!r}{did_you_mean(name, self.options)}",
                    where=self.name,
                    expected=", ".join(self.options),
                )
        found: dict[str, str] = {}
        for name, option in self.options.items():
            if given.get(name):
                found[name] = str(Path(given[name]).expanduser().absolute())
            elif option.default and "repo" in found:
                found[name] = str(Path(found["repo"], option.default))
        return found

    def faults(self, paths: Mapping[str, str]) -> Iterator[Fault]:
        """What of ``paths``, as :meth:`completed` gives them, is not there; their kind: options."""
        for name, option in self.options.items():
            if name not in paths:
                if not option.default:
                    yield Fault(name, self.as_typed(name), f"is not named: {option.help}")
                continue
            path = Path(paths[name])
            if not option.folder:
                fault = file_fault(path)
            elif not path.is_dir():
                fault = "no such folder"
            else:
                lacking = [one for one in self.repository_files if file_fault(path / one)]
                fault = f"lacks {', '.join(lacking)}" if lacking else ""
            if fault:
                yield Fault(name, str(path), f"{fault}: {option.help}")


#: What `serve.py` needs, and what both systems' own code imports.  The versions are those that
#: both ran with (Python 3.11, torch 2.11, NumPy 2.4); the repositories' own follow.
_PACKAGES: dict[str, tuple[str, ...]] = {
    "torchlibrosa": ("0.1.0",),
    **dict.fromkeys(("numpy", "soundfile", "torch", "torchaudio", "torchvision", "librosa"), ()),
    **dict.fromkeys(("h5py", "ftfy", "braceexpand", "webdataset", "wget"), ()),
}

#: lightning 2.6.6 asks for 3.10; transformers 4.30.2 for tokenizers below 0.14, which are built
#: for Python up to 3.11.
_PYTHONS = ("3.10", "3.11")

#: Equal to the model called directly; files of weights made so have the published ones' size.
_RANDOM = "the repository's inference code, as read in November 2026, with random weights on a CPU"

_AUDIOSEP = Published(
    name="audiosep",
    card=SystemCard(
        name="AudioSep",
        authors="Liu, Kong, Zhao, Liu, Yuan, Liu, Xia, Wang, Plumbley and Wang",
        url="https://github.com/Audio-AGI/AudioSep",
        description="Separate Anything You Describe (arXiv 2308.05037): ResUNet30 conditioned "
        "on CLAP's text embedding, by FiLM.",
        # Counted: ResUNet30 without its STFT; CLAP is as it was.
        parameters=26_447_941,
        # The paper's training sets; 14,100 hours, says table 1 of arXiv 2601.22599.
        trained_on=("AudioSet", "VGGSound", "AudioCaps", "Clotho", "WavCaps"),
    ),
    repository="https://github.com/Audio-AGI/AudioSep",
    worker=HERE / "audiosep_worker.py",
    licence="MIT",
    # Sizes and names from the Space's file list.
    weights="https://huggingface.co/spaces/Audio-AGI/AudioSep/tree/main/checkpoint "
    "(audiosep_base_4M_steps.ckpt, 1.26 GB; CLAP's file, 2.35 GB)",
    sample_rate=32000,
    # Any length, in principle; it took 0.16 GB a second, measured on a CPU.
    max_seconds=30.0,
    options={
        "repo": Option("a checkout of AudioSep's repository", folder=True),
        "checkpoint": Option("the separator's weights (audiosep_base_4M_steps.ckpt)"),
        "clap": Option(
            "CLAP's weights", default="checkpoint/music_speech_audioset_epoch_15_esc_89.98.pt"
        ),
        "config": Option("the model's shape", default="config/audiosep_base.yaml"),
    },
    repository_files=(
        *("pipeline.py", "utils.py", "config/audiosep_base.yaml", "models/audiosep.py"),
        *("models/resunet.py", "models/base.py", "models/clap_encoder.py"),
        *("models/CLAP/open_clip/factory.py", "models/CLAP/training/data.py"),
    ),
    packages={
        **_PACKAGES,
        # Its environment.yml has the second of each.
        "transformers": ("4.30.2", "4.28.1"),
        "lightning": ("2.6.6", "2.0.0"),
        "pyyaml": (),
    },
    # Its pull request 51, and seen.
    refused={"transformers": ("4.31", "its code cannot load CLAP's weights since 4.31")},
    from_hub=("roberta-base",),
    ran=f"{_RANDOM}; CLAP's modules from laion-clap",
    pythons=_PYTHONS,
)

_CLAPSEP = Published(
    name="clapsep",
    card=SystemCard(
        name="CLAPSep",
        authors="Ma, Peng, Li, Shao, Wu and Liu",
        url="https://github.com/Aisaka0v0/CLAPSep",
        description="CLAPSep (arXiv 2402.17455): a decoder on CLAP's audio encoder, adapted "
        "by LoRA; takes what to extract and, where it is known, what to leave out.",
        # Counted: the decoder, LoRA and the biases it trains (178 MB in float32).
        parameters=44_359_616,
        # data_utils/audiocap_dataset.py trains on AudioCaps; the encoder that it adapts is
        # CLAP's of the checkpoint music_audioset_epoch_15_esc_90.14.
        trained_on=("AudioCaps", "AudioSet (its CLAP encoder)"),
    ),
    repository="https://github.com/Aisaka0v0/CLAPSep",
    worker=HERE / "clapsep_worker.py",
    # "This product is licensed under the MIT License", THIRD_PARTY_NOTICES.md (2026).
    licence="MIT",
    weights="https://huggingface.co/spaces/AisakaMikoto/CLAPSep/tree/main/model "
    "(best_model.ckpt, 178 MB; music_audioset_epoch_15_esc_90.14.pt, 2.35 GB)",
    sample_rate=32000,
    # Its training clips; the encoder takes up to 327,679 samples, and crops the rest.
    max_seconds=10.0,
    negative=True,
    options={
        "repo": Option("a checkout of its repository", folder=True),
        "checkpoint": Option("the system's weights (best_model.ckpt)"),
        "clap": Option("CLAP's weights (music_audioset_epoch_15_esc_90.14.pt)"),
        "config": Option("the model's shape", default="experiments/CLAPSep_base/config.json"),
    },
    repository_files=(
        *("model/CLAPSep.py", "model/CLAPSep_decoder.py"),
        "experiments/CLAPSep_base/config.json",
    ),
    packages={
        **_PACKAGES,
        # Its requirements.txt, and seen; 5.23 gave the same where roberta-base had been fetched.
        "transformers": ("4.30.2",),
        "laion-clap": ("1.1.7",),
        "pytorch-lightning": ("2.6.6",),
        **dict.fromkeys(("torchmetrics", "einops", "loralib"), ()),
    },
    # laion-clap makes three tokenizers when it is imported, and uses one.
    from_hub=("roberta-base", "bert-base-uncased", "facebook/bart-base"),
    ran=_RANDOM,
    pythons=_PYTHONS,
)

_AUDIOSEP_HIVE = replace(
    _AUDIOSEP,
    name="audiosep-hive",
    card=SystemCard(
        name="AudioSep-hive",
        authors="Li, Cheng, Zeng, Yan, Wang, Su, Zheng and Hu",
        url="https://github.com/AlayaLab/Hive",
        description="AudioSep trained anew on the Hive dataset (arXiv 2601.22599); run with "
        "AudioSep's code.",
        # The sources that Hive's README names; it holds 326,890 clips of AudioSet.
        trained_on=(
            "Hive (of AudioSet, VGGSound, BBC Sound Effects, FreeSound, Clotho, ESC-50 and others)",
        ),
    ),
    # The model's card: "License: Apache 2.0 (Please update if different)".
    licence="Apache-2.0",
    weights="https://huggingface.co/AlayaLab/AudioSep-hive "
    "(audiosep_hive.ckpt, 1.26 GB; CLAP's file, 2.35 GB)",
    options={
        **_AUDIOSEP.options,
        "checkpoint": Option("the separator's weights (audiosep_hive.ckpt)"),
    },
    ran=f"as audiosep, whose worker it shares: {_AUDIOSEP.ran}",
)

PUBLISHED: dict[str, Published] = {one.name: one for one in (_AUDIOSEP, _AUDIOSEP_HIVE, _CLAPSEP)}
