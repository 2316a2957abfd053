"""The table of speed claims, and the page that is made from it."""

import math
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from benchmarks import drawing, gpu, table
from benchmarks.__main__ import _rows
from benchmarks.row import line, quotients, take_turns
from benchmarks.table import TIMES, Line, Place

PLACE = Place("2026-11-27 12:00 UTC", "a processor", 2, 0.1, "python 3.11", "abc1234")
NAN = math.nan


def at(value, low, high, **more):
    return Line("K = 2", TIMES, value, low, high, 5, **more)


@pytest.mark.parametrize(
    ("measured", "holds"),
    [
        (at(6.0, 5.0, 7.0, at_least=5.0), "yes"),
        (at(6.0, 4.9, 7.0, at_least=5.0), "undecided"),
        (at(4.0, 3.0, 4.9, at_least=5.0), "no"),
        (at(4.0, 3.0, 5.0, at_most=5.0), "yes"),
        (at(4.0, 3.0, 5.1, at_most=5.0), "undecided"),
        (at(7.0, 5.1, 8.0, at_most=5.0), "no"),
        (at(6.0, NAN, NAN, at_least=5.0), "yes"),
        (at(6.0, NAN, NAN, at_most=5.0), "no"),
        (at(6.0, 5.0, 7.0), ""),
    ],
)
def test_a_limit_holds_if_the_whole_interval_does(measured, holds):
    assert measured.holds == holds


def test_rounds_take_turns_and_the_warm_up_does_not_count():
    begun = []
    seconds = take_turns(2, lambda: begun.append("a"), lambda: begun.append("b"))
    assert begun == ["a", "b"] * 3
    assert [len(of_block) for of_block in seconds] == [2, 2]


def test_a_line_is_the_median_of_the_ratios_of_rounds():
    ratios = quotients([4.0, 6.0, 9.0], [2.0, 2.0, 1.0])
    assert ratios == [2.0, 3.0, 9.0]
    found = line("K = 2", ratios, at_least=1.5)
    assert (found.value, found.low, found.high, found.holds) == (3.0, 2.0, 9.0, "yes")
    assert math.isnan(line("K = 2", [2.0]).low), "one round has no interval"


def test_a_row_measured_again_replaces_its_lines_only(tmp_path):
    order = ["first", "second"]

    def write(name, *values):
        lines = [at(value, value, value, note="a note, " * 20) for value in values]
        return table.write(tmp_path, table.rows(name, "a loop", lines, PLACE, 3.0), order)

    write("second", 1.0, 2.0)
    write("first", 3.0)
    whole = write("second", 4.0)
    assert list(whole["row"]) == order
    assert list(whole["value"]) == [3.0, 4.0]
    assert list(table.write(tmp_path, whole[:1], ["first"])["row"]) == ["first"]
    text = (tmp_path / table.TEXT).read_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "3.00x [3.00, 3.00]" in text


def test_a_row_that_fails_keeps_what_it_measured(tmp_path, capsys):
    class Row:
        name, baseline = "broken", "a loop"

        @staticmethod
        def measure(quick):
            yield at(2.0, 1.0, 3.0)
            raise RuntimeError("no room")

    assert not table.measure(Row, True, tmp_path, ["broken"])
    assert len(table.read(tmp_path)) == 1
    assert "not measured: no room" in capsys.readouterr().err


def test_the_page_shows_the_committed_table():
    """`python -m benchmarks` writes both; `--draw` writes the page and the figures again."""
    found = table.read(table.FOLDER)
    page = drawing.PAGE.read_text(encoding="utf-8")
    assert drawing.with_block(page, found) == page
    assert (table.FOLDER / table.TEXT).read_text(encoding="utf-8") == table.text(found)
    assert set(found["row"]) <= set(_rows())
    for name in drawing._figures(found):
        assert f"results/bench/{name}.svg" in page
        assert (table.FOLDER / f"{name}.svg").exists()


def test_equal_tables_give_equal_figures(tmp_path):
    found = table.read(table.FOLDER)
    drawn = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        drawing.draw(found, tmp_path / name)
        drawn.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert drawn[0] == drawn[1]
    assert drawn[0]


def test_without_a_gpu_one_line_says_so(capsys, tmp_path):
    assert gpu.main(["--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "torch sees no GPU" in line


def test_a_process_that_fails_before_the_barrier_is_reported_at_once():
    barrier = threading.Barrier(3)
    processes = [SimpleNamespace(exitcode=None), SimpleNamespace(exitcode=1)]
    with pytest.raises(RuntimeError, match="a process that shares the device failed"):
        gpu._meet(barrier, processes)


def test_an_unknown_row_is_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "4ls-batch-2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "4ls-batch-1" in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("mnist_folder")
def test_every_row_can_be_measured(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--out", str(tmp_path)]
    subprocess.run(command, check=True)
    assert set(table.read(tmp_path)["row"]) == set(_rows())
    assert {path.stem for path in tmp_path.glob("*.svg")} == {"many-trials", "ratios", "throughput"}


@pytest.mark.slow
def test_the_gpu_benchmark_needs_no_ray(tmp_path):
    """Its code on the CPU, with a Ray that cannot be imported."""
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").write_text("raise ImportError('no Ray here')")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--out", str(out)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    names = ["throughput", "sharing", "bf16", "two-ranks", "fan-hardware"]
    assert list(dict.fromkeys(table.read(out)["row"])) == names
    assert (out / "fan-hardware" / "report.html").exists()
