"""Figures and tables that all scaling studies share."""

from __future__ import annotations

from collections.abc import Mapping

from search_spaces.study import Figure, Table


def figures(published: Mapping[int, float] | None = None, source: str = "") -> tuple[Figure, ...]:
    """Return the figures of a study of `python -m study.scaling`.

    `published`: training seconds in a report, by number of GPUs. `source`: suffix of the title,
    such as " (Author, figure 1)".
    """
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
    Table(name="start-up", kind="start_up", title="Start-up time before the first training step"),
    Table(name="step-time", kind="step_time", title="Step-time model: predicted and measured"),
)
