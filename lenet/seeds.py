"""Seeds of independent random numbers."""

from __future__ import annotations

import hashlib


def stream_seed(seed: int, *purpose: str | int) -> int:
    """Return a seed for one `purpose` of the run with `seed`.

    Different purposes get independent random numbers.
    """
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
