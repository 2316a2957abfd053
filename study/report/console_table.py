"""Tables on the terminal: no wider than it is, no number ever broken."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_NUMERIC = re.compile(r"[-+±\d.,%e\s]*")
_GAP = 2  # spaces between columns


def print_table(
    console: Console, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print `rows` under `headers`, in records of one line per column if the table is too wide.

    Columns that hold the same value in every row are printed once below the table. Text wraps at
    spaces; numbers stay whole.
    """
    constant = {
        header: cells[0]
        for header, cells in zip(headers, zip(*rows, strict=True), strict=True)
        if len(rows) > 1 and len(set(cells)) == 1 and header != headers[0]
    }
    kept = [i for i, header in enumerate(headers) if header not in constant]
    headers = [headers[i] for i in kept]
    rows = [[row[i] for i in kept] for row in rows]
    console.print()
    console.print(Text(title, style="bold"))
    if table := _table(console, headers, rows):
        console.print(table, soft_wrap=False)
    else:
        _print_records(console, headers, rows)
    if constant:
        same = ", ".join(f"{header} {value}" for header, value in constant.items())
        console.print(f"Same in all rows: {same}.", soft_wrap=False)


def _is_numeric(cells: Sequence[str]) -> bool:
    return all(_NUMERIC.fullmatch(cell) for cell in cells)


def _table(console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table | None:
    """Return the table, or None if it does not fit even with every header and text wrapped."""
    columns = list(zip(headers, zip(*rows, strict=True), strict=True))
    # A frame helps the eye. In a file or a pipe it is in the way. Its dividers are blank.
    frame = box.HORIZONTALS if console.is_terminal else None
    gap = _GAP - 1 if frame else _GAP
    table = Table(box=frame, padding=(0, gap, 0, 0), pad_edge=False)
    spare = console.width - _GAP * len(columns) - (1 if frame else 0)
    spare -= sum(_min_width(header, cells) for header, cells in columns)
    if spare < 0:
        return None
    for header, cells in columns:
        width = _min_width(header, cells)
        wanted = max(map(len, (header, *cells))) - width
        justify: Literal["left", "right"] = "right" if _is_numeric(cells) else "left"
        table.add_column(header, justify=justify, width=width + min(wanted, spare))
        spare -= min(wanted, spare)
    for row in rows:
        table.add_row(*row)
    return table


def _min_width(header: str, cells: Sequence[str]) -> int:
    """Return the width of a column whose header and text wrap at every space."""
    if _is_numeric(cells):
        return max(_longest_word(header), *map(len, cells))
    return max(map(_longest_word, (header, *cells)))


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _print_records(console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    width = max(map(len, headers[1:]))
    for row in rows:
        console.print(Text(f"{headers[0]} {row[0]}".strip(), style="bold"), soft_wrap=False)
        record = Table.grid(padding=(0, _GAP, 0, 0))
        record.add_column(width=width + _GAP)
        record.add_column()
        for header, cell in zip(headers[1:], row[1:], strict=True):
            record.add_row(f"  {header}", cell)
        console.print(record, soft_wrap=False)
