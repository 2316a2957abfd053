"""Tables on the terminal, never wider than the terminal and without a broken number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_NUMERIC = re.compile(r"[-+±\[\]\d.,%e\s]*")
_MEAN = re.compile(r" ± |\[[^]]*\]")
_GAP = 2  # spaces between columns
_MAX_TEXT = 60
"""A column with a text longer than this has its texts printed once each, as footnotes."""
_SHORT = 12
_UNSET = {"default", "-"}


@dataclass(frozen=True)
class _Column:
    header: str
    cells: tuple[str, ...]

    @property
    def is_numeric(self) -> bool:
        return all(_NUMERIC.fullmatch(cell) for cell in self.cells)

    @property
    def full_width(self) -> int:
        return max(map(len, (self.header, *self.cells)))

    @property
    def min_width(self) -> int:
        """The width if the header and text wrap at every space."""
        if self.is_numeric:
            return max(_longest_word(self.header), *map(len, self.cells))
        return max(map(_longest_word, (self.header, *self.cells)))


def print_table(
    console: Console, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print `rows` under `headers`, or each row as a record if the table is too wide.

    Columns that hold the same value in every row are printed once, above the table, unless only the
    first column would remain. Long texts are printed once each, below the table. Text wraps at
    spaces; numbers stay whole.
    """
    columns = [_Column(h, c) for h, c in zip(headers, zip(*rows, strict=True), strict=True)]
    constant = [c for c in columns[1:] if len(rows) > 1 and len(set(c.cells)) == 1]
    if len(constant) == len(columns) - 1:
        constant = []  # a single column would be no table
    columns = [column for column in columns if column not in constant]
    notes: dict[str, int] = {}
    columns = [columns[0], *(_with_footnotes(column, notes) for column in columns[1:])]
    console.print()
    console.print(Text(title, style="bold"))
    if constant:
        same = ", ".join(f"{column.header} {column.cells[0]}" for column in constant)
        console.print(f"Same in all rows: {same}.")
    if _total(columns) <= _line_width(console):
        console.print(_table(console, columns), soft_wrap=False)
    else:
        _print_records(console, columns)
    for note, number in notes.items():
        console.print(f"  [{number}]  {note}")


def _with_footnotes(column: _Column, notes: dict[str, int]) -> _Column:
    """Replace the long texts of a column by the numbers of their footnotes."""
    if column.is_numeric or max(map(len, column.cells)) <= _MAX_TEXT:
        return column
    texts = [cell for cell in column.cells if len(cell) > _SHORT]
    for text in texts:
        notes.setdefault(text, len(notes) + 1)
    cells = (f"[{notes[cell]}]" if cell in texts else cell for cell in column.cells)
    return replace(column, cells=tuple(cells))


def _print_records(console: Console, columns: Sequence[_Column]) -> None:
    """Print each row as `header: cell` pairs; a pair that fits in a line is never broken.

    Cells without a value are left out.
    """
    for row in zip(*(column.cells for column in columns), strict=True):
        pairs = [
            f"{column.header}: {cell}"
            for column, cell in zip(columns, row, strict=True)
            if cell not in _UNSET
        ]
        lines = [pairs[0]]
        for pair in pairs[1:]:
            if len(lines[-1]) + len(pair) + 3 > console.width:
                lines[-1] += ","
                lines.append(f"    {pair}")
            else:
                lines[-1] += f", {pair}"
        console.print("\n".join(lines))


def _line_width(console: Console) -> int:
    """Return the characters for columns and gaps, without a frame's blanks at both ends."""
    return console.width - 2 if console.is_terminal else console.width


def _total(columns: Sequence[_Column]) -> int:
    return sum(column.min_width for column in columns) + _GAP * (len(columns) - 1)


def _table(console: Console, columns: Sequence[_Column]) -> Table:
    # A frame helps the eye, but is in the way in a file or a pipe. Its dividers are blank.
    frame = box.HORIZONTALS if console.is_terminal else None
    gap = _GAP - 1 if frame else _GAP
    table = Table(box=frame, padding=(0, gap, 0, 0), pad_edge=False)
    spare = max(0, _line_width(console) - _total(columns))
    for column in columns:
        extra = min(column.full_width - column.min_width, spare)
        spare -= extra
        justify: Literal["left", "right"] = "right" if column.is_numeric else "left"
        table.add_column(column.header, justify=justify, width=column.min_width + extra)
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    return table


def _longest_word(text: str) -> int:
    # "98.9 ± 0.3" and "[97.1, 98.8]" stay on one line.
    whole_means = _MEAN.sub(lambda found: found[0].replace(" ", "_"), text)
    return max(map(len, whole_means.split()), default=0)
