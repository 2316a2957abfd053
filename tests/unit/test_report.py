"""`python -m study.report`: what it writes, prints and refuses."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from study.analysis.results import Results
from study.report import __main__ as report
from study.report import summary
from study.runs import collect
from study.runs.run_folder import RunFolder
from tests.unit.made_up_run import made_up_run, write

SMALL = {"batch_size": [32, 64]}


def printed(directory: Path, **console: object) -> str:
    page = io.StringIO()
    summary.summarize(directory, Console(file=page, **console))  # type: ignore[arg-type]
    return page.getvalue()


def test_a_run_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write(made_up_run(seeds=2, choices=SMALL), tmp_path / "run")
    assert report.main([str(directory)]) == 0
    text = capsys.readouterr().out
    assert "data set mnist; budget quick; 2 seeds" in text
    assert "98.10 ± 1.27" in text  # 98.0 and 98.2: 12.706 * 0.1
    assert str(directory / "figures") in text
    assert len(list((directory / "figures").glob("*.png"))) == 4
    assert len(list((directory / "figures").glob("*.svg"))) == 4
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
        "best_per_optimizer.csv",
        "claims.csv",
        "figures",
        "leaderboard.csv",
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
@pytest.mark.parametrize("soft_wrap", [True, False])
def test_a_pipe_gets_plain_text_and_whole_cells(two_dropouts: Path, soft_wrap: bool) -> None:
    text = printed(two_dropouts, width=100, soft_wrap=soft_wrap)
    assert "\x1b" not in text
    assert "…" not in text
    board = text.split("Leaderboard")[1].split("Best setting per optimizer")[0]
    head, *rows = board.split("rank", 1)[1].splitlines()
    for name in ("dropout", "optimizer", "learning rate", "validation %", "test %", "diverged"):
        assert name in head
    cells = ["1", "0.25", "adam", "0.001", "98.10 ± 1.27", "97.10 ± 1.27", "0", "12.5"]
    assert re.split(r" {2,}", rows[0].strip()) == cells
    assert "Same in all rows: data set mnist, batch size 32, seeds 2." in board


@pytest.mark.usefixtures("no_figures")
def test_a_table_that_is_too_wide_continues_below_itself(two_dropouts: Path) -> None:
    board = printed(two_dropouts, width=40).split("Leaderboard")[1]
    board = board.split("Best setting")[0]
    tables = [part.split("\n") for part in board.strip("\n").split("\n\n")]
    assert len(tables) > 1
    firsts = [[line.split()[0] for line in table if line.strip()[:1].isdigit()] for table in tables]
    assert firsts == [[str(rank) for rank in range(1, 13)]] * len(tables)
    assert max(map(len, board.split("\n"))) <= 40
    for cell in ("0.25", "adam", "0.001", "98.10 ± 1.27", "97.10 ± 1.27"):
        assert cell in board


@pytest.mark.usefixtures("no_figures")
def test_each_data_set_has_a_best_setting(tmp_path: Path) -> None:
    choices = {"dataset": ["mnist", "digits"], "batch_size": ["32"], "lr": ["0.1"]}
    answer = printed(write(made_up_run(choices=choices), tmp_path / "run")).split("Ranked by")[0]
    found = re.findall(r"^(Best .*?):", answer, re.MULTILINE)
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
    assert "1 seed (no interval)" in text


@pytest.mark.usefixtures("no_figures")
def test_trials_that_do_not_count_are_listed(tmp_path: Path) -> None:
    status = {"sgd_lr0.1_batch32": "failed", "sgd_lr0.01": "unfinished"}
    text = printed(write(made_up_run(status=status), tmp_path / "run"))
    assert "Not counted: 4 unfinished, 1 failed of 24 trials" in text
    assert "sgd_lr0.1_batch32_seed0 failed: ValueError: made up" in text


def test_a_run_without_results_says_so(tmp_path: Path) -> None:
    text = printed(write(made_up_run(status={"": "unfinished"}), tmp_path / "run"))
    assert "Not counted: 24 unfinished of 24 trials" in text
    assert "nothing to rank or to draw" in text
    assert not (tmp_path / "run" / "leaderboard.csv").exists()


@pytest.mark.usefixtures("no_figures")
def test_a_long_leaderboard_is_cut_on_the_terminal_and_whole_in_the_file(tmp_path: Path) -> None:
    choices = {"lr": [0.3 / 1.5**k for k in range(10)]}
    results = made_up_run(choices=choices, status={"sgd_lr0.3": "diverged"})
    directory = write(results, tmp_path / "run")
    assert "... and 50 more in leaderboard.csv, 4 of them diverged." in printed(directory)
    assert len(pd.read_csv(directory / "leaderboard.csv")) == 80


def test_an_unknown_study_is_ranked_and_not_drawn(tmp_path: Path) -> None:
    results = made_up_run()
    elsewhere = Results(
        run=replace(results.run, study="mine"), trials=results.trials, records=results.records
    )
    text = printed(write(elsewhere, tmp_path / "run"))
    assert "Leaderboard" in text
    assert "No figures: this installation has no study 'mine'" in text


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
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_an_out_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = write(made_up_run(), tmp_path / "run")
    (tmp_path / "file").write_text("in the way")
    assert report.main([str(directory), "--out", str(tmp_path / "file")]) == 2
    err = capsys.readouterr().err
    assert "name another folder with --out" in err
    assert err.count("\n") == 1


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
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "summarize", interrupted)
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
    assert (directory / "figures" / "figure-3-adam-accuracy.svg").is_file()
