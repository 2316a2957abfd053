"""The page in a real Chromium: read, sorted, filtered, selected, zoomed, printed."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from search_spaces import objective
from search_spaces.space import Choice, Dimension, Range
from study.analysis.results import Results
from study.report.findings import Findings
from study.report.page.write import write_page
from tests.unit.made_up_run import EPOCHS, made_up_run

Open = Callable[..., Page]
BOARD = ".board tbody tr"
CURVES = "#curves-1"


def column(page: Page, name: str) -> list[str]:
    """Return the cells of a column of the leaderboard, top to bottom."""
    heads = [text.strip(" ▲▼") for text in page.locator(".board th").all_inner_texts()]
    number = heads.index(name) + 1
    return page.locator(f"{BOARD} td:nth-child({number})").all_inner_texts()


def fan_table(name: str) -> list[dict[str, str]]:
    """Return the rows of a table of the run that the page `fan` shows."""
    path = Path(__file__).parents[2] / "docs" / "results" / "fan" / f"{name}.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def x_ticks(page: Page, figure: str = CURVES) -> list[float]:
    """Return the numbers below the first chart of a figure."""
    texts = page.locator(f"{figure} .chart").first.locator(".axes text[text-anchor=middle]")
    return [float(t) for t in texts.all_text_contents() if re.fullmatch(r"[\d.]+", t)]


def painted(page: Page) -> None:
    """Wait until the browser has told the page what happened (scrolling, sizes) and drawn it."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_the_answer_comes_first(fan: Path, open_page: Open) -> None:
    page = open_page(fan)
    assert page.locator("h1").inner_text().startswith("How do learning rate and batch size")
    lead = page.locator(".lead").inner_text()
    assert "optimizer adam, learning rate 0.001, batch size 32" in lead
    best = fan_table("best_per_optimizer")[0]
    assert f"test {100 * float(best['test_accuracy']):.2f} " in lead
    provenance = page.locator(".provenance").first.inner_text()
    assert f"data set mnist; budget paper; {best['seeds']} seeds" in provenance


def test_claims_filter_by_verdict(fan: Path, open_page: Open) -> None:
    page = open_page(fan)
    verdicts = [row["verdict"] for row in fan_table("claims")]
    tested = len(verdicts) - verdicts.count("not tested")  # the others are folded
    expect(page.locator(".claim:visible")).to_have_count(tested)
    button = page.locator(".verdicts button[data-verdict='not reproduced']")
    button.click()
    shown = page.locator(".claim:visible")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(shown).to_have_count(verdicts.count("not reproduced"))
    assert button.locator("b").inner_text() == str(verdicts.count("not reproduced"))
    assert all("not reproduced" in text for text in shown.locator(".verdict").all_inner_texts())
    expect(page.locator(".fold:visible")).to_have_count(0)
    page.locator(".verdicts button[data-verdict='']").click()
    expect(page.locator(".claim:visible")).to_have_count(tested)


def test_claims_that_are_not_tested_fold_by_reason(fan: Path, open_page: Open) -> None:
    page = open_page(fan)
    page.locator(".verdicts button[data-verdict='not tested']").click()
    expect(page.locator("#claims-shown")).to_have_text("2 of 43 claims.")
    folds = page.locator(".fold:visible")
    expect(folds).to_have_count(2)
    hardware = folds.filter(has_text="it is the question of fan-hardware")
    expect(hardware.locator(".claim")).to_be_hidden()
    hardware.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(hardware.locator(".claim")).to_be_visible()


def test_the_leaderboard_sorts(made_up: Path, open_page: Open) -> None:
    page = open_page(made_up)
    assert column(page, "rank")[0] == "1"
    page.get_by_role("button", name="batch size").click()
    expect(page.locator(".board th[aria-sort=ascending]")).to_contain_text("batch size")
    sizes = [int(text) for text in column(page, "batch size")]
    assert sizes == sorted(sizes)
    page.get_by_role("button", name="batch size").click()
    expect(page.locator(".board th[aria-sort=descending]")).to_contain_text("batch size")
    sizes = [int(text) for text in column(page, "batch size")]
    assert sizes == sorted(sizes, reverse=True)


def test_the_leaderboard_filters(made_up: Path, open_page: Open) -> None:
    page = open_page(made_up)
    page.locator("#leaderboard select").first.select_option(label="adam")
    count = page.locator("#leaderboard .count")
    expect(count).to_contain_text("12 of 24 points")
    assert set(column(page, "optimizer")) == {"adam"}
    page.locator("#leaderboard input[type=search]").fill("0.01 64")
    expect(count).to_contain_text("1 of 24 points")
    assert (column(page, "learning rate"), column(page, "batch size")) == (["0.01"], ["64"])


def test_selecting_points_highlights_their_curves(made_up: Path, open_page: Open) -> None:
    page = open_page(made_up)
    faint = page.locator(f"{CURVES} .series.faint")
    expect(faint).to_have_count(0)
    page.locator(f"{BOARD} input").first.check()
    expect(page.locator(f"{CURVES} .series.strong")).to_have_count(1)
    expect(faint).to_have_count(23)
    page.get_by_role("button", name="Clear selection").click()
    expect(faint).to_have_count(0)


def test_a_chart_is_read_and_zoomed_by_keyboard(made_up: Path, open_page: Open) -> None:
    page = open_page(made_up)
    chart = page.locator(f"{CURVES} .chart").first
    chart.focus()
    page.keyboard.press("ArrowRight")
    tip = page.locator("#tip")
    expect(tip).to_contain_text("epoch 2")
    expect(tip).to_contain_text(re.compile(r"validation accuracy \d\d\.\d\d %"))
    first = tip.inner_text()
    page.keyboard.press("ArrowDown")
    expect(tip).not_to_have_text(first, use_inner_text=True)
    before = x_ticks(page)
    page.keyboard.press("+")
    painted(page)
    assert max(x_ticks(page)) - min(x_ticks(page)) < max(before) - min(before)
    page.locator(f"{CURVES} .chart").first.focus()
    page.keyboard.press("0")
    painted(page)
    assert x_ticks(page) == before


def test_enter_selects_the_point_of_a_curve(made_up: Path, open_page: Open) -> None:
    page = open_page(made_up)
    page.locator(f"{CURVES} .chart").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(f"{BOARD}.selected")).to_have_count(1)


def test_dragging_zooms_and_a_double_click_shows_all(made_up: Path, open_page: Open) -> None:
    page = open_page(made_up)
    chart = page.locator(f"{CURVES} .chart").first
    chart.scroll_into_view_if_needed()
    painted(page)
    before = x_ticks(page)
    box = chart.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.4 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], y + 5, steps=4)
    page.mouse.up()
    painted(page)
    assert max(x_ticks(page)) - min(x_ticks(page)) < max(before) - min(before)
    page.locator(f"{CURVES} .chart").first.dblclick()
    painted(page)
    assert x_ticks(page) == before


def test_a_line_shows_its_values_under_the_pointer(made_up: Path, open_page: Open) -> None:
    page = open_page(made_up)
    mark = page.locator(f"{CURVES} .chart .mark").first
    # To the center: the top of the page is below the navigation. Scrolling hides the values.
    mark.evaluate("mark => mark.scrollIntoView({block: 'center'})")
    painted(page)
    box = mark.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#tip")).to_contain_text("epoch 1")


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


def test_the_data_of_a_figure_are_one_click_away(
    made_up: Path, open_page: Open, tmp_path: Path
) -> None:
    page = open_page(made_up)
    page.locator(f"{CURVES} summary").click()
    figure = page.locator(CURVES)
    expect(figure.locator(".data table tbody tr").nth(10)).to_be_attached()
    with page.expect_download() as download:
        figure.get_by_role("button", name="Download CSV").click()
    saved = tmp_path / "curves.csv"
    download.value.save_as(saved)
    with saved.open(newline="") as file:
        rows = list(csv.DictReader(file))
    # Adam at 0.1 diverged in epoch 3, without a validation accuracy there.
    assert len(rows) == 20 * EPOCHS + 4 * 2
    final = [row for row in rows if "sgd, learning rate 0.1, batch size 32" in row["series"]][-1]
    # The mean of 0.98 and 0.982.
    assert float(final["validation accuracy"]) == pytest.approx(0.981, rel=1e-6)


def small_validation_set(name: str, folder: Path) -> Findings:
    """Return a run on 33 validation samples: one point ends with 100, 100 and 97%."""
    choices = {"lr": [0.1, 0.01], "batch_size": [32], "optimizer": ["sgd"]}
    results = made_up_run(seeds=3, choices=choices)
    good, bad = (1.0, 1.0, 0.9697), (0.87, 0.84, 0.85)
    for lr, accuracies in ((0.1, good), (0.01, bad)):
        trials = results.trials.loc[results.trials["lr"] == lr, "trial"]
        for trial, accuracy in zip(trials, accuracies, strict=True):
            for table in (results.trials, results.records):
                last = (table["trial"] == trial) & (table["epoch"] >= EPOCHS - 1)
                table.loc[last, "validation_accuracy"] = accuracy
    return Findings(results, folder / name)


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


def test_the_board_of_several_runs_goes_by_data_set_and_fits(
    tmp_path: Path, open_page: Open
) -> None:
    runs = [small_validation_set(name, tmp_path) for name in ("sums", "r")]
    trials = runs[0].results.trials
    trials["dataset"] = "my_study:load"
    path = write_page([Findings(runs[0].results, tmp_path / "sums"), runs[1]], tmp_path / "p.html")
    page = open_page(path, viewport={"width": 1300, "height": 900})
    assert column(page, "run") == ["sums", "sums", "r", "r"]
    assert column(page, "rank") == ["1", "2", "1", "2"]
    page.get_by_role("button", name="rank").click()
    assert column(page, "run") == ["sums", "sums", "r", "r"]
    assert column(page, "rank") == ["2", "1", "2", "1"]
    heads = page.locator(".board th").all_inner_texts()
    assert "batch size" not in heads  # the same in all rows
    region = page.locator("#board .scroll")
    assert region.evaluate("at => at.scrollWidth - at.clientWidth") <= 0


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
    expect(page.locator(".board")).not_to_contain_text("default")


def test_a_grid_has_a_heat_map(made_up: Path, open_page: Open) -> None:
    expect(open_page(made_up).locator("#heat-1 .cell")).not_to_have_count(0)


def test_every_control_is_reached_with_tab(made_up: Path, open_page: Open) -> None:
    page = open_page(made_up)
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        section, shows_focus = page.evaluate(
            "(at => [at.closest('section')?.id ?? 'top', at === document.body ||"
            " getComputedStyle(at).outlineStyle !== 'none'])(document.activeElement)"
        )
        reached.add(section)
        assert shows_focus
    assert {"top", "claims", "leaderboard", "figures", "tables", "made"} <= reached


@pytest.mark.parametrize("page_of", ["made_up", "fan"])
def test_a_narrow_screen_needs_no_sideways_scrolling(
    page_of: str, request: pytest.FixtureRequest, open_page: Open
) -> None:
    path = request.getfixturevalue(page_of)
    page = open_page(path, viewport={"width": 380, "height": 800})
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == 380
    assert page.locator(f"{CURVES} .chart").first.bounding_box()["width"] > 300  # type: ignore[index]


def test_dark_mode_follows_the_system_and_the_switch(made_up: Path, open_page: Open) -> None:
    def is_dark(page: Page) -> bool:
        color = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", color)[:3])) < 3 * 80

    page = open_page(made_up, color_scheme="dark")
    assert is_dark(page)
    page.locator("#theme").click()
    painted(page)
    assert not is_dark(page)
    page.locator("#theme").click()
    painted(page)
    assert is_dark(page)
    assert not is_dark(open_page(made_up, color_scheme="light"))


def test_print_is_light_and_whole(made_up: Path, open_page: Open) -> None:
    page = open_page(made_up, color_scheme="dark")
    pdf = page.pdf(format="A4", print_background=True)
    assert pdf.startswith(b"%PDF")
    page.emulate_media(media="print")
    painted(page)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 29, 31)"
    assert page.locator("#leaderboard .controls").is_hidden()
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


@pytest.mark.parametrize(("page_of", "scheme"), [("fan", "light"), ("made_up", "dark")])
def test_axe_finds_nothing_serious(
    page_of: str, scheme: str, request: pytest.FixtureRequest, open_page: Open
) -> None:
    page = open_page(request.getfixturevalue(page_of), color_scheme=scheme)
    page.locator(f"{CURVES} summary").click()
    expect(page.locator(f"{CURVES} .data table tbody tr").first).to_be_attached()
    # Not as a script element, which the page's own policy would refuse.
    axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    page.evaluate(f"{axe}; undefined")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [
        f"{rule['id']}: {rule['nodes'][0]['html']}"
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
    ]
    assert serious == []
    assert len(found["passes"]) > 20


def test_links_lead_nowhere_else(fan: Path, open_page: Open) -> None:
    page = open_page(fan)
    links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
    assert links
    assert all(link.startswith("#") for link in links)
