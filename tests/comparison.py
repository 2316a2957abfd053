"""Comparison of the records of two runs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lenet.records import Record

_ACCURACY_TOLERANCE = 0.02  # a few samples of a small held-out set


def same(records: Sequence[Record], others: Sequence[Record], *, rel: float = 0.0) -> bool:
    """Return whether two curves are equal to the last digit, except for timing.

    With `rel`, losses may differ by this fraction: workers sum gradients in another order than
    a single process.
    """
    if len(records) != len(others):
        return False
    pairs = zip(records, others, strict=True)
    if not rel:
        return all(one.equal_except_timing(other) for one, other in pairs)
    return all(_close(one, other, rel) for one, other in pairs)


def _close(one: Record, other: Record, rel: float) -> bool:
    if (one.step, one.samples, one.lr) != (other.step, other.samples, other.lr):
        return False
    return all(
        getattr(one, f"{split}_{quantity}")
        == pytest.approx(getattr(other, f"{split}_{quantity}"), **tolerance, nan_ok=True)
        for split in ("train", "validation", "test")
        for quantity, tolerance in (
            ("loss", {"rel": rel}),
            ("accuracy", {"abs": _ACCURACY_TOLERANCE}),
        )
    )
