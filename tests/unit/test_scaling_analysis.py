"""The analysis of scaling runs, on made-up timings with known answers."""

import dataclasses
import math
import re

import pandas as pd
import pytest

from study.analysis import speedup, statistics, step_model, step_seconds
from study.analysis.conclusions import conclusions
from study.figures import break_even, hardware, time_shares, worker_curves, workers
from study.tables import (
    launchers,
    start_up,
    step_time,
    strategies,
    worker_learning,
    worker_times,
)
from study.tables import speedup as speedup_table
from tests.unit.made_up_scaling import MODEL, RAY_COST, TWO_RATES, gradient_bytes, made_up_scaling


def test_rates_exclude_the_warm_up():
    trained = speedup.scaling_trials(made_up_scaling(repeats=1)).set_index("trial")
    run = trained.loc["ray_2cpu_ddp_width2_seed0"]
    expected = MODEL.step_seconds(2, 128, 2, gradient_bytes(2)) * RAY_COST
    assert run["step_seconds"] == pytest.approx(expected)
    assert run["samples_per_second"] == pytest.approx(128 / expected)
    assert run["epoch_seconds"] == pytest.approx(55_000 / 128 * expected)
    shares = run[["data_share", "compute_share", "communication_share"]]
    assert shares.sum() == pytest.approx(1)
    sent = MODEL.communication_seconds(2, gradient_bytes(2)) * RAY_COST
    assert shares["communication_share"] == pytest.approx(sent / expected)


def test_speed_up_and_efficiency_of_strong_and_weak_scaling():
    results = made_up_scaling(repeats=2)
    one, two = (MODEL.step_seconds(n, 128, 4, gradient_bytes(4)) for n in (1, 2))
    strong = speedup.speedups(results, weak=False)
    rows = strong[(strong["workers"] == 2) & (strong["width"] == 4)]
    assert len(rows) == 2
    assert rows["speedup"].tolist() == pytest.approx([one / two] * 2)
    assert rows["efficiency"].tolist() == pytest.approx([one / (2 * two)] * 2)
    weak = speedup.speedups(results, weak=True)
    rows = weak[(weak["workers"] == 2) & (weak["width"] == 4)]
    assert rows["batch_size"].tolist() == [256, 256]
    grown = MODEL.step_seconds(2, 256, 4, gradient_bytes(4))
    assert rows["efficiency"].tolist() == pytest.approx([one / grown] * 2)


def test_time_to_an_accuracy_is_infinite_if_it_is_never_reached():
    results = made_up_scaling(repeats=1)
    trials = results.trials.head(1)
    half, whole = results.records["train_seconds"].head(2)
    assert speedup.seconds_to_accuracy(results, trials, 0.99).tolist() == [math.inf]
    # Without timings, the seconds of the records count.
    untimed = dataclasses.replace(results, timings=pd.DataFrame())
    assert speedup.seconds_to_accuracy(untimed, trials, 0.7).tolist() == [half]
    assert speedup.seconds_to_accuracy(untimed, trials, 0.9).tolist() == [whole]


def test_the_time_to_an_accuracy_excludes_the_warm_up():
    results = made_up_scaling(repeats=1)
    trials = (
        speedup.scaling_trials(results)
        .set_index("trial", drop=False)
        .loc[["ray_2cpu_ddp_width2_seed0"]]
    )
    step = MODEL.step_seconds(2, 128, 2, gradient_bytes(2)) * RAY_COST
    assert speedup.seconds_to_accuracy(results, trials, 0.7).tolist() == pytest.approx([24 * step])
    assert speedup.seconds_to_accuracy(results, trials, 0.9).tolist() == pytest.approx([48 * step])
    # The record includes ten steps that take five times as long, and so does the published time.
    assert trials["train_seconds"].tolist() == pytest.approx([(48 + 40) * step])
    # A resumed run lacks timings of its first steps.
    resumed = results.timings[results.timings["step"] > 12]
    seconds = speedup.seconds_to_accuracy(
        dataclasses.replace(results, timings=resumed), trials, 0.9
    )
    assert seconds.tolist() == trials["train_seconds"].tolist()


def test_rates_include_a_slow_step_and_the_median_does_not():
    results = made_up_scaling(repeats=1)
    timings = results.timings.copy()
    late = (timings["trial"] == "ray_1cpu_serial_width1_seed0") & (timings["step"] == 30)
    usual = MODEL.step_seconds(1, 128, 1, gradient_bytes(1)) * RAY_COST
    timings.loc[late, "compute_seconds"] += 38 * usual  # there are 38 steps after the warm-up
    changed = dataclasses.replace(results, timings=timings)
    run = speedup.scaling_trials(changed).set_index("trial").loc["ray_1cpu_serial_width1_seed0"]
    assert run["step_seconds"] == pytest.approx(2 * usual)
    assert run["median_seconds"] == pytest.approx(usual)
    assert run["samples_per_second"] == pytest.approx(128 / (2 * usual))
    assert run["epoch_seconds"] == pytest.approx(55_000 / 128 * 2 * usual)
    made = speedup_table.make(changed, weak=False).set_index(["workers", "width"]).loc[("1", "1")]
    assert float(made["steps/s"]) == pytest.approx(1 / (2 * usual), rel=1e-3)
    assert float(made["median step, ms"]) == pytest.approx(1e3 * usual, rel=1e-3)


def test_a_resumed_run_warms_up_again():
    results = made_up_scaling((1,), (1,), repeats=1)
    timings = results.timings.copy()
    again = timings["step"] > 40
    seconds = [name for name in timings if name.endswith("_seconds")]
    timings.loc[again & (timings["step"] <= 42), seconds] *= 9  # a quarter of its eight steps
    slow = speedup.scaling_trials(dataclasses.replace(results, timings=timings))
    timings.loc[again, "begun_at"] = 40
    resumed = speedup.scaling_trials(dataclasses.replace(results, timings=timings))
    expected = speedup.scaling_trials(results)["step_seconds"]
    assert (slow["step_seconds"] > 1.3 * expected).all()
    assert resumed["step_seconds"].tolist() == pytest.approx(expected.tolist())


def test_a_typical_step_excludes_the_smaller_last_batch_of_an_epoch():
    steps = pd.DataFrame(
        {
            "rank": 0,
            "step": range(1, 9),
            "begun_at": 0,
            "data_seconds": 0.0,
            "compute_seconds": [1.0, 1.0, 0.5] * 2 + [1.0, 1.0],
            "communication_seconds": 1.0,
        }
    )
    # 250 samples in batches of 100: every third step has 50.
    assert step_seconds.typical_step(steps, 250, 100)["step_seconds"] == 2
    assert step_seconds.typical_step(steps, 300, 100)["step_seconds"] == pytest.approx(11 / 6)


def test_a_batch_larger_than_the_training_samples_is_cut_to_them():
    few = {"train_samples": ["100"]}
    results = made_up_scaling(repeats=2, widths=(1, 2), settings=few)
    trained = speedup.scaling_trials(results)
    assert set(trained["batch_size"]) == {128, 256}
    assert set(trained["batch"]) == {100}
    step = MODEL.step_seconds(2, 100, 1, gradient_bytes(1)) * RAY_COST
    run = trained.set_index("trial").loc["ray_2cpu_ddp_width1_seed0"]
    assert run["samples_per_second"] == pytest.approx(100 / step)
    assert run["epoch_seconds"] == pytest.approx(step)
    strong = speedup.speedups(results, weak=False)
    expected = MODEL.speedup(2, 100, 1, gradient_bytes(1))
    both = strong[(strong["workers"] == 2) & (strong["width"] == 1)]
    assert both["speedup"].tolist() == pytest.approx([expected] * 2)
    # The batch did not grow with the workers, so this is not weak scaling.
    assert speedup_table.make(results, weak=True).empty
    assert set(speedup_table.make(results, weak=False)["batch"]) == {"100"}
    (points, _) = speedup.measurements_by_repeat(results)
    assert sorted(p.workload for p in points) == [
        (1, 100, 1),
        (1, 100, 2),
        (2, 100, 1),
        (2, 100, 2),
    ]
    model = step_model.fit(points)
    assert model.step_seconds(2, 100, 1, gradient_bytes(1)) == pytest.approx(step)


def test_the_fit_excludes_oversubscribed_workers():
    repeats = speedup.measurements_by_repeat(
        made_up_scaling(workers=(1, 2, 4), oversubscribed=(4,))
    )
    assert len(repeats) == 2
    assert all({p.workers for p in points} == {1, 2} for points in repeats)


def test_the_fit_excludes_an_incomplete_repeat():
    results = made_up_scaling(repeats=3)
    trials = results.trials
    missing = trials["trial"] == "ray_2cpu_ddp_width2_seed2"
    cut = dataclasses.replace(results, trials=trials[~missing])
    assert len(speedup.measurements_by_repeat(cut)) == 2
    # If no repeat is complete, the means over all repeats stand for one.
    missing |= trials["trial"].isin(["ray_2cpu_ddp_width4_seed1", "ray_1cpu_serial_width1_seed0"])
    (means,) = speedup.measurements_by_repeat(dataclasses.replace(results, trials=trials[~missing]))
    assert len(means) == len(speedup.measurements_by_repeat(results)[0])
    (point,) = (p for p in means if p.workload == (1, 128, 1))
    whole = MODEL.step_seconds(1, 128, 1, gradient_bytes(1)) * RAY_COST
    assert point.step_seconds == pytest.approx(1.015 * whole)  # of repeats 1 and 2


def test_workers_are_faster_if_the_whole_interval_is_above_1():
    strong = speedup.speedups(made_up_scaling(repeats=3), weak=False)
    verdicts = speedup.judge_speedups(strong).set_index("width")["verdict"]
    assert verdicts.to_dict() == {1: "not faster", 2: "not faster", 4: "faster than one"}
    strong.loc[(strong["width"] == 4) & (strong["seed"] == 0), "speedup"] = 0.5
    assert speedup.judge_speedups(strong).set_index("width")["verdict"][4] == "undecided"


def test_points_share_the_confidence_of_their_verdicts():
    strong = speedup.speedups(made_up_scaling(repeats=3), weak=False)
    wide = (strong["workers"] == 2) & (strong["width"] == 4)
    # The mean of 1.2 is 4.9 standard errors above 1: t(0.975, 2) is 4.303, but for one of three
    # points it is t(1 - 0.025 / 3, 2) = 7.649.
    deviation = 0.2 / 4.9 * math.sqrt(3)
    strong.loc[wide, "speedup"] = [1.2 - deviation, 1.2, 1.2 + deviation]
    assert speedup.judge_speedups(strong).set_index("width")["verdict"][4] == "undecided"
    alone = strong[(strong["width"] == 4)]
    assert speedup.judge_speedups(alone)["verdict"].tolist() == ["faster than one"]


def test_other_settings_are_not_repeats():
    results = made_up_scaling(repeats=1, widths=(4,), settings=TWO_RATES)
    strong = speedup.speedups(results, weak=False)
    verdicts = speedup.judge_speedups(strong, speedup.other_varied_settings(results))
    assert verdicts["lr"].tolist() == [0.01, 0.1]
    assert set(verdicts["verdict"]) == {"undecided"}  # a single repeat of each
    sentences = conclusions(results)
    assert "width 4 at batch 128, learning rate 0.1 (" in sentences[0]
    assert sentences[-1].startswith(
        "No model of the step's time: it knows nothing of learning rate"
    )
    assert "--weak" not in sentences[-1]


def test_other_settings_have_separate_figures_and_rows():
    results = made_up_scaling(repeats=2, widths=(1, 2), settings=TWO_RATES, study="upc-gpus")
    for module in (hardware, time_shares, worker_curves):
        assert set(module.draw(results, "Title")) == {"-lr0.01", "-lr0.1"}
    assert break_even.draw(results, "Title") == {}
    made = worker_times.make(results, published={1: 19.254})
    assert made["learning rate"].tolist() == ["0.01"] * 3 + ["0.1"] * 3
    assert made["published s"].tolist() == ["-", "-", "19.254"] * 2


def test_one_repeat_decides_nothing():
    strong = speedup.speedups(made_up_scaling(repeats=1), weak=False)
    assert set(speedup.judge_speedups(strong)["verdict"]) == {"undecided"}


def test_the_speedup_table_marks_oversubscribed_workers():
    results = made_up_scaling(workers=(1, 2, 4), widths=(1,), oversubscribed=(4,))
    made = speedup_table.make(results, weak=False, target=0.9)
    assert made["workers"].tolist() == ["1", "2", "4 oversubscribed"]
    assert made["speed-up"].tolist()[0] == "1 ± 0"
    assert all("[" in cell for cell in made["samples/s"])
    assert speedup_table.make(results, weak=True)["batch"].tolist() == ["128", "256", "512"]
    late = speedup_table.make(results, weak=False, target=0.99)
    assert late["s to 99 %"].tolist() == ["not reached"] * 3


def test_no_weak_scaling_unless_requested():
    assert speedup_table.make(made_up_scaling(weak=False), weak=True).empty


def test_final_metrics_of_several_workers_are_paired_with_those_of_one():
    results = made_up_scaling((1, 2), (1,), repeats=3)
    trials = results.trials.copy()
    two = (trials["launcher"] == "ray") & (trials["workers"] == 2) & (trials["batch_size"] == 128)
    trials.loc[two, "validation_loss"] += trials.loc[two, "seed"].map({0: 0.03, 1: 0.0, 2: -0.06})
    trials["validation_loss"] += trials["seed"]  # equal for one worker and two
    made = worker_learning.make(dataclasses.replace(results, trials=trials))
    (row,) = made.to_dict("records")
    assert (row["workers"], row["batch"], row["training loss"]) == ("2", "128", "0 ± 0")
    spread = statistics.mean([0.03, 0.0, -0.06])
    assert row["validation loss"] == f"{spread.mean:.4g} ± {spread.high - spread.mean:.4g}"
    assert row["validation loss, at the most"] == "0.06"
    trials.loc[two & (trials["seed"] == 2), "status"] = "diverged"
    (row,) = worker_learning.make(dataclasses.replace(results, trials=trials)).to_dict("records")
    assert row["validation loss, at the most"] == "0.03"
    assert worker_learning.make(made_up_scaling((1,), (1,))).empty


def test_the_cost_of_ray():
    made = launchers.make(made_up_scaling())
    assert made["Ray against"].tolist() == ["torchrun", "torchrun", "plain"]
    assert [cell.split(" ± ")[0] for cell in made["steps/s, ratio"]] == ["0.8"] * 3
    assert made["processes and group, s more"].tolist() == ["22 ± 0", "22 ± 0", "26 ± 0"]
    assert made["data, s more"].tolist() == ["0 ± 0"] * 3


def test_strategies_are_compared_by_repeat():
    results = made_up_scaling(widths=(1,), weak=False, strategies=("ddp", "explicit"))
    made = strategies.make(results)
    assert made["ddp against"].tolist() == ["explicit"] * 2
    assert made["launcher"].tolist() == ["ray", "torchrun"]
    for row in made.to_dict("records"):
        # Whatever a repeat takes longer, explicit communication takes twice as long.
        one, two = (
            float(row[f"communication of {name}, ms"].split()[0]) for name in ("ddp", "the other")
        )
        assert two == pytest.approx(2 * one, rel=1e-3)
        assert float(row["steps/s, ratio"].split()[0]) > 1
    assert strategies.make(made_up_scaling()).empty


def test_dp_is_compared_with_the_workers_of_ray():
    results = made_up_scaling(
        widths=(1,), processors=("gpu",), weak=False, strategies=("ddp", "dp")
    )
    (row,) = strategies.make(results).to_dict("records")
    assert (row["ddp against"], row["launcher"], row["workers"]) == ("dp", "plain", "2")
    assert row["communication of the other, ms"] == "-"


def test_speedups_are_those_of_ddp_if_there_are_several_strategies():
    runs = (made_up_scaling(), made_up_scaling(strategies=("explicit", "ddp")))
    ddp, both = (
        speedup.speedups(run, weak=False).set_index("trial")["speedup"].to_dict() for run in runs
    )
    assert both == ddp


def test_runs_without_a_strategy_summed_gradients_explicitly():
    results = made_up_scaling(strategies=("explicit",))
    without = dataclasses.replace(results, trials=results.trials.drop(columns="strategy"))
    found = speedup.speedups(without, weak=False)
    assert found.equals(speedup.speedups(results, weak=False)[found.columns])
    assert workers.sharing(without.trials) == workers.sharing(results.trials) != ""


def test_start_up_counts_each_launch_once():
    made = start_up.make(made_up_scaling(repeats=3))
    assert set(made["launches"]) == {"3"}
    ray = made[(made["launcher"] == "ray") & (made["workers"] == "2")].iloc[0]
    assert ray["Ray and data, once (s)"] == "10"
    assert ray["sum per launch (s)"] == "32 ± 0"


def test_start_up_counts_ray_once_per_session():
    results = made_up_scaling(repeats=3)
    trials = results.trials.copy()
    trials.loc[(trials["seed"] == 2) & (trials["launcher"] == "ray"), "ray_seconds"] = 12.0
    made = start_up.make(dataclasses.replace(results, trials=trials))
    ray = made[(made["launcher"] == "ray") & (made["workers"] == "1")].iloc[0]
    assert ray["launches"] == "3"
    assert (
        ray["Ray and data, once (s)"] == "11 [3.465, 34.92]"
    )  # of 10 and 12: times exp(12.706 / 11)


def test_start_up_excludes_a_start_after_a_crash():
    results = made_up_scaling(repeats=3)
    trials = results.trials.copy()
    crashed = (trials["launch"] == "ray-2cpu-ddp-repeat1") & (trials["width"] == 1)
    trials.loc[crashed, "launch_seconds"] = math.nan
    made = start_up.make(dataclasses.replace(results, trials=trials))
    ray = made[(made["launcher"] == "ray") & (made["workers"] == "2")].iloc[0]
    assert (ray["launches"], ray["processes (s)"]) == (
        "3",
        "30.5 ± 0",
    )  # other points of the launch have it
    trials.loc[trials["launch"] == "ray-2cpu-ddp-repeat1", "launch_seconds"] = math.nan
    changed = dataclasses.replace(results, trials=trials)
    ray = start_up.make(changed).query("launcher == 'ray' and workers == '2'").iloc[0]
    assert (ray["launches"], ray["processes (s)"]) == ("2", "30.5 ± 0")
    assert set(launchers.make(changed)["processes and group, s more"]) == {"22 ± 0", "26 ± 0"}
    trials.loc[trials["launch"].str.startswith("ray-2cpu"), "launch_seconds"] = math.nan
    changed = dataclasses.replace(results, trials=trials)
    assert launchers.make(changed)["processes and group, s more"].tolist() == [
        "22 ± 0",
        "-",
        "26 ± 0",
    ]


def test_predictions_are_for_numbers_of_workers_that_were_not_run():
    made = step_time.make(made_up_scaling(), predicted=(2, 8))
    assert set(made["kind"]) == {"fitted on", "held out", "prediction"}
    predicted = made[made["kind"] == "prediction"]
    assert predicted["workers"].tolist() == ["8", "8", "8"]  # two workers were run
    assert set(predicted["measured ms"]) == {"not run"}
    size = gradient_bytes(4)
    expected = (
        MODEL.step_seconds(8, 128, 4, size) * RAY_COST * 1.005 * 1e3
    )  # the mean of both repeats
    wide = predicted[predicted["width"] == "4"].iloc[0]
    mean, low, high = map(float, re.findall(r"[\d.]+", wide["model ms"]))
    assert mean == pytest.approx(expected, rel=0.01)
    # Repeats 1 % apart: t(0.975, 1) = 12.706 times 0.5 %.
    factor = math.exp(12.706 * 0.005 / 1.005)
    assert (low, high) == pytest.approx((expected / factor, expected * factor), rel=0.01)
    assert set(made.loc[made["kind"] != "prediction", "error %"]) <= {"+0.0 ± 0.0", "-0.0 ± 0.0"}
    narrow = made[(made["width"] == "1") & (made["workers"] == "1")].iloc[0]
    assert "[" in narrow["measured ms"]
    assert narrow["median ms"] == narrow["measured ms"]
    single = step_time.make(made_up_scaling(repeats=1))
    assert not single.map(lambda cell: "±" in cell or "[" in cell).any(axis=None)


def test_no_prediction_that_the_measurements_do_not_determine():
    sizes = {"batch_size": ["64", "128", "256"]}
    results = made_up_scaling(widths=(1,), weak=False, settings=sizes)
    made = step_time.make(results, predicted=(4, 8))
    assert set(made["kind"]) == {"fitted on", "held out"}
    sentences = conclusions(results)
    assert any(
        "2 workers are faster than one from these batches on" in sentence for sentence in sentences
    )
    assert any(
        sentence.startswith("No break-even batch of 4 workers: the points fitted on, of so few")
        for sentence in sentences
    )


def test_published_times_beside_measured_ones():
    results = made_up_scaling(study="upc-gpus", widths=(1,))
    made = worker_times.make(results, published={1: 19.254, 4: 18.234})
    assert made["processor"].tolist() == ["cpu", "cpu", "gpu", "gpu"]
    assert made["published s"].tolist() == ["-", "-", "19.254", "18.234"]
    assert made["measured s"].tolist()[2:] == ["not run", "not run"]
    assert "[" in made["measured s"].iloc[0]
