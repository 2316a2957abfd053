"""Runs compared: which points are the same, how far they differ, and what else differs."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lenet import ConfigError
from study import compare
from study.analysis import unpaired
from study.analysis.compare_runs import Side, compare_runs
from study.report.run_comparison import sentence
from tests.unit.made_up_run import made_up_run, write

ONE_LR = {"lr": ["0.1"], "optimizer": ["sgd"]}
GAINS = [0.004, 0.0035, 0.0045]
"""of the validation accuracy of seeds 0, 1 and 2 in the second run"""


def gained(results, gains=GAINS):
    """Return the run with a higher validation accuracy, by seed."""
    trials = results.trials.copy()
    trials["validation_accuracy"] += trials["seed"].map(dict(enumerate(gains)))
    return replace(results, trials=trials)


def compared(first, second, quantity=None):
    (found,) = compare_runs([Side("a", first), Side("b", second)], quantity)
    return found


def test_points_are_paired_by_seed():
    found = compared(made_up_run(seeds=3), gained(made_up_run(seeds=3)))
    assert found.settings == ["optimizer", "lr", "batch_size"]
    assert len(found.points) == 24
    test = stats.ttest_1samp(GAINS, 0)
    low, high = test.confidence_interval()
    for row in found.points.to_dict("records"):
        assert row["second"] - row["first"] == pytest.approx(row["difference"])
        assert row["difference"] == pytest.approx(np.mean(GAINS))
        assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))
        assert row["paired"] == 3
        assert row["p"] == pytest.approx(min(1, 24 * test.pvalue))  # equal ones, by Holm's rule
    assert found.overall.p == pytest.approx(test.pvalue)
    assert "The runs differ beyond the seeds; taken alone, 0 of 24 points differ." in sentence(
        found
    )


def test_other_seeds_are_not_paired():
    first, second = made_up_run(seeds=3), made_up_run(seeds=6)
    later = second.trials[second.trials["seed"] >= 3]
    found = compared(first, replace(second, trials=later))
    expected = stats.ttest_ind([0.006, 0.008, 0.010], [0.0, 0.002, 0.004], equal_var=False)
    low, high = expected.confidence_interval()
    for row in found.points.to_dict("records"):
        assert (row["paired"], row["first_seeds"], row["second_seeds"]) == (0, 3, 3)
        assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))
    assert found.overall.p == pytest.approx(expected.pvalue)
    assert "seeds not paired" in sentence(found)


def test_equal_seeds_of_different_data_sets_are_not_paired():
    """They order other samples, and start from weights that meet other images."""
    other = gained(made_up_run(seeds=3))
    found = compared(
        made_up_run(seeds=3), replace(other, trials=other.trials.assign(dataset="kmnist"))
    )
    assert set(found.points["paired"]) == {0}
    assert set(found.points["first_seeds"]) == {3}
    assert found.overall.seeds == 0


def test_a_mean_is_over_the_seeds_that_are_compared():
    found = compared(made_up_run(seeds=3), gained(made_up_run(seeds=5), [*GAINS, 9.0, 9.0]))
    row = found.points.iloc[0]
    assert row["second"] - row["first"] == pytest.approx(np.mean(GAINS))
    assert (row["first_seeds"], row["second_seeds"]) == (3, 5)
    assert {"what": "seeds", "first": "0, 1, 2", "second": "0 to 4 (5)"} in found.differing.to_dict(
        "records"
    )


def test_points_of_one_run_alone_and_what_else_differs():
    more = {"lr": ["0.1", "0.01", "3"], "optimizer": ["sgd"], "dropout": ["0.5"]}
    first, second = made_up_run(seeds=2), made_up_run(2, more, budget="paper")
    second = replace(second, run=replace(second.run, versions={"torch": "3.0"}, commit="a" * 40))
    found = compared(first, second)
    assert set(found.points["lr"]) == {0.1, 0.01}
    assert set(found.points["optimizer"]) == {"sgd"}
    assert set(found.only_second["lr"]) == {3}
    assert len(found.only_first) == 24 - 8
    differing = {
        row["what"]: (row["first"], row["second"]) for row in found.differing.to_dict("records")
    }
    assert differing == {
        "budget": ("quick", "paper"),
        "version of torch": ("none", "3.0"),
        "code": ("none", "aaaaaaaaaa"),
        "train_samples": ("10000", "default"),
        "epochs": ("5", "10"),
        "dropout": ("0", "0.5"),
    }


def packed(results, fleets, lost=0):
    """Return the run with its first trials packed into these fleets, which have lost members."""
    alone = len(results.trials) - len(fleets)
    sizes = [fleets.count(fleet) + lost for fleet in fleets]
    columns = {"fleet": [*fleets, *[""] * alone], "fleet_size": [*sizes, *[1] * alone]}
    return replace(results, trials=results.trials.assign(**columns))


@pytest.mark.parametrize(
    ("fleets", "others", "differing"),
    [
        ([], [], []),
        (["x", "x", "y", "y"], ["a", "a", "b", "b"], []),
        (["x", "x"], [], [["packing", "1 fleet of 2, 22 trials alone", "each trial alone"]]),
        (
            ["x", "x", "y", "y"],
            ["x", "y", "y", "x"],
            [["packing", text := "2 fleets of 2, 20 trials alone", f"{text}, with other members"]],
        ),
        (
            ["x", "x", "y", "y", "y"],
            ["x"] * 24,
            [["packing", "2 fleets of 2 to 3, 19 trials alone", "1 fleet of 24"]],
        ),
    ],
)
def test_packing_is_a_difference(fleets, others, differing):
    found = compared(packed(made_up_run(), fleets), packed(made_up_run(), others))
    assert found.differing.to_numpy().tolist() == differing
    old = compared(made_up_run(), packed(made_up_run(), []))  # from before trials had fleets
    assert old.differing.empty


def test_a_trial_reused_out_of_a_fleet_was_not_trained_alone():
    found = compared(packed(made_up_run(), ["x"], lost=1), packed(made_up_run(), []))
    ours = "1 trial in 1 fleet of 2, 23 trials alone"
    assert found.differing.to_numpy().tolist() == [["packing", ours, "each trial alone"]]


def test_reused_trials_and_workers_are_differences():
    second = made_up_run()
    trials = second.trials.assign(reused=[None, "results/a", *[None] * 22], workers=2)
    found = compared(made_up_run(), replace(second, trials=trials))
    assert found.differing.to_numpy().tolist() == [
        ["reused trials", "none", "1"],
        ["workers", "none", "2"],
    ]


def test_a_setting_that_is_constant_in_both_keeps_no_points_apart():
    found = compared(made_up_run(2, {"lr": ["0.1"]}), made_up_run(2, {"lr": ["0.01"]}))
    assert len(found.points) == 8
    assert ("lr", "0.1", "0.01") in found.differing.itertuples(index=False, name=None)


def test_a_run_from_before_a_setting_existed_has_its_default():
    old = made_up_run(2)
    old = replace(old, trials=old.trials.drop(columns="clip_norm"))
    found = compared(old, made_up_run(2, {"clip_norm": ["none", "1"]}))
    assert len(found.points) == 24
    assert set(found.only_second["clip_norm"]) == {1}


def test_the_same_run_twice_is_equal_and_chance_decides_nothing():
    found = compared(made_up_run(3), made_up_run(3))
    assert "digit for digit" in sentence(found)
    assert found.overall.p == 1
    one_seed = compared(made_up_run(1), gained(made_up_run(1)))
    assert "One seed cannot tell a difference from chance" in sentence(one_seed)
    assert math.isnan(one_seed.overall.low)
    assert "Too few seeds that all points share to tell" in sentence(without_shared_seeds())


def without_shared_seeds():
    """Return two runs whose points each have two seeds, and no seed at all points."""
    first, second = made_up_run(seeds=4, choices=ONE_LR), made_up_run(seeds=4, choices=ONE_LR)
    trials = first.trials
    apart = trials[(trials["seed"] < 2) == (trials["batch_size"] == trials["batch_size"].min())]
    other = gained(replace(second, trials=second.trials.loc[apart.index]), [*GAINS, 0.003])
    return compared(replace(first, trials=apart), other)


def test_a_trial_that_diverged_counts_with_the_worst_value():
    diverged = made_up_run(2, ONE_LR, status={"sgd_lr0.1_batch32_seed1": "diverged"})
    found = compared(made_up_run(2, ONE_LR), diverged)
    assert found.points["second"][0] == pytest.approx(0.98 / 2)
    in_loss = compared(made_up_run(2, ONE_LR), diverged, "validation_loss")
    assert in_loss.points["difference"][0] == math.inf
    assert in_loss.points["p"][0] == 1


def test_quantities_of_whole_curves_are_compared_too():
    first, second = made_up_run(3, ONE_LR), made_up_run(3, ONE_LR)
    accuracies = second.records["validation_accuracy"]
    second.records["validation_accuracy"] = accuracies.where(second.records["epoch"] != 2, 0.999)
    found = compared(first, second, "validation_loss_at_best")
    losses = second.records.set_index(["trial", "epoch"])["validation_loss"]
    expected = losses.xs(2, level="epoch").mean() - losses.xs(5, level="epoch").mean()
    assert expected > 0.03
    assert found.points["difference"].mean() == pytest.approx(expected)
    at_best = sentence(compared(first, second, "train_accuracy_at_best"))
    assert "Train accuracy at the best validation accuracy of b less a" in at_best
    assert "percentage points" in at_best


@pytest.mark.parametrize(
    ("quantity", "reduced"),
    [
        ("mean_train_loss", lambda curve: curve.mean()),
        ("best_train_loss", lambda curve: curve.min()),
        ("rises_train_loss", lambda curve: curve.diff().clip(lower=0).sum()),
    ],
)
def test_reductions_are_those_of_the_records(quantity, reduced):
    first, second = made_up_run(3, ONE_LR), made_up_run(3, ONE_LR)
    wave = 0.1 * np.sin(second.records["epoch"] + second.records["trial"].str[-1].astype(int))
    second.records["train_loss"] += wave
    found = compared(first, second, quantity)
    means = [r.records.groupby("trial")["train_loss"].agg(reduced).mean() for r in (first, second)]
    assert found.points["difference"].mean() == pytest.approx(means[1] - means[0])
    rises = sentence(compared(first, second, "rises_train_loss"))
    assert "Sum of the rises of the training loss of b less a" in rises
    oscillation = sentence(compared(first, second, "oscillation_train_loss"))
    assert "the same oscillation of the training loss within a record at 4 points" in oscillation


def test_a_curve_that_was_not_measured_or_was_thinned_is_refused():
    """The made-up run is tested at its end, which is the best record of some seeds only."""
    run, other = made_up_run(3, ONE_LR), made_up_run(3, ONE_LR)
    last = run.records["epoch"] == 5
    falls = last & run.records["trial"].str.endswith("seed1")
    run.records.loc[falls, "validation_accuracy"] = 0.5
    with pytest.raises(ConfigError, match=r"a has not measured test_accuracy at .*test_curve=true"):
        compared(run, other, "test_accuracy_at_best")
    for missing in ("f1_at_best", "best_trial", "mean_test_f1"):
        with pytest.raises(ConfigError, match=f"a has not measured {missing}"):
            compared(run, other, missing)
    thinned = replace(run, trials=run.trials.assign(unthinned_records=40))
    with pytest.raises(ConfigError, match="a were thinned, so its mean_train_loss is lost"):
        compared(thinned, other, "mean_train_loss")
    assert compared(thinned, other, "best_validation_loss").points["paired"].eq(3).all()
    merged = replace(thinned, trials=thinned.trials.assign(unthinned_evaluations=20))
    with pytest.raises(ConfigError, match="such as validation_loss"):
        compared(merged, other, "best_validation_loss")
    stored = merged.trials.assign(unthinned_best_validation_loss=0.25)
    known = compared(replace(merged, trials=stored), other, "best_validation_loss")
    assert known.points["first"].eq(0.25).all()


def test_several_runs_share_the_error():
    runs = [made_up_run(3), gained(made_up_run(3)), gained(made_up_run(3))]
    found = compare_runs([Side(name, run) for name, run in zip("abc", runs, strict=True)])
    alone = compared(*runs[:2]).overall.p
    assert [comparison.overall.p for comparison in found] == [pytest.approx(2 * alone)] * 2


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        ({"lr": ["0.1", "0.01"]}, {"lr": ["3", "5"]}, r"differ in lr \(0\.01, 0\.1 against 3, 5\)"),
        ({}, {"lr": ["3", "5"]}, "have no point in common"),
        (  # only the learning rates keep points apart, but the models and data sets say why
            {"lr": ["0.1", "0.01"]},
            {"lr": ["3", "5"], "dataset": ["digits"], "model": ["softmax"], "optimizer": ["sgd"]},
            r"they differ in dataset \(mnist against digits\), model \(lenet against softmax\), "
            r"lr \(0\.01, 0\.1 against 3, 5\); choose runs that share values of lr$",
        ),
        (
            {"width": ["1", "2"], "lr": ["0.1"], "optimizer": ["adam"], "batch_size": ["8"]},
            {
                **{"width": ["4", "5"], "lr": ["3", "5"], "optimizer": ["sgd"], "dropout": ["0.5"]},
                **{"dataset": ["digits"], "batch_size": ["32"], "beta1": ["none"]},
            },
            r"dataset .*, optimizer .*, lr .*, batch_size .*, width \(1, 2 against 4, 5\); "
            r"choose runs that share values of width, lr$",
        ),
    ],
)
def test_runs_without_a_common_point_are_refused(first, second, error):
    with pytest.raises(ConfigError, match=error):
        compared(made_up_run(choices=first), made_up_run(choices=second))


def test_runs_without_a_common_combination_are_refused():
    runs = [made_up_run(choices={"lr": ["0.1", "0.01"], "optimizer": ["sgd", "adam"]})] * 2
    is_sgd = runs[0].trials["optimizer"] == "sgd"
    is_fast = runs[0].trials["lr"] == 0.1
    halves = [
        replace(runs[0], trials=runs[0].trials[rows == is_sgd]) for rows in (is_fast, ~is_fast)
    ]
    with pytest.raises(ConfigError, match=r"common: choose runs that share a combination of .*lr"):
        compared(*halves)


def test_trials_that_are_no_points_keep_no_points_apart():
    """Such as the confirmations of a search, which alone evaluate the test set."""
    grid = made_up_run(seeds=2)
    trials = grid.trials
    ramps = trials.assign(schedule="ramp-exponential", test_at_end=False, gamma=2.0)
    ramps["trial"] = "ramp_" + ramps["trial"]
    tested = replace(grid, trials=pd.concat([trials, ramps], ignore_index=True))
    assert compared(grid, tested).settings == ["optimizer", "lr", "batch_size"]


def test_what_no_run_has_measured_is_refused():
    with pytest.raises(ConfigError, match=r"a has not measured f1: .* with --by, of .*test_loss"):
        compared(made_up_run(), made_up_run(), "f1")
    unfinished = made_up_run(status={"": "unfinished"})
    with pytest.raises(ConfigError, match="no trial of b has a result"):
        compared(made_up_run(), unfinished)
    with pytest.raises(ConfigError, match="one run, a, compares nothing"):
        compare_runs([Side("a", made_up_run())])


def test_welch_of_equal_values_is_a_permutation_test():
    apart = unpaired.difference([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])
    assert (apart.mean, apart.low, apart.high, apart.p) == (1.0, 1.0, 1.0, 2 / 20)
    assert unpaired.difference([1.0, 1.0], [1.0, 1.0]).p == 1
    one = unpaired.difference([1.0], [2.0, 3.0])
    assert one.mean == 1.5
    assert math.isnan(one.low)
    assert math.isnan(one.p)


def test_the_command_prints_80_columns_and_writes_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    first = write(made_up_run(3), tmp_path / "a")
    second = write(gained(made_up_run(3, {"lr": ["0.1", "7"]})), tmp_path / "b")
    out = tmp_path / "out"
    assert compare.main([str(first), str(second), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 80
    assert "  B            b (mnist, budget quick)\n" in printed
    assert "Only in A: 16 points (" in printed
    assert "Only in B: 8 points (" in printed
    points = pd.read_csv(out / "points.csv")
    assert list(points["difference"]) == pytest.approx([np.mean(GAINS)] * 8)
    assert set(points["second_run"]) == {"b"}
    assert "| sgd | 0.1 | 32 |" in (out / "points.md").read_text("utf-8")
    assert pd.read_csv(out / "only-in-one.csv")["run"].value_counts().to_dict() == {"a": 16, "b": 8}
    assert (out / "differing.tex").is_file()


def test_the_command_says_which_run_is_unfinished(tmp_path, capsys):
    first = write(made_up_run(), tmp_path / "a")
    second = write(made_up_run(status={"sgd_lr0.1": "unfinished"}), tmp_path / "b")
    assert compare.main([str(first), str(second)]) == 0
    printed = capsys.readouterr().out
    assert "  A            a (mnist, budget quick)\n" in printed
    assert "  B            b (mnist, budget quick; 4 of 24 trials unfinished)\n" in printed


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["a"], "a is one run: name two or more"),
        (["a", "nowhere"], "nowhere is not a folder"),
        (["a", "c"], "a and c have no point in common"),
        (["a", "b", "--by", "f1"], "a has not measured f1"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_exit_code_2(
    tmp_path, capsys, monkeypatch, words, error
):
    monkeypatch.chdir(tmp_path)
    for name, lr in (("a", "0.1"), ("b", "0.1"), ("c", "9")):
        write(made_up_run(choices={"lr": [lr, str(2 * float(lr))]}), tmp_path / name)
    assert compare.main(words) == 2
    line, end = capsys.readouterr().err.split("\n")
    assert line.startswith("error: ")
    assert error in line
    assert end == ""
