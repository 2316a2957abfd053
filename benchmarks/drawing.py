"""The figures of the table, and the part of docs/performance.md that is made from it."""

from __future__ import annotations

import re
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.table import PROJECT, TIMES, Line, Place, Table, limit, lines_of, shown
from study.figures import style

PAGE = PROJECT / "docs" / "performance.md"
_CAPTIONS = {
    "ratios": "Ratios to the baselines, with the wanted minimum of each",
    "throughput": "Training steps per second of a fleet against the number of its members",
    "many-trials": "Seconds of a grid against the number of its trials",
}
_BLOCK = re.compile(r"(<!-- bench -->\n).*?(<!-- /bench -->)", re.DOTALL)


def draw(table: Table, folder: Path) -> None:
    """Write the figures of what the table has into `folder`, as SVG."""
    with style.styled():
        for name, figure in _figures(table).items():
            # A date would differ between two writes of equal figures.
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def _figures(table: Table) -> dict[str, Figure]:
    figures = {}
    if lines := [line for line in lines_of(table) if line.unit == TIMES and line.holds]:
        wanted = table[(table["unit"] == TIMES) & (table["holds"] != "")]
        figures["ratios"] = _ratios(list(wanted["row"]), lines)
    if lines := lines_of(table[table["row"] == "throughput"]):
        figures["throughput"] = _throughput(lines)
    if lines := lines_of(table[table["row"] == "many-trials"]):
        figures["many-trials"] = _many_trials(lines)
    return figures


def _ratios(rows: list[str], lines: list[Line]) -> Figure:
    """Draw a bar per ratio with a wanted minimum, and a mark at that minimum."""
    figure = Figure(figsize=(8, 0.9 + 0.42 * len(lines)), layout="constrained")
    axes = figure.subplots()
    places = range(len(lines))
    palette = style.colors(["yes", "no", "undecided"])
    axes.barh(
        places,
        [line.value for line in lines],
        xerr=[
            [line.value - line.low for line in lines],
            [line.high - line.value for line in lines],
        ],
        color=[palette[line.holds] for line in lines],
        ecolor=style.GREY,
        height=0.6,
    )
    axes.plot([line.at_least for line in lines], places, "|", ms=18, mew=2, color="black")
    axes.set_yticks(places, [f"{row}: {line.what}" for row, line in zip(rows, lines, strict=True)])
    axes.invert_yaxis()
    axes.set_xscale("log")
    style.plain_log_ticks(axes.xaxis)
    axes.set_xlabel("times as fast as the baseline (95% interval)")
    entries = [
        style.color_entry(f"minimum reached: {holds}", color)
        for holds, color in palette.items()
        if any(line.holds == holds for line in lines)
    ]
    mark = style.entry("wanted minimum", marker="|", color="black", size=12)
    figure.legend(handles=[*entries, mark], loc="outside upper center", ncols=4)
    return figure


def _throughput(lines: list[Line]) -> Figure:
    """Draw how many times as fast a fleet is against its number of members."""
    figure, axes = _log_axes("members of the fleet, K", "steps/s, relative to one after the other")
    axes.axhline(1, color=style.GREY, lw=0.8)
    _curves(axes, lines, ", K = ")
    return figure


def _many_trials(lines: list[Line]) -> Figure:
    """Draw the seconds of the whole command against the number of trials."""
    figure, axes = _log_axes("trials", "seconds of the whole command")
    _curves(axes, lines, " trials, ", name_last=True)
    return figure


def _log_axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    return figure, axes


def _curves(axes: Axes, lines: list[Line], divider: str, *, name_last: bool = False) -> None:
    """Draw a curve with its intervals for each name in front of (or behind) `divider`."""
    curves: dict[str, list[Line]] = {}
    for line in lines:
        curves.setdefault(line.what.split(divider)[-1 if name_last else 0], []).append(line)
    palette, markers = style.colors(list(curves)), style.markers(list(curves))
    for name, points in curves.items():
        at, values = [p.x for p in points], [p.value for p in points]
        axes.plot(at, values, marker=markers[name], color=palette[name], label=name)
        style.add_band(axes, at, [p.low for p in points], [p.high for p in points], palette[name])
    for axis in (axes.xaxis, axes.yaxis):
        style.plain_log_ticks(axis)
    axes.xaxis.set_ticks(sorted({line.x for line in lines}))
    axes.legend()


def update_page(page: Path, table: Table) -> None:
    """Replace what the page shows of the table."""
    page.write_text(with_block(page.read_text(encoding="utf-8"), table), encoding="utf-8")


def with_block(text: str, table: Table) -> str:
    """Return the text of the page with its block made from the table."""
    return _BLOCK.sub(lambda found: f"{found[1]}{block(table)}{found[2]}", text)


def block(table: Table) -> str:
    """Return the table, its conditions and its figures as Markdown."""
    out = [
        "| row | baseline | measured | wanted, and whether it holds |",
        "| --- | --- | --- | --- |",
    ]
    # Curves have figures of their own.
    for (row, baseline), part in table[table["x"].isna()].groupby(["row", "baseline"], sort=False):
        for line in lines_of(part):
            out.append(f"| `{row}`: {line.what} | {baseline} | {shown(line)} | {limit(line)} |")
    out += ["", "Behind the numbers:", ""]
    noted = table[(table["note"] != "") & table["x"].isna()]
    for row, what, note in noted[["row", "what", "note"]].itertuples(index=False):
        out.append(f"- `{row}`, {what}: {note}.")
    out += ["", "| measured | machine | versions | rows |", "| --- | --- | --- | --- |"]
    for place, part in table.groupby(list(Place.__annotations__), sort=False):
        date, machine, cores, load, versions, commit = place
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(part["row"]))
        on = f"{machine}, {cores} cores, load average {load:g}"
        out.append(f"| {date}, commit {commit} | {on} | {versions} | {names} |")
    for name in _figures(table):
        out += ["", f"![{_CAPTIONS[name]}](results/bench/{name}.svg)"]
    return "\n".join([*out, ""])
