"""Studies: their plans, and the choices of the user."""

import json
from dataclasses import replace

import pytest

import search_spaces
from lenet import ConfigError, TrainConfig, registry
from lenet.run_length import RunLength
from search_spaces.fan import FAN
from search_spaces.space import Choice, Dimension, Range
from search_spaces.study import Figure, Grid, Metric, Study, Table
from tests.own_parts import Flat, Signs, huber, table


def test_fan_is_the_published_grid():
    plan = FAN.plan("paper", seeds=1)
    points = {(p.config.optimizer, p.config.lr, p.config.batch_size) for p in plan}
    assert len(plan) == len(points) == 2 * 3 * 4
    assert {p.config.epochs for p in plan} == {10}
    assert {p.config.train_samples for p in plan} == {None}
    assert {p.config.dropout for p in plan} == {0}


def test_fan_goes_beyond_the_report_only_where_a_run_says_so():
    crossed = FAN.with_grids(["dropout"]).plan("quick", seeds=1)
    names = ("optimizer", "lr", "batch_size", "dropout")
    points = {tuple(getattr(p.config, name) for name in names) for p in crossed}
    assert len(crossed) == len(points) == 2 * 3 * 4 * 3
    assert {point[:3] for point in points if point[3] == 0} == {
        (p.config.optimizer, p.config.lr, p.config.batch_size) for p in FAN.plan("quick", seeds=1)
    }
    large = [p.config for p in FAN.with_grids(["large-rates"]).plan("quick", seeds=1)]
    assert {(config.optimizer, config.dropout) for config in large} == {("sgd", 0.0)}
    assert {config.lr for config in large} == {0.1, 0.3, 1.0, 3.0}
    # SGD at 0.1 is in both grids, and one trial.
    both = FAN.with_grids(["published", "large-rates"]).plan("quick", seeds=1)
    assert len(both) == 24 + 16 - 4
    assert FAN.with_grids([]) is FAN
    assert len(FAN.with_all_grids.plan("quick", seeds=1)) == 72 + 16 - 4


def test_grids_of_one_name_are_selected_together():
    flux = search_spaces.find("flux")
    stochastic = flux.with_grids(["stochastic"]).plan("paper", seeds=1)
    assert [p.config for p in stochastic] == [
        p.config for p in flux.plan("paper", seeds=1) if p.config.batch_size == 1
    ]
    assert len(stochastic) == 3 * (5 + 4)
    with pytest.raises(ConfigError, match=r"choose from batch, mini-batch, stochastic$"):
        flux.with_grids(["line"])


def test_an_unknown_grid_names_the_nearest():
    with pytest.raises(ConfigError, match="unknown grid of fan 'dropot': did you mean 'dropout'"):
        FAN.with_grids(["published", "dropot"])
    with pytest.raises(ConfigError, match=r"lines has no grid dropout, nor any by name: omit"):
        LINES.with_grids(["dropout"])


def test_seeds_are_the_outermost_loop_and_names_are_unique():
    plan = FAN.plan("quick", seeds=3)
    assert [p.config.seed for p in plan] == [0] * 24 + [1] * 24 + [2] * 24
    assert len({p.name for p in plan}) == len(plan)
    assert plan[0].name == "sgd_lr0.1_batch32_seed0"


def test_choices_replace_dimensions_and_fixed_settings():
    study = FAN.with_choices({"lr": ["0.3", "0.1"], "optimizer": ["sgd"], "epochs": ["3"]})
    configs = [p.config for p in study.plan("quick", seeds=1)]
    assert {c.lr for c in configs} == {0.3, 0.1}
    assert {c.optimizer for c in configs} == {"sgd"}
    assert {c.epochs for c in configs} == {3}
    assert len(configs) == 2 * 4


def test_a_fixed_setting_becomes_a_dimension():
    study = FAN.with_choices({"weight_decay": ["0", "0.01"], "lr": ["0.1"], "batch_size": ["32"]})
    plan = study.plan("quick", seeds=1)
    assert [p.config.weight_decay for p in plan] == [0, 0.01, 0, 0.01]
    assert len({p.name for p in plan}) == 4


def test_dropout_is_a_dimension():
    plan = FAN.with_choices({"dropout": ["0", "0.5"]}).plan("quick", seeds=1)
    assert len(plan) == 48
    assert sum("dropout0.5" in p.name for p in plan) == 24


def test_an_invalid_point_is_refused():
    study = FAN.with_choices({"optimizer": ["sgd", "momentum"], "momentum": ["0.5"]})
    with pytest.raises(ConfigError, match="sgd takes no momentum"):
        study.plan("quick", seeds=1)


def test_the_fallback_data_set_does_not_replace_a_chosen_one():
    assert {p.config.dataset for p in FAN.plan("quick", 1, "digits")} == {"digits"}
    chosen = FAN.with_choices({"dataset": ["mnist", "kmnist"]})
    assert {p.config.dataset for p in chosen.plan("quick", 1)} == {"mnist", "kmnist"}


def steps(config):
    total = registry.TRAINING_SAMPLES[config.dataset]
    total -= round(total * config.validation_fraction)
    return RunLength(config, min(total, config.train_samples or total)).total_steps


@pytest.mark.parametrize("name", ["fan", "cs5260", "lr-range", "search", "upc-batches-4.3"])
@pytest.mark.parametrize("budget", ["quick", "paper"])
def test_a_small_data_set_gets_as_many_steps(name, budget):
    study = search_spaces.find(name)
    if study.space:
        spaces = [study.search_space({}, budget, dataset) for dataset in ("mnist", "digits")]
        pairs = [[TrainConfig.from_dict(space.fixed) for space in spaces]]
    else:
        plans = [study.plan(budget, 1, dataset) for dataset in ("mnist", "digits")]
        pairs = [[planned.config for planned in pair] for pair in zip(*plans, strict=True)]
    for on_mnist, on_digits in pairs:
        # Rounding an epoch's last batch up costs most where an epoch of digits has six steps.
        assert steps(on_digits) == pytest.approx(steps(on_mnist), rel=0.13)


def test_the_rate_decays_per_step_as_on_the_larger_data_set():
    (planned,) = (
        search_spaces.find("cs5260")
        .with_choices({"schedule": ["ramp-multistep"], "optimizer": ["adamw"], "model": ["lenet"]})
        .plan("paper", 1, "digits")
    )
    rises = 2 * planned.config.epochs  # one each half epoch
    assert planned.config.gamma**rises == pytest.approx(1.5**20, rel=1e-3)


@pytest.mark.parametrize(
    ("choices", "epochs"),
    [
        ({"dataset": ["digits"]}, {36}),
        ({"dataset": ["mnist", "digits"]}, {5, 36}),
        ({"dataset": ["kmnist"]}, {5}),
        ({"dataset": ["digits"], "train_samples": ["500"]}, {5}),
        ({"dataset": ["digits"], "steps": ["500"]}, {36}),
        ({"dataset": ["digits"], "epochs": ["3"]}, {3}),
        ({"dataset": ["digits"], "epochs": ["none"], "steps": ["9"]}, {None}),
        ({"epochs": ["2", "3"], "dataset": ["digits"]}, {2, 3}),
    ],
)
def test_chosen_epochs_are_kept(choices, epochs):
    assert {p.config.epochs for p in FAN.with_choices(choices).plan("quick", 1)} == epochs
    if len(choices["dataset"]) == 1 and len(epochs) == 1:
        space = FAN.search_space(choices, "quick")
        assert {space.fixed["epochs"]} == epochs


@pytest.mark.parametrize("size", ["1376", "9e15"])
def test_a_batch_larger_than_the_data_is_refused(size):
    choices = {"dataset": ["digits"], "batch_size": ["64", size]}
    with pytest.raises(ConfigError, match=r"exceeds the 1,375 .* of digits: use batch_size=1375"):
        FAN.with_choices(choices).plan("quick", 1)
    with pytest.raises(ConfigError, match=r"exceeds the 1,375 .* of digits"):
        FAN.search_space(choices, "quick")
    # The batches of all samples that a study declares are what they are.
    chosen = search_spaces.find("flux").with_choices({"batch_size": ["60000"]})
    assert {p.config.batch_size for p in chosen.plan("quick", 1, "digits")} == {60_000}
    assert FAN.with_choices({"batch_size": ["1375"]}).plan("quick", 1, "digits")


def test_a_study_made_for_a_small_data_set_keeps_its_epochs():
    assert {epochs for _, _, epochs in points(LINES)} == {2, 5}
    assert {epochs for _, _, epochs in points(LINES.with_choices({"dataset": ["mnist"]}))} == {2, 5}


def test_table_4_1_is_one_pass_and_its_counterfactual_wraps_around():
    plan = search_spaces.find("upc-batches-4.1").plan("paper", seeds=1)
    found = {(p.config.batch_size, p.config.epochs): steps(p.config) for p in plan}
    passes = {150: 367, 100: 550, 50: 1_100, 25: 2_200}
    assert found == {
        **{(size, 1): passes.get(size, 5_000) for size in (150, 100, 50, 25, 10, 8, 6, 4)},
        **{(size, None): 5_000 for size in passes},
    }


def test_every_study_plans_at_every_budget():
    for study in search_spaces.studies().values():
        for budget in study.budgets:
            assert study.plan(budget, seeds=2)


LINES = Study(
    name="lines",
    question="?",
    source="made up",
    fixed={"dataset": "digits", "epochs": 2},
    grids=(
        Grid(space={"optimizer": ("sgd",), "lr": (0.1, 0.01)}, budgets={"paper": {"epochs": 9}}),
        Grid(space={"optimizer": ("adagrad", "momentum"), "lr": (0.01,)}, settings={"epochs": 5}),
    ),
    budgets={"smoke": {}, "quick": {}, "paper": {}},
    conditional_settings=(({"optimizer": "adagrad"}, {"initial_accumulator": 0.1}),),
)


def points(study, budget="quick"):
    return [(p.config.optimizer, p.config.lr, p.config.epochs) for p in study.plan(budget, 1)]


def test_each_grid_has_its_own_settings_and_budgets():
    assert points(LINES) == [
        ("sgd", 0.1, 2),
        ("sgd", 0.01, 2),
        ("adagrad", 0.01, 5),
        ("momentum", 0.01, 5),
    ]
    assert points(LINES, "paper")[0] == ("sgd", 0.1, 9)
    accumulators = [p.config.initial_accumulator for p in LINES.plan("quick", 1)]
    assert accumulators == [None, None, 0.1, None]


def test_choices_apply_to_each_grid():
    assert points(LINES.with_choices({"optimizer": ["adagrad"]})) == [("adagrad", 0.01, 5)]
    # 0.01 stays in the grids that have it; 1 goes to both.
    assert points(LINES.with_choices({"lr": ["1", "0.01"], "optimizer": ["sgd", "momentum"]})) == [
        ("sgd", 1, 2),
        ("sgd", 0.01, 2),
        ("momentum", 1, 5),
        ("momentum", 0.01, 5),
    ]
    chosen = LINES.with_choices({"epochs": ["3"], "initial_accumulator": ["0.5"]})
    assert {epochs for _, _, epochs in points(chosen.with_choices({"optimizer": ["adagrad"]}))} == {
        3
    }
    (planned,) = chosen.with_choices({"optimizer": ["adagrad"]}).plan("paper", 1)
    assert planned.config.initial_accumulator == 0.5


def test_a_point_that_two_grids_would_train_differently_is_refused():
    study = LINES.with_choices({"optimizer": ["adam"], "lr": ["0.01"]})  # of 2 epochs and of 5
    with pytest.raises(ConfigError, match=r"train lr0.01_seed0 with different epochs"):
        study.plan("quick", seeds=1)
    assert study.with_choices({"epochs": ["3"]}).plan("quick", seeds=1)


def test_an_unknown_study_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'fan'"):
        search_spaces.find("fann")


def test_long_trial_names_are_shortened_alike_and_stay_distinct():
    dimensions = ("lr", "momentum", "dropout", "weight_decay", "gamma", "validation_fraction")
    values = [0.12345678901234567, 0.12345678901234568]
    study = replace(FAN, grids=(Grid(space={name: values for name in dimensions}),))
    fixed = dict.fromkeys(dimensions[1:], values[0])
    fixed |= {"optimizer": "momentum", "schedule": "exponential"}
    configs = [
        TrainConfig.from_dict({**fixed, "lr": lr, "seed": seed})
        for lr in (0.12345678901234566, 0.12345678901234569)
        for seed in (0, 12)
    ]
    names = [study.trial_name(config) for config in configs]
    assert names == [study.trial_name(config) for config in configs]
    assert len(set(names)) == len(configs)
    assert {len(name.encode()) for name in names} == {120}
    assert [name.rpartition("_")[2] for name in names] == ["seed0", "seed12"] * 2


def test_a_study_with_a_slip_is_refused_when_it_is_declared():
    with pytest.raises(ConfigError, match=r"lr=0.01 in a grid is no list: type \(0.01,\)"):
        Grid(space={"lr": 0.01})
    with pytest.raises(ConfigError, match="did you mean 'validation_accuracy'"):
        replace(FAN, objective="validation_acuracy")
    with pytest.raises(ConfigError, match=r"fan has no budget quick \(it has paper"):
        replace(FAN, budgets={"paper": {}}).plan("quick", 1)
    with pytest.raises(ConfigError, match=r"no budget tiny .*: choose from smoke, quick, paper$"):
        FAN.plan("tiny", 1)


GRID = Grid(space={"lr": (0.1,)})
METRIC = Metric(name="q", function=huber, maximize=True)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grids": GRID}, r"^grids is one Grid: type grids=\(Grid\(\.\.\.\),\)$"),
        ({"extra_grids": GRID}, "^extra_grids is one Grid: type"),
        ({"figures": FAN.figures[0]}, r"figures is one Figure: type figures=\(Figure"),
        ({"tables": FAN.tables[0]}, "tables is one Table"),
        ({"claims": FAN.claims[0]}, "claims is one Claim"),
        ({"metrics": METRIC}, "metrics is one Metric"),
        ({"workers": 2}, r"workers is one int: type workers=\(2,\)"),
        ({"conditional_settings": ({"lr": 1}, {"seed": 1})}, r"is one pair: .*=\(\(where, sett"),
        ({"grids": ({"lr": (0.1,)},)}, "grids has a dict in it: type grids="),
        ({"grids": None}, "grids is a NoneType: type grids="),
        ({"grids": ()}, r"study fan has no grid: give it grids=\(Grid\(space="),
        ({"fixed": {"dataset"}}, "fixed is a set: type a dict"),
        ({"budgets": {"tiny": {}}}, "budget of fan 'tiny': choose from paper, quick, smoke"),
        ({"name": "my study/x"}, "study cannot be called 'my study/x', .*: type name='my-study-x'"),
        ({"name": ""}, "type name='mine'"),
        ({"objective": "q", "metrics": (METRIC,)}, "so type objective='validation_q' or 'test_q'"),
        ({"objective": "epoch"}, "choose from test_accuracy, test_loss, train_accuracy, train_lo"),
    ],
)
def test_a_slip_in_a_study_says_what_to_type(changes, error):
    with pytest.raises(ConfigError, match=error):
        replace(FAN, **changes)


@pytest.mark.parametrize(
    ("declare", "error"),
    [
        (lambda: Grid(space={"lr": (1,)}, budgets={"tny": {}}), "budget of a grid 'tny': choose"),
        (lambda: Grid(name="a b", space={"lr": (1,)}), "grid cannot be called 'a b'"),
        (lambda: Grid(space=("lr",)), "space of a grid is a tuple: type a dict"),
        (lambda: replace(FAN.figures[0], name="a/b"), "figure cannot be called .* name='a-b'"),
        (lambda: Table(name="../x", kind="final", title=""), "table cannot be called"),
        (lambda: Dimension("optimizer", Choice(Signs)), r"in a Choice is no list: type \('tests"),
        (lambda: Dimension("lr", Choice((1,)), ["sgd"]), "condition of lr is a list: type a dict"),
        (lambda: Dimension("lr", Choice((1,)), {"optimizer": Signs}), r"type \{'tests.own_parts:S"),
        (lambda: replace(METRIC, name="my q"), r"'my q': .* such as Metric\(name='my_q', \.\.\.\)"),
        (lambda: replace(METRIC, name="loss"), "measured anyway: rename it, such as my_loss"),
        (lambda: replace(METRIC, function="f"), r"Metric\(name='q', function='package.module:f"),
        (lambda: replace(METRIC, function=lambda o, t: 0), "top of a module"),
    ],
)
def test_a_slip_in_a_part_of_a_study_says_what_to_type(declare, error):
    with pytest.raises(ConfigError, match=error):
        declare()


def test_objects_in_a_study_stand_for_their_paths():
    net, loss = "tests.own_parts:Flat", "tests.own_parts:huber"
    declared = Study(
        name="objects",
        question="?",
        source="made up",
        fixed={"dataset": table, "model": Flat},
        grids=(Grid(space={"optimizer": ("sgd", Signs)}, settings={"loss": huber}),),
        space=(
            Dimension("optimizer", Choice(("sgd", Signs))),
            Dimension("optimizer.k", Range(1, 5, whole=True), {"optimizer": {Signs}}),
        ),
        budgets={"smoke": {"model": Flat}},
        conditional_settings=(({"optimizer": Signs}, {"optimizer.k": 2}),),
        metrics=(METRIC,),
        figures=(Figure(name="own", kind=huber, title="", options={}),),
    )
    plan = declared.plan("smoke", seeds=1)
    assert [p.config.optimizer for p in plan] == ["sgd", "tests.own_parts:Signs"]
    assert [p.config.get("optimizer.k") for p in plan] == [None, 2]
    assert {(p.config.dataset, p.config.model, p.config.loss) for p in plan} == {
        ("tests.own_parts:table", net, loss)
    }
    assert METRIC.function == declared.figures[0].kind == loss
    optimizer, k = declared.space
    assert optimizer.domain == Choice(("sgd", "tests.own_parts:Signs"))
    assert k.condition == {"optimizer": frozenset({"tests.own_parts:Signs"})}
    document = json.loads(json.dumps(search_spaces.kept.to_json(declared)))
    assert search_spaces.kept.from_json(document) == declared
