"""Made-up evidence for claims, and their verdicts."""

import pandas as pd

from search_spaces.study import Claim
from study.analysis.results import Results
from study.claims import judge
from study.claims.evidence import Evidence

DEFAULTS = {
    "dataset": "mnist",
    "status": "finished",
    "optimizer": "sgd",
    "lr": 0.1,
    "batch_size": 32,
}


def evidence(*trials, stochastic=True, published=()):
    """Return evidence of trials, each a dict of settings with a `curve`.

    A curve has a validation accuracy per epoch, or a dict of the columns of a record.
    """
    rows, records = [], []
    for number, trial in enumerate(trials):
        settings = DEFAULTS | trial
        curve = settings.pop("curve")
        length = {"step": 10 * len(curve), "steps": None}
        length |= {"epoch": len(curve), "epochs": len(curve)}
        length |= {"samples": 320 * len(curve)}  # 10 batches of 32
        rows.append({"trial": str(number), **length, **settings})
        for epoch, point in enumerate(curve, 1):
            columns = point if isinstance(point, dict) else {"validation_accuracy": point}
            record = {"trial": str(number), "epoch": epoch, "step": 10 * epoch, "diverged": False}
            records.append(record | columns)
    tables = pd.DataFrame(rows), pd.DataFrame(records)
    results = Results({"study": "made up"}, *tables)
    return Evidence(results, stochastic=stochastic, published=published)


def trials_of_seeds(curves, **settings):
    """Return a trial of these settings for each curve, with seeds 0, 1, ..."""
    return [{**settings, "seed": seed, "curve": curve} for seed, curve in enumerate(curves)]


def claim_of(kind, **options):
    """Return a claim of this kind that nobody made."""
    return Claim(
        name="odd", source="?", statement="?", published="none", kind=kind, options=options
    )


def verdict(kind, of, **options):
    """Judge a claim of this kind by the evidence `of` it."""
    return judge.judge(claim_of(kind, **options), of)


ORDERED = {"where": {}, "setting": "lr", "best_first": (0.1, 0.01)}
ORDERED |= {"quantity": "validation_accuracy"}
"""options of a claim that 0.1 is the better of two learning rates"""


def two_rates(one, other, **settings):
    """Return evidence of curves at the learning rates 0.1, with these settings, and 0.01."""
    return evidence(*trials_of_seeds(one, lr=0.1, **settings), *trials_of_seeds(other, lr=0.01))


def losses(*curves, **settings):
    """Return a trial of these settings for each curve of test losses."""
    return trials_of_seeds(
        [[{"test_loss": loss} for loss in curve] for curve in curves], **settings
    )
