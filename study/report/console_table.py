"""Tables on the terminal: no wider than it is, no number ever broken."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_NUMERIC = re.compile(r"[-+±\d.,%e\s]*")
_GAP = 2  # spaces between columns


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
    """Print `rows` under `headers`, as several tables below each other if one is too wide.

    Each of them repeats the first columns that tell the rows apart. Columns that hold the same
    value in every row are printed once below. Text wraps at spaces; numbers stay whole.
    """
    columns = [_Column(h, c) for h, c in zip(headers, zip(*rows, strict=True), strict=True)]
    constant = [c for c in columns[1:] if len(rows) > 1 and len(set(c.cells)) == 1]
    columns = [column for column in columns if column not in constant]
    console.print()
    console.print(Text(title, style="bold"))
    for i, group in enumerate(_groups(columns, _line_width(console))):
        if i:
            console.print()
        console.print(_table(console, group), soft_wrap=False)
    if constant:
        same = ", ".join(f"{column.header} {column.cells[0]}" for column in constant)
        lines = textwrap.wrap(
            f"Same in all rows: {same}.",
            console.width,
            break_long_words=False,
            break_on_hyphens=False,
        )
        console.print("\n".join(lines))


def _line_width(console: Console) -> int:
    """Return the characters for columns and gaps; a frame has blanks at both ends."""
    return console.width - 2 if console.is_terminal else console.width


def _groups(columns: Sequence[_Column], width: int) -> list[list[_Column]]:
    """Split the columns into groups that fit side by side, the keys of the rows in each."""
    keys = _keys(columns)
    groups: list[list[_Column]] = []
    group = list(keys)
    for column in columns[len(keys) :]:
        if _total([*group, column]) > width and len(group) > len(keys):
            groups.append(group)
            group = list(keys)
        group.append(column)
    return [*groups, group]


def _keys(columns: Sequence[_Column]) -> list[_Column]:
    """Return the first columns, at least one, that together differ in every row."""
    for count in range(1, len(columns)):
        rows = list(zip(*(column.cells for column in columns[:count]), strict=True))
        if len(set(rows)) == len(rows):
            return list(columns[:count])
    return list(columns[:1])


def _total(columns: Sequence[_Column]) -> int:
    return sum(column.min_width for column in columns) + _GAP * (len(columns) - 1)


def _table(console: Console, columns: Sequence[_Column]) -> Table:
    # A frame helps the eye. In a file or a pipe it is in the way. Its dividers are blank.
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
    whole_means = text.replace(" ± ", "_±_")  # "98.9 ± 0.3" stays on one line
    return max(map(len, whole_means.split()), default=0)
