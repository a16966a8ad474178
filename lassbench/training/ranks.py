"""Several processes training together, started by torchrun.

It sets RANK, WORLD_SIZE, LOCAL_RANK and the master's address; nothing else of it
is used.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from lassbench.errors import UsageError
from lassbench.models.devices import find_device


@dataclass(frozen=True)
class Ranks:
    """This process's place among those that train together."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process is the one that validates, writes and talks."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is set in any process; all of them must ask together."""
        return self.mean(float(flag)) > 0.0

    def mean(self, value: float) -> float:
        """The mean of ``value`` over the processes; all of them must ask together."""
        if self.world == 1:
            return value
        shared = torch.tensor(value, device=self.device, dtype=torch.float64)
        dist.all_reduce(shared)
        return float(shared.item()) / self.world

    def gather(self, value: Any) -> list[Any]:
        """``value`` of each process, by rank; all of them must ask together."""
        if self.world == 1:
            return [value]
        gathered: list[Any] = [None] * self.world
        dist.all_gather_object(gathered, value)
        return gathered

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()


@contextlib.contextmanager
def join_ranks(device: str) -> Iterator[Ranks]:
    """Join the other processes, if there are any, for the length of the block.

    Raises
    ------
    UsageError
        If there is no such device, or CUDA devices are fewer than processes.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks(0, 1, find_device(device))
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    chosen = find_device(device)
    if chosen.type == "cuda":
        if chosen.index is not None:
            raise UsageError(
                "each process takes the CUDA device of its local rank",
                where=f"--device {device}",
                fix="use --device cuda",
            )
        chosen = find_device(f"cuda:{local}")
        torch.cuda.set_device(chosen)
    cuda = chosen.type == "cuda"
    # The others wait while the first validates and writes.
    dist.init_process_group(
        "nccl" if cuda else "gloo",
        timeout=timedelta(hours=2),
        device_id=chosen if cuda else None,
    )
    try:
        yield Ranks(rank, world, chosen)
    finally:
        dist.destroy_process_group()
