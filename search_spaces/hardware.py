"""What the studies of numbers of workers show alike, ours beside what was published."""

from __future__ import annotations

from collections.abc import Mapping

from search_spaces.study import Figure, Table


def figures(published: Mapping[int, float] | None = None, source: str = "") -> tuple[Figure, ...]:
    """The figures of a study that is run by `python -m study.scaling`; `published` are a report's
    seconds by number of GPUs, and `source` says where."""
    return (
        Figure(
            name="hardware",
            kind="hardware",
            title=f"Total training time and speed by number of workers{source}",
            options={"published": published} if published else {},
        ),
        Figure(
            name="time-shares",
            kind="time_shares",
            title="Where the time of a training step goes",
            options={},
        ),
        Figure(
            name="worker-curves",
            kind="worker_curves",
            title="Learning curves by number of workers, the batch shared (strong scaling)",
            options={},
        ),
        Figure(
            name="break-even",
            kind="break_even",
            title="From which batch on several workers are faster than one",
            options={},
        ),
    )


TABLES = (
    Table(
        name="strong-scaling",
        kind="speedup",
        title="Strong scaling: the same batch over more workers",
        options={"weak": False, "target": 0.9},
    ),
    Table(
        name="weak-scaling",
        kind="speedup",
        title="Weak scaling: the same batch for each worker",
        options={"weak": True, "target": 0.9},
    ),
    Table(
        name="worker-learning",
        kind="worker_learning",
        title="Is the learning the same? Last record of several workers, less that of one",
    ),
    Table(name="launchers", kind="launchers", title="What Ray costs over torchrun and no launcher"),
    Table(name="start-up", kind="start_up", title="Start-up, before the first training step"),
    Table(name="step-time", kind="step_time", title="The model of a step's time, tested"),
)
