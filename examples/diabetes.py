"""Regression with a metric of its own: the diabetes data that scikit-learn ships (442 patients).

    python -m study.grid examples/diabetes.py --seeds 3
    python -m study.search examples/diabetes.py --set lr=1e-3..1e-1 --trials 10

How does R², the explained share of the variance, depend on the optimizer and its learning rate?
"""

import torch
from sklearn.datasets import load_diabetes

from search_spaces.study import Figure, Grid, Metric, Study


def load():
    inputs, targets = load_diabetes(return_X_y=True)
    inputs, targets = 20 * inputs, (targets - targets.mean()) / targets.std()
    return (inputs[:-100], targets[:-100]), (inputs[-100:], targets[-100:])


def r2(outputs, targets):
    residuals = (targets - outputs).square().sum()
    return 1 - residuals / (targets - targets.mean()).square().sum()


class SignSGD(torch.optim.Optimizer):
    """Steps along g / (|g| + damping). `optimizer.damping` can be set, gridded and searched."""

    def __init__(self, params, lr, damping=0.0):
        super().__init__(params, {"lr": lr, "damping": damping})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["lr"] * p.grad / (p.grad.abs() + group["damping"] + 1e-12))


FIXED = {"dataset": "diabetes:load", "model": "softmax", "loss": "mse", "batch_size": 20}
FIXED |= {"validation_fraction": 0.25, "schedule": "cosine", "optimizer.damping": 0.1}
CURVES = {"quantity": "validation_r2", "line": "lr", "panel": "optimizer", "where": {}}

STUDY = Study(
    name="diabetes",
    question="How much of the progression of diabetes does a linear model explain?",
    source="examples/diabetes.py",
    fixed=FIXED,
    grids=(Grid(space={"optimizer": ("adam", "diabetes:SignSGD"), "lr": (0.003, 0.01, 0.03)}),),
    budgets={"smoke": {"epochs": 2}, "quick": {"epochs": 30}, "paper": {"epochs": 200}},
    objective="validation_r2",
    metrics=(Metric(name="r2", function="diabetes:r2", maximize=True),),
    figures=(
        Figure(name="r2-by-epoch", kind="curves", title="R² on held-out patients", options=CURVES),
    ),
)
