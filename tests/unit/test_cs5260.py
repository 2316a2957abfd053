"""CS5260's study: its ramps against torch's schedulers, and the minima of a ramp read at points."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

import search_spaces
from lenet import registry
from lenet.run_length import RunLength
from lenet.schedules import learning_rate
from search_spaces.study import Claim
from study.analysis.ramp_minimum import (
    Minimum,
    at_points,
    lowest,
    suggest_at_points,
    valley_decades,
)
from study.analysis.results import Results
from study.claims import judge
from study.claims.evidence import Evidence
from study.claims.verdict import NOT_REPRODUCED, NOT_TESTED, REPRODUCED, UNDECIDED
from study.runs.metadata import DatasetInfo, RunMetadata
from study.tables import range_minima

STUDY = search_spaces.find("cs5260")
STEPS = 469


def configs(**where):
    plan = [planned.config for planned in STUDY.plan("paper", 1)]
    return [c for c in plan if all(getattr(c, name) == value for name, value in where.items())]


def rates(scheduler, optimizer):
    found = []
    for _ in range(10 * STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("name", ["ramp-exponential", "ramp-multistep-epoch"])
def test_the_ramps_are_those_of_the_reports_code(name):
    """The code's base learning rate is 0.1, and half an epoch is 234.5 steps."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedulers = torch.optim.lr_scheduler
    milestones: list = [half * STEPS / 2 for half in range(20)]
    scheduler = {
        "ramp-exponential": lambda: schedulers.LambdaLR(
            optimizer, lambda step: 10 ** (6 * step / (10 * STEPS) - 5)
        ),
        "ramp-multistep-epoch": lambda: schedulers.MultiStepLR(optimizer, milestones, gamma=1.5),
    }[name]()
    config = configs(schedule=name, optimizer="momentum", model="lenet5-tanh")[0]
    ours = learning_rate(config, STEPS, 10 * STEPS)
    # Lambda ends at its last step, the code's one step later.
    assert [ours(step) for step in range(10 * STEPS)] == pytest.approx(
        rates(scheduler, optimizer), rel=3e-3
    )


def test_nothing_is_held_out_so_the_steps_are_the_published_ones():
    plan = configs()
    assert {config.validation_fraction for config in plan} == {0}
    samples = registry.TRAINING_SAMPLES["mnist"]
    steps = {(c.schedule == "constant", RunLength(c, samples).total_steps) for c in plan}
    assert steps == {(False, 4_690), (True, 14_070)}
    assert STUDY.objective == "test_loss"


def ramp_of_lambda(losses=None, trial="0", seed=0, epochs=10, **settings):
    """Return (trial, records) of Lambda's ramp on MNIST, seven records an epoch.

    The loss is lowest at step 4,221 unless `losses` says otherwise.
    """
    steps = np.arange(67, 10 * STEPS + 1, 67)[: 7 * epochs]
    lrs = 1e-6 * 10 ** (6 * steps / (10 * STEPS))
    if losses is None:
        losses = 2.3 - 2.2 * np.exp(-(((steps - 9 * STEPS) / 700) ** 2))
    row = {"trial": trial, "status": "finished", "optimizer": "momentum", "seed": seed}
    row |= {"schedule": "ramp-exponential", "lr": 1e-6, "steps": None, "epochs": 10}
    row |= {"step": int(steps[-1]), "epoch": steps[-1] / STEPS, "samples": epochs * 60_000}
    row |= {"dataset": "mnist", "batch_size": 128, "record_every": 67} | settings
    records = {"trial": trial, "step": steps, "epoch": steps / STEPS, "lr": lrs, "diverged": False}
    return row, pd.DataFrame({**records, "test_loss": losses[: len(steps)]})


def results(*ramps):
    rows, records = zip(*ramps, strict=True)
    run = RunMetadata(
        study="cs5260", budget="paper", dataset=DatasetInfo("mnist"), device="made up"
    )
    return Results(run, pd.DataFrame(rows), pd.concat(records, ignore_index=True))


def test_ten_points_of_a_ramp_are_the_ends_of_its_epochs():
    of = results(ramp_of_lambda(), ramp_of_lambda(trial="1", seed=1, status="diverged", epochs=4))
    few = at_points(of, of.trials, "test_loss", 10)
    steps = {trial: list(rows["step"]) for trial, rows in few.records.groupby("trial")}
    assert steps == {
        "0": [STEPS * epoch for epoch in range(1, 11)],
        "1": [STEPS * epoch for epoch in range(1, 5)],
    }


def test_the_lowest_loss_is_where_the_report_printed_it():
    of = results(ramp_of_lambda())
    (trial,) = of.trials.to_dict("records")
    found = lowest(of, trial, "test_loss")
    assert found == Minimum(4_221, pytest.approx(0.251, rel=1e-2), pytest.approx(0.1))
    nothing = results(ramp_of_lambda(np.full(70, math.nan)))
    assert lowest(nothing, trial, "test_loss") is None


def valley(width, trial="0", **settings):
    """A ramp whose loss is 2 but for its lowest records, `width` of them, at 0.1 and once 0.05."""
    losses = np.full(70, 2.0)
    losses[40 : 40 + width] = 0.1
    losses[41] = 0.05
    return ramp_of_lambda(losses, trial, **settings)


def test_the_width_of_a_valley_is_in_powers_of_ten():
    of = results(valley(8))
    (trial,) = of.trials.to_dict("records")
    # Seven steps of 67, and six powers of ten over 4,690.
    assert valley_decades(of, trial, "test_loss", 0.05) == pytest.approx(7 * 67 * 6 / 4690)
    assert valley_decades(of, trial, "test_loss", 0.01) == 0
    risen = results(ramp_of_lambda(np.linspace(1, 3, 70)))
    assert math.isnan(valley_decades(risen, trial, "test_loss", 0.05))


def verdict(of, kind, **options):
    claim = Claim(
        name="odd", source="?", statement="?", published="none", kind=kind, options=options
    )
    return judge.judge(claim, Evidence(of)).verdict


def test_the_wider_of_two_minima():
    ramps = [
        valley(width + seed, f"{optimizer}{seed}", seed=seed, optimizer=optimizer)
        for optimizer, width in (("adamw", 20), ("momentum", 5))
        for seed in range(3)
    ]
    of = results(*ramps)
    options = {"share": 0.05, "wider": {"optimizer": "adamw"}, "than": {"optimizer": "momentum"}}
    assert verdict(of, "wider_minimum", **options) == REPRODUCED
    swapped = options | {"wider": options["than"], "than": options["wider"]}
    assert verdict(of, "wider_minimum", **swapped) == NOT_REPRODUCED
    alike = results(
        *(
            valley(width, f"{optimizer}{seed}", seed=seed, optimizer=optimizer)
            for optimizer, widths in (("adamw", (5, 9, 7)), ("momentum", (9, 5, 7)))
            for seed, width in enumerate(widths)
        )
    )
    assert verdict(alike, "wider_minimum", **options) == UNDECIDED
    assert verdict(results(valley(5)), "wider_minimum", **options) == NOT_TESTED


def test_a_claim_reads_a_ramp_at_points():
    """Between two ends of epochs lies a lower loss that ten points do not meet."""
    steps = np.arange(67, 4_691, 67)
    losses = np.where(steps == 7 * STEPS, 0.2, 2.0)
    losses[steps == 8 * STEPS + 67] = 0.1
    of = results(*(ramp_of_lambda(losses, str(seed), seed=seed) for seed in range(2)))
    options = {"where": {"optimizer": "momentum"}, "lr": 0.00158, "factor": 1.1}
    assert verdict(of, "range_test", **options, points=10) == REPRODUCED
    assert verdict(of, "range_test", **options) == NOT_REPRODUCED


def test_whether_a_ramp_has_a_minimum_at_all():
    options = {"where": {"optimizer": "momentum"}, "lr": 0.1, "factor": math.inf, "points": 10}
    falls = [ramp_of_lambda(trial=str(seed), seed=seed) for seed in range(3)]
    assert verdict(results(*falls), "range_test", **options) == REPRODUCED
    rises = [ramp_of_lambda(np.linspace(1, 3, 70), str(seed), seed=seed) for seed in range(3)]
    assert verdict(results(*rises), "range_test", **options) == NOT_REPRODUCED


def test_smoothing_as_tensorboards_delays_a_minimum():
    """The losses of one seed of Lambda, with SGD: TensorBoard's loop gives the printed step."""
    measured = [2.31, 2.3097, 2.3083, 2.3031, 2.2807, 0.6535, 0.237, 0.102, 0.1188, 1.1302]
    losses = np.full(70, 9.0)
    losses[6::7] = measured
    of = results(ramp_of_lambda(losses))
    (trial,) = of.trials.to_dict("records")
    few = at_points(of, of.trials, "test_loss", 10, 0.6)
    last, expected = 0.0, []
    for number, loss in enumerate(measured, 1):
        last = 0.6 * last + 0.4 * loss
        expected.append(last / (1 - 0.6**number))
    assert few.records["test_loss"].tolist() == pytest.approx(expected)
    assert lowest(few, trial, "test_loss").step == 4_221
    assert lowest(at_points(of, of.trials, "test_loss", 10), trial, "test_loss").step == 3_752
    options = {"where": {"optimizer": "momentum"}, "lr": 0.025, "points": 10}
    seeds = results(*(ramp_of_lambda(losses, str(seed), seed=seed) for seed in range(2)))
    assert verdict(seeds, "range_test", **options, smoothing=0.6) == REPRODUCED
    assert verdict(seeds, "range_test", **options) == NOT_REPRODUCED


def test_a_minimum_at_an_end_of_the_points_is_none():
    """However much the loss varies: ten points show no noise."""
    losses = np.full(70, 5e3)
    losses[:14] = 0.3
    options = {"where": {"optimizer": "momentum"}, "points": 10, "lr": None}
    for first, second, expected in ((0.1, 0.2, REPRODUCED), (0.2, 0.1, NOT_REPRODUCED)):
        losses[6], losses[13] = first, second  # the ends of the first two epochs
        of = results(*(ramp_of_lambda(losses.copy(), str(s), seed=s) for s in range(3)))
        assert verdict(of, "range_test", **options) == expected
    falling = [ramp_of_lambda(np.linspace(3, 1, 70), str(s), seed=s) for s in range(3)]
    assert verdict(results(*falling), "range_test", **options) == REPRODUCED
    ended = [ramp_of_lambda(np.linspace(3, 1, 70), str(s), s, 6, status="diverged") for s in (0, 1)]
    few = suggest_at_points(results(*ended), results(*ended).trials, "test_loss", 10)
    assert few.lr == pytest.approx(1e-6 * 10**3.6 / 10)


def test_the_table_of_minima():
    of = results(*(ramp_of_lambda(trial=str(seed), seed=seed) for seed in range(2)))
    published = {("momentum", "ramp-exponential", 1e-6): ("4.22K, 0.248", "0.025")}
    table = range_minima.make(
        of, quantity="test_loss", points=10, smoothing=0.6, published=published
    )
    few, smoothed, every = table.to_dict("records")
    readings = [row["read at"] for row in (few, smoothed, every)]
    assert readings == ["10 points", "10 points, smoothed 0.6", "all records"]
    assert few["ramp"] == "lambda"
    assert few["at step"] == "4,221 ± 0"
    assert few["at LR"] == "0.251 [0.25, 0.25]"
    assert (few["suggested LR"], few["published LR"]) == ("0.0251", "0.025")
    assert few["published minimum"] == "4.22K, 0.248"
    lost = results(ramp_of_lambda(np.full(70, math.nan), status="diverged"))
    row = range_minima.make(
        lost, quantity="test_loss", points=10, smoothing=0.6, published={}
    ).iloc[0]
    assert (row["lowest loss"], row["published LR"]) == ("diverged", "-")
    constant = results(ramp_of_lambda(schedule="constant"))
    assert range_minima.make(
        constant, quantity="test_loss", points=10, smoothing=0.6, published={}
    ).empty
