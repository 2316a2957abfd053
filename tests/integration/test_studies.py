"""Every study that a grid runs, from its command to its tables, verdicts and figures."""

import pandas as pd
import pytest

import search_spaces
from study.runs.run_folder import RunFolder

# The rest have commands, and tests, of their own.
GRIDS = [
    study
    for study in search_spaces.studies().values()
    if not (study.workers or study.space or study.name.startswith("lr-range"))
]
# Fan's has runs of its own; these differ from the first table of their exercise in values alone,
# or take longer than they show.
ALIKE = (
    *("upc-batches-4.2", "upc-batches-4.3", "upc-batches-4.4", "upc-batches-4.5"),
    *("upc-batches-4.6", "upc-optimizers", "flux"),
    "cs5260",  # test_lr_range has its nets
)
STUDIES = [
    pytest.param(study, id=study.name, marks=[pytest.mark.slow] if study.name in ALIKE else [])
    for study in GRIDS
    if study.name != "fan"
]


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_at_smoke(study, run_grid, tmp_path, capsys):
    folder = tmp_path / "run"
    # The large net takes seconds a trial: a part of its grid shows as much as the whole.
    few = {"upc-optimizers": ["--set", "lr=0.001"]}.get(study.name, [])
    data = [] if study.fixed["dataset"] == "line" else ["--set", "dataset=digits"]
    assert run_grid(study.name, "--budget", "smoke", *data, *few, "--results", str(folder)) == 0
    trials = pd.read_parquet(folder / "trials.parquet")
    assert set(trials["status"]) <= {"finished", "diverged"}
    assert len(trials) == len(RunFolder(folder).plan)
    figures = {path.stem for path in (folder / "figures").glob("*.png")}
    missing = [
        asked.name
        for asked in study.figures
        if not any(name.startswith(asked.name) for name in figures)
    ]
    # Ten steps of a sample each leave nobody above 90 %.
    assert set(missing) <= {"top-performers"}
    written = {path.stem for path in (folder / "tables").glob("*.csv")}
    expected = {
        table.name
        for table in study.tables
        if table.kind not in {"effort", "checkpoints"}
        and table.options.get("where_step", 0) <= trials["step"].max()
    }
    assert expected <= written
    verdicts = pd.read_csv(folder / "claims.csv")
    assert verdicts["claim"].tolist() == [claim.name for claim in study.claims]
    printed = capsys.readouterr().out
    assert "Claims of the report" in printed


@pytest.mark.parametrize("name", ["fan-hardware", "upc-gpus"])
def test_a_study_of_workers_is_no_grid(name, run_grid, capsys):
    assert run_grid(name) == 2
    assert f"python -m study.scaling {name}" in capsys.readouterr().err


def test_more_seeds_where_nothing_is_drawn_are_refused(run_grid, capsys):
    assert run_grid("upc-line", "--seeds", "3") == 2
    assert "leave --seeds out" in capsys.readouterr().err
