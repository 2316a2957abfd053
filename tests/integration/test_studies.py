"""Every study that a grid runs, from its command to its tables, verdicts and figures."""

import pandas as pd
import pytest

import search_spaces
from study.runs.run_folder import RunFolder
from tests.terminal import unwrapped

# Other studies have their own commands and tests.
GRIDS = [
    study
    for study in search_spaces.studies().values()
    if not (study.workers or study.space or study.name.startswith("lr-range"))
]
# These differ from another study only in values, or take long: test_grid has a whole study.
SIMILAR = (
    "upc-batches-4.1",
    "upc-batches-4.2",
    "upc-batches-4.3",
    "upc-batches-4.4",
    "upc-batches-4.5",
    "upc-batches-4.6",
    "upc-optimizers",
    "upc-line",
    "flux",
    "cs5260",  # test_lr_range has its nets
)
STUDIES = [
    pytest.param(study, id=study.name, marks=[pytest.mark.slow] if study.name in SIMILAR else [])
    for study in GRIDS
    if study.name != "fan"  # test_grid has it
]


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_at_smoke(study, run_grid, tmp_path, capsys):
    folder = tmp_path / "run"
    # The large net takes seconds a trial, so only a part of its grid is trained.
    few = {"upc-optimizers": ["--set", "lr=0.001"]}.get(study.name, [])
    data = [] if study.fixed["dataset"] == "line" else ["--set", "dataset=digits"]
    assert run_grid(study.name, "--budget", "smoke", *data, *few, "--results", str(folder)) == 0
    trials = pd.read_parquet(folder / "trials.parquet")
    assert set(trials["status"]) <= {"finished", "diverged"}
    assert len(trials) == len(RunFolder(folder).plan)
    figures = {path.stem for path in (folder / "figures").glob("*.png")}
    missing = [
        figure.name
        for figure in study.figures
        if not any(name.startswith(figure.name) for name in figures)
        and not (few and figure.source)  # other values than the report's
    ]
    assert any(name.startswith("final-values") for name in figures)
    # After ten steps of one sample, no trial is above 90 %.
    assert set(missing) <= {"top-performers", "effort"}
    written = {path.stem for path in (folder / "tables").glob("*.csv")}
    expected = {
        table.name
        for table in study.tables
        if table.kind not in {"effort", "checkpoints", "matching_values"}
        and table.options.get("where_step", 0) <= trials["step"].max()
    }
    assert expected <= written
    verdicts = pd.read_csv(folder / "claims.csv")
    assert verdicts["claim"].tolist() == [claim.name for claim in study.claims]
    printed = unwrapped(capsys.readouterr().out)
    assert "Claims of the report" in printed


@pytest.mark.parametrize("name", ["fan-hardware", "upc-gpus"])
def test_a_study_of_workers_is_not_a_grid(name, run_grid, capsys):
    assert run_grid(name) == 2
    assert f"python -m study.scaling {name}" in capsys.readouterr().err


def test_several_seeds_of_a_deterministic_study_are_refused(run_grid, capsys):
    assert run_grid("upc-line", "--seeds", "3") == 2
    assert "omit --seeds" in capsys.readouterr().err
