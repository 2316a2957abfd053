"""Two uncertainties of a test accuracy: the seeds, and the images it is measured on.

- Seeds: another seed trains another net. Standard error of the mean: s / sqrt(n), s being the
  standard deviation between n seeds. More seeds make it smaller.
- Images: other images of the same kind would give another accuracy. Standard error, at most: the
  binomial sqrt(p (1 - p) / N) for an accuracy p on N images. All seeds are measured on the same
  images, so more seeds do not make it smaller.

By the law of total variance the error of a mean over seeds, as an estimate for all images of this
kind, has the variance s^2 / n + Var(p_i) / N, where p_i is the share of seeds that classify image i
correctly. Var(p_i) is at most p (1 - p), and less if the seeds err on different images. The sum is
an upper bound, because the run keeps no predictions of single images.

For two settings measured on the same images, the images matter less: both err on the hard ones.
Jordan (Calibrated Chaos, 2023, arXiv:2304.01910) shows that much of the difference between seeds is
itself an effect of the finite test set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from study.analysis import statistics
from study.analysis.statistics import SHARE, Mean

TEST_IMAGES = {"mnist": 10_000, "fashion-mnist": 10_000, "kmnist": 10_000, "digits": 297}
"""Images in the test set of each data set."""

_NORMAL = 1.959964
"""The 97.5 % quantile of the normal distribution; thousands of images do not need Student's t."""


@dataclass(frozen=True)
class Uncertainties:
    """Two uncertainties of a mean test accuracy, in [0, 1]; NaN where one seed gives none."""

    over_seeds: Mean
    seeds_error: float
    """standard error from the seeds"""
    images_error: float
    """standard error from the images, at most"""
    images: int

    @property
    def both_margin(self) -> float:
        """Half the width, at most, of an interval of about 95% for other seeds and other images."""
        half_width = (self.over_seeds.high - self.over_seeds.low) / 2
        return math.hypot(half_width, _NORMAL * self.images_error)


def uncertainties(accuracies: Sequence[float], images: int) -> Uncertainties:
    """Return the uncertainties of the mean of one test accuracy per seed."""
    over_seeds = statistics.mean(accuracies, SHARE)
    mean, n = over_seeds.mean, len(accuracies)
    return Uncertainties(
        over_seeds=over_seeds,
        seeds_error=float(np.std(accuracies, ddof=1)) / math.sqrt(n) if n > 1 else math.nan,
        images_error=math.sqrt(mean * (1 - mean) / images),
        images=images,
    )
