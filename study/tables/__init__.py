"""How results are tabulated: one kind of table per file, one way to write a cell.

A module here other than `make` and `cells` is a kind that `search_spaces.study.Table` can
name. It has a function `make(results, **options) -> pandas.DataFrame` that returns the table,
every cell as text and every column named in words, or an empty frame if no trial of the run
belongs to it. Imports neither Ray nor torch.
"""

from study.analysis.results import ReportError


class TableError(ReportError):
    """A table that cannot be made as declared; the message is one line."""
