"""Validation: SI-SDR improvement over the mixture, on mixtures drawn once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lassbench.benchmark.mixtures import plan, render
from lassbench.dataset import Dataset
from lassbench.errors import FaultsError
from lassbench.metrics.ratios import si_sdr
from lassbench.models.config import Config, ValidationConfig
from lassbench.models.lassnet import LassNet, TagUNet
from lassbench.models.query import Codec, TagCodec
from lassbench.models.stft import Stft
from lassbench.records import Clip, Mixture
from lassbench.training.roster import tags_of

#: A ratio beyond this, either way, counts as this: one silent or perfect answer
#: must not decide which checkpoint is best.
_CEILING_DB = 100.0


@dataclass(frozen=True)
class Score:
    """Means over the validation mixtures, in dB, and one estimate of the first few."""

    si_sdr: float
    si_sdr_i: float


class Validation:
    """Fixed mixtures of the validation clips; the first caption of a target is its query.

    Raises
    ------
    FaultsError
        If the validation clips cannot be mixed (fewer than two concepts).
    """

    def __init__(self, dataset: Dataset, clips: Sequence[Clip], config: Config) -> None:
        self._settings, self._spectrogram = config.validation, config.spectrogram
        by_id = {clip.clip_id: clip for clip in clips}
        self.mixtures = _spread(_plan(clips, config.validation), config.validation.mixtures)
        self.targets = [by_id[mixture.target_id] for mixture in self.mixtures]
        self.rendered = [
            render(
                dataset.samples(mixture.target_id),
                dataset.samples(mixture.noise_id),
                snr_db=mixture.snr_db,
            )
            for mixture in self.mixtures
        ]
        self._before = np.array(
            [si_sdr(reference=r.target, estimate=r.mixture) for r in self.rendered]
        )

    def __len__(self) -> int:
        return len(self.mixtures)

    def score(self, net: LassNet | TagUNet, codec: Codec, device: torch.device) -> Score:
        """Separate every mixture and score it; ``net`` is left in training mode as it was."""
        after = np.array(
            [
                si_sdr(reference=rendered.target, estimate=estimate)
                for rendered, estimate in zip(
                    self.rendered, self.estimates(net, codec, device), strict=True
                )
            ]
        )
        after = np.clip(after, -_CEILING_DB, _CEILING_DB)
        return Score(float(after.mean()), float((after - self._before).mean()))

    def estimates(
        self, net: LassNet | TagUNet, codec: Codec, device: torch.device, first: int | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """The estimate of each mixture (of the ``first`` few), in order."""
        count = len(self.mixtures) if first is None else min(first, len(self.mixtures))
        size = self._settings.batch_size
        stft = Stft(frame=self._spectrogram.frame, hop=self._spectrogram.hop).to(device)
        training = net.training
        net.eval()
        try:
            for start in range(0, count, size):
                stop = min(start + size, count)
                yield from self._batch(net, codec, stft, device, range(start, stop))
        finally:
            net.train(training)

    @torch.no_grad()
    def _batch(
        self,
        net: LassNet | TagUNet,
        codec: Codec,
        stft: Stft,
        device: torch.device,
        numbers: range,
    ) -> NDArray[np.float32]:
        targets = [self.targets[number] for number in numbers]
        if isinstance(codec, TagCodec):
            query: tuple[torch.Tensor, ...] = codec.encode([tags_of(clip) for clip in targets])
        else:
            query = codec.encode([clip.captions[0] for clip in targets])
        mixtures = np.stack([self.rendered[number].mixture for number in numbers])
        spectrum = stft(torch.from_numpy(mixtures).to(device))
        # Compiled for the shape of a training batch, the network would be compiled
        # anew for these: a minute for what takes seconds.
        with torch.compiler.set_stance("force_eager"):
            mask = net(spectrum.abs(), *(part.to(device) for part in query))
        estimate = stft.inverse(spectrum * mask, mixtures.shape[1])
        return np.asarray(estimate.cpu().numpy(), dtype=np.float32)


def _plan(clips: Sequence[Clip], settings: ValidationConfig) -> list[Mixture]:
    """As many noises a target as wanted, or as many as there are."""
    for noises in range(settings.noises, 1, -1):
        try:
            return plan(clips, name="validation", noises=noises, seed=settings.seed)
        except FaultsError:
            continue
    return plan(clips, name="validation", noises=1, seed=settings.seed)


def _spread(mixtures: list[Mixture], most: int) -> list[Mixture]:
    """At most so many, evenly over the list, which goes concept by concept."""
    if len(mixtures) <= most:
        return mixtures
    return [mixtures[number * len(mixtures) // most] for number in range(most)]
