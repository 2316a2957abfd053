"""Seeds of independent random numbers."""

from __future__ import annotations

import functools
import hashlib

import torch


def stream_seed(seed: int, *purpose: str | int) -> int:
    """Return a seed for one `purpose` of the run with `seed`.

    Different purposes get independent random numbers.
    """
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")


def seed_torch(seed: int) -> None:
    """Seed torch's global generators, of the CPU and of all GPUs.

    Equal to `torch.manual_seed`, which also formats a stack trace at every call if there is no GPU:
    too slow for a call per sample.
    """
    if _has_gpu():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


@functools.cache
def _has_gpu() -> bool:
    return torch.cuda.is_available()
