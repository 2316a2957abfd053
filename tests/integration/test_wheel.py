"""The wheel, installed into another environment, does everything from an empty folder."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
SMOKE = ("--budget", "smoke")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python that finds the project in its wheel, and all else where the tests find it."""
    pytest.importorskip("setuptools", "77")
    place = tmp_path_factory.mktemp("wheel")
    source, venv = place / "source", place / "venv"
    # A build leaves folders beside the code.
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("lenet", "search_spaces", "study"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", place, source]
    subprocess.run(build, check=True)
    (wheel,) = place.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    install = [*pip, "--python", python, "install", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True)
    (libraries,) = venv.glob("lib/python*/site-packages")
    (libraries / "of_the_tests.pth").write_text(sysconfig.get_path("purelib"))
    return python


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that holds nothing but the study of docs/your-own.md."""
    folder = tmp_path_factory.mktemp("empty")
    text = (ROOT / "docs" / "your-own.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n# my_study.py\n(.*?)```", text, re.DOTALL)
    (folder / "my_study.py").write_text(found[1], encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(python, folder):
    """Runs a module of the wheel in the folder and returns what it printed."""

    def run(*words):
        environment = {
            k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RAY_ADDRESS")
        }
        command = [python, "-m", *words]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def check_page(folder):
    """Check that a run has a whole page, with its style and its script."""
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<style>" in page
    assert "<script" in page
    assert (folder / "figures").is_dir()


def test_the_project_comes_from_the_wheel(python, run, folder):
    assert "fan-hardware" in run("study")
    code = "import study, lenet, search_spaces; print(study.__file__)"
    found = subprocess.run(
        [python, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith(str(python.parents[1]))


def test_a_built_in_study_by_grid(run, folder):
    typed = ["--set", "dataset=digits", "--set", "lr=0.1", "--set", "optimizer=sgd,adam"]
    run("study.grid", *SMOKE, *typed, "--results", "fan")
    assert json.loads((folder / "fan" / "run.json").read_text())["commit"] is None
    check_page(folder / "fan")


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("grid", []),
        ("search", ["--set", "lr=1e-3..1e-1", "--trials", "3", "--confirm", "0x0"]),
        ("lr_range", ["--seeds", "2", "--set", "lr=1e-5"]),
        ("scaling", ["--workers", "1,2", "--device", "cpu", "--oversubscribe"]),
    ],
)
def test_an_own_study_by_every_command(command, more, run, folder):
    run(f"study.{command}", "my_study.py", *SMOKE, *more, "--results", command)
    trials = pd.read_parquet(folder / command / "trials.parquet")
    assert set(trials["status"]) <= {"finished", "diverged"}
    assert "finished" in set(trials["status"])
    (folder / command / "report.html").unlink()
    run("study.report", command, "--xlsx")
    check_page(folder / command)
    assert (folder / command / "results.xlsx").is_file()
