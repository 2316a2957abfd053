"""Random command lines and environments: none ends in a traceback."""

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from study import __main__ as overview
from study import grid, lr_range, search
from study.report import __main__ as report
from study.report import summary
from study.scaling import __main__ as scaling

RUN = str(Path(__file__).parents[2] / "docs" / "results" / "fan")
TOOLS = {
    "study": overview,
    "study.grid": grid,
    "study.lr_range": lr_range,
    "study.search": search,
    "study.scaling": scaling,
    "study.report": report,
}
STUDIES = ("fan", "search", "lr-range", "upc-line", "fan-hardware", "", "fam", "../fan", "😀")
SETTINGS = ("lr", "optimizer", "batch_size", "epochs", "dropout", "model", "dataset", "seed", "x y")
VALUES = (
    *("0.1", "0", "-1", "nan", "inf", "1e400", "1e-3..1", "1..", "..", "none", "true", "5+3", ""),
    *(
        "adam",
        "sgd,adam",
        "a:b",
        "os:getcwd",
        "mnist.Net",
        "digits",
        "٣",
        "é",
        "\x1b[31m",
        "[bold]",
    ),
    *("0.1,,0.2", "99999999999999999999", "x" * 300, "--", "=", "0.1,0.1", "256", "1_0"),
)
PLACES = ("", " ", "~", "~nobody/x", "/dev/null", "/proc/x", "file:///x", "s3://", "gs:///a", RUN)
OPTIONS = (
    *("--seeds", "--budget", "--scheduler", "--ramps", "--loss", "--trials", "--sampler"),
    *("--objectives", "--confirm", "--time-limit", "--workers", "--repeats", "--widths"),
    *("--cpus-per-trial", "--gpus-per-trial", "--max-concurrent", "--verify-epochs", "--device"),
    *("--keep-models", "--start-from", "--optuna-storage", "--no-such-option", "--address"),
    "--grids",
)
FLAGS = ("--verify", "--autoscale", "--weak", "--oversubscribe", "--xlsx", "--no-footer", "-h")
ENVIRONMENTS = {
    "RAY_ADDRESS": ("http://127.0.0.1:1", "ray://127.0.0.1:10001", " ", "nowhere"),
    "STUDY_DATA_DIR": ("/no/such", "", "~", RUN),
    "COLUMNS": ("1", "0", "x", "20"),
    "TERM": ("dumb", "", "xterm"),
    "MPLBACKEND": ("module://matplotlib_inline.backend_inline", "x"),
    "STUDY_STORAGE_PATIENCE": ("x", "-1", "0"),
}
"""Variables that a process reads while it runs; `STARTS` has those that it reads as it starts."""
STARTS = (
    ({"PYTHONIOENCODING": "ascii"}, ""),
    ({"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}, ""),
    ({"HOME": "/no/such"}, ""),
    ({"TMPDIR": "/no/such"}, ""),
    ({"TMPDIR": "/tmp/" + "x" * 90}, ""),
    ({}, ">&-"),
    ({}, "2>&-"),
    ({}, ">/dev/full"),
    ({}, "| head -1"),
)


def words(draw: random.Random) -> tuple[str, list[str]]:
    """Draw a command and its arguments."""
    tool = draw.choice(list(TOOLS))
    typed = [draw.choice((RUN, *PLACES))] if tool == "study.report" else []
    if tool != "study.report" and draw.random() < 0.5:
        typed.append(draw.choice(STUDIES))
    for _ in range(draw.randint(0, 3)):
        kind = draw.random()
        if kind < 0.45:
            typed += ["--set", f"{draw.choice(SETTINGS)}={draw.choice(VALUES)}"]
        elif kind < 0.75:
            typed += [draw.choice(OPTIONS), draw.choice((*VALUES, "2", "smoke", "tpe", "1,2"))]
        elif kind < 0.9:
            typed += [draw.choice(("--results", "--resume", "--out", "--data-dir", "--storage"))]
            typed += [draw.choice(PLACES)]
        else:
            typed.append(draw.choice(FLAGS))
    # Nothing is trained.
    return tool, typed + ([] if tool in {"study", "study.report"} else ["--dry-run"])


def check(code: object, out: str, err: str, typed: Sequence[str]) -> None:
    """Check what the user got: no traceback, a known exit code, and on bad input what is wrong."""
    assert "Traceback" not in out + err, (typed, err)
    assert code in {0, 1, 2, 130}, (typed, err)
    if code == 2:
        assert err.startswith("error: "), (typed, err)
        assert len(err.splitlines()) <= 3, (typed, err)


@pytest.mark.parametrize(
    "seed", [*range(40), *(pytest.param(s, marks=pytest.mark.slow) for s in range(40, 240))]
)
def test_a_random_command_line_ends_without_a_traceback(seed, tmp_path, capsys, monkeypatch):
    draw = random.Random(seed)
    monkeypatch.setattr(summary, "draw_all", lambda *_: [])  # drawing takes seconds
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in draw.sample(sorted(ENVIRONMENTS), 2):
        if draw.random() < 0.5:
            monkeypatch.setenv(name, draw.choice(ENVIRONMENTS[name]))
    tool, typed = words(draw)
    if tool == "study.report" and "--out" not in typed:
        typed += ["--out", str(tmp_path / "out")]
    code: object
    try:
        code = TOOLS[tool].main(typed)
    except SystemExit as end:  # argparse
        code = end.code
    check(code, *capsys.readouterr(), [tool, *typed])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(18))
def test_a_random_start_ends_without_a_traceback(seed, tmp_path):
    environment, redirection = STARTS[seed % len(STARTS)]
    draw = random.Random(seed)
    tool, typed = draw.choice(
        [("study", []), ("study.grid", ["--set", "lr=x"]), ("study.report", [RUN, "--out", "o"])]
    )
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m {tool} "$@" {redirection}', sys.executable, *typed],
        env={**os.environ, **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
