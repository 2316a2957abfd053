"""`python -m study.scaling`: the plan, and input that is refused before anything starts."""

import re
from dataclasses import replace

import pytest

from lenet.config import ConfigError
from search_spaces.hardware import STRATEGIES
from study.cluster.resources import Node
from study.runs.metadata import DatasetInfo, RunMetadata
from study.scaling import __main__ as scaling
from study.scaling import session
from study.scaling.placement import capacity, check_capacity, shared_cpus, with_workers
from study.scaling.plan import ScalingRequest

REQUEST = ScalingRequest(
    study="fan-hardware",
    budget="quick",
    repeats=2,
    choices={"width": ["1", "2"]},
    workers={"cpu": [1, 2, 4]},
    weak=True,
    launchers=["ray", "torchrun", "plain"],
    strategies=["ddp"],
    cpus_per_worker=1.0,
    placement="pack",
)
TWO_CPUS = [Node(cpus=2, gpus=0)]
FOUR_GPUS = [Node(cpus=16, gpus=2), Node(cpus=16, gpus=2)]


def names(launches):
    return [launch.name for launch in launches]


def test_each_repeat_has_every_launch_once_in_random_order():
    launches = names(REQUEST.launches())
    first, second = launches[:7], launches[7:]
    assert all(name.endswith("repeat0") for name in first)
    assert {n.removesuffix("repeat1") for n in second} == {n.removesuffix("repeat0") for n in first}
    assert [n[:-1] for n in first] != [n[:-1] for n in second]
    assert launches == names(REQUEST.launches())  # the same order each time


def test_the_points_of_a_launch():
    by_name = {launch.name: launch for launch in REQUEST.launches()}
    batches = {
        name: sorted((p.config.width, p.config.batch_size) for p in launch.points)
        for name, launch in by_name.items()
    }
    assert batches["ray-1cpu-serial-repeat0"] == [(1, 128), (2, 128)]
    assert batches["ray-4cpu-ddp-repeat1"] == [(1, 128), (1, 512), (2, 128), (2, 512)]
    assert (
        batches["torchrun-2cpu-ddp-repeat0"] == batches["plain-1cpu-serial-repeat0"] == [(1, 128)]
    )
    assert "plain-2cpu-ddp-repeat0" not in by_name
    assert {p.config.seed for p in by_name["ray-4cpu-ddp-repeat1"].points} == {1}
    every = [point.name for launch in by_name.values() for point in launch.points]
    assert len(set(every)) == len(every)


def test_ray_trains_the_baselines_points_first():
    """A process is slow at its first point, which is the only one of a baseline."""
    request = replace(REQUEST, choices={"width": ["1", "2", "4"], "batch_size": ["64", "128"]})
    by_name = {
        launch.name: [(p.config.width, p.config.batch_size) for p in launch.points]
        for launch in request.launches()
    }
    for repeat in range(2):
        baseline = by_name[f"plain-1cpu-serial-repeat{repeat}"]
        assert set(baseline) == {(1, 64), (1, 128)}
        for workers in ("1cpu-serial", "2cpu-ddp", "4cpu-ddp"):
            assert by_name[f"ray-{workers}-repeat{repeat}"][:2] == baseline
            assert by_name[f"torchrun-{workers}-repeat{repeat}"] == baseline
    rest = {tuple(points[2:]) for name, points in by_name.items() if name.startswith("ray-4")}
    assert len(rest) == 2  # in another order each time
    # Without baselines, too: the slowness of a fresh process must not count for a worker count.
    alone = replace(request, launchers=["ray"])
    assert {launch.points[0].config.width for launch in alone.launches()} == {1}


def test_a_resumed_run_plans_what_it_began_with():
    run = RunMetadata(
        study=REQUEST.study,
        budget=REQUEST.budget,
        seeds=REQUEST.repeats,
        choices=REQUEST.choices,
        dataset=DatasetInfo("mnist"),
        device="cpu",
        options=REQUEST.options_to_json(),
    )
    assert ScalingRequest.of_run(run) == REQUEST


def test_workers_by_default_are_those_of_the_study_that_fit():
    request, notes = with_workers(REQUEST, None, None, TWO_CPUS, oversubscribe=False)
    assert request.workers == {"cpu": [1, 2]}
    assert notes == ["Omitting 3 and 4 workers: only 2 fit on cpu (2 CPUs and 0 GPUs)."]
    request, notes = with_workers(REQUEST, None, None, TWO_CPUS, oversubscribe=True)
    assert request.workers == {"cpu": [1, 2, 3, 4]}
    assert notes == []


def test_gpus_are_used_if_there_are_any():
    request, _ = with_workers(REQUEST, None, None, FOUR_GPUS, oversubscribe=False)
    assert request.workers == {"gpu": [1, 2, 3, 4]}
    request, _ = with_workers(REQUEST, [1, 2], ["cpu", "gpu"], FOUR_GPUS, oversubscribe=False)
    assert request.workers == {"cpu": [1], "gpu": [1, 2]}
    assert check_capacity(request, request.workers, FOUR_GPUS, oversubscribe=False, resumed=False)[
        "cpu"
    ] == {1: False}
    with pytest.raises(ConfigError, match="there is no GPU"):
        with_workers(REQUEST, [1], ["gpu"], TWO_CPUS, oversubscribe=False)


def test_the_cpu_worker_beside_gpus_gets_a_whole_machine():
    small = [Node(cpus=4, gpus=1), Node(cpus=12, gpus=1)]
    request, _ = with_workers(REQUEST, None, ["cpu", "gpu"], small, oversubscribe=False)
    assert (request.cpus_of("cpu"), request.cpus_of("gpu")) == (12, 1)
    typed = replace(REQUEST, cpus_per_worker=2.0, cpus_beside_gpus=2.0)
    request, _ = with_workers(typed, None, ["gpu", "cpu"], small, oversubscribe=False)
    assert (request.cpus_of("cpu"), request.cpus_of("gpu")) == (2, 2)
    alone, _ = with_workers(REQUEST, None, ["cpu"], small, oversubscribe=False)
    assert alone.cpus_of("cpu") == 1
    typed = replace(typed, cpus_beside_gpus=16.0, workers={"cpu": [1], "gpu": [1]})
    with pytest.raises(ConfigError, match="workers of 16 CPU"):
        check_capacity(typed, typed.workers, small, oversubscribe=False, resumed=False)
    # Complete launches need no room.
    assert check_capacity(typed, {"gpu": [1]}, small, oversubscribe=False, resumed=False) == {
        "gpu": {1: False}
    }


def test_every_strategy_is_planned_for_several_workers():
    request = replace(
        REQUEST, strategies=STRATEGIES, workers={"gpu": [1, 2]}, repeats=1, weak=False
    )
    launches = {launch.name: launch for launch in request.launches()}
    assert set(launches) == {
        *(f"{launcher}-1gpu-serial-repeat0" for launcher in ("ray", "torchrun", "plain")),
        *(f"ray-2gpu-{strategy}-repeat0" for strategy in ("ddp", "explicit")),
        *(f"torchrun-2gpu-{strategy}-repeat0" for strategy in ("ddp", "explicit")),
        "plain-2gpu-dp-repeat0",
    }
    widths = {name: len(launch.points) for name, launch in launches.items()}
    assert widths["ray-2gpu-explicit-repeat0"] == 2
    (point,) = launches["plain-2gpu-dp-repeat0"].points
    assert (point.config.width, point.config.batch_size) == (1, 128)
    assert point.name.startswith("plain_2gpu_dp_")


@pytest.mark.parametrize(
    ("changes", "counts", "devices", "reason"),
    [
        ({}, [1, 2], ["cpu"], "needs two or more GPUs"),
        ({}, [1], ["gpu"], "needs two or more GPUs"),
        ({"launchers": ["ray"]}, [1, 2], ["gpu"], "add plain to --launchers"),
        ({"study": "upc-gpus", "choices": {}}, [1, 2], ["gpu"], "dropout.*add --set dropout=0"),
    ],
)
def test_what_dp_cannot_train_is_refused(changes, counts, devices, reason):
    request = replace(REQUEST, strategies=["dp"], **changes)
    with pytest.raises(ConfigError, match=f"--strategies dp.*{reason}.*use --strategies ddp"):
        with_workers(request, counts, devices, FOUR_GPUS, oversubscribe=False)


def test_dp_trains_on_several_gpus_without_dropout():
    no_dropout = replace(REQUEST, study="upc-gpus", choices={"dropout": ["0"]}, strategies=["dp"])
    request, notes = with_workers(
        no_dropout, [1, 2], ["cpu", "gpu"], FOUR_GPUS, oversubscribe=False
    )
    assert notes == []
    assert "plain-2gpu-dp-repeat0" in names(request.launches())


def test_each_machine_holds_whole_workers():
    nodes = [Node(cpus=3, gpus=0), Node(cpus=3, gpus=0)]
    assert capacity(nodes, "cpu", 2.0) == 2
    assert capacity(FOUR_GPUS, "gpu", 1.0) == 4


def test_more_workers_than_fit_are_refused_with_the_room_there_is():
    with pytest.raises(ConfigError, match="--workers 4 do not fit on 2 CPUs and 0 GPUs"):
        check_capacity(REQUEST, REQUEST.workers, TWO_CPUS, oversubscribe=False, resumed=False)
    found = check_capacity(REQUEST, REQUEST.workers, TWO_CPUS, oversubscribe=True, resumed=False)
    assert found == {"cpu": {1: False, 2: False, 4: True}}


def test_a_resumed_run_is_not_told_to_use_fewer_workers():
    small = [Node(cpus=8, gpus=1)]
    for request, remedy in (
        (REQUEST, "for example on a cluster with --address, or add --oversubscribe"),
        (replace(REQUEST, cpus_per_worker=0.5), "one thread of a CPU worker: add --oversubscribe"),
        (replace(REQUEST, workers={"gpu": [2]}), "resume it where they fit"),
    ):
        nodes = small if "gpu" in request.workers else TWO_CPUS
        with pytest.raises(ConfigError, match=remedy) as refused:
            check_capacity(request, request.workers, nodes, oversubscribe=False, resumed=True)
        assert "use" not in str(refused.value)


def test_a_cpu_worker_keeps_one_cpu_busy_whatever_share_it_gets():
    half = replace(REQUEST, cpus_per_worker=0.5)
    with pytest.raises(
        ConfigError, match="less than the one thread of a CPU worker: use 1 or more"
    ):
        check_capacity(half, half.workers, TWO_CPUS, oversubscribe=False, resumed=False)
    found = check_capacity(half, half.workers, TWO_CPUS, oversubscribe=True, resumed=False)
    assert found == {"cpu": {1: False, 2: False, 4: True}}
    on_gpus = replace(half, workers={"gpu": [1, 2]})
    small = [Node(cpus=1, gpus=2)]
    assert (
        check_capacity(on_gpus, on_gpus.workers, small, oversubscribe=False, resumed=False)["gpu"][
            2
        ]
        is False
    )


@pytest.mark.parametrize("processor", ["cpu", "gpu"])
def test_a_cluster_with_only_a_head_has_no_room(processor):
    request = replace(REQUEST, workers={processor: [1, 2]})
    with pytest.raises(ConfigError, match="no machine has a CPU for workers"):
        check_capacity(
            request, request.workers, [Node(cpus=0, gpus=2)], oversubscribe=True, resumed=False
        )


def test_gpus_are_never_oversubscribed():
    request, _ = with_workers(REQUEST, [1, 8], ["gpu"], FOUR_GPUS, oversubscribe=True)
    with pytest.raises(ConfigError, match="--workers 8 on GPUs do not fit on 32 CPUs and 4 GPUs"):
        check_capacity(request, request.workers, FOUR_GPUS, oversubscribe=True, resumed=False)


@pytest.mark.parametrize(
    ("nodes", "workers"),
    [(TWO_CPUS, 3), (TWO_CPUS, 4), ([Node(cpus=2, gpus=0), Node(cpus=1, gpus=0)], 7)],
)
def test_oversubscribed_workers_all_fit(nodes, workers):
    each = shared_cpus(nodes, workers, 1.0)
    assert 0 < each < 1
    assert capacity(nodes, "cpu", each) >= workers


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["fan"], "fan does not compare worker counts: type python -m study.grid fan"),
        (["fan-hardwear"], "did you mean 'fan-hardware'?"),
        (["--workers", "1,x"], "--workers 1,x: x must be a whole number"),
        (["--workers", "1,1"], "--workers 1,1 repeats a number"),
        (["--workers", "1,64"], "--workers 64 do not fit on 2 CPUs and 0 GPUs"),
        (["--widths", "0"], "width=0 is out of range"),
        (["--widths", "two"], "width must be a whole number"),
        (["--widths", "2", "--set", "model=softmax"], "model=softmax takes no width"),
        (["--widths", "2", "--set", "width=3"], "width is set twice"),
        (["--set", "seed=3"], "seed is not a dimension: use --repeats N"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--device", "gpu"], "there is no GPU"),
        (["--strategies", "ddpp"], "unknown strategy 'ddpp': did you mean 'ddp'?"),
        (["--strategies", "ddp,dp"], "torch.nn.DataParallel needs two or more GPUs: use --strat"),
        (["--address", "10.0.0.1:6379", "--strategies", "dp"], "on this machine, not on the clus"),
        (
            ["--set", "dataset=digits", "--set", "model=tests.own_models:Normalized"],
            "cannot be trained by several workers: each would normalize norm by its own shard",
        ),
        (["--launchers", "mpi"], "unknown launcher 'mpi'"),
        (["--launchers", ""], "unknown launcher ''"),
        (["--workers", ""], "must be a whole number, 1 or more"),
        (["--widths", ""], "width must be a whole number"),
        (["--device", ""], "unknown device ''"),
        (["--address", "10.0.0.1:6379", "--launchers", "plain"], "run on this machine"),
        (["--resume", "nowhere"], "nowhere is not a run"),
        (["--resume", "nowhere", "--weak"], "omit --weak"),
        (["--resume", "nowhere", "--strategies", "ddp"], "omit --strategies"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(typed, message, capsys, monkeypatch):
    monkeypatch.setattr(session, "this_machine", lambda: TWO_CPUS[0])
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert scaling.main(typed) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_repeats_have_an_upper_limit(capsys):
    with pytest.raises(SystemExit):
        scaling.main(["--repeats", "1001"])
    assert "--repeats: 1001 must be 1,000 or less" in capsys.readouterr().err


def test_a_dry_run_prints_the_plan(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(session, "this_machine", lambda: TWO_CPUS[0])
    typed = ["--set", "dataset=digits", "--results", str(tmp_path / "run"), "--dry-run"]
    typed += ["--workers", "4", "--oversubscribe", "--repeats", "2"]
    assert scaling.main(typed) == 0
    printed = capsys.readouterr().out
    assert "Adding 1 to --workers 4, the baseline of every comparison." in printed
    assert "1, 4 (oversubscribed) on cpu" in printed
    assert "10 in random order by repeat, 10 runs (budget quick, 2 repeats)" in printed
    assert "ray-4cpu-ddp-repeat1" in printed
    assert re.search(r"about \d+:\d\d: \d+:\d\d to start\s+workers", printed)
    assert not (tmp_path / "run").exists()
