"""What is drawn, judged and said of a scaling run, on made-up timings with known answers."""

import dataclasses

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
from study.tables import speedup as scaling_table
from study.tables import worker_times
from tests.unit.made_up_run import made_up_run, write
from tests.unit.made_up_scaling import MODEL, TWO_RATES, gradient_bytes, made_up_scaling


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


def test_a_slow_first_step_makes_no_numbers_of_workers_alike():
    gpus = made_up_scaling((1, 2, 4), (1,), study="upc-gpus", processors=("gpu",))
    timings, trials = gpus.timings.copy(), gpus.trials.copy()
    timings.loc[timings["step"] == 1, "compute_seconds"] += 100.0
    trials["train_seconds"] += 100.0
    slow = dataclasses.replace(gpus, timings=timings, trials=trials)
    ((_, verdict),) = judge_all(search_spaces.find("upc-gpus"), slow)
    assert verdict.verdict == "not reproduced"


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


def test_total_times_leave_out_what_diverged():
    results = made_up_scaling((1, 2), (1,), repeats=3)
    trials = results.trials.copy()
    gone = (trials["launcher"] == "ray") & (trials["workers"] == 2) & (trials["seed"] == 2)
    trials.loc[gone, ["status", "train_seconds"]] = ["diverged", 1e-6]
    none = (trials["launcher"] == "ray") & (trials["workers"] == 1)
    trials.loc[none, "status"] = "diverged"
    changed = dataclasses.replace(results, trials=trials)
    made = worker_times.make(changed, published={1: 19.254}).set_index(["processor", "workers"])
    kept = trials.query("launcher == 'ray' and workers == 2 and width == 1 and batch_size == 128")
    mean = kept.query("seed < 2")["train_seconds"].mean()
    said = made["measured s"]
    assert said["cpu", "2"].startswith(f"{mean:.4g} ± ")
    assert said["cpu", "2"].endswith(" (1 of 3 diverged)")
    assert said["cpu", "1"] == "diverged"
    total, speed = hardware.draw(changed, "Title")[""].axes
    assert len(speed.containers) - len(total.containers) == 1
    assert ends(total)[0] > 0
    assert "not in T" in " ".join(text.get_text() for text in total.figure.texts)


def test_workers_on_several_machines_are_told_apart():
    results = made_up_scaling((1, 2), (1,))
    trials = results.trials.assign(machines=results.trials["workers"])
    spread = dataclasses.replace(results, trials=trials)
    made = scaling_table.make(spread, weak=False)
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
    assert len(drawn) == 5  # the ends of two phases in three bars, one of which ends with one
    run = speedup.scaling_trials(changed).query("launcher == 'ray' and workers == 2 and width == 1")
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


def test_a_band_that_goes_on_below_0_ends_at_the_foot_of_the_axis():
    results = made_up_scaling(repeats=2)
    timings = results.timings.copy()
    timings.loc[timings["trial"].str.endswith("seed1"), "communication_seconds"] *= 3
    axes = break_even.draw(dataclasses.replace(results, timings=timings), "Title")[""].axes[0]
    lowest = [band.get_paths()[0].vertices[:, 1].min() for band in axes.collections]
    assert len(lowest) == 3
    assert lowest == [axes.get_ylim()[0]] * 3


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
    assert said == ["Skipped figure break-even: this run does not have the data it needs."]


def test_the_conclusion_in_words(tmp_path, capsys):
    folder = write(made_up_scaling(workers=(1, 2, 4), oversubscribed=(4,)), tmp_path / "run")
    summarize(folder, Console(width=200))
    printed = capsys.readouterr().out
    said = (folder / "conclusion.txt").read_text()
    assert "4 cpu workers (oversubscribed), measured" in said
    assert "is off by 0 % ± 0 % on the mean and by 0 % at the most on the 2 points" in said
    assert "which leaves too few points here" in said
    assert "4 workers are faster than one from these batches on: " in said
    assert "(prediction: so many were not run with a processor each, and may slow" in said
    assert "Each of 2 workers computes 1.00 ± 0.00 times as long as one that is alone with" in said
    assert "data set mnist; budget quick; 2 seeds" in said
    assert "2 workers are faster than one" in printed
    # Repeats differ by a factor, which leaves the batch as it is.
    batch = MODEL.break_even_batch(2, 1, gradient_bytes(1))
    assert f"2 workers are faster than one from these batches on: {batch:,.0f} ± 0 at width" in said
    assert "Leaderboard" not in printed
    assert not (folder / "leaderboard.csv").exists()


def test_the_conclusion_says_how_far_it_goes_beyond_what_was_fitted():
    small_ones = {"batch_size": ["16", "128"]}
    said = conclusions(made_up_scaling(workers=(1, 2, 4), settings=small_ones))
    assert (
        "Fitted without the runs of 4 workers, the most there are, it is off by 0 % ± 0 % on the "
        "mean and by 0 % at the most on these." in said
    )
    # Four workers were run, held out or not.
    (four,) = [s for s in said if s.startswith("4 workers are faster than one from")]
    assert four.endswith("(by the model).")


def test_what_is_said_of_batches_smaller_than_any_that_was_run_is_a_prediction():
    batch = MODEL.break_even_batch(2, 1, gradient_bytes(1))
    for smaller, said in (
        (False, "prediction: some of it is below 512"),
        (True, "by the model)"),
    ):
        sizes = {"batch_size": ["512", "1024", *(["8"] if smaller else [])]}
        results = made_up_scaling(settings=sizes)
        assert 8 < batch < 512
        (two,) = [s for s in conclusions(results) if s.startswith("2 workers are faster")]
        assert f"({said}" in two
        (axes,) = break_even.draw(results, "Title")[""].axes
        assert axes.lines[0].get_linestyle() == ("-" if smaller else "--")


def test_all_numbers_of_workers_that_were_run_have_a_break_even():
    said = conclusions(made_up_scaling(workers=(1, 3, 8)))
    begun = [s.split()[0] for s in said if "workers are faster than one from these" in s]
    assert begun == ["2", "3", "4", "8"]


def test_no_model_of_workers_that_were_near_in_some_runs_and_far_in_others():
    results = made_up_scaling(workers=(1, 2, 4))
    machines = (results.trials["workers"] // 2).clip(lower=1)
    apart = dataclasses.replace(results, trials=results.trials.assign(machines=machines))
    assert any("on one machine in some runs and on several" in s for s in conclusions(apart))
    assert not break_even.draw(apart, "Title")
    # What is no part of the model is none of its troubles.
    crowded = made_up_scaling(workers=(1, 2, 4), oversubscribed=(4,))
    apart = dataclasses.replace(crowded, trials=crowded.trials.assign(machines=machines))
    assert break_even.draw(apart, "Title")
    assert not any("on one machine in some runs" in s for s in conclusions(apart))


def test_where_samples_cost_nothing_no_batch_pays():
    results = made_up_scaling()
    timings = results.timings.copy()
    timings["compute_seconds"] = timings["step"].map(lambda step: 0.05 if step <= 10 else 0.01)
    said = conclusions(dataclasses.replace(results, timings=timings))
    at_none = "at no batch at width 1, at width 2, at width 4 (by the model"
    assert any(s.startswith(f"2 workers are faster than one {at_none}") for s in said)


def test_a_grid_is_no_scaling_run():
    results = made_up_run()
    assert not speedup.is_scaling(results)
    assert speedup.scaling_trials(results).empty
    assert scaling_table.make(results, weak=False).empty
