"""The device that trains, and its name in reports."""

from __future__ import annotations

import platform
from pathlib import Path

import torch


def training_device(use_gpu: bool) -> torch.device:
    """Return the GPU if `use_gpu` and torch sees one, else the CPU.

    On a GPU, this restricts cuDNN to deterministic algorithms.
    """
    if not (use_gpu and torch.cuda.is_available()):
        return torch.device("cpu")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return torch.device("cuda")


def describe_device(device: torch.device) -> str:
    """Return the name of the hardware, which is reported with every measured number."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({_processor()})"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
