"""The table of all speed claims: a line per measured ratio, kept in table.csv and printed as text.

`python -m benchmarks` measures it, docs/performance.md shows it.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import platform
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lenet.config import ConfigError
from lenet.devices import name_of_device, processor

if TYPE_CHECKING:
    from benchmarks.row import Row

PROJECT = Path(__file__).parents[1]
FOLDER = PROJECT / "docs" / "results" / "bench"
TABLE = "table.csv"
TEXT = "table.txt"

TIMES = "times as fast"
_VERSIONS = ("torch", "ray", "optuna")
_WIDTH = 80


@dataclass(frozen=True)
class Line:
    """One measured number, in most cases the ratio to a baseline of the same run."""

    what: str
    """what was measured, such as `K = 64, one seed`"""
    unit: str
    """of `value`; `TIMES` for a ratio of durations, baseline / ours"""
    value: float
    """median over rounds"""
    low: float
    """95% interval of the median; NaN if there was one round"""
    high: float
    rounds: int
    at_least: float = math.nan
    """the wanted minimum; NaN: there is none"""
    at_most: float = math.nan
    """the wanted maximum; NaN: there is none"""
    x: float = math.nan
    """position in a figure: number of members, or of trials"""
    note: str = ""
    """the measured numbers behind the value, and how it was extrapolated"""

    @property
    def holds(self) -> str:
        """`yes` or `no` if the whole interval lies on one side of the limit, else `undecided`.

        Empty without a limit.
        """
        low, high = (self.value, self.value) if math.isnan(self.low) else (self.low, self.high)
        if not math.isnan(self.at_most):
            low, high, limit = -high, -low, -self.at_most
        else:
            limit = self.at_least
        if math.isnan(limit):
            return ""
        return "yes" if low >= limit else "no" if high < limit else "undecided"


@dataclass(frozen=True)
class Place:
    """Where and when a row was measured."""

    date: str
    machine: str
    cores: int
    load: float
    """load average when the row began: other work that slows what is measured"""
    versions: str
    commit: str

    @classmethod
    def here(cls) -> Place:
        """Describe this machine and the installed versions, now."""
        versions = [f"python {platform.python_version()}"]
        versions += [f"{name} {version}" for name, version in _installed()]
        return cls(
            date=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
            machine=_machine(),
            cores=len(os.sched_getaffinity(0)),
            load=round(os.getloadavg()[0], 1),
            versions=", ".join(versions),
            commit=_commit(),
        )


def _installed() -> Iterator[tuple[str, str]]:
    for name in _VERSIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def _machine() -> str:
    """Return the processor and, if torch is loaded and sees one, the GPU."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return processor()
    return f"{processor()}, {device('cuda')}"


def device(name: str) -> str:
    """Return the name of the hardware of a torch device, `cpu` or `cuda`."""
    return name_of_device(use_gpu=name == "cuda")


def _commit() -> str:
    """Return the commit of the checkout, with `+` if files differ from it; empty without git."""
    try:
        named = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return named.stdout.strip()


Table = pd.DataFrame


def rows(name: str, baseline: str, lines: Sequence[Line], place: Place, seconds: float) -> Table:
    """Return the part of the table that is one row of the list of benchmarks."""
    shared = {"row": name, "baseline": baseline}
    return pd.DataFrame(
        [
            {
                **shared,
                **asdict(line),
                "holds": line.holds,
                **asdict(place),
                "seconds": round(seconds, 1),
            }
            for line in lines
        ]
    )


def measure(row: Row, quick: bool, folder: Path, order: Sequence[str]) -> bool:
    """Measure a row; print and write each of its lines at once. Return False if it fails."""
    place, started = Place.here(), time.perf_counter()
    print(f"\n{row.name}, against {row.baseline}", flush=True)
    lines: list[Line] = []
    try:
        for line in row.measure(quick):
            lines.append(line)
            print("\n".join(printed(line)), flush=True)
            seconds = time.perf_counter() - started
            write(folder, rows(row.name, row.baseline, lines, place, seconds), order)
    except (ConfigError, RuntimeError) as error:
        print(f"  not measured: {error}", file=sys.stderr)
        return False
    return True


def read(folder: Path) -> Table:
    """Return the table in `folder`; empty if there is none."""
    file = folder / TABLE
    if not file.exists():
        return pd.DataFrame({"row": pd.Series(dtype=str)})
    text = {"note": str, "holds": str, "commit": str}
    return pd.read_csv(file, dtype=text).fillna(dict.fromkeys(text, ""))


def write(folder: Path, new: Table, order: Iterable[str]) -> Table:
    """Replace the rows of `new` in the table of `folder`; return the whole table.

    Rows are in `order`; a row that is not in it no longer exists, and is dropped.
    """
    old = read(folder)
    kept = old[~old["row"].isin(set(new["row"]))]
    whole = pd.concat([kept, new] if len(kept) else [new], ignore_index=True)
    position = {name: number for number, name in enumerate(order)}
    whole = whole[whole["row"].isin(position)]
    whole = whole.sort_values("row", key=lambda names: names.map(position), kind="stable")
    folder.mkdir(parents=True, exist_ok=True)
    whole.to_csv(folder / TABLE, index=False, float_format="%.5g")
    whole = read(folder)
    (folder / TEXT).write_text(text(whole), encoding="utf-8")
    return whole


def text(table: Table) -> str:
    """Return the table as text, 80 columns wide."""
    out = ["Speed of this project against named baselines: python -m benchmarks", ""]
    for place, part in table.groupby(list(Place.__annotations__), sort=False):
        date, machine, cores, load, versions, commit = place
        found = ", ".join(dict.fromkeys(part["row"]))
        out += _wrapped(f"{date}, {machine}, {cores} cores, load average {load:g}, commit {commit}")
        out += _wrapped(f"{versions}: {found}")
    out += [
        "",
        "Medians over rounds with 95% bootstrap intervals; each round measures ours and",
        "the baseline in turn. A limit holds if the whole interval does.",
    ]
    for name, part in table.groupby("row", sort=False):
        out += ["", *_wrapped(f"{name}, against {part['baseline'].iloc[0]}")]
        for line in lines_of(part):
            out += printed(line)
    return "\n".join([*out, ""])


def printed(line: Line) -> list[str]:
    """Return a line of the table as text, its note below it."""
    first = f"  {line.what:<28}{shown(line):<32}{limit(line)}".rstrip()
    return [first, *(f"    {text}" for text in textwrap.wrap(line.note, _WIDTH - 4))]


def lines_of(table: Table) -> list[Line]:
    """Return the lines of a part of the table."""
    names = list(Line.__annotations__)
    return [Line(*values) for values in table[names].itertuples(index=False)]


def shown(line: Line) -> str:
    """Return the value with its interval and unit: `16.0x [11.7, 24.7]`."""
    unit = "x" if line.unit == TIMES else f" {line.unit}"
    interval = "" if math.isnan(line.low) else f" [{_number(line.low)}, {_number(line.high)}]"
    return f"{_number(line.value)}{unit}{interval}"


def limit(line: Line) -> str:
    """Return the wanted limit and whether it holds: `at least 20: no`; empty without a limit."""
    if not line.holds:
        return ""
    word, number = ("most", line.at_most) if math.isnan(line.at_least) else ("least", line.at_least)
    return f"at {word} {number:g}: {line.holds}"


def _number(value: float) -> str:
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _wrapped(text: str, width: int = _WIDTH) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ")
