"""`python -m study.reproduce`: which run judges a claim, and what changes are reported."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import search_spaces
from lenet import TrainConfig
from search_spaces.reproduction import PARTS, SEEDS_SEEN
from search_spaces.study import PlannedTrial
from study import reproduce
from study.api.job import TuningJob
from study.claims.judge import judge_all
from study.cluster.engine import Ending
from study.report import reproduction
from study.report.findings import Findings
from study.runs.run_folder import RunFolder
from tests.unit.made_up_run import made_up_run, write

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_verdicts_are_those_of_the_committed_records(capsys):
    """Runs under results/ of this checkout do not count."""
    committed = str(DOCS / "results")
    typed = ["--check", "--results", committed, "--runs", committed, "--out", str(DOCS)]
    assert reproduce.main(typed) == 0, capsys.readouterr().out
    claims = {
        f"{study.name} {claim.name}"
        for study in search_spaces.studies().values()
        for claim in study.claims
    }
    assert reproduction.verdicts_in(DOCS / reproduction.TABLE).keys() == claims
    page = (DOCS / reproduction.PAGE).read_text(encoding="utf-8")
    counts = page.split("\n\n")[2]
    assert " ".join(counts.split()) in " ".join((DOCS.parent / "README.md").read_text().split())


def test_each_committed_run_has_the_verdicts_of_the_reproduction():
    columns = ["verdict", "seeds"]
    verdicts = pd.read_csv(DOCS / reproduction.TABLE)
    for run, rows in verdicts.groupby("run"):
        alone = pd.read_csv(DOCS / run / "claims.csv").set_index("claim")
        expected = rows[rows["verdict"] != "not tested"].set_index("claim")
        found = alone.loc[expected.index, columns]
        pd.testing.assert_frame_equal(found, expected[columns], check_dtype=False)


def test_a_claim_is_judged_by_the_published_run_with_the_most_seeds(tmp_path, capsys):
    for seeds, budget in ((2, "paper"), (3, "paper"), (4, "quick")):
        write(made_up_run(seeds=seeds, budget=budget), tmp_path / "runs" / f"{budget}-{seeds}")
    typed = ["--results", str(tmp_path / "none"), "--runs", str(tmp_path / "runs")]
    typed += ["--out", str(tmp_path / "out")]
    assert reproduce.main(["--judge-only", *typed]) == 0
    table = pd.read_csv(tmp_path / "out" / reproduction.TABLE)
    assert len(table) == sum(len(study.claims) for study in search_spaces.studies().values())
    tested = table[table["verdict"] != "not tested"]
    assert set(tested["study"]) == {"fan"}
    assert {Path(run).name for run in tested["run"]} == {"paper-3"}
    assert set(tested["seeds"]) == {3}
    page = (tmp_path / "out" / reproduction.PAGE).read_text(encoding="utf-8")
    assert f"{len(tested)} were tested at the published budget" in page

    # Without them, no claim is tested.
    shutil.rmtree(tmp_path / "runs" / "paper-3")
    shutil.rmtree(tmp_path / "runs" / "paper-2")
    capsys.readouterr()
    assert reproduce.main(["--check", *typed]) == 1
    assert f"{len(tested)} verdicts changed" in capsys.readouterr().out


def test_a_rule_set_after_some_seeds_is_judged_by_later_ones(tmp_path):
    name = "tuned-sgd-beats-adam"
    assert ("fan", name) in SEEDS_SEEN

    def found(seeds):
        folder = tmp_path / str(seeds)
        run = made_up_run(seeds=seeds, budget="paper")
        write(run, folder)
        judged = {row.claim.name: row.verdict for row in judged_by(folder)}
        # The report of the run alone judges by the same seeds.
        alone = {claim.name: verdict for claim, verdict in Findings(run, folder).judged}
        assert alone[name] == judged[name]
        return judged[name], judged["table-1-stability"]

    seen, other = found(3)
    assert (seen.verdict, other.seeds) == ("not tested", 3)
    assert "seeds 0 to 2 had been seen" in seen.evidence
    assert "--seeds 5 or more" in seen.evidence
    fresh, other = found(5)
    assert (fresh.seeds, other.seeds) == (2, 5)
    assert "seeds 0 to 2 had been seen" in fresh.evidence


def test_seen_seeds_count_for_claims_of_the_users_own_and_at_other_budgets():
    name = "tuned-sgd-beats-adam"
    run = made_up_run(seeds=3, budget="paper")
    fan = search_spaces.find("fan")

    def seeds_of(study, results):
        return {claim.name: verdict.seeds for claim, verdict in judge_all(study, results)}[name]

    assert seeds_of(fan, run) is None
    own = replace(
        fan, claims=tuple(replace(claim, statement="My own words.") for claim in fan.claims)
    )
    assert seeds_of(own, run) == 3
    assert seeds_of(fan, replace(run, run=replace(run.run, budget="quick"))) == 3


def test_a_rule_set_after_some_seeds_waits_for_later_ones_of_an_unfinished_run():
    name = "tuned-sgd-beats-adam"
    run = made_up_run(seeds=5, budget="paper")
    status = run.trials["status"].where(run.trials["seed"] < 3, "unfinished")
    begun = replace(
        run,
        run=replace(run.run, seeds=5),
        trials=run.trials.assign(status=status),
    )
    verdicts = {claim.name: found for claim, found in judge_all(search_spaces.find("fan"), begun)}
    assert verdicts[name].verdict == "not tested"
    assert verdicts[name].evidence.endswith("none of them is complete yet")


def judged_by(folder):
    return reproduction.judge_runs(reproduction.read_runs([folder]))


def test_every_claim_with_seen_seeds_exists():
    for study, claim in SEEDS_SEEN:
        assert claim in {known.name for known in search_spaces.find(study).claims}


def test_a_missing_table_is_named(tmp_path, capsys):
    assert reproduce.main(["--check", "--out", str(tmp_path)]) == 2
    assert f"python -m study.reproduce --judge-only --out {tmp_path}" in capsys.readouterr().err


def test_every_part_is_a_grid_and_every_grid_is_a_part():
    trained = {
        study.name
        for study in search_spaces.studies().values()
        if study.claims and not (study.workers or study.space)
    }
    assert {part.study for part in PARTS} == trained
    for part in PARTS:
        study = search_spaces.find(part.study).with_grids(part.grids)
        assert len(study.plan("paper", part.seeds)) > 0
        assert study.stochastic or part.seeds == 1


def test_parts_are_trained_once_and_resumed(tmp_path, monkeypatch):
    calls = []

    def train(job, *_, **__):
        calls.append((job.session.command, job.session.request, job.session.options))
        return Ending.SOME_FAILED

    monkeypatch.setattr(TuningJob, "train", train)
    monkeypatch.setattr(reproduce, "_judge", lambda _: 0)
    begin_fan(tmp_path / "fan", seeds=25)
    (tmp_path / "empty").mkdir()
    places = ["--results", str(tmp_path), "--runs", str(tmp_path / "empty")]
    reuse = f"--reuse {tmp_path}"
    assert reproduce.main(["fan", "upc-line", *places]) == 1
    assert [" ".join(typed) for typed, *_ in calls] == [
        f"python -m study.grid --resume {tmp_path}/fan",
        f"python -m study.grid fan --budget paper --seeds 5 --grids large-rates {reuse}",
        f"python -m study.grid upc-line --budget paper --seeds 1 {reuse}",
    ]
    assert [len(request.plan()) for _, request, _ in calls[1:]] == [5 * 16, 30]
    assert {options.reuse for _, _, options in calls[1:]} == {(str(tmp_path),)}

    monkeypatch.setattr(RunFolder, "unfinished", lambda _: [])
    calls.clear()
    reproduce.main(["fan", *places])
    assert len(calls) == 1  # its other grid
    calls.clear()
    reproduce.main(["upc-optimizers-softmax", *places])
    ((_, request, _),) = calls
    assert {planned.config.model for planned in request.plan()} == {"softmax"}


def begin_fan(folder, seeds):
    """Create a run of Fan's study without a trial."""
    plan = [
        PlannedTrial(name=f"seed{seed}", config=TrainConfig(seed=seed)) for seed in range(seeds)
    ]
    run = replace(made_up_run(seeds=seeds, budget="paper").run, tool="study.grid")
    RunFolder.create(folder, run, plan).make()


@pytest.mark.parametrize(
    ("typed", "message"),
    [(["fun"], "did you mean 'fan'"), (["fan"], "has 2 seeds, and the reproduction wants 25")],
)
def test_what_cannot_be_reproduced_is_refused(typed, message, tmp_path, capsys):
    begin_fan(tmp_path / "fan", seeds=2)
    assert reproduce.main([*typed, "--results", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_an_undecided_claim_says_how_long_its_seeds_would_take(tmp_path):
    """Two members share the 90 s of a fleet."""
    results = made_up_run(seeds=3, budget="paper")
    trials = results.trials.assign(train_seconds=1.0)
    moments = {"started": "2026-11-27T20:00:00+00:00", "ended": "2026-11-27T20:01:30+00:00"}
    write(replace(results, trials=trials.assign(**moments, fleet_size=2)), tmp_path / "fan")
    (run,) = reproduction.read_runs([tmp_path / "fan"])
    assert (run.seeds, run.seed_seconds) == (3, 45.0 * 24)
    judged = reproduction.judge_runs([run])
    rows = [row for row in judged if row.verdict.seeds_needed == 4]
    assert rows
    for row in rows:
        assert row.certainty.endswith(
            "1 more would decide at this spread, in about 18 min on one processor"
        )
    page, _ = reproduction.write(judged, [run], tmp_path / "out")
    assert "| fan | 3 + 22 | 3 | 18 min |" in page.read_text(encoding="utf-8")


def test_the_time_of_a_seed_needs_its_beginning_and_counts_whole_seeds(tmp_path):
    results = made_up_run(seeds=3, budget="paper")
    half = results.trials["seed"] == 2
    half &= results.trials["optimizer"] == "adam"
    write(replace(results, trials=results.trials[~half]), tmp_path / "fan")
    (run,) = reproduction.read_runs([tmp_path / "fan"])
    assert run.seeds == 2
    assert math.isnan(run.seed_seconds)
    page, _ = reproduction.write(reproduction.judge_runs([run]), [run], tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert "| fan | 3 + 22 | 2 |  |" in text
    assert "more on one processor" not in text


def test_a_dry_run_says_which_trials_are_trained_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(TuningJob, "train", lambda *_, **__: Ending.COMPLETE)
    monkeypatch.setattr(TuningJob, "plan", lambda *_, **__: None)
    monkeypatch.setattr(reproduce.commandline, "train", lambda *_, **__: 0)
    assert reproduce.main(["flux", "upc-line", "--dry-run", "--results", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "216 of these trials are those of flux-stochastic, trained once.",
        "135 of these trials are those of flux-mini-batch, trained once.",
    ]
