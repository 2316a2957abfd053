"""Which trials become a fleet, how large it is, and what becomes of one that fails."""

import dataclasses
import functools
import itertools
import json
import os
import platform
from types import SimpleNamespace

import pytest
import torch
from ray import cloudpickle
from ray.exceptions import RayTaskError

from lenet import TrainConfig, fleet, user_cache
from lenet.config import ConfigError
from search_spaces.study import PlannedTrial
from study.cluster import fleet_probe, fleet_speed
from study.cluster.fleet_speed import FleetSpeeds, Limit
from study.runs.metadata import DatasetInfo, RunMetadata
from study.runs.run_folder import RunFolder
from study.tuning.broken_fleets import regroup
from study.tuning.fleet_callback import UnpackFleets
from study.tuning.packing import kind_of, pack
from study.tuning.suggester import InOrder

METADATA = RunMetadata(study="fan", budget="smoke", dataset=DatasetInfo("digits"), device="cpu")
NET = TrainConfig(dataset="digits", model="4ls", loss="mse", batch_size=32)


def trials(count, **settings):
    config = NET.replace(**settings)
    model, size = config.model, config.batch_size
    return [
        PlannedTrial(name=f"{model}-{size}-{n}", config=config.replace(lr=0.01 * (n + 1)))
        for n in range(count)
    ]


def packed(planned, members, side_by_side=1, known=()):
    def find_limit(configs, enough):
        return Limit(members, "because")

    return pack(planned, find_limit, lambda _: 3.0, side_by_side=side_by_side, known=known)


def sizes(packing):
    found = {}
    for planned in packing.trials:
        if planned.fleet:
            found.setdefault(planned.fleet, []).append(planned.slot)
    assert all(slots == [*range(len(slots))] for slots in found.values())
    return [len(slots) for slots in found.values()]


def test_fleets_are_as_few_and_as_even_as_the_limit_allows():
    assert sizes(packed(trials(10), 4)) == [3, 3, 4]
    assert sizes(packed(trials(4), 4)) == [4]
    assert sizes(packed(trials(4), 1)) == []


def test_lines_name_the_own_keywords_that_tell_kinds_apart():
    own = "tests.own_models:Own"
    kinds = [trials(2, model=own, **{"model.depth": depth, "model.size": 3}) for depth in (1, 2)]
    packing = packed([*kinds[0], *kinds[1], *trials(2)], 4)
    assert [line.rpartition(":")[0] for line in packing.lines] == [
        f"{own}, batch 32, model.depth 1",
        f"{own}, batch 32, model.depth 2",
        "4ls, batch 32",
    ]


@pytest.mark.parametrize(
    ("count", "fleets"), [(24, [12, 12]), (3, [2]), (2, []), (50, [12, 13, 12, 13])]
)
def test_every_processor_has_as_many_fleets(count, fleets):
    assert sizes(packed(trials(count), 24, side_by_side=2)) == fleets


def test_only_alike_trials_share_a_fleet():
    planned = [
        *trials(3),
        *trials(3, batch_size=64),
        *trials(3, model="3ls"),
        *trials(1, record_every=5),
    ]
    packing = packed(planned, 8)
    kinds = {}
    for trial in packing.trials:
        kinds.setdefault(trial.fleet, set()).add((trial.config.model, trial.config.batch_size))
    assert kinds == {
        "fleet1": {("4ls", 32)},
        "fleet2": {("4ls", 64)},
        "fleet3": {("3ls", 32)},
        "": {("4ls", 32)},
    }
    assert [planned.name for planned in packing.trials] == [planned.name for planned in planned]


def test_a_line_says_what_was_chosen_and_why():
    assert packed(trials(9), 5).lines == [
        "4ls, batch 32: 2 fleets of 4 to 5, 3.0 times as fast as alone"
    ]
    assert packed(trials(2), 1).lines == ["4ls, batch 32: 2 alone; because"]


def test_later_fleets_have_names_of_their_own():
    first = packed(trials(4), 2).trials
    later = packed(trials(2, batch_size=64), 2, known=first).trials
    assert {planned.fleet for planned in later} == {"fleet3"}


@pytest.fixture
def speeds(digits, monkeypatch, tmp_path):
    """Chooses fleets on a machine where a step of K members takes 10 ms + K times `each`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    measured = []

    def note(size):
        if measured[-1:] != [size]:  # each is measured twice
            measured.append(size)

    def make(each):
        def time_fleet(members):
            size = len(members._runs)
            note(size)
            return 0.01 + size * each

        def time_one(run):
            note(1)
            return 0.01 + each

        monkeypatch.setattr(fleet_probe, "_time_fleet_step", time_fleet)
        monkeypatch.setattr(fleet_probe, "time_step", time_one)
        made = FleetSpeeds({"digits": digits}, side_by_side=1, threads=1, use_gpu=False, kinds=1)
        made.measured = measured
        return made

    return make


def configs(count, **settings):
    return [planned.config for planned in trials(count, **settings)]


def test_sizes_are_doubled_until_the_speed_no_longer_rises(speeds):
    made = speeds(each=0.0005)
    with made.measuring():
        assert made.fastest(configs(100), 100).members == 100
        assert made.measured == [1, 2, 4, 8, 16, 32, 64, 100]
        assert made.fastest(configs(100), 30).members == 30


def test_another_optimizer_does_not_end_the_doubling(digits, monkeypatch, tmp_path):
    """Steps of a fleet cost 10 ms for each optimizer; alone, each member costs 10 ms."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(fleet_probe, "_time_fleet_step", lambda f: 0.01 * len(f._updates))
    monkeypatch.setattr(fleet_probe, "time_step", lambda _: 0.01)
    made = FleetSpeeds({"digits": digits}, side_by_side=1, threads=1, use_gpu=False, kinds=1)
    mixed = [*configs(4, optimizer="sgd"), *configs(28, optimizer="adam")]
    with made.measuring():
        assert made.speedup(mixed[:8]) == made.speedup(mixed[:4]) == 4.0
        assert made.fastest(mixed, 32).members == 32


def test_one_slow_measurement_does_not_end_the_doubling(digits, monkeypatch, tmp_path):
    """Fleets are as fast as one trial, but another process held up the fleet of 8."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def time_fleet(members):
        return 0.025 if len(members._runs) == 8 else 0.01

    monkeypatch.setattr(fleet_probe, "_time_fleet_step", time_fleet)
    monkeypatch.setattr(fleet_probe, "time_step", lambda _: 0.01)
    made = FleetSpeeds({"digits": digits}, side_by_side=1, threads=1, use_gpu=False, kinds=1)
    with made.measuring():
        assert made.speedup(configs(8)) == 0.8 * made.speedup(configs(4))
        assert made.fastest(configs(32), 32).members == 32


def test_trials_stay_alone_where_fusing_does_not_pay(speeds):
    made = speeds(each=1.0)
    with made.measuring():
        limit = made.fastest(configs(100), 100)
    assert limit == Limit(1, "two as one would be 1.00 times as fast")
    assert made.measured == [1, 2, 4]


def test_a_speed_is_measured_once_on_a_machine(speeds):
    first = speeds(each=0.0005)
    with first.measuring():
        chosen = first.fastest(configs(40), 20)
    first.measured.clear()
    again = speeds(each=0.0005)
    with again.measuring():
        assert again.fastest(configs(40), 20) == chosen
        assert again.measured == []
        again.fastest(configs(40, batch_size=64), 20)
        assert again.measured


def test_the_speeds_of_a_busy_or_another_machine_are_not_taken(speeds, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (1e3, 1e3, 1e3))
    busy = speeds(each=0.0005)
    with busy.measuring():
        busy.fastest(configs(4), 4)
    assert list(user_cache.folder().glob("fleet-*")) == []
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    for name in ("one", "other"):
        monkeypatch.setattr(platform, "node", lambda name=name: name)
        busy.measured.clear()
        made = speeds(each=0.0005)
        with made.measuring():
            made.fastest(configs(4), 4)
        assert made.measured == [1, 2, 4]


def test_a_command_measures_once_on_a_busy_machine(speeds, digits, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (1e3, 1e3, 1e3))
    first = speeds(each=0.0005)
    shared = fleet_speed.Measurements()
    for _ in range(2):
        made = FleetSpeeds(
            {"digits": digits}, side_by_side=1, threads=1, use_gpu=False, kinds=1, measured=shared
        )
        with made.measuring():
            made.fastest(configs(4), 4)
    assert first.measured == [1, 2, 4]


@pytest.fixture
def room(monkeypatch):
    """Let fleets of up to `room["members"]` fit into the memory."""
    room = {"members": 8}
    build = fleet.Fleet._build

    def build_small(self, runs):
        if len(runs) > room["members"]:
            raise torch.OutOfMemoryError("no room")
        build(self, runs)

    monkeypatch.setattr(fleet.Fleet, "_build", build_small)
    return room


def test_memory_that_runs_short_ends_the_doubling(speeds, room):
    for members in (8, 16):  # a limit by memory is not remembered
        room["members"] = members
        made = speeds(each=0.0005)
        with made.measuring():
            assert made.fastest(configs(100), 100).members == members


def test_a_limit_by_time_is_not_remembered(speeds, monkeypatch):
    clock = itertools.count(step=4.0)  # six seconds are over after one size
    with monkeypatch.context() as patch:
        patch.setattr(fleet_speed, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        hasty = speeds(each=0.0005)
        with hasty.measuring():
            assert hasty.fastest(configs(8), 8) == Limit(2)
    again = speeds(each=0.0005)
    with again.measuring():
        assert again.fastest(configs(8), 8) == Limit(8)


def test_no_two_fit_into_the_memory(speeds, monkeypatch):
    made = speeds(each=0.0005)

    def speed(members):
        if len(members) > 1:
            raise MemoryError
        return 100.0

    with made.measuring():
        monkeypatch.setattr(made._prober, "speed", speed)
        limit = made.fastest(configs(8), 8)
        assert limit == Limit(1, "two as one do not fit into the memory")
        at_most = functools.partial(made.at_most, 4)
        with pytest.raises(ConfigError, match=r"fleets of 4 4ls do not fit .* smaller --pack N"):
            pack(trials(8), at_most, made.speedup, side_by_side=1)


def test_a_failure_that_may_pass_is_not_remembered(speeds, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fleet_probe, "Fleet", lambda _: 1 / 0)
        failing = speeds(each=0.0005)
        with failing.measuring():
            assert failing.fastest(configs(4), 4) == Limit(1, "its model cannot be trained")
    again = speeds(each=0.0005)
    with again.measuring():
        assert again.fastest(configs(4), 4) == Limit(4)


def test_what_cannot_be_fused_says_why_in_one_line(speeds):
    made = speeds(each=0.0005)
    model = "tests.own_models:ReadsItsInput"
    with made.measuring():
        for limit in (
            made.fastest(configs(4, model=model), 4),
            made.at_most(4, configs(4, model=model), 4),
        ):
            assert limit.members == 1
            assert limit.reason.startswith("torch.func.vmap fails")
            assert len(limit.reason) <= 150
        assert made.at_most(4, configs(4), 4) == Limit(4)


@pytest.mark.parametrize("damaged", ['{"a": 1', "[]", None])
def test_a_damaged_cache_is_measured_again(damaged, speeds):
    first = speeds(each=0.0005)
    with first.measuring():
        first.speedup(configs(2))
    file = user_cache.folder() / "fleet-speeds.json"
    known = json.loads(file.read_text())
    file.write_text(damaged or json.dumps({k: v | {"speed": "fast"} for k, v in known.items()}))
    first.measured.clear()
    again = speeds(each=0.0005)
    with again.measuring():
        again.speedup(configs(2))
    assert again.measured == [1, 2]
    speed = {key: value["speed"] for key, value in json.loads(file.read_text()).items()}
    assert speed == {key: value["speed"] for key, value in known.items()}


def test_bf16_is_trained_alone(speeds):
    made = speeds(each=0.0005)
    bf16 = [
        PlannedTrial(name=f"{p.name}-bf16", config=p.config) for p in trials(2, precision="bf16")
    ]
    planned = [*trials(2), *bf16]
    with made.measuring():
        packing = pack(planned, made.fastest, made.speedup, side_by_side=1)
    assert [trial.fleet for trial in packing.trials] == ["fleet1", "fleet1", "", ""]
    assert packing.lines[1].endswith("2 alone; precision=bf16: fleets train in fp32 only")


def test_fleets_that_turn_out_slower_are_given_up():
    """The limit was measured with two members, on a busy machine; the fleets would have three."""
    planned = trials(6)
    options = {"find_limit": lambda *_: Limit(3), "find_speedup": lambda _: 1.07, "side_by_side": 2}
    packing = pack(planned, **options, must_pay=True)
    assert not any(trial.fleet for trial in packing.trials)
    assert packing.lines[0].endswith("6 alone; 3 as one would be 1.07 times as fast")
    typed = pack(planned, **options)  # by --pack 3
    assert [trial.fleet for trial in typed.trials] == ["fleet1"] * 3 + ["fleet2"] * 3


class Seen:
    """A callback that notes what it is told."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda iteration, trials, trial, *more, **_: self.calls.append((name, str(trial)))


class TuneTrial:
    """A trial of Tune, which has failed if it has an error."""

    def __init__(self, config, error=None, path=None):
        self.config = config
        self.pickled_error_file = path
        if error is not None:
            path.write_bytes(cloudpickle.dumps(RayTaskError("step", "traceback", error)))

    def __str__(self):
        return self.config["trial"]["name"]


def in_fleet(planned, name="fleet1"):
    return [
        PlannedTrial(name=p.name, config=p.config, fleet=name, slot=slot)
        for slot, p in enumerate(planned)
    ]


def test_callbacks_hear_of_each_member():
    plan = in_fleet(trials(3))
    names = [planned.name for planned in plan]
    seen = Seen()
    unpack = UnpackFleets([seen], names[:2])  # the third one was complete before
    trial = TuneTrial(InOrder(plan[:2], plan).suggest(""))
    assert [member["name"] for member in trial.config["trial"]["members"]] == names
    unpack.on_trial_start(0, [], trial)
    reports = [{"name": name, "done": name != names[0]} for name in names]
    unpack.on_trial_result(0, [], trial, {"members": reports})
    unpack.on_trial_start(0, [], trial)  # a retry
    unpack.on_trial_result(0, [], trial, {"members": reports})
    unpack.on_trial_complete(0, [], trial)
    one, two = names[:2]
    assert seen.calls == [
        ("on_trial_start", one),
        ("on_trial_start", two),
        ("on_trial_result", one),
        ("on_trial_result", two),
        ("on_trial_complete", two),
        ("on_trial_start", one),
        ("on_trial_result", one),
    ]


@pytest.mark.parametrize(
    ("error", "fleets"),
    [
        (RuntimeError("made to fail"), ["", "", "", ""]),
        (torch.OutOfMemoryError("no room"), ["fleet2", "fleet2", "fleet3", "fleet3"]),
    ],
)
def test_a_fleet_that_failed_is_divided(error, fleets, tmp_path):
    plan = in_fleet(trials(5))
    folder = RunFolder.create(tmp_path / "run", METADATA, plan)
    unpack = UnpackFleets([Seen()], [planned.name for planned in plan])
    trial = TuneTrial(InOrder(plan, plan).suggest(""), error, tmp_path / "error")
    unpack.on_trial_result(0, [], trial, {"members": [{"name": plan[0].name, "done": True}]})
    unpack.on_trial_error(0, [], trial)
    regrouped, (line,) = regroup(folder, unpack.broken)
    assert [planned.fleet for planned in regrouped] == fleets
    assert folder.plan == [plan[0], *regrouped]
    assert "its 4 " in line


def test_what_cannot_be_stacked_is_a_kind_of_its_own():
    plain, clipped = TrainConfig(model="softmax"), TrainConfig(model="softmax", clip_norm=1.0)
    own = TrainConfig(model="softmax", optimizer="tests.own_parts:Signs")
    assert kind_of(plain) == kind_of(dataclasses.replace(plain, optimizer="sgd", lr=0.5))
    assert kind_of(plain) != kind_of(clipped)
    assert kind_of(plain) != kind_of(own)


def test_a_measurement_that_other_work_holds_up_is_made_again(digits, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    alone, of_two = iter([10.0, 0.5]), iter([0.5, 10.0])
    monkeypatch.setattr(fleet_probe, "time_step", lambda _: next(alone))
    monkeypatch.setattr(fleet_probe, "_time_fleet_step", lambda _: next(of_two))
    speeds = FleetSpeeds({"digits": digits}, side_by_side=1, threads=1, use_gpu=False, kinds=1)
    config = TrainConfig(dataset="digits", model="softmax")
    with speeds.measuring():
        assert speeds.speedup([config, dataclasses.replace(config, seed=1)]) == 2.0


def test_the_head_of_a_cluster_may_have_no_gpu_itself(digits):
    probe = fleet_probe.FleetProbe({"digits": digits}, neighbors=0, threads=1, use_gpu=True)
    memory = probe.free_gpu_memory()
    assert (memory is not None) == torch.cuda.is_available()
    speeds = FleetSpeeds({"digits": digits}, side_by_side=1, threads=1, use_gpu=True, kinds=1)
    assert speeds._fitting([TrainConfig(dataset="digits")]) >= 1
