"""AudioSep (https://github.com/Audio-AGI/AudioSep), as ``serve.py`` runs it.

Also models of others that its code builds, such as AudioSep-hive.  Self-contained:
Python 3.8 or later, and the packages of that repository.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

#: ResUNet30's STFT reflects 1024 samples at each end: an input has to be longer.
SHORTEST = 1025

#: Tokens of roberta-base.  Without its files, some releases of transformers answer with a
#: vocabulary of five, and every query becomes the same.
TOKENS = 50265


def load(options: dict[str, str]) -> Callable[[Any, str, str], Any]:
    """Build the model from ``checkpoint``, ``clap`` and ``config``, on ``device``."""
    # CLAP's file is a pickle of protocol 4 that holds NumPy scalars, which torch 2.6 and
    # later refuse unless asked (AudioSep's pull request 51).
    os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    import torch

    device = options["device"]
    model = _build(options)
    known = len(model.query_encoder.tokenize)
    if known != TOKENS:
        raise RuntimeError(
            f"the tokenizer of roberta-base knows {known} tokens, not {TOKENS}, so that queries "
            "would not differ: install transformers 4.30.2, and let it fetch roberta-base once"
        )
    embeddings: dict[str, Any] = {}

    def separate(mixture: Any, query: str, negative: str) -> Any:
        with torch.no_grad():
            if query not in embeddings:
                # The text encoder takes seconds on a CPU, and a suite asks the same again.
                embeddings[query] = model.query_encoder.get_query_embed(
                    modality="text", text=[query], device=device
                )
            samples = torch.from_numpy(mixture).to(device)
            samples = torch.nn.functional.pad(samples, (0, max(0, SHORTEST - len(mixture))))
            asked = {"mixture": samples[None, None], "condition": embeddings[query]}
            waveform = model.ss_model(asked)["waveform"]
        return waveform[0, 0, : len(mixture)].cpu().numpy()

    return separate


def _build(options: dict[str, str]) -> Any:
    """The repository's ``build_audiosep``, with every weight of the separator accounted for."""
    import torch
    from models import clap_encoder

    # Some versions make an encoder, with its default arguments, as soon as they are imported.
    _, *others = clap_encoder.CLAP_Encoder.__init__.__defaults__
    clap_encoder.CLAP_Encoder.__init__.__defaults__ = (options["clap"], *others)
    import pipeline
    from models.audiosep import AudioSep

    # It loads with strict=False, which lets any file through; Lightning's hook sees the file.
    given: list[str] = []
    AudioSep.on_load_checkpoint = lambda self, saved: given.extend(saved["state_dict"])
    try:
        device = torch.device(options["device"])
        model = pipeline.build_audiosep(options["config"], options["checkpoint"], device)
    except (KeyError, EOFError, pickle.UnpicklingError) as error:
        said = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{options['checkpoint']} is no checkpoint of this model ({said})"
        ) from error
    known = [f"ss_model.{name}" for name in model.ss_model.state_dict()]
    # What the STFT multiplies by is computed, not learned.
    missing = [name for name in known if name not in given and "stft" not in name]
    strange = [name for name in given if name.startswith("ss_model.") and name not in known]
    if missing or strange:
        raise ValueError(
            f"{options['checkpoint']} holds other weights than this model's: of {len(known)}, "
            f"{len(missing)} are missing {missing[:3]}, and {len(strange)} unknown {strange[:3]}"
        )
    return model.eval()
