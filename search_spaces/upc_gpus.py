"""Valério (UPC), "High-Performance Computing Aspects of Deep Learning", exercise 4: GPUs.

The best net of exercise 3 (`upc_batches`), data-parallel: `python -m study.scaling upc-gpus`.
`nn.DataParallel` does not support its dropout: `--strategies ddp,dp --set dropout=0`.
"""

from search_spaces import hardware
from search_spaces.study import Claim, Grid, Study, Table

_SOURCE = "João Valério, High-Performance Computing Aspects of Deep Learning (UPC), "
_SECONDS_BY_GPUS = {1: 19.254, 2: 18.463, 4: 18.234}

SAME_TIME = Claim(
    name="gpus-take-the-same-time",
    source="Valério, table 5.1",
    statement="1, 2 and 4 GPUs take the same time (within 10 %, here).",
    published="19.254, 18.463 and 18.234 s",
    kind="time_ratio",
    options={"of": (("gpu", 2), ("gpu", 4)), "to": ("gpu", 1), "above": 0.9, "below": 1.1},
)

MORE_COMPLEX_MORE_GAIN = Claim(
    name="more-complex-more-gain",
    source="Valério, exercise 4",
    statement="The more complex the net, the more time GPUs save (the time of 2 and 4 GPUs as a "
    "multiple of that of 1 is less for a wider net, here: --set width=1,4).",
    published="none",
    kind="wider_gains_more",
    options={"of": (("gpu", 2), ("gpu", 4)), "to": ("gpu", 1)},
)

STUDY = Study(
    name="upc-gpus",
    question="Does the training time of the best net fall with 1, 2 and 4 GPUs?",
    source=_SOURCE + "exercise 4, table 5.1",
    fixed={
        "dataset": "mnist",
        "model": "deep-mnist",
        "optimizer": "tf1-adam",
        "lr": 0.001,
        "batch_size": 150,
        "dropout": 0.5,
        "schedule": "exponential",
        "gamma": 0.95,
        "epochs": None,
    },
    grids=(Grid(space={"batch_size": (150,)}),),
    budgets={
        "smoke": {"steps": 4, "train_samples": 256},
        "quick": {"steps": 100, "record_every": 25},
        "paper": {"steps": 5_000, "record_every": 100},
    },
    workers=(1, 2, 4),
    figures=hardware.figures(
        _SECONDS_BY_GPUS, "GPUs of the report's P9 cluster", "Valério, table 5.1"
    ),
    tables=(
        Table(
            name="table-5.1",
            kind="worker_times",
            title="Training time by number of GPUs (Valério, table 5.1)",
            options={"published": _SECONDS_BY_GPUS},
        ),
        *hardware.TABLES,
    ),
    claims=(SAME_TIME, MORE_COMPLEX_MORE_GAIN),
)
