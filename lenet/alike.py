"""The settings that the members of a fleet have in common (`lenet.fleet`). Needs no torch."""

ALIKE = (
    "dataset",
    "train_samples",
    "validation_fraction",
    "model",
    "width",
    "loss",
    "precision",
    "batch_size",
    "own",
)
