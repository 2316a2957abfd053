"""Thinned records: which stay, what merged ones hold, and claims that get the same verdicts."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import search_spaces
from lenet.config import ConfigError
from study.analysis.quantity import Quantity
from study.analysis.results import Results, select
from study.analysis.thinning import thin
from study.claims.judge import judge_all
from study.runs.metadata import DatasetInfo, RunMetadata
from study.tables.cells import measure
from tests.unit.made_up_run import made_up_run, write

FLUX = search_spaces.find("flux").with_grids(["stochastic"])
EVERY = 1_000


def _samples(step):
    """Return the samples after each step: every other thousand steps has batches of half a size."""
    return 64 * step + 64 * np.minimum(step % 2_000, 1_000) + 64 * 1_000 * (step // 2_000)


def at_most(rows):
    return lambda table: len(table) <= rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Results:
    """Schätzle's stochastic gradient descent, all 2,000,000 steps of it, with made-up losses."""
    trials, curves = [], []
    # Two seeds that judge every claim: the first five had been seen when some rules were set.
    for planned in (p for p in FLUX.plan("paper", 7) if p.config.seed >= 5):
        config = planned.config
        evaluated = [*config.evaluate_at, config.steps]
        step = np.union1d(np.arange(EVERY, config.steps + 1, EVERY), evaluated)
        random = np.random.default_rng(len(trials))
        mean = 0.3 + 0.1 * random.random(len(step)) * (10 * config.lr)
        held_out = np.isin(step, evaluated)
        curve = pd.DataFrame(
            {
                "trial": planned.name,
                "step": step,
                "epoch": step / 60_000,
                "samples": _samples(step),
                "lr": config.lr,
                "train_loss": mean,
                "train_accuracy": random.random(len(step)),
                "lowest_train_loss": mean * random.random(len(step)),
                "highest_train_loss": mean * (1 + 10 * random.random(len(step))),
                "validation_loss": math.nan,
                "validation_accuracy": math.nan,
                "test_loss": np.where(held_out, mean, math.nan),
                "test_accuracy": np.where(held_out, 1 - mean, math.nan),
                "train_seconds": step / 10_000,
                "samples_per_second": 1_000 * (1 + random.random(len(step))),
                "steps_per_second": 1_000 * (1 + random.random(len(step))),
                "diverged": False,
            }
        )
        curves.append(curve)
        measured = curve.iloc[-1].drop(["lr", "diverged"]).to_dict()
        trials.append({**measured, **config.to_dict(), "status": "finished", "error": ""})
    info = DatasetInfo("mnist")
    run = RunMetadata(study="flux", budget="paper", seeds=7, dataset=info, device="cpu")
    results = Results(run=run, trials=pd.DataFrame(trials), records=pd.concat(curves))
    return Results.load(write(results, tmp_path_factory.mktemp("flux")))


@pytest.fixture(scope="module")
def thinned(whole) -> Results:
    records, unthinned = thin(whole, FLUX, at_most(3_600))
    return replace(whole, trials=whole.trials.join(unthinned), records=records)


def test_every_claim_gets_the_verdict_of_the_whole_records(whole, thinned):
    assert len(thinned.records) < len(whole.records) / 10
    before, after = (
        {claim.name: verdict for claim, verdict in judge_all(FLUX, results)}
        for results in (whole, thinned)
    )
    tested = {name for name, verdict in before.items() if verdict.seeds == 2}
    assert "adam-oscillates-more-4ls-stochastic" in tested
    assert "adam-at-half-a-million-2lr-stochastic" in tested
    assert after == before


@pytest.mark.parametrize("model", ["4ls", "2lr"])
def test_a_merged_record_is_what_one_every_so_many_steps_would_be(model, whole, thinned):
    (name,) = select(whole.trials, {"model": model, "lr": 0.1, "seed": 5})["trial"]
    before, after = (r.records[r.records["trial"] == name] for r in (whole, thinned))
    covered = before[["step", "samples"]].diff().fillna(before[["step", "samples"]])
    for begin, row in zip(after["step"].shift(fill_value=0), after.to_dict("records"), strict=True):
        merged = before[(before["step"] > begin) & (before["step"] <= row["step"])]
        steps, samples = covered.loc[merged.index].to_numpy().T
        for column in ("train_loss", "train_accuracy"):
            assert row[column] == pytest.approx(np.average(merged[column], weights=samples))
        for column, amounts in (("steps_per_second", steps), ("samples_per_second", samples)):
            seconds = amounts / merged[column]
            assert row[column] == pytest.approx(amounts.sum() / seconds.sum())
        assert row["lowest_train_loss"] == merged["lowest_train_loss"].min()
        assert row["highest_train_loss"] == merged["highest_train_loss"].max()
        for column in ("train_seconds", "epoch", "samples", "lr"):
            assert row[column] == merged[column].iloc[-1]
    assert after["step"].iloc[-1] == 2_000_000
    assert 40_000 in set(after["step"])


def test_seeds_stay_at_the_same_steps_and_averaged_curves_whole(thinned):
    settings = ["model", "optimizer", "lr"]
    for point, trials in thinned.trials.groupby(settings):
        steps = [set(thinned.records_of([name])["step"]) for name in trials["trial"]]
        assert steps[0] == steps[1]
        is_averaged = point in {("2lr", "adam", 0.001), ("2lr", "adam", 0.01)}
        assert (set(range(EVERY, 128_001, EVERY)) <= steps[0]) is is_averaged


@pytest.mark.parametrize("quantity", ["oscillation_train_loss", "rises_train_loss"])
def test_quantities_over_all_records_are_those_of_before(quantity, whole, thinned):
    point = (whole.trials["model"] == "3ls") & (whole.trials["lr"] == 0.1)
    before, after = (
        measure(results, results.trials[point], quantity) for results in (whole, thinned)
    )
    assert after == before
    (name, _) = whole.trials.loc[point, "trial"]
    of_rows = Quantity.parse(quantity).measure(thinned.records_of([name]))
    assert of_rows != pytest.approx(before.mean, rel=0.1), "the test could not fail"


def test_too_many_to_keep_and_records_without_a_rule_are_refused(whole):
    with pytest.raises(ConfigError, match="claims and figures need each of them"):
        thin(whole, FLUX, at_most(100))
    strange = whole.records.assign(observed_W=1.0)
    with pytest.raises(ConfigError, match="no rule merges those of observed_W"):
        thin(replace(whole, records=strange), FLUX, at_most(100))
    ramps = whole.trials.assign(schedule="ramp-exponential")
    with pytest.raises(ConfigError, match="a range test needs each of them"):
        thin(replace(whole, trials=ramps), FLUX, at_most(100))


SOFTMAX = search_spaces.find("upc-optimizers").with_grids(["softmax"])
CLAIMS = {"quantity": "test_loss_at_best", "at": {"step": 50}}


@pytest.fixture(scope="module")
def evaluated() -> Results:
    """Two seeds of two points with a record every 25 of 500 steps, all but the first evaluated."""
    results = made_up_run(2, {"optimizer": ["sgd"], "batch_size": ["100"], "lr": ["0.5", "0.1"]})
    curves = []
    random = np.random.default_rng(0)
    for trial in results.trials["trial"]:
        step = np.arange(25, 501, 25)
        names = ("train_loss", "validation_accuracy", "test_loss", "train_seconds")
        curve = pd.DataFrame({name: random.random(20) for name in names})
        curve.loc[0, ["validation_accuracy", "test_loss"]] = math.nan
        curves.append(curve.assign(trial=trial, step=step, samples=100 * step, diverged=False))
    return replace(results, records=pd.concat(curves).assign(epoch=lambda r: r["step"] / 550))


@pytest.mark.parametrize(
    ("rows", "steps"),
    [
        # Pairs of evaluations; the claim's step 50 is the first evaluation, and stays alone.
        (50, [25, 50, 75, 125, 175, 225, 275, 325, 375, 425, 475, 500]),
        # Fives.
        (30, [25, 50, 150, 275, 400, 475, 500]),
    ],
)
def test_evaluations_are_merged_if_nothing_else_is_enough(
    evaluated: Results, rows: int, steps: list[int]
) -> None:
    claim = replace(SOFTMAX.claims[0], options=CLAIMS)
    thinned, unthinned = thin(evaluated, replace(SOFTMAX, claims=(claim,)), at_most(rows))
    for trial, curve in thinned.groupby("trial"):
        before = evaluated.records[evaluated.records["trial"] == trial]
        assert list(curve["step"]) == steps
        stays = before[before["step"].isin(steps)]
        for name in ("validation_accuracy", "test_loss", "train_seconds"):
            np.testing.assert_array_equal(curve[name], stays[name])
        merged = before[before["step"].between(steps[-4] + 1, steps[-3])]["train_loss"]
        assert len(merged) > 1
        assert curve["train_loss"].iloc[-3] == pytest.approx(merged.mean())
    at_best = [
        Quantity.parse("test_loss_at_best").measure(evaluated.records_of([trial]))
        for trial in evaluated.trials["trial"]
    ]
    assert unthinned["unthinned_test_loss_at_best"].tolist() == at_best
    assert unthinned["unthinned_evaluations"].tolist() == [19] * 4
    assert len(unthinned.columns) == 3


def test_the_last_evaluation_stays_if_a_trial_diverges_after_it(evaluated: Results) -> None:
    records = evaluated.records.copy()
    late = records["step"] > 450
    records.loc[late, ["validation_accuracy", "test_loss"]] = math.nan
    thinned, _ = thin(replace(evaluated, records=records), SOFTMAX, at_most(20))
    assert set(thinned.groupby("trial")["step"].apply(lambda s: {450, 500} <= set(s))) == {True}


def test_what_a_run_did_not_measure_stays_unmeasured(whole):
    records = whole.records.assign(train_accuracy=math.nan).drop(columns="lowest_train_loss")
    thinned, _ = thin(replace(whole, records=records), FLUX, at_most(3_600))
    assert thinned["train_accuracy"].isna().all()
    assert "lowest_train_loss" not in thinned
    assert np.isfinite(thinned["train_loss"]).all()


def test_a_trial_that_diverged_or_has_no_record_yet(whole):
    trials = select(whole.trials, {"model": "4ls", "lr": 0.1})["trial"]
    short, missing = trials
    records = whole.records[whole.records["trial"] != missing]
    is_late = (records["trial"] == short) & (records["step"] > 700_000)
    records = records[~is_late].reset_index(drop=True)
    last = records.index[records["trial"] == short][-1]
    records.loc[last, ["train_loss", "diverged"]] = math.inf, True
    thinned, unthinned = thin(replace(whole, records=records), FLUX, at_most(3_600))
    curve = thinned[thinned["trial"] == short]
    assert curve["step"].iloc[-1] == 700_000
    assert list(np.isinf(curve["train_loss"])) == [False] * (len(curve) - 1) + [True]
    counts = unthinned["unthinned_records"].set_axis(whole.trials["trial"])
    assert counts[missing] == 0
    assert 700 <= counts[short] < 800


def test_records_that_were_thinned_before_keep_what_was_measured_then(whole, thinned):
    again, unthinned = thin(thinned, FLUX, at_most(2_800))
    assert len(again) < len(thinned.records)
    pd.testing.assert_frame_equal(
        unthinned, thinned.trials[list(unthinned)].astype(float), check_exact=True
    )


@pytest.mark.parametrize(
    "name",
    ["test_loss", "test_loss_at_best", "best_test_loss", "mean_test_loss", "rises_observed_W"],
)
def test_a_quantity_is_named_as_it_was_read(name):
    assert Quantity.parse(name).name == name


def test_a_kept_value_needs_a_record_of_the_moment(whole):
    curve = whole.records_of(whole.trials["trial"][:1])
    quantity = Quantity.parse("mean_train_loss")
    assert quantity.measure(curve, {"step": 40_000}, 5.5) == 5.5
    assert math.isnan(quantity.measure(curve, {"step": 40_001}, 5.5))
