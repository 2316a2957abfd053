"""Proposals of a search: how many at a time, which become a fleet, and what Optuna is told."""

import math
from collections import Counter
from types import SimpleNamespace

import pytest
from optuna.trial import TrialState
from ray import cloudpickle
from ray.tune.search import Searcher

from lenet.config import ConfigError
from search_spaces.search import STUDY
from search_spaces.search_names import trial_number
from study.cluster.fleet_speed import Limit
from study.runs.run_folder import RunFolder
from study.tuning import databases
from study.tuning.fleet_callback import UnpackFleets
from study.tuning.fleet_planner import FleetPlanner
from study.tuning.packing import kind_of
from study.tuning.proposal_packing import ProposalPacking, pack_proposals, points_at_a_time
from study.tuning.reuse import Conditions, EarlierTrial, Reuse
from study.tuning.search import Search, point_values
from study.tuning.suggester import Suggester, TellOptuna
from tests.runs import metadata, record

CHOICES = {"optimizer": ["adam", "sgd"], "schedule": ["constant"]}
SPACE = STUDY.search_space(CHOICES, "smoke")
SIZES = (32, 64, 128, 256)


def packing(points, members=None):
    """Return the packing of fleets of up to `members`, or as many as `points`, of every kind."""
    kinds = [kind_of(config(size)) for size in SIZES]
    return ProposalPacking(points, dict.fromkeys(kinds, members or points))


def config(batch_size):
    values = {"optimizer": "adam", "lr": 0.1, "dropout": 0.0, "weight_decay": 1e-5}
    return SPACE.config({**values, "schedule": "constant", "batch_size": batch_size})


@pytest.fixture
def folder(tmp_path):
    space = [d.to_json() for d in SPACE.dimensions]
    return RunFolder.create(tmp_path / "run", metadata("search", options={"space": space}), [])


def opened(folder, *, resumed=False, **changes):
    made = {
        "space": SPACE,
        "objectives": ("validation_accuracy",),
        "sampler": "tpe",
        "seed": 0,
        "trials": 20,
        "seconds": None,
        "url": databases.url_of(folder.path),
        "study_name": "made up",
    }
    search = Search(**(made | changes))
    search.open(folder, resumed=resumed)
    return search


class Tune:
    """Hands out what a suggester proposes, and tells callbacks what trials report, as Tune does."""

    def __init__(self, search, folder, reuse=None):
        self.folder = folder
        self.suggester = Suggester(search, folder, reuse)
        self.callbacks = UnpackFleets([TellOptuna(self.suggester)], self.suggester.names)
        self.units = []

    def begin(self):
        """Return the names of the trials of the next unit, or None if there is none."""
        tune_config = self.suggester.suggest(f"tune{len(self.units)}")
        if tune_config == Searcher.FINISHED:
            return None
        self.units.append(TuneTrial(tune_config))
        return self.units[-1].names

    def end(self, trial, name, accuracy=0.9):
        """End a trial of the unit that was handed out as number `trial`."""
        unit, diverged = self.units[trial], math.isnan(accuracy)
        status = "diverged" if diverged else "finished"
        trial_folder = self.folder.trial(name)
        trial_folder.begin({})
        trial_folder.finish(status, [record(20, accuracy, diverged=diverged)])
        report = {"name": name, "done": True, "ended_by_itself": True}
        unit.last_result = report
        if unit.is_fleet:
            self.callbacks.on_trial_result(0, [], unit, {"members": [report]})
        else:
            self.callbacks.on_trial_complete(0, [], unit)

    def train_all(self):
        while names := self.begin():
            for name in names:
                self.end(len(self.units) - 1, name)


class TuneTrial:
    def __init__(self, config):
        self.config = config
        trial = config["trial"]
        self.is_fleet = "members" in trial
        self.names = [one["name"] for one in trial["members"]] if self.is_fleet else [trial["name"]]

    def __str__(self):
        return self.config["trial"]["name"]


def states(search):
    return Counter(trial.state.name for trial in search.study.get_trials(deepcopy=False))


def test_points_of_one_kind_become_a_fleet(folder):
    search = opened(folder, packing=packing(4), trials=18)
    tune = Tune(search, folder)
    tune.train_all()
    assert [len(unit.names) for unit in tune.units] == [4, 4, 4, 4, 2]
    fleets = {}
    for planned in folder.plan:
        fleets.setdefault(planned.fleet, []).append(planned)
    assert list(fleets) == ["fleet1", "fleet2", "fleet3", "fleet4", "fleet5"]
    for members in fleets.values():
        assert [planned.slot for planned in members] == [*range(len(members))]
        assert len({planned.config.batch_size for planned in members}) == 1
        assert len({planned.config.lr for planned in members}) == len(members)
    # Fleets differ in what their members share.
    assert len({planned.config.batch_size for planned in folder.plan}) > 1
    assert states(search) == {"COMPLETE": 18}
    assert not tune.suggester.has_more
    for trial in search.study.get_trials(deepcopy=False):
        planned = folder.plan[trial.number]
        assert trial_number(planned.name) == trial.number
        assert trial.params["batch_size"] == planned.config.batch_size
        assert trial.params["lr"] == planned.config.lr


@pytest.mark.parametrize("sampler", ["gp", "cmaes", "random", "qmc"])
def test_every_sampler_proposes_fleets(sampler, folder):
    search = opened(folder, packing=packing(3), sampler=sampler, trials=12)
    tune = Tune(search, folder)
    tune.train_all()
    sizes = [len(unit.names) for unit in tune.units]
    assert sum(sizes) == 12
    assert max(sizes) == 3
    if search.learns:
        assert sizes == [3, 3, 3, 3]
    assert states(search) == {"COMPLETE": 12}
    assert len({planned.config.lr for planned in folder.plan}) == 12
    for unit in tune.units:
        batch_sizes = {p.config.batch_size for p in folder.plan if p.name in unit.names}
        assert len(batch_sizes) == 1


def test_a_sampler_that_learns_nothing_proposes_what_it_would_alone(folder):
    def points(search):
        found = [trial.params for trial in search.study.get_trials(deepcopy=False)]
        return sorted(found, key=lambda params: params["lr"])

    packed = opened(folder, packing=packing(3), sampler="qmc", trials=12)
    Tune(packed, folder).train_all()
    other = RunFolder.create(folder.path.parent / "other", folder.run, [])
    alone = opened(other, sampler="qmc", trials=12)
    Tune(alone, other).train_all()
    assert points(packed) == points(alone)


def test_tune_accepts_the_suggester(folder):
    tune = Tune(opened(folder, packing=packing(2), sampler="random"), folder)
    tune.begin()
    cloudpickle.dumps(tune.suggester)
    # Tune raises for a result without the metric of its searcher, and a fleet's has none.
    assert tune.suggester.metric is None


def test_each_member_is_told_when_it_ends(folder):
    search = opened(folder, packing=packing(3))
    tune = Tune(search, folder)
    first, second, third = tune.begin()
    tune.end(0, second, 0.7)
    assert states(search) == {"RUNNING": 2, "COMPLETE": 1}
    tune.end(0, first, math.nan)
    assert states(search) == {"RUNNING": 1, "COMPLETE": 1, "FAIL": 1}
    assert search.study.trials[1].value == 0.7
    tune.end(0, third, 0.8)
    assert search.study.best_trial.number == 2


def test_start_points_of_several_kinds_are_several_units(folder):
    points = [{"batch_size": size, "lr": 0.01} for size in (32, 64, 32)]
    points[2]["lr"] = 0.02
    search = opened(folder, packing=packing(3), start_from=points, trials=6)
    tune = Tune(search, folder)
    tune.train_all()
    assert sorted(len(unit.names) for unit in tune.units) == [1, 2, 3]
    by_number = {trial_number(p.name): p for p in folder.plan}
    assert [by_number[n].config.batch_size for n in range(3)] == [32, 64, 32]
    assert by_number[0].fleet == by_number[2].fleet != ""
    assert by_number[1].fleet == ""


def test_a_killed_search_goes_on_with_its_fleets(folder):
    first = opened(folder, packing=packing(3), trials=9)
    tune = Tune(first, folder)
    names = tune.begin()
    tune.end(0, names[1])
    tune.suggester._ask({})  # proposed, and killed before it was planned

    second = opened(folder, packing=packing(3), trials=9, resumed=True)
    assert states(second) == {"RUNNING": 2, "COMPLETE": 1, "FAIL": 1}
    assert (second.done, second.left, second.to_propose, second.trials_left) == (1, 8, 6, 8)
    again = Tune(second, folder)
    assert again.begin() == names  # its slots decide the last digits, so all members are needed
    assert again.suggester.names == {names[0], names[2]}
    for name in (names[0], names[2]):
        again.end(0, name)
    again.train_all()
    assert states(second) == {"COMPLETE": 9, "FAIL": 1}
    assert len(folder.plan) == 9
    assert {planned.fleet for planned in folder.plan} == {"fleet1", "fleet2", "fleet3"}


def test_a_broken_fleet_ends_without_new_proposals(folder):
    search = opened(folder, packing=packing(3), trials=3)
    tune = Tune(search, folder)
    tune.begin()
    alone = [planned for planned in folder.plan if trial_number(planned.name) != 1]
    search.pending, search.may_propose = alone, False
    again = Tune(search, folder)
    assert search.to_propose == 0
    assert again.begin() is not None


def test_an_earlier_trial_is_in_no_fleet(folder):
    first = opened(folder, packing=packing(3), trials=3)
    Tune(first, folder).begin()
    known = folder.plan[1].config
    conditions = Conditions("cpu", 1, "2", 1)
    earlier = EarlierTrial(
        "earlier", known, "finished", conditions, {}, lambda: [record(20, 0.6)], lambda: None
    )
    reuse = Reuse(conditions, {known: [earlier]})
    other = RunFolder.create(folder.path.parent / "other", folder.run, [])
    search = opened(other, packing=packing(3), trials=3)
    tune = Tune(search, other, reuse)
    while tune.begin():
        pass
    assert [len(unit.names) for unit in tune.units] == [2, 1]
    (adopted,) = [planned for planned in other.plan if not planned.fleet]
    assert adopted.config == known
    assert other.trial(adopted.name).complete


def test_all_seeds_of_a_point_are_one_fleet_and_one_value(folder):
    search = opened(folder, packing=packing(2, 6), seeds=3, trials=4)
    tune = Tune(search, folder)
    names = tune.begin()
    assert [name.rpartition("_")[2] for name in names] == ["seed0", "seed1", "seed2"] * 2
    assert [trial_number(name) for name in names] == [0] * 3 + [1] * 3
    for name, accuracy in zip(names[:3], (0.7, 0.8, 0.9), strict=True):
        assert states(search) == {"RUNNING": 2}
        tune.end(0, name, accuracy)
    assert states(search) == {"RUNNING": 1, "COMPLETE": 1}
    assert search.study.trials[0].value == pytest.approx(0.8)
    one, two = folder.plan[0].config, folder.plan[1].config
    assert (one.seed, two.seed) == (0, 1)
    assert one.replace(seed=1) == two


def test_seeds_that_are_not_packed_follow_each_other(folder):
    search = opened(folder, seeds=2, trials=2)
    tune = Tune(search, folder)
    tune.train_all()
    assert [unit.names[0].rpartition("_")[2] for unit in tune.units] == ["seed0", "seed1"] * 2
    assert states(search) == {"COMPLETE": 2}


def test_a_point_that_has_begun_gets_its_other_seeds_after_the_time_limit(folder):
    tune = Tune(opened(folder, seeds=2, trials=2, seconds=1e9), folder)
    tune.begin()
    tune.suggester._deadline = 0.0
    assert tune.begin() is not None
    assert tune.begin() is None
    assert tune.suggester.timed_out


def test_a_point_waits_for_the_seed_of_a_killed_search(folder):
    first = opened(folder, seeds=3, trials=1)
    tune = Tune(first, folder)
    for number, accuracy in enumerate((0.6, 0.9)):
        (name,) = tune.begin()
        tune.end(number, name, accuracy)
    second = opened(folder, seeds=3, trials=1, resumed=True)
    assert (second.done, second.left, second.to_propose) == (0, 1, 0)
    again = Tune(second, folder)
    (last,) = again.begin()
    assert last.endswith("_seed2")
    again.end(0, last, 0.9)
    assert second.study.trials[0].value == pytest.approx(0.8)
    assert again.begin() is None


@pytest.mark.parametrize(
    ("objective", "values"),
    [("validation_accuracy", [0.45]), ("validation_loss", [math.inf])],
)
def test_a_diverged_seed_counts_with_the_worst_value(objective, values):
    curves = [[record(20, 0.9)], [record(20, math.nan, diverged=True)]]
    assert point_values(curves, [objective]) == values
    assert point_values(curves[1:] * 2, [objective]) is None


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes"])
def test_a_sampler_learns_from_an_infinite_loss(sampler, folder):
    objectives = ("validation_loss",)
    search = opened(folder, seeds=2, trials=14, sampler=sampler, objectives=objectives)
    tune = Tune(search, folder)
    while names := tune.begin():
        number = len(tune.units) - 1
        tune.end(number, names[0], math.nan if number % 4 == 1 else 0.5)
    values = [trial.value for trial in search.study.trials]
    assert values.count(math.inf) == 7
    assert search.study.trials[0].state == TrialState.COMPLETE


def test_a_sampler_that_learns_proposes_several_times():
    assert points_at_a_time(64, 2, learns=True) == 8
    assert points_at_a_time(64, 16, learns=True) == 4
    assert points_at_a_time(10, 2, learns=True) == 1
    assert points_at_a_time(64, 2, learns=False) == 32


def test_fleets_that_do_not_fit_into_the_memory_are_one_line():
    def speedup(members):
        raise MemoryError

    with pytest.raises(ConfigError, match=r"fleets of 4 lenet do not fit .* --pack auto"):
        pack_proposals([config(32)], lambda *_: Limit(4), speedup, points=4, seeds=1)


@pytest.mark.parametrize(
    ("learns", "reason"),
    [(True, "too few for a sampler to learn from fleets"), (False, "one for each processor")],
)
def test_a_search_of_few_points_says_why_each_is_alone(learns, reason):
    planner = FleetPlanner({}, SimpleNamespace(side_by_side=2), "auto")
    search = SimpleNamespace(left=2, seeds=1, learns=learns)
    assert planner.pack_proposals(search) == [f"each trial alone: {reason}"]


def test_each_kind_has_its_own_limit_and_a_line():
    asked = []

    def find_limit(configs, enough):
        asked.append((configs[0].batch_size, len(configs), enough))
        return Limit(5) if configs[0].batch_size == 32 else Limit(1, "because")

    samples = [config(size) for size in (256, 32, 64)]
    made = pack_proposals(samples, find_limit, lambda _: 2.5, points=4, seeds=2)
    # What is not worth it at 64 is not measured at 256.
    assert asked == [(32, 8, 8), (64, 8, 8)]
    assert made.limit(config(32)) == 5
    assert made.points_like(config(32), 2) == 2
    assert made.points_like(config(64), 2) == 1
    assert made.share(config(32)).speedup == 2.5
    assert made.lines == [
        "lenet, batch 32: up to 5 at a time, 2.5 times as fast as alone",
        "lenet, batch 64, 256: each alone; because",
    ]


def test_more_seeds_than_a_fleet_holds_are_several_fleets(folder):
    tune = Tune(opened(folder, packing=packing(1, 2), seeds=5, trials=1), folder)
    tune.train_all()
    assert sorted(len(unit.names) for unit in tune.units) == [1, 2, 2]
