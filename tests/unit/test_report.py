"""`python -m study.report`: what it writes, prints and refuses."""

from __future__ import annotations

import io
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study.analysis.results import Results
from study.report import __main__ as report
from study.report import summary
from study.runs import collect
from study.runs.plain_settings import plain_setting
from study.runs.run_folder import RunFolder
from study.terminal import make_console
from tests.terminal import unwrapped
from tests.unit.made_up_run import made_up_run, write
from tests.unit.made_up_scaling import made_up_scaling

SMALL = {"batch_size": [32, 64]}


def printed(directory: Path, width: int = 80, out: Path | None = None, **console: object) -> str:
    page = io.StringIO()
    summary.summarize(directory, make_console(file=page, width=width, **console), out)
    return page.getvalue()


def test_a_run_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    not_utf_8 = tmp_path / os.fsdecode(b"caf\xe9")
    directory = write(made_up_run(seeds=2, choices=SMALL), tmp_path / "run").rename(not_utf_8)
    assert report.main([str(directory)]) == 0
    text = capsys.readouterr().out
    assert "data set mnist; budget quick; 2 seeds" in text
    assert "98.10 [96.31, 99.03]" in text  # of 98.0 and 98.2
    folder = f"{tmp_path}/caf\\udce9"
    assert f"Page: {folder}/report.html Files in {folder}: " in " ".join(text.split())
    assert "figures (3)" in " ".join(text.split())
    for ending in ("png", "svg", "pdf"):
        assert {path.stem for path in (directory / "figures").glob(f"*.{ending}")} == {
            "curves-by-setting",
            "heat-map",
            "final-values",
        }
    board = pd.read_csv(directory / "leaderboard.csv")
    assert len(board) == 12
    assert board["validation_accuracy"][0] == pytest.approx(0.981)
    assert pd.read_csv(directory / "best_per_optimizer.csv")["optimizer"].tolist() == [
        "adam",
        "sgd",
    ]


def test_out_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    directory = write(made_up_run(choices={"batch_size": [32]}), tmp_path / "run")
    before = sorted(directory.iterdir())
    assert report.main([str(directory), "--out", str(tmp_path / "a" / "b")]) == 0
    assert sorted(directory.iterdir()) == before
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == [
        *(f"best_per_optimizer.{ending}" for ending in ("csv", "md", "tex")),
        *(f"claims.{ending}" for ending in ("csv", "md", "tex")),
        "figures",
        *(f"leaderboard.{ending}" for ending in ("csv", "md", "tex")),
        "report.html",
        "tables",
    ]


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print only: drawing takes seconds."""
    monkeypatch.setattr(summary, "draw_all", lambda *_: [])


@pytest.fixture
def two_dropouts(tmp_path: Path) -> Path:
    """The folder of a run whose leaderboard has many columns."""
    choices = {"dropout": [0.25, 0.5], "batch_size": [32]}
    results = made_up_run(seeds=2, choices=choices, status={"sgd_lr0.1": "diverged"})
    return write(results, tmp_path / "run")


@pytest.mark.usefixtures("no_figures")
def test_a_pipe_gets_plain_text_and_whole_cells(two_dropouts: Path) -> None:
    text = printed(two_dropouts, width=120)
    assert "\x1b" not in text
    assert "…" not in text
    board = text.split("Leaderboard")[1].split("Best setting per optimizer")[0]
    head, *rows = board.split("rank", 1)[1].splitlines()
    for name in ("dropout", "optimizer", "learning rate", "validation %", "test %", "diverged"):
        assert name in head
    cells = [
        "1",
        "0.25",
        "adam",
        "0.001",
        "98.10 [96.31, 99.03]",
        "97.10 [95.52, 98.13]",
        "0",
        "12.5",
    ]
    assert re.split(r" {2,}", rows[0].strip()) == cells
    assert "Same in all rows: data set mnist, batch size 32, seeds 2." in board


@pytest.mark.usefixtures("no_figures")
def test_a_table_that_is_too_wide_is_printed_as_records(two_dropouts: Path) -> None:
    board = printed(two_dropouts, width=40).split("Leaderboard")[1].split("Best setting")[0]
    assert re.findall(r"^rank: (\d+)", board, re.MULTILINE)[0] == "1"
    assert board.count("rank: ") == 12
    assert max(map(len, board.split("\n"))) <= 40
    pairs = ("dropout: 0.25", "optimizer: adam", "validation %: 98.10 [96.31, 99.03]", "test %: 97")
    for pair in pairs:
        assert pair in board


@pytest.mark.usefixtures("no_figures")
def test_each_data_set_has_a_best_setting(tmp_path: Path) -> None:
    choices = {"dataset": ["mnist", "digits"], "batch_size": ["32"], "lr": ["0.1"]}
    answer = printed(write(made_up_run(choices=choices), tmp_path / "run")).split("Answer")[1]
    found = re.findall(r"^  (Best .*?):", answer, re.MULTILINE)
    assert found == [
        "Best setting on digits",
        "Best of adam on digits",
        "Best setting on mnist",
        "Best of adam on mnist",
    ]


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("width", [80, 60, 50])
def test_a_narrow_terminal_loses_no_letter(tmp_path: Path, width: int) -> None:
    directory = write(made_up_run(seeds=2), tmp_path / "run")
    text = printed(directory, width=width, force_terminal=True, color_system=None)
    assert "…" not in text
    board = text.split("Leaderboard")[1].split("Best setting per optimizer")[0]
    assert max(map(len, board.splitlines())) <= width
    for word in ("optimizer", "learning", "rate", "batch", "size", "validation", "seconds"):
        assert word in board


@pytest.mark.usefixtures("no_figures")
def test_one_seed_is_shown_without_interval(tmp_path: Path) -> None:
    text = printed(write(made_up_run(), tmp_path / "run"))
    assert "98.00" in text
    assert "98.00 ±" not in text
    assert "98.00 [" not in text
    assert "1 seed (no interval)" in text


@pytest.mark.usefixtures("no_figures")
def test_trials_that_do_not_count_are_listed(tmp_path: Path) -> None:
    status = {"sgd_lr0.1_batch32": "failed", "sgd_lr0.01": "unfinished"}
    text = printed(write(made_up_run(status=status), tmp_path / "run"))
    assert "Not counted: 4 unfinished, 1 failed of 24 trials" in text
    assert "sgd_lr0.1_batch32_seed0 failed: ValueError: made up" in text


def test_a_ranking_by_the_test_set_says_so(tmp_path: Path) -> None:
    results = made_up_run(choices={"batch_size": [32]})
    by_test = replace(results, run=replace(results.run, objective="test_loss"))
    text = printed(write(by_test, tmp_path / "by-test"))
    assert "Ranked by test loss.\nThe best point is chosen on the test set" in text
    assert "the test set plays no part" in printed(write(results, tmp_path / "run"))


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    ("objective", "reason"),
    [("validation_q", "is NaN in all trials"), ("validation_p", "was not measured")],
)
def test_an_objective_without_values_is_not_replaced_silently(
    objective: str, reason: str, tmp_path: Path
) -> None:
    results = made_up_run(choices={"batch_size": [32]})
    trials = results.trials.assign(validation_q=math.nan)
    by_own = replace(results, trials=trials, run=replace(results.run, objective=objective))
    assert by_own.objective == "validation_loss"
    text = printed(write(by_own, tmp_path / "run"))
    note = f"Note: validation {objective[-1]} {reason}, so points are ranked by validation loss"
    assert " ".join(text.split()).count(note) == 2  # below the ranking and in the answer
    assert "Note:" not in printed(write(results, tmp_path / "other"))


def test_a_run_without_results_says_so(tmp_path: Path) -> None:
    text = printed(write(made_up_run(status={"": "unfinished"}), tmp_path / "run"))
    assert "Not counted: 24 unfinished of 24 trials" in text
    assert "No trial has ended yet, so there is nothing to rank." in text
    assert not (tmp_path / "run" / "leaderboard.csv").exists()


@pytest.mark.parametrize("begun", [True, False])
def test_what_to_type_about_a_run_without_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], begun: bool
) -> None:
    results = made_up_run(choices={"lr": [0.1], "batch_size": [32]}, status={"": "unfinished"})
    trials = results.trials if begun else results.trials.assign(step=None)
    run = write(replace(results, trials=trials), tmp_path / "my run")
    assert report.main([str(run)]) == 0
    lines = unwrapped(capsys.readouterr().out)
    watch = f"To see the 2 curves so far, type python -m study.report --watch '{run}'"
    assert (watch in lines) == begun
    assert f"finish it with python -m study.grid --resume '{run}'" in lines


def test_a_page_of_several_runs_names_no_file_that_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choices = {"lr": [0.1], "batch_size": [32]}
    runs = [str(write(made_up_run(2, choices), tmp_path / name)) for name in "ab"]
    out = tmp_path / "both"
    assert report.main([*runs, "--out", str(out)]) == 0
    assert [path.name for path in out.iterdir()] == ["report.html"]
    text = capsys.readouterr().out + (out / "report.html").read_text("utf-8")
    assert re.search(r"Claims: \d+ ", text)
    assert ".csv:" not in text
    assert "in best_per_optimizer.csv" not in text


def test_csv_files_hold_whole_numbers_as_such(tmp_path: Path) -> None:
    """Although pandas has floats where other rows leave a setting unset."""
    results = made_up_run(choices={"lr": [0.1], "batch_size": [32]})
    unset = {"batch_size": [32.0, math.nan], "train_samples": [100.0, math.nan]}
    mixed = results.trials.assign(**unset, **{"model.hidden": [32.0, math.nan]})
    collect._write_parquet_and_csv(tmp_path / "trials.parquet", mixed)
    columns = ["lr", *unset, "model.hidden"]
    table = pd.read_csv(tmp_path / "trials.csv", dtype=str, keep_default_na=False)[columns]
    assert table.to_numpy().tolist() == [["0.1", "32", "100", "32"], ["0.1", "", "", ""]]
    assert plain_setting("batch_size", np.float64(32)) == 32
    assert plain_setting("train_samples", math.nan) is None


@pytest.mark.usefixtures("no_figures")
def test_a_long_leaderboard_is_cut_on_the_terminal_and_whole_in_the_file(tmp_path: Path) -> None:
    choices = {"lr": [0.3 / 1.5**k for k in range(10)]}
    results = made_up_run(choices=choices, status={"sgd_lr0.3": "diverged"})
    directory = write(results, tmp_path / "run")
    assert "... and 50 more in leaderboard.csv, 4 of them diverged." in printed(directory)
    assert len(pd.read_csv(directory / "leaderboard.csv")) == 80


def test_an_unknown_study_is_ranked_and_drawn(tmp_path: Path) -> None:
    results = made_up_run(choices={"batch_size": [32], "optimizer": ["sgd"]})
    elsewhere = Results(
        run=replace(results.run, study="mine"), trials=results.trials, records=results.records
    )
    text = printed(write(elsewhere, tmp_path / "run"))
    assert "Leaderboard" in text
    figures = {path.stem for path in (tmp_path / "run" / "figures").glob("*.png")}
    assert figures == {"curves", "final-values"}


def test_figures_can_do_without_footers(tmp_path: Path) -> None:
    choices = {"batch_size": [32], "optimizer": ["sgd"], "lr": [0.1]}
    directory = write(made_up_run(choices=choices), tmp_path / "run")
    for name, option in (("with", []), ("without", ["--no-footer"])):
        assert report.main([str(directory), "--out", str(tmp_path / name), *option]) == 0
    drawings = [tmp_path / name / "figures" / "final-values.png" for name in ("with", "without")]
    # Bytes 20 to 23 of a PNG are its height (PNG specification, 11.2.2).
    tall, short = (int.from_bytes(file.read_bytes()[20:24]) for file in drawings)
    assert short < tall


def test_missing_tables_are_collected_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = made_up_run(choices={"batch_size": [32], "lr": [0.1], "optimizer": ["sgd"]})
    directory = write(results, tmp_path / "run")
    for name in ("trials.parquet", "records.parquet"):
        (directory / name).unlink()
    collected: list[Path] = []

    def gather(folder: RunFolder) -> None:
        collected.append(folder.path)
        write(results, folder.path)

    monkeypatch.setattr(collect, "collect", gather)
    assert report.main([str(directory)]) == 0
    assert collected == [directory]
    assert report.main([str(directory)]) == 0
    assert collected == [directory]  # the second time, the tables exist


@pytest.mark.parametrize("name", ["nowhere", "empty", "cut"])
def test_bad_input_is_one_line_and_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "empty").mkdir()
    cut = write(made_up_run(), tmp_path / "cut") / "records.parquet"
    cut.write_bytes(cut.read_bytes()[:1000])
    assert report.main([str(tmp_path / name)]) == 2
    out, err = capsys.readouterr()
    assert out.split() == ["Reading", str(tmp_path / name), "..."]
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_an_out_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = write(made_up_run(), tmp_path / "run")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SystemExit) as refused:
        report.main([str(directory), "--out", str(tmp_path / "file")])
    assert refused.value.code == 2
    assert f"{tmp_path / 'file'} is a file: name a folder" in capsys.readouterr().err


def test_out_is_a_folder_on_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        report.main([str(tmp_path), "--out", "s3://bucket/x"])
    assert "s3://bucket/x is a URL: name a folder on this machine" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_is_one_line_and_code_130(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(summary, "summarize", interrupted)
    assert report.main([str(write(made_up_run(), tmp_path / "run"))]) == 130
    assert capsys.readouterr().err == "Interrupted; nothing is lost.\n"


def test_reading_a_run_needs_neither_torch_nor_ray(tmp_path: Path) -> None:
    directory = write(made_up_run(choices={"batch_size": [32], "lr": [0.1]}), tmp_path / "run")
    code = (
        "import sys; from study import analysis, figures; "
        "from study.report import __main__ as report; "
        f"code = report.main([{str(directory)!r}]); "
        "loaded = {'torch', 'ray', 'torchvision', 'matplotlib.pyplot'} & set(sys.modules); "
        "sys.exit(f'{code} {loaded}' if code or loaded else 0)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(report.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (directory / "figures" / "final-values.svg").is_file()


@pytest.mark.usefixtures("no_figures")
def test_the_answer_comes_last_and_the_question_first(tmp_path: Path) -> None:
    results = made_up_run(seeds=2)
    fails = (results.trials["optimizer"] == "adam") & (results.trials["lr"] == 0.1)
    results.trials.loc[fails, ["validation_accuracy", "test_accuracy"]] = 0.1
    directory = write(results, tmp_path / "run")
    lines = printed(directory).strip().splitlines()
    assert lines[0].startswith("fan: How do learning rate and batch size")
    answer = lines[lines.index("Answer") :]
    text = " ".join(" ".join(answer).split())
    assert "Best setting: optimizer adam, learning rate 0.001, batch size 32" in text
    assert "Best of sgd: learning rate 0.1, batch size 32" in text
    fail = "Optimizer adam with learning rate 0.1 stays at chance with every batch size."
    assert fail in text
    assert re.search(r"Claims, each in claims.csv: \d+ reproduced, \d+ not reproduced", text)
    assert f"Files in {directory}: figures" in text
    assert text.endswith("trials.parquet")


@pytest.mark.usefixtures("no_figures")
def test_one_seed_is_one_line_for_all_undecided_claims(tmp_path: Path) -> None:
    text = " ".join(printed(write(made_up_run(), tmp_path / "run")).split())
    assert text.count("one seed has no interval; it takes 2 to decide") == 2
    assert "UNDECIDED, 41 claims: one seed has no interval" in text
    assert "UNDECIDED (" not in text
    # The page and claims.csv have all names.
    assert "and 37 more, in claims.csv" in text


def a_run(kind: str, directory: Path) -> Path:
    """Return the folder of a made-up run, or of a documented one."""
    if kind in {"search", "lr-range"}:
        return Path(__file__).parents[2] / "docs" / "results" / kind
    made_up = {
        "grid": lambda: made_up_run(seeds=3, choices={"dataset": ["mnist", "digits"]}),
        "one seed": lambda: made_up_run(choices={"dropout": [0.25, 0.5]}),
        "scaling": lambda: made_up_scaling((1, 2, 4)),
    }
    return write(made_up[kind](), directory)


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("kind", ["grid", "one seed", "search", "scaling", "lr-range"])
def test_every_report_fits_in_80_columns_and_breaks_no_number(tmp_path: Path, kind: str) -> None:
    directory = a_run(kind, tmp_path / "run")
    out = tmp_path / "out"
    narrow, wide = (printed(directory, width=width, out=out) for width in (80, 10_000))
    place = str(tmp_path)
    assert [line for line in narrow.splitlines() if len(line) > 80 and place not in line] == []
    numbers = re.compile(r"(?<![\w.])\d+\.\d+")
    assert set(numbers.findall(narrow)) <= set(numbers.findall(wide))
    assert "…" not in narrow
    for line in narrow.splitlines():
        assert not line.rstrip().endswith("±")
