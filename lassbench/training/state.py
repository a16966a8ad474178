"""What going on exactly needs: one file, written whole, read without unpickling code."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lassbench.errors import LassbenchError, one_line
from lassbench.files import atomic_open

RESUME = "resume.pt"

FORMAT = 1


@dataclass
class State:
    """A run between two steps.

    Attributes
    ----------
    step
        Updates made.
    best, best_step
        Best validation so far (SI-SDR improvement in dB), or ``None``, and its step.
    weights, optimizer, scaler
        State dicts; the schedule and the stream of pairs follow from ``step``.
    random
        For each rank the states of its random generators, which dropout uses.
    fingerprint
        The dataset's.
    seconds
        Time spent training so far.
    """

    step: int
    best: float | None
    best_step: int
    weights: dict[str, Any]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    random: list[dict[str, torch.Tensor]]
    fingerprint: str
    seconds: float


def save_state(folder: Path, state: State) -> None:
    """Write the resume file atomically.

    Raises
    ------
    LassbenchError
        If the disk is full or the folder not writable; the old file is intact.
    """
    # Field by field: asdict would copy every tensor.
    content = {name: getattr(state, name) for name in State.__dataclass_fields__}
    with atomic_open(folder / RESUME) as stream:
        try:
            torch.save({"format": FORMAT, **content}, stream)
        except RuntimeError as error:
            # torch hides what the file system said behind a complaint of its own.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise


def load_state(folder: Path) -> State:
    """Read the resume file; only tensors and plain values are accepted.

    Raises
    ------
    LassbenchError
        If it is damaged or of another version.
    """
    path = folder / RESUME
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise LassbenchError(
            "the resume file cannot be read",
            where=path,
            got=one_line(str(error)),
            fix="restore it, or start anew in another folder",
        ) from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise LassbenchError(
            "a resume file of another version", where=path, fix="start anew in another folder"
        )
    return State(**content)


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of this process's generators."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put this process's generators back."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
