"""Published systems: what each needs, where its weights are, how it is run.

Each runs in a Python environment of its own, since theirs exclude one another: `serve.py`
there loads the worker file.  Nothing of their code or weights is in this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lassbench.cards import SystemCard
from lassbench.errors import UsageError, did_you_mean

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
        Package on PyPI -> the version that was seen to work, or ``""`` for any.
    ran
        What the worker was run against; says so if the weights were not the real ones.
    ran_with_weights
        When somebody ran it with its real weights, or ``""``: nobody yet.
    """

    name: str
    card: SystemCard
    worker: Path
    licence: str
    weights: str
    sample_rate: int
    max_seconds: float | None
    negative: bool
    options: Mapping[str, Option]
    repository_files: tuple[str, ...]
    packages: Mapping[str, str]
    ran: str
    ran_with_weights: str = ""

    def completed(self, given: Mapping[str, str]) -> dict[str, str]:
        """Every option, as an absolute path; what is not ``given`` stands in the repository.

        Raises
        ------
        UsageError
            If one has to be given and is not, or there is none of that name.
        """
        for name in given:
            if name not in self.options:
                raise UsageError(
                    f"{self.name} has no option {name!r}{did_you_mean(name, self.options)}",
                    where=self.name,
                    expected=", ".join(self.options),
                )
        lacking = [n for n, option in self.options.items() if not (given.get(n) or option.default)]
        if lacking:
            raise UsageError(
                f"{self.name} needs more: {', '.join(lacking)}",
                where=self.name,
                expected="; ".join(f"{name}: {self.options[name].help}" for name in lacking),
                fix=" ".join(f"--{name} PATH" for name in lacking),
            )
        repo = Path(given["repo"]).absolute()
        paths = {n: Path(given.get(n) or repo / o.default) for n, o in self.options.items()}
        return {name: str(path.absolute()) for name, path in paths.items()}


#: What both systems' own code imports, apart from torch and torchaudio; the versions are
#: those that both ran with (Python 3.11, torch 2.11, NumPy 2.4).  CLAPSep's
#: requirements.txt asks for transformers 4.30.2, AudioSep's environment.yml for 4.28.1;
#: from 4.31 on AudioSep cannot load CLAP's weights (its pull request 51).
_PACKAGES = {
    "torch": "",
    "torchaudio": "",
    "torchvision": "",
    "transformers": "4.30.2",
    "tokenizers": "0.13.3",
    "huggingface-hub": "0.25.2",
    "torchlibrosa": "0.1.0",
    **dict.fromkeys(("librosa", "h5py", "ftfy", "braceexpand", "webdataset", "wget"), ""),
}

_RANDOM = "the repository's code with random weights: torch 2.11, transformers 4.30.2, a CPU"

_AUDIOSEP_OPTIONS = {
    "repo": Option("a checkout of https://github.com/Audio-AGI/AudioSep", folder=True),
    "checkpoint": Option("the separator's weights (audiosep_base_4M_steps.ckpt)"),
    "clap": Option(
        "CLAP's weights", default="checkpoint/music_speech_audioset_epoch_15_esc_89.98.pt"
    ),
    "config": Option("the model's shape", default="config/audiosep_base.yaml"),
}

_AUDIOSEP = Published(
    name="audiosep",
    card=SystemCard(
        name="AudioSep",
        authors="Liu, Kong, Zhao, Liu, Yuan, Liu, Xia, Wang, Plumbley and Wang",
        url="https://github.com/Audio-AGI/AudioSep",
        description="Separate Anything You Describe (arXiv 2308.05037): ResUNet30 conditioned "
        "on CLAP's text embedding, by FiLM.",
        # The paper's training sets; 14,100 hours, says table 1 of arXiv 2601.22599.
        trained_on=("AudioSet", "VGGSound", "AudioCaps", "Clotho", "WavCaps"),
    ),
    worker=HERE / "audiosep_worker.py",
    licence="MIT",
    # Sizes and names from the Space's file list.
    weights="https://huggingface.co/spaces/Audio-AGI/AudioSep/tree/main/checkpoint "
    "(audiosep_base_4M_steps.ckpt, 1.26 GB; CLAP's file, 2.35 GB)",
    sample_rate=32000,
    max_seconds=None,
    negative=False,
    options=_AUDIOSEP_OPTIONS,
    repository_files=(
        *("pipeline.py", "utils.py", "config/audiosep_base.yaml", "models/audiosep.py"),
        *("models/resunet.py", "models/base.py", "models/clap_encoder.py"),
        *("models/CLAP/open_clip/factory.py", "models/CLAP/training/data.py"),
    ),
    packages={**_PACKAGES, "lightning": "2.6", "pyyaml": ""},
    ran=_RANDOM,
)

_CLAPSEP = Published(
    name="clapsep",
    card=SystemCard(
        name="CLAPSep",
        authors="Ma, Peng, Li, Shao, Wu and Liu",
        url="https://github.com/Aisaka0v0/CLAPSep",
        description="CLAPSep (arXiv 2402.17455): a decoder on CLAP's audio encoder, adapted "
        "by LoRA; takes what to extract and, where it is known, what to leave out.",
        # data_utils/audiocap_dataset.py trains on AudioCaps; the encoder that it adapts is
        # CLAP's of the checkpoint music_audioset_epoch_15_esc_90.14.
        trained_on=("AudioCaps", "AudioSet (its CLAP encoder)"),
    ),
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
        "repo": Option("a checkout of https://github.com/Aisaka0v0/CLAPSep", folder=True),
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
        "laion-clap": "1.1.7",
        "pytorch-lightning": "2.6",
        **dict.fromkeys(("torchmetrics", "einops", "loralib"), ""),
    },
    ran=_RANDOM,
)

_AUDIOSEP_HIVE = Published(
    name="audiosep-hive",
    card=SystemCard(
        name="AudioSep-hive",
        authors="Li, Cheng, Zeng, Yan, Wang, Su, Zheng and Hu",
        url="https://github.com/AlayaLab/Hive",
        description="AudioSep trained anew on the Hive dataset (arXiv 2601.22599); run with "
        "AudioSep's code.",
        trained_on=("Hive",),
    ),
    worker=_AUDIOSEP.worker,
    # The model's card: "License: Apache 2.0 (Please update if different)".
    licence="Apache-2.0",
    weights="https://huggingface.co/AlayaLab/AudioSep-hive "
    "(audiosep_hive.ckpt, 1.26 GB; CLAP's file, 2.35 GB)",
    sample_rate=32000,
    max_seconds=None,
    negative=False,
    options={
        **_AUDIOSEP_OPTIONS,
        "checkpoint": Option("the separator's weights (audiosep_hive.ckpt)"),
    },
    repository_files=_AUDIOSEP.repository_files,
    packages=_AUDIOSEP.packages,
    ran=f"as audiosep, whose worker it shares: {_RANDOM}",
)

PUBLISHED: dict[str, Published] = {one.name: one for one in (_AUDIOSEP, _AUDIOSEP_HIVE, _CLAPSEP)}
