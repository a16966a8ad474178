"""CLAPScore and CLAPScore-A: how near an estimate is to its query's words, and to its target.

A CLAP model maps texts and sounds to unit vectors, near each other where they
belong together (Y. Wu et al.: "Large-scale contrastive language-audio
pretraining with feature fusion and keyword-to-caption augmentation", ICASSP
2023).  With a(x) the vector of a sound x, t(q) that of a query and s the
reference, the sound that is asked for,

    CLAPScore(x, q)    = <a(x), t(q)>                 between -1 and 1
    CLAPScore-A(x, s)  = <a(x), a(s)>                 between -1 and 1
    an improvement     = that of the estimate - that of the mixture

CLAPScore needs no references, so it also scores real mixtures.  Both measure
meaning, not fidelity, depend on the model, and are comparable between results
that name the same model only.  Papers on separation mean one of two by these
names: LAION's ``music_speech_audioset_epoch_15_esc_89.98.pt``, or
``laion/larger_clap_general`` (:data:`DEFAULT_MODEL`), which ``transformers`` loads.

What is fixed here so that the same input always gives the same score:

* Sounds longer than the model's window (10 s for LAION's models) are cut into
  windows whose vectors are averaged.  ``transformers`` crops at random.
* Sounds shorter than it are repeated and padded as the model's own settings say.
* No sound is declared "longer" to a fusion model, as ``transformers`` does with a
  random one of each batch.
* A silent estimate scores -1 in both, the least possible: a model's vector for silence
  means nothing, and a system must not gain by saying nothing.

torch and transformers are imported when a model is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassbench.errors import LassbenchError
from lassbench.metrics.ratios import checked, checked_reference, is_silent
from lassbench.resampling import resample

#: The weights that most papers mean, on the Hugging Face Hub (776 MB).
DEFAULT_MODEL = "laion/larger_clap_general"
#: Score of a silent estimate.
SILENT = -1.0


@dataclass(frozen=True, slots=True)
class ClapScore:
    """Of an estimate and of its mixture, each from -1 to 1.

    ``estimate`` and ``mixture`` are CLAPScore, ``audio`` and ``audio_mixture``
    CLAPScore-A: ``None`` without a reference.
    """

    estimate: float
    mixture: float
    audio: float | None = None
    audio_mixture: float | None = None

    @property
    def improvement(self) -> float:
        """CLAPScore of the estimate minus the mixture's."""
        return self.estimate - self.mixture


class ClapModel:
    """A CLAP model that scores sounds against texts.

    Parameters
    ----------
    name_or_path
        A model on the Hugging Face Hub, or a folder with one: weights, tokenizer
        and feature extractor.
    device
        A torch device.  Default: ``cuda`` where there is one, else ``cpu``.

    Raises
    ------
    LassbenchError
        If there is no such model, or it is no CLAP model.
    """

    def __init__(
        self, name_or_path: str | Path = DEFAULT_MODEL, *, device: str | None = None
    ) -> None:
        import torch

        self.name = str(name_or_path)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._model, self._tokenizer, self._extractor = _load(self.name)
        self._model.to(self._device).eval()
        # On CUDA cuDNN rounds to ten bits unless told not to, and a score would
        # depend on the card.
        torch.backends.cudnn.allow_tf32 = False

    @property
    def sample_rate_hz(self) -> int:
        """Rate that the model hears; other rates are resampled to it."""
        return int(self._extractor.sampling_rate)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Unit vectors of ``texts``: (texts, dimensions)."""
        import torch

        # Roberta's positions start behind the padding index, which takes two.
        longest = int(self._model.config.text_config.max_position_embeddings) - 2
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt"
        )
        wanted = {key: tokens[key].to(self._device) for key in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            return _unit(self._model.get_text_features(**wanted))

    def score(
        self,
        *,
        texts: Sequence[str],
        estimates: Sequence[ArrayLike],
        mixtures: Sequence[ArrayLike],
        references: Sequence[ArrayLike] | None = None,
        sample_rate_hz: int,
    ) -> list[ClapScore]:
        """CLAPScore of each estimate and of its mixture; with references CLAPScore-A too.

        Parameters
        ----------
        texts
            One query each.
        estimates, mixtures, references : sequences of arrays of shape (n,)
            Full scale 1.  A reference is the sound that is asked for, not silent.
            What occurs several times (the same array) is embedded once.
        sample_rate_hz
            Rate of all.

        Raises
        ------
        LassbenchError
            For a silent reference, NaN, infinity or another shape.
        ValueError
            If the sequences differ in length.
        """
        # The array itself is kept too: another one could be given its id.
        heard: dict[int, tuple[ArrayLike, NDArray[np.float64]]] = {}

        def hear(sound: ArrayLike) -> NDArray[np.float64]:
            if id(sound) not in heard:
                heard[id(sound)] = sound, self.embed_sound(sound, sample_rate_hz=sample_rate_hz)
            return heard[id(sound)][1]

        scores = []
        words = self.embed_texts(texts) if len(texts) else np.empty((0, 0))
        sounds = [estimates, mixtures, *([] if references is None else [references])]
        for word, estimate, mixture, *rest in zip(words, *sounds, strict=True):
            vectors = [word]
            for reference in rest:  # one or none
                checked_reference(reference, where="reference")
                vectors.append(hear(reference))
            silent = is_silent(checked(estimate, where="estimate"))
            cosines = []
            for vector in vectors:
                cosines.append(SILENT if silent else float(hear(estimate) @ vector))
                cosines.append(float(hear(mixture) @ vector))
            scores.append(ClapScore(*cosines))
        return scores

    def embed_sound(self, sound: ArrayLike, *, sample_rate_hz: int) -> NDArray[np.float64]:
        """Unit vector of a sound of shape (n,): the direction of the mean over its windows."""
        import torch

        signal = checked(sound, where="sound for CLAP")
        signal = resample(signal, sample_rate_hz, self.sample_rate_hz)
        windows = np.array_split(signal, math.ceil(signal.size / self._extractor.nb_max_samples))
        features = [
            self._extractor(window, sampling_rate=self.sample_rate_hz, return_tensors="np")
            for window in windows
        ]
        mel = np.concatenate([one["input_features"] for one in features])
        longer = torch.zeros(len(windows), 1, dtype=torch.bool, device=self._device)
        with torch.inference_mode():
            vectors = _unit(
                self._model.get_audio_features(
                    input_features=torch.as_tensor(mel, dtype=torch.float32, device=self._device),
                    is_longer=longer,
                )
            )
        mean: NDArray[np.float64] = _normalised(vectors.mean(axis=0, keepdims=True))[0]
        return mean


def _load(name: str) -> tuple[Any, Any, Any]:
    """Weights, tokenizer and feature extractor."""
    import transformers

    try:
        model = transformers.ClapModel.from_pretrained(name)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
        extractor = transformers.ClapFeatureExtractor.from_pretrained(name)
    except (OSError, ValueError, KeyError, RuntimeError) as problem:
        raise LassbenchError(
            "this CLAP model cannot be loaded",
            where=name,
            expected="a CLAP model on the Hugging Face Hub, or a folder that save_pretrained made",
            got=str(problem).strip().split("\n", maxsplit=1)[0],
            fix="check the name, the network, or that the folder has weights, "
            "tokenizer and preprocessor_config.json",
        ) from problem
    return model, tokenizer, extractor


def _unit(output: Any) -> NDArray[np.float64]:
    """Rows of unit length, from the tensor that transformers 4 returns or the record of 5."""
    return _normalised(getattr(output, "pooler_output", output).double().cpu().numpy())


def _normalised(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of unit length; a row of zeros, which agrees with nothing, stays one."""
    unit: NDArray[np.float64] = vectors / np.maximum(
        np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12
    )
    return unit
