"""CLAPSep (https://github.com/Aisaka0v0/CLAPSep), as ``serve.py`` runs it.

The repository trains; the call below is its ``test_step``, with the padding and the
missing query of the authors' Space (AisakaMikoto/CLAPSep on the Hugging Face Hub).
Self-contained: Python 3.8 or later, and the packages of that repository.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

RATE, CLAP_RATE = 32000, 48000

#: Samples of a mixture in training (10 s); shorter ones are padded with zeros, as there.
WHOLE = 320000

#: Tokens of roberta-base.  Without its files, some releases of transformers answer with a
#: vocabulary of five, and every query becomes the same.
TOKENS = 50265


def load(options: dict[str, str]) -> Callable[[Any, str, str], Any]:
    """Build the model from ``checkpoint``, ``clap`` and ``config``, on ``device``."""
    # CLAP's file is a pickle that torch 2.6 and later refuse unless asked; laion-clap asks
    # only since 1.1.7.
    os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    import torch
    from torchaudio.transforms import Resample
    from torchlibrosa.stft import magphase

    device = options["device"]
    model = _build(options)
    resample = Resample(RATE, CLAP_RATE).to(device)
    embeddings: dict[str, Any] = {}

    def embedding(text: str) -> Any:
        if text not in embeddings:
            embeddings[text] = model.clap_model.get_text_embedding([text], use_tensor=True)
        return embeddings[text]

    def separate(mixture: Any, query: str, negative: str) -> Any:
        try:
            with torch.no_grad():
                wanted = embedding(query)
                unwanted = embedding(negative) if negative else torch.zeros_like(wanted)
                embed = torch.cat([wanted, unwanted], dim=-1)
                samples = torch.from_numpy(mixture)[None].to(device)
                samples = torch.nn.functional.pad(samples, (0, max(0, WHOLE - len(mixture))))
                mag, cos, sin = magphase(*model.stft(samples))
                # Hooks in the audio encoder add to `features`.
                model.features.append(mag)
                model.audio_branch({"waveform": resample(samples)})
                *skipped, hidden = model.features
                mask = model.decoder_model(hidden_state=hidden, skip_features=skipped, embed=embed)
                found = model.wav_reconstruct(mask, mag, cos, sin, length=samples.shape[-1])
        finally:
            # Also after an exception: the next query would find them.
            del model.features[:]
        return found[0, : len(mixture)].cpu().numpy()

    return separate


def _build(options: dict[str, str]) -> Any:
    """The model with every weight of its own accounted for; the rest is CLAP's."""
    import laion_clap
    import torch
    from model.CLAPSep import LightningModule
    from model.CLAPSep_decoder import HTSAT_Decoder

    config = json.loads(Path(options["config"]).read_text(encoding="utf-8"))
    clap = laion_clap.CLAP_Module(
        enable_fusion=False, amodel="HTSAT-base", device=options["device"]
    )
    known = len(clap.tokenize)
    if known != TOKENS:
        raise RuntimeError(
            f"the tokenizer of roberta-base knows {known} tokens, not {TOKENS}, so that queries "
            "would not differ: install transformers 4.30.2, and let it fetch roberta-base once"
        )
    clap.load_ckpt(options["clap"], verbose=False)
    model = LightningModule(
        clap,
        HTSAT_Decoder(**config["model"]),
        lr=config["optim"]["lr"],
        use_lora=config["lora"],
        rank=config["lora_rank"],
        nfft=config["nfft"],
    )
    try:
        saved = torch.load(options["checkpoint"], map_location="cpu")
    except (EOFError, pickle.UnpicklingError) as error:
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"{options['checkpoint']} is no file of weights ({said})") from error
    # A training checkpoint holds more than weights; the Space's file is the weights alone.
    saved = saved.get("state_dict", saved)
    # Only what was trained is in the file: the decoder, and what LoRA adds to the encoder.
    answer = model.load_state_dict(saved, strict=False)
    missing, strange = (
        [name for name in names if name.startswith("decoder_model.") or "lora_" in name]
        for names in (answer.missing_keys, answer.unexpected_keys)
    )
    if missing or strange:
        raise ValueError(
            f"{options['checkpoint']} holds other weights than this model's: "
            f"{len(missing)} are missing {missing[:3]}, and {len(strange)} unknown {strange[:3]}"
        )
    return model.eval().to(options["device"])
