"""A fleet of trials as a worker of Ray Tune runs it, without Ray."""

import shutil

import pytest

from lenet import TrainConfig
from search_spaces.study import PlannedTrial
from study.cluster.checkpoint import split_checkpoint
from study.cluster.datasets import share
from study.runs.fleet_checkpoint import FleetCheckpoint
from study.runs.local import LocalPath
from study.runs.trial_folder import TrialFolder
from study.tuning import fleet_trial
from study.tuning.fleet_trial import FleetTrial
from study.tuning.suggester import InOrder, tune_config
from tests.comparison import same

SHORT = TrainConfig(
    dataset="digits", model="4ls", loss="mse", batch_size=32, train_samples=300, epochs=4
)
CONFIGS = {
    "sgd": SHORT.replace(optimizer="sgd", lr=0.5),
    "adam": SHORT.replace(optimizer="adam", lr=0.01, seed=1),
    "brief": SHORT.replace(optimizer="sgd", lr=0.1, epochs=2),
    "diverging": SHORT.replace(optimizer="sgd", lr=1e300),
}
PLAN = [
    PlannedTrial(name=name, config=config, fleet="fleet1", slot=slot)
    for slot, (name, config) in enumerate(CONFIGS.items())
]


@pytest.fixture
def begin(digits):
    """Begins the fleet, or what `config` holds, in the run's folder as a new worker."""

    def begin(home, config=None, *, keep_models="all"):
        home.mkdir(exist_ok=True)
        (home / "run.json").write_text("{}")
        worker = FleetTrial.__new__(FleetTrial)
        worker.setup(
            config or InOrder(PLAN, PLAN).suggest(""),
            datasets={"digits": share(digits)},
            run_folder=str(home),
            threads=1,
            use_gpu=False,
            objectives=("validation_accuracy",),
            seconds_between_reports=0.0,  # a report and a checkpoint after each epoch
            keep_models=keep_models,
        )
        return worker

    return begin


@pytest.fixture
def undisturbed(begin, tmp_path):
    home = tmp_path / "undisturbed"
    train_to_the_end(begin(home))
    return records(home)


def train_to_the_end(worker):
    while not worker.step()["done"]:
        pass


def trial(home, name):
    return TrialFolder(home / "trials" / name)


def records(home):
    return {name: trial(home, name).records() for name in CONFIGS}


def checkpoint(home):
    return FleetCheckpoint(LocalPath(home), "fleet1")


def test_each_member_reports_and_ends_by_itself(begin, tmp_path, undisturbed):
    worker = begin(tmp_path)
    first = worker.step()
    assert not first["done"]
    ended = {report["name"]: report["done"] for report in first["members"]}
    assert ended == {"sgd": False, "adam": False, "brief": False, "diverging": True}
    assert trial(tmp_path, "diverging").state()["status"] == "diverged"
    second = worker.step()
    assert {r["name"] for r in second["members"] if r["done"]} == {"brief"}
    assert trial(tmp_path, "brief").state()["status"] == "finished"
    assert trial(tmp_path, "brief").has_model()
    train_to_the_end(worker)
    state = trial(tmp_path, "sgd").state()
    assert (state["status"], state["fleet"], state["fleet_size"]) == ("finished", "fleet1", 4)
    assert {name: len(curve) for name, curve in undisturbed.items()} == {
        "sgd": 4,
        "adam": 4,
        "brief": 2,
        "diverging": 1,
    }
    assert checkpoint(tmp_path).read() is None


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_resumed_fleet_ends_as_an_undisturbed_one(steps, begin, tmp_path, undisturbed):
    worker = begin(tmp_path)
    for _ in range(steps):
        worker.step()
    train_to_the_end(begin(tmp_path))
    found = records(tmp_path)
    assert all(same(found[name], undisturbed[name]) for name in CONFIGS)
    assert trial(tmp_path, "adam").state()["attempts"] == 2
    assert trial(tmp_path, "diverging").state()["attempts"] == 1


def test_of_members_that_end_together_only_the_best_leaves_a_model(begin, tmp_path):
    train_to_the_end(begin(tmp_path, keep_models="best"))
    accuracy = {name: curve[-1].validation_accuracy for name, curve in records(tmp_path).items()}
    assert accuracy["adam"] != accuracy["sgd"]
    best = max(("adam", "sgd"), key=accuracy.__getitem__)
    # `brief` ended before them, when nobody knew how they would end.
    assert {name for name in CONFIGS if trial(tmp_path, name).has_model()} == {best, "brief"}


def test_after_an_error_no_further_member_is_saved() -> None:
    begun = []

    def save(member: int) -> None:
        begun.append(member)
        raise OSError(f"member {member}")

    with pytest.raises(OSError, match="member"):
        fleet_trial._map_in_threads(range(1_000), save)
    assert len(begun) <= fleet_trial._WRITERS


def test_no_member_leaves_a_model_that_nobody_keeps(begin, tmp_path):
    train_to_the_end(begin(tmp_path, keep_models="none"))
    assert not any(trial(tmp_path, name).has_model() for name in CONFIGS)


def test_a_member_that_ended_after_the_checkpoint_keeps_its_slot(begin, tmp_path, undisturbed):
    worker = begin(tmp_path)
    worker.step()
    old = checkpoint(tmp_path).read()
    worker.step()  # `brief` ends
    ended = (tmp_path / "trials" / "brief" / "trial.json").read_bytes()
    checkpoint(tmp_path).write(old)
    again = begin(tmp_path)
    first = again.step()
    assert {report["name"]: report["done"] for report in first["members"]} == {
        "brief": True,  # once more: the driver may have missed it
        "diverging": True,
        "sgd": False,
        "adam": False,
    }
    train_to_the_end(again)
    found = records(tmp_path)
    assert all(same(found[name], undisturbed[name]) for name in CONFIGS)
    assert (tmp_path / "trials" / "brief" / "trial.json").read_bytes() == ended


def stop_after(worker, home, name, reports):
    """Step until `name` has reported so often; then mark it as stopped, as the driver does."""
    while len(trial(home, name).records()) < reports:
        worker.step()
    trial(home, name).mark("stopped")


@pytest.fixture
def stopped(begin, tmp_path):
    """The records of a fleet of which a scheduler stops a member after its second record."""
    home = tmp_path / "stopped"
    worker = begin(home)
    stop_after(worker, home, "adam", 2)
    train_to_the_end(worker)
    return records(home)


def test_a_stopped_member_leaves_and_the_others_go_on(stopped, undisturbed):
    assert same(stopped["adam"], undisturbed["adam"][:2])
    assert same(stopped["sgd"], undisturbed["sgd"], rel=1e-4)
    assert len(stopped["sgd"]) == 4


def test_a_fleet_ends_if_all_its_members_are_stopped(begin, tmp_path):
    worker = begin(tmp_path)
    worker.step()
    for name in ("sgd", "adam", "brief"):
        trial(tmp_path, name).mark("stopped")
    assert worker.step() == {"done": True, "members": []}
    assert checkpoint(tmp_path).read() is None


@pytest.mark.parametrize("delete_checkpoint", [False, True])
def test_a_resumed_fleet_lets_a_stopped_member_leave_at_the_same_step(
    delete_checkpoint, begin, tmp_path, stopped
):
    stop_after(begin(tmp_path), tmp_path, "adam", 2)
    if delete_checkpoint:
        checkpoint(tmp_path).delete()
    train_to_the_end(begin(tmp_path))
    found = records(tmp_path)
    assert all(same(found[name], stopped[name]) for name in CONFIGS)
    assert trial(tmp_path, "adam").state()["status"] == "stopped"


def test_a_fleet_without_its_checkpoint_starts_over(begin, tmp_path, undisturbed):
    begin(tmp_path).step()
    checkpoint(tmp_path).write(b"damaged")
    train_to_the_end(begin(tmp_path))
    found = records(tmp_path)
    assert all(same(found[name], undisturbed[name]) for name in CONFIGS)


def test_a_lost_trial_of_a_fleet_is_trained_again_in_it(begin, tmp_path, undisturbed):
    train_to_the_end(begin(tmp_path))
    shutil.rmtree(tmp_path / "trials" / "adam")
    train_to_the_end(begin(tmp_path))
    found = records(tmp_path)
    assert all(same(found[name], undisturbed[name]) for name in CONFIGS)


def test_a_complete_fleet_is_not_trained_again(begin, tmp_path):
    train_to_the_end(begin(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("trials/*/*")}
    first = begin(tmp_path).step()
    assert first["done"]
    assert {report["name"] for report in first["members"]} == CONFIGS.keys()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("trials/*/*")} == before


def test_a_member_goes_on_alone_from_the_fleets_checkpoint(begin, tmp_path, undisturbed):
    begin(tmp_path).step()
    names = ("sgd", "adam", "brief")
    split_checkpoint(checkpoint(tmp_path).read(), {name: trial(tmp_path, name) for name in names})
    before = trial(tmp_path, "adam").records()
    alone = PlannedTrial(name="adam", config=CONFIGS["adam"])
    worker = begin(tmp_path, tune_config(alone))
    assert worker.step()["begun_at"] == before[-1].step
    train_to_the_end(worker)
    found = trial(tmp_path, "adam").records()
    assert found[0] == before[0]
    assert same(found, undisturbed["adam"], rel=1e-4)
    assert "fleet" not in trial(tmp_path, "adam").state()
