"""How many trials fANOVA needs before its importances mean something.

    python -m benchmarks.importance_trials

Simulates random searches of a made-up response: each optimizer has its own best learning rate,
weight decay has no effect. Its true shares are computed from the formula, as Optuna defines them:
Optuna's fANOVA weighs a learning rate uniformly even where it was drawn on a log scale (optuna 5.0,
`FanovaImportanceEvaluator`, `transform_log=False`). Prints the true shares and, for each number of
trials:

- first: share of the searches in which the setting that matters most has the largest importance
- error: the median distance of that setting's importance from its true share
- none: the importance that the setting without any effect exceeds in one of ten searches
- seeds: the median range of the largest importance over the seeds of fANOVA's forest
"""

from __future__ import annotations

import argparse
import itertools
import math
import random

import numpy as np
import optuna
import pandas as pd

from study.analysis.importances import EVALUATOR_SEEDS
from study.analysis.search import quiet_optuna

_SETTINGS = ("lr", "optimizer", "batch_size", "dropout", "weight_decay")
_BEST_LR = {"sgd": 0.1, "momentum": 0.03, "adagrad": 0.01, "adam": 0.003, "rmsprop": 0.001}
_BATCH_SIZES = (32, 64, 128, 256)
_NOISE = 0.005  # standard deviation between training seeds, as an accuracy


def accuracy(lr: float, optimizer: str, batch_size: int, dropout: float) -> float:
    """Return the made-up accuracy: at chance two decades from the optimizer's best rate."""
    decades = math.log10(lr / _BEST_LR[optimizer])
    error = 0.03 + 0.2 * decades**2 + 0.01 * math.log2(batch_size / 32) + 0.04 * dropout
    return max(0.1, 1 - error)


def true_shares(samples: int = 200_000) -> list[float]:
    """Return each setting's share of the variance that single settings explain.

    That variance is the one of the mean over all other settings, as fANOVA defines it.
    """
    rng = random.Random(0)
    points = [
        (rng.uniform(1e-5, 1), rng.choice(list(_BEST_LR)), rng.choice(_BATCH_SIZES))
        for _ in range(samples)
    ]
    frame = pd.DataFrame(points, columns=list(_SETTINGS[:3]))
    frame["dropout"] = [rng.uniform(0, 0.5) for _ in range(samples)]
    frame["accuracy"] = list(itertools.starmap(accuracy, frame.to_numpy().tolist()))
    frame["lr"] = pd.cut(frame["lr"], 1_000)
    frame["dropout"] = pd.cut(frame["dropout"], 100)
    explained = [
        frame.groupby(name, observed=True)["accuracy"].mean().var(ddof=0) for name in _SETTINGS[:4]
    ]
    return [*(float(part / sum(explained)) for part in explained), 0.0]


def main() -> None:
    """Print a row per number of trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[8, 12, 16, 20, 30, 40, 80])
    parser.add_argument("--searches", type=int, default=40)
    options = parser.parse_args()
    truth = np.array(true_shares())
    top = int(truth.argmax())
    shares = zip(_SETTINGS, truth, strict=True)
    print("true shares:", ", ".join(f"{name} {share:.2f}" for name, share in shares))
    print("trials  first  error  none  seeds")
    for count in options.trials:
        with quiet_optuna():
            estimates = np.array([_shares(count, seed) for seed in range(options.searches)])
        means = estimates.mean(axis=1)  # (searches, settings)
        first = (means.argmax(axis=1) == top).mean()
        error = np.median(np.abs(means[:, top] - truth[top]))
        none = np.quantile(means[:, -1], 0.9)
        spread = np.median(np.ptp(estimates[:, :, top], axis=1))
        print(f"{count:6}  {first:5.0%}  {error:5.2f}  {none:4.2f}  {spread:5.2f}", flush=True)


def _shares(count: int, seed: int) -> list[list[float]]:
    """Return the importances of one search: a row per evaluator seed, a column per setting."""
    rng = random.Random(seed)

    def objective(trial: optuna.Trial) -> float:
        point = (
            trial.suggest_float("lr", 1e-5, 1.0, log=True),
            trial.suggest_categorical("optimizer", tuple(_BEST_LR)),
            trial.suggest_categorical("batch_size", _BATCH_SIZES),
            trial.suggest_float("dropout", 0.0, 0.5),
        )
        trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
        return accuracy(*point) + rng.gauss(0, _NOISE)

    sampler = optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=count)
    rows = []
    for evaluator_seed in EVALUATOR_SEEDS:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=evaluator_seed)
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
        rows.append([shares[name] for name in _SETTINGS])
    return rows


if __name__ == "__main__":
    main()
