"""The nets, variants, steps and learning rates of Schätzle's article, and their points."""

from search_spaces.study import Settings

MODELS = ("4ls", "3ls", "2lr")
BATCH_SIZES = {"batch": 60_000, "stochastic": 1, "mini-batch": 128}
"""Batch size of each variant; one that exceeds the training set means all of it."""

BATCH_STEPS = (500, 1_000, 2_000, 4_000)
STEPS = (500, *(1_000 * 2**i for i in range(11)), 2_000_000)

DESCENT = {"optimizer": "sgd", "lr": 0.1}
DEFAULT_ADAM_RATE = 0.001
"""The default of Flux's Adam."""
ADAM_RATE = 0.01
"""The rate of Adam whose accuracies after 500 steps are closest to those that the article prints,
except for `_CLOSEST_RATES`. It was measured beforehand with one seed: mini-batches on MNIST, batch
gradient descent on 5,000 of its images. By stochastic gradient descent, where the article prints
nothing early, 2LR has 87.8 % after 64,000 steps at 0.01 and 95.6 % at 0.001; the article's best is
87 %."""
_CLOSEST_RATES = {("batch", "4ls"): 0.003}

CONCLUDED = {"lr": frozenset({DESCENT["lr"], ADAM_RATE})}
"""The trials that the article's conclusions are compared with."""

LABELS = {"4ls": "4LS", "3ls": "3LS", "2lr": "2LR"}
LOWEST_LOSS_STEP = 40_000
"""The step up to which the loss of 2LR with stochastic Adam falls; evaluated in addition."""


def points(variant: str, model: str) -> Settings:
    """Return the settings of a net that is trained by a variant, with either optimizer."""
    return {"batch_size": BATCH_SIZES[variant], "model": model}


def descent_points(variant: str, model: str) -> Settings:
    """Return the settings of `points` with Descent."""
    return {**points(variant, model), **DESCENT}


def adam_points(variant: str, model: str) -> Settings:
    """Return the settings of `points` with Adam at the closest rate."""
    lr = _CLOSEST_RATES.get((variant, model), ADAM_RATE)
    return {**points(variant, model), "optimizer": "adam", "lr": lr}
