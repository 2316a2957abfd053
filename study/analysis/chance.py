"""The accuracy of guessing."""

from __future__ import annotations

import pandas as pd

_CLASSES = {"mnist": 10, "fashion-mnist": 10, "kmnist": 10, "digits": 10}
"""Number of classes of each data set whose classes are about equally frequent."""


def chance_accuracy(trials: pd.DataFrame) -> float | None:
    """Return the accuracy of guessing on the data set of these trials, in [0, 1].

    None if it is unknown: for the user's own data, for a regression, or if the data sets differ in
    their number of classes.
    """
    classes = {_CLASSES.get(name) for name in trials["dataset"].unique()}
    (count,) = classes if len(classes) == 1 else (None,)
    return 1 / count if count else None
