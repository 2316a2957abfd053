"""What several workers are worth, on made-up timings with known answers."""

import dataclasses
import math

import pytest
from rich.console import Console

import search_spaces
from study.analysis import scaling
from study.analysis.scaling import Point, StepTime
from study.claims.judge import judge_all
from study.figures.draw import draw_all
from study.report.summary import summarize
from study.tables import launchers, start_up, step_time, worker_times
from study.tables import scaling as scaling_table
from tests.unit.made_up_run import made_up_run, write
from tests.unit.made_up_scaling import MODEL, RAY_COST, gradient_bytes, made_up_scaling


def made_up_points(model, workers=(1, 2, 4), batches=(64, 128, 512), widths=(1, 2, 4)):
    return [
        Point(
            workers=n,
            batch=batch,
            width=width,
            gradient_bytes=gradient_bytes(width),
            compute=model.compute(math.ceil(batch / n), width, gradient_bytes(width)),
            communication=model.communication(n, gradient_bytes(width)),
            step=model.step(n, batch, width, gradient_bytes(width)),
        )
        for n in workers
        for batch in batches
        for width in widths
    ]


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
    assert scaling.seconds_to(results, trials, 0.7).tolist() == [half]
    assert scaling.seconds_to(results, trials, 0.9).tolist() == [whole]
    assert scaling.seconds_to(results, trials, 0.99).tolist() == [math.inf]


def test_the_fit_finds_the_model_that_made_the_timings():
    fitted, held_out = scaling.split(made_up_points(MODEL))
    model = scaling.fit(fitted)
    assert dataclasses.astuple(model) == pytest.approx(dataclasses.astuple(MODEL), rel=1e-6)
    assert len(held_out) >= 6
    assert not set(held_out) & set(fitted)
    errors = [scaling.relative_error(model, p) for p in held_out]
    assert errors == pytest.approx([0] * len(held_out), abs=1e-6)


def test_the_error_on_held_out_points_is_that_of_their_own_measurement():
    _, held_out = scaling.split(made_up_points(MODEL))
    slower = dataclasses.replace(held_out[0], step=2 * held_out[0].step)
    assert scaling.relative_error(MODEL, slower) == pytest.approx(-0.5)


def test_too_few_points_are_no_fit():
    points = made_up_points(MODEL, workers=(1,))
    assert scaling.fit(points) is None
    assert scaling.fit(made_up_points(MODEL, workers=(1, 2), batches=(64,), widths=(1,))) is None


def test_no_term_of_the_fit_is_negative():
    points = [
        dataclasses.replace(p, compute=p.compute * (1.5 if p.width == 1 else 1.0))
        for p in made_up_points(MODEL)
    ]
    assert min(dataclasses.astuple(scaling.fit(points))) >= 0


@pytest.mark.parametrize("workers", [2, 4, 16])
def test_at_the_break_even_batch_workers_are_as_fast_as_one(workers):
    size = gradient_bytes(2)
    batch = MODEL.break_even_batch(workers, 2, size)
    # Batches of whole shards: there is no rounding up.
    below, above = (workers * round(batch * f / workers) for f in (0.8, 1.2))
    assert MODEL.speed_up(workers, below, 2, size) < 1 < MODEL.speed_up(workers, above, 2, size)


def test_break_even_by_hand():
    model = StepTime(
        fixed=1.0,
        per_byte=0.0,
        per_sample=0.5,
        per_sample_2=0.25,
        latency=2.0,
        seconds_per_byte=0.001,
    )
    # Communication 2 + 0.001 * 1000 = 3; a sample costs 0.75, of which two workers save half.
    assert model.break_even_batch(2, 1, 1000) == pytest.approx(8)
    free = dataclasses.replace(model, per_sample=0.0, per_sample_2=0.0)
    assert free.break_even_batch(2, 1, 1000) == math.inf


def test_oversubscribed_workers_are_not_in_the_fit():
    points = scaling.points(made_up_scaling(workers=(1, 2, 4), oversubscribed=(4,)))
    assert {p.workers for p in points} == {1, 2}


def test_workers_are_faster_where_the_whole_interval_says_so():
    strong = scaling.compared(made_up_scaling(repeats=3), weak=False)
    verdicts = scaling.judged(strong).set_index("width")["verdict"]
    assert verdicts.to_dict() == {1: "not faster", 2: "not faster", 4: "faster than one"}
    strong.loc[(strong["width"] == 4) & (strong["seed"] == 0), "speed_up"] = 0.5
    assert scaling.judged(strong).set_index("width")["verdict"][4] == "undecided"


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
    assert ray["Ray itself, once (s)"] == "10 ± 0"
    assert ray["all but Ray itself (s)"] == "32 ± 0"


def test_numbers_of_workers_that_were_not_run_are_predictions():
    made = step_time.make(made_up_scaling(), predicted=(2, 8))
    assert set(made["kind"]) == {"fitted on", "held out", "prediction"}
    predicted = made[made["kind"] == "prediction"]
    assert predicted["workers"].tolist() == ["8", "8", "8"]  # two workers were run
    assert set(predicted["measured ms"]) == {"not run"}
    size = gradient_bytes(4)
    expected = MODEL.step(8, 128, 4, size) * RAY_COST * 1.005 * 1e3  # the mean of both repeats
    wide = predicted[predicted["width"] == "4"].iloc[0]
    assert float(wide["model ms"]) == pytest.approx(expected, rel=0.01)


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
    assert said == ["break-even is not drawn: no trial of this run belongs to it"]


def test_the_conclusion_in_words(tmp_path, capsys):
    folder = write(made_up_scaling(workers=(1, 2, 4), oversubscribed=(4,)), tmp_path / "run")
    summarize(folder, Console(width=200))
    printed = capsys.readouterr().out
    said = (folder / "conclusion.txt").read_text()
    assert "4 cpu workers (oversubscribed), measured" in said
    assert "off by 0 % on the mean" in said
    assert "4 workers pay from a batch of" in said
    assert "(prediction, not run with a processor each)" in said
    assert "data set mnist; budget quick; 2 seeds" in said
    assert "2 workers pay" in printed
    assert "Leaderboard" not in printed
    assert not (folder / "leaderboard.csv").exists()


def test_a_grid_is_no_scaling_run():
    results = made_up_run()
    assert not scaling.is_scaling(results)
    assert scaling.runs(results).empty
    assert scaling_table.make(results, weak=False).empty
