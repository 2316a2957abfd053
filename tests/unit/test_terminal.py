"""Text of the user's or a worker's is printed literally, never read as Rich markup or emoji."""

import ast
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import search_spaces
from search_spaces.study import Claim
from study import __main__ as overview
from study import grid, lr_range, search, terminal
from study.report import __main__ as report
from study.report import summary
from study.report.console_table import print_table
from study.runs.run_folder import RunFolder
from study.scaling import __main__ as scaling
from study.scaling.launchers import Launchers
from study.scaling.plan import ScalingRequest
from study.terminal import make_console, print_error, print_note
from study.tuning import progress
from tests.runs import metadata
from tests.unit.made_up_run import made_up_run, write

PROJECT = Path(__file__).parents[2]
# The brackets with a slash are gloo's own. Rich would raise MarkupError on them.
HOSTILE = "[old] [/__w/pytorch/pair.cc:1] [bold] :smile:"


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    """Lines are not wrapped, so that hostile text stays whole."""
    monkeypatch.setenv("COLUMNS", "300")


SMALL = ["--budget", "smoke", "--set", "dataset=digits"]


@pytest.fixture
def hostile_studies(monkeypatch):
    """All studies, with hostile text in everything that is printed of them."""
    claim = Claim(
        name="hostile",
        source=f"{HOSTILE} source",
        statement=f"{HOSTILE} claim",
        published=HOSTILE,
        kind="ordered",
        options={
            "where": {},
            "setting": "optimizer",
            "best_first": (f"{HOSTILE} rule", f"{HOSTILE} other"),
            "quantity": "validation_accuracy",
        },
    )
    studies = {
        name: replace(study, question=f"{HOSTILE} question", source=HOSTILE, claims=(claim,))
        for name, study in search_spaces.studies().items()
    }
    monkeypatch.setattr(search_spaces, "studies", lambda: studies)


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        (grid, ["--set", "optimizer=sgd", "--set", "lr=0.1", "--set", "batch_size=64"]),
        (lr_range, ["--set", "optimizer=sgd", "--seeds", "1"]),
        (search, ["--trials", "1"]),
        (scaling, ["--workers", "1", "--device", "cpu"]),
    ],
    ids=["grid", "lr_range", "search", "scaling"],
)
def test_a_dry_run_prints_hostile_text(
    command, typed, tmp_path, capsys, monkeypatch, hostile_studies
):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    results = tmp_path / HOSTILE
    assert command.main([*SMALL, *typed, "--results", str(results), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert f"results      {results}\n" in printed
    assert f"{HOSTILE} question\n" in printed


@pytest.mark.parametrize("command", [grid, lr_range, search, scaling, report])
def test_an_error_prints_hostile_text(command, capsys):
    place = f"nowhere/{HOSTILE}"
    typed = [place] if command is report else ["--resume", place]
    assert command.main(typed) == 2
    error = capsys.readouterr().err
    assert f"{place} is not a " in error
    assert error.count("\n") == 1


def test_the_overview_prints_hostile_text(capsys, hostile_studies):
    assert overview.main([]) == 0
    assert f"{HOSTILE} question\n" in capsys.readouterr().out


def test_a_report_prints_hostile_text(tmp_path, capsys, monkeypatch, hostile_studies):
    monkeypatch.setattr(summary, "draw_all", lambda *_: [])  # drawing takes seconds
    results = made_up_run(choices={"batch_size": [32]}, status={"sgd_lr0.1": "failed"})
    failed = results.trials["status"] == "failed"
    results.trials.loc[failed, "error"] = f"Traceback ...\nRuntimeError: {HOSTILE}"
    results.trials["device"] = HOSTILE
    directory = write(results, tmp_path / HOSTILE)
    assert report.main([str(directory)]) == 0
    printed = capsys.readouterr().out
    assert "".join(f"Traceback ... RuntimeError: {HOSTILE}".split()) in "".join(printed.split())
    assert f"Files in {directory}: " in printed
    assert f"{HOSTILE} claim\n" in printed
    assert f"{HOSTILE} source. Published: {HOSTILE}.\n" in printed
    assert f"Here: no trial of this run has optimizer {HOSTILE} rule.\n" in printed


@pytest.mark.parametrize("run", ["fan", "search", "scaling", "upc-line"])
def test_the_answer_fits_in_15_lines(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(summary, "draw_all", lambda *_: [])  # drawing takes seconds
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    assert report.main([str(PROJECT / "docs" / "results" / run), "--out", "out"]) == 0
    answer = capsys.readouterr().out.partition("\nAnswer\n")[2].splitlines()
    assert "  Files in out: " in "\n".join(answer)
    assert max(map(len, answer)) <= 80
    assert len(answer) <= 15


def test_a_launch_that_fails_prints_hostile_text(tmp_path, capsys, monkeypatch):
    request = ScalingRequest(
        study="fan-hardware",
        budget="smoke",
        repeats=1,
        choices={},
        workers={"cpu": [1]},
        weak=False,
        launchers=["plain"],
        strategies=["ddp"],
        cpus_per_worker=1.0,
        placement="pack",
    )
    (launch,) = request.launches()
    folder = RunFolder.create(tmp_path / "run", metadata("fan-hardware"), launch.points)
    launchers = Launchers(
        request,
        folder,
        data_dir=None,
        address=None,
        nodes=[],
        oversubscribed={"cpu": {1: False}},
        datasets={},
        longest_seconds=1.0,
        console=make_console(),
    )
    monkeypatch.setattr(launchers, "_run", lambda _: f"exit code 1: {HOSTILE}")
    assert launchers.train([launch], ray_seconds=0.0)
    assert f"failed: exit code 1: {HOSTILE}\n" in capsys.readouterr().out


def test_a_retried_trial_prints_hostile_text(capsys, monkeypatch):
    monkeypatch.setattr(progress, "error_of", lambda _: RuntimeError(HOSTILE))
    callback = progress.ProgressCallback(
        make_console(),
        {HOSTILE: 1.0},
        objective="validation_accuracy",
        complete=0,
        at_once=1,
    )
    callback.on_trial_recover(0, [], HOSTILE)
    assert capsys.readouterr().out == f"{HOSTILE}: RuntimeError: {HOSTILE}; retrying once\n"


def test_the_panel_of_a_terminal_shows_hostile_text(monkeypatch):
    page = io.StringIO()
    monkeypatch.setattr(
        terminal,
        "WrappingConsole",
        lambda **options: Console(**options, file=page, force_terminal=True),
    )
    with progress.ProgressCallback(
        make_console(),
        {HOSTILE: 1.0},
        objective="validation_accuracy",
        complete=0,
        at_once=1,
    ) as callback:
        callback.on_trial_start(0, [], HOSTILE)
    assert f"  {HOSTILE}: starting" in page.getvalue()


def test_tables_notes_and_errors_print_hostile_text(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    console = make_console()
    print_table(console, HOSTILE, ["model", HOSTILE], [[HOSTILE, "a"], ["b", HOSTILE]])
    rows = [["a", "1", HOSTILE], ["b", "2", HOSTILE]]
    print_table(console, HOSTILE, ["model", "seed", HOSTILE], rows)
    print_note(console, HOSTILE)
    print_error(HOSTILE)
    printed, error = capsys.readouterr()
    in_tables, in_notes = (1 + 1 + 2) + (1 + 2), 1
    assert printed.count(HOSTILE) == in_tables + in_notes
    assert f"Same in all rows: {HOSTILE} {HOSTILE}.\n" in printed
    assert f"Note: {HOSTILE}\n" in printed
    assert error == f"error: {HOSTILE}\n"


def test_a_table_of_constant_columns_is_a_table(capsys):
    print_table(make_console(), "Ranks", ["name", "rank"], [["a", "1"], ["b", "1"]])
    assert capsys.readouterr().out.split() == ["Ranks", "name", "rank", "a", "1", "b", "1"]


def test_only_the_terminal_module_creates_a_console():
    creators = [
        path.relative_to(PROJECT).as_posix()
        for package in ("study", "search_spaces", "lenet")
        for path in (PROJECT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", None) or getattr(node.func, "attr", None))
        in {"Console", "WrappingConsole"}
    ]
    assert creators == ["study/terminal.py"]


@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [
        ("PYTHONIOENCODING=ascii {} {}", 0, ""),
        (
            "{} {} > /dev/full",
            2,
            "error: cannot write to standard output (No space",
        ),
    ],
)
def test_a_broken_or_narrow_stdout_is_no_traceback(redirection, code, message):
    dry = redirection.format(sys.executable, "-m study.grid --set dataset=digits --dry-run")
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    done = subprocess.run(
        dry, shell=True, capture_output=True, text=True, cwd=PROJECT, env=environment, check=False
    )
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") <= bool(message)
