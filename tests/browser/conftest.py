"""One headless Chromium for all tests of the page, and the pages that they open."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from study.analysis.results import Results
from study.report.findings import Findings
from study.report.page.write import write_page
from tests.unit.made_up_run import made_up_run

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no Chromium on the PATH (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        # As root, Chromium has no sandbox.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a made-up run with 24 points, two seeds each; Adam at 0.1 has diverged."""
    folder = tmp_path_factory.mktemp("page") / "made-up"
    folder.mkdir()
    results = made_up_run(seeds=2, status={"adam_lr0.1": "diverged"})
    return write_page([Findings(results, folder)], folder / "report.html")


@pytest.fixture(scope="session")
def fan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the measured run in docs/results/fan."""
    run = PROJECT / "docs" / "results" / "fan"
    path = tmp_path_factory.mktemp("page") / "fan.html"
    return write_page([Findings(Results.load(run), run)], path)


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page; the test fails if it logs an error or requests anything but itself."""
    contexts, problems = [], []

    def opened(path: Path, **options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        allowed = (path.as_uri(), "data:", "blob:")
        page.on(
            "request",
            lambda request: request.url.startswith(allowed) or problems.append(request.url),
        )
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        page.wait_for_selector(".chart")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []
