"""What all scaling studies share: launchers, strategies, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping

from search_spaces.study import Figure, Table

LAUNCHERS = ("ray", "torchrun", "plain")
"""Ray Train's TorchTrainer; torch's own launcher; one process without either."""

STRATEGIES = ("ddp", "explicit", "dp")
"""How several workers share the work of a step (`lenet.data_parallel`): DistributedDataParallel,
one process per worker; the same with one all-reduce after the backward pass; `nn.DataParallel`, one
plain process that drives several GPUs."""

SERIAL = "serial"
"""The strategy of a single worker."""


def figures(
    published: Mapping[int, float] | None = None, published_on: str = "", source: str = ""
) -> tuple[Figure, ...]:
    """Return the figures of a study of `python -m study.scaling`.

    `published`: seconds in a report, by number of GPUs. `published_on`: the report's device.
    `source`: the published figure or table, such as "Author, figure 1".
    """
    options = {"published": published, "published_on": published_on} if published else {}
    return (
        Figure(
            name="hardware",
            kind="hardware",
            title="Whole time, training time and speed by number of workers",
            source=source,
            options=options,
        ),
        Figure(
            name="time-shares",
            kind="time_shares",
            title="Time breakdown of a training step",
            options={},
        ),
        Figure(
            name="worker-curves",
            kind="worker_curves",
            title="Learning curves by number of workers (strong scaling: same global batch)",
            options={},
        ),
        Figure(
            name="break-even",
            kind="break_even",
            title="Break-even batch size: where several workers become faster than one",
            options={},
        ),
    )


TABLES = (
    Table(
        name="whole-time",
        kind="whole_time",
        title="Whole time T of the program, its parts, and speed v, by number of workers",
    ),
    Table(
        name="strong-scaling",
        kind="speedup",
        title="Strong scaling: the same global batch on more workers",
        options={"weak": False, "target": 0.9},
    ),
    Table(
        name="weak-scaling",
        kind="speedup",
        title="Weak scaling: the same batch per worker",
        options={"weak": True, "target": 0.9},
    ),
    Table(
        name="worker-learning",
        kind="worker_learning",
        title="Final metrics of several workers minus those of one",
    ),
    Table(
        name="launchers",
        kind="launchers",
        title="Cost of Ray compared with torchrun and with no launcher",
    ),
    Table(
        name="strategies",
        kind="strategies",
        title="DistributedDataParallel compared with other ways to share a step",
    ),
    Table(name="start-up", kind="start_up", title="Start-up time before the first training step"),
    Table(name="step-time", kind="step_time", title="Step-time model: predicted and measured"),
)
