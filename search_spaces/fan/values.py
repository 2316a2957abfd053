"""The learning rates and batch sizes of Fan's report, and the points that they make."""

from typing import Any

LRS = (0.1, 0.01, 0.001)
ALL_LRS = frozenset(LRS)
LOWER_LRS = frozenset({0.01, 0.001})
BATCH_SIZES = (32, 64, 128, 256)

SMALLEST_DIFFERENCE = 0.01
"""One point of accuracy, the smallest difference that counts here."""


def points(optimizer: str = "", **settings: Any) -> dict[str, Any]:
    """Return settings of the report's points, without those of the grids beyond it."""
    chosen = {"optimizer": optimizer} if optimizer else {}
    return {"dropout": 0.0, "lr": ALL_LRS, **chosen, **settings}


SGD, ADAM = points("sgd"), points("adam")
"""All of the report's points with this optimizer."""
