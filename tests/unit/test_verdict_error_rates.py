"""Rates of false verdicts: bounded, and as docs/verdicts.md prints them."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from benchmarks import verdict_error_rates as simulation

PAGE = Path(__file__).parents[2] / "docs" / "verdicts.md"
SAMPLES = 100


def printed() -> dict[tuple[str, str, str], list[str]]:
    """Return the cells of the page by table, effect and noise."""
    cells, title = {}, ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
        elif line.startswith("| ") and not line.startswith(("| effect", "| ---")):
            effect, noise, *rates = (cell.strip() for cell in line.strip("|").split("|"))
            cells[title, effect, noise] = rates
    return cells


def agrees(rates: tuple[float, float], cell: str) -> bool:
    """Return whether percentages of few samples may be those that the cell prints."""
    shares = [float(text) / 100 for text in cell.split("/")]
    return all(
        # Four standard errors, and a sample for what is never seen among these few.
        abs(rate / 100 - share) <= 4 * math.sqrt(share * (1 - share) / SAMPLES) + 1 / SAMPLES
        for rate, share in zip(rates, shares, strict=True)
    )


def test_the_page_has_a_row_per_simulated_cell() -> None:
    for claim, (_, _, noises) in simulation.CLAIMS.items():
        title = claim[0].upper() + claim[1:]
        rows = [(effect, noise) for name, effect, noise in printed() if name == title]
        assert rows == list(itertools.product(simulation.EFFECTS, noises))


@pytest.mark.parametrize("claim", simulation.CLAIMS)
def test_false_verdicts_are_as_rare_as_printed(claim: str) -> None:
    """Without an effect, each verdict is false. The opposite of a claim is never reproduced."""
    page, title = printed(), claim[0].upper() + claim[1:]
    for noise, seeds in itertools.product(simulation.CLAIMS[claim][2], simulation.SEEDS):
        for effect in ("none", "large, opposite"):
            found = simulation.rates(claim, noise, effect, seeds, SAMPLES)
            cell = page[title, effect, noise][simulation.SEEDS.index(seeds)]
            assert agrees(found, cell), (noise, effect, seeds, found, cell)


@pytest.mark.parametrize("claim", simulation.ADDED_TO)
def test_false_verdicts_with_added_seeds_are_as_rare_as_printed(claim: str) -> None:
    for more, noise in itertools.product(simulation.MORE, simulation.CLAIMS[claim][2]):
        found = simulation.rates_after_more(claim, noise, 5, more, SAMPLES)
        row = printed()[
            "No effect, and seeds added to undecided claims",
            f"{claim}, {more} times as many",
            noise,
        ]
        cell = row[simulation.SEEDS.index(5)]
        assert agrees(found, cell), (more, noise, found, cell)


def test_the_printed_rates_keep_what_the_page_says() -> None:
    for (title, effect, noise), cells in printed().items():
        rates = [[float(text) for text in cell.split("/")] for cell in cells]
        if title.startswith("Reproduced without") and effect in ("level 99%", "level 99.9%"):
            assert all(rate <= 7 for (rate,) in rates)
        elif title.startswith("No effect") and noise in ("normal", "heavy tails"):
            assert all(rate <= 6 for pair in rates for rate in pair)
        elif title.startswith("Equivalent") and effect != "0":
            assert all(rate <= 5 for (rate,) in rates)
        elif effect == "large, opposite":
            assert all(reproduced == 0 for reproduced, _ in rates)
        elif effect == "none" and noise in ("normal", "heavy tails"):
            assert all(rate <= 3.5 for pair in rates for rate in pair)
