"""The page in a real Chromium: read, sorted, filtered, selected, zoomed, printed."""

from __future__ import annotations

import csv
import re
from importlib import resources
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from study.report.findings import Findings
from study.report.page.write import write_page
from tests.browser.reading import BOARD, CURVES, Open, column, painted, small_validation_set
from tests.unit.made_up_run import EPOCHS


def fan_table(name: str) -> list[dict[str, str]]:
    """Return the rows of a table of the run that the page `fan` shows."""
    path = Path(__file__).parents[2] / "docs" / "results" / "fan" / f"{name}.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def x_ticks(page: Page, figure: str = CURVES) -> list[float]:
    """Return the numbers below the first chart of a figure."""
    texts = page.locator(f"{figure} .chart").first.locator(".axes text[text-anchor=middle]")
    return [float(t) for t in texts.all_text_contents() if re.fullmatch(r"[\d.]+", t)]


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
    claims = fan_table("claims")
    untested = [row for row in claims if row["verdict"] == "not tested"]
    expect(page.locator("#claims-shown")).to_have_text(f"{len(untested)} of {len(claims)} claims.")
    folds = page.locator(".fold:visible")
    expect(folds).to_have_count(len({row["evidence"] for row in untested}))
    reason = untested[0]["evidence"]
    fold = folds.filter(has_text=reason)
    inside = fold.locator(".claim:visible")
    expect(inside).to_have_count(0)
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(inside).to_have_count(sum(row["evidence"] == reason for row in untested))


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_shadow_shows_where_a_wide_table_goes_on(
    scheme: str, made_up: Path, open_page: Open
) -> None:
    page = open_page(made_up, viewport={"width": 500, "height": 900}, color_scheme=scheme)
    table = page.locator("#board .scroll")
    assert table.evaluate("at => at.scrollWidth - at.clientWidth") > 100

    def shadows() -> tuple[bool, bool]:
        """Return whether there is a shadow at the left and at the right, below the heading."""
        painted(page)
        image = Image.open(BytesIO(table.screenshot(animations="disabled"))).convert("L")
        pixels = np.asarray(image, dtype=float)
        paper = np.median(pixels)
        edges = pixels[:, 1], pixels[:, -2]
        left, right = (abs(np.median(edge) - paper) > 20 for edge in edges)
        return bool(left), bool(right)

    assert shadows() == (False, True)
    table.evaluate("at => at.scrollTo(at.scrollWidth / 2 - at.clientWidth / 2, 0)")
    assert shadows() == (True, True)
    table.evaluate("at => at.scrollTo(at.scrollWidth, 0)")
    assert shadows() == (True, False)


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
