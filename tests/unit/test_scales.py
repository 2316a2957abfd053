"""Scales of the axes of figures: by errors, logarithmic or linear, and how far they reach."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import LogNorm

from search_spaces import objective
from study.figures import scales, style


@pytest.mark.parametrize(
    ("quantity", "values", "scale"),
    [
        ("accuracy", [10, 98], "function"),
        ("accuracy", [10, 85], "linear"),
        ("accuracy", [98.0, 99.5], "linear"),
        ("accuracy", [100, 100], "linear"),
        ("accuracy", [50, 99, 100], "function"),
        ("loss", [0.1, 2], "log"),
        ("loss", [0.0, 2], "linear"),
        ("observed_W", [-1, 1], "linear"),
    ],
)
def test_the_scale_fits_the_values(quantity: str, values: list[float], scale: str) -> None:
    with style.styled():
        _, (axes,) = style.panels(1)
        scales.set_scale(axes, "y", quantity, values)
        low, high = axes.get_ylim()
    assert axes.get_yscale() == scale
    assert low <= min(values) < max(values) + 1e-9
    assert high >= max(values) - (1 if 100 in values else 0)  # 100% is at the edge of errors


@pytest.mark.parametrize(
    ("metric", "low", "high", "scale"),
    [("recall", 0.0, 1.0, "linear"), ("surprise", 0.0, None, "log"), ("score", None, None, "log")],
)
def test_an_own_metric_with_two_ends_has_a_linear_scale(
    metric: str, low: float | None, high: float | None, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(objective._RANGES, metric, (low, high))
    with style.styled():
        _, (axes,) = style.panels(1)
        scales.set_scale(axes, "y", f"validation_{metric}", [0.04, 0.9])
    assert axes.get_yscale() == scale
    norm, _ = scales.color_norm(f"validation_{metric}", [0.04, 0.9])
    assert isinstance(norm, LogNorm) is (scale == "log")


def test_each_accuracy_has_its_own_place_up_to_100() -> None:
    scale = scales.ErrorScale.fit("accuracy", [84, 97, 98.99, 100], optional=[56, 99.99])
    assert scale is not None
    assert scale.low < 56
    assert (scale.high, scale.ticks[-1]) == (100, 100)
    accuracies = [56, 84, 96.9, 97, 97.1, 98.99, 99.99, 100]
    places = scale.forward(accuracies)
    assert list(places) == sorted(set(places))
    assert list(scale.inverse(places)) == pytest.approx(accuracies)


def test_ticks_keep_their_distance_from_100() -> None:
    scale = scales.ErrorScale.fit("accuracy", [84, 99, 100])
    assert scale is not None
    gaps = np.diff(scale.forward(scale.ticks))
    assert list(scale.ticks) == [90, 95, 98, 99, 99.5, 100]
    assert min(gaps) > 0.2


@pytest.mark.parametrize(
    ("quantity", "values", "close", "far"),
    [
        ("accuracy", [10, 40], [1, 54], [60]),
        ("accuracy", [84, 97, 98.99, 100], [56, 99.99], []),
        ("accuracy", [50, 97], [99], [99.99]),
        ("loss", [0.1, 10], [0.02, 90], [1000]),
        ("loss", [1, 2], [0.6, 2.4], [9]),
    ],
)
def test_an_axis_holds_ends_that_lie_close_to_the_values(
    quantity: str, values: list[float], close: list[float], far: list[float]
) -> None:
    with style.styled():
        _, (axes,) = style.panels(1)
        scales.set_scale(axes, "y", quantity, values, optional=[*close, *far])
    low, high = axes.get_ylim()
    assert all(low <= end <= high for end in close)
    assert not any(low <= end <= high for end in far)
    assert scales.are_cut(axes, "y", [*close, *far]) is bool(far)
