"""The Python API: what it refuses, what it makes of its arguments, what it reads of a run."""

import ast
import errno
import shlex
import signal
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Picture

import search_spaces
from lenet import TrainConfig
from search_spaces import fan, kept
from search_spaces.study import Figure, Grid, Metric, Study
from study import __main__ as overview
from study import api, grid
from study.api.job import TuningJob
from study.api.studies import choices, study_name
from study.cluster.engine import Ending
from study.report import summary
from study.runs.run_folder import RunFolder
from study.terminal import make_console
from tests.terminal import unwrapped
from tests.unit.made_up_run import made_up_run, write

OWN = Study(
    name="own",
    question="Does it work?",
    source="a test",
    fixed={"dataset": "digits"},
    grids=(Grid(space={"lr": (0.1, 0.01)}),),
    budgets={"smoke": {"epochs": 1}},
)


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: api.grid("fam"), "unknown study 'fam': did you mean 'fan'"),
        (lambda: api.grid(seeds=0), "seeds=0 must be a whole number, from 1 to 1,000"),
        (lambda: api.grid(seeds=True), "seeds=True must be a whole number"),
        (lambda: api.grid(budget="long"), "fan has no budget long"),
        (lambda: api.grid(settings={"lr": []}), "lr needs a value: an empty list has none"),
        (lambda: api.grid(settings={"lr": "x"}), "lr=x is invalid: lr must be a finite number"),
        (lambda: api.grid(settings={"lrr": 1}), "unknown setting 'lrr': did you mean 'lr'"),
        (lambda: api.grid(settings=["lr=0.1"]), "must be a dict of settings and values"),
        (lambda: api.grid(resources=4), "resources=4 must be a request, such as"),
        (lambda: api.compare("nowhere", "here"), "nowhere is not a folder"),
        (lambda: api.grid(scheduler="median"), "unknown scheduler 'median'"),
        (lambda: api.grid(pack=1), "pack='1' must be auto, off or a number, 2 or more"),
        (lambda: api.grid(keep_models="last"), "unknown keep_models 'last'"),
        (lambda: api.grid(data_dir="nowhere"), "data_dir: nowhere is not a folder"),
        (lambda: api.grid(reuse=["."]), "holds no run: give the folder of a run"),
        (lambda: api.grid(results="a", storage="b"), "--results names the place of this run"),
        (lambda: api.grid(results=" "), "an empty path names no folder"),
        (lambda: api.search(trials=0), "trials=0 must be a whole number, 1 or more"),
        (lambda: api.search(time_limit=-1), "time_limit=-1 must be a number of seconds above 0"),
        (lambda: api.search(confirm=(0, 3)), r"confirm=\(0, 3\) must be"),
        (lambda: api.search(sampler="grid"), "unknown sampler 'grid'"),
        (lambda: api.search(sampler_seed=-1), "sampler_seed=-1 must be a whole number, from 0 to"),
        (lambda: api.search(sampler_seed=5_000_000_000), "from 0 to 4,000,000,000"),
        (lambda: api.lr_range(ramps=["up"]), "--ramps: unknown ramp 'up'"),
        (lambda: api.lr_range(loss="all"), "unknown loss 'all'"),
        (lambda: api.lr_range(verify_epochs=3), "--verify-epochs belongs to the verification"),
        (lambda: api.scaling(workers=[0]), "workers=0 must be a whole number, 1 or more"),
        (lambda: api.scaling(workers=[2, 2]), "--workers 2,2 repeats a number"),
        (lambda: api.scaling(devices=["tpu"]), "unknown device 'tpu'"),
        (lambda: api.scaling(placement="spread"), "--placement needs a cluster"),
        (lambda: api.ResourceRequest(gpus_per_trial=-1), "gpus_per_trial=-1 must be a number, 0"),
        (lambda: api.ResourceRequest(max_concurrent=0), "max_concurrent=0 must be a whole number"),
        (lambda: api.grid(resources=api.ResourceRequest(autoscale=True)), "--autoscale needs a"),
        (lambda: api.load("nowhere"), "nowhere is not a folder"),
        (lambda: api.resume("nowhere"), "nowhere is not a run"),
    ],
)
def test_a_wrong_argument_is_an_exception_before_torch_is_needed(make, error):
    with pytest.raises(api.ConfigError, match=error):
        make()


def test_settings_are_the_texts_that_commands_take():
    assert choices(
        {
            "lr": [0.1, 1e-5],
            "optimizer": "adam",
            "test_curve": True,
            "epochs": None,
            "milestones": (5, 8),
            "model": shlex.join,
        }
    ) == {
        "lr": ["0.1", "1e-05"],
        "optimizer": ["adam"],
        "test_curve": ["true"],
        "epochs": ["none"],
        "milestones": ["5+8"],
        "model": ["shlex:join"],
    }


@pytest.mark.parametrize(
    "values",
    [
        np.logspace(-3, -1, 3),
        np.logspace(-3, -1, 3, dtype="float32"),
        [*np.logspace(-3, -1, 3)],
        pd.Series([0.001, 0.01, 0.1]),
        pd.Index([0.001, 0.01, 0.1]),
    ],
)
def test_several_values_may_be_an_array(values):
    assert choices({"lr": values}) == {"lr": ["0.001", "0.01", "0.1"]}


def test_arrays_and_ranges_are_settings_of_every_job():
    settings = {"batch_size": range(16, 64, 16), "lr": np.array([0.1, 0.01]), "epochs": np.int64(2)}
    found = choices(settings | {"shuffle": np.True_, "dropout": np.array(0.5)})
    assert found == {
        **{"batch_size": ["16", "32", "48"], "lr": ["0.1", "0.01"], "epochs": ["2"]},
        **{"shuffle": ["True"], "dropout": ["0.5"]},
    }
    assert len(api.grid(settings=settings).session.request.plan()) == 12
    for make in (api.search, api.lr_range):
        assert make(settings=settings).session.request.choices["batch_size"] == ["16", "32", "48"]
    assert api.scaling(settings={"epochs": np.int64(2)}).session.request.choices["epochs"] == ["2"]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (np.ones((2, 2)), r"lr has an array of shape \(2, 2\): pass its values as one dimension"),
        (np.array([]), "lr needs a value: an empty ndarray has none"),
        (range(0), "lr needs a value: an empty range has none"),
        (np.array([0.1, np.nan]), "lr=nan is invalid: lr must be a finite number"),
    ],
)
def test_an_array_that_holds_no_values_of_a_setting_is_refused(values, error):
    with pytest.raises(api.ConfigError, match=error):
        api.grid(settings={"lr": values})


def test_what_workers_cannot_import_is_refused():
    def inner():
        """A function that no path leads to."""

    with pytest.raises(api.ConfigError, match="define it at the top of a module"):
        choices({"model": inner})
    with pytest.raises(api.ConfigError, match="Net is defined in this notebook or script"):
        choices({"model": ["lenet", "__main__:Net"]})
    metric = Metric(name="spread", function="__main__:spread", maximize=True)
    with pytest.raises(api.ConfigError, match="study own: spread is defined in this notebook"):
        api.grid(replace(OWN, metrics=(metric,)))
    figure = Figure(name="f", kind="curves", title="t", options={"by": object()})
    with pytest.raises(api.ConfigError, match="holds a object, which a run cannot keep"):
        api.grid(replace(OWN, figures=(figure,)))


def test_a_study_may_be_an_object():
    assert study_name(fan.FAN) == "fan"
    name = study_name(OWN)
    assert kept.is_in_memory(name)
    assert study_name(replace(OWN)) == name
    assert study_name(replace(OWN, question="Another?")) != name
    assert search_spaces.find(name) == OWN
    assert search_spaces.problem_of(name) == ""
    job = api.grid(OWN, budget="smoke", settings={"lr": 1})
    assert [p.config.lr for p in job.session.request.plan()] == [1.0]
    assert job.session.command == ()  # no command can make it again
    assert job.folder.path.name.startswith("own-smoke-")
    assert repr(job).startswith(f"<TuningJob for {job.folder.path}: ")


def test_a_range_test_takes_a_study_that_is_an_object():
    job = api.lr_range(OWN, budget="smoke")
    assert {p.config.dataset for p in job.session.request.plan()} == {"digits"}
    assert kept.is_in_memory(job.study)
    assert job.session.command == ()
    with pytest.raises(api.ConfigError, match="fan is no study of your own"):
        api.lr_range("fan")


def test_a_study_that_another_session_made_is_missed():
    with pytest.raises(api.ConfigError, match="was made in another Python session"):
        search_spaces.find("object:other-0123")


@pytest.mark.parametrize(
    "job",
    [
        lambda: api.grid(budget="smoke", seeds=3, settings={"lr": [0.1, 1], "model": "4ls"}),
        lambda: api.lr_range(ramps=["linear"], verify=True, settings={"optimizer": "sgd"}),
        lambda: api.search(trials=7, confirm=(2, 3), settings={"lr": "0.1..1"}),
        lambda: api.grid(resources=api.ResourceRequest(max_concurrent=2), pack=4),
        lambda: api.grid(grids="dropout", data_dir=Path()),
        lambda: api.grid(hardware=api.HardwareRequest(cores=8)),
    ],
)
def test_a_run_keeps_a_command_that_makes_it_again(job):
    job = job()
    python, _, code = job.session.command
    assert python == "python"
    *_, run = ast.parse(code).body
    again = eval(ast.unparse(run.value.func.value), {"api": api})
    assert shlex.split(shlex.join(job.session.command))[2] == code
    assert replace(again.session, place=job.session.place) == job.session


def test_a_run_is_read(tmp_path):
    folder = write(made_up_run(seeds=3, choices={"optimizer": ["sgd"]}), tmp_path / "run")
    run = api.load(folder)
    assert (len(run.trials), len(run.records), run.is_complete) == (36, 36 * 5, True)
    assert run.place == str(run.path) == str(folder)
    assert run.best == {"dataset": "mnist", "optimizer": "sgd", "lr": 0.1, "batch_size": 32}
    assert [type(value) for value in run.best.values()] == [str, str, float, int]
    assert run.leaderboard["rank"][0] == 1
    assert set(run.claims["claim"]) == {claim.name for claim in fan.FAN.claims}
    assert set(run.tables) <= {table.name for table in fan.FAN.tables}
    assert any("learning rate 0.1" in line for line in run.answer)
    assert "fan" in repr(run)
    assert "36 trials" in repr(run)
    assert isinstance(run.figure("heat-map", footer=False), Picture)
    with pytest.raises(api.ConfigError, match="unknown figure of this run 'heatmap'"):
        run.figure("heatmap")
    with pytest.raises(api.ConfigError, match=r"has no report\.html yet: call report\(\)"):
        _ = run.page


def test_a_study_needs_only_the_budget_that_a_run_has(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(summary, "draw_all", lambda *_: [])  # drawing takes seconds
    study = replace(fan.FAN, name="own-fan", budgets={"quick": fan.FAN.budgets["quick"]})
    results = made_up_run()
    run = replace(results.run, study=study_name(study), definition=kept.to_json(study))
    read = api.load(write(replace(results, run=run), tmp_path / "run"))
    assert len(read.claims) == len(study.claims)
    read.report()
    assert "use --budget paper" not in capsys.readouterr().out
    overview._describe(study, make_console())
    assert "24 at quick, for each seed" in capsys.readouterr().out


def test_a_run_on_several_data_sets_has_no_single_best_point(tmp_path):
    two = made_up_run(choices={"dataset": ["mnist", "kmnist"]})
    with pytest.raises(api.ConfigError, match="a best point on each of its data sets"):
        _ = api.load(write(two, tmp_path / "run")).best
    none = made_up_run(status={"": "unfinished"})
    run = api.load(write(none, tmp_path / "none"))
    assert not run.is_complete
    with pytest.raises(api.ConfigError, match="no point to rank"):
        _ = run.best


def begun(tmp_path, tool):
    run = replace(made_up_run().run, tool=tool, options={})
    RunFolder.create(tmp_path / tool, run, [])
    return tmp_path / tool


def test_resume_takes_what_the_run_takes(tmp_path):
    run = begun(tmp_path, "study.grid")
    job = api.resume(run)
    assert isinstance(job, TuningJob)
    assert job.session.resumed
    with pytest.raises(api.ConfigError, match=r"study\.grid, which takes no trials: omit it"):
        api.resume(run, trials=3)
    with pytest.raises(api.ConfigError, match="takes no oversubscribe"):
        api.resume(run, oversubscribe=True)
    scaling = begun(tmp_path, "study.scaling")
    with pytest.raises(api.ConfigError, match=r"study\.scaling, which takes no cpus_per_trial"):
        api.resume(scaling, resources=api.ResourceRequest(cpus_per_trial=2))


class Trained:
    """An engine that has nothing to train, so that its run can be reported at once."""

    tool = "study.grid"
    unit = "trials"
    resume_options = ()

    def __init__(self, folder):
        self.folder = folder

    def prepare(self, *, dry_run):
        return not dry_run

    def write_plan(self):
        pass

    def train(self):
        return Ending.COMPLETE

    def close(self):
        pass


def test_a_full_disk_raises_and_a_command_explains_it(monkeypatch, capsys):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TuningJob, "_planned", lambda self, _: Trained(self.folder))
    monkeypatch.setattr(RunFolder, "plan", property(full))
    with pytest.raises(OSError, match="No space left on device"):
        api.grid(budget="smoke", results="run").run()
    assert f"--resume {Path.cwd() / 'run'}" in unwrapped(capsys.readouterr().err)
    assert grid.main(["--budget", "smoke", "--results", "other"]) == 1
    error = unwrapped(capsys.readouterr().err)
    assert error.count("No space left on device") == 1
    assert f"--resume {Path.cwd() / 'other'}" in error


def test_one_tracker_may_be_a_text(monkeypatch):
    seen = []

    def interrupted(*_, log, **__):
        seen.extend(log)
        return Ending.INTERRUPTED

    monkeypatch.setattr(TuningJob, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        api.grid(budget="smoke").run(log="mlflow")
    assert seen == ["mlflow"]


def test_the_place_of_a_scaling_run_is_checked_again_before_it_trains(tmp_path):
    job = api.scaling(budget="smoke", results="run")
    begun(tmp_path, "run")
    with pytest.raises(api.ConfigError, match="holds a run of fan: finish it with --resume"):
        job.plan()


def test_an_interrupted_run_raises_and_restores_the_signals(monkeypatch):
    def interrupted(*_, **__):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return Ending.INTERRUPTED

    monkeypatch.setattr(TuningJob, "train", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        api.grid(budget="smoke").run()
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_connection_to_ray_is_not_taken_away(monkeypatch):
    connected = types.SimpleNamespace(is_initialized=lambda: True)
    monkeypatch.setitem(sys.modules, "ray", connected)
    job = api.grid(budget="smoke")
    for train in (job.run, job.plan):
        with pytest.raises(api.ConfigError, match=r"call ray\.shutdown\(\) first"):
            train()


def test_a_plan_says_how_many_trials_and_how_long():
    trials = api.grid(OWN, budget="smoke").plan()
    assert str(trials).startswith("2 trials, about ")
    assert list(trials.trials["lr"]) == [0.1, 0.01]
    assert set(TrainConfig().to_dict()) <= set(trials.trials)
    assert trials.seconds > 0


def test_nothing_is_written_before_a_job_runs(tmp_path):
    api.grid(OWN, budget="smoke").plan()
    api.search(settings={"dataset": "digits"})
    assert list(tmp_path.iterdir()) == []
