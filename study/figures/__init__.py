"""How results are drawn: one kind of figure per file, one shared style.

A module here other than `draw` and `style` is a kind that `search_spaces.study.Figure` can
name. It has a function `draw(results, title, **options)` that returns its figures by the
suffix of their file names (usually one, with none). Imports neither Ray nor torch.
"""

from study.analysis.results import ReportError


class FigureError(ReportError):
    """A figure that cannot be drawn as declared; the message is one line."""
