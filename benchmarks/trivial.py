"""Trials that hardly train, so that their duration is the overhead of a trial.

    python -m study.grid benchmarks.trivial:GRID --seeds 100
    python -m study.search benchmarks.trivial:SEARCH

One step of softmax regression on 32 of scikit-learn's digits.
"""

from dataclasses import replace

from search_spaces.space import Choice, Dimension, Range
from search_spaces.study import Grid, Study

_ONE_STEP = {"epochs": None, "steps": 1}

GRID = Study(
    name="trivial",
    question="How long does a trial take that hardly trains?",
    source="benchmarks/trivial.py",
    fixed={
        "dataset": "digits",
        "model": "softmax",
        "batch_size": 32,
        "train_samples": 64,
        "validation_fraction": 0.01,
        "test_at_end": False,
    },
    grids=(Grid(space={"lr": (0.1,)}),),
    budgets={"smoke": _ONE_STEP, "quick": _ONE_STEP, "paper": _ONE_STEP},
)

SEARCH = replace(
    GRID,
    name="trivial-search",
    grids=(Grid(space={}),),
    space=(
        Dimension("optimizer", Choice(("sgd", "adam", "rmsprop"))),
        Dimension("lr", Range(1e-4, 1.0, log=True)),
        Dimension("weight_decay", Range(1e-6, 1e-2, log=True)),
    ),
)
