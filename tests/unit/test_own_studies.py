"""The user's own study before Ray starts: found, kept, checked."""

import json
import math
import os
import sys
from dataclasses import replace
from operator import attrgetter

import pytest

import search_spaces
from lenet import ConfigError
from search_spaces import lr_range as ranges
from search_spaces.objective import maximized
from search_spaces.space import Choice, Range
from search_spaces.study import Metric, Table
from study import __main__ as described
from study import api, grid, lr_range
from study.analysis.quantity import Quantity, support_of
from study.analysis.results import Results
from study.analysis.statistics import Support
from study.claims.judge import KINDS as CLAIMS
from study.claims.judge import judge_all
from study.claims.verdict import NOT_TESTED
from study.figures.draw import draw_figures
from study.report import __main__ as report
from study.report import summary
from study.report.declared import check_declared
from study.report.verdict_changes import verdict_changes
from study.tables.make import make_all
from tests.own_study import TOKENS
from tests.terminal import unwrapped
from tests.unit.made_up_run import made_up_run, write

STUDY = "tests.own_study:STUDY"


def test_a_definition_survives_json():
    found = search_spaces.find(STUDY)
    document = json.loads(json.dumps(search_spaces.kept.to_json(found)))
    assert search_spaces.kept.from_json(document) == found
    for study in search_spaces.studies().values():
        document = json.loads(json.dumps(search_spaces.kept.to_json(study)))
        assert search_spaces.kept.from_json(document) == study


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "nowhere.py is not a file"),
        (["tests.own_study:DATA"], "is a tuple instead of a search_spaces.study.Study"),
        ([STUDY, "--set", "optimizer.q=1"], "takes no q: its keywords are k, weight_decay"),
        ([STUDY, "--set", "optimizer=adam", "--set", "optimizer.k=1"], "no trial has one"),
        ([STUDY, "--set", "clip_norm=0"], "clip_norm must be above 0"),
        ([STUDY, "--set", "q.k=1"], "the keywords of your own are model.NAME"),
    ],
)
def test_a_mistake_costs_no_start_of_ray(arguments, message, tmp_path, capsys):
    code = grid.main([*arguments, "--budget", "smoke", "--results", str(tmp_path / "run")])
    assert code == 2
    assert message in unwrapped(capsys.readouterr().err)
    assert not (tmp_path / "run").exists()


def test_a_study_in_a_file_is_found_from_any_folder(tmp_path, monkeypatch):
    file = tmp_path / "some_own_study.py"
    file.write_text("from tests.own_study import STUDY as OTHER")
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "before")
    monkeypatch.chdir(tmp_path)
    name = search_spaces.kept.whole_path("some_own_study.py:OTHER")
    assert name == f"{file}:OTHER"
    monkeypatch.chdir("/")
    assert search_spaces.find(name).name == "own-data"
    with pytest.raises(ConfigError, match=r"has no STUDY \(.*some_own_study.py"):
        search_spaces.find(str(file))


def test_a_slip_in_a_file_names_its_line_and_no_line_of_ours(tmp_path, monkeypatch):
    file = tmp_path / "slip_study.py"
    file.write_text(
        "from dataclasses import replace\nfrom tests.own_study import STUDY\n\n"
        "STUDY = replace(STUDY, objective='spread')\n"
    )
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "before")
    with pytest.raises(ConfigError, match=r"slip_study.py, line 4\): unknown objective") as error:
        search_spaces.find(str(file))
    assert "mend" not in str(error.value)
    assert str(error.value).endswith("type objective='validation_spread' or 'test_spread'")


def test_a_slip_in_a_search_space_names_the_line_of_the_user(tmp_path, monkeypatch):
    (tmp_path / "slip_space.py").write_text(
        "from search_spaces.space import Choice, Dimension\n\n"
        "SPACE = (Dimension('optimizer', Choice('sgd')),)\nSTUDY = None\n"
    )
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "before")
    with pytest.raises(ConfigError, match=r"slip_space.py, line 3\): optimizer='sgd' in a Choice"):
        search_spaces.find(str(tmp_path / "slip_space.py"))


def test_a_described_study_is_run_as_it_was_typed(capsys):
    for typed, command in (
        ("examples/diabetes.py", "python -m study.grid examples/diabetes.py"),
        ("fan", "python -m study.grid fan"),
        ("search", "python -m study.search search"),
    ):
        assert described.main([typed]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"  {command}"
    own = replace(search_spaces.find(STUDY), workers=(1, 2))
    assert search_spaces.kept.typed_name("a b/my.py:S", own) == "'a b/my.py:S'"
    assert search_spaces.kept.typed_name("object:own-data-1", own) == "own-data"


def test_the_help_shows_a_command_a_line(capsys):
    with pytest.raises(SystemExit):
        described.main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("    python -m study") for line in lines) == 2


def test_a_file_with_the_name_of_another_module_is_refused(tmp_path):
    (tmp_path / "json.py").write_text("STUDY = 1")
    with pytest.raises(ConfigError, match=r"has the name of another module, .*rename the file"):
        search_spaces.find(str(tmp_path / "json.py"))
    assert str(tmp_path) not in os.environ.get("PYTHONPATH", "")


def test_keywords_of_own_parts_are_dimensions():
    study = search_spaces.find(STUDY).with_choices({"optimizer.k": ["1", "2.0"]})
    plan = study.plan("smoke", seeds=1)
    assert [trial.config.get("optimizer.k") for trial in plan[:2]] == [1, 2]
    assert len({trial.name for trial in plan}) == len(plan) == 8
    tokens = {trial.config.get("model.size") for trial in plan if trial.config.dataset == TOKENS}
    assert tokens == {4}
    space = search_spaces.find(STUDY).search_space(
        {"optimizer.k": ["1..8"], "dataset": [TOKENS], "lr": ["0.1"]}, "smoke"
    )
    whole = Range(1, 8, whole=True)
    assert {d.setting: d.domain for d in space.dimensions} == {"optimizer.k": whole}
    study = search_spaces.find(STUDY)
    real = replace(study, fixed={**study.fixed, "optimizer.k": 4.0})
    space = real.search_space({"optimizer.k": ["1..8"]}, "smoke")
    assert Range(1, 8) in [dimension.domain for dimension in space.dimensions]
    sizes = search_spaces.find(STUDY).search_space({"model.size": ["2..32"]}, "smoke")
    assert Range(2, 32, whole=True) in [dimension.domain for dimension in sizes.dimensions]
    undeclared = search_spaces.find("fan").search_space(
        {"model": ["tests.own_parts:bag_of_tokens"], "model.size": ["2..32"]}, "smoke"
    )
    assert Range(2, 32, whole=True) in [dimension.domain for dimension in undeclared.dimensions]
    words = search_spaces.find(STUDY).search_space({"optimizer.k": ["1", "3"]}, "smoke")
    assert Choice((1, 3)) in [dimension.domain for dimension in words.dimensions]


def test_defaults_of_own_keywords_go_where_an_own_part_goes():
    study = search_spaces.find(STUDY).with_choices({"optimizer": ["adam", "tests.own_parts:Signs"]})
    for trial in study.plan("smoke", seeds=1):
        expected = None if trial.config.optimizer == "adam" else 4
        assert trial.config.get("optimizer.k") == expected


def test_metrics_have_the_declared_direction():
    search_spaces.find(STUDY)
    assert maximized("validation_spread")
    assert maximized("test_spread")
    assert not maximized("validation_loss")


def test_intervals_of_a_metric_stay_in_the_declared_range():
    def study(name, **ends):
        metric = Metric(name=name, function="tests.own_parts:spread", maximize=True, **ends)
        return replace(search_spaces.find(STUDY), metrics=(metric,), objective=f"test_{name}")

    for name, ends in (("fit", {"high": 1.0}), ("recall", {"low": 0.0, "high": 1.0})):
        declared = study(name, **ends)
        document = json.loads(json.dumps(search_spaces.kept.to_json(declared)))
        assert search_spaces.kept.from_json(document) == declared
        assert support_of(f"validation_{name}") == support_of(f"test_{name}") == Support(**ends)
    assert Quantity.parse("validation_recall").worst == 0
    assert Quantity.parse("validation_fit").worst == -math.inf
    with pytest.raises(ConfigError, match="declare low below high"):
        study("recall", low=1.0, high=0.0)


@pytest.mark.parametrize("name", ["tokens", "diabetes"])
def test_a_range_test_of_an_own_study_has_ramps_in_place_of_its_rates(name):
    path = {"tokens": STUDY, "diabetes": "examples/diabetes.py:STUDY"}[name]
    own = search_spaces.find(path)
    found = search_spaces.find(ranges.study_name("train", path))
    assert found.name == f"{own.name}-lr-range"
    assert found.tables[0].kind == "range_recommendation"
    plan = found.with_grids(["exponential"]).plan("smoke", seeds=1)
    assert {(p.config.schedule, p.config.lr, p.config.steps) for p in plan} == {
        ("ramp-exponential", 1e-7, 100)
    }
    points = own.plan("smoke", seeds=1)
    parts = attrgetter("dataset", "model", "loss", "optimizer", "own")
    assert {parts(p.config) for p in plan} == {parts(p.config) for p in points}


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("withn", {}, "did you mean 'within'"),
        ("within", {"quality": "test_loss"}, "claim mine, of kind within: .*where"),
        ("tests.own_parts:no_such", {}, "tests.own_parts has no no_such"),
        ("tests.own_parts:huber", {}, "kind tests.own_parts:huber: missing .*'targets'"),
    ],
)
def test_what_a_study_declares_is_checked_at_once(kind, options, message):
    study = search_spaces.find(STUDY)
    claim = study.claims[0].__class__(
        name="mine", source="", statement="", published="none", kind=kind, options=options
    )
    with pytest.raises(ConfigError, match=message):
        CLAIMS.check(claim, None)
    check_declared(study)


def test_a_range_test_of_a_study_object_trains_as_long_as_the_study(tmp_path):
    own = replace(search_spaces.find(STUDY), name="in-memory")
    job = api.lr_range(own, budget="smoke", verify=True, results=tmp_path / "run")
    assert search_spaces.find(job.study).name == "in-memory-lr-range"
    assert search_spaces.kept.is_in_memory(job.study)
    assert job.session.options.verify_epochs == own.budgets["smoke"]["epochs"] == 4


def test_a_range_test_takes_only_own_studies(capsys):
    assert lr_range.main(["fan"]) == 2
    assert "fan is no study of your own: type FILE.py" in capsys.readouterr().err


def test_what_lacks_its_own_code_is_named_and_all_else_reported(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(summary, "draw_all", lambda study, *_: drawn.extend(study.figures) or [])
    drawn: list = []
    gone = "/nowhere/gone.py:"
    study = search_spaces.find("fan")
    study = replace(
        study,
        figures=(replace(study.figures[0], name="mine", kind=f"{gone}draw"), *study.figures[:1]),
        tables=(Table(name="own", kind=f"{gone}table", title="Own"),),
        claims=(replace(study.claims[0], name="ours", kind=f"{gone}claim"), *study.claims[:1]),
    )
    results = made_up_run()
    definition = search_spaces.kept.to_json(study)
    run = replace(results.run, study=f"{gone}STUDY", definition=definition)
    folder = write(Results(run=run, trials=results.trials, records=results.records), tmp_path)
    assert report.main([str(folder)]) == 0
    printed = unwrapped(capsys.readouterr().out)
    assert "Your study is not here (/nowhere/gone.py is not a file" in printed
    for what in ("figure mine", "table own", "claim ours"):
        assert f"Not reported: {what}: /nowhere/gone.py is not a file" in printed
    assert [figure.name for figure in drawn] == [study.figures[1].name]
    assert "Leaderboard" in printed
    assert study.claims[1].name in printed
    assert "figure mine: /nowhere/gone.py is not a file" in (folder / "report.html").read_text()


def test_what_fails_of_own_kinds_is_named_and_all_else_reported(tmp_path):
    kind, study = "tests.own_parts:failing_kind", search_spaces.find("fan")
    run = made_up_run(choices={"batch_size": [32], "lr": [0.1]})
    reason = "tests.own_parts:failing_kind raises KeyError: 'no column of mine' (tests/own_parts.py"
    notes: list[str] = []
    figure = replace(study.figures[0], name="mine", kind=kind, options={})
    files = draw_figures([figure], run, tmp_path, notes.append)
    assert {file.suffix for file in files} == {".png", ".svg", ".pdf"}  # the default figures
    assert notes[0].startswith(f"Not reported: figure mine: {reason}")
    tables = (Table(name="own", kind=kind, title="Own"), *study.tables)
    study = replace(study, tables=tables, claims=(replace(study.claims[0], kind=kind, options={}),))
    assert make_all(study, run, notes.append).keys() == {table.name for table in tables[1:]}
    assert notes[1].startswith(f"table own: {reason}")
    ((_, verdict),) = judge_all(study, run)
    assert verdict.verdict == NOT_TESTED
    assert reason in verdict.evidence


def test_a_changed_verdict_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(summary, "draw_all", lambda *_: [])  # drawing takes seconds
    earlier = {"a": "reproduced", "b": "reproduced", "c": "reproduced"}
    now = {"a": "reproduced", "b": "undecided", "d": "x"}
    assert verdict_changes(earlier, now) == [
        "Changed: b was reproduced, and is undecided now",
        "Changed: c was reproduced, and is not judged now",
    ]
    assert verdict_changes(now, now) == []

    # The report replaces the file, which is read before.
    run = write(made_up_run(), tmp_path / "run")
    committed = run / "claims.csv"
    committed.write_text("claim,verdict\nsgd-needs-tuning,reproduced\n")
    assert report.main([str(run), "--check", str(committed)]) == 1
    assert "Changed: sgd-needs-tuning was reproduced, and is" in capsys.readouterr().out
    assert report.main([str(run), "--check", str(committed)]) == 0
    committed.write_text("x,y")
    assert report.main([str(run), "--check", str(committed)]) == 2
    assert "no table of claims" in capsys.readouterr().err
