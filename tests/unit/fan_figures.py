"""Fan's figures of made-up results, and what tests read off them."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.lines import Line2D

from study.analysis.results import Results
from study.figures import curves


def draw_fan(results: Results, quantity: str = "accuracy", optimizer: str = "sgd") -> Picture:
    """Draw figure 1 (or 2, 3, 4) of Fan's study from these results."""
    options = curves.Options(
        where={"optimizer": optimizer}, quantity=quantity, panel="batch_size", line="lr"
    )
    (figure,) = curves.draw(results, "A title", options).values()
    return figure


def curves_of(axes: Axes) -> list[Line2D]:
    """Return the lines that are curves, without marks of endings and thin single seeds."""
    return [line for line in axes.lines if line.get_linestyle() != "None" and line.get_lw() > 1]


def marks_of(axes: Axes, marker: str = "x") -> list[Line2D]:
    return [line for line in axes.lines if line.get_marker() == marker]


def legend_of(figure: Picture) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts() if text.get_text().strip()]


def written_on(figure: Picture) -> str:
    return "\n".join(text.get_text() for text in figure.texts)
