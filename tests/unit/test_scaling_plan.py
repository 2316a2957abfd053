"""`python -m study.scaling`: what it plans, and what it refuses before anything starts."""

import re
from dataclasses import replace

import pytest

from lenet.config import ConfigError
from study.analysis.speedup import LAUNCHERS
from study.cluster import connection as cluster
from study.cluster.connection import Node
from study.scaling import __main__ as scaling
from study.scaling.plan import (
    Scaling,
    as_json,
    check_room,
    cpus_each,
    of_run,
    placed,
    room,
)

ASKED = Scaling(
    study="fan-hardware",
    budget="quick",
    repeats=2,
    choices={"width": ["1", "2"]},
    workers={"cpu": [1, 2, 4]},
    weak=True,
    launchers=["ray", "torchrun", "plain"],
    cpus_per_worker=1.0,
    placement="pack",
)
TWO_CPUS = [Node(cpus=2, gpus=0)]
FOUR_GPUS = [Node(cpus=16, gpus=2), Node(cpus=16, gpus=2)]


def names(launches):
    return [launch.name for launch in launches]


def test_each_repeat_has_every_launch_once_in_random_order():
    launches = names(ASKED.launches())
    first, second = launches[:7], launches[7:]
    assert all(name.endswith("repeat0") for name in first)
    assert {n.removesuffix("repeat1") for n in second} == {n.removesuffix("repeat0") for n in first}
    assert [n[:-1] for n in first] != [n[:-1] for n in second]
    assert launches == names(ASKED.launches())  # the same order each time


def test_the_points_of_a_launch():
    by_name = {launch.name: launch for launch in ASKED.launches()}
    batches = {
        name: sorted((p.config.width, p.config.batch_size) for p in launch.points)
        for name, launch in by_name.items()
    }
    assert batches["ray-1cpu-repeat0"] == [(1, 128), (2, 128)]
    assert batches["ray-4cpu-repeat1"] == [(1, 128), (1, 512), (2, 128), (2, 512)]
    assert batches["torchrun-2cpu-repeat0"] == batches["plain-1cpu-repeat0"] == [(1, 128)]
    assert "plain-2cpu-repeat0" not in by_name
    assert {p.config.seed for p in by_name["ray-4cpu-repeat1"].points} == {1}
    every = [point.name for launch in by_name.values() for point in launch.points]
    assert len(set(every)) == len(every)


def test_ray_begins_with_what_the_baselines_train():
    """Their one point is the first that a process trains: so it has to be of Ray's."""
    asked = replace(ASKED, choices={"width": ["1", "2", "4"], "batch_size": ["64", "128"]})
    by_name = {
        launch.name: [(p.config.width, p.config.batch_size) for p in launch.points]
        for launch in asked.launches()
    }
    for repeat in range(2):
        baseline = by_name[f"plain-1cpu-repeat{repeat}"]
        assert set(baseline) == {(1, 64), (1, 128)}
        for workers in (1, 2, 4):
            assert by_name[f"ray-{workers}cpu-repeat{repeat}"][:2] == baseline
            assert by_name[f"torchrun-{workers}cpu-repeat{repeat}"] == baseline
    behind = {tuple(points[2:]) for name, points in by_name.items() if name.startswith("ray-4")}
    assert len(behind) == 2  # in another order each time
    # Ray's alone, too: none of its numbers of workers is to have the slowness of a fresh process.
    alone = replace(asked, launchers=["ray"])
    assert {launch.points[0].config.width for launch in alone.launches()} == {1}


def test_a_resumed_run_plans_what_it_began_with():
    run = {
        "study": ASKED.study,
        "budget": ASKED.budget,
        "seeds": ASKED.repeats,
        "choices": ASKED.choices,
        "asked": as_json(ASKED),
    }
    assert of_run(run) == ASKED


def test_workers_by_default_are_those_of_the_study_that_fit():
    asked, notes = placed(ASKED, None, None, TWO_CPUS, oversubscribe=False)
    assert asked.workers == {"cpu": [1, 2]}
    assert notes == [
        "3 and 4 workers are left out: there is room for 2 on cpu (2 CPUs and 0 GPUs)."
    ]
    asked, notes = placed(ASKED, None, None, TWO_CPUS, oversubscribe=True)
    assert asked.workers == {"cpu": [1, 2, 3, 4]}
    assert notes == []


def test_gpus_are_used_where_there_are_some():
    asked, _ = placed(ASKED, None, None, FOUR_GPUS, oversubscribe=False)
    assert asked.workers == {"gpu": [1, 2, 3, 4]}
    asked, _ = placed(ASKED, [1, 2], ["cpu", "gpu"], FOUR_GPUS, oversubscribe=False)
    assert asked.workers == {"cpu": [1], "gpu": [1, 2]}
    assert check_room(asked, asked.workers, FOUR_GPUS, oversubscribe=False, resumed=False)[
        "cpu"
    ] == {1: False}
    with pytest.raises(ConfigError, match="there is no GPU"):
        placed(ASKED, [1], ["gpu"], TWO_CPUS, oversubscribe=False)


def test_the_cpu_beside_gpus_has_a_whole_machine():
    small = [Node(cpus=4, gpus=1), Node(cpus=12, gpus=1)]
    asked, _ = placed(ASKED, None, ["cpu", "gpu"], small, oversubscribe=False)
    assert (asked.cpus_of("cpu"), asked.cpus_of("gpu")) == (12, 1)
    typed = replace(ASKED, cpus_per_worker=2.0, cpus_beside_gpus=2.0)
    asked, _ = placed(typed, None, ["gpu", "cpu"], small, oversubscribe=False)
    assert (asked.cpus_of("cpu"), asked.cpus_of("gpu")) == (2, 2)
    alone, _ = placed(ASKED, None, ["cpu"], small, oversubscribe=False)
    assert alone.cpus_of("cpu") == 1
    typed = replace(typed, cpus_beside_gpus=16.0, workers={"cpu": [1], "gpu": [1]})
    with pytest.raises(ConfigError, match="workers of 16 CPU"):
        check_room(typed, typed.workers, small, oversubscribe=False, resumed=False)
    # What is complete needs no room.
    assert check_room(typed, {"gpu": [1]}, small, oversubscribe=False, resumed=False) == {
        "gpu": {1: False}
    }


def test_one_process_for_several_gpus_is_planned_where_there_are_some():
    every = replace(ASKED, launchers=LAUNCHERS, workers={"cpu": [1], "gpu": [1, 2]})
    launches = {launch.name: launch for launch in every.launches()}
    planned = {name for name in launches if name.startswith("dataparallel")}
    assert planned == {"dataparallel-2gpu-repeat0", "dataparallel-2gpu-repeat1"}
    (point,) = launches["dataparallel-2gpu-repeat0"].points
    assert (point.config.width, point.config.batch_size) == (1, 128)
    assert point.name.startswith("dataparallel_2gpu_")
    dropping = replace(every, study="upc-gpus", choices={})  # with dropout 0.5
    assert not [name for name in names(dropping.launches()) if name.startswith("dataparallel")]
    _, (note,) = placed(dropping, [1, 2], ["gpu"], FOUR_GPUS, oversubscribe=False)
    assert "dataparallel is left out where there is dropout" in note
    for trained in (
        replace(dropping, choices={"dropout": ["0"]}),
        replace(dropping, launchers=["ray"]),
    ):
        assert placed(trained, [1, 2], ["gpu"], FOUR_GPUS, oversubscribe=False)[1] == []
    assert placed(dropping, [1], ["gpu"], FOUR_GPUS, oversubscribe=False)[1] == []


def test_without_gpus_it_changes_nothing():
    assert replace(ASKED, launchers=LAUNCHERS).launches() == ASKED.launches()


def test_room_is_in_whole_workers_of_each_machine():
    nodes = [Node(cpus=3, gpus=0), Node(cpus=3, gpus=0)]
    assert room(nodes, "cpu", 2.0) == 2
    assert room(FOUR_GPUS, "gpu", 1.0) == 4


def test_more_workers_than_fit_are_refused_with_what_there_is():
    with pytest.raises(ConfigError, match="--workers 4 is more than fit: there are 2 CPUs"):
        check_room(ASKED, ASKED.workers, TWO_CPUS, oversubscribe=False, resumed=False)
    found = check_room(ASKED, ASKED.workers, TWO_CPUS, oversubscribe=True, resumed=False)
    assert found == {"cpu": {1: False, 2: False, 4: True}}


def test_a_resumed_run_is_not_told_to_ask_for_less():
    small = [Node(cpus=8, gpus=1)]
    for asked, instead in (
        (ASKED, "such as on a cluster with --address, or add --oversubscribe"),
        (replace(ASKED, cpus_per_worker=0.5), "a thread of its own; add --oversubscribe"),
        (replace(ASKED, workers={"gpu": [2]}), "resume it where they fit"),
    ):
        nodes = small if "gpu" in asked.workers else TWO_CPUS
        with pytest.raises(ConfigError, match=instead) as refused:
            check_room(asked, asked.workers, nodes, oversubscribe=False, resumed=True)
        assert "use" not in str(refused.value)


def test_each_worker_on_the_cpu_keeps_one_busy_whatever_it_is_granted():
    half = replace(ASKED, cpus_per_worker=0.5)
    with pytest.raises(ConfigError, match="each worker has a thread of its own; use 1 or more"):
        check_room(half, half.workers, TWO_CPUS, oversubscribe=False, resumed=False)
    found = check_room(half, half.workers, TWO_CPUS, oversubscribe=True, resumed=False)
    assert found == {"cpu": {1: False, 2: False, 4: True}}
    on_gpus = replace(half, workers={"gpu": [1, 2]})
    small = [Node(cpus=1, gpus=2)]
    assert (
        check_room(on_gpus, on_gpus.workers, small, oversubscribe=False, resumed=False)["gpu"][2]
        is False
    )


@pytest.mark.parametrize("processor", ["cpu", "gpu"])
def test_a_cluster_whose_head_is_all_there_is_has_no_room(processor):
    asked = replace(ASKED, workers={processor: [1, 2]})
    with pytest.raises(ConfigError, match="no machine has a CPU for workers"):
        check_room(asked, asked.workers, [Node(cpus=0, gpus=2)], oversubscribe=True, resumed=False)


def test_gpus_are_never_oversubscribed():
    asked, _ = placed(ASKED, [1, 8], ["gpu"], FOUR_GPUS, oversubscribe=True)
    with pytest.raises(ConfigError, match="8 on GPUs is more than fit: there are 32 CPUs and 4"):
        check_room(asked, asked.workers, FOUR_GPUS, oversubscribe=True, resumed=False)


@pytest.mark.parametrize(
    ("nodes", "workers"),
    [(TWO_CPUS, 3), (TWO_CPUS, 4), ([Node(cpus=2, gpus=0), Node(cpus=1, gpus=0)], 7)],
)
def test_oversubscribed_workers_all_fit(nodes, workers):
    each = cpus_each(nodes, workers, 1.0)
    assert 0 < each < 1
    assert room(nodes, "cpu", each) >= workers


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["fan"], "fan compares no numbers of workers: type python -m study.grid fan"),
        (["fan-hardwear"], "did you mean 'fan-hardware'?"),
        (["--workers", "1,x"], "--workers 1,x: x must be a whole number"),
        (["--workers", "1,1"], "names a number twice"),
        (["--workers", "1,64"], "--workers 64 is more than fit: there are 2 CPUs and 0 GPUs"),
        (["--widths", "0"], "width=0 is out of range"),
        (["--widths", "two"], "width must be a whole number"),
        (["--widths", "2", "--set", "model=softmax"], "model=softmax has one width"),
        (["--widths", "2", "--set", "width=3"], "width is set twice"),
        (["--set", "seed=3"], "seed is not a dimension: use --repeats N"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--device", "gpu"], "there is no GPU"),
        (["--launchers", "dataparallel"], "two GPUs or more, and without dropout: add ray"),
        (
            ["--set", "dataset=digits", "--set", "model=tests.unit.test_data_parallel:Normalized"],
            "cannot be trained by several workers: each would have another norm",
        ),
        (["--launchers", "mpi"], "unknown launcher 'mpi'"),
        (["--address", "10.0.0.1:6379", "--launchers", "plain"], "run on this machine"),
        (["--resume", "nowhere"], "nowhere is no run"),
        (["--resume", "nowhere", "--weak"], "leave out --weak"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(typed, said, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "this_machine", lambda: TWO_CPUS[0])
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert scaling.main(typed) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_nobody_has_the_time_for_more_repeats(capsys):
    with pytest.raises(SystemExit):
        scaling.main(["--repeats", "1001"])
    assert "--repeats: 1001 must be 1,000 or less" in capsys.readouterr().err


def test_a_dry_run_says_what_would_be_done(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "this_machine", lambda: TWO_CPUS[0])
    typed = ["--set", "dataset=digits", "--results", str(tmp_path / "run"), "--dry-run"]
    typed += ["--workers", "4", "--oversubscribe", "--repeats", "2"]
    assert scaling.main(typed) == 0
    printed = capsys.readouterr().out
    assert "1 is added to --workers 4: the others are compared with it." in printed
    assert "1, 4 (oversubscribed) on cpu" in printed
    assert "10 in random order by repeat, 10 runs (budget quick, 2 repeats)" in printed
    assert "ray-4cpu-repeat1" in printed
    assert re.search(r"about 0:\d\d of training at one worker's speed", printed)
    assert not (tmp_path / "run").exists()
