"""What several workers are worth, on made-up timings with known answers."""

import dataclasses
import math

import pandas as pd
import pytest
from matplotlib.container import ErrorbarContainer
from rich.console import Console

import search_spaces
from study.analysis import scaling, step_model, step_seconds
from study.claims.judge import judge_all
from study.figures import break_even, hardware, time_shares, worker_curves
from study.figures.draw import draw_all
from study.report.summary import summarize
from study.tables import launchers, start_up, step_time, worker_times
from study.tables import scaling as scaling_table
from tests.unit.made_up_run import made_up_run, write
from tests.unit.made_up_scaling import MODEL, RAY_COST, gradient_bytes, made_up_scaling


def test_rates_are_of_the_steps_behind_the_warm_up():
    trained = scaling.runs(made_up_scaling(repeats=1)).set_index("trial")
    run = trained.loc["ray_2cpu_width2_seed0"]
    expected = MODEL.step(2, 128, 2, gradient_bytes(2)) * RAY_COST
    assert run["step_seconds"] == pytest.approx(expected)
    assert run["samples_per_second"] == pytest.approx(128 / expected)
    assert run["epoch_seconds"] == pytest.approx(55_000 / 128 * expected)
    shares = run[["data_share", "compute_share", "communication_share"]]
    assert shares.sum() == pytest.approx(1)
    sent = MODEL.communication(2, gradient_bytes(2)) * RAY_COST
    assert shares["communication_share"] == pytest.approx(sent / expected)


def test_speed_up_and_efficiency_of_strong_and_weak_scaling():
    results = made_up_scaling(repeats=2)
    one, two = (MODEL.step(n, 128, 4, gradient_bytes(4)) for n in (1, 2))
    strong = scaling.compared(results, weak=False)
    rows = strong[(strong["workers"] == 2) & (strong["width"] == 4)]
    assert len(rows) == 2
    assert rows["speed_up"].tolist() == pytest.approx([one / two] * 2)
    assert rows["efficiency"].tolist() == pytest.approx([one / (2 * two)] * 2)
    weak = scaling.compared(results, weak=True)
    rows = weak[(weak["workers"] == 2) & (weak["width"] == 4)]
    assert rows["batch_size"].tolist() == [256, 256]
    grown = MODEL.step(2, 256, 4, gradient_bytes(4))
    assert rows["efficiency"].tolist() == pytest.approx([one / grown] * 2)


def test_time_to_an_accuracy_is_infinite_where_it_is_not_reached():
    results = made_up_scaling(repeats=1)
    trials = results.trials.head(1)
    half, whole = results.records["train_seconds"].head(2)
    assert scaling.seconds_to(results, trials, 0.99).tolist() == [math.inf]
    # Without timings the records' seconds are all there is.
    untimed = dataclasses.replace(results, timings=pd.DataFrame())
    assert scaling.seconds_to(untimed, trials, 0.7).tolist() == [half]
    assert scaling.seconds_to(untimed, trials, 0.9).tolist() == [whole]


def test_the_warm_up_is_no_part_of_the_time_to_an_accuracy():
    results = made_up_scaling(repeats=1)
    trials = scaling.runs(results).set_index("trial", drop=False).loc[["ray_2cpu_width2_seed0"]]
    step = MODEL.step(2, 128, 2, gradient_bytes(2)) * RAY_COST
    assert scaling.seconds_to(results, trials, 0.7).tolist() == pytest.approx([24 * step])
    assert scaling.seconds_to(results, trials, 0.9).tolist() == pytest.approx([48 * step])
    # The record has ten steps of five times as long in it, and so has the published time.
    assert trials["train_seconds"].tolist() == pytest.approx([(48 + 40) * step])
    # A resumed run has no timings of its first steps.
    resumed = results.timings[results.timings["step"] > 12]
    seconds = scaling.seconds_to(dataclasses.replace(results, timings=resumed), trials, 0.9)
    assert seconds.tolist() == trials["train_seconds"].tolist()


def test_rates_count_a_straggler_which_the_median_does_not():
    results = made_up_scaling(repeats=1)
    timings = results.timings.copy()
    late = (timings["trial"] == "ray_1cpu_width1_seed0") & (timings["step"] == 30)
    usual = MODEL.step(1, 128, 1, gradient_bytes(1)) * RAY_COST
    timings.loc[late, "compute_seconds"] += 38 * usual  # of the 38 steps behind the warm-up
    changed = dataclasses.replace(results, timings=timings)
    run = scaling.runs(changed).set_index("trial").loc["ray_1cpu_width1_seed0"]
    assert run["step_seconds"] == pytest.approx(2 * usual)
    assert run["median_seconds"] == pytest.approx(usual)
    assert run["samples_per_second"] == pytest.approx(128 / (2 * usual))
    assert run["epoch_seconds"] == pytest.approx(55_000 / 128 * 2 * usual)
    made = scaling_table.make(changed, weak=False).set_index(["workers", "width"]).loc[("1", "1")]
    assert float(made["steps/s"]) == pytest.approx(1 / (2 * usual), rel=1e-3)
    assert float(made["median ms"]) == pytest.approx(1e3 * usual, rel=1e-3)


def test_the_shorter_last_batch_of_an_epoch_is_no_typical_step():
    steps = pd.DataFrame(
        {
            "rank": 0,
            "step": range(1, 9),
            "data_seconds": 0.0,
            "compute_seconds": [1.0, 1.0, 0.5] * 2 + [1.0, 1.0],
            "communication_seconds": 1.0,
        }
    )
    # 250 samples in batches of 100: every third step has 50.
    assert step_seconds.typical(steps, 250, 100)["step_seconds"] == 2
    assert step_seconds.typical(steps, 300, 100)["step_seconds"] == pytest.approx(11 / 6)


def test_a_batch_larger_than_the_training_samples_is_cut_to_them():
    few = {"train_samples": ["100"]}
    results = made_up_scaling(repeats=2, widths=(1, 2), settings=few)
    trained = scaling.runs(results)
    assert set(trained["batch_size"]) == {128, 256}
    assert set(trained["batch"]) == {100}
    step = MODEL.step(2, 100, 1, gradient_bytes(1)) * RAY_COST
    run = trained.set_index("trial").loc["ray_2cpu_width1_seed0"]
    assert run["samples_per_second"] == pytest.approx(100 / step)
    assert run["epoch_seconds"] == pytest.approx(step)
    strong = scaling.compared(results, weak=False)
    expected = MODEL.speed_up(2, 100, 1, gradient_bytes(1))
    both = strong[(strong["workers"] == 2) & (strong["width"] == 1)]
    assert both["speed_up"].tolist() == pytest.approx([expected] * 2)
    # It did not grow with the workers: that is no weak scaling.
    assert scaling_table.make(results, weak=True).empty
    assert set(scaling_table.make(results, weak=False)["batch"]) == {"100"}
    (points, _) = scaling.repeats(results)
    assert sorted(p.place for p in points) == [(1, 100, 1), (1, 100, 2), (2, 100, 1), (2, 100, 2)]
    model = step_model.fit(points)
    assert model.step(2, 100, 1, gradient_bytes(1)) == pytest.approx(step)


def test_oversubscribed_workers_are_not_in_the_fit():
    repeats = scaling.repeats(made_up_scaling(workers=(1, 2, 4), oversubscribed=(4,)))
    assert len(repeats) == 2
    assert all({p.workers for p in points} == {1, 2} for points in repeats)


def test_a_repeat_that_was_cut_short_is_not_fitted():
    results = made_up_scaling(repeats=3)
    trials = results.trials
    lost = trials["trial"] == "ray_2cpu_width2_seed2"
    cut = dataclasses.replace(results, trials=trials[~lost])
    assert len(scaling.repeats(cut)) == 2
    # Where none is whole, the means over all stand for one.
    lost |= trials["trial"].isin(["ray_2cpu_width4_seed1", "ray_1cpu_width1_seed0"])
    (means,) = scaling.repeats(dataclasses.replace(results, trials=trials[~lost]))
    assert len(means) == len(scaling.repeats(results)[0])
    (point,) = (p for p in means if p.place == (1, 128, 1))
    whole = MODEL.step(1, 128, 1, gradient_bytes(1)) * RAY_COST
    assert point.step == pytest.approx(1.015 * whole)  # of repeats 1 and 2


def test_workers_are_faster_where_the_whole_interval_says_so():
    strong = scaling.compared(made_up_scaling(repeats=3), weak=False)
    verdicts = scaling.judged(strong).set_index("width")["verdict"]
    assert verdicts.to_dict() == {1: "not faster", 2: "not faster", 4: "faster than one"}
    strong.loc[(strong["width"] == 4) & (strong["seed"] == 0), "speed_up"] = 0.5
    assert scaling.judged(strong).set_index("width")["verdict"][4] == "undecided"


def test_points_share_the_level_of_their_verdicts():
    strong = scaling.compared(made_up_scaling(repeats=3), weak=False)
    wide = (strong["workers"] == 2) & (strong["width"] == 4)
    # Their mean of 1.2 is 4.9 times its standard error above 1: t(0.975, 2) is 4.303, but of one
    # of three points it is t(1 - 0.025 / 3, 2) = 7.649.
    deviation = 0.2 / 4.9 * math.sqrt(3)
    strong.loc[wide, "speed_up"] = [1.2 - deviation, 1.2, 1.2 + deviation]
    assert scaling.judged(strong).set_index("width")["verdict"][4] == "undecided"
    alone = strong[(strong["width"] == 4)]
    assert scaling.judged(alone)["verdict"].tolist() == ["faster than one"]


TWO_RATES = {"lr": ["0.1", "0.01"]}


def test_other_settings_are_no_repeats():
    results = made_up_scaling(repeats=1, widths=(4,), settings=TWO_RATES)
    strong = scaling.compared(results, weak=False)
    verdicts = scaling.judged(strong, scaling.others(results))
    assert verdicts["lr"].tolist() == [0.01, 0.1]
    assert set(verdicts["verdict"]) == {"undecided"}  # a single repeat of each
    said = scaling.conclusions(results)
    assert "width 4 at batch 128, learning rate 0.1 (" in said[0]
    assert said[-1].startswith("No model of the step's time: it knows nothing of learning rate")
    assert "--weak" not in said[-1]


def test_other_settings_have_figures_and_rows_of_their_own():
    results = made_up_scaling(repeats=2, widths=(1, 2), settings=TWO_RATES, study="upc-gpus")
    for module in (hardware, time_shares, worker_curves):
        assert set(module.draw(results, "Title")) == {"-lr0.01", "-lr0.1"}
    assert break_even.draw(results, "Title") == {}
    made = worker_times.make(results, published={1: 19.254})
    assert made["learning rate"].tolist() == ["0.01"] * 3 + ["0.1"] * 3
    assert made["published s"].tolist() == ["-", "-", "19.254"] * 2


def test_one_repeat_decides_nothing():
    strong = scaling.compared(made_up_scaling(repeats=1), weak=False)
    assert set(scaling.judged(strong)["verdict"]) == {"undecided"}


def test_the_scaling_table_says_who_was_oversubscribed():
    results = made_up_scaling(workers=(1, 2, 4), widths=(1,), oversubscribed=(4,))
    made = scaling_table.make(results, weak=False, target=0.9)
    assert made["workers"].tolist() == ["1", "2", "4 oversubscribed"]
    assert made["speed-up"].tolist()[0] == "1 ± 0"
    assert all("±" in cell for cell in made["samples/s"])
    assert scaling_table.make(results, weak=True)["batch"].tolist() == ["128", "256", "512"]
    late = scaling_table.make(results, weak=False, target=0.99)
    assert late["s to 99 %"].tolist() == ["not reached"] * 3


def test_no_weak_scaling_where_it_was_not_asked_for():
    assert scaling_table.make(made_up_scaling(weak=False), weak=True).empty


def test_what_ray_costs():
    made = launchers.make(made_up_scaling())
    assert made["Ray against"].tolist() == ["torchrun", "torchrun", "plain"]
    assert [cell.split(" ± ")[0] for cell in made["steps/s, ratio"]] == ["0.8"] * 3
    assert made["start-up, s more"].tolist() == ["22 ± 0", "22 ± 0", "26 ± 0"]


def test_start_up_counts_each_launch_once():
    made = start_up.make(made_up_scaling(repeats=3))
    assert set(made["launches"]) == {"3"}
    ray = made[(made["launcher"] == "ray") & (made["workers"] == "2")].iloc[0]
    assert ray["Ray and data, once (s)"] == "10"
    assert ray["all the rest (s)"] == "32 ± 0"


def test_ray_is_measured_once_a_session_however_many_launches_it_has():
    results = made_up_scaling(repeats=3)
    trials = results.trials.copy()
    trials.loc[(trials["seed"] == 2) & (trials["launcher"] == "ray"), "ray_seconds"] = 12.0
    made = start_up.make(dataclasses.replace(results, trials=trials))
    ray = made[(made["launcher"] == "ray") & (made["workers"] == "1")].iloc[0]
    assert ray["launches"] == "3"
    assert ray["Ray and data, once (s)"] == "11 ± 12.71"  # of 10 and 12, t(0.975, 1) = 12.706


def test_a_start_behind_a_crash_is_left_out():
    results = made_up_scaling(repeats=3)
    trials = results.trials.copy()
    crashed = (trials["launch"] == "ray-2cpu-repeat1") & (trials["width"] == 1)
    trials.loc[crashed, "launch_seconds"] = math.nan
    made = start_up.make(dataclasses.replace(results, trials=trials))
    ray = made[(made["launcher"] == "ray") & (made["workers"] == "2")].iloc[0]
    assert (ray["launches"], ray["processes (s)"]) == ("3", "30.5 ± 0")  # its other points know
    trials.loc[trials["launch"] == "ray-2cpu-repeat1", "launch_seconds"] = math.nan
    changed = dataclasses.replace(results, trials=trials)
    ray = start_up.make(changed).query("launcher == 'ray' and workers == '2'").iloc[0]
    assert (ray["launches"], ray["processes (s)"]) == ("2", "30.5 ± 0")
    assert set(launchers.make(changed)["start-up, s more"]) == {"22 ± 0", "26 ± 0"}
    trials.loc[trials["launch"].str.startswith("ray-2cpu"), "launch_seconds"] = math.nan
    changed = dataclasses.replace(results, trials=trials)
    assert launchers.make(changed)["start-up, s more"].tolist() == ["22 ± 0", "-", "26 ± 0"]


def test_numbers_of_workers_that_were_not_run_are_predictions():
    made = step_time.make(made_up_scaling(), predicted=(2, 8))
    assert set(made["kind"]) == {"fitted on", "held out", "prediction"}
    predicted = made[made["kind"] == "prediction"]
    assert predicted["workers"].tolist() == ["8", "8", "8"]  # two workers were run
    assert set(predicted["measured ms"]) == {"not run"}
    size = gradient_bytes(4)
    expected = MODEL.step(8, 128, 4, size) * RAY_COST * 1.005 * 1e3  # the mean of both repeats
    wide = predicted[predicted["width"] == "4"].iloc[0]
    mean, half = map(float, wide["model ms"].split(" ± "))
    assert mean == pytest.approx(expected, rel=0.01)
    # Repeats 1 % apart: t(0.975, 1) = 12.706 times 0.5 %.
    assert half == pytest.approx(12.706 * 0.005 / 1.005 * expected, rel=0.01)
    assert set(made.loc[made["kind"] != "prediction", "error %"]) <= {"+0.0 ± 0.0", "-0.0 ± 0.0"}
    narrow = made[(made["width"] == "1") & (made["workers"] == "1")].iloc[0]
    assert "±" in narrow["measured ms"]
    assert narrow["median ms"] == narrow["measured ms"]
    single = step_time.make(made_up_scaling(repeats=1))
    assert not single.map(lambda cell: "±" in cell).any(axis=None)


def test_no_prediction_where_the_points_do_not_settle_it():
    sizes = {"batch_size": ["64", "128", "256"]}
    results = made_up_scaling(widths=(1,), weak=False, settings=sizes)
    made = step_time.make(results, predicted=(4, 8))
    assert set(made["kind"]) == {"fitted on", "held out"}
    said = scaling.conclusions(results)
    assert any("2 workers pay from a batch of" in sentence for sentence in said)
    assert any(
        sentence.startswith("No break-even batch of 4 workers: the points fitted on, of so few")
        for sentence in said
    )


def test_published_times_are_beside_ours():
    results = made_up_scaling(study="upc-gpus", widths=(1,))
    made = worker_times.make(results, published={1: 19.254, 4: 18.234})
    assert made["processor"].tolist() == ["cpu", "cpu", "gpu", "gpu"]
    assert made["published s"].tolist() == ["-", "-", "19.254", "18.234"]
    assert made["measured s"].tolist()[2:] == ["not run", "not run"]
    assert "±" in made["measured s"].iloc[0]


def test_cpu_workers_test_no_claim_about_gpus():
    verdicts = judge_all(search_spaces.find("fan-hardware"), made_up_scaling())
    assert [verdict.verdict for _, verdict in verdicts] == ["not tested", "not tested"]
    assert all("no GPU" in verdict.evidence for _, verdict in verdicts)


def test_claims_about_gpus_where_there_are_some():
    study = search_spaces.find("upc-gpus")
    gpus = made_up_scaling((1, 2, 4), (1,), study="upc-gpus", processors=("gpu",))
    ((_, verdict),) = judge_all(study, gpus)
    assert verdict.verdict == "not reproduced"
    assert "against it: 2 GPUs to 1 GPU" in verdict.evidence
    (beats, more) = judge_all(
        search_spaces.find("fan-hardware"), made_up_scaling((1, 2), (1,), processors=("cpu", "gpu"))
    )
    assert beats[1].verdict == "reproduced"
    assert "0.10 times the time" in beats[1].evidence
    assert more[1].evidence == "this run has nothing of 3 GPUs"


def test_no_claim_is_judged_of_trials_that_differ_in_more_than_the_repeat():
    results = made_up_scaling((1, 2, 4), (1,), settings=TWO_RATES, processors=("gpu",))
    verdicts = judge_all(search_spaces.find("fan-hardware"), results)
    cpu = made_up_scaling((1,), (1,), settings=TWO_RATES, processors=("cpu", "gpu"))
    ((_, verdict), _) = judge_all(search_spaces.find("fan-hardware"), cpu)
    assert verdict.verdict == "not tested"
    assert verdict.evidence == ("learning rate varies in this run, which the claim says nothing of")
    assert {verdict.verdict for _, verdict in verdicts} == {"not tested"}


def test_no_claim_is_judged_where_no_repeat_has_both_sides():
    results = made_up_scaling((1,), (1,), processors=("cpu", "gpu"))
    trials = results.trials
    kept = (trials["seed"] == 0) == (trials["processor"] == "cpu")
    apart = dataclasses.replace(results, trials=trials[kept])
    ((_, verdict), _) = judge_all(search_spaces.find("fan-hardware"), apart)
    assert verdict.evidence == "no repeat of this run has both sides of 1 GPU to 1 CPU"


def bars(axes):
    return [c.has_yerr for c in axes.containers if isinstance(c, ErrorbarContainer)]


def ends(axes):
    """The lowest and the highest end of the axes' intervals."""
    segments = [
        segment[:, 1]
        for container in axes.containers
        if isinstance(container, ErrorbarContainer) and container.has_yerr
        for segment in container[2][0].get_segments()
    ]
    return min(map(min, segments)), max(map(max, segments))


def test_a_single_repeat_has_no_bar_and_long_ones_are_whole():
    figure = hardware.draw(made_up_scaling(repeats=1), "Title")[""]
    assert not any(any(bars(axes)) for axes in figure.axes)
    results = made_up_scaling(repeats=2)
    trials = results.trials.copy()
    trials.loc[trials["seed"] == 1, "train_seconds"] *= 4
    figure = hardware.draw(dataclasses.replace(results, trials=trials), "Title")[""]
    for axes in figure.axes:
        assert all(bars(axes))
        low, high = ends(axes)
        assert axes.get_ylim()[0] <= low
        assert high <= axes.get_ylim()[1]
    assert ends(figure.axes[0])[0] < 0


def test_the_shares_of_time_have_intervals_over_repeats():
    def boundaries(results):
        axes = time_shares.draw(results, "Title")[""].axes[0]
        return [c for c in axes.containers if isinstance(c, ErrorbarContainer)]

    assert not boundaries(made_up_scaling(repeats=1))
    results = made_up_scaling(repeats=2)
    timings = results.timings.copy()
    timings.loc[timings["trial"].str.endswith("seed1"), "communication_seconds"] *= 1.1
    changed = dataclasses.replace(results, timings=timings)
    drawn = boundaries(changed)
    assert len(drawn) == 5  # the ends of two phases in three bars, one of which ends with one
    run = scaling.runs(changed).query("launcher == 'ray' and workers == 2 and width == 1")
    a, b = 100 - 100 * run.query("batch == 128").sort_values("seed")["communication_share"]
    (segment,) = drawn[2][2][0].get_segments()
    assert segment[:, 1].mean() == pytest.approx((a + b) / 2)
    assert segment[1, 1] - segment[0, 1] == pytest.approx(2 * 12.706 * abs(a - b) / 2, rel=1e-3)


def test_break_even_lines_have_intervals_over_repeats():
    def bands(repeats):
        axes = break_even.draw(made_up_scaling(repeats=repeats), "Title")[""].axes[0]
        return len(axes.collections)

    assert bands(1) == 0
    assert bands(2) == 3  # of 2, 4 and 8 workers


def test_all_figures_are_drawn(tmp_path):
    results = made_up_scaling(workers=(1, 2, 4), oversubscribed=(4,))
    for name in ("fan-hardware", "upc-gpus"):
        files = draw_all(search_spaces.find(name), results, tmp_path / name)
        drawn = {path.stem for path in files}
        assert drawn == {"hardware", "time-shares", "worker-curves", "break-even"}


def test_no_break_even_of_a_single_width(tmp_path):
    said = []
    results = made_up_scaling(widths=(1,))
    draw_all(search_spaces.find("fan-hardware"), results, tmp_path, said.append)
    assert said == ["break-even is not drawn: this run lacks what it shows"]


def test_the_conclusion_in_words(tmp_path, capsys):
    folder = write(made_up_scaling(workers=(1, 2, 4), oversubscribed=(4,)), tmp_path / "run")
    summarize(folder, Console(width=200))
    printed = capsys.readouterr().out
    said = (folder / "conclusion.txt").read_text()
    assert "4 cpu workers (oversubscribed), measured" in said
    assert "is off by 0 % ± 0 % on the mean and by 0 % at the most on the 2 points" in said
    assert "without the most workers there is too little to fit it on" in said
    assert "4 workers pay from a batch of" in said
    assert "(prediction, not run with a processor each)" in said
    assert "data set mnist; budget quick; 2 seeds" in said
    assert "2 workers pay" in printed
    # Repeats differ by a factor, which leaves the batch as it is.
    batch = MODEL.break_even_batch(2, 1, gradient_bytes(1))
    assert f"2 workers pay from a batch of {batch:,.0f} ± 0 at width 1" in said
    assert "Leaderboard" not in printed
    assert not (folder / "leaderboard.csv").exists()


def test_the_conclusion_says_how_far_it_goes_beyond_what_was_fitted():
    said = scaling.conclusions(made_up_scaling(workers=(1, 2, 4)))
    assert (
        "Fitted without the runs of 4 workers, the most there are, it is off by 0 % ± 0 % on the "
        "mean and by 0 % at the most on these." in said
    )
    # Four workers were run, held out or not.
    assert any(s.startswith("4 workers pay") and s.endswith("on (by the model).") for s in said)


def test_where_samples_cost_nothing_no_batch_pays():
    results = made_up_scaling()
    timings = results.timings.copy()
    timings["compute_seconds"] = timings["step"].map(lambda step: 0.05 if step <= 10 else 0.01)
    said = scaling.conclusions(dataclasses.replace(results, timings=timings))
    assert "2 workers pay at no batch at width 1, at width 2, at width 4 (by the model)." in said


def test_a_grid_is_no_scaling_run():
    results = made_up_run()
    assert not scaling.is_scaling(results)
    assert scaling.runs(results).empty
    assert scaling_table.make(results, weak=False).empty
