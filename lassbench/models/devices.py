"""Which device computes, and in what precision."""

from __future__ import annotations

import contextlib
import ctypes

import torch

from lassbench.errors import UsageError

# Numbers of mallopt's settings in glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def find_device(name: str) -> torch.device:
    """The device that ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` means, this process set up for it.

    Raises
    ------
    UsageError
        If there is no such device on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    where = f"device {name!r}"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(
            "no such device", where=where, expected="auto, cpu, cuda or cuda:N"
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError("this device is not supported", where=where, expected="cpu or cuda")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UsageError(
            "no such CUDA device on this machine",
            where=where,
            got=f"{count} CUDA devices",
            fix="use --device cpu, or install a PyTorch that fits the driver",
        )
    if device.type == "cuda":
        # What is called float32 is float32, not TensorFloat-32 with its ten bits.
        torch.backends.cudnn.allow_tf32 = False
    else:
        _keep_memory()
    return device


def _keep_memory() -> None:
    """Let this process keep the memory that it frees, where the C library is glibc.

    glibc takes blocks above 32 MB from the system and hands them back at once.
    At full width every layer's output is one, and having its pages cleared takes
    a third of the time of the whole network (``python -m tests.bench train``).
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for setting, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 64 << 20)):
            mallopt(setting, value)


def find_precision(name: str, device: torch.device) -> torch.dtype:
    """The dtype of the network's arithmetic on ``device``.

    ``auto`` is bfloat16 on CUDA where it is native, and float32 elsewhere:
    emulated bfloat16 is slower, on CPUs about twice.

    Raises
    ------
    UsageError
        For half precision on a CPU.
    """
    if name == "auto":
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    if device.type == "cpu" and dtype != torch.float32:
        raise UsageError(
            "half precision is for CUDA only: on a CPU it is slower and less exact",
            where=f"train.precision={name}",
            fix="set it to auto or float32",
        )
    return dtype
