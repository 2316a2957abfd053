"""What the tests of the page read from it, and a run that several of them show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from study.report.findings import Findings
from tests.unit.made_up_run import EPOCHS, made_up_run

Open = Callable[..., Page]
BOARD = ".board tbody tr"
CURVES = "#curves-1"


def column(page: Page, name: str) -> list[str]:
    """Return the cells of a column of the leaderboard, top to bottom."""
    heads = [text.strip(" ▲▼") for text in page.locator(".board th").all_inner_texts()]
    number = heads.index(name) + 1
    return page.locator(f"{BOARD} td:nth-child({number})").all_inner_texts()


def painted(page: Page) -> None:
    """Wait until the browser has told the page what happened (scrolling, sizes) and drawn it."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


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
