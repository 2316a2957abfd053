"""Tables as Markdown for a README and as LaTeX for a paper, beside their CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
}


def write_text_tables(
    csv: Path, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Write the table beside `csv` as .md and as .tex; the .tex needs the package booktabs.

    Raises: OSError if a file cannot be written.
    """
    csv.with_suffix(".md").write_text(markdown(title, headers, rows), "utf-8", "replace")
    csv.with_suffix(".tex").write_text(latex(title, headers, rows), "utf-8", "replace")


def markdown(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table below its title."""

    def line(cells: Sequence[str]) -> str:
        escaped = (" ".join(cell.split()).replace("\\", "\\\\") for cell in cells)
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in escaped)} |"

    ruler = f"|{' --- |' * len(headers)}"
    return "\n".join([f"{title}", "", line(headers), ruler, *map(line, rows), ""])


def latex(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a LaTeX table with its title as the caption."""

    def line(cells: Sequence[str]) -> str:
        return f"{' & '.join(map(_escaped, cells))} \\\\"

    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_escaped(title)}}}",
            rf"\begin{{tabular}}{{{'l' * len(headers)}}}",
            r"\toprule",
            line(headers),
            r"\midrule",
            *map(line, rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))
