"""The report's page: what it holds, for one run, several, and one that still trains."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.analysis.results import Results
from study.report import __main__ as report
from study.report import text_tables, watch
from study.report.findings import Findings
from study.report.page.columns import number, packed
from study.report.page.write import write_page
from study.runs.run_folder import RunFolder
from study.terminal import make_console
from tests.runs import metadata
from tests.unit.made_up_run import EPOCHS, STUDY, made_up_run, write
from tests.unit.made_up_scaling import made_up_scaling

PROJECT = Path(__file__).parents[2]
HOSTILE = "</script><b>&{{ 7 * 7 }}"
SMALL = {"batch_size": [32, 64]}


def page_of(results: Results, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    return write_page([Findings(results, folder)], folder / "report.html").read_text("utf-8")


def data_of(page: str) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return list(json.loads(found[1]))


def unpacked(text: str) -> np.ndarray:
    grouped = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return grouped.reshape(4, -1).T.copy().view("<f4").ravel()


def test_packed_columns_are_float32() -> None:
    values = [0.1, np.nan, 12345.678, -1e-9]
    np.testing.assert_array_equal(unpacked(packed(values)), np.asarray(values, "f4"))


@pytest.mark.parametrize(
    ("value", "expected"), [(1 / 3, 0.3333333), (32.0, 32), (np.nan, None), (None, None)]
)
def test_numbers_have_seven_digits(value: float | None, expected: float | None) -> None:
    assert number(value) == expected


def test_the_page_says_which_records_were_thinned(tmp_path: Path) -> None:
    results = made_up_run(choices=SMALL)
    assert "thinned" not in page_of(results, tmp_path / "whole")
    results.trials["unthinned_records"] = 400
    page = page_of(results, tmp_path / "thinned")
    assert f"{len(results.records)}; those of {len(results.trials)} trials were thinned" in page


def test_the_page_holds_every_record_of_every_point(tmp_path: Path) -> None:
    results = made_up_run(seeds=2, choices=SMALL, status={"adam_lr0.1": "failed"})
    (run,) = data_of(page_of(results, tmp_path / "run"))
    assert run["records"]["counts"] == [
        EPOCHS if status == "finished" else 1 for status in run["trials"]["status"]
    ]
    accuracies = unpacked(run["records"]["packed"]["validation_accuracy"])
    assert len(accuracies) == len(results.records)
    best = run["trials"]["point"].index(0)
    last = sum(run["records"]["counts"][: best + 1]) - 1
    # Seeds are 0.002 apart, and the best point's seed 0 reaches 0.98.
    assert accuracies[last] == pytest.approx(0.98 + 0.002 * run["trials"]["seed"][best])
    assert run["columns"]["validation_accuracy"][0] == pytest.approx(0.981)
    # The points of failed trials have no rank.
    assert run["columns"]["rank"].count(None) == 2


def test_text_of_the_users_is_no_markup(tmp_path: Path) -> None:
    results = made_up_run(choices={"batch_size": [32]})
    results.trials["model"] = HOSTILE
    results.trials["device"] = HOSTILE
    page = page_of(results, tmp_path / "run")
    assert "</script><b>" not in page
    assert "{{ 7 * 7 }}" in page


def test_the_page_names_no_other_place(tmp_path: Path) -> None:
    page = page_of(made_up_run(choices=SMALL), tmp_path / "run")
    addresses = set(re.findall(r"https?://[^\"'\s)]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of a namespace
    targets = re.findall(r"""<[^>]+ (?:src|href)="([^"]*)""", page)
    assert targets
    assert all(target.startswith(("#", "data:")) for target in targets)


def test_workers_are_compared_in_figures(tmp_path: Path) -> None:
    (run,) = data_of(page_of(made_up_scaling(), tmp_path / "run"))
    assert [figure["id"] for figure in run["figures"]] == ["speedup", "times", "shares"]
    assert "rank" not in run["columns"]


@pytest.mark.parametrize(
    ("name", "figures"),
    [("search", ["search-history", "search-slices"]), ("lr-range", ["range-test"])],
)
def test_measured_runs_have_their_figures(name: str, figures: list[str], tmp_path: Path) -> None:
    results = Results.load(PROJECT / "docs" / "results" / name)
    (run,) = data_of(page_of(results, tmp_path / name))
    assert [figure["id"] for figure in run["figures"]] == figures
    assert all(variant["panels"] for figure in run["figures"] for variant in figure["variants"])


def test_the_page_knows_which_settings_a_search_sampled(tmp_path: Path) -> None:
    results = Results.load(PROJECT / "docs" / "results" / "search")
    (run,) = data_of(page_of(results, tmp_path / "run"))
    sampled = {one["name"] for one in run["settings"] if one["isSampled"]}
    assert sampled == {"lr", "dropout", "weight_decay", "momentum", "gamma"}
    unset = {one["name"]: one["unset"] for one in run["settings"]}
    assert unset["gamma"] == unset["momentum"] == "not used"
    assert unset["dropout"] == "default"
    (run,) = data_of(page_of(made_up_run(choices=SMALL), tmp_path / "grid"))
    assert not any(one["isSampled"] for one in run["settings"])


def test_the_page_writes_means_as_the_terminal_does(tmp_path: Path) -> None:
    choices = {"lr": [0.1, 0.01, 0.001], "batch_size": [32], "optimizer": ["sgd"]}
    results = made_up_run(seeds=2, choices=choices)
    ends = {0.1: (1.0, 1.0), 0.01: (0.9798, 0.9798), 0.001: (0.95, 0.951)}
    for trial, lr, seed in results.trials[["trial", "lr", "seed"]].itertuples(index=False):
        for table in (results.trials, results.records):
            last = (table["trial"] == trial) & (table["epoch"] == EPOCHS)
            table.loc[last, "validation_accuracy"] = ends[lr][seed]
    (run,) = data_of(page_of(results, tmp_path / "run"))
    # Log odds of 95 and 95.1% are 2.9444 and 2.9656; half the interval is 12.706 * 0.0106.
    expected = ["100.00 ± 0.00", "97.98 ± 0.00", "95.05 [94.37, 95.65]"]
    assert run["means"]["validation_accuracy"] == expected
    (run,) = data_of(page_of(made_up_run(choices=SMALL), tmp_path / "one"))
    assert all(re.fullmatch(r"\d\d\.\d\d", text) for text in run["means"]["test_accuracy"])


def test_no_capital_follows_a_semicolon_in_the_answer(tmp_path: Path) -> None:
    page = page_of(made_up_run(seeds=2, choices=SMALL), tmp_path / "run")
    answer = page[page.index('<section id="answer">') : page.index('<section id="claims">')]
    assert " %. No clear winner: " in answer
    assert not re.search(r"; [A-Z]", answer)


def test_several_runs_share_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = write(made_up_run(choices={"batch_size": [32]}), tmp_path / "one")
    two = write(made_up_run(choices={"batch_size": [64]}), tmp_path / "two")
    assert report.main([str(one), str(two)]) == 0
    text = capsys.readouterr().out
    assert f"Page: {one / 'report.html'}" in text.replace("\n   ", "")
    assert text.count("Best setting: ") == 2
    runs = data_of((one / "report.html").read_text("utf-8"))
    assert [run["name"] for run in runs] == ["one", "two"]
    assert not (two / "report.html").exists()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["A", "B", "--xlsx"], "several runs have a page and no other file: omit --xlsx"),
        (["A", "--watch", "--no-footer"], "--watch writes a page and no other file: omit --no-foo"),
        (["A", "B", "--watch"], "--watch takes one run"),
    ],
)
def test_options_without_a_meaning_are_refused(
    typed: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main(typed) == 2
    assert message in capsys.readouterr().err


def test_a_run_is_watched_until_its_trials_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = STUDY.with_choices({"batch_size": [32], "lr": [0.1]}).plan("quick", 1)
    folder = RunFolder.create(tmp_path / "run", metadata("fan"), plan)
    results = made_up_run(choices={"batch_size": [32], "lr": [0.1]})
    pages = []
    versions = [
        made_up_run(choices={"batch_size": [32], "lr": [0.1]}, status={"": "unfinished"}),
        made_up_run(choices={"batch_size": [32], "lr": [0.1]}, status={"adam": "unfinished"}),
        *[results] * 3,
    ]

    def collect(_: RunFolder, out: Path) -> None:
        write(versions.pop(0), out)

    def sleep(_: float) -> None:
        pages.append((tmp_path / "report.html").read_text("utf-8"))

    monkeypatch.setattr(watch, "collect", collect)
    monkeypatch.setattr(watch, "tables_are_current", lambda _: True)
    monkeypatch.setattr(watch.time, "sleep", sleep)
    watch.watch(folder, tmp_path / "report.html", make_console())
    printed = capsys.readouterr().out
    assert "0 of 2 trials ended, 2 are training." in printed
    assert printed.endswith("All trials have ended.\n")
    assert "No trial has ended yet." in pages[0]
    assert "epoch 1, validation accuracy" in pages[0]
    assert "Best setting" in pages[1]
    assert 'id="progress"' in pages[1]
    assert 'id="progress"' not in (tmp_path / "report.html").read_text("utf-8")


def test_tables_are_written_for_readme_and_paper(tmp_path: Path) -> None:
    headers, rows = ["a|b", "50%"], [["1 ± 2", "x_y"]]
    text_tables.write_text_tables(tmp_path / "t.csv", "Title", headers, rows)
    assert (tmp_path / "t.md").read_text("utf-8").splitlines()[2:] == [
        r"| a\|b | 50% |",
        "| --- | --- |",
        "| 1 ± 2 | x_y |",
    ]
    latex = (tmp_path / "t.tex").read_text("utf-8")
    assert "a|b & 50\\% \\\\\n\\midrule\n1 $\\pm$ 2 & x\\_y \\\\" in latex


@pytest.mark.slow
def test_the_wheel_carries_templates_and_assets(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), "."]
    subprocess.run(command, cwd=PROJECT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    page = PROJECT / "study" / "report" / "page"
    files = {*page.glob("assets/*"), *page.glob("templates/*")}
    assert {path.relative_to(PROJECT).as_posix() for path in files} <= names
