"""How long a run is expected to take, and what counts toward it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from lenet import user_cache
from lenet.config import ConfigError, TrainConfig
from study.cluster import estimate as module
from study.cluster import step_probe
from study.cluster.estimate import estimate, estimate_unknown, start_up_seconds
from tests.drivers import descendants, wait_for


class RaisesInItsForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(784, 10)
        self.steps = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps += torch.is_grad_enabled()  # only a training step has gradients
        if self.steps:
            raise KeyError("weights of the user")
        return self.linear(x.flatten(1))


SHORT = TrainConfig(dataset="digits", epochs=2, batch_size=64)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """Nothing is remembered from another test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    return user_cache.folder() / "step-times.json"


@pytest.fixture
def fixed_speed(monkeypatch):
    """A machine that takes 10 ms for a step and 1 ms for an evaluated sample."""
    monkeypatch.setattr(step_probe, "_time_probe", lambda *_, **__: (0.01, 0.001))


def seconds(digits, *configs, side_by_side=1):
    return estimate(
        configs, {"digits": digits}, side_by_side=side_by_side, threads=1, use_gpu=False
    )


def test_a_trial_takes_its_steps_evaluations_records_and_files(digits, fixed_speed):
    train, validation = digits.split(SHORT)
    steps, evaluated = 2 * -(-len(train) // 64), 2 * len(validation) + len(digits.test)
    expected = steps * 0.01 + evaluated * 0.001 + 2 * module._RECORD_SECONDS
    found = seconds(digits, SHORT)
    expected += module._UNIT_SECONDS + module._TRIAL_SECONDS
    assert found.trial_seconds[SHORT.id] == pytest.approx(expected)
    assert found.total_seconds == found.trial_seconds[SHORT.id] + module._START_UP_SECONDS


def test_two_estimates_of_a_command_agree_on_a_busy_machine(digits, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (99.0, 99.0, 99.0))
    times = iter((0.01, 0.02, 0.03))
    monkeypatch.setattr(step_probe, "_time_probe", lambda *_, **__: (next(times), 0.001))
    options = {"side_by_side": 1, "threads": 1, "use_gpu": False, "memory": {}}
    first, second = (estimate([SHORT], {"digits": digits}, **options) for _ in range(2))
    assert first == second
    assert seconds(digits, SHORT).total_seconds > first.total_seconds


def test_trials_side_by_side_share_the_time(digits, fixed_speed):
    configs = [SHORT.replace(seed=seed) for seed in range(4)]
    one, two = (seconds(digits, *configs, side_by_side=n) for n in (1, 2))
    assert two.training_seconds == pytest.approx(one.training_seconds / 2)
    searched = estimate_unknown(one, trials=8, side_by_side=2)
    assert searched.training_seconds == pytest.approx(one.training_seconds)


def test_the_start_of_ray_counts_only_if_trials_are_left(digits, fixed_speed):
    some, none = seconds(digits, SHORT), seconds(digits)
    assert some.total_seconds - some.training_seconds == pytest.approx(module._START_UP_SECONDS)
    assert none.total_seconds == 0.0


def test_steps_are_timed_beside_busy_neighbors(digits, monkeypatch):
    seen = []

    def probe(*_, **__):
        seen.append(len(descendants(os.getpid())) - before)
        return 0.01, 0.001

    monkeypatch.setattr(step_probe, "_time_probe", probe)
    before = len(descendants(os.getpid()))
    seconds(digits, SHORT, side_by_side=3)
    assert seen == [2]
    assert len(descendants(os.getpid())) == before


def test_neighbors_end_with_a_killed_command():
    script = (
        "import os, signal\n"
        "from study.cluster import step_probe\n"
        "with step_probe.busy_neighbors(1):\n"
        "    print('busy', flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", script]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as killed:
        assert killed.stdout.readline() == "busy\n"
        (neighbor,) = descendants(killed.pid)
        killed.kill()
    wait_for(lambda: not os.path.exists(f"/proc/{neighbor}/exe"), "its end", seconds=30)


def test_a_probe_measures_a_real_step_and_leaves_the_threads_alone(digits):
    threads = torch.get_num_threads()
    assert 0 < seconds(digits, SHORT).trial_seconds[SHORT.id] < 600
    assert torch.get_num_threads() == threads


def test_more_workers_take_longer_to_start():
    for launcher in ("ray", "torchrun", "plain"):
        assert start_up_seconds(launcher, 2) > start_up_seconds(launcher, 1) > 0


@pytest.fixture
def probes(monkeypatch):
    """The configs that were timed."""
    timed = []

    def probe(config, *_, **__):
        timed.append(config)
        return 0.01, 0.001

    monkeypatch.setattr(step_probe, "_time_probe", probe)
    return timed


def test_times_are_remembered(digits, probes):
    first = seconds(digits, SHORT)
    again = seconds(digits, SHORT, SHORT.replace(seed=1, lr=0.5))
    assert len(probes) == 1
    assert again.trial_seconds[SHORT.id] == first.trial_seconds[SHORT.id]
    for other in (SHORT.replace(batch_size=32), SHORT.replace(model="softmax")):
        seconds(digits, other)
        assert probes[-1] == other
    seconds(digits, SHORT, side_by_side=2)
    assert len(probes) == 4, "beside another trial, steps take longer"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-30],
        lambda text: "[]",
        lambda text: re.sub('"step": [0-9.]+', '"step": -1', text),
        lambda text: re.sub('"step": [0-9.]+', '"step": "x"', text),
        lambda text: re.sub('"at": [0-9.]+', '"at": 1', text),
    ],
)
def test_damaged_or_old_times_are_measured_again(damage, digits, probes, cache):
    seconds(digits, SHORT)
    changed = damage(cache.read_text())
    assert changed != cache.read_text()
    cache.write_text(changed)
    seconds(digits, SHORT)
    seconds(digits, SHORT)
    assert len(probes) == 2


def test_a_cache_that_cannot_be_written_is_no_error(digits, probes, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    seconds(digits, SHORT)
    seconds(digits, SHORT)
    assert len(probes) == 2


def test_times_of_a_busy_machine_are_not_remembered(digits, probes, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (1e3, 1e3, 1e3))
    seconds(digits, SHORT)
    seconds(digits, SHORT)
    assert len(probes) == 2


def test_times_of_own_code_are_not_remembered(digits, probes):
    own = SHORT.replace(model="tests.own_models:Linear")
    seconds(digits, own)
    seconds(digits, own)
    assert len(probes) == 2


def test_an_error_in_a_step_names_the_line_of_the_user(digits):
    own = SHORT.replace(model=f"{__name__}:RaisesInItsForward")
    with pytest.raises(ConfigError, match=r": KeyError: .weights of the user. \(") as error:
        seconds(digits, own)
    path, line = re.search(r"\((\S+), line (\d+)\)", str(error.value)).groups()
    assert Path(path).name == Path(__file__).name
    assert "raise KeyError" in Path(path).read_text().splitlines()[int(line) - 1]


def test_a_known_plan_needs_no_torch(tmp_path):
    """Once steps, fleets and files are known, a dry run takes a second or two."""
    options = ["--budget", "smoke", *(f"--set={s}" for s in ("dataset=digits", "model=softmax"))]
    script = (
        "import os, sys; os.getloadavg = lambda: (0.0, 0.0, 0.0)\n"
        "if sys.argv[1] == 'known': sys.modules['torch'] = None\n"
        "from study import grid\n"
        f"sys.exit(grid.main(['fan', '--dry-run', *{options}]))\n"
    )
    shown = []
    for known in ("unknown", "known"):
        done = subprocess.run(
            [sys.executable, "-c", script, known],
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # Without how long it took so far, and the new run's own name.
        plan = done.stdout[done.stdout.index("  data set") :].splitlines()
        shown.append([line for line in plan if "results" not in line and "so far" not in line])
    assert shown[0] == shown[1]
