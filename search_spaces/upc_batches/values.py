"""The report's accuracies, and the settings that its tables and claims share."""

_BATCH_SIZES = (150, 100, 50, 25, 10, 8, 6, 4)
_DECAYED_LRS = tuple(round(1e-4 * n, 6) for n in range(2, 11))
_DROPOUTS = tuple(n / 10 for n in range(10))

PUBLISHED: dict[str, dict[float, dict[float, float]]] = {
    "4.1": {
        1e-4: dict(zip(_BATCH_SIZES, (94.1, 95.0, 95.5, 96.2, 97.3, 97.3, 96.9, 96.4), strict=True))
    },
    "4.2": {
        1e-4: dict(zip(_BATCH_SIZES, (98.9, 98.9, 98.6, 98.3, 97.7, 97.4, 97.4, 95.3), strict=True))
    },
    "4.3": {1e-4: {150: 99.0, 100: 99.0}},
    "4.4": {
        150: dict(
            zip(_DECAYED_LRS, (99.0, 99.1, 99.0, 99.2, 98.8, 99.1, 99.2, 99.0, 99.3), strict=True)
        ),
        100: dict(
            zip(_DECAYED_LRS, (99.1, 99.2, 99.1, 98.9, 99.1, 99.0, 99.1, 99.2, 99.2), strict=True)
        ),
    },
    "4.5": {
        150: dict(
            zip(
                _DROPOUTS, (99.2, 99.1, 99.2, 99.1, 99.2, 99.3, 99.1, 99.0, 99.0, 99.0), strict=True
            )
        ),
        100: dict(
            zip(
                _DROPOUTS, (99.2, 99.2, 99.1, 99.1, 99.1, 99.2, 99.1, 99.2, 99.1, 99.0), strict=True
            )
        ),
    },
    "4.6": {0.001: {150: 99.3}},
}
"""The report's accuracies in percent: table -> panel -> row -> accuracy."""


BEST = "best_test_accuracy"
AT_BEST = "test_accuracy_at_best"
LARGE = frozenset({150, 100})
LONGER_THAN_A_PASS = (150, 100, 50, 25)
"""The batch sizes at which 5,000 steps are more than one pass, so that the sample order matters."""
SHUFFLED = {"shuffle": True, "epochs": None}
ONE_PASS = {"shuffle": False, "epochs": 1}
WRAPPED = {"shuffle": False, "epochs": None}
SHORT_PASS = {"train_samples": 5_000}
"""Without this limit, a pass would exceed the budget's 100 steps at every batch size."""
DECAY = {"schedule": "exponential"}
DECAY_BY_EPOCH = {"schedule": "exponential", "decay_steps": None}
