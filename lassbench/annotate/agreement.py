r"""How alike texts are: BLEU, self-BLEU, and the distance of embeddings.

BLEU (Papineni et al., 2002) of a hypothesis against several references, for
:math:`n` up to 4:

.. math::
    \mathrm{BLEU} = \exp\Bigl(\min(0, 1 - r/c)
        + \tfrac{1}{N} \sum_{n=1}^{N} \log p_n\Bigr)

with clipped precisions :math:`p_n`, hypothesis length :math:`c` and the nearest
reference length :math:`r`.  For :math:`n > 1` one is added to numerator and
denominator (Lin and Och, 2004), since a sentence of ten words often shares no
four with another.  Self-BLEU (Zhu et al., 2018) of a set is the mean BLEU of each
member against all others: 1 where all say the same, near 0 where they differ.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lassbench.errors import LassbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ORDER = 4


def bleu(hypothesis: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Smoothed sentence BLEU of words against references; 0 where no word is shared.

    Raises
    ------
    ValueError
        If there is no reference, or the hypothesis has no word.
    """
    if not hypothesis or not references:
        raise ValueError("BLEU needs a hypothesis with words and a reference")
    total = 0.0
    for n in range(1, ORDER + 1):
        own = _grams(hypothesis, n)
        most: Counter[tuple[str, ...]] = Counter()
        for reference in references:
            most |= _grams(reference, n)
        matched, count = sum((own & most).values()), sum(own.values())
        if n == 1 and matched == 0:
            return 0.0
        plus = 0 if n == 1 else 1
        total += math.log((matched + plus) / (count + plus))
    length = len(hypothesis)
    nearest = min((abs(len(r) - length), len(r)) for r in references)[1]
    return math.exp(min(0.0, 1.0 - nearest / length) + total / ORDER)


def _grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def self_bleu(texts: Sequence[Sequence[str]]) -> list[float]:
    """BLEU of each text of a set against all others, in order; needs two texts or more."""
    return [bleu(text, [*texts[:i], *texts[i + 1 :]]) for i, text in enumerate(texts)]


def embed(texts: Sequence[str], model: str, *, batch: int = 64) -> NDArray[np.float64]:
    """Unit vectors of texts: the mean of a transformer's last hidden states.

    Parameters
    ----------
    model
        A name on the Hugging Face Hub or a folder.

    Returns
    -------
    Shape (texts, width), float64, each row of length 1.

    Raises
    ------
    LassbenchError
        If there is no such model here.
    """
    import numpy as np
    import torch

    tokenizer, network = _load(model)
    rows = []
    with torch.inference_mode():
        for start in range(0, len(texts), batch):
            tokens = tokenizer(
                list(texts[start : start + batch]),
                padding=True,
                truncation=True,
                max_length=128,
                return_tensors="pt",
            )
            hidden = network(**tokens).last_hidden_state.double()
            mask = tokens["attention_mask"][..., None].double()
            rows.append(((hidden * mask).sum(1) / mask.sum(1)).numpy())
    vectors = np.concatenate(rows)
    unit: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _load(model: str) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
    except (OSError, ValueError) as error:
        raise LassbenchError(
            "this text embedding model cannot be loaded",
            where=model,
            got=str(error).splitlines()[0],
            fix="name a folder with a model, or a model of the Hub that this machine can reach"
            if not Path(model).is_dir()
            else "check the folder",
        ) from error


def distances(texts: Mapping[tuple[str, str], str], model: str) -> dict[tuple[str, str], float]:
    """(annotator, clip_id) -> mean cosine distance to the others' descriptions of the clip.

    Descriptions that stand alone have no distance.
    """
    keys = sorted(texts)
    vectors = embed([texts[key] for key in keys], model)
    of_clip: dict[str, list[int]] = {}
    for index, (_, clip_id) in enumerate(keys):
        of_clip.setdefault(clip_id, []).append(index)
    found = {}
    for indices in of_clip.values():
        for index in indices:
            others = [other for other in indices if other != index]
            if others:
                found[keys[index]] = float(1.0 - (vectors[others] @ vectors[index]).mean())
    return found
