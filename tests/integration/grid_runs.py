"""Grids of digits that take seconds, and what is in their folders."""

from lenet import training
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE

DIGITS = ("--budget", "smoke", "--set", "dataset=digits", "--pack", "off")
LONG = (
    *DIGITS,
    *("--set", "optimizer=adam", "--set", "lr=0.001", "--set", "dropout=0.4"),
    *("--set", "train_samples=none"),
)
"""Four trials of some seconds each, so that one is running when something is killed."""


def records_of(folder, trial):
    return RunFolder(folder).trial(trial).records()


def trained_alone(folder, trial, digits):
    """Return the records of a trial, trained in this process by a plain loop."""
    config = next(p.config for p in RunFolder(folder).plan if p.name == trial)
    return list(training.train(training.Run(config, digits)))


def progress(folder):
    """Return the names of complete trials, and of those with a checkpoint."""
    if not (folder / "plan.json").is_file():
        return [], []
    trials = {p.name: RunFolder(folder).trial(p.name) for p in RunFolder(folder).plan}
    complete = [name for name, trial in trials.items() if trial.state().get("status") in COMPLETE]
    return complete, [name for name, trial in trials.items() if trial.checkpoint()]
