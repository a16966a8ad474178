"""A trained network as a system that separates: batched, chunked, in flat memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lassbench.cards import SystemCard
from lassbench.chunking import chunks
from lassbench.errors import UsageError
from lassbench.models.config import Config
from lassbench.models.devices import find_device
from lassbench.models.lassnet import LassNet, TagUNet
from lassbench.models.query import Codec, TagCodec
from lassbench.models.stft import Stft
from lassbench.parallel import map_ordered
from lassbench.records import TAG_SEPARATOR

Samples = NDArray[np.float32]
Item = TypeVar("Item")
Answer = TypeVar("Answer")

#: Items at a time on a CPU, at most: each holds the activations of a whole network.
_SIDE_BY_SIDE = 4


class CheckpointSeparator:
    """Masks a mixture's spectrogram and reuses its phase (FACTS section 2).

    Parameters
    ----------
    net
        LASS-Net or the tag UNet, in eval mode.
    codec
        Turns queries into the tensors that ``net`` takes.
    card
        What prediction folders say about it.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Attributes
    ----------
    sample_rate
        The rate in Hz it was trained at; callers resample.
    block_s
        Seconds of a long recording to give it at a time: a few chunks, which a CPU
        separates side by side.
    """

    def __init__(
        self,
        net: LassNet | TagUNet,
        codec: Codec,
        config: Config,
        card: SystemCard,
        *,
        device: str = "auto",
    ) -> None:
        self._device = find_device(device)
        self._on_gpu = self._device.type == "cuda"
        self._net = net.eval().to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        spectrogram = config.spectrogram
        self._stft = Stft(frame=spectrogram.frame, hop=spectrogram.hop).to(self._device)
        self._codec, self._config = codec, config
        self.card = card
        self.sample_rate = config.sample_rate_hz
        self.block_s = 4 * config.separation.chunk_s

    @property
    def device(self) -> str:
        """The device's name, as people know it."""
        if self._on_gpu:
            return torch.cuda.get_device_name(self._device)
        return f"cpu, {torch.get_num_threads()} threads"

    def separate(self, mixture: Samples, query: str, sample_rate: int) -> Samples:
        """Extract ``query`` from ``mixture``: float32 (samples,) in, the same shape out.

        Parameters
        ----------
        query
            A sentence; for the tag UNet its tags, joined with "; ".
        sample_rate
            In Hz; must be the rate that the system works at.

        Raises
        ------
        UsageError
            At another rate, for an empty query or unknown tags.
        """
        self._check_rate(sample_rate)
        return self._separate([mixture], self._encode([query]))[0]

    def separate_batch(
        self, mixtures: Sequence[Samples], queries: Sequence[str], sample_rate: int
    ) -> list[Samples]:
        """The same for several at once.

        Raises
        ------
        UsageError
            As :meth:`separate`.
        """
        self._check_rate(sample_rate)
        return self._separate(mixtures, self._encode(queries))

    def _check_rate(self, sample_rate: int) -> None:
        if sample_rate != self.sample_rate:
            raise UsageError(
                "the system works at another sample rate",
                where=self.card.name,
                expected=f"{self.sample_rate} Hz",
                got=f"{sample_rate} Hz",
                fix="resample the mixture first",
            )

    @torch.inference_mode()
    def _encode(self, queries: Sequence[str]) -> Tensor:
        """The queries' embeddings, ``(batch, query)``; each embedded on its own.

        One at a time, because padding beside a longer sentence would change the
        last bits of a shorter one's.
        """
        codec = self._codec
        rows: dict[str, Tensor] = {}
        for query in queries:
            if query not in rows:
                if isinstance(codec, TagCodec):
                    encoded: tuple[Tensor, ...] = codec.encode([query.split(TAG_SEPARATOR)])
                else:
                    encoded = codec.encode([query])
                rows[query] = self._net.embed(*(part.to(self._device) for part in encoded))
        return torch.cat([rows[query] for query in queries])

    @torch.inference_mode()
    def _separate(self, mixtures: Sequence[Samples], embeddings: Tensor) -> list[Samples]:
        answers: list[Samples] = [np.zeros(0, np.float32)] * len(mixtures)
        by_length: dict[int, list[int]] = defaultdict(list)
        for number, mixture in enumerate(mixtures):
            by_length[mixture.shape[0]].append(number)
        limit = round(self._config.separation.chunk_s * self.sample_rate)
        for length, numbers in by_length.items():
            if length > limit:
                for number in numbers:
                    answers[number] = self._long(mixtures[number], embeddings[number])
            else:
                batch = np.stack([mixtures[number] for number in numbers])
                for number, answer in zip(
                    numbers, self._batch(batch, embeddings[numbers]), strict=True
                ):
                    answers[number] = answer
        return answers

    def _batch(self, mixtures: NDArray[np.float32], embeddings: Tensor) -> NDArray[np.float32]:
        """``(batch, samples)`` and ``(batch, query)`` to ``(batch, samples)``."""
        samples = mixtures.shape[1]
        if samples == 0:
            return mixtures
        scale = self._scale(mixtures)
        x = mixtures / scale
        if self._on_gpu:
            return self._masked(x, embeddings) * scale
        one_by_one = side_by_side(
            lambda n: self._masked(x[n : n + 1], embeddings[n : n + 1]), range(len(x))
        )
        return np.concatenate(list(one_by_one)) * scale

    def _masked(self, x: NDArray[np.float32], embeddings: Tensor) -> NDArray[np.float32]:
        """``(batch, samples)``, masked as ``(batch, query)`` asks."""
        spectrum = self._stft(torch.from_numpy(x).to(self._device))
        mask = self._net.UNet(spectrum.abs(), embeddings).sigmoid()
        answer: NDArray[np.float32] = self._stft.inverse(spectrum * mask, x.shape[1]).cpu().numpy()
        return answer

    def _scale(self, mixtures: NDArray[np.float32]) -> NDArray[np.float32]:
        """What each mixture is divided by: its peak, as in training, or 1 for silence."""
        if not self._config.separation.normalise:
            return np.ones((mixtures.shape[0], 1), np.float32)
        peak = np.abs(mixtures).max(axis=1, keepdims=True)
        return np.where(peak > 0.0, peak, np.float32(1.0))

    def _long(self, mixture: Samples, embedding: Tensor) -> Samples:
        """Chunk by chunk, neighbours cross-faded; memory beyond the answer stays flat."""
        scale = self._scale(mixture[None])[0, 0]
        answer = np.zeros_like(mixture)
        settings = self._config.separation
        chunk, overlap = (
            round(seconds * self.sample_rate) for seconds in (settings.chunk_s, settings.overlap_s)
        )

        def separated(piece: tuple[int, int, Samples]) -> tuple[int, int, Samples]:
            start, stop, weights = piece
            # The whole recording's peak, so that a quiet passage stays quiet.
            x = mixture[None, start:stop] / scale
            return start, stop, self._masked(x, embedding[None])[0] * (weights * scale)

        pieces = list(chunks(mixture.shape[0], chunk, overlap))
        done = map(separated, pieces) if self._on_gpu else side_by_side(separated, pieces)
        for start, stop, piece in done:
            answer[start:stop] += piece
        return answer


def side_by_side(function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
    """``function`` of each item, in order, in threads that have their share of torch's.

    Threads that share an item wait for each other after every layer, which takes
    longer than the layer where other programs have a part of the processors.
    """
    threads = torch.get_num_threads()
    workers = min(len(items), threads, _SIDE_BY_SIDE)
    if workers <= 1:
        yield from map(function, items)
        return
    try:
        with ThreadPoolExecutor(
            workers, initializer=torch.set_num_threads, initargs=(threads // workers,)
        ) as pool:
            yield from map_ordered(pool, torch.inference_mode()(function), items, ahead=workers)
    finally:
        # torch counts per thread, but new threads begin with what was set last.
        torch.set_num_threads(threads)
