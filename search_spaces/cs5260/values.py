"""The nets, ramps and learning rates of the CS5260 report, and the minima that it prints."""

FINAL_LRS = {
    "momentum": (0.0025, 0.025, 0.25),
    "sgd": (0.0025, 0.025, 0.25),
    "adamw": (0.0001, 0.001, 0.01),
}
"""LR / 10, LR and 10 LR of each optimizer, where LR is what the report took from Lambda."""

LABELS = {"momentum": "SGD", "sgd": "plain SGD", "adamw": "AdamW"}
REPORT_NET = "lenet5-tanh"

LAMBDA, MULTISTEP, MULTISTEP_BY_EPOCH = "ramp-exponential", "ramp-multistep", "ramp-multistep-epoch"
RAMPS = {LAMBDA: 1e-6, MULTISTEP: 0.1, MULTISTEP_BY_EPOCH: 0.15}
"""The first learning rate of each ramp."""

LOWER_LR = 0.001
"""Where AdamW's MultiStep ramps should have started, in hindsight."""
RAMP_EPOCHS = 10
"""Number of epochs of a ramp, and of the report's measurements on it."""
SMOOTHING = 0.6
"""TensorBoard's default."""

_PRINTED_MINIMA = {
    ("sgd", LAMBDA): ("4.22K, 0.248", "0.025", 0.025),
    ("sgd", MULTISTEP): ("1K, 0.225", "0.022", 0.022),
    ("adamw", LAMBDA): ("3.283K, 0.01642", "0.001", 0.001),
    ("adamw", MULTISTEP): ("0K, 0.15", "0.015, no true minimum", None),
}
"""The report's minimum (step, LR), what it prints in table 1, and the LR to claim, by the optimizer
and the scheduler that it names."""


def printed_minimum(optimizer: str, schedule: str) -> tuple[str, str, float | None]:
    """Return the entry of `_PRINTED_MINIMA` for a ramp, in either reading of its schedule."""
    own_optimizer = "adamw" if optimizer == "adamw" else "sgd"
    return _PRINTED_MINIMA[own_optimizer, LAMBDA if schedule == LAMBDA else MULTISTEP]
