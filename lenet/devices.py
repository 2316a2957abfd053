"""The device that trains, and its name in reports."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def training_device(use_gpu: bool) -> torch.device:
    """Return the GPU if `use_gpu` and torch sees one, else the CPU.

    On a GPU, this restricts cuDNN to deterministic algorithms.
    """
    import torch

    if not (use_gpu and torch.cuda.is_available()):
        return torch.device("cpu")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return torch.device("cuda")


def describe_device(device: torch.device) -> str:
    """Return the name of the hardware, which is reported with every measured number."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    return f"cpu ({processor()})"


def name_of_device(use_gpu: bool) -> str:
    """Return the name of the device that trains. Needs no torch unless `use_gpu`."""
    return describe_device(training_device(True)) if use_gpu else f"cpu ({processor()})"


def processor() -> str:
    """Return the name of this machine's processor. Needs no torch."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
