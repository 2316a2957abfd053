"""Measure the report's page: time to write it, its size, time to open it, frames while scrolling.

    python -m benchmarks.report_page              10, 1,000 and 5,000 trials
    python -m benchmarks.report_page 100

The trials are made up: two optimizers, four batch sizes, many learning rates, one seed, with curves
from a formula and noise, which compresses as badly as real curves do. `command` is all of
`python -m study.report`, with its figures as PNG, SVG and PDF; `page` is the part that writes the
page. `opened` is the time from navigation to the frame in which all charts are painted, in headless
Chromium from disk, the median of five. `frames` are the milliseconds between two frames while the
whole page is scrolled through: the 95th percentile, and the longest.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, sync_playwright

from benchmarks.machine import header, typed_command
from search_spaces.fan import FAN
from study.analysis.results import Results
from study.report.findings import Findings
from study.report.page.write import write_page
from study.runs import layout
from study.runs.metadata import DatasetInfo, RunMetadata

_NUMBERS = (10, 1_000, 5_000)
_RECORDS = {5_000: 20}
"""Records of a trial, if not ten."""
_POINTS_OF_LR = 8
_ROUNDS = 5
_SCROLL = """
() => new Promise((resolve) => {
  const frames = [];
  let before = null;
  const step = (now) => {
    if (before !== null) frames.push(now - before);
    before = now;
    window.scrollBy(0, 60);
    if (scrollY + innerHeight >= document.documentElement.scrollHeight - 1) resolve(frames);
    else requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})
"""


def made_up_run(folder: Path, trials: int, records: int) -> None:
    """Write the tables of a run with so many trials, of so many records each."""
    lrs = np.geomspace(1e-5, 1, max(2, -(-trials // _POINTS_OF_LR))).tolist()
    plan = FAN.with_choices({"lr": lrs}).plan("quick", seeds=1)[:trials]
    noise = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    last: list[dict[str, Any]] = []
    for planned in plan:
        final = 0.98 - 0.2 * abs(np.log10(planned.config.lr / 0.01)) / 4
        for i in range(1, records + 1):
            accuracy = final * (1 - 0.8 * np.exp(-3 * i / records)) + 0.003 * noise.normal()
            evaluated = {"loss": 2.3 * (1.02 - accuracy), "accuracy": accuracy}
            row = {"trial": planned.name, "step": 100 * i, "epoch": float(i), "diverged": False}
            row |= {"samples": 100 * i * planned.config.batch_size, "lr": planned.config.lr}
            for split in ("train", "validation", "test"):
                for name, value in evaluated.items():
                    is_measured = split != "test" or i == records
                    row[f"{split}_{name}"] = value + 0.001 * noise.normal()
                    row[f"{split}_{name}"] = row[f"{split}_{name}"] if is_measured else np.nan
            row["train_seconds"] = 1.25 * i + 0.05 * noise.random()
            row["samples_per_second"] = 4000 + 200 * noise.normal()
            rows.append(row)
        measured = {k: v for k, v in rows[-1].items() if k not in {"lr", "diverged"}}
        state = {"status": "finished", "error": None, "device": "cpu (made up)", "threads": 1}
        last.append({**measured, **state, **planned.config.to_dict()})
    run = RunMetadata(
        study="fan",
        budget="quick",
        choices={"lr": lrs},
        dataset=DatasetInfo("mnist", "made up"),
        device="cpu (made up)",
    )
    folder.mkdir(parents=True)
    (folder / layout.METADATA).write_text(json.dumps(run.to_json()), encoding="utf-8")
    pd.DataFrame(rows).to_parquet(folder / layout.RECORDS_TABLE, index=False)
    pd.DataFrame(last).to_parquet(folder / layout.TRIALS_TABLE, index=False)


def measure(trials: int, place: Path, browser: Browser) -> dict[str, object]:
    """Return the row of a run with so many trials."""
    folder, records = place / f"run{trials}", _RECORDS.get(trials, 10)
    made_up_run(folder, trials, records)
    began = time.perf_counter()
    command = [sys.executable, "-m", "study.report", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole = time.perf_counter() - began
    findings = Findings(Results.load(folder), folder)
    began = time.perf_counter()
    path = write_page([findings], folder / layout.PAGE)
    alone = time.perf_counter() - began
    opened, frames = zip(*_open(browser, path), strict=True)
    together = np.concatenate(frames)
    return {
        "trials": trials,
        "records": trials * records,
        "command s": f"{whole:.1f}",
        "page s": f"{alone:.2f}",
        "size kB": f"{path.stat().st_size / 1e3:,.0f}",
        "opened s": f"{np.median(opened):.2f}",
        "frames ms": f"{np.percentile(together, 95):.0f} ({together.max():.0f})",
    }


def _open(browser: Browser, path: Path) -> Iterator[tuple[float, np.ndarray[Any, Any]]]:
    """Open the page several times; yield the seconds until it is painted, and its frames."""
    for _ in range(_ROUNDS):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        ready = page.evaluate("Number(document.documentElement.dataset.ready)")
        yield ready / 1000, np.asarray(page.evaluate(_SCROLL))
        page.close()


def main() -> int:
    """Print a row per number of trials; return 0, or 1 without Chromium."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_page", description=__doc__)
    parser.add_argument("trials", nargs="*", type=int, default=_NUMBERS, help="numbers of trials")
    options = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        print("no Chromium on the PATH: install it (Debian: apt install chromium)")
        return 1
    print(header("The report's page", typed_command("report_page")))
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        print(f"browser   Chromium {browser.version}, headless, without a GPU\n")
        for i, trials in enumerate(options.trials):
            row = measure(trials, Path(place), browser)
            if i == 0:
                print("".join(f"{name:>14}" for name in row))
            print("".join(f"{value:>14}" for value in row.values()), flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
