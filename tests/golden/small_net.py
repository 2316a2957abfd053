"""The net and data on which TensorFlow's optimizers and ours are compared. Only numpy."""

from __future__ import annotations

import numpy as np

STEPS = 50
RATES = (0.001, 0.01, 0.1)
_INPUTS, _HIDDEN, _CLASSES, _BATCH = 784, 32, 10, 100
_DEAD_INPUTS = 100


def data() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return a batch per step: float32 inputs of shape (100, 784) and int64 labels of shape (100,).

    The first 100 inputs are always 0, like the border of MNIST's images, so their weights never
    have a gradient. RandomState's numbers are the same in every version of numpy.
    """
    draws = np.random.RandomState(1)
    teacher = draws.randn(_INPUTS, _CLASSES)
    batches = []
    for _ in range(STEPS):
        inputs = draws.uniform(size=(_BATCH, _INPUTS))
        inputs[:, :_DEAD_INPUTS] = 0
        batches.append((inputs.astype(np.float32), ((inputs - 0.5) @ teacher).argmax(axis=1)))
    return batches


def initial_weights() -> list[np.ndarray]:
    """Return weights and biases of a 784-32-10 net, float32, as (inputs, outputs) matrices."""
    draws = np.random.RandomState(2)
    return [
        (0.05 * draws.randn(_INPUTS, _HIDDEN)).astype(np.float32),
        np.full(_HIDDEN, 0.1, dtype=np.float32),
        (0.3 * draws.randn(_HIDDEN, _CLASSES)).astype(np.float32),
        np.full(_CLASSES, 0.1, dtype=np.float32),
    ]
