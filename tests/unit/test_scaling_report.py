"""Figures, verdicts and conclusions of a scaling run, on made-up timings with known answers."""

import dataclasses
import math

import pytest
from matplotlib.container import ErrorbarContainer
from rich.console import Console

import search_spaces
from study.analysis import speedup
from study.analysis.conclusions import conclusions
from study.claims.judge import judge_all
from study.figures import break_even, hardware, time_shares
from study.figures.draw import draw_all
from study.report.summary import summarize
from study.tables import speedup as speedup_table
from study.tables import whole_time, worker_times
from tests.unit.made_up_run import made_up_run, write
from tests.unit.made_up_scaling import MODEL, TWO_RATES, gradient_bytes, made_up_scaling


def judge_fan(results):
    """Return the verdict on each claim of Fan's about hardware, by name."""
    judged = judge_all(search_spaces.find("fan-hardware"), results)
    return {claim.name: verdict for claim, verdict in judged}


def test_cpu_workers_test_no_claim_about_gpus():
    verdicts = judge_fan(made_up_scaling())
    assert {verdict.verdict for verdict in verdicts.values()} == {"not tested"}
    assert all("no GPU" in verdict.evidence for verdict in verdicts.values())


def test_claims_about_gpus_on_gpus():
    study = search_spaces.find("upc-gpus")
    gpus = made_up_scaling((1, 2, 4), (1,), study="upc-gpus", processors=("gpu",))
    (_, verdict), (_, one_width) = judge_all(study, gpus)
    assert verdict.verdict == "not reproduced"
    assert "against it: 2 GPUs to 1 GPU" in verdict.evidence
    assert "add wider ones by --set width=1,4" in one_width.evidence
    fan = judge_fan(made_up_scaling((1, 2), (1,), processors=("cpu", "gpu")))
    assert fan["one-gpu-beats-the-cpu-in-training"].verdict == "reproduced"
    assert "0.10 times the time" in fan["one-gpu-beats-the-cpu-in-training"].evidence
    assert fan["one-gpu-beats-the-cpu-in-speed"].verdict == "reproduced"
    assert "10.00 times the speed" in fan["one-gpu-beats-the-cpu-in-speed"].evidence
    assert fan["more-gpus-do-not-help"].evidence == "this run has nothing of 3 GPUs"


def test_the_whole_time_counts_what_the_training_time_leaves_out():
    """Start-up and evaluation take as long on a GPU as on the CPU, and far longer than training."""
    results = made_up_scaling((1,), (1,), processors=("cpu", "gpu"))
    found = judge_fan(results)["one-gpu-beats-the-cpu"]
    whole = results.trials.query("launcher == 'ray' and seed == 0").set_index("processor")
    seconds = whole["total_seconds"]
    assert seconds["gpu"] > 33
    assert found.evidence.startswith(
        f"1 GPU to 1 CPU: {seconds['gpu'] / seconds['cpu']:.2f} times the time"
    )
    made = whole_time.make(results).set_index(["launcher", "processor"]).loc[("ray", "gpu")]
    assert made["of it start-up (s)"] == "31 ± 0"
    assert made["evaluation and files (s)"].startswith("2.5 ")
    old = dataclasses.replace(results, trials=results.trials.drop(columns="total_seconds"))
    missing = judge_fan(old)["one-gpu-beats-the-cpu"]
    assert missing.evidence == "this run did not measure total_seconds"
    assert whole_time.make(old).empty


def test_the_whole_time_of_each_strategy_has_its_own_row():
    made = whole_time.make(made_up_scaling((1, 2), (1,), strategies=("ddp", "explicit")))
    rows = made[(made["launcher"] == "ray") & (made["workers"] == "2")].set_index("strategy")
    assert sorted(rows.index) == ["ddp", "explicit"]
    speeds = rows["v (steps/s)"].map(lambda cell: float(cell.split()[0]))
    assert speeds["ddp"] > speeds["explicit"]


def test_time_ratios_exclude_a_slow_first_step():
    gpus = made_up_scaling((1, 2, 4), (1,), study="upc-gpus", processors=("gpu",))
    timings, trials = gpus.timings.copy(), gpus.trials.copy()
    timings.loc[timings["step"] == 1, "compute_seconds"] += 100.0
    trials["train_seconds"] += 100.0
    slow = dataclasses.replace(gpus, timings=timings, trials=trials)
    (_, verdict), _ = judge_all(search_spaces.find("upc-gpus"), slow)
    assert verdict.verdict == "not reproduced"


def test_wider_nets_gain_more_if_their_steps_compute_more():
    gpus = made_up_scaling((1, 2, 4), (1, 4), study="upc-gpus", processors=("gpu",))
    _, (claim, verdict) = judge_all(search_spaces.find("upc-gpus"), gpus)
    assert claim.name == "more-complex-more-gain"
    assert verdict.verdict == "reproduced"
    assert verdict.evidence.startswith("2 GPUs to 1 GPU, width 4 minus 1: -0.")
    trials = gpus.trials.assign(width=5 - gpus.trials["width"])
    _, (_, verdict) = judge_all(
        search_spaces.find("upc-gpus"), dataclasses.replace(gpus, trials=trials)
    )
    assert verdict.verdict == "not reproduced"


def test_a_claim_about_trials_that_differ_in_more_than_the_repeat_is_not_tested():
    results = made_up_scaling((1, 2, 4), (1,), settings=TWO_RATES, processors=("gpu",))
    verdicts = judge_fan(results)
    cpu = made_up_scaling((1,), (1,), settings=TWO_RATES, processors=("cpu", "gpu"))
    verdict = judge_fan(cpu)["one-gpu-beats-the-cpu"]
    assert verdict.verdict == "not tested"
    assert verdict.evidence == ("learning rate varies in this run, which the claim says nothing of")
    assert {verdict.verdict for verdict in verdicts.values()} == {"not tested"}


def test_a_claim_is_not_tested_if_no_repeat_has_both_sides():
    results = made_up_scaling((1,), (1,), processors=("cpu", "gpu"))
    trials = results.trials
    one_side = (trials["seed"] == 0) == (trials["processor"] == "cpu")
    apart = dataclasses.replace(results, trials=trials[one_side])
    verdict = judge_fan(apart)["one-gpu-beats-the-cpu"]
    assert verdict.evidence == "no repeat of this run has both sides of 1 GPU to 1 CPU"


def bars(axes):
    return [c.has_yerr for c in axes.containers if isinstance(c, ErrorbarContainer)]


def ends(axes):
    """Return the lowest and the highest end of the intervals of the axes."""
    segments = [
        segment[:, 1]
        for container in axes.containers
        if isinstance(container, ErrorbarContainer) and container.has_yerr
        for segment in container[2][0].get_segments()
    ]
    return min(map(min, segments)), max(map(max, segments))


def test_a_single_repeat_has_no_error_bar_and_long_bars_fit_into_the_axes():
    figure = hardware.draw(made_up_scaling(repeats=1), "Title")[""]
    assert not any(any(bars(axes)) for axes in figure.axes)
    results = made_up_scaling(repeats=2)
    trials = results.trials.copy()
    trials.loc[trials["seed"] == 1, ["train_seconds", "total_seconds"]] *= 4
    figure = hardware.draw(dataclasses.replace(results, trials=trials), "Title")[""]
    for axes in figure.axes:
        assert all(bars(axes))
        low, high = ends(axes)
        assert axes.get_ylim()[0] <= low
        assert high <= axes.get_ylim()[1]
    assert ends(figure.axes[0])[0] > 0  # no time is negative


def test_total_times_exclude_diverged_trials():
    results = made_up_scaling((1, 2), (1,), repeats=3)
    trials = results.trials.copy()
    diverged = (trials["launcher"] == "ray") & (trials["workers"] == 2) & (trials["seed"] == 2)
    ending = {"status": "diverged", "train_seconds": 1e-6, "total_seconds": 33.0}
    trials.loc[diverged, list(ending)] = list(ending.values())
    all_of_one = (trials["launcher"] == "ray") & (trials["workers"] == 1)
    trials.loc[all_of_one, "status"] = "diverged"
    changed = dataclasses.replace(results, trials=trials)
    made = worker_times.make(changed, published={1: 19.254}).set_index(["processor", "workers"])
    expected = trials.query(
        "launcher == 'ray' and workers == 2 and width == 1 and batch_size == 128"
    )
    mean = expected.query("seed < 2")["train_seconds"].mean()
    cells = made["measured s"]
    assert cells["cpu", "2"].startswith(f"{mean:.4g} [")
    assert cells["cpu", "2"].endswith(" (1 of 3 diverged)")
    assert cells["cpu", "1"] == "diverged"
    total, training, speed = hardware.draw(changed, "Title")[""].axes
    for axes in (total, training):
        assert len(speed.containers) - len(axes.containers) == 1
        assert ends(axes)[0] > 0
    assert "are in no time" in " ".join(text.get_text() for text in total.figure.texts)


def test_published_seconds_share_no_axis_with_measured_ones():
    published = {1: 19.254, 2: 18.463, 4: 18.234}
    results = made_up_scaling((1, 2), (1,), processors=("cpu", "gpu"))
    figure = hardware.draw(results, "Title", published=published, published_on="GPUs of P9")[""]
    *measured, report = figure.axes
    assert [axes.get_ylabel().partition(" (")[0] for axes in measured] == [
        "T, whole program",
        "training steps alone",
        "speed v",
    ]
    (stars,) = report.get_lines()
    assert list(stars.get_ydata()) == list(published.values())
    assert report.get_title() == "GPUs of P9"
    assert [label.get_text() for label in report.get_xticklabels()] == ["1 GPU", "2 GPU", "4 GPU"]
    assert not report.containers
    for axes in measured:
        assert axes.get_yscale() == "linear"
        assert [label.get_text() for label in axes.get_xticklabels()] == [
            "1 CPU",
            "2 CPU",
            "1 GPU",
            "2 GPU",
        ]


def test_workers_on_several_machines_are_marked():
    results = made_up_scaling((1, 2), (1,))
    trials = results.trials.assign(machines=results.trials["workers"])
    spread = dataclasses.replace(results, trials=trials)
    made = speedup_table.make(spread, weak=False)
    assert made["workers"].tolist() == ["1", "2 on 2 machines"]
    figure = hardware.draw(spread, "Title")[""]
    assert "workers on 1 to 2 machines" in " ".join(text.get_text() for text in figure.texts)


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
    assert len(drawn) == 5  # of two phases in three bars, one of which has only one
    run = speedup.scaling_trials(changed).query("launcher == 'ray' and workers == 2 and width == 1")
    a, b = 100 - 100 * run.query("batch == 128").sort_values("seed")["communication_share"]
    (segment,) = drawn[2][2][0].get_segments()
    low, high = segment[:, 1]
    assert 0 < low < (a + b) / 2 < high < 100
    share = (a + b) / 200
    odds = math.exp(2 * 12.706 * abs(a - b) / 200 / (share * (1 - share)))
    assert high / (100 - high) / (low / (100 - low)) == pytest.approx(odds, rel=1e-2)


def test_break_even_lines_have_intervals_over_repeats():
    def bands(repeats):
        axes = break_even.draw(made_up_scaling(repeats=repeats), "Title")[""].axes[0]
        return len(axes.collections)

    assert bands(1) == 0
    assert bands(2) == 3  # of 2, 4 and 8 workers


def test_a_band_lies_above_0_and_within_the_axis():
    results = made_up_scaling(repeats=2)
    timings = results.timings.copy()
    timings.loc[timings["trial"].str.endswith("seed1"), "communication_seconds"] *= 3
    axes = break_even.draw(dataclasses.replace(results, timings=timings), "Title")[""].axes[0]
    lowest = [band.get_paths()[0].vertices[:, 1].min() for band in axes.collections]
    assert len(lowest) == 3
    assert all(low >= axes.get_ylim()[0] > 0 for low in lowest)


def test_all_figures_are_drawn(tmp_path):
    results = made_up_scaling(workers=(1, 2, 4), oversubscribed=(4,))
    for name in ("fan-hardware", "upc-gpus"):
        files = draw_all(search_spaces.find(name), results, tmp_path / name)
        drawn = {path.stem for path in files}
        assert drawn == {"hardware", "time-shares", "worker-curves", "break-even"}


def test_no_break_even_of_a_single_width(tmp_path):
    notes = []
    results = made_up_scaling(widths=(1,))
    draw_all(search_spaces.find("fan-hardware"), results, tmp_path, notes.append)
    assert notes == ["Figures without data in this run: break-even."]


def test_conclusions_are_printed_and_written(tmp_path, capsys):
    folder = write(made_up_scaling(workers=(1, 2, 4), oversubscribed=(4,)), tmp_path / "run")
    summarize(folder, Console(width=200))
    printed = capsys.readouterr().out
    text = (folder / "conclusion.txt").read_text()
    assert "4 cpu workers (oversubscribed), measured" in text
    assert "is off by 0 % ± 0 % on the mean and by 0 % at the most on the 2 points" in text
    assert "which leaves too few points here" in text
    assert "4 workers are faster than one from these batches on: " in text
    assert "(prediction: so many were not run with a processor each, and may slow" in text
    assert "Each of 2 workers computes 1.00 ± 0.00 times as long as one that is alone with" in text
    assert "data set mnist; budget quick; 2 seeds" in text
    assert "2 cpu workers, measured: not faster for width 1 at batch 128" in printed
    assert "What a model of the step's time predicts: conclusion.txt" in printed
    # Repeats differ by a factor, which leaves the batch as it is.
    batch = MODEL.break_even_batch(2, 1, gradient_bytes(1))
    assert f"2 workers are faster than one from these batches on: {batch:,.0f} ± 0 at width" in text
    assert "Leaderboard" not in printed
    assert not (folder / "leaderboard.csv").exists()


def test_the_conclusions_give_the_error_of_extrapolation():
    small_ones = {"batch_size": ["16", "128"]}
    sentences = conclusions(made_up_scaling(workers=(1, 2, 4), settings=small_ones))
    assert (
        "Fitted without the runs of 4 workers, the most there are, it is off by 0 % ± 0 % on the "
        "mean and by 0 % at the most on these." in sentences
    )
    # Four workers were run, held out or not.
    (four,) = [s for s in sentences if s.startswith("4 workers are faster than one from")]
    assert four.endswith("(by the model).")


def test_a_break_even_below_the_smallest_batch_is_a_prediction():
    batch = MODEL.break_even_batch(2, 1, gradient_bytes(1))
    for has_smaller, basis in (
        (False, "prediction: some of it is below 512"),
        (True, "by the model)"),
    ):
        sizes = {"batch_size": ["512", "1024", *(["8"] if has_smaller else [])]}
        results = made_up_scaling(settings=sizes)
        assert 8 < batch < 512
        (two,) = [s for s in conclusions(results) if s.startswith("2 workers are faster")]
        assert f"({basis}" in two
        (axes,) = break_even.draw(results, "Title")[""].axes
        assert axes.lines[0].get_linestyle() == ("-" if has_smaller else "--")


def test_every_number_of_workers_that_was_run_has_a_break_even():
    sentences = conclusions(made_up_scaling(workers=(1, 3, 8)))
    numbers = [s.split()[0] for s in sentences if "workers are faster than one from these" in s]
    assert numbers == ["2", "3", "4", "8"]


def test_no_model_of_workers_with_mixed_placement():
    results = made_up_scaling(workers=(1, 2, 4))
    machines = (results.trials["workers"] // 2).clip(lower=1)
    apart = dataclasses.replace(results, trials=results.trials.assign(machines=machines))
    assert any("on one machine in some runs and on several" in s for s in conclusions(apart))
    assert not break_even.draw(apart, "Title")
    # Oversubscribed workers are not part of the model, so their placement does not matter.
    oversubscribed = made_up_scaling(workers=(1, 2, 4), oversubscribed=(4,))
    apart = dataclasses.replace(
        oversubscribed, trials=oversubscribed.trials.assign(machines=machines)
    )
    assert break_even.draw(apart, "Title")
    assert not any("on one machine in some runs" in s for s in conclusions(apart))


def test_no_batch_breaks_even_if_samples_cost_nothing():
    results = made_up_scaling()
    timings = results.timings.copy()
    timings["compute_seconds"] = timings["step"].map(lambda step: 0.05 if step <= 10 else 0.01)
    sentences = conclusions(dataclasses.replace(results, timings=timings))
    at_none = "at no batch at width 1, at width 2, at width 4 (by the model"
    assert any(s.startswith(f"2 workers are faster than one {at_none}") for s in sentences)


def test_a_grid_is_not_a_scaling_run():
    results = made_up_run()
    assert not speedup.is_scaling(results)
    assert speedup.scaling_trials(results).empty
    assert speedup_table.make(results, weak=False).empty
