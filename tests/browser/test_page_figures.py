"""Figures of the page in a real Chromium: axes, notes, labels, and which figures a run has."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from search_spaces import objective
from search_spaces.space import Choice, Dimension, Range
from study.analysis.results import Results
from study.analysis.wording import format_value
from study.report.findings import Findings
from study.report.page.write import write_page
from tests.browser.reading import CURVES, Open, column, small_validation_set
from tests.unit.made_up_run import EPOCHS, made_up_run


@pytest.mark.parametrize(
    ("choices", "labels", "legend"),
    [
        ({"lr": [0.1, 0.01]}, ["learning rate 0.01", "learning rate 0.1"], ""),
        ({"lr": [0.1, 0.001]}, ["0.001", "0.1"], "labels at the lines: learning rate"),
    ],
)
def test_the_lines_of_a_figure_are_labeled_in_one_way(
    choices: dict[str, list[float]],
    labels: list[str],
    legend: str,
    tmp_path: Path,
    open_page: Open,
) -> None:
    results = made_up_run(choices={**choices, "batch_size": [32], "optimizer": ["sgd"]})
    page = open_page(write_page([Findings(results, tmp_path)], tmp_path / "report.html"))
    assert sorted(page.locator(f"{CURVES} .line-label").all_text_contents()) == labels
    assert page.locator(f"{CURVES} .legend").inner_text().strip() == legend


def test_scales_are_logarithmic_on_request(made_up: Path, open_page: Open) -> None:
    page = open_page(made_up)
    page.locator(f"{CURVES} label", has_text="show").locator("select").select_option("train_loss")
    scale = page.locator(f"{CURVES} label", has_text="scale").locator("select")
    names = page.locator(f"{CURVES} .axis-name")
    scale.select_option("linear")
    expect(names.get_by_text("training loss", exact=True).first).to_be_attached()
    scale.select_option("log")
    expect(names.get_by_text("training loss, log", exact=True).first).to_be_attached()


RECALLS = {0.1: ([0.05, 0.05], [0.5, 0.5], [1.0, 1.0]), 0.01: ([0.0, 0.0], [0.0, 0.4], [0.0, 0.8])}
"""By learning rate: the metric of two seeds after the first, the second and all later epochs."""


def recalls(folder: Path, monkeypatch: pytest.MonkeyPatch, of: tuple[float, float]) -> Path:
    """Return the page of a run whose objective is a metric of the user's, from `of` low to high."""
    monkeypatch.setitem(objective._RANGES, "recall", of)
    monkeypatch.setitem(objective._MAXIMIZED, "recall", True)
    choices = {"lr": list(RECALLS), "batch_size": [32], "optimizer": ["sgd"]}
    results = made_up_run(seeds=2, choices=choices)
    of_trial = results.trials.set_index("trial")
    for table in (results.trials, results.records):
        table["validation_recall"] = [
            RECALLS[of_trial["lr"][trial]][min(int(epoch), 3) - 1][of_trial["seed"][trial]]
            for trial, epoch in zip(table["trial"], table["epoch"], strict=True)
        ]
    run = replace(results.run, objective="validation_recall")
    return write_page([Findings(replace(results, run=run), folder)], folder / "report.html")


def ends_of_bands(page: Page) -> list[list[tuple[float, float]]]:
    """Return the corners of each band of the learning curves, in pixels of the chart."""
    paths = page.locator(f"{CURVES} .band").evaluate_all(
        "all => all.map(at => at.getAttribute('d'))"
    )
    pairs = [re.findall(r"([\d.]+),([\d.]+)", path) for path in paths]
    return [[(float(x), float(y)) for x, y in path] for path in pairs]


def test_an_own_metric_from_0_to_1_has_a_linear_axis_with_its_zeros(
    tmp_path: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page(recalls(tmp_path, monkeypatch, (0.0, 1.0)))
    expect(page.locator(f"{CURVES} .axis-name", has_text="log")).to_have_count(0)
    for line in page.locator(f"{CURVES} .line").all():
        assert (line.get_attribute("d") or "").count(",") == EPOCHS  # no epoch is missing
    band = max(ends_of_bands(page), key=lambda path: max(y for _, y in path))
    lowest, highest = band[:EPOCHS], band[: -EPOCHS - 1 : -1]
    assert len({y for _, y in lowest}) == 1  # the lowest seed stays at 0
    rises = [lowest[0][1] - y for _, y in highest]
    assert rises[0] == 0
    assert rises[1] == pytest.approx(rises[2] / 2, abs=0.2)  # 0.4 and 0.8
    expect(page.locator(f"{CURVES} .note")).not_to_contain_text("logarithmic")
    assert column(page, "validation recall")[0] == "1 ± 0"  # as in the answer
    expect(page.locator("#answer .lead")).to_contain_text("validation recall 1 ± 0")


def test_a_logarithmic_axis_says_that_it_has_no_zeros(
    tmp_path: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page(recalls(tmp_path, monkeypatch, (0.0, 1.0)))
    for figure in (CURVES, "#final-1"):
        scale = page.locator(f"{figure} label", has_text="scale").locator("select")
        scale.select_option("log")
        expect(page.locator(f"{figure} .note")).to_contain_text("no place for 0 and below")
    # The frame ends where the grid does; the clip path cuts off the rest.
    grid = page.locator(f"{CURVES} .axes line").evaluate_all(
        "all => Math.max(...all.map(line => Number(line.getAttribute('y2'))))"
    )
    lowest = [max(y for _, y in path) for path in ends_of_bands(page)]
    assert max(lowest) > grid


def test_the_page_says_where_the_frame_cuts_off_intervals(tmp_path: Path, open_page: Open) -> None:
    path = write_page([small_validation_set("run", tmp_path)], tmp_path / "report.html")
    note = open_page(path).locator("#final-1 .note")
    expect(note).to_contain_text("Intervals need two seeds. Measured:")
    results = made_up_run(seeds=2, choices={"lr": [0.1], "batch_size": [32], "optimizer": ["sgd"]})
    # Two seeds 0.2 points apart: the interval is 12.7 times as wide as their distance.
    wide = write_page([Findings(results, tmp_path / "wide")], tmp_path / "wide.html")
    note = open_page(wide).locator("#final-1 .note")
    expect(note).to_contain_text("The frame cuts off those that reach far beyond all seeds.")


@pytest.mark.parametrize(("figure", "which"), [("#curves-1", "y"), ("#final-1", "x")])
def test_an_axis_of_errors_ends_at_100(
    figure: str, which: str, tmp_path: Path, open_page: Open
) -> None:
    page = open_page(write_page([small_validation_set("run", tmp_path)], tmp_path / "report.html"))
    read = f"""all => all.map(text => [text.textContent, Number(text.getAttribute('{which}'))])
        .filter(([text]) => text !== '' && !isNaN(text))"""
    texts = page.eval_on_selector_all(f"{figure} .axes text:not(.axis-name)", read)
    other = "y" if which == "x" else "x"
    read = f"all => all.map(text => Number(text.getAttribute('{other}')))"
    across = page.eval_on_selector_all(f"{figure} .axes text:not(.axis-name)", read)
    row = min(across) if which == "y" else max(across)
    ticks = {text: at for (text, at), place in zip(texts, across, strict=False) if place == row}
    assert set(ticks) >= {"90", "98", "100"}
    assert "99.9" not in ticks
    gaps = [abs(ticks[a] - ticks[b]) for a, b in (("100", "98"), ("98", "90"))]
    assert gaps[0] < 1.5 * gaps[1]  # most of the axis belongs to values that 33 samples can have


def test_a_sampled_number_makes_no_panels_by_itself(tmp_path: Path, open_page: Open) -> None:
    choices = {"lr": [0.1, 0.01], "batch_size": [32, 64, 128], "optimizer": ["sgd"]}
    results = made_up_run(choices=choices)
    numbers = {name: f"{i:04}_{name}" for i, name in enumerate(results.trials["trial"])}
    for table in (results.trials, results.records):
        table["trial"] = table["trial"].map(numbers)
    results.trials["batch_size"] = [30, 40, 50, 60, 70, 80]
    results.trials["dropout"] = [0.0, 0.0, 0.5, 0.5, 0.5, 0.0]
    space = [
        Dimension("lr", Range(0.001, 1, log=True)),
        Dimension("batch_size", Range(30, 100)),
        Dimension("dropout", Choice((0.0, 0.5))),
    ]
    options = {"space": [d.to_json() for d in space], "objectives": [results.objective]}
    run = replace(results.run, tool="study.search", options=options)
    findings = Findings(replace(results, run=run), tmp_path)
    page = open_page(write_page([findings], tmp_path / "report.html"))
    panels = page.locator(f"{CURVES} label", has_text="panels").locator("select")
    expect(panels).to_have_value("dropout")


def test_a_search_has_no_heat_map_and_names_what_a_trial_does_not_use(
    tmp_path: Path, open_page: Open
) -> None:
    run = Path(__file__).parents[2] / "docs" / "results" / "search"
    results = Results.load(run)
    page = open_page(write_page([Findings(results, run)], tmp_path / "report.html"))
    expect(page.locator("#final-1")).to_be_attached()
    expect(page.locator("#heat-1")).to_have_count(0)
    used = dict.fromkeys(zip(column(page, "schedule"), column(page, "gamma"), strict=True))
    assert {gamma for schedule, gamma in used if schedule == "constant"} == {"not used"}
    assert all(re.fullmatch(r"0\.\d+", gamma) for s, gamma in used if s == "exponential")
    decays = [format_value(value) for value in results.trials["weight_decay"]]
    assert set(column(page, "weight decay")) <= set(decays)  # 1.3e-05, as in the answer
    expect(page.locator(".board")).not_to_contain_text("default")


def test_a_grid_has_a_heat_map(made_up: Path, open_page: Open) -> None:
    expect(open_page(made_up).locator("#heat-1 .cell")).not_to_have_count(0)
