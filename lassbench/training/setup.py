"""Before the first step: vocabulary, network, what a resumed run has, settings of torch."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from lassbench.dataset import Dataset
from lassbench.errors import LassbenchError, UsageError
from lassbench.models.checkpoints import (
    BEST,
    LAST,
    Blueprint,
    Net,
    check_weights,
    load_checkpoint,
)
from lassbench.models.config import Config
from lassbench.models.query import TagCodec, open_text_encoder
from lassbench.records import Clip
from lassbench.training.roster import tag_vocabulary
from lassbench.training.state import RESUME, State, load_state

#: Sections that make the network what it is: a resumed run keeps them.
_FIXED = ("system", "sample_rate_hz", "spectrogram", "network", "text", "tags")


@dataclass(frozen=True)
class Start:
    """Where a run begins: its blueprint, the network, and its state if it is resumed."""

    blueprint: Blueprint
    net: Net
    state: State | None = None


def prepare(
    config: Config,
    dataset: Dataset,
    training: Sequence[Clip],
    out: Path,
    *,
    resume: bool,
) -> Start:
    """A new network, or that of the run in ``out``.

    Raises
    ------
    UsageError
        If ``out`` holds a run and ``resume`` is false, or the run was made with
        another network or dataset.
    """
    resolved = replace(config, sample_rate_hz=_rate(config, dataset))
    held = [name for name in (LAST, BEST, RESUME) if (out / name).exists()]
    if held and not resume:
        raise UsageError(
            "this folder holds a run already",
            where=out,
            got=", ".join(held),
            fix="go on with --resume, or name another folder with -o",
        )
    if (out / RESUME).is_file():
        return _resumed(resolved, dataset, out)
    torch.manual_seed(resolved.train.seed)
    if resolved.system == "unet":
        blueprint = Blueprint(resolved, TagCodec(tag_vocabulary(resolved, training)))
        return Start(blueprint, blueprint.build())
    captions = [caption for clip in training for caption in clip.captions]
    encoder = open_text_encoder(resolved.text, captions)
    blueprint = Blueprint(resolved, encoder.codec, encoder.shape)
    return Start(blueprint, blueprint.build(encoder.bert))


def _resumed(config: Config, dataset: Dataset, out: Path) -> Start:
    state = load_state(out)
    before = load_checkpoint(out / LAST).blueprint
    now, then = config.as_dict(), before.config.as_dict()
    changed = [section for section in _FIXED if now[section] != then[section]]
    if changed:
        raise UsageError(
            f"the run was made with another {', '.join(changed)}",
            where=out,
            expected="; ".join(f"{section}: {then[section]}" for section in changed),
            got="; ".join(f"{section}: {now[section]}" for section in changed),
            fix="resume without changing these, or start anew in another folder",
        )
    if state.fingerprint != dataset.fingerprint:
        raise UsageError(
            "the run was made with another dataset",
            where=out,
            expected=f"fingerprint {state.fingerprint[:16]}",
            got=f"{dataset.path}: {dataset.fingerprint[:16]}",
            fix="give the dataset it was started with, or start anew in another folder",
        )
    blueprint = replace(before, config=config)
    net = blueprint.build()
    check_weights(net, state.weights, where=out / RESUME)
    net.load_state_dict(state.weights)
    return Start(blueprint, net, state)


def _rate(config: Config, dataset: Dataset) -> int:
    if config.sample_rate_hz not in (0, dataset.sample_rate_hz):
        raise UsageError(
            "the dataset has another sample rate than the config",
            where=dataset.path,
            expected=f"{config.sample_rate_hz} Hz",
            got=f"{dataset.sample_rate_hz} Hz",
            fix="set sample_rate_hz to 0, or build the dataset at that rate",
        )
    return dataset.sample_rate_hz


#: Updates from which on ``train.compile: auto`` compiles: what it saves of each is then
#: more than the time it takes (a minute or two; on a CPU a sixth of each is saved).
_PAYS = {"cuda": 500, "cpu": 4000}


def compiles(config: Config, device: torch.device) -> bool:
    """Whether the network is compiled.

    ``auto``: for runs long enough to win back the time it takes, where the C++
    compiler and the headers of Python that it needs are found.

    Raises
    ------
    LassbenchError
        If it is wanted and cannot be.
    """
    wanted = config.train.compile
    if wanted == "off":
        return False
    lacks = _lacks_for_compiling(device)
    if wanted == "on" and lacks:
        raise LassbenchError(
            "the network cannot be compiled here",
            where="train.compile=on",
            got=f"no {' and no '.join(lacks)}",
            fix="install what is missing, or set train.compile to auto or off",
        )
    return wanted == "on" or (not lacks and config.train.steps >= _PAYS[device.type])


def compile_network(net: Net, config: Config) -> None:
    """Have the network compiled when its first batch comes.

    Where nobody asked for it (``auto``) and it fails all the same, the network is
    trained uncompiled.
    """
    # What is set here holds for the rest of the process.
    torch._dynamo.config.suppress_errors = config.train.compile == "auto"
    # It warns that there is no CUDA, on machines where nobody expects it.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    net.UNet.compile(dynamic=False)


def _lacks_for_compiling(device: torch.device) -> list[str]:
    """What generated kernels are compiled with and is not there."""
    lacks = []
    variable, names = ("CC", ("gcc", "clang")) if device.type == "cuda" else ("CXX", ("g++",))
    if not any(shutil.which(name) for name in (os.environ.get(variable, ""), *names) if name):
        lacks.append(f"compiler ({', '.join(names)})")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        lacks.append("Python.h (python3-dev)")
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        lacks.append("triton")
    return lacks


#: CUDA's fused attention kernels: whether each is allowed, and what allows it.
_FUSED_ATTENTION: tuple[tuple[Callable[[], bool], Callable[[bool], None]], ...] = (
    (torch.backends.cuda.cudnn_sdp_enabled, torch.backends.cuda.enable_cudnn_sdp),
    (torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp),
    (torch.backends.cuda.mem_efficient_sdp_enabled, torch.backends.cuda.enable_mem_efficient_sdp),
)


@contextlib.contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Only algorithms that give the same bits every time, for the length of the block."""
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    benchmark = torch.backends.cudnn.benchmark
    fused = [enabled() for enabled, _ in _FUSED_ATTENTION]
    if wanted:
        # cuBLAS reads this when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # The fused kernels' gradients are summed in any order, and where only a warning
        # is asked for they are taken all the same.
        for _, enable in _FUSED_ATTENTION:
            enable(False)
    torch.use_deterministic_algorithms(wanted, warn_only=True)
    # Writing NaN into every fresh tensor guards against reading it before it is
    # written, and costs as much as the arithmetic does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not wanted
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = benchmark
        for (_, enable), enabled in zip(_FUSED_ATTENTION, fused, strict=True):
            enable(enabled)
