"""Tabular classification: the breast-cancer data that scikit-learn ships (569 samples).

    python -m study.grid examples/breast_cancer.py
    python -m study.search examples/breast_cancer.py --set lr=1e-4..1e-1 --trials 10

Does it pay to have a hidden layer? And which optimizer, at which learning rate?
"""

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

from search_spaces.study import Figure, Grid, Study


def load():
    """Return ((inputs, targets), (inputs, targets)): 30 numbers each, and the class."""
    inputs, targets = load_breast_cancer(return_X_y=True)
    train, test, train_targets, test_targets = train_test_split(
        inputs, targets, test_size=100, random_state=0, stratify=targets
    )
    scaler = StandardScaler().fit(train)
    return (scaler.transform(train), train_targets), (scaler.transform(test), test_targets)


def net(*, input_shape, classes, hidden=0):
    """Return a linear classifier, or one with a hidden layer of `hidden` units."""
    if not hidden:
        return nn.Linear(input_shape[0], classes)
    return nn.Sequential(nn.Linear(input_shape[0], hidden), nn.ReLU(), nn.Linear(hidden, classes))


SPACE = {"model.hidden": (0, 32), "optimizer": ("sgd", "adam"), "lr": (0.001, 0.01)}
HEAT_MAP = {"rows": "model.hidden", "columns": "lr", "quantity": "validation_loss", "where": {}}

STUDY = Study(
    name="breast-cancer",
    question="Does a hidden layer help to tell malignant from benign tumors?",
    source="examples/breast_cancer.py",
    fixed={
        "dataset": "breast_cancer:load",
        "model": "breast_cancer:net",
        "batch_size": 32,
        "validation_fraction": 0.3,
    },
    grids=(Grid(space=SPACE),),
    budgets={"smoke": {"epochs": 2}, "quick": {"epochs": 20}, "paper": {"epochs": 100}},
    figures=(
        Figure(name="hidden", kind="heat_map", title="Final validation loss", options=HEAT_MAP),
    ),
)
