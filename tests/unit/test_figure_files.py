"""What every figure has in common: room for all it shows, its files, and nobody else's style."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pytest
from matplotlib.colors import to_hex

from study.figures import curves, style
from tests.unit.fan_figures import curves_of, draw_fan, legend_of, written_on
from tests.unit.made_up_run import made_up_run


@pytest.mark.parametrize(
    ("lines", "sizes"),
    [(1, (64,)), (12, (64,)), (3, (32, 64)), (3, (32, 64, 128)), (12, (32, 64, 128, 256))],
)
def test_nothing_overlaps(lines: int, sizes: Sequence[int]) -> None:
    figure = draw_fan(
        made_up_run(
            seeds=2,
            choices={"batch_size": sizes, "lr": [0.3 / 1.8**k for k in range(lines)]},
            status={"sgd_lr0.3": "diverged"},
        ),
        "loss",
    )
    figure.draw_without_rendering()
    page = figure.bbox
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    boxes += [thing.get_window_extent() for thing in (*figure.legends, *figure.texts)]
    for i, box in enumerate(boxes):
        assert box is not None
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
        assert not any(box.overlaps(other) for other in boxes[:i] if other is not None)


def test_files_are_reproducible_bytes(tmp_path: Path) -> None:
    results = made_up_run(seeds=2, choices={"batch_size": [32]})
    first = style.save(draw_fan(results), tmp_path / "a")
    second = style.save(draw_fan(results), tmp_path / "b")
    assert [file.name for file in first] == ["a.png", "a.svg", "a.pdf"]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    assert "<dc:date>" not in first[1].read_text()


def test_drawing_does_not_change_the_global_style() -> None:
    before = dict(matplotlib.rcParams)
    draw_fan(made_up_run())
    assert dict(matplotlib.rcParams) == before


def test_a_figure_can_do_without_its_footer() -> None:
    with style.footers(shown=False):
        bare = draw_fan(made_up_run())
    full = draw_fan(made_up_run())
    assert "A title" in written_on(bare)
    assert "budget" not in written_on(bare)
    assert "budget" in written_on(full)
    assert bare.get_size_inches()[1] < full.get_size_inches()[1] - 0.3


def test_lines_that_hide_each_other_are_drawn_apart() -> None:
    results = made_up_run(choices={"batch_size": [32]})
    records = results.records
    equal = records[records["trial"] == "sgd_lr0.1_batch32_seed0"].set_index("step")
    for quantity in ("train_accuracy", "validation_accuracy"):
        hidden = records["trial"] == "sgd_lr0.01_batch32_seed0"
        records.loc[hidden, quantity] = records.loc[hidden, "step"].map(equal[quantity])
    figure = draw_fan(results)
    alone, _, below, _, above, _ = curves_of(figure.axes[0])
    low, high, apart = (
        line.get_transform().transform((5, 90))[1] for line in (below, above, alone)
    )
    assert list(below.get_ydata()) == list(above.get_ydata())
    assert high - low == pytest.approx(1.5 * 1.6 / 72 * figure.dpi)
    assert apart == pytest.approx((low + high) / 2)
    assert style.SEPARATED in written_on(figure).replace("\n", " ")
    assert style.SEPARATED not in written_on(draw_fan(made_up_run())).replace("\n", " ")


def test_many_numbers_have_a_color_bar_in_place_of_a_legend() -> None:
    rates = [0.3 / 1.8**k for k in range(9)]
    figure = draw_fan(made_up_run(choices={"lr": rates, "batch_size": [32, 64]}))
    *panels, bar = figure.axes
    assert len(panels) == 2
    assert bar.get_ylabel() == "learning rate"
    assert len(bar.get_yticks()) == 9
    assert not [text for text in legend_of(figure) if text.startswith("learning rate")]


@pytest.mark.parametrize(
    "settings",
    [
        b"text.usetex: True\nno.such.key: 1\n",
        pytest.param(b"\xff\xfe", marks=pytest.mark.slow),
    ],
)
def test_figures_depend_on_nothing_of_the_users_matplotlib(tmp_path: Path, settings: bytes) -> None:
    (tmp_path / "matplotlibrc").write_bytes(settings)
    code = (
        "import os, study.figures; from pathlib import Path; "
        "from tests.unit.fan_figures import draw_fan; from tests.unit.made_up_run import "
        "made_up_run; from study.figures import style; "
        "assert os.getcwd() == os.environ['PWD']; "
        "assert os.environ['MPLBACKEND'].startswith('module:'); "
        "style.save(draw_fan(made_up_run(choices={'batch_size': [32]})), Path('drawn'))"
    )
    environment = os.environ | {
        "PYTHONPATH": str(Path(curves.__file__).parents[2]),
        "PWD": str(tmp_path),
        "HOME": "/proc/nowhere",
        "MPLCONFIGDIR": "/proc/nowhere",
        "MPLBACKEND": "module://no_such_notebook.backend_inline",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    here = style.save(draw_fan(made_up_run(choices={"batch_size": [32]})), tmp_path / "here")
    for file in here:
        assert (tmp_path / f"drawn{file.suffix}").read_bytes() == file.read_bytes()


def test_a_style_set_before_has_no_effect() -> None:
    with matplotlib.rc_context({"axes.facecolor": "black", "text.usetex": True}):
        (axes,) = draw_fan(made_up_run(choices={"batch_size": [32]})).axes
    assert to_hex(axes.get_facecolor()) == "#ffffff"
    assert not axes.title.get_usetex()
