"""The training clips' samples, decoded once and held where they are used.

As 16-bit integers the benchmark's 6044 clips are 3.9 GB: they fit on the device,
or else in host memory, from which each step's few clips are gathered into
page-locked memory and copied while the device computes.  Nothing is decoded during training.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lassbench import audio
from lassbench.dataset import Dataset
from lassbench.errors import LassbenchError
from lassbench.parallel import cpu_count
from lassbench.progress import track
from lassbench.training.roster import Roster

#: Share of the device's free memory that the clips may take.
_SHARE = 0.5


class ClipStore:
    """Every clip of a roster as int16, ``(clips, samples)``.

    Parameters
    ----------
    samples
        On the device, or on the host.
    device
        Where the gathered clips go.
    """

    def __init__(self, samples: Tensor, device: torch.device) -> None:
        self._samples, self._device = samples, device

    def whole(self, clips: Tensor) -> Tensor:
        """Whole clips: numbers (batch,) to float32 ``(batch, samples)`` of int16 values.

        ``clips`` lie where :meth:`place` puts them.
        """
        if self._device.type == "cuda" and self._samples.device.type != "cuda":
            # Gathered into page-locked memory, from which the copy is not waited for.
            shape = (len(clips), self._samples.shape[1])
            chosen = torch.empty(shape, dtype=self._samples.dtype, pin_memory=True)
            return self._bring(torch.index_select(self._samples, 0, clips, out=chosen))
        return self._bring(self._samples.index_select(0, clips))

    def place(self, indices: NDArray[np.int64]) -> Tensor:
        """``indices`` where the clips lie, without waiting for the device."""
        return to_device(torch.from_numpy(indices), self._samples.device)

    def _bring(self, chosen: Tensor) -> Tensor:
        return to_device(chosen, self._device).to(torch.float32)


def stretches(samples: Tensor, offsets: Tensor, length: int) -> Tensor:
    """``length`` samples of each row of ``(batch, samples)``, from its offset on."""
    span = torch.arange(length, device=samples.device)
    return samples.gather(1, offsets[:, None] + span)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """``tensor`` on ``device``; a copy to CUDA goes through page-locked memory, unawaited."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def open_store(dataset: Dataset, roster: Roster, device: torch.device, where: str) -> ClipStore:
    """Decode the clips of ``roster``, in its order.

    Parameters
    ----------
    where
        ``auto``, ``device`` or ``host``.

    Raises
    ------
    LassbenchError
        If a clip is damaged or memory is too small.
    """
    shape = (len(roster.clips), dataset.clip_samples)
    try:
        samples = torch.empty(shape, dtype=torch.int16)
    except (RuntimeError, MemoryError) as error:
        raise LassbenchError(
            "the training clips do not fit in memory",
            expected=f"{2 * shape[0] * shape[1] / 1e9:.1f} GB",
            fix="train on a machine with more memory, or on fewer clips",
        ) from error
    array = samples.numpy()
    for number, clip in enumerate(track(_decoded(dataset, roster), "reading clips", shape[0])):
        array[number] = clip
    if device.type == "cpu":
        return ClipStore(samples, device)
    needed, (free, _) = samples.nbytes, torch.cuda.mem_get_info(device)
    if where == "device" or (where == "auto" and needed <= _SHARE * free):
        return ClipStore(samples.to(device), device)
    return ClipStore(samples, device)


def _decoded(dataset: Dataset, roster: Roster) -> Iterator[NDArray[np.int16]]:
    """The clips in order.  Rows are read in turn, FLAC is decoded by threads."""

    def decode(flac: bytes, clip_id: str) -> NDArray[np.int16]:
        try:
            samples, _ = audio.decode_int16(flac)
        except audio.AudioFault:
            return dataset.samples_int16(clip_id)  # says which file is damaged
        return samples if samples.size == dataset.clip_samples else dataset.samples_int16(clip_id)

    clips = iter(roster.clips)
    with ThreadPoolExecutor(cpu_count()) as pool:
        while batch := list(islice(clips, 256)):
            flacs = [dataset.flac(clip.clip_id) for clip in batch]
            yield from pool.map(decode, flacs, [clip.clip_id for clip in batch])
