"""Where to put the hardware: three choices, what each takes, and what the page shows of them."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from lenet.config import ConfigError, TrainConfig
from search_spaces.study import PlannedTrial
from study import api, grid
from study.analysis.hardware import (
    PACKED,
    SIDE_BY_SIDE,
    WORKERS,
    Choice,
    Hardware,
    Step,
    UnknownSpeedup,
    WorkerSpeedups,
    measured_seconds,
)
from study.analysis.results import Results
from study.cluster import step_probe
from study.cluster.estimate import Estimate, FleetShare, estimate
from study.cluster.resources import Node, Resources
from study.report.findings import Findings
from study.report.page.write import write_page
from study.tuning.hardware import HardwareComparison, other_machine
from tests.unit.made_up_run import made_up_run, write
from tests.unit.made_up_scaling import MODEL, gradient_bytes, made_up_scaling

CHOICES = (
    Choice(SIDE_BY_SIDE, "2 at once, each on 1 thread", 200.0),
    Choice(PACKED, "2 fleets of 6, 2 at once", 100.0, is_chosen=True),
    Choice(WORKERS, "each trial on 2 workers", 400.0, 380.0, 420.0),
)
HARDWARE = Hardware("2 CPU cores", 12, CHOICES, "Timed.")
STEP_SECONDS, SAMPLE_SECONDS = 0.01, 0.001


@pytest.fixture(autouse=True)
def fixed_speed(monkeypatch, tmp_path):
    """A machine that takes 10 ms for a step and 1 ms for an evaluated sample."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(step_probe, "_time_probe", lambda *_, **__: (STEP_SECONDS, SAMPLE_SECONDS))


def timed(**seconds: float | None) -> Hardware:
    choices = tuple(Choice(name, "", value) for name, value in seconds.items())
    return replace(HARDWARE, choices=choices)


def test_the_fastest_choice_is_named_only_if_the_prediction_tells() -> None:
    assert HARDWARE.fastest == "packed, predicted to be 2.0 times as fast as side by side"
    assert timed(a=100.0, b=105.0, c=300.0).fastest == (
        "a and b: within 10%, too close for a prediction"
    )
    assert timed(a=100.0, b=None).fastest == ""


def test_choices_are_kept_in_the_runs_metadata() -> None:
    assert Hardware.from_json(HARDWARE.to_json()) == HARDWARE
    with pytest.raises(ConfigError, match=r"run\.json is damaged"):
        Hardware.from_json({"machine": "2 CPU cores", "choices": [{"name": WORKERS}]})


def test_time_counts_while_any_trial_trains() -> None:
    results = trained(starts=(0, 10, 100), ends=(30, 20, 150))
    assert measured_seconds(results) == 30 + 50
    results.trials["reused"] = ["another", None, None]
    assert measured_seconds(results) == 10 + 50


@pytest.mark.parametrize(("attempts", "starts"), [((1, 2), (0, 0)), ((1, 1), (0, None))])
def test_time_is_unknown_if_attempts_are_missing(attempts, starts) -> None:
    assert measured_seconds(trained(starts, (10, 20), attempts)) is None


def trained(starts, ends, attempts=None) -> Results:
    """Return trials that began and ended at these seconds."""

    def times(seconds):
        return [
            None
            if s is None
            else str(pd.Timestamp("2026-11-27", tz="UTC") + pd.Timedelta(seconds=s))
            for s in seconds
        ]

    count = attempts or [1] * len(starts)
    table = {"started": times(starts), "ended": times(ends), "attempts": count}
    return replace(made_up_run(choices={"batch_size": [32]}), trials=pd.DataFrame(table))


@pytest.fixture(scope="module")
def scaling(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("scaling")
    settings = {"batch_size": ["32", "64", "128"], "dataset": ["digits"]}
    return str(write(made_up_scaling(settings=settings, weak=False), folder / "run"))


def test_a_scaling_run_tells_the_speedup_of_each_repeat(scaling) -> None:
    speedups = WorkerSpeedups.load(scaling)
    found = speedups.per_repeat(2, Step(128, 2, gradient_bytes(2)))
    assert len(found) == 2
    # The formula's repeats are slower by one factor each, which leaves their ratio.
    assert found == pytest.approx([MODEL.speedup(2, 128, 2, gradient_bytes(2))] * 2, rel=0.05)
    assert "at most 2 workers" in speedups.describe(16)


def test_what_was_not_measured_is_unknown(tmp_path) -> None:
    settings = {"batch_size": ["32", "64", "128"]}
    run = made_up_scaling(widths=(1,), settings=settings, weak=False)
    speedups = WorkerSpeedups.load(str(write(run, tmp_path / "narrow")))
    with pytest.raises(UnknownSpeedup, match="do not determine a step of batch 64 and width 4"):
        speedups.per_repeat(2, Step(64, 4, gradient_bytes(4)))
    with pytest.raises(ConfigError, match=r"is a run of study\.grid: name a run of"):
        WorkerSpeedups.load(str(write(made_up_run(), tmp_path / "grid")))
    few = made_up_scaling(widths=(1,), weak=False)
    with pytest.raises(ConfigError, match="too few points"):
        WorkerSpeedups.load(str(write(few, tmp_path / "few")))


class _Speeds:
    """Fleets are four times as fast as their members."""

    def measuring(self):
        return step_probe.busy_neighbors(0)

    def fastest(self, configs, enough):
        raise AssertionError("the run has chosen its fleets")

    def speedup(self, members):
        return 4.0


def compared(digits, *, cores=2, speedups=None, why_not_packed="", **settings) -> Hardware:
    settings = {"dataset": "digits", "epochs": 2, "batch_size": 64} | settings
    configs = [TrainConfig.from_dict({**settings, "seed": seed}) for seed in range(4)]
    trials = [
        PlannedTrial(name=f"trial{i}", config=config, fleet=f"fleet{1 + i // 2}", slot=i % 2)
        for i, config in enumerate(configs)
    ]

    def estimate_trials(planned) -> Estimate:
        shares = {p.config.id: FleetShare(p.fleet, 2, 4.0) for p in planned if p.fleet}
        return estimate(
            [p.config for p in planned],
            {"digits": digits},
            side_by_side=cores,
            threads=1,
            use_gpu=False,
            fleets=shares,
        )

    return HardwareComparison(
        trials=trials,
        datasets={"digits": digits},
        nodes=[Node(cores, 0)],
        resources=Resources(1.0, 0.0, concurrent=cores, at_first=cores, side_by_side=cores),
        is_here=True,
        why_not_packed=why_not_packed,
        speeds=_Speeds(),  # type: ignore[arg-type]
        estimate_trials=estimate_trials,
        speedups=speedups,
    ).hardware()


def test_three_choices_with_their_times(digits, scaling) -> None:
    found = compared(digits, speedups=WorkerSpeedups.load(scaling))
    side_by_side, packed, workers = found.choices
    steps = 2 * -(-len(digits.split(TrainConfig(dataset="digits"))[0]) // 64) * STEP_SECONDS
    # Four trials on two cores; fleets save three quarters of their steps, and a start each.
    assert side_by_side.seconds - packed.seconds == pytest.approx(2 * 0.75 * steps + 0.015)
    assert (side_by_side.is_chosen, packed.is_chosen, workers.is_chosen) == (False, True, False)
    assert packed.how == "2 fleets of 2, 2 at once"
    # One after the other: twice the time of two at once, but for what two workers save.
    speedup = WorkerSpeedups.load(scaling).per_repeat(2, Step(64, 1, 61706 * 4))[0]
    assert workers.seconds == pytest.approx(
        2 * side_by_side.seconds - 4 * steps * (1 - 1 / speedup), rel=0.01
    )
    assert workers.low <= workers.seconds <= workers.high


def test_a_choice_without_measurements_says_what_to_type(digits, tmp_path) -> None:
    workers = compared(digits).choices[-1]
    assert workers.seconds is None
    assert "study.scaling --workers 1,2 --launchers ray" in workers.missing
    assert "--set dataset=digits --set batch_size=32,64" in workers.missing
    own = {"model": "tests.own_parts:NeedsDepth", "model.depth": 2, "batch_size": 1}
    assert "--set batch_size=1,2 --set model.depth=2" in compared(digits, **own).choices[-1].missing
    assert "--widths 2 --set" in compared(digits, width=2).choices[-1].missing
    other = write(made_up_scaling(), tmp_path / "run")
    unknown = compared(digits, speedups=WorkerSpeedups.load(str(other))).choices[-1]
    assert unknown.missing.endswith("measured mnist, not digits")
    stopped = compared(digits, why_not_packed="not possible: asha").choices[1]
    assert (stopped.seconds, stopped.missing) == (None, "not possible: asha")


def test_another_machine_replaces_only_what_was_typed() -> None:
    here = Node(2, 1)
    assert other_machine(None, None, here) is None
    assert other_machine(16, None, here) == Node(16, 1)
    assert other_machine(None, 4, here) == Node(2, 4)
    with pytest.raises(ConfigError, match="--gpus 4 needs a GPU on this machine"):
        other_machine(None, 4, Node(2, 0))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--cores", "16"], "--cores predicts for another machine: add --dry-run"),
        (["--gpus", "4", "--dry-run", "--address", "head:6379"], "omit --gpus or --address"),
        (["--cores", "0", "--dry-run"], "--cores: 0 must be a whole number"),
        (["--resume", "nowhere", "--cores", "16"], "omit --cores"),
        (["--scaling", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_options_that_make_no_sense_are_refused(typed, message, capsys, monkeypatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert exit_code(typed) == 2
    assert message in capsys.readouterr().err


def exit_code(typed: list[str]) -> int:
    try:
        return grid.main(typed)
    except SystemExit as stop:  # argparse
        return int(str(stop.code))


def test_a_dry_run_prints_the_choices_for_another_machine(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    small = "dataset=digits model=softmax optimizer=sgd lr=0.1,0.01 batch_size=64"
    typed = [word for setting in small.split() for word in ("--set", setting)]
    code = grid.main([*typed, "--dry-run", "--cores", "16", "--results", str(tmp_path / "run")])
    assert code == 0
    printed = capsys.readouterr().out.replace(str(tmp_path), "results")  # a path is not broken
    assert "Where to put the hardware: 16 CPU cores, 2 trials" in printed
    assert re.search(r"side by side +0:\d\d predicted\n +2 at once, each on 1 thread", printed)
    assert "those of another may be faster or slower" in " ".join(printed.split())
    assert max(map(len, printed.splitlines())) <= 80
    assert not (tmp_path / "run").exists()


def test_a_job_for_another_machine_can_be_planned_and_not_run(monkeypatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    settings = {"dataset": "digits", "model": "softmax", "optimizer": "sgd", "lr": [0.1, 0.01]}
    settings["batch_size"] = 64
    job = api.grid(settings=settings, hardware=api.HardwareRequest(cores=16))
    hardware = job.plan().hardware
    assert hardware is not None
    assert (hardware.machine, hardware.trials) == ("16 CPU cores", 2)
    assert [choice.name for choice in hardware.choices] == [SIDE_BY_SIDE, PACKED, WORKERS]
    with pytest.raises(ConfigError, match="--cores predicts for another machine"):
        job.run()


def test_the_page_shows_predicted_beside_measured(tmp_path: Path) -> None:
    results = made_up_run(choices={"batch_size": [32], "lr": [0.1]})
    results = replace(results, run=replace(results.run, hardware=HARDWARE.to_json()))
    results.trials["started"] = "2026-11-27T10:00:00+00:00"
    results.trials["ended"] = "2026-11-27T10:01:50+00:00"
    results.trials["attempts"] = 1
    page = write_page([Findings(results, tmp_path)], tmp_path / "report.html").read_text("utf-8")
    section = page[page.index('<section id="hardware">') :]
    rows = [re.sub(r"<[^>]+>|\s+", " ", row).split() for row in section.split("<tr>")[2:5]]
    assert rows[1][:6] == ["packed", "(this", "run)", "1:40", "1:50", "2"]
    assert rows[0][:6] == ["side", "by", "side", "3:20", "not", "run"]
    assert rows[2][:4] == ["workers", "6:40", "[6:20,", "7:00]"]
    results.trials["attempts"] = 2
    page = write_page([Findings(results, tmp_path)], tmp_path / "report.html").read_text("utf-8")
    assert "unknown: a trial was retried, resumed or reused, or has not ended" in page
